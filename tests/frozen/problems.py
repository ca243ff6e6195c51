"""Formulas with data, and the conditions that they are fitted under."""
from functools import cache
from typing import NamedTuple

import numpy as np

import gslfit

BIG = 1e200
TINY = 1e-200


class Form(NamedTuple):
    """A formula with true values, the range and number of its points, and the noise of its data."""

    text: str
    true: dict
    x: tuple
    noise: float


FORMS = {
    "peak": Form("y0 + A*exp(-(x - x0)**2/(2*var))", {"y0": 1.0, "A": 10.0, "x0": 0.4, "var": 1.3}, (-5, 5, 50), .3),
    "decay": Form("y0 + A*exp(-b*x)", {"y0": 0.6, "A": 5.0, "b": 0.7}, (0, 10, 60), .1),
    "sine": Form("c + A*sin(f*x + phi)", {"c": 0.5, "A": 2.0, "f": 1.7, "phi": 0.4}, (0, 9, 70), .2),
    "hill": Form("bottom + (top - bottom)/(1 + (half/x)**slope)", {"bottom": 0.2, "top": 6.0, "half": 3.0, "slope": 2.2}, (.2, 20, 40), .1),
    "two": Form("c + A1*exp(-(x - m1)**2/(2*s1**2)) + A2*exp(-(x - m2)**2/(2*s2**2))",
                {"c": 1.0, "A1": 6.0, "m1": -1.5, "s1": .7, "A2": 4.0, "m2": 1.8, "s2": 1.1}, (-5, 5, 80), .15),
    "kink": Form("c + where(x > b, a*(x - b), 0)", {"c": 1.0, "b": 3.3, "a": 2.0}, (0, 8, 45), .1),
    "voigt": Form("A*voigt((x - m)/s, g/s) + c", {"A": 8.0, "m": .2, "s": .8, "g": .5, "c": .3}, (-6, 6, 90), .05),
    "power": Form("a*x**b + c", {"a": 2.0, "b": 1.4, "c": -1.0}, (.5, 6, 30), .2),
    "line": Form("a + b*x", {"a": 1.0, "b": -0.5}, (0, 5, 20), .1),
    "erf": Form("A*erfc((x - m)/w) + c + d*x", {"A": 3.0, "m": 1.0, "w": .8, "c": .5, "d": .05}, (-4, 6, 64), .05),
}
MAIN = ("peak", "decay", "two")


def name_seed(name):
    """Return a seed of a name that is the same in every run."""
    return sum((k + 1)*ord(letter) for k, letter in enumerate(name))


@cache
def data(name, rows=1, seed=0, points=None, noise=1.0):
    """Points (n), curves (rows, n) and starts by name (rows) of a form.

    Curves are rounded to 9 decimals, so that they are the same whatever the machine's exponential function.
    """
    form = FORMS[name]
    rng = np.random.default_rng([name_seed(name), seed, rows])
    low, high, count = form.x
    x = np.linspace(low, high, points or count)
    true = {key: value*(1 + .1*rng.uniform(-1, 1, (rows, 1))) for key, value in form.true.items()}
    clean = np.broadcast_to(gslfit.Formula(form.text)(x=x[None], **true), (rows, x.size))
    y = np.round(clean + noise*form.noise*rng.standard_normal((rows, x.size)), 9)
    start = {key: np.round((value*(1 + .15*rng.uniform(-1, 1, (rows, 1))))[:, 0], 9) for key, value in true.items()}
    return x, y, start


def parameters(name, start, **changes):
    """Parameters of a form with start values; `changes` by name are dicts of Parameter's inputs."""
    params = gslfit.Parameters()
    for key in FORMS[name].true:
        params.add(key, float(start[key]))
    for key, change in changes.items():
        if key in params:
            params[key].set(**change)
        else:
            params.add(key, **change)
    return params


def first(name):
    """Return the parameter of a form that is bounded, fixed or tied in conditions, and the one after it."""
    names = list(FORMS[name].true)
    return names[1], names[2 % len(names)], names[0]


