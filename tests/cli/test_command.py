"""The command: fits of files with the library's numbers, refusals in one line with their exit code, and what its page shows."""
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import gslfit
from gslfit import nist
from gslfit.cli.app import run

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "howto" / "command.md"
DECAY = "A*exp(-x/tau) + c"
T = np.linspace(0, 10, 40)
COUNTS = np.round(5*np.exp(-T/2) + 1 + np.random.default_rng(1).normal(0, 0.05, T.size), 4)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Return the current folder, with a file of a decay."""
    monkeypatch.chdir(tmp_path)
    lines = [f"{t!r},{y!r},0.05" for t, y in zip(T.tolist(), COUNTS.tolist(), strict=True)]
    (tmp_path / "decay.csv").write_text("time,counts,err\n" + "\n".join(lines) + "\n")
    return tmp_path


def as_json(capsys, *args):
    """Return the JSON that a fit prints."""
    assert run(["fit", *args, "--json", "-"]) == 0, capsys.readouterr().err
    return json.loads(capsys.readouterr().out)


def test_a_fit_is_the_library_s(folder, capsys):
    """Values, errors and statistics are those of `Model.fit`, also with bounds, fixed values, expressions, limits and known errors."""
    told = as_json(capsys, "decay.csv", "--model", DECAY, "--start", "tau=3")
    result = gslfit.Model(DECAY).fit(COUNTS, x=T, tau=3)
    for name, par in result.params.items():
        assert told["params"][name]["value"] == pytest.approx(par.value, rel=1e-9)
        assert told["params"][name]["stderr"] == pytest.approx(par.stderr, rel=1e-6)
    assert told["chisqr"] == pytest.approx(result.chisqr)
    assert told["columns"] == {"x": {"x": "time"}, "y": "counts", "yerr": None}

    told = as_json(capsys, "decay.csv", "--yerr", "err", "--known-errors", "--model", "A*exp(-time/tau) + c", "--start", "tau=2.5",
                   "--bound", "tau=0:2.5", "--fix", "c=1", "--expr", "half=tau*log(2)", "--xlim", "1:8")
    near = (T >= 1) & (T <= 8)
    model = gslfit.Model("A*exp(-time/tau) + c", ["time"])
    params = model.make_params(A=1, tau={"value": 2.5, "min": 0, "max": 2.5}, c={"value": 1, "vary": False})
    params.add("half", expr="tau*log(2)")
    result = model.fit(COUNTS[near], params, time=T[near], yerr=0.05, scale_covar=False)
    assert told["ndata"] == near.sum() == result.ndata
    for name in ("A", "tau", "half"):
        assert told["params"][name]["value"] == pytest.approx(result.params[name].value, rel=1e-7)
        assert told["params"][name]["stderr"] == pytest.approx(result.params[name].stderr, rel=1e-5)
    assert told["params"]["c"]["value"] == 1 and not told["params"]["c"]["vary"]
    assert told["params"]["tau"]["max"] == 2.5


def test_library_models_are_guessed(folder, capsys):
    """Names joined by + are models of the library; clashing names of parameters get prefixes."""
    x = np.linspace(0, 20, 200)
    y = 3*np.exp(-(x - 5)**2/2) + 5*np.exp(-(x - 12)**2/2/1.5**2) + 0.1*x + 1
    np.savetxt(folder / "peaks.dat", np.column_stack([x, y]))
    told = as_json(capsys, "peaks.dat", "-m", "gaussian + Gaussian + linear")
    found = {name: par["value"] for name, par in told["params"].items()}
    centers = sorted([found["p1_center"], found["p2_center"]])
    assert centers == pytest.approx([5, 12], abs=1e-6)
    assert [found["slope"], found["intercept"]] == pytest.approx([0.1, 1], abs=1e-6)


def test_two_variables(folder, capsys):
    """Several independent variables: by the caller's names, or the model's in their order."""
    x, y = (part.ravel() for part in np.meshgrid(np.linspace(-3, 3, 12), np.linspace(-2, 4, 11)))
    z = 2*np.exp(-(x - 0.5)**2/2 - (y - 1)**2/2/1.5**2)
    np.savetxt(folder / "image.dat", np.column_stack([x, y, z]), header="x y z")
    told = as_json(capsys, "image.dat", "--x", "x", "--x", "y", "--y", "z", "-m", "gaussian2d")
    assert [told["params"][name]["value"] for name in ("centerx", "centery")] == pytest.approx([0.5, 1], abs=1e-6)
    told = as_json(capsys, "image.dat", "--x", "u=1", "--x", "v=2", "--y", "3", "-m", "A*exp(-(u - a)**2/2 - (v - b)**2/4.5)", "--start",
                   "a=0", "--start", "b=0")
    assert [told["params"][name]["value"] for name in "Aab"] == pytest.approx([2, 0.5, 1], abs=1e-6)


def test_a_nist_file_as_it_comes(folder, capsys):
    """A file of NIST's needs neither columns nor a reader."""
    shutil.copy(nist.FOLDER / "Misra1a.dat", folder)
    told = as_json(capsys, "Misra1a.dat", "--model", nist.FORMULAS["Misra1a"], "--start", "b2=1e-4")
    data = nist.read("Misra1a")
    assert [told["params"][name]["value"] for name in data.names] == pytest.approx(data.certified, rel=1e-8)
    assert [told["params"][name]["stderr"] for name in data.names] == pytest.approx(data.stderr, rel=1e-6)


