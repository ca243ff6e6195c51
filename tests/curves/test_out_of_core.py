"""Data that lie in a file are read by blocks, and results written as they come are those of memory, bit for bit."""
import os
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest

from gslfit import BatchResult, FitStatus, Model, fit_batch
from gslfit.curves.store import specs
from gslfit.data import stored
from gslfit.errors import InputError, NonFiniteError
from gslfit.models import GaussianModel

N = 20
X = np.linspace(0, 5, N)
DECAY = "A*exp(-x/tau) + c"
START = {"A": 1.0, "tau": 1.0, "c": 0.0}


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks of few fits, so that a small batch has many."""
    monkeypatch.setattr(stored, "NUMBERS", 7*N)


def curves(*shape, seed=1):
    """Return noisy decays, (*shape, N), one of which has a NaN."""
    rng = np.random.default_rng(seed)
    amplitude, tau = rng.uniform(1, 3, (*shape, 1)), rng.uniform(.5, 2, (*shape, 1))
    y = amplitude*np.exp(-X/tau) + .3 + rng.normal(0, .02, (*shape, N))
    y.reshape(-1, N)[3, 5] = np.nan
    return y


def same(found, wanted):
    """Compare all arrays of two results bit for bit."""
    assert isinstance(found, BatchResult)
    assert (found.names, found.shape, list(found.values)) == (wanted.names, wanted.shape, list(wanted.values))
    for name, array in wanted.to_dict().items():
        np.testing.assert_array_equal(np.asarray(found.to_dict()[name]), array, err_msg=name)


def as_memmap(y, where):
    np.save(where/"y.npy", y)
    return np.load(where/"y.npy", mmap_mode="r")


def as_h5py(y, where, chunks=True):
    h5py = pytest.importorskip("h5py")
    return h5py.File(where/"y.h5", "w").create_dataset("y", data=y, chunks=chunks)


def as_zarr(y, where, chunks=None):
    zarr = pytest.importorskip("zarr")
    array = zarr.create_array(where/"y.zarr", shape=y.shape, dtype=y.dtype, chunks=chunks or (*(min(3, size) for size in y.shape[:-1]), 11))
    array[...] = y
    return array


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("container", [as_memmap, as_h5py, as_zarr])
@pytest.mark.parametrize("call", ["formula", "linear", "model", "callable"])
def test_of_a_file_as_of_memory(container, call, tmp_path):
    """A file gives what an array in memory gives, single fits and all."""
    y = curves(4, 6)
    fits = {"formula": lambda y: fit_batch(DECAY, y, x=X, covar=True, **START), "linear": lambda y: fit_batch(DECAY, y, x=X, tau=1.0),
            "model": lambda y: Model(DECAY).fit_batch(y, x=X, **START),
            "callable": lambda y: fit_batch(lambda x, A, tau: A*np.exp(-x/tau) if np.all(tau) else x, y[:1, :3], x=X, A=1.0, tau=1.0)}
    if call == "callable":
        with pytest.warns(match="call Python"):
            found, wanted = fits[call](container(y, tmp_path)), fits[call](y)
    else:
        found, wanted = fits[call](container(y, tmp_path)), fits[call](y)
    same(found, wanted)
    assert found.success.sum() == found.status.size - (call != "callable")
    np.testing.assert_array_equal(found[0, 1].residual, wanted[0, 1].residual)
    np.testing.assert_array_equal(found.eval_uncertainty(), wanted.eval_uncertainty())
    assert found[0, 1].init_values == wanted[0, 1].init_values


@pytest.mark.usefixtures("small_blocks")
def test_guesses_of_a_file(tmp_path):
    """A model's guesses are made block by block, and are those of memory."""
    centres = np.random.default_rng(4).uniform(1, 4, (40, 1))
    y = 3*np.exp(-(X - centres)**2/.5) + np.random.default_rng(5).normal(0, .02, (40, N))
    model = GaussianModel()
    found, wanted = model.fit_batch(as_memmap(y, tmp_path), x=X), model.fit_batch(y, x=X)
    same(found, wanted)
    assert found.success.all()


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("container", [as_memmap, as_h5py, as_zarr])
def test_any_axis(container, tmp_path):
    """The points may lie along any axes of a file."""
    y = np.moveaxis(curves(5, 6), -1, 0)
    same(fit_batch(DECAY, container(y, tmp_path), x=X, axis=0, **START), fit_batch(DECAY, y, x=X, axis=0, **START))


