"""Quotients that are 0/0 where they have a limit: value and derivatives there and beside it, against mpmath, and fits by every entry."""
import random

import mpmath as mp
import numpy as np
import pytest
from interpreter import run, run_native
from random_formulas import exact

from gslfit import Formula, Model, curve_fit, fit, fit_batch
from gslfit.formula.graph import below
from gslfit.formula.passes import fold_constants, simplify
from gslfit.formula.quotients import quotients

DIGITS = 300
NEARBY = "1e-90"    # how far from the place the oracle is asked, which divides by zero there
QUOTIENTS = [       # text, parameters, place
    ("sin(a*x)/x", {"a": 2.}, 0.),
    ("a*sin(k*x)/(k*x) + b", {"a": 2., "k": 3., "b": 1.}, 0.),
    ("a*(1 - exp(-k*x))/x", {"a": 2., "k": 3.}, 0.),
    ("a*(1 - cos(k*x))/x**2", {"a": 2., "k": 3.}, 0.),
    ("tanh(k*x)/x", {"k": 2.}, 0.),
    ("expm1(k*x)/(m*x)", {"k": 2., "m": 3.}, 0.),
    ("log1p(k*x)/x", {"k": 2.}, 0.),
    ("a/x*atan(k*x)", {"a": 2., "k": 3.}, 0.),
    ("a*x**-1*erf(k*x)", {"a": 2., "k": 3.}, 0.),
    ("a*(k/x)**2/(1 + (k/x)**2)", {"a": 2., "k": 3.}, 0.),
    ("a*(3*(sin(q*x) - q*x*cos(q*x))/(q*x)**3)**2", {"a": 2., "q": 3.}, 0.),            # a sphere's form factor
    ("a*(2*j1(k*x)/(k*x))**2", {"a": 2., "k": 3.}, 0.),                                 # Airy's disk
    ("a*2*(exp(-q*x) + q*x - 1)/(q*x)**2", {"a": 2., "q": 3.}, 0.),                     # Debye's chain
    ("a*(1/tanh(x/t) - t/x) + b", {"a": 2., "t": .5, "b": 1.}, 0.),                     # Langevin's function
    ("a*x**3/(exp(x/t) - 1) + b", {"a": 2., "t": .5, "b": 1.}, 0.),                     # Planck's law
    ("a + b*(1 - exp(-x/t))/(x/t) + c*((1 - exp(-x/t))/(x/t) - exp(-x/t))", {"a": 2., "t": 3., "b": 4., "c": .4}, 0.),   # Nelson, Siegel
    ("a*(exp(-x/t) - exp(-x/u))/x", {"a": 2., "t": 3., "u": 2.}, 0.),
    ("((1 + x)**p - 1)/x", {"p": .5}, 0.),
    ("(1 + a*x)**(1/x)", {"a": 2.}, 0.),
    ("a*dawson(k*x)/x", {"a": 2., "k": 3.}, 0.),
    ("a*(i0(k*x) - 1)/x**2", {"a": 2., "k": 3.}, 0.),
    ("(a - a/x*sin(b*x)/b)/x**2", {"a": 2., "b": 3.}, 0.),
    ("a*(1 + tanh((x - c)/w))*sin(k*x)/x", {"a": 2., "w": 3., "c": 1.5, "k": 2.}, 0.),
    ("a*log(x)/(x - 1)", {"a": 2.}, 1.),
    ("a*log(x/c)/(1 - x/c)", {"a": 2., "c": 1.5}, 1.5),
    ("(x**2 - c**2)/(x - c)", {"c": 1.5}, 1.5),
    ("a*sin(x - c)/(x - c)", {"a": 2., "c": 1.5}, 1.5),
    ("a*(sin(pi*(x - c)/w)/(pi*(x - c)/w))**2 + b", {"a": 2., "w": 3., "c": 1.5, "b": .1}, 1.5),
    ("a*sin(n*(x - c))/sin(x - c)", {"a": 2., "n": 5., "c": 1.5}, 1.5),                 # a grating
    ("g*(x - v)/(1 - exp(-(x - v)/k))", {"g": .1, "v": 1.5, "k": 2.}, 1.5),             # a rate of Hodgkin and Huxley
    ("a*(x - m)/(exp((x - m)/t) - 1)", {"a": 2., "m": 1.5, "t": .5}, 1.5),
]


def oracle(text, values, x, place):
    """Value and derivatives by mpmath; beside the place where the quotient is 0/0."""
    names = Formula(text).names
    with mp.workdps(DIGITS):
        there = mp.mpf(x) + (mp.mpf(NEARBY) if x == place else 0)
        value, slopes = exact(text, {**values, "x": there}, names, digits=DIGITS)
    return float(value), np.array(slopes, float)


