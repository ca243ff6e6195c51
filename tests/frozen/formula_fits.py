"""Fits of formulas: `fit`, `fit_batch`, `curve_fit`."""
# ruff: noqa: B008 - the defaults of the calls hold what the loop is at
import numpy as np
from frozen.problems import BIG, FORMS, MAIN, TINY, bounded, data, exact, manners, name_seed, parameters

import gslfit

METHODS = ("lanes", "lmsder", "lmder", "trust")
BOTH = ("peak", "two")


def thinned(x, keywords):
    """Points and keywords of a condition, with fewer points where it wants that."""
    keywords = dict(keywords)
    if "thin" in keywords:
        x = x[keywords.pop("thin")][:keywords.pop("few")]
    return x, keywords


def single():
    """`gslfit.fit`."""
    for name, form in FORMS.items():
        x, rows, starts = data(name, 3)
        start = {key: value[0] for key, value in starts.items()}
        for method in ("auto", *(METHODS if name in BOTH else ())):
            at = f"fit/{method}/{name}"
            for condition, y, keywords in manners(name, x, rows[0], start):
                points, keywords = thinned(x, keywords)
                keywords = {"start": start, **keywords}
                yield f"{at}/{condition}", lambda y=y, p=points, k=keywords, m=method, t=form.text: gslfit.fit(t, y, x=p, method=m, **k)
            for condition, changes in bounded(name, start):
                yield f"{at}/{condition}", lambda m=method, t=form.text, y=rows[1], s=start, c=changes, n=name: gslfit.fit(
                    t, y, parameters(n, s, **c), x=x_of(n), method=m)
            for scale in (TINY, BIG):
                yield f"{at}/times-{scale:g}", lambda m=method, t=form.text, y=scale*rows[2], s=start: gslfit.fit(
                    t, y, x=x_of(name_of(t)), start=s, method=m)
            yield f"{at}/exact", lambda m=method, n=name: gslfit.fit(FORMS[n].text, exact(n)[1][0], x=x_of(n), method=m,
                                                                     start={k: v[0] for k, v in exact(n)[2].items()})
        yield f"fit/called/{name}", lambda t=form.text, n=name, s=start: gslfit.fit(called(n), data(n, 3)[1][0], x=x_of(n), start=s)
        yield f"fit/called-omit/{name}", lambda t=form.text, n=name, s=start: gslfit.fit(
            called(n), np.where(np.arange(x_of(n).size) == 4, np.nan, data(n, 3)[1][0]), x=x_of(n), start=s, nan_policy="omit")
        yield f"fit/idle/{name}", lambda t=form.text, n=name, s=start: gslfit.fit(
            f"{t} + 0*idle", data(n, 3)[1][1], x=x_of(n), start={**s, "idle": 1.0})
        yield f"fit/twice/{name}", lambda t=form.text, n=name, s=start: gslfit.fit(
            t.replace("c", "(c + more)") if "c +" in t else f"{t} + more - 0*more", data(n, 3)[1][1], x=x_of(n), start={**s, "more": .1})


def x_of(name):
    """Return the points of a form."""
    return data(name, 3)[0]


def name_of(text):
    """Return the name of a form."""
    return next(name for name, form in FORMS.items() if form.text == text)


def called(name):
    """Return a form as a function that can't be compiled: it looks at the type of its argument."""
    form, formula = FORMS[name], gslfit.Formula(FORMS[name].text)

    def function(x, *args):
        if not isinstance(x, np.ndarray):
            raise TypeError("arrays only")
        return formula(x=x, **dict(zip(form.true, args, strict=True)))
    source = f"lambda x, {', '.join(form.true)}: function(x, {', '.join(form.true)})"
    return eval(source, {"function": function})


