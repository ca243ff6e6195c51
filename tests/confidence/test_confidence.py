"""Confidence intervals: against SciPy's own profiles, lmfit's calls, and everything that can go wrong on the way."""
import math
import warnings

import lmfit
import numpy as np
import pytest
from scipy.optimize import brentq, least_squares, leastsq
from scipy.stats import f as f_distribution

import gslfit
from gslfit import Parameters, conf_interval, conf_interval2d, f_compare
from gslfit.errors import FitError, FitWarning, InputError, ParameterNameError

X = np.linspace(.3, 10, 100)
SIGMAS = (.674, .95, .997)


class Problem:
    """A model with data; counts its evaluations."""

    def __init__(self, model, y, start, **bounds):
        self.model, self.y, self.start, self.bounds, self.calls = model, y, start, bounds, 0

    def __call__(self, p):
        self.calls += 1
        return self.model(X, *(float(p[name]) for name in self.start)) - self.y

    def params(self, make=Parameters):
        """Start values, gslfit's or lmfit's."""
        p = make()
        for name, value in self.start.items():
            low, high = self.bounds.get(name, (None, None))
            p.add(name, value, True, -np.inf if low is None else low, np.inf if high is None else high)
        return p

    def fit(self):
        """Return the fitted Minimizer."""
        return gslfit.minimize(self, self.params())

    def profile(self, best, k, value, near):
        """Chi-square with parameter k held, by SciPy's leastsq, and where the others went."""
        free = [i for i in range(best.size) if i != k]

        def residual(u):
            x = best.copy()
            x[k], x[free] = value, u
            return self.model(X, *x) - self.y
        u, _, info, *_ = leastsq(residual, near[free], full_output=True, xtol=1e-12, ftol=1e-12, maxfev=20000)
        at = best.copy()
        at[k], at[free] = value, u
        return float(info["fvec"] @ info["fvec"]), at

    def scipy_limit(self, best, k, side, chance):
        """Return a limit by SciPy: outward in small steps, each refit from the last, then brentq."""
        n, p, chi0 = X.size, best.size, float(np.sum((self.model(X, *best) - self.y)**2))

        def excess(value, near):
            chi, at = self.profile(best, k, value, near)
            return f_distribution.cdf((chi/chi0 - 1)*(n - p), 1, n - p) - chance, at
        near, value = best, float(best[k])
        step = side*.02*max(abs(value), .1)
        while True:
            gone, at = excess(value + step, near)
            if gone > 0:
                return brentq(lambda v, near=near: excess(v, near)[0], value, value + step, rtol=1e-10)
            value, near, step = value + step, at, 1.3*step


def basic():
    """Section 4.2 of the manual, with fixed noise."""
    y = 1/(.1*X) + 2 + .1*np.random.default_rng(0).normal(size=X.size)
    return Problem(lambda x, a, b: 1/(a*x) + b, y, {"a": .1, "b": 1.})


def advanced(seed=1):
    """Section 4.3 of the manual, with fixed noise."""
    y = 3*np.exp(-X/2) - 5*np.exp(-X/10) + .2*np.random.default_rng(seed).normal(size=X.size)
    return Problem(lambda x, a1, a2, t1, t2: a1*np.exp(-x/t1) + a2*np.exp(-x/t2), y, {"a1": 5., "a2": -5., "t1": 2., "t2": 5.})


def theirs(problem, sigmas):
    """lmfit's intervals, and how many evaluations they took."""
    mini = lmfit.Minimizer(problem, problem.params(lmfit.Parameters))
    result = mini.minimize()
    before = problem.calls
    return lmfit.conf_interval(mini, result, sigmas=sigmas), problem.calls - before


MILD = {
    "a peak on a constant": (lambda x, a, b, c, d: a*np.exp(-(x - b)**2/2/c**2) + d, (3., 5., 1., .3), .1),
    "a damped sine": (lambda x, a, b, c, d: a*np.sin(b*x + c)*np.exp(-d*x), (3., 2., .5, .1), .2),
    "a dose-response curve": (lambda x, a, b, c, d: a + (b - a)/(1 + (x/c)**d), (1., 5., 4., 3.), .1)}


