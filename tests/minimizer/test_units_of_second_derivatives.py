"""What Jacobians show of second derivatives is kept in units in which it is in range, wherever the parameters' own squares are not."""
import numpy as np
import pytest

import gslfit
from gslfit import Parameters

X = np.linspace(.2, 1.2, 41)


def fitted(unit, seed):
    """Fit a line of a wrong width on a wrong ground: bounds hold both, and the misfit's curvature counts. Return a value, its error, ..."""
    y = (1.2*np.exp(-(np.log(X/.36)/.3)**2) + .02*np.random.default_rng(seed).standard_normal(41))*unit
    params = Parameters()
    params.add("y0", -.1*unit, max=-.1*unit)
    params.add("A", .6*unit, min=.6*unit)
    params.add("x0", .43)
    params.add("width", .13, max=.13)

    def residual(p):
        with np.errstate(invalid="ignore"):
            return p["y0"].value + p["A"].value*np.exp(-(np.log(X/p["x0"].value)/p["width"].value)**2) - y
    result = gslfit.minimize(residual, params)
    assert result.success, result.message
    return params["x0"].value, params["x0"].stderr, params["A"].value/unit, result.nfev


@pytest.mark.parametrize("unit", [1e-250, 1e-175, 1e-160, 1e160, 1e175, 1e250])
def test_a_fit_that_needs_them(unit):
    """They overflowed beyond 1e154: fits took 40 times the calls, ended in another valley, or where a step was not a number."""
    for seed in range(6):
        (x0, error, A, calls), (like_x0, like_error, like_A, like_calls) = fitted(unit, seed), fitted(1., seed)
        assert abs(x0 - like_x0) < 1e-6*like_error and error == pytest.approx(like_error, rel=1e-6)
        assert abs(A - like_A) < 1e-6*like_A
        assert calls <= like_calls + 20


def test_zero_data_are_not_looked_at_further():
    """A residual of zero has no way down: looks for one took nearly all of 2000 calls."""
    rng = np.random.default_rng(11)
    for _ in range(16):
        params = Parameters()
        for name, value in zip("Atc", [0, 2, 0] + .3*rng.standard_normal(3), strict=True):
            params.add(name, value)
        result = gslfit.minimize(lambda p: p["A"].value*np.exp(-X*8/p["t"].value) + p["c"].value, params)
        assert result.success and result.nfev < 400, (result.nfev, result.message)
