"""How far inside data sets begin where parameters start on a bound, which may silence others: an amplitude or a rate of 0.

`gslfit.parameters.bounds` moves such a start inside by guess. What counts is, as in batches (`gslfit_refit_step_inside` of
`src/batch/gsl_refit.h`), what changes a residual by its share: for a shared parameter that of all data sets, for a local one its own.
"""
from __future__ import annotations

import numpy as np

from gslfit.parameters.bounds import ALIKE, INSIDE, NEAR, SHARE, WIDEST
from gslfit.records import Record
from gslfit.shared._rows import interior, steps_inside
from gslfit.shared.groups import Group

MOST = 3        # evaluations of all data sets
TRIALS = 16     # further ones, of how far a parameter without a column has to go to be seen ...
LONGER = 1e3    # ... the second by so much further or nearer, the next by its square
SEEN, FAR = 1e-5, 1e-3      # shares of the cost: it changes by more than the one, and by less than the other


class Placed(Record):
    """Where data sets begin: the shared parameters (s), the local ones of each group, (q, k), and the evaluations spent on that; `told` is
    whether that is more than a guess: two that hide each other (an amplitude and a rate of 0) tell nothing.
    """

    shared: np.ndarray
    local: list[np.ndarray]
    nfev: int
    told: bool = True


class _Starts:
    """Start values of the shared parameters, or of the local ones of a group.

    Attributes
    ----------
    given, guess : ndarray
        As they were given, and inside by guess.
    to, base : ndarray
        Where they are to begin, and from where others are looked at.
    known : ndarray of bool
        What needs no look, or has had one.
    moved : bool
        Whether the last look told that a guess was wrong.
    """

    def __init__(self, given: np.ndarray, guess: np.ndarray, low: np.ndarray, high: np.ndarray):
        self.given, self.guess, self.widest = given, guess, WIDEST*(high - low)
        self.to, self.base, self.known, self.moved = guess.copy(), given.copy(), guess == given, False

    def look(self, lengths: np.ndarray, columns: np.ndarray) -> None:
        """Look at those that are not known, by the lengths of the residual and of their columns at the base."""
        seen = ~self.known & (columns > 0) & (lengths > 0) & (lengths < np.inf)
        far, step = SHARE*lengths/columns, steps_inside(self.given, self.guess, lengths, columns, SHARE, ALIKE)
        to, base = (self.given + np.sign(self.guess - self.given)*np.minimum(each, self.widest) for each in (step, far))
        self.to, self.base = np.where(seen & (step != 0), to, self.to), np.where(seen, base, self.base)
        self.known, self.moved = self.known | seen, bool(step[seen].any())

    def hidden(self) -> int:
        """Return how many parameters nothing is known of, in some data sets at least."""
        return int((~self.known if self.known.ndim == 1 else (~self.known).any(axis=1)).sum())


def placed(groups: list[Group], given: np.ndarray, low: np.ndarray, high: np.ndarray, most: int) -> Placed:
    """Return where data sets begin that are given a start: their groups' `given`, and that of the shared parameters.

    Parameters
    ----------
    groups : list of Group
    given, low, high : ndarray, shape (s,)
        Of the shared parameters.
    most : int
        Evaluations of all data sets allowed: with few, guesses have to do.
    """
    count, guess = len(given), interior(given, low, high, INSIDE, NEAR)
    kept = offsets(groups, count)
    guess[kept] = given[kept]
    own = [_Starts(group.given, group.values, group.low, group.high) for group in groups]
    shared = _Starts(given, guess, low, high)
    every = [shared, *own]
    if all(each.known.all() for each in every) or most <= MOST:
        return Placed(guess, [group.values for group in groups], 0)
    with np.errstate(all="ignore"):
        first = _look(groups, shared, own)
        hidden = not all(each.known.all() for each in every)
        if hidden:      # by an amplitude of 0: it is seen beside one that tells, and where that is both begin
            _look(groups, shared, own)
            if any(each.moved for each in every):
                for each in every:
                    each.to = np.where(each.known, each.base, each.to)
        spent = sum(_go_until_seen(groups, shared, own, k) for k in np.flatnonzero(~shared.known).tolist()) if most > MOST + TRIALS else 0
        sums = [group.sums(group.put(shared.to, each.to), count) for group, each in zip(groups, own, strict=True)]
        most_of = [cost*(1 + SHARE*(count + len(group.given)))**2 for group, cost in zip(groups, first, strict=True)]
        cost, allowed = (sum(float(np.where(np.isfinite(before), each, 0.0).sum()) for each, before in zip(costs, first, strict=True))
                         for costs in ([each.cost for each in sums], most_of))
        nfev, told = spent + (MOST if hidden else MOST - 1), sum(each.hidden() for each in every) < 2
        if not cost <= allowed:
            return Placed(guess, [group.values for group in groups], nfev, told)
    return Placed(shared.to, [np.where(each.cost <= best, starts.to, starts.guess)
                              for each, best, starts in zip(sums, most_of, own, strict=True)], nfev, told)


def _go_until_seen(groups: list[Group], shared: _Starts, own: list[_Starts], k: int) -> int:
    """Have a shared parameter whose column is zero at its start begin where the residuals see it, in any unit: it may enter squared.

    Returns the evaluations spent on that.
    """
    def cost(way: float) -> float:
        """Return the cost of all data sets with it so far inside."""
        at = shared.to.copy()
        at[k] = shared.given[k] + way
        return sum(float(group.sums(group.put(at, each.to), len(at)).cost.sum()) for group, each in zip(groups, own, strict=True))

    before, way, most = cost(0.0), float(shared.guess[k] - shared.given[k]), float(shared.widest[k])
    lost, far, longer = 0.0, np.inf, LONGER
    for trial in range(1, TRIALS):
        change = abs(cost(way) - before)/before if before > 0 else np.inf
        if SEEN <= change <= FAR:
            shared.to[k] = shared.given[k] + way
            return trial + 1
        if change < SEEN:
            lost = abs(way)
        else:                       # of a NaN too
            far = abs(way)
        if lost >= most:
            break
        between = np.sqrt(lost)*np.sqrt(far) if lost and far < np.inf else lost*longer if lost else far/longer
        way, longer = float(np.copysign(min(between, most), way)), longer*longer
    return TRIALS


def _look(groups: list[Group], shared: _Starts, own: list[_Starts]) -> list[np.ndarray]:
    """Look at all starts from where they are looked at now; returns what each data set of each group costs there."""
    sums = [group.sums(group.put(shared.base, each.base), len(shared.base)) for group, each in zip(groups, own, strict=True)]
    costs = np.concatenate([each.cost for each in sums])
    squares = np.concatenate([np.einsum("ssm->sm", each.shared_block) for each in sums], axis=1)
    sound = np.isfinite(costs) & np.isfinite(squares).all(axis=0)
    shared.look(np.sqrt(costs[sound].sum()), np.sqrt(squares[:, sound].sum(axis=1)))
    for each, starts in zip(sums, own, strict=True):
        starts.look(np.sqrt(each.cost), np.sqrt(np.einsum("qqm->qm", each.block)))
    return [each.cost for each in sums]


def offsets(groups: list[Group], count: int) -> np.ndarray:
    """Return which shared parameters all formulas that have them are linear in, and that multiply nothing: these silence no others."""
    found, has = np.ones(count, bool), np.zeros(count, bool)
    for group in groups:
        has[group.shared.whole] = True
        found[np.setdiff1d(group.shared.whole, np.setdiff1d(group.linear_places().whole, group.amplitudes.whole))] = False
    return np.flatnonzero(found & has)
