"""Standard errors, correlations, bands and errors of derived values in any unit: those of the data in units of 1, by every entry.

A variance is the square of a unit: below 1e-154 and above 1e154 it is no number, though its root, the standard error, is one.
"""
import pickle

import numpy as np
import pytest

import gslfit
from gslfit.minimizer.propagation import Spread, propagated

X = np.linspace(0, 6, 40)
Y = 3*np.exp(-X/1.5) + .5 + .05*np.random.default_rng(0).normal(size=40)
Y[7], Y[20] = Y[7] + 2, Y[20] - 1
TEXT, NAMES = "A*exp(-x/t) + c", ("A", "t", "c")
ERRORS = .05*np.linspace(.5, 2, 40)
UNITS = [1e-280, 1e-200, 1e-170, 1e-150, 1e150, 1e170, 1e200, 1e280]
KINDS = ["linear", "soft_l1", "huber", "cauchy", "arctan", "tukey", "prior"]
TURNS = [*UNITS[1:-1:2], UNITS[-1]]


def start(unit):
    return {"A": 2.5*unit, "t": 1.2, "c": .4*unit}


def told(kind, unit):
    """Return the options of a kind of fit in a unit."""
    if kind == "prior":
        return {"yerr": ERRORS*unit, "scale_covar": False, "prior": {"A": (3*unit, .02*unit)}}
    return {} if kind == "linear" else {"loss": kind, "f_scale": .05*unit}


def numbers(result, unit):
    """Return what a result says of errors, in units of 1."""
    scale = np.array([unit, 1., unit])
    errors = np.array([result.params[name].stderr for name in NAMES], float)/scale
    correlations = [result.params[one].correl[other] for one in NAMES for other in NAMES if one != other]
    return np.array([*errors, *correlations, result.derived("A + c")[1]/unit, result.derived("A*t")[1]/unit])


def by_fit(kind, unit):
    result = gslfit.fit(TEXT, Y*unit, x=X, **start(unit), **told(kind, unit))
    assert result.success and result.errorbars
    return np.r_[numbers(result, unit), result.eval_uncertainty()/unit, result.eval_uncertainty(x=np.array([.5, 9.]))/unit]


def by_batch(kind, unit):
    result = gslfit.fit_batch(TEXT, np.array([Y, 1.1*Y])*unit, x=X, covar=True, **start(unit), **told(kind, unit))
    assert result.success[0]
    one = numbers(result[0], unit)
    found = np.array([result.stderr["A"][0]/unit, result.derived("A + c")[1][0]/unit, result.derived("A*t")[1][0]/unit])
    np.testing.assert_allclose(found, one[[0, -2, -1]], rtol=1e-9)
    return np.r_[one, result.eval_uncertainty()[0]/unit, result.eval_uncertainty(x=np.array([.5, 9.]))[0]/unit]


def by_expression(kind, unit):
    params = gslfit.Parameters()
    for name, value in start(unit).items():
        params.add(name, value)
    params.add("sum", expr="A + c")
    how = told(kind, unit)
    one = gslfit.fit(TEXT, Y*unit, params, x=X, **how)
    many = gslfit.fit_batch(TEXT, (Y*unit)[None], params, x=X, covar=True, **how)
    assert one.success and many.success.all()
    found = np.array([one.params["sum"].stderr, many.stderr["sum"][0], many[0].params["sum"].stderr])/unit
    np.testing.assert_allclose(found, one.derived("A + c")[1]/unit, rtol=1e-6)
    return found


def by_minimize(kind, unit):
    params = gslfit.Parameters()
    for name, value in start(unit).items():
        params.add(name, value)
    how = told(kind, unit)

    def residual(p):
        off = p["A"].value*np.exp(-X/p["t"].value) + p["c"].value - Y*unit
        return np.r_[off/how["yerr"], (p["A"].value - 3*unit)/(.02*unit)] if kind == "prior" else off
    result = gslfit.minimize(residual, params, **({"scale_covar": False} if kind == "prior" else how))
    assert result.success
    return numbers(result, unit)


