# The last digits of a fit: QR of a column-scaled Jacobian, its rank, and Gauss-Newton steps repeated while they contract.
#
# The scaled matrix is A = J D^-1 with D = diag(|J_1|, ..., |J_p|), so that neither rank nor steps depend on the units of the parameters.
# The decomposition is that of common/qr.h. Steps solve (R^T R + S) s = -g with g = J^T r; S is the part of chi-square's second derivative
# that J^T J leaves out, sum_i r_i d2r_i, as far as it is known (Dennis, Gay, Welsch, ACM TOMS 7, 348, 1981), or zero. That g is formed
# from J costs nothing here: the iteration corrects itself.
cdef enum:
    SETTLED = 1
    CROSSED = 2

cdef Py_ssize_t TALL = 20000    # elements above which the matrix is reduced first, by blocks of rows ...
cdef int BROAD = 24             # ... or, with more columns, by LAPACK's blocks of columns


cdef extern from "common/qr.h" nogil:
    int gslfit_qr(double **columns, int *order, int count, long n, double tol, double **carried, int carriers)
    void gslfit_solve_upper(double **R, int rank, double *x)
    void gslfit_solve_transposed(double **R, int rank, double *x)
    void gslfit_invert_upper(double **R, int rank, double *inverse, long stride)
    void gslfit_dependence(double **R, int rank, int c, double *z)


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
    lengths : ndarray, shape (p,), optional
        The columns' lengths, where they are known.
    r, slopes : ndarray, shapes (n,) and (p,), optional
        A residual of which J^T r is known, by columns scaled to length one.
    square : ndarray, shape (p, p + 1), optional
        Columns of fewer rows, scaled to length one, with the same products with each other as those of J: they are decomposed in its place.

    Attributes
    ----------
    n, p, rank : int
    norms : ndarray, shape (p,)
        Lengths of the columns of J, 0 for those left out.
    """

    cdef readonly Py_ssize_t n, p
    cdef readonly int rank
    cdef readonly object norms, J
    cdef object known_r, known      # a residual, and its slopes; where they are
    cdef const double *known_at
    cdef const double *known_slopes
    cdef object inverse             # what `factors` returned
    cdef object x, r                # where `contract` ended, and the residual there
    cdef double length              # of that residual
    cdef int count                  # columns that take part
    cdef Py_ssize_t rows            # of R: n, or fewer where LAPACK has been there before
    cdef const double *columns
    cdef double *d
    cdef int *order                 # the columns that take part, by number, the independent ones first
    cdef double *memory             # R, column by column, then H
    cdef double *work               # p numbers
    cdef double **R                 # where columns begin, in their order
    cdef double **H                 # the same of a Cholesky factor of R^T R + S, scaled and pivoted
    cdef bint newton

    def __init__(self, J, double tol=1e-14, held=None, lengths=None, r=None, slopes=None, square=None):
        cdef Py_ssize_t j, c
        if not (type(J) is cnp.ndarray and cnp.PyArray_TYPE(J) == cnp.NPY_DOUBLE and cnp.PyArray_ISFARRAY_RO(J)):
            J = np.asfortranarray(J, dtype=np.float64)
        self.J = J
        self.n, self.p = J.shape
        self.columns = data_of(J)
        self.norms = new_vector(self.p)
        self.d = data_of(self.norms)
        self._free()
        self.order = <int *>PyMem_Malloc((self.p + 1) * sizeof(int))
        self.R = <double **>PyMem_Malloc((2 * self.p + 1) * sizeof(double *))
        if self.order == NULL or self.R == NULL:
            raise MemoryError
        self.count, self.rows = 0, self.n
        for j in range(self.p):
            self.d[j] = 0
            if held is None or not held[j]:
                self.order[self.count] = j
                self.count += 1
        cdef bint tall = self.n * self.count > TALL and self.n > 2 * self.count
        cdef bint by_rows = tall and self.count <= BROAD
        cdef Py_ssize_t room = self.p * (self.p + 1) if square is not None or by_rows else self.n * self.p
        if by_rows:
            room += GSLFIT_TRIANGLE_ROOM
        self.memory = <double *>PyMem_Malloc((room + self.p * self.p + self.p + 1) * sizeof(double))
        if self.memory == NULL:
            raise MemoryError
        self.known_r, self.known, self.inverse = r, slopes, None
        if r is not None:
            self.known_at, self.known_slopes = numbers(r, self.n), numbers(slopes, self.p)
        self._measure(NULL if lengths is None else numbers(lengths, self.p))
        if square is not None:
            self.rows = self.p + 1
            memcpy(self.memory, numbers(square, self.p * self.rows), self.p * self.rows * sizeof(double))
        elif by_rows:
            self._reduce_by_rows()
        else:
            self._scale()
            if tall:
                self._reduce()
        self.H, self.work = self.R + self.p, self.memory + room + self.p * self.p
        for c in range(self.count):
            self.R[c] = self.memory + c * self.rows
        with nogil:
            self.rank = gslfit_qr(self.R, self.order, self.count, self.rows, tol, NULL, 0)
        for c in range(self.rank):
            self.H[c] = self.memory + room + c * self.rank

    def __dealloc__(self):
        self._free()

    cdef void _free(self) noexcept:
        PyMem_Free(self.memory)
        PyMem_Free(self.order)
        PyMem_Free(self.R)

    cdef void _measure(self, const double *lengths) noexcept:
        """Take the lengths of the columns that take part."""
        cdef Py_ssize_t c
        cdef double own
        for c in range(self.count):
            own = lengths[self.order[c]] if lengths != NULL else norm_of(self.columns + self.order[c] * self.n, self.n)
            self.d[self.order[c]] = own if isfinite(own) else 0.

    cdef void _scale(self) noexcept:
        """Fill R with the columns that take part, scaled to length one."""
        cdef Py_ssize_t i, c
        cdef const double *column
        cdef double *to
        cdef double own
        for c in range(self.count):
            column, to, own = self.columns + self.order[c] * self.n, self.memory + c * self.n, self.d[self.order[c]]
            for i in range(self.n):
                to[i] = column[i] / own if own > 0 else 0.

    cdef int _reduce_by_rows(self) except -1:
        """Make a tall, narrow matrix square, reading it once."""
        cdef const double **columns = <const double **>self.R       # where R's columns begin is said later
        cdef Py_ssize_t c
        for c in range(self.count):
            columns[c] = self.columns + self.order[c] * self.n
        cdef cnp.ndarray lengths = new_vector(self.count)
        cdef double *length = data_of(lengths)
        for c in range(self.count):
            length[c] = self.d[self.order[c]]
        with nogil:
            gslfit_current_isa().triangle(columns, length, self.count, self.n, self.memory, self.memory + self.count * self.count)
        self.rows = self.count
        return 0

    cdef int _reduce(self) except -1:
        """Let LAPACK make a tall R square."""
        cdef Py_ssize_t i, c
        cdef cnp.npy_intp[2] shape
        cdef const double[:, :] square
        shape[0], shape[1] = self.count, self.n
        square = np.linalg.qr(cnp.PyArray_SimpleNewFromData(2, shape, cnp.NPY_DOUBLE, self.memory).T, mode="r")
        self.rows = square.shape[0]
        for c in range(self.count):
            for i in range(self.rows):
                self.memory[c * self.rows + i] = square[i, c]
        return 0

    cdef int curve(self, const double *S, const double *u) except -1:
        """Let steps use the second derivatives S, shape (p, p), of parameters in units u, unless they outweigh J^T J in some direction:
        then S is ignored.
        """
        cdef Py_ssize_t a, b, k = self.rank
        cdef double total
        self.newton = False
        for b in range(k):
            for a in range(b + 1):
                total = self._scaled(S, u, a, b) + dot(self.R[a], self.R[b], a + 1) - dot(self.H[a], self.H[b], a)
                if a < b:
                    self.H[b][a] = total / self.H[a][a]
                elif 0.1 < total / (self.R[a][a] * self.R[a][a]) < 10:
                    self.H[b][b] = sqrt(total)
                else:
                    return 0
        self.newton = True
        return 0

    cdef double _scaled(self, const double *S, const double *u, Py_ssize_t a, Py_ssize_t b) noexcept:
        """Return an element of S in scaled parameters, by places."""
        cdef int i = self.order[a], j = self.order[b]
        return S[i * self.p + j] / (self.d[i] * u[i]) / (self.d[j] * u[j])

    cdef double bend(self, const double *S, const double *u) except -1:
        """Return the Frobenius norm of R^-T S R^-1: about the rate at which Gauss-Newton steps converge, were S all that they miss."""
        cdef Py_ssize_t a, b, k = self.rank
        cdef cnp.ndarray work = new_vector(2 * k * k)
        cdef double *M = data_of(work)              # R^-T S, by columns
        cdef double *N = M + k * k                  # its transpose, then R^-T of that
        for b in range(k):
            for a in range(k):
                M[b * k + a] = self._scaled(S, u, a, b)
            gslfit_solve_transposed(self.R, self.rank, M + b * k)
        for a in range(k):
            for b in range(k):
                N[a * k + b] = M[b * k + a]
            gslfit_solve_transposed(self.R, self.rank, N + a * k)
        return sqrt(dot(N, N, k * k))

    def step(self, r):
        """Return the s that minimises ``|J s + r|``, zero in columns left out or linearly dependent."""
        cdef cnp.ndarray out = new_vector(self.p), g = new_vector(self.p)
        self._slopes(numbers(r, self.n), data_of(g))
        self._solve(data_of(g), data_of(out), False)
        return out

    cdef double effect(self, const double *s) noexcept:
        """Return the length of J s by the triangle, for an s that is zero in columns left out."""
        cdef Py_ssize_t i, c
        for i in range(self.rank):
            self.work[i] = 0
            for c in range(i, self.count):
                self.work[i] += self.R[c][i] * self.d[self.order[c]] * s[self.order[c]]
        return norm_of(self.work, self.rank)

    cdef void _slopes(self, const double *r, double *g) noexcept nogil:
        """Write the gradient J^T r in scaled parameters."""
        cdef Py_ssize_t j
        if self.known_slopes != NULL and r == self.known_at:
            for j in range(self.p):
                g[j] = self.known_slopes[j] if self.d[j] > 0 else 0.
            return
        products_of(self.columns, self.p, r, self.n, g)
        for j in range(self.p):
            g[j] = slope_of(self.columns + j * self.n, self.d[j], r, self.n, g[j])

    cdef cnp.ndarray updated(self, const double *products, double missed, const double *share, const double *lengths):
        """Return p columns of p + 1 numbers whose triangle is that of (J + u share^T), its columns scaled to length one; None where J's own
        columns are not all independent or the numbers are out of range.

        J = Q R and u = Q q + v, where q = R^-T J^T u and v is at right angles to all columns: the new columns are those of
        [Q, v/|v|] [R + q share^T; |v| share^T].

        Parameters
        ----------
        products : p numbers
            J^T u.
        missed : float
            u.u
        share, lengths : p numbers each
            Lengths are those of the new columns.
        """
        cdef cnp.ndarray out = new_vector(self.p * (self.p + 1)), along = new_vector(self.p)
        cdef double *q = data_of(along)
        cdef double *to
        cdef double left
        cdef Py_ssize_t i, j, c
        if self.rank < self.p:
            return None
        for c in range(self.p):
            q[c] = products[self.order[c]] / self.d[self.order[c]]
        gslfit_solve_transposed(self.R, self.rank, q)
        left = sqrt(fmax(0, missed - dot(q, q, self.p)))
        for c in range(self.p):
            j = self.order[c]
            to = data_of(out) + j * (self.p + 1)
            for i in range(self.p):
                to[i] = ((self.R[c][i] * self.d[j] if i <= c else 0.) + q[i] * share[j]) / lengths[j]
            to[self.p] = left * share[j] / lengths[j]
        return out if isfinite(dot(data_of(out), data_of(out), self.p * (self.p + 1))) else None

    cdef int _keep(self, object r, const double *g) except -1:
        """Remember the slopes of a residual, that of the point where `contract` is."""
        cdef cnp.ndarray slopes = new_vector(self.p)
        memcpy(data_of(slopes), g, self.p * sizeof(double))
        self.known_r, self.known = r, slopes
        self.known_at, self.known_slopes = data_of(r), data_of(slopes)
        return 0

    cdef void _solve(self, const double *g, double *s, bint newton) noexcept nogil:
        """Solve for a step by the pivoted triangle, or by that of R^T R + S; g is in scaled parameters."""
        cdef double **T = self.H if newton and self.newton else self.R
        cdef Py_ssize_t i, j
        for i in range(self.rank):
            self.work[i] = -g[self.order[i]]
        gslfit_solve_transposed(T, self.rank, self.work)
        gslfit_solve_upper(T, self.rank, self.work)
        for j in range(self.p):
            s[j] = 0
        for i in range(self.rank):
            s[self.order[i]] = self.work[i] / self.d[self.order[i]]

    cdef int contract(self, fun, x0, r0, double norm, const double *S, const double *u, const double *low, const double *high,
                      double digits, double share, double error, double precision, double ratio, double told, double blurred) except -1:
        """Repeat steps from x0, where J was taken, while they contract; leave the best point, its residual and the length of that in
        `x`, `r` and `length`.

        Parameters
        ----------
        fun : callable
            ``fun(x) -> ndarray, shape (n,)``.
        x0 : ndarray, shape (p,)
            Where J was taken.
        r0 : ndarray, shape (n,)
            The residual there.
        norm : float
            The residual's length.
        S : p * p numbers
            Known second derivatives, ...
        u : p numbers
            ... of parameters in these units.
        low, high : p numbers each
            Bounds.
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
        told : float
            A step that ends it changes the residual by this share of its length at most.
        blurred : float
            The same of the residual's length itself, of a step that does not get shorter.

        Returns
        -------
        int
            SETTLED where it is a minimum as far as J tells; CROSSED where a bound was reached, so that the columns to be held may have
            changed; else 0.
        """
        cdef const double *begin = numbers(x0, self.p)
        cdef const double *at = begin
        cdef const double *value = numbers(r0, self.n)
        cdef cnp.ndarray work = new_vector(3 * self.p)
        cdef double *g = data_of(work)
        cdef double *s = g + self.p
        cdef double *moved = s + self.p
        cdef double *new
        cdef double before = INFINITY, size, noise, model, trial_norm
        cdef Py_ssize_t i, j, _
        cdef bint crossed
        memset(moved, 0, self.p * sizeof(double))
        self.x, self.r, self.length = x0, r0, norm
        for _ in range(60):
            self._slopes(value, g)
            self._keep(self.r, g)
            if self.newton:
                for i in range(self.p):
                    for j in range(self.p):
                        if self.d[i] > 0 and self.d[j] > 0:
                            g[i] += S[i * self.p + j] / (self.d[i] * u[i]) * (moved[j] / u[j])
            self._solve(g, s, True)
            size = relative_size(s, at, self.d, norm, self.p)
            model = norm
            for j in range(self.p):
                model = fmax(model, self.d[j] * fabs(at[j]))
            noise = 32 * precision * model + error * norm
            if 0 < size <= share * relative_size(moved, at, self.d, norm, self.p):
                return SETTLED
            if size <= digits and self.effect(s) <= fmax(noise, told * norm):
                return SETTLED
            if size > ratio * before:
                return SETTLED if self.effect(s) <= fmax(noise, blurred) else 0
            trial = new_vector(self.p)
            new = data_of(trial)
            crossed = False
            for j in range(self.p):
                new[j] = at[j] + s[j]
                if new[j] < low[j] or new[j] > high[j]:
                    new[j] = fmin(fmax(new[j], low[j]), high[j])
                    crossed = True
            out = fun(trial)
            value = numbers(out, self.n)
            trial_norm = norm_of(value, self.n)
            if crossed and not self.newton and not trial_norm <= norm + fmin(noise, norm):
                trial = self._up_to_bounds(at, s, low, high)    # the others' parts were for one that goes on
                new = data_of(trial)
                out = fun(trial)
                value = numbers(out, self.n)
                trial_norm = norm_of(value, self.n)
            if not trial_norm <= norm + fmin(noise, norm):      # NaN counts as worse
                if not self.newton:
                    return SETTLED if self.effect(s) <= (fmax(noise, blurred) if trial_norm <= norm + noise else blurred) else 0
                self.newton = False
                value = data_of(self.r)
                continue
            self.x, self.r, self.length, at, norm, before = trial, out, trial_norm, new, trial_norm, size
            if crossed:
                return CROSSED
            for j in range(self.p):
                moved[j] = at[j] - begin[j]
        return 0

    cdef cnp.ndarray _up_to_bounds(self, const double *at, const double *s, const double *low, const double *high):
        """Return where a step that leads across bounds reaches the first of them."""
        cdef cnp.ndarray out = new_vector(self.p)
        cdef double share = 1, own
        cdef Py_ssize_t j
        for j in range(self.p):
            own = high[j] - at[j] if s[j] > 0 else low[j] - at[j]
            if fabs(s[j]) > fabs(own):
                share = fmin(share, own / s[j])
        for j in range(self.p):
            own = high[j] - at[j] if s[j] > 0 else low[j] - at[j]
            data_of(out)[j] = at[j] + share * s[j]
            if fabs(s[j]) > fabs(own) and own / s[j] <= share:
                data_of(out)[j] = high[j] if s[j] > 0 else low[j]
            data_of(out)[j] = fmin(fmax(data_of(out)[j], low[j]), high[j])
        return out

    cpdef double least(self):
        """Return the size of R's last independent diagonal element: about the smallest singular value of the scaled Jacobian."""
        return fabs(self.R[self.rank - 1][self.rank - 1]) if self.rank else 0.

    def factors(self):
        """Return ``W``, shape (p, rank), with ``(J^T J)^-1 = W W^T`` over the independent columns, in units of D^-1.

        In the parameters' own units it is ``(W W^T)_ij / (norms_i norms_j)``; that is left to the caller so that neither very large nor
        very small units overflow. It is made once: not to be written into.
        """
        cdef Py_ssize_t i, c, k = self.rank
        if self.inverse is not None:
            return self.inverse
        inverse, out = zeros(k, k, False), zeros(self.p, k, False)
        gslfit_invert_upper(self.R, self.rank, data_of(inverse), k)
        for i in range(k):
            for c in range(i, k):
                data_of(out)[self.order[i] * k + c] = data_of(inverse)[i * k + c]
        self.inverse = out
        return out

    def undetermined(self, double share=1e-3):
        """Return the sorted indices of the columns that take part in a linear dependence.

        A column without effect stands alone; of columns that only act together all are named.
        """
        cdef Py_ssize_t i, c
        if self.rank == self.count:
            return []
        found = set()
        for c in range(self.rank, self.count):
            found.add(self.order[c])
            gslfit_dependence(self.R, self.rank, c, self.work)
            for i in range(self.rank):
                if fabs(self.work[i]) > share:
                    found.add(self.order[i])
        return sorted(found)

    def cosines(self, r):
        """Return ``|J_j . r| / (|J_j| |r|)``, shape (p,): the gradient free of scale, 0 for a column left out or without effect."""
        cdef const double *value = numbers(r, self.n)
        cdef cnp.ndarray out = new_vector(self.p)
        cdef double *g = data_of(out)
        cdef double norm = norm_of(value, self.n)
        cdef Py_ssize_t j
        self._slopes(value, g)
        for j in range(self.p):
            g[j] = fabs(g[j]) / norm if norm > 0 else 0.
        return out


