"""What a model is before it is fitted: a formula with named parameters and their hints, and its values."""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import copy, deepcopy
from typing import Any, TypeVar, cast

import numpy as np

import gslfit
from gslfit.checks import as_keywords, as_name, by_name, identifiers, shown, text, text_or, truth, width
from gslfit.constraints.grammar import UNREADABLE
from gslfit.errors import InputError, InputTypeError, warn
from gslfit.formula.formula import Formula
from gslfit.models.arguments import HINTS, inputs_of, number, plain, with_values
from gslfit.models.definition import Definition
from gslfit.models.texts import is_text, renamed
from gslfit.parameters.collection import Parameters
from gslfit.parameters.parameter import Parameter, check_name
from gslfit.records import Record

Own = TypeVar("Own", bound="ModelFunction")


class Conventions(Record):
    """What models of another package do otherwise with data.

    Attributes
    ----------
    weightless : bool
        Whether points of weight 0 count as data.
    shaped : bool
        Whether results have the shape and labels of the data; else they are of the points that take part alone.
    defaults : bool
        Whether a model without a guess starts from its defaults.
    by_parts : bool
        Whether complex weights multiply real and imaginary parts by theirs, or complex numbers.
    """

    weightless: bool = False
    shaped: bool = True
    defaults: bool = False
    by_parts: bool = True


