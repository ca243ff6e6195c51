"""Minima at kinks: where derivatives jump, chi-square may be least at a point whose gradient is zero on neither side.

There 0 lies among the convex combinations of the gradients next to the point (Clarke, Optimization and Nonsmooth Analysis, 1983).  They are
collected one by one (Wolfe 1975, Math. Prog. Study 3; Lemarechal 1977): against the shortest combination so far, a step leads down, or the
gradient behind it joins the others.  `src/descent/kinks.h` does the same for programs.
"""
from collections.abc import Iterator
from typing import Any

import numpy as np

from gslfit.objective._loss import length

TURNS = 40              # points that one descent goes through
BUNDLE = 24             # gradients
EXCHANGES = 2000        # of weight between two of them
# how far from the point a gradient is taken, where derivatives are exact and where they are differences: of the residual's length, ...
REACH = (1e-7, 1e-4)
VISIBLE = (1e-14, 3e-5)     # ... so that a parameter moves by this share of itself, beyond what differences step over, ...
NEAR = (1e-6, 1e-2)     # ... and no further than this part of the residual's length
LEAST = 0.02            # share of a step down to which shorter ones are tried at least
CLOSE = 1e-5            # of the residual's length: as short a combination is zero
BESIDE = (1e-4, 1e-2)   # of the residual's length: what a parameter that moves next to the point may change it by
OWN = 0.01              # of its size, what such a parameter moves by at most: an inverse turns at a pole, not at a kink
SHORTER = 6             # times that a step is taken shorter, each an eighth, until it leads next to the point
BENT = 0.4              # of a gradient's change over a step: as far from half of it as this halfway is a jump, not a bend
TURNED = 0.9            # of its length against itself that the shortest combination must lose by a new gradient
WAYS = (1., 1e-2, 1e-4)     # standard errors by which each coordinate is tried in the end, ...
FINER = (1e-6, 1e-8)    # ... and each parameter besides, once that is known to be a minimum next to a kink
SHARPER = 8             # times that a kink found by differences is looked for more closely
GAINS = 1e-4            # of the reduced chi-square: by so much a step lowered chi-square that may go on
BEYOND = 4.             # times what differences step over, where a piece beside a kink is taken
WIDER = 30.             # times what a move next to the point may change: so far a piece is a parabola still
SAME = 1e-6             # of its length: as little, and a step is the one before
FELL = 1e-9             # share by which the residual's length fell from where a descent by its own steps goes on
FALLS = 1e-13           # share by which the residual's length falls at least where it does


def shortest(gradients: np.ndarray, below: np.ndarray | float = 0.) -> np.ndarray:
    """Return the shortest convex combination of gradients (m, k), longer by what its pieces are below the point at it.

    Half its square and what the pieces are below, by their weights, are least together. Weight goes from the one most along it to the one
    least along it (Mitchell, Demyanov and Malozemov 1974).
    """
    weights = np.zeros(len(gradients))
    weights[0] = 1.
    for _ in range(EXCHANGES):
        found = weights @ gradients
        along = gradients @ found + below
        low, high = int(np.argmin(along)), int(np.argmax(np.where(weights > 0, along, -np.inf)))
        change = gradients[high] - gradients[low]
        gap, square = along[high] - along[low], change @ change
        if not gap > 1e-12 * square:
            break
        part = gap / square if gap < weights[high] * square else weights[high]
        weights[high] -= part
        weights[low] += part
    return weights @ gradients


def descend(descent: Any) -> str:
    """Step to lower points for as long as there are any.

    Returns
    -------
    str
        "minimum": that ended at the minimum of a kink; "lower": the descent was moved down by more than `FELL`, but to no such point; "":
        neither.
    """
    begun, found = descent.norm(), "lower"
    for _ in range(TURNS):
        descent.go_to(descent.x, descent.r)
        if not descent.finite or not descent.norm() > 0:
            break
        free = determined(descent)
        if free is None:
            break
        found = Neighbourhood(descent, free).step()
        if found != "lower":
            break
    else:
        descent.go_to(descent.x, descent.r)         # where the last step led
    if found == "minimum":
        return found
    return "lower" if descent.norm() < begun * (1 - FELL) else ""


