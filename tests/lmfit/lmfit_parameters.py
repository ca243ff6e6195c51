"""Behaviours of parameters: creation, bounds, expressions, arithmetic, copies, text, JSON."""
import copy
import json
import math
import pickle

import numpy as np
from lmfit_cases import behaviour, printed


def inputs(par):
    """Return what there is to see of a parameter."""
    return {"name": par.name, "value": None if par.value is None else float(par.value), "vary": par.vary, "min": float(par.min),
            "max": float(par.max), "expr": par.expr, "brute_step": par.brute_step, "stderr": par.stderr, "user_data": par.user_data,
            "init_value": None if par.init_value is None else float(par.init_value)}


def many(params):
    """Return the same of all parameters."""
    return {name: inputs(par) for name, par in params.items()}


@behaviour()
def parameter_inputs(M):
    return [inputs(par) for par in (
        M.Parameter("a"), M.Parameter("a", 3), M.Parameter("a", 3, False, 1, 5), M.Parameter("a", value=2.5, min=-1),
        M.Parameter("a", 1, max=7, brute_step=.1, user_data={"x": [1]}))]


@behaviour()
def start_clipped_to_bounds(M):
    return [inputs(par) for par in (M.Parameter("a", 12, min=0, max=10), M.Parameter("a", -3, min=0), M.Parameter("a", min=2))]


@behaviour()
def value_set_is_clipped(M):
    par = M.Parameter("a", 5, min=0, max=10)
    seen = []
    for value in (3, 30, -30, 10):
        par.value = value
        seen.append(par.value)
    return seen


@behaviour()
def bounds_swapped(M):
    return inputs(M.Parameter("a", 3, min=5, max=1))


@behaviour()
def bounds_equal(M):
    return M.Parameter("a", 3, min=5, max=5)


@behaviour()
def bounds_set_one_after_another(M):
    par = M.Parameter("a", 5, min=0, max=10)
    par.min, par.max = 20, 30
    before = inputs(par)
    par.set(value=25)
    return before, inputs(par)


@behaviour()
def bounds_cleared(M):
    par = M.Parameter("a", 5, min=0, max=10)
    par.min, par.max = None, None
    other = M.Parameter("b", 5, min=0, max=10)
    other.set(min=-np.inf, max=np.inf)
    return par.max in (None, math.inf), inputs(other)


@behaviour()
def set_several(M):
    params = M.Parameters()
    params.add("a", 1)
    params.add("b", 2, min=0)
    params["a"].set(value=4, min=0, max=8, vary=False, brute_step=.5)
    first = many(params)
    params["a"].set(brute_step=0)
    params["b"].set(expr="2*a")
    second = many(params)
    params["b"].set(value=7)
    third = many(params)
    params["b"].set(expr="a")
    assert params["b"].value == 4
    params["b"].set(vary=True)
    return first, second, third, many(params)


@behaviour()
def set_keeps_initial_value(M):
    par = M.Parameter("a", 5)
    par.set(value=6, is_init_value=False)
    return inputs(par)


@behaviour()
def create_params(M):
    return many(M.create_params(a=1, b=dict(value=2, min=0, vary=False), c=dict(expr="a + b"), d=dict(value=3, max=2)))


@behaviour()
def add_in_all_forms(M):
    params = M.Parameters()
    params.add("a", 1.5, False, 0, 10, None, .1)
    params.add(M.Parameter("b", 2))
    params.add("c", M.Parameter("other", 3, min=1), max=8)
    params.add_many(("d", 4), ("e", 5, False), ("f", 6, True, 0, 7), ("g", None, None, None, None, "a*d"))
    return many(params)


@behaviour()
def parameters_set(M):
    params = M.create_params(a=1, b=2)
    params.set(a=3, b=dict(value=5, min=0), new=9, tied=dict(expr="a+new"))
    return many(params)


@behaviour()
def name_not_a_name(M):
    M.Parameters().add("1st", 1)


@behaviour()
def name_reserved(M):
    M.Parameters().add("lambda", 1)


@behaviour()
def value_not_a_parameter(M):
    M.Parameters()["a"] = 3


@behaviour()
def missing_parameter(M):
    return M.create_params(a=1)["b"]


@behaviour()
def expressions(M):
    params = M.create_params(a=2., b=3.)
    for name, text in dict(c="a + b", d="sqrt(a)*exp(-b)", e="a if a > b else b", f="min(a, b)", g="2*pi*a", h="sin(a)**2 + cos(a)**2",
                           i="arctan2(a, b)", j="erf(a/b)", k="where(a > b, 1, 2)", l="max([a, b, 7])", m="a // 2 + b % 2",
                           n="log10(a)", o="gamfcn(a + 1)", p="(a, b)[1]", q="a and b", r="not a").items():
        params.add(name, expr=text)
    first = params.valuesdict()
    params["a"].value = 5
    return first, params.valuesdict()


@behaviour()
def expression_clipped(M):
    params = M.create_params(a=5, b=dict(expr="2*a", max=7))
    return params["b"].value


@behaviour()
def expression_makes_vary_false(M):
    params = M.create_params(a=5)
    params.add("b", value=1, vary=True, expr="a/2")
    params["a"].expr = "3"
    return many(params)


