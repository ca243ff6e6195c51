"""Model and ModelResult: names, evaluation, composition, data as people have them, refits, files."""
import json
import operator
import pickle

import numpy as np
import pytest

import gslfit
from gslfit import models
from gslfit.errors import ExpressionError, FitWarning, InputError, NonFiniteError

X = np.linspace(-5, 5, 81)


def curve(noise=.02, seed=0):
    """Return a noisy Gaussian on a line."""
    clean = 3*np.exp(-(X - .4)**2/2/1.1**2) + .2*X + 1
    return clean + noise*np.random.default_rng(seed).standard_normal(X.size)


def peak_on_line():
    """Its model."""
    return models.GaussianModel(prefix="g_") + models.LinearModel(prefix="l_")


def gauss(x, height, center=0., width=1., form="plain"):
    """Return a function with an option."""
    return height*np.exp(-((x - center)/width)**2/2)*(2 if form == "double" else 1)


@pytest.mark.parametrize("source", ["height*exp(-((x - center)/width)**2/2)", gauss,
                                    gslfit.Formula("height*exp(-((x - center)/width)**2/2)")])
def test_sources(source):
    """A text, a function and a Formula make the same model."""
    model = gslfit.Model(source)
    assert model.param_names == ["height", "center", "width"]
    assert model.independent_vars == ["x"]
    assert model.native
    result = model.fit(curve() - .2*X - 1, x=X, height=2, center=0, width=1)
    assert result.success
    assert result.best_values["width"] == pytest.approx(1.1, rel=.02)


def test_function_options():
    """Options of a function are set for the model or for one evaluation, and traced anew."""
    model = gslfit.Model(gauss, form="double")
    assert model.eval(x=0., height=1, center=0, width=1) == 2
    assert model.eval(x=0., height=1, center=0, width=1, form="plain") == 1
    y = curve() - .2*X - 1
    assert model.fit(y, x=X, height=1, center=0, width=1).best_values["height"] == pytest.approx(1.5, rel=.02)
    assert gslfit.Model(gauss).fit(y, x=X, height=1, form="double").best_values["height"] == pytest.approx(1.5, rel=.02)


def test_untraceable_function():
    """A function that can't be traced is called, and says why."""
    def odd(x, a, b):
        return np.array([a*float(each) + b for each in x])
    model = gslfit.Model(odd)
    assert not model.native
    assert model.formula.reason
    result = model.fit(2*X + 1, x=X, a=1, b=0)
    assert result.best_values == {"a": pytest.approx(2), "b": pytest.approx(1)}


def test_prefix_and_names():
    """A prefix is before every parameter, in expressions too, and can be left out where values are given."""
    model = models.VoigtModel(prefix="v_")
    params = model.make_params(amplitude=2, v_sigma=.5)
    assert list(params) == ["v_amplitude", "v_center", "v_sigma", "v_gamma", "v_fwhm", "v_height"]
    assert params["v_gamma"].value == .5
    assert params["v_amplitude"].value == 2
    freed = model.make_params(gamma=.7)
    assert freed["v_gamma"].expr is None
    assert freed["v_gamma"].vary
    model.prefix = "w_"
    assert model.param_names[0] == "w_amplitude"
    with pytest.raises(InputError, match="prefix"):
        models.VoigtModel(prefix="1a")


def test_hints():
    """Hints give values, bounds and expressions, and an unknown one is told."""
    model = gslfit.Model("a*x + b", prefix="p_")
    model.set_param_hint("a", value=2, min=0)
    model.set_param_hint("p_twice", expr="2*a")
    params = model.make_params(b=1)
    assert (params["p_a"].value, params["p_a"].min, params["p_twice"].value) == (2, 0, 4)
    with pytest.warns(FitWarning, match="no hint"):
        model.set_param_hint("a", low=3)
    given = gslfit.Model(gauss, width=gslfit.Parameter(value=2, max=9)).make_params()
    assert given["width"].max == 9


@pytest.mark.parametrize("op", [operator.add, operator.sub, operator.mul, operator.truediv])
def test_composition(op):
    """A composite is one native program with the parts' values."""
    left, right = models.GaussianModel(prefix="a_"), gslfit.Model("t = x/w; 2 + t**2", prefix="b_")
    both = op(left, right)
    values = {"a_amplitude": 2., "a_center": .3, "a_sigma": 1.5, "b_w": 3.}
    assert both.native
    expected = op(left.eval(x=X, amplitude=2., center=.3, sigma=1.5), right.eval(x=X, w=3.))
    np.testing.assert_allclose(both.eval(x=X, **values), expected, rtol=1e-14)
    np.testing.assert_allclose(both.formula(x=X, **values), expected, rtol=1e-14)
    assert set(both.eval_components(x=X, **values)) == {"a_", "b_"}


