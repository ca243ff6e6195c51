"""M2's golden numbers and Ruby/GSL's own results; `FdfSolver.fit` where Ruby/GSL goes wrong."""
import json
import warnings
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import least_squares

from gslfit.errors import FitWarning, InputError, InputTypeError, NonFiniteError
from gslfit.multifit import CONTINUE, LMDER, LMSDER, SUCCESS, TYPES, FdfSolver, Function_fdf, LargeSolver, NonlinearSolver
from gslfit.multifit.fits import find_type

RUBY = json.loads((Path(__file__).parents[1] / "data" / "ruby_gsl.json").read_text())
MANUAL = RUBY["manual"]
CASES = {case["type"]: case for case in RUBY["types"]}
GOLDEN = [5.045358, 0.104049, 1.019249], [0.053949, 0.002826, 0.033849]


def data(case, weighted):
    """Return the arguments of fit before the type."""
    return [np.array(case[name]) for name in (("x", "w", "y") if weighted else ("x", "y"))]


@pytest.mark.parametrize(("method", "niter"), [(LMSDER, 6), (LMDER, 8)])
def test_the_manuals_example(method, niter):
    """n = 40, y = 1 + 5 exp(-0.1 t) + GSL's own noise: the golden numbers, and every step as Ruby/GSL makes it."""
    def f(x, t, y, sigma, f):
        f[:] = (x[0] * np.exp(-x[1] * t) + x[2] - y) / sigma

    def df(x, t, y, sigma, jac):
        e = np.exp(-x[1] * t)
        jac[:] = np.column_stack([e, -t * x[0] * e, np.ones_like(t)]) / sigma[:, None]

    t, y, sigma = (np.array(MANUAL[name]) for name in ("t", "y", "sigma"))
    run = MANUAL["runs"][method]
    function = Function_fdf.alloc(f, df, 3)
    function.set_data(t, y, sigma)
    solver = FdfSolver.alloc(method, 40, 3)
    solver.set(function, [1.0, 0.0, 0.0])
    for step in run["steps"]:
        assert solver.iterate() == SUCCESS
        np.testing.assert_allclose(solver.position(), step["x"], rtol=1e-9)
        np.testing.assert_allclose(solver.dx, step["dx"], rtol=1e-6, atol=1e-9)
        status = solver.test_delta(1e-4, 1e-4)
        assert status == (SUCCESS if step is run["steps"][-1] else CONTINUE)
    assert solver.niter == niter
    chisq = (solver.f**2).sum()
    covar = solver.covar(0.0)
    np.testing.assert_allclose(covar, run["covar"], rtol=1e-7)
    np.testing.assert_allclose(chisq, run["chisq"], rtol=1e-12)
    np.testing.assert_allclose(solver.position(), GOLDEN[0], atol=6e-7)
    np.testing.assert_allclose(np.sqrt(chisq / 37 * np.diag(covar)), GOLDEN[1], atol=6e-7)


@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
@pytest.mark.parametrize("name", [name for name in CASES if name != "lognormal"])
def test_the_ten_types_equal_ruby(name, weighted):
    """From the same guess, to 1e-6."""
    case = CASES[name]
    ruby = case["weighted" if weighted else "plain"]
    result = FdfSolver.fit(*data(case, weighted), name, case["guess"])
    coef, err, chisq, dof = result
    np.testing.assert_allclose(coef, ruby["coef"], rtol=1e-6)
    np.testing.assert_allclose(err, ruby["err"], rtol=1e-6)
    np.testing.assert_allclose(chisq, ruby["chisq"], rtol=1e-6)
    assert dof == ruby["dof"]
    assert result.success


@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
@pytest.mark.parametrize("name", CASES)
def test_types_equal_scipy(name, weighted):
    """All eleven, lognormal too, against scipy.optimize.least_squares; with and without a guess."""
    case = CASES[name]
    x, w, y = data(case, True)
    w = w if weighted else np.ones_like(x)
    kind = TYPES[name]
    oracle = least_squares(lambda c: w * (kind.value(x, c) - y), case["truth"], xtol=1e-14, ftol=1e-14, gtol=1e-14, x_scale="jac")
    covar = np.linalg.inv(oracle.jac.T @ oracle.jac)
    err = np.sqrt(np.diag(covar) * 2 * oracle.cost / (x.size - len(oracle.x)))
    for guess in ([case["guess"]], []):
        result = FdfSolver.fit(*data(case, weighted), name, *guess)
        coef = result.coef
        if name == "gaussian_2peaks" and coef[2] > coef[5]:         # either peak may come first
            coef = coef[[0, 4, 5, 6, 1, 2, 3]]
        if name == "dblexp" and coef[2] < coef[4]:
            coef = coef[[0, 3, 4, 1, 2]]
        np.testing.assert_allclose(result.chisq, 2 * oracle.cost, rtol=1e-9)
        np.testing.assert_allclose(coef, oracle.x, rtol=2e-5)
        if guess:
            np.testing.assert_allclose(result.err, err, rtol=1e-4)


