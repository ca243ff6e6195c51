"""Behaviours further afield: helpers of submodules, scripts in models, missing data, too few data, pools, plots, labelled arrays."""
import importlib.util

import numpy as np
from lmfit_cases import behaviour
from lmfit_models import PEAK, made, x

HOLES = np.where(np.arange(x.size) % 25 == 7, np.nan, PEAK)
SCRIPT = "def bump(x, a, c, w):\n    return a*exp(-(x - c)**2/(2*w*w))\nbase = 0.25\n"
PARTS = ("real", "imag", "abs", "angle")
STARTS = {"a": 6, "c": 4.1, "w": 1, "m": .2}


def numbers(result):
    """Return what there is to compare of a fit."""
    return [result.ndata, result.nfree, result.chisqr, result.params.valuesdict(), [par.stderr is None for par in result.params.values()]]


# -- helpers


@behaviour()
def errors_of_complex_parts(M):
    z, dz = np.array([3 + 4j, 2j, 1 - 1j]), np.array([.1 + .2j, .3 + .1j, .2 + .2j])
    out = []
    for part in PARTS:
        reduce, propagate = M.model.get_reducer(part), M.model.propagate_err
        out += [reduce(z), reduce(z.real), propagate(z, dz, part), propagate(z, dz.real, part), propagate(z.real, dz.real, part)]
    return out, M.model.coerce_arraylike([1, 2]), M.model.coerce_arraylike((1j, 2)), M.model.coerce_arraylike("no")


@behaviour(differs="errors at a complex 0")
def errors_at_zero(M):
    return [M.model.propagate_err(np.array([0j, 1j]), np.array([.3 + .4j, 1j]), part) for part in ("abs", "angle")]


@behaviour()
def error_of_an_unknown_part(M):
    return M.model.propagate_err(np.array([1j]), np.array([1.]), "size")


@behaviour()
def error_of_unlike_shapes(M):
    return M.model.propagate_err(np.array([1j]), np.array([1., 2.]), "abs")


@behaviour()
def guesses_by_rule(M):
    own = M.Model(M.lineshapes.gaussian, prefix="p_")
    plane, hot = M.Model(M.lineshapes.gaussian2d, independent_vars=["x", "y"]), M.Model(M.lineshapes.bose)
    one = [M.models.guess_from_peak(own, sign*PEAK[::-1], x[::-1], sign < 0, ampscale=2, sigscale=.5) for sign in (1, -1)]
    few = M.models.guess_from_peak(own, np.array([0., 1., 0., 0.]), np.arange(4.), False)
    grid = np.repeat(np.arange(5.), 5), np.tile(np.arange(5.), 5)
    two = [M.models.guess_from_peak2d(plane, sign*np.cos(grid[0] - 1)*np.cos(grid[1] - 2), *grid, sign < 0) for sign in (1, -1)]
    return [*one, few, *two, M.models.guess_thermal(hot, PEAK, x), one[0]["p_sigma"].min, two[0]["sigmax"].min]


@behaviour()
def values_put_back(M):
    params = M.create_params(a=1, b=2)
    params["a"].stderr = .5
    kept = M.confidence.copy_vals(params)
    params["a"].value, params["a"].stderr = 7, None
    M.confidence.restore_vals(kept, params)
    return kept, params, params["a"].stderr, M.confidence.map_trace_to_names({"a": [(1, 2, .5), (2, 3, .7)]}, params)


@behaviour()
def shapes_of_the_models_module(M):
    return M.models.gaussian(x, 1, 4, 2), M.models.tiny, issubclass(M.models.DimensionalError, Exception)


@behaviour(differs="texts of derived expressions")
def expressions_by_helpers(M):
    model = M.models.GaussianModel(prefix="g_")
    return M.models.fwhm_expr(model), M.models.height_expr(model)


@behaviour()
def values_by_helpers(M):
    model = M.models.LorentzianModel(prefix="g_")
    params = model.make_params(amplitude=3, sigma=.7)
    return params.eval(M.models.fwhm_expr(model)), params.eval(M.models.height_expr(model))


# -- texts that asteval runs


