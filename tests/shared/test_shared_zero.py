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


DECAY, PEAK = "A*exp(-x/t) + c", "A*exp(-(x - m)**2/(2*s**2)) + c"


@pytest.mark.parametrize("loss", ["linear", "huber"])
@pytest.mark.parametrize("unit", [1e-9, 1., 1e9])
@pytest.mark.parametrize("bounds", [None, {"A": (0, None)}, {"A": (-5, 5), "c": (-9, 9)}], ids=str)
@pytest.mark.parametrize(("model", "start"), [(DECAY, {"t": 1.}), (PEAK, {"m": 3., "s": 1.}), ("A*x/(t + x) + c", {"t": 1.})],
                         ids=["decay", "peak", "v"])
@pytest.mark.parametrize("level", [0., 2.])
def test_constant_data_are_a_fit_like_others(level, model, start, bounds, unit, loss):
    """A = 0 and c = level make chi-square 0; the fit stayed where it began, and was none."""
    x = np.linspace(0, 6, 30)
    limits = {name: tuple(each and each*unit for each in box) for name, box in (bounds or {}).items()}
    found = gslfit.fit_shared(model, np.full((4, 30), level*unit), x=x, shared=tuple(start), **start, A=unit, c=0., loss=loss, f_scale=unit,
                              bounds=limits)
    assert found.success and not found.left_out.size, found.message
    assert found.chisqr <= (1e-14*max(level, 1.)*unit)**2*120           # rounding: of the data, or of the model at the start
    np.testing.assert_allclose(found.best_fit, level*unit, rtol=0, atol=1e-13*unit)


def test_data_of_zeros_without_an_offset():
    """By algebra V = 0; K is not determined, and has no error."""
    found = gslfit.fit_shared("V*x/(K + x)", np.zeros((4, 30)), x=np.linspace(0, 6, 30), shared="K", V=1., K=1.)
    assert found.success and (abs(found.values["V"]) < 1e-13).all() and found.chisqr < 1e-24
    assert np.isnan(found.stderr["K"])


@pytest.mark.parametrize("seed", range(20))
def test_amplitudes_of_both_signs(seed):
    """Steps of the shared time were those of the amplitudes at the start, all 1, wrong in sign where theirs is: one in nine failed."""
    rng, x = np.random.default_rng(seed), np.linspace(0, 8, 60)
    A = rng.normal(0, 3, int(rng.integers(2, 9)))
    y = A[:, None]*np.exp(-x/1.5) + .01*rng.standard_normal((A.size, 60))
    found = gslfit.fit_shared("A*exp(-x/t)", y, x=x, shared="t", t=float(1.5*np.exp(rng.normal(0, .7))), A=1.)

    def least(t):
        e = np.exp(-x/t)
        return float(np.sum((y - (y @ e)[:, None]*e/(e @ e))**2))
    best = minimize_scalar(least, bounds=(1.4, 1.6), method="bounded", options={"xatol": 1e-10})
    assert found.success and found.chisqr == pytest.approx(best.fun, rel=1e-10)
    assert found.values["t"] == pytest.approx(best.x, abs=1e-3*float(found.stderr["t"]))


@pytest.mark.parametrize("seed", [0, 3, 4, 6, 7])
def test_noise_alone(seed):
    """Amplitudes go to the noise's size, and change sign: the limit of evaluations was reached where the fit had begun.

    (With the other seeds the time goes to 0, a spike at x = 0, or to infinity.)
    """
    x = np.linspace(0, 6, 30)
    y = np.random.default_rng(seed).normal(0, .1, (4, 30))
    found = gslfit.fit_shared(DECAY, y, x=x, shared="t", A=1., t=1., c=0.)

    def least(t):
        J = np.column_stack([np.exp(-x/t)/np.exp(-x/t).max(), np.ones(30)])
        return float(np.sum((y.T - J @ np.linalg.lstsq(J, y.T, rcond=None)[0])**2))
    t = float(found.values["t"])
    assert found.success and found.chisqr == pytest.approx(least(t), rel=1e-9)
    assert all(found.chisqr <= least(t*(1 + move)) for move in (-1e-3, 1e-3))
