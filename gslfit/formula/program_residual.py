"""A compiled model as the residual function that `minimize` takes: no Python in the model, exact derivatives.

The derivatives are by the varying parameters' own values, those through expressions included; bounds are `minimize`'s own affair.
"""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from gslfit.data.covariance import whitened
from gslfit.formula.formula import Formula
from gslfit.formula.parametrize import fold
from gslfit.objective.loss import Loss
from gslfit.objective.residual import MODEL_MINUS_DATA, in_sign, residual
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
        ``jacobian(params) -> ndarray, shape (n, p)``: a `jac` for `minimize`.

    Raises
    ------
    ExpressionError
        If an expression has no exact derivative.
    """
    found = ProgramResidual(formula, params, x, y, weights)
    return found, found.jacobian


class ProgramResidual:
    """A formula's weighted residual, run by its program; it can be pickled where the formula can.

    Parameters
    ----------
    formula, params, x, y, weights
        As `native_residual` takes them; `params` are copied.
    sign : int
        `MODEL_MINUS_DATA` or `DATA_MINUS_MODEL`.
    loss : Loss, optional
        What is minimised instead of the sum of squares: the residual is bent, so that half of its squares' sum is that.
    factor : ndarray, shape (n, n), optional
        What whitens residuals, see `gslfit.data.covariance`.

    Attributes
    ----------
    folded : Folded
        The formula with the parameters folded in.
    program : Program
        The model.
    names : tuple of str
        The varying parameters, its free variables.
    derived : bool
        `jacobian` follows from the formula: there is nothing to compare with differences.

    Raises
    ------
    ExpressionError
        If an expression has no exact derivative.
    """

    __name__ = "residual"
    derived = True

    def __init__(self, formula: Formula, params: Parameters, x: Sequence[np.ndarray], y: np.ndarray | None = None,
                 weights: np.ndarray | None = None, sign: int = MODEL_MINUS_DATA, loss: Loss | None = None,
                 factor: np.ndarray | None = None) -> None:
        bare = self._params = params.copy()
        for parameter in bare.values():
            if parameter.expr is None and parameter.vary:
                parameter.set(min=-np.inf, max=np.inf)      # lmfit's Parameter leaves a bound that is None as it is
        folded = fold(formula, bare, idle=True)
        self._formula, self.folded, self.program, self.names = formula, folded, folded.program, folded.names
        self.x = np.array([np.asarray(row, float) for row in x])
        self.y, self.weights, self._sign, self.loss, self.factor = y, weights, sign, loss, factor

    def __reduce__(self) -> tuple:
        return type(self), (self._formula, self._params, self.x, self.y, self.weights, self._sign, self.loss, self.factor)

    @property
    def parts(self) -> tuple[Formula, np.ndarray, np.ndarray | None, np.ndarray | None] | None:
        """The formula, the independent variables (nx, n), the data and the weights; None where the residual is more than that."""
        if self.loss is not None or self.factor is not None:
            return None
        return self._formula, self.x, self.y, self.weights

    def __call__(self, params: Any) -> np.ndarray:
        """Return the residuals, ndarray (n)."""
        value = self.program.evaluate([params[name].value for name in self.names], self.x, jacobian=False)[0]
        if self.loss is not None:
            return in_sign(self.loss.bent(value, self.y, self.weights)[0], self._sign)
        return whitened(self.factor, residual(value, 0.0 if self.y is None else self.y, self.weights, self._sign))

    def jacobian(self, params: Any) -> np.ndarray:
        """Return the derivatives of the residuals by the varying parameters, ndarray (n, p)."""
        value, slopes = self.program.evaluate([params[name].value for name in self.names], self.x)
        if self.loss is not None:
            return in_sign(slopes*self.loss.bent(value, self.y, self.weights)[1][:, None], self._sign)
        if self.weights is not None:
            slopes *= self.weights[:, None]
        return in_sign(whitened(self.factor, slopes), self._sign)

    def linear_start(self, params: Parameters) -> dict[str, float]:
        """Return where parameters are to begin instead, since amplitudes are far too small beside the data; empty where none is."""
        if not self.program.amplitudes:
            return {}
        slopes, r = self.jacobian(params), self(params)
        good = np.isfinite(r) & np.isfinite(slopes).all(axis=1)
        own = [params[name] for name in self.names]
        low = [-np.inf if each.min is None else each.min for each in own]
        high = [np.inf if each.max is None else each.max for each in own]
        start = self.program.linear_start([each.value for each in own], r[good], slopes[good], low, high)
        if start is None:
            return {}
        return {name: value for name, each, value in zip(self.names, own, start.tolist(), strict=True) if value != each.value}


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
    from gslfit.formula.trace_residual import residual_formula
    values = {name: float(parameter.value) for name, parameter in params.items()}
    formula, arrays = residual_formula(function, values, args, kws)
    return native_residual(formula, params, arrays)
