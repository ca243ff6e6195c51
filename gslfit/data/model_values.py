"""What a model's function returned, as one number a point."""
from __future__ import annotations

from typing import Any

import numpy as np

from gslfit.data.numbers import read
from gslfit.errors import InputError, InputTypeError


class ComplexModelError(InputTypeError):
    """A model that has given no real number yet is complex at all points."""


def model_values(name: str, value: Any, shape: tuple[int, ...], *, imaginary: bool = False) -> np.ndarray:
    """Return the values of a model at its points.

    Parameters
    ----------
    name : str
        The function's name.
    value : array_like
        What it returned: the points' shape, the same with axes of length 1 more or less (a column), or one number for all.
    shape : tuple of int
        The shape of the points.
    imaginary : bool
        Whether complex values are taken.

    Returns
    -------
    ndarray
        Of the points' shape.

    Raises
    ------
    InputTypeError
        If it is None or no numbers, or complex where that is not taken.
    InputError
        If it has another shape, (n, n) for instance.
    """
    if value is None:
        raise InputTypeError(f"{name} returned None: it must return its values (is a return statement missing?)")
    found = read(f"the result of {name}", value, imaginary=True)
    array = found.array
    if found.mask is not None:
        array = np.where(found.mask, np.nan, array)
    array = np.asarray(array, complex if array.dtype.kind == "c" else float)
    if not imaginary:
        array = real_values(name, array)
    if array.shape == shape:
        return array
    if array.ndim == 0:
        return np.full(shape, array)
    if [size for size in array.shape if size != 1] == [size for size in shape if size != 1]:
        return array.reshape(shape)
    raise InputError(f"{name} returned the shape {array.shape} for points of the shape {shape}: one value a point is needed")


def real_values(name: str, array: np.ndarray, was_real: bool = False) -> np.ndarray:
    """Return real values of a model: as they are, or NaN where it has become complex.

    Parameters
    ----------
    name : str
        The function's name.
    array : ndarray
    was_real : bool
        Whether it has given real numbers before: it is then off its domain, where they are all complex.

    Raises
    ------
    ComplexModelError
        If none is real, and none was.
    """
    if array.dtype.kind != "c":
        return array
    real = array.imag == 0
    if array.size and not (was_real or real.any()):
        raise ComplexModelError(f"the result of {name} is complex ({array.dtype}), and real numbers are fitted here: return its real and "
                                "imaginary parts one after the other, numpy.concatenate([z.real, z.imag]), for data of as many numbers, or "
                                "one real number a point (z.real, abs(z)); minimize and Model.fit take complex data, and fit both parts")
    return np.where(real, array.real, np.nan)
