"""From start values to a minimum: GSL's solvers for the way, Gauss-Newton by QR for the last digits, and a second look when in doubt.

A descent has three parts.

1. A GSL solver (lmsder unless told otherwise) on the bounds-transformed variables, with derivatives by forward differences where
   the caller gives none, until its steps are small.
2. A polish in the parameters themselves: Gauss-Newton steps from one QR decomposition of the column-scaled Jacobian, repeated while
   they contract.  A step that keeps the Jacobian costs one evaluation; only when the steps are down to the forward differences'
   own error is the Jacobian taken again, centred, and it then serves the covariance too.  Where its columns are so nearly dependent that
   centred differences may be too wrong, they are of the fourth order from then on, and whole steps go along a valley that bends.
3. A judgement: full rank and contracting steps, or a gradient free of scale that is zero to its own precision, is a minimum.

Where the judgement is in doubt (dependent columns, no progress away from a minimum) the descent is repeated from the start by
other methods and the lowest chi-square is kept.
"""
from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from operator import mul
from typing import Any

import numpy as np

from gslfit.errors import FitStatus, GSLError, NonFiniteError
from gslfit.minimizer._descent import BLUR, NEXT_TO, Polish, ScaledQR
from gslfit.minimizer.cold_start import looks_cold, warm_start
from gslfit.minimizer.precision import EPS, LEVEL
from gslfit.minimizer.residual import Aborted, OutOfCalls, Residual
from gslfit.objective._loss import length
from gslfit.objective.lengths import lengths
from gslfit.records import Record
from gslfit.solvers._multifit import METHODS, FdfSolver

FIRST_STEPS = 4         # steps of the solver after each of which a polish may be tried
TALL = 200_000          # numbers of a Jacobian beyond which these steps are taken by its triangle alone, in place of GSL's copies of it
TRIALS = 10             # of one of these steps
MANY = 10               # parameters from which on a Jacobian is updated between these steps, ...
UPDATED_STEPS = 40      # ... at most so many, ...
POOR = 0.1              # ... where the last one brought more than this share of what it promised, ...
LITTLE = 2e-3           # ... and that was more than this share of chi-square
LOOSE = 1e-2            # the solver's tolerance before the polish is tried again
FLAT = 1e-7             # a parameter whose own size changes the residual by less than this share needs a closer look
NUDGE = 1e-2            # share of its scale by which a parameter stuck on the wrong bound is moved inside

FURTHER = 1e-6          # how much tighter the solver's tolerances become where the polish found no hold at the caller's
MAX_ITER = 10_000       # steps of one solver: a guard; what limits a fit is the number of evaluations

SHARE = 0.5             # of the evaluations left that one way down may use
RESERVE = 0.1           # of the evaluations allowed, kept for going on from the best point
ENOUGH = 200            # evaluations, by the number of parameters and one, that are no wandering yet
SOLVER_FAILS = GSLError, NonFiniteError     # what a solver that can't go on raises
LONG = 15                # evaluations by parameters and one more, beyond which a fit may have gone astray
LOOK_AGAIN = ("lmder", "dogleg", "subspace2D")    # what is tried when lmsder's answer is in doubt
SETTLED = (FitStatus.STEP, FitStatus.EXACT)     # endings of a descent that needs no further look
UNSETTLED = {"flat": FitStatus.FLAT, "unseen": FitStatus.MAX_NFEV}      # what a look around an end of open parameters may say of it
AFAR = 1e8              # times its start that a parameter gets to where it has run off
CURVED = 1e-4           # of a column, by which it has changed: more than differences are wrong by
NEARLY = 0.05           # share by which the residual has become shorter where it may have been level on the way
GONE = 1e4              # the same where there were not the evaluations to tell whether it goes on
VANISHED = 1e-280       # a residual, of about 1 at the start, shorter than this is zero
CLOSEST = 20            # times that a residual may shrink to rounding of what it was before it is taken to go to zero
MULTIPLICITIES = 2., 3., 4.     # of roots
VANISHING = 1e-3        # share that is left of a residual next to the root, ...
SHRUNK = 1e-6           # share that is left of parameters on the way to a root at zero
STAYS = 0.1             # ... and after one step towards it
ESCAPES = 3             # times that a descent goes on from a saddle
WAYS_BACK = 4           # places on the way from a bound back to the start, each at a quarter of the last one's distance
UNTOLD = 1e-3           # greatest cosine, by differences, of a minimum that steps have contracted to, ...
FAINT = 100.            # ... unless the residual is no more than so many times its rounding
CLOSE_BY = 2.           # times the residual at a point, that of one with about the same Jacobian
TOLD = 1e-4             # standard errors by which ends may differ that are the same
LOWER = 1e-12           # a residual shorter by this share is lower
VALLEY = 1e-4           # length of what is left of a scaled column beside others where chi-square is a narrow valley
STRIDES = 8             # whole Gauss-Newton steps along it, ...
CONTRACTS = 0.5         # ... the last of which is no longer than this share of the one before
LEFT = 0.5              # share of the residual's length that is left where they have led elsewhere
PACE = 40               # steps of a solver, and one for each parameter, ...
SLOW = 0.995            # ... in which it must shorten the residual by this factor, or it creeps, and goes on with geodesic acceleration ...
LAZY = 0.9995           # ... (Transtrum and Sethna 2012), which follows bent valleys; with that by this factor, or it gets nowhere
MOVE = 1e-3             # of its start, by which a parameter is moved to see whether anything changes
SHARE_LEFT = 1e-4       # of what the residual was made of at the start: terms that cancel are as large still
ALIKE = .5              # of the largest term of a model: those that may cancel it
CANCELLED = .1          # of the largest term: what is left where they do
FORWARD_RANK, EXACT_RANK = 1e-6, 1e-10      # relative size of a column of R that counts as independent at the start

# NumPy's BLAS takes memory for itself at its first call, and ends the process if there is none: it is called here, before any fit
np.linalg.eigh(np.eye(3) @ np.ones((3, 3)) @ np.ones((3, 3)).T)


