"""Exact derivatives of constraint expressions by dual numbers: a value and its gradient, carried through the same compiled code.

Forward mode (Wengert, Communications of the ACM 7 (1964) 463). The rules for functions stand in their table; a function without one (the
user's own) is differentiated by Ridders' differences on the spot, so that only that call is less than exact.
"""
import math
import operator
import sys
from collections.abc import Callable, Iterable
from itertools import repeat
from typing import Any

import numpy as np

from gslfit.constraints.functions import FUNCTIONS, OPERATORS, TABLE, ConstraintFunction
from gslfit.constraints.ridders import derivative

SMALLEST = sys.float_info.min


class Dual:
    """A number with its gradient, `slope`, ndarray (p)."""

    __hash__ = None                                           # type: ignore[assignment]
    __slots__ = ("slope", "value")

    def __init__(self, value: Any, slope: Any) -> None:
        self.value = value
        self.slope = slope

    def __repr__(self) -> str:
        return f"Dual({self.value!r}, {self.slope!r})"

    def __bool__(self) -> bool:
        return bool(self.value)

    def __neg__(self) -> "Dual":
        return Dual(-self.value, -self.slope)

    def __pos__(self) -> "Dual":
        return self


def plain(value: Any) -> Any:
    """Return a number, tuple or list without gradients."""
    if isinstance(value, Dual):
        return value.value
    return type(value)(plain(item) for item in value) if isinstance(value, (tuple, list)) else value


def lift(function: ConstraintFunction) -> Callable[..., Any]:
    """Return a function of the table for dual numbers."""
    call, partials = function.call, function.partials or (lambda value, *args: _differences(function.call, args, {}))

    def lifted(*arguments: Any) -> Any:
        values = [plain(argument) for argument in arguments]
        value = call(*values)
        if not any(isinstance(argument, Dual) for argument in arguments):
            return value
        return _combine(value, _safely(partials, value, *values), arguments)
    return lifted


def lift_user(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function of the user's own for dual numbers, differentiated by differences."""
    def lifted(*arguments: Any, **keywords: Any) -> Any:
        names = list(keywords)
        given = [*arguments, *keywords.values()]
        values = [plain(item) for item in given]
        fixed = len(arguments)

        def call(*numbers: Any) -> Any:
            return function(*numbers[:fixed], **dict(zip(names, numbers[fixed:], strict=True)))
        value = call(*values)
        moving = {i for i, item in enumerate(given) if isinstance(item, Dual)}
        return _combine(value, _differences(call, values, moving), given) if moving else value
    return lifted


def _safely(partials: Callable[..., tuple[float, ...]], value: Any, *values: Any) -> tuple[float, ...]:
    """Return the partial derivatives, NaN where there are none: sqrt at 0."""
    try:
        return partials(value, *values)
    except (ArithmeticError, ValueError):
        return (math.nan,) * len(values)


def _combine(value: Any, partials: Iterable[float], arguments: Iterable[Any], powers: Iterable[float] | None = None) -> Dual:
    """Return the dual number of a function's value by the chain rule.

    Where the function is a product of powers of its arguments, these are `powers` (NaN for what is none): a partial derivative that is out
    of the range of numbers is power*value/argument then.
    """
    slope: Any = 0.
    for partial, argument, power in zip(partials, arguments, repeat(math.nan) if powers is None else powers, strict=False):
        if isinstance(argument, Dual):
            if power == power and not SMALLEST <= abs(partial) < math.inf and argument.value != 0 and 0 < abs(value) < math.inf:
                slope = slope + power*value*(argument.slope/argument.value)
                continue
            # a zero slope stays zero even where the partial derivative is infinite or NaN
            slope = slope + np.where(argument.slope == 0, 0., partial*argument.slope)
    return Dual(value, slope)


def _differences(call: Callable[..., Any], values: Any, moving: Any) -> tuple[float, ...]:
    """Return partial derivatives by differences, 0 for arguments that don't move."""
    def along(i: int) -> float:
        return derivative(lambda x: call(*values[:i], x, *values[i + 1:]), float(values[i]))
    return tuple(along(i) if i in moving or not moving else 0. for i in range(len(values)))


def _binary(name: str, act: Callable[[Any, Any], Any], partials: Callable[..., tuple[float, float]],
            powers: Callable[[Any, Any], tuple[float, float]] = lambda x, y: (math.nan, math.nan)) -> None:
    """Give Dual one operator and its reflection."""
    def of(x: Any, y: Any) -> Any:
        one, other = plain(x), plain(y)
        value = act(one, other)
        return _combine(value, _safely(partials, value, one, other), (x, y), powers(one, other))

    def forward(self: Dual, other: Any) -> Any:
        return of(self, other)

    def backward(self: Dual, other: Any) -> Any:
        return of(other, self)
    setattr(Dual, f"__{name}__", forward)
    setattr(Dual, f"__r{name}__", backward)


def _comparison(name: str) -> None:
    """Give Dual one comparison, by value."""
    act = getattr(operator, name)
    setattr(Dual, f"__{name}__", lambda self, other: act(self.value, plain(other)))


_binary("add", operator.add, lambda v, x, y: (1., 1.))
_binary("sub", operator.sub, lambda v, x, y: (1., -1.))
_binary("mul", operator.mul, lambda v, x, y: (y, x))
_binary("truediv", operator.truediv, lambda v, x, y: (1/y, -v/y), lambda x, y: (1., -1.))
_binary("mod", operator.mod, lambda v, x, y: (1., -float(x//y)))
_binary("floordiv", operator.floordiv, lambda v, x, y: (0., 0.))
_binary("pow", OPERATORS["**"].call, OPERATORS["**"].partials, lambda x, y: (y, math.nan))          # type: ignore[arg-type]
for _name in ("lt", "le", "gt", "ge", "eq", "ne"):
    _comparison(_name)


def _fsum(items: Iterable[Any]) -> Any:
    items = list(items)
    slope = sum(item.slope for item in items if isinstance(item, Dual))
    value = math.fsum(plain(item) for item in items)
    return Dual(value, slope) if any(isinstance(item, Dual) for item in items) else value


def _frexp(x: Any) -> tuple[Any, int]:
    mantissa, exponent = math.frexp(plain(x))
    return (Dual(mantissa, x.slope*math.ldexp(1., -exponent)) if isinstance(x, Dual) else mantissa), exponent


def _modf(x: Any) -> tuple[Any, float]:
    fraction, whole = math.modf(plain(x))
    return (Dual(fraction, x.slope) if isinstance(x, Dual) else fraction), whole


# max and min need no rule: they pick by comparison
DUALS: dict[str, Callable[..., Any]] = {name: lift(function) for name, function in (TABLE | OPERATORS).items()}
DUALS |= {"max": max, "min": min, "fsum": _fsum, "frexp": _frexp, "modf": _modf}
assert set(FUNCTIONS) <= set(DUALS)
