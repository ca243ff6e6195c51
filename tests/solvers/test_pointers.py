"""C functions plugged in by pointer: every way to hold one, signatures checked, no GIL held."""
import ctypes
import doctest
import importlib.util
import os
import signal
import subprocess
import sys
import sysconfig
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import gslfit
from gslfit.errors import InputError, InputTypeError, NonFiniteError
from gslfit.multifit import FdfSolver, Function_fdf, LargeSolver, NonlinearSolver
from gslfit.solvers import pointers

CODE = r"""
#include <math.h>
#include <signal.h>
#include <time.h>
typedef struct {{ size_t size, stride; double *data; }} vector;             /* GSL's own layout, as far as it is used */
typedef struct {{ size_t size1, size2, tda; double *data; }} matrix;
typedef struct {{ size_t n; double *y; double sigma; long calls; }} data_t;
EXPORT int decay_f(const vector *x, void *params, vector *f)
{{
    data_t *d = params;
    d->calls++;
    for (size_t i = 0; i < d->n; i++)
        f->data[i * f->stride] = (x->data[0] * exp(-x->data[x->stride] * i) + x->data[2 * x->stride] - d->y[i]) / d->sigma;
    return 0;
}}
EXPORT int decay_df(const vector *x, void *params, matrix *J)
{{
    data_t *d = params;
    for (size_t i = 0; i < d->n; i++) {{
        double e = exp(-x->data[x->stride] * i);
        J->data[i * J->tda] = e / d->sigma;
        J->data[i * J->tda + 1] = -(double) i * x->data[0] * e / d->sigma;
        J->data[i * J->tda + 2] = 1 / d->sigma;
    }}
    return 0;
}}
EXPORT int decay_fvv(const vector *x, const vector *v, void *params, vector *fvv)
{{
    data_t *d = params;
    d->calls++;
    for (size_t i = 0; i < d->n; i++)
        fvv->data[i * fvv->stride] = exp(-x->data[x->stride] * i) * ((double) i * i * x->data[0] * v->data[v->stride] * v->data[v->stride]
                                                                     - 2.0 * i * v->data[0] * v->data[v->stride]) / d->sigma;
    return 0;
}}
EXPORT int decay_product(int transpose, const vector *x, const vector *u, void *params, vector *v, matrix *JTJ)
{{
    data_t *d = params;
    double J[120], sum;
    matrix jac = {{40, 3, 3, J}};
    decay_df(x, params, &jac);
    for (size_t k = 0; v && k < (transpose == 112 ? 3 : d->n); k++) {{
        sum = 0;
        for (size_t m = 0; m < (transpose == 112 ? d->n : 3); m++)
            sum += (transpose == 112 ? J[3 * m + k] : J[3 * k + m]) * u->data[m * u->stride];
        v->data[k * v->stride] = sum;
    }}
    for (size_t k = 0; JTJ && k < 9; k++) {{
        sum = 0;
        for (size_t i = 0; i < d->n; i++)
            sum += J[3 * i + k / 3] * J[3 * i + k % 3];
        JTJ->data[k / 3 * JTJ->tda + k % 3] = sum;
    }}
    return 0;
}}
EXPORT int failing_f(const vector *x, void *params, vector *f) {{ (void) x; (void) params; (void) f; return 9; }}
EXPORT int endless_f(const vector *x, void *params, vector *f)      /* falls by less and less, for ever */
{{
    (void) params;
    for (size_t i = 0; i < f->size; i++)
        f->data[i * f->stride] = 1 + exp(-x->data[0] * 1e-9);
    return 0;
}}
EXPORT int slow_f(const vector *x, void *params, vector *f)
{{
    struct timespec pause = {{0, 5000000}};
    nanosleep(&pause, NULL);
    return decay_f(x, params, f);
}}
EXPORT int interrupted_f(const vector *x, void *params, vector *f)    /* takes a while, and Ctrl-C is pressed at the fifth call */
{{
    struct timespec pause = {{0, 60000000}};
    if (++*(long *) params == 5)
        raise(SIGINT);
    nanosleep(&pause, NULL);
    for (size_t i = 0; i < f->size; i++)
        f->data[i * f->stride] = x->data[i * x->stride] - 1;
    return 0;
}}
EXPORT int long_f(const vector *x, void *params, vector *f)     /* longer than an interpreter takes to end */
{{
    struct timespec pause = {{0, 500000000}};
    (void) params;
    nanosleep(&pause, NULL);
    for (size_t i = 0; i < f->size; i++)
        f->data[i * f->stride] = x->data[i * x->stride] - 1;
    return 0;
}}
"""
SIGNATURES = {"decay_f": "int (const gsl_vector *, void *, gsl_vector *)", "decay_df": "int (const gsl_vector *, void *, gsl_matrix *)"}


