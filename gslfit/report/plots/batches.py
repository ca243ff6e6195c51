"""Pictures of a batch: maps of its parameters, their distributions, single curves."""
from __future__ import annotations

from typing import Any

import numpy as np

from gslfit.checks import whole
from gslfit.errors import InputError
from gslfit.report.plots.curves import plot_fit
from gslfit.report.plots.style import GREY, ORANGE, line_colour, listed, named, panels
from gslfit.report.spread import common_range, middle

STATISTICS = ("chisqr", "redchi", "nfev", "status")


def _column(batch: Any, name: str) -> tuple[Any, np.ndarray]:
    """Return a quantity of a batch, and its numbers, NaN where the fit failed."""
    kept = getattr(batch, name) if name in STATISTICS else (batch.stderr[name.removesuffix("_stderr")] if name not in batch.values
                                                           else batch.values[name])
    numbers = np.asarray(kept, dtype=float)
    return kept, numbers if name == "status" else np.where(np.asarray(batch.success), numbers, np.nan)


def _quantities(batch: Any, names: Any, default: list[str]) -> list[str]:
    """Return what is to be drawn: parameters, their errors, statistics."""
    known = [*batch.values, *(f"{name}_stderr" for name in batch.values), *STATISTICS]
    return default if names is None else listed(names, known, "the batch")


def plot_maps(batch: Any, names: Any = None, axes: Any = None, *, ax: Any = None, index: Any = (), cmap: str = "viridis") -> np.ndarray:
    """Draw each parameter over the batch: as an image for a batch of two axes, as points with error bars for one of one axis.

    Fits that failed are left blank. The colours cover 99 % of the others.

    Parameters
    ----------
    batch : BatchResult
    names : str or list of str, optional
        Parameters, their errors ("tau_stderr"), or "chisqr", "redchi", "nfev", "status"; by default the varying parameters and "redchi".
    axes, ax : matplotlib Axes, one for each, optional
    index : int or tuple of int
        The place on the leading axes of a batch of more than two.
    cmap : str
        A colour map of matplotlib.

    Returns
    -------
    ndarray of matplotlib Axes

    Raises
    ------
    InputError
        If a name is unknown, or more than two axes are left.

    Examples
    --------
    >>> import gslfit
    >>> x = np.linspace(0, 5, 40)
    >>> tau = np.linspace(1, 2, 12).reshape(3, 4)
    >>> maps = gslfit.fit_batch("A*exp(-x/tau)", 2*np.exp(-x/tau[..., None]), x=x, start={"A": 1, "tau": 1})
    >>> [axes.get_title() for axes in maps.plot_maps()]
    ['A', 'tau', 'redchi']
    """
    place = index if isinstance(index, tuple) else (index,)
    left = len(batch.shape) - len(place)
    if left not in (1, 2):
        raise InputError(f"maps are drawn of one or two axes, and the batch has the shape {tuple(batch.shape)}: index= must say where on "
                         f"{'fewer of them' if left < 1 else 'the first of them'}")
    wanted = _quantities(batch, names, [*batch.names, "redchi"])
    found = panels(ax if axes is None else axes, len(wanted), 2.8 if left == 2 else 2.2)
    for name, panel in zip(wanted, found, strict=True):
        kept, numbers = _column(batch, name)
        if left == 2:
            _map(panel, kept, numbers[place], cmap)
        else:
            _line(panel, batch, name, numbers[place], place)
        _axis_names(panel, kept, len(place), left)
        panel.set_title(name)
    return found


def _map(ax: Any, kept: Any, numbers: np.ndarray, cmap: str) -> None:
    """Draw one image."""
    low, high = common_range(numbers) or (0, 1)
    ax.set_facecolor((.5, .5, .5, .25))
    drawn = ax.imshow(numbers, cmap=cmap, vmin=low, vmax=high, interpolation="nearest", aspect="auto" if _long(numbers) else "equal")
    good = numbers[np.isfinite(numbers)]
    beyond = bool((good > high).any()), bool((good < low).any())
    ax.figure.colorbar(drawn, ax=ax, extend={(True, True): "both", (True, False): "max", (False, True): "min"}.get(beyond, "neither"))


def _long(image: np.ndarray) -> bool:
    """Return whether an image is too long to be drawn with square pixels."""
    return max(image.shape) > 5*min(image.shape)


def _line(ax: Any, batch: Any, name: str, numbers: np.ndarray, place: tuple[int, ...]) -> None:
    """Draw a quantity over a batch of one axis."""
    at = np.arange(numbers.size)
    if name in batch.values:
        errors = np.asarray(batch.stderr[name], float)[place]
        bars = np.where(np.isfinite(errors), errors, 0)
        ax.errorbar(at, numbers, bars, fmt="o", ms=3, color=line_colour(ax), ecolor=GREY, elinewidth=0.8)
    else:
        ax.plot(at, numbers, "o", ms=3, color=line_colour(ax))


