"""Batches of dask arrays: lazy, a task a chunk, NumPy's bits."""
import os
import pickle
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from gslfit import BatchResult, Model, Parameters, fit_batch
from gslfit.errors import InputError, NonFiniteError
from gslfit.models import GaussianModel

dask = pytest.importorskip("dask")
da = pytest.importorskip("dask.array")

N = 30
X = np.linspace(0, 5, N)
DECAY = "A*exp(-x/tau) + c"
START = {"A": 1.0, "tau": 1.0, "c": 0.0}


def curves(*shape, seed=1):
    """Return decays with noise, one of them spoilt."""
    rng = np.random.default_rng(seed)
    y = rng.uniform(1, 3, (*shape, 1))*np.exp(-X/rng.uniform(.5, 2, (*shape, 1))) + rng.normal(0, .02, (*shape, N))
    y.reshape(-1, N)[3, 5] = np.nan
    return y


def same(found, wanted):
    """Assert that two results are equal to the last bit."""
    assert list(found.to_dict()) == list(wanted.to_dict())
    for name, array in wanted.to_dict().items():
        np.testing.assert_array_equal(np.asarray(found.to_dict()[name]), array, err_msg=name)
        assert found.to_dict()[name].dtype == array.dtype
    assert found.names == wanted.names


@pytest.fixture
def uncomputed():
    """Make whatever computes an error."""
    def refuse(*args, **kws):
        raise AssertionError("this computes")
    with dask.config.set(scheduler=refuse):
        yield


CALLS = {"formula": lambda y: fit_batch(DECAY, y, x=X, covar=True, **START), "linear": lambda y: fit_batch(DECAY, y, x=X, tau=1.0),
         "model": lambda y: Model(DECAY).fit_batch(y, x=X, **START),
         "params": lambda y: fit_batch(DECAY, y, bounded(), x=X, covar=True),
         "limits": lambda y: fit_batch(DECAY, y, x=X, start=START, **limits(y.shape[:-1]))}


def limits(shape):
    """Return bounds, and what varies, of each fit."""
    low = np.linspace(0, .9, int(np.prod(shape))).reshape(shape)
    return {"bounds": {"A": (low, low + 1.5)}, "vary": {"c": np.arange(low.size).reshape(shape) % 3 > 0}}


def bounded():
    """Return Parameters with bounds and an expression."""
    params = Parameters()
    params.add_many(("A", 1.0, True, 0, 2.5), ("tau", 1.0, True, 0.1, None), ("c", None, True, None, None, "0.01*A"))
    return params


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("chunks", [(2, 4, N), (5, 6, N), (1, 1, N)])
def test_bits(call, chunks):
    """What is computed is what NumPy's array gives, single fits and all."""
    y = curves(5, 6)
    lazy, wanted = CALLS[call](da.from_array(y, chunks=chunks)), CALLS[call](y)
    assert isinstance(lazy, BatchResult)
    found = lazy.compute()
    assert type(found) is BatchResult
    same(found, wanted)
    same(lazy, wanted)
    for one in (found[1, 2], lazy[1, 2]):
        assert one.init_values == wanted[1, 2].init_values
        assert one.params["tau"].stderr == wanted[1, 2].params["tau"].stderr
        np.testing.assert_array_equal(one.residual, wanted[1, 2].residual)
    assert lazy.summary() == found.summary() == wanted.summary()
    np.testing.assert_array_equal(lazy.best_fit(), wanted.best_fit())
    np.testing.assert_array_equal(found.eval_uncertainty(), wanted.eval_uncertainty())
    np.testing.assert_array_equal(lazy.success.compute(), wanted.success)


def test_guesses():
    """A model's guesses are those of NumPy's array."""
    centres = np.random.default_rng(4).uniform(1, 4, (40, 1))
    y = 3*np.exp(-(X - centres)**2/.5) + np.random.default_rng(5).normal(0, .02, (40, N))
    same(GaussianModel().fit_batch(da.from_array(y, chunks=(7, N)), x=X).compute(), GaussianModel().fit_batch(y, x=X))


