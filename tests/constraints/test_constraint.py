"""Constraints: every function and operator of the manual, against Python's own evaluation; derivatives against mpmath."""
import inspect
import math
import pickle

import mpmath
import numpy as np
import pytest
from scipy import special

from gslfit.constraints import functions as table
from gslfit.constraints.ridders import derivative
from gslfit.constraints.topological import order
from gslfit.errors import ExpressionError, NonFiniteError
from gslfit.parameters.collection import Parameters

LISTED = """abs, acos, acosh, asin, asinh, atan, atan2, atanh, ceil, copysign, cos, cosh, degrees, exp,
fabs, factorial, floor, fmod, frexp, fsum, hypot, isinf, isnan, ldexp, log, log10, log1p,
max, min, modf, pow, radians, sin, sinh, sqrt, tan, tanh, trunc"""
MANUAL = LISTED.replace(",", " ").split()


def value(text, **values):
    """Return the value of an expression with these parameters."""
    p = Parameters()
    for name, number in values.items():
        p.add(name, number)
    p.add("result_", expr=text)
    return p["result_"].value


def slopes(text, **values):
    """Return the value's derivatives by these parameters."""
    p = Parameters()
    for name, number in values.items():
        p.add(name, number)
    p.add("result_", expr=text)
    b = p.bind()
    b.put(b.start)
    return b.dependents()[1][-1]


def test_the_manuals_functions_are_there():
    """All of them, and not the scan's misprint."""
    assert sorted(table.FUNCTIONS) == sorted(MANUAL)
    assert len(MANUAL) == 38


CALLS = {"atan2": "atan2(a, b)", "copysign": "copysign(a, -b)", "fmod": "fmod(b, a)", "hypot": "hypot(a, b)", "pow": "pow(a, b)",
         "max": "max(a, b, 0.1)", "min": "min([a, b])", "fsum": "fsum([a, b, 2*a])", "ldexp": "ldexp(a, 3)", "factorial": "factorial(4)",
         "acosh": "acosh(b)", "frexp": "fsum(frexp(b))", "modf": "max(modf(b))", "log": "log(a, b)", "arccosh": "arccosh(b)",
         "arctan2": "arctan2(a, b)"}


@pytest.mark.parametrize("name", sorted(table.TABLE))
def test_function(name):
    """The value is Python's, the derivative that of differences."""
    text = CALLS.get(name, f"{name}(a)")
    at = dict(a=.375, b=2.75)
    old = {new: "a" + new[3:] for new in table.TABLE if new.startswith("arc")}.get(name, name)
    python = {"exp2": lambda x: 2**x, "sign": np.sign, "cbrt": np.cbrt, "erfcx": special.erfcx}.get(name) or getattr(math, old, None) or {
        "abs": abs, "max": max, "min": min}[name]
    assert value(text, **at) == pytest.approx(float(eval(text, {name: python, "fsum": math.fsum, "max": max}, at)), rel=1e-15)
    for i, key in enumerate("ab"):
        expected = derivative(lambda x, key=key: value(text, **(at | {key: x})), at[key], .01)
        assert slopes(text, **at)[i] == pytest.approx(expected, rel=1e-9, abs=1e-10)


OPERATORS = ["a + b", "a - b", "a * b", "a / b", "a ** b", "a ** 3", "a ** -2", "2 ** a", "a % b", "b % a", "a // b", "int_ & 6",
    "int_ | 8",
             "int_ ^ 3", "int_ << 2", "int_ >> 1", "~int_", "a and b", "a or b", "a == b", "a > b", "a >= b", "a < b", "a <= b", "a != b",
             "not a", "a in (1, 2.5)", "a not in [1, 2.5]", "-a + +b", "a < b < 9", "(a > 1) & (b > 1)", "b if a/2. > 100 else a", "True",
             "(a, b) == (2.5, 1.25)", "2**10 - 1", "7 // 2", "1_000", "0x1F", "e", "pi", "a if b else 1/0", "max((a, b))",
             "fsum((a, b)) in (3.75,)"]


