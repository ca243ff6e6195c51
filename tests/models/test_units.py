"""The same fit in any unit of x and of the data: guesses have no absolute threshold."""
import numpy as np
import pytest

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
