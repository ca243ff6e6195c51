"""Recording residuals: no entry and no method ever evaluates a model outside its parameters' bounds.

What lies outside may not exist: a logarithm of something negative, a file that isn't there, a simulation that aborts. So every call is
taken down, and none may lie beyond a bound by as much as a rounding error: at the start, in a difference, in a step, in a profile.
"""
import warnings
from functools import lru_cache

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

import gslfit
from gslfit import Model, Parameters, conf_interval, conf_interval2d, curve_fit, fit, fit_batch
from gslfit.compat import lmfit as compat
from gslfit.errors import FitWarning

X = np.linspace(.5, 6, 40)
INF = np.inf
NEAR = 1e-5           # of chi-square: at 1e9 the model itself has no more digits


def decay(x, c, A, t):
    """Return a decay to an offset."""
    return c + A*np.exp(-x/t)


class Recording:
    """A model c + A*exp(-x/t), or another, that takes down where it is evaluated.

    Parameters
    ----------
    bounds : dict of str to (float, float)
    truth : dict of str to float
        The parameters of the data.
    start : dict of str to float
    model : callable, optional
        ``model(x, **values)``.
    noise : float
    """

    def __init__(self, bounds, truth, start, model=None, noise=.01):
        self.bounds, self.truth, self.start = bounds, truth, start
        self.model = model or decay
        self.y = self.model(X, **truth) + noise*np.random.default_rng(4).normal(size=X.size)
        self.calls, self.outside = 0, []

    def value(self, x, **values):
        """Return the model's curve; the call is taken down."""
        self.calls += 1
        for name, value in values.items():
            low, high = self.bounds.get(name, (-INF, INF))
            if not low <= value <= high:
                self.outside.append((name, float(value)))
        with np.errstate(all="ignore"):
            return self.model(x, **values)

    def __call__(self, params):
        """Return the residual of Parameters of either package."""
        return self.value(X, **{name: float(params[name].value) for name in self.start}) - self.y

    def function(self):
        """Return the model as a function of x and its parameters that can't be traced."""
        if list(self.start) == ["c", "A", "t"]:
            return lambda x, c, A, t: self.value(x, c=float(c), A=float(A), t=float(t))
        return lambda x, s, A: self.value(x, s=float(s), A=float(A))

    def params(self, make=Parameters):
        """Parameters of either package."""
        p = make()
        for name, value in self.start.items():
            low, high = self.bounds.get(name, (-INF, INF))
            p.add(name, value, min=low, max=high)
        return p

    def check(self, least=3):
        """Nothing outside, in so many calls at least."""
        assert self.calls >= least
        assert not self.outside, (len(self.outside), self.calls, self.outside[:3], self.bounds)

    def lowest(self, among=None):
        """Chi-square of the minimum within the bounds, or where the lifetime is among some."""
        bounds = self.bounds if among is None else self.bounds | {"t": among}
        return lowest(self.model, tuple(bounds.items()), tuple(self.truth.items()), self.y.tobytes())

    def reached(self, chisqr):
        """Whether it is that of the minimum; one box has two, one of them where the lifetime is at its bound."""
        two = self.bounds.get("c") == BOXES["narrow at -1e9, ends below"][:2]
        return chisqr <= self.lowest()*(1 + NEAR) or (two and chisqr == pytest.approx(self.lowest((.2, 2.)), rel=NEAR))


@lru_cache(maxsize=64)
def lowest(model, bounds, truth, data):
    """Return the least chi-square: a model is linear in all but one parameter, which is looked for along its range."""
    bounds, truth, y = dict(bounds), dict(truth), np.frombuffer(data)
    if "s" in truth:
        def of_edge(s):
            with np.errstate(all="ignore"):
                f = model(X, s=s, A=1.)
            return float(np.sum((y - f*(f @ y)/(f @ f))**2)) if np.isfinite(f).all() else 1e300

        return least_along(of_edge, *np.clip(bounds["s"], truth["s"] - .5, truth["s"] + .5))
    low, high = bounds["c"]
    base = low if np.isfinite(low) else high               # digits of the offset count from its bound
    low, high, y = low - base, high - base, y - base

    def of_time(t):
        e = np.exp(-X/t)
        c, A = np.linalg.lstsq(np.stack([np.ones_like(X), e], axis=1), y, rcond=None)[0]
        if not low <= c <= high:
            c = min(max(c, low), high)
            A = e @ (y - c)/(e @ e)
        return float(np.sum((c + A*e - y)**2))

    return least_along(of_time, *bounds["t"])


