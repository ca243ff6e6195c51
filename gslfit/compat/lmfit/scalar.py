"""SciPy's `minimize`, `differential_evolution` and `least_squares` over named parameters, with the defaults that lmfit gives them."""
import math
import warnings
from typing import Any

import numpy as np
from scipy import optimize as _optimize

from gslfit.compat.lmfit.objective import AbortFitException, Objective
from gslfit.compat.lmfit.result import MinimizerResult
from gslfit.errors import InputError, NonFiniteError
from gslfit.parameters.given import some_free

optimize: Any = _optimize       # options come as dicts, which its stubs can't follow

SCALAR_METHODS = {
    "nelder": "Nelder-Mead", "powell": "Powell", "cg": "CG", "bfgs": "BFGS", "newton": "Newton-CG", "lbfgsb": "L-BFGS-B",
    "l-bfgsb": "L-BFGS-B", "tnc": "TNC", "cobyla": "COBYLA", "slsqp": "SLSQP", "dogleg": "dogleg", "trust-ncg": "trust-ncg",
    "differential_evolution": "differential_evolution", "trust-constr": "trust-constr", "trust-exact": "trust-exact",
    "trust-krylov": "trust-krylov"}
"""lmfit's name -> SciPy's; a beginning of either will do, and the last one wins that has it."""

WITH_GRADIENT = frozenset({"CG", "BFGS", "Newton-CG", "L-BFGS-B", "TNC", "SLSQP", "dogleg", "trust-ncg", "trust-krylov", "trust-exact"})
WITH_HESSIAN = frozenset({"Newton-CG", "dogleg", "trust-constr", "trust-ncg", "trust-krylov", "trust-exact"})
GIVEN_HESSIAN = frozenset({"dogleg", "trust-ncg", "trust-krylov", "trust-exact"})      # SciPy makes none by differences
EVOLUTION = frozenset({"args", "strategy", "maxiter", "popsize", "tol", "mutation", "recombination", "seed", "callback", "disp", "polish",
                       "init", "atol", "updating", "workers"})


def ignored(caller: str, kws: dict[str, Any], *names: str) -> dict[str, Any]:
    """Return options without those that `max_nfev` replaces, with a warning for each."""
    for name in names:
        if name in kws:
            warnings.warn(f"ignoring `{name}` argument to `{caller}()`. Use `max_nfev` instead.", RuntimeWarning, stacklevel=3)
    return {name: value for name, value in kws.items() if name not in names}


def settle(objective: Objective, x: Any, ended: bool) -> None:
    """Take the variables where a search ended, or the best that it saw: of one that was stopped before it saw a number, no residual."""
    if ended:
        objective.settle(x)
        return
    try:
        objective.settle(objective.best)
    except NonFiniteError:
        if objective.least < math.inf:
            raise


def finish(minimizer: Any, result: MinimizerResult, objective: Objective, x: Any) -> MinimizerResult:
    """Take the variables at the end, the best seen where it is no success, with their statistics and errors."""
    settle(objective, x, result.success and not result.aborted)
    result.measure()
    minimizer.judge(result)
    return result


def take(result: MinimizerResult, outcome: Any, prefix: str = "", plain: tuple[str, ...] = ()) -> None:
    """Give the result what SciPy returned, under its own names or with a prefix."""
    for name, value in outcome.items():
        if name == "message" and isinstance(value, (list, tuple)):
            value = "; ".join(map(str, value))
        setattr(result, name if not prefix or name in plain else prefix + name, value)


