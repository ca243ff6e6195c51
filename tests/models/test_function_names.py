"""What errors call a model's function."""
import functools

import numpy as np
import pytest

import gslfit
from gslfit.compat import lmfit as compat
from gslfit.errors import InputError


def decay(x, a, idle):
    return a + 0*x


class Callable:
    def __call__(self, x, a, idle):
        return a + 0*x


def by_keywords(x, **kws):
    return kws["a"]*np.exp(-x/kws["tau"])


@pytest.mark.parametrize("package", [gslfit, compat])
def test_parameters_that_nobody_has_named(package):
    """A function that takes any keywords needs names for its parameters, which every fit says."""
    x = np.linspace(0, 5, 20)
    y, params = 2*np.exp(-x), gslfit.Parameters()
    params.add_many(("a", 1.0), ("tau", 1.5))
    model = package.Model(by_keywords)
    for call in (lambda: model.fit(y, x=x), lambda: model.fit(y, x=x, a=1.0, tau=1.0), lambda: model.fit(y, params, x=x),
                 lambda: model.fit_batch([y], x=x), lambda: model.fit_shared([y, y], x=x, shared=[])):
        with pytest.raises(InputError, match=r"takes any keywords .*: name them, Model\(by_keywords, param_names=\['a', 'b'\]\)"):
            call()
    fitted = package.Model(by_keywords, param_names=["a", "tau"]).fit(y, x=x, a=1.0, tau=1.5)
    assert list(fitted.best_values.values()) == pytest.approx([2, 1])
    assert model.eval(x=0.0, a=3.0, tau=1.0) == 3.0


@pytest.mark.parametrize(("function", "name"), [(decay, "Formula(decay)"), (lambda x, a, idle: a + 0*x, "<lambda>"),
                                                (Callable(), "Formula(Callable)"), (functools.partial(decay), "Formula(partial)")])
def test_errors_name_the_function(function, name):
    """An idle parameter of a model: the message names the function."""
    x = np.linspace(0, 1, 9)
    with pytest.raises(InputError, match="'idle' varies") as said:
        gslfit.Model(function, independent_vars=["x"]).fit(x, x=x, a=1, idle=2)
    assert name in str(said.value) and " at 0x" not in str(said.value)
