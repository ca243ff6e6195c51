"""HTML of parameters, fits, intervals and batches, for notebooks: every cell is escaped, and colours show on light and on dark ground."""
from __future__ import annotations

import math
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

from gslfit.report.spread import common_range, middle
from gslfit.report.text import STATISTICS, about_fit, at_bound, attribute, ci_notes, doubts, pairs_of, rounded, statistic

STYLE = """<style>
.gslfit table {border-collapse: collapse; margin: .5em 0; font-size: .92em}
.gslfit caption {caption-side: top; text-align: left; font-weight: 600; color: inherit; padding: .2em 0}
.gslfit th, .gslfit td {text-align: right; padding: .15em .7em; border: 0; background: none; color: inherit}
.gslfit th:first-child, .gslfit td:first-child, .gslfit .text {text-align: left}
.gslfit thead th {border-bottom: 1px solid rgba(128, 128, 128, .7)}
.gslfit tbody tr {background: none}
.gslfit td.doubt, .gslfit p.doubt {background: rgba(230, 159, 0, .3)}
.gslfit p.doubt {padding: .3em .7em; margin: .4em 0; max-width: 60em}
.gslfit img {image-rendering: pixelated; vertical-align: middle}
</style>"""
MAP_SIDE = 96           # pixels of a map in a notebook
Cell = tuple[Any, str]
"""What a cell says, and its attributes."""

TABLE = '<table class="jp-toc-ignore">'         # JupyterLab leaves its caption out of the table of contents


def enclosed(body: str) -> str:
    """Return HTML with the style that its tables have; nothing else on the page is touched."""
    return f'<div class="gslfit">{STYLE}{body}</div>'


def table(head: Iterable[Any], rows: Iterable[Iterable[Any]], caption: str = "") -> str:
    """Return an HTML table; a cell is a thing, or a `Cell`."""
    def cell(content: Any, tag: str) -> str:
        text, attributes = content if isinstance(content, tuple) else (content, "")
        return f"<{tag}{attributes and ' '}{attributes}>{escape(str(text))}</{tag}>"

    def row(cells: Iterable[Any], tag: str) -> str:
        return "<tr>" + "".join(cell(each, tag) for each in cells) + "</tr>"
    title = f"<caption>{escape(caption)}</caption>" if caption else ""
    return f"{TABLE}{title}<thead>{row(head, 'th')}</thead><tbody>{''.join(row(cells, 'td') for cells in rows)}</tbody></table>"


def _number(value: Any) -> str:
    return "" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)


def _text(words: str) -> Cell:
    """Return a cell of words."""
    return words, 'class="text"'


def _exact(text: str, value: Any, doubtful: bool = False) -> Cell:
    """Return a cell of a rounded number that shows all digits where the pointer rests."""
    full = f'title="{escape(repr(value))}"' if isinstance(value, float) else ""
    return text, " ".join(part for part in ('class="doubt"' if doubtful else "", full) if part)


def _params_table(params: Mapping[str, Any], caption: str) -> str:
    """Return the table of parameters."""
    fitted = any(attribute(par, "stderr") is not None for par in params.values())

    def row(name: str, par: Any) -> list[Any]:
        value, error, start = (attribute(par, key) for key in ("value", "stderr", "init_value"))
        relative = f"{abs(error/value):.2%}" if error and value else ""
        bound = at_bound(par) if par.vary else ""
        unknown = fitted and bool(par.vary) and (error is None or not math.isfinite(error))
        vague = bool(error and value and abs(error) >= abs(value))
        shown, about = rounded(value, error) if isinstance(value, float) else (_number(value), _number(error))
        return [name, _exact(shown, value, bool(bound)), _exact("unknown" if unknown and error is None else about, error, unknown),
                (relative, 'class="doubt"' if vague else ""), _exact(_number(start), start), _number(par.min), _number(par.max),
                str(par.vary), _text(attribute(par, "expr") or ""), (f"at {bound}" if bound else "", 'class="doubt"' if bound else "")]
    heads = ("name", "value", "standard error", "relative error", "initial value", "min", "max", "vary", _text("expression"), "")
    return table(heads, (row(name, par) for name, par in params.items()), caption)


def params_html(params: Mapping[str, Any], caption: str = "") -> str:
    """Return parameters as an HTML table.

    Values are rounded to two digits of their error, and show all digits where the pointer rests. What is doubtful is coloured: a value at
    its bound, an error that is unknown or larger than its value.

    Parameters
    ----------
    params : Parameters
        The parameters.
    caption : str
        Over the table.
    """
    return enclosed(_params_table(params, caption))


def _heat(r: float | None, least: float) -> Cell:
    """Return a cell of a correlation, coloured by its sign and size."""
    if r is None or not math.isfinite(r):
        return "unknown", 'class="doubt"'
    if abs(r) <= least:
        return "", ""
    colour = "214, 96, 77" if r > 0 else "67, 147, 195"
    return f"{r:+.4f}", f'style="background: rgba({colour}, {min(abs(r), 1.)*.8:.2f})"'


def _correlation_table(params: Mapping[str, Any], least: float) -> str:
    """Return the correlations of the varying parameters as a table in colours; nothing where there are none."""
    names = [name for name, par in params.items() if par.vary]
    known = [by_name for name in names if (by_name := attribute(params[name], "correl"))]
    if not known or (least > 0 and all(abs(r) <= least for by_name in known for r in by_name.values())):
        return ""

    def row(k: int, name: str) -> list[Any]:
        known = attribute(params[name], "correl") or {}
        return [name, *(_heat(known.get(other), least) for other in names[:k])]
    return table(["", *names[:-1]], (row(k, name) for k, name in enumerate(names) if k), "Correlations")


