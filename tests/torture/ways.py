"""The routes of the leak tests, and others that ask for memory: each solver, each method of a batch, threads, tall data, annealing."""

import numpy as np
from routes import PEAK, ROUTES, ROWS, START, TEXT, Y, compat, opaque, parameters, residual, solver, tied
from routes import X as x

import gslfit
from gslfit import models, multifit
from gslfit.compat import lmfit
from gslfit.solvers._siman import anneal

TALL = np.linspace(0, 8, 6000)
TALL_Y = 3 * np.exp(-TALL / 2.2) + 0.4 + 0.05 * np.cos(11 * TALL)
FAR = {"a": -5.0, "tau": 0.01, "c": 9.0}
TINY = np.array([Y, Y * 1e-150])
SADDLE = {"a": 1.0, "b": 1.0, "c": 1.0}
SILENT = np.exp(-x / 2.2) * 0 + 0.01 * np.cos(9 * x)


def batch(rows=ROWS, **options):
    """Return a batch."""
    return gslfit.fit_batch(TEXT, rows, x=x, **{**START, **options})


def bounded(**options):
    """Return a batch with bounds, whose rows press against them."""
    params = parameters(a={"min": 0, "max": 2.5}, tau={"min": 0.01, "max": 50})
    return gslfit.fit_batch(TEXT, np.array([Y, SILENT, -Y]), params, x=x, **options)


def large(**options):
    """GSL's solver for many residuals, with all that can be asked of it."""
    found = multifit.LargeSolver(x.size, 3, **options)
    found.set(multifit.Function_fdf.from_callables(lambda v: v[0] * np.exp(-x / v[1]) + v[2] - Y, None, x.size, 3), list(START.values()))
    found.solve()
    return found.x, found.nfev, found.gradient(), found.covar() if options.get("trs") != "cgst" else None


def one(kind, *args, **options):
    """Return a solver of GSL's, its covariance and what it says of the Jacobian."""
    return solver(kind, *args, **options)


EACH = {"bounds": {"a": (0, np.array([2.5, 9.0, 9.0])), "tau": (np.array([0.01, 0.1, 0.1]), None)}, "vary": {"c": [True, False, True]}}
CORRELATED = np.exp(-abs(x[:, None] - x))
PRIOR = {"a": (3.0, 0.1), "a/tau": (1.4, 0.2)}


def shared(rows=ROWS[:2], shared="tau", **options):
    """Return what a fit of data sets that share parameters says."""
    result = gslfit.fit_shared(TEXT, rows, x=x, shared=shared, **{**START, **options})
    return result.values, result.stderr, result.chisqr, result.status


def drawn(result):
    """Return the values of replicates, what is made of them."""
    return result.values, result.stderr


def fitted(**options):
    """Return a fit of one curve."""
    return gslfit.fit(TEXT, Y, x=x, **{**START, **options})


