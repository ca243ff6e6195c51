"""Guesses whose best shape is a limit: fits from there are at a minimum that leaves a parameter open, as low as any, and say so."""
import numpy as np
import pytest
from guess_accuracy import CASES, Case, draw, reached
from scipy.optimize import least_squares
from scipy.special import erf

from gslfit import FitStatus, models
from gslfit.curves.batch_result import BatchInputs
from gslfit.curves.multistart import lowest
from gslfit.formula.formula import Formula
from gslfit.models.guess.curves import Curves
from gslfit.models.guess.sharp_edges import ERROR_FUNCTION, LOGISTIC, Edge, SharpEdges, jump

X = np.linspace(0, 20, 41)


def noise(seed, size=.05):
    return np.random.default_rng(seed).normal(0, size, X.size)


@pytest.mark.parametrize("seed", range(4))
def test_spike_of_the_first_point(seed):
    """A first point that is too high is a decay which no other point sees: the rest is fitted as without it."""
    y = 3*np.exp(-X/5) + .2 + noise(seed)
    y[0] += 2
    wanted = models.GslExpModel().fit(y[1:], x=X[1:])
    model = models.BiexponentialModel()
    batch = model.fit_batch(y[None], x=X)
    assert batch.success.all()
    assert batch.chisqr[0] <= wanted.chisqr*(1 + 1e-6)
    if batch.status[0] == FitStatus.RANK_DEFICIENT:
        assert np.isnan(batch.stderr["tau1"][0]) and batch.stderr["tau2"][0] > 0
    result = model.fit(y, x=X)
    assert result.success
    assert result.chisqr == pytest.approx(batch.chisqr[0], rel=1e-6)


def test_pulse_and_step_with_a_response():
    """A pulse beside a decay for ever: the Gaussian and the error function that they are at the limit, by a fit of their own."""
    rng = np.random.default_rng(3)
    u = (X - 6)/.8
    y = 2*np.exp(-.5*u*u) + .5*(1 + erf(u/np.sqrt(2))) + .1 + rng.normal(0, .05, X.size)

    def left(p):
        u = (X - p[2])/p[3]
        return p[0]*np.exp(-.5*u*u) + p[1]*(1 + erf(u/np.sqrt(2))) + p[4] - y

    wanted = least_squares(left, [2, .5, 6, .8, .1], xtol=1e-12, ftol=1e-12)
    batch = models.BiexponentialResponseModel().fit_batch(y[None], x=X)
    assert batch.success[0]
    assert batch.chisqr[0] <= 2*wanted.cost*(1 + 1e-6)


@pytest.mark.parametrize(("form", "place"), [("erf", 7.2), ("erf", 7.5), ("logistic", 7.2), ("logistic", 7.45)])
def test_sharp_edges(form, place):
    """A rectangle whose first edge lies between two points, or at one: as low as the best jump, and at a minimum."""
    model = models.RectangleModel(form=form)
    clean = np.where(place - .05 > X, 0, 4.)*(X < 15)
    if place == 7.5:
        clean[X == 7.5] = 1.7
    y = clean + noise(8)
    batch = model.fit_batch(np.array([y, y]), x=X)
    assert batch.success.all()
    inside = (place + .1 < X) & (X < 14.9)
    height = y[inside].mean()
    outside = (place - .1 > X) | (X > 15.1)
    jumps = np.sum((y[inside] - height)**2) + np.sum(y[outside]**2)
    assert batch.chisqr[0] <= jumps + np.sum(y[~inside & ~outside]**2)*1e-3 + 4*.05**2
    assert model.fit(y, x=X).success


@pytest.mark.parametrize("shape", [ERROR_FUNCTION, LOGISTIC])
def test_shapes_and_their_inverses(shape):
    share = np.linspace(.02, .98, 49)
    np.testing.assert_allclose(shape.rise(shape.inverse(share)), share, rtol=1e-12)


