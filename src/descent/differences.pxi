# Numerical Jacobians of a residual, with steps chosen per parameter.
#
# A difference over a step h errs by truncation, which grows with h over the length L on which the derivative changes, and by the
# residual's own rounding, which grows as 1/h.  With e the relative precision of the residual, Y the size of what it is
# computed from and d the length of the column, the steps that balance the two are (Gill, Murray, Wright, Practical Optimization,
# section 8.6)
#
#     forward   h = 2 sqrt(e Y L / d)         centred   h = (3 e Y L^2 / d)^(1/3)
#
# Where columns are nearly dependent this error, (e Y / d L)^(2/3) of a centred column, is more than a minimum may be off. Then the centred
# differences over h and 2h together, (4 C(h) - C(2h))/3, err by the fourth power of h, and h = L (e Y / d L)^(1/5) leaves the power 4/5.
#
# Y is taken as the largest of |r| and d_j |x_j|; L as |x_j| until a centred difference has measured it: the second difference
# comes with the two values of the first.
cdef extern from "Python.h":
    Py_ssize_t Py_REFCNT(object o)

cdef extern from "descent/quotients.h" nogil:
    double gslfit_forward(const double *value, const double *r, double width, long n, double *column, double *slope)
    double gslfit_central(const double *ahead, const double *behind, const double *r, double width, long n, double *column, double *slope,
                          double *bend, double *along)
    double gslfit_change(const double *now, const double *old, long n)

cdef extern from "program/isa.h" nogil:
    ctypedef struct broyden:
        const double *J
        const double *r
        const double *before
        const double *step
        const double *share
        double *updated
        int p
    ctypedef struct isa:
        double (*forward)(const double *value, const double *r, double width, long n, double *column, double *slope) noexcept nogil
        double (*central)(const double *ahead, const double *behind, const double *r, double width, long n, double *column, double *slope,
                          double *bend, double *along) noexcept nogil
        void (*products)(const double *columns, int count, const double *r, long n, double *sums) noexcept nogil
        void (*triangle)(const double **columns, const double *lengths, int count, long n, double *R, double *work) noexcept nogil
        void (*update)(const broyden *, long n, double *sums) noexcept nogil
    enum:
        GSLFIT_TRIANGLE_ROOM
    const isa *gslfit_current_isa()

cdef Py_ssize_t LONG = 4096                  # numbers from which on a column is worth the widest vectors that the processor has
cdef double EPS = 2.220446049250313e-16
cdef double SINGLE = 2.0 ** -23              # that of float32
cdef double CURVED = 2e-5    # a centred difference whose halves differ by more than this share is taken again with its own length
cdef double LOST = 1e-6      # a parameter smaller than this share of what changes the residual by its own length is next to zero
cdef double FAR_OUT = 1e-3   # of where its column was measured: a parameter nearer to 0 that had no effect there may have one
cdef int TRIALS = 20         # steps by which the first column of a parameter is looked for, as far as numbers go
cdef double DULL = 1e3       # a column must stand above the residual's rounding by this factor, or its first step grows
cdef double ALIKE = 0.1      # share by which a faint column may differ from the same over twice the step and be believed
cdef double NOISY = 1e-4     # such a difference that matters
cdef double NOISE = 4.       # times that difference by which it may differ from the same over a wide step, which is then taken instead
# share by which a column over half of a wide step differs from that over all of it where it leads over an edge, or is but what bends: of
# x**4 next to 0 it is a quarter
cdef double EDGE = 0.7
cdef Py_ssize_t WORTH_KEEPING = 100_000      # numbers of a Jacobian whose memory is used again: the system clears new memory first
cdef double TERM = 1e9       # lengths on which a column changes; see `term`
cdef double ASTRIDE = 0.5    # a centred difference whose halves differ by more than this share leads over what it is to tell, if ...
cdef double SEEN = 1e-3      # ... they differ by this share of the residual, or a forward one changes it by as much
cdef double WALL = 1e-6      # of one half of a centred difference, the other one and the residual: that side is beyond a wall (an overflow)
cdef double WIDEST = 1e-2    # of a parameter's scale, the largest step
cdef double BETTER = 30.     # times its error that a centred column differs at most from a finer one


