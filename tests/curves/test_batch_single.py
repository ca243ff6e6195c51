"""A batch and its single fits: every field of every row, by each method, against NumPy's algebra at SciPy's minimum.

The oracle knows nothing of gslfit: `scipy.optimize.least_squares` to the last digit, derivatives written by hand, and from these the
covariance, the errors of expressions by the chain rule, the band of the curve and the statistics. Against it stand `fit_batch` (its arrays,
and its rows as results), `fit`, `Model.fit_batch` and `Model.fit`.
"""
from functools import lru_cache

import numpy as np
import pytest
from scipy.optimize import least_squares
from scipy.stats import t as student

from gslfit import FitStatus, Model, Parameters, fit, fit_batch, fit_shared, minimize
from gslfit.errors import FitWarning, InputError, NonFiniteError

METHODS = ("auto", "lanes", "lmsder", "lmder", "trust")
NEAR = 2e-6          # standard errors from the minimum: what the loosest of the methods promises, with some room
TEXT = "base + A*exp(-(x - x0)**2/(2*s**2)) + slope*x"
FREE = ("base", "A", "x0", "s")
SINGLE_NEAR = 1e-5


def curve(x, base, A, x0, s, slope):
    """Return the model."""
    return base + A*np.exp(-(x - x0)**2/(2*s**2)) + slope*x


def columns(x, base, A, x0, s, slope):
    """Its derivatives by base, A, x0 and s."""
    e = np.exp(-(x - x0)**2/(2*s**2))
    return np.stack([np.ones_like(x), e, A*e*(x - x0)/s**2, A*e*(x - x0)**2/s**3], axis=-1)


class Truth:
    """One row's fit by SciPy and algebra.

    Parameters
    ----------
    x, y, w : ndarray, shape (n,)
        Weights multiply the residual.
    start : sequence of 4 numbers
    slope : float
        The parameter that is not fitted.
    bounds : pair of sequences
    scaled : bool
        Whether covariances are scaled by the reduced chi-square.
    """

    def __init__(self, x, y, w, start, slope, bounds=(-np.inf, np.inf), scaled=True):
        self.x, self.y, self.w, self.slope = x, y, w, slope
        found = least_squares(lambda v: (curve(x, *v, slope) - y)*w, start, lambda v: columns(x, *v, slope)*w[:, None], bounds=bounds,
                              xtol=1e-15, ftol=1e-15, gtol=1e-15, x_scale="jac", method="dogbox")
        self.v, self.n, self.p = found.x, len(y), 4
        low, high = (np.broadcast_to(each, 4) for each in bounds)
        self.held = (self.v - low < 1e-9) | (high - self.v < 1e-9)
        self.v = np.where(self.v - low < 1e-9, low, np.where(high - self.v < 1e-9, high, self.v))
        free = ~self.held
        if self.held.any():
            again = least_squares(lambda u: self.residual_at(self.with_free(u)), self.v[free], xtol=1e-15, ftol=1e-15, gtol=1e-15,
                                  jac=lambda u: (columns(x, *self.with_free(u), slope)*w[:, None])[:, free], x_scale="jac")
            self.v = self.with_free(again.x)
        self.residual = self.residual_at(self.v)
        self.chisqr = float(self.residual @ self.residual)
        freedom = self.n - 4
        self.redchi = self.chisqr/max(freedom, 1)
        J = (columns(x, *self.v, slope)*w[:, None])[:, free]
        self.covar = np.full((4, 4), np.nan)
        self.covar[np.ix_(free, free)] = np.linalg.inv(J.T @ J)*((self.redchi if freedom else np.nan) if scaled else 1)
        self.stderr = np.sqrt(np.diag(self.covar))
        self.aic = self.n*np.log(self.chisqr/self.n) + 8 if self.chisqr else -np.inf
        self.bic = self.aic - 8 + 4*np.log(self.n)

    def with_free(self, u):
        """All four values, from those that are not held."""
        v = self.v.copy()
        v[~self.held] = u
        return v

    def residual_at(self, v):
        """Weighted residual, model - data."""
        return (curve(self.x, *v, self.slope) - self.y)*self.w

    @property
    def values(self):
        """All values by name, expressions too."""
        base, A, x0, s = self.v.tolist()
        return dict(base=base, A=A, x0=x0, s=s, slope=self.slope, area=A*s*np.sqrt(2*np.pi), twice=2*x0 + base**2)

    @property
    def errors(self):
        """All standard errors by name; a parameter held at its bound adds nothing to those of expressions."""
        _, A, _, s = self.v
        covar = np.where(np.logical_or.outer(self.held, self.held), 0, self.covar)
        root = np.sqrt(2*np.pi)
        tied = {"area": np.array([0, s*root, 0, A*root]), "twice": np.array([2*self.v[0], 0, 2, 0])}
        return dict(zip(FREE, self.stderr, strict=True)) | {"slope": 0.} | {
            name: float(np.sqrt(g[g != 0] @ covar[np.ix_(g != 0, g != 0)] @ g[g != 0])) for name, g in tied.items()}

    @property
    def correl(self):
        """Correlations, (4, 4)."""
        return self.covar/np.outer(self.stderr, self.stderr)

    def band(self, sigma):
        """Return the half width of the curve's confidence band."""
        own = columns(self.x, *self.v, self.slope)
        factor = student.ppf((1 + student_chance(sigma))/2, self.n - 4)
        return factor*np.sqrt(np.einsum("ni,ij,nj->n", own, self.covar, own))


