"""What SciPy's users rely on in `curve_fit`: forty-six behaviours, each judged beside SciPy's own function or by algebra."""
import functools
import itertools
import math
import subprocess
import sys
import warnings

import numpy as np
import pytest
from scipy import optimize

from gslfit import curve_fit
from gslfit.errors import CovarianceWarning, FitWarning

METHODS = ("lm", "trf", "dogbox")
T = np.linspace(0, 3, 25)


def decay(t, a, k):
    """Return a decay."""
    return a*np.exp(-k*t)


def slopes(t, a, k):
    """Return its derivatives."""
    return np.column_stack([np.exp(-k*t), -a*t*np.exp(-k*t)])


def line(x, m, c):
    """Return a line."""
    return m*x + c


def noisy(truth, size, seed=5):
    """Return data with noise."""
    return truth + size*np.random.default_rng(seed).normal(size=np.shape(truth))


def beside(f, x, y, rtol=1e-4, **given):
    """Compare popt and pcov with SciPy's, within `rtol` of errors: its derivatives are differences."""
    popt, pcov = curve_fit(f, x, y, **given)
    theirs = optimize.curve_fit(f, x, y, **given)
    error = np.sqrt(np.diag(theirs[1]))
    np.testing.assert_array_less(np.abs(popt - theirs[0]), 1e-3*error + 1e-12)
    np.testing.assert_allclose(pcov, theirs[1], rtol=rtol, atol=rtol*np.abs(theirs[1]).max())
    return popt, pcov


def test_one_parameter():
    """A power of x, checks of NaN on and off."""
    x = np.array([.5, 1., 2., 4.])
    for finite in (True, False):
        popt, pcov = beside(lambda x, n: x**n, x, np.array([.3, 1.1, 3.8, 17]), check_finite=finite)
        assert popt.shape == (1,)
        assert pcov.shape == (1, 1)


def test_two_parameters():
    """A product of powers."""
    beside(lambda x, n, a: a*x**n, np.array([.5, 1., 2., 4.]), np.array([.3, 1.1, 3.8, 17]))


def test_methods_of_objects():
    """`self` is no parameter."""
    class Sample:
        base = .2

        def curve(self, t, a, k):
            return decay(t, a, k) + self.base

    popt, pcov = beside(Sample().curve, T, noisy(decay(T, 2, 1) + .2, .01))
    assert pcov.shape == (2, 2)
    np.testing.assert_allclose(popt, [2, 1], atol=.03)


def test_two_peaks_that_overlap():
    """Peaks as narrow as the points are apart, far from 0 where steps of differences matter."""
    x = 312 + np.arange(11)*.02

    def peaks(x, u, v, a, b, s, c):
        return a*np.exp(-(x - u)**2/(2*s*s)) + b*np.exp(-(x - v)**2/(2*s*s)) + c

    truth = [312.06, 312.13, 1500, 1100, .02, 700]
    popt, _ = curve_fit(peaks, x.tolist(), peaks(x, *truth).tolist(), [312.07, 312.14, 1200, 1200, .01, 800], maxfev=10000)
    np.testing.assert_allclose(popt, truth, rtol=1e-7)


def test_errors_of_a_weighted_line():
    """The normal equations say what the errors are: relative sigmas are scaled, absolute ones aren't."""
    x, sigma = np.arange(7.), np.array([1, 3, 1, 2, 1, 3, 2.])
    y = noisy(line(x, 2, -1), 1.)
    A = np.column_stack([x, np.ones(7)])/sigma[:, None]
    covar = np.linalg.inv(A.T @ A)
    rest = y/sigma - A @ (covar @ A.T @ (y/sigma))
    for method in METHODS:
        for scale in (1, 5):
            _, relative = curve_fit(line, x, y, [1, 0], scale*sigma, method=method)
            np.testing.assert_allclose(relative, covar*(rest @ rest)/5, rtol=1e-9)
            _, absolute = curve_fit(line, x, y, [1, 0], scale*sigma, absolute_sigma=True, method=method)
            np.testing.assert_allclose(absolute, covar*scale**2, rtol=1e-9)


