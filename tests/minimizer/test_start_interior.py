"""A start on a bound, or next to it, reaches the minimum, whatever the scale of the data."""
import warnings

import numpy as np
import pytest

import gslfit
from gslfit.minimizer.kinks import shortest
from gslfit.minimizer.start_interior import strictly_interior

X = np.linspace(0, 5, 60)


@pytest.mark.parametrize("scale", [1, 1e-12, 1e12, 1e-200, 1e200])
@pytest.mark.parametrize(("low", "high", "start"), [
    (0, None, 0), (0, None, 1e-15), (0, None, 1e-300), (0, 5, 0), (0, 5, 1e-15), (0, 5, 5), (0, 5, 5 - 1e-14), (1, None, 1), (1, None,
    1 + 1e-7),
    (None, 5, 5), (-1e-3, 5, -1e-3)])
def test_reaches_the_minimum(low, high, start, scale):
    """lmfit stays where it starts in most of these."""
    y = scale*(2*np.exp(-X/1.3) + .5 + .01*np.random.default_rng(0).normal(size=X.size))
    free, bounded = gslfit.Parameters(), gslfit.Parameters()
    free.add_many(("A", 1.5*scale), ("t", 1.), ("c", 0.))
    bounded.add("A", start*scale, True, None if low is None else low*scale, None if high is None else high*scale)
    bounded.add_many(("t", 1.), ("c", 0.))
    for p in (free, bounded):
        out = gslfit.minimize(lambda p: p["A"]*np.exp(-X/p["t"]) + p["c"] - y, p)
        assert out.success
    assert bounded["A"].init_value == start*scale
    for name in free:
        assert bounded[name].value == pytest.approx(free[name].value, rel=1e-6)
        assert bounded[name].stderr == pytest.approx(free[name].stderr, rel=1e-4)


def test_only_what_lies_next_to_a_bound_is_looked_at():
    """No evaluation is spent on starts well inside, or tiny by right."""
    calls = []

    def fun(x):
        calls.append(x.copy())
        return np.array([1e12*x[0] - 2, x[1] - 3, 1.])
    x = np.array([1e-12, 1.])
    inf = np.full(2, np.inf)
    assert not strictly_interior(fun, np.array([.5, 1.]), x, np.zeros(2), inf)
    assert not calls
    assert not strictly_interior(fun, x, x, np.zeros(2), inf)
    assert len(calls) <= 6
    found = strictly_interior(fun, np.array([0., 1.]), np.array([.01, 1.]), np.zeros(2), inf)
    assert found.keys() == {0}
    assert 1e-14 < found[0] < 1e-12


def test_where_it_cannot_be_told():
    """A parameter without effect, or a model that is not finite on the bound, stays where the guess put it."""
    given, start, low, high = np.zeros(1), np.array([.01]), np.zeros(1), np.array([np.inf])
    assert not strictly_interior(lambda x: np.ones(3), given, start, low, high)
    with np.errstate(divide="ignore"):
        assert not strictly_interior(lambda x: np.log(x)*np.ones(3), given, start, low, high)
    assert not strictly_interior(lambda x: np.where(x > 0, np.nan, 1.)*np.ones(3), given, start, low, high)


@pytest.mark.parametrize("scale", [1, 1e-12, 1e12])
@pytest.mark.parametrize(("low", "high"), [(-1e4, 1e4), (-1e8, 1e8), (-1e20, 1e20), (-1e300, 1e300), (0, 1e8), (0, 1e20), (0, 1e300), (None,
    1e20), (-1e20, None)])