class ModelFunction:
    """A function of independent variables with named parameters; `gslfit.models.Model`, which fits it too, says how it is made."""

    valid_forms: tuple[str, ...] = ()
    conventions = Conventions()

    def __init__(self, func: str | Formula | Callable[..., Any], independent_vars: Sequence[str] | str | None = None,
                 param_names: Sequence[str] | None = None, nan_policy: str = "raise", prefix: str = "", name: str | None = None,
                 **options: Any) -> None:
        options = by_name("the call", options)
        self._definition = Definition(func, independent_vars, param_names, options)
        self.func: Any = self._definition.own if isinstance(func, str) else func
        self._begin(nan_policy, prefix, text_or("name", name, _label(func)), options)

    def _begin(self, nan_policy: str, prefix: str | None, name: str, options: Mapping[str, Any]) -> None:
        """Set what all models have."""
        check_policy(nan_policy)
        self.nan_policy, self._name = nan_policy, name
        self._prefix = check_prefix(prefix)
        self.param_hints: dict[str, dict[str, Any]] = {}
        self.opts: dict[str, Any] = dict(self._definition.options)
        self.def_vals: dict[str, Any] = dict(self._definition.defaults)
        for key, value in options.items():
            if key in self._definition.names:
                self._hint_from(key, value)

    # -- names

    @property
    def independent_vars(self) -> list[str]:
        """The independent variables."""
        return list(self._definition.independent)

    @independent_vars.setter
    def independent_vars(self, names: Sequence[str]) -> None:
        self._definition = copy(self._definition)       # models of one class share theirs
        self._definition.independent = identifiers("independent_vars", names)

    @property
    def param_names(self) -> list[str]:
        """The parameters, with prefix."""
        return [self._prefix + name for name in self._definition.names]

    @property
    def prefix(self) -> str:
        """What is put before every parameter's name."""
        return self._prefix

    @prefix.setter
    def prefix(self, prefix: str) -> None:
        self._prefix = check_prefix(prefix)

    @property
    def name(self) -> str:
        """What reports call it."""
        return self._reprstring()

    @name.setter
    def name(self, name: str) -> None:
        self._name = name

    @property
    def components(self) -> list[gslfit.Model]:
        """The models that it is made of."""
        return [cast("gslfit.Model", self)]

    def _reprstring(self, long: bool = True) -> str:
        shown = [self._name] + ([f"prefix='{self._prefix}'"] if self._prefix else [])
        shown += [f"{key}='{value}'" for key, value in self.opts.items()] if long else []
        return f"Model({', '.join(shown)})"

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._reprstring()[6:-1]}: {self.describe()}>"

    def _repr_html_(self) -> str:
        from gslfit.report.html import model_html
        return model_html(self)

    def describe(self) -> str:
        """Return the formula as text, or why there is none."""
        found = self.formula
        if is_text(found):
            return "; ".join(found.text.splitlines())
        return f"a function of {', '.join([*found.independent, *found.names])}" + (f", called: {found.reason}" if found.reason else "")

    # -- formulas

    @property
    def formula(self) -> Formula:
        """The formula that fits run, its parameters named with their prefix."""
        return self._formula({})

    def _formula(self, options: Mapping[str, Any]) -> Formula:
        """Return the formula with the function's options at these values."""
        chosen = {**self.opts, **options}
        base = self._definition.formula(chosen)
        if not self._prefix:
            return base
        return self._definition.prefixed(base, self._prefix)

    @property
    def native(self) -> bool:
        """Whether fits run the compiled program."""
        return self.formula.native

    def latex(self) -> str:
        """Return the formula in LaTeX."""
        return self.formula.latex()

    # -- parameters

    def set_param_hint(self, name: str, **hints: Any) -> None:
        """Set what `make_params` gives a parameter.

        Parameters
        ----------
        name : str
            Of the model, with or without prefix, or of a new parameter.
        **hints
            ``value``, ``vary``, ``min``, ``max``, ``expr``.
        """
        root = self._root(as_name(text("name", name)))
        own = self.param_hints.setdefault(root, {})
        for key, value in hints.items():
            if key in HINTS:
                own[key] = value
            else:
                warn(f"{key!r} is no hint for parameter {root!r}; there are {', '.join(HINTS)}")

    def _hint_from(self, name: str, given: Any) -> None:
        """Set a hint from a Parameter, a dict or a number."""
        if isinstance(given, Parameter):
            given = {key: getattr(given, key) for key in HINTS if getattr(given, key) is not None}
        self.set_param_hint(name, **(given if isinstance(given, dict) else {"value": given}))

    def _root(self, name: str) -> str:
        """Return a name without the prefix."""
        return name[len(self._prefix):] if self._prefix and name.startswith(self._prefix) else name

    def print_param_hints(self, colwidth: int = 8) -> None:
        """Print the hints as a table."""
        names, colwidth = max([4, *map(len, self.param_hints)]), width("colwidth", colwidth)
        print(f"{'Name':{names}}  " + " ".join(f"{head:>{colwidth}}" for head in ("Value", "Min", "Max", "Vary")) + "    Expr")
        for name, hint in sorted(self.param_hints.items()):
            numbers = (hint.get("value", np.nan), hint.get("min", -np.inf), hint.get("max", np.inf))
            cells = [f"{np.nan if number is None else number:>{colwidth}g}" for number in numbers]
            print(f"{name:{names}}  {' '.join(cells)} {hint.get('vary', True)!s:>{colwidth}}    {hint.get('expr', '')}")

    def _expr(self, text: str) -> str:
        """Return a hint's expression with the prefix before the model's own names, where they don't have it yet."""
        if not self._prefix or not text:
            return text
        own = {*self._definition.names, *self.param_hints}
        try:
            return renamed(text, {name: self._prefix + name for name in own})
        except UNREADABLE:
            return text             # the parameter that is made from it says what is wrong

    def make_params(self, verbose: bool = False, **values: Any) -> Parameters:
        """Make the model's Parameters.

        Parameters
        ----------
        verbose : bool
            Print each name.
        **values
            Start values, or dicts of Parameter's inputs, by names with or without prefix.

        Returns
        -------
        Parameters
            With values from defaults, then hints, then `values`; derived parameters last.
        """
        params = Parameters()
        self._fill(params, as_keywords(values))
        if truth("verbose", verbose):
            for name in params:
                print(f" - Adding parameter {name!r}")
        return params

    def _fill(self, params: Parameters, values: Mapping[str, Any]) -> None:
        """Add this model's parameters."""
        for root in dict.fromkeys([*self._definition.names, *self.param_hints]):
            name = self._prefix + root
            given = values[name] if name in values else values.get(root)
            inputs = {"value": self.def_vals.get(root), **self.param_hints.get(root, {})}
            if inputs.get("expr"):
                inputs["expr"] = self._expr(inputs["expr"])
            inputs |= inputs_of(name, given)
            if given is not None and not isinstance(given, dict) and inputs.get("expr"):
                inputs["expr"] = None   # a value of its own frees it
            if inputs.get("expr"):
                inputs.pop("vary", None)
                inputs.pop("value", None)
            params.add(Parameter(name=name, **inputs))

    # -- values

    def eval(self, params: Any = None, **values: Any) -> np.ndarray:
        """Evaluate.

        Parameters
        ----------
        params : Parameters, optional
        **values
            Independent variables, and values of parameters over those of `params`, with or without prefix.

        Returns
        -------
        ndarray
            Of the shape that the independent variables broadcast to; a NumPy number where that is ().
        """
        given = as_keywords(values)
        return self._eval(with_values(params, given, self), given)

    def _eval(self, params: Any, values: Mapping[str, Any]) -> Any:
        """Evaluate with parameters by full name."""
        definition = self._definition
        options = {**self.opts, **{name: values[name] for name in self.opts if name in values}}
        given = {name: plain(values[name]) for name in definition.independent if name in values}
        for root in definition.names:
            full = self._prefix + root
            if full in params:
                given[root] = number(params[full])
            elif root in self.def_vals:
                given[root] = self.def_vals[root]
        if definition.starred:
            given |= {name: plain(value) for name, value in values.items() if name not in given and self._root(name) not in given}
        missing = [name for name in (*definition.arrays(options), *definition.names) if name not in given and not definition.starred]
        if missing:
            given |= self._missing(missing, given)
        out = definition.value(given, options)
        return np.asarray(out)[()] if not isinstance(out, np.ndarray) else out

    def _missing(self, missing: list[str], given: Mapping[str, Any]) -> dict[str, Any]:
        """Return values of parameters that follow others by a hint, such as a Voigt's gamma."""
        if all(name in self._definition.names for name in missing):
            params = self.make_params(**{name: value for name, value in given.items() if name in self._definition.names})
            found = {name: params[self._prefix + name].value for name in missing}
            if all(value is not None for value in found.values()):
                return found
        raise InputTypeError(f"no value for {', '.join(missing)} of {self._reprstring()}")

    def eval_components(self, params: Any = None, **values: Any) -> dict[str, np.ndarray]:
        """Evaluate each component: by prefix, or by name where there is none."""
        return {self._prefix or self._name: self.eval(params, **values)}

    def make_funcargs(self, params: Any = None, kwargs: Mapping[str, Any] | None = None, strip: bool = True) -> dict[str, Any]:
        """Return the arguments that the function is called with."""
        values = by_name("kwargs", kwargs)
        found = with_values(params, values, self)
        out = {**self.opts, **{name: values[name] for name in (*self.independent_vars, *self.opts) if name in values}}
        return out | {(root if strip else self._prefix + root): number(found[self._prefix + root])
                      for root in self._definition.names if self._prefix + root in found}

    def _make_all_args(self, params: Any = None, **values: Any) -> dict[str, Any]:
        """Return parameters' values and options by full name."""
        return {self._prefix + name: value for name, value in self.make_funcargs(params, values).items()}

    def copy(self: Own, prefix: str | None = None) -> Own:
        """Return a model of its own, with another prefix if one is given."""
        new = copy(self)
        new.param_hints, new.opts, new.def_vals = deepcopy(self.param_hints), dict(self.opts), dict(self.def_vals)
        if prefix is not None:
            new.prefix = prefix
        return new

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_plan"}


def _label(func: Any) -> str:
    """Return a model's name from what it is made of."""
    if isinstance(func, str):
        return "; ".join(line.strip() for line in func.strip().splitlines())
    return func.text if isinstance(func, Formula) and func.text else getattr(func, "__name__", type(func).__name__)


def check_prefix(prefix: Any) -> str:
    """Return a prefix that can begin a name.

    Raises
    ------
    InputError
        It can't.
    """
    if not text_or("prefix", prefix, ""):
        return ""
    try:
        return check_name(prefix + "a")[:-1]
    except ValueError:
        raise InputError(f"{prefix!r} can't be a prefix: a name of letters, digits and '_' can't begin with it") from None


def check_policy(policy: str) -> None:
    """Raise InputError for an unknown nan_policy."""
    if not isinstance(policy, str) or policy not in ("raise", "omit", "propagate"):
        raise InputError(f"nan_policy={shown(policy)} is not one of raise, omit, propagate")
