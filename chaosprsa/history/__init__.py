"""Where the past comes from: files in the normal form, Prometheus, other systems' incidents, logs.

frame.py holds the value (History), mending.py what is put right; files.py, prometheus.py and loki.py are edges.
Incidents: incidents.py reads a file or folder, one module a format turns it into reports.py's reports. Logs: logs.py is
the front of log_lines, log_records, log_times, log_templates and log_counts.
"""