@pytest.mark.parametrize("start", [1.5, 0])
def test_bounds_far_away(low, high, start, scale):
    """Bounds that no value comes near change neither the result nor what it costs."""
    y = scale*(2*np.exp(-X/1.3) + .5 + .01*np.random.default_rng(0).normal(size=X.size))
    free, bounded = gslfit.Parameters(), gslfit.Parameters()
    low, high = (bound and bound*max(scale, 1) for bound in (low, high))
    free.add_many(("A", start*scale), ("t", 1.), ("c", 0.))
    bounded.add("A", start*scale, True, low, high)
    bounded.add("t", 1., True, low and low/max(scale, 1), high and high/max(scale, 1))
    bounded.add("c", 0., True, low or -high, high)
    calls = []
    for p in (free, bounded):
        out = gslfit.minimize(lambda p: p["A"]*np.exp(-X/p["t"]) + p["c"] - y, p)
        assert out.success
        assert out.errorbars
        calls.append(out.nfev)
    assert calls[1] <= 2*calls[0]
    for name in free:
        assert bounded[name].value == pytest.approx(free[name].value, rel=1e-6)
        assert bounded[name].stderr == pytest.approx(free[name].stderr, rel=1e-4)


@pytest.mark.parametrize("tiny", [1e-6, 1e-12, 1e-20, 1e-100, 1e-300])
def test_a_start_next_to_zero(tiny):
    """An offset that starts at nearly nothing is found as from 0: its own size says nothing of its scale."""
    y = 2*np.exp(-X/1.3) + .5 + .01*np.random.default_rng(0).normal(size=X.size)
    found = []
    for start in (0., tiny):
        p = gslfit.Parameters()
        p.add_many(("A", 1.5), ("t", 1.), ("c", start))
        out = gslfit.minimize(lambda p: p["A"]*np.exp(-X/p["t"]) + p["c"] - y, p)
        assert out.success
        assert out.errorbars
        found.append([p["c"].value, p["c"].stderr, out.nfev])
    assert found[1][:2] == pytest.approx(found[0][:2], rel=1e-6)
    assert found[1][2] <= 2*found[0][2]


@pytest.mark.parametrize("start", [0, 1e-15, 1.5])
def test_every_evaluation_counts(start):
    """nfev is the number of calls, those that looked for a start inside the bound included."""
    calls = []
    y = 2*np.exp(-X/1.3) + .5 + .01*np.random.default_rng(0).normal(size=X.size)

    def residual(p):
        calls.append(p["A"].value)
        return p["A"]*np.exp(-X/p["t"]) + p["c"] - y
    params = gslfit.Parameters()
    params.add("A", start, min=0)
    params.add_many(("t", 1.), ("c", 0.))
    assert gslfit.minimize(residual, params).nfev == len(calls)


@pytest.mark.parametrize("start", [0., 1e-15])
def test_a_start_at_an_upper_bound_is_one_at_a_lower_one(start):
    """Data, bounds and starts of the other sign take the same fit: the start is looked at by the residual on either side."""
    y = 2*np.exp(-X/1.3) + .5 + .01*np.random.default_rng(0).normal(size=X.size)
    found = []
    for sign in (1, -1):
        params = gslfit.Parameters()
        params.add("A", sign*start, min=0 if sign > 0 else None, max=0 if sign < 0 else None)
        params.add_many(("t", 1.), ("c", 0.))
        out = gslfit.minimize(lambda p, sign=sign: p["A"]*np.exp(-X/p["t"]) + p["c"] - sign*y, params)
        assert out.success
        found.append((sign*out.params["A"].value, out.nfev))
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-9)
    assert found[0][1] == pytest.approx(found[1][1], abs=3)


@pytest.mark.parametrize("sign", [1, -1])
def test_bounds_that_the_start_did_not_see(sign):
    """A start of 1e-12 has bounds of 5 far out of sight; a fit that comes to one of them all the same stays within, and ends on it."""
    params, seen = gslfit.Parameters(), []
    params.add("A", 1e-12, min=-5, max=5)

    def residual(p):
        seen.append(p["A"].value)
        return (p["A"].value - 10*sign)*X
    out = gslfit.minimize(residual, params)
    assert max(map(abs, seen)) <= 5
    assert out.success and out.params["A"].value == pytest.approx(5*sign, rel=1e-12)


