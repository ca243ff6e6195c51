"""fit: one curve, to the last digit; and curve_fit, SciPy's call."""
import nist
import numpy as np
import pytest
from scipy import optimize

from gslfit import Formula, Parameters, curve_fit, fit, fit_batch
from gslfit.errors import ConvergenceError, FitWarning, InputError, NonFiniteError
from gslfit.models import GslLorModel


def digits(result, data):
    """Return the worst parameter's digits, and the worst error's."""
    values = np.array([result.params[name].value for name in data.names])
    errors = np.array([np.nan if result.params[name].stderr is None else result.params[name].stderr for name in data.names])
    return nist.digits(values, data.certified).min(), nist.digits(errors, data.stderr).min()


def test_nist():
    """The 27 sets from both starts with default settings: every one to 6 digits, 52 of 54 to 8, more than 10 on average."""
    found = []
    for data in nist.datasets():
        for start in data.starts:
            result = fit(data.formula, data.y, x=data.columns(), start=dict(zip(data.names, start, strict=True)))
            assert result.success, (data.name, result.message)
            found.append(digits(result, data))
    values, errors = np.array(found).T
    assert np.count_nonzero(values >= 6) == 54
    assert np.count_nonzero(values >= 8) >= 52
    assert np.mean(values) > 10
    assert np.count_nonzero(errors >= 6) >= 52


X = np.linspace(-5, 5, 60)


def peak(x, y0, a, x0, var):
    """Return a Gaussian on an offset."""
    return y0 + a*np.exp(-(x - x0)**2/(2*var))


Y = peak(X, 1., 8., .4, 1.3) + np.random.default_rng(5).normal(0, .2, X.size)
P0 = (.5, 6., .1, 1.)


def test_parameters_are_left_alone():
    """The caller's Parameters stay as they are; the result has its own, with errors and correlations."""
    p = Parameters()
    p.add_many(("y0", .5), ("a", 6., True, 0), ("x0", .1), ("var", 1., True, .01, 25.))
    p.add("fwhm", expr="2.3548*sqrt(var)")
    result = fit("y0 + a*exp(-(x - x0)**2/(2*var))", Y, p, x=X)
    assert p["a"].value == 6.
    popt, pcov = optimize.curve_fit(peak, X, Y, P0, xtol=1e-14, ftol=1e-14)
    for k, name in enumerate(("y0", "a", "x0", "var")):
        assert abs(result.params[name].value - popt[k]) < 1e-6*np.sqrt(pcov[k, k])
        assert np.isclose(result.params[name].stderr, np.sqrt(pcov[k, k]), rtol=1e-5)
    assert np.isclose(result.params["fwhm"].stderr, 2.3548/2/np.sqrt(popt[3])*np.sqrt(pcov[3, 3]), rtol=1e-5)
    assert np.isclose(result.params["a"].correl["var"], pcov[1, 3]/np.sqrt(pcov[1, 1]*pcov[3, 3]), rtol=1e-4)
    assert np.isclose(result.chisqr, np.sum((peak(X, *popt) - Y)**2))
    assert result.init_values["a"] == 6.


def test_points_that_are_not_finite():
    """An error that names the point, or they are left out."""
    spoilt = Y.copy()
    spoilt[7] = np.inf
    start = dict(zip(("y0", "a", "x0", "var"), P0, strict=True))
    with pytest.raises(NonFiniteError, match=r"y\[7\] is inf"):
        fit(peak, spoilt, x=X, **start)
    keep = np.arange(60) != 7
    assert fit(peak, spoilt, x=X, **start, nan_policy="omit").params["a"].value == fit(peak, Y[keep], x=X[keep], **start).params["a"].value


def test_defaults_are_starts():
    """Defaults of the function are start values."""
    assert fit(lambda x, slope=1., base=0.: slope*x + base, 3*X + 2, x=X).params["slope"].value == pytest.approx(3, abs=1e-12)


def test_in_doubt_minimize_has_the_last_word():
    """A parameter without a trace in the data, a bound that binds, a flat: not plain success."""
    result = fit("a*x + b*(c - c)", 3*X, x=X, a=1., b=1., c=1.)
    assert not result.errorbars
    p = Parameters()
    p.add("slope", 1., max=2.5)
    bound = fit("slope*x", 3*X, p, x=X)
    assert bound.params["slope"].value == pytest.approx(2.5, abs=1e-9)
    assert "bound" in bound.message


