"""Call each way into a fit again and again, those that end in an error included, and see that memory and objects stay as they are.

    python tests/torture/growth.py [--seconds S] [--calls N]

Prints how many calls were made, and each way whose calls leave more than half a block of Python's or 100 bytes of C's behind. Caches fill
in the first third.
"""

import argparse
import sys
import time
import warnings
from pathlib import Path

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[1] / "support")]

from project.test_leaks import taken
from routes import ROUTES

from torture.interrupts import outcome

LARGEST_CACHE = 512  # of those in gslfit


def caches():
    """Every functools cache of gslfit's modules that is loaded: its name and its bound."""
    found = {}
    for name, module in list(sys.modules.items()):
        if name.split(".")[0] == "gslfit" and module is not None:
            for attribute, value in vars(module).items():
                if hasattr(value, "cache_parameters"):
                    found[f"{name}.{attribute}"] = value.cache_parameters()["maxsize"]
    return found


def watch(call, calls, until):
    """Call until the time is over; returns how often, and what grew for each call in the last two thirds."""
    made, before = 0, None
    for third in range(3):
        for _ in range(max(1, calls // 3)):
            outcome(call)
            made += 1
            if time.monotonic() > until[third]:
                break
        if third == 0:
            before, first = taken(), made
    grown = (taken() - before) / max(1, made - first)
    return made, grown


def run(seconds=60.0, calls=100_000):
    """All routes; returns the number of calls, and the faults."""
    warnings.simplefilter("ignore")
    total, faults, each = 0, [], seconds / len(ROUTES)
    for name, call in ROUTES.items():
        outcome(call)
        began = time.monotonic()
        made, (blocks, heap, _) = watch(call, calls, [began + each * part for part in (1 / 3, 2 / 3, 1)])
        total += made
        if made > 60 and (blocks > 0.5 or heap > 100):
            faults.append((name, f"{blocks:.2f} blocks and {heap:.0f} bytes a call, of {made}"))
    faults += [(name, f"a cache of {size} places") for name, size in caches().items() if size is None or size > LARGEST_CACHE]
    return total, faults


def main():
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--calls", type=int, default=100_000, help="most calls of each way")
    given = parser.parse_args()
    total, faults = run(given.seconds, given.calls)
    for fault in faults:
        print(*fault)
    print(f"{total} calls of {len(ROUTES)} ways, {len(caches())} caches of at most {LARGEST_CACHE} places, {len(faults)} faults")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
