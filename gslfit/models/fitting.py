"""How a model and data become a fit: which arguments are what, where start values come from, who fits."""
from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from gslfit.errors import FitWarning, InputError
from gslfit.models.arrays import prepared
from gslfit.models.model import Model, check_policy
from gslfit.models.result import ModelResult
from gslfit.parameter import Parameter
from gslfit.parameters import Parameters


def fit_model(model: Model, data: Any, params: Parameters | None, weights: Any, yerr: Any, values: Mapping[str, Any], policy: str,
              coerce: bool, verbose: bool, options: dict[str, Any]) -> ModelResult:
    """Fit a model to one data set; see `Model.fit`."""
    check_policy(policy)
    variables = {name: values[name] for name in model.independent_vars if name in values}
    further = {name: values[name] for name in model.opts if name in values and name not in variables}
    given = {name: value for name, value in values.items() if name not in variables and name not in further}
    starts = _starts(model, given)
    absent = [name for name in model.independent_vars if name not in variables and name not in model.opts]
    if absent and not (params is not None and absent[0] in params):
        raise InputError(f"no values for the independent variable {absent[0]!r}: fit(data, {absent[0]}=...)")
    data, weights, variables = prepared(data, weights, yerr, variables, policy, coerce)
    _check_lengths(data, variables)
    if params is None:
        params = _made(model, starts, data, variables)
        if verbose:
            print("\n".join(f" - Adding parameter {name!r}" for name in params))
    else:
        params = params.copy()
        for name, value in starts.items():
            _set(params, name, value)
    _check_params(model, params)
    kind = getattr(model, "result_class", ModelResult)
    result = kind(model, params, data, weights, fcn_kws={**variables, **further}, nan_policy=policy, **options)
    result.fit()
    return result


def _starts(model: Model, given: Mapping[str, Any]) -> dict[str, Any]:
    """Start values by full name; a name that is none is told."""
    known, starts = {*model.param_names, *(model._prefix + hint for hint in model.param_hints)}, {}
    for part in model.components:
        known |= {part._prefix + hint for hint in part.param_hints}
    for name, value in given.items():
        full = name if name in known else model._prefix + name
        if full in known:
            starts[full] = value
        elif not any(part._definition.starred for part in model.components):
            warnings.warn(f"{name!r} is neither a parameter nor an independent variable of {model!r}, and is left aside; it has "
                          f"{', '.join([*model.param_names, *model.independent_vars])}", FitWarning, stacklevel=4)
    return starts


def _made(model: Model, starts: Mapping[str, Any], data: Any, variables: Mapping[str, Any]) -> Parameters:
    """Parameters for a fit without any: guessed where no start was given, or where some have none."""
    params = model.make_params(**starts)
    blank = [name for name in model.param_names if params[name].value is None]
    if starts and not blank:
        return params
    try:
        found = model.guess(data, **variables, **starts)
    except (NotImplementedError, InputError, TypeError):
        return params
    return found


def _set(params: Parameters, name: str, value: Any) -> None:
    """Set a parameter's start as a keyword of the call gives it."""
    if isinstance(value, Parameter):
        params[name] = Parameter(name=name, value=value.value, vary=value.vary, min=value.min, max=value.max, expr=value.expr)
    elif isinstance(value, dict):
        params[name].set(**value)
    else:
        params[name].value = value


def _check_params(model: Model, params: Parameters) -> None:
    """Raise InputError for a parameter that is missing or has no value."""
    missing = [name for name in model.param_names if name not in params]
    if missing:
        raise InputError(f"the parameters lack {', '.join(missing)} of {model._reprstring()}; there are {', '.join(params) or 'none'}")
    blank = [name for name, par in params.items() if par.expr is None and par.value is None]
    if blank:
        raise InputError(f"no start value for {', '.join(blank)} of {model._reprstring()}: fit(data, {blank[0]}=...), or make_params")


def _check_lengths(data: Any, variables: Mapping[str, Any]) -> None:
    """Raise InputError for a flat independent variable of another length than flat data."""
    if np.ndim(data) == 1:
        for name, value in variables.items():
            if isinstance(value, np.ndarray) and value.ndim == 1 and value.size != np.size(data):
                raise InputError(f"{name} has {value.size} points, and the data {np.size(data)}")
        if not np.size(data):
            raise InputError("there are no data: data has length 0")


def fit_curves(model: Model, data: Any, params: Parameters | None, x: Any, options: dict[str, Any]) -> Any:
    """Fit a model to many curves; see `Model.fit_batch`."""
    from gslfit.batch import OPTIONS, fit_batch
    curves = np.asarray(data)
    formula = model._formula({name: options.pop(name) for name in model.opts if name in options})
    variables = dict(x) if isinstance(x, Mapping) else {} if x is None else {formula.independent[0]: x}
    variables |= {name: options.pop(name) for name in formula.independent if name in options}
    start = dict(options.pop("start", None) or {})
    known = {*model.param_names, *(part._prefix + hint for part in model.components for hint in part.param_hints)}
    start |= {name: options.pop(name) for name in list(options) if name in known and name not in OPTIONS}
    absent = [name for name in formula.independent if name not in variables]
    if absent:
        raise InputError(f"no values for the independent variable {absent[0]!r}: fit_batch(data, {absent[0]}=...)")
    if params is None:
        made = model.make_params()
        if any(name not in start for name in model.param_names if made[name].expr is None):
            start = {**guessed(model, curves, variables), **start}
    else:
        made = params.copy()
    for name, value in start.items():
        if made[name].expr is not None:
            made[name].vary = True
        if np.ndim(value) == 0:
            made[name].value = float(value)
        elif made[name].value is None:
            made[name].value = 0.0
    start = {name: _within(made[name], value) for name, value in start.items()}
    return fit_batch(formula, curves, made, x=variables, start=start, **options)


def guessed(model: Model, curves: np.ndarray, variables: Mapping[str, Any]) -> dict[str, Any]:
    """Start values of every curve; of one curve numbers."""
    found = model.guess(curves, **variables)
    if isinstance(found, Parameters):
        return {name: found[name].value for name in model.param_names if found[name].expr is None}
    return found


def _within(parameter: Parameter, value: Any) -> np.ndarray:
    """Start values inside a parameter's bounds; a guess may lie a little outside."""
    low, high = parameter.min, parameter.max
    return np.clip(np.asarray(value, float), -np.inf if low is None else low, np.inf if high is None else high)
