"""Functions of NumPy operations, traced: what traces, what doesn't and why."""
import math

import interpreter
import numpy as np
import pytest
import scipy.special as sp

import gslfit
from gslfit.errors import InputError
from gslfit.formula.formula import Formula, compiled
from gslfit.formula.trace_residual import trace_residual

X = np.linspace(-3, 4, 29)

TRACEABLE = {
    "gaussian": lambda x, a, b: a*np.exp(-(x - b)**2/2),
    "voigt": lambda x, a, b: sp.wofz((x - a) + 1j*b).real,
    "voigt_profile": lambda x, a, b: sp.voigt_profile(x, a, b),
    "resonator": lambda x, a, b: np.abs(a/(1 + 1j*x/b))**2,
    "complex_phase": lambda x, a, b: np.real(a*np.exp(1j*b*x)*np.conj(2 - 1j)),
    "where": lambda x, a, b: np.where((x > a) & ~(x >= b), x*a, np.clip(x, -a, b)),
    "select": lambda x, a, b: np.select([x < 0, x < a], [x*b, x**2], a),
    "piecewise": lambda x, a, b: np.piecewise(x, [x < a, x >= a], [lambda t: t*b, lambda t: a*b]),
    "special": lambda x, a, b: np.hypot(x, a) + sp.erf(x/b) + sp.expit(x*a) + sp.dawsn(x - b) + sp.gammaln(a + x**2),
    "polynomial": lambda x, a, b: np.polyval([a, b, 1.5, a*b], x),
    "loop": lambda x, a, b: sum(a**k*x**k/math.factorial(k) for k in range(6)) + b,
    "in_place": lambda x, a, b: in_place(x, a, b),
    "sinc": lambda x, a, b: np.sinc(x*a) + np.heaviside(x - b, .5)*np.maximum(x, b),
    "float64": lambda x, a, b: np.float64(2.5)*x + np.array(3.)*a - np.array([1.])*b,
    "keeps_size": lambda x, a, b: np.zeros_like(x) + a + b*np.ones_like(x),
    "abs_min_max": lambda x, a, b: abs(x - a) + np.minimum(x, b) + np.fmax(x, a) + x.clip(-1, 1).astype(float),
}


def in_place(x, a, b):
    """Return a function that adds into an array of its own."""
    y = a*x
    y += b
    y **= 2
    return y


@pytest.mark.parametrize("name", TRACEABLE)
def test_traces(name):
    """The program's value is the function's, the derivatives agree with differences."""
    func = TRACEABLE[name]
    formula = Formula(func)
    assert formula.native, formula.reason
    assert formula.independent == ("x",)
    assert formula.names == ("a", "b")
    point = dict(x=X, a=1.3, b=.7)
    value, columns = interpreter.run(formula.lowered(), point)
    assert np.allclose(value, func(**point), rtol=1e-12, atol=1e-13)
    assert np.allclose(formula(**point), func(**point), rtol=1e-12, atol=1e-13)
    for k, parameter in enumerate(("a", "b")):
        h = 1e-6
        up, down = (func(**{**point, parameter: point[parameter] + sign*h}) for sign in (1, -1))
        assert np.allclose(columns[:, k], (up - down)/(2*h), rtol=1e-5, atol=1e-7)


def branches(x, a):
    """Return a function that asks for a value."""
    return x if a > 0 else -x


COUNTER = iter(range(10**6))

