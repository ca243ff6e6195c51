"""Where the results of a batch are written, block by block: memory, a folder of ``.npy``, a zarr store, or the caller's arrays.

The statuses of a block are written last. A batch that was killed is resumed with the fits whose status is still "not run"; what belongs
to what is told by a fingerprint of data, formula and options that is written first.
"""
from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from os.path import lexists
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from gslfit.checks import json_tree, package, path
from gslfit.curves.batch_file import OF_LOSSES, STATISTICS
from gslfit.curves.containers import COVARIANCE
from gslfit.data.maps import mapped
from gslfit.data.writing import reserve, write_text
from gslfit.errors import FitStatus, InputError, InputTypeError

_DIGEST = re.compile("[0-9a-f]{20}")
HEAD = "gslfit"                 # what the fingerprint is called: an attribute of a group, a file NAME.json of a folder
ARRAY = ("zarr.json", ".zarray")        # in the folder of an array of zarr that is no group
KINDS: dict[str, np.dtype] = {"nfev": np.dtype("i4"), "ndata": np.dtype("i4"), "status": np.dtype("i1")}     # of other arrays: float64
Block = tuple[slice, ...]
Specs = Mapping[str, tuple[np.dtype, tuple[int, ...]]]     # data type and shape of each array


def specs(names: Sequence[str], varying: Sequence[str], shape: tuple[int, ...], covar: bool,
          robust: bool = False) -> dict[str, tuple[np.dtype, tuple[int, ...]]]:
    """Return the arrays of a result by name, as `BatchResult.to_dict` has them; ``status`` is the last.

    Raises
    ------
    InputError
        If a parameter has the name of another array.
    """
    listed = [*names, *(f"{name}_stderr" for name in names), *(name for name in STATISTICS if name != "status"),
              *(OF_LOSSES if robust else ()), "status"]
    twice = [name for name in listed if listed.count(name) > 1]
    if twice:
        raise InputError(f"a parameter is called {twice[0]!r}, as another array of the result: with out= it needs another name")
    found: dict[str, tuple[np.dtype, tuple[int, ...]]] = {}
    if covar:
        found["covar"] = np.dtype(float), (*shape, len(varying), len(varying))
    return found | {name: (KINDS.get(name, np.dtype(float)), shape) for name in listed}


class Store(Protocol):
    """Arrays that are written by parts."""

    def begin(self, head: dict[str, Any], fresh: bool) -> None:
        """Make ready: arrays and head anew if `fresh`, else what is lacking."""

    def head(self) -> dict[str, Any] | None:
        """Return the head of results that are there; None for none."""

    def taken(self) -> list[Path]:
        """Return what stands already where files would be written."""

    def write(self, name: str, block: Block, values: Any) -> None:
        """Write a block of an array."""

    def statuses(self, block: Block) -> np.ndarray:
        """Return the statuses of a block."""

    def arrays(self) -> dict[str, Any]:
        """Return all arrays by name."""


def _blank(name: str) -> float:
    """Return what stands in an array where no fit has run."""
    return int(FitStatus.NOT_RUN) if name in KINDS else np.nan


class Memory:
    """Arrays in memory, or the caller's own.

    Parameters
    ----------
    specs : mapping
    given : mapping of str to array, optional
        Arrays to write into: a dict, or a group of h5py or zarr.
    """

    def __init__(self, specs: Specs, given: Any = None):
        self.specs, self.given = specs, given
        self._arrays: dict[str, Any] = {}
        if given is not None:
            _check(specs, given)
            self._arrays = {name: given[name] for name in specs}

    def begin(self, head: dict[str, Any], fresh: bool) -> None:
        if self.given is None:
            self._arrays = {name: np.full(shape, _blank(name), kind) for name, (kind, shape) in self.specs.items()}
        elif fresh:
            self._arrays["status"][...] = int(FitStatus.NOT_RUN)
            if hasattr(self.given, "attrs"):
                self.given.attrs[HEAD] = json.dumps(head)

    def head(self) -> dict[str, Any] | None:
        if self.given is None:
            return None
        if not hasattr(self.given, "attrs"):
            raise InputError("resume=True needs an out= that keeps a fingerprint: a path, or a group of zarr or h5py")
        return _read_head("out", self.given.attrs[HEAD]) if HEAD in self.given.attrs else None

    def taken(self) -> list[Path]:
        return []

    def write(self, name: str, block: Block, values: Any) -> None:
        self._arrays[name][block] = values

    def statuses(self, block: Block) -> np.ndarray:
        return np.asarray(self._arrays["status"][block])

    def arrays(self) -> dict[str, Any]:
        return self._arrays


