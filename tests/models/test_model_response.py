"""Models that are folded with a measured response: guesses, fits, and what their results know."""
import pickle
from functools import partial

import numpy as np
import pytest

from gslfit import Model, Parameters, fit, fit_batch, fit_shared
from gslfit.errors import InputError, InputTypeError
from gslfit.models import (
    BiexponentialModel,
    ConstantModel,
    ExponentialModel,
    GaussianModel,
    GslExpModel,
    LorentzianModel,
    TriexponentialModel,
    VoigtModel,
)

N, CENTRE = 200, 20
X = np.arange(N)*0.05
RESPONSE = 1000*np.exp(-0.5*((X[:70] - 1.5)/0.15)**2)
HOW = {"x": X, "response": RESPONSE, "response_centre": CENTRE}


def folded(model, values, response=RESPONSE):
    return np.convolve(model.eval(x=X, **values)*np.ones(N), response)[CENTRE:CENTRE + N]


CASES = [
    (ExponentialModel(), {"amplitude": 3, "decay": 0.8}),
    (GslExpModel(), {"y0": 0.1, "A": 2.0, "b": 1.1}),
    (BiexponentialModel(), {"amplitude1": 3, "tau1": 0.4, "amplitude2": 2, "tau2": 3, "offset": 0.05}),
    (TriexponentialModel(), {"amplitude1": 3, "tau1": 0.2, "amplitude2": 2, "tau2": 1, "amplitude3": 1, "tau3": 5, "offset": 0.05}),
    (ExponentialModel(prefix="a_") + ExponentialModel(prefix="b_") + ConstantModel(),
     {"a_amplitude": 3, "a_decay": 0.4, "b_amplitude": 2, "b_decay": 3, "c": 0.05}),
    (GaussianModel(), {"amplitude": 2, "center": 5, "sigma": 0.4}),
    (LorentzianModel() + ConstantModel(), {"amplitude": 2, "center": 5, "sigma": 0.4, "c": 0.3}),
    (GaussianModel(prefix="a_") + GaussianModel(prefix="b_"),
     {"a_amplitude": 2, "a_center": 3, "a_sigma": 0.4, "b_amplitude": 1, "b_center": 7, "b_sigma": 0.4}),
]


@pytest.mark.parametrize(("model", "values"), CASES, ids=[model._reprstring() for model, _ in CASES])
def test_guesses_know_of_the_response(model, values):
    y = np.random.default_rng(1).poisson(folded(model, values)).astype(float)
    result = model.fit(y, **HOW, loss="poisson")
    assert result.success
    assert result.redchi < 1.5
    for name, value in values.items():
        assert result.params[name].value == pytest.approx(value, abs=6*result.params[name].stderr)


@pytest.mark.parametrize(("model", "values"), CASES[:4], ids=[model._reprstring() for model, _ in CASES[:4]])
def test_batches_are_guessed(model, values):
    moved = np.interp(np.arange(70) - 0.4, np.arange(70), RESPONSE)      # by 0.02: where lines of the response meet, chi-square has a kink
    y = np.random.default_rng(2).poisson(np.tile(folded(model, values, moved), (3, 10, 1))).astype(float)
    y[1, 4, 30:40] = np.nan
    result = model.fit_batch(y, **HOW, loss="poisson", nan_policy="omit", response_shift="shift")
    assert result.success.all()
    assert abs(np.median(result.redchi) - 1) < 0.15
    assert np.median(result.values["shift"]) == pytest.approx(0.02, abs=0.005)


def test_the_level_of_counts_does_not_begin_below_0():
    values = {"amplitude1": 3, "tau1": 0.4, "amplitude2": 2, "tau2": 3, "offset": 0}
    model = BiexponentialModel()
    y = np.random.default_rng(8).poisson(np.tile(folded(model, values, RESPONSE/100), (40, 1))).astype(float)
    guess = model.fit_batch(y, **{**HOW, "response": RESPONSE/100}, loss="poisson").data.start
    assert np.all(guess["offset"] > 0)


def test_as_a_formula():
    model, values = CASES[2]
    y = folded(model, values) + np.random.default_rng(3).normal(0, 5, N)
    result = model.fit(y, **HOW)
    formula = fit("offset + amplitude1*exp(-x/tau1) + amplitude2*exp(-x/tau2)", y, start=values, **HOW)
    for name in values:
        assert result.params[name].value == pytest.approx(formula.params[name].value, abs=1e-6*formula.params[name].stderr)
        assert result.params[name].stderr == pytest.approx(formula.params[name].stderr, rel=1e-6)
    assert np.allclose(result.best_fit, formula.best_fit, rtol=1e-9)
    assert np.allclose(result.eval_uncertainty(), formula.eval_uncertainty(), rtol=1e-5)
    responses = np.array([RESPONSE, 2*RESPONSE])
    several = model.fit_batch(np.array([y, y]), **{**HOW, "response": responses})
    plain = fit_batch("offset + amplitude1*exp(-x/tau1) + amplitude2*exp(-x/tau2)", np.array([y, y]), start=values,
                      **{**HOW, "response": responses})
    assert np.allclose(several.values["tau2"], plain.values["tau2"], rtol=1e-6)
    assert several.values["offset"][0] == pytest.approx(2*several.values["offset"][1], rel=1e-5)


