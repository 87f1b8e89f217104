"""The report of a run as JSON."""

from PancreasSegLib.report.run_report import REPORT_FORMAT, is_of_one_run, report_json, write_report

__all__ = ["REPORT_FORMAT", "is_of_one_run", "report_json", "write_report"]
