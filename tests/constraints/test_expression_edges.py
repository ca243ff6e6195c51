"""Expressions off the beaten path: every sign of an argument, bounds on either side, functions with a state, copies, files."""
import copy
import itertools
import math
import pickle

import numpy as np
import pytest

import gslfit
from gslfit import Parameters, fit, fit_batch, minimize
from gslfit.constraints import functions as table
from gslfit.constraints.ridders import derivative
from gslfit.errors import ExpressionError, InputError, ParameterError
from gslfit.models import Model

NUMBERS = (-7.3, -1.25, -0.4, 0.3, 1.7, 6.2)
X = np.linspace(0, 3, 30)
Y = 2 * X + 1 + 0.1 * np.cos(11 * X)


def bound(text, **values):
    """Return a binding of parameters with one expression, evaluated at the start."""
    p = Parameters()
    for name, number in values.items():
        p.add(name, number)
    p.add("result_", expr=text)
    b = p.bind()
    b.put(b.start)
    return b


@pytest.mark.parametrize("name", sorted(table.TABLE))
def test_derivatives_of_every_sign(name):
    """Each function of one or two numbers, in each of them, for arguments of either sign, wherever it has a value."""
    function = table.TABLE[name]
    if name in ("ldexp", "factorial", "fsum", "max", "min", "isinf", "isnan"):
        pytest.skip("its arguments are no two real numbers")
    for count in (1, 2):
        if not function.least <= count <= (function.most or count):
            continue
        for at in itertools.product(NUMBERS, repeat=count):
            text = f"{name}({', '.join('ab'[:count])})"
            text = f"max({text})" if name in ("frexp", "modf") else text

            def value(*numbers, text=text):
                return float(eval(text, {name: function.call, "max": max}, dict(zip("ab", numbers, strict=False))))
            try:
                wanted = [derivative(lambda x, i=i, at=at: value(*at[:i], x, *at[i + 1:]), at[i], 0.01) for i in range(count)]
            except (ArithmeticError, ValueError):
                continue
            jump = at[0] == at[-1] if name == "fmod" else name in ("frexp", "modf") and max(function.call(at[0])) != function.call(at[0])[0]
            if jump or not np.isfinite(wanted).all():
                continue
            found = bound(text, **dict(zip("ab", at, strict=False))).dependents()[1][-1]
            np.testing.assert_allclose(found, wanted, rtol=1e-7, atol=1e-8, err_msg=f"{text} at {at}")


def exact_line(scaled=True):
    """Slope, intercept, and their covariance, by algebra."""
    A = np.column_stack([X, np.ones_like(X)])
    best, rest = np.linalg.lstsq(A, Y, rcond=None)[:2]
    return best, np.linalg.inv(A.T @ A) * (rest[0] / (X.size - 2) if scaled else 1)


def ways(params, names=("tied",), **options):
    """Yield the same line fitted by every entry: values and errors of some parameters."""
    def residual(p):
        return p["a"].value * X + p["b"].value - Y

    own = params.copy()
    minimize(residual, own, **options)
    yield "minimize", [(own[name].value, own[name].stderr) for name in names]
    own = params.copy()
    minimize(residual, own, compiled=True, **options)
    yield "compiled", [(own[name].value, own[name].stderr) for name in names]
    result = fit("a*x + b", Y, params, x=X, **options)
    yield "fit", [(result.params[name].value, result.params[name].stderr) for name in names]
    batch = fit_batch("a*x + b", np.array([Y, Y, Y]), params, x=X, **options)
    yield "fit_batch", [(batch.values[name][1], batch.stderr[name][1]) for name in names]
    batch = fit_batch("a*x + b", np.array([Y, Y]), params, x=X, method="lmsder", **options)
    yield "fit_batch lmsder", [(batch.values[name][1], batch.stderr[name][1]) for name in names]
    result = Model("a*x + b").fit(Y, params, x=X, **options)
    yield "Model.fit", [(result.params[name].value, result.params[name].stderr) for name in names]


