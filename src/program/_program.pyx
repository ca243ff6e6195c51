# cython: auto_pickle=False
"""A formula's program, owned: opcodes, value and Jacobian at points, and the same for GSL's solvers."""
import numpy as np

from gslfit.errors import InputError

cimport numpy as cnp
from libc.stdint cimport int32_t, uint64_t, uintptr_t

from loop cimport gslfit_function
from program cimport (
    GSLFIT_NOTHING, MAX_FREE, MAX_VARIABLES, OPCODE_COUNT, curve, fit_points, gslfit_curve_df, gslfit_curve_f, gslfit_isa_choose,
    gslfit_isa_name, gslfit_linear_fit, gslfit_linear_start_of, gslfit_opcode_facts, gslfit_program_check, gslfit_shapes,
    gslfit_shapes_score, gslfit_workspace_evaluate, gslfit_workspace_free, gslfit_workspace_new, instruction, measured_response,
    opcode_fact, program, second_derivatives, shape_set, workspace,
)

cnp.import_array()


cdef tuple described(int number):
    """Return an operation's name, and what `OPCODES` says of it."""
    cdef const opcode_fact *fact = &gslfit_opcode_facts[number]
    return fact.name.decode(), (number, fact.arity, fact.meaning.decode())


OFF_GRID = 1e-3     # of its spacing, how far from a point of a response's grid x may be
FREE_LIMIT, VARIABLE_LIMIT = <int>MAX_FREE, <int>MAX_VARIABLES
NOTHING = <int>GSLFIT_NOTHING
OPCODES = dict(described(number) for number in range(OPCODE_COUNT))


def instruction_set(name=None):
    """Return the instruction set in use, after choosing one by name.

    Parameters
    ----------
    name : {"v4", "v3", "base"}, optional
        x86-64-v4 (AVX-512), x86-64-v3 (AVX2), or what every processor has. The best is chosen when the module is loaded.

    Raises
    ------
    InputError
        If this build or this processor doesn't have it.
    """
    if name is not None and gslfit_isa_choose(name.encode()):
        raise InputError(f"there is no instruction set {name!r} here; choose 'v4', 'v3' or 'base', as far as the processor has them")
    return gslfit_isa_name().decode()


cdef object _numbers(value, dtype, name, ndim):
    """Return a contiguous array that the program keeps, read-only."""
    array = np.array(value, dtype=dtype, order="C")
    if array.ndim != ndim:
        raise InputError(f"{name} has {array.ndim} dimensions, and {ndim} are needed")
    array.setflags(write=False)
    return array


cdef const double *floats(object array) except? NULL:
    """Return where a contiguous float64 array begins; NULL for None."""
    return NULL if array is None else <const double *>cnp.PyArray_DATA(array)


cdef uint64_t _bits(numbers, int nfree) except? 0:
    """The bits of free variables."""
    cdef uint64_t found = 0
    for k in numbers:
        if not 0 <= k < min(nfree, 64):
            raise InputError(f"linear names free variable {k}, and there are {nfree}")
        found |= (<uint64_t>1) << <int>k
    return found


cdef object _rows(y, long n):
    """Return data as contiguous rows of n numbers."""
    data = np.ascontiguousarray(y, np.float64)
    if data.ndim != 2 or data.shape[1] != n:
        raise InputError(f"y has shape {data.shape}, and (fits, {n}) is needed")
    return data


