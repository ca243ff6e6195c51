"""Quotients that have a limit where they are 0/0: ``sin(a*x)/x`` is a at x = 0.

So are ``(1 - exp(-k*x))/x``, ``3*(sin(u) - u*cos(u))/u**3``, ``x/(exp(x) - 1)``, ``log(x)/(x - 1)`` and ``1/tanh(x) - 1/x``: products,
quotients and differences that are 0/0, infinity by infinity, zero times infinity or the difference of two poles where one part u of the
formula vanishes, while their Laurent series about it (`gslfit.formula.laurent`) has no pole. There the value is that of the series. Beside
the place the first terms of the series are taken as long as the next ones are below a rounding error (`NEAR`), so that derivatives by
what u depends on, as by c in ``sin(x - c)/(x - c)``, don't cancel; further on the formula is as it was written.

Which terms are zero is decided by the formula, not by the values of its parameters, so the limit is right for all of them:
``sin(a*x - b)/x`` stays as NumPy has it, with b = 0 too. So does what has no series that is known (``x*log(x)/x``, ``sqrt(x)*sin(x)/x``).
And a factor does not cancel its own reciprocal: ``x/x`` is no number at 0.
"""
from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from itertools import pairwise
from operator import mul

import numpy as np

from gslfit.formula.factor_products import JUMPS
from gslfit.formula.graph import POINT, Graph, Node, Pool, below, rewrite, transplant
from gslfit.formula.guards import may_be_zero
from gslfit.formula.laurent import Laurent, NoSeries, Place, Sum, made, power_of, whole_power
from gslfit.formula.operations import OPERATIONS

TERMS = 4           # powers of a series that are taken
FURTHER = 2         # powers that say how far they hold
NEAR = 2.0**-16     # of the distance where a term is as large as the one before

Terms = list[tuple[int, Sum]]       # powers and their coefficients
Found = dict[Node, list[Laurent]]   # nodes of no number somewhere, and their series about these places


def quotients(graph: Graph) -> Graph:
    """Give quotients that are 0/0 somewhere their limits there."""
    order = graph.nodes()
    divisors = list(dict.fromkeys(divisor for node in order for divisor in _divisors(node)))
    if not divisors:
        return graph
    exact = {node for jump in order if jump.op in JUMPS for node in below(jump.args)}
    kept = _outermost(graph, _found(graph, exact, divisors))
    if not kept:
        return graph
    done: dict[Node, Node] = {}

    def rule(pool: Pool, node: Node, args: tuple[Node, ...]) -> Node:
        done[node] = node if args == node.args else pool.make(node.op, *args)
        if node in kept:
            done[node] = _with_limits(node, kept[node], done)
        return done[node]

    return rewrite(graph, rule)


def _divisors(node: Node) -> Iterable[Node]:
    """Yield what a node divides by that may be zero at some points."""
    if node.op in ("div", "recip"):
        divisor = node.args[-1]
    else:
        power = whole_power(node)
        if power is None or power >= 0:
            return
        divisor = node.args[0]
    if may_be_zero(divisor):
        yield divisor


def _places(divisor: Node) -> Iterable[Place]:
    """Yield places where a divisor may vanish: a part of it that does, and one that is another number there."""
    parts = [node for node in reversed(below([divisor])) if node.level == POINT]
    yield from (Place(node, node) for node in parts)
    for node in parts:
        if node.op in ("add", "sub"):
            a, b = node.args
            minus = node.op == "sub"
            if a.level == POINT and a not in below([b]):
                yield Place(node, a, b if minus else -b)                    # a - b = u
            if b.level == POINT and b not in below([a]):
                yield Place(node, b, a if minus else -a, -1 if minus else 1)


