"""Batches of functions that can't be compiled: rows fitted together where they broadcast, and by other threads and processes."""
import math
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import numpy as np
import pytest

import gslfit
from gslfit.errors import FitError, FitStatus, FitWarning, InputError, InputTypeError

X = np.linspace(0, 4, 60)
ROWS = 24
RNG = np.random.default_rng(5)
TRUTH = np.array([2.5, 1.3, 0.5])*(1 + 0.2*RNG.uniform(-1, 1, (ROWS, 3)))
NOISE = 0.05*RNG.normal(size=(ROWS, X.size))
START = {"a": 1.0, "b": 1.0, "c": 1.0}
CALLS = []
HOW = "fork" if "fork" in multiprocessing.get_all_start_methods() else "spawn"
processes_import = pytest.mark.skipif(multiprocessing.get_start_method() != "fork", reason="the tests are no package for a new process")

pytestmark = pytest.mark.filterwarnings("ignore:the fits call Python")


def decay(x, a, b, c):
    """Return a decay on a constant, by way of bytes: no tracer follows it."""
    out = a*np.exp(-b*x) + c
    CALLS.append(1)
    return np.frombuffer(np.asarray(out).tobytes()).reshape(np.shape(out))


def scalar_decay(x, a, b, c):
    """Return the same for numbers only."""
    return decay(x, float(a), float(b), float(c))


Y = decay(X, *TRUTH.T[:, :, None]) + NOISE


def fit(function=decay, y=Y, **options):
    """Fit, the starts given unless they are among the options."""
    return gslfit.fit_batch(function, y, **{"x": X, "start": START, **options})


def same(found, wanted, exact=False):
    """Compare two batches, to the last digit or by a small share of the errors."""
    assert np.array_equal(found.success, wanted.success)
    for name in wanted.values:
        share = np.abs(found.values[name] - wanted.values[name])
        limit = 0.0 if exact else 1e-4*np.nan_to_num(wanted.stderr[name]) + 1e-9*np.abs(wanted.values[name])
        assert np.all((share <= limit) | (np.isnan(found.values[name]) & np.isnan(wanted.values[name])))
        assert np.allclose(found.stderr[name], wanted.stderr[name], rtol=0 if exact else 1e-4, atol=0, equal_nan=True)
    assert np.allclose(found.chisqr, wanted.chisqr, rtol=0 if exact else 1e-9, equal_nan=True)
    assert np.array_equal(found.ndata, wanted.ndata)


@pytest.fixture(scope="module")
def alone():
    """Each row by a fit of its own."""
    return fit(vectorized=False, covar=True)


def test_rows_together_are_rows_alone(alone):
    """Values, errors, covariances, chi-squares; with far fewer calls."""
    CALLS.clear()
    found = fit(covar=True)
    assert len(CALLS) < 100 + ROWS
    assert (found.status == FitStatus.CONVERGED).all() and (alone.status == FitStatus.CONVERGED_BY_GSL).all()
    same(found, alone)
    assert np.allclose(found.covar, alone.covar, rtol=1e-3)
    assert (found.nfev > 10).all()
    told = fit(vectorized=True, covar=True)
    same(told, found, exact=True)


@pytest.mark.parametrize("case", ["own x", "weights", "yerr of rows", "known errors", "own starts", "fixed", "fixed per row", "bounds"])
def test_kinds_of_rows(case):
    """Points, weights, starts and fixed values of each row's own; bounds that are never met."""
    options = {}
    if case == "own x":
        options["x"] = X + 0.01*np.arange(ROWS)[:, None]
    elif case == "weights":
        options["weights"] = 1 + X
    elif case == "yerr of rows":
        options["yerr"] = 0.05*(1 + np.arange(ROWS)[:, None] % 3)
    elif case == "known errors":
        options |= {"yerr": 0.05, "scale_covar": False}
    elif case == "own starts":
        options["start"] = {**START, "b": TRUTH[:, 1]*1.1}
    else:
        params = gslfit.Parameters()
        for name, value in START.items():
            params.add(name, value=value, vary=not (name == "c" and case.startswith("fixed")))
        params["c"].value = 0.5
        if case == "bounds":
            params["a"].min, params["b"].max, params["c"].min, params["c"].max = 0, 10, -5, 5
        options |= {"params": params, "start": {"c": TRUTH[:, 2]} if case == "fixed per row" else {}}
    found, wanted = fit(**options), fit(vectorized=False, **options)
    assert (found.status == FitStatus.CONVERGED).sum() > ROWS/2
    same(found, wanted)


