"""Time fits of data sets that share parameters, beside a dense fit by SciPy and variable projection in NumPy; prints ratios.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python benchmarks/shared.py [--most 100000]

Traces of 256 points are sums of three decays, whose times all traces share, and an offset; histograms of 2,048 bins oscillate with one
frequency, each with its own amplitude, phase, decay and offset. Times are of one core, the best of a few runs.
"""
import argparse
import resource
import time

import numpy as np
from scipy.optimize import least_squares

import gslfit

TIMES, X = np.array([.4, 1.5, 5.]), np.linspace(0, 10, 256)
FORMULA, NAMES = "a*exp(-x/t1) + b*exp(-x/t2) + c*exp(-x/t3) + d", ("t1", "t2", "t3")
START = {"t1": .3, "t2": 2., "t3": 7.}


def traces(m):
    """Return m traces with noise, (m, 256)."""
    rng = np.random.default_rng(0)
    own = rng.uniform(.5, 2, (m, 4))
    return own[:, :3] @ np.exp(-X/TIMES[:, None]) + own[:, 3:] + .02*rng.normal(size=(m, X.size))


def histograms(m=96, n=2048):
    """Return the points, phases to start from, and histograms, (m, n)."""
    rng = np.random.default_rng(1)
    t, phase = np.linspace(0, 10, n), 2*np.pi*np.arange(m)/m
    phase = (phase + np.pi) % (2*np.pi) - np.pi
    size, rate, base = rng.uniform(80, 120, (m, 1)), rng.uniform(.1, .3, (m, 1)), rng.uniform(400, 600, (m, 1))
    return t, phase, size*np.exp(-rate*t)*np.cos(8.5*t + phase[:, None]) + base + 20*rng.normal(size=(m, n))


def fit(y):
    """Fit traces by gslfit."""
    return gslfit.fit_shared(FORMULA, y, x=X, shared=NAMES, threads=1, **START)


def fit_histograms():
    """Fit histograms by gslfit."""
    t, phase, y = histograms()
    return lambda: gslfit.fit_shared("A*exp(-k*t)*cos(w*t + p) + c", y, t=t, shared="w", w=8.45, A=100., k=.2, p=phase, c=500., threads=1)


def fit_dense(y, polish=False):
    """Fit all parameters at once by SciPy, with the exact Jacobian; values, to the last digit with `polish`, and errors."""
    m, n = y.shape

    def residual(p):
        own = p[3:].reshape(m, 4)
        return (own[:, :3] @ np.exp(-X/p[:3, None]) + own[:, 3:] - y).ravel()

    def jacobian(p):
        own, E = p[3:].reshape(m, 4), np.exp(-X/p[:3, None])
        J = np.zeros((m, n, 3 + 4*m))
        for i in range(m):
            J[i, :, :3] = (own[i, :3, None]*E*X/p[:3, None]**2).T
            J[i, :, 3 + 4*i:6 + 4*i], J[i, :, 6 + 4*i] = E.T, 1
        return J.reshape(m*n, -1)
    start = np.concatenate([list(START.values()), np.ones(4*m)])
    found = least_squares(residual, start, jacobian, method="lm", x_scale="jac").x
    if polish:
        for _ in range(6):
            found = found - np.linalg.lstsq(jacobian(found), residual(found), rcond=None)[0]
    J, r = jacobian(found), residual(found)
    return found, np.sqrt(np.diagonal(np.linalg.inv(J.T @ J))*(r @ r)/(m*n - start.size))


def fit_projected(y):
    """Fit the shared times by variable projection, with Kaufman's derivative: values alone, and for data sets of the same points."""
    def basis(t):
        return np.concatenate([np.exp(-X/t[:, None]), np.ones((1, X.size))]).T

    def residual(t):
        q, _ = np.linalg.qr(basis(t))
        return (y - (y @ q) @ q.T).ravel()

    def jacobian(t):
        q, r = np.linalg.qr(basis(t))
        own = np.linalg.solve(r, (y @ q).T)
        slopes = np.exp(-X/t[:, None])*X/t[:, None]**2
        slopes = slopes - (slopes @ q) @ q.T
        return -np.stack([(own[k][:, None]*slopes[k]).ravel() for k in range(3)], axis=1)
    t = least_squares(residual, list(START.values()), jacobian, method="lm").x
    q, r = np.linalg.qr(basis(t))
    return t, np.linalg.solve(r, (y @ q).T).T


def best(function, *args, runs=5):
    """Return the least processor time of some runs."""
    found = []
    for _ in range(runs):
        before = time.process_time()
        function(*args)
        found.append(time.process_time() - before)
    return min(found)


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--most", type=int, default=100_000, help="the most traces")
    most = parser.parse_args().most
    y = traces(20)
    fit(y)
    own, dense = best(fit, y), best(fit_dense, y, runs=3)
    result, (values, errors) = fit(y), fit_dense(y, polish=True)
    found = np.concatenate([[float(result.values[name]) for name in NAMES], np.array([result.values[name] for name in "abcd"]).T.ravel()])
    sigma = np.concatenate([[float(result.stderr[name]) for name in NAMES], np.array([result.stderr[name] for name in "abcd"]).T.ravel()])
    print(f"20 traces: gslfit {own:.4f} s, a dense fit by SciPy {dense:.3f} s ({dense/own:.0f} times as long); "
          f"values differ by {np.abs((found - values)/errors).max():.1e} errors, errors by {np.abs(sigma/errors - 1).max():.1e}")
    y = traces(1000)
    own, projected = best(fit, y), best(fit_projected, y, runs=3)
    print(f"1000 traces: gslfit {own:.4f} s with errors, variable projection in NumPy {projected:.3f} s without them "
          f"({projected/own:.1f} times as long)")
    run = fit_histograms()
    print(f"96 histograms of 2048 bins: {best(run):.4f} s")
    counts, times = [], []
    for m in (10**k for k in range(1, 1 + int(np.log10(most)))):
        y = traces(m)
        counts.append(m)
        times.append(best(fit, y, runs=5 if m < 10_000 else 2))
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss/1024
        print(f"{m:7} traces: {times[-1]:8.4f} s, {y.nbytes/2**20:6.0f} MB of data, {memory:6.0f} MB in all")
    large = [k for k, m in enumerate(counts) if m >= 1000]
    for which, label in ((range(len(counts)), "all"), (large, "from 1000 on")):
        if len(which) > 1:
            slope = np.polyfit(np.log([counts[k] for k in which]), np.log([times[k] for k in which]), 1)[0]
            print(f"slope of log time over log number, {label}: {slope:.3f}")


if __name__ == "__main__":
    main()
