# cython: boundscheck=False, wraparound=False, cdivision=True
"""Numerical Jacobians of a residual, with steps chosen per parameter.

A difference over a step h errs by truncation, which grows with h over the length L on which the derivative changes, and by the
residual's own rounding, which grows as 1/h.  With e the relative precision of the residual, Y the size of what it is
computed from and d the length of the column, the steps that balance the two are (Gill, Murray, Wright, Practical Optimization,
section 8.6)

    forward   h = 2 sqrt(e Y L / d)         centred   h = (3 e Y L^2 / d)^(1/3)

Y is taken as the largest of |r| and d_j |x_j|; L as |x_j| until a centred difference has measured it: the second difference
comes with the two values of the first.
"""
from libc.math cimport INFINITY, NAN, cbrt, fabs, fmax, fmin, isfinite, isnan, sqrt

import numpy as np

cdef double EPS = 2.220446049250313e-16
cdef double CURVED = 2e-5    # a centred difference whose halves differ by more than this share is taken again with its own length
cdef double DULL = 1e3       # a column must stand above the residual's rounding by this factor, or its first step grows


cdef double norm_of(const double[::1] a) noexcept nogil:
    """The Euclidean norm, NaN or infinite where an element is."""
    cdef double total = 0, big = 0
    cdef Py_ssize_t i
    for i in range(a.shape[0]):
        total += a[i] * a[i]
    if 1e-280 < total < 1e280 or isnan(total):
        return sqrt(total)
    for i in range(a.shape[0]):
        big = fmax(big, fabs(a[i]))
    if big == 0 or not isfinite(big):
        return big
    total = 0
    for i in range(a.shape[0]):
        total += (a[i] / big) * (a[i] / big)
    return big * sqrt(total)


def length(const double[::1] a):
    """Return the Euclidean norm of a vector, safe from overflow and underflow; NaN where an element is."""
    return norm_of(a)


