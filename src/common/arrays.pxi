# Arrays of NumPy and vectors of GSL, checked by name. Included by each extension that needs it.
import numpy as np

from gslfit.errors import InputError, InputTypeError, NonFiniteError

cimport numpy as cnp

cimport gsl

cnp.import_array()


cdef object from_vector(const gsl.gsl_vector *v, double scale):
    """Return a new array with a GSL vector's elements times scale."""
    cdef cnp.npy_intp size = v.size
    cdef cnp.ndarray out = cnp.PyArray_EMPTY(1, &size, cnp.NPY_DOUBLE, 0)
    cdef double *to = <double *>cnp.PyArray_DATA(out)
    cdef size_t i
    for i in range(v.size):
        to[i] = v.data[i * v.stride] * scale
    return out


cdef gsl.gsl_vector vector_over(object array) except *:
    """Return a GSL vector over the memory of a contiguous float64 array."""
    return gsl.gsl_vector_view_array(<double *>cnp.PyArray_DATA(array), cnp.PyArray_SIZE(array)).vector


cdef gsl.gsl_matrix matrix_over(object array) except *:
    """Return a GSL matrix over the memory of a contiguous float64 array."""
    return gsl.gsl_matrix_view_array(<double *>cnp.PyArray_DATA(array), cnp.PyArray_DIM(array, 0), cnp.PyArray_DIM(array, 1)).matrix


def _floats(value, name, shape=None):
    """Return value as a fresh contiguous float64 array; complain by name where it can't be or has another shape."""
    try:
        if np.iscomplexobj(value):
            raise TypeError("complex numbers")
        array = np.array(value, dtype=np.float64, order="C", ndmin=1 if shape is None else len(shape))
    except (TypeError, ValueError, OverflowError) as error:
        raise InputTypeError(f"{name} must be real numbers in an array, not {type(value).__name__}: {error}") from None
    if shape is not None and array.shape != shape:
        raise InputError(f"{name} has shape {array.shape}, and {shape} is needed")
    return array


def _finite(array, name):
    """Complain with the index of the first element that is not finite."""
    bad = np.flatnonzero(~np.isfinite(array))
    if bad.size:
        where = np.unravel_index(bad[0], array.shape)
        index = ", ".join(map(str, where))
        raise NonFiniteError(f"{name}[{index}] is {array[where]}; {bad.size} of {array.size} elements are not finite")
    return array
