"""Parameters that enter squared, where data push them to 0: J says nothing of them there, and chi-square has a minimum."""
import numpy as np
import pytest

import gslfit
from gslfit import FitStatus, Parameters

X = np.linspace(.1, 5, 40)
NOISE = .05*np.cos(40*X)
CASES = {"b**2*x": -X + NOISE, "a + b**2*x": 1 - .5*X + NOISE, "b**2*x + c*x**2": .2*X**2 - X + NOISE,
         "A*exp(-b**2*x)": 3*np.exp(.05*X) + NOISE, "abs(b)**2*x": -X + NOISE}
STARTS = {"a": 1., "b": 1., "c": .1, "A": 2.}


def least(text, y):
    """Return chi-square where b is 0 and what the model is linear in fits best."""
    basis = [np.ones_like(X)] if text.startswith(("a ", "A")) else [X**2] if "c" in text else []
    A = np.array(basis).T if basis else np.zeros((X.size, 1))
    return float(np.sum((y - A @ np.linalg.lstsq(A, y, rcond=None)[0])**2))


@pytest.mark.parametrize("start", [1., -2., .1])
@pytest.mark.parametrize("text", CASES)
def test_minimize_gets_there_and_says_so(text, start):
    """In some dozens of calls, without an error of what has none, and by name."""
    f, y = gslfit.Formula(text), CASES[text]
    params = Parameters()
    for name, value in STARTS.items():
        if name in f.params:
            params.add(name, start if name == "b" else value)
    out = gslfit.minimize(lambda p: f(x=X, **p.valuesdict()) - y, params)
    assert out.success and out.status == FitStatus.RANK_DEFICIENT, out.message
    assert out.chisqr == pytest.approx(least(text, y), rel=1e-9)
    assert abs(params["b"].value) < 1e-3 and params["b"].stderr is None and not out.errorbars
    assert "b is at a minimum that the Jacobian does not tell" in out.message


@pytest.mark.parametrize(("text", "start"), [("b**2*x", 1.), ("b**2*x", -2.), ("a + b**2*x", 1.), ("a + b**2*x", -2.)])
def test_without_another_look(text, start):
    """A minimum by Newton's steps is no doubt: nobody looks again from the start. They were 1000 to 1700 calls."""
    f, y = gslfit.Formula(text), CASES[text]
    params = Parameters()
    for name in f.params:
        params.add(name, start if name == "b" else STARTS[name])
    out = gslfit.minimize(lambda p: f(x=X, **p.valuesdict()) - y, params)
    assert out.success and out.nfev <= 200 and "looked again" not in out.message


@pytest.mark.parametrize("text", CASES)
def test_fit_and_batch_agree(text):
    f, y = gslfit.Formula(text), CASES[text]
    start = {name: STARTS[name] for name in f.params}
    single, rows = gslfit.fit(text, y, x=X, **start), gslfit.fit_batch(text, y[None], x=X, **start)
    assert single.success and rows.success[0]
    assert rows.status[0] == FitStatus.RANK_DEFICIENT and np.isnan(rows.stderr["b"][0])
    assert single.chisqr == pytest.approx(least(text, y), rel=1e-9) and rows.chisqr[0] == pytest.approx(least(text, y), rel=1e-9)


RELAXATION = "a + d/(1 + (x*t)**2)"


@pytest.mark.parametrize(("seed", "d", "t"), [(3, -1., .05), (5, -3., .01), (16, -3., .01), (42, -.1, 0.), (30, -.1, 1e-3), (0, -.1, .5)])
def test_where_an_amplitude_has_the_other_sign(seed, d, t):
    """At t = 0, where d and a are one, chi-square bends up at t if d has the wrong sign; d can take the other one, and t is told."""
    rng = np.random.default_rng(seed)
    x, params = np.linspace(.3, 12, 60), Parameters()
    y = 2 + 1.5/(1 + (.3*x)**2) + .05*rng.normal(size=60)
    params.add_many(("a", rng.uniform(1, 4)), ("d", d), ("t", t))
    f = gslfit.Formula(RELAXATION)
    out, single = gslfit.minimize(lambda p: f(x=x, **p.valuesdict()) - y, params), gslfit.fit(RELAXATION, y, params, x=x)
    for fitted in (out, single):
        assert fitted.success and fitted.errorbars, fitted.message
        assert fitted.chisqr < 60*.05**2*1.6
        assert fitted.chisqr == pytest.approx(single.chisqr, rel=1e-8)