def fit_html(result: Any, min_correl: float = .1) -> str:
    """Return a fit as HTML: statistics, doubts, parameters, correlations.

    Parameters
    ----------
    result : Minimizer or result
        What a fit returned.
    min_correl : float
        Correlations of smaller size are left blank.
    """
    rows = [(label.strip(), statistic(result, name)) for label, name, _ in STATISTICS
            if name != "rsquared" or getattr(result, name, None) is not None]
    statistics = table(("", ""), [*rows, *about_fit(result)], "Fit")
    message = getattr(result, "message", "") or ""
    warnings = "".join(f'<p class="doubt"><strong>Warning:</strong> {escape(doubt)} {escape(message) if doubt.endswith(":") else ""}</p>'
                       for doubt in doubts(result))
    return enclosed(statistics + warnings + _params_table(result.params, "Parameters") + _correlation_table(result.params, min_correl))


def ci_html(ci: Mapping[str, Any]) -> str:
    """Return confidence intervals as an HTML table, with the notes below.

    Parameters
    ----------
    ci : dict of str to list of (float, float)
        What `conf_interval` returns.
    """
    rows = pairs_of(ci)
    chances = next(iter(rows.values()), [])
    head = ["", *(f"{100*p:.2f}%" if p else "best" for p, _ in chances)]
    notes = "".join(f'<p class="doubt">{escape(note.strip())}</p>' for note in ci_notes(ci, rows))

    def row(name: str, pairs: Sequence[tuple[float, float]]) -> list[Any]:
        limits = [limit for _, limit in pairs if math.isfinite(limit)]
        width = (max(limits) - min(limits))/4 if len(limits) > 1 else None
        return [name, *(_exact(rounded(float(limit), width)[0], float(limit), math.isinf(limit)) for _, limit in pairs)]
    return enclosed(table(head, (row(name, pairs) for name, pairs in rows.items()), "Confidence intervals") + notes)


def model_html(model: Any) -> str:
    """Return a model as HTML: its components with their parameters and formulas, and the hints given.

    Parameters
    ----------
    model : Model
    """
    def row(part: Any) -> list[Any]:
        words = (part._reprstring()[6:-1], ", ".join(part.independent_vars), ", ".join(part.param_names), part.describe())
        return [_text(each) for each in words]
    heads = [_text(each) for each in ("model", "of", "parameters", "formula")]
    found = table(heads, (row(part) for part in model.components), model.name)
    hints = {part._prefix + name: hint for part in model.components for name, hint in part.param_hints.items()} | dict(model.param_hints)
    keys = [key for key in ("value", "vary", "min", "max", "expr") if any(key in hint for hint in hints.values())]
    rows = ([name, *(_text(_number(hint.get(key))) for key in keys)] for name, hint in hints.items())
    return enclosed(found + (table(["parameter", *map(_text, keys)], rows, "Hints") if keys else ""))


def batch_html(head: str, counts: Mapping[str, int], good: Mapping[str, np.ndarray], notes: Iterable[str] = ()) -> str:
    """Return a batch as HTML: how the fits ended, and the middle, the spread and a small map of each parameter.

    Parameters
    ----------
    head : str
        What was fitted.
    counts : dict of str to int
        Fits by how they ended.
    good : dict of str to ndarray
        Values by name, in the batch's shape, NaN where the fit failed.
    notes : iterable of str
    """
    def row(name: str, values: np.ndarray) -> list[str]:
        known = values[np.isfinite(values)]
        if not known.size:
            return [escape(name), "no good fit", "", ""]
        low, median, high = middle(known)
        spread = (high - low)/2
        shown, about = rounded(median, spread if spread > 0 else None)
        return [escape(name), shown, about, _map(values)]
    heads = "".join(f"<th>{each}</th>" for each in ("", "median", "half of 68 %", "map"))
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row(name, values)) + "</tr>" for name, values in good.items())
    ends = table(("fits", ""), ((count, _text(prose)) for prose, count in counts.items()), head)
    said = "".join(f'<p class="doubt">{escape(note)}</p>' for note in notes)
    return enclosed(f"{ends}{said}{TABLE}<thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>")


def _map(values: np.ndarray) -> str:
    """Return a small image of a map, blank where a fit failed; nothing for a batch of one axis, or without matplotlib."""
    if values.ndim != 2 or min(values.shape) < 2:
        return ""
    try:
        from matplotlib import colormaps
        from matplotlib.image import imsave
    except ImportError:
        return ""
    from io import BytesIO
    step = max(1, math.ceil(max(values.shape)/(2*MAP_SIDE)))
    small = values[::step, ::step]
    low, high = common_range(values) or (0., 1.)
    share = np.clip((small - low)/(high - low), 0, 1)
    colours = colormaps["viridis"](np.ma.masked_invalid(share))
    colours[~np.isfinite(share)] = 0.
    file = BytesIO()
    imsave(file, colours, format="png")
    tall, wide = small.shape
    scale = MAP_SIDE/max(tall, wide)
    return (f'<img alt="map" width="{max(1, round(scale*wide))}" height="{max(1, round(scale*tall))}" '
            f'src="data:image/png;base64,{b64encode(file.getvalue()).decode()}">')
