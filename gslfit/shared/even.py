"""Parameters that enter squared and are 0 at their minimum: J says next to nothing of them there, and chi-square bends up.

They have no error, the others' are those without them, and no Gauss-Newton step gets nearer: see `gslfit_is_even` of
`src/common/judgement.h`.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gslfit.minimizer.precision import EPS
from gslfit.records import Record
from gslfit.shared._rows import BESIDE, bends, is_even, places_beside
from gslfit.shared.groups import Group, measured_by

FAINT = 1e4         # times the share of `gslfit_is_even`: a parameter that has so small an effect may be on its way there


class Look(Record):
    """Which parameters are such at a point, and where chi-square is least along each that may be on its way there: arrays of one shape."""

    even: np.ndarray
    least: np.ndarray


def look_at_shared(groups: list[Group], shared: np.ndarray, begun: np.ndarray, bounds: tuple[np.ndarray, np.ndarray], columns: np.ndarray,
                   cost: float, counted: float, cost_at: Callable[[np.ndarray], float]) -> Look:
    """Look at the shared parameters.

    Parameters
    ----------
    groups : list of Group
    shared, begun, columns : ndarray, shape (s,)
        Where they are, and where they were when the fit began; the lengths of their columns.
    bounds : two ndarray, shape (s,)
    cost, counted : float
        Of all data sets, and as far as it counts.
    cost_at : callable
        The cost of all data sets at other values of the shared parameters.
    """
    length, size = np.sqrt(cost), np.fmax(np.abs(shared), np.abs(begun))
    lengths = np.full(len(size), np.sqrt(counted))
    ways, open_ = places_beside(shared, BESIDE*size, *bounds)
    open_ &= nonlinear(groups, len(size))
    even, least = open_ & is_even(columns, size, lengths), shared.copy()
    measure = measured_by(sum(float(group.squares.sum()) for group in groups),
                          sum(float(group.counted(group.first_costs).sum()) for group in groups))
    rounding = 4*EPS*np.sqrt(np.fmax(measure, cost))        # of a cost that doesn't count too
    for k in np.flatnonzero(open_ & is_even(columns/FAINT, size, lengths)):
        beside = np.sqrt([cost_at(np.where(np.arange(len(size)) == k, way, shared)) for way in ways])[:, None]
        even[k] &= bends(length[None], beside, np.array([rounding]))[0]
        least[k] = _vertex(shared[k], ways[:2, k], length, beside[:2, 0], rounding)
    return Look(even, np.where(even, shared, least))


def look_at_local(group: Group, v: np.ndarray, cost: np.ndarray, columns: np.ndarray) -> tuple[Look, int]:
    """Look at the local parameters of a group; returns the evaluations spent too.

    Parameters
    ----------
    group : Group
    v : ndarray
        Of the program's variables.
    cost : ndarray, shape (k,)
    columns : ndarray, shape (q, k)
        Their lengths.
    """
    values = v[group.local.own, :len(group.which)]
    length, size = np.sqrt(cost), np.fmax(np.abs(values), np.abs(group.begun))
    lengths = np.broadcast_to(np.sqrt(group.counted(cost)), size.shape)
    ways, open_ = places_beside(values, BESIDE*size, group.low, group.high)
    open_[group.linear_places().own] = False
    even, least, faint = open_ & is_even(columns, size, lengths), values.copy(), open_ & is_even(columns/FAINT, size, lengths)
    rounding = 4*EPS*np.sqrt(np.fmax(group.measures, cost))
    for row in np.flatnonzero(faint.any(axis=1)):
        which = np.flatnonzero(faint[row])
        places = [v[:, which].copy() for _ in ways]
        for place, way in zip(places, ways, strict=True):
            place[group.local.own[row]] = way[row, which]
        beside = np.sqrt(group.costs(which, places))
        even[row, which] &= bends(length[which], beside, rounding[which])
        least[row, which] = _vertex(values[row, which], ways[:2, row, which], length[which], beside[:2], rounding[which])
    return Look(even, np.where(even, values, least)), int(np.ceil(len(ways)*faint.sum()/max(len(length), 1)))


def _vertex(x: Any, ways: np.ndarray, length: Any, beside: np.ndarray, rounding: Any) -> Any:
    """Return where the parabola through chi-square at a place, and below and above it, is least, if that lies between these."""
    first, second = ((each - length)*(each + length) for each in beside)
    open_ = (ways[0] < x) & (x < ways[1]) & (first + second > 4*rounding*length)
    moved = np.where(open_, .25*(ways[1] - ways[0])*(first - second)/np.where(open_, first + second, 1.0), 0.0)
    return np.where(np.abs(moved) <= .5*(ways[1] - ways[0]), x + moved, x)


def nonlinear(groups: list[Group], count: int) -> np.ndarray:
    """Return which shared parameters some formula is not linear in."""
    found = np.zeros(count, bool)
    for group in groups:
        found[np.setdiff1d(group.shared.whole, group.linear_places().whole)] = True
    return found
