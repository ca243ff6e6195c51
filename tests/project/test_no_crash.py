"""No input, no memory limit and no exit ends the process: what could is tried in a process of its own."""
import subprocess
import sys

import numpy as np
import pytest
from scipy import special

import gslfit
from gslfit import Formula, Parameters
from gslfit.multifit import FdfSolver, LargeSolver, NonlinearSolver

POINTS = np.array([0.0, -0.0, 1e-308, 1e-200, 1e-5, 0.5, 1.5, 20, 171.5, 709, 740, 1e4, 1e16, 1e308, np.inf])
BOTH = np.concatenate([POINTS, -POINTS, [-1, -2, -3, -10, -1000, np.nan]])
ORACLES = {
    "gamma": special.gamma, "lgamma": special.gammaln, "digamma": special.digamma, "i0": special.i0, "i1": special.i1, "i0e": special.i0e,
    "i1e": special.i1e, "k0": special.k0, "k1": special.k1, "k0e": special.k0e, "k1e": special.k1e, "erf": special.erf,
    "erfc": special.erfc, "erfcx": special.erfcx,
    "dawsn": special.dawsn, "expit": special.expit, "ndtr": special.ndtr, "logit": special.logit,
}
DERIVATIVES = {
    "gamma": lambda x: special.gamma(x) * special.digamma(x), "lgamma": special.digamma, "digamma": lambda x: special.polygamma(1, x),
    "i0": special.i1, "k0": lambda x: -special.k1(x), "erf": lambda x: 2 / np.sqrt(np.pi) * np.exp(-x * x),
}
AT_INFINITY = {"i0": np.inf, "i1": np.inf}      # SciPy gives NaN there


def run(code):
    """Return the exit status of a Python program; negative for a signal."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60).returncode


def agree(found, wanted, name):
    """Assert equality to 1e-11, of infinities and NaN too, and of what is next to the smallest double."""
    with np.errstate(all="ignore"):
        same = (found == wanted) | (np.isnan(found) & np.isnan(wanted)) | (np.abs(found - wanted) <= 1e-11 * np.abs(wanted) + 1e-300)
        same |= np.isinf(BOTH) & (np.abs(found) == AT_INFINITY.get(name, np.nan))
    assert same.all(), [(BOTH[k], found[k], wanted[k]) for k in np.flatnonzero(~same)]


@pytest.mark.parametrize("name", ORACLES)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_special_functions_as_scipy_has_them(name):
    """The program's values at poles, at infinity and beyond range are SciPy's."""
    program = Formula(f"{name}(a*x)").lowered(("a",), ())
    from gslfit.formula._program import OPCODES, Program
    found = Program(**program.encoded(OPCODES)).evaluate([1.0], BOTH[None], jacobian=False)[0]
    agree(found, ORACLES[name](BOTH), name)


@pytest.mark.parametrize("name", DERIVATIVES)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_derivatives_of_special_functions_as_scipy_has_them(name):
    """So are the derivatives."""
    found = Formula(f"{name}(a + x)").jacobian(BOTH, a=0.0)[:, 0]
    agree(found, DERIVATIVES[name](BOTH), name)


def test_gsl_does_not_abort_before_anything_but_a_formula_is_imported():
    """GSL's error handler is off in a process that has used formulas alone."""
    code = "\n".join(["import numpy as np", "from gslfit import Formula", "np.seterr(all='ignore')", *(
        f"Formula('{text}').jacobian([{x}], a=1.0)" for text, x in (
            ("gamma(a*x)", 0.0), ("lgamma(a*x)", -1.0), ("digamma(a*x)", -2.0), ("i0(a*x)", 1e308), ("k0(a*x)", 1e5)))])
    assert run(code) == 0


DAEMON = """
import threading, time, numpy as np, gslfit
x = np.linspace(0, 1, {points})
y = np.random.default_rng(0).random(({fits}, x.size)).astype("f4")
call = lambda: gslfit.{call}("a*sin(b*x) + c + d*exp(-f*x)", y{row}, x=x, a=1, b=1, c=1, d=1, f=1, threads=4)
threading.Thread(target=call, daemon=True).start()
time.sleep({wait})
"""
KINDS = {"long": ("fit_batch", 300_000, 20, ""), "short": ("fit_batch", 200, 30_000, ""), "single": ("fit", 3_000_000, 1, "[0]")}


@pytest.mark.parametrize(("kind", "wait"), [("long", 0.4), *(
    pytest.param(kind, 0.2 + 0.06 * k, marks=pytest.mark.slow) for kind in KINDS for k in range(6))])
def test_interpreter_ends_while_a_daemon_thread_fits(kind, wait):
    """The process ends quietly: the threads of the fit are stopped and waited for before the caller's stack goes."""
    call, points, fits, row = KINDS[kind]
    assert run(DAEMON.format(call=call, points=points, fits=fits, row=row, wait=wait)) == 0


