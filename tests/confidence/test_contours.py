"""Regions by the engine against the careful code, and contours against algebra, profiles and joint coverage."""
import numpy as np
import pytest
from scipy.optimize import least_squares, minimize_scalar
from scipy.stats import chi2
from scipy.stats import f as f_distribution

import gslfit
from gslfit import Parameters, confidence_contours
from gslfit.confidence import region
from gslfit.confidence.region_engine import lowest
from gslfit.errors import FitError, InputError

pytest.importorskip("contourpy")
X = np.linspace(0, 6, 50)
Y = .5 + 3*np.exp(-X/1.5) + .05*np.random.default_rng(5).normal(size=50)
DECAY = {"c": .5, "A": 3., "t": 1.4}


def decay(params=None, **how):
    """Fit a decay."""
    return gslfit.fit("c + A*exp(-x/t)", Y, params, x=X, **(DECAY if params is None else {}), **how)


def bounded():
    """Fit a decay whose constant may not go below .49."""
    params = Parameters()
    for name, value in DECAY.items():
        params.add(name, value)
    params["c"].min = .49
    return decay(params)


COUNTS = np.random.default_rng(3).poisson(5 + 30*np.exp(-(X - 3)**2/2))
FITS = {"decay": decay, "known errors": lambda: decay(yerr=.05, scale_covar=False), "bounded": bounded,
        "counts": lambda: gslfit.fit("c + A*exp(-(x - m)**2/2)", COUNTS, x=X, loss="poisson", c=5., A=30., m=3.)}


def limits(result, names):
    """Return two standard errors about the best values, within the bounds."""
    found = []
    for par in (result.params[name] for name in names):
        half = 2*(par.stderr or .02)        # one on its bound has no error
        low, high = par.value - half, par.value + half
        found.append((low if par.min is None else max(low, par.min), high))
    return found


@pytest.mark.parametrize("name", FITS)
def test_regions_as_by_the_careful_code(name, monkeypatch):
    """The same probabilities on a grid of the same range."""
    result, asked = FITS[name](), []

    def noted(*given):
        asked.append(lowest(*given))
        return asked[-1]
    monkeypatch.setattr(region, "lowest", noted)
    pair = ("c", "t") if name != "counts" else ("c", "m")
    found = result.conf_interval2d(*pair, 9, 7, limits(result, pair))
    assert asked[-1] is not None
    monkeypatch.setattr(region, "compiled", lambda ftest: None)
    careful = result.conf_interval2d(*pair, 9, 7, limits(result, pair))
    for mine, theirs in zip(found, careful, strict=True):
        assert np.allclose(mine, theirs, atol=2e-5)


def test_a_region_that_is_bent_is_left_to_the_careful_code():
    """Two decays that can be exchanged: the grid is the same from both."""
    x = np.linspace(0, 6, 40)
    y = 3*np.exp(-x/.7) + 2*np.exp(-x/2.1) + .05*np.random.default_rng(1).normal(size=40)
    fixed = Parameters()
    for name, value in {"a": 3., "s": .7, "b": 2., "t": 2.1}.items():
        fixed.add(name, value, vary=name in "st")
    result = gslfit.fit("a*exp(-x/s) + b*exp(-x/t)", y, fixed, x=x)
    grid = result.conf_interval2d("s", "t", 5, 5)[2]
    assert np.isfinite(grid).all()


@pytest.mark.parametrize("known", [False, True])
def test_ellipses_of_a_line(known):
    """A line's contours are ellipses of its covariance, at the quantiles of F or chi-square with two degrees of freedom."""
    result = gslfit.fit("a + b*x", Y, x=X, a=0., b=0., yerr=.3, scale_covar=not known)
    best = [result.params[name].value for name in "ab"]
    found = confidence_contours(result, "a", "b", [.5, .99])
    for level in (.5, .99):
        line, = found[level]
        assert np.array_equal(line[0], line[-1])
        height = chi2.ppf(level, 2) if known else 2*f_distribution.ppf(level, 2, 48)
        heights = np.einsum("ki,ij,kj->k", line - best, np.linalg.inv(result.covar), line - best)
        assert np.allclose(heights, height, rtol=3e-4)


