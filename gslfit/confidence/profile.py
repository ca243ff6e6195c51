"""Profiles of chi-square: one parameter held, the others at their best, and where the profile crosses given levels.

Near the minimum the square root of chi-square's rise is a straight line in the parameter held (D. M. Bates, D. G. Watts, Nonlinear
Regression Analysis and Its Applications, 1988, chapter 6). So a crossing is looked for in that root, from the slopes that the Jacobians
give: one or two refits a limit. A refit starts from a point that is known already, so that it stays on the branch of the minimum;
`gslfit.confidence.branches` looks for lower ones.
"""
from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from gslfit.confidence.constrained_refit import ConstrainedRefit, ProfilePoint
from gslfit.confidence.extrapolation import Node, foretold
from gslfit.records import Record

CORRECTION = 1e-3         # of a limit's distance: a last Newton step below this is not checked by another refit
BENT = .3                 # relative deviation of a profile's root and slope from a straight line above which points aren't foretold
FORESEEN = 1e-5           # of a limit's distance: nor is a longer one whose second-order term, known from two points, is below this
NEAR = .05                 # of a limit's distance: the longest step that is believed so
GAP = .05                 # a profile that falls is followed more closely, until its points are this near to each other
LEVEL = 1e-3              # relative growth of the root of chi-square, as the distance doubles, below which a profile has levelled off
CLOSE = 1e-6              # relative width of a bracket in which a profile steps over a level


class Limit(Record):
    """A crossing of a profile: the parameter's value, infinite where there is none, and why; and the point next to it on another branch."""

    value: float
    note: str = ""
    other: ProfilePoint | None = None


class Known(Record):
    """A point of a profile: its distance from the minimum, the root of chi-square's rise, the root's slope, and whether it lies on another
    branch than the minimum.
    """

    distance: float
    root: float
    slope: float
    point: ProfilePoint
    other: bool = False


