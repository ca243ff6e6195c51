"""Standard errors at the edge: chi-square at rounding, beside a bound, of an expression that its own bound holds."""
import numpy as np
import pytest
from scipy.integrate import solve_ivp

import gslfit
from gslfit import Parameters
from gslfit.errors import FitWarning, InputError

X = np.arange(20.)


@pytest.mark.parametrize("noise", [0, 1e-14, 1e-13, 1e-12, 1e-11, 1e-10, 1e-8, 1e-6, 1e-2])
@pytest.mark.parametrize("model", ["line", "line through zero slope", "parabola"])
def test_errors_where_chi_square_is_rounding(model, noise):
    """With known errors they follow from the Jacobian, by differences too, however small the residual is."""
    columns = {"line": [X**0, X], "line through zero slope": [X**0, X], "parabola": [X**0, X, X**2]}[model]
    truth = {"line": [0, 1], "line through zero slope": [3, 0], "parabola": [1, 0, .1]}[model]
    A = np.stack(columns, axis=1)
    y = A @ truth + noise*np.cos(2.1*X)
    params = Parameters()
    for name in "abc"[:len(truth)]:
        params.add(name, 1.)
    gslfit.minimize(lambda p: y - A @ [par.value for par in p.values()], params, scale_covar=False)
    expected = np.sqrt(np.diag(np.linalg.inv(A.T @ A)))
    assert [par.stderr for par in params.values()] == pytest.approx(expected, rel=1e-3)


def beside_a_bound():
    """Return data of a line whose slope the bounds don't let be; the error of the constant with the slope held."""
    x = np.linspace(0, 5, 40)
    y = 2*x + 1 + .1*np.sin(9*x)
    r = y - 1.5*x
    return x, y, np.sqrt(np.sum((r - r.mean())**2)/38/40)


@pytest.mark.parametrize("called", [False, True])
def test_curve_fit_beside_a_bound(called):
    """The parameter at its bound has an infinite variance, the others theirs as with it held; the warning names it."""
    x, y, expected = beside_a_bound()
    model = (lambda x, a, b: np.array([float(a*each + b) for each in x])) if called else (lambda x, a, b: a*x + b)
    with pytest.warns(FitWarning, match="Covariance of a "):
        popt, pcov = gslfit.curve_fit(model, x, y, [1, 1], bounds=([0, -9], [1.5, 9]))
    assert popt[0] == 1.5
    assert pcov[1, 1]**.5 == pytest.approx(expected, rel=1e-6)
    assert np.isinf(pcov[0]).all() and np.isinf(pcov[:, 0]).all()


@pytest.mark.parametrize("entry", ["minimize", "fit", "Model"])
def test_an_expression_held_by_its_own_bound(entry):
    """It is as uncertain as the expression, and so is what depends on it."""
    x = np.linspace(0, 10, 50)
    y = 3*x + 2 + .1*np.random.default_rng(0).normal(size=50)
    params = Parameters()
    params.add("a", 1)
    params.add("b", 1)
    params.add("c", expr="a + b", min=0, max=4)
    params.add("d", expr="a + b")
    params.add("e", expr="2*c")
    if entry == "minimize":
        gslfit.minimize(lambda p: p["a"].value*x + p["b"].value - y, params)
    elif entry == "fit":
        params = gslfit.fit("a*x + b", y, params, x=x).params
    else:
        params = gslfit.Model("a*x + b").fit(y, params, x=x).params
    assert params["c"].value == 4 and params["e"].value == 8
    assert params["c"].stderr == pytest.approx(params["d"].stderr) and params["d"].stderr > 0
    assert params["e"].stderr == pytest.approx(2*params["d"].stderr)


@pytest.mark.parametrize(("model", "said"), [
    (lambda p, x: (p["a"].value + p["b"].value)*np.exp(-x/p["t"].value), "a and b only as a + b."),
    (lambda p, x: (p["a"].value - 2.5*p["b"].value)*np.exp(-x/p["t"].value), "a and b only as a - 2.5*b.")])
