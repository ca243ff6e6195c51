"""Steps and rectangles with straight sides in sums: their kinks are where chi-square is lowest beside the other parts."""
import numpy as np
import pytest

from gslfit import models
from gslfit.models.guess.piecewise_linear import amid

X = np.sort(np.random.default_rng(4).uniform(0, 10, 80))
STEP, BOX = models.StepModel(form="linear", prefix="s_"), models.RectangleModel(form="linear", prefix="r_")
LINE = models.LinearModel()


def lowest(x, y, columns):
    """Return the lowest chi-square of a straight step beside columns, over a fine grid of both kinks."""
    ends = np.linspace(x[0], x[-1], 101)
    best = np.inf
    for i, begin in enumerate(ends):
        ramps = np.clip((x - begin)/(ends[i + 1:, None] - begin), 0, 1)
        for ramp in ramps:
            best = min(best, np.sum((y - (own := np.column_stack([ramp, *columns])) @ np.linalg.lstsq(own, y, rcond=None)[0])**2))
    return best


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(("model", "values"), [
    (STEP + LINE, {"s_center": 4.4, "s_sigma": 2.3, "s_amplitude": 3.0}),
    (BOX + LINE, {"r_center1": 2.5, "r_sigma1": 0.7, "r_center2": 7.1, "r_sigma2": 1.3, "r_amplitude": 2.0})], ids=["step", "rectangle"])
def test_without_noise(model, values, sign):
    """Kinks and factors are found to their last digits on a slope, up and down."""
    values = {**values, "slope": 0.2, "intercept": -1.0}
    values = {name: sign*value if name.endswith("amplitude") else value for name, value in values.items()}
    found = model.guess(model.eval(x=X, **values), x=X)
    got = {name: found[name].value for name in values}
    if "s_sigma" in values and got["s_amplitude"]*sign < 0:         # a step up of -3 is one down of 3 and a constant
        got |= {"s_amplitude": -got["s_amplitude"], "s_sigma": -got["s_sigma"], "intercept": got["intercept"] + got["s_amplitude"]}
    assert got == pytest.approx(values, rel=1e-5)


@pytest.mark.parametrize("seed", range(4))
def test_as_low_as_a_grid(seed):
    """Few noisy points on a slope: the fit is a success, and as low as the best of a grid of kinks."""
    rng = np.random.default_rng(seed)
    x = np.linspace(0, 10, 14)
    y = np.clip((x - 4)/1.5, 0, 1)*3 + .1*x - 1 + rng.normal(0, .4, x.size)
    wanted = lowest(x, y, [np.ones_like(x), x])
    model = STEP + LINE
    for result in (model.fit(y, x=x), model.fit_batch(y[None], x=x)):
        assert np.all(result.success)
        assert np.all(result.chisqr <= wanted*(1 + 1e-6))


def test_bounds():
    """A step that must rise, or fall, does so, also where that is not the lower one; a width's bounds are kept."""
    y = np.clip((X - 4)/2, 0, 1)*3 + .2*X + np.random.default_rng(1).normal(0, .1, X.size)
    for low, high in ((0, np.inf), (-np.inf, 0)):
        model = models.StepModel(form="linear", prefix="s_") + LINE
        model.set_param_hint("s_amplitude", min=low, max=high)
        found = model.fit(y, x=X)
        assert low <= found.best_values["s_amplitude"] <= high
        assert found.redchi < .015
    model = models.StepModel(form="linear", prefix="s_") + LINE
    model.set_param_hint("s_sigma", min=2.5, max=8)
    assert 2.5 <= model.guess(y, x=X)["s_sigma"].value <= 8


def test_without_a_constant():
    """Beside an exponential alone a step's direction counts."""
    x = np.linspace(0, 10, 100)
    model = STEP + models.ExponentialModel(prefix="e_")
    values = {"s_amplitude": 2.0, "s_center": 6.0, "s_sigma": -1.5, "e_amplitude": 5.0, "e_decay": 2.0}
    y = model.eval(x=x, **values) + np.random.default_rng(3).normal(0, .05, x.size)
    true = model.fit(y, x=x, **values)
    assert model.fit(y, x=x).chisqr <= true.chisqr*(1 + 1e-6)


def test_beside_a_peak():
    """A straight step under a peak: at least as low as from the true values, in nearly all noisy curves; few points are taken too."""
    model = models.GaussianModel(prefix="p_") + STEP + models.ConstantModel()
    values = {"p_amplitude": 8.0, "p_center": 3.7, "p_sigma": 0.6, "s_amplitude": 3.0, "s_center": 6.0, "s_sigma": 1.5, "c": -1.0}
    x = np.linspace(0, 10, 100)
    y = model.eval(x=x, **values) + np.random.default_rng(6).normal(0, .3, (20, x.size))
    found, true = model.fit_batch(y, x=x), model.fit_batch(y, x=x, start=values)
    assert np.mean(found.chisqr <= true.chisqr*(1 + 1e-6)) >= .9
    for count in (7, 8, 9, 12):
        guess = model.guess(y[0, :100:100//count], x=x[:100:100//count])
        assert all(np.isfinite(par.value) for par in guess.values() if par.expr is None)


def test_one_among_many():
    """A curve's guess is the same alone and among others."""
    x = np.linspace(0, 10, 50)
    y = np.clip((x - 4)/1.5, 0, 1)*3 + .1*x + np.random.default_rng(2).normal(0, .4, (30, x.size))
    model = STEP + LINE
    many, one = model.guess(y, x=x), model.guess(y[7], x=x)
    for name, value in many.items():
        assert one[name].value == pytest.approx(value[7], rel=1e-9)


def test_ramps_amid_points():
    """A ramp without points lies amid its gap; one with a single point keeps that point's value and stays clear of its neighbours."""
    x = np.arange(6.0)
    begin, end = np.array([2.999, 2.0, 1.0, 1.9, -1.0]), np.array([3.0, 2.001, 3.0, 2.3, 7.0])
    new = amid(x, begin, end)
    for k in range(5):
        np.testing.assert_allclose(*(np.clip((x - a)/(b - a), 0, 1) for a, b in ((begin[k], end[k]), new[:, k])), atol=1e-12)
        assert k == 4 or np.abs(x[:, None] - new[:, k]).min() >= .1
    assert new[:, 4].tolist() == [-1.0, 7.0]


def test_sharp_step_on_a_slope():
    """A step between two points: a success as low as the jump there beside the line."""
    x = np.arange(15.0)
    y = np.where(x > 7.5, 20, 0) + .5*x + .1*np.random.default_rng(5).standard_normal(x.size)
    batch = (STEP + LINE).fit_batch(y[None], x=x)
    columns = np.column_stack([x > 7.5, x, np.ones_like(x)]).astype(float)
    jump = np.sum((y - columns @ np.linalg.lstsq(columns, y, rcond=None)[0])**2)
    assert batch.success[0]
    assert batch.chisqr[0] <= jump*(1 + 1e-9)