IDLE = {
    "unnamed": lambda t, a, k, u: a*np.exp(-k*t),
    "times 0": lambda t, a, k, u: a*np.exp(-k*t) + 0*u,
    "called": lambda t, a, k, u: np.array([a*math.exp(-k*each) for each in t]),
    "first": lambda t, u, a, k: a*np.exp(-k*t),
    "alone": lambda t, u: 2*np.exp(-t),
    "text": "a*exp(-k*x) + 0*u",
}


@pytest.mark.parametrize("f", IDLE)
@pytest.mark.parametrize("given", [{}, {"p0": [2.5, 0.9, 7.0]}, {"bounds": (0, 10)}, {"sigma": np.full(T.size, .1), "absolute_sigma": True},
                                   {"sigma": np.eye(T.size)}, {"method": "lm"}, {"full_output": True}, {"mask": T > 2}],
                         ids=lambda given: next(iter(given), "plain"))
def test_parameters_without_effect(f, given):
    """They keep SciPy's start, as there; the others are fitted, the whole of pcov is infinite, and a warning names the parameter."""
    y, theirs = noisy(decay(T, 2, 1), .01), {name: each for name, each in given.items() if name != "mask"}
    if f == "alone" and "p0" in given:
        given, theirs = {"p0": [7.0]}, {"p0": [7.0]}
    keep = ~given["mask"] if "mask" in given else np.full(T.size, True)
    with pytest.warns(optimize.OptimizeWarning, match=r"Covariance of the parameters could not be estimated: .*\bu\b") as caught:
        popt, pcov, *more = curve_fit(IDLE[f], T, y, **given)
    assert issubclass(caught[0].category, FitWarning)
    function = IDLE[f] if callable(IDLE[f]) else lambda t, a, k, u: decay(t, a, k)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        best = optimize.curve_fit(function, T[keep], y[keep], **theirs)[0]
    np.testing.assert_allclose(popt, best, rtol=1e-5)
    assert np.isinf(pcov).all() and pcov.shape == (best.size,)*2
    if more:
        assert more[2] in (1, 2, 3, 4)
        np.testing.assert_allclose(more[0]["fvec"], function(T, *popt) - y, atol=1e-12)


@pytest.mark.parametrize("case", ["a parameter without effect", "as many points as parameters"])
def test_no_covariance(case):
    """The whole of pcov is infinite, and the warning is SciPy's, gslfit's, and has the words that filters look for."""
    x, y = np.arange(5.), noisy(2*np.arange(5.), .1)
    f, n = (lambda x, a, b: a*x, 5) if case == "a parameter without effect" else (line, 2)
    with pytest.warns(optimize.OptimizeWarning, match="Covariance of the parameters could not be estimated") as caught:
        _, pcov = curve_fit(f, x[:n], y[:n], [2, 0])
    assert pcov.shape == (2, 2)
    assert np.isposinf(pcov).all()
    assert caught[0].category is CovarianceWarning
    assert issubclass(CovarianceWarning, FitWarning)


def test_warning_made_on_use():
    """`import gslfit.errors` brings no SciPy in."""
    code = "import sys, gslfit.errors; assert 'scipy' not in sys.modules; gslfit.errors.CovarianceWarning; assert 'scipy' in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_lists():
    """Sequences of integers are data."""
    np.testing.assert_allclose(curve_fit(line, [1, 2, 4], [1, 3, 7])[0], [2, -1], atol=1e-9)


def test_nan_is_refused():
    """In x, in y, whether asked to look or not; ValueError."""
    bad, good = [0, math.nan, 2, 3], [1, 2, 4, 5]
    for x, y in ((bad, good), (good, bad)):
        for given in ({}, {"check_finite": True}, {"nan_policy": "raise"}):
            with pytest.raises(ValueError, match="NaNs|contains nan"):
                curve_fit(line, x, y, **given)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("shape", ["(n,)", "(2, n)", "(1, 2, n)"])
