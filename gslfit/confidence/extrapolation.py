"""A curve where some of its points and slopes are known: Newton's interpolation polynomial, as far as its terms fall."""
from __future__ import annotations

from collections.abc import Sequence

from gslfit.records import Record


class Node(Record):
    """A point of a curve, and its derivative where that is known."""

    x: float
    y: float
    slope: float | None


def foretold(x: float, nodes: Sequence[Node]) -> tuple[float, float]:
    """Return a curve's value at `x`, and its uncertainty.

    Hermite's interpolation by divided differences (C. de Boor, A Practical Guide to Splines, 1978, chapter 1): a node whose slope is known
    counts twice. A term is added for each node, the first being those that are trusted most, until one is larger than the one before.

    Parameters
    ----------
    x : float
        Where.
    nodes : sequence of Node
        At least one, those nearest to `x` first; no two at the same place.

    Returns
    -------
    value : float
    uncertainty : float
        The size of the last term: of the first that wasn't added where there was one; of a single node that of the step from there,
        infinite without its slope.

    Examples
    --------
    >>> from gslfit.confidence.extrapolation import Node, foretold
    >>> foretold(2.0, [Node(1.0, 1.0, 2.0), Node(0.0, 0.0, None)])       # x**2
    (4.0, 1.0)
    """
    places: list[float] = []
    last: list[float] = []                                    # the newest divided differences, of rising order
    value, size, reach = 0., float("inf"), 1.                 # reach: the product of x - place of the places so far
    for node in nodes:
        for known in (node.y, node.slope):
            if known is None:
                continue
            again = bool(places) and places[-1] == node.x
            newest = [node.y, *([known] if again else [])]
            while len(newest) <= len(places):
                k = len(newest)
                newest.append((newest[k - 1] - last[k - 1])/(node.x - places[-k]))
            term = newest[-1]*reach
            if len(places) > 1 and not abs(term) < size:
                return value, abs(term)
            value, size = value + term, abs(term) if places else float("inf")
            places.append(node.x)
            last, reach = newest, reach*(x - node.x)
    return value, size
