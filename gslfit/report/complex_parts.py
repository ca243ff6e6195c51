"""Complex numbers as they are drawn: one real part of them, and its errors."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

PARTS: dict[str, Callable[[Any], Any]] = {"real": np.real, "imag": np.imag, "abs": np.abs, "angle": np.angle}


def errors_of_part(z: np.ndarray, dz: np.ndarray, option: str) -> np.ndarray:
    """Return the errors of a part of complex numbers.

    Parameters
    ----------
    z : ndarray of complex, shape (n,)
    dz : ndarray, shape (n,)
        Errors of the real parts, and in their imaginary part those of the imaginary parts; real ones are those of both.
    option : {"real", "imag", "abs", "angle"}

    Returns
    -------
    ndarray, shape (n,)
        Of ``r = |z|`` ``sqrt((x dx)^2 + (y dy)^2)/r`` and of the angle ``sqrt((x dy)^2 + (y dx)^2)/r^2``; at 0 ``|dz|`` and pi.
    """
    if np.all(np.isreal(dz)):
        dz = dz + 1j*dz
    if option in ("real", "imag"):
        return PARTS[option](dz)
    x, y, dx, dy, r = z.real, z.imag, dz.real, dz.imag, np.abs(z)
    away = np.where(r > 0, r, 1.)
    if option == "abs":
        return np.where(r > 0, np.hypot(x*dx, y*dy)/away, np.abs(dz))
    return np.where(r > 0, np.hypot(x*dy, y*dx)/away**2, np.pi)
