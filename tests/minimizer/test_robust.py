"""`minimize(loss=)`: minima of SciPy's, zeros of the exact score, the sandwich's errors, what has no meaning."""
import numpy as np
import pytest
from scipy.optimize import least_squares, root
from scipy.optimize._lsq.least_squares import construct_loss_function

import gslfit
from gslfit import Parameters, minimize
from gslfit.objective.loss import MAD, TUNED, Loss

TIGHT = {"xtol": 1e-14, "ftol": 1e-14, "gtol": 1e-14}
SCIPY = ["soft_l1", "huber", "cauchy", "arctan"]
X = np.linspace(0, 10, 80)
MODELS = {
    "decay": (lambda v, x: v[0]*np.exp(-x/v[1]) + v[2], (3.0, 2.0, 1.0), (2.0, 1.5, .5)),
    "peak": (lambda v, x: v[0]*np.exp(-.5*((x - v[1])/v[2])**2), (5.0, 4.0, 1.2), (4.0, 4.4, 1.5)),
    "line": (lambda v, x: v[0] + v[1]*x, (1.0, -2.0), (0.0, 0.0)),
}


def problem(model, seed):
    """Return residual by values and by Parameters, and the start, of data with outliers."""
    rng = np.random.default_rng(seed)
    curve, truth, start = MODELS[model]
    y = curve(truth, X) + rng.normal(0, .05, X.size)
    y[rng.choice(X.size, 8, replace=False)] += rng.uniform(1, 4, 8)
    params = Parameters()
    params.add_many(*((f"p{k}", value) for k, value in enumerate(start)))
    return lambda v: curve(v, X) - y, lambda p: curve([p[f"p{k}"].value for k in range(len(start))], X) - y, params


def values(fit):
    return np.array([fit.params[name].value for name in fit.var_names])


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("loss", SCIPY)
@pytest.mark.parametrize("seed", range(2))
def test_as_scipy(model, loss, seed):
    """Values within 1e-6 of an error of SciPy's minimum, cost SciPy's."""
    by_values, residual, params = problem(model, seed)
    fit = minimize(residual, params, loss=loss, f_scale=.15)
    assert fit.success and fit.errorbars
    right = least_squares(by_values, values(fit), loss=loss, f_scale=.15, xtol=1e-14, ftol=1e-14, gtol=1e-14, jac="3-point", x_scale="jac")
    errors = np.array([fit.params[name].stderr for name in fit.var_names])
    assert fit.cost <= right.cost*(1 + 1e-12) and fit.cost == pytest.approx(right.cost, rel=1e-9)
    score = score_of(by_values, loss, .15)
    exact = root(score, values(fit), tol=1e-14)
    assert np.abs(values(fit) - exact.x).max() < 1e-6*errors.max() or (np.abs(values(fit) - exact.x) < 1e-6*errors).all()
    assert fit.residual == pytest.approx(by_values(values(fit)), abs=1e-12) and fit.chisqr == pytest.approx(fit.residual @ fit.residual)


def jacobian(function, v):
    """Return centred differences of fourth order."""
    columns = []
    for k, value in enumerate(v):
        h = 1e-3*max(abs(value), .1)
        step = np.eye(len(v))[k]*h
        columns.append((8*(function(v + step) - function(v - step)) - function(v + 2*step) + function(v - 2*step))/(12*h))
    return np.array(columns).T


def score_of(function, loss, scale):
    """Return the gradient of a loss by values."""
    def score(v):
        r = function(v)
        return jacobian(function, v).T @ Loss(loss, scale).slopes(r)
    return score


@pytest.mark.parametrize("model", MODELS)
def test_tukey(model):
    """Outliers beyond the scale are as good as left out, and the start is Huber's minimum."""
    by_values, residual, params = problem(model, 1)
    fit = minimize(residual, params, loss="tukey", f_scale=.4)
    exact = root(score_of(by_values, "tukey", .4), values(fit), tol=1e-14)
    errors = np.array([fit.params[name].stderr for name in fit.var_names])
    assert fit.success and (np.abs(values(fit) - exact.x) < 1e-5*errors).all()
    assert (np.abs(values(fit) - MODELS[model][1]) < 5*errors).all()
    assert fit.init_vals == list(MODELS[model][2])


