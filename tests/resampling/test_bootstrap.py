"""The bootstrap against algebra for linear models, and replicate by replicate against SciPy."""
import pickle

import numpy as np
import pytest
from resampled import DECAY, ERRORS, LINE, NAMES, START, X, Y, bounded, called, decay, line, parameters, residual, untraced
from scipy.optimize import least_squares
from scipy.stats import bootstrap as scipy_bootstrap

import gslfit
from gslfit.compat import lmfit
from gslfit.errors import FitStatus, InputError, InputTypeError, NoModelError
from gslfit.resampling.bootstrap import generator
from gslfit.resampling.draws import Draws, poisson_counts
from gslfit.resampling.fitted import fitted_of


def drawn(fit, kind, rows, seed):
    """Return what a bootstrap draws for its first replicates."""
    return Draws(fitted_of(fit, "a bootstrap"), kind, generator(seed)[0]).sample(rows)


def scatter(boot, covar):
    """Return the covariance of replicates in units of the errors that are expected."""
    errors = np.sqrt(np.diag(covar))
    return boot.covar/np.outer(errors, errors), covar/np.outer(errors, errors)


def test_residuals_of_a_line():
    """Replicates of a line scatter as (X^T X)^-1 times the variance of what is drawn."""
    fit, n = line(), 20_000
    boot = fit.bootstrap(n, seed=1)
    r = Y - fit.best_fit
    variance = np.mean((r - r.mean())**2)*X.size/(X.size - 2)
    found, wanted = scatter(boot, variance*np.linalg.inv(LINE.T @ LINE))
    assert boot.failed == 0
    assert found == pytest.approx(wanted, abs=5*np.sqrt(2/n))
    assert [boot.bias[name]/boot.stderr[name] for name in "ab"] == pytest.approx([0, 0], abs=5/np.sqrt(n))


def test_weighted_residuals_of_a_line():
    """Residuals are drawn in units of the errors, and put back in those of the data."""
    fit, n = line(yerr=ERRORS), 20_000
    r = (Y - fit.best_fit)/ERRORS
    white = LINE/ERRORS[:, None]
    cov = np.linalg.inv(white.T @ white)
    variance = np.mean((r - r.mean())**2)*X.size/(X.size - 2)
    found, wanted = scatter(fit.bootstrap(n, seed=2), variance*cov)
    assert found == pytest.approx(wanted, abs=5*np.sqrt(2/n))


@pytest.mark.parametrize("known", [True, False])
def test_parametric(known):
    """Normal errors have the size that yerr says where it is known, else that of the residuals."""
    fit, n = line(yerr=ERRORS, scale_covar=not known), 20_000
    white = LINE/ERRORS[:, None]
    cov = np.linalg.inv(white.T @ white)*(1 if known else fit.redchi)
    found, wanted = scatter(fit.bootstrap(n, "parametric", seed=2), cov)
    assert found == pytest.approx(wanted, abs=5*np.sqrt(2/n))


@pytest.mark.parametrize("loss", ["linear", "huber"])
@pytest.mark.parametrize("kind", ["residual", "pairs"])
def test_replicates_one_by_one(kind, loss):
    """Each replicate is the fit of the data that were drawn, as SciPy fits them."""
    fit, count = decay(yerr=ERRORS, loss=loss, f_scale=1.5), 15
    boot, sample = fit.bootstrap(count, kind, seed=5), drawn(fit, kind, count, 5)
    for k in range(count):
        if kind == "residual":
            x, y, e = X, fit.best_fit + sample.noise[k]*ERRORS, ERRORS
        else:
            x, y, e = (array[sample.chosen[k]] for array in (X, Y, ERRORS))
        found = least_squares(lambda v, x=x, y=y, e=e: (v[0]*np.exp(-x/v[1]) + v[2] - y)/e, list(fit.values.values()), loss=loss,
                              f_scale=1.5, xtol=1e-14, ftol=1e-14, gtol=1e-14)
        assert [boot.values[name][k] for name in NAMES] == pytest.approx(found.x, rel=2e-6)


