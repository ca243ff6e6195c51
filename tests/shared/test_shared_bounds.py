"""Data sets that share parameters, some of which end on bounds: the common minimum is that of SciPy's bounded least squares."""
import numpy as np
import pytest
from scipy.optimize import least_squares

from gslfit import FitStatus, fit_batch, fit_shared

X = np.linspace(0, 5, 30)
MODEL = "A*exp(-x/tau) + c"
OPEN = (-np.inf, np.inf)


def misfit(Y):
    """Return the residual of all data sets by tau, c, A of the first, A of the second, ..."""
    return lambda v: (v[2:, None]*np.exp(-X/v[0]) + v[1] - Y).ravel()


def slopes(v):
    e = np.exp(-X/v[0])
    J = np.zeros((len(v) - 2, X.size, len(v)))
    J[:, :, 0], J[:, :, 1] = v[2:, None]*e*X/v[0]**2, 1
    for k in range(len(v) - 2):
        J[k, :, 2 + k] = e
    return J.reshape(-1, len(v))


def by_scipy(Y, bounds, start):
    """Return chi-square and errors of a bounded fit of everything: where it pushes against a bound, again with these values held."""
    low, high = np.array([bounds.get("tau", OPEN), OPEN] + [bounds.get("A", OPEN)]*len(Y)).T
    residual, tight = misfit(Y), {"xtol": 1e-15, "ftol": 1e-15, "gtol": 1e-15, "max_nfev": 2000}
    v = least_squares(residual, np.clip(start, low + 1e-9, high - 1e-9), bounds=(low, high), **tight).x
    slope = slopes(v).T @ residual(v)
    down, up = (v - low < 1e-5) & (slope > 0), (high - v < 1e-5) & (slope < 0)
    v, free = np.where(down, low, np.where(up, high, v)), ~(down | up)

    def others(part):
        whole = v.copy()
        whole[free] = part
        return residual(whole)
    v[free] = least_squares(others, v[free], x_scale=np.maximum(np.abs(v[free]), .1), **tight).x
    J, chisqr, errors = slopes(v)[:, free], float(residual(v) @ residual(v)), np.full(v.size, np.nan)
    errors[free] = np.sqrt(np.diagonal(np.linalg.inv(J.T @ J))*chisqr/(Y.size - v.size))
    return chisqr, v, errors


def compare(Y, bounds, tau, A):
    """Compare with SciPy's fit: chi-square to 1e-8 of it, values to 1e-4 of an error or as they lie on a bound, and errors."""
    found = fit_shared(MODEL, Y, x=X, shared=("tau", "c"), tau=tau, c=0., A=A, bounds=bounds)
    assert found.success and not found.left_out.size, found.message
    chisqr, v, errors = by_scipy(Y, bounds, [tau, 0., *[A]*len(Y)])
    values, own = (np.array([float(each["tau"]), float(each["c"]), *each["A"]]) for each in (found.values, found.stderr))
    held = np.isnan(errors)
    assert found.chisqr == pytest.approx(chisqr, rel=1e-8)
    assert (values[held] == v[held]).all() and (np.isnan(own) == held).all()
    assert (np.abs(values - v)[~held] < 1e-4*errors[~held]).all()
    np.testing.assert_allclose(own[~held], errors[~held], rtol=1e-4)
    assert (found.status[held[2:]] == FitStatus.AT_BOUND).all() and (found.status[~held[2:]] == FitStatus.CONVERGED).all()
    return found


@pytest.mark.parametrize("seed", range(8))
def test_a_local_parameter_on_its_bound(seed):
    Y = np.array([2., 4.])[:, None]*np.exp(-X/1.4) + .5 + .1*np.random.default_rng(seed).normal(size=(2, X.size))
    found = compare(Y, {"A": (0., 3.2)}, tau=1., A=2.)
    assert found.values["A"][1] == 3.2 and found.nfev < 100


