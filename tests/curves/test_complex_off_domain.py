"""A function that is called and turns complex off its domain: such steps are refused in every entry, as those to NaN are."""
import numpy as np
import pytest

from gslfit import Formula, Model, Parameters, curve_fit, fit, fit_batch, minimize
from gslfit.errors import FitStatus, InputTypeError, NonFiniteError

pytestmark = pytest.mark.filterwarnings("ignore::gslfit.errors.FitWarning")
X = np.linspace(.1, 5, 30)
Y = 2*np.sqrt(X - .05) + np.random.default_rng(1).normal(0, .01, X.size)
ROWS = np.array([Y, Y])


def root(x, a, b):
    """Square root of x - b; called, since a symbol is no number."""
    float(a)
    return a*np.emath.sqrt(x - b)


def always(x, a, b):
    float(a)
    return a*np.exp(1j*b*x)


def off_domain(x, a, b):
    float(a)
    return np.emath.sqrt(a)*x**b


def by_minimize(start):
    params = Parameters()
    for name, value in start.items():
        params.add(name, value)
    return minimize(lambda p: root(X, p["a"].value, p["b"].value) - Y, params)


ENTRIES = {"fit": lambda f, start: fit(f, Y, x=X, **start), "huber": lambda f, start: fit(f, Y, x=X, loss="huber", **start),
           "fit_batch": lambda f, start: fit_batch(f, ROWS, x=X, **start)[1],
           "lmsder": lambda f, start: fit_batch(f, ROWS, x=X, method="lmsder", **start)[1],
           "workers": lambda f, start: fit_batch(f, ROWS, x=X, workers=1, **start)[1],
           "Model.fit_batch": lambda f, start: Model(f).fit_batch(ROWS, x=X, **start)[1]}


def test_steps_off_the_domain_are_refused():
    """The fit steps to b > 0.1 on its way and ends at the minimum, in every entry."""
    start = {"a": 1., "b": 0.}
    wanted = by_minimize(start)
    assert wanted.success
    for entry in (*ENTRIES.values(), lambda f, start: Model(f).fit(Y, x=X, **start)):
        result = entry(root, start)
        assert result.success
        for name in start:
            tolerance = .05 if entry is ENTRIES["huber"] else 1e-6
            assert result.params[name].value == pytest.approx(wanted.params[name].value, rel=tolerance)
    for bounds in ((-np.inf, np.inf), ([-9, -9], [9, 9])):
        popt, _ = curve_fit(root, X, Y, p0=list(start.values()), bounds=bounds)
        assert popt == pytest.approx([wanted.params[name].value for name in start], rel=1e-6)


def test_complex_at_some_points_of_the_start():
    """One that is complex where a fit begins is not finite there: one error, in a batch a row of bad data."""
    start = {"a": 1., "b": 1.}
    for name in ("fit", "huber"):
        with pytest.raises(NonFiniteError, match="not finite"):
            ENTRIES[name](root, start)
    with pytest.raises(NonFiniteError, match="not finite"):
        curve_fit(root, X, Y, p0=[1., 1.])
    batch = fit_batch(root, ROWS, x=X, a=1., b=np.array([1., 0.]))
    assert batch.success.tolist() == [False, True]


@pytest.mark.parametrize("workers", [None, 2])
@pytest.mark.parametrize("bad", [0, 1, 2])
def test_complex_fits_of_a_batch(bad, workers):
    """A fit whose start makes the model complex everywhere is bad data, be it the first; the others are as without it."""
    y = 2*X**.5 + .01*np.random.default_rng(0).standard_normal((3, X.size))
    a = np.array([3., 3.5, 2.5])
    wanted = fit_batch(off_domain, y, x=X, a=a, b=.4)
    a[bad] = -1
    found = fit_batch(off_domain, y, x=X, a=a, b=.4, workers=workers)
    good = np.arange(3) != bad
    assert found.status[bad] == FitStatus.BAD_DATA
    assert np.isnan(found.values["a"][bad])
    assert wanted.success.all()
    assert found.success[good].all()
    assert found.values["a"][good] == pytest.approx(wanted.values["a"][good], rel=1e-9)
    with pytest.raises(InputTypeError, match="the result of off_domain is complex"):
        fit_batch(off_domain, y, x=X, a=-1., b=.4, workers=workers)


def test_complex_everywhere_is_named():
    for entry in ENTRIES.values():
        with pytest.raises(InputTypeError, match="the result of always is complex"):
            entry(always, {"a": 1., "b": 1.})
    with pytest.raises(InputTypeError, match="the result of always is complex"):
        curve_fit(always, X, Y, p0=[1., 1.])


def test_formula_of_such_a_function():
    formula = Formula(root)
    assert not formula.native
    np.testing.assert_array_equal(formula(np.array([0., 1., 5.]), a=2., b=1.), [np.nan, 0., 4.])
    assert np.isnan(formula(0., a=2., b=1.))


