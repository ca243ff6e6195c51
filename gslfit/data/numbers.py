"""What a container holds: an array of numbers, what it masks, and what it calls its points.

Taken are NumPy's arrays of any real type, byte order and strides, lists and scalars, `numpy.ma`, pandas, polars, xarray, and whatever
offers itself as an array (h5py, zarr, dask). Not taken, each with a line that says what to write instead: units, dates, text, complex
numbers where a residual is real, rows of different lengths.
"""
from __future__ import annotations

import sys
from typing import Any

import numpy as np

from gslfit.checks import shown
from gslfit.data.labels import Labels, labels_of
from gslfit.data.maps import check_length
from gslfit.errors import InputError, InputTypeError
from gslfit.records import Record

REAL = "buif"
NO_UNIT = ("", "dimensionless")     # how units without one are written


class Reading(Record):
    """What a container holds.

    Attributes
    ----------
    array : ndarray
        The numbers, where they lie if they can be read there.
    mask : ndarray of bool, or None
        The shape of `array`; true where a number is left out.
    labels : Labels or None
        What the container calls its axes and points.
    """

    array: np.ndarray
    mask: np.ndarray | None = None
    labels: Labels | None = None


def read(name: str, value: Any, *, imaginary: bool = False) -> Reading:
    """Read what a caller handed in.

    Parameters
    ----------
    name : str
        What the caller calls it; errors say so.
    value : array_like
    imaginary : bool
        Whether complex numbers are taken.

    Returns
    -------
    Reading

    Raises
    ------
    InputTypeError
        If there is a unit, a date, a text, None, or a complex number where real ones are needed.
    InputError
        If rows differ in length, or the file of a memory map has become shorter.
    """
    if type(value) is np.ndarray and value.dtype.kind in REAL:
        return Reading(value)
    if type(value) is float:
        return Reading(np.array(value))
    if value is None or isinstance(value, (str, bytes)):
        raise InputTypeError(f"{name} is {shown(value)}: an array of numbers is needed")
    _refuse_unit(name, value)
    labels, mask = labels_of(value), None
    if hasattr(value, "unmasked") and hasattr(value, "mask"):       # astropy's Masked
        value, mask = value.unmasked, np.asarray(value.mask)
    array = _array(name, value)
    check_length(array)
    if isinstance(array, np.ma.MaskedArray):
        array, mask = np.ma.getdata(array), np.ma.getmaskarray(array)
    numbers = _numeric(name, np.asarray(array), imaginary)
    return Reading(numbers, mask if mask is not None and mask.any() else None, labels)


def floats(name: str, value: Any) -> np.ndarray:
    """Return numbers as an array of floats; what can't be read raises as `read` does."""
    try:
        array = np.asarray(value)
        if array.dtype.kind == "c":         # float() would drop what is imaginary
            raise TypeError
        return np.asarray(array, float)
    except (TypeError, ValueError, OverflowError):
        return np.asarray(read(name, value).array, float)


def is_array_like(value: Any) -> bool:
    """Return whether a value is a sequence or offers itself as an array: what a function that is called gets as an array."""
    return isinstance(value, (list, tuple, memoryview)) or _is_typed(value) or hasattr(value, "__array__") or hasattr(value, "to_numpy")


def _is_typed(value: Any) -> bool:
    """Return whether a value is an `array.array`: there is none where nobody has imported that module."""
    module = sys.modules.get("array")
    return module is not None and isinstance(value, module.array)


def _refuse_unit(name: str, value: Any) -> None:
    """Raise InputTypeError for numbers with a unit: astropy's, pint's, unyt's, also within an xarray.DataArray."""
    inner = getattr(value, "variable", None)
    inner = value if inner is None else getattr(inner, "_data", value)     # xarray's: looked at without computing it
    if isinstance(inner, (list, tuple)) and inner:
        inner = inner[0]
    for unit, way in (("units", "magnitude"), ("unit", "value"), ("units", "value")):
        own = (hasattr(type(inner), unit) and hasattr(type(inner), way)) or (unit in getattr(inner, "__dict__", {}) and hasattr(inner, way))
        if own and getattr(inner, unit) is not None and str(getattr(inner, unit)) not in NO_UNIT:
            raise InputTypeError(f"{name} has a unit ({getattr(inner, unit)}), which a fit would lose: convert it and hand over "
                                 f"plain numbers, {name}.{way}")


