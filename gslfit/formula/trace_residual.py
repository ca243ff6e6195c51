"""A residual function of parameters, traced: lmfit's ``residual(params, x, data)`` without a change.

The parameters are symbols, arrays among the arguments (and arrays from outside) are independent variables, everything else stays as it is.
"""
from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np

from gslfit.errors import ExpressionError
from gslfit.formula.formula import Formula
from gslfit.formula.function_key import function_key
from gslfit.formula.graph import Graph, below
from gslfit.formula.memory import Memory
from gslfit.formula.trace import check, record
from gslfit.formula.tracer import Recorder, TraceError
from gslfit.records import Record


class Number(float):
    """A number that has a `value`, as a Parameter does."""

    @property
    def value(self) -> float:
        """The number."""
        return float(self)


class Values(Mapping):
    """What stands for Parameters while a residual is traced or checked: names and numbers or symbols.

    Parameters
    ----------
    values : dict
    """

    def __init__(self, values: Mapping[str, Any]):
        self._values = dict(values)

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def valuesdict(self) -> dict[str, Any]:
        """Return a dict of the values."""
        return dict(self._values)

    def __setitem__(self, name: str, value: Any) -> None:
        raise TraceError(f"it writes into its parameters (params[{name!r}])")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise TraceError(f"`.{name}` of its parameters is used")


class TracedResidual(Record):
    """The outcome of tracing a residual.

    Attributes
    ----------
    graph : Graph or None
        Its value is the residual; its independent variables are the keys of `arrays`.
    reason : str
        Why there is no graph; empty if there is one.
    arrays : dict of str to ndarray, shape (n,)
        The data that the residual reads, flattened, in the order of the graph's independent variables.
    names : tuple of str
        The parameters that the residual depends on.
    sources : dict of str to ndarray
        The arrays as they came.
    """

    graph: Graph | None
    reason: str
    arrays: dict[str, np.ndarray]
    names: tuple[str, ...]
    sources: dict[str, np.ndarray]

    @property
    def native(self) -> bool:
        """Whether there is a graph."""
        return self.graph is not None


def trace_residual(func: Callable[..., Any], values: Mapping[str, float], args: Sequence[Any] | None = None,
                   kws: Mapping[str, Any] | None = None) -> TracedResidual:
    """Trace ``func(params, *args, **kws)``, and check the trace near the parameters' values.

    Parameters
    ----------
    func : callable
        A residual function, as `minimize` takes it.
    values : mapping of str to float
        Every parameter (`expr` ones too) and its value.
    args, kws : sequence, mapping
        What else it is called with. Arrays become independent variables.

    Returns
    -------
    TracedResidual
    """
    return _traced(_Call(func, args, kws), values)


def residual_formula(func: Callable[..., Any], values: Mapping[str, float], args: Sequence[Any] | None = None,
                     kws: Mapping[str, Any] | None = None) -> tuple[Formula, list[np.ndarray]]:
    """Return the formula of a residual, and its arrays; one that was traced before is compared with its trace once, at the values.

    Raises
    ------
    ExpressionError
        If it can't be traced; the message says why.
    """
    call = _Call(func, args, kws)
    key = None if (made_of := call.key()) is None else (made_of, tuple(values))
    known = _KNOWN.get(key)
    if known is not None:
        flat = {name: _flat(call.arrays()[place] if isinstance(place, int) else place) for name, place in known.places.items()}
        try:
            check(known.formula.graph, call.at(values), islice(_near(values, flat), 1))
        except TraceError:
            pass
        else:
            return known.formula, list(flat.values())
    traced = _traced(call, values)
    if traced.graph is None:
        raise ExpressionError(traced.reason)
    formula = Formula.from_graph(traced.graph, traced.names, getattr(func, "__name__", "residual"))
    if key is not None:
        _KNOWN[key] = KnownResidual(formula, call.places(traced))
    return formula, list(traced.arrays.values())


class KnownResidual(Record):
    """A residual that was traced before.

    Attributes
    ----------
    formula : Formula
    places : dict of str to int or ndarray
        For each independent variable where its array stands among those of the call, or the array, which came from outside.
    """

    formula: Formula
    places: dict[str, int | np.ndarray]


