"""One fit's view of its parameters: from the solver's free numbers to the values that the residual function sees."""
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from gslfit.bounds import FREE, ONE, bound, one_bound, stepped_inside, two_bounds
from gslfit.errors import ParameterError
from gslfit.expression.dual import Dual, plain
from gslfit.parameter import Parameter


class Binding:
    """The free variables of a fit, made by `Parameters.bind`.

    Parameters
    ----------
    params : Parameters
        A copy that is the binding's own.

    Attributes
    ----------
    names : tuple of str
        The varying parameters, in order.
    params : Parameters
        What the residual function is called with; `put` writes into it.
    start : ndarray, shape (p,)
        Internal start values, stepped inside a bound where the start lies on one.

    Raises
    ------
    ParameterError
        If a start value is missing, not finite, or outside its bounds.
    ExpressionError
        If an expression names what isn't there, or they go round in a circle.
    """

    def __init__(self, params: Any) -> None:
        for par in params.values():
            if par._expr is None:
                _check_start(par)
        free = [par for par in params.values() if par._vary and par._expr is None]
        inside = [stepped_inside(par._value, par._min, par._max) for par in free]
        self.params = params
        self.names = tuple(par.name for par in free)
        self.bounds = tuple(bound(value, par._min, par._max) for value, par in zip(inside, free, strict=True))
        self._free = [(par, par.name, kind, near, size, far)
                      for par, (kind, near, size, far) in zip(free, self.bounds, strict=True)]
        self._space = {name: par._value for name, par in params.items() if par._expr is None}
        self._chain = params._constraints(self._space)
        # what the residual function may have overwritten, and must find restored at its next call
        self._state = [(par, par._vary, par._expr, par._min, par._max, self._space.get(name)) for name, par in params.items()]
        self._items = list(params.items())
        self.start = np.array([box.internal(value) for box, value in zip(self.bounds, inside, strict=True)], float)
        params._touched = False

    def put(self, v: np.ndarray) -> None:
        """Write the values that internal `v` stands for, restore the fixed ones, and evaluate the expressions.

        Parameters
        ----------
        v : ndarray, shape (p,)
            Internal values.

        Raises
        ------
        NonFiniteError
            If an expression gives NaN or can't be computed; names the parameter and its expression.
        """
        if self.params._touched:
            self._restore()
        space = self._space
        for (par, name, kind, near, size, far), x in zip(self._free, v.tolist()):  # noqa: B905 - zip(strict=) costs
            if kind != FREE:
                x = one_bound(x, near, size) if kind == ONE else two_bounds(x, near, size, far)
            par._value = space[name] = x
        if self._chain:
            self._evaluate()

    def put_external(self, values: Sequence[float] | np.ndarray) -> None:
        """Write the varying parameters' own values, and evaluate the expressions.

        Parameters
        ----------
        values : array_like, shape (p,)
            Values of the varying parameters.
        """
        if self.params._touched:
            self._restore()
        for (par, name, *_), x in zip(self._free, values, strict=True):
            par._value = self._space[name] = float(x)
        if self._chain:
            self._evaluate()

    def _evaluate(self) -> None:
        """Evaluate the expressions in their order."""
        space = self._space
        for link in self._chain:
            try:
                x = eval(link.code, link.scope, space)
            except Exception as error:
                link.fail(error, space)
            if type(x) is not float or x != x or link.clips:
                x = link.settle(x, space)
            link.parameter._value = space[link.name] = x

    def _restore(self) -> None:
        """Undo what was written into `params` since the last `put`."""
        params = self.params
        if [*params.items()] != self._items or any(params[name] is not par for name, par in self._items):
            dict.clear(params)
            dict.update(params, self._items)
        for par, vary, expr, low, high, value in self._state:
            par._vary, par._expr, par._min, par._max = vary, expr, low, high
            params._own(par)
            if expr is None:
                par._value = self._space[par.name] = value
        params._touched = False

    def external(self, v: np.ndarray) -> np.ndarray:
        """Return the varying parameters' values, ndarray (p), for internal ones."""
        return np.array([box.external(x) for box, x in zip(self.bounds, v, strict=True)], float)

    def internal(self, values: Sequence[float] | np.ndarray) -> np.ndarray:
        """Return the internal values, ndarray (p), for the varying parameters' own."""
        return np.array([box.internal(float(x)) for box, x in zip(self.bounds, values, strict=True)], float)

    def slopes(self, v: np.ndarray) -> np.ndarray:
        """Return the derivatives, ndarray (p), of the varying parameters by their internal values."""
        return np.array([box.slope(x) for box, x in zip(self.bounds, v, strict=True)], float)

    def dependents(self) -> tuple[tuple[str, ...], np.ndarray]:
        """Return the `expr` parameters and their derivatives at the values last put.

        Returns
        -------
        names : tuple of str
            The parameters with an expression, each after those it depends on.
        slopes : ndarray, shape (k, p)
            Derivatives of their values by the varying parameters' values: exact, differences only through functions of the user's own
            and expressions that need the interpreter.
        """
        p = len(self._free)
        if not self._chain:
            return (), np.zeros((0, p))
        space: dict[str, Any] = dict(self._space)
        for row, (par, name, *_) in zip(np.eye(p), self._free, strict=True):
            space[name] = Dual(par._value, row)
        slopes = np.zeros((len(self._chain), p))
        for i, link in enumerate(self._chain):
            value = link.differentiate(space)
            if isinstance(value, Dual) and not link.clipped(plain(value)):
                slopes[i] = value.slope
            space[link.name] = Dual(self._space[link.name], slopes[i])
        return tuple(link.name for link in self._chain), slopes


def _check_start(par: Parameter) -> None:
    """Hold a start value to a finite number within its bounds."""
    value, low, high = par._value, par._min, par._max
    if value is None:
        raise ParameterError(f"parameter {par.name!r} has no value; give it one: params[{par.name!r}].value = ...")
    if not math.isfinite(value):
        raise ParameterError(f"parameter {par.name!r} has the value {value}; give it a finite one")
    for beyond, which, limit in ((low is not None and value < low, "min", low), (high is not None and value > high, "max", high)):
        if beyond:
            raise ParameterError(f"parameter {par.name!r} has the value {value!r}, outside its bound {which} = {limit!r}; "
                                 "start inside the bounds, or move the bound")


