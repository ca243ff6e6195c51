"""Functions that stored pickles name: they are looked up here when a pickle is read."""
import math

import numpy as np

X = np.linspace(0, 8, 41)
Y = np.round(3*np.exp(-X/2.2) + .4 + .05*np.cos(11*X), 6)


def half_life(tau):
    """Return a function of the user's own, for expressions."""
    return tau*math.log(2)


def decay(x, a, tau, c=0.0):
    """Return a decay, which compiles."""
    return a*np.exp(-x/tau) + c


def opaque(x, k, d):
    """Return a line, which doesn't compile."""
    return k*np.asarray(x, float) + d if float(k) == k else x


def residual(params, x=X, y=Y):
    """Return a decay less its data."""
    v = params.valuesdict()
    return v["a"]*np.exp(-x/v["tau"]) + v["c"] - y
