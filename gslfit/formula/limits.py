"""Products with a logarithm that have a limit where the logarithm is infinite: ``x*log(x)`` is 0 at x = 0.

A product in which one factor vanishes where a logarithm's argument does, or where it grows without end, is made with the operation
``mulz``, which is 0 where its first factor is: the entropy of a mixture, ``c*log(c) + (1 - c)*log(1 - c)``, is 0 at both ends. It is made
so only where both have it from one part u of the formula, so that the limit is sure: u**k*log(v*u**m) goes to 0 with u for all k > 0. A
product of which that isn't known stays as NumPy has it, NaN (``x*log(y)`` where both are 0).
"""
from __future__ import annotations

from functools import reduce

from gslfit.formula.factor_products import JUMPS, MULTIPLICATIVE, Monomial, monomial
from gslfit.formula.graph import POINT, Graph, Node, Pool, below, is_const, rewrite
from gslfit.formula.guards import infinite_itself

LOGARITHMS = frozenset(["log", "log2", "log10", "log1p"])
POWERS = frozenset(["sqrt", "cbrt", "abs", "pow", "powi"])
"""Operations that vanish where their first argument does, or, as a power of unknown sign, are infinite there."""

Place = Node | frozenset[Node]      # where something vanishes: at a node's zero, or where two are the same


class Views(dict[Node, Monomial]):
    """The nodes looked at, arguments first, each as a product.

    Attributes
    ----------
    infinite : set of Node
        Those that may be infinite, or parts of which may be, and not only where a logarithm is.
    logarithms : dict of Node to set of Node
        The logarithms where a node is infinite.
    """

    def __init__(self) -> None:
        super().__init__()
        self.infinite: set[Node] = set()
        self.logarithms: dict[Node, set[Node]] = {}


def limits(graph: Graph) -> Graph:
    """Give a formula the limits that it has where its parts have no value."""
    from gslfit.formula.quotients import quotients  # not before a formula is compiled: it needs exact fractions
    return quotients(_products(graph))


def _products(graph: Graph) -> Graph:
    """Give products with a logarithm their limits where it is infinite."""
    order = graph.nodes()
    if not any(node.op in LOGARITHMS and node.level == POINT for node in order):
        return graph
    exact = {node for jump in order if jump.op in JUMPS for node in below(jump.args)}
    views = Views()
    made: dict[Node, Node] = {}

    def rule(pool: Pool, node: Node, args: tuple[Node, ...]) -> Node:
        view = monomial(node, views) if node.op in MULTIPLICATIVE and node not in exact else None
        if is_const(node):
            view = Monomial(float(node.value), {})  # type: ignore[arg-type]
        views[node] = view or Monomial(1.0, {node: 1})
        if not views.infinite.isdisjoint(node.args) or (node.op not in LOGARITHMS and infinite_itself(node)):
            views.infinite.add(node)
        gated = _gated(views[node], views)
        if gated and view and view.coefficient:
            made[node] = _product(pool, view, gated, made)
        else:
            made[node] = node if args == node.args else pool.make(node.op, *args)
        return made[node]

    return rewrite(graph, rule)


def _gated(view: Monomial, views: Views) -> tuple[set[Node], set[Node]] | None:
    """Return the factors of a product that vanish where others are infinite as logarithms are, and these; None if there are none."""
    above = [node for node, power in view.powers.items() if power > 0 and node.level == POINT]
    logs = {node: found for node in above if (found := _logarithms(node, views))}
    if not logs:
        return None
    zero: set[Node] = set()
    infinite: set[Node] = set()
    for node, found in logs.items():
        ends = {place for log in found for place in _ends(log, views)}
        vanishing = {other for other in above if other not in logs and _zeros(other, views) & ends}
        zero |= vanishing
        infinite |= {node} if vanishing else set()
    return (zero, infinite) if zero else None


def _product(pool: Pool, view: Monomial, gated: tuple[set[Node], set[Node]], made: dict[Node, Node]) -> Node:
    """Return a product, made of the new nodes, in which what is gated vanishes where its first factors do."""
    def multiply(nodes: list[Node]) -> Node:
        return reduce(lambda a, b: a * b, [_power(made[node], abs(view.powers[node])) for node in nodes])

    zero, infinite = ([node for node in view.powers if node in part] for part in gated)
    result = pool.make("mulz", multiply(zero), multiply(infinite))
    others = [node for node in view.powers if node not in gated[0] and node not in gated[1]]
    above, under = ([node for node in others if view.powers[node]*sign > 0] for sign in (1, -1))
    result = multiply(above) * result if above else result
    result = result / multiply(under) if under else result
    return result if view.coefficient == 1 else view.coefficient * result


def _power(node: Node, power: int) -> Node:
    """Return a whole power above zero."""
    return node if power == 1 else node.pool.make("square", node) if power == 2 else node.pool.make("powi", node, float(power))


def _logarithms(node: Node, views: Views) -> set[Node]:
    """Return the logarithms where a factor is infinite: it is one, a power of one, or a sum with one that is infinite nowhere else."""
    found = views.logarithms.get(node)
    if found is None:
        sums = node.op in ("add", "sub") and node not in views.infinite
        parts = node.args if sums else node.args[:1] if node.op in POWERS else ()
        found = {node} if node.op in LOGARITHMS else {log for part in parts for base, power in views[part].powers.items() if power > 0
                                                      for log in _logarithms(base, views)}
        views.logarithms[node] = found
    return found


def _place(node: Node) -> Place:
    """Return where a node vanishes: a difference where two nodes are the same, whichever is subtracted."""
    return frozenset(node.args) if node.op == "sub" else node


def _zeros(node: Node, views: Views) -> set[Place]:
    """Return the places where a factor vanishes as a power."""
    if node.op not in POWERS:
        return {_place(node)} if node.level == POINT else set()
    if node.op != "abs" and len(node.args) > 1 and is_const(node.args[1]) and not float(node.args[1].value) > 0:  # type: ignore[arg-type]
        return set()
    return {place for base, power in views[node.args[0]].powers.items() if power > 0 for place in _zeros(base, views)}


def _ends(log: Node, views: Views) -> set[Place]:
    """Return the places where a logarithm's argument vanishes, or grows without end, as a power."""
    argument = log.args[0]
    view = views[argument]
    if log.op != "log1p":
        return {place for base in view.powers for place in _zeros(base, views) | _poles(base, views)}
    one = argument.pool.const(1.0)
    factors = list(view.powers.items())
    if view.coefficient == -1 and len(factors) == 1 and factors[0][1] == 1 and factors[0][0].level == POINT:
        return {frozenset((one, factors[0][0]))}
    return {place for base, power in factors if power < 0 for place in _zeros(base, views)}


def _poles(node: Node, views: Views) -> set[Place]:
    """Return the places where a sum grows without end with one of its terms."""
    if node.op not in ("add", "sub"):
        return set()
    return {place for term in node.args for base, power in views[term].powers.items() if power < 0 for place in _zeros(base, views)}
