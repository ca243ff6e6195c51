# cython: boundscheck=False, wraparound=False, cdivision=True
"""The inner part of a descent: numerical Jacobians, scaled QR, the point reached, and the polish that finds the last digits.

`gslfit.minimizer.least_squares.Descent` decides where to go; one extension holds what runs between two calls of the residual, so that none
of it is Python.
"""
from gslfit.objective._loss import length
from gslfit.parameters import bounds as transforms

include "common/arrays.pxi"
include "common/vectors.pxi"

from cpython.mem cimport PyMem_Free, PyMem_Malloc
from libc.math cimport NAN, cbrt, fmin, frexp, isnan, ldexp, pow
from libc.string cimport memcpy, memset

from judgement cimport (
    GSLFIT_AT_BOUND, GSLFIT_BESIDE, GSLFIT_CLOSE, GSLFIT_EXACT_FIT, GSLFIT_LOST, GSLFIT_LOST_EFFECT, GSLFIT_MINIMUM, GSLFIT_NEGLIGIBLE,
    GSLFIT_NO_EFFECT, GSLFIT_NOT_MINIMUM, GSLFIT_RANK_DEFICIENT, GSLFIT_ROUNDING, GSLFIT_SILENCED, GSLFIT_SILENT, GSLFIT_TURNED_BY,
    GSLFIT_UNTOLD, gslfit_bends, gslfit_came_in, gslfit_cosine_bound, gslfit_evidence, gslfit_is_even, gslfit_is_last_digit,
    gslfit_is_success, gslfit_judge, gslfit_may_be_bent, gslfit_next_turn, gslfit_places_beside, gslfit_sort_columns, gslfit_verdict,
    gslfit_way, gslfit_way_begin, gslfit_way_next)
from loop cimport gslfit_function

include "differences.pxi"
include "scaledqr.pxi"
include "point.pxi"

cdef double NEAR = 0.3              # relative length of a Gauss-Newton step from where a polish may succeed
cdef double BESIDE_KINK = 1e-4      # of the residual's length: what a parameter changes it by over the length of a column next to a kink
cdef double SHARE = 0.05            # a step this much shorter than all since the last Jacobian is lost in what a new one will change
cdef double FIRST_RATE = 0.1        # what one Jacobian is taken to leave of the error before the second has shown it
cdef double MISSED = 0.25           # share of the second derivatives that are known from secants by which these may be wrong
cdef double BELIEVED = 0.9          # second derivatives that outweigh J^T J more than this are no minimum's: they are rounding
cdef double CENTRE = 1e-4           # expected relative error from where on differences are centred
cdef double ONE_SIDED = 5e-8        # forward differences of many parameters serve where they leave a relative error less than this, ...
cdef double UNSEEN = 2e-6           # ... or less than this many standard errors where these are large, ...
cdef double LIKELY = 1e-2           # ... by the rate that is expected of steps before they have shown theirs, ...
cdef double SAFE = 0.1              # ... and columns change over the last move by this share of BENT, as the last two Jacobians tell
cdef double TOLD = 1e-4             # standard errors that a minimum may be off, however exact values are by then
cdef double TARGET = 5e-7, EXACT_TARGET = 1e-12     # expected relative error at which a fit ends, with differences, with exact derivatives
cdef double CONTRACTS = 0.5         # a step longer than this times the one before does not contract
cdef double FORWARD_DIGITS = 1e-6   # relative step at which a polish by forward differences is done
cdef double CENTRED_DIGITS = 1e-9   # the same for centred ones: their own error
cdef double EXACT_DIGITS = 1e-13    # the same for the caller's own Jacobian
# relative errors of the Jacobians: by forward and centred differences, by those of the fourth order, the caller's own
cdef double FORWARD_ERROR = 1e-7, CENTRED_ERROR = 1e-10, FINE_ERROR = 1e-12, EXACT_ERROR = 1e-15
cdef double MOVED = 1e-6            # how far from the fit's end, in units of |x|, the Jacobian of its covariance may be taken
cdef double BENT = 3e-5             # the same in units of the length on which its columns change
cdef double TURNED = 1e-3           # share of the last move's effect by which the caller's Jacobian may be wrong about it
cdef double LOOSEST = 1e-3          # greatest cosine of a minimum where columns are nearly dependent
cdef double VAST = 10               # times a parameter's size that its error may be, and it counts as determined
cdef int TURNS = 30                 # Jacobians that a polish may take

