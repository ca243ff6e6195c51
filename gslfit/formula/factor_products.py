"""Products, multiplied out so that a program needs few of them.

Every product of a graph is flattened into a coefficient, powers of what depends on parameters alone, and powers of what changes from point
to point (a monomial). The scalar part of a monomial becomes one scalar, computed once a step. The point parts share what they have in
common: with ``u = (x - x0)/w`` the derivatives of ``A*exp(-u**2)`` by x0 and w are ``E*t*s1`` and that result times ``t*s2``, one operation
each. A division becomes a multiplication by a reciprocal that all products share; where it is used once it becomes a division again in the
pass `fuse`.

A factor and its reciprocal don't cancel (``x/x`` stays NaN at zero), and below a comparison or a rounding nothing is moved. Where a factor
overflows together with the divisor that holds it (``E/(1 + E)**2``, the derivative of a sigmoid), the product of the two is gated, so
that it ends in zero and not in infinity times zero.
"""
from __future__ import annotations

import math
from collections import Counter

from gslfit.formula.graph import POINT, Graph, Node, Pool, below, is_const
from gslfit.records import Record

MULTIPLICATIVE = frozenset(["mul", "div", "neg", "recip", "square", "cube", "powi"])
JUMPS = frozenset((
    "floor", "ceil", "trunc", "rint", "sign", "copysign", "step", "mod", "fmod", "lt", "le", "gt", "ge", "eq", "ne", "isnan",
    "isinf", "isfinite",
))
GROWING = frozenset(["exp", "exp2", "expm1", "sinh", "cosh"])
MOST_FACTORS = 12  # of a product; a longer one is left as it was written
MOST_COPIES = 6  # of one factor; a higher power is one operation

Atom = Node | tuple  # a node; ("recip", atom), ("power", atom, k), ("both", atom, atom), ("gated", atom, atom)


class Monomial(Record):
    """A coefficient and whole powers of nodes."""

    coefficient: float
    powers: dict[Node, int]


def times(a: Monomial, b: Monomial, power: int = 1) -> Monomial | None:
    """Return a*b**power; None where a factor would cancel its reciprocal, the coefficient overflow or vanish, or many come together."""
    try:
        coefficient = a.coefficient * b.coefficient**power
    except (OverflowError, ZeroDivisionError):
        return None
    if not math.isfinite(coefficient) or (coefficient == 0 and a.coefficient and b.coefficient):
        return None
    powers = dict(a.powers)
    for node, exponent in b.powers.items():
        old, more = powers.get(node, 0), exponent * power
        if old * more < 0 <= old + more:
            return None
        powers[node] = old + more
    if len(powers) > MOST_FACTORS:
        return None
    return Monomial(coefficient, powers)


def monomial(node: Node, views: dict[Node, Monomial]) -> Monomial | None:
    """Return the monomial of a product, from those of its arguments; None where it must stay as it is."""
    one = Monomial(1.0, {})
    a = views[node.args[0]]
    match node.op:
        case "mul":
            return times(a, views[node.args[1]])
        case "div":
            return times(a, views[node.args[1]], -1)
        case "neg":
            return Monomial(-a.coefficient, a.powers)
        case "powi":
            power = node.args[1].value
            return times(one, a, int(power)) if isinstance(power, float) else None
        case "recip":
            return times(one, a, -1)
        case "square":
            return times(one, a, 2)
        case _:
            return times(one, a, 3)


class ProductCover:
    """The products of one graph: what there is, and what has been made of it."""

    def __init__(self, graph: Graph):
        self.graph, self.pool = graph, graph.pool
        self.order = graph.nodes()
        exact = {node for jump in self.order if jump.op in JUMPS for node in below(jump.args)}
        self.views: dict[Node, Monomial] = {}
        self.depth: dict[Node, int] = {}
        self.bases: list[Node] = []
        for node in self.order:
            view = monomial(node, self.views) if node.op in MULTIPLICATIVE and node not in exact else None
            if node.op == "const" and node not in exact:
                view = Monomial(float(node.value), {})  # type: ignore[arg-type]
            if view is None:
                self.depth[node] = 1 + max((self.depth[arg] for arg in node.args), default=0)
                self.views[node] = Monomial(1.0, {node: 1})
                self.bases.append(node)
            else:
                self.depth[node] = max((self.depth[base] for base in view.powers), default=0)
                self.views[node] = view
        self.final: dict[Node, Node] = {}
        self.made: dict[Atom, Node] = {}
        self.have: dict[Atom, list[tuple[Counter, Monomial, Node]]] = {}

    def wanted(self) -> list[Node]:
        """Return the products that something else than a product uses."""
        found = {arg for base in self.bases for arg in base.args}
        found.update(self.graph.roots)
        return [node for node in self.order if node in found and self.views[node].powers != {node: 1}]


