"""minimize(compiled=True): the manual's residual, unchanged, by its program."""
import numpy as np
import pytest

from gslfit import Parameters, minimize
from gslfit.errors import FitWarning

X = np.linspace(0, 10, 101)
DATA = 5*np.sin(2*X - .1)*np.exp(-.025*X*X) + np.random.default_rng(3).normal(0, .2, X.size)
CALLS = []


def residual(params, x, data, eps_data=None):
    """Return the residual of the lmfit manual."""
    CALLS.append(1)
    amp = params["amp"].value
    pshift = params["phase"].value
    freq = params["frequency"].value
    decay = params["decay"].value
    model = amp*np.sin(x*freq + pshift)*np.exp(-x*x*decay)
    return (data - model) if eps_data is None else (data - model)/eps_data


def parameters():
    """Bounds, a fixed value and an expression, as the manual has them."""
    params = Parameters()
    params.add("amp", value=10, min=0.)
    params.add("decay", expr="slow/4")
    params.add("slow", value=.1, min=.001)
    params.add("phase", value=.2)
    params.add("frequency", value=2.1, max=10.)
    return params


@pytest.mark.parametrize("eps", [None, .2, np.linspace(.1, .3, 101)])
def test_same_fit(eps):
    """The same values and errors as by calling the function, which is called a handful of times, for the trace and its check."""
    plain, own = parameters(), parameters()
    slow = minimize(residual, plain, args=(X, DATA), kws={"eps_data": eps})
    CALLS.clear()
    fast = minimize(residual, own, args=(X, DATA), kws={"eps_data": eps}, compiled=True)
    assert len(CALLS) <= 4
    assert fast.success
    assert np.isclose(fast.chisqr, slow.chisqr, rtol=1e-10)
    for name in plain:
        assert np.isclose(own[name].value, plain[name].value, rtol=1e-8)
        assert np.isclose(own[name].stderr, plain[name].stderr, rtol=1e-5)


def test_a_parameter_without_effect():
    """It is told, as without compiling."""
    params = parameters()
    params.add("idle", value=1.)
    fit = minimize(residual, params, args=(X, DATA), compiled=True)
    assert not fit.errorbars
    assert "idle" in fit.message
    assert params["amp"].stderr is not None


def test_says_why_not():
    """A residual that can't be traced is called, with a warning."""
    def picky(params, x, data):
        return residual(params, x, data) if params["amp"] > 0 else data

    params = parameters()
    with pytest.warns(FitWarning, match="picky can't be traced: a value is needed"):
        fit = minimize(picky, params, args=(X, DATA), compiled=True)
    assert fit.success