def line(**tied):
    """Parameters of a line, with expressions."""
    p = Parameters()
    p.add_many(("a", 1.0), ("b", 0.0))
    for name, inputs in tied.items():
        p.add(name, **inputs)
    return p


@pytest.mark.parametrize("scaled", [True, False])
@pytest.mark.parametrize(("text", "slopes"), [
    ("a - b", lambda a, b: (1, -1)), ("a + b", lambda a, b: (1, 1)), ("b/a", lambda a, b: (-b/a/a, 1/a)), ("a*b", lambda a, b: (b, a)),
    ("3*a", lambda a, b: (3, 0)), ("-2*b + 0*a", lambda a, b: (0, -2)),
    ("hypot(a, -b)", lambda a, b: (a/math.hypot(a, b), b/math.hypot(a, b)))])
def test_errors_count_correlations(text, slopes, scaled):
    """The error of an expression is sqrt(d C d) with all of C, by every entry."""
    best, covar = exact_line(scaled)
    d = np.array(slopes(*best))
    for way, [(value, error)] in ways(line(tied={"expr": text}), scale_covar=scaled):
        assert value == pytest.approx(eval(text, {"hypot": math.hypot}, dict(zip("ab", best, strict=True))), rel=1e-7), way
        assert error == pytest.approx(math.sqrt(d @ covar @ d), rel=1e-5), way


@pytest.mark.parametrize(("low", "high", "held"), [(None, 2.5, 2.5), (3.5, None, 3.5), (2.0, 2.5, 2.5), (3.5, 9.0, 3.5), (None, 9.0, None),
                                                   (-9.0, None, None), (-9.0, 9.0, None)])
def test_bounds_of_an_expression(low, high, held):
    """Either bound holds the value, which is as uncertain as the expression itself; one that is not reached does nothing."""
    best, covar = exact_line()
    for way, [(value, error)] in ways(line(tied={"expr": "a + b", "min": low, "max": high})):
        assert value == (pytest.approx(best.sum(), rel=1e-7) if held is None else held), way
        assert error == pytest.approx(math.sqrt(covar.sum()), rel=1e-5), way


@pytest.mark.parametrize(("low", "high"), [(None, 1.5), (2.5, None), (0.0, 1.5), (2.5, 4.0), (-4.0, 1.5)])
def test_a_held_parameter_takes_no_others_error(low, high):
    """A parameter at either bound has no error; an expression without it keeps its own, one with it says that it has none or its rest."""
    p = line(other={"expr": "3*b + 1"})
    p["a"].set(value=1.0 if low in (None, 0.0, -4.0) else 3.0, min=low, max=high)
    held = high if low in (None, 0.0, -4.0) else low
    b = float(np.mean(Y - held * X))
    error = math.sqrt(np.sum((Y - held * X - b) ** 2) / (X.size - 2) / X.size)

    def residual(p):
        return p["a"].value * X + p["b"].value - Y

    fitted = minimize(residual, p.copy())
    assert fitted.success
    assert fitted.params["a"].value == pytest.approx(held, rel=1e-9)
    assert fitted.params["a"].stderr is None
    assert not fitted.params["a"].correl
    assert fitted.params["b"].stderr == pytest.approx(error, rel=1e-5)
    assert fitted.params["other"].stderr == pytest.approx(3 * error, rel=1e-5)
    assert ("max" if held == high else "min") in fitted.message
    assert f"= {held:g}" in fitted.message


def test_functions_with_a_state():
    """A function of the user's own is called at every evaluation, whatever it is given: it may count, or look at something else."""
    state = {"offset": 0.0, "calls": 0}

    def offset():
        state["calls"] += 1
        return state["offset"]

    p = Parameters(usersyms={"offset": offset})
    p.add("a", 1.0)
    p.add("shift", expr="offset()")

    def residual(p):
        state["offset"] = 0.5
        return p["a"].value * X + p["shift"].value - (3 * X + 0.5)

    fitter = minimize(residual, p)
    assert state["calls"] > 3
    assert p["a"].value == pytest.approx(3, rel=1e-9)
    assert fitter.chisqr < 1e-12