@pytest.mark.parametrize("start", [0., 1e-9])
@pytest.mark.parametrize("seed", range(4))
def test_two_that_bend_up_each_alone(seed, start):
    """At b = c = 0 chi-square bends up along b and along c, and down where c goes by -b: a saddle, which was a minimum."""
    text, y = "a + (b**2 + c**2 + 3*b*c)*x", 1 - .5*X + .05*np.random.default_rng(seed).normal(size=X.size)
    params, f = Parameters(), gslfit.Formula(text)
    params.add_many(("a", 2.), ("b", start), ("c", start))
    single, rows = gslfit.fit(text, y, params, x=X), gslfit.fit_batch(text, y[None], params, x=X)
    out = gslfit.minimize(lambda p: f(x=X, **p.valuesdict()) - y, params)
    lowest = np.sum((y - np.polyval(np.polyfit(X, y, 1), X))**2)
    for success, chisqr in (single.success, single.chisqr), (rows.success[0], rows.chisqr[0]), (out.success, out.chisqr):
        assert not success or chisqr == pytest.approx(lowest, rel=1e-9)
    assert start or (single.success and rows.success[0])


NONE = {"a + b**2*x": 1 + .5*X, "A*exp(-b**2*x)": 2*np.exp(-.5*X), "A*cos(b*x)": 2*np.cos(.5*X), "a + b*c*x": 1 - .5*X,
        "a + b*c*x + 0*d": 1 + .5*X, "a + A/(1 + (b*x)**2)": 2 + 1.5/(1 + (.3*X)**2), "a - A/(1 + (b*x)**2)": 2 + 1.5/(1 + (.3*X)**2)}
REFITTED = {"a + b*x + c*x**2 + d*sin(f*x)": 1 + .5*X - .1*X**2 + 2*np.sin(1.3*X),
            "A*cos(b*x)*exp(-c*x**2)": 2*np.cos(.8*X)*np.exp(-.1*X**2)}


@pytest.mark.parametrize("unit", [1., 1e-9])
@pytest.mark.parametrize("text", NONE)
def test_what_has_no_column_where_it_starts(text, unit):
    """Parameters that start at 0, where chi-square has no slope along them: they were no effect, and the constant was a minimum."""
    y = unit*(NONE[text] + NOISE)
    start = {name: 0. if name in "bcd" else unit*value for name, value in {"a": 1.2, "b": 0, "c": 0, "d": 0, "A": .3}.items()
             if name in gslfit.Formula(text).params}
    f, params = gslfit.Formula(text), Parameters()
    for name, value in start.items():
        params.add(name, value)
    single, rows = gslfit.fit(text, y, params, x=X), gslfit.fit_batch(text, y[None], params, x=X)
    out = gslfit.minimize(lambda p: f(x=X, **p.valuesdict()) - y, params)
    for success, chisqr in (single.success, single.chisqr), (rows.success[0], rows.chisqr[0]), (out.success, out.chisqr):
        assert success and chisqr < 2*unit**2*np.sum(NOISE**2)


@pytest.mark.parametrize("text", REFITTED)
def test_what_gives_others_a_column(text):
    """Chi-square falls along such a parameter once the others are refitted: the amplitude of a frequency that is no longer 0."""
    f, params = gslfit.Formula(text), Parameters()
    for name in f.params:
        params.add(name, .3 if name == "A" else 0.)
    y = REFITTED[text] + NOISE
    single, rows = gslfit.fit(text, y, params, x=X), gslfit.fit_batch(text, y[None], params, x=X)
    out = gslfit.minimize(lambda p: f(x=X, **p.valuesdict()) - y, params)
    for success, chisqr in (single.success, single.chisqr), (rows.success[0], rows.chisqr[0]), (out.success, out.chisqr):
        assert success and chisqr < 2*np.sum(NOISE**2)


