"""Ways to a fit, one by one, those that end in an error included: what must neither leak, nor crash, nor lie."""
import numpy as np

import gslfit
from gslfit import models, multifit
from gslfit.compat import lmfit

X = np.linspace(0, 8, 40)
Y = 3*np.exp(-X/2.2) + .4 + .05*np.cos(11*X)
ROWS = np.array([Y, Y*1.1, np.where(X > 7, np.nan, Y)])
TEXT = "a*exp(-x/tau) + c"
START = {"a": 2.0, "tau": 1.5, "c": 0.1}
PEAK = 4*np.exp(-(X - 3)**2/.8) + .2*X + 1 + .03*np.sin(9*X)
FORMULA = gslfit.Formula(TEXT)


def parameters(**bounds):
    """Parameters of the decay."""
    params = gslfit.Parameters()
    for name, value in START.items():
        params.add(name, value, **bounds.get(name, {}))
    return params


def tied():
    """Parameters with bounds and an expression."""
    params = parameters(a={"min": 0}, tau={"min": .01, "max": 50})
    params.add("rate", expr="1/tau")
    return params


def residual(params):
    """Return a decay less its data."""
    v = params.valuesdict()
    return v["a"]*np.exp(-X/v["tau"]) + v["c"] - Y


class Stop(Exception):
    """What a caller's function raises."""


def failing(after):
    """Return a residual function that raises after so many calls."""
    calls = []

    def function(params):
        calls.append(1)
        if len(calls) > after:
            raise Stop
        return residual(params)
    return function


def stopped(done):
    """Raise, as a progress function."""
    raise Stop


def opaque(x, k, d):
    """Return a line that can't be compiled."""
    return k*np.asarray(x, float) + d if float(k) == k else x


def solver(kind, *args, raising=False, **options):
    """Return a run of one of GSL's solvers."""
    def f(v):
        if raising and v[0] != 2.0:
            raise Stop
        return v[0]*np.exp(-X/v[1]) + v[2] - Y
    found = kind(*args, **options)
    found.set(multifit.Function_fdf.from_callables(f, None, X.size, 3), list(START.values()))
    found.solve()
    return found.covar()


def model_fit():
    """Return a model's fit and what is worked out of it."""
    result = (models.GaussianModel() + models.LinearModel()).fit(PEAK, x=X, amplitude=5, center=2.8, sigma=.7, slope=.1, intercept=1)
    return result.eval_uncertainty(), result.fit_report(), result.best_fit, result.params["sigma"].correl


