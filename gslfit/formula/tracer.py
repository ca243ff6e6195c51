"""Symbols: what stands for an array while a function of NumPy operations is traced.

A symbol answers NumPy's protocols (``__array_ufunc__``, ``__array_function__``) and Python's operators by making a node of the graph. What
would need a value (``if``, ``math.exp``, an index, a shape) raises `TraceError`, which says so. A complex number is two symbols.
"""
from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from gslfit.errors import FitError
from gslfit.formula.function_names import FUNCTIONS
from gslfit.formula.graph import Node, Pool, is_const
from gslfit.formula.parse import TRUTHS


class TraceError(FitError):
    """A function that can't be traced; the message says why."""


class Recorder:
    """What one trace has met: its pool, and the arrays from outside that it captured.

    Parameters
    ----------
    capture : bool
        Whether arrays of more than one number, met beside symbols, become independent variables of their own.

    Attributes
    ----------
    over : bool
        Whether the trace has ended. A symbol that a function has kept is a NaN from then on: it is equal to nothing.
    """

    def __init__(self, capture: bool = False):
        self.pool = Pool()
        self.capture = capture
        self.over = False
        self.arrays: dict[str, np.ndarray] = {}

    def symbol(self, op: str, name: str) -> Symbol:
        """Return the symbol of a parameter or independent variable."""
        return Symbol(self, self.pool.leaf(op, name))

    def array(self, array: np.ndarray) -> Symbol:
        """Return the symbol of an array from outside."""
        if not self.capture:
            raise TraceError(f"an array of shape {array.shape} from outside the arguments is used; make it an independent variable")
        if array.dtype.kind not in "buif":
            raise TraceError(f"an array of {array.dtype} is used")
        for name, known in self.arrays.items():
            same_kind = known.shape == array.shape and known.dtype == array.dtype
            if known is array or (same_kind and np.array_equal(known, array, equal_nan=True)):
                return self.symbol("x", name)
        name = f"array{len(self.arrays)}"
        self.arrays[name] = array
        return self.symbol("x", name)

    def node(self, value: Any) -> Node:
        """Return the node of a symbol, number or array."""
        if isinstance(value, Symbol):
            if value.recorder.over:
                return self.pool.const(NAN)
            if value.recorder is not self:
                raise TraceError("a symbol of another trace is used")
            return value.node
        if isinstance(value, Pair):
            raise TraceError("a complex number is used where only real ones can be; take .real, .imag or abs()")
        if isinstance(value, (bool, int, float, np.bool_, np.integer, np.floating)):
            return self.pool.const(float(value))
        if isinstance(value, np.ndarray):
            if value.size == 1 and value.dtype.kind in "buif":
                return self.pool.const(float(value.reshape(-1)[0]))
            return self.array(value).node
        raise TraceError(f"{type(value).__name__} {value!r:.60} is used as a number")


def refuse(what: str, ended: Callable[..., Any] | None = None) -> Callable[..., Any]:
    """Return a method that raises, in place of one that can't be traced; once the trace is over it is `ended`, without the symbol."""
    def method(self: Any, *args: Any, **kws: Any) -> Any:
        if ended is not None and self.recorder.over:
            return ended(*args, **kws)
        raise TraceError(what)
    return method


def binary(name: str, swapped: bool = False) -> Callable[[Any, Any], Any]:
    """Return the method of an operator of symbols."""
    def method(self: Symbol, other: Any) -> Any:
        if self.recorder.over:
            return getattr(NAN, f"__{'r' if swapped else ''}{name}__")(other)
        if isinstance(other, Symbol) and other.recorder.over and name in ("eq", "ne"):
            return np.bool_(name == "ne")
        if isinstance(other, (complex, np.complexfloating, Pair)) and not isinstance(other, (float, np.floating)):
            pair = Pair.of(self.recorder, self)
            return getattr(pair, f"__{'r' if swapped else ''}{name}__")(other)
        if not isinstance(other, (Symbol, int, float, np.number, np.bool_, np.ndarray)):
            return NotImplemented
        return self.recorder_call(OPERATORS[name], *((other, self) if swapped else (self, other)))
    return method


NAN = np.float64(np.nan)
OPERATORS = {"add": "add", "sub": "subtract", "mul": "multiply", "truediv": "divide", "pow": "power", "mod": "mod", "lt": "less",
             "le": "less_equal", "gt": "greater", "ge": "greater_equal", "eq": "equal", "ne": "not_equal", "floordiv": "floor_divide"}
