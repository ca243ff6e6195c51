"""Models that are not finite at their start: named, or rows of a batch fitted again without these points."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gslfit.data.points import moved
from gslfit.errors import FitStatus, NonFiniteError
from gslfit.formula.parametrize import Folded


def check_finite(what: str, values: np.ndarray) -> None:
    """Raise NonFiniteError where a model's values at its start, or its derivatives, are not finite."""
    bad = ~np.isfinite(values)
    if bad.any():
        raise NonFiniteError(f"{what} is not finite at {bad.sum()} of {bad.size} points at its start values, the first at point "
                             f"{int(np.argmax(bad))}: change the start values")


def spoilt_by_model(folded: Folded, rows: np.ndarray, x: Sequence[np.ndarray], starts: Sequence[np.ndarray], inputs: Sequence[np.ndarray],
                    status: np.ndarray, responses: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return which rows the model spoilt, and where it isn't finite at their start values.

    Parameters
    ----------
    folded : Folded
    rows : ndarray, shape (..., n)
    x : sequence of ndarray, shape (n,) or (..., n)
    starts, inputs : sequence of ndarray, shape () or (...)
        Of the free parameters, and of those that have a value in each fit.
    status : ndarray of int8, shape (...)
    responses : ndarray, shape (..., k), optional
        That of each fit, where they have their own.

    Returns
    -------
    places : ndarray of int, shape (m,)
        Of rows with bad data whose start values are finite, in C order.
    points : ndarray of bool, shape (m, n)
        True where the model isn't finite, and the independent variables are.
    """
    found = np.flatnonzero(status == FitStatus.BAD_DATA)

    def of_rows(arrays: Sequence[np.ndarray]) -> np.ndarray:
        parts = [np.broadcast_to(each if each.ndim == 0 else each.reshape(-1)[found], found.shape) for each in map(np.asarray, arrays)]
        return np.array(parts, float).reshape(len(parts), found.size)
    start, own = of_rows(starts), of_rows(inputs)
    known = np.isfinite(start).all(axis=0) & np.isfinite(own).all(axis=0)
    found, start, own = found[known], start[:, known], own[:, known]
    points = np.zeros((found.size, rows.shape[-1]), bool)
    at = [each if each.ndim == 1 else np.broadcast_to(each, rows.shape).reshape(-1, rows.shape[-1])[found] for each in x]
    with np.errstate(all="ignore"):
        for k in range(found.size):
            variables = np.array([each if each.ndim == 1 else each[k] for each in at], float)
            given = own[:, k] if len(own) else None
            own_folded = folded.of_row(None if responses is None else responses.reshape(-1, responses.shape[-1])[found[k]])
            values = own_folded.program.evaluate(start[:, k], variables, given, jacobian=False)[0]
            points[k] = ~np.isfinite(values) & np.isfinite(variables).all(axis=0)
    return found, points


def refuse(places: np.ndarray, points: np.ndarray, shape: tuple[int, ...], first: Any) -> None:
    """Raise NonFiniteError for the first row whose model isn't finite, if there is one.

    Parameters
    ----------
    places, points : ndarray
        As `spoilt_by_model` gives them.
    shape : tuple of int
        Of the rows looked at.
    first : tuple of int, or ndarray
        Where they are in the batch, as `gslfit.data.points.moved` takes it.
    """
    bad = np.flatnonzero(points.any(axis=1))
    if bad.size:
        k = int(bad[0])
        at = moved([int(each) for each in np.unravel_index(int(places[k]), shape)], first)
        fit = ", ".join(map(str, at))
        raise NonFiniteError(f"the model is not finite at {int(points[k].sum())} of {points.shape[1]} points of fit {fit} at its start "
                             f"values, the first at point {int(np.argmax(points[k]))}: change the start values, or leave such points out "
                             "(nan_policy='omit')")


def fit_without(again: Callable[..., None], out: dict[str, Any], rows: np.ndarray, x: Sequence[np.ndarray], weights: np.ndarray | None,
                mask: np.ndarray | None, starts: Sequence[np.ndarray], inputs: Sequence[np.ndarray], places: np.ndarray,
                points: np.ndarray, boxes: Sequence[tuple[np.ndarray, np.ndarray]] | None = None,
                responses: np.ndarray | None = None) -> np.ndarray | None:
    """Fit rows again without the points where the model isn't finite.

    Parameters
    ----------
    again : callable
        ``again(y, x, weights=, mask=, start=, inputs=, **out)``: fits rows (m, n).
    out : dict of str to ndarray, shape (..., p) or (...)
        Where results are, and where they go.
    rows, x, weights, mask : ndarray
        As the C core takes them.
    starts, inputs : sequence of ndarray
    places, points : ndarray
        As `spoilt_by_model` gives them.
    boxes : sequence of (low, high), each ndarray of shape () or (...), optional
        The bounds of each fit.
    responses : ndarray, shape (..., k), optional
        That of each fit, where they have their own.

    Returns
    -------
    ndarray of bool, shape (..., n), or None
        The mask with these points in it; None where there are none.
    """
    chosen = points.any(axis=1)
    if not chosen.any():
        return None
    places, points = places[chosen], points[chosen]
    n = rows.shape[-1]

    def part(array: np.ndarray | None) -> Any:
        if array is None or array.ndim <= 1:
            return array
        return np.ascontiguousarray(np.broadcast_to(array, rows.shape).reshape(-1, n)[places])

    def values(array: np.ndarray) -> np.ndarray:
        return array if array.ndim == 0 else np.ascontiguousarray(array.reshape(-1)[places])
    whole = wide(mask, rows.shape)
    flat = whole.reshape(-1, n)
    flat[places] |= points
    lead = len(rows.shape) - 1
    new = {name: None if array is None else np.empty((places.size, *array.shape[lead:]), array.dtype) for name, array in out.items()}
    again(part(rows), tuple(map(part, x)), weights=part(weights), mask=flat[places], start=list(map(values, starts)),
          inputs=list(map(values, inputs)), **new,
          **({} if boxes is None else {"boxes": [tuple(map(values, box)) for box in boxes]}),
          **({} if responses is None else {"response": responses.reshape(-1, responses.shape[-1])[places]}))
    for name, array in out.items():
        if array is not None:
            array[np.unravel_index(places, rows.shape[:-1])] = new[name]
    return whole


def wide(mask: np.ndarray | None, shape: tuple[int, ...]) -> np.ndarray:
    """Return a mask of its own, of all points of a batch, to which points can be added."""
    return np.array(np.broadcast_to(False if mask is None else mask, shape), bool)