@pytest.mark.parametrize("seed", range(6))
def test_a_data_set_that_the_bound_of_another_moves_is_not_left_out(seed):
    noise = .1*np.random.default_rng(seed).normal(size=(2, X.size))
    compare(np.array([4., 3.3])[:, None]*np.exp(-X/1.4) + np.array([.2, .9])[:, None] + noise, {"A": (0., 3.2)}, tau=1., A=2.)


@pytest.mark.parametrize("kind", ["local", "shared", "both"])
@pytest.mark.parametrize("seed", range(7))
def test_random_data_sets_with_bounds_in_the_way(kind, seed):
    rng = np.random.default_rng([seed, len(kind)])
    m = int(rng.integers(2, 6))
    A = rng.uniform(1, 5, m)
    Y = A[:, None]*np.exp(-X/1.4) + rng.normal(.5, .3*(seed % 2), m)[:, None] + .1*rng.normal(size=(m, X.size))
    bounds = {} if kind == "shared" else {"A": (0., float(np.quantile(A, rng.uniform(.2, .9))))}
    if kind != "local":
        bounds["tau"] = (.3, rng.uniform(.9, 1.5)) if seed % 3 else (rng.uniform(1.3, 1.8), 6.)
    compare(Y, bounds, tau=float(np.clip(1., *bounds.get("tau", OPEN))), A=min(2., .9*bounds.get("A", (0., 9.))[1]))


def test_lower_bounds_and_bounds_of_each_data_set():
    Y = np.array([2., 4., 3.])[:, None]*np.exp(-X/1.4) + .5 + .1*np.random.default_rng(3).normal(size=(3, X.size))
    low, high = np.array([2.5, 0., -np.inf]), np.array([9., 3.2, np.inf])
    found = fit_shared(MODEL, Y, x=X, shared=("tau", "c"), tau=1., c=0., A=[3., 2., 2.], bounds={"A": (low, high)})
    best = least_squares(misfit(Y), [1., 0., 3., 2., 2.], bounds=([-np.inf, -np.inf, *low], [np.inf, np.inf, *high]), xtol=1e-15,
                         ftol=1e-15, gtol=1e-15)
    assert found.success and not found.left_out.size and (found.values["A"][:2] == [2.5, 3.2]).all()
    assert found.chisqr == pytest.approx(2*best.cost, rel=1e-8)


def steps(x, A, m, s, c):
    return A/(1 + np.exp(-(x - m)/s)) + c


@pytest.mark.parametrize("unit", [1e-6, 1., 1e100])
@pytest.mark.parametrize("alike", [True, False], ids=["alike", "two"])
@pytest.mark.parametrize("seed", range(5))
def test_a_shared_width_does_not_jump_onto_its_bound(seed, alike, unit):
    """On the bound, 0, a step has no width, and nothing tells the centre which way to go. SciPy's bounded fit of all is the oracle."""
    x = np.linspace(0, 8, 60)
    Y = np.array([steps(x, 3, 4, .5, .2), steps(x, 4, 4, .5, .3)]) + .05*np.random.default_rng(seed).standard_normal((2, 60))
    if alike:
        Y[1] = 1.3*Y[0]
    found = fit_shared("A/(1 + exp(-(x - m)/s)) + c", Y*unit, x=x, shared=("m", "s"), A=unit, m=3., s=1., c=0.,
                       bounds=dict.fromkeys("Asc", (0., None)))
    low = np.array([0., 0., 0., 0., -np.inf, 0.])
    best = least_squares(lambda v: np.r_[steps(x, v[0], v[4], v[5], v[2]) - Y[0], steps(x, v[1], v[4], v[5], v[3]) - Y[1]],
                         [1., 1., 1e-9, 1e-9, 3., 1.], bounds=(low, np.inf), x_scale="jac", xtol=1e-15, ftol=1e-15, gtol=1e-15)
    assert found.success and not found.left_out.size, found.message
    assert np.sum((found.residual/unit)**2) == pytest.approx(2*best.cost, rel=1e-9)
    np.testing.assert_allclose([found.values["m"], found.values["s"]], best.x[4:], rtol=1e-5)


