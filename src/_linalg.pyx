# cython: boundscheck=False, wraparound=False, cdivision=True
"""The last digits of a fit: QR of a column-scaled Jacobian, its rank, and Gauss-Newton steps repeated while they contract.

The scaled matrix is A = J D^-1 with D = diag(|J_1|, ..., |J_p|), so that neither rank nor steps depend on the units of the parameters.
Householder QR with column pivoting: Golub and Van Loan, Matrix Computations, section 5.4.2.  Steps solve (R^T R + S) s = -g
with g = J^T r; S is the part of chi-square's second derivative that J^T J leaves out, sum_i r_i d2r_i, as far as it is known
(Dennis, Gay, Welsch, ACM TOMS 7, 348, 1981), or zero. That g is formed from J costs nothing here: the iteration corrects itself.
"""
from libc.math cimport INFINITY, fabs, fmax, fmin, isfinite, sqrt

import numpy as np

cdef double SMALL = 1e-2        # share of its uncertainty that a value near zero is measured against
cdef double FELT = 1e-4         # what a change of the residual by its own length counts: chi-square is to be settled too
cdef Py_ssize_t TALL = 20000    # elements above which LAPACK's blocked QR reduces the matrix first


cdef double column_norm(const double *a, Py_ssize_t n) noexcept nogil:
    """The Euclidean norm of a contiguous column, safe from overflow and underflow."""
    cdef double big = 0, total = 0, scaled
    cdef Py_ssize_t i
    for i in range(n):
        total += a[i] * a[i]
    if 1e-280 < total < 1e280:
        return sqrt(total)
    for i in range(n):
        if not fabs(a[i]) <= big:
            big = fabs(a[i])
    if big == 0 or not isfinite(big):
        return big
    total = 0
    for i in range(n):
        scaled = a[i] / big
        total += scaled * scaled
    return big * sqrt(total)


cdef Py_ssize_t householder(double *a, Py_ssize_t n, Py_ssize_t q, Py_ssize_t *pivot, double tol) noexcept nogil:
    """Reduce the column-major n x q matrix to R in place, columns swapped as pivot says; return the rank."""
    cdef Py_ssize_t i, j, k, best, rank = 0
    cdef double norm, top, dot, alpha, swap, first = 0
    cdef double *u
    cdef double *v
    for k in range(min(n, q)):
        best, top = k, -1
        for j in range(k, q):
            norm = 0
            for i in range(k, n):
                norm += a[j * n + i] * a[j * n + i]
            if norm > top:
                best, top = j, norm
        if best != k:
            for i in range(n):
                swap = a[k * n + i]
                a[k * n + i] = a[best * n + i]
                a[best * n + i] = swap
            pivot[k], pivot[best] = pivot[best], pivot[k]
        alpha = sqrt(top)
        if k == 0:
            first = alpha
        if not alpha > tol * first:
            break
        rank += 1
        u = a + k * n
        if u[k] > 0:
            alpha = -alpha
        u[k] -= alpha
        dot = alpha * u[k]              # = -|u|^2 / 2
        for j in range(k + 1, q):
            v = a + j * n
            norm = 0
            for i in range(k, n):
                norm += u[i] * v[i]
            norm /= dot
            for i in range(k, n):
                v[i] += norm * u[i]
        u[k] = alpha
    return rank


cdef double relative_size(const double[::1] step, const double[::1] x, const double[::1] d, double norm) noexcept nogil:
    """The largest size of a step: relative to the value, and, less strictly, by what it changes the residual.

    A value that is small beside what changes the residual by its own length, about its uncertainty, is measured against a share of that.
    """
    cdef double worst = 0, own, reach
    cdef Py_ssize_t j
    for j in range(step.shape[0]):
        if step[j] != 0:
            reach = norm / d[j] if d[j] > 0 else 0.
            own = fmax(fabs(x[j]), SMALL * reach)
            worst = fmax(worst, fabs(step[j]) / own if own > 0 else INFINITY)
            if d[j] > 0:
                worst = fmax(worst, FELT * fabs(step[j]) / reach if reach > 0 else INFINITY)
    return worst


