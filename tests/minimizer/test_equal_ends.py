"""Several ways come as low, and not all of their ends are minima: the one that is counts."""
import numpy as np
import pytest

import gslfit

X = np.linspace(0, 10, 40)


@pytest.mark.parametrize("seed", [0, 7, 9, 12, 15])
def test_a_decay_of_data_that_rise(seed):
    """The constant is best: by A = 0, where any rate is as good, or by k = 0, where A and c are one. The first was taken, a rate of 450."""
    rng = np.random.default_rng(seed)
    y = 2 - rng.uniform(1, 2)*np.exp(-rng.uniform(.3, .7)*X) + .1*rng.normal(size=40)
    params = gslfit.Parameters()
    params.add_many(("A", 1, True, 0), ("k", .5, True, 0), ("c", 0))
    batch = gslfit.fit_batch("A*exp(-k*x) + c", y[None], params, x=X)
    result = gslfit.minimize(lambda p: p["A"].value*np.exp(-p["k"].value*X) + p["c"].value - y, params)
    assert result.success and batch.success[0], result.message
    assert result.chisqr == pytest.approx(np.sum((y - y.mean())**2), rel=1e-12)
    assert not result.errorbars
