"""What a model is made of: a text, a `Formula` or a Python function, its independent variables, parameters, defaults and options."""
from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gslfit.checks import identifiers
from gslfit.errors import InputError, InputTypeError
from gslfit.formula.formula import Formula
from gslfit.formula.memory import Memory, key_of
from gslfit.models.formulas import prefix_formula
from gslfit.models.texts import is_text

if TYPE_CHECKING:
    from gslfit.formula.function_key import Key

FORBIDDEN = ("data", "weights", "params")


class Called:
    """A function with its options fixed, whose other arguments are independent variables and parameters.

    Parameters
    ----------
    func : callable
    independent, names : tuple of str
    defaults : mapping of str to float
    options : mapping of str to object
        What further arguments are set to.
    """

    def __init__(self, func: Callable[..., Any], independent: Sequence[str], names: Sequence[str], defaults: Mapping[str, Any],
                 options: Mapping[str, Any]):
        self.func, self.options = func, dict(options)
        self.__name__ = getattr(func, "__name__", type(func).__name__)
        kind = inspect.Parameter.KEYWORD_ONLY
        arguments = [inspect.Parameter(name, kind) for name in independent if name not in options]
        arguments += [inspect.Parameter(name, kind, default=defaults.get(name, inspect.Parameter.empty)) for name in names]
        self.__signature__ = inspect.Signature(arguments)

    def __call__(self, /, **values: Any) -> Any:
        return self.func(**values, **self.options)


