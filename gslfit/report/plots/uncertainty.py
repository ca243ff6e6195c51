"""Pictures of how sure a fit is: profiles with their limits, regions of two parameters, correlations."""
from __future__ import annotations

from collections.abc import Iterable
from math import erf, isfinite, sqrt
from statistics import NormalDist
from typing import Any

import numpy as np

from gslfit.checks import whole
from gslfit.data.numbers import floats
from gslfit.errors import InputError
from gslfit.report.plots.style import GREY, ORANGE, axes_or_new, line_colour, listed, panels

SIGMAS = (1, 2, 3)
CERTAIN = 1 - 1e-15          # probabilities beyond which standard deviations are not told apart


def deviations(chances: Any) -> np.ndarray:
    """Return the standard deviations that probabilities stand for, those of a normal distribution's two sides."""
    normal = NormalDist()
    flat = np.ravel(np.asarray(chances, float))
    return np.reshape([normal.inv_cdf((1 + min(max(p, 0.), CERTAIN))/2) if p == p else np.nan for p in flat], np.shape(chances))


def _levels(sigmas: Iterable[float]) -> list[float]:
    """Return standard deviations for these or for probabilities below 1."""
    given = np.atleast_1d(floats("sigmas", sigmas)).ravel()
    if not given.size or not np.all((given > 0) & (given <= 8)):
        raise InputError(f"sigmas must be probabilities below 1, or standard deviations from 1 to 8, not {given.tolist()}")
    return sorted(float(each) if each >= 1 else float(deviations(each)) for each in given)


def plot_ci(result: Any, p_names: Any = None, sigmas: Iterable[float] = SIGMAS, axes: Any = None, *, ax: Any = None) -> np.ndarray:
    """Draw the profile of each parameter, with its limits.

    Upwards is the distance from the best fit in standard deviations: two straight lines for a parameter whose standard error says all
    (drawn dashed), bent ones else. The limits are where the profile crosses the level.

    Parameters
    ----------
    result : FitResult, ModelResult or Minimizer
        After a fit.
    p_names : str or list of str, optional
        All varying parameters, if not given.
    sigmas : sequence of float
        Levels in standard deviations; below 1 they are probabilities.
    axes, ax : matplotlib Axes, one for each parameter, optional

    Returns
    -------
    ndarray of matplotlib Axes

    Raises
    ------
    InputError
        If a parameter doesn't vary, or the axes are not as many as the parameters.
    """
    names = listed(p_names, result.var_names, "the fit")
    levels = _levels(sigmas)
    found = panels(ax if axes is None else axes, len(names), 2.6)
    intervals, traces = result.conf_interval(p_names=names, sigmas=[erf(level/sqrt(2)) for level in levels], trace=True)
    for name, panel in zip(names, found, strict=True):
        _profile(panel, name, result.params[name], levels, intervals[name], traces[name])
    return found


def _profile(ax: Any, name: str, parameter: Any, levels: list[float], limits: list[tuple[float, float]], trace: Any) -> None:
    """Draw one parameter's profile."""
    values, heights = np.asarray(trace[name]), deviations(trace["prob"])
    order = np.argsort(values, kind="stable")
    top = 1.15*levels[-1]
    best = limits[len(levels)][1]
    if parameter.stderr:
        ends = np.array([-top, 0, top])
        ax.plot(best + ends*parameter.stderr, np.abs(ends), "--", color=GREY, lw=1, label="standard error")
    below, above = limits[len(levels) - 1::-1], limits[len(levels) + 1:]
    for level, *pair in zip(levels, below, above, strict=True):
        ax.axhline(level, color=GREY, lw=0.6, alpha=0.5, zorder=0)
        for _, value in pair:
            if isfinite(value):
                ax.plot([value, value], [0, level], color=ORANGE, lw=1)
    ax.plot(values[order], heights[order], "-", color=line_colour(ax), label="profile")
    known = values[np.isfinite(values) & (heights <= top)]
    low, high = (_reach(side, best, top*(parameter.stderr or 0), known) for side in (below, above))
    margin = 0.06*(high - low) or abs(best) or 1.0
    ax.set_xlim(low - margin, high + margin)
    ax.set_ylim(0, top)
    ax.set_xlabel(name)
    ax.set_ylabel("standard deviations")
    ax.locator_params(axis="x", nbins=4)


