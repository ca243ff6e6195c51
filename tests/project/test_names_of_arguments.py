"""Parameters that have the name of an argument of the call, and in whose name warnings are given."""
import warnings

import numpy as np
import pytest

import gslfit
from gslfit.compat import lmfit as compat
from gslfit.errors import FitWarning, InputError, InputTypeError

X = np.linspace(0, 5, 30)
DATA = 2*np.exp(-X/1.5) + 0.5


@pytest.mark.parametrize(("entry", "name"), [(entry, name) for entry in ("fit", "fit_batch") for name in ("y", "formula")])
def test_given_by_position_and_by_name(entry, name):
    """An argument given twice is an error that says where a parameter's start goes; there it is taken."""
    text = f"{name}*exp(-x/tau) + c"
    call = getattr(gslfit, entry)
    with pytest.raises(InputError, match=rf"{name} is given twice, by position .* by name \(1.0\).*start={{'{name}': ...}} or Parameters"):
        call(text, DATA, x=X, tau=1.0, c=0.0, **{name: 1.0})
    found = call(text, DATA, x=X, tau=1.0, c=0.0, start={name: 1.0})
    assert found.values[name] == pytest.approx(2, rel=1e-6)


@pytest.mark.parametrize("name", ["data", "params", "weights", "method", "yerr", "mask", "max_nfev"])
def test_of_a_model(name):
    """A model's parameter with the name of an argument, given as a keyword: the error names make_params, which takes it."""
    model = gslfit.Model(f"{name}*exp(-x/tau) + c")
    with pytest.raises((InputError, InputTypeError), match=rf"make_params\({name}=|start values"):
        model.fit(DATA, x=X, tau=1.0, c=0.0, **{name: 1.5})
    found = model.fit(DATA, model.make_params(tau=1.0, c=0.0, **{name: 1.0}), x=X)
    assert found.values[name] == pytest.approx(2, rel=1e-9)


@pytest.mark.parametrize("name", ["params", "yerr", "weights", "mask", "xtol", "threads", "method", "nan_policy"])
def test_an_option_in_place_of_a_start(name):
    """A start that was taken for an option is an error of one line that says where it goes."""
    text = f"{name}*exp(-x/tau) + c"
    with pytest.raises((InputError, InputTypeError), match="start={"):
        gslfit.fit(text, DATA, x=X, tau=1.0, c=0.0, **{name: -1.5})
    assert gslfit.fit(text, DATA, x=X, tau=1.0, c=0.0, start={name: 1.5}).values[name] == pytest.approx(2, rel=1e-9)


def called(x, a, tau, c):
    return float(a)*np.exp(-x/float(tau)) + float(c)


START = {"a": 1.5, "tau": 1.0, "c": 0.3}
CALLS = {
    "fit": lambda: gslfit.fit(called, DATA, x=X, **START),
    "fit_batch": lambda: gslfit.fit_batch(called, DATA[None], x=X, **START),
    "Model.fit_batch": lambda: gslfit.Model(called).fit_batch(DATA[None], x=X, **START),
    "Model.fit": lambda: gslfit.Model("a*exp(-x/tau) + c").fit(DATA, x=X, strange=1.0, **START),
    "compat": lambda: compat.Model(called).fit(DATA, x=X, strange=1.0, **START),
    "hint": lambda: gslfit.Model(called).set_param_hint("a", strange=1.0),
}


@pytest.mark.parametrize("name", CALLS)
def test_warnings_name_the_caller(name):
    """A warning points at the line that called the package, however deep inside it arose."""
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        CALLS[name]()
    assert [each.filename for each in seen if each.category is FitWarning] == [__file__]
