"""Time bootstraps against loops of SciPy's and lmfit's fits, and see how often their intervals hold the truth.

    python benchmarks/resampling.py [--write]

A part of `make bench`, which writes docs/benchmarks-resampling.md. Pinned to one core, by one thread, in processor time; the contenders in
turns in one process, the least time of each. Loops draw as gslfit does and begin at the best fit; some replicates of theirs are timed.
"""
import time
from pathlib import Path

import lmfit
import numpy as np
from pages import pin, write
from scipy.optimize import curve_fit

import gslfit

OUT = Path(__file__).parents[1]/"docs"/"benchmarks-resampling.md"
REPLICATES, ROUNDS, OF_SCIPY, OF_LMFIT = 10_000, 7, 100, 20
X = np.linspace(-5, 5, 100)
NAMES, TRUTH = ("y0", "A", "x0", "s"), np.array([1.0, 5.0, .3, 1.2])
TEXT = "y0 + A*exp(-(x - x0)**2/(2*s**2))"
NOISE, BRIGHT = .2, 50          # BRIGHT: times the peak, where it is of counts
SIMULATED, EACH, LEVEL = 2000, 1000, .95
HEAD = """# Bootstraps: speed and coverage

Written by `python benchmarks/resampling.py --write`, a part of `make bench`: {count:,} replicates of one peak of 100 points and 4
parameters, drawn, fitted from the best fit, and gathered. The loops are Python's: the same data drawn by NumPy, each fitted by SciPy's
`curve_fit` with its exact Jacobian, or by lmfit's `Model.fit`; {scipy} and {lmfit} of their replicates are timed. One core, one thread,
processor time.

"""
COVERAGE = """
## Coverage

{count:,} simulated data sets of that peak, {each:,} replicates each: the share of percentile intervals of 95 % that hold the true value.
For so many, .940 to .960 is within two standard errors of .950.

| `kind=` | {names} |
|---|{rule}|
"""


def peak(x, y0, A, x0, s):
    """Return a peak on a constant."""
    return y0 + A*np.exp(-(x - x0)**2/(2*s**2))


def slopes(x, y0, A, x0, s):
    """Return its derivatives by the parameters."""
    z = (x - x0)/s
    bell = np.exp(-z*z/2)
    return np.column_stack([np.ones_like(x), bell, A*bell*z/s, A*bell*z*z/s])


def start(scale=1.0):
    """Return start values near the truth."""
    return dict(zip(NAMES, TRUTH*1.1*np.array([scale, scale, 1, 1]), strict=True))


def draw(rng, fit, kind):
    """Return x and y of one replicate of a fit."""
    y, curve = fit.data, fit.best_fit
    if kind == "pairs":
        chosen = rng.integers(0, y.size, y.size)
        return X[chosen], y[chosen]
    if kind == "poisson":
        return X, rng.poisson(curve)
    if kind == "parametric":
        return X, curve + np.sqrt(fit.redchi)*rng.standard_normal(y.size)
    r = (y - curve)
    return X, curve + (r - r.mean())[rng.integers(0, y.size, y.size)]*np.sqrt(y.size/(y.size - 4))


def by_scipy(fit, kind):
    """Fit replicates one by one by SciPy."""
    rng, begin = np.random.default_rng(1), list(fit.values.values())
    for _ in range(OF_SCIPY):
        x, y = draw(rng, fit, kind)
        curve_fit(peak, x, y, begin, jac=slopes)


def by_lmfit(fit, kind):
    """Fit replicates one by one by lmfit."""
    rng, model = np.random.default_rng(1), lmfit.Model(peak)
    params = model.make_params(**fit.values)
    for _ in range(OF_LMFIT):
        x, y = draw(rng, fit, kind)
        model.fit(y, params, x=x)


def speeds():
    """Yield a line for each kind: the time of ours, and how many times as long loops take."""
    rng = np.random.default_rng(5)
    data = {"plain": peak(X, *TRUTH) + NOISE*rng.standard_normal(X.size), "counts": rng.poisson(BRIGHT*peak(X, *TRUTH)).astype(float)}
    fits = {"plain": gslfit.fit(TEXT, data["plain"], x=X, **start()), "counts": gslfit.fit(TEXT, data["counts"], x=X, **start(BRIGHT))}
    for kind in ("residual", "parametric", "pairs", "poisson"):
        fit = fits["counts" if kind == "poisson" else "plain"]
        calls = {"gslfit": lambda fit=fit, kind=kind: fit.bootstrap(REPLICATES, kind, seed=1, threads=1),
                 "scipy": lambda fit=fit, kind=kind: by_scipy(fit, kind), "lmfit": lambda fit=fit, kind=kind: by_lmfit(fit, kind)}
        least = timed(calls)
        scipy, other = least["scipy"]*REPLICATES/OF_SCIPY, least["lmfit"]*REPLICATES/OF_LMFIT
        yield (f'| `bootstrap(kind="{kind}")` | {1e3*least["gslfit"]:.0f} ms | {1e3*scipy:,.0f} ms | {1e3*other:,.0f} ms | '
               f'{scipy/least["gslfit"]:.0f} | {other/least["gslfit"]:.0f} |')


def timed(calls):
    """Return the least processor time of each call, taken in turns."""
    least = dict.fromkeys(calls, np.inf)
    for _ in range(ROUNDS):
        for name, call in calls.items():
            begun = time.process_time()
            call()
            least[name] = min(least[name], time.process_time() - begun)
    return least


def coverage(simulated=SIMULATED, each=EACH):
    """Yield a line for each kind: how often intervals hold each parameter's true value."""
    for kind in ("residual", "parametric", "pairs"):
        rng, inside = np.random.default_rng(7), np.zeros(len(NAMES))
        for k in range(simulated):
            fit = gslfit.fit(TEXT, peak(X, *TRUTH) + NOISE*rng.standard_normal(X.size), x=X, **start())
            limits = fit.bootstrap(each, kind, seed=k, threads=1).percentile(LEVEL)
            inside += [low < true < high for true, (low, high) in zip(TRUTH, limits.values(), strict=True)]
        yield f"| `{kind}` | {' | '.join(f'{share:.3f}' for share in inside/simulated)} |"


def main():
    """Print the tables, and write them."""
    pin()
    lines = ["| call | gslfit | loop of SciPy | loop of lmfit | times SciPy's speed | times lmfit's |", "|---|---:|---:|---:|---:|---:|"]
    head = HEAD.format(count=REPLICATES, scipy=OF_SCIPY, lmfit=OF_LMFIT)
    for line in speeds():
        lines.append(line)
        print(line, flush=True)
    lines += COVERAGE.format(count=SIMULATED, each=EACH, names=" | ".join(NAMES), rule="|".join(["---:"]*len(NAMES))).splitlines()
    for line in coverage():
        lines.append(line)
        print(line, flush=True)
    write(OUT, head + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