class Problem(Record):
    """A least-squares problem in its varying parameters.

    Attributes
    ----------
    fun : Residual
        ``fun(x) -> ndarray, shape (n,)``, new at each call, NaN where it can't be evaluated; counts its calls and limits them.
    jac : callable or None
        ``jac(x) -> ndarray, shape (n, p)``.
    free : object
        The bounds transform: ``fit_bounds(x, reach)``, ``external(v)``, ``internal(x)``, ``slopes(v)``.
    lower, upper : ndarray, shape (p,)
    x0 : ndarray, shape (p,)
        Start values.
    r0 : ndarray, shape (n,)
        The residual there.
    precision : float
        Relative precision of the residual.
    unit : float
        What the residual was divided by.
    xtol, ftol, gtol : float
        Tolerances of the solver's stopping test.
    """

    fun: Residual
    jac: Callable[[np.ndarray], np.ndarray] | None
    free: Any
    lower: np.ndarray
    upper: np.ndarray
    x0: np.ndarray
    r0: np.ndarray
    precision: float = EPS
    unit: float = 1.
    xtol: float = 1e-7
    ftol: float = 1e-7
    gtol: float = 0.


class Solution(Record):
    """Where a descent ended.

    Attributes
    ----------
    x : ndarray, shape (p,)
    residual : ndarray, shape (n,)
    jacobian : ndarray, shape (n, p)
    cosines : ndarray, shape (p,)
        The gradient free of scale, ``|J_j . r| / (|J_j| |r|)``.
    held : tuple of int
        Parameters at a bound that chi-square pushes against.
    dead : tuple of int
        Parameters that the residual does not determine.
    lost : tuple of int
        Those of them that it did determine at the start: the fit ran onto a flat.
    bent : tuple of int
        Those of the dead ones that chi-square tells by how it bends: it has a minimum in them.
    idle : tuple of int
        Those of the dead ones whose columns say nothing, bent ones among them: the errors of all others are those without them.
    converged : bool
    reason : FitStatus
        Why it stopped.
    method : str
    factors : ndarray, shape (p, rank)
    norms : ndarray, shape (p,)
        ``(J^T J)^-1_ij = (factors factors^T)_ij / (norms_i norms_j)`` over what is determined.
    polished : bool
        It ended with steps down to rounding.
    verdict : str
        The judgement of the point, as `Polish.judge` gives it; "" where the residual could not be called any more.
    size : float
        The size of what the residual was computed from at the start.
    rounding : float
        What of the residual's length may be rounding.
    """

    x: np.ndarray
    residual: np.ndarray
    jacobian: np.ndarray
    cosines: np.ndarray
    held: tuple[int, ...]
    dead: tuple[int, ...]
    lost: tuple[int, ...]
    converged: bool
    reason: FitStatus
    method: str
    factors: np.ndarray
    norms: np.ndarray
    polished: bool = False
    verdict: str = ""
    size: float = 0.
    rounding: float = 0.
    bent: tuple[int, ...] = ()
    idle: tuple[int, ...] = ()

    @property
    def norm(self) -> float:
        """The length of the residual."""
        return length(self.residual)

    @property
    def status(self) -> FitStatus:
        """How the fit ended, as every entry says it: what the point is comes before why the descent stopped there."""
        if not self.converged:
            return self.reason if not self.reason.success else FitStatus.NO_EFFECT if self.verdict == "no effect" else FitStatus.NO_PROGRESS
        if self.held and (self.verdict != "exact" or not self.dead):
            return FitStatus.AT_BOUND
        if self.dead:
            return FitStatus.RANK_DEFICIENT
        return FitStatus.POLISHED if self.polished and self.reason != FitStatus.EXACT else self.reason

    @property
    def doubtful(self) -> bool:
        """Whether another method should be tried."""
        return not self.converged or (not set(self.dead) <= set(self.bent) and self.verdict != "exact")


