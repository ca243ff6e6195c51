"""Correlated errors, `ycov=`, against generalised least squares by algebra and SciPy's fit with a covariance."""
import pickle

import numpy as np
import pytest
from scipy.optimize import curve_fit as scipy_curve_fit

import gslfit
from gslfit import Model, Parameters, curve_fit, fit, fit_batch
from gslfit.errors import FitStatus, FitWarning, InputError
from gslfit.models import ModelResult

N = 30
TIGHT = {"xtol": 1e-14, "ftol": 1e-14, "gtol": 1e-14}
X = np.linspace(0, 10, N)
TEXT, START = "A*exp(-x/t) + c", {"A": 2.0, "t": 1.5, "c": .5}
C = .0004*np.exp(-np.abs(np.subtract.outer(X, X))/1.5) + np.diag(1e-4*(1 + X))
Y = (3*np.exp(-X/2) + 1 + (np.linalg.cholesky(C) @ np.random.default_rng(1).normal(size=(N, 12))).T)


def decay(x, A, t, c):
    return A*np.exp(-x/t) + c


def slopes(x, A, t, c):
    return np.array([np.exp(-x/t), A*np.exp(-x/t)*x/t**2, np.ones_like(x)]).T


def called(x, A, t, c):
    return A*np.exp(-np.sort(x)/t) + c


def by_scipy(y, keep=slice(None), **how):
    return scipy_curve_fit(decay, X[keep], y[keep], [3, 2, 1], sigma=C[keep][:, keep], absolute_sigma=True, jac=slopes, **TIGHT, **how)


def values(result):
    return [result.values[name] for name in START]


def test_line_by_algebra():
    """A straight line's values, covariance and chi-square are those of generalised least squares."""
    J, inverse = np.array([np.ones(N), X]).T, np.linalg.inv(C)
    y = 1 + .5*X + np.linalg.cholesky(C) @ np.random.default_rng(2).normal(size=N)
    covar = np.linalg.inv(J.T @ inverse @ J)
    best = covar @ J.T @ inverse @ y
    r = y - J @ best
    for scaled in (False, True):
        result = fit("a + b*x", y, x=X, a=0.0, b=0.0, ycov=C, scale_covar=scaled)
        factor = r @ inverse @ r/(N - 2) if scaled else 1.0
        assert result.success and [result.values["a"], result.values["b"]] == pytest.approx(best, rel=1e-9)
        np.testing.assert_allclose(result.covar, covar*factor, rtol=1e-9)
        assert result.chisqr == pytest.approx(r @ inverse @ r) and result.redchi == pytest.approx(r @ inverse @ r/(N - 2))
        assert result.residual == pytest.approx(np.linalg.solve(np.linalg.cholesky(C), -r))
    assert fit("a + b*x", y, x=X, a=0.0, b=0.0, ycov=C).covar == pytest.approx(result.covar)      # scaled, if nothing is said
    known = fit("a + b*x", y, x=X, a=0.0, b=0.0, ycov=C, scale_covar=False)
    limits = dict(known.conf_interval(["b"], sigmas=[.682689492])["b"])
    assert max(limits.values()) - min(limits.values()) > 0
    for chance, limit in known.conf_interval(["b"], sigmas=[.682689492])["b"]:
        assert chance == 0 or abs(limit - best[1]) == pytest.approx(np.sqrt(covar[1, 1]), rel=1e-4)
    band = np.sqrt(np.einsum("ni,ij,nj->n", J, covar, J))
    found = known.eval_uncertainty()
    assert found/found[0] == pytest.approx(band/band[0])
    assert known.eval_uncertainty(kind="prediction") == pytest.approx(found[0]/band[0]*np.hypot(band, np.sqrt(C.diagonal())))
    with pytest.raises(InputError, match="differ from point to point"):
        known.eval_uncertainty(kind="prediction", x=X[:3])