def test_bootstrap(folder, capsys):
    """The replicates are the library's of the same seed; errors and intervals are printed and told."""
    told = as_json(capsys, "decay.csv", "-m", DECAY, "--start", "tau=3", "--bootstrap", "500:pairs", "--seed", "4")["bootstrap"]
    boot = gslfit.Model(DECAY).fit(COUNTS, x=T, tau=3).bootstrap(500, "pairs", 4)
    assert {key: told[key] for key in ("kind", "n", "failed", "seed", "level")} == {
        "kind": "pairs", "n": 500, "failed": boot.failed, "seed": 4, "level": .95}
    for name, (low, high) in boot.percentile(.95).items():
        assert told["params"][name]["interval"] == pytest.approx([low, high], rel=1e-7)
        assert told["params"][name]["stderr"] == pytest.approx(boot.stderr[name], rel=1e-6)
    assert run(["fit", "decay.csv", "-m", DECAY, "--start", "tau=2", "--bootstrap", "200"]) == 0
    assert "Bootstrap of residuals, 200 replicates" in capsys.readouterr().out
    (folder / "few.csv").write_text("x,y\n0,1\n1,3\n")
    assert run(["fit", "few.csv", "-m", "a + b*x", "--bootstrap", "200"]) == 1
    assert "no bootstrap: " in capsys.readouterr().err


def test_several_files_and_what_is_written(folder, capsys):
    """Each file gets its own report, picture and saved result; JSON is one list."""
    (folder / "other.csv").write_text((folder / "decay.csv").read_text().replace("5.", "6.", 1))
    files = ["decay.csv", "other.csv"]
    assert run(["fit", *files, "-m", DECAY, "--start", "tau=2", "--plot", "fit.png", "--save", "m.json", "--json", "o.json", "--ci"]) == 0
    printed = capsys.readouterr().out
    assert printed.count("parameter") == 2 and printed.count("confidence intervals") == 2
    told = json.loads((folder / "o.json").read_text())
    assert [each["file"] for each in told] == files
    for each, stem in zip(told, ("decay", "other"), strict=True):
        assert (folder / f"fit-{stem}.png").read_bytes().startswith(b"\x89PNG")
        saved = gslfit.load_modelresult(folder / f"m-{stem}.json")
        assert saved.params["tau"].value == each["params"]["tau"]["value"]
        inner = [limit for p, limit in each["confidence_intervals"]["tau"] if abs(abs(p) - 0.6827) < 1e-3]
        error = each["params"]["tau"]["stderr"]
        assert inner == pytest.approx([each["params"]["tau"]["value"] - error, each["params"]["tau"]["value"] + error], abs=0.1*error)


