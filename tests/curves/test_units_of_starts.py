"""Fits from many starts find the lowest minimum in any unit: where squares are out of range chi-squares are all 0, or all infinite."""
import numpy as np
import pytest

import gslfit

X = np.linspace(0, 10, 60)
NOISE = .05*np.random.default_rng(0).normal(size=60)
Y = 2*np.sin(3.3*X + .4) + NOISE
TEXT = "A*sin(f*x + p)"
UNITS = [1e-280, 1e-200, 1e200, 1e280]


def ranges(unit):
    return {"A": (.5*unit, 4*unit), "f": (.5, 8), "p": (-3, 3)}


def told(loss, unit):
    return {} if loss == "linear" else {"loss": loss, "f_scale": .05*unit}


def by_fit(unit, **how):
    result = gslfit.fit(TEXT, Y*unit, x=X, A=unit, f=1, p=0, ranges=ranges(unit), **how)
    return result.success, [result.values["f"]], [result.stderr["f"]]


def by_called(unit, **how):
    result = gslfit.fit(lambda x, A, f, p: A*np.sin(np.sort(f*x) + p), Y*unit, x=X, A=unit, f=1, p=0, ranges=ranges(unit), **how)
    return result.success, [result.values["f"]], [result.stderr["f"]]


def by_batch(unit, **how):
    result = gslfit.fit_batch(TEXT, np.array([Y, Y + NOISE[::-1]])*unit, x=X, A=unit, f=1, p=0, ranges=ranges(unit), **how)
    return result.success.all(), result.values["f"], result.stderr["f"]


def by_minimize(unit, **how):
    params = gslfit.Parameters()
    for name, value in (("A", unit), ("f", 1.), ("p", 0.)):
        params.add(name, value, min=ranges(unit)[name][0], max=ranges(unit)[name][1])
    result = gslfit.minimize(lambda p: p["A"]*np.sin(p["f"]*X + p["p"]) - Y*unit, params, **how)
    return result.success, [result.params["f"].value], [result.params["f"].stderr]


@pytest.mark.parametrize("how", [by_fit, by_called, by_batch, by_minimize])
@pytest.mark.parametrize("loss", ["linear", "soft_l1"])
@pytest.mark.parametrize("starts", [30, "auto"])
@pytest.mark.filterwarnings("ignore::gslfit.errors.FitWarning")
def test_starts(starts, loss, how):
    wanted = how(1., starts=starts, **told(loss, 1.))
    assert wanted[0] and abs(np.asarray(wanted[1]) - 3.3).max() < .01
    for unit in UNITS:
        success, values, errors = how(unit, starts=starts, **told(loss, unit))
        assert success
        np.testing.assert_allclose(values, wanted[1], rtol=1e-7)
        np.testing.assert_allclose(errors, wanted[2], rtol=1e-5)


@pytest.mark.parametrize("unit", UNITS)
def test_neighbours(unit):
    """A map whose fits begin at a wrong frequency but for one."""
    y = np.array([[2*np.sin(f*X + .4)*unit for f in (3.3, 3.4, 3.5)]])
    result = gslfit.fit_batch(TEXT, y, x=X, A=2*unit, f=np.array([[1., 1., 3.5]]), p=.4, starts="neighbours")
    assert result.success.all()
    np.testing.assert_allclose(result.values["f"], [[3.3, 3.4, 3.5]], rtol=1e-9)


def test_rows_of_several_units():
    """Each row of a batch is judged in its own unit, points that take no part left out."""
    y = np.array([Y*unit for unit in (1., *UNITS)])
    y[:, 7], weights = np.nan, np.ones(60)
    weights[9], y[:, 9] = 0, 1e300
    result = gslfit.fit_batch(TEXT, y, x=X, A=np.array([1., *UNITS]), f=1, p=0, starts=30, weights=weights, nan_policy="omit",
                              ranges={"f": (.5, 8), "p": (-3, 3)})
    assert result.success.all()
    np.testing.assert_allclose(result.values["f"], result.values["f"][0], rtol=1e-7)
    np.testing.assert_allclose(result.stderr["f"], result.stderr["f"][0], rtol=1e-5)


@pytest.mark.parametrize("unit", UNITS)
def test_shared_guesses(unit):
    """`Model.fit_shared` takes the best of what the guesses of several families lead to."""
    model = gslfit.models.FiveParameterLogisticModel()
    x = np.geomspace(.01, 100, 40)
    y = np.array([3/(1 + (x/2)**1.5)**.3, 2/(1 + (x/2)**1.5)**.3]) + .01*np.random.default_rng(1).normal(size=(2, 40))
    one, other = (model.fit_shared(y*size, x=x, shared=["b", "c", "g"]) for size in (1., unit))
    assert other.success == one.success
    for name in ("b", "c", "g"):
        assert float(other.values[name]) == pytest.approx(float(one.values[name]), abs=1e-3*float(one.stderr[name]))
