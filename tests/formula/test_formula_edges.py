"""Formulas at the edges of their domains, with extreme constants and powers, with many parameters, compiled again in another way."""
import itertools
import math
import pickle

import numpy as np
import pytest
import scipy.special as special
from formula.test_derivatives import AWKWARD
from interpreter import run_native

from gslfit import Formula, fit, fit_batch
from gslfit.errors import ExpressionError
from gslfit.formula.function_names import FUNCTIONS

EDGES = np.array([0.0, -0.0, 1.0, -1.0, 0.3, -0.3, 2.5, -2.5, 7.5, -7.5, 30.0, -30.0, 705.0, -705.0, 800.0, 1e-300, -1e-300, 1e300, -1e300,
                  5e-324, math.inf, -math.inf, math.nan])
SCIPY = {"erfcx": special.erfcx, "dawson": special.dawsn, "expit": special.expit, "j0": special.j0, "j1": special.j1, "y0": special.y0,
         "y1": special.y1, "i0": special.i0, "i1": special.i1, "i0e": special.i0e, "i1e": special.i1e, "k0": special.k0, "k1": special.k1,
         "k0e": special.k0e, "k1e": special.k1e, "gamma": special.gamma, "lgamma": special.gammaln, "erf": special.erf,
         "erfc": special.erfc,
         "sinc": np.sinc, "ndtr": special.ndtr, "logit": special.logit}
NUMPY = {"exp": np.exp, "exp2": np.exp2, "expm1": np.expm1, "log": np.log, "log2": np.log2, "log10": np.log10, "log1p": np.log1p,
         "sqrt": np.sqrt,
         "cbrt": np.cbrt, "abs": np.abs, "sign": np.sign, "trunc": np.trunc, "floor": np.floor, "ceil": np.ceil, "rint": np.rint,
         "isnan": np.isnan,
         "isinf": np.isinf, "isfinite": np.isfinite, "square": np.square, "reciprocal": lambda x: 1/x, "signbit": np.signbit,
         "tanh": np.tanh,
         "sinh": np.sinh, "cosh": np.cosh, "asinh": np.arcsinh, "acosh": np.arccosh, "atanh": np.arctanh, "asin": np.arcsin,
         "acos": np.arccos,
         "atan": np.arctan, "degrees": np.degrees, "radians": np.radians, "heaviside": lambda x: np.heaviside(x, 0.5)}
NUMPY2 = {"minimum": np.minimum, "maximum": np.maximum, "fmin": np.fmin, "fmax": np.fmax, "mod": np.mod, "fmod": np.fmod,
          "copysign": np.copysign,
          "hypot": np.hypot, "atan2": np.arctan2, "pow": np.power, "heaviside": np.heaviside, "less": np.less, "equal": np.equal,
          "logical_and": np.logical_and, "logical_or": np.logical_or, "logical_xor": np.logical_xor, "greater_equal": np.greater_equal,
          "floor_divide": lambda x, y: np.floor(x/y)}


def compiled(text, **values):
    """Return a formula's value by its program."""
    formula = Formula(text, independent=("x", "y") if "y" in values else "x")
    return run_native(formula.lowered(), values)[0]


def same(found, wanted, rtol=1e-12):
    """Hold numbers to others, NaN to NaN, infinities to infinities."""
    np.testing.assert_allclose(found, np.asarray(wanted, float), rtol=rtol, atol=1e-300)


@pytest.mark.parametrize("name", sorted(NUMPY | SCIPY))
def test_functions_at_edges(name):
    """A function of one number is NumPy's or SciPy's at zeros, infinities, NaN, tiny, huge and negative numbers."""
    x = EDGES
    if name in ("erfcx", "gamma", "lgamma"):
        x = x[~np.isin(x, [-1e300, -705.0, -30.0, -math.inf, 5e-324, 1e300, math.inf])]
    if (name[0] in "ijky" and name[1:2].isdigit()) or name == "sinc":
        x = x[~((np.abs(x) >= 1e300) | (np.abs(x) == 5e-324))]    # at the ends of the range each library of Bessel functions says its own
        x = x[~((x == 0) & np.signbit(x))]
    with np.errstate(all="ignore"):
        wanted = (NUMPY | SCIPY)[name](x)
    for found in (compiled(f"{name}(x)", x=x), np.array([compiled(f"{name}(x)", x=np.array([number]))[0] for number in x])):
        np.testing.assert_allclose(found, np.asarray(wanted, float), rtol=1e-11, atol=1e-15 if name == "sinc" else 1e-300)


