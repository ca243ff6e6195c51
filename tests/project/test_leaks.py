"""Nothing grows from fit to fit: by each route, those that end in an error included."""
import contextlib
import ctypes
import gc
import sys
import warnings
import weakref

import numpy as np
import psutil
import pytest
from routes import ROUTES, ROWS, SLOW, START, TEXT, Stop, X, Y, tied

import gslfit


class Heap(ctypes.Structure):
    """What glibc's mallinfo2 returns."""

    _fields_ = [(name, ctypes.c_size_t) for name in ("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks",
                                                     "fordblks", "keepcost")]


def heap():
    """Bytes that are allocated in C, where glibc can say."""
    try:
        ask = ctypes.CDLL(None).mallinfo2
    except (AttributeError, OSError, TypeError):
        return 0
    ask.restype = Heap
    found = ask()
    return found.uordblks + found.hblkhd


def taken():
    """Blocks of Python's allocator, bytes of C's, and bytes resident in memory."""
    gc.collect()
    return np.array([sys.getallocatedblocks(), heap(), psutil.Process().memory_info().rss])


@pytest.fixture(scope="module", autouse=True)
def _what_was_there():
    """Keep the collector off the objects that other tests left: walking them takes longer than the fits."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


def run(call, times):
    """Call something so many times, whatever comes of it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(times):
            with contextlib.suppress(gslfit.FitError, Stop):
                call()


@pytest.mark.parametrize("route", ROUTES)
def test_nothing_grows(route):
    """Some dozens of fits leave less than one block of Python's behind for every two of them, and less than 100 bytes of C's each.

    A cache that fills once, or a list of free blocks, is no leak: growth has to show in each of several stretches, every one twice as long.
    Those of NumPy 2.5 and SciPy 1.18 on Python 3.13 fill in the course of some hundred fits.
    """
    count, grown = 12 if route in SLOW else 40, []
    run(ROUTES[route], 15)
    for _ in range(7):
        before = taken()
        run(ROUTES[route], count)
        grown.append((taken() - before).tolist())
        if grown[-1][0] <= count/2 and grown[-1][1] <= 100*count:
            return
        count *= 2
    raise AssertionError(f"fits leave (blocks of Python's, bytes of C's, bytes resident): {grown}; {count//2} of them the last")


@pytest.mark.slow
@pytest.mark.parametrize("route", ROUTES)
def test_resident_memory(route):
    """3,000 fits by each route, 600 where they are long, grow the process by less than 1 MB."""
    count = 600 if route in SLOW else 3000
    run(ROUTES[route], count//5)
    grown = []
    for _ in range(3):
        before = taken()
        run(ROUTES[route], count)
        grown.append((taken() - before).tolist())
        if grown[-1][2] < 2**20 and grown[-1][0] < 200:
            return
    raise AssertionError(f"{count} fits leave (blocks of Python's, bytes of C's, bytes resident): {grown}")


@pytest.mark.parametrize("call", [
    lambda formula: gslfit.fit(formula, Y, tied(), x=X), lambda formula: gslfit.fit_batch(formula, ROWS, tied(), x=X),
    lambda formula: gslfit.fit(formula, Y, x=X, **START), lambda formula: gslfit.curve_fit(formula, X, Y, list(START.values())),
    lambda formula: gslfit.Model(formula).fit(Y, x=X, **START)], ids=["fit", "fit_batch", "fit, free", "curve_fit", "Model"])
def test_formulas_go(call):
    """A formula of the caller's goes when its last result has, and no cache keeps it or what was folded into it."""
    formula = gslfit.Formula(TEXT)
    result = call(formula)
    gone = weakref.ref(formula)
    del formula, result
    gc.collect()
    assert gone() is None