def student_chance(sigma):
    """Return the probability of so many standard deviations of a normal distribution."""
    from scipy.stats import norm
    return 2*norm.cdf(sigma) - 1


def parameters(bounds="none"):
    """Return the parameters: two expressions, one fixed value, and bounds."""
    p = Parameters()
    low, high = {"none": ([None]*4, [None]*4), "far": ([-50., 0., -5., .01], [50., 100., 5., 9.]),
                 "one": ([None, 0., None, .05], [9., None, 4., None])}[bounds]
    for name, value, least, most in zip(FREE, (1., 8., 0., 1.), low, high, strict=True):
        p.add(name, value, min=least, max=most)
    p.add("slope", .1, vary=False)
    p.add("area", expr="A*s*sqrt(2*pi)")
    p.add("twice", expr="2*x0 + base**2")
    return p


@lru_cache(maxsize=8)
def data(rows=9, n=40, seed=3):
    """Curves with an x, weights, a start and a fixed slope of their own each; one row more than there are lanes."""
    rng = np.random.default_rng(seed)
    x = np.sort(rng.uniform(-4, 4, (rows, n)), axis=1)
    true = np.c_[rng.uniform(.5, 2, rows), rng.uniform(5, 12, rows), rng.uniform(-.8, .8, rows), rng.uniform(.7, 1.4, rows)]
    slope = rng.uniform(-.3, .3, rows)
    w = rng.uniform(1, 4, (rows, n))
    y = np.array([curve(x[k], *true[k], slope[k]) for k in range(rows)]) + rng.normal(size=(rows, n))/w*.5
    return x, y, w, true*(1 + rng.uniform(-.1, .1, true.shape)), slope


def starts(start, slope):
    """Start values as `fit_batch` takes them."""
    return {name: start[:, k] for k, name in enumerate(FREE)} | {"slope": slope}


def same_row(batch, k, truth, covar=True, near=NEAR):
    """Assert that a row of a batch's arrays is the oracle's."""
    for name, value in truth.values.items():
        size = truth.errors[name] if name != "slope" else 0
        assert abs(batch.values[name][k] - value) <= near*size, name
    for name, error in truth.errors.items():
        assert batch.stderr[name][k] == pytest.approx(error, rel=1e-5, nan_ok=True), name
    if covar:
        size = np.outer(truth.stderr, truth.stderr)
        assert np.all(np.abs(batch.covar[k] - truth.covar) <= 1e-5*size)
    assert batch.chisqr[k] == pytest.approx(truth.chisqr, rel=1e-10)
    assert batch.redchi[k] == pytest.approx(truth.redchi, rel=1e-10)
    assert batch.ndata[k] == truth.n
    assert batch.gradient[k] < 1e-5
    np.testing.assert_allclose(batch.best_fit(k), curve(truth.x, *truth.v, truth.slope), rtol=1e-6, equal_nan=False)


