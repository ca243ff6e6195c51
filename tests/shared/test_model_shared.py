"""`Model.fit_shared`, intervals and pictures of data sets that share parameters."""
import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest

import gslfit
from gslfit import Model, Parameters, fit_shared
from gslfit.errors import InputError
from gslfit.models import ExponentialModel, GaussianModel, LinearModel

mpl.use("Agg")
X = np.linspace(-5, 5, 70)
FORMULA = "A*exp(-x/tau) + c"


def peaks(m, seed=1):
    """Return peaks of one place and width, each on a slope of its own."""
    rng = np.random.default_rng(seed)
    return rng.uniform(2, 9, (m, 1))*np.exp(-(X - .4)**2/2/1.2**2) + rng.uniform(-.1, .1, (m, 1))*X + 1 + .05*rng.normal(size=(m, X.size))


def decays(m=3):
    """Return short decays of one time, whose profile bends."""
    rng = np.random.default_rng(7)
    t = np.linspace(0, 3, 12)
    return t, rng.uniform(1, 2, (m, 1))*np.exp(-t/1.5) + .1*rng.normal(size=(m, t.size))


def test_models_guess_where_data_sets_begin():
    model = GaussianModel() + LinearModel()
    y = peaks(12)
    result = model.fit_shared(y, x=X, shared=("center", "sigma"))
    same = fit_shared(model.formula, y, model.make_params(amplitude=10, center=0, sigma=1, slope=0, intercept=1), x=X,
                      shared=("center", "sigma"))
    assert result.success
    for name in same.values:
        np.testing.assert_allclose(result.values[name], same.values[name], rtol=1e-7, atol=1e-9)
        np.testing.assert_allclose(result.stderr[name], same.stderr[name], rtol=1e-6, atol=1e-12)
    assert result.values["fwhm"].shape == () and result.values["height"].shape == (12,)


def test_models_guess_data_sets_of_several_lengths():
    t = [np.linspace(0, 6, n) for n in (30, 45)]
    y = [a*np.exp(-each/2.) for a, each in zip([2., 5.], t, strict=True)]
    result = ExponentialModel().fit_shared(y, x=t, shared="decay")
    np.testing.assert_allclose(result.values["amplitude"], [2, 5], rtol=1e-9)
    assert float(result.values["decay"]) == pytest.approx(2, rel=1e-9)
    params = Parameters()
    params.add_many(("amplitude", 1.), ("decay", 1., True, .1, 9.))
    np.testing.assert_allclose(ExponentialModel().fit_shared(y, params, x=t, shared="decay").values["amplitude"], [2, 5], rtol=1e-9)


def test_a_function_that_does_not_compile_is_refused():
    def called(x, A, tau):
        return A*np.exp(-np.sort(x)/tau)
    with pytest.raises(InputError, match="fit_shared needs formulas that compile"):
        Model(called).fit_shared(np.ones((2, 9)), x=np.arange(9.), shared="tau", A=1., tau=1.)


def test_intervals_are_those_of_one_fit_of_everything():
    t, y = decays()
    m = len(y)
    result = fit_shared(FORMULA, y, x=t, shared="tau", tau=1.)
    text = " + ".join(f"(A{k}*exp(-t/tau) + c{k})*where(abs(k - {k}) < 0.5, 1, 0)" for k in range(m))
    start = {"tau": 1., **{f"{name}{k}": 1. for k in range(m) for name in "Ac"}}
    whole = gslfit.fit(gslfit.Formula(text, ("t", "k")), y.ravel(), x={"t": np.tile(t, m), "k": np.repeat(np.arange(float(m)), t.size)},
                       start=start)
    for sigmas in ([1, 2], [.6]):
        found, known = result.conf_interval(sigmas=sigmas), whole.conf_interval(["tau"], sigmas=sigmas)
        np.testing.assert_allclose(found["tau"], known["tau"], rtol=2e-4)
    fixed = fit_shared(FORMULA, y, x=t, shared="tau", tau=1., yerr=.1, scale_covar=False)
    one = gslfit.fit(gslfit.Formula(text, ("t", "k")), y.ravel(), x={"t": np.tile(t, m), "k": np.repeat(np.arange(float(m)), t.size)},
                     start=start, yerr=.1, scale_covar=False)
    np.testing.assert_allclose(fixed.conf_interval(sigmas=[1])["tau"], one.conf_interval(["tau"], sigmas=[1])["tau"], rtol=2e-4)
    with pytest.raises(InputError, match="'A' is no shared parameter"):
        result.conf_interval(["A"])


def test_pictures_show_data_sets_and_local_parameters():
    y = peaks(9)
    y[4] = np.nan
    result = GaussianModel().fit_shared(y, x=X, shared=("center", "sigma"))
    axes = result.plot_shared()
    assert [each.get_ylabel() for each in axes] == ["data and fits", "amplitude"]
    assert len(axes[0].lines) == 12 and "center = " in axes[0].get_title()      # six data sets, and their fits
    assert len(result.plot_shared([0, 1], names=[])) == 1
    with pytest.raises(InputError, match="the data sets has no 'center'|has no 'center'"):
        result.plot_shared(names="center")
    plt.close("all")


def test_a_given_start_that_is_not_finite_is_no_start():
    """A guess may be put in place of what is not given, never of what is: of all an error, of one data set its end as bad data."""
    y = peaks(3)
    model = GaussianModel() + LinearModel()
    for start in ({"start": {"sigma": np.inf}}, {"sigma": np.nan}, {"amplitude": np.inf}):
        with pytest.raises(InputError, match=f"'{next(iter(start.get('start', start)))}' has the value"):
            model.fit_shared(y, x=X, shared=("center", "sigma"), **start)
    result = model.fit_shared(y, x=X, shared=("center", "sigma"), amplitude=np.array([5.0, np.nan, 5.0]))
    assert result.left_out.tolist() == [1] and result.success
    both = model.fit_shared(y[::2], x=X, shared=("center", "sigma"))
    assert float(result.values["sigma"]) == pytest.approx(float(both.values["sigma"]), rel=1e-7)