def test_policies_about_nan(method, shape):
    """What is omitted leaves the fit of the rest; other policies are refused in SciPy's words."""
    rng = np.random.default_rng(3)
    x = rng.normal(size={"(n,)": 9, "(2, n)": (2, 9), "(1, 2, n)": (1, 2, 9)}[shape])
    y = rng.normal(size=9)
    x[..., 4], y[7] = math.nan, math.nan
    if x.ndim > 1:
        x[..., 0, 2] = math.nan

    def f(x, a, b):
        return a*x + b if x.ndim == 1 else (a*x[..., 0, :] + b + x[..., 1, :]).ravel()

    left = ~(np.isnan(x).reshape(-1, 9).any(0) | np.isnan(y))
    popt, _ = curve_fit(f, x, y, method=method, nan_policy="omit", check_finite=False)
    np.testing.assert_allclose(popt, optimize.curve_fit(f, x[..., left], y[left])[0], rtol=1e-6)
    for policy, words in (("raise", "The input contains nan"), ("propagate", "is not supported by this function"),
                          ("leave", "nan_policy must be one of {None, 'raise', 'omit'}")):
        with pytest.raises(ValueError, match=words):
            curve_fit(f, x, y, method=method, nan_policy=policy, check_finite=False)


@pytest.mark.parametrize("given", [{}, {"bounds": (0, 3)}])
def test_nothing_to_fit(given):
    """Empty data are a ValueError, with bounds and without."""
    for x in ([], [1.]):
        with pytest.raises(ValueError, match="ydata is empty"):
            curve_fit(lambda x, a: a*x, x, [], **given)


def test_function_without_parameters():
    """A ValueError that says so."""
    with pytest.raises(ValueError, match="unable to determine the number of fit parameters"):
        curve_fit(lambda x: x, [1, 2, 3], [1, 2, 3])


def test_x_may_be_none():
    """The function has the points itself."""
    popt, _ = curve_fit(lambda nothing, a: a*T, None, 3*T)
    np.testing.assert_allclose(popt, [3])


def test_names_of_methods():
    """All of SciPy's, and no other."""
    for method in (*METHODS, None):
        np.testing.assert_allclose(curve_fit(decay, T, decay(T, 1.5, .7), method=method)[0], [1.5, .7])
    with pytest.raises(ValueError, match="method='simplex' is not one of"):
        curve_fit(decay, T, T, method="simplex")


@pytest.mark.parametrize("method", [*METHODS, None])
@pytest.mark.parametrize("kind", ["traced", "called", "with jac", "omitted points"])
def test_full_output(method, kind):
    """What MINPACK says: fvec, and a QR decomposition with pivots from which scripts make the covariance and the gradient."""
    y, sigma = noisy(decay(T, 2, 1), .02), np.linspace(.01, .03, T.size)
    f = decay if kind != "called" else lambda t, a, k: np.array([a*math.exp(-k*each) for each in t])
    given = {"jac": slopes} if kind == "with jac" else {}
    if kind == "omitted points":
        y, sigma, given = np.append(y, np.nan), np.append(sigma, 1.), {"nan_policy": "omit"}
    x = np.append(T, 9.)[:y.size]
    popt, pcov, info, message, ier = curve_fit(f, x, y, [1, 1], sigma, True, method=method, full_output=True, **given)
    fvec = (decay(T, *popt) - y[:T.size])/sigma[:T.size]
    np.testing.assert_allclose(info["fvec"], fvec, atol=1e-9)
    assert isinstance(message, str)
    assert ier in (1, 2, 3, 4)
    assert info["nfev"] > 0
    assert ("fjac" in info) == (method in ("lm", None))
    if "fjac" in info:
        R = np.triu(info["fjac"].T[:2])
        whole = R @ np.eye(2)[info["ipvt"]]
        np.testing.assert_allclose(np.linalg.inv(whole.T @ whole), pcov, rtol=1e-5)
        J = slopes(T, *popt)/sigma[:T.size, None]
        np.testing.assert_allclose(R.T @ info["qtf"], (J.T @ fvec)[info["ipvt"]], atol=1e-6*np.abs(J).sum())
        assert info["fjac"].shape == (2, T.size)


