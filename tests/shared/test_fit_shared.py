"""Data sets that share parameters: values and errors are those of one dense fit of everything by SciPy."""
import pickle

import numpy as np
import pytest
from scipy.optimize import least_squares, minimize

import gslfit
from gslfit import FitStatus, Formula, Parameters, fit_shared
from gslfit.errors import InputError, NonFiniteError

RNG = np.random.default_rng(20)
T = np.linspace(0, 8, 60)
FORMULA = "A*exp(-t/tau) + B*exp(-t/theta) + c"


def traces(m, noise=.02, seed=1):
    """Return traces of two decay times that all traces share, and amplitudes and offsets of their own."""
    rng = np.random.default_rng(seed)
    own = rng.uniform(.5, 2, (m, 3))
    return own[:, :1]*np.exp(-T/.7) + own[:, 1:2]*np.exp(-T/3.) + own[:, 2:] + noise*rng.normal(size=(m, T.size))


def dense(residual, start, scale_covar=True):
    """Return values and covariance of a fit of all parameters by SciPy, taken down to rounding."""
    start = np.array(start, float)
    found = least_squares(residual, start, "3-point", xtol=1e-15, ftol=1e-15, gtol=1e-15, x_scale=np.maximum(np.abs(start), 1e-3)).x
    for _ in range(4):
        J = central(residual, found)
        found = found - np.linalg.lstsq(J, residual(found), rcond=None)[0]
    J, r = central(residual, found), residual(found)
    R = np.linalg.qr(J, mode="r")
    root = np.linalg.inv(R)
    return found, root @ root.T*((r @ r)/(r.size - found.size) if scale_covar else 1.0)


def central(residual, x):
    """Return the Jacobian by differences of the fourth order."""
    columns = []
    for k in range(x.size):
        h = np.zeros(x.size)
        h[k] = 1e-3*max(abs(x[k]), 1e-2)
        near, far = residual(x + h) - residual(x - h), residual(x + 2*h) - residual(x - 2*h)
        columns.append((8*near - far)/(12*h[k]))
    return np.array(columns).T


def agree(result, names, values, covar, places=None):
    """Compare values to 1e-7 of an error, and errors to 1e-6 (differences know no more): shared ones, then those of each data set."""
    own = [name for name in names if result.values[name].ndim]
    common = [name for name in names if not result.values[name].ndim]
    places = range(len(result)) if places is None else places
    found = np.array([result.values[name] for name in common] + [result.values[name][k] for k in places for name in own])
    errors = np.array([result.stderr[name] for name in common] + [result.stderr[name][k] for k in places for name in own])
    deviations = np.sqrt(np.diagonal(covar))
    assert (np.abs(found - values)/deviations).max() < 1e-7
    assert np.abs(errors/deviations - 1).max() < 1e-6


def test_a_dense_fit_has_the_same_values_and_errors():
    y, m = traces(6), 6
    yerr = RNG.uniform(.01, .03, y.shape)
    result = fit_shared(FORMULA, y, t=T, shared=("tau", "theta"), tau=.5, theta=4., yerr=yerr)
    assert result.success and (result.status == FitStatus.CONVERGED).all()

    def residual(p):
        own = p[2:].reshape(m, 3)
        return ((own[:, :1]*np.exp(-T/p[0]) + own[:, 1:2]*np.exp(-T/p[1]) + own[:, 2:] - y)/yerr).ravel()
    values, covar = dense(residual, [.7, 3., *np.ones(3*m)])
    agree(result, ["tau", "theta", "A", "B", "c"], values, covar)
    np.testing.assert_allclose(result.covar, covar[:2, :2], rtol=1e-6)
    np.testing.assert_allclose(result.local_covar[4], covar[14:17, 14:17], rtol=1e-6)
    assert result.chisqr == pytest.approx(np.sum(residual(values)**2), rel=1e-10)
    assert (result.ndata, result.nvarys, result.nfree) == (y.size, 20, y.size - 20)
    one = result[3]
    order = [{"tau": 0, "theta": 1}.get(name, 2 + 3*3 + "ABc".find(name)) for name in one.var_names]
    np.testing.assert_allclose(one.covar, covar[np.ix_(order, order)], rtol=1e-5, atol=1e-12)
    np.testing.assert_allclose(result.residual, residual(values).reshape(m, -1), atol=1e-7)
    known = fit_shared(FORMULA, y, t=T, shared=("tau", "theta"), tau=.5, theta=4., yerr=yerr, scale_covar=False)
    agree(known, ["tau", "theta", "A", "B", "c"], values, covar/result.redchi)


