"""Start values of sums: several peaks on a background, for one curve or for many.

The background's columns are projected out of data and peaks alike. Peaks are chosen from a grid of places and widths one after the other,
each the one that takes most off chi-square beside those there are; then each is looked for again beside the others (matching pursuit with
backfitting). All curves go through this together, in products of matrices. It begins from the best single peak, from the best narrow one,
and from the best one split in two, and keeps the best end. Peaks of one sum have one sign. Where that misses a maximum that sticks out of
the noise (`gslfit.models.guess.significance`), as a strong peak takes all to itself, such maxima are peaks, and the rest is looked for
beside them.
"""
from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from gslfit.models.guess.curves import Curves, of_unit, ordered, seen
from gslfit.models.guess.shapes import Axis
from gslfit.models.guess.significance import SIGNIFICANT, everywhere, maxima
from gslfit.models.guess.windows import grid, masks, numbered
from gslfit.models.guess.within_bounds import settled

CHUNK = 100_000        # numbers of a matrix of scores: what a core's own memory holds
DISTINCT = 0.03        # least share of 1 that a shape has of its own beside the others
ROUNDS = 3
MOST_POINTS = 400

# half widths at half height of the kinds of peaks that sums are made of -> their shape
FAMILIES: dict[str, Callable[[np.ndarray], dict[str, Any]]] = {
    "gaussian": lambda w: {"sigma": w/1.1774},
    "lorentzian": lambda w: {"sigma": w},
    "split": lambda w: {"sigma": w, "sigma_r": w},
    "voigt": lambda w: {"sigma": w/1.8006, "gamma": w/1.8006},
    "pseudo_voigt": lambda w: {"sigma": w, "fraction": 0.5 + 0*w},
    "moffat": lambda w: {"sigma": w/0.6436, "beta": 2.0 + 0*w},
    "pearson7": lambda w: {"sigma": w/0.7664, "expon": 1.5 + 0*w},
    "skewed_gaussian": lambda w: {"sigma": w/1.1774, "gamma": 0*w},
    "skewed_voigt": lambda w: {"sigma": w/1.8006, "gamma": w/1.8006, "skew": 0*w},
    "exp_gaussian": lambda w: {"sigma": w/1.3, "gamma": 1.5/w},
    "doniach": lambda w: {"sigma": w, "gamma": 0.05 + 0*w},
}


