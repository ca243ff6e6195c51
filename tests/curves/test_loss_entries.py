"""`loss=` in `curve_fit`, `Model.fit`, `Model.fit_batch` and in what is called: the fits of `fit`, in `curve_fit` with SciPy's errors."""
import numpy as np
import pytest
from scipy.optimize import curve_fit as scipy_curve_fit

import gslfit
from gslfit import FitError, Model, curve_fit, fit, fit_batch
from gslfit.errors import FitWarning, InputError, NonFiniteError
from gslfit.models import ConstantModel, GaussianModel, ModelResult

SCIPY = ["soft_l1", "huber", "cauchy", "arctan"]
X = np.linspace(0, 10, 80)
TEXT, START = "A*exp(-x/t) + c", {"A": 2.0, "t": 1.5, "c": .5}
TIGHT = {"xtol": 1e-14, "ftol": 1e-14, "gtol": 1e-14, "method": "trf"}


def decay(x, A, t, c):
    return A*np.exp(-x/t) + c


def called(x, A, t, c):
    return A*np.exp(-np.sort(x)/t) + c


def outliers(seed, *shape):
    rng = np.random.default_rng(seed)
    y = decay(X, 3, 2, 1) + rng.normal(0, .05, (*shape, X.size))
    return y + (rng.random(y.shape) < .1)*rng.uniform(1, 4, y.shape)


def counts(seed):
    return np.random.default_rng(seed).poisson(decay(X, 30, 2, 5)).astype(float)


@pytest.mark.parametrize("loss", SCIPY)
def test_curve_fit_as_scipy(loss):
    """Values, covariance and residuals are SciPy's, of compiled and of called functions, with errors, bounds and a covariance."""
    y, p0 = outliers(3), [2, 1.5, .5]
    near = np.exp(-np.abs(np.subtract.outer(X, X)))*.01 + np.eye(80)*.04
    for f, sigma, absolute, bounds in ((decay, None, False, (-np.inf, np.inf)), (decay, np.full(80, .3), True, (0, 10)),
                                       (called, np.full(80, .3), False, (0, 10)), (decay, near, True, (-np.inf, np.inf))):
        how = {"sigma": sigma, "absolute_sigma": absolute, "bounds": bounds, "loss": loss, "f_scale": .4}
        popt, pcov, infodict, _, ier = curve_fit(f, X, y, p0, full_output=True, **how)
        right, covar, more, *_ = scipy_curve_fit(f, X, y, popt, full_output=True, **how, **TIGHT)
        errors = np.sqrt(covar.diagonal())
        assert (np.abs(popt - right) < 1e-6*errors).all() and 1 <= ier <= 4
        np.testing.assert_allclose(pcov, covar, rtol=1e-5, atol=1e-6*errors.max()**2)
        np.testing.assert_allclose(infodict["fvec"], more["fvec"], atol=1e-5)


def test_curve_fit_options():
    """A scale from the residuals, Tukey's loss and counts; what has no meaning is refused."""
    y = outliers(4)
    popt, pcov = curve_fit(decay, X, y, [2, 1.5, .5], loss="tukey", f_scale="mad")
    own = fit(TEXT, y, x=X, start=START, loss="tukey", f_scale="mad")
    assert popt == pytest.approx(list(own.values.values()), rel=1e-7) and np.isfinite(pcov).all()
    k = counts(1)
    popt, pcov = curve_fit(decay, X, k, [20, 1.5, 3], loss="poisson")
    own = fit(TEXT, k, x=X, A=20, t=1.5, c=3, loss="poisson")
    assert popt == pytest.approx(list(own.values.values()), rel=1e-7) and pcov == pytest.approx(own.covar, rel=1e-7)
    with pytest.warns(FitWarning, match="c could not be estimated"):
        held, covar = curve_fit(decay, X, y, [2, 1.5, 1.5], loss="huber", f_scale=.1, bounds=([0, 0, 1.2], [9, 9, 9]))
    assert held[2] == 1.2 and np.isinf(covar[2]).all() and np.isfinite(covar[:2, :2]).all()
    for how, words in (({"loss": "huber", "method": "lm"}, "method='lm'"), ({"loss": "hubert"}, "loss"), ({"loss": np.log1p}, "loss"),
                       ({"loss": "huber", "f_scale": -1}, "f_scale"), ({"loss": "poisson", "sigma": np.ones(80)}, "takes no sigma")):
        with pytest.raises((InputError, TypeError), match=words):
            curve_fit(decay, X, np.abs(y), [2, 1.5, .5], **how)


@pytest.mark.parametrize("loss", [*SCIPY, "tukey"])
def test_model_as_fit(loss):
    """Model.fit and Model.fit_batch give what fit gives, by other methods and of called functions too."""
    y = outliers(5, 3)
    own = fit(TEXT, y[0], x=X, start=START, loss=loss, f_scale="mad")
    model = Model(TEXT, independent_vars=["x"])
    result = model.fit(y[0], x=X, **START, loss=loss, f_scale="mad")
    assert result.values == own.values and result.stderr == own.stderr and result.cost == own.cost and result.loss == own.loss
    assert result.residual == pytest.approx(-own.residual) and result.chisqr == own.chisqr and result.aic == own.aic
    batch = model.fit_batch(y, x=X, **START, loss=loss, f_scale="mad")
    same = fit_batch(TEXT, y, x=X, **START, loss=loss, f_scale="mad")
    assert np.array_equal(batch.values["t"], same.values["t"]) and np.array_equal(batch.covar, same.covar)
    scale = own.loss.f_scale
    others = [model.fit(y[0], x=X, **START, loss=loss, f_scale=scale, method="lmder"), Model(called).fit(y[0], x=X, **START, loss=loss,
                                                                                                        f_scale=scale)]
    with pytest.warns(FitWarning, match="calls Python"):
        others.append(fit(called, y[0], x=X, start=START, loss=loss, f_scale=scale))
    with pytest.warns(FitWarning, match="call Python"):
        rows = fit_batch(called, y[:2], x=X, start=START, loss=loss, f_scale=scale)
    others.append(rows[0])
    for other in others:
        assert other.success and list(other.values.values()) == pytest.approx(list(own.values.values()), rel=1e-6)
        assert other.covar == pytest.approx(own.covar, rel=1e-4, abs=1e-8) and other.cost == pytest.approx(own.cost, rel=1e-9)
    assert rows.cost[0] == pytest.approx(own.cost, rel=1e-9) and rows.data.f_scale[0] == scale
    with pytest.raises(FitError, match="bootstrap"):
        result.conf_interval()