@pytest.mark.parametrize("name", MILD)
def test_limits_of_mild_problems_take_few_evaluations(name):
    """Two dozen limits of four parameters in at most 180 evaluations; SciPy's refits there reach the level to 2e-4 of its root."""
    curve, truth, noise = MILD[name]
    x = np.linspace(.1, 10, 100)
    y = curve(x, *truth) + noise*np.random.default_rng(3).normal(size=x.size)
    params = gslfit.Parameters()
    for each, value in zip("abcd", truth, strict=True):
        params.add(each, 1.1*value)
    mini = gslfit.minimize(lambda p: curve(x, *[p[each].value for each in "abcd"]) - y, params)
    found = conf_interval(mini)
    assert found.nfev <= 180
    best = np.array([mini.params[each].value for each in "abcd"])
    for k, each in enumerate("abcd"):
        for chance, limit in found[each]:
            if chance:
                def others(free, k=k, limit=limit):
                    return curve(x, *np.insert(free, k, limit)) - y
                refit = least_squares(others, np.delete(best, k), xtol=1e-12, ftol=1e-12, gtol=1e-12, x_scale="jac")
                rise = 2*refit.cost/mini.chisqr - 1
                level = f_distribution.ppf(chance, 1, x.size - 4)/(x.size - 4)
                assert math.sqrt(rise) == pytest.approx(math.sqrt(level), rel=2e-4), (each, chance)


@pytest.mark.parametrize(("make", "sigmas"), [(basic, SIGMAS), (advanced, (.68, .95))])
def test_against_scipy_and_in_half_of_lmfits_calls(make, sigmas):
    """Within 1e-3 of the half width of an independent profile, in half of lmfit's evaluations or fewer."""
    problem = make()
    mini = problem.fit()
    before = problem.calls
    ci = conf_interval(mini, sigmas=sigmas)
    calls = problem.calls - before
    assert calls == ci.nfev
    best = np.array([mini.params[name].value for name in mini.params])
    for k, name in enumerate(mini.params):
        assert [p for p, _ in ci[name]] == [*sigmas[::-1], 0., *sigmas]
        for i, chance in enumerate(sigmas):
            for side, (p, limit) in ((-1, ci[name][len(sigmas) - 1 - i]), (1, ci[name][len(sigmas) + 1 + i])):
                assert p == chance
                expected = problem.scipy_limit(best, k, side, chance)
                assert abs(limit - expected) < 1e-3*abs(expected - best[k])
    _, their_calls = theirs(make(), sigmas)
    print(f"{make.__name__}: {calls} evaluations, lmfit {their_calls}")
    assert calls <= .5*their_calls


def test_agrees_with_lmfit():
    """On the manual's basic example the numbers are lmfit's."""
    ci, expected = conf_interval(basic().fit()), theirs(basic(), SIGMAS)[0]
    for name, rows in expected.items():
        assert ci[name] == [(pytest.approx(p), pytest.approx(limit, rel=2e-5)) for p, limit in rows]


def test_parameters_of_every_scale():
    """Parameters of 1e-12 and 1e9, residuals of 1e-9: the same relative limits."""
    problem = basic()
    plain = conf_interval(problem.fit(), sigmas=[.95])
    scaled = Problem(lambda x, a, b: 1e-9*(1/(a*1e11*x) + b/1e9), 1e-9*problem.y, {"a": 1e-12, "b": 1e9})
    ci = conf_interval(scaled.fit(), sigmas=[.95])
    assert [limit*1e11 for _, limit in ci["a"]] == pytest.approx([limit for _, limit in plain["a"]], rel=1e-6)
    assert [limit/1e9 for _, limit in ci["b"]] == pytest.approx([limit for _, limit in plain["b"]], rel=1e-6)


def test_f_compare():
    """The F-test as the manual has it; nparas are those of the refit."""
    for n, p, rise, fixed in ((100, 1, .05, 1), (20, 3, .5, 2), (10, 1, 0., 1)):
        expected = f_distribution.cdf(rise*(n - p - fixed)/fixed, fixed, n - p - fixed)
        assert f_compare(n, p, 3*(1 + rise), 3., fixed) == pytest.approx(expected, rel=1e-12)


def test_sigmas_are_probabilities_or_deviations():
    """Below 1 probabilities, from 1 on standard deviations; any order."""
    mini = basic().fit()
    ci = conf_interval(mini, p_names=["a"], sigmas=[2, .6827])
    assert [p for p, _ in ci["a"]] == pytest.approx([.9545, .6827, 0, .6827, .9545], abs=1e-4)
    assert [limit for _, limit in ci["a"]] == sorted(limit for _, limit in ci["a"])
    assert conf_interval(mini, "a", [.5]).keys() == {"a"}
    for bad in ([-.1], [float("nan")], [40], [9.]):
        with pytest.raises(InputError, match="standard deviations"):
            conf_interval(mini, sigmas=bad)


