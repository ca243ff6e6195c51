"""Derivatives and values against mpmath: of every function, of random formulas, and at awkward points."""
import math

import numpy as np
import pytest
from interpreter import run, run_native
from random_formulas import NAMES, exact, formulas, words

from gslfit.formula.derivative import adjoints, derivatives
from gslfit.formula.formula import Formula
from gslfit.formula.function_names import FUNCTIONS
from gslfit.formula.operations import evaluate as evaluate_graph
from gslfit.formula.passes import fold_constants, simplify

RTOL = 1e-12
RUNS = (run, run_native)

# function -> points for its arguments
POINTS = {name: [-3.7, -1.2, -.4, .3, .9, 2.6, 7.1] for name in words("""abs sqrt cbrt square exp exp2 expm1
    sin cos tan atan sinh cosh tanh asinh
    sinc expit erf erfc erfcx dawson gamma lgamma
    digamma j0 j1 i0 i1 i0e i1e floor ceil trunc round sign negative positive degrees radians ndtr sech reciprocal exp10""")}
POINTS |= {name: [.2, .7, 1.3, 5.5, 31.] for name in words("""sqrt log log2 log10 log1p y0 y1 k0 k1 k0e k1e gamma lgamma digamma""")}
POINTS |= {"asin": [-.9, -.2, .4, .8], "acos": [-.9, -.2, .4, .8], "atanh": [-.9, -.2, .4, .8], "acosh": [1.1, 2.5, 40.],
           "logit": [.1, .5, .8], "factorial": [.5, 2., 4.5], "erfcx": [-2., .1, 3., 29., 31., 500.],
           "dawson": [-40., .2, 1.3, 29., 31., 300.],
           "expit": [-30., -2., 0.3, 4., 30.], "tanh": [-15., -.3, .2, 3., 12.], "sinc": [-2.3, 0., 1e-9, 1e-3, .05, .2, .24, 1.5, 9.2]}
PAIRS = [(1.3, .8), (-.7, 2.1), (.4, 3.2), (-2.2, .3)]
POSITIVE = [(1.3, .8), (.7, 2.1), (.4, 3.2), (6., -1.3)]
TWO = dict.fromkeys(words("""atan2 hypot copysign min max minimum maximum mod fmod ldexp logaddexp heaviside"""), PAIRS)
TWO |= {"pow": POSITIVE, "log": [(1.3, .8), (.7, 2.1), (9., 3.2)], "xlogy": [(1.3, .8), (-2., 2.1)],
        "voigt": [(1.3, .8), (-.7, .1), (40., 1.), (3., 50.), (0., .5), (7., 1e-6)], "voigt_dx": PAIRS, "voigt_dy": PAIRS}
NUMPY_NAMES = {"arcsin": "asin", "arccos": "acos", "arctan": "atan", "arctan2": "atan2", "arcsinh": "asinh", "arccosh": "acosh",
               "arctanh": "atanh", "absolute": "abs", "fabs": "abs", "power": "pow", "float_power": "pow", "fix": "trunc", "rint": "round",
               "around": "round", "remainder": "mod", "dawsn": "dawson", "gammaln": "lgamma", "loggamma": "lgamma", "psi": "digamma",
               "wofz_re": "voigt", "select": "where", "rad2deg": "degrees", "deg2rad": "radians", "fmin": "min", "fmax": "max"}


def close(found, wanted, scale=0.0):
    """Whether a number is another one to RTOL."""
    return found == wanted or abs(found - wanted) <= RTOL*max(abs(wanted), scale)


def check(text, points, names, extra=()):
    """Value and derivatives of a program at points, against mpmath."""
    formula = Formula(text, independent="x")
    lowered = formula.lowered()
    for point, evaluate in [(point, evaluate) for point in points for evaluate in RUNS]:
        values = dict(zip(names, point, strict=True))
        value, slopes = evaluate(lowered, {**values, "x": np.array([0.])})
        wanted, exact_slopes = exact(text, {**values, "x": 0.}, lowered.free)
        assert close(value[0], wanted), (text, values, value[0], wanted)
        for name, slope, exact_slope in zip(lowered.free, slopes[0], exact_slopes, strict=True):
            assert close(slope, exact_slope), (text, name, values, slope, exact_slope)