@pytest.mark.parametrize("unit", [1e-200, 1e-9, 1.])
def test_an_offset_that_begins_on_its_bound_begins_there(unit):
    """It silences no other parameter; moved inside, a hundredth of 1, it hid data of 1e-9 where those of some data sets are zeros."""
    x = np.linspace(0, 6, 30)
    Y = unit*np.array([0*x, 3*np.exp(-x/1.5) + .2, 1 + 0*x, 0*x])
    found = fit_shared("A*exp(-x/tau) + c", Y, x=x, shared="tau", tau=1., A=unit, c=0., bounds={"A": (0., None), "c": (0., None)})
    assert found.success and not found.left_out.size, found.message
    assert found.values["tau"] == pytest.approx(1.5, rel=1e-9)
    np.testing.assert_allclose(found.values["A"]/unit, [0, 3, 0, 0], atol=1e-9)
    np.testing.assert_allclose(found.values["c"]/unit, [0, .2, 1, 0], atol=1e-9)


PEAK, AT = "A*exp(-(x - m)**2/(2*s**2)) + c", np.linspace(-5, 5, 30)


@pytest.mark.parametrize("unit", [1, 1e-9, 1e12])
@pytest.mark.parametrize("shared", ["m", "ms"])
@pytest.mark.parametrize("signs", [[1, 1, 1, -1, 1], [-1, 1], [1, -1, -1, -1]], ids=str)
def test_a_dip_among_peaks(signs, shared, unit):
    """An amplitude at its bound of 0 silences its width: the rest of that data set is its mean, and what is shared comes from the others.

    Whether another width lies lower is asked of a fit of that data set alone: none does.
    """
    signs = np.array(signs)
    for seed in range(3):
        rng = np.random.default_rng(seed)
        Y = signs[:, None]*rng.uniform(2, 4, (len(signs), 1))*np.exp(-(AT - .3)**2/2) + 1.5 + .05*rng.normal(size=(len(signs), 30))
        start, bounds = {"A": 3.*unit, "m": .3, "s": 1., "c": 1.5*unit}, {"A": (0, None), "s": (.05, 10)}
        found = fit_shared(PEAK, Y*unit, x=AT, shared=tuple(shared), start=start, bounds=bounds)
        others = fit_shared(PEAK, Y[signs > 0]*unit, x=AT, shared=tuple(shared), start=start, bounds=bounds)
        assert found.success and others.success and not found.left_out.size, found.message
        dips = signs < 0
        assert (found.status == np.where(dips, FitStatus.AT_BOUND, FitStatus.CONVERGED)).all()
        assert (found.values["A"][dips] == 0).all() and np.isnan(found.stderr["A"][dips]).all()
        np.testing.assert_allclose(found.values["c"][dips], unit*Y[dips].mean(axis=1), rtol=1e-9)
        variance = found.chisqr/(found.ndata - found.nvarys)
        np.testing.assert_allclose(found.stderr["c"][dips], np.sqrt(variance/30), rtol=1e-6)
        wider = np.sqrt(variance/(others.chisqr/(others.ndata - others.nvarys)))
        for name in shared:
            assert found.values[name] == pytest.approx(others.values[name], abs=1e-6*others.stderr[name])
            assert found.stderr[name] == pytest.approx(wider*others.stderr[name], rel=1e-4)
        assert fit_shared(PEAK, Y*unit, x=AT, shared=tuple(shared), start=start, bounds=bounds, loss="huber", f_scale=.2*unit).success