LINGERING = """
import ctypes, sys
c = ctypes.CDLL(None)
c.on_exit(c.sleep, None)
sys.exit(1)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs on_exit, of the C library")
def test_process_lingers_after_the_interpreter_while_a_daemon_thread_fits():
    """Nor is Python asked anything once it has ended: here the process, which ends with status 1, sleeps for as many seconds then."""
    assert run(DAEMON.format(call="fit", points=300_000, fits=1, row="[0]", wait=0.3) + LINGERING) == 1


@pytest.mark.parametrize("method", ["auto", "lanes", "lmsder", "lmder", "trust"])
def test_no_free_parameter(method):
    """With every parameter fixed there is nothing to step in: the numbers are those of the model as it is."""
    params = Parameters()
    params.add("a", 1.0, vary=False)
    x, y = np.linspace(0, 1, 5), np.ones((3, 5))
    result = gslfit.fit_batch("a*x", y, params, x=x, method=method)
    assert result.success.all()
    np.testing.assert_allclose(result.chisqr, np.sum((x - 1)**2), rtol=1e-12)
    assert (result.values["a"] == 1).all()


def test_none_where_an_extension_has_its_own():
    """None in place of an object of an extension is an error: behind every private door it is looked for."""
    code = "\n".join([
        "from gslfit.parameters import _values", "from gslfit.solvers import _function", "import gslfit",
        "from gslfit.formula._program import Program", "refused = 0",
        "for call in (lambda: _values.twins({'a': None}, None, None), lambda: _values.Evaluation(len, None, (), {}, None, 1.0),",
        "             lambda: _values.Evaluation(len, None, None, None, None, 1.0), lambda: _values.Values(None),",
        "             lambda: _function._again(lambda **k: None, *[None]*12)):",
        "    try:", "        call()", "    except Exception:", "        refused += 1", "assert refused == 5, refused"])
    assert run(code) == 0


NO_LOSS = """
import numpy as np
import gslfit
from gslfit.confidence import _profile
from gslfit.curves import _batch, _polish
from gslfit.errors import InputError
from gslfit.objective._loss import BENT, rows
from gslfit.shared._rows import Rows
code, y, x, v = gslfit.Formula('a*x').program(), np.ones((2, 5)), np.arange(5.), np.ones((2, 1))
room = {'chisqr': np.empty(2), 'nfev': np.empty(2, 'i4'), 'count': np.empty(2, 'i4'), 'status': np.empty(2, 'i1'), 'cost': np.empty(2)}
limits = {'low': np.array([-9.]), 'high': np.array([9.]), 'enough': 4., 'share': .5, 'floor': 0.}
doors = [lambda loss: _batch.run(code, y, [x], v, loss=loss, **room), lambda loss: _polish.polish(code, v[0], [x], y[0], loss=loss),
         lambda loss: Rows(code, y, [x], loss=loss), lambda loss: _profile.refits(code, y[:1], [x], v[:1], [0], loss=loss, **limits)]
calls = [lambda door=door, loss=loss: door(loss) for door in doors for loss in (-1, 7, 99)]
for call in [*calls, lambda: rows('linear', BENT, x), lambda: rows('huber', 7, x), lambda: rows('least', BENT, x)]:
    try:
        call()
    except InputError:
        continue
    raise SystemExit(1)
"""


def test_what_no_loss_has():
    """A number that no loss has, and rows of a loss that has none, are refused behind every private door that takes one."""
    assert run(NO_LOSS) == 0


def test_no_intervals():
    """Intervals of no parameter are none."""
    params = Parameters()
    params.add("a", 1.0)
    fitted = gslfit.minimize(lambda p: p["a"].value - np.arange(5.0), params)
    assert gslfit.conf_interval(fitted, p_names=[]) == {}


@pytest.mark.parametrize("solver", [FdfSolver, NonlinearSolver, LargeSolver])
@pytest.mark.parametrize("sizes", [(2**61, 1), (2**62, 2**62), (2**64, 3), (2**70, 2**3), (10**400, 1)])
def test_sizes_whose_bytes_cannot_be_counted(solver, sizes):
    """A matrix whose size in bytes wraps round is no small matrix: MemoryError before GSL sees it."""
    with pytest.raises(MemoryError):
        solver(*sizes)


OUT_OF_MEMORY = """
import resource, numpy as np, gslfit
gslfit.minimize     # what is imported when it is first asked for must not meet the limit
from gslfit.multifit import FdfSolver
x = np.linspace(0, 1, 500000)
y = 2*np.exp(-3*x) + .1
p = gslfit.Parameters()
for name in "abc":
    p.add(name, 1.0)
for room in range({first}, {last}, 3):
    used = int(open("/proc/self/statm").read().split()[0])*4096
    resource.setrlimit(resource.RLIMIT_AS, (used + room*1000000, resource.RLIM_INFINITY))
    try:
        {what}
    except MemoryError:
        pass
    resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc and RLIMIT_AS")
@pytest.mark.parametrize("what", ["FdfSolver(x.size, 3)",
                                  'gslfit.minimize(lambda q: q["a"].value*np.exp(-q["b"].value*x) + q["c"].value - y, p)'])
def test_memory_ends_within_gsl(what):
    """Memory that ends while GSL makes a solver is a MemoryError, and nothing is freed twice."""
    assert run(OUT_OF_MEMORY.format(first=1, last=70, what=what)) == 0


@pytest.mark.parametrize("method", ["auto", "lanes", "lmsder", "lmder", "trust"])
def test_fewer_points_than_parameters(method):
    """Rows that are too short are said to be, whoever fits: GSL's older solvers would write beyond their memory."""
    code = "\n".join(["import numpy as np, gslfit", "x = np.arange(3.0)", "for n in (0, 1, 2)*50:",
                      f"    maps = gslfit.fit_batch('a*exp(-b*x) + c', np.ones((9, n)), x=x[:n], a=1, b=1, c=0, method={method!r})",
                      "    assert np.all(maps.status == gslfit.FitStatus.TOO_FEW_POINTS), maps.status",
                      "    assert np.all(np.isnan(maps.values['a'])) and np.all(maps.ndata == n)"])
    assert run(code) == 0
