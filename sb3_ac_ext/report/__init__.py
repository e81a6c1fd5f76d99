"""History and verdict -> one self-contained HTML file: no network, phone and dark mode included."""

from sb3_ac_ext.report.page import render_report
from sb3_ac_ext.report.write import write_report

__all__ = ["render_report", "write_report"]
