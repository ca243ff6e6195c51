"""Raise in each call of each function of the caller's, and see that what was raised surfaces as itself.

    python tests/torture/callbacks.py [--every N] [--only WORD]

A function raises in its first call, in its second, and so on, until it is not called so often; exceptions of each kind in turn. While a
function is traced, what it raises only means that it is not compiled: then the fit has its usual result. Prints the counts, and each
fault; it is one, too, if a function is never called.
"""

import argparse
import sys
import warnings
from pathlib import Path

import numpy as np

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[1] / "support")]

from routes import PEAK, ROWS, START, TEXT, Y, parameters
from routes import X as x

import gslfit
from gslfit import multifit
from gslfit.compat import lmfit
from gslfit.formula.tracer import Symbol
from gslfit.minimizer.descents import CAUGHT
from gslfit.solvers._siman import anneal


class Base(BaseException):
    """Beside Exception."""


class Odd(Exception):
    """Needs two arguments to be made again."""

    def __init__(self, one, two):
        super().__init__(one)


KINDS = {
    "ValueError": lambda: ValueError("v"),
    "ZeroDivisionError": ZeroDivisionError,
    "TypeError": TypeError,
    "KeyError": lambda: KeyError("k"),
    "IndexError": IndexError,
    "StopIteration": StopIteration,
    "GeneratorExit": GeneratorExit,
    "KeyboardInterrupt": KeyboardInterrupt,
    "SystemExit": lambda: SystemExit(3),
    "MemoryError": MemoryError,
    "RecursionError": RecursionError,
    "OSError": OSError,
    "Base": Base,
    "Odd": lambda: Odd(1, 2),
    "FloatingPointError": FloatingPointError,
    "InputError": lambda: gslfit.errors.InputError("mine"),
    "NonFiniteError": lambda: gslfit.errors.NonFiniteError("mine"),
    "GSLError": lambda: gslfit.errors.error(11, "mine"),
    "ExpressionError": lambda: gslfit.errors.ExpressionError("mine"),
    "ConvergenceError": lambda: gslfit.errors.ConvergenceError("mine"),
    "AssertionError": AssertionError,
    "Warning": lambda: UserWarning("w"),
    "UnicodeError": UnicodeError,
    "LinAlgError": lambda: np.linalg.LinAlgError("mine"),
    "Aborted": ConnectionAbortedError,
}


class Raising:
    """A function that raises in one of its calls."""

    def __init__(self, function, index, make):
        self.function, self.index, self.make, self.calls, self.raised = function, index, make, 0, None

    def __call__(self, *args, **kws):
        if any(isinstance(value, Symbol) for value in (*args, *kws.values())):      # while it is traced
            return self.function(*args, **kws)
        self.calls += 1
        if self.calls == self.index + 1:
            self.raised = self.make()
            raise self.raised
        return self.function(*args, **kws)


def residual(p):
    """Return a decay less its data."""
    return p["a"].value * np.exp(-x / p["tau"].value) + p["c"].value - Y


def jacobian(p):
    """Its derivatives."""
    e = np.exp(-x / p["tau"].value)
    return np.column_stack([e, p["a"].value * x / p["tau"].value ** 2 * e, np.ones_like(x)])


def decay(x, a, tau, c):
    """Return a decay that can't be compiled."""
    return a * np.exp(-np.asarray(x, float) / tau) + c if float(a) == a else x


def f(v):
    """Its residuals, from an array."""
    return v[0] * np.exp(-x / v[1]) + v[2] - Y


def df(v):
    """And their derivatives."""
    e = np.exp(-x / v[1])
    return np.column_stack([e, v[0] * x / v[1] ** 2 * e, np.ones_like(x)])


def fvv(v, u):
    """Second derivative along u."""
    e = np.exp(-x / v[1])
    return 2 * u[0] * u[1] * x / v[1] ** 2 * e + v[0] * u[1] ** 2 * e * (x**2 / v[1] ** 4 - 2 * x / v[1] ** 3)


def product(v, u, transpose):
    """Products by the Jacobian."""
    J = df(v)
    return J.T @ J if u is None else J.T @ u if transpose else J @ u


def solver(kind, function=None, callback=None, **options):
    """Return a run of one of GSL's solvers."""
    made = kind(x.size, 3, **options)
    made.set(function or multifit.Function_fdf.from_callables(f, df, x.size, 3), list(START.values()))
    return made.solve(callback=callback), made.x


def named(function):
    """Return a function with the signature of the decay."""
    return lambda x, a, tau, c: function(x, a, tau, c)


def with_function(function):
    """Parameters one of which is a function of another, by the caller's function."""
    params = gslfit.Parameters(usersyms={"half": function})
    for name, value in START.items():
        params.add(name, value)
    params.add("rate", expr="half(tau)")
    return params


