# cython: boundscheck=False, wraparound=False, cdivision=True
"""Standard errors, correlations and the covariance that a scaled QR decomposition gives, kept where neither overflows."""
import numpy as np

from libc.float cimport DBL_MIN
from libc.math cimport INFINITY

include "common/vectors.pxi"


cdef double NO_NUMBER = float("nan")


def covariance(errors, correlations):
    """Return the covariance (..., p, p) of what has these standard errors (..., p), NaN for none; infinite a variance that is no normal
    number."""
    cdef cnp.ndarray given = np.ascontiguousarray(errors, np.float64), found = np.array(correlations, np.float64, order="C")
    cdef Py_ssize_t i, j, p = cnp.PyArray_DIM(given, cnp.PyArray_NDIM(given) - 1)
    cdef const double *s = data_of(given)
    cdef double *to = data_of(found)
    if (<object>found).shape != (*(<object>given).shape, p):
        raise ValueError(f"correlations of shape {(*(<object>given).shape, p)} are needed, not {(<object>found).shape}")
    for _ in range(cnp.PyArray_SIZE(given)//max(p, 1)):
        for i in range(p):
            for j in range(p):
                to[j] = to[j] * s[j] * s[i]
            if s[i] > 0 and not to[i] >= DBL_MIN:
                to[i] = INFINITY
            to += p
        s += p
    return found


cdef class Errors:
    """Standard errors and directions of length one: ``covar_ij = sigma_i sigma_j (unit_i . unit_j)``.

    Parameters
    ----------
    factors : ndarray, shape (p, rank)
        W, the inverse of the scaled R, row by parameter.
    norms : ndarray, shape (p,)
        Lengths d of the Jacobian's columns.
    factor : float
        What all errors are multiplied with.
    without : tuple of int
        Parameters that have no error.
    held : tuple of int
        Those that a bound holds; they have none either.

    Attributes
    ----------
    sigma : ndarray, shape (p,)
        Standard errors, ``factor |W_j| / d_j``; NaN for what has none, or none that a number can hold.
    unit : ndarray, shape (p, rank)
        The rows of W, of length one.
    held : tuple of int
    """

    cdef readonly object sigma, unit
    cdef readonly tuple held
    cdef Py_ssize_t p, rank
    cdef double *s
    cdef double *u

    def __init__(self, factors, norms, double factor, tuple without, tuple held):
        cdef const double *d
        cdef double size
        cdef Py_ssize_t i, j
        self.unit = np.array(factors, dtype=np.float64, order="C")
        self.p, self.rank = self.unit.shape
        self.sigma = new_vector(self.p)
        self.s, self.u, d = data_of(self.sigma), data_of(self.unit), numbers(norms, self.p)
        for j in range(self.p):
            size = norm_of(self.u + j * self.rank, self.rank)
            self.s[j] = factor * (size / d[j])
            if self.s[j] == INFINITY:           # beyond double precision nothing is known of it
                self.s[j] = NO_NUMBER
            for i in range(self.rank):
                self.u[j * self.rank + i] /= size
        self.held = held
        for j in without + held:
            self.s[j] = NO_NUMBER

    cdef double correlation(self, Py_ssize_t i, Py_ssize_t j) noexcept:
        """Return the correlation of two parameters; NaN where one has no error."""
        return dot(self.u + i * self.rank, self.u + j * self.rank, self.rank) + 0 * self.s[i] + 0 * self.s[j]

    cdef object matrix(self, bint scaled):
        cdef Py_ssize_t i, j
        out = zeros(self.p, self.p, False)
        for i in range(self.p):
            for j in range(self.p):
                data_of(out)[i * self.p + j] = self.correlation(i, j) * (self.s[i] if scaled else 1.) * (self.s[j] if scaled else 1.)
            if scaled and self.s[i] > 0 and not data_of(out)[i * self.p + i] >= DBL_MIN:
                data_of(out)[i * self.p + i] = INFINITY
        return out

    @property
    def covar(self):
        """The covariance, ndarray, shape (p, p); NaN in the rows and columns of what has none.

        A variance is infinite where it is no normal number: its root, the standard error, is.
        """
        return self.matrix(True)

    @property
    def correl(self):
        """The correlations, ndarray, shape (p, p); NaN as in `covar`."""
        return self.matrix(False)

    @property
    def complete(self):
        """Whether every parameter has an error."""
        cdef Py_ssize_t j
        for j in range(self.p):
            if self.s[j] != self.s[j]:
                return False
        return True