def test_mad():
    """The scale is that of the residuals of Huber's fit, which outliers don't move."""
    _, residual, params = problem("decay", 2)
    fit = minimize(residual, params, loss="huber", f_scale="mad")
    scale = fit.call_kws["f_scale"]
    assert scale == pytest.approx(TUNED["huber"]*MAD*np.median(np.abs(fit.residual)), rel=1e-6) and .04 < scale < .13
    _, again, begin = problem("decay", 2)
    assert values(minimize(again, begin, loss="huber", f_scale=scale)) == pytest.approx(values(fit), rel=1e-7)


def test_errors():
    """Errors are the sandwich's, worked out with SciPy's derivatives of the losses."""
    by_values, residual, params = problem("peak", 5)
    for loss in SCIPY:
        fit = minimize(residual, params.copy(), loss=loss, f_scale=.15)
        r, J = by_values(values(fit)), jacobian(by_values, values(fit))
        rho = construct_loss_function(r.size, loss, .15)(r)
        bread = np.linalg.inv(J.T @ (J*(rho[1] + 2*rho[2]*r**2)[:, None]))
        covar = bread @ (J.T @ (J*(rho[1]*r)[:, None]**2)) @ bread*X.size/(X.size - 3)
        np.testing.assert_allclose(fit.covar, covar, rtol=1e-5, atol=1e-8*np.sqrt(np.outer(covar.diagonal(), covar.diagonal())).max())


def test_jacobian_bounds_and_expressions():
    """The caller's derivatives give the same fit, in every shape; bounds and expressions are as in any fit."""
    def residual(p):
        return p["a"].value*np.exp(-X/p["t"].value) - y
    rng = np.random.default_rng(6)
    y = 3*np.exp(-X/2) + rng.normal(0, .05, X.size)
    y[::11] += 2

    def columns(p):
        e = np.exp(-X/p["t"].value)
        return {"a": e, "t": p["a"].value*e*X/p["t"].value**2}

    def parameters(**how):
        params = Parameters()
        params.add("a", 2.0, **how)
        params.add("t", 1.0)
        params.add("half", expr="t*log(2)")
        return params
    plain = minimize(residual, parameters(), loss="cauchy", f_scale=.1)
    for jac, more in ((columns, {}), (lambda p: np.array(list(columns(p).values())).T, {}),
                      (lambda p: np.array(list(columns(p).values())), {"col_deriv": True})):
        fit = minimize(residual, parameters(), loss="cauchy", f_scale=.1, jac=jac, **more)
        assert fit.success and values(fit) == pytest.approx(values(plain), rel=1e-7)
        assert fit.params["t"].stderr == pytest.approx(plain.params["t"].stderr, rel=1e-4)
        assert fit.params["half"].stderr == pytest.approx(fit.params["t"].stderr*np.log(2), rel=1e-9)
    held = minimize(residual, parameters(max=2.5), loss="cauchy", f_scale=.1)
    assert held.params["a"].value == pytest.approx(2.5, rel=1e-6) and held.params["a"].stderr is None and held.params["t"].stderr > 0


def test_large_scale_is_least_squares():
    """With a scale far above all residuals every loss is least squares, its errors those of White's."""
    by_values, residual, params = problem("line", 3)
    plain = minimize(residual, params.copy())
    for loss in SCIPY:
        fit = minimize(residual, params.copy(), loss=loss, f_scale=1e6)
        assert values(fit) == pytest.approx(values(plain), rel=1e-6) and fit.cost == pytest.approx(plain.cost, rel=1e-6)
        J, r = jacobian(by_values, values(fit)), fit.residual
        inverse = np.linalg.inv(J.T @ J)
        assert fit.covar == pytest.approx(inverse @ (J.T*r**2 @ J) @ inverse*X.size/(X.size - 2), rel=1e-4)


def test_no_profiles_and_bad_options():
    """Profiles and F-tests name what to do instead; options that can't be are InputErrors."""
    _, residual, params = problem("line", 0)
    fit = minimize(residual, params.copy(), loss="huber", f_scale=.1)
    for ask in (fit.conf_interval, lambda: fit.conf_interval2d("p0", "p1"), lambda: gslfit.conf_interval(fit)):
        with pytest.raises(gslfit.FitError, match="bootstrap"):
            ask()
    with pytest.raises(gslfit.errors.InputError, match="no chi-square"):
        gslfit.compare(fit, fit)
    with pytest.raises(gslfit.errors.InputError, match=r"gslfit.fit or Model.fit"):
        minimize(residual, params.copy(), loss="poisson")
    for how in ({"loss": "hubert"}, {"loss": "huber", "f_scale": 0}, {"loss": "huber", "f_scale": "sd"}):
        with pytest.raises(gslfit.errors.InputError):
            minimize(residual, params.copy(), **how)
    zero = Parameters()
    zero.add("c", 1.0)
    with pytest.raises(gslfit.errors.InputError, match="half of the residuals"):
        minimize(lambda p: p["c"].value*np.zeros(9) + np.r_[np.zeros(8), 1e-3*p["c"].value], zero, loss="huber", f_scale="mad")


