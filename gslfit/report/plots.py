"""Pictures of a fit; matplotlib is imported when one is drawn."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gslfit.checks import choice, mapping, whole
from gslfit.errors import InputError

PARTS: dict[str, Callable[[Any], Any]] = {"real": np.real, "imag": np.imag, "abs": np.abs, "angle": np.angle}


def _part(option: str) -> Callable[[Any], Any]:
    """Return what of complex values is drawn; real ones are drawn as they are."""
    part = PARTS[choice("parse_complex", option, PARTS)]
    return lambda values: part(values) if np.iscomplexobj(values) else values


def _points(result: Any) -> tuple[str, np.ndarray]:
    """Return the name and the values of the one independent variable."""
    known = result.independent
    if len(known) != 1:
        raise InputError(f"a curve is drawn over one independent variable, and {result._title} has {', '.join(known)}")
    (name, values), = known.items()
    return name, np.asarray(values)


def _data(result: Any) -> np.ndarray:
    """Return the data, NaN where a point took no part: nothing is drawn there."""
    data, keep = np.asarray(result.data), getattr(result, "keep", None)
    return data if keep is None or keep.shape != data.shape else np.where(keep, data, np.nan)


def _spread(result: Any, yerr: Any) -> Any:
    """Return error bars: those given, or 1/weights."""
    if yerr is not None or result.weights is None:
        return yerr
    with np.errstate(divide="ignore"):
        return np.broadcast_to(np.abs(1.0/np.asarray(result.weights)), np.shape(result.data))


def _draw(ax: Any, x: np.ndarray, y: Any, yerr: Any, style: str, label: str, kws: dict[str, Any] | None) -> None:
    """Draw points, with error bars where there are any."""
    if yerr is None:
        ax.plot(x, y, style, label=label, **mapping("data_kws", kws))
    else:
        ax.errorbar(x, y, yerr=yerr, fmt=style, label=label, **mapping("data_kws", kws))


def plot_fit(result: Any, ax: Any = None, datafmt: str = "o", fitfmt: str = "-", initfmt: str = "--", xlabel: str | None = None,
             ylabel: str | None = None, yerr: Any = None, numpoints: int | None = None, data_kws: dict[str, Any] | None = None,
             fit_kws: dict[str, Any] | None = None, init_kws: dict[str, Any] | None = None, ax_kws: dict[str, Any] | None = None,
             show_init: bool = False, parse_complex: str = "abs", title: str | None = None) -> Any:
    """Draw data and fit, and the start if `show_init`; returns the axes.

    Parameters
    ----------
    result : FitResult or ModelResult
    ax : matplotlib Axes, optional
    datafmt, fitfmt, initfmt : str
        Styles.
    xlabel, ylabel, title : str, optional
    yerr : array_like, optional
        Error bars; 1/weights, if not given.
    numpoints : int, optional
        Draw the curve at this many points.
    data_kws, fit_kws, init_kws, ax_kws : dict, optional
        For matplotlib.
    show_init : bool
    parse_complex : {"abs", "real", "imag", "angle"}
    """
    from matplotlib import pyplot as plt
    part = _part(parse_complex)
    name, x = _points(result)
    ax = plt.axes(**mapping("ax_kws", ax_kws)) if ax is None else ax
    count = 0 if numpoints is None else whole("numpoints", numpoints, 0, 10**7)
    fine = np.linspace(np.nanmin(x), np.nanmax(x), count) if count > x.size else x
    if show_init:
        ax.plot(fine, part(result.eval(result.init_params, **{name: fine})), initfmt, label="initial fit", **mapping("init_kws", init_kws))
    _draw(ax, x, part(_data(result)), _spread(result, yerr), datafmt, "data", data_kws)
    ax.plot(fine, part(result.eval(**{name: fine})), fitfmt, label="best fit", **mapping("fit_kws", fit_kws))
    if title or not ax.get_title():
        ax.set_title(title or result._title)
    ax.set_xlabel(name if xlabel is None else xlabel)
    ax.set_ylabel("y" if ylabel is None else ylabel)
    ax.legend()
    return ax


def plot_residuals(result: Any, ax: Any = None, datafmt: str = "o", yerr: Any = None, data_kws: dict[str, Any] | None = None,
                   fit_kws: dict[str, Any] | None = None, ax_kws: dict[str, Any] | None = None, parse_complex: str = "abs",
                   title: str | None = None) -> Any:
    """Draw data - fit; parameters as `plot_fit` has them; returns the axes."""
    from matplotlib import pyplot as plt
    part = _part(parse_complex)
    _, x = _points(result)
    ax = plt.axes(**mapping("ax_kws", ax_kws)) if ax is None else ax
    ax.axhline(0, color="k", **mapping("fit_kws", fit_kws))
    _draw(ax, x, part(_data(result)) - part(np.asarray(result.best_fit)), _spread(result, yerr), datafmt, "residuals", data_kws)
    if title or not ax.get_title():
        ax.set_title(title or result._title)
    ax.set_ylabel("residuals")
    return ax


def plot(result: Any, datafmt: str = "o", fitfmt: str = "-", initfmt: str = "--", xlabel: str | None = None, ylabel: str | None = None,
         yerr: Any = None, numpoints: int | None = None, fig: Any = None, data_kws: dict[str, Any] | None = None,
         fit_kws: dict[str, Any] | None = None, init_kws: dict[str, Any] | None = None, ax_res_kws: dict[str, Any] | None = None,
         ax_fit_kws: dict[str, Any] | None = None, fig_kws: dict[str, Any] | None = None, show_init: bool = False,
         parse_complex: str = "abs", title: str | None = None) -> Any:
    """Draw the residuals above data and fit; parameters as `plot_fit` has them; returns the figure."""
    from matplotlib import pyplot as plt
    _points(result)
    if fig is None:
        side = plt.rcParams["figure.figsize"][0]
        fig = plt.figure(**{"figsize": (side, side), **mapping("fig_kws", fig_kws)})
    grid = fig.add_gridspec(2, 1, height_ratios=[1, 4])
    above = fig.add_subplot(grid[0], **mapping("ax_res_kws", ax_res_kws))
    below = fig.add_subplot(grid[1], sharex=above, **mapping("ax_fit_kws", ax_fit_kws))
    plot_fit(result, below, datafmt, fitfmt, initfmt, xlabel, ylabel, yerr, numpoints, data_kws, fit_kws, init_kws, None, show_init,
             parse_complex, title)
    plot_residuals(result, above, datafmt, yerr, data_kws, fit_kws, None, parse_complex, title)
    plt.setp(above.get_xticklabels(), visible=False)
    below.set_title("")
    return fig