@pytest.mark.parametrize(("text", "values", "place"), QUOTIENTS, ids=lambda part: part if isinstance(part, str) else "")
def test_limits(text, values, place):
    """At the place the limit, and so near it that differences would lose it, by the program and its contract, and by calls."""
    formula = Formula(text)
    lowered = formula.lowered()
    for x in place + np.array([0, -1e-14, 1e-9, 1e-6]):
        value, slopes = oracle(text, values, x, place)
        found = [evaluate(lowered, {**values, "x": np.array([x])}) for evaluate in (run, run_native)]
        found.append((formula(np.array([x]), **values), formula.jacobian(np.array([x]), **values)))
        for got, columns in found:
            assert got[0] == pytest.approx(value, rel=1e-13)
            np.testing.assert_allclose(columns[0], slopes, rtol=1e-11, atol=1e-11*np.max(np.abs(slopes)))


@pytest.mark.parametrize(("text", "values", "place"), QUOTIENTS, ids=lambda part: part if isinstance(part, str) else "")
def test_elsewhere_as_written(text, values, place):
    """Away from the place the formula is as it was written, to rounding."""
    formula = Formula(text)
    for x in place + np.array([.01, .3]):
        value, slopes = oracle(text, values, x, place)
        np.testing.assert_allclose(formula.jacobian(np.array([x]), **values)[0], slopes, rtol=1e-8, atol=1e-8*np.max(np.abs(slopes)))
        assert formula(x, **values) == pytest.approx(value, rel=1e-9)


@pytest.mark.parametrize("x", [1e-300, 1e-150, 1e-60, 1e-20])
def test_beside_zero_where_powers_underflow(x):
    """A divisor's square or cube underflows long before its value does: the limit is left to no more than a rounding error."""
    for text, limit in (("(1 - cos(k*x))/x**2", 4.5), ("3*(sin(k*x) - k*x*cos(k*x))/(k*x)**3", 1.), ("sin(k*x)/x", 3.)):
        assert Formula(text)(x, k=3.) == pytest.approx(limit, rel=1e-15)
        assert np.isfinite(Formula(text).jacobian(np.array([x]), k=3.)).all()


VANISHING = ("sin(k*{0})", "tanh(m*{0})", "(1 - exp(-k*{0}))", "expm1(m*{0})", "log1p(k*{0}**2)", "atan({0}/m)", "(cos({0}) - 1)", "{0}",
             "({0} - sin(k*{0}))", "(sqrt(1 + m*{0}) - 1)", "erf({0}/k)", "asinh(k*{0})")
BESIDE = ("exp(-{0})", "(1 + m*{0})", "cos(k*{0})", "1/(2 + {0}**2)", "log(3 + {0})", "b")
ORDERS = {"log1p(k*{0}**2)": 2, "(cos({0}) - 1)": 2}


def drawn(seed):
    """Return a random quotient whose divisor vanishes at x = 0 or x = c no faster than what is divided."""
    rng = random.Random(seed)
    small = rng.choice(("x", "(x - c)"))
    while True:
        over, under = ([rng.choice(VANISHING) for _ in range(rng.choice((1, 1, 2)))] for _ in range(2))
        if "({0} - sin(k*{0}))" not in under and sum(ORDERS.get(part, 1) for part in over) >= sum(ORDERS.get(part, 1) for part in under):
            break
    over.append(rng.choice(BESIDE))
    rng.shuffle(over)
    text = "*".join(over) + "/(" + "*".join(under) + ")"
    return (text if rng.random() < .5 else f"a*exp(-({text})**2) + b").format(small), .75 if "c" in small else 0.


@pytest.mark.parametrize("seed", range(40))
def test_random_quotients(seed):
    """Products of vanishing functions, divided by others: the limit and its derivatives."""
    text, place = drawn(seed)
    values = {name: value for name, value in {"a": 2., "b": .5, "k": 1.5, "m": .7, "c": .75}.items() if name in Formula(text).names}
    formula = Formula(text)
    scale = np.max(np.abs(formula.jacobian(place + np.array([.2, .5]), **values)))
    for x in (place, place + 1e-7):
        value, slopes = oracle(text, values, x, place)
        assert formula(x, **values) == pytest.approx(value, rel=1e-9, abs=1e-14), text
        np.testing.assert_allclose(formula.jacobian(np.array([x]), **values)[0], slopes, rtol=1e-8, atol=1e-8*scale, err_msg=text)