AS_VALUE = ("a value is needed while tracing, as by `if`, `while`, `and`, `or`, `in`, max() or min() of Python on an argument: "
            "write numpy.where, numpy.maximum, numpy.minimum, & and |")
AS_NUMBER = "a number is needed while tracing, as by the functions of `math`: write numpy's"
AS_ARRAY = "an argument is indexed, iterated or asked for its length or shape"


class Symbol:
    """A real value of the function being traced, one per point."""

    __slots__ = ("node", "recorder")
    __array_priority__ = 1000
    __hash__ = object.__hash__

    def __init__(self, recorder: Recorder, node: Node):
        self.recorder, self.node = recorder, node

    def recorder_call(self, name: str, *args: Any) -> Symbol:
        """Return the symbol of a function of the table."""
        function = FUNCTIONS.get(name)
        if function is None:
            raise TraceError(f"{name} is not in gslfit's table of functions")
        if not function.least <= len(args) <= (function.most or len(args)):
            raise TraceError(f"{name} is called with {len(args)} arguments")
        return Symbol(self.recorder, function.build(*[self.recorder.node(arg) for arg in args]))

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *args: Any, **kws: Any) -> Any:
        if self.recorder.over:
            return getattr(ufunc, method)(*_ended(args), **kws)
        if method != "__call__":
            raise TraceError(f"numpy.{ufunc.__name__}.{method} joins points with each other")
        out = kws.pop("out", None)
        kws = {key: value for key, value in kws.items() if key not in ("dtype", "casting", "order", "subok")}
        if out is not None and any(part is not None for part in out):
            raise TraceError(f"numpy.{ufunc.__name__} writes into an array (`out=`, or an operation in place on an array from outside)")
        if kws:
            raise TraceError(f"numpy.{ufunc.__name__} is called with {', '.join(kws)}=")
        return apply(self.recorder, ufunc.__name__, args)

    def __array_function__(self, func: Any, types: Any, args: tuple, kws: dict) -> Any:
        if self.recorder.over:
            return func(*_ended(args), **kws)
        handler = ARRAY_FUNCTIONS.get(func.__name__)
        if handler is None:
            raise TraceError(f"numpy.{func.__name__} is not in gslfit's table of functions, or joins points with each other")
        return handler(self.recorder, *args, **kws)

    __array__ = refuse("an argument is turned into an array of its own (numpy.array, or an item of an array set)", NAN.__array__)

    __add__, __radd__ = binary("add"), binary("add", True)
    __sub__, __rsub__ = binary("sub"), binary("sub", True)
    __mul__, __rmul__ = binary("mul"), binary("mul", True)
    __truediv__, __rtruediv__ = binary("truediv"), binary("truediv", True)
    __floordiv__, __rfloordiv__ = binary("floordiv"), binary("floordiv", True)
    __mod__, __rmod__ = binary("mod"), binary("mod", True)
    __pow__, __rpow__ = binary("pow"), binary("pow", True)
    __lt__, __le__, __gt__, __ge__ = binary("lt"), binary("le"), binary("gt"), binary("ge")
    __eq__, __ne__ = binary("eq"), binary("ne")  # type: ignore[assignment]

    def __neg__(self) -> Symbol:
        return self.recorder_call("negative", self)

    def __pos__(self) -> Symbol:
        return self

    def __abs__(self) -> Symbol:
        return self.recorder_call("abs", self)

    def __round__(self, digits: int | None = None) -> Symbol:
        if digits:
            raise TraceError("round to digits is used")
        return self.recorder_call("rint", self)

    def _logic(self, name: str, *others: Any) -> Symbol:
        nodes = [self.recorder.node(value) for value in (self, *others)]
        if any(node.op not in TRUTHS and node.op != "const" for node in nodes):
            raise TraceError("&, |, ^ or ~ is used on something else than conditions")
        return self.recorder_call(name, self, *others)

    def __and__(self, other: Any) -> Symbol:
        return self._logic("logical_and", other)

    def __or__(self, other: Any) -> Symbol:
        return self._logic("logical_or", other)

    def __xor__(self, other: Any) -> Symbol:
        return self._logic("logical_xor", other)

    def __invert__(self) -> Symbol:
        return self._logic("logical_not")

    __rand__, __ror__, __rxor__ = __and__, __or__, __xor__

    __bool__ = refuse(AS_VALUE, NAN.__bool__)
    __float__, __complex__ = refuse(AS_NUMBER, NAN.__float__), refuse(AS_NUMBER, lambda: complex(NAN))
    __int__ = __index__ = refuse(AS_NUMBER)
    __len__, __iter__, __contains__ = refuse(AS_ARRAY, ().__len__), refuse(AS_ARRAY, ().__iter__), refuse(AS_ARRAY, ().__contains__)
    __getitem__, __setitem__ = refuse(AS_ARRAY, lambda place: NAN), refuse(AS_ARRAY)

    @property
    def value(self) -> Symbol:
        """The symbol itself, as `Parameter.value` is a number."""
        return self

    @property
    def real(self) -> Symbol:
        """The symbol itself."""
        return self

    @property
    def imag(self) -> Symbol:
        """Zero."""
        return Symbol(self.recorder, self.recorder.pool.const(0.0))

    def conjugate(self) -> Symbol:
        """Return the symbol itself."""
        return self

    conj = conjugate

    def itself(self, *args: Any, **kws: Any) -> Symbol:
        """Return the symbol: what a copy, a reshaped or a converted array is, point by point."""
        return self

    copy = flatten = ravel = squeeze = itself

    def astype(self, dtype: Any, **kws: Any) -> Symbol:
        """Return the symbol, converted to a floating-point type."""
        if np.dtype(dtype).kind != "f":
            raise TraceError(f"an argument is converted to {np.dtype(dtype)}")
        return self

    def clip(self, min: Any = None, max: Any = None) -> Symbol:
        """Trace numpy.clip."""
        return clip(self.recorder, self, min, max)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if self.recorder.over:
            return getattr(NAN, name)
        raise TraceError(f"`.{name}` of an argument is used" + (f"; {AS_ARRAY}" if name in ("shape", "size", "ndim", "dtype", "T") else ""))