BESIDE = {"a + b**2*x": 1., "a + A*sin(b)**2*x": 1., "a + b*c*x": 1., "a + b**4*x": 1., "a*cosh(b*x)": 1., "sqrt(a**2 + (b*x)**2)": .9,
          "a + A*exp(-x) + b**2*x": 1.}


@pytest.mark.parametrize("loss", ["linear", "huber", "soft_l1"])       # a loss that comes down again has several minima here
@pytest.mark.parametrize("low", [-np.inf, .3])
@pytest.mark.parametrize("text", BESIDE)
def test_what_has_no_column_where_another_is_at_its_bound(text, low, loss):
    """A bound that holds another parameter is no word on one that starts at 0, where chi-square is highest: the saddle was a success."""
    x = np.linspace(0, 10, 21)
    y, f = 3 + 2*x + .1*np.cos(37*x), gslfit.Formula(text)

    def begun(**at):
        params = Parameters()
        for name in f.params:
            params.add(name, at.get(name, .5), min=low if name == "a" else -np.inf, max=BESIDE[text] if name == "a" else np.inf)
        return params
    wanted = gslfit.fit(text, y, begun(b=.3, c=2., A=4.), x=x, loss=loss)
    single = gslfit.fit(text, y, begun(b=0., c=0.), x=x, loss=loss)
    rows = gslfit.fit_batch(text, y[None], begun(b=0., c=0.), x=x, loss=loss)
    assert wanted.success and wanted.params["a"].value == pytest.approx(BESIDE[text], rel=1e-6)
    for success, residual in (single.success, single.residual), (rows.success[0], rows[0].residual):
        assert success
        np.testing.assert_allclose(residual, wanted.residual, atol=1e-4)
    if loss == "linear":
        out = gslfit.minimize(lambda p: f(x=x, **p.valuesdict()) - y, begun(b=0., c=0.))
        assert out.success and out.chisqr == pytest.approx(wanted.chisqr, rel=1e-8)


EVEN = {"A + b**2*x": -1., "A*exp(-b**2*x)": 1., "A/(1 + (b*x)**2)": 1., "A*cos(b*x)": 1., "A*exp(-(b*x)**4)": 1.}
HOW = {"linear": {}, "huber": {"loss": "huber", "f_scale": 10.}}


@pytest.mark.parametrize("loss", HOW)
@pytest.mark.parametrize("text", EVEN)
def test_errors_of_the_others(text, loss):
    """They are those with it held at 0, but for a degree of freedom: by J they were up to twice as large, with an error of 1e6 of its own.

    Steps end where b**2 is lost in rounding, so that b is of about 1e-9, and its column as small.
    """
    starts, x = (.1,) if "cos" in text else (1., .7), np.linspace(0, 5, 40)
    for seed in range(8):
        rng = np.random.default_rng(seed)
        y = 2 + EVEN[text]*.1*x + .1*rng.normal(size=40)
        alone = gslfit.fit("A", y, x=x, A=2., **HOW[loss])
        for b in starts:
            start = {"A": rng.uniform(1, 3), "b": b}
            found = gslfit.fit(text, y, x=x, start=start, **HOW[loss])
            rows = gslfit.fit_batch(text, y[None], x=x, start=start, **HOW[loss])
            expected = alone.stderr["A"]*(np.sqrt(39/38) if loss == "linear" else 1)
            assert found.success and found.stderr["b"] is None and not found.errorbars
            assert rows.status[0] == FitStatus.RANK_DEFICIENT and np.isnan(rows.stderr["b"][0])
            near = {"rel": 1e-6} if loss == "linear" else {"rel": .02}      # a robust loss' error has a factor of its own of n and p
            assert found.stderr["A"] == pytest.approx(expected, **near) and rows.stderr["A"][0] == pytest.approx(expected, **near)
            if loss == "linear":
                params, formula = Parameters(), gslfit.Formula(text)
                params.add_many(*start.items())
                gslfit.minimize(lambda p, f=formula, y=y: f(x=x, **p.valuesdict()) - y, params)
                assert params["A"].stderr == pytest.approx(expected, rel=1e-6) and params["b"].stderr is None


