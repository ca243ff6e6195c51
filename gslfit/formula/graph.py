"""The graph of a formula: nodes that exist once, made by a pool; what depends on what.

A node is an operation on nodes. Leaves are constants (``const``), parameters (``par``) and independent variables (``x``). Equal nodes are
one node (hash-consing), so a shared subexpression is shared by construction, and a node's number is larger than its arguments': sorted by
number, the nodes below a root are in an order in which they can be evaluated.
"""
from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter

from gslfit.errors import ExpressionError
from gslfit.records import Record

MAX_NODES = 50_000
CONSTANT, SCALAR, POINT = 0, 1, 2  # what a node depends on at most: nothing, parameters, independent variables
BOUNDED = frozenset(["sin", "cos", "tanh", "erf"])  # by 1
NUMBER = attrgetter("number")
LEAVES = {"const": CONSTANT, "par": SCALAR, "x": POINT}


class Node:
    """One operation on other nodes; equal nodes of a pool are the same object."""

    __slots__ = ("args", "level", "mask", "number", "op", "pool", "value")

    def __init__(self, pool: Pool, op: str, args: tuple[Node, ...], value: float | str | None, level: int, mask: int):
        self.pool, self.op, self.args, self.value, self.level, self.mask = pool, op, args, value, level, mask
        self.number = len(pool.table)

    def __repr__(self) -> str:
        return show(self)

    def __reduce__(self) -> str:
        raise TypeError("nodes live in their pool: pickle the Formula")

    def __add__(self, other: Operand) -> Node:
        return self.pool.make("add", self, other)

    def __radd__(self, other: Operand) -> Node:
        return self.pool.make("add", other, self)

    def __sub__(self, other: Operand) -> Node:
        return self.pool.make("sub", self, other)

    def __rsub__(self, other: Operand) -> Node:
        return self.pool.make("sub", other, self)

    def __mul__(self, other: Operand) -> Node:
        return self.pool.make("mul", self, other)

    def __rmul__(self, other: Operand) -> Node:
        return self.pool.make("mul", other, self)

    def __truediv__(self, other: Operand) -> Node:
        return self.pool.make("div", self, other)

    def __rtruediv__(self, other: Operand) -> Node:
        return self.pool.make("div", other, self)

    def __pow__(self, other: Operand) -> Node:
        return self.pool.make("pow", self, other)

    def __neg__(self) -> Node:
        return self.pool.make("neg", self)


Operand = Node | float | int


class Pool:
    """Makes nodes, each once.

    Parameters
    ----------
    limit : int
        How many nodes it makes before it says that the formula is too large.
    """

    def __init__(self, limit: int = MAX_NODES):
        self.table: dict[tuple, Node] = {}
        self.limit = limit
        self.bits: dict[str, int] = {}

    def make(self, op: str, *operands: Operand) -> Node:
        """Return the node of an operation; numbers among the operands become constants."""
        args = tuple(operand if isinstance(operand, Node) else self.const(operand) for operand in operands)
        key = (op, *[arg.number for arg in args])
        node = self.table.get(key)
        if node is None:
            level, mask = CONSTANT, 0
            for arg in args:
                mask |= arg.mask
                if arg.level > level:
                    level = arg.level
            node = self.add(key, Node(self, op, args, None, level, mask))
        return node

    def add(self, key: tuple, node: Node) -> Node:
        """Take a new node into the table."""
        if len(self.table) >= self.limit:
            raise ExpressionError(f"the formula or its derivatives need more than {self.limit} operations: split it up or simplify it")
        self.table[key] = node
        return node

    def const(self, value: float) -> Node:
        """Return the constant of a number; 0.0 and -0.0 are two."""
        value = float(value)
        key = ("const", struct.pack("d", value))
        return self.table.get(key) or self.add(key, Node(self, "const", (), value, CONSTANT, 0))

    def leaf(self, op: str, name: str) -> Node:
        """Return the parameter (``par``) or independent variable (``x``) of a name."""
        key = (op, name)
        node = self.table.get(key)
        if node is None:
            mask = self.bits.setdefault(name, 1 << len(self.bits)) if op == "par" else 0
            node = self.add(key, Node(self, op, (), name, LEAVES[op], mask))
        return node


