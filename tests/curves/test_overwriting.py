"""out= overwrites nothing that no batch has written, and what can't be written or called is refused before a file is made."""
import os
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import gslfit
from gslfit import Model, fit_batch
from gslfit.errors import InputError

T = np.arange(0, 20, .5)
DECAY = "A*exp(-t/tau) + c"
Y = 100*np.exp(-T/3) + 10 + np.zeros((5, T.size))
X = np.arange(10.)


def bytes_of(folder):
    """Return the contents of all files below a folder, by their paths."""
    return {path.relative_to(folder): path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}


@pytest.fixture
def data(tmp_path, monkeypatch):
    """Return a memory map of data in the current folder, where another array has the name of a result's."""
    monkeypatch.chdir(tmp_path)
    np.save("A.npy", Y)
    np.save("chisqr.npy", np.arange(7.))
    return np.load("A.npy", mmap_mode="r")


FITS = {"formula": partial(fit_batch, DECAY), "model": Model(DECAY, independent_vars=["t"]).fit_batch}


@pytest.mark.parametrize("fit", FITS.values(), ids=FITS)
@pytest.mark.parametrize("resume", [False, True])
def test_files_of_a_folder_are_kept(fit, resume, data, tmp_path):
    """The data themselves, and other arrays of the folder, are named and not touched; another folder is the remedy."""
    before = bytes_of(tmp_path)
    with pytest.raises(InputError, match=r"out= would overwrite 'A.npy' and 1 more, .*: name another folder"):
        fit(data, t=T, tau=2.0, out=".", resume=resume)
    assert bytes_of(tmp_path) == before
    assert np.allclose(fit(data, t=T, tau=2.0, out="results", resume=resume).values["tau"], 3)
    Path("empty").mkdir()
    os.symlink("nowhere", "empty/tau.npy")
    with pytest.raises(InputError, match=r"overwrite 'empty/tau.npy', and"):
        fit(data, t=T, tau=2.0, out="empty")


def test_what_is_beside_is_kept(data, tmp_path):
    """A folder that holds other files takes results, and keeps them."""
    Path("mine").mkdir()
    np.save("mine/raw.npy", Y)
    fit_batch(DECAY, data, t=T, tau=2.0, out="mine")
    assert np.array_equal(np.load("mine/raw.npy"), Y)
    assert np.allclose(np.load("mine/tau.npy"), 3)


@pytest.mark.parametrize("kind", ["group", "array", "folder", "file"])
def test_zarr_stores_are_kept(kind, data, tmp_path):
    """So are arrays of a zarr store, an array that is itself the store, what lies in a folder of that name, and a file."""
    zarr = pytest.importorskip("zarr")
    if kind == "group":
        zarr.open_group("y.zarr", mode="w").create_array("A", shape=Y.shape, dtype=float)[...] = Y
    elif kind == "array":
        zarr.create_array("y.zarr", shape=Y.shape, dtype=float)[...] = Y
    elif kind == "folder":
        Path("y.zarr/tau").mkdir(parents=True)
        np.save("y.zarr/tau/mine.npy", Y)
    else:
        Path("y.zarr").write_text("mine")
    before = bytes_of(tmp_path)
    with pytest.raises(InputError, match="out= would overwrite 'y.zarr"):
        fit_batch(DECAY, data, t=T, tau=2.0, out="y.zarr")
    assert bytes_of(tmp_path) == before


def test_other_arrays_of_a_store_are_kept(data):
    """A group that holds other arrays takes results, and is gone on with."""
    zarr = pytest.importorskip("zarr")
    zarr.open_group("y.zarr", mode="w").create_array("raw", shape=Y.shape, dtype=float)[...] = Y
    source = zarr.open_group("y.zarr", mode="r")["raw"]
    wanted = fit_batch(DECAY, source, t=T, tau=2.0, out="y.zarr").to_dict()
    again = fit_batch(DECAY, source, t=T, tau=2.0, out="y.zarr", resume=True).to_dict()
    assert np.array_equal(source[...], Y)
    for name, array in wanted.items():
        assert np.array_equal(np.asarray(again[name]), np.asarray(array)), name


