"""Data sets that share parameters which start on a bound of 0: the common minimum is that of a start inside, whatever the units are."""
import numpy as np
import pytest

from gslfit import FitStatus, Formula, Parameters, fit_shared

X = np.linspace(0, 10, 30)
DECAY, GROWTH = "A*exp(-k*x) + c", "A*expm1(k*x)"
UNITS = [(1, 1), (1e9, 1), (1e100, 1), (1e-9, 1), (1e-200, 1), (1, 1e-9), (1, 1e3), (1, 1e6), (1e9, 1e-9)]      # of y, and of x
STARTS = [{"k": 0.}, {"A": 0., "k": 0.}, {"c": 0.}, {"A": 0., "k": 0., "c": 0.}]


def fitted(text, Y, start, shared, y_unit=1., x_unit=1., x=X, bounded=True, **options):
    """Return a fit of data in one unit over x in another, and its values in units of 1."""
    units = {"A": y_unit, "k": 1/x_unit, "c": y_unit}
    params = Parameters()
    for name, value in start.items():
        params.add(name, value*units[name], min=0 if bounded else None)
    found = fit_shared(text, Y*y_unit, params, x=x*x_unit, shared=tuple(shared), **options)
    return found, {name: np.asarray(found.values[name])/units[name] for name in start}


def data(shared, seed):
    """Return data of three decays."""
    rng = np.random.default_rng(seed)
    A, k, c = rng.uniform(2, 4, (3, 1)), rng.uniform(.3, .7, (3, 1)), rng.uniform(.5, 1.5, (3, 1))
    A, k, c = (each[:1] if name in shared else each for name, each in (("A", A), ("k", k), ("c", c)))
    return A*np.exp(-k*X) + c + .05*rng.normal(size=(3, X.size))


@pytest.mark.parametrize("shared", ["k", "kc", "kA", "A", "Ac", "Akc"])
@pytest.mark.parametrize("zeros", STARTS, ids=str)
def test_in_any_unit(zeros, shared):
    """A rate of 0 began at 0.01 in whatever unit: over x of 1e6 that is a plain, which was called the minimum."""
    for seed in range(2):
        Y = data(shared, seed)
        _, expected = fitted(DECAY, Y, {"A": 3., "k": .4, "c": .8}, shared)
        for y_unit, x_unit in UNITS:
            found, values = fitted(DECAY, Y, {"A": 3., "k": .4, "c": .8, **zeros}, shared, y_unit, x_unit)
            assert found.success and (found.status == FitStatus.CONVERGED).all(), (y_unit, x_unit, found.message)
            for name, value in expected.items():
                np.testing.assert_allclose(values[name], value, rtol=1e-6, err_msg=f"{name} in {y_unit}, {x_unit}")


@pytest.mark.parametrize("loss", ["huber", "tukey"])
def test_by_a_robust_loss(loss):
    Y, start = data("k", 0), {"A": 3., "k": 0., "c": .8}
    _, expected = fitted(DECAY, Y, {**start, "k": .4}, "k", loss=loss, f_scale=.1)
    for y_unit, x_unit in UNITS:
        found, values = fitted(DECAY, Y, start, "k", y_unit, x_unit, loss=loss, f_scale=.1*y_unit)
        assert found.success, (y_unit, x_unit, found.message)
        np.testing.assert_allclose(values["k"], expected["k"], rtol=1e-5)


@pytest.mark.parametrize("shared", ["k", "A"])
def test_a_growth_that_overflows(shared):
    """Where 0.01 is inside by so much that the model is infinite, all data sets were left out as bad data, or ended elsewhere."""
    x = X/2
    Y = Formula(GROWTH)(x=x, A=1., k=.3) + .05*np.random.default_rng(0).normal(size=(2, X.size))
    _, expected = fitted(GROWTH, Y, {"A": 1., "k": .2}, shared, x=x)
    for unit in (1, 1e3, 1e4, 1e5, 1e6, 1e9, 1e-9):
        found, values = fitted(GROWTH, Y, {"A": 1., "k": 0.}, shared, 1., unit, x=x)
        assert found.success and not found.left_out.size, (unit, found.message)
        np.testing.assert_allclose(values["k"], expected["k"], rtol=1e-6)


def test_the_look_inside_counts():
    """Two evaluations, or three where something is hidden; a limit that they would use up is kept."""
    for most in range(4, 8):
        found, _ = fitted(DECAY, data("k", 0), {"A": 0., "k": 0., "c": .8}, "k", 1., 1e6, max_nfev=most)
        assert found.nfev <= most and not found.success


@pytest.mark.parametrize("text", ["A*tanh(k*x)", "A*k*x/(1 + k*x)", "A*k*x*exp(-k*x)", "A*(1 - exp(-k*x))", "-A*expm1(-k*x)"])
def test_two_that_hide_each_other(text):
    """A and k of 0 tell nothing of each other: beside a guess of the rate, the amplitude would be that of a straight line."""
    x, rng = np.linspace(.05, 5, 50), np.random.default_rng(5)
    Y = Formula(text)(x=x, A=np.array([[1.], [2.], [.7]]), k=.8) + .02*rng.normal(size=(3, 50))
    expected = fit_shared(text, Y, x=x, shared="k", A=1., k=1.)
    for x_unit in (1, 1e-3, 1e-6, 1e-9, 1e3, 1e6):
        found, values = fitted(text, Y, {"A": 0., "k": 0.}, "k", 1., x_unit, x=x)
        assert found.success, (x_unit, found.message)
        np.testing.assert_allclose(values["k"], expected.values["k"], rtol=1e-6)
