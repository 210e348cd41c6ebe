"""The report: one self-contained HTML page about everything in a working folder.

contents.py reads, sections/ turn nouns into what templates show, charts/ draw SVG, templates/ lay out.
"""

from chaosprsa.report.page import render_report

__all__ = ["render_report"]