UNTRACEABLE = {
    "if": (branches, "numpy.where"),
    "math": (lambda x, a: math.exp(a)*x, "write numpy's"),
    "method": (lambda x, a: x/x.max()*a, "`.max` of an argument"),
    "shape": (lambda x, a: x*a/x.size, "`.size` of an argument"),
    "cumsum": (lambda x, a: a*np.cumsum(x), "numpy.cumsum"),
    "reduction": (lambda x, a: a*np.add.reduce(x), "joins points"),
    "random": (lambda x, a: a*x + next(COUNTER), "disagrees with the function itself"),
    "integers": (lambda x, a: (a*x).astype(int), "converted to int64"),
    "unknown": (lambda x, a: sp.erfinv(a*x), "erfinv is not in gslfit's table"),
    "index": (lambda x, a: a*x[0], "indexed"),
    "iteration": (lambda x, a: [a*xi for xi in x], "iterated"),
    "length": (lambda x, a: a*x/len(x), "length"),
    "array": (lambda x, a: np.array([x, a]), "an array of its own"),
    "complex": (lambda x, a: a + 1j*x, "its value is complex"),
    "out": (lambda x, a: np.add(x, a, out=np.zeros(3)), "writes into an array"),
    "tuple": (lambda x, a: (a, x), "returns a tuple"),
    "none": (lambda x, a: None, "returns NoneType"),
    "text": (lambda x, a: "s", "returns str"),
    "foreign_array": (lambda x, a: a*np.linspace(0, 1, 7) + x, "from outside the arguments"),
    "raises": (lambda x, a: x*a + {}["missing"], "raised KeyError"),
    "not_finite": (lambda x, a: np.log(-1 - x**2)*a, "no finite value"),
    "numbers_and": (lambda x, a: (x & 1)*a, "something else than conditions"),
}


@pytest.mark.parametrize("name", UNTRACEABLE)
def test_says_why_not(name):
    """A function that can't be traced is called instead, and the reason is there to read."""
    func, words = UNTRACEABLE[name]
    formula = Formula(func)
    assert not formula.native
    assert words in formula.reason
    assert "can't be traced" in formula.reason


def test_goes_on_through_the_function():
    """Without a program the formula still evaluates."""
    formula = Formula(branches)
    assert np.array_equal(formula(x=X, a=-1.), -X)
    with pytest.raises(ValueError, match="has no program: branches can't be traced"):
        formula.disassemble()


def test_arguments():
    """Defaults are kept, options stay options, independent variables go by name."""
    def model(x, t, amp, decay=.5, form="cosine", *, shift=0):
        wave = np.cos if form == "cosine" else np.sin
        return amp*np.exp(-decay*t)*wave(x - shift)

    formula = Formula(model, independent=("x", "t"))
    assert formula.native
    assert formula.names == ("amp", "decay", "shift")
    assert formula.defaults == {"decay": .5, "shift": 0}
    assert np.allclose(formula(x=X, t=2., amp=3.), model(X, 2., 3.))
    assert formula == Formula(model, independent=("x", "t"))
    with pytest.raises(ValueError, match="no argument 'z'"):
        Formula(model, independent="z")


def test_star():
    """A function of *args needs names."""
    def peak(x, *p):
        return p[0]*np.exp(-(x - p[1])**2)

    with pytest.raises(ValueError, match="name its parameters"):
        Formula(peak)
    formula = Formula(peak, names=("height", "centre"))
    assert formula.native
    assert np.allclose(formula(X, height=2, centre=.5), peak(X, 2, .5))


def test_text_and_trace_agree():
    """The same formula as text and as a function lowers to the same program."""
    text = Formula("y0 + A*exp(-(x - x0)**2/(2*var))").lowered()
    traced = Formula(lambda x, y0, x0, A, var: y0 + A*np.exp(-(x - x0)**2/(2*var))).lowered(free=("x0", "y0", "A", "var"))
    assert len(text.body) == len(traced.body)
    point = dict(x=X, y0=.3, A=2., x0=.4, var=.8)
    value, columns = interpreter.run(text, point)
    value_traced, columns_traced = interpreter.run(traced, point)
    assert np.allclose(value, value_traced, rtol=1e-15)
    order = [traced.free.index(name) for name in text.free]
    assert np.allclose(columns, columns_traced[:, order], rtol=1e-15)


DATA = 2.5*np.sin(X*1.1 + .2)*np.exp(-X*X*.05)
PARAMS = dict(amp=2., phase=.1, omega=1., decay=.06, unused=1.)


