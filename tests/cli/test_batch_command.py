"""``gslfit batch``: every kind of file gives the numbers of `fit_batch`; killed, it resumes with the same bits."""
import csv
import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import gslfit
from gslfit.cli.app import run
from gslfit.cli.arrays import NpyArray, open_array
from gslfit.data.stored import stored

MODEL = "A*exp(-x/tau) + c"
X = np.linspace(0, 5, 30)
RNG = np.random.default_rng(5)
CUBE = 2*np.exp(-X/RNG.uniform(0.8, 2, (12, 9, 1))) + 0.1 + RNG.normal(0, 0.01, (12, 9, X.size))
FIT = ["--model", MODEL, "--start", "tau=1"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Return the current folder, with the data as ``.npy``."""
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", X)
    np.save("cube.npy", CUBE)
    np.save("movie.npy", np.ascontiguousarray(np.moveaxis(CUBE, -1, 0)))
    return tmp_path


def unbroken(along_first=False, **more):
    """Return what the library says of the data, the points along their last axis or, as in a movie, their first."""
    data, axis = (np.ascontiguousarray(np.moveaxis(CUBE, -1, 0)), 0) if along_first else (CUBE, -1)
    return gslfit.Model(MODEL).fit_batch(data, gslfit.Model(MODEL).make_params(tau=1), x=X, axis=axis, **more)


def write_h5(name):
    """Write the data as HDF5, with a group."""
    h5py = pytest.importorskip("h5py")
    with h5py.File(name, "w") as file:
        file["entry/y"], file["x"] = CUBE, X


def write_zarr(name):
    """Write the data as a zarr array of several chunks."""
    zarr = pytest.importorskip("zarr")
    zarr.open(name, mode="w", shape=CUBE.shape, chunks=(5, 9, 30), dtype="f8")[...] = CUBE


def write_netcdf(name):
    """Write the data as netCDF-3."""
    from scipy.io import netcdf_file
    with netcdf_file(name, "w") as file:
        for dim, size in zip("rct", CUBE.shape, strict=True):
            file.createDimension(dim, size)
        file.createVariable("y", "f8", tuple("rct"))[:] = CUBE
        file.createVariable("t", "f8", ("t",))[:] = X


def write_zarr_group(name):
    """Write the data and their axis as arrays of a zarr group."""
    zarr = pytest.importorskip("zarr")
    group = zarr.open_group(name, mode="w")
    group.create_array("y", shape=CUBE.shape, chunks=(4, 3, 30), dtype="f8")[...] = CUBE
    group.create_array("axes/t", shape=X.shape, dtype="f8")[...] = X


def write_packed(name):
    """Write the data as HDF5 with the attributes of packed numbers, by a scale that loses nothing."""
    h5py = pytest.importorskip("h5py")
    with h5py.File(name, "w") as file:
        file["y"], file["t"] = CUBE*4, X
        file["y"].attrs.update(scale_factor=0.25, _FillValue=-999.0)


def write_pages(name):
    """Write the data as a TIFF file of images that were written one by one."""
    tifffile = pytest.importorskip("tifffile")
    with tifffile.TiffWriter(name) as file:
        for image in np.moveaxis(CUBE, -1, 0):
            file.write(image.astype("f8"), contiguous=False)


def write_tiff(name, **more):
    """Write the data as a stack of images."""
    pytest.importorskip("tifffile").imwrite(name, np.moveaxis(CUBE, -1, 0).astype("f8"), **more)


KINDS = {
    ".npy": (None, ["cube.npy", "--x", "x.npy"]),
    ".npz": (lambda: np.savez("both.npz", y=CUBE, x=X), ["both.npz:y", "--x", "both.npz:x"]),
    "HDF5": (lambda: write_h5("both.h5"), ["both.h5", "--x", "both.h5:x"]),
    "HDF5 by name": (lambda: write_h5("both.h5"), ["both.h5:/entry/y", "--x", "both.h5:x"]),
    "zarr": (lambda: write_zarr("cube.zarr"), ["cube.zarr", "--x", "x.npy"]),
    "netCDF-4, packed": (lambda: write_packed("packed.nc"), ["packed.nc", "--x", "packed.nc:t"]),
    ".npz by its shape": (lambda: np.savez_compressed("both.npz", x=X, y=CUBE), ["both.npz", "--x", "both.npz:x"]),
    "zarr group": (lambda: write_zarr_group("group.zarr"), ["group.zarr", "--x", "group.zarr:axes/t"]),
    "Fortran's order": (lambda: np.save("fortran.npy", np.asfortranarray(CUBE)), ["fortran.npy", "--x", "x.npy"]),
    "big-endian": (lambda: np.save("big.npy", CUBE.astype(">f8")), ["big.npy", "--x", "x.npy"]),
    "x of a text file": (lambda: np.savetxt("x.csv", X, fmt="%.17g"), ["cube.npy", "--x", "x.csv"]),
    "x of a column": (lambda: np.savetxt("two.csv", np.column_stack([X, X]), fmt="%.17g", delimiter=",", header="t,u"),
                      ["cube.npy", "--x", "two.csv:t"]),
    "netCDF": (lambda: write_netcdf("cube.nc"), ["cube.nc", "--x", "cube.nc:t"]),
    "TIFF": (lambda: write_tiff("movie.tif"), ["movie.tif", "--x", "x.npy", "--axis", "0"]),
    "TIFF compressed": (lambda: write_tiff("movie.tif", compression="zlib"), ["movie.tif", "--x", "x.npy", "--axis", "0"]),
    "TIFF of single pages": (lambda: write_pages("movie.tif"), ["movie.tif", "--x", "x.npy", "--axis", "0"]),
    "another axis": (None, ["movie.npy", "--x", "x.npy", "--axis", "0"]),
    "an axis from the end": (None, ["movie.npy", "--x", "x.npy", "--axis", "-3"]),
}


@pytest.mark.parametrize("kind", KINDS)
def test_kinds_of_files(kind, folder, capsys):
    """Each kind of file gives the bits of arrays in memory."""
    write, args = KINDS[kind]
    if write is not None:
        write()
    assert run(["batch", *args, *FIT, "--out", "found.npz"]) == 0, capsys.readouterr().err
    found, right = np.load("found.npz"), (unbroken(along_first=True) if "--axis" in args else unbroken()).to_dict()
    assert sorted(found.files) == sorted(right)
    for name in right:
        np.testing.assert_array_equal(found[name], right[name])
    assert right["status"].size == 108 and "108 fits" in capsys.readouterr().out


def test_masks_errors_and_maps(folder, capsys):
    """A mask of the batch's shape leaves fits out, one of a curve's points; errors are taken; a picture is drawn."""
    pixels, points = np.zeros((12, 9), bool), np.zeros(X.size, bool)
    pixels[0, :3] = points[4] = True
    np.save("pixels.npy", pixels)
    np.save("points.npy", points)
    np.save("err.npy", np.full(X.size, 0.01))
    movie = ["batch", "movie.npy", "--x", "x.npy", "--axis", "0", *FIT]
    assert run([*movie, "--mask", "pixels.npy", "--out", "a.npz", "--maps", "m.png"]) == 0
    assert (np.isnan(np.load("a.npz")["tau"]) == pixels).all()
    assert (folder / "m.png").read_bytes().startswith(b"\x89PNG")
    assert run([*movie, "--mask", "points.npy", "--yerr", "err.npy", "--known-errors", "--out", "b.npz"]) == 0
    right = unbroken(mask=points, yerr=0.01, scale_covar=False)
    found = np.load("b.npz")
    assert (found["ndata"] == X.size - 1).all()
    np.testing.assert_allclose(found["tau"], right.values["tau"], rtol=1e-7)
    np.testing.assert_allclose(found["tau_stderr"], right.stderr["tau"], rtol=1e-6)


def test_a_model_of_the_library_is_guessed(folder, capsys):
    """Models by name need no starts."""
    assert run(["batch", "cube.npy", "--x", "x.npy", "-m", "exponential+constant", "--out", "found.npz"]) == 0
    np.testing.assert_allclose(np.load("found.npz")["decay"], unbroken().values["tau"], rtol=1e-6)


def test_a_long_table(folder, capsys):
    """Rows of a table are curves by a column; short curves and missing values are no trouble."""
    lengths = {f"cell {k}": 30 - k for k in range(9)}
    with open("long.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["cell", "time (s)", "counts"])
        for k, (name, length) in enumerate(lengths.items()):
            writer.writerows([name, X[i], "" if (k, i) == (2, 3) else CUBE[k, 0, i]] for i in range(length))
    assert run(["batch", "long.csv", "--by", "cell", "--x", "time", "--y", "counts", *FIT, "--out", "found.csv"]) == 0
    with open("found.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["cell"] for row in rows] == list(lengths)
    for k, (row, length) in enumerate(zip(rows, lengths.values(), strict=True)):
        kept = np.array([i for i in range(length) if (k, i) != (2, 3)])
        single = gslfit.fit(MODEL, CUBE[k, 0, kept], x=X[kept], tau=1)
        assert float(row["tau"]) == pytest.approx(single.params["tau"].value, rel=1e-6)
        assert float(row["tau_stderr"]) == pytest.approx(single.params["tau"].stderr, rel=1e-4)
        assert int(row["ndata"]) == kept.size and int(row["status"]) == gslfit.FitStatus.CONVERGED


def test_a_long_table_of_uneven_curves(folder, capsys):
    """One curve that is far longer than the others would fill memory up: that is told."""
    rows = "".join(f"long,{k},{k}\n" for k in range(2000)) + "".join(f"c{k},1,2\n" for k in range(3000))
    (folder / "uneven.csv").write_text("cell,t,counts\n" + rows)
    assert run(["batch", "uneven.csv", "--by", "cell", "--x", "t", "--y", "counts", *FIT]) == 3
    assert "uneven.csv: a group has 2000 rows, and most far fewer (5000 in 3001 groups): fit the long ones" in capsys.readouterr().err


@pytest.mark.parametrize("error", [-1.0, 0.0, np.nan])
def test_errors_that_are_none_name_their_file(error, folder, capsys):
    """So do counts that are none: a batch may be of several files."""
    np.save("err.npy", np.where(np.arange(X.size) == 3, error, 0.1))
    assert run(["batch", "cube.npy", "--x", "x.npy", "--yerr", "err.npy", *FIT]) == 2
    assert capsys.readouterr().err.startswith(f"gslfit: --yerr err.npy: yerr[0, 0, 3] is {error}: standard deviations must be above 0")
    np.save("counts.npy", CUBE - 5)
    assert run(["batch", "counts.npy", "--x", "x.npy", "--loss", "poisson", *FIT]) == 2
    assert capsys.readouterr().err.startswith("gslfit: counts.npy: y is ")


def same_bits(folder, other):
    """Return whether all arrays of two folders have the same bits."""
    names = sorted(path.name for path in folder.glob("*.npy"))
    assert names == sorted(path.name for path in other.glob("*.npy")) and "status.npy" in names
    return all((folder / name).read_bytes() == (other / name).read_bytes() for name in names)


def test_killed_and_resumed(folder):
    """Killed at random moments and resumed, the bits are those of an unbroken run; another model is refused."""
    rng = np.random.default_rng(1)
    np.save("many.npy", (2*np.exp(-X/rng.uniform(0.8, 2, (400_000, 1))) + 0.1 + rng.normal(0, 0.01, (400_000, X.size))).astype("f4"))
    command = [sys.executable, "-m", "gslfit", "batch", "many.npy", "--x", "x.npy", *FIT, "--threads", "1", "--out"]
    subprocess.run([*command, "whole"], check=True, capture_output=True)
    done, draw = [], random.Random(3)
    for _ in range(3):
        with subprocess.Popen([*command, "killed", "--resume"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            began = time.monotonic()
            while process.poll() is None and time.monotonic() - began < 60:      # until something was written, and a moment more
                status = folder / "killed" / "status.npy"
                count = np.count_nonzero(np.load(status)) if status.exists() and status.stat().st_size > 400_000 else 0
                if count > (done[-1] if done else 0):
                    break
                time.sleep(0.002)
            time.sleep(draw.uniform(0, 0.02))
            if process.poll() is None:
                os.kill(process.pid, signal.SIGKILL)
        done.append(int(np.count_nonzero(np.load(folder / "killed" / "status.npy"))))
    assert 0 < done[0] < 400_000, "the first was killed neither before nor after its work"
    ended = subprocess.run([*command, "killed", "--resume"], capture_output=True, text=True)
    assert ended.returncode == 0 and "400000 fits" in ended.stdout
    assert same_bits(folder / "whole", folder / "killed")
    np.save("err.npy", np.full(X.size, 0.1))
    for more in (["--yerr", "err.npy"], ["--bound", "tau=0:"], ["--fix", "c=0"], ["--known-errors", "--yerr", "err.npy"]):
        refused = subprocess.run([*command, "killed", "--resume", *more], capture_output=True, text=True)
        assert refused.returncode == 2 and "killed was begun with differ in their" in refused.stderr
    assert same_bits(folder / "whole", folder / "killed")


@pytest.mark.parametrize("order", ["C", "F"])
def test_npy_by_slices(order, tmp_path):
    """Any part of a file is read as NumPy reads it, in either order and any byte order."""
    rng = np.random.default_rng(2)
    array = np.asarray(rng.integers(0, 1000, (5, 4, 6)), dtype=">i4", order=order)
    np.save(tmp_path / "a.npy", array)
    lazy = NpyArray(str(tmp_path / "a.npy"))
    assert (lazy.shape, lazy.dtype) == (array.shape, array.dtype)
    np.testing.assert_array_equal(lazy[...], array)
    for index in ((slice(1, 3),), (2,), (slice(None), slice(1, 2)), (slice(None), 3, slice(2, 5)), (4, slice(0, 4), 5), (slice(2, 2),),
                  (slice(None), slice(None), slice(1, None)), (-1, -2)):
        np.testing.assert_array_equal(lazy[index], array[index])


def test_packed_netcdf(tmp_path):
    """Numbers that a file holds as scaled whole ones are unpacked, and missing ones are NaN."""
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "packed.nc", "w") as file:
        file["y"] = np.array([[1, 2], [-9, 4]], "i2")
        file["y"].attrs.update(scale_factor=0.5, add_offset=1.0, _FillValue=np.int16(-9))
    packed = open_array(str(tmp_path / "packed.nc"))
    np.testing.assert_array_equal(packed[...], [[1.5, 2], [np.nan, 3]])
    assert stored(packed) is not None, "it is read by parts"


REFUSED = [
    (3, "no.npy can't be read: No such file", ["no.npy", "--x", "x.npy"]),
    (3, "both.npz holds 2 arrays, y, x: say which, both.npz:NAME", ["both.npz", "--x", "x.npy"]),
    (3, "both.npz has no array 'z'; it has y, x", ["both.npz:z", "--x", "x.npy"]),
    (3, "--x is missing", ["cube.npy"]),
    (3, "--x x.npy has the shape (30,), and the points of cube.npy along --axis 0 have (12,)", ["cube.npy", "--x", "x.npy", "--axis", "0"]),
    (3, "neither that of the data, (12, 9, 30), nor of the batch, (12, 9), nor", ["cube.npy", "--x", "x.npy", "--mask", "ints.npy"]),
    (3, "one curve, which `gslfit fit` fits", ["x.npy", "--x", "x.npy"]),
    (3, "is no kind of file that is read", ["notes.md", "--x", "x.npy"]),
    (3, "wrong.npy can't be read", ["wrong.npy", "--x", "x.npy"]),
    (3, "--by must say which", ["long.csv", "--x", "t"]),
    (2, "--axis 7: the data have the axes 0 to 2", ["cube.npy", "--x", "x.npy", "--axis", "7"]),
    (2, "--resume goes on with what --out holds, and there is no --out", ["cube.npy", "--x", "x.npy", "--resume"]),
    (2, "so that --resume can't go on with it", ["cube.npy", "--x", "x.npy", "--out", "a.npz", "--resume"]),
    (2, "or a folder (a name without an ending) is needed", ["cube.npy", "--x", "x.npy", "--out", "a.foo"]),
    (2, "the model has no parameter 'q'; it has A, tau, c", ["cube.npy", "--x", "x.npy", "--start", "q=1"]),
    (2, "--by is for files of columns", ["cube.npy", "--x", "x.npy", "--by", "cell"]),
]


@pytest.mark.parametrize(("code", "message", "args"), REFUSED, ids=[message for _, message, _ in REFUSED])
def test_refusals(code, message, args, folder, capsys):
    """What can't be done is one line, and nothing is written."""
    np.savez("both.npz", y=CUBE, x=CUBE)
    np.save("ints.npy", np.zeros(7, int))
    (folder / "notes.md").write_text("notes")
    (folder / "wrong.npy").write_text("not NumPy's")
    (folder / "long.csv").write_text("cell,t,counts\na,1,2\na,2,3\n")
    before = sorted(folder.iterdir())
    assert run(["batch", *args, *FIT]) == code
    printed = capsys.readouterr()
    assert message in printed.err and printed.err.count("\n") == 1 and not printed.out
    assert sorted(folder.iterdir()) == before


def test_many_starts_and_neighbours(folder, capsys):
    """A formula needs no start where a parameter has a range; neighbours need the batch at once."""
    wanted = unbroken().values["tau"]
    assert run(["batch", "cube.npy", "--x", "x.npy", "--model", MODEL, "--ranges", "tau=0.1:10", "--starts", "20", "--out", "a"]) == 0
    assert np.allclose(np.load("a/tau.npy"), wanted, rtol=1e-6)
    assert run(["batch", "cube.npy", "--x", "x.npy", *FIT, "--starts", "neighbours", "--out", "b.npz"]) == 0
    assert np.allclose(np.load("b.npz")["tau"], wanted, rtol=1e-6)
    capsys.readouterr()
    assert run(["batch", "cube.npy", "--x", "x.npy", *FIT, "--starts", "neighbours", "--out", "c"]) == 2
    assert "--starts neighbours needs all fits at once" in capsys.readouterr().err
    assert run(["batch", "cube.npy", "--x", "x.npy", "--model", MODEL]) == 2
    assert "--ranges tau=LOW:HIGH" in capsys.readouterr().err
