"""Tolerances of batches say how near to its minimum a fit ends, in standard errors, up to 1e-2; what is beyond is not gone to."""
import numpy as np
import pytest

import gslfit

X = np.linspace(-5, 5, 50)
T = np.linspace(0, 10, 60)
TIGHT = {"xtol": 1e-12, "ftol": 1e-12, "gtol": 1e-12}


def peaks(n, noise=0.3):
    rng = np.random.default_rng(1)
    a, c, s = rng.uniform(5, 15, (n, 1)), rng.uniform(-1.5, 1.5, (n, 1)), rng.uniform(0.7, 1.6, (n, 1))
    y = 1 + a*np.exp(-(X - c)**2/(2*s**2)) + rng.normal(0, noise, (n, X.size))
    start = {"A": (a*rng.uniform(0.8, 1.2, a.shape))[:, 0], "c": (c + rng.uniform(-.2, .2, c.shape))[:, 0], "s": (1.2*s)[:, 0], "b": 0.8}
    return "A*exp(-(x - c)**2/(2*s**2)) + b", y, {"x": X, **start}


def decays(n, noise=0.1):
    rng = np.random.default_rng(2)
    a, tau = rng.uniform(3, 8, (n, 1)), rng.uniform(0.7, 3, (n, 1))
    y = 0.5 + a*np.exp(-T/tau) + rng.normal(0, noise, (n, T.size))
    return "A*exp(-t/tau) + b", y, {"t": T, "A": 1.2*a[:, 0], "tau": 0.8*tau[:, 0], "b": 0.4}


def apart(result, reference):
    """Return the distance of each fit from its minimum, the farthest parameter's, in standard errors."""
    return np.max([np.abs(result.values[name] - reference.values[name])/reference.stderr[name] for name in reference.names], axis=0)


@pytest.mark.parametrize("curves", [peaks, decays])
def test_a_tolerance_is_a_distance(curves):
    """Fits end nearer than the tolerance says, by less evaluations the wider it is, with the same standard errors."""
    formula, y, given = curves(800)
    reference = gslfit.fit_batch(formula, y, **given, **TIGHT)
    evaluations = []
    for tolerance in (1e-8, 1e-6, 1e-4, 1e-3, 1e-2):
        result = gslfit.fit_batch(formula, y, **given, xtol=tolerance, ftol=tolerance, gtol=tolerance)
        assert result.success.all() and (result.status == gslfit.FitStatus.CONVERGED).all()
        assert apart(result, reference).max() < tolerance
        evaluations.append(result.nfev.mean())
        for name in reference.names:    # J is that of the point before the last step, some times the tolerance away
            np.testing.assert_allclose(result.stderr[name], reference.stderr[name], rtol=max(1e-6, 10*tolerance))
    assert evaluations == sorted(evaluations, reverse=True) and evaluations[-1] < 0.75*evaluations[0]


def test_wider_ones_count_as_a_hundredth():
    formula, y, given = peaks(64)
    wide, widest = (gslfit.fit_batch(formula, y, **given, xtol=each, ftol=each, gtol=each) for each in (1e-2, 0.5))
    reference = gslfit.fit_batch(formula, y, **given, **TIGHT)
    assert apart(wide, reference).max() < 1e-2 and apart(widest, reference).max() < 1e-2 and widest.success.all()


@pytest.mark.parametrize("method", ["auto", "lanes"])
def test_few_points_end_in_the_lanes(method):
    """A fit of six points and three parameters has long standard errors: its last step is no doubt for that."""
    formula, y, given = decays(400, 0.02)
    y, given["t"] = y[:, :30:5], T[:30:5]
    result = gslfit.fit_batch(formula, y, **given, method=method, xtol=1e-2, ftol=1e-2, gtol=1e-2)
    reference = gslfit.fit_batch(formula, y, **given, **TIGHT)
    both = result.success & reference.success
    assert both.mean() > 0.99 and (result.status[both] == gslfit.FitStatus.CONVERGED).all()
    assert np.quantile(apart(result, reference)[both], 0.99) < 1e-2


def test_saddles_and_slopes_are_no_ends_for_that():
    """From far starts a wide tolerance reaches what a tight one reaches: where a fit goes slowly is not taken for near its minimum."""
    rng = np.random.default_rng(3)
    x = np.linspace(1, 5, 30)
    y = 0.5*x**1.5 + 2 + rng.normal(0, 0.05, (300, 30))
    given = {"x": x, "a": 1.0, "b": rng.uniform(2, 6, 300), "c": 0.0}
    tight, wide = (gslfit.fit_batch("a*x**b + c", y, **given, **each) for each in (TIGHT, {"xtol": 1e-2, "ftol": 1e-2, "gtol": 1e-2}))
    both = tight.success & wide.success
    assert both.mean() > 0.98 and apart(wide, tight)[both].max() < 0.1
