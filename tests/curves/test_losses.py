"""Losses: counts by their deviance and robust losses, in `fit` and `fit_batch`, against SciPy and the zeros of exact scores."""
import pickle

import numpy as np
import pytest
from scipy.optimize import least_squares
from scipy.optimize._lsq.least_squares import construct_loss_function

import gslfit
from gslfit import FitError, Formula, Parameters, fit, fit_batch
from gslfit.curves._batch import instruction_set
from gslfit.errors import FitStatus, InputError
from gslfit.objective._loss import BENT, ERRORS, STEP, rows
from gslfit.objective.loss import MAD, ROBUST, TUNED

SCIPY = ["soft_l1", "huber", "cauchy", "arctan"]
X = np.linspace(0, 10, 80)
DECAY, START = "A*exp(-x/t) + c", {"A": 2.0, "t": 1.5, "c": .5}
PEAK, NAMES = "A*exp(-(x - c)**2/(2*s**2)) + b", ["A", "c", "s", "b"]


def decay(v, x=X):
    return v[0]*np.exp(-x/v[1]) + v[2]


def decay_slopes(v, x=X):
    e = np.exp(-x/v[1])
    return np.array([e, v[0]*e*x/v[1]**2, np.ones_like(x)]).T


def outliers(rng, *shape):
    """Return decays with noise of .05, a tenth of whose points lie 1 to 4 too high."""
    y = decay([3, 2, 1]) + rng.normal(0, .05, (*shape, X.size))
    return y + (rng.random(y.shape) < .1)*rng.uniform(1, 4, y.shape)


def peak(v, x):
    return v[0]*np.exp(-.5*((x - v[1])/v[2])**2) + v[3]


def peak_slopes(v, x):
    e, u = np.exp(-.5*((x - v[1])/v[2])**2), (x - v[1])/v[2]
    return np.array([e, v[0]*e*u/v[2], v[0]*e*u*u/v[2], np.ones_like(x)]).T


def columns(result, names, place=...):
    return np.array([np.asarray(result[name])[place] for name in names])


@pytest.fixture(params=["v4", "v3", "base"])
def every_set(request):
    before = instruction_set()
    try:
        instruction_set(request.param)
    except InputError:
        pytest.skip(f"no {request.param} here")
    yield
    instruction_set(before)


@pytest.mark.parametrize("loss", SCIPY)
def test_shapes(loss, every_set):
    """Costs, slopes and curvatures are those of SciPy's losses, of residuals near and far."""
    rng = np.random.default_rng(2)
    value, y, w = rng.normal(0, 2, 43), rng.normal(0, 1, 43), rng.uniform(.5, 2, 43)
    value[:3] = y[:3] + [0, 1e-3, 1e12]
    r = (value - y)*w
    rho = construct_loss_function(r.size, loss, .7)(r)
    residual, slope, cost = rows(loss, BENT, value, y, w, .7)
    assert cost == pytest.approx(rho[0].sum(), rel=1e-13)
    np.testing.assert_allclose(residual, np.sign(r)*np.sqrt(rho[0]), rtol=1e-9)
    np.testing.assert_allclose(residual*slope, rho[1]*r*w, rtol=1e-12)
    slope, curvature, _ = rows(loss, STEP, value, y, w, .7)
    np.testing.assert_allclose(slope, rho[1]*r*w, rtol=1e-12)
    # SciPy has the second derivative by z in units of 1/f_scale^2
    exact = (rho[1] + 2*rho[2]*r**2)*w**2
    assert (curvature >= exact - 1e-12).all() and (curvature >= 0).all()
    squares, curvature, square = rows(loss, ERRORS, value, y, w, .7)
    np.testing.assert_allclose(curvature, exact, atol=1e-12, rtol=1e-9)
    np.testing.assert_allclose(squares, (rho[1]*r*w)**2, rtol=1e-12)
    assert square == pytest.approx(r @ r, rel=1e-14)


