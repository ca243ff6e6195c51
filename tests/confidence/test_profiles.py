"""Profiles of chi-square against brute-force refits by SciPy: limits where another parameter is on its bound, limits beyond a bound,
limits that are never reached, lower minima met on the way.

Nothing of gslfit is in the oracle: a parameter is held on a grid that grows, the others are refitted within their bounds by
`scipy.optimize.least_squares`, and the crossing of the level of the F-test is found by Brent's method.
"""
import math
import warnings

import numpy as np
import pytest
from profile_problem import HELD, INF, Problem, X, decay, line
from scipy.stats import f as f_distribution

import gslfit
from gslfit import Minimizer, Model, Parameters, ci_report, conf_interval, conf_interval2d
from gslfit.errors import FitWarning, InputError


def compare(problem, mini, chances=(.68, .95), names=None):
    """Every limit against the brute-force one; returns the intervals."""
    problem.seen.clear()
    ci = conf_interval(mini, p_names=names, sigmas=chances)
    seen = np.array(problem.seen)
    assert np.all(seen >= problem.low)
    assert np.all(seen <= problem.high)
    for name, rows in ci.items():
        k = problem.names.index(name)
        best = mini.params[name].value
        assert rows[len(chances)] == (0., pytest.approx(best, rel=1e-6))
        for i, chance in enumerate(sorted(chances)):
            for side, (probability, limit) in ((-1, rows[len(chances) - 1 - i]), (1, rows[len(chances) + 1 + i])):
                expected = problem.limit(k, side, chance)
                assert probability == chance
                if math.isinf(expected):
                    assert limit == expected, (name, chance, side)
                    which = "lower" if side < 0 else "upper"
                    assert any(note.startswith(f"{name}: the {which} limit of {100*chance:.2f}% is not reached") for note in ci.notes)
                else:
                    assert abs(limit - expected) <= 2e-3*abs(expected - best), (name, chance, side, limit, expected, best)
    return ci


@pytest.mark.parametrize("bounds", HELD.values(), ids=HELD)
@pytest.mark.parametrize("sign", [1, -1])
def test_another_parameter_on_its_bound(bounds, sign):
    """The other parameters are refitted within their bounds, on either side of each, and in the mirror."""
    truth = {"c": .5, "A": 3., "t": 1.2}
    mirrored = {name: (-high, -low) if sign < 0 and name != "t" else (low, high) for name, (low, high) in bounds.items()}
    problem = Problem(decay, {name: value if name == "t" else sign*value for name, value in truth.items()}, mirrored)
    problem.y = sign*(decay(X, *truth.values()) + .05*np.random.default_rng(2).normal(size=X.size))
    compare(problem, problem.fit(), (.68, .95), [name for name in truth if name not in bounds])


BEYOND = {"a": [(1.97, 2.03), (1.97, INF), (-INF, 2.03), (1.97, 2.3), (-5., 2.03)], "b": [(-.51, -.49), (-.505, INF), (-INF, -.495)]}


@pytest.mark.parametrize(("name", "bounds"), [(name, each) for name, them in BEYOND.items() for each in them])
def test_limits_beyond_a_bound(name, bounds):
    """A limit that would lie beyond a bound is infinite, with a note that names the bound; those before it are found."""
    problem = Problem(line, {"a": 2., "b": -.5}, {name: bounds})
    ci = compare(problem, problem.fit(), (.5, .997))
    for note in ci.notes:
        assert f"beyond the bound {bounds[0]:.6g}" in note or f"beyond the bound {bounds[1]:.6g}" in note
    assert ci.notes
    assert "beyond the bound" in ci_report(ci)


def test_the_best_value_on_its_bound():
    """One side of it is the bound, the other side is found; lower and upper."""
    for name, low, high in (("a", 2.2, INF), ("a", -INF, 1.8), ("b", -.4, 5.), ("b", -5., -.6)):
        problem = Problem(line, {"a": 2., "b": -.5}, {name: (low, high)})
        mini = problem.fit()
        assert mini.params[name].value == pytest.approx(low if low in (2.2, -.4) else high, abs=1e-9)
        compare(problem, mini, (.68, .95))


