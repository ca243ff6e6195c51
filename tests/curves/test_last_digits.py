"""Centres so many widths from 0 that their last digit is seen: a clock's line, time stamps.

The same data with the distance taken from x, which is exact, are the oracle. No double is nearer to the minimum than half a step of the
last digit: that much a centre may be off, and columns, on whose length errors hang, by as much of a width.
"""
import numpy as np
import pytest

import gslfit
from gslfit import FitStatus

SHAPES = {"gauss": "A*exp(-(x-m)**2/(2*s**2)) + c", "lorentz": "A/(1 + ((x-m)/s)**2) + c", "step": "A/(1 + exp(-(x-m)/s)) + c"}
HOW = {"lmsder": {}, "lmder": {"method": "lmder"}, "trust": {"method": "trust"}, "weighted": {"weights": 50.},
       "huber": {"loss": "huber", "f_scale": .02}}


def data_of(shape, far, seed):
    """Return x, the same less `far`, which is exact, and data of a line a third of its width beside."""
    unit = np.spacing(far)
    x = np.round((far + np.linspace(-5, 5, 81)) / unit) * unit
    y = gslfit.Formula(SHAPES[shape])(x=x - far, A=3, m=.3, s=.8, c=.5)
    return x, x - far, y + .02 * np.random.default_rng(seed).standard_normal(81)


def far_off(result, near, far):
    """Return how many last digits, beyond a millionth of a standard error, the centre is off, and the ratio of its errors."""
    off = abs(result.values["m"] - far - near.values["m"]) - 1e-6 * near.stderr["m"]
    return off / np.spacing(far), result.stderr["m"] / near.stderr["m"]


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("far", [1e8, 1e10, 1e11, 1e12, 1e13])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_centre_is_found_to_its_last_digit(shape, far, how):
    for seed in range(4):
        x, beside, y = data_of(shape, far, seed)
        near = gslfit.fit(SHAPES[shape], y, x=beside, A=2, m=0, s=1, c=0, **HOW[how])
        result = gslfit.fit(SHAPES[shape], y, x=x, A=2, m=far, s=1, c=0, **HOW[how])
        assert near.success and result.success, result.message
        digits, ratio = far_off(result, near, far)
        assert digits <= 1, (seed, digits)          # of two that are as near either may be the end
        if how != "huber":                          # whose errors jump where a point comes to lie beyond the loss's scale
            assert abs(ratio - 1) < np.spacing(far) + 1e-6


@pytest.mark.parametrize("shape", SHAPES)
def test_rows_of_a_batch_end_there_too(shape):
    rows = [data_of(shape, 1e12, seed) for seed in range(20)]
    result = gslfit.fit_batch(SHAPES[shape], np.array([row[2] for row in rows]), x=rows[0][0], A=2, m=1e12, s=1, c=0)
    assert result.success.all(), [FitStatus(int(s)).name for s in result.status]
    assert set(result.status) <= {FitStatus.CONVERGED, FitStatus.CONVERGED_BY_GSL}


def test_what_is_held_by_its_last_digit_hides_no_way_down():
    """The others have still to go where the fit is broken off: no success."""
    x, _, y = data_of("gauss", 1e13, 0)
    result = gslfit.fit(SHAPES["gauss"], y, x=x, A=.1, m=1e13, s=3, c=0, max_nfev=3)
    assert not result.success


@pytest.mark.parametrize("far", [1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12])
@pytest.mark.parametrize("shape", SHAPES)
def test_differences_find_it_too(shape, far):
    """A share of such a centre that differences take of others is many widths: they shorten their steps until they see what is local."""
    f = gslfit.Formula(SHAPES[shape])
    for seed in range(4):
        x, beside, y = data_of(shape, far, seed)
        near = gslfit.fit(SHAPES[shape], y, x=beside, A=2, m=0, s=1, c=0)
        params = gslfit.Parameters()
        params.add_many(("A", 2), ("m", far), ("s", 1), ("c", 0))
        result = gslfit.minimize(lambda p, x=x, y=y: f(x=x, **p.valuesdict()) - y, params)
        assert result.success, result.message
        off = abs(params["m"].value - far - near.values["m"])
        assert off <= max(np.spacing(far), 3e-4*near.stderr["m"]), (seed, off / near.stderr["m"])
        assert params["m"].stderr == pytest.approx(near.stderr["m"], rel=1e-3)


@pytest.mark.parametrize("side", [-1, 1])
@pytest.mark.parametrize("width", [1e-2, 1e-3, 1e-12])
def test_differences_beside_a_bound(width, side):
    """With a bound within that share, both points of a difference lie on one side, beyond the line: the column was off by a twentieth."""
    f, far = gslfit.Formula(SHAPES["gauss"]), 5e5*width
    for seed in range(4):
        x, beside, y = data_of("gauss", 5e5, seed)
        near = gslfit.fit(SHAPES["gauss"], y, x=beside, A=2, m=0, s=1, c=0)
        params = gslfit.Parameters()
        params.add_many(("A", 2), ("s", width, True, 0), ("c", 0))
        params.add("m", far + side*1.5*width, **{"max" if side > 0 else "min": far + side*1.5*width})
        result = gslfit.minimize(lambda p, x=x*width, y=y: f(x=x, **p.valuesdict()) - y, params)
        assert result.success, result.message
        assert params["m"].stderr/width == pytest.approx(near.stderr["m"], rel=1e-3)
        assert abs((params["m"].value - far)/width - near.values["m"]) < 3e-4*near.stderr["m"]


def test_a_start_at_the_minimum_is_left_by_nothing():
    """A step that changes a residual of next to nothing by all of it is no sign of a scale: the residual is linear in it."""
    x = np.linspace(0, 5, 30)
    params = gslfit.Parameters()
    params.add_many(("a", 3.), ("b", 1.2))
    result = gslfit.minimize(lambda p: p["a"]*np.exp(-p["b"]*x) - 3.*np.exp(-1.2*x)*(1 + 1e-15*np.cos(x)), params)
    assert result.success and result.nfev <= 20
    assert result.params["a"].value == pytest.approx(3., rel=1e-14)
