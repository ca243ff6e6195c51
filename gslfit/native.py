"""A compiled model as the residual function that `minimize` takes: no Python in the model, exact derivatives.

The derivatives are by the varying parameters' own values, those through expressions included; bounds are `minimize`'s own affair.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gslfit.folding import fold
from gslfit.formula import Formula
from gslfit.parameters import Parameters

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
            parameter.set(min=None, max=None)
    folded = fold(formula, bare)
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