def test_deviance(every_set):
    """The deviance has its digits where counts are many and where they are none; a mean that is not positive has none."""
    import mpmath
    y = np.array([0, 0, 1, 5, 100, 1e6, 1e12, 1e6, 3])
    m = np.array([0, .5, 1e-9, 5.1, 99, 1.001e6, 1e12 + 1e5, 2, 3])
    residual, slope, cost = rows("poisson", BENT, m, y)
    with mpmath.workdps(50):
        exact = [2*(mpmath.mpf(a) - b + (b*mpmath.log(mpmath.mpf(b)/a) if b else 0)) for a, b in zip(m.tolist(), y.tolist(), strict=True)]
        np.testing.assert_allclose(residual**2, [float(each) for each in exact], rtol=1e-11)
    assert cost == pytest.approx(float(sum(exact)), rel=1e-11)
    np.testing.assert_allclose((residual*slope)[1:-1], (m - y)[1:-1]/m[1:-1], rtol=1e-11)
    assert slope[-1] == pytest.approx(1/np.sqrt(3))
    for mean, count in ((-1, 0), (0, 2), (-1, 3), (np.nan, 1)):
        assert np.isnan(rows("poisson", BENT, [mean], [count])[2])
    assert rows("poisson", BENT, [-1.0, 5.0], [3.0, 5.0], [0.0, 1.0])[2] == 0


@pytest.mark.parametrize("level", [.3, 3, 100, 1e4, 1e6])
def test_counts(level):
    """Fits of counts end within 1e-7 of an error of the score's zero, and have Fisher's errors."""
    rng, x = np.random.default_rng(int(level)), np.arange(60.0)
    truth = np.array([4*level, 30, 6, level])
    y = rng.poisson(peak(truth, x), (16, 60)).astype(float)
    many = fit_batch(PEAK, y, x=x, start=dict(zip(NAMES, truth*[.7, 1.03, 1.2, 1.3], strict=True)), loss="poisson")
    assert many.success.mean() > (.7 if level < 1 else .99)
    for k in np.flatnonzero(many.success):
        v, errors = columns(many.values, NAMES, k), columns(many.stderr, NAMES, k)
        if not np.isfinite(errors).all():
            continue
        m, J = peak(v, x), peak_slopes(v, x)
        fisher = np.linalg.inv(J.T @ (J/m[:, None]))
        np.testing.assert_allclose(errors, np.sqrt(fisher.diagonal()), rtol=1e-6)
        if level < 1:               # where Fisher's scoring, which is the oracle, need not converge
            assert np.abs(J.T @ (y[k]/m - 1)*errors).max() < 1e-6
            continue
        exact = v.copy()
        for _ in range(40):
            m, J = peak(exact, x), peak_slopes(exact, x)
            exact += np.linalg.solve(J.T @ (J/m[:, None]), J.T @ (y[k]/m - 1))
        assert (np.abs(v - exact) < 1e-7*errors).all()
        deviance = 2*np.sum(m - y[k] + np.where(y[k] > 0, y[k]*np.log(np.where(y[k] > 0, y[k], 1)/m), 0))
        assert many.chisqr[k] == pytest.approx(deviance, rel=1e-9) and many.cost[k] == pytest.approx(deviance/2, rel=1e-9)
    if many.success[0]:
        one = fit(PEAK, y[0], x=x, start=dict(zip(NAMES, truth, strict=True)), loss="poisson")
        assert one.success and columns(one.values, NAMES) == pytest.approx(columns(many.values, NAMES, 0), rel=1e-7)
        assert one.residual == pytest.approx(many[0].residual, rel=1e-6, abs=1e-6) and one.chisqr == pytest.approx(many.chisqr[0])


