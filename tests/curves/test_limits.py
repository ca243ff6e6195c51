"""A limit of evaluations counts all of them, whoever makes them."""
import numpy as np
import pytest

import gslfit

X = np.linspace(0, 10, 50)
Y = 3*np.exp(-(X - 5)**2/2) + 0.5 + 0.05*np.random.default_rng(1).standard_normal(50)
TEXT = "A*exp(-(x - c)**2/(2*s**2)) + b"
STARTS = {"near": {"A": 2.0, "c": 4.5, "s": 1.5, "b": 0.0}, "far": {"A": 2.0, "c": 2.0, "s": 0.5, "b": 0.0}}


@pytest.mark.parametrize("where", STARTS)
@pytest.mark.parametrize("limit", [1, 2, 4, 8, 9, 10, 12, 13, 20, 40, 200])
def test_fit(where, limit):
    """The lanes, the polish and `minimize` together keep to it; a fit that is stopped says so, and is no worse than its start."""
    params = gslfit.Parameters()
    for name, value in STARTS[where].items():
        params.add(name, value)
    result = gslfit.fit(TEXT, Y, params, x=X, max_nfev=limit)
    whole = gslfit.fit(TEXT, Y, params, x=X)
    assert result.nfev <= limit
    if result.success:
        assert result.chisqr == pytest.approx(whole.chisqr, rel=1e-9)
        assert result.errorbars
    else:
        assert "limit of" in result.message
        begun = np.sum((gslfit.Formula(TEXT)(x=X, **STARTS[where]) - Y)**2)
        assert whole.chisqr*(1 - 1e-9) <= result.chisqr <= begun
    if where == "near":
        assert result.success == (limit >= 10)      # where it is so easy


@pytest.mark.filterwarnings("ignore:the fits? calls? Python")
@pytest.mark.parametrize("limit", [3, 10, 25])
@pytest.mark.parametrize("method", ["auto", "lmder", "lmsder"])
def test_a_function_that_is_called(method, limit):
    """It isn't called more often than that, but for the one call that finds out that it can't be traced."""
    calls = []

    def peak(x, A, c, s):
        calls.append(1)
        return np.array([float(A)*np.exp(-(each - float(c))**2/(2*float(s)**2)) for each in x])
    result = gslfit.fit(peak, Y, x=X, A=20.0, c=1.0, s=0.3, max_nfev=limit, method=method)
    assert not result.success and "limit of" in result.message
    assert result.nfev == limit and len(calls) <= limit + 1


def test_exact_data_whose_truth_lies_on_bounds():
    """A fit says of it, as a batch does, which parameters are at their bounds, without errors; the others' errors are those beside them."""
    random = np.random.default_rng(7)
    agreeing = 0
    for _ in range(60):
        truth = {"a": 2., "m": 4., "s": 1.1, "c": .2}
        x = np.sort(random.uniform(0, 10, random.integers(8, 40)))
        y = truth["a"]*np.exp(-(x - truth["m"])**2/(2*truth["s"]**2)) + truth["c"]
        params = gslfit.Parameters()
        for name, value in truth.items():
            low, high = ((value, np.inf), (-np.inf, value), (-np.inf, np.inf))[random.integers(3)]
            params.add(name, float(np.clip(value*random.uniform(.7, 1.4), low, high)), min=low, max=high)
        text = "a*exp(-(x - m)**2/(2*s**2)) + c"
        fitted = gslfit.fit(text, y, params, x=x, scale_covar=False)
        batch = gslfit.fit_batch(text, y[None], params, x=x, scale_covar=False)
        own = np.array([np.nan if par.stderr is None else par.stderr for par in fitted.params.values()])
        theirs = np.array([batch.stderr[name][0] for name in truth])
        for result, errors in ((fitted.status, own), (batch.status[0], theirs)):
            assert (result == gslfit.FitStatus.AT_BOUND) == np.isnan(errors).any()
        assert [name for name, error in zip(truth, own, strict=True) if np.isnan(error)] == [
            name for name in truth if f"{name} is at its bound" in fitted.message]
        if np.array_equal(np.isnan(own), np.isnan(theirs)):     # rounding says which of them are pushed against their bounds
            agreeing += 1
            assert own == pytest.approx(theirs, rel=1e-6, nan_ok=True)
    assert agreeing > 50
