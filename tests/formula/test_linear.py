"""What a formula is linear in, against its second derivatives."""
import numpy as np
import pytest

from gslfit import Formula, Parameters
from gslfit.formula._program import OPCODES, Program
from gslfit.formula.linear import linearity
from gslfit.formula.parametrize import fold

LINEAR = {
    "A*exp(-x/t) + c": "A c", "a + b*x + c*x**2": "a b c", "A*(1 + k*x)*exp(-x)": "A k", "(A - B)/(1 + x) + B": "A B", "A**2*x + b": "b",
    "A*x/(k + x)": "A",
    "where(x > c, a, b*x)": "a b", "-(a - x*b)/2": "a b", "max(a, x) + b": "b", "A*sin(w*x + p)": "A", "a*b*c*x": "a b c",
    "A*(a - x)**2": "A", "abs(a)*x + b": "b", "xlogy(x, a) + b": "b", "xlogy(a, x) + b": "b", "A/B + C*D": "A C D", "exp(a)*A - a": "A",
}
TOGETHER = {"A*(1 + k*x)*exp(-x)": [("", "A"), ("k", "k")], "a*b*c*x": [("", "a"), ("b c", "b")], "A/B + C*D": [("", "A C"), ("D", "D A")],
            "A*exp(-x/t) + c": [("", "A c"), ("c", "c A"), ("t", "A c")]}


@pytest.mark.parametrize("text", LINEAR)
def test_linear_alone(text):
    """The graph's answer, and a second difference that is zero for each of them and for none of the others (but by a kink or at 0)."""
    formula = Formula(text)
    found = linearity(formula.graph.value, formula.names)
    assert " ".join(found.linear) == LINEAR[text]
    rng = np.random.default_rng(1)
    point = {name: rng.uniform(.6, 1.4) for name in formula.names}
    x = np.linspace(.1, 3, 40)
    for name in found.linear:
        low, middle, high = (formula(x, **{**point, name: value}) for value in (.5, 1.25, 2.))
        np.testing.assert_allclose(low + high, 2*middle, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("text", TOGETHER)
def test_linear_together(text):
    """No two that multiply one another; those that are wanted come first."""
    formula = Formula(text)
    found = linearity(formula.graph.value, formula.names)
    for first, wanted in TOGETHER[text]:
        assert " ".join(found.together(first.split())) == wanted


def test_amplitudes():
    """What multiplies a shape that is fitted too, and no offset or slope."""
    formula = Formula("A*exp(-x/t) + (B + D*x)*sin(w*x) + b*x + c")
    assert linearity(formula.graph.value, formula.names).amplitudes == {"A", "B", "D"}


def test_through_expressions_and_fixed_parameters():
    """What parameters mean for each other is part of it; a program says of which free variables it is linear."""
    params = Parameters()
    for name, value in {"A": 1., "t": 2., "c": 0.}.items():
        params.add(name, value)
    params.add("d", expr="A**2")
    params["c"].vary = False
    folded = fold(Formula("A*exp(-x/t) + c + d"), params)
    assert folded.linearity.linear == ()
    params["d"].set(expr="2*A")
    folded = fold(Formula("A*exp(-x/t) + c + d"), params)
    assert folded.linearity.linear == ("A",)
    encoded = folded.lowered.encoded(OPCODES)
    with pytest.raises(ValueError, match="linear names free variable 2"):
        Program(**encoded, linear=[2])
    assert Program(**encoded, linear=[1], amplitudes=[0]).__reduce__()[1][-2:] == ((1,), (0,))
