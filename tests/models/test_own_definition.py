"""What is set on one model is that model's own: models of one class of the library share the rest."""
import numpy as np
import pytest

from gslfit.errors import ExpressionError, InputTypeError
from gslfit.models import GaussianModel


def test_independent_variables_are_set_on_one_model():
    """Neither a list that is set nor one that was read and changed reaches another model of the class."""
    one, x = GaussianModel(), np.linspace(-1, 1, 5)
    one.independent_vars.append("t")
    assert one.independent_vars == GaussianModel().independent_vars == ["x"]
    one.independent_vars = ["t"]
    assert (one.independent_vars, GaussianModel().independent_vars) == (["t"], ["x"])
    assert GaussianModel().eval(x=x, amplitude=1, center=0, sigma=1).shape == x.shape


@pytest.mark.parametrize("names", [[1, 2], 3, None, [None]])
def test_independent_variables_are_names(names):
    """Anything else is refused, and leaves the model as it was."""
    model = GaussianModel()
    with pytest.raises(InputTypeError, match="independent_vars must be a name or a sequence of names"):
        model.independent_vars = names
    assert model.independent_vars == ["x"]


@pytest.mark.parametrize("text", ["\udcb6", "a\0b", "9"*5000, "("*300 + "1" + ")"*300, "-"*50_000 + "a", "a +"],
                         ids=["a lone surrogate", "a null byte", "many digits", "many brackets", "many signs", "no end"])
def test_hints_that_cannot_be_read(text):
    """An expression of a hint is read with the prefix put in: whatever Python's parser says of it, it is an ExpressionError."""
    model = GaussianModel(prefix="p_")
    model.set_param_hint("twice", expr=text)
    with pytest.raises(ExpressionError):
        model.make_params()
