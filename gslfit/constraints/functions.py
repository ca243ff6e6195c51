"""The functions and constants that constraints between parameters may use: one table, with their derivatives.

The values of parameters are floats, and so Python's operators that want integers (``& | ^ << >> ~``) and the functions that do
(`factorial`, `ldexp`) take a float that is a whole number, and say so of any other. Powers, shifts and factorials are capped, so that no
expression can keep the machine busy. ``is`` compares numbers as ``==`` does, except that True and False are no numbers to it: the
identity of float objects, which Python would compare, means nothing to a parameter.
"""
from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from gslfit.errors import ExpressionError
from gslfit.records import Record

CONSTANTS: dict[str, float] = {"e": math.e, "pi": math.pi}

MAX_SHIFT = 1023          # bits
MAX_FACTORIAL = 170       # 171! is no float any more
MAX_POWER_BITS = 2048     # of an integer power; a larger one is computed in floats, and overflows there


class ConstraintFunction(Record):
    """A function of the grammar.

    `partials(value, *arguments)` gives the partial derivatives; None where the function has none in closed form. `real` says that the
    result is a float whatever the arguments.
    """

    call: Callable[..., Any]
    least: int = 1
    most: int | None = 1
    partials: Callable[..., tuple[float, ...]] | None = None
    real: bool = True


def whole(value: Any, what: str) -> int:
    """Return a number as an int, if it is a whole one."""
    if isinstance(value, int):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    raise ExpressionError(f"{what} needs whole numbers, not {value!r}")


def power(base: Any, exponent: Any) -> float | int:
    """Raise to a power: whole numbers exactly while that is cheap, else in floats, never into the complex plane."""
    if isinstance(base, int) and isinstance(exponent, int) and exponent >= 0 and base.bit_length() * exponent <= MAX_POWER_BITS:
        return base**exponent
    if base == 0 and exponent < 0:
        raise ZeroDivisionError("0 cannot be raised to a negative power")
    return math.pow(base, exponent)


def product(one: Any, other: Any) -> Any:
    """Multiply numbers; Python would also repeat a tuple or list, however often."""
    if isinstance(one, (tuple, list, str)) or isinstance(other, (tuple, list, str)):
        raise ExpressionError("'*' multiplies numbers, not tuples or lists")
    return one*other


def shift_left(value: Any, count: Any) -> int:
    """Shift a whole number to the left by a capped number of bits."""
    count = whole(count, "'<<'")
    if count > MAX_SHIFT:
        raise ExpressionError(f"'<<' shifts by at most {MAX_SHIFT} bits, not {count}")
    return whole(value, "'<<'") << count


def factorial(value: Any) -> int:
    """Return the factorial of a whole number of a size whose factorial a float can hold."""
    count = whole(value, "factorial()")
    if count > MAX_FACTORIAL:
        raise OverflowError(f"factorial({count}) is too large for a float")
    return math.factorial(count)


def erfcx(x: float) -> float:
    """Return ``exp(x*x)*erfc(x)``; from 25 on by its asymptotic series, whose terms fall by a factor of 1000 there."""
    if x < 25:
        return math.exp(x*x)*math.erfc(x) if x > -26.6 else math.inf
    t = 1/(2*x*x)
    return (1 - t*(1 - 3*t*(1 - 5*t*(1 - 7*t))))/(x*math.sqrt(math.pi))


def same(one: Any, other: Any) -> bool:
    """Return whether two values are the same number, or the same truth value."""
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def sign(value: float) -> float:
    """Return -1, 0 or 1 with the sign of a number."""
    return float((value > 0) - (value < 0)) if value == value else value


def _nothing(value: Any, *arguments: Any) -> tuple[float, ...]:
    """Return the partial derivatives of a function of steps."""
    return (0.,) * len(arguments)


def _pow_partials(value: float, base: float, exponent: float) -> tuple[float, float]:
    by_base = exponent * power(base, exponent - 1) if exponent else 0.
    return by_base, value * math.log(base) if base > 0 else 0. if base == 0 and exponent > 0 else math.nan