@behaviour()
def expression_outlives_a_value(M):
    params = M.create_params(a=5, b=dict(expr="2*a"))
    params["b"].value = 99
    return params["b"].value, params["b"].expr


@behaviour()
def expression_cleared(M):
    params = M.create_params(a=5, b=dict(expr="2*a"))
    params["b"].expr = ""
    params["a"].value = 1
    one = inputs(params["b"])
    params["b"].vary = True
    return one, inputs(params["b"])


@behaviour()
def user_functions(M):
    params = M.Parameters(usersyms={"double": lambda x: 2*x, "offset": 10., "table": np.array([1., 2., 4.])})
    params.add("a", 3)
    params.add("b", expr="double(a) + offset")
    params.add("c", expr="table[1]*a")
    return params, params.copy(), copy.deepcopy(params)


@behaviour()
def evaluate(M):
    params = M.create_params(a=2., b=3.)
    return params.eval("a*b"), params.eval("a*arange(3)")


@behaviour()
def arithmetic(M):
    p = M.create_params(a=2.5, b=-3.)
    a, b = p["a"], p["b"]
    return [a + 1, 1 + a, a - b, 2 - a, a*b, 3*a, a/b, 1/a, a**2, 2**a, a//2, 7//a, a % 2, 7 % a, -a, +a, abs(b), float(a), int(a), bool(a),
            a > b, a >= 2.5, a < b, a <= 2.5, a == 2.5, a != 2.5, divmod(a, 2), np.sin(a), np.array([1., 2.])*a, math.trunc(a)]


@behaviour()
def mapping_manners(M):
    params = M.create_params(a=1, b=2, c=3)
    out = [list(params), len(params), "a" in params, [par.value for par in params.values()], np.array(params)]
    del params["b"]
    return [*out, list(params), params.pop("a").value, list(params), repr(M.Parameters())]


@behaviour()
def sum_and_update(M):
    one, two = M.create_params(a=1, b=dict(value=2, min=0)), M.create_params(b=5, c=dict(expr="2*b"))
    both = one + two
    one += two
    third = M.Parameters()
    third.update(two)
    return many(both), many(one), many(third)


@behaviour()
def update_with_something_else(M):
    M.Parameters().update({"a": 1})


@behaviour()
def copies_are_apart(M):
    params = M.create_params(a=1, b=dict(expr="2*a"))
    params["a"].stderr, params["a"].correl, params["a"].user_data = .1, {"z": .5}, [1]
    out = []
    for clone in (params.copy(), copy.copy(params), copy.deepcopy(params), pickle.loads(pickle.dumps(params))):
        clone["a"].value = 7
        out += [many(clone), clone["a"].correl]
    return out, many(params)


@behaviour()
def json_of_both(M):
    params = M.create_params(a=dict(value=1.5, min=0), b=dict(value=2, vary=False), c=dict(expr="a + b"), d=dict(value=3, brute_step=.1))
    params["a"].stderr, params["a"].correl = .25, {"d": -.5}
    text = params.dumps()
    return json.loads(text)["params"], many(M.Parameters().loads(text))


@behaviour()
def pretty_print(M):
    params = M.create_params(b=dict(value=1.5, min=0), a=dict(value=2, vary=False), c=dict(expr="a + b"))
    return printed(params.pretty_print), printed(params.pretty_print, colwidth=10, precision=6, fmt="e", columns=["value", "min", "vary"])


@behaviour()
def repr_of_parameters(M):
    params = M.create_params(a=dict(value=1.5, min=0.), b=dict(value=2.5, vary=False), c=dict(expr="a + b"))
    params["a"].stderr = .01234
    return repr(params), params.pretty_repr(), str(params["a"])


@behaviour()
def bounds_transform(M):
    out = []
    for low, high in ((-np.inf, np.inf), (0, np.inf), (-np.inf, 4), (-1, 4)):
        par = M.Parameter("a", 1.7, min=low, max=high)
        inner = par.setup_bounds()
        out += [inner, par.from_internal(inner), par.scale_gradient(inner), par.from_internal(.3)]
    return out


@behaviour()
def uncertain_values(M):
    params = M.create_params(a=2., b=3., c=dict(value=1, vary=False), d=dict(expr="a*b"))
    params["a"].stderr, params["b"].stderr = .1, .2
    return params.create_uvars(np.array([[.01, .005], [.005, .04]])), params["d"].stderr


@behaviour(differs="values are floats")
def integer_value(M):
    return repr(M.create_params(a=2)["a"])


@behaviour(differs="names that never come")
def expression_of_nothing(M):
    M.Parameters().add("b", expr="2*nothing")


@behaviour(differs="errors in expressions")
def expression_without_sense(M):
    M.create_params(a=1).add("b", expr="2*/a")


@behaviour(differs="shared parameters")
def one_parameter_in_two_places(M):
    one = M.create_params(a=1)
    two = M.Parameters()
    two["a"] = one["a"]
    two["a"].value = 5
    return one["a"].value


@behaviour(differs="expressions cleared unread")
def expression_set_and_cleared(M):
    params = M.create_params(a=4, b=7)
    params["b"].set(expr="a")
    params["b"].set(vary=True)
    return params["b"].value
