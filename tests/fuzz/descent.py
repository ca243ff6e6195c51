"""A descent of many rows at once, in NumPy, along a path on which chi-square never rises: a lower end proves that its start is no minimum.

Newton's step with the exact Hessian, in the coordinates of `certificate`: along eigenvectors of H the step is -g/(|h| + m), so that it
leads away from a saddle, not to it; where H is indefinite and the gradient vanishes, along the eigenvector of the least eigenvalue, to
either side. A step is no longer than the row's radius. It is taken only where chi-square falls and, at `SAMPLES` places between, lies no
higher than before it but for rounding: so the path climbs no barrier, and what it reaches lies in the same valley. Where a parameter
changes its sign on the way, so it must at `ABOUT_ZERO`: models that divide by it may have a barrier there, as thin as it is small, and
where a model has no value at zero itself, what lies beyond is no part of the valley.
"""
from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fuzz.certificate import Local, Rows, at_rounding, certified, chi_square, look

STEPS = 25
SAMPLES = (*10.0**np.arange(-7, -.5, .5), 0.25, 0.5, 0.75)
ABOUT_ZERO = (.1, .5, .9, .99, 1.0, 1.01, 1.1, 1.5)     # of the way to where a parameter is zero
ENOUGH = 1e-5   # of the reduced chi-square: a fall beyond it is told, and the descent stops
FALL = 1e-6     # of the reduced chi-square: the fall that counts
MOVE = 1e-3     # of a parameter's error: the move that counts


class Descent(NamedTuple):
    """Where a descent led: the points, whether they are certified minima, chi-square at the start and there (in units)."""

    values: np.ndarray
    certified: np.ndarray
    begun: np.ndarray
    chi: np.ndarray


def descend(rows: Rows, v: np.ndarray, first: Local, steps: int = STEPS) -> Descent:
    """Descend from each row's point.

    Parameters
    ----------
    rows : Rows
    v : ndarray, shape (rows, p)
    first : Local
        The neighbourhood of v.
    steps : int
        Most steps.
    """
    count = len(v)
    v, chi, radius, side = v.copy(), first.chi.copy(), np.ones(count), np.ones(count)
    done, good = ~np.isfinite(first.chi), np.zeros(count, bool)
    here = first
    for _ in range(steps):
        open_ = np.flatnonzero(~done)
        if not len(open_):
            break
        part = rows.take(open_)
        here = look(part, v[open_])
        good[open_] = certified(part, v[open_], here)
        done[open_] = good[open_] | (chi[open_] < first.chi[open_] - np.maximum(ENOUGH*first.s2[open_], 10*first.blur[open_]))
        going = np.flatnonzero(~done[open_])
        which = open_[going]
        there, lower = tried(part.take(going), v[which], Local(*(field[going] for field in here)), radius[which], side[which], chi[which])
        taken = np.isfinite(lower)
        v[which[taken]], chi[which[taken]] = there[taken], lower[taken]
        radius[which] = np.where(taken, np.minimum(radius[which]*3, 1e6), radius[which]*np.where(side[which] < 0, .2, 1.0))
        side[which] = np.where(taken, 1.0, -side[which])
        done[which[radius[which] < 1e-6]] = True
    return Descent(v, good, first.chi, chi)


def tried(rows: Rows, v: np.ndarray, here: Local, radius: np.ndarray, side: np.ndarray, chi: np.ndarray):
    """Return a step of each row, and chi-square at its end, infinite where it is refused."""
    s = np.sqrt(here.s2)[:, None]
    with np.errstate(all="ignore"):
        along = np.einsum("bij,bi->bj", here.vectors, here.gradient)
        step = -along/np.maximum(np.abs(here.values), 1e-12)
        least = here.values[:, 0] < -1e-9
        push = radius[:, None]*s*np.where(along[:, :1] > 0, -1.0, 1.0)*side[:, None]
        step[:, :1] = np.where(least[:, None] & (np.abs(step[:, :1]) < np.abs(push)), push, step[:, :1])
        length = np.linalg.norm(step, axis=1, keepdims=True)
        step = step*np.minimum(1.0, radius[:, None]*s/np.where(length > 0, length, 1.0))
        move = np.einsum("bij,bj->bi", here.back, np.einsum("bij,bj->bi", here.vectors, step))
        move = np.where(np.isfinite(move) & ~here.held, move, 0.0)
        there = np.clip(v + move, rows.low, rows.high)
    lower = chi_square(rows, there)
    lower = np.where(lower < chi, lower, np.inf)
    falling = np.flatnonzero(np.isfinite(lower))
    if len(falling):
        most = highest(rows.take(falling), v[falling], there[falling])
        lower[falling[most > chi[falling] + 10*here.blur[falling]]] = np.inf
    return there, lower


def highest(rows: Rows, v: np.ndarray, there: np.ndarray) -> np.ndarray:
    """Return the highest chi-square of each row at the places between v and there."""
    move = there - v
    most = np.max([chi_square(rows, v + t*move) for t in SAMPLES], axis=0)
    for turned, points in crossings(v, there):
        most[turned] = np.maximum(most[turned], chi_square(rows.take(turned), points))
    return most


def crossings(v: np.ndarray, there: np.ndarray):
    """Yield which rows have a parameter that changes its sign between v and there, and points of them about where it is zero."""
    with np.errstate(all="ignore"):
        zeros = np.where(v*there < 0, 1/(1 - there/v), 0.0)     # of the way to there; 0 where it keeps its sign
    for k in range(v.shape[1]):
        turned = np.flatnonzero(zeros[:, k] > 0)
        for share in ABOUT_ZERO if len(turned) else ():
            points = v[turned] + np.minimum(share*zeros[turned, k], 1.0)[:, None]*(there - v)[turned]
            points[:, k] = np.where(share == 1, 0.0, points[:, k])
            yield turned, points


def moved(first: Local, v: np.ndarray, there: np.ndarray) -> np.ndarray:
    """Return the largest move of a free parameter in units of its error at the start."""
    with np.errstate(all="ignore"):
        ratio = np.abs(there - v)/first.errors
    return np.where(first.held | ~np.isfinite(ratio), 0.0, ratio).max(axis=1)


def room(first: Local) -> np.ndarray:
    """Return the fall of chi-square that counts as one: 1e-6 of the reduced chi-square, and beyond the rounding that the gradient has."""
    return np.where(at_rounding(first), np.inf, np.maximum(FALL*first.s2, 16*first.rounding))
