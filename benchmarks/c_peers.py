"""The C and C++ peers: each a source in peers/, compiled here into a library with one function."""
import ctypes
import shutil
import subprocess
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
SOURCES = HERE.parent / "src"
FAST = ["-O3", "-march=native", "-ffast-math", "-fPIC", "-shared"]
# the C core's own sources are compiled as gslfit compiles them: no fast-math
STRICT = ["-O3", "-march=native", "-fno-math-errno", "-Wno-psabi", "-fPIC", "-shared", f"-I{SOURCES}"]
CORE = sorted(map(str, SOURCES.glob("*/*.c")))

# name -> compiler, source, flags before and after it, the system package that it needs
PEERS = {
    "GSL lmsder, C": ("gcc", "gsl_lmsder.c", FAST, ["-lgsl", "-lgslcblas", "-lm"], "libgsl-dev"),
    "cminpack lmder, C": ("gcc", "cminpack_lmder.c", [*FAST, "-I/usr/include/cminpack-1"], ["-lcminpack", "-lm"], "libcminpack-dev"),
    "Ceres TinySolver, C++": ("g++", "ceres_tiny.cpp", [*FAST, "-std=c++17", "-I/usr/include/eigen3"], ["-lm"], "libceres-dev"),
    "lanes, formula by hand": ("gcc", "by_hand.c", STRICT, [*CORE, "-lgsl", "-lgslcblas", "-lm"], "libgsl-dev"),
}
MODELS = {"peaks": 0, "decays": 1, "spots": 2, "long_curve": 3}


class Peer:
    """One of `PEERS`, compiled into a folder.

    Raises
    ------
    RuntimeError
        If it can't be compiled; says which package it needs.
    """

    def __init__(self, name, folder):
        compiler, source, before, after, package = PEERS[name]
        library = Path(folder) / f"{Path(source).stem}.so"
        if not shutil.which(compiler):
            raise RuntimeError(f"{name} needs {compiler}")
        command = [compiler, *before, str(HERE / "peers" / source), *after, "-o", str(library)]
        built = subprocess.run(command, capture_output=True, text=True)
        if built.returncode:
            raise RuntimeError(f"{name} can't be compiled (does {package} lack?): {built.stderr.splitlines()[:1]}")
        self.run = ctypes.CDLL(str(library)).run

    def __call__(self, name, work, fits):
        """Fit the first curves of a workload: values, ndarray (fits, p), in the workload's order; None where it can't."""
        x = [*work["x"].values()] if isinstance(work["x"], dict) else [work["x"]]
        x = [np.ascontiguousarray(each) for each in (*x, x[0])][:2]
        y, start = work["y"][:fits], work["start"][:fits]
        out = np.empty_like(start)
        pointers = [each.ctypes.data_as(ctypes.c_void_p) for each in (*x, y, start, out)]
        failed = self.run(MODELS[name], ctypes.c_long(len(y)), ctypes.c_long(y.shape[1]), *pointers)
        return None if failed else out
