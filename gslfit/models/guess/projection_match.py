"""Start values of a model from data, for one curve or for many at once.

Shapes are tried (`gslfit.models.guess.shapes`): for each the linear parameters that fit best are known at once, by a projection, and so is
chi-square. With the points shared, all curves are projected on all shapes by one product of matrices. The shape with the lowest
chi-square is the start; where the linear parameters have bounds, among those that keep them. Sums of decays have a search of their own
(`gslfit.models.guess.decays`).
"""
from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from gslfit.errors import InputError
from gslfit.formula.formula import Formula
from gslfit.models.guess.shapes import Axis, Plan
from gslfit.models.guess.shapes_further import PLANS
from gslfit.parameters.collection import Parameters

MOST_POINTS = 400       # for shapes without waves; further points are averaged
WAVE_POINTS = 2048
CHUNK = 4_000_000       # numbers of a matrix of projections


class Curves(NamedTuple):
    """Curves on shared points in order: x (n), y (fits, n), and where y is data, (fits, n), if it isn't everywhere."""

    x: np.ndarray
    y: np.ndarray
    known: np.ndarray | None = None


def ordered(x: Any, y: np.ndarray, most: int) -> Curves:
    """Bring curves to shared, sorted points, at most so many; a point that is not finite is put between its neighbours.

    Parameters
    ----------
    x : array_like, shape (n,) or (..., n)
    y : ndarray, shape (..., n)
    most : int
    """
    x, y = np.asarray(x, float), np.asarray(y, float)
    n = y.shape[-1]
    if x.shape[-1:] != (n,):
        raise InputError(f"x has the shape {x.shape}, and the data {y.shape}")
    rows = y.reshape(-1, n)
    if x.ndim > 1:
        x = np.broadcast_to(x, y.shape).reshape(-1, n)
        order = np.argsort(x, axis=1)
        x, rows = common(np.take_along_axis(x, order, 1), filled(np.take_along_axis(rows, order, 1)))
    elif np.any(np.diff(x) < 0):
        order = np.argsort(x, kind="stable")
        x, rows = x[order], rows[:, order]
    known = np.isfinite(rows)
    whole = bool(known.all())
    rows = rows if whole else filled(rows)
    if len(x) > most:
        edges = np.linspace(0, len(x), most + 1).astype(int)[:-1]
        counts = np.diff([*edges, len(x)])
        x, rows = np.add.reduceat(x, edges)/counts, np.add.reduceat(rows, edges, axis=1)/counts
        whole = True
    return Curves(x, rows, None if whole else known)


def filled(rows: np.ndarray) -> np.ndarray:
    """Rows in which a number that is not finite is the mean of the next ones that are; 0 where none is."""
    known = np.isfinite(rows)
    if known.all():
        return rows
    n = rows.shape[1]
    at = np.arange(n)
    before = np.maximum.accumulate(np.where(known, at, -1), axis=1)
    after = np.minimum.accumulate(np.where(known, at, n)[:, ::-1], axis=1)[:, ::-1]
    left = np.take_along_axis(rows, np.where(before >= 0, before, np.minimum(after, n - 1)), 1)
    right = np.take_along_axis(rows, np.where(after < n, after, np.maximum(before, 0)), 1)
    return np.where(known, rows, np.where(known.any(axis=1, keepdims=True), 0.5*(left + right), 0.0))