def test_bounds():
    """As a pair and as SciPy's Bounds; at a bound that row of pcov is infinite, and the rest is as with it held."""
    y = noisy(decay(T, 2, 1), .02)
    low, high = [0, 0], [1.6, 4]
    for method in (None, "trf", "dogbox"):
        with pytest.warns(CovarianceWarning, match="Covariance of a could not"):
            popt, pcov = curve_fit(decay, T, y, bounds=(low, high), method=method)
        with pytest.warns(CovarianceWarning, match="Covariance of a could not"):
            again, _ = curve_fit(decay, T, y, bounds=optimize.Bounds(low, high), method=method)
        np.testing.assert_array_equal(popt, again)
        assert popt[0] == 1.6
        alone, held = optimize.curve_fit(lambda t, k: 1.6*np.exp(-k*t), T, y)
        np.testing.assert_allclose(popt[1], alone[0], rtol=1e-5)
        np.testing.assert_allclose(pcov[1, 1], held[0, 0]*(T.size - 1)/(T.size - 2), rtol=1e-4)
        assert np.isinf([pcov[0, 0], pcov[0, 1], pcov[1, 0]]).all()
    with pytest.raises(ValueError, match="only works for unconstrained problems"):
        curve_fit(decay, T, y, bounds=(low, high), method="lm")


def test_start_where_none_is_given():
    """It is feasible, whatever the bounds."""
    for bounds in (([0, 0], [.4, np.inf]), ([-np.inf, 2], [np.inf, 3]), ([5, -2], [7, -1])):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CovarianceWarning)
            popt, _ = curve_fit(decay, T, decay(T, 2, 1), bounds=bounds)
        assert (np.array(bounds[0]) <= popt).all()
        assert (popt <= np.array(bounds[1])).all()


def test_start_is_not_ignored():
    """A sine has a minimum each period: the one beside the start is found, with bounds and without."""
    x = np.linspace(-6, 6, 50)
    for given in ({}, *({"bounds": (-9, 9), "method": method} for method in ("trf", "dogbox"))):
        popt, _ = curve_fit(lambda x, a: np.sin(x + a), x, np.sin(x), 6.5, **given)
        np.testing.assert_allclose(popt, 2*np.pi)


@pytest.mark.parametrize("method", METHODS)
def test_derivatives_of_the_caller(method):
    """Called, or by one of SciPy's differences; weighted as the residual is."""
    y = decay(T, 2, 1)
    if method != "lm":
        for scheme in ("2-point", "3-point", "cs"):
            np.testing.assert_allclose(curve_fit(decay, T, y, jac=scheme, method=method)[0], [2, 1])
    np.testing.assert_allclose(curve_fit(decay, T, y, jac=slopes, method=method)[0], [2, 1])
    y[4], sigma = 80, np.where(np.arange(T.size) == 4, 1e6, 1.)
    np.testing.assert_allclose(curve_fit(decay, T, y, sigma=sigma, jac=slopes, method=method)[0], [2, 1], rtol=1e-6)


def test_limits_of_evaluations():
    """By MINPACK's name or the other; reached, it is a RuntimeError; 0 of MINPACK's is no limit."""
    for name in ("maxfev", "max_nfev"):
        np.testing.assert_allclose(curve_fit(lambda x, p: p*x, T, 2*T, bounds=(0, 3), **{name: 100})[0], 2)
        with pytest.raises(RuntimeError, match="Optimal parameters not found"):
            curve_fit(decay, T, noisy(decay(T, 2, 1), .1), [9, 9], **{name: 2})
        with pytest.raises(ValueError, match=f"{name} is -3"):
            curve_fit(decay, T, T, **{name: -3})
    np.testing.assert_allclose(curve_fit(decay, T, decay(T, 2, 1), maxfev=0)[0], [2, 1])
    with pytest.raises(ValueError, match="max_nfev is 0"):
        curve_fit(decay, T, T, max_nfev=0)
    with pytest.raises(TypeError, match="given twice"):
        curve_fit(decay, T, T, maxfev=9, max_nfev=9)


