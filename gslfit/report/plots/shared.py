"""Pictures of data sets that share parameters."""
from __future__ import annotations

from typing import Any

import numpy as np

from gslfit.checks import whole
from gslfit.errors import InputError
from gslfit.report.plots.style import GREY, line_colour, listed, panels

SHOWN = 6       # data sets that are drawn, if nobody says which


def plot_shared(result: Any, which: Any = None, names: Any = None, axes: Any = None, *, ax: Any = None) -> np.ndarray:
    """Draw data sets with their fits, one above the other, and how the local parameters run over all data sets.

    Parameters
    ----------
    result : SharedResult
        Of data sets with one independent variable.
    which : int or sequence of int, optional
        The data sets that are drawn; if not given up to six of those that took part, evenly chosen.
    names : str or list of str, optional
        The local parameters that are drawn; all of them, if not given.
    axes, ax : matplotlib Axes, one for the data sets and one for each local parameter, optional

    Returns
    -------
    ndarray of matplotlib Axes

    Raises
    ------
    InputError
        If there is no such data set or parameter, or there are several independent variables.

    Examples
    --------
    >>> import gslfit
    >>> t = np.linspace(0, 5, 40)
    >>> traces = np.arange(1, 9)[:, None]*np.exp(-t/1.5)
    >>> found = gslfit.fit_shared("A*exp(-t/tau)", traces, t=t, shared="tau", tau=1.0)
    >>> [axes.get_ylabel() for axes in found.plot_shared()]
    ['data and fits', 'A']
    """
    local = listed(list(result.local_names) if names is None else names, list(result.local_names), "the data sets")
    chosen = _chosen(result, which)
    if any(len(result[k].independent) != 1 for k in chosen):
        raise InputError("data sets are drawn over one independent variable; result[i].plot() draws single ones of several")
    found = panels(ax if axes is None else axes, 1 + len(local), 2.8)
    _curves(found[0], result, chosen)
    for name, panel in zip(local, found[1:], strict=True):
        _run(panel, result, name)
    return found


def _chosen(result: Any, which: Any) -> list[int]:
    """Return the data sets that are drawn."""
    count = len(result)
    if which is None:
        good = np.flatnonzero(~np.isnan(result.local_chisqr))
        places = np.unique(np.linspace(0, max(len(good) - 1, 0), min(SHOWN, len(good))).round().astype(int))
        return good[places].tolist()
    return [whole("which", k, -count, count - 1) % count for k in np.atleast_1d(which)]


def _curves(panel: Any, result: Any, chosen: list[int]) -> None:
    """Draw data sets and their fits, each moved up by as much as the spread of the others needs."""
    fits = [result[k] for k in chosen]
    spans = [float(np.nanmax(each.data) - np.nanmin(each.data)) for each in fits if np.isfinite(each.data).any()]
    step = .35*max(spans, default=0.0) if len(fits) > 1 else 0.0
    label = ""
    colour = line_colour(panel)
    for row, fit in enumerate(fits):
        (label, x), = fit.independent.items()
        order = np.argsort(x)
        panel.plot(x, np.asarray(fit.data, float) + row*step, ".", color=GREY, markersize=3, zorder=1)
        panel.plot(x[order], np.asarray(fit.best_fit, float)[order] + row*step, color=colour, linewidth=1.5, zorder=2)
    panel.set_xlabel(label)
    panel.set_ylabel("data and fits")
    shared = ", ".join(f"{name} = {float(result.values[name]):.5g}" for name in result.var_names)
    panel.set_title(f"data sets {', '.join(map(str, chosen))}\n{shared}" if chosen else shared, fontsize="medium")


def _run(panel: Any, result: Any, name: str) -> None:
    """Draw a local parameter over the data sets, with its errors."""
    numbers, errors = np.asarray(result.values[name], float), np.asarray(result.stderr[name], float)
    places = np.arange(len(numbers))
    bars = np.where(np.isfinite(errors), errors, 0.0)
    panel.errorbar(places, numbers, bars, fmt=".", color=line_colour(panel), markersize=4, linewidth=1)
    panel.set_xlabel("data set")
    panel.set_ylabel(name)