def test_own_functions_stand_for_the_tables():
    """A function of the user's own with a name of the table has its own arguments, in these Parameters and their copies only."""
    own = Parameters(usersyms={"sin": lambda x, k=1.0: k * x, "two": 2.0})
    own.add("a", 1.5)
    own.add("b", expr="sin(a, k=two) + sin(a, 3)")
    plain = Parameters()
    plain.add("a", 1.5)
    plain.add("b", expr="sin(a)")
    assert own["b"].value == pytest.approx(1.5 * 2 + 1.5 * 3)
    assert plain["b"].value == math.sin(1.5)
    with pytest.raises(ExpressionError, match=r"sin\(\) takes 1 argument"):
        plain.add("c", expr="sin(a, 2)")
    both = plain + own
    assert both["b"].value == pytest.approx(7.5)
    merged = Parameters()
    merged.update(own)
    assert merged["b"].value == pytest.approx(7.5)
    twin = own.copy()
    twin._symbols.add("three", 3.0)
    twin.add("c", expr="three*a")
    with pytest.raises(ExpressionError, match="three"):
        own.eval("three*a")
    b = own.bind()
    b.put(b.start)
    assert b.dependents()[1][0, 0] == pytest.approx(5, rel=1e-9)


def test_keywords_move_too():
    """A derivative goes through positional and keyword arguments alike."""
    p = Parameters(usersyms={"f": lambda u, v=1.0, w=0.0: u * v * v + math.sin(w)})
    p.add_many(("a", 2.0), ("b", -3.0), ("c", 0.4))
    p.add("r", expr="f(a, v=b, w=c) + f(c, b)")
    b = p.bind()
    b.put(b.start)
    np.testing.assert_allclose(b.dependents()[1][0], [9, 2*2*-3 + 2*0.4*-3, math.cos(0.4) + 9], rtol=1e-9)


def test_constants_changed_between_fits():
    """The same Formula with another constant of the user's, or another fixed value, is another fit."""
    formula = gslfit.Formula("a*x + b")
    for k in (1.0, 2.0, 3.0):
        p = Parameters(usersyms={"k": k})
        p.add("a", 1.0)
        p.add("b", expr="k")
        wanted = float(X @ (Y - k) / (X @ X))
        assert fit(formula, Y, p, x=X).params["a"].value == pytest.approx(wanted, rel=1e-9)
        assert fit_batch(formula, Y[None], p, x=X).values["a"][0] == pytest.approx(wanted, rel=1e-7)
        q = Parameters()
        q.add("a", 1.0)
        q.add("b", k, vary=False)
        assert fit(formula, Y, q, x=X).params["a"].value == pytest.approx(wanted, rel=1e-9)


def test_interpreted_expressions():
    """What only the interpreter understands has the same value and errors, by differences in all of its parameters."""
    pytest.importorskip("asteval")
    from asteval import Interpreter
    best, covar = exact_line()
    p = line()
    p.add("b2", expr="a*b")
    interpreter = Interpreter()
    interpreter.symtable["K"] = 4.0
    interpreter.symtable["twice"] = lambda u, v: 2*u - v
    p.use_interpreter(interpreter)
    p.add("tied", expr="[a, b][0] - 3*[a, b][1]")
    p.add("known", expr="K*a")
    p.add("called", expr="twice(a, b)")
    minimize(lambda p: p["a"].value * X + p["b"].value - Y, p)
    for name, d in (("tied", (1, -3)), ("known", (4, 0)), ("called", (2, -1)), ("b2", (best[1], best[0]))):
        d = np.array(d)
        assert p[name].stderr == pytest.approx(math.sqrt(d @ covar @ d), rel=1e-5), name
    assert p["tied"].value == pytest.approx(best[0] - 3 * best[1], rel=1e-6)


