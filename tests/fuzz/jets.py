"""Second-order forward derivatives over NumPy arrays: a formula's value, gradient and Hessian at many points of many rows at once.

Written apart from gslfit's own derivatives, so that it can judge them: a `Jet` carries an array, its derivatives by the parameters and
their second derivatives, each only where it isn't zero, and every operation applies the chain rule

    d(f(a))_i = f' a_i,    d2(f(a))_ij = f' a_ij + f'' a_i a_j.

Values of functions come from NumPy and SciPy. Bessel: Abramowitz and Stegun 9.1, 9.6; Faddeeva's w: 7.1.20, w' = -2 z w + 2i/sqrt(pi).
"""
from __future__ import annotations

import math

import numpy as np
from scipy import special

SQRT_PI = math.sqrt(math.pi)
FAR = 30.0  # |z| above which w is its asymptotic series: -2 z w + 2i/sqrt(pi) would cancel


class Jet:
    """An array with its first derivatives `d` by parameter number and its second `h` by pair (i <= j).

    An absent derivative is zero; where second derivatives aren't wanted, `h` is None.
    """

    __array_ufunc__ = None  # an ndarray on the left leaves the operation to the Jet on the right
    __slots__ = ("d", "h", "value")

    def __init__(self, value, d=None, h=None):
        self.value, self.d, self.h = value, d or {}, h if d else {}

    def __neg__(self):
        return linear(-self.value, self, -1.0)

    def __pos__(self):
        return self

    def __add__(self, other):
        if not isinstance(other, Jet):
            return Jet(self.value + other, self.d, self.h)
        return Jet(self.value + other.value, merged(self.d, other.d), merged(self.h, other.h))

    __radd__ = __add__

    def __sub__(self, other):
        return self + (-other)

    def __rsub__(self, other):
        return -self + other

    def __mul__(self, other):
        if not isinstance(other, Jet):
            return linear(self.value*other, self, other)
        a, b = self.value, other.value
        h = merged(scaled(self.h, b), scaled(other.h, a))
        return Jet(a*b, merged(scaled(self.d, b), scaled(other.d, a)), h if h is None else merged(h, crossed(self.d, other.d, 1.0)))

    __rmul__ = __mul__

    def __truediv__(self, other):
        return self*other.reciprocal() if isinstance(other, Jet) else linear(self.value/other, self, 1.0/other)

    def __rtruediv__(self, other):
        return self.reciprocal()*other

    def reciprocal(self):
        """1/self."""
        value = 1.0/self.value
        found = chained(self, value, lambda: -value*value, lambda: 2.0*value*value*value)
        if np.any(np.isinf(self.value)):    # what overflowed: 1/inf and its derivatives are 0
            sound = ~np.isinf(self.value)
            found.d = {key: np.where(sound, part, 0.0) for key, part in found.d.items()}
            found.h = found.h and {key: np.where(sound, part, 0.0) for key, part in found.h.items()}
        return found

    def __pow__(self, other):
        return power(self, other)

    def __rpow__(self, other):
        return power(other, self)

    def __abs__(self):
        return linear(np.abs(self.value), self, np.sign(self.value))

    def __lt__(self, other):
        return value_of(self) < value_of(other)

    def __le__(self, other):
        return value_of(self) <= value_of(other)

    def __gt__(self, other):
        return value_of(self) > value_of(other)

    def __ge__(self, other):
        return value_of(self) >= value_of(other)


def parameter(value, number: int, order: int):
    """Return a parameter's Jet: its value, and the derivative 1 by itself, with 1 or 2 orders of derivatives; the plain value for 0."""
    return Jet(value, {number: np.ones_like(value)}, {} if order > 1 else None) if order else value


def scaled(parts, factor):
    """Every derivative times a factor."""
    return None if parts is None else {key: part*factor for key, part in parts.items()}


def merged(one, other):
    """Return the sums of derivatives."""
    if one is None or other is None:
        return None
    if not one or not other:
        return one or other
    found = dict(one)
    for key, part in other.items():
        found[key] = part + found[key] if key in found else part
    return found


def crossed(one: dict, other: dict, factor) -> dict:
    """Return the second derivatives factor*(one_i other_j + other_i one_j) of a product of first ones."""
    found: dict = {}
    for i, a in one.items():
        for j, b in other.items():
            part = (2.0 if i == j else 1.0)*factor*(a*b)
            key = (i, j) if i <= j else (j, i)
            found[key] = part if key not in found else found[key] + part
    return found


