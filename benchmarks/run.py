"""Time gslfit against its peers in one run; `make bench` writes the table into docs/benchmarks.md.

Everything runs pinned to one core, in turn, each turn a fifth of a second or longer; speeds are medians, by processor time, and ratios
medians of the ratios within a round, so that other programs on the machine and its changing clock matter little. Each contender fits the
same curves from the same starts with its exact Jacobian, to steps of 1e-8; gslfit works out standard errors too, the C peers don't. The
reference is GSL's lmsder at 1e-13. A fit counts as converged when it lies within 1e-4 standard errors of it.
"""
import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

import c_peers
import numpy as np
import python_peers
import ways
import workloads
from pages import pin

import gslfit
from gslfit.curves._batch import instruction_set

OUT = Path(__file__).parents[1] / "docs" / "benchmarks.md"
BATCHES = ("peaks", "decays", "spots")
MINE, GSL, HAND = "gslfit", "GSL lmsder, C", "lanes, formula by hand"
TURN = .2       # seconds


def mine(name, work, fits, threads=1, **options):
    """gslfit.fit_batch, all that it gives."""
    x = work["x"] if isinstance(work["x"], dict) else {"x": work["x"]}
    formula = gslfit.Formula(work["formula"], independent=tuple(x))
    start = dict(zip(work["names"], work["start"][:fits].T, strict=True))
    return gslfit.fit_batch(formula, work["y"][:fits], x=x, start=start, threads=threads, **options)


def values_of(result, work):
    """Values of a BatchResult, ndarray (fits, p), in the workload's order."""
    return np.stack([result.values[name] for name in work["names"]], axis=-1)


def contenders(folder):
    """name -> (function, share of the fits), those that are here; and why the others aren't."""
    found, missing = {MINE: (lambda name, work, fits: values_of(mine(name, work, fits), work), 1.0)}, []
    for name in c_peers.PEERS:
        try:
            found[name] = c_peers.Peer(name, folder), 1.0
        except RuntimeError as error:
            missing.append(str(error))
    for name, (function, share) in python_peers.PEERS.items():
        try:
            work = workloads.peaks(200)
            function("peaks", work, 2)
            found[name] = function, share
        except ImportError as error:
            missing.append(f"{name}: {error}")
    return found, missing


def timed(function, *args, clock=time.process_time):
    """Seconds and result."""
    begun = clock()
    result = function(*args)
    return clock() - begun, result


def turn(function, name, work, fits):
    """Fits per second and the last result of as many calls as make a turn."""
    spent = calls = 0
    while spent < TURN:
        seconds, result = timed(function, name, work, fits)
        spent, calls = spent + seconds, calls + 1
    return calls * fits / spent, result


def ratio(speeds, one, other):
    """How many times as fast as the other a contender is, the median over the rounds."""
    return statistics.median(a / b for a, b in zip(speeds[one], speeds[other], strict=True))


def measure(name, work, found, repeats):
    """Speeds of a batch workload by contender, a list over the rounds; and by contender the converged fraction and the worst deviation."""
    total = len(work["y"])
    reference = mine(name, work, total, method="lmsder", xtol=1e-13, ftol=1e-13, gtol=1e-13, threads=os.cpu_count() or 1)
    best = values_of(reference, work)
    stderr = np.stack([reference.stderr[each] for each in work["names"]], axis=-1)
    speeds, values = {each: [] for each in found}, {}
    for function, share in found.values():          # warm: caches, compilers
        function(name, work, max(2, int(.02 * share * total)))
    for _ in range(repeats):
        for each, (function, share) in found.items():
            fits = max(2, int(share * total))
            speed, values[each] = turn(function, name, work, fits)
            speeds[each].append(speed)
    ends = {}
    for each in found:
        away = (np.abs(values[each] - best[:len(values[each])]) / stderr[:len(values[each])]).max(axis=1)
        ends[each] = float(np.mean(away < 1e-4)), float(np.nanmax(away))
    return speeds, ends