@pytest.mark.parametrize("name", ["decay", "bounded", "counts"])
def test_points_lie_on_the_level(name):
    """Each point's chi-square, the others refitted by SciPy, has the level."""
    result = FITS[name]()
    pair = ("c", "t") if name != "counts" else ("A", "m")
    lines = confidence_contours(result, *pair, [1, 2], points=20)
    assert list(lines) == [1., 2.]
    for line in lines[2.]:
        assert len(line) > 20
        for x, y in line[::9]:
            if name == "counts":
                def deviance(c, x=x, y=y):
                    mean = c + x*np.exp(-(X - y)**2/2)
                    return 2*np.sum(mean - COUNTS + np.where(COUNTS > 0, COUNTS*np.log(np.maximum(COUNTS, 1)/mean), 0.))
                low = minimize_scalar(deviance, bounds=(2., 9.), method="bounded", options={"xatol": 1e-10}).fun
                assert low - 2*result.cost == pytest.approx(chi2.ppf(.9544997361, 2), rel=1e-3)
                continue
            low = 2*least_squares(lambda A, x=x, y=y: x + A*np.exp(-X/y) - Y, [3.], method="lm", xtol=1e-14, ftol=1e-14).cost
            height = (low/result.chisqr - 1)*47/2
            assert height == pytest.approx(f_distribution.ppf(.9544997361, 2, 47), rel=1e-3) or x == pytest.approx(.49, abs=1e-9)


def test_points_lie_on_the_level_where_errors_are_far_too_small():
    """Chi-square is 360,000 and the level 6 above it: each place is refitted until 6 of so many are right, as by SciPy."""
    result = decay(yerr=5e-4, scale_covar=False)
    line, = confidence_contours(result, "c", "A", [.95], points=20)[.95]
    for c, A in line[::12]:
        low = 2*least_squares(lambda t, c=c, A=A: (c + A*np.exp(-X/t) - Y)/5e-4, [1.4], method="lm", xtol=1e-14, ftol=1e-14).cost
        assert low - result.chisqr == pytest.approx(chi2.ppf(.95, 2), rel=3e-4)


def test_refits_stay_within_the_bounds_of_the_others():
    """Each point of a contour has the level where the third parameter, which chi-square pulls over its bound, is held there."""
    result = bounded()
    line, = confidence_contours(result, "A", "t", [.95], points=20)[.95]
    held = 0
    for A, t in line[::3]:
        model = A*np.exp(-X/t)
        free = np.mean(Y - model)
        held += free < .49
        height = (np.sum((max(.49, free) + model - Y)**2)/result.chisqr - 1)*47/2
        assert height == pytest.approx(f_distribution.ppf(.95, 2, 47), rel=1e-3)
    assert 0 < held < len(line[::3])


def test_a_region_that_a_bound_cuts():
    """Its line ends at the bound, and goes no further."""
    line, = confidence_contours(bounded(), "c", "t", [.95])[.95]
    assert line[:, 0].min() == pytest.approx(.49, abs=1e-9)
    assert not np.array_equal(line[0], line[-1])


def test_as_wide_as_the_profiles():
    """A contour's extent is that of the profiles at the same rise of chi-square."""
    result = decay(yerr=.05, scale_covar=False)
    line, = confidence_contours(result, "c", "t", [.95], points=60)[.95]
    chance = chi2.cdf(chi2.ppf(.95, 2), 1)
    for k, name in enumerate(("c", "t")):
        (_, low), _, (_, high) = result.conf_interval([name], [chance])[name]
        assert line[:, k].min() == pytest.approx(low, abs=2e-3*(high - low))
        assert line[:, k].max() == pytest.approx(high, abs=2e-3*(high - low))


def test_residual_functions_have_contours_too():
    """What isn't compiled is refitted one place after the other."""
    params = Parameters()
    params.add_many(("a", 1.), ("b", 1.))
    mini = gslfit.minimize(lambda p: p["a"] + p["b"]*X - Y, params)
    line, = confidence_contours(mini, "a", "b", [.9], points=8)[.9]
    best = [mini.params[name].value for name in "ab"]
    heights = np.einsum("ki,ij,kj->k", line - best, np.linalg.inv(mini.covar), line - best)
    assert np.allclose(heights, 2*f_distribution.ppf(.9, 2, 48), rtol=1e-3)


def test_asked_for_wrongly():
    """Each mistake is one clear error; a region without an end says which side."""
    result = decay()
    with pytest.raises(InputError, match="twice"):
        confidence_contours(result, "c", "c")
    with pytest.raises(InputError, match="no parameter"):
        confidence_contours(result, "c", "d")
    with pytest.raises(InputError, match="above 0"):
        confidence_contours(result, "c", "t", [0])
    with pytest.raises(InputError, match="points"):
        confidence_contours(result, "c", "t", points=2)
    assert confidence_contours(result, "c", "t", []) == {}
    with pytest.raises(FitError, match="bootstrap"):
        confidence_contours(decay(loss="huber", f_scale=.1), "c", "t")
    x = np.array([.1, .2, .4, .6, .9, 1.2])
    y = 3*x/(2 + x) + .06*np.array([1, -1, .5, .5, -1, 1])
    open_ = gslfit.fit("v*x/(k + x)", y, x=x, v=3., k=2.)
    with pytest.raises(InputError, match="no end"):
        confidence_contours(open_, "v", "k", [.99])
