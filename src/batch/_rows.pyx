# cython: auto_pickle=False
"""Sums of least squares of many rows at given parameters, and the judgement of parameters that they share."""
import numpy as np

from gslfit.formula._program import Program
from gslfit.errors import FitStatus, InputError

cimport numpy as cnp
from libc.stdint cimport uintptr_t

from judgement cimport (
    GSLFIT_BESIDE, GSLFIT_CLOSE, GSLFIT_FALLEN, GSLFIT_HELD, GSLFIT_LOWER, GSLFIT_NEGLIGIBLE, GSLFIT_ROUNDING, GSLFIT_SILENT, GSLFIT_ZEROS,
    gslfit_bends, gslfit_evidence, gslfit_is_even, gslfit_is_last_digit, gslfit_judge, gslfit_places_beside, gslfit_scale,
    gslfit_sort_columns, gslfit_verdict,
)
from program cimport program

cnp.import_array()


include "objective/losses.pxi"


cdef extern from "batch/packed_rows.h" nogil:
    enum:
        LANES
    ctypedef struct packed_rows:
        const program *program
        long rows, points
        const double *x[16]
        int own[16]
        const double *y
        const double *weights
        const double *response
        int loss
        const double *scale
        double least
    ctypedef struct packed_sums:
        const double *v
        const double *inputs
        double *cost
        double *g
        double *H
        double *squared
    int gslfit_packed_sums(const packed_rows *rows, const packed_sums *to, long first, long last)

cdef extern from "lanes/lanes.h" nogil:
    int FIT_CONVERGED
    int gslfit_status_of_verdict(gslfit_verdict verdict, const unsigned char *flags, int p, int rank, int converged)

cdef extern from "parameters/bounds.h" nogil:
    double gslfit_bound_interior(double start, double low, double high, double inside, double beside)
    double gslfit_bound_step_inside(double given, double start, double residual, double column, double share, double alike)

cdef extern from "objective/losses.h" nogil:
    double GSLFIT_LEAST_CURVATURE

SIDE_BY_SIDE = <int>LANES
# of src/common/judgement.h and src/objective/losses.h
HELD, SILENT = GSLFIT_HELD, GSLFIT_SILENT       # the flags of a parameter that its bound holds, and of one without effect
CLOSE, NEGLIGIBLE, FALLEN, LOWER, BESIDE = GSLFIT_CLOSE, GSLFIT_NEGLIGIBLE, GSLFIT_FALLEN, GSLFIT_LOWER, GSLFIT_BESIDE
ROUNDING, ZEROS = GSLFIT_ROUNDING, GSLFIT_ZEROS
LEAST_CURVATURE = GSLFIT_LEAST_CURVATURE


def interior(start, low, high, double inside, double beside):
    """Return start values strictly inside their bounds, where they lie on one.

    Parameters
    ----------
    start, low, high : ndarray of float64, each of one shape
        Bounds are infinite where there are none.
    inside, beside : float
        `INSIDE` and `NEAR` of `gslfit.parameters.bounds`.

    Returns
    -------
    ndarray of that shape
    """
    found, least, most = (np.array(each, np.float64, order="C") for each in np.broadcast_arrays(start, low, high))
    cdef double *value = <double *>cnp.PyArray_DATA(found)
    cdef const double *bottom = <const double *>cnp.PyArray_DATA(least)
    cdef const double *top = <const double *>cnp.PyArray_DATA(most)
    cdef Py_ssize_t k
    for k in range(found.size):
        value[k] = gslfit_bound_interior(value[k], bottom[k], top[k], inside, beside)
    return found


def steps_inside(given, start, residuals, columns, double share, double alike):
    """Return how far inside starts on bounds are to begin, by what changes residuals by their share.

    Parameters
    ----------
    given, start, residuals, columns : ndarray of float64, each of one shape
        Where they lie, and where they begin by guess; the lengths of residuals there, and of the columns.
    share, alike : float
        `SHARE` and `ALIKE` of `gslfit.parameters.bounds`.

    Returns
    -------
    ndarray of that shape
        0 where the guess is good enough, or nothing is known.
    """
    from_, to, lengths, norms = (np.array(each, np.float64, order="C") for each in np.broadcast_arrays(given, start, residuals, columns))
    cdef double *value = <double *>cnp.PyArray_DATA(from_)
    cdef const double *guess = <const double *>cnp.PyArray_DATA(to)
    cdef const double *length = <const double *>cnp.PyArray_DATA(lengths)
    cdef const double *norm = <const double *>cnp.PyArray_DATA(norms)
    cdef Py_ssize_t k
    for k in range(from_.size):
        value[k] = gslfit_bound_step_inside(value[k], guess[k], length[k], norm[k], share, alike)
    return from_