class Descent(Polish):
    """One way down from one start by one method.

    Parameters
    ----------
    problem : Problem
    method : str
        Of GSL's solvers.
    direct : bool
        Let the solver go all the way by itself before the first polish.
    chief : Descent, optional
        The one whose residual had shrunk to rounding where this one begins.
    fell : bool
        Whether a way before it fell, time after time, along what its Jacobian left open.
    """

    accelerated = False         # it crept, and goes on with geodesic acceleration
    vanishing = False           # the residual goes to zero, for ever
    creeps = False              # Newton steps led lower for as long as they were taken, see `curvature.newton`
    slopes_jump = False         # it ended at the minimum of a kink, or may have
    bent: tuple[int, ...] = ()  # parameters that J says nothing of where it ended, and that Newton's minimum is one of
    cosine_told = -1.           # of Newton's step where it ended, or of derivatives on both sides of a kink; < 0: neither
    unasked: tuple[int, ...] = ()   # parameters without a column there
    may_go_on = False           # evaluations are kept beyond those that this way down may use, to go on from its end
    _solver: Any = None

    def __init__(self, problem: Problem, method: str = "lmsder", direct: bool = False, chief: Descent | None = None,
                 fell: bool = False) -> None:
        super().__init__(problem)
        self.method, self.direct, self.chief, self.fell = method, direct, chief, fell
        self._failed = problem.x0, FitStatus.NOT_RUN       # where the last solver failed, and why
        self._unhelped: np.ndarray | None = None           # where Newton steps did not help

    # the way down

    def run(self) -> Solution:
        """Descend; a limit or an abort on the way ends at the best point seen."""
        try:
            return self.finish(*self._run())
        except OutOfCalls:
            return self.stop(FitStatus.MAX_NFEV)
        except Aborted:
            return self.stop(FitStatus.STOPPED)

    def _run(self) -> tuple[bool, FitStatus]:
        """Go down until the point reached is settled, or nothing helps; return whether it is, and why the last solver stopped."""
        try:
            return self._go_down()
        finally:
            self._solver = None         # it calls this descent back: what both hold would wait for the garbage collector

    def _go_down(self) -> tuple[bool, FitStatus]:
        start, rank_tolerance = self.begin(), self.rank_tolerance
        for _ in range(1 + ESCAPES):
            reason = self._descend(start)
            if reason == FitStatus.NO_EFFECT or not self.finite:
                return False, reason
            if self.norm() <= VANISHED:
                return True, FitStatus.EXACT
            settled, saddle = reason in SETTLED, reason == FitStatus.SADDLE
            if not settled and self.rounding() < self.norm() <= self.rounding_of(self.first_size):
                return self._look_closer(reason)
            if not settled and not saddle:
                from gslfit.minimizer import kinks
                found = self._newton()
                settled, saddle = found == "minimum", found == "saddle"
                beside = "" if settled or saddle else kinks.descend(self)
                self.slopes_jump = beside == "minimum"
                settled, saddle = settled or self.slopes_jump, saddle or beside == "lower"
            if settled and (self.slopes_jump or (not self.exact and self.steps_over_kink())):
                from gslfit.minimizer import kinks
                found = kinks.sharpen(self)
                if found in UNSETTLED:
                    return False, UNSETTLED[found]
                if found:
                    settled, saddle, self.slopes_jump = False, True, False
            if settled or (not saddle and self._passes()):
                found = self._look_around(settled)
                if found in UNSETTLED:
                    return False, UNSETTLED[found]
                self.fell = found == "down"
                if not self.fell:
                    return settled, reason if reason in SETTLED or not settled else FitStatus.STEP
            elif not saddle:
                return False, reason
            self._solver, start, self.rank_tolerance = None, self.problem.free.internal(self.x), rank_tolerance
        return False, FitStatus.SLOW        # it went down from what passes for a minimum, time after time

    def _passes(self) -> bool:
        """Return whether the point reached may pass for a minimum of what J determines, though steps have not settled there."""
        qr = self.decompose()
        if not self.finite:
            return False
        if qr.undetermined() and length(self.J @ qr.step(self.r)) <= UNTOLD * self.norm():
            return True
        weak = self.weak(FLAT)
        if not weak or self._left_without(weak) > UNTOLD:       # no evaluations for nothing
            return False
        self.bent = self._bent_of(self._flat())
        return bool(self.bent) and self._left_without(self.bent) <= UNTOLD

    def _bent_of(self, which: Iterable[int]) -> tuple[int, ...]:
        """Return those of some parameters that chi-square bends up at."""
        return tuple(sorted(j for j in which if self.bends_up(j)))

    def _left_without(self, bent: Iterable[int]) -> float:
        """Return the share of the residual's length that Gauss-Newton's step promises to remove by all others than some parameters."""
        others = ScaledQR(self.J, self.rank_tolerance, np.isin(np.arange(self.p), [*bent, *self.held]))
        return length(self.J @ others.step(self.r)) / self.norm()

    def _look_around(self, settled: bool) -> str:
        """Look, where the point reached does not determine all parameters, whether that is so at a minimum; see `look_around`.

        That it could not be seen is an objection where a way before fell, or J leaves something open that it had told, or that it may tell
        elsewhere since it changes, or steps did not settle there, or what is vague has gone far from where it began.
        """
        if self.held:
            from gslfit.minimizer.curvature import leave_bound
            if leave_bound(self):
                return "down"
        even = self.even()
        if self.cosine_told >= 0:
            self.bent = even
        if len(even) > 1:
            from gslfit.minimizer.curvature import go_down_together
            if go_down_together(self, even):
                return "down"
        vague = self.vague()
        vague = sorted(set(vague).difference(self.bent)) if vague else vague
        if not vague and self._may_be_level():
            from gslfit.minimizer.curvature import leave_level
            return leave_level(self)
        if not vague or (self.norm() <= self.rounding_of(self.first_size) and (self._shrink(vague) or not self.smooth())):
            return ""
        from gslfit.minimizer.curvature import look_around
        first = self.first
        assert first.first_J is not None
        begun = first.problem.x0
        far = np.abs(self.x) > AFAR * np.abs(begun)
        full = ScaledQR(first.first_J, EXACT_RANK if self.exact else FORWARD_RANK).rank == self.p
        opened = full or bool((far & (begun != 0))[self.qr.undetermined()].any())
        found = look_around(self, opened, self.bent or even)
        gone = any(abs(self.x[j]) > GONE * abs(begun[j]) > 0 for j in vague)
        counts = found != "unseen" or self.fell or gone
        return found if counts or (self.decompose().undetermined() and (opened or not settled or self._has_turned())) else ""

    def _may_be_level(self) -> bool:
        """Return whether the residual is as long as at the start, or nearly, and its gradient the same though by J it has changed."""
        first = self.first
        assert first.first_J is not None
        if not self.norm() > (1 - NEARLY)*length(first.problem.r0):
            return False
        way = self.x - first.problem.x0
        way[list(self.held)] = 0
        change = self.J @ way
        size = change @ change
        return bool(0 < size < np.inf and (self.r @ change - first.problem.r0 @ (first.first_J @ way)) < LEVEL*size)

    def _has_turned(self) -> bool:
        """Return whether the Jacobian has changed since the start: of a straight model it says all, also of what it leaves open."""
        assert self.first.first_J is not None
        return bool(np.any(lengths(self.J - self.first.first_J) > CURVED*self.decompose().norms))

    def _look_closer(self, reason: FitStatus) -> tuple[bool, FitStatus]:
        """Descend again from where the residual has shrunk to the rounding of what it was at the start, as a fit begun here.

        Data of 1e-30 fitted from 1 are found so, and starts from where a model explodes.  What shrinks so time after time is on its way to
        zero, which it approaches for ever where the root is a double one.
        """
        for _ in range(CLOSEST if self.chief is None else 0):
            if self._approaches_root():
                break
            closer = Descent(self.problem._replace(x0=self.x, r0=self.r), self.method, direct=True, chief=self)
            settled, why = closer._run()
            self.go_to(closer.x, closer.r)
            self.rank_tolerance = closer.rank_tolerance
            if settled or not closer.rounding() < closer.norm() <= closer.rounding_of(closer.first_size):
                return settled, why if settled else reason
        self.vanishing = self.chief is None
        return self.vanishing, FitStatus.EXACT if self.vanishing else reason

    def _shrink(self, which: list[int]) -> bool:
        """Return whether parameters all but vanish, as they do on the way to a multiple root at zero, which J does not tell next to it."""
        begun = np.abs(self.problem.x0[which])
        return bool(begun.any() and np.all(np.abs(self.x[which])[begun > 0] <= SHRUNK * begun[begun > 0]))

    def _approaches_root(self) -> bool:
        """Return whether the residual all but vanishes at so many times the Gauss-Newton step, as it does at a multiple root.

        A second step by the same Jacobian takes away what errors of derivatives leave; at a simple root it would end there after any first.
        """
        qr, fun, low, high = self.decompose(), self.problem.fun, self.problem.lower, self.problem.upper
        step = qr.step(self.r)

        def left(times: float) -> float:
            x = np.clip(self.x + times * step, low, high)
            return length(fun(np.clip(x + qr.step(fun(x)), low, high))) / self.norm()
        return left(1.) > STAYS and any(left(times) < VANISHING for times in MULTIPLICITIES)

    def _descend(self, start: np.ndarray) -> FitStatus:
        """Solve roughly, polish; where that does not settle, solve to the caller's tolerances, then by centred differences."""
        problem, self.cosine_told, self.unasked, self.bent = self.problem, -1., (), ()
        if self.norm() <= VANISHED:
            self.go_to(self.x, self.r)
            return FitStatus.EXACT
        if self.silent() and self.norm() < np.inf:
            return FitStatus.NO_EFFECT
        many = self.p >= MANY and not self.exact
        own = (many or self.n * self.p > TALL) and not (self.direct or self.bounded) and self._approach(many)
        if not own and not self._start(start if self.x is self.problem.x0 else problem.free.internal(self.x)):
            return self._failed[1]
        reason = FitStatus.MAX_ITER
        if not self.direct:
            for _ in range(0 if own else FIRST_STEPS):
                reason = self._step()
                if reason != FitStatus.MAX_ITER or self.near():
                    break
            if self._settle():
                return self._how()
            if reason == FitStatus.MAX_ITER:
                self._march(LOOSE, LOOSE, LOOSE)
                if self._settle():
                    return self._how()
        for further in (1., FURTHER):
            reason = self._march(problem.xtol * further, problem.ftol * further, problem.gtol * further)
            if self._settle():
                return self._how()
            if reason == FitStatus.FAINT:
                return reason
            found = self._newton()
            if found:
                return FitStatus.STEP if found == "minimum" else FitStatus.SADDLE
        if self._stride():
            return self._how()
        if not self.exact:
            self.centred_from_now, self.differences.fine = True, False
            self._solver = None
            reason = self._march(problem.xtol * FURTHER, problem.ftol * FURTHER, problem.gtol * FURTHER)
            if self._settle() or (self.refine() and self._settle()):
                return self._how()
        return reason

    def _newton(self) -> str:
        """Take Newton steps as `curvature.newton` does, unless they did not help from this very point."""
        if self._unhelped is not None and np.array_equal(self._unhelped, self.x):
            return ""
        from gslfit.minimizer.curvature import newton
        found = newton(self)
        self._unhelped = None if found else self.x
        return found

    def _stride(self) -> bool:
        """Follow a valley that bends by whole Gauss-Newton steps; return whether they settled at a lower minimum.

        The first may lead up the valley's side, from where the next ones lead down: a solver that wants each to be lower creeps.
        """
        begun, norm, sigma = (self.x, self.r), self.norm(), self.norm() / max(1, self.n - self.p)**.5
        if norm <= self.rounding_of(self.first_size) or not self.decompose().least() < VALLEY:
            return False
        self.go_to(*begun)
        if self.refine():
            self.go_to(*begun)
            if self._settle():
                return True
            begun = self.x, self.r
            self.go_to(*begun)
        before, nears = sigma, False
        for _ in range(STRIDES):
            qr = self.decompose()
            if not self.finite or qr.undetermined():
                break
            step = qr.step(self.r)
            told = length(self.J @ step)
            if not TOLD * sigma < told:
                if self.r is not begun[1] and told < CONTRACTS * before and self.norm() <= norm + self.rounding():
                    return True
                break
            if (self.r is begun[1] and told > NEXT_TO * sigma) or (nears and told > before):      # rounding is all that they see
                break
            x = np.clip(self.x + step, self.problem.lower, self.problem.upper)
            r = self.problem.fun(x)
            if not length(r) < np.inf:
                break
            before, nears = told, self.r is not begun[1] and told < before
            self.go_to(x, r)
            if self.norm() < LEFT * norm:
                return self._settle()       # that was another valley
        self.go_to(*begun)
        return False

    def _how(self) -> FitStatus:
        return FitStatus.EXACT if self.norm() <= VANISHED else FitStatus.STEP

    def _approach(self, updates: bool) -> bool:
        """Take the first steps as lmsder would, by R and J^T r alone; return whether there were any.

        Of many points GSL's copies of J would cost more than the residual. Of many parameters a Jacobian would cost more evaluations than
        the steps that `updates` of it take longer: it is taken anew where one of these is of no use, and once they promise little.
        """
        from gslfit.minimizer.trust_region import TrustRegion
        delta, fresh, taken, units = 0., True, 0, np.zeros(self.p)
        while taken < (UPDATED_STEPS if updates else FIRST_STEPS):
            qr = self.decompose()
            if not self.finite or qr.rank < self.p or not (self.exact or qr.least() > FORWARD_RANK) or self.norm() <= VANISHED:
                break
            units = np.maximum(units, qr.norms)             # of a region that never widens along a column that has shortened
            shares = qr.norms / units
            region = TrustRegion(qr.factors() / shares[:, None], self.slopes() * shares)
            delta = delta or 100 * length(units * self.x) or 100.
            for _ in range(TRIALS if fresh else 1):
                norm = self.norm()
                step, damping = region.step(delta)
                if not taken:
                    delta = min(delta, length(step))
                x = self.x + step / units
                r = self.problem.fun(x)
                delta, good = region.judge(step, damping, delta, norm, length(r))
                if good:
                    break
            if good:
                taken += 1
                if updates and region.ratio > POOR and region.promised > LITTLE:
                    self.update(x, r)
                    fresh = False
                    continue
            elif fresh:
                break
            else:
                x, r = self.x, self.r
            self.go_to(x, r, self.centred_from_now)
            fresh = True
            if self.near():
                break
        if not fresh:
            self.go_to(self.x, self.r, self.centred_from_now)
        return taken > 0

    def _step(self) -> FitStatus:
        """Let the solver make one step; where it made none, say as `_march` does why."""
        try:
            if not self._solver.iterate():
                return FitStatus.MAX_ITER
        except SOLVER_FAILS as error:
            if error.of_caller:
                raise
            return self._fail(FitStatus.NO_PROGRESS)
        return self._march(LOOSE, LOOSE, LOOSE, 1)

    def _march(self, xtol: float, ftol: float, gtol: float, max_iter: int = MAX_ITER) -> FitStatus:
        """Let the solver go on until its stopping test holds, or chi-square hardly falls any more; return why it stopped.

        A solver that failed is not asked to go on: another one starts from where the descent is, if that is elsewhere.
        """
        if self._solver is None:
            if self._failed[1] and np.array_equal(self._failed[0], self.x):
                return self._failed[1]
            if not self._start(self.problem.free.internal(self.x)):
                return self._failed[1]
        pace = PACE + self.p
        for done in range(0, max_iter, pace):
            before = self.norm()
            try:
                outcome = self._solver.solve(xtol=xtol, ftol=ftol, gtol=gtol, max_iter=min(pace, max_iter - done))
            except SOLVER_FAILS as error:
                if error.of_caller:
                    raise
                return self._fail(FitStatus.NO_PROGRESS)
            if outcome.ending in (FitStatus.NONFINITE, FitStatus.FAILED, FitStatus.EXACT):
                return self._fail(FitStatus.EXACT if outcome.ending == FitStatus.EXACT else FitStatus.NO_PROGRESS)
            if outcome.ending != FitStatus.MAX_ITER:
                return outcome.ending if outcome.success else FitStatus.NO_PROGRESS
            if self.norm() <= self.rounding_of(self.first_size):
                return FitStatus.FAINT
            if done + pace < max_iter and not self.norm() < before * (LAZY if self.accelerated else SLOW):
                if self.accelerated:
                    return FitStatus.SLOW
                self.accelerated = True
                if not self._start(self.problem.free.internal(self.x)):
                    return self._failed[1]
        return FitStatus.MAX_ITER

    def _start(self, v: np.ndarray) -> bool:
        """Set a new solver to start at v; return whether it can."""
        try:
            self._solver = start_solver(self, v)
        except SOLVER_FAILS as error:
            if error.of_caller or (self.x is self.problem.x0 and self.chief is None):       # the caller's own start
                raise
            self._fail(FitStatus.NO_PROGRESS)
        return self._solver is not None

    def _fail(self, reason: FitStatus) -> FitStatus:
        """Let go of a solver that can't go on."""
        self._solver, self._failed = None, (self.x, reason)
        return reason

    def _settle(self) -> bool:
        """Return polish; where that shows a parameter stuck on the wrong bound, move it inside and go on."""
        for _ in range(1 + self.p):
            if self.norm() <= VANISHED or (self.finite and self.polish()):
                return True
            if not self._release():
                break
            self._solver = None
            self._march(self.problem.xtol, self.problem.ftol, self.problem.gtol)
        return False

    def _release(self) -> bool:
        """Move parameters inside that lie on a bound against the gradient; return whether there were any."""
        if not self.bounded:
            return False
        lower, upper = self.problem.lower, self.problem.upper
        g = self.slopes()
        near_lower = (self.x - lower <= 1e-6 * self.room) & (g < 0)
        near_upper = (upper - self.x <= 1e-6 * self.room) & (g > 0)
        if not (near_lower.any() or near_upper.any()):
            return False
        self.x = np.where(near_lower, lower + NUDGE * self.room, np.where(near_upper, upper - NUDGE * self.room, self.x))
        return True

    # the end

    def finish(self, settled: bool, reason: FitStatus, known: bool = False) -> Solution:
        """Judge the point reached: whether it is a minimum, what is at a bound, what has no effect, how flat the gradient is.

        `known` is whether another judge has called it a minimum.
        """
        qr = self.decompose()
        undetermined = qr.undetermined()
        flat = self._flat()
        if any(qr.norms[j] > 0 for j in self.unasked):      # Newton's step did not know of it
            self.cosine_told = -1.
        verdict, success, silent, lost = self.judge(self._scale(), unmoved=reason == FitStatus.NO_EFFECT,
                                                    runs_off=reason == FitStatus.FLAT, cosine=self.cosine_told)
        if verdict == "no minimum" and flat and self.cosine_told < 0 and (bent := self._bent_of(flat)):
            self.bent = tuple(sorted({*self.bent, *bent}))
            verdict, success, silent, lost = self.judge(self._scale(), cosine=self._left_without(bent))
        if vanished := {j for j in self._vanished(undetermined) if j not in self.bent and not self.bends_up(j)} if undetermined else set():
            undetermined = ScaledQR(self.J, self.rank_tolerance, np.isin(np.arange(self.p), [*vanished])).undetermined()
            lost = tuple(sorted({*lost, *vanished}))
        if (success or known) and verdict != "exact" and self.norm() > VANISHED and (even := self.even()):
            self.bent = tuple(sorted({*self.bent, *even}))
        if (success or known) and self.norm() > VANISHED and self.turns_round():
            success, settled, verdict, reason = False, False, "no minimum", FitStatus.FLAT
        if (settled and verdict == "minimum" and self.finite and not (undetermined or flat or self.bent or self.vanishing)
                and self.norm() > max(VANISHED, self.rounding_of(self.first_size))):
            return self._solution(True, reason, (), (), True, verdict)      # as nearly every fit ends: what follows asks in vain
        dead = tuple(sorted({*undetermined, *flat, *silent, *vanished, *self.bent}))
        if success and not settled and verdict != "exact" and self._still_falls():
            success, verdict = False, "no minimum"
        if settled and verdict == "no minimum":          # steps down to rounding settled it, which a cosine by differences can't tell
            success = self.cosine <= UNTOLD or (self.norm() <= FAINT * self.rounding() and not self.smooth())
        if self.creeps and not settled and not self.slopes_jump and verdict != "exact":
            reason = FitStatus.SLOW
        if not settled and reason in (FitStatus.SLOW, *UNSETTLED.values()) and verdict != "exact":
            success = False
        if success and not settled:
            vague = reason in (FitStatus.NO_PROGRESS, FitStatus.MAX_ITER, FitStatus.NO_EFFECT)
            reason = FitStatus.EXACT if verdict == "exact" else FitStatus.PRECISION if vague else reason
        if self.vanishing or self.norm() <= VANISHED:
            success, reason, verdict = True, FitStatus.EXACT, "exact"
        if success and self.norm() <= self.rounding_of(self.first_size) and (
                self.norm() <= self.rounding() or self._shrink(list(dead)) or not self.smooth()):
            verdict = "exact"
        if verdict == "exact" and self.norm() > VANISHED and (self.norm() > self.rounding() or not self.norms.any()) and self._inert():
            success, verdict, reason = False, "lost", FitStatus.LOST_EFFECT
        if flat:
            lost = tuple(sorted({*lost, *(j for j in flat & self._lost() if not self.bends_up(j))}))
        if lost and verdict != "exact":
            verdict = "silenced" if self.held else "lost"
            success, reason = False, FitStatus.SILENCED if self.held else FitStatus.LOST_EFFECT
        if self.exact and not self.finite:
            success, reason = False, FitStatus.NONFINITE
        end = self._solution(success, reason, dead, lost, settled, verdict, (*silent, *lost, *self.bent))
        return self._vanish(end) if self.norm() <= VANISHED else end

    def _vanish(self, end: Solution) -> Solution:
        """Return an end with parameters that have vanished with the residual (amplitudes of 1e-300) 0, and what that silences left out."""
        first, problem = self.first, self.problem
        if first.first_norms is None or problem.fun.scale < 1:      # in another unit these may be what was asked for
            return end
        size, begun = np.abs(self.x), np.abs(first.problem.x0)
        none = (size*first.first_norms <= VANISHED) & (first.first_norms > 0) & ((size < SHRUNK*begun) | (begun == 0))
        none &= (problem.lower <= 0) & (problem.upper >= 0)
        x = np.where(none, 0.0, self.x)
        if not none.any() or length(r := problem.fun(x)) > 0:       # data of 1e-300 are data
            return end
        dead, J = [], np.array(first.first_J)
        for j in np.flatnonzero(~none):
            way = np.where(np.arange(self.p) == j, x*MOVE, 0.0)
            if length(problem.fun(np.clip(x + way, problem.lower, problem.upper))) <= VANISHED:
                dead.append(int(j))
                J[:, j] = 0
        qr = ScaledQR(J, self.rank_tolerance, np.isin(np.arange(self.p), [*self.held]))
        return end._replace(x=x, residual=r, jacobian=J, cosines=np.zeros(self.p), dead=tuple(sorted({*dead, *qr.undetermined()})),
                            lost=tuple(dead), factors=qr.factors(), norms=qr.norms, idle=(), converged=True, reason=FitStatus.EXACT)

    def _inert(self) -> bool:
        """Return whether the residual stays as it is wherever a parameter that isn't held goes by a part of its size: then it is no
        rounding.
        """
        sizes = np.maximum(np.abs(self.x), np.abs(self.first.problem.x0))
        sizes[list(self.held)] = 0
        for j in np.flatnonzero(sizes):
            x = self.x.copy()
            x[j] += MOVE*sizes[j]
            moved = self.problem.fun(np.clip(x, self.problem.lower, self.problem.upper))
            if not length(moved - self.r) <= FLAT*self.norm():
                return False
        return bool(sizes.any()) or not self.norms.any()

    def _still_falls(self) -> bool:
        """Return whether chi-square falls along the Gauss-Newton step, by what tells.

        Where it bends by less than J^T J says, that is longer than the step; how far it leads to rounding of a Jacobian whose columns are
        nearly dependent is not to be known from its length either.
        """
        from gslfit.minimizer.curvature import LONGER_WAYS, SHORTER_WAYS, lowest_along
        least = TOLD ** 2 / (2 * max(self.n - self.p, 1))
        ways = SHORTER_WAYS if self.blurred else LONGER_WAYS
        return lowest_along(self, [self.decompose().step(self.r)], ways, max(least, LOWER)) is not None

    def known(self, x: np.ndarray, status: FitStatus) -> Solution:
        """Return the solution at a point that another solver reached from the same start, and judged."""
        self.begin()
        self.go_to(x, self.problem.fun(x))
        self.slopes_jump = status.success and status != FitStatus.RANK_DEFICIENT
        found = self.finish(True, FitStatus.STEP, status.success)
        if status.success:
            verdict = found.verdict if found.verdict == "exact" else "at bound" if self.held else "minimum"
            return found._replace(converged=True, verdict=verdict, reason=found.reason if found.converged else FitStatus.STEP)
        return found._replace(converged=False, reason=status)

    def looked_at(self, end: Solution) -> Solution:
        """Return a silenced end, judged again: a look from inside has found nothing lower."""
        self.begin()
        self.go_to(end.x, end.residual)
        self.decompose()
        verdict, success, _, _ = self.judge(self._scale(), looked=True)
        reason = FitStatus.STEP if success else FitStatus.LOST_EFFECT if verdict == "lost" else FitStatus.NO_PROGRESS
        return end._replace(converged=success, reason=reason, verdict=verdict)

    def stop(self, reason: FitStatus) -> Solution:
        """Return the best point seen, where the residual may not be called any more."""
        best, norm = self.problem.fun.best, self.norm()
        if best is not None and length(best[1]) < norm:
            self.x, self.r = best
        self.leave_bounds()
        found = self._solution(False, reason, tuple(self.decompose().undetermined()), (), False)
        # far from where the Jacobian was taken it says nothing of rounding
        return found if norm < CLOSE_BY * found.norm else found._replace(rounding=0.)

    def _solution(self, converged: bool, reason: FitStatus, dead: tuple[int, ...], lost: tuple[int, ...], polished: bool,
                  verdict: str = "", idle: Iterable[int] = ()) -> Solution:
        qr = self.decompose()
        factors, norms = qr, qr.norms
        without = sorted({j for j in idle if j in dead and j not in self.held}) if dead else ()
        if without and norms[without].any():
            factors = ScaledQR(self.J, self.rank_tolerance, np.isin(np.arange(self.p), [*without, *self.held]))
        return Solution(self.x, self.r, self.J, qr.cosines(self.r), self.held, dead, lost, converged, reason, self.method,
                        factors.factors(), norms, polished and converged, verdict, self.first.first_size, self.rounding(), self.bent,
                        tuple(without))

    def _scale(self) -> float:
        """Return what the residual's rounding is measured by: the model's size here, or at the start where nothing but rounding is left."""
        size, norm = self.size(), self.norm()
        if self.rounding() < norm <= self.rounding_of(self.first_size) and not self.smooth():
            return self.first_size
        return min(size, self.first.first_size) if size > norm else self.first_size if norm == 0 else 0.

    def _lost(self) -> set[int]:
        """Return Parameters without effect on the residual here that had one at the start."""
        first = self.first
        if first.first_norms is None:
            return set()
        now, then = self.qr.norms * np.abs(self.x), first.first_norms * np.abs(first.problem.x0)
        return set(np.flatnonzero((now < FLAT * length(self.r)) & (then > FLAT * length(first.problem.r0))).tolist()) - set(self.held)

    def _vanished(self, which: Iterable[int]) -> set[int]:
        """Return Parameters, of some, that had an effect at the start and have shrunk to nothing: of any value near theirs the residual is
        the same. Their columns are those of longer differences, which reach across zero.
        """
        found: set[int] = set()
        first = self.first
        if self.exact or first.first_norms is None:
            return found
        begun = first.problem.x0
        for j in which:
            shrunk = 0 < abs(self.x[j]) < abs(begun[j])/AFAR and first.first_norms[j]*abs(begun[j]) > FLAT*length(first.problem.r0)
            if not shrunk or j in self.held:
                continue
            for share in (0.5, 2.0):
                trial = self.x.copy()
                trial[j] = np.clip(share*self.x[j], self.problem.lower[j], self.problem.upper[j])
                if not length(self.problem.fun(trial) - self.r) < FLAT*length(self.r):
                    break
            else:
                found.add(j)
        return found

    def _flat(self) -> set[int]:
        """Return Parameters whose whole value hardly matters and whose slope is not what the residual does.

        On a flat the slope is a tiny number that promises a change only at absurd distances.  A parameter near zero looks alike
        until it is moved: its change comes as the slope says.
        """
        if self.slopes_jump:        # behind a kink, the residual doesn't follow its slope
            return set()
        return {j for j in self.weak(FLAT) if not self.straight(j, self.norm())}


