"""Batches at their edges: missing numbers in x, many axes, limits, exceptions of the progress function, parameters that act together."""
import numpy as np
import pytest

from gslfit import BatchResult, FitStatus, Model, fit, fit_batch
from gslfit.errors import InputError

X = np.linspace(0, 3, 40)
DECAY = "A*exp(-k*x)"


def test_nan_in_the_x_of_one_row():
    """A row whose own x has a NaN is marked at once, without an evaluation, or fitted without that point."""
    rng = np.random.default_rng(0)
    x = np.tile(X, (6, 1))
    y = 2*np.exp(-x) + .01*rng.normal(size=x.shape)
    x[2, 5] = np.nan
    marked = fit_batch(DECAY, y, x=x, A=1., k=.5, nan_policy="mark")
    assert marked.status[2] == FitStatus.BAD_DATA and marked.nfev[2] == 0
    assert np.delete(marked.success, 2).all()
    omitted = fit_batch(DECAY, y, x=x, A=1., k=.5, nan_policy="omit")
    alone = fit_batch(DECAY, np.delete(y[2], 5), x=np.delete(X, 5), A=1., k=.5)
    assert omitted.success.all() and omitted.ndata[2] == 39
    assert omitted.values["k"][2] == pytest.approx(alone.values["k"], rel=1e-9)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("n", [4096, 4097, 20_003])
@pytest.mark.parametrize("missing", ["x", "y", "xy"])
def test_long_rows_with_holes(missing, n, threads):
    """Points without an x or a y are left out of long rows, the first and the last ones too; the lanes need no help of GSL's."""
    rng = np.random.default_rng(n)
    x, at = np.linspace(0, 3, n), [0, 700, n - 3, n - 1]
    y = 2*np.exp(-x) + .01*rng.normal(size=n)
    alone = fit_batch(DECAY, np.delete(y, at), x=np.delete(x, at), A=1., k=.5, threads=threads)
    for name, array in (("x", x), ("y", y)):
        if name in missing:
            array[at] = np.nan
    found = fit_batch(DECAY, y, x=x, A=1., k=.5, nan_policy="omit", threads=threads)
    assert found.success and found.ndata == n - 4
    assert found.nfev == alone.nfev
    assert fit_batch(DECAY, y, x=x, A=1., k=.5, nan_policy="omit", threads=threads, method="lanes").success
    assert found.values["k"] == pytest.approx(float(alone.values["k"]), rel=1e-9)
    assert found.stderr["k"] == pytest.approx(float(alone.stderr["k"]), rel=1e-9)


@pytest.mark.parametrize("order", [np.ascontiguousarray, np.asfortranarray], ids=["C", "Fortran"])
@pytest.mark.parametrize("shape", [(4, 3, 2, 2), (3, 1, 2), (2, 3, 5), (5, 2, 3)])
def test_batches_of_many_axes(shape, order):
    """Each fit of a batch of three and four axes gets its own data, weights, mask and start, however they lie in memory."""
    rng = np.random.default_rng(5)
    amplitude = rng.uniform(1, 3, shape)
    y, weights, mask = amplitude[..., None]*np.exp(-X), rng.uniform(.5, 2, (*shape, 40)), rng.random((*shape, 40)) < .1
    found = fit_batch(DECAY, order(np.where(mask, 99, y)), x=X, weights=order(weights), mask=order(mask), A=order(amplitude*1.1), k=1.)
    assert found.success.all()
    assert np.allclose(found.values["A"], amplitude, rtol=1e-12)
    assert np.array_equal(found.ndata, (~mask).sum(axis=-1))


def test_an_exception_of_the_progress_function():
    """It ends the batch and reaches the caller."""
    def fail(*done):
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        fit_batch(DECAY, np.tile(2*np.exp(-X), (200_000, 1)), x=X, A=1., k=.5, progress=fail)


@pytest.mark.parametrize("method", ["auto", "lanes", "lmsder", "lmder", "trust"])
def test_a_limit_is_said_to_be_one(method):
    """Too few evaluations: the status is that of the limit by every method, and no more were made."""
    y = np.array([1., 1.5, 2., 2.5, 3.])[:, None]*np.exp(-X)
    found = fit_batch(DECAY, y, x=X, A=100., k=30., method=method, max_nfev=3)
    assert (found.status == FitStatus.MAX_NFEV).all()
    assert not found.success.any() and (found.nfev <= 3).all()


@pytest.mark.parametrize("method", ["auto", "lmsder", "lmder", "trust"])
def test_parameters_that_act_together(method):
    """Their sum alone is determined: a status of its own, no errors for them, the others' errors as those with one of them held."""
    rng = np.random.default_rng(7)
    y = rng.uniform(1, 3, (20, 1))*np.exp(-X) + .01*rng.normal(size=(20, 40))
    found = fit_batch("(A + B)*exp(-k*x) + c", y, x=X, A=1., B=1., k=.9, c=0., method=method)
    one = fit_batch("A*exp(-k*x) + c", y, x=X, A=2., k=.9, c=0., method=method)
    assert (found.status == FitStatus.RANK_DEFICIENT).all() and found.success.all()
    assert np.isnan(found.stderr["A"]).all() and np.isnan(found.stderr["B"]).all()
    assert np.allclose(found.values["A"] + found.values["B"], one.values["A"], rtol=1e-5)
    degrees = np.sqrt(37/36)                                # one parameter more is counted
    assert np.allclose(found.stderr["k"], one.stderr["k"]*degrees, rtol=1e-4)
    assert np.allclose(found.stderr["c"], one.stderr["c"]*degrees, rtol=1e-4)


