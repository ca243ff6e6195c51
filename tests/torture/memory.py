"""Let each allocation of gslfit's and GSL's code fail in turn, by each route, and see that the answer is MemoryError, or the right result.

    python tests/torture/memory.py [--routes WORD ...] [--last-too] [--leaks]

A failed allocation may be got round (a thread less), but then the result has every bit that it has with the memory. Nothing may be left
allocated. Prints a line for each route, and faults; exits with 1 if there were any.
"""

import argparse
import ctypes
import gc
import os
import subprocess
import sys
import sysconfig
import tempfile
import warnings
from collections.abc import Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
OURS = "/gslfit/:libgsl."
NEVER = 2**40
GROWS = 48  # bytes a call that count as a leak


def build(folder):
    """Compile the allocator; give its path."""
    library = Path(folder) / "failing_memory.so"
    compiler = (sysconfig.get_config_var("CC") or "cc").split()[0]
    subprocess.run([compiler, "-O1", "-fPIC", "-shared", "-o", str(library), str(HERE / "failing_memory.c"), "-ldl"], check=True)
    return library


class Shim:
    """The allocator in this process."""

    def __init__(self):
        self.library = ctypes.PyDLL(None)
        self.library.failing_memory_arm.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_char_p]
        self.library.failing_memory_site.restype = ctypes.c_char_p
        self.library.failing_memory_count.restype = ctypes.c_long

    @contextmanager
    def failing(self, first, last, words):
        """Yield the allocations with these numbers fail."""
        self.library.failing_memory_arm(first, last, words.encode())
        try:
            yield
        finally:
            self.failed = self.library.failing_memory_disarm()
            self.count = self.library.failing_memory_count()

    def site(self):
        """Where the first one that failed was asked for."""
        return self.library.failing_memory_site().decode()


class Tally(NamedTuple):
    """What came of one route."""

    allocations: int
    got_round: int
    faults: list


def digest(result):
    """Everything of a result that can be compared, bit by bit."""
    import numpy as np

    import gslfit

    if isinstance(result, gslfit.BatchResult):
        names = ("status", "nfev", "ndata", "chisqr", "gradient")
        return [digest(dict(result.values)), digest(dict(result.stderr)), *(digest(getattr(result, name)) for name in names)]
    if isinstance(result, np.ndarray):
        return result.tobytes()
    if isinstance(result, Mapping):
        return [(name, digest(value)) for name, value in result.items()]
    if isinstance(result, (list, tuple)):
        return [digest(value) for value in result]
    if isinstance(result, (int, float, str, bytes, type(None))):
        return repr(result)
    return [type(result).__name__, *(digest(getattr(result, name, None)) for name in ("values", "nfev", "chisqr", "status", "success"))]


def end_of(call):
    """Return what came of a call: its result's digest, or its exception's type."""
    try:
        return digest(call())
    except MemoryError:
        return MemoryError
    except Exception as error:
        return type(error).__name__, str(error)


def leak(shim, call, number, words, heap):
    """Bytes a call that are left when the same allocation fails again and again."""
    growths = []
    for times in (4, 8, 8, 8):
        before = heap()
        for _ in range(times):
            with shim.failing(number, number, words):
                end_of(call)
        growths.append((heap() - before) / times)
    return min(growths[1:])


def heap():
    """Bytes allocated in C."""
    from project.test_leaks import heap as allocated

    gc.collect()
    return allocated()


def route(shim, call, words, look_for_leaks=False, last_too=False, stride=1):
    """Fail each allocation of a call in turn; with `last_too` a second time with all that follow it."""
    for _ in range(3):
        reference = end_of(call)  # caches filled, modules imported
    with shim.failing(NEVER, NEVER, words):
        same = end_of(call)
    total, got_round, faults = shim.count, 0, []
    if same != reference:
        faults.append(("is not the same from call to call", "", 0))
        return Tally(total, 0, faults)
    for number in range(1, total + 1, stride):
        for last in (number, NEVER) if last_too else (number,):
            with shim.failing(number, last, words):
                found = end_of(call)
            if not shim.failed:
                continue
            got_round += found == reference
            if found is not MemoryError and found != reference:
                what = "another result" if isinstance(found, list) else ": ".join(found)
                faults.append((what, shim.site(), number))
        if look_for_leaks and (grown := leak(shim, call, number, words, heap)) > GROWS:
            faults.append((f"leaves {grown:.0f} bytes", shim.site(), number))
    return Tally(total, got_round, faults)


def run(names, words=OURS, **options):
    """All routes; prints a line for each, and returns how many allocations failed and the faults."""
    from torture.ways import WAYS

    shim, total, all_faults = Shim(), 0, []
    warnings.simplefilter("ignore")
    for name, call in WAYS.items():
        if names and not any(word in name for word in names):
            continue
        print(f"{name}: ", end="", flush=True)  # a crash is this route's
        found = route(shim, call, words, **options)
        total += found.allocations
        all_faults += [(name, *fault) for fault in found.faults]
        print(f"{found.allocations} allocations failed, {found.got_round} got round, {len(found.faults)} faults", flush=True)
        for what, site, number in found.faults[:20]:
            print(f"    allocation {number}, {site}: {what}"[:300], flush=True)
    print(f"{total} allocations failed, {len(all_faults)} faults")
    return total, all_faults


def preloaded(arguments):
    """Run this file with the allocator preloaded; give the finished process."""
    with tempfile.TemporaryDirectory() as folder:
        library = build(folder)
        return subprocess.run(
            [sys.executable, "-X", "faulthandler", __file__, *arguments],
            capture_output=True,
            text=True,
            cwd=HERE.parent,
            env={**os.environ, "LD_PRELOAD": str(library), "OMP_NUM_THREADS": "1"},
        )


def main():
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--routes", nargs="*", default=[], help="only routes with one of these words in their name")
    parser.add_argument("--leaks", action="store_true", help="look for what is left allocated")
    parser.add_argument("--last-too", action="store_true", help="a second time with all that follow")
    parser.add_argument("--stride", type=int, default=1, help="only each n-th allocation")
    given = parser.parse_args()
    if "failing_memory" not in os.environ.get("LD_PRELOAD", ""):
        found = preloaded(sys.argv[1:])
        sys.stdout.write(found.stdout)
        sys.stderr.write(found.stderr)
        sys.exit(found.returncode if found.returncode >= 0 else 128 - found.returncode)
    _, faults = run(given.routes, look_for_leaks=given.leaks, last_too=given.last_too, stride=given.stride)
    sys.exit(bool(faults))


if __name__ == "__main__":
    sys.path[:0] = [str(HERE.parent), str(HERE.parent / "support")]
    main()
