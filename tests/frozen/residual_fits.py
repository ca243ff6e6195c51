"""Fits of residual functions: `minimize` by each method, confidence intervals, GSL's solvers, lmfit's manners."""
# ruff: noqa: B008 - the defaults of the calls hold what the loop is at
import itertools

import numpy as np
from frozen.problems import BIG, FORMS, TINY, bounded, data, exact, name_seed, parameters

import gslfit
from gslfit import multifit

ENGINES = ("leastsq", "lmder", "lbfgsb", "anneal")
QUICK_WALK = {"iters_fixed_T": 5, "mu_t": 1.5, "seed": 3}
NAMES = ("peak", "decay", "two", "hill", "line")


def residual_of(name, y=None, scale=1.0, weights=None, **more):
    """Return the residual function of a form, evaluated by NumPy."""
    form, formula = FORMS[name], gslfit.Formula(FORMS[name].text)
    x, rows, _ = data(name, 3, 20)
    target = (rows[0] if y is None else y)*scale

    def residual(params):
        values = params.valuesdict()
        found = formula(x=x, **{key: values[key] for key in form.true}) - target
        return found if weights is None else found*weights
    return residual


def jacobian_of(name):
    """Its derivatives by the varying parameters."""
    form, formula = FORMS[name], gslfit.Formula(FORMS[name].text)
    x = data(name, 3, 20)[0]

    def jacobian(params):
        values = params.valuesdict()
        whole = np.asarray(formula.jacobian(x=x, **{key: values[key] for key in form.true}))
        return whole[:, [k for k, key in enumerate(form.true) if params[key].vary]]
    return jacobian


