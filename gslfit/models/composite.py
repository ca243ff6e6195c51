"""Models combined by an operator: one formula, one program."""
from __future__ import annotations

import operator
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from gslfit.errors import FitWarning, InputError, InputTypeError, ParameterNameError
from gslfit.formula.formula import Formula
from gslfit.formula.graph import Graph, Node, Pool, below, transplant
from gslfit.models.arguments import with_values
from gslfit.models.model import Model, check_policy
from gslfit.models.texts import is_text, joined
from gslfit.parameters.collection import Parameters

OPERATORS: dict[str, Callable[[Any, Any], Any]] = {"+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv}
SYMBOLS = {operation: symbol for symbol, operation in OPERATORS.items()}


def renamed_graph(graph: Graph, names: Mapping[str, str], pool: Pool | None = None) -> Graph:
    """Return a graph in a pool, its parameters renamed."""
    pool = pool or Pool()
    change: dict[Node, Node] = {node: pool.leaf("par", names[str(node.value)]) for node in below([graph.value])
                                if node.op == "par" and str(node.value) in names}
    value, = transplant(pool, [graph.value], change)
    return Graph(pool, value, (), (), graph.independent)


def combined(left: Formula, symbol: str, right: Formula) -> Formula:
    """Return one formula for two; of texts it is a text again.

    Parameters
    ----------
    left, right : Formula
        Native ones.
    symbol : str
    """
    independent = tuple(dict.fromkeys((*left.independent, *right.independent)))
    names = tuple(dict.fromkeys((*left.names, *right.names)))
    if is_text(left) and is_text(right):
        return Formula(joined(left.text, symbol, right.text, (*names, *independent)), independent)
    pool = Pool()
    a, = transplant(pool, [left.graph.value])
    b, = transplant(pool, [right.graph.value])
    value = OPERATORS[symbol](a, b)
    return Formula.from_graph(Graph(pool, value, (), (), independent), names, f"graph of {left!r} {symbol} {right!r}")


class CompositeModel(Model):
    """Two models joined by an operator.

    Parameters
    ----------
    left, right : Model
        With different names of parameters.
    op : {"+", "-", "*", "/"} or callable
        A function of two arrays, such as a convolution, is called by Python.
    **options
        ``nan_policy``, ``name``, ``independent_vars``.

    Raises
    ------
    ParameterNameError
        If both have a parameter of one name: give one a prefix.
    """

    def __init__(self, left: Model, right: Model, op: str | Callable[[Any, Any], Any], **options: Any) -> None:
        for side in (left, right):
            if not isinstance(side, Model):
                raise InputTypeError(f"a composite is made of two models, and {side!r} is none")
        if not (callable(op) or op in OPERATORS):
            raise InputTypeError(f"the operator {op!r} is neither one of {', '.join(OPERATORS)} nor callable")
        if options.get("prefix"):
            warnings.warn("a composite has no prefix of its own: give it to its parts", FitWarning, stacklevel=3)
        self.left, self.right = left, right
        self.symbol = op if isinstance(op, str) else SYMBOLS.get(op, "")
        self.op = OPERATORS[self.symbol] if self.symbol else op
        twice = [name for name in left.param_names if name in right.param_names]
        if twice:
            raise TwiceNamed(f"both models have a parameter {twice[0]!r}: give one of them a prefix, {type(left).__name__}(prefix='a_')")
        self.func = None
        self._name = options.get("name") or ""
        self._prefix = ""
        self.nan_policy = options.get("nan_policy", left.nan_policy)
        check_policy(self.nan_policy)
        self.param_hints = {}
        self._independent = list(options.get("independent_vars") or np.unique([*left.independent_vars, *right.independent_vars]).tolist())
        self._memory: dict[Any, Formula] = {}

    @property  # type: ignore[misc]
    def independent_vars(self) -> list[str]:
        """The independent variables of both."""
        return self._independent

    @property  # type: ignore[misc]
    def prefix(self) -> str:
        """Nothing: the parts have prefixes."""
        return ""

    @property
    def opts(self) -> dict[str, Any]:  # type: ignore[override]
        """The options of both."""
        return {**self.right.opts, **self.left.opts}

    @property
    def def_vals(self) -> dict[str, Any]:  # type: ignore[override]
        """The defaults of both."""
        return {**self.right.def_vals, **self.left.def_vals}

    @property
    def param_names(self) -> list[str]:
        """The parameters of both, with prefixes."""
        return [*self.left.param_names, *self.right.param_names]

    @property
    def components(self) -> list[Model]:
        """The models that it is made of, from left to right."""
        return [*self.left.components, *self.right.components]

    def _reprstring(self, long: bool = True) -> str:
        symbol = self.symbol or self.op
        return f"({self.left._reprstring(long)} {symbol} {self.right._reprstring(long)})"

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._reprstring()}: {self.describe()}>"

    def _formula(self, options: Mapping[str, Any]) -> Formula:
        left, right = self.left._formula(options), self.right._formula(options)
        key = (left, right)
        found = self._memory.get(key)
        if found is None:
            compiles = self.symbol and left.native and right.native
            found = self._memory[key] = combined(left, self.symbol, right) if compiles else _Unjoined(self, left, right)
        return found

    def _fill(self, params: Parameters, values: Mapping[str, Any]) -> None:
        self.left._fill(params, values)
        self.right._fill(params, values)
        for name, hint in self.param_hints.items():
            inputs = {key: value for key, value in hint.items() if value is not None}
            if name in params:
                if inputs.get("expr"):
                    inputs = {key: value for key, value in inputs.items() if key in ("expr", "min", "max")}
                given = values.get(name)
                if given is not None and not isinstance(given, dict):
                    inputs.pop("value", None)
                params[name].set(**inputs)
            else:
                params.add(name, **inputs)

    def _eval(self, params: Any, values: Mapping[str, Any]) -> Any:
        left, right = self.left._eval(params, values), self.right._eval(params, values)
        return self.op(left, right)  # type: ignore[operator]

    def eval_components(self, params: Any = None, **values: Any) -> dict[str, Any]:
        """Evaluate each component: by prefix, or by name where there is none."""
        known = with_values(params, values, self)
        return {part._prefix or part._name: part._eval(known, values) for part in self.components}

    def make_funcargs(self, params: Any = None, kwargs: Mapping[str, Any] | None = None, strip: bool = True) -> dict[str, Any]:
        """Return the arguments that both are called with, by full name."""
        return {**self.right.make_funcargs(params, kwargs, False), **self.left.make_funcargs(params, kwargs, False)}

    def _make_all_args(self, params: Any = None, **values: Any) -> dict[str, Any]:
        found = self.right._make_all_args(params, **values)
        return {**found, **self.left._make_all_args(params, **values)}

    def copy(self, prefix: str | None = None) -> CompositeModel:
        """Return a model of its own, of copies of its parts."""
        if prefix:
            raise InputError("a composite has no prefix of its own: copy its parts with prefixes, and join these")
        new = CompositeModel(self.left.copy(), self.right.copy(), self.symbol or self.op, nan_policy=self.nan_policy, name=self._name)
        new.param_hints = {name: dict(hint) for name, hint in self.param_hints.items()}
        return new

    def guess(self, data: Any, x: Any = None, **values: Any) -> Any:
        """Estimate start values of a sum of peaks on constants, lines and parabolas; see `Model.guess`.

        Peaks are numbered from left to right.

        Raises
        ------
        NotImplementedError
            It is no such sum.
        """
        if {"+"} != self._symbols():
            raise NotImplementedError(f"only sums are guessed, and this is {self._reprstring()}: give start values")
        from gslfit.models.guess.matching_pursuit import guess_sum
        return guess_sum(self, self.components, data, x, values)

    def _guesses(self, data: Any, x: Any = None, **values: Any) -> list[Any]:
        found = [self.guess(data, x, **values)]
        peaks = [part for part in self.components if getattr(getattr(part, "entry", None), "kind", "") == "peak"]
        if len(peaks) > 2:      # a broad peak may take the place of several: once more without
            from gslfit.models.guess.matching_pursuit import guess_sum
            found += [guess_sum(self, self.components, data, x, values, widest/len(peaks)) for widest in (0.4, 0.15)]
        return found

    def _symbols(self) -> set[str]:
        """The operators that join it."""
        found = {self.symbol}
        for side in (self.left, self.right):
            found |= side._symbols() if isinstance(side, CompositeModel) else set()
        return found

    def post_fit(self, result: Any) -> None:
        """Call that of both."""
        self.left.post_fit(result)
        self.right.post_fit(result)


class TwiceNamed(ParameterNameError, NameError):
    """Two models of a composite have a parameter of one name."""


class _Unjoined(Formula):
    """What stands for the formula of a composite that has no program."""

    def __init__(self, model: CompositeModel, left: Formula, right: Formula):
        Formula.__init__(self, "0*x")
        self.independent = tuple(dict.fromkeys((*left.independent, *right.independent)))
        self.names = tuple(model.param_names)
        self.text = f"graph of {left!r}, {right!r}"
        self.reason = left.reason or right.reason or f"its parts are joined by {getattr(model.op, '__name__', model.op)}, which is called"

    def __reduce__(self) -> tuple:
        raise TypeError("the formula of a composite without a program belongs to its model: pickle that")