def bounded(name, start):
    """Parameter sets by condition: what bounds, expressions and fixed values may do."""
    one, two, other = first(name)
    true = FORMS[name].true
    a, b = true[one], true[two]
    wide, room = 3*abs(a) + 1, .02*abs(a)
    yield "box", {one: {"min": a - wide, "max": a + wide}, two: {"min": b - 3*abs(b) - 1, "max": b + 3*abs(b) + 1}}
    yield "below", {one: {"min": a - wide}}
    yield "above", {one: {"max": a + wide}}
    yield "beyond-low", {one: {"min": a + .3*abs(a), "value": a + .5*abs(a)}}
    yield "beyond-high", {one: {"max": a - .3*abs(a), "value": a - .5*abs(a)}}
    yield "beyond-box", {one: {"min": a + .3*abs(a), "max": a + .3*abs(a) + room, "value": a + .3*abs(a) + room/3}}
    yield "narrow", {one: {"min": a - room, "max": a + room, "value": a}}
    yield "on-low", {one: {"min": a - .2*abs(a), "max": a + wide, "value": a - .2*abs(a)}}
    yield "on-high", {one: {"max": a + .2*abs(a), "value": a + .2*abs(a)}}
    yield "outside", {one: {"min": a - .1*abs(a), "max": a + .1*abs(a), "value": a}, two: {"vary": False}}
    yield "fixed", {one: {"vary": False, "value": a}}
    yield "all-but-one", {key: {"vary": False} for key in true if key != one}
    if len(true) > 2:
        yield "tied", {two: {"expr": f"{b/a!r}*{one}"}}
        yield "tied-both", {two: {"expr": f"{b/a!r}*{one} + 0*{other}", "min": -1e3, "max": 1e3}, one: {"min": a - wide}}
        yield "derived", {"extra": {"expr": f"{one}*{two} + sqrt(abs({other}))"}}
        yield "clipped", {"extra": {"expr": f"{one}*2", "max": 2*a - 2*room}}
    yield "stuck", {one: {"min": a - room, "max": a + room, "value": a, "vary": False}, two: {"min": b - .5*abs(b)}}


def manners(name, x, y, start):
    """Keywords of a call by condition: weights, points left out, scales, limits, poor starts. `y` is (..., n)."""
    rng = np.random.default_rng([7, name_seed(name)])
    n = x.size
    sigma = np.round(FORMS[name].noise*rng.uniform(.5, 2, n), 6)
    hole = y.copy()
    hole[..., 3] = np.nan
    hole[..., n - 2] = np.inf
    some = np.where(np.arange(n) % 5 == 2, 0.0, 1/sigma)
    true = FORMS[name].true
    count = len(true)
    yield "plain", y, {}
    yield "yerr", y, {"yerr": sigma}
    yield "yerr-number", y, {"yerr": .25}
    yield "weights", y, {"weights": np.round(1/sigma, 6)}
    yield "weights-zero", y, {"weights": some}
    yield "unscaled", y, {"yerr": sigma, "scale_covar": False}
    yield "nan", hole, {}
    yield "nan-omit", hole, {"nan_policy": "omit"}
    yield "nan-omit-weights", hole, {"nan_policy": "omit", "weights": np.round(1/sigma, 6)}
    yield "nan-raise", hole, {"nan_policy": "raise"}
    yield "float32", y.astype(np.float32), {}
    yield "big-endian", y.astype(">f8"), {}
    yield "integers", np.rint(10*y).astype(np.int16), {}
    yield "limit-3", y, {"max_nfev": 3}
    yield "limit-9", y, {"max_nfev": 9}
    yield "tight", y, {"xtol": 1e-13, "ftol": 1e-13, "gtol": 1e-13}
    yield "coarse", y, {"xtol": 1e-3, "ftol": 1e-3, "gtol": 1e-3}
    yield "far", y, {"start": {key: 3*value + 1 for key, value in start.items()}}
    yield "farther", y, {"start": {key: -5*value + .1 for key, value in start.items()}}
    yield "nothing", y, {"start": {key: 0*value for key, value in start.items()}}
    yield "zeros", 0*y, {}
    yield "same", 0*y + 2.5, {}
    yield "strided", np.repeat(y, 2, axis=-1)[..., ::2], {}
    yield "as-many", y[..., :n:(n//count)][..., :count], {"thin": slice(None, n, n//count), "few": count}
    yield "one-more", y[..., :n:(n//(count + 1))][..., :count + 1], {"thin": slice(None, n, n//(count + 1)), "few": count + 1}
    yield "too-few", y[..., :count - 1], {"thin": slice(None), "few": count - 1}


def exact(name, rows=1):
    """Curves without noise, and with values that are not rounded."""
    x, _, start = data(name, rows)
    form = FORMS[name]
    return x, np.broadcast_to(gslfit.Formula(form.text)(x=x, **form.true), (rows, x.size)), start