def test_callback_limits_and_methods():
    """The callback is told the residual itself; a limit ends the fit; every method comes to the same minimum."""
    by_values, residual, params = problem("decay", 4)
    seen = []

    def note(p, nfev, r):
        seen.append((p.valuesdict(), r))
    fit = minimize(residual, params.copy(), loss="cauchy", f_scale=.15, iter_cb=note)
    for v, r in seen[:3]:
        assert r == pytest.approx(by_values(list(v.values())), abs=1e-12)
    for method in ("lmder", "lbfgsb"):
        other = minimize(residual, params.copy(), method=method, loss="cauchy", f_scale=.15)
        assert other.success and values(other) == pytest.approx(values(fit), rel=1e-7) and other.covar == pytest.approx(fit.covar, rel=1e-4)
    y, begin = -by_values([0.0, 1.0, 0.0]), params.copy()
    compiled = minimize(lambda p: p["p0"]*np.exp(-X/p["p1"]) + p["p2"] - y, begin, compiled=True, loss="cauchy", f_scale=.15)
    assert compiled.success and values(compiled) == pytest.approx(values(fit), rel=1e-8) and begin["p0"].stderr > 0
    few = minimize(residual, params.copy(), loss="cauchy", f_scale=.15, max_nfev=4)
    assert not few.success and few.status.name == "MAX_NFEV"
    stopped = minimize(residual, params.copy(), loss="huber", f_scale=.15, iter_cb=lambda p, nfev, r: nfev > 3)
    assert stopped.aborted and not stopped.success


def test_masked_and_complex():
    """Points that are left out count nowhere, and complex residuals are pairs."""
    by_values, residual, params = problem("line", 2)
    hole = np.where(np.arange(X.size) % 7 == 0, np.nan, 1.0)
    fit = minimize(lambda p: residual(p)*hole, params.copy(), loss="huber", f_scale=.1, nan_policy="omit")
    right = least_squares(lambda v: by_values(v)[np.isfinite(hole)], values(fit), loss="huber", f_scale=.1, **TIGHT)
    assert fit.ndata == np.isfinite(hole).sum() and fit.cost == pytest.approx(right.cost, rel=1e-10)
    with pytest.raises(gslfit.errors.NonFiniteError):
        minimize(lambda p: residual(p)*hole, params.copy(), loss="huber", f_scale=.1)
    pairs = minimize(lambda p: residual(p)[::2] + 1j*residual(p)[1::2], params.copy(), loss="huber", f_scale=.1)
    plain = minimize(residual, params.copy(), loss="huber", f_scale=.1)
    assert values(pairs) == pytest.approx(values(plain), rel=1e-8) and pairs.cost == pytest.approx(plain.cost)


@pytest.mark.parametrize("loss", ["soft_l1", "huber", "cauchy", "arctan", "tukey"])
@pytest.mark.parametrize("scale", [2.**-664, 2.**-266, 2.**332, 2.**664])
def test_any_units(loss, scale):
    """Residuals of 1e-200 to 1e200 have the errors that they have in units of 1."""
    x = np.linspace(0, 5, 30)
    y = 2*np.exp(-x/1.5) + .5 + .02*np.random.default_rng(0).normal(size=30)
    y[4] += 1

    def fitted(scale):
        params = Parameters()
        params.add_many(("A", 2*scale), ("tau", 1., True, .01), ("c", .4*scale))
        return minimize(lambda p: p["A"].value*np.exp(-x/p["tau"].value) + p["c"].value - y*scale, params, loss=loss, f_scale=.05*scale)
    wanted, found = fitted(1), fitted(scale)
    assert found.success
    for name, unit in ("A", scale), ("tau", 1), ("c", scale):
        assert found.params[name].value/unit == pytest.approx(wanted.params[name].value, rel=1e-7)
        assert found.params[name].stderr/unit == pytest.approx(wanted.params[name].stderr, rel=1e-6)


