"""Derivatives at points where a part of a formula is infinite and the formula is not, and next to them: against mpmath, in both modes."""
import mpmath as mp
import numpy as np
import pytest
from interpreter import run, run_native
from random_formulas import exact

from gslfit import FitStatus, Formula, Model, Parameters, curve_fit, fit, fit_batch, minimize, models
from gslfit.formula import limits
from gslfit.formula.derivative import adjoints
from gslfit.formula.guards import guarded
from gslfit.formula.operations import evaluate
from gslfit.formula.passes import fold_constants, simplify

RTOL = 1e-11
TINY = 1e-290       # below this a derivative may have been lost by underflow,
SQUARED = 1e-150    # or below this, where it has a denominator's square
AT_ZERO = [     # text, parameters: finite at x = 0, and with derivatives there that are limits
    ("b + (t - b)/(1 + (h/x)**s)", {"b": 8., "t": .5, "h": 3., "s": 3.}),
    ("b + (t - b)/(1 + (h/x)**s)", {"b": 8., "t": .5, "h": 3., "s": 1.}),
    ("d + (a - d)/(1 + (x/c)**b)", {"a": 1., "b": -2., "c": 3., "d": 4.}),
    ("d + (a - d)/(1 + (x/c)**b)", {"a": 1., "b": 1.5, "c": 3., "d": 4.}),
    ("a*x**p", {"a": 2., "p": .5}),
    ("y0 + A*exp(-(log(x/c)/w)**2)", {"y0": 1., "A": 2., "c": 3., "w": .7}),
    ("A*exp(-E/x)", {"A": 2., "E": 3.}),
    ("A*x**n*exp(-E/x)", {"A": 2., "E": 3., "n": .5}),
    ("V/(1 + k/x + x/i)", {"V": 2., "k": 3., "i": 4.}),
    ("1/(1/a + 1/(b*x))", {"a": 2., "b": 3.}),
    ("b + (t - b)/(1 + 10**((c - log10(x))*h))", {"b": 1., "t": 2., "c": .5, "h": 1.3}),
    ("b + (t - b)/(1 + 10**((log10(x) - c)*h))", {"b": 1., "t": 2., "c": .5, "h": 1.3}),
    ("b + (t - b)*expit((log(x) - c)*h)", {"b": 1., "t": 2., "c": .5, "h": 1.3}),
    ("a*atan(b/x)", {"a": 2., "b": 3.}),
    ("a*tanh(b*log(x) + c)", {"a": 2., "b": 3., "c": .1}),
    ("a*erf(b*log(x/c))", {"a": 2., "b": 3., "c": .1}),
    ("a*ndtr((log(x) - m)/s)", {"a": 2., "m": .3, "s": .5}),
    ("xlogy(a*x, b*x)", {"a": 2., "b": 3.}),
    ("a*exp(-(x/t)**b)", {"a": 2., "t": 3., "b": .6}),
    ("a*exp(-(t/x)**b)", {"a": 2., "t": 3., "b": 1.6}),
    ("a/sqrt(1 + (b/x)**2)", {"a": 2., "b": 3.}),
    ("a/(1 + (b/x)**2)**c", {"a": 2., "b": 3., "c": 1.5}),
    ("a*(1 - exp(-b/x))", {"a": 2., "b": 3.}),
    ("a/(exp(b/x) - 1)", {"a": 2., "b": 3.}),
]
LIMITS = [      # text, parameters: a product of zero and a logarithm's infinity at x = 0, whose limit is 0
    ("a + b*x*log(x)", {"a": 1., "b": 2.}),
    ("a*x**2*log(x)", {"a": 2.}),
    ("a*log(x)*x**b", {"a": 2., "b": .5}),
    ("a*x*log(x/c)/b", {"a": 2., "b": .5, "c": 3.}),
    ("a*x*log(b*x)**2", {"a": 2., "b": .5}),
    ("a*sqrt(x)*log10(x)", {"a": 2.}),
    ("a*(x/c)*log(x/c)", {"a": 2., "c": 3.}),
    ("a*x*log(1 + b/x)", {"a": 2., "b": 3.}),
    ("x*(a + log(x/b))", {"a": 2., "b": 3.}),
    ("a*exp(-b*x*log(x))", {"a": 2., "b": .5}),
    ("a/(1 + b*x*log(x))", {"a": 2., "b": .5}),
    ("a*x*log(x)*log(x/c)", {"a": 2., "c": 3.}),
    ("a*x*log2(x) + a*(4 - x)*log(4 - x)", {"a": 2.}),
]
NEAR_ONE = [("(a*x)**(b*x)", {"a": 2., "b": 3.}, x, repr(x)) for x in (1e-12, 1e-6, .5, 3.)]      # 1 and a difference that digits end
NEAR_ONE += [("(a*x)**(b*x)", {"a": 2., "b": 3.}, 0., "1e-4000")]
FAR = [         # text, parameters: an exponential overflows where the formula vanishes
    ("A/(exp((c - x)/w) + 2 + exp((x - c)/w))", {"A": 2., "c": 1., "w": .01}),
    ("A/(exp((c - x)/w) + exp((x - c)/v))", {"A": 2., "c": 1., "w": .01, "v": .02}),
    ("a*exp(-b*exp(-c*x))", {"a": 2., "b": 1., "c": -90.}),
    ("a/(1 + exp(b*x) + exp(c*x))", {"a": 1., "b": 90., "c": 80.}),
    ("a*exp(-exp(b*x) - exp(c*x))", {"a": 1., "b": 90., "c": 80.}),
]
DIGITS = 60         # of the oracle's differences
CASES = [(text, values, x, "1e-4000" if x == 0 else repr(x)) for text, values in AT_ZERO + LIMITS for x in (0., 1e-300, 1e-6, 3.)]
CASES += [(text, values, x, repr(x)) for text, values in FAR for x in (-30., -5., .5, 8., 30.)]
CASES += NEAR_ONE


