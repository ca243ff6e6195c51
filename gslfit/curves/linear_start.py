"""Start values of parameters that a formula is linear in and that were given none: a linear fit beside the starts of the others."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

import numpy as np

from gslfit.curves._batch import NEGLIGIBLE
from gslfit.data.inputs import Inputs
from gslfit.formula.operations import evaluate
from gslfit.formula.parametrize import Folded
from gslfit.minimizer.options import FitOptions
from gslfit.objective.loss import out_of_sight
from gslfit.records import Record

CHUNK = 1_000_000       # numbers of a temporary array
SINGULAR = 1e-12        # a direction of the normal matrix, its diagonal 1, that is determined no better than this is none


class LinearFit(Record):
    """A linear fit of each row, arrays of shape (rows, k): values, lengths of the columns, and of what is fitted (rows)."""

    values: np.ndarray
    columns: np.ndarray
    data: np.ndarray


def remedy(names: Sequence[str]) -> str:
    """Return what an error about a missing start adds, given those that need none."""
    none = f"; {', '.join(names)} {'need' if len(names) > 1 else 'needs'} none, as the formula is linear there" if names else ""
    return f"{none}; a model of the library (gslfit.models) finds starts itself"


def linear_starts(folded: Folded, names: Sequence[str], given: Inputs, starts: Mapping[str, Any],
                  options: FitOptions) -> dict[str, np.ndarray]:
    """Return the starts of parameters that have none, one for each fit: least squares of what the loss asked for sees of the data.

    Parameters
    ----------
    folded : Folded
    names : sequence of str
        Which: the formula is linear in them all together.
    given : Inputs
    starts : mapping of str to float or ndarray, shape () or (...)
        Of all other free parameters and inputs.
    options : FitOptions
        With the loss and its scale.
    """
    own_boxes = None if given.limits is None else given.limits.boxes(folded)
    boxes = [(own_boxes or folded.boxes)[folded.names.index(name)] for name in names]
    if given.y.ndim == 1 and given.factors is None and given.mask is None:
        rows, points = np.asarray(given.y, float)[None], [np.asarray(each, float) for each in given.x.values()]
        far = out_of_sight(options.loss, options.f_scale, rows)
        found = inside(linear_fit(folded, names, rows, points, None, far, starts, True, given.response), boxes)
        return {name: found[0, k] for k, name in enumerate(names)}
    curves = given.y if given.y.ndim > 1 else given.y[None]
    shape, n, weights, out = curves.shape[:-1], curves.shape[-1], given.weights, given.left_out()
    found = np.empty((*shape, len(names)))
    if not curves.size:                 # no points tell nothing
        unknown = np.full((found.size//len(names), len(names)), np.nan)
        limits = _of_part(boxes, ...)
        found[...] = inside(LinearFit(unknown, unknown, unknown[:, 0]), limits).reshape(found.shape)
        shape = (0,)
    size = max(1, CHUNK//max(1, n*int(np.prod(shape[1:]))))
    for low in range(0, shape[0], size):
        here = slice(low, low + size)
        rows = np.asarray(curves[here], float).reshape(-1, n)

        def part(array: np.ndarray | None, here: slice = here) -> np.ndarray | None:
            return array if array is None or array.ndim < 2 else np.broadcast_to(array, curves.shape)[here].reshape(-1, n)
        own = {name: starts[name] if np.ndim(starts[name]) == 0 else np.broadcast_to(starts[name], shape)[here].reshape(-1)
               for name in (*folded.names, *folded.inputs) if name not in names}
        points = [np.asarray(part(each), float) for each in given.x.values()]
        responses = given.response if given.response is None else given.response[here].reshape(-1, given.response.shape[-1])
        factors, left_out = part(weights), part(out)
        far = out_of_sight(options.loss, options.f_scale, rows, factors)
        left_out = left_out if far is None else far if left_out is None else far | left_out
        fitted = linear_fit(folded, names, rows, points, factors, left_out, own, given.y.ndim == 1, responses)
        limits = _of_part(boxes, here)
        found[here] = inside(fitted, limits).reshape(found[here].shape)
    return {name: found[..., k].reshape(given.y.shape[:-1]) for k, name in enumerate(names)}


def _of_part(boxes: Sequence[tuple[Any, ...]], here: Any) -> list[tuple[Any, ...]]:
    """Return the bounds of some of the fits, those that have an axis for them as (rows,)."""
    return [tuple(each if np.ndim(each) == 0 else each[here].reshape(-1) for each in box) for box in boxes]


def linear_fit(folded: Folded, names: Sequence[str], y: np.ndarray, x: Sequence[np.ndarray], weights: np.ndarray | None,
               out: np.ndarray | None, starts: Mapping[str, np.ndarray], alone: bool = True,
               responses: np.ndarray | None = None) -> LinearFit:
    """Fit the parameters that a formula is linear in, the others at their starts.

    Parameters
    ----------
    folded : Folded
    names : sequence of str
        Which: the formula is linear in them all together.
    y : ndarray, shape (rows, n)
    x : sequence of ndarray, shape (n,) or (rows, n)
    weights : ndarray, shape (n,), (rows, 1) or (rows, n), or None
    out : ndarray of bool, shape (n,), (rows, 1) or (rows, n), or None
        True where a point takes no part; one that is not finite never does.
    starts : mapping of str to ndarray, shape () or (rows,)
        Of all other free parameters and inputs.
    alone : bool
        Whether a single row is one fit, which has a quicker way, and not a batch's: the bits of those don't depend on how many there are.
    responses : ndarray, shape (rows, k), optional
        That of each row, where they have their own.
    """
    count, n = y.shape
    if alone and count == 1 and out is None and responses is None and all(each.ndim == 1 or len(each) == 1 for each in x):
        found = _of_one(folded, names, y[0], [each.reshape(-1) for each in x], weights, starts)
        if found is not None:
            return found
    size = max(1, CHUNK//(max(n, 1)*(len(names) + 1)))
    parts = [_of_rows(folded, names, y[here], [_part(each, here) for each in x], _part(weights, here), _part(out, here),
                      {name: each[here, None] if np.ndim(each) else each for name, each in starts.items()}, _part(responses, here))
             for here in (slice(low, low + size) for low in range(0, count, size))]
    return LinearFit(*(np.concatenate(each) for each in zip(*parts, strict=True)))


def _of_one(folded: Folded, names: Sequence[str], y: np.ndarray, x: Sequence[np.ndarray], weights: np.ndarray | None,
            starts: Mapping[str, np.ndarray]) -> LinearFit | None:
    """Fit one row by its program; None where a number isn't finite, or the row doesn't determine the parameters well."""
    values = {**starts, **dict.fromkeys(names, 0.0)}
    v = [np.asarray(values[name]).item() for name in folded.names]
    inputs = [np.asarray(values[name]).item() for name in folded.inputs]
    factor = None if weights is None else np.broadcast_to(weights, (1, y.size))[0]
    found = folded.program.linear_fit(v, np.array(x), y, factor, inputs, [folded.names.index(name) for name in names])
    return found and LinearFit(found[0][None], found[1][None], np.array([found[2]]))


def _part(array: np.ndarray | None, here: slice) -> np.ndarray | None:
    """Return some rows of an array (n,), which all share, or (rows, n)."""
    return array if array is None or array.ndim < 2 else array[here]


def _of_rows(folded: Folded, names: Sequence[str], y: np.ndarray, x: Sequence[np.ndarray | None], weights: np.ndarray | None,
             out: np.ndarray | None, starts: Mapping[str, np.ndarray], responses: np.ndarray | None = None) -> LinearFit:
    """Fit a few rows."""
    graph, k = folded.graph, len(names)
    values = {**starts, **dict.fromkeys(names, 0.0)}
    if folded.response is None:
        points = dict(zip(graph.independent, x, strict=True))
        found = evaluate((graph.value, *(graph.columns[graph.free.index(name)] for name in names)), {**values, **points})
    else:
        found = _convolved(folded, names, x, values, responses)
    with np.errstate(all="ignore"):
        factor = np.asarray(1.0 if weights is None else weights, float)
        rest = (y - found[0])*factor
        columns = [np.atleast_2d(each*factor) for each in found[1:]]
        good = np.isfinite(rest)
        for each in columns:
            good = good & np.isfinite(each)
        good = good if out is None else good & ~out
        rest = np.where(good, rest, 0.0)
        top = np.max(np.abs(rest), axis=1, initial=0.0)
        top = np.where(top > 0, top, 1.0)
        rest = rest/top[:, None]
        shared = bool(good.all()) and all(len(each) == 1 for each in columns)
        if shared:
            columns = [np.broadcast_to(each, (1, y.shape[1])) for each in columns]
        else:
            columns = [np.where(good, each, 0.0) for each in columns]
        high = np.array([np.max(np.abs(each), axis=1, initial=0.0) for each in columns]).reshape(k, -1)
        high = np.where(high > 0, high, 1.0)
        units = [each/scale[:, None] for each, scale in zip(columns, high, strict=True)]
        norms = np.sqrt([np.einsum("bn,bn->b", each, each) for each in units]).reshape(k, -1)
        units = [each/np.where(norm > 0, norm, 1.0)[:, None] for each, norm in zip(units, norms, strict=True)]
        normal = np.array([[np.einsum("bn,bn->b", a, b) for b in units] for a in units]).reshape(k, k, -1).transpose(2, 0, 1)
        right = np.array([np.einsum("bn,bn->b", np.broadcast_to(each, rest.shape), rest) for each in units]).reshape(k, -1).T
        solved = np.einsum("bij,bj->bi", np.linalg.pinv(normal, rcond=SINGULAR, hermitian=True), right)
        length = (norms*high).T
        length = np.broadcast_to(length, solved.shape)
        values = solved*top[:, None]/np.where(length > 0, length, 1.0)
        data = np.sqrt(np.einsum("bn,bn->b", rest, rest))*top
    return LinearFit(values, length, data)


def _convolved(folded: Folded, names: Sequence[str], x: Sequence[np.ndarray | None], values: Mapping[str, Any],
               responses: np.ndarray | None) -> list[np.ndarray]:
    """Return the values and the derivatives by some parameters of a formula that is folded with a response, each (rows, n) or (1, n)."""
    count = max([1 if responses is None else len(responses), *(np.size(each) for each in values.values())])
    v, inputs = (np.array([np.broadcast_to(np.reshape(values[name], -1), (count,)) for name in some], float).reshape(len(some), count)
                 for some in (folded.names, folded.inputs))
    points, which = np.array(x, float), [folded.names.index(name) for name in names]
    rows = []
    for i in range(count):
        program = folded.of_row(None if responses is None else responses[i]).program
        value, slopes = program.evaluate(v[:, i], points.reshape(1, -1), inputs[:, i] if folded.inputs else None)
        rows.append(np.column_stack([value, slopes[:, which]]))
    return list(np.moveaxis(np.array(rows), -1, 0))


def inside(found: LinearFit, bounds: Sequence[tuple[Any, ...]]) -> np.ndarray:
    """Return the values as starts, (rows, k): strictly within bounds, and none that silences others by being zero.

    Where data are orthogonal to all columns, the values are zeros but for rounding: no measure of what the parameters' size is.
    """
    if len(found.values) == 1 and not any(np.ndim(bound) or isfinite(bound) for each in bounds for bound in each):
        (row,), (columns,), least = found.values.tolist(), found.columns.tolist(), NEGLIGIBLE*found.data.item()
        if (all(isfinite(value) and value != 0 for value in row)
                and any(abs(value)*column > least for value, column in zip(row, columns, strict=True))):
            return found.values
    low, high = (np.stack([np.broadcast_to(box[side], len(found.values)) for box in bounds], axis=-1) for side in (0, 1))
    with np.errstate(all="ignore"):
        nothing = (np.abs(found.values)*found.columns <= NEGLIGIBLE*found.data[:, None]).all(axis=1, keepdims=True)
        values = np.where(nothing, 0.0, found.values)
        size = found.data[:, None]/found.columns
        half = 0.5*np.where(np.isfinite(size) & (size > 0), size, 1.0)
        values = np.where(np.isfinite(values) & (values != 0), values, half)
        if np.isfinite(low).any() or np.isfinite(high).any():
            half = np.minimum(half, 0.5*(high - low))
            values = np.where(values <= low, low + half, values)
            values = np.where(values >= high, high - half, values)
    return values
