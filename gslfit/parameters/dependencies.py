"""Derived parameters: the expressions of some parameters, each evaluated after those it depends on."""
import math
from collections.abc import Callable, Iterable, Mapping
from types import CodeType, FrameType
from typing import Any, NoReturn

import numpy as np

from gslfit.constraints.compiler import FILE, number, scope
from gslfit.constraints.topological import order
from gslfit.errors import ExpressionError, FitError, InputError, NonFiniteError
from gslfit.parameters.namespace import Interpreted, Symbols
from gslfit.parameters.parameter import Parameter

_RUN = compile("run()", FILE, "eval")


class DerivedParameter:
    """One parameter's expression, ready to be evaluated: ``eval(self.code, self.scope, space)``."""

    __slots__ = ("clips", "code", "constants", "name", "names", "own", "parameter", "scope", "text")

    def __init__(self, parameter: Parameter, code: CodeType, text: str, names: tuple[str, ...],
                 own: dict[str, Callable[..., Any]], constants: dict[str, float]) -> None:
        self.parameter = parameter
        self.name = str(parameter.name)
        self.code = code
        self.text = text
        self.names = names                                    # of the parameters it uses
        self.own = own
        self.constants = constants
        self.scope = scope(own) | constants if constants else scope(own)
        self.clips = parameter._min is not None or parameter._max is not None

    @property
    def pure(self) -> bool:
        """Whether nothing but the parameters it names can change its value."""
        return not self.own

    def settle(self, value: Any, space: Mapping[str, Any]) -> float:
        """Return what the expression gave as a float within the parameter's bounds; NaN is an error."""
        try:
            value = number(value, self.text)
        except ExpressionError as error:
            raise ExpressionError(f"parameter {self.name!r}: its expression {self.text!r} {error}", self.text) from None
        if value != value:
            raise NonFiniteError(f"parameter {self.name!r}: its expression {self.text!r} gives NaN{self._where(space)}")
        low, high = self.parameter._min, self.parameter._max
        return value if not self.clips else low if low is not None and value < low else high if high is not None and value > high else value

    def clipped(self, value: float) -> bool:
        """Return whether a bound holds the value, so that it no longer moves."""
        low, high = self.parameter._min, self.parameter._max
        return (low is not None and value < low) or (high is not None and value > high)

    def fail(self, error: Exception, space: Mapping[str, Any]) -> NoReturn:
        """Raise the error for an evaluation that failed; one from within a user's function surfaces as it is."""
        trace = error.__traceback__
        while trace is not None and _is_ours(trace.tb_frame):
            trace = trace.tb_next
        if trace is not None:
            if isinstance(error, FitError):
                error.of_caller = True
            raise error
        which = f"parameter {self.name!r}: its expression {self.text!r}"
        if isinstance(error, (ArithmeticError, ValueError)) and not isinstance(error, InputError):
            raise NonFiniteError(f"{which} can't be computed ({error}){self._where(space)}") from None
        raise ExpressionError(f"{which} can't be evaluated ({error}){self._where(space)}", self.text) from None

    def _where(self, space: Mapping[str, Any]) -> str:
        """Return the values of the parameters that the expression uses, for a message."""
        from gslfit.constraints.dual import plain
        values = [f"{name} = {plain(space[name])!r}" for name in self.names if name in space]
        return " at " + ", ".join(values) if values else ""

    def value(self, space: Mapping[str, Any]) -> float:
        """Return the expression's value."""
        try:
            value = eval(self.code, self.scope, space)        # type: ignore[arg-type]
        except Exception as error:
            self.fail(error, space)
        return self.settle(value, space)

    def differentiate(self, space: Mapping[str, Any]) -> Any:
        """Return the value as a `Dual`, for a space of duals; or a plain number where nothing that moves is in it."""
        try:
            # the same code, over functions that carry gradients along
            return eval(self.code, scope(self.own, True) | self.constants, dict(space))
        except (TypeError, ValueError, ArithmeticError, AttributeError):
            return self.by_differences(space)

    def by_differences(self, space: Mapping[str, Any]) -> Any:
        """Return the value as a `Dual`, by differences along each parameter that moves."""
        from gslfit.constraints.dual import Dual, plain
        from gslfit.constraints.ridders import derivative
        at = {name: plain(value) for name, value in space.items()}
        slope: Any = 0.
        for name in self.names:
            moving = space.get(name)
            if isinstance(moving, Dual):
                partial = derivative(partial_of(self.at, at, name), at[name])
                slope = slope + np.where(moving.slope == 0, 0., partial*moving.slope)
        return Dual(float(self.at(at)), slope)

    def at(self, space: Mapping[str, float]) -> Any:
        """Return the raw value for plain numbers."""
        return eval(self.code, self.scope, space)             # type: ignore[arg-type]