def test_as_scipy():
    """fit, Model.fit, fit_batch and curve_fit come to SciPy's fit, compiled and called."""
    popt, pcov = by_scipy(Y[0])
    errors, model = np.sqrt(pcov.diagonal()), Model(TEXT, independent_vars=["x"])
    how = {"x": X, **START, "scale_covar": False}
    found = [fit(TEXT, Y[0], ycov=C, **how), fit(TEXT, Y[0], yerr=C, **how), model.fit(Y[0], ycov=C, **how), model.fit(Y[0], yerr=C, **how),
             Model(called).fit(Y[0], ycov=C, **how), model.fit(Y[0], ycov=C, method="lmder", **how), fit_batch(TEXT, Y, ycov=C, **how)[0],
             model.fit_batch(Y, ycov=C, **how)[0], fit_batch(TEXT, Y[0], yerr=C, **how)[0]]
    with pytest.warns(FitWarning, match="calls Python"):
        found.append(fit(called, Y[0], ycov=C, **how))
    for result in found:
        assert result.success and (np.abs(np.array(values(result)) - popt) < 3e-6*errors).all()
        np.testing.assert_allclose(result.covar, pcov, rtol=1e-4, atol=1e-6*errors.max()**2)      # of what is called by differences
        assert result.chisqr == pytest.approx(found[0].chisqr, rel=1e-9) and result.redchi == pytest.approx(result.chisqr/(N - 3))
        assert np.abs(result.residual) == pytest.approx(np.abs(found[0].residual), abs=1e-5)
    own, cov = curve_fit(decay, X, Y[0], [2, 1.5, .5], sigma=C, absolute_sigma=True)
    assert own == pytest.approx(popt, rel=1e-7) and cov == pytest.approx(pcov, rel=1e-5)


def test_points_left_out():
    """A mask, a NaN and a pole take their rows and columns with them: the others' covariance is what is left, in every row of a batch."""
    rng = np.random.default_rng(3)
    out = rng.random(Y.shape) < .15
    y = np.where(out, np.nan, Y)
    batches = [fit_batch(TEXT, Y, x=X, **START, ycov=C, mask=out, scale_covar=False),
               fit_batch(TEXT, y, x=X, **START, ycov=C, nan_policy="omit", scale_covar=False)]
    for k in range(4):
        popt, pcov = by_scipy(Y[k], ~out[k])
        singles = [fit(TEXT, Y[k], x=X, **START, ycov=C, mask=out[k], scale_covar=False),
                   fit(TEXT, y[k], x=X, **START, ycov=C, nan_policy="omit", scale_covar=False),
                   Model(TEXT, independent_vars=["x"]).fit(np.ma.array(Y[k], mask=out[k]), x=X, **START, ycov=C, scale_covar=False)]
        for result in (*singles, *(batch[k] for batch in batches)):
            assert values(result) == pytest.approx(popt, rel=1e-6) and result.covar == pytest.approx(pcov, rel=1e-5)
            assert result.ndata == (~out[k]).sum()
            assert np.isnan(np.asarray(result.residual)[out[k]]).all() and np.isfinite(np.asarray(result.residual)[~out[k]]).all()
    pole = fit("a + b/x", Y[0], x=X, a=1.0, b=0.1, ycov=C, nan_policy="omit")
    without = fit("a + b/x", Y[0][1:], x=X[1:], a=1.0, b=0.1, ycov=C[1:, 1:])
    assert pole.values == pytest.approx(without.values) and pole.ndata == N - 1
    broken = C.copy()
    broken[0] = broken[:, 0] = np.nan
    mask = np.arange(N) == 0
    assert fit(TEXT, Y[0], x=X, **START, ycov=broken, mask=mask).values == pytest.approx(fit(TEXT, Y[0][1:], x=X[1:], **START,
                                                                                            ycov=C[1:, 1:]).values)


def test_parameters_bounds_and_losses():
    """Bounds, expressions and fixed values hold as ever; a robust loss takes the whitened residual."""
    params = Parameters()
    params.add("A", 2.0, max=2.9)
    params.add("t", 1.5)
    params.add("c", 1.0, vary=False)
    params.add("half", expr="t*log(2)")
    batch = fit_batch(TEXT, Y[:3], params, x=X, ycov=C)
    for k in range(3):
        one = fit(TEXT, Y[k], params, x=X, ycov=C)
        assert one.success and batch.success[k] and one.values["c"] == 1.0
        for name in params:
            assert batch.values[name][k] == pytest.approx(one.values[name], rel=1e-7)
            assert batch.stderr[name][k] == pytest.approx(one.params[name].stderr if one.params[name].stderr is not None else np.nan,
                                                          rel=1e-5, nan_ok=True)
        assert one.params["half"].stderr == pytest.approx(one.params["t"].stderr*np.log(2))
    hit = Y[0] + 3*(np.arange(N) == 7)
    robust = fit(TEXT, hit, x=X, **START, ycov=C, loss="huber", f_scale=1.345)
    popt = scipy_curve_fit(decay, X, hit, values(robust), sigma=C, method="trf", loss="huber", f_scale=1.345, **TIGHT)[0]
    assert np.abs(np.array(values(robust)) - popt).max() < 1e-6 and robust.loss.name == "huber"
    assert fit_batch(TEXT, [hit], x=X, **START, ycov=C, loss="huber", f_scale=1.345).values["t"][0] == pytest.approx(robust.values["t"])
    with pytest.raises(InputError, match="takes no ycov"):
        fit(TEXT, np.ones(N), x=X, **START, ycov=C, loss="poisson")


