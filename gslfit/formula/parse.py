"""A formula's text -> its graph.

The closed grammar (`gslfit.constraints.grammar`) has checked the text before; here each node of Python's tree becomes a node of the graph.
A name is an independent variable, a name assigned on a line before, a constant (pi, e), or else a parameter.
"""
from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping

from gslfit.constraints.grammar import NUMERIC, parse
from gslfit.errors import ExpressionError
from gslfit.formula.function_names import ARITIES, CONSTANTS, FUNCTIONS
from gslfit.formula.graph import Node, Pool

BINARY: dict[type, str] = {ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "div", ast.Pow: "pow", ast.Mod: "mod",
                           ast.BitAnd: "and", ast.BitOr: "or"}
COMPARISONS: dict[type, str] = {ast.Lt: "lt", ast.LtE: "le", ast.Gt: "gt", ast.GtE: "ge", ast.Eq: "eq", ast.NotEq: "ne"}
TRUTHS = frozenset(("lt", "le", "gt", "ge", "eq", "ne", "and", "or", "xor", "not", "isnan", "isinf", "isfinite"))
"""Operations whose value is a truth value."""


class Reader:
    """Turns one text's trees into nodes.

    Parameters
    ----------
    pool : Pool
    names : mapping of str to Node
        What names stand for; a name that is not in it goes to `other`.
    other : callable
        ``other(name)`` gives the node of any other name.
    """

    def __init__(self, pool: Pool, names: Mapping[str, Node], other: Callable[[str], Node], text: str):
        self.pool, self.names, self.other, self.text = pool, dict(names), other, text

    def read(self, tree: ast.expr) -> Node:
        """Return the node of a tree."""
        return getattr(self, f"read_{type(tree).__name__}")(tree)

    def read_Constant(self, tree: ast.Constant) -> Node:
        return self.pool.const(float(tree.value))  # type: ignore[arg-type]

    def read_Name(self, tree: ast.Name) -> Node:
        return self.names.get(tree.id) or self.other(tree.id)

    def read_BinOp(self, tree: ast.BinOp) -> Node:
        # a sum of many terms is a deep tree to the left: follow it in a loop
        spine: list[ast.BinOp] = []
        left: ast.expr = tree
        while isinstance(left, ast.BinOp):
            spine.append(left)
            left = left.left
        node = self.read(left)
        for part in reversed(spine):
            node = self.join(part, node, self.read(part.right))
        return node

    def join(self, tree: ast.BinOp, a: Node, b: Node) -> Node:
        """Return the node of an operator."""
        kind = type(tree.op)
        if kind is ast.FloorDiv:
            return self.pool.make("floor", self.pool.make("div", a, b))
        if kind in (ast.BitAnd, ast.BitOr):
            for arg in (a, b):
                if arg.op not in TRUTHS:
                    raise ExpressionError("'&' and '|' join conditions: put each comparison into parentheses, as in '(x > a) & (x < b)', "
                                          f"in {self.text!r:.100}", self.text, tree.col_offset + 1)
        return self.pool.make(BINARY[kind], a, b)

    def read_UnaryOp(self, tree: ast.UnaryOp) -> Node:
        arg = self.read(tree.operand)
        if isinstance(tree.op, ast.USub):
            return self.pool.const(-float(arg.value)) if arg.op == "const" else -arg  # type: ignore[arg-type]
        if isinstance(tree.op, ast.UAdd):
            return arg
        if isinstance(tree.op, ast.Invert) and arg.op not in TRUTHS:
            raise ExpressionError(f"'~' turns a condition round, as in '~(x > a)', in {self.text!r:.100}", self.text, tree.col_offset + 1)
        return self.pool.make("not", arg)

    def read_BoolOp(self, tree: ast.BoolOp) -> Node:
        """Read `a and b`, which is b where a is true, else a; the other way round for `or`."""
        node, *rest = [self.read(value) for value in tree.values]
        both = isinstance(tree.op, ast.And)
        for other in rest:
            if node.op in TRUTHS and other.op in TRUTHS:
                node = self.pool.make("and" if both else "or", node, other)
            else:
                node = self.pool.make("select", node, *((other, node) if both else (node, other)))
        return node

    def read_Compare(self, tree: ast.Compare) -> Node:
        node, left = None, self.read(tree.left)
        for comparison, right_tree in zip(tree.ops, tree.comparators, strict=True):
            right = self.read(right_tree)
            part = self.pool.make(COMPARISONS[type(comparison)], left, right)
            node = part if node is None else self.pool.make("and", node, part)
            left = right
        assert node is not None
        return node

    def read_IfExp(self, tree: ast.IfExp) -> Node:
        return self.pool.make("select", self.read(tree.test), self.read(tree.body), self.read(tree.orelse))

    def read_Call(self, tree: ast.Call) -> Node:
        assert isinstance(tree.func, ast.Name)
        return FUNCTIONS[tree.func.id].build(*[self.read(arg) for arg in tree.args])


