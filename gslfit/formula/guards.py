"""Which parts of a formula may be infinite where the formula itself is finite: there their derivatives count as zero.

``1/(1 + (half/x)**slope)`` is 0 at x = 0, where half/x is infinite whatever half is: the point says nothing of half and slope, and its
derivatives by them are 0. The chain rule makes them 0 times infinity. So the derivative of such a part is guarded: it is 0 where the
part is infinite (operation ``guard``), and what multiplies it there counts for nothing (``mulz``).

Infinite for certain points are quotients and logarithms of what may be zero there, powers of it, and exponentials that overflow: several in
one sum (``exp(u) + exp(-u)``), or one in the exponent of another. Of these only those are guarded from which a way leads to the value by
something that is finite at infinity. Peaks, decays and sigmoids have none, and their programs no guards. A power whose exponent's sign
nobody knows, as that of a stretched exponential, is taken for one that is finite where its base is zero, but below a fraction line.
"""
from __future__ import annotations

from collections.abc import Iterable

from gslfit.formula.factor_products import GROWING, JUMPS
from gslfit.formula.graph import POINT, Node, below, is_const, nonnegative, nonzero, positive

AT_ZERO = frozenset(["recip", "rsqrt", "log", "log2", "log10", "gamma", "lgamma", "digamma", "y0", "y1", "k0", "k1", "k0e", "k1e"])
"""Operations that are infinite where their argument is zero."""
CARRIES = frozenset(["add", "sub", "mul", "mulz", "neg", "abs", "square", "cube", "sqrt", "cbrt", "exp", "exp2", "expm1", "sinh", "cosh",
                     "log", "log2", "log10", "log1p", "hypot", "asinh", "acosh", "min", "max", "select", "pow"])
"""Operations that may be infinite where an argument is."""
LOGIC = JUMPS | {"and", "or", "xor", "not"}
EXPONENTIALS = ("exp", "exp2", "expm1")
OF_FACTORS = frozenset(["select", "div", "mul", "neg", "abs", "square", "cube", "sqrt", "cbrt"])
"""Operations that are zero only where an argument is."""
PRODUCTS = ("mul", "div", "neg")


def guarded(root: Node) -> frozenset[Node]:
    """Return the nodes below a root whose derivatives are guarded."""
    order = below([root])
    infinite = set(_overflowing(order))         # what may be
    sure = set(infinite)                        # what is, with any exponents
    for node in order:
        if node.level < POINT:
            continue
        if infinite_itself(node) or any(_passes(node, k) and arg in infinite for k, arg in enumerate(node.args)):
            infinite.add(node)
        if (infinite_itself(node) and not _of_any_power(node)) or any(_passes(node, k) and arg in sure for k, arg in enumerate(node.args)):
            sure.add(node)
    if not infinite:
        return frozenset()
    found: set[Node] = set()
    for node in reversed(order):                # users come before what they use
        if node.op in LOGIC:
            continue
        for k, arg in enumerate(node.args):
            if arg in infinite and (node in found or not _passes(node, k) or (arg in sure and _may_end(node))):
                found.add(arg)
    return frozenset(found)


def inherits(node: Node, guards: frozenset[Node]) -> bool:
    """Return whether the derivative of a node is guarded by that of the one argument that it has it from."""
    others = [arg for arg in node.args if arg not in guards]
    return node.op in ("add", "sub", "neg", "mul", "div") and len(others) == len(node.args) - 1 and not any(arg.mask for arg in others)


def may_be_zero(node: Node) -> bool:
    """Return whether a node may be zero at some points, for all that its operations say."""
    if node.level < POINT or positive(node) or nonzero(node):
        return False
    if node.op in OF_FACTORS:
        return any(map(may_be_zero, node.args[1:] if node.op == "select" else node.args[:1] if node.op == "div" else node.args))
    return node.op != "recip"


def _nonpositive(node: Node) -> bool:
    """Return whether a node is surely not above zero wherever it is not NaN."""
    if is_const(node):
        return float(node.value) <= 0  # type: ignore[arg-type]
    if node.op == "neg":
        return nonnegative(node.args[0])
    if node.op in ("mul", "div"):
        a, b = node.args
        return (_nonpositive(a) and nonnegative(b)) or (nonnegative(a) and _nonpositive(b))
    return False


def infinite_itself(node: Node) -> bool:
    """Return whether a node may be infinite at points where its arguments are finite."""
    if node.op == "div":
        return may_be_zero(node.args[1])
    if node.op in ("pow", "powi"):
        base, power = node.args
        return may_be_zero(base) and not (is_const(power) and float(power.value) > 0)  # type: ignore[arg-type]
    return node.op in AT_ZERO and may_be_zero(node.args[0])


def _of_any_power(node: Node) -> bool:
    """Return whether a node is a power whose exponent may have either sign."""
    return node.op == "pow" and not is_const(node.args[1])


def _passes(node: Node, k: int) -> bool:
    """Return whether an operation may be infinite where its k-th argument is."""
    if node.op == "div":
        return k == 0
    if node.op == "powi":
        return k == 0 and float(node.args[1].value) > 0  # type: ignore[arg-type]
    if node.op in ("exp", "exp2"):
        return not _nonpositive(node.args[0])
    return node.op in CARRIES


def ends(node: Node, k: int) -> bool:
    """Return whether an operation may be finite where its k-th argument is infinite; its partial derivative is zero there then."""
    return not _passes(node, k) or node.op in EXPONENTIALS


def _may_end(node: Node) -> bool:
    """Return whether an operation that may be infinite where an argument is may be finite there too."""
    if node.op == "pow":
        power = node.args[1]
        return not (is_const(power) and float(power.value) > 0)  # type: ignore[arg-type]
    return node.op in EXPONENTIALS


def _overflowing(order: Iterable[Node]) -> Iterable[Node]:
    """Yield the exponentials that overflow where `gslfit.formula.factor_products` has no gate for them: of several in one sum, and in the
    exponent of another.
    """
    for node in order:
        if node.level < POINT:
            continue
        if node.op in ("add", "sub"):
            found = {part for term in _terms(node) for part in _growing(term)}
            if len({part.args for part in found}) > 1:
                yield from found
        elif node.op in GROWING:
            yield from (part for term in _terms(node.args[0]) for part in _growing(term))


def _terms(node: Node) -> list[Node]:
    """Return the terms of a sum."""
    found, stack = [], [node]
    while stack:
        part = stack.pop()
        if part.op in ("add", "sub"):
            stack.extend(part.args)
        else:
            found.append(part)
    return found


def _growing(term: Node) -> list[Node]:
    """Return the exponentials among a product's factors that have no limit."""
    found, stack = [], [term]
    while stack:
        part = stack.pop()
        if part.op in PRODUCTS:
            stack.extend(part.args)
        elif part.op in GROWING and part.level == POINT and not _nonpositive(part.args[0]):
            found.append(part)
    return found
