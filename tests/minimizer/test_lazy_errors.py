"""Errors and correlations are worked out when somebody reads them; nobody notices."""
import copy
import gc
import pickle
import weakref

import numpy as np
import pytest

import gslfit

X = np.linspace(0, 5, 40)
Y = 3 * np.exp(-.7 * X) + 1 + np.random.default_rng(0).normal(0, .02, X.size)


@pytest.fixture
def fitted():
    """Parameters after a fit, nothing of them read yet."""
    params = gslfit.Parameters()
    params.add_many(("a", 2.), ("b", 1., True, 0), ("c", 0.))
    params.add("half", expr="a/2")
    out = gslfit.minimize(lambda p: p["a"] * np.exp(-p["b"] * X) + p["c"] - Y, params)
    return out, params


def errors_of(params):
    """All standard errors, and one correlation."""
    return [par.stderr for par in params.values()] + [params["a"].correl["b"]]


@pytest.mark.parametrize("double", [copy.copy, copy.deepcopy, lambda params: pickle.loads(pickle.dumps(params)),
                                    lambda params: gslfit.Parameters().loads(params.dumps())], ids=["copy", "deepcopy", "pickle", "json"])
def test_copies_of_what_was_not_read(fitted, double):
    """A copy has the errors that the original has."""
    _, params = fitted
    twin = double(params)
    assert errors_of(twin) == errors_of(params)
    assert None not in errors_of(params)


def test_the_copy_that_was_fitted_goes_with_the_fit():
    """What will ask for errors doesn't keep it, or each fit with an expression would leave it to the garbage collector."""
    params = gslfit.Parameters()
    params.add_many(("a", 2.), ("b", 1.))
    params.add("half", expr="a/2")
    out = gslfit.minimize(lambda p: p["a"] * np.exp(-p["b"] * X) - Y, params)
    gone = weakref.ref(out._setup.free.params)
    collecting = gc.isenabled()
    gc.disable()
    try:
        del out
        assert gone() is None
    finally:
        if collecting:
            gc.enable()
    assert params["half"].stderr == pytest.approx(params["a"].stderr/2, rel=1e-12)


def test_they_are_of_the_fit_that_ended(fitted):
    """What happens to values afterwards does not reach them."""
    out, params = fitted
    params["a"].value = 77.
    sigma = np.sqrt(np.diag(out.covar))
    assert [params[name].stderr for name in "abc"] == pytest.approx(sigma, rel=1e-12)
    assert params["half"].stderr == pytest.approx(sigma[0] / 2, rel=1e-12)


def test_another_fit_replaces_them(fitted):
    """Also where the first fit's were never read; an error set by hand stays."""
    out, params = fitted
    params["b"].set(vary=False)
    out.leastsq()
    assert params["b"].stderr == 0
    assert params["b"].correl is None
    params["a"].stderr = 5.
    assert params["a"].stderr == 5
    assert params["a"].correl.keys() == {"c"}
