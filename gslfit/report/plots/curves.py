"""Pictures of one fit: data and curve, residuals, components."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gslfit.checks import choice, mapping, real, text, whole
from gslfit.data.labels import labels_of
from gslfit.data.numbers import read
from gslfit.errors import FitError, InputError
from gslfit.report.complex_parts import PARTS, errors_of_part
from gslfit.report.plots.style import CYCLE, GREY, axes_or_new, figure, line_colour, line_kws, named, plain, pyplot, scales

FINE = 500              # points of a curve over fewer points of data


def _part(option: str) -> Callable[[Any], Any]:
    """Return what of complex values is drawn; real ones are drawn as they are."""
    part = PARTS[choice("parse_complex", option, PARTS)]
    return lambda values: part(values) if np.iscomplexobj(values) else values


def _points(result: Any) -> tuple[str, np.ndarray]:
    """Return the name and the values of the one independent variable."""
    known = result.independent
    if len(known) != 1:
        raise InputError(f"a curve is drawn over one independent variable, and {result._title} has {', '.join(known) or 'none'}")
    (name, values), = known.items()
    return name, np.asarray(values)


def _is_image(result: Any) -> bool:
    """Return whether a fit is over two independent variables."""
    return len(result.independent) == 2


def _data(result: Any) -> np.ndarray:
    """Return the data, NaN where a point took no part: nothing is drawn there."""
    if result.data is None:
        raise InputError("the data are not there to be drawn: a batch is saved without them")
    data, keep = np.asarray(result.data), getattr(result, "keep", None)
    data = data if np.iscomplexobj(data) else data.astype(float)
    return data if keep is None or keep.shape != data.shape else np.where(keep, data, np.nan)


def _spread(result: Any, yerr: Any, option: str) -> Any:
    """Return error bars: those given, or 1/weights; of complex data those of the part that is drawn."""
    data = np.asarray(result.data)
    if yerr is None and result.weights is not None:
        weights = np.asarray(result.weights)
        by_parts = np.iscomplexobj(weights) and result.model.conventions.by_parts       # which only models have
        with np.errstate(divide="ignore", invalid="ignore"):
            bars = np.abs(1.0/weights) if not by_parts else _pairs(1.0/np.abs(weights.real), 1.0/np.abs(weights.imag))
        yerr = np.broadcast_to(np.where(np.isfinite(bars), bars, np.nan), data.shape)
    if yerr is None or not np.iscomplexobj(data) or np.ndim(yerr) > data.ndim:
        return yerr
    with np.errstate(invalid="ignore"):
        return errors_of_part(data, np.broadcast_to(yerr, data.shape), option)


def _pairs(real: np.ndarray, imaginary: np.ndarray) -> np.ndarray:
    """Return complex numbers of these parts, which may be infinite."""
    found = np.empty(np.shape(real), complex)
    found.real, found.imag = real, imaginary
    return found


def _x_label(result: Any, name: str) -> str:
    """Return what the axis of the points is called: the words and units of the containers of x or of the data."""
    given = result.independent[name]
    if getattr(given, "attrs", None):
        return named(name, given)
    data = result.data
    labels = labels_of(data)
    if labels is None:
        return name
    coords = getattr(data, "coords", None)
    if coords is not None:
        own = name if name in coords else labels.dims[0] if len(labels.dims) == 1 and labels.dims[0] in coords else None
        return name if own is None else named(own, coords[own])
    index = labels.indexes.get(0)
    return name if index is None or index.name is None or np.ndim(data) != 1 else named(index.name, index)


def _y_label(result: Any) -> str:
    """Return what the data are called."""
    data = result.data
    name = getattr(data, "name", None)
    return named("y" if name is None else name, data)


def _draw(ax: Any, x: np.ndarray, y: Any, yerr: Any, style: str, label: str, kws: dict[str, Any] | None) -> None:
    """Draw points, with error bars where there are any."""
    kws = line_kws("data_kws", kws, style, markersize=4, color=GREY)
    x, y = np.ravel(x), np.ravel(y)
    if yerr is None:
        ax.plot(x, y, style, label=label, **kws)
    else:
        ax.errorbar(x, y, yerr=_bars(yerr, y.size), fmt=style, label=label, **{"elinewidth": 0.8, "zorder": 1, **kws})


def _bars(yerr: Any, n: int) -> np.ndarray:
    """Return the error bars of n points, (n,), or (2, n) where they differ downwards and upwards."""
    bars = read("yerr", yerr).array
    bars = bars.reshape(n) if bars.size == n else bars
    if bars.shape not in ((), (1,), (n,), (2, 1), (2, n)):
        raise InputError(f"yerr has the shape {bars.shape}, and there are {n} points: a number, or one for each of them, is needed")
    return np.broadcast_to(bars, (2, n) if bars.ndim == 2 else (n,))


def fine_points(x: np.ndarray, numpoints: int | None, ax: Any) -> np.ndarray:
    """Return where a curve is drawn: evenly on the axis from end to end of the data, at `numpoints`, or as many as are needed."""
    count = FINE if numpoints is None else whole("numpoints", numpoints, 0, 10**7)
    flat = np.ravel(x)
    if count <= flat.size or not np.issubdtype(flat.dtype, np.number) or np.iscomplexobj(flat):
        return x if numpoints is not None or (x.ndim == 1 and np.all(np.diff(x) >= 0)) else np.sort(flat)
    low, high = np.nanmin(flat), np.nanmax(flat)
    return np.geomspace(low, high, count) if ax.get_xscale() == "log" and low > 0 else np.linspace(low, high, count)


def _curve(name: str, x: np.ndarray, fine: np.ndarray, evaluate: Callable[..., Any]) -> tuple[np.ndarray, np.ndarray]:
    """Return points and values of a curve: at the fine points, or, where the model is known at the data's points only, at these."""
    if fine is not x:
        try:
            values = np.asarray(evaluate(**{name: fine}))
            if values.shape == fine.shape:
                return fine, values
        except Exception:      # the caller's function may know no points but the data's
            pass
    order = np.argsort(np.ravel(x), kind="stable")
    return np.ravel(x)[order], np.ravel(np.asarray(evaluate()))[order]


