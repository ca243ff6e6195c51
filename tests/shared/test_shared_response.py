"""Data sets that share parameters of a model which is folded with a measured response: SciPy's dense fit is the oracle."""
import numpy as np
import pytest
from scipy.optimize import least_squares

from gslfit import fit_shared
from gslfit.errors import InputError

M, N = 9, 96
T = np.arange(N)*0.1
TEXT = "a*exp(-t/tau) + b*exp(-t/theta)"
START = {"a": 10.0, "b": 10.0, "tau": 0.4, "theta": 2.5}
RNG = np.random.default_rng(1)
A, B = RNG.uniform(5, 20, M), RNG.uniform(5, 20, M)
ONE = np.exp(-0.5*((T[:30] - 1)/0.25)**2)
EACH = np.array([np.exp(-0.5*((T[:30] - centre)/0.25)**2) for centre in RNG.uniform(0.7, 1.4, M)])


def columns(tau, theta, responses):
    """Shapes of both decays and their derivatives by the times, (m, 4, n)."""
    plain = [np.exp(-T/tau), np.exp(-T/theta), T/tau**2*np.exp(-T/tau), T/theta**2*np.exp(-T/theta)]
    return np.array([[np.convolve(each, response)[:N] for each in plain] for response in responses])


def residual(v, y, responses):
    shapes = columns(*v[:2], responses)
    return (v[2:2 + M, None]*shapes[:, 0] + v[2 + M:, None]*shapes[:, 1] - y).ravel()


def jacobian(v, y, responses):
    shapes, J = columns(*v[:2], responses), np.zeros((M, N, 2 + 2*M))
    J[:, :, 0], J[:, :, 1] = v[2:2 + M, None]*shapes[:, 2], v[2 + M:, None]*shapes[:, 3]
    for k in range(M):
        J[k, :, 2 + k], J[k, :, 2 + M + k] = shapes[k, 0], shapes[k, 1]
    return J.reshape(M*N, -1)


def means(responses):
    shapes = columns(0.5, 3.0, responses)
    return A[:, None]*shapes[:, 0] + B[:, None]*shapes[:, 1]


@pytest.mark.parametrize("response", [ONE, EACH], ids=["one", "each"])
def test_as_one_dense_fit(response):
    responses = np.broadcast_to(response, (M, 30))
    y = means(responses) + np.random.default_rng(2).normal(0, 1, (M, N))
    result = fit_shared(TEXT, y, t=T, shared=("tau", "theta"), **START, response=response)
    dense = least_squares(residual, [0.5, 3, *A, *B], jac=jacobian, args=(y, responses), xtol=1e-15, ftol=1e-15, gtol=1e-15)
    errors = np.sqrt(np.diag(np.linalg.inv(dense.jac.T @ dense.jac))*2*dense.cost/(M*N - 2 - 2*M))
    values = np.concatenate([[result.values["tau"], result.values["theta"]], result.values["a"], result.values["b"]])
    own = np.concatenate([[result.stderr["tau"], result.stderr["theta"]], result.stderr["a"], result.stderr["b"]])
    assert result.success
    assert np.max(np.abs(values - dense.x)/errors) < 1e-6
    assert np.allclose(own, errors, rtol=1e-6)
    assert np.allclose(result.best_fit - y, dense.fun.reshape(M, N), atol=1e-5)
    assert np.allclose(result[4].best_fit, result.best_fit[4])
    assert np.allclose(result.eval(4), result.best_fit[4])
    with pytest.raises(InputError, match="'a' is no independent variable; there are t"):
        result.eval(4, a=3.0)


@pytest.mark.parametrize("loss", ["poisson", "cauchy"])
def test_losses_masks_and_a_shift(loss):
    y = RNG.poisson(3*means(EACH)).astype(float)
    mask = (T > 2) & (T < 2.5)
    broken = y.copy()
    broken[3] = np.nan
    how = {"t": T, "shared": ("tau", "theta", "shift"), **START, "response": EACH, "response_shift": "shift", "loss": loss, "mask": mask}
    result, without = fit_shared(TEXT, broken, **how), fit_shared(TEXT, np.delete(y, 3, 0), **{**how, "response": np.delete(EACH, 3, 0)})
    assert result.success
    assert result.left_out.tolist() == [3]
    for name in ("tau", "theta", "shift"):
        assert result.values[name] == pytest.approx(without.values[name], rel=1e-9, abs=1e-12)
        assert abs(result.values[name] - {"tau": 0.5, "theta": 3, "shift": 0}[name]) < 5*result.stderr[name]


def test_what_can_t_be_shared():
    y = means(EACH)
    with pytest.raises(InputError, match="response= and data sets one by one can't be given together"):
        fit_shared(TEXT, [y[0], y[1][:50]], x=[{"t": T}, {"t": T[:50]}], shared=("tau",), **START, response=ONE)
    with pytest.raises(InputError, match=r"response has the shape \(2, 30\), and the batch \(9,\)"):
        fit_shared(TEXT, y, t=T, shared=("tau",), **START, response=EACH[:2])
