"""The functions of formulas, by every name that a text or NumPy has for them: one table.

Each entry is a name, its aliases and how to make its node. A name that is an operation of the graph needs nothing else.
"""
from __future__ import annotations

import math
from collections.abc import Callable

from gslfit.formula.graph import Node
from gslfit.formula.operations import OPERATIONS
from gslfit.records import Record

CONSTANTS = {"pi": math.pi, "e": math.e}
"""Names that stand for numbers, unless they are an independent variable's."""


class FormulaFunction(Record):
    """A function of formulas: fewest and most arguments, and what makes its node."""

    least: int
    most: int | None
    build: Callable[..., Node]


def op(name: str) -> Callable[..., Node]:
    """Return the function that makes a node of an operation."""
    return lambda *args: args[0].pool.make(name, *args)


def chain(name: str) -> Callable[..., Node]:
    """Return the function that joins two or more arguments by an operation, from the left."""
    def build(first: Node, *rest: Node) -> Node:
        for other in rest:
            first = first.pool.make(name, first, other)
        return first
    return build


def clip(a: Node, low: Node, high: Node) -> Node:
    """Return numpy.clip's node: min(max(a, low), high)."""
    return op("min")(op("max")(a, low), high)


def logaddexp(a: Node, b: Node) -> Node:
    """Return numpy.logaddexp's node: the greater one + log1p(exp(-abs(a - b))); of equal ones their mean, with half of each slope."""
    equal_or_nan = op("select")(op("lt")(a, b), b, 0.5*a + 0.5*b)
    return op("select")(op("gt")(a, b), a, equal_or_nan) + op("log1p")(op("exp")(-op("abs")(a - b)))


def voigt_profile(x: Node, sigma: Node, gamma: Node) -> Node:
    """Return scipy.special's Voigt profile of area 1, of a Lorentzian of half width gamma and a Gaussian of standard deviation sigma."""
    scale = sigma * math.sqrt(2)
    return op("wofz_re")(x / scale, gamma / scale) / (scale * math.sqrt(math.pi))


def heaviside(a: Node, half: Node | None = None) -> Node:
    """Return numpy.heaviside's node; half at zero unless a value is given."""
    return op("step")(a, a.pool.const(0.5) if half is None else half)


def log(a: Node, base: Node | None = None) -> Node:
    """Return the natural logarithm, or that to a base."""
    return op("log")(a) if base is None else op("log")(a) / op("log")(base)


def xlogy(a: Node, b: Node) -> Node:
    """Return a*log(b), zero where a is."""
    return op("mulz")(a, op("log")(b))


# names | operation | fewest-most arguments where the operation's own count isn't meant
_NAMES = """
abs fabs absolute
negative | neg
positive | mov
sqrt
cbrt
square
reciprocal | recip
exp
exp2
expm1
log2
log10
log1p
sin
cos
tan
asin arcsin
acos arccos
atan arctan
atan2 arctan2
sinh
cosh
tanh
asinh arcsinh
acosh arccosh
atanh arctanh
hypot
pow power float_power
floor
ceil
trunc fix
rint round around
sign
copysign
fmod
mod remainder
sinc
expit
erf
erfc
erfcx
dawson dawsn | dawson
gamma
lgamma gammaln loggamma | lgamma
digamma psi | digamma
voigt wofz_re | wofz_re
voigt_dx | wofz_d_re
j0
j1
y0
y1
i0
i1
k0
k1
i0e
i1e
k0e
k1e
where select | select
isnan
isinf
isfinite
logical_not | not
logical_xor | xor
less | lt
less_equal | le
greater | gt
greater_equal | ge
equal | eq
not_equal | ne
add
subtract | sub
multiply | mul
divide true_divide | div
"""

_OTHERS: dict[str, FormulaFunction] = {
    "log": FormulaFunction(1, 2, log),
    "clip": FormulaFunction(3, 3, clip),
    "heaviside": FormulaFunction(1, 2, heaviside),
    "min": FormulaFunction(2, None, chain("min")),
    "max": FormulaFunction(2, None, chain("max")),
    "minimum": FormulaFunction(2, 2, op("min")),
    "maximum": FormulaFunction(2, 2, op("max")),
    "fmin": FormulaFunction(2, 2, lambda a, b: op("select")(op("isnan")(a), b, op("select")(op("isnan")(b), a, op("min")(a, b)))),
    "fmax": FormulaFunction(2, 2, lambda a, b: op("select")(op("isnan")(a), b, op("select")(op("isnan")(b), a, op("max")(a, b)))),
    "logical_and": FormulaFunction(2, 2, op("and")),
    "logical_or": FormulaFunction(2, 2, op("or")),
    "degrees": FormulaFunction(1, 1, lambda a: a * (180 / math.pi)),
    "radians": FormulaFunction(1, 1, lambda a: a * (math.pi / 180)),
    "rad2deg": FormulaFunction(1, 1, lambda a: a * (180 / math.pi)),
    "deg2rad": FormulaFunction(1, 1, lambda a: a * (math.pi / 180)),
    "factorial": FormulaFunction(1, 1, lambda a: op("gamma")(a + 1.0)),
    "ldexp": FormulaFunction(2, 2, lambda a, b: a * op("exp2")(b)),
    "floor_divide": FormulaFunction(2, 2, lambda a, b: op("floor")(a / b)),
    "logaddexp": FormulaFunction(2, 2, logaddexp),
    "logit": FormulaFunction(1, 1, lambda a: op("log")(a / (1.0 - a))),
    "ndtr": FormulaFunction(1, 1, lambda a: 0.5 * op("erfc")(-a * math.sqrt(0.5))),
    "exp10": FormulaFunction(1, 1, lambda a: op("pow")(a.pool.const(10.0), a)),
    "sech": FormulaFunction(1, 1, lambda a: 1.0 / op("cosh")(a)),
    "xlogy": FormulaFunction(2, 2, xlogy),
    "voigt_profile": FormulaFunction(3, 3, voigt_profile),
    "voigt_dy": FormulaFunction(2, 2, lambda a, b: -op("wofz_d_im")(a, b)),
    "signbit": FormulaFunction(1, 1, lambda a: op("lt")(op("copysign")(a.pool.const(1.0), a), 0.0)),
}


def _table() -> dict[str, FormulaFunction]:
    """Return every name of every function."""
    table = dict(_OTHERS)
    for line in _NAMES.strip().splitlines():
        names, _, operation = (part.strip() for part in line.partition("|"))
        operation = operation or names.split()[0]
        arity = OPERATIONS[operation].arity
        for name in names.split():
            table[name] = FormulaFunction(arity, arity, op(operation))
    return table


FUNCTIONS: dict[str, FormulaFunction] = _table()
ARITIES: dict[str, tuple[int, int | None]] = {name: (function.least, function.most) for name, function in FUNCTIONS.items()}
"""What the grammar needs to know of the functions."""
