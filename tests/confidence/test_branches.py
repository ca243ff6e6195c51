"""Limits where a profile has several branches, turns over, never ends or falls apart: against brute force, many starts at each point."""
import warnings

import numpy as np
import pytest
from brute_force import BruteForce
from valleys import CASES, CHANCE, QUICK

from gslfit import conf_interval


@pytest.mark.parametrize("name", [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in CASES])
def test_against_brute_force(name):
    """All limits to 2e-3 of their half width, infinite ones included, and the ranges that a profile falls apart into."""
    case = CASES[name]
    mini = case.fit()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = conf_interval(mini, case.names, sigmas=[CHANCE])
    best = [mini.params[each].value for each in case.truth]
    brute = BruteForce(case.residual, best, *np.array(case.box, float).T)
    level = case.level(CHANCE, brute.chi)
    for each in case.names:
        k = list(case.truth).index(each)
        (_, low), (_, origin), (_, high) = found[each]
        for limit, side in ((low, -1), (high, 1)):
            bound = case.bounds.get(each, (None, None))[side > 0]
            ends = origin + 1.3*(limit - origin) if np.isfinite(limit) else origin + side*20*max(abs(origin), 1.)
            expected = brute.first_crossing(k, level, ends if bound is None else side*min(side*ends, side*bound))
            assert np.isfinite(expected) == np.isfinite(limit), (each, side, limit, expected)
            if np.isfinite(limit):
                assert abs(limit - expected) <= 2e-3*abs(expected - origin), (each, side, limit, expected, origin)
        if np.isfinite(low) and np.isfinite(high):
            _check_ranges(brute, k, level, found.ranges.get(each, {}).get(CHANCE, [(low, high)]), origin, low, high)


def _check_ranges(brute, k, level, ranges, origin, low, high):
    """Everywhere within three times the limits' distance, but next to the ends, the profile lies below its level in the ranges alone."""
    width = high - low
    values = np.linspace(origin - 2.9*(origin - low), origin + 2.9*(high - origin), 20)
    near_an_end = [min(abs(value - end) for pair in ranges for end in pair) < .02*width for value in values]
    said = np.array([any(a <= value <= b for a, b in ranges) for value in values])
    assert not ((brute.below(k, level, values) != said) & ~np.array(near_an_end)).any(), (k, ranges)
