"""The compat layer off its defaults, against lmfit itself: the same lines on both packages, every option where it can be given.

scale_covar, reduce_fcn, nan_policy, nsigma, fit_kws, max_nfev, iter_cb, calc_covar; and which of them wins where one is given twice.
"""
import warnings

import lmfit
import numpy as np
import pytest

from gslfit.compat import lmfit as ours

BOTH = (ours, lmfit)
X = np.linspace(0, 6, 60)
RNG = np.random.default_rng(12)
DATA = 1.2 + 4*np.exp(-X/1.4) + .06*RNG.normal(size=X.size)
OUTLIERS = DATA + np.where(np.arange(60) % 12 == 5, 1.5, 0.)
HOLES = np.where(np.arange(60) % 20 == 7, np.nan, DATA)


def decay(x, c, A, t):
    """Return the model."""
    return c + A*np.exp(-x/t)


def residual(params, x=X, data=DATA, eps=.06):
    """Its residual in standard deviations."""
    v = params.valuesdict()
    return (decay(x, v["c"], v["A"], v["t"]) - data)/eps


def made(M):
    """Parameters: one with a bound, one expression, one fixed."""
    return M.create_params(c=1., A=dict(value=3., min=0), t=1., twice=dict(expr="2*A + c"), held=dict(value=2., vary=False))


def model(M):
    """Return the model's own class, with parameters."""
    return M.Model(decay, independent_vars=["x"])


def numbers(result, errors=True):
    """All that there is to compare of a fit."""
    params = result.params
    found = {"values": [par.value for par in params.values()], "chisqr": result.chisqr, "redchi": result.redchi, "ndata": result.ndata,
             "nvarys": result.nvarys, "nfree": result.nfree, "aic": result.aic, "bic": result.bic,
             "residual": np.asarray(result.residual), "errorbars": result.errorbars, "success": result.success, "aborted": result.aborted}
    if errors:
        found["covar"] = result.covar
        found["stderr"] = [par.stderr for par in params.values()]
        found["correl"] = [[(par.correl or {}).get(other) for other in params] for par in params.values()]
    return found


def same(mine, theirs, rtol, atol=1e-9, at=""):
    """Compare nested numbers: each within rtol of the other package's, or of the greatest of its array."""
    if isinstance(theirs, dict):
        assert mine.keys() == theirs.keys()
        for key in theirs:
            same(mine[key], theirs[key], rtol, atol, f"{at}.{key}")
    elif isinstance(theirs, (list, tuple)):
        assert len(mine) == len(theirs), at
        for k, (a, b) in enumerate(zip(mine, theirs, strict=True)):
            same(a, b, rtol, atol, f"{at}[{k}]")
    elif isinstance(theirs, np.ndarray):
        assert np.shape(mine) == theirs.shape, at
        np.testing.assert_allclose(mine, theirs, rtol=rtol, atol=atol + rtol*np.max(np.abs(theirs), initial=0.), err_msg=at)
    elif theirs is None:
        assert mine is None, (at, mine)
    elif isinstance(theirs, (bool, str)):
        assert mine == theirs, (at, mine, theirs)
    else:
        assert mine == pytest.approx(theirs, rel=rtol, abs=atol, nan_ok=True), at


def side_by_side(run, rtol=2e-4, atol=1e-6):
    """Run the same lines on both packages and compare what they return, or the classes of what they raise."""
    outcomes = []
    for M in BOTH:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            try:
                outcomes.append(run(M))
            except Exception as error:
                outcomes.append(error)
    mine, theirs = outcomes
    if isinstance(theirs, Exception):
        named = [cls.__name__ for cls in type(theirs).__mro__ if cls.__name__ not in ("MinimizerException", "AbortFitException")]
        assert isinstance(mine, Exception), (mine, theirs)
        assert named[0] in [cls.__name__ for cls in type(mine).__mro__], (mine, theirs)
        return mine
    assert not isinstance(mine, Exception), mine
    same(mine, theirs, rtol, atol)
    return mine


