"""How uncertain a fitted model is: exact derivatives of its values by the parameters, and the covariance between them."""
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gslfit.minimizer.bands import difference_slopes, exact_slopes, spread_of_fit, student, undetermined, unit_of
from gslfit.minimizer.propagation import propagated
from gslfit.models.model_function import ModelFunction
from gslfit.parameters.collection import Parameters
from gslfit.parameters.given import parameters_of


def slopes(model: ModelFunction, params: Parameters, names: list[str], values: Mapping[str, Any], dscale: float) -> np.ndarray:
    """Return the derivatives of a model's values by the varying parameters, expressions included: ndarray (p, n)."""
    formula = model._formula({name: value for name, value in values.items() if name in model.opts})
    arrays = {name: values.get(name) for name in formula.independent}
    if formula.native and all(isinstance(value, (np.ndarray, float, int)) for value in arrays.values()):
        return exact_slopes(formula, params, names, arrays)
    return difference_slopes(lambda moved: model.eval(moved, **values), params, names, dscale)


def bands(result: Any, params: Parameters | None, sigma: float, dscale: float, values: dict[str, Any],
          spread: Any = None) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """Return the band of the model, of a further measurement, and of each component.

    `spread` is the standard deviation of a measurement, one for all points or (n,), where it isn't as lmfit has it: by the reduced
    chi-square alone.
    """
    params = result.params if params is None else parameters_of(params)
    value = np.asarray(result.model.eval(params, **values))
    names = list(result.var_names)
    loose = undetermined(result.params, names)
    if names and not loose and (result.covar is None or all(result.params[name].stderr is None for name in names)):
        unknown = np.full(value.shape, np.nan)
        return unknown, unknown, {}
    known = spread_of_fit(result, dscale)
    factor = student(sigma, result.ndata - len(names))

    def errors(model: ModelFunction) -> np.ndarray:
        own = slopes(model, params, names, values, dscale)
        return propagated(own.T, known)

    def shaped(model: ModelFunction, found: np.ndarray) -> np.ndarray:
        whole = np.asarray(model.eval(params, **values))
        return factor*(found.view(complex).reshape(whole.shape) if whole.dtype.kind == "c" else found.reshape(whole.shape))

    total = errors(result.model)
    parts = {(part._prefix or part._name): shaped(part, errors(part)) for part in result.model.components}
    own = np.asarray(unit_of(result) if spread is None else spread)
    if own.ndim and own.size != total.size:         # a complex model's points are pairs of real ones
        own = own.view(float) if own.dtype.kind == "c" else np.repeat(own, 2)
    return shaped(result.model, total), shaped(result.model, np.hypot(total, own)), parts
