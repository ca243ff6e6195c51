"""Difference quotients evaluate nothing beyond the bounds."""
import numpy as np
import pytest

import gslfit
from gslfit.minimizer._descent import Differences

T = np.linspace(0, 5, 20)


@pytest.mark.parametrize("kind", ["forward", "central"])
@pytest.mark.parametrize("end", [0, 1])
@pytest.mark.parametrize("width", [1., 1e-3, 1e-9])
def test_on_a_bound_beside_which_the_model_has_no_value(kind, end, width):
    """A model that is NaN just inside the bound that a parameter lies on leaves no side to go to: the column is 0, nothing crossed."""
    low, high = np.array([1.3, .5]), np.array([1.3 + width, 2.])
    at, seen = np.array([(low, high)[end][0], 1.]), []

    def model(x):
        seen.append(x.copy())
        return np.exp(-T/x[0])*x[1] if x[0] == at[0] else np.full(T.size, np.nan)
    J = getattr(Differences(model, low, high), kind)(at, model(at))
    assert not J[:, 0].any()
    np.testing.assert_allclose(J[:, 1], np.exp(-T/at[0]), rtol=1e-6, atol=1e-7)
    assert (np.array(seen) >= low).all() and (np.array(seen) <= high).all()


@pytest.mark.parametrize("side", [1, -1])
def test_centred_differences_on_a_bound(side):
    """On a bound a column has as many digits as elsewhere: the formula of the inner side is of second order."""
    at, low, high = np.array([side*1.3, 1.]), np.array([-1.3, .5]), np.array([1.3, 2.])

    def model(x):
        return np.exp(-T/(side*x[0]))*x[1]
    J = Differences(model, low, high).central(at, model(at))
    np.testing.assert_allclose(J[:, 0], side*T/1.3**2*np.exp(-T/1.3), atol=2e-9)


@pytest.mark.parametrize("kind", ["forward", "central"])
@pytest.mark.parametrize("back", [2.6, -2.6])
def test_back_from_a_plain(kind, back):
    """Where a column was measured on a plain, at values a million times as large, the step that was visible there says nothing here."""
    low, high = np.array([-np.inf, -np.inf]), np.array([np.inf, np.inf])
    x = np.linspace(.1, 20, 9)

    def model(v):
        return 10 + v[1]/(1 + (x*v[0])**2)
    differences = Differences(model, low, high)
    for at in (np.array([-2.5e6, 3.]), np.array([back, 3.])):
        J = getattr(differences, kind)(at, model(at))
    t = (x*back)**2
    np.testing.assert_allclose(J[:, 0], -3*2*t/back/(1 + t)**2, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("low", "largest", "exponent", "amplitude"), [
    (0.05, 1e4, -10.3, 1), (0.059, 1e3, -10.3, 1), (0.059, 1e3, -10.3, 2.5), (0.07, 1e4, -7, 2.5), (0.07, 1e5, -7, 1), (0.07, 1e5, -7, 6)])
def test_no_column_is_taken_over_what_is_another_model(low, largest, exponent, amplitude):
    """Where a power law has fallen to nothing beside the data, its exponent has a size still: a step of ten times that tells no slope.

    The data are met ever better by steeper laws: there is no minimum.
    """
    x, y = np.geomspace(low, 10, 5), np.array([largest, 0, 0, 0, 0])
    params = gslfit.Parameters()
    params.add("A", amplitude)
    params.add("e", exponent)
    with np.errstate(all="ignore"):
        found = gslfit.minimize(lambda p: p["A"].value*x**p["e"].value - y, params)
    assert not found.success or found.chisqr < (1e-13*largest)**2


@pytest.mark.parametrize("start", [1e-3, 1., 1e3])
def test_a_parameter_without_effect_stays(start):
    """No step of any length shows one; one that is but the model elsewhere (a peak far off) is none."""
    x = np.linspace(0, 5, 30)
    y = 2 - 0.3*x + 0.05*np.random.default_rng(1).normal(size=30)
    params = gslfit.Parameters()
    for name in "abc":
        params.add(name, start)
    found = gslfit.minimize(lambda p: p["a"].value + p["b"].value*x + 0*p["c"].value - y, params)
    assert found.success and found.params["c"].value == start and found.params["c"].stderr is None
    alone = gslfit.fit("a + b*x", y, x=x, a=1., b=1.).params["b"].stderr*np.sqrt(28/27)      # c takes a degree of freedom
    assert found.params["b"].stderr == pytest.approx(alone, rel=1e-6)
    params["c"].value = 1e6*start + 1e3
    far = gslfit.minimize(lambda p: p["a"].value + p["b"].value*x + np.exp(-(x - p["c"].value)**2) - y, params)
    assert far.params["a"].value == pytest.approx(found.params["a"].value, rel=1e-6)
