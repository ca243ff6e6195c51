"""A Python function of NumPy operations -> its graph, by calling it once with symbols.

A trace is only believed after it was checked against the function itself at random points: a function that looks at the data's largest
value, at a global that changes or at a random number traces without a complaint, and is found out here.
"""
from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from gslfit.errors import ExpressionError, FitError, InputError
from gslfit.formula.function_key import function_key, identity_key
from gslfit.formula.graph import Graph, Node
from gslfit.formula.memory import Made, Memory
from gslfit.formula.operations import evaluate
from gslfit.formula.tracer import Pair, Recorder, Symbol, TraceError
from gslfit.records import Record

AGREE = 1e-9       # relative to the largest value of a check
POINTS = 7


class Signature(Record):
    """How a model function is called: its independent variables, parameters, defaults, and options that stay as they are."""

    independent: tuple[str, ...]
    names: tuple[str, ...]
    defaults: dict[str, float]
    options: dict[str, Any]
    starred: bool

    def call(self, func: Callable[..., Any], values: Mapping[str, Any]) -> Any:
        """Call the function with values by name."""
        if self.starred:
            return func(*[values[name] for name in (*self.independent, *self.names)], **self.options)
        return func(**{name: values[name] for name in (*self.independent, *self.names)}, **self.options)


class Traced(Record):
    """The outcome of a trace: a graph, or the reason why there is none."""

    graph: Graph | None
    reason: str
    signature: Signature


class KnownTrace(Record):
    """A trace that was made before, and what it is believed by.

    Attributes
    ----------
    traced : Traced
    seen : tuple of dict and ndarray, or None
        Arguments, and what the function returned for them; None where there was nothing to compare.
    made : Made
        What is made of the graph: as long as the trace is known, it need not be made again.
    """

    traced: Traced
    seen: tuple[dict[str, Any], np.ndarray] | None
    made: Made

    def holds(self, func: Callable[..., Any], wholly: bool) -> bool:
        """Compare with the function once more: with what it returned before, or `wholly`, as a new trace is compared."""
        graph, _, form = self.traced
        if graph is None or self.seen is None:
            return not wholly
        try:
            if wholly:
                check(graph, lambda values: form.call(func, values), samples(form))
                return True
            values, before = self.seen
            with np.errstate(all="ignore"):
                now = np.asarray(form.call(func, {name: np.array(value) if np.ndim(value) else value for name, value in values.items()}))
        except FitError:
            return False
        except Exception:
            return False
        return now.dtype == before.dtype and now.shape == before.shape and (now.tobytes() == before.tobytes() or agree(now, before))


_KNOWN: Memory[Any, KnownTrace] = Memory()


def is_number(value: Any) -> bool:
    """Return whether a default makes an argument a parameter: a number, and no truth value."""
    return isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)


def bound_keywords(func: Callable[..., Any]) -> frozenset[str]:
    """Return the arguments that functools.partial has bound by keyword: they are given, and no parameters."""
    found: set[str] = set()
    while isinstance(func, functools.partial):
        found |= func.keywords.keys()
        func = func.func
    return frozenset(found)


def _by_position(func: Callable[..., Any]) -> bool:
    """Return whether a function has a signature and takes no keywords: a ufunc, or a wrapper of ``*args`` that shows another's."""
    if hasattr(func, "nin"):
        return True
    flags = func.__code__.co_flags if hasattr(func, "__wrapped__") and hasattr(func, "__code__") else 0
    return bool(flags & inspect.CO_VARARGS) and not flags & inspect.CO_VARKEYWORDS