def split(view: Monomial) -> tuple[Counter, Monomial]:
    """Return the point factors of a monomial, each as often as it occurs, and its scalar part."""
    atoms: Counter = Counter()
    scalars = {}
    for node, power in view.powers.items():
        if node.level < POINT:
            scalars[node] = power
            continue
        atom: Atom = node if power > 0 else ("recip", node)
        if abs(power) > MOST_COPIES:
            atoms["power", atom, abs(power)] = 1
        else:
            atoms[atom] = abs(power)
    return atoms, Monomial(view.coefficient, scalars)


def overflows_with(node: Node, divisor: Node) -> bool:
    """Return whether a divisor becomes infinite where a factor does: it is it, or a sum with it."""
    if node.op not in GROWING:
        return False
    if divisor.op in GROWING:
        return divisor.args == node.args
    stack, steps = [divisor], 0
    while stack and steps < 50:
        steps += 1
        part = stack.pop()
        if part is node:
            return True
        if part.op in ("add", "sub", "mul", "neg", "square", "sqrt", "div", "cube") or (part.op in GROWING and part.args == node.args):
            stack.extend(part.args)
    return False


def gate_overflow(atoms: Counter) -> Counter:
    """Join each factor that overflows with the divisor that overflows with it."""
    for factor in [atom for atom in atoms if isinstance(atom, Node) and atom.op in GROWING]:
        for divisor in [atom for atom in atoms if isinstance(atom, tuple) and atom[0] == "recip"]:
            if overflows_with(factor, divisor[1]):
                both = min(atoms[factor], atoms[divisor])
                if both:
                    atoms = atoms - Counter({factor: both, divisor: both}) + Counter({("gated", divisor, factor): both})
    return atoms


