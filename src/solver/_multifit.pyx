# cython: auto_pickle=False
"""GSL's `gsl_multifit_fdfsolver` (lmsder, lmder, lmniel) and the functions it fits, as Python classes."""
include "solver.pxi"

from gslfit.checks import as_float
from gslfit.solvers._function import Function_fdf  # no-cython-lint: for those who look for it beside the solver

from loop cimport gslfit_covar, gslfit_fdfsolver_alloc, gslfit_guard_df, gslfit_guard_f, gslfit_guard_init, gslfit_loop_init


def version():
    """Return the version of the GSL library that is loaded."""
    return gsl.gsl_version.decode()


# --- the solver ---------------------------------------------------------------------------------------------------------------

METHODS = ("lmsder", "lmder", "lmniel")


cdef const gsl.gsl_multifit_fdfsolver_type *type_of(str name):
    if name == "lmsder":
        return gsl.gsl_multifit_fdfsolver_lmsder
    if name == "lmder":
        return gsl.gsl_multifit_fdfsolver_lmder
    return gsl.gsl_multifit_fdfsolver_lmniel


cdef int step(void *solver) noexcept nogil:
    return gsl.gsl_multifit_fdfsolver_iterate(<gsl.gsl_multifit_fdfsolver *>solver)


cdef int copy_jacobian(void *solver, gsl.gsl_matrix *J) noexcept nogil:
    return gsl.gsl_multifit_fdfsolver_jac(<gsl.gsl_multifit_fdfsolver *>solver, J)


def _sizes(arguments):
    """Return the method's name, n and p of alloc(T, n, p) or alloc(n, p)."""
    if len(arguments) == 2:
        arguments = ("lmsder", *arguments)
    if len(arguments) != 3:
        raise InputTypeError("FdfSolver takes (T, n, p) or (n, p): the method, the number of residuals and the number of parameters")
    T, n, p = arguments
    name = T.lower() if isinstance(T, str) else T
    if name not in METHODS:
        raise InputError(f"FdfSolver has no method {T!r}; there are {', '.join(METHODS)}")
    _check_sizes(n, p)
    return name, n, p


cdef class FdfSolver(_Solver):
    """GSL's Levenberg-Marquardt solver `gsl_multifit_fdfsolver`.

    Parameters
    ----------
    T : str
        "lmsder" (scaled, as in MINPACK), "lmder" (the same, unscaled) or "lmniel" (normal equations, Nielsen's damping).
        May be left out: lmsder.
    n, p : int
        Numbers of residuals and parameters.

    Raises
    ------
    InputError
        If there is no such method, or n < p.
    """

    cdef gsl.gsl_multifit_fdfsolver *solver
    cdef gsl.gsl_multifit_function_fdf fdf

    def __cinit__(self, *arguments):
        name, n, p = _sizes(arguments)
        self.n, self.p = n, p
        self.solver = gslfit_fdfsolver_alloc(type_of(name), n, p)
        if (self.solver == NULL or gslfit_guard_init(&self.guard, n, p, 0) or gslfit_loop_init(&self.loop, n, p, 1)):
            raise MemoryError(f"there is no room for a solver of {n} residuals and {p} parameters")
        self.fdf.f, self.fdf.df, self.fdf.params = gslfit_guard_f, gslfit_guard_df, &self.guard
        self.fdf.n, self.fdf.p = n, p
        self.loop.solver.state, self.loop.solver.iterate, self.loop.solver.jacobian = self.solver, step, copy_jacobian
        self.loop.solver.x, self.loop.solver.dx, self.loop.solver.f = self.solver.x, self.solver.dx, self.solver.f

    def __dealloc__(self):
        if self.solver != NULL:
            gsl.gsl_multifit_fdfsolver_free(self.solver)

    cdef int begin(self, const gsl.gsl_vector *x) noexcept nogil:
        return gsl.gsl_multifit_fdfsolver_set(self.solver, &self.fdf, x)

    @classmethod
    def alloc(cls, *arguments):
        """Make a solver: alloc(T, n, p), or alloc(n, p) for lmsder."""
        return cls(*arguments)

    @property
    def name(self):
        """The method's name."""
        return gsl.gsl_multifit_fdfsolver_name(self.solver).decode()

    @property
    def J(self):
        """The Jacobian at the current parameters, ndarray, shape (n, p)."""
        cdef gsl.gsl_matrix m
        self._need(1)
        out = np.empty((self.n, self.p))
        m = matrix_over(out)
        check(gsl.gsl_multifit_fdfsolver_jac(self.solver, &m), "jac")
        if self.guard.scale != 1.0 or self.guard.scaled:
            out /= self.guard.scale*self._units()
        return out

    @property
    def jac(self):
        """The Jacobian at the current parameters, ndarray, shape (n, p)."""
        return self.J

    @property
    def jacobian(self):
        """The Jacobian at the current parameters, ndarray, shape (n, p)."""
        return self.J

    def gradient(self):
        """Return J^T f, the gradient of |f|^2/2, ndarray, shape (p,)."""
        return gradient(self.J, self.f)

    def test_delta(self, epsabs, epsrel):
        """Return SUCCESS if |dx_i| < epsabs + epsrel |x_i| for each i, else CONTINUE.

        Before the first `iterate` dx is zero, and the answer is SUCCESS unless epsabs is 0 where an x_i is 0.
        """
        return test_delta(self.dx, self.x, epsabs, epsrel)

    def test_gradient(self, *arguments):
        """Return SUCCESS if sum_i |g_i| < epsabs, else CONTINUE: test_gradient(epsabs) or test_gradient(g, epsabs)."""
        if len(arguments) == 1:
            return test_gradient(self.gradient(), arguments[0])
        if len(arguments) == 2:
            return test_gradient(*arguments)
        raise InputTypeError("test_gradient takes (epsabs) or (g, epsabs)")

    def covar(self, epsrel=0.0, out=None):
        """Return (J^T J)^-1 at the current parameters, ndarray, shape (p, p): see `covar`."""
        return covar(self.J, epsrel, out)


