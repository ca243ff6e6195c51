"""An image and the coordinates of its pixels, handed to a batch: rows are fitted, and where that can't have been meant it is told."""
import warnings

import numpy as np
import pytest

import gslfit
from gslfit import FitWarning, Model, fit, fit_batch

ROWS, COLUMNS = np.mgrid[0:12, 0:15].astype(float)
SPOT = "A*exp(-((r - r0)**2 + (c - c0)**2)/w) + b"
START = {"A": 2.0, "r0": 5.5, "c0": 6.5, "w": 7.0, "b": 0.0}
NOISE = 0.05*np.random.default_rng(1).normal(size=ROWS.shape)
IMAGE = 3*np.exp(-((ROWS - 5)**2 + (COLUMNS - 7)**2)/8) + 1 + NOISE


def both(image, rows, columns, **more):
    """Fit by either door."""
    yield lambda: fit_batch(SPOT, image, r=rows, c=columns, start=START, **more)
    yield lambda: Model(SPOT, independent_vars=["r", "c"]).fit_batch(image, r=rows, c=columns, start=START, **more)


@pytest.mark.parametrize("stack", [False, True])
def test_an_image_read_as_rows_is_told(stack):
    """Along a row one coordinate is the same, and its parameters are left open: the warning says what makes the image one fit."""
    arrays = [np.stack([each]*2) if stack else each for each in (IMAGE, ROWS, COLUMNS)]
    for call in both(*arrays):
        with pytest.warns(FitWarning, match=r"at all of whose points r is the same.*r and c are the coordinates.*axis=\(-2, -1\)"):
            call()
    one = fit(SPOT, IMAGE, r=ROWS, c=COLUMNS, start=START)
    for call in both(*arrays, axis=(-2, -1)):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            found = call()
        assert found.values["r0"] == pytest.approx(one.params["r0"].value)


def test_rows_that_differ_by_a_variable_are_no_image():
    """A variable may be the same at all points of a fit: where that determines the parameters, nothing is told."""
    y = 3*np.exp(-COLUMNS*(1 + ROWS)/50) + NOISE
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert fit_batch("A*exp(-k*dose*c)", y, dose=1 + ROWS, c=COLUMNS, A=1.0, k=0.01).success.all()
        assert gslfit.fit_batch("A*exp(-k*c)", y, c=COLUMNS, A=1.0, k=0.01).success.all()