def test_late_interpreter():
    """An interpreter, or a name put into it, counts from the next read on."""
    pytest.importorskip("asteval")
    from asteval import Interpreter
    p = Parameters()
    p.add("a", 2.0)
    p.add("b", expr="log(a)")
    p.add("c", expr="a*pi")
    assert (p["b"].value, p["c"].value) == (math.log(2), 2 * math.pi)
    interpreter = Interpreter()
    interpreter.symtable["pi"] = 3.0
    interpreter.symtable["log"] = lambda x: 10 * x
    p.use_interpreter(interpreter)
    assert p["c"].value == 6.0
    interpreter.symtable["log"] = lambda x: 20 * x
    p._note()
    assert p["b"].value == 40.0


HIDDEN = ("a.real", "a[0]", "a[0:1]", "(lambda: 1)", "(q := 1)", "f'{a}'", "[a for a in (1,)]", "{a for a in (1,)}", "{a: 1 for a in (1,)}",
          "(a for a in (1,))", "{1: 2}", "{1}", "a @ a", "'text'", "b'text'", "1j", "1e999", "None", "...", "(1).real", "f.real",
          "f(*(1, 2))")


@pytest.mark.parametrize("place", ["{}", "f({})", "f(k={})", "f(1, k=2, m={})", "f(f(k={}))", "fsum(({}, 1))", "1 if {} else 2",
                                   "2 if 1 else {}", "-({})", "a < ({})", "a in (1, {})", "1 + 2*({})"])
def test_nothing_hides(place):
    """What is refused is refused wherever it stands, in the argument of a keyword too."""
    p = Parameters(usersyms={"f": lambda *args, **kws: 1.0})
    p.add("a", 1.0)
    for hidden in HIDDEN:
        with pytest.raises(ExpressionError):
            p.add("b", expr=place.format(hidden))


def test_columns_are_characters():
    """An error's column counts letters, not their bytes."""
    for text in ("ä + b.c", "äöü + b.c", "a + b.c"):
        with pytest.raises(ExpressionError) as caught:
            Parameters().add("r", expr=text)
        assert caught.value.column == text.index("b") + 1


# -- Parameters


def full():
    """Parameters with something in every field."""
    p = Parameters(usersyms={"k": 2.5})
    p.add("a", 1.5, min=-3, max=7, brute_step=0.25, user_data={"kept": [1]})
    p.add("b", -2.0, vary=False, max=0, user_data="text")
    p.add("c", expr="k*a - b", min=-9, brute_step=0.5)
    p.add("d", 4.0, min=4.0, max=5.0)
    p["a"].stderr, p["a"].correl, p["a"].init_value = 0.25, {"d": -0.5}, 1.0
    return p


FIELDS = ("name", "value", "vary", "min", "max", "expr", "brute_step", "stderr", "correl", "init_value")
COPIES = {"copy": Parameters.copy, "copy.copy": copy.copy, "deepcopy": copy.deepcopy, "pickle": lambda p: pickle.loads(pickle.dumps(p)),
          "add": lambda p: Parameters() + p, "update": lambda p: (new := Parameters(), new.update(p))[0], "or": lambda p: Parameters() | p,
          "json": lambda p: Parameters().loads(p.dumps())}


@pytest.mark.parametrize("way", COPIES)
def test_every_field_survives(way):
    """Every kind of copy has every field, and its own of those that may be changed."""
    p = full()
    q = COPIES[way](p)
    for name in p:
        for field in FIELDS:
            assert getattr(q[name], field) == getattr(p[name], field), (name, field)
        if way != "json":
            assert q[name].user_data == p[name].user_data
    q["a"].value = 3.0
    q["a"].correl["d"] = 0.75
    assert (p["a"].value, p["c"].value, q["c"].value) == (1.5, 5.75, 9.5)
    assert p["a"].correl == {"d": -0.5}