def test_cold_counts():
    """Amplitudes up to 1e6 off lead to the same minimum."""
    rng, x = np.random.default_rng(8), np.arange(60.0)
    y = rng.poisson(peak([400, 30, 6, 50], x)).astype(float)
    right = fit(PEAK, y, x=x, A=400, c=30, s=6, b=50, loss="poisson")
    for factor in (1e-6, 1e-3, 1e3, 1e6):
        cold = fit(PEAK, y, x=x, A=400*factor, c=29, s=5, b=50*factor, loss="poisson")
        assert cold.success and cold.cost == pytest.approx(right.cost, rel=1e-9)


def test_counts_refused():
    """What can't be counts, and what has no likelihood, is said in a line."""
    x, y = np.arange(20.0), np.full(20, 5.0)
    for how in ({"yerr": 1.0}, {"weights": 2.0}):
        with pytest.raises(InputError, match="takes no"):
            fit("b + 0*x", y, x=x, b=1.0, loss="poisson", **how)
    bad = y.copy()
    bad[7] = -1
    with pytest.raises(InputError, match="at 7: loss=.poisson. is for counts"):
        fit("b + 0*x", bad, x=x, b=1.0, loss="poisson")
    with pytest.raises(InputError, match=r"\(1, 7\)"):
        fit_batch("b + 0*x", [y, bad], x=x, b=1.0, loss="poisson")
    assert fit("b + 0*x", bad, x=x, b=1.0, loss="poisson", mask=bad < 0).ndata == 19
    with pytest.raises(InputError, match="zero or negative at 20 of 20"):
        fit("-exp(b + 0*x)", y, x=x, b=1.0, loss="poisson")
    assert fit_batch("-exp(b + 0*x)", [y], x=x, b=1.0, loss="poisson").status[0] == FitStatus.NOT_POSITIVE


@pytest.mark.parametrize("loss_of", [fit, lambda text, y, **how: fit_batch(text, y[None], **how)[0]], ids=["fit", "fit_batch"])
def test_no_counts_where_none_are_expected(loss_of):
    """Where the model is 0, 0 counts are certain: such a point tells nothing, and the others decide."""
    x, y = np.arange(10.0), np.array([0, 1, 3, 2, 5, 4, 7, 6, 8, 10.0])
    found = loss_of("b*x", y, x=x, b=2.0, loss="poisson")
    assert found.success
    assert found.params["b"].value == pytest.approx(y.sum()/x.sum(), rel=1e-9)
    assert found.params["b"].stderr == pytest.approx(np.sqrt(y.sum())/x.sum(), rel=1e-6)


def test_counts_of_any_kind():
    """Whole numbers, scaled counts, masks and long curves: zeros are data, and a mask leaves out what it would with fewer points."""
    rng, x = np.random.default_rng(4), np.linspace(0, 10, 6000)
    y = rng.poisson(peak([3, 5, 1, .5], x))
    start = {"A": 2.0, "c": 4.8, "s": 1.2, "b": 1.0}
    plain = fit_batch(PEAK, y[None], x=x, start=start, loss="poisson")
    short = fit(PEAK, y.astype(float), x=x, start=start, loss="poisson")
    assert plain.success[0] and columns(plain.values, NAMES, 0) == pytest.approx(columns(short.values, NAMES), rel=1e-7)
    assert columns(plain.stderr, NAMES, 0) == pytest.approx(columns(short.stderr, NAMES), rel=1e-6)
    scaled = fit(PEAK, y*1e-3, x=x, start={**start, "A": 2e-3, "b": 1e-3}, loss="poisson")
    assert scaled.values["A"] == pytest.approx(short.values["A"]*1e-3, rel=1e-7)
    out = rng.random(x.size) < .3
    kept = fit(PEAK, y[~out], x=x[~out], start=start, loss="poisson")
    masked = fit_batch(PEAK, [y[:4000], y[:4000]], x=x[:4000], start=start, loss="poisson", mask=out[:4000])
    few = fit_batch(PEAK, [y[:4000][~out[:4000]]], x=x[:4000][~out[:4000]], start=start, loss="poisson")
    assert columns(masked.values, NAMES, 1) == pytest.approx(columns(few.values, NAMES, 0), rel=1e-7)
    assert fit(PEAK, y, x=x, start=start, loss="poisson", mask=out).chisqr == pytest.approx(kept.chisqr)