def _found(graph: Graph, exact: set[Node], divisors: list[Node]) -> Found:
    """Return the nodes that have a limit where they are of no number, with their series."""
    order = graph.nodes()
    found: Found = {}
    places: dict[Place, list[Node]] = {}
    for divisor in divisors:
        for place in _places(divisor):
            places.setdefault(place, []).append(divisor)
    for place, own in places.items():
        series = Laurent(place, order)
        if not any(_first(series, divisor) > 0 for divisor in own):
            continue
        taken = _taken(graph.roots, place) - exact
        for node in order:
            if (node in taken and node.level == POINT and series.moves(node) and _indeterminate(series, node)
                    and not _covered(series, found.get(node, [])) and _terms(series, node)):
                found.setdefault(node, []).append(series)
    return found


def _taken(roots: Iterable[Node], place: Place) -> set[Node]:
    """Return the nodes that the roots need at a place, without those of branches that aren't taken there (``where(x == 0, ...)``)."""
    found: set[Node] = set()
    known: dict[Node, float | None] = {}
    stack = list(roots)
    while stack:
        node = stack.pop()
        if node in found:
            continue
        found.add(node)
        condition = _number_at(node.args[0], place, known) if node.op == "select" else None
        stack.extend(node.args if condition is None else (node.args[0], node.args[1 if condition else 2]))
    return found


def _number_at(root: Node, place: Place, known: dict[Node, float | None]) -> float | None:
    """Return what a node is at a place; None where that isn't known without the parameters."""
    for node in below([root]):
        if node in known:
            continue
        args = [known[arg] for arg in node.args]
        if node is place.node:
            known[node] = 0.0 if place.base is None else None
        elif node.op == "const" or not args or None in args:
            known[node] = float(node.value) if node.op == "const" else None  # type: ignore[arg-type]
        else:
            with np.errstate(all="ignore"):
                known[node] = float(OPERATIONS[node.op].value(*args))
    return known[root]


def _first(series: Laurent, node: Node) -> int:
    """Return the power of a node's first term, 0 if it has no series."""
    try:
        return series.first(node)
    except NoSeries:
        return 0


def _covered(series: Laurent, known: list[Laurent]) -> bool:
    """Return whether what vanishes at a known place vanishes here too."""
    return any(_first(series, each.place.small) > 0 for each in known)


def _indeterminate(series: Laurent, node: Node) -> bool:
    """Return whether an operation is of no number at a place where its series has no pole."""
    if node.op not in ("div", "mul", "mulz", "add", "sub", "pow") or _cancels(node, series):
        return False
    try:
        a, b = map(series.first, node.args)
        if node.op == "pow":
            return b < 0 <= series.first(node)
        if node.op == "div":
            return (a > 0 and b > 0 and a >= b) or (a < 0 and b < 0 and a >= b)
        if node.op in ("mul", "mulz"):
            return min(a, b) < 0 < max(a, b) and a + b >= 0
        return a < 0 and b < 0 and not any(series.term(node, k) for k in range(min(a, b), 0))
    except NoSeries:
        return False


def _terms(series: Laurent, node: Node) -> Terms:
    """Return the first terms of a node's series that aren't zero; none if too few of them are known."""
    found: Terms = []
    first = 0
    try:
        first = series.first(node)
        for power in range(first, first + TERMS + FURTHER):
            term = series.term(node, power)
            if term:
                found.append((power, term))
    except NoSeries:
        if not found or power < max(2, first + 1):
            return []
        return [*found, (first + TERMS, Sum({}))]
    return found


def _with_limits(node: Node, each: list[Laurent], done: dict[Node, Node]) -> Node:
    """Return a node that is its series where something is small, multiplied by what needs none."""
    beside, core = _split(node, each)
    result, *factors = (transplant(node.pool, [part], done)[0] for part in (core, *beside))
    for series in each:
        terms = _terms(series, core)
        if terms:
            small = done.get(series.place.small, series.place.small)
            result = _with_series(result, small, terms)
    return reduce(mul, [*factors, result])