def test_composites_of_functions_and_lines():
    """Traced functions join with texts; names assigned in two texts don't meet; the same name twice is an error."""
    both = gslfit.Model(gauss, prefix="f_") + gslfit.Model("t = x*a; t + 1") + gslfit.Model("t = x*b; t*t")
    assert both.native
    values = {"f_height": 2., "f_center": 0., "f_width": 1., "a": 3., "b": .5}
    wanted = gauss(X, 2., 0., 1.) + (3*X + 1) + (.5*X)**2
    np.testing.assert_allclose(both.eval(x=X, **values), wanted, rtol=1e-13)
    np.testing.assert_allclose(both.formula(x=X, **values), wanted, rtol=1e-13)
    x = np.linspace(.5, 3, 9)
    for op in (operator.add, operator.sub, operator.mul, operator.truediv):
        for right in ("t = x*b; t*t", "u = x*b; t = u*u; t", "a = x*b; a*a"):
            joined = op(gslfit.Model("t = x*a; t + 1"), gslfit.Model(right))
            for found in (joined.eval(x=x, a=3., b=.5), joined.formula(x=x, a=3., b=.5)):
                np.testing.assert_allclose(found, op(3*x + 1, (.5*x)**2), rtol=1e-13, atol=1e-13)
    with pytest.raises(NameError, match="prefix"):
        models.GaussianModel() + models.LorentzianModel()


def test_operator_of_the_callers():
    """Any function of two arrays joins two models; it is called."""
    model = gslfit.CompositeModel(models.GaussianModel(prefix="a_"), models.ConstantModel(prefix="b_"), np.maximum)
    assert not model.native
    y = np.maximum(models.GaussianModel().eval(x=X, amplitude=5, center=.1, sigma=1.), .5)
    result = model.fit(y, x=X, a_amplitude=4, a_center=0, a_sigma=1.2, b_c=.4)
    assert result.best_values["b_c"] == pytest.approx(.5)


def test_fit_lazily_and_again():
    """What is asked for is there; a result fits again with other data, weights or method."""
    model = peak_on_line()
    result = model.fit(curve(), x=X)
    assert result.success
    assert result.ndata - result.nvarys == result.nfree
    assert result.params["g_fwhm"].stderr > 0
    assert "[[Model]]" in result.fit_report()
    assert result.summary()["success"]
    np.testing.assert_allclose(result.residual, curve() - result.best_fit, atol=1e-12)
    first = result.chisqr
    result.fit(curve(seed=5))
    assert result.chisqr != first
    result.fit(curve(), method="lmder")
    assert result.method == "lmder"
    assert result.chisqr == pytest.approx(first, rel=1e-9)
    weighted = model.fit(curve(), x=X, weights=1/.02)
    by_error = model.fit(curve(), x=X, yerr=np.full(X.size, .02))
    assert weighted.chisqr == pytest.approx(by_error.chisqr)
    assert weighted.redchi == pytest.approx(1, abs=.4)


def test_sigma_is_a_parameter():
    """sigma= is the start of a parameter, never an error of the data."""
    y = curve() - .2*X - 1
    result = models.GaussianModel().fit(y, x=X, amplitude=5, center=0, sigma=1.2)
    assert result.init_values["sigma"] == 1.2


def test_confidence_and_bands():
    """Intervals and bands come from the fitted minimum."""
    result = peak_on_line().fit(curve(), x=X)
    interval = result.conf_interval(p_names=["g_center"], sigmas=[1])["g_center"]
    width = .5*(interval[-1][1] - interval[0][1])
    assert width == pytest.approx(result.params["g_center"].stderr, rel=.05)
    assert result.ci_out is not None
    assert "g_center" in result.ci_report(p_names=["g_center"])
    band = result.eval_uncertainty(sigma=1)
    assert band.shape == X.shape
    assert np.all(result.dely_predicted > band)
    assert set(result.dely_comps) == {"g_", "l_"}
    coarse = result.eval_uncertainty(x=X[::10])
    np.testing.assert_allclose(coarse, band[::10], rtol=1e-9)