@pytest.mark.usefixtures("uncomputed")
def test_nothing_is_computed():
    """The call, repr, len, shape, names and arrays compute nothing; what is wrong is told at once."""
    y = da.from_array(curves(5, 6), chunks=(2, 3, N))
    errors = da.ones((5, 6, N), chunks=(5, 6, N))
    found = fit_batch(DECAY, y, x=X, yerr=errors, mask=errors > 2, A=da.ones((5, 6)), tau=1.0, c=0.0, covar=True)
    assert repr(found) == "<BatchResult of 30 fits, shape (5, 6), not computed, parameters A, tau, c>"
    assert "not computed" in found._repr_html_()
    assert len(found) == 30
    assert found.shape == (5, 6)
    assert found.names == ("A", "tau", "c")
    for name, array in found.to_dict().items():
        assert isinstance(array, da.Array), name
        assert array.chunks[:2] == ((2, 2, 1), (3, 3))
    assert found.covar.shape == (5, 6, 3, 3)
    with pytest.raises(InputError, match="neither a parameter"):
        fit_batch(DECAY, y, x=X, B=1.0, **START)
    with pytest.raises(InputError, match="no start value for 'tau'"):
        fit_batch(DECAY, y, x=X)


def test_one_task_a_chunk():
    """All arrays come from one run of each chunk."""
    y = da.from_array(curves(6, 6), chunks=(2, 6, N))
    read = []

    def note(block):
        read.append(block.shape)
        return block
    noted = y.map_blocks(note, dtype=y.dtype, meta=np.empty((0, 0, 0)))
    found = fit_batch(DECAY, noted, x=X, **START)
    found.compute()
    assert read == [(2, 6, N)]*3
    dask.compute(*found.to_dict().values())
    assert read == [(2, 6, N)]*6
    found.values["tau"].compute()
    assert read == [(2, 6, N)]*9
    result, = dask.compute(found)
    assert read == [(2, 6, N)]*12
    same(result, fit_batch(DECAY, curves(6, 6), x=X, **START))
    kept = found.persist()
    assert len(read) == 15
    same(kept.compute(), result)
    assert len(read) == 15


@pytest.mark.parametrize("kind", ["numpy", "dask"])
def test_beside(kind):
    """Start values, x, errors and masks of each fit go with their chunk, whatever their own chunks are."""
    y = curves(5, 6)
    rng = np.random.default_rng(2)
    beside = {"x": X + rng.uniform(0, .01, (5, 6, 1)), "yerr": rng.uniform(.01, .03, y.shape), "mask": rng.random(y.shape) < .1,
              "A": rng.uniform(1, 3, (5, 6)), "tau": 1.0, "c": .3}
    wanted = fit_batch(DECAY, y, **beside)
    if kind == "dask":
        beside = {name: da.from_array(value, chunks=(3, 5, 7)[:value.ndim]) if np.ndim(value) else value for name, value in beside.items()}
    found = fit_batch(DECAY, da.from_array(y, chunks=(2, 4, N)), **beside)
    same(found.compute(), wanted)
    np.testing.assert_array_equal(found[1, 2].residual, wanted[1, 2].residual)
    np.testing.assert_array_equal(found.compute().eval_uncertainty(), wanted.eval_uncertainty())


def test_masks_of_all_points_are_not_spread():
    """A mask of fits, and errors of points, go along in their own size."""
    y = curves(5, 6)
    out = np.zeros((5, 6), bool)
    out[2, 3] = True
    lazy = fit_batch(DECAY, da.from_array(y, chunks=(2, 4, N)), x=X, mask=out[..., None], yerr=np.full((1, 1, N), .02), **START)
    same(lazy.compute(), fit_batch(DECAY, y, x=X, mask=out[..., None], yerr=np.full((1, 1, N), .02), **START))


def test_masked_chunks():
    """What the chunks mask takes no part."""
    y = np.ma.masked_invalid(curves(5, 6))
    wanted = fit_batch(DECAY, y, x=X, **START)
    assert wanted.success.all()
    same(fit_batch(DECAY, da.from_array(y, chunks=(2, 4, N)), x=X, **START).compute(), wanted)


@pytest.mark.parametrize("axis", [0, (0, 2), -1])
def test_axes(axis):
    """The points may lie along any axes, each in one chunk."""
    y = np.moveaxis(curves(5, 6), -1, 0)[:, :, :]
    call = {0: {"x": X}, (0, 2): {"x": X[:, None] + np.zeros((N, 6))}, -1: {"x": np.arange(6.)}}[axis]
    chunks = {0: (N, 2, 3), (0, 2): (N, 2, 6), -1: (7, 2, 6)}[axis]
    found = fit_batch(DECAY, da.from_array(y, chunks=chunks), axis=axis, **call, **START)
    same(found.compute(), fit_batch(DECAY, y, axis=axis, **call, **START))


