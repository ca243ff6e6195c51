"""Reverse mode: formulas of six and more parameters, whose adjoints are what runs, against mpmath's derivatives.

A formula is drawn as a chain of steps, each with a parameter of its own, in which what went before is used once or several times. The same
Python function is traced by gslfit and called by mpmath.
"""
import random

import mpmath as mp
import numpy as np
import pytest
from scipy.optimize import least_squares

from gslfit import Formula, Parameters, fit, fit_batch
from gslfit.formula._program import OPCODES, Program
from gslfit.formula.derivative import adjoints, derivatives
from gslfit.formula.formula import fresh
from gslfit.formula.parametrize import fold
from gslfit.formula.passes import PASSES, differentiate

STEPS = {
    "sin(t + a)": lambda M, t, a: M.sin(t + a),
    "t*a - cos(t)": lambda M, t, a: t*a - M.cos(t),
    "a - t/(1 + (t*a)**2)": lambda M, t, a: a - t/(1 + t*t*a*a),
    "tanh(a*t) - t": lambda M, t, a: M.tanh(a*t) - t,
    "sqrt(1 + (t - a)**2)": lambda M, t, a: M.sqrt(1 + (t - a)**2),
    "exp(-(t*a)**2) + t": lambda M, t, a: M.exp(-(t*a)**2) + t,
    "-(t*sin(a - t))": lambda M, t, a: -(t*M.sin(a - t)),
    "log(2 + t*t) - a*t": lambda M, t, a: M.log(2 + t*t) - a*t,
    "(t + a)/(2 + sin(t*a))": lambda M, t, a: (t + a)/(2 + M.sin(t*a)),
    "t*t - t**3*a/4": lambda M, t, a: t*t - t**3*a/4,
    "2*t - t": lambda M, t, a: 2*t - t + a,
    "a/(1 + t**4)": lambda M, t, a: a/(1 + t**4) - .5*t,
}
EACH = [*STEPS.values()]


def chain(rng, length):
    """Return a random chain of steps, as a function of a module of functions, x and the parameters."""
    steps = [rng.choice(EACH) for _ in range(length)]

    def model(M, x, a):
        t = x
        for step, own in zip(steps, a, strict=True):
            t = step(M, t, own)
        return t

    return model


def tree(rng, length):
    """Chains that begin in the middle of one another, and meet in products and sums: nodes with many uses."""
    first, second, third = (chain(rng, length - 2) for _ in range(3))

    def model(M, x, a):
        middle = first(M, x, a[:-2])
        return second(M, middle, a[1:-1])*a[-1] - middle*third(M, middle*a[0], a[2:]) + M.cos(middle)

    return model


def traced(model, count):
    """Return the formula of a function (M, x, a), its parameters a0, a1, ..."""
    return Formula(lambda x, *a: model(np, x, a), names=tuple(f"a{k}" for k in range(count)))


def before_differentiation(formula):
    """Return the graph as it is when its derivatives are taken."""
    graph = fresh(formula.graph, formula.names)
    for each in PASSES[:PASSES.index(differentiate)]:
        graph = each(graph)
    return graph


def ran_backward(formula):
    """Whether the derivatives of a formula's program are its adjoints."""
    graph = before_differentiation(formula)
    leaves = [graph.pool.leaf("par", name) for name in graph.free]
    columns, backward, forward = differentiate(graph).columns, adjoints(graph.value, leaves), derivatives(graph.value, leaves)
    assert columns in (tuple(forward), tuple(backward or ()))
    return columns == tuple(backward or ()) and columns != tuple(forward)