def signature(func: Callable[..., Any], independent: tuple[str, ...] | None = None, names: tuple[str, ...] | None = None) -> Signature:
    """Return which arguments of a function are independent variables and which parameters.

    Parameters
    ----------
    func : callable
    independent : tuple of str, optional
        Names of the independent variables; the first argument if not given.
    names : tuple of str, optional
        The parameters of a function that takes ``*args``, or ``**kws``.

    Returns
    -------
    Signature
        Arguments with a default that is no number, and keywords bound by functools.partial, are options: they keep their values.

    Raises
    ------
    InputError
        If there is no such argument, or a function with ``*args`` comes without names.
    """
    label = getattr(func, "__name__", repr(func))
    try:
        arguments = list(inspect.signature(func).parameters.values())
    except (TypeError, ValueError):
        raise InputError(f"the arguments of {label} are not known: wrap it into a function of your own") from None
    arguments = arguments[:getattr(func, "nin", None)]        # a ufunc's further arguments say how it is to be called
    plain = [argument for argument in arguments if argument.kind in (argument.POSITIONAL_OR_KEYWORD, argument.KEYWORD_ONLY,
                                                                     argument.POSITIONAL_ONLY)]
    several = next((argument for argument in arguments if argument.kind is argument.VAR_POSITIONAL), None)
    keywords = next((argument for argument in arguments if argument.kind is argument.VAR_KEYWORD), None)
    if names is None and (several or (keywords and len(plain) == 1)):
        sign = str(several or keywords)
        raise InputError(f"{label} takes {sign}: name its parameters (names=), as Formula({label}, names=['a', 'b'])")
    starred = several is not None and names is not None
    if not plain:
        raise InputError(f"{label} has no argument that could be the independent variable")
    chosen = independent or (plain[0].name,)
    absent = [name for name in chosen if name not in [argument.name for argument in plain]]
    if absent:
        raise InputError(f"{label} has no argument {absent[0]!r}; it has {', '.join(argument.name for argument in plain)}")
    defaults, options, found = {}, {}, []
    given = bound_keywords(func)
    for argument in plain:
        if argument.name in chosen:
            continue
        if argument.name in given:
            options[argument.name] = argument.default
        elif argument.default is argument.empty or is_number(argument.default):
            found.append(argument.name)
            if argument.default is not argument.empty:
                defaults[argument.name] = float(argument.default)
        else:
            options[argument.name] = argument.default
    if starred or keywords:
        found += [name for name in names or () if name not in found]
    positional = starred or any(argument.kind is argument.POSITIONAL_ONLY for argument in plain) or (not options and _by_position(func))
    if positional and [argument.name for argument in plain[:len(chosen)]] != list(chosen):
        raise InputError(f"the independent variables of {label} must be its first arguments")
    return Signature(tuple(chosen), tuple(found), defaults, options, positional)


def record(recorder: Recorder, call: Callable[[], Any]) -> Node:
    """Call a function with symbols, and end the trace; what goes wrong becomes a TraceError."""
    try:
        return _recorded(recorder, call)
    finally:
        recorder.over = True


def _recorded(recorder: Recorder, call: Callable[[], Any]) -> Node:
    """Return the node of what a function of symbols returns."""
    try:
        with np.errstate(all="ignore"):
            result = call()
    except TraceError:
        raise
    except ExpressionError as error:
        raise TraceError(str(error)) from None
    except Exception as error:
        raise TraceError(f"calling it with symbols raised {type(error).__name__}: {error}") from None
    if isinstance(result, Pair):
        raise TraceError("its value is complex")
    if isinstance(result, (list, tuple)):
        raise TraceError(f"it returns a {type(result).__name__}, not one array")
    if isinstance(result, Symbol) or (np.ndim(result) == 0 and isinstance(result, (int, float, np.number))):
        return recorder.node(result)
    raise TraceError(f"it returns {type(result).__name__}, which does not depend on its arguments" if isinstance(result, np.ndarray) else
                     f"it returns {type(result).__name__} {result!r:.40}")


def known_trace(func: Callable[..., Any], independent: tuple[str, ...] | None = None, names: tuple[str, ...] | None = None) -> KnownTrace:
    """Return the trace of a model function, which is made once.

    What the function is made of is its key, so that another function of the same code is the same, and one that reads another value is
    not. A function without such a key is known by its identity, and compared anew with its trace as often as with a new one.

    Parameters
    ----------
    func, independent, names
        As `trace` takes them.

    Returns
    -------
    KnownTrace
    """
    key = function_key(func, independent, names)
    wholly = key is None
    chosen = identity_key(func, independent, names) if key is None else key
    found = _KNOWN.get(chosen)
    if found is not None and found.holds(func, wholly):
        return found
    seen: list[tuple[dict[str, Any], np.ndarray]] = []
    made = KnownTrace(trace(func, independent, names, seen), seen[0] if seen else None, (Memory(), Memory(), Memory()))
    if chosen is not None and not (wholly and made.traced.graph is None):
        _KNOWN[chosen] = made
    return made