def _band(result: Any, name: str, at: np.ndarray, x: np.ndarray, sigma: float) -> np.ndarray | None:
    """Return the half width of the band of the curve, None where there is none."""
    if not sigma or not result.errorbars:
        return None
    try:
        own = at.shape == np.shape(x) and np.array_equal(at, x)
        band = np.asarray(result.eval_uncertainty(sigma=sigma, **({} if own else {name: at})))
    except FitError:
        return None
    return band if band.shape == at.shape and not np.iscomplexobj(band) else None


def plot_fit(result: Any, ax: Any = None, datafmt: str = "o", fitfmt: str = "-", initfmt: str = "--", xlabel: str | None = None,
             ylabel: str | None = None, yerr: Any = None, numpoints: int | None = None, data_kws: dict[str, Any] | None = None,
             fit_kws: dict[str, Any] | None = None, init_kws: dict[str, Any] | None = None, ax_kws: dict[str, Any] | None = None,
             show_init: bool = False, parse_complex: str = "abs", title: str | None = None, sigma: float = 1.0,
             xscale: str | None = None, yscale: str | None = None) -> Any:
    """Draw data, curve and the curve's band.

    A fit over two independent variables is drawn as an image, with the model's contours.

    Parameters
    ----------
    result : FitResult or ModelResult
    ax : matplotlib Axes, optional
        New ones, if not given.
    datafmt, fitfmt, initfmt : str
        Styles.
    xlabel, ylabel, title : str, optional
        By default the names and units that the containers of the data have.
    yerr : array_like, optional
        Error bars; 1/weights, if not given.
    numpoints : int, optional
        Draw the curve at so many points; 0 for those of the data. By default 500, if the data are fewer.
    data_kws, fit_kws, init_kws, ax_kws : dict, optional
        For matplotlib.
    show_init : bool
        Draw the curve of the start values too.
    parse_complex : {"abs", "real", "imag", "angle"}
    sigma : float
        Half width of the band in standard errors of the curve; 0 for none.
    xscale, yscale : str, optional
        "log", or another scale of matplotlib.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    InputError
        If there are more than two independent variables.
    NoModelError
        If only a residual function was fitted.
    ImportError
        If matplotlib is not installed.

    Examples
    --------
    >>> import gslfit
    >>> x = np.linspace(0, 5, 40)
    >>> result = gslfit.fit("A*exp(-x/tau)", 2*np.exp(-x/1.5) + 0.01*np.sin(9*x), x=x, A=1.0, tau=1.0)
    >>> axes = result.plot_fit(xlabel="time (s)")
    >>> axes.get_xlabel()
    'time (s)'
    """
    part, sigma = _part(parse_complex), real("sigma", sigma, 0, 37)
    datafmt, fitfmt, initfmt = text("datafmt", datafmt), text("fitfmt", fitfmt), text("initfmt", initfmt)
    ax = axes_or_new(ax, **mapping("ax_kws", ax_kws))
    if _is_image(result):
        return _image(result, ax, part(_data(result)), True, title)
    name, x = _points(result)
    scales(ax, xscale, yscale)
    fine = fine_points(x, numpoints, ax)
    if show_init:
        at, start = _curve(name, x, fine, lambda **where: result.eval(result.init_params, **where))
        ax.plot(at, part(start), initfmt, label="initial fit", **line_kws("init_kws", init_kws, initfmt, color=GREY))
    _draw(ax, x, part(_data(result)), _spread(result, yerr, parse_complex), datafmt, "data", data_kws)
    at, curve = _curve(name, x, fine, result.eval)
    kws = line_kws("fit_kws", fit_kws, fitfmt, color=line_colour(ax))
    band = None if np.iscomplexobj(curve) else _band(result, name, at, x, sigma)
    if band is not None:
        ax.fill_between(at, curve - band, curve + band, color=kws.get("color", line_colour(ax)), alpha=0.25, lw=0)
    ax.plot(at, part(curve), fitfmt, label="best fit", **kws)
    if title or not ax.get_title():
        ax.set_title(title or result._title, wrap=True)
    ax.set_xlabel(_x_label(result, name) if xlabel is None else xlabel)
    ax.set_ylabel(_y_label(result) if ylabel is None else ylabel)
    ax.legend(frameon=False)
    return ax