def untraceable(x, y0, a, x0, var):
    """Return the same peak, as a function that asks for a value."""
    return peak(x, y0, a, x0, var) if a < 1e30 else x


@pytest.mark.parametrize("f", [peak, untraceable, "y0 + a*exp(-(x - x0)**2/(2*var))", lambda x, *p: peak(x, *p)])
@pytest.mark.parametrize("sigma", [None, .2, np.linspace(.1, .3, 60), np.diag(np.linspace(.1, .3, 60)**2) + .01])
@pytest.mark.parametrize("absolute", [False, True])
def test_curve_fit_is_scipys(f, sigma, absolute):
    """The same numbers from the same call."""
    own = peak if isinstance(f, str) else f
    wanted, covariance = optimize.curve_fit(own, X, Y, P0, sigma=sigma, absolute_sigma=absolute, xtol=1e-13, ftol=1e-13)
    popt, pcov = curve_fit(f, X, Y, P0, sigma=sigma, absolute_sigma=absolute)
    assert np.all(np.abs(popt - wanted) <= 1e-5*np.sqrt(np.diag(covariance)))
    assert np.allclose(pcov, covariance, rtol=1e-4, atol=1e-6*np.max(np.abs(covariance)))


def test_slow_way():
    """A function that can't be traced is fitted by calling it, with a warning that says why."""
    with pytest.warns(FitWarning, match="untraceable can't be traced"):
        slow = fit(untraceable, Y, x=X, **dict(zip(("y0", "a", "x0", "var"), P0, strict=True)))
    quick = fit(peak, Y, x=X, **dict(zip(("y0", "a", "x0", "var"), P0, strict=True)))
    for name, parameter in slow.params.items():
        assert np.isclose(parameter.value, quick.params[name].value, rtol=1e-6)
        assert np.isclose(parameter.stderr, quick.params[name].stderr, rtol=1e-5)


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize("limit", [.69, .6, .3])
def test_a_bound_holds_where_the_minimum_lies_just_beyond_it(side, limit):
    """Upper and lower: the values are those of SciPy's bounded fit."""
    t = np.linspace(0, 5, 30)
    y = 2*np.exp(-.7*t) + .02*np.random.default_rng(1).normal(size=30)
    p = Parameters()
    p.add("a", 1.)
    p.add("b", .2*side, **{"max" if side > 0 else "min": limit*side})
    found = fit(f"a*exp({-side}*b*t)", y, p, t=t).params
    wanted = optimize.least_squares(lambda v: v[0]*np.exp(-v[1]*t) - y, [1, .2], bounds=([-9, -9], [9, limit]), xtol=1e-15, ftol=1e-15).x
    assert found["b"].value == side*limit
    assert found["a"].value == pytest.approx(wanted[0], rel=1e-6)


@pytest.mark.parametrize("most", [-.5, -3])
def test_curve_fit_without_p0_and_with_an_upper_bound_alone(most):
    """The function is first asked where SciPy's is."""
    def asked(curve_fit):
        calls = []

        def growth(x, a, b):
            calls.append((float(a), float(b)))
            return np.array([float(a)*np.exp(-float(b)*each) for each in x])
        t = np.linspace(0, 1, 20)
        curve_fit(growth, t, 2.5*np.exp(4*t), bounds=([-np.inf, -np.inf], [np.inf, most]))
        return calls[0]
    assert asked(curve_fit) == asked(optimize.curve_fit) == (1., most - 1)


def test_curve_fit_without_p0_and_with_bounds():
    """SciPy's own start; bounds as numbers, arrays or Bounds."""
    def decay(x, a, b):
        return a*np.exp(-b*x)

    t = np.linspace(0, 4, 30)
    y = decay(t, 2.5, 1.3) + np.random.default_rng(6).normal(0, .02, t.size)
    wanted, _ = optimize.curve_fit(decay, t, y)
    assert np.allclose(curve_fit(decay, t, y)[0], wanted, rtol=1e-5)
    for bounds in ((0, np.inf), ([0, 0], [5, 3]), optimize.Bounds([0, 0], [5, 3])):
        assert np.allclose(curve_fit(decay, t, y, bounds=bounds)[0], wanted, rtol=1e-5)
    tight, _ = optimize.curve_fit(decay, t, y, bounds=([0, 0], [2.2, 3]))
    with pytest.warns(FitWarning, match="could not be estimated"):
        popt, pcov = curve_fit(decay, t, y, bounds=([0, 0], [2.2, 3]))
    assert np.allclose(popt, tight, rtol=1e-4)
    assert np.isinf(pcov[0]).all()
    assert np.isinf(pcov[:, 0]).all()
    # the other's variance is that beside an amplitude that is held, with SciPy's degrees of freedom
    slope = -2.2*t*np.exp(-popt[1]*t)
    misfit = y - decay(t, *popt)
    assert pcov[1, 1] == pytest.approx(misfit @ misfit/(t.size - 2)/(slope @ slope), rel=1e-5)


