"""Values that follow from a fit's parameters, with their standard errors.

An expression is differentiated exactly, as the `expr` of a parameter is, and its variance is ``g C g^T`` with the gradient g and the
covariance C of the parameters, by the same code as a curve's band.
"""
from __future__ import annotations

from collections.abc import Sequence
from math import isfinite, nan
from typing import Any

import numpy as np

from gslfit.checks import text
from gslfit.errors import InputError
from gslfit.minimizer.bands import spread_of_fit
from gslfit.minimizer.propagation import propagated
from gslfit.parameters.collection import Parameters

DSCALE = 1e-2       # step of differences, in standard errors, where a model has no exact derivatives


def with_expression(params: Parameters, expr: str) -> tuple[Parameters, str]:
    """Return a copy of Parameters that has the expression for a further parameter, and the name of it.

    Raises
    ------
    ExpressionError
        If the text is no expression of the parameters.
    InputError
        If it is empty.
    """
    if not text("expr", expr).strip():
        raise InputError("expr must be an expression of the parameters, such as 'A*tau', and is empty")
    name = "derived"
    while name in params:
        name += "_"
    found = params.copy()
    found.add(name, expr=expr)
    return found, name


def gradient(params: Parameters, expr: str, names: Sequence[str], units: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the value of an expression and its derivatives by the parameters `names` in their `units`: ndarray (p)."""
    extended, name = with_expression(params, expr)
    value = float(extended[name].value)
    if not all(isfinite(params[other].value) for other in names):
        return value, np.full(len(names), nan)
    free = extended.bind()
    free.put_external(np.array([extended[other].value for other in free.names]))
    known = dict(zip(names, units.tolist(), strict=True))
    derived, by = free.dependents(units=np.array([known.get(other, 1.0) for other in free.names]))
    slopes = dict(zip(free.names, by[derived.index(name)].tolist(), strict=True))
    return value, np.array([slopes.get(other, 0.0) for other in names])


def derived(result: Any, expr: str) -> tuple[float, float]:
    """Return the value and the standard error of an expression of a fit's parameters.

    Parameters
    ----------
    result : FitResult, ModelResult or Minimizer
    expr : str

    Returns
    -------
    value, error : float
        A parameter that its bound holds adds nothing to the error, which is NaN where the expression depends on no other one, or on what
        the data don't determine: of ``A1`` and ``A2``, which are determined only as ``A1 + A2``, the sum has an error.
    """
    params, names = result.params, list(result.var_names)
    spread = spread_of_fit(result, DSCALE)
    units = spread.units()
    value, slopes = gradient(params, expr, names, units)
    if not np.isfinite(slopes).all():
        return value, nan
    if not slopes.any():
        return value, 0.0
    return value, float(propagated(slopes, spread.by(units)))
