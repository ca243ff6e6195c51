"""Start values of a model by matching shapes to data, for one curve or for many at once.

Shapes are tried (`gslfit.models.guess.shapes`): for each the linear parameters that fit best are known at once, by a projection, and so is
chi-square. With the points shared, all curves are projected on all shapes by one product of matrices. The shape with the lowest
chi-square is the start; where the linear parameters have bounds, among those that keep them. Sums of decays have a search of their own
(`gslfit.models.guess.decays`).
"""
from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from threading import Lock
from typing import Any, NamedTuple

import numpy as np

from gslfit.errors import InputError
from gslfit.formula._program import products
from gslfit.formula.formula import Formula
from gslfit.models.guess.curves import Curves
from gslfit.models.guess.shapes import Axis, GuessRecipe
from gslfit.models.guess.within_bounds import nudged

CHUNK = 4_000_000       # numbers of a matrix of projections
MOST_BYTES = 16 << 20   # of the dictionaries that are kept
MOST_AXES = 256         # that are known again
FEW = 4                 # curves that are projected on shapes that are made one after the other

Bounds = Mapping[str, tuple[float, float]]


class Projection(NamedTuple):
    """Data projected on shapes: parameters (g), triangles (g, k, k), products of columns and data (k, fits, g), and the offsets' products.

    These are, where there are offsets: with the columns (k, g), with themselves (g), and with the data (fits, g).
    """

    shapes: dict[str, np.ndarray]
    triangles: np.ndarray
    products: np.ndarray
    base: tuple[np.ndarray, np.ndarray, np.ndarray] | None


class Dictionary(NamedTuple):
    """Shapes ready to be matched: parameters (g), triangles (g, k, k), orthonormal columns (k, g, n).

    Where there are offsets, what is left without the linear parameters: offsets (g, n), their products with the columns (k, g), and with
    themselves (g).
    """

    shapes: dict[str, np.ndarray]
    triangles: np.ndarray
    columns: np.ndarray
    base: np.ndarray | None
    across: np.ndarray | None
    square: np.ndarray | None

    @property
    def size(self) -> int:
        """How many bytes it takes."""
        return sum(array.nbytes for array in (*self.shapes.values(), *self[1:]) if array is not None)

    def project(self, y: np.ndarray) -> Projection:
        """Project data (fits, n) on the shapes; a few to the last digit as `ShapeGrid.project` does."""
        def times(rows: np.ndarray) -> np.ndarray:
            return products(rows, y) if len(y) <= FEW else y @ rows.T
        found = np.array([times(column) for column in self.columns]).reshape(len(self.columns), len(y), len(self.triangles))
        if self.base is None or self.across is None or self.square is None:
            return Projection(self.shapes, self.triangles, found, None)
        return Projection(self.shapes, self.triangles, found, (self.across, self.square, times(self.base)))


class ShapeGrid(NamedTuple):
    """Which shapes of which formula are tried at which points, and in which parameters it is linear."""

    formula: Formula
    linear: tuple[str, ...]
    shapes: Mapping[str, np.ndarray]
    x: np.ndarray

    def _evaluated(self, y: np.ndarray | None = None) -> tuple[Any, ...]:
        """Return the shapes' parameters, and what the program says of them; what is no good is left out."""
        given = tuple(name for name in self.shapes if name in self.formula.names)
        count = len(next(iter(self.shapes.values()))) if self.shapes else 1
        values = np.array([self.shapes[name] for name in given]).reshape(len(given), count)
        good, triangles, across, square, base, columns = self.formula.program(self.linear, given).shapes(self.x, values, y)
        if good.all():
            return dict(self.shapes), triangles, across, square, base, columns
        kept = {name: each[good] for name, each in self.shapes.items()}
        columns = columns[:, good] if y is None else columns[..., good]
        if base is None:
            return kept, triangles[good], None, None, None, columns
        return kept, triangles[good], across[:, good], square[good], base[good] if y is None else base[:, good], columns

    def dictionary(self) -> Dictionary:
        """Evaluate the shapes, and make the linear parameters' columns orthonormal."""
        shapes, triangles, across, square, base, columns = self._evaluated()
        return Dictionary(shapes, triangles, columns, base, across, square)

    def project(self, y: np.ndarray) -> Projection:
        """Project data (fits, n) on the shapes, as their dictionary does, keeping none of them."""
        shapes, triangles, across, square, along, found = self._evaluated(y)
        return Projection(shapes, triangles, found, None if along is None else (across, square, along))


class Books:
    """Dictionaries that were made before, for the points of one axis each; the ones used last, as many as `MOST_BYTES` hold.

    A few curves on points that are met for the first time are projected without one: points that don't come again need none.
    """

    def __init__(self) -> None:
        self.known: OrderedDict[Any, Dictionary | None] = OrderedDict()
        self._lock = Lock()

    def project(self, formula: Formula, linear: tuple[str, ...], recipe: GuessRecipe, curves: Curves, bounds: Bounds) -> Iterator[
            Projection]:
        """Yield projections of the curves, some after the others, on a recipe's shapes inside their bounds."""
        x = curves.x
        key = formula, linear, recipe.shapes, x.tobytes(), tuple((name, bounds[name]) for name in bounds if name not in linear)
        with self._lock:
            found, met = self.known.get(key), key in self.known
            self.known[key] = found
            self.known.move_to_end(key)
            self._forget()
        if found is None:
            grid = ShapeGrid(formula, linear, within(recipe.shapes(Axis.of(x)), bounds), x)
            if not met and len(curves.y) <= FEW:
                yield grid.project(curves.y)
                return
            found = grid.dictionary()
            if found.size <= MOST_BYTES:
                with self._lock:
                    self.known[key] = found
                    self._forget()
        for here in chunks(len(curves.y), len(found.triangles)):
            yield found.project(curves.y[here])

    def _forget(self) -> None:
        """Let go of what was used longest ago."""
        while len(self.known) > MOST_AXES or sum(book.size for book in self.known.values() if book) > MOST_BYTES:
            self.known.popitem(last=False)


