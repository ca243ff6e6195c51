"""Numbers too small to be normal: flushed to 0 in the sums of a batch, kept wherever a caller sees them."""
import numpy as np
import pytest

from gslfit import Formula, fit, fit_batch

X = np.linspace(-60, 60, 200)
TINY = np.array([5e-324, 1e-310])


def smallest():
    """Return what NumPy makes of a product that is subnormal, in this thread."""
    return float(TINY[1]*np.float64(.5))


@pytest.mark.parametrize("threads", [1, 2])
def test_mode_is_as_before(threads):
    """After a batch, in its progress calls and in a model that is called, subnormal numbers are there."""
    seen = []

    def model(x, a, s):
        seen.append(smallest())
        return a*np.exp(-(x/s)**2)

    start = {"a": np.full(3000, 2.), "s": 3.}
    y = 3*np.exp(-(X/2)**2) + np.random.default_rng(4).normal(0, .1, (3000, 200))
    found = fit_batch("a*exp(-(x/s)**2)", y, x=X, start=start, threads=threads, progress=lambda done: seen.append(smallest()))
    assert found.success.all()
    fit_batch(model, y[:3], x=X, start={"a": 2., "s": 3.})
    assert len(seen) >= 2               # the end of the batch, and the function traced
    assert set(seen) == {5e-311}
    assert smallest() == 5e-311


def test_evaluation_keeps_them():
    """A formula's own values are not flushed."""
    value = Formula("A*exp(-x)")(np.array([720.]), A=1.)
    assert value[0] == pytest.approx(np.exp(-720.), rel=1e-9)
    assert 0 < value[0] < 2.3e-308


def test_tails_do_not_matter():
    """Peaks far apart, whose tails are subnormal, are fitted as SciPy fits them."""
    from scipy.optimize import curve_fit as by_scipy

    def peaks(x, a, b, s):
        return a*np.exp(-(x + 40)**2/(2*s**2)) + b*np.exp(-(x - 40)**2/(2*s**2))

    y = peaks(X, 3, 2, 1.1) + np.random.default_rng(7).normal(0, .05, X.size)
    text = "a*exp(-(x + 40)**2/(2*s**2)) + b*exp(-(x - 40)**2/(2*s**2))"
    values, covariance = by_scipy(peaks, X, y, (2, 2, 2), xtol=1e-14, ftol=1e-14, gtol=1e-14)
    for found in (fit(text, y, x=X, start=dict(a=2, b=2, s=2)), fit_batch(text, y[None], x=X, start=dict(a=2, b=2, s=2))[0]):
        assert found.success
        errors = np.sqrt(np.diag(covariance))
        for k, name in enumerate("abs"):
            assert abs(found.params[name].value - values[k]) < 1e-6*errors[k]
            assert found.params[name].stderr == pytest.approx(errors[k], rel=1e-6)