def test_residuals_are_centred_and_inflated():
    """What is drawn has mean 0 and the variance of the errors."""
    fit = decay(yerr=ERRORS)
    noise = drawn(fit, "residual", 3000, 1).noise
    r = (Y - fit.best_fit)/ERRORS
    wanted = np.sort((r - r.mean())*np.sqrt(X.size/(X.size - 3)))
    assert np.unique(noise) == pytest.approx(wanted, rel=1e-12)


def test_counts():
    """Counts have the model for means, whichever way they are drawn, and are fitted by the loss of the fit."""
    mean = np.array([0., .02, .7, 6., 40., 900., 2e5])
    for rows in (40_000, 200):
        found = np.concatenate([poisson_counts(np.random.default_rng(k), mean, rows) for k in range(40_000//rows)])
        assert found.shape == (40_000, mean.size)
        assert np.array_equal(found, np.round(found))
        assert (found[:, 0] == 0).all()
        good = mean > 0
        assert (found.mean(axis=0)[good] - mean[good])/np.sqrt(mean[good]/40_000) == pytest.approx(np.zeros(good.sum()), abs=4.5)
        assert found.var(axis=0)[good]/mean[good] == pytest.approx(np.ones(good.sum()), abs=.2)
        order = np.corrcoef(found[:-1, 4], found[1:, 4])[0, 1]
        assert abs(order) < 5/np.sqrt(40_000)
    counts = np.random.default_rng(0).poisson(2000*np.exp(-X/2) + 200)
    fit = gslfit.fit(DECAY, counts, x=X, A=1500., tau=1.5, c=100., loss="poisson")
    boot = fit.bootstrap(5000, seed=1)
    assert boot.kind == "poisson"
    assert [boot.stderr[name]/fit.stderr[name] for name in NAMES] == pytest.approx([1, 1, 1], rel=.06)
    assert boot.values["A"] == pytest.approx(fit.bootstrap(5000, "parametric", seed=1).values["A"])
    with pytest.raises(InputError, match="those of counts are not"):
        fit.bootstrap(100, "residual")


def test_prior_of_a_line():
    """The mean of a prior is a measurement: with it the replicates scatter as the posterior of a linear model does."""
    n = 20_000
    y = 1 - .3*X + ERRORS*np.random.default_rng(1).standard_normal(X.size)
    fit = gslfit.fit("a + b*x", y, x=X, a=0., b=0., yerr=ERRORS, prior={"b": (-.31, .01)})
    white = LINE/ERRORS[:, None]
    cov = np.linalg.inv(white.T @ white + np.diag([0, 1/.01**2]))
    boot = fit.bootstrap(n, "parametric", seed=1)
    found, wanted = scatter(boot, cov)
    assert found == pytest.approx(wanted, abs=5*np.sqrt(2/n))
    for kind in ("parametric", "pairs", "residual"):
        boot = fit.bootstrap(n, kind, seed=1)
        shift = [boot.bias[name]/boot.stderr[name] for name in "ab"]
        assert shift == pytest.approx([0, 0], abs=5/np.sqrt(n) + (.04 if kind == "pairs" else 0))


def test_correlated_errors_of_a_line():
    """Whitened residuals are drawn, and errors of the covariance that is given; points are not drawn."""
    n, distance = 3000, np.abs(np.subtract.outer(X, X))
    ycov = .01*np.exp(-distance/.5) + .002*np.eye(X.size)
    fit = line(ycov=ycov, scale_covar=False)
    cov = np.linalg.inv(LINE.T @ np.linalg.solve(ycov, LINE))
    found, wanted = scatter(fit.bootstrap(n, "parametric", seed=1), cov)
    assert found == pytest.approx(wanted, abs=5*np.sqrt(2/n))
    r = np.linalg.solve(np.linalg.cholesky(ycov), Y - fit.best_fit)
    variance = np.mean((r - r.mean())**2)*X.size/(X.size - 2)
    found, wanted = scatter(fit.bootstrap(n, seed=1), variance*cov)
    assert found == pytest.approx(wanted, abs=5*np.sqrt(2/n))
    with pytest.raises(InputError, match="ycov says that they are not"):
        fit.bootstrap(10, "pairs")
    keep = np.ones(X.size, bool)
    keep[[3, 20]] = False
    one = line(ycov=ycov, mask=~keep).bootstrap(50, seed=1).values["b"]
    two = gslfit.fit("a + b*x", Y[keep], x=X[keep], a=0., b=0., ycov=ycov[np.ix_(keep, keep)]).bootstrap(50, seed=1).values["b"]
    assert one == pytest.approx(two, rel=1e-9)


def test_points_that_take_no_part():
    """A masked point is neither drawn nor fitted."""
    keep = np.arange(X.size) % 7 != 2
    spoilt = np.where(keep, Y, np.nan)
    for kind in ("residual", "pairs", "parametric", "poisson"):
        one = gslfit.fit(DECAY, spoilt, x=X, mask=~keep, **START).bootstrap(50, kind, seed=1)
        two = gslfit.fit(DECAY, Y[keep], x=X[keep], **START).bootstrap(50, kind, seed=1)
        assert one.values["tau"] == pytest.approx(two.values["tau"], rel=1e-9)


def test_parameters():
    """Bounds and expressions hold in each replicate, fixed parameters stay."""
    fit = gslfit.fit(DECAY, Y, bounded(), x=X)
    boot = fit.bootstrap(2000, seed=1)
    assert boot.names == ("A", "tau", "rate")
    assert boot.values["tau"].max() == 1.75
    assert (boot.values["c"] == .5).all()
    assert boot.values["rate"] == pytest.approx(1/boot.values["tau"], rel=1e-14)
    assert boot.derived("A*rate") == pytest.approx(boot.values["A"]/boot.values["tau"], rel=1e-14)
    assert boot.covar.shape == boot.correlation.shape == (2, 2)
    assert boot.percentile(.9, "A/tau")["A/tau"] == pytest.approx(np.quantile(boot.derived("A/tau"), [.05, .95]))


@pytest.mark.parametrize("model", [DECAY, called])
def test_points_without_weight(model):
    """Points of weight 0, which lmfit counts as data, are neither drawn nor fitted."""
    keep = np.arange(X.size) % 7 != 2
    params = lmfit.Parameters()
    for name, value in START.items():
        params.add(name, value)
    fit = (lmfit.models.ExpressionModel(model) if model is DECAY else lmfit.Model(model)).fit(Y, params, x=X, weights=keep*1.0)
    wanted = gslfit.fit(DECAY, Y[keep], x=X[keep], **START)
    for kind in ("residual", "pairs"):
        boot = fit.bootstrap(20, kind, seed=1)
        assert boot.failed == 0
        assert boot.values["tau"] == pytest.approx(wanted.bootstrap(20, kind, seed=1).values["tau"], rel=1e-5)
    assert np.array_equal(np.isfinite(fit.jackknife().values["tau"]), keep)


def test_bounds_of_each_fit():
    """A row of a batch keeps its own bounds, and what varies in it."""
    rows = np.array([Y, Y])
    batch = gslfit.fit_batch(DECAY, rows, x=X, bounds={"tau": ([.1, .1], [1.5, 9.])}, **START)
    most = [batch[k].bootstrap(300, seed=1).values["tau"].max() for k in (0, 1)]
    assert most[0] == 1.5 < most[1]
    batch = gslfit.fit_batch(DECAY, rows, x=X, vary={"c": [False, True]}, **START)
    assert [batch[k].bootstrap(10, seed=1).names for k in (0, 1)] == [("A", "tau"), ("A", "tau", "c")]


@pytest.mark.filterwarnings("ignore:the fit calls Python")
@pytest.mark.parametrize("kind", ["residual", "pairs", "parametric"])
def test_all_entries(kind):
    """Whatever fitted, the same seed gives the same replicates."""
    count, how = 12, {"weights": 1/ERRORS}
    wanted = gslfit.fit(DECAY, Y, x=X, **how, **START).bootstrap(count, kind, seed=3)
    args = (X, Y, ERRORS)
    fits = {"batch": gslfit.fit_batch(DECAY, np.array([Y, Y]), x=X, **how, **START)[1],
            "model": gslfit.Model(DECAY, independent_vars=["x"]).fit(Y, x=X, **how, **START),
            "called": gslfit.fit(called, Y, x=X, **how, **START),
            "called model": gslfit.Model(called).fit(Y, x=X, **how, **START),
            "compiled": gslfit.minimize(residual, parameters(), args, compiled=True),
            "traced": gslfit.minimize(residual, parameters(), args),
            "minimize": gslfit.minimize(untraced, parameters(), args)}
    for name, fit in fits.items():
        boot = fit.bootstrap(count, kind, seed=3)
        for each in NAMES:
            assert boot.values[each] == pytest.approx(wanted.values[each], rel=1e-5), name
        assert boot.failed == 0


def test_a_residual_function_has_no_counts():
    """What only a model can answer is said to need one."""
    for compiled in (False, True):
        fitter = gslfit.minimize(residual, parameters(), (X, Y, ERRORS), compiled=compiled)
        with pytest.raises(NoModelError, match="needs a model"):
            fitter.bootstrap(10, "poisson")
    assert gslfit.Model(called).fit(Y, x=X, **START).bootstrap(5, "poisson", seed=1).failed == 0


def test_seeds():
    """The same seed gives the same replicates, whoever fits them and however many there are; the seed is kept."""
    fit = decay()
    for kind in ("residual", "pairs", "parametric"):
        one = fit.bootstrap(8000, kind, seed=7, threads=1)
        assert np.array_equal(one.values["tau"], fit.bootstrap(8000, kind, seed=7, threads=2).values["tau"])
        assert np.array_equal(one.values["tau"][:100], fit.bootstrap(100, kind, seed=7).values["tau"][:100]) or kind == "parametric"
    free = fit.bootstrap(50)
    assert np.array_equal(free.values["A"], fit.bootstrap(50, seed=free.seed).values["A"])
    assert not np.array_equal(free.values["A"], fit.bootstrap(50).values["A"])
    rng = np.random.default_rng(3)
    assert fit.bootstrap(50, seed=rng).seed is None
    assert np.array_equal(fit.bootstrap(50, seed=np.random.default_rng(3)).values["A"], fit.bootstrap(50, seed=3).values["A"])


def test_replicates_that_fail_are_counted():
    """A replicate with fewer distinct points than parameters, or whose points don't determine them, has no values, and is counted."""
    x = np.array([0., 1., 2., 3., 5.])
    y = 3*np.exp(-x/1.7) + .5 + np.array([.01, -.02, .02, -.01, .01])
    fit = gslfit.fit(DECAY, y, x=x, **START)
    boot, chosen = fit.bootstrap(4000, "pairs", seed=1), drawn(fit, "pairs", 4000, 1).chosen
    few = np.array([np.unique(row).size for row in chosen]) < 3
    assert few.any()
    assert (boot.status[few] == FitStatus.TOO_FEW_POINTS).all()
    assert not boot.good[few].any()
    assert boot.failed == np.count_nonzero(~boot.good) == sum(boot.endings.values())
    assert boot.values["A"].size == 4000 - boot.failed
    assert f"{boot.failed} of 4000 replicates failed" in boot.report()
    assert f"{boot.failed} of 4000 replicates failed" in boot._repr_html_()


@pytest.mark.parametrize("level", [.68, .95])
def test_intervals_against_scipy(level):
    """For the mean of numbers percentile and BCa intervals are SciPy's, of the same replicates."""
    y = np.random.default_rng(2).exponential(size=30)
    boot = gslfit.fit("m + 0*x", y, x=np.arange(30.), m=1.0).bootstrap(5000, "pairs", seed=1)

    class Known:
        bootstrap_distribution = boot.values["m"]
    for method, found in (("percentile", boot.percentile(level)["m"]), ("BCa", boot.bca(level)["m"])):
        wanted = scipy_bootstrap((y,), np.mean, n_resamples=0, confidence_level=level, method=method, bootstrap_result=Known)
        assert found == pytest.approx(tuple(wanted.confidence_interval), rel=1e-6)


def test_bca_on_one_side():
    """Where all replicates lie on one side of the best fit there is no such interval, and a warning says so."""
    boot = decay().bootstrap(100, seed=1)
    boot.best["tau"] = 99.0
    with pytest.warns(gslfit.FitWarning, match="no BCa interval of tau"):
        assert np.isnan(boot.bca()["tau"]).all()
    params = gslfit.Parameters()
    params.add("a", .1, min=0, max=.2)
    boot = gslfit.fit("a + 0*x", Y, params, x=X).bootstrap(100, "pairs", seed=1)
    assert boot.bca()["a"] == boot.percentile()["a"] == (.2, .2)


def test_result_is_kept():
    """A pickle has the replicates, a report, and what BCa needs; a table has a row for each replicate."""
    boot = decay().bootstrap(300, seed=1)
    again = pickle.loads(pickle.dumps(boot))
    assert repr(again) == repr(boot)
    assert again.bca() == boot.bca()
    assert "tau" in boot.report(.68)
    assert "16 %" in boot.report(.68)
    frame = boot.to_frame()
    assert list(frame.columns) == list(NAMES)
    assert len(frame) == 300


def test_progress():
    """The caller's function is told of the replicates that are done, up to all."""
    told = []
    decay().bootstrap(7000, seed=1, progress=told.append)
    assert told == sorted(told)
    assert told[-1] == 7000
    assert len(told) > 1


def test_progress_of_a_function():
    """Where a function is called each replicate is told, and what the function raises comes through."""
    told = []
    fit = gslfit.minimize(untraced, parameters(), (X, Y, ERRORS))
    assert fit.bootstrap(5, seed=1, progress=told.append).failed == 0
    assert told == [1, 2, 3, 4, 5]

    def stops(count):
        raise RuntimeError("enough")
    with pytest.raises(RuntimeError, match="enough"):
        fit.bootstrap(5, seed=1, progress=stops)


def test_refusals():
    """What can't be resampled is said in one line."""
    fit = decay()
    for how, words in (({"n": 1}, "n is 1"), ({"kind": "wild"}, "not one of"), ({"seed": -1}, "seed must be"), ({"threads": 0}, "threads")):
        with pytest.raises(InputError, match=words):
            fit.bootstrap(**how)
    with pytest.raises(InputTypeError, match="seed must be"):
        fit.bootstrap(10, seed="one")
    with pytest.raises(InputError, match="level is 95"):
        fit.bootstrap(10, seed=1).percentile(95)
    with pytest.raises(InputError, match="no parameter|ask"):
        fit.bootstrap(10, seed=1).values["gamma"]
    with pytest.raises(InputError, match="more points than varying parameters"):
        gslfit.fit("a + b*x", Y[:2], x=X[:2], a=0., b=0.).bootstrap(10)
    with pytest.raises(InputTypeError, match=r"such as result\[0\]"):
        gslfit.bootstrap(gslfit.fit_batch(DECAY, Y[None], x=X, **START))
    with pytest.raises(InputTypeError, match="not of int"):
        gslfit.bootstrap(3)
    with pytest.raises(InputError, match="fitted Minimizer"):
        gslfit.Minimizer(residual, gslfit.Parameters()).bootstrap()
    with pytest.raises(InputError, match="does not determine a, b: hold one"):
        gslfit.fit("(a + b)*exp(-x/tau)", Y, x=X, a=1., b=1., tau=1.).bootstrap(10)
    with pytest.raises(InputError, match="did not"):
        decay(max_nfev=1).bootstrap()
    with pytest.raises(InputError, match="data, and they are not there"):
        gslfit.fit_batch(DECAY, Y[None], x=X, keep_data=False, **START)[0].bootstrap()
    with pytest.raises(InputError, match="draws counts from the model, and it is"):
        gslfit.fit("a + b*x", -Y, x=X, a=0., b=0.).bootstrap(10, "poisson")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["residual", "pairs", "parametric"])
def test_coverage(kind):
    """Intervals of 95 % hold the true values so often."""
    rng, x, truth, inside, count = np.random.default_rng(1), np.linspace(0, 5, 100), [3., 1.5, .5], np.zeros(3), 2000
    for k in range(count):
        y = truth[0]*np.exp(-x/truth[1]) + truth[2] + .1*rng.standard_normal(x.size)
        fit = gslfit.fit(DECAY, y, x=x, **START)
        limits = fit.bootstrap(1000, kind, seed=k).percentile(.95)
        inside += [low < true < high for true, (low, high) in zip(truth, limits.values(), strict=True)]
    assert (inside/count >= .93).all()
    assert (inside/count <= .965).all()
