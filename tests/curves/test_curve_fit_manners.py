"""`curve_fit` beside SciPy's: whatever xdata is goes to the function, and what is refused there is refused here."""
import functools
import math

import numpy as np
import pandas as pd
import pytest
from scipy import optimize

from gslfit import curve_fit
from gslfit.errors import InputError, NonFiniteError

X = np.linspace(0, 5, 40)
Y = 2*np.exp(-X/1.5)
V, U = np.mgrid[0:12, 0:14]
TRUE = [5, 6.2, 5.1, 2.0]
START = [4, 6, 6, 1.5]


def spot(points, a, u0, v0, s):
    """Return a spot, flat."""
    u, v = points
    return (a*np.exp(-((u - u0)**2 + (v - v0)**2)/(2*s*s))).ravel()


class Times:
    """An object that holds the points."""

    t = X


CASES = {
    "tuple of grids": (spot, (U, V), START), "stacked grids": (spot, np.array([U, V]), START),
    "rows": (spot, np.array([U.ravel(), V.ravel()]), START),
    "columns": (lambda c, *p: spot((c[:, 0], c[:, 1]), *p), np.c_[U.ravel(), V.ravel()], START),
    "dict": (lambda d, *p: spot((d["u"], d["v"]), *p), {"u": U, "v": V}, START),
    "frame": (lambda d, a, t: a*np.exp(-d["t"]/t), pd.DataFrame({"t": X}), None),
    "object": (lambda o, a, t: a*np.exp(-o.t/t), Times(), None),
    "None": (lambda nothing, a, t: a*np.exp(-X/t), None, None), "vectorize": (np.vectorize(lambda x, a, t: a*math.exp(-x/t)), X, [1, 1]),
    "fewer points of x": (lambda x, a, t: a*np.exp(-np.append(x, 5)/t), X[:-1], None),
    "partial": (functools.partial(lambda x, a, t, c: a*np.exp(-x/t) + c, c=0), {"x": X}["x"][None], None),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("sigma", [None, "each"])
def test_x_goes_to_the_function_as_it_is(case, sigma):
    """popt and pcov are SciPy's."""
    f, x, start = CASES[case]
    truth = spot((U, V), *TRUE) if start == START else Y
    y = truth + .01*np.random.default_rng(1).normal(size=truth.size)
    given = {} if sigma is None else {"sigma": np.linspace(.01, .02, y.size), "absolute_sigma": True}
    if case == "partial":
        f = functools.partial(lambda x, a, t, c: (a*np.exp(-x/t) + c).ravel(), c=0)
        theirs = optimize.curve_fit(lambda x, a, t: f(x, a, t), x, y, p0=[1, 1], **given)
    else:
        theirs = optimize.curve_fit(f, x, y, p0=start, **given)
    popt, pcov = curve_fit(f, x, y, p0=start, **given)
    np.testing.assert_allclose(popt, theirs[0], atol=1e-4*np.sqrt(np.diag(pcov)).max())
    np.testing.assert_allclose(pcov, theirs[1], rtol=1e-3, atol=1e-3*np.abs(pcov).max())


def test_points_of_whole_x_are_left_out():
    """A mask and NaN leave out points, of the data and of rows of x."""
    y, mask, columns = Y.copy(), np.zeros(40, bool), np.c_[X, X]
    y[3], mask[5], columns[7, 1] = np.nan, True, np.nan
    y[5] = 99

    def decay(c, a, t):
        return a*np.exp(-c[:, 0]/t)
    popt, _ = curve_fit(decay, columns, y, mask=mask, nan_policy="omit", sigma=np.ones(40))
    np.testing.assert_allclose(popt, [2, 1.5], rtol=1e-7)
    with pytest.raises(NonFiniteError, match="xdata has 1 values"):
        curve_fit(decay, columns, Y)


def test_one_number_stands_for_every_point():
    """As in SciPy, where it is broadcast against what the function returns."""
    popt, _ = curve_fit(lambda x, a: a*np.ones(3), X[:3], 3.0)
    np.testing.assert_allclose(popt, 3)


def test_derivatives_of_whole_x():
    """jac is given xdata as f is, and is asked at all points."""
    columns, mask = np.c_[X, X], np.arange(40) == 4

    def line(c, a, b):
        return np.array([float(a)*value + float(b) for value in c[:, 0]])
    popt, _ = curve_fit(line, columns, 2*X + 1, p0=[1, 1], mask=mask, jac=lambda c, a, b: np.c_[c[:, 0], np.ones(len(c))])
    np.testing.assert_allclose(popt, [2, 1], rtol=1e-9)


@pytest.mark.parametrize(("given", "message"), [
    ({"method": "nm"}, "method='nm' is not one of 'lm', 'trf', 'dogbox'"),
    ({"method": "lm", "bounds": (0, 3)}, "method='lm' only works for unconstrained problems"),
    ({"jac": "4-point"}, "jac='4-point' is not one of"),
    ({"p0": [9, 9], "bounds": (0, 3)}, "Initial guess is outside of provided bounds: p0 has a = 9.0"),
    ({"bounds": (5, 1)}, r"each lower bound must be strictly less than each upper bound: \[5.0, 5.0\] and \[1.0, 1.0\]"),
])
def test_what_scipy_refuses(given, message):
    """Numbers are plain ones, and names the caller's."""
    with pytest.raises(ValueError, match="."):
        optimize.curve_fit(lambda x, a, b: a*x + b, X, 2*X + 1, **({"method": "trf"} if "jac" in given else {}), **given)
    with pytest.raises(InputError, match=message):
        curve_fit(lambda x, a, b: a*x + b, X, 2*X + 1, **given)


def test_numbers_of_points_that_differ():
    """The message has what the function returned and how many data there are."""
    def f(x, a):
        return a*x
    with pytest.raises(InputError, match=r"f returned the shape \(39,\), and ydata has 40 points"):
        curve_fit(f, X[:-1], Y)