def same_result(result, truth, start, sign=1, near=NEAR, rel=1e-5):
    """Assert that a result of one fit is the oracle's, in every field."""
    assert result.success
    assert result.errorbars
    for name, value in truth.values.items():
        error = truth.errors[name]
        assert abs(result.params[name].value - value) <= near*error, name
        assert result.params[name].stderr == pytest.approx(error, rel=rel), name
    for i, name in enumerate(FREE):
        for j, other in enumerate(FREE):
            if i != j and result.covar is not None:
                assert result.params[name].correl[other] == pytest.approx(truth.correl[i, j], abs=rel)
    if result.covar is not None:
        assert np.all(np.abs(result.covar - truth.covar) <= rel*np.outer(truth.stderr, truth.stderr))
    taking_part = result.residual[np.isfinite(result.residual)]     # NaN where a point takes no part
    np.testing.assert_allclose(taking_part, sign*truth.residual, rtol=0, atol=1e-5*np.sqrt(truth.redchi), equal_nan=False)
    assert (result.ndata, result.nvarys, result.nfree) == (truth.n, 4, truth.n - 4)
    assert result.chisqr == pytest.approx(truth.chisqr, rel=1e-9)
    assert result.redchi == pytest.approx(truth.redchi, rel=1e-9)
    assert result.aic == pytest.approx(truth.aic, abs=1e-7)
    assert result.bic == pytest.approx(truth.bic, abs=1e-7)
    assert result.var_names == list(FREE)
    assert result.nfev > 1
    assert not result.aborted
    assert result.ier in (1, 2, 3, 4)
    for k, name in enumerate(FREE):
        assert result.params[name].init_value == start[k]


@pytest.mark.parametrize("scaled", [True, False])
@pytest.mark.parametrize("bounds", ["none", "far", "one"])
@pytest.mark.parametrize("method", METHODS)
def test_every_field(method, bounds, scaled):
    """Arrays, rows as results, and single fits of the same curves: x, weights, starts and a fixed value per row."""
    x, y, w, start, slope = data()
    params = parameters(bounds)
    low = [-np.inf if params[name].min is None else params[name].min for name in FREE]
    high = [np.inf if params[name].max is None else params[name].max for name in FREE]
    many = fit_batch(TEXT, y, params, x=x, weights=w, start=starts(start, slope), method=method, covar=True, scale_covar=scaled)
    assert set(many.status.tolist()) == {FitStatus.CONVERGED if method in ("auto", "lanes") else FitStatus.CONVERGED_BY_GSL}
    assert many.names == FREE
    for k in range(len(y)):
        truth = Truth(x[k], y[k], w[k], start[k], slope[k], (low, high), scaled)
        assert not truth.held.any()
        same_row(many, k, truth)
        same_result(many[k], truth, start[k])
        assert many[k].nfev == many.nfev[k]
        assert many[k].init_values == dict(zip(FREE, start[k], strict=True))
        given = {**dict(zip(FREE, start[k], strict=True)), "slope": slope[k]}
        one = fit(TEXT, y[k], params, x=x[k], weights=w[k], start=given, method=method, scale_covar=scaled)
        same_result(one, truth, start[k])
        assert one.nfev >= many.nfev[k]
        if method != "auto":           # "auto" polishes
            assert one.nfev == many.nfev[k]
            assert [par.value for par in one.params.values()] == [array[k] for array in (many.values[name] for name in one.params)]


@pytest.mark.parametrize("scaled", [True, False])
@pytest.mark.parametrize("bounds", ["none", "far", "one"])
def test_models(bounds, scaled):
    """Model.fit and Model.fit_batch of the same curves: the same, with lmfit's sign of the residual, curve and band."""
    x, y, w, start, slope = data()
    model, params = Model(curve), parameters(bounds)
    many = model.fit_batch(y, params, x=x, weights=w, start=starts(start, slope), covar=True, scale_covar=scaled)
    for k in range(len(y)):
        truth = Truth(x[k], y[k], w[k], start[k], slope[k], scaled=scaled)
        same_row(many, k, truth)
        for name, value in zip((*FREE, "slope"), (*start[k], slope[k]), strict=True):
            params[name].value = value
        one = model.fit(y[k], params, x=x[k], weights=w[k], scale_covar=scaled)
        same_result(one, truth, start[k], sign=-1)
        assert one.best_fit == pytest.approx(curve(x[k], *truth.v, slope[k]), rel=1e-6)
        assert one.init_fit == pytest.approx(curve(x[k], *start[k], slope[k]), rel=1e-12)
        for sigma in (1, 2):
            assert one.eval_uncertainty(sigma=sigma) == pytest.approx(truth.band(sigma), rel=1e-5)
        factor = student.ppf((1 + student_chance(1))/2, truth.n - 4)
        one.eval_uncertainty()
        assert one.dely_predicted == pytest.approx(np.sqrt(truth.band(1)**2 + factor**2*truth.redchi), rel=1e-5)
        total = np.sum((y[k] - y[k].mean())**2)
        assert one.rsquared == pytest.approx(1 - np.sum((truth.residual/w[k])**2)/total, rel=1e-9)