cdef class Program:
    """A program for the block evaluator: what a formula is lowered to.

    Parameters
    ----------
    nx, nfree, ninput : int
        How many independent variables, free variables (p) and per-fit inputs there are.
    constants : array_like, shape (k,)
        Scalars ``nfree + ninput`` onwards.
    prologue, body : array_like of int, shape (m, 5)
        Instructions ``(op, out, a, b, c)``, `op` from `OPCODES`.
    nvalue : int
        How many instructions of the body the value needs.
    outputs : array_like of int, shape (1 + p,)
        The value and its derivatives, as operands of the body.
    linear : sequence of int, optional
        Numbers of free variables that the value is linear in, all together.
    amplitudes : sequence of int, optional
        Those of them that multiply what depends on others.
    response : tuple (x, numbers, count, centre, shift, moved), optional
        What value and derivatives are folded with, over the points x (n) of an even grid: `count` numbers, or None where each fit has its
        own; the number that stands for no delay; the free variable or the input that moves it, or -1, and by how much it is moved then.

    second : tuple (further, pairs, epilogue, elements), optional
        What Newton's steps need: instructions that follow the body; operands of the body (k, 2) that are multiplied, the second `NOTHING`
        where there is one; instructions over scalars: the program's, then J^T r, the sums of the residual times these products,
        temporaries; and the scalars, or `NOTHING` for zero, that are the elements of the sum of the residual times second derivatives,
        a triangle by rows.

    Raises
    ------
    InputError
        If an instruction reads or writes outside the program.
    """

    cdef program code
    cdef measured_response folded
    cdef second_derivatives bent
    cdef object constants, prologue, body, outputs, grid, numbers, pairs, epilogue, elements

    def __init__(self, int nx, int nfree, int ninput, constants, prologue, body, int nvalue, outputs, linear=(), amplitudes=(),
                 response=None, second=None):
        cdef char message[200]
        self.constants = _numbers(constants, np.float64, "constants", 1)
        self.prologue = _numbers(prologue, np.int32, "prologue", 2)
        self.body = _numbers(body, np.int32, "body", 2)
        self.code.nbody = len(self.body)
        self.code.second = NULL
        if second is not None:
            self._bend(nfree, *second)
        self.outputs = _numbers(outputs, np.int32, "outputs", 1)
        for name, part in (("prologue", self.prologue), ("body", self.body), ("epilogue", self.epilogue)):
            if part is not None and part.size and part.shape[1] != 5:
                raise InputError(f"{name} has {part.shape[1]} columns, and 5 are needed: op, out, a, b, c")
        if len(self.outputs) != nfree + 1:
            raise InputError(f"outputs has {len(self.outputs)} elements, and 1 + nfree = {nfree + 1} are needed")
        self.code.nx, self.code.nfree, self.code.ninput, self.code.nconstant = nx, nfree, ninput, len(self.constants)
        self.code.nprologue, self.code.nvalue = len(self.prologue), nvalue
        self.code.constants = floats(self.constants)
        self.code.prologue = <const instruction *>cnp.PyArray_DATA(self.prologue)
        self.code.body = <const instruction *>cnp.PyArray_DATA(self.body)
        self.code.outputs = <const int32_t *>cnp.PyArray_DATA(self.outputs)
        self.code.linear, self.code.amplitudes = _bits(linear, nfree), _bits(amplitudes, nfree)
        self.code.response = NULL
        if response is not None:
            self._respond(*response)
        if gslfit_program_check(&self.code, message, sizeof(message)):
            raise InputError(message.decode())

    def _bend(self, int nfree, further, pairs, epilogue, elements):
        """Take second derivatives."""
        further = _numbers(further, np.int32, "further", 2)
        self.body = _numbers(np.concatenate((self.body.reshape(-1, 5), further.reshape(-1, 5))), np.int32, "body", 2)
        self.pairs, self.epilogue = _numbers(pairs, np.int32, "pairs", 2), _numbers(epilogue, np.int32, "epilogue", 2)
        self.elements = _numbers(elements, np.int32, "elements", 1)
        if (self.pairs.size and self.pairs.shape[1] != 2) or len(self.elements) != nfree*(nfree + 1)//2:
            raise InputError("second derivatives need pairs of operands, and a triangle of elements")
        self.bent.nfurther, self.bent.npair, self.bent.nepilogue = len(further), len(self.pairs), len(self.epilogue)
        self.bent.pairs = <const int32_t *>cnp.PyArray_DATA(self.pairs)
        self.bent.epilogue = <const instruction *>cnp.PyArray_DATA(self.epilogue)
        self.bent.elements = <const int32_t *>cnp.PyArray_DATA(self.elements)
        self.code.second = &self.bent

    @property
    def second(self):
        """What the program was made with: what Newton's steps need; None for nothing."""
        return None if self.code.second == NULL else (self.body[self.code.nbody:], self.pairs, self.epilogue, self.elements)

    def _respond(self, x, numbers, long count, long centre, int shift, double moved):
        """Take a response."""
        self.grid = _numbers(x, np.float64, "the response's x", 1)
        self.numbers = None if numbers is None else _numbers(numbers, np.float64, "the response", 1)
        if not len(self.grid) or (numbers is not None and len(self.numbers) != count):
            raise InputError(f"a response of {count} numbers over points is needed")
        self.folded.n, self.folded.x = len(self.grid), floats(self.grid)
        self.folded.step = (self.grid[-1] - self.grid[0])/(len(self.grid) - 1) if len(self.grid) > 1 else 1.0
        self.folded.count, self.folded.centre, self.folded.numbers = count, centre, floats(self.numbers)
        self.folded.shift, self.folded.moved = shift, moved
        self.code.response = &self.folded

    @property
    def response(self):
        """What the program was made with: what its value and derivatives are folded with; None where that is nothing."""
        r = &self.folded
        return None if self.code.response == NULL else (self.grid, self.numbers, r.count, r.centre, r.shift, r.moved)

    def __reduce__(self):
        code = &self.code
        return Program, (code.nx, code.nfree, code.ninput, self.constants, self.prologue, self.body[:code.nbody], code.nvalue, self.outputs,
                         *(tuple(k for k in range(code.nfree) if mask >> k & 1) for mask in (code.linear, code.amplitudes)),
                         *(() if code.response == NULL and code.second == NULL else (self.response, self.second)))

    @property
    def address(self):
        """Address of the C struct ``program`` (program.h): how another extension gets at it."""
        return <uintptr_t>&self.code

    @property
    def nx(self):
        """How many independent variables there are."""
        return self.code.nx

    @property
    def nfree(self):
        """How many free variables there are."""
        return self.code.nfree

    @property
    def ninput(self):
        """How many per-fit inputs there are."""
        return self.code.ninput

    def evaluate(self, v, x, inputs=None, *, bint jacobian=True):
        """Evaluate value and Jacobian at points.

        Parameters
        ----------
        v : array_like, shape (p,)
            Free variables.
        x : array_like, shape (nx, n), or (n,) for a single variable
            Independent variables.
        inputs : array_like, shape (ninput,), optional
            Per-fit inputs.
        jacobian : bool
            Whether the Jacobian is wanted.

        Returns
        -------
        value : ndarray, shape (n,)
        jacobian : ndarray, shape (n, p), or None

        Raises
        ------
        InputError
            If a shape is wrong.
        """
        values, given, points = self._arguments(v, x, inputs)
        cdef long n = points.shape[1], p = self.code.nfree
        value = np.empty(n)
        slopes = np.empty((n, p)) if jacobian else None
        cdef const double *rows[MAX_VARIABLES]
        cdef int j
        for j in range(self.code.nx):
            rows[j] = floats(points) + j*n
        cdef const double *free = floats(values)
        cdef const double *extra = floats(given)
        cdef double *out = <double *>floats(value)
        cdef double *J = <double *>floats(slopes)
        cdef workspace *space = gslfit_workspace_new(&self.code)
        if space == NULL:
            raise MemoryError
        with nogil:
            gslfit_workspace_evaluate(space, free, extra, rows, n, out, J, p, 1)
            gslfit_workspace_free(space)
        return value, slopes

    @property
    def amplitudes(self):
        """Numbers of the free variables that the value is linear in and that multiply what depends on others."""
        return tuple(k for k in range(self.code.nfree) if self.code.amplitudes >> k & 1)

    def linear_start(self, v, residual, jacobian, low, high):
        """Return where a fit is to begin instead, since amplitudes are far too small beside the data.

        Parameters
        ----------
        v : array_like, shape (p,)
            Where it would begin.
        residual : array_like, shape (n,)
            The weighted residual there.
        jacobian : array_like, shape (n, p)
            Its derivatives.
        low, high : array_like, shape (p,)
            Bounds, infinite where there are none.

        Returns
        -------
        ndarray, shape (p,), or None
            None where it may begin at `v`.
        """
        cdef int p = self.code.nfree
        values, r = np.ascontiguousarray(v, np.float64), np.ascontiguousarray(residual, np.float64)
        least, most = np.ascontiguousarray(low, np.float64), np.ascontiguousarray(high, np.float64)
        columns = np.array(np.transpose(jacobian), np.float64, order="C")
        if {values.shape, least.shape, most.shape} != {(p,)} or columns.shape != (p, *r.shape) or r.ndim != 1:
            raise InputError(f"v, low and high must have the shape {(p,)}, residual (n,) and jacobian (n, {p})")
        highest = np.max(np.abs(columns), axis=1, initial=0.0)
        scale = np.where(highest > 0, highest, 1.0)
        lengths = scale*np.linalg.norm(columns/scale[:, None], axis=1)
        columns /= np.where(lengths > 0, lengths, 1.0)[:, None]
        start = np.empty(p)
        cdef int found = gslfit_linear_start_of(&self.code, len(r), floats(r), floats(columns), floats(lengths), floats(values),
                                                floats(least), floats(most), <double *>floats(start))
        return start if found else None

    def linear_fit(self, v, x, y, weights, inputs, which):
        """Fit some free variables that the program is linear in, the others given.

        Parameters
        ----------
        v : array_like, shape (p,)
            The others' values, and 0 for these.
        x : array_like, shape (nx, n)
        y : array_like, shape (n,)
        weights : array_like, shape (n,), or None
        inputs : array_like, shape (ninput,), or None
        which : sequence of int
            The numbers of those that are fitted.

        Returns
        -------
        values, lengths : ndarray, shape (k,)
            Theirs, and the lengths of their columns.
        length : float
            The length of what is fitted.

        None is returned where a number isn't finite, or a column is zero or next to dependent.

        Raises
        ------
        InputError
            If a shape is wrong.
        """
        values, given, points = self._arguments(v, x, inputs)
        cdef long n = points.shape[1]
        data = np.ascontiguousarray(y, np.float64)
        factors = None if weights is None else np.ascontiguousarray(weights, np.float64)
        if data.shape != (n,) or not (factors is None or factors.shape == (n,)):
            raise InputError(f"y and weights must have the shape {(n,)}, as x has")
        cdef int number[MAX_FREE]
        cdef int j, count = len(which), done
        cdef fit_points to
        cdef double length = 0
        for j in range(count):
            if not 0 <= which[j] < self.code.nfree:
                raise InputError(f"which names free variable {which[j]}, and there are {self.code.nfree}")
            number[j] = which[j]
        for j in range(self.code.nx):
            to.x[j] = floats(points) + j*n
        to.n, to.y, to.weights, to.factor = n, floats(data), floats(factors), NULL
        found, lengths = np.empty(count), np.empty(count)
        cdef const double *free = floats(values)
        cdef const double *extra = floats(given)
        cdef double *out = <double *>floats(found)
        cdef double *sizes = <double *>floats(lengths)
        with nogil:
            done = gslfit_linear_fit(&self.code, &to, free, extra, number, count, out, sizes, &length)
        if done < 0:
            raise MemoryError
        return (found, lengths, length) if done else None

    def shapes(self, x, inputs, y=None):
        """Evaluate a program that is linear in its free variables for many rows of inputs, its columns made orthonormal.

        Parameters
        ----------
        x : array_like, shape (n,)
            The one independent variable.
        inputs : array_like, shape (ninput, g)
        y : array_like, shape (fits, n), optional
            Data that are multiplied with each shape at once: no shape is kept then.

        Returns
        -------
        good : ndarray of bool, shape (g,)
            False where a number isn't finite, or a column is 0 or depends on others: the rest means nothing there.
        triangles : ndarray, shape (g, p, p)
            Derivative j by the free variables is ``sum(triangles[:, i, j]*columns[i] for i in range(j + 1))``.
        across, square : ndarray, shapes (p, g) and (g,)
            Products of the base, the value where the free variables are 0, with the columns and with itself; None where all are 0.
        base, columns : ndarray, shapes (g, n) or None where all are 0, and (p, g, n)
            With data instead: their products with the base, (fits, g) or None, and with the columns, (p, fits, g).

        Raises
        ------
        InputError
            If a shape is wrong.
        """
        points, rows = self._shape_arguments(x, inputs)
        cdef long n = points.shape[0], count = rows.shape[0], fits = 0
        cdef int k = self.code.nfree, any_base
        cdef shape_set to
        cdef const double *at = floats(points)
        cdef const double *given = floats(rows)
        cdef const double *values = NULL
        triangles, across, square, good = np.zeros((count, k, k)), np.empty((k, count)), np.empty(count), np.empty(count, np.bool_)
        to.r, to.across, to.square = <double *>floats(triangles), <double *>floats(across), <double *>floats(square)
        to.good = <unsigned char *>cnp.PyArray_DATA(good)
        to.base = to.q = to.products = to.along = NULL
        if y is None:
            base, columns = np.zeros((count, n)), np.empty((k, count, n))
            to.base, to.q = <double *>floats(base), <double *>floats(columns)
        else:
            data = _rows(y, n)
            fits, values = data.shape[0], floats(data)
            base, columns = np.empty((fits, count)), np.empty((k, fits, count))
            to.along, to.products = <double *>floats(base), <double *>floats(columns)
        with nogil:
            any_base = gslfit_shapes(&self.code, given, count, at, n, values, fits, &to)
        if any_base < 0:
            raise MemoryError
        return (good, triangles, across, square, base, columns) if any_base else (good, triangles, None, None, None, columns)

    def score(self, x, inputs, y):
        """Find how well each shape of a program with one free variable, linear in it, fits one curve.

        Parameters
        ----------
        x, inputs
            As `shapes` takes them.
        y : array_like, shape (n,)

        Returns
        -------
        score : ndarray, shape (g,)
            What the shape takes off the sum of the data's squares; -inf where a number isn't finite or the shape is 0.
        value : ndarray, shape (g,)
            The free variable there.
        """
        points, rows = self._shape_arguments(x, inputs)
        cdef long n = points.shape[0], count = rows.shape[0]
        data = _rows([y], n)
        if self.code.nfree != 1:
            raise InputError(f"the program has {self.code.nfree} free variables, and one is needed")
        if self.code.response != NULL and not np.array_equal(points, self.grid):
            raise InputError("x must be the whole grid that the response is folded over")
        gains, found = np.empty(count), np.empty(count)
        cdef const double *at = floats(points)
        cdef const double *given = floats(rows)
        cdef const double *values = floats(data)
        cdef double *score = <double *>floats(gains)
        cdef double *best = <double *>floats(found)
        cdef int failed
        with nogil:
            failed = gslfit_shapes_score(&self.code, given, count, at, n, values, score, best)
        if failed:
            raise MemoryError
        return gains, found

    def _shape_arguments(self, x, inputs):
        """Return the arguments of `shapes` as contiguous float64 arrays, the inputs a row for each shape."""
        points = np.ascontiguousarray(x, np.float64)
        rows = np.ascontiguousarray(np.transpose(inputs), np.float64)
        if self.code.nx != 1 or points.ndim != 1 or rows.ndim != 2 or rows.shape[1] != self.code.ninput:
            raise InputError(f"x of shape (n,) and inputs of shape ({self.code.ninput}, g) are needed, and one independent variable")
        if self.code.response != NULL:
            self._check_grid(points[None])
        return points, rows

    def _arguments(self, v, x, inputs):
        """Return the arguments of `evaluate` as contiguous float64 arrays of the right shapes."""
        values = np.ascontiguousarray(v, np.float64)
        given = np.ascontiguousarray(() if inputs is None else inputs, np.float64)
        points = np.ascontiguousarray(x, np.float64)
        if points.ndim == 1 and self.code.nx == 1:
            points = points[None]
        if values.shape != (self.code.nfree,):
            raise InputError(f"v has shape {values.shape}, and {(self.code.nfree,)} is needed: the free variables")
        if given.shape != (self.code.ninput,):
            raise InputError(f"inputs has shape {given.shape}, and {(self.code.ninput,)} is needed")
        if points.ndim != 2 or points.shape[0] != self.code.nx:
            raise InputError(f"x has shape {points.shape}, and ({self.code.nx}, n) is needed: a row for each independent variable")
        if self.code.response != NULL:
            self._check_grid(points)
        return values, given, points

    def _check_grid(self, points):
        """Raise InputError where points are not on the grid of the response, or the response has no numbers."""
        if self.numbers is None:
            raise InputError("each fit has a response of its own: evaluate the program of one of them")
        self.check_points(points[0])

    def check_points(self, x):
        """Raise InputError where x, (n,), is not on the grid that the response is folded over."""
        places = np.clip(np.rint((x - self.grid[0])/self.folded.step), 0, self.folded.n - 1)
        if not (np.abs(x - self.grid[np.where(np.isfinite(places), places, 0).astype(int)])
                <= OFF_GRID*abs(self.folded.step)).all():
            raise InputError("x has points that are not on the grid that the response is folded over")

    def residual(self, x, y=None, weights=None, inputs=None):
        """Return ``weights*(model - y)`` and its Jacobian as functions for GSL's solvers, run without Python.

        Parameters
        ----------
        x : array_like, shape (nx, n), or (n,)
            Independent variables.
        y, weights : array_like, shape (n,), optional
            Data (0), and factors of the residuals (1).
        inputs : array_like, shape (ninput,), optional
            Per-fit inputs.

        Returns
        -------
        Residual
            What `FdfSolver.set` and `NonlinearSolver.set` take for a function.
        """
        return Residual(self, x, y, weights, inputs)


