"""Profiles of chi-square: one parameter held, the others at their best, and where the profile crosses given levels.

Near the minimum the square root of ``chi2/chi2_0 - 1`` is a straight line in the parameter held (D. M. Bates, D. G. Watts, Nonlinear
Regression Analysis and Its Applications, 1988, chapter 6). So a crossing is looked for in that root,
    from the slopes that the Jacobians give:
one or two refits a limit.
"""
import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from gslfit.confidence.constrained_refit import ConstrainedRefit, ProfilePoint

CORRECTION = 1e-3         # of a limit's distance: a last Newton step below this is not checked by another refit
GAP = .05                 # a profile that falls is followed more closely, until its points are this near to each other
LEVEL = 1e-3              # relative growth of the root of chi-square, as the distance doubles, below which a profile has levelled off


class Limit(NamedTuple):
    """A crossing of a profile: the parameter's value, infinite where there is none, and why."""

    value: float
    note: str = ""


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
    """

    def __init__(self, refit: ConstrainedRefit, k: int, sign: int, maxiter: int = 200) -> None:
        self.refit, self.k, self.sign, self.maxiter = refit, k, sign, maxiter
        self.origin = float(refit.best.x[k])
        self.bound = float(refit.upper[k] if sign > 0 else refit.lower[k])
        self.room = abs(self.bound - self.origin)
        self.points = [refit.best]
        spread = refit.spread(k)
        # a parameter without effect has no scale but its own size
        self.scale = spread if 0 < spread < math.inf else abs(self.origin) or 1.
        self._known: list[tuple[float, float, float, ProfilePoint]] = [(0., 0., 1/spread if spread else math.inf, refit.best)]
        # distance, root, slope, point
        self._edge = math.inf                                 # from here on the model isn't finite
        self._end = ""                                        # why there is no going further

    def limits(self, levels: list[float]) -> Iterator[Limit]:
        """Yield where the profile crosses each level of chi-square; levels are to rise."""
        for level in levels:
            yield self._limit(self.refit.root(level))

    def _limit(self, target: float) -> Limit:
        """Return where the profile's root crosses a target."""
        if target <= 0:
            return Limit(self.origin)
        for turn in range(self.maxiter):
            below, above = self._bracket(target)
            if above is None and self._end:
                return Limit(self.sign*math.inf, self._end)
            found = self._settled(target, below, above)
            if found is not None:
                return Limit(self.origin + self.sign*min(found, self.room))
            if above is None:
                distance = self._between() or self._outside(target, below)
            else:                                             # at a jump the interpolation creeps; halving doesn't
                distance = .5*(below[0] + above[0]) if turn % 3 == 2 else self._inside(target, below, above)
            if distance is not None:
                self._visit(distance)
        below, above = self._bracket(target)
        if above is not None:
            return Limit(self.origin + self.sign*self._inside(target, below, above))
        return Limit(self.sign*math.inf, f"it was not reached in {self.maxiter} refits")

    def _bracket(self, target: float) -> tuple[tuple, tuple | None]:
        """Return the known points on either side of a crossing."""
        above = next((known for known in self._known if known[1] >= target), None)
        below = self._known[-1] if above is None else self._known[max(self._known.index(above) - 1, 0)]
        return below, above

    def _settled(self, target: float, below: tuple, above: tuple | None) -> float | None:
        """Return the crossing's distance where a Newton step from a point known already is short enough to be believed."""
        for distance, root, slope, _ in (point for point in (below, above) if point is not None and point[0] > 0):
            if slope > 0:
                step = (target - root)/slope
                if abs(step) <= CORRECTION*distance and (above is None or below[0] <= distance + step <= above[0]):
                    return distance + step
        if above is not None and above[0] - below[0] <= 1e-6*above[0]:
            return above[0]                                   # a jump: the profile steps over the level here
        return None

    @staticmethod
    def _inside(target: float, below: tuple, above: tuple) -> float:
        """Return the crossing's distance between two points: cubic in the root through both values and slopes, held within."""
        (d0, z0, s0, _), (d1, z1, s1, _) = below, above
        u, dz, dd = (target - z0)/(z1 - z0), z1 - z0, d1 - d0
        guess = d0 + u*dd
        if s0 > 0 and s1 > 0:
            m0, m1 = dz/s0, dz/s1
            cubic = d0 + m0*u + (3*dd - 2*m0 - m1)*u**2 + (m0 + m1 - 2*dd)*u**3
            if d0 < cubic < d1:
                guess = cubic
        return min(max(guess, d0 + .02*dd), d1 - .02*dd)      # a share of the bracket is always gained

    def _between(self) -> float | None:
        """Return a distance before the last point, if that came out lower than the one before: it may belong to another minimum."""
        if len(self._known) < 2:
            return None
        (d0, z0, *_), (d1, z1, *_) = self._known[-2:]
        return .5*(d0 + d1) if z1 < z0 and d1 - d0 > GAP*d1 else None

    def _outside(self, target: float, below: tuple) -> float | None:
        """Return the next distance beyond all points known; None, with the reason kept, where there is no going on."""
        distance, root, slope, _ = below
        step = (target - root)/slope if slope > 0 else math.inf
        if distance == 0:
            reach = min(step, 10*self.scale) if math.isfinite(step) else self.scale
        else:
            # at least a little further than Newton's step, so that a bracket closes; at most three times as far as so far
            reach = distance + min(max(1.02*step, .05*distance), 2*distance)
        if math.isfinite(self._edge):
            if self._edge - distance <= 1e-3*distance:
                self._end = f"the model is not finite beyond {self.origin + self.sign*self._edge:.6g}"
                return None
            reach = min(reach, .5*(distance + self._edge))
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
        half = [known for known in self._known if known[0] <= .5*distance]
        here = f"{self.origin + self.sign*distance:.6g}"
        if distance > 4*self.scale and half:
            doublings = math.log2(distance/max(half[-1][0], .1*self.scale))
            if root - half[-1][1] <= LEVEL*root*doublings:
                self._end = f"chi-square levels off at {self.refit.best.chi*(1 + root**2):.6g}, already at {here}"
        if distance > 1e9*max(self.scale, abs(self.origin)):
            self._end = f"not even at {here}"
        return bool(self._end)

    def _visit(self, distance: float) -> None:
        """Add the profile's point at a distance."""
        value = self.bound if distance >= self.room else self.origin + self.sign*distance
        inner = [known for known in self._known if known[0] <= distance]
        near = inner[-1][3]                                   # from within, so as to stay with this minimum
        point = self.refit.at(near, (self.k,), np.array([value]))
        if point is None:
            self._edge = min(self._edge, distance)
            return
        self.points.append(point)
        self._known.append((distance, self.refit.root(point.chi), self.sign*self.refit.slope(point, self.k), point))
        self._known.sort(key=lambda known: known[0])