cdef double quantum(const double *r, Py_ssize_t n) noexcept:
    """Return what all numbers are whole multiples of, the greatest power of 2."""
    cdef double least = INFINITY, share
    cdef long long whole
    cdef Py_ssize_t i
    cdef int order = 0
    for i in range(n):
        share = frexp(fabs(r[i]), &order)
        if 0 < share < INFINITY:
            whole = <long long>ldexp(share, 53)
            least = fmin(least, ldexp(<double>(whole & -whole), order - 53))
    return least


cdef void products_of(const double *columns, Py_ssize_t count, const double *r, Py_ssize_t n, double *out) noexcept nogil:
    """Write the scalar products of columns, one after the other, with a residual."""
    cdef Py_ssize_t j
    if n >= LONG:
        gslfit_current_isa().products(columns, count, r, n, out)
        return
    for j in range(count):
        out[j] = dot(columns + j * n, r, n)


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
    norms, gradient : ndarray, shape (p,)
        Lengths of the columns of the last Jacobian, 0 before the first, and J^T r.
    lengths : ndarray, shape (p,)
        On what length of each parameter its column changes by itself, as the last centred differences saw it; NaN where unknown.
    bends : ndarray, shape (p,)
        ``r . d2r/dx_j^2`` as the last centred differences saw it, of a parameter in its unit of `u`.
    first : float
        The size of what the residual was computed from at the first Jacobian, 0 before.
    steps : ndarray, shape (p,)
        Those of the last forward differences; infinite where rounding asked for a wider one.

    Notes
    -----
    The size seen last says how large the residual's rounding is, unless chi-square goes to zero where parameters are zero: there the data
    may be what is rounded, and only the first Jacobian knows how large they are. So a change of the residual that may be lost in the
    rounding of its first size is looked at again over twice the step, believed where both agree, and else taken over a step that is wide
    enough.
    """

    cdef readonly object fun, norms, lengths, bends, steps, gradient
    cdef public bint fine           # centred columns are taken again by differences of the fourth order
    cdef bint agreed                # those of the last Jacobian have been, all of them
    cdef object own                 # room for the numbers that nobody is shown: u, scale and place
    cdef double *u                  # powers of 2, about what changes the residual by 1: second derivatives in them are in range
    cdef readonly double precision, unit, first
    cdef readonly object lower, upper
    cdef double *scale              # of each parameter at the first Jacobian
    cdef double *place              # of each parameter when its column was measured: its size
    cdef double taken               # the step of the last forward difference
    cdef double second              # the length of the second differences of the last centred one
    cdef double length, slope       # of the column filled last, and its product with r; the length NaN where they are still to be found
    cdef double *g
    cdef list rooms                 # of the last Jacobians, while somebody holds them and after
    cdef double *low
    cdef double *high
    cdef double *d
    cdef double *L
    cdef double *bend
    cdef Py_ssize_t n, p

    def __init__(self, fun, lower, upper, double precision=EPS, double unit=1.):
        self.fun, self.precision, self.unit = fun, precision, unit
        self.p = lower.shape[0]
        self.lower, self.upper = lower, upper
        self.low, self.high = numbers(lower, self.p), numbers(upper, self.p)
        self.norms, self.lengths, self.bends = new_vector(self.p), new_vector(self.p), new_vector(self.p)
        self.steps, self.gradient, self.own = new_vector(self.p), new_vector(self.p), new_vector(3 * self.p)
        self.g, self.u, self.rooms = data_of(self.gradient), data_of(self.own), []
        self.d, self.L, self.bend = data_of(self.norms), data_of(self.lengths), data_of(self.bends)
        self.scale, self.place = self.u + self.p, self.u + 2 * self.p
        cdef Py_ssize_t j
        for j in range(self.p):
            self.d[j], self.L[j], self.bend[j], self.scale[j], self.place[j], self.u[j] = 0, NAN, 0, 0, 0, 1

    cdef int take_units(self, const double *norms) except -1:
        """Take the units of second derivatives from the lengths of the first Jacobian's columns."""
        cdef Py_ssize_t j
        cdef int power
        for j in range(self.p):
            if 0 < norms[j] < INFINITY:
                frexp(norms[j], &power)
                self.u[j] = ldexp(1., max(-1000, min(-power, 1000)))
                self.bend[j] *= self.u[j] * self.u[j]

    cdef int find_precision(self, r, double size) except -1:
        """Take a residual for one in double precision where its last digits are those of double numbers of the model's size.

        The difference of two numbers of 1e9 has as few digits as one in single precision, and looks like it.
        """
        cdef Py_ssize_t n = len(r)
        if self.precision == SINGLE and quantum(numbers(r, n), n) <= 4 * EPS * size / sqrt(n):
            self.precision = EPS
        return 0

    cpdef forward(self, x, r, double norm=NAN):
        """Return the Jacobian at x by forward differences, p evaluations.

        Parameters
        ----------
        x : ndarray, shape (p,)
        r : ndarray, shape (n,)
            The residual at x.
        norm : float, optional
            Its length, where it is known.

        Returns
        -------
        ndarray, shape (n, p)
            A column that can't be evaluated is zero.
        """
        cdef const double *at = numbers(x, self.p)
        cdef const double *value = self._values(r)
        cdef double size
        cdef Py_ssize_t j
        if isnan(norm):
            norm = norm_of(value, self.n)
        size = self._size(at, norm)
        columns, trial = self.room_for(self.n), cnp.PyArray_NewCopy(x, cnp.NPY_CORDER)
        for j in range(self.p):
            self._forward_column(data_of(columns) + j * self.n, j, trial, at, value, self._step(j, at, norm, size, False), size)
            self._measure(data_of(columns) + j * self.n, j, at, value)
        self._scale(at, norm)
        return cnp.PyArray_Transpose(columns, NULL)

    cpdef central(self, x, r, double norm=NAN):
        """Return the Jacobian at x by centred differences, 2p evaluations, more where a column proves curved.

        Parameters and result are those of `forward`.
        """
        cdef const double *at = numbers(x, self.p)
        cdef const double *value = self._values(r)
        cdef double size, step, bent, told
        cdef double *column
        cdef Py_ssize_t j
        if isnan(norm):
            norm = norm_of(value, self.n)
        size = self._size(at, norm)
        told = DULL * self.precision * fmax(size, self.first)
        columns, trial = self.room_for(self.n), cnp.PyArray_NewCopy(x, cnp.NPY_CORDER)
        self.agreed = self.fine
        for j in range(self.p):
            column = data_of(columns) + j * self.n
            step = self._step(j, at, norm, size, True)
            bent = self._central_column(column, j, trial, at, value, step)
            while bent > ASTRIDE and self.second > fmax(SEEN * norm, told) and 16 * EPS < fabs(step / at[j]) <= self._widest(j, at):
                step = fmax(step / 64, 8 * EPS * fabs(at[j]))
                bent = self._central_column(column, j, trial, at, value, step)
            if not self._widen_centred(column, j, trial, at, value, step) and bent > CURVED:
                self._recentre(column, j, trial, at, value, step, bent, size)
            if self.fine:
                self.agreed = self._refine(column, j, trial, at, size) and self.agreed
            self._measure(column, j, at, value)
        self._scale(at, norm)
        return cnp.PyArray_Transpose(columns, NULL)

    cdef const double *_values(self, object r) except NULL:
        """Take the number of residuals, and return where they are."""
        self.n = len(r)
        return numbers(r, self.n)

    cdef cnp.ndarray room_for(self, Py_ssize_t n):
        """Return room for a Jacobian of n rows, its columns one after the other: that of an earlier one which nobody else holds."""
        cdef cnp.npy_intp[2] shape
        cdef cnp.ndarray columns
        for columns in self.rooms:
            if Py_REFCNT(columns) == 2 and cnp.PyArray_DIM(columns, 1) == n:       # by the list, and here
                return columns
        shape[0], shape[1] = self.p, n
        columns = cnp.PyArray_EMPTY(2, shape, cnp.NPY_DOUBLE, 0)
        if self.p * n > WORTH_KEEPING:
            self.rooms = [*self.rooms[-1:], columns]
        return columns

    cdef double _size(self, const double *x, double norm) noexcept:
        """Return the size Y of what the residual, of a length, is computed from."""
        cdef double size = norm
        cdef Py_ssize_t j
        for j in range(self.p):
            size = fmax(size, self.d[j] * self.term(j, x[j]))
        return size

    cdef double term(self, Py_ssize_t j, double x) noexcept:
        """Return the size of a parameter, times which its column is a term of the residual: no more than so many lengths on which the
        column changes, since nobody adds up what bends within a billionth of itself (it is taken from an x of its size)."""
        return fmin(fabs(x), TERM * self.L[j]) if self.L[j] == self.L[j] else fabs(x)

    cdef double _step(self, Py_ssize_t j, const double *x, double norm, double size, bint central) noexcept:
        """Return the step that balances truncation and rounding."""
        cdef double e = self.precision, scale = fabs(x[j]), reach, far, width, step
        if scale < FAR_OUT * self.place[j] and 0 < self.d[j] * self.place[j] < LOST * norm:
            self.d[j], self.L[j] = 0, NAN       # it was measured far out, on a plain, and says nothing here
        reach = norm / self.d[j] if self.d[j] > 0 else 1.
        if not 0 < reach < INFINITY:
            reach = 1.
        if scale == 0:
            scale = reach
        elif scale < LOST * reach and self.d[j] > 0:
            scale = LOST * reach        # next to zero the parameter's size is not its scale
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
        return fmin(fmax(step, 8 * EPS * fabs(x[j])), WIDEST * scale)

    cdef double _widest(self, Py_ssize_t j, const double *x) noexcept:
        """Return the widest step, by the parameter, that is too wide where it leads over what it is to tell: any, but next to zero."""
        return INFINITY if fabs(x[j]) > FAR_OUT * self.scale[j] > 0 else WIDEST

    cdef double _wider(self, Py_ssize_t j, const double *x, double step, double change) noexcept:
        """Return a wider step for a change that is lost in the rounding of what the residual was computed from first, 0 for others."""
        cdef double seen = DULL * self.precision * self.first, widest
        if not change < seen:
            return 0
        widest = fmin(WIDEST * fmax(self.scale[j], fabs(x[j])), 0.25 * (self.high[j] - self.low[j]))
        step = fabs(step)
        if not step < 0.5 * widest:
            return 0
        return fmin(widest, 10 * step * seen / change) if change > 0 else widest

    cdef int _forward_column(self, double *column, Py_ssize_t j, trial, const double *x, const double *r, double step,
                             double size) except -1:
        """Fill a column with the forward difference; over a wider step where the residual's rounding drowns it."""
        cdef double change = self._ahead(column, j, trial, x, r, step, size), wider
        cdef cnp.ndarray kept, wide
        if self.d[j] == 0 and SEEN * size < change < INFINITY and fabs(self.taken) <= WIDEST * fabs(x[j]):
            change = self._shorten(column, j, trial, x, r, change, size)
        wider = self._wider(j, x, self.taken, change)
        data_of(self.steps)[j] = INFINITY if wider > 0 else fabs(self.taken)
        if wider > 0:
            kept, step = copied(column, self.n), self.taken
            if change > 0 and (self._ahead(column, j, trial, x, r, 2 * fabs(step), size) == INFINITY
                               or self._unlike(data_of(kept), column) <= ALIKE):
                self._keep(column, kept)
                return 0
            change = self._ahead(column, j, trial, x, r, wider, size)
            if not 0 < change < INFINITY:
                self._keep(column, kept)
            elif change > DULL * self.precision * self.first:
                wide = copied(column, self.n)
                self._ahead(column, j, trial, x, r, 0.5 * self.taken, size)
                self._keep(column, kept if self._unlike(column, data_of(wide)) > EDGE else wide)
        return 0

    cdef double _shorten(self, double *column, Py_ssize_t j, trial, const double *x, const double *r, double change,
                         double size) except -1:
        """Shorten a parameter's first step for as long as the residual doesn't change in proportion to it: the parameter's size says
        nothing of its scale (a centre a million widths from 0). Fill the column, and return the change over the step.
        """
        cdef double whole = fabs(self.taken), first = whole, shorter, less
        cdef cnp.ndarray kept = copied(column, self.n)
        while True:
            shorter = fmax(whole / 64, 8 * EPS * fabs(x[j]))
            if not shorter < 0.5 * whole:
                return change
            less = self._ahead(column, j, trial, x, r, shorter, size)
            if not less < INFINITY or (whole == first and less <= 2 * change * shorter / whole):
                self._keep(column, kept)
                self.taken = whole
                return change
            if less <= 2 * change * shorter / whole:
                self.L[j] = whole
                return less
            whole, change = shorter, less
            kept = copied(column, self.n)

    cdef void _keep(self, double *column, cnp.ndarray kept) noexcept:
        """Take a column that was taken before."""
        memcpy(column, data_of(kept), self.n * sizeof(double))
        self.length = NAN

    cdef double _unlike(self, const double *faint, const double *wide) noexcept:
        """Return by what share of its length a faint column differs from what a wider step sees: rounding differs by all of it."""
        cdef double square = 0, norm = norm_of(wide, self.n)
        cdef Py_ssize_t i
        if not 0 < norm < INFINITY:
            return INFINITY
        for i in range(self.n):
            square += (faint[i] - wide[i]) / norm * ((faint[i] - wide[i]) / norm)
        return sqrt(square)

    cdef int _widen_centred(self, double *column, Py_ssize_t j, trial, const double *x, const double *r, double step) except -1:
        """Take a centred column again over a wider step where rounding drowns it; return whether it was looked at."""
        cdef double length = self.L[j], bend = self.bend[j], noise, wider
        cdef cnp.ndarray kept, wide
        wider = self._wider(j, x, step, 2 * step * norm_of(column, self.n))
        if not wider > 0:
            return 0
        kept = copied(column, self.n)
        self._central_column(column, j, trial, x, r, 2 * step)
        noise = self._unlike(data_of(kept), column)
        if noise <= ALIKE:
            if noise > NOISY:
                self._central_column(column, j, trial, x, r, wider)
            if not noise > NOISY or self._unlike(data_of(kept), column) > NOISE * noise:
                self._keep(column, kept)
                self.L[j], self.bend[j] = length, bend
            return 1
        self._central_column(column, j, trial, x, r, wider)
        if norm_of(column, self.n) == 0:
            self._keep(column, kept)
        elif 2 * wider * norm_of(column, self.n) > DULL * self.precision * self.first:
            wide, length, bend = copied(column, self.n), self.L[j], self.bend[j]
            self._central_column(column, j, trial, x, r, 0.5 * wider)
            self._keep(column, kept if self._unlike(column, data_of(wide)) > EDGE else wide)
            self.L[j], self.bend[j] = length, bend
        return 1

    cdef double _inside(self, Py_ssize_t j, double base, double step) noexcept:
        """Return a step that stays within bounds: the other way where there is no room, and shorter where there is none there either."""
        cdef double above = self.high[j] - base, below = base - self.low[j], length = fabs(step)
        if (step > 0 and base + step <= self.high[j]) or (step < 0 and base + step >= self.low[j]):
            return step
        if (step > 0 and base - step >= self.low[j]) or (step < 0 and base - step <= self.high[j]):
            return -step
        return fmin(length, 0.5 * above) if above >= below else -fmin(length, 0.5 * below)

    cdef double _ahead(self, double *column, Py_ssize_t j, trial, const double *x, const double *r, double step, double size) except -1:
        """Fill a column with a forward difference and return the change of the residual over its step, which is left in `taken`."""
        cdef double *at = data_of(trial)
        cdef const double *value
        cdef double base = x[j], moved = 0, wanted, change = INFINITY, own = sqrt(self.precision) * size * self.unit
        cdef Py_ssize_t attempt
        if base < 0 and base - step >= self.low[j]:
            step = -step                        # away from zero
        for attempt in range(8 if self.first > 0 else TRIALS):
            wanted, step = step, self._inside(j, base, step)
            at[j] = base + step
            moved = at[j] - base
            out = self.fun(trial)
            value = numbers(out, self.n)
            at[j] = base
            if self.n < LONG or not isfinite(1 / moved):
                change = gslfit_forward(value, r, moved, self.n, column, &self.slope)
            else:
                change = gslfit_current_isa().forward(value, r, moved, self.n, column, &self.slope)
            self.length = change / fabs(moved)
            if change < INFINITY and fabs(step) < fabs(wanted):
                break                           # as far as the bounds let it
            if not change < INFINITY:           # not finite there: look closer, on the other side
                step = -step / 8
            elif (self.d[j] == 0 and change < DULL * self.precision * size
                  and (base == 0 or fabs(step) < fmax(own, 1e-3 * fabs(base)))):
                # next to zero nothing tells the parameter's scale but the residual: it may be an offset
                step = own if 1e-3 * fabs(base) <= fabs(step) < own else step * (100 if attempt < 3 else 1e6 if attempt < 7 else 1e30)
            elif self.d[j] == 0 and base == 0 and change > 1e-3 * size and size > 0:
                step *= sqrt(self.precision) * size / change
            elif self.d[j] == 0 and fabs(step) > fabs(base) > 0 and change > 1e-3 * size:
                step, own = 1e-2 * fabs(base), 0        # it is none: so far off the model is another one
            else:
                break
        if not (change < INFINITY and moved != 0):
            memset(column, 0, self.n * sizeof(double))
            self.length = NAN
        self.taken = moved
        return change

    cdef double _central_column(self, double *column, Py_ssize_t j, trial, const double *x, const double *r,
                                double step) except -1:
        """Fill a column with the centred difference; return by what share its two halves differ.

        Next to a bound, to where the residual is not finite, or to a wall, the three-point formula on the inner side serves.
        """
        cdef const double *ahead
        cdef const double *behind
        cdef double base = x[j], width, total, bend = 0, along = 0, rise, fall
        cdef Py_ssize_t _
        for _ in range(4):
            if base + step > self.high[j] or base - step < self.low[j]:
                break
            out, other, width = self._both_sides(j, trial, base, step)
            ahead, behind = numbers(out, self.n), numbers(other, self.n)
            if self.n < LONG or not isfinite(1 / width):
                total = gslfit_central(ahead, behind, r, width, self.n, column, &self.slope, &bend, &along)
            else:
                total = gslfit_current_isa().central(ahead, behind, r, width, self.n, column, &self.slope, &bend, &along)
            self.length = total / fabs(width)
            if not total < INFINITY:
                step /= 8
                continue
            self.second = sqrt(bend)
            if total == 0:
                self.L[j], self.bend[j] = NAN, 0
                return INFINITY if bend > 0 else 0.
            self.bend[j] = 4 * along / ((width / self.u[j]) * (width / self.u[j]))
            self.L[j] = fabs(step) * total / fmax(self.second, EPS * total)
            if self.second > ASTRIDE * total:
                rise, fall = gslfit_change(ahead, r, self.n), gslfit_change(behind, r, self.n)
                if not fmin(rise, fall) + norm_of(r, self.n) >= WALL * fmax(rise, fall):
                    if rise > fall:
                        step = -step
                    break
            return fabs(step) / self.L[j]
        return self._inner_column(column, j, trial, x, r, step)

    cdef double _inner_column(self, double *column, Py_ssize_t j, trial, const double *x, const double *r, double step) except -1:
        """Fill a column with the three-point difference on the side where the residual can be evaluated; return by what share its halves
        differ where that is too much, else 0.
        """
        cdef double *at = data_of(trial)
        cdef const double *near
        cdef const double *far
        cdef double base = x[j], side, change, whole, second
        cdef Py_ssize_t i, attempt
        self.L[j], self.bend[j], self.length = NAN, 0, NAN
        for attempt in range(4):
            side = step if attempt < 2 else step / 64
            if attempt % 2:
                side = -side
            if base + 2 * side > self.high[j] or base + 2 * side < self.low[j]:
                continue
            at[j] = base + side
            out = self.fun(trial)
            near = numbers(out, self.n)
            at[j] = base + 2 * side
            other = self.fun(trial)
            far = numbers(other, self.n)
            at[j] = base
            for i in range(self.n):
                column[i] = (4 * near[i] - far[i] - 3 * r[i]) / (2 * side)
            change = fabs(side) * norm_of(column, self.n)
            if change < INFINITY:
                whole = second = 0
                for i in range(self.n if change > 0 else 0):
                    whole += ((far[i] - r[i]) / change) * ((far[i] - r[i]) / change)
                    second += ((far[i] - 2 * near[i] + r[i]) / change) * ((far[i] - 2 * near[i] + r[i]) / change)
                self.second = change * sqrt(second)
                if 0 < ASTRIDE * ASTRIDE * whole < second:
                    return sqrt(second / whole)
                if self.second > DULL * self.precision * fmax(self.first, fabs(base / side) * change):
                    self.L[j] = fabs(side) / sqrt(second)
                    return sqrt(second)
                return 0
        for i in range(self.n):
            column[i] = 0
        return 0

    cdef int _recentre(self, double *column, Py_ssize_t j, trial, const double *x, const double *r, double step, double bent,
                       double size) except -1:
        """Take a curved column again with the step its measured length asks for."""
        cdef double reach = self.L[j], bend = self.bend[j], norm = norm_of(column, self.n), better
        if not norm > 0:
            return 0
        better = cbrt(3 * self.precision * size / norm) * cbrt(reach) * cbrt(reach)
        if not 8 * EPS * fabs(x[j]) < better < 0.5 * step:
            return 0
        cdef cnp.ndarray kept = copied(column, self.n)
        if self._central_column(column, j, trial, x, r, better) > bent:     # that was rounding, not curvature
            self._keep(column, kept)
            self.L[j], self.bend[j] = NAN, bend
        return 0

    cdef double blur(self, const double *x, double norm) except -1:
        """Return the greatest share by which rounding and what bends leave centred columns, or fine ones, wrong, as they were seen last."""
        cdef double worst = 0, size = self._size(x, norm)
        cdef Py_ssize_t j
        for j in range(self.p):
            if self.d[j] > 0 and not isnan(self.L[j]):
                worst = fmax(worst, pow(self._unseen(j, x, self.d[j], size) / self._far(j, x, self.d[j]), 0.8 if self.fine else 2 / 3.))
        return worst

    cdef double _unseen(self, Py_ssize_t j, const double *x, double length, double size) noexcept:
        """Return a move of a parameter that is lost in its own rounding, or the residual's."""
        return fmax(self.precision * size / length, EPS * fabs(x[j]))

    cdef double _far(self, Py_ssize_t j, const double *x, double length) noexcept:
        """Return how far the column of a parameter says what the residual does: no further than its scale."""
        return fmin(self.L[j], fabs(x[j]) if x[j] != 0 else 1 / length)

    cdef bint _refine(self, double *column, Py_ssize_t j, trial, const double *x, double size) except -1:
        """Take a centred column again by differences of the fourth order, where there is room; return whether they agree as far as rounding
        lets them: where they don't, the residual has fewer digits than it seems.
        """
        cdef double length = norm_of(column, self.n), far, share, step
        cdef cnp.ndarray near, wide
        cdef double *fine
        cdef Py_ssize_t i
        if not 0 < length < INFINITY or isnan(self.L[j]):
            return length == 0
        far = self._far(j, x, length)
        share = self._unseen(j, x, length, size) / far
        step = fmin(pow(share, 0.2), WIDEST) * far
        if not (share < 1 and x[j] + 2 * step <= self.high[j] and x[j] - 2 * step >= self.low[j]):
            return False
        near, wide = self._centred(j, trial, x[j], step), self._centred(j, trial, x[j], 2 * step)
        fine = data_of(near)
        for i in range(self.n):
            fine[i] += (fine[i] - data_of(wide)[i]) / 3
        if not self._unlike(column, fine) <= BETTER * cbrt(share) ** 2:
            return False
        self._keep(column, near)
        return True

    cdef cnp.ndarray _centred(self, Py_ssize_t j, trial, double base, double step):
        """Return the centred difference over a step, whatever it leads over."""
        cdef cnp.ndarray found = new_vector(self.n)
        cdef const double *ahead
        cdef const double *behind
        cdef double width
        cdef Py_ssize_t i
        out, other, width = self._both_sides(j, trial, base, step)
        ahead, behind = numbers(out, self.n), numbers(other, self.n)
        for i in range(self.n):
            data_of(found)[i] = (ahead[i] - behind[i]) / width
        return found

    cdef tuple _both_sides(self, Py_ssize_t j, trial, double base, double step):
        """Return the residuals a step ahead of where a parameter is and a step behind, and how far these are apart."""
        cdef double *at = data_of(trial)
        cdef double up, down
        at[j] = up = base + step
        ahead = self.fun(trial)
        at[j] = down = base - step
        behind = self.fun(trial)
        at[j] = base
        return ahead, behind, up - down

    cdef void _measure(self, const double *column, Py_ssize_t j, const double *x, const double *r) noexcept:
        """Note a column's length and its product with r, and where that was."""
        if isnan(self.length):
            self.length, self.slope = norm_of(column, self.n), dot(column, r, self.n)
        self.d[j], self.g[j], self.place[j] = self.length, self.slope, fabs(x[j])

    cdef void _scale(self, const double *x, double norm) noexcept:
        """Note at the first Jacobian the size of all."""
        cdef Py_ssize_t j
        if self.first == 0:
            self.first = self._size(x, norm)
            for j in range(self.p):
                self.scale[j] = fabs(x[j]) if x[j] != 0 or not self.d[j] > 0 else norm / self.d[j]
