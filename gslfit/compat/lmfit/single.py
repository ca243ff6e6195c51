"""`Parameter` with lmfit 1.3's conventions: its value is clipped to its bounds, which read back as infinities."""
import math
from typing import Any

from gslfit.errors import ParameterError
from gslfit.parameters.parameter import Parameter as _Parameter
from gslfit.parameters.parameter import _blank

TINY = 1e-15
SAME = 1e-13              # bounds nearer to each other than this are equal


class Parameter(_Parameter):
    """A parameter of a fit, as lmfit 1.3 has it.

    Parameters
    ----------
    name : str
        Name.
    value : float, optional
        Start value, clipped to the bounds; without one it is -inf, or the lower bound.
    vary : bool
        Whether the fit varies it.
    min, max : float
        Bounds; they are swapped if `min` is the larger.
    expr : str, optional
        Expression of other parameters that gives the value.
    brute_step : float, optional
        Step of the grid for `brute`.
    user_data : object, optional
        Anything.

    Raises
    ------
    ParameterError
        If the bounds are equal.
    """

    def __init__(self, name: str, value: float | None = None, vary: bool = True, min: float | None = -math.inf,
                 max: float | None = math.inf, expr: str | None = None, brute_step: float | None = None, user_data: Any = None) -> None:
        super().__init__(vary=vary, brute_step=brute_step, user_data=user_data)
        self.name = name
        self.init_value = value
        self._set_bounds(self._bound(min, "min"), self._bound(max, "max"))
        self._value = -math.inf if value is None else self._number(value)
        self._within()
        if expr:
            self.expr = expr

    def _set_bounds(self, low: float | None, high: float | None) -> None:
        """Take bounds as they are; `_within` puts them in order before they are used."""
        self._min, self._max = low, high
        self._changed()

    def _within(self) -> None:
        """Put the bounds in order, and the value between them."""
        low, high = self._min, self._max
        if low is not None and high is not None:
            if low > high:
                low, high = self._min, self._max = high, low
            if math.isclose(low, high, rel_tol=SAME, abs_tol=SAME):
                raise ParameterError(f"Parameter {self.name!r} has min == max ({low!r}); to hold it at a value, give that value and "
                                     "vary=False")
        if self._expr is None:
            self._value = self._clipped(self._value)

    def _clipped(self, value: float | None) -> float | None:
        """Return a value, or the bound that it is beyond."""
        if value is None:
            return value
        if self._max is not None and value > self._max:
            return self._max
        return self._min if self._min is not None and value < self._min else value

    def _set_value(self, value: Any) -> None:
        if self._expr is None:                                # else the expression has the last word, at the next read
            self._value = self._clipped(self._number(value))
            self._changed()

    @property                                                 # type: ignore[override]
    def min(self) -> float:
        """Lower bound, -inf for none."""
        return -math.inf if self._min is None else self._min

    @min.setter
    def min(self, low: float | None) -> None:
        self._set_bounds(self._bound(low, "min"), self._max)

    @property                                                 # type: ignore[override]
    def max(self) -> float:
        """Upper bound, inf for none."""
        return math.inf if self._max is None else self._max

    @max.setter
    def max(self, high: float | None) -> None:
        self._set_bounds(self._min, self._bound(high, "max"))

    @property                                                 # type: ignore[override]
    def expr(self) -> str | None:
        """Expression of other parameters that gives the value, or None; setting one makes `vary` False."""
        return self._expr

    @expr.setter
    def expr(self, text: str | None) -> None:
        if text and text.strip() and self._owner() is None:
            self._take_expression(text)                                   # checked when the parameter joins others
        else:
            _Parameter.expr.fset(self, text)                  # type: ignore[attr-defined]

    def set(self, value: float | None = None, vary: bool | None = None, min: float | None = None,  # type: ignore[override]
            max: float | None = None, expr: str | None = None, brute_step: float | None = None, is_init_value: bool = True) -> None:
        """Set several inputs at once; those that are None stay.

        Parameters
        ----------
        value : float, optional
            New value; clears the expression.
        vary : bool, optional
            Whether the fit varies it; True clears the expression.
        min, max : float, optional
            Bounds; an infinity for none.
        expr : str, optional
            Expression; "" clears it.
        brute_step : float, optional
            Step of the grid for `brute`; 0 clears it.
        is_init_value : bool
            Whether `value` becomes `init_value` too.
        """
        if vary is not None:
            self.vary = vary
        if min is not None:
            self.min = min
        if max is not None:
            self.max = max
        if value is not None:
            if is_init_value or self._known_value() in (None, -math.inf, math.inf):
                self.init_value = value
            self.expr = None
            self.value = value
        if expr is not None:
            self.expr = expr
        if brute_step is not None:
            self.brute_step = brute_step or None

    # -- the bounds transform of MINUIT, which the scalar methods work in

    def setup_bounds(self) -> float:
        """Return the unbounded variable that stands for the value, by MINUIT's transforms."""
        self._within()
        value, low, high = self.value, self._min, self._max
        if low is None and high is None:
            inner = value
        elif high is None:
            inner = math.sqrt(max(0., (value - low + 1)**2 - 1))  # type: ignore[operator]
        elif low is None:
            inner = math.sqrt(max(0., (high - value + 1)**2 - 1))
        else:
            inner = math.asin(2*(value - low)/(high - low) - 1)
        return 0. if abs(inner) < TINY else float(inner)

    def from_internal(self, inner: float) -> float:
        """Return the value that an unbounded variable stands for."""
        low, high, inner = self._min, self._max, float(inner)
        if low is None and high is None:
            return inner
        if high is None:
            return low - 1 + math.sqrt(inner*inner + 1)       # type: ignore[operator]
        if low is None:
            return high + 1 - math.sqrt(inner*inner + 1)
        return low + (math.sin(inner) + 1)*(high - low)/2

    def scale_gradient(self, inner: float) -> float:
        """Return the derivative of the value by the unbounded variable."""
        low, high = self._min, self._max
        if low is None and high is None:
            return 1.
        if low is not None and high is not None:
            return math.cos(inner)*(high - low)/2
        return math.copysign(1, -1 if low is None else 1)*inner/math.sqrt(inner*inner + 1)

    def __repr__(self) -> str:
        parts = [f"<Parameter {self.name!r}", self._value_text(), f"bounds=[{self.min!r}:{self.max!r}]"]
        if self._expr is not None:
            parts.append(f"expr={self._expr!r}")
        if self.brute_step is not None:
            parts.append(f"brute_step={self.brute_step}")
        return ", ".join(parts) + ">"


FIELDS = ("name", "value", "vary", "expr", "min", "max", "brute_step", "stderr", "correl", "init_value", "user_data")
"""What lmfit writes of a parameter into JSON, in this order."""


def adopt(parameter: _Parameter) -> Parameter:
    """Return a parameter of gslfit's own with lmfit's conventions."""
    new = _blank(Parameter)
    state = parameter.__getstate__()
    new.__setstate__(state)
    if new._value is None:
        new._value = -math.inf
    return new                                                # type: ignore[return-value]