@pytest.mark.parametrize("unit", [1., 1e-150, 1e150])
@pytest.mark.parametrize("height", [1., 1e-2, 1e-4])
def test_a_step_inside_that_leads_to_a_plain(unit, height):
    """A peak whose place begins on a bound changes a residual of 50 by so much at most, however far it goes: it stays where it is seen."""
    def fun(x):
        return unit*(height*np.exp(-(X - x[0])**2/.5) + 50*np.cos(X))
    found = strictly_interior(fun, np.array([2.]), np.array([2. - 2e-4]), np.array([-np.inf]), np.array([2.]))
    assert abs(found.get(0, 2.) - 2) < 1


@pytest.mark.parametrize("scale", [1e-6, 1e-7, 1e-9])
def test_a_plain_beyond_the_first_step_inside(scale):
    """A midpoint that begins next to its bound 0 is not moved over all the data, where the curve is as flat as on the bound."""
    x = scale*np.linspace(0.1, 12, 9)

    def fun(q):
        return 1.3 + 1.2/(1 + (x/q[0])**12.5) - np.array([14., 0, 6, 12, -12, -1, -2, 4, -1])
    start = 0.02*scale
    found = strictly_interior(fun, [start], np.array([start]), np.zeros(1), np.full(1, np.inf))
    assert found.get(0, start) < 12*scale


@pytest.mark.parametrize("unit", [1., 1e-12, 1e12])
def test_a_step_inside_that_silences_others(unit):
    """A faint peak that begins at its greatest width is not made as narrow as nothing: its height and place would have no effect."""
    x = np.linspace(-10, 10, 181)

    def fun(q):
        with np.errstate(divide="ignore", over="ignore"):
            return unit*(0.05*q[0]*np.exp(-((x - q[1])/q[2])**2/2) + 3*np.exp(-(x + 3.7)**2/20) - 50*np.cos(x))
    given, start = [1., -4., 0.07], np.array([1., -4., 0.07 - 7e-4])
    low, high, seen = np.array([0.9999, -4.001, -np.inf]), np.array([1.0001, -3.999, 0.07]), []
    found = strictly_interior(lambda q: (seen.append(q.copy()), fun(q))[1], given, start, low, high)
    assert found.get(2, start[2]) > 0.01
    assert len(seen) > 6 and np.all((low <= seen) & (seen <= high))


@pytest.mark.parametrize("scale", [1., 1e-150, 1e150])
@pytest.mark.parametrize("width", [.7, .05])
def test_a_bound_on_which_there_is_no_value(width, scale):
    """A step whose width begins at 0, where it divides by it, is fitted in some dozens of evaluations; a guess of 0.01 shows no width."""
    x = np.linspace(0, 5, 30)
    y = scale*(1.2/(1 + np.exp(-(x - 2.8)/width)) + 1e-3*np.cos(9*x))

    def residual(p):
        with np.errstate(all="ignore"):
            return p["a"]/(1 + np.exp(-(x - p["c"])/p["s"])) - y
    params = gslfit.Parameters()
    params.add_many(("a", scale), ("c", 4.2, True, None, 4.3), ("s", 0., True, 0.))
    out = gslfit.minimize(residual, params)
    assert out.success and out.nfev < 200
    assert (out.params["c"].value, out.params["s"].value) == (pytest.approx(2.8, rel=.01), pytest.approx(width, rel=.05))


@pytest.mark.parametrize("rate", [1., 1e-6, 1e-10, 1e-14])
def test_a_plain_long_behind_the_first_step_inside(rate):
    """A rate that begins on its bound 0 is moved to where the decay is seen, however slow."""
    x = np.linspace(0, 3, 15)/rate

    def fun(q):
        return .5 + .02*np.exp(-q[0]*x) - np.exp(-x*rate*2)
    assert rate*1e-4 < strictly_interior(fun, [0.], np.array([.01]), np.zeros(1), np.full(1, np.inf)).get(0, .01) < rate


GROWTHS = {"expm1": lambda x, A, k: A*np.expm1(k*x), "exp": lambda x, A, k: A*np.exp(k*x), "cosh": lambda x, A, k: A*np.cosh(k*x)}


