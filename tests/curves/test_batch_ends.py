"""What the rows of a batch are said to have ended at, where an end is no plain minimum."""
import warnings

import numpy as np
import pytest
from guess_accuracy import CASES, draw

import gslfit
from gslfit.curves.batch_result import FitStatus

BY_CLASS = {case.cls: case for case in CASES}


def test_silent_on_its_own_bound():
    """Where a parameter has no effect on its bound, the row is fitted again from inside, and is at the bound if nothing lower is there.

    The oracle for "nothing lower" is the fit with the parameter fixed, at 30 values between its bound and beyond where rows end.
    """
    model, x, values, y = draw(BY_CLASS["DampedHarmonicOscillatorModel"], 400)
    found = model.fit_batch(y, x=x, start=values)
    gamma = np.asarray(found.values["gamma"])
    on_bound = gamma == 1e-19
    assert 10 < on_bound.sum() < 200
    assert set(found.status[on_bound].tolist()) == {int(FitStatus.AT_BOUND)}
    assert np.all(found.success)
    params = model.make_params()
    params["gamma"].vary = False
    lowest = np.full(400, np.inf)
    for fixed in np.geomspace(0.05, 100, 30):
        start = {name: found.values[name] for name in ("amplitude", "center", "sigma")} | {"gamma": np.full(400, fixed)}
        lowest = np.fmin(lowest, model.fit_batch(y, params=params, x=x, start=start).chisqr)
    assert np.mean(found.chisqr <= lowest*(1 + 1e-6)) > 0.97


def test_no_derivatives_on_the_bound():
    """A row does not end on a bound where the model has a value but no derivative: it had no chi-square, and lower points were lost."""
    model, x, values, y = draw(BY_CLASS["TriexponentialResponseModel"], 2500)
    rows = [505, 660, 1082, 1601]
    found = model.fit_batch(y[rows], x=x, start={name: value[rows] for name, value in values.items()})
    lanes = model.fit_batch(y[rows], x=x, start={name: value[rows] for name, value in values.items()}, method="lanes", max_nfev=200)
    assert np.all(found.chisqr <= lanes.chisqr*(1 + 1e-9))
    assert np.all(np.asarray(found.values["tau1"]) > 0)


@pytest.mark.parametrize("text", ["k*x + c", "0*log(k) + k*x + c"])
@pytest.mark.parametrize("high", [None, 10.0])
@pytest.mark.parametrize("traced", [True, False])
def test_bound_that_holds(text, high, traced):
    """The bound that holds is named, also where the model has no value on it and a fit ends next to it; the other is a constant's."""
    x = np.linspace(0.1, 5, 40)
    y = -0.2*x + 0.01*np.random.default_rng(0).standard_normal(40)
    params = gslfit.Parameters()
    params.add("k", 1.0, min=0, max=high)
    params.add("c", 0.0)
    formula = gslfit.Formula(text)

    def called(x, k, c):
        return np.array([float(value) for value in formula(x=x, k=float(k), c=float(c))])
    for sign, bound in ((1, "min = 0"), (-1, "max = 10")):
        if sign < 0 and high is None:
            continue
        data = y if sign > 0 else 30*x
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", gslfit.errors.FitWarning)
            found = gslfit.fit_batch(text if traced else called, np.stack([data, data]), params, x=x)
            one = gslfit.fit(text if traced else called, data, params, x=x)
        assert found.status.tolist() == [FitStatus.AT_BOUND]*2
        for result in (found[1], one):
            assert result.success
            assert result.message.endswith(f"k is at its bound ({bound}), where it has no standard error.")
        held = data - (0 if sign > 0 else 10)*x
        assert found[0].params["c"].value == pytest.approx(held.mean(), abs=1e-5)
        assert found[0].params["c"].stderr == pytest.approx(np.sqrt(((held - held.mean())**2).sum()/38/40), rel=1e-4)