def test_profiles_of_counts():
    """Intervals of counts are those of the deviance: of a constant, where it rises by 1."""
    y = np.random.default_rng(1).poisson(3.0, 30).astype(float)
    result = fit("b + 0*x", y, x=np.arange(30.0), b=2.0, loss="poisson")
    mean = y.mean()
    assert result.values["b"] == pytest.approx(mean) and result.params["b"].stderr == pytest.approx(np.sqrt(mean/30))
    limits = [value for _, value in result.conf_interval(sigmas=[.682689])["b"]]
    assert limits[0] < mean < limits[-1]
    for limit in (limits[0], limits[-1]):
        assert 2*30*(limit - mean + mean*np.log(mean/limit)) == pytest.approx(1, rel=1e-3)


@pytest.mark.parametrize("loss", SCIPY)
def test_as_scipy(loss):
    """Values within 1e-6 of an error of SciPy's minimum, cost SciPy's, errors the sandwich's; single fits as those of a batch."""
    y = outliers(np.random.default_rng(7), 24)
    many = fit_batch(DECAY, y, x=X, start=START, loss=loss, f_scale=.15)
    assert many.success.all()
    for k in range(len(y)):
        v, errors = columns(many.values, START, k), columns(many.stderr, START, k)
        right = least_squares(lambda p, k=k: decay(p) - y[k], v, decay_slopes, loss=loss, f_scale=.15, xtol=1e-14, ftol=1e-14, gtol=1e-14,
                              x_scale="jac")
        assert many.cost[k] == pytest.approx(right.cost, rel=1e-10) and (np.abs(v - right.x) < 1e-6*errors).all()
        r, J = decay(v) - y[k], decay_slopes(v)
        rho = construct_loss_function(r.size, loss, .15)(r)
        bread = np.linalg.inv(J.T @ (J*(rho[1] + 2*rho[2]*r**2)[:, None]))
        covar = bread @ (J.T @ (J*(rho[1]*r)[:, None]**2)) @ bread*X.size/(X.size - 3)
        np.testing.assert_allclose(errors, np.sqrt(covar.diagonal()), rtol=1e-5)
        np.testing.assert_allclose(many.covar[k], covar, rtol=1e-4)
        assert many.chisqr[k] == pytest.approx(r @ r, rel=1e-9)
    one = fit(DECAY, y[3], x=X, start=START, loss=loss, f_scale=.15)
    assert one.success and columns(one.values, START) == pytest.approx(columns(many.values, START, 3), rel=1e-8)
    assert columns(one.stderr, START) == pytest.approx(columns(many.stderr, START, 3), rel=1e-6)
    assert one.residual == pytest.approx(decay(columns(one.values, START)) - y[3]) and one.cost == pytest.approx(many.cost[3])
    assert many[3].cost == pytest.approx(many.cost[3]) and many[3].covar == pytest.approx(many.covar[3])
    assert one.aic == pytest.approx(X.size*np.log(2*one.cost/X.size) + 6)


def test_weights_and_scale():
    """Weights multiply the residual before it is bent; a scale far above all residuals is least squares, but for the errors."""
    y = outliers(np.random.default_rng(9))
    yerr = np.where(X < 5, .05, .1)
    one = fit(DECAY, y, x=X, yerr=yerr, start=START, loss="huber", f_scale=1.345)
    right = least_squares(lambda p: (decay(p) - y)/yerr, columns(one.values, START), loss="huber", f_scale=1.345, xtol=1e-14, ftol=1e-14,
                          gtol=1e-14, x_scale="jac")
    assert columns(one.values, START) == pytest.approx(right.x, rel=1e-6)
    batch = fit_batch(DECAY, [y], x=X, yerr=yerr, start=START, loss="huber", f_scale=1.345)
    assert columns(batch.values, START, 0) == pytest.approx(columns(one.values, START), rel=1e-7)
    plain = fit(DECAY, y, x=X, start=START)
    for loss in ROBUST:
        wide = fit(DECAY, y, x=X, start=START, loss=loss, f_scale=1e6)
        assert wide.success and columns(wide.values, START) == pytest.approx(columns(plain.values, START), rel=1e-6)
        assert wide.cost == pytest.approx(plain.cost, rel=1e-6)
        J, r = decay_slopes(columns(plain.values, START)), plain.residual
        inverse = np.linalg.inv(J.T @ J)
        np.testing.assert_allclose(wide.covar, inverse @ (J.T @ (J*r[:, None]**2)) @ inverse*80/77, rtol=1e-5)


