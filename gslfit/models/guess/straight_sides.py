"""Steps and rectangles with straight sides in sums: their kinks are looked for beside the sum's other parts.

As in `gslfit.models.guess.piecewise_linear`, which says why. The background, and the shapes that peaks and other parts were found to have,
are columns with free factors: they are projected out of the data and of the ramps.
"""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gslfit.models.guess.curves import Curves
from gslfit.models.guess.mixtures import Mixture, Other, Unit, curve_of
from gslfit.models.guess.piecewise_linear import CHUNK, Pairs, rested

PICKS = 6           # pairs of ends tried for a step that is alone on a background
OF_SIDES = 4        # points beyond the other columns, at least: a height and three kinks
NEAR = 0.05         # of a peak's half width, over which its slopes are taken
FLAT = 1e-9         # of its length, what other columns leave of a constant that they hold
ROUNDS = 2          # of several such parts


def is_straight(recipe: Any) -> bool:
    """Return whether a part's kinks are looked for."""
    return recipe is not None and recipe.settle is not None


def with_straight_sides(mixtures: list[Mixture], curves: Curves, columns: np.ndarray, unit: Unit | None,
                        others: Sequence[Other]) -> list[Mixture]:
    """Return mixtures whose straight sides are where chi-square is lowest beside the rest; one, if a step is all beside the background.

    Parameters
    ----------
    mixtures : list of Mixture
        The best first.
    curves, columns, unit, others
        As for `gslfit.models.guess.mixtures.find_mixtures`.
    """
    straight = [k for k, (_, recipe, _) in enumerate(others) if is_straight(recipe)]
    if not straight or len(curves.x) < 3:
        return mixtures
    if len(others) == 1 and unit is None:
        return [_settled(mixtures[0], 0, curves, columns, unit, others, [each.parts[0] for each in mixtures], True)]
    settled = []
    for mixture in mixtures:
        for _ in range(ROUNDS if len(straight) > 1 else 1):
            for k in straight:
                mixture = _settled(mixture, k, curves, columns, unit, others, [mixture.parts[k]], False)
        settled.append(mixture)
    return settled


