"""Confidence intervals of one fit and of batches, as ratios: against the careful code, lmfit's, and the time of the fits themselves.

    python benchmarks/intervals.py

One core, 50 points; processor time, medians of the ratios of runs in turns.
"""
import statistics
import time
import warnings

import lmfit
import numpy as np
from pages import pin

import gslfit
from gslfit.confidence.careful import careful_intervals

LEVELS = [.6827, .9545, .9973]
RNG = np.random.default_rng(1)
X = np.linspace(-5, 5, 50)
T = np.linspace(0, 6, 50)
CASES = {       # formula, variable, start, noise
    "a peak, 4 parameters": ("c + A*exp(-(x - m)**2/(2*s**2))", X, {"c": 1., "A": 3., "m": .4, "s": 1.1}, .1),
    "a decay, 3 parameters": ("c + A*exp(-x/t)", T, {"c": .5, "A": 3., "t": 1.5}, .05),
    "two decays, 4 parameters": ("A*exp(-x/s) + B*exp(-x/t)", T, {"A": 3., "s": .4, "B": 2., "t": 3.}, .01),
}


def seconds(call, times):
    """Return the shortest time that a call takes."""
    found = []
    for _ in range(times):
        began = time.process_time()
        call()
        found.append(time.process_time() - began)
    return min(found)


def single(text, x, start, noise, rounds=5):
    """Return the engine's time, and how often it goes into those of the careful code and of lmfit."""
    formula = gslfit.Formula(text)
    y = formula(x, **start) + noise*RNG.normal(size=x.size)
    result = gslfit.fit(text, y, x=x, **start)
    params = lmfit.Parameters()
    for name, value in start.items():
        params.add(name, value)
    plain = eval(f"lambda {', '.join(formula.independent + tuple(start))}: {text}", {"exp": np.exp})      # as one writes it for lmfit
    mini = lmfit.Minimizer(lambda p: plain(x, *[p[name].value for name in start]) - y, params)
    theirs = mini.minimize()
    ours, careful, lmfits = [], [], []
    for _ in range(rounds):
        ours.append(seconds(lambda: result.conf_interval(sigmas=LEVELS), 20))
        careful.append(seconds(lambda: careful_intervals(result, list(start), LEVELS), 2)/ours[-1])
        lmfits.append(seconds(lambda: lmfit.conf_interval(mini, theirs, sigmas=LEVELS), 1)/ours[-1])
    return min(ours), statistics.median(careful), statistics.median(lmfits)


def batch(text, x, start, noise, rows=10_000, rounds=5):
    """Return the time of a row's limits at two levels by that of its fit, and the share of rows that were in doubt."""
    y = gslfit.Formula(text)(x, **start) + noise*RNG.normal(size=(rows, x.size))
    found = gslfit.fit_batch(text, y, x=x, start=start, threads=1)
    ratios = []
    for _ in range(rounds):
        fits = seconds(lambda: gslfit.fit_batch(text, y, x=x, start=start, threads=1), 2)
        ratios.append(seconds(lambda: found.conf_interval(sigmas=LEVELS[:2], threads=1), 1)/fits)
    left = found.conf_interval(sigmas=LEVELS[:2], threads=1, thorough=False)
    doubt = np.mean([(each == gslfit.LimitStatus.IN_DOUBT).any(axis=(0, 1)) for each in left.status.values()])
    return statistics.median(ratios), float(doubt)


def main():
    """Print the table."""
    pin()
    warnings.simplefilter("ignore")
    print("| 50 points | `conf_interval`, 3 levels | careful code | lmfit | batch of 10,000 at 2 levels: times its fits | rows in doubt |")
    print("|---|---|---|---|---|---|")
    for name, case in CASES.items():
        ours, careful, theirs = single(*case)
        ratio, doubt = batch(*case)
        print(f"| {name} | {1e3*ours:.2f} ms | {careful:.0f} times | {theirs:.0f} times | {ratio:.0f} | {100*doubt:.2g} % |")


if __name__ == "__main__":
    main()