def test_parameters_that_are_not_linear_may_be_local():
    rng = np.random.default_rng(3)
    m, x = 5, np.linspace(0, 10, 80)
    phase, decay = rng.uniform(-1, 1, m), rng.uniform(.1, .3, m)
    y = 100*np.exp(-decay[:, None]*x)*np.cos(2.5*x + phase[:, None]) + 30 + rng.normal(size=(m, x.size))
    result = fit_shared("A*exp(-k*x)*cos(w*x + p) + c", y, x=x, shared="w", w=2.45, p=0., k=.15)

    def residual(p):
        A, k, phase, c = p[1:].reshape(m, 4).T[..., None]
        return (A*np.exp(-k*x)*np.cos(p[0]*x + phase) + c - y).ravel()
    start = np.concatenate([[2.5], *[[100, decay[i], phase[i], 30] for i in range(m)]])
    agree(result, ["w", "A", "k", "p", "c"], *dense(residual, start))


def test_lengths_and_formulas_may_differ():
    rng = np.random.default_rng(4)
    xs = [np.linspace(0, 5, n) for n in (20, 33, 61, 25)]
    y = [a*np.exp(-x/1.3) + .01*rng.normal(size=x.size) for a, x in zip([1, 2, 3], xs, strict=False)]
    y.append(4*xs[3]/(xs[3] + 1.3) + .01*rng.normal(size=25))
    decay, rise = "a*exp(-x/tau)", "v*x/(x + tau)"
    yerr = [.01, .02*np.ones(33), None, .01]
    result = fit_shared([decay, decay, decay, rise], y, x=xs, yerr=yerr, shared="tau", tau=1.)
    assert result.success

    def residual(p):
        parts = [(p[1 + k]*np.exp(-x/p[0]) - y[k])/s for k, (x, s) in enumerate(zip(xs[:3], (.01, .02, 1), strict=True))]
        return np.concatenate([*parts, (p[4]*xs[3]/(xs[3] + p[0]) - y[3])/.01])
    values, covar = dense(residual, [1.3, 1, 2, 3, 4])
    deviations = np.sqrt(np.diagonal(covar))
    found = [result.values["tau"], *result.values["a"][:3], result.values["v"][3]]
    assert (np.abs(found - values)/deviations).max() < 1e-7
    np.testing.assert_allclose([result.stderr["tau"], *result.stderr["a"][:3], result.stderr["v"][3]], deviations, rtol=1e-6)
    assert np.isnan(result.values["a"][3]) and np.isnan(result.values["v"][:3]).all()
    assert [each.shape for each in result.best_fit] == [(20,), (33,), (61,), (25,)]
    assert [each.residual.size for each in result] == [20, 33, 61, 25]
    assert result[3].var_names == ["v", "tau"]
    params = Parameters()
    params.add_many(("tau", 1.), ("a", 1.), ("v", 2.))
    again = fit_shared([decay, decay, decay, rise], y, params, x=xs, yerr=yerr, shared="tau")
    np.testing.assert_allclose(again.values["a"][:3], result.values["a"][:3], rtol=1e-8)
    assert again.values["tau"] == pytest.approx(float(result.values["tau"]), rel=1e-9)


