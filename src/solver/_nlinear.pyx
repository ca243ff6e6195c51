# cython: auto_pickle=False
"""GSL's trust-region solvers, `gsl_multifit_nlinear` and `gsl_multilarge_nlinear`, as Python classes."""
include "solver.pxi"

from gslfit.checks import positive

from loop cimport (
    gslfit_covar, gslfit_guard_df, gslfit_guard_f, gslfit_guard_fvv, gslfit_guard_init, gslfit_guard_product, gslfit_loop_init,
    multifit_mcholesky, multilarge_mcholesky)

cdef extern from "solver/svd.h" nogil:
    const gsl.gsl_multifit_nlinear_solver gslfit_multifit_svd

cdef extern from "solver/subspace.h" nogil:
    const gsl.gsl_multifit_nlinear_trs gslfit_multifit_subspace2D
    const gsl.gsl_multilarge_nlinear_trs gslfit_multilarge_subspace2D

# name -> where GSL has it
_TRS = {
    "lm": <size_t>gsl.gsl_multifit_nlinear_trs_lm,
    "lmaccel": <size_t>gsl.gsl_multifit_nlinear_trs_lmaccel,
    "dogleg": <size_t>gsl.gsl_multifit_nlinear_trs_dogleg,
    "ddogleg": <size_t>gsl.gsl_multifit_nlinear_trs_ddogleg,
    "subspace2D": <size_t>&gslfit_multifit_subspace2D,
}
_SCALE = {
    "more": <size_t>gsl.gsl_multifit_nlinear_scale_more,
    "levenberg": <size_t>gsl.gsl_multifit_nlinear_scale_levenberg,
    "marquardt": <size_t>gsl.gsl_multifit_nlinear_scale_marquardt,
}
_SOLVER = {
    "qr": <size_t>gsl.gsl_multifit_nlinear_solver_qr,
    "cholesky": <size_t>gsl.gsl_multifit_nlinear_solver_cholesky,
    "mcholesky": <size_t>multifit_mcholesky,
    "svd": <size_t>&gslfit_multifit_svd,
}
_LARGE_TRS = {
    "lm": <size_t>gsl.gsl_multilarge_nlinear_trs_lm,
    "lmaccel": <size_t>gsl.gsl_multilarge_nlinear_trs_lmaccel,
    "dogleg": <size_t>gsl.gsl_multilarge_nlinear_trs_dogleg,
    "ddogleg": <size_t>gsl.gsl_multilarge_nlinear_trs_ddogleg,
    "subspace2D": <size_t>&gslfit_multilarge_subspace2D,
    "cgst": <size_t>gsl.gsl_multilarge_nlinear_trs_cgst,
}
_LARGE_SCALE = {
    "more": <size_t>gsl.gsl_multilarge_nlinear_scale_more,
    "levenberg": <size_t>gsl.gsl_multilarge_nlinear_scale_levenberg,
    "marquardt": <size_t>gsl.gsl_multilarge_nlinear_scale_marquardt,
}
_LARGE_SOLVER = {
    "cholesky": <size_t>gsl.gsl_multilarge_nlinear_solver_cholesky,
    "mcholesky": <size_t>multilarge_mcholesky,
    "none": <size_t>gsl.gsl_multilarge_nlinear_solver_none,
}
# the steps without damping need a factorization that survives a singular J^T J
_LARGE_DEFAULT = {"cgst": "none", "dogleg": "mcholesky", "ddogleg": "mcholesky", "subspace2D": "mcholesky"}
_FDTYPE = {"forward": 0, "centred": 1, "centered": 1}

TRS, SCALE, SOLVER = tuple(_TRS), tuple(_SCALE), tuple(_SOLVER)
LARGE_TRS, LARGE_SOLVER = tuple(_LARGE_TRS), tuple(_LARGE_SOLVER)


def _choose(table, name, what):
    """Return the table's entry of that name, or raise an error that lists them."""
    try:
        return table[name]
    except (KeyError, TypeError):
        raise InputError(f"{what} is {name!r}; there are {', '.join(table)}") from None


def _positive(**values):
    """Complain about a number that must be positive and isn't."""
    for name, value in values.items():
        positive(name, value)


cdef int nlinear_step(void *w) noexcept nogil:
    return gsl.gsl_multifit_nlinear_iterate(<gsl.gsl_multifit_nlinear_workspace *>w)


cdef int nlinear_jacobian(void *w, gsl.gsl_matrix *J) noexcept nogil:
    return gsl.gsl_matrix_memcpy(J, (<gsl.gsl_multifit_nlinear_workspace *>w).J)