@pytest.mark.parametrize("kind", ["plain", "weighted"])
def test_lognormal_is_better_than_ruby(kind):
    """Ruby/GSL's Jacobian of it is wrong: its chi-square ends higher and its error is far off."""
    case = CASES["lognormal"]
    result = FdfSolver.fit(*data(case, kind == "weighted"), "lognormal", case["guess"])
    assert result.chisq < case[kind]["chisq"]


@pytest.mark.parametrize("name", TYPES)
def test_exact_derivatives(name):
    """The table's derivatives against complex-step differences, which are exact to rounding."""
    kind, case = TYPES[name], CASES[name]
    x = np.array(case["x"])
    c = np.array(case["truth"], dtype=float)
    slopes = kind.slopes(x, c)
    assert len(slopes) == len(c) == len(kind.names) == len(kind.default)
    for j, column in enumerate(slopes):
        moved = c.astype(complex)
        moved[j] += 1e-30j
        np.testing.assert_allclose(column, kind.value(x, moved).imag / 1e-30, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("text", "name"), [
    ("gaus", "gaussian"), ("gauss", "gaussian"), ("Gaussian", "gaussian"), ("e", "exp"), ("expo", "exp"), ("exponential", "exp"),
    ("dbl", "dblexp"), ("lorentzian", "lor"), ("lorentz", "lor"), ("sine", "sin"), ("fermi", "sigmoid"), ("sigm", "sigmoid"),
    ("pow", "power"),
    ("logn", "lognormal"), ("hill", "hill"), ("ray", "rayleigh"), ("gaussian_2peaks", "gaussian_2peaks"), ("gaus2", "gaussian_2peaks"),
])
def test_abbreviations(text, name):
    """Ruby/GSL's abbreviations are taken."""
    assert find_type(text).name == name


def test_unknown_types():
    """The message lists what there is."""
    for wrong in ("banana", ""):
        with pytest.raises(InputError, match="there are gaussian_2peaks, gaussian, exp"):
            find_type(wrong)
    with pytest.raises(InputTypeError, match="must be a string"):
        find_type(3)


X = np.linspace(0.5, 9.5, 60)
NOISE = 0.02 * np.random.default_rng(5).normal(size=60)


@pytest.mark.parametrize(("name", "truth"), [
    ("gaussian", [-3, 50, 7, 0.05]), ("gaussian", [2, -4, 3, 2]), ("gaussian_2peaks", [0, 3, 2, 0.2, -2, 6, 0.5]), ("exp", [0, 1e-3, -0.8]),
    ("exp", [10, -4, 3]), ("dblexp", [1, 20, 5, 5, 0.5]), ("sin", [5, 3, 12.0, 1]), ("sin", [0, 1, 0.3, 2]), ("sin", [-4, 2, 5, -1]),
    ("lor", [1, -0.5, 6, 0.1]), ("hill", [5, -1, 3, 4]), ("sigmoid", [2, -5, 6, 0.1]), ("power", [3, 0.01, 3]), ("power", [0, 5, -0.5]),
    ("lognormal", [2, -3, 1, 0.1]), ("rayleigh", [-3, 2]),
], ids=str)
def test_guesses_from_the_data(name, truth):
    """Without a guess the fit is as good as from the truth, where the table's guess is hopeless."""
    kind = TYPES[name]
    y = kind.value(X, np.array(truth, dtype=float))
    y += NOISE * np.ptp(y)
    best = FdfSolver.fit(X, y, name, truth)
    found = FdfSolver.fit(X, y, name)
    assert found.success
    np.testing.assert_allclose(found.chisq, best.chisq, rtol=1e-7)


@pytest.mark.parametrize(("name", "y", "message"), [
    ("exp", np.full(60, 3.0), "do not determine|no minimum|limit"),          # Ruby/GSL hangs
    ("gaussian", np.full(60, 3.0), "do not determine|no minimum|limit"),
    ("sin", np.full(60, 3.0), "do not determine|no minimum|limit"),
    ("hill", np.full(60, 3.0), "do not determine|no minimum|limit"),
])
def test_data_that_determine_too_little(name, y, message):
    """Constant data: an end, a warning, finite coefficients that fit, and no error for what is not determined."""
    with pytest.warns(FitWarning, match=message):
        result = FdfSolver.fit(X, y, name)
    assert np.isfinite(result.coef).all()
    assert result.chisq < 1e-12
    assert np.isnan(result.err).any()


