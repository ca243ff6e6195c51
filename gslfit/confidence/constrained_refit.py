"""Chi-square round a minimum, and refits with some parameters held.

A refit starts where the Jacobian says that it will end, and is Gauss-Newton with one Jacobian, kept up to date by Broyden's formula
(Mathematics of Computation 19 (1965) 577) and taken again before the result is believed. Where the residual bends too much for that, it
follows the bent valley by damped steps with geodesic acceleration (M. K. Transtrum, J. P. Sethna, arXiv:1201.5885).
"""
from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from gslfit.objective.lengths import lengths
from gslfit.records import Record

Array = np.ndarray

RANK = 3e-8               # a direction of the scaled Jacobian below this is lost in the differences' own error
GOOD, POOR = .75, .1      # shares of the expected decrease of chi-square above which a step is good, below which it is refused
SETTLED = 1e-2            # a step from a fresh Jacobian that expects less than this share of the level ends a refit
STEPS, BENDS = 30, 300    # of one refit, straight and bent
MINIMUM = 1e-4            # a decrease of chi-square by this share of its variance, 1, is a lower minimum
TOLERANCE = 2e-6          # of a refit: expected decrease of chi-square, by the lowest level
PRECISION = 2e-6          # the same by the rise of chi-square itself
ROUGH = .05               # the same above the ceiling
KEPT = .1                 # share of chi-square's rise: a guess that is this near to what was promised gets a Jacobian at once
FAR = 4.                  # a guess that multiplies chi-square by this may be worse than leaving the others where they were
DAMPING = 1e-3            # of the first bent step, in units of the scaled columns
PROBE = .1                # share of a step at which the residual's second derivative along it is taken
DEAD = 1e-8               # a parameter that changes the residual by less than this share of an error, over its own size, is held
ASLEEP = 1e-3             # a column has no more than this share of what a move changes the residual by: the parameter enters squared
AWAKE = 1e-2              # of an error: by so much a move is to change the residual
PROBES = 40               # evaluations to find how far such a move is, ...
UNSEEN = 1e3              # ... each of which goes so many times as far where nothing changes
BEND = .4                 # a correction longer than this share of the step is none


class ProfilePoint(Record):
    """A point of a profile: the parameters, the residual, chi-square, and the Jacobian (as good as the refit needed it)."""

    x: Array
    r: Array
    chi: float
    J: Array


class LowerMinimum(Exception):
    """A refit, with parameter `k` held, came below the minimum that the profile is about; `point` is where."""

    def __init__(self, point: ProfilePoint, k: int) -> None:
        super().__init__()
        self.point, self.k = point, k