def start_solver(descent: Descent, v0: np.ndarray) -> Any:
    """Return a GSL solver of the descent's method, set to start at v0."""
    n, p = descent.problem.r0.size, v0.size
    if descent.method in METHODS and not descent.accelerated:
        solver: Any = FdfSolver(descent.method, n, p)
    else:
        from gslfit.solvers._nlinear import NonlinearSolver
        solver = NonlinearSolver(n, p, trs="lmaccel" if descent.accelerated else descent.method)
    solver.set(descent, v0)
    return solver


def minimise(problem: Problem, method: str = "lmsder") -> tuple[Solution, list[Solution]]:
    """Find a minimum; where the first answer is in doubt, look again by other ways from the start.

    The first way may use half of the evaluations allowed, so that one that wanders does not use them all; each of the others as much
    of what is then left; and what is left in the end the best of them, where it did not get to a minimum.

    Returns
    -------
    Solution
        The one with the lowest chi-square; of equals, the one without doubt, or one that is a minimum.
    list of Solution
        All that were tried, in order.
    """
    calls = problem.fun
    allowed, least = calls.limit, ENOUGH * (problem.x0.size + 1)
    tried: list[Solution] = []
    try:
        for way in chain((method,), LOOK_AGAIN):
            if tried and way == method:
                continue
            calls.limit = min(allowed - RESERVE * allowed * bool(tried), calls.nfev + max(SHARE * (allowed - calls.nfev), least))
            descent = Descent(problem, way, direct=bool(tried), fell=fell_again(tried))
            descent.may_go_on = calls.limit < allowed
            tried.append(descent.run())
            if len(tried) == 1 and may_be_astray(problem, tried[0]) and descent.first_J is not None:
                calls.limit = min(allowed, calls.nfev + max(SHARE * (allowed - calls.nfev), least))
                look_from_warm(problem, descent.first_J, tried, way)
            if (not tried[-1].doubtful or tried[-1].reason == FitStatus.NO_EFFECT or calls.stopped is Aborted
                    or calls.nfev >= allowed - RESERVE * allowed):
                break
        best, first = best_of(tried), descent if descent.first_J is not None else None
        if best.reason in (FitStatus.MAX_NFEV, FitStatus.SLOW) and calls.nfev < allowed and calls.stopped is not Aborted:
            calls.limit = allowed
            again = Descent(problem._replace(x0=best.x, r0=best.residual), best.method, fell=fell_again(tried))
            again.origin = first
            further = again.run()
            tried = [further if solution is best else solution for solution in tried]
            best = best_of(tried)
        while best.verdict == "exact" and best.dead and calls.stopped is not Aborted and look_without_cancelling(problem, best, tried):
            best = best_of(tried)
        if best.verdict == "silenced" and calls.stopped is not Aborted:
            calls.limit = allowed
            try:
                best = look_inside(problem, best, tried, first)
                if best.verdict == "lost":      # another way may have come as low, to where it is a minimum
                    best = next((each for each in alike(tried) if each.converged), best)
            except OutOfCalls:
                best = best._replace(reason=FitStatus.MAX_NFEV)
    finally:
        if calls.stopped is not Aborted:
            calls.limit = allowed
    return best, tried


