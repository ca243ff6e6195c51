"""What a model is fitted to, from what `Model.fit` was handed."""
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gslfit.data.inputs import Factors, Inputs, floats, inputs_of_one
from gslfit.data.labels import Labels
from gslfit.data.layout import laid
from gslfit.data.numbers import read
from gslfit.data.points import check_factors
from gslfit.errors import InputError
from gslfit.objective.objective import Objective
from gslfit.objective.residual import DATA_MINUS_MODEL


def objective_of(model: Any, data: Any, values: Mapping[str, Any], policy: str, *, weights: Any = None, yerr: Any = None, mask: Any = None,
                 coerce: bool = True, labels: Labels | None = None, ycov: Any = None) -> Objective:
    """Return what a model's fit minimises.

    Parameters
    ----------
    model : Model
    data : array_like
    values : mapping of str to object
        Independent variables, and further arguments of the model's function.
    policy : {"raise", "omit", "propagate"}
    weights, yerr, mask, ycov : array_like, optional
    coerce : bool
        Whether a function that is called gets independent variables as arrays of floats; else as they are.
    labels : Labels, optional
        Of data that have none themselves, because they were read before.

    Raises
    ------
    InputError, InputTypeError, NonFiniteError
        If these can't be data, or don't fit one another.
    """
    conventions = model.conventions
    variables = {name: values[name] for name in model.independent_vars if name in values}
    if mask is None and yerr is None and ycov is None and coerce and all(_plain(each, data) for each in (data, *variables.values())) and (
            weights is None or _plain(weights, data)):
        factors = None if weights is None else Factors("weights", weights)
        if factors is not None and not conventions.weightless:
            check_factors(*factors)
        given = Inputs(laid(data.shape, None, "data"), labels, data, variables, factors, None, conventions.weightless)
        return Objective(given, policy, DATA_MINUS_MODEL, shaped=conventions.shaped, by_parts=conventions.by_parts)
    y = read("data", data, imaginary=True)
    if y.array.ndim == 0:
        raise InputError(f"data is the number {y.array[()]!r}, and has no axis: it must hold the points of the fit")
    if not y.array.size:
        raise InputError("there are no data: data has length 0")
    y = y._replace(array=floats(y.array), labels=y.labels or labels)
    where = laid(y.array.shape, None, "data")
    elementwise = model.opts.keys().isdisjoint(variables) and model._formula({}).native
    given = inputs_of_one(y, where, variables, yerr, weights, mask, elementwise=elementwise, weightless=conventions.weightless,
                          ycov=ycov)
    if not coerce:
        given = given._replace(raw=variables)
    return Objective(given, policy, DATA_MINUS_MODEL, shaped=conventions.shaped, by_parts=conventions.by_parts)


def _plain(value: Any, data: Any) -> bool:
    """Return whether a value is a flat array of float64, of the shape of the data, which is there."""
    return type(value) is np.ndarray and value.dtype == np.float64 and value.ndim == 1 and value.size > 0 and value.shape == data.shape


def kept(objective: Objective, weights: Any) -> tuple[np.ndarray, Any, dict[str, Any]]:
    """Return data, weights and independent variables as a result holds them: in the data's shape, or those that take part.

    Parameters
    ----------
    objective : Objective
    weights : array_like or None
        As they were handed in; a number stays one.
    """
    given, whole = objective.given, objective.given.layout.whole
    own = None if given.factors is None else weights if weights is not None and np.ndim(weights) == 0 else given.weights
    if not objective.shaped:
        narrow = own if own is None or np.ndim(own) == 0 else objective.narrowed(own)
        return objective.narrowed(given.y), narrow, objective.arguments()
    if own is not None and np.ndim(own):
        own = np.reshape(own, whole)
    return given.y if given.y.shape == whole else given.y.reshape(whole), own, objective.arguments(everywhere=True)
