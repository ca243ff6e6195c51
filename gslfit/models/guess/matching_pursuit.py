"""Start values of sums: several peaks on a background, for one curve or for many.

The background's columns are projected out of data and peaks alike. Peaks are chosen from a grid of places and widths one after the other,
each the one that takes most off chi-square beside those there are; then each is looked for again beside the others (matching pursuit with
backfitting). All curves go through this together, in products of matrices. It begins from the best single peak, from the best narrow one,
and from the best one split in two, and keeps the best end. Peaks of one sum have one sign.
"""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from gslfit.errors import NoGuessError
from gslfit.models.guess.curves import Curves, ordered
from gslfit.models.guess.shapes import Axis, places
from gslfit.models.guess.within_bounds import limits, settled

CHUNK = 100_000        # numbers of a matrix of scores: what a core's own memory holds
DISTINCT = 0.03        # what a shape is to have of its own beside the others, of 1
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
BACKGROUNDS = {"constant": ("c",), "line": ("slope", "intercept"), "parabola": ("a", "b", "c")}


def find(curves: Curves, columns: np.ndarray, shape: Callable[[np.ndarray, np.ndarray], np.ndarray], count: int,
         sign: float = 0.0, widest: float = 0.25) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
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

    Returns
    -------
    centers, half_widths, heights : ndarray, shape (fits, count)
        In the order of their centres.
    rest : ndarray, shape (fits, n)
        The data without the peaks.
    """
    axis = Axis.of(curves.x)
    c, w = places(axis, 1.7, 0.9, 0.9, widest)
    inside = (c > axis.low + 0.01*axis.span) & (c < axis.high - 0.01*axis.span)
    c, w = c[inside], w[inside]
    q = np.linalg.qr(columns.T)[0] if len(columns) else np.zeros((len(curves.x), 0))
    whole = shape(c[:, None], w[:, None])
    rows = whole - (whole @ q) @ q.T
    norms = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    good = norms > 1e-3*norms.max()
    c, w, whole, rows, norms = c[good], w[good], whole[good], rows[good]/norms[good, None], norms[good]
    gram = rows @ rows.T
    chosen = np.empty((len(curves.y), count), int)
    heights, rest = np.empty((len(curves.y), count)), np.empty(curves.y.shape)
    size = max(1, CHUNK//len(c))
    for low in range(0, len(curves.y), size):
        here = slice(low, low + size)
        y = curves.y[here]
        products = (y - (y @ q) @ q.T) @ rows.T
        chosen[here] = _chosen(products, gram, c, w, count, sign)
        found = solve(products, gram, chosen[here])
        heights[here] = found/norms[chosen[here]]
        rest[here] = y - np.einsum("bk,bkn->bn", heights[here], whole[chosen[here]])
    order = np.argsort(c[chosen], axis=1)
    centers, widths, heights = (np.take_along_axis(each, order, 1) for each in (c[chosen], w[chosen], heights))
    return centers, widths, heights, rest


def solve(products: np.ndarray, gram: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """The factors of the chosen shapes that fit best, (fits, k)."""
    own = gram[chosen[:, :, None], chosen[:, None, :]] + 1e-12*np.eye(chosen.shape[1])
    return np.linalg.solve(own, np.take_along_axis(products, chosen, 1)[..., None])[..., 0]


def _chosen(products: np.ndarray, gram: np.ndarray, centers: np.ndarray, widths: np.ndarray, count: int, sign: float) -> np.ndarray:
    """The shapes of one chunk of curves: from three beginnings, the end that takes most off chi-square."""
    own = np.where(products.max(axis=1) >= -products.min(axis=1), 1.0, -1.0)
    signs = (own if sign == 0 else np.full(len(products), sign))[:, None]
    signed = (products*signs).astype(np.float32)
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


def _nearest(centers: np.ndarray, widths: np.ndarray, center: np.ndarray, width: np.ndarray) -> np.ndarray:
    """The shape nearest to a place and width."""
    kinds = np.unique(widths)
    own = kinds[np.argmin(np.abs(np.log(kinds[None]/width[:, None])), axis=1)]
    away = np.where(widths[None] == own[:, None], np.abs(centers[None] - center[:, None]), np.inf)
    return np.argmin(away, axis=1)


def _settled(products: np.ndarray, gram: np.ndarray, found: np.ndarray, count: int) -> np.ndarray:
    """Add shapes up to the count, then look for each again beside the others."""
    while found.shape[1] < count:
        found = np.concatenate([found, _next(products, gram, found)[:, None]], axis=1)
    found = found.copy()
    for _ in range(ROUNDS):
        for k in range(count):
            found[:, k] = _next(products, gram, np.delete(found, k, axis=1))
    return found


def _next(products: np.ndarray, gram: np.ndarray, taken: np.ndarray) -> np.ndarray:
    """The positive shape that takes most off chi-square beside those taken."""
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
    return np.argmax(rest, axis=1)


def guess_gaussians(model: Any, count: int, data: np.ndarray, x: Any, values: Mapping[str, Any]) -> Any:
    """Guess a library model that is a sum of Gaussians on a constant."""
    names = model._definition.names     # the baseline, then three for each peak
    squares = names[3].startswith("var")
    curves = ordered(x, data, MOST_POINTS)
    ones = np.ones((1, len(curves.x)))
    centers, widths, heights, rest = find(curves, ones, lambda c, w: np.exp(-0.6931471805599453*((curves.x - c)/w)**2), count)
    found: dict[str, np.ndarray] = {}
    for k in range(count):
        sigma = widths[:, k]/1.1774
        for name, value in zip(names[1 + 3*k:4 + 3*k], (heights[:, k], centers[:, k], sigma**2 if squares else sigma), strict=True):
            found[name] = value
    found[names[0]] = rest.mean(axis=1)
    shape = data.shape[:-1]
    return settled(model, {name: value.reshape(shape) for name, value in found.items()}, values, shape)


def guess_sum(model: Any, parts: Sequence[Any], data: Any, x: Any, values: Mapping[str, Any], widest: float = 0.25) -> Any:
    """Guess a composite: a sum of peaks on constants, lines or parabolas.

    Raises
    ------
    NoGuessError
        If a part is neither.
    """
    y = np.asarray(data)
    shape = y.shape[:-1]
    curves = ordered(x, y, MOST_POINTS)
    peaks = [part for part in parts if getattr(part, "entry", None) and part.entry.guess in FAMILIES]
    grounds = [part for part in parts if getattr(part, "entry", None) and part.entry.guess in BACKGROUNDS]
    others = [part for part in parts if part not in peaks and part not in grounds]
    if others or not peaks:
        what = others[0]._reprstring() if others else "no peak"
        raise NoGuessError(f"a sum is guessed of peaks on constants, lines and parabolas, and there is {what}: give start values")
    columns, owners = _columns(grounds, curves.x)
    family = FAMILIES[peaks[0].entry.guess]
    unit = _unit(peaks[0])
    bounds = [limits(part).get("amplitude", (-np.inf, np.inf)) for part in peaks]
    sign = 1.0 if all(low >= 0 for low, _ in bounds) else -1.0 if all(high <= 0 for _, high in bounds) else 0.0
    centers, widths, heights, rest = find(curves, columns, lambda c, w: unit(curves.x, c, family(w)), len(peaks), sign, widest)
    found = {}
    for k, part in enumerate(peaks):
        own, at = FAMILIES[part.entry.guess](widths[:, k]), centers[:, k]
        formula = part._definition.own
        own = {name: np.asarray(value) for name, value in own.items() if name in formula.names}
        amplitude = heights[:, k]/formula(at, amplitude=1.0, center=at, **own)
        for name, value in {"amplitude": amplitude, "center": at, **own}.items():
            found[part._prefix + name] = value
    if len(columns):
        for name, value in zip(owners, np.linalg.lstsq(columns.T, rest.T, rcond=None)[0], strict=True):
            found[name] = value
    return settled(model, {name: value.reshape(shape) for name, value in found.items()}, values, shape)


def _columns(grounds: Sequence[Any], x: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """The background's columns and the parameters that they belong to; of two constants one stays at 0."""
    rows: list[np.ndarray] = []
    owners: list[str] = []
    for part in grounds:
        formula = part._definition.own
        for name in BACKGROUNDS[part.entry.guess]:
            column = formula(x, **{other: float(other == name) for other in formula.names})
            trial = np.array([*rows, column])
            if np.linalg.matrix_rank(trial/np.abs(trial).max(axis=1, keepdims=True)) == len(trial):
                rows.append(column)
                owners.append(part._prefix + name)
    return (np.array(rows) if rows else np.zeros((0, len(x)))), owners


def _unit(part: Any) -> Callable[..., np.ndarray]:
    """A part's peaks of height 1."""
    formula = part._definition.own

    def value(x: np.ndarray, center: np.ndarray, shape: Mapping[str, Any]) -> np.ndarray:
        own = {name: each for name, each in shape.items() if name in formula.names}
        return formula(x[None], amplitude=1.0, center=center, **own)/formula(center, amplitude=1.0, center=center, **own)
    return value
