"""Amplitudes that start far from where they belong: peaks, decays and spots reach the minimum that their true values lead to."""
import re
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest

from gslfit import Formula, Model, Parameters, curve_fit, fit, fit_batch, minimize
from gslfit.formula.program_residual import native_residual
from gslfit.minimizer import cold_start

N = 60
AXIS = np.linspace(0, 10, 60)
PIXELS = [each.ravel() for each in np.meshgrid(np.arange(13.), np.arange(13.))]
BELL = "A*exp(-((x - c)/s)**2/2) + b"
CASES = {    # text, points, and what its parameters are: linear ones with their sizes, others with their range and how far off they start
    "peak": (BELL, {"x": AXIS}, {"A": 1., "b": .2}, {"c": (3, 7, .5), "s": (.5, 1.5, .4)}, .05),
    "Lorentzian": ("A/(1 + ((x - c)/s)**2) + b", {"x": AXIS}, {"A": 1., "b": .2}, {"c": (3, 7, .3), "s": (.5, 1.5, .4)}, .05),
    "decay": ("A*exp(-x/t) + b", {"x": AXIS}, {"A": 1., "b": .2}, {"t": (1, 4, 1.)}, .05),
    "two decays": ("A*exp(-x/t) + B*exp(-x/u)", {"x": AXIS}, {"A": 1., "B": .8}, {"t": (.4, .8, .15), "u": (2.5, 5, 1.)}, .01),
    "saturation": ("A*x/(k + x) + b", {"x": AXIS}, {"A": 1., "b": .1}, {"k": (.5, 2, .3)}, .03),
    "spot": ("A*exp(-((x - c)**2 + (y - d)**2)/(2*s**2)) + b", dict(zip("xy", PIXELS, strict=True)), {"A": 1., "b": .2},
             {"c": (5, 7, .5), "d": (5, 7, .5), "s": (1, 2, .3)}, .05),
}
FACTORS = [10.**k for k in range(-6, 7)]


@lru_cache
def drawn(name, seed=3):
    """Curves of a kind: formula, points, data, true values, starts of what is not linear."""
    text, points, linear, others, noise = CASES[name]
    rng = np.random.default_rng(seed)
    size = np.exp(rng.uniform(np.log(.5), np.log(50), N))
    true = {key: value*size*rng.uniform(.7, 1.3, N) for key, value in linear.items()}
    true |= {key: rng.uniform(low, high, N) for key, (low, high, _) in others.items()}
    start = {key: true[key] + off*rng.uniform(-1, 1, N) for key, (_, _, off) in others.items()}
    formula = Formula(text, independent=tuple(points))
    clean = formula(**{key: each[None] for key, each in points.items()}, **{key: each[:, None] for key, each in true.items()})
    return formula, points, clean, clean + noise*size[:, None]*rng.standard_normal(clean.shape), true, start


@pytest.mark.parametrize("factor", FACTORS, ids=lambda factor: f"{factor:.0e}")
@pytest.mark.parametrize("name", CASES)
def test_cold_amplitudes(name, factor):
    """At least 99 % at the minimum, and none silently elsewhere."""
    formula, points, _, y, true, start = drawn(name)
    best = fit_batch(formula, y, x=points, start=true)
    found = fit_batch(formula, y, x=points, start={**start, **{key: true[key]*factor for key in CASES[name][2]}})
    there = found.chisqr <= best.chisqr*(1 + 1e-6)
    assert np.mean(there) >= .99
    assert not np.any(found.success & ~there)


@pytest.mark.parametrize("factor", [1e-6, 1e-3, 1e3, 1e6], ids=lambda factor: f"{factor:.0e}")
@pytest.mark.parametrize("method", ["lanes", "lmsder", "lmder", "trust"])
@pytest.mark.parametrize("name", CASES)
def test_cold_amplitudes_by_method(name, method, factor):
    """The same where a method is asked for by name."""
    formula, points, _, y, true, start = drawn(name)
    best = fit_batch(formula, y, x=points, start=true)
    found = fit_batch(formula, y, x=points, start={**start, **{key: true[key]*factor for key in CASES[name][2]}}, method=method)
    there = found.chisqr <= best.chisqr*(1 + 1e-6)
    assert np.mean(there & found.success) >= .98
    assert not np.any(found.success & ~there)


