"""The tables of models: whole, compiled, right in their derived parameters, and shown in docs/models.md as they are."""
import runpy
from pathlib import Path

import mpmath
import numpy as np
import pytest

import gslfit
from gslfit import models, multifit
from gslfit.models.library.further_entries import GSL_TYPES

ROOT = Path(__file__).parents[2]
ENTRIES = list(models.ENTRIES.values())
BY_NAME = [entry.cls for entry in ENTRIES]


@pytest.mark.parametrize("entry", ENTRIES, ids=BY_NAME)
def test_entry(entry):
    """Every form compiles, its parameters are the entry's, and the class says its formula."""
    if entry.slow:
        assert not entry.text()
        return
    for form in entry.forms or (None,):
        formula = gslfit.Formula(entry.text(form), entry.independent)
        assert formula.native
        assert set(formula.names) <= set(entry.defaults)
        assert set(formula.names) == set(entry.defaults) or entry.cls == "PolynomialModel"
    assert entry.about.endswith(".")
    assert entry.text().splitlines()[-1] in models.CLASSES[entry.cls].__doc__
    model = models.CLASSES[entry.cls]()
    assert model.native
    assert model.latex()
    for name in entry.derived:
        assert model.make_params()[name].expr


@pytest.mark.parametrize("name", [entry.cls for entry in ENTRIES if {"fwhm", "height"} <= set(entry.derived) and entry.kind == "peak"])
def test_width_and_height(name):
    """Derived height and width are the curve's own, by looking."""
    model = models.CLASSES[name]()
    if name in ("DampedHarmonicOscillatorModel", "DoniachModel", "Pearson4Model", "StudentsTModel", "LognormalModel"):
        pytest.skip("its height or width is an approximation, as lmfit has it")
    params = model.make_params()
    x = np.linspace(-200, 200, 4_000_001)
    y = model.eval(params, x=x)
    assert y.max() == pytest.approx(params["height"].value, rel=1e-6)
    above = x[y >= y.max()/2]
    assert above[-1] - above[0] == pytest.approx(params["fwhm"].value, rel=1e-3)


@pytest.mark.parametrize("entry", GSL_TYPES, ids=lambda entry: entry.name)
def test_gsl_types(entry):
    """The eleven fit types have the names, the order of coefficients and the values of gslfit.multifit's."""
    kind = multifit.TYPES[entry.name]
    assert tuple(entry.defaults) == kind.names
    x = np.linspace(.5, 8, 40)
    values = np.random.default_rng(1).uniform(.5, 2, len(kind.names))
    model = models.CLASSES[entry.cls]()
    np.testing.assert_allclose(model.eval(x=x, **dict(zip(kind.names, values, strict=True))), kind.value(x, values), rtol=1e-12)


SCIPY = {
    "WeibullModel": (lambda x, p: p["amplitude"]*__import__("scipy.stats", fromlist=["x"]).weibull_min.pdf(x, p["shape"], 0, p["scale"])),
    "HillModel": (lambda x, p: p["bottom"] + (p["top"] - p["bottom"])*x**p["slope"]/(p["half"]**p["slope"] + x**p["slope"])),
    "MichaelisMentenModel": (lambda x, p: p["vmax"]*x/(p["km"] + x)),
    "GaussianBeamModel": (lambda x, p: np.hypot(p["w0"], p["w0"]*(x - p["z0"])/p["zR"])),
    "AiryModel": (lambda x, p: p["offset"] + p["height"]*(2*__import__("scipy.special", fromlist=["x"]).j1(
        3.8317059702075125*(x - p["center"])/p["radius"])/(3.8317059702075125*(x - p["center"])/p["radius"]))**2),
    "DebyeLossModel": (lambda x, p: np.imag(p["delta"]/(1 - 1j*x*p["tau"]))),
    "DebyeModel": (lambda x, p: p["eps_inf"] + np.real(p["delta"]/(1 - 1j*x*p["tau"]))),
    "LogisticGrowthModel": (lambda x, p: p["K"]/(1 + np.exp(-p["r"]*(x - p["x0"])))),
    "GompertzModel": (lambda x, p: p["a"]*np.exp(-p["b"]*np.exp(-p["c"]*x))),
    "StretchedExponentialModel": (lambda x, p: p["offset"] + p["amplitude"]*np.exp(-(x/p["tau"])**p["beta"])),
}


