"""What the rows of a batch are said to have ended at, where an end is no plain minimum."""
import warnings

import numpy as np
import pytest
from guess_accuracy import CASES, draw

import gslfit
from gslfit.curves.batch_result import FitStatus

BY_CLASS = {case.cls: case for case in CASES}


def test_silent_on_its_own_bound():
    """Where a parameter has no effect on its bound, the row is fitted again from inside, and is at the bound if nothing lower is there.

    The oracle for "nothing lower" is the fit with the parameter fixed, at 30 values between its bound and beyond where rows end.
    """
    model, x, values, y = draw(BY_CLASS["DampedHarmonicOscillatorModel"], 400)
    found = model.fit_batch(y, x=x, start=values)
    gamma = np.asarray(found.values["gamma"])
    on_bound = gamma == 1e-19
    assert 10 < on_bound.sum() < 200
    assert set(found.status[on_bound].tolist()) == {int(FitStatus.AT_BOUND)}
    assert np.all(found.success)
    params = model.make_params()
    params["gamma"].vary = False
    lowest = np.full(400, np.inf)
    for fixed in np.geomspace(0.05, 100, 30):
        start = {name: found.values[name] for name in ("amplitude", "center", "sigma")} | {"gamma": np.full(400, fixed)}
        lowest = np.fmin(lowest, model.fit_batch(y, params=params, x=x, start=start).chisqr)
    assert np.mean(found.chisqr <= lowest*(1 + 1e-6)) > 0.97


def test_no_derivatives_on_the_bound():
    """A row does not end on a bound where the model has a value but no derivative: it had no chi-square, and lower points were lost."""
    model, x, values, y = draw(BY_CLASS["TriexponentialResponseModel"], 2500)
    rows = [505, 660, 1082, 1601]
    found = model.fit_batch(y[rows], x=x, start={name: value[rows] for name, value in values.items()})
    lanes = model.fit_batch(y[rows], x=x, start={name: value[rows] for name, value in values.items()}, method="lanes", max_nfev=200)
    assert np.all(found.chisqr <= lanes.chisqr*(1 + 1e-9))
    assert np.all(np.asarray(found.values["tau1"]) > 0)


@pytest.mark.parametrize("text", ["k*x + c", "0*log(k) + k*x + c"])
@pytest.mark.parametrize("high", [None, 10.0])
@pytest.mark.parametrize("traced", [True, False])
def test_bound_that_holds(text, high, traced):
    """The bound that holds is named, also where the model has no value on it and a fit ends next to it; the other is a constant's."""
    x = np.linspace(0.1, 5, 40)
    y = -0.2*x + 0.01*np.random.default_rng(0).standard_normal(40)
    params = gslfit.Parameters()
    params.add("k", 1.0, min=0, max=high)
    params.add("c", 0.0)
    formula = gslfit.Formula(text)

    def called(x, k, c):
        return np.array([float(value) for value in formula(x=x, k=float(k), c=float(c))])
    for sign, bound in ((1, "min = 0"), (-1, "max = 10")):
        if sign < 0 and high is None:
            continue
        data = y if sign > 0 else 30*x
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", gslfit.errors.FitWarning)
            found = gslfit.fit_batch(text if traced else called, np.stack([data, data]), params, x=x)
            one = gslfit.fit(text if traced else called, data, params, x=x)
        assert found.status.tolist() == [FitStatus.AT_BOUND]*2
        for result in (found[1], one):
            assert result.success
            assert result.message.endswith(f"k is at its bound ({bound}), where it has no standard error.")
        held = data - (0 if sign > 0 else 10)*x
        assert found[0].params["c"].value == pytest.approx(held.mean(), abs=1e-5)
        assert found[0].params["c"].stderr == pytest.approx(np.sqrt(((held - held.mean())**2).sum()/38/40), rel=1e-4)


PEAK = "A*exp(-(x - c)**2/(2*s**2)) + b"


@pytest.mark.parametrize("seed", range(6))
def test_peak_narrowed_onto_one_point(seed):
    """A single point stands out: a peak of any small width passes through it, and chi-square stays the same: no minimum, by any entry.

    The oracle is the width's profile: where the fit says that it is at a minimum, twice and half the width are worse.
    """
    x = np.arange(10.0)
    y = 1 + 0.1*np.random.default_rng(seed).standard_normal(10)
    y[5] += 5
    params = gslfit.Parameters()
    for name, value in {"A": 4.0, "c": 5.1, "s": 0.3, "b": 1.0}.items():
        params.add(name, value)
    row, alone = gslfit.fit_batch(PEAK, y[None], params, x=x), gslfit.fit(PEAK, y, params, x=x)
    assert bool(row.success[0]) == alone.success
    if not alone.success:
        return
    assert alone.errorbars
    for factor in (0.5, 2.0):
        held = alone.params.copy()
        held["s"].set(value=held["s"].value*factor, vary=False)
        assert gslfit.fit(PEAK, y, held, x=x).chisqr > alone.chisqr*(1 + 1e-6)


def test_undetermined_by_lanes_alone():
    """What J leaves open has no standard error by the lanes either; the rest has that of the other solvers."""
    x = np.arange(10.0)
    y = 2*x + np.random.default_rng(1).normal(0, 0.1, 10)
    params = gslfit.Parameters()
    for name, value in {"a": 1.0, "b": 2.0, "c": 0.3}.items():
        params.add(name, value)
    lanes, auto = (gslfit.fit_batch("(a + b)*x + c", y[None], params, x=x, method=method, covar=True) for method in ("lanes", "auto"))
    assert lanes.status[0] == auto.status[0] == FitStatus.RANK_DEFICIENT
    for name in "ab":
        assert np.isnan(lanes.stderr[name][0])
    assert lanes.stderr["c"][0] == pytest.approx(auto.stderr["c"][0], rel=1e-6)
    assert np.array_equal(np.isnan(lanes.covar), np.isnan(auto.covar))
    alone = gslfit.fit("(a + b)*x + c", y, params, x=x, method="lanes")
    assert alone.success
    assert [alone.params[name].stderr is None for name in "abc"] == [True, True, False]


