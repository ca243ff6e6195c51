"""The closed grammar of expressions: what a text may say, and the one table of the functions it may call.

A text is read by Python's own parser and then checked node by node against a whitelist, so it can do nothing but arithmetic: no
attribute, no subscript, no lambda, no comprehension, no string, no assignment inside an expression, no call but of a function in
the table handed in. Length, depth and the size of numbers are capped, and the walk keeps its own stack, so that a hostile text costs
microseconds and an `ExpressionError`, never a crash.

Two languages share it: the constraints between parameters (`gslfit.constraints.compiler`: one expression over floats, this
module's table of functions) and the formulas (arrays, a larger table, several lines of assignments).
"""
from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping

from gslfit.checks import shown
from gslfit.errors import ExpressionError
from gslfit.records import Record

MAX_LENGTH = 10_000     # characters of a text
MAX_DEPTH = 200         # of the tree; a sum of 200 terms is a tree 200 deep
MAX_NODES = 5_000       # of the tree
# what Python's parser raises for a text; null bytes, lone surrogates, integers of thousands of digits: ValueErrors; deep ones: the last two
UNREADABLE = (SyntaxError, ValueError, RecursionError, MemoryError)
MAX_NUMBER = float.fromhex("0x1.fffffffffffffp+1023")    # of a literal: what a float holds

OPERATORS = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Pow, ast.Mod, ast.FloorDiv, ast.UAdd, ast.USub)
BITWISE = (ast.BitAnd, ast.BitOr, ast.BitXor, ast.LShift, ast.RShift, ast.Invert)
LOGIC = (ast.And, ast.Or, ast.Not, ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE)
MEMBERSHIP = (ast.Is, ast.IsNot, ast.In, ast.NotIn)
SHAPES = (ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.IfExp, ast.Call, ast.Name, ast.Constant, ast.Load)
SEQUENCES = (ast.Tuple, ast.List)

EVERYTHING = frozenset((*SHAPES, *OPERATORS, *BITWISE, *LOGIC, *MEMBERSHIP, *SEQUENCES))
"""The nodes that constraints between parameters are made of."""

NUMERIC = frozenset((*SHAPES, *OPERATORS, *LOGIC, ast.BitAnd, ast.BitOr, ast.Invert))
"""The nodes that formulas over arrays are made of: `&`, `|` and `~` join conditions as in NumPy."""

Arity = tuple[int, "int | None"]
"""Fewest and most arguments of a function; None for any number."""

ANY_CALL: Arity = (0, None)
"""The arity of a function that is the caller's own: anything goes, keywords too."""

REFUSED = {
    ast.Attribute: "attributes ('.name') are not part of expressions",
    ast.Subscript: "subscripts ('[...]') are not part of expressions",
    ast.Slice: "slices are not part of expressions",
    ast.Lambda: "'lambda' is not part of expressions",
    ast.NamedExpr: "':=' is not part of expressions",
    ast.Starred: "'*' before an argument is not part of expressions",
    ast.JoinedStr: "strings are not part of expressions",
    ast.ListComp: "comprehensions are not part of expressions",
    ast.SetComp: "comprehensions are not part of expressions",
    ast.DictComp: "comprehensions are not part of expressions",
    ast.GeneratorExp: "comprehensions are not part of expressions",
    ast.Dict: "dictionaries are not part of expressions",
    ast.Set: "sets are not part of expressions",
    ast.Await: "'await' is not part of expressions",
    ast.Yield: "'yield' is not part of expressions",
    ast.YieldFrom: "'yield' is not part of expressions",
    ast.Tuple: "tuples are not part of these expressions",
    ast.List: "lists are not part of these expressions",
    ast.Is: "'is' is not part of these expressions; write '=='",
    ast.IsNot: "'is not' is not part of these expressions; write '!='",
    ast.In: "'in' is not part of these expressions",
    ast.NotIn: "'not in' is not part of these expressions",
    ast.BitXor: "'^' is not part of these expressions; a power is written '**'",
    ast.LShift: "'<<' is not part of these expressions",
    ast.RShift: "'>>' is not part of these expressions",
    ast.MatMult: "'@' is not part of expressions",
}


class Parsed(Record):
    """A text that passed the grammar.

    `lines` holds `(target, expression)` in order: the target is None for the last, which is the value. `names` are the free names in
    order of first appearance (constants among them: what `e` means is for the caller to say), `calls` the functions called.
    """

    text: str
    lines: tuple[tuple[str | None, ast.expr], ...]
    names: tuple[str, ...]
    calls: tuple[str, ...]

    @property
    def value(self) -> ast.expr:
        """The tree of the value itself."""
        return self.lines[-1][1]