def common(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Interpolate curves, each with its own points in order, on points that all of them span."""
    low, high = float(np.median(x[:, 0])), float(np.median(x[:, -1]))
    grid = np.linspace(low, high, x.shape[1])
    whole = float(x.max() - x.min()) + 1.0
    flat = (x - x.min() + 2*whole*np.arange(len(x))[:, None]).reshape(-1)
    wanted = (grid - x.min())[None] + 2*whole*np.arange(len(x))[:, None]
    n = x.shape[1]
    at = np.clip(np.searchsorted(flat, wanted.reshape(-1)).reshape(wanted.shape) - n*np.arange(len(x))[:, None], 1, n - 1)
    left, right = np.take_along_axis(x, at - 1, 1), np.take_along_axis(x, at, 1)
    share = np.clip((grid - left)/np.where(right > left, right - left, 1), 0, 1)
    return grid, np.take_along_axis(y, at - 1, 1)*(1 - share) + np.take_along_axis(y, at, 1)*share


class Dictionary(NamedTuple):
    """Shapes ready to be matched: parameters (g), offsets (g, n), orthonormal columns (k, g, n), and triangles (g, k, k)."""

    shapes: dict[str, np.ndarray]
    base: np.ndarray | None
    columns: np.ndarray
    triangles: np.ndarray


def dictionary(formula: Formula, linear: tuple[str, ...], shapes: Mapping[str, np.ndarray], x: np.ndarray) -> Dictionary:
    """Evaluate a formula's shapes at points, and make the linear parameters' columns orthonormal."""
    count = len(next(iter(shapes.values()))) if shapes else 1
    given = {name: values[:, None] for name, values in shapes.items() if name in formula.names}

    def value(ones: tuple[str, ...]) -> np.ndarray:
        found = formula(**{formula.independent[0]: x[None]}, **given, **{name: float(name in ones) for name in linear})
        return np.broadcast_to(found, (count, len(x)))

    with np.errstate(all="ignore"):
        base = value(())
        columns = np.array([value((name,)) for name in linear]) - base if linear else np.zeros((0, count, len(x)))
    good = np.isfinite(base).all(axis=1) & np.isfinite(columns).all(axis=(0, 2))
    if linear:
        good &= (np.abs(columns).max(axis=2) > 0).all(axis=0)
    base, columns = base[good], columns[:, good]
    size = np.abs(columns).max(axis=2, keepdims=True, initial=1e-300)
    if linear:
        q, r = np.linalg.qr(np.moveaxis(columns/size, 0, 2))
        with np.errstate(all="ignore"):
            determined = np.abs(np.diagonal(r, axis1=1, axis2=2)).min(axis=1) > 1e-9*np.abs(r).max(axis=(1, 2))
        q, r = q[determined], r[determined]*np.moveaxis(size[:, determined], 0, 2)
        columns, base = np.moveaxis(q, 2, 0), base[determined]
        good[good] = determined
    else:
        r = np.zeros((len(base), 0, 0))
    return Dictionary({name: values[good] for name, values in shapes.items()}, base if np.any(base) else None,
                      np.ascontiguousarray(columns), r)


Bounds = Mapping[str, tuple[float, float]]


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


def families_of(shapes: Mapping[str, np.ndarray], parts: Mapping[str, int]) -> list[np.ndarray]:
    """Shapes in families, by the part of its values' order that each parameter's is in."""
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
        rest = sum((triangles[..., i, j]*out[..., j] for j in range(i + 1, k)), start=0.0)
        out[..., i] = (right[..., i] - rest)/triangles[..., i, i]
    return out


def chunks(fits: int, shapes: int) -> Iterator[slice]:
    """Slices of fits whose matrices of projections stay small."""
    size = max(1, CHUNK//max(shapes, 1))
    return (slice(low, low + size) for low in range(0, fits, size))


@lru_cache(maxsize=64)
def _of_text(text: str) -> Formula:
    return Formula(text)


def estimate(plan: Plan, formula: Formula, curves: Curves, bounds: Bounds) -> list[dict[str, np.ndarray]]:
    """Return start values of every curve, by the model's parameters without prefix: the best, then those of other families of shapes."""
    if plan.search:
        return plan.search(curves, bounds)
    source = _of_text(plan.formula) if plan.formula else formula
    linear = tuple(name for name in plan.linear if name in source.names)
    book = dictionary(source, linear, plan.shapes(Axis.of(curves.x)), curves.x)
    if not len(book.triangles):
        raise InputError(f"no shape of {formula!r} is finite at the points of the data, from x = {curves.x[0]:g} to {curves.x[-1]:g}")
    found = match(book, linear, curves.y, {} if plan.formula else bounds, families_of(book.shapes, plan.families), plan.most)
    found = [{name: value for name, value in each.items() if name in source.names} for each in found]
    if plan.settle:
        return [dict(plan.settle(found, curves))]
    return [dict(plan.finish(each)) if plan.finish else each for each in found]


SUMS = {"gsl_gaussian_2peaks": 2, "gaussians2": 2, "gaussians3": 3}


def guess_model(model: Any, data: Any, x: Any, values: Mapping[str, Any]) -> Any:
    """Estimate a library model's parameters; see `Model.guess`."""
    return candidates(model, data, x, values)[0]


def candidates(model: Any, data: Any, x: Any, values: Mapping[str, Any]) -> list[Any]:
    """Estimate a library model's parameters: the best start, then others that may lead lower, each as `guess_model` returns it."""
    entry, values = model.entry, dict(values)
    negative = values.pop("negative", None)
    y = np.asarray(data)
    others = {name: values.pop(name) for name in model.independent_vars if name in values}
    if entry.guess == "gaussian2d" or len(entry.independent) > 1:
        from gslfit.models.guess.images import guess_image
        spot = guess_image(model, y, {entry.independent[0]: x, **others})
        return [settled(model, spot, values, np.shape(next(iter(spot.values()))))]
    if entry.guess in SUMS:
        from gslfit.models.guess.matching_pursuit import guess_gaussians
        return [guess_gaussians(model, SUMS[entry.guess], y, x, values)]
    plan = plan_for(model)
    if plan is None:
        raise NotImplementedError(f"guess() is not implemented for {entry.cls}: give start values to make_params or fit")
    x = np.arange(y.shape[-1], dtype=float) if x is None else x
    shape = y.shape[:-1]
    curves = ordered(x, y, WAVE_POINTS if entry.kind == "oscillation" else MOST_POINTS)
    bounds = limits(model)
    if negative is not None and "amplitude" in model._definition.names:
        bounds["amplitude"] = (-np.inf, 0.0) if negative else (0.0, np.inf)
    return [settled(model, {name: each.reshape(shape) for name, each in found.items()}, values, shape)
            for found in estimate(plan, model._definition._formulas[()], curves, bounds)]


def plan_for(model: Any) -> Plan | None:
    """The plan of a library model, or None."""
    return PLANS.get(f"{model.entry.guess}:{model.form}") or PLANS.get(model.entry.guess)


def limits(model: Any) -> dict[str, tuple[float, float]]:
    """The bounds that a model's hints have."""
    found = {}
    for name, hint in model.param_hints.items():
        low, high = hint.get("min"), hint.get("max")
        if (low is not None and low > -np.inf) or (high is not None and high < np.inf):
            found[name] = (-np.inf if low is None else low, np.inf if high is None else high)
    return found


def settled(model: Any, found: Mapping[str, np.ndarray], values: Mapping[str, Any], shape: tuple[int, ...]) -> Any:
    """Return what was found, inside the bounds, as Parameters for one curve, else as arrays by full name."""
    inside, params = {}, model.make_params()
    for name, value in found.items():
        full = model._prefix + name
        if full not in params or params[full].expr is not None:
            continue
        low, high = params[full].min, params[full].max
        value = np.asarray(value, float)
        if low is not None or high is not None:
            low = -np.inf if low is None or np.isinf(low) else low + 1e-6*max(abs(low), 1e-6)
            value = np.clip(value, low, np.inf if high is None or np.isinf(high) else high - 1e-6*max(abs(high), 1e-6))
        inside[full] = value
    if shape:
        return {**inside, **{name if name in params else model._prefix + name: np.broadcast_to(np.asarray(value, float), shape)
                             for name, value in values.items()}}
    made: Parameters = model.make_params(**{name: float(value) for name, value in inside.items()})
    for name, value in values.items():
        full = name if name in made else model._prefix + name
        if isinstance(value, dict):
            made[full].set(**value)
        else:
            made[full].value = getattr(value, "value", value)
    return made
