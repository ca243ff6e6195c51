"""What 10^9 fits take, written to docs/howto/billion.md: `python benchmarks/billion.py`.

Three things are measured, each in a process of its own, in processor time, so that other work on the machine counts little: a fit, and the
memory of a chunk, for chunks of several sizes; what the scheduler of dask.distributed does for one task; the start of a worker. They go to
benchmarks/billion.json. From these alone a cluster is simulated, task by task, and page and picture are made: `--render` does only that.
"""
import heapq
import json
import math
import platform
import random
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FIGURES = ROOT / "benchmarks" / "billion.json"
PAGE = ROOT / "docs" / "howto" / "billion.md"
PICTURE = ROOT / "docs" / "_static" / "billion.svg"
FITS, POINTS, BYTES = 10**9, 80, 4          # of float32
CHUNKS = (1_000, 10_000, 100_000, 1_000_000)
CORES = (1, 10, 100, 300, 1_000, 3_000, 10_000)
BANDWIDTH = 10e9        # bytes a second that all workers together read, of a parallel file system
OWN = 1e9               # and one alone
ARRIVAL = 60.0          # seconds in which a cluster's workers come up, one after the other
SPREAD = 0.1            # how much chunks of one size differ in time, as a share
CHOSEN = 100_000

OF_A_CHUNK = """
import json, sys, time
import numpy as np
import gslfit
rows, points = map(int, sys.argv[1:])
def memory(kind):
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(kind))
t = np.linspace(0, 5, points)
def curves(rows, seed):
    rng = np.random.default_rng(seed)
    tau = rng.uniform(.8, 2, (rows, 1)).astype("f4")
    return (2*np.exp(-t.astype("f4")/tau) + .1 + rng.normal(0, .02, (rows, t.size)).astype("f4")).astype("f4")
def fit(y):
    return gslfit.fit_batch("A*exp(-t/tau) + c", y, t=t, tau=1.0, threads=1, keep_data=False)
fit(curves(100, 0))
base, y, fits, spent, good = memory("VmRSS"), curves(rows, 1), 0, 0.0, 0
open("/proc/self/clear_refs", "w").write("5")       # the peak of making the data is none of a worker's
while fits < 300_000 or spent < 1.0:
    began = time.process_time()
    found = fit(y)
    spent += time.process_time() - began
    fits += rows
    good += int(found.success.sum())
print(json.dumps({"seconds": spent/fits, "megabytes": (memory("VmHWM") - base)/1e3, "success": good/fits,
                  "result": sum(array.nbytes for array in found.to_dict().values())/rows}))
"""

OF_A_TASK = """
import json, time
import dask.array as da, numpy as np
from distributed import Client, LocalCluster
import gslfit
if __name__ == "__main__":
    t = np.linspace(0, 5, 20)
    def fit(tasks):
        y = da.from_array(2*np.exp(-t/np.linspace(1, 2, tasks)[:, None]), chunks=(1, t.size))
        found = gslfit.fit_batch("A*exp(-t/tau)", y, x={"t": t}, tau=1.0, keep_data=False)
        began = time.process_time()
        found.compute()
        return time.process_time() - began
    # scheduler and client are in this process, which does all but the fits
    with LocalCluster(n_workers=1, threads_per_worker=1, processes=True, dashboard_address=None) as cluster, Client(cluster):
        fit(20)
        few, many = fit(200), fit(1200)
    print(json.dumps({"overhead": (many - few)/1000}))
"""

OF_A_START = """
import json, time
import numpy as np
import gslfit
t = np.linspace(0, 5, 80)
gslfit.fit_batch("A*exp(-t/tau) + c", 2*np.exp(-t/np.linspace(1, 2, 100)[:, None]), t=t, tau=1.0)
print(json.dumps({"start": time.process_time()}))
"""


def told(code, *args):
    """Return what a script in a new process prints as JSON."""
    folder = ROOT / "tests"             # in the root the uncompiled package would be imported
    done = subprocess.run([sys.executable, "-c", code, *map(str, args)], check=True, capture_output=True, text=True, cwd=folder)
    return json.loads(done.stdout.splitlines()[-1])


def measured():
    """Return all that is measured."""
    return {"processor": processor(), "chunks": {str(rows): told(OF_A_CHUNK, rows, POINTS) for rows in CHUNKS}, **told(OF_A_TASK),
            **told(OF_A_START)}