def test_curve_fit_of_several_variables():
    """xdata of shape (k, n), traced row by row."""
    def plane(x, a, b, c):
        return a*x[0] + b*np.sin(x[1]) + c

    rng = np.random.default_rng(7)
    xy = rng.normal(size=(2, 50))
    z = plane(xy, 1., 2., 3.) + rng.normal(0, .1, 50)
    wanted, covariance = optimize.curve_fit(plane, xy, z)
    popt, pcov = curve_fit(plane, xy, z)
    assert np.allclose(popt, wanted, rtol=1e-6)
    assert np.allclose(pcov, covariance, rtol=1e-4, atol=1e-8)


def test_curve_fit_full_output_and_refusals():
    """The other return values, and errors as SciPy's."""
    _, _, info, message, ier = curve_fit(peak, X, Y, P0, full_output=True)
    assert info["fvec"].shape == (60,)
    assert info["nfev"] > 1
    assert isinstance(message, str)
    assert ier in (1, 2, 3, 4)
    with pytest.raises(ValueError, match=r"ydata\[3\] is nan, and 1 of 60"):
        curve_fit(peak, X, np.where(np.arange(60) == 3, np.nan, Y), P0)
    assert np.isfinite(curve_fit(peak, X, np.where(np.arange(60) == 3, np.nan, Y), P0, nan_policy="omit")[0]).all()
    with pytest.raises(TypeError, match="3 points can't determine 4 parameters"):
        curve_fit(peak, X[:3], Y[:3], P0)
    with pytest.raises(InputError, match="give p0"):
        curve_fit(lambda x, *p: p[0]*x, X, Y)
    with pytest.raises(InputError, match="outside of provided bounds: p0 has a"):
        curve_fit(peak, X, Y, P0, bounds=([-9, 7, -9, 0], 9))
    with pytest.raises(InputError, match="loss"):
        curve_fit(peak, X, Y, P0, loss=np.log1p)
    with pytest.raises(RuntimeError, match="Optimal parameters not found"):
        curve_fit(peak, X, Y, P0, maxfev=5)
    assert issubclass(ConvergenceError, RuntimeError)


def test_formula_object():
    """A Formula is taken as it is."""
    line = Formula("a + b*t", "t")
    assert np.allclose(curve_fit(line, X, 2 + 3*X)[0], [2, 3])
    assert fit(line, 2 + 3*X, t=X, a=0., b=0.).params["b"].value == pytest.approx(3)


def test_long_curve():
    """A curve of 200,000 points, on one thread and on two."""
    x = np.linspace(0, 10, 200_000)
    y = 1 + 8*np.exp(-(x - 4)**2) + 5*np.exp(-.4*x) + np.random.default_rng(3).normal(0, .5, x.size)
    start = dict(c=1.15, A=6.8, x0=4.2, var=.6, B=4.4, b=.46)
    one, two = (fit("c + A*exp(-(x - x0)**2/(2*var)) + B*exp(-b*x)", y, x=x, **start, threads=threads) for threads in (1, 2))
    for name, true in dict(c=1., A=8., x0=4., var=.5, B=5., b=.4).items():
        assert abs(one.params[name].value - true) < 5*one.params[name].stderr
        assert one.params[name].value == two.params[name].value
    assert np.isclose(one.redchi, .25, rtol=.02)


def test_as_many_points_as_parameters():
    """No degrees of freedom, no errors, and the message says so."""
    result = fit("a + b*x", np.array([1., 3.]), x=np.array([0., 1.]), a=0., b=1.)
    assert result.params["b"].value == pytest.approx(2)
    assert not result.errorbars
    assert "degrees of freedom" in result.message


