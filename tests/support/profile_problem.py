"""A model with data and bounds, and its profile of chi-square by SciPy: nothing of gslfit is in the oracle."""
import numpy as np
from scipy.optimize import brentq, least_squares
from scipy.stats import f as f_distribution

import gslfit
from gslfit import Parameters

X = np.linspace(.2, 5, 40)
INF = np.inf


class Problem:
    """A model with data, and bounds; chi-square's profile by SciPy.

    Parameters
    ----------
    model : callable
        ``model(x, *values)``.
    truth : dict of str to float
    bounds : dict of str to (float, float)
    noise : float
    seed : int
    """

    def __init__(self, model, truth, bounds=None, noise=.05, seed=2):
        self.model, self.names, self.seen, self.known = model, list(truth), [], None
        self.low, self.high = np.array([(bounds or {}).get(name, (-INF, INF)) for name in truth], float).T
        self.truth = np.array([*truth.values()], float)
        self.y = model(X, *self.truth) + noise*np.random.default_rng(seed).normal(size=X.size)

    def __call__(self, params):
        values = [float(params[name].value) for name in self.names]
        self.seen.append(values)
        return self.model(X, *values) - self.y

    def fit(self, start=None):
        """Return the fitted Minimizer."""
        params = Parameters()
        for name, value, low, high in zip(self.names, self.truth if start is None else start, self.low, self.high, strict=True):
            inner = min(max(value, low + .02*min(high - low, 1.)), high - .02*min(high - low, 1.))
            params.add(name, float(inner), True, low, high)
        mini = gslfit.minimize(self, params)
        assert mini.success
        return mini

    def refit(self, held, near):
        """Chi-square and parameters with some held: ``held`` maps places to values."""
        free = [k for k in range(self.truth.size) if k not in held]

        def put(u):
            v = np.array(near, float)
            v[free] = u
            for k, value in held.items():
                v[k] = value
            return v

        if not free:
            v = put([])
            return float(np.sum((self.model(X, *v) - self.y)**2)), v
        low, high = self.low[free], self.high[free]
        start = np.array(near, float)[free]
        room = 1e-9*np.where(np.isfinite(high - low), high - low, 1.)
        start = np.clip(start, low + room, high - room)
        found = least_squares(lambda u: self.model(X, *put(u)) - self.y, start, bounds=(low, high), xtol=1e-14, ftol=1e-14, gtol=1e-14,
                              method="dogbox", x_scale=np.maximum(np.abs(start), 1e-2), jac="3-point")
        return 2*found.cost, put(found.x)

    def best(self):
        """Return the minimum, which is found once for the same data."""
        if self.known is None or self.known[0] is not self.y:
            self.known = self.y, self.refit({}, np.clip(self.truth, self.low, self.high))
        return self.known[1]

    def level(self, chance, nfix=1):
        """Return the chi-square of a probability."""
        n, p = X.size, self.truth.size
        return self.best()[0]*(1 + nfix*f_distribution.ppf(chance, nfix, n - p)/(n - p))

    def limit(self, k, side, chance):
        """Where the profile of parameter k crosses the level on a side; infinite where it doesn't before the bound."""
        chi, near = self.best()
        level, value = self.level(chance), float(near[k])
        best = value
        bound = float((self.low if side < 0 else self.high)[k])
        step = side*.02*max(abs(value), .1)
        for _ in range(200):
            there = value + step
            if (there - bound)*side >= 0:
                there = bound
            chi, at = self.refit({k: there}, near)
            if chi >= level:
                return brentq(lambda v, near=near: self.refit({k: v}, near)[0] - level, value, there, xtol=1e-6*abs(there - best))
            if there == bound:
                return side*INF
            value, near, step = there, at, 1.25*step
        return side*INF


def line(x, a, b):
    """Return a straight line."""
    return a + b*x


def decay(x, c, A, t):
    """Return a decay to an offset."""
    return c + A*np.exp(-x/t)


HELD = {     # the bound on which another parameter is, at the minimum or on the way to a limit
    "c on its upper bound": {"c": (-INF, .42)}, "c on its lower bound": {"c": (.58, INF)},
    "c between two, on the upper": {"c": (-2., .42)}, "c between two, on the lower": {"c": (.58, 3.)},
    "A on its upper bound": {"A": (-INF, 2.9)}, "A on its lower bound": {"A": (3.1, INF)},
    "t on its upper bound": {"t": (.1, 1.1)}, "t on its lower bound": {"t": (1.3, 9.)},
    "c meets its upper bound": {"c": (-INF, .53)}, "c meets its lower bound": {"c": (.46, INF)},
    "t meets its upper bound": {"t": (-INF, 1.26)}, "t meets its lower bound": {"t": (1.12, INF)},
    "A meets its upper bound": {"A": (0., 3.06)}, "A meets its lower bound": {"A": (2.94, 9.)},
}
