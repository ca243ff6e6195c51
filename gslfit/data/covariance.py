"""The covariance of the data's errors: read and looked at, decomposed for the points that take part, and what whitens their residuals.

With ``C = L L^T`` (Cholesky) the residuals ``L^-1 (model - data)`` have errors of size 1 that are not correlated, and their sum of squares
is ``(model - data)^T C^-1 (model - data)``. Points that are left out take their rows and columns with them: what is left of C is the
covariance of the others, whatever those were.
"""
from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from gslfit.data.numbers import read
from gslfit.errors import InputError

ALIKE = 1e-10           # share of the larger variance by which elements that mirror each other may differ
PATTERNS = 64           # of points that take part whose decompositions are kept
LAST_DIGIT = float(np.finfo(float).eps)


class Covariance:
    """A covariance of the errors of n points.

    Parameters
    ----------
    name : str
        What the caller calls it.
    array : ndarray of float64, shape (n, n)
    """

    def __init__(self, name: str, array: np.ndarray):
        self.name, self.array = name, array
        self._known: dict[bytes, np.ndarray] = {}

    @classmethod
    def of(cls, name: str, given: Any, n: int) -> Covariance:
        """Read a covariance of n points, or take one that was read.

        Raises
        ------
        InputError
            If its shape is another one.
        """
        found = read(name, given.array if isinstance(given, Covariance) else given)
        if found.array.shape != (n, n):
            raise InputError(f"{name} has the shape {found.array.shape}, and the covariance of {n} points has {(n, n)}")
        if isinstance(given, Covariance):
            return given
        if found.mask is not None and found.mask.any():
            raise InputError(f"{name} is masked: mask= says which points are left out, with their rows and columns")
        return cls(name, np.array(found.array, float))

    def __reduce__(self) -> tuple:
        return type(self), (self.name, self.array)

    def factor(self, keep: np.ndarray | None) -> np.ndarray:
        """Return L^-1, lower, of what belongs to the points that take part: multiplied with their residuals it whitens them.

        Raises
        ------
        InputError
            If that isn't finite, symmetric and positive definite.
        """
        keep = np.ones(len(self.array), bool) if keep is None else keep
        key = keep.tobytes()
        if key not in self._known:
            if len(self._known) >= PATTERNS:
                self._known.clear()
            self._known[key] = self._factor(np.flatnonzero(keep))
        return self._known[key]

    def part(self, keep: np.ndarray) -> Covariance:
        """Return the covariance of some of the points: ndarray of bool (n,)."""
        if keep.all():
            return self
        found, places = Covariance(self.name, self.array[np.ix_(keep, keep)]), np.count_nonzero(keep)
        found._known[np.ones(places, bool).tobytes()] = self.factor(keep)
        return found

    def _factor(self, places: np.ndarray) -> np.ndarray:
        part = self.array[np.ix_(places, places)]
        if not np.isfinite(part).all():
            row, column = (int(places[k]) for k in np.argwhere(~np.isfinite(part))[0])
            raise InputError(f"{self.name}[{row}, {column}] is {self.array[row, column]}: a covariance is finite where points take part; "
                             "mask= leaves points out")
        size = np.sqrt(np.abs(part.diagonal()))
        uneven = np.abs(part - part.T) > ALIKE*np.maximum(np.multiply.outer(size, size), np.abs(part))
        if uneven.any():
            row, column = (int(places[k]) for k in np.argwhere(uneven)[0])
            raise InputError(f"{self.name} is not symmetric: [{row}, {column}] is {self.array[row, column]}, and [{column}, {row}] is "
                             f"{self.array[column, row]}")
        if not places.size:
            return part
        found = self._inverse(part, size)
        if found is None:
            values = np.linalg.eigvalsh(part)
            none = values[0] < -len(part)*LAST_DIGIT*np.abs(values).max()
            raise InputError(f"{self.name} is {'not positive definite' if none else 'singular'}: its least eigenvalue is {values[0]:.4g} "
                             f"and its greatest {values[-1]:.4g}; a covariance of errors has positive ones only")
        return found

    @staticmethod
    def _inverse(part: np.ndarray, size: np.ndarray) -> np.ndarray | None:
        """Return L^-1 of a covariance with standard deviations `size`; None where it is singular, or none."""
        from scipy.linalg.lapack import dtrtri
        if not (part.diagonal() > 0).all():
            return None
        try:
            root = np.linalg.cholesky(part/np.multiply.outer(size, size))
        except np.linalg.LinAlgError:
            return None
        inverse = dtrtri(root, lower=1)[0]
        # one over the sum of its squares is less than the least eigenvalue of the correlations
        return np.ascontiguousarray(inverse/size) if np.sum(inverse**2) < 1/(size.size*LAST_DIGIT) else None

    @cached_property
    def deviations(self) -> np.ndarray:
        """The standard deviations of the points, (n,)."""
        with np.errstate(invalid="ignore"):
            return np.sqrt(self.array.diagonal())


def of_all(factor: np.ndarray, n: int) -> np.ndarray:
    """Return the factor of n points, the first of which are `factor`'s, and the others independent: ndarray (n, n)."""
    m = len(factor)
    if m == n:
        return factor
    found = np.eye(n)
    found[:m, :m] = factor
    return found


def whitened(factor: np.ndarray | None, array: np.ndarray) -> np.ndarray:
    """Return residuals (n,), or their derivatives (n, p), as those of errors of size 1 that aren't correlated.

    Parameters
    ----------
    factor : ndarray, shape (m, m), or None
        As `Covariance.factor` gives it, of the first m of the points; the others are independent of them and of each other.
    array : ndarray
    """
    if factor is None:
        return array
    m = len(factor)
    with np.errstate(invalid="ignore", over="ignore"):      # of a model that is not finite
        return factor @ array if m == len(array) else np.concatenate([factor @ array[:m], array[m:]])
