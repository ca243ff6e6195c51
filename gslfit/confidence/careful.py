"""Confidence intervals by refits one after the other.

A parameter is held at a value and the others are refitted. For each probability asked for, the level of chi-square that it stands for is
found first, without the residual; then where the profile crosses that level (`gslfit.confidence.profile`), on the branch that leads out
from the minimum and, once other ones have been looked for (`gslfit.confidence.branches`), on the lowest of them.
"""
from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from gslfit.confidence.branches import exchanged, exchanges, explore
from gslfit.confidence.constrained_refit import ConstrainedRefit, LowerMinimum
from gslfit.confidence.ftest import RESTARTS, FTest, listed
from gslfit.confidence.limit_status import LimitStatus
from gslfit.confidence.profile import Limit, ProfileSide, both_sides
from gslfit.data.numbers import floats
from gslfit.errors import InputError, warn


class ConfidenceIntervals(dict[str, list[tuple[float, float]]]):
    """Confidence intervals by parameter: lists of ``(probability, limit)`` from the lowest limit to the highest, the best value amid them.

    Attributes
    ----------
    notes : list of str
        What there is to be said: limits not reached and why, limits on another branch, further ranges, a lower minimum.
    ranges : dict of str to dict of float to list of (float, float)
        By parameter and probability, for those of which there is more than one: all ranges in which the profile lies below the level. The
        limits are those of the range with the minimum. They are looked for up to three times as far as the outermost limit.
    better : dict of str to float, or None
        The values at a lower minimum that a profile found; the intervals are then around it.
    chisqr : float
        Chi-square at the minimum that the intervals are around.
    nfev : int
        Evaluations of the residual.
    status : dict of str to list of LimitStatus
        What each limit is worth, in the order of its pair; FOUND for the best value amid them.
    """

    def __init__(self) -> None:
        super().__init__()
        self.notes: list[str] = []
        self.ranges: dict[str, dict[float, list[tuple[float, float]]]] = {}
        self.better: dict[str, float] | None = None
        self.chisqr = math.nan
        self.nfev = 0
        self.status: dict[str, list[LimitStatus]] = {}

    def _repr_html_(self) -> str:
        from gslfit.report.html import ci_html
        return ci_html(self)


def probabilities(sigmas: Iterable[float]) -> list[float]:
    """Return probabilities for probabilities (below 1) or numbers of standard deviations."""
    chances = []
    for sigma in np.atleast_1d(floats("sigmas", sigmas)).ravel():
        if not 0 <= sigma < 38:
            raise InputError(f"sigmas are probabilities below 1, or standard deviations from 1 to 8; not {sigma:g}")
        chance = float(sigma) if sigma < 1 else math.erf(sigma/math.sqrt(2))
        if chance >= 1:
            raise InputError(f"{sigma:g} standard deviations have a probability of 1 to machine precision; ask for 8 at most")
        chances.append(chance)
    return chances


def careful_intervals(result: Any, names: Sequence[str], chances: list[float]) -> ConfidenceIntervals:
    """Return the intervals of a fit of which the engine is not sure; probabilities are sorted."""
    found: ConfidenceIntervals = find_intervals(FTest(result), names, chances)
    return found


def find_intervals(ftest: FTest, wanted: Sequence[str], chances: list[float], trace: bool = False, verbose: bool = False,
             maxiter: int = 200) -> Any:
    """Find limits by refits one after the other, beginning anew from each lower minimum that turns up."""
    indices = [ftest.index(name) for name in wanted]
    x, lowered = ftest.x, ""
    for attempt in range(RESTARTS + 1):
        refit = ftest.refit(x)
        if refit.improved and not lowered:
            lowered = "the fit was not at its minimum"
        intervals = ConfidenceIntervals()
        traces: dict[str, dict[str, np.ndarray]] = {}
        try:
            sides = {name: both_sides(refit, k, maxiter) for name, k in zip(wanted, indices, strict=True)}
            _find(ftest, sides, chances)
            for name, k in zip(wanted, indices, strict=True):
                intervals[name] = _interval(ftest, intervals, name, sides[name], chances, verbose)
                if trace:
                    traces[name] = _trace(ftest, k, sides[name], chances)
            break
        except LowerMinimum as found:
            x, lowered = found.point.x, f"the profile of {ftest.names[found.k]!r} found a lower minimum"
            if attempt == RESTARTS:
                raise InputError(f"{lowered}, again and again: {listed(ftest.values(x))}; fit from there first") from None
    _conclude(ftest, intervals, refit, lowered)
    _judge(intervals)
    return (intervals, traces) if trace else intervals


def not_reached(name: str, side: str, chance: float, why: str) -> str:
    """Return the note of a limit that is infinite."""
    return f"{name}: the {side} limit of {100*chance:.2f}% is not reached: {why}"


def _levels(ftest: FTest, refit: ConstrainedRefit, chances: list[float]) -> list[float]:
    """Return the levels of chi-square that probabilities stand for."""
    return [ftest.level(chance, refit.best.chi) for chance in chances]


