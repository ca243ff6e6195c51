"""The operations of a graph: NumPy's value of each, its derivative, how it is typeset. One table.

An operation has the name of its opcode in the program, so lowering needs no second table. A derivative is given in one of two ways.

``partials``: a function of the node and its arguments that gives one partial derivative per argument (or None for a zero one); the chain
rule multiplies and adds. Where ``singular`` says that a partial derivative can be infinite, the product takes "zero times infinity" for
zero: d sqrt(a*x)/d a at x = 0 is zero, since sqrt(a*0) doesn't depend on a.

``tangent``: a function of the node, its arguments' derivatives and whether an argument may be infinite, that gives the whole derivative;
for branches, where the branch not taken must not leak a NaN through a product with zero.
"""
from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from gslfit.formula.graph import Node, below, is_const, nonzero, positive
from gslfit.records import Record

Tangents = list[Node | None]
Partials = Callable[..., tuple]

TWO_OVER_ROOT_PI = 2 / math.sqrt(math.pi)


class Operation(Record):
    """The properties of an operation."""

    arity: int
    value: Callable[..., Any]
    partials: Partials | None = None
    tangent: Callable[[Node, Tangents, bool], Node | None] | None = None
    singular: Callable[[Node], bool] = lambda node: False
    latex: str = ""


def special(name: str) -> Callable[..., Any]:
    """Return a function of scipy.special, imported when first called."""
    def call(*args: Any) -> Any:
        import scipy.special
        return getattr(scipy.special, name)(*args)
    return call


