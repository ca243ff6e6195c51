"""Where descents end: at a minimum, by what chi-square itself does next to the point."""
import mpmath
import numpy as np
import pytest

import gslfit
from gslfit.errors import FitStatus

X = np.linspace(0, 1, 21)


def chi_square(a, c, y):
    """Chi-square of a**2*x + c in 40 digits."""
    with mpmath.workdps(40):
        return mpmath.fsum((mpmath.mpf(a)**2*mpmath.mpf(float(x)) + mpmath.mpf(c) - mpmath.mpf(float(value)))**2
                           for x, value in zip(X, y, strict=True))


def squares(y, root, how):
    """Fit a**2*x + c by an entry; return the values, whether it is a success, the error of a and the status."""
    if how == "fit_batch":
        found = gslfit.fit_batch("a**2*x + c", y[None], x=X, start={"a": root, "c": 0.0})
        return found.values["a"][0], found.values["c"][0], found.success[0], found.stderr["a"][0], found.status[0]
    if how == "fit":
        found = gslfit.fit("a**2*x + c", y, x=X, start={"a": root, "c": 0.0})
        params = found.params
    else:
        params = gslfit.Parameters()
        params.add("a", root)
        params.add("c", 0.0)
        slopes = {"Dfun": lambda p: np.stack([2*p["a"].value*X, np.ones_like(X)], axis=1)} if how == "derivatives" else {}
        found = gslfit.minimize(lambda p: p["a"].value**2*X + p["c"].value - y, params, **slopes)
    return params["a"].value, params["c"].value, found.success, params["a"].stderr, found.status


@pytest.mark.parametrize("how", ["minimize", "derivatives", "fit", "fit_batch"])
@pytest.mark.parametrize("scale", [1.0, 1e-12])
def test_a_square_is_least_at_zero(how, scale):
    """A line that falls is fitted best by a slope of 0, where the derivative by its root is 0: chi-square rises to both sides of it."""
    y, size = scale*(1 - X + 0.05*np.cos(9*X)), np.sqrt(scale)
    a, c, success, error, status = squares(y, size, how)
    assert success
    assert status == FitStatus.RANK_DEFICIENT
    assert error is None or np.isnan(error)
    assert abs(a) < 1e-5*size
    assert c == pytest.approx(y.mean(), rel=1e-6)
    here = chi_square(a, c, y)
    assert chi_square(a + 1e-3*size, c, y) > here*(1 + mpmath.mpf(10)**-12)
    assert chi_square(a - 1e-3*size, c, y) > here*(1 + mpmath.mpf(10)**-12)


def peaks(v, x):
    """Return three Gaussians on a constant."""
    return v[0] + sum(v[k]*np.exp(-((x - v[k + 1])/v[k + 2])**2/2) for k in (1, 4, 7))


@pytest.mark.parametrize("noise", [1e-3, 1e-6, 1e-8])
def test_ends_are_told_in_standard_errors(noise):
    """However exact values are: many parameters, whose derivatives are forward differences for as long as these serve."""
    x = np.linspace(-5, 7, 53)
    true = np.array([-3.0, 1.65, 5.4, 0.23, 3.76, 3.76, 0.71, 0.92, 0.6, 2.2])
    y = peaks(true, x) + noise*np.random.default_rng(8).normal(size=x.size)
    params = gslfit.Parameters()
    for k, value in enumerate(true):
        params.add(f"v{k}", value*(1 + 0.03*(-1)**k))
    found = gslfit.minimize(lambda p: peaks(np.array([par.value for par in p.values()]), x) - y, params)
    assert found.success
    v = np.array([par.value for par in params.values()])
    with mpmath.workdps(40):        # a Gauss-Newton step in 40 digits: how far the minimum is
        step = gauss_newton(v, x, y)
    assert np.all(np.abs(step) < 1e-3*np.array([par.stderr for par in params.values()]))