@pytest.mark.parametrize("text", ["logaddexp(a, b)", "logaddexp(a, x)", "logaddexp(x, b)"])
def test_logaddexp_of_equal_arguments(text):
    """Half of either slope: the function is smooth where its arguments are equal."""
    for value in (0.0, 1.7, -40.0):
        slopes = Formula(text, independent="x").jacobian(np.array([value]), **{name: value for name in "ab" if name in text[9:]})
        np.testing.assert_allclose(slopes, 0.5, rtol=RTOL)


@pytest.mark.parametrize("name", POINTS)
def test_function(name):
    """A function of one argument."""
    if name in ("sinc", "gamma", "lgamma", "digamma", "sqrt"):
        points = [point for point in POINTS[name] if name not in ("sqrt",) or point > 0]
    else:
        points = POINTS[name]
    check(f"{name}(a)", [(point,) for point in points], ("a",))


@pytest.mark.parametrize("name", TWO)
def test_function_of_two(name):
    """A function of two arguments."""
    check(f"{name}(a, b)", TWO[name], ("a", "b"))


def test_voigt_profile_and_derivatives():
    """The Voigt profile, and the derivatives of voigt as functions."""
    check("voigt_profile(a, b, c)", [(.4, .8, .3), (-3., 1.2, 2.), (.1, .02, 3.)], ("a", "b", "c"))
    for name in ("voigt_dx", "voigt_dy"):
        formula = Formula(f"{name}(x, .7)")
        for x in (-2., .3, 5., 200.):
            assert close(formula(x), exact(f"{name}(x, 0.7)", {"x": x}, ())[0])


def test_every_function_is_tested():
    """No function of the vocabulary without a test against mpmath, or of its truth values."""
    logical = {"where", "select", "isnan", "isinf", "isfinite", "logical_not", "logical_xor", "logical_and", "logical_or", "less",
               "less_equal", "greater", "greater_equal", "equal", "not_equal", "signbit", "clip", "add", "subtract", "multiply", "divide",
               "true_divide", "floor_divide", "voigt_profile"}
    tested = {*POINTS, *TWO, *NUMPY_NAMES, *logical}
    assert not set(FUNCTIONS) - tested
    for alias, name in NUMPY_NAMES.items():
        if alias not in ("fmin", "fmax"):
            args = ", ".join("abc"[:FUNCTIONS[alias].least])
            assert Formula(f"{alias}({args})*x").graph.value.args[0].op == Formula(f"{name}({args})*x").graph.value.args[0].op


def points_of(text, seed):
    """Points at which to compare a random formula."""
    rng = np.random.default_rng(seed)
    return {**{name: rng.uniform(.3, 1.8)*rng.choice([-1, 1]) for name in NAMES}, "x": rng.uniform(-2, 2, 6), "y": rng.uniform(-2, 2, 6)}


def agrees(text, seed):
    """Compare one random formula's value and derivatives with mpmath's.

    Relative to the number itself where it isn't a difference of much larger ones: else to the largest of the column.
    """
    formula = Formula(text, independent=("x", "y"))
    lowered = formula.lowered()
    point = points_of(text, seed)
    oracle = [exact(text, {**point, "x": point["x"][k], "y": point["y"][k]}, lowered.free) for k in range(6)]
    wanted = np.array([value for value, _ in oracle])
    slopes = np.array([slope for _, slope in oracle])
    size = np.maximum(np.abs(slopes), .1*np.max(np.abs(slopes), axis=0))
    for evaluate in RUNS:
        value, columns = evaluate(lowered, point)
        assert np.array_equal(value, evaluate(lowered, point, value_only=True), equal_nan=True)
        assert np.all(np.abs(value - wanted) <= RTOL*np.maximum(np.abs(wanted), .1*np.max(np.abs(wanted)))), (text, point, value - wanted)
        assert np.all(np.abs(columns - slopes) <= RTOL*size), (text, point, np.abs(columns - slopes)/size)


@pytest.mark.parametrize("text", formulas(200, seed=7))
def test_random_derivatives(text):
    """200 random formulas."""
    agrees(text, 11)


def test_random_values():
    """500 random formulas against NumPy's evaluation of the graph as it was read."""
    for text in formulas(500, seed=8):
        formula = Formula(text, independent=("x", "y"))
        point = points_of(text, 12)
        value, _ = run_native(formula.lowered(), point)
        wanted = formula(**{name: point[name] for name in (*formula.independent, *formula.names)})
        assert np.allclose(value, wanted, rtol=1e-12, atol=1e-13*np.max(np.abs(wanted))), (text, value - wanted)