@pytest.mark.parametrize("ndim", [0, 1, 2])
def test_sigma_of_omitted_points(ndim):
    """It leaves with them: a covariance loses rows and columns."""
    rng = np.random.default_rng(8)
    x = np.linspace(1, 6, 30)
    half = rng.normal(size=(30, 30))
    sigma = (.1, .02*x, half @ half.T + np.eye(30))[ndim]
    y = decay(x, 2, .3) + rng.normal(size=30)*.05
    x[[3, 11]], y[[11, 20]] = np.nan, np.nan
    left = ~(np.isnan(x) | np.isnan(y))
    some = sigma if ndim == 0 else sigma[left] if ndim == 1 else sigma[np.ix_(left, left)]
    popt, pcov = curve_fit(decay, x, y, [1, .1], sigma, nan_policy="omit")
    want = curve_fit(decay, x[left], y[left], [1, .1], some)
    np.testing.assert_allclose(popt, want[0], rtol=1e-10)
    np.testing.assert_allclose(pcov, want[1], rtol=1e-10)


def test_covariance_that_is_diagonal():
    """It is the sigmas' squares, with derivatives of the caller's and without."""
    y, sigma = noisy(decay(T, 2, 1), .1), np.linspace(.05, .2, T.size)
    for jac in (None, slopes):
        for absolute in (False, True):
            one = curve_fit(decay, T, y, None, sigma, absolute, jac=jac)
            two = curve_fit(decay, T, y, None, np.diag(sigma**2), absolute, jac=jac)
            for a, b in zip(one, two, strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-9)


def test_covariance_of_rotated_data():
    """A fit doesn't depend on the frame that data and their covariance are seen in."""
    y, sigma = noisy(decay(T, 2, 1), .1), np.linspace(.05, .2, T.size)
    Q, _ = np.linalg.qr(np.random.default_rng(2).normal(size=(T.size, T.size)))
    turned = Q @ np.diag(sigma**2) @ Q.T
    for jac in (None, lambda t, a, k: Q @ slopes(t, a, k)):
        for absolute in (False, True):
            one = curve_fit(decay, T, y, [1, 1], sigma, absolute)
            two = curve_fit(lambda t, a, k: Q @ decay(t, a, k), T, Q @ y, [1, 1], (turned + turned.T)/2, absolute, jac=jac)
            for a, b in zip(one, two, strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-5 if jac is None else 1e-8, atol=1e-9)     # differences, or derivatives


@pytest.mark.parametrize("absolute", [False, True])
def test_one_sigma_for_all(absolute):
    """A number is as many equal numbers."""
    y = noisy(T, .1)
    one, all_of_them = (curve_fit(line, T, y, None, sigma, absolute)[1] for sigma in (3, np.full(T.size, 3.)))
    np.testing.assert_array_equal(one, all_of_them)


def test_single_precision():
    """Data of float32 and float64 in any pair are fitted in double precision."""
    y = noisy(line(T, 1.5, 3), .3)
    want = curve_fit(line, T, y)[0]
    for x_type in (np.float32, np.float64):
        for y_type in (np.float32, np.float64):
            with warnings.catch_warnings():
                warnings.simplefilter("error", optimize.OptimizeWarning)
                popt, pcov = curve_fit(line, T.astype(x_type), y.astype(y_type))
            np.testing.assert_allclose(popt, want, rtol=1e-5)
            assert np.isfinite(pcov).all()


def test_single_precision_with_bounds():
    """A branch of a hyperbola from integers and from float32."""
    def branch(x, s, u, v, c):
        return v + s*np.sqrt((x - u)**2 + c*c)

    x, bounds = np.array([-20, -9, -4, 0, 2, 5, 11, 24]), ([0, -5, -9, 0], [4, 5, 9, 9])
    double, _ = curve_fit(branch, x, branch(x, 1.2, .5, -2, 3), [1, 0, 0, 1], bounds=bounds)
    single = x.astype(np.float32)
    np.testing.assert_allclose(curve_fit(branch, single, branch(single, 1.2, .5, -2, 3), [1, 0, 0, 1], bounds=bounds)[0], double, atol=2e-5)
    np.testing.assert_allclose(double, [1.2, .5, -2, 3], rtol=1e-7)