def test_rows_that_are_not_plain_are_fitted_alone(alone):
    """NaN, masks, a bound, a parameter without effect, an exact curve: as by fits of their own, and the others don't suffer."""
    y = Y.copy()
    y[1, 5] = np.nan
    y[2] = decay(X, 2.0, 1.0, -1.0)             # c is on its bound
    y[3] = 0.7                                   # b has no effect
    y[4] = decay(X, 2.0, 1.0, 0.5)
    mask = np.zeros(y.shape, bool)
    mask[6, :7] = True
    params = gslfit.Parameters()
    params.add_many(*((name, value) for name, value in START.items()))
    params["c"].min = 0
    for policy in ("mark", "omit"):
        options = {"y": y, "params": params, "start": {}, "mask": mask, "nan_policy": policy}
        found, wanted = fit(**options), fit(vectorized=False, **options)
        same(found, wanted)
        assert found.status[1] == (FitStatus.BAD_DATA if policy == "mark" else FitStatus.CONVERGED_BY_GSL)
        for k in (2, 3):
            assert found.status[k] == wanted.status[k] != FitStatus.CONVERGED
        assert found.ndata[6] == X.size - 7


def test_functions_that_do_not_broadcast(alone):
    """They are found out: numbers alone, branches, rows that mix, rows that mix later; and told otherwise, it is an error."""
    def branches(x, a, b, c):
        return decay(x, a, b, c) if b > 0 else 0*x

    def mixes(x, a, b, c):
        return decay(x, a, b, c)*(1 + (np.max(np.ravel(a)) - np.ravel(a)[0]))

    def mixes_later(x, a, b, c):
        return decay(x, a, b, c) + 1e-3*(np.max(b) - np.min(b) > 0.1)

    def returns_one(x, a, b, c):
        return decay(x, np.ravel(a)[0], np.ravel(b)[0], np.ravel(c)[0])
    for function in (scalar_decay, branches, mixes, mixes_later, returns_one):
        same(fit(function, covar=True), alone, exact=True)
    for function in (scalar_decay, branches, mixes, returns_one):
        with pytest.raises(InputError, match=f"vectorized=True says that {function.__name__} broadcasts"):
            fit(function, vectorized=True)


def test_limits_and_expressions_are_kept(alone):
    """A limit on evaluations; parameters that follow from others go one by one."""
    found = fit(max_nfev=6)
    assert (found.status == FitStatus.MAX_NFEV).all() and (found.nfev <= 6).all()
    params = gslfit.Parameters()
    params.add_many(("a", 1.0), ("b", 1.0))
    params.add("c", expr="a/5")
    assert fit(params=params, start={}).success.all()


def test_images_and_models():
    """A function of two variables, and Model.fit_batch."""
    xx, yy = np.meshgrid(np.arange(7.0), np.arange(6.0))

    def spot(x, y, a, x0, y0, w):
        out = a*np.exp(-((x - x0)**2 + (y - y0)**2)/w**2)
        return np.frombuffer(np.asarray(out).tobytes()).reshape(np.shape(out))
    centers = 3 + 0.3*RNG.uniform(-1, 1, (12, 2))
    images = np.array([spot(xx, yy, 2.0, x0, y0, 1.5) for x0, y0 in centers]) + 0.01*RNG.normal(size=(12, 6, 7))
    start = {"a": 1.0, "x0": 3.0, "y0": 3.0, "w": 1.0}
    formula = gslfit.Formula(spot, ("x", "y"))
    options = {"x": {"x": xx, "y": yy}, "axis": (-2, -1), "start": start}
    found = gslfit.fit_batch(formula, images, **options)
    assert (found.status == FitStatus.CONVERGED).all()
    same(found, gslfit.fit_batch(formula, images, vectorized=False, **options))
    model = gslfit.Model(decay)
    found = model.fit_batch(Y, x=X, start=START)
    assert (found.status == FitStatus.CONVERGED).all()
    same(model.fit_batch(Y, x=X, start=START, workers=ThreadPoolExecutor(2)), found, exact=True)


# -- workers


def square_map(work, pieces):
    """Apply a function as `map` does."""
    return [work(piece) for piece in pieces]


def test_threads_and_maps(alone):
    """An executor of threads, a function like map: the same to the last digit, and the progress is told to the end."""
    for function in (decay, scalar_decay):
        wanted = fit(function)
        with ThreadPoolExecutor(3) as threads:
            for workers in (threads, map, square_map, 1, None):
                told = []
                found = fit(function, workers=workers, progress=told.append)
                same(found, wanted, exact=True)
                assert told == sorted(told) and told[-1] == ROWS and len(told) > 1


@processes_import
def test_processes():
    """A number of processes, an executor of them, a pool."""
    wanted = fit(scalar_decay)
    context = multiprocessing.get_context(HOW)
    told = []
    same(fit(scalar_decay, workers=2, progress=told.append), wanted, exact=True)
    assert told == sorted(told) and told[-1] == ROWS and len(told) > 1
    with ProcessPoolExecutor(1, context) as processes:
        same(fit(scalar_decay, workers=processes), wanted, exact=True)
    with context.Pool(1) as pool:
        same(fit(scalar_decay, workers=pool), wanted, exact=True)


