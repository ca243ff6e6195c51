"""Second derivatives for Newton's steps near the end of a fit: the pass `second_derivatives`.

A step of Newton's needs, beside J^T J, the sum over the points of the residual r times the second derivatives. Evaluated as they are, they
cost more than the steps save. But each is a sum of products, and what depends on parameters alone comes out of the sum over the points:
what is left are a few monomials of what changes with the point. Of most of these the sum with r is known: a Gaussian's second derivative
by amplitude and centre is its column by the centre times a scalar. What is known is found by equations that are linear in the sums: each
column of the Jacobian is one (its sum with r is an element of J^T r), and so is each sum among the factors (``d = 1 + z**2`` times
whatever). What is left needs a sum of its own, of r times a product of two columns: two for a Gaussian peak, one for a decay.

The result is a part of the program that is run on request (`docs/development.md`, "A formula's program"). Where it would cost more than
it saves, or where a derivative is a matter of branches, there is none.
"""
from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from gslfit.errors import ExpressionError
from gslfit.formula.graph import POINT, Graph, Node, Pool, below
from gslfit.formula.operations import OPERATIONS

Powers = frozenset  # of (node, whole power), each node once
Terms = dict        # coefficients by powers: a sum of products
ONE: Powers = frozenset()

MOST_NODES = 500    # of a graph that is looked at,
MOST_TERMS = 200    # of a second derivative: beyond that nothing is gained
MOST_SUMS = 12      # that are new
MOST_COST = 1.0     # of what an evaluation takes without them: worth it where Gauss-Newton is slow
CHEAP = frozenset(["add", "sub", "mul", "div", "neg", "abs", "square", "cube", "recip", "sqrt", "rsqrt", "fma", "fms", "fnma", "mulmul",
                   "mulz", "iffinite", "addmul", "submul", "subsquare", "squareadd", "min", "max", "powi", "select", "sign"])
DEAR = 8            # cheap operations, what any other takes;
SUM, GROUP = .75, 1.25  # of these a sum takes, and sums with a factor in common besides;
ELEMENT = .5        # and an element of the second derivatives, by point

UNFUSED: dict[str, Callable[..., Node]] = {
    "fma": lambda a, b, c: a * b + c, "fms": lambda a, b, c: a * b - c, "fnma": lambda a, b, c: c - a * b,
    "addmul": lambda a, b, c: (a + b) * c, "submul": lambda a, b, c: (a - b) * c,
    "subsquare": lambda a, b: (a - b).pool.make("square", a - b), "squareadd": lambda a, b: a.pool.make("square", a) + b,
    "mulexp": lambda a, b: a * b, "squareexp": lambda a, b: a.pool.make("square", a) * b, "mov": lambda a: a,
}
"""What the last pass has fused, in simple operations; of exponentials the exponent."""


class NoneFoundError(Exception):
    """There are no second derivatives that would be worth it."""


def times(a: Terms, b: Terms) -> Terms:
    """Return the product of two sums of products."""
    found: Terms = {}
    for one, first in a.items():
        for other, second in b.items():
            powers = dict(one)
            for node, power in other:
                powers[node] = powers.get(node, 0) + power
            key = frozenset((node, power) for node, power in powers.items() if power)
            found[key] = found.get(key, 0.0) + first * second
    if len(found) > MOST_TERMS:
        raise NoneFoundError
    return {key: value for key, value in found.items() if value}


def plus(a: Terms, b: Terms, factor: float = 1.0) -> Terms:
    """Return a + factor*b."""
    found = dict(a)
    for key, value in b.items():
        found[key] = found.get(key, 0.0) + factor * value
    return {key: value for key, value in found.items() if value}


def to_power(a: Terms, power: int) -> Terms:
    """Return a single product to a whole power."""
    (powers, value), = a.items()
    return {frozenset((node, old * power) for node, old in powers): value**power}


def split(powers: Powers) -> tuple[Powers, Powers]:
    """Return what of a product changes with the point, and the rest."""
    point = frozenset(part for part in powers if part[0].level == POINT)
    return point, powers - point


