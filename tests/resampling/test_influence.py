"""Leverage, studentized residuals and Cook's distance against their definitions, for linear models by fits without each point."""
import pickle

import numpy as np
import pytest
from resampled import DECAY, ERRORS, LINE, START, X, Y, bounded, called, decay, line, parameters, residual, untraced

import gslfit
from gslfit.errors import FitError, InputError


def by_definition(design, y, covariance, scaled):
    """Return what deletion does to a linear model: leverage, deleted residuals in their standard errors, Cook's distance, parameters.

    By generalised least squares with and without each point, statsmodels' and R's definitions.
    """
    n, p = design.shape
    inverse = np.linalg.inv(covariance)

    def solve(keep):
        weight = np.linalg.inv(covariance[np.ix_(keep, keep)])
        normal = design[keep].T @ weight @ design[keep]
        v = np.linalg.solve(normal, design[keep].T @ weight @ y[keep])
        r = y[keep] - design[keep] @ v
        return v, normal, r @ weight @ r/(keep.size - p) if scaled else 1.0
    every = np.arange(n)
    best, normal, s2 = solve(every)
    found = {"cooks_distance": [], "studentized": [], "values": []}
    for k in range(n):
        keep = np.delete(every, k)
        v, _, other = solve(keep)
        found["values"].append(v)
        found["cooks_distance"].append((v - best) @ normal @ (v - best)/(p*s2))
        # what the other points predict at this one, and how sure they are of it
        weight = np.linalg.solve(covariance[np.ix_(keep, keep)], covariance[keep, k])
        row = design[k] - weight @ design[keep]
        variance = covariance[k, k] - weight @ covariance[keep, k]
        normal_without = design[keep].T @ np.linalg.inv(covariance[np.ix_(keep, keep)]) @ design[keep]
        deleted = y[k] - weight @ y[keep] - row @ v
        found["studentized"].append(deleted/np.sqrt(other*(variance + row @ np.linalg.inv(normal_without) @ row)))
    found = {name: np.array(each) for name, each in found.items()}
    hat = design @ np.linalg.inv(normal) @ design.T @ inverse
    return found | {"leverage": np.diag(hat)}


CORRELATED = .01*np.exp(-np.abs(np.subtract.outer(X, X))/.5) + .002*np.eye(X.size)


@pytest.mark.parametrize("how", [{}, {"yerr": ERRORS}, {"yerr": ERRORS, "scale_covar": False}, {"ycov": CORRELATED},
                                 {"ycov": CORRELATED, "scale_covar": False}], ids=["plain", "yerr", "known", "ycov", "known ycov"])
def test_linear_model(how):
    """For a straight line all of it is what fits without each point give."""
    covariance = how.get("ycov", np.diag(np.broadcast_to(how.get("yerr", 1.0), X.shape)**2))
    wanted = by_definition(LINE, Y, covariance, how.get("scale_covar", True))
    found = line(**how).influence()
    if "ycov" not in how:
        assert found.leverage == pytest.approx(wanted["leverage"], rel=1e-7)
        assert found.leverage.sum() == pytest.approx(2)
    assert found.cooks_distance == pytest.approx(wanted["cooks_distance"], rel=1e-6)
    assert found.studentized == pytest.approx(wanted["studentized"], rel=1e-6)
    assert found.values["b"] == pytest.approx(wanted["values"][:, 1], rel=1e-6)
    assert found.dffits == pytest.approx(found.studentized*np.sqrt(found.leverage/(1 - found.leverage)))


def slopes(fit):
    """Return the derivatives of a decay by its parameters."""
    A, tau, _ = fit.values.values()
    return np.column_stack([np.exp(-X/tau), A*X/tau**2*np.exp(-X/tau), np.ones_like(X)])


def test_nonlinear_model():
    """Of a decay they are those of the model's tangent plane, and near to what refits give."""
    fit = decay(yerr=ERRORS)
    J = slopes(fit)/ERRORS[:, None]
    h = np.diag(J @ np.linalg.inv(J.T @ J) @ J.T)
    r = (Y - fit.best_fit)/ERRORS
    found = fit.influence()
    assert found.leverage == pytest.approx(h, rel=1e-8)
    assert found.standardized == pytest.approx(r/np.sqrt(fit.redchi*(1 - h)), rel=1e-7)
    assert found.cooks_distance == pytest.approx(r**2*h/(1 - h)**2/(3*fit.redchi), rel=1e-7)
    for k in range(X.size):
        keep = np.arange(X.size) != k
        step = np.linalg.lstsq(J[keep], r[keep], rcond=None)[0]
        assert found.values["tau"][k] == pytest.approx(fit.values["tau"] + step[1], rel=1e-8)
    jack = fit.jackknife()
    assert found.cooks_distance[1:] == pytest.approx(jack.cooks_distance[1:], rel=.3, abs=.02)