class Graph(Record):
    """A formula's value and its derivatives by the free names, as roots into one pool.

    Where `gslfit.formula.second_derivatives` found it worthwhile: `pairs`, nodes whose products (or each alone, where the second is None)
    the residual is summed with; `sums`, leaves that stand for the elements of J^T r, then for these sums; and `bends`, the sum of the
    residual times each second derivative, a triangle by rows, as functions of parameters and sums; None for zero.
    """

    pool: Pool
    value: Node
    columns: tuple[Node, ...]
    free: tuple[str, ...]
    independent: tuple[str, ...]
    pairs: tuple[tuple[Node, Node | None], ...] = ()
    sums: tuple[Node, ...] = ()
    bends: tuple[Node | None, ...] = ()

    @property
    def roots(self) -> tuple[Node, ...]:
        """The value, then the derivatives."""
        return (self.value, *self.columns)

    def nodes(self) -> list[Node]:
        """Return every node that the roots need, arguments first."""
        return below(self.roots)

    def replace(self, change: dict[Node, Node]) -> Graph:
        """Return the same with other roots."""
        return self._replace(value=change[self.value], columns=tuple(change[root] for root in self.columns))

    def __str__(self) -> str:
        further = [node for node in (*(node for pair in self.pairs for node in pair), *self.bends) if node]
        labels = {node: f"n{k}" for k, node in enumerate(node for node in below([*self.roots, *further]) if node.args)}

        def named(node: Node) -> str:
            return labels.get(node) or show(node)

        lines = [f"{label} = {node.op} {' '.join(map(named, node.args))}" for node, label in labels.items()]
        names = ["value", *[f"d/d{name}" for name in self.free]]
        lines += [f"{name} = {named(root)}" for name, root in zip(names, self.roots, strict=False)]
        lines += [f"{leaf.value} = sum of r * {' * '.join(named(node) for node in pair if node)}"
                  for leaf, pair in zip(self.sums[len(self.free):], self.pairs, strict=True)]
        places = [(one, other) for k, one in enumerate(self.free) for other in self.free[:k + 1]]
        lines += [f"r.d2/d{one}d{other} = {named(bend)}" for (one, other), bend in zip(places, self.bends, strict=False) if bend]
        return "\n".join(lines)


Rows = tuple[tuple[str, float | str | None, tuple[int, ...]], ...]


def rows_of(graph: Graph) -> Rows:
    """Return a graph's value as plain data, a row for each node, arguments first: ``(op, value, rows of its arguments)``."""
    order = below([graph.value])
    place = {node: k for k, node in enumerate(order)}
    return tuple((node.op, node.value, tuple(place[arg] for arg in node.args)) for node in order)


def from_rows(rows: Rows, independent: tuple[str, ...]) -> Graph:
    """Return the graph that `rows_of` wrote down, in a pool of its own."""
    pool, made = Pool(), []
    for op, value, args in rows:
        if op == "const":
            made.append(pool.const(value))  # type: ignore[arg-type]
        else:
            made.append(pool.leaf(op, str(value)) if op in LEAVES else pool.make(op, *[made[k] for k in args]))
    return Graph(pool, made[-1], (), (), independent)


def below(roots: Iterable[Node]) -> list[Node]:
    """Return every node that the roots need, arguments first."""
    seen = set(roots)
    stack = list(seen)
    while stack:
        for node in stack.pop().args:
            if node not in seen:
                seen.add(node)
                stack.append(node)
    return sorted(seen, key=NUMBER)


def rewrite(graph: Graph, rule: Callable[[Pool, Node, tuple[Node, ...]], Node]) -> Graph:
    """Apply a rule to every node, arguments first.

    Parameters
    ----------
    graph : Graph
    rule : callable
        ``rule(pool, node, args)`` gives the node to use instead of ``node``, whose arguments have become ``args``.
    """
    change: dict[Node, Node] = {}
    for node in graph.nodes():
        change[node] = rule(graph.pool, node, tuple(change[arg] for arg in node.args))
    return graph.replace(change)