WANDERING = "a*exp(-x/t) + b*exp(-x/u) + c*exp(-x/v) + d*exp(-x/w)"
FROM = {"a": 1., "b": -2., "c": 3., "d": -4., "t": 1., "u": 2., "v": 3., "w": 4.}


def stop(_done):
    """Interrupt a batch."""
    raise KeyboardInterrupt


@pytest.mark.parametrize("order", [[0, 1], [1, 0]])
def test_an_interrupt_while_other_threads_fit(order):
    """The caller's thread asks while it waits for others, also where its own rows had nothing to fit."""
    x, rng = np.linspace(0, 5, 4000), np.random.default_rng(0)
    y = np.concatenate([(np.full((64, x.size), np.nan), rng.normal(size=(64, x.size)))[part] for part in order])     # 64 are one thread's
    found = fit_batch(WANDERING, y, x=x, max_nfev=300, threads=2, nan_policy="mark", progress=stop, on_interrupt="partial", **FROM)
    assert (found.status[np.isfinite(y[:, 0])] == FitStatus.NOT_RUN).any()


@pytest.mark.parametrize("threads", [1, 2])
def test_an_interrupt_while_points_are_looked_at(threads):
    """A long row whose points have been looked at in part has not been run: nothing is said of its data."""
    x = np.linspace(0, 5, 60_000)
    y = np.random.default_rng(0).normal(size=(2, x.size))
    for _ in range(3):
        found = fit_batch(WANDERING, y, x=x, threads=threads, progress=stop, on_interrupt="partial", **FROM)
        assert (found.status == FitStatus.NOT_RUN).all()


@pytest.mark.parametrize("n", [4096, 4097, 20_003])
def test_holes_in_a_row_s_own_x(n):
    """A point without an x of its own row is left out of that row alone, however long the rows are."""
    rng, at = np.random.default_rng(n), [0, 700, n - 3]
    x = np.tile(np.linspace(0, 3, n), (2, 1))
    y = 2*np.exp(-x) + .01*rng.normal(size=x.shape)
    alone = fit_batch(DECAY, np.delete(y[1], at), x=np.delete(x[1], at), A=1., k=.5)
    x[1, at] = np.nan
    found = fit_batch(DECAY, y, x=x, A=1., k=.5, nan_policy="omit")
    assert found.success.all() and found.ndata.tolist() == [n, n - 3]
    assert found.values["k"][1] == pytest.approx(alone.values["k"], rel=1e-9)


@pytest.mark.parametrize("n", [4096, 8192, 40_000, 40_003])
def test_errors_of_a_long_row(n):
    """All points of a long row take part with their own errors, in whole blocks and in what is left of one: a line has NumPy's."""
    x = np.linspace(0, 3, n)
    errors = np.exp(.5*np.sin(7*x))
    y = 2 - x + errors*np.cos(1e4*x*x)
    line, covariance = np.polyfit(x, y, 1, w=1/errors, cov="unscaled")
    for how in ({"yerr": errors}, {"weights": 1/errors}):
        found = fit_batch("a*x + b", y[None], x=x, a=1., b=1., scale_covar=False, **how)
        assert [found.values["a"][0], found.values["b"][0]] == pytest.approx(line, rel=1e-9)
        assert [found.stderr["a"][0], found.stderr["b"][0]] == pytest.approx(np.sqrt(np.diag(covariance)), rel=1e-9)


@pytest.mark.parametrize("wrong", [0., -1., np.nan])
def test_errors_that_are_none(wrong):
    """A standard deviation of 0, below it or NaN is refused, and its place is told, by each entry."""
    y, errors = 2*np.exp(-X), np.ones(X.size)
    errors[3] = wrong
    model = Model(lambda x, A, k: A*np.exp(-k*x))
    for call in (lambda: fit(DECAY, y, x=X, A=1., k=.5, yerr=errors), lambda: fit_batch(DECAY, y[None], x=X, A=1., k=.5, yerr=errors),
                 lambda: model.fit(y, x=X, A=1., k=.5, yerr=errors)):
        with pytest.raises(InputError, match=r"yerr\[3\] is .*: standard deviations must be above 0"):
            call()