def oracle(text, values, there, names):
    """Value and derivatives by mpmath; a point of 0 is as near to it as makes no difference."""
    with mp.workdps(DIGITS):
        return exact(text, {**values, "x": mp.mpf(there)}, names, digits=DIGITS)


def lost(text, wanted):
    """How large a derivative may be that is lost by underflow, or by rounding beside the others."""
    return max(SQUARED if text in dict(FAR) else TINY, 1e-16*np.max(np.abs(wanted)))


@pytest.mark.parametrize(("text", "values", "x", "there"), CASES, ids=lambda part: part if isinstance(part, str) else "")
def test_limits(text, values, x, there):
    """At a singular point the limit, next to it the derivative, by the program and its contract."""
    lowered = Formula(text).lowered()
    value, wanted = oracle(text, values, there, lowered.free)
    for evaluate_program in (run, run_native):
        got, columns = evaluate_program(lowered, {**values, "x": np.array([x])})
        assert got[0] == pytest.approx(value, rel=1e-12, abs=TINY)
        np.testing.assert_allclose(columns[0], wanted, rtol=RTOL, atol=lost(text, wanted))


@pytest.mark.parametrize(("text", "values", "x", "there"), [case for case in CASES if "**" not in case[0] and "xlogy" not in case[0] and
                                                              case[:2] not in LIMITS],
                         ids=lambda part: part if isinstance(part, str) else "")
def test_reverse_mode(text, values, x, there):
    """The adjoints are guarded as the tangents are."""
    graph = simplify(fold_constants(Formula(text).graph))
    names = Formula(text).names
    found = adjoints(graph.value, [graph.pool.leaf("par", name) for name in names])
    if found is None:
        assert "atan" in text       # an angle's partial derivatives are infinite at the origin
        return
    _, wanted = oracle(text, values, there, names)
    columns = [float(each) for each in evaluate(tuple(found), {**values, "x": x})]
    np.testing.assert_allclose(columns, wanted, rtol=RTOL, atol=lost(text, wanted))


