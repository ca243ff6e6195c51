"""Variable projection for sums of decays: chi-square as a function of the decay times alone, and the way down from many starts at once.

The model is ``offset + sum_j h_j G(x; tau_j)``, where G is ``exp(-x/tau)``, or that from `t0` on, folded with a Gaussian of width `s`:

    G = exp(rho^2/2 - rho w) erfc((rho - w)/sqrt 2)/2,   w = (x - t0)/s,   rho = s/tau.

For given times (and `t0` and `s`, the edge) the best heights and offset are a linear solve, so that chi-square depends on the rest only;
its derivatives by that are those of Kaufman (BIT 15 (1975) 49). What makes the full problem hard are its limits: a time so short that its
decay is a pulse, or so long that it is a step; two times that become one, with heights that grow against each other; there chi-square
falls for ever along valleys of heights and times. In terms of what the columns *span* they are ordinary places: chi-square is smooth in
``q = tau/(tau + c)`` from 0 to 1 and beyond, where decays become growth, and in the mean and the squared half distance of two times down
to where they meet. So times are moved in these, between limits so near 0, 1 and each other that the rest is below a millionth of
chi-square, and no step is asked for heights. (Without an edge ``h/(exp(h/tau) - 1)`` stands for tau in q, h being the points' distance: so
q is smooth for a spike at the first point too.)
"""
from __future__ import annotations

from typing import Any

import numpy as np

from gslfit.records import Record

ROOT_HALF = 0.7071067811865476
GAUSS = 0.3989422804014327      # 1/sqrt(2 pi)
SHORTEST = 1e-4                 # a time by the edge's width: a pulse
SPIKE = 1e-6                    # what stands for a time without an edge, by the points' distance
UNSEEN = 750.0                  # of a time, at which exp is 0
FAINT, STEADY = 1e-10, 1e170    # a pulse's time by the edge's width, a step's by the range: what they are is not seen any more
LONGEST = 1e5                   # by the range: a step
APART = 1e-3                    # how near two times come, relatively
FIRM = 1e-18                    # the square of a column that says nothing, by the square of the data
ENOUGH = 1e-9                   # what chi-square may still fall by, relatively
LEAP = 0.3                      # a time by the edge's width from which it may be a pulse just as well
PAIRED = 1.0                    # distance of two times, relatively, below which they are moved as mean and half distance
LEAST_WIDTH, MOST_WIDTH = 0.02, 1.0      # of an edge: by the points' distance, by the range


class Places(Record):
    """Where fits stand: edge (rows, 2) as `t0` and `s`, or (rows, 0) without one; tau (rows, k)."""

    edge: np.ndarray
    tau: np.ndarray

    def at(self, rows: np.ndarray) -> Places:
        """Return some of them, by index."""
        return Places(self.edge[rows], self.tau[rows])


class Found(Record):
    """What is best at places: chi-square (rows), heights (rows, k), offset (rows), residual (rows, n), and the residual's derivatives with
    their sign turned, by t0/s, log s and each log tau, (rows, m, n)."""

    chisqr: np.ndarray
    heights: np.ndarray
    offset: np.ndarray
    residual: np.ndarray
    slopes: np.ndarray


def columns(x: np.ndarray, places: Places) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
    """Return G, ndarray (rows, k, n), and what its derivatives are made of.

    Parameters
    ----------
    x : ndarray, shape (n)
        From 0, where there is no edge.
    places : Places
    """
    edge, tau = places
    if not edge.shape[1]:
        t = x/tau[:, :, None]
        return np.exp(-t), (t,)
    from scipy.special import erfcx
    w = (x - edge[:, :1])/edge[:, 1:]
    fast = np.exp(-0.5*w*w)
    rho = (edge[:, 1:]/tau)[:, :, None]
    ahead = rho - w[:, None]
    tail = erfcx(np.abs(ROOT_HALF*ahead))
    tail *= 0.5*fast[:, None]
    behind = ahead < 0
    slow = np.exp(np.clip(rho*(0.5*rho - w[:, None]), -600, 0))     # of use where erfc is near 2
    return np.where(behind, slow - tail, tail), (w, GAUSS*fast, rho, ahead)


