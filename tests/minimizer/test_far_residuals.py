"""`minimize` by robust losses beside numbers that no model comes near: the minimum of the loss, with its errors, or no success."""
import numpy as np
import pytest
from scipy.optimize import least_squares

import gslfit
from gslfit.errors import InputError

X = np.linspace(0, 10, 30)
TRUE, NAMES, START = [3., 2.5, .5], ("A", "tau", "c"), {"A": 2., "tau": 2., "c": .3}
LOSSES = ["soft_l1", "huber", "cauchy", "arctan", "tukey"]


def curve(v, x=X):
    """Return a decay."""
    with np.errstate(all="ignore"):
        return v[0]*np.exp(-x/v[1]) + v[2]


def data(fills, seed):
    """Return a decay with noise of .05, and fill values in its midst."""
    rng = np.random.default_rng(seed)
    y = curve(TRUE) + rng.normal(0, .05, X.size)
    y[rng.choice(X.size, len(fills), replace=False)] = fills
    return y


def fitted(y, loss, f_scale, **how):
    """Fit by a residual function."""
    params = gslfit.Parameters()
    params.add_many(*START.items())
    return gslfit.minimize(lambda params: curve([params[name].value for name in NAMES]) - y, params, loss=loss, f_scale=f_scale, **how)


def minimum(y, loss, f_scale):
    """Return SciPy's minimum from the true values, with fill values moved to where they pull as much and leave the others digits."""
    near = np.clip(y, -1e4, 1e4) if loss in ("soft_l1", "huber") else y[abs(y) < 1e4]
    x = X if loss in ("soft_l1", "huber") else X[abs(y) < 1e4]

    def rho(z):
        if loss == "tukey":
            inside = np.maximum(0, 1 - z)
            return np.array([(1 - inside**3)/3, inside**2, -2*inside])
        return None
    given = rho if loss == "tukey" else loss
    return least_squares(lambda v: curve(v, x) - near, TRUE, loss=given, f_scale=f_scale, xtol=1e-15, ftol=1e-15, gtol=1e-15).x


def values(found):
    """Return its parameters' values."""
    return np.array([found.params[name].value for name in NAMES])


@pytest.mark.parametrize("fills", [(1e9,), (1e12,), (1e4, 1e12), (1e9, -1e9), (65535.,)*4, (1e20,)*2, (1e200,)], ids=str)
@pytest.mark.parametrize("loss", LOSSES)
def test_a_success_is_at_the_minimum(loss, fills):
    """A success is within thousandths of a standard error of the minimum; fills whose pull can be told, or is none, let it be one."""
    ended = 0
    for seed in range(4):
        y = data(fills, seed)
        found = fitted(y, loss, .1)
        ended += found.success
        if found.success:
            errors = np.array([found.params[name].stderr for name in NAMES])
            assert np.all(abs(values(found) - minimum(y, loss, .1)) < 5e-3*errors), seed
            alike = gslfit.fit("A*exp(-x/tau) + c", y, x=X, **START, loss=loss, f_scale=.1)
            assert errors == pytest.approx([alike.params[name].stderr for name in NAMES], rel=5e-3)
    lost = loss in ("soft_l1", "huber") and max(fills) > 1e15
    assert ended == (0 if lost else 4)


@pytest.mark.parametrize("loss", LOSSES)
def test_derivatives_tell_what_rounding_hides(loss):
    """With derivatives, or compiled, or where a model is called beside its data, a residual of 1e20 pulls as it should."""
    y = data([1e20, -1e20], 3)

    def jac(params):
        A, tau, _ = (params[name].value for name in NAMES)
        return np.column_stack([np.exp(-X/tau), A*X/tau**2*np.exp(-X/tau), np.ones(X.size)])

    def model(x, A, tau, c):
        return np.array([*map(float, curve([A, tau, c], x))])
    params = gslfit.Parameters()
    params.add_many(*START.items())
    compiled = gslfit.minimize(lambda params: params["A"]*np.exp(-X/params["tau"]) + params["c"] - y, params, loss=loss, f_scale=.1,
                               compiled=True)
    with pytest.warns(gslfit.FitWarning, match="calls Python"):
        called = gslfit.fit(model, y, x=X, **START, loss=loss, f_scale=.1)
    for found in (fitted(y, loss, .1, jac=jac), compiled, called):
        assert found.success
        assert values(found) == pytest.approx(minimum(y, loss, .1), rel=1e-5)
        assert abs(found.residual).max() == 1e20
        assert found.cost == pytest.approx(gslfit.fit("A*exp(-x/tau) + c", y, x=X, **START, loss=loss, f_scale=.1).cost, rel=1e-12)


def test_a_failure_says_why():
    """Where a residual has lost the model, and pulls at it, the message says so."""
    found = fitted(data([1e20], 0), "huber", .1)
    assert not found.success
    assert "A residual of 1e+20 has lost how the model changes there" in found.message