INF = math.inf
AWKWARD = [
    # text, values, derivatives by the parameters in order of appearance, at x
    ("abs(x - a)", {"x": 1., "a": 1.}, [0.]),
    ("sqrt(a*x)", {"x": 0., "a": 2.}, [0.]),
    ("sqrt(x - a)", {"x": 1., "a": 1.}, [-INF]),
    ("b*sqrt(a*x) + c", {"x": 0., "a": 2., "b": 3., "c": 1.}, [0., 0., 1.]),
    ("A*x**p", {"x": 0., "A": 2., "p": 1.5}, [0., 0.]),
    ("A*x**p", {"x": 0., "A": 2., "p": .5}, [0., 0.]),
    ("(a*x)**p", {"x": 0., "a": 2., "p": .5}, [0., 0.]),
    ("(x - a)**p", {"x": 1., "a": 1., "p": 2.5}, [0., 0.]),
    ("(x - a)**p", {"x": 1., "a": 1., "p": 1.}, [-1., 0.]),
    ("(x - a)**3", {"x": -1., "a": 1.}, [-12.]),
    ("(x - a)**-3", {"x": -1., "a": 1.}, [3/16]),
    ("(x - a)**7", {"x": 0., "a": 2.}, [-7*64.]),
    ("(x - a)**2", {"x": 2., "a": 2.}, [0.]),
    ("(a*x)**0", {"x": 0., "a": 2.}, [0.]),
    ("where(x > 0, a*log(x), b)", {"x": -1., "a": 2., "b": 3.}, [0., 1.]),
    ("where(x > a, sqrt(x - a), 0)", {"x": 1., "a": 2.}, [0.]),
    ("a/x if x > 0 else a", {"x": 0., "a": 2.}, [1.]),
    ("c*where(x > 0, a*log(x), b)", {"x": -1., "c": 2., "a": 2., "b": 3.}, [3., 0., 2.]),
    ("clip(a*x, -1, 1)", {"x": 3., "a": 2.}, [0.]),
    ("clip(a*x, -1, 1)", {"x": .1, "a": 2.}, [.1]),
    ("max(a*x, 0)", {"x": -1., "a": 2.}, [0.]),
    ("min(sqrt(a - x), b)", {"x": 0., "a": 4., "b": 1.}, [0., 1.]),
    ("hypot(a*x, b*x)", {"x": 0., "a": 1., "b": 1.}, [0., 0.]),
    ("hypot(a, b)*x", {"x": 1., "a": 3e200, "b": 4e200}, [.6, .8]),
    ("sinc(a*x)", {"x": 0., "a": 1.}, [0.]),
    ("sinc(x - a)", {"x": 1., "a": 1.}, [0.]),
    ("1/(1 + exp((a - x)/b))", {"x": 0., "a": 1000., "b": 1.}, [0., 0.]),
    ("1/cosh(a*x)**2", {"x": 1., "a": 1000.}, [0.]),
    ("a*x/(exp(b*x) - 1)", {"x": 1., "a": 2., "b": 900.}, [0., 0.]),
    ("expit(a*x)", {"x": 1., "a": -1000.}, [0.]),
    ("tanh(a*x)", {"x": 1., "a": 1000.}, [0.]),
    ("j1(a*x)", {"x": 0., "a": 1.}, [0.]),
    ("atan2(a, x)", {"x": -1., "a": 0.}, [-1.]),
    ("asin(a*x)", {"x": 1., "a": 1.}, [INF]),
    ("cbrt(a*x)", {"x": 0., "a": 1.}, [0.]),
    ("(a > x)*b", {"x": 0., "a": 1., "b": 3.}, [0., 1.]),
    ("heaviside(x - a, 0.5)*b", {"x": 1., "a": 1., "b": 2.}, [0., .5]),
    ("a*x and b", {"x": 1., "a": 1., "b": 2.}, [0., 1.]),
    ("a*x or b", {"x": 1., "a": 1., "b": 2.}, [1., 0.]),
]


