"""Where each peak of a sum may be: windows of centres and half widths, from the bounds of its parameters."""
from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gslfit.models.guess.shapes import Axis, places
from gslfit.models.guess.within_bounds import nudged

EXTRA = 3               # places in a window of centres, at every width: the grid's own may all be outside
Bounds = tuple[float, float]


def windows_of(centers: Sequence[Bounds], widths: Sequence[Bounds]) -> np.ndarray | None:
    """Return the windows of peaks, (count, 4): least and greatest centre, least and greatest half width; None where nothing is bounded."""
    found = np.array([(*nudged(*center), *width) for center, width in zip(centers, widths, strict=True)]).reshape(-1, 4)
    free = np.array([-np.inf, np.inf, 0.0, np.inf])
    return None if np.all((found == free) | ((found <= 0) & (free == 0))) else found


def grid(axis: Axis, widest: float, windows: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return centres and half widths of the peaks to choose from."""
    c, w = places(axis, 1.7, 0.9, 0.9, widest)
    inside = (c > axis.low + 0.01*axis.span) & (c < axis.high - 0.01*axis.span)
    c, w = c[inside], w[inside]
    if windows is None:
        return c, w
    bounded = np.unique(windows[np.isfinite(windows[:, :2]).any(axis=1), :2], axis=0)
    low, high = np.clip(bounded, axis.low, axis.high).T
    extra = np.unique(np.linspace(low, high, EXTRA).reshape(-1))
    own = np.unique(np.concatenate([w, *(np.clip(w, *window[2:]) for window in windows)]))
    return np.concatenate([c, np.repeat(extra, len(own))]), np.concatenate([w, np.tile(own, len(extra))])


def masks(windows: np.ndarray, c: np.ndarray, w: np.ndarray) -> list[np.ndarray]:
    """Return which peaks each window has inside; all of them for a window without any."""
    found = [(c >= low) & (c <= high) & (w >= narrow) & (w <= wide) for low, high, narrow, wide in windows.tolist()]
    return [each if each.any() else np.ones(len(c), bool) for each in found]


def numbered(windows: np.ndarray | None, centers: np.ndarray) -> np.ndarray:
    """Return the order that peaks (fits, count) are to have: by their centres, but in other windows each in its own."""
    if windows is None:
        return np.argsort(centers, axis=1)
    order = np.tile(np.arange(centers.shape[1]), (len(centers), 1))
    for window in np.unique(windows, axis=0):
        alike = np.flatnonzero((windows == window).all(axis=1))
        order[:, alike] = alike[np.argsort(centers[:, alike], axis=1)]
    return order