def by_minimize():
    """`gslfit.minimize`."""
    for name in NAMES:
        x, rows, starts = data(name, 3, 20)
        start = {key: value[0] for key, value in starts.items()}
        n = x.size
        weights = np.round(1 + np.random.default_rng(2).random(n), 6)
        hole = np.where(np.arange(n) == 6, np.nan, rows[0])

        def fit(function, changes=(), name=name, start=start, **keywords):
            params = parameters(name, start, **dict(changes))
            if keywords.get("engine") == "anneal":
                keywords = {**QUICK_WALK, **keywords}
            return gslfit.minimize(function, params, **keywords)

        for engine in ENGINES if name in ("peak", "line", "decay") else ENGINES[:2]:
            at = f"minimize/{engine}/{name}"
            plain = residual_of(name)
            yield f"{at}/plain", lambda f=plain, e=engine, fit=fit: fit(f, engine=e)
            yield f"{at}/weights", lambda f=residual_of(name, weights=weights), e=engine, fit=fit: fit(f, engine=e)
            yield f"{at}/unscaled", lambda f=residual_of(name, weights=weights), e=engine, fit=fit: fit(f, engine=e, scale_covar=False)
            for condition, changes in bounded(name, start):
                if engine != "anneal" or condition in ("box", "tied"):
                    yield f"{at}/{condition}", lambda f=plain, e=engine, fit=fit, c=changes: fit(f, c, engine=e)
            yield f"{at}/jacobian", lambda f=plain, e=engine, fit=fit, j=jacobian_of(name): fit(f, engine=e, Dfun=j)
            if engine in ("leastsq", "lmder"):
                for scale in (TINY, 1e-12, 1e12, BIG):
                    yield f"{at}/times-{scale:g}", lambda f=residual_of(name, scale=scale), e=engine, fit=fit: fit(f, engine=e)
                yield f"{at}/exact", lambda f=residual_of(name, exact(name)[1][0]), e=engine, fit=fit: fit(f, engine=e)
                yield f"{at}/zeros", lambda f=residual_of(name, 0*x), e=engine, fit=fit: fit(f, engine=e)
                yield f"{at}/maxfev", lambda f=plain, e=engine, fit=fit: fit(f, engine=e, maxfev=7)
                yield f"{at}/coarse", lambda f=plain, e=engine, fit=fit: fit(f, engine=e, xtol=1e-2, ftol=1e-2)
                yield f"{at}/far", lambda f=plain, e=engine, fit=fit, s=start: fit(
                    f, {key: {"value": 4*value + 2} for key, value in s.items()}, engine=e)
                yield f"{at}/compiled", lambda f=plain, e=engine, fit=fit: fit(f, engine=e, compiled=True)
                yield f"{at}/idle", lambda f=plain, e=engine, fit=fit: fit(f, {"idle": {"value": 1.0}}, engine=e)
                yield f"{at}/idle-box", lambda f=plain, e=engine, fit=fit: fit(
                    f, {"idle": {"value": 1.0, "min": 0, "max": 3}}, engine=e)
                for policy in ("raise", "omit", "propagate"):
                    yield f"{at}/hole-{policy}", lambda f=residual_of(name, hole), e=engine, fit=fit, p=policy: fit(
                        f, engine=e, nan_policy=p)
                yield f"{at}/jacobian-columns", lambda f=plain, e=engine, fit=fit, j=jacobian_of(name): fit(
                    f, engine=e, Dfun=lambda p: j(p).T, col_deriv=True)
                yield f"{at}/no-errors", lambda f=plain, e=engine, fit=fit: fit(f, engine=e, calc_covar=False)
                yield f"{at}/rough", lambda f=plain, e=engine, fit=fit: fit(lambda p: np.round(f(p), 7), engine=e, epsfcn=1e-7)
                yield f"{at}/float32", lambda f=plain, e=engine, fit=fit: fit(lambda p: f(p).astype(np.float32), engine=e)
                yield f"{at}/list", lambda f=plain, e=engine, fit=fit: fit(lambda p: f(p).tolist(), engine=e)
                yield f"{at}/complex", lambda f=plain, e=engine, fit=fit: fit(lambda p: f(p)*(1 + .5j), engine=e)
                yield f"{at}/square", lambda f=plain, e=engine, fit=fit, n=n: fit(lambda p: f(p)[:n - n % 2].reshape(2, -1), engine=e)
                yield f"{at}/aborted", lambda f=plain, e=engine, fit=fit: fit(f, engine=e, iter_cb=lambda p, k, r: k > 9)
                yield f"{at}/as-many", lambda f=plain, e=engine, fit=fit, c=len(start): fit(lambda p: f(p)[::9][:c], engine=e)
                yield f"{at}/too-few", lambda f=plain, e=engine, fit=fit, c=len(start): fit(lambda p: f(p)[:c - 1], engine=e)
                yield f"{at}/wall", lambda f=plain, e=engine, fit=fit, s=start: fit(walled(f, s), engine=e)
                yield f"{at}/again", lambda f=plain, e=engine, n=name, s=start: again(f, e, n, s)
    yield from wild()


def walled(function, start):
    """Return a residual that is NaN beyond twice the start of the last parameter."""
    name, value = list(start.items())[-1]
    return lambda params: function(params)*(np.nan if params[name].value > 2*abs(value) else 1)


def again(function, engine, name, start):
    """Return a fit taken up again, with a parameter held, then freed."""
    fitter = gslfit.Minimizer(function, parameters(name, start))
    fitter.minimize(engine)
    held = next(iter(start))
    fitter.params[held].vary = False
    fitter.params[held].value *= 1.01
    fitter.minimize(engine)
    fitter.params[held].vary = True
    fitter.minimize(engine, xtol=1e-9)
    return fitter


def wild():
    """Poor starts far and wide."""
    for name in ("peak", "decay", "two"):
        _, rows, starts = data(name, 30, 21)
        rng = np.random.default_rng([12, name_seed(name)])
        for k in range(3 if name == "two" else 20):
            far = {key: float(np.round(value[k]*10**rng.uniform(-1, 1), 9)) for key, value in starts.items()}
            yield f"minimize/wild/{name}/{k}", lambda n=name, y=rows[k], s=far: gslfit.minimize(residual_of(n, y), parameters(n, s))


