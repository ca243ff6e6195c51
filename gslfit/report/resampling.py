"""Text and HTML of a bootstrap and of a jackknife, by their attributes."""
from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from gslfit.report.html import enclosed, table
from gslfit.report.text import rounded

WHAT = {"residual": "residuals", "pairs": "points", "parametric": "normal errors", "poisson": "Poisson's counts"}


def bootstrap_report(found: Any, level: float) -> str:
    """Return a bootstrap as text: a line for each parameter.

    Parameters
    ----------
    found : BootstrapResult
    level : float
        The probability of the percentile intervals.
    """
    return _text(_title(found), _heads(level), _rows(found, level), _failures(found))


def bootstrap_html(found: Any, level: float) -> str:
    """Return a bootstrap as HTML."""
    return _html(_title(found), _heads(level), _rows(found, level), _failures(found))


def jackknife_report(found: Any) -> str:
    """Return a jackknife as text: a line for each parameter."""
    return _text(f"Jackknife of {found.n} points", HEADS, _moments(found), _left(found))


def jackknife_html(found: Any) -> str:
    """Return a jackknife as HTML."""
    return _html(f"Jackknife of {found.n} points", HEADS, _moments(found), _left(found))


HEADS = ["", "best fit", "standard error", "bias"]


def _title(found: Any) -> str:
    return f"Bootstrap of {WHAT[found.kind]}, {found.n} replicates"


def _heads(level: float) -> list[str]:
    return [*HEADS, *(f"{100*tail:.4g} %" for tail in ((1 - level)/2, (1 + level)/2))]


def _moments(found: Any) -> list[list[str]]:
    """Return a row for each parameter: the best fit, the standard error, the bias."""
    rows = []
    for name in found.names:
        error = found.stderr[name]
        value, about = rounded(found.best[name], error)
        rows.append([name, value, about, rounded(found.bias[name], error)[0]])
    return rows


def _rows(found: Any, level: float) -> list[list[str]]:
    limits = found.percentile(level)
    return [[*row, *(rounded(limit, found.stderr[row[0]])[0] for limit in limits[row[0]])] for row in _moments(found)]


def _failures(found: Any) -> list[str]:
    """Return what there is to be said of replicates without values."""
    if not found.failed:
        return []
    ends = "; ".join(f"{count} {prose}" for prose, count in found.endings.items())
    return [f"{found.failed} of {found.n} replicates failed and are left out: {ends}"]


def _left(found: Any) -> list[str]:
    return [f"{found.failed} of {found.n} fits failed and are left out"] if found.failed else []


def _text(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]], notes: Sequence[str]) -> str:
    widths = [max(len(row[k]) for row in (heads, *rows)) for k in range(len(heads))]
    lines = ["  ".join([row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]).rstrip()
             for row in (heads, *rows)]
    return "\n".join([title, *(f"  {line}" for line in lines), *notes])


def _html(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]], notes: Sequence[str]) -> str:
    return enclosed(table(heads, rows, title) + "".join(f'<p class="doubt">{escape(note)}</p>' for note in notes))


def influence_report(found: Any, count: int) -> str:
    """Return the points with the largest Cook's distances as text: a line for each.

    Parameters
    ----------
    found : Influence
    count : int
        How many points.
    """
    return _text(POINTS, POINT_HEADS, _points(found, count), [])


def influence_html(found: Any, count: int) -> str:
    """Return the same as HTML."""
    return _html(POINTS, POINT_HEADS, _points(found, count), [])


POINTS = "Points by Cook's distance"
POINT_HEADS = ["point", "leverage", "studentized residual", "Cook's distance"]


def _points(found: Any, count: int) -> list[list[str]]:
    rows = []
    for place in found.worst(count):
        numbers = (found.leverage[place], found.studentized[place], found.cooks_distance[place])
        rows.append([str(place[0] if len(place) == 1 else place), *(f"{number:.3g}" for number in numbers)])
    return rows