WITHOUT = ["a*cos(x)/x", "a*sin(x)/x**2", "sin(a*x - b)/x", "x*log(x)/x*a", "a*sqrt(x)*sin(x)/x", "a*abs(x)/x", "a*exp(-1/x)/x",
           "a/x - b/x", "a*x/x", "a*floor(x)/x", "a*sin(x)*sin(y)/x/y**2"]


@pytest.mark.parametrize("text", WITHOUT)
def test_what_has_no_limit_stays(text):
    """A pole is infinite, and what has no series that is known is no number, as NumPy has it."""
    formula = Formula(text, independent=("x", "y") if "y" in text else "x")
    values = dict.fromkeys(formula.names, 2.) | dict.fromkeys(formula.independent, np.zeros(1))
    assert not np.isfinite(formula(**values)[0])


@pytest.mark.parametrize("text", ["A/(B + (x - c)**2)", "a*exp(-x/t)/t", "V*x/(k + x)", "a/x + b*x", "log(x)/(s*x)*exp(-log(x)**2)",
                                  "A*s**2*x/((c**2 - x**2)**2 + (s*x)**2)"])
def test_nothing_is_added_where_nothing_is_indeterminate(text):
    """Peaks, decays and rates have no series in their programs."""
    graph = simplify(fold_constants(Formula(text).graph))
    assert "select" not in [node.op for node in below([quotients(graph).value])]


def test_two_variables():
    """Where either variable is zero, both, or their distance from a place."""
    formula = Formula("a*sin(k*x)*sin(m*y)/(x*y)", independent=("x", "y"))
    x, y = np.array([0, 0, 1., 1.]), np.array([0, 1., 0, 1.])
    wanted = 2*np.where(x == 0, 3, np.sin(3*x))*np.where(y == 0, 2, np.sin(2*y))
    np.testing.assert_allclose(formula(x, y, a=2., k=3., m=2.), wanted, rtol=1e-14)
    np.testing.assert_allclose(formula.jacobian(x, y, a=2., k=3., m=2.)[:, 0], wanted/2, rtol=1e-14)
    ring = Formula("r = sqrt(x**2 + y**2); a*sin(k*r)/(k*r)", independent=("x", "y"))
    assert ring(0., 0., a=2., k=3.) == 2
    np.testing.assert_array_equal(ring.jacobian(np.zeros(1), np.zeros(1), a=2., k=3.), [[1, 0]])


def test_branches_of_the_users_own_stay():
    """A limit that the user wrote is the one that is taken."""
    guarded, written = Formula("where(x == 0, 7, sin(a*x)/x)"), Formula("where(abs(x) < 1e-8, a, sin(a*x)/x)")
    assert guarded(0., a=2.) == 7
    for formula in (guarded, written):
        graph = simplify(fold_constants(formula.graph))
        assert quotients(graph).value is graph.value
    assert Formula("where(x > 5, 7, sin(a*x)/x)")(0., a=2.) == 2


def test_every_entry_fits_a_quotient():
    """A decaying average (1 - exp(-k*x))/(k*x) from x = 0 on fits as it does without that point, whose residual is known."""
    x = np.linspace(0, 8, 33)
    shape = -np.expm1(-.7*np.where(x > 0, x, 1))/(.7*np.where(x > 0, x, 1))
    y = 2*np.where(x > 0, shape, 1) + np.random.default_rng(5).normal(0, .01, x.size)
    text = "a*(1 - exp(-k*x))/(k*x)"

    def average(x, a, k):
        with np.errstate(invalid="ignore"):
            return a*(1 - np.exp(-k*x))/(k*x)

    def called(x, a, k):
        u = np.where(x > 0, k*x, 1)
        return a*np.where(x > 0, -np.expm1(-u)/u, 1.0)

    wanted, covariance = curve_fit(called, x, y, p0=[1., 1.])
    results = []
    for source in (text, average):
        results += [fit(source, y, x=x, a=1., k=1.), Model(source).fit(y, x=x, a=1., k=1.)]
        results += [fit_batch(source, y[None], x=x, a=1., k=1., method=method)[0] for method in ("auto", "lanes", "lmsder", "trust")]
        found, errors = curve_fit(source, x, y, p0=[1., 1.])
        np.testing.assert_allclose(found, wanted, rtol=1e-7)
        np.testing.assert_allclose(errors, covariance, rtol=1e-5)
    for result in results:
        assert result.success
        np.testing.assert_allclose([result.params["a"].value, result.params["k"].value], wanted, rtol=1e-7)
        np.testing.assert_allclose([result.params["a"].stderr, result.params["k"].stderr], np.sqrt(np.diag(covariance)), rtol=1e-5)