def test_one_datum_for_all_points():
    """A residual that the function returns itself, against a single 0."""
    target = noisy(4*T*T - T, .5)
    for method in METHODS:
        one, all_of_them = (curve_fit(lambda x, a, b: a*x*x + b*x - target, T, y, method=method) for y in (0, np.zeros(T.size)))
        np.testing.assert_allclose(one[0], all_of_them[0], rtol=1e-9)
        np.testing.assert_allclose(one[1], all_of_them[1], rtol=1e-9)


def test_args_are_refused():
    """What the function needs beyond parameters isn't handed on: a ValueError that says how."""
    with pytest.raises(ValueError, match="'args' is not a supported keyword argument"):
        curve_fit(line, T, T, args=(1,))


def test_more_parameters_than_points():
    """A TypeError that counts both."""
    with pytest.raises(TypeError, match="The number of func parameters=5 must not exceed the number of data points=4"):
        curve_fit(lambda x, a, b, c, d, e: a*np.exp(-b*x) + c + d + e, [1, 2, 3, 4], [5, 9, 13, 17])


def test_covariance_is_one():
    """Symmetric, and without negative eigenvalues, of a model that hardly tells its parameters apart."""
    def logs(x, a, b, c, d, e):
        return a*np.log(x + 1 + b) + c*np.log(x + 1 + d) + e

    x = np.arange(80.)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        _, pcov = curve_fit(logs, x, noisy(3*np.log(x + 4) + np.log(x + 1.5), .3), [1, 2, 1, 1, 1], maxfev=100000)
    np.testing.assert_allclose(pcov, pcov.T, rtol=1e-12)
    assert (np.diag(pcov) > 0).all()
    if np.isfinite(pcov).all():
        spread = np.sqrt(np.diag(pcov))
        assert np.linalg.eigvalsh(pcov/spread/spread[:, None]).min() > -1e-9


def test_covariance_of_exact_derivatives():
    """That of a decay on a base, from its derivatives at the minimum."""
    y = noisy(decay(T, 2.5, 1.3) + .5, .2)
    popt, pcov = beside(lambda t, a, k, c: a*np.exp(-k*t) + c, T, y, rtol=1e-5)
    J = np.column_stack([slopes(T, *popt[:2]), np.ones(T.size)])
    rest = y - decay(T, *popt[:2]) - popt[2]
    np.testing.assert_allclose(pcov, np.linalg.inv(J.T @ J)*(rest @ rest)/(T.size - 3), rtol=1e-7)


def test_no_point_is_asked_twice_in_a_row():
    """Neither the function nor its derivatives, of a fit that calls them."""
    seen = {"f": [], "jac": []}

    def untraced(x, *p):
        seen["f"].append(p)
        return np.array([p[0]*float(each) + p[1] for each in x])

    def jac(x, *p):
        seen["jac"].append(p)
        return np.column_stack([x, np.ones(x.size)])

    curve_fit(untraced, T, noisy(line(T, 2, 1), .5), [1., 5.], jac=jac)
    for calls in seen.values():
        assert calls
        assert all(one != other for one, other in itertools.pairwise(calls))


@pytest.mark.parametrize("method", ["trf", "dogbox"])
def test_start_beyond_bounds(method):
    """A ValueError that says p0, which is what the caller wrote."""
    with pytest.raises(ValueError, match="Initial guess is outside of provided bounds: p0 has a = 1.0"):
        curve_fit(lambda x, a: x**a, T, T, [1], bounds=(1000, 1001), method=method)


# -- functions of all kinds

def keyword_only(t, a, k, *, base=.3):
    """Return a decay on a base that is a keyword."""
    return decay(t, a, k) + base


def with_defaults(t, a, k=1, base=.3):
    """Return a decay on a base that has a default."""
    return decay(t, a, k) + base


class Called:
    """A function with a state."""

    def __init__(self, base):
        self.base = base

    def __call__(self, t, a, k):
        return decay(t, a, k) + self.base