class Data(ctypes.Structure):
    """data_t."""

    _fields_ = [("n", ctypes.c_size_t), ("y", ctypes.c_void_p), ("sigma", ctypes.c_double), ("calls", ctypes.c_long)]


Y = 1 + 5 * np.exp(-0.1 * np.arange(40.0)) + 0.1 * np.random.default_rng(2).normal(size=40)


def compile_c(folder, code, name):
    """Compile C into a shared library with the interpreter's own compiler."""
    source, library = folder / f"{name}.c", folder / f"{name}.so"
    source.write_text("#include <stddef.h>\n#define EXPORT\n" + code)
    compiler = (os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc").split()
    subprocess.run([*compiler, "-O2", "-shared", "-fPIC", str(source), "-o", str(library), "-lm"], check=True)
    return library


@pytest.fixture(scope="session")
def library(tmp_path_factory):
    """Return the functions above, compiled."""
    return ctypes.CDLL(str(compile_c(tmp_path_factory.mktemp("pointers"), CODE.format(), "decay")))


@pytest.fixture
def data():
    """Return what the functions get as params."""
    return Data(40, Y.ctypes.data, 0.1, 0)


@pytest.fixture(scope="module")
def best():
    """Return the minimum, by Python callables."""
    t = np.arange(40.0)
    solver = FdfSolver(40, 3)
    solver.set(Function_fdf.from_callables(lambda x: (x[0] * np.exp(-x[1] * t) + x[2] - Y) / 0.1, None, 40, 3), [1, 0, 0])
    solver.solve(xtol=1e-12, ftol=0)
    return solver.x


def solved(function, start=(1, 0, 0)):
    """Return the parameters that a fit of the function ends at."""
    solver = FdfSolver(40, 3)
    solver.set(function, start)
    assert solver.solve().success
    return solver.x


def address(library, name):
    """Where a function is, as a number."""
    return ctypes.cast(getattr(library, name), ctypes.c_void_p).value


def capsule(library, name, signature=None):
    """Return a PyCapsule named by the C signature (the name must outlive it: it is kept in the table)."""
    new = ctypes.pythonapi.PyCapsule_New
    new.restype, new.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
    text = (signature or SIGNATURES[name]).encode()
    KEPT.append(text)
    return new(address(library, name), text, None)


KEPT: list = []


def by_ctypes(library, name):
    """Return a ctypes function pointer with its types declared."""
    function = getattr(library, name)
    function.restype, function.argtypes = ctypes.c_int, [ctypes.c_void_p] * 3
    return function


def by_cffi(library, name):
    """Return a cffi function pointer of the very type."""
    ffi = pytest.importorskip("cffi").FFI()
    ffi.cdef("typedef struct gsl_vector gsl_vector; typedef struct gsl_matrix gsl_matrix;")
    KEPT.append(ffi)
    return ffi.cast(SIGNATURES[name].replace("(", "(*)(", 1), address(library, name))


def by_low_level(library, name):
    """Return a scipy.LowLevelCallable of a ctypes function."""
    from scipy import LowLevelCallable
    return LowLevelCallable(by_ctypes(library, name))


def by_low_level_capsule(library, name):
    """Return a scipy.LowLevelCallable of a capsule."""
    from scipy import LowLevelCallable
    return LowLevelCallable(capsule(library, name))


HOLDERS = [address, capsule, by_ctypes, by_cffi, by_low_level, by_low_level_capsule]


@pytest.mark.parametrize("hold", HOLDERS, ids=lambda hold: hold.__name__)
@pytest.mark.parametrize("df", [True, False], ids=["exact", "differences"])
def test_every_way_to_hold_a_function(library, data, best, hold, df):
    """The same minimum, however the function came."""
    function = Function_fdf.from_pointers(hold(library, "decay_f"), hold(library, "decay_df") if df else None, 40, 3, params=data)
    np.testing.assert_allclose(solved(function), best, rtol=1e-6)
    assert data.calls > 5


def test_every_way_to_hold_data(library, data, best):
    """params as a structure, a reference, a pointer, an address, a buffer, cffi data, and a LowLevelCallable's user data."""
    from scipy import LowLevelCallable
    f, df = address(library, "decay_f"), address(library, "decay_df")
    ffi = pytest.importorskip("cffi").FFI()
    raw = bytearray(bytes(data))
    for params in (data, ctypes.byref(data), ctypes.pointer(data), ctypes.addressof(data), raw, np.frombuffer(raw, dtype=np.uint8),
                   ctypes.c_void_p(ctypes.addressof(data)), ffi.cast("void *", ctypes.addressof(data))):
        np.testing.assert_allclose(solved(Function_fdf.from_pointers(f, df, 40, 3, params=params)), best, rtol=1e-6)
    carrying = LowLevelCallable(by_ctypes(library, "decay_f"), ctypes.cast(ctypes.pointer(data), ctypes.c_void_p))
    np.testing.assert_allclose(solved(Function_fdf.from_pointers(carrying, df, 40, 3)), best, rtol=1e-6)
    with pytest.raises(InputTypeError, match="params is object"):
        Function_fdf.from_pointers(f, df, 40, 3, params=object())


def test_second_derivatives_and_products(library, data, best):
    """fvv for lmaccel, and the products of the large solver, in C too."""
    f, df, fvv, product = (address(library, f"decay_{name}") for name in ("f", "df", "fvv", "product"))
    solver = NonlinearSolver(40, 3, trs="lmaccel")
    for second in (fvv, None):
        data.calls = 0
        solver.set(Function_fdf.from_pointers(f, df, 40, 3, params=data, fvv=second), [1, 0, 0])
        assert solver.solve().success
        np.testing.assert_allclose(solver.x, best, rtol=1e-6)
        assert (data.calls > solver.nfev) == (second is not None)
    for trs in ("lm", "dogleg", "cgst"):
        large = LargeSolver(40, 3, trs=trs)
        large.set(Function_fdf.from_pointers(f, None, 40, 3, params=data, product=product), [1, 0, 0])
        assert large.solve().success
        np.testing.assert_allclose(large.x, best, rtol=1e-5)
    with pytest.raises(InputTypeError, match=r"product has the C signature .*CBLAS_TRANSPOSE_t TransJ"):
        Function_fdf.from_pointers(f, None, 40, 3, product=capsule(library, "decay_f"))


def test_numba(best):
    """A numba cfunc that reads GSL's structs by their layout."""
    numba = pytest.importorskip("numba")
    types, carray = numba.types, numba.carray
    y = Y.copy()

    @numba.extending.intrinsic
    def at(typingctx, place):
        def make(context, builder, signature, args):
            return builder.inttoptr(args[0], context.get_value_type(signature.return_type))
        return types.CPointer(types.float64)(types.intp), make

    words = types.CPointer(types.intp)

    @numba.cfunc(types.int32(words, types.CPointer(types.float64), words))
    def f(x, params, out):
        a, values, r = carray(at(x[2]), 3), carray(params, 40), carray(at(out[2]), 40)
        for i in range(40):
            r[i] = (a[0] * np.exp(-a[1] * i) + a[2] - values[i]) / 0.1
        return 0

    np.testing.assert_allclose(solved(Function_fdf.from_pointers(f, None, 40, 3, params=y)), best, rtol=1e-6)

    @numba.cfunc(types.float64(types.float64))
    def wrong(x):
        return x

    with pytest.raises(InputTypeError, match="f is a numba cfunc with 1 arguments, returning no int"):
        Function_fdf.from_pointers(wrong, None, 40, 3)


@pytest.mark.parametrize(("signature", "fits"), [
    ("int (const gsl_vector *, void *, gsl_vector *)", True),
    ("int (gsl_vector const *, void *, gsl_vector *)", True),
    ("int(const gsl_vector*x,void*params,gsl_vector*f)", True),
    ("int (const struct gsl_vector *, void *, struct gsl_vector *)", True),
    ("int (void *, void *, void *)", True),
    ("int (*)(const gsl_vector *, void *, gsl_vector *)", True),
    ("double (const gsl_vector *, void *, gsl_vector *)", False),
    ("int (const gsl_vector *, void *)", False),
    ("int (const gsl_vector *, void *, gsl_matrix *)", False),
    ("int (gsl_vector, void *, gsl_vector *)", False),
    ("int (const gsl_vector *, double, gsl_vector *)", False),
    ("nonsense", False),
])
def test_signatures(library, signature, fits):
    """A capsule's name is its C signature: spelled freely, checked strictly, shown in the message."""
    held = capsule(library, "decay_f", signature)
    if fits:
        assert pointers.address_of(held, "f") == (address(library, "decay_f"), 0)
    else:
        with pytest.raises(InputTypeError, match=r"f has the C signature .* and 'int \(const gsl_vector \*x"):
            pointers.address_of(held, "f")


def test_what_is_no_c_function(library, data):
    """Each says what it got and what would do."""
    f = address(library, "decay_f")
    for wrong, error, message in [
        (lambda x: x, InputTypeError, "f is function, which holds no C function"),
        ("decay_f", InputTypeError, "f is str"),
        (0, InputError, "f is a null pointer"),
        (None, InputTypeError, "needs a pointer to f"),
        (ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)(lambda x: x), InputTypeError, "a ctypes function with 1 arguments"),
        (ctypes.CFUNCTYPE(ctypes.c_double, *[ctypes.c_void_p] * 3)(lambda *x: 0.0), InputTypeError, "returning no int"),
    ]:
        with pytest.raises(error, match=message):
            Function_fdf.from_pointers(wrong, None, 40, 3)
    ffi = pytest.importorskip("cffi").FFI()
    with pytest.raises(InputTypeError, match=r"df has the C signature 'int \(double \*\)'"):
        Function_fdf.from_pointers(f, ffi.cast("int (*)(double *)", f), 40, 3)
    with pytest.raises(InputTypeError, match=r"cffi data of type 'double \*'"):
        Function_fdf.from_pointers(ffi.cast("double *", f), None, 40, 3)
    with pytest.raises(InputError, match="40 residuals, and the solver was made for 41"):
        FdfSolver(41, 3).set(Function_fdf.from_pointers(f, None, 40, 3, params=data), [1, 0, 0])


