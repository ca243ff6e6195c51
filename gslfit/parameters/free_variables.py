"""One fit's view of its parameters: from the solver's free numbers to the values that the residual function sees."""
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gslfit.errors import ParameterError
from gslfit.parameters._values import Values
from gslfit.parameters.dependencies import DerivedParameter
from gslfit.parameters.parameter import Parameter


class Binding(Values):
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
        Internal start values, strictly interior: moved inside where the start lies on a bound.
    origin : ndarray, shape (p,)
        The same, the parameters' own.
    doubtful : bool
        A start lies on a bound or next to it, and how far inside the fit begins was guessed.

    Raises
    ------
    ParameterError
        If a start value is missing, not finite, or outside its bounds.
    ExpressionError
        If an expression names what isn't there, or they go round in a circle.
    """

    def _refuse(self, par: Parameter) -> None:
        """Say what is wrong with a start value."""
        _check_start(par)

    def dependents(self, at: Mapping[str, float] | None = None, clip: bool = True,
                   units: np.ndarray | None = None) -> tuple[tuple[str, ...], np.ndarray]:
        """Return the `expr` parameters and their derivatives.

        Parameters
        ----------
        at : mapping of str to float, optional
            Every parameter's value; those last put, if it is left out.
        clip : bool
            Whether an expression that its own bound holds has no derivatives; without, it has those of the expression.
        units : ndarray, shape (p,), optional
            In which the varying parameters' values are for their derivatives, which may be out of the range of numbers in the unit 1.

        Returns
        -------
        names : tuple of str
            The parameters with an expression, each after those it depends on.
        slopes : ndarray, shape (k, p)
            Derivatives of their values by the varying parameters' values: exact, differences only through functions of the user's own
            and expressions that need the interpreter.
        """
        return dependents(self.names, self._derived, self._space if at is None else at, clip, units)


def dependents(names: Sequence[str], derived: Sequence[DerivedParameter], values: Mapping[str, float], clip: bool = True,
               units: np.ndarray | None = None) -> tuple[tuple[str, ...], np.ndarray]:
    """Return what `Binding.dependents` does, for the varying parameters of these names and these derived ones, at these values."""
    p = len(names)
    if not derived:
        return (), np.zeros((0, p))
    from gslfit.constraints.dual import Dual, plain
    space: dict[str, Any] = dict(values)
    for row, name in zip(np.eye(p) if units is None else np.diag(units), names, strict=True):
        space[name] = Dual(space[name], row)
    slopes = np.zeros((len(derived), p))
    for i, each in enumerate(derived):
        value = each.differentiate(space)
        if isinstance(value, Dual) and not (clip and each.clipped(plain(value))):
            slopes[i] = value.slope
        space[each.name] = Dual(values[each.name], slopes[i])
    return tuple(each.name for each in derived), slopes


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


