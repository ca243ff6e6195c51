"""Ends where what is left is the rounding of terms that cancel each other: beside these it can't be seen whether it might be less."""
import numpy as np
import pytest

import gslfit

X = np.linspace(0, 8, 90)
NAMES = ("A", "m", "s", "B", "n", "u", "c")


def peaks(A, m, s, B, n, u, c):
    return A*np.exp(-(X - m)**2/(2*s**2)) + B*np.exp(-(X - n)**2/(2*u**2)) + c


@pytest.mark.parametrize("start", [1., 100.])
@pytest.mark.parametrize("unit", [1e-15, 1e-18, 1e-20, 1e-30])
def test_no_success_far_above_no_model_at_all(unit, start):
    """A = -B = 33 was a success, with a chi-square up to 1e30 times that of A = B = c = 0."""
    y = unit*(peaks(3, 3, .6, 2, 5, .8, .3) + .06*np.random.default_rng(1).standard_normal(90))
    params = gslfit.Parameters()
    params.add_many(*zip(NAMES, (start, 2.8, 50., start, 5.2, 50., 0.), strict=True))
    found = gslfit.minimize(lambda p: peaks(*(p[name].value for name in NAMES)) - y, params)
    assert not found.success or np.sum((found.residual/unit)**2) < np.sum((y/unit)**2)


def test_amplitudes_of_one_shape_are_exact_still():
    """A and B only as A + B = 5, by algebra: nothing cancels, and the end is the one that it was."""
    y = 5*np.exp(-X/2)
    params = gslfit.Parameters()
    params.add_many(("A", 1.), ("B", 1.), ("t", 1.))
    found = gslfit.minimize(lambda p: (p["A"].value + p["B"].value)*np.exp(-X/p["t"].value) - y, params)
    assert found.success and found.chisqr < 1e-24
    assert found.params["A"].value + found.params["B"].value == pytest.approx(5, abs=1e-12)