@pytest.mark.parametrize("text", OPERATORS)
def test_operator(text):
    """Every operator gives what Python does; whole floats act as integers where Python wants those."""
    at = dict(a=2.5, b=1.25)
    expected = eval(text, {"int_": 13, "e": math.e, "pi": math.pi, "fsum": math.fsum}, at)
    assert value(text, int_=13, **at) == float(expected)


@pytest.mark.parametrize(("text", "expected"), [("a is 3", 1), ("a is not 3", 0), ("(a > 2) is True", 1), ("1 is True", 0), ("a is b",
    0)])
def test_is_compares_numbers(text, expected):
    """`is` tells the same number, or the same truth value."""
    assert value(text, a=3, b=4) == expected


@pytest.mark.parametrize("text", ["a & 1", "a | 1", "a ^ 1", "a << 1", "a >> 1", "~a", "factorial(a)", "ldexp(1, a)"])
def test_integers_only(text):
    """A float that is no whole number is refused by name."""
    with pytest.raises(ExpressionError, match=r"'result_'.*whole numbers, not 2\.5"):
        value(text, a=2.5)


@pytest.mark.parametrize("text", ["1 << 2000", "1 << 10**9", "9**9**9", "9.**9**9", "factorial(1000000)", "factorial(171)",
    "(2**64)**64**2",
                                  "exp(1000)", "a/0", "a % 0", "a // 0.", "0**-1", "0.**-1.", "(-8.)**(1/3)", "sqrt(-1)", "log(0)",
                                  "acos(2)",
                                  "frexp(a)", "(a, a)", "[]", "max(())", "a + (1, 2)", "(1, 2) & 1", "(10**300)*(10**300)*1.",
                                  "1e308*10 - 1e308*10",
                                  "((9**64)**64)**64", "(1 << 1000) << 1000", "(9**20)**(9**20)", "[a]*10**9", "(1, 2)*(10**12)",
                                  "10**12*frexp(a)", "max([1], [2])*10**12"])
def test_runaways_and_domain_errors(text):
    """Nothing takes long, nothing turns complex; the error names the parameter and its expression."""
    with pytest.raises((NonFiniteError, ExpressionError), match=r"'result_'") as caught:
        value(text, a=1)
    assert text in str(caught.value)


@pytest.mark.parametrize("name", ["a", "exp", "e", "pi", "max", "__builtins__", "x_1", "lambda_", "run"])
def test_parameters_may_have_any_name(name):
    """A parameter named as a function or constant is the parameter, and the function stays callable."""
    assert value(f"{name} + exp(0) + max(1, 2)", **{name: 40}) == 43


def test_call_of_a_parameter():
    """A bare function name, and calling a parameter, are explained."""
    with pytest.raises(ExpressionError, match="'exp' is a function"):
        value("exp + 1")
    with pytest.raises(ExpressionError, match="no function 'a'"):
        value("a(1)", a=1)


@pytest.mark.parametrize("text", ["sin(a)*exp(-b*a) + a**b", "log(hypot(a, b), 3)/tanh(a)", "a**(b**a)",
    "(a if a > b else b**2)/(1 + a*a)",
                                  "atan2(sin(a), cos(b))", "fsum([a*b, sqrt(a), 1/b])", "max(a*2, b)*min(a, b)", "b % a + fmod(7*b, a)"])
def test_derivatives_against_mpmath(text):
    """Derivatives of whole expressions to 1e-12."""
    at = dict(a=.7, b=1.9)
    names = {"sin": mpmath.sin, "cos": mpmath.cos, "exp": mpmath.exp, "log": mpmath.log, "hypot": mpmath.hypot, "tanh": mpmath.tanh,
             "atan2": mpmath.atan2, "sqrt": mpmath.sqrt, "fsum": sum, "fmod": mpmath.fmod, "max": max, "min": min}
    with mpmath.workdps(50):
        for i, key in enumerate("ab"):
            exact = {name: mpmath.mpf(number) for name, number in at.items()}
            expected = mpmath.diff(lambda x, key=key, exact=exact: eval(text, names, exact | {key: x}), exact[key])
            assert slopes(text, **at)[i] == pytest.approx(float(expected), rel=1e-12)


