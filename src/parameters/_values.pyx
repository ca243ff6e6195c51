# cython: boundscheck=False, wraparound=False, cdivision=True, nonecheck=True
"""What runs at every evaluation of a residual: numbers into parameters, expressions after them, the caller's function, its array.

A fit of a hundred points spends a few microseconds in the caller's function; whatever stands around it has to be small beside that.
So the parameters' slots, the writing into them and the call are here; their manners are in the Python classes made from these.
"""
import numpy as np

from gslfit.errors import FitError, InputTypeError, NonFiniteError

from cpython.float cimport PyFloat_AS_DOUBLE, PyFloat_CheckExact
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from cpython.object cimport PyObject
from libc.math cimport fmin
from libc.stdint cimport uint64_t
from libc.string cimport memcmp, memcpy

cdef extern from "Python.h":
    Py_ssize_t Py_REFCNT(object o)
    object PyEval_EvalCode(object code, object space, object names)
    object PyObject_Call(object function, tuple args, PyObject *kws)

include "common/vectors.pxi"
include "bounds.pxi"

cdef uint64_t ALWAYS = 0xFFFFFFFFFFFFFFFFULL       # what may depend on anything
cdef object WAITING = object()      # in a parameter's slot: an expression that is evaluated when it is read


cdef class Slots:
    """What a parameter holds.

    A read of `value` is a read of a slot, at C's speed: residual functions do little else.  Only where an expression's inputs have
    changed is there more to do, by the Python class.
    """

    cdef public object name, init_value, brute_step, user_data
    cdef public object _owner, _vary, _expr, _min, _max
    cdef object number, error, correlations
    cdef object pending, asked      # pending(asked) gives the error and the correlations when they are first asked for
    cdef object __weakref__

    @property
    def value(self):
        """Value, float; None if it was given none."""
        return self.number if self.number is not WAITING else self._evaluated()

    @value.setter
    def value(self, value):
        self._set_value(value)

    @property
    def _value(self):
        return self.number if self.number is not WAITING else self._evaluated()

    @_value.setter
    def _value(self, value):
        self.number = value

    @property
    def stderr(self):
        """Standard error, after a fit: 0 if fixed, propagated if an expression; None before, and where it can't be had."""
        if self.pending is not None:
            self.settle()
        return self.error

    @stderr.setter
    def stderr(self, error):
        if self.pending is not None:
            self.settle()
        self.error = error

    @property
    def correl(self):
        """Correlations with the other varied parameters, dict of str to float, after a fit; None where it has none."""
        if self.pending is not None:
            self.settle()
        return self.correlations

    @correl.setter
    def correl(self, correlations):
        if self.pending is not None:
            self.settle()
        self.correlations = correlations

    cdef int settle(self) except -1:
        """Ask for the error and the correlations."""
        self.error, correlations = self.pending(self.asked)
        self.correlations = None if correlations is None else dict(correlations)        # copies of this one ask too
        self.pending = None
        return 0

    def _fitted(self, value, start, call, name):
        """Take a fit's outcome; what `call(name)` gives, the error and the correlations, is asked for when somebody reads them."""
        self.number, self.init_value, self.pending, self.asked = value, start, call, name

    def _forget(self):
        """Empty the slot of the value: it waits to be evaluated."""
        self.number = WAITING

    def _waits(self):
        """Return whether the value waits to be evaluated."""
        return self.number is WAITING

    cdef Slots twin(self, object owner):
        """Return a parameter of the same contents, with another owner."""
        cdef Slots new = type(self).__new__(type(self))
        new.take(self)
        new._owner = owner
        return new

    def _take(self, Slots other):
        """Take everything from another parameter but its owner."""
        self.take(other)

    cdef int take(self, Slots other) except -1:
        self.name, self._vary, self._expr, self._min, self._max = other.name, other._vary, other._expr, other._min, other._max
        self.number, self.error, self.init_value, self.pending = other.number, other.error, other.init_value, other.pending
        self.asked, self.brute_step, self.user_data = other.asked, other.brute_step, other.user_data
        self.correlations = None if other.correlations is None else dict(other.correlations)
        return 0