@pytest.mark.usefixtures("small_blocks")
def test_beside(tmp_path):
    """Start values, x, errors and masks of each fit go with their block, in memory or in a file."""
    y = curves(5, 6)
    rng = np.random.default_rng(2)
    beside = {"x": X + rng.uniform(0, .01, (5, 6, 1)), "yerr": rng.uniform(.01, .03, y.shape), "mask": rng.random(y.shape) < .1,
              "A": rng.uniform(1, 3, (5, 6)), "tau": 1.0, "c": .3}
    wanted = fit_batch(DECAY, y, **beside)
    folders = [tmp_path/name for name in ("y", "yerr", "mask")]
    for folder in folders:
        folder.mkdir()
    same(fit_batch(DECAY, as_memmap(y, folders[0]), **beside), wanted)
    in_files = {"yerr": as_memmap(beside["yerr"], folders[1]), "mask": as_memmap(beside["mask"], folders[2])}
    same(fit_batch(DECAY, y, **{**beside, **in_files}), wanted)


@pytest.mark.usefixtures("small_blocks")
def test_places_in_errors(tmp_path):
    """An error names a fit by its place in the whole, not in its block."""
    y = curves(5, 6)
    y[0, 3, 5], y[3, 4, 2] = .5, np.inf
    with pytest.raises(NonFiniteError, match=r"fit \(3, 4\), point 2"):
        fit_batch(DECAY, as_memmap(y, tmp_path), x=X, nan_policy="raise", **START)
    errors = np.ones(y.shape)
    errors[3, 4, 7] = -1
    with pytest.raises(InputError, match=r"yerr\[3, 4, 7\] is -1"):
        fit_batch(DECAY, as_memmap(y, tmp_path), x=X, yerr=errors, **START)


@pytest.mark.usefixtures("small_blocks")
def test_by_chunks():
    """A chunk of a file is read once, whole chunks at a time, and never more than a block."""
    read = []

    class Chunked:
        shape, ndim, dtype, chunks = (8, 9, N), 3, np.dtype(float), (2, 4, N)

        def __getitem__(self, index):
            read.append(index)
            return data[index]
    data = curves(8, 9)
    same(fit_batch(DECAY, Chunked(), x=X, **START), fit_batch(DECAY, data, x=X, **START))
    assert len(read) == 4*3
    assert all(index[0].start % 2 == 0 and index[1].start % 4 == 0 for index in read)


@pytest.mark.parametrize(("shape", "n", "chunks", "block"), [
    ((1000, 1000), 2000, None, (1, 1000)), ((10, 5000), 2000, None, (1, 1000)), ((6,), 10**7, None, (1,)), ((), 10, None, ()),
    ((512, 512), 1000, (64, 64), (64, 64)), ((512, 512), 10, (64, 64), (384, 512)), ((0, 3), 5, None, (1, 3)), ((3, 3), 5, (9, 9), (3, 3))])
def test_shape_of_blocks(shape, n, chunks, block):
    """Blocks are whole chunks, grown from the last axis on up to two million numbers."""
    assert stored.blocks_of(shape, n, chunks) == block


OUTS = {"folder": lambda where, wanted: where/"out", "zarr": lambda where, wanted: str(where/"out.zarr"),
        "dict": lambda where, wanted: {name: np.empty_like(array) for name, array in wanted.to_dict().items()}}


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("kind", OUTS)
@pytest.mark.parametrize(("shape", "covar"), [((5, 6), False), ((5, 6), True), ((30,), True)])
def test_out(kind, shape, covar, tmp_path):
    """What is written is what a call without out= returns, and single fits come from it."""
    if kind == "zarr":
        pytest.importorskip("zarr")
    y = curves(*shape)
    wanted = fit_batch(DECAY, y, x=X, covar=covar, **START)
    out = OUTS[kind](tmp_path, wanted)
    found = fit_batch(DECAY, y, x=X, covar=covar, out=out, **START)
    same(found, wanted)
    assert found.summary() == wanted.summary()
    assert repr(found) == repr(wanted)
    assert len(found) == len(wanted) == 30
    assert found[15].params["tau"].stderr == wanted[15].params["tau"].stderr
    np.testing.assert_array_equal(found.best_fit(), wanted.best_fit())
    if kind == "folder":
        np.testing.assert_array_equal(np.load(tmp_path/"out"/"tau_stderr.npy"), wanted.stderr["tau"])
        assert sorted(path.stem for path in out.glob("*.npy")) == sorted(wanted.to_dict())
    if kind == "dict":
        assert found.values["tau"] is out["tau"]


