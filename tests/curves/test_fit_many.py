"""fit_many: the lanes, threads, rows of any kind, and refits by GSL."""
import threading

import numpy as np
import pytest

from gslfit import FitStatus, fit_batch
from gslfit.curves._batch import fit_many, instruction_set, run
from gslfit.errors import InputError
from gslfit.formula._program import OPCODES, Program
from gslfit.formula.formula import Formula

PEAK = Formula("y0 + A*exp(-(x - x0)**2/(2*var))")


def program(formula, free=None, inputs=()):
    """Return the program of a formula."""
    return Program(**formula.lowered(free, inputs).encoded(OPCODES))


def peaks(fits=600, n=50, noise=.3):
    """Peaks with noise, and starts."""
    rng = np.random.default_rng(1)
    true = np.c_[rng.uniform(.5, 2, fits), rng.uniform(5, 15, fits), rng.uniform(-1.5, 1.5, fits), rng.uniform(.5, 2.5, fits)]
    x = np.linspace(-5, 5, n)
    y = PEAK(x=x, **dict(zip(PEAK.names, true.T[:, :, None], strict=True))) + rng.normal(0, noise, (fits, n))
    start = true * (1 + rng.uniform(-.2, .2, true.shape))
    start[:, 2] = true[:, 2] + rng.uniform(-.2, .2, fits)
    return x, y, start, true


def errors(found, n):
    """Return standard errors."""
    return np.sqrt(found["covariance"] * (found["chisqr"] / (n - 4))[..., None])


@pytest.fixture(params=["v4", "v3", "base"])
def isa(request):
    """Each instruction set that this processor has; the best again afterwards."""
    best = instruction_set()
    try:
        yield instruction_set(request.param)
    except InputError:
        pytest.skip(f"no {request.param} here")
    instruction_set(best)


def test_lanes_agree_with_gsl(isa):
    """Every instruction set, and each of GSL's solvers, end within 1e-6 standard errors of a tight fit."""
    x, y, start, _ = peaks(200)
    code = program(PEAK)
    tight = fit_many(code, y, (x,), None, start, None, xtol=1e-13, ftol=1e-13, gtol=1e-13)
    for method in ("auto", "lanes", "lmsder", "lmder", "trust"):
        found = fit_many(code, y, (x,), None, start, None, method=method)
        assert set(found["status"]) == ({FitStatus.CONVERGED} if method in ("auto", "lanes") else {FitStatus.CONVERGED_BY_GSL})
        assert np.max(np.abs(found["v"] - tight["v"]) / errors(tight, 50)) < 1e-6
        np.testing.assert_allclose(found["covariance"], tight["covariance"], rtol=1e-5)
        np.testing.assert_allclose(found["chisqr"], tight["chisqr"], rtol=1e-12)
        assert np.max(found["gradient"]) < 1e-5


def test_scipy_agrees():
    """The same minimum, covariance and errors as SciPy's."""
    from scipy.optimize import curve_fit
    x, y, start, _ = peaks(5)
    found = fit_many(program(PEAK), y, (x,), None, start, None, covariance=True)
    for k in range(5):
        values, covariance = curve_fit(lambda x, *v: PEAK(x, **dict(zip(PEAK.names, v, strict=True))), x, y[k], start[k],
                                       jac=lambda x, *v: PEAK.jacobian(x, **dict(zip(PEAK.names, v, strict=True))),
                                       xtol=1e-13, ftol=1e-13, gtol=1e-13)
        np.testing.assert_allclose(found["v"][k], values, rtol=1e-8)
        np.testing.assert_allclose(found["covariance"][k] * found["chisqr"][k] / 46, covariance, rtol=1e-5, atol=1e-9)


def test_place_neighbours_and_threads_do_not_matter():
    """To the last bit."""
    x, y, start, _ = peaks(333)
    code = program(PEAK)
    whole = fit_many(code, y, (x,), None, start, None)
    for threads in (1, 2, 5):
        turned = fit_many(code, y[::-1], (x,), None, start[::-1], None, threads=threads)
        for name in whole:
            np.testing.assert_array_equal(turned[name][::-1], whole[name])
    alone = fit_many(code, y[7:8], (x,), None, start[7:8], None)
    np.testing.assert_array_equal(alone["v"][0], whole["v"][7])


