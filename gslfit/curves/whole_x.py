"""An independent variable that goes to a function as it is: grids, columns, a dict, a table, nothing at all.

The function is called with it whole, and the fit sees the points' numbers in its place.
"""
from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from gslfit.errors import InputError, NonFiniteError
from gslfit.formula.trace import signature
from gslfit.records import Record

NUMERIC = "biuf"
TOLD = "OmM"        # units and dates are told where arrays are read


class Whole(Record):
    """What is handed to a function as its independent variable."""

    x: Any


def whole_x(xdata: Any, n: int) -> Whole | None:
    """Return xdata as a function is to be given it whole; None where it holds a point, or a row of k, for each of n data."""
    if hasattr(xdata, "columns"):
        return Whole(xdata)
    array = _array(xdata)
    if array is None:
        return Whole(xdata)
    if array.ndim in (1, 2) and array.shape[-1] == n and array.dtype.kind in NUMERIC + TOLD:
        return None
    return Whole(array.astype(float) if array.dtype.kind in NUMERIC else array)


def _array(xdata: Any) -> np.ndarray | None:
    """Return arrays, numbers, buffers and sequences of numbers as an array, None for all else."""
    try:
        array = np.asanyarray(xdata)
        numbers = array.dtype.kind in NUMERIC + TOLD and (array.dtype.kind != "O" or hasattr(xdata, "__array__"))
        return array if numbers else np.asarray(xdata, float) if isinstance(xdata, (list, tuple)) else None
    except (TypeError, ValueError):
        return None


class OfWhole:
    """A function of the points' numbers and parameters, for one of the independent variable as a whole.

    Parameters
    ----------
    f : callable
        ``f(x, a, b, ...)``.
    whole : Whole
    names : tuple of str, optional
        The parameters of a function of ``*args``.
    """

    def __init__(self, f: Callable[..., Any], whole: Whole, names: tuple[str, ...] | None):
        form = signature(f, None, names)
        self.f, self.x, self.names, self.options = f, whole.x, form.names, form.options
        self.__name__ = getattr(f, "__name__", type(f).__name__)
        point = "point" if "point" not in form.names else "point_"
        kind = inspect.Parameter.POSITIONAL_ONLY
        self.__signature__ = inspect.Signature([inspect.Parameter(name, kind) for name in (point, *form.names)])

    def values(self, *params: float) -> np.ndarray:
        """Return what the function gives, at all points."""
        return np.asarray(self.f(self.x, *params, **self.options))

    def __call__(self, number: Any, *params: float) -> Any:
        found = self.values(*params).ravel()
        return found[np.asarray(number, int)] if found.size > 1 else found[0]

    def points(self, y: np.ndarray, start: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the points' numbers, and the data for each: the function says how many there are."""
        if not y.size:
            return np.zeros(0), y
        shape = self.values(*start.tolist()).shape
        size = int(np.prod(shape))
        if y.size == 1 and size > 1:
            y = np.full(size, y.item())
        elif size not in (1, y.size):
            raise InputError(f"{self.__name__} returned the shape {shape}, and ydata has {y.size} points: one value a point is needed")
        return np.arange(float(y.size)), y


def finite_rows(whole: Whole, n: int, omit: bool) -> np.ndarray:
    """Return which of n points an array that is handed over whole leaves in: those with NaN are left out, or an error.

    The points are along the first axis, or the last one, as SciPy has it.
    """
    x = whole.x
    if not isinstance(x, np.ndarray) or x.dtype.kind != "f" or np.isfinite(x).all():
        return np.ones(n, bool)
    good = np.isfinite(x)
    if omit and x.shape[:1] == (n,):
        return np.asarray(good.reshape(n, -1).all(axis=1))
    if omit and x.shape[-1:] == (n,):
        return np.asarray(good.reshape(-1, n).all(axis=0))
    raise NonFiniteError(f"The input contains nan values: xdata has {np.count_nonzero(~good)} values that are not finite")


def rows_of(jac: Callable[..., Any], keep: np.ndarray) -> Callable[..., Any]:
    """Return the caller's derivatives, which are at all points, at those that take part."""
    return jac if keep.all() else lambda *values: np.asarray(jac(*values), float)[keep]
