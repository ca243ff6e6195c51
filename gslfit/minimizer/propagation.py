"""The standard error of what follows from a fit's parameters: of an expression, of a value derived from them, of a point of the curve.

Its variance is ``g C g^T``, with the gradient g and the covariance C. A parameter that its bound holds adds nothing, and what depends on
no other one has no error. Where the data don't determine every parameter, what they determine has its error: its gradient has no part
along the directions in which the curve doesn't change, and then the pseudo-inverse of the normal equations is its covariance (Rao and
Mitra, Generalized Inverse of Matrices and its Applications, 1971, section 7.2). `src/batch/fit_transform.c` has the same rule for batches.
"""
from __future__ import annotations

import numpy as np

from gslfit.objective.lengths import lengths
from gslfit.records import Record

DEPENDENT = 3e-8    # a singular value of columns of length 1 below this part of the largest one is none
LOST = 1e-6         # part of a movement along what the data don't determine above which it has no error


class Directions(Record):
    """Directions in which the data leave p parameters open.

    Attributes
    ----------
    axes : ndarray, shape (..., d, p)
        Of length one, or zeros, in units of the parameters' columns.
    size : ndarray, shape (..., p)
        Lengths of the columns of the weighted Jacobian.
    """

    axes: np.ndarray
    size: np.ndarray

    def lost(self, slopes: np.ndarray) -> np.ndarray:
        """Return which gradients (..., p) have a part along them: ndarray of bool (...)."""
        with np.errstate(over="ignore", invalid="ignore"):
            moves = slopes/self.size
            most = np.max(np.abs(moves), axis=-1, keepdims=True, initial=0.0)
            units = moves/np.where(most > 0, most, 1.0)
            along = np.einsum("...p,...dp->...d", units, self.axes)
            return ~(np.linalg.norm(along, axis=-1) <= LOST*np.linalg.norm(units, axis=-1))


class Spread(Record):
    """How uncertain p parameters are; a batch has an axis or more in front.

    Attributes
    ----------
    errors : ndarray, shape (..., p)
        Standard errors; NaN for what has none.
    held : ndarray of bool, shape (..., p)
        Which of them their bounds hold.
    correlations : ndarray, shape (..., p, p), or None
        NaN with what has no error, or where they aren't known: then what depends on both has no error.
    rows : ndarray, shape (p, r), or None
        Vectors of length one whose products are the correlations: they keep digits that correlations near 1 lose.
    open : Directions or None
        What the data don't determine; the errors are then those of the pseudo-inverse.
    """

    errors: np.ndarray
    held: np.ndarray
    correlations: np.ndarray | None = None
    rows: np.ndarray | None = None
    open: Directions | None = None

    def units(self) -> np.ndarray:
        """Return powers of two as large as the standard errors, 1 for what has none: derivatives by parameters in these units are in range
        where what they are of is.
        """
        known = np.isfinite(self.errors) & (self.errors > 0)
        return np.ldexp(1.0, np.frexp(np.where(known, self.errors, 1.0))[1] - 1)

    def by(self, units: np.ndarray) -> Spread:
        """Return the same of the parameters in other units."""
        whole = None if self.open is None else Directions(self.open.axes, self.open.size*units)
        return self._replace(errors=self.errors/units, open=whole)


def propagated(slopes: np.ndarray, spread: Spread) -> np.ndarray:
    """Return the standard errors of what has the gradients `slopes`; squares are of numbers of about 1, so that none is out of range.

    Parameters
    ----------
    slopes : ndarray, shape (..., p)
    spread : Spread

    Returns
    -------
    ndarray, shape (...)
        NaN for what has none, 0 for what depends on no varying parameter.
    """
    depends, some_held = slopes != 0, np.count_nonzero(spread.held) > 0     # which is quicker than `any` for a few numbers
    moves = depends & ~spread.held if some_held else depends
    with np.errstate(over="ignore", invalid="ignore"):
        parts = np.where(moves, slopes*spread.errors, 0.0)
        most = np.maximum.reduce(np.abs(parts), axis=-1, initial=0.0)
        units = parts/np.where((most > 0) & (most < np.inf), most, 1.0)[..., None]
        if spread.rows is not None:
            found = most*np.linalg.norm(units @ spread.rows, axis=-1)
        else:
            known = spread.correlations
            assert known is not None
            lacking = np.isnan(known)
            some_lacking = np.count_nonzero(lacking) > 0
            square = _squares(units, np.where(lacking, 0.0, known) if some_lacking else known)
            found = most*np.sqrt(np.maximum(square, 0.0))
            if some_lacking:
                found = np.where(_squares((units != 0).astype(float), lacking.astype(float)) > 0, np.nan, found)
    found = np.where(most < np.inf, found, most)
    if some_held:
        found = np.where(depends.any(axis=-1) & ~moves.any(axis=-1), np.nan, found)
    if spread.open is not None:
        found = np.where(spread.open.lost(np.where(spread.held, 0.0, slopes)) & moves.any(axis=-1), np.nan, found)
    return found


def _squares(vectors: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Return ``v^T M v`` of vectors (..., p) and matrices (..., p, p): ndarray (...)."""
    return np.einsum("...i,...i->...", (vectors[..., None, :] @ matrix)[..., 0, :], vectors)


def correlations_of(errors: np.ndarray, correlations: np.ndarray) -> np.ndarray:
    """Return correlations (..., p, p) as they are of what has a standard error (..., p), and NaN with what has none."""
    known = np.isfinite(errors)
    return np.where(known[..., None] & known[..., None, :], correlations, np.nan)


def determined(jacobian: np.ndarray, held: np.ndarray, unit: float = 1.0) -> Spread | None:
    """Return the spread of p parameters that the data don't determine each by itself; None where they do, or the Jacobian is not finite.

    Parameters
    ----------
    jacobian : ndarray, shape (n, p)
        Of the weighted curve.
    held : ndarray of bool, shape (p,)
    unit : float
        What one standard error of the weighted data is.
    """
    free = np.flatnonzero(~held)
    columns = jacobian[:, free]
    if not free.size or not np.isfinite(columns).all():
        return None
    size = lengths(columns)
    size = np.where(size > 0, size, 1.0)
    units = columns/size
    if len(units) < free.size:      # all directions are wanted, but not all points
        units = np.concatenate([units, np.zeros((free.size - len(units), free.size))])
    _, singular, axes = np.linalg.svd(units, full_matrices=False)
    rank = int(np.count_nonzero(singular > DEPENDENT*singular[0])) if singular[0] > 0 else 0
    if rank == free.size:
        return None
    half = axes[:rank].T/singular[:rank]
    own = np.linalg.norm(half, axis=1)
    errors, rows, whole = np.full(held.size, np.nan), np.zeros((held.size, rank)), np.ones(held.size)
    errors[free], rows[free], whole[free] = unit*own/size, half/np.where(own > 0, own, 1.0)[:, None], size
    along = np.zeros((free.size - rank, held.size))
    along[:, free] = axes[rank:]
    return Spread(errors, held, rows=rows, open=Directions(along, whole))
