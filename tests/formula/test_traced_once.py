"""A function is traced once: what it is made of is its key, and whatever of that changes is noticed."""
import functools
import gc
import types
import warnings
import weakref

import numpy as np
import pytest

import gslfit
from gslfit import Formula, Model, curve_fit, fit, fit_batch
from gslfit.formula import trace as tracing
from gslfit.formula import trace_residual as residuals
from gslfit.formula.function_key import function_key

X = np.linspace(0.1, 2, 25)
SCALE = 1.0
CONFIG = types.SimpleNamespace(scale=1.0)
TABLE = {"scale": 1.0, "other": [1.0, 2.0]}
MODULE = types.ModuleType("settings")
MODULE.scale = 1.0


def helper(x):
    return SCALE*x


class Instrument:
    """A model that is a method, and reads what its object and its class hold."""

    offset = 1.0

    def __init__(self):
        self.scale = 1.0

    def inner(self, x):
        return self.scale*self.offset*x

    def curve(self, x, a):
        return a*self.inner(x)

    __call__ = curve


INSTRUMENT = Instrument()


@pytest.fixture
def traces(monkeypatch):
    """Count the functions that are traced."""
    found = []
    trace = tracing.trace

    def counted(func, *args):
        found.append(func)
        return trace(func, *args)
    monkeypatch.setattr(tracing, "trace", counted)
    tracing._KNOWN.clear()
    return found


def test_equal_functions_are_traced_once(traces):
    """The same function, new ones of the same code, and by every entry."""
    y = 3*np.exp(-1.5*X)
    for _ in range(3):
        popt, _ = curve_fit(lambda x, a, b: a*np.exp(-b*x), X, y, [1.0, 1.0])
        assert np.allclose(popt, [3, 1.5], rtol=1e-10)
    assert len(traces) == 1

    def func(x, a, b):
        return a*np.exp(-b*x)
    for _ in range(2):
        assert np.isclose(fit(func, y, x=X, a=1.0, b=1.0).params["b"].value, 1.5, rtol=1e-10)
        assert np.allclose(fit_batch(func, y[None], x=X, a=1.0, b=1.0).values["b"], 1.5, rtol=1e-8)
        assert np.allclose(curve_fit(func, X, y, [1.0, 1.0])[0], [3, 1.5], rtol=1e-10)
    assert len(traces) == 2
    for _ in range(2):
        assert np.isclose(Model(func).fit(y, x=X, a=1.0, b=1.0).params["b"].value, 1.5, rtol=1e-10)
    assert len(traces) == 3


def change_global(value):
    globals()["SCALE"] = value


def change_default(value):
    reads_default.__defaults__ = (types.SimpleNamespace(scale=value),)


def change_keyword(value):
    reads_keyword.__kwdefaults__ = {"options": {"scale": value}}


def reads_global(x, a):
    return a*SCALE*x


def reads_through_helper(x, a):
    return a*helper(x)


def reads_attribute(x, a):
    return a*CONFIG.scale*x


def reads_item(x, a):
    return a*TABLE["scale"]*x


def reads_module(x, a):
    return a*MODULE.scale*x


def reads_default(x, a, options=types.SimpleNamespace(scale=1.0)):  # noqa: B008
    return a*options.scale*x


def reads_keyword(x, a, *, options={"scale": 1.0}):  # noqa: B006
    return a*options["scale"]*x


def reads_by_name(x, a):
    return a*getattr(CONFIG, "sca" + "le")*x


def reads_object(x, a):
    return a*INSTRUMENT.inner(x)


def make_closure():
    scale = 1.0

    def change(value):
        nonlocal scale
        scale = value
    return lambda x, a: a*scale*x, change


