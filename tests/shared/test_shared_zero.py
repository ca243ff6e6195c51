"""Data sets whose common answer is 0, as they are orthogonal to the model, and data sets that may not be left out.

Least absolute deviations, which Huber's loss of a narrow scale comes to, are checked by SciPy's linear programming in the amplitudes.
"""
import numpy as np
import pytest
from scipy.optimize import linprog, minimize_scalar

import gslfit

TURN = np.linspace(0, 2*np.pi, 40, endpoint=False)
Y = np.array([[1.], [2.], [.5]])*np.sin(TURN)


@pytest.mark.parametrize("shared", ["b", "a", ("a", "b")], ids=str)
@pytest.mark.parametrize("start", [{}, {"a": 1e-17, "b": 1e-17}, {"a": 1., "b": .3}], ids=str)
def test_orthogonal_data(shared, start):
    """a = b = 0; the normal equations are diagonal, so that by algebra their errors are s*sqrt(2/n) and s*sqrt(1/n), n the points."""
    found = gslfit.fit_shared("a*cos(x) + b", Y, x=TURN, shared=shared, **start)
    assert found.success and not found.left_out.size
    assert abs(np.asarray(found.values["a"])).max() < 1e-12 and abs(np.asarray(found.values["b"])).max() < 1e-12
    s = np.sqrt(.5*40*(1 + 4 + .25)/(found.ndata - found.nvarys))
    a, b = (40*(3 if name in shared else 1) for name in ("a", "b"))
    np.testing.assert_allclose(found.stderr["a"], s*np.sqrt(2/a), rtol=1e-9)
    np.testing.assert_allclose(found.stderr["b"], s*np.sqrt(1/b), rtol=1e-9)


def test_an_amplitude_without_a_start_begins_at_the_data_s_size():
    """Orthogonal at the start of the frequency, not at the minimum; from the rounding of a linear fit it went nowhere."""
    found = gslfit.fit_shared("a*cos(w*x) + b", Y, x=TURN, shared="w", w=1.)
    rows = gslfit.fit_batch("a*cos(w*x) + b", Y, x=TURN, w=1.)
    assert found.success and rows.success.all()
    assert found.chisqr == pytest.approx(rows.chisqr.sum(), rel=1e-9)


def test_data_sets_are_not_dropped_where_the_common_minimum_is_not_found():
    """Two amplitudes each with bounds in the way: two of three sets were left out, and the third was called a success."""
    x, rng = np.linspace(0, 5, 40), np.random.default_rng(1050)
    m = int(rng.integers(2, 6))
    A, c, w = rng.uniform(1, 5, m), rng.uniform(.2, 1, m), rng.uniform(.6, 1.4, m)
    y = A[:, None]*np.exp(-x/.6) + w[:, None]*np.exp(-x/3) + c[:, None] + .02*rng.normal(size=(m, 40))
    found = gslfit.fit_shared("A*exp(-x/tau) + B*exp(-x/th) + c", y, x=x, shared=("tau", "th"), tau=.5, th=2., A=.5, B=.3, c=.8,
                              bounds={"A": (0., float(np.quantile(A, .6))), "B": (0., float(np.quantile(w, .7))), "c": (.5, 5.)})
    assert not (found.success and found.left_out.size)


def least_deviation(y, x):
    """Return the least sum of absolute deviations of A*exp(-x/tau) + c, tau shared, and its tau."""
    def of_one(tau, row):
        n, columns = x.size, np.column_stack([np.exp(-x/tau), np.ones(x.size)])
        found = linprog(np.r_[0, 0, np.ones(n)], np.block([[columns, -np.eye(n)], [-columns, -np.eye(n)]]), np.r_[row, -row],
                        bounds=[(None, None)]*2 + [(0, None)]*n)
        return found.fun
    best = minimize_scalar(lambda tau: sum(of_one(tau, row) for row in y), bounds=(1., 2.2), method="bounded", options={"xatol": 1e-7})
    return best.fun, best.x


@pytest.mark.parametrize("loss", ["huber", "soft_l1"])
@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.slow), pytest.param(4, marks=pytest.mark.slow)])
def test_narrow_scales_leave_no_data_set_out(loss, seed):
    """A scale a ten thousandth of the noise: most data sets were left out, and the rest was a success."""
    rng, x, f_scale = np.random.default_rng(seed), np.linspace(0, 5, 30), 1e-5
    y = rng.uniform(1, 4, 4)[:, None]*np.exp(-x/1.5) + .3 + .02*rng.normal(size=(4, 30))
    y[0, 4] += 1
    found = gslfit.fit_shared("A*exp(-x/tau) + c", y, x=x, shared="tau", tau=1., A=1., c=0., loss=loss, f_scale=f_scale)
    least, tau = least_deviation(y, x)
    assert found.success and not found.left_out.size
    # the cost of n points is that of their deviations, less at most f_scale^2 (huber's half, soft_l1's whole) of each
    assert f_scale*least - 120*f_scale**2 <= found.cost <= f_scale*least*(1 + 1e-6)
    assert found.values["tau"] == pytest.approx(tau, abs=2e-4)