def test_sharp_start_says_what_the_point_says():
    """The start's value at the point of the jump is the datum, to either side it is flat; wide edges get none."""
    y = np.array([[0, 0, 0, .3, 1, 1, 1, 1.], [0, .1, .3, .5, .7, .9, 1, 1]])*2
    x = np.arange(8.)
    found = [{"amplitude": np.array([2., 2.]), "center": np.array([3.4, 3.]), "sigma": np.array([.8, 2.5])}]
    wide, sharp, beside = SharpEdges(ERROR_FUNCTION, (Edge("center", "sigma"),))(found, Curves(x, y))
    assert sharp["sigma"][1] == wide["sigma"][1] and sharp["center"][1] == wide["center"][1]
    made = models.StepModel(form="erf").eval(x=x, amplitude=2, center=sharp["center"][0], sigma=sharp["sigma"][0])
    np.testing.assert_allclose(made, y[0], atol=1e-9)
    assert beside["center"][0] == sharp["center"][0]        # a share of .3 is no side's
    assert len(SharpEdges(ERROR_FUNCTION, (Edge("center", "sigma"),))([{name: each[1:] for name, each in found[0].items()}],
                                                                      Curves(x, y[1:]))) == 1


def test_jump_by_brute_force():
    values = np.random.default_rng(2).normal(.5, .6, (50, 9))
    best, left = jump(values)
    for row, k, found in zip(values, best, left, strict=True):
        costs = [np.sum(row[:j]**2) + np.sum((1 - row[j + 1:])**2) + (row[j] - np.clip(row[j], 0, 1))**2 for j in range(9)]
        assert found == pytest.approx(min(costs))
        assert costs[k] == pytest.approx(min(costs))


def test_moffat_without_tails():
    """A Gaussian is a Moffat peak whose exponent has no end: as low as the Gaussian, and the guess itself has tails.

    Where noise looks like tails there is a minimum, which is a success. Else chi-square falls with the exponent for ever, and what an end
    at 1e8 is called is open: a minimum at infinity is none.
    """
    y = 3*np.exp(-.5*((X - 9)/2)**2) + np.array([noise(seed) for seed in range(30)])
    gaussian = models.GaussianModel().fit_batch(y, x=X)
    model = models.MoffatModel()
    batch = model.fit_batch(y, x=X)
    tails = batch.values["beta"] < 1e3
    assert tails.sum() >= 9 and batch.success[tails].all()
    assert np.all(batch.chisqr[tails] < gaussian.chisqr[tails]) and np.all(batch.chisqr <= gaussian.chisqr*(1 + 1e-6))
    assert np.all(model.guess(y, x=X)["beta"] <= 3)


def test_lowest_prefers_limits_of_equals():
    """Of starts that end as low, whole fits take the last that is a success; rows with the same start are fitted once."""
    seen = []

    class Result:
        def __init__(self, cost, success):
            self.cost, self.shape, self.status, self.data = cost, cost.shape, np.ones(cost.shape, int), BatchInputs(Formula("a + 0*x"))
            self.success = success

    def fit(start, idle=None, failed=(), **options):
        seen.append((float(start["a"][0]), None if idle is None else idle.tolist()))
        return Result(np.where(start["a"] > 5, 2., 1.), ~np.isin(start["a"], failed))

    starts = [{"a": np.array([1., 1., 9.])}, {"a": np.array([2., 1., 9.])}]
    found = lowest(starts, fit, whole=True)
    assert found["a"].tolist() == [2., 1., 9.]
    assert seen == [(2., [False, True, True]), (1., None)]
    assert lowest(starts, lambda start, **options: fit(start))["a"].tolist() == [1., 1., 9.]
    for failed, a in (((2.,), 1.), ((1., 2.), 2.), ((1.,), 2.)):
        assert lowest(starts, lambda start, failed=failed, **options: fit(start, failed=failed), whole=True)["a"].tolist() == [a, 1., 9.]
    lower = [{"a": np.array([1.])}, {"a": np.array([6.])}]
    assert lowest(lower, lambda start, **options: fit(start, failed=(1.,)), whole=True)["a"].tolist() == [1.]


def test_a_peak_is_not_left_at_a_limit_that_leads_as_low():
    """From the limit of a Gaussian the evaluations ended beside the minimum, 4e-11 above it, and that start was taken of two."""
    case = next(case for case in CASES if case.cls == "MoffatModel")
    model, x, _, y = draw(case, 300, 11)
    found = model.fit_batch(y[[60, 61]], x=x)
    assert found.success.all() and found.nfev[0] < 100 and np.isfinite(found.stderr["beta"]).all()