def least_along(chisqr, low, high):
    """Return the least value of a function of one number: on a grid, then by golden sections."""
    grid = np.linspace(low, high, 201)
    k = int(np.argmin([chisqr(each) for each in grid]))
    left, right = grid[max(k - 1, 0)], grid[min(k + 1, 200)]
    found = minimize_scalar(chisqr, bounds=(left, right), method="bounded", options={"xatol": 1e-9*(high - low)})
    return min(found.fun, chisqr(low), chisqr(high))


BOXES = {        # the bounds of the offset, and its true value
    "inside": (-2., 3., 1.),
    "ends below": (1.2, 4., 1.), "ends above": (-4., .8, 1.),
    "negative, ends below": (-.8, 4., -1.), "negative, ends above": (-4., -1.2, -1.),
    "from 0, ends below": (0., 5., -.1), "to 0, ends above": (-5., 0., .1),
    "one bound below": (0., INF, .02), "one bound above": (-INF, 0., -.02),
    "one bound below, ends there": (.3, INF, .1), "one bound above, ends there": (-INF, -.3, -.1),
    "one negative bound below": (-3., INF, -3.1), "one positive bound above": (-INF, 3., 3.1),
    "narrow at 1e9": (1e9 - .1, 1e9 + .1, 1e9 + .01), "narrow at -1e9": (-1e9 - .1, -1e9 + .1, -1e9 - .01),
    "narrow at 1e9, ends above": (1e9, 1e9 + 2e-4, 1e9 + 1), "narrow at -1e9, ends below": (-1e9 - 2e-4, -1e9, -1e9 - 1),
    "one bound at 1e9": (1e9, INF, 1e9 + .02), "one bound at -1e9": (-INF, -1e9, -1e9 - .02),
    "tiny": (1e-12, 2e-12, 1.5e-12), "negative and tiny": (-2e-12, -1e-12, -1.5e-12),
}
STARTS = ("low", "high", "between", "next to low", "next to high")


def boxed(box, where):
    """Return a problem with such a box for its offset, and a start there; None where the box has no such place."""
    low, high, true = BOXES[box]
    if ("low" in where and low == -INF) or ("high" in where and high == INF):
        return None
    width = high - low if np.isfinite(high - low) else 1.
    inner = (low if np.isfinite(low) else high - 2*width) + .6*width
    start = {"low": low, "high": high, "between": inner if low < inner < high else low, "next to low": np.nextafter(low, INF),
             "next to high": np.nextafter(high, -INF)}[where]
    return Recording({"c": (low, high), "t": (.2, 9.)}, {"c": true, "A": 3., "t": 1.5}, {"c": float(start), "A": 2., "t": 1.})


NARROW = ("narrow at 1e9, ends above", "narrow at -1e9, ends below", "tiny", "negative and tiny")
PLACES = [(box, where) for box in BOXES for where in STARTS if boxed(box, where) and not (box in NARROW and "next" in where)]
PLAIN = [(box, where) for box, where in PLACES if where == "between" or where == ("high" if BOXES[box][0] == -INF else "low")]


@pytest.mark.parametrize(("box", "where"), PLACES)
def test_minimize(box, where):
    """Both Levenberg-Marquardts and L-BFGS-B, from each place of each box; the first of them ends at the minimum."""
    for engine in ("leastsq", "lmder", "lbfgsb") if (box, where) in PLAIN else ("leastsq",):
        problem = boxed(box, where)
        mini = gslfit.minimize(problem, problem.params(), engine=engine, maxfev=3000)
        problem.check(8)
        low, high = problem.bounds["c"]
        assert low <= mini.params["c"].value <= high
        if engine == "leastsq":
            assert problem.reached(mini.chisqr)


@pytest.mark.parametrize("box", ["inside", "from 0, ends below", "one bound above, ends there", "narrow at 1e9",
                                 "narrow at -1e9, ends below"])
def test_annealing(box):
    """The walk stays inside, and so does the descent after it."""
    problem = boxed(box, "between")
    gslfit.minimize(problem, problem.params(), engine="anneal", maxfev=600)
    problem.check(300)


