# cython: auto_pickle=False
"""Profiles of chi-square by a program: arrays in, limits out; and refits of one row with parameters held."""
import numpy as np

from gslfit.formula._program import Program
from gslfit.errors import InputError

cimport numpy as cnp
from libc.stdint cimport int8_t, int64_t, uint64_t, uintptr_t

from batch cimport MAX_INPUTS, row_source, strided_array
from program cimport program

cnp.import_array()
F8, I4, I1 = np.dtype(np.float64), np.dtype(np.intc), np.dtype(np.int8)


include "batch/strided.pxi"
include "objective/losses.pxi"


cdef extern from "profile/profile.h" nogil:
    enum:
        MAX_LEVELS
        LIMIT_TURNS
        LIMIT_NONE
        LIMIT_FOUND
        LIMIT_BEYOND_BOUND
        LIMIT_IN_DOUBT
    ctypedef struct profile_job:
        const program *program
        long rows
        row_source source
        const strided_array *inputs
        const double *low
        const double *high
        int own
        const double *best
        int count
        const double *rises
        int known, profiled
        const int *which
        double straight, lower, beyond
        int exchanges
        const int *orders
        double *limits
        int8_t *status
        int64_t evaluations
    int gslfit_profile_run(profile_job *job)
    ctypedef struct refit_job:
        const program *program
        row_source source
        const strided_array *inputs
        const double *low
        const double *high
        uint64_t held
        const uint64_t *holds
        double enough, share, floor
        long count
        double *v
        double *chisqr
        int8_t *settled
    int gslfit_profile_refit(refit_job *job)

LEVELS, TURNS = MAX_LEVELS, LIMIT_TURNS
STATUSES = {"NONE": LIMIT_NONE, "FOUND": LIMIT_FOUND, "BEYOND_BOUND": LIMIT_BEYOND_BOUND, "IN_DOUBT": LIMIT_IN_DOUBT}


cdef void *sound(object array, dtype, tuple shape, str name) except? NULL:
    """Return where a contiguous array begins."""
    if array.dtype != dtype or array.shape != shape or not array.flags.c_contiguous:
        raise InputError(f"{name} must be a contiguous array of {dtype} of shape {shape}, not {array.dtype} of {array.shape}")
    return cnp.PyArray_DATA(array)


cdef class _Rows:
    """The rows of data of a job, and the per-fit inputs."""

    cdef row_source source
    cdef strided_array inputs[64]
    cdef object kept

    def __cinit__(self, code, cnp.ndarray y not None, x, weights, bint errors, mask, bint omit, int loss, inputs, response):
        cdef int k
        cdef long points = cnp.PyArray_DIM(y, cnp.PyArray_NDIM(y) - 1)
        if not isinstance(code, Program):
            raise InputError(f"code must be a Program, not {type(code).__name__}")
        if len(x) != code.nx or len(inputs) != code.ninput or code.ninput > MAX_INPUTS:
            raise InputError(f"the program has {code.nx} independent variables and {code.ninput} inputs, "
                             f"and got {len(x)} and {len(inputs)}")
        self.kept = (y, list(x), weights, mask, [np.asarray(array)[..., None] for array in inputs])
        self.source.points, self.source.nx, self.source.omit, self.source.loss = points, code.nx, omit, loss_of(loss)
        self.source.weighted = 0 if weights is None else 2 if errors else 1
        self.source.masked = mask is not None
        view(&self.source.y, y, y, points, "y")
        for k, array in enumerate(x):
            view(&self.source.x[k], array, y, points, f"x[{k}]")
        if weights is not None:
            view(&self.source.weights, weights, y, points, "yerr" if errors else "weights")
        if mask is not None:
            view(&self.source.mask, mask, y, points, "mask")
        for k, array in enumerate(self.kept[4]):
            view(&self.inputs[k], array, y, 1, f"inputs[{k}]")
        if code.response is not None and code.response[1] is None:
            if response is None:
                raise InputError("each fit has a response of its own, and none is given")
            view(&self.source.response, response, y, code.response[2], "response")
            self.kept = (*self.kept, response)