def twins(params, owner, derived):
    """Return a dict of parameters of the same contents, those with an expression owned by `derived` and waiting to be evaluated."""
    cdef Slots par, new
    cdef dict out = {}
    for name, parameter in params.items():
        par = <Slots?>parameter         # None is no parameter
        new = par.twin(owner if par._expr is None else derived)
        if par._expr is not None:
            new.number = WAITING
        out[name] = new
    return out


cdef double limit_of(object bound, double none) except? -1:
    """Return a bound as a number."""
    return none if bound is None else bound


cdef class Values:
    """The free variables of a fit; `gslfit.parameters.free_variables.Binding` says what its methods do.

    Parameters
    ----------
    params : Parameters
        A copy that is the fit's own.
    """

    cdef readonly object params
    cdef readonly tuple names
    cdef readonly object start, origin
    cdef readonly bint doubtful     # a start lies on a bound or next to it
    cdef readonly dict _space       # name -> value, what expressions are evaluated over
    cdef readonly list _derived       # derived parameters, in the order of evaluation
    cdef readonly list _free        # the varying Parameter objects
    cdef list steps                 # (code, scope, parameter, name, clips) for each of them
    cdef uint64_t *needs  # for each of them, a bit for each varying parameter it depends on
    cdef list state                 # what the residual function may have overwritten, and must find restored
    cdef list items
    cdef Box *box
    cdef Py_ssize_t p
    cdef bint stale                 # the last evaluation failed: nothing may be taken for known

    def __init__(self, params):
        cdef Slots par
        self.params = params
        self.items = list(params.items())
        self._space, self._free, self.state = {}, [], []
        for name, item in self.items:
            if not isinstance(item, Slots):
                raise InputTypeError(f"params[{name!r}] must be a Parameter, not {type(item).__name__}")
            par = item
            if par._expr is None:
                value = par.number
                if not (PyFloat_CheckExact(value) and limit_of(par._min, -INFINITY) <= <double>value <= limit_of(par._max, INFINITY)
                        and isfinite(<double>value)):
                    self._refuse(par)
                self._space[name] = value
                if par._vary:
                    self._free.append(par)
            self.state.append((par, par._vary, par._expr, par._min, par._max, self._space.get(name)))
        self.p = len(self._free)
        self._lay_out()
        self._derived = params._constraints(self._space)
        self._plan()
        self.stale = True
        params._touched = False

    def __dealloc__(self):
        PyMem_Free(self.box)
        PyMem_Free(self.needs)

    cdef _lay_out(self):
        """Make the transforms and the start."""
        cdef Slots par
        cdef Py_ssize_t j
        cdef double low, high, value
        cdef cnp.ndarray start = new_vector(self.p), origin = new_vector(self.p)
        PyMem_Free(self.box)
        self.box = <Box *>PyMem_Malloc((self.p + 1) * sizeof(Box))
        if self.box == NULL:
            raise MemoryError
        for j in range(self.p):
            par = self._free[j]
            low, high = limit_of(par._min, -INFINITY), limit_of(par._max, INFINITY)
            value = gslfit_bound_interior(par.number, low, high, INSIDE_SHARE, NEAR_SHARE)
            gslfit_bound_set(&self.box[j].bound, value, low, high, 0., WIDE_SHARE, FAR_TIMES)
            self.box[j].put = value
            self.doubtful = self.doubtful or doubtful(par.number, low, high)
            data_of(start)[j], data_of(origin)[j] = gslfit_bound_internal(&self.box[j].bound, value), value
        self.start, self.origin = start, origin
        self.names = tuple([par.name for par in self._free])

    cdef _plan(self):
        """Note which varying parameters each expression depends on; one that may depend on more is evaluated every time."""
        cdef Py_ssize_t i = 0
        self.steps = []
        if not self._derived:
            return
        PyMem_Free(self.needs)
        self.needs = <uint64_t *>PyMem_Malloc(len(self._derived) * sizeof(uint64_t))
        if self.needs == NULL:
            raise MemoryError
        known = {name: 1 << (j & 63) for j, name in enumerate(self.names)}
        for derived in self._derived:
            mask = 0
            for name in derived.names:
                mask |= known.get(name, 0)
            if not derived.pure:
                mask = ALWAYS
            known[derived.name] = mask
            self.needs[i] = mask
            i += 1
            self.steps.append((derived.code, derived.scope, derived.parameter, derived.name, derived.clips))

    cdef int write(self, const double *values) except -1:
        """Write the varying parameters' values, restore the rest, evaluate the expressions that this changes."""
        cdef Slots par
        cdef Py_ssize_t j
        cdef uint64_t changed = 0
        cdef bint every = self.stale or self.p > 60
        if self.params._touched:
            self._restore()
            every = True
        self.stale = True
        for j in range(self.p):
            # compared by their bits: -0 is not 0 to every function
            if every or memcmp(&values[j], &self.box[j].put, sizeof(double)):
                par = <Slots>self._free[j]
                number = values[j]
                par.number = number
                self._space[par.name] = number
                self.box[j].put = values[j]
                changed |= 1ULL << (j & 63)
        if self.steps:
            self.evaluate(changed, every)
        self.stale = False
        return 0

    cdef int evaluate(self, uint64_t changed, bint every) except -1:
        """Evaluate the expressions in their order."""
        cdef Py_ssize_t i
        cdef dict space = self._space
        for i in range(len(self.steps)):
            if not every and not self.needs[i] & changed and self.needs[i] != ALWAYS:
                continue
            code, scope, parameter, name, clips = <tuple>self.steps[i]
            try:
                x = PyEval_EvalCode(code, scope, space)
            except Exception as error:
                self._derived[i].fail(error, space)
            if not PyFloat_CheckExact(x) or PyFloat_AS_DOUBLE(x) != PyFloat_AS_DOUBLE(x) or clips:
                x = self._derived[i].settle(x, space)
            (<Slots>parameter).number = x
            space[name] = x
        return 0

    def _restore(self):
        """Undo what was written into `params` since the last `put`."""
        cdef Slots par
        params = self.params
        if [*params.items()] != self.items or any([params[name] is not one for name, one in self.items]):
            dict.clear(params)
            dict.update(params, self.items)
        for par, vary, expr, low, high, value in self.state:
            par._vary, par._expr, par._min, par._max = vary, expr, low, high
            params._own(par)
            if expr is None:
                par.number = self._space[par.name] = value
        params._touched = False

    cdef cnp.ndarray vector(self, object values):
        """Return numbers for the varying parameters, as a contiguous vector."""
        if not is_plain(values):
            values = np.array(values, dtype=np.float64, ndmin=1)
        if cnp.PyArray_NDIM(values) != 1 or cnp.PyArray_DIM(values, 0) != self.p:
            raise ValueError(f"{self.p} values are needed, one for each of {', '.join(self.names)}, not shape {values.shape}")
        return values

    def starts(self):
        """Evaluate the expressions at the values the caller gave; return all values by name.

        The start of a fit may differ from these by rounding, or lie inside a bound that they lie on.
        """
        cdef Slots par
        cdef cnp.ndarray given = new_vector(self.p)
        cdef Py_ssize_t j
        for j in range(self.p):
            par = self._free[j]
            data_of(given)[j] = par.number
        self.write(data_of(given))
        return dict(self._space)

    def put(self, v):
        """Write the values that internal `v` stands for, restore the fixed ones, and evaluate the expressions.

        Parameters
        ----------
        v : ndarray, shape (p,)
            Internal values.

        Raises
        ------
        NonFiniteError
            If an expression gives NaN or can't be computed; names the parameter and its expression.
        """
        cdef cnp.ndarray internal = self.vector(v), values = new_vector(self.p)
        cdef double *x = <double *>cnp.PyArray_DATA(values)
        cdef Py_ssize_t j
        for j in range(self.p):
            x[j] = gslfit_bound_external(&self.box[j].bound, (<double *>cnp.PyArray_DATA(internal))[j])
        self.write(x)

    def put_external(self, values):
        """Write the varying parameters' own values, and evaluate the expressions.

        Parameters
        ----------
        values : array_like, shape (p,)
            Values of the varying parameters.
        """
        cdef cnp.ndarray own = self.vector(values)
        self.write(<double *>cnp.PyArray_DATA(own))

    def external(self, v):
        """Return the varying parameters' values, ndarray (p), for internal ones."""
        cdef cnp.ndarray internal = self.vector(v), out = new_vector(self.p)
        cdef Py_ssize_t j
        for j in range(self.p):
            (<double *>cnp.PyArray_DATA(out))[j] = gslfit_bound_external(&self.box[j].bound, (<double *>cnp.PyArray_DATA(internal))[j])
        return out

    def internal(self, values):
        """Return the internal values, ndarray (p), for the varying parameters' own."""
        cdef cnp.ndarray own = self.vector(values), out = new_vector(self.p)
        cdef Py_ssize_t j
        for j in range(self.p):
            (<double *>cnp.PyArray_DATA(out))[j] = gslfit_bound_internal(&self.box[j].bound, (<double *>cnp.PyArray_DATA(own))[j])
        return out

    def slopes(self, v):
        """Return the derivatives, ndarray (p), of the varying parameters by their internal values."""
        cdef cnp.ndarray internal = self.vector(v), out = new_vector(self.p)
        cdef Py_ssize_t j
        for j in range(self.p):
            (<double *>cnp.PyArray_DATA(out))[j] = gslfit_bound_slope(&self.box[j].bound, (<double *>cnp.PyArray_DATA(internal))[j])
        return out

    def fit_bounds(self, x, reach):
        """Choose the transforms for a start x, shape (p,), and for what counts as a change of each parameter there, shape (p,).

        Returns
        -------
        ndarray, shape (p,)
            The internal start.
        """
        cdef const double *at = numbers(x, self.p)
        cdef const double *counts = numbers(reach, self.p)
        cdef Slots par
        cdef Py_ssize_t j
        for j in range(self.p):
            par = self._free[j]
            gslfit_bound_set(&self.box[j].bound, at[j], limit_of(par._min, -INFINITY), limit_of(par._max, INFINITY), counts[j],
                             WIDE_SHARE, FAR_TIMES)
        return self.internal(x)

    def bounds(self):
        """Return the lower and the upper bounds, two ndarrays (p), infinite for none."""
        cdef cnp.ndarray low = new_vector(self.p), high = new_vector(self.p)
        cdef Slots par
        cdef Py_ssize_t j
        for j in range(self.p):
            par = self._free[j]
            (<double *>cnp.PyArray_DATA(low))[j] = limit_of(par._min, -INFINITY)
            (<double *>cnp.PyArray_DATA(high))[j] = limit_of(par._max, INFINITY)
        return low, high