@pytest.mark.parametrize("count", [1, 4])
@pytest.mark.parametrize("loss", LOSSES)
def test_scales_beside_fill_values(loss, count):
    """The scale "mad" is found where least squares would be led astray, in fewer evaluations than allowed."""
    for seed in (0, 1, 2, 4):
        y = data([65535]*count, seed)
        found = fitted(y, loss, "mad")
        assert found.success
        assert found.nfev < 3000
        scale = found.call_kws["f_scale"]
        errors = np.array([found.params[name].stderr for name in NAMES])
        assert np.all(abs(values(found) - minimum(y, loss, scale)) < 5e-3*errors), seed


def test_what_is_far_off_may_be_what_is_to_be_fitted():
    """A peak of a million beside a flat line, begun next to nothing: all of it is far off at the start, and is fitted."""
    y = 1e6*np.exp(-(X - 5)**2/2) + np.random.default_rng(0).normal(0, 1, X.size)
    params = gslfit.Parameters()
    params.add_many(("A", 10.), ("m", 4.5), ("s", 1.3))
    found = gslfit.minimize(lambda params: params["A"].value*np.exp(-(X - params["m"].value)**2/2/params["s"].value**2) - y, params,
                            loss="huber", f_scale=2.)
    assert found.success
    assert [params[name].value for name in ("A", "m", "s")] == pytest.approx([1e6, 5, 1], rel=1e-5)
    assert found.init_vals == [10., 4.5, 1.3]


@pytest.mark.parametrize("loss", ["huber", "tukey", "cauchy"])
@pytest.mark.parametrize(("noise", "fill", "f_scale"), [(0., 1e9, "mad"), (1e-14, 65535., "mad"), (0., None, "mad"), (.0024, 40., .0012)])
def test_a_right_jacobian_is_checked_once(noise, fill, f_scale, loss):
    """Where the caller has the fit begin, and by a scale beside which a loss has no kinks: fits that lead the way found right ones wrong,
    and led on to another one without end.
    """
    x = np.linspace(.1, 10, 25)
    for seed in range(12):
        rng = np.random.default_rng(seed)
        y = 1 + .9*x + .3*x*x + noise*rng.normal(size=25)
        if fill is not None:
            places = rng.choice(25, 1 if fill > 100 else 5, replace=False)
            y[places] = fill if fill > 100 else y[places] + fill*rng.normal(size=5)
        params = gslfit.Parameters()
        params.add_many(("a", 1.1), ("b", .93), ("c", .29))
        result = gslfit.minimize(lambda p, y=y: p["a"].value + p["b"].value*x + p["c"].value*x*x - y, params, loss=loss, f_scale=f_scale,
                                 jac=lambda p: np.stack([np.ones(25), x, x*x]), col_deriv=True)
        assert result.success or (noise == 1e-14 and fill)      # noise of a few last digits, of which a scale is half
        assert params["b"].value == pytest.approx(.9, abs=1e-2)


def test_a_wrong_jacobian_is_found_beside_fills():
    """That it is checked at the caller's start alone leaves it checked there."""
    x, y = np.linspace(.1, 10, 25), np.full(25, 3.)
    y[4] = 1e9
    params = gslfit.Parameters()
    params.add_many(("a", 1.), ("b", 1.))
    for loss in LOSSES:
        for f_scale in ("mad", .1):
            with pytest.raises(InputError, match="the derivative by 'b' has the wrong sign"):
                gslfit.minimize(lambda p: p["a"].value + p["b"].value*x - y, params, loss=loss, f_scale=f_scale,
                                jac=lambda p: np.stack([np.ones(25), -x]), col_deriv=True)


@pytest.mark.parametrize("loss", ["cauchy", "arctan", "tukey"])
def test_a_scale_that_a_fill_has_lost(loss):
    """Of Huber's fits without derivatives, beside 1e20, "mad" is a scale of their way: no success, which says so; with derivatives it is
    one.
    """
    for seed in range(8):
        y = np.random.default_rng(seed).normal(-1.06, .01, 12)
        y[3] = 1e20
        params = gslfit.Parameters()
        params.add("c", -.9)
        lost = gslfit.minimize(lambda p, y=y: p["c"].value - y, params, loss=loss, f_scale="mad")
        assert not lost.success and "1e+20" in lost.message
        params["c"].value = -.9
        found = gslfit.minimize(lambda p, y=y: p["c"].value - y, params, loss=loss, f_scale="mad", jac=lambda p: np.ones((12, 1)))
        right = gslfit.fit("c + 0*x", y, x=np.arange(12.), c=-.9, loss=loss, f_scale="mad").params["c"]
        assert found.success and params["c"].value == pytest.approx(right.value, abs=1e-3*right.stderr)
        assert params["c"].stderr == pytest.approx(right.stderr, rel=1e-3)