def read_formula(pool: Pool, text: str, independent: tuple[str, ...]) -> tuple[Node, tuple[str, ...]]:
    """Read a formula.

    Parameters
    ----------
    pool : Pool
    text : str
        One expression, or several lines of assignments ending in one.
    independent : tuple of str
        Names of the independent variables.

    Returns
    -------
    value : Node
    parameters : tuple of str
        The other names, in order of appearance.

    Raises
    ------
    ExpressionError
        If the text is not a formula; it has the column.
    """
    parsed = parse(text, functions=ARITIES, nodes=NUMERIC, assignments=True)
    fixed = {name: pool.leaf("x", name) for name in independent}
    fixed |= {name: pool.const(number) for name, number in CONSTANTS.items() if name not in fixed}
    parameters = tuple(name for name in parsed.names if name not in fixed)
    for target, tree in parsed.lines[:-1]:
        if target in independent:
            raise ExpressionError(f"{target!r} is an independent variable and can't be assigned, in {text!r:.100}", text,
                                  tree.col_offset + 1)
        if target in parameters:
            raise ExpressionError(f"{target!r} is used before the line that assigns it, in {text!r:.100}", text, tree.col_offset + 1)
    reader = Reader(pool, fixed, lambda name: pool.leaf("par", name), parsed.text)
    for name in parameters:
        pool.leaf("par", name)
    value = fixed.get("")
    for target, tree in parsed.lines:
        value = reader.read(tree)
        if target is not None:
            reader.names[target] = value
    assert value is not None
    return value, parameters


def split_sum(text: str) -> list[str]:
    """Return the terms of a formula that is a sum, as texts of formulas; of any other the formula itself.

    Lines of assignments stay in front of each term.

    Examples
    --------
    >>> split_sum("A*exp(-x/tau) - (b*x - c)")
    ['A * exp(-x / tau)', '-(b * x)', 'c']
    """
    parsed = parse(text, functions=ARITIES, nodes=NUMERIC, assignments=True)
    before = "".join(f"{target} = {ast.unparse(tree)}\n" for target, tree in parsed.lines[:-1])

    def terms(tree: ast.expr, positive: bool) -> Iterator[ast.expr]:
        if isinstance(tree, ast.BinOp) and isinstance(tree.op, ast.Add | ast.Sub):
            yield from terms(tree.left, positive)
            yield from terms(tree.right, positive is isinstance(tree.op, ast.Add))
        elif isinstance(tree, ast.UnaryOp) and isinstance(tree.op, ast.USub | ast.UAdd) and isinstance(tree.operand, ast.BinOp):
            yield from terms(tree.operand, positive is isinstance(tree.op, ast.UAdd))
        else:
            yield tree if positive else ast.UnaryOp(ast.USub(), tree)

    return [before + ast.unparse(tree) for tree in terms(parsed.lines[-1][1], True)]


def read_constraint(pool: Pool, text: str, names: Mapping[str, Node]) -> Node:
    """Read the `expr` of a parameter, whose names stand for nodes.

    Raises
    ------
    ExpressionError
        If the text can't be a formula, or names something unknown.
    """
    def unknown(name: str) -> Node:
        raise ExpressionError(f"{name!r} is no parameter, in {text!r:.100}", text)

    parsed = parse(text, functions=ARITIES, nodes=NUMERIC)
    constants = {name: pool.const(number) for name, number in CONSTANTS.items()}
    return Reader(pool, {**constants, **names}, unknown, parsed.text).read(parsed.value)


