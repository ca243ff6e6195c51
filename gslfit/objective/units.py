"""In which unit sums of squares of residuals are in range."""
from __future__ import annotations

from typing import Any

import numpy as np

FAR_FROM_ONE = 1e60     # or one over it: the fourth power of a residual that is as far from 1 may be out of range with more to come


def is_far(size: Any) -> Any:
    """Return which numbers are far from 1: neither 0 nor what is no number."""
    return ~((size > 1/FAR_FROM_ONE) & (size < FAR_FROM_ONE)) & (size > 0) & (size < np.inf)


def unit_of(size: Any) -> Any:
    """Return powers of two as large as numbers that are far from 1, and 1 for others."""
    size = np.asarray(size, float)
    with np.errstate(all="ignore"):
        return np.exp2(np.round(np.log2(np.where(is_far(size), size, 1.0))))