def _ended(args: tuple[Any, ...]) -> list[Any]:
    """Return arguments in which symbols of a trace that is over are NaN."""
    return [NAN if isinstance(arg, Symbol) and arg.recorder.over else arg for arg in args]


class Pair:
    """A complex value of the function being traced."""

    __slots__ = ("imag", "real", "recorder")
    __array_priority__ = 2000

    def __init__(self, recorder: Recorder, real: Symbol, imag: Symbol):
        self.recorder, self.real, self.imag = recorder, real, imag

    @classmethod
    def of(cls, recorder: Recorder, value: Any) -> Pair:
        """Return the pair of a number or symbol."""
        if isinstance(value, Pair):
            return value
        if isinstance(value, (complex, np.complexfloating)):
            real, imag = float(value.real), float(value.imag)
            return cls(recorder, Symbol(recorder, recorder.pool.const(real)), Symbol(recorder, recorder.pool.const(imag)))
        return cls(recorder, Symbol(recorder, recorder.node(value)), Symbol(recorder, recorder.pool.const(0.0)))

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *args: Any, **kws: Any) -> Any:
        if method != "__call__" or kws:
            raise TraceError(f"numpy.{ufunc.__name__} of complex numbers is called in a way that can't be traced")
        return apply(self.recorder, ufunc.__name__, args)

    def __array_function__(self, func: Any, types: Any, args: tuple, kws: dict) -> Any:
        handler = PAIR_FUNCTIONS.get(func.__name__)
        if handler is None or kws or len(args) != 1:
            raise TraceError(f"numpy.{func.__name__} of complex numbers is not in gslfit's table of functions")
        return handler(args[0])

    def _join(self, name: str, a: Any, b: Any) -> Pair:
        return PAIR_OPERATORS[name](Pair.of(self.recorder, a), Pair.of(self.recorder, b))

    def __add__(self, other: Any) -> Pair:
        return self._join("add", self, other)

    def __radd__(self, other: Any) -> Pair:
        return self._join("add", other, self)

    def __sub__(self, other: Any) -> Pair:
        return self._join("subtract", self, other)

    def __rsub__(self, other: Any) -> Pair:
        return self._join("subtract", other, self)

    def __mul__(self, other: Any) -> Pair:
        return self._join("multiply", self, other)

    def __rmul__(self, other: Any) -> Pair:
        return self._join("multiply", other, self)

    def __truediv__(self, other: Any) -> Pair:
        return self._join("divide", self, other)

    def __rtruediv__(self, other: Any) -> Pair:
        return self._join("divide", other, self)

    def __pow__(self, other: Any) -> Pair:
        if isinstance(other, (int, float)) and other == int(other) and 0 < other <= 16:
            result = self
            for _ in range(int(other) - 1):
                result = result * self
            return result
        raise TraceError("a complex number is raised to a power that is not a small whole number")

    def __neg__(self) -> Pair:
        return Pair(self.recorder, minus(self.imag.imag, self.real), minus(self.imag.imag, self.imag))

    def __pos__(self) -> Pair:
        return self

    def __abs__(self) -> Symbol:
        return abs(self.real) if is_zero(self.imag) else self.real.recorder_call("hypot", self.real, self.imag)

    def conjugate(self) -> Pair:
        """Return the complex conjugate."""
        return Pair(self.recorder, self.real, minus(self.imag.imag, self.imag))

    conj = conjugate
    __bool__ = __eq__ = __lt__ = __gt__ = __le__ = __ge__ = refuse(AS_VALUE)  # type: ignore[assignment]
    __hash__ = object.__hash__

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise TraceError(f"`.{name}` of a complex number is used")