@pytest.mark.parametrize("dtype", ["f4", ">f8", "<i2", ">i4", "u1", "i8", "f2", "longdouble"])
def test_dtypes(dtype):
    """Numbers of any type and byte order are read as they are."""
    x, y, start, _ = peaks(64)
    kept = np.clip(np.round(10 * y), 0, 250).astype(dtype)
    start = start * [10, 10, 1, 1]
    code = program(PEAK)
    found, wanted = (fit_many(code, each, (x,), None, start, None) for each in (kept, kept.astype(float)))
    for name in found:
        np.testing.assert_array_equal(found[name], wanted[name])


def test_strides_cubes_and_x_per_fit(tmp_path):
    """A transposed cube, a memory map and an x of each fit's own are read where they lie."""
    x, y, start, _ = peaks(64)
    code = program(PEAK)
    wanted = fit_many(code, y, (x,), None, start, None)
    cube = np.ascontiguousarray(y.reshape(8, 8, 50).transpose(2, 0, 1)).transpose(1, 2, 0)
    assert not cube.flags.c_contiguous
    stored = np.memmap(tmp_path / "y.bin", dtype="f8", mode="w+", shape=y.shape)
    stored[:] = y
    for given, shape in ((cube, (8, 8)), (stored, (64,)), (np.asfortranarray(y), (64,))):
        found = fit_many(code, given, (np.broadcast_to(x, (*shape, 50)),), None, start.reshape(*shape, 4), None)
        np.testing.assert_array_equal(found["v"].reshape(-1, 4), wanted["v"])


def test_bad_data():
    """A bad row has a status and NaN; the others don't notice. Left out, its points are as if they weren't there."""
    x, y, start, _ = peaks(40)
    code = program(PEAK)
    clean = fit_many(code, y, (x,), None, start, None)
    y[3, [0, 10]] = np.nan, np.inf
    y[7] = np.nan
    start[11, 0] = np.nan
    marked, omitted = (fit_many(code, y, (x,), None, start, None, nan_policy=policy) for policy in ("mark", "omit"))
    assert marked["status"][[3, 7, 11]].tolist() == [FitStatus.BAD_DATA]*3
    assert omitted["status"][[3, 7, 11]].tolist() == [FitStatus.CONVERGED, FitStatus.BAD_DATA, FitStatus.BAD_DATA]
    others = np.setdiff1d(np.arange(40), [3, 7, 11])
    for found in (marked, omitted):
        np.testing.assert_array_equal(found["v"][others], clean["v"][others])
    keep = np.isfinite(y[3])
    alone = fit_many(code, y[3:4, keep], (x[keep],), None, start[3:4], None)
    np.testing.assert_allclose(omitted["v"][3], alone["v"][0], rtol=1e-9)
    np.testing.assert_allclose(omitted["covariance"][3], alone["covariance"][0], rtol=1e-6)
    assert omitted["count"][3] == 48


def test_few_points():
    """Fewer points than parameters: no fit, and it says so."""
    x, y, start, _ = peaks(3)
    assert set(fit_many(program(PEAK), y[:, :3], (x[:3],), None, start, None)["status"]) == {FitStatus.TOO_FEW_POINTS}


@pytest.mark.parametrize("scale", [1e-250, 1e-12, 1e12, 1e250])
def test_scale(scale):
    """The size of the numbers makes no difference."""
    x, y, start, _ = peaks(30)
    code = program(PEAK)
    wanted = fit_many(code, y, (x,), None, start, None)
    found = fit_many(code, y * scale, (x,), None, start * [scale, scale, 1, 1], None)
    assert set(found["status"]) <= {FitStatus.CONVERGED, FitStatus.CONVERGED_BY_GSL}
    np.testing.assert_allclose(found["v"][:, 2:], wanted["v"][:, 2:], rtol=1e-5)


def test_exact_data():
    """Data without noise are fitted to their rounding."""
    x, _, start, true = peaks(100)
    y = PEAK(x=x, **dict(zip(PEAK.names, true.T[:, :, None], strict=True)))
    found = fit_many(program(PEAK), y, (x,), None, start, None)
    assert set(found["status"]) == {FitStatus.CONVERGED}
    np.testing.assert_allclose(found["v"], true, rtol=1e-10)


