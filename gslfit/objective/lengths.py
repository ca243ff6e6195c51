"""Euclidean lengths of a matrix's columns."""
from __future__ import annotations

from typing import Any

import numpy as np

LEAST, MOST = 1e-280, 1e280     # sums of squares between them have neither under- nor overflowed


def lengths(A: np.ndarray) -> Any:
    """Return the lengths of a matrix's columns, or of a vector, whatever their size; NaN and infinities are passed on.

    Of one contiguous vector `length` of `gslfit.objective._loss` is faster.
    """
    with np.errstate(over="ignore", under="ignore"):
        squares = np.einsum("i...,i...->...", A, A)
        if ((squares > LEAST) & (squares < MOST)).all():
            return np.sqrt(squares)
        largest = np.max(np.abs(A), axis=0, initial=0.0)
        unit = np.where((largest > 0) & (largest < np.inf), largest, 1.0)
        return unit*np.sqrt(np.sum((A/unit)**2, axis=0))