WRONG = {
    "fit": (
        lambda: gslfit.fit("a*", Y, x=x),
        lambda: gslfit.fit(TEXT, Y[:2], x=x[:2], **START),
        lambda: gslfit.fit(TEXT, Y, x=x, method="nothing", **START),
        lambda: gslfit.fit(TEXT, Y, x=x, xtol="a", **START),
    ),
    "fit_batch": (
        lambda: gslfit.fit_batch(TEXT, ROWS, x=x[:3], **START),
        lambda: gslfit.fit_batch(TEXT, ROWS, x=x, threads="two", **START),
        lambda: gslfit.fit_batch(TEXT, ROWS, parameters(a={"min": 3}), x=x, start=np.ones(3), **START),
        lambda: gslfit.fit_batch(TEXT, -ROWS[:2], x=x, loss="poisson", **START),
    ),
    "curve_fit": (lambda: gslfit.curve_fit(TEXT, x, Y, [1.0]), lambda: gslfit.curve_fit(opaque, x, Y, [1.0, 2.0], sigma=-Y)),
    "minimize": (
        lambda: gslfit.minimize(residual, {"a": 1}),
        lambda: gslfit.minimize(lambda p: None, parameters()),
        lambda: gslfit.minimize(lambda p: np.full(40, np.nan), parameters()),
        lambda: gslfit.minimize(residual, parameters(), engine="nothing"),
    ),
    "conf_interval": (lambda: gslfit.conf_interval(None), lambda: gslfit.conf_interval(gslfit.Minimizer(residual, parameters()))),
    "fit_shared": (
        lambda: shared(shared="nothing"),
        lambda: shared([Y, Y[:3]]),
        lambda: shared(ROWS, bad="raise"),
        lambda: shared(bounds={"tau": (3, 2)}),
    ),
    "batch.conf_interval": (lambda: batch().conf_interval(["nothing"]), lambda: batch().conf_interval(sigmas=[-1])),
    "options of each fit": (
        lambda: batch(bounds={"a": (np.ones(2), None)}),
        lambda: batch(vary={"c": [True, False]}),
        lambda: batch(ycov=-np.eye(40)),
        lambda: batch(prior={"a": (1, -1)}, yerr=1),
        lambda: fitted(ycov=np.ones((3, 3))),
        lambda: fitted(prior={"nothing": (1, 1)}, yerr=1),
    ),
    "bootstrap": (
        lambda: gslfit.bootstrap(None),
        lambda: gslfit.fit(TEXT, Y, x=x, **START).bootstrap(5, "nothing"),
        lambda: gslfit.fit(TEXT, Y, x=x, **START).bootstrap(5, seed="nothing"),
    ),
    "jackknife": (lambda: gslfit.jackknife(None), lambda: gslfit.fit(TEXT, Y[:3], x=x[:3], **START).jackknife()),
    "influence": (lambda: gslfit.influence(None), lambda: gslfit.fit(TEXT, Y, x=x, loss="huber", **START).influence()),
    "parameters": (lambda: gslfit.Parameters().add("1a"), lambda: gslfit.Parameters().loads("{")),
    "formula": (lambda: gslfit.Formula("a.b"), lambda: gslfit.Formula(TEXT).jacobian(x, nope=1)),
    "Model.fit": (
        lambda: models.GaussianModel(prefix="1"),
        lambda: models.GaussianModel().fit([None], x=[1]),
        lambda: gslfit.Model("a*x").loads('{"format": "gslfit model 1"}'),
        lambda: gslfit.Model(TEXT).fit(Y, x=x),
    ),
    "Model.fit_batch": (lambda: models.GaussianModel().fit_batch(ROWS, x=x[:3]), lambda: models.GaussianModel().fit_batch(None, x=x)),
    "FdfSolver": (lambda: multifit.FdfSolver(1, 2), lambda: multifit.FdfSolver(40, 3).solve()),
    "NonlinearSolver": (lambda: multifit.NonlinearSolver(40, 3, trs="nothing"), lambda: multifit.NonlinearSolver(40, 3).solve()),
    "LargeSolver": (lambda: multifit.LargeSolver(40, 3, trs="nothing"), lambda: multifit.LargeSolver(40, 3).solve()),
    "anneal": (lambda: anneal(None, [1.0], 1.0), lambda: anneal(lambda v: float("nan"), [1.0], 1.0)),
    "compat": (
        lambda: lmfit.minimize(residual, lmfit.Parameters()),
        lambda: lmfit.minimize(residual, compat(), method="nothing"),
        lambda: lmfit.minimize(lambda p: residual(p) * np.nan, compat(), method="powell"),
        lambda: lmfit.Model(opaque).fit(Y[:0], x=x[:0], k=1, d=2),
    ),
}


def refused(entry):
    """Return what is said to calls of an entry that are refused, one after another."""
    kinds = []
    for call in WRONG[entry]:
        try:
            call()
        except gslfit.FitError as error:
            kinds.append(type(error).__name__)
    return kinds


def stored():
    """Parameters, a model and a result as texts and back."""
    result = models.GaussianModel().fit(PEAK, x=x, amplitude=5, center=2.8, sigma=0.7)
    again = models.GaussianModel().fit(PEAK, x=x, amplitude=5, center=2.8, sigma=0.7).loads(result.dumps())
    return gslfit.Parameters().loads(tied().dumps()).valuesdict(), gslfit.Model("a*x").loads(MODEL).fit(Y, x=x, a=1).chisqr, again.chisqr


