"""Families of behaviours: every model of the library, every line shape, every method, every operator; and errors by their kinds."""
import contextlib
import copy
import io
import math
import operator
import pickle
import warnings

import lmfit
import numpy as np
from lmfit_cases import behaviour, printed, wave, wave_params

x = np.linspace(.4, 9.4, 91)
NAMES = [name for name in lmfit.models.lmfit_models if name not in ("Expression", "Spline")]
METHODS = ("leastsq", "least_squares", "nelder", "powell", "cg", "bfgs", "lbfgsb", "tnc", "slsqp", "differential_evolution", "basinhopping",
           "brute", "ampgo", "shgo", "dual_annealing")


def named(name, function, **options):
    """Take down a function under a name of its own."""
    function.__name__ = name.lower().replace(" ", "_").replace("-", "_")
    behaviour(**options)(function)
SCALAR = ("nelder", "powell", "cg", "bfgs", "lbfgsb", "tnc", "slsqp", "differential_evolution")


# -- every model of the library


def model_of(M, name, **more):
    """Return a model by lmfit's title of it."""
    return M.models.lmfit_models[name](**({"degree": 3} if name == "Polynomial" else {}), **more)


def truth(params):
    """Return values for parameters without expression, different ones."""
    return {name: 1.3 + .35*k for k, (name, par) in enumerate(params.items()) if par.expr is None}


def points(model):
    """Return values of the independent variables."""
    grid = {"x": x, "y": 1 + x[::-1]/2}
    return {name: grid[name] for name in model.independent_vars if name in grid}


def parameters_of(name):
    def run(M):
        params = model_of(M, name, prefix="p_").make_params()
        return {key: [par.vary, par.expr is None or float(par.value), float(par.min), float(par.max)] for key, par in sorted(params.items())
                if par.expr is None} | {"derived": sorted(key for key, par in params.items() if par.expr is not None)}
    named(f"parameters_of_{name}", run)


def values_of(name):
    def run(M):
        model = model_of(M, name)
        params = model.make_params()
        return model.eval(params, **points(model), **truth(params))
    named(f"values_of_{name}", run, rtol=1e-9)


def fit_of(name):
    def run(M):
        model = model_of(M, name)
        params = model.make_params(**truth(model.make_params()))
        if name in ("Thermal Distribution", "Bose-Einstein Distribution", "Fermi-Dirac Distribution"):
            params["center"].set(vary=False)
        if "fraction" in params:
            params["fraction"].set(value=.4)
        if "exponent" in params:
            params["exponent"].set(value=-.7)
        clean = model.eval(params, **points(model))
        y = clean + .01*np.ptp(np.abs(clean))*np.random.default_rng(3).normal(size=clean.shape) + .1*(name == "Constant")*np.sin(x)
        for key in params:
            if params[key].expr is None and params[key].vary:
                params[key].value *= 1.02
        result = model.fit(y, params, **points(model))
        return result.success, result.ndata, result.nvarys, result.chisqr, [par.vary for par in result.params.values()]
    named(f"fit_of_{name}", run, rtol=1e-3)


def file_of(name):
    def run(M):
        model = model_of(M, name, prefix="p_")
        again = model.loads(model.dumps())
        return sorted(again.make_params()), again.prefix, again.independent_vars, again.nan_policy
    named(f"file_of_{name}", run)


for _name in NAMES:
    parameters_of(_name), values_of(_name), fit_of(_name)
    if _name not in ("Skewed Voigt", "Voigt", "Step", "Rectangle", "Thermal Distribution"):
        file_of(_name)


# -- every line shape


def shape(name):
    def run(M):
        function = getattr(M.lineshapes, name)
        second = [x + 1] if name == "gaussian2d" else []
        return function(x, *second), function(x, *second, 1.7)
    named(f"shape_{name}", run, rtol=1e-10)


for _name in lmfit.lineshapes.functions:
    shape(_name)


# -- every method


def stopped(method):
    def run(M):
        params = bounded(M)
        result = M.minimize(wave, params, method=method, iter_cb=lambda params, number, *args, **kws: True)
        return result.aborted, result.success, result.errorbars, result.message, result.params["amp"].stderr
    differs = "messages of fits that stop" if method == "leastsq" else "callbacks that stop scalar methods" if method in SCALAR else ""
    named(f"stopped_{method}", run, differs=differs)


