"""Exact derivatives, by differentiating the graph: forward, or in reverse where that is far shorter.

Forward: the derivative of every node that depends on a name, from the derivatives of its arguments. What the names' derivatives share
(the partial derivatives, the value's own nodes) is shared since equal nodes are one; products are put in order afterwards by the pass
`share_products`, which makes the result as short as the reverse mode's where that would be the shorter one (a product of partial
derivatives that several names have in common is multiplied out once). Unlike reverse mode, forward mode can gate a branch: the
derivative of ``where(c, a, b)`` is ``where(c, da, db)``, and no NaN of the branch not taken gets into a sum.
"""
from __future__ import annotations

from gslfit.formula.graph import Graph, Node, below
from gslfit.formula.operations import OPERATIONS, Tangents, product

MANY = 6     # names from which reverse mode is tried
SHORTER = 3  # how many times shorter it has to be: forward mode leaves more for the passes to share


def tangent(node: Node, inner: Tangents, partials: dict[Node, tuple]) -> Node | None:
    """The derivative of a node from those of its arguments; None for zero.

    Parameters
    ----------
    node : Node
    inner : list of Node or None
        The arguments' derivatives.
    partials : dict
        Partial derivatives of nodes met before, by node; added to.
    """
    operation = OPERATIONS[node.op]
    if operation.tangent:
        return operation.tangent(node, inner)
    found = partials.get(node)
    if found is None:
        if operation.partials is None:
            raise NotImplementedError(f"{node.op!r} has no derivative")
        found = partials[node] = operation.partials(node, *node.args)
    singular = operation.singular(node)
    total: Node | None = None
    for partial, own in zip(found, inner, strict=True):
        if own is None or partial is None:
            continue
        if isinstance(partial, float):  # plus or minus one: a sum
            term, minus = own, partial < 0
        else:
            term, minus = product(node, own, partial, singular), False
        signed = -term if minus else term
        total = signed if total is None else total + signed
    return total


def derivatives(root: Node, leaves: list[Node]) -> list[Node]:
    """The derivatives of a node by leaves, zero constants among them."""
    pool, order = root.pool, below([root])
    partials: dict[Node, tuple] = {}
    found = []
    for leaf in leaves:
        own: dict[Node, Node | None] = {leaf: root.pool.const(1.0)}
        bit = leaf.mask
        for node in order:
            if node.mask & bit and node is not leaf:
                own[node] = tangent(node, [own.get(arg) for arg in node.args], partials)
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
    """The derivatives of a node by leaves in reverse mode; None where a branch or an infinite partial derivative needs the forward one."""
    pool = root.pool
    order = [node for node in below([root]) if node.mask]
    if any(node.args and (OPERATIONS[node.op].tangent or OPERATIONS[node.op].singular(node)) for node in order):
        return None
    adjoint: dict[Node, Node] = {root: pool.const(1.0)}
    for node in reversed(order):
        own, operation = adjoint.get(node), OPERATIONS[node.op] if node.args else None
        if own is None or operation is None or operation.partials is None:
            continue
        for arg, partial in zip(node.args, operation.partials(node, *node.args), strict=True):
            if partial is None or not arg.mask:
                continue
            unit = isinstance(partial, float)
            term = own if unit else product(node, own, partial, False)
            before = adjoint.get(arg)
            if unit and partial < 0:
                adjoint[arg] = -term if before is None else before - term
            else:
                adjoint[arg] = term if before is None else before + term
    return [adjoint.get(leaf) or pool.const(0.0) for leaf in leaves]


__all__ = ["derivatives", "differentiate", "tangent"]
