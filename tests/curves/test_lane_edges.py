"""Fits in the lanes alone, without refits by GSL, at the edges: starts on a bound, narrow boxes, bounds far away, dependent columns."""
import numpy as np
import pytest

from gslfit import FitStatus, Formula, Parameters, fit_batch

X = np.linspace(1, 2, 20)
EPS = np.finfo(float).eps


def boxed(low, high, start):
    """Parameters of a line whose slope is within a box."""
    p = Parameters()
    p.add("a", start, min=low, max=high)
    p.add("b", 1.)
    return p


@pytest.mark.parametrize("end", ["low", "high"])
@pytest.mark.parametrize(("low", "width"), [(1., 1.), (1., 1e-6), (-1e5, 1e-4), (1e9, 1e-3), (-1e9 - 1e-3, 1e-3), (-2., 1.), (1., 1e-10)])
def test_a_start_on_a_bound(low, width, end):
    """A line is found from either end of a box of any width: to the rounding of the data, divided by the width."""
    high = low + width
    for share in (.1, .5, .9):
        true = low + share*width
        y = np.tile(true*X + 2, (3, 1))
        found = fit_batch(Formula("a*x + b"), y, boxed(low, high, low if end == "low" else high), x=X, method="lanes")
        assert (found.status == FitStatus.CONVERGED).all()
        assert np.all((found.values["a"] > low) & (found.values["a"] < high))
        assert np.allclose(found.values["a"], true, rtol=0, atol=1024*EPS*max(abs(low), abs(high)))


@pytest.mark.parametrize("method", ["lanes", "auto"])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_minimum_beyond_a_bound_far_away(sign, method):
    """A single step reaches beyond a bound that is far from the start: the fit ends on the bound, not past it."""
    p = Parameters()
    p.add("a", sign, **{"min" if sign > 0 else "max": -1e9*sign})
    p.add("b", 0)
    found = fit_batch(Formula("a*x + b"), np.tile(-1e12*sign*X, (2, 1)), p, x=X, method=method)
    assert (found.status == FitStatus.AT_BOUND).all()
    assert (found.values["a"] == -1e9*sign).all()


@pytest.mark.parametrize("method", ["lanes", "auto", "lmsder", "trust"])
@pytest.mark.parametrize("noise", [0, .1])
def test_columns_that_depend_on_each_other(noise, method):
    """Two parameters that act as their sum only: a success with its own status, whose sum is what one parameter would be."""
    y = np.tile(3*X + 1, (2, 1)) + noise*np.random.default_rng(0).normal(size=(2, 20))
    found = fit_batch("(a + b)*x + c", y, x=X, a=1., b=1., c=0., method=method)
    one = fit_batch("a*x + c", y, x=X, a=1., c=0., method=method)
    assert (found.status == FitStatus.RANK_DEFICIENT).all() and found.success.all()
    assert np.allclose(found.values["a"] + found.values["b"], one.values["a"], rtol=1e-9)


@pytest.mark.parametrize("method", ["lanes", "auto"])
@pytest.mark.parametrize("sign", [1, -1])
def test_dependent_parameters_at_bounds(sign, method):
    """Where chi-square falls beyond the bounds of parameters that depend on each other, they end on their bounds, and that is said."""
    p = Parameters()
    for name in "ad":
        p.add(name, sign, **{"max" if sign > 0 else "min": 2*sign})
    p.add("b", 0)
    p.add("twice", expr="2*a")
    noise = np.random.default_rng(4).normal(0, .1, (2, 20))
    y = 50*sign*X + noise
    found = fit_batch(Formula("(a + d)*x + b + twice*x"), y, p, x=X, method=method)
    assert (found.status == FitStatus.AT_BOUND).all()
    assert (found.values["a"] == 2*sign).all() and (found.values["d"] == 2*sign).all() and (found.values["twice"] == 4*sign).all()
    assert np.allclose(found.values["b"], (y - 8*sign*X).mean(axis=1), rtol=1e-7)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_peak_looked_for_from_its_bound(sign):
    """An amplitude that runs onto its bound 0, from below as from above, is looked at again, from inside, where the residual is largest."""
    x, rng = np.linspace(0, 100, 101), np.random.default_rng(8)
    center = rng.uniform(30, 70, 200)
    y = sign*5*np.exp(-((x - center[:, None])/4)**2/2) + rng.normal(0, .1, (200, 101))
    p = Parameters()
    p.add("A", sign, **{"min" if sign > 0 else "max": 0})
    p.add("c", 20.)
    p.add("s", 3., min=.5, max=30)
    found = fit_batch(Formula("A*exp(-((x - c)/s)**2/2)"), y, p, x=x)
    assert found.success.all()
    assert np.all(sign*found.values["A"] > 0)
    lanes = fit_batch(Formula("A*exp(-((x - c)/s)**2/2)"), y, p, x=x, method="lanes")
    there, before = (np.abs(one.values["c"] - center) < 1 for one in (found, lanes))
    assert there.mean() > before.mean() + .2


