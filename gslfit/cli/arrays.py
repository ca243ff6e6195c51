"""Arrays in files, opened without reading them: ``.npy``, ``.npz``, HDF5, netCDF, zarr, TIFF. What is small or packed is read whole."""
from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from gslfit.checks import package
from gslfit.cli.endings import FileRefused, meant

NUMBERS = "biuf"        # kinds of dtype that are real numbers


class NpyArray:
    """An array of a ``.npy`` file, read by slices; it is not mapped, so that what was read is no longer memory of the process.

    Parameters
    ----------
    name : str
    """

    chunks: tuple[int, ...] | None = None

    def __init__(self, name: str):
        self.name = name
        with open(name, "rb") as file:
            version = np.lib.format.read_magic(file)
            head = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            self.shape, self._columns_first, self.dtype = head(file)
            self._begin = file.tell()
        self.ndim = len(self.shape)
        if self.dtype.hasobject:
            raise ValueError("it holds Python objects")

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self[...], dtype)

    def __getitem__(self, index: Any) -> np.ndarray:
        """Read a part: whole numbers, and slices of step 1, one for each axis; or ``...``, all of it."""
        index = () if index is Ellipsis else index if isinstance(index, tuple) else (index,)
        parts = [part if isinstance(part, slice) else slice(part, part + 1 or None) for part in index]
        parts += [slice(None)]*(self.ndim - len(parts))
        ranges = [range(*part.indices(size)) for part, size in zip(parts, self.shape, strict=True)]
        if any(each.step != 1 for each in ranges):
            raise IndexError("only slices of step 1 are read")
        found = self._read(ranges[::-1], self.shape[::-1]).T if self._columns_first else self._read(ranges, self.shape)
        return found[tuple(0 if axis < len(index) and not isinstance(index[axis], slice) else slice(None) for axis in range(self.ndim))]

    def _read(self, ranges: list[range], shape: tuple[int, ...]) -> np.ndarray:
        """Read a block of an array that lies row by row: each run of numbers that lie side by side at once."""
        found = np.empty([len(each) for each in ranges], self.dtype)
        if not found.size:
            return found
        inner = len(shape)
        while inner and len(ranges[inner - 1]) == shape[inner - 1]:
            inner -= 1
        outer = max(inner - 1, 0)               # the axis along which runs reach
        strides = [int(np.prod(shape[axis + 1:], dtype=np.int64)) for axis in range(len(shape))]
        run = int(np.prod([len(each) for each in ranges[outer:]], dtype=np.int64))
        rows = found.reshape(-1, run)
        with open(self.name, "rb", buffering=0) as file:
            for row, place in zip(rows, itertools.product(*ranges[:outer]), strict=True):
                first = sum(at*stride for at, stride in zip(place, strides, strict=False))
                first += ranges[outer].start*strides[outer] if shape else 0
                file.seek(self._begin + first*self.dtype.itemsize)
                view, done = memoryview(row.view(np.uint8)), 0  # type: ignore[arg-type]
                while done < len(view):
                    count = file.readinto(view[done:])
                    if not count:
                        raise FileRefused(f"{self.name} ends before its last number")
                    done += count
        return found


class Packed:
    """A variable of netCDF whose numbers are packed: value*scale_factor + add_offset, NaN for those that are missing.

    Parameters
    ----------
    source : h5py.Dataset
    scale, offset : float
    blanks : list of float
    """

    chunks: tuple[int, ...] | None = None

    def __init__(self, source: Any, scale: float, offset: float, blanks: list[float]):
        self.source, self.scale, self.offset, self.blanks = source, scale, offset, blanks
        self.shape, self.ndim, self.chunks = source.shape, len(source.shape), source.chunks
        self.dtype = np.dtype(float)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self[...], dtype)

    def __getitem__(self, index: Any) -> np.ndarray:
        """Read a part."""
        stored = np.asarray(self.source[index])
        values = stored*self.scale + self.offset
        return np.where(np.isin(stored, self.blanks), np.nan, values) if self.blanks else values


def open_array(text: str) -> Any:
    """Open the array that ``FILE`` or ``FILE:NAME`` says; a file that holds one array needs no name.

    Returns
    -------
    array_like
        With `shape` and `dtype`; parts are read as they are asked for, where the format allows that.

    Raises
    ------
    FileRefused
        If there is no such file or array, or it holds no numbers.
    ImportError
        If the package that reads it is not installed; the message names the extra.
    """
    path, name = _split(text)
    opener = OPENERS.get(path.suffix.lower())
    if opener is None:
        raise FileRefused(f"{path} is no kind of file that is read; those end with {', '.join(OPENERS)}")
    if not path.exists():
        raise FileRefused(f"{path} can't be read: No such file or directory")
    try:
        array = opener(path, name)
    except (FileRefused, ImportError):
        raise
    except Exception as error:                  # each format's own: a damaged file is no fault of the command
        raise FileRefused(f"{path} can't be read: {error}") from None
    if array.dtype.kind not in NUMBERS:
        raise FileRefused(f"{text} holds {array.dtype}, and real numbers are needed")
    return array


def is_array(text: str) -> bool:
    """Return whether ``FILE`` or ``FILE:NAME`` is of a kind that holds arrays, not a table."""
    suffix = _split(text)[0].suffix.lower()
    return suffix in OPENERS and suffix not in TABLES