@behaviour()
def script_of_an_expression(M):
    model = M.models.ExpressionModel("bump(x, a, c, w) + m*x + base", init_script=SCRIPT)
    return model.param_names, model.independent_vars, numbers(model.fit(PEAK, x=x, **STARTS))


@behaviour()
def shapes_in_an_expression(M):
    model = M.models.ExpressionModel("gaussian(x, a, c, w) + m*x")
    return model.param_names, numbers(model.fit(PEAK, x=x, **STARTS)), model.eval(x=x, **STARTS)


@behaviour(atol=1e-6)
def script_beside_another_model(M):
    model = M.models.ExpressionModel("bump(x, a, c, w)", init_script=SCRIPT) + M.models.LinearModel()
    return model.param_names, numbers(model.fit(PEAK, x=x, a=6, c=4.1, w=1, slope=.2, intercept=0))


# -- missing data


def fit_with(M, policy, data=PEAK, points=x, **more):
    model, params = made(M)
    model.nan_policy = policy
    return model.fit(data, params, x=points, **more)


@behaviour(atol=1e-6)
def holes_left_out(M):
    result = fit_with(M, "omit", HOLES)
    return numbers(result), result.best_fit.shape, result.residual.shape, result.data.shape


@behaviour()
def holes_refused(M):
    return fit_with(M, "raise", HOLES)


@behaviour(atol=1e-6)
def holes_of_a_residual_left_out(M):
    _, params = made(M)
    model = M.models.GaussianModel(prefix="g_") + M.models.LinearModel(prefix="l_")
    return numbers(M.minimize(lambda p: model.eval(p, x=x) - HOLES, params, nan_policy="omit"))


@behaviour()
def model_that_is_nan_somewhere(M):
    result = M.Model(lambda x, a, b: a*np.sqrt(x - 1) + b, nan_policy="omit").fit(PEAK, x=x, a=1, b=0)
    return numbers(result), result.best_fit.shape


@behaviour(atol=1e-6)
def points_left_out(M):
    here = np.where(x == 5, np.nan, 2.)
    return numbers(fit_with(M, "omit", points=x + here - 2)), numbers(fit_with(M, "omit", weights=here))


@behaviour(differs="curves of points left out")
def curve_of_points_left_out(M):
    return fit_with(M, "omit", points=np.where(x == 5, np.nan, x)).best_fit.shape


@behaviour(differs="NaN carried along")
def nan_carried_along(M):
    return fit_with(M, "propagate", HOLES).chisqr


@behaviour(atol=1e-6, rtol=1e-4)
def points_of_weight_0(M):
    result = fit_with(M, "raise", weights=np.where(np.arange(x.size) % 25 == 7, 0.0, 3.0))
    return numbers(result), result.redchi, [par.stderr for par in result.params.values()], result.residual.shape


@behaviour(differs="masked points")
def masked_points(M):
    return numbers(fit_with(M, "raise", np.ma.masked_greater(PEAK, 2)))


@behaviour(differs="dates and spans of time")
def spans_of_time(M):
    result = fit_with(M, "raise", points=np.arange(x.size).astype("timedelta64[D]"))
    return bool(result.ndata)


class Metres(np.ndarray):
    """Numbers with a unit, as astropy has them."""

    unit = "m"
    value = property(lambda self: self.view(np.ndarray))


@behaviour(differs="units")
def numbers_with_a_unit(M):
    return fit_with(M, "raise", PEAK.view(Metres)).ndata


@behaviour(differs="functions that return columns")
def a_function_that_returns_a_column(M):
    return M.Model(lambda x, a, b: (a*x + b)[:, None]).fit(PEAK, x=x, a=1, b=1).ndata


# -- too few data


def beyond(p):
    """Two residuals of three parameters."""
    return np.array([p["a"] + p["b"] - 1, p["c"] - 2.])


@behaviour(differs="fewer data than parameters")
def fewer_data_than_parameters(M):
    return M.minimize(beyond, M.create_params(a=1, b=2, c=3))


@behaviour()
def fewer_data_by_other_methods(M):
    params = M.create_params(a=1, b=2, c=3)
    return [[result.success, result.errorbars, result.chisqr < 1e-6] for result in (M.minimize(beyond, params, method=method)
                                                                                  for method in ("least_squares", "nelder", "lbfgsb"))]