def may_be_astray(problem: Problem, end: Solution) -> bool:
    """Return whether a first way down may have led elsewhere: it did not converge, took long, or turned a sign."""
    if not end.converged or problem.fun.nfev > LONG * (end.x.size + 1):
        return True
    return min(map(mul, problem.x0.tolist(), end.x.tolist())) < 0


def fell_again(tried: Sequence[Solution]) -> bool:
    """Return whether one of the ways down fell, time after time, along what its Jacobian left open."""
    return bool(tried) and any(each.reason == FitStatus.SLOW for each in tried)


def look_from_warm(problem: Problem, J: np.ndarray, tried: list[Solution], method: str) -> None:
    """Try once more, where amplitudes that started far too small may have led the first way astray; a lower end joins `tried`."""
    first = tried[0]
    if problem.fun.stopped is Aborted or not looks_cold(problem.x0, first.x, problem.r0, J):
        return
    try:
        warm = warm_start(problem.fun, problem.x0, problem.r0, J, problem.lower, problem.upper)
        if warm is None:
            return
        r = problem.fun(warm)
        if not length(r) < length(problem.r0):
            return
        found = Descent(problem._replace(x0=warm, r0=r), method, fell=fell_again(tried)).run()
    except OutOfCalls:
        return
    if found.norm < first.norm * (1 - LOWER) or (found.converged and not first.converged):
        tried.append(found)