def test_refusals():
    """What is no covariance says so, with its eigenvalue; shapes that could mean two things name ycov."""
    least = np.linalg.eigvalsh(C - .001*np.eye(N))[0]
    for bad, words in ((np.ones((N, N)), "singular: its least eigenvalue"), (C - .001*np.eye(N), f"not positive definite.*{least:.4g}"),
                       (C + np.eye(N, k=2), r"not symmetric: \[0, 2\]"), (C[:4, :4], r"\(4, 4\)"), (np.diag([np.inf]*N), "is inf"),
                       (np.zeros((N, N)), "singular")):
        for call in (fit, fit_batch):
            with pytest.raises(InputError, match=words):
                call(TEXT, Y[0], x=X, **START, ycov=bad)
        if bad.shape == (N, N):
            with pytest.raises(InputError, match=words):
                curve_fit(decay, X, Y[0], [2, 1.5, .5], sigma=bad)
    square = np.tile(Y, (3, 1))[:N]
    for y in (square, Y):
        with pytest.raises(InputError, match="ycov"):
            fit_batch(TEXT, y, x=X, **START, yerr=C)
    assert fit_batch(TEXT, square, x=X, **START, weights=np.full((N, N), 30.0)).success.all()
    for more in ({"yerr": .1}, {"weights": 2.0}):
        with pytest.raises(InputError, match="both given"):
            fit(TEXT, Y[0], x=X, **START, ycov=C, **more)
    with pytest.raises(InputError, match="make_params"):
        Model("ycov*exp(-x)").fit(Y[0], x=X, ycov=1.0)
    one, two = (fit(TEXT, Y[0], x=X, **START, ycov=each) for each in (C, 2*C))
    with pytest.raises(InputError, match="different ycov"):
        gslfit.compare(one, two)


def test_kept(tmp_path):
    """Pickles, files and blocks know the covariance; a fit taken up again has it too."""
    result = fit(TEXT, Y[0], x=X, **START, ycov=C)
    again = pickle.loads(pickle.dumps(result))
    assert np.array_equal(again.ycov, C) and again.conf_interval(["t"])["t"] == pytest.approx(np.array(result.conf_interval(["t"])["t"]))
    model = Model(TEXT, independent_vars=["x"])
    fitted = model.fit(Y[0], x=X, **START, ycov=C)
    saved = ModelResult(model, model.make_params()).loads(fitted.dumps())
    assert np.array_equal(saved.ycov, C) and saved.fit().values == pytest.approx(fitted.values, rel=1e-7)
    assert fitted.fit(data=Y[1]).chisqr == pytest.approx(fit(TEXT, Y[1], x=X, **START, ycov=C).chisqr)
    plain = fit_batch(TEXT, Y, x=X, **START, ycov=C)
    stored = fit_batch(TEXT, Y, x=X, **START, ycov=C, out=tmp_path/"folder")
    assert np.allclose(stored.values["t"], plain.values["t"], rtol=1e-9) and np.allclose(stored.covar, plain.covar, rtol=1e-6)
    error = plain.derived("A*t")[1]
    assert error[0] == pytest.approx(result.derived("A*t")[1], rel=1e-5) and plain.eval_uncertainty()[0] == pytest.approx(
        result.eval_uncertainty(), rel=1e-5)


def newton(batch, k, y, factor, names=tuple(START)):
    """Return the exact Gauss-Newton step that is left at a fit's end, in standard errors, and the covariance there."""
    v = {name: batch.values[name][k] for name in START}
    J = factor @ slopes(X, **v)[:, [list(START).index(name) for name in names]]
    covar = np.linalg.inv(J.T @ J)
    return covar @ J.T @ (factor @ (decay(X, **v) - y))/np.sqrt(covar.diagonal()), covar


