"""The same fit in any unit of x and of the data: guesses have no absolute threshold."""
import numpy as np
import pytest

from gslfit import models
from gslfit.models import ConstantModel, ExponentialModel, GaussianModel, LinearModel, LorentzianModel, ThermalDistributionModel, VoigtModel

X = np.linspace(0, 10, 60)
NOISE = .02*np.random.default_rng(3).normal(size=60)
PEAK = np.exp(-(X - 4)**2/2/.64) + NOISE
TWO = GaussianModel(prefix="a_") + GaussianModel(prefix="b_")
MODELS = [GaussianModel(), LorentzianModel(), VoigtModel(), GaussianModel() + LinearModel(), GaussianModel() + ConstantModel(), TWO,
          GaussianModel() + ExponentialModel(prefix="d_")]


@pytest.mark.parametrize("model", MODELS, ids=str)
@pytest.mark.parametrize("unit", [1e-18, 1e-40, 1e40])
def test_units_of_x(model, unit):
    one, other = model.fit(PEAK, x=X), model.fit(PEAK, x=X*unit)
    batch = model.fit_batch([PEAK]*2, x=X*unit)
    assert other.success and batch.success.all()
    assert other.chisqr == pytest.approx(one.chisqr, rel=1e-6)
    np.testing.assert_allclose(batch.chisqr, one.chisqr, rtol=1e-6)
    for name in one.values:
        if name.endswith(("center", "sigma", "fwhm")) and one.stderr[name] is not None:
            assert other.values[name]/unit == pytest.approx(one.values[name], abs=1e-3*one.stderr[name])
        if name.endswith("height") and one.stderr[name] is not None:
            assert other.values[name] == pytest.approx(one.values[name], abs=1e-3*one.stderr[name])


@pytest.mark.parametrize("model", MODELS, ids=str)
@pytest.mark.parametrize("unit", [1e-50, 1e-200, 1e100])
def test_units_of_data(model, unit):
    one, other = model.fit(PEAK, x=X), model.fit(PEAK*unit, x=X)
    batch = model.fit_batch([PEAK*unit, PEAK], x=X)
    assert other.success and batch.success.all()
    np.testing.assert_allclose(np.sqrt(np.sum((other.residual/unit)**2)), np.sqrt(one.chisqr), rtol=1e-6)
    found = np.array([model.eval(x=X, **{name: batch.values[name][0] for name in model.param_names})])/unit
    np.testing.assert_allclose(np.sum((found - PEAK)**2), one.chisqr, rtol=1e-6)


@pytest.mark.parametrize("model", MODELS, ids=str)
def test_guesses_of_scaled_data(model):
    """Powers of two change no digit of a guess."""
    for size in (2.**-300, 2.**300):
        one, other = (model.guess(y, x=X) for y in (PEAK, PEAK*size))
        for name in one:
            linear = name.endswith(("amplitude", "height", "slope", "intercept")) or name == "c"
            assert other[name].value == pytest.approx(one[name].value*(size if linear else 1), rel=1e-12)


@pytest.mark.filterwarnings("error")
def test_a_column_of_next_to_nothing():
    """Where a parameter's column is 1e-308 or less, no step along it can be taken, and nothing overflows."""
    model, x = ThermalDistributionModel(), np.linspace(.5, 10, 60)
    y = model.eval(model.make_params(amplitude=3., center=4., kt=1.), x=x)
    y += np.random.default_rng(0).normal(0, .01*np.ptp(y), 60)
    assert np.isfinite(model.fit(y*1e-12, x=x).chisqr)


CURVES = {
    "StepModel": 3/(1 + np.exp(-(X - 4)/.5)), "RectangleModel": np.tanh((X - 3)/.6) - np.tanh((X - 7)/.6), "SineModel": 2*np.sin(2*X + .4),
    "PowerLawModel": 3*(X + .1)**1.4, "LognormalModel": 3*np.exp(-np.log((X + .1)/3)**2/.3)/(X + .1),
    "SkewedGaussianModel": 3*np.exp(-(X - 4)**2/2)*(1 + np.tanh(X - 4)), "MoffatModel": 3/(1 + (X - 4)**2)**1.5,
    "Pearson7Model": 3/(1 + (X - 4)**2)**1.5, "StudentsTModel": 3/(1 + (X - 4)**2)**1.5, "HillModel": 3/(1 + (4/(X + .1))**3),
    "BreitWignerModel": (.6 + X - 4)**2/(.16 + (X - 4)**2), "PseudoVoigtModel": 2/(1 + ((X - 4)/.7)**2) + np.exp(-(X - 4)**2),
    "DampedSineModel": 2*np.exp(-X/5)*np.sin(3*X + .4), "BiexponentialModel": 2*np.exp(-X/3) + np.exp(-X/.5)}
FAR = [2.**-930, 2.**-664, 2.**-532, 2.**532, 2.**664, 2.**930]         # 1e-280 to 1e280


@pytest.mark.parametrize("name", CURVES)
def test_guesses_where_squares_are_out_of_range(name):
    """A guess is that of the data in units of 1, to the last digit for powers of two, of curves one by one and side by side."""
    model, y = getattr(models, name)(), CURVES[name] + np.ptp(CURVES[name])*NOISE
    rows = model.guess(np.array([y, *(y*unit for unit in FAR)]), x=X + .1)
    one = model.guess(y, x=X + .1)
    scaling = {each for each in one if each in ("amplitude", "top", "bottom", "offset", "amplitude1", "amplitude2")}
    for k, unit in enumerate(FAR):
        other = model.guess(y*unit, x=X + .1)
        for each in rows:
            factor = unit if each in scaling else 1.
            assert other[each].value == one[each].value*factor
            assert rows[each][k + 1] == pytest.approx(rows[each][0]*factor, rel=1e-12)


@pytest.mark.parametrize("name", CURVES)
def test_fits_where_squares_are_out_of_range(name):
    """Fits from these guesses end at the same minimum."""
    model, y = getattr(models, name)(), CURVES[name] + np.ptp(CURVES[name])*NOISE
    one = model.fit(y, x=X + .1)
    batch = model.fit_batch(np.array([y*unit for unit in FAR]), x=X + .1)
    assert one.success and batch.success.all()
    for unit, curve in zip(FAR, batch.best_fit(), strict=True):
        other = model.fit(y*unit, x=X + .1)
        assert other.success
        for found in (other.residual, curve - y*unit):
            assert np.sqrt(np.sum((np.asarray(found)/unit)**2)) == pytest.approx(np.sqrt(one.chisqr), rel=1e-6)


def test_bounds_of_what_is_scaled():
    """Bounds of an amplitude hold in each curve's own unit."""
    for unit in (1., *FAR):
        model = models.GaussianModel()
        model.set_param_hint("amplitude", max=-.5*unit)
        for y in (PEAK*unit, np.array([-PEAK*unit, PEAK*unit])):
            found = model.guess(y, x=X)
            values = np.atleast_1d(getattr(found["amplitude"], "value", found["amplitude"]))
            assert (values < -.5*unit).all() and (values > -10*unit).all()
