"""Priors against algebra and SciPy's fit of data with further rows."""
import pickle
import warnings

import numpy as np
import pytest
from scipy.optimize import least_squares, root

from gslfit import Model, Parameters, fit, fit_batch
from gslfit.errors import FitStatus, FitWarning, InputError, NonFiniteError
from gslfit.models import ModelResult

N = 40
X = np.linspace(0, 6, N)
TEXT, START = "A*exp(-x/t) + c", {"A": 2.0, "t": 1.5, "c": .5}
Y = 3*np.exp(-X/2) + 1 + np.random.default_rng(1).normal(0, .1, (6, N))
PRIOR = {"t": (2.2, .05), "A/c": (2.5, .1)}


def decay(x, A, t, c):
    return A*np.exp(-x/t) + c


def called(x, A, t, c):
    return A*np.exp(-np.sort(x)/t) + c


def augmented(y, mean=2.2, keep=slice(None)):
    """Return SciPy's minimum of data and prior rows, the covariance there, and the rows."""
    found = least_squares(lambda v: np.r_[(decay(X, *v) - y)[keep]/.1, (v[1] - mean)/.05, (v[0]/v[2] - 2.5)/.1], [3, 2, 1],
                          xtol=1e-15, ftol=1e-15, gtol=1e-15, jac="3-point", x_scale="jac")
    return found.x, np.linalg.inv(found.jac.T @ found.jac), found.fun


def values(result):
    return np.array([result.values[name] for name in START])


def test_line_by_algebra():
    """A straight line with a prior on its slope and on a sum has the weighted mean of algebra."""
    y = 1 + .5*X + np.random.default_rng(3).normal(0, .2, N)
    J = np.vstack([np.array([np.ones(N), X]).T/.2, [0, 1/.01], [2/.05, 1/.05]])
    right = np.r_[y/.2, .48/.01, 2.6/.05]
    covar = np.linalg.inv(J.T @ J)
    best = covar @ J.T @ right
    result = fit("a + b*x", y, x=X, a=0.0, b=0.0, yerr=.2, prior={"b": (.48, .01), "2*a + b": (2.6, .05)})
    assert result.success and [result.values["a"], result.values["b"]] == pytest.approx(best, rel=1e-9)
    np.testing.assert_allclose(result.covar, covar, rtol=1e-8)
    r = J @ best - right
    assert result.chisqr == pytest.approx(r @ r) and result.prior_residual == pytest.approx(r[-2:], abs=1e-8)
    assert result.residual == pytest.approx(r[:-2], abs=1e-9) and result.ndata == N + 2 and result.nfree == N
    for chance, limit in result.conf_interval(["b"], sigmas=[.682689492])["b"]:
        assert chance == 0 or abs(limit - best[1]) == pytest.approx(np.sqrt(covar[1, 1]), rel=1e-4)
    report = result.fit_report()
    assert f"2*a + b: 2.6 +/- 0.05 ({r[-1]:+.2f} sd)" in report and "[[Priors]]" in report


def test_every_entry():
    """fit, Model.fit and batches, compiled and called, come to SciPy's minimum of the augmented problem."""
    x, covar, rows = augmented(Y[0])
    errors, model, how = np.sqrt(covar.diagonal()), Model(TEXT, independent_vars=["x"]), {"x": X, **START, "prior": PRIOR}
    batch = fit_batch(TEXT, Y, yerr=.1, **how)
    alone = np.eye(N)*.01
    found = [fit(TEXT, Y[0], yerr=.1, **how), fit(TEXT, Y[0], weights=10.0, scale_covar=False, **how), fit(TEXT, Y[0], ycov=alone, **how),
             model.fit(Y[0], yerr=.1, **how), model.fit(Y[0], yerr=.1, method="lmder", **how), Model(called).fit(Y[0], yerr=.1, **how),
             batch[0], model.fit_batch(Y, yerr=.1, **how)[0], fit_batch(TEXT, Y, ycov=alone, **how)[0],
             fit_batch(TEXT, Y[0], yerr=.1, **how)[0]]
    with pytest.warns(FitWarning, match="Python"):
        found += [fit(called, Y[0], yerr=.1, **how), fit_batch(called, Y[:2], yerr=.1, **how)[0]]
    for k, result in enumerate(found):
        assert result.success, k
        assert (np.abs(values(result) - x) < 1e-5*errors).all(), k
        np.testing.assert_allclose(result.covar, covar, rtol=1e-4, atol=1e-6*errors.max()**2)
        assert result.ndata == N + 2 and result.chisqr == pytest.approx(rows @ rows, rel=1e-8)
        assert result.prior_residual == pytest.approx(rows[-2:], abs=1e-4)
        assert np.abs(result.residual) == pytest.approx(np.abs(rows[:-2]), abs=1e-4)
        assert result.prior == PRIOR
    assert batch.ndata[0] == N + 2 and batch.chisqr[0] == pytest.approx(rows @ rows) and batch.prior_residual.shape == (6, 2)
    assert batch.eval_uncertainty()[0] == pytest.approx(found[0].eval_uncertainty(), rel=1e-6)
    assert batch.derived("A*t")[1][0] == pytest.approx(found[0].derived("A*t")[1], rel=1e-6)
    assert found[3].conf_interval(["t"])["t"] == pytest.approx(np.array(found[0].conf_interval(["t"])["t"]))