def _is_ours(frame: FrameType) -> bool:
    """Return whether a frame is an expression's or a module's of gslfit."""
    return frame.f_code.co_filename == FILE or frame.f_globals.get("__name__", "").partition(".")[0] == "gslfit"


def partial_of(call: Callable[[Mapping[str, float]], Any], at: dict[str, float], name: str) -> Callable[[float], float]:
    """Return a function of one of the values, the others held."""
    return lambda x: float(call(at | {name: x}))


class InterpretedParameter(DerivedParameter):
    """One parameter's expression that the interpreter evaluates."""

    __slots__ = ("_expression", "_symbols")

    def __init__(self, parameter: Parameter, expression: Interpreted, names: tuple[str, ...], symbols: Symbols,
                 space: Mapping[str, Any]) -> None:
        super().__init__(parameter, _RUN, expression.text, names, {}, {})
        self._expression = expression
        self._symbols = symbols
        self.scope = {"run": lambda: symbols.run(expression, space)}

    @property
    def pure(self) -> bool:
        """Whether nothing but the parameters it names can change its value."""
        return False

    def at(self, space: Mapping[str, float]) -> Any:
        """Return the raw value for plain numbers."""
        value = self._symbols.run(self._expression, space)
        return math.nan if value is None else value

    def differentiate(self, space: Mapping[str, Any]) -> Any:
        """Return the value as a `Dual`, by differences."""
        return self.by_differences(space)


def derived_parameters(params: Mapping[str, Parameter], wanted: Iterable[str], symbols: Symbols,
                       space: Mapping[str, Any]) -> list[DerivedParameter]:
    """Return what gives the wanted parameters' values, in the order of evaluation.

    Parameters
    ----------
    params : mapping of str to Parameter
        All parameters.
    wanted : iterable of str
        Those whose expressions must be evaluated, with what they need.
    symbols : Symbols
        The user's functions and constants.
    space : dict of str to float
        The values that are known: what is in it isn't evaluated. An interpreter reads it as it stands when it runs.

    Raises
    ------
    ExpressionError
        If an expression isn't of the grammar, names a parameter or a function that isn't there, or needs itself.
    """
    with_expression = [name for name in wanted if params[name]._expr is not None]
    found: dict[str, DerivedParameter] = {}
    if len(with_expression) == 1:                                        # the most frequent case has no order
        only = _derived(params[with_expression[0]], params, symbols, space)
        if space.keys() >= {*only.names}:
            return [only]

    def needs(name: str) -> list[str]:
        parameter = params[name]
        derived = found[name] = _derived(parameter, params, symbols, space)
        return [used for used in derived.names if used not in space]
    return [found[name] for name in order(with_expression, needs)]


def needed(params: Any, names: Iterable[str]) -> set[str]:
    """Return the parameters among the names that a function takes, and those that the expressions of these use."""
    taken = {name for name in names if name in params}
    plain = {name: math.nan for name, par in params.items() if par._expr is None}
    for derived in derived_parameters(params, list(taken), params._symbols, plain):
        taken |= {derived.name, *derived.names}
    return taken


def unused(params: Any, names: Iterable[str]) -> tuple[str, ...]:
    """Return the varying parameters that are neither among the names that a function takes, nor used by the expressions of these."""
    taken = needed(params, names)
    return tuple(name for name, par in params.items() if par.vary and par.expr is None and name not in taken)


def _derived(parameter: Parameter, params: Mapping[str, Parameter], symbols: Symbols, space: Mapping[str, Any]) -> DerivedParameter:
    """Compile one parameter's expression and look up what it names."""
    text = parameter._expr or ""
    try:
        compiled = symbols.compile(text)
        used = tuple([name for name in compiled.names if name in params])
        if isinstance(compiled, Interpreted):
            return InterpretedParameter(parameter, compiled, used, symbols, space)
        own = {name: function for name in compiled.calls if (function := symbols.function(name)) is not None} if symbols else {}
        for name in compiled.unknown_calls(own):
            raise symbols.missing_call(name, text)
        others = [name for name in compiled.names if name not in params] if len(used) < len(compiled.names) else []
        constants = {name: symbols.number(name) for name in others}
        for name, value in constants.items():
            if value is None:
                if symbols.interpreter is not None and name in symbols.interpreter.symtable:
                    return InterpretedParameter(parameter, symbols._interpret(text), used, symbols, space)
                raise symbols.missing_name(name, text, params)
        own_constants = {name: value for name, value in constants.items() if value is not None} if symbols else {}
        return DerivedParameter(parameter, compiled.code, text, used, own, own_constants)
    except ExpressionError as error:
        raise ExpressionError(f"parameter {parameter.name!r}: {error}", text, error.column) from None