def test_limits_are_limits_in_any_unit_and_anywhere():
    """Nanoseconds end as seconds do, and decays whose points begin late are no spikes."""
    x = np.linspace(0, 100, 100)
    rng = np.random.default_rng(7)
    y = 3*np.exp(-x/4) + 2*np.exp(-x/40) + .05*rng.normal(size=(20, 100))
    model = models.BiexponentialModel()
    wanted = model.fit_batch(y, x=x)
    late = model.fit_batch(y, x=x + 1000)
    assert np.all(late.chisqr <= wanted.chisqr*(1 + 1e-5))
    response = models.BiexponentialResponseModel()
    y = response.eval(x=x, amplitude1=3, tau1=3, amplitude2=2, tau2=30, t0=20, irf=2, offset=.05) + .2*rng.normal(size=(100, 100))
    wanted, small = response.fit_batch(y, x=x), response.fit_batch(y, x=x*1e-9)
    assert np.mean(small.success == wanted.success) > .97
    assert np.mean(small.chisqr <= wanted.chisqr*(1 + 1e-6)) > .97


@pytest.mark.parametrize("seed", range(3))
def test_doses_with_a_sharp_edge(seed):
    """A response that jumps between two doses: the logistic of four parameters is at a minimum as low as the two means."""
    dose = np.geomspace(.1, 100, 12)
    y = np.where(dose < 3, 1., 5.) + np.random.default_rng(seed).normal(0, .2, (6, 12))
    means = sum(np.sum((part - part.mean(axis=1, keepdims=True))**2, axis=1) for part in (y[:, dose < 3], y[:, dose >= 3]))
    batch = models.FourParameterLogisticModel().fit_batch(y, x=dose)
    assert np.all(batch.chisqr <= means*(1 + 1e-6))
    assert np.mean(batch.success) > .8


@pytest.mark.parametrize("count", [12, 90])
def test_corner_of_the_five_parameter_logistic(count):
    """A curve that is constant up to a corner and a power from there, its asymmetry's other limit: found to the minimum of that curve."""
    rng = np.random.default_rng(count)
    x = np.concatenate([[0.0], np.geomspace(.5, 100, count)])
    power, corner = 1.3, float(np.sqrt(x[5]*x[6]))
    y = 1 + 4*np.maximum(x/corner, 1)**-power + rng.normal(0, .02, x.size)

    def left(p):
        return p[0] + p[1]*np.maximum(x/p[2], 1)**-p[3] - y

    wanted = least_squares(left, [1, 4, corner, power], xtol=1e-14, ftol=1e-14, gtol=1e-14)
    model = models.FiveParameterLogisticModel()
    for found in (model.fit_batch(y[None], x=x), model.fit(y, x=x)):
        assert np.all(found.success)
        assert np.all(found.chisqr <= 2*wanted.cost*(1 + 1e-6))


def test_half_of_the_five_parameter_logistic_at_a_dose():
    """A start whose half lies on a dose, as `c=1` often does: the derivative by it is that beside it."""
    model = models.FiveParameterLogisticModel()
    x = np.array([0, .01, .03, .1, .3, 1, 3, 10, 30, 100.])
    start = {"a": 2., "d": .1, "c": 1., "b": 2., "g": .3}
    at, above, below = (model.formula.jacobian(x, **{**start, "c": c}) for c in (1., 1 + 1e-9, 1 - 1e-9))
    np.testing.assert_allclose(at, .5*(above + below), rtol=1e-7, atol=1e-12)
    y = model.eval(x=x, **start) + .03*np.random.default_rng(2).standard_normal(x.size)
    assert model.fit(y, x=x, **start).success


@pytest.mark.parametrize("form", ["erf", "logistic"])
def test_sharp_edges_on_a_slope(form):
    """Noisy steps on a line, their edges between the points or over some of them: as low as from the true values, and successes."""
    step = {"a_amplitude": (10., 30.), "a_center": (30., 70., "u"), "a_sigma": (.5, 8.)}
    ranges = step | {"slope": (-.05, .05, "u"), "intercept": (-5., 5., "u")}
    share, success, *_ = reached(Case("", ranges, parts=(("StepModel", form), ("LinearModel", None)), points=12), 60)
    assert share == 1
    assert success >= .9
