"""Start values of steps and rectangles whose sides are straight ramps.

Such a curve has kinks where its ramps begin and end, and as a kink crosses a point the slope of chi-square jumps: there is a minimum for
nearly every place of the kinks between the points, and derivatives see no further than the next one. So the kinks are looked for.

The shape is ``s = up - down``, of ramps ``r = min(1, max(0, (x - a)/(b - a)))``; ramps of one curve don't overlap, so that
``s.s = R(up) + R(down) - 2 S(down)`` with ``S = sum r``, ``R = sum r^2``. A step that rises has no second ramp, one that falls no first
one: it is at 1 from the beginning. At a given amplitude chi-square is a sum of one part for each ramp: the best pairs of points for its
ends are found one ramp after the other, for a few amplitudes. Then kinks leave the points: with three of the four held, chi-square is a
quotient of two quadratics between one point and the next, and its minimum there is known; each kink in turn goes to its best place among
the next `REACH` points to either side. The jumps lie along the axes (one kink on a point, the others free), so that this ends only where
no direction leads down.

Beside other columns, such as a background's, whose factors are free too, all is as before for what the columns leave of the data and of the
shape: with ``q`` of length 1 and at right angles to each other, ``s.s`` becomes ``s.s - sum (q.s)^2``, and each ``q.s`` is linear in ramps.
"""
from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from gslfit.records import Record

CHUNK = 400_000         # numbers of a temporary array
KNOTS = 100             # points that ramps may begin or end on, at first
FINE = 12               # half distances of knots up to which a ramp's width is taken between half points too
PICKS = 3               # pairs of ends tried for each ramp
AMPLITUDES = (0.95, 1.0, 1.05)
REACH = 4
JUMP = 3
ROUNDS = (1, 2, 6)     # of moves, for all candidates, the better half of them, and the best
NARROWEST = 1e-3        # a ramp's width by the points' distance
BESIDE = 1e-7           # of n, the least s.s beside other columns
OUTSIDE = 3.0           # how far from the data a kink may lie, in ranges

Shapes = dict[str, np.ndarray]


class Sums(Record):
    """Running sums over points, each with a leading 0: of 1, x and x^2, shape (n + 1), of y and x y, shape (fits, n + 1), and of the other
    columns q and x q, shape (m, fits, n + 1).
    """

    x: np.ndarray
    one: np.ndarray
    first: np.ndarray
    second: np.ndarray
    y: np.ndarray
    xy: np.ndarray
    q: np.ndarray
    xq: np.ndarray

    @classmethod
    def of(cls, x: np.ndarray, y: np.ndarray, q: np.ndarray) -> Sums:
        """Return the sums of curves (fits, n) at points (n), and of other columns (m, fits, n)."""
        def running(values: np.ndarray) -> np.ndarray:
            return np.concatenate([np.zeros((*values.shape[:-1], 1)), np.cumsum(values, axis=-1)], axis=-1)
        return cls(x, running(np.ones(len(x))), running(x), running(x*x), running(y), running(x*y), running(q), running(x*q))

    @property
    def least(self) -> float:
        """The least s.s of a shape that can be told from the other columns."""
        return BESIDE*self.one[-1] if len(self.q) else 1e-9


