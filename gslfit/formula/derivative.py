"""Exact derivatives, by differentiating the graph: forward, or in reverse where that is far shorter.

Forward: the derivative of every node that depends on a name, from the derivatives of its arguments. What the names' derivatives share
(the partial derivatives, the value's own nodes) is shared since equal nodes are one; products are put in order afterwards by the pass
`share_products`, which makes the result as short as the reverse mode's where that would be the shorter one (a product of partial
derivatives that several names have in common is multiplied out once). Unlike reverse mode, forward mode can gate a branch: the
derivative of ``where(c, a, b)`` is ``where(c, da, db)``, and no NaN of the branch not taken gets into a sum. Either mode guards what may be
infinite where the formula is not (`gslfit.formula.guards`).
"""
from __future__ import annotations

from gslfit.formula.graph import Graph, Node, below, is_const, transplant
from gslfit.formula.guards import ends, guarded, inherits, may_be_zero
from gslfit.formula.operations import OPERATIONS, Tangents, product

MANY = 6     # names from which reverse mode is tried
SHORTER = 3  # how many times shorter it has to be: forward mode leaves more for the passes to share


def tangent(node: Node, inner: Tangents, partials: dict[Node, tuple], guards: frozenset[Node] = frozenset()) -> Node | None:
    """Return the derivative of a node from those of its arguments; None for zero.

    Parameters
    ----------
    node : Node
    inner : list of Node or None
        The arguments' derivatives.
    partials : dict
        Partial derivatives of nodes met before, by node; added to.
    guards : frozenset of Node
        The nodes whose derivatives are zero where they are infinite.
    """
    found = _chained(node, inner, partials, guards)
    return node.pool.make("iffinite", node, found) if found and node in guards and not inherits(node, guards) else found


def _chained(node: Node, inner: Tangents, partials: dict[Node, tuple], guards: frozenset[Node]) -> Node | None:
    """Return the derivative of a node by the chain rule."""
    operation = OPERATIONS[node.op]
    infinite = [arg in guards for arg in node.args]
    if operation.tangent:
        return operation.tangent(node, inner, any(infinite))
    found = partials.get(node)
    if found is None:
        if operation.partials is None:
            raise NotImplementedError(f"{node.op!r} has no derivative")
        found = partials[node] = operation.partials(node, *node.args)
    singular = operation.singular(node)
    total: Node | None = None
    for k, (partial, own) in enumerate(zip(found, inner, strict=True)):
        if own is None or partial is None:
            continue
        if isinstance(partial, float):  # plus or minus one: a sum
            term, minus = own, partial < 0
        elif infinite[k] and ends(node, k) and not is_const(own, 1.0):
            term, minus = node.pool.make("mulz", partial, own), False
        else:
            term, minus = product(node, own, partial, singular or infinite[k]), False
        signed = -term if minus else term
        total = signed if total is None else total + signed
    return total


def angles(root: Node) -> Node:
    """Return a node with the same derivatives, the arcs of quotients as angles, which have derivatives where the divisor is zero."""
    arcs = [node for node in below([root]) if node.op == "atan" and node.args[0].op == "div" and may_be_zero(node.args[0].args[1])]
    return transplant(root.pool, [root], {node: root.pool.make("atan2", *node.args[0].args) for node in arcs})[0] if arcs else root


def derivatives(root: Node, leaves: list[Node]) -> list[Node]:
    """Return the derivatives of a node by leaves, zero constants among them."""
    root = angles(root)
    pool, order, guards = root.pool, below([root]), guarded(root)
    partials: dict[Node, tuple] = {}
    found = []
    for leaf in leaves:
        own: dict[Node, Node | None] = {leaf: root.pool.const(1.0)}
        bit = leaf.mask
        for node in order:
            if node.mask & bit and node is not leaf:
                own[node] = tangent(node, [own.get(arg) for arg in node.args], partials, guards)
        found.append(own.get(root) or pool.const(0.0))
    return found


def differentiate(graph: Graph) -> Graph:
    """Add the derivatives by the free names."""
    leaves = [graph.pool.leaf("par", name) for name in graph.free]
    columns = derivatives(graph.value, leaves)
    if len(leaves) >= MANY:
        backward = adjoints(graph.value, leaves)
        if backward and SHORTER * len(below([graph.value, *backward])) < len(below([graph.value, *columns])):
            columns = backward
    return graph._replace(columns=tuple(columns))


def adjoints(root: Node, leaves: list[Node]) -> list[Node] | None:
    """Return a node's derivatives by leaves in reverse mode; None where a branch or an infinite partial derivative needs forward mode."""
    root = angles(root)
    pool = root.pool
    order = [node for node in below([root]) if node.mask]
    guards = guarded(root)
    if any(node.args and (OPERATIONS[node.op].tangent or OPERATIONS[node.op].singular(node)) for node in order):
        return None
    adjoint: dict[Node, Node] = {root: pool.const(1.0)}
    for node in reversed(order):
        own, operation = adjoint.get(node), OPERATIONS[node.op] if node.args else None
        if own is None or operation is None or operation.partials is None:
            continue
        own = pool.make("iffinite", node, own) if node in guards else own
        for arg, partial in zip(node.args, operation.partials(node, *node.args), strict=True):
            if partial is None or not arg.mask:
                continue
            unit = isinstance(partial, float)
            term = own if unit else product(node, own, partial, node in guards)
            before = adjoint.get(arg)
            if unit and partial < 0:
                adjoint[arg] = -term if before is None else before - term
            else:
                adjoint[arg] = term if before is None else before + term
    return [adjoint.get(leaf) or pool.const(0.0) for leaf in leaves]


__all__ = ["derivatives", "differentiate", "tangent"]