def test_todays_call():
    """lmfit 1.3's second argument, a result, is taken, positional or not."""
    mini = basic().fit()
    expected = conf_interval(mini, sigmas=[1, 2])
    assert conf_interval(mini, mini, sigmas=[1, 2]) == expected
    assert conf_interval(mini, mini.result, None, [1, 2]) == expected
    assert conf_interval(mini, result=mini, sigmas=[1, 2]) == expected
    grid = conf_interval2d(mini, "a", "b", 5, 6)[2]
    assert np.array_equal(conf_interval2d(mini, mini.result, "a", "b", 5, 6)[2], grid)


def test_prob_func():
    """Another probability is called as f_compare is, and its levels are found."""
    seen = []

    def chi2_probability(ndata, nparas, new_chi, best_chi, nfix=1.):
        seen.append((ndata, nparas, nfix))
        return f_compare(ndata, nparas, new_chi, best_chi, nfix)
    mini = basic().fit()
    ci = conf_interval(mini, prob_func=chi2_probability)
    assert set(seen) == {(100, 1, 1.)}
    for name, rows in conf_interval(mini).items():
        assert [limit for _, limit in ci[name]] == pytest.approx([limit for _, limit in rows], rel=1e-7)
    seen.clear()
    conf_interval2d(mini, "a", "b", 3, 3, prob_func=chi2_probability)
    assert set(seen) == {(100, 0, 2.)}
    with pytest.raises(InputError, match=r"never reaches 0\.95"):
        conf_interval(mini, sigmas=[.95], prob_func=lambda *args, **kws: .5)


def test_trace():
    """Every point of each profile: all parameters, and the probability, in order."""
    problem = advanced()
    mini = problem.fit()
    ci, trace = conf_interval(mini, sigmas=[.68, .95], trace=True)
    assert trace.keys() == ci.keys() == mini.params.keys()
    for name, points in trace.items():
        assert points.keys() == {*mini.params, "prob"}
        assert (np.diff(points[name]) > 0).all()
        i = int(np.argmin(points["prob"]))
        assert points["prob"][i] == 0
        assert points[name][i] == ci[name][2][1]
        assert (np.diff(points["prob"][i:]) > 0).all()
        assert (np.diff(points["prob"][:i + 1]) < 0).all()
        best = np.array([points[other][i] for other in mini.params])
        chi, _ = problem.profile(best, [*mini.params].index(name), points[name][0], np.array([points[other][0] for other in mini.params]))
        assert points["prob"][0] == pytest.approx(f_compare(100, 3, chi, mini.chisqr), abs=2e-4)


def test_verbose(capsys):
    """Each limit is printed as it is found."""
    conf_interval(basic().fit(), sigmas=[.95], verbose=True)
    assert capsys.readouterr().out.count("limit of 95.00% = ") == 4


def state(mini):
    """Everything of a Minimizer that an interval might disturb."""
    return ([par.__getstate__() for par in mini.params.values()], mini.chisqr, mini.nfev, mini.message, mini.residual.tolist(),
        mini.params._touched)


def test_nothing_is_disturbed():
    """Values, errors, flags and results are as before, also after an exception, which surfaces as it is."""
    class Mine(Exception):
        pass
    problem = advanced()
    mini = problem.fit()
    before = state(mini)
    conf_interval(mini, sigmas=[.68])
    conf_interval2d(mini, "a1", "t2", 4, 4)
    assert state(mini) == before

    def broken(x, *args):
        if problem.calls > stop:
            raise Mine
        return model(x, *args)
    model, problem.model = problem.model, broken
    for after, call in ((20, conf_interval), (70, conf_interval), (20, lambda mini: conf_interval2d(mini, "a1", "t2"))):
        stop = problem.calls + after
        with pytest.raises(Mine):
            call(mini)
        assert state(mini) == before
    assert mini.params["a1"].vary is True


