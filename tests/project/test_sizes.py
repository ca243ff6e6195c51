"""Fits of unusual sizes, by every entry and method: nothing free, no points, no rows, one of each, too few points, 64 and 65 parameters.

The model is a sum of cosines, linear in its parameters, so that NumPy's least squares is the oracle. An entry may refuse what can't be
fitted, by a FitError that says so; it may not return numbers that are not so.
"""
import numpy as np
import pytest

import gslfit
from gslfit import multifit
from gslfit.compat import lmfit
from gslfit.compat.lmfit.minimizer import METHODS
from gslfit.compat.lmfit.scalar import SCALAR_METHODS
from gslfit.errors import FitError, FitStatus
from gslfit.solvers._siman import anneal

CURVES = ("auto", "lanes", "lmsder", "lmder", "trust")
ENGINES = ("leastsq", "lmder", "lbfgsb")
HUGE = 2**31


def names_of(count):
    """Return the parameters of a sum of so many cosines."""
    return [f"p{k}" for k in range(count)]


def text(count):
    """Return the sum as a formula; of none a curve without parameters."""
    return " + ".join(f"p{k}*cos({k}*x)" for k in range(count)) or "cos(x)"


def called(count):
    """Return the sum as a function that can't be compiled."""
    return eval(f"lambda x{''.join(f', p{k}' for k in range(count))}: "
                + ("+".join(f"float(p{k})*np.cos({k}*np.asarray(x, float))" for k in range(count)) or "np.cos(np.asarray(x, float))"))


def params(count, free=True, kind=gslfit.Parameters):
    """Start values, all varying or all fixed."""
    made = kind()
    for name in names_of(count):
        made.add(name, 0.5, vary=free)
    return made


def residual(p, x, y):
    """Return the sum less its data, from Parameters."""
    return sum((p[f"p{k}"].value*np.cos(k*x) for k in range(len(p))), start=0*x) - y


def of_result(result):
    """Success, the values in order, and chi-square."""
    return bool(result.success), [par.value for par in result.params.values()], float(result.chisqr)


def of_batch(result):
    """Return the same of a batch's only row."""
    assert result.status.shape == (1,)
    return bool(result.success[0]), [float(values[0]) for values in result.values.values()], float(result.chisqr[0])


def by_curve_fit(model, count, x, y, free, **options):
    """By curve_fit, which has no fixed parameters."""
    found = gslfit.curve_fit(model, x, y, [0.5]*count, **options)[0]
    return True, list(found), float(np.sum((np.cos(np.outer(x, range(count))) @ found - y)**2))


def by_annealing(count, x, y, free, max_nfev=400):
    """By GSL's annealing of a cost, which has no parameters but those that are free."""
    matrix = np.cos(np.outer(x, range(count)))
    found = anneal(lambda v: float(np.sum((matrix @ v - y)**2)), [0.5]*count, 1.0, max_nfev=max_nfev)
    return True, list(found.x), float(found.cost)


def by_search(method):
    """By a method of lmfit's that knows nothing of squares, from bounds where it needs them, until so many evaluations."""
    def run(count, x, y, free, max_nfev=300):
        made = params(count, free, lmfit.Parameters)
        for par in made.values():
            if method in BOUNDED:
                par.min, par.max = -9, 9
        kws = {"Ns": 3} if method == "brute" else {"progress": False, "nwalkers": 2*count + 2} if method == "emcee" else {}
        if method == "emcee":
            return of_result(lmfit.minimize(residual, made, method=method, args=(x, y), steps=3, **kws))
        return of_result(lmfit.minimize(residual, made, method=method, args=(x, y), max_nfev=max_nfev, **kws))
    return run