def _axis_names(ax: Any, kept: Any, first: int, left: int) -> None:
    """Name the axes of a batch, and mark them with its coordinates, where its container has them."""
    dims, coords = getattr(kept, "dims", None), getattr(kept, "coords", {})
    if dims is None:
        ax.set_xlabel("fit" if left == 1 else "")
        return
    for axis, dim in zip(("y", "x")[2 - left:], dims[first:], strict=True):
        known = dim in coords
        getattr(ax, f"set_{axis}label")(named(dim, coords[dim] if known else None))
        if known and np.issubdtype(np.asarray(coords[dim]).dtype, np.number):
            values = np.asarray(coords[dim])
            getattr(ax, f"{axis}axis").set_major_formatter(
                lambda tick, _, values=values: f"{values[round(tick)]:.4g}" if 0 <= round(tick) < len(values) else "")


def plot_hist(batch: Any, names: Any = None, bins: Any = None, axes: Any = None, *, ax: Any = None) -> np.ndarray:
    """Draw how the parameters of the good fits are distributed, with their median and the 68 % about it.

    Parameters
    ----------
    batch : BatchResult
    names : str or list of str, optional
        As of `plot_maps`; by default the varying parameters.
    bins : int or sequence of float, optional
        As of ``numpy.histogram``; by default up to 60 over 99 % of the values, by the rule of Freedman and Diaconis.
    axes, ax : matplotlib Axes, one for each, optional

    Returns
    -------
    ndarray of matplotlib Axes
    """
    wanted = _quantities(batch, names, list(batch.names))
    found = panels(ax if axes is None else axes, len(wanted), 2.4)
    for name, panel in zip(wanted, found, strict=True):
        _, numbers = _column(batch, name)
        _histogram(panel, numbers[np.isfinite(numbers)], bins)
        panel.set_xlabel(name)
        panel.set_ylabel("fits")
    return found


def _histogram(ax: Any, good: np.ndarray, bins: Any) -> None:
    """Draw one histogram."""
    shown = common_range(good)
    if shown is None:
        ax.text(.5, .5, "no good fit", ha="center", va="center", transform=ax.transAxes)
        return
    low, high = shown
    if bins is None:
        quarters = np.subtract(*np.percentile(good, [75, 25]))
        wide = 2*quarters/good.size**(1/3)
        bins = int(np.clip((high - low)/wide, 5, 60)) if wide > 0 else 10
    ax.hist(good, bins=bins, range=None if np.ndim(bins) else (low, high), color=line_colour(ax), alpha=0.8)
    below, median, above = middle(good)
    ax.axvline(median, color=ORANGE, lw=1.5)
    for end in (below, above):
        ax.axvline(end, color=ORANGE, lw=1, ls="--")
    outside = int(np.count_nonzero((good < low) | (good > high)))
    if outside and not np.ndim(bins):
        ax.set_title(f"{outside} beyond", fontsize="small", loc="right")


def plot_fits(batch: Any, worst: int = 9, index: Any = None, axes: Any = None, *, ax: Any = None, **kws: Any) -> np.ndarray:
    """Draw single fits of a batch: the worst of the good ones, or those asked for.

    Parameters
    ----------
    batch : BatchResult
    worst : int
        So many of the fits that succeeded, those of the largest reduced chi-square.
    index : list of int or tuple, optional
        The fits to draw instead. One that failed is drawn without a curve.
    axes, ax : matplotlib Axes, one for each, optional
    **kws
        For `plot_fit`.

    Returns
    -------
    ndarray of matplotlib Axes

    Raises
    ------
    InputError
        If no fit succeeded and none is asked for.
    """
    if index is None:
        scores = np.where(np.asarray(batch.success), np.asarray(batch.redchi, float), -np.inf).ravel()
        count = min(whole("worst", worst, 1, 400), int(np.isfinite(scores).sum()))
        if not count:
            raise InputError("no fit of the batch succeeded: index= says which to draw")
        chosen: list[Any] = np.argsort(-scores, kind="stable")[:count].tolist()
    else:
        chosen = list(index) if isinstance(index, (list, np.ndarray, range)) else [index]
    found = panels(ax if axes is None else axes, len(chosen), 2.2)
    for number, panel in zip(chosen, found, strict=True):
        one = batch[number]
        where = batch._index(number)
        label = where[0] if len(where) == 1 else where
        state = f"{one.redchi:.3g}" if one.success else one.status.name
        plot_fit(one, panel, title=f"{label}: {state}", **{"data_kws": {"markersize": 3}, **kws})
        panel.title.set_fontsize("small")
        panel.get_legend().remove()
    return found
