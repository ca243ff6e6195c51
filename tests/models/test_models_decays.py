"""Starts of sums of decays, with a response or without: the projection's derivatives, the search, and data that are awkward."""
import numpy as np
import pytest
from guess_accuracy import CASES, draw

from gslfit import models
from gslfit.models.guess.variable_projection import Places, columns, project

NAMES = ("BiexponentialResponseModel", "TriexponentialResponseModel", "BiexponentialModel", "TriexponentialModel", "GslDblexpModel")
TIMES = ("tau1", "tau2", "tau3", "t0", "irf")


def curves(name):
    """Noisy curves of a case; few of three decays, whose fits from the true values are long."""
    return draw(next(case for case in CASES if case.cls == name), 6 if name.startswith("Tri") else 12, seed=5)


def as_low(model, x, y, values, **options):
    """All guesses but one lead as low as the true values."""
    own, true = model.fit_batch(y, x=x, **options), model.fit_batch(y, x=x, start=values, **options)
    assert np.all(np.isfinite(own.chisqr))
    assert np.sum(own.chisqr > true.chisqr*(1 + 2e-6)) <= 1


@pytest.mark.parametrize("edge", [[0.2, 0.03], []])
@pytest.mark.parametrize("holes", [False, True])
def test_slopes(edge, holes):
    """Chi-square's derivatives are those by differences."""
    rng = np.random.default_rng(2)
    x, y = np.linspace(0, 1, 60), rng.standard_normal((1, 60))
    known = rng.random((1, 60)) > 0.2 if holes else None
    at = np.log([*edge[1:], 0.05, 0.11, 0.7])

    def found(place, logs):
        own = np.exp(logs)
        given = [place, own[0]] if edge else []
        return project(x, y, Places(np.array([given]), own[None, len(edge)//2:]), known)
    here = found(0.2, at)
    slopes = -2*here.slopes[0] @ here.residual[0]
    h = 1e-5
    numeric = [(found(0.2, at + h*unit).chisqr[0] - found(0.2, at - h*unit).chisqr[0])/(2*h) for unit in np.eye(len(at))]
    if edge:
        numeric.insert(0, (found(0.2 + h*edge[1], at).chisqr[0] - found(0.2 - h*edge[1], at).chisqr[0])/(2*h))
    assert slopes == pytest.approx(numeric, rel=1e-5, abs=1e-8)


@pytest.mark.parametrize("tau", [(1e-9, 0.2), (0.2, 1e9), (0.1999, 0.2), (0.05, 0.2)])
def test_limits(tau):
    """A pulse, a step and two times that are one are found, to the limit."""
    x = np.linspace(0, 1, 101)
    shapes = columns(x, Places(np.array([[0.25, 0.03]]), np.array([tau])))[0][0]
    own = np.linalg.qr(shapes.T)[0]
    y = own[:, 0] + 0.6*own[:, 1] + 0.3
    model = models.BiexponentialResponseModel()
    found = model.guess(y, x=x)
    assert model.eval(found, x=x) == pytest.approx(y, abs=2e-4)
    assert [found[name].value for name in ("t0", "irf")] == pytest.approx([0.25, 0.03], rel=0.02)


@pytest.mark.parametrize("name", NAMES)
def test_scales(name):
    """Nanoseconds and millions of counts, dips, and high baselines make no difference."""
    model, x, values, y = curves(name)
    base = "y0" if name == "GslDblexpModel" else "offset"
    rates = {"b1", "b2"}
    for sx, sy, more in ((1e-9, 1e6, 0.0), (1.0, -1.0, 0.0), (1.0, 1.0, 1e4)):
        own = {key: value*(sx if key in TIMES else 1/sx if key in rates else sy) for key, value in values.items()}
        as_low(model, x*sx, y*sy + more, own | {base: own[base] + more})


@pytest.mark.parametrize("name", NAMES)
def test_awkward(name):
    """Few points, gaps that all curves share or have of their own, and data that begin after the edge."""
    model, x, values, y = curves(name)
    few = np.linspace(0, 99, 14).astype(int)
    as_low(model, x[few], y[:, few], values)
    holes = y.copy()
    holes[:, ::9] = np.nan
    holes[np.random.default_rng(3).random(y.shape) < 0.1] = np.inf
    as_low(model, x, holes, values, nan_policy="omit")
    if "t0" in values:
        as_low(model, x[45:], y[:, 45:], values)
    for flat in (np.zeros(100), np.full(100, 7.0), x, np.full(100, np.nan), np.eye(100)[40]):
        found = model.guess(flat, x=x)
        assert all(np.isfinite(found[key].value) for key in model.param_names)
    for n in (2, 3, 5):
        found = model.guess(y[0, :n], x=x[:n])
        assert all(np.isfinite(found[key].value) for key in model.param_names)


@pytest.mark.parametrize("name", NAMES[:4])
def test_bounds(name):
    """Where the end of the search is out of bounds, starts within are tried."""
    _, x, values, y = curves(name)
    model = models.CLASSES[name]()
    heights = [key for key in model.param_names if key.startswith("amplitude")]
    for key in heights:
        model.set_param_hint(key, min=0.0)
    found = model.guess(y, x=x)
    assert all(np.all(found[key] >= 0) for key in heights)
    as_low(model, x, y, values)


@pytest.mark.parametrize("name", NAMES[:4])
def test_bounds_mirrored(name):
    """Curves turned upside down, with heights bounded from above, have the guesses of those with heights bounded from below."""
    _, x, _, y = curves(name)
    upright, mirrored = models.CLASSES[name](), models.CLASSES[name]()
    heights = [key for key in upright.param_names if key.startswith("amplitude")]
    for key in heights:
        upright.set_param_hint(key, min=0.0)
        mirrored.set_param_hint(key, max=0.0)
    found, other = upright.guess(y, x=x), mirrored.guess(-y, x=x)
    for key in upright.param_names:
        np.testing.assert_allclose(other[key], np.multiply(found[key], -1 if key in (*heights, "offset") else 1), rtol=1e-6, atol=1e-9)


def test_growth():
    """Rates may be negative where a model lets them."""
    model = models.GslDblexpModel()
    x = np.linspace(0, 10, 80)
    values = {"y0": 1.0, "A1": 2.0, "b1": 1.2, "A2": 0.5, "b2": -0.15}
    y = model.eval(x=x, **values) + 0.01*np.random.default_rng(1).standard_normal(80)
    found = model.guess(y, x=x)
    rates = sorted(found[name].value for name in ("b1", "b2"))
    assert rates == pytest.approx([-0.15, 1.2], rel=0.2)


def test_far_from_zero():
    """Without an edge heights are those at x = 0, however far the data are from it."""
    model = models.BiexponentialModel()
    x = np.linspace(50, 150, 100)
    values = {"amplitude1": 40.0, "tau1": 15.0, "amplitude2": 9.0, "tau2": 60.0, "offset": 0.2}
    y = model.eval(x=x, **values) + 1e-5*np.random.default_rng(1).standard_normal(100)
    found = model.guess(y, x=x)
    assert sorted(found[name].value for name in ("tau1", "tau2")) == pytest.approx([15, 60], rel=0.02)
    assert sorted(found[name].value for name in ("amplitude1", "amplitude2")) == pytest.approx([9, 40], rel=0.1)
