"""Time fits by losses against plain fits of the same data, in one run: `python benchmarks/losses.py [--write]`.

Every workload runs in the lanes; the run fails if a row went to GSL. Rounds are interleaved, on one core by one thread; what counts is the
least processor time of a call.
"""
import time
from pathlib import Path

import numpy as np
import workloads
from pages import pin, write

import gslfit
from gslfit.errors import FitStatus
from gslfit.objective.loss import TUNED

OUT = Path(__file__).parents[1]/"docs"/"benchmarks-losses.md"
FITS, ROUNDS, BRIGHT = 4000, 9, 100     # BRIGHT: times the peaks, so that counts have about the noise that they have elsewhere
NOISE = {"peaks": .3, "spots": 10.0}
HEAD = """# Fits by losses: speed, bias and errors

Written by `python benchmarks/losses.py --write`, a part of `make bench`. Peaks are curves of 50 points and 4 parameters, spots images of
121 pixels and 5 parameters. For "poisson" the data are counts with these means (the peaks' times 100), for the robust losses 5 % of the
points are moved by up to 20 standard deviations, and `f_scale` is the one of 95 % efficiency. The plain fit is one by least squares of the
same data from the same starts; above 1 a loss would be faster than it. With correlated errors (half of the variance over three points) it
is `ycov` that is compared. One thread; no row went to GSL.

"""


BIAS = """
## Bias

10,000 simulated peaks of `A` = 15, `s` = 1.2 on `b` = 2, 100 points over 10: the mean's distance from the truth in standard deviations, and
the share of fits whose standard error holds the truth (0.683 is right). What bias the deviance has is that of the exact estimator, of
maximum likelihood.

| fit | A | c | s | b | A holds | c | s | b |
|---|---:|---:|---:|---:|---:|---:|---:|---:|
"""


def work(name):
    """Return what a workload's fit is called with, the mean of its data, and its noisy data."""
    given = getattr(workloads, name)(FITS)
    x = given["x"] if isinstance(given["x"], dict) else {"x": given["x"]}
    formula = gslfit.Formula(given["formula"], independent=tuple(x))
    mean = eval(given["formula"], {"exp": np.exp, **x, **dict(zip(given["names"], given["true"].T[:, :, None], strict=True))})
    return formula, x, dict(zip(given["names"], given["start"].T, strict=True)), mean, given["y"]


def timed(calls):
    """Return the least time of each call, and what it returned."""
    least, results = dict.fromkeys(calls, np.inf), {}
    for _ in range(ROUNDS):
        for name, call in calls.items():
            begun = time.process_time()
            results[name] = call()
            least[name] = min(least[name], time.process_time() - begun)
    for name, result in results.items():
        others = (result.status != FitStatus.CONVERGED).sum()
        if others:
            raise SystemExit(f"{name}: {others} of {result.status.size} rows did not end in the lanes")
    return least, results


def calls(name):
    """Return the calls of a workload: of counts, and of data with outliers, each with the plain fit first."""
    formula, x, start, mean, y = work(name)
    rng = np.random.default_rng(18)
    bright = BRIGHT if name == "peaks" else 1
    own = {key: value*(bright if key in ("y0", "A", "b") else 1) for key, value in start.items()}
    counts = rng.poisson(mean*bright).astype(float)
    moved = y + (rng.random(y.shape) < .05)*rng.uniform(-20, 20, y.shape)*NOISE[name]

    def call(data, begin, **how):
        return lambda: gslfit.fit_batch(formula, data, x=x, start=begin, threads=1, **how)
    yield {"plain": call(counts, own), "yerr": call(counts, own, yerr=np.sqrt(np.maximum(counts, 1))),
           "poisson": call(counts, own, loss="poisson")}
    yield {"plain": call(moved, start), **{loss: call(moved, start, loss=loss, f_scale=TUNED[loss]*NOISE[name]) for loss in TUNED}}
    apart = np.abs(np.subtract.outer(*2*[np.arange(y.shape[-1])]))
    drift = NOISE[name]**2*(np.exp(-apart/3.0) + np.eye(len(apart)))/2
    drifting = mean + rng.normal(size=y.shape) @ np.linalg.cholesky(drift).T
    yield {"plain": call(drifting, start), "ycov": call(drifting, start, ycov=drift)}


