"""``--loss``: counts and outliers from the shell are what Python fits by the same loss."""
import json

import numpy as np
import pytest

from gslfit.cli.app import run
from gslfit.models import ConstantModel, GaussianModel

X = np.linspace(0, 10, 60)
MODEL = "gaussian+constant"


@pytest.fixture
def counts(tmp_path, monkeypatch):
    """Write three histograms as files and as an array, and go there."""
    monkeypatch.chdir(tmp_path)
    y = np.random.default_rng(1).poisson(30*np.exp(-(X - 5)**2/2) + 2, (3, X.size))
    for name, each in zip("abc", y, strict=True):
        np.savetxt(f"{name}.csv", np.column_stack([X, each]), delimiter=",", header="x,counts", comments="", fmt="%.17g")
    np.save("y.npy", y)
    np.save("x.npy", X)
    return y


def fitted(y, **options):
    return (GaussianModel() + ConstantModel()).fit(y, x=X, **options)


@pytest.mark.parametrize(("text", "options", "told"), [
    ("poisson", {"loss": "poisson"}, "loss: poisson; chi-square is the deviance"),
    ("huber:0.5", {"loss": "huber", "f_scale": 0.5}, "loss: huber, f_scale = 0.5; chi-square is of all residuals"),
    ("tukey:mad", {"loss": "tukey", "f_scale": "mad"}, "loss: tukey, f_scale = "),
    ("cauchy", {"loss": "cauchy"}, "loss: cauchy, f_scale = 1; "),
    ("linear", {}, None),
])
def test_one_file(counts, text, options, told, capsys):
    assert run(["fit", "a.csv", "-m", MODEL, "--loss", text, "--json", "o.json"]) == 0
    printed = capsys.readouterr().out
    assert told in printed if told else "loss" not in printed
    own = fitted(counts[0], **options)
    with open("o.json", encoding="utf-8") as file:
        found = json.load(file)
    for name in own.var_names:
        assert found["params"][name]["value"] == pytest.approx(own.params[name].value, rel=1e-9)
        assert found["params"][name]["stderr"] == pytest.approx(own.params[name].stderr, rel=1e-9)
    assert found["loss"] == options.get("loss", "linear")
    assert found.get("f_scale") == (own.loss.f_scale if own.loss is not None and own.loss.robust else None)


def test_files_that_share_and_a_batch(counts, capsys):
    assert run(["fit", "a.csv", "b.csv", "c.csv", "-m", MODEL, "--shared", "center,sigma", "--loss", "poisson", "--json", "o.json"]) == 0
    assert "loss: poisson; chi-square is the deviance" in capsys.readouterr().out
    own = (GaussianModel() + ConstantModel()).fit_shared(counts, x=X, shared=("center", "sigma"), loss="poisson")
    with open("o.json", encoding="utf-8") as file:
        found = json.load(file)
    assert found["shared"]["sigma"]["stderr"] == pytest.approx(float(own.stderr["sigma"]), rel=1e-9)
    assert found["loss"] == "poisson"
    assert run(["batch", "y.npy", "--x", "x.npy", "-m", MODEL, "--loss", "tukey:mad", "--out", "o.npz"]) == 0
    assert "loss: tukey, f_scale = " in capsys.readouterr().out
    with np.load("o.npz") as arrays:
        for k, y in enumerate(counts):
            one = fitted(y, loss="tukey", f_scale="mad")
            assert arrays["sigma"][k] == pytest.approx(one.params["sigma"].value, abs=1e-6*one.params["sigma"].stderr)


@pytest.mark.parametrize(("text", "message"), [
    ("posson", "there is no loss 'posson' (did you mean 'poisson'?)"), ("poisson:2", "poisson has no scale"),
    ("huber:0", "a positive scale is needed, or mad"), ("huber:x", "'x' is not a number"), ("huber:", "'' is not a number"),
])
def test_refusals(counts, text, message, capsys):
    for command in (["fit", "a.csv"], ["batch", "y.npy", "--x", "x.npy"]):
        assert run([*command, "-m", MODEL, "--loss", text]) == 2
        printed = capsys.readouterr()
        assert message in printed.err and f"--loss {text}: " in printed.err and printed.err.count("\n") == 1 and not printed.out


def test_errors_of_counts_are_known(counts, capsys):
    """Without `--known-errors` errors of counts are Poisson's all the same; and counts take no errors of their own."""
    np.savetxt("e.csv", np.column_stack([X, counts[0], np.ones(60)]), delimiter=",", header="x,counts,err", comments="", fmt="%.17g")
    assert run(["fit", "e.csv", "-m", MODEL, "--loss", "poisson", "--yerr", "err"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_what_is_no_count_is_told_by_its_line(tmp_path, monkeypatch, capsys):
    """In one file, in several, and in a long table, below comments and gaps; what is left out is not looked at. So are errors of 0."""
    monkeypatch.chdir(tmp_path)
    rows = [f"{'ab'[k % 2]},{x:g},{7 + k},{1 + k}" for k, x in enumerate(np.repeat(np.arange(8.0), 2))]
    rows[6] = "a,,-3,1"                     # without x
    rows[4] = "a,,5,0"
    for place, (column, wrong) in {9: (2, "-4"), 12: (3, "0")}.items():
        cells = rows[place].split(",")
        cells[column] = wrong
        rows[place] = ",".join(cells)
    (tmp_path/"long.csv").write_text("# counts of two cells\n\ncell,x,n,err\n" + "\n".join(rows) + "\n")
    line = 4 + 9
    for call in (["fit", "long.csv", "--x", "x", "--y", "n"], ["batch", "long.csv", "--by", "cell", "--x", "x", "--y", "n"],
                 ["fit", "long.csv", "long.csv", "--x", "x", "--y", "n", "--shared", "a"]):
        assert run([*call, "-m", "a + b*x", "--loss", "poisson"]) == 3
        assert f"long.csv, line {line}: -4 in column 'n', and --loss poisson is for counts" in capsys.readouterr().err
    for call in (["fit", "long.csv", "--x", "x", "--y", "n"], ["batch", "long.csv", "--by", "cell", "--x", "x", "--y", "n"]):
        assert run([*call, "-m", "a + b*x", "--yerr", "err"]) == 3
        assert "long.csv, line 16: the error 0 in column 'err' is not above 0" in capsys.readouterr().err


@pytest.mark.parametrize("loss", ["huber:0.1", "tukey:0.1", "cauchy:mad"])
@pytest.mark.parametrize("model", [["-m", "A*exp(-x/tau) + c", "--start", "tau=1"], ["-m", "exponential + constant"]],
                         ids=["formula", "library"])
def test_a_fill_value_says_nothing_of_starts(model, loss, tmp_path, monkeypatch):
    """Neither of linear parameters nor of those of a model of the library."""
    monkeypatch.chdir(tmp_path)
    y = 3*np.exp(-X/1.5) + 1 + .02*np.random.default_rng(2).normal(size=X.size)
    y[17] = 1e20
    np.savetxt("a.csv", np.column_stack([X, y]), delimiter=",", header="x,y", comments="", fmt="%.17g")
    assert run(["fit", "a.csv", *model, "--loss", loss, "--json", "o.json"]) == 0
    with open("o.json", encoding="utf-8") as file:
        found = json.load(file)["params"]
    assert found["tau" if "tau" in found else "decay"]["value"] == pytest.approx(1.5, abs=.05)
