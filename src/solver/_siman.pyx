# cython: auto_pickle=False
"""Simulated annealing over `gsl_siman_solve`: the global minimum of a rough function of a few parameters.

GSL's walk (Kirkpatrick, Gelatt and Vecchi, Science 220 (1983) 671) goes from a temperature t_initial down to t_min, divided by mu_t each
time, with iters_fixed_T steps at each. A trial step moves one parameter, or all, by a normal deviate times its scale times step_size times
10^-u, u uniform in 0..3: long moves find the valley and short ones its floor at any temperature.
"""
import math
from typing import NamedTuple

import numpy as np

from gslfit.checks import positive, real, whole
from gslfit.errors import InputError, InputTypeError, NonFiniteError

cimport numpy as cnp
from libc.math cimport INFINITY, cos, exp, isfinite, log, sqrt
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy

cimport gsl

cnp.import_array()

MOST_STEPS = 10_000_000             # a walk can't be broken off: after an exception it runs on empty, which this bounds to a second
SAMPLES = 30                        # trial steps that tell how rough the cost is

cdef double TWO_PI = 6.283185307179586
cdef double DECADES = 3 * 2.302585092994046


class AnnealResult(NamedTuple):
    """What `anneal` returns.

    Attributes
    ----------
    x : ndarray, shape (p,)
        The best parameters seen.
    cost : float
        Their cost.
    nfev : int
        Evaluations of the cost.
    """

    x: np.ndarray
    cost: float
    nfev: int


cdef enum:
    COPIES = 3                      # the walk's place, the trial and the best


# Room for the start and for the configurations that GSL works with: it makes them by malloc, and doesn't look whether it got any.
cdef struct pool:
    char *memory
    size_t size
    int handed


# GSL's callbacks have no argument for the caller's own data, so each configuration carries a pointer to the walk before its parameters.
cdef struct configuration:
    void *walk
    pool *room
    double x[1]


cdef class Walk:
    """The cost, the scales and bounds, and what came of the walk so far."""

    cdef object cost, failure
    cdef size_t p, nfev, max_nfev
    cdef const double *scale
    cdef const double *lower
    cdef const double *upper
    cdef double best
    cdef double *best_x
    cdef pool room

    def __cinit__(self, size_t p):
        self.p = p
        self.best = INFINITY
        self.best_x = <double *>calloc(p, sizeof(double))
        self.room.size = sizeof(configuration) + p * sizeof(double)
        self.room.memory = <char *>calloc(1 + COPIES, self.room.size)
        if self.best_x == NULL or self.room.memory == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self.best_x)
        free(self.room.memory)

    cdef double energy(self, const double *x):
        """Return the cost at x, infinite where it is not a number or nothing is to be called any more."""
        cdef double value
        cdef cnp.npy_intp p = self.p
        if self.failure is not None or (self.max_nfev and self.nfev >= self.max_nfev):
            return INFINITY
        self.nfev += 1
        try:
            argument = cnp.PyArray_EMPTY(1, &p, cnp.NPY_DOUBLE, 0)
            memcpy(cnp.PyArray_DATA(argument), x, self.p * sizeof(double))
            returned = self.cost(argument)
            try:
                value = returned
            except (TypeError, ValueError, OverflowError):
                raise InputTypeError(f"the cost returned {returned!r}, and one number is needed") from None
        except BaseException as error:
            self.failure = error
            return INFINITY
        if not value == value:
            return INFINITY
        if value < self.best:
            self.best = value
            memcpy(self.best_x, x, self.p * sizeof(double))
        return value

    cdef void step(self, const gsl.gsl_rng *r, double *x, double step_size) noexcept:
        """Make a trial step, reflected where it crosses a bound."""
        cdef size_t j, only
        cdef double size, width
        if self.failure is not None:
            return
        size = step_size * exp(-DECADES * gsl.gsl_rng_uniform(r))
        only = <size_t>(2 * self.p * gsl.gsl_rng_uniform(r))        # one parameter half of the time, else all
        for j in range(self.p):
            if only < self.p and j != only:
                continue
            x[j] += size * self.scale[j] * sqrt(-2 * log(1 - gsl.gsl_rng_uniform(r))) * cos(TWO_PI * gsl.gsl_rng_uniform(r))
            if x[j] < self.lower[j]:
                x[j] = 2 * self.lower[j] - x[j]
            if x[j] > self.upper[j]:
                x[j] = 2 * self.upper[j] - x[j]
            if not self.lower[j] <= x[j] <= self.upper[j]:      # thrown from wall to wall
                width = self.upper[j] - self.lower[j]
                x[j] = self.lower[j] + width * gsl.gsl_rng_uniform(r)