@pytest.mark.parametrize("instructions", ["base", "v3", "v4"])
def test_lanes(instructions):
    """The lanes come to the minimum of r @ inv(ycov) @ r on their own, whatever they are compiled for; so do GSL's solvers."""
    from gslfit.curves._batch import instruction_set
    y = 3*np.exp(-X/2) + 1 + (np.linalg.cholesky(C) @ np.random.default_rng(5).normal(size=(N, 300))).T
    factor, chosen = np.linalg.inv(np.linalg.cholesky(C)), instruction_set()
    try:
        instruction_set(instructions)
    except InputError:
        pytest.skip(f"this processor has no {instructions}")
    try:
        for how in ({}, {"method": "lanes"}, {"method": "lmsder"}, {"method": "trust"}, {"threads": 3}):
            batch = fit_batch(TEXT, y, x=X, **START, ycov=C, scale_covar=False, **how)
            assert batch.success.all() and (how.get("method", "lanes") != "lanes" or (batch.status == FitStatus.CONVERGED).all())
            assert (batch.nfev.max() < 40) and batch.reason == ""
            for k in range(0, 300, 23):
                step, covar = newton(batch, k, y[k], factor)
                assert np.abs(step).max() < 1e-7
                np.testing.assert_allclose(batch.covar[k], covar, rtol=1e-6)
                r = factor @ (decay(X, **{name: batch.values[name][k] for name in START}) - y[k])
                assert batch.chisqr[k] == pytest.approx(r @ r, rel=1e-9)
    finally:
        instruction_set(chosen)


def test_rows_of_their_own():
    """Rows with other points, with bounds, priors and held parameters of their own are single fits, in the lanes."""
    rng = np.random.default_rng(8)
    out, known = rng.random((40, N)) < .04, rng.random(40) < .5
    y = 3*np.exp(-X/2) + 1 + (np.linalg.cholesky(C) @ rng.normal(size=(N, 40))).T
    low, prior = rng.uniform(1.9, 2.03, 40), {"A": (rng.normal(3, .01, 40), .01)}
    batch = fit_batch(TEXT, y, x=X, **{**START, "t": 2.1, "c": np.where(known, 1.0, .5)}, ycov=C, mask=out, prior=prior,
                      bounds={"t": (low, 2.5)}, vary={"c": ~known})
    assert batch.reason == ""
    for k in range(0, 40, 3):
        params = Parameters()
        params.add("A", 2.0)
        params.add("t", 2.1, min=low[k], max=2.5)
        params.add("c", 1.0 if known[k] else .5, vary=not known[k])
        one = fit(TEXT, y[k], params, x=X, ycov=C, mask=out[k], prior={"A": (prior["A"][0][k], .01)})
        assert one.success and batch.success[k] and batch.ndata[k] == one.ndata and batch[k].nfree == one.nfree
        for name in START:
            error = one.params[name].stderr
            assert abs(batch.values[name][k] - one.values[name]) < 1e-6*(error or 1e-3)
            assert batch.stderr[name][k] == pytest.approx(np.nan if error is None else error, rel=1e-5, nan_ok=True)
    poles = fit_batch("a + b/x", Y, x=np.where(np.arange(N) == 3, 0.0, X + .1), a=1.0, b=.1, ycov=C, nan_policy="omit")
    keep = np.arange(N) != 3
    without = fit_batch("a + b/x", Y[:, keep], x=(X + .1)[keep], a=1.0, b=.1, ycov=C[keep][:, keep])
    np.testing.assert_allclose(poles.values["b"], without.values["b"], rtol=1e-6)
    assert (poles.ndata == N - 1).all()


def test_many_points(monkeypatch):
    """Curves of more points than the lanes whiten at once are fitted by minimize, to the same minimum."""
    from gslfit.curves import correlated, pipeline
    lanes, one = fit_batch(TEXT, Y, x=X, **START, ycov=C), fit(TEXT, Y[0], x=X, **START, ycov=C)
    for module in (correlated, pipeline):
        monkeypatch.setattr(module, "MOST_CORRELATED", N - 1)
    slow = fit_batch(TEXT, Y, x=X, **START, ycov=C)
    for name in START:
        np.testing.assert_allclose(slow.values[name], lanes.values[name], rtol=1e-7)
        np.testing.assert_allclose(slow.stderr[name], lanes.stderr[name], rtol=1e-5)
    assert fit(TEXT, Y[0], x=X, **START, ycov=C).values == pytest.approx(one.values, rel=1e-8)