def show(text: str, column: int | None, line: int = 1) -> str:
    """Return the line of `text` that an error is in, and a caret line below it."""
    lines = text.splitlines() or [""]
    shown = lines[min(line, len(lines)) - 1]
    if column is None:
        return f"\n    {shown[:120]}"
    start = max(0, column - 80)          # a long line is shown from near the column
    return f"\n    {shown[start:start + 120]}\n    {' ' * (column - 1 - start)}^"


def refuse(message: str, text: str, column: int | None = None, line: int = 1) -> ExpressionError:
    """Return the error for a text, with the line and a caret; `column` counts from 1."""
    where = "" if column is None else f" (column {column})" if "\n" not in text.strip() else f" (line {line}, column {column})"
    return ExpressionError(f"{message}{where}:{show(text, column, line)}", text, column)


def close(name: str, known: Iterable[str]) -> str:
    """Return a hint such as "; did you mean 'amp_1'?", or nothing."""
    from difflib import get_close_matches
    near = get_close_matches(name, list(known), 2, 0.6)
    return "; did you mean " + " or ".join(repr(match) for match in near) + "?" if near else ""


def as_text(value: object) -> str:
    """Return an expression's text, or raise ExpressionError for anything else."""
    if not isinstance(value, str):
        raise ExpressionError(f"an expression is a text, not {type(value).__name__}: {shown(value)}", shown(value))
    return value


def parse(text: str, *, functions: Mapping[str, Arity], nodes: frozenset[type] = EVERYTHING, assignments: bool = False,
          max_depth: int = MAX_DEPTH) -> Parsed:
    """Read a text by the closed grammar.

    Parameters
    ----------
    text : str
        One expression in Python's syntax; with `assignments` also several lines (or parts between semicolons), each `name = expression`,
        ending in one expression.
    functions : mapping of str to (int, int or None)
        The functions that may be called, with the fewest and most arguments. `ANY_CALL` also lets keyword arguments pass.
    nodes : frozenset of ast classes
        The whitelist: `EVERYTHING` or `NUMERIC`, or one's own.
    assignments : bool
        Whether lines of assignments may come before the value.
    max_depth : int
        How deep the tree may be.

    Returns
    -------
    Parsed
        The trees, the free names and the functions called.

    Raises
    ------
    ExpressionError
        If the text is not of the grammar, or too long, deep or large; `column` counts from 1.

    Examples
    --------
    >>> parse("A*exp(-x/tau) + pi", functions={"exp": (1, 1)}).names
    ('A', 'x', 'tau', 'pi')
    """
    text = as_text(text)
    if len(text) > MAX_LENGTH:
        raise ExpressionError(f"an expression has at most {MAX_LENGTH} characters, this one has {len(text)}: {text[:60]!r}...", text)
    if not text.strip():
        raise ExpressionError("the expression is empty", text, 1)
    if assignments:
        source = "\n".join(line.strip() for line in text.strip().splitlines())
    elif "#" in text:
        raise refuse("'#' is not part of expressions", text, text.index("#") + 1)
    else:                                                   # line breaks inside an expression are only spaces
        source = "".join(" " if char.isspace() else char for char in text)
        source = source.strip()
    body = _read(source, "exec" if assignments else "eval")
    lines = tuple(_lines(body, source))
    names: dict[str, None] = {}
    calls: dict[str, None] = {}
    targets: set[str] = set()
    for target, tree in lines:
        _check(tree, source, functions, nodes, max_depth, names, calls, targets)
        if target is not None:
            targets.add(target)
    return Parsed(source, lines, tuple(names), tuple(calls))


def _read(source: str, mode: str) -> ast.Module | ast.Expression:
    """Return Python's tree of a text, every way of failing turned into an ExpressionError."""
    try:
        # what Python warns of ("1if x else 2") it may: silencing it would change the warnings of every thread
        return ast.parse(source, mode=mode)                 # type: ignore[return-value]
    except SyntaxError as error:
        # "invalid syntax. Perhaps you forgot a comma?" and the like: Python's own words are good ones
        column = error.offset or len(source) + 1             # 0 where the text ends too early
        raise refuse(f"can't be read: {error.msg}", source, column, error.lineno or 1) from None
    except (RecursionError, MemoryError):
        raise ExpressionError(f"the expression is nested too deeply: {source[:60]!r}...", source) from None
    except ValueError as error:                             # null bytes, lone surrogates, integers of thousands of digits
        raise ExpressionError(f"the expression can't be read ({error}): {source[:60]!r}", source) from None


