"""Formulas of models: parameters renamed, a prefix put before them, two formulas joined to one program."""
from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

from gslfit.errors import InputError
from gslfit.formula.formula import Formula
from gslfit.formula.graph import Graph, Node, Pool, below, transplant
from gslfit.models.texts import is_text, joined, prefixed

OPERATORS: dict[str, Callable[[Any, Any], Any]] = {"+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv}
SYMBOLS = {operation: symbol for symbol, operation in OPERATORS.items()}


def renamed_graph(graph: Graph, names: Mapping[str, str], pool: Pool | None = None) -> Graph:
    """Return a graph in a pool, its parameters renamed."""
    pool = pool or Pool()
    change: dict[Node, Node] = {node: pool.leaf("par", names[str(node.value)]) for node in below([graph.value])
                                if node.op == "par" and str(node.value) in names}
    value, = transplant(pool, [graph.value], change)
    return Graph(pool, value, (), (), graph.independent)


def combined(left: Formula, symbol: str, right: Formula) -> Formula:
    """Return one formula for two; of texts it is a text again.

    Parameters
    ----------
    left, right : Formula
        Native ones.
    symbol : str

    Raises
    ------
    InputError
        If one of them is folded with a response.
    """
    if left.response is not None or right.response is not None:
        raise InputError(f"({left!r}) {symbol} ({right!r}): a sum, or another composite, is folded as a whole; join the models themselves, "
                         "and hand response= to its fit")
    independent = tuple(dict.fromkeys((*left.independent, *right.independent)))
    names = tuple(dict.fromkeys((*left.names, *right.names)))
    if is_text(left) and is_text(right):
        return Formula(joined(left.text, symbol, right.text, (*names, *independent)), independent)
    pool = Pool()
    a, = transplant(pool, [left.graph.value])
    b, = transplant(pool, [right.graph.value])
    value = OPERATORS[symbol](a, b)
    return Formula.from_graph(Graph(pool, value, (), (), independent), names, f"graph of {left!r} {symbol} {right!r}")


def prefix_formula(formula: Formula, prefix: str) -> Formula:
    """Return a formula with a prefix before its parameters' names."""
    if not formula.native:
        return formula
    if is_text(formula):
        return Formula(prefixed(formula.text, formula.names, prefix), formula.independent)
    names = {name: prefix + name for name in formula.names}
    return Formula.from_graph(renamed_graph(formula.graph, names), tuple(names.values()), f"graph of {formula!r} with {prefix}")


class Unjoined(Formula):
    """What stands for the formula of a composite that has no program."""

    def __init__(self, model: Any, left: Formula, right: Formula):
        Formula.__init__(self, "0*x")
        self.independent = tuple(dict.fromkeys((*left.independent, *right.independent)))
        self.names = tuple(model.param_names)
        self.text = f"graph of {left!r}, {right!r}"
        self.reason = left.reason or right.reason or f"its parts are joined by {getattr(model.op, '__name__', model.op)}, which is called"

    def __reduce__(self) -> tuple:
        raise TypeError("the formula of a composite without a program belongs to its model: pickle that")
