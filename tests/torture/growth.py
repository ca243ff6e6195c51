"""Call each way into a fit again and again, those that end in an error included, and see that memory and objects stay as they are.

    python tests/torture/growth.py [--calls N] [--entries NAME ...] [--only WORD]

The ways of an entry share its calls, 100,000, or so many as are needed to judge each. Those of a way go in four stretches. What grows does
so in each of the last three; a cache that fills, or one that is emptied when it is full, does not. Prints for each entry how many calls
were made, and each way whose calls leave a twentieth of a block of Python's, or 10 bytes of C's, behind in each of these stretches, and do
so again when they are called as often once more.
"""

import argparse
import gc
import os
import sys
import time
import warnings
from pathlib import Path

if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # beside other processes BLAS's threads wait for each other for most of the time
    sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[1] / "support")]

from project.test_leaks import taken

from torture.interrupts import outcome
from torture.ways import WAYS

STRETCHES = 4
LEAST = 70  # calls of a stretch: fewer would be done before a memory of 64 entries is full
MOST_BLOCKS, MOST_BYTES = 0.05, 10  # a call may leave
NOISE = 40, 4000  # blocks and bytes that come and go by themselves


def watch(call, calls):
    """Call so often, in stretches; returns how often, and what the calls of each of the last stretches left, the least."""
    each, grown = max(LEAST, -(-calls // STRETCHES)), []
    for _ in range(STRETCHES):
        before = taken()
        for _ in range(each):
            outcome(call)
        left = taken() - before
        grown.append(((left[0] - NOISE[0]) / each, (left[1] - NOISE[1]) / each))
    return each * STRETCHES, *map(min, zip(*grown[1:], strict=True))


def grew(left):
    """Whether the blocks and the bytes that a call left behind are too many."""
    return left[0] > MOST_BLOCKS or left[1] > MOST_BYTES


def entries(only=""):
    """Entry -> the names of its ways, those with a word in their name."""
    found = {}
    for name in WAYS:
        if only in name:
            found.setdefault(name.removeprefix("routes: ").split(",")[0], []).append(name)
    return found


def run(ways, calls):
    """All ways of an entry; returns the number of calls, the most that a call left behind, and the faults."""
    made, most, faults = 0, (0.0, 0.0), []
    for name in ways:
        outcome(WAYS[name])
        count, *left = watch(WAYS[name], -(-calls // len(ways)))
        made += count
        if grew(left):  # of an entry with many ways each has too few calls to be judged by
            count, *left = watch(WAYS[name], count)
            made += count
        most = tuple(map(max, most, left))
        if grew(left):
            faults.append((name, f"{left[0]:.2f} blocks and {left[1]:.0f} bytes a call, of {count}"))
    return made, most, faults


def main():
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=100_000, help="of each entry")
    parser.add_argument("--entries", nargs="*", help="these, and no others")
    parser.add_argument("--only", default="", help="of the ways only those with this in their name")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    gc.freeze()  # what is there before is not looked through each time that memory is measured
    known = entries(given.only)
    wanted = {name: known[name] for name in given.entries or known}
    number, bad, ways = {}, 0, sum(map(len, wanted.values()))
    for entry, names in wanted.items():
        began = time.monotonic()
        number[entry], most, faults = run(names, given.calls)
        bad += len(faults)
        print(f"{entry}: {number[entry]} calls of {len(names)} ways in {time.monotonic() - began:.0f} s, "
              f"a call leaves at most {most[0]:.3f} blocks and {most[1]:.1f} bytes", flush=True)
        for fault in faults:
            print("    ", *fault, flush=True)
    total, least, most_calls = sum(number.values()), min(number.values()), max(number.values())
    print(f"{total} calls of {ways} ways of {len(wanted)} entries, {least} to {most_calls} of each, {bad} faults")
    sys.exit(bool(bad or least < given.calls))


if __name__ == "__main__":
    main()