def compat(**bounds):
    """Parameters of the compat layer."""
    params = lmfit.Parameters()
    for name, value in START.items():
        params.add(name, value, **bounds)
    return params


def fitted():
    """Return a fitted Minimizer."""
    minimizer = gslfit.Minimizer(residual, parameters())
    minimizer.minimize()
    return minimizer


def intervals(function):
    """Intervals whose refits call the function."""
    minimizer = fitted()
    minimizer._function = function
    return gslfit.conf_interval(minimizer, p_names=["a"], sigmas=[0.68])


def replicates(function):
    """Return a fit whose replicates call the function."""
    minimizer = fitted()
    minimizer.result._source.function = function
    return minimizer


from_callables = multifit.Function_fdf.from_callables
# entry -> the function that is to raise, and the call that is handed it
PLACES = {
    "minimize": (residual, lambda g: gslfit.minimize(g, parameters())),
    "minimize, bounds": (residual, lambda g: gslfit.minimize(g, parameters(a={"min": 0, "max": 9}))),
    "minimize, Dfun": (jacobian, lambda g: gslfit.minimize(residual, parameters(), Dfun=g)),
    "minimize, lmder": (residual, lambda g: gslfit.minimize(g, parameters(), engine="lmder")),
    "minimize, lbfgsb": (residual, lambda g: gslfit.minimize(g, parameters(), engine="lbfgsb", maxfev=40)),
    "minimize, iter_cb": (lambda p, k, r: None, lambda g: gslfit.minimize(residual, parameters(), iter_cb=g)),
    "minimize, compiled": (residual, lambda g: gslfit.minimize(g, parameters(), compiled=True)),
    "minimize, anneal": (residual, lambda g: gslfit.minimize(g, parameters(), engine="anneal", max_nfev=60)),
    "minimize, expression": (
        lambda tau: tau / 2,
        lambda g: gslfit.minimize(lambda p: residual(p) + 0 * p["rate"].value, with_function(g)),
    ),
    "fit, called": (decay, lambda g: gslfit.fit(named(g), Y, x=x, **START)),
    "fit, called, by a loss": (decay, lambda g: gslfit.fit(named(g), Y, x=x, loss="huber", f_scale=0.1, **START)),
    "fit, called, ycov": (decay, lambda g: gslfit.fit(named(g), Y, x=x, ycov=np.exp(-abs(x[:, None] - x)), **START)),
    "fit, called, prior": (decay, lambda g: gslfit.fit(named(g), Y, x=x, yerr=0.05, prior={"a": (3.0, 0.1)}, **START)),
    "fit, called, from many starts": (decay, lambda g: gslfit.fit(named(g), Y, x=x, ranges={"tau": (0.5, 5.0)}, starts=3, **START)),
    "fit_batch, called, bounds and vary of each": (
        decay,
        lambda g: gslfit.fit_batch(named(g), ROWS[:2], x=x, bounds={"a": ([0, 1], 9)}, vary={"c": [True, False]}, **START),
    ),
    "batch.conf_interval, progress": (
        lambda count: None,
        lambda g: gslfit.fit_batch(TEXT, np.tile(ROWS[:2], (40, 1)), x=x, **START).conf_interval(sigmas=[1], progress=g),
    ),
    "minimize, by a loss": (residual, lambda g: gslfit.minimize(g, parameters(), loss="soft_l1", f_scale=0.1)),
    "minimize, from many starts": (residual, lambda g: gslfit.minimize(g, parameters(), starts=3)),
    "fit_batch, called": (decay, lambda g: gslfit.fit_batch(named(g), ROWS[:2], x=x, **START)),
    "fit_batch, called, omit": (decay, lambda g: gslfit.fit_batch(named(g), ROWS, x=x, nan_policy="omit", method="lmder", **START)),
    "fit_batch, progress": (
        lambda count: None,
        lambda g: gslfit.fit_batch(TEXT, np.tile(ROWS, (40, 1)), x=x, progress=g, threads=2, **START),
    ),
    "curve_fit": (decay, lambda g: gslfit.curve_fit(named(g), x, Y, list(START.values()))),
    "Model.fit": (decay, lambda g: gslfit.Model(named(g)).fit(Y, x=x, **START)),
    "Model.fit, omit": (decay, lambda g: gslfit.Model(named(g), nan_policy="omit").fit(ROWS[2], x=x, **START)),
    "Model.fit_batch": (decay, lambda g: gslfit.Model(named(g)).fit_batch(ROWS[:2], x=x, **START)),
    "Model.fit, iter_cb": (
        lambda p, k, r, *a, **k2: None,
        lambda g: gslfit.models.GaussianModel().fit(PEAK, x=x, amplitude=5, center=2.8, sigma=0.7, iter_cb=g),
    ),
    "FdfSolver, f": (f, lambda g: solver(multifit.FdfSolver, from_callables(g, None, x.size, 3))),
    "FdfSolver, df": (df, lambda g: solver(multifit.FdfSolver, from_callables(f, g, x.size, 3))),
    "FdfSolver, callback": (lambda s: None, lambda g: solver(multifit.FdfSolver, callback=g)),
    "NonlinearSolver, f": (f, lambda g: solver(multifit.NonlinearSolver, from_callables(g, df, x.size, 3))),
    "NonlinearSolver, fvv": (fvv, lambda g: solver(multifit.NonlinearSolver, from_callables(f, df, x.size, 3, fvv=g), trs="lmaccel")),
    "LargeSolver, f": (f, lambda g: solver(multifit.LargeSolver, from_callables(g, df, x.size, 3))),
    "LargeSolver, product": (product, lambda g: solver(multifit.LargeSolver, from_callables(f, None, x.size, 3, product=g))),
    "anneal": (lambda v: float(v @ v), lambda g: anneal(g, [3.0, 1.0], 5.0, iters_fixed_T=2, mu_t=4.0, t_initial=1e3)),
    "conf_interval": (residual, intervals),
    "bootstrap": (residual, lambda g: replicates(g).bootstrap(3, seed=1)),
    "bootstrap, pairs": (residual, lambda g: replicates(g).bootstrap(3, "pairs", seed=1)),
    "bootstrap, progress": (lambda count: None, lambda g: fitted().bootstrap(3, seed=1, progress=g)),
    "jackknife": (residual, lambda g: replicates(g).jackknife()),
    "influence": (residual, lambda g: replicates(g).influence()),
    "compat, leastsq": (residual, lambda g: lmfit.minimize(g, compat())),
    "compat, nelder": (residual, lambda g: lmfit.minimize(g, compat(), method="nelder", max_nfev=40)),
    "compat, differential_evolution": (
        residual,
        lambda g: lmfit.minimize(g, compat(min=-9, max=9), method="differential_evolution", max_nfev=60),
    ),
    "compat, least_squares": (residual, lambda g: lmfit.minimize(g, compat(), method="least_squares")),
    "compat, iter_cb": (lambda p, k, r: None, lambda g: lmfit.minimize(residual, compat(), iter_cb=g)),
    "compat, Model.fit": (decay, lambda g: lmfit.Model(named(g)).fit(Y, x=x, **START)),
    "compat, Model.fit, omit": (decay, lambda g: lmfit.Model(named(g), nan_policy="omit").fit(ROWS[2], x=x, **START)),
}
# where what is raised only means that the function isn't compiled
PASSED_OVER = {"fit, called, from many starts", "minimize, from many starts"}  # a start where the function raises arithmetic's errors
TRACED = {"minimize, compiled", "bootstrap", "bootstrap, pairs", "jackknife", "influence"}


