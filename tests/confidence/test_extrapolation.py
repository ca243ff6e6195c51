"""Newton's interpolation polynomial where slopes are known too, against NumPy's polynomials and functions without end."""
import math

import numpy as np
import pytest

from gslfit.confidence.extrapolation import Node, foretold

PLACES = (.6, -.4, 1.3)


@pytest.mark.parametrize("slopes", [(False, False, False), (True, False, False), (True, True, False), (True, True, True)])
def test_polynomials_are_found_exactly(slopes):
    """As many conditions as coefficients; one more doesn't change the value, and its term is zero."""
    coefficients = np.array([.7, -1.1, .1, .01, -.001, .0001])[:3 + sum(slopes)]         # each term smaller than the one before
    curve = np.polynomial.Polynomial(coefficients)
    nodes = [Node(x, float(curve(x)), float(curve.deriv()(x)) if known else None) for x, known in zip(PLACES, slopes, strict=True)]
    value, _ = foretold(.7, nodes)
    assert value == pytest.approx(float(curve(.7)), rel=1e-13)
    value, unsure = foretold(.7, [*nodes, Node(2., float(curve(2.)), None)])
    assert value == pytest.approx(float(curve(.7)), rel=1e-13)
    assert unsure < 1e-14


@pytest.mark.parametrize("reach", [.01, .1, .2])
def test_the_uncertainty_holds(reach):
    """The error of the exponential is below the last term's size: the series goes on with smaller ones."""
    nodes = [Node(x, math.exp(x), math.exp(x)) for x in (1., .5, 0.)]
    for few in (nodes[:1], nodes[:2], nodes):
        value, unsure = foretold(1 + reach, few)
        assert abs(value - math.exp(1 + reach)) <= unsure
    assert unsure < 1e-2*reach


def test_terms_that_grow_are_left_out():
    """A far node that doesn't fit adds a term larger than the one before: the value is that without it, and it is the uncertainty."""
    near = [Node(1., 1., 1.), Node(0., 0., None)]
    value, unsure = foretold(1.1, near)
    found, doubt = foretold(1.1, [*near, Node(1.2, 50., None)])
    assert found == value
    assert doubt > .1 > unsure
    assert foretold(2., [Node(1., 3., 4.)]) == (7., 4.)
    assert foretold(2., [Node(1., 3., None)]) == (3., math.inf)
