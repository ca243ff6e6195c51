"""Refits along a profile: beside bounds of the others, over flats, and where one of the others loses its effect."""
import numpy as np
import pytest
from scipy.optimize import least_squares
from scipy.stats import chi2, f

import gslfit
from gslfit import Parameters

X4 = np.array([2.66317653158886, 2.957805277035627, 8.083779107930294, 8.292578473887628])
Y4 = np.array([1.46418898257968, 1.0956618108513345, 0.5313273691288618, 0.5606573888947592])
X5 = np.array([.5, 3., 5.5, 8., 10.5])
Y5 = np.array([0.6097269906496068, 4.027295603955785, 8.988753726855515, 15.01003424826296, 21.809891725047212])
X6 = np.linspace(0, 10, 6)
Y6 = np.array([4.494163022463952, 1.155998655874029, 0.5646862182213817, 0.32304214835974226, 0.22804885276906184, 0.13780572003644684])


def lowest(fun, starts, bounds):
    """Return the lowest chi-square over the parameters that are not held, by SciPy, from several starts."""
    return min(2*least_squares(fun, start, bounds=bounds, x_scale="jac", xtol=1e-15, ftol=1e-15, gtol=1e-15).cost for start in starts)


def limits(intervals, name):
    """Return the outermost limits of a parameter."""
    return intervals[name][0][1], intervals[name][-1][1]


@pytest.mark.parametrize("entry", ["fit", "Model", "minimize", "batch"])
def test_profiles_that_level_off(entry):
    """Points of the same height, far out on a flat, are no ZeroDivisionError; of a batch they spoilt all rows."""
    start = {"a": 4.1, "t": 1.6, "c": .8}
    text = "a*exp(-x/t) + c"
    if entry == "batch":
        batch = gslfit.fit_batch(text, np.stack([Y4, Y4 + .01]), x=X4, scale_covar=False, **start)
        found = batch.conf_interval(sigmas=[.95])
        ends = [found[name][0, side, 0] for name in start for side in (0, 1)]
    else:
        params = Parameters()
        for name, value in start.items():
            params.add(name, value)
        if entry == "minimize":
            fitted = gslfit.minimize(lambda p: p["a"]*np.exp(-X4/p["t"]) + p["c"] - Y4, params, scale_covar=False)
        elif entry == "Model":
            fitted = gslfit.Model(text).fit(Y4, params, x=X4, scale_covar=False)
        else:
            fitted = gslfit.fit(text, Y4, params, x=X4, scale_covar=False)
        ends = [end for name in start for end in limits(gslfit.conf_interval(fitted, sigmas=[.95]), name)]
    assert chi2.ppf(.95, 1) > np.sum((Y4 - Y4.mean())**2)    # a constant is good enough: any a and t will do, and any c, by a slope
    assert np.isinf(ends).all()


def test_limits_where_another_parameter_sits_on_its_bound():
    """From its bound a parameter isn't let in by a step that would lead it out: such steps had no length, and ended the refit."""
    params = Parameters()
    params.add("a", 1.1)
    params.add("b", 1.55, min=1.4)
    params.add("c", .33)
    fitted = gslfit.fit("a*x**b + c", Y5, params, x=X5)
    low, high = limits(gslfit.conf_interval(fitted, ["c"], [.95]), "c")
    level = fitted.chisqr*(1 + f.ppf(.95, 1, 2)/2)
    for limit in (low, high):
        there = lowest(lambda u, c=limit: u[0]*X5**u[1] + c - Y5, [(.8, 1.41), (.7, 1.5)], ([-np.inf, 1.4], np.inf))
        assert there == pytest.approx(level, rel=1e-3)


def test_all_values_of_a_factor_but_zero():
    """Of a product with the constant at its bound any factor will do: it was said to lie between two numbers."""
    x = np.linspace(0, 10, 12)
    y = .88*x + .4 + .01*np.cos(7*x)
    params = Parameters()
    params.add("a", 1.28)
    params.add("b", 1.07)
    params.add("c", .45, min=.45)
    fitted = gslfit.fit("a*b*x + c", y, params, x=x, scale_covar=False)
    found = gslfit.conf_interval(fitted, ["a", "b"], [.95])
    assert limits(found, "a") == (pytest.approx(0, abs=1e-6), np.inf)
    assert limits(found, "b") == (pytest.approx(0, abs=1e-6), np.inf)


def test_limits_beyond_where_another_parameter_has_an_effect():
    """A decay time that runs to 0 on the way has no effect any more, and doesn't stop the others."""
    params = Parameters()
    params.add("a", 4.)
    params.add("t", .62, max=.71)
    params.add("b", 1.66, min=1.66)
    params.add("u", 5.8)
    fitted = gslfit.fit("a*exp(-x/t) + b*exp(-x/u)", Y6, params, x=X6)
    found = gslfit.conf_interval(fitted, ["a", "b"], [.95])
    level = fitted.chisqr*(1 + f.ppf(.95, 1, 2)/2)
    low, high = limits(found, "a")[0], limits(found, "b")[1]
    a_held = lowest(lambda u: low*np.exp(-X6/u[0]) + u[1]*np.exp(-X6/u[2]) - Y6, [(t, b, 3.) for t in (.02, .5, .7) for b in (1.7, 2.5)],
                    ([1e-3, 1.66, .1], [.71, np.inf, np.inf]))
    b_held = lowest(lambda u: u[0]*np.exp(-X6/u[1]) + high*np.exp(-X6/u[2]) - Y6, [(a, t, 3.) for t in (.02, .5, .7) for a in (1.7, 2.5)],
                    ([-np.inf, 1e-3, .1], [np.inf, .71, np.inf]))
    assert [a_held, b_held] == pytest.approx([level]*2, rel=1e-3)
    assert not found.ranges