def _lines(body: ast.Module | ast.Expression, source: str) -> Iterator[tuple[str | None, ast.expr]]:
    """Split a parsed text into assignments and the value."""
    if isinstance(body, ast.Expression):
        yield None, body.body
        return
    last = body.body[-1] if body.body else None
    if not isinstance(last, ast.Expr):
        raise refuse("the last line must be an expression, the value", source, 1, getattr(last, "lineno", 1))
    for statement in body.body[:-1]:
        if not (isinstance(statement, ast.Assign) and len(statement.targets) == 1 and isinstance(statement.targets[0], ast.Name)):
            raise refuse("a line before the last must be 'name = expression'", source, *_place(statement, source))
        yield statement.targets[0].id, statement.value
    yield None, last.value


def _place(node: ast.AST, source: str) -> tuple[int | None, int]:
    """Return a node's column (from 1, in characters) and line."""
    line, offset = getattr(node, "lineno", 1), getattr(node, "col_offset", None)
    if offset is None:
        return None, line
    return len(source.split("\n")[line - 1].encode()[:offset].decode(errors="replace")) + 1, line


def _check(tree: ast.expr, source: str, functions: Mapping[str, Arity], nodes: frozenset[type], max_depth: int,
           names: dict[str, None], calls: dict[str, None], targets: set[str]) -> None:
    """Hold every node of a tree to the grammar, in order of appearance, without recursion."""
    stack: list[tuple[ast.AST, int, ast.AST]] = [(tree, 1, tree)]
    count = 0
    while stack:
        node, depth, parent = stack.pop()
        count += 1
        if depth > max_depth or count > MAX_NODES:
            what = f"is nested deeper than {max_depth} levels" if depth > max_depth else f"has more than {MAX_NODES} parts"
            raise ExpressionError(f"the expression {what}: {source[:60]!r}...", source, _place(node, source)[0])
        kind = type(node)
        if kind not in nodes:
            what = REFUSED.get(kind, f"{kind.__name__} is not part of expressions")
            raise refuse(what, source, *_place(node if hasattr(node, "col_offset") else parent, source))
        children: Iterable[ast.AST] = ast.iter_child_nodes(node)
        if isinstance(node, ast.Call):
            _check_call(node, source, functions)
            calls[node.func.id] = None                      # type: ignore[attr-defined]
            children = [*node.args, *(keyword.value for keyword in node.keywords)]
        elif isinstance(node, ast.IfExp):
            children = [node.body, node.test, node.orelse]  # as the text reads
        elif isinstance(node, ast.Name):
            if node.id not in targets:
                names[node.id] = None
        elif isinstance(node, ast.Constant):
            _check_number(node, source)
        stack += [(child, depth + 1, node) for child in reversed(list(children))]


def _check_call(node: ast.Call, source: str, functions: Mapping[str, Arity]) -> None:
    """Hold a call to the table of functions and the number of arguments."""
    place = _place(node, source)
    if not isinstance(node.func, ast.Name):
        reason = REFUSED.get(type(node.func), "only a function's name can be called")
        raise refuse(reason, source, *place)
    name = node.func.id
    arity = functions.get(name)
    if arity is None:
        raise refuse(f"{name!r} is no function known here{close(name, functions)}", source, *place)
    starred = next((arg for arg in node.args if isinstance(arg, ast.Starred)), None)
    if starred is not None or any(keyword.arg is None for keyword in node.keywords):
        raise refuse(REFUSED[ast.Starred], source, *(_place(starred, source) if starred else place))
    if arity is ANY_CALL:
        return
    if node.keywords:
        raise refuse(f"{name}() takes no keyword arguments here", source, *place)
    least, most = arity
    given = len(node.args)
    if given < least or (most is not None and given > most):
        wanted = f"at least {least}" if most is None else str(least) if least == most else f"{least} to {most}"
        raise refuse(f"{name}() takes {wanted} argument{'s' * (wanted != '1')}, not {given}", source, *place)


def _check_number(node: ast.Constant, source: str) -> None:
    """Hold a literal to the finite real numbers."""
    value = node.value
    if isinstance(value, bool):
        return
    if not isinstance(value, (int, float)):
        kind = {str: "strings are", bytes: "strings are", complex: "complex numbers are", type(None): "None is",
                type(...): "'...' is"}.get(type(value), f"{type(value).__name__} is")
        raise refuse(f"{kind} not part of expressions", source, *_place(node, source))
    if abs(value) > MAX_NUMBER:
        raise refuse("the number is too large", source, *_place(node, source))