class Definition:
    """What a model evaluates.

    Attributes
    ----------
    source : str, Formula or callable
    own : Formula or None
        The formula that it is made of; None for a function, which has one for each value of its options.
    independent : list of str
    names : tuple of str
        The parameters, without prefix.
    defaults : dict
        Values of parameters that have one.
    options : dict
        Other arguments of the function, and their values.
    """

    def __init__(self, source: str | Formula | Callable[..., Any], independent: Sequence[str] | str | None = None,
                 names: Sequence[str] | None = None, options: Mapping[str, Any] | None = None):
        self.source = source
        self.own: Formula | None = None
        self._formulas: Memory[Any, tuple[Formula, Key | None]] = Memory()
        self._prefixed: Memory[tuple[Formula, str], Formula] = Memory()
        self.text = ""
        given = None if independent is None else identifiers("independent_vars", independent)
        names = None if names is None else identifiers("param_names", names)
        if isinstance(source, (str, Formula)):
            formula = source if isinstance(source, Formula) else Formula(source, given)
            self.own = formula
            self.text = formula.text if is_text(formula) else ""
            self.independent, self.names = list(formula.independent), tuple(names or formula.names)
            if set(self.names) != set(formula.names):
                odd = sorted(set(self.names) ^ set(formula.names))[0]
                raise InputError(f"{odd!r} is not both in param_names and in {formula!r}, which has {', '.join(formula.names)}")
            self.defaults: dict[str, Any] = dict(formula.defaults)
            self.options: dict[str, Any] = {}
            self.starred = False
        elif callable(source):
            self._read(source, given, names, dict(options or {}))
        else:
            raise InputTypeError(f"a model is made of a text, a Formula or a function, not of {type(source).__name__}")

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name not in ("_formulas", "_prefixed")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.own = state.get("own") or state.get("_formulas", {}).get(())      # as gslfit 0.1 kept it
        self._formulas, self._prefixed = Memory(), Memory()

    def _read(self, func: Callable[..., Any], independent: list[str] | None, names: Sequence[str] | None, options: dict[str, Any]) -> None:
        """Sort a function's arguments: numbers and arguments without default are parameters, the first one the independent variable."""
        from gslfit.formula.trace import bound_keywords
        label = getattr(func, "__name__", repr(func))
        plain, self.defaults, others, self.starred = [], {}, {}, False
        given = bound_keywords(func)
        for argument in _arguments(func, label):
            if argument.kind is argument.VAR_KEYWORD:
                self.starred = True
            elif argument.kind is argument.VAR_POSITIONAL:
                raise InputError(f"varargs '*{argument.name}' is not supported: the function {label} of a model names its arguments; put a "
                                 "lambda around it")
            elif argument.kind is argument.POSITIONAL_ONLY:
                raise InputError(f"{label} takes {argument.name} by position only, and a model calls by name; put a lambda around it")
            elif argument.name in given:
                others[argument.name] = argument.default
            elif argument.default is argument.empty:
                plain.append(argument.name)
            elif isinstance(argument.default, (int, float, complex, np.number)) and not isinstance(argument.default, bool):
                plain.append(argument.name)
                self.defaults[argument.name] = argument.default
            else:
                others[argument.name] = argument.default
        if independent is None:
            if not plain and not self.starred:
                raise InputError(f"{label} has no argument that could be the independent variable")
            independent = plain[:1]
        chosen = tuple(names) if names is not None else tuple(name for name in plain if name not in independent)
        known = [*plain, *others]
        roles = [*((name, "independent variable") for name in independent), *((name, "parameter") for name in chosen)]
        for name, what in roles:
            if (name not in known and not self.starred) or name in FORBIDDEN:
                why = "that name is the fit's own" if name in FORBIDDEN else f"it has {', '.join(known) or 'none'}"
                raise InputError(f"Invalid {what} name ({name!r}) for function {label}: {why}")
        self.independent = list(independent)
        self.names = chosen
        self.options = {name: options.get(name, value) for name, value in others.items() if name not in chosen}
        self.defaults = {name: value for name, value in self.defaults.items() if name in chosen}
        self.options |= {name: value for name, value in options.items() if name in independent}

    def arrays(self, options: Mapping[str, Any]) -> list[str]:
        """Return the independent variables that are no options."""
        return [name for name in self.independent if name not in options]

    def formula(self, options: Mapping[str, Any]) -> Formula:
        """Return the formula with the options at these values; a function is traced once for each, and again when what it reads changed."""
        if self.own is not None:
            return self.own
        from gslfit.formula.function_key import function_key
        key = key_of(dict(options))
        found, trace = self._formulas.get(key, (None, None))
        if found is not None and (not found.native or self._is_as_it_was(found, trace)):
            return found
        independent = self.arrays(options)
        call = Called(self.source, independent, self.names, self.defaults, options)  # type: ignore[arg-type]
        found = Formula(call, independent)
        self._formulas[key] = found, function_key(self.source)  # type: ignore[arg-type]
        return found

    def prefixed(self, base: Formula, prefix: str) -> Formula:
        """Return one of its formulas with a prefix before the names of parameters."""
        found = self._prefixed.get((base, prefix))
        if found is None:
            found = self._prefixed[base, prefix] = prefix_formula(base, prefix)
        return found

    def _is_as_it_was(self, formula: Formula, key: Key | None) -> bool:
        """Return whether the function does what it did when it was traced to a formula, its key being what it is made of."""
        from gslfit.formula.function_key import function_key
        from gslfit.formula.trace import known_trace
        if key is not None:
            return function_key(self.source) == key  # type: ignore[arg-type]
        return known_trace(formula.func, formula.independent).traced.graph is formula.graph  # type: ignore[arg-type]

    def value(self, values: Mapping[str, Any], options: Mapping[str, Any]) -> Any:
        """Evaluate, a function by calling it."""
        if self.own is not None:
            return self.own(**values)
        return self.source(**{**options, **values})  # type: ignore[operator]


def _arguments(func: Callable[..., Any], label: str) -> list[inspect.Parameter]:
    """Return a function's arguments; those that an object names itself (`argnames`, `kwargs`) first."""
    if hasattr(func, "argnames") and hasattr(func, "kwargs"):
        kind = inspect.Parameter.KEYWORD_ONLY
        return [*(inspect.Parameter(name, kind) for name in func.argnames),
                *(inspect.Parameter(name, kind, default=value) for name, value in func.kwargs)]
    try:
        return list(inspect.signature(func).parameters.values())
    except (TypeError, ValueError):
        raise InputError(f"the arguments of {label} are not known: put a lambda around it") from None
