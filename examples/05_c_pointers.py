"""The GSL manual's C example, its functions called through pointers: 05_exponential.c, compiled here, then fitted without the GIL.

The functions have GSL's own signatures, so a C program's can be taken as they are. The same data and results as in example 03.
"""
import ctypes
import os
import subprocess
import sysconfig
import tempfile
from pathlib import Path

import numpy as np
from gsl_random import Rng

from gslfit.multifit import FdfSolver, Function_fdf, NonlinearSolver

SOURCE = Path(__file__).with_name("05_exponential.c")


def compiled(source, folder):
    """Return a shared library of one C file."""
    def gsl(what):
        return subprocess.run(["gsl-config", what], check=True, capture_output=True, text=True).stdout.split()

    library = Path(folder, "exponential.so")
    compiler = os.environ.get("CC", sysconfig.get_config_var("CC") or "cc").split()
    subprocess.run([*compiler, "-O2", "-shared", "-fPIC", *gsl("--cflags"), str(source), "-o", str(library), *gsl("--libs")], check=True)
    return ctypes.CDLL(str(library))


class Data(ctypes.Structure):
    """struct data of the C file."""

    _fields_ = [("n", ctypes.c_size_t), ("y", ctypes.c_void_p), ("sigma", ctypes.c_void_p)]


n, p = 40, 3
r = Rng()
y = np.array([1.0 + 5 * np.exp(-0.1 * t) + r.gaussian(0.1) for t in range(n)])
sigma = np.full(n, 0.1)
data = Data(n, y.ctypes.data, sigma.ctypes.data)

with tempfile.TemporaryDirectory() as folder:
    library = compiled(SOURCE, folder)
    f = Function_fdf.from_pointers(library.exponential_f, library.exponential_df, n, p, params=data)

    for solver in (FdfSolver("lmsder", n, p), FdfSolver("lmder", n, p), NonlinearSolver(n, p, trs="subspace2D")):
        solver.set(f, [1.0, 0.0, 0.0])
        outcome = solver.solve()
        x, covar = solver.x, solver.covar()
        err = np.sqrt((solver.f**2).sum() / (n - p) * np.diag(covar))
        print(f"{solver.name}, {outcome.niter} iterations, {outcome.nfev} evaluations: {outcome.message}")
        for name, value, error in zip(("A", "lambda", "b"), x, err, strict=True):
            print(f"    {name:6s} = {value:.5f} +/- {error:.5f}")
        assert np.allclose(x, [5.045358, 0.104049, 1.019249], atol=1e-6)
