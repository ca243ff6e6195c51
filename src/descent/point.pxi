# The point that a descent has reached: its residual, its Jacobian, what Jacobians have shown of curvature, what is held at a bound.
#
# Arithmetic on vectors as short as a fit has parameters, where NumPy's calls would cost more than the caller's own function.

cdef double WIDE_SHARE = transforms.WIDE
cdef double TELLING = 1e-4      # relative distance from where a forward and a centred Jacobian together tell curvature
cdef double RANK_CENTRED = 1e-10, RANK_EXACT = 1e-14     # a scaled column of R below this is linearly dependent
cdef int MANY = 10              # parameters from which on how fast columns change is of use: forward differences may serve to the end
cdef double SHIFT = 1e-2        # share of the residual's length by which it is changed to see whether it is more than rounding
cdef double STILL = 1e-2        # of what a residual was to change by: as little, and it doesn't
cdef int CLOSEST = 40          # halvings of the way to a bound on which the model has no value
cdef double TOUCH = 1e-7        # share of a parameter's room within which it is on a bound that chi-square pushes it against


cdef int point_f(const gsl.gsl_vector *v, void *who, gsl.gsl_vector *f) noexcept with gil:
    return (<DescentState>who).residual_at(v, f)


cdef int point_df(const gsl.gsl_vector *v, void *who, gsl.gsl_matrix *J) noexcept with gil:
    return (<DescentState>who).jacobian_at(v, J)


cdef double TINY = 1e-280        # what is smaller, or larger than 1 by as much, may have lost digits