@pytest.mark.parametrize("name", sorted(NUMPY2))
def test_functions_of_two_at_edges(name):
    """The same of two numbers, each a variable, a parameter or a constant."""
    x, y = (grid.ravel() for grid in np.meshgrid(EDGES, EDGES))
    if name in ("pow", "mod", "fmod", "floor_divide"):
        keep = ((np.abs(x) < 1e299) & (np.abs(y) < 1e299) & (np.abs(y) > 1e-299)) | ~(np.isfinite(x) & np.isfinite(y))
        x, y = x[keep], y[keep]
    with np.errstate(all="ignore"):
        wanted = NUMPY2[name](x, y)
    same(compiled(f"{name}(x, y)", x=x, y=y), wanted)
    for number in (-2.5, -0.0, 3.0):
        with np.errstate(all="ignore"):
            wanted = NUMPY2[name](EDGES[:14], number), NUMPY2[name](number, EDGES[:14])
        for value in (f"{name}(x, p)", f"{name}(x, {number!r})"):
            same(compiled(value, x=EDGES[:14], **({"p": number} if "p)" in value else {})), wanted[0])
        for value in (f"{name}(p, x)", f"{name}({number!r}, x)"):
            same(compiled(value, x=EDGES[:14], **({"p": number} if "(p" in value else {})), wanted[1])


@pytest.mark.parametrize("name", sorted(name for name in NUMPY | SCIPY if name in FUNCTIONS))
def test_slopes_of_either_sign(name):
    """The derivative by a scale, a*d/da f(a*x) = x*d/dx f, by the program against differences of high order, at negative points as well."""
    if name in ("floor", "ceil", "trunc", "rint", "sign", "isnan", "isinf", "isfinite", "signbit", "heaviside", "abs"):
        pytest.skip("steps")
    x = np.array([-12.4, -3.3, -1.7, -0.6, -0.21, 0.23, 0.45, 0.8, 1.6, 4.1, 11.3])
    x = x[x > (0 if name in ("gamma", "lgamma") else -4 if name in ("erfcx", "erfc", "ndtr", "erf") else -math.inf)]
    formula, function, h = Formula(f"{name}(a*x)"), (NUMPY | SCIPY)[name], 2e-3
    with np.errstate(all="ignore"):
        wanted = sum(weight * (function(x * (1 + k * h)) - function(x * (1 - k * h)))
                     for k, weight in ((1, 3/4), (2, -3/20), (3, 1/60))) / h
        small = sum(np.abs(function(x * (1 + k * h))) for k in (-3, 3)) * 1e-11 + 1e-12
    good = np.isfinite(wanted)
    found = formula.jacobian(x=x, a=1.0)[:, 0]
    assert good.sum() > 2
    assert (np.abs(found - wanted)[good] <= (1e-6 * np.abs(wanted) + small)[good]).all(), (found - wanted, found)


def test_slope_where_erfcx_overflows():
    """Below -26.7 erfcx is infinite, and it falls there: its derivative is minus infinity."""
    found = Formula("erfcx(x + a)").jacobian(x=np.array([-27.5, -30.0, -300.0, -1e300]), a=0.0)[:, 0]
    assert found.tolist() == [-math.inf] * 4