def by_called(kind, unit):
    def called(x, A, t, c):
        return A*np.exp(-np.sort(x)/t) + c
    result = gslfit.fit_batch(called, (Y*unit)[None], x=X, covar=True, **start(unit), **told(kind, unit))
    assert result.success.all() and result.reason
    return np.r_[numbers(result[0], unit), result.derived("A + c")[1]/unit, result.eval_uncertainty()[0]/unit]


def by_shared(kind, unit):
    result = gslfit.fit_shared(TEXT, np.array([Y, 1.1*Y])*unit, x=X, shared=["t"], **start(unit), **told(kind, unit))
    assert result.success and result.errorbars
    return np.r_[result.stderr["t"], result.stderr["A"]/unit, numbers(result[0], unit), result[1].eval_uncertainty()/unit]


def by_model(kind, unit):
    result = gslfit.Model(TEXT).fit(Y*unit, x=X, **start(unit), **told(kind, unit))
    again = gslfit.models.ModelResult(gslfit.Model(TEXT), result.params).loads(result.dumps())
    found = [np.r_[numbers(each, unit), each.eval_uncertainty()/unit] for each in (result, again, pickle.loads(pickle.dumps(result)))]
    assert result.success
    np.testing.assert_allclose(found[1:], [found[0]]*2, rtol=1e-12)
    return found[0]


ENTRIES = {"fit": (by_fit, 1e-7), "fit_batch": (by_batch, 1e-7), "expression": (by_expression, 1e-6), "minimize": (by_minimize, 1e-5),
           "called": (by_called, 1e-5), "fit_shared": (by_shared, 1e-6), "Model": (by_model, 1e-7)}


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.filterwarnings("ignore::gslfit.errors.FitWarning")
def test_units(entry, kind):
    """Each number is that of data in units of 1, to what ends of the fit differ by, a small part of a standard error."""
    if (entry, kind) == ("fit_shared", "prior"):
        pytest.skip("fit_shared takes no prior")
    ask, rel = ENTRIES[entry]
    wanted = ask(kind, 1.)
    for unit in UNITS:
        np.testing.assert_allclose(ask(kind, unit), wanted, rtol=rel, atol=rel*1e-2, err_msg=f"{entry}, {kind}, {unit:g}")


def kept_by(way, kind, unit, folder):
    """Return the result of a batch that has been somewhere."""
    y, how = np.array([Y, 1.1*Y])*unit, {"x": X, "covar": True, **start(unit), **told(kind, unit)}
    if way == "file":
        gslfit.fit_batch(TEXT, y, **how).save(folder/"batch.npz")
        return gslfit.BatchResult.load(folder/"batch.npz")
    if way == "pickle":
        return pickle.loads(pickle.dumps(gslfit.fit_batch(TEXT, y, keep_data=False, **how)))
    if way == "blocks":
        return gslfit.fit_batch(TEXT, y, keep_data=False, on_interrupt="partial", **how)
    if way == "starts":
        return gslfit.fit_batch(TEXT, y, starts=3, ranges={"A": (unit, 5*unit), "t": (.5, 3), "c": (0, unit)}, **how)
    if way == "dask":
        array = pytest.importorskip("dask.array")
        return gslfit.fit_batch(TEXT, array.from_array(y, chunks=(1, -1)), **how).compute()
    xarray = pytest.importorskip("xarray")
    return gslfit.fit_batch(TEXT, xarray.DataArray(y, dims=("row", "x")), axis="x", **how)