def transplant(pool: Pool, roots: Sequence[Node], change: dict[Node, Node] | None = None) -> list[Node]:
    """Return the roots of another pool, made again in this one, with some leaves replaced."""
    change = dict(change or {})
    for node in below(roots):
        if node in change:
            continue
        if node.op == "const":
            assert isinstance(node.value, float)
            change[node] = pool.const(node.value)
        elif not node.args:
            change[node] = pool.leaf(node.op, str(node.value))
        else:
            change[node] = pool.make(node.op, *[change[arg] for arg in node.args])
    return [change[root] for root in roots]


def uses(graph: Graph) -> dict[Node, int]:
    """Return how many operations and roots use each node."""
    count: dict[Node, int] = {}
    for node in graph.nodes():
        for arg in node.args:
            count[arg] = count.get(arg, 0) + 1
    for root in graph.roots:
        count[root] = count.get(root, 0) + 1
    return count


def is_const(node: Node, value: float | None = None) -> bool:
    """Return whether a node is a constant (of that value)."""
    return node.op == "const" and (value is None or node.value == value)


def show(node: Node, depth: int = 6) -> str:
    """Return a node as nested calls, for people."""
    if not node.args:
        return f"{node.value:.17g}" if isinstance(node.value, float) else str(node.value)
    inside = ", ".join(show(arg, depth - 1) for arg in node.args) if depth else "..."
    return f"{node.op}({inside})"


def positive(node: Node, depth: int = 8) -> bool:
    """Return whether a node is known to be above zero wherever it is not NaN."""
    if is_const(node):
        return float(node.value) > 0  # type: ignore[arg-type]
    if not depth:
        return False
    if node.op in ("exp", "exp2", "cosh", "mulexp"):
        return True
    if node.op == "add":
        a, b = node.args
        if any(is_const(part) and float(part.value) > 1 and other.op in BOUNDED for part, other in ((a, b), (b, a))):  # type: ignore[arg-type]
            return True
        return (positive(a, depth - 1) and nonnegative(b, depth - 1)) or (nonnegative(a, depth - 1) and positive(b, depth - 1))
    if node.op in ("mul", "div", "sqrt", "recip", "hypot"):
        return all(positive(arg, depth - 1) for arg in node.args)
    return node.op == "max" and any(positive(arg, depth - 1) for arg in node.args)


def nonnegative(node: Node, depth: int = 8) -> bool:
    """Return whether a node is known not to be below zero wherever it is not NaN."""
    if is_const(node):
        return float(node.value) >= 0  # type: ignore[arg-type]
    if not depth:
        return False
    if node.op in ("square", "abs", "sqrt", "hypot") or positive(node, depth):
        return True
    if node.op in ("mul", "div"):
        return all(nonnegative(factor, depth - 1) for factor in _odd_factors(node))
    if node.op in ("pow", "powi") and is_const(node.args[1]):
        power = float(node.args[1].value)  # type: ignore[arg-type]
        return power == math.floor(power) and power % 2 == 0
    return node.op == "add" and all(nonnegative(arg, depth - 1) for arg in node.args)


def _odd_factors(node: Node) -> set[Node]:
    """Return the factors and divisors of a product that it has an odd number of times."""
    odd: set[Node] = set()
    stack = [node]
    while stack:
        part = stack.pop()
        if part.op in ("mul", "div"):
            stack.extend(part.args)
        else:
            odd ^= {part}
    return odd


def nonzero(node: Node, depth: int = 8) -> bool:
    """Return whether a node is known not to be zero for finite arguments, but for underflow."""
    if is_const(node):
        return node.value != 0
    if not depth:
        return False
    if node.op in ("recip", "neg", "mul", "div", "square", "cube"):
        args = node.args if node.op not in ("recip", "div") else node.args[:-1]
        return all(nonzero(arg, depth - 1) for arg in args)
    return positive(node, depth)