@pytest.mark.parametrize("how", ["weights", "yerr", "shared weights", "shared yerr", "a number"])
@pytest.mark.parametrize("method", METHODS)
def test_weights_and_errors(method, how):
    """Weights, or standard deviations of the data; per row, shared, one for all; a batch, its rows and single fits."""
    x, y, w, start, slope = data(rows=3)
    w = w if how in ("weights", "yerr") else np.broadcast_to(w[0] if how != "a number" else 2., w.shape)
    short = w if how in ("weights", "yerr") else w[0] if how != "a number" else 2.
    name, given = ("yerr", 1/np.asarray(short)) if "yerr" in how else ("weights", short)
    many = fit_batch(TEXT, y, parameters(), x=x, start=starts(start, slope), method=method, covar=True, **{name: given})
    for k in range(3):
        truth = Truth(x[k], y[k], w[k], start[k], slope[k])
        same_row(many, k, truth)
        same_result(many[k], truth, start[k])
        own = {**dict(zip(FREE, start[k], strict=True)), "slope": slope[k]}
        same_result(fit(TEXT, y[k], parameters(), x=x[k], start=own, method=method, **{name: given[k] if np.ndim(given) == 2 else given}),
                    truth, start[k])


@pytest.mark.parametrize("extra", [0, 1, 2])
@pytest.mark.parametrize("method", METHODS)
def test_as_many_points_as_parameters(method, extra):
    """n = p, p + 1, p + 2: the numbers and the errors, with the covariance scaled (of n = p there is none) and not."""
    x, y, w, start, slope = data(rows=3)
    pick = [8, 18, 23, 30, 35, 4][:4 + extra]
    for scaled in (True, False):
        many = fit_batch(TEXT, y[:, pick], parameters(), x=x[:, pick], weights=w[:, pick], start=starts(start, slope), method=method,
                         covar=True, scale_covar=scaled)
        assert many.success.all(), many.status
        for k in range(3):
            truth = Truth(x[k, pick], y[k, pick], w[k, pick], start[k], slope[k], scaled=scaled)
            errors = Truth(x[k, pick], y[k, pick], w[k, pick], start[k], slope[k], scaled=False).errors
            for name, value in truth.values.items():
                assert abs(many.values[name][k] - value) <= 1e-5*errors[name]*(np.sqrt(truth.redchi) if extra else 1)
                assert many.stderr[name][k] == pytest.approx(truth.errors[name], rel=1e-4, nan_ok=True), name
            assert many.chisqr[k] == pytest.approx(truth.chisqr, rel=1e-8, abs=1e-12)
            assert many.redchi[k] == pytest.approx(truth.redchi, rel=1e-8, abs=1e-12)
            assert many[k].nfree == extra


@lru_cache(maxsize=8)
def beyond(distance):
    """Fits whose minimum lies beyond a bound by so many standard errors: each parameter, either end, with one bound and with both.

    Returns
    -------
    list of tuple (row, parameters, start, name, bound, side, scaled, truth)
    """
    x, y, w, start, slope = data(rows=2)
    cases = []
    for k in range(2):
        free = Truth(x[k], y[k], w[k], start[k], slope[k])
        for j, name in enumerate(FREE):
            for side, sign in (("min", 1), ("max", -1)):
                bound = float(free.v[j] + sign*distance*free.stderr[j])
                own = start[k].copy()
                own[j] = bound + sign*max(abs(start[k, j] - bound), .05)
                for both in (False, True):
                    params, low, high = parameters(), np.full(4, -np.inf), np.full(4, np.inf)
                    ends = (low, high) if side == "min" else (high, low)
                    params[name].set(**{side: bound})
                    ends[0][j] = bound
                    if both:
                        ends[1][j] = bound + sign*20*max(1, abs(bound))
                        params[name].set(**{"max" if side == "min" else "min": float(ends[1][j])})
                    scaled = (j + k) % 2 == 0
                    truth = Truth(x[k], y[k], w[k], own, slope[k], (low, high), scaled)
                    assert [FREE[i] for i in np.flatnonzero(truth.held)] == [name]
                    cases.append((k, params, {**dict(zip(FREE, own.tolist(), strict=True)), "slope": float(slope[k])}, name, bound, side,
                                  scaled, truth))
    return cases


