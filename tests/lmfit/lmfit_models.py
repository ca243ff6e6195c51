"""Behaviours of models: what they are made of, hints, evaluation, fits, composites, results, files."""
import copy
import math
import operator
import pickle

import numpy as np
from lmfit_cases import behaviour, printed, summary, uncertainties

x = np.linspace(0, 10, 101)
PEAK = 7*np.exp(-(x - 4.2)**2/2/.8**2) + .3*x + np.random.default_rng(5).normal(0, .15, x.size)


def peak(x, height, center=4., width=1.):
    """Return a Gaussian by its height."""
    return height*np.exp(-(x - center)**2/(2*width**2))


def switched(x, slope=1., offset=0., kind="up"):
    """Return a line, with an option."""
    return offset + slope*x if kind == "up" else offset - slope*x


def two(x, y, a, b):
    """Two independent variables."""
    return a*x + b*y


def made(M):
    """Return a peak on a line, ready to be fitted."""
    model = M.models.GaussianModel(prefix="g_") + M.models.LinearModel(prefix="l_")
    return model, model.make_params(g_amplitude=10, g_center=4, g_sigma=1, l_slope=0, l_intercept=0)


@behaviour()
def names_of_a_function(M):
    model = M.Model(peak)
    other = M.Model(two, independent_vars=["x", "y"], prefix="p_")
    third = M.Model(switched)
    return [model.param_names, model.independent_vars, other.param_names, other.independent_vars, third.param_names, model.name,
            model.make_params(height=2).valuesdict()]


@behaviour()
def start_without_default(M):
    return M.Model(peak).fit(PEAK, x=x)


@behaviour()
def eval_of_a_model(M):
    model = M.Model(peak)
    params = model.make_params(height=2)
    return model.eval(params, x=x), model.eval(params, x=x, width=2), model.eval(x=3., height=1), M.Model(switched).eval(x=x, kind="down")


@behaviour()
def hints(M):
    model = M.Model(peak, prefix="a_")
    model.set_param_hint("width", min=0, value=2)
    model.set_param_hint("center", vary=False)
    model.set_param_hint("fwhm", expr="2.3548*a_width")
    params = model.make_params(height=5)
    return {name: [par.value, par.vary, par.min, par.max, par.expr] for name, par in params.items()}, model.param_hints


@behaviour()
def hints_in_the_call(M):
    params = M.Model(peak).make_params(height=dict(value=3, min=0), center=5, width=dict(value=1, vary=False))
    return {name: [par.value, par.vary, par.min, par.max, par.expr] for name, par in params.items()}


def library(name):
    """Return a class of the library: names, defaults, bounds, derived parameters, values."""
    def case(M):
        model = getattr(M.models, name)(prefix="p_")
        params = model.make_params()
        model_2 = getattr(M.models, name)()
        return [list(model.independent_vars)[:1],
                {key: [par.value, par.vary, par.min, par.max, bool(par.expr)] for key, par in params.items()},
                model_2.make_params().valuesdict()]
    case.__name__ = f"library_{name}"
    return case


for _name in ("Constant", "Linear", "Quadratic", "Gaussian", "Lorentzian", "SplitLorentzian", "Voigt", "PseudoVoigt", "Moffat", "Pearson4",
              "Pearson7", "StudentsT", "BreitWigner", "Lognormal", "Sine", "DampedOscillator", "DampedHarmonicOscillator",
              "ExponentialGaussian", "SkewedGaussian", "SkewedVoigt", "ThermalDistribution", "Bose", "Fermi", "Doniach", "PowerLaw",
              "Exponential", "Step", "Rectangle"):
    behaviour()(library(_name + "Model"))


@behaviour(atol=1e-6)
def fit_of_a_composite(M):
    model, params = made(M)
    result = model.fit(PEAK, params, x=x)
    return [summary(result), result.best_values, result.init_fit, result.message, result.rsquared, result.nan_policy,
            [par.value for par in result.init_params.values()], params.valuesdict()]