def test_a_fit_that_does_not_converge(folder, capsys):
    """The exit code is 1, and the report says why; other files are fitted still."""
    (folder / "flat.csv").write_text("x,y\n" + "\n".join(f"{k},1" for k in range(20)) + "\n")
    assert run(["fit", "flat.csv", "decay.csv", "-m", "1/(1 + exp(b*(x + 1)))", "--start", "b=1e5"]) == 1
    printed = capsys.readouterr().out
    assert "flat.csv" in printed and "decay.csv" in printed and "did not succeed" in printed


REFUSED = [
    (3, "nothing.csv can't be read: No such file", ["nothing.csv", "-m", "gausian"]),
    (3, "a*exp(-x/t) can't be read: No such file or directory; a formula is told by --model", ["a*exp(-x/t)", "-m", "gausian"]),
    (3, "has no column 'coutns' (did you mean 'counts'?)", ["decay.csv", "--y", "coutns", "-m", "gausian", "--start", "a"]),
    (3, "has no column '4'; it has time, counts, err", ["decay.csv", "--x", "4", "-m", "linear"]),
    (3, "empty.csv is empty", ["empty.csv", "-m", "linear"]),
    (3, "text.csv, line 3: 'x' in column 'b' is no number", ["text.csv", "-m", "linear"]),
    (3, "there is no folder 'no'", ["decay.csv", "-m", "linear", "--plot", "no/fit.png"]),
    (2, "--model is missing", ["decay.csv"]),
    (2, "--bootstrap some: how many replicates, 2 or more, is needed", ["decay.csv", "-m", "linear", "--bootstrap", "some"]),
    (2, "there is no 'pair' (did you mean 'pairs'?)", ["decay.csv", "-m", "linear", "--bootstrap", "90:pair"]),
    (2, "--seed is that of --bootstrap", ["decay.csv", "-m", "linear", "--seed", "1"]),
    (2, "there is no model 'gausian' (did you mean 'gaussian'?)", ["decay.csv", "-m", "gausian"]),
    (2, "can't be read: '(' was never closed", ["decay.csv", "-m", "A*exp(-x/tau"]),
    (2, "'A*exp(-t/tau)' has no variable 'x', nor one called as the column 'time'; it has A, t, tau: --x NAME=time",
     ["decay.csv", "-m", "A*exp(-t/tau)"]),
    (2, "no start value for tau: --start tau=VALUE, or a range to look in, --ranges tau=LOW:HIGH", ["decay.csv", "-m", DECAY]),
    (2, "--ranges q: the model has no parameter 'q'; it has A, tau, c", ["decay.csv", "-m", DECAY, "--ranges", "q=1:2"]),
    (2, "--ranges c: 'c' does not vary", ["decay.csv", "-m", DECAY, "--ranges", "c=1:2", "--fix", "c=1"]),
    (2, "--ranges tau=1:: both ends are needed", ["decay.csv", "-m", DECAY, "--ranges", "tau=1:"]),
    (2, "--ranges tau=3:2: the lower limit is not below", ["decay.csv", "-m", DECAY, "--ranges", "tau=3:2"]),
    (2, "--starts 0: a number of starts is needed", ["decay.csv", "-m", DECAY, "--start", "tau=2", "--starts", "0"]),
    (2, "--starts neighbours: a number of starts is needed", ["decay.csv", "-m", DECAY, "--start", "tau=2", "--starts", "neighbours"]),
    (2, "the model has no parameter 'ta' (did you mean 'tau'?); it has A, tau, c", ["decay.csv", "-m", DECAY, "--start", "ta=2"]),
    (2, "--start tau=-1 is outside the bounds of 'tau', 0 to inf", ["decay.csv", "-m", DECAY, "--start", "tau=-1", "--bound", "tau=0:"]),
    (2, "--start sigma=-1 is outside the bounds of 'sigma'", ["decay.csv", "-m", "gaussian", "--start", "sigma=-1"]),
    (2, "--start tau=two: 'two' is not a number", ["decay.csv", "-m", DECAY, "--start", "tau=two"]),
    (2, "--start is given once for each parameter, --start A=4 --start tau=5", ["decay.csv", "-m", DECAY, "--start", "A=4,tau=5"]),
    (2, "--bound is given once for each parameter, --bound A=0: --bound tau=1:2",
     ["decay.csv", "-m", DECAY, "--start", "tau=1", "--bound", "A=0:; tau=1:2"]),
    (2, "--fix is given once for each parameter, --fix A=4 --fix c", ["decay.csv", "-m", DECAY, "--fix", "A=4,c"]),
    (2, "--ranges is given once for each parameter, --ranges c=1:2 --ranges tau=1:2",
     ["decay.csv", "-m", DECAY, "--ranges", "c=1:2 tau=1:2"]),
    (2, "--expr is given once for each parameter, --expr a=max(A, c) --expr b=A",
     ["decay.csv", "-m", DECAY, "--start", "tau=1", "--expr", "a=max(A, c), b=A"]),
    (2, "--start tau=2,5: '2,5' is not a number", ["decay.csv", "-m", DECAY, "--start", "tau=2,5"]),
    (2, "--start tau: NAME=VALUE is needed", ["decay.csv", "-m", DECAY, "--start", "tau"]),
    (2, "--start tau=2: 'tau' is given twice", ["decay.csv", "-m", DECAY, "--start", "tau=1", "--start", "tau=2"]),
    (2, "--bound tau=3: LOW:HIGH is needed", ["decay.csv", "-m", DECAY, "--bound", "tau=3"]),
    (2, "--bound tau=3:1: the lower limit is not below", ["decay.csv", "-m", DECAY, "--bound", "tau=3:1"]),
    (2, "--fix c: 'c' has no value yet", ["decay.csv", "-m", DECAY, "--start", "tau=1", "--fix", "c"]),
    (2, "'tau' can't have both --expr and --start", ["decay.csv", "-m", DECAY, "--start", "tau=1", "--expr", "tau=2*c"]),
    (2, "--xlim 20:30 leaves no point of decay.csv: 'time' goes from 0 to 10", ["decay.csv", "-m", "linear", "--xlim", "20:30"]),
    (2, "--yerr doesn't say which column", ["decay.csv", "-m", "linear", "--known-errors"]),
    (2, "the name must end with the kind of picture", ["decay.csv", "-m", "linear", "--plot", "fit.nope"]),
    (2, "gaussian2d has 2 independent variables, x, y, and there are 1", ["decay.csv", "-m", "gaussian2d"]),
    (2, "'--nope'", ["decay.csv", "--nope"]),
    (2, "Missing argument 'FILE...'", []),
]