@pytest.mark.parametrize(("box", "where"), PLAIN)
def test_a_jacobian_of_the_callers(box, where):
    """Dfun is called inside too, and so is the residual when Dfun is checked against it."""
    problem = boxed(box, where)

    def columns(params):
        c, A, t = (float(params[name].value) for name in ("c", "A", "t"))
        problem.value(X, c=c, A=A, t=t)
        e = np.exp(-X/t)
        return {"c": np.ones_like(X), "A": e, "t": A*e*X/t**2}

    mini = gslfit.minimize(problem, problem.params(), Dfun=columns)
    problem.check(4)
    assert problem.reached(mini.chisqr)


CURVES = [(box, where) for box, where in PLAIN if box.startswith("one") or (where == "between" and "tiny" not in box)]


@pytest.mark.parametrize(("box", "where"), CURVES)
def test_curves(box, where):
    """Model.fit, curve_fit, fit and fit_batch of a function that is called."""
    problem = boxed(box, where)
    low, high = np.array([problem.bounds.get(name, (-INF, INF)) for name in problem.start]).T
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FitWarning)
        found = [Model(problem.function()).fit(problem.y, problem.params(), x=X).chisqr,
                 fit(problem.function(), problem.y, problem.params(), x=X).chisqr]
        for method in ("auto", "lmder", "trust"):
            found.append(fit_batch(problem.function(), problem.y[None], problem.params(), x=X, method=method).chisqr[0])
        popt, _ = curve_fit(problem.function(), X, problem.y, [*problem.start.values()], bounds=(low, high))
    problem.check(20)
    found.append(np.sum((problem.model(X, *popt) - problem.y)**2))
    assert all(map(problem.reached, found))


@pytest.mark.parametrize("box", BOXES)
def test_intervals_and_regions(box):
    """Profiles and regions stop at bounds: those of the parameter held, and those of the others."""
    problem = boxed(box, "between")
    mini = gslfit.minimize(problem, problem.params(), maxfev=1000)
    problem.calls = 0
    conf_interval(mini, sigmas=[.997])
    problem.check(8)
    low, high = problem.bounds["c"]
    assert low <= mini.params["c"].value <= high
    for first, second in (("c", "t"), ("A", "c")):
        if all(mini.params[name].stderr for name in (first, second)):
            conf_interval2d(mini, first, second, 3, 3)
    problem.check(8)


# -- models that end at a bound


def left(x, s, A):
    """Has no value from x = s down, and is infinite there."""
    return A*np.log(x - s)


def right(x, s, A):
    """Has no value from x = s up."""
    return A*np.log(s - x)


def root(x, s, A):
    """Has no value below x = s; its slope is infinite there."""
    return A*np.sqrt(x - s)


def power(x, s, A):
    """Has no value below x = s, and no second derivative there."""
    return A*(x - s)**1.5


EDGES = {     # model, bounds of s, true s, starts
    "left": (left, (-4., .5), .49, (0., .5)), "left, one bound": (left, (-INF, .5), .3, (-1., .5, .4999999)),
    "right": (right, (6., 11.), 6.01, (7., 6.)), "right, one bound": (right, (6., INF), 6.2, (7., 6., 6.0000001)),
    "root": (root, (-4., .5), .4999, (0., .5)), "root, at the edge": (root, (-4., .5), .5, (0., .45)),
    "root, one bound": (root, (-INF, .5), .45, (.5,)),
    "power": (power, (-4., .5), .4999, (0., .5)), "power, at the edge": (power, (-INF, .5), .5, (0., .45)),
}


def edged(edge, start):
    """Return a problem whose model ends where the bound is."""
    model, bounds, true, _ = EDGES[edge]
    return Recording({"s": bounds}, {"s": true, "A": 2.}, {"s": start, "A": 1.}, model)


AT_EDGES = [(edge, start) for edge, (*_, starts) in EDGES.items() for start in starts]


@pytest.mark.parametrize(("edge", "start"), AT_EDGES)
def test_edges_of_models(edge, start):
    """No step and no difference goes beyond the edge, from well inside, from the bound and from next to it; the minimum is found."""
    for engine in ("leastsq", "lmder", "lbfgsb"):
        problem = edged(edge, start)
        mini = gslfit.minimize(problem, problem.params(), engine=engine)
        problem.check(6)
        if engine != "lbfgsb":
            assert mini.success
            assert problem.reached(mini.chisqr)
    problem = edged(edge, start)
    low, high = problem.bounds["s"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FitWarning)
        found = [Model(problem.function()).fit(problem.y, problem.params(), x=X).chisqr]
        popt, _ = curve_fit(problem.function(), X, problem.y, (start, 1.), bounds=([low, -INF], [high, INF]))
    problem.check(10)
    assert found[0] <= problem.lowest()*(1 + NEAR)
    with np.errstate(all="ignore"):
        assert np.sum((problem.model(X, *popt) - problem.y)**2) <= problem.lowest()*(1 + NEAR)