def test_expressions_of_shared_and_local_parameters():
    y, m = traces(4), 4
    params = Parameters()
    params.add_many(("tau", .5), ("ratio", 5., True, 1.), ("A", 1.), ("B", 1.), ("c", 1.))
    params.add("theta", expr="ratio*tau")
    params.add("area", expr="A*tau + B*theta")
    result = fit_shared(FORMULA, y, params, t=T, shared=("tau", "ratio"))

    def residual(p):
        own = p[2:].reshape(m, 3)
        return (own[:, :1]*np.exp(-T/p[0]) + own[:, 1:2]*np.exp(-T/p[0]/p[1]) + own[:, 2:] - y).ravel()
    values, covar = dense(residual, [.7, 4., *np.ones(3*m)])
    agree(result, ["tau", "ratio", "A", "B", "c"], values, covar)
    assert result.values["theta"].shape == () and result.values["area"].shape == (m,)
    slope = np.array([values[1], values[0]])
    assert result.stderr["theta"] == pytest.approx(np.sqrt(slope @ covar[:2, :2] @ slope), rel=1e-6)
    A, B = values[8], values[9]         # of data set 2
    slope = np.array([A + B*values[1], B*values[0], values[0], values[0]*values[1]])
    block = covar[np.ix_([0, 1, 8, 9], [0, 1, 8, 9])]
    assert result.stderr["area"][2] == pytest.approx(np.sqrt(slope @ block @ slope), rel=1e-6)
    assert result.params["theta"].value == pytest.approx(values[0]*values[1], rel=1e-9)
    assert result[2].params["area"].stderr == pytest.approx(float(result.stderr["area"][2]), rel=1e-9)


def test_bounds_hold_single_data_sets():
    y, m = traces(4), 4
    low = np.array([-np.inf, -np.inf, 2.5, -np.inf])        # above what the third one wants
    result = fit_shared(FORMULA, y, t=T, shared=("tau", "theta"), tau=.5, theta=4., A=3., bounds={"A": (low, None)})
    assert list(result.status) == [FitStatus.CONVERGED, FitStatus.CONVERGED, FitStatus.AT_BOUND, FitStatus.CONVERGED]
    assert result.values["A"][2] == 2.5 and np.isnan(result.stderr["A"][2]) and result.success
    assert result[2].params["A"].min == 2.5 and "A is at its bound (min = 2.5)" in result[2].message

    def residual(p):
        own = np.insert(p[2:], 6, 2.5).reshape(m, 3)
        return (own[:, :1]*np.exp(-T/p[0]) + own[:, 1:2]*np.exp(-T/p[1]) + own[:, 2:] - y).ravel()
    values, covar = dense(residual, [.7, 3., *np.ones(3*m - 1)])
    found = [float(result.values["tau"]), float(result.values["theta"]), *(result.values[name][k] for k in range(m) for name in "ABc")]
    found.pop(8)
    assert (np.abs(found - values)/np.sqrt(np.diagonal(covar))).max() < 1e-7
    held_too = (y.size - 13)/(y.size - 14)      # the parameter held counts as one that varies, as in every fit
    np.testing.assert_allclose(np.diagonal(result.covar), np.diagonal(covar)[:2]*held_too, rtol=1e-6)
    held = fit_shared(FORMULA, y, t=T, shared=("tau", "theta"), tau=.5, theta=4., bounds={"tau": (None, .6)})
    assert held.ending == FitStatus.AT_BOUND and held.values["tau"] == .6 and held.params["tau"].stderr is None
    assert "tau is at its bound (max = 0.6)" in held.message


def spoilt():
    """Return data sets that can't be fitted among others: NaN, nothing left, one point."""
    y = traces(8)
    mask = np.zeros(y.shape, bool)
    y[1, 3] = np.nan
    mask[3] = True
    mask[5, 1:] = True
    return y, mask


@pytest.mark.parametrize("apart", [False, True])
def test_data_sets_that_can_not_be_fitted_are_left_out_and_said(apart):
    y, mask = spoilt()
    how = {"shared": ("tau", "theta"), "tau": .5, "theta": 4.}
    if apart:
        rows = [y[k][~mask[k]] for k in range(8)]
        result = fit_shared(FORMULA, rows, x=[{"t": T[~mask[k]]} for k in range(8)], **how)
    else:
        result = fit_shared(FORMULA, y, t=T, mask=mask, **how)
    good = [0, 2, 4, 6, 7]
    rest = fit_shared(FORMULA, y[good], t=T, **how)
    assert result.success and list(result.left_out) == [1, 3, 5]
    assert list(result.status[[1, 3, 5]]) == [FitStatus.BAD_DATA, FitStatus.TOO_FEW_POINTS, FitStatus.TOO_FEW_POINTS]
    assert "3 of 8 data sets are left out: 1 (bad data" in result.message and "3, 5 (fewer points than parameters)" in result.fit_report()
    for name in rest.values:
        np.testing.assert_allclose(result.values[name][good] if result.values[name].ndim else result.values[name], rest.values[name],
                                   rtol=1e-9)
        np.testing.assert_allclose(result.stderr[name][good] if result.stderr[name].ndim else result.stderr[name], rest.stderr[name],
                                   rtol=1e-8)
    assert np.isnan(result.values["A"][[1, 3, 5]]).all() and (result.ndata, result.nvarys) == (rest.ndata, rest.nvarys)
    assert not result[1].success and result[1].status == FitStatus.BAD_DATA
    with pytest.raises(InputError, match="data set 1 can't be fitted"):
        fit_shared(FORMULA, y, t=T, mask=mask, bad="raise", **how)


