"""Arrays that lie in a file and are read by parts: data sets of h5py and zarr, memory maps of NumPy.

A fit of many curves reads such an array block by block, each block as whole chunks of the file, and never holds more than one.
"""
from __future__ import annotations

from typing import Any

import numpy as np

from gslfit.data.layout import Layout
from gslfit.data.maps import check_length, pages_of, written
from gslfit.data.numbers import REAL

Part = int | slice
NUMBERS = 2_000_000     # of a block; one chunk of the file, where that is larger


class Stored:
    """An array in a file, read by parts.

    Parameters
    ----------
    source : numpy.memmap, h5py.Dataset or zarr.Array

    Attributes
    ----------
    shape : tuple of int
    dtype : dtype
    chunks : tuple of int
        In what pieces the file holds it; 1 along each axis where any piece can be read.
    """

    def __init__(self, source: Any):
        self.source, self._written = source, written(source)
        self.shape: tuple[int, ...] = tuple(source.shape)
        self.dtype: np.dtype = source.dtype
        self.ndim = len(self.shape)
        self.chunks: tuple[int, ...] = tuple(getattr(source, "chunks", None) or (1,)*self.ndim)

    @property
    def changed(self) -> bool:
        """Whether the file of a memory map was written to since it was first looked at."""
        return self._written != written(self.source)

    def part(self, index: tuple[Part, ...]) -> np.ndarray:
        """Read a part into memory.

        Raises
        ------
        InputError
            If the file of a memory map has become shorter than the map.
        """
        check_length(self.source)
        found = np.array(self.source[index])
        pages = pages_of(self.source)
        if pages is not None:
            import mmap
            pages.madvise(mmap.MADV_DONTNEED)       # what was read is in the file still, and no longer counts as memory of this process
        return found

    def whole(self) -> np.ndarray:
        """Read all of it."""
        return self.part((slice(None),)*self.ndim)


class StoredCurves:
    """Rows of points, (..., n), of an array in a file: what `Layout.curves` makes of an array in memory.

    Parameters
    ----------
    source : Stored
    layout : Layout
    """

    def __init__(self, source: Stored, layout: Layout):
        self.source, self.layout = source, layout
        self.shape: tuple[int, ...] = (*layout.shape, layout.n)
        self.ndim, self.dtype = len(self.shape), source.dtype
        self.size = int(np.prod(self.shape, dtype=np.int64))

    @property
    def chunks(self) -> tuple[int, ...]:
        """In what pieces the file holds the axes of the batch."""
        return tuple(size for axis, size in enumerate(self.source.chunks) if axis not in self.layout.axes)

    def __getitem__(self, index: Any) -> np.ndarray:
        """Read rows, by whole numbers or slices along the axes of the batch, or by an array of numbers along each."""
        if isinstance(index, tuple) and index and isinstance(index[0], np.ndarray):
            return np.array([self[tuple(int(k) for k in place)] for place in zip(*index, strict=True)]).reshape(-1, self.layout.n)
        where, wanted = self.layout, iter(index if isinstance(index, tuple) else (index,))
        parts: list[Part] = [slice(None) if axis in where.axes else next(wanted, slice(None)) for axis in range(len(where.whole))]
        kept = [axis for axis, part in enumerate(parts) if isinstance(part, slice)]
        array = np.moveaxis(self.source.part(tuple(parts)), [kept.index(axis) for axis in where.axes], range(-len(where.axes), 0))
        return array.reshape(*array.shape[:array.ndim - len(where.axes)], where.n)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self[()], dtype)


def stored(value: Any) -> Stored | None:
    """Return a batch's array of real numbers that lies in a file, to be read by parts; None for anything else."""
    if type(value) is np.ndarray:
        return None
    kind = type(value)
    by_chunks = hasattr(kind, "chunks") and hasattr(kind, "__getitem__") and not (hasattr(kind, "dims") or hasattr(kind, "dask"))
    if not (by_chunks or isinstance(value, np.memmap)) or getattr(getattr(value, "dtype", None), "kind", "") not in tuple(REAL):
        return None
    return Stored(value) if value.ndim > 1 else None


def in_memory(array: Any) -> np.ndarray:
    """Return the numbers of an array; of a memory map in memory of their own, so that its pages can be given back."""
    return Stored(array).whole() if isinstance(array, np.memmap) else np.asarray(array)


def blocks_of(shape: tuple[int, ...], n: int, chunks: tuple[int, ...] | None = None) -> tuple[int, ...]:
    """Return the shape of the blocks by which a batch is fitted: whole chunks, about `NUMBERS` numbers.

    Parameters
    ----------
    shape : tuple of int
        Of the batch.
    n : int
        The number of points of a fit.
    chunks : tuple of int, optional
        In what pieces the data are stored.
    """
    block = [min(size, max(chunk, 1)) for size, chunk in zip(shape, chunks or (1,)*len(shape), strict=True)]
    room = max(1, NUMBERS//max(n, 1))
    for axis in reversed(range(len(shape))):
        others = max(1, int(np.prod(block, dtype=np.int64)))//max(1, block[axis])
        times = room//max(1, others*block[axis])
        block[axis] = min(shape[axis], block[axis]*max(1, times))
        if block[axis] < shape[axis]:
            break
    return tuple(max(1, size) for size in block)