@pytest.mark.parametrize(("edge", "start"), [(edge, start) for edge, start in AT_EDGES if start not in EDGES[edge][1]])
def test_edges_without_bounds(edge, start):
    """The same models without a bound are NaN beyond their edge: a minimum before it is found, one on it is no success by mistake."""
    model, _, true, _ = EDGES[edge]
    least = edged(edge, start).lowest()
    for engine in ("leastsq", "lmder"):
        problem = Recording({}, {"s": true, "A": 2.}, {"s": start, "A": 1.}, model)
        mini = gslfit.minimize(problem, problem.params(), engine=engine, maxfev=500)
        assert np.isfinite(mini.chisqr)
        assert mini.chisqr <= least*(1 + NEAR) or not mini.success
        if model in (left, right) or edge == "root":
            assert mini.success
            assert mini.params["s"].stderr > 0


@pytest.mark.parametrize("edge", EDGES)
def test_profiles_at_edges_of_models(edge):
    """A profile and a region that meet the edge stop there."""
    problem = edged(edge, EDGES[edge][3][0])
    mini = gslfit.minimize(problem, problem.params())
    conf_interval(mini, sigmas=[.68, .9999])
    if all(par.stderr for par in mini.params.values()):
        conf_interval2d(mini, "s", "A", 5, 4)
    problem.check(12)


# -- lmfit's methods


LOCAL = ("leastsq", "least_squares", "nelder", "powell", "lbfgsb", "cg", "bfgs", "tnc", "cobyla", "slsqp", "trust-constr")
GLOBAL = {"differential_evolution": dict(seed=1, maxiter=3, popsize=4), "basinhopping": dict(seed=1, niter=2), "brute": dict(Ns=4),
          "ampgo": dict(totaliter=1, maxiter=1), "shgo": dict(n=8, iters=1, sampling_method="sobol"),
          "dual_annealing": dict(seed=1, maxiter=3)}
FEW = ["ends below", "one bound above, ends there", "narrow at 1e9"]


@pytest.mark.parametrize("box", FEW)
@pytest.mark.parametrize("method", LOCAL)
def test_compat_methods(method, box):
    """Each of lmfit's local methods, from the middle of the box and from its bound."""
    low, high, _ = BOXES[box]
    for where in ("between", "high" if low == -INF else "low"):
        problem = boxed(box, where)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = compat.minimize(problem, problem.params(compat.Parameters), method=method, max_nfev=40)
        problem.check(4)
        assert low <= result.params["c"].value <= high


@pytest.mark.parametrize("box", ["negative, ends above", "narrow at 1e9"])
@pytest.mark.parametrize("method", GLOBAL)
def test_compat_searches(method, box):
    """Each of lmfit's global searches."""
    problem = boxed(box, "between")
    problem.bounds["A"] = (1., 5.)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = compat.minimize(problem, problem.params(compat.Parameters), method=method, max_nfev=100, **GLOBAL[method])
    problem.check(20)
    low, high, _ = BOXES[box]
    assert low <= result.params["c"].value <= high


@pytest.mark.parametrize("box", ["inside", "ends below", "one bound above, ends there", "narrow at 1e9"])
def test_compat_confidence_and_models(box):
    """lmfit's calls of intervals and regions, and its Model."""
    problem = boxed(box, "between")
    mini = compat.Minimizer(problem, problem.params(compat.Parameters))
    result = mini.minimize()
    if result.errorbars:
        compat.conf_interval(mini, result, sigmas=[1, 3])
        compat.conf_interval2d(mini, result, "c", "t", 3, 3)
    compat.Model(problem.function()).fit(problem.y, problem.params(compat.Parameters), x=X)
    problem.check(10)


def test_compat_sampling():
    """Walkers that would leave the bounds are turned back without a call."""
    pytest.importorskip("emcee")
    problem = boxed("from 0, ends below", "low")
    problem.start["c"] = .05
    compat.minimize(problem, problem.params(compat.Parameters), method="emcee", steps=15, nwalkers=12, seed=2, progress=False)
    problem.check(100)
