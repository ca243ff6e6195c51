"""Derivatives that leave the range of doubles on their way, or are beyond it: a fit by them stayed where it began, as a success."""
import numpy as np
import pytest

import gslfit

X = np.linspace(-3, 5, 60)
NOISE = .01*np.random.default_rng(31).normal(size=60)
# formula, parameters, the curve, and the parameters' units by those of x and y
CURVES = {"peak": ("y0 + A/((x - x0)**2 + B)", {"y0": .2, "A": 2., "x0": 1., "B": .7}, .2 + 2/((X - 1)**2 + .7),
                   lambda x, y: {"y0": y, "A": y*x*x, "x0": x, "B": x*x}),
          "decay": ("a*exp(-x/tau) + c", {"a": 2., "tau": 3., "c": .3}, 2*np.exp(-X/3) + .3, lambda x, y: {"a": y, "tau": x, "c": y})}
ENTRIES = {"fit": lambda text, y, x, start: gslfit.fit(text, y, x=x, start=start),
           "fit_batch": lambda text, y, x, start: gslfit.fit_batch(text, np.array([y, y]), x=x, start=start)[1],
           "Model": lambda text, y, x, start: gslfit.Model(text).fit(y, x=x, **start),
           "fit by trust": lambda text, y, x, start: gslfit.fit(text, y, x=x, start=start, method="trust")}


@pytest.mark.parametrize(("x_unit", "y_unit"), [(1, 1), (1e100, 1e-80), (1e100, 1e-150), (1e140, 1e-80), (1e100, 1e-160), (1e-100, 1e160)])
@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize("curve", CURVES)
def test_units(curve, entry, x_unit, y_unit):
    """`fit` goes on by differences, and finds the minimum in any unit; a batch, or the one method that is asked for, finds no other."""
    text, truth, y, units = CURVES[curve]
    unit = units(x_unit, y_unit)
    if not all(1e-300 < each < 1e300 for each in unit.values()):
        pytest.skip("a parameter is beyond the range")
    start = {name: value*unit[name]*(1.3 if name == "x0" else 1.2) for name, value in truth.items()}
    expected = gslfit.fit(text, y + NOISE, x=X, start=truth)
    with np.errstate(over="ignore"):
        found = ENTRIES[entry](text, (y + NOISE)*y_unit, X*x_unit, start)
    if not found.success:
        assert entry in ("fit_batch", "fit by trust")
        return
    for name in truth:
        assert found.params[name].value/unit[name] == pytest.approx(expected.params[name].value, rel=1e-6)
        assert found.params[name].stderr/unit[name] == pytest.approx(expected.params[name].stderr, rel=1e-3)


@pytest.mark.parametrize("entry", ENTRIES)
def test_no_effect_is_none(entry):
    """A parameter that the model doesn't depend on, or that nothing tells, stays what it is: there is no way down along it."""
    for text, start in (("A*exp(-x**2) + 0*b", {"A": 1., "b": 2.}), ("A*exp(-x**2)*(1 + b - b)", {"A": 1., "b": 2.})):
        found = ENTRIES[entry](text, 2*np.exp(-X**2) + NOISE, X, start)
        assert found.success and found.params["b"].value == 2 and found.params["b"].stderr is None
