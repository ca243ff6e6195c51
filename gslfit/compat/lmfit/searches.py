"""The global searches: SciPy's basin hopping, grid, SHGO and dual annealing, and adaptive memory programming."""
import math
from typing import Any

import numpy as np

from gslfit.compat.lmfit.objective import AbortFitException
from gslfit.compat.lmfit.result import Candidate, MinimizerResult
from gslfit.compat.lmfit.scalar import finish, optimize, settle, take
from gslfit.errors import InputError
from gslfit.parameters.given import some_free

PER_VARIABLE = 200_000    # evaluations allowed by default
GRID_AXES = 40            # that scipy.optimize.brute takes


def _objective(minimizer: Any, result: MinimizerResult, max_nfev: int | None, internal: bool) -> Any:
    some_free(result.var_names)
    return minimizer.objective(result, PER_VARIABLE*(result.nvarys + 1), max_nfev, internal)


def basinhopping(minimizer: Any, result: MinimizerResult, max_nfev: int | None, kws: dict[str, Any]) -> MinimizerResult:
    """Minimise by `scipy.optimize.basinhopping`, over unbounded variables."""
    result.method = "basinhopping"
    objective = _objective(minimizer, result, max_nfev, True)
    result.call_kws = minimizer.kws | kws
    start = [result.params[name].setup_bounds() for name in result.var_names]
    x = None
    try:
        outcome = optimize.basinhopping(objective.penalty, start, **result.call_kws)
        said, x = outcome.message, outcome.x
        result.message = said if isinstance(said, str) else "; ".join(said)
    except AbortFitException:
        pass
    return finish(minimizer, result, objective, x)


def shgo(minimizer: Any, result: MinimizerResult, max_nfev: int | None, kws: dict[str, Any]) -> MinimizerResult:
    """Minimise by `scipy.optimize.shgo`, within the bounds.

    Raises
    ------
    InputError
        If none or too many parameters vary: the corners alone of the space are more than the evaluations allowed.
    """
    options = minimizer.kws | kws
    minimizer.set_max_nfev(max_nfev, PER_VARIABLE*(result.nvarys + 1))
    if options.get("sampling_method", "simplicial") == "simplicial" and 2**result.nvarys > minimizer.max_nfev:
        raise InputError(f"shgo begins at the 2**{result.nvarys} corners of {result.nvarys} parameters, more than the {minimizer.max_nfev} "
                         "evaluations of max_nfev: give sampling_method='sobol', or hold some parameters")
    return _bounded(minimizer, result, max_nfev, options, "shgo", optimize.shgo, "shgo_")


def dual_annealing(minimizer: Any, result: MinimizerResult, max_nfev: int | None, kws: dict[str, Any]) -> MinimizerResult:
    """Minimise by `scipy.optimize.dual_annealing`, within the bounds.

    Raises
    ------
    InputError
        If a varying parameter lacks a bound.
    """
    for name in result.var_names:
        par = result.params[name]
        if not (math.isfinite(par.min) and math.isfinite(par.max)):
            raise InputError(f"dual_annealing requires finite bounds for all varying parameters; {name!r} lacks one")
    minimizer.set_max_nfev(max_nfev, PER_VARIABLE*(result.nvarys + 1))
    options = {"maxfun": 2*minimizer.max_nfev} | minimizer.kws | kws
    return _bounded(minimizer, result, max_nfev, options, "dual_annealing", optimize.dual_annealing, "da_")


def _bounded(minimizer: Any, result: MinimizerResult, max_nfev: int | None, options: dict[str, Any], method: str, search: Any,
             prefix: str) -> MinimizerResult:
    """Minimise by a search that takes bounds; what it returns gets a prefix."""
    result.method = method
    objective = _objective(minimizer, result, max_nfev, False)
    result.call_kws = options
    bounds = [(result.params[name].min, result.params[name].max) for name in result.var_names]
    x = None
    try:
        outcome = search(objective.penalty, bounds, **options)
        take(result, outcome, prefix, ("success", "message"))
        x = outcome.x
    except AbortFitException:
        pass
    return finish(minimizer, result, objective, x)


def brute(minimizer: Any, result: MinimizerResult, max_nfev: int | None, Ns: int, keep: int | str, workers: Any) -> MinimizerResult:
    """Evaluate on a grid.

    Raises
    ------
    InputError
        If none or too many parameters vary.
    """
    result.method = "brute"
    objective = _objective(minimizer, result, max_nfev, False)
    if result.nvarys > GRID_AXES:
        raise InputError(f"brute goes along {GRID_AXES} parameters at most, and {result.nvarys} vary: hold some, or choose another method")
    ranges = tuple(grid_range(result.params[name], Ns) for name in result.var_names)
    result.call_kws = {"full_output": 1, "finish": None, "disp": False, "Ns": Ns, "workers": workers}
    try:
        best, least, grid, values = optimize.brute(objective.penalty, ranges, **result.call_kws)
    except AbortFitException:
        settle(objective, None, False)
        result.measure()
        return result
    result.brute_x0, result.brute_fval, result.brute_grid, result.brute_Jout = best, least, grid, values
    scores = np.ravel(values)
    points = np.reshape(grid, (len(ranges), -1)).T
    order = np.argsort(scores, kind="stable")
    result.candidates = [candidate(result, points[i].tolist(), float(scores[i])) for i in order[:None if keep == "all" else int(keep)]]
    objective.settle(best)
    result.nfev = scores.size
    result.measure()
    return result


def candidate(result: MinimizerResult, values: list[float], score: float) -> Candidate:
    """Return a point of the grid with parameters of its own."""
    params = result.params.copy()
    for name, value in zip(result.var_names, values, strict=True):
        params[name].value = value
    return Candidate(params, score)


def grid_range(par: Any, Ns: int) -> tuple[float, ...]:
    """Return the range of the grid along a parameter, as `scipy.optimize.brute` takes it.

    Raises
    ------
    InputError
        If bounds and step don't tell.
    """
    low, high, step = par.min, par.max, par.brute_step
    if math.isfinite(low) and math.isfinite(high):
        return (low, high, step) if step else (low, high)
    if step and math.isfinite(low):
        return low, low + Ns*step, step
    if step and math.isfinite(high):
        return high - Ns*step, high, step
    if step and math.isfinite(par.value):
        return par.value - Ns//2*step, par.value + Ns//2*step, step
    raise InputError(f"Not enough information provided for the brute force method: parameter {par.name!r} needs both bounds, or one of "
                     "them and brute_step, or a value and brute_step")


def ampgo(minimizer: Any, result: MinimizerResult, max_nfev: int | None, kws: dict[str, Any]) -> MinimizerResult:
    """Minimise by adaptive memory programming, over unbounded variables."""
    from gslfit.compat.lmfit.tunnelling import search
    options = minimizer.kws | kws
    result.method = f"ampgo, with {options.get('local', 'L-BFGS-B')} as local solver"
    objective = _objective(minimizer, result, max_nfev, True)
    result.call_kws = options
    x = None
    try:
        found = search(objective.penalty, [result.params[name].setup_bounds() for name in result.var_names], **options)
        x = found.x
        result.ampgo_x0, result.ampgo_fval, result.ampgo_eval, result.ampgo_msg, result.ampgo_tunnel = found
    except AbortFitException:
        pass
    return finish(minimizer, result, objective, x)