def limit_of(method):
    def run(M):
        fitter = M.Minimizer(wave, bounded(M), iter_cb=lambda params, number, *args, **kws: True)
        with contextlib.suppress(Exception):                  # of lmfit's scalar methods
            fitter.minimize(method=method)
        return fitter.max_nfev
    named(f"limit_of_{method}", run)


def bounded(M):
    """Return parameters that every method takes."""
    params = wave_params(M)
    params["amp"].set(max=20, brute_step=10)
    params["decay"].set(min=0, max=1, brute_step=.5)
    params["omega"].set(min=1, max=4, brute_step=1)
    params["shift"].brute_step = 1.5
    return params


for _name in METHODS:
    stopped(_name), limit_of(_name)


@behaviour()
def limits_of_models(M):
    model = M.models.GaussianModel()
    y = np.exp(-(x - 4)**2)
    return [model.fit(y, x=x, amplitude=2, center=4, sigma=1, method=method).max_nfev for method in ("leastsq", "nelder", "powell")]


# -- every operator


def operated(name, *others):
    def run(M):
        act = getattr(operator, name, None) or getattr(math, name, None) or divmod
        par = M.Parameter("a", 7.5)
        return [act(par, *others)] if not others else [act(par, *others), act(others[0], par)]
    named(f"operator_{name}", run)


for _name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "divmod", "lt", "le", "gt", "ge", "eq", "ne"):
    operated(_name, 2.25)
for _name in ("neg", "pos", "abs", "trunc", "floor", "ceil", "truth"):
    operated(_name)


@behaviour()
def operators_of_integers(M):
    par = M.Parameter("a", 7)
    return [int(par), float(par), round(float(par), 2), bool(par), str(par)[:14], divmod(par, 2), divmod(17, par)]


@behaviour()
def parameters_as_arrays(M):
    params = M.create_params(a=1, b=2.5)
    params.add("c", expr="a + b")
    return np.array(params), np.array(params["b"]), np.sqrt(params["b"])


# -- copies


@behaviour()
def user_data_of_copies(M):
    params = M.Parameters()
    params.add("a", 1, user_data={"k": [1]})
    one, two = copy.copy(params), copy.deepcopy(params)
    params["a"].user_data["k"].append(2)
    return one["a"].user_data, two["a"].user_data


@behaviour()
def symbols_of_copies(M):
    params = M.Parameters(usersyms={"twice": double, "three": 3.})
    params.add("a", 1)
    params.add("b", expr="twice(a) + three")
    out = [copy.deepcopy(params), copy.copy(params), pickle.loads(pickle.dumps(params))]
    for each in out:
        each["a"].value = 5
    return [each["b"].value for each in out], params["b"].value


def double(value):
    """Return twice a value."""
    return 2*value


@behaviour()
def pickles(M):
    params = wave_params(M)
    params.add("tied", expr="amp*2 + decay")
    again = pickle.loads(pickle.dumps(params))
    again["amp"].value = 4
    return again.valuesdict(), [par.name for par in again.values()], again["tied"].expr


@behaviour()
def open_files(M):
    params, file = wave_params(M), io.StringIO()
    params.dump(file)
    file.seek(0)
    return M.Parameters().load(file)


@behaviour()
def constraints_updated(M):
    params = M.create_params(a=2, b=dict(expr="3*a"))
    params["a"].value = 5
    params.update_constraints()
    return params


# -- errors by their kinds


def refused(name, act):
    named(f"refused_{name}", act)


