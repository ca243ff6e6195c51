"""What expressions may use beyond the grammar's own table: the user's functions and constants, and an interpreter on request."""
import ast
import math
from collections.abc import Callable, Collection, Iterable, Mapping
from numbers import Real
from typing import Any

from gslfit.checks import as_float, mapping, pickles
from gslfit.constraints.compiler import Constraint, constraint
from gslfit.constraints.functions import CONSTANTS, TABLE
from gslfit.constraints.grammar import close
from gslfit.errors import ExpressionError, InputTypeError
from gslfit.parameters.parameter import check_name


class Interpreted:
    """An expression that only the interpreter understands."""

    __slots__ = ("calls", "names", "node", "text")

    def __init__(self, text: str, node: Any) -> None:
        self.text = text
        self.node = node
        self.names = tuple(dict.fromkeys(part.id for part in ast.walk(ast.parse(text)) if isinstance(part, ast.Name)))
        self.calls: tuple[str, ...] = ()


class Symbols:
    """The user's functions and constants, and the interpreter.

    Parameters
    ----------
    symbols : mapping of str to callable or float, optional
        Functions and constants for expressions.
    """

    def __init__(self, symbols: Mapping[str, Any] | None = None) -> None:
        self.functions: dict[str, Callable[..., Any]] = {}
        self.constants: dict[str, float] = {}
        self.interpreter: Any = None
        self._shipped: dict[str, Any] = {}
        if symbols is not None:
            for name, symbol in mapping("symbols", symbols).items():
                self.add(name, symbol)

    def __bool__(self) -> bool:
        return bool(self.functions or self.constants or self.interpreter is not None)

    def copy(self) -> "Symbols":
        """Return the same functions, constants and interpreter, to be added to apart."""
        new = Symbols()
        new.functions, new.constants = dict(self.functions), dict(self.constants)
        new.interpreter, new._shipped = self.interpreter, self._shipped
        return new

    def add(self, name: str, symbol: Any) -> None:
        """Make a function or a number known to expressions."""
        name = check_name(name)
        if callable(symbol):
            self.functions[name] = symbol
        elif isinstance(symbol, Real):
            self.constants[name] = as_float(name, symbol)
        else:
            raise InputTypeError(f"{name!r} must be a function or a number, not {type(symbol).__name__}")

    def use(self, interpreter: Any) -> None:
        """Take an asteval interpreter for what the grammar doesn't know."""
        if not (hasattr(interpreter, "symtable") and hasattr(interpreter, "parse")):
            raise InputTypeError(f"an interpreter is an asteval.Interpreter, not {type(interpreter).__name__}")
        if interpreter is not self.interpreter:
            self.interpreter = interpreter
            self._shipped = dict(interpreter.symtable)

    def put_in(self, taken: Collection[str]) -> dict[str, Any] | None:
        """Return what the user put into the interpreter's table, as far as a pickle holds it; None where there is no interpreter."""
        if self.interpreter is None:
            return None
        return {name: symbol for name, symbol in self.interpreter.symtable.items()
                if name not in taken and symbol is not self._shipped.get(name, self) and pickles(symbol)}

    def function(self, name: str) -> Callable[..., Any] | None:
        """Return a function of the user's own, None if there is none of that name."""
        found = self.functions.get(name)
        if found is None and self.interpreter is not None:
            symbol = self.interpreter.symtable.get(name)
            # what the interpreter ships doesn't displace the table's function; what the user put there does
            if callable(symbol) and (name not in TABLE or symbol is not self._shipped.get(name)):
                found = symbol
        return found

    def number(self, name: str) -> float | None:
        """Return a constant, None if there is none of that name."""
        found = self.constants.get(name)
        if found is None and self.interpreter is not None:
            symbol = self.interpreter.symtable.get(name)
            if isinstance(symbol, Real) and not isinstance(symbol, bool):
                found = float(symbol)
        return CONSTANTS.get(name) if found is None else found

    def check(self, text: str) -> None:
        """Raise ExpressionError for a text that can't be an expression; functions and names may still come."""
        self.compile(text)

    def compile(self, text: str) -> Constraint | Interpreted:
        """Return a compiled expression: of the grammar if it can be, else the interpreter's."""
        try:
            own = frozenset(self.functions)
            if self.interpreter is not None:
                own |= frozenset(name for name in constraint(text).calls if self.function(name))
            return constraint(text, own)
        except ExpressionError:
            if self.interpreter is None:
                raise
            return self._interpret(text)

    def _interpret(self, text: str) -> Interpreted:
        """Return an expression parsed by the interpreter."""
        self.interpreter.error = []
        try:
            return Interpreted(text, self.interpreter.parse(text))
        except Exception as error:
            raise ExpressionError(f"neither the grammar nor the interpreter can read {text!r}: {error}", text) from None
        finally:
            self.interpreter.error = []

    def run(self, expression: Interpreted, space: Mapping[str, float]) -> Any:
        """Return what the interpreter makes of an expression with these parameter values."""
        interpreter = self.interpreter
        interpreter.symtable.update(space)
        interpreter.error = []
        value = interpreter.run(expression.node, expr=expression.text, with_raise=False)
        if interpreter.error:
            kind, message = interpreter.error[0].get_error()
            interpreter.error = []
            if kind in ("ZeroDivisionError", "OverflowError", "FloatingPointError"):
                return math.nan
            raise ExpressionError(message, expression.text)
        return value

    def missing_name(self, name: str, text: str, known: Iterable[str]) -> ExpressionError:
        """Return the error for a name that is neither a parameter nor a constant."""
        if name in TABLE or name in self.functions:
            return ExpressionError(f"{name!r} is a function, and must be called: {name}(...), in {text!r}", text)
        return ExpressionError(f"there is no parameter {name!r}, named by {text!r}{close(name, [*known, *CONSTANTS])}", text)

    def missing_call(self, name: str, text: str) -> ExpressionError:
        """Return the error for a function that nobody has."""
        return ExpressionError(f"there is no function {name!r}, called by {text!r}{close(name, [*TABLE, *self.functions])}; "
                               "a function of your own goes into Parameters(usersyms={name: function})", text)