def plot_residuals(result: Any, ax: Any = None, datafmt: str = "o", yerr: Any = None, data_kws: dict[str, Any] | None = None,
                   fit_kws: dict[str, Any] | None = None, ax_kws: dict[str, Any] | None = None, parse_complex: str = "abs",
                   title: str | None = None, xlabel: str | None = None, ylabel: str | None = None, xscale: str | None = None) -> Any:
    """Draw data - fit at the points that took part.

    Parameters
    ----------
    result : FitResult or ModelResult
    ax : matplotlib Axes, optional
    datafmt, yerr, data_kws, ax_kws, parse_complex, title, xlabel, ylabel, xscale
        As `plot_fit` has them.
    fit_kws : dict, optional
        For the line at 0.

    Returns
    -------
    matplotlib Axes
    """
    part, datafmt = _part(parse_complex), text("datafmt", datafmt)
    ax = axes_or_new(ax, **mapping("ax_kws", ax_kws))
    data, fitted = _data(result), np.asarray(result.best_fit)
    if _is_image(result):
        return _image(result, ax, part(data) - part(fitted), False, title)
    name, x = _points(result)
    scales(ax, xscale, None)
    ax.axhline(0, **line_kws("fit_kws", fit_kws, "", linewidth=1, zorder=3, color=line_colour(ax)))
    _draw(ax, x, part(data) - part(fitted), _spread(result, yerr, parse_complex), datafmt, "residuals", data_kws)
    if title or not ax.get_title():
        ax.set_title(title or result._title, wrap=True)
    ax.set_xlabel(_x_label(result, name) if xlabel is None else xlabel)
    ax.set_ylabel("residuals" if ylabel is None else ylabel)
    return ax