def totals(sums: Sums, a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return r.y, sum r and r.r of ramps from a to b, an array (fits) each, and r.q, shape (m, fits)."""
    i, j = np.searchsorted(sums.x, a), np.searchsorted(sums.x, b)
    t = 1/(b - a)
    rows = np.arange(len(sums.y))

    def between(running: np.ndarray) -> np.ndarray:
        return running[j] - running[i] if running.ndim == 1 else running[..., rows, j] - running[..., rows, i]
    one, first, second = between(sums.one), between(sums.first), between(sums.second)
    above = sums.one[-1] - sums.one[j]
    products = t*(between(sums.xy) - a*between(sums.y)) + sums.y[:, -1] - sums.y[rows, j]
    across = t*(between(sums.xq) - a*between(sums.q)) + sums.q[..., -1] - sums.q[:, rows, j]
    return products, t*(first - a*one) + above, t*t*(second - 2*a*first + a*a*one) + above, across


def moved(sums: Sums, place: np.ndarray, held: np.ndarray, other: np.ndarray, begins: bool, down: bool, low: np.ndarray,
          high: np.ndarray) -> np.ndarray:
    """Return the best place of one kink, an array (fits).

    Parameters
    ----------
    sums : Sums
    place, held : ndarray, shape (fits)
        Where it is, and the other end of its ramp.
    other : ndarray, shape (2 + m, fits)
        The parts of s.y, s.s and s.q that don't depend on this ramp.
    begins : bool
        Whether the kink is where its ramp begins.
    down : bool
        Whether its ramp is the second.
    low, high : ndarray, shape (fits)
        Between which it may lie.
    """
    n, at, rows = len(sums.x), np.searchsorted(sums.x, held)[:, None], np.arange(len(held))[:, None]
    cells = np.searchsorted(sums.x, place)[:, None] + np.arange(-REACH, REACH + 1)      # so many points are before it
    inside = (cells >= 0) & (cells <= n)
    cells = np.clip(cells, 0, n)
    first, last = (cells, at) if begins else (at, cells)

    def between(running: np.ndarray) -> np.ndarray:
        return running[last] - running[first] if running.ndim == 1 else running[..., rows, last] - running[..., rows, first]
    one, x1, x2, y, xy = (between(each) for each in (sums.one, sums.first, sums.second, sums.y, sums.xy))
    end = held[:, None]
    # on the ramp r is 1 - t h, h = b - x, where its beginning moves, and t h, h = x - a, where its end does
    slope, h1, h2 = xy - end*y, x1 - end*one, x2 - 2*end*x1 + end*end*one
    above = n - (first if begins else last)
    level = sums.y[:, -1:] - sums.y[rows, first if begins else last]
    sign = -1.0 if down else 1.0
    u, v = other[0][:, None] + sign*level, sign*slope
    p, q = other[1][:, None] + above, 2*h1 if begins else 0*h1
    if down:
        p, q = p - 2*above, q - 2*h1
    if len(sums.q):
        level = other[2:, :, None] + sign*(sums.q[..., -1:] - sums.q[:, rows, first if begins else last])
        slope = sign*(between(sums.xq) - end*between(sums.q))
        p, q, h2 = p - np.sum(level*level, axis=0), q - 2*np.sum(level*slope, axis=0), h2 - np.sum(slope*slope, axis=0)
    edges = np.concatenate([[-np.inf], sums.x, [np.inf]])
    near, far = (np.clip(edge, low[:, None], high[:, None]) for edge in (edges[cells], edges[cells + 1]))
    inside &= near < far
    gain, chosen = np.full(len(held), -np.inf), place
    with np.errstate(all="ignore"):
        best = (u*q - 2*v*p)/(v*q - 2*u*h2)      # where (u + v t)^2/(p + q t + h2 t^2) is highest
        free = end - 1/best if begins else end + 1/best
        free = np.where((best > 0) & (free > near) & (free < far), free, far)
        for trial in (free, near):
            t = 1/np.abs(end - trial)
            own = p + q*t + h2*t*t
            found = np.where(inside & (own > sums.least), (u + v*t)**2/own, -np.inf)
            index = np.argmax(found, axis=1)[:, None]
            value = np.take_along_axis(found, index, 1)[:, 0]
            chosen = np.where(value > gain, np.take_along_axis(trial, index, 1)[:, 0], chosen)
            gain = np.maximum(value, gain)
    return chosen


def jumped(sums: Sums, ramp: np.ndarray, other: np.ndarray, down: bool, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Return both ends of a ramp, moved where another line through other points is better: ndarray (2, fits).

    With the points on the ramp given, ``A s`` is any straight line there, and the amplitude is what the other points say: all is linear,
    and right if the line then has its ends where it should. Tried for all ends up to `JUMP` points away.

    Parameters
    ----------
    sums : Sums
    ramp : ndarray, shape (2, fits)
        Where it begins and ends.
    other, down, low, high
        As for `moved`.
    """
    n, rows = len(sums.x), np.arange(ramp.shape[1])[:, None]
    away = np.arange(-JUMP, JUMP + 1)
    i = np.searchsorted(sums.x, ramp[0])[:, None] + np.repeat(away, len(away))
    j = np.searchsorted(sums.x, ramp[1])[:, None] + np.tile(away, len(away))
    inside = (i >= 0) & (j <= n) & (j - i >= 2)
    i, j = np.clip(i, 0, n), np.clip(j, 0, n)

    def between(running: np.ndarray) -> np.ndarray:
        return running[j] - running[i] if running.ndim == 1 else running[..., rows, j] - running[..., rows, i]
    one, x1, x2, y, xy = (between(each) for each in (sums.one, sums.first, sums.second, sums.y, sums.xy))
    rest = i if down else j
    sign = -1.0 if down else 1.0
    u = other[0][:, None] + sign*(sums.y[:, -1:] - sums.y[rows, rest])
    own = other[1][:, None] + sign*(n - rest)
    mixed1 = mixed2 = np.zeros(())      # what s has in common with the line's two columns
    if len(sums.q):
        flat, steep = between(sums.q), between(sums.xq)
        across = other[2:, :, None] + sign*(sums.q[..., -1:] - sums.q[:, rows, rest])
        own, mixed1, mixed2 = own - np.sum(across*across, axis=0), -np.sum(across*flat, axis=0), -np.sum(across*steep, axis=0)
        one, x1, x2 = one - np.sum(flat*flat, axis=0), x1 - np.sum(flat*steep, axis=0), x2 - np.sum(steep*steep, axis=0)
    edges = np.concatenate([[-np.inf], sums.x, [np.inf]])
    with np.errstate(all="ignore"):
        determinant = one*x2 - x1*x1

        def line(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            steepness = (one*second - x1*first)/determinant
            return (first - steepness*x1)/one, steepness
        alpha, beta = line(mixed1, mixed2)
        own, u = own - alpha*mixed1 - beta*mixed2, u - alpha*y - beta*xy
        amplitude = u/own
        alpha, beta = line(y - amplitude*mixed1, xy - amplitude*mixed2)
        whole = line(y, xy) if len(sums.q) else (alpha, beta)
        zero, top = -alpha/beta, (amplitude - alpha)/beta
        begin, end = (top, zero) if down else (zero, top)
        inside &= (own > sums.least) & (begin > edges[i]) & (begin <= edges[i + 1]) & (end > edges[j]) & (end <= edges[j + 1])
        inside &= (begin >= low[:, None]) & (end <= high[:, None])
        gain = np.where(inside, u*u/own + whole[0]*y + whole[1]*xy, -np.inf)
        products, total, squares, across = totals(sums, *ramp)
        across = other[2:] + sign*across
        now = (other[0] + sign*products)**2/(other[1] + squares - (2*total if down else 0) - np.sum(across*across, axis=0))
    index = np.argmax(gain, axis=1)[:, None]
    better = np.take_along_axis(gain, index, 1)[:, 0] > now
    return np.where(better, [np.take_along_axis(each, index, 1)[:, 0] for each in (begin, end)], ramp)


class Ramps:
    """The kinks of curves, as they are moved.

    Parameters
    ----------
    sums : Sums
    kinks : ndarray, shape (4, fits)
        Where the first ramp begins and ends, and the second.
    up, down : bool
        Which ramps there are.
    """

    def __init__(self, sums: Sums, kinks: np.ndarray, up: bool, down: bool):
        self.sums, self.kinks, self.up, self.down = sums, kinks.copy(), up, down
        x = sums.x
        span = x[-1] - x[0]
        self.least = NARROWEST*span/max(len(x) - 1, 1)
        self.ends = np.full(kinks.shape[1], x[0] - OUTSIDE*span), np.full(kinks.shape[1], x[-1] + OUTSIDE*span)

    def parts(self, which: int) -> np.ndarray:
        """Return the parts of s.y, s.s and s.q of one ramp; what is always 1 where the first is missing."""
        if which == 0 and not self.up:
            return np.array([self.sums.y[:, -1], np.full(len(self.sums.y), self.sums.one[-1]), *self.sums.q[..., -1]])
        if which == 1 and not self.down:
            return np.zeros((2 + len(self.sums.q), len(self.sums.y)))
        products, total, squares, across = totals(self.sums, *self.kinks[2*which:2*which + 2])
        return np.array([-products, squares - 2*total, *-across] if which else [products, squares, *across])

    def move(self) -> None:
        """Move each kink once to its best place."""
        low, high = self.ends
        a, b, c, d = self.kinks
        if self.up:
            other, limit = self.parts(1), c if self.down else high
            b[:] = moved(self.sums, b, a, other, False, False, a + self.least, np.maximum(limit, a + 2*self.least))
            a[:] = moved(self.sums, a, b, other, True, False, low, b - self.least)
        if self.down:
            other, limit = self.parts(0), b if self.up else low
            c[:] = moved(self.sums, c, d, other, True, True, np.minimum(limit, d - 2*self.least), d - self.least)
            d[:] = moved(self.sums, d, c, other, False, True, c + self.least, high)

    def jump(self) -> None:
        """Move both ends of each ramp at once."""
        low, high = self.ends
        if self.up:
            self.kinks[:2] = jumped(self.sums, self.kinks[:2], self.parts(1), False, low, self.kinks[2] if self.down else high)
        if self.down:
            self.kinks[2:] = jumped(self.sums, self.kinks[2:], self.parts(0), True, self.kinks[1] if self.up else low, high)

    def gain(self) -> tuple[np.ndarray, np.ndarray]:
        """Return what the shapes take off chi-square, and their amplitudes."""
        along, own, *across = self.parts(0) + self.parts(1)
        own = own - sum((each*each for each in across), start=np.zeros(()))
        along, own = np.where(own > self.sums.least, along, 0.0), np.maximum(own, self.sums.least)
        return along*along/own, along/own


def rested(kinks: np.ndarray, x: np.ndarray, y: np.ndarray, up: bool, down: bool,
           beside: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Move candidates' kinks until they rest.

    Parameters
    ----------
    kinks : ndarray, shape (candidates, 4, fits)
    x : ndarray, shape (n)
    y : ndarray, shape (fits, n)
        What other columns leave of it.
    up, down : bool
    beside : ndarray, shape (m, fits, n), optional
        These other columns, of length 1 and at right angles to each other.

    Returns
    -------
    kinks : ndarray, shape (4, fits)
        Of the best candidate of each curve.
    gain, amplitude : ndarray, shape (fits)
    """
    fits = len(y)
    beside = np.zeros((0, fits, len(x))) if beside is None else beside
    for rounds in ROUNDS:
        count = len(kinks)
        sums = Sums.of(x, np.tile(y, (count, 1)), np.tile(beside, (1, count, 1)))
        ramps = Ramps(sums, np.moveaxis(kinks, 0, 1).reshape(4, -1), up, down)
        for _ in range(rounds):
            ramps.move()
        ramps.jump()
        ramps.move()
        gain, amplitude = (each.reshape(count, fits) for each in ramps.gain())
        order = np.argsort(-gain, axis=0)[:1 if rounds == ROUNDS[-2] else (count + 1)//2]
        kinks = np.take_along_axis(np.moveaxis(ramps.kinks.reshape(4, count, fits), 1, 0), order[:, None], axis=0)
    for which in (0, 2)[0 if up else 1:2 if down else 1]:
        kinks[0, which:which + 2] = amid(x, *kinks[0, which:which + 2])
    return kinks[0], np.take_along_axis(gain, order, 0)[0], np.take_along_axis(amplitude, order, 0)[0]


def amid(x: np.ndarray, begin: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Return the ends of ramps, (2, fits), away from points where no point is on the ramp, or one: other ramps are as good there.

    Beside a point a fit would find chi-square's slope on the point's other side.
    """
    n = len(x)
    first, last = np.searchsorted(x, begin, side="right"), np.searchsorted(x, end, side="left")      # the points on it
    none, one = (last == first) & (first > 0) & (last < n), (last == first + 1) & (first > 0) & (last < n)
    low, here, high = x[np.maximum(first - 1, 0)], x[np.minimum(first, n - 1)], x[np.minimum(last, n - 1)]
    with np.errstate(all="ignore"):
        share = (here - begin)/(end - begin)
        width = 0.5*np.fmin((here - low)/share, (high - here)/(1 - share))
    between = np.array([0.75*low + 0.25*high, 0.25*low + 0.75*high])
    return np.where(none, between, np.where(one, [here - share*width, here + (1 - share)*width], [begin, end]))


class Pairs(Record):
    """Ramps between points: where they begin and end (g), the ramps (g, n), S and R (g), and what is near."""

    begin: np.ndarray
    end: np.ndarray
    ramps: np.ndarray
    total: np.ndarray
    squares: np.ndarray
    near: float

    @classmethod
    def of(cls, x: np.ndarray) -> Pairs:
        """Return the ramps between some of the points."""
        knots = np.unique(x[np.linspace(0, len(x) - 1, min(len(x), KNOTS)).astype(int)])
        fine = np.interp(np.arange(0, len(knots) - 0.75, 0.5), np.arange(len(knots)), knots)
        i, j = np.triu_indices(len(fine), 1)
        kept = (j - i <= FINE) | ((i % 2 == 0) & (j % 2 == 0))
        begin, end = fine[i[kept]], fine[j[kept]]
        ramps = np.clip((x - begin[:, None])/(end - begin)[:, None], 0, 1)
        return cls(begin, end, ramps, ramps.sum(axis=1), np.square(ramps).sum(axis=1), 1.01*np.median(np.diff(fine)))

    def lowest(self, score: np.ndarray, count: int) -> list[np.ndarray]:
        """Return the ramps of the lowest scores (fits, g), none of them next to another: a list of indices (fits)."""
        found = [score.argmin(axis=1)]
        while len(found) < count:
            last = found[-1][:, None]
            near = (np.abs(self.begin - self.begin[last]) < self.near) & (np.abs(self.end - self.end[last]) < self.near)
            score = np.where(near, np.inf, score)
            found.append(score.argmin(axis=1))
        return found


def _chunks(curves: Any, size: int) -> Iterator[np.ndarray]:
    size = max(1, CHUNK//size)
    return (curves.y[low:low + size] for low in range(0, len(curves.y), size))


def settle_step(_: Sequence[Shapes], curves: Any) -> Shapes:
    """Return the start of a straight step: `center` and `sigma`, the width of its ramp, below 0 where it falls."""
    pairs = Pairs.of(curves.x)
    n, found = len(curves.x), []
    for y in _chunks(curves, len(pairs.begin)):
        products, whole = y @ pairs.ramps.T, y.sum(axis=1, keepdims=True)
        sides = []
        for down, gains in ((False, products**2/np.maximum(pairs.squares, 1e-9)),
                            (True, (whole - products)**2/np.maximum(n - 2*pairs.total + pairs.squares, 1e-9))):
            chosen = np.array(pairs.lowest(-gains, PICKS))
            ends = pairs.begin[chosen], pairs.end[chosen]
            sides.append(rested(np.stack([*ends, *ends], axis=1), curves.x, y, not down, down))
        rises = sides[0][1] >= sides[1][1]
        begin, end = np.where(rises, sides[0][0][:2], sides[1][0][2:])
        found.append([0.5*(begin + end), np.where(rises, 1, -1)*(end - begin), np.where(rises, sides[0][2], sides[1][2])])
    return dict(zip(("center", "sigma", "amplitude"), np.concatenate(found, axis=1), strict=True))


def settle_rectangle(candidates: Sequence[Shapes], curves: Any) -> Shapes:
    """Return the start of a straight rectangle: `center1`, `sigma1`, `center2` and `sigma2`, half the widths of its ramps."""
    pairs, found, low = Pairs.of(curves.x), [], 0
    for y in _chunks(curves, len(pairs.begin)):
        here = slice(low, low := low + len(y))
        first = {name: value[here] for name, value in candidates[0].items()}
        middle = 0.5*(first["center1"] + first["center2"])[:, None]
        products, left, right = y @ pairs.ramps.T, pairs.end[None] <= middle, pairs.begin[None] >= middle
        chosen = []
        for share in AMPLITUDES:
            amplitude = share*first["amplitude"][:, None]
            size, signed = np.abs(amplitude), 2*np.sign(amplitude)*products
            up = pairs.lowest(np.where(left, size*pairs.squares - signed, np.inf), PICKS if share == 1 else 1)
            down = pairs.lowest(np.where(right, size*(pairs.squares - 2*pairs.total) + signed, np.inf), PICKS if share == 1 else 1)
            chosen += [(each, down[0]) for each in up] + [(up[0], each) for each in down[1:]]
        kinks = [[pairs.begin[up], pairs.end[up], pairs.begin[down], pairs.end[down]] for up, down in chosen]
        (a, b, c, d), _, amplitude = rested(np.array(kinks), curves.x, y, True, True)
        found.append([0.5*(a + b), 0.5*(b - a), 0.5*(c + d), 0.5*(d - c), amplitude])
    return dict(zip(("center1", "sigma1", "center2", "sigma2", "amplitude"), np.concatenate(found, axis=1), strict=True))
