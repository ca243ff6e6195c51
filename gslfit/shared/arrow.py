"""The normal equations of data sets that share parameters: an arrow, whose local blocks are eliminated one beside the other.

With the shared parameters s and the local ones l_i of data set i, J^T J has the blocks A (s, s), summed over the data sets, C_i (q, s) and
B_i (q, q), and nothing where two data sets meet. Elimination leaves S = A - sum C_i^T B_i^-1 C_i, the Schur complement, and
g - sum C_i^T B_i^-1 g_i (Golub and Van Loan, Matrix Computations, 4th ed., section 4.5.4; in photogrammetry the reduced camera system).
Time and memory are proportional to the number of data sets. Arrays have the data sets along their last axis, as the lanes have them.
"""
from __future__ import annotations

import numpy as np

from gslfit.records import Record

DEPENDENT = 1e-14       # a pivot of columns of length 1: J^T J can't tell it from 0 (src/lanes/lm_step.h)
DETERMINED = 1e-13      # an eigenvalue of the Schur complement, the columns of length 1: less is rounding
OPEN = 1e-6             # share of another column by which one that isn't determined leaves that one open


class Sums(Record):
    """What least squares need to know of data sets at a point, m of them.

    Attributes
    ----------
    cost : ndarray, shape (m,)
        Chi-square, or what a loss has in its place.
    shared_slopes, slopes : ndarray, shapes (s, m) and (q, m)
        J^T r.
    shared_block : ndarray, shape (s, s, m)
    cross : ndarray, shape (q, s, m)
    block : ndarray, shape (q, q, m)
        J^T J.
    """

    cost: np.ndarray
    shared_slopes: np.ndarray
    slopes: np.ndarray
    shared_block: np.ndarray
    cross: np.ndarray
    block: np.ndarray

    def take(self, which: np.ndarray) -> Sums:
        """Return those of some data sets."""
        return Sums(*(array[..., which] for array in self))

    def change(self, shared: np.ndarray, local: np.ndarray) -> np.ndarray:
        """Return how much the quadratic model's cost changes by a step, of each data set: ndarray (m,).

        Parameters
        ----------
        shared : ndarray, shape (s,)
        local : ndarray, shape (q, m)
        """
        along = 2*self.shared_slopes + np.tensordot(shared, self.shared_block, 1)
        found = np.tensordot(shared, along, 1)
        if len(local):
            own = 2*self.slopes + 2*np.einsum("qsm,s->qm", self.cross, shared) + np.einsum("qrm,rm->qm", self.block, local)
            found = found + np.einsum("qm,qm->m", own, local)
        return found