def slopes(given: tuple[np.ndarray, ...], shares: np.ndarray, heights: np.ndarray) -> np.ndarray:
    """Return the model's derivatives by t0/s, log s and each log tau, (rows, m, n), from what `columns` returned and heights times G."""
    if len(given) == 1:
        return given[0]*shares
    w, gauss, rho, ahead = given
    factors = rho[:, :, 0]
    total = heights.sum(axis=1)[:, None]
    found = np.empty((len(w), 2 + heights.shape[1], w.shape[1]))
    found[:, 0] = np.matmul(factors[:, None], shares)[:, 0] - total*gauss
    found[:, 1] = np.matmul((factors**2)[:, None], shares)[:, 0] - gauss*((heights*factors).sum(axis=1)[:, None] + total*w)
    found[:, 2:] = (heights[:, :, None]*gauss[:, None] - ahead*shares)*rho
    return found


def project(x: np.ndarray, y: np.ndarray, places: Places, known: np.ndarray | None = None) -> Found:
    """Return the best heights at places and what goes with them, for curves (rows, n), of whose points only some may be known."""
    shapes, given = columns(x, places)
    rows, k, n = shapes.shape
    if known is not None:
        y, shapes = y*known, shapes*known[:, None]
    size = np.sqrt(np.einsum("bkn,bkn->bk", shapes, shapes)) + 1e-300
    unit, triangle = np.empty((rows, k + 1, n)), np.zeros((rows, k + 1, k + 1))
    count = n if known is None else np.maximum(known.sum(axis=1), 1)
    triangle[:, 0, 0] = np.sqrt(count)
    unit[:, 0] = n**-0.5 if known is None else known/triangle[:, :1, 0]
    for j in range(1, k + 1):       # Gram and Schmidt, twice: times are near each other
        own, before = (shapes[:, j - 1]/size[:, j - 1, None])[:, None], unit[:, :j]
        for _ in range(2):
            along = np.matmul(own, before.transpose(0, 2, 1))
            own = own - np.matmul(along, before)
            triangle[:, :j, j] += along[:, 0]
        length = np.sqrt(np.einsum("bn,bn->b", own[:, 0], own[:, 0])) + 1e-14
        triangle[:, j, j] = length
        unit[:, j] = own[:, 0]/length[:, None]
    along = np.matmul(unit, y[:, :, None])[:, :, 0]
    residual = y - np.matmul(along[:, None], unit)[:, 0]
    best = np.empty_like(along)
    for i in reversed(range(k + 1)):
        best[:, i] = (along[:, i] - np.einsum("bj,bj->b", triangle[:, i, i + 1:], best[:, i + 1:]))/triangle[:, i, i]
    heights = best[:, 1:]/size
    found = slopes(given, heights[:, :, None]*shapes, heights)
    if known is not None:
        found *= known[:, None]
    found -= np.matmul(np.matmul(found, unit.transpose(0, 2, 1)), unit)
    return Found(np.einsum("bn,bn->b", residual, residual), heights, best[:, 0], residual, found)


