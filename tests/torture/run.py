"""Run all of the torture in one command, and report its counts.

    python tests/torture/run.py [--minutes M]        (make torture, make torture MINUTES=60)

Each part is a program of its own, so that one that dies is seen by its exit status: memory that ends at each allocation in turn,
random calls, SIGINT at random moments, exceptions of every kind in each call of the caller's functions, much data, threads, calls by the
ten thousand with memory flat.
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}  # BLAS's own threads would wait for each other
# part -> its command for so many seconds, and the share of the time that it gets
PARTS = {
    "memory ends": (lambda seconds: ["memory.py", *(["--last-too"] if seconds > 60 else [])], 0.15),
    "random calls": (lambda seconds: ["calls.py", "--calls", "100000000", "--seed", "7", "--seconds", str(seconds)], 0.2),
    "SIGINT": (lambda seconds: ["interrupts.py", "--times", str(max(5, int(seconds / 4))), "--seconds", str(seconds)], 0.25),
    "exceptions": (lambda seconds: ["callbacks.py", "--every", "1" if seconds > 100 else "5", "--seconds", str(seconds)], 0.15),
    "load": (lambda seconds: ["load.py", *([] if seconds > 60 else ["--points", "10000000", "--fits", "1000000"])], 0.05),
    "threads": (lambda seconds: ["threads.py", "--seconds", str(seconds)], 0.05),
    "growth": (lambda seconds: ["growth.py", "--seconds", str(seconds)], 0.15),
}


def main():
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=8)
    parser.add_argument("--parts", nargs="*", default=list(PARTS), choices=list(PARTS))
    given = parser.parse_args()
    rows, bad = [], 0
    for part in given.parts:
        command, share = PARTS[part]
        began = time.monotonic()
        arguments = [sys.executable, "-X", "faulthandler", *command(given.minutes * 60 * share)]
        found = subprocess.run(arguments, cwd=HERE, capture_output=True, text=True, env=ENVIRONMENT)
        last = (found.stdout.splitlines() or ["nothing was printed"])[-1]
        if found.returncode:
            bad += 1
            print(f"--- {part}: exit status {found.returncode}\n{found.stdout[-3000:]}{found.stderr[-1500:]}", flush=True)
        rows.append(
            (part, "well" if found.returncode == 0 else f"exit status {found.returncode}", f"{time.monotonic() - began:.0f} s", last)
        )
        print(f"{part}: {rows[-1][1]} in {rows[-1][2]}: {last}", flush=True)
    print(f"{len(rows) - bad} of {len(rows)} parts well")
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