def squared(d: dict, factor) -> dict:
    """Return the second derivatives factor*d_i d_j."""
    keys = sorted(d)
    return {(i, j): factor*(d[i]*d[j]) for k, i in enumerate(keys) for j in keys[k:]}


def linear(value, jet: Jet, slope) -> Jet:
    """Return a function whose second derivative is zero."""
    return Jet(value, scaled(jet.d, slope), scaled(jet.h, slope))


def chained(a: Jet, value, slope, bend) -> Jet:
    """Return a function of one Jet: its value, and callables for its first and second derivative."""
    if not a.d:
        return Jet(value)
    first = slope()
    return Jet(value, scaled(a.d, first), None if a.h is None else merged(scaled(a.h, first), squared(a.d, bend())))


def joined(a, b, value, first, second) -> Jet:
    """Return a function of two: its value, callables for (f_a, f_b) and (f_aa, f_ab, f_bb)."""
    a, b = as_jet(a), as_jet(b)
    if not a.d and not b.d:
        return Jet(value)
    fa, fb = first()
    h = merged(scaled(a.h, fa), scaled(b.h, fb))
    if h is not None:
        faa, fab, fbb = second()
        for part in (squared(a.d, faa), crossed(a.d, b.d, fab), squared(b.d, fbb)):
            h = merged(h, part)
    return Jet(value, merged(scaled(a.d, fa), scaled(b.d, fb)), h)


def as_jet(a) -> Jet:
    """Return a number or array as a Jet without derivatives."""
    return a if isinstance(a, Jet) else Jet(np.asarray(a, float))


def plain(*args) -> bool:
    """Whether no argument is a Jet: the values alone are wanted."""
    return not any(isinstance(a, Jet) for a in args)


def value_of(a):
    """Return the value of a Jet, number or array."""
    return a.value if isinstance(a, Jet) else a


def power(a, b) -> Jet:
    """a**b, with 0**b a plain power of zero."""
    av, bv = value_of(a), value_of(b)
    value = np.power(np.asarray(av, float), bv)
    if not isinstance(b, Jet):
        return chained(a, value, lambda: bv*np.power(av, bv - 1.0), lambda: bv*(bv - 1.0)*np.power(av, bv - 2.0))
    with np.errstate(all="ignore"):
        log = np.log(av)
    if not isinstance(a, Jet):
        slope = np.where(value == 0, 0.0, value*log)
        return chained(b, value, lambda: slope, lambda: np.where(value == 0, 0.0, slope*log))
    lower = np.power(av, bv - 1.0)
    slope = np.where(value == 0, 0.0, value*log)
    return joined(a, b, value, lambda: (bv*lower, slope),
                  lambda: (bv*(bv - 1.0)*np.power(av, bv - 2.0), lower*(1.0 + np.where(lower == 0, 0.0, bv*log)),
                           np.where(value == 0, 0.0, slope*log)))


def unary(function, slope, bend):
    """Return a function of one argument from callables of its argument and value: value, first and second derivative."""
    def apply(a):
        if not isinstance(a, Jet):
            return function(a)
        x = a.value
        value = function(x)
        return chained(a, value, lambda: slope(x, value), lambda: bend(x, value))
    return apply


def flat(function):
    """Return a function that is constant but for jumps."""
    return lambda a: function(value_of(a))


def series_of_w(z, k: int):
    """Return the k-th derivative of w(z) for large |z|, from w ~ i/sqrt(pi) sum (2m-1)!!/(2^m z^(2m+1))."""
    total, factor = 0.0, 1.0
    for m in range(8):
        power_ = 2*m + 1
        slope = (1.0, -power_, power_*(power_ + 1.0))[k]
        total = total + factor*slope*z**(-power_ - k)
        factor *= (2*m + 1)/2
    return 1j/SQRT_PI*total


def derivatives_of_w(z, w):
    """Return the first and second derivative of Faddeeva's w."""
    far = np.abs(z) > FAR
    first = -2.0*z*w + 2j/SQRT_PI
    second = -2.0*w - 2.0*z*first
    if np.any(far):
        tail = np.where(far, z, FAR)
        first, second = np.where(far, series_of_w(tail, 1), first), np.where(far, series_of_w(tail, 2), second)
    return first, second