MODEL = gslfit.Model("a*x").dumps()
METHODS = ("auto", "lanes", "lmsder", "lmder", "trust")
WAYS = {
    **{f"fit_batch, {method}, plain": (lambda method=method: batch(method=method)) for method in METHODS},
    **{f"fit_batch, {method}, bounded": (lambda method=method: bounded(method=method, covar=True)) for method in METHODS},
    **{
        f"fit_batch, {method}, in doubt, omit": (lambda method=method: batch(method=method, nan_policy="omit", **FAR)) for method in METHODS
    },
    **{f"fit, {method}, alone": (lambda method=method: gslfit.fit(TEXT, Y, x=x, method=method, **START)) for method in METHODS},
    "fit_batch, two threads": lambda: batch(np.tile(ROWS, (60, 1)), threads=2),
    "fit_batch, tiny": lambda: batch(TINY),
    "fit_batch, tied": lambda: gslfit.fit_batch(TEXT, ROWS[:2], tied(), x=x),
    "fit_batch, tall": lambda: gslfit.fit_batch(TEXT, TALL_Y[None], x=TALL, threads=3, **START),
    "fit_batch, tall, in doubt": lambda: gslfit.fit_batch(TEXT, TALL_Y[None], x=TALL, threads=2, max_nfev=60, **FAR),
    "fit_batch, saddle": lambda: gslfit.fit_batch("a*exp(-b*x) + a*exp(-c*x)", Y[None], x=x, **SADDLE),
    "fit, by a loss": lambda: gslfit.fit(TEXT, Y, x=x, loss="soft_l1", f_scale=0.1, **START),
    "fit, from many starts": lambda: gslfit.fit(TEXT, Y, x=x, ranges={"tau": (0.1, 10.0), "c": (-1, 1)}).chisqr,
    "fit_batch, from many starts": lambda: gslfit.fit_batch(TEXT, ROWS[:2], x=x, starts=9, **START),
    "fit_batch, neighbours": lambda: gslfit.fit_batch(TEXT, ROWS[:4], x=x, starts="neighbours", **START),
    "fit_batch, bounds and vary of each": lambda: batch(covar=True, **EACH),
    "fit_batch, bounds and vary of each, GSL": lambda: batch(method="trust", **EACH),
    "fit_batch, ycov": lambda: batch(ycov=CORRELATED),
    "fit_batch, prior": lambda: batch(prior=PRIOR, yerr=0.05, nan_policy="omit"),
    "fit_batch, robust": lambda: batch(loss="tukey", f_scale=0.1),
    "fit, ycov": lambda: fitted(ycov=CORRELATED),
    "fit, prior": lambda: fitted(prior=PRIOR, yerr=0.05),
    "fit_batch, vary, omit": lambda: batch(vary={"c": np.arange(3) > 0}, nan_policy="omit"),
    "batch.conf_interval": lambda: batch(ROWS[:2]).conf_interval(sigmas=[1], threads=2),
    "batch.conf_interval, bounded": lambda: batch(ROWS[:2], bounds={"a": (0, 2.9)}).conf_interval(sigmas=[1, 2]),
    "fit_shared": shared,
    "fit_shared, all shared": lambda: shared(shared=("a", "tau", "c"), threads=2),
    "fit_shared, bounds": lambda: shared(bounds={"tau": (0.1, 2.0), "a": (np.zeros(2), 9)}),
    "fit_shared, one left out": lambda: shared(ROWS, loss="huber", f_scale=0.1),
    "fit_shared, intervals": lambda: dict(gslfit.fit_shared(TEXT, ROWS[:2], x=x, shared="tau", **START).conf_interval(sigmas=[1])),
    **{
        f"bootstrap, {kind}": (lambda kind=kind: drawn(fitted().bootstrap(20, kind, seed=1, threads=2)))
        for kind in ("residual", "pairs", "parametric")
    },
    "bootstrap, called": lambda: drawn(gslfit.fit(opaque, Y, x=x, k=-0.3, d=2.0).bootstrap(3, seed=1)),
    "jackknife": lambda: drawn(fitted().jackknife()),
    "influence": lambda: fitted().influence().cooks_distance,
    "minimize, from many starts": lambda: gslfit.minimize(residual, parameters(), starts=5).chisqr,
    "fit_batch, by counts": lambda: gslfit.fit_batch(TEXT, ROWS[:2], x=x, loss="poisson", **START),
    "curve_fit, called": lambda: gslfit.curve_fit(opaque, x, Y, [-0.3, 2.0]),
    "formula, derivatives": lambda: gslfit.Formula(TEXT).jacobian(x, **START),
    "parameters, as text": lambda: gslfit.Parameters().loads(tied().dumps()).valuesdict(),
    "anneal": lambda: anneal(
        lambda v: float(np.sum((v - 3) ** 2)), [-8.0, 1.0], 5.0, iters_fixed_T=2, mu_t=4.0, t_initial=1e3
    ),
    "minimize, bounds": lambda: gslfit.minimize(residual, parameters(a={"min": 0, "max": 2.5})),
    **{
        f"FdfSolver, {method}": (lambda method=method: one(multifit.FdfSolver, method, x.size, 3))
        for method in ("lmsder", "lmder", "lmniel")
    },
    **{
        f"NonlinearSolver, {trs}, {way}": (lambda trs=trs, way=way: one(multifit.NonlinearSolver, x.size, 3, trs=trs, solver=way))
        for trs in ("lm", "lmaccel", "dogleg", "ddogleg", "subspace2D")
        for way in ("qr", "cholesky", "mcholesky", "svd")
    },
    **{f"LargeSolver, {trs}": (lambda trs=trs: large(trs=trs)) for trs in ("lm", "lmaccel", "dogleg", "ddogleg", "subspace2D")},
    "LargeSolver, cgst": lambda: large(trs="cgst", solver="none"),
    **{f"{entry}, refused": (lambda entry=entry: refused(entry)) for entry in WRONG},
    "stored": stored,
    **{f"routes: {name}": call for name, call in ROUTES.items()},
}