def test_model_of_counts():
    """Counts: Fisher's errors, unscaled; profiles of the deviance; the root of the mean for a further count."""
    k = counts(2)
    own = fit(TEXT, k, x=X, A=20, t=1.5, c=3, loss="poisson")
    model = Model(TEXT, independent_vars=["x"])
    result = model.fit(k, x=X, A=20, t=1.5, c=3, loss="poisson")
    assert result.scale_covar is False and result.stderr == own.stderr and result.chisqr == pytest.approx(2*result.cost)
    slopes = np.array([np.exp(-X/result.values["t"]), result.values["A"]*np.exp(-X/result.values["t"])*X/result.values["t"]**2, X*0 + 1])
    fisher = np.linalg.inv(slopes/result.best_fit @ slopes.T)
    np.testing.assert_allclose(result.covar, fisher, rtol=1e-6)
    assert result.conf_interval(["t"])["t"] == own.conf_interval(["t"])["t"]
    band = np.sqrt(np.einsum("in,ij,jn->n", slopes, fisher, slopes))
    factor = result.eval_uncertainty()[0]/band[0]
    assert result.eval_uncertainty() == pytest.approx(factor*band, rel=1e-6)
    for each in (result, own):
        further = factor*np.hypot(band, np.sqrt(result.best_fit))
        assert each.eval_uncertainty(kind="prediction") == pytest.approx(further, rel=1e-6)
        assert each.eval_uncertainty(kind="prediction", x=X[:3]) == pytest.approx(further[:3], rel=1e-6)
    with pytest.raises(InputError, match="takes no weights"):
        model.fit(k, x=X, A=20, t=1.5, c=3, loss="poisson", weights=np.ones(80))
    with pytest.raises(InputError, match="takes no yerr"):
        model.fit_batch([k], x=X, A=20, t=1.5, c=3, loss="poisson", yerr=1.0)
    with pytest.raises(InputError, match="method=\"leastsq\", not 'lbfgsb'"):
        model.fit(k, x=X, A=20, t=1.5, c=3, loss="poisson", method="lbfgsb")
    peak = GaussianModel() + ConstantModel()
    y = np.random.default_rng(6).poisson(40*np.exp(-(X - 5)**2/2) + 3)
    guessed, many = peak.fit(y, x=X, loss="poisson"), peak.fit_batch([y, y], x=X, loss="poisson")
    assert guessed.success and guessed.values["center"] == pytest.approx(5, abs=.3)
    assert many.values["sigma"][1] == pytest.approx(guessed.values["sigma"], rel=1e-7) and many.stderr["sigma"][1] == pytest.approx(
        guessed.params["sigma"].stderr, rel=1e-6)


def test_saved_and_fitted_again():
    """A result keeps its loss in JSON, and a second fit of it is by the same loss."""
    y, model = outliers(7), Model(TEXT, independent_vars=["x"])
    for how in ({"loss": "cauchy", "f_scale": "mad"}, {"loss": "poisson"}):
        data = np.round(np.abs(y)*20) if how["loss"] == "poisson" else y
        result = model.fit(data, x=X, A=2, t=1.5, c=.5, **how)
        again = ModelResult(model, model.make_params()).loads(result.dumps())
        assert again.loss == result.loss and again.cost == pytest.approx(result.cost, rel=1e-12)
        before = dict(result.values)
        result.fit()
        assert result.values == pytest.approx(before, rel=1e-7) and result.loss.name == how["loss"]
    assert again.conf_interval(["t"])["t"] == pytest.approx(np.array(result.conf_interval(["t"])["t"]), rel=1e-6)


def test_a_parameter_of_that_name():
    """A model whose parameter is called loss says where its start goes."""
    model = Model("loss*exp(-x)")
    with pytest.raises(InputError, match="make_params"):
        model.fit(np.exp(-X), x=X, loss=1.0)
    assert model.fit(np.exp(-X), model.make_params(loss=.5), x=X).values["loss"] == pytest.approx(1)
    assert gslfit.fit("loss*exp(-x)", np.exp(-X), x=X, start={"loss": .5}).success


@pytest.mark.parametrize("loss", ["huber", "cauchy", "poisson"])
def test_a_derivative_that_is_not_finite_at_the_start(loss):
    """It is named: the model itself is finite, and no likelihood of counts is to blame."""
    x = np.linspace(0, 10, 21) + .05
    with pytest.raises(NonFiniteError, match="the model's derivative by 'm' is not finite at 21 of 21 points"):
        gslfit.fit("A/(1 + ((x - m)/w)**2) + b", 2/(1 + (x - 4)**2) + .3, x=x, A=1, m=3, w=0, b=.1, loss=loss)