@pytest.mark.parametrize("distance", [.3, 3., 30.])
@pytest.mark.parametrize("method", METHODS)
def test_at_a_bound(method, distance):
    """One parameter ends at its bound: it is there, has no error, and the others have theirs with it held, expressions too.

    (The width s counts by its square: where its bound lies far below it, two of GSL's solvers step over to -s, the free minimum.)
    """
    x, y, w, begin, slopes = data(rows=2)
    for k, params, start, name, bound, side, scaled, truth in beyond(distance):
        many = fit_batch(TEXT, y[[k]], params, x=x[k], weights=w[k], start=start, method=method, covar=True, scale_covar=scaled)
        assert many.success.all()
        if method not in ("auto", "lanes") and name == "s" and side == "max" and many.values["s"][0] < 0:
            free = Truth(x[k], y[k], w[k], begin[k], slopes[k], scaled=scaled)
            assert many.chisqr[0] == pytest.approx(free.chisqr, rel=1e-8)
            assert -many.values["s"][0] == pytest.approx(free.values["s"], abs=1e-4*free.errors["s"])
            assert many.stderr["s"][0] == pytest.approx(free.errors["s"], rel=1e-4)
            continue
        assert many.status.tolist() == [FitStatus.AT_BOUND]
        assert many.values[name][0] == pytest.approx(bound, rel=1e-9)
        assert (many.values[name][0] - bound)*(1 if side == "min" else -1) >= 0
        assert np.isnan(many.stderr[name][0])
        for other, value in truth.values.items():
            if other not in (name, "slope"):
                assert abs(many.values[other][0] - value) <= 1e-4*truth.errors[other], (name, side, other)
                assert many.stderr[other][0] == pytest.approx(truth.errors[other], rel=1e-4), (name, side, other)
        free = ~truth.held
        size = np.outer(truth.stderr[free], truth.stderr[free])
        assert np.all(np.abs(many.covar[0] - truth.covar)[np.ix_(free, free)] <= 1e-4*size)
        assert many.chisqr[0] == pytest.approx(truth.chisqr, rel=1e-7)
        assert many.redchi[0] == pytest.approx(truth.redchi, rel=1e-7)
        row = many[0]
        assert row.success
        assert not row.errorbars
        assert row.params[name].stderr is None
        assert "bound" in row.message
        np.testing.assert_allclose(row.residual, truth.residual, rtol=0, atol=1e-4*np.sqrt(truth.redchi), equal_nan=False)


@pytest.mark.parametrize("distance", [.3, 3., 30.])
def test_single_fits_at_a_bound(distance):
    """The same by `fit` and `Model.fit`."""
    x, y, w, _, _ = data(rows=2)
    model = Model(curve)
    for k, params, start, name, bound, side, scaled, truth in beyond(distance):
        own = params.copy()
        for each, value in start.items():
            own[each].value = value
        for one, sign in ((fit(TEXT, y[k], own, x=x[k], weights=w[k], scale_covar=scaled), 1),
                          (model.fit(y[k], own, x=x[k], weights=w[k], scale_covar=scaled), -1)):
            assert one.success
            assert not one.errorbars
            assert one.params[name].value == pytest.approx(bound, rel=1e-9)
            assert (one.params[name].value - bound)*(1 if side == "min" else -1) >= 0
            assert one.params[name].stderr is None
            assert f"{name} is at its bound ({side} = {bound:g})" in one.message
            for other, value in truth.values.items():
                if other not in (name, "slope"):
                    assert abs(one.params[other].value - value) <= 1e-4*truth.errors[other], (name, side, other)
                if other not in (name, "slope"):
                    assert one.params[other].stderr == pytest.approx(truth.errors[other], rel=1e-4), (name, side, other)
            np.testing.assert_allclose(one.residual, sign*truth.residual, rtol=0, atol=1e-4*np.sqrt(truth.redchi), equal_nan=False)
            assert one.chisqr == pytest.approx(truth.chisqr, rel=1e-7)


def test_expressions_of_a_parameter_at_a_bound():
    """Their errors are those with it held, the same in a batch and in a single fit."""
    x, y, w, _, _ = data(rows=2)
    for k, params, start, name, *_ in beyond(3.):
        tied = "area" if name in ("A", "s") else "twice"
        many = fit_batch(TEXT, y[[k]], params, x=x[k], weights=w[k], start=start)
        one = fit(TEXT, y[k], params, x=x[k], weights=w[k], start=start)
        assert one.params[tied].stderr == pytest.approx(many.stderr[tied][0], rel=1e-4)


