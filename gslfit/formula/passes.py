"""The passes over a graph, in order. Each is a pure function from graph to graph; `PASSES` is the pipeline.

What they may change: the order of multiplications, and a division into a multiplication by a reciprocal, a rounding error or two. What they
may not: a NaN or an infinity of the formula's own value into a number (``0*x`` and ``x/x`` stay; but ``x*log(x)`` is its limit at 0, see
`gslfit.formula.limits`), and anything below a comparison or a rounding, where one rounding error can be a jump (``floor(x/0.1)`` divides).
"""
from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from gslfit.formula.derivative import differentiate
from gslfit.formula.factor_products import share_products
from gslfit.formula.graph import Graph, Node, Pool, is_const, rewrite, uses
from gslfit.formula.limits import limits
from gslfit.formula.operations import OPERATIONS

Rule = Callable[[Pool, Node, tuple[Node, ...]], "Node | None"]


def number(node: Node) -> float:
    """Return the value of a constant."""
    assert isinstance(node.value, float)
    return node.value


def fold_constants(graph: Graph) -> Graph:
    """Evaluate what depends on constants alone."""
    def rule(pool: Pool, node: Node, args: tuple[Node, ...]) -> Node:
        if not args:
            return node
        if all(arg.op == "const" for arg in args):
            with np.errstate(all="ignore"):
                return pool.const(float(OPERATIONS[node.op].value(*[arg.value for arg in args])))
        return node if args == node.args else pool.make(node.op, *args)

    return rewrite(graph, rule)


def simplify_sum(pool: Pool, op: str, a: Node, b: Node) -> Node | None:
    """Simplify x + 0, x - 0, 0 - x, x + -y, x - -y."""
    if is_const(b, 0.0):
        return a
    if op == "add":
        if is_const(a, 0.0):
            return b
        if b.op == "neg":
            return simplified(pool, "sub", a, b.args[0])
        if a.op == "neg":
            return simplified(pool, "sub", b, a.args[0])
    elif is_const(a, 0.0):
        return simplified(pool, "neg", b)
    elif b.op == "neg":
        return simplified(pool, "add", a, b.args[0])
    return None


def simplify_product(pool: Pool, op: str, a: Node, b: Node) -> Node | None:
    """Simplify x*1, x*-1, x*x, x/1, x/2**k."""
    if op == "mul":
        if is_const(a):
            a, b = b, a
        if is_const(b, 1.0):
            return a
        if is_const(b, -1.0):
            return simplified(pool, "neg", a)
        return pool.make("square", a) if a is b else None
    if is_const(b, 1.0):
        return a
    if is_const(b) and math.frexp(number(b))[0] in (0.5, -0.5) and 1e-300 < abs(number(b)) < 1e300:
        return pool.make("mul", a, 1 / number(b))  # exact
    return None


POWERS: dict[float, Callable[[Pool, Node], Node]] = {
    1.0: lambda pool, a: a,
    2.0: lambda pool, a: pool.make("square", a),
    3.0: lambda pool, a: pool.make("cube", a),
    -1.0: lambda pool, a: pool.make("recip", a),
    -2.0: lambda pool, a: pool.make("recip", pool.make("square", a)),
    0.5: lambda pool, a: pool.make("sqrt", a),
    -0.5: lambda pool, a: pool.make("rsqrt", a),
}


def simplify_power(pool: Pool, op: str, a: Node, b: Node) -> Node | None:
    """Simplify whole and half powers to multiplications and roots; powers of e and 2."""
    if is_const(b):
        power = number(b)
        if power == 0:
            return pool.const(1.0)
        if power in POWERS:
            return POWERS[power](pool, a)
        if power == math.floor(power) and abs(power) <= 1024:
            return pool.make("powi", a, b) if op != "powi" else None
    elif is_const(a) and op == "pow":
        if number(a) == math.e:
            return pool.make("exp", b)
        if number(a) == 2:
            return pool.make("exp2", b)
    return None


def simplify_mulz(pool: Pool, op: str, a: Node, b: Node) -> Node | None:
    """Drop the gate of a product with a number that isn't zero."""
    return simplified(pool, "mul", a, b) if is_const(a) and number(a) else None


def simplify_neg(pool: Pool, op: str, a: Node) -> Node | None:
    """Simplify -(-x), -(x - y)."""
    if a.op == "neg":
        return a.args[0]
    return pool.make("sub", a.args[1], a.args[0]) if a.op == "sub" else None


