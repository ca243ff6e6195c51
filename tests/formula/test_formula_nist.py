"""NIST's 27 formulas compile, and their derivatives are exact."""
import interpreter
import nist
import numpy as np
import pytest
from nist_jacobian import jacobian

from gslfit.formula.formula import Formula


@pytest.mark.parametrize("name", nist.FORMULAS)
def test_derivatives(name):
    """At both starts and the certified values, to rounding against sympy's."""
    data = nist.read(name)
    formula = Formula(data.formula, independent=data.predictors)
    assert sorted(formula.names) == sorted(data.names)
    lowered = formula.lowered(free=data.names)
    for b in (*data.starts, data.certified):
        value, columns = interpreter.run(lowered, {**dict(zip(data.names, b, strict=True)), **data.columns()})
        exact = jacobian(name)(b)
        scale = np.max(np.abs(exact), axis=0)
        assert np.all(np.abs(columns - exact) <= 1e-12*scale + 1e-13*np.abs(exact))
        model = nist.model(name)(b, data.x)
        assert np.allclose(value, model, rtol=1e-13, atol=1e-13*np.max(np.abs(model)))
