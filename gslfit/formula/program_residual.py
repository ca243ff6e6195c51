"""A compiled model as the residual function that `minimize` takes: no Python in the model, exact derivatives.

The derivatives are by the varying parameters' own values, those through expressions included; bounds are `minimize`'s own affair.
"""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from gslfit.errors import ExpressionError
from gslfit.formula.formula import Formula
from gslfit.formula.parametrize import fold
from gslfit.formula.trace_residual import trace_residual
from gslfit.parameters.collection import Parameters

Function = Callable[[Any], np.ndarray]


def native_residual(formula: Formula, params: Parameters, x: Sequence[np.ndarray], y: np.ndarray | None = None,
                    weights: np.ndarray | None = None) -> tuple[Function, Function]:
    """Return the residual ``weights*(model - y)`` and its Jacobian as functions of parameters.

    Parameters
    ----------
    formula : Formula
        A native one.
    params : Parameters
        Which vary, which have expressions, and the values of the fixed ones.
    x : sequence of ndarray, shape (n,)
        The independent variables, in the formula's order.
    y, weights : ndarray, shape (n,), optional
        Data (0), and factors of the residuals (1).

    Returns
    -------
    residual : callable
        ``residual(params) -> ndarray, shape (n,)``.
    jacobian : callable
        ``jacobian(params) -> ndarray, shape (n, p)``: a `Dfun` for `minimize`.

    Raises
    ------
    ExpressionError
        If an expression has no exact derivative.
    """
    bare = params.copy()
    for parameter in bare.values():
        if parameter.expr is None and parameter.vary:
            parameter.set(min=-np.inf, max=np.inf)      # lmfit's Parameter leaves a bound that is None as it is
    folded = fold(formula, bare, idle=True)
    program, names = folded.program, folded.names
    points = np.array([np.asarray(row, float) for row in x])

    def values(p: Any) -> list[float]:
        return [p[name].value for name in names]

    def residual(p: Any) -> np.ndarray:
        value = program.evaluate(values(p), points, jacobian=False)[0]
        if y is not None:
            value -= y
        if weights is not None:
            value *= weights
        return value

    def jacobian(p: Any) -> np.ndarray:
        slopes = program.evaluate(values(p), points)[1]
        if weights is not None:
            slopes *= weights[:, None]
        return slopes

    return residual, jacobian


def compiled_residual(function: Callable[..., Any], params: Parameters, args: Sequence[Any] = (),
                      kws: Mapping[str, Any] | None = None) -> tuple[Function, Function]:
    """Trace a residual function of parameters, and return it compiled, with its Jacobian.

    Parameters
    ----------
    function : callable
        ``function(params, *args, **kws) -> array``, of NumPy operations.
    params : Parameters
    args, kws : sequence, mapping
        What else it is called with.

    Returns
    -------
    residual, jacobian : callable
        As `native_residual` gives them.

    Raises
    ------
    ExpressionError
        If it can't be traced, or an expression has no exact derivative; the message says why.
    """
    traced = trace_residual(function, {name: float(parameter.value) for name, parameter in params.items()}, args, kws)
    if traced.graph is None:
        raise ExpressionError(traced.reason)
    formula = Formula.from_graph(traced.graph, traced.names, getattr(function, "__name__", "residual"))
    return native_residual(formula, params, list(traced.arrays.values()))