cdef double FARTHEST = 1e300     # what a parameter may be but at the start


cdef class Evaluation:
    """A residual function, called; `gslfit.minimizer.residual.Residual` says what is done about the rest."""

    cdef readonly object function, free, name, args, kws, iter_cb
    cdef public object _keep
    cdef public Py_ssize_t nfev, size, full
    cdef public double scale, precision, limit
    cdef object best_at, best_r     # the values and the shortest residual seen, None before the first call
    cdef double least               # its length
    cdef Values values
    cdef tuple arguments

    def __init__(self, function, Values free, tuple args, dict kws, iter_cb, double limit):
        self.function, self.free, self.args, self.kws, self.iter_cb, self.limit = function, free, args, kws, iter_cb, limit
        self.values = free
        self.arguments = (free.params, *args)
        self.name = getattr(function, "__name__", type(function).__name__)
        self.scale, self.least = 1., INFINITY

    cdef object evaluate(self, cnp.ndarray x):
        if self.nfev >= self.limit:
            self._exhausted()
        self.nfev += 1
        self.values.write(<double *>cnp.PyArray_DATA(x))
        return self.ask(self.function, self.arguments)

    cpdef object ask(self, function, tuple arguments):
        """Call a function of the caller's with the fit's keywords; a FitError that it raises is the caller's from then on."""
        try:
            return PyObject_Call(function, arguments, <PyObject *>self.kws if self.kws else NULL)
        except FitError as error:
            error.of_caller = True
            raise

    def _evaluate(self, x):
        """Call the function as it is, counting the call."""
        return self.evaluate(self.values.vector(x))

    cdef bint is_beyond(self, cnp.ndarray x) noexcept:
        """Return whether values are beyond what numbers are good for, and no function of the caller's need be asked about them."""
        cdef const double *values = <double *>cnp.PyArray_DATA(x)
        cdef Py_ssize_t j
        for j in range(self.values.p):
            if not fabs(values[j]) <= FARTHEST:
                return True
        return False

    def __call__(self, x):
        cdef Py_ssize_t i
        cdef double *data
        cdef bint alone
        cdef cnp.ndarray own = self.values.vector(x)
        if self.nfev < self.limit and self.is_beyond(own):
            self.nfev += 1
            return np.full(self.size, np.nan)
        try:
            out = self.evaluate(own)
        except NonFiniteError as error:         # of an expression
            if error.of_caller:
                raise
            return np.full(self.size, np.nan)
        except OverflowError:                   # Python's numbers raise where NumPy's are infinite
            return np.full(self.size, np.nan)
        if is_plain(out) and cnp.PyArray_DIM(out, 0) == self.full:
            # an array that nobody else holds, and that is no view, can't be a buffer used again
            alone = Py_REFCNT(out) == 1 and cnp.PyArray_BASE(out) == NULL and cnp.PyArray_CHKFLAGS(out, cnp.NPY_ARRAY_OWNDATA)
            r = out if alone else cnp.PyArray_NewCopy(out, cnp.NPY_CORDER)
        else:
            r = self._flat(out)
        if self._keep is not None:
            r = r[self._keep]
        if self.scale != 1:
            data = <double *>cnp.PyArray_DATA(r)
            for i in range(self.size):
                data[i] *= self.scale
        self.remember(own, r)
        if self.iter_cb is not None:
            self._report(r if self.scale == 1 else r / self.scale)
        return r

    def _remember(self, x, r):
        """Keep a residual, and where it was computed, if it is the shortest so far."""
        self.remember(self.values.vector(x), r)

    cdef int remember(self, cnp.ndarray x, object r) except -1:
        """Do so."""
        cdef const double *data = <double *>cnp.PyArray_DATA(r)
        cdef Py_ssize_t n = cnp.PyArray_DIM(r, 0)
        cdef double size = dot(data, data, n)
        size = gslfit_norm(size, data, n, 1)
        if size < self.least:
            self.least, self.best_r = size, r
            if self.best_at is None:
                self.best_at = new_vector(self.values.p)
            memcpy(cnp.PyArray_DATA(self.best_at), cnp.PyArray_DATA(x), self.values.p * sizeof(double))
        return 0

    @property
    def best(self):
        """The values and the residuals of the shortest residual seen; None before the first call."""
        return None if self.best_at is None else (self.best_at.copy(), self.best_r)

    cdef double largest(self, object r):
        """Return the largest size of a contiguous vector's elements, NaN where one is not finite."""
        cdef double *data = <double *>cnp.PyArray_DATA(r)
        cdef double[4] most = [0, 0, 0, 0], sums = [0, 0, 0, 0]        # four that don't wait for each other
        cdef double own
        cdef Py_ssize_t i, k, n = cnp.PyArray_DIM(r, 0)
        for i in range(0, n - n % 4, 4):
            for k in range(4):
                own = fabs(data[i + k])
                most[k] = own if own > most[k] else most[k]
                sums[k] += own - own        # 0, or NaN
        for i in range(n - n % 4, n):
            own = fabs(data[i])
            most[0] = own if own > most[0] else most[0]
            sums[0] += own - own
        return fmax(fmax(most[0], most[1]), fmax(most[2], most[3])) + ((sums[0] + sums[1]) + (sums[2] + sums[3]))

    def _easy(self, out, double tiny, double huge):
        """Return a copy of a first residual of which nothing needs to be said, else None.

        That is a finite vector of common size in full precision.
        """
        cdef double *data
        cdef Py_ssize_t n
        if not is_plain(out):
            return None
        n = cnp.PyArray_DIM(out, 0)
        data = <double *>cnp.PyArray_DATA(out)
        # a value that float32 does not hold shows the array to be no float32 in disguise
        if n < self.values.p or n == 0 or not tiny < self.largest(out) < huge or <double><float>data[0] == data[0]:
            return None
        return cnp.PyArray_NewCopy(out, cnp.NPY_CORDER)
