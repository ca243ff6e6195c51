"""A parameter: a number with a name, a role in the fit (varied, fixed, or an expression of others), bounds, and what a fit found."""
import keyword
import math
import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias, overload

import numpy as np

from gslfit.checks import as_name, truth
from gslfit.constraints.compiler import constraint
from gslfit.errors import InputTypeError, ParameterError, ParameterNameError
from gslfit.parameters._values import Slots

if TYPE_CHECKING:
    Real: TypeAlias = "float | Parameter"
    Array: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]

FIELDS = ("value", "vary", "min", "max", "name", "expr", "brute_step", "user_data")
"""The inputs in the order of lmfit 0.5."""

FIELDS_NAME_FIRST = ("name", "value", "vary", "min", "max", "expr", "brute_step", "user_data")
"""The inputs in the order of lmfit 1.3, taken where the first one is a string."""


def check_name(name: Any) -> str:
    """Return a name that a parameter can have, as Python reads it: an identifier, Greek letters too, and no reserved word.

    Raises
    ------
    ParameterNameError
        If it is none.

    Examples
    --------
    >>> check_name("\u03c3_1")
    '\u03c3_1'
    """
    if not isinstance(name, str):
        raise ParameterNameError(f"a parameter's name is a string, not {type(name).__name__}: {name!r}")
    if not name.isidentifier():
        raise ParameterNameError(f"{name!r} can't name a parameter: letters, digits and '_' only, and no digit first")
    name = as_name(name)
    if keyword.iskeyword(name):
        raise ParameterNameError(f"{name!r} can't name a parameter: it is a reserved word of Python")
    return name


def is_name(name: Any) -> bool:
    """Return whether a parameter can have a name."""
    return isinstance(name, str) and name.isidentifier() and not keyword.iskeyword(as_name(name))


def _nobody() -> None:
    """Stand for the owner of a parameter that has none."""


