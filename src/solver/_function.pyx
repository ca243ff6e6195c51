# cython: auto_pickle=False
"""The caller's residual function, its Jacobian and their data, as GSL's solvers call them."""
include "common/arrays.pxi"

import inspect

from gslfit.checks import is_integer, real, truth, whole

from libc.math cimport NAN
from libc.string cimport memcpy

from loop cimport gslfit_function


cdef int calls_f(const gsl.gsl_vector *x, void *who, gsl.gsl_vector *f) noexcept with gil:
    return (<Calls>who).residual(x, f)


cdef int calls_df(const gsl.gsl_vector *x, void *who, gsl.gsl_matrix *J) noexcept with gil:
    return (<Calls>who).jacobian(x, J)


cdef int calls_fvv(const gsl.gsl_vector *x, const gsl.gsl_vector *v, void *who, gsl.gsl_vector *fvv) noexcept with gil:
    return (<Calls>who).curvature(x, v, fvv)


cdef int calls_product(gsl.CBLAS_TRANSPOSE_t transpose, const gsl.gsl_vector *x, const gsl.gsl_vector *u, void *who, gsl.gsl_vector *v,
                       gsl.gsl_matrix *JTJ) noexcept with gil:
    return (<Calls>who).products(transpose == gsl.CblasTrans, x, u, v, JTJ)


cdef object _as_result(object value, what, tuple shape):
    """Return what a callback returned as a contiguous float64 array; raise where it is no such thing."""
    if value is None or isinstance(value, (str, bytes)) or (isinstance(value, (int, float, complex)) and shape != (1,)):
        raise InputTypeError(f"{what} returned {value!r}, and an array of shape {shape} is needed")
    array = np.asarray(value)
    if array.dtype.kind not in "fiub":
        raise InputTypeError(f"{what} returned an array of {array.dtype}, and real numbers are needed")
    array = np.ascontiguousarray(array, dtype=np.float64)
    if array.shape != shape:
        if len(shape) == 2 and array.shape == shape[::-1]:
            raise InputError(f"{what} has shape {array.shape}, and {shape} is needed: transpose it")
        if len(shape) == 2 or array.size != shape[0]:
            raise InputError(f"{what} has shape {array.shape}, and {shape} is needed")
    return array