def is_zero(a: Symbol) -> bool:
    """Return whether a part is zero, as that of a real number is."""
    return is_const(a.node, 0.0)


def multiply(a: Symbol, b: Symbol) -> Symbol:
    """Return the product of two parts; a part that is not there stays away."""
    if is_zero(a) or is_const(b.node, 1.0):
        return a
    return b if is_zero(b) or is_const(a.node, 1.0) else a * b


def plus(a: Symbol, b: Symbol) -> Symbol:
    """Return the sum of two parts."""
    return b if is_zero(a) else a if is_zero(b) else a + b


def minus(a: Symbol, b: Symbol) -> Symbol:
    """Return the difference of two parts."""
    return a if is_zero(b) else -b if is_zero(a) else a - b


def divide(a: Symbol, b: Symbol) -> Symbol:
    """Return the quotient of two parts."""
    return a if is_zero(a) else a / b


def times(a: Pair, b: Pair) -> Pair:
    """Return the product of complex numbers."""
    real = minus(multiply(a.real, b.real), multiply(a.imag, b.imag))
    return Pair(a.recorder, real, plus(multiply(a.real, b.imag), multiply(a.imag, b.real)))


def over(a: Pair, b: Pair) -> Pair:
    """Return the quotient of complex numbers."""
    if is_zero(b.imag):
        return Pair(a.recorder, divide(a.real, b.real), divide(a.imag, b.real))
    size = plus(multiply(b.real, b.real), multiply(b.imag, b.imag))
    above = times(a, b.conjugate())
    return Pair(a.recorder, divide(above.real, size), divide(above.imag, size))


def exponential(a: Pair) -> Pair:
    """Trace exp of a complex number."""
    call = a.real.recorder_call
    size = call("exp", a.real)
    return Pair(a.recorder, size * call("cos", a.imag), size * call("sin", a.imag))


def faddeeva(a: Pair) -> Pair:
    """Trace scipy.special.wofz."""
    call = a.real.recorder_call
    other = Symbol(a.recorder, a.recorder.pool.make("wofz_im", a.real.node, a.imag.node))
    return Pair(a.recorder, call("wofz_re", a.real, a.imag), other)


PAIR_OPERATORS: dict[str, Callable[[Pair, Pair], Pair]] = {
    "add": lambda a, b: Pair(a.recorder, plus(a.real, b.real), plus(a.imag, b.imag)),
    "subtract": lambda a, b: Pair(a.recorder, minus(a.real, b.real), minus(a.imag, b.imag)),
    "multiply": times, "divide": over, "true_divide": over}
PAIR_FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "wofz": faddeeva, "exp": exponential, "absolute": abs, "abs": abs, "conjugate": Pair.conjugate, "conj": Pair.conjugate,
    "negative": operator.neg, "square": lambda a: times(a, a), "real": lambda a: a.real, "imag": lambda a: a.imag,
    "reciprocal": lambda a: 1.0 / a, "angle": lambda a: np.arctan2(a.imag, a.real)}


BITWISE = {"bitwise_and": "logical_and", "bitwise_or": "logical_or", "bitwise_xor": "logical_xor", "invert": "logical_not"}