def test_what_cannot_be_sent():
    """A function that can't be pickled is one clear error, for each way to processes; threads take it."""
    def local(x, a, b, c):
        return scalar_decay(x, a, b, c)
    pattern = r"workers=.* sends the function and its data to other processes.* top of a module, or use threads"
    with pytest.raises(InputError, match=pattern):
        fit(local, workers=2)
    with multiprocessing.get_context(HOW).Pool(1) as pool, pytest.raises(InputError, match=pattern):
        fit(local, workers=pool)
    assert fit(local, workers=ThreadPoolExecutor(1)).success.all()


@pytest.mark.parametrize(("value", "error"), [(0, InputError), (-2, InputError), (1.5, InputTypeError), ("2", InputTypeError),
                                              (True, InputTypeError), ([2], InputTypeError)])
def test_wrong_workers(value, error):
    """What is none of these is named."""
    with pytest.raises(error, match="workers"):
        fit(workers=value)


def fails(x, a, b, c):
    """Raise an error of the caller's own."""
    raise ZeroDivisionError("mine")


def dies(x, a, b, c):
    """End a process of the workers'."""
    if multiprocessing.parent_process() is not None:
        os._exit(3)
    return scalar_decay(x, a, b, c)


@processes_import
def test_errors_of_workers():
    """The caller's own error comes through; a process that dies is an error that says so."""
    for workers in (None, 2, ThreadPoolExecutor(2), map):
        with pytest.raises(ZeroDivisionError, match="mine"):
            fit(fails, workers=workers)
    with pytest.raises(FitError, match="ended before its fits were done"):
        fit(dies, vectorized=False, workers=2)


def test_interrupt_keeps_what_is_done():
    """Ctrl-C with on_interrupt="partial": rows that are done stay, also those of workers."""
    whole = fit(scalar_decay)
    for workers in (None, map, ThreadPoolExecutor(2)):
        def stop(count):
            if count >= 5:
                raise KeyboardInterrupt
        with pytest.raises(KeyboardInterrupt):
            fit(scalar_decay, workers=workers, progress=stop)
        found = fit(scalar_decay, workers=workers, progress=stop, on_interrupt="partial")
        done = found.status != FitStatus.NOT_RUN
        assert 5 <= done.sum() < ROWS and not done[np.argmin(done):].any()
        assert np.array_equal(found.values["a"][done], whole.values["a"][done]) and np.isnan(found.values["a"][~done]).all()


def test_a_program_needs_no_workers():
    """What is compiled runs as ever."""
    with pytest.warns(FitWarning) as seen:
        fit(scalar_decay)
    assert len(seen) == 1
    found = gslfit.fit_batch("a*exp(-b*x) + c", Y, x=X, start=START, workers=2, vectorized=True)
    assert (found.values["a"] == gslfit.fit_batch("a*exp(-b*x) + c", Y, x=X, start=START).values["a"]).all()


def test_a_bad_weight_where_nothing_is_asked():
    """The weight of a point that is masked may be anything, also where the function can't be compiled."""
    x = np.linspace(0, 3, 20)
    y = np.stack([a*np.exp(-x) for a in (1., 2., 3.)])
    weights, mask = np.ones_like(y), np.zeros(y.shape, bool)
    weights[:, 4], mask[:, 4] = np.nan, True

    def decay(x, a, k):
        return np.array([a*math.exp(-k*float(each)) for each in x])
    with pytest.warns(FitWarning):
        found = gslfit.fit_batch(decay, y, x=x, a=1., k=.5, weights=weights, mask=mask)
    assert found.success.all() and (found.ndata == 19).all()
    np.testing.assert_allclose(found.values["a"], [1, 2, 3], rtol=1e-8)


def test_an_error_of_one_row_says_which(tmp_path):
    """Also where the batch is fitted in blocks; a message that names a point names the fit beside it."""
    def called(x, a):
        return np.array([a*float(each) for each in x])
    x, y = np.arange(5.0), np.ones((3, 4, 5))
    y[2, 1, 3] = np.nan
    for more in ({}, {"out": tmp_path/"out"}):
        with pytest.raises(gslfit.errors.NonFiniteError, match=r"fit 2, 1: y\[3\] is nan"):
            gslfit.fit_batch(called, y, x=x, a=1.0, nan_policy="raise", **more)
    sigma = np.ones((3, 4, 5))
    sigma[1, 3, 2] = -1
    with pytest.raises(InputError, match="fit 1, 3: yerr"):
        gslfit.fit_batch(called, np.ones((3, 4, 5)), x=x, a=1.0, yerr=sigma)
