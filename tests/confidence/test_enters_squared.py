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


CURVE = {"c": np.ones(30), "d": X, "q": X*X}


def of_two(name, value, y):
    """Chi-square of `c + d*x + b**2*x**2` with c or d held: the other one and b**2, which isn't negative, at their best."""
    left, other = y - value*CURVE[name], CURVE["d" if name == "c" else "c"]
    found = []
    for columns in ([other, CURVE["q"]], [other]):
        A = np.column_stack(columns)
        best = np.linalg.lstsq(A, left, rcond=None)[0]
        if len(columns) == 1 or best[1] >= 0:
            found.append(np.sum((left - A @ best)**2))
    return min(found)


@pytest.mark.parametrize("unit", [1., 1e-60, 1e60])
@pytest.mark.parametrize("name", ["c", "d"])
@pytest.mark.parametrize("entry", ENTRIES)
def test_others_go_on_beside_it(entry, name, unit):
    """One of two others is held, and the other one refitted, while it sleeps: its own steps, of any length, kept that one where it was."""
    for seed in range(3):
        y = 1 + .3*X - .02*X*X + .03*np.random.default_rng(seed).normal(size=30)
        params = gslfit.Parameters()
        params.add_many(("c", .8*unit), ("b", .5*unit**.5), ("d", .1*unit))
        text = "c + d*x + b**2*x**2"
        if entry == "minimize":
            f = gslfit.Formula(text)
            result = gslfit.minimize(lambda p, f=f, y=y: f(x=X, **p.valuesdict()) - y*unit, params)
            limits = gslfit.conf_interval(result, [name], sigmas=[1., SIGMAS])[name]
        else:
            result = gslfit.fit(text, y*unit, params, x=X) if entry == "fit" else gslfit.fit_batch(text, y[None]*unit, params, x=X)[0]
            limits = result.conf_interval([name], sigmas=[1., SIGMAS])[name]
        assert result.success and abs(result.params["b"].value) < 1e-3*unit**.5
        line = np.linalg.lstsq(np.stack([CURVE["c"], X], 1), y, rcond=None)
        for probability, value in limits:
            expected = line[1][0]*(1 + f_distribution.ppf(probability, 1, 27)/27)
            assert probability == 0 or of_two(name, value/unit, y) == pytest.approx(expected, rel=1e-4)