class ConstrainedRefit:
    """Chi-square round a minimum.

    Parameters
    ----------
    fun : callable
        ``fun(x) -> ndarray, shape (n,)``: the residual; NaN where it can't be computed.
    jac : callable
        ``jac(x, r) -> ndarray, shape (n, p)``.
    x : ndarray, shape (p,)
        The minimum, or a point near it.
    lower, upper : ndarray, shape (p,)
        Bounds, infinite where there are none.
    unit : float, optional
        What one standard error adds to chi-square, where that is known; the reduced chi-square otherwise.

    Attributes
    ----------
    unit : float
    best : ProfilePoint
        The minimum.
    improved : bool
        It lies below `x`.
    """

    def __init__(self, fun: Callable[[Array], Array], jac: Callable[[Array, Array], Array], x: Array, lower: Array, upper: Array,
                 unit: float | None = None) -> None:
        self.fun, self.jac, self.lower, self.upper = fun, jac, lower, upper
        self.gain = self.settled = 0.
        self.ceiling = math.inf                               # of the rise of chi-square: above it, refits may be rough
        self.best: Any = None                                 # ProfilePoint, once it is found
        self.floor = math.inf                                 # a chi-square below this is another minimum
        self.sizes: Array | None = None                       # of the parameters at the minimum, or how far an error goes there
        self.asleep: dict[int, float] = {}                    # how far those go until they are seen whose columns there tell nothing
        r = fun(x)
        start = ProfilePoint(x, r, float(r @ r), jac(x, r))
        self.unit = unit or max(start.chi, 1e-300)/max(r.size - x.size, 1)
        self.aim(1e-6*self.unit)
        self.best = self.relax(start, ())
        self.improved = start.chi - self.best.chi > MINIMUM*self.unit
        self.unit = unit or max(self.best.chi, 1e-300)/max(r.size - x.size, 1)
        self.floor = self.best.chi - MINIMUM*self.unit
        norms = lengths(self.best.J)
        self.sizes = np.maximum(np.abs(self.best.x), np.divide(math.sqrt(self.unit), norms, out=np.zeros_like(norms), where=norms > 0))
        for k in np.flatnonzero(self._tells_nothing(norms*np.abs(self.best.x))).tolist():
            reach = self._reach(k)
            if reach is not None and self._tells_nothing(norms[k]*abs(reach)):
                self.asleep[k] = reach

    def aim(self, rise: float, ceiling: float = math.inf) -> None:
        """Set the precision of refits, for levels that lie at least `rise` and at most `ceiling` above the minimum."""
        self.gain, self.settled, self.ceiling = TOLERANCE*rise, SETTLED*rise, ceiling

    # -- refits --------------------------------------------------------------------------------------------------------------

    def at(self, near: ProfilePoint, held: tuple[int, ...], values: Array, likely: Array | None = None) -> ProfilePoint | None:
        """Return the refit with some parameters held at given values, from a point near by; None where the model isn't finite.

        Where it is likely to end, if that is known from further points, is tried first, with a Jacobian of its own.
        """
        if likely is not None:
            point = self._evaluated(np.clip(self._moved(likely, held, values), self.lower, self.upper), near.J)
            if point.chi <= FAR*near.chi:                     # False for NaN
                return self.relax(point._replace(J=self.jac(point.x, point.r)), held)
        x = near.x.copy()
        move = values - x[[*held]]
        x[[*held]] = values
        free = self._free(near, held)
        if free.any():                                        # where the others are heading, as the Jacobian has it
            pull = near.J[:, [*held]] @ move
            x[free] += self._solve(near.J[:, free], pull, 0.)[0]
        found: list[ProfilePoint] = []
        for guess in (np.clip(x, self.lower, self.upper), self._moved(near.x, held, values)):
            point = self._evaluated(guess, near.J)
            if math.isfinite(point.chi):
                found.append(point)
            if point.chi <= FAR*near.chi:                     # False for NaN
                break
        if not found:
            return None
        lowest = min(found, key=lambda point: point.chi)
        promised = near.r + near.J @ (lowest.x - near.x)
        fresh = lowest.chi - float(promised @ promised) <= KEPT*(lowest.chi - self.best.chi)      # then one step leads to the end
        return self.relax(lowest._replace(J=self.jac(lowest.x, lowest.r)) if fresh else lowest, held, fresh)

    def glance(self, near: ProfilePoint, k: int, value: float) -> ProfilePoint | None:
        """Return where one step leads with parameter k held, from a point near by; None where the model isn't finite."""
        x = self._moved(near.x, (k,), np.array([value]))
        r = self.fun(x)
        if not math.isfinite(float(r @ r)):
            return None
        point = ProfilePoint(x, r, float(r @ r), self.jac(x, r))
        x = np.clip(x + self._step(point, self._free(point, (k,)), 0.)[0], self.lower, self.upper)
        r = self.fun(x)
        return ProfilePoint(x, r, float(r @ r), point.J) if float(r @ r) < point.chi else point

    def _evaluated(self, x: Array, J: Array) -> ProfilePoint:
        """Return a point with its residual, and a Jacobian from near by."""
        r = self.fun(x)
        return ProfilePoint(x, r, float(r @ r), J)

    @staticmethod
    def _moved(x: Array, held: tuple[int, ...], values: Array) -> Array:
        """Return a point with the held values alone changed."""
        x = x.copy()
        x[[*held]] = values
        return x

    def _free(self, point: ProfilePoint, held: tuple[int, ...]) -> Array:
        """Return which parameters may move: neither held, nor pushed against a bound, nor without effect, nor asleep."""
        push = point.r @ point.J
        free = ~(((point.x <= self.lower) & (push > 0)) | ((point.x >= self.upper) & (push < 0)))
        if self.sizes is not None:                            # the steps of what has lost its effect are of any length, and stop the others
            free &= lengths(point.J)*np.maximum(self.sizes, np.abs(point.x)) > DEAD*math.sqrt(self.unit)
        for k in self.asleep:
            free[k] &= not self._sleeps(point, k)
        free[[*held]] = False
        return free

    @staticmethod
    def _solve(A: Array, b: Array, damping: float) -> tuple[Array, Array]:
        """Return the step that lowers ``|A s + b|``, damped on scaled columns, and the norms of the columns."""
        norms = lengths(A)
        norms[norms == 0] = 1.
        with np.errstate(all="ignore"):
            scaled = A/norms
        if not np.isfinite(scaled).all():           # of columns below the least number there is no step
            return np.zeros(A.shape[1]), norms
        Q, R = np.linalg.qr(scaled)
        U, S, Vt = np.linalg.svd(R)
        keep = RANK*S[0] < S if S.size and S[0] else np.zeros(S.size, bool)
        weight = np.where(keep, S/np.where(keep, S*S + damping, 1.), 0.)
        return -(Vt.T @ (weight*(U.T @ (Q.T @ b))))/norms, norms

    def relax(self, point: ProfilePoint, held: tuple[int, ...], fresh: bool = True) -> ProfilePoint:
        """Minimise chi-square over the parameters not held.

        Parameters
        ----------
        point : ProfilePoint
            Where to start; its Jacobian may be that of a point near by.
        held : tuple of int
            Parameters that stay.
        fresh : bool
            Whether the Jacobian is the point's own.

        Raises
        ------
        LowerMinimum
            If chi-square falls below the minimum's.
        """
        point = self._refitted(point, held, fresh)
        for k, reach in self.asleep.items():
            if k not in held and self._sleeps(point, k):
                point = self._woken(point, held, k, reach)
        if point.chi < self.floor and self.best is not None:
            raise LowerMinimum(point, held[0])
        return point

    def _refitted(self, point: ProfilePoint, held: tuple[int, ...], fresh: bool) -> ProfilePoint:
        """Return where steps by the Jacobian lead."""
        point, settled = self._descend(point, held, fresh)
        return point if settled else self._follow(point, held)

    def _tells_nothing(self, change: Any) -> Any:
        """Return whether what a column makes of a move is next to nothing beside the change that such a move is to make."""
        return change <= ASLEEP*AWAKE*math.sqrt(self.unit)

    def _sleeps(self, point: ProfilePoint, k: int) -> bool:
        """Return whether the column of one that was asleep at the minimum tells nothing at a point."""
        return bool(self._tells_nothing(lengths(point.J[:, [k]])[0]*abs(self.asleep[k])))

    def _reach(self, k: int) -> float | None:
        """Return by how much parameter k moves from the minimum to be seen, towards the farther bound; None where nothing tells."""
        best, aim, far = self.best, AWAKE*math.sqrt(self.unit), 1.
        up, down = self.upper[k] - best.x[k], best.x[k] - self.lower[k]
        room, side = max(up, down), 1. if up >= down else -1.
        for _ in range(PROBES):
            far = min(far, room)
            x = best.x.copy()
            x[k] += side*far
            change = float(lengths((self.fun(x) - best.r)[:, None])[0])
            if .5*aim <= change <= 2*aim:
                return side*far
            if change < aim and far == room:
                return None
            far *= math.sqrt(aim/change) if 0 < change < math.inf else UNSEEN if change == 0 else 1/UNSEEN
        return None

    def _woken(self, point: ProfilePoint, held: tuple[int, ...], k: int, reach: float) -> ProfilePoint:
        """Return the refit from beside a point at which parameter k has no slope, if chi-square falls there: it may be a saddle in it."""
        for far in (reach, -reach):
            x = point.x.copy()
            x[k] = min(max(x[k] + far, self.lower[k]), self.upper[k])
            beside = self._evaluated(x, point.J)
            if x[k] == point.x[k] or not point.chi - beside.chi > self._enough(point.chi):
                continue
            there = self._refitted(beside._replace(J=self.jac(x, beside.r)), held, True)
            if there.chi < beside.chi:
                return there
        return point

    def _descend(self, point: ProfilePoint, held: tuple[int, ...], fresh: bool) -> tuple[ProfilePoint, bool]:
        """Take Gauss-Newton steps with one Jacobian kept up to date; return where they led, and whether that is the minimum."""
        J = point.J
        for _ in range(STEPS):
            point = point._replace(J=J)
            free = self._free(point, held)
            if not free.any():
                return (point if fresh or not held else point._replace(J=self.jac(point.x, point.r))), True
            step, norms = self._step(point, free, 0.)
            pull = J @ step
            expected = point.chi - float((point.r + pull) @ (point.r + pull))
            if expected <= self._enough(point.chi):
                if fresh:
                    return point, True
                J, fresh = self.jac(point.x, point.r), True
                continue
            x = np.clip(point.x + step, self.lower, self.upper)
            r = self.fun(x)
            chi = float(r @ r)
            share = (point.chi - chi)/expected if math.isfinite(chi) else -1.
            if share >= POOR:
                J = self._update(J, r - point.r - pull, step, norms, free)
                fresh = fresh and expected <= self.settled and share >= GOOD
                point = ProfilePoint(x, r, chi, J)
            elif fresh:
                return point, False
            else:
                J, fresh = self.jac(point.x, point.r), True
        return point, False

    def _follow(self, point: ProfilePoint, held: tuple[int, ...]) -> ProfilePoint:
        """Go down a bent and narrow valley: damped steps from fresh Jacobians, each bent as the residual's second derivative says."""
        damping, stale = DAMPING, False
        for _ in range(BENDS):
            if stale:
                point, stale = point._replace(J=self.jac(point.x, point.r)), False
            free = self._free(point, held)
            if not free.any():
                break
            expected = self._expected(point, self._step(point, free, 0.)[0])
            if expected <= self._enough(point.chi):
                break
            step, norms = self._step(point, free, damping)
            promised = self._expected(point, step)
            if promised <= 1e3*np.finfo(float).eps*point.chi:
                break                                         # no step leads down but by rounding
            bent = self._bent(point, free, step, norms, damping)
            trial = None
            for x in ([] if bent is None else [point.x + bent]) + [point.x + step]:
                x = np.clip(x, self.lower, self.upper)
                r = self.fun(x)
                chi = float(r @ r)
                if chi < point.chi - POOR*promised*.01:       # False for NaN
                    trial = ProfilePoint(x, r, chi, point.J)
                    break
            if trial is None:
                damping *= 4
                continue
            damping *= .1 if bent is not None and point.chi - trial.chi >= .5*promised else .5
            point, stale = trial, True
        return point._replace(J=self.jac(point.x, point.r)) if stale else point

    @staticmethod
    def _expected(point: ProfilePoint, step: Array) -> float:
        """Return the decrease of chi-square that the Jacobian promises for a step."""
        new = point.r + point.J @ step
        return point.chi - float(new @ new)

    def _bent(self, point: ProfilePoint, free: Array, step: Array, norms: Array, damping: float) -> Array | None:
        """Return a step with its second-order correction, None where that is too large to be one."""
        ahead = self.fun(np.clip(point.x + PROBE*step, self.lower, self.upper))
        curve = 2/PROBE*((ahead - point.r)/PROBE - point.J @ step)
        if not np.isfinite(curve).all():
            return None
        bend = np.zeros_like(step)
        bend[free] = .5*self._solve(point.J[:, free], curve, damping)[0]
        size = float(np.linalg.norm(norms*step))
        return step + bend if float(np.linalg.norm(norms*bend)) <= BEND*size else None

    def _enough(self, chi: float) -> float:
        """Return the expected decrease of chi-square that isn't worth a step."""
        rise = chi - self.floor
        return max(self.gain, PRECISION*rise) if rise < self.ceiling else ROUGH*rise

    def _step(self, point: ProfilePoint, free: Array, damping: float) -> tuple[Array, Array]:
        """Return a step over the free parameters that ends at a bound at the latest, and the norms of all columns.

        A free parameter on its bound, from where the step would lead out, is held: chi-square falls inward of it, but not before the
        others have moved.
        """
        while True:
            step = np.zeros_like(point.x)
            scale = np.ones_like(point.x)
            step[free], scale[free] = self._solve(point.J[:, free], point.r, damping)
            out = ((point.x <= self.lower) & (step < 0)) | ((point.x >= self.upper) & (step > 0))
            if not out.any():
                break
            free = free & ~out
        with np.errstate(divide="ignore", invalid="ignore"):
            room = np.where(step > 0, self.upper - point.x, self.lower - point.x)/step
        return step*min(1., float(np.min(room, initial=1., where=step != 0))), scale

    @staticmethod
    def _update(J: Array, missed: Array, step: Array, norms: Array, free: Array) -> Array:
        """Return the Jacobian that would have foreseen the last step: Broyden's, in units of the columns' own scales."""
        own = np.where(free, step*norms, 0.)
        size = float(np.linalg.norm(own))
        return J + np.outer(missed, own/size*(norms/size))

    # -- crossings -------------------------------------------------------------------------------------------------------------

    def root(self, chi: float) -> float:
        """Return the square root of chi-square's rise in units of what one standard error adds: a profile is nearly straight in it."""
        return math.sqrt(max(chi - self.best.chi, 0.)/self.unit)

    def slope(self, point: ProfilePoint, k: int) -> float:
        """Return the derivative of a profile's root by the parameter held; what the others do doesn't matter at their best."""
        root = self.root(point.chi)
        return float(point.r @ point.J[:, k])/(root*self.unit) if root > 0 else 0.

    def spread(self, k: int) -> float:
        """Return the standard error of parameter k: how far the root at the minimum lets it go for each unit."""
        if k in self.asleep:                                  # the Jacobian doesn't tell it
            far = self.asleep[k]
            root = self.root(self._evaluated(self._moved(self.best.x, (k,), np.array([self.best.x[k] + far])), self.best.J).chi)
            return abs(far)/root if root > 0 else math.inf
        J = self.best.J
        free = self._free(self.best, (k,))
        column = J[:, k]
        rest = column + J[:, free] @ self._solve(J[:, free], column, 0.)[0] if free.any() else column
        size, whole = lengths(np.stack([rest, column], axis=1)).tolist()
        if size <= 1e-9*whole or size == 0:
            return math.inf
        return math.sqrt(self.unit)/size