@pytest.mark.parametrize(("code", "message", "args"), REFUSED, ids=[message for _, message, _ in REFUSED])
def test_refusals(code, message, args, folder, capsys):
    """What can't be done is one line that names the culprit; files and columns are told before models, exit codes say which."""
    (folder / "empty.csv").write_text("")
    (folder / "text.csv").write_text("a,b\n1,2\n2,x\n3,4\n")
    assert run(["fit", *args]) == code
    printed = capsys.readouterr()
    assert message in printed.err and printed.err.count("\n") == 1 and printed.err.startswith("gslfit: ")
    assert not printed.out


def test_an_expression_may_compare(folder, capsys):
    """Commas and signs of equality within one expression are no further parameters."""
    text = "half = max(A, 1e-3)/2 if c == c and A >= c else min(A, c)"
    assert run(["fit", "decay.csv", "-m", DECAY, "--start", "tau=1", "--expr", text]) == 0
    assert "half" in capsys.readouterr().out


def test_models(capsys):
    """Every model of the list can be shown and is one that --model takes; an unknown one is refused."""
    from gslfit.cli.models import library, library_model
    assert run(["models"]) == 0
    listed = capsys.readouterr().out
    for name in library():
        assert re.search(rf"^{name}\b", listed, re.MULTILINE)
        assert library_model(name).param_names
    assert run(["models", "VoigtModel"]) == 0
    shown = capsys.readouterr().out
    assert "amplitude" in shown and "gslfit.models.VoigtModel()" in shown
    assert run(["models", "voit"]) == 2
    assert "did you mean 'voigt'?" in capsys.readouterr().err