cdef bint same(const double *a, const double *b, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        if not a[i] == b[i]:
            return False
    return True


cdef cnp.ndarray copied(const double *a, Py_ssize_t n):
    cdef cnp.ndarray out = new_vector(n)
    cdef Py_ssize_t i
    for i in range(n):
        data_of(out)[i] = a[i]
    return out


cpdef object room(x, lower, upper, reach=None):
    """Return how much room bounds leave parameters at x, ndarray, shape (p,); 0 where there are none.

    It is their width; where they are so wide apart that a value at x is lost in it, and where there is but one, it is the distance from the
    nearer one, or the parameter's own size, whichever is larger. `reach`, ndarray, shape (p,), is what changes the residual by its own
    length, 0 where it is not known: the size of a time stamp is no more than that.
    """
    cdef Py_ssize_t j, p = len(x)
    cdef const double *at = numbers(x, p)
    cdef const double *low = numbers(lower, p)
    cdef const double *high = numbers(upper, p)
    cdef const double *told = NULL if reach is None else numbers(reach, p)
    cdef cnp.ndarray out = new_vector(p)
    cdef double width, span, own
    for j in range(p):
        width, span = high[j] - low[j], fmin(fabs(at[j] - low[j]), fabs(high[j] - at[j]))
        own = fmax(span, fmin(fabs(at[j]), told[j]) if told != NULL and told[j] > 0 else fabs(at[j]))
        data_of(out)[j] = 0. if not isfinite(span) else width if own >= WIDE_SHARE * width else own
    return out


cdef class DescentState:
    """Where a descent is.

    It is the function of its GSL solver too: `bind` gives what `Function_fdf.bind` gives.

    Parameters
    ----------
    problem : Problem
        As `gslfit.minimizer.least_squares` has it.

    Attributes
    ----------
    x, r : ndarray, shapes (p,) and (n,)
        The point and its residual.
    J : ndarray, shape (n, p)
        The Jacobian taken last, columns contiguous.
    finite : bool
        Every element of it is.
    second : ndarray, shape (p, p)
        What is known of sum_i r_i d2r_i.
    held : tuple of int
        Parameters at a bound that chi-square pushes against.
    room : ndarray, shape (p,)
        How much room the bounds leave each parameter, see `room`.
    differences : Differences
    qr : ScaledQR
        The decomposition made last.
    norms, first_norms : ndarray, shape (p,), or None
        Lengths of the last and of the first Jacobian's columns.
    rank_tolerance : float
        A scaled column of R below this is linearly dependent.
    first_J : ndarray, shape (n, p), or None
        The first Jacobian.
    first_size : float
        The size of what the residual was computed from at the start, see `size`.
    """

    cdef readonly object problem, norms, first_norms, first_J, room
    cdef readonly double first_size
    cdef readonly Differences differences
    cdef readonly ScaledQR qr
    cdef readonly Py_ssize_t n, p
    cdef readonly bint exact, bounded, finite
    cdef readonly bint snapped      # onto a bound, after the Jacobian was taken
    cdef public object x, r, J, second
    cdef public tuple held
    cdef public bint centred_from_now
    cdef public double rank_tolerance       # a scaled column of R below this is linearly dependent
    cdef double decomposed_with
    cdef object steepest, steepest_J, steepest_r        # what `slopes` gave last, and where
    cdef object normed              # the residual whose length is known
    cdef double length
    cdef object fun, jac, free, last_x, last_r, lower, upper, before_x, before_J, before_gradient, decomposed, left_out, failure, taken_at
    cdef cnp.ndarray touches, gap
    cdef bint before_central
    cdef double turning             # share of its length by which a column changes over a move of relative size 1; NaN where unknown
    cdef gslfit_function c

    def __init__(self, problem):
        self.problem, self.fun, self.jac, self.free = problem, problem.fun, problem.jac, problem.free
        self.lower, self.upper = problem.lower, problem.upper
        self.x, self.r = problem.x0, problem.r0
        self.p, self.n = len(self.lower), len(self.r)
        self.exact = self.jac is not None
        self.rank_tolerance = RANK_EXACT if self.exact else RANK_CENTRED
        self.differences = Differences(self.fun, self.lower, self.upper, problem.precision, problem.unit)
        self.J, self.second = zeros(self.n, self.p, True), zeros(self.p, self.p, False)
        self.held, self.turning = (), NAN
        self.norms = new_vector(self.p)
        self.last_x, self.last_r = self.x, self.r
        self.touches, self.gap = new_vector(self.p), new_vector(self.p)
        self._take_room(None)
        cdef Py_ssize_t j
        for j in range(self.p):
            data_of(self.norms)[j] = 0
            self.bounded = self.bounded or isfinite(data_of(self.lower)[j]) or isfinite(data_of(self.upper)[j])
        self.c.f, self.c.df, self.c.params, self.c.n, self.c.p = point_f, point_df, <void *>self, self.n, self.p

    cdef int _take_room(self, object reach) except -1:
        """Note how much room the bounds leave, and how near to one is on it."""
        cdef Py_ssize_t j
        self.room = room(self.x, self.lower, self.upper, reach)
        for j in range(self.p):
            data_of(self.touches)[j] = TOUCH * data_of(self.room)[j]
        return 0

    def begin(self):
        """Take the Jacobian at the start, choose the bounds transforms by it, and return the internal start, ndarray, shape (p,)."""
        cdef cnp.ndarray reach = new_vector(self.p)
        cdef double norm = self.norm(), own
        cdef Py_ssize_t j
        self.go_to(self.x, self.r, False)
        v = self.x
        if self.bounded:
            for j in range(self.p):
                own = norm / data_of(self.first_norms)[j]
                data_of(reach)[j] = own if isfinite(own) else 0.
            self._take_room(reach)
            v = self.free.fit_bounds(self.x, reach)
            self.last_x = self.free.external(v)         # the same but for rounding
        self.taken_at = self.last_x
        return v

    def leave_bounds(self):
        """Count nothing as on a bound that isn't exactly there: the residual may not be called any more."""
        self.touches = zeros(1, self.p, False)

    # what a GSL solver sees

    normalise, centred, h, native = True, False, 0., False      # residuals scaled to about 1; the rest is ours

    def bind(self, n, p):
        """Return this function as a solver calls it: itself."""
        return self

    @property
    def address(self):
        """Where the C struct with the functions is."""
        return <size_t>&self.c

    def take(self):
        """Return the exception that the residual raised, once."""
        failure, self.failure = self.failure, None
        return failure

    cdef int _go(self, const gsl.gsl_vector *internal) except -1:
        """Evaluate the residual at internal values, unless that was done last."""
        cdef cnp.ndarray v = new_vector(self.p)
        cdef Py_ssize_t j
        for j in range(self.p):
            data_of(v)[j] = internal.data[j * internal.stride]
        x = self.free.external(v) if self.bounded else v
        if not same(numbers(x, self.p), numbers(self.last_x, self.p), self.p):
            self.last_r = self.fun(x)
            self.last_x = x
        return 0

    cdef int residual_at(self, const gsl.gsl_vector *v, gsl.gsl_vector *f):
        """Evaluate the residual as a function of the internal variables; return a status."""
        cdef const double *r
        cdef Py_ssize_t i
        try:
            self._go(v)
            r = numbers(self.last_r, self.n)
            for i in range(self.n):
                f.data[i * f.stride] = r[i]
            return gsl.GSL_SUCCESS
        except BaseException as error:
            self.failure = error
            return gsl.GSL_EBADFUNC

    cdef int jacobian_at(self, const gsl.gsl_vector *v, gsl.gsl_matrix *J):
        """Evaluate the Jacobian by the internal variables; return a status. The point it is taken at is the one accepted."""
        cdef const double *column
        cdef double slope
        cdef Py_ssize_t i, j
        try:
            self._go(v)
            if self.taken_at is not self.last_x:
                self.go_to(self.last_x, self.last_r, self.centred_from_now)
                self.taken_at = self.last_x
            slopes = self.free.slopes(from_vector(v, 1.)) if self.bounded else None
            for j in range(self.p):
                column, slope = data_of(self.J) + j * self.n, 1. if slopes is None else data_of(slopes)[j]
                for i in range(self.n):
                    J.data[i * J.tda + j] = slope * column[i]
            return gsl.GSL_SUCCESS
        except BaseException as error:
            self.failure = error
            return gsl.GSL_EBADFUNC

    cpdef go_to(self, x, r, bint central=True):
        """Go to x, where the residual is r, and take the Jacobian there: the caller's, or by differences."""
        cdef const double *norms
        cdef Py_ssize_t j
        self.x, self.r, self.taken_at, self.snapped = x, r, None, False
        if self.exact:
            self.J = np.asfortranarray(self.jac(x), dtype=np.float64)
        else:
            self.J = self.differences.central(x, r, self.norm()) if central else self.differences.forward(x, r, self.norm())
        cdef cnp.ndarray gradient = self.gradient() if self.exact else copied(data_of(self.differences.gradient), self.p)
        cdef cnp.ndarray lengths = self._lengths() if self.exact else self.differences.norms
        norms = data_of(lengths)
        self.norms = copied(norms, self.p)
        self._note_slopes(data_of(gradient))
        self.finite = True
        for j in range(self.p):
            self.finite = self.finite and isfinite(norms[j])
        if self.before_x is None:
            self.first_J, self.first_norms, self.first_size = self.J, self.norms, self._size(norms)
            self.differences.find_precision(self.r, self.first_size)
            self.differences.take_units(norms)
        else:
            self._learn(gradient, norms, central)
        self.before_x, self.before_J, self.before_gradient, self.before_central = x, self.J, gradient, central

    def update(self, x, r):
        """Go to x, where the residual is r, with the Jacobian that the way there shows: Broyden's update of the last one, no evaluation.

        It is exact along the step, measured in units of the columns' lengths, and unchanged at right angles to it. What is known of the
        last one's triangle gives the new one's.
        """
        cdef cnp.ndarray step = new_vector(self.p), share = new_vector(self.p), norms = new_vector(self.p), slopes = new_vector(self.p)
        cdef cnp.ndarray found = new_vector(3 * self.p + 1), columns = self.differences.room_for(self.n)
        cdef const double *d = data_of(self.norms)
        cdef double *s = data_of(step)
        cdef double *w = data_of(share)
        cdef double *sums = data_of(found)
        cdef const double *new = numbers(x, self.p)
        cdef double *to
        cdef double total = 0
        cdef broyden told
        cdef Py_ssize_t j
        for j in range(self.p):
            s[j] = new[j] - data_of(self.x)[j]
            w[j] = s[j] * d[j] * d[j]
            total += s[j] * w[j]
        for j in range(self.p):
            w[j] = w[j] / total if total > 0 else 0.
        told.J, told.r, told.before, told.p = data_of(self.J), numbers(r, self.n), numbers(self.r, self.n), self.p
        told.step, told.share, told.updated = s, w, data_of(columns)
        gslfit_current_isa().update(&told, self.n, sums)
        self.finite = total > 0
        for j in range(self.p):
            to = told.updated + j * self.n
            data_of(norms)[j] = gslfit_norm(sums[self.p + j], to, self.n, 1)
            self.finite = self.finite and isfinite(data_of(norms)[j])
            data_of(slopes)[j] = slope_of(to, data_of(norms)[j], told.r, self.n, sums[2 * self.p + j])
        square = None
        if self.qr is not None and self.decomposed is self.J and self.left_out is None:
            square = self.qr.updated(sums, sums[3 * self.p], w, data_of(norms))
        self.x, self.r, self.J, self.norms, self.taken_at = x, r, cnp.PyArray_Transpose(columns, NULL), norms, None
        self.steepest, self.steepest_J, self.steepest_r = slopes, self.J, r
        if square is not None:
            self.qr = ScaledQR(self.J, self.rank_tolerance, None, norms, r, slopes, square)
            self.decomposed, self.left_out, self.decomposed_with = self.J, None, self.rank_tolerance

    cdef int _learn(self, object gradient, const double *norms, bint central) except -1:
        """Take from two Jacobians how fast columns change, and what they say of the second derivatives."""
        cdef cnp.ndarray work = new_vector(3 * self.p)
        cdef double *step = data_of(work)
        cdef double *y = step + self.p
        cdef double *change = y + self.p
        cdef const double *r = numbers(self.r, self.n)
        cdef const double *u = self.differences.u
        cdef double moved, turned = 0
        cdef const double *old = data_of(self.before_J)
        cdef Py_ssize_t j
        for j in range(self.p):
            step[j] = data_of(self.x)[j] - data_of(self.before_x)[j]
            change[j] = data_of(gradient)[j] - data_of(self.before_gradient)[j]
            if central and not self.exact:
                data_of(self.second)[j * self.p + j] = data_of(self.differences.bends)[j]
        # over a short way the forward differences' own error would pass for curvature
        moved = relative_size(step, data_of(self.x), norms, self.norm(), self.p)
        if not (self.exact or (central and self.before_central) or moved > TELLING):
            return 0
        if self.n >= LONG and self.qr is not None and self.qr.J is self.before_J and self.qr.known_r is self.r and self.left_out is None:
            for j in range(self.p):
                y[j] = data_of(self.qr.known)[j] * self.qr.d[j]
        else:
            products_of(old, self.p, r, self.n, y)
        for j in range(self.p):
            y[j] = data_of(gradient)[j] - y[j]
            if norms[j] > 0 and self.p >= MANY:
                turned = fmax(turned, gslfit_change(data_of(self.J) + j * self.n, old + j * self.n, self.n) / norms[j])
        self.turning = turned / moved if moved > 0 and self.p >= MANY else NAN
        for j in range(self.p):
            step[j], y[j], change[j] = step[j] / u[j], y[j] * u[j], change[j] * u[j]
        secant(data_of(self.second), step, y, change, self.p)
        return 0

    cpdef cnp.ndarray gradient(self):
        """Return J^T r, ndarray, shape (p,)."""
        cdef cnp.ndarray out = new_vector(self.p)
        products_of(data_of(self.J), self.p, numbers(self.r, self.n), self.n, data_of(out))
        return out

    cpdef cnp.ndarray slopes(self):
        """Return J^T r with the columns of J scaled to length one, ndarray, shape (p,): the gradient, never out of range."""
        return copied(data_of(self._slopes()), self.p)

    cdef object _slopes(self):
        """Return the numbers of `slopes` themselves, to be read."""
        if self.steepest_r is not self.r or self.steepest_J is not self.J:
            self._note_slopes(NULL)
        return self.steepest

    cdef int _note_slopes(self, const double *gradient) except -1:
        """Work out what `slopes` returns, from J^T r where that is known and in range."""
        cdef cnp.ndarray out = new_vector(self.p)
        cdef const double *r = numbers(self.r, self.n)
        cdef const double *d = data_of(self.norms)
        cdef const double *column
        cdef Py_ssize_t j
        for j in range(self.p):
            if gradient != NULL and d[j] > 0 and TINY < fabs(gradient[j]) < 1 / TINY:
                data_of(out)[j] = gradient[j] / d[j]
            else:
                column = data_of(self.J) + j * self.n
                data_of(out)[j] = slope_of(column, d[j], r, self.n, dot(column, r, self.n))
        self.steepest, self.steepest_J, self.steepest_r = out, self.J, self.r
        return 0

    cpdef double norm(self) except -1:
        """Return the length of the residual."""
        if self.normed is not self.r:
            self.length, self.normed = norm_of(numbers(self.r, self.n), self.n), self.r
        return self.length

    cdef cnp.ndarray _lengths(self):
        """Return the lengths of the Jacobian's columns."""
        cdef cnp.ndarray out = new_vector(self.p)
        cdef Py_ssize_t j
        for j in range(self.p):
            data_of(out)[j] = norm_of(data_of(self.J) + j * self.n, self.n)
        return out

    # the next step

    cpdef ScaledQR decompose(self):
        """Return the decomposition of the columns that may move: not those that chi-square holds at a bound."""
        self.held = ()
        pushed = self._pushed() if self.bounded else None
        if self.qr is None or self.J is not self.decomposed or pushed != self.left_out or self.decomposed_with != self.rank_tolerance:
            self.qr = ScaledQR(self.J, self.rank_tolerance, pushed, self.norms, self.r, self._slopes())
            self.decomposed, self.left_out = self.J, pushed
            self.decomposed_with = self.rank_tolerance
        return self.qr

    cdef object _pushed(self):
        """Return which parameters chi-square holds at a bound, None where it holds none; they are put on it exactly.

        What is near a bound, but where chi-square is higher on it, is at a minimum beside it: near is a share of values that may be 1e9.
        """
        cdef object here = self.x           # while its numbers are read
        cdef const double *low = numbers(self.lower, self.p)
        cdef const double *high = numbers(self.upper, self.p)
        cdef const double *x = numbers(here, self.p)
        cdef const double *touch = data_of(self.touches)
        cdef Py_ssize_t j
        cdef double to, norm, before
        cdef bint moved = False
        cdef list found = None
        g = self._slopes()
        for j in range(self.p):
            if x[j] - low[j] <= touch[j] and data_of(g)[j] >= 0:
                to = low[j]
            elif high[j] - x[j] <= touch[j] and data_of(g)[j] <= 0:
                to = high[j]
            else:
                continue
            if found is None:
                found, snapped = [], copied(x, self.p)
            found.append(j)
            moved = moved or to != x[j]
            data_of(snapped)[j] = to
        if moved:
            r = self.fun(snapped)
            norm, before = norm_of(numbers(r, self.n), self.n), self.norm()
            if norm <= before * (1 + 1e-9) + self.rounding():
                self.x, self.r, self.snapped = snapped, r, True
            else:
                found = [j for j in found if data_of(snapped)[j] == x[j]
                         or (not isfinite(norm) and self._ends_beside(j, data_of(snapped)[j], data_of(g)[j]))]
        if not found:
            return None
        self.held = tuple(found)
        return [j in self.held for j in range(self.p)]

    cdef bint _ends_beside(self, Py_ssize_t j, double bound, double slope) except -1:
        """Return whether a parameter ends next to a bound on which the model has no value; `src/batch/gsl_refit.c` asks the same.

        What is left of the way may not change chi-square by what can be told; where it does, the parameter is put as near to the bound as
        the model has values that are no worse.
        """
        cdef double norm = self.norm(), value = numbers(self.x, self.p)[j], few = GSLFIT_UNTOLD / max(1, self.n - self.p)
        cdef cnp.ndarray trial
        cdef int near
        if fabs(slope) * data_of(self.norms)[j] * fabs(value - bound) <= fmax(few, GSLFIT_CLOSE * GSLFIT_CLOSE) * norm * norm:
            return True
        for near in range(CLOSEST, 0, -CLOSEST // 4):
            trial = copied(numbers(self.x, self.p), self.p)
            data_of(trial)[j] = bound + ldexp(value - bound, -near)
            r = self.fun(trial)
            if norm_of(numbers(r, self.n), self.n) <= norm * (1 + 1e-9):
                self.x, self.r, self.snapped = trial, r, True
                return True
        return False

    cdef double moved(self, object start) except -1:
        """Return the relative size of the way from `start` to here."""
        cdef cnp.ndarray step = self._way(start)
        cdef double norm = self.norm()
        return relative_size(data_of(step), numbers(self.x, self.p), data_of(self.qr.norms), norm, self.p)

    cdef double bent(self, object start) except -1:
        """Return the way from `start` to here in units of the lengths on which the columns of the Jacobian change."""
        cdef cnp.ndarray step = self._way(start)
        cdef const double *lengths = data_of(self.differences.lengths)
        cdef double total = 0
        cdef Py_ssize_t j
        for j in range(self.p):
            if data_of(step)[j] != 0 and lengths[j] == lengths[j]:      # NaN where it is not known
                total += fabs(data_of(step)[j]) / lengths[j]
        return total

    cdef double effect(self, object start) except -1:
        """Return by what length the way from `start` to here has changed the residual, as the Jacobian taken at its start has it."""
        cdef cnp.ndarray step = self._way(start)
        return self.qr.effect(data_of(step))

    cpdef double size(self) except -1:
        """Return the size of what the residual is computed from: the largest of |r| and |J_j| |x_j|."""
        return self._size(data_of(self.norms))

    cdef double _size(self, const double *norms) except -1:
        cdef double out = self.norm()
        cdef Py_ssize_t j
        for j in range(self.p):
            if isfinite(norms[j]):
                out = fmax(out, norms[j] * self.differences.term(j, data_of(self.x)[j]))
        return out

    def silent(self):
        """Return whether no column of the Jacobian taken last is other than zero."""
        cdef Py_ssize_t j
        for j in range(self.p):
            if data_of(self.norms)[j] != 0:         # NaN is
                return False
        return True

    def smooth(self):
        """Return whether the residual follows its Jacobian over a short way, two evaluations for each that is tried.

        It changes the residual by `SHIFT` of its length, or less where a curve bends too much over that, and no parameter by more than a
        tenth of that share. Where the residual is nothing but rounding it does not follow, the less the shorter the way; a curve that turns
        within a millionth of a parameter is followed over ways that are shorter still, as far as they are seen.
        """
        cdef double share = SHIFT
        cdef int turn = 0
        while turn < 3 or (turn < 6 and share > SHIFT * 64 * EPS * self.size() / self.norm()):
            if self._follows(share):
                return True
            share *= 1e-2
            turn += 1
        return False

    cdef bint _follows(self, double share) except -1:
        """Return whether the residual follows its Jacobian over a way that changes it by a share of its length."""
        cdef cnp.ndarray near = copied(numbers(self.x, self.p), self.p), far = copied(numbers(self.x, self.p), self.p)
        cdef double reach = share * self.norm(), step
        cdef const double *d = data_of(self.qr.norms)
        cdef Py_ssize_t j
        for j in range(self.p):
            step = reach / d[j] if d[j] > 0 else 0.
            if data_of(self.x)[j] != 0:
                step = fmin(step, 0.1 * share * fabs(data_of(self.x)[j]))
            if data_of(self.x)[j] + 2 * step > data_of(self.upper)[j]:
                step = -step if data_of(self.x)[j] - 2 * step >= data_of(self.lower)[j] else 0.
            data_of(near)[j] += step
            data_of(far)[j] += 2 * step
        first = self.fun(near) - self.r
        second = self.fun(far) - self.r - 2 * first
        return length(second) < 0.3 * length(first) or length(first) < STILL * fabs(reach)      # rounding is another one there

    def weak(self, double share):
        """Return which parameters' own size changes the residual by less than this share of its length, those without effect left out."""
        cdef double least = share * self.norm(), norm
        cdef Py_ssize_t j
        found = []
        for j in range(self.p):
            norm = data_of(self.qr.norms)[j]
            if norm > 0 and norm * fabs(data_of(self.x)[j]) < least:
                found.append(j)
        return found

    cdef cnp.ndarray _way(self, object start):
        """Return the way from `start` to here, to be read before the next is asked for."""
        cdef cnp.ndarray step = self.gap
        cdef const double *x = numbers(self.x, self.p)
        cdef const double *begin = numbers(start, self.p)
        cdef Py_ssize_t j
        for j in range(self.p):
            data_of(step)[j] = x[j] - begin[j]
        return step
