"""Names of parameters are identifiers of Python, Greek ones too, read as Python reads them, by whatever door they come in."""
import pickle

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import gslfit.integrations.xarray
from gslfit import Formula, Model, Parameters, curve_fit, fit, fit_batch, fit_groups, fit_shared, minimize
from gslfit.cli.app import run
from gslfit.compat import lmfit as compat
from gslfit.errors import InputError, ParameterNameError
from gslfit.models import GaussianModel

assert gslfit.integrations.xarray       # which brings the accessor
MICRO, MU = "\u00b5", "\u03bc"       # the micro sign of keyboards, and the letter that Python reads it as
X = np.linspace(0, 4, 40)
Y = 3*np.exp(-0.7*X) + 0.5 + np.random.default_rng(2).normal(0, 0.01, X.size)
TEXT = f"A*exp(-{MICRO}*x) + λ_0"
VALUES = {"A": 2.0, MICRO: 0.5, "λ_0": 0.0}


def decay(x, A, µ, λ_0):
    return A*np.exp(-µ*x) + λ_0


def called(x, A, µ, λ_0):
    return np.array([A*float(np.exp(-µ*each)) + λ_0 for each in x])


def made(kind=Parameters):
    params = kind()
    for name, value in VALUES.items():
        params.add(name, value)
    params.add("τ", expr=f"1/{MICRO}")
    return params


def residual(p):
    return decay(X, *(p[name].value for name in VALUES)) - Y


def shared(f):
    given = f if f is decay else TEXT
    return fit_shared(given, np.array([Y, Y]), x=X, shared=MICRO, start=VALUES, bounds={MICRO: (0, 9)})


DOORS = {
    "keywords": lambda f: fit(f, Y, x=X, **VALUES),
    "start": lambda f: fit(f, Y, x=X, start=VALUES),
    "Parameters": lambda f: fit(f, Y, made(), x=X),
    "prior": lambda f: fit(f, Y, x=X, start=VALUES, yerr=0.01, prior={MICRO: (0.7, 9.0), f"2*{MICRO}": (1.4, 9.0)}),
    "ranges": lambda f: fit(f, Y, x=X, A=2, λ_0=0, ranges={MICRO: (0.1, 3)}),
    "fit_batch": lambda f: fit_batch(f, np.array([Y, Y]), x=X, **VALUES)[1],
    "fit_batch, bounds": lambda f: fit_batch(f, np.array([Y, Y]), x=X, start=VALUES, bounds={MICRO: ([0, 0.1], 9)},
                                             vary={MICRO: [False, True]})[1],
    "Model.fit": lambda f: Model(f).fit(Y, x=X, **VALUES),
    "Model.fit, Parameters": lambda f: Model(f).fit(Y, made(), x=X),
    "make_params": lambda f: Model(f).fit(Y, Model(f).make_params(**VALUES), x=X),
    "Model.fit_batch": lambda f: Model(f).fit_batch(np.array([Y, Y]), x=X, **VALUES)[1],
    "minimize": lambda f: minimize(residual, made()).result,
    "compiled": lambda f: minimize(lambda p: p["A"]*np.exp(-p[MICRO]*X) + p["λ_0"] - Y, made(), compiled=True).result,
    "compat": lambda f: compat.Model(f if callable(f) else decay).fit(Y, made(compat.Parameters), x=X),
    "compat, minimize": lambda f: compat.minimize(residual, made(compat.Parameters)),
}


@pytest.mark.parametrize("f", [TEXT, decay, called], ids=["text", "traced", "called"])
@pytest.mark.parametrize("door", DOORS)
@pytest.mark.filterwarnings("ignore::gslfit.errors.FitWarning")
def test_every_door_takes_greek_names(door, f):
    """The same minimum by all, known by the name as Python has it and by any spelling of it."""
    result = DOORS[door](f)
    assert result.success
    assert set(VALUES) - {MICRO} | {MU} <= set(result.params)
    assert result.params[MICRO] is result.params[MU]
    assert result.params[MICRO].value == pytest.approx(curve_fit(decay, X, Y, [2, 0.5, 0])[0][1], rel=1e-5)
    assert result.params[MICRO].stderr > 0


def test_shared_names():
    for f in (TEXT, decay):
        result = shared(f)
        assert result.success and set(result.params) >= {MU}
        assert list(result.conf_interval(p_names=MICRO)) == [MU]