def biases():
    """Return lines about 10,000 faint peaks, fitted by the deviance of their counts and by least squares."""
    rng, x, true, names = np.random.default_rng(15), np.linspace(0, 10, 100), np.array([15, 5, 1.2, 2]), ["A", "c", "s", "b"]
    y = rng.poisson(true[0]*np.exp(-(x - true[1])**2/2/true[2]**2) + true[3], (10_000, x.size)).astype(float)
    start = dict(zip(names, true*[.8, 1.02, 1.1, 1.2], strict=True))
    for what, how in (('`loss="poisson"`', {"loss": "poisson"}),
                      ("`yerr=sqrt(max(y, 1))`", {"yerr": np.sqrt(np.maximum(y, 1)), "scale_covar": False})):
        result = gslfit.fit_batch("A*exp(-(x - c)**2/(2*s**2)) + b", y, x=x, start=start, **how)
        v, errors = (np.array([each[name] for name in names]) for each in (result.values, result.stderr))
        bias, inside = (v.mean(axis=1) - true)/v.std(axis=1), (np.abs(v - true[:, None]) < errors).mean(axis=1)
        yield f"| {what} | {' | '.join(f'{b:+.3f}' for b in bias)} | {' | '.join(f'{i:.3f}' for i in inside)} |"


ROBUST = """
## Errors of robust fits

10,000 simulated peaks of `A` = 5, `s` = 1.2 on `b` = 2 with errors of 0.3, 100 points over 10; 10 % of them have errors ten times as large.
The share of fits whose standard error, by the sandwich, holds the truth (0.683 is right), and the spread of `A` in units of that by least
squares. `f_scale` is the one of 95 % efficiency.

| fit | spread of A | A holds | c | s | b |
|---|---:|---:|---:|---:|---:|
"""


def coverages():
    """Return lines about 10,000 peaks with outliers, fitted by least squares and by each robust loss."""
    rng, x, true, names = np.random.default_rng(16), np.linspace(0, 10, 100), np.array([5, 5, 1.2, 2]), ["A", "c", "s", "b"]
    noise = rng.normal(0, .3, (10_000, x.size))*np.where(rng.random((10_000, x.size)) < .1, 10, 1)
    y = true[0]*np.exp(-(x - true[1])**2/2/true[2]**2) + true[3] + noise
    start, plain = dict(zip(names, true*[.8, 1.02, 1.1, 1.2], strict=True)), None
    for what in ("linear", *TUNED):
        how = {} if what == "linear" else {"loss": what, "f_scale": TUNED[what]*.3}
        result = gslfit.fit_batch("A*exp(-(x - c)**2/(2*s**2)) + b", y, x=x, start=start, **how)
        v, errors = (np.array([each[name] for name in names]) for each in (result.values, result.stderr))
        inside, spread = (np.abs(v - true[:, None]) < errors).mean(axis=1), v[0].std()
        plain = spread if plain is None else plain
        yield f"| `loss=\"{what}\"` | {spread/plain:.3f} | {' | '.join(f'{i:.3f}' for i in inside)} |"


def main():
    """Print the tables, and write them."""
    pin()
    lines = ["| data | fit | time of one | of the plain fit's speed | evaluations |", "|---|---|---:|---:|---:|"]
    for name in NOISE:
        for kind, group in zip(("counts", "with outliers", "correlated errors"), calls(name), strict=True):
            least, results = timed(group)
            for what, seconds in least.items():
                lines.append(f"| {name}, {kind} | {what} | {1e6*seconds/FITS:.2f} us | {least['plain']/seconds:.2f} | "
                             f"{results[what].nfev.mean():.1f} |")
                print(lines[-1], flush=True)
    lines += BIAS.splitlines()
    for each in biases():
        lines.append(each)
        print(each, flush=True)
    lines += ROBUST.splitlines()
    for each in coverages():
        lines.append(each)
        print(each, flush=True)
    write(OUT, HEAD + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