def test_one_curve():
    """A single curve is lazy too."""
    y = curves(4)[0]
    found = fit_batch(DECAY, da.from_array(y, chunks=N), x=X, covar=True, **START)
    assert "not computed" in repr(found)
    same(found.compute(), fit_batch(DECAY, y, x=X, covar=True, **START))


@pytest.mark.parametrize("loss", [{"loss": "soft_l1"}, {"loss": "huber", "f_scale": .02}, {"loss": "tukey", "f_scale": "mad"},
                                  {"loss": "poisson"}], ids=["soft_l1", "huber", "tukey", "poisson"])
@pytest.mark.parametrize("labelled", [False, True], ids=["dask", "DataArray"])
def test_losses(loss, labelled):
    """Losses have what they have of arrays in memory: costs and scales too, lazy until they are computed, in the data's container."""
    y = np.random.default_rng(2).poisson(40*np.exp(-X/1.5), (4, 5, N)).astype(float) if loss == {"loss": "poisson"} else curves(4, 5)
    chunked = da.from_array(y, chunks=(2, 3, N))
    if labelled:
        xarray = pytest.importorskip("xarray")
        y, chunked = (xarray.DataArray(each, dims=("row", "column", "x"), coords={"row": [3, 1, 4, 2]}) for each in (y, chunked))
    call = {"x": X, "tau": 1.0, **loss}
    wanted, found = fit_batch("A*exp(-x/tau)", y, **call), fit_batch("A*exp(-x/tau)", chunked, **call)
    assert type(wanted.cost) is type(wanted.chisqr)
    assert type(found.cost) is type(found.chisqr)
    assert hasattr(found.cost, "__dask_graph__")
    assert ("f_scale" in wanted.to_dict()) == (loss != {"loss": "poisson"})
    for each in (found, found.compute(), found.persist(), dask.compute(found)[0]):
        same(each, wanted)
        np.testing.assert_array_equal(np.asarray(each.cost), np.asarray(wanted.cost))
        np.testing.assert_array_equal(np.asarray(each.values["tau"]), np.asarray(wanted.values["tau"]))
        assert each.summary() == wanted.summary()
    assert found[1, 2].fit_report() == wanted[1, 2].fit_report()
    xarray = pytest.importorskip("xarray")
    xarray.testing.assert_identical(found.to_xarray().compute(), wanted.to_xarray())


@pytest.mark.parametrize(("given", "message"), [
    ({"y": da.ones((4, N), chunks=(4, 10))}, r"axis 1 of y, which is in 3 chunks, and one is needed: y.rechunk\({1: -1}\)"),
    ({"out": "folder"}, "out= is not for a dask array"), ({"progress": True}, "progress= is not for a dask array"),
    ({"on_interrupt": "partial"}, "on_interrupt= is not for a dask array"),
    ({"y": da.ones((4, N), chunks=(2, N))[da.arange(4, chunks=2) > 1]}, "chunks of unknown sizes")])
def test_refused(given, message):
    """What a lazy result can't do is one line."""
    with pytest.raises(InputError, match=message) as error:
        fit_batch(DECAY, **{"y": da.ones((4, N), chunks=(2, N)), "x": X, **given}, **START)
    assert "\n" not in str(error.value)


def test_errors_name_the_place():
    """A fit that is an error is named by its place in the whole."""
    y = curves(5, 6)
    y[0, 3, 5], y[3, 4, 2] = .5, np.inf
    with pytest.raises(NonFiniteError, match=r"fit \(3, 4\), point 2"):
        fit_batch(DECAY, da.from_array(y, chunks=(2, 4, N)), x=X, nan_policy="raise", **START).compute()