def table(name, work, speeds, ends):
    """Return a workload's rows as Markdown."""
    rate = {each: statistics.median(found) for each, found in speeds.items()}
    lines = [f"## {name}: {len(work['y'])} fits, {work['y'].shape[1]} points, {work['start'].shape[1]} parameters", "",
             f"`{work['formula']}`", "",
             "| how | fits/s | times GSL in C | converged | worst deviation, standard errors |", "|---|---:|---:|---:|---:|"]
    for each in sorted(rate, key=lambda name: -rate[name]):
        shown, (converged, away) = f"**{each}**" if each == MINE else each, ends[each]
        times = f"{ratio(speeds, each, GSL):.3g}" if GSL in rate else ""
        lines.append(f"| {shown} | {rate[each]:,.0f} | {times} | {100 * converged:.2f} % | {away:.0e} |")
    others = [each for each in rate if each in c_peers.PEERS and each != HAND]
    if others:
        lines += ["", f"{ratio(speeds, MINE, max(others, key=rate.get)):.1f} times the fastest C or C++ peer"
                  + (f"; {100 * ratio(speeds, MINE, HAND):.0f} % of the same formula by hand in C." if HAND in rate else ".")]
    return [*lines, ""]


def threads_table(cores, repeats):
    """Two threads against one, on the batches and on one long curve; with GSL on the long one."""
    repeats *= 5        # a clock on the wall sees the other programs too: the least of many
    lines = ["## Threads, and one long curve", "", f"The least of {repeats} repeats, by the clock on the wall.", "",
             "| workload | one thread, s | two threads, s | ratio | GSL in C, s | times GSL, one thread |",
             "|---|---:|---:|---:|---:|---:|"]
    with tempfile.TemporaryDirectory() as folder:
        try:
            gsl = c_peers.Peer(GSL, folder)
        except RuntimeError:
            gsl = None
        for name in (*BATCHES, "long_curve"):
            work = getattr(workloads, name)()
            long = name == "long_curve"
            if not long:
                work = {**work, "y": np.tile(work["y"], (5, 1)), "start": np.tile(work["start"], (5, 1))}
            seconds = {1: [], 2: []}
            for _ in range(repeats):
                for threads in (1, 2):
                    pin(cores if threads == 2 else {min(cores)})
                    took = timed(mine, name, work, len(work["y"]), threads, clock=time.perf_counter)[0]
                    seconds[threads].append(took)
            one, two = (min(seconds[threads]) for threads in (1, 2))
            pin({min(cores)})
            theirs = min(timed(gsl, name, work, 1, clock=time.perf_counter)[0] for _ in range(3)) if long and gsl else None
            lines.append(f"| {name} | {one:.4f} | {two:.4f} | {one / two:.2f} | "
                         + (f"{theirs:.2f} | {theirs / one:.0f} |" if theirs else " | |"))
            pin(cores)
    return [*lines, ""]


def processor():
    """Return the processor's name."""
    try:
        return next(line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name"))
    except (OSError, StopIteration):
        return "unknown processor"


def main():
    """Run it all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--write", action="store_true", help=f"write {OUT.name} instead of printing")
    parser.add_argument("--only", nargs="*", default=BATCHES, choices=BATCHES)
    options = parser.parse_args()
    cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else {0, 1}
    lines = ["# Benchmarks", "", *__doc__.splitlines()[2:], "",
             f"{processor()}, instruction set {instruction_set()}, medians of {options.repeats}; written by `make bench`.", ""]
    with tempfile.TemporaryDirectory() as folder:
        found, missing = contenders(folder)
        pin({min(cores)})
        for name in options.only:
            work = getattr(workloads, name)()
            lines += table(name, work, *measure(name, work, found, options.repeats))
        lines += ways.table(options.repeats)
        pin(cores)
    lines += threads_table(cores, options.repeats)
    lines += [f"Not here: {each}" for each in missing]
    text = "\n".join(lines).rstrip() + "\n"
    print(text)
    if options.write:
        OUT.write_text(text)


if __name__ == "__main__":
    main()
