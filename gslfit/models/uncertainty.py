"""How uncertain a fitted model is: exact derivatives of its values by the parameters, and the covariance between them."""
from __future__ import annotations

from collections.abc import Mapping
from math import erf, sqrt
from typing import Any

import numpy as np

from gslfit.formula.formula import Formula
from gslfit.models.model_function import ModelFunction
from gslfit.parameters.collection import Parameters


def student(sigma: float, freedom: int) -> float:
    """The factor of a band that holds what `sigma` standard deviations of a normal distribution do."""
    from scipy.special import stdtrit
    chance = sigma if sigma < 1 else erf(sigma/sqrt(2))
    return float(stdtrit(freedom, (chance + 1)/2))


def slopes(model: ModelFunction, params: Parameters, names: list[str], values: Mapping[str, Any], errors: Mapping[str, float],
           dscale: float) -> np.ndarray:
    """Return the derivatives of a model's values by the varying parameters, expressions included: ndarray (p, n)."""
    formula = model._formula({name: value for name, value in values.items() if name in model.opts})
    arrays = {name: values.get(name) for name in formula.independent}
    if formula.native and all(isinstance(value, (np.ndarray, float, int)) for value in arrays.values()):
        return _exact(formula, params, names, arrays)
    rows = []
    for name in names:
        step = (errors[name] or 1e-6*max(abs(params[name].value), 1e-6))*dscale
        sides = []
        for side in (step, -step):
            moved = params.copy()
            moved[name].set(min=None, max=None)
            moved[name].value = params[name].value + side
            sides.append(np.atleast_1d(np.asarray(model.eval(moved, **values))))
        difference = np.asarray(sides[0] - sides[1])/(2*step)
        rows.append(difference.astype(complex if difference.dtype.kind == "c" else float).reshape(-1).view(float))
    return np.array(rows)


def _exact(formula: Formula, params: Parameters, names: list[str], arrays: Mapping[str, Any]) -> np.ndarray:
    """The derivatives by the program."""
    own = formula.jacobian(**arrays, **{name: params[name].value for name in formula.names})
    own = own.reshape(-1, len(formula.names)).T
    free = params.bind()
    free.put_external(np.array([params[name].value for name in free.names]))
    tied, by = free.dependents()
    out = np.zeros((len(names), own.shape[1]))
    for k, name in enumerate(formula.names):
        if name in names:
            out[names.index(name)] += own[k]
        elif name in tied:
            for j, other in enumerate(free.names):
                if other in names:
                    out[names.index(other)] += own[k]*by[list(tied).index(name)][j]
    return out


def bands(result: Any, params: Parameters | None, sigma: float, dscale: float,
          values: dict[str, Any]) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """Return the band of the model, of a further measurement, and of each component."""
    params = result.params if params is None else params
    value = np.asarray(result.model.eval(params, **values))
    covar, names = result.covar, list(result.var_names)
    zeros = np.zeros(value.shape)
    if covar is None or not np.isfinite(covar).all():
        return zeros, zeros, {}
    errors = {name: params[name].stderr or 0.0 for name in names}
    factor = student(sigma, result.ndata - len(names))

    def variance(model: ModelFunction) -> np.ndarray:
        own = slopes(model, params, names, values, errors, dscale)
        found = np.einsum("in,ij,jn->n", own, covar, own)
        whole = np.asarray(model.eval(params, **values))
        return found.view(complex).reshape(whole.shape) if whole.dtype.kind == "c" else found.reshape(whole.shape)

    total = variance(result.model)
    parts = {(part._prefix or part._name): factor*np.sqrt(variance(part)) for part in result.model.components}
    return factor*np.sqrt(total), factor*np.sqrt(total + result.redchi), parts


def correlated(result: Any) -> dict[str, Any] | None:
    """Return parameters as numbers of the package `uncertainties`, or None."""
    covar = result.covar
    if covar is None or not np.isfinite(covar).all():
        return None
    try:
        from uncertainties import correlated_values, ufloat  # type: ignore[import-untyped]
    except ImportError:
        return None
    names, params = list(result.var_names), result.params
    found = dict(zip(names, correlated_values([params[name].value for name in names], covar), strict=True))
    free = params.bind()
    free.put_external(np.array([params[name].value for name in free.names]))
    tied, by = free.dependents()
    rows = {name: by[k] for k, name in enumerate(tied)}
    out = {}
    for name, par in params.items():
        if name in found:
            out[name] = found[name]
        elif name in rows:
            terms = [slope*(found[other] - params[other].value) for other, slope in zip(free.names, rows[name], strict=True) if slope]
            out[name] = sum(terms, start=ufloat(par.value, 0))
        else:
            out[name] = ufloat(par.value, 0)
    return out