def _reach(side: list[tuple[float, float]], best: float, width: float, known: np.ndarray) -> float:
    """Return how far a profile is drawn to one side: to its outermost limit; if that is not reached, half as far again as the others."""
    finite = [value for _, value in side if isfinite(value)]
    sign = 1 if side[-1][1] > best else -1
    if len(finite) == len(side):
        return finite[-1]
    if finite:
        return best + 1.5*(finite[-1] - best)
    return best + sign*width if width else sign*max(sign*known, default=sign*best)


def plot_ci2d(result: Any, x_name: str, y_name: str, sigmas: Iterable[float] = SIGMAS, nx: int = 24, ny: int = 24, limits: Any = None,
              ax: Any = None) -> Any:
    """Draw the confidence region of two parameters, the others refitted at each point.

    Parameters
    ----------
    result : FitResult, ModelResult or Minimizer
        After a fit.
    x_name, y_name : str
    sigmas : sequence of float
        Levels: joint probabilities (below 1), or what these are in standard deviations of a normal distribution.
    nx, ny : int
        Points of the grid.
    limits : ((float, float), (float, float)), optional
        The range of each parameter; see `gslfit.conf_interval2d`.
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes
    """
    levels, nx, ny = _levels(sigmas), whole("nx", nx, 2, 2000), whole("ny", ny, 2, 2000)
    x, y, chances = result.conf_interval2d(x_name, y_name, nx, ny, limits)
    ax = axes_or_new(ax)
    heights = np.asarray(deviations(chances))**2              # squares of standard deviations: smooth at the minimum, as chi-square is
    squares = [level**2 for level in levels]
    ax.contourf(x, y, heights, levels=[0, *squares], cmap="Blues_r", alpha=0.7, extend="neither")
    lines = ax.contour(x, y, heights, levels=squares, colors=line_colour(ax), linewidths=1)
    names = {square: f"{100*erf(level/sqrt(2)):.4g} %" for square, level in zip(squares, levels, strict=True)}
    ax.clabel(lines, fmt=lambda square: names.get(square, ""), fontsize="small", colors=ax.xaxis.label.get_color())
    ax.plot(result.params[x_name].value, result.params[y_name].value, "+", color=ORANGE, ms=10, mew=2)
    ax.set_xlabel(x_name)
    ax.set_ylabel(y_name)
    return ax


def plot_correlation(result: Any, p_names: Any = None, ax: Any = None) -> Any:
    """Draw the correlations of the varying parameters as a table in colours; what has none stays blank.

    Parameters
    ----------
    result : FitResult, ModelResult or Minimizer
        After a fit.
    p_names : list of str, optional
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes
    """
    names = listed(p_names, result.var_names, "the fit")
    table = np.array([[_correlation(result.params[one], other) for other in names] for one in names]).reshape(len(names), len(names))
    ax = axes_or_new(ax)
    drawn = ax.imshow(table, cmap="RdBu_r", vmin=-1, vmax=1)
    ax.figure.colorbar(drawn, ax=ax, label="correlation")
    ax.set_xticks(range(len(names)), names, rotation=45 if max(map(len, names), default=0) > 4 else 0, ha="right")
    ax.set_yticks(range(len(names)), names)
    ax.spines[:].set_visible(False)
    if len(names) <= 12:
        for row, column in np.ndindex(table.shape):
            value = table[row, column]
            if value == value and row != column:
                ax.text(column, row, f"{value:+.2f}", ha="center", va="center", color="w" if abs(value) > .6 else "k", fontsize="small")
    return ax


def _correlation(parameter: Any, other: str) -> float:
    """Return a parameter's correlation with another, NaN where there is none."""
    if parameter.name == other:
        return 1.0 if parameter.stderr is not None else np.nan
    return (parameter.correl or {}).get(other, np.nan)
