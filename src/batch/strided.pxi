# Arrays as the C core reads and writes them where they lie; who includes this has cnp, np, strided_array, InputError and F8.
from batch cimport (
    KIND_F4, KIND_F8, KIND_I1, KIND_I2, KIND_I4, KIND_I8, KIND_U1, KIND_U2, KIND_U4, KIND_U8, MAX_AXES,
)

# dtypes that are read where they lie, in either byte order; the others are the caller's to convert
KINDS = {"f8": KIND_F8, "f4": KIND_F4, "i1": KIND_I1, "i2": KIND_I2, "i4": KIND_I4, "i8": KIND_I8,
         "u1": KIND_U1, "u2": KIND_U2, "u4": KIND_U4, "u8": KIND_U8, "b1": KIND_U1}


cdef bint fits(cnp.ndarray array, cnp.ndarray y, int last) noexcept:
    """Return whether an array's axes but the last `last` are those of the batch, y's but its last."""
    cdef int k, axes = cnp.PyArray_NDIM(y) - 1
    if cnp.PyArray_NDIM(array) != axes + last:
        return False
    for k in range(axes):
        if cnp.PyArray_DIM(array, k) != cnp.PyArray_DIM(y, k):
            return False
    return True


cdef int view(strided_array *v, cnp.ndarray array, cnp.ndarray y, long points, str name) except -1:
    """Describe an array of shape (..., n), or (n,) for all fits."""
    cdef int k, kind, axes = cnp.PyArray_NDIM(array) - 1
    v.swapped = False
    if array.dtype is F8:                   # what most are, and small fits feel every lookup
        kind = KIND_F8
    else:
        code = f"{array.dtype.kind}{array.dtype.itemsize}"
        if code not in KINDS:
            raise InputError(f"{name} has dtype {array.dtype}, which is not read in place; convert it to float64")
        kind = KINDS[code]
        v.swapped = not array.dtype.isnative
    if axes < 0 or cnp.PyArray_DIM(array, axes) != points or (axes > 0 and not fits(array, y, 1)):
        shape = tuple((<object>y).shape[:-1])
        raise InputError(f"{name} has shape {(<object>array).shape}, and {(*shape, points)} or {(points,)} is needed")
    if axes >= MAX_AXES:
        raise InputError(f"{name} has {axes + 1} dimensions; {MAX_AXES} is the most")
    v.data = <const char *>cnp.PyArray_DATA(array)
    v.kind = kind
    v.axes = axes
    v.step = cnp.PyArray_STRIDE(array, axes)
    for k in range(axes):
        v.shape[k] = cnp.PyArray_DIM(array, k)
        v.strides[k] = cnp.PyArray_STRIDE(array, k)
    return 0


cdef void *out(object given, dtype, cnp.ndarray y, str name, int p=-1, int q=-1) except? NULL:
    """Return where results go, an array of shape (...), with p (..., p), with q too (..., p, q); NULL for None."""
    cdef cnp.ndarray array
    cdef int axes = cnp.PyArray_NDIM(y) - 1
    if given is None:
        return NULL
    array = given
    sound = fits(array, y, (p >= 0) + (q >= 0)) and cnp.PyArray_IS_C_CONTIGUOUS(array) and cnp.PyArray_ISWRITEABLE(array)
    if not sound or (array.dtype is not dtype and array.dtype != dtype) or (p >= 0 and cnp.PyArray_DIM(array, axes) != p) or (
            q >= 0 and cnp.PyArray_DIM(array, axes + 1) != q):
        shape = (*(<object>y).shape[:-1], *(size for size in (p, q) if size >= 0))
        raise InputError(f"{name} must be a writeable contiguous array of {np.dtype(dtype)}, shape {shape}")
    return cnp.PyArray_DATA(array)