_KNOWN: Memory[Any, KnownResidual] = Memory()


class _Call:
    """A residual function, and what it is called with beside its parameters."""

    def __init__(self, func: Callable[..., Any], args: Sequence[Any] | None, kws: Mapping[str, Any] | None):
        self.func, self.args, self.kws = func, tuple(args or ()), dict(kws or {})

    def __call__(self, params: Any, change: Callable[[Any], Any] = lambda argument: argument) -> Any:
        """Call it, each argument changed."""
        return self.func(params, *[change(argument) for argument in self.args],
                         **{name: change(argument) for name, argument in self.kws.items()})

    def at(self, values: Mapping[str, float]) -> Callable[[dict[str, Any]], Any]:
        """Return the residual as a function of a point of a check."""
        return lambda point: self(Values({name: Number(point[name]) for name in values}))

    def arrays(self) -> list[np.ndarray]:
        """Return the arrays that it is called with, which become independent variables."""
        return [each for each in (*self.args, *self.kws.values()) if _is_variable(each)]

    def key(self) -> Any:
        """Return what makes a trace of it: the function, what else it is called with, and shape and equality of its arrays."""
        own = function_key(self.func, [None if _is_variable(each) else each for each in self.args],
                           {name: None if _is_variable(each) else each for name, each in self.kws.items()})
        if own is None:
            return None
        arrays = self.arrays()
        return own, tuple((each.shape, each.dtype.str, next(k for k, other in enumerate(arrays) if _same(each, other))) for each in arrays)

    def places(self, traced: TracedResidual) -> dict[str, int | np.ndarray]:
        """Return where the arrays of a trace come from."""
        arrays = self.arrays()
        return {name: next((k for k, each in enumerate(arrays) if _same(each, found)), found) for name, found in traced.sources.items()}


def _is_variable(argument: Any) -> bool:
    """Return whether an argument becomes an independent variable."""
    return isinstance(argument, np.ndarray) and argument.size > 1


def _same(a: np.ndarray, b: np.ndarray) -> bool:
    """Return whether two arrays are one independent variable, as `Recorder.array` decides it."""
    return a is b or (a.shape == b.shape and a.dtype == b.dtype and np.array_equal(a, b, equal_nan=True))


def _flat(array: np.ndarray) -> np.ndarray:
    """Return the numbers of an array as floats, one after the other."""
    return np.ascontiguousarray(array, dtype=float).reshape(-1)


def _traced(call: _Call, values: Mapping[str, float]) -> TracedResidual:
    """Trace a residual, and check the trace."""
    recorder = Recorder(capture=True)
    try:
        params = Values({name: recorder.symbol("par", name) for name in values})
        value = record(recorder, lambda: call(params, lambda each: recorder.array(each) if _is_variable(each) else each))
        nodes = below([value])
        used = {node.value for node in nodes if node.op == "x"}
        arrays = {name: array for name, array in recorder.arrays.items() if name in used}
        sizes = {array.shape for array in arrays.values()}
        if len(sizes) != 1:
            raise TraceError("it reads arrays of different shapes: " + ", ".join(map(str, sorted(sizes))) if sizes else
                             "it reads no data: no array of more than one number reaches its value")
        flat = {name: _flat(array) for name, array in arrays.items()}
        graph = Graph(recorder.pool, value, (), (), tuple(arrays))
        check(graph, call.at(values), _near(values, flat))
    except TraceError as error:
        return TracedResidual(None, f"{getattr(call.func, '__name__', 'the residual')} can't be traced: {error}", {}, (), {})
    own = {node.value for node in nodes if node.op == "par"}
    return TracedResidual(graph, "", flat, tuple(name for name in values if name in own), arrays)


def _near(values: Mapping[str, float], arrays: Mapping[str, np.ndarray]) -> Iterator[dict[str, Any]]:
    """Yield the parameters' values, and two points near them, with the data."""
    rng = np.random.default_rng(21)
    for spread in (0.0, 0.1, 0.3):
        yield {**arrays, **{name: float(value * (1 + spread * rng.uniform(-1, 1))) for name, value in values.items()}}