def plot(result: Any, datafmt: str = "o", fitfmt: str = "-", initfmt: str = "--", xlabel: str | None = None, ylabel: str | None = None,
         yerr: Any = None, numpoints: int | None = None, fig: Any = None, data_kws: dict[str, Any] | None = None,
         fit_kws: dict[str, Any] | None = None, init_kws: dict[str, Any] | None = None, ax_res_kws: dict[str, Any] | None = None,
         ax_fit_kws: dict[str, Any] | None = None, fig_kws: dict[str, Any] | None = None, show_init: bool = False,
         parse_complex: str = "abs", title: str | None = None, *, ax: Any = None, sigma: float = 1.0, xscale: str | None = None,
         yscale: str | None = None) -> Any:
    """Draw the residuals above data and curve; parameters as `plot_fit` has them.

    Parameters
    ----------
    result : FitResult or ModelResult
    fig : matplotlib Figure, optional
        Where to draw; a new one, if not given.
    ax_res_kws, ax_fit_kws, fig_kws : dict, optional
        For matplotlib.
    ax : matplotlib Axes, or a pair of them, optional
        A pair is drawn into, residuals and fit; one gets the fit alone.

    Returns
    -------
    (matplotlib Axes, matplotlib Axes)
        Of the residuals and of the fit; the axes given, if it is one.
    """
    plt = pyplot()
    if not _is_image(result):
        _points(result)
    pair = None if ax is None else np.ravel(np.asarray(ax, dtype=object))
    kws: dict[str, Any] = {"data_kws": data_kws, "fit_kws": fit_kws, "init_kws": init_kws, "show_init": show_init, "title": title,
                           "parse_complex": parse_complex, "sigma": sigma, "xscale": xscale, "yscale": yscale}
    if pair is not None and pair.size != 2:
        if pair.size != 1:
            raise InputError(f"ax must be one axes, or a pair: residuals and fit; not {pair.size}")
        return plot_fit(result, pair[0], datafmt, fitfmt, initfmt, xlabel, ylabel, yerr, numpoints, **kws)
    if pair is None:
        fig = plt.figure(**{"layout": "constrained", **mapping("fig_kws", fig_kws)}) if fig is None else figure(fig)
        side_by_side = _is_image(result)
        grid = fig.add_gridspec(1, 2) if side_by_side else fig.add_gridspec(2, 1, height_ratios=[1, 3])
        above = fig.add_subplot(grid[1 if side_by_side else 0], **mapping("ax_res_kws", ax_res_kws))
        below = fig.add_subplot(grid[0 if side_by_side else 1], **{"sharex": above, **mapping("ax_fit_kws", ax_fit_kws)})
        if not side_by_side:
            plain(above)
            plain(below)
    else:
        above, below = pair
    plot_fit(result, below, datafmt, fitfmt, initfmt, xlabel, ylabel, yerr, numpoints, **kws)
    plot_residuals(result, above, datafmt, yerr, data_kws, fit_kws, None, parse_complex, title, xscale=xscale)
    if not _is_image(result):
        plt.setp(above.get_xticklabels(), visible=False)
        above.set_xlabel("")
        below.set_title("")
        above.figure.align_ylabels([above, below])
    elif pair is None:
        fig.suptitle(title or result._title, fontsize="medium", wrap=True)
        above.set_title("")
        below.set_title("")
    return above, below


def plot_components(result: Any, ax: Any = None, numpoints: int | None = None, xlabel: str | None = None, ylabel: str | None = None,
                    yerr: Any = None, title: str | None = None, xscale: str | None = None, yscale: str | None = None) -> Any:
    """Draw data, curve and each component of the model: those of a composite, or the terms of a formula's sum.

    Parameters
    ----------
    result : FitResult or ModelResult
    ax : matplotlib Axes, optional
    numpoints, xlabel, ylabel, yerr, title, xscale, yscale
        As `plot_fit` has them.

    Returns
    -------
    matplotlib Axes
    """
    name, x = _points(result)
    ax = plot_fit(result, ax, xlabel=xlabel, ylabel=ylabel, yerr=yerr, numpoints=numpoints, title=title, sigma=0, xscale=xscale,
                  yscale=yscale)
    fine = fine_points(x, numpoints, ax)
    at, _ = _curve(name, x, fine, result.eval)
    try:
        parts = result.eval_components(**{name: at})
    except FitError:
        raise
    except Exception:      # the caller's function may know no points but the data's
        at, parts = x, result.eval_components()
    parts = {label: np.broadcast_to(np.real(values), np.shape(at)) for label, values in parts.items()}
    for k, (label, values) in enumerate(parts.items()):
        ax.plot(at, values, "--", lw=1.2, color=CYCLE[k % len(CYCLE)], label=label)
    ax.legend(frameon=False)
    return ax


def _image(result: Any, ax: Any, values: np.ndarray, contours: bool, title: str | None) -> Any:
    """Draw numbers over two independent variables: an image, or points where they lie on no grid."""
    (first, x), (second, y) = ((name, np.asarray(at)) for name, at in result.independent.items())
    x, y = (np.broadcast_to(at, np.shape(values)) for at in (x, y))
    colours: dict[str, Any] = {"cmap": "viridis"}
    if not contours:
        most = float(np.nanmax(np.abs(values), initial=0.)) or 1.0
        colours = {"cmap": "RdBu_r", "vmin": -most, "vmax": most}
    if values.ndim == 2:
        drawn = ax.pcolormesh(x, y, values, shading="nearest", rasterized=True, **colours)
        if contours:
            ax.contour(x, y, np.real(np.asarray(result.eval())).reshape(values.shape), levels=6, colors="w", linewidths=0.8)
    else:
        drawn = ax.scatter(x, y, c=values, s=9, **colours)
    ax.figure.colorbar(drawn, ax=ax, label=_y_label(result) if contours else "residuals")
    ax.set_xlabel(first)
    ax.set_ylabel(second)
    if title or not ax.get_title():
        ax.set_title(title or result._title, wrap=True)
    return ax