def by_solver(kind, *arguments, **options):
    """By one of GSL's solvers."""
    def run(count, x, y, free, max_nfev=0):
        solver = kind(*arguments, x.size, count, **options)
        matrix = np.cos(np.outer(x, range(count)))
        product = None if kind is not multifit.LargeSolver else (
            lambda v, u, transpose: matrix.T @ matrix if u is None else (matrix.T if transpose else matrix) @ u)
        solver.set(multifit.Function_fdf.from_callables(lambda v: matrix @ v - y, lambda v: matrix, x.size, count, product=product),
                   [0.5]*count)
        ended = solver.solve(max_nfev=max_nfev)
        return bool(ended.success), solver.x.tolist(), float(np.sum(solver.f**2))
    return run


BOUNDED = {"brute", "shgo", "dual_annealing", "differential_evolution"}
# what looks for a minimum without saying how near it came
SEARCHES = {
    "anneal": by_annealing,
    **{f"minimize, {engine}": lambda count, x, y, free, engine=engine, max_nfev=300: of_result(
        gslfit.minimize(residual, params(count, free), (x, y), engine=engine, max_nfev=max_nfev).result)
       for engine in ("lbfgsb", "anneal")},
    **{f"compat, {method}": by_search(method) for method in (*SCALAR_METHODS, *METHODS)},
}
DERIVATIVES = {f"compat, {method}" for method in ("newton", "dogleg", "trust-ncg", "trust-exact", "trust-krylov")}      # must be given
ENTRIES = {
    **{f"fit, {method}": lambda count, x, y, free, method=method, **o: of_result(
        gslfit.fit(text(count), y, params(count, free), x=x, method=method, **o)) for method in CURVES},
    **{f"fit, called, {method}": lambda count, x, y, free, method=method, **o: of_result(
        gslfit.fit(called(count), y, params(count, free), x=x, method=method, **o)) for method in ("auto", "lmder")},
    **{f"fit_batch, {method}": lambda count, x, y, free, method=method, **o: of_batch(
        gslfit.fit_batch(text(count), y[None], params(count, free), x=x, method=method, **o)) for method in CURVES},
    "fit_batch, called": lambda count, x, y, free, **o: of_batch(
        gslfit.fit_batch(called(count), y[None], params(count, free), x=x, **o)),
    "curve_fit": lambda count, x, y, free, **o: by_curve_fit(text(count), count, x, y, free, **o),
    "curve_fit, called": lambda count, x, y, free, **o: by_curve_fit(called(count), count, x, y, free, **o),
    **{f"minimize, {engine}": lambda count, x, y, free, engine=engine, **o: of_result(
        gslfit.minimize(residual, params(count, free), (x, y), engine=engine, **o).result) for engine in ENGINES},
    "minimize, compiled": lambda count, x, y, free, **o: of_result(
        gslfit.minimize(residual, params(count, free), (x, y), compiled=True, **o).result),
    **{f"Model.fit, {method}": lambda count, x, y, free, method=method, **o: of_result(
        gslfit.Model(text(count)).fit(y, params(count, free), x=x, method=method, **o)) for method in ENGINES},
    "Model.fit, called": lambda count, x, y, free, **o: of_result(gslfit.Model(called(count)).fit(y, params(count, free), x=x, **o)),
    "Model.fit_batch": lambda count, x, y, free, **o: of_batch(gslfit.Model(text(count)).fit_batch(y[None], params(count, free), x=x, **o)),
    **{f"compat, {method}": lambda count, x, y, free, method=method, **o: of_result(
        lmfit.minimize(residual, params(count, free, lmfit.Parameters), method=method, args=(x, y), **o))
       for method in ("leastsq", "least_squares")},
    "compat, Model.fit": lambda count, x, y, free, **o: of_result(
        lmfit.Model(called(count)).fit(y, params(count, free, lmfit.Parameters), x=x, **o)),
    **{f"FdfSolver, {method}": by_solver(multifit.FdfSolver, method) for method in ("lmsder", "lmder", "lmniel")},
    **{f"NonlinearSolver, {trs}": by_solver(multifit.NonlinearSolver, trs=trs)
       for trs in ("lm", "lmaccel", "dogleg", "ddogleg", "subspace2D")},
    "NonlinearSolver, svd": by_solver(multifit.NonlinearSolver, solver="svd"),
    **{f"NonlinearSolver, {way}": by_solver(multifit.NonlinearSolver, solver=way) for way in ("cholesky", "mcholesky")},
    **{f"LargeSolver, {trs}": by_solver(multifit.LargeSolver, trs=trs)
       for trs in ("lm", "lmaccel", "dogleg", "ddogleg", "subspace2D", "cgst")},
}
SOLVERS = {name for name in ENTRIES if "Solver" in name}
BATCHES = {name for name in ENTRIES if "fit_batch" in name}
NO_FIXED = SOLVERS | {"curve_fit", "curve_fit, called"}


