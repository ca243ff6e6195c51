"""Regions of two parameters across branches: against brute force, many SciPy fits of the others at each place of the grid."""
import numpy as np
import pytest
from scipy.optimize import least_squares
from scipy.stats import chi2

import gslfit
from gslfit import Parameters, conf_interval2d

DECAYS, PEAKS = np.linspace(0, 6, 40), np.linspace(-5, 5, 50)


def decays(a, s, b, t):
    return a*np.exp(-DECAYS/s) + b*np.exp(-DECAYS/t)


def peaks(a, s, b, t):
    return a*np.exp(-(PEAKS - s)**2/2) + b*np.exp(-(PEAKS - t)**2/2)


# model, truth, noise, seed, range of times or places
CASES = {"two decays": (decays, (3, .7, 2, 2.1), .05, 2, (.05, 20)),
         "two decays, closer": (decays, (3, 1, 2, 1.8), .02, 3, (.05, 20)),
         "two peaks": (peaks, (2, -.6, 1.5, .7), .1, 1, (-4, 4))}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_region_of_two_heights_is_of_the_lowest_branch(case):
    """The times, or places, may be exchanged while the heights are held."""
    model, truth, noise, seed, box = case
    y = model(*truth)
    y = y + noise*np.random.default_rng(seed).standard_normal(y.size)
    params = Parameters()
    for name, value in zip("asbt", truth, strict=True):
        params.add(name, value)
    found = gslfit.minimize(lambda p: (model(*(p[name].value for name in "asbt")) - y)/noise, params, scale_covar=False)
    assert found.success
    heights, others, grid = conf_interval2d(found, "a", "b", 5, 5)
    starts = np.random.default_rng(6).uniform(*((.3, 4) if model is decays else (-2, 2)), (8, 2))
    for j, b in enumerate(others):
        for i, a in enumerate(heights):
            chi = min(2*least_squares(lambda u, a=a, b=b: (model(a, u[0], b, u[1]) - y)/noise, start, bounds=box, x_scale="jac").cost
                      for start in starts)
            assert grid[j, i] == pytest.approx(chi2.cdf(chi - found.chisqr, 2), abs=2e-3)
