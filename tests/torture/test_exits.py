"""The process ends as it is told to, whatever fits: in processes of their own, with other threads, forks and interpreters."""

import signal
import subprocess
import sys

import pytest

BEGIN = """
import os, sys, signal, threading, time
import numpy as np, gslfit
from gslfit.multifit import FdfSolver, Function_fdf
x = np.linspace(0, 8, 2000)
y = np.random.default_rng(0).random((4000, x.size))
START = dict(a=1.0, b=1.0, c=1.0, d=1.0, f=1.0)
TEXT = "a*sin(b*x) + c + d*exp(-f*x)"
few = y[:8]

def batch(**options):
    return gslfit.fit_batch(TEXT, y, x=x, threads=2, **{**START, **options})

def called():
    params = gslfit.Parameters()
    for name in START:
        params.add(name, 1.0)
    while True:
        gslfit.minimize(lambda p: p["a"].value*np.sin(p["b"].value*x) + p["c"].value - y[0], params, maxfev=10**6)

def refits():
    gslfit.fit_batch(TEXT, y, x=x, method="lmsder", threads=2, **START)

def solver():
    made = FdfSolver(x.size, 3)
    made.set(Function_fdf.from_callables(lambda v: v[0]*np.exp(-v[1]*x) + v[2] - y[0], None, x.size, 3), [1.0, 1.0, 1.0])
    while True:
        made.solve()

def small():
    return gslfit.fit("a*exp(-x/t) + c", 2*np.exp(-x/3) + .1, x=x, a=1.0, t=1.0, c=0.0).params["t"].value

class Own(Exception):
    pass
"""
UNIX = pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs signals and fork")


def run(code, timeout=120):
    """Return the exit status of a program, and what it printed."""
    found = subprocess.run([sys.executable, "-X", "faulthandler", "-c", BEGIN + code], capture_output=True, text=True, timeout=timeout)
    return found.returncode, found.stdout + found.stderr[-1500:]


WORK = ["batch()", "called()", "refits()", "solver()"]


@pytest.mark.slow
@pytest.mark.parametrize("work", WORK)
def test_main_ends_while_daemons_fit(work):
    """Two daemon threads at work don't keep the process from ending, nor end it otherwise."""
    code, said = run(f"for _ in range(2): threading.Thread(target=lambda: {work}, daemon=True).start()\ntime.sleep(0.5)\nsys.exit(5)")
    assert code == 5, said


ENDINGS = {
    "sys.exit in progress": ("batch(progress=lambda n: sys.exit(7))", 7),
    "sys.exit in a residual": ("gslfit.minimize(lambda p: sys.exit(7), [p for p in [gslfit.Parameters()] if not p.add('a', 1.0)][0])", 7),
    "os._exit in a thread": ("threading.Timer(0.3, lambda: os._exit(9)).start()\nbatch()\nbatch()\nbatch()\ntime.sleep(60)", 9),
    "os._exit in progress": ("batch(progress=lambda n: os._exit(9))", 9),
    "exception at exit": ("import atexit\natexit.register(batch)\n", 0),
}


@UNIX
@pytest.mark.parametrize("ending", ["sys.exit in progress", *(pytest.param(each, marks=pytest.mark.slow) for each in list(ENDINGS)[1:])])
def test_exit_from_within(ending):
    """The exit status is the one asked for."""
    code, wanted = ENDINGS[ending]
    found, said = run(code)
    assert found == wanted, said


@UNIX
@pytest.mark.parametrize("work", ["batch()", *(pytest.param(each, marks=pytest.mark.slow) for each in WORK[1:])])
def test_signal_handler_that_raises(work):
    """What a handler raises surfaces from the fit, and the next fit is right."""
    code, said = run(f"""
def handler(*_):
    raise Own
signal.signal(signal.SIGALRM, handler)
signal.setitimer(signal.ITIMER_REAL, 0.3)
try:
    for _ in range(100): {work}
except Own:
    assert abs(small() - 3) < 1e-6
    sys.exit(4)
""")
    assert code == 4, said


FORKS = {
    "child leaves": "os._exit(0)",
    "child fits": "os._exit(0 if abs(small() - 3) < 1e-6 and gslfit.fit_batch(TEXT, few, x=x, threads=2, **START).shape == (8,) else 1)",
}


@UNIX
@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="needs fork")
@pytest.mark.slow
@pytest.mark.parametrize("what", ["child fits", "child leaves"])
def test_fork_while_another_thread_fits(what):
    """A child of a process in the middle of a batch ends, and fits; the parent's batch goes on."""
    code, said = run(f"""
small(), gslfit.fit_batch(TEXT, few, x=x, threads=2, **START)       # a fork while a thread imports is Python's own deadlock
worker = threading.Thread(target=batch)
worker.start()
time.sleep(0.2)
for _ in range(3):
    child = os.fork()
    if not child:
        {FORKS[what]}
    assert os.waitpid(child, 0)[1] == 0
worker.join()
""")
    assert code == 0, said


@UNIX
@pytest.mark.slow
@pytest.mark.parametrize("way", ["fork", "spawn"])
def test_processes(way, tmp_path):
    """A pool of processes fits, after the parent has fitted in threads."""
    script = tmp_path / "pool.py"
    script.write_text(
        BEGIN
        + f"""
def job(k):
    return small()*k

if __name__ == "__main__":
    import multiprocessing
    gslfit.fit_batch(TEXT, few, x=x, threads=2, **START)
    with multiprocessing.get_context({way!r}).Pool(2) as pool:
        assert np.allclose(pool.map(job, range(6)), [3*k for k in range(6)])
"""
    )
    found = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=120)
    assert found.returncode == 0, found.stderr


@pytest.mark.parametrize("first", ["main", pytest.param("other", marks=pytest.mark.slow)])
def test_subinterpreter(first):
    """In a second interpreter of a process a fit works, or importing is refused with a message; the first goes on."""
    pytest.importorskip("_xxsubinterpreters" if sys.version_info < (3, 13) else "_interpreters")
    code = f"""
import importlib, sys
module = importlib.import_module("_xxsubinterpreters" if sys.version_info < (3, 13) else "_interpreters")
fit = "import warnings; warnings.simplefilter('ignore'); import gslfit; gslfit.fit('a*x', [1., 2, 3], x=[1., 2, 3], a=1)"
if {first!r} == "main":
    exec(fit)
other = module.create()
try:
    found = module.run_string(other, fit) if hasattr(module, "run_string") else module.exec(other, fit)
    assert found is None or "ImportError" in str(found), found
except Exception as error:
    assert "ImportError" in str(error), error
if {first!r} == "main":
    exec(fit)
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert found.returncode == 0, found.stderr