@pytest.mark.parametrize("centre", [0., 1e-9])
def test_a_value_of_nothing_is_told(centre):
    """A centre that merely is 0 has its error: its column is as long as ever."""
    y = 3*np.exp(-(X - 2.5 - centre)**2/2) + NOISE
    start = {"A": 2., "m": 1e-3}
    text, x = "A*exp(-(x - m)**2/2)", X - 2.5
    for m in (gslfit.fit(text, y, x=x, start=start), gslfit.fit_batch(text, y[None], x=x, start=start)[0]):
        assert m.success and m.errorbars and m.params["m"].stderr == pytest.approx(.0047, rel=.2)


@pytest.mark.parametrize("kind", ["confidence", "prediction"])
@pytest.mark.parametrize("text", ["c + b**2*x", "c*exp(-b**2*x)", "c/(1 + (b*x)**2)", "c + d*x + b**2*x**2"])
def test_bands(text, kind):
    """Of batches and their fits as of `fit`: those without it. They were not a number."""
    x = np.linspace(.05, 5, 60)
    y = (1 + .3*x - .02*x*x if "d" in text else 2 - .05*x if "+ b" in text else 2 + .05*x) + .02*np.random.default_rng(1).normal(size=60)
    start = {"c": 1., "b": .5} | ({"d": .1} if "d" in text else {})
    one, rows = gslfit.fit(text, y, x=x, **start), gslfit.fit_batch(text, np.array([y, y]), x=x, **start)
    without = gslfit.fit("c + d*x" if "d" in text else "c", y, x=x, **{name: value for name, value in start.items() if name != "b"})
    expected = without.eval_uncertainty(kind=kind)*np.sqrt(without.nfree/one.nfree)
    for band in (one.eval_uncertainty(kind=kind), rows.eval_uncertainty(kind=kind)[1], rows[0].eval_uncertainty(kind=kind)):
        np.testing.assert_allclose(band, expected, rtol=1e-3)       # and Student's factor of one degree less


FALLING = 2 - .3*X + NOISE
ENTRIES = "fit", "fit_batch", "minimize", "Model"


def others_error(entry, text, y, params, **options):
    """Return the errors of c and b, of a success."""
    f = gslfit.Formula(text)
    if entry == "minimize":
        out = gslfit.minimize(lambda p: f(x=X, **p.valuesdict()) - y, params, **options)
        assert out.success
        return out.params["c"].stderr, out.params["b"].stderr
    if entry == "Model":
        out = gslfit.Model(text).fit(y, params, x=X, **options)
    else:
        out = gslfit.fit(text, y, params, x=X, **options) if entry == "fit" else gslfit.fit_batch(text, y[None], params, x=X, **options)[0]
    assert out.success
    return out.params["c"].stderr, out.params["b"].stderr


@pytest.mark.parametrize("unit", [1., 1e-9, 1e9])
@pytest.mark.parametrize("lower", [0, -np.inf])
@pytest.mark.parametrize("start", [0., 1e-8, 1e-3, 1.])
@pytest.mark.parametrize("entry", ENTRIES)
def test_whose_size_is_not_known(entry, start, lower, unit):
    """It begins at 0, or next to it, in any unit: how far it has to go to be seen is its size. c had twice its error, by `minimize`."""
    params = Parameters()
    params.add("c", unit)
    params.add("b", start*unit**.5, min=lower)
    c, b = others_error(entry, "c + b**2*x", FALLING*unit, params)
    assert b is None
    assert c/unit == pytest.approx(np.std(FALLING)/np.sqrt(38), rel=1e-5)


