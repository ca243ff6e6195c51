"""Time batches by wider tolerances against the default ones, in one run: `python benchmarks/tolerances.py [--write]`.

Rounds are interleaved, on one core by one thread; what counts is the least processor time of a call. Ends are compared with those by the
tightest tolerance.
"""
import time
from pathlib import Path

import numpy as np
import workloads
from pages import pin, write

import gslfit

OUT = Path(__file__).parents[1]/"docs"/"benchmarks-tolerances.md"
ROUNDS = 15
FITS = {"peaks": 4000, "decays": 4000, "spots": 1000, "small_spots": 4000, "noisy_peaks": 4000}
TOLERANCES = 1e-8, 1e-6, 1e-4, 1e-3, 1e-2
TIGHTEST = 1e-12
HEAD = """# Wider tolerances: speed, and where fits end

Written by `python benchmarks/tolerances.py --write`, a part of `make bench`. `xtol`, `ftol` and `gtol` are the same number; 1e-8 is the
default. Speed is that of the fit by the default, 1, in the same run, on one core by one thread. Distances are those of all parameters
from where the same fits end by tolerances of 1e-12, in standard errors: the median over the fits, that of 999 of 1,000, and the worst.
Small spots are the images of 5 x 5 pixels of Gpufit's examples; noisy peaks have noise of a tenth of their height.

| data | tolerance | speed | evaluations | successes | median distance | 99.9 % | worst |
|---|---:|---:|---:|---:|---:|---:|---:|
"""


def batch(name):
    """Return a function of a tolerance that fits a workload."""
    work = getattr(workloads, name)(FITS[name])
    x = work["x"] if isinstance(work["x"], dict) else {"x": work["x"]}
    formula = gslfit.Formula(work["formula"], independent=tuple(x))
    start = dict(zip(work["names"], work["start"].T, strict=True))
    return lambda tolerance: gslfit.fit_batch(formula, work["y"], x=x, start=start, threads=1, xtol=tolerance, ftol=tolerance,
                                              gtol=tolerance)


def timed(fit):
    """Return the least time by each tolerance, and the result."""
    least, results = dict.fromkeys(TOLERANCES, np.inf), {}
    for _ in range(ROUNDS):
        for tolerance in TOLERANCES:
            begun = time.process_time()
            results[tolerance] = fit(tolerance)
            least[tolerance] = min(least[tolerance], time.process_time() - begun)
    return least, results


def distances(result, reference):
    """Return how far fits ended from their minima, the farthest parameter of each that succeeded, in standard errors."""
    good = result.success & reference.success
    apart = [np.abs(result.values[name] - reference.values[name])[good]/reference.stderr[name][good] for name in reference.names]
    return np.max(apart, axis=0)


def main():
    """Print the table, and write it."""
    pin()
    lines = []
    for name in FITS:
        fit = batch(name)
        reference = fit(TIGHTEST)
        least, results = timed(fit)
        for tolerance, result in results.items():
            apart = distances(result, reference)
            far = " | ".join(f"{each:.0e}" for each in (np.median(apart), np.quantile(apart, .999), apart.max()))
            lines.append(f"| {name.replace('_', ' ')} | {tolerance:.0e} | {least[TOLERANCES[0]]/least[tolerance]:.2f} | "
                         f"{result.nfev.mean():.2f} | {result.success.mean():.2%} | {far} |")
            print(lines[-1], flush=True)
    write(OUT, HEAD + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
