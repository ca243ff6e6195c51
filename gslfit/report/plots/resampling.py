"""Pictures of resampled fits: how parameters scatter in a bootstrap, what single points do to a fit."""
from __future__ import annotations

from typing import Any

import numpy as np

from gslfit.checks import truth
from gslfit.errors import InputError
from gslfit.report.plots.style import GREY, ORANGE, line_colour, listed, named, panels, plain, pyplot

BINS = 60               # of a histogram, at most
DOTS = 2000             # of a cloud, at most
COOK = (.5, 1.0)        # Cook's distances that have a line
LABELS = 3              # points that are named
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


def plot_influence(result: Any, axes: Any = None, *, ax: Any = None) -> np.ndarray:
    """Draw what each point does to a fit.

    First the studentized residuals over the leverages, with lines at which Cook's distance is 0.5 and 1, for residuals with the fit's own
    standard deviation. Then Cook's distance of each point, with a line at 4/n, above which points are looked at (Bollen and Jackman,
    Sociol. Methods Res. 13 (1985) 510). The three largest are named by their places in the data.

    Parameters
    ----------
    result : FitResult, ModelResult, Minimizer or Influence
    axes, ax : two matplotlib Axes, optional

    Returns
    -------
    ndarray of two matplotlib Axes
    """
    given = result.influence() if hasattr(result, "influence") else result
    left, right = found = panels(ax if axes is None else axes, 2, 3.2)
    h, t, d = (np.asarray(each).reshape(-1) for each in (given.leverage, given.studentized, given.cooks_distance))
    left.plot(h, t, "o", color=line_colour(left), ms=4, alpha=.7, mew=0)
    _cook_lines(left, h, t, len(given.names))
    left.set(xlabel="leverage", ylabel="studentized residual")
    places, title = _over(given.fit, d.size)
    right.vlines(places, 0, d, color=line_colour(right), lw=1.2)
    right.axhline(4/max(1, int(np.count_nonzero(np.isfinite(d)))), color=GREY, ls="--", lw=1)
    right.set(xlabel=title, ylabel="Cook's distance", ylim=(0, None))
    for place in given.worst(LABELS):
        k = int(np.ravel_multi_index(place, given.leverage.shape))
        text = str(place[0] if len(place) == 1 else place)
        for panel, x, y in ((left, h[k], t[k]), (right, places[k], d[k])):
            if np.isfinite(y):
                panel.annotate(text, (x, y), xytext=(4, 3), textcoords="offset points", fontsize="small", color=ORANGE)
    return found


def _cook_lines(ax: Any, h: np.ndarray, t: np.ndarray, p: int) -> None:
    """Draw where Cook's distance is 0.5 and 1, as far as they come near the points."""
    top = float(np.nanmax(np.abs(t), initial=1.0))*1.15
    right = float(np.nanmax(h, initial=0.0))
    right = min(1.0, 1.15*right) if right > 0 else 1.0
    grid = np.linspace(right/400, right, 400)
    with np.errstate(divide="ignore"):
        for level in COOK:
            line = np.sqrt(level*p*np.maximum(1 - grid, 0)/grid)
            for sign in (1, -1):
                ax.plot(grid, sign*line, "--", color=GREY, lw=1)
            inside = np.flatnonzero(line <= top)
            if inside.size:
                ax.annotate(f"{level:g}", (grid[inside[0]], line[inside[0]]), xytext=(3, -2), textcoords="offset points", fontsize="small",
                            color=GREY, va="top")
    ax.axhline(0, color=GREY, lw=.6)
    ax.set_xlim(0, right)
    ax.set_ylim(-top, top)


def _over(fit: Any, size: int) -> tuple[np.ndarray, str]:
    """Return what points are drawn over, and its name: the independent variable where there is one of real numbers, else their numbers."""
    known = fit.independent if hasattr(getattr(fit, "_source", None), "eval") else {}
    if len(known) == 1:
        (name, values), = known.items()
        array = np.asarray(values)
        if array.size == size and array.dtype.kind in "biuf":
            return array.reshape(-1).astype(float), named(name, values)
    return np.arange(size, dtype=float), "point"