@pytest.mark.filterwarnings("ignore:the fit calls Python")
def test_entries():
    """Whatever fitted, they are the same."""
    wanted = decay(yerr=ERRORS).influence()
    weights = 1/ERRORS
    fits = [gslfit.fit_batch(DECAY, np.array([Y, Y]), x=X, yerr=ERRORS, **START)[1],
            gslfit.fit(called, Y, x=X, weights=weights, **START),
            *(gslfit.Model(model).fit(Y, x=X, weights=weights, **START) for model in (DECAY, called)),
            *(gslfit.minimize(function, parameters(), (X, Y, ERRORS)) for function in (residual, untraced))]
    for fit in fits:
        found = fit.influence()
        for name in ("leverage", "studentized", "cooks_distance"):
            assert getattr(found, name) == pytest.approx(getattr(wanted, name), rel=2e-4, abs=1e-6), name
        assert found.values["tau"] == pytest.approx(wanted.values["tau"], rel=1e-4)


def test_counts_as_a_generalized_linear_model():
    """Counts with a mean that is linear have the leverages and Pearson's residuals of weighted least squares at the fitted means."""
    counts = np.random.default_rng(2).poisson(30 + 12*X).astype(float)
    fit = gslfit.fit("a + b*x", counts, x=X, a=20., b=10., loss="poisson")
    mean = fit.best_fit
    white = LINE/np.sqrt(mean)[:, None]
    h = np.diag(white @ np.linalg.inv(white.T @ white) @ white.T)
    found = fit.influence()
    assert found.leverage == pytest.approx(h, rel=.15)
    assert found.leverage.sum() == pytest.approx(2)
    pearson = (counts - mean)/np.sqrt(mean)
    assert found.standardized == pytest.approx(pearson/np.sqrt(1 - h), rel=.15, abs=.05)
    assert found.values["b"] == pytest.approx(fit.jackknife().values["b"], abs=.05*fit.stderr["b"])


def test_priors_and_bounds():
    """A prior takes its share of the leverage; a parameter at its bound has none."""
    fit = decay(yerr=ERRORS, prior={"tau": (1.6, .02)})
    J = np.vstack([slopes(fit)/ERRORS[:, None], [0, 1/.02, 0]])
    h = np.diag(J @ np.linalg.inv(J.T @ J) @ J.T)
    assert h[-1] > .8
    assert fit.influence().leverage == pytest.approx(h[:-1], rel=1e-7)
    params = bounded()
    params["tau"].max = 1.2
    held = gslfit.fit(DECAY, Y, params, x=X).influence()
    assert held.names == ("A",)
    assert held.leverage.sum() == pytest.approx(1)


def test_points_that_take_no_part():
    """Arrays have the shape of the data."""
    keep = np.arange(X.size) % 9 != 4
    found = gslfit.fit(DECAY, Y, x=X, mask=~keep, **START).influence()
    alone = gslfit.fit(DECAY, Y[keep], x=X[keep], **START).influence()
    assert np.array_equal(np.isfinite(found.cooks_distance), keep)
    assert found.cooks_distance[keep] == pytest.approx(alone.cooks_distance, rel=1e-9)


def test_an_outlier_is_told():
    """The report names the point that moves the fit most; pickles and tables hold the same."""
    y = Y.copy()
    y[5] += 1.5
    found = gslfit.fit(DECAY, y, x=X, **START).influence()
    assert found.worst(1) == [(5,)]
    assert found.report(1).splitlines()[-1].split()[0] == "5"
    assert "Cook" in found._repr_html_()
    assert repr(pickle.loads(pickle.dumps(found))) == repr(found)
    assert found.to_frame()["cooks_distance"].idxmax() == 5


def test_refusals():
    """Robust losses and complex data are sent to the jackknife."""
    with pytest.raises(FitError, match=r"jackknife\(\)"):
        decay(loss="huber").influence()
    params = gslfit.Parameters()
    params.add("a", 1.0)
    fitter = gslfit.minimize(lambda p: p["a"]*np.exp(1j*X) - 2*np.exp(1j*X) - .01*X, params)
    with pytest.raises(InputError, match="complex"):
        fitter.influence()
    assert fitter.jackknife().failed == 0
    assert fitter.bootstrap(20, seed=1).failed == 0
    with pytest.raises(InputError, match="more points"):
        gslfit.fit("a + b*x", Y[:2], x=X[:2], a=0., b=0.).influence()