def test_lmder_finds_a_way_where_lmsder_ends():
    """Amplitudes of the wrong sign, from which neither the lanes nor lmsder come to the minimum, and lmder does."""
    x = np.linspace(2, 9, 20)
    y = np.tile(2*(x - .5)**1.5 + .01*np.cos(37*x*x), (5, 1))
    start = dict(a=np.array([-2.5, -1.7, -1.1, -.24, -1.]), b=np.array([1.5, 1.5, .81, 1.3, .86]), c=np.array([1.5, 1.8, 1.2, 3.3, 3.4]))
    found = {method: gslfit.fit_batch("a*(x - b)**c", y, x=x, method=method, **start) for method in ("auto", "lmder")}
    for each in found.values():
        assert each.success.all()
        assert each.values["a"] == pytest.approx(2, rel=.01)
    assert found["auto"].chisqr == pytest.approx(found["lmder"].chisqr, rel=1e-9)


def test_a_run_that_ends_on_its_way_is_taken_up():
    """Two decays that are nearly one, between bounds far away: lmsder ends where chi-square still falls, and a second run begins there.

    Which starts these are hangs on rounding; so many are fitted. They end at the minimum or where both decays are one and the same, and
    hardly any on the way: 30 do without a second run."""
    x, count, rng = np.linspace(0, 5, 30), 400, np.random.default_rng(1)
    y = np.tile(2*np.exp(-x) + np.exp(-.2*x) + .01*np.cos(37*x*x), (count, 1))
    params = gslfit.Parameters()
    for name in "abcd":
        params.add(name, 1., min=-3e3, max=1e4)
    start = {name: rng.uniform(*limits, count) for name, limits in dict(a=(.5, 8), b=(.1, .5), c=(.5, 8), d=(.1, .5)).items()}
    found = gslfit.fit_batch("a*exp(-b*x) + c*exp(-d*x)", y, params, x=x, start=start, method="lmsder")
    assert np.maximum(found.values["a"], found.values["c"])[found.success] == pytest.approx(2, rel=.05)
    lowest = found.chisqr[found.success]
    assert lowest == pytest.approx(lowest[0], rel=1e-9)
    as_one = gslfit.fit_batch("a*exp(-b*x)", y[:1], x=x, start=dict(a=2., b=.5)).chisqr[0]
    on_the_way = count - np.isclose(found.chisqr, lowest[0], rtol=1e-6).sum() - np.isclose(found.chisqr, as_one, rtol=1e-3).sum()
    assert found.success.mean() > .8
    assert on_the_way < 10


@pytest.mark.parametrize("method", ["auto", "lanes"])
@pytest.mark.filterwarnings("ignore")
def test_no_success_where_the_model_has_no_value(method):
    """A bound at which the model has no value is looked at before a fit ends on it: the last step may lead there."""
    x, slopes = np.linspace(0, 5, 40), np.concatenate([-np.logspace(-14, -2, 100), np.logspace(-14, -2, 100)])
    y = 3 + slopes[:, None]*x + .01*np.cos(9*x*x)
    params = gslfit.Parameters()
    params.add("A", 2.)
    params.add("k", .5, min=0)
    found = gslfit.fit_batch("A*exp(-k*x) + 0*log(k)", y, params, x=x, method=method)
    assert found.success.sum() > 100
    assert np.isfinite(found.best_fit()).all()
    assert found.chisqr == pytest.approx(np.sum((found.best_fit() - y)**2, axis=1), rel=1e-9)


@pytest.mark.parametrize("method", ["lanes", "auto"])
def test_a_single_fit_names_its_bound(method):
    """Which bound holds is said, by whatever solver; so by the lanes of a long curve."""
    for n in (10, 60_000):
        x = np.linspace(0, 9, n)
        y = 2*x + np.random.default_rng(1).normal(0, 0.1, n)
        params = gslfit.Parameters()
        params.add("a", 1.0)
        params.add("c", 1.3, min=1)
        for k in range(8):
            params.add(f"d{k}", 0.0, vary=n > 10)
        text = "a*x + c" + "".join(f" + d{k}*cos({k + 1}*x)" for k in range(8))
        result = gslfit.fit(text, y, params, x=x, method=method)
        assert result.success
        assert "c is at its bound (min = 1)" in result.message
        assert result.params["c"].stderr is None


@pytest.mark.parametrize("method", ["auto", "lmsder", "lmder", "trust"])
@pytest.mark.parametrize("height", [1e-5, -1e-5])
def test_a_way_down_that_is_seen_nearby_alone(method, height):
    """Along a + b chi-square changes by a cube, which is too much at a tenth of a parameter's size, and too little next to where it is."""
    x = np.linspace(-1, 1, 21)
    shape = x**2 - np.mean(x**2)
    found = gslfit.fit_batch("(a - b)*x + (a + b)**3*z", (2*x + height*shape)[None], x={"x": x, "z": shape}, start={"a": 1., "b": -1.},
                             method=method)
    assert not found.success[0] or found.chisqr[0] < 0.5*height**2*np.sum(shape**2)
