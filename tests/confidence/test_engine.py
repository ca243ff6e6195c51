"""Limits by the engine against the careful code, which refits point after point, and against SciPy; and what is left to that code."""
import numpy as np
import pytest
from profile_problem import HELD, Problem, decay
from scipy.optimize import brentq, least_squares
from scipy.stats import chi2, poisson
from scipy.stats import f as f_distribution
from valleys import CASES, CHANCE, QUICK

import gslfit
from gslfit import Parameters
from gslfit.confidence import interval
from gslfit.confidence._profile import LEVELS, STATUSES, profiles, refits
from gslfit.confidence.engine import DOUBTS, limits_of, orders_of
from gslfit.confidence.ftest import FTest
from gslfit.errors import FitError, InputError
from gslfit.formula.formula import Formula
from gslfit.formula.parametrize import fold

X = np.linspace(-5, 5, 50)
PEAK = "c + A*exp(-(x - m)**2/(2*s**2))"
START = {"c": 1., "A": 3., "m": .3, "s": 1.}
SIGMAS = [.68, .95, .997]


def peak(c=1., A=3., m=.4, s=1.1, noise=.1, seed=1, x=X):
    """Return data of a peak."""
    return c + A*np.exp(-(x - m)**2/(2*s**2)) + noise*np.random.default_rng(seed).normal(size=x.size)


def limited(**bounds):
    """Parameters of the peak with an upper bound on one, one fixed, and an expression."""
    params = Parameters()
    for name, value in START.items():
        params.add(name, value, max=bounds.get(name))
    params["c"].vary = False
    params.add("fwhm", expr="2.3548*s")
    return params


def counts():
    """Return counts of a peak on a background."""
    return np.random.default_rng(3).poisson(5 + 30*np.exp(-(X - .4)**2/2))


def model_fit():
    """Fit a composite model."""
    model = gslfit.models.GaussianModel() + gslfit.models.ConstantModel()
    return model.fit(peak(), model.make_params(c=1, amplitude=5, center=.3, sigma=1), x=X)


def with_nan():
    """Return data with a NaN."""
    y = peak()
    y[3] = np.nan
    return y


LONG = np.linspace(-5, 5, 20000)
FITS = {
    "plain": lambda: gslfit.fit(PEAK, peak(), x=X, **START),
    "errors, scaled": lambda: gslfit.fit(PEAK, peak(), x=X, yerr=.1, **START),
    "errors, known": lambda: gslfit.fit(PEAK, peak(), x=X, yerr=np.linspace(.05, .2, 50), scale_covar=False, **START),
    "mask": lambda: gslfit.fit(PEAK, peak(), x=X, mask=X > 4, **START),
    "NaN left out": lambda: gslfit.fit(PEAK, with_nan(), x=X, nan_policy="omit", **START),
    "priors": lambda: gslfit.fit(PEAK, peak(), x=X, yerr=.1, prior={"s": (1.1, .05), "A*s": (3.3, .1)}, **START),
    "counts": lambda: gslfit.fit(PEAK, counts(), x=X, loss="poisson", c=5., A=30., m=.3, s=1.),
    "counts with a prior": lambda: gslfit.fit(PEAK, counts(), x=X, loss="poisson", prior={"s": (1., .02)}, c=5., A=30., m=.3, s=1.),
    "limits beyond a bound": lambda: gslfit.fit(PEAK, peak(), limited(A=3.05), x=X),
    "on a bound": lambda: gslfit.fit(PEAK, peak(A=3.6), limited(A=3.5), x=X),
    "a model": model_fit,
    "a long curve": lambda: gslfit.fit(PEAK, peak(x=LONG), x=LONG, **START),
    "ten parameters": lambda: gslfit.fit(" + ".join(f"a{i}*exp(-(x - m{i})**2/2)" for i in range(5)),
                                         sum((2 + i)*np.exp(-(X + 4 - 2*i)**2/2) for i in range(5)) + .05*np.cos(17*X*X), x=X,
                                         **{f"a{i}": 2. + i for i in range(5)}, **{f"m{i}": 2.*i - 4 for i in range(5)}),
}