class Expansion:
    """Nodes as sums of products, and the derivatives of these."""

    def __init__(self) -> None:
        self.known: dict[Node, Terms] = {}
        self.slopes: dict[tuple[Node, str], Terms] = {}

    def of(self, node: Node) -> Terms:
        """Return a node as a sum of products; a sum that is a factor stays one."""
        found = self.known.get(node)
        if found is None:
            found = self.known[node] = self._of(node)
        return found

    def _of(self, node: Node) -> Terms:
        args = node.args
        match node.op:
            case "const":
                return {ONE: float(node.value)} if node.value else {}  # type: ignore[arg-type]
            case "add":
                return plus(self.of(args[0]), self.of(args[1]))
            case "sub":
                return plus(self.of(args[0]), self.of(args[1]), -1.0)
            case "neg":
                return plus({}, self.of(args[0]), -1.0)
            case "iffinite":
                return self.of(args[1])
            case "fma" | "fms" | "fnma" | "addmul" | "submul" | "subsquare" | "squareadd" | "mov":
                return self.of(UNFUSED[node.op](*args))
            case "mul" | "mulz":
                return times(self.factor(args[0]), self.factor(args[1]))
            case "mulmul":
                return times(times(self.factor(args[0]), self.factor(args[1])), self.factor(args[2]))
            case "div":
                return times(self.factor(args[0]), self.power(args[1], -1))
            case "recip":
                return self.power(args[0], -1)
            case "square":
                return self.power(args[0], 2)
            case "cube":
                return self.power(args[0], 3)
            case "powi":
                return self.power(args[0], int(args[1].value))  # type: ignore[arg-type]
            case _:
                return {frozenset([(node, 1)]): 1.0}

    def factor(self, node: Node) -> Terms:
        """Return a node as one product."""
        found = self.of(node)
        return found if len(found) < 2 else {frozenset([(node, 1)]): 1.0}

    def power(self, node: Node, power: int) -> Terms:
        """Return a node to a whole power, as one product."""
        found = self.factor(node)
        if not found:
            raise NoneFoundError
        return to_power(found, power)

    def slope(self, terms: Terms, name: str, bit: int) -> Terms:
        """Return the derivative of a sum of products."""
        found: Terms = {}
        for powers, value in terms.items():
            for node, power in powers:
                if not node.mask & bit:
                    continue
                rest = powers - {(node, power)} | ({(node, power - 1)} if power != 1 else set())
                found = plus(found, times({rest: value * power}, self.of_factor(node, name, bit)))
        return found

    def of_factor(self, node: Node, name: str, bit: int) -> Terms:
        """Return the derivative of a factor."""
        found = self.slopes.get((node, name))
        if found is None:
            found = self.slopes[node, name] = self._of_factor(node, name, bit)
        return found

    def _of_factor(self, node: Node, name: str, bit: int) -> Terms:
        if not node.args:
            return {ONE: 1.0}
        if node.op in ("mulexp", "squareexp"):
            return times({frozenset([(node, 1)]): 1.0}, self.slope(self.of(UNFUSED[node.op](*node.args)), name, bit))
        terms = self.of(node)
        if terms != {frozenset([(node, 1)]): 1.0}:
            return self.slope(terms, name, bit)
        operation = OPERATIONS[node.op]
        if operation.partials is None or operation.tangent or operation.singular(node):
            raise NoneFoundError
        found: Terms = {}
        for partial, arg in zip(operation.partials(node, *node.args), node.args, strict=True):
            if partial is None or not arg.mask & bit:
                continue
            own = self.slope(self.of(arg), name, bit)
            found = plus(found, own if partial == 1.0 else times({ONE: partial} if isinstance(partial, float) else self.of(partial), own))
        return found


def grouped(terms: Terms) -> dict[Powers, Terms]:
    """Return coefficients, functions of parameters, by what changes with the point."""
    found: dict[Powers, Terms] = {}
    for powers, value in terms.items():
        point, rest = split(powers)
        found.setdefault(point, {})[rest] = value
    return found


def divided(a: Powers, b: Powers) -> Powers | None:
    """Return a/b, None where it has a divisor that a doesn't have."""
    powers = dict(a)
    for node, power in b:
        old = powers.get(node, 0)
        new = old - power
        if new * power < 0 and old * power >= 0:
            return None
        powers[node] = new
    return frozenset((node, power) for node, power in powers.items() if power)


def joined(a: Powers, b: Powers) -> Powers:
    """Return a*b."""
    product, = times({a: 1.0}, {b: 1.0})
    return product


