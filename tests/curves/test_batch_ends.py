"""What the rows of a batch are said to have ended at, where an end is no plain minimum."""
import numpy as np
from guess_accuracy import CASES, draw

from gslfit.curves.batch_result import FitStatus

BY_CLASS = {case.cls: case for case in CASES}


def test_silent_on_its_own_bound():
    """Where a parameter has no effect on its bound, the row is fitted again from inside, and is at the bound only if nothing lower is there.

    The oracle for "nothing lower" is the fit with the parameter fixed, at 60 values between its bound and beyond where rows end.
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
    for fixed in np.geomspace(0.05, 100, 60):
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
