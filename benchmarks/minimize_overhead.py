"""What `gslfit.minimize` adds to a small fit: 100 points, bounds and an expression, a NumPy residual, against SciPy's `leastsq`.

    python benchmarks/minimize_overhead.py [--rounds 400] [--most 1.3]

`leastsq` gets the same data without bounds and without the expression, lmfit (where it is installed) the same as gslfit. One process, the
contenders in turns with `leastsq`, each fit's time against that of the `leastsq` before it; the medians of these ratios are shown. Making
the Parameters is outside of what is timed. Exits with 1 when gslfit's ratio is above `--most`.
"""
import argparse
import statistics
import sys
import time

import numpy as np
import workloads
from scipy.optimize import leastsq

import gslfit

try:
    import lmfit
except ImportError:
    lmfit = None

WORK = workloads.constrained()
X, Y, START = WORK["x"], WORK["y"][0], WORK["start"][0]


def plain(v, x, y):
    """Return the residual of an array of four values, the second peak tied to the first by hand."""
    y0, a, x0, var = v
    return y0 + a * np.exp(-(x - x0)**2 / (2 * var)) + a / 2 * np.exp(-(x - x0 - 3)**2 / (2 * var)) - y


def named(params, x, y):
    """Return the same residual of named parameters, the second peak tied by an expression."""
    y0, a, x0 = params["y0"].value, params["A"].value, params["x0"].value
    var, a2 = params["var"].value, params["A2"].value
    return y0 + a * np.exp(-(x - x0)**2 / (2 * var)) + a2 * np.exp(-(x - x0 - 3)**2 / (2 * var)) - y


def parameters(module):
    """Fresh Parameters with bounds and the expression."""
    params = module.Parameters()
    params.add("y0", value=START[0])
    params.add("A", value=START[1], min=0)
    params.add("x0", value=START[2])
    params.add("var", value=START[3], min=.01, max=25)
    params.add("A2", expr="A/2")
    return params


BASE = "scipy leastsq"
CONTENDERS = {
    BASE: (lambda: START, lambda start: leastsq(plain, start, args=(X, Y))),
    "gslfit.minimize": (lambda: parameters(gslfit), lambda params: gslfit.minimize(named, params, args=(X, Y))),
}
if lmfit is not None:
    CONTENDERS["lmfit.minimize"] = (lambda: parameters(lmfit), lambda params: lmfit.minimize(named, params, args=(X, Y)))


def in_turns(name, rounds):
    """Seconds of `leastsq` and of a contender, in turns; the first rounds, which fill caches, do not count."""
    taken = {BASE: [], name: []}
    for turn in range(rounds + 20):
        for one, times in taken.items():
            prepare, fit = CONTENDERS[one]
            start = prepare()
            begin = time.perf_counter()
            fit(start)
            if turn >= 20:
                times.append(time.perf_counter() - begin)
    return taken[BASE], taken[name]


def main():
    """Measure, print, and judge."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=400)
    parser.add_argument("--most", type=float, default=1.3)
    options = parser.parse_args()
    ratios = {}
    for name in CONTENDERS:
        if name != BASE:
            base, own = in_turns(name, options.rounds)
            ratios[name] = statistics.median(mine / other for mine, other in zip(own, base, strict=True))
            print(f"{name:16s} {1e6 * statistics.median(own):7.0f} us    {BASE} {1e6 * statistics.median(base):7.0f} us"
                  f"    ratio {ratios[name]:5.2f}")
    print(f"at most {options.most} times is asked of gslfit.minimize")
    return int(ratios["gslfit.minimize"] > options.most)


if __name__ == "__main__":
    sys.exit(main())