def simplify_select(pool: Pool, op: str, condition: Node, yes: Node, no: Node) -> Node | None:
    """Simplify a branch whose condition is known, or that doesn't matter."""
    if yes is no:
        return yes
    if condition.op == "const":
        return yes if number(condition) else no
    return None


def simplify_even(pool: Pool, op: str, a: Node) -> Node | None:
    """Simplify abs, square and cosh of -x and abs(x)."""
    return pool.make(op, a.args[0]) if a.op == "neg" or (a.op == "abs") else None


SIMPLIFIERS: dict[str, Callable[..., Node | None]] = {
    "add": simplify_sum, "sub": simplify_sum, "mul": simplify_product, "div": simplify_product, "pow": simplify_power,
    "powi": simplify_power, "mulz": simplify_mulz, "neg": simplify_neg, "select": simplify_select, "abs": simplify_even,
    "square": simplify_even, "cosh": simplify_even, "mov": lambda pool, op, a: a,
}


def simplified(pool: Pool, op: str, *args: Node) -> Node:
    """Return the node of an operation, in its simplest form."""
    simplifier = SIMPLIFIERS.get(op)
    return (simplifier and simplifier(pool, op, *args)) or pool.make(op, *args)


def simplify(graph: Graph) -> Graph:
    """Apply identities that are exact, and write powers as multiplications or roots."""
    return rewrite(graph, lambda pool, node, args: simplified(pool, node.op, *args) if args else node)


def fuse_sum(op: str, a: Node, b: Node, single: Callable[[Node, str], bool]) -> tuple | None:
    """Fuse a*b + c and its like."""
    for product, other, fused in ((a, b, "fma" if op == "add" else "fms"), (b, a, "fma" if op == "add" else "fnma")):
        if single(product, "mul"):
            return fused, *product.args, other
        if single(product, "square"):
            if fused == "fma":
                return "squareadd", product.args[0], other
            return fused, product.args[0], product.args[0], other
    return None


def fuse_product(op: str, a: Node, b: Node, single: Callable[[Node, str], bool]) -> tuple | None:
    """Fuse a*b*c, (a + b)*c, a/b and their like."""
    for first, second in ((a, b), (b, a)):
        if single(second, "recip"):
            return "div", first, second.args[0]
    for inner, fused in (("mul", "mulmul"), ("sub", "submul"), ("add", "addmul")):
        for first, second in ((a, b), (b, a)):
            if single(first, inner):
                return fused, *first.args, second
            if inner == "mul" and single(first, "square"):
                return "mulmul", first.args[0], first.args[0], second
    return None


def fuse_exp(op: str, a: Node, single: Callable[[Node, str], bool]) -> tuple | None:
    """Fuse exp(a*b), exp(a*a*b)."""
    if single(a, "neg"):
        return "mulexp", a.args[0], -1.0
    if single(a, "mulmul") and a.args[0] is a.args[1]:
        return "squareexp", a.args[0], a.args[2]
    if not single(a, "mul"):
        return None
    for first, second in (a.args, a.args[::-1]):
        if single(first, "square"):
            return "squareexp", first.args[0], second
    return "mulexp", *a.args


def fuse_square(op: str, a: Node, single: Callable[[Node, str], bool]) -> tuple | None:
    """Fuse (a - b)**2."""
    return ("subsquare", *a.args) if single(a, "sub") else None


FUSERS: dict[str, Callable[..., tuple | None]] = {
    "add": fuse_sum, "sub": fuse_sum, "mul": fuse_product, "exp": fuse_exp, "square": fuse_square,
    "recip": lambda op, a, single: ("rsqrt", a.args[0]) if single(a, "sqrt") else None,
}


def fuse(graph: Graph) -> Graph:
    """Fuse two or three operations into one, where the inner ones have no other use."""
    count = uses(graph)
    origin: dict[Node, Node] = {}
    level = 0

    def single(node: Node, op: str) -> bool:
        return node.op == op and node.level == level and count.get(origin.get(node, node), 0) == 1

    def rule(pool: Pool, node: Node, args: tuple[Node, ...]) -> Node:
        nonlocal level
        level = node.level
        fuser = FUSERS.get(node.op)
        fused = fuser(node.op, *args, single) if fuser else None
        made = pool.make(*fused) if fused else node if args == node.args else pool.make(node.op, *args)
        origin.setdefault(made, node)
        return made

    return rewrite(graph, rule)


PASSES: tuple[Callable[[Graph], Graph], ...] = (
    fold_constants, simplify, limits, differentiate, fold_constants, simplify, share_products, fuse)
"""From a formula's graph to one that lowers to its program, instruction by instruction."""