def test_angle_where_its_divisor_is_zero():
    """The phase of an oscillator at its resonance, which a start often is: atan(n/d) has a derivative where d is zero."""
    formula = Formula("atan(2*z*x*w/(w**2 - x**2))")
    slopes = formula.jacobian(np.array([1., 2., 3.]), z=.1, w=2.)
    near = formula.jacobian(np.array([2.])*(1 + 1e-9), z=.1, w=2.)
    np.testing.assert_allclose(slopes[1], near[0], rtol=1e-6, atol=1e-7)


UNGUARDED = ["A*exp(-((x - c)/s)**2/2) + b", "A/(1 + ((x - c)/s)**2)", "a*exp(-x/t) + b*exp(-x/u) + c", "A*voigt((x - c)/s, g/s)",
             "A*exp(-((x - c)**2 + (y - d)**2)/(2*s**2)) + b", "a/(1 + exp((c - x)/w))", "A*exp(-(x/t)**b) + c", "a*tanh((x - c)/w)",
             "A*(1 + ((x - c)/s)**2)**-m", "a*sin(w*x + p)", "a/x + b", "a*log(x) + b", "a*x**b + c"]


@pytest.mark.parametrize("text", UNGUARDED)
def test_programs_without_guards(text):
    """Peaks, decays, spots and sigmoids have nothing to be guarded: their programs are as short as ever."""
    formula = Formula(text, independent=("x", "y") if "y" in text else "x")
    assert not guarded(simplify(fold_constants(formula.graph)).value)


@pytest.mark.parametrize(("text", "values"), LIMITS)
def test_limits_of_values(text, values):
    """A formula that is called, and its Jacobian, have the limit too, with the numbers next to it."""
    x = np.array([0., 1e-9])
    found, at = Formula(text)(x, **values), [oracle(text, values, there, ()) for there in ("1e-4000", "1e-9")]
    np.testing.assert_allclose(found, [value for value, _ in at], rtol=1e-12, atol=TINY)


ENDS = [("a*(1 - x)*log(1 - x)", "1e-4000"), ("a*(x - 1)*log(1 - x)", "1e-4000"), ("a*(1 - x)*log1p(-x)", "1e-4000"),
        ("a*(1 - x)*log(x/(1 - x))", "1e-4000")]


@pytest.mark.parametrize("text", ["d = a*exp(x/b); d/(d*d + 1e-30)", "d = a*exp(x/b); d/(1 + d)**2"])
def test_values_are_those_that_fits_run(text):
    """Where a formula is infinity over infinity as it is written, and the one that fits run is not, a curve has no gap either."""
    x, values = np.array([1., 2., 1419.]), {"a": 426., "b": 2.}
    result = fit_batch(text, np.zeros((1, 3)), x=x, max_nfev=1, **values)
    assert np.isfinite(result.chisqr).all()
    with np.errstate(all="ignore"):
        assert Formula(text)(x, **values)[2] == 0
        assert np.isnan(Formula("a*sqrt(x)")(-1., a=1.))


@pytest.mark.parametrize(("text", "near"), ENDS)
def test_limits_where_a_difference_is_zero(text, near):
    """The other end of a mixture, where it is pure."""
    assert Formula(text)(np.array([1.]), a=2.)[0] == 0
    assert Formula(text).jacobian(np.array([1.]), a=2.)[0] == 0
    assert Formula(text)(np.array([.5]), a=2.)[0] == pytest.approx(oracle(text, {"a": 2.}, ".5", ())[0], rel=1e-14, abs=1e-300)


def test_each_part_is_looked_at_once(monkeypatch):
    """Whether a node may be infinite is asked once: of sums within sums it took a time that grew as the square of their number."""
    asked, infinite = [], limits.infinite_itself
    monkeypatch.setattr(limits, "infinite_itself", lambda node: asked.append(node) or infinite(node))

    def deep(x, a, b):
        t = x
        for _ in range(30):
            t = np.log(2 + t*t)*a - t*b
        return t

    Formula(deep).lowered()
    assert len(asked) == len(set(asked)) > 100


