# What FdfSolver, NonlinearSolver and LargeSolver share. Included by each extension, so that these meet at C structs only.
include "common/arrays.pxi"
include "common/interpreter.pxi"

from gslfit.checks import is_integer, tolerance, truth, whole
from gslfit.errors import FitStatus
from gslfit.errors import check as checked
from gslfit.solvers.termination import Termination, sentence

from cpython.exc cimport PyErr_CheckSignals
from libc.math cimport isfinite
from libc.string cimport memcpy

from loop cimport (
    GSLFIT_BAD_SQUARE, gslfit_function, gslfit_guard, gslfit_guard_free, gslfit_guard_prepare, gslfit_guard_start, gslfit_loop,
    gslfit_loop_free, gslfit_run)


def _check_sizes(n, p):
    """Complain about numbers of residuals and parameters that no fit can have."""
    if type(n) is not int or type(p) is not int:
        for name, size in (("n", n), ("p", p)):
            if not is_integer(size):
                raise InputTypeError(f"{name} must be an integer, not {type(size).__name__}")
    if p < 1:
        raise InputError(f"p is {p}: a fit needs a parameter")
    if n < p:
        raise InputError(f"there are {n} residuals for {p} parameters: a fit needs at least as many residuals as parameters")
    if int(n) * int(p) > 2**59:     # the bytes of a matrix of more numbers can't be counted, nor what a method needs beside it
        raise MemoryError(f"there is no room for a solver of {n} residuals and {p} parameters")


cdef check(int status, doing):
    """Raise what a status of failure stands for; MemoryError itself for memory, which no caller takes for a fit that failed."""
    if status == gsl.GSL_ENOMEM:
        raise MemoryError(f"{doing}: there is not enough memory")
    return checked(status, doing)


cdef int watch(void *who) noexcept nogil:
    if not Py_IsInitialized():
        return 1
    with gil:
        return (<_Solver>who).tell()


cdef int pulse(void *who) noexcept nogil:
    if not Py_IsInitialized():
        return 1
    with gil:
        return (<_Solver>who).listen()


cdef object start_of(object x, size_t p):
    """Return a first guess as an array of our own; fast where it is a float64 array already, for those who start many fits."""
    cdef gsl.gsl_vector v
    cdef size_t j
    cdef bint good
    if type(x) is cnp.ndarray and cnp.PyArray_TYPE(x) == cnp.NPY_DOUBLE and cnp.PyArray_ISCARRAY_RO(x) and cnp.PyArray_NDIM(x) == 1:
        v, good = vector_over(x), cnp.PyArray_SIZE(x) == <cnp.npy_intp>p
        for j in range(p if good else 0):
            good = good and isfinite(v.data[j])
        if good:
            return from_vector(&v, 1.0)
    return _finite(_floats(x, "x", (p,)), "x")


cdef enum:
    STUCK = 3           # iterations without progress, one after the other, after which GSL's driver would go on for nothing


cdef need_callable(callback):
    """Raise InputTypeError for a callback that is none."""
    if callback is not None and not callable(callback):
        raise InputTypeError(f"callback must be callable, not {type(callback).__name__}")


