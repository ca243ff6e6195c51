"""Reports of parameters, fits and confidence intervals: text, HTML and pictures."""
from gslfit.report.text import ci_report, fit_report, report_ci, report_errors, report_fit

__all__ = ["ci_report", "fit_report", "report_ci", "report_errors", "report_fit"]