def test_combinations_are_named(model, said):
    """Where two parameters act as one, the message names the combination that is determined; the third has its error."""
    x = np.linspace(0, 3, 30)
    y = 3*np.exp(-x) + .01*np.cos(9*x)
    params = Parameters()
    for name, value in (("a", 2.), ("b", .5), ("t", .8)):
        params.add(name, value)
    out = gslfit.minimize(lambda p: model(p, x) - y, params)
    alone = Parameters()
    alone.add("a", 2.)
    alone.add("t", .8)
    right = gslfit.minimize(lambda p: p["a"].value*np.exp(-x/p["t"].value) - y, alone)
    assert out.success and not out.errorbars and said in out.message
    assert params["a"].stderr is None and params["b"].stderr is None
    scale = ((x.size - 2)/(x.size - 3))**.5
    assert params["t"].stderr == pytest.approx(right.params["t"].stderr*scale, rel=1e-3)


def test_as_many_points_as_parameters_from_an_exact_start():
    """A start that is zero but for rounding tells nothing of a Jacobian: two points and a line, and a wrong Jacobian is still found."""
    t, sigma = np.array([1., 2.]), np.array([.1, .1])
    J = np.c_[t, np.ones(2)]/sigma[:, None]
    for b in (0., 1e-16, -2.85e-16, 1e-14):
        popt, pcov = gslfit.curve_fit(lambda t, a, b: a*t + b, t, t, p0=[1., b], sigma=sigma, absolute_sigma=True)
        assert np.allclose(pcov, np.linalg.inv(J.T @ J))
        assert np.allclose(popt, [1, 0], atol=1e-12)
    popt, pcov = gslfit.curve_fit(lambda t, a, b: a*t + b, t, t, sigma=sigma, absolute_sigma=True)
    assert np.allclose(pcov, np.linalg.inv(J.T @ J))
    params = gslfit.Parameters()
    params.add_many(("a", 1.), ("b", 1.))
    with pytest.raises(InputError, match="derivative by 'b' has the wrong sign"):
        gslfit.minimize(lambda p: p["a"].value*t + p["b"].value - t, params, jac=lambda p: np.c_[t, -np.ones(2)])


def test_no_function_is_asked_at_infinity():
    """Where a model shrinks to nothing steps of others grow beyond all numbers: a solver of differential equations never returns there."""
    x, asked = np.linspace(0, 6, 40), []

    def residual(p):
        A, fast, slow = (p[name].value for name in ("A", "k1", "k2"))
        asked.append(max(abs(fast), abs(slow)))
        assert asked[-1] <= 1e300
        if asked[-1] > 1e6:         # it would take an hour
            return np.full(40, np.nan)
        return solve_ivp(lambda t, u: [-fast*u[0], fast*u[0] - slow*u[1]], (0, 6), [A, 0.], t_eval=x, method="LSODA").y[1]
    params = gslfit.Parameters()
    params.add_many(("A", 2.), ("k1", .8), ("k2", .3))
    assert gslfit.minimize(residual, params).success
    assert len(asked) > 20


@pytest.mark.parametrize("loss", ["huber", "soft_l1", "cauchy"])
@pytest.mark.parametrize("seed", [5, 9, 17, 21])
def test_robust_fits_against_a_bound(loss, seed):
    """A time that begins on a bound far below the data's is held by it: it isn't moved through 0, beyond which there is no end."""
    rng = np.random.default_rng(seed)
    x = np.linspace(0, 6, 40)
    y = 3*np.exp(-x/1.5) + .5 + .015*rng.standard_normal(40)
    most = rng.uniform(.2, .6)
    params = gslfit.Parameters()
    params.add_many(("A", 1.), ("t", most, True, None, most), ("c", .477))
    with np.errstate(all="ignore"):
        result = gslfit.minimize(lambda p: p["A"]*np.exp(-x/p["t"].value) + p["c"] - y, params, loss=loss, f_scale=.09)
    assert result.success
    assert result.params["t"].value == most
