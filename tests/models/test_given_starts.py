"""What was given is the start: hints are not lost to a guess, and a model without a guess says so."""
import numpy as np
import pytest

from gslfit import Model
from gslfit.compat import lmfit as compat
from gslfit.errors import InputError
from gslfit.models import BiexponentialModel, ConstantModel, GaussianModel, LinearModel, PseudoVoigtModel, SineModel

T = np.array([.25, .5, .75, 1, 1.25, 2, 3, 4, 5, 6, 8])
DECAYS = 2*np.exp(-T/.55) + .2*np.exp(-T/6) + .01*np.sin(40*T)
X = np.linspace(0, 10, 50)
PEAK = np.exp(-(X - 6)**2/2) + .3


def test_a_hint_that_fixes_holds():
    """A parameter that a hint fixes at a value stays at it, in one fit and in many, alone and in a sum."""
    model = BiexponentialModel()
    model.set_param_hint("offset", value=0, vary=False)
    assert model.fit(DECAYS, x=T).params["offset"].value == 0
    assert model.fit_batch(DECAYS[None], x=T).values["offset"][0] == 0
    for where in ("whole", "part"):
        flat = GaussianModel() + ConstantModel()
        (flat if where == "whole" else flat.right).set_param_hint("c", value=0, vary=False)
        result = flat.fit(PEAK, x=X)
        assert result.params["c"].value == 0 and not result.params["c"].vary
        assert flat.fit_batch(PEAK[None], x=X).values["c"][0] == 0


def test_a_hint_is_the_start():
    """What a hint gives is where the fit begins; the others are guessed. A keyword comes before it."""
    model = BiexponentialModel()
    model.set_param_hint("tau1", value=.55)
    result = model.fit(DECAYS, x=T)
    assert result.init_values["tau1"] == .55
    assert result.init_values["tau2"] == BiexponentialModel().fit(DECAYS, x=T).init_values["tau2"]
    assert model.fit(DECAYS, x=T, tau1=.6, tau2=5, amplitude1=2, amplitude2=.2, offset=0).init_values["tau1"] == .6


def test_the_tables_own_hints_are_guessed():
    """A start that comes with the library's entry is nobody's: the guess is taken."""
    model = PseudoVoigtModel()
    gauss = model.fit(PEAK - .3, x=X).init_values["fraction"]
    model.set_param_hint("fraction", value=.25)
    assert gauss != .25
    assert model.fit(PEAK - .3, x=X).init_values["fraction"] == .25


def test_no_guess_is_said():
    """A sum that can't be guessed is no fit from the table's 0 and 1: the error names the part; with starts it is fitted."""
    wave = np.sin(2*X + .3) + PEAK
    parts = GaussianModel(prefix="p_") + SineModel(prefix="s_") + LinearModel()
    with pytest.raises(InputError, match="s_"):
        parts.fit(wave, x=X)
    given = dict(p_amplitude=2, p_center=6, p_sigma=1, s_amplitude=1, s_frequency=2, s_shift=.3, slope=0, intercept=0)
    assert parts.fit(wave, x=X, **given).success
    for name, value in given.items():
        parts.set_param_hint(name, value=value)
    assert parts.fit(wave, x=X).success


def test_defaults_of_functions_are_starts():
    """A function's own defaults are given by the caller."""
    assert Model(lambda x, a=1.0, b=1.0: a*x + b).fit(2*X + 1, x=X).params["a"].value == pytest.approx(2)


def test_compat_starts_from_defaults():
    """lmfit starts from its defaults, and so does the compat layer."""
    parts = compat.models.GaussianModel(prefix="p_") + compat.models.StepModel(prefix="s_")
    assert parts.fit(PEAK, x=X).init_values["p_amplitude"] == 1
