"""Parameters that enter squared, where data push them to 0: J says nothing of them there, and chi-square has a minimum."""
import numpy as np
import pytest

import gslfit
from gslfit import FitStatus, Parameters

X = np.linspace(.1, 5, 40)
NOISE = .05*np.cos(40*X)
CASES = {"b**2*x": -X + NOISE, "a + b**2*x": 1 - .5*X + NOISE, "b**2*x + c*x**2": .2*X**2 - X + NOISE,
         "A*exp(-b**2*x)": 3*np.exp(.05*X) + NOISE, "abs(b)**2*x": -X + NOISE}
STARTS = {"a": 1., "b": 1., "c": .1, "A": 2.}


def least(text, y):
    """Return chi-square where b is 0 and what the model is linear in fits best."""
    basis = [np.ones_like(X)] if text.startswith(("a ", "A")) else [X**2] if "c" in text else []
    A = np.array(basis).T if basis else np.zeros((X.size, 1))
    return float(np.sum((y - A @ np.linalg.lstsq(A, y, rcond=None)[0])**2))


@pytest.mark.parametrize("start", [1., -2., .1])
@pytest.mark.parametrize("text", CASES)
def test_minimize_gets_there_and_says_so(text, start):
    """In some dozens of calls, without an error of what has none, and by name."""
    f, y = gslfit.Formula(text), CASES[text]
    params = Parameters()
    for name, value in STARTS.items():
        if name in f.params:
            params.add(name, start if name == "b" else value)
    out = gslfit.minimize(lambda p: f(x=X, **p.valuesdict()) - y, params)
    assert out.success and out.status == FitStatus.RANK_DEFICIENT, out.message
    assert out.chisqr == pytest.approx(least(text, y), rel=1e-9)
    assert abs(params["b"].value) < 1e-3 and params["b"].stderr is None and not out.errorbars
    assert "b is at a minimum that the Jacobian does not tell" in out.message


@pytest.mark.parametrize(("text", "start"), [("b**2*x", 1.), ("b**2*x", -2.), ("a + b**2*x", 1.), ("a + b**2*x", -2.)])
def test_without_another_look(text, start):
    """A minimum by Newton's steps is no doubt: nobody looks again from the start. They were 1000 to 1700 calls."""
    f, y = gslfit.Formula(text), CASES[text]
    params = Parameters()
    for name in f.params:
        params.add(name, start if name == "b" else STARTS[name])
    out = gslfit.minimize(lambda p: f(x=X, **p.valuesdict()) - y, params)
    assert out.success and out.nfev <= 200 and "looked again" not in out.message


@pytest.mark.parametrize("text", CASES)
def test_fit_and_batch_agree(text):
    f, y = gslfit.Formula(text), CASES[text]
    start = {name: STARTS[name] for name in f.params}
    single, rows = gslfit.fit(text, y, x=X, **start), gslfit.fit_batch(text, y[None], x=X, **start)
    assert single.success and rows.success[0]
    assert rows.status[0] == FitStatus.RANK_DEFICIENT and np.isnan(rows.stderr["b"][0])
    assert single.chisqr == pytest.approx(least(text, y), rel=1e-9) and rows.chisqr[0] == pytest.approx(least(text, y), rel=1e-9)
