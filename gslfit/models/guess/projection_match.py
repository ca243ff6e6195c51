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
from gslfit.formula._program import Program
from gslfit.formula.formula import Formula
from gslfit.formula.graph import Graph, Pool, transplant
from gslfit.models.guess.curves import Curves
from gslfit.models.guess.shapes import Axis, GuessRecipe
from gslfit.models.guess.within_bounds import nudged

CHUNK = 4_000_000       # numbers of a matrix of projections
BLOCK = 8192            # points that shapes are evaluated at in one go: they stay in the processor's cache
MOST_BYTES = 16 << 20   # of the dictionaries that are kept


Bounds = Mapping[str, tuple[float, float]]


class Dictionary(NamedTuple):
    """Shapes ready to be matched: parameters (g), offsets (g, n), orthonormal columns (k, g, n), and triangles (g, k, k)."""

    shapes: dict[str, np.ndarray]
    base: np.ndarray | None
    columns: np.ndarray
    triangles: np.ndarray


    @property
    def size(self) -> int:
        """How many bytes it takes."""
        arrays = [*self.shapes.values(), self.columns, self.triangles, *(() if self.base is None else (self.base,))]
        return sum(array.nbytes for array in arrays)


@lru_cache(maxsize=64)
def _of_shapes(formula: Formula, linear: tuple[str, ...], names: tuple[str, ...]) -> Program:
    """Return a formula's program in which the parameters of its shapes are independent variables, with derivatives by the linear ones."""
    pool = Pool()
    change = {formula.graph.pool.leaf("par", name): pool.leaf("x", name) for name in names}
    value, = transplant(pool, [formula.graph.value], change)
    return Formula.from_graph(Graph(pool, value, (), (), (*formula.independent, *names)), linear).program(linear)