class ProfileSide:
    """One side of one parameter's profile.

    Parameters
    ----------
    refit : ConstrainedRefit
        Where.
    k : int
        The parameter held.
    sign : {-1, 1}
        The side.
    maxiter : int
        Refits allowed for each limit.

    Attributes
    ----------
    points : list of ProfilePoint
        All points found, the minimum first.
    known : list of Known
        The lowest of them, by distance.
    branched : bool
        Whether some lie on another branch: refits then start from both sides.
    opposite : ProfileSide or None
        The other side of the same profile: near the minimum its points foretell this one's.
    """

    def __init__(self, refit: ConstrainedRefit, k: int, sign: int, maxiter: int = 200) -> None:
        self.refit, self.k, self.sign, self.maxiter = refit, k, sign, maxiter
        self.origin = float(refit.best.x[k])
        self.bound = float(refit.upper[k] if sign > 0 else refit.lower[k])
        self.room = abs(self.bound - self.origin)
        self.points = [refit.best]
        self.branched = False
        n, p = refit.best.J.shape
        self.spread = refit.spread(k)
        # a parameter without effect has no scale but its own size
        self.scale = self.spread*math.sqrt(max(n - p, 1)) if 0 < self.spread < math.inf else abs(self.origin) or 1.
        self.known = [Known(0., 0., 1/self.spread if self.spread else math.inf, refit.best)]
        self.opposite: ProfileSide | None = None
        self.edge = math.inf                                  # from here on the model isn't finite
        self._end = ""                                        # why there is no going further

    def limits(self, levels: list[float]) -> list[Limit]:
        """Return where the profile crosses each level of chi-square for the first time; levels must rise."""
        return [self._limit(self.refit.root(level)) for level in levels]

    def _limit(self, target: float) -> Limit:
        """Return where the profile's root first crosses a target."""
        if target <= 0:
            return Limit(self.origin)
        for turn in range(self.maxiter):
            below, above = self._bracket(target)
            if above is None and self._end:
                return Limit(self.sign*math.inf, self._end)
            found = self._settled(target, below, above)
            if found is not None:
                return self._at(found)
            if above is None:
                distance = self._between() or self._outside(target, below)
            else:                                             # at a jump the interpolation creeps; halving doesn't
                distance = .5*(below.distance + above.distance) if turn % 3 == 2 else self._inside(target, below, above)
            if distance is not None:
                self.visit(distance)
        below, above = self._bracket(target)
        if above is not None:
            return self._at(self._inside(target, below, above))
        return Limit(self.sign*math.inf, f"it was not reached in {self.maxiter} refits")

    def _at(self, distance: float) -> Limit:
        """Return the limit at a distance."""
        nearest = min(self.known, key=lambda known: abs(known.distance - distance))
        return Limit(self.origin + self.sign*min(distance, self.room), "", nearest.point if nearest.other else None)

    def further(self, level: float) -> list[tuple[float, float]]:
        """Return the ranges, (low, high), in which the profile lies below a level again, beyond its first crossing."""
        target, end = self.refit.root(level), None
        while sum((a.root < target) != (b.root < target) for a, b in zip(self.known, self.known[1:], strict=False)) % 2 == 0:
            end = self._settled(target, self.known[-1], None) if self._straight(self.known[-1]) else None
            if end is not None or len(self.known) > self.maxiter or (distance := self._outside(target, self.known[-1])) is None:
                break                                         # the crossing is next to the last point, or the last range has no end
            self.visit(distance)
        turns = [pair for pair in zip(self.known, self.known[1:], strict=False) if (pair[0].root < target) != (pair[1].root < target)]
        crossings = [self._cross(target, *pair) for pair in turns[1:]]       # the first is the limit
        if len(crossings) % 2:
            crossings.append(end or (math.inf if self.known[-1].distance < self.room else self.room))
        ranges = zip(crossings[::2], crossings[1::2], strict=True)
        ends = [(self.origin + self.sign*near, self.origin + self.sign*far) for near, far in ranges]
        return [(min(pair), max(pair)) for pair in ends]

    def reached(self, target: float) -> bool:
        """Return whether the points known tell where the profile's root reaches a target."""
        last = self.known[-1]
        return last.root >= target or (self._straight(last) and self._settled(target, last, None) is not None)

    def up_to(self, level: float) -> list[ProfilePoint]:
        """Return the profile's points from the minimum on, up to the first one above a level."""
        target, found = self.refit.root(level), []
        for known in self.known[1:]:
            found.append(known.point)
            if known.root >= target:
                break
        return found

    def _cross(self, target: float, inner: Known, outer: Known) -> float:
        """Return the distance at which the profile's root crosses a target, upward or downward, between two points."""
        for turn in range(self.maxiter):
            width = outer.distance - inner.distance
            share = (target - inner.root)/(outer.root - inner.root)
            if width <= CORRECTION*outer.distance:
                return inner.distance + share*width
            share = .5 if turn % 3 == 2 else min(max(share, .1), .9)
            found = self.visit(inner.distance + share*width)
            if found is None:
                break
            inner, outer = (found, outer) if (found.root < target) == (inner.root < target) else (inner, found)
        return .5*(inner.distance + outer.distance)

    def _bracket(self, target: float) -> tuple[Known, Known | None]:
        """Return the known points on either side of the first crossing."""
        above = next((known for known in self.known if known.root >= target), None)
        below = self.known[-1] if above is None else self.known[max(self.known.index(above) - 1, 0)]
        return below, above

    def _settled(self, target: float, below: Known, above: Known | None) -> float | None:
        """Return the crossing's distance where a Newton step from a point known already is short enough to be believed."""
        for known, other in ((below, above), (above, below)):
            if known is None or known.distance == 0 or known.slope <= 0:
                continue
            distance, unsure = self._foretold(target, known, None if other is None else [other])
            newton = (target - known.root)/known.slope
            short = abs(newton) <= CORRECTION*known.distance
            if short or (self._straight(known) and abs(newton) <= NEAR*known.distance and unsure <= FORESEEN*known.distance):
                distance = known.distance + newton if short else distance
                if above is None or below.distance <= distance <= above.distance:
                    return distance
        if above is not None and above.distance - below.distance <= CLOSE*above.distance:
            return above.distance                             # a jump: the profile steps over the level here
        return None

    def _inside(self, target: float, below: Known, above: Known) -> float:
        """Return the crossing's distance between two points, as both foretell it, held within."""
        (d0, z0, *_), (d1, z1, *_) = below, above
        dd = d1 - d0
        guess = self._foretold(target, above, [below])[0] if above.slope > 0 else math.nan
        if not d0 < guess < d1:
            guess = d0 + (target - z0)/(z1 - z0)*dd
        return min(max(guess, d0 + .02*dd), d1 - .02*dd)      # a share of the bracket is always gained

    def _foretold(self, target: float, known: Known, others: Sequence[Known] | None = None) -> tuple[float, float]:
        """Return the distance at which the root reaches a target, as known points foretell it, and the uncertainty of that.

        The others, if not given, are the two next ones inward and the nearest one of the opposite side. At the minimum no slope is used:
        the residual's second derivatives have a part in it that the Jacobian doesn't know.
        """
        if others is None:
            here = self.known.index(known)
            others = [*self.known[max(here - 2, 0):here][::-1], *self._across()]
        near: dict[float, Known] = {}
        for each in (known, *others):
            if each.other == known.other and (each.slope > 0 or not each.distance):
                near.setdefault(each.root, each)              # of points at the same height, as on a flat, the first counts
        return foretold(target, [Node(each.root, each.distance, 1/each.slope if each.distance else None) for each in near.values()])

    def _straight(self, known: Known) -> bool:
        """Return whether the profile is nearly straight up to a point: what lies next to it is foretold only then."""
        ratios = self.spread*known.slope, self.spread*known.root/known.distance if known.distance else 1.
        return all(abs(ratio - 1) <= BENT for ratio in ratios)

    def _across(self) -> list[Known]:
        """Return the nearest point of the opposite side, mirrored, if there is one."""
        near = [] if self.opposite is None else self.opposite.known[1:2]
        return [Known(-known.distance, -known.root, known.slope, known.point, known.other) for known in near if self._straight(known)]

    def _between(self) -> float | None:
        """Return a distance before the last point, if that came out lower than the one before: it may belong to another minimum."""
        if len(self.known) < 2:
            return None
        (d0, z0, *_), (d1, z1, *_) = self.known[-2:]
        return .5*(d0 + d1) if z1 < z0 and d1 - d0 > GAP*d1 else None

    def _outside(self, target: float, below: Known) -> float | None:
        """Return the next distance beyond all points known; None, with the reason kept, where there is no going on."""
        distance, root, slope, *_ = below
        step = (target - root)/slope if slope > 0 else math.inf
        ahead, unsure = self._foretold(target, below) if slope > 0 else (math.inf, math.inf)
        sure = self._straight(below) and unsure <= .5*step and ahead > distance
        if distance == 0:
            reach = min(ahead if sure else step, 10*self.scale) if math.isfinite(step) else self.scale
        else:
            # where Newton's step alone is known a little further, so that a bracket closes; at most three times as far as so far
            reach = distance + min(ahead - distance if sure else max(1.02*step, .05*distance), 2*distance)
        if math.isfinite(self.edge):
            if self.edge - distance <= 1e-3*distance:
                self._end = f"the model is not finite beyond {self.origin + self.sign*self.edge:.6g}"
                return None
            reach = min(reach, .5*(distance + self.edge))
        if reach >= self.room:
            if distance >= self.room:
                self._end = f"it would lie beyond the bound {self.bound:.6g}"
                return None
            return self.room
        if self._levelled(distance, root):
            return None
        return reach

    def _levelled(self, distance: float, root: float) -> bool:
        """Return whether the profile has stopped rising, keeping the reason."""
        half = [known for known in self.known if known.distance <= .5*distance]
        here = f"{self.origin + self.sign*distance:.6g}"
        if distance > 4*self.scale and half:
            doublings = math.log2(distance/max(half[-1].distance, .1*self.scale))
            if root - half[-1].root <= LEVEL*root*doublings:
                self._end = f"chi-square levels off at {self.refit.best.chi + self.refit.unit*root**2:.6g}, already at {here}"
        if distance > 1e9*max(self.scale, abs(self.origin)):
            self._end = f"not even at {here}"
        return bool(self._end)

    def visit(self, distance: float) -> Known | None:
        """Add the profile's point at a distance, and return it; None where the model isn't finite."""
        inner = [known for known in self.known if known.distance <= distance]
        starts = [inner[-1]]                                  # from within, so as to stay on the branch of the minimum
        if self.branched:
            starts += [known for known in self.known if known.distance > distance][:1]
        found = [(point, start.other) for start in starts if (point := self.refitted(start.point, distance)) is not None]
        if not found:
            self.edge = min(self.edge, distance)
            return None
        return self.add(distance, *min(found, key=lambda each: each[0].chi))

    def known_at(self, distance: float) -> Known | None:
        """Return the profile's point at a distance, if there is one."""
        return next((known for known in self.known if known.distance == distance), None)

    def refitted(self, start: ProfilePoint, distance: float) -> ProfilePoint | None:
        """Return the others' best from a start, with the parameter held at a distance."""
        return self.refit.at(start, (self.k,), np.array([self.value(distance)]), self._others(start, distance))

    def _others(self, start: ProfilePoint, distance: float) -> np.ndarray | None:
        """Return all parameters at a distance as the profile's points foretell them; None where a single point is near, or it is bent."""
        here = next((each for each in self.known if each.point is start), None)
        if here is None or here.distance == 0 or here.other or not self._straight(here):
            return None
        at = self.known.index(here)
        near = [each for each in (*self.known[max(at - 2, 0):at + 1][::-1], *self._across()) if not each.other]
        return np.array([foretold(distance, [Node(each.distance, float(each.point.x[j]), None) for each in near])[0]
                         for j in range(start.x.size)])

    def value(self, distance: float) -> float:
        """Return the parameter's value at a distance."""
        return self.bound if distance >= self.room else self.origin + self.sign*distance

    def add(self, distance: float, point: ProfilePoint, other: bool = False) -> Known:
        """Make a point one of the profile's, in place of any at the same distance."""
        self.points.append(point)
        new = Known(distance, self.refit.root(point.chi), self.sign*self.refit.slope(point, self.k), point, other)
        self.known = sorted([*(known for known in self.known if known.distance != distance), new], key=lambda known: known.distance)
        self.branched = self.branched or other
        return new


def both_sides(refit: ConstrainedRefit, k: int, maxiter: int) -> list[ProfileSide]:
    """Return the lower and the upper side of a parameter's profile."""
    lower, upper = (ProfileSide(refit, k, sign, maxiter) for sign in (-1, 1))
    lower.opposite, upper.opposite = upper, lower
    return [lower, upper]