def test_results_are_folded_and_keep_it():
    model, values = CASES[4]
    y = folded(model, values) + np.random.default_rng(4).normal(0, 5, N)
    mask = X > 9
    result = model.fit(y, **HOW, response_shift="shift", mask=mask)
    assert np.isnan(result.best_fit[mask]).all()
    parts = result.eval_components()
    assert np.allclose(sum(parts.values()), result.eval(), rtol=1e-12)
    assert set(parts) == {"a_", "b_", "constant"}
    for again in (pickle.loads(pickle.dumps(result)), ExponentialModel().fit(np.exp(-X), x=X).loads(result.dumps())):
        assert np.array_equal(again.eval(), result.eval())
        assert again.model.formula == result.model.formula
    assert "folded with a response" in result.fit_report()
    assert "shift" in result.fit_report()
    with pytest.raises(InputError, match="none of the points that the model is folded over"):
        result.eval(x=X + 0.01)


@pytest.mark.parametrize("count", [N, 1000])
def test_points_that_descend(count):
    """With x, the data and the response turned round, the guess and the fit are those of ascending points."""
    x = np.arange(count)*10/count
    response = np.exp(-0.5*((x[:count//3] - 1.5)/0.15)**2)
    rng = np.random.default_rng(10)
    y = rng.poisson(200/count*np.convolve(50*np.exp(-x/0.4) + 10*np.exp(-x/3), response)[CENTRE:CENTRE + count] + 1).astype(float)
    model, how = BiexponentialModel(), {"loss": "poisson", "response_shift": "shift"}
    up = model.fit(y, x=x, response=response, response_centre=CENTRE, **how)
    down = model.fit(y[::-1], x=x[::-1], response=response[::-1], response_centre=len(response) - 1 - CENTRE, **how)
    assert up.success
    assert down.success
    for name in up.params:
        assert down.init_params[name].value == pytest.approx(up.init_params[name].value, rel=1e-6)
        assert down.params[name].value == pytest.approx(up.params[name].value, abs=1e-5*up.params[name].stderr)


def test_a_shift_without_a_start_begins_at_0_or_the_bound_that_is_next():
    y = np.random.default_rng(11).normal(np.convolve(3*np.exp(-X/0.8), RESPONSE)[CENTRE:CENTRE + N], 5)
    for limits, begun in (({}, 0.0), ({"min": -0.5, "max": 0.5}, 0.0), ({"min": 0.01, "max": 0.5}, 0.01)):
        model, how = ExponentialModel(), {**HOW, "response_shift": "shift"}
        model.set_param_hint("shift", **limits)
        params = Parameters()
        params.add("amplitude", 2.0)
        params.add("decay", 1.0)
        params.add("shift", **limits)
        text = "amplitude*exp(-x/decay)"
        one = fit(text, y, params, **how)
        assert params["shift"].value is None
        assert one.init_values["shift"] == begun
        for other in (model.fit(y, **how), ExponentialModel().fit(y, params, **how)):
            assert other.params["shift"].value == pytest.approx(one.params["shift"].value, abs=1e-8)
        for batch in (fit_batch(text, [y], params, **how), ExponentialModel().fit_batch([y], params, **how),
                      fit_shared(text, [y], params, **how, shared="decay")):
            assert np.ravel(batch.values["shift"])[0] == pytest.approx(one.params["shift"].value, abs=1e-8)


def test_responses_that_cancel():
    """Guesses look at the mean of the responses, and at the first of them where there is none."""
    y = np.convolve(3*np.exp(-X/0.8), RESPONSE)[CENTRE:CENTRE + N]
    for model in (ExponentialModel(), VoigtModel()):
        found = model.fit_batch([y, -y], **{**HOW, "response": [RESPONSE, -RESPONSE]})
        assert found.values[model.param_names[0]].shape == (2,)
        assert model.fit_batch(np.empty((0, N)), **{**HOW, "response": np.empty((0, 70))}).success.shape == (0,)


def test_a_shift_and_given_parameters():
    model, values = CASES[2]
    moved = np.interp(np.arange(70) - 0.6, np.arange(70), RESPONSE)
    y = np.random.default_rng(5).poisson(folded(model, values, moved)).astype(float)
    params = model.make_params(**values)
    result = model.fit(y, params, **HOW, response_shift="shift", loss="poisson")
    assert "shift" not in params
    assert result.params["shift"].value == pytest.approx(0.03, abs=5*result.params["shift"].stderr)
    params.add("shift", 0.03, vary=False)
    held = model.fit(y, params, **HOW, response_shift="shift", loss="poisson")
    assert held.params["shift"].value == 0.03
    assert held.params["tau2"].value == pytest.approx(values["tau2"], abs=5*held.params["tau2"].stderr)


def test_data_sets_that_share():
    model, values = CASES[2]
    y = np.random.default_rng(6).poisson(np.tile(folded(model, values), (12, 1))).astype(float)
    result = model.fit_shared(y, **HOW, shared=("tau1", "tau2", "shift"), response_shift="shift", loss="poisson")
    assert result.success
    for name in ("tau1", "tau2"):
        assert result.values[name] == pytest.approx(values[name], abs=5*result.stderr[name])


def test_more_points_than_a_guess_looks_at():
    x = np.arange(2000)*0.02
    response = np.exp(-0.5*((x[:300] - 1.5)/0.2)**2)
    clean = np.convolve(3*np.exp(-x/0.5) + 2*np.exp(-x/4), response)[100:2100]
    y = clean + np.random.default_rng(7).normal(0, 1, 2000)
    result = BiexponentialModel().fit(y, x=x, response=response, response_centre=100)
    assert result.params["tau2"].value == pytest.approx(4, abs=5*result.params["tau2"].stderr)
    assert result.init_params["tau2"].value == pytest.approx(4, rel=0.4)


def called(x, a):
    return np.array([a*float(each) for each in x])


@pytest.mark.parametrize("name", ["response", "response_centre", "response_shift"])
def test_names_that_are_arguments(name):
    """An independent variable comes before an argument of its name; a parameter is told of, and has its start in start=."""
    y, shared = np.exp(-X/2), {"shared": "tau"}
    points, own, text = Model(f"a*exp(-{name}/tau)", name), Model(f"{name}*exp(-x/tau)"), f"{name}*exp(-x/tau)"
    assert points.fit(y, a=2.0, tau=1.0, **{name: X}).params["tau"].value == pytest.approx(2)
    assert points.fit_batch([y], a=2.0, tau=1.0, **{name: X}).values["tau"][0] == pytest.approx(2)
    assert points.fit_shared([y], a=2.0, tau=1.0, **shared, **{name: X}).values["tau"] == pytest.approx(2)
    calls = [partial(own.fit, y), partial(own.fit_batch, [y]), partial(own.fit_shared, [y], **shared), partial(fit, text, y),
             partial(fit_batch, text, [y]), partial(fit_shared, text, [y], **shared)]
    for call in calls:
        with pytest.raises(InputError, match=f"'{name}' is a parameter of "):
            call(x=X, tau=1.0, **{name: 2.0})
    for call in calls[1:]:
        assert np.all(call(x=X, tau=1.0, start={name: 2.0}, response=[1.0]).success)


def test_refusals():
    y = np.ones(N)
    with pytest.raises((InputError, InputTypeError), match="response_centre is array"):
        ExponentialModel().fit(y, x=X, response=RESPONSE, response_centre=np.arange(2))
    with pytest.raises(InputError, match="x is 3 at all points"):
        ExponentialModel().fit(y, x=np.full(N, 3.0), response=RESPONSE)
    with pytest.raises(InputError, match="response= needs a formula that compiles"):
        Model(called).fit(y, **HOW, a=1)
    with pytest.raises(InputError, match="no values for the independent variable 'x'"):
        ExponentialModel().fit(y, response=RESPONSE)
    with pytest.raises(InputError, match="response= and ycov= "):
        ExponentialModel().fit(y, **HOW, ycov=np.eye(N))
    with pytest.raises(InputError, match="response= and prior= "):
        ExponentialModel().fit_batch(np.ones((2, N)), **HOW, prior={"decay": (1, 0.1)}, yerr=1.0)
    with pytest.raises(InputError, match="response_shift is 'decay'"):
        ExponentialModel().fit(y, **HOW, response_shift="decay")


def test_a_model_without_a_guess():
    """The parameter that moves the response starts at 0 by itself, whatever the call; and so does one that a hint or a default gives."""
    y = np.convolve(3*np.exp(-X/0.8), RESPONSE)[CENTRE:CENTRE + N] + np.random.default_rng(9).normal(0, 5, N)
    model, start = Model("a*exp(-x/tau)"), {"a": 2.0, "tau": 1.0}
    how = {**HOW, "response_shift": "shift"}
    free, held = model.fit(y, **how, **start), fit_batch("a*exp(-x/tau)", [y], **how, **start, vary={"shift": False})
    batch, own = model.fit_batch([y], **how, **start), model.fit_batch([y], **how, **start, vary={"shift": False})
    params = model.make_params(**start)
    shared, of_params = (fit_shared("a*exp(-x/tau)", [y], given, **how, shared="tau", **values) for given, values in
                         ((None, start), (params, {})))
    for name in ("a", "tau", "shift"):
        for other in (batch, shared, of_params):
            assert np.ravel(other.values[name])[0] == pytest.approx(free.params[name].value, abs=1e-6*free.params[name].stderr)
        assert own.values[name][0] == pytest.approx(held.values[name][0], abs=1e-6*held.stderr[name][0])