def test_arrays_masks_and_parameters(tmp_path):
    """Means of each fit, masks, bounds, expressions and fixed values, and blocks in a file are those of single fits."""
    means, out = np.linspace(1.9, 2.3, 6), np.random.default_rng(4).random(Y.shape) < .1
    params = Parameters()
    params.add("A", 2.0, max=2.95)
    params.add("t", 1.5)
    params.add("c", 1.0)
    params.add("area", expr="A*t")
    prior = {"t": (means, .05), "area": (6.0, np.full(6, .2))}
    batch = fit_batch(TEXT, Y, params, x=X, yerr=.1, prior=prior, mask=out)
    cube = fit_batch(TEXT, Y.reshape(2, 3, N), params, x=X, yerr=.1, mask=out.reshape(2, 3, N),
                     prior={"t": (means.reshape(2, 3), .05), "area": (6.0, np.full((2, 3), .2))})
    stored = fit_batch(TEXT, Y, params, x=X, yerr=.1, prior=prior, mask=out, out=tmp_path/"folder")
    for k in range(6):
        one = fit(TEXT, Y[k], params, x=X, yerr=.1, prior={"t": (means[k], .05), "area": (6.0, .2)}, mask=out[k])
        assert batch.success[k] and one.success
        for name in params:
            assert batch.values[name][k] == pytest.approx(one.values[name], rel=1e-7)
            assert cube.values[name].reshape(-1)[k] == batch.values[name][k] == stored.values[name][k]
            if one.params[name].stderr is not None:
                assert batch.stderr[name][k] == pytest.approx(one.params[name].stderr, rel=1e-5)
        assert batch.chisqr[k] == pytest.approx(one.chisqr) and batch[k].chisqr == pytest.approx(one.chisqr)
        assert batch.ndata[k] == one.ndata == (~out[k]).sum() + 2
        assert np.isnan(np.asarray(one.residual)[out[k]]).all() and one.residual.shape == (N,)
    again = pickle.loads(pickle.dumps(batch))
    assert np.array_equal(again.prior_residual, batch.prior_residual) and again[2].prior == batch[2].prior
    x, _, _ = augmented(Y[0], keep=~out[0])
    assert (np.abs(values(fit(TEXT, Y[0], x=X, **START, yerr=.1, prior=PRIOR, mask=out[0])) - x) < 1e-6).all()


def test_counts():
    """Counts with priors end at the zero of their score, with Fisher's information and the priors' for errors."""
    k = np.random.default_rng(5).poisson(decay(X, 30, 2, 5), (3, N)).astype(float)
    model = Model(TEXT, independent_vars=["x"])
    how = {"x": X, "A": 20, "t": 1.5, "c": 3, "loss": "poisson", "prior": {"t": (2.3, .1)}}
    batch = fit_batch(TEXT, k, **how)
    for place, result in enumerate([fit(TEXT, k[0], **how), model.fit(k[0], **how), batch[0], batch[1]]):
        y = k[1] if place == 3 else k[0]

        def parts(v, y=y):
            m = decay(X, *v)
            return m, np.array([np.exp(-X/v[1]), v[0]*np.exp(-X/v[1])*X/v[1]**2, np.ones(N)])

        def score(v, y=y):
            m, J = parts(v)
            return J @ (1 - y/m) + [0, (v[1] - 2.3)/.01, 0]
        exact = root(score, values(result), tol=1e-14).x
        m, J = parts(exact)
        covar = np.linalg.inv(J/m @ J.T + np.diag([0, 100.0, 0]))
        assert result.success and (np.abs(values(result) - exact) < 1e-7*np.sqrt(covar.diagonal())).all()
        np.testing.assert_allclose(result.covar, covar, rtol=1e-5, atol=1e-9)
        deviance = 2*np.sum(m - y + np.where(y > 0, y*np.log(np.where(y > 0, y, 1)/m), 0))
        assert result.chisqr == pytest.approx(deviance + ((exact[1] - 2.3)/.1)**2, rel=1e-7) and result.ndata == N + 1