def test_exact_without_effect():
    """A level without a peak is fitted exactly, and the peak of no height has neither centre nor width."""
    x, _, start, _ = peaks(20)
    found = fit_many(program(PEAK), np.ones((20, 50)), (x,), None, start, None)
    assert set(found["status"]) == {FitStatus.RANK_DEFICIENT}
    np.testing.assert_allclose(found["v"][:, :2], np.tile([1, 0], (20, 1)), atol=1e-14)
    assert np.isnan(found["covariance"][:, 2:]).all() and np.isfinite(found["covariance"][:, :2]).all()


def test_limit_of_evaluations():
    """A fit that isn't finished says so."""
    x, y, start, _ = peaks(20)
    found = fit_many(program(PEAK), y, (x,), None, start, None, max_nfev=2, method="lanes")
    assert set(found["status"]) == {FitStatus.MAX_NFEV}
    assert found["nfev"].max() == 2


def test_nist():
    """NIST's 27 sets from both starts: certified to 6 digits, all 54, by the lanes or by GSL after them."""
    import nist
    worst = []
    for name in nist.FORMULAS:
        data = nist.read(name)
        code = program(Formula(data.formula, independent=data.predictors), data.names)
        x = tuple(np.asarray(column, float) for column in data.columns().values())
        for start in data.starts:
            found = fit_many(code, np.asarray(data.y, float)[None], x, None, start, None)
            assert found["status"][0] in (FitStatus.CONVERGED, FitStatus.CONVERGED_BY_GSL), name
            worst.append(float(np.min(nist.digits(found["v"][0], data.certified))))
    assert min(worst) > 6
    assert np.mean(worst) > 8.5


def test_weights_and_inputs():
    """Weights multiply residuals; a parameter that is fixed has a value of each fit's own."""
    x, y, start, true = peaks(60)
    weights = np.random.default_rng(2).uniform(.5, 2, y.shape)
    code = program(PEAK, ("y0", "A", "x0"), ("var",))
    found = fit_many(code, y, (x,), weights, start[:, :3], true[:, 3:])
    assert set(found["status"]) == {FitStatus.CONVERGED}
    for k in range(3):
        values = dict(zip(PEAK.names, [*found["v"][k], true[k, 3]], strict=True))
        residual = weights[k] * (PEAK(x=x, **values) - y[k])
        J = weights[k][:, None] * PEAK.jacobian(x=x, **values)[:, :3]
        assert abs(residual @ J).max() < 1e-5 * np.linalg.norm(residual) * np.linalg.norm(J, axis=0).max()
        np.testing.assert_allclose(found["chisqr"][k], residual @ residual, rtol=1e-12)
        np.testing.assert_allclose(found["covariance"][k], np.diag(np.linalg.inv(J.T @ J)), rtol=1e-5)