refused("form of a step", lambda M: M.lineshapes.step(x, form="up"))
refused("form of a rectangle", lambda M: M.lineshapes.rectangle(x, form="up"))
refused("form of a distribution", lambda M: M.lineshapes.thermal_distribution(x, form="up"))
refused("part of complex numbers", lambda M: M.model.get_reducer("size"))
refused("equal bounds", lambda M: M.Parameter("a", 1, min=2, max=2))
refused("name that is none", lambda M: M.Parameters().add("1a", 2))
refused("name in brackets", lambda M: M.Parameters().__setitem__("10", M.Parameter("10", 2)))
refused("not a parameter", lambda M: M.Parameters().__setitem__("a", 2))
refused("update by a dict", lambda M: M.Parameters().update({"a": 1}))
refused("guess without x", lambda M: M.models.GaussianModel().guess(np.exp(-(x - 4)**2)))
refused("guess without anything", lambda M: M.models.LinearModel().guess())
refused("guess of a function", lambda M: M.Model(double).guess(x, x=x))
refused("starred argument", lambda M: M.Model(lambda x, *b: x))
refused("data as a variable", lambda M: M.Model(lambda data, a: a*data))
refused("weights as a parameter", lambda M: M.Model(lambda x, weights: x*weights))
refused("variable that is none", lambda M: M.Model(lambda x, a: a*x, independent_vars=["q"]))
refused("missing variable", lambda M: M.models.LinearModel().fit(x, slope=1, intercept=0))
refused("candidate beyond", lambda M: M.minimize(wave, bounded(M), method="brute", keep=3).show_candidates(25))
refused("policy of a minimizer", lambda M: M.minimize(wave, wave_params(M), nan_policy="leave"))
refused("ampgo without tabu", lambda M: M.minimize(lambda p: (p["a"] - 1)**2, M.create_params(a=2), method="ampgo", tabulistsize=0))
refused("NaN in data", lambda M: M.models.LinearModel().fit(np.where(x > 5, np.nan, x), x=x, slope=1, intercept=0))
refused("policy of a fit", lambda M: M.models.LinearModel().fit(x, x=x, slope=1, intercept=0, nan_policy="leave"))
refused("NaN of the model", lambda M: M.Model(lambda x, a: a*np.log(x - 5)).fit(x, x=x, a=1))
refused("not a Parameter", lambda M: M.Parameters().__setitem__("a", "not_a_parameter"))
refused("temperatures", lambda M: M.Minimizer(wave, wave_params(M)).emcee(ntemps=3))
refused("intervals of one", lambda M: M.conf_interval(*of_one(M)))
refused("interval of nothing", lambda M: M.models.LinearModel().conf_interval())


def of_one(M):
    """Return a minimizer and its result, of one parameter."""
    fitter = M.Minimizer(lambda p: p["a"]*x - 2*x - np.sin(x), M.create_params(a=1))
    return fitter, fitter.minimize()


refused("model as a result", lambda M: M.model.ModelResult.loads(M.models.LinearModel().fit(x, x=x, slope=1, intercept=0),
                                                                 M.models.LinearModel().dumps()))


@behaviour(differs="texts as values")
def text_as_a_value(M):
    return M.models.LinearModel().make_params(slope="steep", intercept=1)


@behaviour(differs="models of None")
def model_of_nothing(M):
    return M.Model(None).independent_vars


@behaviour(differs="options among independent variables")
def option_of_a_function(M):
    return M.Model(switched).independent_vars


@behaviour(differs="options among independent variables")
def option_of_a_step(M):
    return M.models.StepModel(form="erf").independent_vars


@behaviour()
def option_in_a_fit(M):
    model = M.Model(switched)
    return model.fit(x, x=x, a=2, kind="down").params, model.param_names, model.eval(x=2., a=3, kind="down")


def switched(x, a, *, kind="up"):
    """Return a line, up or down."""
    return a*x if kind == "up" else -a*x


@behaviour(differs="expressions in hints")
def hint_of_a_prefix(M):
    return M.models.GaussianModel(prefix="b_").param_hints["fwhm"]["expr"][10:]


@behaviour(differs="None among data")
def none_among_data(M):
    return M.models.LinearModel().fit([1, 2, None, 3], x=[1, 2, 3, 4], slope=1, intercept=0)


# -- searches, intervals, reports


@behaviour()
def messages_of_tunnelling(M):
    def bumps(p):
        return -math.prod(math.sqrt(p[name].value)*math.sin(p[name].value) for name in ("a", "b"))
    params = M.create_params(a=dict(value=1, min=0, max=10), b=dict(value=1, min=0, max=10))
    ways = ({}, {"maxfunevals": 5}, {"tabustrategy": "oldest"})
    return [M.minimize(bumps, params, method="ampgo", **options).ampgo_msg for options in ways]


def nowhere(p):
    """Return a residual without a number."""
    return np.full(9, np.nan)*p["a"].value


@behaviour(differs="grids of NaN")
def grid_of_nan(M):
    return M.minimize(nowhere, M.create_params(a=dict(value=1, min=0, max=2)), method="brute", max_nfev=4).aborted


@behaviour()
def guesses_without_x(M):
    flat = M.models.ConstantModel().guess(np.array([2., 2., 2.]))
    pair = M.models.ComplexConstantModel(prefix="p_").guess(np.array([2 + 1j, 2 + 1j]))
    return flat, pair