def voigt(x, y):
    """Re w(x + iy)."""
    z = np.empty(np.broadcast(value_of(x), value_of(y)).shape, complex)     # i times infinity has a real part, NaN
    z.real, z.imag = value_of(x), value_of(y)
    w = np.where(np.isinf(z) & (z.imag >= 0) & ~np.isnan(z.real), 0.0, special.wofz(z))
    if plain(x, y):
        return w.real
    first, second = derivatives_of_w(z, w)
    return joined(x, y, w.real, lambda: (first.real, -first.imag), lambda: (second.real, -second.imag, -second.real))


def erfcx_parts(x):
    """Return the derivatives of erfcx(x) = w(ix)."""
    first, second = derivatives_of_w(1j*x, special.erfcx(x))
    return (1j*first).real, -second.real


def dawson_parts(x):
    """Return the derivatives of Dawson's integral, sqrt(pi)/2 Im w(x)."""
    first, second = derivatives_of_w(x + 0j, special.wofz(x + 0j))
    return SQRT_PI/2*first.imag, SQRT_PI/2*second.imag


def sinc_parts(x):
    """Return the derivatives of sin(pi x)/(pi x)."""
    u = np.pi*np.asarray(x, float)
    near = np.abs(u) < 0.1
    v = np.where(near, 1.0, u)
    first, f = np.cos(v)/v - np.sin(v)/v**2, np.sin(v)/v
    second = -f - 2.0*first/v
    u2 = np.where(near, u*u, 0.0)
    first = np.where(near, -u/3*(1 - u2/10*(1 - u2/28*(1 - u2/54))), first)
    second = np.where(near, -1/3 + u2/10 - u2**2/168 + u2**3/6480, second)
    return np.pi*first, np.pi**2*second


def over(x, k: int):
    """J_k(x)/x for k = 1, 2, with the limits 1/2 and 0 at 0."""
    safe = np.where(x == 0, 1.0, x)
    return np.where(x == 0, 0.5 if k == 1 else 0.0, special.jv(k, safe)/safe)


def trigamma(x):
    """Return the second derivative of log(gamma(x)); for x < 0 by reflection, as SciPy adds up one term for each unit of -x."""
    x = np.asarray(x, float)
    left = x < 0
    with np.errstate(all="ignore"):
        found = special.zeta(2.0, np.where(left, 1.0 - x, x))
        turns = np.pi*(x - np.round(x))
        return np.where(left, (np.pi/np.sin(turns))**2 - found, found)


def i0e_parts(x):
    """Return the derivatives of exp(-|x|) I0(x)."""
    a = np.abs(x)
    f, g = special.i0e(a), special.i1e(a)
    ratio = np.where(a == 0, 0.5, g/np.where(a == 0, 1.0, a))
    return np.sign(x)*(g - f), 2.0*f - ratio - 2.0*g


def hypot(a, b):
    """sqrt(a**2 + b**2)."""
    x, y = np.asarray(value_of(a), float), np.asarray(value_of(b), float)
    r = np.hypot(x, y)
    if plain(a, b):
        return r
    safe = np.where(r == 0, 1.0, r)
    c, s = x/safe, y/safe
    return joined(a, b, r, lambda: (c, s), lambda: (s*s/safe, -c*s/safe, c*c/safe))


def atan2(a, b):
    """Return the angle of the point (b, a)."""
    y, x = np.asarray(value_of(a), float), np.asarray(value_of(b), float)
    if plain(a, b):
        return np.arctan2(y, x)
    q = x*x + y*y
    return joined(a, b, np.arctan2(y, x), lambda: (x/q, -y/q), lambda: (-2*x*y/q**2, (y*y - x*x)/q**2, 2*x*y/q**2))


def where(condition, yes, no):
    """yes where a condition holds, else no; what is not chosen may be NaN."""
    c = np.asarray(value_of(condition)) != 0
    if plain(yes, no):
        return np.where(c, yes, no)
    yes, no = as_jet(yes), as_jet(no)

    def parts(one, other):
        if one is None or other is None:
            return None
        return {key: np.where(c, one.get(key, 0.0), other.get(key, 0.0)) for key in {**one, **other}}
    return Jet(np.where(c, yes.value, no.value), parts(yes.d, no.d), parts(yes.h, no.h))