# -- scale_covar


@pytest.mark.parametrize("method", ["leastsq", "least_squares", "nelder", "lbfgsb"])
@pytest.mark.parametrize("scaled", [True, False])
def test_scale_covar(scaled, method):
    """Errors, covariances, correlations and errors of expressions, scaled or not, by `minimize` and by a Minimizer."""
    if method in ("nelder", "lbfgsb") and not _numdifftools():
        found = [ours.minimize(residual, made(ours), method=each, scale_covar=scaled) for each in (method, "leastsq")]
        for name, par in found[1].params.items():
            assert found[0].params[name].stderr == pytest.approx(par.stderr, rel=1e-3)
        return
    side_by_side(lambda M: [numbers(M.minimize(residual, made(M), method=method, scale_covar=scaled)),
                            numbers(M.Minimizer(residual, made(M), scale_covar=scaled).minimize(method=method))])


def _numdifftools():
    """Whether lmfit can find errors of scalar methods."""
    from importlib.util import find_spec
    return find_spec("numdifftools") is not None


@pytest.mark.parametrize("weights", [None, 1/.06, np.linspace(10, 25, 60)], ids=["none", "number", "array"])
@pytest.mark.parametrize("scaled", [True, False])
def test_scale_covar_of_models(scaled, weights):
    """The same of Model.fit, with the band of the curve in one and three standard deviations."""
    def run(M):
        result = model(M).fit(DATA, x=X, c=1., A=3., t=1., weights=weights, scale_covar=scaled)
        return [numbers(result), result.eval_uncertainty(), result.eval_uncertainty(sigma=3), result.eval_uncertainty(sigma=.9),
                result.dely_predicted, result.rsquared]
    side_by_side(run)


# -- reduce_fcn


REDUCTIONS = {"neglogcauchy": "neglogcauchy", "negentropy": "negentropy", "absolute": lambda r: float(np.abs(r).sum()), "none": None}


@pytest.mark.parametrize("reduction", REDUCTIONS.values(), ids=REDUCTIONS)
@pytest.mark.parametrize("method", ["nelder", "slsqp"])
def test_reduce_fcn(method, reduction):
    """Where a scalar method ends with each way of making a number of a residual: data with outliers, by `minimize` and a Minimizer."""
    def run(M):
        params = M.create_params(c=1.1, A=3.8, t=1.3)
        found = [M.minimize(residual, params, method=method, reduce_fcn=reduction, kws={"data": OUTLIERS, "eps": .3}),
                 M.Minimizer(residual, params, fcn_kws={"data": OUTLIERS, "eps": .3}, reduce_fcn=reduction).minimize(method=method)]
        return [[result.params[name].value for name in ("c", "A", "t")] for result in found]
    side_by_side(run, rtol=2e-3, atol=1e-3)


def test_reduce_fcn_unknown():
    """A name that is none is refused, before anything runs."""
    for call in (lambda: ours.minimize(residual, made(ours), method="nelder", reduce_fcn="something"),
                 lambda: ours.Minimizer(residual, made(ours), reduce_fcn="something").minimize(method="nelder")):
        with pytest.raises(ValueError, match="reduce_fcn='something'"):
            call()


def test_reduce_fcn_leaves_least_squares_alone():
    """leastsq and least_squares don't reduce."""
    for method in ("leastsq", "least_squares"):
        side_by_side(lambda M, method=method: numbers(M.minimize(residual, made(M), method=method, reduce_fcn="neglogcauchy")))


def test_penalty():
    """The scalar itself, by each reduction."""
    def run(M):
        out = []
        for reduction in ("neglogcauchy", "negentropy", None, lambda r: float((r**4).sum())):
            mini = M.Minimizer(residual, made(M), reduce_fcn=reduction)
            result = mini.prepare_fit()
            result.method = "nelder"
            out.append(float(mini.penalty(np.array([result.params[name].setup_bounds() for name in result.var_names]))))
        return out
    side_by_side(run, rtol=1e-10)


# -- nan_policy