def saturating(x, rate, c):
    """Return a decay so fast that its rate no longer matters, from somewhere on."""
    return np.exp(-rate*x) + c


@pytest.mark.parametrize(("model", "truth", "name", "side"), [
    (saturating, {"rate": 25., "c": .1}, "rate", 1), (lambda x, q, c: saturating(x, -q, c), {"q": -25., "c": .1}, "q", -1),
    (lambda x, k, c: c/(1 + np.exp(-k)*x), {"k": 6., "c": 1.}, "k", 1)], ids=["rate", "mirrored rate", "logarithm of a share"])
def test_limits_that_are_never_reached(model, truth, name, side):
    """Chi-square levels off below the level: the limit is infinite, the note says where; the other side and the others are found."""
    problem = Problem(model, truth)
    ci = compare(problem, problem.fit(), (.95,))
    assert ci[name][1 + side][1] == side*INF
    assert np.isfinite(ci[name][1 - side][1])
    note = next(note for note in ci.notes if note.startswith(name))
    assert "levels off at" in note
    levelled = float(note.split("levels off at ")[1].split(",")[0])
    far, _ = problem.refit({0: side*700.}, problem.best()[1])
    assert levelled == pytest.approx(far, rel=1e-3)
    assert levelled < problem.level(.95)


def two_valleys(depth):
    """Return a residual of two minima in w, at -1 and 1, that of 1 deeper by depth; c is a second parameter."""
    rows = np.zeros(X.size)

    def model(x, w, c):
        out = rows.copy()
        out[:3] = 2**.5*(w*w - 1), math.sqrt(depth)/2*(w - 1), c
        return out

    problem = Problem(model, {"w": -1.1, "c": .3}, noise=0.)
    problem.y = rows.copy()
    problem.y[3:] = 1.
    return problem


@pytest.mark.parametrize("turn", [1, -1])
def test_a_lower_minimum_on_the_way_is_said(turn):
    """From the higher valley, on either side: a warning, a note, the values there, and intervals round it."""
    problem = two_valleys(1.)
    straight = problem.model
    problem.model = lambda x, w, c: straight(x, turn*w, c)
    mini = problem.fit((-1.1*turn, .3))
    assert mini.params["w"].value*turn < -.8
    before = mini.chisqr
    with pytest.warns(FitWarning, match="the profile of 'w' found a lower minimum"):
        ci = conf_interval(mini, sigmas=[.95])
    chi, at = problem.refit({}, [turn, 0.])
    assert ci.better["w"] == pytest.approx(at[0], abs=1e-5)
    assert ci.chisqr == pytest.approx(chi, rel=1e-8)
    assert chi < before - .5
    assert mini.chisqr == before
    assert "repeat the fit from there" in ci.notes[0]
    assert f"chi-square {chi:.8g}" in ci.notes[0]
    again = conf_interval(problem.fit((1.1*turn, .3)), sigmas=[.95])
    for name, rows in again.items():
        assert [limit for _, limit in ci[name]] == pytest.approx([limit for _, limit in rows], abs=1e-6)
    assert not again.notes
    assert again.better is None


def test_a_fit_that_was_not_at_its_minimum_is_said():
    """Parameters set elsewhere by hand: the intervals are round the minimum, with a note and a warning."""
    problem = Problem(line, {"a": 2., "b": -.5})
    mini = problem.fit()
    limits = conf_interval(mini, sigmas=[.95])
    assert not limits.notes
    best = mini.params["a"].value
    mini.params["a"].value = best + 3*mini.params["a"].stderr
    with pytest.warns(FitWarning, match="the fit was not at its minimum"):
        ci = conf_interval(mini, sigmas=[.95])
    assert "the fit was not at its minimum" in ci.notes[0]
    assert ci.better["a"] == pytest.approx(best, rel=1e-6)
    for name, rows in limits.items():
        assert [limit for _, limit in ci[name]] == pytest.approx([limit for _, limit in rows], rel=1e-5)