def test_names_of_arrays():
    """The arrays of out= are those of to_dict(), of the same types."""
    result = fit_batch(DECAY, curves(2, 3), x=X, covar=True, **START)
    wanted = {name: (array.dtype, array.shape) for name, array in result.to_dict().items()}
    assert specs(list(result.values), result.names, result.shape, True) == wanted


class _Stop(Exception):
    pass


def stopping(after, error=_Stop):
    """Return a progress function that raises once so many fits are done."""
    def progress(count):
        if count >= after:
            raise error
    return progress


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("kind", ["folder", "zarr", "group"])
def test_resume(kind, tmp_path):
    """A batch that was broken off is gone on with: fits that have run are not run again, and all are as in one go."""
    y = curves(5, 6)
    wanted = fit_batch(DECAY, y, x=X, **START)
    if kind != "folder":
        zarr = pytest.importorskip("zarr")
    out = tmp_path/("out" if kind == "folder" else "out.zarr")
    if kind == "group":
        out = zarr.create_group(tmp_path/"group")
        for name, array in wanted.to_dict().items():
            out.create_array(name, shape=array.shape, dtype=array.dtype)
    with pytest.raises(_Stop):
        fit_batch(DECAY, y, x=X, out=out, progress=stopping(16), **START)
    told = []
    found = fit_batch(DECAY, y, x=X, out=out, resume=True, progress=told.append, **START)
    same(found, wanted)
    assert told[0] in (6, 12)
    assert told[-1] == 30
    fit_batch(DECAY, y, x=X, out=out, resume=True, progress=stopping(31), **START)     # nothing left


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize(("part", "changed"), [
    ("shape", {"y": curves(5, 7)}), ("data", {"y": curves(5, 6, seed=9)}), ("dtype", {"y": curves(5, 6).astype("f4")}),
    ("formula", {"formula": "A*exp(-x/tau) + c*x"}), ("formula", {"formula": lambda x, A, tau, c: A*np.exp(-x/tau) + c}),
    ("options", {"xtol": 1e-6}), ("start", {"A": 2.0}), ("independent variable", {"x": X*2}), ("weights", {"yerr": .1}),
    ("mask", {"mask": X > 4})])
def test_another_batch_is_not_resumed(part, changed, tmp_path):
    """Results of another batch are left alone, and the error names what differs."""
    def fit(formula=DECAY, y=None, x=X, **more):
        return fit_batch(formula, curves(5, 6) if y is None else y, x=x, out=tmp_path/"out", **{**START, **more})
    wanted = fit()
    with pytest.raises(InputError, match="resume=True goes on with it"):
        fit()
    with pytest.raises(InputError, match=f"differ in their {part}"):
        fit(**changed, resume=True)
    same(fit(resume=True), wanted)