cdef class _Solver:
    """What the solvers share: start, one loop, what can be read, and who is to blame."""

    cdef gslfit_guard guard
    cdef gslfit_loop loop
    cdef readonly size_t n
    cdef readonly size_t p
    cdef object calls, function, callback, failure, root_weights
    cdef int state                  # 0 not set, 1 ready, 2 a run ended in the middle of a step
    cdef bint busy

    def _difference(self):
        """Return the solver's own choice of differences: centred, and their step."""
        return False, None

    cdef int begin(self, const gsl.gsl_vector *x) noexcept nogil:
        """Call GSL's own set or init."""
        return gsl.GSL_EUNIMPL

    def __reduce__(self):
        raise InputTypeError(f"a {type(self).__name__} can't be pickled, since it works in memory of GSL's: pickle its function and its x, "
                             "and make another that begins there")

    def __dealloc__(self):
        gslfit_loop_free(&self.loop)
        gslfit_guard_free(&self.guard)

    cdef _enter(self):
        """Reserve the solver for one call into GSL."""
        if self.busy:
            raise InputError("this solver is in the middle of a step: a callback, or another thread, needs a solver of its own")
        self.busy = True

    cdef _need(self, int least):
        if self.state < 1:
            raise InputError("the solver has no function yet: call set(f, x) first")
        if least == 2 and self.state == 2:
            raise InputError("the last run ended in the middle of a step: call set(f, x) again, with x where it got to")

    cdef object _in_units(self, const gsl.gsl_vector *v, int power):
        """Return GSL's numbers of parameters times this power of their units."""
        out = from_vector(v, 1.0)
        return out * self._units()**power if self.guard.scaled else out

    def _units(self):
        """Return the units of GSL's parameters, ndarray, shape (p,)."""
        return from_vector(self.guard.units, 1.0) if self.guard.scaled else np.ones(self.p)

    cdef int tell(self):
        """Call the callback, which may read everything but not run the solver; true stops."""
        try:
            return bool(self.callback(self))
        except BaseException as error:
            self.failure = error
            return 1

    cdef int listen(self):
        """Let Python see its signals."""
        try:
            PyErr_CheckSignals()
            return 0
        except BaseException as error:
            self.failure = error
            return 1

    cdef _surface(self):
        """Raise the exception of a callback, if there is one: it wins over any status."""
        error = self.failure or self.calls.take()
        self.failure = None
        if error is not None:
            self.state = 2
            raise error

    cdef _blame(self, int status, doing):
        """Raise what a status of failure stands for."""
        if self.guard.stop:
            self.state = 2
        self._surface()
        if self.guard.bad >= 0:
            raise NonFiniteError(self._not_finite())
        check(status, doing)

    def _not_finite(self):
        """Say which element of what is not finite, and where."""
        where = f"x = {np.array2string(self._in_units(self.loop.solver.x, 1), separator=', ')}"
        if not self.guard.bad_jacobian:
            value = self.loop.solver.f.data[self.guard.bad * self.loop.solver.f.stride]
            return f"the residual at index {self.guard.bad} is {value} at the start, {where}"
        if self.guard.bad_jacobian == GSLFIT_BAD_SQUARE:
            return (f"the square of the Jacobian's column {self.guard.bad} is beyond double precision at {where}: a unit in which this "
                    "parameter's numbers are about 1 has the same fit")
        if self.guard.fn.df == NULL:
            return f"the residual is not finite on either side of component {self.guard.bad} of {where}"
        return f"the Jacobian's element {divmod(self.guard.bad, self.p)} is not finite at {where}"

    def set(self, f, x, weights=None):
        """Start, or start again, with a function and a first guess.

        Parameters
        ----------
        f : Function_fdf
            The residual and its Jacobian.
        x : array_like, shape (p,)
            The first guess.
        weights : array_like, shape (n,), optional
            Weights of the squared residuals. What is read back from the solver is weighted: f and J times sqrt(weights).

        Raises
        ------
        InputError
            If sizes do not match, or weights are negative.
        NonFiniteError
            If a residual or an element of the Jacobian is not finite at the first guess.
        """
        if not hasattr(f, "bind"):
            raise InputTypeError(f"set(f, x) takes a Function_fdf first, not {type(f).__name__}")
        start = start_of(x, self.p)
        self._enter()
        try:
            self._set(f, start, weights)
        finally:
            self.busy = False

    cdef _set(self, f, start, weights):
        here = start.copy()
        cdef gsl.gsl_vector x = vector_over(here)
        cdef int status
        calls = f.bind(self.n, self.p)
        roots = None
        if weights is not None:
            weights = _finite(_floats(weights, "weights", (self.n,)), "weights")
            if (weights < 0).any():
                index = int(np.argmax(weights < 0))
                raise InputError(f"weights[{index}] is {weights[index]}: weights can't be negative")
            roots = np.sqrt(weights)
        self.root_weights = roots
        self.guard.root_weights = NULL if self.root_weights is None else <double *>cnp.PyArray_DATA(self.root_weights)
        self.function, self.calls, self.failure, self.state = f, calls, None, 0
        self.guard.fn = (<gslfit_function *><size_t>calls.address)[0]
        centred, h = self._difference()
        self.guard.normalise, self.guard.centred, self.guard.h = calls.normalise, calls.centred or centred, calls.h or h or 0.0
        self.guard.max_nfev = 0
        self.guard.pulse, self.guard.who = pulse, <void *>self
        gslfit_guard_start(&self.guard)
        if calls.native:
            with nogil:
                status = gslfit_guard_prepare(&self.guard, &x, self.loop.J) or self.begin(&x)
        else:
            status = gslfit_guard_prepare(&self.guard, &x, self.loop.J) or self.begin(&x)
        if status:
            memcpy(self.loop.solver.x.data, x.data, self.p * sizeof(double))
            self._blame(status, "set")
        self.loop.niter = self.loop.started = 0
        self.state = 1

    def iterate(self):
        """Make one step.

        Returns
        -------
        int
            GSL's status: 0 for a step taken; 29, 30, 31 (ETOLF, ETOLX, ETOLG) where double precision allows no better; 27 (ENOPROG)
            where no trial step lowered chi-square.

        Raises
        ------
        InputError
            If `set` was not called.
        GSLError
            For any other status of failure. An exception of a callback surfaces as itself.
        """
        cdef int status
        self._enter()
        try:
            self._need(2)
            if self.calls.native:
                with nogil:
                    status = self.loop.solver.iterate(self.loop.solver.state)
            else:
                status = self.loop.solver.iterate(self.loop.solver.state)
            if self.guard.stop or self.failure is not None:
                self._blame(status, "iterate")
            if status not in (gsl.GSL_SUCCESS, gsl.GSL_ENOPROG, gsl.GSL_ETOLF, gsl.GSL_ETOLX, gsl.GSL_ETOLG):
                check(status, "iterate")
            self.loop.niter += status == gsl.GSL_SUCCESS
        finally:
            self.busy = False
        return status

    def solve(self, xtol=1e-8, ftol=1e-8, gtol=1e-8, max_iter=200, max_nfev=0, callback=None):
        """Iterate until the fit has converged or can't.

        The test does not depend on the units of residuals or parameters: it compares the residual's angle to the Jacobian's columns
        with gtol, the step with xtol (relative to each parameter, or its effect relative to the residual) and the decrease of
        chi-square, made and still promised, with ftol.

        Parameters
        ----------
        xtol, ftol, gtol : float
            Tolerances; 0 never stops by that test.
        max_iter : int
            Most steps.
        max_nfev : int
            Most evaluations of the residual, those for differences included; 0 for no limit.
        callback : callable, optional
            Called with the solver after each step; returning true stops the fit.

        Returns
        -------
        Termination
            Why it stopped, in a number and in a sentence, and the counts.

        Raises
        ------
        InputError
            If `set` was not called, or a tolerance is negative.

        Any exception of a callback surfaces at once, as itself.
        """
        xtol, ftol, gtol = tolerance("xtol", xtol), tolerance("ftol", ftol), tolerance("gtol", gtol)
        max_iter, max_nfev = whole("max_iter", max_iter, 0), whole("max_nfev", max_nfev, 0)
        need_callable(callback)
        self._enter()
        try:
            self._need(2)
            self.loop.guard, self.guard.max_nfev = &self.guard, max_nfev
            self.loop.xtol, self.loop.ftol, self.loop.gtol, self.loop.max_iter = xtol, ftol, gtol, max_iter
            self.callback = callback
            self.loop.watch, self.loop.who = NULL, <void *>self
            if callback is not None:
                self.loop.watch = watch
            if self.calls.native:
                with nogil:
                    gslfit_run(&self.loop)
            else:
                gslfit_run(&self.loop)
            if self.guard.stop:
                self.state = 2
            self._surface()
            return self._outcome(max_iter, max_nfev)
        finally:
            self.callback = None
            self.busy = False

    def test(self, xtol, gtol, ftol=0.0):
        """Test for convergence as GSL's own functions do, for loops written by hand.

        Parameters
        ----------
        xtol, gtol : float
            Tolerances: a step is small where |dx_i| < xtol^2 + xtol |x_i| for each i; a gradient, where max_i |g_i max(x_i, 1)| is at most
            gtol max(|f|^2/2, 1).
        ftol : float
            Without effect, as in GSL.

        Returns
        -------
        status : int
            SUCCESS, or CONTINUE.
        info : int
            1 for a small step, 2 for a small gradient, 0 while neither is.

        Raises
        ------
        InputError
            If `set` was not called, or a tolerance is negative.
        """
        xtol, gtol, ftol = tolerance("xtol", xtol), tolerance("gtol", gtol), tolerance("ftol", ftol)
        x = self.x
        if (np.abs(self.dx) < xtol*xtol + xtol*np.abs(x)).all():
            return gsl.GSL_SUCCESS, 1
        f = self.f
        if np.max(np.abs(np.maximum(x, 1.0)*self.gradient())) <= gtol*max(f @ f/2, 1.0):
            return gsl.GSL_SUCCESS, 2
        return gsl.GSL_CONTINUE, 0

    def driver(self, maxiter, xtol, gtol, ftol=0.0, callback=None):
        """Iterate until `test` says that it is enough: GSL's own loop, step by step.

        Parameters
        ----------
        maxiter : int
            Most iterations.
        xtol, gtol, ftol : float
            Tolerances, as `test` has them.
        callback : callable, optional
            Called with the solver before the first iteration and after each.

        Returns
        -------
        status : int
            SUCCESS, or 11 (EMAXITER) where there was no end in `maxiter` iterations, or no step at the first.
        info : int
            1 for a small step, 2 for a small gradient; 29, 30, 31 (ETOLF, ETOLX, ETOLG) where double precision allows no better, or 27
            (ENOPROG) where the first iteration found no step.

        Raises
        ------
        InputError
            If `set` was not called, or a tolerance is negative. An exception of a callback surfaces as itself.

        See Also
        --------
        solve : the same with a test that does not depend on units, and says in words how it ended.
        """
        maxiter, info, niter, stuck = whole("maxiter", maxiter, 1), 0, 0, 0
        need_callable(callback)
        tell = (lambda solver: None) if callback is None else callback
        self._need(2)
        tell(self)
        status = gsl.GSL_CONTINUE
        while status == gsl.GSL_CONTINUE and niter < maxiter:
            status = self.iterate()
            if status == gsl.GSL_ENOPROG and niter == 0:
                return gsl.GSL_EMAXITER, status
            stuck = stuck + 1 if status == gsl.GSL_ENOPROG else 0
            niter += 1
            tell(self)
            if status not in (gsl.GSL_SUCCESS, gsl.GSL_ENOPROG):
                return gsl.GSL_SUCCESS, status
            status, info = self.test(xtol, gtol, ftol)
            if stuck == STUCK:          # the point and so the test stay as they are, up to the last iteration
                break
        return (gsl.GSL_EMAXITER if status == gsl.GSL_CONTINUE else status), info

    cdef _outcome(self, max_iter, max_nfev):
        ending, detail = FitStatus(self.loop.ending), ""
        if ending == FitStatus.FAILED:
            if self.loop.code == gsl.GSL_ENOMEM:
                check(self.loop.code, "solve")
            try:
                check(self.loop.code, "iterate")
            except Exception as error:
                detail = str(error)
        elif ending == FitStatus.NONFINITE:
            detail = self._not_finite()
        elif ending == FitStatus.NO_PROGRESS:
            detail = "look for a wrong Jacobian, or for a function that is noisy, jumps, or is not finite beyond here"
        message = sentence(ending, max_iter if ending == FitStatus.MAX_ITER else max_nfev, detail)
        return Termination(ending, message, self.loop.niter, self.guard.nfev, self.guard.njev, self.guard.rejected,
                           self.loop.gradient, self.loop.cosine, self.loop.rank, self.loop.code)

    @property
    def x(self):
        """The current parameters, ndarray, shape (p,)."""
        self._need(1)
        return self._in_units(self.loop.solver.x, 1)

    @property
    def dx(self):
        """The last step, ndarray, shape (p,); zero before the first."""
        self._need(1)
        return self._in_units(self.loop.solver.dx, 1)

    @property
    def f(self):
        """The current residuals (weighted, if weights were given), ndarray, shape (n,)."""
        self._need(1)
        return from_vector(self.loop.solver.f, 1.0 / self.guard.scale)

    @property
    def niter(self):
        """Steps taken since `set`, or in the last `solve`."""
        return self.loop.niter

    @property
    def nfev(self):
        """Evaluations of the residual since `set`, those for differences included."""
        return self.guard.nfev

    @property
    def njev(self):
        """Evaluations of the Jacobian since `set`."""
        return self.guard.njev

    @property
    def nevalf(self):
        """Evaluations of the residual, by GSL's name: `nfev`."""
        return self.guard.nfev

    @property
    def nevaldf(self):
        """Evaluations of the Jacobian, by GSL's name: `njev`."""
        return self.guard.njev

    @property
    def nevalfvv(self):
        """Evaluations since `set` of the function's second derivative along a step, `fvv`."""
        return self.guard.nfvv

    @property
    def rejected(self):
        """Trial steps refused since `set` because the residual was not finite there."""
        return self.guard.rejected

    def position(self):
        """Return the current parameters, ndarray, shape (p,)."""
        return self.x

    def residual(self):
        """Return the current residuals, ndarray, shape (n,)."""
        return self.f
