# cython: auto_pickle=False
"""The last digits of one fit by its program: Gauss-Newton steps by QR, without Python in the loop."""
import numpy as np

from gslfit.formula._program import Program
from gslfit.errors import InputError

cimport numpy as cnp
from libc.math cimport NAN
from libc.stdint cimport uintptr_t
from libc.string cimport memcpy

from program cimport MAX_VARIABLES, fit_points, program

cnp.import_array()


include "objective/losses.pxi"


cdef extern from "polish.h" nogil:
    ctypedef struct polished:
        int settled, nfev
        double chisqr, gradient, length
        double *residual
        double *deviations
    ctypedef struct polish_data:
        const fit_points *points
        const double *inputs
        const double *low
        const double *high
    int gslfit_polish(const program *code, const double *start, double *v, const polish_data *data, int most, double *correlations,
                      polished *end)


cdef double *numbers(object array, str name, Py_ssize_t n, Py_ssize_t columns=-1) except? NULL:
    """Return where a contiguous float64 array of shape (n,), or (n, columns), begins; NULL for None."""
    if array is None:
        return NULL
    cdef int axes = 1 if columns < 0 else 2
    if not (isinstance(array, cnp.ndarray) and cnp.PyArray_TYPE(array) == cnp.NPY_DOUBLE and cnp.PyArray_ISNOTSWAPPED(array)
            and cnp.PyArray_IS_C_CONTIGUOUS(array) and cnp.PyArray_NDIM(array) == axes and cnp.PyArray_DIM(array, 0) == n
            and (columns < 0 or cnp.PyArray_DIM(array, 1) == columns)):
        shape = f"({n},)" if columns < 0 else f"({n}, {columns})"
        raise InputError(f"{name} must be a contiguous array of float64 of shape {shape}")
    return <double *>cnp.PyArray_DATA(array)


def polish(code, v, x, y=None, weights=None, inputs=None, residual=None, int most=1000, int loss=0, double scale=1,
           factor=None, start=None):
    """Take Gauss-Newton steps from near a minimum until they are down to rounding.

    Parameters
    ----------
    code : Program
        The model.
    v : ndarray of float64, shape (p,)
        Free variables; moved to the minimum.
    x : sequence of ndarray of float64, each of shape (n,)
        Independent variables.
    y, weights : ndarray of float64, shape (n,), optional
        Data (0), and factors of the residuals (1).
    inputs : ndarray of float64, shape (ninput,), optional
        Per-fit inputs.
    residual : ndarray of float64, shape (n,), optional
        Written: the residuals at the end, if the steps settled.
    most : int, optional
        Of evaluations; there is a limit of its own too.
    loss : int
        What residuals cost: `gslfit.objective.loss.LOSSES` has the numbers.
    scale : float
        Of the loss.
    factor : ndarray of float64, shape (n, n), optional
        A lower triangle, zeros above it, that makes correlated residuals independent.
    start : ndarray of float64, shape (p,), optional
        Where the fit began: what may have come to a place where it enters squared does not settle then.

    Returns
    -------
    settled : bool
        Whether the steps contracted down to rounding, with independent columns.
    deviations : ndarray, shape (p,)
        Roots of the diagonal of ``inv(J.T @ J)`` there; NaN if not settled. Unlike its elements they neither over- nor underflow.
    correlations : ndarray, shape (p, p)
        NaN if not settled.
    length : float
        The root of chi-square.
    nfev : int
        How often the model was evaluated.

    Raises
    ------
    InputError
        If shapes or types don't fit.
    """
    cdef polished end
    cdef fit_points points
    if not isinstance(code, Program):
        raise InputError(f"code must be a Program, not {type(code).__name__}")
    if len(x) != code.nx or len(x) > MAX_VARIABLES:
        raise InputError(f"the program has {code.nx} independent variables, and got {len(x)}")
    cdef long n = len(x[0]) if len(x) else len(y)
    cdef Py_ssize_t p = code.nfree, ninput = code.ninput
    correlations, deviations = np.empty((p, p)), np.empty(p)
    for k, array in enumerate(x):
        points.x[<int>k] = numbers(array, f"x[{k}]", n)
    if (0 if inputs is None else len(inputs)) != ninput:
        raise InputError(f"the program has {ninput} inputs, and got {0 if inputs is None else len(inputs)}")
    cdef double *free = numbers(v, "v", p)
    points.y = numbers(y, "y", n)
    points.weights = numbers(weights, "weights", n)
    points.n = n
    points.loss, points.scale, points.factor = loss_of(loss), scale, numbers(factor, "factor", n, n)
    cdef const double *begun = numbers(start, "start", p)
    cdef double *given = numbers(inputs, "inputs", ninput)
    cdef double *out = <double *>cnp.PyArray_DATA(correlations)
    cdef const program *owned = <const program *><uintptr_t>code.address
    cdef int failed
    cdef polish_data curve
    curve.points, curve.inputs = &points, given
    curve.low = curve.high = NULL
    end.settled = end.nfev = 0
    end.residual = numbers(residual, "residual", n)
    end.chisqr = end.gradient = end.length = NAN
    with nogil:
        failed = gslfit_polish(owned, begun, free, &curve, most, out, &end)
    if failed:
        raise MemoryError
    if end.settled:
        memcpy(cnp.PyArray_DATA(deviations), end.deviations, p*sizeof(double))
    else:
        correlations.fill(np.nan)
        deviations.fill(np.nan)
    return bool(end.settled), deviations, correlations, end.length, end.nfev