def test_tukey():
    """Points beyond Tukey's scale are as good as left out: the fit begins at Huber's end, whatever the start."""
    rng = np.random.default_rng(3)
    y = outliers(rng, 10)
    result = fit_batch(DECAY, y, x=X, start=START, loss="tukey", f_scale=.4)
    far = np.abs(decay(np.array([3, 2, 1])) - y) > .5
    for k in range(10):
        v = columns(result.values, START, k)
        r = decay(v) - y[k]
        score = decay_slopes(v).T @ (np.where(np.abs(r) < .4, (1 - (r/.4)**2)**2, 0)*r)
        assert np.abs(score).max() < 1e-8 and (np.abs(v - [3, 2, 1]) < 5*columns(result.stderr, START, k)).all()
        clean = fit(DECAY, y[k], x=X, start=START, mask=far[k])
        assert (np.abs(v - columns(clean.values, START)) < columns(clean.stderr, START)).all()
    assert result[0].init_values == START


def test_mad():
    """The scale is 1.48 times the median absolute residual of Huber's fit with that scale, tuned to 95 % of efficiency."""
    y = outliers(np.random.default_rng(5), 6)
    huber = fit_batch(DECAY, y, x=X, start=START, loss="huber", f_scale="mad")
    assert huber.success.all() and ((huber.data.f_scale > .04) & (huber.data.f_scale < .12)).all()
    cauchy = fit_batch(DECAY, y, x=X, start=START, loss="cauchy", f_scale="mad")
    for k in range(6):
        own = huber.data.f_scale[k]
        assert own == pytest.approx(TUNED["huber"]*MAD*np.median(np.abs(huber[k].residual)), rel=1e-5)
        assert cauchy.data.f_scale[k] == pytest.approx(own*TUNED["cauchy"]/TUNED["huber"], rel=1e-6)
    one = fit(DECAY, y[2], x=X, start=START, loss="huber", f_scale="mad")
    assert one.loss.f_scale == pytest.approx(huber.data.f_scale[2], rel=1e-6)
    assert fit(DECAY, y[2], x=X, start=START, loss="huber", f_scale=one.loss.f_scale).values == pytest.approx(one.values, rel=1e-7)


def test_many_columns():
    """Nine parameters, whose sums are taken in tiles, and long curves end as SciPy does."""
    rng, x = np.random.default_rng(6), np.random.default_rng(7).uniform(0, 7, 5000)
    names = [f"p{k}" for k in range(9)]
    text = " + ".join(f"p{k}*exp(-(x - {k})**2)" for k in range(8)) + " + exp(-p8*x)"

    def curve(v, x):
        return sum(v[k]*np.exp(-(x - k)**2) for k in range(8)) + np.exp(-v[8]*x)
    y = curve([*range(1, 9), .3], x) + rng.standard_t(2, x.size)*.1
    for n in (300, 5000):
        result = fit_batch(text, y[None, :n], x=x[:n], start=dict.fromkeys(names, 0.5), loss="soft_l1", f_scale=.1)
        v = columns(result.values, names, 0)
        right = least_squares(lambda v, n=n: curve(v, x[:n]) - y[:n], v, loss="soft_l1", f_scale=.1, xtol=1e-15, ftol=1e-15, gtol=1e-15,
                              jac="3-point")
        assert result.success[0] and result.cost[0] == pytest.approx(right.cost, rel=1e-10)
        assert (np.abs(v - right.x) < 1e-5*columns(result.stderr, names, 0)).all()