def cost(factors: int) -> int:
    """Return how many operations a product of so many factors takes, three factors an operation."""
    return max(0, factors // 2)


def pair_up(parts: list[tuple[Counter, bool]]) -> list[Counter]:
    """Join pairs of factors that so many products share that an operation of their own pays."""
    products = [atoms for atoms, scaled in parts]
    extra = [int(scaled) for atoms, scaled in parts]
    while True:
        gain: Counter = Counter()
        for atoms, more in zip(products, extra, strict=True):
            size = atoms.total() + more
            if size < 4 or len(atoms) > 12:
                continue
            kinds = sorted(atoms, key=order)
            for k, a in enumerate(kinds):
                for b in kinds[k:]:
                    often = min(atoms[a], atoms[b]) if a is not b else atoms[a] // 2
                    if often:
                        gain["both", a, b] += cost(size) - cost(size - often)
        if not gain:
            return products
        best, saved = max(gain.items(), key=lambda item: (item[1], order(item[0])))
        if saved < 2:
            return products
        _, a, b = best
        for k, atoms in enumerate(products):
            if atoms.total() + extra[k] < 4:
                continue
            often = min(atoms[a], atoms[b]) if a != b else atoms[a] // 2
            if often:
                products[k] = atoms - Counter({a: often}) - Counter({b: often}) + Counter({best: often})


def order(atom: Atom) -> tuple:
    """Return a key that sorts factors the same way every time."""
    if isinstance(atom, Node):
        return 0, atom.number
    return (len(atom), atom[0], *(part if isinstance(part, int) else order(part) for part in atom[1:]))


def divides(part: Monomial, whole: Monomial) -> bool:
    """Return whether a scalar part is a factor of another one, symbolically."""
    return all(whole.powers.get(node, 0) * power > 0 and abs(whole.powers[node]) >= abs(power) for node, power in part.powers.items())


def scalar(pool: Pool, part: Monomial, final: dict[Node, Node]) -> Node | None:
    """Return the scalar of a coefficient and powers of scalars; None for one."""
    def multiply(sign: int) -> Node | None:
        result = None
        for node, power in sorted(part.powers.items(), key=lambda item: item[0].number):
            if power * sign <= 0:
                continue
            factor = final[node]
            if abs(power) == 2:
                factor = pool.make("square", factor)
            elif abs(power) > 2:
                factor = pool.make("powi", factor, float(abs(power)))
            result = factor if result is None else pool.make("mul", result, factor)
        return result

    above, under = multiply(1), multiply(-1)
    if part.coefficient != 1 or (above is None and under is not None):
        above = pool.const(part.coefficient) if above is None else pool.make("mul", above, part.coefficient)
    if above is None:
        return None
    return above if under is None else pool.make("div", above, under)


def realise(plan: ProductCover, atom: Atom) -> Node:
    """Return the node of a factor."""
    if isinstance(atom, Node):
        return plan.final[atom]
    node = plan.made.get(atom)
    if node is None:
        kind, first = atom[0], realise(plan, atom[1])
        if kind == "recip":
            node = plan.pool.make("recip", first)
        elif kind == "power":
            node = plan.pool.make("powi", first, float(atom[2]))
        elif kind == "gated":
            node = plan.pool.make("mulz", first, realise(plan, atom[2]))
        else:
            node = plan.pool.make("square", first) if atom[1] == atom[2] else plan.pool.make("mul", first, realise(plan, atom[2]))
        plan.made[atom] = node
    return node


def cover(plan: ProductCover, atoms: Counter, part: Monomial) -> tuple[list[Node], Monomial]:
    """Return nodes whose product is that of the factors, products made before among them, and the scalar part left over."""
    factors: list[Node] = []
    left = Counter(atoms)
    while left.total() > 1:
        fits = [(size.total(), len(own.powers), -node.number, size, own, node)
                for atom in left for size, own, node in plan.have.get(atom, ())
                if size <= left and (node.level == POINT) and divides(own, part)
                and not (own.coefficient not in (1.0, part.coefficient) and not part.powers and not own.powers)]
        if not fits:
            break
        *_, size, own, node = max(fits, key=lambda fit: fit[:3])
        quotient = times(part, Monomial(1 / own.coefficient, {base: -power for base, power in own.powers.items()}), 1) \
            if not own.powers else Monomial(part.coefficient / own.coefficient, {
                base: power - own.powers.get(base, 0) for base, power in part.powers.items() if power != own.powers.get(base, 0)})
        if quotient is None:
            break
        factors.append(node)
        left, part = left - size, quotient
    factors += [realise(plan, atom) for atom in sorted(left, key=order) for _ in range(left[atom])]
    return factors, part


def has_units(factor: Node) -> bool:
    """Return whether a factor is the reciprocal of what may have units, as none has that a number is added to.

    Its square may be out of range where its product with a scalar is not: that of a Lorentzian's divisor with the amplitude above it.
    """
    return factor.op == "recip" and not (factor.args[0].op in ("add", "sub") and any(map(is_const, factor.args[0].args)))


def build(plan: ProductCover, node: Node, atoms: Counter, part: Monomial) -> Node:
    """Return the node of a product."""
    pool = plan.pool
    if not atoms:
        return scalar(pool, part, plan.final) or pool.const(1.0)
    factors, rest = cover(plan, atoms, part)
    minus = rest == Monomial(-1.0, {}) and len(factors) == 1
    factor = None if minus else scalar(pool, rest, plan.final)
    squared = next((each for each in factors if has_units(each) and factors.count(each) > 1), None)
    if squared is not None and factor is not None and rest.powers:
        factors.remove(squared)
        factors, factor = [pool.make("mul", squared, factor), *factors], None
    result = factors[0]
    if len(factors) > 1 and factors[0] is factors[1]:
        result = pool.make("square", result)
        factors = factors[1:]
    for other in factors[1:]:
        result = pool.make("mul", result, other)
    if factor is not None:
        result = pool.make("mul", result, factor)
    if minus:
        result = pool.make("neg", result)
    if atoms.total() > 1 and part.coefficient:
        plan.have.setdefault(min(atoms, key=order), []).append((atoms, part, result))
    return result


def share_products(graph: Graph) -> Graph:
    """Multiply products out of common parts, scalars apart from what changes with the point."""
    return min((multiply_out(graph, False), multiply_out(graph, True)), key=work)


def work(graph: Graph) -> int:
    """Return how many operations a point takes."""
    return sum(node.level == POINT and bool(node.args) for node in graph.nodes())


def multiply_out(graph: Graph, pairs: bool) -> Graph:
    """Return the graph with its products made again, with or without common pairs of factors made first."""
    plan = ProductCover(graph)
    wanted = plan.wanted()
    parts = [split(plan.views[node]) for node in wanted]
    gated = [(gate_overflow(atoms), bool(part.powers) or abs(part.coefficient) != 1) for atoms, part in parts]
    jobs = sorted(zip(wanted, pair_up(gated) if pairs else [atoms for atoms, _ in gated], (part for _, part in parts), strict=True),
                  key=lambda job: (plan.depth[job[0]], job[1].total(), len(job[2].powers), job[0].number))
    bases = sorted(plan.bases, key=lambda base: plan.depth[base])
    at = 0
    for node, atoms, part in jobs:
        while at < len(bases) and plan.depth[bases[at]] <= plan.depth[node]:
            plan.final[bases[at]] = rebuild(plan, bases[at])
            at += 1
        plan.final[node] = build(plan, node, atoms, part)
    for base in bases[at:]:
        plan.final[base] = rebuild(plan, base)
    for root in graph.roots:
        if root not in plan.final:
            plan.final[root] = build(plan, root, *split(plan.views[root]))
    return graph.replace(plan.final)


def rebuild(plan: ProductCover, node: Node) -> Node:
    """Return a node that is no product, of what its arguments have become."""
    if not node.args:
        return node
    args = [plan.final.get(arg) or plan.pool.const(float(arg.value)) for arg in node.args]  # type: ignore[arg-type]
    if node.op in ("add", "sub") and node.level == POINT:
        a, b = args
        if b.op == "neg":
            return plan.pool.make("sub" if node.op == "add" else "add", a, b.args[0])
        if a.op == "neg" and node.op == "add":
            return plan.pool.make("sub", b, a.args[0])
    return plan.pool.make(node.op, *args)