@pytest.mark.parametrize("way", ["file", "pickle", "blocks", "starts", "dask", "xarray"])
@pytest.mark.parametrize("kind", ["linear", "soft_l1", "prior"])
def test_where_batches_go(way, kind, tmp_path):
    """Wherever a result has been, it knows the errors of what is derived, with and without its data."""
    if (way, kind) in (("dask", "prior"), ("starts", "prior")):
        pytest.skip("not with priors")
    wanted = np.asarray(kept_by(way, kind, 1., tmp_path).derived("A + c")[1])
    for unit in TURNS:
        found = kept_by(way, kind, unit, tmp_path)
        np.testing.assert_allclose(np.asarray(found.derived("A + c")[1])/unit, wanted, rtol=1e-7)
        assert found[1].derived("A + c")[1]/unit == pytest.approx(wanted[1], rel=1e-7)
        covar = np.asarray(found.covar)
        assert covar.shape == (2, 3, 3) and np.isfinite(covar[:, 1, 1]).all()
        assert np.isinf(covar[:, 0, 0]).all() == (not 1e-150 <= unit <= 1e150)


@pytest.mark.parametrize("unit", [1e-200, 1e200])
def test_covariances_alone(unit, tmp_path):
    """Files of covariances have lost what is beyond their range: least squares know it from the data, and others have no error."""
    y = np.array([Y, 1.1*Y])*unit
    plain = gslfit.fit_batch(TEXT, y, x=X, covar=True, out=tmp_path/"plain", **start(unit))
    wanted = gslfit.fit_batch(TEXT, y/unit, x=X, **start(1.)).derived("A + c")[1]
    np.testing.assert_allclose(plain.derived("A + c")[1]/unit, wanted, rtol=1e-7)
    robust = gslfit.fit_batch(TEXT, y, x=X, out=tmp_path/"robust", **start(unit), **told("soft_l1", unit))
    assert np.isnan(robust.derived("A + c")[1]).all() and robust[0].params["A"].correl is None
    assert np.isnan(robust[0].derived("A + c")[1]) and np.isnan(robust[0].eval_uncertainty()).all()
    assert robust.derived("2*A")[1] == pytest.approx(2*np.asarray(robust.stderr["A"]))      # which hangs on none of them


def test_correlations_that_are_not_known():
    """What depends on two parameters whose correlation isn't known has no error; on one of them, or on others, it has."""
    correlations = np.array([[1., np.nan, .5], [np.nan, 1., .5], [.5, .5, 1.]])
    spread = Spread(np.array([1., 2., 3.]), np.zeros(3, bool), correlations)
    found = propagated(np.array([[1., 1., 0.], [1., 0., 0.], [0., 1., 1.], [0., 0., 0.]]), spread)
    np.testing.assert_allclose(found, [np.nan, 1., np.sqrt(4 + 9 + 2*.5*6), 0.])
    held = Spread(np.array([1., np.nan, 3.]), np.array([False, True, False]), correlations)
    assert propagated(np.array([1., 1., 0.]), held) == pytest.approx(1)


@pytest.mark.parametrize("unit", [1, 1e-9, 1e9])
@pytest.mark.parametrize("loss", ["huber", "soft_l1", "tukey"])
def test_predictions_of_robust_fits(loss, unit):
    """One more point scatters as the data do, by the fit as by the batch: it was taken to scatter by 1."""
    x = np.linspace(0, 10, 200)
    y = unit*(3*np.exp(-x/2) + 1 + .05*np.random.default_rng(0).standard_normal(200))
    text, options = "A*exp(-x/tau) + c", {"x": x, "A": 3*unit, "tau": 1.5, "c": unit, "loss": loss, "f_scale": .1*unit}
    single, row = gslfit.fit(text, y, **options), gslfit.fit_batch(text, y[None], **options)[0]
    model = gslfit.Model(text).fit(y, x=x, A=3*unit, tau=1.5, c=unit, loss=loss, f_scale=.1*unit)
    expected = row.eval_uncertainty(kind="prediction")
    assert np.all(expected > .04*unit) and np.all(expected < .06*unit)
    for result in (single, model):
        np.testing.assert_allclose(result.eval_uncertainty(kind="prediction"), expected, rtol=1e-6)