def test_bounds_are_respected():
    """No evaluation outside the bounds; a limit beyond one is infinite, with a note."""
    problem = basic()
    seen = []
    model = problem.model

    def watch(x, a, b):
        seen.append((a, b))
        return model(x, a, b)
    problem.model, problem.bounds = watch, {"a": (.09, .1003), "b": (None, 2.02)}
    mini = problem.fit()
    ci = conf_interval(mini, sigmas=[.5, .95])
    a, b = np.array(seen).T
    assert a.min() >= .09
    assert a.max() <= .1003
    assert b.max() <= 2.02
    assert ci["b"][-1] == (.95, np.inf)
    assert any("b: the upper limit of 95.00% is not reached: it would lie beyond the bound 2.02" in note for note in ci.notes)
    assert "beyond the bound" in gslfit.ci_report(ci)
    x, y, grid = conf_interval2d(mini, "a", "b", 7, 8)
    assert x[-1] <= .1003
    assert y[-1] <= 2.02
    assert grid.shape == (8, 7)


def test_best_at_a_bound():
    """A best value on its bound: one side is the bound, the other side is found."""
    problem = basic()
    problem.bounds = {"b": (None, 1.99)}
    mini = problem.fit()
    assert mini.params["b"].value == pytest.approx(1.99, abs=1e-9)
    ci = conf_interval(mini, sigmas=[.95])
    assert ci["b"][2] == (.95, np.inf)
    assert np.isfinite(ci["b"][0][1])
    assert np.isfinite([limit for _, limit in ci["a"]]).all()


def test_limit_never_reached():
    """A parameter whose effect fades away has no upper limit, and the note says where chi-square levels off."""
    y = np.exp(-X/.05) + .1*np.random.default_rng(0).normal(size=X.size)
    mini = Problem(lambda x, rate, c: np.exp(-rate*x) + c, y, {"rate": 5., "c": 0.}).fit()
    ci = conf_interval(mini, p_names=["rate"], sigmas=[.95])
    assert ci["rate"][2][1] == np.inf
    assert np.isfinite(ci["rate"][0][1])
    assert any(note.startswith("rate: the upper limit of 95.00% is not reached: chi-square levels off") for note in ci.notes)


def test_dead_parameter():
    """A parameter without effect has infinite limits; the others have theirs."""
    y = basic().y
    mini = Problem(lambda x, a, b, c: 1/(a*x) + b + 0*c, y, {"a": .1, "b": 1., "c": 3.}).fit()
    ci = conf_interval(mini, sigmas=[.95])
    assert [limit for _, limit in ci["c"]] == [-np.inf, 3., np.inf]
    assert np.isfinite([limit for _, limit in ci["a"] + ci["b"]]).all()


def test_edge_of_the_model():
    """Where the model stops being finite the limit is said not to be reached, or is found before."""
    y = np.log(X + 1) + .3*np.random.default_rng(3).normal(size=X.size)
    with np.errstate(invalid="ignore", divide="ignore"):
        mini = Problem(lambda x, s, a: a*np.log(x + s), y, {"s": 1., "a": 1.}).fit()
        ci = conf_interval(mini, sigmas=[.68, .9999999])
    assert np.isfinite(ci["s"][1][1])
    assert ci["s"][0][1] == -np.inf or ci["s"][0][1] > -.3
    assert not ci.notes or "not finite beyond -0.3" in " ".join(ci.notes)


def test_lower_minimum_is_returned():
    """A fit stuck in a local minimum: the profile finds the lower one, says so, and returns it."""
    # chi-square is 100 + 2 (w^2 - 1)^2 + (w - 1)^2/4 + c^2: two valleys, the barrier between them lower than the level of 95 %
    ones = np.zeros(103)
    ones[3:] = 1

    def model(x, w, c):
        return np.concatenate([[2**.5*(w*w - 1), .5*(w - 1), c], np.zeros(100)])
    problem = Problem(model, ones, {"w": -1.2, "c": 1.})
    mini = problem.fit()
    assert mini.params["w"].value < -.8
    before = state(mini)
    with pytest.warns(FitWarning, match="found a lower minimum"):
        ci = conf_interval(mini, sigmas=[.95])
    assert ci.better["w"] == pytest.approx(1, abs=1e-6)
    assert ci.chisqr == pytest.approx(100)
    assert ci.chisqr < mini.chisqr - .5
    assert ci["w"][1] == (0., ci.better["w"])
    assert "lower minimum" in ci.notes[0]
    assert state(mini) == before
    for name, rows in conf_interval(Problem(model, ones, {"w": 1.2, "c": 1.}).fit(), sigmas=[.95]).items():
        assert [limit for _, limit in ci[name]] == pytest.approx([limit for _, limit in rows], abs=1e-6)
    with pytest.warns(FitWarning, match="held a lower minimum"):
        _, _, grid = conf_interval2d(mini, "w", "c", 21, 5, limits=((-2, 2), (-1, 1)))
    assert grid[2, 15] == 0


