"""Where the points of an array lie, and how what is known of them is brought alongside."""
from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np

from gslfit.checks import is_integer
from gslfit.data.labels import is_array_of_dims, labels_of
from gslfit.data.numbers import Reading
from gslfit.errors import InputError

Axis = int | str | tuple[int | str, ...]


class Layout:
    """The axes of data: those of the fits, and those of one fit's points.

    Parameters
    ----------
    whole : tuple of int
        The shape of the data as they were handed in.
    axes : tuple of int
        Which of its axes hold the points, from 0; all of them where it is one fit.
    name : str
        What the caller calls the data.

    Attributes
    ----------
    shape : tuple of int
        The shape of the batch; () for one fit.
    points : tuple of int
        The shape of one fit's points.
    n : int
        How many points a fit has.
    """

    __slots__ = ("axes", "n", "name", "points", "shape", "whole")

    def __init__(self, whole: tuple[int, ...], axes: tuple[int, ...] | None = None, name: str = "y"):
        self.whole, self.name = whole, name
        if axes is None:
            self.axes, self.points = tuple(range(len(whole))), whole
            self.shape: tuple[int, ...] = ()
        else:
            self.axes, self.points = axes, tuple([whole[axis] for axis in axes])
            self.shape = tuple([size for axis, size in enumerate(whole) if axis not in axes])
        self.n = prod(self.points)

    def __reduce__(self) -> tuple:
        return type(self), (self.whole, self.axes, self.name)

    def curves(self, array: np.ndarray) -> np.ndarray:
        """Turn an array of the data's shape into rows of points, (..., n); a view where that can be."""
        last, count = len(self.whole), len(self.axes)
        if last == 1:
            return array
        if self.axes != tuple(range(last - count, last)):
            array = np.moveaxis(array, self.axes, range(-count, 0))
        return array if count == 1 else array.reshape(*self.shape, self.n)

    def variable(self, name: str, array: np.ndarray) -> np.ndarray:
        """Bring an independent variable alongside: (n,) or (..., n).

        Raises
        ------
        InputError
            If its shape is neither that of the data nor that of one fit's points.
        """
        if array.ndim == 0:
            return np.full(self.n, array)
        if array.shape == (self.n,):
            return array
        if array.shape == self.points:
            return array.reshape(-1)
        if array.ndim == len(self.whole):
            try:
                return self.curves(np.broadcast_to(array, self.whole))
            except ValueError:
                pass
        remedy = ""
        if not self.shape and array.shape in (self.whole[-1:], self.whole[:1]):
            remedy = f"; all of {self.name} is one fit here: fit_batch fits many curves"
        elif array.ndim > 1 and array.shape == self.whole[-array.ndim:]:
            remedy = (f"; axis={tuple(range(-array.ndim, 0))} says that the points of a fit lie along the last {array.ndim} axes of "
                      f"{self.name}")
        elif array.ndim > 1:
            remedy = f"; axis= says which axes of {self.name} hold the points of a fit"
        also, along = (f", or {self.whole}", f" with its points along {self._where()}") if self.shape else ("", "")
        raise InputError(f"{name} has the shape {array.shape}, and {self.name} {self.whole}{along}: "
                         f"{self.points}{also} is needed{remedy}")

    def factor(self, name: str, array: np.ndarray) -> np.ndarray:
        """Bring weights, errors or a mask alongside: (n,) or (..., n), whatever broadcasts to the data."""
        if array.ndim <= 1 and array.shape in ((), (1,), (self.n,)):
            return array if array.shape == (self.n,) else np.broadcast_to(array, (self.n,))
        if array.shape == self.points:
            return array.reshape(-1)
        try:
            return self.curves(np.broadcast_to(array, self.whole))
        except ValueError:
            remedy = (f": for a value of each fit, {name}[..., None]" if self.shape and array.shape == self.shape else
                      f": a number, or one for each point of a fit, {(self.n,)}, is needed")
            raise InputError(f"{name} has the shape {array.shape}, and {self.name} {self.whole}{remedy}") from None

    def _where(self) -> str:
        return f"axis {self.axes[0]}" if len(self.axes) == 1 else f"axes {', '.join(map(str, self.axes))}"


@lru_cache(maxsize=64)
def laid(whole: tuple[int, ...], axes: tuple[int, ...] | None = None, name: str = "y") -> Layout:
    """Return the layout of data of this shape, made once; see `Layout`."""
    return Layout(whole, axes, name)


def layout(y: Reading, axis: Axis | None = None, others: Iterable[Any] = (), name: str = "y") -> Layout:
    """Say where the points of a batch lie.

    Parameters
    ----------
    y : Reading
        The data.
    axis : int, str or tuple of such, optional
        The axis, or axes, of a fit's points, by number or by an xarray's name. If not given: the dimensions of an independent variable that
        is a DataArray with fewer dimensions than the data; else the last axis.
    others : iterable
        The independent variables as they were handed in.
    name : str
        What the caller calls the data.

    Raises
    ------
    InputError
        If there is no such axis, or one is named twice.
    """
    ndim = y.array.ndim
    if axis is None and y.labels is None:
        return laid(y.array.shape, (ndim - 1,), name)
    dims = y.labels.dims if y.labels is not None and is_array_of_dims(y.labels) else ()
    if axis is None:
        for other in others if dims else ():
            own = labels_of(other)
            if own is not None and is_array_of_dims(own) and own.dims and set(own.dims) < set(dims):
                axis = tuple(dim for dim in dims if dim in own.dims)  # type: ignore[misc]
                break
        else:
            axis = -1
    axes = []
    for one in axis if isinstance(axis, tuple) else (axis,):
        if isinstance(one, str) or one in dims:
            if one not in dims:
                known = f"the dimensions {', '.join(map(str, dims))}" if dims else "no named dimensions"
                raise InputError(f"axis={axis!r}: {name} has {known}")
            axes.append(dims.index(one))
        elif is_integer(one) and -ndim <= one < ndim:
            axes.append(int(one) % ndim)
        else:
            other = "; the start of a parameter called axis goes into start={'axis': ...}" if isinstance(one, float) else ""
            raise InputError(f"axis={axis!r}: {name} has {ndim} axes, of shape {y.array.shape}{other}")
    if not axes or len(set(axes)) < len(axes):
        raise InputError(f"axis={axis!r} must name at least one axis, and each once")
    return Layout(y.array.shape, tuple(axes), name)


def rows_at(array: Any, places: Any) -> Any:
    """Return some fits' part of an array (n,), which all share, or (..., n), whose leading axes may be shared; None of None."""
    if array is None or array.ndim <= 1:
        return array
    return array[tuple(k if size > 1 else np.zeros_like(k) for k, size in zip(places, array.shape[:-1], strict=True))]
