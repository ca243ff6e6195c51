"""``gslfit fit A.csv B.csv --shared tau``: all files in one fit."""
import json

import numpy as np
import pytest

import gslfit
from gslfit.cli.app import run

MODEL = "A*exp(-t/tau) + c"


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Write decays of one time into files of several lengths, and go there."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(2)
    for name, amplitude, n in (("a", 3., 30), ("b", 5., 45)):
        t = np.linspace(0, 6, n)
        rows = np.column_stack([t, amplitude*np.exp(-t/1.7) + .3 + .02*rng.normal(size=n), np.full(n, .02)])
        np.savetxt(f"{name}.csv", rows, delimiter=",", header="t,signal,error", comments="")
    return ["a.csv", "b.csv"]


def test_files_share_parameters(files, capsys):
    """What is printed and written is what fit_shared finds."""
    assert run(["fit", *files, "-m", MODEL, "--start", "tau=1", "--shared", "tau", "--ci", "--json", "o.json", "--plot", "p.png"]) == 0
    columns = [np.genfromtxt(name, delimiter=",", names=True) for name in files]
    found = gslfit.fit_shared(MODEL, [each["signal"] for each in columns], x=[{"t": each["t"]} for each in columns], shared="tau", tau=1.)
    with open("o.json", encoding="utf-8") as file:
        told = json.load(file)
    assert told["shared"]["tau"]["value"] == pytest.approx(float(found.values["tau"]), rel=1e-9)
    assert told["shared"]["tau"]["stderr"] == pytest.approx(float(found.stderr["tau"]), rel=1e-7)
    for k, each in enumerate(told["files"]):
        assert each["file"] == files[k] and each["status"] == "converged" and each["ndata"] == len(columns[k])
        assert each["params"]["A"]["value"] == pytest.approx(float(found.values["A"][k]), rel=1e-8)
    assert (told["ndata"], told["nvarys"], told["success"]) == (75, 5, True)
    assert [limit for _, limit in told["confidence_intervals"]["tau"]] == pytest.approx(
        [limit for _, limit in found.conf_interval(sigmas=(1, 2, 3))["tau"]], rel=1e-9)
    printed = capsys.readouterr().out
    assert "a.csv: 30 points" in printed and "confidence intervals" in printed and "shared" in printed
    with open("p.png", "rb") as file:
        assert file.read(4) == b"\x89PNG"


def test_models_of_the_library_are_guessed(files, capsys):
    """Several names are joined by commas or said one by one; errors may be known."""
    assert run(["fit", *files, "-m", "exponential+constant", "--shared", "decay,c", "--yerr", "error", "--known-errors",
                "--json", "-"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["shared"]["decay"]["value"] == pytest.approx(1.7, abs=.05) and set(told["files"][0]["params"]) == {"amplitude"}


@pytest.mark.parametrize(("more", "said"), [(["--shared", "tua"], "--shared tua: the model has no parameter"),
                                            (["--shared", ","], "--shared names no parameter"),
                                            (["--shared", "tau", "--save", "m.json"], "--save is of the fit of one file")])
def test_what_can_not_be_is_refused(files, capsys, more, said):
    """The message names the option."""
    assert run(["fit", *files, "-m", MODEL, "--start", "tau=1", *more]) == 2
    assert said in capsys.readouterr().err


def test_a_file_that_can_not_be_fitted_is_said(files, capsys):
    """It is left out, and the exit code says so."""
    with open("c.csv", "w", encoding="utf-8") as file:
        file.write("t,signal,error\n0,1,.1\n")
    assert run(["fit", *files, "c.csv", "-m", MODEL, "--start", "tau=1", "--shared", "tau"]) == 1
    assert "1 of 3 data sets is left out: 2 (fewer points than parameters)" in capsys.readouterr().out