def test_another_large_batch_is_not_resumed(tmp_path):
    """Arrays of many numbers are told apart by some of their fits: other data are refused, the same go on."""
    y = curves(100_001//N + 1)
    wanted = fit_batch(DECAY, y, x=X, out=tmp_path/"out", **START)
    with pytest.raises(InputError, match="differ in their data"):
        fit_batch(DECAY, y + .01, x=X, out=tmp_path/"out", resume=True, **START)
    same(fit_batch(DECAY, y, x=X, out=tmp_path/"out", resume=True, **START), wanted)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.filterwarnings("ignore:the fits call Python")
@pytest.mark.parametrize("kind", [None, "folder", "zarr"])
@pytest.mark.parametrize("formula", [DECAY, lambda x, A, tau, c: A*np.exp(-x/tau) + c if np.all(tau) else x])
def test_partial(kind, formula, tmp_path):
    """Interrupted, on_interrupt="partial" returns what is done; the rest is not run, and NaN."""
    if kind == "zarr":
        pytest.importorskip("zarr")
    y = curves(5, 6)
    keywords = {"x": X, "out": None if kind is None else tmp_path/("out.zarr" if kind == "zarr" else "out"), **START}
    wanted = fit_batch(DECAY, y, x=X, **START)
    found = fit_batch(formula, y, progress=stopping(8, KeyboardInterrupt), on_interrupt="partial", **keywords)
    done = np.asarray(found.status) != FitStatus.NOT_RUN
    assert 6 <= done.sum() < 30
    assert np.isnan(np.asarray(found.values["tau"])[~done]).all() and np.isnan(np.asarray(found.chisqr)[~done]).all()
    np.testing.assert_allclose(np.asarray(found.values["tau"])[done], wanted.values["tau"][done], rtol=1e-6)
    if kind is not None:
        resumed = fit_batch(formula, y, resume=True, **keywords)
        assert (np.asarray(resumed.status) != FitStatus.NOT_RUN).all()
    with pytest.raises(KeyboardInterrupt):
        fit_batch(formula, y, x=X, progress=stopping(8, KeyboardInterrupt), **START)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.filterwarnings("ignore:the fits call Python")
@pytest.mark.parametrize("formula", [DECAY, lambda x, A, tau, c: A*np.exp(-x/tau) + c if np.all(tau) else x])
def test_interrupted_with_the_last_fit_of_a_block(formula):
    """What was done is kept to the last fit, and no further block begins."""
    told = []

    def progress(count):
        told.append(count)
        if count >= 6:
            raise KeyboardInterrupt
    found = fit_batch(formula, curves(5, 6), x=X, progress=progress, on_interrupt="partial", **START)
    done = found.status != FitStatus.NOT_RUN
    assert told[-1] == 6
    assert done.tolist() == [[True]*6] + [[False]*6]*4
    wanted = fit_batch(DECAY, curves(5, 6), x=X, **START)
    np.testing.assert_allclose(found.values["tau"][done], wanted.values["tau"][done], rtol=1e-6)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("name", ["A", "status"])
def test_interrupted_while_written(name):
    """A block whose writing is interrupted is written whole: its statuses never stand beside numbers that aren't there."""
    y = curves(5, 6)
    wanted = fit_batch(DECAY, y, x=X, **START)

    class Once(np.ndarray):
        """An array whose second writing is interrupted."""

        writings = 0

        def __setitem__(self, index, value):
            Once.writings += 1
            if Once.writings == 3:
                raise KeyboardInterrupt
            super().__setitem__(index, value)

    out = {each: np.empty_like(array) for each, array in wanted.to_dict().items()}
    out[name] = out[name].view(Once)
    found = fit_batch(DECAY, y, x=X, out=out, on_interrupt="partial", **START)
    done = np.asarray(found.status) != FitStatus.NOT_RUN
    assert done.any(axis=1).tolist() == done.all(axis=1).tolist()
    assert 0 < done.sum() < 30
    for each, array in wanted.to_dict().items():
        np.testing.assert_array_equal(np.asarray(out[each])[done], array[done], err_msg=each)
    assert np.isnan(np.asarray(out["tau"])[~done]).all()


@pytest.mark.parametrize(("given", "message"), [
    ({"resume": True}, "there is no out="), ({"out": "r.npz"}, "zarr store"), ({"out": 3}, "out must be a path"),
    ({"out": {}}, "out has no array 'A'"), ({"on_interrupt": "stop"}, "on_interrupt")])
def test_bad_words(given, message):
    """What out= and its kin can't be is said in one line."""
    with pytest.raises((InputError, TypeError), match=message) as error:
        fit_batch(DECAY, curves(2, 3), x=X, **given, **START)
    assert "\n" not in str(error.value)


def test_arrays_of_another_shape():
    """An array of out= that has another shape, or can't hold the numbers, is named."""
    wanted = fit_batch(DECAY, curves(2, 3), x=X, **START).to_dict()
    for array, message in ((np.empty(5), r"has the shape \(5,\)"), (np.empty((2, 3), int), "has the dtype int64")):
        with pytest.raises(InputError, match=r"out\['tau'\] " + message):
            fit_batch(DECAY, curves(2, 3), x=X, out={**wanted, "tau": array}, **START)


def test_a_name_twice():
    """A parameter that is called as a statistic has no place in out=."""
    with pytest.raises(InputError, match="called 'chisqr'"):
        fit_batch("chisqr*x", curves(2, 3), x=X, out={}, start={"chisqr": 1.0})


def test_without_data():
    """keep_data=False: the pickle has no curves; the numbers are there, and fits one by one, without residuals."""
    import pickle
    y = curves(300, 6)
    whole, found = fit_batch(DECAY, y, x=X, **START), fit_batch(DECAY, y, x=X, keep_data=False, **START)
    same(found, whole)
    assert len(pickle.dumps(found)) < len(pickle.dumps(whole)) - y.nbytes + 1000
    again = pickle.loads(pickle.dumps(found))
    same(again, whole)
    assert again[2, 3].params["tau"].value == whole.values["tau"][2, 3]
    assert again[2, 3].residual.size == 0
    np.testing.assert_array_equal(again.best_fit((2, 3)), whole.best_fit((2, 3)))
    assert Model(DECAY).fit_batch(y, x=X, keep_data=False, **START).data.y is None


FITS = """
import sys, numpy as np
from gslfit import fit_batch
from gslfit.data import stored
stored.NUMBERS = 4000*80
y = np.load(sys.argv[1], mmap_mode="r")
fit_batch("A*exp(-x/tau) + c", y, x=np.linspace(0, 5, 80), A=1.0, tau=1.0, c=0.0, out=sys.argv[2], resume=True, threads=1,
          progress=lambda count: print(count, flush=True))
"""


@pytest.mark.parametrize("suffix", ["", pytest.param(".zarr", marks=pytest.mark.slow)])
def test_killed_and_resumed(suffix, tmp_path):
    """A process that is killed at random moments, and resumed, ends with the bits of one that is not."""
    if suffix:
        pytest.importorskip("zarr")
    rng = np.random.default_rng(3)
    y = rng.uniform(1, 3, (60_000, 1))*np.exp(-np.linspace(0, 5, 80)/rng.uniform(.5, 2, (60_000, 1))) + rng.normal(0, .02, (60_000, 80))
    np.save(tmp_path/"y.npy", y.astype("f4"))
    wanted = fit_batch("A*exp(-x/tau) + c", y.astype("f4"), x=np.linspace(0, 5, 80), **START)
    out, kills = tmp_path/f"out{suffix}", 0
    for wait in rng.uniform(0, .15, 4):
        job = subprocess.Popen([sys.executable, "-c", textwrap.dedent(FITS), tmp_path/"y.npy", out], stdout=subprocess.PIPE, text=True)
        job.stdout.readline()       # the first fits are done
        time.sleep(wait)
        job.send_signal(signal.SIGKILL)
        kills += job.wait() == -signal.SIGKILL
        job.stdout.close()
    assert kills
    subprocess.run([sys.executable, "-c", textwrap.dedent(FITS), tmp_path/"y.npy", out], check=True, stdout=subprocess.DEVNULL)
    if suffix:
        import zarr
        group = zarr.open_group(out, mode="r")
        arrays = {name: group[name][...] for name in wanted.to_dict()}
    else:
        arrays = {name: np.load(out/f"{name}.npy") for name in wanted.to_dict()}
    for name, array in wanted.to_dict().items():
        np.testing.assert_array_equal(arrays[name], array, err_msg=name)


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="the peak of memory is read from /proc")
def test_memory_of_a_map(tmp_path):
    """A file larger than the limit is fitted within it: what has been read is given back."""
    y = np.lib.format.open_memmap(tmp_path/"y.npy", "w+", np.float32, (2_000_000, 40))
    y[:] = 2*np.exp(-np.linspace(0, 5, 40)/1.5, dtype=np.float32)
    del y
    code = """
import sys, numpy as np
from gslfit import fit_batch
peak = lambda: int(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
x = np.linspace(0, 5, 40)
fit_batch("A*exp(-x/tau)", np.ones((100, 40)), x=x, A=2.0, tau=1.4)
before = peak()
result = fit_batch("A*exp(-x/tau)", np.load(sys.argv[1], mmap_mode="r"), x=x, A=2.0, tau=1.4, out=sys.argv[2])
print(peak() - before)
assert result.success.all()
"""
    done = subprocess.run([sys.executable, "-c", code, tmp_path/"y.npy", tmp_path/"out"], check=True, capture_output=True, text=True)
    assert int(done.stdout) < 100_000       # kB, of a file of 320,000