def residual(params, x, data, eps=None):
    """Return the lmfit manual's residual, as it is written there."""
    amp = params["amp"].value
    pshift = params["phase"].value
    freq = params["omega"].value
    decay = params["decay"].value
    model = amp*np.sin(x*freq + pshift)*np.exp(-x*x*decay)
    return (data - model) if eps is None else (data - model)/eps


@pytest.mark.parametrize("eps", [None, np.full(X.size, .3), .3])
def test_residual(eps):
    """A residual function of Parameters, arrays by position and by name, options as they are."""
    traced = trace_residual(residual, PARAMS, (X,), {"data": DATA, "eps": eps})
    assert traced.native, traced.reason
    assert traced.names == ("amp", "phase", "omega", "decay")
    value, columns = interpreter.run(compiled(traced.graph, traced.names)[1], {**PARAMS, **traced.arrays})
    model = PARAMS["amp"]*np.sin(X*PARAMS["omega"] + PARAMS["phase"])*np.exp(-X*X*PARAMS["decay"])
    assert np.allclose(value, (DATA - model)/(1 if eps is None else eps), rtol=1e-14)
    assert np.allclose(columns[:, 0], -model/PARAMS["amp"]/(1 if eps is None else eps), rtol=1e-13)


def test_residual_with_closure_and_valuesdict():
    """Arrays from outside are data; plain arithmetic on the parameters works."""
    def closure(params):
        values = params.valuesdict()
        return 2*params["amp"] + values["decay"]*X - DATA

    traced = trace_residual(closure, PARAMS)
    assert traced.native, traced.reason
    value, _ = interpreter.run(compiled(traced.graph, traced.names)[1], {**PARAMS, **traced.arrays})
    assert np.allclose(value, 4 + .06*X - DATA)


@pytest.mark.parametrize(("func", "words"), [
    (lambda p, x: np.concatenate([p["amp"]*x, x]), "numpy.concatenate"),
    (lambda p, x: p["amp"]*x[:5], "`.__getitem__`|indexed"),
    (lambda p, x: p["amp"]*x if p["decay"].stderr is None else x, "stderr"),
    (lambda p, x: p["amp"]*np.linspace(0, 1, 4) + x, "different shapes"),
    (lambda p, x: p["amp"]*2, "reads no data"),
    (lambda p, x: p["missing"]*x, "KeyError"),
    (lambda p, x: p.update(amp=3) or x, "`.update` of its parameters|writes"),
])
def test_residual_says_why_not(func, words):
    """Each refusal has its reason."""
    import re
    traced = trace_residual(func, PARAMS, (X,))
    assert not traced.native
    assert re.search(words, traced.reason), traced.reason


def by_keywords(x, **numbers):
    """Return a line, its parameters by name."""
    return numbers["a"] + numbers["b"]*x


def test_keywords_that_are_not_named():
    """The parameters of a function that takes keywords alone are named, as those of ``*args`` are; without names that is said."""
    x = np.linspace(0, 1, 9)
    found = gslfit.fit(Formula(by_keywords, names=["a", "b"]), 1 + 2*x, x=x, a=0.0, b=0.0)
    assert found.params["a"].value == pytest.approx(1.0) and found.params["b"].value == pytest.approx(2.0)
    with pytest.raises(InputError, match=r"by_keywords takes \*\*numbers: name its parameters \(names=\)"):
        gslfit.fit(by_keywords, x, x=x, a=0.0, b=0.0)


def test_a_parameter_may_be_called_self():
    """Every name of a parameter is the caller's."""
    x = np.linspace(0, 1, 9)
    batch = gslfit.fit_batch("self*exp(-x/t)", np.exp(-x)[None] + 0.01*np.cos(50*x), x=x, start={"self": 1.0, "t": 1.0})
    alone = gslfit.fit("self*exp(-x/t)", np.exp(-x) + 0.01*np.cos(50*x), x=x, start={"self": 1.0, "t": 1.0})
    assert "self" in batch[0].fit_report()
    np.testing.assert_allclose(batch[0].eval_uncertainty(), alone.eval_uncertainty(), rtol=1e-6)