@pytest.mark.parametrize(("text", "values", "wanted"), AWKWARD, ids=lambda part: part if isinstance(part, str) else "")
def test_awkward_points(text, values, wanted):
    """The derivatives where a careless chain rule gives NaN."""
    formula = Formula(text)
    point = {name: np.array([number]) if name == "x" else number for name, number in values.items()}
    for evaluate in RUNS:
        _, columns = evaluate(formula.lowered(), point)
        assert np.allclose(columns[0], wanted, rtol=1e-14, atol=0, equal_nan=False), (evaluate, columns)


@pytest.mark.parametrize(("text", "x"), [("x/x*a", 0.), ("a + x - x", INF), ("0*x + a", INF), ("x**2/x + a", 0.), ("log(x)*a", -1.),
                                         ("a*x**0.5", -1.), ("sqrt(x)*0 + a", -1.)])
def test_bad_points_stay_bad(text, x):
    """What is NaN in NumPy is NaN here: no identity hides a bad point."""
    for evaluate in RUNS:
        assert np.isnan(evaluate(Formula(text).lowered(), {"a": 1., "x": np.array([x])})[0][0])


def test_exact_below_jumps():
    """Nothing is reassociated below a rounding or a comparison."""
    x = np.array([.3, .6, .7, 2.1, 0.1*3])
    for evaluate in RUNS:
        value, _ = evaluate(Formula("a*floor(x/0.1) + (x/3 == b)").lowered(), {"a": 1., "b": .1, "x": x})
        assert np.array_equal(value, np.floor(x/.1) + (x/3 == .1))


def test_reverse_mode():
    """A product of 24 sums: reverse mode is taken, its derivatives are those of the forward one, and the program is short."""
    text = "*".join(f"(x + a{k})" for k in range(24))
    formula = Formula(text)
    lowered = formula.lowered()
    assert len(lowered.body) < 6*24
    point = {f"a{k}": 1 + .01*k for k in range(24)}
    for evaluate in RUNS:
        value, columns = evaluate(lowered, {**point, "x": np.array([.5])})
        for k, name in enumerate(lowered.free):
            assert close(columns[0, k], value[0]/(.5 + point[name]))


@pytest.mark.parametrize("text", ["exp(-a*x)*sin(b*x + c)/(1 + d*x**2)", "atan(a*x + tanh(b*x))**3 - c/(d + x)",
                                  "a**2*b*x - 3*a/b + log(c**2 + 1)"])
def test_forward_and_reverse_agree(text):
    """Both modes, on the same graph."""
    graph = simplify(fold_constants(Formula(text).graph))
    leaves = [graph.pool.leaf("par", name) for name in Formula(text).names]
    point = {"a": 1.3, "b": .7, "c": 2.1, "d": .4, "x": np.linspace(.1, 2, 7)}
    one = evaluate_graph(tuple(derivatives(graph.value, leaves)), point)
    other = evaluate_graph(tuple(adjoints(graph.value, leaves)), point)
    for a, b in zip(one, other, strict=True):
        assert np.allclose(a, b, rtol=1e-13, atol=1e-15)


def test_reverse_mode_stays_away_from_branches():
    """Where a NaN of the branch not taken could leak."""
    graph = Formula("where(x > 0, a*log(x), b)").graph
    assert adjoints(graph.value, [graph.pool.leaf("par", "a")]) is None


@pytest.mark.parametrize("unit", [1e100, 1e140, 1e-78, 1e-140])
@pytest.mark.parametrize("free", [("y0", "a", "c", "b"), ("a", "c"), ("c",)])
def test_squares_of_a_divisor_with_units(free, unit):
    """What a Lorentzian of any unit of x is divided by has no square in its derivatives: that by its centre was 0 where x are 1e100."""
    own, powers = {"y0": .1, "a": 2., "c": 4.1, "b": .7, "x": np.linspace(.2, 10, 9)}, {"y0": 0, "a": 2, "c": 1, "b": 2, "x": 1}
    lowered = Formula("y0 + a/((x - c)**2 + b)").lowered(free, tuple(name for name in ("y0", "a", "c", "b") if name not in free))
    for evaluate in RUNS:
        (value, right), (same, found) = (evaluate(lowered, {name: each*u**powers[name] for name, each in own.items()}) for u in (1, unit))
        np.testing.assert_allclose(same, value, rtol=1e-12)
        for k, name in enumerate(lowered.free):
            np.testing.assert_allclose(found[:, k]*unit**powers[name], right[:, k], rtol=1e-12)