CLOSURE, change_closure = make_closure()
KINDS = {
    "global": (reads_global, change_global), "helper": (reads_through_helper, change_global),
    "attribute": (reads_attribute, lambda value: setattr(CONFIG, "scale", value)),
    "item": (reads_item, lambda value: TABLE.update(scale=value)),
    "module": (reads_module, lambda value: setattr(MODULE, "scale", value)),
    "default": (reads_default, change_default), "keyword": (reads_keyword, change_keyword),
    "name": (reads_by_name, lambda value: setattr(CONFIG, "scale", value)),
    "object": (reads_object, lambda value: setattr(INSTRUMENT, "scale", value)),
    "class": (reads_object, lambda value: setattr(Instrument, "offset", value)),
    "method": (INSTRUMENT.curve, lambda value: setattr(INSTRUMENT, "scale", value)),
    "callable": (INSTRUMENT, lambda value: setattr(INSTRUMENT, "scale", value)),
    "closure": (CLOSURE, change_closure),
    "partial": (functools.partial(reads_global), change_global),
}
WAYS = {
    "curve_fit": lambda func, _: curve_fit(func, X, 2*X, [1.0])[0][0],
    "fit": lambda func, _: fit(func, 2*X, x=X, a=1.0).params["a"].value,
    "fit_batch": lambda func, _: fit_batch(func, 2*X[None], x=X, a=1.0).values["a"][0],
    "Model": lambda func, _: Model(func, name="m").fit(2*X, x=X, a=1.0).params["a"].value,
    "one Model": lambda _, model: model.fit(2*X, x=X, a=1.0).params["a"].value,
    "one Model, prefixed": lambda _, model: (model.copy("p_") + Model("c", independent_vars=["x"])).fit(2*X, x=X, p_a=1.0, c=0.0)
    .params["p_a"].value,
}


# a model keeps the options that its function had
@pytest.mark.parametrize(("kind", "way"), [(kind, way) for kind in KINDS for way in WAYS
                                           if not (way.startswith("one Model") and kind in ("default", "keyword"))])
def test_a_change_is_noticed(kind, way):
    """What a function reads may change from call to call: a of a*scale*x, fitted to 2*x, is 2/scale."""
    func, change = KINDS[kind]
    model = Model(func, name="m")
    try:
        for value in (1.0, 4.0, -0.5, 1.0):
            change(value)
            assert np.isclose(WAYS[way](func, model), 2/value, rtol=1e-9)
    finally:
        change(1.0)


@pytest.mark.parametrize("kind", KINDS)
def test_a_change_is_noticed_by_residuals(kind):
    """`minimize(compiled=True)`, its data handed over or read from outside."""
    func, change = KINDS[kind]
    data = 2*X
    params = gslfit.Parameters()
    params.add("a", 1.0)

    def closed(p):
        return func(X, p["a"]) - data

    def handed(p, x, y=None):
        return func(x, p["a"]) - y
    try:
        for value in (1.0, 4.0, 4.0, -0.5):
            change(value)
            assert np.isclose(gslfit.minimize(closed, params.copy(), compiled=True).params["a"].value, 2/value, rtol=1e-9)
            found = gslfit.minimize(handed, params.copy(), args=(X,), kws={"y": data}, compiled=True)
            assert np.isclose(found.params["a"].value, 2/value, rtol=1e-9)
    finally:
        change(1.0)


def test_residuals_take_the_arrays_of_each_call(monkeypatch):
    """A residual that was traced before: other data, arrays that are one and the same, or other ones equal by chance."""
    traced = []
    own = residuals._traced
    monkeypatch.setattr(residuals, "_traced", lambda *args: traced.append(1) or own(*args))
    residuals._KNOWN.clear()

    def difference(p, x, y):
        return p["a"]*x + p["b"]*x*x - y
    for a, b in ((1.0, 2.0), (3.0, 4.0), (-1.0, 0.5)):
        params = gslfit.Parameters()
        params.add("a", 0.7)
        params.add("b", 0.7)
        found = gslfit.minimize(difference, params, args=(X, a*X + b*X*X), compiled=True)
        assert np.allclose([found.params["a"].value, found.params["b"].value], [a, b], rtol=1e-9)
    assert len(traced) == 1
    same = gslfit.minimize(difference, params, args=(X, X), compiled=True)
    assert np.allclose([same.params["a"].value, same.params["b"].value], [1, 0], atol=1e-12)
    other = gslfit.minimize(difference, params, args=(X, 2*X), compiled=True)
    assert np.allclose([other.params["a"].value, other.params["b"].value], [2, 0], atol=1e-12)


@pytest.mark.parametrize(("first", "second"), [
    (lambda x, a: a*x, lambda x, a: a + x),
    (lambda x, a: a*x + 1, lambda x, a: a*x + 2),
    (lambda x, a: a*np.sin(x), lambda x, a: a*np.cos(x)),
    (lambda x, a, s=1.0: a*x*s, lambda x, a, s=2.0: a*x*s),
    (lambda x, a: a*x, lambda x, b: b*x),
    (functools.partial(lambda x, a, s: a*x*s, s="1"), functools.partial(lambda x, a, s: a*x*s, s="2")),
])
def test_other_functions_have_other_keys(first, second):
    """Operations, constants, names of functions, defaults, arguments, what is bound."""
    assert function_key(first) != function_key(second)