def profiles(code, y, x, best, rises, which, *, low, high, bint known, double straight, double lower, double beyond, weights=None,
             bint errors=False, mask=None, bint omit=False, inputs=(), int loss=0, orders=None, response=None):
    """Find where the profiles of chi-square of many fits cross levels.

    Parameters
    ----------
    code : Program
        The model.
    y : ndarray, shape (..., n)
        The data, of so many rows in C order.
    x : sequence of ndarray, each of shape (n,) or (..., n)
    best : ndarray of float64, shape (rows, p)
        The minima.
    rises : ndarray of float64, shape (rows, levels)
        What the levels lie above them, in units of what one standard error adds to chi-square; they increase. A row whose first is NaN has
        no limits.
    which : ndarray of intc, shape (k,)
        The parameters whose profiles are wanted.
    low, high : ndarray of float64, shape (p,) or (rows, p)
        Bounds, infinite for none.
    known : bool
        Whether that unit is 1; else it is the reduced chi-square.
    straight, lower, beyond : float
        `STRAIGHT`, `MINIMUM` and `BEYOND` of `gslfit.confidence`: what is bent, another minimum, and within reach.
    weights, errors, mask, omit, inputs, loss, response
        As `gslfit.curves._batch.run` takes them.
    orders : ndarray of intc, shape (m, p), optional
        Exchanges of parameters that leave the model as it is.

    Returns
    -------
    limits : ndarray of float64, shape (rows, k, 2, levels)
        Lower and upper ones.
    status : ndarray of int8, shape (rows, k, 2, levels)
        What they are worth: see `STATUSES`. All limits of a row are in doubt together.
    evaluations : int
    """
    cdef profile_job job
    cdef _Rows rows = _Rows(code, y, x, weights, errors, mask, omit, loss, inputs, response)
    cdef int ended
    p, (count, levels) = code.nfree, rises.shape
    orders = np.empty((0, p), np.intc) if orders is None else orders
    if not 0 < levels <= MAX_LEVELS:
        raise InputError(f"there are {levels} levels, and 1 to {MAX_LEVELS} can be looked for")
    if len(which) and not 0 <= min(which) <= max(which) < p:
        raise InputError(f"parameters are numbered from 0 to {p - 1}, not {list(which)}")
    job.program = <const program *><uintptr_t>code.address
    job.source, job.inputs = rows.source, rows.inputs
    job.rows, job.count, job.known, job.profiled, job.exchanges = count, levels, known, len(which), len(orders)
    job.straight, job.lower, job.beyond = straight, lower, beyond
    job.own = low.ndim > 1
    box = (count, p) if job.own else (p,)
    job.low, job.high = <const double *>sound(low, F8, box, "low"), <const double *>sound(high, F8, box, "high")
    job.best = <const double *>sound(best, F8, (count, p), "best")
    job.rises = <const double *>sound(rises, F8, (count, levels), "rises")
    job.which = <const int *>sound(which, I4, (len(which),), "which")
    job.orders = <const int *>sound(orders, I4, (len(orders), p), "orders")
    limits, status = np.empty((count, len(which), 2, levels)), np.empty((count, len(which), 2, levels), np.int8)
    job.limits, job.status, job.evaluations = <double *>cnp.PyArray_DATA(limits), <int8_t *>cnp.PyArray_DATA(status), 0
    with nogil:
        ended = gslfit_profile_run(&job)
    if ended < 0:
        raise MemoryError
    return limits, status, job.evaluations


def refits(code, y, x, v, held, *, low, high, double enough, double share, double floor, weights=None, inputs=(), int loss=0):
    """Refit one row from many starts, with some parameters held where each start has them.

    Parameters
    ----------
    code : Program
    y : ndarray, shape (n,)
    x : sequence of ndarray, each of shape (n,)
    v : ndarray of float64, shape (m, p)
        The starts; where chi-square is lowest is written over them.
    held : sequence of int
        The parameters that stay.
    low, high : ndarray of float64, shape (p,)
        Bounds, infinite for none.
    enough, share, floor : float
        A decrease of chi-square that is not worth a step: `enough`, or `share` of the rise above `floor`.
    weights, inputs, loss
        As `gslfit.curves._batch.run` takes them.

    Returns
    -------
    chisqr : ndarray of float64, shape (m,)
        NaN where the model isn't finite at a start.
    settled : ndarray of bool, shape (m,)
        Whether the lowest place was found.
    """
    cdef refit_job job
    cdef _Rows rows = _Rows(code, y, x, weights, False, None, False, loss, inputs, None)
    cdef int ended
    p, count = code.nfree, len(v)
    job.program = <const program *><uintptr_t>code.address
    job.source, job.inputs = rows.source, rows.inputs
    job.low, job.high = <const double *>sound(low, F8, (p,), "low"), <const double *>sound(high, F8, (p,), "high")
    job.held, job.holds = 0, NULL
    for k in held:
        job.held |= <uint64_t>1 << <int>k
    job.enough, job.share, job.floor, job.count = enough, share, floor, count
    chisqr, settled = np.empty(count), np.empty(count, np.int8)
    job.v = <double *>sound(v, F8, (count, p), "v")
    job.chisqr, job.settled = <double *>cnp.PyArray_DATA(chisqr), <int8_t *>cnp.PyArray_DATA(settled)
    with nogil:
        ended = gslfit_profile_refit(&job)
    if ended < 0:
        raise MemoryError
    return chisqr, settled.astype(bool)
