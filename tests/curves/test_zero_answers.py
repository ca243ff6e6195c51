"""Fits whose least-squares answer is 0, as data are orthogonal to the columns, and parameters that a 0 leaves without effect."""
import numpy as np
import pytest

import gslfit
from gslfit.models import ConstantModel, ExponentialModel, GaussianModel, LinearModel, LorentzianModel

TURN = np.linspace(0, 2*np.pi, 40, endpoint=False)
LINE = np.arange(8.), np.array([1., -1, -1, 1, 1, -1, -1, 1])
STARTS = ({}, {"a": 0., "b": 0.}, {"a": 3e-17, "b": -1e-17}, {"a": 1e-17, "b": 1.}, {"a": .3, "b": 2.})


def wave(x, a, b):
    return a*np.cos(x) + b


@pytest.mark.parametrize("start", STARTS, ids=str)
@pytest.mark.parametrize("loss", ["linear", "huber"])
def test_orthogonal_data(start, loss):
    """a = b = 0 exactly; by algebra their errors are s*sqrt(2/n) and s*sqrt(1/n), s^2 = (n/2)/(n - 2)."""
    y, n = np.sin(TURN), len(TURN)
    found = gslfit.fit("a*cos(x) + b", y, x=TURN, loss=loss, **start)
    batch = gslfit.fit_batch("a*cos(x) + b", np.array([y, 1e6*y]), x=TURN, loss=loss, **start)
    assert found.success and batch.success.all()
    assert abs(found.values["a"]) < 1e-12 and abs(batch.values["b"][1]) < 1e-6
    if loss == "linear":
        s = np.sqrt(n/2/(n - 2))
        assert found.stderr["a"] == pytest.approx(s*np.sqrt(2/n), rel=1e-9)
        np.testing.assert_allclose(batch.stderr["b"], s*np.sqrt(1/n)*np.array([1, 1e6]), rtol=1e-9)


@pytest.mark.parametrize("size", [1., 1e6, 1e-40])
@pytest.mark.parametrize("start", [(1e-17, 1e-17), (3e-17, -1e-17), (1e-300, 1e-300), (0., 0.), (1e-17, 1.)], ids=str)
def test_orthogonal_data_by_a_called_residual(size, start):
    """That it is linear in both together is seen from the residual itself."""
    y, params = size*np.sin(TURN), gslfit.Parameters()
    params.add_many(("a", start[0]), ("b", start[1]))
    found = gslfit.minimize(lambda p: wave(TURN, p["a"].value, p["b"].value) - y, params)
    assert found.success and abs(params["a"].value) < 1e-8*size
    assert params["a"].stderr == pytest.approx(size*np.sqrt(20/38*2/40), rel=1e-6)


def test_an_amplitude_of_1e_17_elsewhere_has_no_effect_by_a_called_residual():
    """A peak far outside of the data, and a product of two tiny ones, are not linear."""
    x, params = np.linspace(0, 10, 60), gslfit.Parameters()
    y = np.exp(-(x - 5)**2/2/.3**2)
    params.add_many(("h", 1e-17), ("c", 60.), ("s", 1.))
    assert not gslfit.minimize(lambda p: p["h"].value*np.exp(-((x - p["c"].value)/p["s"].value)**2/2) - y, params).success


def test_orthogonal_data_by_other_entries():
    y = np.sin(TURN)
    for p0 in (None, [0, 0], [3e-17, 1e-17], [1, 1]):
        values, covar = gslfit.curve_fit(wave, TURN, y, p0=p0)
        assert np.abs(values).max() < 1e-12 and np.isfinite(covar).all()
    assert gslfit.fit("a*x + b", LINE[1], x=LINE[0]).success
    assert LinearModel().fit(LINE[1], x=LINE[0]).success
    assert LinearModel().fit_batch([LINE[1]]*2, x=LINE[0]).success.all()


@pytest.mark.parametrize("seed", range(3))
def test_random_orthogonal_data(seed):
    """Data without what the columns span, of any size; a fit from where another one of them ended is one too."""
    rng = np.random.default_rng(seed)
    for text, columns in (("a*x + b", lambda x: [x, 1 + 0*x]), ("a*x**2 + b*x + c", lambda x: [x*x, x, 1 + 0*x]),
                          ("a*sin(x) + b*cos(x) + c", lambda x: [np.sin(x), np.cos(x), 1 + 0*x])):
        x = np.sort(rng.uniform(0, 5, int(rng.integers(6, 60))))
        q = np.linalg.qr(np.array(columns(x)).T)[0]
        y = rng.normal(size=len(x))
        for _ in range(2):
            y = y - q @ (q.T @ y)
        y = y*10.**rng.integers(-8, 9)
        first = gslfit.fit(text, y, x=x)
        again = gslfit.fit(text, y, x=x, **first.values)
        batch = gslfit.fit_batch(text, y[None], x=x, **first.values)
        assert first.success and again.success and batch.success.all()
        assert first.chisqr == pytest.approx(y @ y, rel=1e-12)


def test_an_amplitude_that_fits_to_nothing_has_no_effect_to_start_with():
    """A peak far outside of the data is still no fit: its amplitude is no small parameter of a linear model."""
    x = np.linspace(0, 10, 60)
    y = np.exp(-(x - 5)**2/2/.3**2)
    found = gslfit.fit_batch("h*exp(-((x - c)/s)**2/2)", y[None], x=x, h=1., c=60., s=1.)
    assert not found.success.any()


X = np.linspace(0, 10, 101)
DEAD = {
    "peak": (GaussianModel() + ConstantModel(), np.full(101, 7.), ("center", "sigma")),
    "decay": (ExponentialModel() + ConstantModel(), np.full(101, 7.), ("decay",)),
    "line": (LorentzianModel() + LinearModel(), 2 + .3*X, ("center", "sigma")),
    "zeros": (GaussianModel() + ConstantModel(), np.zeros(101), ("center", "sigma")),
}


@pytest.mark.parametrize("case", DEAD)
@pytest.mark.parametrize("unit", [1., 1e-60, 1e60])
def test_parts_of_dead_pixels_have_no_error(case, unit):
    """The amplitude is 0 but for rounding: place and width are not determined, and said to be without effect."""
    model, y, silent = DEAD[case]
    found, batch = model.fit(y*unit, x=X), model.fit_batch([y*unit]*2, x=X)
    assert found.success and batch.success.all() and not found.errorbars
    for name in silent:
        assert found.stderr[name] is None and f"{name} has no effect" in found.message
        assert np.isnan(batch.stderr[name]).all()
    assert all(found.stderr[name] is not None for name in ("c", "slope") if name in found.stderr)


def test_a_user_s_formula_on_a_constant():
    for start in ({}, {"a": 1., "c": 1.}, {"a": 0., "c": 7.}):
        found = gslfit.fit("a*exp(-((x - m)/s)**2/2) + c", np.full(101, 7.), x=X, m=4., s=1., **start)
        assert found.success and found.stderr["m"] is None and found.stderr["s"] is None
