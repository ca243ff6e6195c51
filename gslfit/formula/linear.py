"""The parameters that a formula is linear in, found from its graph.

A product of two of them is linear in each, and not in both: so `Linearity` says which can be taken together.
"""
from __future__ import annotations

from collections.abc import Iterable

from gslfit.formula.graph import Node, below
from gslfit.records import Record

ADDITIVE = frozenset(["add", "sub", "neg", "mov"])


class Linearity(Record):
    """What a value is linear in.

    Attributes
    ----------
    linear : tuple of str
        The parameters that it is linear in, each by itself.
    products : dict of str to frozenset of str
        For each of them the others of them that it is multiplied with.
    amplitudes : frozenset of str
        Those that are multiplied with what depends on parameters that the value is not linear in.
    """

    linear: tuple[str, ...]
    products: dict[str, frozenset[str]]
    amplitudes: frozenset[str]

    def without(self, name: str | None) -> Linearity:
        """Return the same where the value depends on one of them in other ways too."""
        if name not in self.products:
            return self
        products = {each: others - {name} for each, others in self.products.items() if each != name}
        return Linearity(tuple(products), products, self.amplitudes - {name})

    def together(self, first: Iterable[str] = ()) -> tuple[str, ...]:
        """Return parameters that the value is linear in all together, those of `first` before others."""
        wanted = [name for name in first if name in self.products]
        chosen: list[str] = []
        for name in (*wanted, *(name for name in self.linear if name not in wanted)):
            if self.products[name].isdisjoint(chosen):
                chosen.append(name)
        return tuple(chosen)


def linearity(root: Node, names: Iterable[str]) -> Linearity:
    """Return which of the names a node is linear in."""
    names = list(names)
    bits = {name: root.pool.leaf("par", name).mask for name in names}
    curved = 0
    factors: list[tuple[int, int]] = []
    for node in below([root]):
        masks = [arg.mask for arg in node.args]
        if not node.mask or node.op in ADDITIVE or not masks:
            continue
        if node.op == "mul":
            curved |= masks[0] & masks[1]
            if masks[0] and masks[1]:
                factors.append((masks[0], masks[1]))
        elif node.op == "div":
            curved |= masks[1]
            if masks[0] and masks[1]:
                factors.append((masks[0], masks[1]))
        elif node.op in ("select", "mulz"):
            curved |= masks[0]
            if node.op == "mulz" and masks[0]:
                factors.append((masks[0], masks[1]))
        else:
            curved |= node.mask
    linear = tuple(name for name in names if bits[name] & root.mask & ~curved)
    met = dict.fromkeys(linear, 0)
    for a, b in set(factors):
        for name in linear:
            met[name] |= (b if a & bits[name] else 0) | (a if b & bits[name] else 0)
    products = {name: frozenset(other for other in linear if met[name] & bits[other]) for name in linear}
    return Linearity(linear, products, frozenset(name for name in linear if met[name] & curved))