def test_a_c_function_that_fails(library, data):
    """Its status becomes the exception of that status; not finite at the start is named."""
    from gslfit.errors import BadFunctionError
    with pytest.raises(BadFunctionError, match=r"set: .*GSL_EBADFUNC"):
        FdfSolver(40, 3).set(Function_fdf.from_pointers(address(library, "failing_f"), None, 40, 3), [1, 0, 0])
    data.sigma = 0
    with pytest.raises(NonFiniteError, match=r"index 0 is .* at the start"):
        FdfSolver(40, 3).set(Function_fdf.from_pointers(address(library, "decay_f"), None, 40, 3, params=data), [1, 0, 0])


def test_python_runs_meanwhile(library, data):
    """While C functions are fitted, another thread of Python goes on."""
    solver = FdfSolver(40, 3)
    solver.set(Function_fdf.from_pointers(address(library, "slow_f"), None, 40, 3, params=data), [1, 0, 0])
    ticks, done = [], threading.Event()

    def tick():
        while not done.is_set():
            ticks.append(time.perf_counter())
            time.sleep(0.001)

    thread = threading.Thread(target=tick)
    thread.start()
    begin = time.perf_counter()
    assert solver.solve().success
    end = time.perf_counter()
    done.set()
    thread.join()
    assert end - begin > 0.05
    assert sum(begin < t < end for t in ticks) > 5        # with the lock held there would be one or two


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
def test_an_interrupt_stops_a_fit_in_c(library):
    """Ctrl-C is seen while C functions run without the GIL."""
    solver = FdfSolver(20_000, 2)
    solver.set(Function_fdf.from_pointers(address(library, "endless_f"), None, 20_000, 2), [1, 1])
    timer = threading.Timer(0.2, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    begin = time.perf_counter()

    def run():
        while time.perf_counter() - begin < 20:
            solver.solve(xtol=0, ftol=0, gtol=0, max_iter=10**9)
            solver.set(Function_fdf.from_pointers(address(library, "endless_f"), None, 20_000, 2), [1, 1])

    before = signal.signal(signal.SIGINT, signal.default_int_handler)       # a shell's background jobs have it ignored
    try:
        with pytest.raises(KeyboardInterrupt):
            run()
    finally:
        signal.signal(signal.SIGINT, before)
    assert time.perf_counter() - begin < 5


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
def test_an_interrupt_does_not_wait_for_a_jacobian(library):
    """Ctrl-C among the evaluations of C functions for a Jacobian by differences ends it: of forty parameters few more are moved."""
    calls = ctypes.c_long(0)
    solver = FdfSolver(40, 40)

    def run():
        solver.set(Function_fdf.from_pointers(address(library, "interrupted_f"), None, 40, 40, params=calls), np.zeros(40))
        solver.solve()

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            run()
    finally:
        signal.signal(signal.SIGINT, before)
    assert 5 <= calls.value < 10


DAEMON = """
import ctypes, sys, threading, time
from gslfit.multifit import FdfSolver, Function_fdf
library, c = ctypes.CDLL({path!r}), ctypes.CDLL(None)
def fit():
    function = Function_fdf.from_pointers(ctypes.cast(library.long_f, ctypes.c_void_p).value, None, 2, 2)
    FdfSolver(2, 2).set(function, [0, 0])
threading.Thread(target=fit, daemon=True).start()
time.sleep(0.2)
c.on_exit(c.sleep, None)
sys.exit(1)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs on_exit, of the C library")
def test_a_process_ends_amid_a_jacobian_in_a_daemon_thread(library):
    """Python is not asked anything once it has ended: here the process, which ends with status 1, sleeps for as many seconds then."""
    assert subprocess.run([sys.executable, "-c", DAEMON.format(path=library._name)], timeout=60).returncode == 1


CYTHON = """
from libc.math cimport exp
cimport gsl

cdef double *values
cdef int f(const gsl.gsl_vector *x, void *params, gsl.gsl_vector *f) noexcept nogil:
    cdef size_t i
    for i in range(f.size):
        gsl.gsl_vector_set(f, i, (gsl.gsl_vector_get(x, 0) * exp(-gsl.gsl_vector_get(x, 1) * i) + gsl.gsl_vector_get(x, 2)
                                  - (<double *>params)[i]) / 0.1)
    return gsl.GSL_SUCCESS

cdef api int decay(const gsl.gsl_vector *x, void *params, gsl.gsl_vector *out) noexcept nogil:
    return f(x, params, out)

address = <size_t>&f
"""


def test_a_cython_module_of_ones_own(tmp_path, best):
    """A small Cython module cimports gsl.pxd, compiles, and its nogil functions plug in, by address and by __pyx_capi__."""
    pytest.importorskip("Cython")
    (tmp_path / "decay.pyx").write_text(CYTHON)
    (tmp_path / "setup.py").write_text(f"""
import subprocess
from Cython.Build import cythonize
from setuptools import Extension, setup
flags = lambda what: subprocess.run(["gsl-config", what], check=True, capture_output=True, text=True).stdout.split()
setup(ext_modules=cythonize([Extension("decay", ["decay.pyx"], extra_compile_args=flags("--cflags"), extra_link_args=flags("--libs"))],
                            include_path=[{gslfit.get_include()!r}], language_level=3))
""")
    subprocess.run([sys.executable, "setup.py", "-q", "build_ext", "--inplace"], cwd=tmp_path, check=True, capture_output=True)
    spec = importlib.util.spec_from_file_location("decay", next(tmp_path.glob("decay.*.so")))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for held in (module.address, module.__pyx_capi__["decay"]):
        np.testing.assert_allclose(solved(Function_fdf.from_pointers(held, None, 40, 3, params=Y)), best, rtol=1e-6)


def test_where_the_declarations_are():
    """get_include names a folder with gsl.pxd."""
    assert (Path(gslfit.get_include()) / "gsl.pxd").exists()
    assert doctest.testmod(pointers).failed == 0