def look_without_cancelling(problem: Problem, end: Solution, tried: list[Solution]) -> bool:
    """Try once more, from next to the end without them, where the residual is at the rounding of terms that cancel each other: what is less
    than that can't be seen beside them. A lower end joins `tried`, a minimum or none; returns whether one did.
    """
    terms = end.norms * np.abs(end.x)
    if end.norm > BLUR * EPS * terms.max() or terms.max() < SHARE_LEFT * end.size:      # where all vanish, a multiple root is come near to
        return False
    large = np.flatnonzero(terms >= ALIKE * terms.max())
    columns, x = end.jacobian[:, large], end.x.copy()
    x[large] = -ScaledQR(columns, EXACT_RANK).step(columns @ end.x[large])
    if np.any(end.norms[large] * np.abs(x[large]) > CANCELLED * terms.max()):
        return False
    x = np.clip(x, problem.lower, problem.upper)
    try:
        found = Descent(problem._replace(x0=x, r0=problem.fun(x)), end.method).run()
    except OutOfCalls:
        return False
    lower = found.norm < end.norm * (1 - LOWER)         # false for a NaN
    if lower:
        tried.append(found)
    return lower


def bounds_silence(problem: Problem, end: Solution) -> bool:
    """Return whether it is a bound that silences others: with what lies on one back where it began, they have an effect again."""
    others = [j for j in end.lost if j not in end.held]
    back = end.x.copy()
    back[list(end.held)] = problem.x0[list(end.held)]
    r = problem.fun(back)
    if not others or not length(r) < np.inf:
        return not others
    there = Descent(problem._replace(x0=back, r0=r))
    there.go_to(back, r)
    size = np.maximum(np.abs(end.x), np.abs(problem.x0))
    return bool(np.all((there.norms*size)[others] > FLAT*end.norm))