cdef class Residual:
    """A program on one curve, for GSL's solvers; made by `Program.residual`.

    Attributes
    ----------
    native : bool
        True: the functions are C, and a fit holds no lock.
    normalise : bool
        Whether the solver scales the residuals to about 1 (it doesn't matter to the result).
    """

    cdef curve data
    cdef fit_points points
    cdef gslfit_function function
    cdef object kept
    cdef readonly bint native, normalise, centred
    cdef readonly double h

    def __cinit__(self, Program owner not None, x, y, weights, inputs):
        _, given, points = owner._arguments(np.zeros(owner.code.nfree), x, inputs)
        cdef long n = points.shape[1]
        kept = [given, points]
        for name, array in (("y", y), ("weights", weights)):
            array = None if array is None else np.ascontiguousarray(array, np.float64)
            if array is not None and array.shape != (n,):
                raise InputError(f"{name} has shape {array.shape}, and {(n,)} is needed, as x has")
            kept.append(array)
        self.kept = (owner, *kept)
        cdef int j
        for j in range(owner.code.nx):
            self.points.x[j] = floats(points) + j*n
        self.data.inputs = floats(given)
        self.points.y = floats(kept[2])
        self.points.weights = floats(kept[3])
        self.points.n = n
        self.data.points = &self.points
        self.data.space = gslfit_workspace_new(&owner.code)
        if self.data.space == NULL:
            raise MemoryError
        self.function.f, self.function.df, self.function.params = gslfit_curve_f, gslfit_curve_df, &self.data
        self.function.n, self.function.p = n, owner.code.nfree
        self.native, self.normalise, self.centred, self.h = True, True, False, 0.0

    def __dealloc__(self):
        gslfit_workspace_free(self.data.space)

    @property
    def address(self):
        """Address of the C struct ``gslfit_function`` (guard.h)."""
        return <uintptr_t>&self.function

    def bind(self, n, p):
        """Return the function for n residuals and p free variables: itself.

        Raises
        ------
        InputError
            If there are other numbers of them.
        """
        if (n, p) != (self.function.n, self.function.p):
            raise InputError(f"the curve has {self.function.n} points and {self.function.p} free variables, the solver {n} and {p}")
        return self

    def __reduce__(self):
        raise TypeError("a Residual can't be pickled: make it anew from its program")

    def take(self):
        """Return the exception of a callback: there is none."""
        return None