def evaluated(formula: Formula, linear: tuple[str, ...], shapes: Mapping[str, np.ndarray],
              x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return a formula's shapes at points: what is left without the linear parameters (g, n), and their columns (k, g, n)."""
    given = {name: values for name, values in shapes.items() if name in formula.names}
    count, n = len(next(iter(shapes.values()))) if shapes else 1, len(x)
    program, zeros = _of_shapes(formula, linear, tuple(given)), np.zeros(len(linear))
    base, columns = np.empty((count, n)), np.empty((len(linear), count, n))
    size = max(1, BLOCK//n)
    for low in range(0, count, size):
        here = slice(low, low + size)
        found = base[here]
        points = np.empty((1 + len(given), *found.shape))
        points[0] = x
        for place, values in zip(points[1:], given.values(), strict=True):
            place[:] = values[here, None]
        value, slopes = program.evaluate(zeros, points.reshape(len(points), -1))
        found[:] = value.reshape(found.shape)
        columns[:, here] = slopes.T.reshape(len(linear), *found.shape)
    return base, columns


def dictionary(formula: Formula, linear: tuple[str, ...], shapes: Mapping[str, np.ndarray], x: np.ndarray) -> Dictionary:
    """Evaluate a formula's shapes at points, and make the linear parameters' columns orthonormal."""
    base, columns = evaluated(formula, linear, shapes, x)
    sizes = np.maximum(columns.max(axis=2, initial=0.0), -columns.min(axis=2, initial=0.0))      # NaN where a number is
    good = np.isfinite(base).all(axis=1) & (np.isfinite(sizes) & (sizes > 0)).all(axis=0)
    if not good.all():
        base, columns, sizes = base[good], columns[:, good], sizes[:, good]
    if len(linear) == 1:
        columns /= sizes[..., None]
        norms = np.sqrt(np.einsum("kgn,kgn->kg", columns, columns))
        columns /= norms[..., None]
        r = np.moveaxis(norms*sizes, 0, 1)[..., None]
    elif linear:
        q, r = np.linalg.qr(np.moveaxis(columns/sizes[..., None], 0, 2))
        with np.errstate(all="ignore"):
            determined = np.abs(np.diagonal(r, axis1=1, axis2=2)).min(axis=1) > 1e-9*np.abs(r).max(axis=(1, 2))
        q, r = q[determined], r[determined]*np.moveaxis(sizes[:, determined, None], 0, 2)
        columns, base = np.ascontiguousarray(np.moveaxis(q, 2, 0)), base[determined]
        good[good] = determined
    else:
        r = np.zeros((len(base), 0, 0))
    return Dictionary({name: values[good] for name, values in shapes.items()}, base if np.any(base) else None, columns, r)


class Books:
    """Dictionaries that were made before, for the points of one axis each; the ones used last, as many as `MOST_BYTES` hold."""

    def __init__(self) -> None:
        self.known: OrderedDict[Any, Dictionary] = OrderedDict()
        self._lock = Lock()

    def of(self, formula: Formula, linear: tuple[str, ...], recipe: GuessRecipe, x: np.ndarray, bounds: Bounds) -> Dictionary:
        """Return the dictionary of a recipe's shapes inside their bounds, at points."""
        key = formula, linear, recipe.shapes, x.tobytes(), tuple((name, bounds[name]) for name in bounds if name not in linear)
        with self._lock:
            found = self.known.get(key)
            if found is not None:
                self.known.move_to_end(key)
                return found
        found = dictionary(formula, linear, within(recipe.shapes(Axis.of(x)), bounds), x)
        if found.size <= MOST_BYTES:
            with self._lock:
                self.known[key] = found
                while sum(book.size for book in self.known.values()) > MOST_BYTES:
                    self.known.popitem(last=False)
        return found


BOOKS = Books()


def match(book: Dictionary, linear: tuple[str, ...], y: np.ndarray, bounds: Bounds, families: Sequence[np.ndarray] = (),
          most: int = 1) -> list[dict[str, np.ndarray]]:
    """Return the parameters of the shapes that fit each curve best, the linear ones included, the best first.

    Parameters
    ----------
    book : Dictionary
    linear : tuple of str
    y : ndarray, shape (fits, n)
    bounds : mapping of str to (float, float)
        Of linear parameters.
    families : sequence of ndarray of int
        The shapes of which the best one each is wanted; all are one family, if none are given.
    most : int
        How many families are wanted at most.
    """
    families = families or [np.arange(len(book.triangles))]
    count = min(most, len(families))
    chosen = np.empty((count, len(y)), int)
    coefficients = np.empty((count, len(y), len(linear)))
    for here in chunks(len(y), len(book.triangles)):
        rows = y[here]
        projected = np.array([rows @ column.T for column in book.columns]).reshape(len(linear), len(rows), len(book.triangles))
        score = np.sum(np.square(projected if book.base is None else projected - np.sum(book.columns*book.base, axis=2)[:, None]), axis=0)
        if book.base is not None:
            score = score + 2*(rows @ book.base.T) - np.sum(book.base**2, axis=1)
            projected = projected - np.sum(book.columns*book.base, axis=2)[:, None]
        limited = [k for k, name in enumerate(linear) if name in bounds]
        if limited and len(linear):
            solved = solve(book.triangles[None], np.moveaxis(projected, 0, 2))
            for k in limited:
                low, high = bounds[linear[k]]
                outside = (solved[..., k] < low) | (solved[..., k] > high)
                score = np.where(outside & ~outside.all(axis=1, keepdims=True), -np.inf, score)
        best = np.array([family[np.argmax(score[:, family], axis=1)] for family in families])
        if len(families) > 1:
            gains = score[np.arange(len(rows)), best]
            best = np.take_along_axis(best, np.argsort(-gains, axis=0, kind="stable")[:count], axis=0)
        chosen[:, here] = best
        if linear:
            coefficients[:, here] = solve(book.triangles[best], np.moveaxis(projected[:, np.arange(len(rows)), best], 0, 2))
    return [{name: values[shape] for name, values in book.shapes.items()} | {name: found[:, k] for k, name in enumerate(linear)}
            for shape, found in zip(chosen, coefficients, strict=True)]


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
    """Return shapes in families, by the part of its values' order that each parameter's is in."""
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
    return (slice(low, low + size) for low in range(0, fits, size))


@lru_cache(maxsize=64)
def _of_text(text: str) -> Formula:
    return Formula(text)


def estimate(plan: GuessRecipe, formula: Formula, curves: Curves, bounds: Bounds) -> list[dict[str, np.ndarray]]:
    """Return start values of every curve, by the model's parameters without prefix: the best, then those of other families of shapes."""
    if plan.search:
        return plan.search(curves, bounds)
    source = _of_text(plan.formula) if plan.formula else formula
    linear = tuple(name for name in plan.linear if name in source.names)
    book = BOOKS.of(source, linear, plan, curves.x, bounds)
    if not len(book.triangles):
        raise InputError(f"no shape of {formula!r} is finite at the points of the data, from x = {curves.x[0]:g} to {curves.x[-1]:g}")
    found = match(book, linear, curves.y, {} if plan.formula else bounds, families_of(book.shapes, plan.families), plan.most)
    found = [{name: value for name, value in each.items() if name in source.names} for each in found]
    if plan.settle:
        return [dict(plan.settle(found, curves))]
    return [dict(plan.finish(each)) if plan.finish else each for each in found]
