"""What lmfit 1.3 lets expressions use beyond gslfit's grammar: SciPy's special functions, and whatever asteval knows.

An expression that gslfit's grammar has is compiled by it. Only one that it doesn't have brings an interpreter to life.
"""
from collections.abc import Callable
from numbers import Real
from types import ModuleType
from typing import Any

from gslfit.constraints.functions import TABLE
from gslfit.errors import ExpressionError
from gslfit.parameters.namespace import Interpreted, Symbols

SPECIAL = {"gamfcn": "gamma", "loggammafcn": "loggamma", "betalnfnc": "betaln", "erf": "erf", "erfc": "erfc", "wofz": "wofz"}
"""lmfit's name of a special function -> SciPy's."""


def special(name: str) -> Callable[..., Any]:
    """Return the special function that lmfit has under a name."""
    import scipy.special
    return getattr(scipy.special, SPECIAL[name])


class LmfitSymbols(Symbols):
    """The user's functions and constants; an asteval interpreter, made when an expression needs it.

    Parameters
    ----------
    symbols : mapping of str to object, optional
        The `usersyms` of `Parameters`.
    """

    beyond = False            # whether an expression calls what gslfit's grammar doesn't have

    def __bool__(self) -> bool:
        # false as long as programs of these parameters may be remembered
        return self.beyond or super().__bool__()

    def copy(self) -> "LmfitSymbols":
        """Return the same functions, constants and interpreter, to be added to apart."""
        new = type(self)()
        new.functions, new.constants = dict(self.functions), dict(self.constants)
        new.interpreter, new._shipped, new.beyond = self.interpreter, self._shipped, self.beyond
        return new

    def add(self, name: str, symbol: Any) -> None:
        """Make anything known to expressions: functions and numbers to the grammar, the rest to the interpreter."""
        if callable(symbol) or isinstance(symbol, Real):
            super().add(name, symbol)
        else:
            self.interpret().symtable[name] = symbol

    def own(self) -> dict[str, Any]:
        """Return what was made known: functions and constants, and what was put into the interpreter."""
        known = {} if self.interpreter is None else self.interpreter.symtable
        kept = {name: symbol for name, symbol in known.items()
                if symbol is not self._shipped.get(name) and not isinstance(symbol, ModuleType)}
        return kept | self.functions | self.constants

    def interpret(self) -> Any:
        """Return the interpreter."""
        if self.interpreter is None:
            from asteval import Interpreter
            interpreter = Interpreter()
            interpreter.symtable.update({name: special(name) for name in SPECIAL})
            self.use(interpreter)
            interpreter.symtable.update(self.functions | self.constants)
        return self.interpreter

    def function(self, name: str) -> Callable[..., Any] | None:
        """Return a function beyond the grammar's own, None if nobody has one of that name."""
        if name in SPECIAL and name not in TABLE and name not in self.functions:
            return special(name)
        found = super().function(name)
        if found is None and name not in TABLE:
            found = self.interpret().symtable.get(name)
        return found if callable(found) else None

    def number(self, name: str) -> float | None:
        """Return a constant, None if there is none of that name."""
        found = super().number(name)
        if found is None and self.interpreter is None:
            self.interpret()
            found = super().number(name)
        return found

    def compile(self, text: str) -> Any:
        """Return a compiled expression: of the grammar if it can be, else the interpreter's."""
        try:
            compiled = super().compile(text)
        except ExpressionError:
            if self.interpreter is not None:
                raise
            self.interpret()
            compiled = super().compile(text)
        self.beyond = self.beyond or any(name not in TABLE for name in compiled.calls)
        return compiled

    def run(self, expression: Interpreted, space: Any) -> Any:
        """Return what the interpreter makes of an expression with these parameter values."""
        self.interpret().symtable.update(self.functions | self.constants)
        return super().run(expression, space)