def many():
    """`gslfit.fit_batch`, a few curves at a time."""
    for name, form in FORMS.items():
        main = name in BOTH
        count = 3
        x, rows, starts = data(name, count, 1)
        one = {key: value[0] for key, value in starts.items()}
        for method in ("auto", *(METHODS if main else ())):
            at = f"fit_batch/{method}/{name}"
            for condition, y, keywords in manners(name, x, rows, starts):
                points, keywords = thinned(x, keywords)
                keywords = {"start": starts, "covar": condition in ("plain", "unscaled"), **keywords}
                yield f"{at}/{condition}", lambda y=y, p=points, k=keywords, m=method, t=form.text: gslfit.fit_batch(
                    t, y, x=p, method=m, threads=1, **k)
            for condition, changes in bounded(name, one):
                yield f"{at}/{condition}", lambda m=method, t=form.text, y=rows, s=one, c=changes, n=name, x=x: gslfit.fit_batch(
                    t, y, parameters(n, s, **c), x=x, method=m, covar=True, threads=2)
        at = f"fit_batch/auto/{name}"
        for scale in (TINY, BIG):
            yield f"{at}/times-{scale:g}", lambda t=form.text, y=scale*rows, s=starts, x=x: gslfit.fit_batch(t, y, x=x, start=s)
        yield f"{at}/exact", lambda n=name, c=count: gslfit.fit_batch(FORMS[n].text, exact(n, c)[1], x=exact(n, c)[0], start=exact(n, c)[2])
        yield f"{at}/own-points", lambda t=form.text, y=rows, s=starts, x=x: gslfit.fit_batch(
            t, y, x=x + .001*np.arange(len(y))[:, None], start=s)
        yield f"{at}/own-weights", lambda t=form.text, y=rows, s=starts, x=x: gslfit.fit_batch(
            t, y, x=x, start=s, weights=1 + .1*np.arange(y.size).reshape(y.shape) % 7)
        yield f"{at}/holes-omit", lambda t=form.text, y=rows, s=starts, x=x: gslfit.fit_batch(
            t, holes(y), x=x, start=s, nan_policy="omit")
        yield f"{at}/holes-mark", lambda t=form.text, y=rows, s=starts, x=x: gslfit.fit_batch(t, holes(y), x=x, start=s)
        yield f"{at}/called", lambda n=name, y=rows[:3], s=starts, x=x: gslfit.fit_batch(
            called(n), y, x=x, start={key: value[:3] for key, value in s.items()})
    yield from shapes()


def holes(y):
    """Curves with NaN at other points in each row, the second without a finite one."""
    y = y.copy()
    for k in range(len(y)):
        y[k, k % y.shape[1]::7] = np.nan
    y[1] = np.nan
    y[2, :] = np.where(np.arange(y.shape[1]) < 2, y[2], np.nan)
    return y


