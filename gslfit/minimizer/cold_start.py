"""Cold starts of residuals that are called: amplitudes far too small beside the data, as `src/program/linear_start.h` has them of formulas.

There the first steps of the other parameters are too long by as much as the amplitudes are too small, and lead into other minima, which are
minima by every test. What a called residual is linear in nobody knows, so it is asked: where a fit has taken a parameter to several times
its start, which had next to no effect there, each parameter is moved by itself, and then all in which the residual is linear go where they
fit best together, the others as they were. From there a descent is tried too, and the lower end counts.
"""
from collections.abc import Callable

import numpy as np

from gslfit.objective._loss import length
from gslfit.objective.lengths import lengths

COLD = 4.0          # times itself that a parameter is too small
MATTERS = 0.1       # of the residual's length: what takes away less is of no matter
STRAIGHT = 1e-4     # of a change of the residual: what it may differ from a straight line's by differences


def looks_cold(start: np.ndarray, end: np.ndarray, r: np.ndarray, J: np.ndarray) -> bool:
    """Return whether a start may have led a fit elsewhere: a parameter that matters was far too small, for the residual there and beside
    its value at the end.
    """
    norms, size = lengths(J), length(r)
    own = norms*np.abs(start)
    return bool(np.any((start != 0) & (COLD*own < size) & (np.abs(end) > COLD*np.abs(start)) & (norms*np.abs(end) > MATTERS*size)))


def warm_start(fun: Callable[[np.ndarray], np.ndarray], start: np.ndarray, r: np.ndarray, J: np.ndarray, lower: np.ndarray,
               upper: np.ndarray) -> np.ndarray | None:
    """Return the start with what the residual is linear in where it fits best; None where nothing is, or amplitudes were not too small.

    Parameters
    ----------
    fun : callable
        The residual.
    start : ndarray, shape (p,)
    r : ndarray, shape (n,)
        The residual there.
    J : ndarray, shape (n, p)
        Its derivatives there.
    lower, upper : ndarray, shape (p,)
        Bounds; a linear parameter keeps its sign and stays between them.
    """
    norms, size = lengths(J), length(r)
    if not (np.isfinite(norms).all() and 0 < size < np.inf):
        return None
    linear = [j for j in range(start.size) if norms[j] > 0 and _straight(fun, start, r, J, j, size/norms[j], lower, upper)]
    if not linear or len(linear) == start.size:
        return None
    step = -np.linalg.lstsq(J[:, linear]/norms[linear], r, rcond=1e-10)[0]/norms[linear]
    warm = start.copy()
    for j, change in zip(linear, step, strict=True):
        alone = -(J[:, j]/norms[j] @ (r/norms[j]))/len(linear)
        share = np.copysign(size/(2*norms[j]*len(linear)), start[j])
        for value in (start[j] + change, start[j] + alone, start[j] + share):
            if np.sign(start[j])*value >= 0 and lower[j] < value < upper[j]:
                warm[j] = value
                break
    far = (np.abs(warm) > COLD*np.abs(start)) & (np.abs(warm)*norms > MATTERS*size)
    return warm if far.any() else None


def _straight(fun: Callable[[np.ndarray], np.ndarray], start: np.ndarray, r: np.ndarray, J: np.ndarray, j: int, step: float,
              lower: np.ndarray, upper: np.ndarray) -> bool:
    """Return whether the residual goes along a straight line where a parameter moves by as much as would change it by its own length."""
    there = start.copy()
    there[j] += step if start[j] + step < upper[j] else -step
    if not lower[j] < there[j] < upper[j]:
        return False
    change = fun(there) - r
    return bool(length(change - J[:, j]*(there[j] - start[j])) <= STRAIGHT*length(change))
