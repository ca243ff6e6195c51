"""Fits that are resampled: a decay and a straight line, plain and with errors, bounds or a residual function."""
import numpy as np

import gslfit

X = np.linspace(0, 6, 40)
Y = 3*np.exp(-X/1.7) + .5 + .1*np.random.default_rng(3).standard_normal(X.size)
DECAY, START = "A*exp(-x/tau) + c", {"A": 2.0, "tau": 1.0, "c": 0.3}
NAMES = tuple(START)
ERRORS = .05 + .02*X
LINE = np.column_stack([np.ones_like(X), X])


def decay(**how):
    """Return a fit of a decay."""
    return gslfit.fit(DECAY, Y, x=X, **{**START, **how})


def line(**how):
    """Return a fit of a straight line."""
    return gslfit.fit("a + b*x", Y, x=X, a=0.0, b=0.0, **how)


def bounded():
    """Return parameters with bounds, an expression and a fixed one."""
    params = gslfit.Parameters()
    params.add("A", 2.0, min=0)
    params.add("tau", 1.0, min=.1, max=1.75)
    params.add("rate", expr="1/tau")
    params.add("c", .5, vary=False)
    return params


def residual(params, x, y, e):
    """Return (data - model)/error."""
    return (y - params["A"]*np.exp(-x/params["tau"]) - params["c"])/e


def untraced(params, x, y, e):
    """Return the same by way of bytes, which no tracer follows."""
    found = np.asarray(residual(params, x, y, e))
    return np.frombuffer(found.tobytes())


def called(x, A, tau, c):
    """Return a decay by a function that can't be compiled."""
    return A*np.exp(-x/tau) + c if float(A) == A else x


def parameters():
    """Return the decay's parameters, all of which vary."""
    params = gslfit.Parameters()
    for name, value in START.items():
        params.add(name, value)
    return params