def test_what_depends_on_a_bound_alone():
    """It has no error, never 0, by every entry; what depends on others too has that with the parameter held."""
    x = np.linspace(0, 5, 40)
    y = 3*np.exp(-x/1.2) - .3 + .05*np.random.default_rng(0).standard_normal((3, 40))
    params = Parameters()
    for name, value in (("A", 2.), ("t", 1.), ("c", .1)):
        params.add(name, value, min=0 if name == "c" else None)
    for name, expr in (("twice", "2*c"), ("product", "A*c"), ("both", "A + 3*c")):
        params.add(name, expr=expr)
    text = "A*exp(-x/t) + c"
    many, shared = fit_batch(text, y, params, x=x), fit_shared(text, y, params, x=x, shared=("t",))
    ones = [fit(text, y[0], params, x=x), Model(text, independent_vars=["x"]).fit(y[0], params, x=x), many[0], shared[0],
            minimize(lambda p: p["A"]*np.exp(-x/p["t"]) + p["c"] - y[0], params),
            fit(text, y[0], params, x=x, loss="huber", f_scale=1.0)]
    for one in ones:
        assert [one.params[name].stderr for name in ("c", "twice", "product")] == [None]*3
        assert one.params["both"].stderr == pytest.approx(one.params["A"].stderr, rel=1e-12)
        if hasattr(one, "derived"):
            assert np.isnan([one.derived(expr)[1] for expr in ("2*c", "A*c")]).all()
            assert one.derived("A + 3*c")[1] == pytest.approx(one.params["A"].stderr, rel=1e-12)
    assert np.isnan([many.stderr["twice"], many.stderr["product"], shared.stderr["twice"], shared.stderr["product"]]).all()
    assert np.isnan(many.derived("2*c")[1]).all()
    line = Parameters()
    line.add("A", 1.0)
    line.add("c", .5, min=0)
    bare = fit("A*x + c", np.array([-1., .1, 1., 2.2]), line, x=[0., 1., 2., 3.])
    assert np.isnan(bare.eval_uncertainty()).tolist() == [True, False, False, False]


def spoilt(kind):
    """Three rows of five with something that is not finite, and which of them."""
    x, y, w, start, slope = (array.copy() for array in data(rows=5))
    bad = [0, 2, 4]
    if kind == "start":
        start[bad, 1] = np.nan
    elif kind == "start without a value":
        start[bad, 3] = 0.
    else:
        {"y": y, "x": x, "weights": w}[kind][bad, [0, 7, -1]] = [np.nan, np.inf, -np.inf]
    return x, y, w, start, slope, bad


def test_a_bad_row_takes_nothing_from_others():
    """Rows among which some can't be fitted are fitted as without them, to the last bit."""
    x, y, w, start, slope, bad = spoilt("y")
    good = [1, 3]
    clean = fit_batch(TEXT, y[good], parameters(), x=x[good], weights=w[good], start=starts(start[good], slope[good]), covar=True)
    mixed = fit_batch(TEXT, y, parameters(), x=x, weights=w, start=starts(start, slope), covar=True)
    assert mixed.status[bad].tolist() == [FitStatus.BAD_DATA]*3
    for name, array in clean.to_dict().items():
        assert np.array_equal(mixed.to_dict()[name][good], array), name




def bad_rows():
    """Methods and kinds, marked where rows carry numbers today."""
    for method in METHODS:
        for kind in ("y", "x", "start", "start without a value"):
            yield pytest.param(method, kind)


@pytest.mark.parametrize(("method", "kind"), [*bad_rows()])
def test_a_bad_row_has_no_number(method, kind):
    """A row that can't be fitted has a status and NaN everywhere, expressions too; as a result of its own it is no success."""
    x, y, w, start, slope, bad = spoilt(kind)
    many = fit_batch(TEXT, y, parameters(), x=x, weights=w, start=starts(start, slope), covar=True, method=method)
    assert many.status[bad].tolist() == [FitStatus.BAD_DATA]*3
    assert many.success[[1, 3]].all()
    for name in (*FREE, "area", "twice"):
        assert np.isnan(many.values[name][bad]).all(), name
        assert np.isnan(many.stderr[name][bad]).all(), name
    for name in ("chisqr", "redchi", "gradient", "covar"):
        assert np.isnan(getattr(many, name)[bad]).all(), name
    for k in bad:
        assert not many[k].success
        assert not many[k].errorbars
        assert many[k].status == FitStatus.BAD_DATA and many[k].ier == FitStatus.BAD_DATA.ier


