"""Intervals where a parameter that enters squared is 0 at the minimum: its column tells nothing, and slopes don't move it."""
import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.stats import f as f_distribution

import gslfit

X = np.linspace(0, 5, 30)
SIGMAS = 2.
ENTRIES = "fit", "fit_batch", "minimize"


def parameters(unit, lower):
    params = gslfit.Parameters()
    params.add("c", 1.1*unit)
    params.add("b", .3*unit**.5, min=lower)
    return params


def intervals(entry, y, unit, lower, name):
    """Return the limits of one parameter, of `c + b**2*x`."""
    params = parameters(unit, lower)
    if entry == "minimize":
        result = gslfit.minimize(lambda p: p["c"].value + p["b"].value**2*X - y*unit, params)
        assert result.success
        return [value for _, value in gslfit.conf_interval(result, [name], sigmas=[SIGMAS])[name]]
    text = "c + b**2*x"
    found = gslfit.fit(text, y*unit, params, x=X) if entry == "fit" else gslfit.fit_batch(text, y[None]*unit, params, x=X)[0]
    assert found.success
    return [value for _, value in found.conf_interval([name], sigmas=[SIGMAS])[name]]


def rise(y):
    """How far chi-square rises to a limit."""
    return np.sum((y - y.mean())**2)*f_distribution.ppf(.9544997361036416, 1, X.size - 2)/(X.size - 2)


def of_c(c, y):
    """Chi-square's rise with c held: b**2 is the best slope that isn't negative."""
    slope = max(0., float(X @ (y - c)/(X @ X)))
    return np.sum((c + slope*X - y)**2) - np.sum((y - y.mean())**2)


def of_b(b, y):
    """Chi-square's rise with b held: c is the mean of what is left."""
    left = y - b*b*X
    return np.sum((left - left.mean())**2) - np.sum((y - y.mean())**2)


def falling(seed):
    y = 1 - .02*X + .1*np.random.default_rng(seed).normal(size=30)
    return y if np.polyfit(X, y, 1)[0] < 0 else y - 2*np.polyfit(X, y, 1)[0]*X


@pytest.mark.parametrize("lower", [0, -np.inf])
@pytest.mark.parametrize("entry", ENTRIES)
def test_others_have_it_wake_up(entry, lower):
    """With a lower c the line rises: b leaves 0, where it has no slope. Held there, the limit was too near by a third."""
    for seed in range(6):
        y = falling(seed)
        low, _, high = intervals(entry, y, 1., lower, "c")
        assert of_c(low, y) == pytest.approx(rise(y), rel=2e-3) and of_c(high, y) == pytest.approx(rise(y), rel=2e-3)


@pytest.mark.parametrize("unit", [1., 1e-9, 1e30, 1e-100, 1e100])
@pytest.mark.parametrize("lower", [0, -np.inf])
@pytest.mark.parametrize("entry", ENTRIES)
def test_its_own_limits_in_any_unit(entry, lower, unit):
    """They begin where the residual sees it: from steps of its value, 1e-9 or 0, chi-square seemed to level off."""
    for seed in range(3):
        y = falling(seed)
        low, _, high = np.array(intervals(entry, y, unit, lower, "b"))/unit**.5
        expected = brentq(lambda b, y=y: of_b(b, y) - rise(y), 1e-3, 3)
        assert high == pytest.approx(expected, rel=1e-3)
        assert low == (-np.inf if lower == 0 else pytest.approx(-expected, rel=1e-3))