def gauss_newton(v, x, y):
    """Return the step by exact derivatives."""
    v = [mpmath.mpf(float(value)) for value in v]
    J, r = mpmath.matrix(len(x), len(v)), mpmath.matrix(len(x), 1)
    for i, (at, value) in enumerate(zip(x, y, strict=True)):
        J[i, 0], r[i] = 1, v[0] - mpmath.mpf(float(value))
        for k in (1, 4, 7):
            u = (mpmath.mpf(float(at)) - v[k + 1])/v[k + 2]
            shape = mpmath.exp(-u**2/2)
            J[i, k], J[i, k + 1], J[i, k + 2] = shape, v[k]*shape*u/v[k + 2], v[k]*shape*u**2/v[k + 2]
            r[i] += v[k]*shape
    step = mpmath.lu_solve(J.T*J, -(J.T*r))
    return np.array([float(value) for value in step])


def test_a_start_that_explodes_is_no_measure():
    """A residual of 1e60 at the start says nothing of what is rounding at the end."""
    x = np.linspace(0, 10, 25)
    y = 3*np.exp(-x/2) + 0.2*np.cos(5*x)
    params = gslfit.Parameters()
    params.add("a", 1.0)
    params.add("k", -14.0)
    with np.errstate(over="ignore"):
        found = gslfit.minimize(lambda p: p["a"].value*np.exp(-p["k"].value*x) - y, params)
    a, k = params["a"].value, params["k"].value
    if found.success:
        r, slopes = a*np.exp(-k*x) - y, np.stack([np.exp(-k*x), -a*x*np.exp(-k*x)], axis=1)
        cosines = np.abs(slopes.T @ r)/np.linalg.norm(slopes, axis=0)/np.linalg.norm(r)
        assert np.all(cosines < 1e-5)
        assert found.status != FitStatus.EXACT


@pytest.mark.parametrize("derivatives", [False, True])
def test_next_to_a_bound_without_a_value(derivatives):
    """Data that fall are fitted best by a slope of 0, where the logarithm in the model is infinite: it ends where that is as good."""
    y = 1 - X + 0.05*np.cos(9*X)
    params = gslfit.Parameters()
    params.add("s", 0.5, min=0)
    params.add("c", 0.0)

    def residual(p):
        s = float(p["s"].value)
        return s*X*(1 + 1/(1 - 1e-3*np.log(s))) + p["c"].value - y

    def slopes(p):
        s = float(p["s"].value)
        part = 1 - 1e-3*np.log(s)
        return np.stack([X*(1 + 1/part + 1e-3/part**2), np.ones_like(X)], axis=1)
    with np.errstate(all="ignore"):
        found = gslfit.minimize(residual, params, **({"Dfun": slopes} if derivatives else {}))
    least = np.sum((y - y.mean())**2)
    assert found.success
    assert found.status == FitStatus.AT_BOUND
    assert found.chisqr == pytest.approx(least, rel=1e-9)
    assert params["s"].stderr is None


@pytest.mark.parametrize("scale", [1e-9, 1., 1e6])
def test_a_start_that_explodes(scale):
    """From a residual of 1e294 to one of the data's size, of which nothing could be told in the start's unit: it is no zero."""
    x = np.linspace(0, 1, 9)
    y = scale*(2 + .1*np.cos(9*x))
    params = gslfit.Parameters()
    params.add_many(("A", 1e12*scale), ("B", scale), ("c", scale))
    result = gslfit.minimize(lambda p: p["A"]*np.exp(650*x) + p["B"] + p["c"]*x - y, params)
    found, chisqr = np.linalg.lstsq(np.stack([np.exp(650*(x - 1)), np.ones(9), x], axis=1), y, rcond=None)[:2]
    assert result.success
    assert "zero" not in result.message
    assert result.chisqr == pytest.approx(chisqr[0], rel=1e-9)
    assert [result.params[name].value for name in "Bc"] == pytest.approx(found[1:], rel=1e-6)
    assert result.params["B"].stderr > 1e-3*scale