def smallest(*args):
    """Return the least of its arguments."""
    found = args[0]
    for other in args[1:]:
        found = where(value_of(found) <= value_of(other), found, other)
    return found


def greatest(*args):
    """Return the greatest of its arguments."""
    found = args[0]
    for other in args[1:]:
        found = where(value_of(found) >= value_of(other), found, other)
    return found


def paired(function, parts):
    """Return a function whose derivatives come as a pair."""
    return unary(function, lambda x, f: parts(x)[0], lambda x, f: parts(x)[1])


def vanishing(function):
    """Return a function with its limit of 0 at infinity, where SciPy's is NaN."""
    return lambda x: np.where(np.isinf(x), 0.0, function(x))


J0, J1 = vanishing(special.j0), vanishing(special.j1)
LN2 = math.log(2.0)
FUNCTIONS = {
    "exp": unary(np.exp, lambda x, f: f, lambda x, f: f),
    "exp2": unary(np.exp2, lambda x, f: LN2*f, lambda x, f: LN2**2*f),
    "expm1": unary(np.expm1, lambda x, f: f + 1.0, lambda x, f: f + 1.0),
    "log": unary(np.log, lambda x, f: 1.0/x, lambda x, f: -1.0/(x*x)),
    "log1p": unary(np.log1p, lambda x, f: 1.0/(1.0 + x), lambda x, f: -1.0/(1.0 + x)**2),
    "sqrt": unary(np.sqrt, lambda x, f: 0.5/f, lambda x, f: -0.25/(f*x)),
    "cbrt": unary(np.cbrt, lambda x, f: 1.0/(3.0*f*f), lambda x, f: -2.0/(9.0*f**5)),
    "sin": unary(np.sin, lambda x, f: np.cos(x), lambda x, f: -f),
    "cos": unary(np.cos, lambda x, f: -np.sin(x), lambda x, f: -f),
    "tan": unary(np.tan, lambda x, f: 1.0 + f*f, lambda x, f: 2.0*f*(1.0 + f*f)),
    "atan": unary(np.arctan, lambda x, f: 1.0/(1.0 + x*x), lambda x, f: -2.0*x/(1.0 + x*x)**2),
    "sinh": unary(np.sinh, lambda x, f: np.cosh(x), lambda x, f: f),
    "cosh": unary(np.cosh, lambda x, f: np.sinh(x), lambda x, f: f),
    "tanh": unary(np.tanh, lambda x, f: 1.0/np.cosh(np.clip(x, -350, 350))**2,
                  lambda x, f: -2.0*f/np.cosh(np.clip(x, -350, 350))**2),
    "asinh": unary(np.arcsinh, lambda x, f: 1.0/np.hypot(x, 1.0), lambda x, f: -x/np.hypot(x, 1.0)**3),
    "erf": unary(special.erf, lambda x, f: 2/SQRT_PI*np.exp(-x*x), lambda x, f: -4/SQRT_PI*x*np.exp(-x*x)),
    "erfc": unary(special.erfc, lambda x, f: -2/SQRT_PI*np.exp(-x*x), lambda x, f: 4/SQRT_PI*x*np.exp(-x*x)),
    "erfcx": paired(special.erfcx, erfcx_parts),
    "dawson": paired(special.dawsn, dawson_parts),
    "expit": unary(special.expit, lambda x, f: f*special.expit(-x), lambda x, f: f*special.expit(-x)*(special.expit(-x) - f)),
    "sinc": paired(vanishing(np.sinc), sinc_parts),
    "j0": unary(J0, lambda x, f: -J1(x), lambda x, f: over(x, 1) - f),
    "j1": unary(J1, lambda x, f: J0(x) - over(x, 1), lambda x, f: -f + over(x, 2)),
    "i0e": paired(special.i0e, i0e_parts),
    "lgamma": unary(special.gammaln, lambda x, f: special.digamma(x), lambda x, f: trigamma(x)),
    "abs": lambda a: abs(a) if isinstance(a, Jet) else np.abs(a),
    "sign": flat(np.sign), "hypot": hypot, "atan2": atan2, "where": where, "min": smallest, "max": greatest, "voigt": voigt,
    "pow": power, "pi": math.pi, "e": math.e,
}
"""What a formula's text may say, over Jets; comparisons are those of the arrays inside."""