NEXT_TO = 0.3                       # standard errors that a Gauss-Newton step promises at most where finer differences may tell
CLOSE = GSLFIT_CLOSE                # a cosine below it is a minimum's, as judgement.h has it
BLUR = GSLFIT_ROUNDING / EPS        # times the relative precision of a residual: what judgement.h takes for its rounding

cdef dict VERDICTS = {GSLFIT_NOT_MINIMUM: "no minimum", GSLFIT_NO_EFFECT: "no effect", GSLFIT_LOST_EFFECT: "lost",
                      GSLFIT_SILENCED: "silenced", GSLFIT_AT_BOUND: "at bound", GSLFIT_RANK_DEFICIENT: "rank-deficient",
                      GSLFIT_EXACT_FIT: "exact", GSLFIT_MINIMUM: "minimum"}


cdef class Polish(DescentState):
    """Gauss-Newton steps in the parameters themselves, from a `DescentState` near a minimum to its last digits."""

    cdef public object origin       # the descent from the caller's start, where this one begins elsewhere; else None
    cdef readonly double cosine     # of the residual and the columns that count, as the last judgement had it
    cdef readonly bint blurred      # it passed for a minimum's there only by what errors of J allow
    cdef double bend                # how fast the residual bends at the last Jacobian, as far as is known

    @property
    def first(self):
        """The descent that tells what had an effect at the start: this one, or `origin`."""
        return self if self.origin is None else self.origin

    def near(self):
        """Return whether the next Gauss-Newton step is short enough for a polish to be worth trying."""
        cdef ScaledQR qr = self.decompose()
        cdef cnp.ndarray step
        if not self.finite:
            return False
        step = qr.step(self.r)
        return relative_size(data_of(step), numbers(self.x, self.p), qr.d, self.norm(), self.p) < NEAR

    def steps_over_kink(self):
        """Return the parameters whose columns, as differences see them, change by themselves next to the point: a kink, or a sharp edge."""
        cdef const double *norms = data_of(self.norms)
        cdef double least = BESIDE_KINK * self.norm()
        cdef Py_ssize_t j
        return [j for j in range(self.p) if self.differences.L[j] * norms[j] < least]

    def polish(self):
        """Take Gauss-Newton steps in the parameters until they are down to rounding; return whether they got there.

        With one Jacobian they contract at the rate at which it is wrong; from one Jacobian to the next, at the rate at which the
        residual bends, less what the Jacobians so far have shown of that.
        """
        cdef double digits = EXACT_DIGITS if self.exact else CENTRED_DIGITS
        cdef double target = EXACT_TARGET if self.exact else TARGET
        cdef double before = INFINITY, rate = FIRST_RATE, expected = INFINITY, least = INFINITY, norm, move, latest, slowest
        cdef bint central = self.exact or self.centred_from_now, near = False, done
        cdef int turn
        for turn in range(TURNS):
            start, norm = self.x, self.norm()
            begun = self.r
            near = near or expected <= CENTRE
            central = central or (near and not self._one_sided(LIKELY, False))
            if turn or central:
                self.go_to(start, self.r, central)
            if not self.finite:
                return False
            if not self._contract(digits if central or near else FORWARD_DIGITS, self._error() if central else FORWARD_ERROR):
                if self.norm() < norm * (1 - 1e-3):
                    continue            # not there, but far better: a new Jacobian may do
                return False
            if self.snapped:
                continue                # a Jacobian beside a bound doesn't say whether chi-square pushes against it there
            move = self.moved(start)
            latest = move / before if 0 < before < INFINITY else FIRST_RATE
            slowest = fmax(rate, latest) if turn > 1 else latest
            if central or near:
                slowest = fmax(slowest, MISSED * self.bend)
            if turn:
                least = fmin(least, latest)         # once they are down to rounding, moves no longer tell the rate
            rate, expected = latest, move * slowest / (1 - slowest) if slowest < 0.99 else INFINITY
            done = (self._close(start, move, central) and (not move > 0 or self._is_told(expected / move * self.effect(start)))
                    and (expected * self._seen(start) <= target * move or (move <= 1e3 * digits and rate > CONTRACTS)))
            if done and (central or self._one_sided(fmax(least, self.bend), True)):
                if not central or not (self._has_turned_since(start, begun) or self.refine()):
                    return True
            if central and self.effect(start) <= fmax(self.rounding(), self._blur()):
                return True             # rounding is all that is left
            if move > before and move > 1e-3:
                return False
            before, central = move, central or done
        return False

    cdef double _error(self) noexcept:
        """Return the relative error of a Jacobian, taken with care."""
        return EXACT_ERROR if self.exact else FINE_ERROR if self.differences.agreed else CENTRED_ERROR

    cdef double _blur(self) except -1:
        """Return what of a step's effect on the residual is lost in the errors of fine differences: a part of a standard error at most."""
        cdef ScaledQR qr = self.decompose()
        if not self.differences.fine or not qr.rank:
            return 0
        cdef double error = self.differences.blur(numbers(self.x, self.p), self.norm())
        return fmin(error / qr.least(), TOLD / sqrt(<double>max(1, self.n - self.p))) * self.norm()

    cpdef bint refine(self) except -1:
        """Return whether centred differences may leave the minimum further off than is told, as columns are nearly dependent: they are
        finer from now on.
        """
        cdef ScaledQR qr = self.decompose()
        if self.exact or self.differences.fine or not qr.rank or self.norm() <= self.rounding():
            return False
        if not qr.effect(data_of(qr.step(self.r))) <= NEXT_TO * self.norm() / sqrt(<double>max(1, self.n - self.p)):
            return False            # what they miss is not what keeps the fit from its minimum
        self.differences.fine = not self._is_told(self.differences.blur(numbers(self.x, self.p), self.norm()) * self.norm() / qr.least())
        return self.differences.fine

    cdef bint _one_sided(self, double rate, bint ended) except -1:
        """Return whether forward differences serve the minimum and the covariance: half a step's curvature and rounding are small enough.

        Where Gauss-Newton steps contract at a rate, the curvature along r is that part of J^T J. Where they have `ended`, standard errors
        are known, unless the residual is rounding: what is left must be few of them.
        """
        cdef ScaledQR qr
        cdef cnp.ndarray factors, missed
        cdef const double *W
        cdef const double *h = data_of(self.differences.steps)
        cdef const double *x
        cdef double noise, norm, total, error, told, most
        cdef Py_ssize_t i, j
        if self.p < MANY:
            return False
        qr = self.decompose()
        if qr.rank < qr.count or FORWARD_ERROR > BENT * qr.least():
            return False
        factors, missed = qr.factors(), new_vector(self.p)
        W, x = data_of(factors), data_of(self.x)
        noise, norm = self.differences.precision * self.size(), self.norm()
        told = TOLD if ended and norm > self.rounding() else INFINITY
        for j in range(self.p):
            data_of(missed)[j] = 0
            if qr.d[j] > 0:
                if not noise <= BENT * qr.least() * h[j] * qr.d[j] or not h[j] < INFINITY:
                    return False
                data_of(missed)[j] = 0.5 * rate * h[j] * qr.d[j] + noise * norm / sqrt(<double>self.n) / (h[j] * qr.d[j])
        for i in range(self.p):
            total = 0
            for j in range(self.p):
                total += (dot(W + i * qr.rank, W + j * qr.rank, qr.rank) * data_of(missed)[j]) ** 2
            error = self._scaled_error(W + i * qr.rank)
            most = fmax(ONE_SIDED * fabs(x[i]) * qr.d[i], UNSEEN * error)
            if qr.d[i] > 0 and not sqrt(total) <= (fmin(most, told * error) if told < INFINITY else most):
                return False
        return True

    cdef bint _is_told(self, double off) except -1:
        """Return whether a distance from the minimum, by what it changes the residual, is few standard errors, or rounding."""
        return off <= TOLD * self.norm() / sqrt(<double>max(1, self.n - self.p)) or off <= self.rounding()

    cdef double _scaled_error(self, const double *factor) except -1:
        """Return the standard error of a parameter times the length of its column, from its row of factors."""
        return sqrt(dot(factor, factor, self.qr.rank) / max(1, self.n - self.p)) * self.norm()

    cdef double _seen(self, object start) except -1:
        """Return the relative size of the way here, in which of many parameters large standard errors count for the values."""
        cdef ScaledQR qr = self.qr
        cdef cnp.ndarray step, factors
        cdef double worst = 0, own
        cdef Py_ssize_t j
        if self.exact or self.p < MANY:
            return self.moved(start)
        step, factors = self._way(start), qr.factors()
        for j in range(self.p):
            if data_of(step)[j] != 0:
                own = fabs(data_of(self.x)[j])
                if qr.d[j] > 0:
                    own = fmax(own, UNSEEN / TARGET * self._scaled_error(data_of(factors) + j * qr.rank) / qr.d[j])
                worst = fmax(worst, fabs(data_of(step)[j]) / own if own > 0 else INFINITY)
        return worst

    cdef bint _contract(self, double digits, double error) except -1:
        """Repeat steps with the present Jacobian while they contract; return whether they ended at a minimum."""
        cdef const double *low = numbers(self.lower, self.p)
        cdef const double *high = numbers(self.upper, self.p)
        cdef double *second = data_of(self.second)
        cdef const double *units = self.differences.u
        cdef ScaledQR qr
        cdef int ended
        cdef Py_ssize_t _
        for _ in range(1 + self.p):
            qr = self.decompose()
            self.bend = qr.bend(second, units)
            if not self.bend <= BELIEVED:       # or not a number
                memset(second, 0, self.p * self.p * sizeof(double))
            qr.curve(second, units)
            ended = qr.contract(self.fun, self.x, self.r, self.norm(), second, units, low, high, digits, SHARE, error,
                                self.differences.precision, CONTRACTS, TOLD / sqrt(<double>max(1, self.n - self.p)), self._blur())
            self.x, self.r = qr.x, qr.r
            self.length, self.normed = qr.length, qr.r
            if qr.known_r is self.r and not self.held:
                self.steepest, self.steepest_J, self.steepest_r = qr.known, self.J, self.r
            if ended != CROSSED:
                return ended == SETTLED
            self.snapped = True
        return False

    cdef bint _close(self, object start, double move, bint central) except -1:
        """Return whether the last Jacobian, taken at `start`, serves the covariance at the end of the moves after it."""
        if move <= MOVED or self.exact or move > 1e-3:
            return move <= MOVED
        return self.bent(start) <= BENT if central else move * self.turning <= SAFE * BENT     # False for NaN

    cdef bint _has_turned_since(self, object start, object begun) except -1:
        """Return whether the residual, `begun` at `start`, does not change on the way here as the caller's Jacobian there says: it is
        another one here. What differences see of that they tell by the lengths on which columns change.
        """
        if not self.exact:
            return False
        promised = self.J @ self._way(start)
        return length(self.r - begun - promised) > TURNED * length(promised) + self.rounding()

    cpdef double rounding(self) except -1:
        """Return what of the residual's length may be rounding."""
        return self.rounding_of(self.size())

    cpdef double rounding_of(self, double size) except -1:
        """Return what of a residual's length may be rounding, where it is computed from numbers of a size."""
        return GSLFIT_ROUNDING / EPS * self.differences.precision * size

    def vague(self):
        """Return the parameters that the Jacobian leaves open, or next to it: whose error is many times their size."""
        cdef ScaledQR qr = self.decompose()
        cdef cnp.ndarray factors = qr.factors()
        cdef const double *x = numbers(self.x, self.p)
        cdef const double *start = numbers(self.problem.x0, self.p)
        cdef double sigma = self.norm() / sqrt(max(1, self.n - self.p))
        cdef Py_ssize_t j
        found = qr.undetermined()
        for j in range(self.p):
            if norm_of(data_of(factors) + j * qr.rank, qr.rank) / qr.d[j] * sigma > VAST * fmax(fabs(x[j]), fabs(start[j])):
                found.append(j)
        return sorted(set(found).difference(self.held)) if found else found

    cpdef bint turns_round(self) except -1:
        """Return whether a parameter has gone so far that it turned the residual round and round, as `gslfit_refit_turns_round` asks of
        programs: over a move by a few times its start, or by its last digits, the residual does not change as its column says.
        """
        cdef const double *x = numbers(self.x, self.p)
        cdef const double *start = numbers(self.first.problem.x0, self.p)
        cdef Py_ssize_t j
        cdef double by
        for j in range(self.p):
            by = gslfit_next_turn(x[j], start[j])
            if by != 0 and j not in self.held and (self._turns(j, by) or self._turns(j, -by)):
                return True
        return False

    cdef bint _turns(self, Py_ssize_t j, double by) except -1:
        """Return the same of one parameter and move, where there are evaluations left for it."""
        cdef object problem = self.problem, there = self.x.copy()
        if problem.fun.limit <= problem.fun.nfev:
            return False
        there[j] = min(max(there[j] + by, problem.lower[j]), problem.upper[j])
        cdef double moved = there[j] - self.x[j]
        off = problem.fun(there) - self.r - moved * self.J[:, j]
        return not length(off) <= GSLFIT_TURNED_BY * fabs(moved) * data_of(self.norms)[j] + self.rounding()

    cpdef bint bends_up(self, Py_ssize_t j) except -1:
        """Return whether chi-square bends up at a parameter that J says nothing of, as `bends_up` of `src/batch/gsl_refit.c` does: by its
        size, or where that tells nothing by how far it has to go to be seen, if it came in from further out.
        """
        cdef object norms = self.first.first_norms
        cdef double first = 0. if norms is None else data_of(norms)[j]
        return self._bends(j, gslfit_came_in(numbers(self.x, self.p)[j], numbers(self.first.problem.x0, self.p)[j], first,
                                             length(self.first.problem.r0))) > 0

    cpdef double bend_seen(self, Py_ssize_t j) except -1:
        """Return over how far a move chi-square is seen to bend up at a parameter, 0 where it isn't."""
        return self._bends(j, True)

    cdef double _bends(self, Py_ssize_t j, bint tells) except -1:
        """Return over how far a move it does, 0 where it doesn't; it is known whether how far it has to go to be seen `tells`."""
        cdef double size = fmax(fabs(numbers(self.x, self.p)[j]), fabs(numbers(self.first.problem.x0, self.p)[j]))
        cdef double at = numbers(self.x, self.p)[j], norm = self.norm(), column = data_of(self.norms)[j], rise
        cdef double[4] places
        cdef gslfit_way way
        if self._bends_over(j, GSLFIT_BESIDE * size):
            return GSLFIT_BESIDE * size
        if not tells:
            return 0
        if column == 0 and self.first.first_norms is not None:
            column = data_of(self.first.first_norms)[j]
        way = gslfit_way_begin(column, size, norm)
        while way.trial > 0:
            rise = INFINITY
            if gslfit_places_beside(at, way.trial, numbers(self.lower, self.p)[j], numbers(self.upper, self.p)[j], places):
                with np.errstate(all="ignore"):
                    rise = (self._length_at(j, places[1]) - norm) / norm
            if not gslfit_way_next(&way, rise):
                break
        return way.trial if way.trial > 0 and self._bends_over(j, way.trial) else 0

    cdef bint _bends_over(self, Py_ssize_t j, double reach) except -1:
        """Return the same over a reach."""
        cdef double at = numbers(self.x, self.p)[j], norm = self.norm()
        cdef double[4] places, found
        cdef int i
        if not gslfit_places_beside(at, reach, numbers(self.lower, self.p)[j], numbers(self.upper, self.p)[j], places):
            return False
        for i in range(4):
            found[i] = self._length_at(j, places[i])
        return gslfit_bends(norm, found, 4 * self.differences.precision * self.size())

    cdef double _length_at(self, Py_ssize_t j, double value) except? -1:
        """Return the residual's length where a parameter has another value."""
        cdef cnp.ndarray trial = copied(numbers(self.x, self.p), self.p)
        data_of(trial)[j] = value
        return length(self.fun(trial))

    cpdef tuple even(self):
        """Return the parameters that chi-square bends up at though their columns are next to none: roots of what enters squared."""
        cdef object here = self.x
        cdef const double *x = numbers(here, self.p)
        cdef const double *start = numbers(self.first.problem.x0, self.p)
        cdef const double *d = data_of(self.decompose().norms)
        cdef double norm = self.norm()
        cdef Py_ssize_t j
        found = ()
        for j in range(self.p):
            if gslfit_is_even(d[j], fmax(fabs(x[j]), fabs(start[j])), norm) and j not in self.held and self._bends(j, True) > 0:
                found += (j,)
        return found

    cdef bint _find_bent(self, const unsigned char *flags, unsigned char *bent) except -1:
        """Note which of the lost parameters chi-square bends up at, as `find_bent` of `src/batch/gsl_refit.c` does; return whether there is
        one.
        """
        cdef Py_ssize_t j
        cdef bint found = False
        for j in range(self.p):
            bent[j] = flags[j] & GSLFIT_LOST and self.bends_up(j)
            found = found or bent[j]
        return found

    cpdef bint straight(self, Py_ssize_t j, double size) except -1:
        """Return whether a parameter changes the residual as its column says, over a move that changes it by a thousandth of `size`: up,
        or down from an upper bound.
        """
        cdef cnp.ndarray trial = copied(numbers(self.x, self.p), self.p)
        cdef double at = data_of(trial)[j], reach = 1e-3 * size / data_of(self.norms)[j]
        data_of(trial)[j] = fmax(data_of(self.lower)[j], fmin(data_of(self.upper)[j], at + reach))
        if data_of(trial)[j] == at:
            data_of(trial)[j] = fmax(data_of(self.lower)[j], at - reach)
        with np.errstate(over="ignore", invalid="ignore"):
            promised = self.J[:, j] * (data_of(trial)[j] - at)
            return length(self.fun(trial) - self.r - promised) < 0.1 * length(promised)

    cdef bint linear_together(self, double size) except -1:
        """Return whether the residual is linear in all parameters together, over moves that change it by about `size`: of each by itself,
        and of all at once.
        """
        cdef cnp.ndarray trial = copied(numbers(self.x, self.p), self.p), change
        cdef Py_ssize_t j
        for j in range(self.p):
            if not data_of(self.norms)[j] > 0 or not self.straight(j, size):
                return False
            data_of(trial)[j] += size / data_of(self.norms)[j]
            if not data_of(trial)[j] <= data_of(self.upper)[j]:
                data_of(trial)[j] = fmax(data_of(self.lower)[j], data_of(self.x)[j] - size / data_of(self.norms)[j])
        with np.errstate(over="ignore", invalid="ignore"):
            promised = self.J @ (trial - self.x)
            change = self.fun(trial) - self.r
            return length(change - promised) < 0.1 * length(promised)

    cdef double _cosine(self, ScaledQR counted, const unsigned char *flags) except -1:
        """Return that of the residual and the columns that count, without those of parameters that a step moves by their last digit at
        most, as `leave_last_digits` of `src/descent/polish.c` does.
        """
        cdef cnp.ndarray along = counted.step(self.r)
        cdef double cosine = counted.effect(data_of(along)) / self.norm()
        cdef list out = [flags[j] != 0 for j in range(self.p)]
        while cosine > GSLFIT_CLOSE:
            more = [j for j in range(self.p) if not out[j] and gslfit_is_last_digit(data_of(along)[j], data_of(self.x)[j])]
            if not more:
                break
            for j in more:
                out[j] = True
            left = ScaledQR(self.J, self.rank_tolerance, out, self.norms, self.r, self.slopes())
            along = left.step(self.r)
            cosine = left.effect(data_of(along)) / self.norm()
        return cosine

    def judge(self, double scale, bint unmoved=False, bint looked=False, bint runs_off=False, double cosine=-1):
        """Ask `src/judgement.h` whether the point is a minimum.

        Parameters
        ----------
        scale : float
            What the residual's rounding is measured by.
        unmoved : bool
            No step changed the model.
        looked : bool
            Silenced parameters were looked at again, and nothing lower was found.
        runs_off : bool
            Chi-square falls along the Jacobian's null space.
        cosine : float
            That of Newton's step, or of derivatives on both sides of a kink, if that is known: it counts, not that of Gauss-Newton's step.

        Returns
        -------
        verdict : str
        success : bool
        silent, lost : tuple of int
            Parameters without effect, and those of them that had one at the start.
        """
        cdef gslfit_evidence e
        memset(&e, 0, sizeof(e))           # what is not said is 0, as in C
        cdef const double *d = data_of(self.norms)
        cdef cnp.ndarray slopes = self.slopes(), begun
        cdef double *slope = data_of(slopes)
        cdef bytes flags = bytes(self.p), bounds = bytes(self.p), bends = bytes(self.p), bending = bytes(self.p)
        cdef unsigned char *nonlinear = <unsigned char *><char *>bending
        cdef unsigned char *said = <unsigned char *><char *>flags
        cdef signed char *on = <signed char *><char *>bounds
        cdef ScaledQR counted = self.decompose()
        cdef DescentState first = self.first
        cdef Py_ssize_t j
        cdef int verdict
        cdef double size
        cdef bint left_out = False
        for j in self.held:
            on[j] = -1 if data_of(self.x)[j] - data_of(self.lower)[j] <= data_of(self.upper)[j] - data_of(self.x)[j] else 1
        e.p, e.residual, e.first_residual = self.p, self.norm(), length(first.problem.r0)
        for j in range(self.p):
            slope[j] = slope[j] / e.residual if e.residual > 0 else 0.
        e.scale = scale * self.differences.precision / EPS
        e.x, e.start = numbers(self.x, self.p), numbers(first.problem.x0, self.p)
        e.norms, e.first_norms, e.slopes, e.bounds = d, data_of(first.first_norms), slope, on
        if first is not self:           # what had next to no effect there, this descent has not taken it from
            begun = copied(e.first_norms, self.p)
            for j in range(self.p):
                if e.first_norms[j] * fmax(fabs(e.x[j]), fabs(e.start[j])) <= GSLFIT_NEGLIGIBLE * fmax(e.residual, e.first_residual):
                    data_of(begun)[j] = 0
            e.first_norms = data_of(begun)
        e.unmoved, e.looked, e.runs_off = unmoved, looked, runs_off
        if e.residual <= GSLFIT_ROUNDING * e.scale:     # a parameter that is next to nothing: linear, or moving what is next to nothing?
            e.bending = nonlinear
            for j in range(self.p):
                size = fmax(fabs(e.x[j]), fabs(e.start[j])) * d[j]
                nonlinear[j] = 0 < size <= GSLFIT_ROUNDING * e.scale and not self.straight(j, e.scale)
        gslfit_sort_columns(&e, said)
        for j in range(self.p):
            left_out = left_out or (said[j] & GSLFIT_SILENT and d[j] > 0)
        if left_out:
            counted = ScaledQR(self.J, self.rank_tolerance, [said[j] != 0 for j in range(self.p)], self.norms, self.r, self.slopes())
        # an error of J turns the span of columns that are nearly dependent by as much more, and the cosine can't be known better
        e.tolerance = fmin(LOOSEST, 10 * self._error() / counted.least()) if counted.rank else 0.
        e.rank, e.cosine = counted.rank, 0
        if cosine >= 0:
            e.cosine = cosine
        elif e.residual > 0:
            e.cosine = self._cosine(counted, said)
        self.cosine = e.cosine
        self.blurred = not e.cosine <= gslfit_cosine_bound(e.residual, e.scale, 0)
        verdict = gslfit_judge(&e, said)
        if verdict == GSLFIT_NO_EFFECT and e.rank == self.p and self.linear_together(e.residual):
            e.linear = 1
            verdict = gslfit_judge(&e, said)
        if gslfit_may_be_bent(<gslfit_verdict>verdict) and self._find_bent(said, <unsigned char *><char *>bends):
            e.bent = <unsigned char *><char *>bends
            verdict = gslfit_judge(&e, said)
        if gslfit_is_success(<gslfit_verdict>verdict) and verdict == GSLFIT_MINIMUM:
            return VERDICTS[verdict], True, (), ()
        silent = tuple([j for j in range(self.p) if said[j] & GSLFIT_SILENT])
        return (VERDICTS[verdict], bool(gslfit_is_success(<gslfit_verdict>verdict)), silent,
                tuple([j for j in silent if said[j] & GSLFIT_LOST]))