CURVE_FIT = {"curve_fit": {}, "lm": {"method": "lm"}, "bounds": {"bounds": ([0, 0], [9, 9])}, "covariance": {"sigma": np.eye(X.size)},
             "jac": {"jac": lambda x, a, b: np.column_stack([x, x])}, "huber": {"loss": "huber"}}
COMPLEX = {**{name: lambda f, more=more: curve_fit(f, X, Y, [1.0, 0.5], **more) for name, more in CURVE_FIT.items()},
           "curve_fit of columns": lambda f: curve_fit(lambda x, a, b: f(x[:, 0], a, b), np.column_stack([X, X]), Y, [1.0, 0.5]),
           **{name: lambda f, entry=entry: entry(f, {"a": 1.0, "b": 0.5}) for name, entry in ENTRIES.items()},
           **{f"counts, {name}": lambda f, entry=entry: entry(f, np.round(9*ROWS), x=X, loss="poisson", a=1.0, b=0.5)
              for name, entry in (("fit_batch", fit_batch), ("Model.fit", lambda f, y, **o: Model(f).fit(y[0], **o)),
                                  ("fit", lambda f, y, **o: fit(f, y[0], **o)))},
           "Formula": lambda f: Formula(f)(X, a=1.0, b=0.5)}


@pytest.mark.parametrize("entry", COMPLEX)
@pytest.mark.parametrize("kind", [np.array, list, lambda z: np.array(z, object)], ids=["array", "list", "objects"])
@pytest.mark.filterwarnings("error::numpy.exceptions.ComplexWarning")
def test_a_complex_model_is_told_what_to_return(entry, kind):
    """The message names the function, and how both parts are fitted; no imaginary part is dropped without a word."""
    def wave(x, a, b):
        return kind(always(x, a, b))
    said = r"result of (wave|<lambda>) is complex .*real and imaginary parts .*concatenate.*minimize and Model"
    with pytest.raises(InputTypeError, match=said):
        COMPLEX[entry](wave)


@pytest.mark.filterwarnings("error::numpy.exceptions.ComplexWarning")
def test_the_remedy():
    """Parts one after the other are fitted as `minimize` and `Model.fit` fit both."""
    z = always(X, 2.0, 0.7) + 0.01*np.cos(9*X) + 0.02j*np.sin(8*X)

    def parts(x, a, b):
        w = always(x, a, b)
        return np.concatenate([w.real, w.imag])
    popt, pcov = curve_fit(parts, X, np.concatenate([z.real, z.imag]), [1.9, 0.6])
    whole = Model(always).fit(z, x=X, a=1.9, b=0.6)
    params = Parameters()
    params.add_many(("a", 1.9), ("b", 0.6))
    residual = minimize(lambda p: always(X, p["a"].value, p["b"].value) - z, params)
    for result in (whole, residual):
        assert [par.value for par in result.params.values()] == pytest.approx(popt, rel=1e-7)
        assert [par.stderr for par in result.params.values()] == pytest.approx(np.sqrt(np.diag(pcov)), rel=1e-5)


@pytest.mark.filterwarnings("error::numpy.exceptions.ComplexWarning")
def test_derivatives():
    """Complex derivatives of real residuals are an error, as an array and by name; without imaginary parts they are real."""
    def linear(x, a, b):
        float(a)
        return a*np.sqrt(x) + b*x
    params = Parameters()
    params.add_many(("a", 1.0), ("b", 0.5))

    def residual(p):
        return linear(X, p["a"].value, p["b"].value) - Y
    jac = np.column_stack([np.sqrt(X), X])

    def jacobian(*at):
        return jac*(1 + 1j)
    for given in (jacobian, lambda p: dict(zip("ab", (jac*(1 + 1j)).T, strict=True))):
        with pytest.raises(InputTypeError, match="returned complex derivatives, and the residuals are real"):
            minimize(residual, params.copy(), jac=given)
    with pytest.raises(InputTypeError, match="jacobian returned complex derivatives, and f is real"):
        curve_fit(linear, X, Y, [1.0, 0.5], jac=jacobian)
    wanted = curve_fit(linear, X, Y, [1.0, 0.5])[0]
    for given in (lambda p: jac + 0j, lambda p: dict(zip("ab", (jac + 0j).T, strict=True))):
        assert [par.value for par in minimize(residual, params.copy(), jac=given).params.values()] == pytest.approx(wanted, rel=1e-8)
    assert curve_fit(linear, X, Y, [1.0, 0.5], jac=lambda *at: jac + 0j)[0] == pytest.approx(wanted, rel=1e-8)
    both = minimize(lambda p: residual(p)*(1 + 2j), params.copy(), jac=lambda p: dict(zip("ab", (jac*(1 + 2j)).T, strict=True)))
    assert [par.value for par in both.params.values()] == pytest.approx(wanted, rel=1e-8)