def attempt(place, index, kind):
    """Raise at one index; returns whether it came to that, and a fault or None."""
    function, call = PLACES[place]
    raising = Raising(function, index, KINDS[kind])
    try:
        call(raising)
    except BaseException as error:
        if error is raising.raised:
            return True, None
        seen = error
        while seen is not None and seen is not raising.raised:
            seen = seen.__cause__ or seen.__context__
        if kind == "StopIteration" and seen is not None:  # Python's own, where a generator is in between
            return True, None
        return True, f"{type(error).__name__}: {str(error)[:100]}"
    if raising.raised is None:
        return False, None
    may_be = Exception if place in TRACED else CAUGHT if place in PASSED_OVER else ()
    swallowed = not isinstance(raising.raised, may_be)
    return True, "swallowed" if swallowed else None


def run(every=1, most=400, only=""):
    """All places, or those with a word in their name, kinds and indices; with `every` only each so many-th index.

    Returns how often was raised, the faults, and the number of places.
    """
    warnings.simplefilter("ignore")
    raised, faults = 0, []
    places = [place for place in PLACES if only in place]
    with np.errstate(all="ignore"):
        for place in places:
            for kind in KINDS:
                for index in range(0, most, every):
                    reached, fault = attempt(place, index, kind)
                    if not reached:
                        faults += [(place, kind, "is never called")] if index == 0 else []
                        break
                    raised += 1
                    if fault:
                        faults.append((place, kind, index, fault))
    return raised, faults, len(places)


def main():
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--only", default="", help="of the places only those with this in their name")
    given = parser.parse_args()
    raised, faults, places = run(given.every, only=given.only)
    for fault in faults[:40]:
        print(*fault)
    print(f"{raised} exceptions in {places} places, {len(faults)} faults")
    sys.exit(bool(faults or not raised))


if __name__ == "__main__":
    main()