@pytest.mark.parametrize("p", [1, 2, 7, 9, 13, 30])
def test_many_parameters(p):
    """A linear problem of any size is solved exactly, constant columns and all."""
    names = [f"c{k}" for k in range(p)]
    formula = Formula(" + ".join(["c0", *(f"c{k}*cos({k}*x)" for k in range(1, p))]))
    x = np.linspace(0, 3, 80)
    rng = np.random.default_rng(p)
    y = rng.normal(size=(20, 80))
    found = fit_many(program(formula, names), y, (x,), None, np.ones(p), None, covariance=True)
    A = np.cos(np.arange(p) * x[:, None])
    assert set(found["status"]) <= {FitStatus.CONVERGED, FitStatus.CONVERGED_BY_GSL}
    np.testing.assert_allclose(found["v"], np.linalg.lstsq(A, y.T, rcond=None)[0].T, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(found["covariance"][3], np.linalg.inv(A.T @ A), rtol=1e-5, atol=1e-7)


def test_long_fit():
    """Many points: the same numbers with any number of threads, and as GSL's."""
    rng = np.random.default_rng(3)
    x = np.linspace(-5, 5, 40_003)
    y = np.array([PEAK(x, y0=1, A=10, x0=.3, var=.8), PEAK(x, y0=2, A=5, x0=0, var=1.8)]) + rng.normal(0, .3, (2, x.size))
    y[1, 77] = np.nan
    code = program(PEAK)
    wanted = fit_many(code, y, (x,), None, [1.2, 8, 0, 1], None, nan_policy="omit")
    assert wanted["status"].tolist() == [FitStatus.CONVERGED]*2
    assert wanted["count"].tolist() == [40_003, 40_002]
    for threads in (2, 3, 8):
        found = fit_many(code, y, (x,), None, [1.2, 8, 0, 1], None, nan_policy="omit", threads=threads)
        for name in wanted:
            np.testing.assert_array_equal(found[name], wanted[name])
    gsl = fit_many(code, y, (x,), None, [1.2, 8, 0, 1], None, nan_policy="omit", method="lmsder")
    np.testing.assert_allclose(gsl["v"], wanted["v"], rtol=1e-7)


def test_progress_and_its_exception():
    """Progress is told now and then; what it raises stops the batch at once and comes out as itself."""
    x, y, start, _ = peaks(100)
    y, start = np.repeat(y, 2000, axis=0), np.repeat(start, 2000, axis=0)
    counts = []
    fit_many(program(PEAK), y, (x,), None, start, None, progress=counts.append)
    assert counts == sorted(counts)
    assert counts

    asked = []

    def stop(count):
        asked.append(count)
        raise ZeroDivisionError(count)

    with pytest.raises(ZeroDivisionError):
        fit_many(program(PEAK), np.repeat(y, 4, axis=0), (x,), None, np.repeat(start, 4, axis=0), None, progress=stop, threads=2)
    assert len(asked) == 1
    assert asked[0] < 4*len(y)


def test_what_an_interrupted_run_did_not_reach():
    """Its status is 0, whatever the array held before."""
    x, y, start, _ = peaks(100)
    y, start = np.repeat(y, 2000, axis=0), np.repeat(start, 2000, axis=0)
    numbers, counts, status = np.empty(len(y)), np.empty((2, len(y)), np.int32), np.full(len(y), 77, np.int8)

    def stop(_count):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(program(PEAK), y, (x,), start, chisqr=numbers, nfev=counts[0], count=counts[1], status=status, progress=stop)
    assert (status == FitStatus.NOT_RUN).any()
    assert (status != 77).all()


def test_the_lock_is_not_held():
    """Another Python thread runs while a batch does."""
    x, y, start, _ = peaks(100)
    y, start = np.repeat(y, 1000, axis=0), np.repeat(start, 1000, axis=0)
    count, running = 0, threading.Event()

    def work():
        running.set()
        fit_many(program(PEAK), y, (x,), None, start, None, method="lanes")
        running.clear()

    thread = threading.Thread(target=work)
    thread.start()
    running.wait()
    while running.is_set():
        count += 1
    thread.join()
    assert count > 50


def test_wrong_arguments():
    """Shapes and names are held to, and the message has them."""
    x, y, start, _ = peaks(5)
    code = program(PEAK)
    for message, call in {
        "x\\[0\\] has shape": lambda: fit_many(code, y, (x[:5],), None, start, None),
        "no method": lambda: fit_many(code, y, (x,), None, start, None, method="best"),
        "nan_policy": lambda: fit_many(code, y, (x,), None, start, None, nan_policy="drop"),
        "independent variables": lambda: fit_many(code, y, (), None, start, None),
    }.items():
        with pytest.raises(InputError, match=message):
            call()


def test_a_value_lost_in_its_own_rounding_is_no_fit():
    """A phase of 1e17 can't be told from its neighbours, sixteen apart: whatever its error says, the data don't determine it."""
    x = np.linspace(0, 10, 40)
    y = 2*np.sin(1.3*x + .4) + .01*np.random.default_rng(0).normal(size=(20, 40))
    result = fit_batch("a*sin(b*x + c)", y, x=x, start={"a": 1.9, "b": 1.3, "c": 1e17})
    assert not result.success.any()
    assert fit_batch("a*sin(b*x + c)", y, x=x, start={"a": 1.9, "b": 1.3, "c": 100*np.pi}).success.all()
