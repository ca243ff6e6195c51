"""Time a lifetime image whose decays are folded with a measured response, and compare some pixels with SciPy and numpy.convolve.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python benchmarks/response.py [--side 256]

Each pixel is a histogram of 256 channels of 50 ps, about 2,000 counts: two decays of 0.5 and 2.5 ns, whose amplitudes differ from pixel to
pixel, folded with
a response of 0.25 ns that has a second peak. They are fitted by Poisson's likelihood, each with its own times, and with times that all
pixels share. Times are of one core.
"""
import argparse
import time

import numpy as np
from scipy.optimize import minimize

import gslfit

N, STEP = 256, .05
T = np.arange(N)*STEP
RESPONSE = np.exp(-.5*((T - 1)/.105)**2) + .08*np.exp(-.5*((T - 1.9)/.2)**2) + 1e-6*np.exp(-T)
RESPONSE /= RESPONSE.sum()
FORMULA, NAMES = "a*exp(-t/tau) + b*exp(-t/theta)", ("a", "tau", "b", "theta")
START = {"a": 80., "tau": .4, "b": 20., "theta": 3.}
TRUE = .5, 2.5


def image(side):
    """Return counts, (side, side, 256)."""
    rng = np.random.default_rng(0)
    shapes = np.array([np.convolve(np.exp(-T/tau), RESPONSE)[:N] for tau in TRUE])
    amplitudes = rng.uniform(.6, 1.4, (side, side, 2))*np.array([80, 22])
    return rng.poisson(amplitudes @ shapes).astype(np.uint16)


def means(v):
    """Return the means of a pixel and their derivatives, (256,) and (256, 4), by numpy.convolve."""
    a, tau, b, theta = v
    short, long = np.exp(-T/tau), np.exp(-T/theta)
    J = np.transpose([np.convolve(each, RESPONSE)[:N] for each in (short, a*T/tau**2*short, long, b*T/theta**2*long)])
    return a*J[:, 0] + b*J[:, 2], J


def likeliest(pixels, start, shared):
    """Return values and errors of pixels by SciPy: of each (4), or of all with shared times, (a, b of each, tau, theta)."""
    def of_each(v):
        own = np.column_stack([v[:-2].reshape(-1, 2), np.tile(v[-2:], (len(pixels), 1))])[:, [0, 2, 1, 3]]
        return [means(each) for each in own]

    def whole(v):
        if not shared:
            m, J = means(v)
            return m, J
        parts = of_each(v)
        J = np.zeros((len(parts), N, v.size))
        for k, (_, own) in enumerate(parts):
            J[k][:, [2*k, -2, 2*k + 1, -1]] = own
        return np.concatenate([m for m, _ in parts]), J.reshape(-1, v.size)
    y = np.ravel(pixels).astype(float)

    def cost(u):
        m = whole(u*start)[0]
        return np.inf if (m <= 0).any() else float(np.sum(m - y*np.log(m)))

    def gradient(u):
        m, J = whole(u*start)
        return J.T @ (1 - y/m)*start

    def curvature(u):
        m, J = whole(u*start)
        return J.T @ (J/m[:, None])*start[:, None]*start
    u = minimize(cost, np.ones(start.size), jac=gradient, hess=curvature, method="trust-exact", options={"gtol": 1e-9, "maxiter": 300}).x
    for _ in range(6):          # to the last digits
        u = u - np.linalg.solve(curvature(u), gradient(u))
    return u*start, np.sqrt(np.diagonal(np.linalg.inv(curvature(u))))*start


def compare_pixels(y, result, count=50):
    """Return the largest differences of some pixels from SciPy's fits: of values in errors, of errors by share; and SciPy's time."""
    places = np.random.default_rng(1).integers(0, len(y), (count, 2))
    values, errors, begun = 0., 0., time.process_time()
    for place in map(tuple, places):
        own = np.array([result.values[name][place] for name in NAMES])
        found, sigma = likeliest(y[place], np.array(list(START.values())), False)
        if found[1] > found[3]:         # the decays by turns
            found, sigma = found[[2, 3, 0, 1]], sigma[[2, 3, 0, 1]]
        own_errors = np.array([result.stderr[name][place] for name in NAMES])
        if own[1] > own[3]:
            own, own_errors = own[[2, 3, 0, 1]], own_errors[[2, 3, 0, 1]]
        values = max(values, np.abs((own - found)/sigma).max())
        errors = max(errors, np.abs(own_errors/sigma - 1).max())
    return values, errors, (time.process_time() - begun)/count


def compare_shared(pixels):
    """Return the same of pixels that share their times."""
    own = fit_shared(pixels)
    start = np.concatenate([np.tile([80., 20.], len(pixels)), [.4, 3.]])
    found, sigma = likeliest(pixels, start, True)
    ours = np.concatenate([np.column_stack([own.values["a"], own.values["b"]]).ravel(), [own.values["tau"], own.values["theta"]]])
    errors = np.concatenate([np.column_stack([own.stderr["a"], own.stderr["b"]]).ravel(), [own.stderr["tau"], own.stderr["theta"]]])
    return np.abs((ours - found)/sigma).max(), np.abs(errors/sigma - 1).max()


def fit_shared(pixels):
    """Fit pixels, (m, 256), with shared times."""
    return gslfit.fit_shared(FORMULA, pixels, t=T, shared=("tau", "theta"), **START, response=RESPONSE, loss="poisson", threads=1)


def main():
    """Print what each took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--side", type=int, default=256, help="pixels along each side")
    side = parser.parse_args().side
    y = image(side)
    begun = time.process_time()
    result = gslfit.fit_batch(FORMULA, y, t=T, **START, response=RESPONSE, loss="poisson", threads=1)
    own = time.process_time() - begun
    print(f"{side} x {side} pixels of {N} channels: {own:.2f} s, {own/side**2*1e6:.0f} us a pixel, {result.success.mean():.2%} successful")
    values, errors, scipy = compare_pixels(y, result)
    print(f"50 pixels beside SciPy and numpy.convolve: values differ by {values:.1e} errors, errors by {errors:.1e}; SciPy takes "
          f"{scipy*1e3:.0f} ms a pixel, {scipy/own*side**2:.0f} times as long")
    begun = time.process_time()
    shared = fit_shared(y.reshape(-1, N))
    took = time.process_time() - begun
    print(f"the same with shared times: {took:.2f} s, tau = {shared.values['tau']:.5f} +/- {shared.stderr['tau']:.5f}, "
          f"theta = {shared.values['theta']:.5f} +/- {shared.stderr['theta']:.5f}")
    values, errors = compare_shared(y.reshape(-1, N)[:50])
    print(f"50 pixels with shared times beside SciPy: values differ by {values:.1e} errors, errors by {errors:.1e}")


if __name__ == "__main__":
    main()