def test_points_that_are_not_finite_may_be_left_out():
    y = traces(5)
    y[1, 3], y[2, 40] = np.nan, np.inf
    result = fit_shared(FORMULA, y, t=T, shared=("tau", "theta"), tau=.5, theta=4., nan_policy="omit")
    masked = fit_shared(FORMULA, np.where(np.isfinite(y), y, 0), t=T, shared=("tau", "theta"), tau=.5, theta=4., mask=~np.isfinite(y))
    assert result.success and result.ndata == 5*60 - 2
    np.testing.assert_allclose(result.values["A"], masked.values["A"], rtol=1e-10)
    assert np.isnan(result.residual[1, 3]) and np.isfinite(result.residual[1, 4])
    with pytest.raises(NonFiniteError, match="y is nan at fit 1, point 3"):
        fit_shared(FORMULA, y, t=T, shared=("tau", "theta"), tau=.5, theta=4., nan_policy="raise")


def test_a_data_set_without_a_signal_does_not_spoil_the_others():
    rng = np.random.default_rng(5)
    y = traces(6)
    y[2] = 0.0                      # an exact fit, whose own decay has no effect any more
    formula = "A*exp(-t/tau) + B*exp(-t*k)"
    y[:] = np.where(np.arange(6)[:, None] == 2, 0.0, rng.uniform(1, 2, (6, 1))*np.exp(-T/.7)
                    + rng.uniform(1, 2, (6, 1))*np.exp(-T*rng.uniform(.1, .2, (6, 1))) + .01*rng.normal(size=y.shape))
    result = fit_shared(formula, y, t=T, shared="tau", tau=.5, k=.15)
    rest = fit_shared(formula, np.delete(y, 2, 0), t=T, shared="tau", tau=.5, k=.15)
    assert result.success and rest.success
    assert abs(result.values["tau"] - rest.values["tau"]) < 1e-7*rest.stderr["tau"]
    np.testing.assert_allclose(np.delete(result.values["k"], 2), rest.values["k"], rtol=1e-7)


def test_counts_by_the_likelihood_of_poisson():
    rng = np.random.default_rng(6)
    m, mean = 4, np.array([20., 60., 100., 30.])
    y = rng.poisson(mean[:, None]*np.exp(-T/2.) + 3.)
    result = fit_shared("A*exp(-t/tau) + c", y, t=T, shared="tau", tau=1.5, loss="poisson")

    def model(p):
        return p[1:5, None]*np.exp(-T/p[0]) + p[5:, None]

    def cost(p):
        f = model(p)
        return float(np.sum(f - y*np.log(f)))
    def slope(p):
        f, e = model(p), np.exp(-T/p[0])
        d = 1 - y/f
        return np.concatenate([[np.sum(d*p[1:5, None]*e*T/p[0]**2)], np.sum(d*e, 1), np.sum(d, 1)])
    found = minimize(cost, [2., *mean, 3, 3, 3, 3], jac=slope, method="BFGS", options={"gtol": 1e-9}).x
    f, e = model(found), np.exp(-T/found[0])
    J = np.zeros((m, T.size, 9))
    for k in range(m):
        J[k, :, 0], J[k, :, 1 + k], J[k, :, 5 + k] = found[1 + k]*e*T/found[0]**2, e, 1
    J = (J/np.sqrt(f)[..., None]).reshape(-1, 9)
    errors = np.sqrt(np.diagonal(np.linalg.inv(J.T @ J)))
    values = np.array([result.values["tau"], *result.values["A"], *result.values["c"]])
    assert (np.abs(values - found)/errors).max() < 1e-5        # as near as BFGS comes
    np.testing.assert_allclose([result.stderr["tau"], *result.stderr["A"], *result.stderr["c"]], errors, rtol=1e-5)
    assert result.success