def find(curves: Curves, columns: np.ndarray, shape: Callable[[np.ndarray, np.ndarray], np.ndarray], count: int,
         sign: float = 0.0, widest: float = 0.25,
         windows: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Look for peaks on a background.

    Parameters
    ----------
    curves : Curves
    columns : ndarray, shape (m, n)
        The background.
    shape : callable
        ``shape(centers (g, 1), half_widths (g, 1)) -> (g, n)``: peaks of height 1.
    count : int
        How many.
    sign : float
        Their sign; 0 for that which fits better.
    widest : float
        Their greatest half width, in ranges.
    windows : ndarray, shape (count, 4), or None
        Where each may be (`gslfit.models.guess.windows`).

    Returns
    -------
    centers, half_widths, heights : ndarray, shape (fits, count)
        In the order of their centres; those of different windows in the windows' order.
    rest : ndarray, shape (fits, n)
        The data without the peaks.
    """
    axis = Axis.of(curves.x)
    c, w = grid(axis, widest, windows)
    q = np.linalg.qr(columns.T)[0] if len(columns) else np.zeros((len(curves.x), 0))
    whole = shape(c[:, None], w[:, None])
    rows = whole - (whole @ q) @ q.T
    norms = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    good = norms > 1e-3*norms.max()
    c, w, whole, rows, norms = c[good], w[good], whole[good], rows[good]/norms[good, None], norms[good]
    gram = rows @ rows.T
    allowed = None if windows is None else masks(windows, c, w)
    chosen = np.empty((len(curves.y), count), int)
    heights, rest = np.empty((len(curves.y), count)), np.empty(curves.y.shape)
    size = max(1, CHUNK//len(c))
    for low in range(0, len(curves.y), size):
        here = slice(low, low + size)
        y = curves.y[here]
        products = (y - (y @ q) @ q.T) @ rows.T
        own = np.where(products.max(axis=1) >= -products.min(axis=1), 1.0, -1.0) if sign == 0 else np.full(len(products), sign)
        signed = products*own[:, None]
        if allowed is not None:
            chosen[here] = _chosen_within(signed, gram, allowed)
        else:
            chosen[here] = _chosen(signed, gram, c, w, count)
        if count > 1 and allowed is None:
            again = np.flatnonzero(_left(signed, gram, chosen[here]) > SIGNIFICANT*everywhere(y)[:, 0])
            sticking_out = maxima(curves.x, (y*own[:, None])[again], count)
            chosen[low + again] = _with_maxima(chosen[low + again], signed[again], gram, c, w, sticking_out)
        found = solve(products, gram, chosen[here])
        heights[here] = found/norms[chosen[here]]
        rest[here] = y - np.einsum("bk,bkn->bn", heights[here], whole[chosen[here]])
    order = numbered(windows, c[chosen])
    centers, widths, heights = (np.take_along_axis(each, order, 1) for each in (c[chosen], w[chosen], heights))
    return centers, widths, heights, rest


def solve(products: np.ndarray, gram: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Return the factors of the chosen shapes that fit best, (fits, k)."""
    own = gram[chosen[:, :, None], chosen[:, None, :]] + 1e-12*np.eye(chosen.shape[1])
    return np.linalg.solve(own, np.take_along_axis(products, chosen, 1)[..., None])[..., 0]


def _left(products: np.ndarray, gram: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Return how much of the best further shape is left in each curve beside the chosen ones."""
    return (products - np.einsum("bk,bkg->bg", solve(products, gram, chosen), gram[chosen])).max(axis=1)


def _with_maxima(chosen: np.ndarray, products: np.ndarray, gram: np.ndarray, centers: np.ndarray, widths: np.ndarray,
                 found: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Return shapes chosen anew where a curve's miss one of its significant maxima: these, and the best ones beside them."""
    for k, (at, half) in enumerate(found):
        reach = np.maximum(half[:, None], widths[chosen[k]][None])
        missed = (np.abs(centers[chosen[k]][None] - at[:, None]) > reach).all(axis=1)
        if len(at) < 2 or not missed.any():
            continue
        seeds = np.unique(_nearest(centers, widths, at, half))
        row = seeds[None]
        while row.shape[1] < chosen.shape[1]:
            row = np.concatenate([row, next_shape(products[k:k + 1].astype(np.float32), gram.astype(np.float32), row)[:, None]], axis=1)
        chosen[k] = row[0]
    return chosen


def _chosen(products: np.ndarray, gram: np.ndarray, centers: np.ndarray, widths: np.ndarray, count: int) -> np.ndarray:
    """Return the shapes of one chunk of curves: from three beginnings, the end that takes most off chi-square."""
    signed = products.astype(np.float32)
    gram = gram.astype(np.float32)
    first = np.argmax(signed, axis=1)
    if count == 1:
        return first[:, None]
    narrow = np.where(widths[None] <= 0.6*widths[first][:, None], signed, -np.inf)
    half = [_nearest(centers, widths, centers[first] + side*0.7*widths[first], 0.5*widths[first]) for side in (-1, 1)]
    best, score = None, None
    for begin in (first[:, None], np.argmax(narrow, axis=1)[:, None], np.stack(half, axis=1)):
        found = _settled(signed, gram, begin, count)
        gain = np.einsum("bk,bk->b", solve(signed, gram, found), np.take_along_axis(signed, found, 1))
        if best is None or score is None:
            best, score = found, gain
        else:
            better = gain > score
            best, score = np.where(better[:, None], found, best), np.where(better, gain, score)
    assert best is not None
    return best


def _chosen_within(products: np.ndarray, gram: np.ndarray, allowed: list[np.ndarray]) -> np.ndarray:
    """Return a shape of those allowed for each peak: those with the fewest to choose from first, then each again beside the others."""
    order = np.argsort([mask.sum() for mask in allowed], kind="stable")
    found = np.argmax(np.where(allowed[order[0]], products, -np.inf), axis=1)[:, None]
    for k in order[1:]:
        found = np.concatenate([found, next_shape(products, gram, found, allowed[k])[:, None]], axis=1)
    for _ in range(ROUNDS if len(order) > 1 else 0):
        for at, k in enumerate(order):
            found[:, at] = next_shape(products, gram, np.delete(found, at, axis=1), allowed[k])
    return found[:, np.argsort(order)]


def _nearest(centers: np.ndarray, widths: np.ndarray, center: np.ndarray, width: np.ndarray) -> np.ndarray:
    """Return the shape nearest to a place and width."""
    kinds = np.unique(widths)
    own = kinds[np.argmin(np.abs(np.log(kinds[None]/width[:, None])), axis=1)]
    away = np.where(widths[None] == own[:, None], np.abs(centers[None] - center[:, None]), np.inf)
    return np.argmin(away, axis=1)


def _settled(products: np.ndarray, gram: np.ndarray, found: np.ndarray, count: int) -> np.ndarray:
    """Add shapes up to the count, then look for each again beside the others."""
    while found.shape[1] < count:
        found = np.concatenate([found, next_shape(products, gram, found)[:, None]], axis=1)
    found = found.copy()
    for _ in range(ROUNDS):
        for k in range(count):
            found[:, k] = next_shape(products, gram, np.delete(found, k, axis=1))
    return found


def next_shape(products: np.ndarray, gram: np.ndarray, taken: np.ndarray, allowed: np.ndarray | None = None) -> np.ndarray:
    """Return the positive shape (of those allowed) that takes most off chi-square beside those taken."""
    if taken.shape[1] == 1:
        across = gram[taken[:, 0]]
        rest = products - across*np.take_along_axis(products, taken, 1)
        left = 1 - across*across
    else:
        own = gram[taken[:, :, None], taken[:, None, :]] + np.float32(1e-6)*np.eye(taken.shape[1], dtype=np.float32)
        rows = gram[taken]
        weights = np.linalg.solve(own, rows)
        rest = products - np.einsum("bkg,bk->bg", weights, np.take_along_axis(products, taken, 1))
        left = 1 - np.einsum("bkg,bkg->bg", weights, rows)
    np.maximum(rest, 0, out=rest)
    rest *= rest
    rest /= np.maximum(left, DISTINCT)
    rest[left < DISTINCT] = -1
    if allowed is not None:
        rest[:, ~allowed] = -2
    return np.argmax(rest, axis=1)


def guess_gaussians(model: Any, count: int, data: np.ndarray, x: Any, values: Mapping[str, Any]) -> Any:
    """Guess a library model that is a sum of Gaussians on a constant."""
    names = model._definition.names     # the baseline, then three for each peak
    squares = names[3].startswith("var")
    curves, size = of_unit(ordered(x, data, MOST_POINTS))
    ones = np.ones((1, len(curves.x)))
    centers, widths, heights, rest = find(curves, ones, lambda c, w: np.exp(-0.6931471805599453*((curves.x - c)/w)**2), count)
    heights, level = seen(heights, heights, 1.0)*size, rest.mean(axis=1)*size[:, 0]
    found: dict[str, np.ndarray] = {}
    for k in range(count):
        sigma = widths[:, k]/1.1774
        for name, value in zip(names[1 + 3*k:4 + 3*k], (heights[:, k], centers[:, k], sigma**2 if squares else sigma), strict=True):
            found[name] = value
    found[names[0]] = level
    shape = data.shape[:-1]
    return settled(model, {name: value.reshape(shape) for name, value in found.items()}, values, shape)
