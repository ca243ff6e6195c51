"""The transforms that keep a parameter within its bounds while the solver moves freely.

MINUIT's transforms (F. James, M. Roos, Computer Physics Communications 10 (1975) 343), written so that no digit is lost. With both bounds,
MINUIT's ``min + (sin v + 1)(max - min)/2`` is, with ``v = u - pi/2``,

    x = near + (far - near) sin(u/2)^2,

where `near` is the bound of smaller magnitude: near it, where a parameter may be tiny against the width, u holds all its digits. With one
bound, MINUIT's ``min - 1 + sqrt(v^2 + 1)`` takes a size of 1 for granted, and a parameter of 1e-20 vanishes in it. Here

    x = near + size*(sqrt(v^2 + 1) - 1) = near + size*v^2/(sqrt(v^2 + 1) + 1),

with `size` the distance of the start from the bound, negative for an upper bound: the same curve at every scale.

On a bound the slope of either is 0, and a solver that starts there stays there. A start on a bound is stepped inside by `INSIDE` of the
bound's magnitude (of 1, where the bound is 0; of the width, if that is smaller), and so is one within `NEAR` of a bound that isn't 0.
"""
import math
from typing import NamedTuple

FREE, ONE, TWO = 0, 1, 2
INSIDE = 0.01
NEAR = 1e-9


class Bound(NamedTuple):
    """One parameter's transform: `kind`, the bound `near`, the signed `size` or width, and the bound `far`."""

    kind: int = FREE
    near: float = 0.
    size: float = 1.
    far: float = 0.

    def external(self, v: float) -> float:
        """Return the parameter's value for an internal one."""
        if self.kind == FREE:
            return v
        return one_bound(v, self.near, self.size) if self.kind == ONE else two_bounds(v, self.near, self.size, self.far)

    def internal(self, value: float) -> float:
        """Return the internal value for a parameter's value within the bounds."""
        if self.kind == FREE:
            return value
        distance = (value - self.near)/self.size
        if self.kind == ONE:
            return math.sqrt(distance)*math.sqrt(distance + 2)
        if distance <= .5:                                    # a quotient of roots: 1e-200 below a bound of 1e300 is not 0
            return 2*math.asin(math.sqrt(abs(value - self.near))/math.sqrt(abs(self.size)))
        return math.pi - 2*math.asin(math.sqrt(abs(self.far - value))/math.sqrt(abs(self.size)))

    def slope(self, v: float) -> float:
        """Return the derivative of the parameter by the internal value."""
        if self.kind == FREE:
            return 1.
        return self.size*(v/math.hypot(v, 1)) if self.kind == ONE else .5*self.size*math.sin(v)


def one_bound(v: float, near: float, size: float) -> float:
    """Return the value that `v` stands for with one bound."""
    return near + size*v*(v/(math.hypot(v, 1) + 1))


def two_bounds(v: float, near: float, width: float, far: float) -> float:
    """Return the value that `v` stands for between two bounds."""
    # beyond the middle count from the far bound: the value can't pass it by a rounding error, and keeps its digits there
    if math.cos(v) >= 0:
        s = math.sin(.5*v)
        return near + s*(width*s)
    c = math.cos(.5*v)
    return far - c*(width*c)


def stepped_inside(value: float, low: float | None, high: float | None) -> float:
    """Return a start, moved inside where it lies on a bound or next to it."""
    for bound, other, sign in ((low, high, 1.), (high, low, -1.)):
        if bound is None:
            continue
        if abs(value - bound) <= NEAR*abs(bound):
            step = INSIDE*(abs(bound) or 1.)
            return bound + sign*(step if other is None else min(step, INSIDE*abs(other - bound)))
    return value


def bound(start: float, low: float | None, high: float | None) -> Bound:
    """Return the transform for a start that lies inside its bounds (None for no bound)."""
    if low is None and high is None:
        return Bound()
    if low is None or high is None:
        near = high if low is None else low
        return Bound(ONE, near, start - near)                 # type: ignore[arg-type, operator]
    near, far = (low, high) if abs(low) <= abs(high) else (high, low)
    if math.isinf(far - near):                                # wider than a float can say: no value can reach these bounds
        return Bound()
    return Bound(TWO, near, far - near, far)
