"""Run all of the torture in one command, and report its counts.

    python tests/torture/run.py [--times N] [--parts NAME ...] [--jobs N]        (make torture, make torture TIMES=20)

Each part is a program of its own, so that one that dies is seen by its exit status: memory that ends at each allocation in turn,
random calls, SIGINT at random moments, exceptions of every kind in each call of the caller's functions, much data, threads, calls by the
thousand with memory flat. They go by counts, not by time: a part that ends before it has reached them, or does not end, has failed. With
--times the counts are so many times as large.
"""

import argparse
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).parent
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # BLAS's own threads would wait for each other
LONGEST = 3600  # seconds that a part may take, times the times
# part -> its command for counts that are so many times as large, those that take longest first
PARTS = {
    "memory ends": lambda times: ["memory.py", *(["--last-too"] if times > 1 else [])],
    "growth": lambda times: ["growth.py", "--calls", str(1000 * times)],
    "SIGINT": lambda times: ["interrupts.py", "--times", str(100 * times)],
    "random calls": lambda times: ["calls.py", "--calls", str(20_000 * times), "--seed", "7"],
    "exceptions": lambda times: ["callbacks.py", "--every", str(max(1, 3 // times))],
    "load": lambda times: ["load.py", *(["--points", "10000000", "--fits", "1000000"] if times == 1 else [])],
    "threads": lambda times: ["threads.py", "--calls", str(20_000 * times)],
}


def run(part, times):
    """Run a part; returns whether it went well, how it ended and in how many seconds, its last line, and what it said if it did not."""
    began, arguments = time.monotonic(), [sys.executable, "-X", "faulthandler", *PARTS[part](times)]
    try:
        found = subprocess.run(arguments, cwd=HERE, capture_output=True, text=True, env=ENVIRONMENT, timeout=LONGEST * times)
        status, said = found.returncode, found.stdout
        told = f"{said[-3000:]}{found.stderr[-1500:]}"
        ended = "well" if status == 0 else f"exit status {status}"
    except subprocess.TimeoutExpired as error:
        status, said, ended, told = 1, "", "it does not end", (error.stdout or b"").decode(errors="replace")[-3000:]
    last = (said.splitlines() or ["nothing was printed"])[-1]
    return status == 0, ended, time.monotonic() - began, last, "" if status == 0 else told


def main():
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=1, help="so many times the counts")
    parser.add_argument("--parts", nargs="*", default=list(PARTS), choices=list(PARTS))
    parser.add_argument("--jobs", type=int, default=2, help="parts at a time")
    given = parser.parse_args()
    bad = 0
    with ThreadPoolExecutor(given.jobs) as pool:
        for part, found in zip(given.parts, pool.map(lambda part: run(part, given.times), given.parts), strict=True):
            well, ended, took, last, told = found
            bad += not well
            if told:
                print(f"--- {part}: {ended}\n{told}", flush=True)
            print(f"{part}: {ended} in {took:.0f} s: {last}", flush=True)
    print(f"{len(given.parts) - bad} of {len(given.parts)} parts well")
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