@pytest.mark.parametrize("text", ["[1]", "xx{", ""])
def test_another_head(text, data):
    """A gslfit.json that is none of a batch's is named, whether results are to be gone on with or not."""
    Path("own").mkdir()
    Path("own/gslfit.json").write_text(text)
    for resume in (False, True):
        with pytest.raises(InputError, match="own/gslfit.json' is damaged, or none of gslfit's"):
            fit_batch(DECAY, data, t=T, tau=2.0, out="own", resume=resume)
    assert Path("own/gslfit.json").read_text() == text


def read_only(arrays, where):
    """Return the same arrays, one of them in a way that can't be written to: of NumPy, and in files."""
    yield {**arrays, "a": np.frombuffer(arrays["a"].tobytes())}
    h5py, zarr = pytest.importorskip("h5py"), pytest.importorskip("zarr")
    with h5py.File(where/"r.h5", "w") as file:
        for name, array in arrays.items():
            file[name] = array
    with h5py.File(where/"r.h5", "r") as file:
        yield file
    group = zarr.open_group(where/"r.zarr", mode="w")
    for name, array in arrays.items():
        group.create_array(name, data=np.asarray(array))
    yield zarr.open_group(where/"r.zarr", mode="r")


def test_arrays_that_can_only_be_read(tmp_path):
    """One of them is named, before a fit is run."""
    arrays = {name: np.array(array) for name, array in fit_batch("a*x", [X, X], x=X).to_dict().items()}
    for out in read_only(arrays, tmp_path):
        with pytest.raises(InputError, match=r"out\['a'\] can be read only"):
            fit_batch("a*x", [X, X], x=X, out=out)


def test_arrays_that_are_one():
    """An array that stands for two is named; fields of one structured array are arrays of their own."""
    wanted = fit_batch("a*x", [X, 2*X], x=X).to_dict()
    arrays = {name: np.array(array) for name, array in wanted.items()}
    with pytest.raises(InputError, match=r"out\['a_stderr'\] and out\['a'\] are the same array"):
        fit_batch("a*x", [X, 2*X], x=X, out={**arrays, "a_stderr": arrays["a"][:]})
    table = np.zeros(2, [(name, array.dtype) for name, array in wanted.items()])
    fit_batch("a*x", [X, 2*X], x=X, out={name: table[name] for name in wanted})
    for name, array in wanted.items():
        assert np.array_equal(table[name], array), name


def called(x, a):
    """Return a line, by way of what can't be traced."""
    return a*np.array([float(each) for each in x])


ENTRIES = {
    "compiled": lambda **how: fit_batch("a*x", [X, X], x=X, **how),
    "called": lambda **how: fit_batch(called, [X, X], x=X, a=1.0, **how),
    "model": lambda **how: Model("a*x").fit_batch([X, X], x=X, **how),
    "partial": lambda **how: fit_batch("a*x", [X, X], x=X, on_interrupt="partial", **how),
    "bootstrap": lambda **how: gslfit.fit("a*x", X + np.sin(9*X), x=X).bootstrap(50, **how),
    "jackknife": lambda **how: gslfit.fit("a*x", X + np.sin(9*X), x=X).jackknife(**how),
    "intervals": lambda **how: fit_batch("a*x", [X + np.sin(9*X)]*2, x=X).conf_interval(**how)}


@pytest.mark.filterwarnings("ignore:the fits call Python")
@pytest.mark.parametrize("entry", ENTRIES)
def test_progress(entry):
    """Progress is True, False or a function, by every entry; NumPy's booleans are booleans."""
    for wrong in (3, 0, "yes", []):
        with pytest.raises(InputError, match="progress must be True, False or a function"):
            ENTRIES[entry](progress=wrong)
    told = []
    ENTRIES[entry](progress=told.append)
    assert told and told == sorted(told)
    for none in (False, np.False_, None):
        ENTRIES[entry](progress=none)


def test_progress_is_looked_at_before_files_are_made(data):
    """A call that is refused leaves no folder behind."""
    with pytest.raises(InputError, match="progress must be"):
        fit_batch(DECAY, data, t=T, tau=2.0, out="results", progress=3)
    assert not Path("results").exists()