def intervals():
    """`conf_interval`, `conf_interval2d`, `f_compare`."""
    for name in ("peak", "decay", "power", "line"):
        start = {key: value[0] for key, value in data(name, 3, 20)[2].items()}
        names = list(start)

        def fitted(name=name, start=start, scale=1.0, engine="leastsq", changes=(), **options):
            return gslfit.minimize(residual_of(name, scale=scale), parameters(name, start, **dict(changes)), engine=engine, **options)

        at = f"conf_interval/{name}"
        yield f"{at}/plain", lambda f=fitted: with_notes(gslfit.conf_interval(f()))
        yield f"{at}/sigmas", lambda f=fitted: with_notes(gslfit.conf_interval(f(), sigmas=[1, 2]))
        yield f"{at}/trace", lambda f=fitted, n=names: gslfit.conf_interval(f(), p_names=n[:1], sigmas=[.9], trace=True)
        yield f"{at}/compiled", lambda f=fitted: with_notes(gslfit.conf_interval(f(compiled=True)))
        yield f"{at}/unscaled", lambda f=fitted: with_notes(gslfit.conf_interval(f(scale_covar=False)))
        yield f"{at}/maxiter", lambda f=fitted: with_notes(gslfit.conf_interval(f(), maxiter=2))
        for scale in (TINY, 1e-12, 1e12):
            yield f"{at}/times-{scale:g}", lambda f=fitted, s=scale: with_notes(gslfit.conf_interval(f(scale=s), sigmas=[.95]))
        for condition, changes in bounded(name, start):
            if condition in ("box", "beyond-low", "beyond-high", "narrow", "fixed", "tied", "derived"):
                yield f"{at}/{condition}", lambda f=fitted, c=changes: with_notes(gslfit.conf_interval(f(changes=c), sigmas=[.68, .95]))
        yield f"conf_interval2d/{name}", lambda f=fitted, n=names: gslfit.conf_interval2d(f(), n[0], n[1], 5, 4)
        yield f"conf_interval2d/{name}/limits", lambda f=fitted, n=names, s=start: gslfit.conf_interval2d(
            f(), n[-1], n[0], 3, 3, limits=((.9*s[n[-1]], 1.1*s[n[-1]]), (.8*s[n[0]], 1.2*s[n[0]])))
    yield "f_compare", lambda: [gslfit.f_compare(50, 4, 1.3, 1.0), gslfit.f_compare(50, 4, 1.3, 1.0, 2), gslfit.f_compare(9, 3, 1.0, 1.0)]


def with_notes(found):
    """Intervals with what is said about them."""
    return [dict(found), list(found.notes), found.better, found.chisqr, found.nfev]