def _check(specs: Specs, given: Any) -> None:
    """Raise InputError unless all arrays are there, each of its shape."""
    missing = [name for name in specs if name not in given]
    if missing:
        raise InputError(f"out has no array {missing[0]!r}; it needs {', '.join(specs)}")
    for name, (kind, shape) in specs.items():
        own = tuple(getattr(given[name], "shape", ()))
        if own != shape:
            raise InputError(f"out[{name!r}] has the shape {own}, and {shape} is needed")
        if not np.can_cast(kind, given[name].dtype, "same_kind"):
            raise InputError(f"out[{name!r}] has the dtype {given[name].dtype}, and {kind} is needed")
        if _read_only(given[name]):
            raise InputError(f"out[{name!r}] can be read only, and results are written into it: give an array that can be written")
    begins: dict[int, str] = {}
    for name in specs:
        if type(given[name]) is np.ndarray and given[name].size:
            before = begins.setdefault(given[name].ctypes.data, name)
            if before != name:
                raise InputError(f"out[{name!r}] and out[{before!r}] are the same array, and each of them needs one of its own")


def _read_only(array: Any) -> bool:
    """Return whether an array of NumPy, zarr or h5py can't be written."""
    if hasattr(array, "flags"):
        return not array.flags.writeable
    return bool(getattr(array, "read_only", getattr(getattr(array, "file", None), "mode", "") == "r"))


class Folder:
    """A folder with a ``.npy`` for each array. What is written is in the file, whatever becomes of this process."""

    def __init__(self, specs: Specs, where: Path):
        self.specs, self.where = specs, where

    def _file(self, name: str) -> Path:
        return self.where / f"{name}.npy"

    def begin(self, head: dict[str, Any], fresh: bool) -> None:
        self.where.mkdir(parents=True, exist_ok=True)
        if fresh:
            write_text(self.where / f"{HEAD}.json", json.dumps(head))
        if fresh or not self._whole("status"):      # it is made last: without it nothing has been written
            for name, (kind, shape) in self.specs.items():
                mapped(self._file(name), "w+", kind, shape)
                reserve(self._file(name))

    def _whole(self, name: str) -> bool:
        """Return whether the file of an array is there, as it must be."""
        try:
            found = self._open(name, "r")
        except (OSError, ValueError, EOFError):
            return False
        return (found.dtype, found.shape) == self.specs[name]

    def _open(self, name: str, mode: Any) -> np.ndarray:
        return mapped(self._file(name), mode)

    def head(self) -> dict[str, Any] | None:
        file = self.where / f"{HEAD}.json"
        return _read_head(file, file.read_bytes()) if file.exists() else None

    def taken(self) -> list[Path]:
        return [file for file in map(self._file, self.specs) if lexists(file)]

    def write(self, name: str, block: Block, values: Any) -> None:
        array = self._open(name, "r+")
        array[block] = values
        array.flush()  # type: ignore[attr-defined]

    def statuses(self, block: Block) -> np.ndarray:
        return np.array(self._open("status", "r")[block])

    def arrays(self) -> dict[str, Any]:
        return {name: self._open(name, "r") for name in self.specs}


class ZarrStore:
    """A zarr store with an array, and a chunk for each block of it.

    Parameters
    ----------
    specs : mapping
    where : Path
    chunk : tuple of int
        The shape of the blocks that are written.
    dims : tuple of str
        What the axes of the batch are called, for xarray.
    """

    def __init__(self, specs: Specs, where: Path, chunk: tuple[int, ...], dims: tuple[str, ...]):
        self._zarr = package("zarr", "zarr", f"out={str(where)!r}")
        self.specs, self.where, self.chunk, self.dims = specs, where, chunk, dims
        self._group: Any = None
        if where.is_dir():
            with suppress(FileNotFoundError, self._zarr.errors.ContainsArrayError):     # a folder without a group, or one array
                self._group = self._zarr.open_group(where, mode="r+")

    def begin(self, head: dict[str, Any], fresh: bool) -> None:
        if self._group is None:
            self._group = self._zarr.open_group(self.where, mode="a")
        if fresh:
            self._group.attrs[HEAD] = json.dumps(head)
        if fresh or "status" not in self._group:
            for name, (kind, shape) in self.specs.items():
                chunks = (*self.chunk, *shape[len(self.chunk):])
                self._group.create_array(name, shape=shape, dtype=kind, chunks=chunks, fill_value=_blank(name), overwrite=True,
                                         dimension_names=(*self.dims, *COVARIANCE)[:len(shape)])

    def head(self) -> dict[str, Any] | None:
        if self._group is None or HEAD not in self._group.attrs:
            return None
        return _read_head(self.where, self._group.attrs[HEAD])

    def taken(self) -> list[Path]:
        if self._group is None and lexists(self.where) and (not self.where.is_dir() or any(map(lexists, map(self.where.joinpath, ARRAY)))):
            return [self.where]
        return [self.where/name for name in self.specs if lexists(self.where/name)]

    def write(self, name: str, block: Block, values: Any) -> None:
        self._group[name][block] = values

    def statuses(self, block: Block) -> np.ndarray:
        try:
            return np.asarray(self._group["status"][block])
        except (ValueError, RuntimeError, OSError):      # a chunk that was being written when the process was killed
            return np.array(int(FitStatus.NOT_RUN))

    def arrays(self) -> dict[str, Any]:
        return {name: self._group[name] for name in self.specs}


