"""Interrupt each way into a fit by SIGINT at a random moment, hundreds of times: KeyboardInterrupt or the result; the next fit is right.

    python tests/torture/interrupts.py [--times N] [--seed N] [--only WORD]

An interrupt that comes while an object is let go, or in a weak reference's callback, is shown by Python and not raised: then the fit goes
on. A SIGINT that comes too late does not count. Prints the counts, and each fault; it is one, too, if a way can't be compared with itself,
or too few come in time.
"""

import argparse
import random
import signal
import sys
import time
import warnings
from collections import Counter
from pathlib import Path

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[1] / "support")]

from routes import Stop

from gslfit.errors import FitError
from torture.memory import digest
from torture.ways import WAYS

MOST_LATE = 10  # SIGINTs that come too late for each that is to come in time
MOST_FAULTS = 20  # of a way


def outcome(call):
    """Return what a call ends in."""
    try:
        return digest(call())
    except (FitError, Stop) as error:
        return type(error).__name__
    except MemoryError:
        return "MemoryError"


def interrupted(call, after):
    """Call, and let SIGINT come so many seconds later; returns what came of it."""
    try:
        signal.setitimer(signal.ITIMER_REAL, after)
        try:
            return outcome(call)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    except KeyboardInterrupt:
        return KeyboardInterrupt


def one(name, call, rng, times):
    """Interrupt one way again and again. Returns counts, and the faults."""
    counts, faults = Counter(), []
    for _ in range(2):
        reference = outcome(call)
    took = []
    for _ in range(3):
        began = time.perf_counter()
        if outcome(call) != reference:
            return counts, [(name, "differs from call to call: there is nothing to compare with")]
        took.append(time.perf_counter() - began)
    while counts["interrupted"] < times and counts["finished"] < MOST_LATE * times and len(faults) < MOST_FAULTS:
        try:
            found = interrupted(call, max(1e-6, rng.random() * min(took)))
        except KeyboardInterrupt:
            found = KeyboardInterrupt
        except BaseException as error:
            found = f"{type(error).__name__}: {error}"
        kind = "interrupted" if found is KeyboardInterrupt else "finished" if found == reference else "fault"
        counts[kind] += 1
        if kind == "fault":
            faults.append((name, str(found)[:200]))
        elif kind == "interrupted" and outcome(call) != reference:
            faults.append((name, "the next fit has another result"))
    if counts["interrupted"] < times and not faults:
        faults.append((name, f"only {counts['interrupted']} of {counts.total()} SIGINTs came in time"))
    return counts, faults


def run(times=20, seed=1, only=""):
    """All ways, or those with a word in their name."""
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGINT))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    rng, counts, faults = random.Random(seed), Counter(), []
    ways = {name: call for name, call in WAYS.items() if only in name}
    for name, call in ways.items():
        found, wrong = one(name, call, rng, times)
        counts += found
        faults += wrong
    return counts, faults, len(ways)


def main():
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=20, help="of each way, those that came in time")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="of the ways only those with this in their name")
    given = parser.parse_args()
    counts, faults, ways = run(given.times, given.seed, given.only)
    for fault in faults[:40]:
        print(*fault)
    made = f"{counts['interrupted']} interrupted, {counts['finished']} finished"
    print(f"{sum(counts.values())} SIGINTs in {ways} ways: {made}, {len(faults)} faults")
    sys.exit(bool(faults or not ways))


if __name__ == "__main__":
    main()