def processor():
    """Return the processor's name."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()


def simulate(fits, chunk, cores, seconds, overhead, start, *, bandwidth=BANDWIDTH, own=OWN, arrival=ARRIVAL, spread=SPREAD, seed=1):
    """Return after how many seconds the last of many tasks is done.

    A worker that is free asks the scheduler, which deals with one task at a time; then it reads its chunk over a line that all share; then
    it computes. Nothing is read while a core computes, so that a worker needs no more memory than one chunk.

    Parameters
    ----------
    fits, chunk, cores : int
    seconds : float
        Of a fit, on a core.
    overhead : float
        Of a task, in the scheduler.
    start : float
        Of a worker.
    bandwidth, own : float
        Bytes a second, of all and of one.
    arrival : float
        Workers come up evenly within so many seconds.
    spread : float
    seed : int
    """
    draw = random.Random(seed)
    tasks, size = -(-fits//chunk), chunk*POINTS*BYTES
    free = [start + arrival*k/cores for k in range(cores)]
    heapq.heapify(free)
    scheduler = line = last = 0.0
    for _ in range(tasks):
        asked = heapq.heappop(free)
        scheduler = max(asked, scheduler) + overhead
        line = max(scheduler, line) + size/bandwidth
        read = max(line, scheduler + size/own)
        done = read + chunk*seconds*(1 + spread*draw.uniform(-1, 1))
        last = max(last, done)
        heapq.heappush(free, done)
    return last


def duration(seconds):
    """Return a time as people say it."""
    for size, unit in ((86400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2*size:
            return f"{seconds/size:.3g} {unit}"
    return f"{seconds:.3g} s"


def times(figures, chunk, slower=1):
    """Return the simulated time, and the share of it in which cores fit, for each number of cores; fits may be slower."""
    seconds = slower*figures["chunks"][str(chunk)]["seconds"]
    found = {cores: simulate(FITS, chunk, cores, seconds, figures["overhead"], figures["start"]) for cores in CORES}
    return {cores: (last, FITS*seconds/cores/last) for cores, last in found.items()}


def bound(figures, chunk, cores):
    """Return what holds a run up: without it the run would be the shortest."""
    given = {"seconds": figures["chunks"][str(chunk)]["seconds"], "overhead": figures["overhead"], "start": figures["start"]}
    without = {"fits": {"seconds": 0.0}, "scheduler": {"overhead": 0.0}, "reading": {"bandwidth": math.inf, "own": math.inf},
               "start": {"start": 0.0, "arrival": 0.0}}
    return min(without, key=lambda name: simulate(FITS, chunk, cores, **{**given, **without[name]}))


def page(figures):
    """Return the page."""
    chosen, gigabytes = figures["chunks"][str(CHOSEN)], FITS*POINTS*BYTES/1e9
    seconds, overhead = chosen["seconds"], figures["overhead"]
    tasks, work = FITS//CHOSEN, FITS*seconds
    lines = [HEAD.format(points=POINTS, bytes=BYTES*POINTS, gigabytes=f"{gigabytes:g}", processor=figures["processor"]),
             "| fits a chunk | chunk, MB | memory, MB | us a fit | fits a second and core |", "|---:|---:|---:|---:|---:|"]
    for rows in CHUNKS:
        each = figures["chunks"][str(rows)]
        lines.append(f"| {rows:,} | {rows*POINTS*BYTES/1e6:.3g} | {each['megabytes']:.3g} | {each['seconds']*1e6:.3g} | "
                     f"{1/each['seconds']:,.0f} |")
    lines.append(CHUNK.format(chosen=f"{CHOSEN:,}", memory=f"{chosen['megabytes']:.0f}", result=f"{chosen['result']:.0f}",
                              results=f"{FITS*chosen['result']/1e9:.0f}"))
    lines.append(f"""```text
fits      1e9 * {seconds*1e6:.3g} us = {work:,.0f} core seconds = {duration(work)} on one core, {duration(work/1000)} on 1,000
tasks     1e9 / {CHOSEN:,} = {tasks:,}, of {CHOSEN*seconds:.3g} s each
scheduler {tasks:,} * {overhead*1e3:.3g} ms = {duration(tasks*overhead)}, one after the other
reading   {gigabytes:g} GB / {BANDWIDTH/1e9:g} GB/s = {duration(gigabytes*1e9/BANDWIDTH)}
start     {figures['start']:.3g} s of processor time a worker; the last of them comes after {ARRIVAL:g} s
```
""")
    found, slow = times(figures, CHOSEN), times(figures, CHOSEN, slower=10)
    lines += [SIMULATED.format(chosen=f"{CHOSEN:,}", arrival=f"{ARRIVAL:g}", bandwidth=f"{BANDWIDTH/1e9:g}", own=f"{OWN/1e9:g}",
                               seconds=f"{10*seconds*1e6:.3g}"),
              "| cores | time | share of it in fits | held up by | fits ten times as long | share in fits |",
              "|---:|---:|---:|---|---:|---:|"]
    lines += [f"| {cores:,} | {duration(last)} | {share:.1%} | {bound(figures, CHOSEN, cores)} | {duration(slow[cores][0])} | "
              f"{slow[cores][1]:.1%} |" for cores, (last, share) in found.items()]
    reading, scheduling = gigabytes*1e9/BANDWIDTH, tasks*overhead
    small, large = (simulate(FITS, rows, 1_000, figures["chunks"][str(rows)]["seconds"], overhead, figures["start"])
                    for rows in (CHUNKS[0], CHUNKS[-1]))
    lines.append(STOPS.format(
        reading=f"{reading:.3g}", readers=f"{work/reading:,.0f}", scheduling=f"{scheduling:.3g}", schedulers=f"{work/scheduling:,.0f}",
        arrival=f"{ARRIVAL:g}", small=duration(small), large=duration(large), largest=f"{CHUNKS[-1]:,}", smaller=f"{FITS//1000:,}",
        alone=duration(FITS//1000*overhead),
        overhead=f"{overhead*1e3:.3g}", longest=f"{overhead*1000:.2g}", many=f"{overhead*1000/seconds:,.0f}"))
    return "\n".join(lines)


HEAD = """# 10^9 fits