cdef class NonlinearSolver(_Solver):
    """GSL's trust-region solver `gsl_multifit_nlinear`.

    Parameters
    ----------
    n, p : int
        Numbers of residuals and parameters.
    trs : {"lm", "lmaccel", "dogleg", "ddogleg", "subspace2D"}
        How a step within the trust region is found: Levenberg-Marquardt, the same with geodesic acceleration, (double) dogleg, or
        the two-dimensional subspace.
    scale : {"more", "levenberg", "marquardt"}
        What the trust region measures parameters by.
    solver : {"qr", "cholesky", "mcholesky", "svd"}
        How the linear systems are solved.
    fdtype : {"forward", "centred"}
        Differences for the Jacobian, where the function has none.
    factor_up, factor_down : float
        How much the trust region grows and shrinks.
    avmax : float
        Largest |a|/|v| of an accelerated step.
    h_df : float, optional
        Relative step of the differences for the Jacobian.
    h_fvv : float, optional
        Step, as a multiple of the trial step, of the differences for the second derivative along it, where the function has no fvv. Chosen
        each time, if not given.

    Raises
    ------
    InputError
        If there is no such choice, n < p, or a factor isn't positive.

    Examples
    --------
    >>> import numpy as np
    >>> from gslfit.multifit import Function_fdf, NonlinearSolver
    >>> rosenbrock = Function_fdf.from_callables(lambda x: np.array([10 * (x[1] - x[0]**2), 1 - x[0]]), None, 2, 2)
    >>> solver = NonlinearSolver(2, 2, trs="dogleg")
    >>> solver.set(rosenbrock, [-1.2, 1])
    >>> solver.solve().success, solver.x.round(6).tolist()
    (True, [1.0, 1.0])
    """

    cdef gsl.gsl_multifit_nlinear_workspace *w
    cdef gsl.gsl_multifit_nlinear_fdf fdf
    cdef readonly dict options

    def __cinit__(self, n, p, *, trs="lm", scale="more", solver="qr", fdtype="forward", factor_up=3.0, factor_down=2.0, avmax=0.75,
                  h_df=None, h_fvv=None):
        cdef gsl.gsl_multifit_nlinear_parameters params = gsl.gsl_multifit_nlinear_default_parameters()
        _check_sizes(n, p)
        _positive(factor_up=factor_up, factor_down=factor_down, avmax=avmax)
        _positive(**{name: h for name, h in (("h_df", h_df), ("h_fvv", h_fvv)) if h is not None})
        params.trs = <const gsl.gsl_multifit_nlinear_trs *><size_t>_choose(_TRS, trs, "trs")
        params.scale = <const gsl.gsl_multifit_nlinear_scale *><size_t>_choose(_SCALE, scale, "scale")
        params.solver = <const gsl.gsl_multifit_nlinear_solver *><size_t>_choose(_SOLVER, solver, "solver")
        _choose(_FDTYPE, fdtype, "fdtype")      # differences are the guard's own: it survives residuals that are not finite
        params.factor_up, params.factor_down, params.avmax = factor_up, factor_down, avmax
        self.n, self.p = n, p
        self.options = {"trs": trs, "scale": scale, "solver": solver, "fdtype": fdtype, "factor_up": factor_up,
                        "factor_down": factor_down, "avmax": avmax, "h_df": h_df, "h_fvv": h_fvv}
        self.w = gsl.gsl_multifit_nlinear_alloc(gsl.gsl_multifit_nlinear_trust, &params, n, p)
        if self.w == NULL or gslfit_guard_init(&self.guard, n, p, 0) or gslfit_loop_init(&self.loop, n, p, 1):
            raise MemoryError(f"there is no room for a solver of {n} residuals and {p} parameters")
        self.fdf.f, self.fdf.df, self.fdf.params, self.fdf.n, self.fdf.p = gslfit_guard_f, gslfit_guard_df, &self.guard, n, p
        self.fdf.fvv, self.guard.h_fvv, self.guard.accelerated = gslfit_guard_fvv, h_fvv or 0.0, trs == "lmaccel"
        self.loop.solver.state, self.loop.solver.iterate, self.loop.solver.jacobian = self.w, nlinear_step, nlinear_jacobian
        self.loop.solver.x, self.loop.solver.dx, self.loop.solver.f = self.w.x, self.w.dx, self.w.f

    def __dealloc__(self):
        if self.w != NULL:
            gsl.gsl_multifit_nlinear_free(self.w)

    def _difference(self):
        """Return the solver's own choice of differences, over the function's."""
        return self.options["fdtype"] != "forward", self.options["h_df"]

    cdef int begin(self, const gsl.gsl_vector *x) noexcept nogil:
        return gsl.gsl_multifit_nlinear_init(x, &self.fdf, self.w)

    @property
    def name(self):
        """The name of the method, as GSL has it: family and step."""
        return f"{gsl.gsl_multifit_nlinear_name(self.w).decode()}/{self.trs_name}"

    @property
    def trs_name(self):
        """The name of the step, as GSL has it."""
        return gsl.gsl_multifit_nlinear_trs_name(self.w).decode()

    @property
    def J(self):
        """The Jacobian at the current parameters (weighted, if weights were given), ndarray, shape (n, p)."""
        cdef gsl.gsl_matrix m
        self._need(1)
        out = np.empty((self.n, self.p))
        m = matrix_over(out)
        check(gsl.gsl_matrix_memcpy(&m, self.w.J), "jac")
        if self.guard.scale != 1.0 or self.guard.scaled:
            out /= self.guard.scale*self._units()
        return out

    def gradient(self):
        """Return J^T f, ndarray, shape (p,)."""
        return self.J.T @ self.f

    def covar(self, epsrel=0.0):
        """Return (J^T J)^-1 at the current parameters, ndarray, shape (p, p): GSL's covar, with the rank's tolerance epsrel."""
        cdef gsl.gsl_matrix J, out
        epsrel = tolerance("epsrel", epsrel)
        jac, result = self.J, np.zeros((self.p, self.p))
        J, out = matrix_over(jac), matrix_over(result)
        check(gslfit_covar(&J, epsrel, &out), "covar")
        return result

    def rcond(self):
        """Return the reciprocal condition number of the Jacobian at the current parameters, as the linear solver estimates it."""
        cdef double value = 0.0
        self._need(1)
        check(gsl.gsl_multifit_nlinear_rcond(&value, self.w), "rcond")
        return value

    def avratio(self):
        """Return |a|/|v| of the last accelerated step; 0 without acceleration."""
        self._need(1)
        return gsl.gsl_multifit_nlinear_avratio(self.w)


