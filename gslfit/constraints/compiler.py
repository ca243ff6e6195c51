"""A constraint: the expression of one parameter in terms of others, compiled once and evaluated over one flat namespace.

The checked tree is lowered (operators that floats lack become calls of the table, functions get names that no parameter can have) and
compiled to a code object without builtins. Evaluating it costs a fraction of a microsecond; differentiating it runs the same code over
dual numbers.
"""
import ast
import math
from collections.abc import Callable, Mapping
from functools import lru_cache
from types import CodeType
from typing import Any

from gslfit.constraints.functions import CONSTANTS, OPERATORS, TABLE
from gslfit.constraints.grammar import ANY_CALL, Arity, Parsed, as_text, parse
from gslfit.errors import ExpressionError

FILE = "<expression>"     # the file name of compiled expressions, in tracebacks
SMALL = 64                # an integer exponent up to this is left to Python's own **

_CALLS = {ast.BitAnd: "&", ast.BitOr: "|", ast.BitXor: "^", ast.LShift: "<<", ast.RShift: ">>", ast.Is: "is", ast.IsNot: "is not"}
_REAL = frozenset(name for name, function in TABLE.items() if function.real)
_ARITHMETIC = (ast.Add, ast.Sub, ast.Mult, ast.Mod, ast.FloorDiv)


class _Arities(dict):
    """The arities of the table, and `ANY_CALL` for every other name: a function may be registered later."""

    def get(self, name: str, default: Any = None) -> Arity:
        """Return a function's arity."""
        return super().get(name, ANY_CALL)


ARITIES = {name: (function.least, function.most) for name, function in TABLE.items()}
_OPEN = _Arities(ARITIES)


def hidden(name: str) -> str:
    """Return the name that a function has in a compiled expression, which no parameter can have."""
    return f"{name}()"


class Constraint:
    """A compiled expression.

    Parameters
    ----------
    text : str
        The expression.
    own : frozenset of str
        Functions of the user's own, which may stand for those of the table too.

    Attributes
    ----------
    names : tuple of str
        The names that it uses, in order of appearance, constants among them.
    calls : tuple of str
        The functions that it calls.

    Raises
    ------
    ExpressionError
        If the text is not of the grammar.

    Examples
    --------
    >>> Constraint("2*a + sqrt(pi)").names
    ('a', 'pi')
    """

    __slots__ = ("calls", "code", "names", "text")

    def __init__(self, text: str, own: frozenset[str] = frozenset()) -> None:
        arities = _OPEN if not own else _Arities(ARITIES | dict.fromkeys(own, ANY_CALL))
        parsed = parse(text, functions=arities)
        self.text, self.names, self.calls = text, parsed.names, parsed.calls
        self.code = _compile(parsed, own)

    def unknown_calls(self, own: Mapping[str, Any]) -> list[str]:
        """Return the functions called that neither the table nor the user has."""
        return [name for name in self.calls if name not in TABLE and name not in own]


def constraint(text: str, own: frozenset[str] = frozenset()) -> Constraint:
    """Return the compiled expression of a text; the same text is compiled once."""
    return _constraint(as_text(text), own)


@lru_cache(maxsize=512)
def _constraint(text: str, own: frozenset[str]) -> Constraint:
    return Constraint(text, own)


def _compile(parsed: Parsed, own: frozenset[str]) -> CodeType:
    """Lower and compile a checked tree."""
    try:
        tree = ast.fix_missing_locations(ast.Expression(_Lower(parsed.text, own).visit(parsed.value)))
        return compile(tree, FILE, "eval", dont_inherit=True)
    except (RecursionError, MemoryError):
        raise ExpressionError(f"the expression is nested too deeply: {parsed.text[:60]!r}...", parsed.text) from None


