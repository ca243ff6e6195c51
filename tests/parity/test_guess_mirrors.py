"""Guesses in the mirror: bounds of hints hold at both ends, above zero and below, along x and along -x.

{total} cells, of which {green} are green and {faulty} are wrong today and strict xfails (`parity.known_faults`).

Curves with a peak and a dip: a bound says which of the two is meant, and the guess of the mirrored curve within the mirrored box is the
mirrored guess.
"""
from itertools import product

import numpy as np
import pytest

from gslfit import models
from parity.cells import counted, ids, in_views, settle
from parity.known_faults import GUESS_FAULTS

X = np.linspace(-1, 11, 97)         # of points in steps of an eighth, so that -x is as exact as x
PEAK, DIP = 3.0, 7.0                # where they are
NOISE = np.random.default_rng(6).normal(0, 0.03, X.size)
SHAPES = ("GaussianModel", "LorentzianModel", "VoigtModel", "MoffatModel")
BOXES = {       # of a parameter: lower and upper bound, and what is meant
    "amplitude above 0": ("amplitude", 0.0, None, PEAK), "amplitude below 0": ("amplitude", None, 0.0, DIP),
    "amplitude from 0 to 50": ("amplitude", 0.0, 50.0, PEAK), "amplitude from -50 to 0": ("amplitude", -50.0, 0.0, DIP),
    "amplitude above 1": ("amplitude", 1.0, None, PEAK), "amplitude below -1": ("amplitude", None, -1.0, DIP),
    "center below 5": ("center", None, 5.0, PEAK), "center above 5": ("center", 5.0, None, DIP),
    "center from 1 to 5": ("center", 1.0, 5.0, PEAK), "center from 5 to 9": ("center", 5.0, 9.0, DIP)}
VIEWS = {"upright": (1, 1), "upside down": (-1, 1), "backwards": (1, -1), "upside down, backwards": (-1, -1)}      # signs of y and of x
CELLS = list(product(SHAPES, BOXES))
__doc__ = counted(__doc__, CELLS, VIEWS, GUESS_FAULTS)


def lump(center: float) -> np.ndarray:
    """Return a peak, not quite of any model's shape."""
    return 5/(1 + ((X - center)/0.7)**2)**3


Y = lump(PEAK) - 0.9*lump(DIP) + NOISE


def box_in(box: str, view: str) -> tuple[str, float | None, float | None]:
    """Return a box in a view: where the sign turns, (low, high) is (-high, -low)."""
    name, low, high, _ = BOXES[box]
    if VIEWS[view][name != "amplitude"] > 0:
        return name, low, high
    return name, None if high is None else 0.0 - high, None if low is None else 0.0 - low


def guessed(shape: str, box: str, view: str, many: bool) -> dict[str, float]:
    """Return what is guessed in a view, of one curve or of many, and turned back to the upright view."""
    name, low, high = box_in(box, view)
    model = models.CLASSES[shape]()
    model.set_param_hint(name, **{key: end for key, end in (("min", low), ("max", high)) if end is not None})
    of_y, of_x = VIEWS[view]
    found = model.guess(of_y*np.stack([Y, Y]) if many else of_y*Y, x=of_x*X)
    values = {key: float(each[0]) for key, each in found.items()} if many else {key: par.value for key, par in found.items()}
    for key, end, beyond in ((name, low, -1), (name, high, 1)):
        assert end is None or beyond*(values[key] - end) <= 0, f"{key} = {values[key]} is outside its bounds"
    return {key: values[key]*{"amplitude": of_y, "center": of_x}.get(key, 1) for key in model.param_names if key in values}


def judge(shape: str, box: str, view: str) -> None:
    """Assert that a guess is of what the bound means, and the mirrored guess of the upright one."""
    meant = BOXES[box][3]
    upright = guessed(shape, box, "upright", many=False)
    for many in (False, True):
        found = guessed(shape, box, view, many)
        assert abs(found["center"] - meant) <= 0.7, found
        assert (found["amplitude"] > 0) == (meant == PEAK), found
        assert found == pytest.approx({name: upright[name] for name in found}, rel=1e-6), (found, upright)


@pytest.mark.parametrize(("shape", "box"), ids(CELLS))
def test_guess(shape, box):
    """A bound says which is meant, at either end and in the mirror, of one curve and of many."""
    known = in_views(GUESS_FAULTS, (shape, box), VIEWS)
    settle(known, {view: lambda view=view: judge(shape, box, view) for view in VIEWS})


def test_table_names_cells():
    """The table of faults names cells."""
    assert {key[:2] for key in GUESS_FAULTS} <= set(CELLS)
    assert {key[2] for key in GUESS_FAULTS} <= {"", *VIEWS}
