"""The bootstrap of fits by robust losses, with outliers on one side: what it is drawn from, where its intervals lie, what they cover."""
import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.stats import norm

import gslfit
from gslfit.objective.loss import Loss
from gslfit.resampling.draws import Draws, inflated, location
from gslfit.resampling.fitted import fitted_of

PSI = {     # the derivatives of SciPy's losses by the residual, in units of the scale, and of Tukey's biweight
    "huber": lambda u: np.clip(u, -1, 1), "soft_l1": lambda u: u/np.sqrt(1 + u**2), "cauchy": lambda u: u/(1 + u**2),
    "arctan": lambda u: u/(1 + u**4), "tukey": lambda u: np.where(np.abs(u) < 1, u*(1 - u**2)**2, 0.0)}
SCALE = .15
X = np.linspace(0, 10, 40)


def spoilt(seed=1):
    """Return a constant with errors of 0.1 and one outlier far above it."""
    y = 3 + np.random.default_rng(seed).normal(0, .1, X.size)
    y[5] = 50.
    return y


@pytest.mark.parametrize("loss", PSI)
def test_slopes_of_what_is_drawn_sum_up_to_zero(loss):
    """The fit is that of what replicates are drawn from: of curves, of functions that are called, and without a constant in the model."""
    fit = gslfit.fit("c+0*x", spoilt(), x=X, c=1., loss=loss, f_scale=SCALE)
    params = gslfit.Parameters()
    params.add("c", 1.)
    called = gslfit.minimize(lambda params: [float(number) for number in params["c"].value - spoilt()], params, loss=loss, f_scale=SCALE)
    bare = gslfit.fit("a*x", spoilt() - 2.8, x=X, a=.1, loss=loss, f_scale=SCALE)
    for found in fit, called, bare:
        fitted = fitted_of(found, "a bootstrap")
        noise = inflated(fitted)
        assert PSI[loss](noise/SCALE).sum() == pytest.approx(0, abs=1e-8)
        moved = noise - fitted.residuals*np.sqrt(X.size/(X.size - 1))
        assert moved == pytest.approx(np.full(X.size, moved[0]), abs=1e-12)         # a step of them all
        assert set(Draws(fitted, "residual", np.random.default_rng(0)).sample(3).noise.ravel()) <= set(noise)


@pytest.mark.parametrize("loss", PSI)
@pytest.mark.parametrize("scale", [1e-200, 1, 1e200])
def test_location(loss, scale):
    """A root of the slopes' sum, whatever the units; where the loss is convex, the one that SciPy finds."""
    rng = np.random.default_rng(3)
    r = rng.normal(2, .1, 60)
    r[:6] += rng.uniform(3, 9, 6)
    found = location(r*scale, Loss(loss, SCALE*scale))/scale
    assert PSI[loss]((r - found)/SCALE).sum() == pytest.approx(0, abs=1e-9)
    assert found == pytest.approx(2, abs=.1)
    if loss in ("huber", "soft_l1"):
        assert found == pytest.approx(brentq(lambda m: PSI[loss]((r - m)/SCALE).sum(), r.min(), r.max(), xtol=1e-13), rel=1e-9)


@pytest.mark.parametrize("loss", PSI)
def test_intervals_hold_the_fit(loss):
    """One outlier moves neither the replicates' mean nor their scatter: that of the sandwich, and of the bootstrap of pairs."""
    fit = gslfit.fit("c+0*x", spoilt(), x=X, c=1., loss=loss, f_scale=SCALE)
    error = fit.params["c"].stderr
    boot, pairs = fit.bootstrap(2000, seed=1), fit.bootstrap(2000, "pairs", seed=1)
    assert abs(boot.bias["c"]) < .1*error
    assert boot.stderr["c"] == pytest.approx(error, rel=.15)
    for interval in (boot.percentile, boot.bca):
        assert interval(.95)["c"] == pytest.approx(pairs.percentile(.95)["c"], abs=.3*error)


def test_complex_residuals():
    """Real and imaginary parts are centred each by itself, as the loss takes them."""
    rng = np.random.default_rng(2)
    z = 2 + 1j + .1*(rng.normal(size=40) + 1j*rng.normal(size=40))
    z[:3] += 9 - 20j
    fit = gslfit.Model(lambda x, a, b: a + 1j*b + 0*x).fit(z, x=X, a=1, b=1, loss="huber", f_scale=SCALE)
    noise = inflated(fitted_of(fit, "a bootstrap"))
    assert [PSI["huber"](part/SCALE).sum() for part in (noise.real, noise.imag)] == pytest.approx([0, 0], abs=1e-8)


@pytest.mark.slow
def test_coverage():
    """95 % intervals cover what the loss is a measure of, in 300 data sets with a tenth of outliers above; within 4 binomial deviations."""
    share, size, sets, x = .1, .1, 300, np.linspace(-1, 1, 60)

    def pull(m):
        inside = quad(lambda e: PSI["huber"]((e - m)/SCALE)*norm.pdf(e, scale=size), -8*size, 8*size, points=[m - SCALE, m + SCALE])[0]
        return (1 - share)*inside + share
    truth = {"a": 2., "b": 1 + brentq(pull, 0, .3)}
    hits, ratios = dict.fromkeys(truth, 0), []
    for k in range(sets):
        rng = np.random.default_rng(k)
        e, out = rng.normal(0, size, x.size), rng.random(x.size) < share
        e[out] = rng.uniform(2, 5, out.sum())
        fit = gslfit.fit("a*x + b", truth["a"]*x + 1 + e, x=x, loss="huber", f_scale=SCALE)
        boot = fit.bootstrap(400, seed=k)
        ratios.append([boot.stderr[name]/fit.params[name].stderr for name in truth])
        for name, (low, high) in boot.percentile(.95).items():
            hits[name] += low < truth[name] < high
    for found in hits.values():
        assert abs(found - .95*sets) < 4*np.sqrt(.95*.05*sets)
    assert np.median(ratios, axis=0) == pytest.approx([1, 1], abs=.15)