def sharpen(descent: Any) -> str:
    """Step from where a descent ended next to a kink to the very kink, if there is one: differences reach across it.

    Returns
    -------
    str
        "lower": that led further down than next to the point, so it was no kink's minimum; "unseen": it led lower, by what counts, for as
        long as there were evaluations, or there are more for another descent to go on with; "": neither.
    """
    begun, went, told = descent.norm(), False, descent.exact or not (descent.slopes_jump and descent.may_go_on)
    if not affordable(descent):
        return "" if told else "unseen"
    if not descent.exact:
        descent.go_to(descent.x, descent.r, True)
    for turn in range(SHARPER + 1):
        free = determined(descent) if descent.finite and descent.norm() > 0 and affordable(descent) else None
        if free is None:
            break
        here = Neighbourhood(descent, free)
        before, found = descent.norm(), here.sharpen() if turn < SHARPER and not descent.exact else here.go_down_beside()
        went = found and before**2 - descent.norm()**2 > GAINS * descent.norm()**2 / max(descent.n - descent.p, 1)
        if not found:
            break
        descent.go_to(descent.x, descent.r, True)
    if descent.norm() < begun * (1 - NEAR[1]):
        return "lower"
    return "" if affordable(descent) or (told and not went) else "unseen"


def affordable(descent: Any, calls: int = 0) -> bool:
    """Return whether so many evaluations are left, and those of a look next to a point and of the Jacobian afterwards."""
    fun = descent.problem.fun
    return bool(fun.limit - fun.nfev > calls + 10 * (descent.p + 1))


def determined(descent: Any) -> np.ndarray | None:
    """Return the parameters that count at a point, None where its Jacobian doesn't determine them."""
    qr = descent.decompose()
    free = np.array([j for j in np.flatnonzero(qr.norms > 0) if j not in descent.held], int)
    return free if qr.rank and qr.rank == len(free) else None


