"""Memory maps of NumPy, and the files that they show: a read beyond the end of a file that was cut ends the process."""
from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Any

import numpy as np

from gslfit.errors import InputError

if TYPE_CHECKING:
    from mmap import mmap
    from pathlib import Path


def mapped(file: Path, mode: Any, kind: np.dtype | None = None, shape: tuple[int, ...] = ()) -> np.ndarray:
    """Map a ``.npy`` into memory: one that is there, or with "w+" a new one of a type and shape.

    Raises
    ------
    MemoryError
        If there are no addresses left for it, which the system calls an OSError.
    """
    try:
        if kind is None:
            return np.load(file, mmap_mode=mode)
        return np.lib.format.open_memmap(file, mode, kind, shape)  # type: ignore[no-untyped-call, no-any-return]
    except OSError as error:
        if error.errno == errno.ENOMEM:
            raise MemoryError(f"{file} can't be mapped into memory: {error.strerror}") from None
        raise


def map_of(array: Any) -> mmap | None:
    """Return the memory map that an array is a view of; None for any other array."""
    if not isinstance(array, np.memmap):
        return None
    import mmap
    base = array
    while isinstance(base, np.ndarray):
        base = base.base  # type: ignore[assignment]
    return base if isinstance(base, mmap.mmap) else None


def pages_of(array: Any) -> mmap | None:
    """Return the memory map that an array is a view of, where its pages can be given back; None for any other array."""
    import mmap
    if not hasattr(mmap, "MADV_DONTNEED") or getattr(array, "mode", "") == "c":
        return None         # pages of a map with mode "c" hold changes that are nowhere else
    return map_of(array)


def check_length(array: Any) -> None:
    """Raise InputError where the file of a memory map has become shorter than the map; nothing for any other array."""
    pages = map_of(array)
    if pages is None:
        return
    import mmap
    needed = array.offset//mmap.ALLOCATIONGRANULARITY*mmap.ALLOCATIONGRANULARITY + len(pages)
    try:
        now = pages.size()
    except (OSError, ValueError):
        return              # a map without a file
    if now < needed:
        raise InputError(f"the file {array.filename} has become shorter since it was mapped into memory: {now} bytes, and {needed} "
                         "are needed; map it anew")


def written(array: Any) -> tuple[int, int] | None:
    """Return when the file of a memory map was written last, and its length; None where that isn't known."""
    name = getattr(array, "filename", None) if isinstance(array, np.memmap) else None
    try:
        found = None if name is None else os.stat(name)
    except OSError:
        return None
    return None if found is None else (found.st_mtime_ns, found.st_size)
