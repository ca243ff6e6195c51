"""Errors beside bounds, errors of few points, and starts, by every entry: against SciPy and algebra."""
import numpy as np
import pytest
import scipy.optimize
from scipy.stats import chi2

import gslfit
from gslfit import Parameters, models

X = np.linspace(.2, 4, 30)
TEXT, START = "a*exp(-x/t) + c", {"a": 2., "t": 1., "c": .5}


def decay(x, a, t, c):
    return a*np.exp(-x/t) + c


Y = decay(X, 3, 1.5, 1) + .05*np.random.default_rng(11).standard_normal(30)


def parameters(**bounds):
    """Return the decay's parameters; bounds by name."""
    params = Parameters()
    for name, value in START.items():
        params.add(name, value, **bounds.get(name, {}))
    return params


def residual(params):
    return decay(X, *(float(par.value) for par in params.values())) - Y


def by_curve_fit():
    with pytest.warns(scipy.optimize.OptimizeWarning, match="c is at its bound"):
        _, covariance = gslfit.curve_fit(decay, X, Y, p0=(2, 1, .5), bounds=([0, 0, 0], [9, 9, .7]))
    errors = np.sqrt(np.diag(covariance))
    assert errors[2] == np.inf
    return errors[:2]


def of_result(result):
    assert result.params["c"].stderr is None
    return [result.params[name].stderr for name in "at"]


def of_batch():
    rows = gslfit.fit_batch(TEXT, [Y], parameters(c={"max": .7}), x=X)
    assert np.isnan(rows.stderr["c"][0])
    return [rows.stderr[name][0] for name in "at"]


ENTRIES = {"fit": lambda: of_result(gslfit.fit(TEXT, Y, parameters(c={"max": .7}), x=X)),
           "minimize": lambda: of_result(gslfit.minimize(residual, parameters(c={"max": .7}))),
           "fit_batch": of_batch, "curve_fit": by_curve_fit}


@pytest.mark.parametrize("entry", ENTRIES.values(), ids=ENTRIES)
def test_errors_beside_a_bound_are_those_with_it_held(entry):
    _, covariance = scipy.optimize.curve_fit(lambda x, a, t: decay(x, a, t, .7), X, Y, p0=(3, 1.5))
    assert entry() == pytest.approx(np.sqrt(np.diag(covariance)*28/27), rel=2e-4)


def test_two_at_their_bounds_leave_a_linear_third():
    found = gslfit.fit(TEXT, Y, parameters(t={"max": 1.2}, c={"max": .7}), x=X)
    column = np.exp(-X/1.2)
    assert found.success
    assert found.params["a"].value == pytest.approx(column @ (Y - .7)/(column @ column), rel=1e-9)
    assert found.params["t"].stderr is None
    assert found.params["c"].stderr is None


def test_a_narrow_box_far_from_the_optimum():
    found = gslfit.fit(TEXT, Y, parameters(c={"min": .499999, "max": .500001}), x=X)
    assert found.success
    assert found.params["c"].value == pytest.approx(.500001, rel=1e-12)


def test_as_many_points_as_parameters_with_known_errors():
    x, sigma = np.array([1., 3.]), np.array([.1, .3])
    design = np.stack([x, np.ones(2)], axis=1)/sigma[:, None]
    found = gslfit.fit("m*x + b", np.array([2., 5.]), x=x, m=1., b=0., weights=1/sigma, scale_covar=False)
    assert [par.stderr for par in found.params.values()] == pytest.approx(np.sqrt(np.diag(np.linalg.inv(design.T @ design))), rel=1e-9)


def test_a_region_with_known_errors_is_chi_square_of_two():
    random = np.random.default_rng(5)
    y = 2*X + 1 + .1*random.standard_normal(30)
    params = Parameters()
    params.add("m", 1.)
    params.add("b", 0.)
    found = gslfit.minimize(lambda p: (p["m"].value*X + p["b"].value - y)/.1, params, scale_covar=False)
    slopes, heights, grid = gslfit.conf_interval2d(found, "m", "b", 4, 4)
    chis = np.array([[np.sum(((m*X + b - y)/.1)**2) for m in slopes] for b in heights])
    np.testing.assert_allclose(grid, chi2.cdf(chis - found.chisqr, 2), atol=1e-8)


def test_dose_zero_of_a_falling_response():
    random = np.random.default_rng(5)
    dose = np.array([0, .1, .3, 1, 3, 10, 30.])
    y = 10/(1 + (dose/2)**1.4) + .05*random.standard_normal(7)
    found = gslfit.fit("h/(1 + (d/k)**n)", y, d=dose, h=8., k=1., n=1.)
    best, _ = scipy.optimize.curve_fit(lambda d, h, k, n: h/(1 + (d/k)**n), dose, y, p0=(8, 1, 1))
    assert found.success
    assert [par.value for par in found.params.values()] == pytest.approx(best, rel=1e-5)


def test_guesses_do_not_ask_for_order():
    random = np.random.default_rng(5)
    x = np.linspace(0, 100, 80)
    model = models.StepModel(form="erf") + models.LinearModel()
    y = model.eval(x=x, amplitude=20, center=45, sigma=4, slope=.02, intercept=1) + .5*random.standard_normal(80)
    order = random.permutation(80)
    sorted_, shuffled = model.fit(y, x=x), model.fit(y[order], x=x[order])
    assert sorted_.success
    assert shuffled.success
    assert shuffled.chisqr == pytest.approx(sorted_.chisqr, rel=1e-8)
    assert sorted_.params["center"].value == pytest.approx(45, abs=1)


def test_guesses_of_uneven_points():
    random = np.random.default_rng(5)
    x = np.sort(np.r_[random.uniform(0, 4, 15), random.uniform(4, 10, 60)])
    model = models.GaussianModel(prefix="a_") + models.GaussianModel(prefix="b_")
    y = model.eval(x=x, a_amplitude=5, a_center=2, a_sigma=.6, b_amplitude=4, b_center=7, b_sigma=.8) + .02*random.standard_normal(75)
    found = model.fit(y, x=x)
    assert found.success
    assert sorted(found.params[f"{part}_center"].value for part in "ab") == pytest.approx([2, 7], abs=.05)
