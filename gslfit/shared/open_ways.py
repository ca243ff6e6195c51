"""Ways that the normal equations leave open at an end: what they know of them is rounding, so chi-square itself must tell whether it falls
there.

A shared parameter that the equations don't determine is moved, all others are refitted beside it, and the move is doubled for as long as
chi-square falls. One that has no effect, since in each data set a bound silences it, goes back to where it began.
"""
from __future__ import annotations

import numpy as np

from gslfit.minimizer.least_squares import WAYS_BACK
from gslfit.records import Record
from gslfit.shared.arrow import inverted
from gslfit.shared.descent import Descent, raw_cost

FIRST_MOVE = .1         # of a parameter's size
MOVES = 30              # doublings of it
REFIT = 60              # evaluations of a refit
FALLS = 1e-6            # of chi-square's variance, 1: a decrease that counts
SURE = 1e-10            # of chi-square itself, for its rounding
POINTS = 6              # at which residuals of either sign are largest: where shared parameters are tried
STEEPEST = 3            # places inside of bounds from which a descent is tried
TRIED = np.array([.01, .1, 10, 100, 1e4])       # times its start: where a silenced parameter is tried


class Fallen(Record):
    """A lower point than that of a descent, and the evaluations spent on looking for one.

    Attributes
    ----------
    descent : Descent or None
        None where chi-square falls nowhere.
    nfev : int
    """

    descent: Descent | None
    nfev: int


def look_along(descent: Descent, flags: np.ndarray, most: int) -> Fallen:
    """Look for a lower point along what the equations leave open of the shared parameters.

    Parameters
    ----------
    descent : Descent
        That has come to an end.
    flags : ndarray, shape (s,)
        Not 0 for parameters that are held at a bound or have no effect.
    most : int
        Evaluations of all data sets.
    """
    state = descent.state
    lengths = descent.lengths(state)
    loose = inverted(sum(each.schur for each in state.whole), lengths, np.flatnonzero((flags == 0) & (lengths > 0)))[1]
    spent = 0
    for k in np.flatnonzero(loose & (flags == 0) & (state.shared != 0)):
        for way in (FIRST_MOVE, -FIRST_MOVE):
            found = _follow(descent, int(k), way*float(abs(state.shared[k])), most - spent)
            spent += found.nfev
            if found.descent is not None:
                return Fallen(found.descent, spent)
    return Fallen(None, spent)


def look_inside(descent: Descent, idle: np.ndarray, begun: list[np.ndarray], most: int) -> Fallen:
    """Look for a lower point from inside, where shared parameters have no effect since local ones lie on their bounds, as `minimize` does.

    Parameters
    ----------
    descent, most
        As `look_along` takes them.
    idle : ndarray of bool, shape (s,)
        Which shared parameters these are.
    begun : list of ndarray, shape (q, k)
        Where the local parameters of each group began.
    """
    state, silent = descent.state, np.flatnonzero(idle)
    back = state.shared.copy()
    back[silent] = descent.begun[silent]
    local = [v[group.local.own, :len(group.which)] for group, v in zip(descent.groups, state.v, strict=True)]
    starts, spent = _falling(descent, silent, back, local)
    for turn in range(WAYS_BACK):
        starts.append((back, [np.where((own <= group.low) | (own >= group.high), own + (start - own)/4**turn, own)
                              for group, own, start in zip(descent.groups, local, begun, strict=True)]))
    for shared, values in starts:
        if spent >= most:
            break
        for group, own in zip(descent.groups, values, strict=True):
            group.begin_at(own)
        found = Descent(descent.groups, shared.copy(), descent.low, descent.high, descent.ndata, min(REFIT, most - spent), patient=True,
                        begun=descent.begun)
        found.run()
        spent += found.nfev
        if _lower(found, descent):
            return Fallen(found, spent)
    return Fallen(None, spent)


def _falling(descent: Descent, silent: np.ndarray, back: np.ndarray, local: list[np.ndarray]) -> tuple[
        list[tuple[np.ndarray, list[np.ndarray]]], int]:
    """Return where chi-square falls from the bounds inwards, and evaluations spent: each shared parameter that is silent is tried at the
    points of the largest residuals, there beside tenths of the others' starts, and at tenths and tens of its own, as
    `src/batch/gsl_refit.c` does. The steepest of these places.
    """
    points = _largest(descent)
    places = []
    for k in silent:
        for value in dict.fromkeys([back[k], *points, *(TRIED*descent.begun[k])]):
            places.append(_moved(descent, back, k, value))
            for j in silent[silent != k] if value in points else ():
                places += [_moved(descent, places[-1], j, each) for each in TRIED[TRIED < 1]*descent.begun[j]]
    falls = np.nan_to_num([sum(float(part.decrement.sum()) for part in descent.at(place, local).free) for place in places])
    steepest = [k for k in np.argsort(-falls, kind="stable")[:STEEPEST].tolist() if falls[k] > SURE*raw_cost(descent.state)]
    return [(places[k], local) for k in steepest], len(places)


def _moved(descent: Descent, shared: np.ndarray, k: int, value: float) -> np.ndarray:
    """Return the shared parameters with one of them at a value, inside its bounds."""
    found = shared.copy()
    found[k] = np.clip(value, descent.low[k], descent.high[k])
    return found


def _largest(descent: Descent) -> list[float]:
    """Return the independent variables of the points at which residuals are largest: the greatest and the least of the data sets."""
    ends: tuple[dict[float, float], dict[float, float]] = {}, {}
    for group, v in zip(descent.groups, descent.state.v, strict=True):
        for r, x in group.residuals(v):
            for found, size in zip(ends, (r, -r) if r.size else (), strict=False):
                i = int(np.argmax(size))
                found.update({value: max(float(size[i]), found.get(value, 0.0)) for value in (float(each[i]) for each in x)})
    return list(dict.fromkeys(value for found in ends for value in sorted(found, key=lambda each: -found[each])[:POINTS]))


def _follow(descent: Descent, k: int, move: float, most: int) -> Fallen:
    """Move a shared parameter, ever farther while chi-square falls."""
    best, spent, origin = None, 0, float(descent.state.shared[k])
    for _ in range(MOVES):
        value = float(np.clip(origin + move, descent.low[k], descent.high[k]))
        if value == origin or spent >= most:
            break
        there = _refitted(best or descent, k, value, min(REFIT, most - spent))
        spent += there.nfev
        if not _lower(there, best or descent):
            break
        best, move = there, 2*move
        if value != origin + .5*move:                         # on a bound
            break
    return Fallen(best, spent)


def _refitted(near: Descent, k: int, value: float, most: int) -> Descent:
    """Return the descent of all others beside a shared parameter, from a point near by."""
    start = near.state.shared.copy()
    start[k] = value
    for group, v in zip(near.groups, near.state.v, strict=True):
        group.begin_at(v[group.local.own, :len(group.which)])
    found = Descent(near.groups, start, near.low, near.high, near.ndata, most, patient=True, held={k: value},
                    begun=near.begun)
    found.run()
    return found


def _lower(there: Descent, here: Descent) -> bool:
    """Return whether chi-square is lower than it was, by more than rounding and than what counts for nothing."""
    before, after = raw_cost(here.state), raw_cost(there.state)
    variance = before/max(here.ndata - here.nvarys, 1)
    return bool(before - after > max(FALLS*variance, SURE*before))         # False for a NaN
