# cython: auto_pickle=False
"""Runs a program over many curves: arrays in, arrays out, threads, interrupts."""
from math import isfinite, prod

import numpy as np

from gslfit.formula._program import Program
from gslfit.errors import InputError

cimport numpy as cnp
from cpython.exc cimport PyErr_CheckSignals
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from libc.stdint cimport int8_t, int32_t, uintptr_t
from libc.string cimport memset

from batch cimport (
    MAX_INPUTS, METHOD_AUTO, METHOD_LANES, METHOD_LMDER, METHOD_LMSDER, METHOD_TRUST, SHORT, batch, gslfit_batch_run,
    gslfit_median_residuals, strided_array,
)
from batch cimport fit_transform as transform_t
from judgement cimport GSLFIT_NEGLIGIBLE, GSLFIT_ROUNDING
from program cimport gslfit_isa_choose, gslfit_isa_name, program

cnp.import_array()
MOST_CORRELATED = SHORT     # points of a fit whose residuals depend on each other
NEGLIGIBLE, ROUNDING = GSLFIT_NEGLIGIBLE, GSLFIT_ROUNDING     # of src/common/judgement.h
F8, I4, I1 = np.dtype(np.float64), np.dtype(np.int32), np.dtype(np.int8)


include "batch/strided.pxi"
include "common/interpreter.pxi"
include "objective/losses.pxi"


METHODS = {"auto": METHOD_AUTO, "lanes": METHOD_LANES, "lmsder": METHOD_LMSDER, "lmder": METHOD_LMDER, "trust": METHOD_TRUST}


def instruction_set(name=None):
    """Return the instruction set that batches run with, after choosing one by name; as `gslfit.formula._program.instruction_set`."""
    if name is not None and gslfit_isa_choose(name.encode()):
        raise InputError(f"there is no instruction set {name!r} here; choose 'v4', 'v3' or 'base', as far as the processor has them")
    return gslfit_isa_name().decode()


cdef class _Caller:
    """Who started a batch: where an exception waits until the threads have ended."""

    cdef object progress, failure

    cdef int ask(self, long done):
        try:
            PyErr_CheckSignals()
            if self.progress is not None:
                self.progress(done)
            return 0
        except BaseException as error:
            self.failure = error
            return 1


cdef int pulse(void *who, long done) noexcept nogil:
    if not Py_IsInitialized():
        return 1
    with gil:
        return (<_Caller>who).ask(done)


cdef class FitTransform:
    """What a program's free variables look like to the caller: bounds, and expressions of them.

    Parameters
    ----------
    boxes : sequence of tuple (low, high)
        The bounds of each free variable, infinite for none.
    expressions : sequence of Program
        Programs without independent variables: a value of the free variables, and its derivatives by them.
    inside, beside, share, alike, widest, wide, out : float
        `INSIDE`, `NEAR`, `SHARE`, `ALIKE`, `WIDEST`, `WIDE` and `FAR` of `gslfit.parameters.bounds`.

    Attributes
    ----------
    derived : int
        How many expressions there are.
    bounded : bool
        Whether any bound is finite.
    """

    cdef double *bounds
    cdef const program **programs
    cdef transform_t facts
    cdef object kept
    cdef readonly int derived
    cdef readonly bint bounded

    def __cinit__(self, boxes, expressions=(), *, double inside, double beside, double share, double alike, double widest, double wide,
                  double out):
        cdef int k, p = len(boxes)
        self.derived = len(expressions)
        self.bounds = <double *>PyMem_Malloc((2*p + 1)*sizeof(double))
        self.programs = <const program **>PyMem_Malloc((self.derived + 1)*sizeof(void *))
        if self.bounds == NULL or self.programs == NULL:
            raise MemoryError
        for k in range(p):
            self.bounds[k], self.bounds[p + k] = boxes[k]
        for k in range(self.derived):
            if not isinstance(expressions[k], Program) or expressions[k].nx or expressions[k].nfree != p:
                raise InputError(f"expression {k} must be a Program of {p} free variables and no independent one")
            self.programs[k] = <const program *><uintptr_t>expressions[k].address
        self.kept = tuple(expressions)
        self.facts.p, self.facts.low, self.facts.high = p, self.bounds, self.bounds + p
        self.facts.derived, self.facts.expressions = self.derived, self.programs
        self.facts.bounded = self.bounded = any(isfinite(bound) for each in boxes for bound in each)
        self.facts.inside, self.facts.beside, self.facts.wide, self.facts.out = inside, beside, wide, out
        self.facts.share, self.facts.alike, self.facts.widest = share, alike, widest

    def __dealloc__(self):
        PyMem_Free(self.bounds)
        PyMem_Free(self.programs)

    def __reduce__(self):
        raise TypeError("a FitTransform can't be pickled: make it anew")


