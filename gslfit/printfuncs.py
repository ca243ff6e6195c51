"""The reports under the name that lmfit gives them: ``from gslfit.printfuncs import *``."""
from gslfit.report.text import ci_report, fit_report, report_ci, report_errors, report_fit

__all__ = ["ci_report", "fit_report", "report_ci", "report_errors", "report_fit"]