@pytest.mark.parametrize("loss", ["soft_l1", "huber", "cauchy", "tukey"])
def test_robust_losses(loss):
    y = traces(4)
    y[1, 7] += 1.
    y[3, 20] -= 2.
    result = fit_shared("A*exp(-t/tau) + B*exp(-t/theta) + c", y, t=T, shared=("tau", "theta"), tau=.6, theta=3.5, loss=loss, f_scale=.05)
    whole = gslfit.fit(_joined(4), y.ravel(), x={"t": np.tile(T, 4), "k": np.repeat(np.arange(4.), T.size)},
                       start={"tau": .6, "theta": 3.5, **{f"{name}{k}": 1. for k in range(4) for name in "ABc"}}, loss=loss, f_scale=.05)
    assert result.success and whole.success
    for name in ("tau", "theta"):
        assert abs(result.values[name] - whole.values[name]) < 1e-6*whole.stderr[name]
        assert result.stderr[name] == pytest.approx(whole.stderr[name], rel=1e-6)
    for name in "ABc":
        for k in range(4):
            assert abs(result.values[name][k] - whole.values[f"{name}{k}"]) < 1e-6*whole.stderr[f"{name}{k}"]
            assert result.stderr[name][k] == pytest.approx(whole.stderr[f"{name}{k}"], rel=1e-6)
    assert result.chisqr == pytest.approx(whole.chisqr, rel=1e-9) and result.cost == pytest.approx(whole.cost, rel=1e-9)


def _joined(m):
    """Return a formula of m data sets in one, each where k is its number."""
    parts = [f"(A{k}*exp(-t/tau) + B{k}*exp(-t/theta) + c{k})*where(abs(k - {k}) < 0.5, 1, 0)" for k in range(m)]
    return Formula(" + ".join(parts), ("t", "k"))


def test_one_data_set_is_a_fit_and_all_shared_is_one_of_everything():
    y = traces(1)
    alone = gslfit.fit(FORMULA, y[0], t=T, tau=.5, theta=4.)
    result = fit_shared(FORMULA, y, t=T, shared=("tau", "theta"), tau=.5, theta=4.)
    for name in alone.params:
        own = alone.params[name]
        assert abs(float(np.ravel(result.values[name])[0]) - own.value) < 1e-7*own.stderr
        assert float(np.ravel(result.stderr[name])[0]) == pytest.approx(own.stderr, rel=1e-7)
    y = np.array([2*np.exp(-T/1.5) + .05*np.sin(9*T + k) for k in range(3)])
    every = fit_shared("A*exp(-t/tau)", y, t=T, shared=("A", "tau"), tau=1.)
    whole = gslfit.fit("A*exp(-t/tau)", y.ravel(), t=np.tile(T, 3), A=1., tau=1.)
    for name in ("A", "tau"):
        assert abs(every.values[name] - whole.params[name].value) < 1e-7*whole.params[name].stderr
        assert every.stderr[name] == pytest.approx(whole.params[name].stderr, rel=1e-7)
    assert every.local_covar.shape == (3, 0, 0) and every[1].success


def test_fixed_parameters_may_have_a_value_of_each_data_set():
    rng = np.random.default_rng(8)
    dose = np.array([.5, 1., 2., 4.])
    y = rng.uniform(1, 2, (4, 1))*np.exp(-.3*dose[:, None]*T) + .01*rng.normal(size=(4, T.size))
    params = Parameters()
    params.add_many(("k", .2), ("dose", 1., False), ("A", 1.))
    result = fit_shared("A*exp(-k*dose*t)", y, params, t=T, shared="k", start={"dose": dose})

    def residual(p):
        return (p[1:, None]*np.exp(-p[0]*dose[:, None]*T) - y).ravel()
    agree(result, ["k", "A"], *dense(residual, [.3, 1, 1, 1, 1]))
    np.testing.assert_array_equal(result.values["dose"], dose)


