# Contiguous float64 vectors as pointers, and what is done with them over and over. Included by each extension that needs it: taking a
# memoryview costs more than all that is done with one of a fit's short vectors.
cimport numpy as cnp
from libc.math cimport INFINITY, fabs, fmax, isfinite, sqrt

cdef extern from "common/linalg.h" nogil:
    double dot "gslfit_dot"(const double *a, const double *b, long n)
    double gslfit_norm(double sum, const double *a, size_t n, size_t stride)

cnp.import_array()

cdef double SMALL = 1e-2        # share of its uncertainty that a value near zero is measured against
cdef double FELT = 1e-4         # what a change of the residual by its own length counts: chi-square must be settled too


cdef inline bint is_plain(object array) noexcept:
    """Return whether it is a contiguous float64 vector."""
    return (type(array) is cnp.ndarray and cnp.PyArray_TYPE(array) == cnp.NPY_DOUBLE and cnp.PyArray_NDIM(array) == 1
            and cnp.PyArray_ISCARRAY_RO(array))


cdef inline cnp.ndarray new_vector(Py_ssize_t n):
    """Return an array for n numbers, not set."""
    cdef cnp.npy_intp size = n
    return cnp.PyArray_EMPTY(1, &size, cnp.NPY_DOUBLE, 0)


cdef inline cnp.ndarray zeros(Py_ssize_t n, Py_ssize_t p, bint columns):
    """Return an n x p array of zeros, row by row or column by column."""
    cdef cnp.npy_intp[2] shape
    shape[0], shape[1] = n, p
    return cnp.PyArray_ZEROS(2, shape, cnp.NPY_DOUBLE, columns)


cdef inline double *data_of(object array) noexcept:
    """Return where an array's numbers are."""
    return <double *>cnp.PyArray_DATA(array)


cdef double *numbers(object array, Py_ssize_t n) except NULL:
    """Return where the n numbers of a contiguous float64 vector are; anything else is an error."""
    if not (is_plain(array) and cnp.PyArray_DIM(array, 0) == n):
        raise ValueError(f"a contiguous float64 vector of {n} numbers is needed, not {array!r:.60}")
    return <double *>cnp.PyArray_DATA(array)


cdef double norm_of(const double *a, Py_ssize_t n) noexcept nogil:
    """Return the Euclidean norm, safe from overflow and underflow; NaN or infinite where an element is."""
    return gslfit_norm(dot(a, a, n), a, n, 1)


cdef double slope_of(const double *column, double length, const double *r, Py_ssize_t n, double own) noexcept nogil:
    """Return the scalar product of a residual with a column of the Jacobian scaled to length one, from that with the column itself where
    this is in range; 0 for a column without effect."""
    cdef double sum = 0
    cdef Py_ssize_t i
    if not length > 0:
        return 0
    if not 1e-280 < fabs(own) < 1e280:      # 0, or out of range on the way
        for i in range(n):
            sum += column[i] / length * r[i]
        return sum
    return own / length


cdef double relative_size(const double *step, const double *x, const double *d, double norm, Py_ssize_t p) noexcept nogil:
    """Return the largest size of a step: relative to the value, and, less strictly, by what it changes the residual.

    A value that is small beside what changes the residual by its own length, about its uncertainty, is measured against a share of that.
    """
    cdef double worst = 0, own, reach
    cdef Py_ssize_t j
    for j in range(p):
        if step[j] != 0:
            reach = norm / d[j] if d[j] > 0 else 0.
            own = fmax(fabs(x[j]), SMALL * reach)
            worst = fmax(worst, fabs(step[j]) / own if own > 0 else INFINITY)
            if d[j] > 0:
                worst = fmax(worst, FELT * fabs(step[j]) / reach if reach > 0 else INFINITY)
    return worst