@pytest.mark.parametrize("policy", ["raise", "omit"])
@pytest.mark.parametrize("A", [1., 0.])
@pytest.mark.parametrize("growth", GROWTHS)
def test_a_guess_inside_at_which_the_model_overflows(growth, A, policy):
    """A rate of 0.01 over x of 1e5 was called a start that isn't finite, which nobody gave; over 1e4, where it is, the fit ended elsewhere.
    With nan_policy="omit" all points but a few were left out.
    """
    model, x = GROWTHS[growth], np.linspace(0, 5, 30)
    y = model(x, 1., .5) + .05*np.random.default_rng(0).normal(size=30)
    for unit in (1., 1e2, 1e3, 3e3, 1e4, 3e4, 1e5, 1e6, 1e9, 1e20, 1e-9):
        params = gslfit.Parameters()
        params.add("A", 1. if growth == "expm1" else A, min=0)
        params.add("k", 0., min=0)
        with np.errstate(over="ignore", invalid="ignore"):
            out = gslfit.minimize(lambda p, u=unit: model(x*u, p["A"].value, p["k"].value) - y, params, nan_policy=policy)
        assert out.success and out.ndata == 30, (unit, out.message)
        best = gslfit.fit_batch(f"A*{growth}(k*x)", y[None], x=x, A=1., k=.4)
        assert params["A"].value == pytest.approx(best.values["A"][0], rel=1e-6)
        assert params["k"].value*unit == pytest.approx(best.values["k"][0], rel=1e-6)


def test_data_that_are_not_finite_are_still_named():
    """Where the residual isn't finite nearer to the bound either, the error is that of the start."""
    y = np.array([1., np.nan, 2., 3.])
    params = gslfit.Parameters()
    params.add("k", 0., min=0)
    with pytest.raises(gslfit.errors.NonFiniteError, match=r"y\[1\] is nan"):
        gslfit.minimize(lambda p: p["k"].value*np.arange(4) - y, params)
    out = gslfit.minimize(lambda p: p["k"].value*np.arange(4) - y, params, nan_policy="omit")
    assert out.success and out.ndata == 3


U = np.linspace(0, 10, 80)
PEAK = np.exp(-(U - 4)**2/2/.6**2) + .1 + .02*np.random.default_rng(9).normal(size=(3, 80))[0]


def peak(x, A, m, s, c):
    """Return a Gaussian on a constant."""
    return A*np.exp(-(x - m)**2/2/s**2) + c


def fitted_peak(how, x, params):
    """Return success and chi-square of the peak's fit by an entry."""
    text = "A*exp(-(x-m)**2/2/s**2)+c"
    if how == "minimize":
        out = gslfit.minimize(lambda p: peak(x, *p.valuesdict().values()) - PEAK, params)
        return out.success, out.chisqr
    if how == "fit":
        out = gslfit.fit(text, PEAK, params, x=x)
        return out.success, out.chisqr
    if how == "fit_batch":
        out = gslfit.fit_batch(text, PEAK[None], params, x=x)
        return out.success[0], out.chisqr[0]
    out = gslfit.fit_shared(text, np.array([PEAK, PEAK]), params, x=x, shared="m")
    return out.success, out.chisqr/2


@pytest.mark.parametrize("how", ["minimize", "fit", "fit_batch", "fit_shared"])
@pytest.mark.parametrize(("low", "high", "start"), [(-np.inf, 5, 3.5), (-np.inf, 5, 5), (0, np.inf, 3.5), (3, np.inf, 3), (-100, 100, 3.5)])
def test_centres_at_time_stamps(how, low, high, start):
    """A start beside a bound is the caller's: 1.7 is a billionth of a time stamp. One on a bound is moved by what matters to the data."""
    for base, unit in ((0., 1.), (1e6, .01), (1e9, 1.), (1e9, .01), (1.7e9, 1.), (-1.7e9, .01), (1e11, 1.), (1e-3, 1e-11)):
        params = gslfit.Parameters()
        params.add("A", 1.)
        params.add("m", base + start*unit, min=base + low*unit, max=base + high*unit)
        params.add("s", .8*unit, min=0)
        params.add("c", 0.)
        success, chisqr = fitted_peak(how, base + U*unit, params)
        assert success and chisqr < .03, (base, unit)


