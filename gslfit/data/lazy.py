"""Arrays in dask's chunks, and DataArrays that hold one: they are described without being computed."""
from __future__ import annotations

from math import isnan
from typing import Any

import numpy as np

from gslfit.data.labels import is_array_of_dims, labels_of
from gslfit.data.layout import Layout
from gslfit.data.numbers import REAL, Reading, read
from gslfit.data.stored import stored
from gslfit.errors import InputError


def is_lazy(value: Any) -> bool:
    """Return whether an array is one of dask's."""
    return (type(value) is not np.ndarray and hasattr(value, "__dask_graph__") and hasattr(value, "dtype")
            and getattr(value, "chunks", None) is not None)         # an xarray.Variable of numbers in memory has None


def lazy(name: str, value: Any) -> Reading | None:
    """Return an array in dask's chunks, as it is, and its labels; None for anything else.

    Raises
    ------
    InputError
        If the sizes of its chunks aren't known.
    """
    variable = getattr(value, "variable", value)
    inner = getattr(variable, "_data", value) if hasattr(variable, "dims") else value       # a DataArray's, a Variable's
    if not is_lazy(inner) or inner.dtype.kind not in REAL:
        return None
    if any(isnan(size) for size in inner.shape):
        raise InputError(f"{name} has chunks of unknown sizes: {name}.compute_chunk_sizes() finds them")
    return Reading(inner, None, labels_of(value))


def read_lazily(name: str, value: Any) -> Reading:
    """Read what comes beside lazy data: what is lazy too, and more than one axis, stays so."""
    if type(value) is np.ndarray or np.ndim(value) <= 1:
        return read(name, value)
    return lazy(name, value) or read(name, value)


def read_batch(name: str, value: Any) -> Reading:
    """Read the data of a batch: arrays in files or in dask's chunks are described, all else is read into memory."""
    if type(value) is np.ndarray:
        return read(name, value)
    in_file = stored(value)
    if in_file is not None:
        return Reading(in_file)  # type: ignore[arg-type]
    return lazy(name, value) or read(name, value)


def check_chunks(y: Reading, where: Layout) -> None:
    """Raise InputError if the points of a fit lie in several of dask's chunks."""
    for axis in where.axes:
        count = len(y.array.chunks[axis])  # type: ignore[attr-defined]
        if count > 1:
            name, labels = where.name, y.labels
            dim = labels.dims[axis] if labels is not None and is_array_of_dims(labels) else axis
            way = f"chunk({{{dim!r}: -1}})" if dim is not axis else f"rechunk({{{axis}: -1}})"
            raise InputError(f"the points of a fit lie along axis {dim!r} of {name}, which is in {count} chunks, and one is needed: "
                             f"{name}.{way}")


class LazyCurves:
    """An array in dask's chunks whose rows are computed when they are asked for.

    Parameters
    ----------
    array : dask.array.Array, shape (..., n)
    """

    def __init__(self, array: Any):
        self.array = array
        self.shape, self.ndim, self.dtype, self.size = array.shape, array.ndim, array.dtype, array.size

    def __getitem__(self, index: Any) -> np.ndarray:
        several = isinstance(index, tuple) and index and all(isinstance(part, np.ndarray) for part in index)
        found = self.array.vindex[index] if several else self.array[index]
        return np.asarray(found)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self.array, dtype)