def _log_partials(value: float, x: float, base: float = math.e) -> tuple[float, ...]:
    return 1/(x*math.log(base)), -value/(base*math.log(base))


def _atan2_partials(value: float, y: float, x: float) -> tuple[float, float]:
    r = math.hypot(x, y)
    return x/r/r, -y/r/r


_SQRT_PI = math.sqrt(math.pi)

# name: call, fewest and most arguments, partial derivatives, whether a float comes out. `max`, `min`, `fsum`, `frexp` and `modf`
# take or give tuples, and so have their derivatives in gslfit.constraints.dual.
FUNCTIONS: dict[str, ConstraintFunction] = {
    "abs": ConstraintFunction(abs, 1, 1, lambda v, x: (sign(x),), False),
    "acos": ConstraintFunction(math.acos, 1, 1, lambda v, x: (-1/math.sqrt((1 - x)*(1 + x)),)),
    "acosh": ConstraintFunction(math.acosh, 1, 1, lambda v, x: (1/math.sqrt((x - 1)*(x + 1)),)),
    "asin": ConstraintFunction(math.asin, 1, 1, lambda v, x: (1/math.sqrt((1 - x)*(1 + x)),)),
    "asinh": ConstraintFunction(math.asinh, 1, 1, lambda v, x: (1/math.hypot(x, 1),)),
    "atan": ConstraintFunction(math.atan, 1, 1, lambda v, x: (1/(1 + x*x),)),
    "atan2": ConstraintFunction(math.atan2, 2, 2, _atan2_partials),
    "atanh": ConstraintFunction(math.atanh, 1, 1, lambda v, x: (1/((1 - x)*(1 + x)),)),
    "ceil": ConstraintFunction(math.ceil, 1, 1, _nothing, False),
    "copysign": ConstraintFunction(math.copysign, 2, 2, lambda v, x, y: (math.copysign(1, x)*math.copysign(1, y), 0.)),
    "cos": ConstraintFunction(math.cos, 1, 1, lambda v, x: (-math.sin(x),)),
    "cosh": ConstraintFunction(math.cosh, 1, 1, lambda v, x: (math.sinh(x),)),
    "degrees": ConstraintFunction(math.degrees, 1, 1, lambda v, x: (180/math.pi,)),
    "exp": ConstraintFunction(math.exp, 1, 1, lambda v, x: (v,)),
    "fabs": ConstraintFunction(math.fabs, 1, 1, lambda v, x: (sign(x),)),
    "factorial": ConstraintFunction(factorial, 1, 1, _nothing, False),
    "floor": ConstraintFunction(math.floor, 1, 1, _nothing, False),
    "fmod": ConstraintFunction(math.fmod, 2, 2, lambda v, x, y: (1., -float(math.trunc(x/y)))),
    "frexp": ConstraintFunction(math.frexp, 1, 1, None, False),
    "fsum": ConstraintFunction(math.fsum, 1, 1, None),
    "hypot": ConstraintFunction(math.hypot, 1, None, lambda v, *xs: tuple(x/v for x in xs)),
    "isinf": ConstraintFunction(math.isinf, 1, 1, _nothing, False),
    "isnan": ConstraintFunction(math.isnan, 1, 1, _nothing, False),
    "ldexp": ConstraintFunction(lambda x, i: math.ldexp(x, whole(i, "ldexp()")), 2, 2, lambda v, x, i: (math.ldexp(1., int(i)), 0.)),
    "log": ConstraintFunction(math.log, 1, 2, _log_partials),
    "log10": ConstraintFunction(math.log10, 1, 1, lambda v, x: (1/(x*math.log(10)),)),
    "log1p": ConstraintFunction(math.log1p, 1, 1, lambda v, x: (1/(1 + x),)),
    "max": ConstraintFunction(max, 1, None, None, False),
    "min": ConstraintFunction(min, 1, None, None, False),
    "modf": ConstraintFunction(math.modf, 1, 1, None, False),
    "pow": ConstraintFunction(power, 2, 2, _pow_partials, False),
    "radians": ConstraintFunction(math.radians, 1, 1, lambda v, x: (math.pi/180,)),
    "sin": ConstraintFunction(math.sin, 1, 1, lambda v, x: (math.cos(x),)),
    "sinh": ConstraintFunction(math.sinh, 1, 1, lambda v, x: (math.cosh(x),)),
    "sqrt": ConstraintFunction(math.sqrt, 1, 1, lambda v, x: (.5/v,)),
    "tan": ConstraintFunction(math.tan, 1, 1, lambda v, x: (1 + v*v,)),
    "tanh": ConstraintFunction(math.tanh, 1, 1, lambda v, x: (1 - v*v,)),
    "trunc": ConstraintFunction(math.trunc, 1, 1, _nothing, False),
}