@behaviour(rtol=1e-3)
def errors_of_a_composite(M):
    model, params = made(M)
    return uncertainties(model.fit(PEAK, params, x=x))


@behaviour(atol=1e-5)
def curves_of_a_composite(M):
    model, params = made(M)
    result = model.fit(PEAK, params, x=x)
    new = np.linspace(0, 10, 7)
    return [result.best_fit, result.residual, result.eval(x=new), result.eval_components(x=new),
            model.eval_components(params=params, x=new)]


@behaviour(rtol=1e-3)
def uncertainty_of_a_composite(M):
    model, params = made(M)
    result = model.fit(PEAK, params, x=x)
    one = result.eval_uncertainty(sigma=1)
    return [one, result.dely_predicted, dict(result.dely_comps), result.eval_uncertainty(sigma=3),
            result.eval_uncertainty(sigma=.95)]


@behaviour(atol=1e-6)
def weights(M):
    model, params = made(M)
    return summary(model.fit(PEAK, params, x=x, weights=1/.15)), summary(model.fit(PEAK, params, x=x, weights=1/(.1 + .01*x)))


@behaviour(atol=1e-6)
def weights_as_they_are(M):
    model, params = made(M)
    return summary(model.fit(PEAK, params, x=x, weights=1/.15, scale_covar=False))


@behaviour(rtol=1e-3)
def errors_unscaled(M):
    model, params = made(M)
    return uncertainties(model.fit(PEAK, params, x=x, weights=1/.15, scale_covar=False))


@behaviour()
def starts_in_the_call(M):
    result = M.Model(peak).fit(PEAK - .3*x, x=x, height=5, width=M.Parameter("width", value=1.5, min=0))
    return summary(result), result.init_values


@behaviour()
def defaults_as_starts(M):
    result = M.models.GaussianModel().fit(np.exp(-(x - 1)**2) + .05*np.sin(9*x), x=x)
    return result.init_values, summary(result)


@behaviour()
def data_with_nan(M):
    data = PEAK.copy()
    data[[3, 40]] = np.nan
    model, params = made(M)
    return model.fit(data, params, x=x)


@behaviour(atol=1e-6)
def data_with_nan_left_out(M):
    data = PEAK.copy()
    data[[3, 40]] = np.nan
    model, params = made(M)
    result = model.fit(data, params, x=x, nan_policy="omit")
    return summary(result), result.best_fit.size


@behaviour(atol=1e-6)
def fixed_and_tied(M):
    model, params = made(M)
    params["l_slope"].set(value=.3, vary=False)
    params["l_intercept"].set(expr="g_center - 4.2")
    return summary(model.fit(PEAK, params, x=x))


@behaviour()
def operators(M):
    g, c = M.models.GaussianModel(prefix="g_"), M.models.ConstantModel(prefix="c_")
    values = dict(g_amplitude=3., g_center=4., g_sigma=1., c_c=2.)
    return [(operator.attrgetter("param_names")(m), m.eval(m.make_params(**values), x=x))
            for m in (g + c, g - c, g*c, g/c, M.CompositeModel(g, c, np.maximum))]


@behaviour()
def names_twice(M):
    M.models.GaussianModel() + M.models.LorentzianModel()


@behaviour()
def copies(M):
    model, params = made(M)
    out = []
    for clone in (copy.deepcopy(model), copy.copy(model)):
        out.append([clone.param_names, clone.eval(params, x=x), clone.make_params()["g_fwhm"].value])
    gaussian = pickle.loads(pickle.dumps(M.models.GaussianModel(prefix="q_")))
    return out, gaussian.make_params(), gaussian.prefix


@behaviour()
def expression_model(M):
    model = M.models.ExpressionModel("off + amp*exp(-x/x0)*sin(x*phase)")
    return [model.param_names, model.independent_vars, model.eval(x=x, off=.2, amp=1., x0=2., phase=3.)]


@behaviour()
def polynomial(M):
    model = M.models.PolynomialModel(degree=3)
    return model.param_names, summary(model.fit(PEAK, model.make_params(c0=0, c1=0, c2=0, c3=0), x=x))