cdef double energy(void *xp) noexcept with gil:
    cdef configuration *c = <configuration *>xp
    return (<Walk>c.walk).energy(c.x)


cdef void take_step(const gsl.gsl_rng *r, void *xp, double step_size) noexcept with gil:
    cdef configuration *c = <configuration *>xp
    (<Walk>c.walk).step(r, c.x, step_size)


cdef void *copy(void *xp) noexcept nogil:
    cdef pool *room = (<configuration *>xp).room
    cdef void *made
    room.handed += 1
    made = room.memory + room.handed * room.size
    assign(xp, made)
    return made


cdef void assign(void *source, void *target) noexcept nogil:
    memcpy(target, source, (<configuration *>source).room.size)


cdef void leave(void *xp) noexcept nogil:
    pass                            # the pool goes with the walk


cdef double distance(void *xp, void *yp) noexcept nogil:
    return 0.0                      # GSL asks only when it prints


def _vector(value, name, p=None):
    """Return a new float64 vector; errors have its name."""
    try:
        if np.iscomplexobj(value):
            raise TypeError("complex numbers")
        array = np.array(value, dtype=np.float64, ndmin=1)
        if p is not None and array.size == 1:
            array = np.full(p, array.reshape(-1)[0])
    except (TypeError, ValueError, OverflowError) as error:
        raise InputTypeError(f"{name} must be real numbers in an array: {error}") from None
    if array.ndim != 1 or (p is not None and array.size != p) or not array.size:
        raise InputError(f"{name} has shape {array.shape}, and {'one dimension, not empty,' if p is None else (p,)} is needed")
    return array


def _bounds(x0, lower, upper):
    """Return the bounds as vectors, checked."""
    low = _vector(-np.inf if lower is None else lower, "lower", x0.size)
    high = _vector(np.inf if upper is None else upper, "upper", x0.size)
    for name, wrong in (("lower is not below upper", ~(low < high)), ("x0 is outside its bounds", ~((low <= x0) & (x0 <= high)))):
        if wrong.any():
            index = int(np.argmax(wrong))
            raise InputError(f"{name} at index {index}: {low[index]}, {x0[index]}, {high[index]}")
    return low, high


cdef double roughness(Walk walk, gsl.gsl_rng *r, const double *start, double first, double step_size):
    """Return the typical change of the cost over a long step: a temperature at which most steps are taken."""
    cdef double *x = <double *>calloc(walk.p, sizeof(double))
    cdef double value
    if x == NULL:
        raise MemoryError
    changes = []
    for _ in range(SAMPLES):
        memcpy(x, start, walk.p * sizeof(double))
        walk.step(r, x, step_size)
        value = walk.energy(x)
        if isfinite(value) and value != first:
            changes.append(abs(value - first))
    free(x)
    return float(np.median(changes)) if changes else 1.0