@pytest.mark.parametrize("field", ["value", "min", "max", "brute_step", "stderr", "init_value"])
@pytest.mark.parametrize("wrong", ["text", [1], {"a": 1}])
def test_files_are_held_to_their_types(field, wrong):
    """A text where a number is to be is refused, and what was there stays."""
    import json
    state = json.loads(full().dumps())
    state["params"][0][field] = wrong
    p = full()
    with pytest.raises(InputError):
        p.loads(json.dumps(state))
    assert p["a"].value == 1.5


def test_what_is_removed_is_missed():
    """An expression of a parameter that is gone says so, however it went, and takes up a new one of that name."""
    for remove in (lambda p: p.__delitem__("a"), lambda p: p.pop("a")):
        p = Parameters()
        p.add("a", 2.0)
        p.add("b", expr="3*a")
        assert p["b"].value == 6.0
        remove(p)
        with pytest.raises(ExpressionError, match="'a'"):
            p["b"].value  # noqa: B018
        p.add("a", 5.0)
        assert p["b"].value == 15.0


def test_bounds_one_at_a_time():
    """Either bound is set, moved and removed without the other; equal ones and infinite ones of the wrong side are refused."""
    for which, other, number, wrong in (("min", "max", -1.0, math.inf), ("max", "min", 9.0, -math.inf)):
        p = gslfit.Parameter(2.0, min=-5, max=12, name="p")
        p.set(**{which: number})
        assert (getattr(p, which), getattr(p, other)) == (number, 12.0 if other == "max" else -5.0)
        p.set(**{which: None})
        assert (getattr(p, which), getattr(p, other)) == (None, 12.0 if other == "max" else -5.0)
        p.set(**{which: -math.inf if which == "min" else math.inf})
        assert getattr(p, which) is None
        for bad in (wrong, math.nan, getattr(p, other)):
            with pytest.raises(ParameterError):
                p.set(**{which: bad})
            with pytest.raises(ParameterError):
                setattr(p, which, bad)
        with pytest.raises(ParameterError):
            gslfit.Parameter(2.0, **{which: 3.0, other: 3.0})


def test_a_freed_expression_keeps_its_value():
    """vary=True, expr=None and expr='' leave the value that the expression had last."""
    for free in (lambda par: setattr(par, "vary", True), lambda par: setattr(par, "expr", None), lambda par: par.set(expr=""),
                 lambda par: par.set(vary=True)):
        p = Parameters()
        p.add("a", 2.0)
        p.add("b", expr="3*a")
        p["a"].value = 4.0
        free(p["b"])
        assert (p["b"].expr, p["b"].value) == (None, 12.0)
        p["a"].value = 1.0
        assert p["b"].value == 12.0


@pytest.mark.parametrize(("low", "high", "value"), [(None, 1.0, 1.5), (2.0, None, 1.5), (-9.0, 1.0, 1.5), (2.0, 9.0, 1.5),
                                                    (-1.0, None, -1.5), (None, -2.0, -1.5)])
def test_starts_outside_are_named(low, high, value):
    """A start beyond either bound is refused by every entry with the parameter and the bound."""
    p = Parameters()
    p.add("a", value, min=low, max=high)
    p.add("b", 0.0)
    which, limit = ("min", low) if low is not None and value < low else ("max", high)
    for call in (lambda: minimize(lambda p: p["a"].value * X + p["b"].value - Y, p.copy()), lambda: fit("a*x + b", Y, p, x=X),
                 lambda: fit_batch("a*x + b", Y[None], p, x=X), lambda: Model("a*x + b").fit(Y, p, x=X),
                 lambda: fit_batch("a*x + b", Y[None], p, x=X, method="lmsder")):
        with pytest.raises(ParameterError, match=rf"'a'.*{which} = {limit}"):
            call()