class Search:
    """Fits under way, all at once.

    Parameters
    ----------
    x : ndarray, shape (n)
        From 0 to 1.
    y : ndarray, shape (rows, n)
        Of the order of 1.
    places : Places
        Starts.
    shortest : float
        The least time.
    growth : float
        The highest rate of growth, by the range; 0 for none.
    known : ndarray of bool, shape (rows, n), optional
        Which points count.
    """

    def __init__(self, x: np.ndarray, y: np.ndarray, places: Places, shortest: float = 0.0, growth: float = 0.0,
                 known: np.ndarray | None = None):
        self.x, self.y, self.shortest, self.growth, self.known = x, y, shortest, growth, known
        self.step = 1/max(len(x) - 1, 1)
        self.edge, rows = places.edge.copy(), len(y)
        self.middle = np.sqrt(np.maximum(self.width(self.edge), self.step))
        time = self.smooth(places.tau)
        self.q = self.tidied(time/(time + self.middle[:, None]), self.edge, self.middle)
        found = project(x, y, self.places(np.arange(rows), self.edge, self.q), known)
        self.chisqr, self.heights, self.offset, self.residual, self.slopes = found
        self.damping = np.full(rows, 1e-2)
        self.moving = np.ones(rows, bool)

    def width(self, edge: np.ndarray) -> np.ndarray:
        """Return the shortest time that matters, (rows)."""
        return edge[:, 1] if edge.shape[1] else np.full(len(edge), self.step)

    def smooth(self, tau: Any) -> Any:
        """Return what stands for times in q."""
        return tau if self.edge.shape[1] else self.step/np.expm1(np.minimum(self.step/tau, 600.0))

    def places(self, rows: np.ndarray, edge: np.ndarray, q: np.ndarray) -> Places:
        """Return coordinates as times."""
        time = q*self.middle[rows, None]/np.where(q == 1, 1e-9, 1 - q)
        return Places(edge, time if edge.shape[1] else self.step/np.log1p(self.step/time))

    def chain(self, q: np.ndarray, middle: np.ndarray) -> np.ndarray:
        """Return the derivative of log tau by q."""
        chain = 1/(q*np.where(q == 1, 1e-9, 1 - q))
        if self.edge.shape[1]:
            return chain
        time = q*middle[:, None]/np.where(q == 1, 1e-9, 1 - q)
        return chain*self.step/np.log1p(self.step/time)/(time + self.step)

    def ends(self) -> Places:
        """Return where the fits are."""
        return self.places(np.arange(len(self.q)), self.edge, self.q)

    def settled(self) -> tuple[Places, np.ndarray]:
        """Return where the fits are, and the heights there, (rows, k); a time at a limit is one that has no effect of its own any more.

        A pulse is as good with any shorter time, a step with any longer one: a fit that begins at the limit stays there, and has the other
        parameters to find; one that begins before it follows chi-square, which falls for ever and by less than counts.
        """
        places, heights = self.ends(), self.heights
        low, high = self.limits(self.edge, self.middle)
        pulse, step = self.q <= 3*low, self.q >= high - 1e-12
        if not self.edge.shape[1]:
            pulse &= self.shortest < self.step/UNSEEN
            pulse = pulse if self.known is None else pulse & self.known[:, :1]
            return places._replace(tau=np.where(pulse, self.step/UNSEEN, places.tau)), heights
        short = FAINT*self.edge[:, 1:]
        tau = np.where(pulse, short, np.where(step, STEADY, places.tau))
        return places._replace(tau=tau), np.where(pulse, heights*places.tau/short, heights)

    def limits(self, edge: np.ndarray, middle: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the limits of q, (rows, 1) each."""
        least = (SHORTEST if edge.shape[1] else SPIKE)*self.width(edge)
        low = np.maximum(least, self.smooth(self.shortest) if self.shortest else 0)[:, None]
        high = self.smooth(-1/self.growth) if self.growth else LONGEST
        return low/(low + middle[:, None]), high/(high + middle[:, None])

    def apart(self, q: np.ndarray, edge: np.ndarray, middle: np.ndarray) -> np.ndarray:
        """Return how far from q, (rows), the next one must be: APART in time, by it or the edge's width; in rate, by it or the range."""
        return APART*(np.abs(q*(1 - q)) + self.width(edge)/middle*(1 - q)**2 + middle*q*q)

    def tidied(self, q: np.ndarray, edge: np.ndarray, middle: np.ndarray) -> np.ndarray:
        """Return coordinates in order, within limits, apart from each other."""
        low, high = self.limits(edge, middle)
        q = np.clip(np.sort(q, axis=1), low, high)
        for j in range(1, q.shape[1]):
            q[:, j] = np.maximum(q[:, j], q[:, j - 1] + self.apart(q[:, j - 1], edge, middle))
        over = q[:, -1] > high[:, 0]
        if over.any():
            q[:, -1] = np.minimum(q[:, -1], high[:, 0])
            for j in reversed(range(q.shape[1] - 1)):
                q[:, j] = np.where(over, np.minimum(q[:, j], q[:, j + 1] - self.apart(q[:, j + 1], edge, middle)), q[:, j])
        return q

    def keep(self, rows: np.ndarray) -> None:
        """Continue with some of them."""
        for name in ("y", "edge", "middle", "q", "damping", "moving", *Found._fields):
            setattr(self, name, getattr(self, name)[rows])
        if self.known is not None:
            self.known = self.known[rows]

    def run(self, steps: int) -> None:
        """Make so many steps, those that have arrived aside."""
        for _ in range(steps):
            rows = np.flatnonzero(self.moving)
            if not len(rows):
                return
            self.advance(rows)

    def leap(self, steps: int) -> None:
        """Try short times as pulses: that way down is long and curved. A decay of time tau comes tau later than its pulse."""
        if not self.edge.shape[1]:
            return
        tau = self.ends().tau
        short = tau < LEAP*self.edge[:, 1:]
        rows = np.flatnonzero(np.any(short & (tau > 2*SHORTEST*self.edge[:, 1:]), axis=1))
        if not len(rows):
            return
        later = np.sum(np.where(short, tau, 0), axis=1)
        edge = np.stack([self.edge[:, 0] + later, self.edge[:, 1]], axis=1)
        places = Places(edge, np.where(short, SHORTEST*edge[:, 1:], tau)).at(rows)
        other = Search(self.x, self.y[rows], places, self.shortest, self.growth, None if self.known is None else self.known[rows])
        other.run(steps)
        better = other.chisqr < self.chisqr[rows]
        for name in ("edge", "middle", "q", "damping", "moving", *Found._fields):
            getattr(self, name)[rows[better]] = getattr(other, name)[better]

    def advance(self, rows: np.ndarray) -> None:
        """Take one damped Gauss-Newton step of some fits where chi-square falls."""
        edge, q, middle, damping = self.edge[rows], self.q[rows], self.middle[rows], self.damping[rows]
        slopes = self.slopes[rows]
        first = edge.shape[1]
        slopes[:, first:] *= self.chain(q, middle)[:, :, None]
        pairs = Pairs(q)
        pairs.turn(slopes, first)
        gradient = np.matmul(slopes, self.residual[rows, :, None])[:, :, 0]
        normal = np.matmul(slopes, slopes.transpose(0, 2, 1))
        held = self.held(edge, q, middle, gradient, pairs) | (np.einsum("bii->bi", normal) <= FIRM*len(self.x))
        move, ahead = damped(normal, gradient, held, damping)
        trial_edge = edge
        if first:
            width = np.clip(edge[:, 1]*np.exp(np.clip(move[:, 1], -1, 1)), LEAST_WIDTH*self.step, MOST_WIDTH)
            trial_edge = np.stack([np.clip(edge[:, 0] + np.clip(move[:, 0], -3, 3)*edge[:, 1], -1, 2), width], axis=1)
        trial = self.tidied(pairs.moved(np.clip(move[:, first:], -0.3, 0.3)), trial_edge, middle)
        found = project(self.x, self.y[rows], self.places(rows, trial_edge, trial), None if self.known is None else self.known[rows])
        gain = self.chisqr[rows] - found.chisqr
        better = gain > 0
        rate = gain/np.maximum(ahead, 1e-300)
        little = ENOUGH*self.chisqr[rows] + 1e-24*len(self.x)
        self.moving[rows] = ~((ahead < little) | (better & (gain < little) & (rate > 0.1)) | (damping > 1e6))
        factor = np.where(better, np.where(rate > 0.75, 0.1, np.where(rate > 0.25, 0.5, 2)), 6)
        self.damping[rows] = np.maximum(damping*factor, 1e-9)
        here = rows[better]
        self.edge[here], self.q[here] = trial_edge[better], trial[better]
        for name, value in zip(Found._fields, found, strict=True):
            getattr(self, name)[here] = value[better]

    def held(self, edge: np.ndarray, q: np.ndarray, middle: np.ndarray, gradient: np.ndarray, pairs: Pairs) -> np.ndarray:
        """Return which coordinates are at a limit that chi-square falls towards, (rows, m)."""
        held, first = np.zeros(gradient.shape, bool), edge.shape[1]
        low, high = self.limits(edge, middle)
        down, up = gradient < 0, gradient > 0
        held[:, first:] = ((q <= 1.0001*low) & down[:, first:]) | ((q >= high - 1e-12) & up[:, first:])
        if first:
            held[:, 0] = ((edge[:, 0] <= -1) & down[:, 0]) | ((edge[:, 0] >= 2) & up[:, 0])
            held[:, 1] = ((edge[:, 1] <= 1.0001*LEAST_WIDTH*self.step) & down[:, 1]) | ((edge[:, 1] >= MOST_WIDTH) & up[:, 1])
        if len(pairs.rows):
            lower, upper = first + pairs.lower, first + pairs.lower + 1
            held[pairs.rows, lower] = False
            near = self.apart(q[pairs.rows, pairs.lower], edge[pairs.rows], middle[pairs.rows])
            held[pairs.rows, upper] = (2*pairs.half <= 1.001*near) & down[pairs.rows, upper]
        return held


class Pairs:
    """The two nearest times of each fit that has two near ones, to be moved as their mean and the square of half their distance.

    Attributes
    ----------
    rows, lower : ndarray of int, shape (pairs)
        Whose, and which the shorter one is.
    half : ndarray, shape (pairs)
        Half their distance in q.
    """

    def __init__(self, q: np.ndarray):
        self.q, self.rows = q, np.zeros(0, int)
        if q.shape[1] > 1:
            gaps = np.diff(q, axis=1)
            relative = gaps/(np.abs(q[:, 1:]*(1 - q[:, 1:])) + 1e-9)
            nearest = np.argmin(relative, axis=1)
            self.rows = np.flatnonzero(np.take_along_axis(relative, nearest[:, None], 1)[:, 0] < PAIRED)
            self.lower = nearest[self.rows]
            self.half = 0.5*gaps[self.rows, self.lower]

    def turn(self, slopes: np.ndarray, first: int) -> None:
        """Turn derivatives by the two into those by the mean and by the square of half the distance."""
        if len(self.rows):
            lower, upper = slopes[self.rows, first + self.lower], slopes[self.rows, first + self.lower + 1]
            slopes[self.rows, first + self.lower] = lower + upper
            slopes[self.rows, first + self.lower + 1] = (upper - lower)/(2*self.half[:, None])

    def moved(self, move: np.ndarray) -> np.ndarray:
        """Return the coordinates after a step (rows, k)."""
        q = self.q + move
        if len(self.rows):
            here = self.rows, self.lower
            middle = 0.5*(self.q[here] + self.q[self.rows, self.lower + 1]) + move[here]
            half = np.sqrt(np.maximum(self.half**2 + move[self.rows, self.lower + 1], 0))
            q[here], q[self.rows, self.lower + 1] = middle - half, middle + half
        return q


def damped(normal: np.ndarray, gradient: np.ndarray, held: np.ndarray, damping: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return Levenberg and Marquardt's steps (rows, m), and what chi-square should fall by."""
    diagonal = np.einsum("bii->bi", normal)
    scale = np.where(held, 0, 1/np.sqrt(np.where(held, 1, diagonal)))
    normal, gradient = normal*scale[:, :, None]*scale[:, None], gradient*scale
    eye = np.eye(normal.shape[1])
    step = np.linalg.solve(normal + np.where(held, 1, damping[:, None] + 1e-12)[:, :, None]*eye, gradient[:, :, None])[:, :, 0]
    return step*scale, np.einsum("bi,bi->b", step, gradient + damping[:, None]*step)