def _array(name: str, value: Any) -> np.ndarray:
    """Return an array of whatever type, a masked one where the value is, or has rows that are."""
    try:
        if hasattr(value, "to_numpy"):       # pandas, polars, pyarrow: what is missing becomes NaN
            return _of_frame(value)
        if isinstance(value, (list, tuple)) and any(isinstance(item, np.ma.MaskedArray) for item in value):
            hidden = [item is np.ma.masked for item in value]
            rows = np.ma.array([0.0 if out else item for item, out in zip(value, hidden, strict=True)])
            if any(hidden):
                rows[hidden] = np.ma.masked
            return rows
        return np.asanyarray(value)
    except ValueError as error:
        if "inhomogeneous" in str(error) or "sequence" in str(error):
            raise InputError(f"{name} has rows of different lengths: an array of numbers is needed") from None
        raise InputTypeError(f"{name} ({type(value).__name__}) can't be read as an array: {error}") from error
    except TypeError as error:
        raise InputTypeError(f"{name} ({type(value).__name__}) can't be read as an array: {error}") from error


def _of_frame(value: Any) -> np.ndarray:
    """Return a Series or a table; nullable integers are floats where something is missing."""
    array = np.asarray(value.to_numpy())
    if array.dtype.kind != "O":
        return array
    try:
        return np.asarray(value.to_numpy(dtype=float, na_value=np.nan))
    except (TypeError, ValueError):
        return array


def _numeric(name: str, array: np.ndarray, imaginary: bool) -> np.ndarray:
    """Return an array of numbers, or raise an error that says what the value is instead."""
    kind = array.dtype.kind
    if kind in REAL or (kind == "c" and imaginary):
        return array
    if kind == "c":
        raise InputTypeError(f"{name} is complex ({array.dtype}), and real numbers are needed: minimize and Model.fit take complex data, "
                             f"or hand over {name}.real")
    if kind in "mM":
        origin = f"({name} - {name}[0])" if kind == "M" else name
        raise InputTypeError(f"{name} holds {'dates' if kind == 'M' else 'times'} ({array.dtype}), and numbers are needed: "
                             f"{origin}/numpy.timedelta64(1, 's') are seconds")
    if kind == "O":
        return _of_objects(name, array, imaginary)
    raise InputTypeError(f"{name} is an array of {array.dtype}, and numbers are needed")


def _described(item: Any) -> str:
    """Return a value for a message, with its type."""
    text, kind = shown(item), f" ({type(item).__name__})"
    return text if text.endswith(kind) else f"{text}{kind}"


def _of_objects(name: str, array: np.ndarray, imaginary: bool) -> np.ndarray:
    """Read numbers that are Python objects (integers of any size, fractions, decimals); an error shows the first that is no number."""
    for place, item in np.ndenumerate(array):
        _refuse_unit(name, item)
        try:
            (complex if imaginary else float)(item)
        except (TypeError, ValueError):
            where = f"{name}[{', '.join(map(str, place))}]" if place else name
            raise InputTypeError(f"{where} is {_described(item)}, and numbers are needed") from None
        except OverflowError:
            raise InputError(f"{name}[{', '.join(map(str, place))}] is a number beyond the range of floats") from None
        if isinstance(item, (str, bytes)):
            raise InputTypeError(f"{name}[{', '.join(map(str, place))}] is the text {shown(item)}, and numbers are needed")
    try:
        return array.astype(float)
    except TypeError:
        return array.astype(complex)
