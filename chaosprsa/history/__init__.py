"""Where the past comes from: files in the normal form, Prometheus, Alertmanager.

frame.py holds the value (History) and its mending; files.py, incidents.py and prometheus.py are the edges.
"""
