"""Start values of a model by matching shapes to data, for one curve or for many at once.

Shapes are tried (`gslfit.models.guess.shapes`): for each the linear parameters that fit best are known at once, by a projection, and so is
chi-square. With the points shared, all curves are projected on all shapes by one product of matrices. The shape with the lowest
chi-square is the start; where the linear parameters have bounds, among those that keep them. Sums of decays have a search of their own
(`gslfit.models.guess.decays`).
"""
from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from threading import Lock
from typing import Any

import numpy as np

from gslfit.errors import InputError
from gslfit.formula._program import Program
from gslfit.formula.formula import Formula
from gslfit.formula.linear import linearity
from gslfit.models.guess.curves import Curves, of_unit, seen
from gslfit.models.guess.shapes import Axis, GuessRecipe
from gslfit.models.guess.within_bounds import brought_inside
from gslfit.objective.units import is_far
from gslfit.records import Record

CHUNK = 4_000_000       # numbers of a matrix of projections
MOST_BYTES = 16 << 20   # of the dictionaries that are kept
MOST_AXES = 256         # that are known again
EQUAL = 1e-12           # share by which scores differ that are equal but for rounding

Bounds = Mapping[str, tuple[float, float]]


class Scores(Record):
    """How well shapes fit curves.

    Attributes
    ----------
    shapes : dict of str to ndarray, shape (g,)
    score : ndarray, shape (fits, g)
        What a shape takes off the sum of the data's squares.
    solved : callable
        ``solved(best)``: the linear parameters, shape (..., k), where each curve's shape is `best`, shape (..., fits); all, (fits, g, k),
        for None.
    sizes : callable, optional
        ``sizes(best)``: about the lengths of the linear parameters' columns there, shape (..., fits, k).
    """

    shapes: dict[str, np.ndarray]
    score: np.ndarray
    solved: Callable[[np.ndarray | None], np.ndarray]
    sizes: Callable[[np.ndarray], np.ndarray] | None = None


def scored(shapes: dict[str, np.ndarray], triangles: np.ndarray, products: np.ndarray, base: tuple[np.ndarray, ...] | None) -> Scores:
    """Return scores from products of columns and data, (k, fits, g).

    Where there are offsets, their products with the columns (k, g), with themselves (g), and with the data (fits, g).
    """
    if base is not None:
        products = products - base[0][:, None]
    score = np.sum(np.square(products), axis=0)

    def solved(best: np.ndarray | None) -> np.ndarray:
        if best is None:
            return solve(triangles[None], np.moveaxis(products, 0, 2))
        return solve(triangles[best], np.moveaxis(products[:, np.arange(products.shape[1]), best], 0, 2))
    return Scores(shapes, score if base is None else score + 2*base[2] - base[1], solved, lambda best: sizes_of(triangles[best]))


class Dictionary(Record):
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

    def scores(self, y: np.ndarray) -> Scores:
        """Match data (fits, n) with the shapes."""
        products = np.array([y @ column.T for column in self.columns]).reshape(len(self.columns), len(y), len(self.triangles))
        if self.base is None or self.across is None or self.square is None:
            return scored(self.shapes, self.triangles, products, None)
        return scored(self.shapes, self.triangles, products, (self.across, self.square, y @ self.base.T))