def test_the_result_can_be_asked_pickled_and_shown():
    result = fit_shared(FORMULA, traces(5), t=T, shared=("tau", "theta"), tau=.5, theta=4.)
    again = pickle.loads(pickle.dumps(result))
    for each in (result, again):
        np.testing.assert_array_equal(each.best_fit, result.best_fit)
        assert each.eval(2, t=[0., 1.]).shape == (2,) and each.eval(t=[0., 1.]).shape == (5, 2)
        assert each[4].params["A"].value == result.values["A"][4]
        assert each.fit_report() == result.fit_report()
    assert [each.chisqr for each in result] == pytest.approx(list(result.local_chisqr), rel=1e-9)
    frame = result.to_frame()
    assert frame.shape == (5, 13) and list(frame["tau_stderr"]) == [float(result.stderr["tau"])]*5
    assert "[[Local variables]] (5 data sets)" in result.fit_report() and "tau" in result._repr_html_()
    assert repr(result) == "<SharedResult of 5 data sets, 0 left out, shared tau, theta, local A, B, c, successful>"


@pytest.mark.parametrize(("change", "said"), [
    ({"shared": ()}, "shared names no parameter"),
    ({"shared": "tua"}, "'tua' in shared is no parameter"),
    ({"tau": [1., 2., 3.]}, "the start of 'tau' is an array, and 'tau' is shared"),
    ({"A": [1., 2.]}, "the start of 'A' has the shape"),
    ({"bad": "keep"}, "bad"),
    ({"bounds": {"A": (np.zeros(2), None)}}, r"the lower bound of 'A' has the shape \(2,\), and the batch \(3,\)"),
    ({"bounds": {"tau": (np.zeros(3), None)}}, "bounds\\['tau'\\] holds arrays, and 'tau' is shared"),
    ({"bounds": {"tau": (2., 1.)}}, "the lower one must be less than the upper one"),
    ({"bounds": {"A": (2., 3.)}, "A": [2.5, 5., 2.5]}, r"parameter 'A' starts at 5.0 \(fit 1\), outside its bound max = 3.0"),
    ({"theta": np.nan}, "theta"),
])
def test_what_does_not_fit_is_said(change, said):
    how = {"shared": ("tau", "theta"), "tau": .5, "theta": 4., **change}
    with pytest.raises((InputError, TypeError), match=said):
        fit_shared(FORMULA, traces(3), t=T, **how)


def test_lists_that_do_not_fit_are_said():
    y = [np.ones(4), np.ones(5)]
    with pytest.raises(InputError, match="data set 1: x has"):
        fit_shared("a*exp(-x/t)", y, x=[np.arange(4.), np.arange(4.)], shared="t", t=1.)
    with pytest.raises(InputError, match="data set 1: y has rows of different lengths"):
        fit_shared("A*exp(-x/t)", [np.ones(5), [np.ones(2), np.ones(3)]], x=np.arange(5.0), shared=["t"], A=1.0, t=1.0)
    with pytest.raises(InputError, match="3 models and 2 data sets"):
        fit_shared(["a*exp(-x/t)"]*3, y, x=[np.arange(4.), np.arange(5.)], shared="t", t=1.)
    with pytest.raises(InputError, match="one data set is fitted by fit"):
        fit_shared("a*exp(-x/t)", np.ones(4), x=np.arange(4.), shared="t", t=1.)


def test_noise_does_not_hold_up_the_others():
    rng = np.random.default_rng(0)
    m, formula = 12, "A*exp(-t/tau) + B*exp(-t*k)"
    y = (rng.uniform(1, 2, (m, 1))*np.exp(-T/.7) + rng.uniform(1, 2, (m, 1))*np.exp(-T*rng.uniform(.1, .2, (m, 1)))
         + .02*rng.normal(size=(m, T.size)))
    y[5] = .02*rng.normal(size=T.size)
    result = fit_shared(formula, y, t=T, shared="tau", tau=.5, k=.15)
    good = np.setdiff1d(np.arange(m), result.left_out)
    rest = fit_shared(formula, y[good], t=T, shared="tau", tau=.5, k=.15)
    assert result.success and rest.success and set(result.left_out) <= {5}
    assert abs(result.values["tau"] - rest.values["tau"]) < 1e-7*rest.stderr["tau"]
    assert (np.abs(result.values["k"][good] - rest.values["k"])/rest.stderr["k"]).max() < 1e-6