def trace(func: Callable[..., Any], independent: tuple[str, ...] | None = None, names: tuple[str, ...] | None = None,
          seen: list[tuple[dict[str, Any], np.ndarray]] | None = None) -> Traced:
    """Trace a model function, and check the trace.

    Parameters
    ----------
    func : callable
        ``func(x, a, b, ...)``.
    independent, names : tuple of str, optional
        As in `signature`.
    seen : list, optional
        Arguments at which it was compared, and what it returned, are appended.

    Returns
    -------
    Traced
    """
    form = signature(func, independent, names)
    recorder = Recorder()
    symbols = {name: recorder.symbol("x", name) for name in form.independent} | {name: recorder.symbol("par", name) for name in form.names}
    try:
        value = record(recorder, lambda: form.call(func, symbols))
        graph = Graph(recorder.pool, value, (), (), form.independent)
        check(graph, lambda values: form.call(func, values), samples(form), seen)
    except TraceError as error:
        return Traced(None, f"{getattr(func, '__name__', 'the function')} can't be traced: {error}", form)
    return Traced(graph, "", form)


def samples(form: Signature) -> Iterator[dict[str, Any]]:
    """Yield values of arguments at which to compare: near the defaults, positive, of any sign, and whole."""
    rng = np.random.default_rng(20)
    draws: list[Callable[[int | None], Any]] = [
        lambda size: rng.uniform(.2, 2, size), lambda size: rng.normal(0, 2, size), lambda size: rng.uniform(1, 30, size),
        lambda size: rng.integers(-2, 3, size) + 0.0]
    for draw in draws:
        values = {name: np.sort(draw(POINTS)) for name in form.independent}
        yield values | {name: float(draw(None)) for name in form.names}
        if form.defaults:
            yield values | {name: form.defaults.get(name, float(draw(None))) for name in form.names}


def check(graph: Graph, call: Callable[[dict[str, Any]], Any], points: Iterator[dict[str, Any]],
          seen: list[tuple[dict[str, Any], np.ndarray]] | None = None) -> None:
    """Compare a trace with its function; arguments and what it returned are appended to `seen`.

    Raises
    ------
    TraceError
        If they disagree anywhere, or could be compared nowhere.
    """
    compared, failure = 0, ""
    for values in points:
        shape = np.broadcast_shapes(*[np.shape(value) for value in values.values()])
        traced = np.broadcast_to(np.asarray(evaluate((graph.value,), values)[0], float), shape)
        with np.errstate(all="ignore"):
            try:
                own = call({name: np.array(value) if np.ndim(value) else value for name, value in values.items()})
                own = np.asarray(own)
            except FitError:
                raise
            except Exception as error:
                failure = f"{type(error).__name__}: {error}"
                continue
        if seen is not None:
            seen.append((values, own.copy()))
        if own.dtype.kind not in "buif":
            raise TraceError(f"its value is an array of {own.dtype}")
        if own.size != traced.size and own.size != 1:
            raise TraceError(f"its value has the shape {own.shape} for arguments of shape {traced.shape}")
        own = np.broadcast_to(own.reshape(-1) if own.size != 1 else own.reshape(()), (traced.size,))
        if not agree(traced.reshape(-1), own.astype(float)):
            shown = ", ".join(f"{name}={value:.6g}" for name, value in values.items() if not np.ndim(value))
            raise TraceError(f"the trace disagrees with the function itself{' at ' + shown if shown else ''}: does it use random numbers, "
                             "global state, or the data as a whole?")
        compared += bool(np.any(np.isfinite(own)))
    if not compared:
        why = f" ({failure})" if failure else ""
        raise TraceError(f"it gave no finite value at any random point, so the trace can't be checked{why}")


def agree(a: np.ndarray, b: np.ndarray) -> bool:
    """Return whether two arrays are the same to rounding, where they are finite; the one NaN where the other is."""
    both = np.isfinite(a) & np.isfinite(b)
    if np.any(np.isnan(a) != np.isnan(b)) or np.any(np.isinf(a) & np.isinf(b) & (a != b)):
        return False
    scale = np.max(np.abs(b[both]), initial=0.0)
    large = np.isinf(a) ^ np.isinf(b)  # an overflow on one side only may be rounding
    return bool(np.all(np.abs(a[both] - b[both]) <= AGREE * (np.abs(b[both]) + 1e-3 * scale)) and not np.any(large))