class Parameter(Slots):
    """A parameter of a fit.

    Parameters
    ----------
    value : float, optional
        Start value, or fixed value.
    vary : bool
        Whether the fit varies it.
    min, max : float, optional
        Bounds; None, or an infinity, for no bound. Read back as None.
    name : str, optional
        Name; set to the key when the parameter enters a `Parameters`. May come first, as in lmfit 1.3, if it is a string:
        ``Parameter("a", 1.0)`` is ``Parameter(1.0, name="a")``.
    expr : str, optional
        Expression of other parameters that gives the value; makes `vary` False. The bounds then clip the value.
    brute_step : float, optional
        Step for a grid search.
    user_data : object, optional
        Anything; carried along.

    Attributes
    ----------
    stderr : float or None
        Standard error, after a fit: 0 if fixed, propagated if an expression; None before.
    correl : dict of str to float, or None
        Correlations with the other varied parameters, after a fit.
    init_value : float or None
        Value that the last fit began at.

    Raises
    ------
    ParameterError
        If the bounds or the value can't be used.
    ExpressionError
        If the expression isn't of the grammar.

    Examples
    --------
    >>> p = Parameter(value=2, min=1e-10, name="period")
    >>> p.value, p.min, p.max
    (2.0, 1e-10, None)
    >>> 2*p
    4.0
    """

    __slots__ = ()

    __hash__ = None                                           # type: ignore[assignment]  # compared by value, which changes

    def __init__(self, *args: Any, **kws: Any) -> None:
        order = FIELDS_NAME_FIRST if args and isinstance(args[0], str) else FIELDS
        given = dict(zip(order, args, strict=False))
        twice = given.keys() & kws.keys()
        unknown = kws.keys() - set(FIELDS)
        if twice or unknown or len(args) > len(order):
            what = f"got {', '.join(map(repr, sorted(twice)))} twice" if twice else (
                f"has no input {', '.join(map(repr, sorted(unknown)))}; it takes {', '.join(FIELDS)}" if unknown else
                f"takes at most {len(order)} inputs, not {len(args)}")
            raise InputTypeError(f"Parameter {what}")
        given |= kws
        expr = given.pop("expr", None)
        if given.get("name") is not None:
            given["name"] = check_name(given["name"])
        self._fill(**given)
        if expr:
            self.expr = expr

    def _fill(self, value: Any = None, vary: Any = True, min: Any = None, max: Any = None, name: Any = None, brute_step: Any = None,
              user_data: Any = None) -> None:
        """Take all inputs but the expression, the name being checked, as a parameter that nobody owns."""
        self._owner = _nobody
        self.name = name
        self._value = self._expr = self._min = self._max = None
        self._vary = vary if vary is True else truth("vary", vary)
        self.brute_step, self.user_data = brute_step, user_data
        self.stderr = self.correl = self.init_value = None
        if min is not None or max is not None:
            self._set_bounds(self._bound(min, "min"), self._bound(max, "max"))
        self._value = self._number(value)

    # -- what the owner is told -------------------------------------------------------------------------------------------

    def _changed(self) -> None:
        """Tell the Parameters that this one is in that values or roles have changed."""
        owner = self._owner()
        if owner is not None:
            owner._note()

    def _fail(self, message: str) -> NoReturn:
        raise ParameterError(f"parameter {self.name or '(no name yet)'!r}: {message}")

    def _number(self, value: Any) -> float | None:
        """Return a value as a float."""
        if value is None or type(value) is float:
            return value
        try:
            if type(value) is not int and (isinstance(value, (str, bytes)) or np.ndim(value)):
                raise TypeError
            return float(value)
        except (TypeError, ValueError):
            raise InputTypeError(f"parameter {self.name or '(no name yet)'!r}: a value is a real number, "
                                 f"not {type(value).__name__}: {value!r:.60}") from None
        except OverflowError:
            raise ParameterError(f"parameter {self.name or '(no name yet)'!r}: its number is beyond the range of floats") from None

    def _bound(self, value: Any, which: str) -> float | None:
        """Return a bound as a float, None for an infinite one."""
        number = self._number(value)
        if number is None or number == (-math.inf if which == "min" else math.inf):
            return None
        if number != number:
            self._fail(f"{which} is NaN; leave it out for no bound")
        if math.isinf(number):
            self._fail(f"{which} is {number}, which leaves no room for a value")
        return number

    def _set_bounds(self, low: float | None, high: float | None) -> None:
        """Set both bounds, if they leave room between them."""
        if low is not None and high is not None and low >= high:
            if low == high:
                self._fail(f"min and max are both {low!r}; to hold it at a value, give that value and vary=False")
            self._fail(f"min = {low!r} is above max = {high!r}; to move both bounds at once, use set(min=..., max=...)")
        self._min, self._max = low, high
        self._changed()

    # -- inputs ----------------------------------------------------------------------------------------------------------

    def _set_value(self, value: Any) -> None:
        self._value = self._number(value)
        self._expr = None
        self._changed()

    def _evaluated(self) -> float | None:
        """Return the value of an expression that waited to be evaluated."""
        owner = self._owner()
        if owner is None:
            return None
        owner._evaluate(self.name)
        return None if self._waits() else self._value

    @property
    def vary(self) -> bool:
        """Whether the fit varies it; setting True clears the expression."""
        return self._vary

    @vary.setter
    def vary(self, vary: bool) -> None:
        varies = truth("vary", vary)
        if varies and self._expr is not None:
            self._value = self._known_value()
            self._expr = None
        self._vary = varies
        self._changed()

    @property
    def min(self) -> float | None:
        """Lower bound, or None."""
        return self._min

    @min.setter
    def min(self, low: float | None) -> None:
        self._set_bounds(self._bound(low, "min"), self._max)

    @property
    def max(self) -> float | None:
        """Upper bound, or None."""
        return self._max

    @max.setter
    def max(self, high: float | None) -> None:
        self._set_bounds(self._min, self._bound(high, "max"))

    @property
    def expr(self) -> str | None:
        """Expression of other parameters that gives the value, or None; setting one makes `vary` False."""
        return self._expr

    @expr.setter
    def expr(self, text: str | None) -> None:
        if text is None or (isinstance(text, str) and not text.strip()):
            self._value = self._known_value()
            self._expr = None
            self._changed()
            return
        owner = self._owner()
        if owner is None:
            constraint(text)                                  # refused now rather than at the fit
        else:
            owner._check_expression(text)
        self._take_expression(text)
        if owner is not None:
            owner._own(self)
            self._changed()

    def _take_expression(self, text: str) -> None:
        """Take an expression that was checked."""
        self._expr = text.strip()
        self._vary = False

    def _known_value(self) -> float | None:
        """Return the value, None where an expression can't be evaluated."""
        try:
            return self.value
        except ValueError:                                    # InputError and its children
            return None

    def set(self, value: Any = ..., vary: bool | None = None, min: Any = ..., max: Any = ..., expr: Any = ...,
            brute_step: Any = ...) -> None:
        """Set several inputs at once; those left out stay.

        Parameters
        ----------
        value : float, optional
            New value; clears the expression.
        vary : bool, optional
            Whether the fit varies it; True clears the expression.
        min, max : float or None, optional
            Bounds, both checked together; None or an infinity for no bound.
        expr : str or None, optional
            Expression; None or "" clears it.
        brute_step : float or None, optional
            Step for a grid search.

        Examples
        --------
        >>> p = Parameter(5, min=0, max=10)
        >>> p.set(value=25, min=20, max=30)
        >>> p.value, p.min
        (25.0, 20.0)
        """
        if min is not ... or max is not ...:
            self._set_bounds(self._min if min is ... else self._bound(min, "min"),
                             self._max if max is ... else self._bound(max, "max"))
        if value is not ... and value is not None:
            self.value = value
        if vary is not None:
            self.vary = vary
        if expr is not ...:
            self.expr = expr
        if brute_step is not ...:
            self.brute_step = brute_step

    # -- copies and texts --------------------------------------------------------------------------------------------------

    def __getstate__(self) -> dict[str, Any]:
        return {"name": self.name, "value": self._known_value(), "vary": self._vary, "expr": self._expr, "min": self._min,
                "max": self._max, "brute_step": self.brute_step, "stderr": self.stderr, "correl": self.correl,
                "init_value": self.init_value, "user_data": self.user_data}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._owner = _nobody
        self.name, self._value, self._vary, self._expr = state["name"], state["value"], state["vary"], state["expr"]
        self._min, self._max, self.brute_step = state["min"], state["max"], state["brute_step"]
        self.stderr, self.correl, self.init_value = state["stderr"], state["correl"], state["init_value"]
        self.user_data = state["user_data"]

    def __reduce__(self) -> tuple:
        return _blank, (type(self),), self.__getstate__()

    def __copy__(self) -> "Parameter":
        return _copy(self)

    def _value_text(self) -> str:
        """Return what a repr says of the value: with its error, or that it is fixed, or why it can't be had."""
        try:
            value = f"value={self.value!r}"
        except ValueError as error:
            value = f"value=? ({str(error).splitlines()[0]})"
        if self._expr is None and not self._vary:
            value += " (fixed)"
        elif self.stderr is not None:
            value += f" +/- {self.stderr:.3g}"
        return value

    def __repr__(self) -> str:
        low, high = -math.inf if self._min is None else self._min, math.inf if self._max is None else self._max
        text = f"<Parameter {self.name!r}, {self._value_text()}, bounds=[{low:g}:{high:g}]"
        return text + (f", expr={self._expr!r}>" if self._expr is not None else ">")

    # -- a parameter acts as its value -------------------------------------------------------------------------------------

    if TYPE_CHECKING:       # what is set below for all operators
        @overload
        def __add__(self, other: Real) -> float: ...
        @overload
        def __add__(self, other: Array) -> Array: ...
        def __add__(self, other: Any) -> Any: ...
        __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = __add__
        __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = __pow__ = __rpow__ = __add__
        def __neg__(self) -> float: ...
        def __pos__(self) -> float: ...
        def __abs__(self) -> float: ...
        def __lt__(self, other: Real) -> bool: ...
        def __le__(self, other: Real) -> bool: ...
        def __gt__(self, other: Real) -> bool: ...
        def __ge__(self, other: Real) -> bool: ...

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(_value_of(self), dtype=dtype)

    def __bool__(self) -> bool:
        return bool(_value_of(self))

    def __float__(self) -> float:
        return _value_of(self)

    def __int__(self) -> int:
        return int(_value_of(self))

    def __round__(self, digits: int | None = None) -> float | int:
        return round(_value_of(self), digits)