@pytest.mark.parametrize("nan_policy", ["mark", "omit", "raise"])
@pytest.mark.parametrize("method", METHODS)
def test_a_weight_that_is_none(method, nan_policy):
    """A weight that is not finite is an error under every policy, named by its place; so for a single fit."""
    x, y, w, start, slope, _ = spoilt("weights")
    with pytest.raises(InputError, match=r"^weights\[0, 0\] is nan: weights must be finite"):
        fit_batch(TEXT, y, parameters(), x=x, weights=w, start=starts(start, slope), method=method, nan_policy=nan_policy)
    with pytest.raises(InputError, match=r"^weights\[0\] is nan: weights must be finite"):
        fit(TEXT, y[0], parameters(), x=x[0], weights=w[0], method=method)


@pytest.mark.parametrize("kind", ["y", "x"])
@pytest.mark.parametrize("method", METHODS)
def test_points_left_out(method, kind):
    """nan_policy="omit": the rows are those without the point, every field; "raise" names the first."""
    x, y, w, start, slope, bad = spoilt(kind)
    many = fit_batch(TEXT, y, parameters(), x=x, weights=w, start=starts(start, slope), covar=True, method=method, nan_policy="omit")
    assert many.success.all()
    for k in range(5):
        keep = np.isfinite(x[k] + y[k] + w[k])
        assert keep.sum() == 40 - (k in bad)
        truth = Truth(x[k, keep], y[k, keep], w[k, keep], start[k], slope[k])
        for name, value in truth.values.items():
            assert abs(many.values[name][k] - value) <= NEAR*truth.errors[name], name
            assert many.stderr[name][k] == pytest.approx(truth.errors[name], rel=1e-5)
        assert np.all(np.abs(many.covar[k] - truth.covar) <= 1e-5*np.outer(truth.stderr, truth.stderr))
        assert many.chisqr[k] == pytest.approx(truth.chisqr, rel=1e-10)
        assert many.redchi[k] == pytest.approx(truth.redchi, rel=1e-10)
        assert many.ndata[k] == truth.n
        same_result(many[k], truth, start[k])
        given = {**dict(zip(FREE, start[k], strict=True)), "slope": slope[k]}
        same_result(fit(TEXT, y[k], parameters(), x=x[k], weights=w[k], start=given, method=method, nan_policy="omit"), truth, start[k])
    with pytest.raises(NonFiniteError, match=rf"^{kind} is nan at fit 0, point 0"):
        fit_batch(TEXT, y, parameters(), x=x, weights=w, start=starts(start, slope), method=method, nan_policy="raise")
    with pytest.raises(NonFiniteError, match=rf"^{kind}\[0\] is nan"):
        fit(TEXT, y[0], parameters(), x=x[0], weights=w[0], method=method)


def test_rows_refitted_by_gsl_add_their_evaluations():
    """What the lanes leave in doubt is refitted by GSL from its start: its evaluations are those of both."""
    x = np.linspace(.1, 5, 30)
    y = np.stack([3*(1 - np.exp(-.8*x)), 200*(1 - np.exp(-.5*x))]) + .01*np.random.default_rng(1).normal(size=(2, 30))
    start = {"a": np.array([2., 200.]), "b": np.array([1., 80.])}
    auto, lanes, gsl = (fit_batch("a*(1 - exp(-b*x))", y, x=x, start=start, method=method)
                        for method in ("auto", "lanes", "lmsder"))
    refitted = auto.status == FitStatus.CONVERGED_BY_GSL
    assert refitted.tolist() == [False, True]
    assert auto.nfev[0] == lanes.nfev[0]
    assert auto.nfev[1] > gsl.nfev[1]
    assert auto.success.all()


