"""``--response irf.csv``: models folded with a measured response."""
import json

import numpy as np
import pytest

import gslfit
from gslfit.cli.app import run

T = np.arange(120)*0.05
RESPONSE = np.exp(-0.5*((T[:40] - 0.8)/0.12)**2)


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Write two decays and a response into files, and go there."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(1)
    for name, amplitude in (("a", 5.0), ("b", 8.0)):
        y = np.convolve(amplitude*np.exp(-T/1.3), RESPONSE)[:120] + rng.normal(0, 0.1, 120)
        np.savetxt(f"{name}.csv", np.column_stack([T, y]), delimiter=",", header="t,signal", comments="", fmt="%.8g")
    np.savetxt("irf.csv", np.column_stack([T[:40], RESPONSE]), delimiter=",", header="t,irf", comments="")
    np.savetxt("irf.txt", RESPONSE)
    return {name: np.genfromtxt(f"{name}.csv", delimiter=",", skip_header=1)[:, 1] for name in "ab"}


def told(name="o.json"):
    with open(name, encoding="utf-8") as file:
        return json.load(file)


@pytest.mark.parametrize("response", ["irf.csv", "irf.txt", "irf.csv:irf"])
def test_one_file(files, response):
    assert run(["fit", "a.csv", "-m", "exponential", "--response", response, "--response-shift", "s", "--bound", "s=-0.2:0.2",
                "--start", "s=0.01", "--xlim", "0.5:5", "--json", "o.json"]) == 0
    params = gslfit.Parameters()
    for name in ("A", "tau"):
        params.add(name, {"A": 4.0, "tau": 1.0}[name])
    params.add("s", 0.01, min=-0.2, max=0.2)
    found = gslfit.fit("A*exp(-t/tau)", files["a"], params, t=T, response=RESPONSE, response_shift="s", mask=(T < 0.5) | (T > 5))
    for name, own in (("amplitude", "A"), ("decay", "tau"), ("s", "s")):
        assert told()["params"][name]["value"] == pytest.approx(found.params[own].value, abs=1e-5*found.params[own].stderr)
        assert told()["params"][name]["stderr"] == pytest.approx(found.params[own].stderr, rel=1e-5)


def test_files_that_share_and_a_batch(files):
    assert run(["fit", "a.csv", "b.csv", "-m", "A*exp(-t/tau)", "--start", "tau=1", "--shared", "tau", "--response", "irf.csv",
                "--response-centre", "0", "--json", "o.json"]) == 0
    y = np.array([files["a"], files["b"]])
    found = gslfit.fit_shared("A*exp(-t/tau)", y, t=T, shared="tau", tau=1.0, response=RESPONSE)
    assert told()["shared"]["tau"]["value"] == pytest.approx(float(found.values["tau"]), rel=1e-7)
    np.save("y.npy", y)
    np.save("t.npy", T)
    assert run(["batch", "y.npy", "--x", "t=t.npy", "-m", "A*exp(-t/tau)", "--start", "tau=1", "--response", "irf.csv", "--out",
                "o.npz"]) == 0
    batch = gslfit.fit_batch("A*exp(-t/tau)", y, t=T, tau=1.0, response=RESPONSE)
    with np.load("o.npz") as arrays:
        assert np.allclose(arrays["tau"], batch.values["tau"], rtol=1e-7)


@pytest.mark.parametrize(("options", "message"), [
    (["--response-shift", "s"], "--response-shift is given, and no --response"),
    (["--response", "irf.csv", "--response-centre", "40"], "response_centre is 40"),
    (["--response", "irf.csv", "--response-shift", "decay"], "response_shift is 'decay'"),
    (["--response", "none.csv"], "none.csv can't be read"),
    (["--response", "wide.csv"], "--response wide.csv is measured in steps of 0.1, and the data in steps of 0.05"),
])
def test_refusals(files, options, message, capsys):
    np.savetxt("wide.csv", np.column_stack([2*T[:40], RESPONSE]), delimiter=",")
    assert run(["fit", "a.csv", "-m", "exponential", *options]) != 0
    assert message in capsys.readouterr().err


def test_arrays(files):
    """A response may be an array, as the data may be."""
    np.save("y.npy", np.array([files["a"], files["b"]]))
    np.save("t.npy", T)
    np.save("irf.npy", RESPONSE)
    np.savez("many.npz", irf=RESPONSE, y=T)
    shown = []
    for response in ("irf.csv", "irf.npy", "many.npz:irf"):
        assert run(["batch", "y.npy", "--x", "t=t.npy", "-m", "A*exp(-t/tau)", "--start", "A=4", "--start", "tau=1", "--response", response,
                    "--out", "o.npz"]) == 0
        with np.load("o.npz") as found:
            shown.append({name: found[name] for name in ("A", "tau")})
    for one in shown[1:]:
        for name in one:
            np.testing.assert_allclose(one[name], shown[0][name], rtol=1e-12)
    np.save("wide.npy", RESPONSE[None])
    np.save("gap.npy", np.append(RESPONSE, np.nan))
    for bad in ("wide.npy", "gap.npy", "none.npy"):
        assert run(["batch", "y.npy", "--x", "t=t.npy", "-m", "A*exp(-t/tau)", "--start", "tau=1", "--response", bad]) == 3