def apply(recorder: Recorder, name: str, args: tuple) -> Any:
    """Apply a ufunc to symbols, numbers and arrays."""
    if name in BITWISE:
        return Symbol(recorder, recorder.node(args[0]))._logic(BITWISE[name], *args[1:])
    if name != "wofz" and not any(isinstance(arg, (complex, np.complexfloating, Pair)) for arg in args):
        return Symbol(recorder, recorder.pool.const(0.0)).recorder_call(name, *args)
    pairs = [Pair.of(recorder, arg) for arg in args]
    if len(pairs) == 2 and name in PAIR_OPERATORS:
        return PAIR_OPERATORS[name](*pairs)
    if len(pairs) == 2 and name == "power":
        return pairs[0] ** args[1]
    if len(pairs) == 1 and name in PAIR_FUNCTIONS:
        return PAIR_FUNCTIONS[name](*pairs)
    raise TraceError(f"numpy.{name} of complex numbers is not in gslfit's table of functions")


def clip(recorder: Recorder, a: Any, low: Any = None, high: Any = None, **kws: Any) -> Symbol:
    """Trace numpy.clip, either bound optional."""
    low, high = kws.pop("min", kws.pop("a_min", low)), kws.pop("max", kws.pop("a_max", high))
    if any(value is not None for value in kws.values()):
        raise TraceError(f"numpy.clip is called with {', '.join(kws)}=")
    result = Symbol(recorder, recorder.node(a))
    if low is not None:
        result = result.recorder_call("maximum", result, low)
    return result if high is None else result.recorder_call("minimum", result, high)


def where(recorder: Recorder, condition: Any, *branches: Any) -> Symbol:
    """Trace numpy.where with three arguments."""
    if len(branches) != 2:
        raise TraceError("numpy.where is called with the condition alone")
    return apply(recorder, "where", (condition, *branches))


def select(recorder: Recorder, conditions: Any, choices: Any, default: Any = 0) -> Any:
    """Trace numpy.select."""
    result = default
    for condition, choice in reversed(list(zip(conditions, choices, strict=True))):
        result = where(recorder, condition, choice, result)
    return result


def piecewise(recorder: Recorder, x: Any, conditions: Any, functions: Any, *args: Any, **kws: Any) -> Any:
    """Trace numpy.piecewise: the last condition that holds decides."""
    values = [function(x, *args, **kws) if callable(function) else function for function in functions]
    conditions = list(conditions) if isinstance(conditions, (list, tuple)) else [conditions]
    result = values.pop() if len(values) == len(conditions) + 1 else 0.0
    for condition, value in zip(conditions, values, strict=True):
        result = where(recorder, condition, value, result)
    return result


def polyval(recorder: Recorder, p: Any, x: Any) -> Any:
    """Trace numpy.polyval, by Horner's rule."""
    result: Any = Symbol(recorder, recorder.pool.const(0.0))
    for k, coefficient in enumerate(p):
        result = result * x + coefficient if k else result + coefficient
    return result


def full(value: float | None = None) -> Callable[..., Symbol]:
    """Trace zeros_like and its like."""
    def call(recorder: Recorder, a: Any, fill: Any = None, *args: Any, **kws: Any) -> Symbol:
        return Symbol(recorder, recorder.node(kws.get("fill_value", fill) if value is None else value))
    return call


def differ(recorder: Recorder, a: Any, b: Any, *args: Any, **kws: Any) -> bool:
    """Trace numpy.array_equal and its like: what a function has kept of an earlier call is not what this one is called with."""
    if not any(isinstance(each, np.ndarray) or each is NAN for each in _ended((a, b))):
        raise TraceError(AS_VALUE)
    return False


def same(recorder: Recorder, a: Any, *args: Any, **kws: Any) -> Any:
    """Trace a copy, or another shape of the same points."""
    return a


def ufunc(name: str) -> Callable[..., Any]:
    """Return the trace of a function that is no ufunc, by its name in the table."""
    return lambda recorder, *args: apply(recorder, name, args)


def rounded(recorder: Recorder, a: Any, decimals: int = 0, **kws: Any) -> Any:
    """Trace numpy.round, to whole numbers."""
    if decimals:
        raise TraceError("numpy.round to decimals is used")
    return apply(recorder, "rint", (a,))


ARRAY_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "where": where, "clip": clip, "select": select, "piecewise": piecewise, "polyval": polyval, "sinc": ufunc("sinc"), "fix": ufunc("fix"),
    "zeros_like": full(0.0), "ones_like": full(1.0), "full_like": full(), "copy": same, "atleast_1d": same, "asarray": same, "ravel": same,
    "squeeze": same, "ascontiguousarray": same, "real": lambda recorder, a: a.real, "imag": lambda recorder, a: a.imag, "round": rounded,
    "around": rounded, "i0": ufunc("i0"), "array_equal": differ, "array_equiv": differ, "allclose": differ,
}