@pytest.mark.parametrize("sigma", [None, .3, np.linspace(.2, .5, X.size), np.diag(np.linspace(.2, .5, X.size)**2)])
def test_curve_fit_calls_the_jacobian_of_a_function_that_has_no_program(sigma):
    """As SciPy does; where there is a program its own derivatives are taken. A wrong shape is an error that says so."""
    calls = []

    def table(x, a, b):
        return np.array([a*float(t)**2 + b for t in x])    # floats: can't be traced

    def slopes(x, a, b):
        calls.append(x)
        return np.stack([x**2, np.ones_like(x)], axis=1)

    y = table(X, 2., 1.) + .1*np.sin(7*X)
    whole = np.full(X.size, sigma) if np.ndim(sigma) == 0 and sigma is not None else sigma     # SciPy takes no number beside jac
    wanted, covariance = optimize.curve_fit(table, X, y, (1., 0.), sigma=whole, jac=slopes)
    calls.clear()
    popt, pcov = curve_fit(table, X, y, (1., 0.), sigma=sigma, jac=slopes)
    assert calls
    assert np.allclose(popt, wanted, rtol=1e-7)
    assert np.allclose(pcov, covariance, rtol=1e-6)
    with pytest.raises(InputError, match=r"jac returned the shape \(2, \d+\)"):
        curve_fit(table, X, y, (1., 0.), sigma=sigma, jac=lambda x, a, b: slopes(x, a, b).T)
    calls.clear()
    assert np.allclose(curve_fit("a*x**2 + b", X, y, (1., 0.), sigma=sigma, jac=slopes)[0], wanted, rtol=1e-7)
    assert not calls


def test_an_expression_that_calls_a_users_function_says_that_it_is_slow():
    """The fits call Python then, and a warning names the parameter and the function; the values are right."""
    p = Parameters(usersyms={"mine": lambda a: 2*a})
    p.add("a", 1.)
    p.add("b", expr="mine(a)")
    x = np.linspace(0, 1, 20)
    y = 3*x + 6
    with pytest.warns(FitWarning, match="'b'.*calls mine"):
        one = fit("a*x + b", y, p, x=x)
    with pytest.warns(FitWarning, match="'b'.*calls mine"):
        many = fit_batch("a*x + b", np.stack([y, 2*y]), p, x=x)
    assert "mine" in many.reason
    assert np.allclose([one.params["b"].value, *many.values["b"]], [6, 6, 12])


@pytest.mark.parametrize("name", ["a", "t", "c"])
@pytest.mark.parametrize("side", [-1, 1])
def test_a_minimum_next_to_a_bound_and_beyond(name, side):
    """What polishes an end knows of no bounds: a minimum that lies beyond one by a part of 1e12 is not where a fit ends."""
    x = np.linspace(0, 10, 50)
    for seed in range(8):
        y = 3*np.exp(-x/2) + .2 + .05*np.random.default_rng(seed).normal(size=50)
        best = fit("a*exp(-x/t) + c", y, x=x, a=2., t=1., c=0.).params[name].value
        bound = best + side*1e-12*abs(best)
        params = Parameters()
        for each, value in {"a": 2., "t": 1., "c": 0.}.items():
            params.add(each, value if each != name else bound + side)
        params[name].set(**{"min" if side > 0 else "max": bound})
        found = fit("a*exp(-x/t) + c", y, x=x, params=params).params[name].value
        assert side*(found - bound) >= 0


@pytest.mark.parametrize("unit", [1e100, 1e140, 1e-78, 1e-120])
def test_lorentzians_in_any_unit_of_x(unit):
    """The centre was where it began, as a success, where x are 1e100, and the Jacobian infinite where they are 1e-78."""
    x = np.linspace(.2, 10, 60)
    y = 3*.8**2/((x - 4.3)**2 + .8**2) + .1 + .02*np.random.default_rng(0).normal(size=60)
    text, powers = "y0 + A/((x - x0)**2 + B)", {"y0": 0, "A": 2, "x0": 1, "B": 2}
    start = {"y0": 0, "A": 2, "x0": 4, "B": 1}
    right, scaled = fit(text, y, x=x, start=start), {name: value*unit**powers[name] for name, value in start.items()}
    one, rows = fit(text, y, x=x*unit, start=scaled), fit_batch(text, y[None], x=x*unit, start=scaled)
    guessed = GslLorModel().fit(y, x=x*unit)
    assert one.success and rows.success.all() and guessed.success
    for name, power in powers.items():
        for value, error in ((one.values[name], one.stderr[name]), (rows.values[name][0], rows.stderr[name][0]),
                             (guessed.params[name].value, guessed.params[name].stderr)):
            assert value/unit**power == pytest.approx(right.values[name], rel=1e-6)
            assert error/unit**power == pytest.approx(right.stderr[name], rel=1e-4)