def test_uvars():
    """Parameters as correlated numbers, derived ones too."""
    pytest.importorskip("uncertainties")
    result = peak_on_line().fit(curve(), x=X)
    assert result.uvars["g_sigma"].s == pytest.approx(result.params["g_sigma"].stderr)
    assert result.uvars["g_fwhm"].s == pytest.approx(result.params["g_fwhm"].stderr, rel=1e-6)
    total = result.uvars["l_slope"] + result.uvars["l_intercept"]
    assert total.s > 0


def test_masked_and_labelled():
    """Masked arrays, pandas Series and lists are taken."""
    y = curve()
    bad = y.copy()
    bad[[3, 30]] = 1e6
    masked = np.ma.masked_array(bad, np.isin(np.arange(X.size), [3, 30]))
    result = peak_on_line().fit(masked, x=X)
    assert result.ndata == X.size - 2
    assert result.best_values["g_center"] == pytest.approx(.4, abs=.02)
    assert peak_on_line().fit(list(y), x=list(X)).ndata == X.size
    pandas = pytest.importorskip("pandas")
    series = pandas.Series(y, index=np.arange(X.size)[::-1])
    x = pandas.Series(X, index=np.arange(X.size)[::-1]).sort_index()
    assert peak_on_line().fit(series, x=x).best_values["g_center"] == pytest.approx(.4, abs=.02)


def test_xarray():
    """DataArrays are taken."""
    xarray = pytest.importorskip("xarray")
    data = xarray.DataArray(curve(), dims="x", coords={"x": X})
    assert peak_on_line().fit(data, x=data.x).best_values["g_center"] == pytest.approx(.4, abs=.02)


def test_nan_policies():
    """NaN is an error with its place, or left out."""
    y = curve()
    y[7] = np.nan
    with pytest.raises(NonFiniteError, match=r"data\[7\]"):
        peak_on_line().fit(y, x=X)
    result = peak_on_line().fit(y, x=X, nan_policy="omit")
    assert result.ndata == X.size - 1
    with pytest.raises(InputError, match="nan_policy"):
        models.GaussianModel(nan_policy="drop")


@pytest.mark.parametrize(("call", "said"), [
    (lambda m: m.fit(curve()), "independent variable 'x'"),
    (lambda m: m.fit(curve(), x=X[:-1]), "80 points"),
    (lambda m: m.fit(curve(), gslfit.Parameters(), x=X), "lack"),
    (lambda m: m.fit(curve(), x=X, yerr=np.zeros(X.size)), "standard deviations"),
    (lambda m: m.fit(curve(), x=X, weights=np.ones(3)), "weights"),
    (lambda m: gslfit.Model("exp(-a*x)").fit(X, x=X), "no start value"),
    (lambda m: m.fit([], x=[]), "length 0"),
    (lambda m: m.fit(curve(), x=X, method="magic"), "magic"),
    (lambda m: models.StepModel(form="cubic"), "cubic"),
    (lambda m: models.GaussianModel(width=3), "width"),
])
def test_wrong_input(call, said):
    """Each error names the culprit."""
    with pytest.raises(InputError, match=said):
        call(peak_on_line())


def test_unknown_keyword():
    """A keyword that is nothing is told, once."""
    with pytest.warns(FitWarning, match="wavelength"):
        peak_on_line().fit(curve(), x=X, wavelength=3)


def test_complex():
    """Complex data are fitted as pairs of real ones."""
    model = models.ComplexConstantModel()
    rng = np.random.default_rng(1)
    y = 2 + 3j + .1*(rng.standard_normal(60) + 1j*rng.standard_normal(60))
    result = model.fit(y, x=np.arange(60.), re=1, im=1)
    assert result.best_values["re"] == pytest.approx(y.mean().real)
    assert result.best_values["im"] == pytest.approx(y.mean().imag)


