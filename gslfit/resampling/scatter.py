"""How numbers scatter, whatever their units: squares are taken of numbers of about 1, so that none is out of range."""
from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

import numpy as np


def in_units(values: np.ndarray) -> tuple[np.ndarray, float]:
    """Return values less their mean in units of the largest deviation, and that; 1 where there is none."""
    values = np.asarray(values, float)
    size = float(np.max(np.abs(values), initial=0.0)) or 1.0
    own = values/size
    off = own - own.mean()
    most = float(np.max(np.abs(off), initial=0.0)) or 1.0
    return off/most, most*size


def deviation(values: np.ndarray, ddof: int = 1) -> float:
    """Return the standard deviation of values (n,), the sum of squares divided by ``n - ddof``."""
    off, unit = in_units(values)
    return unit*float(np.linalg.norm(off))/sqrt(off.size - ddof) if off.size > ddof else np.nan


def scatter(rows: Sequence[np.ndarray], ddof: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Return the standard deviations (p,) of p rows of values, and their correlations (p, p): NaN of what doesn't scatter."""
    errors = np.array([deviation(row, ddof) for row in rows])
    units = np.array([in_units(row)[0] for row in rows])
    with np.errstate(invalid="ignore", divide="ignore"):
        units /= np.linalg.norm(units, axis=1)[:, None]
        return errors, units @ units.T
