"""Starts of steps and rectangles whose edges are narrower than the distance between points.

Such an edge lies between two points, or at one point, whose value says where: place and width of the edge count for no other point. The
way there from a wider edge has no end, as chi-square falls by less and less; so the sharp edge is a start of its own, beside the wide one,
and the fit that ends lower is taken.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product

import numpy as np

from gslfit.models.guess.curves import Curves
from gslfit.records import Record

Shapes = dict[str, np.ndarray]
SHARP = 2000.0      # the distance of the next points by the edge's width
SEEN, SIDE = 0.02, 0.3  # of the height: a point's value nearer to either side is that side's, surely or perhaps
AROUND = 4          # points to either side of an edge where it is looked for
AS_GOOD = 4.0       # how many times more of the values around it than the wide edge a sharp one may leave to be tried
WIDEST = 5.0        # width of a found edge, by the distance of the points around it, from which none is looked for


class Edge(Record):
    """What a model calls an edge's place and width, and whether the curve falls there."""

    center: str
    width: str
    falls: bool = False


class Shape(Record):
    """How an edge rises from 0 to 1: by its place and width, and where, by its width, it has risen to a share."""

    rise: Callable[[np.ndarray], np.ndarray]
    inverse: Callable[[np.ndarray], np.ndarray]


def _special(name: str) -> Callable[[np.ndarray], np.ndarray]:
    """Return a function of scipy.special, imported when first called."""
    def call(a: np.ndarray) -> np.ndarray:
        import scipy.special
        return np.asarray(getattr(scipy.special, name)(a))
    return call


ERROR_FUNCTION = Shape(lambda a: 0.5*_special("erfc")(-a), lambda share: _special("erfinv")(2*share - 1))
LOGISTIC = Shape(_special("expit"), _special("logit"))


class SharpEdges:
    """Add a start with sharp edges, as `gslfit.models.guess.shapes.GuessRecipe` wants it.

    Parameters
    ----------
    shape : Shape
    edges : sequence of Edge
    """

    def __init__(self, shape: Shape, edges: Sequence[Edge]):
        self.shape, self.edges = shape, edges

    def __call__(self, found: list[Shapes], curves: Curves) -> list[Shapes]:
        """Return starts, the last ones with sharp edges, all or some, where any curve has edges that may be."""
        if len(curves.x) < 3:
            return found
        narrow = [edge for edge in self.edges if self.sharpen(dict(found[0]), edge, curves, SEEN)]
        starts: list[Shapes] = []
        for kinds in product((0.0, SEEN, SIDE), repeat=len(narrow)):
            starts.append(dict(found[0]))
            for edge, seen in zip(narrow, kinds, strict=True):
                if seen:
                    self.sharpen(starts[-1], edge, curves, seen)
        return [*found, *starts[1:]]

    def sharpen(self, start: Shapes, edge: Edge, curves: Curves, least: float) -> bool:
        """Make an edge sharp where it is narrow, in place; return whether there is such a curve.

        A point's value that is nearer to either side than the share `least` of the height is that side's, and the edge beside the point.
        """
        x = curves.x
        center, width = (np.asarray(start[name], float) for name in (edge.center, edge.width))
        at = np.clip(np.searchsorted(x, center), 1, len(x) - 1)
        narrow = np.flatnonzero(np.abs(width) < WIDEST*np.maximum(x[at] - x[at - 1], 1e-300))
        if not len(narrow):
            return False
        falls = edge.falls ^ (width[narrow] < 0)
        height = np.asarray(start["amplitude"], float)[narrow]
        share = curves.y[narrow]/np.where(height == 0, 1.0, height)[:, None]
        share = np.where(falls[:, None], 1 - share, share)          # rises from 0 to 1
        near = np.clip(at[narrow][:, None] + np.arange(-AROUND - 1, AROUND + 1), 0, len(x) - 1)
        values = np.take_along_axis(share, near, 1)
        best, left = jump(values)
        wide = self.shape.rise((x[near] - center[narrow, None])/np.abs(width[narrow, None]))
        good = left <= AS_GOOD*np.sum((values - wide)**2, axis=1)
        if not good.any():
            return False
        narrow, share, falls, place = narrow[good], share[good], falls[good], near[np.arange(len(near)), best][good]
        own = np.take_along_axis(share, place[:, None], 1)[:, 0]
        before, after = x[np.maximum(place - 1, 0)], x[np.minimum(place + 1, len(x) - 1)]
        here = x[place]
        gap = np.where(before < here, np.where(after > here, np.minimum(here - before, after - here), here - before), after - here)
        size = np.where(gap > 0, gap, 1.0)/SHARP
        middle = here - size*self.shape.inverse(np.clip(own, least, 1 - least))
        middle = np.where(own < least, 0.5*(here + after), np.where(own > 1 - least, 0.5*(before + here), middle))
        start[edge.center], start[edge.width] = center.copy(), width.copy()
        start[edge.center][narrow] = middle
        start[edge.width][narrow] = np.copysign(size, width[narrow])
        return True


def jump(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the points (fits) at which a jump from 0 to 1 is nearest to values (fits, k), and how near; that point's own is free."""
    low, high = values**2, (1 - values)**2
    own = (values - np.clip(values, 0, 1))**2
    cost = np.cumsum(low, axis=1) - low + own + high.sum(axis=1, keepdims=True) - np.cumsum(high, axis=1)
    best = np.argmin(cost, axis=1)
    return best, cost[np.arange(len(cost)), best]


class SharpDoses:
    """Add a start with a sharp edge to those of a curve that rises with the logarithm of x, from one height to another.

    Parameters
    ----------
    low, high, half, slope : str
        What the model calls its heights for x = 0 and without end, the place of half the height, and the steepness there.
    """

    def __init__(self, low: str, high: str, half: str, slope: str):
        self.low, self.high, self.half, self.slope = low, high, half, slope

    def __call__(self, found: list[Shapes], curves: Curves) -> list[Shapes]:
        """Return starts, the last ones with sharp edges where any curve has one that may be."""
        first = found[0]
        if not curves.x[0] > 0 or not np.all(first[self.half] > 0) or not np.all(first[self.slope]):
            return found
        step = {"amplitude": first[self.high] - first[self.low], "center": np.log(first[self.half]), "sigma": 1/first[self.slope]}
        below = Curves(np.log(curves.x), curves.y - first[self.low][:, None], curves.known)
        sharp = SharpEdges(LOGISTIC, (Edge("center", "sigma"),))([step], below)[1:]
        return [*found, *({**first, self.half: np.exp(each["center"]), self.slope: 1/each["sigma"]} for each in sharp)]
