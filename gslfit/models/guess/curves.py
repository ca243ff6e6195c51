"""Curves as start values are looked for in them: on shared points in order, not too many, every number finite."""
from __future__ import annotations

from typing import Any

import numpy as np

from gslfit.curves._batch import ROUNDING
from gslfit.data.numbers import floats
from gslfit.errors import InputError
from gslfit.records import Record


class Curves(Record):
    """Curves on shared points in order: x (n), y (fits, n), and where y is data, (fits, n), if it isn't everywhere."""

    x: np.ndarray
    y: np.ndarray
    known: np.ndarray | None = None


def of_unit(curves: Curves) -> tuple[Curves, np.ndarray]:
    """Return curves brought to values of about 1 by powers of two, which change no digit, and what each was divided by, (fits, 1)."""
    top = np.max(np.abs(curves.y), axis=1, keepdims=True, initial=0.0)
    size = np.where((top > 0) & np.isfinite(top), np.ldexp(1.0, np.frexp(top)[1] - 1), 1.0)
    return curves._replace(y=curves.y/size), size


def seen(values: np.ndarray, parts: np.ndarray, whole: np.ndarray | float) -> np.ndarray:
    """Return values, 0 for one whose part of the data, an amount beside the whole, is rounding."""
    return np.where(np.abs(parts) <= ROUNDING*whole, 0.0, values)


def ordered(x: Any, y: np.ndarray, most: int, apart: bool = True) -> Curves:
    """Bring curves to shared, sorted points, at most so many; a point that is not finite is put between its neighbours.

    Parameters
    ----------
    x : array_like, shape (n,) or (..., n)
    y : ndarray, shape (..., n)
    most : int
    apart : bool
        Whether points that are all the same are an error: nothing but the height of a constant can be seen there.
    """
    x, y = floats("x", x), floats("data", y)
    n = y.shape[-1]
    if x.shape[-1:] != (n,):
        raise InputError(f"x has the shape {x.shape}, and the data {y.shape}")
    if apart and n > 1 and not np.any(x != x[..., :1]):
        raise InputError(f"x is {float(x.reshape(-1)[0]):g} at every point of a curve: nothing can be guessed from there")
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
    """Return rows in which a number that is not finite is the mean of the next ones that are; 0 where none is."""
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
