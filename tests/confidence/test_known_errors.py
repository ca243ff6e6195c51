"""Intervals and regions where the errors of the data are known: chi-square's own distribution, against algebra."""
import lmfit
import numpy as np
import pytest
from scipy.stats import chi2

import gslfit
from gslfit import Parameters, conf_interval, conf_interval2d, f_compare
from gslfit.compat import lmfit as compat
from gslfit.errors import InputError

X = np.linspace(0, 4, 12)
SIGMA = .3
Y = 2 + .7*X + .5*SIGMA*np.random.default_rng(3).normal(size=X.size)       # so the reduced chi-square is about 1/4


def straight(x=X, y=Y, sigma=SIGMA, make=Parameters, start=1.):
    """Return a fitted straight line, and the covariance that algebra gives."""
    params = make()
    params.add("a", start)
    params.add("b", start)
    A = np.stack([np.ones_like(x), x], axis=1)/SIGMA
    residual = lambda p: (p["a"].value + p["b"].value*x - y)/sigma      # noqa: E731
    return residual, params, np.linalg.inv(A.T @ A)


def fitted(*args, **kws):
    residual, params, covar = straight(*args, **kws)
    return gslfit.minimize(residual, params, scale_covar=False), covar


@pytest.mark.parametrize("points", [2, 3, 12])
def test_limits_are_those_of_chi_square(points):
    """Of a straight line as many standard errors away as chi-square's distribution says, also with no degree of freedom left."""
    mini, covar = fitted(X[:points], Y[:points])
    found = conf_interval(mini, sigmas=[.5, .95, 3])
    for k, name in enumerate("ab"):
        best = mini.params[name].value
        assert mini.params[name].stderr == pytest.approx(covar[k, k]**.5, rel=1e-6)
        for chance, limit in found[name]:
            assert abs(limit - best) == pytest.approx((chi2.ppf(chance, 1)*covar[k, k])**.5, rel=1e-3, abs=1e-12)
    assert not found.notes and not found.ranges


@pytest.mark.parametrize("unit", [1e-150, 1e120])
def test_units_do_not_matter(unit):
    """Data and their errors in another unit have the same limits in it."""
    mini, _ = fitted(X, Y*unit, SIGMA*unit, start=unit)
    (_, low), _, (_, high) = conf_interval(mini, "b", sigmas=[.95])["b"]
    assert (high - low)/2/unit == pytest.approx((chi2.ppf(.95, 1)*fitted()[1][1, 1])**.5, rel=1e-3)


def test_exact_data():
    """Data without any error have limits too, those of the errors that are said to be theirs."""
    mini, covar = fitted(X, 2 + .7*X)
    (_, low), _, (_, high) = conf_interval(mini, "b", sigmas=[.95])["b"]
    assert [low - .7, high - .7] == pytest.approx(np.array([-1, 1])*(chi2.ppf(.95, 1)*covar[1, 1])**.5, rel=1e-3)


def test_region():
    """The probability of a point is chi-square's with two degrees of freedom of its distance in units of the covariance."""
    mini, covar = fitted()
    x, y, grid = conf_interval2d(mini, "a", "b", 5, 4)
    best = np.array([mini.params[name].value for name in "ab"])
    assert x[[0, -1]] == pytest.approx(best[0] + np.array([-5, 5])*covar[0, 0]**.5)
    offsets = np.stack(np.meshgrid(x - best[0], y - best[1]), axis=-1)
    expected = chi2.cdf(np.einsum("...i,ij,...j", offsets, np.linalg.inv(covar), offsets), 2)
    assert grid == pytest.approx(expected, abs=1e-6)


def test_a_probability_that_is_given_decides():
    """The F-test, if it is asked for, gives what it gives with estimated errors."""
    residual, params, _ = straight()
    expected = conf_interval(gslfit.minimize(residual, params), sigmas=[.95])
    mini, _ = fitted()
    assert conf_interval(mini, sigmas=[.95], prob_func=f_compare) == expected
    assert conf_interval(mini, sigmas=[.95]) != expected
    own = conf_interval(mini, "a", sigmas=[.95], prob_func=lambda ndata, nparas, new, old, nfix: chi2.cdf(new - old, nfix))["a"]
    assert [limit for _, limit in own] == pytest.approx([limit for _, limit in conf_interval(mini, "a", sigmas=[.95])["a"]], rel=1e-6)


def test_models():
    """A model's fit with known errors has the same limits."""
    result = gslfit.Model("a + b*x").fit(Y, x=X, a=1, b=1, weights=np.full(X.size, 1/SIGMA), scale_covar=False)
    expected = conf_interval(fitted()[0], sigmas=[.95])
    for name, rows in result.conf_interval(sigmas=[.95]).items():
        assert [limit for _, limit in rows] == pytest.approx([limit for _, limit in expected[name]], rel=1e-5)


def test_compat_has_lmfits():
    """lmfit takes the F-test whether errors are known or not, and so does the compat layer."""
    residual, params, _ = straight(make=lmfit.Parameters)
    theirs = lmfit.Minimizer(residual, params, scale_covar=False)
    expected = lmfit.conf_interval(theirs, theirs.minimize(), sigmas=[.95])
    residual, params, _ = straight(make=compat.Parameters)
    ours = compat.Minimizer(residual, params, scale_covar=False)
    found = compat.conf_interval(ours, ours.minimize(), sigmas=[.95])
    for name, rows in found.items():
        assert [limit for _, limit in rows] == pytest.approx([limit for _, limit in expected[name]], rel=1e-4)


def test_degrees_of_freedom_that_are_needed():
    """With estimated errors some have to be left; the error says that known ones need none."""
    residual, params, _ = straight(X[:2], Y[:2])
    with pytest.raises(InputError, match="scale_covar=False"):
        conf_interval(gslfit.minimize(residual, params))
