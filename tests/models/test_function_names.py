"""What errors call a model's function."""
import functools

import numpy as np
import pytest

import gslfit
from gslfit.errors import InputError


def decay(x, a, idle):
    return a + 0*x


class Callable:
    def __call__(self, x, a, idle):
        return a + 0*x


@pytest.mark.parametrize(("function", "name"), [(decay, "Formula(decay)"), (lambda x, a, idle: a + 0*x, "<lambda>"),
                                                (Callable(), "Formula(Callable)"), (functools.partial(decay), "Formula(partial)")])
def test_errors_name_the_function(function, name):
    """An idle parameter of a model: the message names the function."""
    x = np.linspace(0, 1, 9)
    with pytest.raises(InputError, match="'idle' varies") as said:
        gslfit.Model(function, independent_vars=["x"]).fit(x, x=x, a=1, idle=2)
    assert name in str(said.value) and " at 0x" not in str(said.value)