cdef int large_step(void *w) noexcept nogil:
    return gsl.gsl_multilarge_nlinear_iterate(<gsl.gsl_multilarge_nlinear_workspace *>w)


cdef int large_product(void *workspace, gsl.CBLAS_TRANSPOSE_t transpose, const gsl.gsl_vector *u, gsl.gsl_vector *v) noexcept nogil:
    cdef gsl.gsl_multilarge_nlinear_workspace *w = <gsl.gsl_multilarge_nlinear_workspace *>workspace
    return w.fdf.df(transpose, w.x, u, w.fdf.params, v, NULL)


cdef class LargeSolver(_Solver):
    """GSL's solver for many residuals, `gsl_multilarge_nlinear`: it needs J^T f, J^T J and J u, never the whole Jacobian.

    A function with ``product`` (see `Function_fdf.from_callables`) gives just those. One with df, or none, works too: then the Jacobian is
    kept after all, as a dense array.

    Parameters
    ----------
    n, p : int
        Numbers of residuals and parameters.
    trs : {"lm", "lmaccel", "dogleg", "ddogleg", "subspace2D", "cgst"}
        How a step within the trust region is found; "cgst" (Steihaug and Toint's conjugate gradients) needs no J^T J.
    scale : {"more", "levenberg", "marquardt"}
        What the trust region measures parameters by.
    solver : {"cholesky", "mcholesky", "none"}, optional
        How the linear systems are solved: "none" goes with "cgst", else "mcholesky" is the default for the steps without damping.
    fdtype, factor_up, factor_down, avmax, h_df, h_fvv
        As for `NonlinearSolver`.
    max_iter : int
        Most iterations of cgst within a step; 0 for as many as GSL thinks right.
    tol : float
        Tolerance of cgst.

    Raises
    ------
    InputError
        If there is no such choice, n < p, or a factor isn't positive.
    """

    cdef gsl.gsl_multilarge_nlinear_workspace *w
    cdef gsl.gsl_multilarge_nlinear_fdf fdf
    cdef readonly dict options

    def __cinit__(self, n, p, *, trs="lm", scale="more", solver=None, fdtype="forward", factor_up=3.0, factor_down=2.0, avmax=0.75,
                  h_df=None, h_fvv=None, max_iter=0, tol=1e-6):
        cdef gsl.gsl_multilarge_nlinear_parameters params = gsl.gsl_multilarge_nlinear_default_parameters()
        _check_sizes(n, p)
        _positive(factor_up=factor_up, factor_down=factor_down, avmax=avmax, tol=tol)
        _positive(**{name: h for name, h in (("h_df", h_df), ("h_fvv", h_fvv)) if h is not None})
        if solver is None:
            solver = _LARGE_DEFAULT.get(trs, "cholesky")
        params.trs = <const gsl.gsl_multilarge_nlinear_trs *><size_t>_choose(_LARGE_TRS, trs, "trs")
        params.scale = <const gsl.gsl_multilarge_nlinear_scale *><size_t>_choose(_LARGE_SCALE, scale, "scale")
        params.solver = <const gsl.gsl_multilarge_nlinear_solver *><size_t>_choose(_LARGE_SOLVER, solver, "solver")
        if (trs == "cgst") != (solver == "none"):
            raise InputError(f"solver is {solver!r} and trs is {trs!r}: 'none' and 'cgst' go together only")
        _choose(_FDTYPE, fdtype, "fdtype")
        params.factor_up, params.factor_down, params.avmax = factor_up, factor_down, avmax
        params.max_iter, params.tol = whole("max_iter", max_iter, 0), tol
        self.n, self.p = n, p
        self.options = {"trs": trs, "scale": scale, "solver": solver, "fdtype": fdtype, "factor_up": factor_up,
                        "factor_down": factor_down, "avmax": avmax, "h_df": h_df, "h_fvv": h_fvv, "max_iter": max_iter, "tol": tol}
        self.w = gsl.gsl_multilarge_nlinear_alloc(gsl.gsl_multilarge_nlinear_trust, &params, n, p)
        if self.w == NULL or gslfit_guard_init(&self.guard, n, p, 1) or gslfit_loop_init(&self.loop, n, p, 0):
            raise MemoryError(f"there is no room for a solver of {n} residuals and {p} parameters")
        self.fdf.f, self.fdf.df, self.fdf.params, self.fdf.n, self.fdf.p = gslfit_guard_f, gslfit_guard_product, &self.guard, n, p
        self.fdf.fvv, self.guard.h_fvv, self.guard.accelerated = gslfit_guard_fvv, h_fvv or 0.0, trs == "lmaccel"
        self.loop.solver.state, self.loop.solver.iterate, self.loop.solver.product = self.w, large_step, large_product
        self.loop.solver.x, self.loop.solver.dx, self.loop.solver.f, self.loop.solver.g = self.w.x, self.w.dx, self.w.f, self.w.g
        self.guard.even = trs == "cgst"
        if trs != "cgst":
            self.loop.solver.JTJ = self.w.JTJ

    def __dealloc__(self):
        if self.w != NULL:
            gsl.gsl_multilarge_nlinear_free(self.w)

    def _difference(self):
        """Return the solver's own choice of differences, over the function's."""
        return self.options["fdtype"] != "forward", self.options["h_df"]

    cdef int begin(self, const gsl.gsl_vector *x) noexcept nogil:
        return gsl.gsl_multilarge_nlinear_init(x, &self.fdf, self.w)

    cdef _set(self, f, start, weights):
        if weights is not None and getattr(f, "product", None) is not None:
            raise InputError("weights don't go with a function that has product: J^T J can't be weighted from outside. Weigh the residuals "
                             "and the products in the function")
        _Solver._set(self, f, start, weights)

    @property
    def name(self):
        """The name of the method, as GSL has it: family and step."""
        return f"{gsl.gsl_multilarge_nlinear_name(self.w).decode()}/{self.trs_name}"

    @property
    def trs_name(self):
        """The name of the step, as GSL has it."""
        return gsl.gsl_multilarge_nlinear_trs_name(self.w).decode()

    def gradient(self):
        """Return J^T f, ndarray, shape (p,)."""
        self._need(1)
        return self._in_units(self.w.g, -1) / self.guard.scale / self.guard.scale

    def covar(self):
        """Return (J^T J)^-1 at the current parameters, ndarray, shape (p, p)."""
        cdef gsl.gsl_matrix out
        self._need(1)
        if self.options["trs"] == "cgst":
            raise InputError("trs='cgst' keeps no J^T J to invert: run a solver with another trs from here for one")
        result = np.zeros((self.p, self.p))
        out = matrix_over(result)
        check(gsl.gsl_multilarge_nlinear_covar(&out, self.w), "covar")
        unit = self.guard.scale*self._units()
        return result * unit * unit[:, None]

    def rcond(self):
        """Return the reciprocal condition number of the Jacobian at the current parameters, as the linear solver estimates it."""
        cdef double value = 0.0
        self._need(1)
        if self.options["trs"] == "cgst":
            raise InputError("trs='cgst' keeps no J^T J to judge")
        check(gsl.gsl_multilarge_nlinear_rcond(&value, self.w), "rcond")
        return value

    def avratio(self):
        """Return |a|/|v| of the last accelerated step; 0 without acceleration."""
        self._need(1)
        return gsl.gsl_multilarge_nlinear_avratio(self.w)
