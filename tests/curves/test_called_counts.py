"""Counts whose model is a Python function that is called: the minima and errors of the compiled fits."""
import pickle

import numpy as np
import pytest
from scipy.optimize import minimize as scipy_minimize

from gslfit import Model, Parameters, fit, fit_batch
from gslfit.errors import FitStatus, FitWarning, InputError

X = np.linspace(0, 6, 40)
TEXT, START = "A*exp(-x/t) + c", {"A": 30.0, "t": 2.0, "c": 2.0}
Y = np.random.default_rng(2).poisson(40*np.exp(-X/1.5) + .6, (12, X.size)).astype(float)      # with zeros


def called(x, A, t, c):
    return A*np.exp(-np.sort(x)/t) + c


def compare(found, wanted, tight=1e-5):
    """Compare a called fit with a compiled one: values, errors, correlations, deviance residuals, what reports say."""
    assert found.success and wanted.success
    for name, par in wanted.params.items():
        own = found.params[name]
        assert abs(own.value - par.value) <= (tight*par.stderr if par.stderr else 1e-4), name      # at a bound to the transform's end
        assert own.stderr is None if par.stderr is None else own.stderr == pytest.approx(par.stderr, rel=1e-4)
        assert (own.correl or {}) == pytest.approx(par.correl or {}, abs=1e-4)
    assert found.chisqr == pytest.approx(wanted.chisqr, rel=1e-9) and found.nfree == wanted.nfree
    np.testing.assert_allclose(np.abs(found.residual), np.abs(wanted.residual), atol=1e-4)
    assert found.loss == wanted.loss and found.loss.name == "poisson"


@pytest.mark.parametrize("k", range(4))
def test_every_entry(k):
    """fit, Model.fit and fit_batch of a called function have the minima and Fisher's errors of the compiled formula."""
    wanted = fit(TEXT, Y[k], x=X, **START, loss="poisson")
    with pytest.warns(FitWarning, match="calls? Python"):
        found = [fit(called, Y[k], x=X, **START, loss="poisson"), fit_batch(called, Y, x=X, **START, loss="poisson")[k]]
    for each in (*found, Model(called).fit(Y[k], x=X, **START, loss="poisson")):
        compare(each, wanted)


def test_likelihood():
    """The minimum is that of SciPy's descent of the negative log-likelihood."""
    with pytest.warns(FitWarning, match="calls Python"):
        found = fit(called, Y[0], x=X, **START, loss="poisson")

    def cost(v):
        m = called(X, *v)
        return np.sum(m - Y[0]*np.log(m)) if (m > 0).all() else np.inf
    best = scipy_minimize(cost, list(START.values()), method="Nelder-Mead", options={"xatol": 1e-10, "fatol": 1e-12, "maxiter": 5000})
    for name, value in zip(START, best.x, strict=True):
        assert abs(found.values[name] - value) < 1e-4*found.params[name].stderr


def test_masks_bounds_and_expressions():
    """Points left out, bounds, held parameters, expressions and priors go with it."""
    params = Parameters()
    params.add("A", 30.0)
    params.add("t", 2.0, min=1.6)
    params.add("c", expr="A/60")
    out = np.arange(X.size) % 7 == 3
    y = np.where(np.arange(X.size) == 5, np.nan, Y[1])
    for more in ({"mask": out}, {"prior": {"A": (42, 1)}}):
        wanted = fit(TEXT, Y[1], params, x=X, loss="poisson", **more)
        with pytest.warns(FitWarning, match="calls Python"):
            found = fit(called, Y[1], params, x=X, loss="poisson", **more)
        compare(found, wanted)
        compare(Model(called).fit(Y[1], params, x=X, loss="poisson", **more), wanted)
    wanted = fit(TEXT, y, x=X, **START, loss="poisson", nan_policy="omit")
    with pytest.warns(FitWarning, match="calls Python"):
        found = fit(called, y, x=X, **START, loss="poisson", nan_policy="omit")
    assert found.ndata == wanted.ndata == X.size - 1
    compare(found, wanted)
    limits = {"bounds": {"t": (np.linspace(.5, 1.6, 12), 3.0)}, "vary": {"c": np.arange(12) % 2 == 0}}
    wanted = fit_batch(TEXT, Y, x=X, **START, loss="poisson", **limits)
    with pytest.warns(FitWarning, match="call Python"):
        found = fit_batch(called, Y, x=X, **START, loss="poisson", **limits)
    for name in START:
        np.testing.assert_allclose(found.values[name], wanted.values[name], rtol=1e-4)
        np.testing.assert_allclose(found.stderr[name], wanted.stderr[name], rtol=1e-3)


def test_intervals_and_pickles():
    """Profiles are those of the deviance; a result's pickle has its loss."""
    wanted = fit(TEXT, Y[2], x=X, **START, loss="poisson").conf_interval(["t"], sigmas=[1])["t"]
    with pytest.warns(FitWarning, match="calls Python"):
        found = fit(called, Y[2], x=X, **START, loss="poisson")
    limits = found.conf_interval(["t"], sigmas=[1])["t"]
    np.testing.assert_allclose([limit for _, limit in limits], [limit for _, limit in wanted], rtol=1e-4)
    assert pickle.loads(pickle.dumps(found)).loss.name == "poisson"


def test_what_is_no_count():
    """Negative counts and starts without a likelihood are told as of compiled fits; a row of a batch has a status."""
    for call in (lambda y, **start: fit(called, y, x=X, **start, loss="poisson"),
                 lambda y, **start: Model(called).fit(y, x=X, **start, loss="poisson")):
        with pytest.raises(InputError, match="not negative"):
            call(Y[0] - 3, **START)
        with pytest.raises(InputError, match="zero or negative at 40 of 40 points"):
            call(Y[0], A=-3.0, t=1.0, c=-1.0)
    with pytest.warns(FitWarning, match="call Python"):
        batch = fit_batch(called, Y, x=X, A=np.where(np.arange(12) == 3, -90.0, 30.0), t=2.0, c=1.0, loss="poisson")
    assert batch.status[3] == FitStatus.NOT_POSITIVE and batch.success.sum() == 11
    with pytest.raises(InputError, match=r"y is -1.0 at \(2, 4\)"):
        fit_batch(called, np.where((np.arange(12)[:, None] == 2) & (np.arange(40) == 4), -1.0, Y), x=X, **START, loss="poisson")