def test_what_is_asked_by_name():
    """derived, intervals, eval, prefixes, hints, JSON and pickles."""
    model = Model(TEXT, prefix="σ")
    assert model.param_names == ["σA", "σ" + MU, "σλ_0"]
    model.set_param_hint(MICRO, min=0.0)
    result = model.fit(Y, x=X, **{"σA": 2, "σ" + MICRO: 0.5, "σλ_0": 0})
    assert result.params["σ" + MICRO].min == 0
    assert result.derived("σ" + MICRO + "*2")[0] == pytest.approx(2*result.best_values["σ" + MU])
    assert list(result.conf_interval(p_names=["σ" + MICRO])) == ["σ" + MU]
    own = {"A": 1.0, MICRO: 2.0, "λ_0": 3.0}
    for each in (Formula(TEXT), Formula(decay)):
        assert np.array_equal(each(X, **own), decay(X, 1.0, 2.0, 3.0))
    assert np.array_equal(Model(decay).eval(x=X, **own), decay(X, 1.0, 2.0, 3.0))
    assert np.array_equal(Model(TEXT, ["x"], param_names=["λ_0", MICRO, "A"]).eval(x=X, **own), decay(X, 1.0, 2.0, 3.0))
    assert Formula(f"a*{MICRO}", independent=MICRO).independent == (MU,)
    for params in (pickle.loads(pickle.dumps(made())), Parameters().loads(made().dumps()),
                   compat.Parameters().loads(made(compat.Parameters).dumps())):
        assert list(params) == ["A", MU, "λ_0", "τ"] and params["τ"].value == 2
    assert "\\sigma" in Formula("x*exp(σ)").latex() and r"\lambda_{1}" in Formula("x*λ1").latex()


def test_parameters_are_found_by_any_spelling():
    params = made()
    assert MICRO in params and MU in params and "ν" not in params
    assert params.get(MICRO) is params[MU] and params.get("ν") is None
    params[MICRO] = params[MU]
    params.set(**{MICRO: 4})
    assert params[MU].value == 4 and len(params) == 4
    assert params.pop(MICRO).value == 4 and MU not in params
    params = made()
    del params[MICRO]
    assert MU not in params
    with pytest.raises(InputError, match="which Python reads as one name"):
        fit(TEXT, Y, x=X, start={**VALUES, MU: 1.0})


@pytest.mark.parametrize("name", ["x²", "€", "1σ", "σ-1", "\u2460", "𝐢𝐟"])
def test_what_is_no_identifier_is_refused(name):
    for put in (lambda: Parameters().add(name, 1), lambda: compat.Parameters().add(name, 1), lambda: Parameters(usersyms={name: 1.0}),
                lambda: Parameters().update({name: made()["A"]})):
        with pytest.raises(ParameterNameError):
            put()
    if not name.isidentifier():
        with pytest.raises(InputError):
            Model("a*x", prefix=name if name != "x²" else "²")


def test_the_command(tmp_path, monkeypatch, capsys):
    """Starts, bounds, fixed values and variables by name, those of columns too."""
    monkeypatch.chdir(tmp_path)
    (tmp_path/"d.csv").write_text("θ;y\n" + "".join(f"{x};{y}\n" for x, y in zip(X, Y, strict=True)), encoding="utf-8")
    model = f"A*exp(-{MICRO}*θ) + λ_0"
    for x in ([], ["--x", "θ"], ["--x", "θ=θ"], ["--x", "θ=1"]):
        assert run(["fit", "d.csv", *x, "-m", model, "--start", f"{MICRO}=0.5", "--bound", f"{MICRO}=0:3"]) == 0
        assert MU in capsys.readouterr().out
    assert run(["fit", "d.csv", "d.csv", "-m", model, "--start", f"{MICRO}=0.5", "--shared", MICRO]) == 0
    assert run(["fit", "d.csv", "-m", model, "--start", "x²=0.5"]) == 2


def test_gaussians_with_greek_prefixes():
    x = np.linspace(-5, 5, 80)
    model = GaussianModel(prefix="α_") + GaussianModel(prefix="β_")
    y = model.eval(x=x, α_amplitude=3, α_center=-2, α_sigma=0.7, β_amplitude=4, β_center=2, β_sigma=0.9)
    result = model.fit(y, x=x)
    assert sorted([result.params["α_center"].value, result.params["β_center"].value]) == pytest.approx([-2, 2], rel=1e-6)
    batch = model.fit_batch(np.array([y, y]), x=x)
    assert batch.success.all() and batch.stderr["β_fwhm"].shape == (2,)


def test_columns_and_coordinates():
    """Those of tables and DataArrays are variables by any spelling."""
    frame = pd.DataFrame({"cell": np.repeat([1, 2], X.size), MICRO: np.tile(X, 2), "y": np.tile(Y, 2)})
    data = xr.DataArray(np.array([Y, Y]), dims=("cell", MICRO), coords={MICRO: X})
    text = f"A*exp(-τ*{MICRO}) + λ"
    for result in (fit_groups(frame, by="cell", x=MICRO, y="y", model=text, τ=0.5).values["τ"], data.gslfit.fit(MICRO, text, τ=0.5).τ,
                   data.gslfit.fit(MICRO, lambda µ, A, τ, λ: A*np.exp(-τ*µ) + λ, τ=0.5, A=1.0, λ=0.0).τ):
        np.testing.assert_allclose(result, curve_fit(decay, X, Y, [2, 0.5, 0])[0][1], rtol=1e-5)
