"""Parameters that enter squared and are 0 at their minimum: J says next to nothing of them there, and chi-square bends up.

They have no error, the others' are those without them, and no Gauss-Newton step gets nearer: see `gslfit_is_even` of
`src/common/judgement.h`.
"""
from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gslfit.minimizer.precision import EPS
from gslfit.shared._rows import BESIDE, bends, is_even
from gslfit.shared.groups import Group, measured_by

if TYPE_CHECKING:
    from gslfit.shared.descent import Descent, State


def even_shared(descent: Descent, state: State) -> np.ndarray:
    """Return which shared parameters are such at a state: ndarray of bool (s)."""
    length, size = np.sqrt(state.cost), np.fmax(np.abs(state.shared), np.abs(descent.begun))
    found = is_even(descent.lengths(state), size, np.full(len(size), length)) & nonlinear(descent.groups, len(size))
    ways, open_ = _ways(state.shared, BESIDE*size, descent.low, descent.high)
    found &= open_
    local = [v[group.local.own, :len(group.which)] for group, v in zip(descent.groups, state.v, strict=True)]
    rounding = 4*EPS*np.sqrt(measured_by(*descent.squares()))
    for k in np.flatnonzero(found):
        beside = [np.where(np.arange(len(size)) == k, way, state.shared) for way in ways]
        costs = [descent.at(each, local).cost for each in beside]
        found[k] = bends(np.array([length]), np.sqrt(costs)[:, None], np.array([rounding]))[0]
    return found


def even_local(group: Group, v: np.ndarray, cost: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, int]:
    """Return which local parameters of a group are such, ndarray of bool (q, k), and the evaluations spent.

    Parameters
    ----------
    group : Group
    v : ndarray
        Of the program's variables.
    cost : ndarray, shape (k,)
    lengths : ndarray, shape (q, k)
        Of the columns.
    """
    values = v[group.local.own, :len(group.which)]
    length, size = np.sqrt(cost), np.fmax(np.abs(values), np.abs(group.begun))
    found = is_even(lengths, size, np.broadcast_to(length, size.shape))
    found[group.linear_places().own] = False
    ways, open_ = _ways(values, BESIDE*size, group.low, group.high)
    found &= open_
    nfev = 0
    for row in np.flatnonzero(found.any(axis=1)):
        beside = []
        for way in ways:
            at = v.copy()
            at[group.local.own[row], :len(group.which)] = np.where(found[row], way[row], values[row])
            beside.append(np.sqrt(group.sums(at, int(group.shared.whole.max(initial=-1)) + 1).cost))
            nfev += 1
        found[row] &= bends(length, np.array(beside), 4*EPS*np.sqrt(group.measures))
    return found, nfev


def nonlinear(groups: list[Group], count: int) -> np.ndarray:
    """Return which shared parameters some formula is not linear in."""
    found = np.zeros(count, bool)
    for group in groups:
        found[np.setdiff1d(group.shared.whole, group.linear_places().whole)] = True
    return found


def _ways(x: np.ndarray, reach: np.ndarray, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return places beside parameters, below and above, then half as far, ndarray (4, ...), and where there are such; on a bound all lie
    inwards.
    """
    below, above = x - reach >= low, x + reach <= high
    first, second = np.where(below & above, -1, np.where(above, 1, -1)), np.where(above, 1, -1)
    return x + reach*np.array([first, second, .5*first, .5*second]), (below & above) | (below & (x == high)) | (above & (x == low))
