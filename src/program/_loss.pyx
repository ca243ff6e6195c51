# cython: auto_pickle=False
"""The length of a residual, whose square least squares minimise, and what other losses make of points: `src/objective/losses.h` for Python.
"""
import numpy as np

from gslfit.errors import InputError

cimport numpy as cnp
from libc.string cimport memset

from program cimport fit_points

include "common/vectors.pxi"

cdef extern from "objective/losses.h" nogil:
    enum:
        LOSS_LINEAR
        LOSS_SOFT_L1
        LOSS_HUBER
        LOSS_CAUCHY
        LOSS_ARCTAN
        LOSS_TUKEY
        LOSS_POISSON
        ROWS_STEP
        ROWS_BENT
        ROWS_ERRORS
    bint gslfit_is_bounded(int loss)

cdef extern from "objective/counted.h" nogil:
    double GSLFIT_OUT_OF_SIGHT, GSLFIT_FARTHEST
    ctypedef struct gslfit_sizes:
        double scale
    void gslfit_sizes_add(gslfit_sizes *s, const double *numbers, long n)
    double gslfit_sizes_most(const gslfit_sizes *s)
    double gslfit_explained(int loss, double scale, double cost, double count)
    bint gslfit_explains_nothing(double explained, double count, double parameters)

cdef extern from "program/loss_points.h" nogil:
    double gslfit_points_rows(const fit_points *p, int rows, double *values, double *curvatures)

NUMBERS = {"linear": LOSS_LINEAR, "soft_l1": LOSS_SOFT_L1, "huber": LOSS_HUBER, "cauchy": LOSS_CAUCHY, "arctan": LOSS_ARCTAN,
           "tukey": LOSS_TUKEY, "poisson": LOSS_POISSON}
BOUNDED = tuple(name for name in NUMBERS if gslfit_is_bounded(NUMBERS[name]))
STEP, BENT, ERRORS = ROWS_STEP, ROWS_BENT, ROWS_ERRORS
SIGHT = -1
COUNTED, SEEN = GSLFIT_FARTHEST, GSLFIT_OUT_OF_SIGHT        # in scales of the loss: see the header


def length(a):
    """Return the Euclidean norm of a vector, safe from overflow and underflow; NaN where an element is."""
    if not is_plain(a):
        a = np.ascontiguousarray(a, dtype=np.float64).ravel()
    return norm_of(data_of(a), cnp.PyArray_DIM(a, 0))


def explains_nothing(str loss, double scale, double cost, double count, double parameters):
    """Return whether a fit, by twice its cost, has no more of so many points in a bounded loss's sight than its parameters meet anyway."""
    return gslfit_explains_nothing(gslfit_explained(NUMBERS[loss], scale, cost, count), count, parameters)


def rows(str loss, int kind, values, y=None, weights=None, double scale=1):
    """Return what a loss makes of points: slopes and curvatures of the cost, or what the header has in their places.

    Parameters
    ----------
    loss : str
        A name of `NUMBERS` other than "linear".
    kind : int
        `STEP`, `BENT` or `ERRORS`; `SIGHT` for the size beyond which values are out of sight instead of the cost, and nothing else.
    values : array_like, shape (n,)
        Of the model.
    y, weights : array_like, shape (n,), optional
        Data (0), and factors of the residuals (1).
    scale : float
        Of a robust loss.

    Returns
    -------
    slopes, curvatures : ndarray, shape (n,)
    cost : float
        Twice the cost.

    Raises
    ------
    InputError
        If there is no such loss or kind of rows: "linear" has none.
    """
    cdef fit_points points
    cdef gslfit_sizes sizes
    if loss not in NUMBERS or NUMBERS[loss] == LOSS_LINEAR or kind not in (SIGHT, STEP, BENT, ERRORS):
        raise InputError(f"{loss!r} and {kind} are no loss that has rows of its own, and what is asked of them")
    cdef cnp.ndarray numbers = np.array(values, np.float64, order="C").reshape(-1), curvatures = np.empty(numbers.size)
    cdef cnp.ndarray data = None if y is None else np.ascontiguousarray(np.broadcast_to(y, (numbers.size,)), np.float64)
    cdef cnp.ndarray given = None if weights is None else np.ascontiguousarray(np.broadcast_to(weights, (numbers.size,)), np.float64)
    points.n = numbers.size
    points.y = NULL if data is None else <const double *>cnp.PyArray_DATA(data)
    points.weights = NULL if given is None else <const double *>cnp.PyArray_DATA(given)
    points.loss, points.scale, points.factor = NUMBERS[loss], scale, NULL
    if kind < 0:
        memset(&sizes, 0, sizeof(sizes))
        sizes.scale = scale
        gslfit_sizes_add(&sizes, <double *>cnp.PyArray_DATA(numbers), points.n)
        return numbers, curvatures, gslfit_sizes_most(&sizes)
    cost = gslfit_points_rows(&points, kind, <double *>cnp.PyArray_DATA(numbers), <double *>cnp.PyArray_DATA(curvatures))
    return numbers, curvatures, cost