def test_region():
    """The grid is (ny, nx), its probabilities are those of refits, limits come in either order."""
    problem = advanced()
    mini = problem.fit()
    x, y, grid = conf_interval2d(mini, "a1", "t2", 6, 5)
    assert (x.shape, y.shape, grid.shape) == ((6,), (5,), (5, 6))
    a1, t2 = mini.params["a1"], mini.params["t2"]
    assert (x[0], x[-1]) == pytest.approx((a1.value - 5*a1.stderr, a1.value + 5*a1.stderr), rel=1e-4)
    assert (y[0], y[-1]) == pytest.approx((t2.value - 5*t2.stderr, t2.value + 5*t2.stderr), rel=1e-4)
    limits = ((a1.value + a1.stderr, a1.value - a1.stderr), (t2.value - t2.stderr, t2.value + t2.stderr))
    x, y, grid = conf_interval2d(mini, "a1", "t2", 4, 3, limits)
    assert x[0] < x[-1]
    for j, i in ((0, 3), (1, 1), (2, 0), (1, 2)):
        def residual(u, i=i, j=j):
            return problem.model(X, x[i], u[0], u[1], y[j]) - problem.y
        _, _, info, *_ = leastsq(residual, [mini.params["a2"].value, mini.params["t1"].value], full_output=True, xtol=1e-12, ftol=1e-12)
        assert grid[j, i] == pytest.approx(f_compare(100, 2, float(info["fvec"] @ info["fvec"]), mini.chisqr, 2), abs=1e-3)


def test_region_of_two_parameters():
    """With no other parameter to refit, the grid is chi-square itself."""
    problem = basic()
    mini = problem.fit()
    x, y, grid = conf_interval2d(mini, "a", "b", 9, 9)
    chi = np.array([[np.sum((problem.model(X, a, b) - problem.y)**2) for a in x] for b in y])
    assert grid == pytest.approx(f_distribution.cdf((chi/mini.chisqr - 1)*98/2, 2, 98), abs=1e-9)
    assert grid[4, 4] == pytest.approx(0, abs=1e-9)
    expected = lmfit.Minimizer(problem, problem.params(lmfit.Parameters))
    result = expected.minimize()
    _, _, chis = lmfit.conf_interval2d(expected, result, "a", "b", 3, 3, limits=((.1005, .0995), (2.01, 1.99)), chi2_out=True)
    theirs = [[f_compare(100, 0, chi, mini.chisqr, 2) for chi in row] for row in chis]
    _, _, ours = conf_interval2d(mini, "a", "b", 3, 3, limits=((.0995, .1005), (1.99, 2.01)))
    assert ours == pytest.approx(np.array(theirs), abs=1e-5)


def test_expressions_and_fixed_parameters():
    """Only what varies is profiled; expressions follow along and are in the trace."""
    p = Parameters()
    p.add_many(("a", .1), ("b", 1.), ("c", 0., False))
    p.add("d", expr="2*b")
    y = basic().y
    mini = gslfit.minimize(lambda p: 1/(p["a"]*X) + p["d"]/2 + p["c"] - y, p)
    ci, trace = conf_interval(mini, trace=True)
    assert [*ci] == ["a", "b"]
    assert trace["a"]["d"] == pytest.approx(2*trace["a"]["b"])
    for name, rows in conf_interval(basic().fit()).items():
        assert [limit for _, limit in ci[name]] == pytest.approx([limit for _, limit in rows], rel=1e-6)
    with pytest.raises(InputError, match="'d' is an expression"):
        conf_interval(mini, p_names=["d"])
    with pytest.raises(InputError, match="'c' does not vary"):
        conf_interval(mini, p_names=["c"])
    with pytest.raises(ParameterNameError, match="no parameter 'q'"):
        conf_interval(mini, p_names=["q"])