def test_labels():
    """A DataArray in chunks gives DataArrays in chunks, with their coordinates; the accessor a lazy Dataset."""
    xr = pytest.importorskip("xarray")
    pytest.importorskip("gslfit.integrations.xarray")
    cube = xr.DataArray(curves(5, 6), dims=("row", "column", "x"), coords={"x": X, "row": np.arange(5)*10}, attrs={"units": "V"})
    lazily = cube.chunk({"row": 2, "column": 4})
    wanted = fit_batch(DECAY, cube, x=cube.x, covar=True, **START)
    found = fit_batch(DECAY, lazily, x=lazily.x, covar=True, **START)
    assert "not computed" in repr(found)
    assert found.values["tau"].chunks == ((2, 2, 1), (4, 2))
    assert isinstance(found.success.data, da.Array)
    done = found.compute()
    for name, array in wanted.to_dict().items():
        assert done.to_dict()[name].identical(array), name
    assert done.best_fit().identical(wanted.best_fit())
    made = lazily.gslfit.fit("x", DECAY, **START)
    assert made.tau.chunks == ((2, 2, 1), (4, 2))
    assert made.compute().identical(cube.gslfit.fit("x", DECAY, **START))
    assert made.attrs == {"units": "V"}
    turned = fit_batch(DECAY, lazily.transpose("x", "row", "column"), x=lazily.x, yerr=xr.ones_like(lazily)*.5, **START)
    same(turned.compute(), fit_batch(DECAY, cube, x=cube.x, yerr=.5, **START))
    assert fit_batch(DECAY, lazily, x=lazily.x, keep_data=False, **START).compute().to_xarray().tau.identical(wanted.to_xarray().tau)
    with pytest.raises(InputError, match=r"axis 'x' of y, which is in 3 chunks, and one is needed: y.chunk\({'x': -1}\)"):
        fit_batch(DECAY, lazily.chunk({"x": 10}), x=lazily.x, **START)


def test_pickles():
    """A lazy result and a computed one can be pickled: what a task is goes to other processes."""
    y = da.from_array(curves(4, 6), chunks=(2, 6, N))
    for call in CALLS.values():
        lazy = call(y)
        wanted = lazy.compute()
        same(pickle.loads(pickle.dumps(lazy)).compute(), wanted)
        same(pickle.loads(pickle.dumps(wanted)), wanted)


def test_a_thread_each():
    """A task runs in one thread, since as many tasks run as there are cores; what the caller says goes."""
    for threads, most in ((None, 1), (2, 2)):
        y = da.from_array(np.ones((4000, N)) + X, chunks=(4000, N))
        lazy = fit_batch("a + b*x", y, x=X, a=1.0, b=.5, threads=threads)
        assert lazy.task.fit.options.threads == most
    assert Model("a + b*x").fit_batch(y, x=X, a=1.0, b=.5).task.fit.options["threads"] == 1


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="the peak of memory is read from /proc")
@pytest.mark.slow
def test_memory():
    """A lazy array of 4 GB is fitted within 500 MB."""
    code = """
import dask, dask.array as da, numpy as np
from gslfit import fit_batch
x = np.linspace(0, 5, 100, dtype="f4")
def block(tau):
    return 2*np.exp(-x/tau)
rows = 10_000_000
y = da.linspace(1, 2, rows, chunks=100_000, dtype="f4")[:, None].map_blocks(block, chunks=((100_000,)*(rows//100_000), (100,)), dtype="f4")
assert y.nbytes == 4_000_000_000
with dask.config.set(scheduler="threads", num_workers=2):
    found = fit_batch("A*exp(-x/tau)", y, x=x, A=2.0, tau=1.4)
    bad = (~found.success).sum().compute()
assert bad == 0
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=500)
    assert int(done.stdout) < 500_000


@pytest.mark.slow
def test_a_killed_worker():
    """On distributed processes a worker that is killed costs its chunks only."""
    distributed = pytest.importorskip("distributed")
    y = curves(40_000)
    wanted = fit_batch(DECAY, y, x=X, **START)
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster, \
            distributed.Client(cluster) as client:
        same(fit_batch(DECAY, da.from_array(y[:2000], chunks=(500, N)), x=X, **START).compute(), fit_batch(DECAY, y[:2000], x=X, **START))

        def slowly(block):
            time.sleep(.25)
            return block
        lazy = fit_batch(DECAY, da.from_array(y, chunks=(1000, N)).map_blocks(slowly, dtype=float), x=X, **START)
        victim, _ = client.run(os.getpid).values()
        killer = threading.Timer(2.5, os.kill, (victim, signal.SIGKILL))
        killer.start()
        found = lazy.compute()
        killer.join()
        assert victim not in client.run(os.getpid).values()
    same(found, wanted)