def scalar_minimize(minimizer: Any, result: MinimizerResult, method: str, max_nfev: int | None, kws: dict[str, Any]) -> MinimizerResult:
    """Minimise a scalar by a method of `scipy.optimize.minimize`, or by differential evolution, over unbounded variables."""
    result.method = method
    some_free(result.var_names)
    objective = minimizer.objective(result, 2000*(result.nvarys + 1), max_nfev)
    limit = objective.limit
    kws = ignored("scalar_minimize", kws, "maxiter")
    options = {**minimizer.kws, **kws}
    derivatives = options.pop("Dfun", None)
    derivatives = options.pop("jac", derivatives)
    if derivatives is not None and method in WITH_GRADIENT:
        options["jac"] = objective.derivatives(derivatives)
    if method not in WITH_HESSIAN:
        options.pop("hess", None)
    _need(method, options)
    try:
        if method == "differential_evolution":
            for name in result.var_names:
                par = result.params[name]
                if not (math.isfinite(par.min) and math.isfinite(par.max)):
                    raise InputError(f"differential_evolution requires finite bounds for all varying parameters; {name!r} has none")
            options = {"maxiter": limit} | {name: value for name, value in options.items() if name in EVOLUTION}
            result.call_kws = options
            outcome = _evolve(objective.penalty, [(-math.pi/2, math.pi/2)]*result.nvarys, options)
        else:
            options.pop("workers", None), options.pop("updating", None)
            settings = {"TNC": {"maxfun": 2*limit}, "COBYLA": {"maxiter": limit}}.get(method, {"maxiter": 2*limit})
            if method == "L-BFGS-B":
                settings["maxfun"] = 2*limit
            if method == "COBYLA":                            # it stops by itself at the caller's limit
                objective.limit = 5*limit
            options = {"method": method, "options": settings} | options
            result.call_kws = options
            start = [result.params[name].setup_bounds() for name in result.var_names]
            outcome = optimize.minimize(objective.penalty, start, **options)
        nfev = result.nfev
        take(result, outcome)
        result.nfev = max(nfev, outcome.get("nfev", 0))         # calls in processes of their own are not counted here
        result.x = np.atleast_1d(outcome.x)
    except AbortFitException:
        result.x = objective.best
    return finish(minimizer, result, objective, result.x)


def _need(method: str, options: dict[str, Any]) -> None:
    """Raise InputError where a method lacks the derivatives that it can't do without."""
    if method in WITH_GRADIENT & WITH_HESSIAN and not options.get("jac"):
        raise InputError(f"the method {method!r} needs derivatives: hand the Jacobian's function over as Dfun=")
    if method in GIVEN_HESSIAN and not (options.get("hess") or options.get("hessp")):
        raise InputError(f"the method {method!r} needs second derivatives: hand a function over as hess=")


def _evolve(penalty: Any, bounds: list[tuple[float, float]], options: dict[str, Any]) -> Any:
    """Minimise by differential evolution; what the caller's function raises is raised, and not SciPy's RuntimeError in its place."""
    try:
        return optimize.differential_evolution(penalty, bounds, **options)
    except RuntimeError as error:
        if isinstance(error.__cause__, (TypeError, ValueError)):
            raise error.__cause__ from None
        raise


def least_squares(minimizer: Any, result: MinimizerResult, max_nfev: int | None, kws: dict[str, Any]) -> MinimizerResult:
    """Minimise by `scipy.optimize.least_squares`."""
    result.method = "least_squares"
    objective = minimizer.objective(result, 2000*(result.nvarys + 1), max_nfev, internal=False)
    options = {"max_nfev": 2*objective.limit} | minimizer.kws | kws
    derivatives = options.pop("Dfun", None) or options.get("jac")
    if callable(derivatives):
        options["jac"] = objective.derivatives(derivatives)
    pars = [result.params[name] for name in result.var_names]
    result.call_kws = options
    try:
        outcome = optimize.least_squares(objective.residual, [par.value for par in pars],
                                         bounds=([par.min for par in pars], [par.max for par in pars]), **options)
    except AbortFitException:
        objective.settle(objective.best)
        result.measure()
        return result
    for name, value in outcome.items():
        setattr(result, "least_squares_nfev" if name == "nfev" else name, value)
    objective.settle(outcome.x)
    result.measure()
    J = outcome.jac
    J = J.toarray() if hasattr(J, "toarray") else J @ np.eye(len(pars)) if not isinstance(J, np.ndarray) else J
    try:
        covar = np.linalg.inv(J.T @ J)
    except np.linalg.LinAlgError:
        return result
    result.spread(covar*result.redchi if minimizer.scale_covar else covar)
    return result