@pytest.mark.parametrize("kind", ["exp", "power"])
def test_a_centre_and_a_width_on_bounds(kind):
    """Where the centre's guess is nine hundred widths off, the width changes nothing, or next to nothing: it was looked at there."""
    def model(x, A, m, s, c):
        return peak(x, A, m, s, c) if kind == "exp" else A/(1 + ((x - m)/s)**2) + c
    y = model(U, 1., 4., .6, .1) + .02*np.random.default_rng(0).normal(size=80)
    for base, unit in ((1e9, 1.), (1.7e9, .01), (1e-3, 1e-9)):
        params = gslfit.Parameters()
        params.add("A", 1.2)
        params.add("m", base + 3.2*unit, min=base + 3.2*unit)
        params.add("s", .18*unit, min=.18*unit)
        params.add("c", .12)
        out = gslfit.minimize(lambda p, x=base + U*unit: model(x, *p.valuesdict().values()) - y, params)
        assert out.success and out.chisqr < .04, (base, unit)


def test_no_warnings_of_our_own():
    """A parameter without effect beside a kink was divided by."""
    params = gslfit.Parameters()
    params.add("A", 1.)
    params.add("m", 3.5e-2, max=5e-2)
    params.add("s", 8e-3, min=0)
    params.add("c", 0.)
    with warnings.catch_warnings(), np.errstate(all="warn"):
        warnings.simplefilter("error")
        assert shortest(np.ones((2, 3)), np.array([0., 1.])) == pytest.approx(np.ones(3))
        gslfit.minimize(lambda p: np.abs(p["A"] + 0*p["m"])*np.exp(-U) + p["c"] - PEAK, params)


HIDING = {"A*tanh(k*x)": lambda x, A, k: A*np.tanh(k*x), "A*k*x/(1+k*x)": lambda x, A, k: A*k*x/(1 + k*x),
          "A*k*x*exp(-k*x)": lambda x, A, k: A*k*x*np.exp(-k*x), "A*(1-exp(-k*x))": lambda x, A, k: -A*np.expm1(-k*x),
          "A*log(1+k*x)": lambda x, A, k: A*np.log1p(k*x)}


@pytest.mark.parametrize("how", ["minimize", "fit", "fit_batch"])
@pytest.mark.parametrize("text", HIDING)
def test_starts_of_zero_that_hide_each_other(text, how):
    """A = 0 and k = 0 on their bounds tell nothing of each other: for small k the model is a line, for large k a step, and both passed for
    minima.
    """
    model, x = HIDING[text], np.linspace(.05, 5, 50)
    y = model(x, 2., .5) + .02*np.random.default_rng(6).normal(size=50)
    best = gslfit.fit(text, y, x=x, start={"A": 2., "k": .5}).chisqr
    for long, unit in ((1., 1.), (1e-3, 1.), (1e-6, 1e6), (1e-9, 1.), (1e-9, 1e-6), (1e-12, 1e6), (1e3, 1.), (1e6, 1e6), (1e9, 1.)):
        params = gslfit.Parameters()
        params.add("A", 0., min=0)
        params.add("k", 0., min=0)
        if how == "minimize":
            with np.errstate(over="ignore", invalid="ignore"):
                out = gslfit.minimize(lambda p, x=x*long, y=y*unit: model(x, p["A"].value, p["k"].value) - y, params)
        elif how == "fit":
            out = gslfit.fit(text, y*unit, params, x=x*long)
        else:
            out = gslfit.fit_batch(text, (y*unit)[None], params, x=x*long)
        assert np.all(out.success), (long, unit)
        assert float(np.squeeze(out.chisqr)) == pytest.approx(best*unit**2, rel=1e-6), (long, unit)