BOOKS = Books()


def match(projection: Projection, linear: tuple[str, ...], bounds: Bounds, families: Sequence[np.ndarray] = (),
          most: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Return the shapes that fit each curve best, (count, fits), and the linear parameters there, (count, fits, k), the best first.

    Parameters
    ----------
    projection : Projection
    linear : tuple of str
    bounds : mapping of str to (float, float)
        Of linear parameters.
    families : sequence of ndarray of int
        The shapes of which the best one each is wanted; all are one family, if none are given.
    most : int
        How many families are wanted at most.
    """
    triangles, found = projection.triangles, projection.products
    fits = found.shape[1]
    if projection.base is None:
        score = np.sum(np.square(found), axis=0)
    else:
        across, square, along = projection.base
        found = found - across[:, None]
        score = np.sum(np.square(found), axis=0) + 2*along - square
    limited = [k for k, name in enumerate(linear) if name in bounds]
    if limited and len(linear):
        solved = solve(triangles[None], np.moveaxis(found, 0, 2))
        for k in limited:
            low, high = bounds[linear[k]]
            outside = (solved[..., k] < low) | (solved[..., k] > high)
            score = np.where(outside & ~outside.all(axis=1, keepdims=True), -np.inf, score)
    best = (np.array([family[np.argmax(score[:, family], axis=1)] for family in families]) if families else
            np.argmax(score, axis=1)[None])
    if len(families) > 1:
        gains = score[np.arange(fits), best]
        best = np.take_along_axis(best, np.argsort(-gains, axis=0, kind="stable")[:most], axis=0)
    return best, solve(triangles[best], np.moveaxis(found[:, np.arange(fits), best], 0, 2))


def within(shapes: Mapping[str, np.ndarray], bounds: Bounds) -> dict[str, np.ndarray]:
    """Return shapes inside their parameters' bounds: one outside is brought to the bound, or left out where that is 0."""
    found = dict(shapes)
    for name in bounds:
        if name not in found:
            continue
        (low, high), values = nudged(*bounds[name]), found[name]
        good = ((values >= low) | (bounds[name][0] != 0)) & ((values <= high) | (bounds[name][1] != 0))
        found[name] = np.clip(values, low, high)
        if good.any():
            found = {other: each[good] for other, each in found.items()}
    return found


def families_of(shapes: Mapping[str, np.ndarray], parts: Mapping[str, int]) -> list[np.ndarray]:
    """Return shapes in families, by the part of its values' order that each parameter's is in; none where all are one family."""
    if not parts:
        return []
    label = np.zeros(len(next(iter(shapes.values()))) if shapes else 1, int)
    for name, count in parts.items():
        values, place = np.unique(shapes[name], return_inverse=True)
        label = label*count + place*min(count, len(values))//len(values)
    return [np.flatnonzero(label == each) for each in np.unique(label)]


def solve(triangles: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Solve upper triangular systems, (..., k, k) and (..., k)."""
    k = triangles.shape[-1]
    out = np.empty(np.broadcast_shapes(triangles.shape[:-1], right.shape))
    for i in reversed(range(k)):
        with np.errstate(all="ignore"):
            rest = sum((triangles[..., i, j]*out[..., j] for j in range(i + 1, k)), start=0.0)
            out[..., i] = (right[..., i] - rest)/triangles[..., i, i]
    return out


def chunks(fits: int, shapes: int) -> Iterator[slice]:
    """Return slices of fits whose matrices of projections stay small."""
    size = max(1, CHUNK//max(shapes, 1))
    return (slice(low, low + size) for low in range(0, max(fits, 1), size))


@lru_cache(maxsize=64)
def _of_text(text: str) -> Formula:
    return Formula(text)


def estimate(plan: GuessRecipe, formula: Formula, curves: Curves, bounds: Bounds) -> list[dict[str, np.ndarray]]:
    """Return start values of every curve, by the model's parameters without prefix: the best, then those of other families of shapes."""
    if plan.search:
        return plan.search(curves, bounds)
    source = _of_text(plan.formula) if plan.formula else formula
    linear = tuple(name for name in plan.linear if name in source.names)
    parts = []
    for projection in BOOKS.project(source, linear, plan, curves, bounds):
        if not len(projection.triangles):
            raise InputError(f"no shape of {formula!r} is finite at the points of the data, from x = {curves.x[0]:g} to {curves.x[-1]:g}")
        best, coefficients = match(projection, linear, {} if plan.formula else bounds, families_of(projection.shapes, plan.families),
                                   plan.most)
        values = {name: each[best] for name, each in projection.shapes.items()}
        parts.append(values | {name: coefficients[..., k] for k, name in enumerate(linear)})
    whole = parts[0] if len(parts) == 1 else {name: np.concatenate([part[name] for part in parts], axis=1) for name in parts[0]}
    found = [{name: value[k] for name, value in whole.items() if name in source.names} for k in range(len(next(iter(whole.values()))))]
    if plan.settle:
        return [dict(plan.settle(found, curves))]
    return [dict(plan.finish(each)) if plan.finish else each for each in found]