def both(result, monkeypatch, **how):
    """Return intervals, those of the careful code alone, and whether the engine was sure."""
    asked = []

    def noted(*given):
        asked.append(limits_of(*given))
        return asked[-1]
    monkeypatch.setattr(interval, "limits_of", noted)
    found = result.conf_interval(**how)
    monkeypatch.setattr(interval, "limits_of", lambda *given: None)
    return found, result.conf_interval(**how), asked[-1] is not None


def check(found, careful, share=1e-4):
    """Every limit is the same to a share of its half width; so are chi-square and the notes."""
    assert list(found) == list(careful)
    assert found.notes == careful.notes
    assert found.chisqr == pytest.approx(careful.chisqr, rel=1e-9)
    for name, rows in careful.items():
        best = rows[len(rows)//2][1]
        for (chance, limit), (expected_chance, expected) in zip(found[name], rows, strict=True):
            assert chance == expected_chance
            most = share*abs(expected - best) + 1e-15*abs(expected)         # the last digits hang on BLAS's threads
            assert limit == expected or abs(limit - expected) <= most, (name, chance, limit, expected)


@pytest.mark.parametrize("name", FITS)
def test_as_the_careful_code(name, monkeypatch):
    """Whatever was fitted, the engine is sure of it and comes to the same limits."""
    found, careful, sure = both(FITS[name](), monkeypatch, sigmas=SIGMAS)
    assert sure
    check(found, careful)
    if name == "limits beyond a bound":
        assert "beyond the bound 3.05" in "\n".join(found.notes)


@pytest.mark.parametrize("seed", [156, 209])
def test_another_range_beyond_a_rise(seed):
    """Only c**3 - 2*c counts, which has each value in range twice: the second range is said, though the profile rises to its limits."""
    rng, x = np.random.default_rng(seed), np.linspace(.1, 6, 20)
    y = .9*rng.uniform(-1, 1) + .5*x + .4*rng.normal(size=20)
    found = gslfit.fit("c**3 - 2*c + b*x", y, x=x, c=1., b=.5).conf_interval(["c"], sigmas=[.95])
    low, high = (found["c"][k][1] for k in (0, 2))
    other = sorted(np.sort(np.roots([1, 0, -2, 2*c - c**3]).real)[1] for c in (low, high))
    assert found.notes == [f"c: 95.00% lie in more than one range: {other[0]:.6g} to {other[1]:.6g}, {low:.6g} to {high:.6g}"]


TEXTS = {"a double well": "where(x > 0, c**2 - 1, 0.5*(c - 0.8))", "dose and response": "h*x**n/(k**n + x**n)"}     # can't be traced


@pytest.mark.parametrize("name", [pytest.param(name, marks=() if name in QUICK - {"a cubic"} else pytest.mark.slow) for name in CASES])
def test_valleys(name, monkeypatch):
    """Swapping valleys and disconnected sets end as by the careful code: what may be one of them is in doubt."""
    case, params = CASES[name], Parameters()
    for each, value in case.truth.items():
        low, high = case.bounds.get(each, (None, None))
        params.add(each, value, min=low, max=high)
    result = gslfit.fit(TEXTS.get(name, case.model), case.y, params, x=case.x, weights=1/case.noise, scale_covar=not case.known)
    found, careful, sure = both(result, monkeypatch, p_names=case.names, sigmas=[CHANCE])
    check(found, careful, 2e-4)
    assert found.ranges == careful.ranges
    assert not (sure and careful.ranges)


@pytest.mark.parametrize("bounds", HELD.values(), ids=HELD)
def test_others_on_their_bounds(bounds):
    """The other parameters stay within their bounds, against SciPy."""
    problem = Problem(decay, {"c": .5, "A": 3., "t": 1.2}, bounds)
    params = Parameters()
    for name, value, low, high in zip(problem.names, problem.truth, problem.low, problem.high, strict=True):
        params.add(name, min(max(value, low + .02), high - .02), min=low, max=high)
    result = gslfit.fit("c + A*exp(-x/t)", problem.y, params, x=np.linspace(.2, 5, 40))
    found = result.conf_interval([name for name in problem.names if name not in bounds], sigmas=[.95])
    for name, rows in found.items():
        for side, limit in ((-1, rows[0][1]), (1, rows[2][1])):
            expected = problem.limit(problem.names.index(name), side, .95)
            assert abs(limit - expected) <= 1e-3*abs(expected - rows[1][1]), (name, side)


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("known", [False, True])
def test_against_scipy(seed, known):
    """Noisy decays and their limits of 3 levels, to 5e-5 of their distance; SciPy refits and finds the crossings."""
    x = np.linspace(0, 6, 50)
    y = .5 + 3*np.exp(-x/1.5) + .15*np.random.default_rng(seed).normal(size=50)
    result = gslfit.fit("c + A*exp(-x/t)", y, x=x, yerr=.15, c=.5, A=3., t=1.5, scale_covar=not known)
    sure = limits_of(FTest(result), [0, 1, 2], SIGMAS)
    best = least_squares(lambda v: (v[0] + v[1]*np.exp(-x/v[2]) - y)/.15, [.5, 3., 1.5], method="lm", xtol=1e-15, ftol=1e-15)
    quantile = chi2.ppf(SIGMAS, 1) if known else f_distribution.ppf(SIGMAS, 1, 47)*2*best.cost/47

    def rise(k, value, start):
        """Of chi-square, the others refitted."""
        def residual(u):
            c, A, t = np.insert(u, k, value)
            return (c + A*np.exp(-x/t) - y)/.15
        return 2*(least_squares(residual, start, method="lm", xtol=1e-15, ftol=1e-15).cost - best.cost)
    for k in range(3):
        for side in range(2):
            for limit, level in zip(sure.values[k, side], quantile, strict=True):
                start, near = np.delete(best.x, k), best.x[k] + .9*(limit - best.x[k])
                expected = brentq(lambda v, k=k, s=start, q=level: rise(k, v, s) - q, near, near + .3*(limit - best.x[k]), rtol=1e-12)
                assert abs(limit - expected) <= 5e-5*abs(expected - best.x[k])


def test_counts_against_scipy():
    """The profile likelihood of a rate: the deviance rises by chi-square's quantile."""
    y = counts()[:20]
    result = gslfit.fit("a + 0*x", y, x=np.arange(20.), loss="poisson", a=5.)
    (_, low), _, (_, high) = result.conf_interval(sigmas=[.95])["a"]
    best = y.mean()
    for limit, ends in ((low, (.2*best, best)), (high, (best, 3*best))):
        expected = brentq(lambda a: 2*np.sum(poisson.logpmf(y, best) - poisson.logpmf(y, a)) - chi2.ppf(.95, 1), *ends, rtol=1e-13)
        assert abs(limit - expected) <= 5e-5*abs(expected - best)


def test_beyond_where_the_model_has_a_value(monkeypatch):
    """A trial where the model is not finite is gone back from: the engine finds the limits of log(x - t), which algebra and SciPy find."""
    x = np.linspace(1, 4, 30)
    y = 2*np.log(x - .7) + .5 + .6*np.random.default_rng(0).normal(size=30)
    found, _, sure = both(gslfit.fit("A*log(x - t) + c", y, x=x, A=2, t=.7, c=.5), monkeypatch, p_names=["t"], sigmas=[.9])
    assert sure

    def least(t):
        return np.linalg.lstsq(np.stack([np.log(x - t), np.ones(30)], axis=1), y, rcond=None)[1][0]
    (_, low), (_, best), (_, high) = found["t"]
    level = least(best)*(1 + f_distribution.ppf(.9, 1, 27)/27)
    assert low == pytest.approx(brentq(lambda t: least(t) - level, low - 5, best), rel=1e-4)
    assert high == pytest.approx(brentq(lambda t: least(t) - level, best, 1 - 1e-9), rel=1e-4)


def test_peaks_that_may_change_places():
    """Two like peaks of one width may be either of them: the ranges of one center are those of the other."""
    x = np.linspace(-5, 5, 60)
    y = 2*np.exp(-(x + .6)**2/2) + 2*np.exp(-(x - .6)**2/2) + .4*np.random.default_rng(3).normal(size=60)
    found = gslfit.fit("a*exp(-(x - c)**2/2) + b*exp(-(x - d)**2/2)", y, x=x, a=2, c=-.6, b=2, d=.6).conf_interval(["c", "d"], sigmas=[.68])
    assert len(found.ranges["c"][.68]) == 2
    np.testing.assert_allclose(found.ranges["c"][.68], found.ranges["d"][.68], rtol=1e-4)


def test_a_profile_that_falls_before_the_level():
    """Chi-square of a peak's place rises where the peak passes the data, and falls again far away: that is found out, no bound is named."""
    x = np.linspace(0, 10, 40)
    y = np.exp(-(x - 5)**2/2) + .1*np.sin(37*x*x)
    found = gslfit.fit("exp(-(x - m)**2/2)", y, x=x, m=5., yerr=1., scale_covar=False).conf_interval(sigmas=[.99, .9999])
    assert [value for chance, value in found["m"] if chance == .9999] == [-np.inf, np.inf]
    assert "levels off" in found.notes[0] and "levels off" in found.notes[1]
    assert not any("bound" in note for note in found.notes)
    cost = [np.sum((np.exp(-(x - m)**2/2) - y)**2) for chance, m in found["m"] if chance < .9999]
    assert np.array(cost[::2]) - cost[1] == pytest.approx(chi2.ppf(.99, 1), rel=1e-4)


def test_levels_as_they_are_given(monkeypatch):
    """A probability of 0, one given twice, sigmas; more levels than the engine takes are for the careful code."""
    result = FITS["plain"]()
    found, careful, sure = both(result, monkeypatch, sigmas=[2, 0, .5, .5])
    assert sure
    check(found, careful)
    assert limits_of(FTest(result), [0], np.linspace(.1, .9, LEVELS + 1).tolist()) is None
    assert limits_of(FTest(result), [], [.9]) is None


def test_left_to_the_careful_code():
    """Residuals that are called, correlated errors; a robust loss has no profile."""
    params = Parameters()
    params.add_many(("a", 1.), ("b", 1.))
    mini = gslfit.minimize(lambda p: p["a"]*X + p["b"] - peak(), params)
    assert limits_of(FTest(mini), [0], [.9]) is None
    correlated = gslfit.fit(PEAK, peak(), x=X, ycov=.01*np.eye(50) + .002, **START)
    assert limits_of(FTest(correlated), [0], [.9]) is None
    assert correlated.conf_interval(["A"], [.9])["A"][0][1] < correlated.params["A"].value
    with pytest.raises(FitError, match="bootstrap"):
        gslfit.fit(PEAK, peak(), x=X, loss="huber", f_scale=.2, **START).conf_interval()


def test_orders():
    """Exchanges that leave the model as it is are told from those that don't."""
    x = [np.linspace(0, 3, 9)]
    twins = fold(Formula("a*exp(-x/s) + b*exp(-x/t)"), None)
    assert orders_of(twins, np.array([1., 2., 3., 4.]), x).tolist() == [[2, 3, 0, 1]]
    assert orders_of(fold(Formula("a*exp(-x/s) + c"), None), np.array([1., 1., 1.]), x).shape == (0, 3)


def test_statuses():
    """What a row's limits are worth: found, beyond a bound, in doubt, none; each row on its own."""
    formula = fold(Formula("a + b*x"), None)
    x, p = np.linspace(-1, 1, 20), 2                           # a and b are independent
    rng = np.random.default_rng(0)
    y = 1 + 2*x + .1*rng.normal(size=(4, 20))
    best = np.array([np.polyfit(x, row, 1)[::-1] for row in y])
    best[2] += .1                                              # no minimum
    rises = np.full((4, 1), 4.)
    rises[3] = np.nan
    low = np.array([-np.inf, best[1, 1] - 1e-3])
    values, status, _ = profiles(formula.program, y, [x], best, rises, np.arange(p, dtype=np.intc), low=low, high=np.full(p, np.inf),
                                 known=True, weights=np.full(20, 10.), **DOUBTS)
    assert (status[2] == STATUSES["IN_DOUBT"]).all()
    assert (status[3] == STATUSES["NONE"]).all()
    assert np.isnan(values[3]).all()
    assert status[1, 1, 0, 0] == STATUSES["BEYOND_BOUND"]
    assert values[1, 1, 0, 0] == -np.inf
    design = np.stack([np.ones(20), x], axis=1)
    expected = 2*.1*np.sqrt(np.diag(np.linalg.inv(design.T @ design)))
    assert values[1, 1, 1, 0] - best[1, 1] == pytest.approx(expected[1], rel=1e-6)


def test_refits_of_parameters_that_only_act_together():
    """Where only a*b counts there is no step to trust, a pivot that is made of rounding is none: such refits have not settled."""
    rng = np.random.default_rng(4)
    x, v = np.linspace(.1, 3, 25), rng.uniform(.5, 2, (60, 3))
    formula = fold(Formula("a*b*exp(-x) + c*x"), None)
    _, settled = refits(formula.program, np.exp(-x) + x, [x], v, [formula.names.index("c")], low=np.full(3, -np.inf),
                        high=np.full(3, np.inf), enough=0., share=1e-3, floor=0.)
    assert not settled.any()


@pytest.mark.parametrize("side", [1, -1])
def test_refits_that_chi_square_pulls_over_a_bound(side):
    """From inside they end on the bound, the others where they are best with it."""
    formula = fold(Formula("a + b*x + c*x**2"), None)
    x = np.linspace(-1, 1, 25)
    y = side*(1 + 2*x + 3*x**2)
    v = side*np.array([[5., 5., 0.], [9., 2., 0.], [2.5, -3., 0.]])
    low, high = np.full(3, -np.inf), np.full(3, np.inf)
    (low if side > 0 else high)[0] = 2.5*side
    chisqr, settled = refits(formula.program, y, [x], v, [2], low=low, high=high, enough=0., share=1e-12, floor=0.)
    assert settled.all()
    assert (v[:, 0] == side*2.5).all()
    np.testing.assert_allclose(v[:, 1], side*2, rtol=1e-12)
    np.testing.assert_allclose(chisqr, np.sum((1.5 - 3*x**2)**2), rtol=1e-12)


def test_refits_of_many_starts():
    """Held parameters stay, the others end where linear algebra has them; a start where the model is not finite is told."""
    formula = fold(Formula("a + b*x + c*log(d*x)"), None)
    x = np.linspace(1, 4, 25)
    y = 1 + 2*x + np.log(x)
    v = np.array([[0., b, 3., d] for b in (1., 2., 3.) for d in (.5, 1., -1.)])
    start = v.copy()
    chisqr, settled = refits(formula.program, y, [x], v, [1, 3], low=np.full(4, -np.inf), high=np.full(4, np.inf), enough=0., share=1e-12,
                             floor=0.)
    good = start[:, 3] > 0
    assert np.array_equal(np.isnan(chisqr), ~good)
    assert settled[good & (start[:, 1] != 2.)].all()
    assert (v[:, [1, 3]] == start[:, [1, 3]]).all()
    for row, chi in zip(v[good], chisqr[good], strict=True):
        design = np.stack([np.ones(25), np.log(row[3]*x)], axis=1)
        _, least, *_ = np.linalg.lstsq(design, y - row[1]*x)
        assert chi == pytest.approx(least[0], abs=1e-12)


def test_arrays_are_checked():
    """Arrays of another shape or type are refused."""
    program = fold(Formula("a + b*x"), None).program
    x = np.linspace(0, 1, 20)
    given = {"low": np.full(2, -np.inf), "high": np.full(2, np.inf), "known": True, **DOUBTS}
    which = np.arange(2, dtype=np.intc)
    with pytest.raises(InputError, match="best"):
        profiles(program, x[None], [x], np.zeros((1, 3)), np.ones((1, 1)), which, **given)
    with pytest.raises(InputError, match="levels"):
        profiles(program, x[None], [x], np.zeros((1, 2)), np.ones((1, LEVELS + 1)), which, **given)
    with pytest.raises(InputError, match="numbered"):
        profiles(program, x[None], [x], np.zeros((1, 2)), np.ones((1, 1)), which + 1, **given)
    with pytest.raises(InputError, match="low"):
        profiles(program, x[None], [x], np.zeros((1, 2)), np.ones((1, 1)), which, **{**given, "low": np.zeros(3)})
