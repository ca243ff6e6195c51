"""Time `Model.fit` and `Model.fit_batch` with bounds against lmfit's `Model.fit`, on the workload `peaks`, in one run.

    python benchmarks/models.py [--write]

`make bench` writes the table into docs/benchmarks-models.md.
Pinned to one core, in turn, medians of five, in processor time. A fit of ours is timed twice: as it is, its result's parameters and errors
made when they are asked for, and with these asked for.
"""
import statistics
import time
from pathlib import Path

import numpy as np
import workloads
from pages import pin, write

import gslfit

OUT = Path(__file__).parents[1] / "docs" / "benchmarks-models.md"
SINGLE, MANY = 200, 20_000
HINTS = {"A": {"min": 0}, "var": {"min": .01, "max": 100}}


def starts(work, count):
    """Start values, a dict per fit."""
    return [dict(zip(work["names"], row, strict=True)) for row in work["start"][:count].tolist()]


def hinted(model):
    """Return the model with bounds."""
    for name, hint in HINTS.items():
        model.set_param_hint(name, **hint)
    return model


def loop(model, work, count, touch):
    """Fit one curve after the other."""
    return [touch(model.fit(y, x=work["x"], **start)) for y, start in zip(work["y"], starts(work, count), strict=False)]


def contenders(work):
    """name -> (function, fits)."""
    ours = hinted(gslfit.Model(work["formula"]))
    found = {
        "gslfit Model.fit": (lambda: loop(ours, work, SINGLE, lambda result: result), SINGLE),
        "gslfit Model.fit, errors read": (lambda: loop(ours, work, SINGLE, lambda result: result.params["A"].stderr), SINGLE),
        "gslfit Model.fit_batch": (lambda: ours.fit_batch(work["y"], x=work["x"], threads=1,
                                                          start=dict(zip(work["names"], work["start"].T, strict=True))), MANY),
    }
    try:
        import lmfit
    except ImportError:
        return found
    scope = {"exp": np.exp}
    exec(f"def f(x, {', '.join(work['names'])}): return {work['formula']}", scope)   # lmfit reads the names of the arguments
    theirs = hinted(lmfit.Model(scope["f"]))
    return {"lmfit Model.fit": (lambda: loop(theirs, work, SINGLE, lambda result: result), SINGLE), **found}


def measure(repeats=5):
    """Seconds per fit, by name."""
    pin()
    work = workloads.peaks(MANY)
    found, times = contenders(work), {}
    for function, _ in found.values():
        function()
    for _ in range(repeats):
        for name, (function, fits) in found.items():
            begun = time.process_time()
            function()
            times.setdefault(name, []).append((time.process_time() - begun)/fits)
    return {name: statistics.median(each) for name, each in times.items()}


HEAD = """# Models against lmfit

`Model.fit` on 200 curves of the workload peaks, one after the other, and `Model.fit_batch` on its 20,000, with bounds on two parameters, in
one run, pinned to one core, in turn; medians of five, in processor time. "Errors read" makes the result's parameters with their errors and
correlations, which otherwise wait until they are asked for; lmfit makes them always. Written by `make bench`.

"""


def main():
    """Print a table, and write it."""
    seconds = measure()
    slowest = max(seconds.values())
    lines = ["| how | microseconds a fit | times as fast as lmfit |", "|---|---:|---:|"]
    lines += [f"| {name} | {each*1e6:.1f} | {slowest/each:.0f} |" for name, each in seconds.items()]
    print("\n".join(lines))
    write(OUT, HEAD + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