@pytest.mark.parametrize("scale", [1e-150, 1e-9, 1., 1e9, 1e150])
def test_chi_square_is_the_residuals_own(scale):
    """What prob_func is called with, and what the intervals say, is chi-square in the residual's units, whatever they are."""
    problem, called = Problem(line, {"a": 2., "b": -.5}), []
    params = Parameters()
    params.add_many(("a", 1.), ("b", 0.))
    mini = gslfit.minimize(lambda p: scale*problem(p), params)

    def probability(ndata, nparas, new_chi, best_chi, nfix=1.):
        called.append((new_chi, best_chi))
        return gslfit.f_compare(ndata, nparas, new_chi, best_chi, nfix)

    ci = conf_interval(mini, sigmas=[.95], prob_func=probability)
    chi = problem.best()[0]
    assert ci.chisqr/scale/scale == pytest.approx(chi, rel=1e-9)
    assert called
    for new, best in called:
        assert best/scale/scale == pytest.approx(chi, rel=1e-9)
        assert best <= new < INF
    assert [limit for _, limit in ci["a"]] == pytest.approx([problem.limit(0, -1, .95), mini.params["a"].value, problem.limit(0, 1, .95)],
                                                            rel=1e-5)


def test_points_left_out_stay_left_out():
    """Intervals and regions of a fit with nan_policy='omit' are those without the points."""
    problem = Problem(line, {"a": 2., "b": -.5})
    clean, keep = problem.y.copy(), np.ones(X.size, bool)
    keep[[3, 17, 39]] = False
    params = Parameters()
    params.add_many(("a", 1.), ("b", 0.))
    results = []
    for y, here, options in ((np.where(keep, clean, np.nan), slice(None), {"nan_policy": "omit"}), (clean, keep, {})):
        own = params.copy()
        mini = gslfit.minimize(lambda p, y=y, here=here: (line(X, p["a"].value, p["b"].value) - y)[here], own, **options)
        results.append((conf_interval(mini, sigmas=[.9]), conf_interval2d(mini, "a", "b", 3, 4)))
    (ci, region), (wanted, other) = results
    for name, rows in wanted.items():
        assert [limit for _, limit in ci[name]] == pytest.approx([limit for _, limit in rows], rel=1e-7)
    for mine, theirs in zip(region, other, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("bounds", [{}, {"t": (.1, 1.15)}, {"t": (1.25, 9.)}, {"t": (-INF, 1.15)}, {"t": (1.25, INF)}], ids=str)
def test_regions(bounds):
    """Each point of a region is a brute-force refit, a third parameter free or on its bound."""
    problem = Problem(decay, {"c": .5, "A": 3., "t": 1.2}, bounds)
    mini = problem.fit()
    limits = ((.44, .56), (2.85, 3.1))
    xs, ys, grid = conf_interval2d(mini, "c", "A", 4, 3, limits=limits)
    assert (xs[0], xs[-1], ys[0], ys[-1]) == pytest.approx((*limits[0], *limits[1]))
    n, p = X.size, 3
    chi0, near = problem.best()
    for j, A in enumerate(ys):
        for i, c in enumerate(xs):
            chi, _ = problem.refit({0: c, 1: A}, near)
            assert grid[j, i] == pytest.approx(f_distribution.cdf((chi/chi0 - 1)*(n - p)/2, 2, n - p), abs=2e-4)


@pytest.mark.parametrize(("limits", "words"), [
    (((1.8, 2.2), (-.6, -.4)), "limits of 'a', 1.8 to 2.2"), (((1.96, 2.2), (-.6, -.4)), "limits of 'a', 1.96 to 2.2"),
    (((1.9, 2.0), (-.6, -.4)), "limits of 'a', 1.9 to 2"), (((1.96, 2.02), (-.9, -.4)), "limits of 'b', -0.9 to -0.4"),
    (((1.96, 2.02), (-.6, -.1)), "limits of 'b', -0.6 to -0.1")])
def test_limits_of_a_region_outside_the_bounds_are_refused(limits, words):
    """Below and above, of both; before anything is evaluated there. Those given the other way round count alike."""
    problem = Problem(line, {"a": 2., "b": -.5}, {"a": (1.95, 2.05), "b": (-.7, -.3)})
    mini = problem.fit()
    for each in (limits, tuple(pair[::-1] for pair in limits)):
        problem.seen.clear()
        with pytest.raises(InputError, match=words):
            conf_interval2d(mini, "a", "b", 3, 3, limits=each)
        seen = np.array(problem.seen)
        assert np.all(seen >= problem.low)
        assert np.all(seen <= problem.high)


def test_default_range_of_a_region_ends_at_the_bounds():
    """Five standard errors each way, or the bound."""
    free = Problem(line, {"a": 2., "b": -.5}).fit().params["a"]
    best, error = free.value, free.stderr
    for low, high in ((-1.5, INF), (-INF, 1.5), (-1., 2.), (-2., 1.), (-9., 9.)):
        problem = Problem(line, {"a": 2., "b": -.5}, {"a": (best + low*error, best + high*error)})
        xs, _, grid = conf_interval2d(problem.fit(), "a", "b", 5, 4)
        assert xs[0] == pytest.approx(best + max(-5, low)*error, rel=1e-5)
        assert xs[-1] == pytest.approx(best + min(5, high)*error, rel=1e-5)
        assert xs[0] >= problem.low[0]
        assert xs[-1] <= problem.high[0]
        assert np.isfinite(grid).all()


def test_profiles_stop_at_bounds_to_the_last_bit():
    """Bounds that no sum of a best value and a distance hits: none is passed by a rounding error."""
    rng = np.random.default_rng(11)
    free = Problem(line, {"a": 2., "b": -.5}).fit().params["a"]
    for low, high in rng.uniform(.2, 2.5, (25, 2)):
        problem = Problem(line, {"a": 2., "b": -.5}, {"a": (free.value - low*free.stderr, free.value + high*free.stderr)})
        ci = conf_interval(problem.fit(), p_names=["a"], sigmas=[.999])
        seen = np.array(problem.seen)[:, 0]
        assert [limit for _, limit in ci["a"]] == [-INF, pytest.approx(free.value, rel=1e-6), INF]
        assert (seen.min(), seen.max()) == (problem.low[0], problem.high[0])


def test_intervals_of_a_models_fit():
    """A compiled model's profiles, with bounds, against the brute-force ones."""
    problem = Problem(decay, {"c": .5, "A": 3., "t": 1.2}, {"t": (.1, 1.15), "A": (0., INF)})
    model = Model(lambda x, c, A, t: c + A*np.exp(-x/t))
    params = model.make_params(c=.4, A=2.5, t=1.)
    params["t"].set(min=.1, max=1.15)
    params["A"].set(min=0.)
    result = model.fit(problem.y, params, x=X)
    ci = result.conf_interval(sigmas=[.95], p_names=["c", "A"])
    for k, name in enumerate(("c", "A")):
        wanted = [problem.limit(k, -1, .95), result.params[name].value, problem.limit(k, 1, .95)]
        assert np.all(np.abs(np.subtract([limit for _, limit in ci[name]], wanted)) <= 2e-3*(wanted[2] - wanted[0]))


def test_no_warning_where_nothing_is_wrong():
    """A plain problem gives limits without a word."""
    problem = Problem(decay, {"c": .5, "A": 3., "t": 1.2})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ci = compare(problem, problem.fit(), (.68, .95))
    assert not ci.notes


def test_another_parameter_pushed_against_either_bound():
    """A model mirrored in one parameter has its upper bound for the lower one: the same limits and the same probabilities of two."""
    x = np.linspace(0, 6, 40)
    y = 3*np.exp(-x/2) + .5 + .1*np.random.default_rng(0).normal(size=40)
    found = []
    for side, bound in ((1, {"max": .3}), (-1, {"min": -.3})):
        params = Parameters()
        params.add_many(("a", 2.5), ("t", 1.5))
        params.add("c", .3*side, **bound)
        fitter = Minimizer(lambda p, side=side: p["a"]*np.exp(-x/p["t"]) + side*p["c"] - y, params)
        result = fitter.minimize()
        limits = conf_interval(fitter, result, sigmas=[1, 2])
        found.append((np.array(limits["t"])[:, 1], conf_interval2d(fitter, result, "a", "t", 6, 6)[2]))
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)