@pytest.mark.parametrize("loss", SCIPY + ["tukey", "linear"])
def test_names_of_numpys(loss):
    """A loss, or a method, may be a text of NumPy's, as what is read from an array is."""
    params = Parameters()
    params.add_many(("a", 1.), ("b", 0.))
    out = minimize(lambda p: p["a"]*X + p["b"] - 2*X - np.cos(9*X), params, loss=np.str_(loss), method=np.str_("leastsq"))
    assert out.success and out.params["a"].value == pytest.approx(2, abs=.1)


@pytest.mark.parametrize("loss", [*SCIPY, "tukey"])
@pytest.mark.parametrize("noise", [1e-9, 1e-6])
@pytest.mark.parametrize("f_scale", ["mad", 1, 10])
def test_narrow_scales(loss, noise, f_scale):
    """A scale 1e6 to 1e9 times as narrow as the residuals at the start: the fit stayed there, and took up to 140,000 evaluations."""
    x, powers = np.linspace(-3, 3, 30), np.vander(np.linspace(-3, 3, 30), 4, increasing=True)
    y = powers @ [1, -2, .5, .1] + noise*np.random.default_rng(0).standard_normal(30)
    least = np.linalg.lstsq(powers, y, rcond=None)[0]
    params = Parameters()
    params.add_many(*((name, 0.) for name in "abcd"))
    found = minimize(lambda p: p["a"] + x*(p["b"] + x*(p["c"] + x*p["d"])) - y, params, loss=loss,
                     f_scale=f_scale if f_scale == "mad" else f_scale*noise)
    assert found.success and np.abs(values(found) - least).max() < 2*noise and found.nfev < 5000
    if loss != "tukey":
        scale = found.call_kws["f_scale"]
        right = least_squares(lambda u: powers @ u - (y - powers @ least)/noise, np.zeros(4), loss=loss, f_scale=scale/noise, xtol=1e-14)
        assert found.cost <= right.cost*noise**2*(1 + 1e-5)


FEW = np.linspace(.05, 6, 30)


def beside_an_outlier(spike, seed, loss):
    """Return the fit of a decay beside an outlier, its scale from the residuals, and the values that `fit` finds."""
    y = 2*np.exp(-.8*FEW) + .3 + .05*np.random.default_rng(seed).normal(size=FEW.size)
    y[11] += spike
    params = Parameters()
    params.add_many(("A", 1.7), ("k", 1.), ("c", .4))

    def residual(params):
        A, k, c = (params[name].value for name in "Akc")
        with np.errstate(over="ignore"):
            return A*np.exp(-k*FEW) + c - y
    want = gslfit.fit("A*exp(-k*x)+c", y, params.copy(), x=FEW, loss=loss, f_scale="mad")
    shared = gslfit.fit_shared("A*exp(-k*x)+c", np.array([y, y]), params.copy(), x=FEW, shared=["k"], loss=loss, f_scale="mad")
    return minimize(residual, params, loss=loss, f_scale="mad"), want, shared


@pytest.mark.parametrize("loss", ["huber", "cauchy", "tukey"])
@pytest.mark.parametrize("spike", [1., 10., 1000.])
def test_scales_from_residuals_beside_an_outlier(loss, spike):
    """Least squares have no minimum beside an outlier, or one that it made: the scale comes from the residuals all the same."""
    for seed in range(3):
        found, want, shared = beside_an_outlier(spike, seed, loss)
        assert found.success and want.success and shared.success and not len(shared.left_out)
        assert found.nfev < 2000
        for name in "Akc":
            assert found.params[name].value == pytest.approx(want.params[name].value, rel=1e-4)
            assert np.ravel(shared.values[name])[0] == pytest.approx(want.params[name].value, rel=1e-4)


EXACT = np.arange(20.)


@pytest.mark.parametrize("loss", ["huber", "tukey"])
@pytest.mark.parametrize("y", [0*EXACT, 0*EXACT + 1.5, 1 + 2*EXACT, 1 + 2*EXACT + 50*np.isin(EXACT, (3, 7))],
                         ids=["zeros", "constant", "line", "outliers"])
def test_scales_from_residuals_of_exact_data(loss, y):
    """Residuals that are 0 at the end have no scale, and need none."""
    for names in ("c", "cm"):
        if names == "c" and y[0] != y[-1]:
            continue
        params = Parameters()
        params.add_many(*((name, .5) for name in names))
        found = minimize(lambda p, names=names: p["c"].value + (p["m"].value*EXACT if names == "cm" else 0*EXACT) - y, params, loss=loss,
                         f_scale="mad")
        assert found.success
        assert [found.params[name].value for name in names] == pytest.approx([y[0], y[1] - y[0]][:len(names)], abs=1e-6)
