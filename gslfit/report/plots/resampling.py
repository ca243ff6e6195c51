"""Pictures of resampled fits: how parameters scatter in a bootstrap."""
from __future__ import annotations

from typing import Any

import numpy as np

from gslfit.checks import truth
from gslfit.errors import InputError
from gslfit.report.plots.style import GREY, ORANGE, line_colour, listed, panels, plain, pyplot

BINS = 60               # of a histogram, at most
DOTS = 2000             # of a cloud, at most
TAIL = 5e-4             # share of the replicates beyond either end of an axis


def plot_bootstrap(result: Any, names: Any = None, level: float = .95, pairs: bool = False, axes: Any = None, *,
                   ax: Any = None) -> np.ndarray:
    """Draw how each parameter scatters over the replicates of a bootstrap.

    A histogram with the best fit and the percentile interval; the dashed line is the normal curve of the fit's own standard error.

    Parameters
    ----------
    result : BootstrapResult
    names : str or list of str, optional
        Those that vary or have an expression, if not given.
    level : float
        The probability of the interval.
    pairs : bool
        Whether to draw each parameter against each other too: histograms on the diagonal, clouds below it.
    axes, ax : matplotlib Axes, one for each parameter, optional
        Not with `pairs`.

    Returns
    -------
    ndarray of matplotlib Axes
        One for each parameter; with `pairs` (k, k), None above the diagonal.

    Raises
    ------
    InputError
        If there is no such parameter, or the axes are not as many.
    """
    chosen = listed(names, result.names, "the bootstrap")
    given = ax if axes is None else axes
    limits = result.percentile(level)
    if truth("pairs", pairs):
        if given is not None:
            raise InputError("pairs=True draws into a figure of its own, and takes no axes")
        return _corner(result, chosen, limits)
    found = panels(given, len(chosen), 2.6)
    for name, panel in zip(chosen, found, strict=True):
        _histogram(panel, result, name, limits[name])
        panel.set_xlabel(name)
    return found


def _range(values: np.ndarray) -> tuple[float, float]:
    """Return what an axis shows: all but the outermost replicates."""
    low, high = (float(each) for each in np.quantile(values, [TAIL, 1 - TAIL]))
    width = high - low or abs(low)*1e-3 or 1.0
    return low - .05*width, high + .05*width


def _histogram(ax: Any, result: Any, name: str, limits: tuple[float, float]) -> None:
    """Draw one parameter's replicates."""
    values = np.asarray(result.values[name])
    low, high = _range(values)
    bins = int(min(BINS, max(8, 2*values.size**(1/3))))
    ax.hist(values, bins=bins, range=(low, high), density=True, color=line_colour(ax), alpha=.45, lw=0, label="replicates")
    error = result.fit.params[name].stderr
    if error and np.isfinite(error):
        x = np.linspace(low, high, 200)
        z = (x - result.best[name])/error
        ax.plot(x, np.exp(-z*z/2)/(error*np.sqrt(2*np.pi)), "--", color=GREY, lw=1, label="standard error")
    ax.axvline(result.best[name], color=line_colour(ax), lw=1.5, label="best fit")
    for limit in limits:
        ax.axvline(limit, color=ORANGE, lw=1)
    ax.set_xlim(low, high)
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)
    ax.locator_params(axis="x", nbins=4)


def _corner(result: Any, names: list[str], limits: dict[str, tuple[float, float]]) -> np.ndarray:
    """Draw histograms on the diagonal of a square of panels, and clouds of replicates below it."""
    count = len(names)
    side = min(2.2, 12/count)
    figure, grid = pyplot().subplots(count, count, figsize=(side*count + .6, side*count + .4), layout="constrained", squeeze=False)
    found = np.array(grid, dtype=object)
    every = max(1, -(-result.values[names[0]].size//DOTS))
    for row, column in np.ndindex(count, count):
        ax = found[row, column]
        if column > row:
            ax.remove()
            found[row, column] = None
            continue
        plain(ax)
        if row == column:
            _histogram(ax, result, names[row], limits[names[row]])
        else:
            _cloud(ax, result, names[column], names[row], every)
        ax.set_xlabel(names[column] if row == count - 1 else "")
        ax.set_ylabel(names[row] if column == 0 and row else "")
        ax.tick_params(labelbottom=row == count - 1, labelleft=column == 0 and row > 0)
    figure.align_ylabels()
    return found


def _cloud(ax: Any, result: Any, x_name: str, y_name: str, every: int) -> None:
    """Draw the replicates of two parameters against each other, some thousand of them."""
    x, y = (np.asarray(result.values[name]) for name in (x_name, y_name))
    ax.plot(x[::every], y[::every], ".", color=line_colour(ax), ms=2.5, alpha=.35, mew=0, rasterized=True)
    ax.plot(result.best[x_name], result.best[y_name], "+", color=ORANGE, ms=9, mew=1.8)
    ax.set_xlim(_range(x))
    ax.set_ylim(_range(y))
    ax.locator_params(nbins=4)
