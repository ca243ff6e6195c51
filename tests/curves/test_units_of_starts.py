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


PEAK = gslfit.Formula("A*exp(-(x - m)**2/(2*s**2)) + c")
AT = np.linspace(-5, 5, 60)


@pytest.mark.parametrize(("y_unit", "x_unit"), [(1e80, 1e-80), (1e100, 1e-100), (1e-80, 1e80)])
@pytest.mark.parametrize("starts", [20, "auto"])
def test_starts_where_derivatives_have_no_squares(starts, y_unit, x_unit):
    """A peak that begins beside the data's finds them from many starts, though a derivative's square is 1e320."""
    y = PEAK(x=AT, A=3, m=2.3, s=.5, c=.5) + .1*np.random.default_rng(0).normal(size=60)
    best = gslfit.fit(PEAK, y, x=AT, A=3, m=2.3, s=.5, c=.5)
    start = {"A": 3*y_unit, "m": .46*x_unit, "s": .5*x_unit, "c": .5*y_unit}
    how = {"x": AT*x_unit, "start": start, "starts": starts, **({"ranges": {"m": (-4*x_unit, 4*x_unit)}} if starts == 20 else {})}
    one, many = gslfit.fit(PEAK, y*y_unit, **how), gslfit.fit_batch(PEAK, np.array([y, y + NOISE[::-1], y])*y_unit, **how)
    assert one.success and many.success.all()
    np.testing.assert_allclose(np.array([one.values["m"], *many.values["m"][::2]])/x_unit, best.values["m"], rtol=1e-6)
    assert abs(many.values["m"][1]/x_unit - 2.3) < .1
    each = {name: np.array([own, own, start[name]]) for name, own in (("A", 3), ("m", .46), ("s", .5), ("c", .5))}
    rows = gslfit.fit_batch(PEAK, np.array([y, np.full(60, np.nan), y*y_unit]), x=np.array([AT, AT, AT*x_unit]), start=each, starts="auto",
                            nan_policy="mark")
    np.testing.assert_allclose(rows.values["m"][[0, 2]]/[1, x_unit], best.values["m"], rtol=1e-6)
    assert rows.success.tolist() == [True, False, True]


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
