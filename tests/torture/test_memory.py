"""Memory that ends at any allocation of gslfit's or GSL's is a MemoryError, and never another result."""

import shutil
import sys

import pytest

from torture.memory import preloaded

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux") or not shutil.which("gcc"), reason="needs glibc and a compiler")
SOME = (
    "fit_batch, auto, in doubt",
    "fit_batch, trust, bounded",
    "fit_batch, two threads",
    "fit_batch, tall",
    "FdfSolver, lmsder",
    "NonlinearSolver, subspace2D, svd",
    "LargeSolver, cgst",
    "anneal",
    "minimize, lmder",
    "curve_fit",
    "Model.fit",
    "fit, GSL",
)


def failed(arguments):
    """How many allocations failed in a run without a fault."""
    found = preloaded(arguments)
    assert found.returncode == 0, found.stdout[-4000:] + found.stderr[:2000]
    last = found.stdout.splitlines()[-1].split()
    assert last[1:3] == ["allocations", "failed,"]
    return int(last[0])


@pytest.mark.slow
def test_each_allocation_of_some_routes():
    """One allocation fails at a time."""
    assert failed(["--routes", *SOME]) > 3000


@pytest.mark.slow
def test_each_allocation_of_all_routes():
    """One fails, then that one and all that follow."""
    assert failed(["--last-too"]) > 15_000
