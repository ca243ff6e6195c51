"""From start values to a minimum: GSL's solvers for the way, Gauss-Newton by QR for the last digits, and a second look when in doubt.

A descent has three parts.

1. A GSL solver (lmsder unless told otherwise) on the bounds-transformed variables, with derivatives by forward differences where
   the caller gives none, until its steps are small.
2. A polish in the parameters themselves: Gauss-Newton steps from one QR decomposition of the column-scaled Jacobian, repeated while
   they contract.  A step that keeps the Jacobian costs one evaluation; only when the steps are down to the forward differences'
   own error is the Jacobian taken again, centred, and it then serves the covariance too.
3. A judgement: full rank and contracting steps, or a gradient free of scale that is zero to its own precision, is a minimum.

Where the judgement is in doubt (dependent columns, no progress away from a minimum) the descent is repeated from the start by
other methods and the lowest chi-square is kept.
"""
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from gslfit.errors import GSLError, NonFiniteError
from gslfit.minimizer._descent import Polish, length
from gslfit.minimizer.precision import EPS
from gslfit.minimizer.residual import Aborted, OutOfCalls, Residual
from gslfit.solvers._multifit import METHODS, FdfSolver
from gslfit.solvers.termination import Ending

FIRST_STEPS = 4         # steps of the solver after each of which a polish may be tried
LOOSE = 1e-2            # the solver's tolerance before the polish is tried again
FLAT = 1e-7             # a parameter whose own size changes the residual by less than this share needs a closer look
STATIONARY = 1e-6       # a scale-free gradient below this is that of a minimum found by a solver's own test
NUDGE = 1e-2            # share of its scale by which a parameter stuck on the wrong bound is moved inside

REASONS = {Ending.GRADIENT: "gradient", Ending.STEP: "step", Ending.CHISQUARE: "chisqr", Ending.EXACT: "zero",
           Ending.PRECISION: "precision", Ending.MAX_ITER: "limit"}
FURTHER = 1e-6          # how much tighter the solver's tolerances become where the polish found no hold at the caller's
MAX_ITER = 10_000       # steps of one solver: a guard; what limits a fit is the number of evaluations

SHARE = 0.5             # of the evaluations left that one way down may use
ENOUGH = 200            # evaluations, by the number of parameters and one, that are no wandering yet
LOOK_AGAIN = ("lmder", "dogleg", "subspace2D")    # what is tried when lmsder's answer is in doubt


class Problem(NamedTuple):
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


class Solution(NamedTuple):
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
    converged : bool
    reason : str
        "step", "chisqr", "gradient", "no progress", "maxfev" or "aborted".
    method : str
    factors : ndarray, shape (p, rank)
    norms : ndarray, shape (p,)
        ``(J^T J)^-1_ij = (factors factors^T)_ij / (norms_i norms_j)`` over what is determined.
    polished : bool
        It ended with Gauss-Newton steps down to rounding.
    """

    x: np.ndarray
    residual: np.ndarray
    jacobian: np.ndarray
    cosines: np.ndarray
    held: tuple[int, ...]
    dead: tuple[int, ...]
    lost: tuple[int, ...]
    converged: bool
    reason: str
    method: str
    factors: np.ndarray
    norms: np.ndarray
    polished: bool = False

    @property
    def norm(self) -> float:
        """The length of the residual."""
        return length(self.residual)

    @property
    def doubtful(self) -> bool:
        """Whether another method should be tried."""
        return bool(self.dead) or not self.converged


class Descent(Polish):
    """One way down from one start by one method."""

    def __init__(self, problem: Problem, method: str = "lmsder") -> None:
        super().__init__(problem)
        self.method = method
        self._settled = False

    # the way down

    def run(self) -> Solution:
        """Descend; a limit or an abort on the way ends at the best point reached."""
        try:
            reason, settled = self._run()
        except OutOfCalls:
            return self.finish(False, "maxfev")
        except Aborted:
            return self.finish(False, "aborted")
        solution = self.finish(settled, "step" if settled and reason in ("no progress", "limit") else reason)
        if settled or reason in ("no progress", "limit"):
            return solution
        flat = max(STATIONARY * solution.norm, self.rounding())
        return solution._replace(polished=False, converged=bool(np.max(solution.cosines, initial=0.) * solution.norm <= flat))

    def _run(self) -> tuple[str, bool]:
        """Solve roughly, polish; where that does not settle, solve to the caller's tolerances, then by centred differences."""
        problem = self.problem
        solver = start_solver(self, self.begin())
        reason = "limit"
        for _ in range(FIRST_STEPS):
            reason = step(solver)
            if reason != "limit" or self.near():
                break
        if self._settle():
            return "step", True
        if reason == "limit":
            reason = march(solver, LOOSE, LOOSE, LOOSE)
            if self._settle():
                return reason, True
        for further in (1., FURTHER):
            reason = march(solver, problem.xtol * further, problem.ftol * further, problem.gtol * further)
            if self._settle():
                return reason, True
        if not self.exact:
            self.centred_from_now = True
            solver = start_solver(self, problem.free.internal(self.x))
            reason = march(solver, problem.xtol * FURTHER, problem.ftol * FURTHER, problem.gtol * FURTHER)
            self._settle()
        return reason, self._settled

    def _settle(self) -> bool:
        """Polish; where that shows a parameter stuck on the wrong bound, move it inside and go on."""
        for _ in range(1 + self.p):
            self._settled = self.polish()
            if self._settled or not self._release():
                break
            march(start_solver(self, self.problem.free.internal(self.x)), self.problem.xtol, self.problem.ftol, self.problem.gtol)
        return self._settled

    def _release(self) -> bool:
        """Move parameters inside that lie on a bound against the gradient; return whether there were any."""
        if not self.bounded:
            return False
        lower, upper = self.problem.lower, self.problem.upper
        g = self.gradient()
        near_lower = (self.x - lower <= 1e-6 * self.room) & (g < 0)
        near_upper = (upper - self.x <= 1e-6 * self.room) & (g > 0)
        if not (near_lower.any() or near_upper.any()):
            return False
        self.x = np.where(near_lower, lower + NUDGE * self.room, np.where(near_upper, upper - NUDGE * self.room, self.x))
        return True

    # the end

    def finish(self, converged: bool, reason: str) -> Solution:
        """Judge the point reached: what is at a bound, what has no effect, how flat the gradient is."""
        over = reason in ("maxfev", "aborted")          # the residual may not be called any more
        if over:
            self.leave_bounds()
        qr = self.decompose()
        dead = set(qr.undetermined()) | (set() if over else self._flat())
        lost = tuple(sorted(dead & self._lost())) if dead else ()
        return Solution(self.x, self.r, self.J, qr.cosines(self.r), self.held, tuple(sorted(dead)), lost, converged, reason, self.method,
                        qr.factors(), qr.norms, converged)

    def _lost(self) -> set[int]:
        """Parameters without effect on the residual here that had one at the start."""
        if self.first_norms is None:
            return set()
        now, then = self.qr.norms * np.abs(self.x), self.first_norms * np.abs(self.problem.x0)
        return set(np.flatnonzero((now < FLAT * length(self.r)) & (then > FLAT * length(self.problem.r0))).tolist()) - set(self.held)

    def _flat(self) -> set[int]:
        """Parameters whose whole value hardly matters and whose slope is not what the residual does.

        On a flat the slope is a tiny number that promises a change only at absurd distances.  A parameter near zero looks alike
        until it is moved: its change comes as the slope says.
        """
        norm, norms, found = length(self.r), self.qr.norms, set()
        for j in self.weak(FLAT):
            trial = self.x.copy()
            with np.errstate(over="ignore", invalid="ignore"):
                trial[j] += 1e-3 * norm / norms[j]
                promised = self.J[:, j] * (trial[j] - self.x[j])
                missed = length(self.problem.fun(np.clip(trial, self.problem.lower, self.problem.upper)) - self.r - promised)
            if not missed < 0.1 * length(promised):
                found.add(j)
        return found