def _split(node: Node, each: list[Laurent]) -> tuple[list[Node], Node]:
    """Return the factors of a product that are no part of what has no value, and the product of the others."""
    if node.op not in ("mul", "mulz", "div"):
        return [], node
    beside: list[Node] = []
    over: list[Node] = []
    under: list[Node] = []
    for part, inverse in _factors(node, {series.place.node for series in each}):
        if part.level < POINT:
            beside.append(node.pool.make("recip", part) if inverse else part)
        elif not inverse and all(series.moves(part) and _regular(series, part) for series in each):
            beside.append(part)
        else:
            (under if inverse else over).append(part)
    core = reduce(mul, over) if over else node.pool.const(1.0)
    return beside, core/reduce(mul, under) if under else core


def _cancels(node: Node, series: Laurent) -> bool:
    """Return whether what has no value are factors that cancel each other, which stay: ``x/x`` is not 1."""
    parts = {part for part, _ in _factors(node, {series.place.node}, powers=True)}
    return parts != {node} and sum(series.moves(part) and not _regular(series, part) for part in parts) == 1


def _factors(node: Node, places: set[Node], powers: bool = False) -> Iterable[tuple[Node, bool]]:
    """Yield the factors of a product, and whether it is divided by them; with `powers` those of whole powers too."""
    stack = [(node, False)]
    while stack:
        part, inverse = stack.pop()
        power = whole_power(part) if powers else None
        if part not in places and part.op in ("mul", "mulz", "div"):
            stack += [(part.args[1], inverse ^ (part.op == "div")), (part.args[0], inverse)]
        elif part not in places and (power is not None or (powers and part.op in ("neg", "recip"))):
            stack.append((part.args[0], inverse ^ (part.op == "recip" or (power or 0) < 0)))
        else:
            yield part, inverse


def _regular(series: Laurent, node: Node) -> bool:
    """Return whether a node is neither zero nor infinite at a place."""
    try:
        return series.first(node) == 0
    except NoSeries:
        return False


def _with_series(node: Node, small: Node, terms: Terms) -> Node:
    """Return a node that is its series where something is small."""
    pool = node.pool
    order = terms[0][0] + TERMS
    nodes = [(power, _limited(made(pool, term))) for power, term in terms if term and power < order]
    last, result = nodes.pop()
    for power, factor in reversed(nodes):
        result, last = result*power_of(small, last - power) + factor, power
    result = result*power_of(small, last) if last else result
    return pool.make("select", pool.make("le", pool.make("abs", small), _reach(pool, terms)), result, node)


def _limited(node: Node) -> Node:
    """Return a coefficient with the limits of its own quotients."""
    if node.level < POINT:
        return node
    return quotients(Graph(node.pool, node, (), (), ())).value


def _reach(pool: Pool, terms: Terms) -> Node:
    """Return how large what is small may be where the first terms of a series are taken; 0 where that isn't known."""
    least: Node | None = None
    for (j, a), (k, b) in pairwise(terms):
        if not b:
            return pool.const(0.0)
        ratio = pool.make("abs", made(pool, a*b.inverse()))
        distance = ratio if k == j + 1 else pool.make("sqrt", ratio) if k == j + 2 else pool.make("pow", ratio, 1/(k - j))
        least = distance if least is None else pool.make("min", least, distance)
    if least is None:
        return pool.const(0.0)
    reach = NEAR*least
    return pool.make("select", pool.make("lt", reach, float("inf")), reach, 0.0)      # not a number, or no end


def _outermost(graph: Graph, found: Found) -> Found:
    """Leave out what is used only by what has a series of its own at the same place."""
    if not found:
        return {}
    order = graph.nodes()
    users: dict[Node, list[Node]] = {node: [] for node in order}
    for node in order:
        for arg in node.args:
            users[arg].append(node)
    roots = set(graph.roots)
    covered: dict[Node, set[Place]] = {}
    for node in reversed(order):
        own = [covered[user] | {series.place for series in found.get(user, ())} for user in users[node]]
        covered[node] = set() if node in roots or not own else set.intersection(*own)
    return {node: kept for node, each in found.items() if (kept := [series for series in each if series.place not in covered[node]])}