def wrapped():
    """Return a function that shows another's signature, and takes no keywords."""
    @functools.wraps(with_defaults)
    def call(*args):
        return with_defaults(*args)
    return call


FUNCTIONS = {
    "keyword-only default": (keyword_only, None), "bound keyword": (functools.partial(with_defaults, base=.3), None),
    "bound argument": (functools.partial(lambda base, t, a, k: decay(t, a, k) + base, .3), None), "called object": (Called(.3), None),
    "defaults beyond p0": (with_defaults, [1, 1]), "defaults": (with_defaults, None), "stars": (lambda t, *p: decay(t, *p) + .3, [1, 1]),
    "some and stars": (lambda t, a, *p: decay(t, a, *p) + .3, [1, 1]), "all stars": (lambda *p: decay(*p) + .3, [1, 1]),
    "wrapped": (wrapped(), None), "p0 in a row": (keyword_only, [[1, 1]]),
    "vectorized": (np.vectorize(lambda t, a, k: a*math.exp(-k*t) + .3), [1, 1]),
}


@pytest.mark.parametrize("kind", FUNCTIONS)
def test_kinds_of_functions(kind):
    """What SciPy calls by position is called by position."""
    f, start = FUNCTIONS[kind]
    beside(f, T, noisy(decay(T, 2, 1) + .3, .01), p0=start)


@pytest.mark.parametrize("types", [None, ["f8(f8,f8,f8)"]])
@pytest.mark.parametrize("start", [None, [1., 1.]])
def test_ufuncs_of_numba(types, start):
    """They take no keywords."""
    numba = pytest.importorskip("numba")

    def f(t, a, k):
        return a*math.exp(-k*t)
    beside(numba.vectorize(f) if types is None else numba.vectorize(types)(f), T, noisy(decay(T, 2, 1), .01), p0=start)


@pytest.mark.parametrize(("start", "given"), [([1], {}), ([1, 1, 1], {}), (None, {"jac": True}), (None, {"bogus": 1})])
def test_calls_that_dont_fit(start, given):
    """TypeErrors, as SciPy's."""
    for call in (curve_fit, optimize.curve_fit):
        with pytest.raises(TypeError, match="."):
            call(decay, T, T, start, **given)


@pytest.mark.parametrize("given", [
    {"x_scale": "jak"}, {"x_scale": [1, -2]}, {"x_scale": [1, 2, 3]}, {"loss": "hubr"}, {"verbose": 7}, {"tr_solver": "qr"},
    {"max_nfev": 0}, {"sigma": np.ones(7)}, {"sigma": -np.eye(T.size)}, {"sigma": np.ones((T.size, T.size, 1))}, {"bounds": (1, 1)},
    {"bounds": (1, 2, 3)}, {"jac": "4-point"}])
def test_options_that_scipy_refuses(given):
    """ValueErrors here and there."""
    for call in (curve_fit, optimize.curve_fit):
        with pytest.raises(ValueError, match="."):
            call(decay, T, T, method="trf", **given)


@pytest.mark.parametrize("given", [
    {"x_scale": "jac"}, {"x_scale": [1, 2.]}, {"x_scale": 3}, {"loss": "linear"}, {"f_scale": .5}, {"verbose": 0}, {"tr_solver": "exact"},
    {"tr_solver": "lsmr"}, {"tr_options": {}}, {"diff_step": 1e-6}, {"ftol": None}, {"gtol": 1e-12}])
def test_options_that_scipy_takes(given):
    """They lead to the same minimum."""
    beside(decay, T, noisy(decay(T, 2, 1), .01), method="trf", rtol=1e-3, **given)


@pytest.mark.parametrize("given", [{"factor": 1.}, {"diag": [1, 2]}, {"epsfcn": 1e-10}, {"xtol": 1e-12}, {"maxfev": 0}])
def test_options_of_minpack(given):
    """So do these."""
    beside(decay, T, noisy(decay(T, 2, 1), .01), method="lm", rtol=1e-3, **given)
