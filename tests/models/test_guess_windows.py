"""Bounds of centres and widths say which peak of the data each peak of a sum is, in any order, by hints of the sum or of its parts."""
from itertools import permutations

import numpy as np
import pytest

from gslfit import models

X = np.linspace(0, 40, 201)
PEAKS = {"low": (5.0, 1.0, 3.0), "middle": (14.0, 0.8, 5.0), "high": (30.0, 1.3, 4.0)}       # centre, sigma, height
WINDOWS = {"low": (2, 8), "middle": (11, 17), "high": (26, 34)}
SHAPES = ("GaussianModel", "LorentzianModel", "VoigtModel", "PseudoVoigtModel")


def data(names, seed=0, steps=False):
    """Return a curve with these peaks, on a constant, and perhaps a step."""
    y = sum(height*np.exp(-((X - center)/sigma)**2/2) for center, sigma, height in (PEAKS[name] for name in names)) + 1.0
    return y + (2/(1 + np.exp(-(X - 22)/0.5)) if steps else 0) + 0.1*np.random.default_rng(seed).standard_normal(X.size)


def within(model, windows, letters="abc"):
    """Bound the centres of a sum's peaks, and return it."""
    for letter, (low, high) in zip(letters, windows, strict=False):
        model.set_param_hint(f"{letter}_center", min=low, max=high)
    return model


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("order", list(permutations(PEAKS)), ids="-".join)
def test_each_in_its_window(shape, order):
    """Three peaks in windows of every order: the guess of one curve, of many, and the fit."""
    make = models.CLASSES[shape]
    model = within(make(prefix="a_") + make(prefix="b_") + make(prefix="c_") + models.ConstantModel(prefix="bg_"),
                   [WINDOWS[name] for name in order])
    curves = np.stack([data(PEAKS, seed) for seed in range(3)])
    one, many = model.guess(curves[0], x=X), model.guess(curves, x=X)
    for letter, name in zip("abc", order, strict=True):
        center, sigma, _ = PEAKS[name]
        assert abs(one[f"{letter}_center"].value - center) < sigma
        assert np.all(np.abs(many[f"{letter}_center"] - center) < sigma)
    result = model.fit(curves[0], x=X)
    assert result.success
    assert all(abs(result.params[f"{letter}_center"].value - PEAKS[name][0]) < 0.2 for letter, name in zip("abc", order, strict=True))


@pytest.mark.parametrize("own", [False, True], ids=["of the sum", "of the part"])
@pytest.mark.parametrize("name", PEAKS)
def test_one_of_three(name, own):
    """One peak on a line, and three in the data: that in the window, by a hint of the sum or of the part."""
    low, high = WINDOWS[name]
    part = models.GaussianModel(prefix="a_")
    if own:
        part.set_param_hint("center", min=low, max=high)
    model = part + models.LinearModel(prefix="bg_")
    if not own:
        model.set_param_hint("a_center", min=low, max=high)
    found = model.guess(data([name]), x=X)
    assert abs(found["a_center"].value - PEAKS[name][0]) < PEAKS[name][1]
    model.set_param_hint("a_sigma", max=2*PEAKS[name][1])
    found = model.guess(data(PEAKS), x=X)
    assert low < found["a_center"].value < high
    assert abs(found["a_center"].value - PEAKS[name][0]) < PEAKS[name][1]


@pytest.mark.parametrize("order", list(permutations(("low", "high"))), ids="-".join)
def test_beside_a_step(order):
    """Two peaks in windows beside a step whose centre is bounded."""
    model = within(models.GaussianModel(prefix="a_") + models.StepModel(prefix="s_", form="logistic") + models.GaussianModel(prefix="b_")
                   + models.ConstantModel(prefix="bg_"), [WINDOWS[name] for name in order])
    model.set_param_hint("s_center", min=18, max=25)
    result = model.fit(data(order, steps=True), x=X)
    assert result.success
    assert abs(result.params["s_center"].value - 22) < 0.5
    assert all(abs(result.params[f"{letter}_center"].value - PEAKS[name][0]) < 0.2 for letter, name in zip("ab", order, strict=True))


@pytest.mark.parametrize("width", [0.01, 0.3])
def test_narrow_windows(width):
    """A window between the places that are tried."""
    model = within(models.GaussianModel(prefix="a_") + models.ConstantModel(prefix="bg_"), [(14.1 - width, 14.1)])
    found = model.guess(data(["middle"]), x=X)
    assert 14.1 - width < found["a_center"].value < 14.1
    assert 0.3 < found["a_sigma"].value < 2
    assert model.fit(data(["middle"]), x=X).params["a_sigma"].value == pytest.approx(0.8, rel=0.1)


@pytest.mark.parametrize("low", [True, False])
def test_single_peaks(low):
    """A model of one peak: the peak meant, and of a width within its bounds."""
    y = data(["low", "high"]) - 1
    model = models.LorentzianModel()
    model.set_param_hint("center", **({"max": 20.} if low else {"min": 20.}))
    model.set_param_hint("sigma", max=3.)
    result = model.fit(y, x=X)
    assert abs(result.params["center"].value - PEAKS["low" if low else "high"][0]) < 0.3