WITHOUT = ["a*log(x)", "a*x*log(x - 2)", "x*log(x)/x*a", "a*x/x", "x*(a*log(x) + 1/x)", "a*sin(x)*log(b*y)*0*x"]


@pytest.mark.parametrize("text", WITHOUT)
def test_what_has_no_limit_stays(text):
    """Where nothing shows that there is a limit, the value is NumPy's: infinite, or no number."""
    formula = Formula(text, independent=("x", "y") if "y" in text else "x")
    values = dict.fromkeys(formula.names, 2.) | dict.fromkeys(formula.independent, np.zeros(1))
    assert not np.isfinite(formula(**values)[0])


def test_every_entry_fits_a_limit():
    """Counts sorted by a merge sort, 0 of 0 among them: a + b*n*log(n) is linear in both, and fits as on the points without 0."""
    x = np.array([0., 1., 2., 5., 10., 20., 50., 100.])
    n = np.array([1e-300, *x[1:]])
    y = 3 + 2*n*np.log(n) + np.random.default_rng(6).normal(0, 1, x.size)
    wanted, *_ = np.linalg.lstsq(np.stack([np.ones_like(n), n*np.log(n)], axis=1), y, rcond=None)

    def cost(x, a, b):
        return a + b*x*np.log(x)

    for source in ("a + b*x*log(x)", cost):
        found = [fit(source, y, x=x, a=1., b=1.), Model(source).fit(y, x=x, a=1., b=1.)]
        found += [fit_batch(source, y[None], x=x, a=1., b=1., method=method)[0] for method in ("auto", "lanes", "lmsder", "trust")]
        for result in found:
            assert result.success
            np.testing.assert_allclose([result.params["a"].value, result.params["b"].value], wanted, rtol=1e-9)
        popt, pcov = curve_fit(source, x, y, p0=[1., 1.])
        np.testing.assert_allclose(popt, wanted, rtol=1e-9)
        assert np.isfinite(pcov).all()


DOSE = np.repeat([0, .94, 1.88, 3.75, 7.5, 15, 30], 3)
HILL = "bottom + (top - bottom)/(1 + (half/x)**slope)"
START = {"bottom": 8., "top": .5, "half": 3., "slope": 3.}


def test_every_entry_fits_a_dose_of_zero():
    """A formula that is finite at every point fits by every entry, as the four-parameter logistic does, which is the same curve."""
    y = .5 + 7.3/(1 + (DOSE/3)**3) + np.random.default_rng(5).normal(0, .3, DOSE.size)
    wanted = models.FourParameterLogisticModel().fit(y, x=DOSE).chisqr
    params = Parameters()
    for name, value in START.items():
        params.add(name, value)

    def hill(x, bottom, top, half, slope):
        with np.errstate(divide="ignore"):
            return bottom + (top - bottom)/(1 + (half/x)**slope)

    found = [fit(HILL, y, x=DOSE, **START), Model(HILL).fit(y, x=DOSE, **START), models.HillModel().fit(y, x=DOSE),
             fit(hill, y, x=DOSE, **START), minimize(lambda p: hill(DOSE, *p.valuesdict().values()) - y, params)]
    found += [fit_batch(HILL, y[None], x=DOSE, **START, method=method)[0] for method in ("auto", "lanes", "lmsder", "trust")]
    found += [Model(HILL).fit_batch(y[None], x=DOSE, **START)[0], models.HillModel().fit_batch(y[None], x=DOSE)[0]]
    for result in found:
        assert result.success and result.status != FitStatus.RANK_DEFICIENT
        assert result.chisqr == pytest.approx(wanted, rel=1e-8)
    popt, pcov = curve_fit(HILL, DOSE, y, p0=list(START.values()))
    assert np.sum((hill(DOSE, *popt) - y)**2) == pytest.approx(wanted, rel=1e-8)
    assert np.isfinite(pcov).all()