def exact(model, x, a, digits=40):
    """Return a model's value and derivatives at a point by mpmath: differences with so many digits that their error is below 1e-24."""
    with mp.workdps(digits):
        at, h = [mp.mpf(float(each)) for each in a], mp.mpf(10)**(-digits//3)

        def value(k, step):
            return model(mp, mp.mpf(float(x)), [each + step if j == k else each for j, each in enumerate(at)])

        slopes = [(value(k, h) - value(k, -h))/(2*h) for k in range(len(at))]
        return float(value(0, 0)), [float(slope) for slope in slopes]


def compare(evaluate, model, a, seed=0, points=2):
    """Compare values and derivatives with mpmath's, these relative to the largest of the point."""
    x = np.random.default_rng(seed).uniform(-1.5, 1.5, points)
    value, slopes = evaluate(a, x)
    for k in range(points):
        wanted, columns = exact(model, x[k], a)
        assert abs(value[k] - wanted) <= 1e-13*(abs(wanted) + np.sum(np.abs(np.multiply(columns, a))))      # what rounding of a alone does
        assert np.all(np.abs(slopes[k] - columns) <= 1e-10*np.maximum(np.abs(columns), 1e-2*np.max(np.abs(columns))))


def of_program(formula):
    """Return what the formula's program gives for values (p) and x (n)."""
    program = Program(**formula.lowered().encoded(OPCODES))
    return lambda a, x: program.evaluate(np.asarray(a, float), x[None])


@pytest.mark.parametrize("make", [chain, tree])
@pytest.mark.parametrize("seed", range(8))
def test_random_formulas(make, seed):
    """12 to 29 parameters: the adjoints ran, and they are the derivatives."""
    rng = random.Random(f"{make.__name__} {seed}")
    length = 22 + seed if make is chain else 12 + seed//2
    model = make(rng, length)
    formula = traced(model, length)
    assert ran_backward(formula)
    a = np.random.default_rng(seed).uniform(.3, 1.3, length)*np.random.default_rng(seed + 99).choice([-1, 1], length)
    compare(of_program(formula), model, a, seed)


@pytest.mark.parametrize("name", STEPS)
def test_each_step_backward(name):
    """Every step by itself, many times in a row: each operation's partial derivatives, and its signs."""
    step = STEPS[name]

    def model(M, x, a):
        t = x
        for own in a:
            t = .5*step(M, t, own) + .3*M.sin(t)
        return t

    formula = traced(model, 16)
    assert ran_backward(formula)
    compare(of_program(formula), model, np.linspace(.4, 1.2, 16)*np.resize([1, -1, -1], 16))


def test_six_are_enough_and_five_are_not():
    """From six parameters on, and only where it is far shorter: what the documentation of the module says."""
    def deep(M, x, a):
        t = x
        for _ in range(8):
            for own in a:
                t = M.exp(-t*t)*t*(1 + t)*own - M.sin(t*t)
        return t

    assert ran_backward(traced(deep, 6))
    assert not ran_backward(traced(deep, 5))
    assert not ran_backward(traced(lambda M, x, a: sum(own*M.sin(k*x) for k, own in enumerate(a)), 9))
    for count in (5, 6):
        compare(of_program(traced(deep, count)), deep, np.linspace(.8, 1.3, count), points=1)


def test_a_parameter_without_effect_and_one_used_everywhere():
    """Adjoints that never come are zero; those that come from many places add up."""
    def model(M, x, a):
        t = x
        for own in a[:-2]:
            t = M.sin(t + own)*a[-2] - a[-2]*t
        return t + 0*a[-1]

    formula = traced(model, 20)
    assert ran_backward(formula)
    a = np.linspace(.5, 1.1, 20)
    compare(of_program(formula), model, a)
    assert not of_program(formula)(a, np.array([.3, .4]))[1][:, -1].any()


@pytest.mark.parametrize("text", ["where(x > 0, a0*log(x), {0})", "max({0}, a0*x)", "({0}) if x > 0.2 else a0*sqrt(x + 5)",
                                  "clip({0}, -0.5, a0)", "abs({0} - a0)"])
def test_branches_go_forward(text):
    """With a branch whose other side may be infinite the forward mode runs, and is right on both sides."""
    body = "x"
    for k in range(1, 14):
        body = f"sin({body} + a{k}*x)"
    formula = Formula(text.format(body), "x")
    assert not ran_backward(formula)
    a = dict(zip(formula.names, np.linspace(.3, 1., len(formula.names)), strict=True))
    x = np.array([-1.1, -.3, .4, 1.2])
    slopes = formula.jacobian(x, **a)
    assert np.isfinite(slopes).all()
    for k, name in enumerate(formula.names):
        ahead, behind = (formula(x, **{**a, name: a[name] + h}) for h in (1e-5, -1e-5))
        np.testing.assert_allclose(slopes[:, k], (ahead - behind)/2e-5, rtol=1e-6, atol=1e-8)


def test_through_expressions():
    """Parameters tied by expressions: adjoints of the free ones, by the chain rule through the expressions."""
    model = chain(random.Random(5), 26)
    formula, params = traced(model, 26), Parameters()
    for k in range(26):
        params.add(f"a{k}", .4 + .03*k, vary=k != 3)
    params["a9"].expr, params["a12"].expr = "2*a1 - a0*a2", "sin(a9) + a5"
    folded = fold(formula, params)
    assert folded.names == tuple(f"a{k}" for k in range(26) if k not in (3, 9, 12))

    def tied(M, x, free):
        v = dict(zip(folded.names, free, strict=True)) | {"a3": mp.mpf(.4 + .03*3)}
        v["a9"] = 2*v["a1"] - v["a0"]*v["a2"]
        v["a12"] = M.sin(v["a9"]) + v["a5"]
        return model(M, x, [v[f"a{k}"] for k in range(26)])

    compare(lambda a, x: folded.program.evaluate(np.asarray(a, float), x[None]), tied, [params[name].value for name in folded.names])


EDGES = {
    "sqrt(a*x)": lambda M, x, a, b: M.sqrt(a*x) + b*x,
    "hypot(a*x, b*x)": lambda M, x, a, b: M.hypot(a*x, b*x),
    "sqrt((a*x)**2 + (b*x)**2)": lambda M, x, a, b: M.sqrt((a*x)**2 + (b*x)**2),
    "sqrt(a*x + b*x**2)": lambda M, x, a, b: M.sqrt(a*x + b*x*x),
}


@pytest.mark.parametrize("edge", EDGES)
def test_many_parameters_beside_an_edge(edge):
    """At x = 0 a root is 0 whatever its parameters are: their derivatives are 0 there, and those of the 12 others mpmath's."""
    def model(M, x, a):
        t = EDGES[edge](M, x, a[0], a[1])
        for own in a[2:]:
            t = t*M.tanh(own*t) - M.cos(t + own)
        return t

    a = .3 + .05*np.arange(14)
    slopes = of_program(traced(model, 14))(a, np.zeros(1))[1][0]
    assert np.array_equal(slopes[:2], [0, 0])
    np.testing.assert_allclose(slopes[2:], exact(model, 0, a)[1][2:], rtol=1e-10)


def test_fits_by_adjoints():
    """A fit with these derivatives ends where SciPy finds nothing lower by differences, with its errors; single and batch."""
    def model(M, x, a):
        t = 1
        for k, own in enumerate(a):
            t = t*(1 + own*M.sin((k + 1)*x + t))
        return t

    formula, true = traced(model, 20), .2 + .1*np.cos(np.arange(20.))
    assert ran_backward(formula)
    x = np.linspace(-3, 3, 150)
    y = model(np, x, true) + .02*np.random.default_rng(8).normal(size=(2, 150))
    start = {name: value + .002 for name, value in zip(formula.names, true, strict=True)}
    many = fit_batch(formula, y, x=x, start=start, covar=True)
    assert many.success.all()
    for k in range(2):
        one = fit(formula, y[k], x=x, start=start)
        assert one.success
        found = np.array([one.params[name].value for name in formula.names])
        oracle = least_squares(lambda a, k=k: model(np, x, a) - y[k], found, xtol=1e-15, ftol=1e-15, jac="3-point", x_scale="jac")
        errors = np.sqrt(np.diag(np.linalg.inv(oracle.jac.T @ oracle.jac))*2*oracle.cost/130)
        assert np.all(np.abs(found - oracle.x) <= 1e-5*errors)
        for j, name in enumerate(formula.names):
            assert abs(many.values[name][k] - oracle.x[j]) <= 1e-5*errors[j]
            for error in (one.params[name].stderr, many.stderr[name][k]):
                assert error == pytest.approx(errors[j], rel=1e-5)
