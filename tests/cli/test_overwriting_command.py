"""The command writes over no file that it reads, and over none that no batch has written; the file or option at fault is named."""
import json
import os
from pathlib import Path

import numpy as np
import pytest

from gslfit.cli.app import run
from gslfit.errors import FitStatus

X = np.linspace(0, 5, 30)
MODEL = ["--model", "A*exp(-x/tau) + c", "--start", "tau=1"]
RNG = np.random.default_rng(5)
CUBE = 2*np.exp(-X/RNG.uniform(0.8, 2, (4, 3, 1))) + 0.1 + RNG.normal(0, 0.01, (4, 3, X.size))


def contents():
    """Return the contents of all files below the current folder, by name."""
    return {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Write data as arrays and as tables, and go there; another name of a file is a link to it."""
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", X)
    np.save("cube.npy", CUBE)
    np.save("tau.npy", X)
    np.savez("both.npz", y=CUBE, x=X)
    for row, name in enumerate("ab"):
        np.savetxt(f"{name}.csv", np.column_stack([X, CUBE[row, 0]]), delimiter=",", header="x,y", comments="")
    np.savetxt("long.csv", np.column_stack([np.repeat([1, 2], X.size), np.tile(X, 2), CUBE[0, :2].ravel()]), delimiter=",",
               header="cell,x,y", comments="")
    np.savetxt("irf", [[0, 1], [1, .5], [2, .2]], header="d\tr", comments="", delimiter="\t")
    np.savetxt("irf.txt", [1, .5, .2])
    os.link("a.csv", "out-a.csv")
    os.link("cube.npy", "cube.npz")


READ = "would overwrite a file that is read"
ARRAYS = ["batch", "cube.npy", "--x", "x=x.npy", *MODEL]
TABLE = ["batch", "long.csv", "--by", "cell", "--x", "x", "--y", "y", *MODEL]


@pytest.mark.parametrize(("call", "code", "said"), [
    ([*ARRAYS, "--out", "."], 2, "--out . would overwrite 'tau.npy', and no batch is known to have written that"),
    ([*ARRAYS, "--out", "cube.npz"], 3, f"--out cube.npz {READ}"),
    (["batch", "both.npz:y", "--x", "x=both.npz:x", *MODEL, "--out", "./both.npz"], 3, f"--out both.npz {READ}"),
    (["batch", "cube.npy", "--x", "x=both.npz:x", *MODEL, "--out", "both.npz"], 3, f"--out both.npz {READ}"),
    ([*ARRAYS, "--yerr", "both.npz:y", "--out", "both.npz"], 3, f"--out both.npz {READ}"),
    ([*TABLE, "--out", "long.csv"], 3, f"--out long.csv {READ}"),
    ([*TABLE, "--mask", "x.npy"], 2, "--mask is for files of arrays"),
    (["fit", "a.csv", *MODEL, "--json", "a.csv"], 3, f"--json a.csv {READ}"),
    (["fit", "a.csv", *MODEL, "--save", "a.csv"], 3, f"--save a.csv {READ}"),
    (["fit", "a.csv", "b.csv", *MODEL, "--json", "b.csv"], 3, f"--json b.csv {READ}"),
    (["fit", "a.csv", "b.csv", *MODEL, "--save", "out.csv"], 3, f"--save out-a.csv {READ}"),
    (["fit", "a.csv", "b.csv", *MODEL, "--shared", "tau", "--json", "a.csv"], 3, f"--json a.csv {READ}"),
    (["fit", "a.csv", *MODEL, "--response", "irf:r", "--json", "irf"], 3, f"--json irf {READ}"),
    (["fit", "a.csv", *MODEL, "--response", "irf.txt", "--json", "irf.txt"], 3, f"--json irf.txt {READ}"),
    (["fit", "a.csv", *MODEL, "--json", "r", "--save", "./r"], 3, "--json r is what --save writes too: name another file"),
])
def test_files_are_kept(folder, call, code, said, capsys):
    """What is read by the same command, by whatever name, and what else lies in a folder, is not touched."""
    before = contents()
    assert run(call) == code
    assert said in capsys.readouterr().err
    assert contents() == before


def test_pictures_keep_their_inputs(folder, capsys):
    """A picture may not take the place of a TIFF that is read."""
    tifffile = pytest.importorskip("tifffile")
    pytest.importorskip("matplotlib")
    tifffile.imwrite("stack.tif", np.ascontiguousarray(np.moveaxis(CUBE, -1, 0)), photometric="minisblack")
    before = contents()
    assert run(["batch", "stack.tif", "--axis", "0", "--x", "x=x.npy", *MODEL, "--maps", "stack.tif"]) == 3
    assert f"--maps stack.tif {READ}" in capsys.readouterr().err
    assert contents() == before


def test_stores_keep_their_inputs(folder, capsys):
    """Nor may results go into the zarr store that the data are in."""
    zarr = pytest.importorskip("zarr")
    zarr.create_array("y.zarr", shape=CUBE.shape, dtype=float)[...] = CUBE
    before = contents()
    assert run(["batch", "y.zarr", "--x", "x=x.npy", *MODEL, "--out", "y.zarr"]) == 3
    assert f"--out y.zarr {READ}" in capsys.readouterr().err
    assert contents() == before


def test_results_are_gone_on_with(folder, capsys):
    """A folder of the same batch is what --resume takes, and no other call."""
    assert run([*ARRAYS, "--out", "results"]) == 0
    assert run([*ARRAYS, "--out", "results"]) == 2
    assert "--out results holds the results of a batch already: --resume goes on with it" in capsys.readouterr().err
    assert run([*ARRAYS, "--out", "results", "--resume"]) == 0


@pytest.mark.parametrize("more", [["--yerr", "err.npy"], ["--mask", "mask.npy"], ["--mask", "whole.npy"], ["--yerr", "of-fits.npy"],
                                  ["--mask", "of-points.npy"], ["--yerr", "err.npy", "--mask", "mask.npy"]])
def test_neighbours_with_errors_and_masks(folder, more):
    """What lies beside the data is read whole as they are: the numbers are those of a call that neighbours change nothing of."""
    mask = np.zeros(CUBE.shape, bool)
    mask[..., 4] = mask[1, 2, 7] = True
    err = np.full(CUBE.shape, .01)
    err[..., 9] = .2
    np.save("err.npy", err)
    np.save("mask.npy", mask)
    np.save("whole.npy", mask.astype(int))
    np.save("of-fits.npy", err[..., 0])
    np.save("of-points.npy", mask[0, 0])
    assert run([*ARRAYS, *more, "--out", "plain.npz"]) == 0
    assert run([*ARRAYS, *more, "--starts", "neighbours", "--out", "neighbours.npz"]) == 0
    with np.load("plain.npz") as plain, np.load("neighbours.npz") as found:
        assert (plain["status"] == FitStatus.CONVERGED).all()
        for name in ("A", "tau", "c", "tau_stderr", "chisqr"):
            assert np.allclose(found[name], plain[name], rtol=1e-6), name
        assert np.array_equal(found["ndata"], plain["ndata"])


def test_counts_name_their_file(folder, capsys):
    """A negative count is told before a fit is run, with its file; what --xlim leaves out is no count of the fit."""
    counts = np.random.default_rng(1).poisson(100*np.exp(-X) + 5).astype(float)
    for name, first in (("c0", counts[0]), ("negative", -5.), ("c1", counts[0])):
        np.savetxt(f"{name}.csv", np.column_stack([X, [first, *counts[1:]]]), delimiter=",", header="x,counts", comments="")
    files = ["fit", "c0.csv", "negative.csv", "c1.csv", *MODEL, "--loss", "poisson"]
    for more in ([], ["--shared", "tau"]):
        assert run([*files, *more]) == 3
        printed = capsys.readouterr()
        assert "negative.csv, line 2: -5 in column 'counts', and --loss poisson is for counts" in printed.err
        assert not printed.out
        assert run([*files, *more, "--xlim", "0.1:", "--json", "o.json"]) == 0
        capsys.readouterr()
    assert json.loads(Path("o.json").read_text())["ndata"] == 3*(X.size - 1)


def test_shared_fits_name_the_option_that_they_do_not_take(folder, capsys):
    """It is the one that was given."""
    for option, value in (("--ranges", "tau=1:10"), ("--starts", "5")):
        assert run(["fit", "a.csv", "b.csv", *MODEL, "--shared", "tau", option, value]) == 2
        assert f"{option} is of the fit of one file" in capsys.readouterr().err


def test_errors_of_one_file_name_it(folder, capsys):
    """What a fit refuses is told with the file: here the model is not finite where it starts."""
    np.savetxt("early.csv", np.column_stack([X - 5, X]), delimiter=",", header="x,y", comments="")
    assert run(["fit", "a.csv", "early.csv", "--model", "A*sqrt(x + d)", "--start", "d=1", "--start", "A=1"]) == 2
    assert "gslfit: early.csv: " in capsys.readouterr().err