def outcome(entry, count, x, y, free=True, **options):
    """Return what an entry makes of it: success, values and chi-square, or the FitError."""
    try:
        return (ENTRIES | SEARCHES)[entry](count, np.asarray(x, float), np.asarray(y, float), free, **options)
    except FitError as error:
        return error


def refused(found):
    """Whether an outcome is no result: an error, or one that is no success and has no numbers."""
    return isinstance(found, FitError) or not found[0]


@pytest.mark.parametrize("entry", sorted(ENTRIES.keys() - NO_FIXED))
@pytest.mark.parametrize("count", [1, 2])
def test_nothing_free(entry, count):
    """With all parameters fixed the values stay, and chi-square is that of the model; or the error says that none varies."""
    x = np.linspace(0, 3, 7)
    y = np.sin(x)
    found = outcome(entry, count, x, y, free=False)
    if isinstance(found, FitError):
        assert "var" in str(found)
        return
    assert found[1] == [0.5]*count
    np.testing.assert_allclose(found[2], np.sum((0.5*np.cos(np.outer(x, range(count))).sum(axis=1) - y)**2), rtol=1e-12)


@pytest.mark.parametrize("entry", ENTRIES)
def test_no_parameters(entry):
    """So it is where the model has none at all."""
    x = np.linspace(0, 3, 7)
    found = outcome(entry, 0, x, np.sin(x))
    if not isinstance(found, FitError) and entry not in ("minimize", "compat") and found[1] == []:
        expected = np.zeros(7) if entry.startswith(("minimize", "compat, least")) or entry in NO_FIXED else np.cos(x)
        np.testing.assert_allclose(found[2], np.sum((expected - np.sin(x))**2), rtol=1e-12)


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize(("points", "count"), [(0, 0), (0, 1), (0, 3), (1, 2), (1, 3), (2, 3), (2, 9)])
def test_too_few_points(entry, points, count):
    """Fewer points than parameters determine none: an error, or a row that says so."""
    x = np.linspace(1, 2, points)
    found = outcome(entry, count, x, np.ones(points))
    if count == 0 and not isinstance(found, FitError):
        assert found[1] == []
        return
    if entry == "compat, least_squares" and points:      # SciPy's takes as few points as there are, and so does lmfit's
        assert found[2] < 1e-12
        return
    assert refused(found), found


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize("count", [1, 2])
def test_as_many_points_as_parameters(entry, count):
    """As many points as parameters are fitted exactly."""
    x = np.linspace(0.3, 1.1, count)
    y = np.arange(3.0, 3 + count)
    found = outcome(entry, count, x, y)
    if isinstance(found, FitError):
        assert "points" in str(found) or "residuals" in str(found), found
        return
    assert found[0], found
    np.testing.assert_allclose(found[1], np.linalg.solve(np.cos(np.outer(x, range(count))), y), rtol=1e-6)


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize("count", [64, 65])
def test_many_parameters(entry, count):
    """Where a set of parameters no longer fits into a word of 64 bits nothing changes."""
    x = np.linspace(0.02, 3.1, 100)
    y = np.random.default_rng(count).normal(size=x.size)
    matrix = np.cos(np.outer(x, range(count)))
    wanted, chisqr = np.linalg.lstsq(matrix, y, rcond=None)[:2]
    if "lbfgsb" in entry:       # which takes thousands of steps
        found = outcome(entry, count, x, y, max_nfev=300)
        assert found[2] < y @ y
        return
    found = outcome(entry, count, x, y)
    assert not isinstance(found, FitError), found
    assert found[0], found
    np.testing.assert_allclose(found[2], chisqr[0], rtol=1e-6)
    np.testing.assert_allclose(found[1], wanted, atol=1e-5)