@pytest.mark.parametrize("policy", ["raise", "omit", "none of these"])
@pytest.mark.parametrize("method", ["leastsq", "least_squares", "nelder"])
@pytest.mark.parametrize("how", ["minimize", "Minimizer"])
def test_nan_policy(how, method, policy):
    """Holes in the data: the error's class, or the numbers without them."""
    def run(M):
        kws, squares = {"data": HOLES}, method.startswith("least")
        if how == "minimize":
            result = M.minimize(residual, made(M), method=method, nan_policy=policy, kws=kws)
        else:
            result = M.Minimizer(residual, made(M), nan_policy=policy, fcn_kws=kws).minimize(method=method)
        found = numbers(result, errors=squares)
        if not squares:
            found.pop("errorbars")                # the porting page has it: errors of the scalar methods
        return found
    side_by_side(run, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("method", ["leastsq", "least_squares", "nelder", "lbfgsb"])
def test_nan_carried_along(method):
    """nan_policy="propagate" never gives chi-square a number: NaN, or an error."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        def run():
            return ours.minimize(residual, made(ours), method=method, nan_policy="propagate", kws={"data": HOLES}).chisqr
        if method == "leastsq":
            with pytest.raises(ValueError, match=r"(?i)nan"):
                run()
        elif method == "least_squares":
            with pytest.raises(ValueError, match="finite"):
                run()
        else:
            assert np.isnan(run())


@pytest.mark.parametrize("policy", ["raise", "omit"])
@pytest.mark.parametrize("where", ["data", "x", "weights"])
def test_nan_policy_of_models(where, policy):
    """Of a Model: given to it, given to its fit, and both."""
    def run(M):
        arrays = {"data": DATA.copy(), "x": X.copy(), "weights": np.full(60, 1/.06)}
        arrays[where][[4, 30]] = np.nan
        found = []
        for own, call in ((policy, {}), ("raise", {"nan_policy": policy}), ("omit", {"nan_policy": policy})):
            each = M.Model(decay, independent_vars=["x"], nan_policy=own)
            result = each.fit(arrays["data"], x=arrays["x"], weights=arrays["weights"], c=1., A=3., t=1., **call)
            found.append({name: value for name, value in numbers(result).items() if name not in ("residual",)})
        return found
    side_by_side(run)


# -- options of the methods, and which of two wins


def test_options_of_a_call_win_over_those_of_the_minimizer():
    """max_nfev, tolerances, parameters: the call's own; the Minimizer's where the call says nothing."""
    def run(M):
        mini = M.Minimizer(residual, made(M), max_nfev=5)
        few = mini.minimize(method="nelder")
        more = mini.minimize(method="nelder", max_nfev=3000)
        again = mini.minimize(method="nelder")
        other = made(M)
        other["t"].set(value=2., vary=False)
        given = mini.minimize(method="leastsq", params=other, max_nfev=2000)
        return [[few.aborted, few.success], [more.aborted, [par.value for par in more.params.values()]],
                [again.aborted, mini.max_nfev], numbers(given)]
    side_by_side(run, rtol=1e-3, atol=1e-3)


def test_f_compare_of_several_parameters_held():
    """The F-test counts how many parameters are held: one, two."""
    def run(M):
        params = M.create_params(c=1., A=3., t=1.)
        best = M.minimize(residual, params)
        found = []
        for held in (("c",), ("c", "t")):
            other = M.create_params(c=1.21, A=3., t=1.39)
            for name in held:
                other[name].vary = False
            found.append(M.confidence.f_compare(best, M.minimize(residual, other)))
        assert 0 < found[0] < 1 and 0 < found[1] < 1
        return found
    side_by_side(run, rtol=1e-4)


def test_options_of_a_call_of_leastsq_win():
    """Of two Jacobians, by columns and by rows, that of the call is asked, the way that the call says."""
    def run(M):
        asked = []

        def by_rows(params, *args, **kws):
            asked.append("rows")
            v = params.valuesdict()
            fall = np.exp(-X/v["t"])
            return np.array([np.ones_like(X), fall, v["A"]*fall*X/v["t"]**2])/.06

        def by_points(params, *args, **kws):
            asked.append("points")
            return by_rows(params).T
        params = M.create_params(c=1., A=3., t=1.)
        mini = M.Minimizer(residual, params, Dfun=by_points, col_deriv=0)
        plain, asked_first = mini.leastsq(), {*asked}
        asked.clear()
        other = mini.leastsq(Dfun=by_rows, col_deriv=1)
        return [sorted(asked_first), sorted({*asked}), numbers(plain), numbers(other)]
    side_by_side(run, rtol=1e-3, atol=1e-3)


def test_options_of_a_call_win_in_scalar_methods():
    """The same way by SciPy, so as many evaluations: with the tolerance of the Minimizer, of the call, and of both."""
    def run(M):
        params = M.create_params(c=1.1, A=3.8, t=1.3)
        found = [M.Minimizer(residual, params, tol=1e-1).minimize(method="nelder"),
                 M.Minimizer(residual, params, tol=1e-1).minimize(method="nelder", tol=1e-9),
                 M.Minimizer(residual, params).minimize(method="nelder", tol=1e-3), M.minimize(residual, params, method="nelder", tol=1e-5)]
        assert len({result.nfev for result in found}) == 4
        return [result.nfev for result in found]
    side_by_side(run)


def test_options_of_a_call_win_in_a_grid():
    """brute and its options: of the call, of the Minimizer, of both."""
    def run(M):
        params = M.create_params(c=dict(value=1., min=0, max=3), A=dict(value=3., min=1, max=8), t=dict(value=1., vary=False))
        found = [M.Minimizer(residual, params, Ns=3, keep=2).minimize(method="brute"),
                 M.Minimizer(residual, params, Ns=3, keep=2).minimize(method="brute", Ns=5, keep=4),
                 M.Minimizer(residual, params, Ns=3).brute(Ns=4), M.minimize(residual, params, method="brute", Ns=6, keep=1)]
        return [[list(result.brute_grid.shape), len(result.candidates), result.candidates[0].score, result.nfev] for result in found]
    side_by_side(run)


@pytest.mark.parametrize("method", ["leastsq", "least_squares", "nelder", "powell", "lbfgsb", "cg", "bfgs", "cobyla", "slsqp", "tnc"])
def test_max_nfev(method):
    """A limit: how a stopped fit says so, that it returns values and no errors; given to the function, the class and the method."""
    def run(M):
        found = [M.minimize(residual, made(M), method=method, max_nfev=6),
                 M.Minimizer(residual, made(M), max_nfev=6).minimize(method=method),
                 M.Minimizer(residual, made(M)).minimize(method=method, max_nfev=6)]
        squares = method.startswith("least")
        return [[result.aborted, result.success, result.ndata,
                 [result.errorbars, result.covar, result.params["c"].stderr] if squares else None] for result in found]
    side_by_side(run)


@pytest.mark.parametrize("options", [{"xtol": 1e-3, "ftol": 1e-3}, {"xtol": 1e-12, "ftol": 1e-12, "gtol": 1e-12}, {"epsfcn": 1e-10},
                                     {"factor": 1}, {"diag": [1, 1, 1]}, {"full_output": 1}], ids=str)
def test_options_of_leastsq(options):
    """Options of leastsq, given to the class, to minimize, to leastsq and as fit_kws of a model."""
    def run(M):
        mini = M.Minimizer(residual, made(M), **options)
        found = [mini.minimize(), M.Minimizer(residual, made(M)).minimize(**options), M.Minimizer(residual, made(M)).leastsq(**options),
                 M.minimize(residual, made(M), **options), model(M).fit(DATA, x=X, c=1., A=3., t=1., fit_kws=options)]
        return [[[par.value for par in result.params.values()], result.success, result.errorbars] for result in found]
    side_by_side(run, rtol=2e-3)


@pytest.mark.parametrize(("method", "options"), [
    ("least_squares", {"loss": "soft_l1", "f_scale": .5}), ("least_squares", {"loss": "cauchy"}),
    ("nelder", {"tol": 1e-9}), ("nelder", {"options": {"maxiter": 3000, "xatol": 1e-8}}), ("powell", {"tol": 1e-10}),
    ("lbfgsb", {"tol": 1e-14}), ("bfgs", {"tol": 1e-9}),
    ("differential_evolution", {"seed": 3, "popsize": 8, "maxiter": 20}), ("basinhopping", {"seed": 3, "niter": 5}),
    ("brute", {"Ns": 5, "keep": 3})], ids=str)
def test_fit_kws_of_a_model(method, options):
    """fit_kws go to the method, of Model.fit as of minimize."""
    def run(M):
        params = M.create_params(c=dict(value=1., min=0, max=3), A=dict(value=3., min=1, max=8), t=dict(value=1., min=.2, max=4))
        curve = model(M).fit(OUTLIERS, params, x=X, method=method, fit_kws=options)
        plain = M.minimize(lambda p: OUTLIERS - decay(X, **p.valuesdict()), params, method=method, **options)
        return [[par.value for par in result.params.values()] for result in (curve, plain)]
    side_by_side(run, rtol=2e-3, atol=1e-4)


# -- iter_cb and calc_covar


@pytest.mark.parametrize("method", ["leastsq", "least_squares", "nelder", "lbfgsb", "slsqp"])
def test_iter_cb(method):
    """What a callback is called with, and that it stops a fit; of minimize, of a Minimizer and of a Model."""
    def run(M):
        out = []
        for stop in (4, None):
            seen = []

            def watch(params, count, found, *args, stop=stop, seen=seen, **kws):
                seen.append([count, len(args), sorted(kws), np.size(found), sorted(params)])
                return stop is not None and count >= stop
            result = M.minimize(residual, made(M), method=method, args=(X,), kws={"data": DATA}, iter_cb=watch, max_nfev=2000)
            counts = [each[0] for each in seen]
            assert M is lmfit or counts == [*range(1, len(seen) + 1)]
            errorbars = result.errorbars if method.startswith("least") else None
            out.append([result.aborted, result.success, seen[0][1:], len(seen) > 3, errorbars])
        return out
    side_by_side(run)


def test_iter_cb_of_a_model():
    """A model's callback gets its parameters, and stops it."""
    def run(M):
        seen = []

        def watch(params, count, found, *args, **kws):
            seen.append([sorted(params), sorted(kws), np.size(found)])
            return len(seen) == 5
        result = model(M).fit(DATA, x=X, c=1., A=3., t=1., iter_cb=watch)
        return [result.aborted, result.success, result.errorbars, seen[0], result.params["c"].stderr]
    side_by_side(run)


@pytest.mark.parametrize("method", ["leastsq", "least_squares", "nelder"])
@pytest.mark.parametrize("wanted", [True, False])
def test_calc_covar(wanted, method):
    """calc_covar concerns the scalar methods alone, in lmfit too."""
    if method == "nelder":
        for found in (ours.minimize(residual, made(ours), method=method, calc_covar=wanted),
                      ours.Minimizer(residual, made(ours), calc_covar=wanted).minimize(method=method)):
            assert found.errorbars is wanted
            assert (found.covar is not None) is wanted
            assert (found.params["c"].stderr is not None) is wanted
            assert found.success
        return
    side_by_side(lambda M: [numbers(M.minimize(residual, made(M), method=method, calc_covar=wanted)),
                            numbers(model(M).fit(DATA, x=X, c=1., A=3., t=1., calc_covar=wanted))])


# -- confidence


@pytest.mark.parametrize("scaled", [True, False])
@pytest.mark.parametrize("options", [{"sigmas": [1]}, {"sigmas": [.5, 2.5]}, {"sigmas": [2, 1], "p_names": ["t"]}], ids=str)
def test_conf_interval(options, scaled):
    """Intervals by deviations and probabilities, of all or of some, scaled covariance or not."""
    def run(M):
        mini = M.Minimizer(residual, made(M), scale_covar=scaled)
        return {name: [list(row) for row in rows] for name, rows in M.conf_interval(mini, mini.minimize(), **options).items()}
    side_by_side(run, rtol=1e-3)


@pytest.mark.parametrize("scaled", [True, False])
@pytest.mark.parametrize("options", [{"nsigma": 2}, {"nsigma": 3, "nx": 4, "ny": 3}, {"nsigma": 1, "chi2_out": True},
                                     {"limits": ((1., 1.4), (3.6, 4.4)), "nx": 3, "ny": 3}], ids=str)
def test_conf_interval2d(options, scaled):
    """Regions: nsigma, numbers of points, limits, chi-square instead of deviations, scaled covariance or not."""
    def run(M):
        mini = M.Minimizer(residual, made(M), scale_covar=scaled)
        x, y, grid = M.conf_interval2d(mini, mini.minimize(), "c", "A", **options)
        return [np.sort(x), np.sort(y), np.asarray(grid)[np.ix_(np.argsort(y), np.argsort(x))]]
    side_by_side(run, rtol=3e-3)


def test_conf_interval_of_a_model():
    """A model's conf_interval takes the same options, and its report."""
    def run(M):
        result = model(M).fit(DATA, x=X, c=1., A=3., t=1., weights=1/.06, scale_covar=False)
        ci = result.conf_interval(sigmas=[1, 2])
        return {name: [list(row) for row in rows] for name, rows in ci.items()}
    side_by_side(run, rtol=1e-3)


# -- emcee


@pytest.mark.parametrize("options", [{}, {"is_weighted": False}, {"thin": 2, "burn": 4}, {"float_behavior": "chi2"}], ids=str)
def test_emcee(options):
    """The same chain of the same seed: a bound, a fixed value and an expression among the parameters; options to each of three calls."""
    pytest.importorskip("emcee")

    def run(M):
        params = made(M)
        for name, value in (("c", 1.2), ("A", 4.), ("t", 1.4)):
            params[name].value = value
        few = dict(steps=24, nwalkers=16, seed=5, progress=False, **options)
        found = [M.minimize(residual, params, method="emcee", **few), M.Minimizer(residual, params, **few).minimize(method="emcee"),
                 M.Minimizer(residual, params).emcee(**few)]
        return [[result.chain, result.lnprob, numbers(result, errors=False), [result.params[name].stderr for name in result.var_names],
                 [result.params[name].correl[other] for name in result.var_names for other in result.var_names if other != name],
                 result.acceptance_fraction, list(result.var_names), result.flatchain.mean().to_dict()] for result in found]
    side_by_side(run, rtol=1e-8, atol=1e-12)


def test_emcee_goes_on_and_begins_where_it_is_told():
    """reuse_sampler, pos and a pool that maps; refusals have lmfit's class."""
    pytest.importorskip("emcee")

    def run(M):
        mini = M.Minimizer(residual, made(M))
        pos = np.array([1.2, 4., 1.4]) + 1e-3*np.random.default_rng(1).normal(size=(12, 3))
        one = mini.emcee(steps=6, nwalkers=12, pos=pos, seed=1, progress=False)
        two = mini.emcee(steps=4, nwalkers=12, reuse_sampler=True, seed=1, progress=False)
        return [one.chain[0], np.shape(two.chain), two.chain[:6]]
    side_by_side(run, rtol=1e-8)
    few = dict(steps=3, nwalkers=12, seed=1, progress=False)
    for wrong in ({"pos": np.zeros((3, 3))}, {"pos": np.zeros((12, 2))}):
        side_by_side(lambda M, wrong=wrong: M.Minimizer(residual, made(M)).emcee(**few, **wrong).chain)


def test_samples_lie_within_the_bounds():
    """The prior of emcee is flat within the bounds and zero beyond, on either side, where the best value lies close to one."""
    x = np.linspace(0, 1, 20)
    y = 2*x + .5 + .05*np.random.default_rng(1).normal(size=20)
    for low, high in ((0, 2.), (1.85, 5)):
        params = ours.Parameters()
        params.add("a", 1.9, min=low, max=high)
        params.add("b", .5)
        fitter = ours.Minimizer(lambda p: (p["a"]*x + p["b"] - y)/.05, params)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            chain = fitter.emcee(steps=40, nwalkers=20, burn=5, seed=1, progress=False).flatchain["a"]
        assert low <= chain.min() < chain.max() <= high


@pytest.mark.parametrize("method", ["nelder", "powell"])
def test_an_aborted_fit_has_its_best_values(method):
    """A fit that a callback ends early is where the least chi-square of its evaluations was."""
    x, seen = np.linspace(0, 1, 20), []
    y = 2*x + .5 + .01*np.random.default_rng(0).normal(size=20)

    def note(p, count, residual):
        seen.append((float(np.sum(residual**2)), p["a"].value, p["c"].value))
        return count >= 30
    params = ours.Parameters()
    params.add("a", 1.)
    params.add("c", .3)
    result = ours.minimize(lambda p: p["a"]*x + p["c"] - y, params, method=method, iter_cb=note)
    assert result.aborted and len(seen) == 30
    assert [result.params[name].value for name in "ac"] == pytest.approx(min(seen)[1:], rel=1e-12)


@pytest.mark.parametrize("method", ["cg", "bfgs", "lbfgsb", "slsqp", "trust-constr"])
def test_a_fit_without_success_has_its_best_values(method):
    """A method of SciPy's that its own limit of iterations ends is where the least chi-square of its evaluations was."""
    x, seen = np.linspace(.1, 1, 20), []
    y = 2*np.exp(-x/.3) + .5 + .01*np.random.default_rng(0).normal(size=20)

    def residual(p):
        seen.append(p["a"]*np.exp(-x/p["t"]) + p["c"] - y)
        return seen[-1]
    params = ours.Parameters()
    params.add("a", 1., min=-5, max=5)
    params.add("c", .3, min=-5, max=5)
    params.add("t", .1, min=0, max=5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = ours.minimize(residual, params, method=method, options={"maxiter": 2})
    assert not result.success and not result.aborted
    assert result.chisqr == pytest.approx(min(float(np.sum(r**2)) for r in seen), rel=1e-12)


@pytest.mark.parametrize("side", [-1, 1])
def test_a_grid_with_one_bound_lies_within_it(side):
    """With a step and one bound the grid has Ns points from there, upwards from a lower one and downwards from an upper one."""
    grids = []
    for M in BOTH:
        params = M.create_params(c=dict(value=1., min=.5, max=2.), A=dict(value=3., brute_step=.25, **{"min" if side > 0 else "max": 3.}),
                                 t=dict(value=1.4, vary=False))
        grids.append(M.minimize(residual, params, method="brute", Ns=8).brute_grid[1])
    assert np.all(side*(grids[0] - 3) >= -1e-12)
    np.testing.assert_allclose(*grids)


def test_intervals_leave_out_what_the_fit_left_out():
    """A point that nan_policy='omit' leaves out of the fit is left out of its profiles, too."""
    limits = []
    for M in BOTH:
        fitter = M.Minimizer(residual, M.create_params(c=1., A=3., t=1.), fcn_kws={"data": HOLES}, nan_policy="omit")
        limits.append([value for _, value in M.conf_interval(fitter, fitter.minimize(), sigmas=[1])["t"]])
    np.testing.assert_allclose(*limits, rtol=1e-3)


def test_no_errors_where_no_squares_were_summed():
    """The covariance is that of least squares: a fit of another reduction has none."""
    for reduce_fcn in (None, "negentropy"):
        found = ours.minimize(residual, ours.create_params(c=1., A=3., t=1.), method="nelder", reduce_fcn=reduce_fcn)
        assert (found.params["t"].stderr is None) == (reduce_fcn is not None)
