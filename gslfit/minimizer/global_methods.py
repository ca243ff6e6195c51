"""Methods that are no least-squares solvers: L-BFGS-B and simulated annealing, both ending in a judged `Solution`."""
from typing import Any

import numpy as np

from gslfit.errors import FitStatus
from gslfit.minimizer._descent import room
from gslfit.minimizer.least_squares import Descent, Problem, Solution, minimise
from gslfit.minimizer.residual import Aborted, OutOfCalls
from gslfit.objective._loss import length
from gslfit.objective.lengths import lengths

LBFGSB_OPTIONS = {"m": "maxcor", "factr": "ftol", "pgtol": "gtol", "maxfun": "maxfun", "maxiter": "maxiter"}
RUNS = 10                  # of L-BFGS-B, each from where the last one ended
LIMIT = 1                  # SciPy's status of a run that a limit ended
WALL = 1e10                # chi-square, by that of the start, where the model can't be computed
SETTLED = 1e-4             # share of the residual that a Gauss-Newton step may still promise to remove at a minimum
ANNEAL_CALLS = 500_000     # of the residual, where the caller sets no limit
ANNEAL_OPTIONS = ("seed", "iters_fixed_T", "step_size", "k", "t_initial", "mu_t", "t_min")
WALK = 0.8      # share of the evaluations allowed that an annealing walk may use; the descent after it has the rest


def lbfgsb(setup: Any, **options: Any) -> Solution:
    """Minimise chi-square by SciPy's L-BFGS-B.

    The variables are scaled by the lengths of the Jacobian's columns, and chi-square by its value, at the start of each run, so that the
    result does not depend on units; the gradient is 2 J^T r. L-BFGS-B may stop long before a minimum, in a narrow valley or after a step to
    where the model overflows; so it is run again from the best point while a Gauss-Newton step still promises a decrease.

    Parameters
    ----------
    setup : Setup
    m, factr, pgtol, maxfun, maxiter : optional
        As `scipy.optimize.fmin_l_bfgs_b` takes them.

    Returns
    -------
    Solution
    """
    settings = {LBFGSB_OPTIONS[name]: value for name, value in options.items()}
    if "ftol" in settings:
        settings["ftol"] *= float(np.finfo(float).eps)
    problem = setup.problem
    descent = Descent(problem, "lbfgsb")
    best = [problem.x0, problem.r0]
    reason, converged = FitStatus.NO_PROGRESS, False
    try:
        descent.go_to(*best)
        for _ in range(RUNS):
            before = length(best[1])
            status = _run_lbfgsb(problem, descent, best, settings)
            descent.go_to(*best)
            promised = descent.J @ descent.decompose().step(descent.r)
            if status == LIMIT:
                reason = FitStatus.MAX_NFEV
                break
            converged = length(promised) <= max(SETTLED * length(descent.r), descent.rounding())
            if converged:
                reason = FitStatus.CHISQUARE
            if converged or not length(best[1]) < before:
                break
    except (OutOfCalls, Aborted) as stop:
        return descent.stop(FitStatus.STOPPED if isinstance(stop, Aborted) else FitStatus.MAX_NFEV)
    if reason == FitStatus.MAX_NFEV:
        return descent.stop(reason)
    return descent.finish(converged, reason)


def _run_lbfgsb(problem: Problem, descent: Descent, best: list[np.ndarray], settings: dict[str, Any]) -> int:
    """Run L-BFGS-B from where the descent is; leave the best point and its residual in `best`, return SciPy's status."""
    from scipy.optimize import minimize
    origin, unit = descent.x, length(descent.r) or 1.
    norms = lengths(descent.J)
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = np.where(norms > 0, unit / norms, np.maximum(np.abs(origin), 1.))

    def chisqr(z: np.ndarray) -> tuple[float, np.ndarray]:
        x = np.clip(origin + scale * z, problem.lower, problem.upper)
        r = best[1] if np.array_equal(x, best[0]) else problem.fun(x)
        if not np.isfinite(r).all():
            return WALL, np.zeros(z.size)
        if length(r) <= length(best[1]):
            best[:] = x, r
        descent.go_to(x, r)
        r = r / unit
        return min(float(r @ r), WALL), 2 * scale * (r @ (descent.J / unit))

    bounds = list(zip((problem.lower - origin) / scale, (problem.upper - origin) / scale, strict=True))
    out: Any = minimize(chisqr, np.zeros(origin.size), jac=True, method="L-BFGS-B", bounds=bounds,      # type: ignore[call-overload]
                        options=settings)
    return int(out.status)


def anneal(setup: Any, seed: int = 0, **schedule: Any) -> list[Solution]:
    """Look for the global minimum by GSL's simulated annealing, then descend from the best point.

    Parameters
    ----------
    setup : Setup
    seed : int
    **schedule
        GSL's annealing schedule.

    Returns
    -------
    list of Solution
        The one kept first.
    """
    from gslfit.solvers._siman import anneal as siman
    problem = setup.problem
    bounded = np.isfinite(problem.upper - problem.lower)
    reach = np.where(bounded, room(problem.x0, problem.lower, problem.upper), np.maximum(np.abs(problem.x0), 1.))
    unit = length(problem.r0) or 1.
    best = [length(problem.r0), problem.x0, problem.r0]

    def cost(x: np.ndarray) -> float:
        r = problem.fun(x)
        norm = length(r)
        if norm < best[0]:
            best[:] = norm, x.copy(), r
        return (norm / unit) * (norm / unit)

    try:
        siman(cost, problem.x0, reach, problem.lower, problem.upper, seed=seed, max_nfev=max(1, int(WALK * setup.limit)), **schedule)
    except (OutOfCalls, Aborted) as stop:
        descent = Descent(problem._replace(x0=best[1], r0=best[2]), "anneal")
        return [descent.stop(FitStatus.STOPPED if isinstance(stop, Aborted) else FitStatus.MAX_NFEV)]
    solution, tried = minimise(setup.start_from(best[1], best[2]))
    return [solution, *(other for other in tried if other is not solution)]