def shapes():
    """Cubes, spots, tall curves, formulas of functions."""
    x, rows, starts = data("peak", 12, 2)
    text = FORMS["peak"].text
    cube = {key: value.reshape(3, 4) for key, value in starts.items()}
    yield "fit_batch/cube", lambda: gslfit.fit_batch(text, rows.reshape(3, 4, -1), x=x, start=cube, covar=True)
    yield "fit_batch/cube-one-start", lambda: gslfit.fit_batch(text, rows.reshape(3, 4, -1), x=x, y0=1, A=9, x0=.3, var=1)
    yield "fit_batch/fixed-by-fit", lambda: gslfit.fit_batch(text, rows, parameters("peak", {k: v[0] for k, v in starts.items()},
                                                                                    y0={"vary": False}), x=x, start={"y0": starts["y0"]})
    u, v = (part.ravel() for part in np.meshgrid(np.arange(9.), np.arange(9.)))
    spot = "h*exp(-((x - a)**2 + (y - b)**2)/(2*s**2)) + c"
    rng = np.random.default_rng(5)
    where = rng.uniform(3, 5, (2, 8, 1))
    z = np.round(20*np.exp(-((u - where[0])**2 + (v - where[1])**2)/(2*1.3**2)) + 2 + .5*rng.standard_normal((8, 81)), 9)
    start = dict(h=15, a=4, b=4, s=1, c=1)
    for method in ("auto", *METHODS):
        yield f"fit_batch/spots/{method}", lambda m=method: gslfit.fit_batch(spot, z, x={"x": u, "y": v}, start=start, method=m)
    yield "fit/spot", lambda: gslfit.fit(spot, z[0], x={"x": u, "y": v}, start=start)
    for threads in (1, 2):
        for name in MAIN:
            yield f"fit_batch/tall/{name}/{threads}", lambda t=threads, n=name: gslfit.fit_batch(
                FORMS[n].text, data(n, 2, 3, 30_000)[1], x=data(n, 2, 3, 30_000)[0], start=data(n, 2, 3, 30_000)[2], threads=t)
    for name in ("peak", "two"):
        x_long, y_long, s_long = data(name, 1, 4, 90_000 if name == "two" else 140_000)
        first = {k: v[0] for k, v in s_long.items()}
        yield f"fit/tall/{name}", lambda n=name, x=x_long, y=y_long[0], s=first: gslfit.fit(FORMS[n].text, y, x=x, start=s, threads=2)
        yield f"fit/tall-box/{name}", lambda n=name, x=x_long, y=y_long[0], s=first: gslfit.fit(
            FORMS[n].text, y, parameters(n, s, **dict(bounded(n, s))["box"]), x=x, threads=1)
    yield "fit_batch/traced", lambda: gslfit.fit_batch(lambda x, A, b, c: A*np.exp(-b*x) + c, data("decay", 6)[1], x=data("decay", 6)[0],
                                                       A=4., b=.5, c=0.)
    yield "fit_batch/none", lambda: gslfit.fit_batch(text, rows[:0], x=x, y0=1, A=9, x0=.3, var=1)
    yield "fit_batch/one-curve", lambda: gslfit.fit_batch(text, rows[0], x=x, y0=1, A=9, x0=.3, var=1)
    for at, keywords in {"no-such": {"nope": 1.}, "no-start": {"y0": 1.}, "short-x": {"x": x[:-1]}, "method": {"method": "best"},
                         "policy": {"nan_policy": "none"}, "tolerance": {"xtol": -1}, "both": {"weights": 1., "yerr": 1.},
                         "zero-yerr": {"yerr": 0*x}}.items():
        given = {"x": x, "y0": 1., "A": 9., "x0": .3, "var": 1., **keywords} if at != "no-start" else {"x": x, "y0": 1.}
        for function in (gslfit.fit, gslfit.fit_batch):
            yield f"{function.__name__}/error/{at}", lambda f=function, k=given: f(text, rows[0] if f is gslfit.fit else rows, **k)
    yield from random_many()


def random_many():
    """Poor starts far and wide: runaways, flats and bounds, 24 curves each."""
    for name in MAIN:
        x, rows, starts = data(name, 24, 9)
        rng = np.random.default_rng([11, name_seed(name)])
        wild = {key: np.round(value*10**rng.uniform(-1, 1, value.size)*np.where(rng.random(value.size) < .2, -1, 1), 9)
                for key, value in starts.items()}
        yield f"fit_batch/wild/{name}", lambda t=FORMS[name].text, y=rows, s=wild, x=x: gslfit.fit_batch(t, y, x=x, start=s)
        one, params = wild_bounds(name)
        inside = {key: np.clip(value, params[key].min, params[key].max) if key == one else value for key, value in wild.items()}
        yield f"fit_batch/wild-box/{name}", lambda t=FORMS[name].text, y=rows, s=inside, x=x, n=name: gslfit.fit_batch(
            t, y, wild_bounds(n)[1], x=x, start=s)
        for k in range(7 if name == "two" else 20):
            yield f"fit/wild/{name}/{k}", lambda t=FORMS[name].text, y=rows[k], s={key: value[k] for key, value in wild.items()}, x=x: (
                gslfit.fit(t, y, x=x, start=s))


