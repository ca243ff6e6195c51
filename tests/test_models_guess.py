"""Guesses lead to the minimum that the true values lead to; docs/guesses.md has the table for 10,000 curves each."""
import numpy as np
import pytest
from guess_accuracy import CASES, HARD, draw, made, reached

import gslfit
from gslfit import models

IDS = [f"{case.cls}-{case.form}" if case.form else case.cls for case in CASES]


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_reached(case):
    """Of 200 noisy curves, all but two; of what is hard (see the table's notes), the share that it names."""
    share = reached(case, 200)[0]
    assert share >= HARD.get((case.cls, case.form), (0.99, ""))[0]


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_reached_by_ten_thousand(case):
    """Of 10,000 noisy curves, 99.5 %."""
    share = reached(case, 10_000)[0]
    assert share >= HARD.get((case.cls, case.form), (0.995, ""))[0]


@pytest.mark.parametrize("case", CASES[:6] + CASES[-3:], ids=IDS[:6] + IDS[-3:])
def test_one_curve_as_many(case):
    """The guess for one curve is that for the same curve among many."""
    model, x, _, y = draw(case, 5)
    many = model.guess(y, x=x)
    one = model.guess(y[3], x=x)
    assert isinstance(one, gslfit.Parameters)
    for name, values in many.items():
        assert values.shape == (5,)
        assert one[name].value == pytest.approx(values[3], rel=1e-9)


def test_shapes():
    """A cube gives maps; points of their own, unsorted points, gaps and long curves are taken."""
    model, x, values, y = draw(CASES[0], 12)
    maps = model.guess(y.reshape(3, 4, -1), x=x)
    assert maps["center"].shape == (3, 4)
    flat = model.guess(y, x=x)
    own = model.guess(y, x=np.tile(x, (12, 1)))
    back = model.guess(y[:, ::-1], x=x[::-1])
    holes = y.copy()
    holes[:, 17] = np.nan
    gaps = model.guess(holes, x=x)
    for other in (own, back, gaps):
        np.testing.assert_allclose(other["center"], flat["center"], atol=2.5)
    fine = np.linspace(0, 100, 20_001)
    long = model.guess(model.eval(x=fine, amplitude=5, center=42, sigma=3), x=fine)
    assert long["center"].value == pytest.approx(42, abs=1)
    assert values["center"] == pytest.approx(flat["center"], abs=6)


def test_known_values_and_signs():
    """Values given to guess stay; negative=True wants a dip."""
    x = np.linspace(0, 10, 60)
    model = models.GaussianModel(prefix="g_")
    dip = -np.exp(-(x - 4)**2)
    assert model.guess(dip, x=x)["g_amplitude"].value < 0
    assert model.guess(dip, x=x, negative=True)["g_amplitude"].value < 0
    params = model.guess(-dip, x=x, sigma=.5)
    assert params["g_sigma"].value == .5


def test_no_estimator():
    """A model of the caller's own has none, and says so."""
    with pytest.raises(NotImplementedError, match="start values"):
        gslfit.Model("a*x").guess(np.ones(3), x=np.arange(3.))


@pytest.mark.parametrize("name", [entry.cls for entry in models.ENTRIES.values() if entry.guess and len(entry.independent) == 1])
def test_every_model_guesses(name):
    """Every model of one variable has a guess, which is finite and within bounds."""
    cls = models.CLASSES[name]
    model = cls(np.linspace(1, 9, 6)) if name == "SplineModel" else cls()
    x = np.linspace(1, 9, 50)
    params = model.guess(2 + np.exp(-(x - 4)**2) + .01*x, x=x)
    assert [key for key in params if params[key].expr is None]
    for par in params.values():
        if par.expr is None:
            assert np.isfinite(par.value)
            assert par.min is None or par.value >= par.min
            assert par.max is None or par.value <= par.max


def test_made():
    """The table covers every peak, decay, step and oscillation that has an estimator."""
    kinds = ("peak", "decay", "step", "oscillation")
    wanted = {entry.cls for entry in models.ENTRIES.values() if entry.kind in kinds}
    assert wanted - {case.cls for case in CASES} == set()
    assert all(made(case) for case in CASES)