class Sums:
    """The sums over the points of r times monomials: which are known, and by what."""

    def __init__(self, graph: Graph, expansion: Expansion):
        self.graph, self.pool, self.expansion = graph, graph.pool, expansion
        self.known: dict[Powers, Terms] = {}
        self.equations: list[tuple[dict[Powers, Terms], Terms]] = []  # sum of coefficients times sums = what is known
        self.leaves = [self.pool.leaf("par", f"r.d/d{name}") for name in graph.free]
        for leaf, column in zip(self.leaves, graph.columns, strict=True):
            self.equations.append((grouped(expansion.of(column)), {frozenset([(leaf, 1)]): 1.0}))

    def quotient(self, terms: Terms, divisor: Terms) -> Terms:
        """Return terms/divisor."""
        if len(divisor) > 1:
            divisor = {frozenset([(written(self.pool, divisor), 1)]): 1.0}
        return times(terms, to_power(divisor, -1))

    def solve(self) -> None:
        """Find what follows from equations with one unknown each."""
        left = True
        while left:
            left = False
            for coefficients, right in self.equations:
                unknown = [monomial for monomial in coefficients if monomial not in self.known]
                if len(unknown) != 1:
                    continue
                for monomial, coefficient in coefficients.items():
                    if monomial != unknown[0]:
                        right = plus(right, times(coefficient, self.known[monomial]), -1.0)
                self.known[unknown[0]] = self.quotient(right, coefficients[unknown[0]])
                left = True

    def relate(self, wanted: Iterable[Powers], order: Sequence[Node]) -> None:
        """Add the equations that factors which are sums make of the monomials wanted."""
        everything = {*wanted, *(monomial for coefficients, _ in self.equations for monomial in coefficients)}
        for node in order:
            terms = grouped(self.expansion.of(node)) if node.level == POINT and node.args else {}
            if len(terms) < 2:
                continue
            own = frozenset([(node, 1)])
            for start in {divided(monomial, part) for monomial in wanted for part in (*terms, own)} - {None}:
                members = [joined(start, part) for part in terms]  # type: ignore[arg-type]
                whole = joined(start, own)  # type: ignore[arg-type]
                if everything.issuperset([*members, whole]):
                    equation = {whole: {ONE: -1.0}}
                    for member, coefficient in zip(members, terms.values(), strict=True):
                        equation[member] = plus(equation.get(member, {}), coefficient)
                    self.equations.append(({key: value for key, value in equation.items() if value}, {}))


def power_of(pool: Pool, node: Node, power: int) -> Node:
    """Return the node of a whole power."""
    factor = node if power > 0 else pool.make("recip", node)
    power = abs(power)
    if power == 1:
        return factor
    return pool.make("powi", factor, float(power)) if power > 3 else pool.make("square" if power == 2 else "cube", factor)


def written(pool: Pool, terms: Terms) -> Node:
    """Return the node of a sum of products of what depends on parameters and sums alone."""
    total: Node | None = None
    for powers, value in sorted(terms.items(), key=lambda term: (term[1] == -1, sorted((node.number, power) for node, power in term[0]))):
        *rest, last = [pool.const(1.0), *(power_of(pool, node, power) for node, power in sorted(powers, key=lambda part: part[0].number))]
        factors = rest[1:] + ([pool.const(value)] if abs(value) != 1 or last.op == "const" else [])
        minus = value == -1 and last.op != "const"
        scale: Node | None = None
        for factor in factors:
            scale = factor if scale is None else pool.make("mul", scale, factor)
        if total is None:
            total = last if scale is None else pool.make("mul", last, scale)
            total = pool.make("neg", total) if minus else total
        elif scale is None:
            total = pool.make("sub" if minus else "add", total, last)
        else:
            total = pool.make("fnma" if minus else "fma", scale, last, total)
    return pool.const(0.0) if total is None else total


class Products:
    """Makes monomials of what is computed at each point anyway."""

    def __init__(self, graph: Graph, expansion: Expansion):
        self.pool = graph.pool
        self.have: list[tuple[dict, Terms, Node]] = []
        self.expansion = expansion
        for node in graph.nodes():
            if node.level == POINT and expansion.of(node):  # that isn't zero
                self.add(node)

    def add(self, node: Node) -> None:
        """Take a node into what there is."""
        terms = self.expansion.factor(node)
        (powers, value), = terms.items()
        point, rest = split(powers)
        self.have.append((dict(point), {rest: value}, node))

    def pair(self, monomial: Powers) -> tuple[Node, Node | None, Terms]:
        """Return two nodes (or one) whose product is a monomial times a scalar, and that scalar."""
        left, nodes, scale = dict(monomial), [], {ONE: 1.0}
        while left:
            best = max((entry for entry in self.have if entry[0] and all(left.get(node, 0) * power > 0 and abs(left[node]) >= abs(power)
                                                                      for node, power in entry[0].items())),
                       key=lambda entry: (sum(map(abs, entry[0].values())), -entry[2].number), default=None)
            if best is None:
                node, power = min(left.items(), key=lambda part: part[0].number)
                if power < 0:
                    self.add(self.pool.make("recip", node))
                else:
                    self.add(node)
                continue
            scale = times(scale, best[1])
            nodes.append(best[2])
            for node, power in best[0].items():
                left[node] -= power
                if not left[node]:
                    del left[node]
        while len(nodes) > 2:
            made = self.pool.make("mul", nodes[0], nodes[1]) if nodes[0] is not nodes[1] else self.pool.make("square", nodes[0])
            self.add(made)
            nodes = [made, *nodes[2:]]
        return nodes[0], nodes[1] if len(nodes) > 1 else None, scale


