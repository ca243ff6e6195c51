"""The reports of lmfit 1.3 under its names; the text is gslfit's, which has the same layout and says more where a fit is in doubt."""
from collections.abc import Mapping
from typing import Any

from gslfit.report.html import fit_html, params_html
from gslfit.report.text import ci_report as _ci_report
from gslfit.report.text import correlation_table as correl_table
from gslfit.report.text import fit_report, fixed_width, natural, report_fit, statistic

__all__ = ["alphanumeric_sort", "ci_report", "correl_table", "fit_report", "fitreport_html_table", "getfloat_attr", "gformat",
           "params_html_table", "report_ci", "report_fit"]

alphanumeric_sort = natural


def gformat(val: Any, length: int = 11) -> str:
    """Return a number in `length` characters, with as many digits as fit."""
    return fixed_width(val, length)


def getfloat_attr(obj: Any, attr: str, length: int = 11) -> str:
    """Return an attribute of a result as text, "unknown" if there is none."""
    value = getattr(obj, attr, None)
    return fixed_width(value, length).strip() if isinstance(value, float) else statistic(obj, attr)


def ci_report(ci: Mapping[str, Any], with_offset: bool = True, ndigits: int = 5) -> str:
    """Return confidence intervals as text.

    Parameters
    ----------
    ci : dict of str to list of (float, float)
        What `conf_interval` returns.
    with_offset : bool
        Whether limits are shown as differences from the best value.
    ndigits : int
        Decimals.
    """
    if with_offset:
        return _ci_report(ci, True, ndigits)
    width = max(len(name) for name in ci)
    chances = [probability for probability, _ in next(iter(ci.values()))]
    head = "".join(("_BEST_" if abs(p) < .01 else f"{100*p:.2f}%").rjust(ndigits + 5) for p in chances)
    rows = (f" {name:{width}}:" + "".join(f"{limit:.{ndigits}f}".rjust(ndigits + 5) for _, limit in row) for name, row in ci.items())
    return "\n".join([" "*(width + 1) + head, *rows])


def report_ci(ci: Mapping[str, Any]) -> None:
    """Print confidence intervals; see `ci_report`."""
    print(ci_report(ci))


def fitreport_html_table(result: Any, show_correl: bool = True, min_correl: float = .1) -> str:
    """Return the report of a fit as HTML tables."""
    return fit_html(result, min_correl if show_correl else 2.)


def params_html_table(params: Mapping[str, Any]) -> str:
    """Return parameters as an HTML table."""
    return params_html(params, "Parameters")