How many fits a task should hold, what memory and time they take, and where more cores stop helping. All figures are measured and worked
out by `python benchmarks/billion.py`, which writes this page.

The fit is `A*exp(-t/tau) + c` to {points} points of float32 with noise, {bytes} bytes: a billion of them are {gigabytes} GB.

## Chunk, memory, throughput

One thread, in processor time ({processor}); memory is what the process needs beyond what it had before, data and results included.
"""
CHUNK = """
Small chunks pay for the call again and again, large ones only cost memory, and are lost as a whole when a worker dies. With {chosen} fits
a chunk a worker holds {memory} MB beside Python. A fit's results are {result} bytes (`keep_data=False`, without covariances), {results}
GB in all: write them as they come, with `to_xarray().to_zarr(...)` or `out=`.

## The arithmetic
"""
SIMULATED = """## On 1,000 cores, simulated

A worker that is free asks the scheduler, which deals with one task at a time; then it reads its chunk over a line that all share
({bandwidth} GB/s together, {own} GB/s each: of your file system these are other numbers); then it fits. Workers come up evenly within
{arrival} s, and tasks differ by 10 %. With {chosen} fits a task; at the right, a fit of {seconds} us, for a longer curve or more
parameters:
"""
STOPS = """
![Fits a second by the number of cores, for chunks of several sizes: a straight line, then level where reading or the scheduler holds
them up](../_static/billion.svg)

Where it stops: all cores together can't be done before the data are read, {reading} s, which is what {readers} cores need to fit them,
nor before the scheduler has dealt with each chunk (and with the small tasks that take its results apart), {scheduling} s, as long as
{schedulers} cores fit; and the last workers come up after {arrival} s. Beyond the smaller of these numbers more cores hardly help. Fits
that take ten times as long go on getting faster up to ten times as many.

- The scheduler: with 1,000 fits a task there are {smaller} tasks, {alone} of scheduling alone, and 1,000 cores take {small}; with {largest}
  they take {large}. A task should last longer than the scheduler's {overhead} ms times the number of cores: {longest} s for 1,000,
  {many} of these fits.
- Reading: float32 instead of float64, and integers as they come, halve it; on local disks of the workers it is no shared line.
- The start: a cluster that is up already, or that goes on to the next file, does not pay for it.

```python
import dask.array as da
import numpy as np
import gslfit

t = np.linspace(0, 5, 80)
movie = da.random.default_rng(1).normal(2*np.exp(-t/1.5) + 0.1, 0.02, size=(20_000, 80), chunks=(10_000, 80)).astype("f4")
fits = gslfit.fit_batch("A*exp(-t/tau) + c", movie, t=t, tau=1.0, keep_data=False)
print(fits.values["tau"].numblocks, round(float(fits.values["tau"].mean().compute()), 2))
```

```text
(2,) 1.5
```

How to hand over the data, and what is lazy, is on the page about [data that don't fit into memory](large-data.md).
"""


def draw(figures):
    """Draw fits a second by the number of cores."""
    import matplotlib
    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "gslfit"
    from matplotlib import pyplot
    figure, axes = pyplot.subplots(figsize=(7, 4.2), layout="constrained")
    for chunk in CHUNKS:
        found = times(figures, chunk)
        axes.plot(list(found), [FITS/last for last, _ in found.values()], "o-", ms=4, label=f"{chunk:,} fits a task")
    seconds = figures["chunks"][str(CHOSEN)]["seconds"]
    axes.plot(CORES, [cores/seconds for cores in CORES], color="0.6", ls=":", label="if nothing held them up")
    axes.axhline(BANDWIDTH/(POINTS*BYTES), color="0.4", lw=1, ls="--")
    axes.annotate(f"reading, {BANDWIDTH/1e9:g} GB/s", (1, BANDWIDTH/(POINTS*BYTES)), va="bottom", fontsize=9, color="0.3")
    axes.set(xscale="log", yscale="log", xlabel="cores", ylabel="fits a second", title="10$^9$ fits on a cluster, simulated")
    axes.grid(which="major", alpha=0.3)
    axes.legend(frameon=False, fontsize=9)
    figure.savefig(PICTURE, metadata={"Date": None})


def main():
    """Measure, unless told only to render, and write figures, page and picture."""
    if "--render" not in sys.argv:
        FIGURES.write_text(json.dumps(measured(), indent=1) + "\n", encoding="utf-8")
    figures = json.loads(FIGURES.read_text(encoding="utf-8"))
    PAGE.write_text(page(figures), encoding="utf-8")
    draw(figures)
    print(page(figures))


if __name__ == "__main__":
    main()
