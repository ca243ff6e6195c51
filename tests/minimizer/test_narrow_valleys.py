"""Valleys of chi-square that are narrow and bend: derivatives by differences of the fourth order, and whole Gauss-Newton steps."""
import numpy as np
import pytest

from gslfit import Parameters, minimize
from gslfit.minimizer._descent import Differences

X = np.linspace(0, 20, 61)


def two_decays(v):
    return v[0] + v[1]*np.exp(-v[2]*X) + v[3]*np.exp(-v[4]*X)


def slopes(v):
    first, second = np.exp(-v[2]*X), np.exp(-v[4]*X)
    return np.stack([np.ones_like(X), first, -v[1]*X*first, second, -v[3]*X*second], axis=1)


AT = np.array([1.5, 7.3, .135, -.6, .147])


def columns_off(lower, upper, *, fine):
    """Return by what share of its length each column by differences is off."""
    differences = Differences(lambda v: two_decays(v) - 1, np.full(5, lower), np.full(5, upper))
    differences.fine = fine
    r = two_decays(AT) - 1
    for _ in range(2):          # the first has not seen the lengths on which columns change
        J = differences.central(AT, r)
    return np.linalg.norm(J - slopes(AT), axis=0)/np.linalg.norm(slopes(AT), axis=0)


def test_fine_differences():
    """They err by the power 4/5 of rounding, 3e-13, centred ones by 2/3, 4e-11: what of it is theory's times a small number."""
    centred, fine = (columns_off(-np.inf, np.inf, fine=fine) for fine in (False, True))
    assert fine.max() < 1e-11 and np.all(fine[[2, 4]] < centred[[2, 4]]/5)


def test_fine_differences_keep_within_bounds():
    """Where there is no room for them the centred ones serve: none is further off."""
    low, high = AT - 1e-5*np.abs(AT), AT + 1e-5*np.abs(AT)
    asked, found = [], []

    def residual(v):
        asked.append(v.copy())
        return two_decays(v) - 1
    for fine in (False, True):
        differences = Differences(residual, low, high)
        differences.fine = fine
        for _ in range(2):
            J = differences.central(AT, two_decays(AT) - 1)
        found.append(np.linalg.norm(J - slopes(AT), axis=0))
    assert all(np.all((low <= v) & (v <= high)) for v in asked)
    assert np.all(found[1] <= 2*found[0])


def fitted(y, start, *, exact):
    params = Parameters()
    for k, value in enumerate(start):
        params.add(f"p{k}", value)

    def vector(p):
        return np.array([p[f"p{k}"].value for k in range(5)])
    jacobian = {"Dfun": lambda p: slopes(vector(p))} if exact else {}
    out = minimize(lambda p: two_decays(vector(p)) - y, params, **jacobian)
    return out, vector(out.params)


@pytest.mark.parametrize("noise", [1e-5, 1e-6])
@pytest.mark.parametrize("seed", range(4))
def test_decays_that_are_nearly_one(seed, noise):
    """What differences call a minimum is the one that derivatives lead to, to a thousandth of a standard error."""
    y = two_decays(AT) + noise*np.random.default_rng(seed).normal(size=X.size)
    out, found = fitted(y, AT*[1, 1.1, .98, 1.5, 1.02], exact=False)
    exact, _ = fitted(y, AT, exact=True)
    J = slopes(found)/np.linalg.norm(slopes(found), axis=0)
    step = J @ np.linalg.lstsq(J, y - two_decays(found), rcond=None)[0]
    assert out.success and exact.success
    assert np.linalg.norm(step) < 1e-3*np.sqrt(exact.chisqr/(X.size - 5))
    assert out.chisqr == pytest.approx(exact.chisqr, rel=1e-9)