def test_callers_jacobian():
    """A Jacobian of the caller's own serves the refits too."""
    problem = basic()

    def dfun(p):
        return np.array([-1/(p["a"].value**2*X), np.ones_like(X)])
    mini = gslfit.minimize(problem, problem.params(), Dfun=dfun, col_deriv=True)
    ci = conf_interval(mini)
    for name, rows in conf_interval(basic().fit()).items():
        assert [limit for _, limit in ci[name]] == pytest.approx([limit for _, limit in rows], rel=1e-6)
    assert ci.nfev < conf_interval(basic().fit()).nfev


def test_one_parameter():
    """A single parameter has an interval too."""
    y = 2 + np.random.default_rng(0).normal(size=X.size)
    mini = Problem(lambda x, c: c + 0*x, y, {"c": 0.}).fit()
    (_, low), (_, best), (_, high) = conf_interval(mini, sigmas=[.95])["c"]
    error = np.std(y, ddof=1)/10
    width = error*np.sqrt(f_distribution.ppf(.95, 1, 99))
    assert (best, best - low, high - best) == pytest.approx((np.mean(y), width, width), rel=1e-6)


@pytest.mark.parametrize(("call", "words"), [
    (lambda m: conf_interval(gslfit.Minimizer(lambda p: np.zeros(3), Parameters())), "fitted first"),
    (lambda m: conf_interval2d(m, "a", "a"), "two different"),
    (lambda m: conf_interval2d(m, "a", "b", 0, 3), "at least 1"),
    (lambda m: conf_interval2d(m, "a", "b", limits=((1, 2, 3), (1, 2))), "limits are"),
    (lambda m: conf_interval2d(m, "a", "b", limits=((1, np.nan), (1, 2))), "limits are")])
def test_misuse(call, words):
    """Each is refused with a reason."""
    with pytest.raises(FitError, match=words):
        call(basic().fit())


def test_no_degree_of_freedom():
    """As many data as parameters leave nothing to tell errors by."""
    p = Parameters()
    p.add_many(("a", 1.), ("b", 1.))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mini = gslfit.minimize(lambda p: np.array([p["a"] - 3, p["b"] - 4]), p)
    with pytest.raises(InputError, match="2 residuals for 2 varying parameters"):
        conf_interval(mini)


def test_perfect_fit():
    """Data without noise give limits of no width, and no endless search."""
    problem = basic()
    problem.y = 1/(.1*X) + 2
    ci = conf_interval(problem.fit())
    for name, truth in (("a", .1), ("b", 2.)):
        assert [limit for _, limit in ci[name]] == pytest.approx([truth]*7, rel=1e-6)


ZEROS = "A*exp(-x/tau) + c", {"A": 1.0, "tau": 1.0, "c": 0.0}


@pytest.mark.filterwarnings("error")
def test_a_dark_pixel_among_others():
    """A row of zeros ends in the least numbers there are: its limits are its values, and the others' are as without it."""
    x = np.linspace(0, 10, 40)
    y = 3*np.exp(-x/2) + .5 + .05*np.sin(np.arange(40.)**2)
    formula, start = ZEROS
    alone = gslfit.fit_batch(formula, y[None], x=x, **start).conf_interval()
    found = gslfit.fit_batch(formula, np.array([y, 0*y, 2*y]), x=x, **start).conf_interval()
    for name in start:
        np.testing.assert_array_equal(found[name][..., 0], alone[name][..., 0])
    assert np.all(np.abs(found["A"][..., 1]) < 1e-300)
    assert np.all(np.isfinite(found["tau"][..., 2]))


@pytest.mark.parametrize("formula", [ZEROS[0], "A*x + c"])
@pytest.mark.filterwarnings("error")
def test_limits_of_zeros(formula):
    """By every entry: nothing is left to rise, and a limit is the value."""
    x, start = np.linspace(0, 10, 40), {name: value for name, value in ZEROS[1].items() if name in formula}
    params = gslfit.Parameters()
    for name, value in start.items():
        params.add(name, value)
    compiled = gslfit.Formula(formula)
    called = gslfit.minimize(lambda p: compiled(x, **p.valuesdict()), params)
    for found in (gslfit.fit(formula, 0*x, x=x, **start), called):
        assert found.success
        for limits in gslfit.conf_interval(found).values():
            assert np.ptp([value for _, value in limits]) <= 1e-310
    single = gslfit.fit(formula, 0*x, x=x, **start)
    assert all(single.params[name].stderr is None or single.params[name].stderr < 1e-300 for name in start)
    assert single.errorbars == all(single.params[name].stderr is not None for name in start)
