"""Call each way into a fit again and again, those that end in an error included, and see that memory and objects stay as they are.

    python tests/torture/growth.py [--seconds S] [--calls N] [--only WORD]

The calls of a way go in four stretches. What grows does so in each of the last three; a cache that fills, or one that is emptied when it is
full, does not. Prints how many calls were made, and each way whose calls leave a twentieth of a block of Python's, or 10 bytes of C's,
behind in each of these stretches.
"""

import argparse
import sys
import time
import warnings
from pathlib import Path

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[1] / "support")]

from project.test_leaks import taken

from torture.interrupts import outcome
from torture.ways import WAYS

STRETCHES = 4
MOST_BLOCKS, MOST_BYTES = 0.05, 10  # a call may leave
NOISE = 40, 4000  # blocks and bytes that come and go by themselves


def watch(call, calls, seconds):
    """Call so often, or until the time is over; returns how often, and what the calls of each of the last stretches left, the least."""
    began, made, grown = time.monotonic(), 0, []
    for stretch in range(STRETCHES):
        before, first = taken(), made
        while made < calls * (stretch + 1) // STRETCHES and time.monotonic() - began < seconds * (stretch + 1) / STRETCHES:
            outcome(call)
            made += 1
        left = taken() - before
        grown.append(((left[0] - NOISE[0]) / max(1, made - first), (left[1] - NOISE[1]) / max(1, made - first)))
    return made, *map(min, zip(*grown[1:], strict=True))


def run(seconds=60.0, calls=100_000, only=""):
    """All ways; returns the number of calls of each, and the faults."""
    warnings.simplefilter("ignore")
    ways = {name: call for name, call in WAYS.items() if only in name}
    made, faults = {}, []
    for name, call in ways.items():
        outcome(call)
        made[name], blocks, heap = watch(call, calls, seconds / len(ways))
        if blocks > MOST_BLOCKS or heap > MOST_BYTES:
            faults.append((name, f"{blocks:.2f} blocks and {heap:.0f} bytes a call, of {made[name]}"))
    return made, faults


def main():
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60, help="for all ways together")
    parser.add_argument("--calls", type=int, default=100_000, help="most calls of each way")
    parser.add_argument("--only", default="", help="of the ways only those with this in their name")
    given = parser.parse_args()
    made, faults = run(given.seconds, given.calls, given.only)
    for fault in faults:
        print(*fault)
    print(f"{sum(made.values())} calls of {len(made)} ways, {min(made.values())} to {max(made.values())} of each, {len(faults)} faults")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