def last_digits(step, x):
    """Return which parameters x a step moves by their last digit at most, but moves: ndarray of bool, of the shape of either."""
    by, at = (np.array(each, np.float64, order="C") for each in np.broadcast_arrays(step, x))
    found = np.zeros(by.shape, np.uint8)
    cdef const double *move = <const double *>cnp.PyArray_DATA(by)
    cdef const double *value = <const double *>cnp.PyArray_DATA(at)
    cdef unsigned char *last = <unsigned char *>cnp.PyArray_DATA(found)
    cdef Py_ssize_t k
    for k in range(by.size):
        last[k] = gslfit_is_last_digit(move[k], value[k])
    return found.view(bool)


def is_even(columns, sizes, lengths):
    """Return of which parameters the columns are next to none in how chi-square bends up at them, by their sizes and the lengths of the
    residuals: ndarray of bool, of the shape of each.
    """
    norms, reach, r = (np.ascontiguousarray(each, np.float64) for each in (columns, sizes, lengths))
    if norms.shape != reach.shape or norms.shape != r.shape:
        raise InputError(f"all arrays must have the shape {norms.shape}")
    found = np.zeros(norms.shape, np.uint8)
    cdef const double *norm = <const double *>cnp.PyArray_DATA(norms)
    cdef const double *size = <const double *>cnp.PyArray_DATA(reach)
    cdef const double *length = <const double *>cnp.PyArray_DATA(r)
    cdef unsigned char *even = <unsigned char *>cnp.PyArray_DATA(found)
    cdef Py_ssize_t k
    for k in range(norms.size):
        even[k] = gslfit_is_even(norm[k], size[k], length[k])
    return found.view(bool)


def places_beside(x, reach, low, high):
    """Return the places beside parameters where `bends` wants to know the lengths of residuals, (4, ...), and where there are such: ndarray
    of bool; of arrays of one shape.
    """
    at, far, least, most = (np.array(each, np.float64, order="C") for each in np.broadcast_arrays(x, reach, low, high))
    found, there = np.empty((4, at.size)), np.zeros(at.shape, np.uint8)
    cdef const double *value = <const double *>cnp.PyArray_DATA(at)
    cdef const double *by = <const double *>cnp.PyArray_DATA(far)
    cdef const double *lower = <const double *>cnp.PyArray_DATA(least)
    cdef const double *upper = <const double *>cnp.PyArray_DATA(most)
    cdef double *to = <double *>cnp.PyArray_DATA(found)
    cdef unsigned char *good = <unsigned char *>cnp.PyArray_DATA(there)
    cdef double[4] four
    cdef Py_ssize_t k, i, count = at.size
    for k in range(count):
        good[k] = gslfit_places_beside(value[k], by[k], lower[k], upper[k], four)
        for i in range(4):
            to[i*count + k] = four[i] if good[k] else value[k]
    return found.reshape(4, *at.shape), there.view(bool)


def bends(lengths, beside, roundings):
    """Return where chi-square bends up, ndarray of bool (k), by the lengths of residuals, (k), those beside them, (4, k), as `gslfit_bends`
    takes them, and what rounding leaves of them, (k).
    """
    cdef Py_ssize_t k, i, count = len(lengths)
    if beside.shape != (4, count) or len(roundings) != count:
        raise InputError(f"lengths at four places beside {count} are needed")
    cdef double[4] four
    found = np.zeros(count, bool)
    for k in range(count):
        for i in range(4):
            four[i] = beside[i, k]
        found[k] = gslfit_bends(lengths[k], four, roundings[k])
    return found