def test_nist(capsys):
    """A set is fitted from both starts; an unknown one is refused."""
    assert run(["nist", "misra1a"]) == 0
    printed = capsys.readouterr().out
    assert "238.94212918" in printed and len(re.findall(r"^Misra1a  ", printed, re.MULTILINE)) == 2
    assert run(["nist", "Thurbre"]) == 2
    assert "did you mean 'Thurber'?" in capsys.readouterr().err
    assert run(["nist", "Thurber", "--data"]) == 0
    assert capsys.readouterr().out == (nist.FOLDER / "Thurber.dat").read_text()


def shell(command, cwd, **more):
    """Run a line in a shell that finds the command."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return subprocess.run(["bash", "-c", command], cwd=cwd, capture_output=True, text=True, env={**os.environ, "PATH": path, **more})


def test_help_is_light(tmp_path):
    """`--help` and `--version` import neither NumPy nor an extension, and python -m gslfit is the command."""
    for words in (["--help"], ["fit", "--help"], ["--version"]):
        code = (f"import sys, runpy; sys.argv = ['gslfit', *{words!r}]\ntry: runpy.run_module('gslfit', run_name='__main__')\n"
                "except SystemExit as end: assert not end.code\n"
                "print([name for name in sys.modules if name in ('numpy', 'rich') or name.startswith('gslfit.') and '._' in name])")
        done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines()[-1] == "['gslfit._old_paths']"
        assert "Exit codes:" in done.stdout or gslfit.__version__ in done.stdout


def test_without_click(tmp_path):
    """Where click is missing, the command says in one line what to install."""
    (tmp_path / "click.py").write_text("raise ModuleNotFoundError(\"No module named 'click'\", name='click')\n")
    done = subprocess.run([sys.executable, "-m", "gslfit", "--help"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr == "gslfit: the command needs click, which is not installed: pip install 'gslfit[cli]'\n"


@pytest.mark.parametrize("name", ["bash", "zsh", "fish"])
def test_completion(name, capsys):
    """The script of each shell is printed, and completes models."""
    assert run(["completion", name]) == 0
    assert "_GSLFIT_COMPLETE" in capsys.readouterr().out


def test_completes_models(tmp_path):
    """Names of models are completed, the last of a sum too."""
    done = shell("gslfit", tmp_path, _GSLFIT_COMPLETE="bash_complete", COMP_WORDS="gslfit fit --model linear+loren", COMP_CWORD="3")
    assert done.stdout.split() == ["plain,linear+lorentzian"]


@pytest.mark.parametrize("options", [["--ranges", "tau=0.1:100"], ["--starts", "30", "--bound", "tau=0.01:50"],
                                     ["--start", "tau=400", "--starts", "auto"], ["--ranges", "tau=0.1:100", "--starts", "7"]])
def test_many_starts(folder, capsys, options):
    """A formula needs no start where a parameter has a range; the minima that were found are in the JSON."""
    told = as_json(capsys, "decay.csv", "--model", DECAY, *options)
    result = gslfit.Model(DECAY).fit(COUNTS, x=T, tau=2)
    assert told["params"]["tau"]["value"] == pytest.approx(result.params["tau"].value, rel=1e-6)
    if "auto" not in options:
        count = {"--ranges": 100, "--starts": 30}[options[0]] if len(options) == 2 or options[0] == "--starts" else 7
        assert told["starts"] == count and told["minima"][0]["chisqr"] == pytest.approx(result.chisqr)
        assert told["minima"][0]["values"]["tau"] == told["params"]["tau"]["value"] and 1 <= told["minima"][0]["starts"] <= count
    assert run(["fit", "decay.csv", "--model", DECAY, "--ranges", "tau=0.1:100"]) == 0
    assert "starts: 100, of which " in capsys.readouterr().out


def test_the_page_shows_what_is_so(tmp_path):
    """Each command of the page about the command prints what the page shows."""
    blocks = re.findall(r"^```console\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert len(blocks) >= 6
    for part in (part for block in blocks for part in re.split(r"^(?=\$ )", block, flags=re.MULTILINE) if part):
        command, _, shown = part[2:].partition("\n")
        if command.startswith("cat "):
            (tmp_path / command[4:]).write_text(shown)
            continue
        done = shell(command, tmp_path)
        printed = (done.stdout + done.stderr).splitlines()
        assert printed == shown.splitlines(), f"$ {command}\n" + "\n".join(printed)