def test_batch():
    """fit_batch guesses, and each curve's fit is that of Model.fit."""
    rng = np.random.default_rng(2)
    cube = curve() + .02*rng.standard_normal((4, 5, X.size))
    batch = peak_on_line().fit_batch(cube, x=X)
    assert batch.shape == (4, 5)
    assert batch.success.all()
    one = peak_on_line().fit(cube[2, 3], x=X)
    for name in ("g_center", "g_sigma", "l_slope", "g_fwhm"):
        assert batch.values[name][2, 3] == pytest.approx(one.params[name].value, rel=1e-6)
        assert batch.stderr[name][2, 3] == pytest.approx(one.params[name].stderr, rel=1e-5)
    start = peak_on_line().fit_batch(cube, x=X, g_center=.4, g_sigma=1., g_amplitude=8., l_slope=0., l_intercept=1.)
    np.testing.assert_allclose(start.values["g_sigma"], batch.values["g_sigma"], rtol=1e-6)


def test_images():
    """Spots of two variables are guessed and fitted, one image or many."""
    y, x = np.mgrid[0:24, 0:30].astype(float)
    model = models.EllipticalGaussian2dModel()
    truth = {"height": 20., "x0": 14.3, "y0": 10.2, "sigma_u": 4., "sigma_v": 2., "theta": .5, "offset": 3.}
    z = model.eval(x=x, y=y, **truth) + np.random.default_rng(0).normal(0, .5, x.shape)
    result = model.fit(z, model.guess(z, x, y=y), x=x, y=y)
    for name, value in truth.items():
        assert result.best_values[name] == pytest.approx(value, rel=.05)
    many = model.fit_batch(np.stack([z.ravel()]*3), x={"x": x.ravel(), "y": y.ravel()})
    np.testing.assert_allclose(many.values["theta"], result.best_values["theta"], rtol=1e-5)
    plain = models.Gaussian2dModel()
    z = plain.eval(x=x, y=y, amplitude=200., centerx=13., centery=9., sigmax=2.5, sigmay=3.5)
    params = plain.guess(z.ravel(), x.ravel(), y=y.ravel())
    assert plain.fit(z.ravel(), params, x=x.ravel(), y=y.ravel()).best_values["sigmay"] == pytest.approx(3.5)


ALL = [cls() for name, cls in models.CLASSES.items() if name not in ("SplineModel", "ExpressionModel")]
ALL += [models.SplineModel(np.linspace(-5, 5, 7)), models.ExpressionModel("a*x + b"), peak_on_line(),
        gslfit.Model("t = x*k; a*sin(t)", prefix="s_"), models.StepModel(form="erf", prefix="e_"), models.PolynomialModel(3)]


@pytest.mark.parametrize("model", ALL, ids=[f"{type(model).__name__}{k}" for k, model in enumerate(ALL)])
def test_round_trips(model):
    """JSON, pickle and copy give the same model back."""
    model.set_param_hint(model._root(model.param_names[0]), value=1.25)
    for other in (model.loads(model.dumps()), pickle.loads(pickle.dumps(model)), model.copy()):
        assert type(other) is type(model)
        assert other._reprstring() == model._reprstring()
        assert other.param_names == model.param_names
        mine, theirs = model.make_params(), other.make_params()
        assert repr(mine) == repr(theirs)
        assert repr(other) == repr(model)
    if model.native:
        assert model.latex()


def test_result_files(tmp_path):
    """A result comes back with its values, errors, data and reports."""
    result = peak_on_line().fit(curve(), x=X, weights=np.full(X.size, 50.))
    gslfit.save_modelresult(result, tmp_path/"r.json")
    back = gslfit.load_modelresult(tmp_path/"r.json")
    assert back.fit_report() == result.fit_report()
    np.testing.assert_array_equal(back.best_fit, result.best_fit)
    np.testing.assert_array_equal(back.covar, result.covar)
    assert back.fit(curve(seed=3)).success
    gslfit.save_model(result.model, tmp_path/"m.json")
    assert gslfit.load_model(tmp_path/"m.json").param_names == result.model.param_names
    again = pickle.loads(pickle.dumps(result))
    assert again.fit_report() == result.fit_report()


def test_functions_are_looked_up():
    """A function is a name in a file; who reads gives it."""
    text = gslfit.Model(gauss, prefix="a_").dumps()
    with pytest.raises(InputError, match="funcdefs"):
        gslfit.Model("x*a").loads(text)
    model = gslfit.Model("x*a").loads(text, {"gauss": gauss})
    assert model.param_names == ["a_height", "a_center", "a_width"]


HOSTILE = ["__import__('os').system('touch {}')", "(lambda: 1)()", "().__class__", "open('{}', 'w')", "[x for x in (1,)]", "x.real",
           "exec('1')", "f'{x}'"]


