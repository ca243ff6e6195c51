"""Lengths of columns, against `math.hypot`."""
import math

import numpy as np
import pytest

from gslfit.objective.lengths import lengths


@pytest.mark.parametrize("size", [1.0, 1e-308, 5e-324, 1e-160, 1e-140, 1e140, 1e160, 1e307])
@pytest.mark.parametrize("n", [0, 1, 3, 100])
@pytest.mark.filterwarnings("error")
def test_any_size(n, size):
    """Squares that over- or underflow, beside others that don't."""
    A = np.random.default_rng(n).normal(size=(n, 3))*[size, 1, 0]
    for given in (A, np.asfortranarray(A)):
        wanted = [math.hypot(*column) for column in A.T]
        np.testing.assert_allclose(lengths(given), wanted, rtol=8*np.finfo(float).eps*math.sqrt(n + 1), atol=5e-324)
    assert lengths(A[:, 1]) == pytest.approx(math.hypot(*A[:, 1]), rel=1e-14)


def test_what_is_no_number_is_passed_on():
    """NaN and infinities, of their own column alone."""
    found = lengths(np.array([[np.nan, np.inf, 3e200, 1.7e308], [1.0, 1e-200, 4e200, 1.7e308]]))
    np.testing.assert_array_equal(found[:2], [np.nan, np.inf])
    assert found[2] == pytest.approx(5e200, rel=1e-15)
    assert found[3] == np.inf
