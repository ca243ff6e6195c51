"""The engines that are no least-squares solvers: L-BFGS-B and simulated annealing, both ending in a judged `Solution`."""
from typing import Any

import numpy as np

from gslfit._descent import length, room
from gslfit.leastsq import Descent, Solution, minimise
from gslfit.residual import Aborted, OutOfCalls

LBFGSB_OPTIONS = {"m": "maxcor", "factr": "ftol", "pgtol": "gtol", "maxfun": "maxfun", "maxiter": "maxiter"}
ANNEAL_CALLS = 500_000     # of the residual, where the caller sets no limit
ANNEAL_OPTIONS = ("seed", "iters_fixed_T", "step_size", "k", "t_initial", "mu_t", "t_min")
WALK = 0.8      # share of the evaluations allowed that an annealing walk may use; the descent after it has the rest


def lbfgsb(setup: Any, **options: Any) -> Solution:
    """Minimise chi-square by SciPy's L-BFGS-B.

    The variables are scaled by the lengths of the Jacobian's columns at the start, and chi-square by its value there, so that the result
    does not depend on units; the gradient is 2 J^T r.

    Parameters
    ----------
    setup : Setup
    m, factr, pgtol, maxfun, maxiter : optional
        As `scipy.optimize.fmin_l_bfgs_b` takes them.

    Returns
    -------
    Solution
    """
    from scipy.optimize import minimize
    settings = {LBFGSB_OPTIONS[name]: value for name, value in options.items()}
    if "ftol" in settings:
        settings["ftol"] *= float(np.finfo(float).eps)
    problem = setup.problem
    descent = Descent(problem, "lbfgsb")
    unit = length(problem.r0) or 1.
    reason, converged = "maxfev", False
    best = [problem.x0, problem.r0]
    try:
        descent.go_to(problem.x0, problem.r0)
        norms = np.asarray(descent.first_norms)
        with np.errstate(divide="ignore", invalid="ignore"):
            scale = np.where(norms > 0, unit / norms, np.maximum(np.abs(problem.x0), 1.))

        def chisqr(z: np.ndarray) -> tuple[float, np.ndarray]:
            x = np.clip(problem.x0 + scale * z, problem.lower, problem.upper)
            r = problem.r0 if np.array_equal(x, problem.x0) else problem.fun(x)
            if not np.isfinite(r).all():
                return np.inf, np.zeros(z.size)
            if length(r) <= length(best[1]):
                best[:] = x, r
            descent.go_to(x, r)
            return float(r @ r) / unit ** 2, 2 * scale * (r @ descent.J) / unit ** 2

        bounds = list(zip((problem.lower - problem.x0) / scale, (problem.upper - problem.x0) / scale, strict=True))
        out: Any = minimize(chisqr, np.zeros(problem.x0.size), jac=True, method="L-BFGS-B", bounds=bounds,      # type: ignore[call-overload]
                            options=settings)
        descent.go_to(*best)
        reason, converged = ("chisqr" if out.success else "maxfev" if out.status == 1 else "no progress"), bool(out.success)
    except (OutOfCalls, Aborted) as stop:
        reason = "aborted" if isinstance(stop, Aborted) else "maxfev"
        descent.x, descent.r = best
    return descent.finish(converged, reason)


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
    from gslfit._siman import anneal as siman
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
        return (norm / unit) ** 2

    try:
        siman(cost, problem.x0, reach, problem.lower, problem.upper, seed=seed, max_nfev=max(1, int(WALK * setup.limit)), **schedule)
    except (OutOfCalls, Aborted) as stop:
        descent = Descent(problem._replace(x0=best[1], r0=best[2]), "anneal")
        return [descent.finish(False, "aborted" if isinstance(stop, Aborted) else "maxfev")]
    solution, tried = minimise(setup.start_from(best[1], best[2]))
    return [solution, *(other for other in tried if other is not solution)]