def spoilt(text):
    """Files with one thing spoilt by a text."""
    plain = json.loads(gslfit.Model("a*x + b").dumps())["model"]
    hinted = {"a": {"expr": text}}
    result = json.loads(gslfit.Model("a*x + b").fit(2*X + 1, x=X, a=1, b=0).dumps())
    params = json.loads(json.dumps(result["params"]).replace("null", json.dumps(text), 1))
    yield "model", {"format": "gslfit model 1", "model": {**plain, "formula": text}}
    yield "model", {"format": "gslfit model 1", "model": {**plain, "class": text}}
    yield "model", {"format": "gslfit model 1", "model": {**plain, "function": text, "formula": 3}}
    yield "model", {"format": "gslfit model 1", "model": {**plain, "class": "ExpressionModel", "expr": text}}
    yield "model", {"format": "gslfit model 1", "model": {**plain, "class": "CompositeModel", "left": plain, "right": plain, "op": text}}
    yield "hints", {"format": "gslfit model 1", "model": {**plain, "param_hints": hinted}}
    yield "result", {**result, "model": {**plain, "formula": text}}
    yield "result", {**result, "params": params}
    yield "result", {**result, "data": {"array": text, "shape": [1]}}


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.filterwarnings("ignore")
def test_hostile_files(text, tmp_path):
    """Loading a spoilt file runs nothing: it is refused, at the latest where the expression of a hint is used."""
    trap, file = tmp_path/"trap", tmp_path/"f.json"
    read = {"result": gslfit.load_modelresult, "model": gslfit.load_model,
            "hints": lambda file: gslfit.load_model(file).make_params()["a"].value}
    for kind, state in spoilt(text.replace("{}", str(trap))):
        file.write_text(json.dumps(state))
        with pytest.raises((InputError, ExpressionError, TypeError)):
            read[kind](file)
        assert not trap.exists()


def test_files_of_others():
    """lmfit's own files, which hold pickled code, are refused by name; so is what is no JSON."""
    model = gslfit.Model("a*x")
    for text in ('{"__class__": "lmfit.ModelResult"}', "[1, 2]", "not json", "[" * 100_000):
        with pytest.raises(InputError):
            model.loads(text)
    deep = {"class": "LinearModel"}
    for _ in range(200):
        deep = {"class": "CompositeModel", "op": "+", "left": deep, "right": {"class": "ConstantModel"}}
    with pytest.raises(InputError):
        model.loads(json.dumps({"format": "gslfit model 1", "model": deep}))


def test_pictures():
    """plot, plot_fit and plot_residuals draw."""
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    from matplotlib import pyplot as plt
    result = peak_on_line().fit(curve(), x=X, yerr=.02)
    residuals, fit = result.plot(show_init=True, numpoints=300)
    assert residuals.figure is fit.figure
    assert len(result.plot_fit(numpoints=500).lines) >= 2
    plt.close("all")


def test_expression_model():
    """A text's variables are checked; scripts and prefixes are refused."""
    model = models.ExpressionModel("a*exp(-x/b) + c")
    assert model.param_names == ["a", "b", "c"]
    assert models.ExpressionModel("a*t", independent_vars=["t"]).independent_vars == ["t"]
    for wrong in ({"expr": "a*t"}, {"expr": "a*x", "init_script": "import os"}, {"expr": "a*x", "prefix": "p_"}):
        with pytest.raises(InputError):
            models.ExpressionModel(**wrong)


def test_quick_as_slow():
    """A fit without objects ends where the long way does, bit for bit in what it starts from, and reads the same."""
    rng = np.random.default_rng(4)
    x = np.linspace(-5, 5, 60)
    model = gslfit.Model("y0 + A*exp(-(x - x0)**2/(2*var))")
    model.set_param_hint("A", min=0)
    model.set_param_hint("var", min=.01, max=100)
    model.set_param_hint("sigma", expr="sqrt(var)")
    for _ in range(20):
        y = 1 + 8*np.exp(-(x - rng.uniform(-1, 1))**2/2) + rng.normal(0, .3, x.size)
        start = {"y0": .8, "A": 6., "x0": 0., "var": 1.5}
        quick = model.fit(y, x=x, **start)
        slow = model.fit(y, model.make_params(**start), x=x, method="lmder")
        assert type(quick._found).__name__ == "LazyResult"
        for name, par in slow.params.items():
            assert quick.params[name].value == pytest.approx(par.value, rel=1e-8, abs=1e-10)
            assert quick.params[name].stderr == pytest.approx(par.stderr, rel=1e-5)
            assert quick.init_params[name].value == par.init_value
            assert par.expr or quick.params[name].init_value == par.init_value
        assert quick.params["x0"].correl["y0"] == pytest.approx(slow.params["x0"].correl["y0"], rel=1e-4, abs=1e-6)
        np.testing.assert_allclose(quick.residual, slow.residual, atol=1e-6)
        assert quick.init_values == slow.init_values


