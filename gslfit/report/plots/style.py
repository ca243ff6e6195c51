"""What all pictures share: colours, axes, the names of quantities with their units."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil, sqrt
from typing import Any

import numpy as np

from gslfit.checks import identifiers, mapping, package, shown
from gslfit.errors import InputError, InputTypeError

# Okabe and Ito's palette, "Color universal design" (2008), without its black and its yellow: on both grounds
BLUE, ORANGE, GREEN, VERMILION, PURPLE, SKY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9"
CYCLE = (ORANGE, GREEN, PURPLE, VERMILION, SKY)
GREY = "0.5"


def pyplot() -> Any:
    """Return matplotlib.pyplot.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    return package("matplotlib.pyplot", "plot", "a picture")


def plain(ax: Any) -> Any:
    """Take away the frame's upper and right line."""
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def line_colour(ax: Any) -> str:
    """Return the colour of curves: a blue that stands out from the ground."""
    from matplotlib.colors import to_rgb
    return SKY if sum(to_rgb(ax.get_facecolor())) < 1.5 else BLUE


def axes_or_new(ax: Any, **kws: Any) -> Any:
    """Return the axes given, or new ones of a new figure."""
    plt = pyplot()
    if ax is not None:
        return _axes("ax", ax)
    return plain(plt.figure(layout="constrained").add_subplot(**kws))


def _axes(what: str, ax: Any) -> Any:
    if not hasattr(ax, "set_xscale"):
        raise InputTypeError(f"{what} must be axes of matplotlib, not {shown(ax)}")
    return ax


def figure(fig: Any) -> Any:
    """Return the figure given, or raise InputTypeError for what is none."""
    if not hasattr(fig, "add_gridspec"):
        raise InputTypeError(f"fig must be a Figure of matplotlib, not {shown(fig)}")
    return fig


def panels(axes: Any, count: int, size: float = 3.0, what: str = "ax", **kws: Any) -> np.ndarray:
    """Return axes for so many panels, flat: those given, or new ones in rows.

    Raises
    ------
    InputError
        If the axes given are not as many, or there is nothing to draw.
    """
    plt = pyplot()
    if not count:
        raise InputError("there is nothing to draw: no parameter or fit is chosen")
    if axes is not None:
        found = np.atleast_1d(np.asarray(axes, dtype=object)).ravel()
        if found.size != count:
            raise InputError(f"{what} must be {count} axes, one for each panel, not {found.size}")
        return np.array([_axes(what, each) for each in found], dtype=object)
    columns = min(count, 3 if count != 4 else 2) if count < 10 else ceil(sqrt(count))
    rows = ceil(count/columns)
    _, grid = plt.subplots(rows, columns, figsize=(1.25*size*columns, size*rows), layout="constrained", squeeze=False, **kws)
    found = grid.ravel()
    for ax in found[count:]:
        ax.remove()
    for ax in found[:count]:
        plain(ax)
    return found[:count]


def named(name: Any, container: Any = None) -> str:
    """Return what an axis is called: the long name and the units of a container, where it has them.

    Parameters
    ----------
    name : str
        What the fit calls it.
    container : DataArray, Series, Index or anything else
    """
    attributes = getattr(container, "attrs", None)
    attributes = attributes if isinstance(attributes, Mapping) else {}
    title = attributes.get("long_name") or attributes.get("standard_name") or name
    units = attributes.get("units")
    return f"{title} ({units})" if units else f"{title}"


def line_kws(name: str, kws: Any, style: str, **defaults: Any) -> dict[str, Any]:
    """Return keywords for a line of matplotlib, with defaults for what neither they nor the style say.

    Parameters
    ----------
    name : str
        What the caller calls the keywords.
    kws : dict or None
    style : str
        A format of matplotlib, which may hold a colour.
    **defaults
        By their full names.
    """
    from matplotlib.cbook import normalize_kwargs
    from matplotlib.lines import Line2D
    given = normalize_kwargs(mapping(name, kws), Line2D)
    if any(letter in style for letter in "bgrcmykwC"):
        defaults.pop("color", None)
    return {**defaults, **given}


def scales(ax: Any, xscale: str | None, yscale: str | None) -> None:
    """Set the scales of the axes that are asked for."""
    for set_scale, scale in ((ax.set_xscale, xscale), (ax.set_yscale, yscale)):
        if scale is not None:
            set_scale(scale)


def listed(names: Any, known: Sequence[str], what: str) -> list[str]:
    """Return the names asked for, or all.

    Raises
    ------
    InputError
        If there is no such name.
    """
    wanted = list(known) if names is None else identifiers("names", names)
    for name in wanted:
        if name not in known:
            raise InputError(f"{what} has no {name!r}; it has {', '.join(known)}")
    return wanted