@behaviour()
def steps(M):
    return [getattr(M.models, name)(form=form).eval(x=x, **values) for name, values in (
        ("StepModel", dict(amplitude=2., center=4., sigma=1.5)),
        ("RectangleModel", dict(amplitude=2., center1=3., sigma1=.5, center2=7., sigma2=1.)))
        for form in ("linear", "atan", "erf", "logistic")]


@behaviour(atol=1e-6)
def refit(M):
    model, params = made(M)
    result = model.fit(PEAK, params, x=x)
    result.fit(2*PEAK, x=x)
    return summary(result), result.data


@behaviour()
def other_methods(M):
    model, params = made(M)
    return [model.fit(PEAK, params, x=x, method=method).params.valuesdict() for method in ("least_squares", "nelder")]


@behaviour()
def callback_of_a_model(M):
    seen = []

    def watch(params, count, residual, *args, **kws):
        seen.append([len(residual), sorted(kws), len(args)])
    model, params = made(M)
    result = model.fit(PEAK, params, x=x, iter_cb=watch)
    return seen[-1], len(seen) > 5, result.success


@behaviour()
def callback_that_stops(M):
    model, params = made(M)
    result = model.fit(PEAK, params, x=x, iter_cb=lambda params, count, residual, *args, **kws: count > 9)
    return result.aborted, result.success, result.errorbars, [par.stderr for par in result.params.values()]


@behaviour(rtol=2e-3)
def confidence_of_a_model(M):
    model, params = made(M)
    result = model.fit(PEAK, params, x=x)
    ci = result.conf_interval(p_names=["g_center", "l_slope"], sigmas=[1, 2])
    return ci


@behaviour(rtol=1e-3)
def values_with_uncertainties(M):
    model, params = made(M)
    uvars = model.fit(PEAK, params, x=x).uvars
    both = uvars["g_center"]*uvars["g_sigma"]
    return {name: uvars[name] for name in ("g_amplitude", "g_sigma", "g_fwhm", "g_height")}, both


@behaviour()
def report_of_a_model(M):
    model, params = made(M)
    lines = model.fit(PEAK, params, x=x).fit_report().splitlines()
    return [line for line in lines if "function evals" not in line and "+/-" not in line and "C(" not in line and "Akaike" not in line
            and "Bayes" not in line and "chi-square" not in line and "R-squared" not in line]


@behaviour(atol=1e-6)
def files(M):
    import tempfile
    from pathlib import Path
    model, params = made(M)
    result = model.fit(PEAK, params, x=x)
    with tempfile.TemporaryDirectory() as folder:
        M.model.save_model(model, str(Path(folder)/"model.sav"))
        M.model.save_modelresult(result, str(Path(folder)/"result.sav"))
        again, back = M.model.load_model(str(Path(folder)/"model.sav")), M.model.load_modelresult(str(Path(folder)/"result.sav"))
    return [again.param_names, again.eval(params, x=x), back.params.valuesdict(), back.best_fit, back.chisqr, back.nfree]


@behaviour()
def hints_printed(M):
    model = M.models.LinearModel()
    model.set_param_hint("slope", value=2, min=0)
    return len(printed(model.print_param_hints).splitlines()) >= 2


@behaviour()
def two_variables(M):
    model = M.Model(two, independent_vars=["x", "y"])
    y = np.sin(x)
    return summary(model.fit(2*x - 3*y + .01*np.cos(9*x), x=x, y=y, a=1, b=1))


@behaviour()
def complex_data(M):
    def resonance(f, f0=5., q=10.):
        return 1/(1 + 1j*q*(f/f0 - f0/f))
    f = np.linspace(4, 6, 51)
    data = resonance(f, 5.1, 20.) + .01*np.cos(40*f)*(1 + 1j)
    return summary(M.Model(resonance).fit(data, f=f))


SPIRAL = (2 + 1j)*np.exp((-.4 + 3j)*x/10) + .05*np.cos(9*x) + .03j*np.sin(7*x)


def spiral(x, a, k, w):
    return a*np.exp((-k + 1j*w)*x/10)


