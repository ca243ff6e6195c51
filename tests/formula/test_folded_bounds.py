"""Bounds and expressions folded into a program: upper and lower ones alike, symbols that change between fits."""
import numpy as np
import pytest

from gslfit import FitStatus, Formula, Parameters, fit, fit_batch, minimize
from gslfit.errors import ParameterError

X = np.linspace(1, 2, 25)


@pytest.mark.parametrize("route", ["fit", "fit_batch", "minimize"])
@pytest.mark.parametrize("sign", [1, -1])
def test_an_expression_at_its_own_bound(sign, route):
    """An expression is clipped at its upper bound as at its lower one: a + min(2*a, 3) = 5 has a = 2."""
    p = Parameters()
    p.add("a", 2.5*sign)
    p.add("b", expr="2*a", **{"max" if sign > 0 else "min": 3*sign})
    y = 5.*sign*X
    if route == "fit":
        params = fit("a*x + b*x", y, p, x=X).params
    elif route == "minimize":
        params = minimize(lambda p: (p["a"].value + p["b"].value)*X - y, p).params
    else:
        params = fit_batch("a*x + b*x", y[None], p, x=X)[0].params
    assert params["b"].value == 3*sign
    assert params["a"].value == pytest.approx(2*sign, rel=1e-9)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_start_outside_is_refused(sign):
    """A start above the upper bound is an error that names the fit, as one below the lower bound is."""
    p = Parameters()
    p.add("a", 0., **{"max" if sign > 0 else "min": sign})
    with pytest.raises(ParameterError, match=r"'a' starts at -?2.0 \(fit 1\), outside its bound (max|min) = -?1"):
        fit_batch(Formula("a*x"), np.zeros((3, 25)), p, x=X, a=np.array([0., 2.*sign, 0.]))


@pytest.mark.parametrize("sign", [1, -1])
def test_no_value_beyond_a_bound(sign):
    """Of 300 single fits with their minimum next to a bound, none returns a value beyond it, of a parameter or an expression."""
    rng = np.random.default_rng(3)
    for _ in range(300):
        rate = 1 + rng.choice([-1, 1])*10.**rng.uniform(-16, -2)
        y = np.exp(sign*rate*X) + rng.choice([0, 1e-8])*rng.normal(size=25)
        p = Parameters()
        p.add("A", .9)
        p.add("k", .8*sign, **{"max" if sign > 0 else "min": sign})
        found = fit("A*exp(k*x)", y, p, x=X)
        assert sign*found.params["k"].value <= 1
        assert found.success
        if rate > 1 + 1e-6:
            assert found.status == FitStatus.AT_BOUND


def test_symbols_that_change_between_fits():
    """A constant of the caller's in an expression counts as it is when the fit is made, with the same Formula too."""
    formula = Formula("a*x + b")
    for constant in (2., 3., 2.):
        p = Parameters(usersyms={"factor": constant})
        p.add("a", 1.)
        p.add("b", expr="factor*a")
        for params in (fit(formula, 4*(X + constant), p, x=X).params, fit_batch(formula, 4*(X + constant)[None], p, x=X)[0].params):
            assert params["b"].value == pytest.approx(4*constant, rel=1e-9)


@pytest.mark.parametrize("text", ["sqrt((a*x)**3 + 0*b)", "sqrt((a*x - b)**3)", "sqrt(a*x**2 - b)"])
def test_derivatives_at_the_edge_of_a_domain_with_many_parameters(text):
    """Six parameters more, for which derivatives go backwards, change nothing at the edge of a square root's domain."""
    more = [f"q{k}" for k in range(6)]
    point = np.array([0.0, 1.0, 2.0])
    few = Formula(text)
    many = Formula(f"{text} + " + " + ".join(f"{name}*x" for name in more))
    values = {"a": 1.0, "b": 0.0}
    with np.errstate(all="ignore"):
        wanted = few.jacobian(x=point, **values)
        found = many.jacobian(x=point, **values, **dict.fromkeys(more, 0.0))
    columns = [many.names.index(name) for name in few.names]
    np.testing.assert_array_equal(found[:, columns], wanted)