def test_a_guess_that_leads_nowhere_is_not_silent():
    """Ruby/GSL's "sin" runs off without a word from its default guess; a far peak is never found."""
    case = CASES["gaussian"]
    with pytest.warns(FitWarning):
        FdfSolver.fit(*data(case, False), "gaussian", [1, 1, 500, 1])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert FdfSolver.fit(*data(CASES["sin"], False), "sin").success


def test_as_many_data_as_coefficients():
    """Ruby/GSL returns Infinity; here a warning, and NaN for the errors."""
    with pytest.warns(FitWarning, match="as many data as coefficients"):
        coef, err, chisq, dof = FdfSolver.fit([0, 1, 2], [3, 2, 1.5], "exp", [1, 1, 1])
    np.testing.assert_allclose(coef, [1, 2, np.log(2)], rtol=1e-6)
    assert (dof, np.isnan(err).all(), chisq < 1e-12) == (0, True, True)


@pytest.mark.parametrize(("arguments", "error", "message"), [
    ((X, np.where(X > 9, np.nan, X), "exp"), NonFiniteError, r"y\[56\] is nan; 4 of 60"),
    ((X, X[:-1], "exp"), InputError, "x has 60 elements and y has 59"),
    ((X, X[:-1], X, "exp"), InputError, "x has 60 elements and w has 59"),
    ((X[:2], X[:2], "exp"), InputError, "2 data for the 3 coefficients"),
    (([], [], "exp"), InputError, "not empty"),
    ((X - 1, X, "power"), InputError, r"x\[0\] is -0.5: 'power', .* needs x > 0"),
    ((X, X, "exp", [1, 2]), InputError, "guess has 2 elements; 'exp' has 3 coefficients: y0, A, b"),
    ((X, X, "exp", [1, np.nan, 2]), NonFiniteError, r"guess\[1\] is nan"),
    ((X, X, "exp", [1, 1, -1e5]), NonFiniteError, "at the start"),
    ((X, X), InputTypeError, "fit takes"),
    ((X, "exp"), InputTypeError, "fit takes"),
    ((X, X, "exp", [1, 2, 3], 4), InputTypeError, "fit takes"),
    ((X, X * 1j, "exp"), InputTypeError, "y must be real"),
])
def test_what_fit_refuses(arguments, error, message):
    """Every message names the culprit."""
    with pytest.raises(error, match=message):
        FdfSolver.fit(*arguments)


@pytest.mark.parametrize("scale", [1e-200, 1e-12, 1e12, 1e200])
def test_data_of_any_size(scale):
    """y of 1e-200 or 1e200 is fitted as well."""
    case = CASES["gaussian"]
    x, y = data(case, False)
    reference = FdfSolver.fit(x, y, "gaussian")
    result = FdfSolver.fit(x, scale * y, "gaussian")
    np.testing.assert_allclose(result.coef / [scale, scale, 1, 1], reference.coef, rtol=1e-6)


@pytest.mark.parametrize("unit", [1., 1e6, 1e12, 1e100, 1e200, 1e-12, 1e-100])
@pytest.mark.parametrize("how", ["lmsder", "lmder", "trust", "centred"])
def test_differences_of_an_offset_that_begins_at_0(how, unit):
    """Its step knows no unit: where data are 1e12 a step of 1e-8 was lost in their rounding, and the offset stayed where it was."""
    t = np.linspace(0, 6, 40)
    y = 3*np.exp(-t/1.5) + .5 + .02*np.random.default_rng(0).standard_normal(40)
    given = np.array([unit, 1, 0])
    reference = least_squares(lambda p: p[0]*np.exp(-t/p[1]) + p[2] - y, [1, 1, 0], xtol=1e-14, ftol=1e-14, gtol=1e-14, jac="3-point")
    solver = FdfSolver(how, 40, 3) if how in TYPES else NonlinearSolver(40, 3, **({"fdtype": "centred"} if how == "centred" else {}))
    solver.set(Function_fdf.from_callables(lambda p: p[0]*np.exp(-t/p[1]) + p[2] - y*unit, None, 40, 3), given)
    assert solver.solve().success
    np.testing.assert_allclose(solver.x / [unit, 1, unit], reference.x, rtol=1e-4)      # by forward differences


LINE = (lambda p, x: p[0] + p[1]*x, [1, 2], np.linspace(0, 5, 40))
PEAK = (lambda p, x: p[0]*np.exp(-(x - p[1])**2/(2*p[2]**2)) + p[3], [3, .4, 1, .5], np.linspace(-5, 5, 40))
DECAY = (lambda p, x: p[0]*np.exp(-p[1]*x) + p[2], [3, .5, 1], np.linspace(0, 10, 40))
FROM_ZERO = {"slope": (LINE, [1.2, 0]), "centre": (PEAK, [3.6, 0, 1.2, .6]), "amplitude": (PEAK, [0, 0, 1.2, .6]),
             "rate": (DECAY, [3.5, 0, .8])}