# beyond the manual's, what scripts for lmfit 1.3 write (its expressions know NumPy's names)
MORE: dict[str, ConstraintFunction] = {
    "cbrt": ConstraintFunction(lambda x: math.copysign(abs(x)**(1/3), x), 1, 1, lambda v, x: (1/(3*v*v),)),
    "erf": ConstraintFunction(math.erf, 1, 1, lambda v, x: (2/_SQRT_PI*math.exp(-x*x),)),
    "erfc": ConstraintFunction(math.erfc, 1, 1, lambda v, x: (-2/_SQRT_PI*math.exp(-x*x),)),
    "erfcx": ConstraintFunction(erfcx, 1, 1, lambda v, x: (2*x*v - 2/_SQRT_PI,)),
    "exp2": ConstraintFunction(lambda x: power(2., x), 1, 1, lambda v, x: (v*math.log(2),)),
    "expm1": ConstraintFunction(math.expm1, 1, 1, lambda v, x: (v + 1,)),
    "gamma": ConstraintFunction(math.gamma),
    "lgamma": ConstraintFunction(math.lgamma),
    "log2": ConstraintFunction(math.log2, 1, 1, lambda v, x: (1/(x*math.log(2)),)),
    "sign": ConstraintFunction(sign, 1, 1, _nothing),
}
MORE |= {new: FUNCTIONS[old] for new, old in (("arccos", "acos"), ("arccosh", "acosh"), ("arcsin", "asin"), ("arcsinh", "asinh"),
                                              ("arctan", "atan"), ("arctan2", "atan2"), ("arctanh", "atanh"))}

TABLE: dict[str, ConstraintFunction] = FUNCTIONS | MORE

# what operators on floats become where Python's own would refuse, run away or turn complex
OPERATORS: dict[str, ConstraintFunction] = {
    "&": ConstraintFunction(lambda a, b: whole(a, "'&'") & whole(b, "'&'"), 2, 2, _nothing, False),
    "|": ConstraintFunction(lambda a, b: whole(a, "'|'") | whole(b, "'|'"), 2, 2, _nothing, False),
    "^": ConstraintFunction(lambda a, b: whole(a, "'^'") ^ whole(b, "'^'"), 2, 2, _nothing, False),
    "<<": ConstraintFunction(shift_left, 2, 2, _nothing, False),
    ">>": ConstraintFunction(lambda a, b: whole(a, "'>>'") >> whole(b, "'>>'"), 2, 2, _nothing, False),
    "~": ConstraintFunction(lambda a: ~whole(a, "'~'"), 1, 1, _nothing, False),
    "*": ConstraintFunction(product, 2, 2, lambda v, x, y: (y, x), False),
    "**": ConstraintFunction(power, 2, 2, _pow_partials, False),
    "is": ConstraintFunction(same, 2, 2, _nothing, False),
    "is not": ConstraintFunction(lambda a, b: not same(a, b), 2, 2, _nothing, False),
}