def wild_bounds(name):
    """Return a parameter with its bounds, and Parameters that have them."""
    one = list(FORMS[name].true)[-1]
    value = FORMS[name].true[one]
    return one, parameters(name, FORMS[name].true, **{one: {"min": .3*value, "max": 3*value}})


def by_curve_fit():
    """`gslfit.curve_fit`."""
    for name, form in FORMS.items():
        x, rows, starts = data(name, 3, 6)
        y, p0 = rows[0], [value[0] for value in starts.values()]
        n, p = x.size, len(p0)
        sigma = np.round(.1 + .2*np.random.default_rng(3).random(n), 6)
        corr = np.diag(sigma**2) + .3*np.exp(-np.abs(np.subtract.outer(range(n), range(n))))*np.outer(sigma, sigma)
        formula = gslfit.Formula(form.text)
        low, high = np.array(p0) - 2*np.abs(p0) - 1, np.array(p0) + 2*np.abs(p0) + 1
        tight = np.array(p0) - .01*np.abs(p0) - 1e-3, np.array(p0) + .01*np.abs(p0) + 1e-3
        hole = np.where(np.arange(n) == 5, np.nan, y)
        for way, function in (("compiled", formula), ("called", called(name))):
            for condition, args, keywords in () if way == "called" and name not in (*MAIN, "line") else (
                    ("plain", (x, y, p0), {}), ("full", (x, y, p0), {"full_output": True}), ("sigma", (x, y, p0, sigma), {}),
                    ("absolute", (x, y, p0, sigma, True), {}), ("covariance", (x, y, p0, corr), {"absolute_sigma": True}),
                    ("bounds", (x, y, p0), {"bounds": (low, high)}), ("tight", (x, y, p0), {"bounds": tight}),
                    ("below", (x, y, p0), {"bounds": (low, np.inf)}), ("above", (x, y, p0), {"bounds": (-np.inf, high)}),
                    ("omit", (x, hole, p0), {"nan_policy": "omit"}), ("hole", (x, hole, p0), {}),
                    ("hole-sigma", (x, hole, p0, sigma), {"nan_policy": "omit"}), ("unchecked", (x, hole, p0), {"check_finite": False}),
                    ("maxfev", (x, y, p0), {"maxfev": 4}), ("ones", (x, y), {}), ("as-many", (x[:p*2:2], y[:p*2:2], p0), {}),
                    ("too-few", (x[:p - 1], y[:p - 1], p0), {}), ("trf", (x, y, p0), {"method": "trf", "xtol": 1e-12}),
                    ("outside", (x, y, p0), {"bounds": (high, high + 1)}), ("option", (x, y, p0), {"nope": 1})):
                yield f"curve_fit/{way}/{name}/{condition}", lambda f=function, a=args, k=keywords: gslfit.curve_fit(f, *a, **k)
        yield f"curve_fit/jac/{name}", lambda f=called(name), g=formula, a=(x, y, p0), form=form: gslfit.curve_fit(
            f, *a, jac=lambda points, *values: np.asarray(g.jacobian(x=points, **dict(zip(form.true, values, strict=True)))))
    x, rows, _ = data("decay", 3, 6)
    yield "curve_fit/rows", lambda: gslfit.curve_fit(lambda X, a, b, c: a*X[0] + b*X[1] + c, np.array([x, np.cos(x)]), rows[0])
    yield "curve_fit/traced", lambda: gslfit.curve_fit(lambda x, a, b, c: a*np.exp(-b*x) + c, x, rows[0])
    yield "curve_fit/starred", lambda: gslfit.curve_fit(lambda x, *p: p[0]*np.exp(-p[1]*x) + p[2], x, rows[0], [1., 1., 0.])


GROUPS = {"fit": single, "fit_batch": many, "curve_fit": by_curve_fit}