def _value_of(item: Any) -> Any:
    """Return a parameter's value, or the thing itself if it is none."""
    if not isinstance(item, Parameter):
        return item
    value = item.value
    if value is None:
        item._fail("it has no value yet")
    return value


def _blank(kind: type[Parameter] = Parameter) -> Parameter:
    return kind.__new__(kind)


def _copy(parameter: Parameter) -> Parameter:
    """Return a parameter of its own with the same contents; an expression that waits to be evaluated still waits."""
    new = _blank(type(parameter))
    new._owner = _nobody
    new._take(parameter)
    return new


def _peek(parameter: Parameter) -> float | None:
    """Return the value that stands in the slot, None where it waits to be evaluated."""
    return None if parameter._waits() else parameter._value


def _unary(act: Callable[[Any], Any]) -> Callable[[Parameter], Any]:
    return lambda self: act(_value_of(self))


def _binary(act: Callable[[Any, Any], Any]) -> Callable[[Parameter, Any], Any]:
    return lambda self, other: act(_value_of(self), _value_of(other))


def _reflected(act: Callable[[Any, Any], Any]) -> Callable[[Parameter, Any], Any]:
    return lambda self, other: act(_value_of(other), _value_of(self))


def _equality(act: Callable[[Any, Any], Any]) -> Callable[[Parameter, Any], Any]:
    return lambda self, other: act(self.value, other.value if isinstance(other, Parameter) else other)


for _name in ("neg", "pos", "abs", "trunc", "floor", "ceil"):
    setattr(Parameter, f"__{_name}__", _unary(getattr(math, _name, None) or getattr(operator, _name)))
for _name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow"):
    setattr(Parameter, f"__{_name}__", _binary(getattr(operator, _name)))
    setattr(Parameter, f"__r{_name}__", _reflected(getattr(operator, _name)))
setattr(Parameter, "__divmod__", _binary(divmod))            # noqa: B010
setattr(Parameter, "__rdivmod__", _reflected(divmod))        # noqa: B010
for _name in ("lt", "le", "gt", "ge"):
    setattr(Parameter, f"__{_name}__", _binary(getattr(operator, _name)))
for _name in ("eq", "ne"):                                   # these may also meet None, in a parameter without a value
    setattr(Parameter, f"__{_name}__", _equality(getattr(operator, _name)))
