"""What the normal equations of data sets leave open: chi-square may fall there all the same."""
import re
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import least_squares

import gslfit
from gslfit.shared.open_ways import TRIED, WAYS_BACK

X = np.array([0., 10/3, 20/3, 10.])
Y = np.array([0.002688783827840075, 1.6644454363299808, 0.10589197152153776, -1.033947553322595e-06])
YERR = np.array([.0146, .0130, .0154, .0058])
PEAK = "a*exp(-(x - m)**2/(2*s**2))"


@pytest.mark.parametrize(("shared", "sure"), [(["a"], True), (["m"], True), (["s"], True), (["a", "m"], False)])
def test_a_peak_seen_by_two_points_at_its_start(shared, sure):
    """From a narrow peak two points alone tell three parameters: where that lets chi-square fall, it is no minimum; it was a success."""
    result = gslfit.fit_shared(PEAK, np.stack([Y, Y]), x=X, yerr=YERR, shared=shared, a=2.0856, m=4.5369, s=.74957)
    exact = least_squares(lambda v: (v[0]*np.exp(-(X - v[1])**2/(2*v[2]**2)) - Y)/YERR, [2., 4., 1.1], xtol=1e-15, ftol=1e-15, gtol=1e-15).x
    assert result.success or not sure
    for name, value in zip("ams", exact, strict=True) if result.success else ():
        assert result.values[name] == pytest.approx(value, rel=1e-7)
        assert np.isfinite(result.stderr[name]).all()


def test_factors_that_are_not_told_apart_stay_a_success():
    """Where chi-square falls nowhere along what is open, the fit is at its minimum."""
    x = np.linspace(0, 5, 30)
    y = np.outer([2., 4., 6.], np.exp(-x/1.5)) + .02*np.random.default_rng(0).normal(size=(3, 30))
    result = gslfit.fit_shared("a*b*exp(-x/t)", y, x=x, shared=["a", "t"], a=1., b=2., t=1.)
    assert result.success and "do not determine a." in result.message
    alone = gslfit.fit_shared("b*exp(-x/t)", y, x=x, shared="t", b=2., t=1.)
    assert result.chisqr == pytest.approx(alone.chisqr, rel=1e-12)
    assert np.isfinite(result.stderr["t"])


def test_a_peak_that_runs_off_is_no_success():
    """A peak that gets ever wider on an ever lower constant: chi-square falls to the last evaluation, towards a parabola's."""
    x = np.linspace(0, 10, 12)
    y = np.array([.1916960799842888, .19947388913952704, .19016662697354048, .18017508794747117, .20553090135231233, .18391398698563788,
                  .20586447990288806, .19834589040903092, .2174762287754039, .1831081653055278, .20825870451699582, .22149788294888198])
    result = gslfit.fit_shared(PEAK + " + c", np.stack([y, y]), x=x, shared="a", bounds={"s": (1.1, None)},
                               a=-.62734219168188, m=2.8830525109556784, s=1.22, c=.1576106513361739)
    assert result.chisqr > 2*gslfit.fit("p*x**2 + q*x + r", y, x=x).chisqr
    assert not result.success


def test_tried_as_in_batches():
    """Where what a bound silences is tried is known in C too, and so is how often what lies on a bound goes back."""
    text = (Path(__file__).parents[2]/"src/batch/gsl_refit.c").read_text()
    tried = re.search(r"double TRIED\[\] = \{([^}]*)\};", text).group(1)
    assert [float(each) for each in tried.split(",")] == TRIED.tolist()
    assert int(re.search(r"WAYS_BACK = (\d+)", text).group(1)) == WAYS_BACK