def _read_head(where: Any, text: Any) -> dict[str, Any]:
    """Return the head of results, or raise InputError for one that gslfit did not write."""
    found: Any = None
    with suppress(InputError):
        found = json_tree(text)
    if not isinstance(found, dict):
        raise InputError(f"the head of the results in {str(where)!r} is damaged, or none of gslfit's; out= needs another place")
    return found


def store_of(out: Any, specs: Specs, chunk: tuple[int, ...], dims: tuple[str, ...]) -> Store:
    """Return the store that a caller's `out` means; memory for None."""
    if out is None or (hasattr(out, "__getitem__") and hasattr(out, "__contains__") and not isinstance(out, (str, bytes))):
        return Memory(specs, out)
    try:
        where = path("out", out)
    except InputTypeError:
        raise InputTypeError(f"out must be a path (NAME.zarr, or a folder), or a mapping of arrays, not {type(out).__name__}") from None
    if where.suffix == ".zarr" or (where / "zarr.json").exists():
        return ZarrStore(specs, where, chunk, dims)
    if where.suffix == ".npz" or where.is_file():
        raise InputError(f"out={str(where)!r} must be a zarr store (NAME.zarr) or a folder of .npy; a result is written to one file by "
                         "its save(file)")
    return Folder(specs, where)


def opened(store: Store, head: dict[str, Any], resume: bool) -> None:
    """Make a store ready: begin it, or go on with one of the same fingerprint.

    Raises
    ------
    InputError
        If there are results and they aren't to be gone on with, or are of another batch; or files that no batch has written would be
        overwritten.
    """
    keeps = not isinstance(store, Memory) or (store.given is not None and (resume or hasattr(store.given, "attrs")))
    found = store.head() if keeps else None
    if found is not None and not resume and not isinstance(store, Memory):
        raise InputError("out= holds the results of a batch already: resume=True goes on with it, or name another place")
    taken = store.taken() if found is None else []
    if taken:
        others = f" and {len(taken) - 1} more" if len(taken) > 1 else ""
        raise InputError(f"out= would overwrite {str(taken[0])!r}{others}, and no batch is known to have written that (there is no head of "
                         "gslfit's beside it): name another folder")
    fresh = found is None or not resume
    if not fresh:
        _compare(found or {}, head)
    store.begin(head, fresh)


def _compare(found: Mapping[str, Any], head: Mapping[str, Any]) -> None:
    """Raise InputError for the first part in which two fingerprints differ."""
    wanted = json.loads(json.dumps(head))
    for name in (*wanted, *found):
        if found.get(name) != wanted.get(name):
            said = _difference(found.get(name), wanted.get(name))
            raise InputError(f"resume=True: this batch and the one that out= was begun with differ in their {name}"
                             f"{said and f' ({said})'}; name another place, or do what was done before")


def _difference(before: Any, now: Any) -> str:
    """Return what differs, by name where it has names, "tau: min: '0.0' before, None now"; of digests the names alone."""
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        odd = next(name for name in (*now, *before) if before.get(name) != now.get(name))
        return ": ".join(part for part in (str(odd), _difference(before.get(odd), now.get(odd))) if part)
    return "" if any(_DIGEST.search(str(each)) for each in (before, now)) else f"{before!r:.80} before, {now!r:.80} now"


def blank(store: Store, names: Iterable[str], block: Block) -> None:
    """Write a block of fits that have not run."""
    for name in names:
        store.write(name, block, _blank(name))