def test_a_file_of_fits_with_their_own_x(tmp_path):
    """A batch whose fits have an x each is saved without it, and says so where a curve is asked for."""
    x = X + .1*np.arange(3)[:, None]
    found = fit_batch(DECAY, 2*np.exp(-x), x=x, A=1., k=.5)
    found.save(tmp_path/"fits.npz")
    loaded = BatchResult.load(tmp_path/"fits.npz")
    np.testing.assert_array_equal(loaded.values["k"], found.values["k"])
    with pytest.raises(InputError, match="only where all fits share them"):
        loaded.best_fit()


@pytest.mark.parametrize("n", [300, 100_000])
@pytest.mark.parametrize("how", ["omit", "weight of 0"])
def test_x_that_is_nan_where_a_point_is_left_out(n, how):
    """A point that takes no part may have NaN for x and y, in short curves and in those that threads share: the rest are fitted."""
    t = np.linspace(0, 5, n)
    y = 2*np.exp(-t/1.3) + .5 + .01*np.random.default_rng(0).normal(size=(2, n))
    out = np.array([0, 7, n//2, n - 1])
    rest = np.delete(np.arange(n), out)
    wanted = fit_batch("A*exp(-x/t) + c", y[:, rest], x=t[rest], A=1., t=1., c=0.)
    x, weights = t.copy(), np.ones(n)
    x[out], weights[out] = np.nan, 0
    y[:, out[1:3]] = np.nan
    given = {"nan_policy": "omit"} if how == "omit" else {"weights": weights}
    found = fit_batch("A*exp(-x/t) + c", y, x=x, A=1., t=1., c=0., **given)
    assert found.success.all()
    for name in "Atc":
        np.testing.assert_allclose(found.values[name], wanted.values[name], rtol=1e-9)

@pytest.mark.parametrize("kind", [">f8", "f4", "i4", "u2", "every other"])
@pytest.mark.parametrize("which", ["x", "y"])
def test_long_rows_of_other_types(which, kind):
    """A long row is read to its end whatever its numbers are and however far apart they lie."""
    x = np.arange(10_001.)
    arrays = {"x": x, "y": np.round(1000*np.exp(-x/3000) + 100*np.sin(x)) + 100}
    alone = fit_batch("A*exp(-x/t) + c", arrays["y"], x=arrays["x"], A=900., t=2000., c=0.)
    array = arrays[which]
    arrays[which] = np.repeat(array, 2)[::2] if kind == "every other" else array.astype(kind)
    found = fit_batch("A*exp(-x/t) + c", arrays["y"], x=arrays["x"], A=900., t=2000., c=0.)
    assert alone.success and found.success
    for name in ("A", "t", "c"):
        assert found.values[name] == pytest.approx(float(alone.values[name]), rel=1e-12)
        assert found.stderr[name] == pytest.approx(float(alone.stderr[name]), rel=1e-9)


def test_covariances_of_rows_that_are_fitted_twice():
    """What the noise hides is fitted from its start again; the end that is kept has its own covariance, as algebra has it there."""
    x = np.linspace(0, 5, 12)
    rng = np.random.default_rng(0)
    y = rng.uniform(.1, 2, (400, 1))*np.exp(-x/rng.uniform(.2, 20, (400, 1))) + .3*rng.normal(size=(400, 12))
    found = fit_batch("c + A*exp(-x/t)", y, x=x, c=0., A=1., t=1., covar=True)
    errors = np.stack([found.stderr[name] for name in ("c", "A", "t")], axis=1)
    variances = np.diagonal(found.covar, axis1=1, axis2=2)
    known = np.isfinite(errors)
    assert np.allclose(variances[known], errors[known]**2, rtol=1e-9)
    compared = 0
    for c, A, t, covar, squares in zip(found.values["c"], found.values["A"], found.values["t"], found.covar, found.chisqr, strict=True):
        beside = np.exp(-x/t)
        J = np.stack([np.ones(12), beside, A*x*beside/t**2], axis=1)
        if np.abs(covar).max() < 1e12 and np.linalg.cond(J/np.linalg.norm(J, axis=0)) < 1e5:
            expected = np.linalg.inv(J.T @ J)*squares/9
            assert np.allclose(covar, expected, rtol=1e-4, atol=1e-6*np.sqrt(np.outer(np.diag(expected), np.diag(expected)))), (c, A, t)
            compared += 1
    assert compared > 250


@pytest.mark.parametrize("offset", [0., 1e6, 1.7e9])
@pytest.mark.parametrize(("text", "more"), [("A*exp(-(x - t0)/tau)", {}), ("a + A*exp(-(x - t0)/tau)", {"a": .1})])
def test_what_data_do_not_tell_apart_at_time_stamps(text, more, offset):
    """A place that an amplitude makes up for is left open where x is large as where it is small: what cancels there is the origin's."""
    for seed in range(6):
        rng = np.random.default_rng(seed)
        x = np.linspace(.1, 10, 40)
        y = 3*np.exp(-x/2) + .05*rng.normal(size=40)
        start = {"A": 2.5, "t0": offset + .5, "tau": 1.7, **more}
        found = fit(text, y, x=x + offset, start=start)
        many = fit_batch(text, y[None], x=x + offset, start=start)
        assert found.success and many.success[0]
        assert found.params["t0"].stderr is None
