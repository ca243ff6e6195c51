"""What a Python function is made of, as a key: functions of equal keys trace to the same graph.

The key holds the code, defaults and closure, and what the code reads besides: globals, attributes of modules and of objects, and the same
of each function that is called. Numbers, texts and arrays are in it by value, what belongs to Python, NumPy and SciPy by identity. What
can't be told by value (an object of a compiled class, a long array, code that is evaluated) gives no key.
"""
from __future__ import annotations

import dis
import functools
import inspect
import sys
from collections.abc import Callable
from functools import lru_cache
from types import BuiltinFunctionType, CellType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any
from weakref import ref

import numpy as np

from gslfit.records import Record

MOST = 400              # objects that a function may be made of
LONGEST = 65_536        # bytes of an array
LIBRARIES = frozenset((*sys.stdlib_module_names, "numpy", "scipy", "gslfit"))
VALUES = frozenset((str, bytes, bool, type(None), type(Ellipsis)))
NUMBERS = frozenset((float, int, complex))
# what reads by names that the code doesn't show
HIDDEN = frozenset(("eval", "exec", "globals", "locals", "vars", "getattr", "open", "input", "__import__"))
# kinds of objects that never change
CONSTANT = (np.ufunc, np.dtype, type(np.where), type(str.join), type(float.real), range)

Key = tuple[Any, ...]


class Opaque(Exception):
    """Something of which no key can be made."""


class Reads(Record):
    """What a code object does, wherever it stands, and the names that it and the code within it reads: globals, attributes, and modules
    imported as it runs.
    """

    body: tuple[Any, ...]
    names: tuple[str, ...]
    attributes: tuple[str, ...]
    imports: tuple[str, ...]


class Same:
    """The key of an object by its identity; the object lives as long as its key."""

    __slots__ = ("what",)

    def __init__(self, what: Any):
        self.what = what

    def __hash__(self) -> int:
        return id(self.what)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and self.what is other.what


class Alive:
    """The key of an object by its identity, equal to others while the object lives."""

    __slots__ = ("number", "refer")

    def __init__(self, what: Any):
        self.number, self.refer = id(what), ref(what)

    def __hash__(self) -> int:
        return self.number

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Alive) and (own := self.refer()) is not None and own is other.refer()


@lru_cache(maxsize=512)
def reads(code: CodeType) -> Reads:
    """Return what a code object reads.

    Examples
    --------
    >>> reads((lambda x: np.exp(-scale*x)).__code__)[1:]
    (('np', 'scale'), ('exp',), ())
    """
    found: tuple[dict[str, None], ...] = {}, {}, {}
    for step in dis.get_instructions(code):
        place = (0 if step.opname.endswith(("_GLOBAL", "_NAME")) and step.opname != "IMPORT_NAME" else
                 1 if step.opname in ("LOAD_ATTR", "LOAD_METHOD", "LOAD_SUPER_ATTR", "IMPORT_FROM") else
                 2 if step.opname == "IMPORT_NAME" else None)
        if place is not None:
            found[place][step.argval] = None
    constants: list[Any] = []
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            body, *others = reads(constant)
            constants.append(body)
            for own, within in zip(found, others, strict=True):
                own.update(dict.fromkeys(within))
        else:
            constants.append((type(constant), repr(constant)))
    body = (code.co_code, code.co_flags, code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_names, code.co_varnames,
            code.co_freevars, code.co_cellvars, getattr(code, "co_exceptiontable", b""), *constants)
    return Reads(body, *map(tuple, found))


def function_key(func: Callable[..., Any], *beside: Any) -> Key | None:
    """Return the key of a function, and of values beside it; None where it has none."""
    maker = _Maker()
    try:
        return (maker.key(func), *[maker.key(value) for value in beside])
    except (Opaque, RecursionError):
        return None


def identity_key(func: Callable[..., Any], *beside: Any) -> Key | None:
    """Return a key of a function by its identity, which doesn't keep it alive; a method's is that of its object and its function."""
    parts = (func.__func__, func.__self__) if isinstance(func, MethodType) else (func,)
    try:
        return (*map(Alive, parts), *beside)
    except TypeError:       # it can't be referred to weakly
        return None