@pytest.mark.parametrize("factor", [1e-6, 1e-3, 1e3])
@pytest.mark.parametrize("name", CASES)
def test_cold_amplitudes_by_minimize(name, factor):
    """The same by every entry that takes a formula and ends in `minimize`; start values are told as they were given."""
    formula, points, _, y, true, start = drawn(name)
    best = fit_batch(formula, y, x=points, start=true)
    model, watch = Model(formula), {"iter_cb": lambda *args, **kws: None}
    for k in range(3):
        params = Parameters()
        for key in formula.names:
            params.add(key, float(true[key][k]*factor if key in CASES[name][2] else start[key][k]))
        given = params.valuesdict()
        residual, jacobian = native_residual(formula, params, list(points.values()), y[k])
        popt, _ = curve_fit(formula, np.array(list(points.values())) if len(points) > 1 else points["x"], y[k], p0=list(given.values()))
        chisqr = np.sum((formula(**points, **dict(zip(formula.names, popt, strict=True))) - y[k])**2)
        assert chisqr == pytest.approx(best.chisqr[k], rel=1e-6)
        gradient = "lbfgsb" if factor < 1 else "leastsq"
        for result in (model.fit(y[k], params, **points, **watch), model.fit(y[k], params, method="lmder", **points),
                       model.fit(y[k], params, method=gradient, **points), minimize(residual, params.copy(), jac=jacobian)):
            assert result.success
            assert result.chisqr == pytest.approx(best.chisqr[k], rel=1e-6)
            assert {key: par.init_value for key, par in result.params.items()} == given


@pytest.mark.parametrize("loss", ["linear", "poisson"])
@pytest.mark.parametrize("name", ["peak", "Lorentzian", "decay", "spot"])
def test_cold_amplitude_that_a_background_hides(name, loss):
    """A background so far off that the amplitude's own slope is zero: the linear fit of both is what knows where they belong."""
    formula, points, clean, _, true, start = drawn(name)
    scale = 100/np.max(clean, axis=1)
    y = np.random.default_rng(6).poisson(clean*scale[:, None]).astype(float)
    A = true["A"]*scale*1e-3
    shape = formula(**{key: each[None] for key, each in points.items()}, A=1.0, b=0.0, **{key: v[:, None] for key, v in start.items()})
    b = np.sum(shape*(y - A[:, None]*shape), axis=1)/np.sum(shape, axis=1)
    best = fit_batch(formula, y, x=points, start={**true, "A": true["A"]*scale, "b": true["b"]*scale}, loss=loss)
    for method in ("auto", "lmsder") if loss == "linear" else ("auto",):
        found = fit_batch(formula, y, x=points, start={**start, "A": A, "b": b}, loss=loss, method=method)
        assert np.all(found.success & (found.chisqr <= best.chisqr*(1 + 1e-6)))


@pytest.mark.parametrize("unit", [1e-150, 1e150])
@pytest.mark.parametrize("method", ["lmsder", "auto"])
def test_cold_in_any_unit(method, unit):
    """Squares out of range don't matter."""
    formula, points, _, y, true, start = drawn("decay")
    best = fit_batch(formula, y, x=points, start=true)
    found = fit_batch(formula, y*unit, x=points, start={**start, "A": true["A"]*unit*1e-5, "b": true["b"]*unit*1e-5}, method=method)
    assert np.all(found.success)
    assert np.allclose(found.values["t"], best.values["t"], rtol=1e-6, atol=0)