@pytest.mark.parametrize("unit", [1, 1e-9, 1e12])
@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize(("model", "shared", "start", "low"), [
    ("A*exp(-k*x) + c", "k", {"A": 1.8, "k": 1.1, "c": .3}, {"A": 0}),
    ("A*x/(K + x)", "K", {"A": 1.8, "K": 1.6}, {"A": 0, "K": 0})])
def test_all_amplitudes_at_their_bounds(model, shared, start, low, count, unit):
    """Of data of the other sign all amplitudes are 0, and what is shared has no effect: a minimum, as of each data set by itself."""
    u = np.linspace(.05, 6, 30)
    rng = np.random.default_rng(count)
    Y = unit*np.array([size*(-2*np.exp(-.8*u) - .3) + .05*rng.normal(size=u.size) for size in (1, 1.3, .8)[:count]])
    scaled = {name: value*unit if name in "Ac" else value for name, value in start.items()}
    bounds = {name: (value, None) for name, value in low.items()}
    found = fit_shared(model, Y, x=u, shared=(shared,), start=scaled, bounds=bounds)
    alone = fit_batch(model, Y, x=u, start=scaled, bounds=bounds)
    assert found.success and alone.success.all() and not found.left_out.size, found.message
    assert (found.status == FitStatus.AT_BOUND).all()
    assert (found.values["A"] == 0).all() and np.isnan(found.stderr["A"]).all() and np.isnan(found.stderr[shared])
    assert found.chisqr == pytest.approx(alone.chisqr.sum(), rel=1e-12)


@pytest.mark.parametrize("side", [0, .1, 1])
def test_a_peak_beside_dips_is_found_from_inside(side):
    """Where a shared centre begins at a dip, all amplitudes run onto 0; the peak, or what is highest elsewhere, is lower than that."""
    x, ended = np.linspace(0, 7, 60), []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        peaks = np.array([side*size*np.exp(-(x - 5)**2/.72) for size in (1, 1.3, .8)])
        Y = 1 - 2*np.exp(-(x - 2)**2/.5) + peaks + .03*rng.normal(size=peaks.shape)
        found = fit_shared("A*exp(-(x - m)**2/(2*s**2)) + c", Y, x=x, shared=("m", "s"), bounds={"A": (0, None)},
                           start={"A": 1., "m": rng.uniform(1.5, 3), "s": rng.uniform(.3, .8), "c": .8})
        level = ((Y - Y.mean(axis=1, keepdims=True))**2).sum()
        assert found.chisqr < level*(1 - 1e-6)
        ended.append(found.success)
    assert all(ended)


def test_no_peak_is_said_only_where_none_is_lower():
    """Where all amplitudes end on 0, no peak anywhere within the bounds of what is shared is lower, small or narrow as it may be."""
    x, ended = np.linspace(0, 10, 25), 0
    centres, widths = np.meshgrid(np.linspace(0, 10, 41), np.geomspace(.2, 5, 12), indexing="ij")
    shapes = 1/(1 + ((x - centres.reshape(-1, 1))/widths.reshape(-1, 1))**2)
    for seed in range(120):
        rng = np.random.default_rng(seed)
        sizes, count = rng.choice([0, .25], 1), rng.integers(1, 5)
        Y = sizes/(1 + ((x - rng.uniform(1, 9))/.5)**2) - rng.uniform(1, 3)/(1 + ((x - 6)/.8)**2) + .1*rng.normal(size=(count, x.size))
        found = fit_shared("A/(1 + ((x - m)/s)**2)", Y, x=x, shared=("m", "s"), start={"A": 1., "m": 6., "s": 1.1},
                           bounds={"A": (0, None), "m": (0, 10), "s": (.2, 5)})
        if not found.success or np.any(found.values["A"] > 0):
            continue
        ended += 1
        falls = (np.maximum(shapes @ Y.T, 0)**2/np.sum(shapes**2, axis=1, keepdims=True)).sum(axis=1)
        assert falls.max() < 1e-3*found.chisqr
    assert ended