def together(pairs: list[tuple[Node, Node | None]]) -> tuple[list[tuple[Node, Node | None]], list[int]]:
    """Return pairs in an order, and turned so, that those with a common first node come one after the other; and their numbers before."""
    left = dict(enumerate(pairs))
    found, numbers = [], []
    while left:
        count = Counter(node for pair in left.values() for node in set(pair) if node)
        first = max(count, key=lambda node: (count[node], -node.number))
        for k, pair in list(left.items()):
            if first in pair:
                found.append(pair if pair[0] is first else (pair[1], pair[0]))
                numbers.append(k)
                del left[k]
    return found, numbers  # type: ignore[return-value]


def cost(nodes: Iterable[Node]) -> float:
    """Return about how long operations at a point take."""
    return sum(1 if node.op in CHEAP else DEAR for node in nodes if node.level == POINT and node.args)


def second_derivatives(graph: Graph) -> Graph:
    """Find the sums that Newton's steps need, and each element of the second derivatives' sum as a function of them."""
    try:
        return found_second(graph)
    except (NoneFoundError, ExpressionError):   # the latter where it would become too large
        return graph


def found_second(graph: Graph) -> Graph:
    """Return the graph with second derivatives; raise `NoneFoundError` where there are none that are worth it."""
    expansion = Expansion()
    pool, order = graph.pool, graph.nodes()
    bits = [pool.leaf("par", name).mask for name in graph.free]
    if len(order) > MOST_NODES or all(column.mask == 0 for column in graph.columns):
        raise NoneFoundError
    for node in order:  # arguments first: no recursion is deep
        expansion.of(node)
    columns = [expansion.of(column) for column in graph.columns]
    varying = sum(column.level == POINT for column in graph.columns)
    ones = varying < len(graph.columns)
    base = cost(order) + 2 + (1 + 2 * ones + varying * (1 + ones) + varying * (varying + 1) / 2) / 2 + varying / 2
    most = MOST_COST * base
    elements: list[dict[Powers, Terms]] = []
    for i, name in enumerate(graph.free):
        for j, other in enumerate(graph.free[:i + 1]):
            if not graph.columns[j].mask & bits[i] or not graph.columns[i].mask & bits[j]:
                elements.append({})
                continue
            first = grouped(expansion.slope(columns[j], name, bits[i]))
            second = grouped(expansion.slope(columns[i], other, bits[j])) if i != j and len(first) > 1 else first
            elements.append(min(first, second, key=len))
    wanted = {monomial for element in elements for monomial in element}
    sums = Sums(graph, expansion)
    sums.relate(wanted, order)
    sums.solve()
    products = Products(graph, expansion)
    pairs: list[tuple[Node, Node | None]] = []
    for monomial in sorted(wanted, key=lambda powers: (sum(abs(power) for _, power in powers),
                                                       sorted((node.number, power) for node, power in powers))):
        if monomial in sums.known:
            continue
        if not monomial or len(pairs) == MOST_SUMS or SUM * len(pairs) > most:
            raise NoneFoundError
        first_node, second_node, scale = products.pair(monomial)
        leaf = pool.leaf("par", f"r.m{len(pairs)}")
        pairs.append((first_node, second_node))
        sums.known[monomial] = sums.quotient({frozenset([(leaf, 1)]): 1.0}, scale)
        sums.solve()
    pairs, names = together(pairs)
    more = set(below([node for pair in pairs for node in pair if node])) - set(order)
    groups = len({one for one, _ in pairs})
    spent = cost(more) + GROUP * groups + SUM * len(pairs) + ELEMENT * sum(map(bool, elements))
    if spent > most:
        raise NoneFoundError
    bends = []
    for element in elements:
        total: Terms = {}
        for monomial, coefficient in element.items():
            total = plus(total, times(coefficient, sums.known[monomial]))
        bends.append(written(pool, total) if total else None)
    if not any(bends):
        raise NoneFoundError
    leaves = (*sums.leaves, *(pool.leaf("par", f"r.m{k}") for k in names))
    return graph._replace(pairs=tuple(pairs), sums=leaves, bends=tuple(bends))


__all__ = ["second_derivatives"]