# --- GSL's functions ----------------------------------------------------------------------------------------------------------

def _output(out, name, shape):
    """Return an array to write into: the caller's, which must fit, or a new one."""
    if out is None:
        return np.zeros(shape)
    if not (isinstance(out, np.ndarray) and out.dtype == np.float64 and out.flags.c_contiguous and out.flags.writeable):
        raise InputTypeError(f"{name} must be a contiguous, writeable float64 array")
    if out.shape != shape:
        raise InputError(f"{name} has shape {out.shape}, and {shape} is needed")
    return out


def _matrix(jac):
    """Return a Jacobian as an array of rows and columns, at least one of each: GSL's BLAS ends the process where there is none."""
    matrix = _floats(jac, "jac")
    if matrix.ndim != 2 or not matrix.size:
        raise InputError(f"jac has shape {matrix.shape}: two dimensions are needed, and at least one row and one column")
    return matrix


def test_delta(dx, x, epsabs, epsrel):
    """Return SUCCESS if |dx_i| < epsabs + epsrel |x_i| for each i, else CONTINUE.

    The comparison is strict: dx_i = 0 with epsabs = 0 at x_i = 0 is CONTINUE.

    Parameters
    ----------
    dx, x : array_like, shape (p,)
        Last step and current position.
    epsabs, epsrel : float
        Absolute and relative tolerance.

    Raises
    ------
    BadToleranceError
        If a tolerance is negative.
    """
    cdef gsl.gsl_vector a, b
    step = _floats(dx, "dx")
    position = _floats(x, "x", step.shape)
    a, b = vector_over(step), vector_over(position)
    epsabs, epsrel = as_float("epsabs", epsabs), as_float("epsrel", epsrel)
    if not (epsabs >= 0.0 and epsrel >= 0.0):           # GSL looks at epsrel only, and not for NaN
        check(gsl.GSL_EBADTOL, "test_delta")
    cdef int status = gsl.gsl_multifit_test_delta(&a, &b, epsabs, epsrel)
    return status if status == gsl.GSL_CONTINUE else check(status, "test_delta")


def test_gradient(g, epsabs):
    """Return SUCCESS if sum_i |g_i| < epsabs, strictly, else CONTINUE.

    Parameters
    ----------
    g : array_like, shape (p,)
        The gradient.
    epsabs : float
        Absolute tolerance.

    Raises
    ------
    BadToleranceError
        If the tolerance is negative.
    """
    cdef gsl.gsl_vector v
    slope = _floats(g, "g")
    v = vector_over(slope)
    epsabs = as_float("epsabs", epsabs)
    if not epsabs >= 0.0:           # NaN too
        check(gsl.GSL_EBADTOL, "test_gradient")
    cdef int status = gsl.gsl_multifit_test_gradient(&v, epsabs)
    return status if status == gsl.GSL_CONTINUE else check(status, "test_gradient")


def gradient(jac, f, g=None):
    """Return the gradient J^T f of |f|^2/2.

    Parameters
    ----------
    jac : array_like, shape (n, p)
        The Jacobian.
    f : array_like, shape (n,)
        The residuals.
    g : ndarray, shape (p,), optional
        Where to put the gradient.

    Returns
    -------
    ndarray, shape (p,)
        The gradient; g itself, if it was given.
    """
    cdef gsl.gsl_matrix J
    cdef gsl.gsl_vector r, out
    matrix = _matrix(jac)
    residual = _floats(f, "f", (matrix.shape[0],))
    result = _output(g, "g", (matrix.shape[1],))
    J, r, out = matrix_over(matrix), vector_over(residual), vector_over(result)
    check(gsl.gsl_multifit_gradient(&J, &r, &out), "gradient")
    return result


def covar(jac, epsrel, covar=None):
    """Return the covariance matrix (J^T J)^-1 of the parameters.

    Computed from the QR decomposition of J with column pivoting. Columns with |R_kk| <= epsrel |R_11| are taken for linearly
    dependent: their rows and columns of the result are zero. The test looks at J's columns as they are, so parameters of very
    different size need a small epsrel; 0 keeps all that are not exactly dependent.

    Parameters
    ----------
    jac : array_like, shape (n, p)
        The Jacobian.
    epsrel : float
        The tolerance of the rank.
    covar : ndarray, shape (p, p), optional
        Where to put the result.

    Returns
    -------
    ndarray, shape (p, p)
        The covariance matrix; `covar` itself, if it was given.

    Raises
    ------
    InputError
        If n < p, or epsrel is negative.
    """
    cdef gsl.gsl_matrix J, out
    matrix = _matrix(jac)
    n, p = matrix.shape
    if n < p:
        raise InputError(f"jac has {n} rows and {p} columns: at least as many rows as columns are needed")
    epsrel = tolerance("epsrel", epsrel)
    result = _output(covar, "covar", (p, p))
    J, out = matrix_over(_finite(matrix, "jac")), matrix_over(result)
    check(gslfit_covar(&J, epsrel, &out), "covar")
    return result
