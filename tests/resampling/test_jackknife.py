"""The jackknife against a loop of fits, and what follows from it against algebra."""
import pickle

import numpy as np
import pytest
from resampled import DECAY, ERRORS, LINE, NAMES, START, X, Y, bounded, decay, line, parameters, residual, untraced

import gslfit
from gslfit.errors import InputError


@pytest.mark.parametrize("how", [{}, {"yerr": ERRORS}, {"loss": "huber", "f_scale": .1},
                                 {"yerr": ERRORS, "prior": {"tau": (1.6, .1)}}], ids=["plain", "yerr", "huber", "prior"])
def test_against_a_loop(how):
    """Each fit is that of the data without the point."""
    fit = decay(**how)
    jack = fit.jackknife()
    assert (jack.n, jack.failed) == (X.size, 0)
    for k in range(0, X.size, 3):
        keep = np.arange(X.size) != k
        part = how | ({"yerr": ERRORS[keep]} if "yerr" in how else {})
        one = gslfit.fit(DECAY, Y[keep], x=X[keep], **part, **START)
        assert [jack.values[name][k] for name in NAMES] == pytest.approx([one.values[name] for name in NAMES], rel=1e-6)


def test_correlated_errors():
    """A point takes its row and its column of the covariance with it."""
    ycov = .01*np.exp(-np.abs(np.subtract.outer(X, X))/.5) + .002*np.eye(X.size)
    jack = line(ycov=ycov).jackknife()
    for k in (0, 17):
        keep = np.arange(X.size) != k
        one = gslfit.fit("a + b*x", Y[keep], x=X[keep], a=0., b=0., ycov=ycov[np.ix_(keep, keep)])
        assert jack.values["b"][k] == pytest.approx(one.values["b"], rel=1e-7)


def test_counts():
    """Fits of counts are by the same loss."""
    counts = np.random.default_rng(0).poisson(200*np.exp(-X/2) + 20)
    jack = gslfit.fit(DECAY, counts, x=X, A=150., tau=1.5, c=10., loss="poisson").jackknife()
    keep = np.arange(X.size) != 4
    one = gslfit.fit(DECAY, counts[keep], x=X[keep], A=150., tau=1.5, c=10., loss="poisson")
    assert jack.values["tau"][4] == pytest.approx(one.values["tau"], rel=1e-7)


@pytest.mark.parametrize("function", [residual, untraced])
def test_residual_function(function):
    """A residual function goes without its residuals, one at a time."""
    jack = gslfit.minimize(function, parameters(), (X, Y, ERRORS)).jackknife()
    assert jack.values["tau"] == pytest.approx(decay(yerr=ERRORS).jackknife().values["tau"], rel=1e-6)


def test_moments_of_a_mean():
    """For a mean the standard error is that of textbooks, and the bias 0; for its square the bias is minus its variance."""
    jack = gslfit.fit("m + 0*x", Y, x=X, m=1.0).jackknife()
    variance = Y.var(ddof=1)/Y.size
    assert jack.values["m"] == pytest.approx((Y.sum() - Y)/(Y.size - 1), rel=1e-9)
    assert jack.stderr["m"] == pytest.approx(np.sqrt(variance), rel=1e-6)
    assert jack.covar == pytest.approx(variance, rel=1e-6)
    assert abs(jack.bias["m"]) < 1e-6*jack.stderr["m"]
    squares = jack.derived("m**2")
    assert (Y.size - 1)*(squares.mean() - Y.mean()**2) == pytest.approx(variance, rel=1e-5)


def test_cooks_distance_of_a_line():
    """For a linear model the refits give what the residual and the leverage give."""
    fit = line(yerr=ERRORS)
    white, r = LINE/ERRORS[:, None], (Y - fit.best_fit)/ERRORS
    h = np.sum(white*(white @ np.linalg.inv(white.T @ white)), axis=1)
    variance = np.sum(r**2)/(X.size - 2)
    assert fit.jackknife().cooks_distance == pytest.approx(r**2*h/(1 - h)**2/(2*variance), rel=1e-5)


def test_shape_of_the_data():
    """Values stand where the points do, NaN at those that take no part."""
    rows, columns = np.mgrid[0:6, 0:5].astype(float)
    z = 1 + 2*rows - columns + .1*np.random.default_rng(0).standard_normal(rows.shape)
    mask = np.zeros(z.shape, bool)
    mask[2, 3] = True
    fit = gslfit.fit("a + b*u + c*v", z, x={"u": rows, "v": columns}, mask=mask, a=0., b=0., c=0.)
    jack = fit.jackknife()
    assert jack.n == 29
    assert jack.values["b"].shape == jack.cooks_distance.shape == (6, 5)
    assert np.array_equal(np.isnan(jack.values["b"]), mask)
    one = gslfit.fit("a + b*u + c*v", z, x={"u": rows, "v": columns}, mask=mask | (np.arange(30).reshape(6, 5) == 7), a=0., b=0., c=0.)
    assert jack.values["b"][1, 2] == pytest.approx(one.values["b"], rel=1e-9)


def test_parameters_and_files():
    """Expressions follow, a pickle says the same, and what fails is counted."""
    jack = gslfit.fit(DECAY, Y, bounded(), x=X).jackknife()
    assert jack.names == ("A", "tau", "rate")
    assert jack.values["rate"] == pytest.approx(1/jack.values["tau"])
    assert repr(pickle.loads(pickle.dumps(jack))) == repr(jack)
    assert "Jackknife of 40 points" in jack._repr_html_()
    x = np.array([0., 0., 0., 0., 3.])
    jack = gslfit.fit("a + b*x", np.array([1., 1.1, .9, 1., 2.]), x=x, a=1., b=0.).jackknife()
    assert jack.failed == 1
    assert np.flatnonzero(np.isnan(jack.values["b"])).tolist() == [4]
    assert "1 of 5 fits failed" in jack.report()
    with pytest.raises(InputError, match="more points than varying parameters"):
        gslfit.fit("a + b*x", Y[:2], x=X[:2], a=0., b=0.).jackknife()