def solvers():
    """`gslfit.multifit`."""
    choices = {"trs": ("lm", "lmaccel", "dogleg", "ddogleg", "subspace2D"), "scale": ("more", "levenberg", "marquardt"),
               "solver": ("qr", "cholesky", "svd")}
    for name in ("peak", "decay", "hill", "two"):
        form, formula = FORMS[name], gslfit.Formula(FORMS[name].text)
        x, rows, starts = data(name, 2, 30)
        start, n, p = [value[0] for value in starts.values()], x.size, len(form.true)

        def f(v, formula=formula, x=x, y=rows[0], form=form):
            return formula(x=x, **dict(zip(form.true, v, strict=True))) - y

        def df(v, formula=formula, x=x, form=form):
            return np.asarray(formula.jacobian(x=x, **dict(zip(form.true, v, strict=True))))

        for way, slopes in (("exact", df), ("differences", None)) if name in ("peak", "hill") else (("exact", df),):
            def function(scale=1.0, f=f, slopes=slopes, n=n, p=p, **more):
                return multifit.Function_fdf.from_callables(lambda v: scale*f(v), slopes and (lambda v: scale*slopes(v)), n, p, **more)
            for method in ("lmsder", "lmder", "lmniel"):
                at = f"multifit/{method}/{way}/{name}"
                yield f"{at}/steps", lambda m=method, g=function, s=start, n=n, p=p: steps(multifit.FdfSolver(m, n, p), g(), s)
                yield f"{at}/solve", lambda m=method, g=function, s=start, n=n, p=p: solved(multifit.FdfSolver(m, n, p), g(), s)
                yield f"{at}/tiny", lambda m=method, g=function, s=start, n=n, p=p: solved(multifit.FdfSolver(m, n, p), g(1e-150), s)
                yield f"{at}/limit", lambda m=method, g=function, s=start, n=n, p=p: solved(
                    multifit.FdfSolver(m, n, p), g(), s, max_iter=3)
                yield f"{at}/calls", lambda m=method, g=function, s=start, n=n, p=p: solved(
                    multifit.FdfSolver(m, n, p), g(), s, max_nfev=5)
                yield f"{at}/weights", lambda m=method, g=function, s=start, n=n, p=p: solved(
                    multifit.FdfSolver(m, n, p), g(), s, weights=1 + np.arange(n) % 3)
            for trs, scale, solver in itertools.product(*choices.values()):
                if name == "peak" or (scale, solver) == ("more", "qr"):
                    yield f"multifit/{trs}/{scale}/{solver}/{way}/{name}", lambda g=function, s=start, n=n, p=p, c=(trs, scale, solver): (
                        solved(multifit.NonlinearSolver(n, p, trs=c[0], scale=c[1], solver=c[2]), g(), s))
            for trs in ("lm", "lmaccel", "dogleg", "ddogleg", "subspace2D", "cgst"):
                yield f"multifit/large/{trs}/{way}/{name}", lambda g=function, s=start, n=n, p=p, t=trs: solved(
                    multifit.LargeSolver(n, p, trs=t), g(), s)
    yield from types()


def steps(solver, function, start):
    """Positions step by step, with GSL's own test."""
    solver.set(function, start)
    found = []
    for _ in range(9):
        code = solver.iterate()
        found.append([solver.position(), float(np.linalg.norm(solver.f)), code])
        if code or solver.test_delta(1e-8, 1e-8) == 0:
            break
    return [found, solver.gradient(), solver.covar()]


def solved(solver, function, start, weights=None, **options):
    """Return what a solver ends with."""
    solver.set(function, start, weights)
    outcome = solver.solve(**options)
    found = [solver.x, float(np.linalg.norm(solver.f)), outcome.niter, outcome.nfev, outcome.njev, int(outcome.ending), outcome.success,
             outcome.rank, outcome.code, outcome.cosine, outcome.rejected, outcome.message]
    try:
        return [*found, solver.covar()]
    except gslfit.FitError as error:
        return [*found, type(error).__name__]


def types():
    """Yield the fit types of `FdfSolver.fit`, from the data and from a guess."""
    x = np.linspace(.2, 8, 50)
    rng = np.random.default_rng(40)
    w = np.round(.5 + rng.random(x.size), 6)
    for name, kind in sorted(multifit.TYPES.items()):
        true = np.array([1.0 + .3*k for k in range(len(kind.names))])
        y = np.round(kind.value(x, true) + .02*rng.standard_normal(x.size), 9)
        yield f"multifit/type/{name}", lambda n=name, y=y: of_type(x, y, n)
        yield f"multifit/type/{name}/weights", lambda n=name, y=y: of_type(x, w, y, n)
        yield f"multifit/type/{name}/guess", lambda n=name, y=y, t=true: of_type(x, y, n, t*1.1)


def of_type(*args):
    """Return a fit of a type."""
    found = multifit.FdfSolver.fit(*args)
    return [found.coef, found.err, found.chisq, found.dof, found.success, found.outcome.niter, found.outcome.nfev]


GROUPS = {"minimize": by_minimize, "conf_interval": intervals, "multifit": solvers}