@pytest.mark.parametrize("entry", [name for name in ENTRIES if not name.startswith(("curve_fit",))])
def test_limits_beyond_32_bits(entry):
    """A limit of evaluations, or a number of threads, that no C int holds is as good as none."""
    x = np.linspace(0, 3, 20)
    y = 2 - 3*np.cos(x)
    threads = {"threads": HUGE} if entry.startswith(("fit,", "fit_batch,")) else {}
    for options in ({"max_nfev": HUGE, **threads}, {"max_nfev": HUGE**2, **dict.fromkeys(threads, HUGE**2)}):
        found = outcome(entry, 2, x, y, **options)
        assert not isinstance(found, FitError), found
        assert found[0]
        np.testing.assert_allclose(found[1], [2, -3], rtol=1e-6)


@pytest.mark.parametrize("shape", [(0,), (0, 5), (3, 0), (2, 0, 4), (0, 0)])
@pytest.mark.parametrize("method", CURVES)
@pytest.mark.parametrize("model", [text, called])
def test_no_rows(shape, method, model):
    """A batch of no fits, or of fits without points, has the shape of one, and no successes."""
    result = gslfit.fit_batch(model(1), np.zeros(shape), x=np.linspace(0, 1, shape[-1]), p0=0.5, method=method)
    assert result.status.shape == result.values["p0"].shape == shape[:-1]
    assert np.all(result.status == FitStatus.TOO_FEW_POINTS)
    if model is text:
        assert result.best_fit().shape == shape


@pytest.mark.parametrize("entry", SEARCHES)
@pytest.mark.parametrize(("points", "count", "free"), [(7, 2, False), (7, 0, True), (0, 0, True), (0, 2, True), (1, 1, True), (2, 3, True)])
@pytest.mark.filterwarnings("ignore")
def test_searches_of_few(entry, points, count, free):
    """Nothing to vary is an error that says so, or chi-square as it is, and no points are an error; with fewer points than parameters a
    search ends no worse than it began."""
    x = np.linspace(1, 2, points)
    found = outcome(entry, count, x, np.ones(points), free)
    if entry in DERIVATIVES:
        assert "derivatives" in str(found) or "no parameter varies" in str(found)
    elif points and count and entry.startswith("minimize") and not free:
        assert found[0] and found[1] == [0.5]*count
        np.testing.assert_allclose(found[2], np.sum((np.cos(np.outer(x, range(count))).sum(axis=1)/2 - 1)**2), rtol=1e-12)
    elif not points or not count or not (free or entry == "anneal"):
        nothing_to_do = entry == "anneal" and count
        assert nothing_to_do or (isinstance(found, FitError) and any(word in str(found) for word in ("varies", "empty"))), found
    elif isinstance(found, FitError):
        assert "residuals for 3 varying parameters" in str(found)
    elif points > 1:
        assert found[2] < 3     # a residual of one number is what lmfit's scalar methods minimise, not its square


@pytest.mark.slow
@pytest.mark.parametrize("entry", SEARCHES)
@pytest.mark.parametrize("count", [64, 65])
@pytest.mark.filterwarnings("ignore")
def test_searches_of_many_parameters(entry, count):
    """A search in so many dimensions ends, with numbers for all of them, or says at once that it can't."""
    x = np.linspace(0.02, 3.1, 100)
    found = outcome(entry, count, x, np.random.default_rng(count).normal(size=x.size))
    if entry in DERIVATIVES or entry in ("compat, shgo", "compat, brute"):
        assert any(word in str(found) for word in ("derivatives", "corners", "brute goes along"))
        return
    assert len(found[1]) == count
    assert np.isfinite([*found[1], found[2]]).all()