def _split(text: str) -> tuple[Path, str | None]:
    """Return the file and the name of the array in it, if one is said."""
    head, colon, name = text.rpartition(":")
    return (Path(head), name) if colon and Path(head).suffix and not Path(text).exists() else (Path(text), None)


def _chosen(path: Path, name: str | None, found: dict[str, Any]) -> Any:
    """Return the array of a name; without one the only array, or the only one of several axes."""
    if name is not None:
        key = name if name in found else name.strip("/")
        if key not in found:
            ends = [each for each in found if each.rpartition("/")[2] == key.rpartition("/")[2]]
            like = f" (did you mean {ends[0]!r}?)" if len(ends) == 1 else meant(name, list(found))
            raise FileRefused(f"{path} has no array {name!r}{like}; it has {', '.join(found) or 'none'}")
        return found[key]
    large = [each for each in found.values() if len(each.shape) > 1]
    if len(found) != 1 and len(large) != 1:
        raise FileRefused(f"{path} holds {len(found)} arrays{', ' if found else ''}{', '.join(found)}: say which, {path}:NAME")
    return next(iter(found.values())) if len(found) == 1 else large[0]


def _npy(path: Path, name: str | None) -> Any:
    _alone(path, name)
    return NpyArray(str(path))


def _alone(path: Path, name: str | None) -> None:
    """Raise FileRefused if an array is named in a file that holds one without a name."""
    if name is not None:
        raise FileRefused(f"{path} holds one array, without a name")


class _Member:
    """An array of a ``.npz``, by its head: it is read whole when it is chosen."""

    def __init__(self, file: Any, name: str):
        self.file, self.name = file, name
        with file.zip.open(f"{name}.npy") as member:
            version = np.lib.format.read_magic(member)
            head = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            self.shape = head(member)[0]


def _npz(path: Path, name: str | None) -> Any:
    with np.load(path, allow_pickle=False) as file:
        return file[_chosen(path, name, {each: _Member(file, each) for each in file.files}).name]


def _hdf5(path: Path, name: str | None) -> Any:
    h5py = package("h5py", "zarr", str(path))
    found: dict[str, Any] = {}
    file = h5py.File(path, "r")

    def look(at: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and item.dtype.kind in NUMBERS and item.shape:
            found[at] = item
    file.visititems(look)
    return _unpacked(_chosen(path, name, found))


def _unpacked(item: Any) -> Any:
    """Return a data set of HDF5, unpacked if attributes of netCDF say how."""
    scale, offset = (float(np.ravel(item.attrs.get(key, default))[0]) for key, default in (("scale_factor", 1.0), ("add_offset", 0.0)))
    blanks = [float(np.ravel(item.attrs[key])[0]) for key in ("_FillValue", "missing_value") if key in item.attrs]
    return item if (scale, offset) == (1, 0) and not [each for each in blanks if each == each] else Packed(item, scale, offset, blanks)


def _netcdf(path: Path, name: str | None) -> Any:
    with path.open("rb") as file:
        if file.read(3) != b"CDF":
            return _hdf5(path, name)
    from scipy.io import netcdf_file
    with netcdf_file(str(path), "r", mmap=False, maskandscale=True) as file:
        found = {key: item for key, item in file.variables.items() if item.shape}
        item = _chosen(path, name, found)
        return np.ma.filled(np.ma.asarray(item[:], float), np.nan)


def _zarr(path: Path, name: str | None) -> Any:
    zarr = package("zarr", "zarr", str(path))
    node = zarr.open(str(path), mode="r")
    if not hasattr(node, "arrays"):
        _alone(path, name)
        return node
    return _chosen(path, name, dict(_arrays(node)))


def _arrays(group: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the arrays of a group of zarr, and of the groups in it, by their paths."""
    for name, item in group.arrays():
        yield prefix + name, item
    for name, inner in group.groups():
        yield from _arrays(inner, f"{prefix}{name}/")


def _tiff(path: Path, name: str | None) -> Any:
    _alone(path, name)
    tifffile = package("tifffile", "cli", str(path))
    with tifffile.TiffFile(path) as file:
        of_pages = {page.shape for page in file.pages}
        if len(file.series) > 1 and len(of_pages) == 1:     # images written one by one are a stack too
            return file.asarray(key=slice(None))
    try:
        return tifffile.memmap(path, mode="r")
    except ValueError:                          # compressed, or not in one piece
        return tifffile.imread(path)


def _table(path: Path, name: str | None) -> Any:
    """Return a column of a table: the one of a name, or the only one, or the only row."""
    from gslfit.cli.table import read_table
    table = read_table(str(path), path.read_bytes())
    if name is not None:
        return table.column(table.place(name))
    columns = [table.column(place) for place in range(len(table.names))]
    if len(columns) != 1 and len(columns[0]) != 1:
        raise FileRefused(f"{path} has {len(columns)} columns: say which, {path}:COLUMN (it has {table.described()})")
    return columns[0] if len(columns) == 1 else np.concatenate(columns)


TABLES = (".csv", ".tsv", ".txt", ".dat", ".asc")
OPENERS: dict[str, Callable[[Path, str | None], Any]] = {
    ".npy": _npy, ".npz": _npz, ".h5": _hdf5, ".hdf5": _hdf5, ".hdf": _hdf5, ".nxs": _hdf5, ".nc": _netcdf, ".nc4": _netcdf,
    ".zarr": _zarr, ".tif": _tiff, ".tiff": _tiff, **dict.fromkeys(TABLES, _table)}