def test_saved():
    """Pickles and JSON keep the priors; a second fit has them still."""
    model = Model(TEXT, independent_vars=["x"])
    result = model.fit(Y[0], x=X, **START, yerr=.1, prior=PRIOR)
    for again in (pickle.loads(pickle.dumps(result)), ModelResult(model, model.make_params()).loads(result.dumps())):
        assert again.prior == PRIOR and again.prior_residual == pytest.approx(result.prior_residual)
        assert again.chisqr == pytest.approx(result.chisqr)
    before = dict(result.values)
    assert result.fit().values == pytest.approx(before, rel=1e-7) and result.ndata == N + 2


def test_refusals():
    """Errors that aren't known, robust losses, and what is no prior are refused in a line."""
    how = {"x": X, **START}
    for more, words in (({}, "give yerr or ycov"), ({"weights": 10.0}, "scale_covar=False too"),
                        ({"yerr": .1, "scale_covar": True}, "estimates them"),
                        ({"yerr": .1, "loss": "huber"}, "loss='huber'")):
        for call in (fit, fit_batch, lambda _, y, **rest: Model(TEXT, independent_vars=["x"]).fit(y, **rest),
                     lambda _, y, **rest: Model(TEXT, independent_vars=["x"]).fit_batch(y, **rest)):
            with pytest.raises(InputError, match=words):
                call(TEXT, Y[0], prior=PRIOR, **how, **more)
    for prior, words in (({"q": (1, 1)}, "'q' is no parameter"), ({"1 + 1": (1, 1)}, "no parameter in it"),
                         ({"t": 1}, "(mean, sd) is needed"), ({"t": (1, 0)}, "above 0"), ({"t": (np.nan, 1)}, "finite"),
                         ({"t": ([1, 2], 1)}, "has the shape"), ({3: (1, 1)}, "keys"),
                         ({"t": (1, 2, 3)}, "is needed")):
        with pytest.raises(InputError, match=words.replace("(", r"\(").replace(")", r"\)")):
            fit(TEXT, Y[0], yerr=.1, prior=prior, **how)
    assert fit(TEXT, Y[0], yerr=.1, prior={}, **how).values == fit(TEXT, Y[0], yerr=.1, **how).values


def test_start_of_a_prior():
    """A prior that is not finite at the start, or too far away for counts, is named, not a point that the caller doesn't have."""
    counts, model = np.random.default_rng(4).poisson(decay(X, 30, 2, 5)), Model(TEXT, independent_vars=["x"])
    for call in (lambda y, **how: fit(TEXT, y, x=X, **how), lambda y, **how: model.fit(y, x=X, **how)):
        for more in ({"loss": "poisson"}, {"yerr": 5.0}):
            with pytest.raises(InputError, match=r"prior\['A/c'\]: it is not finite at the start values"):
                call(counts, A=30.0, t=2.0, c=0.0, prior={"A": (30, 1), "A/c": (6, 1)}, **more)
        with pytest.raises(InputError, match=r"prior\['c'\]: its start is 1e\+09 standard deviations below its mean"):
            call(counts, A=30.0, t=2.0, c=5.0, prior={"c": (1e9, 1)}, loss="poisson")


@pytest.mark.parametrize("model", [TEXT, called])
def test_prior_without_a_value_at_the_start(model):
    """By nan_policy="omit" data are left out where the model isn't finite, a prior never: the fit would be another one, unsaid."""
    given = {"x": X, "yerr": .1, "prior": {"log(A)": (np.log(3), .1)}, "nan_policy": "omit", "t": 1.5, "c": .5}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FitWarning)
        batch = fit_batch(model, Y[:3], A=np.array([2., -2., 1.5]), **given)
        alone = [fit(model, Y[k], A=2.0, **given) for k in (0, 2)]
        with pytest.raises(NonFiniteError, match=r"prior\['log\(A\)'\]: it is not finite at the start"):
            fit(model, Y[1], A=-2.0, **given)
        with pytest.raises(NonFiniteError, match=r"prior\['log\(A\)'\]: it is not finite at the start values of fit 1"):
            fit_batch(model, Y[:3], A=np.array([2., -2., 1.5]), **{**given, "nan_policy": "raise"})
    assert batch.status.tolist()[1] == FitStatus.BAD_DATA and np.isnan([batch.values["A"][1], batch.stderr["t"][1]]).all()
    for k, one in zip((0, 2), alone, strict=True):
        assert batch.success[k] and batch.ndata[k] == one.ndata == N + 1
        assert abs(batch.values["A"][k] - one.values["A"]) < 1e-6*one.params["A"].stderr
