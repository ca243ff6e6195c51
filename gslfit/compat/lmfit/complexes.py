"""Complex data as lmfit draws them: one real part of them, and its errors."""
from collections.abc import Callable
from typing import Any

import numpy as np

from gslfit.errors import InputError
from gslfit.report.complex_parts import PARTS, errors_of_part


def _checked(option: str) -> str:
    """Return a part's name, or raise InputError."""
    if option not in PARTS:
        raise InputError(f"Invalid option {option!r}: it should be one of {', '.join(PARTS)}")
    return option


def get_reducer(option: str) -> Callable[[Any], Any]:
    """Return a function that takes a part of arrays that are complex, and leaves real ones alone.

    Parameters
    ----------
    option : {"real", "imag", "abs", "angle"}

    Raises
    ------
    InputError
        If the part is none of these.
    """
    part = PARTS[_checked(option)]

    def reducer(array: Any) -> Any:
        return part(array) if np.any(np.iscomplex(array)) else array
    return reducer


def propagate_err(z: Any, dz: Any, option: str) -> Any:
    """Return the errors of a part of complex numbers.

    Parameters
    ----------
    z : array_like, shape (n,)
    dz : array_like, shape (n,)
        Errors of the real parts, and in their imaginary part those of the imaginary parts; real ones are those of both.
    option : {"real", "imag", "abs", "angle"}

    Returns
    -------
    ndarray, shape (n,)
        Of ``r = |z|`` ``sqrt((x dx)^2 + (y dy)^2)/r`` and of the angle ``sqrt((x dy)^2 + (y dx)^2)/r^2``; at 0 ``|dz|`` and pi. The errors
        as they are, where `z` is real.

    Raises
    ------
    InputError
        If the part is none of these, or the shapes differ.
    """
    _checked(option)
    if isinstance(dz, np.ndarray) and np.shape(z) != dz.shape:
        raise InputError(f"shape of z: {np.shape(z)} != shape of dz: {dz.shape}")
    if not np.any(np.iscomplex(z)):
        return dz
    return errors_of_part(np.asarray(z), np.asarray(dz), option)


def coerce_arraylike(x: Any) -> Any:
    """Return lists, tuples, Series and the like as arrays of float64 or complex128; anything else as it is."""
    if isinstance(x, (list, tuple)) or hasattr(x, "__array__"):
        return np.asarray(x, np.float64 if np.isrealobj(x) else np.complex128)
    return x