def relative(const double[::1] step, const double[::1] x, const double[::1] norms, double norm):
    """Return the relative size of a step at x, given the lengths of the Jacobian's columns and that of the residual.

    The largest over the parameters of ``|step_j| / max(|x_j|, 0.01 norm/norms_j)`` and, so that chi-square is settled too, a
    ten-thousandth of ``norms_j |step_j| / norm``.
    """
    return relative_size(step, x, norms, norm)


cdef class ScaledQR:
    """The pivoted QR decomposition of a Jacobian with columns scaled to length one.

    Parameters
    ----------
    J : ndarray, shape (n, p)
        The Jacobian, float64; a column that is zero or not finite counts as without effect.
    tol : float
        A column of R below tol times the first is linearly dependent.
    held : ndarray of bool, shape (p,), optional
        Columns to leave out: parameters that may not move.

    Attributes
    ----------
    n, p, rank : int
    norms : ndarray, shape (p,)
        Lengths of the columns of J, 0 for those left out.
    """

    cdef readonly Py_ssize_t n, p, rank
    cdef readonly object norms, J
    cdef const double[::1, :] columns
    cdef double[::1, :] R
    cdef Py_ssize_t[::1] order
    cdef double[::1] d
    cdef double[::1, :] H           # a Cholesky factor of R^T R + S, scaled and pivoted
    cdef bint newton

    def __init__(self, J, double tol=1e-14, held=None):
        cdef Py_ssize_t i, j, c, q
        cdef double[::1, :] work
        cdef Py_ssize_t[::1] order
        self.J = np.asfortranarray(J, dtype=np.float64)
        self.columns = self.J
        self.n, self.p = self.columns.shape[0], self.columns.shape[1]
        self.norms = np.zeros(self.p)
        self.d = self.norms
        free = np.arange(self.p) if held is None else np.flatnonzero(~held)
        self.order = order = np.ascontiguousarray(free, dtype=np.intp)
        q = order.shape[0]
        scaled = np.empty((self.n, q), order="F")
        work = scaled
        for c in range(q):
            j = order[c]
            self.d[j] = column_norm(&self.columns[0, j], self.n)
            if not isfinite(self.d[j]):
                self.d[j] = 0
            for i in range(self.n):
                work[i, c] = self.columns[i, j] / self.d[j] if self.d[j] > 0 else 0.
        if self.n * q > TALL and self.n > 2 * q:
            work = np.asfortranarray(np.linalg.qr(scaled, mode="r"))
        if q:
            with nogil:
                self.rank = householder(&work[0, 0], work.shape[0], q, &order[0], tol)
        self.R = work

    def curve(self, const double[:, ::1] S):
        """Let steps use the second derivatives S, shape (p, p), unless they outweigh J^T J in some direction: then they are hearsay."""
        cdef Py_ssize_t a, b, c, k = self.rank
        cdef double total
        factor = np.empty((k, k), order="F")
        cdef double[::1, :] H = factor
        self.newton = False
        for b in range(k):
            for a in range(b + 1):
                total = S[self.order[a], self.order[b]] / (self.d[self.order[a]] * self.d[self.order[b]])
                for c in range(a + 1):
                    total += self.R[c, a] * self.R[c, b]
                for c in range(a):
                    total -= H[c, a] * H[c, b]
                if a < b:
                    H[a, b] = total / H[a, a]
                elif 0.1 < total / (self.R[a, a] * self.R[a, a]) < 10:
                    H[b, b] = sqrt(total)
                else:
                    return
        self.H = H
        self.newton = True

    def bend(self, const double[:, ::1] S):
        """Return the Frobenius norm of R^-T S R^-1: about the rate at which Gauss-Newton steps converge, were S all that they miss."""
        cdef Py_ssize_t a, b, c, k = self.rank
        cdef double total = 0
        cdef double[::1, :] M = np.empty((k, k), order="F")
        for a in range(k):
            for b in range(k):
                M[a, b] = S[self.order[a], self.order[b]] / (self.d[self.order[a]] * self.d[self.order[b]])
        for b in range(k):              # R^-T from the left
            for a in range(k):
                for c in range(a):
                    M[a, b] -= self.R[c, a] * M[c, b]
                M[a, b] /= self.R[a, a]
        for a in range(k):              # R^-1 from the right
            for b in range(k):
                for c in range(b):
                    M[a, b] -= M[a, c] * self.R[c, b]
                M[a, b] /= self.R[b, b]
                total += M[a, b] * M[a, b]
        return sqrt(total)

    def step(self, const double[::1] r):
        """Return the s that minimises ``|J s + r|``, zero in columns left out or linearly dependent."""
        out = np.zeros(self.p)
        cdef double[::1] g = np.empty(self.p), s = out
        self._gradient(r, g)
        self._solve(g, s, False)
        return out

    def solve(self, g):
        """Return ``-(J^T J)^-1 g`` for a gradient ``g``, shape (p,)."""
        out = np.zeros(self.p)
        cdef double[::1] s = out
        self._solve(np.ascontiguousarray(g, dtype=np.float64), s, False)
        return out

    cdef void _gradient(self, const double[::1] r, double[::1] g) noexcept nogil:
        cdef Py_ssize_t i, j
        cdef double total
        for j in range(self.p):
            total = 0
            for i in range(self.n):
                total += self.columns[i, j] * r[i]
            g[j] = total

    cdef void _solve(self, const double[::1] g, double[::1] s, bint newton) noexcept nogil:
        """Solve for a step by the pivoted triangle, or by that of R^T R + S."""
        cdef double[::1, :] T = self.H if newton and self.newton else self.R
        cdef Py_ssize_t i, j, a, b
        for i in range(self.p):
            s[i] = 0
        for i in range(self.rank):
            a = self.order[i]
            s[a] = -g[a] / self.d[a]
            for j in range(i):
                s[a] -= T[j, i] * s[self.order[j]]
            s[a] /= T[i, i]
        for i in range(self.rank - 1, -1, -1):
            a = self.order[i]
            for j in range(i + 1, self.rank):
                b = self.order[j]
                s[a] -= T[i, j] * s[b] * self.d[b]      # s[b] is in its own units already
            s[a] /= T[i, i]
            s[a] /= self.d[a]

    def contract(self, fun, x0, r0, const double[:, ::1] S, lower, upper, double digits, double share, double error, double precision,
                 double ratio):
        """Repeat steps while they contract.

        Parameters
        ----------
        fun : callable
            ``fun(x) -> ndarray, shape (n,)``.
        x0 : ndarray, shape (p,)
            Where J was taken.
        r0 : ndarray, shape (n,)
            The residual there.
        S : ndarray, shape (p, p)
            Known second derivatives.
        lower, upper : ndarray, shape (p,)
        digits : float
            Relative size of a step that ends it.
        share : float
            A step this much shorter than all before together ends it too.
        error : float
            Relative error of J.
        precision : float
            Relative precision of the residual.
        ratio : float
            A step longer than this times the one before does not contract.

        Returns
        -------
        x, r : ndarray
            The best point and its residual.
        settled : bool
            It is a minimum as far as J tells.
        crossed : bool
            A bound was reached: the columns to be held may have changed.
        """
        cdef const double[::1] low = lower, high = upper, at = x0, begin = x0, value = r0
        cdef double[::1] g = np.empty(self.p), s = np.empty(self.p), moved = np.zeros(self.p), new
        cdef double norm = column_norm(&value[0], self.n), before = INFINITY, size, noise, drop, model, change, trial_norm
        cdef Py_ssize_t i, j, _
        cdef bint crossed
        x, r = x0, r0
        for _ in range(60):
            self._gradient(value, g)
            if self.newton:
                for i in range(self.p):
                    for j in range(self.p):
                        g[i] += S[i, j] * moved[j]
            self._solve(g, s, True)
            size = relative_size(s, at, self.d, norm)
            if size <= fmax(digits, share * relative_size(moved, at, self.d, norm)):
                return x, r, True, False
            model = norm
            for j in range(self.p):
                model = fmax(model, self.d[j] * fabs(at[j]))
            noise = 32 * precision * model + error * norm
            drop = 0
            for i in range(self.n):
                change = 0
                for j in range(self.p):
                    change += self.columns[i, j] * s[j]
                drop += change * change
            drop = sqrt(drop)
            if size > ratio * before:
                return x, r, drop <= noise, False
            trial = np.empty(self.p)
            new = trial
            crossed = False
            for j in range(self.p):
                new[j] = at[j] + s[j]
                if new[j] < low[j] or new[j] > high[j]:
                    new[j] = fmin(fmax(new[j], low[j]), high[j])
                    crossed = True
            out = fun(trial)
            value = out
            trial_norm = column_norm(&value[0], self.n)
            if not trial_norm <= norm + noise:      # NaN counts as worse
                if not self.newton:
                    return x, r, False, False
                self.newton = False
                value = r
                continue
            x, r, at, norm, before = trial, out, new, trial_norm, size
            if crossed:
                return x, r, False, True
            for j in range(self.p):
                moved[j] = at[j] - begin[j]
        return x, r, False, False

    def factors(self):
        """Return ``W``, shape (p, rank), with ``(J^T J)^-1 = W W^T`` over the independent columns, in units of D^-1.

        In the parameters' own units it is ``(W W^T)_ij / (norms_i norms_j)``; that is left to the caller so that neither very large nor
        very small units overflow.
        """
        cdef Py_ssize_t i, j, c, k = self.rank
        out = np.zeros((self.p, k))
        cdef double[:, ::1] W = out
        for c in range(k):              # column c of R^-1
            for i in range(c, -1, -1):
                W[self.order[i], c] = 1. if i == c else 0.
                for j in range(i + 1, c + 1):
                    W[self.order[i], c] -= self.R[i, j] * W[self.order[j], c]
                W[self.order[i], c] /= self.R[i, i]
        return out

    def undetermined(self, double share=1e-3):
        """Return the sorted indices of the columns that take part in a linear dependence.

        A column without effect stands alone; of columns that only act together all are named.
        """
        cdef Py_ssize_t i, j, c, k = self.rank
        cdef double[::1] z = np.zeros(self.p)
        found = set()
        for c in range(k, self.order.shape[0]):         # the null vector of dependent column c: R11 z = R12_c
            found.add(int(self.order[c]))
            for i in range(k - 1, -1, -1):
                z[i] = self.R[i, c]
                for j in range(i + 1, k):
                    z[i] -= self.R[i, j] * z[j]
                z[i] /= self.R[i, i]
                if fabs(z[i]) > share:
                    found.add(int(self.order[i]))
        return sorted(found)

    def cosines(self, const double[::1] r):
        """Return ``|J_j . r| / (|J_j| |r|)``, shape (p,): the gradient free of scale, 0 for a column left out or without effect."""
        out = np.zeros(self.p)
        cdef double[::1] g = out
        cdef double norm = column_norm(&r[0], self.n)
        cdef Py_ssize_t j
        self._gradient(r, g)
        for j in range(self.p):
            g[j] = fabs(g[j]) / self.d[j] / norm if self.d[j] > 0 and norm > 0 else 0.
        return out