cdef class _View:
    """The transform of one run: a `FitTransform` with that run's arrays."""

    cdef transform_t facts
    cdef strided_array *starts
    cdef list kept

    def __cinit__(self, FitTransform owner not None, start, boxes, bint scaled, redchi, derived, derived_errors, cnp.ndarray y):
        cdef int k, p = owner.facts.p
        self.facts = owner.facts
        if len(start) != p or (boxes is not None and len(boxes) != p):
            raise InputError(f"there are {p} free variables, and starts of {len(start)}"
                             f"{'' if boxes is None else f' and bounds of {len(boxes)}'}")
        self.starts = <strided_array *>PyMem_Malloc((3*p + 1)*sizeof(strided_array))
        if self.starts == NULL:
            raise MemoryError
        self.kept = [np.asarray(array)[..., None] for array in start]
        for k in range(p):
            view(&self.starts[k], self.kept[k], y, 1, f"start[{k}]")
        self.facts.starts, self.facts.scaled = self.starts, scaled
        if boxes is not None:
            for k in range(2*p):
                self.kept.append(np.asarray(boxes[k % p][k//p], np.float64)[..., None])
                view(&self.starts[p + k], self.kept[p + k], y, 1, f"bounds[{k % p}]")
            self.facts.lows, self.facts.highs, self.facts.bounded = self.starts + p, self.starts + 2*p, True
        self.facts.redchi = <double *>out(redchi, F8, y, "redchi")
        self.facts.derived_values = <double *>out(derived, F8, y, "derived", owner.derived)
        self.facts.derived_errors = <double *>out(derived_errors, F8, y, "derived_errors", owner.derived)
        if redchi is None or (owner.derived and (derived is None or derived_errors is None)):
            raise InputError("redchi, and with expressions derived and derived_errors, are needed with a transform")

    def __dealloc__(self):
        PyMem_Free(self.starts)


cdef int read_source(batch *b, code, cnp.ndarray curves, x, weights, bint errors, mask, inputs, bint omit, list kept) except -1:
    """Describe a program's data, which `kept` keeps alive: rows, their weights and mask, and inputs."""
    if not isinstance(code, Program):
        raise InputError(f"code must be a Program, not {type(code).__name__}")
    if not cnp.PyArray_NDIM(curves):
        raise InputError("y has no axis: it must hold the points of each fit")
    cdef long points = cnp.PyArray_DIM(curves, cnp.PyArray_NDIM(curves) - 1)
    if len(x) != code.nx or len(inputs) != code.ninput or code.ninput > MAX_INPUTS:
        raise InputError(f"the program has {code.nx} independent variables and {code.ninput} inputs (at most {MAX_INPUTS}), "
                         f"and got {len(x)} and {len(inputs)}")
    b.program = <const program *><uintptr_t>code.address
    b.fits, b.source.points = cnp.PyArray_SIZE(curves)//points if points else prod((<object>curves).shape[:-1]), points
    b.source.nx, b.source.omit, b.source.loss, b.source.factor = code.nx, omit, 0, NULL
    b.source.weighted, b.source.masked = 0 if weights is None else 2 if errors else 1, mask is not None
    view(&b.source.y, curves, curves, points, "y")
    for k, array in enumerate(x):
        view(&b.source.x[<int>k], array, curves, points, f"x[{k}]")
    if weights is not None:
        view(&b.source.weights, weights, curves, points, "yerr" if errors else "weights")
    if mask is not None:
        view(&b.source.mask, mask, curves, points, "mask")
    for k, array in enumerate(inputs):
        kept.append(np.asarray(array)[..., None])
        view(&b.inputs[<int>k], kept[k], curves, 1, f"inputs[{k}]")
    return 0


cdef int read_response(batch *b, code, cnp.ndarray curves, response, list kept) except -1:
    """Describe the responses of fits, where they have their own, which `kept` keeps alive."""
    if code.response is None or code.response[1] is not None:
        return 0
    if response is None:
        raise InputError("each fit has a response of its own, and none is given")
    kept.append(np.asarray(response, np.float64))
    view(&b.source.response, kept[-1], curves, code.response[2], "response")
    return 0


def on_grid(code, y, x, weights, mask):
    """Return data, independent variables, weights and mask over the whole grid of a program's response; points that lack are masked."""
    grid = code.response[0]
    if x[0].ndim != 1:
        raise InputError("x must be the same for all fits that are folded with a response")
    if y.shape[-1] == grid.size and (x[0] is grid or np.array_equal(x[0], grid)):
        return y, x, weights, mask
    code.check_points(x[0])
    places = np.rint((x[0] - grid[0])/((grid[-1] - grid[0])/max(grid.size - 1, 1) or 1.0)).astype(int)

    def whole(array, rest, dtype=float):
        if array is None:
            return None
        found = np.full((*array.shape[:-1], grid.size), rest, dtype)
        found[..., places] = array
        return found
    return whole(y, 0.0), [grid], whole(weights, 1.0), whole(np.zeros(places.size, bool) if mask is None else mask, True, bool)


def median_residuals(code, y, x, v, medians, *, weights=None, bint errors=False, mask=None, inputs=(), bint omit=False, response=None):
    """Find the median of the absolute weighted residuals of each fit.

    Parameters
    ----------
    code : Program
        The model.
    y, x, weights, errors, mask, inputs, omit, response
        As `run` takes them. Points without effect are left out, and residuals that aren't finite.
    v : ndarray of float64, shape (..., p)
        Where the fits have ended.
    medians : ndarray of float64, shape (...)
        Written; 0 where nothing is left.

    Raises
    ------
    InputError
        If shapes or dtypes are wrong.
    """
    cdef batch b
    cdef int ending
    cdef list kept = []
    read_source(&b, code, y, x, weights, errors, mask, inputs, omit, kept)
    read_response(&b, code, y, response, kept)
    b.v = <double *>out(v, F8, y, "v", code.nfree)
    cdef double *found = <double *>out(medians, F8, y, "medians")
    with nogil:
        ending = gslfit_median_residuals(&b, found)
    if ending:
        raise MemoryError


def run(code, y, x, v, *, chisqr, nfev, count, status, weights=None, bint errors=False, mask=None, inputs=(), method="auto",
        double xtol=1e-8, double ftol=1e-8, double gtol=1e-8, int max_nfev=1000, bint omit=False, int threads=1, variance=None,
        covariance=None, gradient=None, progress=None, FitTransform transform=None, start=(), bint scaled=True, redchi=None, derived=None,
        derived_errors=None, correlations=None, reached=None, int loss=0, scale=None, cost=None, boxes=None, factor=None, response=None):
    """Fit a program to many curves.

    Parameters
    ----------
    code : Program
        The model.
    y : ndarray, shape (..., n)
        The curves.
    x : sequence of ndarray, each of shape (n,) or (..., n)
        The independent variables.
    v : ndarray of float64, shape (..., p)
        The starts; the results are written over them. With `transform` the results alone, as the caller sees them.
    chisqr, nfev, count, status : ndarray of float64, int32, int32 and int8, shape (...)
        Written: chi-square, evaluations, points that took part, `FitStatus`.
    weights : ndarray, shape (n,) or (..., n), optional
        Factors of the residuals; with `errors` the standard deviations of the data. A point of weight 0 or of infinite error takes no part.
    mask : ndarray of bool, shape (n,) or (..., n), optional
        True where a point takes no part.
    inputs : sequence of ndarray, shape (...)
        Per-fit inputs of the program.
    method : {"auto", "lanes", "lmsder", "lmder", "trust"}
        Who fits.
    xtol, ftol, gtol : float
        When a fit has converged: see `gslfit.fit_batch`.
    max_nfev : int
        Most evaluations of one fit.
    omit : bool
        Whether points that are not finite are left out; else they spoil their curve.
    threads : int
        How many threads to use.
    variance, covariance, gradient : ndarray of float64, shapes (..., p), (..., p, p) and (...), optional
        Written: the diagonal and the whole of ``inv(J.T @ J)``, and the greatest cosine between the residual and a column of J. With
        `transform` there are standard errors in place of the diagonal, and `correlations` in place of the whole.
    progress : callable, optional
        Called with the count of fits done, about twenty times a second.
    transform : FitTransform, optional
        The bounds of the free variables, and expressions of them.
    start : sequence of ndarray, shape () or (...)
        With `transform`: where each free variable starts, inside its bounds.
    scaled : bool
        With `transform`: whether to multiply standard errors by the root of the reduced chi-square.
    redchi, derived, derived_errors : ndarray of float64, shapes (...), (..., k) and (..., k)
        With `transform`, written: reduced chi-square; the expressions' values and standard errors.
    correlations : ndarray of float64, shape (..., p, p), optional
        With `transform`, written: those of the free variables, 0 with what is held at its bound, NaN with what is not determined.
    reached : ndarray of float64, shape (..., p), optional
        Where fits from these starts have ended: they are judged there, and a lower end is looked for only where that is no minimum.
    loss : int
        What residuals cost: `gslfit.objective.loss.LOSSES` has the numbers.
    scale : ndarray of float64, shape () or (...), optional
        Of a robust loss, whose errors are the sandwich's, and whose `chisqr` is that of the residuals themselves.
    cost : ndarray of float64, shape (...), optional
        Written: half of what was minimised.
    boxes : sequence of (low, high), each ndarray of shape () or (...), optional
        With `transform`: the bounds of each free variable in each fit, infinite for none, in place of the transform's own.
    factor : ndarray of float64, shape (n, n), optional
        A lower triangle, zeros above it, that makes the residuals of each fit independent, once they are weighted. For least squares of
        up to `MOST_CORRELATED` points, all of which take part.
    response : ndarray, shape (..., k), optional
        That of each fit, where the program's has no numbers.

    Raises
    ------
    InputError
        If shapes or dtypes are wrong.
    KeyboardInterrupt
        If a signal asked for it: the fits done so far are in place, the others have status 0.
    """
    cdef batch b
    cdef _Caller caller = _Caller()
    if method not in METHODS:
        raise InputError(f"there is no method {method!r}; choose from {', '.join(METHODS)}")
    if isinstance(code, Program) and code.response is not None:
        y, x, weights, mask = on_grid(code, y, x, weights, mask)
    cdef cnp.ndarray curves = y
    cdef list given = []
    read_source(&b, code, curves, x, weights, errors, mask, inputs, omit, given)
    read_response(&b, code, curves, response, given)
    cdef int p = code.nfree
    cdef long points = cnp.PyArray_DIM(curves, cnp.PyArray_NDIM(curves) - 1)
    cdef _View outer = None
    b.transform = NULL
    if transform is not None:
        if variance is None or transform.facts.p != p:
            raise InputError(f"a transform of {transform.facts.p} free variables for a program of {p}, "
                             f"{'without' if variance is None else 'with'} room for their errors")
        if covariance is not None:
            raise InputError("with a transform there are standard errors and correlations, and no covariance")
        outer = _View(transform, start, boxes, scaled, redchi, derived, derived_errors, curves)
        b.transform = &outer.facts
    b.options.xtol, b.options.ftol, b.options.gtol, b.options.max_nfev = xtol, ftol, gtol, max_nfev
    b.options.covariance = (covariance if transform is None else correlations) is not None or (
        transform is not None and transform.derived > 0)
    b.method, b.threads = METHODS[method], max(threads, 1)
    b.v = <double *>out(v, F8, curves, "v", p)
    b.reached = <const double *>out(reached, F8, curves, "reached", p)
    b.chisqr = <double *>out(chisqr, F8, curves, "chisqr")
    b.nfev = <int32_t *>out(nfev, I4, curves, "nfev")
    b.count = <int32_t *>out(count, I4, curves, "count")
    b.status = <int8_t *>out(status, I1, curves, "status")
    b.variance = <double *>out(variance, F8, curves, "variance", p)
    b.covariance = <double *>out(covariance, F8, curves, "covariance", p, p)
    b.correlations = <double *>out(correlations, F8, curves, "correlations", p, p)
    b.gradient = <double *>out(gradient, F8, curves, "gradient")
    b.cost, b.source.loss = NULL, loss_of(loss)
    if loss:
        b.cost = <double *>out(cost, F8, curves, "cost")
        scales = np.asarray(1.0 if scale is None else scale, np.float64)[..., None]
        view(&b.source.scale, scales, curves, 1, "scale")
    cdef cnp.ndarray triangle = None
    if factor is not None:
        triangle = np.ascontiguousarray(factor, np.float64)
        if (<object>triangle).shape != (points, points) or loss or omit or mask is not None or points > SHORT or code.response is not None:
            raise InputError(f"factor has the shape {(<object>triangle).shape}: a square of up to {SHORT} points that all take part, by "
                             "least squares, is needed")
        b.source.factor = <const double *>cnp.PyArray_DATA(triangle)
    memset(b.status, 0, b.fits)
    caller.progress = progress
    b.pulse, b.who = pulse, <void *>caller
    if not b.fits:
        return
    cdef int ending
    with nogil:
        ending = gslfit_batch_run(&b)
    if caller.failure is not None:
        raise caller.failure
    if ending < 0:
        raise MemoryError


def _readable(array):
    """Return the array, as float64 if its dtype is none that is read in place."""
    array = np.asarray(array)
    return array if f"{array.dtype.kind}{array.dtype.itemsize}" in KINDS else array.astype(np.float64)


def fit_many(code, y, x, weights, start, inputs, *, method="auto", xtol=1e-8, ftol=1e-8, gtol=1e-8, max_nfev=1000, covariance=False,
             nan_policy="mark", threads=1, progress=None):
    """Fit a program to many curves, as docs/development.md says under "A batch".

    Parameters
    ----------
    code : Program
        The model.
    y : ndarray, shape (..., n)
        The curves.
    x : tuple of ndarray, each of shape (n,) or (..., n)
        The independent variables.
    weights : ndarray, shape (n,), (..., 1) or (..., n), or None
        Factors of the residuals.
    start : array_like, shape (p,) or (..., p)
        Where the free variables start.
    inputs : array_like, shape (ninput,) or (..., ninput), or None
        Per-fit inputs.
    method, xtol, ftol, gtol, max_nfev, threads, progress
        As `run`.
    covariance : bool
        Whether the whole of it is wanted, (..., p, p); else its diagonal, (..., p).
    nan_policy : {"mark", "omit"}
        What a point that is not finite does: spoil its curve, or be left out.

    Returns
    -------
    dict
        `v`, `covariance` (of v, not yet times the reduced chi-square), `chisqr`, `gradient`, `nfev`, `count`, `status`.

    Raises
    ------
    InputError
        If a shape or a name is wrong.
    """
    if nan_policy not in ("mark", "omit"):
        raise InputError(f"there is no nan_policy {nan_policy!r}; choose 'mark' or 'omit'")
    y = _readable(y)
    shape, p = y.shape[:-1], code.nfree
    v = np.empty((*shape, p))
    v[...] = start
    given = np.broadcast_to(np.asarray(() if inputs is None else inputs, np.float64), (*shape, code.ninput))
    if weights is not None:
        weights = _readable(weights)
        if weights.ndim > 1 and weights.shape[-1:] == (1,):
            weights = np.broadcast_to(weights, y.shape)
    found = {"v": v, "covariance": np.empty((*shape, p, p) if covariance else (*shape, p)), "chisqr": np.empty(shape),
             "gradient": np.empty(shape), "nfev": np.empty(shape, np.int32), "count": np.empty(shape, np.int32),
             "status": np.zeros(shape, np.int8)}
    results = {name: array for name, array in found.items() if name not in ("v", "covariance")}
    results["covariance" if covariance else "variance"] = found["covariance"]
    run(code, y, [_readable(array) for array in x], v, weights=weights, inputs=[given[..., k] for k in range(code.ninput)],
        method=method, xtol=xtol, ftol=ftol, gtol=gtol, max_nfev=max_nfev, omit=nan_policy == "omit", threads=threads,
        progress=progress, **results)
    return found
