"""Data sets side by side whose units differ: the common minimum, and its errors, are those of data sets in one unit."""
import numpy as np
import pytest

from gslfit import FitStatus, fit, fit_shared

X = np.linspace(0, 10, 40)
RNG = np.random.default_rng(0)
Y = 3*np.exp(-X/2) + .5 + RNG.normal(0, .05, 40)
TWO = 3*np.exp(-X/2) + 2*np.exp(-X/.5) + RNG.normal(0, .01, 40)
DECAY, DECAYS = "A*exp(-x/tau) + c", "A*exp(-x/t1) + B*exp(-x/t2)"
START, STARTS = {"A": 1., "tau": 1., "c": 0.}, {"A": 1., "B": 1., "t1": 3., "t2": .3}
UNITS = [1e-200, 1e-100, 1e-12, 1e-3, 1e3, 1e10, 1e12, 1e100, 1e200]
BOUNDS = [None, {"A": (0, None)}]
ALONE = fit(DECAY, Y, x=X, **START).params
ALONE_TWO = fit(DECAYS, TWO, x=X, A=3., B=2., t1=2., t2=.5).params


def same(found, unit, like, local, factor=1.):
    assert found.success and not found.left_out.size, found.message
    assert (found.status == FitStatus.CONVERGED).all()
    for name in found.var_names:
        assert found.values[name] == pytest.approx(like[name].value, abs=1e-5*like[name].stderr)
        assert found.stderr[name]*factor == pytest.approx(like[name].stderr, rel=.1)
    for name in local:
        np.testing.assert_allclose(found.values[name]/[1, unit], like[name].value, atol=1e-5*like[name].stderr)


@pytest.mark.parametrize("bounds", BOUNDS)
@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.filterwarnings("error")
def test_errors_that_are_known(unit, bounds):
    """From an amplitude of 1 for both: the rounding of a data set whose model was 1e12 times its data swamped what the other says."""
    found = fit_shared(DECAY, np.array([Y, unit*Y]), x=X, yerr=[[.05], [.05*unit]], shared="tau", bounds=bounds, **START)
    same(found, unit, ALONE, "Ac", np.sqrt(2))


@pytest.mark.parametrize("bounds", BOUNDS)
@pytest.mark.parametrize("unit", [unit for unit in UNITS if unit > 1])
@pytest.mark.filterwarnings("error")
def test_errors_that_are_not(unit, bounds):
    """The greater data set alone tells then, from an amplitude that is far too small for it: steps were wrong by as much as that."""
    for y in ([Y, unit*Y], [unit*Y, Y]):
        found = fit_shared(DECAY, np.array(y), x=X, shared="tau", bounds=bounds, **START)
        same(found, unit, ALONE, "", np.sqrt(2))


@pytest.mark.parametrize("unit", UNITS)
def test_several_shared_parameters(unit):
    known = fit_shared(DECAYS, np.array([TWO, unit*TWO]), x=X, yerr=[[.01], [.01*unit]], shared=("t1", "t2"), **STARTS)
    same(known, unit, ALONE_TWO, "AB", np.sqrt(2))
    if unit > 1:
        same(fit_shared(DECAYS, np.array([TWO, unit*TWO]), x=X, shared=("t1", "t2"), **STARTS), unit, ALONE_TWO, "", np.sqrt(2))


@pytest.mark.parametrize("unit", [1e-100, 1e-12, 1e-3, 1e3, 1e6, 1e12, 1e100, 1e200])
def test_an_amplitude_that_is_shared(unit):
    """From a start of 1 for data of 1e12 it ran off, and every status was that of a minimum."""
    found = fit_shared(DECAY, np.array([unit*Y, unit*Y]), x=X, shared=("tau", "A"), **START)
    assert found.success and found.nfev < 30
    assert found.values["tau"] == pytest.approx(ALONE["tau"].value, abs=1e-5*ALONE["tau"].stderr)
    assert found.values["A"]/unit == pytest.approx(ALONE["A"].value, abs=1e-5*ALONE["A"].stderr)


@pytest.mark.parametrize("loss", ["soft_l1", "cauchy"])
@pytest.mark.parametrize("unit", [1e-100, 1e-12, 1e12, 1e100, 1e200])
def test_robust_losses(loss, unit):
    like = fit(DECAY, Y, x=X, yerr=.05, loss=loss, **START).params
    found = fit_shared(DECAY, np.array([Y, unit*Y]), x=X, yerr=[[.05], [.05*unit]], shared="tau", loss=loss, **START)
    same(found, unit, like, "Ac", np.sqrt(2))


@pytest.mark.parametrize("most", [1, 3, 5])
def test_no_data_set_has_converged_where_the_fit_has_not(most):
    found = fit_shared(DECAY, np.array([Y, 2*Y]), x=X, shared="tau", max_nfev=most, A=3., tau=9., c=0.)
    assert not found.success and found.status.tolist() == [found.ending]*2
    assert not found[0].success
