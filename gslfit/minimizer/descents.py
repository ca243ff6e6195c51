"""`minimize` from many starts: a rough descent from each, one after another, and from the best ends to the last digit."""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import inf, isfinite
from typing import Any

import numpy as np

from gslfit.errors import FitError, ParameterError
from gslfit.minimizer import multistart
from gslfit.minimizer.multistart import Ends, best_of, concluded, cost_in, deviations_of, lowest_unfinished
from gslfit.minimizer.options import MINIMIZE
from gslfit.minimizer.result import FitResult
from gslfit.objective.units import unit_of
from gslfit.parameters.collection import Parameters

ROUGH = 20              # evaluations by parameters and one more
CAUGHT = (FitError, ArithmeticError, ValueError, np.linalg.LinAlgError)     # what a start may raise without being missed
Descend = Callable[[Mapping[str, float], bool], FitResult]


def descend(fit: Descend, names: Sequence[str], starts: Mapping[str, np.ndarray],
            unit: float | None = None) -> tuple[Ends, list[dict[str, float]], int, float]:
    """Descend from each start roughly, and from the best ends to the last digit.

    Parameters
    ----------
    fit : callable
        ``fit(values, rough) -> FitResult``, from values of the varying parameters.
    names : sequence of str
        These.
    starts : mapping of str to ndarray, shape (k,)
    unit : float, optional
        Of the costs of ends; if not given, one in which the squares of the first end's residuals are in range.

    Returns
    -------
    ends : Ends
    values : list of dict of str to float
        All parameters at each.
    nfev : int
        Evaluations used.
    unit : float

    Raises
    ------
    Exception
        What the first start raised, where all do.
    """
    rows, values, spent, refusal = [], [], 0, None
    for row in np.column_stack([starts[name] for name in names]):
        try:
            result = fit(dict(zip(names, row.tolist(), strict=True)), True)
        except CAUGHT as error:
            refusal = refusal or error
            continue
        spent += result.nfev
        unit = float(unit_of(np.abs(result.counted).max(initial=0.0))) if unit is None else unit
        rows.append(end_of(result, names, row, unit))
        values.append(result.values)
    if not rows or unit is None:
        assert refusal is not None
        raise refusal
    ends = Ends(*map(np.array, zip(*rows, strict=True)))
    for k in lowest_unfinished(ends):
        try:
            result = fit(dict(zip(names, ends.v[k].tolist(), strict=True)), False)
        except CAUGHT:
            continue
        spent += result.nfev
        for array, value in zip(ends, end_of(result, names, ends.start[k], unit), strict=True):
            array[k] = value
        values[k] = result.values
    return ends, values, spent, unit


def end_of(result: FitResult, names: Sequence[str], start: np.ndarray, unit: float) -> tuple[Any, ...]:
    """Return the end of a fit as a row of `Ends`, its cost in a unit."""
    found = np.array([float(result.params[name].value) for name in names])
    errors = np.array([np.nan if result.params[name].stderr is None else result.params[name].stderr for name in names], float)
    cost = cost_in(unit, result)
    deviations = deviations_of(errors[None], np.array([int(result.status)]))[0]
    return found, deviations, cost if isfinite(cost) else inf, int(result.status), start


def filled(params: Parameters, ranges: multistart.Boxes) -> Parameters:
    """Return a copy in which parameters without a value have the middle of where starts are placed.

    Raises
    ------
    ParameterError
        If there is no such place; the message names the parameter.
    """
    made = params.copy()
    for name, par in made.items():
        if par.expr is None and par.value is None and par.vary:
            if name not in ranges:
                raise ParameterError(f"parameter {name!r} has neither a value nor two bounds: params[{name!r}].value = ... says where it "
                                     f"starts, and {multistart.remedy([name])}")
            par.value = multistart.centre(ranges[name])
    return made


def boxes_of(params: Parameters) -> dict[str, tuple[float, float]]:
    """Return the bounds of the varying parameters."""
    return {name: (-inf if par.min is None else float(par.min), inf if par.max is None else float(par.max))
            for name, par in params.items() if par.vary and par.expr is None}


def from_many(minimizer: Any, method: str, options: dict[str, Any], unset: Sequence[str] = ()) -> bool:
    """Minimise from many starts; the lowest minimum becomes the Minimizer's result, with the others in `minima`.

    Parameters
    ----------
    minimizer : Minimizer
    method : {"leastsq", "lmder"}
    options : dict
        Checked, `starts` and `ranges` among them.
    unset : sequence of str
        Parameters whose values are nobody's start.

    Returns
    -------
    bool
        `success`.

    Raises
    ------
    InputError
        If there is nowhere to place starts.
    ParameterError
        If a parameter has neither a start nor such a place.
    """
    asked = MINIMIZE.defaults._replace(**options)
    rest = {name: value for name, value in options.items() if name not in ("starts", "ranges")}
    params, boxes = minimizer.params, boxes_of(minimizer.params)
    places = multistart.placed(asked, boxes, [*params])
    unset = [*unset, *(name for name in boxes if params[name].value is None)]
    whole, names, spent = filled(params, places), tuple(boxes), 0
    for name in names:
        params[name].value = whole[name].value
    run = getattr(minimizer, method)
    if asked.starts == "auto" and not unset:
        if run(**{**rest, "starts": None, "ranges": None}) and not multistart.looks_doubtful(minimizer.result):
            return True
        spent = minimizer.result.nfev
    own = {name: float(whole[name].value) for name in names}
    places = places or multistart.around(own, boxes)
    count = multistart.count_of(asked) - (not unset)
    if not places and count:
        if asked.starts == "auto":
            return bool(minimizer.result.success)
        raise multistart.nowhere(asked.starts)
    starts = {name: np.full(count, own[name]) for name in names} | multistart.points(places, count)
    if not unset:
        starts = {name: np.concatenate([[own[name]], starts[name]]) for name in names}

    def fit(values: Mapping[str, float], rough: bool) -> FitResult:
        begin = whole.copy()
        for name, value in values.items():
            begin[name].value = value
        other = type(minimizer)(minimizer.function, begin, minimizer.fcn_args, minimizer.fcn_kws)
        limit = {"max_nfev": ROUGH*(len(names) + 1)} if rough else {}
        getattr(other, method)(**{**rest, "iter_cb": None, "covar": True, **limit})
        return other.result
    ends, values, nfev, unit = descend(fit, names, starts)
    data = 2*float(np.median(ends.cost[np.isfinite(ends.cost)])) if np.isfinite(ends.cost).any() else 0.0
    best = best_of(ends, names, places, data)
    for name, value in zip(names, (ends.v if ends.settled[best] else ends.start)[best].tolist(), strict=True):
        params[name].value = value
    run(**{**rest, "starts": None, "ranges": None})
    concluded(minimizer.result, ends, best, values.__getitem__, len(starts[names[0]]), spent + nfev, data, unit)
    return bool(minimizer.result.success)