def look_inside(problem: Problem, silenced: Solution, tried: list[Solution], first: Descent | None) -> Solution:
    """Look again, from inside, at an end where parameters on their bounds leave others without effect, as `src/batch/gsl_refit.c` does.

    The others go back to where they began, where they had an effect, and what lies on a bound some of its way back too, or as far inside as
    a straight line says. Only where that finds nothing lower is the point a minimum at that bound. What is tried joins `tried`.
    """
    silent = [j for j in silenced.lost if j not in silenced.held]
    base = silenced.x.copy()
    base[silent] = problem.x0[silent]
    if not bounds_silence(problem, silenced):
        r = problem.fun(base)
        if not length(r - silenced.residual) <= FLAT*silenced.norm:
            return silenced._replace(reason=FitStatus.LOST_EFFECT, verdict="lost")
        silenced = silenced._replace(x=base, residual=r)        # while the bound holds they may be anywhere: they had run off before it did
        if not bounds_silence(problem, silenced):
            return silenced._replace(reason=FitStatus.LOST_EFFECT, verdict="lost")
    at = Descent(problem._replace(x0=base, r0=problem.fun(base)))
    if at.norm() < np.inf:
        at.begin()
    begins = [base.copy() for _ in range(WAYS_BACK)]
    for j in silenced.held:
        for k, begin in enumerate(begins[-WAYS_BACK:]):
            begin[j] += (problem.x0[j] - base[j]) / 4**k
        slope = at.gradient()[j] if at.norm() < np.inf else 0.
        inside = 1. if base[j] - problem.lower[j] <= problem.upper[j] - base[j] else -1.
        if slope * inside < 0:
            further = base.copy()
            further[j] -= slope / at.norms[j] ** 2
            begins.insert(0, np.clip(further, problem.lower, problem.upper))
    best, lowest = silenced, silenced.norm
    for begin in begins:
        r = problem.fun(begin)
        if not length(r) < np.inf:
            continue
        descent = Descent(problem._replace(x0=begin, r0=r), silenced.method, direct=True)
        descent.origin = first
        found = descent.run()
        tried.append(found)
        lowest = min(lowest, found.norm)
        if found.converged and found.norm < best.norm * (1 - LOWER):
            best = found
    if best is not silenced:
        return best
    if lowest < silenced.norm * (1 - LOWER):
        return silenced._replace(reason=FitStatus.NO_PROGRESS, verdict="no minimum")
    return Descent(problem, silenced.method).looked_at(silenced)


def best_of(tried: list[Solution]) -> Solution:
    """Return the solution with the lowest chi-square; of equals, the one without doubt, or one that is a minimum."""
    if len(tried) == 1:
        return tried[0]
    equals = alike(tried)
    sure = next((solution for solution in equals if not solution.doubtful), None)
    if sure is not None or equals[0].verdict == "silenced":     # that is still to be looked at
        return sure or equals[0]
    return next((solution for solution in equals if solution.converged), equals[0])


def alike(tried: list[Solution]) -> list[Solution]:
    """Return the solutions whose chi-square is the lowest one within rounding and what nobody is told."""
    sizes = [solution.norm if solution.norm < np.inf else np.inf for solution in tried]         # NaN counts as the worst
    n, p, least = tried[0].residual.size, tried[0].x.size, min(sizes)
    # a sum of n squares is rounded by n EPS at most, the residuals by what they are computed from
    rounding = n * EPS / 2 * least + max(solution.rounding for solution, size in zip(tried, sizes, strict=True) if size == least)
    most = least * (1 + TOLD ** 2 / (2 * max(n - p, 1))) + rounding
    return [solution for solution, size in zip(tried, sizes, strict=True) if size <= most]