ROUTES = {
    "fit": lambda: gslfit.fit(TEXT, Y, x=X, **START).params["a"].correl,
    "fit, bounds and expression": lambda: gslfit.fit(FORMULA, Y, tied(), x=X).params["rate"].stderr,
    "fit, in doubt": lambda: gslfit.fit(TEXT, Y, x=X, a=-5.0, tau=.01, c=9.0),
    "fit, GSL": lambda: gslfit.fit(TEXT, Y, x=X, method="trust", **START),
    "fit, not finite": lambda: gslfit.fit(TEXT, ROWS[2], x=X, **START),
    "fit, no such name": lambda: gslfit.fit(TEXT, Y, x=X, nope=1, **START),
    "fit, called": lambda: gslfit.fit(opaque, Y, x=X, k=-.3, d=2.0),
    "fit_batch": lambda: gslfit.fit_batch(TEXT, ROWS, x=X, covar=True, **START)[0],
    "fit_batch, bounds and expression": lambda: gslfit.fit_batch(FORMULA, ROWS, tied(), x=X, threads=2)[1].params["rate"].value,
    "fit_batch, lmsder": lambda: gslfit.fit_batch(TEXT, ROWS, x=X, method="lmsder", **START),
    "fit_batch, trust": lambda: gslfit.fit_batch(TEXT, ROWS, tied(), x=X, method="trust"),
    "fit_batch, in doubt": lambda: gslfit.fit_batch(TEXT, ROWS, x=X, a=-5.0, tau=.01, c=9.0, nan_policy="omit"),
    "fit_batch, not finite": lambda: gslfit.fit_batch(TEXT, ROWS, x=X, nan_policy="raise", **START),
    "fit_batch, stopped": lambda: gslfit.fit_batch(TEXT, ROWS, x=X, progress=stopped, threads=2, **START),
    "fit_batch, called": lambda: gslfit.fit_batch(opaque, ROWS[:1], x=X, k=-.3, d=2.0),
    "curve_fit": lambda: gslfit.curve_fit(FORMULA, X, Y, list(START.values()), sigma=np.full(X.size, .1)),
    "curve_fit, no minimum": lambda: gslfit.curve_fit(FORMULA, X, Y, list(START.values()), maxfev=2),
    "curve_fit, covariance": lambda: gslfit.curve_fit(FORMULA, X, Y, list(START.values()), sigma=np.diag(np.full(X.size, .1))),
    "minimize": lambda: gslfit.minimize(residual, tied()).params["rate"].stderr,
    "minimize, lmder": lambda: gslfit.minimize(residual, parameters(), engine="lmder"),
    "minimize, lbfgsb": lambda: gslfit.minimize(residual, tied(), engine="lbfgsb"),
    "minimize, compiled": lambda: gslfit.minimize(residual, parameters(), compiled=True),
    "minimize, raising at the start": lambda: gslfit.minimize(failing(0), parameters()),
    "minimize, raising on the way": lambda: gslfit.minimize(failing(7), parameters()),
    "minimize, stopped": lambda: gslfit.minimize(residual, parameters(), iter_cb=lambda p, k, r: k > 5),
    "minimize, not finite": lambda: gslfit.minimize(lambda p: residual(p)*np.nan, parameters()),
    "minimize, out of calls": lambda: gslfit.minimize(residual, parameters(), maxfev=6),
    "Model.fit": model_fit,
    "Model.fit, guessed": lambda: models.GaussianModel().fit(PEAK, x=X).params["center"].stderr,
    "Model.fit, called": lambda: gslfit.Model(opaque).fit(Y, x=X, k=-.3, d=2.0),
    "Model.fit, not finite": lambda: models.GaussianModel().fit(ROWS[2], x=X),
    "Model.fit_batch": lambda: models.GaussianModel().fit_batch(np.array([PEAK, PEAK + .1]), x=X),
    "conf_interval": lambda: gslfit.conf_interval(gslfit.minimize(residual, parameters()), p_names=["a"], sigmas=[.68]),
    "FdfSolver": lambda: solver(multifit.FdfSolver, "lmsder", X.size, 3),
    "FdfSolver, raising": lambda: solver(multifit.FdfSolver, "lmder", X.size, 3, raising=True),
    "NonlinearSolver": lambda: solver(multifit.NonlinearSolver, X.size, 3, trs="ddogleg", solver="svd"),
    "NonlinearSolver, raising": lambda: solver(multifit.NonlinearSolver, X.size, 3, trs="lmaccel", raising=True),
    "LargeSolver": lambda: solver(multifit.LargeSolver, X.size, 3),
    "LargeSolver, raising": lambda: solver(multifit.LargeSolver, X.size, 3, trs="dogleg", raising=True),
    "FdfSolver.fit": lambda: multifit.FdfSolver.fit(X, Y, "exp", [.4, 3., .4]),
    "compat": lambda: lmfit.minimize(residual, compat()),
    "compat, nelder": lambda: lmfit.minimize(residual, compat(), method="nelder", max_nfev=60),
    "compat, model": lambda: lmfit.Model(opaque).fit(Y, x=X, k=-.3, d=2.0).params["k"].stderr,
    "formula, no grammar": lambda: gslfit.Formula("a*open(x)"),
    "parameters, circle": lambda: circle().valuesdict(),
}
SLOW = {"conf_interval", "Model.fit, guessed", "Model.fit_batch", "minimize, lbfgsb", "compat, nelder", "Model.fit, not finite"}


def compat():
    """Parameters of the compat layer."""
    params = lmfit.Parameters()
    params.add_many(*START.items())
    return params


def circle():
    """Parameters whose expressions go round."""
    params = gslfit.Parameters()
    params.add("a", 1.0)
    params.add("b", expr="2*a")
    params["a"].expr = "b/2"
    return params