def test_values_that_are_equal_and_not_the_same_have_other_keys():
    """0.0 and -0.0, 1 and 1.0 and True, arrays of another type or shape; a NaN is the same as itself."""
    def key(value):
        return function_key(lambda: value)
    values = [0.0, -0.0, 1, 1.0, True, "1", np.float64(1), np.array([1.0]), np.array([1]), np.array([[1.0]]), (1.0,), [1.0], {1.0: 1.0}]
    for k, a in enumerate(values):
        for n, b in enumerate(values):
            assert (key(a) == key(b)) is (k == n)
    assert key(np.nan) == key(float("nan"))


def test_what_has_no_key():
    """Long arrays, files, objects of compiled classes, code that is evaluated; and loops end."""
    big, ring = np.zeros(10**5), []
    ring.append(ring)
    lock = gc.callbacks.append
    assert function_key(lambda x: big*x) is None
    assert function_key(lambda x: eval("x*SCALE")) is None
    assert function_key(lambda x: lock) is None
    assert function_key(lambda x: ring) == function_key(lambda x: ring)


def test_a_function_without_a_key_is_not_kept_alive():
    """It is known while it lives."""
    big = np.zeros(10**5)

    def func(x, a):
        return a*x*len(big)
    assert function_key(func) is None
    first, second = Formula(func), Formula(func)
    assert first.graph is second.graph
    del first, second
    gone = weakref.ref(func)
    del func
    gc.collect()
    assert gone() is None


def test_called_functions_are_called():
    """A function that can't be traced is called by its own self, whatever was known of another of the same code."""
    def make(calls):
        def func(x, a):
            calls.append(1)
            return np.array([a*float(v) for v in x])
        return func
    first, second = [], []
    for calls in (first, second):
        curve_fit(make(calls), X, 2*X, [1.0])
    assert len(second) > 2
    assert len(first) > 2


class Remembers:
    """A model that works out what depends on x anew only where x is another than last time."""

    def __init__(self, same):
        self.same, self.x, self.root, self.made = same, None, None, 0

    def __call__(self, x, a, b):
        if self.x is None or not self.same(self.x, x):
            self.x, self.root, self.made = x, np.sqrt(x), self.made + 1
        return a*self.root + b


@pytest.mark.parametrize("same", [lambda u, v: u is v, np.array_equal,
                                  lambda u, v: np.shape(u) == np.shape(v) and np.allclose(u, v, rtol=0, atol=0),
                                  lambda u, v: len(u) == len(v) and np.all(u == v),
                                  lambda u, v: np.shape(u) == np.shape(v) and np.max(np.abs(u - v)) == 0])
def test_functions_that_remember_their_arguments(same):
    """A symbol that they keep is equal to nothing afterwards; called before and between fits, they give the same."""
    y = 3*np.sqrt(X) + 1
    model = Remembers(same)
    for _ in range(3):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", gslfit.errors.FitWarning)
            assert np.allclose(curve_fit(model, X, y, [1.0, 1.0])[0], [3, 1], rtol=1e-8)
            assert np.isclose(fit(model, y, x=X, a=1.0, b=1.0).params["a"].value, 3, rtol=1e-8)
        assert np.allclose(model(X, 3.0, 1.0), y)
        assert np.allclose(model(X[:5], 3.0, 1.0), y[:5])
    if same in (np.array_equal,):
        assert Formula(model).native


def test_a_symbol_is_a_nan_after_its_trace():
    """Whatever a function that kept one does with it."""
    kept, grid = [], X.copy()

    def func(x, a):
        kept.append(x)
        return a*x
    assert Formula(func).native
    symbol = next(each for each in kept if not isinstance(each, np.ndarray))
    assert not symbol == symbol  # noqa: SIM201
    assert symbol != symbol
    assert not np.any(grid == symbol)
    assert not np.any(symbol == grid)
    assert np.all(grid != symbol)
    assert not np.array_equal(symbol, grid)
    assert not np.allclose(grid, symbol)
    assert np.all(np.isnan(grid - symbol))
    assert np.all(np.isnan(symbol*grid + 1))
    assert np.isnan(float(symbol))
    assert np.isnan(np.exp(symbol))
    assert np.shape(symbol) == ()
    assert len(symbol) == 0
    assert (1.0, symbol) != (1.0, 2.0)