@pytest.mark.parametrize("constant", [5e-324, 1e-310, 2.0**-1060, 1e-300, 0.5, -4.0, 3.0, 2.0**1000, 1e300, 2.0**1023, math.inf])
@pytest.mark.parametrize("text", ["x/{}", "x*{}", "{}/x", "x - {}", "-x/{}", "x/-{}", "sqrt(abs(x))/{}"])
def test_extreme_constants(text, constant):
    """Divisions by constants are exact at the ends of the range of doubles too: nothing is turned into a product that overflows."""
    x = np.array([0.0, constant, -constant, constant / 2, 2.0, -1e-310, 1e308, math.inf, math.nan])
    shown = repr(constant) if np.isfinite(constant) else "inf_"
    filled = text.replace("{}", shown)
    if shown == "inf_":
        filled, values = filled.replace("inf_", "q"), {"q": math.inf}
    else:
        values = {}
    with np.errstate(all="ignore"):
        wanted = eval(filled, {"x": x, "sqrt": np.sqrt, **values})
    found = compiled(filled, x=x, **values)
    assert np.array_equal(np.isnan(found), np.isnan(wanted))
    np.testing.assert_allclose(found, wanted, rtol=1e-14, atol=5e-324)


@pytest.mark.parametrize("text", ["0*x", "x*0", "0*p*x", "(p - p)*x", "x - x", "x/x", "0/x", "x*x/x", "x**3/x**2", "p*x/x",
                                  "(x*p)/(x*p)", "x**0*x - x",
                                  "sqrt(x)*0", "x*(1/x)", "exp(x)/exp(x)", "x/y*y", "(x/y)*(y/x)", "x**2*x**-2", "-(x - x)", "-(x - p)",
                                  "0 - x"])
def test_nothing_is_made_of_nothing(text):
    """Zeros, infinities and NaN stay what arithmetic makes of them: no identity turns them into numbers."""
    x, y = (grid.ravel() for grid in np.meshgrid(EDGES, [0.0, 2.0, math.inf]))
    values = {"p": 3.0} if "p" in text.replace("exp", "") else {}
    with np.errstate(all="ignore"):
        wanted = eval(text, {"x": x, "y": y, "sqrt": np.sqrt, "exp": np.exp, **values})
    found = compiled(text, x=x, y=y, **values)
    away = np.abs(x) < 1e90     # where squares and cubes neither over- nor underflow on one way only
    away &= (np.abs(x) > 1e-90) | (x == 0)
    away |= ~np.isfinite(x)
    assert np.array_equal(np.isfinite(found)[away], np.isfinite(wanted)[away]), (x[away], found[away], wanted[away])
    good = np.isfinite(wanted) & away
    np.testing.assert_allclose(found[good], wanted[good], rtol=1e-13, atol=1e-13)


def test_powers_in_products():
    """Monomials of any whole powers, alone and in sums, with their derivatives, by repeated multiplication."""
    rng = np.random.default_rng(3)
    x, y = rng.uniform(0.6, 1.7, 20), rng.uniform(0.6, 1.7, 20)
    for _ in range(150):
        i, j, k, m = (int(power) for power in rng.integers(-13, 14, 4))
        text = f"a**{k}*x**{i}*y**{j}*b**{m}" + (f" + b*x**{j}" if m % 2 else "")
        a, b = 1.3, 0.8
        formula = Formula(text, independent=("x", "y"))
        value, columns = run_native(formula.lowered(), {"a": a, "b": b, "x": x, "y": y})
        first = a**k * x**i * y**j * b**m
        second = b * x**j if m % 2 else 0 * x
        np.testing.assert_allclose(value, first + second, rtol=1e-12)
        for name, wanted in (("a", k * first / a), ("b", (m * first + second) / b)):
            np.testing.assert_allclose(columns[:, formula.names.index(name)], wanted, rtol=1e-11, atol=1e-11 * np.abs(first).max())


@pytest.mark.parametrize("text", ["exp(a*b*x)", "exp(x*y*a)", "exp(-x*y)", "exp(x*x*y)", "exp(a*x*a)", "exp(-(x - a)*(x - a)*b)",
                                  "exp(-(x - a)**2/(2*b**2))",
                                  "exp(x*y*y)", "exp(2*x*y)", "1/sqrt(x*y)", "(x - a)*(y - a)", "(x + a)*(x - b)", "a - (x - y)",
                                  "-(x - y*a)", "a*x - b*y",
                                  "a*x*x - y", "y - a*x*x", "x*x + y*y", "(x*y)/(a*b)", "x/(y/(a/b))", "((x - a)/b)**3", "a**x*b**y",
                                  "x**a*y**b"])