def _settled(mixture: Mixture, k: int, curves: Curves, columns: np.ndarray, unit: Unit | None, others: Sequence[Other],
             starts: Sequence[dict[str, np.ndarray]], alone: bool) -> Mixture:
    """Return a mixture whose k-th other part has its kinks moved from the best of some starts, and all factors those that fit best."""
    part, _, bounds = others[k]
    beside = _columns_beside(mixture, k, curves.x, columns, unit, others)
    if len(beside) + OF_SIDES > len(curves.x):
        return mixture
    q, triangle = np.linalg.qr(np.moveaxis(beside, 0, 2))
    more = beside if unit is None else np.concatenate([beside, _slopes(mixture, unit)])
    free = q if len(more) + OF_SIDES > len(curves.x) else np.linalg.qr(np.moveaxis(more, 0, 2))[0]
    own, found = mixture.parts[k], []
    size = max(1, CHUNK//(len(curves.x)*(free.shape[2] + 2)*len(starts)))
    for low in range(0, len(curves.y), size):
        here = slice(low, low + size)
        cut = [{name: value[here] for name, value in start.items()} for start in starts]
        found.append(_sides(cut, curves.x, curves.y[here], np.moveaxis(free[here], 2, 0), alone, bounds))
    new = {name: np.concatenate([each[name] for each in found]) for name in own}
    inside = np.ones(len(curves.y), bool)
    for name, (low_, high_) in bounds.items():
        if name in new:
            inside &= (new[name] >= low_) & (new[name] <= high_)
    new = {name: np.where(inside, value, own[name]) for name, value in new.items()}
    rest = curves.y - curve_of(part, new, curves.x)
    factors = _solved(triangle, np.einsum("bnm,bn->bm", q, rest))
    first = len(columns)
    count = mixture.peaks[0].shape[1]
    parts = list(mixture.parts)
    parts[k] = new
    for place, j in enumerate(j for j in range(len(others)) if j != k):
        parts[j] = {**parts[j], "amplitude": factors[:, first + count + place]}
    factors[:, :first] = 0                  # the background stays in the rest
    heights = factors[:, first:first + count] if count else mixture.peaks[2]
    return Mixture((*mixture.peaks[:2], heights), parts, rest - np.einsum("mbn,bm->bn", beside, factors))


def _columns_beside(mixture: Mixture, k: int, x: np.ndarray, columns: np.ndarray, unit: Unit | None,
                    others: Sequence[Other]) -> np.ndarray:
    """Return the background, the peaks and the other parts but the k-th, each with a factor of 1: (m, fits, n)."""
    fits = len(mixture.rest)
    found = [np.broadcast_to(column, (fits, len(x))) for column in columns]
    if unit is not None:
        found += [unit(mixture.peaks[0][:, j, None], mixture.peaks[1][:, j, None]) for j in range(mixture.peaks[0].shape[1])]
    found += [curve_of(part, mixture.parts[j], x, amplitude=1.0) for j, (part, *_) in enumerate(others) if j != k]
    return np.array(found) if found else np.zeros((0, fits, len(x)))


def _slopes(mixture: Mixture, unit: Unit) -> np.ndarray:
    """Return the derivatives of the peaks by their places and widths, (2 count, fits, n): a peak is not quite where the grid has it."""
    found = []
    for center, width in zip(mixture.peaks[0].T[..., None], mixture.peaks[1].T[..., None], strict=True):
        found += [unit(center + NEAR*width, width) - unit(center - NEAR*width, width),
                  unit(center, width*(1 + NEAR)) - unit(center, width*(1 - NEAR))]
    return np.array(found)


def _solved(triangle: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Solve upper triangular systems, (fits, m, m) and (fits, m), that may be singular: by the shortest of the best solutions."""
    return np.einsum("bij,bj->bi", np.linalg.pinv(triangle), right)


def _sides(starts: Sequence[dict[str, np.ndarray]], x: np.ndarray, y: np.ndarray, q: np.ndarray, alone: bool,
           bounds: Any) -> dict[str, np.ndarray]:
    """Return a part's parameters where its kinks have come to rest, for curves (fits, n) beside columns (m, fits, n)."""
    y = y - np.einsum("mbn,mb->bn", q, np.einsum("mbn,bn->mb", q, y))
    if "center1" in starts[0]:
        begin = np.array([_apart(each) for each in starts])
        (a, b, c, d), _, amplitude = rested(begin, x, y, True, True, q)
        return {"center1": 0.5*(a + b), "sigma1": 0.5*(b - a), "center2": 0.5*(c + d), "sigma2": 0.5*(d - c), "amplitude": amplitude}
    ends = _best_pairs(x, y, q) if alone else []
    ends.append(np.array([starts[0]["center"] - 0.5*np.abs(starts[0]["sigma"]), starts[0]["center"] + 0.5*np.abs(starts[0]["sigma"])]))
    kinks = np.array([[*pair, *pair] for pair in ends])
    low, high = bounds.get("amplitude", (-np.inf, np.inf))
    (a, b, _, _), gain, amplitude = rested(kinks, x, y, True, False, q)
    falls = np.zeros(len(y), bool)
    if _holds_constant(q):                  # beside which a step up is one down, of the other sign
        falls = ((amplitude < low) | (amplitude > high)) & (-amplitude >= low) & (-amplitude <= high)
        amplitude = np.where(falls, -amplitude, amplitude)
    else:
        (_, _, c, d), other, height = rested(kinks, x, y, False, True, q)
        good, fine = (amplitude >= low) & (amplitude <= high), (height >= low) & (height <= high)
        falls = np.where(good == fine, other > gain, fine)
        a, b, amplitude = (np.where(falls, *pair) for pair in ((c, a), (d, b), (height, amplitude)))
    return {"center": 0.5*(a + b), "sigma": np.where(falls, a - b, b - a), "amplitude": amplitude}


def _apart(start: dict[str, np.ndarray]) -> np.ndarray:
    """Return the kinks (4, fits) of a rectangle, narrower where its sides would overlap."""
    first, second = start["center1"], start["center2"]
    most = 0.5*np.maximum(second - first, 0)
    half1, half2 = np.minimum(np.abs(start["sigma1"]), most), np.minimum(np.abs(start["sigma2"]), most)
    return np.array([first - half1, first + half1, second - half2, second + half2])


def _holds_constant(q: np.ndarray) -> bool:
    """Return whether a constant is a sum of columns (m, fits, n)."""
    if not len(q):
        return False
    left = 1 - np.einsum("mbn,mb->bn", q, q.sum(axis=2))
    return bool(np.all(np.abs(left).max(axis=1) < FLAT))


def _best_pairs(x: np.ndarray, y: np.ndarray, q: np.ndarray) -> list[np.ndarray]:
    """Return the best ramps between points beside columns that are the same for all curves: pairs of ends, (2, fits)."""
    pairs = Pairs.of(x)
    squares = pairs.squares - np.sum(np.square(q[:, 0] @ pairs.ramps.T), axis=0) if len(q) else pairs.squares
    score = np.where(squares > 1e-6*len(x), (y @ pairs.ramps.T)**2/np.maximum(squares, 1e-9), 0.0)
    return [np.array([pairs.begin[chosen], pairs.end[chosen]]) for chosen in pairs.lowest(-score, PICKS)]