@pytest.mark.parametrize("method", METHODS)
def test_several_variables_and_tall_curves(method):
    """Two independent variables, one of them a row's own, over so many points that a curve is fitted at a time."""
    rng = np.random.default_rng(8)
    n = 4500
    u, v = rng.uniform(-2, 2, n), rng.uniform(-2, 2, (2, n))
    true = np.array([[2., .7, 1.5], [3., -.4, 2.5]])
    y = np.array([a*np.exp(b*u) + c*v[k] for k, (a, b, c) in enumerate(true)]) + rng.normal(0, .1, (2, n))
    start = {name: true[:, k]*1.1 for k, name in enumerate("abc")}
    many = fit_batch("a*exp(b*u) + c*v", y, x={"u": u, "v": v}, start=start, covar=True, method=method)
    assert many.success.all()
    for k in range(2):
        oracle = least_squares(lambda q, k=k: q[0]*np.exp(q[1]*u) + q[2]*v[k] - y[k], true[k], x_scale="jac", xtol=1e-15, ftol=1e-15,
                               jac=lambda q, k=k: np.stack([np.exp(q[1]*u), q[0]*u*np.exp(q[1]*u), v[k]], axis=1))
        covar = np.linalg.inv(oracle.jac.T @ oracle.jac)*2*oracle.cost/(n - 3)
        errors = np.sqrt(np.diag(covar))
        one = fit("a*exp(b*u) + c*v", y[k], x={"u": u, "v": v[k]}, method=method, start={name: value[k] for name, value in start.items()})
        for j, name in enumerate("abc"):
            for value, error in ((many.values[name][k], many.stderr[name][k]), (one.params[name].value, one.params[name].stderr)):
                assert abs(value - oracle.x[j]) <= NEAR*errors[j]
                assert error == pytest.approx(errors[j], rel=1e-6)
        assert np.all(np.abs(many.covar[k] - covar) <= 1e-6*np.outer(errors, errors))
        assert many.chisqr[k] == pytest.approx(2*oracle.cost, rel=1e-11)
        assert one.chisqr == pytest.approx(2*oracle.cost, rel=1e-11)
        assert np.all(np.abs(one.covar - covar) <= 1e-6*np.outer(errors, errors))
        assert many.best_fit(k) == pytest.approx(oracle.fun + y[k], abs=1e-6)


def stubborn(x, base, A, x0, s, slope):
    """Return the model, as a function that asks for a value and so can't be traced."""
    return curve(x, base, A, x0, s, slope) if A < 1e30 else x


@pytest.mark.parametrize("scaled", [True, False])
@pytest.mark.parametrize("bounds", ["none", "far", "one"])
def test_called_functions(bounds, scaled):
    """A function that is called row by row: the same fields as those of a formula."""
    x, y, w, start, slope = data(rows=2)
    with pytest.warns(FitWarning, match="can't be traced"):
        many = fit_batch(stubborn, y, parameters(bounds), x=x, weights=w, start=starts(start, slope), covar=True, scale_covar=scaled)
    assert many.success.all()
    for k in range(2):
        truth = Truth(x[k], y[k], w[k], start[k], slope[k], scaled=scaled)
        for name, value in truth.values.items():
            assert abs(many.values[name][k] - value) <= SINGLE_NEAR*truth.errors[name], name
            assert many.stderr[name][k] == pytest.approx(truth.errors[name], rel=1e-4)
        assert np.all(np.abs(many.covar[k] - truth.covar) <= 1e-4*np.outer(truth.stderr, truth.stderr))     # by differences
        assert many.chisqr[k] == pytest.approx(truth.chisqr, rel=1e-9)
        assert many.redchi[k] == pytest.approx(truth.redchi, rel=1e-9)
        assert (many.ndata[k], many[k].nfree) == (40, 36)
        assert many.best_fit(k) == pytest.approx(curve(x[k], *truth.v, slope[k]), rel=1e-6)
        same_result(many[k], truth, start[k], near=SINGLE_NEAR, rel=1e-4)


@pytest.mark.parametrize("kind", ["y", "x"])
def test_called_functions_with_holes(kind):
    """Rows with a point that is not finite: marked, or fitted without it, as those of a formula."""
    x, y, w, start, slope, bad = spoilt(kind)
    for policy in ("mark", "omit"):
        with pytest.warns(FitWarning, match="can't be traced"):
            many = fit_batch(stubborn, y[1:3], parameters(), x=x[1:3], weights=w[1:3], nan_policy=policy,
                             start=starts(start[1:3], slope[1:3]))
        assert many.success.tolist() == [True, policy == "omit"]
        assert many.status[1] == (FitStatus.BAD_DATA if policy == "mark" else many.status[0])
        for k in range(1 + (policy == "omit")):
            keep = np.isfinite(y[1 + k] + x[1 + k])
            truth = Truth(x[1 + k, keep], y[1 + k, keep], w[1 + k, keep], start[1 + k], slope[1 + k])
            assert many.ndata[k] == truth.n == 40 - (1 + k in bad)
            for name, value in truth.values.items():
                assert abs(many.values[name][k] - value) <= SINGLE_NEAR*truth.errors[name], name
        if policy == "mark":
            assert all(np.isnan(many.values[name][1]) for name in truth.values)
