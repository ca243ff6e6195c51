"""What is set on one model is that model's own: models of one class of the library share the rest."""
import numpy as np
import pytest

from gslfit.errors import InputTypeError
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