cdef class Differences:
    """Difference quotients of a residual function, forward or centred, inside bounds.

    Parameters
    ----------
    fun : callable
        ``fun(x) -> ndarray, shape (n,)``, contiguous float64, a new array at each call; it may hold NaN where it can't be evaluated.
    lower, upper : ndarray, shape (p,)
        Bounds that no evaluation may cross.
    precision : float
        Relative precision of the residual.
    unit : float
        What the residual was divided by: a parameter at zero is first taken to be of the residual's own size.

    Attributes
    ----------
    norms : ndarray, shape (p,)
        Lengths of the columns of the last Jacobian, 0 before the first.
    lengths : ndarray, shape (p,)
        On what length of each parameter its column changes by itself, as the last centred differences saw it; NaN where unknown.
    bends : ndarray, shape (p,)
        ``r . d2r/dx_j^2`` as the last centred differences saw it.
    """

    cdef readonly object fun, norms, lengths, bends
    cdef readonly double precision, unit
    cdef const double[::1] low, high
    cdef readonly object lower, upper
    cdef double[::1] d, L, bend
    cdef Py_ssize_t p

    def __init__(self, fun, lower, upper, double precision=EPS, double unit=1.):
        self.fun, self.precision, self.unit = fun, precision, unit
        self.lower, self.upper = lower, upper
        self.low, self.high = lower, upper
        self.p = lower.shape[0]
        self.norms, self.lengths, self.bends = np.zeros(self.p), np.full(self.p, NAN), np.zeros(self.p)
        self.d, self.L, self.bend = self.norms, self.lengths, self.bends

    def forward(self, const double[::1] x, const double[::1] r):
        """Return the Jacobian at x by forward differences, p evaluations.

        Parameters
        ----------
        x : ndarray, shape (p,)
        r : ndarray, shape (n,)
            The residual at x.

        Returns
        -------
        ndarray, shape (n, p)
            A column that can't be evaluated is zero.
        """
        columns = np.empty((self.p, r.shape[0]))
        cdef double[:, ::1] J = columns
        cdef double size = self._size(x, r)
        cdef double norm = norm_of(r)
        cdef Py_ssize_t j
        trial = np.array(x)
        for j in range(self.p):
            self._forward_column(J[j], j, trial, x, r, self._step(j, x, norm, size, False), size)
        self._measure(J)
        return columns.T

    def central(self, const double[::1] x, const double[::1] r):
        """Return the Jacobian at x by centred differences, 2p evaluations, more where a column proves curved.

        Parameters and result are those of `forward`.
        """
        columns = np.empty((self.p, r.shape[0]))
        cdef double[:, ::1] J = columns
        cdef double size = self._size(x, r), norm = norm_of(r), step, bent
        cdef Py_ssize_t j
        trial = np.array(x)
        for j in range(self.p):
            step = self._step(j, x, norm, size, True)
            bent = self._central_column(J[j], j, trial, x, r, step)
            if bent > CURVED:
                self._recentre(J[j], j, trial, x, r, step, bent, size)
        self._measure(J)
        return columns.T

    cdef double _size(self, const double[::1] x, const double[::1] r) noexcept:
        """The size Y of what the residual is computed from."""
        cdef double size = norm_of(r)
        cdef Py_ssize_t j
        for j in range(self.p):
            size = fmax(size, self.d[j] * fabs(x[j]))
        return size

    cdef double _step(self, Py_ssize_t j, const double[::1] x, double norm, double size, bint central) noexcept:
        """The step that balances truncation and rounding."""
        cdef double e = self.precision, scale = fabs(x[j]), far, width, step
        if scale == 0:
            scale = norm / self.d[j] if self.d[j] > 0 else 1.
            if not (0 < scale < INFINITY):
                scale = 1.
        width = self.high[j] - self.low[j]
        scale = fmin(scale, width)
        far = scale if isnan(self.L[j]) else fmin(self.L[j], scale)
        if not self.d[j] > 0:
            step = cbrt(e) * scale if central else sqrt(e) * scale
        elif central:
            step = cbrt(3 * e * size / self.d[j]) * cbrt(far) * cbrt(far)
        else:
            step = 2 * sqrt(e * size / self.d[j]) * sqrt(far)
        # what is below a parameter's own rounding, or beyond any local picture of it, is no step
        return fmin(fmax(step, 8 * EPS * fabs(x[j])), 1e-2 * scale)

    cdef int _forward_column(self, double[::1] column, Py_ssize_t j, trial, const double[::1] x, const double[::1] r, double step,
                             double size) except -1:
        """Fill a column with the forward difference; over a wider step where the residual's rounding drowns it."""
        cdef double[::1] at = trial
        cdef const double[::1] value
        cdef double base = x[j], moved = 0, change = INFINITY, own
        cdef Py_ssize_t i, _
        for _ in range(6):
            if base + step > self.high[j] or (base < 0 and base - step >= self.low[j]) or base + step < self.low[j]:
                step = -step
            at[j] = base + step
            moved = at[j] - base
            value = self.fun(trial)
            at[j] = base
            for i in range(column.shape[0]):
                column[i] = value[i] - r[i]
            change = norm_of(column)
            if not change < INFINITY:           # not finite there: look closer, on the other side
                step = -step / 8
            elif self.d[j] == 0 and change < DULL * self.precision * size and (base == 0 or fabs(step) < 1e-3 * fabs(base)):
                # at zero nothing tells the parameter's scale but the residual: it may be an offset
                own = sqrt(self.precision) * size * self.unit
                step = own if base == 0 and fabs(step) < own else 100 * step
            elif self.d[j] == 0 and base == 0 and change > 1e-3 * size and size > 0:
                step *= sqrt(self.precision) * size / change
            else:
                break
        for i in range(column.shape[0]):
            column[i] = column[i] / moved if change < INFINITY else 0.
        return 0

    cdef double _central_column(self, double[::1] column, Py_ssize_t j, trial, const double[::1] x, const double[::1] r,
                                double step) except -1:
        """Fill a column with the centred difference; return by what share its two halves differ.

        Next to a bound, or to where the residual is not finite, the three-point formula on the inner side serves.
        """
        cdef double[::1] at = trial
        cdef const double[::1] ahead, behind
        cdef double base = x[j], up, down, total, second, bend, along
        cdef Py_ssize_t i, _
        for _ in range(4):
            if base + step > self.high[j] or base - step < self.low[j]:
                break
            at[j] = base + step
            up = at[j]
            ahead = self.fun(trial)
            at[j] = base - step
            down = at[j]
            behind = self.fun(trial)
            at[j] = base
            total = bend = along = 0
            for i in range(column.shape[0]):
                column[i] = ahead[i] - behind[i]
                second = ahead[i] + behind[i] - 2 * r[i]
                bend += second * second
                along += second * r[i]
            total = norm_of(column)
            if not total < INFINITY:
                step /= 8
                continue
            for i in range(column.shape[0]):
                column[i] /= up - down
            if total == 0:
                self.L[j], self.bend[j] = NAN, 0
                return 0.
            self.bend[j] = 4 * along / ((up - down) * (up - down))
            self.L[j] = fabs(step) * total / fmax(sqrt(bend), EPS * total)
            return fabs(step) / self.L[j]
        self._inner_column(column, j, trial, x, r, step)
        return 0.

    cdef int _inner_column(self, double[::1] column, Py_ssize_t j, trial, const double[::1] x, const double[::1] r, double step) except -1:
        """Fill a column with the three-point difference on the side where the residual can be evaluated."""
        cdef double[::1] at = trial
        cdef const double[::1] near, far
        cdef double base = x[j], side
        cdef Py_ssize_t i, attempt
        self.L[j], self.bend[j] = NAN, 0
        for attempt in range(4):
            side = step if attempt < 2 else step / 64
            if attempt % 2:
                side = -side
            if base + 2 * side > self.high[j] or base + 2 * side < self.low[j]:
                continue
            at[j] = base + side
            near = self.fun(trial)
            at[j] = base + 2 * side
            far = self.fun(trial)
            at[j] = base
            for i in range(column.shape[0]):
                column[i] = (4 * near[i] - far[i] - 3 * r[i]) / (2 * side)
            if norm_of(column) < INFINITY:
                return 0
        column[:] = 0.
        return 0

    cdef int _recentre(self, double[::1] column, Py_ssize_t j, trial, const double[::1] x, const double[::1] r, double step, double bent,
                       double size) except -1:
        """Take a curved column again with the step its measured length asks for."""
        cdef double reach = self.L[j], bend = self.bend[j], norm = norm_of(column), better
        if not norm > 0:
            return 0
        better = cbrt(3 * self.precision * size / norm) * cbrt(reach) * cbrt(reach)
        if not 8 * EPS * fabs(x[j]) < better < 0.5 * step:
            return 0
        kept = np.array(column)
        if self._central_column(column, j, trial, x, r, better) > bent:     # that was rounding, not curvature
            column[:] = kept
            self.L[j], self.bend[j] = NAN, bend
        return 0

    cdef int _measure(self, double[:, ::1] J) noexcept:
        cdef Py_ssize_t j
        for j in range(self.p):
            self.d[j] = norm_of(J[j])
        return 0