cdef class Calls:
    """A function's callbacks as one solver calls them: in C's signatures, the first exception kept."""

    cdef gslfit_function c
    cdef object f, df, fdf, fvv, product, failure, kept
    cdef tuple tail
    cdef bint fill                  # M2's manner: callbacks get the arrays to fill
    cdef readonly bint native       # C functions: no Python runs
    cdef readonly bint normalise
    cdef readonly bint centred
    cdef readonly double h

    @property
    def address(self):
        """Where the C struct with the functions is."""
        return <size_t>&self.c

    def take(self):
        """Return the exception that a callback raised, once."""
        failure, self.failure = self.failure, None
        return failure

    cdef int store_vector(self, object value, object what, gsl.gsl_vector *to) except -1:
        cdef cnp.npy_intp n = to.size
        cdef size_t i
        cdef double *data
        if not (type(value) is cnp.ndarray and cnp.PyArray_TYPE(value) == cnp.NPY_DOUBLE and cnp.PyArray_ISCARRAY_RO(value)
                and cnp.PyArray_NDIM(value) == 1 and cnp.PyArray_DIM(value, 0) == n):
            value = _as_result(value, what, (n,))
        data = <double *>cnp.PyArray_DATA(value)
        if to.stride == 1:
            memcpy(to.data, data, n * sizeof(double))
        else:
            for i in range(to.size):
                to.data[i * to.stride] = data[i]
        return 0

    cdef int store_matrix(self, object value, object what, gsl.gsl_matrix *to) except -1:
        cdef cnp.npy_intp n = to.size1, p = to.size2
        cdef size_t i
        cdef double *data
        if not (type(value) is cnp.ndarray and cnp.PyArray_TYPE(value) == cnp.NPY_DOUBLE and cnp.PyArray_ISCARRAY_RO(value)
                and cnp.PyArray_NDIM(value) == 2 and cnp.PyArray_DIM(value, 0) == n and cnp.PyArray_DIM(value, 1) == p):
            value = _as_result(value, what, (n, p))
        data = <double *>cnp.PyArray_DATA(value)
        if to.tda == to.size2:
            memcpy(to.data, data, n * p * sizeof(double))
        else:
            for i in range(to.size1):
                memcpy(to.data + i * to.tda, data + i * p, p * sizeof(double))
        return 0

    cdef object blank(self, tuple shape):
        """Return an array for a callback to fill; NaN until it does, so that what it leaves out is noticed."""
        return np.full(shape, NAN)

    cdef int residual(self, const gsl.gsl_vector *x, gsl.gsl_vector *f):
        try:
            if not self.fill:
                self.store_vector(self.f(from_vector(x, 1.0)), "the residual", f)
                return gsl.GSL_SUCCESS
            out = self.blank((f.size,))
            if self.f is None:
                self.fdf(from_vector(x, 1.0), *self.tail, out, self.blank((f.size, x.size)))
                returned = None
            else:
                returned = self.f(from_vector(x, 1.0), *self.tail, out)
            self.store_vector(out if returned is None else returned, "the residual", f)
            return gsl.GSL_SUCCESS
        except BaseException as error:
            self.failure = error
            return gsl.GSL_EBADFUNC

    cdef int jacobian(self, const gsl.gsl_vector *x, gsl.gsl_matrix *J):
        try:
            if not self.fill:
                self.store_matrix(self.df(from_vector(x, 1.0)), "the Jacobian", J)
                return gsl.GSL_SUCCESS
            out = self.blank((J.size1, J.size2))
            if self.df is None:
                self.fdf(from_vector(x, 1.0), *self.tail, self.blank((J.size1,)), out)
                returned = None
            else:
                returned = self.df(from_vector(x, 1.0), *self.tail, out)
            self.store_matrix(out if returned is None else returned, "the Jacobian", J)
            return gsl.GSL_SUCCESS
        except BaseException as error:
            self.failure = error
            return gsl.GSL_EBADFUNC

    cdef int curvature(self, const gsl.gsl_vector *x, const gsl.gsl_vector *v, gsl.gsl_vector *fvv):
        try:
            if not self.fill:
                value = self.fvv(from_vector(x, 1.0), from_vector(v, 1.0))
            else:
                out = self.blank((fvv.size,))
                value = self.fvv(from_vector(x, 1.0), from_vector(v, 1.0), *self.tail, out)
                value = out if value is None else value
            self.store_vector(value, "fvv", fvv)
            return gsl.GSL_SUCCESS
        except BaseException as error:
            self.failure = error
            return gsl.GSL_EBADFUNC

    cdef int products(self, bint transpose, const gsl.gsl_vector *x, const gsl.gsl_vector *u, gsl.gsl_vector *v, gsl.gsl_matrix *JTJ):
        try:
            if v != NULL:
                value = self.product(from_vector(x, 1.0), from_vector(u, 1.0), transpose)
                self.store_vector(value, "the product of the transposed Jacobian" if transpose else "the product of the Jacobian", v)
            if JTJ != NULL:
                self.store_matrix(self.product(from_vector(x, 1.0), None, True), "the Jacobian's normal matrix", JTJ)
            return gsl.GSL_SUCCESS
        except BaseException as error:
            self.failure = error
            return gsl.GSL_EBADFUNC


cdef Function_fdf _made(kind, options):
    """Return a new function of a class, which may be a subclass of the caller's: one whose `__new__` returns something else is refused."""
    found = kind(**options)
    if not isinstance(found, Function_fdf):
        raise InputTypeError(f"{kind!r:.100} makes no Function_fdf, but {type(found).__name__}")
    return found


def _again(kind, f, df, fdf, n, p, lean, product, centred, h, fvv, data, counted):
    """Return a function from its pickle."""
    cdef Function_fdf made = _made(kind, {"centred": centred, "h": h, "fvv": fvv})
    made.f, made.df, made.fdf, made.n, made.p, made.lean, made.product = f, df, fdf, n, p, lean, product
    made.data, made.counted = data, counted
    return made


def _callable(value, name):
    """Complain about what can't be called."""
    if value is not None and not callable(value):
        raise InputTypeError(f"{name} must be callable, or None, not {type(value).__name__}")
    return value