@pytest.mark.parametrize("f_scale", [1., 10., 100.])
@pytest.mark.parametrize("loss", ["soft_l1", "huber", "cauchy", "arctan", "tukey"])
@pytest.mark.parametrize("entry", ENTRIES)
def test_losses(entry, loss, f_scale):
    """Of all kinds: from the end by least squares, next to 0, the last steps of some didn't know its size; it had an error of 1e9 and the
    others theirs beside it.
    """
    y = 2*np.exp(-X**2) + .05*np.random.default_rng(3).normal(size=X.size)
    params, alone = Parameters(), Parameters()
    params.add_many(("c", 1.), ("b", 1.))
    alone.add_many(("c", 1.), ("b", 0., False))
    text, options = "c*exp(-x**2/(2*(1 + b**2)))", {"loss": loss, "f_scale": f_scale}
    c, b = others_error(entry, text, y, params, **options)
    assert b is None
    assert c == pytest.approx(others_error(entry, text, y, alone, **options)[0], rel=.05)     # n - p is in it


@pytest.mark.parametrize("start", [1e-9, 1e-30])
@pytest.mark.parametrize("entry", ENTRIES)
def test_next_to_0_and_not_even(entry, start):
    """A line's offset that begins next to 0, and a centre, have their errors: along them the residual changes as their columns say."""
    params = Parameters()
    params.add_many(("c", start), ("b", start))
    y = X - 2.5 + NOISE
    assert None not in others_error(entry, "c + b + x - 2.5 + b*x", y, params)
    y = np.exp(-(X - 2.5)**2/2) + .1*NOISE
    params = Parameters()
    params.add_many(("c", .8), ("b", start))
    assert None not in others_error(entry, "c*exp(-(x - 2.5 - b)**2/2)", y, params)


@pytest.mark.parametrize("lower", [0, -np.inf])
@pytest.mark.parametrize("start", [0., .5])
@pytest.mark.parametrize("seed", range(4))
def test_fourth_powers_without_derivatives(seed, start, lower):
    """Next to 0 a step that the residual shows is a long one, over which the column is that of the bend: it gave an error of 1e-12, or of
    1e5, and the others theirs beside it; or the minimum was a failure.
    """
    y = 2 - .3*X + .05*np.random.default_rng(seed).normal(size=40)
    params = Parameters()
    params.add("c", 1.)
    params.add("b", start, min=lower)
    out = gslfit.minimize(lambda p: p["c"].value + p["b"].value**4*X - y, params)
    assert out.success and params["b"].stderr is None
    assert params["c"].stderr == pytest.approx(np.std(y)/np.sqrt(38), rel=1e-5)
SMALL = {"c+b**2*x": (2 - .3*X + NOISE, (1e-3, 1e-6, 1e-9)), "c+b**4*x": (2 - .3*X + NOISE, (.1, .01)),
         "c*exp(-b**2*x)": (2 + .3*X + NOISE, (1e-9,))}


@pytest.mark.parametrize("unit", [1., 1e-9, 1e9])
@pytest.mark.parametrize("text", SMALL)
def test_small_starts(text, unit):
    """What enters squared and began next to nothing was called lost where a thousandth of it changes nothing."""
    f, (y, starts) = gslfit.Formula(text), SMALL[text]
    least = float(np.sum((y - y.mean())**2))
    for start in starts:
        params = Parameters()
        params.add("c", 1.*unit)
        params.add("b", start*(1. if "exp" in text else unit**.5 if "2" in text else unit**.25))
        out = gslfit.minimize(lambda p: f(x=X, **p.valuesdict()) - y*unit, params)
        assert out.success, (start, out.message)
        assert out.chisqr == pytest.approx(least*unit**2, rel=1e-9)


@pytest.mark.parametrize("start", [1e-6, 1e-9])
@pytest.mark.parametrize("text", SMALL)
def test_small_starts_beside_their_bound(text, start):
    """A success at the bound, by entries that know derivatives."""
    y = SMALL[text][0]
    params = Parameters()
    params.add("c", 1.)
    params.add("b", start, min=0)
    one, many = gslfit.fit(text, y, params, x=X), gslfit.fit_batch(text, np.array([y, y]), params, x=X)
    for success, chisqr in ((one.success, one.chisqr), *zip(many.success, many.chisqr, strict=True)):
        assert success and chisqr == pytest.approx(float(np.sum((y - y.mean())**2)), rel=1e-9)