def test_derivative_of_users_function():
    """Differences through a function of the user's own, keywords too, good to ten digits."""
    p = Parameters(usersyms={"peak": lambda x, amp, cen, wid=1.: amp/(1 + ((x - cen)/wid)**2), "two": 2})
    p.add_many(("a", 3.), ("c", .4), ("w", 1.7))
    p.add("top", expr="two*peak(1.0, a, c, wid=w)")
    b = p.bind()
    b.put(b.start)
    u = .6/1.7
    assert b.params["top"].value == pytest.approx(6/(1 + u*u), rel=1e-15)
    expected = [2/(1 + u*u), 12*u/1.7/(1 + u*u)**2, 12*u*u/1.7/(1 + u*u)**2]
    assert b.dependents()[1][0] == pytest.approx(expected, rel=1e-10)


def test_derivative_where_there_is_none():
    """A slope that is infinite at the point doesn't spoil the others."""
    p = Parameters()
    p.add_many(("a", 0.), ("b", 4.))
    p.add("r", expr="sqrt(a) + sqrt(b)")
    b = p.bind()
    b.put(b.start)
    assert b.dependents()[1][0, 1] == .25
    p["a"].vary = False
    b = p.bind()
    b.put(b.start)
    assert b.dependents()[1].tolist() == [[.25]]


def test_interpreter():
    """Once an interpreter is in use, its functions work and what the grammar lacks too; not before."""
    from asteval import Interpreter
    p = Parameters()
    p.add_many(("a", 3.), ("b", 2.))
    p.add("l", expr="lorentzian(a, 2, b, 1)")
    with pytest.raises(ExpressionError, match="no function 'lorentzian'"):
        p.bind()
    with pytest.raises(ExpressionError, match="subscripts"):
        p.add("s", expr="data[1]*a")
    interp = Interpreter()
    p.use_interpreter(interp)
    interp.symtable["lorentzian"] = lambda x, amp, cen, wid: amp/(1 + ((x - cen)/wid)**2)
    interp.symtable["data"] = [1., 5.]
    interp.symtable["ten"] = 10
    p.add("s", expr="data[1]*a**2 + sum(data)")
    p.add("t", expr="s + ten")
    b = p.bind()
    b.put(b.start)
    assert b.params["l"].value == 1.
    assert b.params["s"].value == 51.
    assert b.params["t"].value == 61.
    assert b.dependents()[1][1:] == pytest.approx(np.array([[30., 0], [30, 0]]), rel=1e-9)
    assert p["t"].value == 61.
    with pytest.raises(ExpressionError, match="neither the grammar nor the interpreter"):
        p.add("u", expr="a +")


def test_order():
    """A long chain, backwards, and a circle in it."""
    names = [f"p{i}" for i in range(5000)]
    needs = {name: names[i + 1:i + 2] for i, name in enumerate(names)}
    assert order(names, needs.__getitem__) == names[::-1]
    needs[names[-1]] = [names[-2]]
    with pytest.raises(ExpressionError, match="p4998 -> p4999 -> p4998"):
        order(names, needs.__getitem__)


@pytest.mark.parametrize(("function", "x", "expected"), [(math.sqrt, 1e-6, 500.), (math.exp, 0., 1.), (math.log, 1e-200, 1e200),
                                                        (math.sin, 1e4, math.cos(1e4)), (abs, 1e-3, 1.)])
def test_ridders(function, x, expected):
    """Ten digits, near an edge of the domain or a kink too."""
    assert derivative(function, x) == pytest.approx(expected, rel=1e-9)


def test_expressions_survive_pickling():
    """A pickled constraint is compiled anew."""
    p = Parameters()
    p.add("a", 1)
    p.add("b", expr="2*a")
    assert pickle.loads(pickle.dumps(p))["b"].value == 2


def test_no_recursion_limit_at_200_terms():
    """A sum as long as the cap allows compiles and differentiates."""
    text = "+".join(["a"]*199)
    assert value(text, a=1) == 199
    assert slopes(text, a=1) == 199
    assert inspect.isfunction(slopes)