class ShapeGrid(Record):
    """Which shapes of which formula are tried at which points, and in which parameters it is linear."""

    formula: Formula
    linear: tuple[str, ...]
    shapes: Mapping[str, np.ndarray]
    x: np.ndarray

    def compiled(self) -> tuple[Program, np.ndarray]:
        """Return the program that has the shapes' parameters as inputs, and their values, a row for each input."""
        given = tuple(name for name in self.shapes if name in self.formula.names)
        count = len(next(iter(self.shapes.values()))) if self.shapes else 1
        return self.formula.program(self.linear, given), np.array([self.shapes[name] for name in given]).reshape(len(given), count)

    def _kept(self, good: np.ndarray) -> dict[str, np.ndarray]:
        return {name: each if good.all() else each[good] for name, each in self.shapes.items()}

    def dictionary(self) -> Dictionary:
        """Evaluate the shapes, and make the linear parameters' columns orthonormal; what is no good is left out."""
        program, values = self.compiled()
        good, triangles, across, square, base, columns = program.shapes(self.x, values)
        if not good.all():
            triangles, columns = triangles[good], columns[:, good]
            if base is not None and across is not None and square is not None:
                across, square, base = across[:, good], square[good], base[good]
        return Dictionary(self._kept(good), triangles, columns, base, across, square)

    def scores(self, y: np.ndarray) -> Scores:
        """Match data (fits, n) with the shapes, as their dictionary does but for rounding, keeping none of them."""
        program, values = self.compiled()
        if len(self.linear) == len(y) == 1:
            score, value = program.score(self.x, values, y[0])
            if (score > -np.inf).all():         # else numbers may be too large or too small for their squares
                return Scores(dict(self.shapes), score[None], lambda best: (value[None] if best is None else value[best])[..., None])
        good, triangles, across, square, along, products = program.shapes(self.x, values, y)
        base = None if along is None or across is None or square is None else (across[:, good], square[good], along[:, good])
        return scored(self._kept(good), triangles[good], products[..., good], base)

    def fitted(self, y: np.ndarray) -> np.ndarray:
        """Return the linear parameters of every shape for one curve (n,), ndarray, shape (g, k)."""
        program, values = self.compiled()
        _, triangles, across, _, _, products = program.shapes(self.x, values, y[None])
        products = products[:, 0] if across is None else products[:, 0] - across
        found = solve(triangles, products.T)
        return seen(found, found*sizes_of(triangles), np.abs(y).max(initial=0.0))


class Books:
    """Dictionaries that were made before, for the points of one axis each; the ones used last, as many as `MOST_BYTES` hold.

    One curve on points that are met for the first time is matched without one: points that don't come again need none.
    """

    def __init__(self) -> None:
        self.known: OrderedDict[Any, Dictionary | None] = OrderedDict()
        self._lock = Lock()

    def scores(self, formula: Formula, linear: tuple[str, ...], recipe: GuessRecipe, curves: Curves, bounds: Bounds) -> Iterator[Scores]:
        """Yield how well a recipe's shapes inside their bounds fit curves, some curves after the others."""
        x = curves.x
        key = formula, linear, recipe.shapes, x.tobytes(), tuple((name, bounds[name]) for name in bounds if name not in linear)
        with self._lock:
            met = key in self.known
            found = self.known.setdefault(key, None)
            self.known.move_to_end(key)
            while len(self.known) > MOST_AXES:
                self.known.popitem(last=False)
        if found is None:
            grid = ShapeGrid(formula, linear, within(recipe.shapes(Axis.of(x)), bounds), x)
            if not met and len(curves.y) == 1:
                yield grid.scores(curves.y)
                return
            found = grid.dictionary()
            if found.size <= MOST_BYTES:
                with self._lock:
                    self.known[key] = found
                    while sum(book.size for book in self.known.values() if book) > MOST_BYTES:
                        self.known.popitem(last=False)
        for here in chunks(len(curves.y), len(found.triangles)):
            yield found.scores(curves.y[here])


BOOKS = Books()


def match(scores: Scores, linear: tuple[str, ...], bounds: Bounds, families: Sequence[np.ndarray] = (), most: int = 1) -> np.ndarray:
    """Return the numbers of the shapes that fit each curve best, (count, fits), the best first; of equals, the first shape.

    Parameters
    ----------
    scores : Scores
    linear : tuple of str
    bounds : mapping of str to (float, float)
        Of linear parameters; or those of each curve, ndarrays (fits, 1).
    families : sequence of ndarray of int
        The shapes of which the best one each is wanted; all are one family, if none are given.
    most : int
        How many families are wanted at most.
    """
    score = scores.score
    limited = [k for k, name in enumerate(linear) if name in bounds]
    if limited:
        solved = scores.solved(None)
        for k in limited:
            low, high = bounds[linear[k]]
            outside = (solved[..., k] < low) | (solved[..., k] > high)
            score = np.where(outside & ~outside.all(axis=1, keepdims=True), -np.inf, score)
    best = np.array([family[highest(score[:, family])] for family in families]) if families else highest(score)[None]
    if len(families) > 1:
        gains = score[np.arange(len(score)), best]
        best = np.take_along_axis(best, np.argsort(-gains, axis=0, kind="stable")[:most], axis=0)
    return best


def highest(score: np.ndarray) -> np.ndarray:
    """Return where each row is highest, the first of those that differ by rounding."""
    top = score.max(axis=1, keepdims=True)
    return np.argmax(score >= top - EQUAL*np.abs(top), axis=1)