@pytest.mark.parametrize("name", SCIPY)
def test_by_other_means(name):
    """Values equal those of another way to write them."""
    model = models.CLASSES[name]()
    rng = np.random.default_rng(4)
    values = {each: rng.uniform(.5, 2) for each in model.param_names}
    x = np.linspace(.3, 6, 50)
    np.testing.assert_allclose(model.eval(x=x, **values), SCIPY[name](x, values), rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize("large", [.7, 40., 199., 201., 1e4, 1e8, 1e14])
@pytest.mark.parametrize("name", ["StudentsTModel", "Pearson7Model", "Pearson4Model"])
def test_of_any_shape(name, large):
    """Distributions that become Gaussian as a parameter grows have the digits of their values there too, by mpmath."""
    model, x = models.CLASSES[name](), np.linspace(-3, 4, 9)
    sigma = large if name == "StudentsTModel" else 1.5*np.sqrt(large)
    values = {"amplitude": 2., "center": .3, "sigma": sigma, "expon": large, "skew": 0.}
    with mpmath.workdps(50):
        n, scale = (mpmath.mpf(large), 1) if name == "StudentsTModel" else (2*mpmath.mpf(large) - 1, mpmath.mpf(sigma))
        above = 2*mpmath.gamma((n + 1)/2)/mpmath.gamma(n/2)/mpmath.sqrt(mpmath.pi)/(scale if scale != 1 else mpmath.sqrt(n))
        z = [(mpmath.mpf(each) - mpmath.mpf(.3))**2/(scale**2 if scale != 1 else n) for each in x.tolist()]
        expected = [float(above*(1 + each)**(-(n + 1)/2)) for each in z]
    found = model.eval(x=x, **{each: values[each] for each in model.param_names if each in values})
    np.testing.assert_allclose(found, expected, rtol=2e-13)


def test_response_is_the_fold():
    """A decay with instrument response is the decay folded with a Gaussian, by quadrature."""
    model = models.ExponentialResponseModel()
    values = {"amplitude": 2., "tau": 1.5, "t0": .7, "irf": .3, "offset": .1}
    t = np.linspace(0, 60, 600_001)
    for x in (-1., .5, 1., 4.):
        kernel = np.exp(-((x - .7 - t)/.3)**2/2)/(.3*np.sqrt(2*np.pi))
        expected = .1 + np.trapezoid(2*np.exp(-t/1.5)*kernel, t)
        assert float(model.eval(x=x, **values)) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("count", [2, 3])
def test_several_responses(count):
    """Several decays with one response are the sum of single ones; guess and fit find clean ones."""
    model = models.CLASSES[{2: "Bi", 3: "Tri"}[count] + "exponentialResponseModel"]()
    one = models.ExponentialResponseModel()
    x = np.linspace(-10, 100, 221)
    shared = {"t0": 4.2, "irf": 1.3}
    own = {f"{name}{k + 1}": value for k in range(count) for name, value in (("amplitude", 2. + k), ("tau", 2.5*5.**k))}
    y = model.eval(x=x, offset=.3, **shared, **own)
    parts = [one.eval(x=x, amplitude=own[f"amplitude{k + 1}"], tau=own[f"tau{k + 1}"], offset=.3*(k == 0), **shared) for k in range(count)]
    np.testing.assert_allclose(y, sum(parts), rtol=1e-12)
    result = model.fit(y + 1e-4*np.cos(9*x), x=x)
    assert result.rsquared > 1 - 1e-6
    assert {name: result.best_values[name] for name in shared} == pytest.approx(shared, rel=.02)


def test_page():
    """docs/models.md is what the tables say."""
    made = runpy.run_path(str(ROOT/"docs"/"make_models.py"))["page"]()
    assert (ROOT/"docs"/"models.md").read_text(encoding="utf-8") == made, "run docs/make_models.py"