def anneal(cost, x0, scale, lower=None, upper=None, *, iters_fixed_T=None, step_size=1.0, k=1.0, t_initial=None,
           mu_t=1.1, t_min=None, seed=0, max_nfev=0):
    """Search the global minimum of a function by GSL's simulated annealing.

    Parameters
    ----------
    cost : callable
        ``cost(x)`` returns a number; x is an array of its own, shape (p,). NaN and inf are steps that are never taken.
    x0 : array_like, shape (p,)
        Where to begin.
    scale : float or array_like, shape (p,)
        How far each parameter may reasonably go in one step.
    lower, upper : float or array_like, shape (p,), optional
        Bounds; a step across one is thrown back.
    iters_fixed_T : int, optional
        Steps at each temperature; 30 p, if not given.
    step_size : float
        A factor to all scales.
    k : float
        Boltzmann's constant: a step up by dE is taken with probability exp(-dE/(k T)).
    t_initial, t_min : float, optional
        First and last temperature; if not given, the typical change of the cost over a long step, and a millionth of the first.
    mu_t : float
        What each temperature is divided by for the next.
    seed : int
        Of GSL's mt19937: the same seed gives the same walk.
    max_nfev : int
        Most evaluations of the cost; 0 for no limit but that of the temperatures.

    Returns
    -------
    AnnealResult
        The best parameters seen, their cost, and the number of evaluations.

    Raises
    ------
    InputError
        If sizes differ, bounds cross, x0 is outside them, or temperatures make no sense.
    NonFiniteError
        If the cost is not finite at x0.

    Any exception of the cost surfaces as itself, and the cost is not called after it.

    Examples
    --------
    >>> import numpy as np
    >>> from gslfit.solvers._siman import anneal
    >>> result = anneal(lambda x: (x[0] - 3)**2 - 5 * np.cos(6 * (x[0] - 3)), [-8.0], 5.0)
    >>> bool(abs(result.x[0] - 3) < 1e-3)
    True
    """
    if not callable(cost):
        raise InputTypeError(f"cost must be callable, not {type(cost).__name__}")
    step_size, k, mu_t = positive("step_size", step_size), positive("k", k), real("mu_t", mu_t)
    t_initial = None if t_initial is None else positive("t_initial", t_initial)
    t_min = None if t_min is None else positive("t_min", t_min)
    max_nfev, seed = whole("max_nfev", max_nfev, 0), whole("seed", seed, -2**63, 2**64)
    start = _vector(x0, "x0")
    if not np.isfinite(start).all():
        raise NonFiniteError(f"x0[{int(np.argmin(np.isfinite(start)))}] is not finite")
    sizes = _vector(scale, "scale", start.size)
    if not ((sizes > 0) & np.isfinite(sizes)).all():
        index = int(np.argmin((sizes > 0) & np.isfinite(sizes)))
        raise InputError(f"scale[{index}] is {sizes[index]}: a positive number is needed")
    low, high = _bounds(start, lower, upper)
    cdef size_t p = start.size
    cdef Walk walk = Walk(p)
    walk.cost, walk.max_nfev = cost, max_nfev
    walk.scale, walk.lower, walk.upper = (
        <double *>cnp.PyArray_DATA(sizes), <double *>cnp.PyArray_DATA(low), <double *>cnp.PyArray_DATA(high))

    cdef double first = walk.energy(<double *>cnp.PyArray_DATA(start))
    if walk.failure is not None:
        raise walk.failure
    if not isfinite(first):
        raise NonFiniteError(f"the cost is not finite at the start, x = {np.array2string(start, separator=', ')}")
    cdef gsl.gsl_rng *r = gsl.gsl_rng_alloc(gsl.gsl_rng_mt19937)
    cdef configuration *c = <configuration *>walk.room.memory
    try:
        if r == NULL:
            raise MemoryError
        gsl.gsl_rng_set(r, seed & 0xFFFFFFFF)
        if t_initial is None:
            t_initial = roughness(walk, r, <double *>cnp.PyArray_DATA(start), first, step_size) / k
        params = _schedule(p, iters_fixed_T, step_size, k, t_initial, mu_t, 1e-6 * t_initial if t_min is None else t_min)
        c.walk, c.room = <void *>walk, &walk.room
        memcpy(c.x, cnp.PyArray_DATA(start), p * sizeof(double))
        if walk.failure is None:
            gsl.gsl_siman_solve(r, c, energy, take_step, distance, NULL, assign, copy, leave, 0, params)
    finally:
        if r != NULL:
            gsl.gsl_rng_free(r)
    if walk.failure is not None:
        failure, walk.failure = walk.failure, None
        raise failure
    memcpy(cnp.PyArray_DATA(start), walk.best_x, p * sizeof(double))
    return AnnealResult(start, walk.best, walk.nfev)


cdef gsl.gsl_siman_params_t _schedule(p, iters, step_size, k, t_initial, mu_t, t_min) except *:
    """Return GSL's parameters, checked; the number of steps that they mean is bounded."""
    cdef gsl.gsl_siman_params_t params
    iters = 30 * p if iters is None else whole("iters_fixed_T", iters, 1)
    positive("t_initial", t_initial)                        # one that was measured may have overflowed
    positive("t_min", t_min)
    if not mu_t > 1:
        raise InputError(f"mu_t is {mu_t}: temperatures are divided by it, so it must be greater than 1")
    if t_min >= t_initial:
        raise InputError(f"t_min is {t_min} and t_initial is {t_initial}: the walk goes from the higher to the lower")
    steps = iters * (math.log(t_initial / t_min) / math.log(mu_t) + 1)
    if steps > MOST_STEPS:
        raise InputError(f"these temperatures mean {steps:.3g} steps, and {MOST_STEPS} are the limit: raise mu_t or t_min, or lower "
                         "iters_fixed_T")
    params.n_tries, params.iters_fixed_T, params.step_size = 1, iters, step_size        # GSL uses n_tries in another walk only
    params.k, params.t_initial, params.mu_t, params.t_min = k, t_initial, mu_t, t_min
    return params
