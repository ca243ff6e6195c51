"""A residual function of parameters, traced: lmfit's ``residual(params, x, data)`` without a change.

The parameters are symbols, arrays among the arguments (and arrays from outside) are independent variables, everything else stays as it is.
"""
from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from gslfit.formula.graph import Graph, below
from gslfit.formula.trace import check, record
from gslfit.formula.tracer import Recorder, TraceError


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


class TracedResidual(NamedTuple):
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
    """

    graph: Graph | None
    reason: str
    arrays: dict[str, np.ndarray]
    names: tuple[str, ...]

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
    recorder = Recorder(capture=True)
    given, named = tuple(args or ()), dict(kws or {})

    def symbolic(argument: Any) -> Any:
        return recorder.array(argument) if isinstance(argument, np.ndarray) and argument.size > 1 else argument

    def call(params: Any, change: Callable[[Any], Any] = lambda argument: argument) -> Any:
        return func(params, *[change(argument) for argument in given], **{name: change(argument) for name, argument in named.items()})

    try:
        params = Values({name: recorder.symbol("par", name) for name in values})
        value = record(recorder, lambda: call(params, symbolic))
        nodes = below([value])
        used = {node.value for node in nodes if node.op == "x"}
        arrays = {name: array for name, array in recorder.arrays.items() if name in used}
        sizes = {array.shape for array in arrays.values()}
        if len(sizes) != 1:
            raise TraceError("it reads arrays of different shapes: " + ", ".join(map(str, sorted(sizes))) if sizes else
                             "it reads no data: no array of more than one number reaches its value")
        flat = {name: np.ascontiguousarray(array, dtype=float).reshape(-1) for name, array in arrays.items()}
        graph = Graph(recorder.pool, value, (), (), tuple(arrays))
        check(graph, lambda point: call(Values({name: Number(point[name]) for name in values})), _near(values, flat))
    except TraceError as error:
        return TracedResidual(None, f"{getattr(func, '__name__', 'the residual')} can't be traced: {error}", {}, ())
    own = {node.value for node in nodes if node.op == "par"}
    return TracedResidual(graph, "", flat, tuple(name for name in values if name in own))


def _near(values: Mapping[str, float], arrays: Mapping[str, np.ndarray]) -> Iterator[dict[str, Any]]:
    """Yield the parameters' values, and two points near them, with the data."""
    rng = np.random.default_rng(21)
    for spread in (0.0, 0.1, 0.3):
        yield {**arrays, **{name: float(value * (1 + spread * rng.uniform(-1, 1))) for name, value in values.items()}}