cdef int secant(double *S, const double *s, const double *want, const double *dg, Py_ssize_t p) except -1:
    """Update S in place so that S step = y: Dennis, Gay and Welsch's update, sized.

    Parameters
    ----------
    S : p * p numbers
        Symmetric.
    s : p numbers
        The step from the last Jacobian's point to the new one's.
    want : p numbers
        y, ``(J_new - J_last)^T r_new``.
    dg : p numbers
        The gradient's change, ``J_new^T r_new - J_last^T r_last``.
    """
    cdef Py_ssize_t i, j
    cdef double along = 0, wanted = 0, has = 0, size, left, total
    cdef cnp.ndarray work = new_vector(p)
    cdef double *miss = data_of(work)
    for i in range(p):
        along += s[i] * dg[i]
        wanted += s[i] * want[i]
        for j in range(p):
            has += s[i] * S[i * p + j] * s[j]
    if not along > 0:
        return 0
    size = fmin(1., fabs(wanted) / fabs(has)) if has != 0 else 1.
    left = 0
    for i in range(p):
        total = 0
        for j in range(p):
            S[i * p + j] *= size
            total += S[i * p + j] * s[j]
        miss[i] = want[i] - total
        left += s[i] * miss[i]
    for i in range(p):
        for j in range(p):
            S[i * p + j] += (miss[i] * dg[j] + dg[i] * miss[j]) / along - left * dg[i] * dg[j] / (along * along)
    return 0