@pytest.mark.parametrize("loss", [*ROBUST, "poisson"])
def test_bounds_and_expressions(loss):
    """Bounds hold, and expressions have errors, as in any fit."""
    rng = np.random.default_rng(2)
    y = rng.poisson(decay([60, 2, 9])).astype(float)
    params = Parameters()
    params.add("A", 40, max=50)
    params.add("t", 1.5, min=.1)
    params.add("c", 5)
    params.add("half", expr="t*log(2)")
    for result in (fit(DECAY, y, params, x=X, loss=loss, f_scale=9), fit_batch(DECAY, y[None], params, x=X, loss=loss, f_scale=9)[0]):
        assert result.status == FitStatus.AT_BOUND and result.params["A"].value == 50 and result.params["A"].stderr is None
        assert result.params["half"].stderr == pytest.approx(result.params["t"].stderr*np.log(2), rel=1e-7)
        held = fit(DECAY.replace("A", "50"), y, x=X, t=1.5, c=5.0, loss=loss, f_scale=9)
        assert [result.values[name] for name in "tc"] == pytest.approx([held.values[name] for name in "tc"], rel=1e-6)


def test_coverage():
    """One standard error of robust fits holds the truth in 68 % of heavy-tailed data."""
    rng, hits = np.random.default_rng(4), {}
    y = 1 - 2*X + .05*rng.standard_t(3, (2000, X.size))
    for loss in ROBUST:
        result = fit_batch("a + b*x", y, x=X, a=0, b=0, loss=loss, f_scale=.3 if loss == "tukey" else .1)
        inside = [np.abs(result.values[name] - right) < result.stderr[name] for name, right in (("a", 1), ("b", -2))]
        hits[loss] = np.mean(inside)
    assert all(.64 < share < .72 for share in hits.values()), hits


def test_refusals():
    """Profiles and F-tests of robust fits name what to do instead; options that can't be are InputErrors."""
    y = outliers(np.random.default_rng(1))
    result = fit(DECAY, y, x=X, start=START, loss="huber", f_scale=.1)
    for ask in (result.conf_interval, lambda: result.conf_interval2d("A", "t"), lambda: gslfit.conf_interval(result)):
        with pytest.raises(FitError, match="bootstrap"):
            ask()
    with pytest.raises(InputError, match="no chi-square"):
        gslfit.compare(result, result)
    for how in ({"loss": "hubert"}, {"loss": "huber", "f_scale": 0}, {"loss": "huber", "f_scale": "sd"}):
        with pytest.raises(InputError):
            fit(DECAY, y, x=X, start=START, **how)
    with pytest.raises(InputError, match="start={'loss': ...}"):
        fit(Formula("loss*exp(-x)"), np.exp(-X), x=X, loss=1.0)


def test_kept(tmp_path):
    """Cost and scale come back from files, pickles and blocks."""
    y = outliers(np.random.default_rng(1), 7)
    result = fit_batch(DECAY, y, x=X, start=START, loss="cauchy", f_scale="mad")
    result.save(tmp_path/"r.npz")
    for again in (gslfit.BatchResult.load(tmp_path/"r.npz"), pickle.loads(pickle.dumps(result)),
                  fit_batch(DECAY, y, x=X, start=START, loss="cauchy", f_scale="mad", out=tmp_path/"folder")):
        assert np.array_equal(again.cost, result.cost) and np.array_equal(again.data.f_scale, result.data.f_scale)
        assert again.data.loss == "cauchy" and np.array_equal(again.covar, result.covar)
    assert pickle.loads(pickle.dumps(fit(DECAY, y[0], x=X, start=START, loss="cauchy"))).cost > 0