class Neighbourhood:
    """A point of a descent, in coordinates that measure moves by what they do to the residual."""

    def __init__(self, descent: Any, free: np.ndarray) -> None:
        self.free, self.descent, self.x, self.r, self.norm = free, descent, descent.x, descent.r, descent.norm()
        self.ways = np.zeros((descent.p, descent.qr.rank))
        self.ways[free] = np.asarray(descent.qr.factors())[free] / np.asarray(descent.qr.norms)[free, None]
        self.reach, self.near, self.visible, self.beside = (each[0 if descent.exact else 1] for each in (REACH, NEAR, VISIBLE, BESIDE))
        self.lengths = np.array(descent.norms)
        self.kink: np.ndarray | None = None
        self.rounding = max(FALLS * self.norm, descent.rounding())

    def _gradient(self) -> np.ndarray:
        """Return half chi-square's gradient where the descent is."""
        return np.asarray(self.ways.T @ (self.descent.J.T @ self.descent.r))

    def _moved(self, way: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        problem = self.descent.problem
        x = np.clip(self.x + way, problem.lower, problem.upper)
        return x, problem.fun(x)

    def _lower_along(self, way: np.ndarray, least: float = 1.) -> bool:
        """Go to the first lower point along a way, down to a share `least` of it; return whether there is one."""
        share = 1.
        while share >= least:
            x, r = self._moved(share * way)
            if length(r) < self.norm - self.rounding:
                self.descent.x, self.descent.r = x, r
                return True
            share /= 4
        return False

    def _is_beside(self, x: np.ndarray, r: np.ndarray) -> bool:
        """Return whether a point is next to this one.

        No parameter has moved by much of itself, or by what changes the residual, and it is as long there.
        """
        size, moved = np.maximum(np.abs(self.x), np.abs(self.descent.problem.x0)), np.abs(x - self.x)
        with np.errstate(invalid="ignore"):
            beside = self.lengths * moved <= self.beside * self.norm
        return bool(np.all(beside & ((size == 0) | (moved <= OWN * size)))) and length(r) <= self.norm * (1 + self.near)

    def _gradient_at(self, x: np.ndarray, r: np.ndarray) -> np.ndarray | None:
        """Return half chi-square's gradient at a point, None where it isn't finite. Whatever the caller raises, this point stays."""
        descent = self.descent
        try:
            descent.go_to(x, r)
        except BaseException:
            descent.x, descent.r = self.x, self.r
            raise
        return self._gradient() if descent.finite else None

    def _collect(self, step: np.ndarray, gradients: list[np.ndarray]) -> bool:
        """Add the gradient at the end of a step, or of one that is as much shorter as leads next to the point; return whether it did jump.

        Halfway, a gradient that bends has changed by half as much, however narrow the valley.  Where chi-square falls from the point and
        rises at the end of the step, the lines that it follows there meet at the kink: that way is kept.
        """
        for _ in range(SHORTER):
            way = self.ways @ step
            there = self._moved(way)
            if self._is_beside(*there):
                found, halfway = self._gradient_at(*there), self._gradient_at(*self._moved(0.5 * way))
                if found is None or halfway is None:
                    return False
                change = found - gradients[0]
                if not length(halfway - gradients[0] - 0.5 * change) > BENT * length(change):
                    return False
                gradients.append(found)
                falls, rises = gradients[0] @ step, found @ step
                if falls < 0 < rises:
                    self.kink = way * ((there[1] - self.r) @ (there[1] + self.r) / 2 - rises) / (falls - rises)
                return True
            step = step / 8
        return False

    def step(self) -> str:
        """Go down, or collect gradients until they combine to zero; return "lower", "minimum" of a kink, or "" for neither."""
        descent = self.descent
        gradients = [self._gradient()]
        size = length(gradients[0])
        visible = self.visible * np.abs(self.x)
        while size > CLOSE * self.norm and len(gradients) < BUNDLE and affordable(self.descent):
            step = -shortest(np.array(gradients))
            way = self.ways @ step
            seen = (way != 0) & (visible > 0)
            near = max(self.reach * self.norm / size, float(np.min(visible[seen] / np.abs(way[seen]))) if seen.any() else 0.)
            if not near * size <= self.near * self.norm:
                break
            if self._lower_along(way, min(near, LEAST)):
                return "lower"
            if not self._collect(near * step, gradients):
                break
            before, size = size, length(shortest(np.array(gradients)))
            if size > TURNED * before:
                break
        descent.go_to(self.x, self.r)
        if not (size <= CLOSE * self.norm and len(gradients) > 1):
            return ""
        if self._lower_beside():
            return "lower"
        descent.cosine_told = size / self.norm
        return "minimum"

    def sharpen(self) -> bool:
        """Step to where the pieces that meet next to the point are lowest together; return whether that is lower.

        A piece is the smooth curve that a point next to this one lies on. Those that a move of a single parameter leads to are known first,
        then each that a step leads to instead. Where differences reach across a kink, at this point as well, they are no piece's.
        """
        descent, steps = self.descent, [np.zeros(self.ways.shape[1])]
        gradients, below = ([], []) if descent.steps_over_kink() else ([self._gradient()], [0.])
        near = np.zeros(descent.p)
        self.beside = self.near = WIDER * self.beside
        near[self.free] = np.maximum(BEYOND * self.visible * np.abs(self.x[self.free]), self.reach * self.norm / self.lengths[self.free])
        for way in np.concatenate([np.diag(near)[self.free], -np.diag(near)[self.free]]):
            self._add_piece(way, gradients, below, near)
        found = False
        while len(gradients) > 1:
            steps.append(-shortest(np.array(gradients), np.array(below)))
            way, count = self.ways @ steps[-1], len(gradients)
            found = self._lower_along(way, LEAST)
            if found or count >= BUNDLE or length(steps[-1] - steps[-2]) <= SAME * length(steps[-1]):
                break
            moves = np.abs(way[self.free])
            self._add_piece(way * min(1., float(np.min(near[self.free][moves > 0] / moves[moves > 0], initial=1.))), gradients, below, near)
            if len(gradients) == count:
                break
        if not found:
            descent.go_to(self.x, self.r, True)
        return found or (descent.slopes_jump and self.go_down_beside())

    def _add_piece(self, way: np.ndarray, gradients: list[np.ndarray], below: list[float], near: np.ndarray | None = None) -> None:
        """Add the gradient at this point of the smooth piece that a point next to it lies on, and by how much that is lower here.

        Where differences reach across a kink there too, the pieces to both sides of it, as far off as `near`, are added instead.
        """
        descent, there = self.descent, self._moved(way)
        descent.differences.lengths[:] = np.nan         # that over which a column changes at the kink is not that beside it
        if not affordable(descent) or not self._is_beside(*there) or self._gradient_at(*there) is None:
            return
        if near is not None and (across := descent.steps_over_kink()):
            for side in (1., -1.):
                aside = way.copy()
                aside[across] += side * near[across]
                self._add_piece(aside, gradients, below)
            return
        moved, full, slope = there[0] - self.x, descent.norm()**2/2, descent.J.T @ descent.r
        if not affordable(descent) or self._gradient_at(*self._moved(way/2)) is None:
            return
        half, slope_half = descent.norm()**2/2, descent.J.T @ descent.r
        gradients.append(self.ways.T @ (2*slope_half - slope))
        # half the square here, by the cubic that has its values and slopes there and halfway
        below.append(max(0., self.norm**2/2 - 5*full + 4*half + (slope + 2*slope_half) @ moved))

    def _lower_beside(self) -> bool:
        """Return whether the kink itself is lower, or a coordinate leads down after all, to either side; go there."""
        if self.kink is not None and self._lower_along(self.kink):
            return True
        return any(self._lower_along(way) for _, way in self._around(self.ways.T, WAYS))

    def _around(self, ways: Any, shares: tuple[float, ...]) -> Iterator[tuple[float, np.ndarray]]:
        """Yield ways by shares of a standard error, to either side, and these shares."""
        sigma = self.norm / max(len(self.r) - self.ways.shape[1], 1) ** 0.5
        return ((share, side * share * sigma * way) for way in ways for share in shares for side in (1., -1.))

    def go_down_beside(self) -> bool:
        """Step to lower points along coordinates and parameters while there are any and calls are left; return whether there were any.

        Where each datum has a kink of its own, they lie closer together than their pieces can be told apart: no gradient leads to the
        lowest of them.
        """
        descent, found = self.descent, False
        ways = [*self.ways.T, *np.diag(1 / np.where(self.lengths > 0, self.lengths, np.inf))[self.free]]
        for _ in range(TURNS):
            if not affordable(descent, 2 * len(ways) * len(WAYS + FINER)):
                break
            if not any(self._further_along(*each) for each in self._around(ways, WAYS + FINER)):
                break
            self.x, self.r, self.norm, found = descent.x, descent.r, descent.norm(), True
        return found

    def _further_along(self, share: float, way: np.ndarray) -> bool:
        """Go to a lower point along a way of so much of a standard error, twice as far for as long as that leads further down and is no
        longer than one; return whether there is one.
        """
        if not self._lower_along(way):
            return False
        while 2 * share <= WAYS[0] and affordable(self.descent):
            share, way = 2 * share, 2 * way
            x, r = self._moved(way)
            if not length(r) < self.descent.norm() - self.rounding:
                break
            self.descent.x, self.descent.r = x, r
        return True