def _with_out(callback, count):
    """Return a callback of `count` arguments and an array to fill, for one that returns its array and takes the arguments alone."""
    if callback is None:
        return None
    try:
        arguments = inspect.signature(callback)
    except (TypeError, ValueError):
        return callback
    try:
        arguments.bind(*[None] * (count + 1))
    except TypeError:
        try:
            arguments.bind(*[None] * count)
        except TypeError:
            return callback             # its own error says what is wrong
        return lambda *given: callback(*given[:-1])
    return callback


cdef class Function_fdf:
    """A residual function of p parameters, its Jacobian, and their data.

    Parameters
    ----------
    f : callable
        ``f(x, t, y[, sigma], f_out)`` fills f_out, shape (n,), or returns the residuals; one that returns them may do without f_out.
        Without data: ``f(x, f_out)``. With one object as data: ``f(x, data)`` or ``f(x, data, f_out)``.
    df : callable or None
        ``df(x, t, y[, sigma], jac_out)`` fills jac_out, shape (n, p), or returns it. None: differences of f.
    fdf : callable, optional
        ``fdf(x, t, y[, sigma], f_out, jac_out)`` fills both. GSL has not called it since version 2.0; here it stands in where f or df
        is None.
    p : int
        Number of parameters.
    centred : bool
        Centred differences instead of forward ones, where df is None.
    h : float, optional
        Relative step of the differences.
    fvv : callable, optional
        ``fvv(x, v, t, y[, sigma], out)``: the second derivative along v, for `NonlinearSolver` with trs="lmaccel".

    The arrays that a callback is given are its own: writing into them does the solver no harm.

    Examples
    --------
    >>> import numpy as np
    >>> from gslfit.multifit import FdfSolver, Function_fdf
    >>> function = Function_fdf(lambda x, t, y, f: np.subtract(x[0] * np.exp(-x[1] * t), y, out=f), None, 2)
    >>> t = np.arange(10.0)
    >>> function.set_data(t, 3 * np.exp(-0.5 * t))
    >>> solver = FdfSolver("lmsder", 10, 2)
    >>> solver.set(function, [1, 1])
    >>> solver.solve().success, solver.x.round(6).tolist()
    (True, [3.0, 0.5])
    """

    cdef readonly object f
    cdef readonly object df
    cdef readonly object fdf
    cdef readonly object fvv
    cdef readonly object product
    cdef readonly object n
    cdef readonly object p
    cdef readonly bint centred
    cdef readonly object h
    cdef readonly tuple data
    cdef bint counted                # whether the data say how many residuals there are
    cdef gslfit_function c
    cdef object kept
    cdef bint lean, native

    def __init__(self, *procs, p=None, centred=False, h=None, fvv=None):
        self.data = ()
        self.centred, self.h, self.fvv = truth("centred", centred), None if h is None else real("h", h), _callable(fvv, "fvv")
        if h is not None and not 0 < self.h < 1:
            raise InputError(f"h is {h}: a relative step lies between 0 and 1")
        if procs or p is not None:
            self.set_procs(*procs, **({} if p is None else {"p": p}))

    def __reduce__(self):
        if self.native:
            raise InputTypeError("a Function_fdf of C functions can't be pickled: their addresses mean nothing in another process")
        return _again, (type(self), self.f, self.df, self.fdf, self.n, self.p, self.lean, self.product, self.centred, self.h, self.fvv,
                        self.data, self.counted)

    @classmethod
    def alloc(cls, *procs, **options):
        """Make a function: alloc(), alloc(f, df, p) or alloc(f, df, fdf, p)."""
        return cls(*procs, **options)

    def set_procs(self, *procs, p=None):
        """Take new callbacks: set_procs(f, df, p) or set_procs(f, df, fdf, p)."""
        if p is None and procs and not callable(procs[-1]) and procs[-1] is not None:
            p = procs[-1]
            procs = procs[:-1]
        if not is_integer(p) or not 1 <= p <= 2**62 or not 1 <= len(procs) <= 3:
            raise InputTypeError("Function_fdf takes (f, df, p) or (f, df, fdf, p), with p the number of parameters")
        f, df, fdf = (list(procs) + [None, None])[:3]
        self.f, self.df, self.fdf = _callable(f, "f"), _callable(df, "df"), _callable(fdf, "fdf")
        if self.f is None and self.fdf is None:
            raise InputTypeError("Function_fdf needs f, or fdf in its place")
        self.p, self.lean, self.native, self.product = int(p), False, False, None
        return self

    def set_data(self, *data, sigma=None, **named):
        """Set the data that the callbacks are given after x.

        ``set_data(t, y)`` or ``set_data(t, y, sigma)`` are checked. ``set_data(anything)`` hands over one object as it is, as C's `params`
        and PyGSL's data; four and more objects, or three and a `sigma` by name, are handed over as they are too.

        Parameters
        ----------
        t : sized
            The independent variable: anything with a length.
        y : array_like, shape (n,)
            The observations.
        sigma : array_like, shape (n,), optional
            Their standard deviations.

        Raises
        ------
        InputError
            If the lengths differ, or a sigma is zero or negative.
        NonFiniteError
            If a number is NaN or infinite: the message has its index.
        """
        unknown = set(named) - {"t", "y"}
        if unknown or len(named) not in (0, 2) or (named and data):
            raise InputTypeError(f"set_data takes t, y and sigma by name, or data by position, not {', '.join(sorted(unknown or named))}")
        if named:
            data = (named["t"], named["y"])
        if not data:
            raise InputTypeError("set_data needs data: (t, y), (t, y, sigma), or one object")
        if len(data) == 3 and sigma is None:
            data, sigma = data[:2], data[2]
        if len(data) != 2:
            self.data = data if sigma is None else (*data, sigma)
            self.counted = False
            return
        t, y = data
        self.counted = True
        y = _finite(_floats(y, "y"), "y")
        if y.ndim != 1:
            raise InputError(f"y has shape {y.shape}: one dimension is needed")
        if not y.size:
            raise InputError("y is empty")
        try:
            length = len(t)
        except TypeError:
            raise InputTypeError(f"t must have a length, and {type(t).__name__} has none") from None
        if length != y.size:
            raise InputError(f"t has {length} elements and y has {y.size}")
        numbers = t if isinstance(t, np.ndarray) else np.asarray(t) if isinstance(t, (list, tuple)) else None
        if numbers is not None and numbers.dtype.kind in "fiu":
            t = _finite(_floats(numbers, "t"), "t")
        self.data = (t, y)
        if sigma is None:
            return
        sigma = _finite(_floats(sigma, "sigma"), "sigma")
        if sigma.shape != y.shape:
            self.data = ()
            raise InputError(f"sigma has {sigma.size} elements and y has {y.size}")
        if (sigma <= 0).any():
            index = int(np.argmax(sigma <= 0))
            self.data = ()
            raise InputError(f"sigma[{index}] is {sigma[index]}: a standard deviation is greater than zero")
        self.data = (t, y, sigma)

    @classmethod
    def from_callables(cls, f, df, n, p, *, centred=False, h=None, fvv=None, product=None):
        """Make a function from lean callables, which return what they compute.

        Parameters
        ----------
        f : callable
            ``f(x)`` returns the residuals, shape (n,). Each call gets an array x of its own, shape (p,), float64.
        df : callable or None
            ``df(x)`` returns the Jacobian, shape (n, p). None: differences of f.
        n, p : int
            Numbers of residuals and parameters.
        centred, h
            As for `Function_fdf`.
        fvv : callable, optional
            ``fvv(x, v)`` returns the second derivative along v, shape (n,).
        product : callable, optional
            ``product(x, u, transpose)``, for `LargeSolver`: J u, shape (n,); with transpose J^T u, shape (p,); with u None J^T J, shape
            (p, p).

        Returns
        -------
        Function_fdf
            To be handed to a solver's `set`. The solver scales the residuals internally to about 1 at the start, by a power of two,
            so that their units don't matter.
        """
        cdef Function_fdf self = _made(cls, {"centred": centred, "h": h, "fvv": fvv})
        if not callable(f):
            raise InputTypeError(f"f must be callable, not {type(f).__name__}")
        self.f, self.df, self.product = f, _callable(df, "df"), _callable(product, "product")
        self.n, self.p, self.lean = whole("n", n, 1, 2**62), whole("p", p, 1, 2**62), True
        return self

    @classmethod
    def from_pointers(cls, f, df, n, p, params=None, *, fvv=None, product=None, centred=False, h=None):
        """Make a function from C functions of GSL's own signatures; the fit then runs without the GIL.

        Parameters
        ----------
        f, df, fvv, product : pointer
            ``int f(const gsl_vector *x, void *params, gsl_vector *f)``, ``int df(const gsl_vector *x, void *params, gsl_matrix *J)``,
            ``int fvv(const gsl_vector *x, const gsl_vector *v, void *params, gsl_vector *fvv)``; product, for `LargeSolver`, is GSL's df of
            `gsl_multilarge_nlinear`. Each may be a ctypes function pointer, a cffi function pointer, a numba cfunc, a
            scipy.LowLevelCallable, a PyCapsule named by its C signature, or an address. None for df and fvv: differences of f.
        n, p : int
            Numbers of residuals and parameters.
        params : optional
            What the functions get as `void *params`: an address, a ctypes object or pointer, cffi data, or anything with a buffer, such as
            an array. It is kept alive. None: the user data of a LowLevelCallable or the context of a capsule, else NULL.

        Returns
        -------
        Function_fdf
            To be handed to a solver's `set`.

        Raises
        ------
        InputTypeError
            If a function's C signature is another one, or a pointer can't be made of the object.
        """
        cdef Function_fdf self = _made(cls, {"centred": centred, "h": h})
        if f is None:
            raise InputTypeError("from_pointers needs a pointer to f")
        from gslfit.solvers.pointers import address_of, memory_of
        place, own = address_of(f, "f")
        self.c.f = <int (*)(const gsl.gsl_vector *, void *, gsl.gsl_vector *) noexcept nogil><size_t>place
        if df is not None:
            self.c.df = <int (*)(const gsl.gsl_vector *, void *, gsl.gsl_matrix *) noexcept nogil><size_t>address_of(df, "df")[0]
        if fvv is not None:
            self.c.fvv = (<int (*)(const gsl.gsl_vector *, const gsl.gsl_vector *, void *, gsl.gsl_vector *) noexcept nogil>
                          <size_t>address_of(fvv, "fvv")[0])
        if product is not None:
            self.c.product = <int (*)(gsl.CBLAS_TRANSPOSE_t, const gsl.gsl_vector *, const gsl.gsl_vector *, void *, gsl.gsl_vector *,
                                      gsl.gsl_matrix *) noexcept nogil><size_t>address_of(product, "product")[0]
        memory, alive = (own, None) if params is None else memory_of(params)
        self.c.params = <void *><size_t>memory
        self.kept = (f, df, fvv, product, params, alive)
        self.n, self.p, self.native = whole("n", n, 1, 2**62), whole("p", p, 1, 2**62), True
        return self

    def bind(self, n, p):
        """Return this function as one solver of n residuals and p parameters calls it."""
        cdef Calls calls = Calls.__new__(Calls)
        if self.p is None:
            raise InputError("the Function_fdf has no functions yet: call set_procs(f, df, p) first")
        if self.p != p:
            raise InputError(f"the function has {self.p} parameters, and the solver was made for {p}")
        size = self.n if self.n is not None else len(self.data[1]) if self.data and self.counted else n
        if size != n:
            raise InputError(f"the function has {size} residuals, and the solver was made for {n}")
        calls.centred, calls.h, calls.native = self.centred, self.h or 0.0, self.native
        calls.normalise, calls.fill = self.lean, not self.lean
        if self.native:
            calls.c, calls.kept = self.c, self
        else:
            calls.f, calls.df, calls.fdf, calls.fvv, calls.product, calls.tail = (
                self.f, self.df, self.fdf, self.fvv, self.product, self.data)
            if calls.fill:
                count = 1 + len(self.data)
                calls.f, calls.df, calls.fvv = _with_out(self.f, count), _with_out(self.df, count), _with_out(self.fvv, count + 1)
            calls.c.f, calls.c.params = calls_f, <void *>calls
            if self.df is not None or self.fdf is not None:
                calls.c.df = calls_df
            if self.fvv is not None:
                calls.c.fvv = calls_fvv
            if self.product is not None:
                calls.c.product = calls_product
        calls.c.n, calls.c.p = n, p
        return calls
