"""What may stand for the Parameters of a fit, and a parameter that varies without being used: every entry answers alike."""
import numpy as np
import pytest

import gslfit
from gslfit.errors import InputError, InputTypeError

pytestmark = pytest.mark.filterwarnings("ignore::gslfit.errors.FitWarning")
X = np.linspace(0, 5, 30)
Y = 2*np.exp(-X/1.5) + 1
TEXT = "a*exp(-x/tau) + c"
START = {"a": 1.0, "tau": 1.0, "c": 0.0}


def called(x, a, tau, c):
    """Return the same by a function that can't be compiled."""
    return a*np.exp(-np.asarray(x, float)/tau) + c if float(a) == a else x


def fitted(model=TEXT):
    """Return a result that can be fitted again."""
    return gslfit.Model(model).fit(Y, x=X, **START)


def set_and_fit(result, params):
    """Fit again from what the result's `params` were set to."""
    result.params = params
    return result.fit()


ENTRIES = {
    "fit": lambda model, params: gslfit.fit(model, Y, params, x=X),
    "fit_batch": lambda model, params: gslfit.fit_batch(model, Y[None], params, x=X),
    "Model.fit": lambda model, params: gslfit.Model(model).fit(Y, params, x=X),
    "Model.fit, lbfgsb": lambda model, params: gslfit.Model(model).fit(Y, params, x=X, method="lbfgsb"),
    "Model.fit_batch": lambda model, params: gslfit.Model(model).fit_batch(Y[None], params, x=X),
    "ModelResult": lambda model, params: gslfit.ModelResult(gslfit.Model(model), params, Y, fcn_kws={"x": X}).fit(),
    "ModelResult.fit": lambda model, params: fitted(model).fit(params=params),
    "ModelResult.params": lambda model, params: set_and_fit(fitted(model), params),
}


@pytest.mark.parametrize("model", [TEXT, called], ids=["compiled", "called"])
@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize("params", [{"a": 1}, {}, START, [1.0], "ab", 3, (), {"a": gslfit.Parameter("a", 1.0)}, 1j], ids=repr)
def test_anything_but_parameters_is_refused(entry, model, params):
    """By one error that says what was given."""
    with pytest.raises(InputTypeError, match=rf"params is {type(params).__name__} .*, not Parameters"):
        ENTRIES[entry](model, params)


@pytest.mark.parametrize("entry", ["eval_uncertainty"])
def test_bands_are_asked_of_parameters(entry):
    """The same of what a band is asked for."""
    with pytest.raises(InputTypeError, match="params is dict .*, not Parameters"):
        getattr(fitted(), entry)(params={"a": 1})


def with_unused(**derived):
    """Return the start, and a parameter that the model hasn't; some parameters may be expressions of it."""
    params = gslfit.Parameters()
    params.add("unused", 0.5)
    for name, value in START.items():
        params.add(name, value=value)
    for name, expr in derived.items():
        params[name].expr = expr
    return params


@pytest.mark.parametrize("model", [TEXT, called], ids=["compiled", "called"])
@pytest.mark.parametrize("entry", ENTRIES)
def test_a_varying_parameter_that_the_model_has_not(entry, model):
    """It is an error, whether the model is compiled or called."""
    with pytest.raises(InputError, match=r"'unused' varies, but .* doesn't depend on it: set vary=False, or leave it out"):
        ENTRIES[entry](model, with_unused())


@pytest.mark.parametrize("model", [TEXT, called], ids=["compiled", "called"])
@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize("derived", [{"c": "2*unused"}, {"tau": "c*1.5", "c": "2*unused"}], ids=["one", "two"])
def test_one_that_expressions_need_is_used(entry, model, derived):
    """It has its part in the fit by way of an expression, or of two."""
    found = ENTRIES[entry](model, with_unused(**derived))
    assert np.all(found.success)
    values = dict(found.values)
    np.testing.assert_allclose([np.ravel(values[name])[0] for name in ("unused", "c", "tau")], [0.5, 1.0, 1.5], rtol=1e-4)


@pytest.mark.parametrize("model", [TEXT, called], ids=["compiled", "called"])
@pytest.mark.parametrize("entry", ENTRIES)
def test_a_fixed_one_may_stand_aside(entry, model):
    """What doesn't vary needn't be used."""
    params = with_unused()
    params["unused"].vary = False
    assert np.all(ENTRIES[entry](model, params).success)