def secant(double[:, ::1] S, const double[::1] step, const double[::1] y, const double[::1] change):
    """Update S in place so that S step = y: Dennis, Gay and Welsch's update, sized.

    Parameters
    ----------
    S : ndarray, shape (p, p)
        Symmetric.
    step : ndarray, shape (p,)
        From the last Jacobian's point to the new one's.
    y : ndarray, shape (p,)
        ``(J_new - J_last)^T r_new``.
    change : ndarray, shape (p,)
        The gradient's change, ``J_new^T r_new - J_last^T r_last``.
    """
    cdef Py_ssize_t i, j, p = S.shape[0]
    cdef double along = 0, wanted = 0, has = 0, size, left, total
    cdef double[::1] miss = np.empty(p)
    for i in range(p):
        along += step[i] * change[i]
        wanted += step[i] * y[i]
        for j in range(p):
            has += step[i] * S[i, j] * step[j]
    if not along > 0:
        return
    size = fmin(1., fabs(wanted) / fabs(has)) if has != 0 else 1.
    left = 0
    for i in range(p):
        total = 0
        for j in range(p):
            S[i, j] *= size
            total += S[i, j] * step[j]
        miss[i] = y[i] - total
        left += step[i] * miss[i]
    for i in range(p):
        for j in range(p):
            S[i, j] += (miss[i] * change[j] + change[i] * miss[j]) / along - left * change[i] * change[j] / (along * along)