class Elimination:
    """The local blocks of data sets eliminated.

    Parameters
    ----------
    sums : Sums
    active : ndarray of bool, shape (q, m)
        The local parameters that may move.
    damping : ndarray, shape (q, m), optional
        What is added to the diagonal of the local blocks.
    way : ndarray, shape (q, m), optional
        Steps that are given: of parameters that are not active.

    Attributes
    ----------
    schur : ndarray, shape (s, s)
        This part's share of the Schur complement.
    slopes : ndarray, shape (s,)
        The same of the gradient.
    decrement : ndarray, shape (m,)
        By how much a data set's cost falls by a step in its local parameters alone.
    independent : ndarray of bool, shape (q, m)
        The active parameters whose columns are no combination of those before.
    """

    def __init__(self, sums: Sums, active: np.ndarray, damping: np.ndarray | None = None, way: np.ndarray | None = None):
        q, s, m = sums.cross.shape
        diagonal = np.einsum("qqm->qm", sums.block)
        with np.errstate(divide="ignore", invalid="ignore"):
            self.scale = np.where(active & (diagonal > 0), 1/np.sqrt(diagonal), 0.0)
        block = sums.block*self.scale*self.scale[:, None]
        own = block[range(q), range(q)]
        block[range(q), range(q)] = np.where(self.scale > 0, own if damping is None else own + damping*self.scale**2, 1.0)
        right = np.empty((q, s + 1, m))
        right[:, :s] = sums.cross*self.scale[:, None]
        right[:, s] = sums.slopes*self.scale
        shared_slopes = sums.shared_slopes
        if way is not None:
            right[:, s] += np.einsum("qrm,rm->qm", sums.block, way)*self.scale
            shared_slopes = shared_slopes + np.einsum("qsm,qm->sm", sums.cross, way)
        self.way = way
        self.inverse = np.empty((q, m))
        for j in range(q):      # L D L^T, one column of all blocks after the other
            pivot = block[j, j]
            with np.errstate(divide="ignore"):
                self.inverse[j] = np.where(pivot > DEPENDENT, 1/pivot, 0.0)
            factor = block[j + 1:, j]*self.inverse[j]
            block[j + 1:, j + 1:] -= factor[:, None]*block[j, j + 1:]
            right[j + 1:] -= factor[:, None]*right[j]
            block[j + 1:, j] = factor
        self.factors, self.right = block, right
        self.independent = (self.inverse > 0) & (self.scale > 0)
        self.inverse = np.where(self.scale > 0, self.inverse, 0.0)
        self.schur = sums.shared_block.sum(axis=-1)
        self.slopes = shared_slopes.sum(axis=-1)
        self.decrement = np.einsum("qm,qm,qm->m", right[:, s], right[:, s], self.inverse)
        for j in range(q):
            weighted = right[j, :s]*self.inverse[j]
            self.schur = self.schur - weighted @ right[j, :s].T
            self.slopes = self.slopes - weighted @ right[j, s]

    def local(self, shared: np.ndarray) -> np.ndarray:
        """Return the local parameters' step beside a step of the shared ones: ndarray (q, m)."""
        right = self.right[:, -1] + np.einsum("qsm,s->qm", self.right[:, :-1], shared)
        found = self._back(right)
        return found if self.way is None else found + self.way

    def _back(self, right: np.ndarray) -> np.ndarray:
        """Solve with what is left of the blocks: minus the solution of ``B x = right``, whose forward half has been done."""
        q = len(right)
        found = -right*self.inverse.reshape(self.inverse.shape[:1] + (1,)*(right.ndim - 2) + self.inverse.shape[1:])
        for j in range(q - 2, -1, -1):
            found[j] -= np.einsum("km,k...m->...m", self.factors[j + 1:, j], found[j + 1:])
        return found*self.scale.reshape(self.scale.shape[:1] + (1,)*(right.ndim - 2) + self.scale.shape[1:])

    def follows(self) -> np.ndarray:
        """Return how the local parameters follow the shared ones, -B^-1 C: ndarray (q, s, m)."""
        return self._back(self.right[:, :-1])

    def inverses(self) -> np.ndarray:
        """Return the inverses of the local blocks, zero where a parameter is not determined: ndarray (q, q, m)."""
        q, m = self.scale.shape
        right = np.zeros((q, q, m))
        right[range(q), range(q)] = self.scale
        for j in range(q):
            right[j + 1:] -= self.factors[j + 1:, j][:, None]*right[j]
        return -self._back(right)


def solve(schur: np.ndarray, slopes: np.ndarray, lengths: np.ndarray, moves: np.ndarray) -> tuple[np.ndarray, float, int]:
    """Solve for a step of the shared parameters.

    Parameters
    ----------
    schur, slopes : ndarray, shapes (s, s) and (s,)
    lengths : ndarray, shape (s,)
        Of the Jacobian's columns: what is small beside them is rounding.
    moves : ndarray of bool, shape (s,)

    Returns
    -------
    step : ndarray, shape (s,)
        The shortest where columns are dependent; 0 where a parameter doesn't move.
    decrement : float
        By how much chi-square falls by it.
    rank : int
        Of the columns that move.
    """
    step = np.zeros(len(slopes))
    used = np.flatnonzero(moves & (lengths > 0))
    if not used.size:
        return step, 0.0, 0
    unit = 1/lengths[used]
    values, axes = np.linalg.eigh(schur[np.ix_(used, used)]*unit*unit[:, None])
    good = values > DETERMINED
    along = axes[:, good].T @ (slopes[used]*unit)
    step[used] = -(axes[:, good] @ (along/values[good]))*unit
    return step, float(along @ (along/values[good])), int(good.sum())


def inverted(schur: np.ndarray, lengths: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the inverse of the Schur complement in the parameters known, 0 elsewhere, which parameters have no error, (s), and along which
    directions those known are open, (d, s).
    """
    inverse, loose = np.zeros_like(schur), np.ones(len(schur), bool)
    if not known.size:
        return inverse, loose, np.zeros((0, len(schur)))
    unit = 1/lengths[known]
    block = schur[np.ix_(known, known)]*unit*unit[:, None]
    values, axes = np.linalg.eigh(block)
    good = values > DETERMINED
    inverse[np.ix_(known, known)] = (axes[:, good]/values[good]) @ axes[:, good].T*unit*unit[:, None]
    loose[known] = False
    if not good.all():
        loose[known] = (np.abs(axes[:, ~good]) > OPEN).any(axis=1)
    open_ = np.zeros((np.count_nonzero(~good), len(schur)))
    open_[:, known] = axes[:, ~good].T*unit
    return inverse, loose, open_