@pytest.mark.parametrize(("y_unit", "x_unit"), [(1, 1), (1e100, 1e9), (1e12, 1e-9), (1, 1e-9), (1, 1e9), (1e-100, 1e30), (1e-30, 1e-60)])
@pytest.mark.parametrize("how", ["lmsder", "trust", "centred", "large"])
@pytest.mark.parametrize("case", FROM_ZERO)
def test_differences_of_what_begins_at_0(case, how, y_unit, x_unit):
    """Slopes, centres and rates that begin at 0 find their minimum in any unit of y and x, in a number of calls that knows no unit. The
    place of a peak without an amplitude has no scale yet: there it may fail, but no other end is a success.
    """
    (model, true, t), start = FROM_ZERO[case]
    y = model(np.array(true, float), t) + .05*np.random.default_rng(0).standard_normal(t.size)
    best = least_squares(lambda p: model(p, t) - y, true, xtol=1e-14, ftol=1e-14, gtol=1e-14, jac="3-point")
    powers = {2: ((1, 0), (1, -1)), 3: ((1, 0), (0, -1), (1, 0)), 4: ((1, 0), (0, 1), (0, 1), (1, 0))}[len(true)]
    unit = np.array([y_unit**power*x_unit**other for power, other in powers])
    sizes = t.size, len(true)
    solver = {"lmsder": lambda: FdfSolver("lmsder", *sizes), "trust": lambda: NonlinearSolver(*sizes),
              "centred": lambda: NonlinearSolver(*sizes, fdtype="centred"), "large": lambda: LargeSolver(*sizes)}[how]()
    solver.set(Function_fdf.from_callables(lambda p: model(p, t*x_unit) - y*y_unit, None, *sizes), np.array(start)*unit)
    with np.errstate(over="ignore"):
        outcome = solver.solve()
    assert outcome.success or case == "amplitude"
    assert not outcome.success or np.sum((solver.f/y_unit)**2) == pytest.approx(2*best.cost, rel=1e-6)
    assert outcome.nfev < 500


def test_differences_at_a_minimum_that_is_0():
    """A peak's centre that begins at 0 and is 0 to rounding: the differences stay as good as those of other parameters."""
    t = np.linspace(-5, 5, 41)
    y = 3*np.exp(-t**2/2) + .5 + .05*np.cos(9*t)        # even, as the peak is
    for unit in (1, 1e-9, 1e9):
        solver = FdfSolver("lmsder", 41, 4)
        solver.set(Function_fdf.from_callables(lambda p, unit=unit: PEAK[0](p, t*unit) - y, None, 41, 4), np.array([2, 0, 1.3*unit, .2]))
        outcome = solver.solve()
        assert outcome.success and abs(solver.x[1]) < 1e-5*unit and outcome.nfev < 120


@pytest.mark.parametrize("form", ["differences", "df", "product"])
@pytest.mark.parametrize(("y_unit", "p_unit"), [(1e-200, 1e-200), (1e200, 1e200), (1, 1e160), (1, 1e-160), (1e-280, 1e-280), (1e-150, 1e50),
                                                (1e150, 1e-5)])
def test_squares_of_a_large_problem(form, y_unit, p_unit):
    """LargeSolver squares the Jacobian: where that and the residual are not of a size both are brought into range, or the fit is none."""
    t = np.linspace(0, 5, 20)
    J = np.stack([np.ones(20), t], 1)*(y_unit/p_unit)
    y = (1 + 2*t + .05*np.random.default_rng(0).standard_normal(20))*y_unit
    right = np.linalg.lstsq(J/(y_unit/p_unit), y/y_unit, rcond=None)[0]

    def product(x, u, transpose):
        with np.errstate(over="ignore"):
            return J.T @ J if u is None else (J.T if transpose else J) @ u

    how = {"differences": {"df": None}, "df": {"df": lambda p: J}, "product": {"df": None, "product": product}}[form]
    solver, function = LargeSolver(20, 2), Function_fdf.from_callables(lambda p: J @ p - y, n=20, p=2, **how)
    start = np.array([1.2, 2.4])*p_unit
    if form == "product" and y_unit/p_unit > 1e154:         # its own squares are infinite
        with pytest.raises(NonFiniteError, match="the square of the Jacobian's column 0 is beyond double precision"):
            solver.set(function, start)
        return
    solver.set(function, start)
    outcome = solver.solve()
    if form == "product" and y_unit/p_unit < 1e-154:        # its own squares have few digits, or none
        assert not outcome.success or np.allclose(solver.x/p_unit, right, rtol=1e-2)
    else:
        assert outcome.success
        np.testing.assert_allclose(solver.x/p_unit, right, rtol=1e-5)