DIGITS = {"line": lambda x, a, b: a + b*x, "exp": lambda x, a, b: np.exp(a + b*x/5), "tanh": lambda x, a, b: np.tanh(a + b*x/5)}


@pytest.mark.parametrize("start", [0., 1.])
@pytest.mark.parametrize("model", DIGITS)
def test_data_that_are_exact_but_for_their_last_digits(model, start):
    """14 digits of data, as they are printed: a minimum is one from starts of 0 too, where no start says how far a parameter can go."""
    f = DIGITS[model]
    for seed in range(20):
        rng = np.random.default_rng(seed)
        x, true = np.sort(rng.uniform(0.1, 3, 30)), rng.normal(size=2)
        y = np.array([float(f"{value:.13e}") for value in f(x, *true)])
        params = gslfit.Parameters()
        params.add("a", start)
        params.add("b", start)
        found = gslfit.minimize(lambda p, x=x, y=y: f(x, p["a"].value, p["b"].value) - y, params)
        assert found.success, seed
        assert [par.value for par in found.params.values()] == pytest.approx(true, abs=1e-11)


@pytest.mark.parametrize(("ux", "uy"), [(1, 1), (1e6, 1e6), (1, 1e-9), (1e-9, 1e6), (1, 1e-100)])
@pytest.mark.parametrize("start", [(1.5, .8, .2), (1., 1., 0.), (2., .5, -.1)])
def test_dead_traces(ux, uy, start):
    """What has vanished with the residual is 0, without an error bar for what it silences."""
    x, begin = np.linspace(.05, 6, 25)*ux, {"A": start[0]*uy, "k": start[1]/ux, "c": start[2]*uy}

    def model(x, A, k, c):
        with np.errstate(all="ignore"):
            return np.array([float(A)*np.exp(-float(k)*each) + float(c) for each in np.ravel(x)])
    params = gslfit.Parameters()
    params.add_many(*begin.items())
    one = gslfit.minimize(lambda p: model(x, *(p[name].value for name in "Akc")), params)
    many = gslfit.fit_batch(model, np.zeros((2, 25)), x=x, start=begin)
    assert one.success and many.success.all()
    assert one.params["k"].stderr is None and np.isnan(many.stderr["k"]).all()
    for name in "Ac":
        assert one.params[name].value == one.params[name].stderr == 0
        assert (many.values[name] == 0).all() and (many.stderr[name] == 0).all()


def test_derivatives_of_which_the_length_overflows():
    """A column of finite derivatives whose length no double holds ends no fit by an error: it is named."""
    x = np.linspace(1, 2, 20)*8e307
    params = gslfit.Parameters()
    params.add_many(("a", 3/8e307), ("b", 1.0))
    found = gslfit.minimize(lambda p: p["a"].value*x + p["b"].value - np.sin(x/8e307), params,
                            Dfun=lambda p: np.stack([x, np.ones_like(x)], axis=1))
    assert not found.success
    assert "The derivatives by a are as large as 1.6e+308: the length of their column overflows." in found.message


def test_data_next_to_nothing_are_data():
    """Of 1e-290 and a start of 1 the residual all but vanishes, but the amplitude is not 0, by any policy."""
    x = np.linspace(0, 5, 20)
    y = 3*np.exp(-x/1.5) + .5 + .05*np.random.default_rng(3).normal(size=x.size)
    model = gslfit.Model(lambda x, A, t, c: A*np.exp(-x/t) + c)
    wanted = model.fit(y, x=x, A=1., t=1., c=0.)
    for policy in ("raise", "propagate"):
        found = model.fit(y*1e-290, x=x, A=1., t=1., c=0., nan_policy=policy)
        assert found.success
        assert found.params["A"].value*1e290 == pytest.approx(wanted.params["A"].value, rel=1e-6)
        assert found.params["t"].value == pytest.approx(wanted.params["t"].value, rel=1e-6)
