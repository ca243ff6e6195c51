"""Models and data whose profiles of chi-square have several branches, turn over, never end or fall apart."""
import numpy as np
from scipy.stats import chi2
from scipy.stats import f as f_distribution

import gslfit
from gslfit import Parameters


class Case:
    """A model, its data, its start, the box that brute force starts in, and which parameters are looked at."""

    def __init__(self, model, x, truth, noise, seed, box, names=None, known=False, bounds=None):
        self.model, self.x, self.truth, self.noise, self.known = model, np.asarray(x, float), truth, noise, known
        self.y = model(self.x, *truth.values()) + noise*np.random.default_rng(seed).normal(size=self.x.size)
        self.box, self.names, self.bounds = box, names or list(truth), bounds or {}

    def residual(self, v):
        """Of values in order, in units of the noise."""
        return (self.model(self.x, *v) - self.y)/self.noise

    def fit(self):
        """Return the fitted Minimizer."""
        params = Parameters()
        for name, value in self.truth.items():
            low, high = self.bounds.get(name, (None, None))
            params.add(name, value, min=low, max=high)
        return gslfit.minimize(lambda p: self.residual([p[name].value for name in self.truth]), params, scale_covar=not self.known)

    def level(self, chance, chi):
        """Chi-square at a limit."""
        if self.known:
            return chi + chi2.ppf(chance, 1)
        free = self.x.size - len(self.truth)
        return chi*(1 + f_distribution.ppf(chance, 1, free)/free)


def decay(x, a, s, b, t):
    return a*np.exp(-x/s) + b*np.exp(-x/t)


def line(x, c, w, h):
    return h/(1 + ((x - c)/w)**2)


LAGS = np.linspace(0, 6, 40)
AXIS = np.linspace(-5, 5, 50)
CASES = {
    "two decays, factor 3": Case(decay, LAGS, {"a": 3., "s": .7, "b": 2., "t": 2.1}, .05, 1, [(.1, 8), (.1, 9), (.1, 8), (.1, 9)]),
    "two decays, factor 1.8": Case(decay, LAGS, {"a": 3., "s": 1., "b": 2., "t": 1.8}, .02, 2, [(.1, 8), (.1, 9), (.1, 8), (.1, 9)],
                                   known=True),
    "decays of opposite sign": Case(decay, LAGS, {"a": 3., "s": 1., "b": -2.5, "t": 2.5}, .05, 3, [(-8, 8), (.1, 9), (-8, 8), (.1, 9)]),
    "two decays, shared amplitude": Case(lambda x, a, s, t: a*(np.exp(-x/s) + np.exp(-x/t)), LAGS, {"a": 2., "s": .8, "t": 1.6}, .08, 4,
                                         [(.5, 5), (.1, 9), (.1, 9)], known=True),
    "two close peaks of one width": Case(lambda x, a, c, b, d: a*np.exp(-(x - c)**2/2) + b*np.exp(-(x - d)**2/2), AXIS,
                                         {"a": 2., "c": -.6, "b": 1.5, "d": .7}, .1, 5, [(.1, 5), (-4, 4), (.1, 5), (-4, 4)]),
    "two close lines": Case(lambda x, c, d, h: line(x, c, 1., h) + line(x, d, 1., h), AXIS, {"c": -.5, "d": .5, "h": 1.}, .1, 6,
                            [(-3, 3), (-3, 3), (.2, 3)], known=True),
    "a square": Case(lambda x, c, b: c**2*x + b, np.linspace(0, 1, 15), {"c": .6, "b": 1.}, .17, 7, [(-2, 2), (-2, 4)]),
    "a cubic": Case(lambda x, c, b: (c**3 - 2*c)*x + b, np.linspace(0, 1, 25), {"c": 1., "b": .3}, .5, 8, [(-3, 3), (-2, 2)]),
    "a double well": Case(lambda x, c: np.where(x > 0, c**2 - 1, .5*(c - .8)), [-1., 1.], {"c": .9}, .3, 9, [(-3, 3)], known=True),
    "a sine, sparse": Case(lambda x, a, f, p: a*np.sin(f*x + p), np.array([0., 1.1, 2., 3.3, 4.1, 5.2, 6., 7.3]),
                           {"a": 1., "f": 1., "p": .4}, .5, 10, [(.1, 3), (.6, 1.6), (-3, 3)], ["f"], known=True),
    "a line of two": Case(lambda x, c, h: line(x, c, .6, h) + .9*line(x, 1.5, .6, 1.), AXIS, {"c": -.5, "h": .5}, .2, 11,
                          [(-4, 4), (.05, 2)], ["c"], known=True, bounds={"h": (0, None)}),
    "enzyme, far from saturated": Case(lambda x, v, k: v*x/(k + x), [.1, .2, .4, .6, .9, 1.2], {"v": 3., "k": 2.}, .06, 12,
                                       [(.5, 40), (.2, 40)], known=True),
    "growth without its end": Case(lambda x, h, r, m: h/(1 + np.exp(-r*(x - m))), np.linspace(0, 6, 14), {"h": 5., "r": 1., "m": 5.}, .08,
                                   13, [(1, 60), (.2, 3), (2, 12)]),
    "rise without its plateau": Case(lambda x, a, b: a*(1 - np.exp(-b*x)), np.linspace(.05, .8, 12), {"a": 2., "b": .8}, .04, 14,
                                     [(.3, 60), (.01, 6)]),
    "stretched decay": Case(lambda x, a, t, q: a*np.exp(-(x/t)**q), np.linspace(.05, 5, 30), {"a": 1., "t": 1., "q": .6}, .03, 15,
                            [(.4, 4), (.1, 5), (.2, 1.5)], known=True),
    "power with a constant": Case(lambda x, a, q, c: a*x**q + c, np.linspace(.2, 3, 25), {"a": 1., "q": 1.4, "c": .5}, .1, 16,
                                  [(.05, 6), (.2, 4), (-4, 3)]),
    "dose and response": Case(lambda x, h, k, n: h*x**n/(k**n + x**n), np.geomspace(.1, 10, 12), {"h": 1., "k": 1.5, "n": 1.6}, .07, 17,
                              [(.4, 6), (.2, 20), (.3, 9)]),
    "decay and constant": Case(lambda x, a, t, c: a*np.exp(-x/t) + c, np.linspace(0, 2.5, 20), {"a": 2., "t": 1.2, "c": .5}, .08, 18,
                               [(.3, 30), (.1, 30), (-30, 3)]),
    "width through zero": Case(lambda x, a, w: a*np.exp(-(x/w)**2/2), np.linspace(.5, 4, 12), {"a": 2., "w": .6}, .2, 19,
                               [(.1, 40), (-2, 2)], ["a"], known=True),
    "three decays, one known": Case(lambda x, a, s, b, t: decay(x, a, s, b, t) + np.exp(-x/4), LAGS, {"a": 3., "s": .5, "b": 2., "t": 1.2},
                                    .03, 20, [(.1, 8), (.1, 9), (.1, 8), (.1, 9)]),
}
CHANCE = .95
QUICK = {"a square", "a cubic", "a double well", "a sine, sparse", "a line of two", "enzyme, far from saturated", "two close lines"}