def test_one_data_set_that_is_far_off_does_not_lead_the_others_astray():
    rng = np.random.default_rng(0)
    m, formula = 8, "A*exp(-t/tau) + B*exp(-t*k)"
    y = rng.uniform(1, 2, (m, 1))*np.exp(-T/.7) + rng.uniform(1, 2, (m, 1))*np.exp(-.15*T) + .02*rng.normal(size=(m, T.size))
    y[5] = np.exp(.5*T)
    result = fit_shared(formula, y, t=T, shared="tau", tau=.5, k=.15)
    rest = fit_shared(formula, np.delete(y, 5, 0), t=T, shared="tau", tau=.5, k=.15)
    assert result.success and result.values["k"][5] == pytest.approx(-.5, rel=1e-9)
    assert abs(result.values["tau"] - rest.values["tau"]) < 1e-7*rest.stderr["tau"]


def test_threads_change_no_bit():
    y = np.tile(traces(9), (5, 1))
    one, three = (fit_shared(FORMULA, y, t=T, shared=("tau", "theta"), tau=.5, theta=4., threads=threads) for threads in (1, 3))
    for name in one.values:
        np.testing.assert_array_equal(one.values[name], three.values[name])
        np.testing.assert_array_equal(one.stderr[name], three.stderr[name])


def test_curves_come_back_in_the_container_of_the_data():
    xarray = pytest.importorskip("xarray")
    data = xarray.DataArray(traces(3).T, dims=("t", "place"), coords={"t": T})
    result = fit_shared(FORMULA, data, t=data.t, shared=("tau", "theta"), tau=.5, theta=4.)
    assert result.best_fit.dims == result.residual.dims == data.dims and result[1].best_fit.dims == ("t",)
    with pytest.raises(InputError, match=r"result.conf_interval\(\) finds intervals"):
        gslfit.conf_interval(result)


def test_formulas_may_differ_where_data_sets_are_rows_of_arrays():
    rng = np.random.default_rng(4)
    x = np.array([np.linspace(0, 5, 40), np.linspace(0, 9, 40)])
    y = np.array([2*np.exp(-x[0]/1.3), 4*x[1]/(x[1] + 1.3)]) + .01*rng.normal(size=x.shape)
    yerr = np.array([np.full(40, .01), np.full(40, .02)])
    models = ["a*exp(-x/tau)", "v*x/(x + tau)"]
    rows = fit_shared(models, y, x=x, yerr=yerr, shared="tau", tau=1.)
    lists = fit_shared(models, list(y), x=list(x), yerr=list(yerr), shared="tau", tau=1.)
    assert rows.success and rows.values["a"][0] == pytest.approx(2, abs=.05) and rows.values["v"][1] == pytest.approx(4, abs=.05)
    for name in rows.values:
        np.testing.assert_array_equal(rows.values[name], lists.values[name])


@pytest.mark.parametrize(("formula", "y", "x", "shared", "said"), [
    ("a*x + b", [[2.]], [1.], ("a", "b"), "1 points of data sets that can be fitted can't determine 2 parameters: a, b of all"),
    ("A*exp(-x/tau) + c", [[2., 1.], [3., 2.]], [1., 2.], "tau", "4 points .* can't determine 5 parameters: tau of all, and A, c of each"),
    ("A*exp(-x/tau) + c", [[2., 1.], [3., np.nan]], [1., 2.], "tau", "2 points .* can't determine 3 parameters"),
])
def test_fewer_points_than_parameters_are_refused_as_by_fit(formula, y, x, shared, said):
    with pytest.raises(InputError, match=said):
        fit_shared(formula, y, x=x, shared=shared, start={"tau": 1.} if "tau" in formula else None)
    if len(y) == 1:
        with pytest.raises(InputError, match="1 points can't determine 2 parameters"):
            gslfit.fit(formula, y[0], x=x)


def test_as_many_points_as_parameters_are_an_exact_fit():
    result = fit_shared("A*exp(-x/tau)", [[2., 1.], [3.]], x=[[1., 2.], [1.]], shared="tau", tau=1.)
    assert result.success and result.nfree == 0 and result.values["tau"] == pytest.approx(1/np.log(2), rel=1e-12)
