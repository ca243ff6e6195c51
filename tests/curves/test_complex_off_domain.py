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
