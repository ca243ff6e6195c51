"""Robust losses of very precise data, whose scale is narrow beside the residuals at the start, and losses with minima of their own.

SciPy's least_squares is the oracle, in the unit of the noise, from where least squares by algebra or by SciPy end.
"""
import numpy as np
import pytest
from scipy.optimize import least_squares

from gslfit import fit, fit_batch, fit_shared
from gslfit.objective.loss import Loss

LOSSES = ["soft_l1", "huber", "cauchy", "arctan", "tukey"]
X, T = np.linspace(-3, 3, 30), np.linspace(0, 6, 40)
POWERS = np.vander(X, 4, increasing=True)
CUBIC, TRUE = "a + b*x + c*x**2 + d*x**3", np.array([1, -2, .5, .1])
NOISE = [1e-12, 1e-9, 1e-6, 1e-3]


def decay(v):
    return v[0]*np.exp(-T/v[1]) + v[2]


def lowest(residual, start, unit, loss, f_scale):
    """Return the parameters and the cost of SciPy's minimum next to a start, parameters and residuals in the unit of the noise."""
    if loss == "tukey":
        return None
    found = least_squares(lambda u: residual(start + unit*u)/unit, np.zeros(len(start)), loss=loss, f_scale=f_scale/unit, xtol=1e-14,
                          ftol=1e-14)
    return start + unit*found.x, found.cost*unit*unit


@pytest.mark.parametrize("noise", NOISE)
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("f_scale", ["mad", 1, 10])
def test_linear_in_all(loss, f_scale, noise):
    """A cubic with starts that it doesn't need: it stayed there, a success by arctan, with residuals 1e12 scales off."""
    y = POWERS @ TRUE + noise*np.random.default_rng(0).standard_normal(30)
    least = np.linalg.lstsq(POWERS, y, rcond=None)[0]
    given = f_scale if f_scale == "mad" else f_scale*noise
    start = dict.fromkeys("abcd", 0.)
    one = fit(CUBIC, y, x=X, start=start, loss=loss, f_scale=given)
    rows = fit_batch(CUBIC, y[None], x=X, start=start, loss=loss, f_scale=given)
    scale = one.loss.f_scale
    assert rows.data.f_scale == pytest.approx(scale, rel=max(1e-6, 1e-15/noise))
    right = lowest(lambda v: POWERS @ v - y, least, noise, loss, scale)
    for result, values in ((one, [one.values[name] for name in "abcd"]), (rows[0], [rows.values[name][0] for name in "abcd"])):
        assert result.success and np.abs(np.array(values) - least).max() < 2*noise
        if right:
            off = max(1e-6, 1e-14/noise)        # the rounding of a residual, a share of the noise
            assert Loss(loss, scale).cost(POWERS @ values - y) <= right[1]*(1 + off)


@pytest.mark.parametrize("noise", NOISE)
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("f_scale", ["mad", 1, 10])
def test_decays(loss, f_scale, noise):
    y = decay([3, 1.5, .5]) + noise*np.random.default_rng(0).standard_normal(40)
    least = least_squares(lambda v: decay(v) - y, [3, 1.5, .5], xtol=1e-15, ftol=1e-15, gtol=1e-15).x
    given = f_scale if f_scale == "mad" else f_scale*noise
    start = {"A": 1., "t": 1., "c": 0.}
    one = fit("A*exp(-x/t) + c", y, x=T, start=start, loss=loss, f_scale=given)
    rows = fit_batch("A*exp(-x/t) + c", y[None], x=T, start=start, loss=loss, f_scale=given)
    scale = one.loss.f_scale
    right = lowest(lambda v: decay(v) - y, least, noise, loss, scale)
    for result, values in ((one, [one.values[name] for name in start]), (rows[0], [rows.values[name][0] for name in start])):
        assert result.success and np.abs(np.array(values) - least).max() < 3*noise
        if right:
            off = max(1e-6, 1e-14/noise)
            assert Loss(loss, scale).cost(decay(values) - y) <= right[1]*(1 + off)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("f_scale", ["mad", 1e-12])
def test_exact_data(loss, f_scale):
    """Nothing is left: by algebra the parameters are those that the data were made of."""
    for text, x, y, truth, start in ((CUBIC, X, POWERS @ TRUE, TRUE, dict.fromkeys("abcd", 0.)),
                                     ("A*exp(-x/t) + c", T, decay([3, 1.5, .5]), [3, 1.5, .5], {"A": 1., "t": 1., "c": 0.})):
        one = fit(text, y, x=x, start=start, loss=loss, f_scale=f_scale)
        rows = fit_batch(text, y[None], x=x, start=start, loss=loss, f_scale=f_scale)
        assert one.success and rows.success.all()
        np.testing.assert_allclose([one.values[name] for name in start], truth, rtol=0, atol=1e-12)
        np.testing.assert_allclose([rows.values[name][0] for name in start], truth, rtol=0, atol=1e-12)


@pytest.mark.parametrize("loss", LOSSES)
def test_rows_in_doubt_leave_others_alone(loss):
    """Rows of a narrow scale beside rows of a wide one: each bit by bit as by itself."""
    noise = np.array([1e-9, .05, 1e-3, .05, 1e-12])
    y = decay([3, 1.5, .5]) + noise[:, None]*np.random.default_rng(1).standard_normal((5, 40))
    given = {"x": T, "start": {"A": 1., "t": 1., "c": 0.}, "loss": loss, "f_scale": 1e-7}
    rows = fit_batch("A*exp(-x/t) + c", y, **given)
    for k in range(5):
        alone = fit_batch("A*exp(-x/t) + c", y[k:k + 1], **given)
        assert alone.status[0] == rows.status[k] and all(alone.values[name][0] == rows.values[name][k] for name in "Atc")


@pytest.mark.parametrize("f_scale", [.1, .2])
def test_arctan_begins_at_huber_s_end(f_scale):
    """As tukey does, and as minimize has it: its cost has minima round any few points, and fits ended in those next to their start."""
    for seed in range(30):
        rng = np.random.default_rng(seed)
        y = decay([3, 1.5, .5]) + .05*rng.standard_normal(40)
        y[rng.integers(0, 40, 4)] += rng.uniform(1, 5, 4)
        start = {"A": 1., "t": 1., "c": 0.}
        huber = fit_batch("A*exp(-x/t) + c", y[None], x=T, start=start, loss="huber", f_scale=f_scale)
        found = fit_batch("A*exp(-x/t) + c", y[None], x=T, start=start, loss="arctan", f_scale=f_scale)
        there = [huber.values[name][0] for name in start]
        assert found.success.all()
        assert found.cost[0] <= Loss("arctan", f_scale).cost(decay(there) - y)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("noise", [1e-9, 1e-6])
def test_shared(loss, noise):
    """Curves that share all but a constant, linear in all parameters: near the least squares' end by algebra."""
    y = POWERS @ TRUE + np.array([[0.], [1.], [2.]]) + noise*np.random.default_rng(0).standard_normal((3, 30))
    whole = np.zeros((3, 30, 6))
    whole[:, :, :3] = POWERS[:, 1:]
    for k in range(3):
        whole[k, :, 3 + k] = 1
    least = np.linalg.lstsq(whole.reshape(-1, 6), y.ravel(), rcond=None)[0]
    found = fit_shared(CUBIC, y, x=X, shared=("b", "c", "d"), start=dict.fromkeys("abcd", 0.), loss=loss, f_scale=noise)
    assert found.success and not found.left_out.size
    assert np.abs(np.r_[[found.values[name] for name in "bcd"], found.values["a"]] - least).max() < 3*noise