class _Maker:
    """What makes one key: an object that is met again is a reference to where it was met first."""

    def __init__(self) -> None:
        self.met: dict[int, int] = {}

    def key(self, value: Any, attributes: tuple[str, ...] = ()) -> Any:
        """Return the key of a value; `attributes` are what code that reads it may read of it."""
        kind = type(value)
        if kind in VALUES:
            return kind, value
        if kind in NUMBERS:
            return (kind, value) if value and value == value else (kind, repr(value))
        if kind in CONSTANT:
            return Same(value)
        if kind is ModuleType:
            return self.module(value, attributes)
        known = self.met.get(id(value))
        if known is not None:
            return "met", known
        if len(self.met) >= MOST:
            raise Opaque
        self.met[id(value)] = len(self.met)
        maker = _MAKERS.get(kind)
        if maker is not None:
            return maker(self, value, attributes)
        if isinstance(value, np.generic):
            return kind, self.array(np.asarray(value))
        if isinstance(value, type):
            return self.class_(value)
        if isinstance(value, tuple) and not hasattr(value, "__dict__"):
            return self.class_(kind), *[self.key(item) for item in value]
        return self.object(value)

    def function(self, function: FunctionType, *_: Any) -> Any:
        """Return the key of a function: its code, and what that reads."""
        if _root(function) in LIBRARIES and not function.__closure__:
            return Same(function)
        body, names, attributes, imports = reads(function.__code__)
        if not HIDDEN.isdisjoint(names) or not LIBRARIES.issuperset(name.partition(".")[0] for name in imports):
            raise Opaque
        parts: list[Any] = [body, function.__name__]
        if function.__closure__:
            parts += [self.key(cell, attributes) for cell in function.__closure__]
        if function.__defaults__:
            parts.append(self.key(function.__defaults__))
        if function.__kwdefaults__:
            parts.append(self.key(function.__kwdefaults__))
        if function.__dict__:
            parts.append(self.key(function.__dict__))
        space, below = function.__globals__, function.__builtins__  # type: ignore[attr-defined]
        for name in names:
            if name in space:
                parts.append(self.key(space[name], attributes))
            elif name in below:
                parts.append(Same(below[name]))
            else:
                parts.append(None)
        return tuple(parts)

    def cell(self, cell: CellType, attributes: tuple[str, ...]) -> Any:
        """Return the key of what a variable of a closure holds."""
        try:
            return self.key(cell.cell_contents, attributes)
        except ValueError:          # it holds nothing yet
            return None

    def module(self, module: ModuleType, attributes: tuple[str, ...]) -> Any:
        """Return the key of a module: itself, and those of its attributes that are read."""
        if not attributes and module.__name__.partition(".")[0] not in LIBRARIES:
            raise Opaque
        space = vars(module)
        return Same(module), *[self.key(space[name], attributes) for name in attributes if name in space]

    def builtin(self, function: BuiltinFunctionType, *_: Any) -> Any:
        """Return the key of a compiled function; as a method it belongs to an object, which may change."""
        if function.__self__ is None or isinstance(function.__self__, (ModuleType, type)):
            return Same(function)
        raise Opaque

    def sequence(self, items: Any, attributes: tuple[str, ...]) -> Any:
        """Return the key of a tuple or list."""
        return type(items), *[self.key(item, attributes) for item in items]

    def dict_(self, items: dict[Any, Any], attributes: tuple[str, ...]) -> Any:
        """Return the key of a dict, in its order."""
        return dict, *[self.key(part, attributes) for item in items.items() for part in item]

    def array(self, array: np.ndarray, *_: Any) -> Any:
        """Return the key of an array."""
        if array.dtype.hasobject or array.nbytes > LONGEST:
            raise Opaque
        return array.dtype.str, array.shape, array.tobytes()

    def method(self, method: MethodType, *_: Any) -> Any:
        """Return the key of a bound method."""
        return self.key(method.__func__), self.key(method.__self__)

    def partial(self, partial: functools.partial[Any], *_: Any) -> Any:
        """Return the key of a function with some of its arguments."""
        return functools.partial, self.key(partial.func), self.key(partial.args), self.key(partial.keywords), self.key(partial.__dict__)

    def signature(self, signature: inspect.Signature, *_: Any) -> Any:
        """Return the key of a signature."""
        return inspect.Signature, *[(part.name, part.kind, self.key(part.default)) for part in signature.parameters.values()]

    def wrapped(self, function: Any, *_: Any) -> Any:
        """Return the key of what functools.lru_cache remembers, or an accessor of a class calls: a function."""
        return type(function), self.key(getattr(function, _WRAPPERS[type(function)]))

    def class_(self, kind: type) -> Any:
        """Return the key of a class: itself, and what the caller's own classes hold."""
        parts: list[Any] = [Same(kind)]
        for each in kind.__mro__:
            if _root(each) not in LIBRARIES and each.__module__ != "builtins":
                parts += [self.key(part) for name, value in vars(each).items() if name not in _UNREAD for part in (name, value)]
        return tuple(parts)

    def object(self, value: Any) -> Any:
        """Return the key of an object of a class written in Python: the class, and the attributes."""
        kind = type(value)
        slots: list[str] = []
        for each in kind.__mro__[:-1]:
            own = vars(each)
            if each.__base__ is object and own.keys().isdisjoint(("__dict__", "__slots__", "__weakref__")):
                raise Opaque        # what it holds is not seen
            slots += [name for name, member in own.items() if inspect.ismemberdescriptor(member)]
        held = {name: getattr(value, name) for name in slots if hasattr(value, name)} | getattr(value, "__dict__", {})
        return self.class_(kind), *[self.key(part) for item in held.items() for part in item]


def _root(value: Any) -> str:
    """Return the package that a function or class belongs to."""
    return (value.__module__ or "").partition(".")[0]


_UNREAD = frozenset(("__dict__", "__weakref__", "__doc__", "__module__", "__qualname__", "__annotations__", "__firstlineno__",
                     "__static_attributes__", "__slots__", "__match_args__", "__dataclass_fields__", "__dataclass_params__",
                     "__abstractmethods__", "_abc_impl", "__hash__"))
_WRAPPERS: dict[type, str] = {type(lru_cache(len)): "__wrapped__", staticmethod: "__func__", classmethod: "__func__", property: "fget",
                              functools.cached_property: "func"}
_MAKERS: dict[type, Callable[[_Maker, Any, tuple[str, ...]], Any]] = {
    FunctionType: _Maker.function, CellType: _Maker.cell, BuiltinFunctionType: _Maker.builtin, tuple: _Maker.sequence,
    list: _Maker.sequence, dict: _Maker.dict_, np.ndarray: _Maker.array, MethodType: _Maker.method, functools.partial: _Maker.partial,
    inspect.Signature: _Maker.signature, **dict.fromkeys(_WRAPPERS, _Maker.wrapped)}
