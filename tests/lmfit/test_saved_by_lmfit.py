"""Models and results that lmfit wrote are read, of its versions 1.0 to 1.3, as far as they hold no code; nothing in a file is run."""
import json
from base64 import b64encode

import lmfit
import numpy as np
import pytest

from gslfit.compat import lmfit as ours
from gslfit.errors import InputError

X = np.linspace(.2, 10, 51)
NAMES = [name for name in lmfit.models.lmfit_models if name not in ("Expression", "Spline")]


def wave(x, amp, freq, shift=.5):
    """Return a sine."""
    return amp*np.sin(x*freq + shift)


def loaded(text, **functions):
    """Return the model of a text."""
    return ours.Model(wave).loads(text, funcdefs=functions)


@pytest.mark.parametrize("prefix", ["", "p_"])
@pytest.mark.parametrize("name", NAMES)
def test_models_of_the_library(name, prefix):
    """By name: the same parameters, hints and values."""
    theirs = lmfit.models.lmfit_models[name](prefix=prefix, **({"degree": 3} if name == "Polynomial" else {}))
    theirs.set_param_hint(theirs.param_names[0].removeprefix(prefix), value=1.25, max=7)
    mine = loaded(theirs.dumps())
    assert type(mine).__name__ == type(theirs).__name__
    made, want = mine.make_params(), theirs.make_params()
    assert {*made} == {*want}
    for name, par in want.items():
        assert (made[name].min, made[name].max, made[name].vary) == (par.min, par.max, par.vary)
        if np.isfinite(par.value):                            # lmfit's polynomial has no start
            assert made[name].value == pytest.approx(par.value, rel=1e-6)
    values = {par: 1.1 + .3*k for k, par in enumerate(want) if want[par].expr is None}
    points = {variable: X for variable in theirs.independent_vars if variable in "xy"}
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(mine.eval(**points, **values), theirs.eval(**points, **values), rtol=1e-9, atol=1e-12)


def test_further_models():
    """Joined ones, texts, the options of steps, functions that are given; older files have a tuple where newer ones have names."""
    joined = lmfit.models.GaussianModel(prefix="g_")*lmfit.models.StepModel(form="erf", prefix="s_") + lmfit.models.ConstantModel()
    mine = loaded(joined.dumps())
    values = {par: 1.1 + .3*k for k, par in enumerate(joined.param_names)}
    assert mine.param_names == joined.param_names
    np.testing.assert_allclose(mine.eval(x=X, **values), joined.eval(x=X, **values), rtol=1e-12)
    text = lmfit.models.ExpressionModel("a*exp(-x/b) + c")
    np.testing.assert_allclose(loaded(text.dumps()).eval(x=X, a=1, b=2, c=3), text.eval(x=X, a=1, b=2, c=3))
    own = lmfit.Model(wave, prefix="w_")
    mine = loaded(own.dumps(), wave=wave)
    assert (mine.param_names, mine.func) == (own.param_names, wave)
    leaf, _, _ = json.loads(own.dumps())["value"]
    order = ("funcname", "funcdef", "name", "prefix", "independent_vars", "param_root_names", "param_hints", "nan_policy", "opts")
    old = {"__class__": "Tuple", "value": [{"__class__": "Tuple", "value": [leaf[name] for name in order]}, None, None]}
    assert loaded(json.dumps(old), wave=wave).param_names == own.param_names


def test_code_is_refused(monkeypatch):
    """A function that isn't given is named, and its pickle is left alone; so is one under the name of a line shape."""
    import os
    monkeypatch.setattr(os, "system", lambda *args: pytest.fail("ran"))
    hostile = b64encode(b"cos\nsystem\n(S'echo'\ntR.").decode()
    text = lmfit.Model(wave).dumps()
    with pytest.raises(InputError, match="holds the function 'wave' as code"):
        loaded(text)

    def disguised(name):
        leaf = {"funcname": name, "funcdef": {"__class__": "Callable", "__name__": name, "value": hostile, "importer": "os"}, "prefix": "",
                "param_root_names": ["amplitude", "center", "sigma"]}
        return json.dumps({"__class__": "Tuple", "value": [leaf, None, None]})
    assert loaded(disguised("gaussian")).name == "Model(gaussian)"
    with pytest.raises(InputError, match="holds the function 'wave' as code"):
        loaded(disguised("wave"))


@pytest.mark.parametrize("weights", [None, np.full(X.size, 2.)])
def test_results(weights, tmp_path):
    """Values, errors, statistics, data and curves are those that lmfit saved; a report and a new fit can be had."""
    y = 3*np.exp(-(X - 5)**2) + 1 + .1*np.random.default_rng(0).normal(size=X.size)
    model = lmfit.models.GaussianModel(prefix="g_") + lmfit.models.ConstantModel()
    theirs = model.fit(y, x=X, g_amplitude=1, g_center=5, g_sigma=1, c=0, weights=weights)
    path = tmp_path / "result.sav"
    lmfit.model.save_modelresult(theirs, path)
    mine = ours.model.load_modelresult(path)
    assert mine.params.valuesdict() == theirs.params.valuesdict()
    for name, par in theirs.params.items():
        assert (mine.params[name].stderr, mine.params[name].correl) == (par.stderr, par.correl)
    for name in ("success", "nfev", "ndata", "nvarys", "nfree", "method", "errorbars", "aborted", "init_values", "best_values",
                 "var_names"):
        assert getattr(mine, name) == getattr(theirs, name), name
    for name in ("chisqr", "redchi", "aic", "bic", "rsquared", "covar", "residual", "best_fit", "init_fit", "data"):
        np.testing.assert_allclose(getattr(mine, name), getattr(theirs, name), rtol=1e-9, err_msg=name)
    assert "g_amplitude" in mine.fit_report()
    mine.fit()
    assert mine.chisqr == pytest.approx(theirs.chisqr, rel=1e-6)


def test_results_before_lmfit_1_1():
    """Parameters are a list there, and the residual isn't in the file."""
    y = 3*np.exp(-(X - 5)**2) + .1*np.random.default_rng(0).normal(size=X.size)
    theirs = lmfit.models.GaussianModel().fit(y, x=X, amplitude=1, center=5, sigma=1)
    state = json.loads(theirs.dumps())
    state["__version__"], state["unique_symbols"] = "1", {"pi": 3.14}
    state["params"] = [par.__getstate__() for par in theirs.params.values()]
    for name in ("init_params", "residual"):
        del state[name]
    mine = ours.model.result_from_text(json.dumps(state))
    assert mine.params.valuesdict() == theirs.params.valuesdict()
    assert mine.chisqr == pytest.approx(theirs.chisqr, rel=1e-9)
    assert mine.init_values == theirs.init_values


@pytest.mark.parametrize("text", [
    "[]", "{}", '{"__class__": "Tuple", "value": 3}', '{"__class__": "Tuple", "value": [{"funcname": 7}, null, null]}',
    '{"__class__": "Tuple", "value": [1, 2, "__import__"]}', '{"__class__": "lmfit.ModelResult", "model": null}',
    '{"__class__": "lmfit.ModelResult", "model": {"__class__": "NDArray", "value": ["x"], "__shape__": [1], "__dtype__": "f8"}}'])
def test_broken_files(text):
    """An InputError, whatever is wrong."""
    with pytest.raises(InputError):
        ours.Model(wave).loads(text)
    with pytest.raises(InputError):
        ours.model.result_from_text(text)