@behaviour()
def words_of_nan(M):
    seen = []
    bad = np.where(x > 5, np.nan, x)
    for run in (lambda: M.models.LinearModel().fit(bad, x=x, slope=1, intercept=0),
                lambda: M.Model(lambda x, a: a*np.log(x - 5)).fit(x, x=x, a=1, method="nelder")):
        try:
            run()
        except ValueError as error:
            seen += [words in str(error) for words in ("NaN values detected in your input data", "model function generated NaN values")]
    return seen


@behaviour()
def messages_of_searches(M):
    params = M.create_params(a=dict(value=1, min=-2, max=2), b=dict(value=1, min=-2, max=2))

    def bowl(p):
        return np.array([p["a"] - .3, p["b"] + .2, .1])
    return [bool(M.minimize(bowl, params, method=method).message) for method in ("dual_annealing", "basinhopping", "shgo")]


@behaviour()
def interpreter_of_pickles(M):
    params = M.Parameters(usersyms={"text": "2*3"})
    params.add("a", 1)
    params.add("b", expr="a*len(text)")
    again = pickle.loads(pickle.dumps(params))
    again["a"].value = 4
    return again["b"].value


@behaviour(differs="errors at a bound")
def fit_at_a_bound(M):
    params = M.create_params(a=dict(value=.5, max=.8), b=1)
    result = M.minimize(lambda p: p["a"]*x + p["b"] - x - 1 - .5*np.sin(5*x), params)
    return result.errorbars, result.params["a"].stderr is None


@behaviour()
def bounds_of_intervals(M):
    params = M.create_params(a=1, b=dict(value=1, min=.9, max=1.2))
    fitter = M.Minimizer(lambda p: p["a"]*x + p["b"] - x - 1 - .5*np.sin(5*x), params)
    result = fitter.minimize()
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        M.conf_interval(fitter, result, p_names=["b"])
    return any("Bound reached" in str(each.message) and issubclass(each.category, UserWarning) for each in seen)


@behaviour()
def verbose_intervals(M):
    fitter = M.Minimizer(wave, wave_params(M))
    said = printed(M.conf_interval, fitter, fitter.minimize(), p_names=["amp", "decay"], sigmas=[1], verbose=True)
    return [name in said for name in ("Calculating CI for amp", "Calculating CI for decay", "Calculating CI for omega")]


@behaviour()
def sparse_derivatives(M):
    from scipy.sparse import csr_matrix
    from scipy.sparse.linalg import aslinearoperator
    a, b = np.random.default_rng(1).normal(size=(2, 40))

    def residual(p):
        return (p["u"] - a)**2 + (p["v"] - b)**2

    def dense(p):
        return np.column_stack([2*p["u"] - 2*a, 2*p["v"] - 2*b])
    out = []
    for wrap in (np.asarray, csr_matrix, aslinearoperator):
        result = M.minimize(residual, M.create_params(u=.3, v=-.2), method="least_squares", jac=lambda p, wrap=wrap: wrap(dense(p)))
        out.append([result.success, result.errorbars, result.params, result.covar])
    return out


@behaviour()
def data_left_as_they_are(M):
    model = M.Model(lambda x, a, b: a*np.asarray(x, float) + b)
    whole = model.fit(x.astype(np.float32), x=x.astype(np.float32), a=1, b=1, coerce_farray=False)
    coerced = model.fit(x.astype(np.float32), x=x, a=1, b=1)
    lists = model.fit(x.tolist(), x=x, a=1, b=1, coerce_farray=False)
    return str(whole.userargs[0].dtype), str(coerced.userargs[0].dtype), type(lists.userargs[0]).__name__


@behaviour()
def classes_of_tables(M):
    params = M.create_params(a=1, b=2)
    return '<table class="jp-toc-ignore"' in params._repr_html_(), "<caption>Parameters</caption>" in params._repr_html_()


@behaviour()
def correlations_of_tables(M):
    result = M.minimize(wave, wave_params(M))
    return ["Correlations" in M.printfuncs.fitreport_html_table(result, show_correl=show, min_correl=least) for show, least in (
        (True, .1), (False, .1))]


@behaviour()
def reprs_of_models(M):
    one, two = M.models.GaussianModel(prefix="g_"), M.models.LinearModel()
    return [repr(each) for each in (one, two, one + two, M.Model(double, independent_vars=["value"], name="own"))]