def test_operations_in_one(text):
    """What is joined to one operation has its factors where they belong."""
    rng = np.random.default_rng(4)
    x, y, a, b = rng.uniform(0.5, 2, 9), rng.uniform(0.5, 2, 9), 1.7, 0.6
    values = {name: value for name, value in {"a": a, "b": b}.items() if name in text.replace("sqrt", "").replace("exp", "")}
    wanted = eval(text, {"x": x, "y": y, **values, "exp": np.exp, "sqrt": np.sqrt})
    formula = Formula(text, independent=("x", "y"))
    value, columns = run_native(formula.lowered(), {"x": x, "y": y, **values})
    np.testing.assert_allclose(value, wanted, rtol=1e-13)
    for k, name in enumerate(formula.names):
        sides = [eval(text, {"x": x, "y": y, **values, name: values[name] + side, "exp": np.exp, "sqrt": np.sqrt})
                 for side in (1e-5, -1e-5)]
        np.testing.assert_allclose(columns[:, k], (sides[0] - sides[1]) / 2e-5, rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize(("text", "values", "wanted"), AWKWARD, ids=lambda part: part if isinstance(part, str) else "")
def test_awkward_points_of_many_parameters(text, values, wanted):
    """What holds at awkward points with a few parameters holds with six more, where derivatives go backwards."""
    more = [f"q{k}" for k in range(6)]
    lines = f"f = {text}; f + q0*q1*(q2 - q3*x)*(q4 - q5) - q5*f"
    formula = Formula(lines)
    point = {name: np.array([number]) if name == "x" else number for name, number in values.items()} | dict.fromkeys(more, 0.0)
    _, columns = run_native(formula.lowered(), point)
    found = columns[0][[formula.names.index(name) for name in values if name != "x"]]
    finite = np.isfinite(wanted)
    np.testing.assert_allclose(found[finite], np.array(wanted)[finite], rtol=1e-13, atol=0)


def test_sigmoids_far_away():
    """Sigmoids and their kin overflow far from the centre: where their values are finite, their derivatives are."""
    x = np.linspace(-2000, 2000, 81)
    for text in ("A/(1 + exp((c - x)/w))", "A/(1 + exp(-(x - c)/w))", "A*exp((x - c)/w)/(1 + exp((x - c)/w))", "A/cosh((x - c)/w)",
                 "A/cosh((x - c)/w)**2",
                 "A*exp((x - c)/w)/(1 + exp((x - c)/w))**2", "A*tanh((x - c)/w)",
                 "A*expit((x - c)/w)"):
        formula = Formula(text)
        value, columns = run_native(formula.lowered(), {"A": 2.0, "c": 3.0, "w": 1.0, "x": x})
        assert np.isfinite(columns[np.isfinite(value)]).all(), text
        near = np.abs(x - 3) < 600
        clean = formula(x=x[near], A=2.0, c=3.0, w=1.0)
        np.testing.assert_allclose(value[near], clean, rtol=1e-12, atol=1e-150)


# -- the same formula, used in another way


def test_every_order_of_free_and_inputs():
    """One Formula compiled for every choice and order of free names and inputs: each program is its own."""
    formula, x = Formula("a*exp(-b*x) + c*x + d"), np.linspace(0, 2, 5)
    values = {"a": 2.0, "b": 0.7, "c": -0.4, "d": 5.0}
    slopes = {"a": np.exp(-0.7 * x), "b": -2 * x * np.exp(-0.7 * x), "c": x, "d": np.ones(5)}
    for _ in range(2):
        for order in itertools.permutations("abcd"):
            for count in range(5):
                free, inputs = order[:count], order[count:]
                program = formula.program(free, inputs)
                value, columns = program.evaluate([values[name] for name in free], x, [values[name] for name in inputs])
                np.testing.assert_allclose(value, 2 * np.exp(-0.7 * x) - 0.4 * x + 5, rtol=1e-14)
                for k, name in enumerate(free):
                    np.testing.assert_allclose(columns[:, k], slopes[name], rtol=1e-13, atol=1e-300)
                lowered = formula.lowered(free, inputs)
                assert (lowered.free, lowered.inputs) == (free, inputs)


def test_one_text_two_variables():
    """Formulas are equal only if both text and independent variables are."""
    one, other = Formula("a*x*t", "x"), Formula("a*x*t", "t")
    assert one != other
    assert one == Formula("a*x*t", "x") == pickle.loads(pickle.dumps(one))
    assert hash(one) == hash(Formula("a*x*t", "x"))
    assert Formula("a*x*t", ("x", "t")) != Formula("a*x*t", ("t", "x")) != one
    t = np.linspace(1, 2, 9)
    assert math.prod(fit(one, 6 * t, x=t, a=1.0, t=2.0).params.valuesdict().values()) == pytest.approx(6)
    assert math.prod(fit(other, 6 * t, x=t, start={"a": 1.0, "x": 2.0}).params.valuesdict().values()) == pytest.approx(6)
    for text in ("a*x + b", "a + b*x"):
        assert Formula(text).names == ("a", "b")
        assert Formula(text) != Formula("a*x - b")


SCALE = 2.0


def scaled_by_a_global(x, a, b):
    """Return a model that reads a global."""
    return SCALE * a * x + b


def test_globals_and_closures_that_change(monkeypatch):
    """A function traced once is traced again when what it reads has changed, by every entry."""
    x = np.linspace(0, 1, 12)
    for scale in (2.0, 3.0, 2.0):
        monkeypatch.setitem(globals(), "SCALE", scale)
        y = 6 * x + 1
        assert fit(scaled_by_a_global, y, x=x, a=1.0, b=0.0).params["a"].value == pytest.approx(6 / scale, rel=1e-9)
        assert fit_batch(scaled_by_a_global, y[None], x=x, a=1.0, b=0.0).values["a"][0] == pytest.approx(6 / scale, rel=1e-7)


def test_a_trace_that_hides_nan():
    """A function that treats NaN or infinities otherwise than its trace does is called, not compiled."""
    def of_nan(x, a):
        value = a * np.log(x)
        return np.where(np.isnan(np.asarray(value)), 0.0, value) if isinstance(value, np.ndarray) else value

    def plain(x, a):
        return a * np.log(x)

    assert plain(np.array([1.0]), 2.0) == 0
    assert Formula(plain).native
    assert not Formula(of_nan).native


@pytest.mark.parametrize("text", ["y = a*x; z = y + b; z*a", "b = a*x; b + a", "t = x*a\nt = t + 1\nt*t"])
def test_lines(text):
    """Assigned names stand for what they were assigned, and are no parameters."""
    x = np.array([0.5, 2.0])
    space = {"x": x, "a": 3.0, "b": 4.0}
    *lines, last = [line.strip() for line in text.replace("\n", ";").split(";")]
    for line in lines:
        exec(line, {}, space)
    formula = Formula(text)
    np.testing.assert_allclose(formula(x=x, **{name: {"a": 3.0, "b": 4.0}[name] for name in formula.names}), eval(last, {}, space))
    for wrong in ("t = c*x; c = 3; t + c", "u = v; v = x; u + v"):
        with pytest.raises(ExpressionError, match="used before"):
            Formula(wrong)


@pytest.mark.parametrize("text", ["0.2 < x < 0.6", "0.6 > x > 0.2", "0.2 < x < b < 2", "x < 0.3 < b", "0.1 < x != 0.4 < b"])
def test_chains_of_comparisons(text):
    """Each neighbour is compared with the next."""
    x = np.linspace(0, 1, 11)
    wanted = [float(eval(text, {"x": float(number), "b": 0.7})) for number in x]
    values = {"b": 0.7} if "b" in text else {}
    assert compiled(f"where({text}, 1, 0)*one", x=x, one=1.0, **values).tolist() == wanted


def test_odd_powers_have_either_sign():
    """One and an odd power is 0 somewhere, where a derivative is 0 times infinity: the chain rule alone says NaN there."""
    x = np.array([-1.])
    np.testing.assert_array_equal(Formula("b*exp(-1/(1 + (a*x)**7))").jacobian(x, a=1., b=1.), [[0., 0.]])
    np.testing.assert_array_equal(Formula("b*(1 + (a*x)**7)**c").jacobian(x, a=1., b=1., c=1.), [[0., -7., 0.]])