def start_solver(descent: Descent, v0: np.ndarray) -> Any:
    """Return a GSL solver of the descent's method, set to start at v0."""
    n, p = descent.problem.r0.size, v0.size
    if descent.method in METHODS:
        solver: Any = FdfSolver(descent.method, n, p)
    else:
        from gslfit.solvers._nlinear import NonlinearSolver
        solver = NonlinearSolver(n, p, trs=descent.method)
    solver.set(descent, v0)
    return solver


def step(solver: Any) -> str:
    """Let a solver make one step; where it made none, say as `march` does why."""
    try:
        if not solver.iterate():
            return "limit"
    except (GSLError, NonFiniteError):  # what GSL could not do; a Jacobian that is not finite
        return "no progress"
    return march(solver, LOOSE, LOOSE, LOOSE, 1)


def march(solver: Any, xtol: float, ftol: float, gtol: float, max_iter: int = MAX_ITER) -> str:
    """Iterate a solver until its stopping test holds; return which did, "limit" after max_iter steps, or "no progress"."""
    return REASONS.get(solver.solve(xtol=xtol, ftol=ftol, gtol=gtol, max_iter=max_iter).ending, "no progress")


def minimise(problem: Problem, method: str = "lmsder") -> tuple[Solution, list[Solution]]:
    """Find a minimum; where the first answer is in doubt, look again by other ways from the start.

    The first way may use half of the evaluations allowed, so that one that wanders does not use them all; each of the others as much
    of what is then left; and what is left in the end the best of them, where it did not get to a minimum.

    Returns
    -------
    Solution
        The one with the lowest chi-square; of equals, the one without doubt.
    list of Solution
        All that were tried, in order.
    """
    calls = problem.fun
    allowed, least = calls.limit, ENOUGH * (problem.x0.size + 1)
    tried: list[Solution] = []
    try:
        for way in (method, *(other for other in LOOK_AGAIN if other != method)):
            calls.limit = min(allowed, calls.nfev + max(SHARE * (allowed - calls.nfev), least))
            tried.append(Descent(problem, way).run())
            if not tried[-1].doubtful or calls.stopped is Aborted or calls.nfev >= allowed:
                break
        best = best_of(tried)
        if best.reason == "maxfev" and calls.nfev < allowed:
            calls.limit = allowed
            further = Descent(problem._replace(x0=best.x, r0=best.residual), best.method).run()
            tried = [further if solution is best else solution for solution in tried]
            best = best_of(tried)
    finally:
        if calls.stopped is not Aborted:
            calls.limit = allowed
    return best, tried


def best_of(tried: list[Solution]) -> Solution:
    """Return the solution with the lowest chi-square; of equals, the one without doubt."""
    sizes = [solution.norm if solution.norm < np.inf else np.inf for solution in tried]         # NaN counts as the worst
    alike = [solution for solution, size in zip(tried, sizes, strict=True) if size <= min(sizes) * (1 + 1e-9)]
    return next((solution for solution in alike if not solution.doubtful), alike[0])