def within(shapes: Mapping[str, np.ndarray], bounds: Bounds) -> dict[str, np.ndarray]:
    """Return shapes inside their parameters' bounds: one outside is brought to the bound, or left out where that is 0."""
    found = dict(shapes)
    for name in bounds:
        if name not in found:
            continue
        (low, high), values = bounds[name], found[name]
        good = ((values > low) | (low != 0)) & ((values < high) | (high != 0))
        found[name] = brought_inside(values, low, high)
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


def sizes_of(triangles: np.ndarray) -> np.ndarray:
    """Return about the lengths of the columns that upper triangles (..., k, k) are of, (..., k)."""
    return np.abs(triangles).max(axis=-2, initial=0.0)


def chunks(fits: int, shapes: int) -> Iterator[slice]:
    """Return slices of fits whose matrices of projections stay small."""
    size = max(1, CHUNK//max(shapes, 1))
    return (slice(low, low + size) for low in range(0, max(fits, 1), size))


def _of_rows(side: Any, here: slice) -> Any:
    """Return some curves' part of a bound, a number that all share or (fits, 1)."""
    return side[here] if np.ndim(side) else side


@lru_cache(maxsize=64)
def _of_text(text: str) -> Formula:
    return Formula(text)


def estimate(plan: GuessRecipe, formula: Formula, curves: Curves, bounds: Bounds) -> list[dict[str, np.ndarray]]:
    """Return start values of every curve, by the model's parameters without prefix: the best, then those of other families of shapes.

    Where squares are out of range they are looked for in curves of values of about 1; what the model is proportional to is brought back.
    """
    if plan.search:         # which looks in units of its own
        return plan.search(curves, bounds)
    far = is_far(np.abs(curves.y).max(axis=1, initial=0.0)).any()
    scaling = linearity(formula.graph.value, formula.names).together(plan.linear) if far else ()
    if not scaling:
        return _estimate(plan, formula, curves, bounds, bounds)
    units, size = of_unit(curves)
    with np.errstate(over="ignore", under="ignore"):
        own = {name: (low/size, high/size) for name, (low, high) in bounds.items() if name in scaling}
        others = {name: box for name, box in bounds.items() if name not in scaling}
        return [{name: value*size[:, 0] if name in scaling else value for name, value in found.items()}
                for found in _estimate(plan, formula, units, others, own)]


def _estimate(plan: GuessRecipe, formula: Formula, curves: Curves, bounds: Bounds,
              of_linear: Mapping[str, tuple[Any, Any]]) -> list[dict[str, np.ndarray]]:
    """Return start values of every curve by shapes; bounds of linear parameters may be those of each curve, (fits, 1)."""
    source = _of_text(plan.formula) if plan.formula else formula
    linear = tuple(name for name in plan.linear if name in source.names)
    parts: list[dict[str, np.ndarray]] = []
    begun = 0
    for scores in BOOKS.scores(source, linear, plan, curves, bounds):
        here = slice(begun, begun + len(scores.score))
        if not scores.score.shape[1]:
            raise InputError(f"no shape of {formula!r} is finite at the points of the data, from x = {curves.x[0]:g} to {curves.x[-1]:g}")
        own = {} if plan.formula else {name: (_of_rows(low, here), _of_rows(high, here)) for name, (low, high) in of_linear.items()}
        best = match(scores, linear, own, families_of(scores.shapes, plan.families), plan.most)
        values = {name: each[best] for name, each in scores.shapes.items()}
        if len(curves.y) == 1:              # the same to the last digit, whether its points were met before or not
            grid = ShapeGrid(source, linear, {name: each[:, 0] for name, each in values.items()}, curves.x)
            coefficients = grid.fitted(curves.y[0])[:, None]
        else:
            coefficients = scores.solved(best)
            if scores.sizes is not None:
                tops = np.abs(curves.y[here]).max(axis=1, initial=0.0)
                coefficients = seen(coefficients, coefficients*scores.sizes(best), tops[:, None])
        begun = here.stop
        parts.append(values | {name: coefficients[..., k] for k, name in enumerate(linear)})
    whole = parts[0] if len(parts) == 1 else {name: np.concatenate([part[name] for part in parts], axis=1) for name in parts[0]}
    found = [{name: value[k] for name, value in whole.items() if name in source.names} for k in range(len(next(iter(whole.values()))))]
    if plan.settle:
        return [dict(plan.settle(found, curves))]
    found = plan.beside(found, curves) if plan.beside else found
    return [dict(plan.finish(each)) if plan.finish else each for each in found]
