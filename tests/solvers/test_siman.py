"""Simulated annealing: global minima, seeds, bounds, failures."""
import doctest
import time

import numpy as np
import pytest

import gslfit.solvers._siman as siman
from gslfit.errors import InputError, InputTypeError, NonFiniteError
from gslfit.multifit import FdfSolver, Function_fdf
from gslfit.solvers._siman import anneal

X = np.linspace(0, 10, 80)
Y = 2 * np.sin(3.7 * X + 0.5) + 0.2 * np.random.default_rng(8).normal(size=80)


def residual(x):
    """Return a sine's."""
    return x[0] * np.sin(x[1] * X + x[2]) - Y


def chisq(x):
    """Its sum of squares."""
    return float((residual(x) ** 2).sum())


def rastrigin(x):
    """Ten hills to each valley, the lowest at 0."""
    return float(10 * x.size + (x**2 - 10 * np.cos(2 * np.pi * x)).sum())


def polished(start):
    """Chi-square after a least-squares fit from there."""
    solver = FdfSolver(80, 3)
    solver.set(Function_fdf.from_callables(residual, None, 80, 3), start)
    solver.solve()
    return (solver.f**2).sum()


@pytest.mark.parametrize("seed", range(5))
def test_a_sine_from_a_wrong_frequency(seed):
    """Least squares alone stays in the wrong valley; annealing finds the right one, with any seed."""
    start = [1.0, 1.0, 0.0]
    assert polished(start) > 100
    found = anneal(chisq, start, [2, 3, 2], seed=seed)
    assert found.cost == chisq(found.x)
    assert polished(found.x) < 4
    assert abs(abs(found.x[1]) - 3.7) < 0.05


@pytest.mark.parametrize("seed", range(5))
def test_rastrigin(seed):
    """The lowest of about a thousand valleys in three dimensions."""
    found = anneal(rastrigin, [4.5, -3.5, 2.5], 3, seed=seed)
    assert found.cost < 0.1


def test_seeds():
    """The same seed walks the same way, another one another."""
    first, again, other = (anneal(rastrigin, [4.5, -3.5], 3, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.x, again.x)
    assert first.nfev == again.nfev
    assert (first.x != other.x).any()


def test_bounds():
    """No call outside, from wall to wall; the best on a bound is found."""
    seen = []

    def cost(x):
        seen.append(x)
        return rastrigin(x)

    found = anneal(cost, [2.5, -3.5], 50, lower=[1.5, -4], upper=[5, np.inf])
    assert (np.array(seen) >= [1.5, -4]).all()
    assert (np.array(seen)[:, 0] <= 5).all()
    assert abs(found.x[0] - 1.99) < 0.05
    assert abs(found.x[1]) < 0.05


def test_limit_and_units():
    """max_nfev is kept; the cost's units do not matter, since the temperature is taken from it."""
    assert anneal(rastrigin, [4.5, -3.5], 3, max_nfev=100).nfev == 100
    for unit in (1e-30, 1e30):
        found = anneal(lambda x, unit=unit: unit * rastrigin(x), [4.5, -3.5], 3)
        assert found.cost < 0.1 * unit


def test_schedule():
    """The number of evaluations is that of the temperatures."""
    found = anneal(rastrigin, [1.0], 1, iters_fixed_T=7, t_initial=8, t_min=1, mu_t=2)
    assert found.nfev == 2 + 7 * 4          # the start, by us and by GSL, and T = 8, 4, 2, 1


def test_not_finite():
    """NaN and inf are never taken; at the start they are an error."""
    found = anneal(lambda x: rastrigin(x) if x[0] > 0.5 else np.nan, [2.5], 3)
    assert found.x[0] > 0.5
    for value in (np.nan, np.inf):
        with pytest.raises(NonFiniteError, match=r"not finite at the start, x = \[2.5\]"):
            anneal(lambda x, value=value: value, [2.5], 3)
    with pytest.raises(NonFiniteError, match=r"x0\[1\]"):
        anneal(rastrigin, [0, np.nan], 3)


class Boom(Exception):
    """An exception of the caller's own."""


@pytest.mark.parametrize("error", [Boom("here"), KeyboardInterrupt(), SystemExit(2)], ids=repr)
@pytest.mark.parametrize("call", [1, 2, 20, 500])
def test_exceptions_surface_at_once(error, call):
    """As themselves; the cost is not called afterwards, and what remains of GSL's walk is over in no time."""
    count = 0

    def cost(x):
        nonlocal count
        count += 1
        if count == call:
            raise error
        return rastrigin(x)

    begin = time.perf_counter()
    with pytest.raises(type(error)) as caught:
        anneal(cost, [4.5, -3.5], 3)
    assert caught.value is error
    assert count == call
    assert time.perf_counter() - begin < 1


@pytest.mark.parametrize(("arguments", "options", "error", "message"), [
    (("cost", [1], 1), {}, InputTypeError, "cost must be callable, not str"),
    ((lambda x: "high", [1], 1), {}, InputTypeError, "the cost returned 'high', and one number is needed"),
    ((lambda x: None, [1], 1), {}, InputTypeError, "returned None"),
    ((rastrigin, [[1]], 1), {}, InputError, r"x0 has shape \(1, 1\)"),
    ((rastrigin, [], 1), {}, InputError, "not empty"),
    ((rastrigin, "a", 1), {}, InputTypeError, "x0 must be real"),
    ((rastrigin, [1, 2], [1, 2, 3]), {}, InputError, r"scale has shape \(3,\), and \(2,\)"),
    ((rastrigin, [1, 2], [1, 0]), {}, InputError, r"scale\[1\] is 0"),
    ((rastrigin, [1, 2], 1), {"lower": [0, 3]}, InputError, "x0 is outside its bounds at index 1: 3.0, 2.0, inf"),
    ((rastrigin, [1, 2], 1), {"lower": 5, "upper": 4}, InputError, "lower is not below upper at index 0"),
    ((rastrigin, [1], 1), {"mu_t": 1}, InputError, "mu_t is 1.0"),
    ((rastrigin, [1], 1), {"t_initial": -1}, InputError, "t_initial is -1"),
    ((rastrigin, [1], 1), {"t_initial": 1, "t_min": 2}, InputError, "from the higher to the lower"),
    ((rastrigin, [1], 1), {"iters_fixed_T": 0}, InputError, "iters_fixed_T is 0"),
    ((rastrigin, [1], 1), {"mu_t": 1.0000001}, InputError, "10000000 are the limit"),
])
def test_what_anneal_refuses(arguments, options, error, message):
    """Every message names the culprit."""
    with pytest.raises(error, match=message):
        anneal(*arguments, **options)


def test_walks_leave_nothing():
    """Thousands of walks, a third of them broken: the process does not grow."""
    psutil = pytest.importorskip("psutil")
    count = 0

    def cost(x):
        nonlocal count
        count += 1
        if count % 40 == 0:
            raise Boom
        return rastrigin(x)

    def use(times):
        for _ in range(times):
            with pytest.raises(Boom):
                anneal(cost, [1.0, 2.0], 1, iters_fixed_T=5, t_initial=1, t_min=1e-3)

    use(300)
    before = psutil.Process().memory_info().rss
    use(3000)
    assert psutil.Process().memory_info().rss - before < 2e6


def test_docstrings_run():
    """The examples in the docstrings are true."""
    assert doctest.testmod(siman).failed == 0