class _Lower(ast.NodeTransformer):
    """Turn the grammar's tree into one that Python evaluates as the grammar means it."""

    def __init__(self, text: str, own: frozenset[str]) -> None:
        self.text = text
        self.own = own

    def call(self, name: str, *arguments: ast.expr) -> ast.Call:
        """Return the tree of a call of the table of operators."""
        return ast.Call(ast.Name(hidden(name), ast.Load()), list(arguments), [])

    def is_float(self, node: ast.expr) -> bool:
        """Return whether a lowered tree's value is known to be a float: parameters and constants are."""
        if isinstance(node, ast.Constant):
            return isinstance(node.value, float)
        if isinstance(node, ast.UnaryOp):
            return not isinstance(node.op, ast.Not) and self.is_float(node.operand)
        if isinstance(node, ast.BinOp):
            if isinstance(node.op, ast.Div):
                return True
            return self.is_float(node.left) or (isinstance(node.op, _ARITHMETIC) and self.is_float(node.right))
        if isinstance(node, ast.Call):
            name = node.func.id[:-2]                          # type: ignore[attr-defined]
            return name in _REAL and name not in self.own
        return isinstance(node, ast.Name)

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        """Lower bitwise operators, and powers and products that could grow without limit."""
        self.generic_visit(node)
        if isinstance(node.op, ast.Pow):
            exponent = node.right.operand if isinstance(node.right, ast.UnaryOp) else node.right
            small = isinstance(exponent, ast.Constant) and type(exponent.value) is int and exponent.value <= SMALL
            return node if small and self.is_float(node.left) else self.call("**", node.left, node.right)
        if isinstance(node.op, ast.Mult) and not (self.is_float(node.left) or self.is_float(node.right)):
            return self.call("*", node.left, node.right)
        name = _CALLS.get(type(node.op))                      # type: ignore[call-overload]
        return self.call(name, node.left, node.right) if name else node

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.expr:
        """Lower the bitwise complement."""
        self.generic_visit(node)
        return self.call("~", node.operand) if isinstance(node.op, ast.Invert) else node

    def visit_Compare(self, node: ast.Compare) -> ast.expr:
        """Lower `is` and `is not`."""
        self.generic_visit(node)
        name = _CALLS.get(type(node.ops[0]))                  # type: ignore[call-overload]
        if len(node.ops) == 1:
            return self.call(name, node.left, node.comparators[0]) if name else node
        if any(type(op) in _CALLS for op in node.ops):
            raise ExpressionError(f"'is' can't be chained with other comparisons, join them by 'and': {self.text!r}", self.text)
        return node

    def visit_Call(self, node: ast.Call) -> ast.expr:
        """Give a function the name that no parameter can have."""
        name = hidden(node.func.id)                           # type: ignore[attr-defined]
        arguments = [self.visit(argument) for argument in node.args]
        keywords = [ast.keyword(keyword.arg, self.visit(keyword.value)) for keyword in node.keywords]
        return ast.Call(ast.Name(name, ast.Load()), arguments, keywords)


def _table(functions: Mapping[str, Callable[..., Any]]) -> dict[str, Any]:
    return {"__builtins__": {}, **CONSTANTS, **{hidden(name): function for name, function in functions.items()}}


_FLOATS = _table({name: function.call for name, function in (TABLE | OPERATORS).items()})


@lru_cache(maxsize=1)
def _duals() -> dict[str, Any]:
    from gslfit.constraints.dual import DUALS
    return _table(DUALS)


def scope(own: Mapping[str, Callable[..., Any]], dual: bool = False) -> dict[str, Any]:
    """Return the globals that compiled expressions run in.

    Parameters
    ----------
    own : mapping of str to callable
        Functions of the user's own.
    dual : bool
        Whether they take dual numbers.
    """
    standard = _duals() if dual else _FLOATS
    if not own:
        return standard
    if dual:
        from gslfit.constraints.dual import lift_user
        own = {name: lift_user(function) for name, function in own.items()}
    return standard | {hidden(name): function for name, function in own.items()}


def number(value: Any, text: str) -> float:
    """Return what an expression gave as a float."""
    if isinstance(value, complex):
        return math.nan                                       # a root of a negative number, from a user's function
    try:
        return float(value)
    except OverflowError:
        return math.nan                                       # an integer beyond what a float holds
    except (TypeError, ValueError):
        kind = type(value).__name__
        raise ExpressionError(f"gives {value!r:.60}, a {kind}, where a number is needed", text) from None