@behaviour(rtol=1e-4, atol=1e-7)
def weights_of_complex_data(M):
    own = 10 + np.cos(x), 10 + np.cos(x) + 1j*(5 + np.sin(x)), 1j*(10 + np.cos(x)), 10 + 0j*x
    fit_kws = {"ftol": 1e-12, "xtol": 1e-12}
    results = [M.Model(spiral).fit(SPIRAL, x=x, a=2, k=.3, w=2.9, weights=each, fit_kws=fit_kws) for each in own]
    few = [M.Model(spiral).fit(data, x=x, a=2, k=.3, w=2.9, weights=own[1], fit_kws=fit_kws, **kws)
           for data, kws in ((SPIRAL.real, {}), (np.where(x > 9, np.nan, SPIRAL), {"nan_policy": "omit"}))]
    return [(result.chisqr, result.redchi, result.aic, result.nfree, np.abs(result.residual).sum(), result.params.valuesdict(),
             [par.stderr for par in result.params.values()]) for result in (*results, *few)]


@behaviour(atol=1e-3)
def weighted_residual_of_complex_data(M):
    return M.Model(spiral).fit(SPIRAL, x=x, a=2, k=.3, w=2.9, weights=1 + 2j*x).residual


@behaviour()
def complex_weights_of_real_data(M):
    return M.Model(lambda x, a: a*x).fit(x, x=x, a=2, weights=1 + 1j*x)


@behaviour(differs="R-squared of complex data")
def rsquared_of_complex_data(M):
    return M.Model(spiral).fit(SPIRAL, x=x, a=2, k=.3, w=2.9).rsquared


@behaviour(atol=1e-6)
def pandas_series(M):
    import pandas as pd
    model, params = made(M)
    result = model.fit(pd.Series(PEAK), params, x=pd.Series(x))
    return summary(result), math.isfinite(float(np.sum(result.best_fit)))


@behaviour(differs="options of functions")
def options_of_a_function(M):
    return M.Model(switched).opts


@behaviour(differs="names of derived parameters")
def names_after_make_params(M):
    model = M.models.GaussianModel()
    model.make_params()
    return model.param_names


@behaviour(differs="composites in pickles")
def pickled_composite(M):
    return pickle.loads(pickle.dumps(made(M)[0])).param_names


@behaviour()
def repr_of_a_model(M):
    return repr(M.models.GaussianModel())


@behaviour(differs="texts of derived expressions")
def expression_of_a_width(M):
    return M.models.GaussianModel().make_params()["fwhm"].expr


@behaviour(differs="files of models")
def file_of_a_function(M):
    import tempfile
    from pathlib import Path
    with tempfile.TemporaryDirectory() as folder:
        M.model.save_model(M.Model(peak), str(Path(folder)/"model.sav"))
        return "Callable" in (Path(folder)/"model.sav").read_text()


@behaviour()
def fits_from_guesses(M):
    ripple = .02*np.cos(9*x)
    curves = {"Exponential": 3*np.exp(-x/2) + ripple, "Sine": 2*np.sin(1.3*x + .4) + ripple}
    out = {}
    for name in ("Gaussian", "Lorentzian", "Voigt", "Moffat", "SkewedGaussian", "Linear", "Quadratic", "Constant", "Exponential", "Sine"):
        model, y = getattr(M.models, name + "Model")(), curves.get(name, PEAK - .3*x)
        out[name] = float(model.fit(y, model.guess(y, x=x), x=x).chisqr)
    return out


@behaviour()
def fits_that_end_on_a_bound(M):
    out = {}
    for slope in (-.3, -.1, .1, .3):        # a peak on a slope is as far from Gaussian as a fraction allows
        model, y = M.models.PseudoVoigtModel(), PEAK + slope*x
        result = model.fit(y, model.guess(y, x=x), x=x)
        out[str(slope)] = [float(result.chisqr), float(result.params["fraction"].value > .5)]
    return out


@behaviour(differs="guesses")
def guess_of_a_peak(M):
    return M.models.GaussianModel().guess(PEAK, x=x)
