"""Random formulas, and what mpmath makes of a formula's text: the oracle of values and derivatives."""
import random
import re

import mpmath as mp

NAMES = ("a", "b", "c", "d")
UNARY = ("exp(-({})**2)", "exp({}/8)", "sin({})", "cos({})", "tanh({})", "atan({})", "sqrt(1 + ({})**2)", "log(2 + ({})**2)", "erf({})",
         "asinh({})", "1/(1 + exp({}))", "1/(2 + ({})**2)", "({})**2", "({})**3", "abs({})", "-({})", "expit({})", "sinc({}/3)", "j0({})",
         "(3 + sin({}))**1.5", "exp2({}/8)", "log1p(({})**2)", "cosh({}/4)", "dawson({})", "erfcx(1 + ({})**2)", "cbrt(9 + ({})**2)",
         "2.5**({}/9)", "expm1({}/7)", "hypot({}, 1.5)", "lgamma(2 + ({})**2)", "i0e({})")
BINARY = ("({}) + ({})", "({}) - ({})", "({})*({})", "({})/(1.5 + ({})**2)", "hypot(({}), 2 + ({})**2)", "atan2(({}), 3 + ({})**2)",
          "(2 + ({})**2)**(sin({}))", "where(({}) > 0.1, x, ({}))", "max(({}), ({}))", "min(({}), ({}))", "({}) if x > 0.33 else ({})",
          "({})*exp(-({})**2/2)", "voigt(({}), 1 + ({})**2)")


def words(text: str) -> list[str]:
    """Return the words of a text."""
    return text.split()


def formula(rng: random.Random, depth: int) -> str:
    """Return a random formula's text in x and some of a, b, c, d."""
    if depth == 0:
        return rng.choice(("x", *NAMES, *NAMES, f"{rng.uniform(.3, 3):.3f}", "x - a", "b*x", "(x - c)/d", "x*y"))
    if rng.random() < .45:
        return rng.choice(UNARY).format(formula(rng, depth - 1))
    return rng.choice(BINARY).format(formula(rng, depth - 1), formula(rng, rng.randrange(depth)))


def formulas(count: int, seed: int) -> list[str]:
    """So many random formulas, each with a parameter in it."""
    rng = random.Random(seed)
    found: list[str] = []
    while len(found) < count:
        text = formula(rng, rng.randrange(2, 5))
        if re.search(r"\b[abcd]\b", text) and len(text) < 220:
            found.append(text)
    return found


def where(condition, yes, no):
    """Return the branch taken."""
    return yes if condition else no


def faddeeva(x, y):
    """w(x + iy)."""
    z = mp.mpc(x, y)
    return mp.exp(-z*z)*mp.erfc(-1j*z)


def dawson(a):
    """Dawson's integral."""
    return mp.sqrt(mp.pi)/2*mp.exp(-a*a)*mp.erfi(a)


ORACLE = {name: getattr(mp, name) for name in words("""exp sin cos tan asin acos atan atan2 sinh cosh tanh asinh acosh atanh sqrt
    log log10 expm1 log1p erf erfc gamma digamma
    hypot cbrt floor ceil sign sinc j0 j1 lambertw""") if hasattr(mp, name)} | {
    "abs": abs, "max": max, "min": min, "where": where, "expit": lambda a: 1/(1 + mp.exp(-a)), "exp2": lambda a: mp.mpf(2)**a,
    "log2": lambda a: mp.log(a)/mp.log(2), "sinc": lambda a: mp.sincpi(a), "erfcx": lambda a: mp.exp(a*a)*mp.erfc(a), "dawson": dawson,
    "lgamma": lambda a: mp.log(abs(mp.gamma(a))), "voigt": lambda x, y: faddeeva(x, y).real, "pi": mp.pi, "e": mp.e,
    "voigt_profile": lambda x, s, g: (faddeeva(x/(s*mp.sqrt(2)), g/(s*mp.sqrt(2)))/(s*mp.sqrt(2*mp.pi))).real,
    "cbrt": lambda a: mp.sign(a)*mp.cbrt(abs(a)), "pow": lambda a, b: a**b, "square": lambda a: a*a, "reciprocal": lambda a: 1/a,
    "negative": lambda a: -a, "positive": lambda a: a, "minimum": min, "maximum": max,
    "log1p": lambda a: mp.log(1 + a), "expm1": lambda a: mp.exp(a) - 1, "digamma": mp.digamma,
    "j0": lambda a: mp.besselj(0, a), "j1": lambda a: mp.besselj(1, a), "y0": lambda a: mp.bessely(0, a), "y1": lambda a: mp.bessely(1, a),
    "i0": lambda a: mp.besseli(0, a), "i1": lambda a: mp.besseli(1, a), "k0": lambda a: mp.besselk(0, a), "k1": lambda a: mp.besselk(1, a),
    "i0e": lambda a: mp.besseli(0, a)*mp.exp(-abs(a)), "i1e": lambda a: mp.besseli(1, a)*mp.exp(-abs(a)),
    "k0e": lambda a: mp.besselk(0, a)*mp.exp(a), "k1e": lambda a: mp.besselk(1, a)*mp.exp(a),
    "clip": lambda a, low, high: min(max(a, low), high), "copysign": lambda a, b: abs(a)*(1 if b >= 0 else -1),
    "mod": lambda a, b: a - b*mp.floor(a/b), "fmod": lambda a, b: a - b*(mp.floor(a/b) if a/b > 0 else mp.ceil(a/b)),
    "trunc": lambda a: mp.floor(a) if a > 0 else mp.ceil(a), "round": mp.nint,
    "heaviside": lambda a, half=.5: half if a == 0 else int(a > 0),
    "degrees": mp.degrees, "radians": mp.radians, "factorial": mp.factorial, "ldexp": lambda a, b: a*mp.mpf(2)**b,
    "logaddexp": lambda a, b: mp.log(mp.exp(a) + mp.exp(b)), "logit": lambda a: mp.log(a/(1 - a)), "sech": mp.sech,
    "ndtr": lambda a: mp.erfc(-a/mp.sqrt(2))/2, "xlogy": lambda a, b: a*mp.log(b) if a else mp.mpf(0), "exp10": lambda a: mp.mpf(10)**a,
    "voigt_dx": lambda x, y: mp.diff(lambda t: faddeeva(t, y).real, x), "voigt_dy": lambda x, y: mp.diff(lambda t: faddeeva(x, t).real, y),
}


def exact(text, point, names, digits=50):
    """Return the value of a text at a point, and its derivatives by names, by mpmath.

    Derivatives are central differences with so many digits that their error is below 1e-25.
    """
    code = compile(text, text, "eval")
    with mp.workdps(digits):
        def value(values):
            return eval(code, {"__builtins__": {}}, {**ORACLE, **values})

        at = {name: mp.mpf(number) for name, number in point.items()}
        h = mp.mpf(10)**(-digits // 3)
        slopes = [(value({**at, name: at[name] + h}) - value({**at, name: at[name] - h}))/(2*h) for name in names]
        return float(value(at)), [float(slope) for slope in slopes]
