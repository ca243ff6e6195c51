"""What lmfit's users look for in gslfit's own layer: `update_constraints`, `uvars`, files that are open."""
import io

import numpy as np
import pytest

import gslfit
from gslfit.errors import ExpressionError, NonFiniteError

X = np.linspace(0, 1, 30)


def fitted():
    """Return a fitted line, its middle an expression."""
    params = gslfit.Parameters()
    params.add_many(("a", 1.), ("b", 2.), ("held", 3., False))
    params.add("middle", expr="a/2 + b")
    return gslfit.minimize(lambda p: p["a"]*X + p["b"] - 3*X - 1 - .1*np.sin(9*X), params)


def test_uvars():
    """Values, errors and correlations are those of the fit; an expression has its error by its derivatives."""
    pytest.importorskip("uncertainties")
    from uncertainties import covariance_matrix
    mini = fitted()
    found = mini.uvars
    assert {name: each.nominal_value for name, each in found.items()} == pytest.approx(mini.params.valuesdict())
    for name, par in mini.params.items():
        assert found[name].std_dev == pytest.approx(par.stderr or 0)
    np.testing.assert_allclose(covariance_matrix([found["a"], found["b"]]), mini.covar, rtol=1e-9)
    assert (found["a"]/2 + found["b"] - found["middle"]).std_dev == pytest.approx(0, abs=1e-9)
    assert mini.result.uvars.keys() == found.keys()


def test_update_constraints():
    """Nothing is stale, and an expression that can't be evaluated says so."""
    params = gslfit.Parameters()
    params.add("a", 2.)
    params.add("b", expr="3*a")
    params["a"].value = 5.
    params.update_constraints()
    assert params["b"].value == 15
    params.add("c", expr="b + later")
    with pytest.raises(ExpressionError, match="later"):
        params.update_constraints()


def test_open_files():
    """`dump` writes to one, `load` reads it."""
    params = fitted().params
    file = io.StringIO()
    assert params.dump(file) == len(file.getvalue())
    file.seek(0)
    again = gslfit.Parameters().load(file)
    assert again.valuesdict() == params.valuesdict()
    assert again["middle"].expr == "a/2 + b"


def test_data_with_nan_are_no_wrong_jacobian():
    """A NaN that is carried along is what the error is about, not the derivatives that were handed in."""
    y = np.where(X > .9, np.nan, 3*X + 1)
    params = gslfit.Parameters()
    params.add_many(("a", 1.), ("b", 2.))
    slopes = np.column_stack([X, np.ones(X.size)])
    with pytest.raises(NonFiniteError):
        gslfit.minimize(lambda p: p["a"]*X + p["b"] - y, params, nan_policy="propagate", jac=lambda p: slopes)