def test_a_peak_looked_for_from_either_side_of_its_bound():
    """What is turned upside down, data and bound, ends turned upside down: peaks on a background, all of them found."""
    x, rng = np.linspace(-5, 5, 41), np.random.default_rng(3)
    center = rng.uniform(-4, 4, 60)
    y = 2*np.exp(-(x - center[:, None])**2/2) + rng.normal(0, .05, (60, 41))
    ends = []
    for sign in (1, -1):
        p = Parameters()
        p.add("A", sign, **{"min" if sign > 0 else "max": 0})
        p.add("m", -2.)
        p.add("c", 0.)
        ends.append(fit_batch(Formula("A*exp(-(x - m)**2/2) + c"), sign*y, p, x=x))
        assert np.all(np.abs(ends[-1].values["m"] - center) < .3)
    for name, sign in {"A": -1, "m": 1, "c": -1}.items():
        np.testing.assert_allclose(ends[1].values[name], sign*ends[0].values[name], rtol=0, atol=1e-6)


@pytest.mark.parametrize("text", ["a*b*exp(-x/t) + c", "a*exp(-(x - b)/t)"])
def test_products_by_the_lanes_alone(text):
    """Of 300 rows of a model that has one parameter too many, none is called a minimum of all, whatever rounding leaves of the pivot."""
    x, rng = np.linspace(0, 4, 30), np.random.default_rng(0)
    y = rng.uniform(1, 3, (300, 1))*np.exp(-x/rng.uniform(.5, 2, (300, 1))) + rng.normal(0, .02, (300, 30))
    start = {"a": 1., "b": .5, "t": 1., "c": 0.}
    found = fit_batch(text, y, x=x, method="lanes", **{name: start[name] for name in Formula(text, ["x"]).names})
    assert (found.status == FitStatus.RANK_DEFICIENT).sum() > 50
    assert not np.isin(found.status, [FitStatus.CONVERGED, FitStatus.AT_BOUND]).any()


@pytest.mark.parametrize("noise", [0, 1e-5])
def test_a_step_that_has_no_width(noise):
    """Constants fitted by a*tanh(x/t) are the better the smaller t is, and never best: no minimum where all is exact, and with noise
    no success above the chi-square that is left at t = 0."""
    x, rng = np.linspace(0, 4, 25), np.random.default_rng(0)
    y = rng.uniform(1, 3, (400, 1)) + noise*rng.normal(size=(400, 25))
    found = fit_batch("a*tanh(x/t)", y, x=x, a=1., t=1.)
    infimum = y[:, 0]**2 + 24*y[:, 1:].var(axis=1)
    assert np.all(found.chisqr[found.success] <= infimum[found.success]*(1 + 1e-12))
    assert noise or not found.success.any()


@pytest.mark.parametrize("method", ["lanes", "auto", "lmsder"])
@pytest.mark.parametrize("start", [0, 1])
@pytest.mark.parametrize(("low", "width"), [(1., 1.), (1., 1e-4), (-1 - 1e-4, 1e-4), (-3., 2.), (1e6, .5)])
def test_a_model_without_a_value_on_or_beyond_its_bounds(low, width, start, method):
    """A start on a bound is moved inside a box of any width before the model is asked: here it is finite between the bounds only."""
    high = low + width
    p = boxed(low, high, (low, high)[start])
    formula = Formula(f"log((a - {low!r})/({high!r} - a))*x + b")
    for share in (.2, .7):
        true = low + share*width
        y = np.tile(formula(x=X, a=true, b=2.), (3, 1))
        found = fit_batch(formula, y, p, x=X, method=method)
        assert found.success.all()
        assert np.allclose(found.values["a"], true, rtol=0, atol=1e-6*width)


@pytest.mark.parametrize("method", ["lanes", "auto"])
@pytest.mark.parametrize("sign", [1, -1])
def test_no_fit_ends_outside_its_bounds(sign, method):
    """Of 2,000 fits with their minimum next to a bound, on either side of it, none ends beyond the bound."""
    rng = np.random.default_rng(21)
    x, rate = np.linspace(0, 3, 30), 1 + rng.normal(0, 1, (2000, 1))*10.**rng.uniform(-9, -1, (2000, 1))
    y = np.exp(-sign*rate*x) + rng.choice([0, 1e-6, 1e-2], (2000, 1))*rng.normal(size=(2000, 30))
    p = Parameters()
    p.add("A", .7)
    p.add("k", 1.5*sign, **{"min" if sign > 0 else "max": sign})
    found = fit_batch(Formula("A*exp(-k*x)"), y, p, x=x, method=method)
    assert np.all(sign*found.values["k"] >= 1)
    assert method == "lanes" or found.success.mean() > .99
    assert ((found.status == FitStatus.AT_BOUND) == (found.values["k"] == sign))[found.success].all()


def test_no_absurd_last_step():
    """A last step, from whose end nothing is looked at, carries no parameter a million times its size away."""
    x = np.linspace(-1, 1, 50)
    q, _ = np.linalg.qr(np.stack([np.ones(50), x], axis=1))
    noise = np.random.default_rng(0).normal(size=50)
    noise -= q @ (q.T @ noise)
    noise -= q @ (q.T @ noise)
    for small in (1e-17, 1e-100):
        y = 2 + 1e-10*x + noise     # from 1 the minimum is 1e-10/small away, and its error a billion times that
        found = fit_batch("a + b*z", y[None], x={"z": small*x}, start={"a": 2., "b": 1.}, method="lanes")
        assert abs(found.values["b"][0]) < 1e6