cdef object aligned(tuple shape):
    """Return an array of zeros that begins where the widest vectors may."""
    size = 1
    for each in shape:
        size *= each
    room = np.zeros(size + LANES)
    first = (-<Py_ssize_t>cnp.PyArray_DATA(room)//sizeof(double)) % LANES
    return room[first:first + size].reshape(shape)


cdef object packed(object array, long rows, long points, double rest):
    """Return rows (m, n) as blocks of lanes, (rows/LANES, n, LANES); (n,) spread over the lanes, (1, n, LANES)."""
    wide = np.atleast_2d(array)
    if wide.shape[1] != points or (array.ndim > 1 and len(wide) > rows):
        raise InputError(f"rows of {points} points are needed, not {array.shape}")
    if array.ndim == 1:
        found = aligned((1, points, LANES))
        found[...] = array[:, None]
        return found
    found = aligned((rows//LANES, points, LANES))
    whole = len(wide)//LANES
    found[:whole] = wide[:whole*LANES].reshape(whole, LANES, points).transpose(0, 2, 1)
    left = len(wide) - whole*LANES
    if left:
        found[whole, :, :left] = wide[whole*LANES:].T
        found[whole, :, left:] = wide[-1:].T if rest != rest else rest
    return found


cdef const double *numbers(object array, Py_ssize_t size, str name) except? NULL:
    """Return where the numbers of a contiguous float64 array are; NULL for None."""
    if array is None:
        return NULL
    if array.dtype != np.float64 or array.size != size or not array.flags.c_contiguous:
        raise InputError(f"{name} must be a contiguous array of {size} float64")
    return <const double *>cnp.PyArray_DATA(array)


cdef class Rows:
    """Data of many fits of one program, packed as the lanes have them.

    Parameters
    ----------
    code : Program
    y : ndarray, shape (m, n)
    x : sequence of ndarray, each (n,) or (m, n)
        All numbers are finite; those of points that take no part too.
    weights : ndarray, shape (n,) or (m, n), or None
        0 where a point takes no part.
    loss : int
        What residuals cost: `gslfit.objective.loss.LOSSES` has the numbers.
    response : ndarray, shape (m, k), optional
        That of each row, where the program's has no numbers.

    Attributes
    ----------
    count, size : int
        How many rows there are, and with those that fill up the last lanes.
    """

    cdef packed_rows rows
    cdef object kept, code
    cdef readonly long count, size

    def __init__(self, code, y, x, weights=None, int loss=0, response=None):
        if not isinstance(code, Program) or len(x) != code.nx:
            raise InputError(f"a Program is needed, and as many independent variables as it has, not {len(x)}")
        cdef long points = y.shape[1]
        cdef int j
        if y.ndim != 2:
            raise InputError(f"y of shape (m, n) is needed, not {y.shape}")
        cdef long count = len(y), size = (count + LANES - 1)//LANES*LANES
        if weights is None and count % LANES:
            weights = np.ones(points)
        if weights is not None and weights.ndim == 1:
            weights = np.broadcast_to(weights, y.shape)
        self.rows.response = NULL
        if code.response is not None:
            if points != code.response[0].size or (code.response[1] is None and (response is None or len(response) != count)):
                raise InputError(f"rows of {code.response[0].size} points are needed, and a response of each where they have their own")
        arrays = [packed(y, size, points, 0.0), None if weights is None else packed(weights, size, points, 0.0),
                  *(packed(array, size, points, np.nan) for array in x)]
        own = [array.ndim > 1 and len(array) == count for array in x]
        if not all(own[j] or x[j].ndim == 1 for j in range(len(own))) or (weights is not None and len(weights) != count):
            raise InputError(f"variables and weights of {count} rows are needed, or variables that all of them share")
        for j in range(len(own)):
            self.rows.x[j], self.rows.own[j] = <const double *>cnp.PyArray_DATA(arrays[2 + j]), own[j]
        self.kept, self.code, self.count, self.size = arrays, code, count, size
        self.rows.program = <const program *><uintptr_t>code.address
        self.rows.rows, self.rows.points, self.rows.loss = size, points, loss_of(loss)
        self.rows.y = <const double *>cnp.PyArray_DATA(arrays[0])
        if code.response is not None and code.response[1] is None:
            arrays.append(packed(response, size, code.response[2], 0.0))
            self.rows.response = <const double *>cnp.PyArray_DATA(arrays[len(arrays) - 1])
        self.rows.weights = NULL if weights is None else <const double *>cnp.PyArray_DATA(arrays[1])

    def __reduce__(self):
        raise TypeError("Rows can't be pickled: make them anew from their data")

    def sums(self, v, inputs, cost, g, H, *, long first=0, last=None, scale=None, double least=0, squared=None):
        """Work out the sums of each row.

        Parameters
        ----------
        v : ndarray, shape (p, size)
            The free variables.
        inputs : ndarray, shape (ninput, size)
        cost, g, H : ndarray, shapes (size,), (p, size) and (p*(p + 1)/2, size)
            Written: chi-square, or what a loss has in its place; J^T r; J^T J, its lower triangle by rows.
        first, last : int
            Which blocks of lanes; all of them, if not given.
        scale : ndarray, shape (size,), optional
            Of a robust loss.
        least : float
            Share of the curvature by its slope that a robust loss has at least.
        squared : ndarray of the shape of H, optional
            Written: the products of derivatives by the slopes' square. Then H has those by the curvature as it is, g is not written, and
            the cost is that of least squares.
        """
        cdef packed_sums to
        cdef packed_rows rows = self.rows
        if self.code is None or any(array is None for array in (v, inputs, cost, g, H)):
            raise InputError("rows that were made, and v, inputs, cost, g and H are needed")
        cdef long p = self.code.nfree, size = self.size, end = size//LANES if last is None else last
        cdef int failed
        if not 0 <= first <= end <= size//LANES:
            raise InputError(f"there are {size//LANES} blocks, and none from {first} to {end}")
        to.v, to.inputs = numbers(v, p*size, "v"), numbers(inputs, self.code.ninput*size, "inputs")
        to.cost, to.g = <double *>numbers(cost, size, "cost"), <double *>numbers(g, p*size, "g")
        to.H, to.squared = <double *>numbers(H, p*(p + 1)//2*size, "H"), <double *>numbers(squared, p*(p + 1)//2*size, "squared")
        rows.scale, rows.least = numbers(scale, size, "scale"), least
        with nogil:
            failed = gslfit_packed_sums(&rows, &to, first, end)
        if failed:
            raise MemoryError


def judge(x, start, norms, first_norms, slopes, bounds, *, double residual, double first_residual, double scale, bint linear,
          cosine_and_rank, bint looked=False, bent=None):
    """Say whether a point is a minimum, by `src/common/judgement.h`.

    Parameters
    ----------
    x, start, norms, first_norms, slopes : ndarray, shape (p,)
        The parameters at the end and at the start; the lengths of the Jacobian's columns there; cosines of the columns and the residual.
    bounds : ndarray of int8, shape (p,)
        -1 on the lower bound, 1 on the upper one, else 0.
    residual, first_residual : float
        The lengths of the residual, at the end and at the start.
    scale : float
        The length of the data; 0 where all are zero, and what the model was at the start counts.
    linear : bool
        The model is linear in all parameters together, those that are judged and the others.
    cosine_and_rank : callable
        Called with a mask of the columns that count, returns the cosine of the residual with their span, and how many of them are
        independent.
    looked : bool
        A fit from elsewhere has found nothing lower, whatever a bound silences.
    bent : ndarray of bool, shape (p,), optional
        Parameters that chi-square bends up at, though their columns are next to none.

    Returns
    -------
    status : FitStatus
    flags : ndarray of uint8, shape (p,)
        Not 0 for a parameter that is held at a bound or has no effect.
    """
    cdef gslfit_evidence e
    cdef int p = len(x)
    arrays = [np.ascontiguousarray(each, np.float64) for each in (x, start, norms, first_norms, slopes)]
    sides, flags = np.ascontiguousarray(bounds, np.int8), np.zeros(p, np.uint8)
    even = np.zeros(p, np.uint8) if bent is None else np.ascontiguousarray(bent, np.uint8)
    if {each.shape for each in (*arrays, sides, even)} != {(p,)}:
        raise InputError(f"all arrays must have the shape {(p,)}")
    e.x, e.start, e.norms = numbers(arrays[0], p, "x"), numbers(arrays[1], p, "start"), numbers(arrays[2], p, "norms")
    e.first_norms, e.slopes = numbers(arrays[3], p, "first_norms"), numbers(arrays[4], p, "slopes")
    e.bounds = <const signed char *>cnp.PyArray_DATA(sides)
    e.p, e.residual, e.first_residual, e.tolerance = p, residual, first_residual, 0
    e.bent, e.bending = <const unsigned char *>cnp.PyArray_DATA(even), NULL
    e.unmoved = e.runs_off = e.unseen = e.plain = 0
    e.looked = looked
    e.linear = linear
    within = float(np.max(arrays[2]*np.abs(arrays[0]), initial=0.0))
    e.scale = gslfit_scale(scale, within) if scale > 0 else GSLFIT_ZEROS*first_residual
    cdef unsigned char *marks = <unsigned char *>cnp.PyArray_DATA(flags)
    gslfit_sort_columns(&e, marks)
    e.cosine, e.rank = cosine_and_rank((flags == 0) & (even == 0))
    cdef gslfit_verdict verdict = gslfit_judge(&e, marks)
    flags[(flags == 0) & (even != 0)] = GSLFIT_SILENT
    return FitStatus(gslfit_status_of_verdict(verdict, marks, p, e.rank, FIT_CONVERGED)), flags