@behaviour(differs="as many data as parameters")
def as_many_data_as_parameters(M):
    return M.models.GaussianModel().fit(np.array([1., 2., 1.2]), x=np.arange(3.), amplitude=1, center=.7, sigma=1).errorbars


# -- grids in several processes


def bowl(p):
    """Three residuals of two parameters."""
    return np.array([p["a"] - 2.1, p["b"] - .9, .3*(p["a"]*p["b"] - 2)])


def grid_by(M, workers):
    params = M.Parameters()
    params.add("a", value=1, min=0, max=4, brute_step=.5)
    params.add("b", value=1, min=0, max=2, brute_step=.5)
    result = M.minimize(bowl, params, method="brute", workers=workers)
    return result.brute_x0, result.brute_fval, result.brute_grid, result.brute_Jout, len(result.candidates), result.params


@behaviour()
def grid_by_processes(M):
    return grid_by(M, 2)


@behaviour()
def grid_by_a_map(M):
    return grid_by(M, map)


# -- plots


def drawn(axes):
    """Return what an axis shows."""
    legend = axes.get_legend()
    return [axes.get_xlabel(), axes.get_ylabel(), [[line.get_xdata(), line.get_ydata()] for line in axes.lines], len(axes.collections),
            [text.get_text() for text in legend.get_texts()] if legend else []]


def figures(draw):
    """Draw on a fresh figure without a screen."""
    import matplotlib
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    try:
        return draw(plt)
    finally:
        plt.close("all")


if importlib.util.find_spec("matplotlib") is not None:
    @behaviour(rtol=1e-4, atol=1e-6)
    def plots_of_a_fit(M):
        result = fit_with(M, "raise", weights=np.full(x.size, 7.))
        bare = fit_with(M, "raise")
        return figures(lambda plt: [
            drawn(result.plot_fit(ax=plt.subplots()[1])),
            drawn(bare.plot_fit(ax=plt.subplots()[1], show_init=True, numpoints=50, xlabel="q", ylabel="v", yerr=.2, data_kws={"ms": 2})),
            drawn(bare.plot_residuals(ax=plt.subplots()[1])), drawn(result.plot_residuals(ax=plt.subplots()[1], title="T"))])

    @behaviour(rtol=1e-4, atol=1e-6)
    def plot_of_both(M):
        return figures(lambda plt: [drawn(axes) for axes in fit_with(M, "raise").plot(numpoints=30, initfmt="-.", datafmt="x").axes])

    @behaviour(rtol=1e-4, atol=1e-6)
    def plots_of_complex_data(M):
        result = M.Model(lambda x, a, b: a*x + 1j*b).fit(2*x + 3j + .01*np.cos(7*x), x=x, a=1, b=1)
        return figures(lambda plt: [drawn(result.plot_fit(ax=plt.subplots()[1], parse_complex=part)) for part in PARTS])

    @behaviour(differs="plots over two variables")
    def plot_over_two_variables(M):
        result = M.Model(lambda x, y, a, b: a*x + b*y, independent_vars=["x", "y"]).fit(2*x + 3*x*x, x=x, y=x*x, a=1, b=1)
        return bool(result.plot_fit())


# -- labelled arrays

if importlib.util.find_spec("pandas") is not None:
    @behaviour(atol=1e-6)
    def series(M):
        import pandas
        result = fit_with(M, "omit", pandas.Series(HOLES, index=x), pandas.Series(x, index=x))
        return numbers(result), type(result.best_fit).__name__, result.best_fit.shape

    @behaviour()
    def labels_that_differ(M):
        import pandas
        return fit_with(M, "omit", pandas.Series(PEAK), pandas.Series(x, index=np.arange(x.size) + 5)).ndata

if importlib.util.find_spec("xarray") is not None:
    @behaviour(atol=1e-6)
    def data_arrays(M):
        import xarray
        result = fit_with(M, "raise", xarray.DataArray(PEAK, dims="t"), xarray.DataArray(x, dims="t"))
        return numbers(result), type(result.best_fit).__name__, result.eval_uncertainty().shape