def test_hints_are_looked_at_again():
    """A plan is made anew when hints, options or the prefix change."""
    x = np.linspace(0, 4, 40)
    y = 2*np.exp(-x)
    model = gslfit.Model("a*exp(-b*x)")
    assert model.fit(y, x=x, a=1., b=2.).best_values["b"] == pytest.approx(1)
    model.set_param_hint("b", min=1.5, max=3.)
    assert model.fit(y, x=x, a=1., b=2.).best_values["b"] == pytest.approx(1.5, abs=1e-6)
    model.param_hints["b"]["min"] = .5
    assert model.fit(y, x=x, a=1., b=2.).best_values["b"] == pytest.approx(1)
    with pytest.raises(InputError, match="bound"):
        model.fit(y, x=x, a=1., b=9.)
    model.set_param_hint("b", vary=False, value=2.)
    assert model.fit(y, x=x, a=1.).best_values["b"] == 2
    assert model.fit(y, x=x, a=1., b=1.2).best_values["b"] == 1.2


def test_nothing_of_the_fit_before():
    """A result that is fitted to other data says nothing of the ones before, though it was asked: all is twice what it was."""
    y = 3*np.exp(-X**2/2)
    result = models.GaussianModel().fit(y, x=X, amplitude=5, center=.1, sigma=1.2)
    best, amplitude = result.best_fit.copy(), result.best_values["amplitude"]
    result.fit(2*y)
    np.testing.assert_allclose(result.best_fit, 2*best, rtol=1e-9)
    assert result.best_values["amplitude"] == pytest.approx(2*amplitude, rel=1e-9)


def test_weights_of_a_file(tmp_path):
    """A result that is loaded has its weights: fitted again, it has the errors that it had."""
    weights = np.linspace(1, 5, X.size)
    result = models.GaussianModel().fit(3*np.exp(-X**2/2) + .01*np.cos(9*X), x=X, amplitude=5, center=.1, sigma=1.2, weights=weights)
    models.save_modelresult(result, tmp_path/"result.json")
    loaded = models.load_modelresult(tmp_path/"result.json")
    np.testing.assert_array_equal(loaded.weights, weights)
    error = result.params["sigma"].stderr
    loaded.fit()
    assert loaded.params["sigma"].stderr == pytest.approx(error, rel=1e-6)


def test_weights_of_imaginary_parts():
    """Complex weights: the real part's own, and the imaginary part's own; a slope that both share is the weighted mean of both."""
    rng = np.random.default_rng(0)
    x = np.linspace(1, 3, 20)
    y = 2*x + .1*rng.normal(size=20) + 1j*(2*x + .5 + .1*rng.normal(size=20))
    weights = rng.uniform(1, 3, 20) + 1j*rng.uniform(.1, .5, 20)
    result = gslfit.Model(lambda x, c: c*x*(1 + 1j)).fit(y, x=x, c=1., weights=weights)
    parts, squares = np.concatenate([y.real, y.imag]), np.concatenate([weights.real, weights.imag])**2
    both = np.concatenate([x, x])
    wanted = np.sum(squares*both*parts)/np.sum(squares*both**2)
    assert result.params["c"].value == pytest.approx(wanted, rel=1e-9)
    assert result.chisqr == pytest.approx(np.sum(squares*(parts - wanted*both)**2), rel=1e-12)


@pytest.mark.parametrize(("written", "meant"), [("yerrs", "yerr"), ("centre", "center"), ("weight", "weights")])
def test_a_misspelt_keyword_is_told_what_may_be_meant(written, meant):
    """Of parameters, of independent variables and of the call's own keywords."""
    x = np.linspace(-5, 5, 30)
    with pytest.warns(FitWarning, match=f"'{written}' is neither a parameter .* did you mean '{meant}'"):
        models.GaussianModel().fit(np.exp(-x**2/2), x=x, **{written: 1.0})