def _find(ftest: FTest, sides: dict[str, list[ProfileSide]], chances: list[float]) -> None:
    """Find the limits on the branch of the minimum, then the other branches that lie lower."""
    if not sides:
        return
    refit = next(iter(sides.values()))[0].refit
    levels = _levels(ftest, refit, chances)
    rises = [level - refit.best.chi for level in levels if level > refit.best.chi]
    if not rises:
        return
    refit.aim(min(rises))
    every = [side for pair in sides.values() for side in pair]
    for side in every:
        side.limits(levels)
    orders = exchanges(refit, ftest.names)
    found = {side: side.points for side in every}
    for side in every:
        images = [[exchanged(point, order) for other in every if other.k == order[side.k] for point in list(found[other])]
                  for order in orders if order[side.k] != side.k]
        explore(side, levels, images, [point for other in every if other.k != side.k for point in list(found[other][1:])])


def _interval(ftest: FTest, intervals: ConfidenceIntervals, name: str, sides: list[ProfileSide], chances: list[float],
              verbose: bool) -> list[tuple[float, float]]:
    """Return one parameter's limits, taking down notes."""
    levels = _levels(ftest, sides[0].refit, chances)
    rows: list[list[tuple[float, float]]] = []
    for side, which in zip(sides, ("lower", "upper"), strict=True):
        rows.append([])
        for chance, limit in zip(chances, side.limits(levels), strict=True):
            rows[-1].append((chance, limit.value))
            what = f"{name}: the {which} limit of {100*chance:.2f}%"
            intervals.status.setdefault(name, []).append(_status(side, limit))
            if limit.note:
                intervals.notes.append(not_reached(name, which, chance, limit.note))
            if limit.other is not None:
                intervals.notes.append(f"{what} lies on another branch of the profile, next to {listed(ftest.values(limit.other.x))}")
            if verbose:
                print(f"{what} = {limit.value:.8g} {limit.note}".rstrip())
    _note_ranges(intervals, name, sides, chances, levels, rows)
    return [*rows[0][::-1], (0., sides[0].origin), *rows[1]]


def _status(side: ProfileSide, limit: Limit) -> LimitStatus:
    """Return what a limit is worth, for all that its own side of the profile tells."""
    if math.isinf(limit.value):
        return LimitStatus.BEYOND_BOUND if side.known[-1].distance >= side.room else LimitStatus.UNBOUNDED
    return LimitStatus.REFITTED if limit.other is None else LimitStatus.OTHER_BRANCH


def _judge(intervals: ConfidenceIntervals) -> None:
    """Put statuses, which were taken down side by side, in the order of the limits, with what is to be said of several of them."""
    for name, pairs in intervals.items():
        known, count = intervals.status[name], len(pairs)//2
        found = [*known[:count][::-1], LimitStatus.FOUND, *known[count:]]
        ranges = intervals.ranges.get(name, {})
        for place, (chance, limit) in enumerate(pairs):
            if math.isinf(limit) or place == count:
                continue
            if intervals.better is not None:
                found[place] = LimitStatus.LOWER_MINIMUM
            elif chance in ranges:
                found[place] = LimitStatus.SEVERAL_RANGES
        intervals.status[name] = found


def _note_ranges(intervals: ConfidenceIntervals, name: str, sides: list[ProfileSide], chances: list[float], levels: list[float],
                 rows: list[list[tuple[float, float]]]) -> None:
    """Take down the probabilities whose values lie in more than one range."""
    for chance, level, (_, low), (_, high) in zip(chances, levels, *rows, strict=True):
        more = [each for side in sides for each in side.further(level)] if level > sides[0].refit.best.chi else []
        if more:
            intervals.ranges.setdefault(name, {})[chance] = sorted([(low, high), *more])
            intervals.notes.append(f"{name}: {100*chance:.2f}% lie in more than one range: "
                                   + ", ".join(f"{a:.6g} to {b:.6g}" for a, b in intervals.ranges[name][chance]))


def _trace(ftest: FTest, k: int, sides: list[ProfileSide], chances: list[float]) -> dict[str, np.ndarray]:
    """Return the points of a profile up to its outermost limits, in order of the parameter held, as arrays by name, with their chances."""
    top = _levels(ftest, sides[0].refit, chances)[-1]
    points = [sides[0].refit.best, *(point for side in sides for point in side.up_to(top))]
    best = points[0].chi
    points = sorted(points, key=lambda point: point.x[k])
    rows = [ftest.values(point.x) for point in points]
    columns = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    return columns | {"prob": np.array([ftest.probability(point.chi, best) for point in points])}


def _conclude(ftest: FTest, intervals: ConfidenceIntervals, refit: ConstrainedRefit, lowered: str) -> None:
    """Fill in what goes for all intervals; say so if the minimum is another."""
    intervals.nfev, intervals.chisqr = ftest.residual.nfev, ftest.chisqr(refit.best.chi)
    if lowered:
        intervals.better = ftest.values(refit.best.x)
        before = float(np.sum(ftest.residual(ftest.x)**2))
        note = (f"{lowered}: chi-square {intervals.chisqr:.8g}, below {ftest.chisqr(before):.8g}, at {listed(intervals.better)}; "
                "the intervals are around it, and repeat the fit from there")
        intervals.notes.insert(0, note)
        warn(note)