def vanishing(call: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function with its limit of 0 at infinity, where NumPy's or SciPy's is NaN."""
    return lambda a: np.where(np.isinf(a), 0.0, call(a))[()]


def right_of_zero(call: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function of what is not negative, with its limit of 0 at infinity."""
    return lambda a: np.where(np.equal(a, np.inf), 0.0, call(a))[()]


def far_out(call: Callable[..., Any], far: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that is another one far out, where SciPy's is NaN."""
    return lambda a: np.where(np.greater(np.abs(a), 1e6), far(np.where(np.equal(a, 0), 1.0, a)), call(a))[()]


def growing(call: Callable[..., Any], odd: bool = False) -> Callable[..., Any]:
    """Return an even or odd function with its limits at both infinities, where SciPy's is NaN."""
    return lambda a: np.where(np.isinf(a), a if odd else np.abs(a), call(a))[()]


def in_plane(part: str, function: Callable[[Any], Any]) -> Callable[..., Any]:
    """Return the real or imaginary part of a function of x + iy, with its limit of 0 at infinity in the upper half of the plane."""
    def call(x: Any, y: Any) -> Any:
        z = np.empty(np.broadcast(x, y).shape, complex)         # i times infinity has a real part, NaN
        z.real, z.imag = x, y
        limit = (np.isinf(x) | np.isinf(y)) & np.greater_equal(y, 0) & ~np.isnan(x)
        return np.where(limit, 0.0, getattr(function(z), part))[()]
    return call


def wofz(part: str) -> Callable[..., Any]:
    """Return the real or imaginary part of Faddeeva's function of x + iy."""
    return in_plane(part, lambda z: special("wofz")(z))


def wofz_slope(part: str) -> Callable[..., Any]:
    """Return the real or imaginary part of its derivative, by the asymptotic series far from the origin."""
    def call(z: Any) -> Any:
        far = np.abs(z) > 30
        with np.errstate(all="ignore"):
            near = -2 * z * special("wofz")(z) + 1j * TWO_OVER_ROOT_PI
            u = np.square(1 / z)
            series = -1j * TWO_OVER_ROOT_PI * u * (0.5 + u * (0.75 + u * (1.875 + u * (6.5625 + u * (29.53125 + u * 162.421875)))))
        return np.where(far, series, near)
    return in_plane(part, call)


def real_slope(name: str, factor: float, sign: int, exact: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    """Return the derivative of erfcx or dawson: by its equation, and beyond 12, where the equation cancels, by the asymptotic series
    sum of (2k - 1)!!/(2a^2)^k, signs alternating for erfcx."""
    coefficients = [factor * sign**k * math.prod(range(1, 2 * k + 2, 2)) / 2**(k + 1) for k in range(10)]

    def call(a: Any) -> Any:
        a = np.asarray(a, float)
        with np.errstate(all="ignore"):
            u = 1 / (a * a)
            series = np.polynomial.polynomial.polyval(u, coefficients) * u
            return np.where((a > 12) | ((a < -12) & (name == "dawsn")), series, exact(a, special(name)(a)))
    return call


def sinc_slope(a: Any) -> Any:
    """Return the derivative of sinc; by its Taylor series near zero."""
    t = np.pi * np.asarray(a, float)
    with np.errstate(all="ignore"):
        u = t * t
        series = t * np.polynomial.polynomial.polyval(u, [(-1)**k * 2 * k / math.factorial(2 * k + 1) for k in range(1, 10)])
        return np.pi * np.where(np.abs(t) < 0.7, series, (np.cos(t) - np.sin(t) / t) / t)


def make(node: Node, op: str, *operands: Any) -> Node:
    """Return a node of the same pool."""
    return node.pool.make(op, *operands)


def gate(node: Node, condition: Node, yes: Node | None, no: Node | None) -> Node | None:
    """Return the derivative of a branch: that of the branch taken."""
    if yes is None and no is None:
        return None
    if yes is no:
        return yes
    return make(node, "select", condition, 0.0 if yes is None else yes, 0.0 if no is None else no)


def choice(comparison: str) -> Callable[[Node, Tangents, bool], Node | None]:
    """Return the derivative of min or max: that of the argument chosen."""
    return lambda f, t, infinite: gate(f, make(f, comparison, *f.args), *t)


def pow_by_base(f: Node, a: Node, b: Node) -> Node:
    """Return d a**b / d a = b*a**(b - 1), got from the value by a division, and apart where a is zero."""
    if is_const(b) and float(b.value) == math.floor(float(b.value)):  # type: ignore[arg-type]
        return b * make(f, "pow", a, b - 1.0)
    slope = f / a
    return b * (slope if positive(a) else make(f, "select", make(f, "eq", a, 0.0), make(f, "pow", 0.0, b - 1.0), slope))


def pow_tangent(f: Node, t: Tangents, infinite: bool) -> Node | None:
    """Return the derivative of a power; a**b*log(a) is taken for zero where a**b is."""
    a, b = f.args
    total = None
    if t[0] is not None:
        steep = infinite or (not positive(a) and not (is_const(b) and float(b.value) >= 1))  # type: ignore[arg-type]
        total = product(f, t[0], pow_by_base(f, a, b), steep)
    if t[1] is not None:
        sure = positive(a) and not infinite
        grown = f * make(f, "log", a) if sure else make(f, "mulz", f, make(f, "log", a))
        term = product(f, t[1], grown, not sure)
        total = term if total is None else total + term
    return total


def powi_partials(f: Node, a: Node, b: Node) -> tuple:
    """Return d a**k / d a = k*a**(k - 1)."""
    return b * make(f, "powi", a, b - 1.0), None


def product(f: Node, tangent: Node, partial: Node, singular: bool) -> Node:
    """Return a term of the chain rule."""
    if is_const(tangent, 1.0):
        return partial
    return make(f, "mulz", tangent, partial) if singular and not nonzero(tangent) else partial * tangent


def step_tangent(f: Node, t: Tangents, infinite: bool) -> Node | None:
    """Return the derivative of heaviside(a, b), which moves with b where a is zero."""
    return gate(f, make(f, "eq", f.args[0], 0.0), t[1], None)


def mulz(a: Any, b: Any) -> Any:
    """Return a*b, and zero where a is zero, whatever b."""
    with np.errstate(all="ignore"):
        return np.where(np.equal(a, 0), 0.0, np.multiply(a, b))


def mulz_tangent(f: Node, t: Tangents, infinite: bool) -> Node | None:
    """Return the derivative of a product that is zero where its first factor is: there each term is zero whose own first factor is."""
    a, b = f.args
    first = None if t[0] is None else product(f, t[0], b, True)
    second = None if t[1] is None else make(f, "mulz", a, t[1])
    return first if second is None else second if first is None else first + second


def iffinite(a: Any, b: Any) -> Any:
    """Return b where a is finite, and zero elsewhere."""
    return np.where(np.isfinite(a), b, 0.0)


def curve(f: Node, a: Node, b: Node, part: str) -> Node:
    """Return the real or imaginary part of w'' = -2w - 2zw', the second derivative of Faddeeva's function."""
    w, real, imag = make(f, f"wofz_{part}", a, b), make(f, "wofz_d_re", a, b), make(f, "wofz_d_im", a, b)
    return -2.0 * (w + (a * real - b * imag if part == "re" else a * imag + b * real))


def truth(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a comparison whose value is 1.0 or 0.0."""
    return lambda *args: np.asarray(function(*args), float) + 0.0


def choose(condition: Any, yes: Any, no: Any) -> Any:
    """Return numpy.where's value for a number as condition."""
    return np.add(np.where(np.not_equal(condition, 0), yes, no), 0.0)


def trigamma(a: Any) -> Any:
    """Return d digamma(a)/d a."""
    return special("polygamma")(1, a)


def call(name: str) -> Callable[..., Node]:
    """Return the function that makes a node of one argument."""
    return lambda a: make(a, name, a)


exp, log, sqrt, sin, cos, sinh, cosh, square, sign = map(call, ["exp", "log", "sqrt", "sin", "cos", "sinh", "cosh", "square", "sign"])


def _not_positive(node: Node) -> bool:
    return not positive(node.args[0])


def _always(node: Node) -> bool:
    return True


O = Operation
OPERATIONS: dict[str, Operation] = {
    # arithmetic
    "add": O(2, np.add, lambda f, a, b: (1.0, 1.0)),
    "sub": O(2, np.subtract, lambda f, a, b: (1.0, -1.0)),
    "mul": O(2, np.multiply, lambda f, a, b: (b, a)),
    "div": O(2, np.true_divide, lambda f, a, b: (make(f, "recip", b), -(a / square(b)))),
    "neg": O(1, np.negative, lambda f, a: (-1.0,)),
    "abs": O(1, np.abs, lambda f, a: (sign(a),), latex=r"\left|{0}\right|"),
    "square": O(1, np.square, lambda f, a: (2.0 * a,)),
    "cube": O(1, lambda a: a * a * a, lambda f, a: (3.0 * square(a),)),
    "recip": O(1, lambda a: 1.0 / np.asarray(a, float), lambda f, a: (-make(f, "recip", square(a)),)),
    "sqrt": O(1, np.sqrt, lambda f, a: (0.5 / f,), singular=_not_positive, latex=r"\sqrt{{{0}}}"),
    "rsqrt": O(1, lambda a: 1.0 / np.sqrt(np.asarray(a, float)), lambda f, a: (-0.5 * f / a,), singular=_not_positive),
    "cbrt": O(1, np.cbrt, lambda f, a: (1.0 / (3.0 * square(f)),), singular=_not_positive, latex=r"\sqrt[3]{{{0}}}"),
    "pow": O(2, lambda a, b: np.power(np.asarray(a, float), b), tangent=pow_tangent),
    "powi": O(2, lambda a, b: np.power(np.asarray(a, float), b), powi_partials),
    "mulz": O(2, mulz, tangent=mulz_tangent),
    "iffinite": O(2, iffinite),
    "hypot": O(2, np.hypot, lambda f, a, b: (a / f, b / f), singular=lambda f: not any(map(positive, f.args))),
    # parts
    "min": O(2, np.minimum, tangent=choice("le"), latex=r"\min\left({0}, {1}\right)"),
    "max": O(2, np.maximum, tangent=choice("ge"), latex=r"\max\left({0}, {1}\right)"),
    "floor": O(1, np.floor, lambda f, a: (None,), latex=r"\left\lfloor {0} \right\rfloor"),
    "ceil": O(1, np.ceil, lambda f, a: (None,), latex=r"\left\lceil {0} \right\rceil"),
    "trunc": O(1, np.trunc, lambda f, a: (None,)),
    "rint": O(1, np.rint, lambda f, a: (None,)),
    "sign": O(1, np.sign, lambda f, a: (None,), latex=r"\operatorname{{sgn}}\left({0}\right)"),
    "copysign": O(2, np.copysign, lambda f, a, b: (make(f, "copysign", 1.0, a) * make(f, "copysign", 1.0, b), None)),
    "step": O(2, np.heaviside, tangent=step_tangent, latex=r"\Theta\left({0}\right)"),
    "mod": O(2, np.mod, lambda f, a, b: (1.0, -make(f, "floor", a / b)), latex=r"{0} \bmod {1}"),
    "fmod": O(2, np.fmod, lambda f, a, b: (1.0, -make(f, "trunc", a / b))),
    # comparisons and logic
    "lt": O(2, truth(np.less), lambda f, a, b: (None, None), latex="{0} < {1}"),
    "le": O(2, truth(np.less_equal), lambda f, a, b: (None, None), latex=r"{0} \leq {1}"),
    "gt": O(2, truth(np.greater), lambda f, a, b: (None, None), latex="{0} > {1}"),
    "ge": O(2, truth(np.greater_equal), lambda f, a, b: (None, None), latex=r"{0} \geq {1}"),
    "eq": O(2, truth(np.equal), lambda f, a, b: (None, None), latex="{0} = {1}"),
    "ne": O(2, truth(np.not_equal), lambda f, a, b: (None, None), latex=r"{0} \neq {1}"),
    "and": O(2, truth(np.logical_and), lambda f, a, b: (None, None), latex=r"{0} \wedge {1}"),
    "or": O(2, truth(np.logical_or), lambda f, a, b: (None, None), latex=r"{0} \vee {1}"),
    "xor": O(2, truth(np.logical_xor), lambda f, a, b: (None, None), latex=r"{0} \oplus {1}"),
    "not": O(1, truth(np.logical_not), lambda f, a: (None,), latex=r"\neg {0}"),
    "select": O(3, choose, tangent=lambda f, t, infinite: gate(f, f.args[0], t[1], t[2]),
                latex=r"\begin{{cases}} {1} & {0} \\ {2} & \text{{otherwise}} \end{{cases}}"),
    "isnan": O(1, truth(np.isnan), lambda f, a: (None,)),
    "isinf": O(1, truth(np.isinf), lambda f, a: (None,)),
    "isfinite": O(1, truth(np.isfinite), lambda f, a: (None,)),
    # exponentials and logarithms
    "exp": O(1, np.exp, lambda f, a: (f,), latex=r"e^{{{0}}}"),
    "exp2": O(1, np.exp2, lambda f, a: (f * math.log(2),), latex=r"2^{{{0}}}"),
    "expm1": O(1, np.expm1, lambda f, a: (exp(a),)),
    "log": O(1, np.log, lambda f, a: (1.0 / a,), latex=r"\ln\left({0}\right)"),
    "log2": O(1, np.log2, lambda f, a: (1 / math.log(2) / a,), latex=r"\log_2\left({0}\right)"),
    "log10": O(1, np.log10, lambda f, a: (1 / math.log(10) / a,), latex=r"\log_{{10}}\left({0}\right)"),
    "log1p": O(1, np.log1p, lambda f, a: (1.0 / (1.0 + a),), latex=r"\ln\left(1 + {0}\right)"),
    "expit": O(1, special("expit"), lambda f, a: (f * make(f, "expit", -a),)),
    # trigonometry
    "sin": O(1, np.sin, lambda f, a: (cos(a),), latex=r"\sin\left({0}\right)"),
    "cos": O(1, np.cos, lambda f, a: (-sin(a),), latex=r"\cos\left({0}\right)"),
    "tan": O(1, np.tan, lambda f, a: (1.0 + square(f),), latex=r"\tan\left({0}\right)"),
    "asin": O(1, np.arcsin, lambda f, a: (1.0 / sqrt((1.0 - a) * (1.0 + a)),), singular=_always, latex=r"\arcsin\left({0}\right)"),
    "acos": O(1, np.arccos, lambda f, a: (-1.0 / sqrt((1.0 - a) * (1.0 + a)),), singular=_always, latex=r"\arccos\left({0}\right)"),
    "atan": O(1, np.arctan, lambda f, a: (1.0 / (1.0 + square(a)),), latex=r"\arctan\left({0}\right)"),
    "atan2": O(2, np.arctan2, lambda f, a, b: (b / (square(a) + square(b)), -a / (square(a) + square(b))), singular=_always),
    "sinh": O(1, np.sinh, lambda f, a: (cosh(a),), latex=r"\sinh\left({0}\right)"),
    "cosh": O(1, np.cosh, lambda f, a: (sinh(a),), latex=r"\cosh\left({0}\right)"),
    "tanh": O(1, np.tanh, lambda f, a: (make(f, "recip", square(cosh(a))),), latex=r"\tanh\left({0}\right)"),
    "asinh": O(1, np.arcsinh, lambda f, a: (1.0 / make(f, "hypot", a, 1.0),)),
    "acosh": O(1, np.arccosh, lambda f, a: (1.0 / (sqrt(a - 1.0) * sqrt(a + 1.0)),), singular=_always),
    "atanh": O(1, np.arctanh, lambda f, a: (1.0 / ((1.0 - a) * (1.0 + a)),)),
    "sinc": O(1, vanishing(np.sinc), lambda f, a: (make(f, "sinc_d", a),), latex=r"\operatorname{{sinc}}\left({0}\right)"),
    "sinc_d": O(1, vanishing(sinc_slope)),
    # error functions
    "erf": O(1, special("erf"), lambda f, a: (TWO_OVER_ROOT_PI * exp(-square(a)),)),
    "erfc": O(1, special("erfc"), lambda f, a: (-TWO_OVER_ROOT_PI * exp(-square(a)),)),
    "erfcx": O(1, special("erfcx"), lambda f, a: (make(f, "erfcx_d", a),)),
    "erfcx_d": O(1, real_slope("erfcx", -TWO_OVER_ROOT_PI, -1, lambda a, f: 2 * a * f - TWO_OVER_ROOT_PI)),
    "dawson": O(1, special("dawsn"), lambda f, a: (make(f, "dawson_d", a),)),
    "dawson_d": O(1, real_slope("dawsn", -1.0, 1, lambda a, f: 1 - 2 * a * f)),
    "wofz_re": O(2, wofz("real"), lambda f, a, b: (make(f, "wofz_d_re", a, b), -make(f, "wofz_d_im", a, b))),
    "wofz_im": O(2, wofz("imag"), lambda f, a, b: (make(f, "wofz_d_im", a, b), make(f, "wofz_d_re", a, b))),
    "wofz_d_re": O(2, wofz_slope("real"), lambda f, a, b: (curve(f, a, b, "re"), -curve(f, a, b, "im"))),
    "wofz_d_im": O(2, wofz_slope("imag"), lambda f, a, b: (curve(f, a, b, "im"), curve(f, a, b, "re"))),
    # gamma functions
    "gamma": O(1, special("gamma"), lambda f, a: (f * make(f, "digamma", a),), latex=r"\Gamma\left({0}\right)"),
    "lgamma": O(1, special("gammaln"), lambda f, a: (make(f, "digamma", a),), latex=r"\ln\Gamma\left({0}\right)"),
    "digamma": O(1, special("digamma"), lambda f, a: (make(f, "trigamma", a),), latex=r"\psi\left({0}\right)"),
    "trigamma": O(1, trigamma),
    # Bessel functions: (Z0 - Z2)/2 and its like have no division by zero
    "j0": O(1, vanishing(special("j0")), lambda f, a: (-make(f, "j1", a),)),
    "j1": O(1, vanishing(special("j1")), lambda f, a: (0.5 * (make(f, "j0", a) - make(f, "j2", a)),)),
    "j2": O(1, vanishing(lambda a: special("jv")(2, a))),
    "y0": O(1, right_of_zero(special("y0")), lambda f, a: (-make(f, "y1", a),)),
    "y1": O(1, right_of_zero(special("y1")), lambda f, a: (0.5 * (make(f, "y0", a) - make(f, "y2", a)),)),
    "y2": O(1, right_of_zero(lambda a: special("yv")(2, a))),
    "i0": O(1, growing(special("i0")), lambda f, a: (make(f, "i1", a),)),
    "i1": O(1, growing(special("i1"), odd=True), lambda f, a: (0.5 * (make(f, "i0", a) + make(f, "i2", a)),)),
    "i2": O(1, growing(lambda a: special("iv")(2, a))),
    "k0": O(1, special("k0"), lambda f, a: (-make(f, "k1", a),)),
    "k1": O(1, special("k1"), lambda f, a: (-0.5 * (make(f, "k0", a) + make(f, "k2", a)),)),
    "k2": O(1, lambda a: special("kv")(2, a)),
    "i0e": O(1, special("i0e"), lambda f, a: (make(f, "i1e", a) - sign(a) * f,)),
    "i1e": O(1, special("i1e"), lambda f, a: (0.5 * (make(f, "i0e", a) + make(f, "i2e", a)) - sign(a) * f,)),
    "i2e": O(1, vanishing(far_out(lambda a: special("ive")(2, a), lambda a: special("i0e")(a) - 2 / a * special("i1e")(a)))),
    "k0e": O(1, special("k0e"), lambda f, a: (f - make(f, "k1e", a),)),
    "k1e": O(1, special("k1e"), lambda f, a: (f - 0.5 * (make(f, "k0e", a) + make(f, "k2e", a)),)),
    "k2e": O(1, right_of_zero(far_out(lambda a: special("kve")(2, a), lambda a: special("k0e")(a) + 2 / a * special("k1e")(a)))),
    # fused by the last pass; never differentiated
    "mov": O(1, lambda a: a),
    "fma": O(3, lambda a, b, c: a * b + c),
    "fms": O(3, lambda a, b, c: a * b - c),
    "fnma": O(3, lambda a, b, c: c - a * b),
    "mulmul": O(3, lambda a, b, c: a * b * c),
    "addmul": O(3, lambda a, b, c: (a + b) * c),
    "submul": O(3, lambda a, b, c: (a - b) * c),
    "subsquare": O(2, lambda a, b: (a - b) * (a - b)),
    "squareadd": O(2, lambda a, b: a * a + b),
    "mulexp": O(2, lambda a, b: np.exp(a * b)),
    "squareexp": O(2, lambda a, b: np.exp(a * a * b)),
}


def evaluate(roots: tuple[Node, ...], values: dict[str, Any]) -> list[Any]:
    """Return the roots' values by NumPy, from values of the parameters and independent variables.

    Parameters
    ----------
    roots : tuple of Node
    values : dict
        A number or array for each name; shapes are broadcast.
    """
    done: dict[Node, Any] = {}
    with np.errstate(all="ignore"):
        for node in below(roots):
            if node.op == "const":
                done[node] = node.value
            elif not node.args:
                done[node] = values[str(node.value)]
            else:
                done[node] = OPERATIONS[node.op].value(*[done[arg] for arg in node.args])
    return [done[root] for root in roots]