@pytest.mark.parametrize("counts", [1e2, 1e4, 1e5, 1e6])
@pytest.mark.parametrize("name", CASES)
def test_counts_from_one(name, counts):
    """Counts, from amplitudes and backgrounds of 1: by fit_batch, and one curve by every entry."""
    formula, points, clean, _, true, start = drawn(name)
    scale = counts/np.max(clean, axis=1)
    y = np.random.default_rng(4).poisson(np.maximum(clean*scale[:, None], 0)).astype(float)
    linear = CASES[name][2]
    best = fit_batch(formula, y, x=points, start={**true, **{key: true[key]*scale for key in linear}})
    found = fit_batch(formula, y, x=points, start=start, **dict.fromkeys(linear, 1.))
    assert np.all(found.success & (found.chisqr <= best.chisqr*(1 + 1e-6)))
    own = {**{key: value[0] for key, value in start.items()}, **dict.fromkeys(linear, 1.)}
    params = Parameters()
    for key, value in own.items():
        params.add(key, value)
    model = Model(formula)
    for result in (fit(formula, y[0], x=points, **own), fit(formula, y[0], params, x=points), model.fit(y[0], **points, **own),
                   model.fit(y[0], params, **points), model.fit_batch(y[:1], params, x=points)[0]):
        assert result.success
        assert result.chisqr == pytest.approx(best.chisqr[0], rel=1e-6)
        assert result.params["A"].init_value == 1


@pytest.mark.parametrize(("low", "sign"), [(0., 1), (-np.inf, 1), (-np.inf, -1)])
def test_signs_and_bounds_stay(low, sign):
    """A cold start keeps the caller's sign and bounds: of a bright and a dark peak the one is found that the start has the sign of."""
    y = sign*(5e4*np.exp(-(AXIS - 5)**2/2) - 2e4*np.exp(-(AXIS - 8)**2/2)) + 100*np.random.default_rng(1).standard_normal(60)
    params = Parameters()
    for key, value in {"A": 1e-3*sign, "c": 5.5, "s": .8, "b": 1e-3}.items():
        params.add(key, value)
    params["A"].min = low
    found = fit_batch(BELL, y[None], params, x=AXIS)
    assert found.success[0] and sign*found.values["A"][0] > 3e4
    assert abs(found.values["c"][0] - 5) < .5


def test_a_result_does_not_depend_on_its_neighbours():
    """Cold and warm starts side by side in the lanes: each row is what it is alone."""
    formula, points, _, y, true, start = drawn("peak")
    factor = np.where(np.arange(N) % 3 == 0, 1e-5, 1.)
    starts = {**start, "A": true["A"]*factor, "b": true["b"]}
    whole = fit_batch(formula, y, x=points, start=starts, threads=1)
    for k in range(9):
        alone = fit_batch(formula, y[k:k + 1], x=points, start={key: each[k:k + 1] for key, each in starts.items()})
        assert alone.nfev[0] == whole.nfev[k]
        assert all(alone.values[key][0] == whole.values[key][k] for key in starts)
    long = np.tile(y[0], 100)
    found = fit_batch(formula, long[None], x=np.tile(AXIS, 100), start={key: each[0] for key, each in starts.items()})
    assert found.success[0] and found.values["A"][0] == pytest.approx(whole.values["A"][0], rel=1e-6)


@pytest.mark.parametrize("name", ["peak", "decay", "spot"])
@pytest.mark.parametrize("factor", [1e-6, 1e-2, 1e-1, 1e2, 1e6], ids=lambda factor: f"{factor:.0e}")
def test_cold_amplitudes_of_a_called_residual(name, factor):
    """A residual that is called, of which nobody knows what it is linear in, reaches the minimum too; none is silently elsewhere."""
    formula, points, _, y, true, start = drawn(name)
    best = fit_batch(formula, y[:8], x=points, start={key: each[:8] for key, each in true.items()})
    for k in (1, 2, 4, 5, 6):
        params = Parameters()
        for key in formula.names:
            params.add(key, float(true[key][k]*factor if key in CASES[name][2] else start[key][k]))
        result = minimize(lambda p, k=k: formula(**points, **{key: p[key].value for key in formula.names}) - y[k], params)
        assert result.success
        assert result.chisqr == pytest.approx(best.chisqr[k], rel=1e-6)


@pytest.mark.parametrize(("name", "file", "pattern"), [("COLD", "linear_start.h", r"#define GSLFIT_COLD ([\d.]+)"),
                                                       ("MATTERS", "linear_start.c", r"MATTERS = ([\d.]+);")])
def test_cold_is_the_same_in_both_languages(name, file, pattern):
    """Formulas in C and residuals that are called go by the same numbers."""
    text = (Path(__file__).parents[2] / "src" / "program" / file).read_text()
    assert float(re.search(pattern, text)[1]) == getattr(cold_start, name)
