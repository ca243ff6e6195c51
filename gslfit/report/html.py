"""HTML of parameters, fits and confidence intervals, for notebooks; every cell is escaped."""
from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

from gslfit.report.text import STATISTICS, at_bound, attribute, ci_notes, correlations, doubts, pairs_of, statistic


def table(head: Iterable[Any], rows: Iterable[Iterable[Any]], caption: str = "") -> str:
    """Return an HTML table."""
    def row(cells: Iterable[Any], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{escape(str(cell))}</{tag}>" for cell in cells) + "</tr>"
    title = f"<caption>{escape(caption)}</caption>" if caption else ""
    return f"<table>{title}<thead>{row(head, 'th')}</thead><tbody>{''.join(row(cells, 'td') for cells in rows)}</tbody></table>"


def _number(value: Any) -> str:
    return "" if value is None else f"{value:.8g}" if isinstance(value, float) else str(value)


def params_html(params: Mapping[str, Any], caption: str = "") -> str:
    """Return parameters as an HTML table.

    Parameters
    ----------
    params : Parameters
        The parameters.
    caption : str
        Over the table.
    """
    def row(name: str, par: Any) -> list[str]:
        value, error = attribute(par, "value"), attribute(par, "stderr")
        relative = f"{abs(error/value):.2%}" if error and value else ""
        return [name, _number(value), _number(error), relative, _number(attribute(par, "init_value")), _number(par.min), _number(par.max),
                str(par.vary), attribute(par, "expr") or "", f"at {bound}" if par.vary and (bound := at_bound(par)) else ""]
    heads = ("name", "value", "standard error", "relative error", "initial value", "min", "max", "vary", "expression", "")
    return table(heads, (row(name, par) for name, par in params.items()), caption)


def fit_html(result: Any, min_correl: float = .1) -> str:
    """Return a fit as HTML: statistics, doubts, parameters, correlations.

    Parameters
    ----------
    result : Minimizer or result
        What a fit returned.
    min_correl : float
        Correlations of smaller size are left out.
    """
    statistics = table(("", ""), ((label.strip(), statistic(result, name)) for label, name, _ in STATISTICS
                                  if name != "rsquared" or getattr(result, name, None) is not None), "Fit")
    message = getattr(result, "message", "") or ""
    warnings = "".join(f"<p><strong>Warning:</strong> {escape(doubt)} {escape(message) if doubt.endswith(':') else ''}</p>"
                       for doubt in doubts(result))
    found = correlations(result.params, min_correl)
    correlated = table(("parameters", "correlation"), ((pair, f"{r:+.4f}") for pair, r in found), "Correlations") if found else ""
    return statistics + warnings + params_html(result.params, "Parameters") + correlated


def ci_html(ci: Mapping[str, Any]) -> str:
    """Return confidence intervals as an HTML table, with the notes below.

    Parameters
    ----------
    ci : dict of str to list of (float, float)
        What `conf_interval` returns.
    """
    rows = pairs_of(ci)
    chances = next(iter(rows.values()), [])
    head = ["", *(f"{100*p:.2f}%" for p, _ in chances)]
    notes = "".join(f"<p>{escape(note.strip())}</p>" for note in ci_notes(ci, rows))
    body = ([name, *(_number(float(limit)) for _, limit in pairs)] for name, pairs in rows.items())
    return table(head, body, "Confidence intervals") + notes
