"""Behaviours of fits: methods, options, callbacks, statistics, reports, confidence."""
import json

import numpy as np
from lmfit_cases import WAVE, X, behaviour, printed, summary, uncertainties, wave, wave_params


@behaviour()
def leastsq(M):
    return summary(M.minimize(wave, wave_params(M)))


@behaviour(rtol=1e-3)
def leastsq_errors(M):
    return uncertainties(M.minimize(wave, wave_params(M, twice=dict(expr="2*amp + decay"), held=dict(value=3, vary=False))))


@behaviour(atol=1e-3)
def leastsq_correlations(M):
    result = M.minimize(wave, wave_params(M, twice=dict(expr="2*amp + decay"), held=dict(value=3, vary=False)))
    return {name: par.correl for name, par in result.params.items()}


@behaviour()
def parameters_are_copied(M):
    params = wave_params(M)
    result = M.minimize(wave, params)
    return params, [par.stderr for par in params.values()], result.params is params, result.message


@behaviour()
def arguments(M):
    args = M.minimize(wave, wave_params(M), args=(X[::2], WAVE[::2]))
    kws = M.minimize(wave, wave_params(M), kws={"x": X[::2], "data": WAVE[::2]})
    mini = M.Minimizer(wave, wave_params(M), fcn_args=(X[::2],), fcn_kws={"data": WAVE[::2]})
    return [summary(result) for result in (args, kws, mini.minimize())]


@behaviour(atol=1e-5)
def minimizer_again(M):
    mini = M.Minimizer(wave, wave_params(M))
    one = mini.leastsq()
    other = wave_params(M)
    other["decay"].set(value=.03, vary=False)
    two = mini.minimize(params=other)
    return summary(one), summary(two), mini.values


@behaviour(rtol=2e-4, atol=1e-5)
def scalar_methods(M):
    params = wave_params(M)
    params["decay"].set(min=0, max=1)
    return {name: summary(M.minimize(wave, params, method=name), errors=False)
            for name in ("nelder", "Nelder-Mead", "lbfgsb", "bfgs", "cg", "tnc", "slsqp", "least_squares", "trust-constr")}


@behaviour(rtol=2e-4, atol=1e-5)
def scalar_methods_take_the_same_way(M):
    params = wave_params(M)
    params["decay"].set(min=0, max=1)
    return {name: M.minimize(wave, params, method=name).nfev for name in ("nelder", "lbfgsb", "bfgs", "slsqp")}


@behaviour()
def newton_with_gradient(M):
    def gradient(params):
        v = params.valuesdict()
        return np.array([2*(v["a"] - 3), 8*(v["b"] + 1)])
    params = M.create_params(a=1., b=dict(value=1., min=-5))
    return summary(M.minimize(lambda p: (p["a"] - 3)**2 + 4*(p["b"] + 1)**2, params, method="newton", jac=gradient), errors=False)["values"]


@behaviour(atol=1e-5)
def differential_evolution(M):
    params = wave_params(M)
    params["amp"].set(min=1, max=12)
    params["decay"].set(min=0, max=.2)
    params["omega"].set(min=1, max=4)
    return M.minimize(wave, params, method="differential_evolution", seed=3, maxiter=60).params


@behaviour()
def differential_evolution_without_bounds(M):
    M.minimize(wave, wave_params(M), method="differential_evolution")


def bumpy(params):
    """Many minima, the lowest at (0, 0)."""
    x, y = params["x"].value, params["y"].value
    return 20 + x**2 + y**2 - 10*(np.cos(2*np.pi*x) + np.cos(2*np.pi*y))


@behaviour(atol=1e-4)
def global_searches(M):
    params = M.create_params(x=dict(value=1.6, min=-4, max=5), y=dict(value=-2.3, min=-4, max=5))
    return [M.minimize(bumpy, params, method=method, **options).params for method, options in (
        ("basinhopping", {"seed": 1, "niter": 20}), ("dual_annealing", {"seed": 1, "maxiter": 50}),
        ("shgo", {"sampling_method": "sobol", "n": 64}))]


@behaviour(rtol=1e-3)         # the last digits are of random draws
def tunnelling(M):
    np.random.seed(1)  # noqa: NPY002 (lmfit draws from the global generator, and goes elsewhere in one of hundreds of runs)
    params = wave_params(M)
    params["decay"].set(min=0, max=1)
    return M.minimize(wave, params, method="ampgo", totaliter=1, maxiter=1).params


@behaviour()
def brute(M):
    params = M.create_params(x=dict(value=0, min=-4, max=4, brute_step=.5), y=dict(value=.3, min=-2, max=2))
    result = M.minimize(bumpy, params, method="brute", Ns=9)
    return [result.params, result.brute_x0, result.brute_fval, result.brute_grid.shape, result.nfev, len(result.candidates),
            result.candidates[0].score, result.candidates[0].params, printed(result.show_candidates, 2)]


@behaviour()
def brute_without_range(M):
    M.minimize(bumpy, M.create_params(x=1, y=2), method="brute")


@behaviour()
def least_squares_with_loss(M):
    data = WAVE.copy()
    data[::20] += 4
    result = M.minimize(wave, wave_params(M), kws={"data": data}, method="least_squares", loss="soft_l1", f_scale=.3)
    return summary(result), uncertainties(result)["stderr"]


@behaviour(atol=1e-3)
def reductions(M):
    data = WAVE.copy()
    data[::20] += 4
    params = wave_params(M)
    params["decay"].set(value=.03, min=0, max=1)
    params["omega"].value = 2
    return [M.minimize(wave, params, kws={"data": data}, method="lbfgsb", reduce_fcn=how).params
            for how in (None, "neglogcauchy", lambda r: np.abs(r).sum())]


@behaviour()
def jacobian_of_the_caller(M):
    x = np.linspace(0, 4, 41)
    y = 3*np.exp(-1.3*x) + 1 + .01*np.cos(20*x)

    def residual(p):
        return p["a"]*np.exp(-p["b"]*x) + p["c"] - y

    def columns(p):
        e = np.exp(-p["b"]*x)
        return np.array([e, -p["a"]*x*e, np.ones_like(x)])
    params = M.create_params(a=2., b=dict(value=1., min=0), c=0.)
    return [summary(M.minimize(residual, params, Dfun=columns, col_deriv=1)), summary(M.minimize(residual, params,
                                                                                                Dfun=lambda p: columns(p).T))]


@behaviour()
def scale_of_errors(M):
    result = M.minimize(wave, wave_params(M), scale_covar=False)
    return [round(par.stderr/error, 2) for par, error in zip(result.params.values(), (.197, .00224, .0162, .0512), strict=True)]


@behaviour()
def callback_stops(M):
    seen = []

    def watch(params, count, residual, *args, **kws):
        seen.append(len(residual))
        return len(seen) == 12
    result = M.minimize(wave, wave_params(M), iter_cb=watch)
    return result.aborted, result.success, result.errorbars, result.covar, [par.stderr for par in result.params.values()], len(seen) < 15


@behaviour()
def callback_stops_a_scalar_method(M):
    result = M.minimize(wave, wave_params(M), method="nelder", iter_cb=lambda params, count, residual, *args, **kws: count == 12)
    return result.aborted, result.success, result.message, result.errorbars, result.ndata


@behaviour()
def few_evaluations(M):
    out = []
    for method in ("leastsq", "nelder", "least_squares"):
        result = M.minimize(wave, wave_params(M), method=method, max_nfev=8)
        out.append([result.aborted, result.success, result.errorbars, result.covar])
    return out


@behaviour()
def nan_at_the_start(M):
    return M.minimize(wave, wave_params(M), kws={"data": np.where(X[7] == X, np.nan, WAVE)})


@behaviour()
def nan_left_out(M):
    return summary(M.minimize(wave, wave_params(M), kws={"data": np.where(X[7] == X, np.nan, WAVE)}, nan_policy="omit"))


@behaviour()
def nan_policy_unknown(M):
    return M.minimize(wave, wave_params(M), nan_policy="ignore")


@behaviour()
def error_of_the_function(M):
    def broken(params):
        raise ZeroDivisionError("here")
    M.minimize(broken, M.create_params(a=1, b=2))


@behaviour()
def not_parameters(M):
    M.minimize(wave, None)


@behaviour()
def dead_parameter(M):
    params = wave_params(M)
    params.add("dead", 1.)
    result = M.minimize(wave, params)
    return result.errorbars, result.covar, result.success, result.params["dead"].value


@behaviour()
def start_on_or_outside_bounds(M):
    params = wave_params(M)
    params["decay"].set(value=.5, min=0, max=.3)
    params["omega"].set(value=2.1, min=1)
    return M.minimize(wave, params).init_values


@behaviour()
def complex_residual(M):
    f = np.linspace(0, 3, 31)
    data = (2 + 1j)*np.exp(1j*1.5*f) + .01*np.sin(30*f)
    return summary(M.minimize(lambda p: (p["re"] + 1j*p["im"])*np.exp(1j*p["k"]*f) - data, M.create_params(re=1, im=.5, k=1.4)))


@behaviour(differs="nothing to vary")
def nothing_to_vary(M):
    return summary(M.minimize(lambda p: p["a"] - np.arange(5.), M.create_params(a={"value": 2, "vary": False})))


@behaviour()
def residual_of_two_dimensions(M):
    return summary(M.minimize(lambda p: np.reshape(wave(p), (43, 7)), wave_params(M)))


@behaviour()
def report(M):
    lines = M.fit_report(M.minimize(wave, wave_params(M, twice=dict(expr="2*amp"), held=dict(value=3, vary=False)))).splitlines()
    numbers = ("function evals", "+/-", "C(", "chi-square", "info crit")
    return [line if not any(each in line for each in numbers) else "".join(c for c in line if not c.isdigit())[:12] for line in lines]


@behaviour()
def report_with_options(M):
    result = M.minimize(wave, wave_params(M))
    texts = [M.fit_report(result, show_correl=False), M.fit_report(result, min_correl=.7), M.fit_report(result, sort_pars=True),
             M.fit_report(result, modelpars=wave_params(M)), M.fit_report(result, correl_mode="table"), M.fit_report(result.params)]
    return [[line.split()[:1] for line in text.splitlines()] for text in texts]


@behaviour()
def reports_printed(M):
    result = M.minimize(wave, wave_params(M))
    return printed(M.report_fit, result).splitlines()[0], len(result._repr_html_()) > 500, len(result.params._repr_html_()) > 300


@behaviour(rtol=2e-4)
def confidence(M):
    mini = M.Minimizer(wave, wave_params(M))
    result = mini.minimize()
    return M.conf_interval(mini, result), M.conf_interval(mini, result, p_names=["amp"], sigmas=[.68, 2])


@behaviour()
def confidence_report(M):
    ci = {"a": [(.95, 1.), (.68, 1.5), (0., 2.), (.68, 2.5), (.95, 3.25)], "long": [(.95, -1.), (.68, -.5), (0., 0.), (.68, .5), (.95, 1.)]}
    return M.ci_report(ci), M.ci_report(ci, with_offset=False, ndigits=3), printed(M.report_ci, ci)


@behaviour(rtol=2e-4)
def confidence_leaves_the_result(M):
    mini = M.Minimizer(wave, wave_params(M))
    result = mini.minimize()
    before = json.dumps(result.params.valuesdict())
    M.conf_interval(mini, result, sigmas=[1])
    return before == json.dumps(result.params.valuesdict()), [par.vary for par in result.params.values()]


@behaviour()
def confidence_of_one_parameter(M):
    mini = M.Minimizer(lambda p: p["a"]*X - WAVE, M.create_params(a=1))
    return M.conf_interval(mini, mini.minimize())


@behaviour()
def confidence_without_errors(M):
    params = wave_params(M)
    params.add("dead", 1.)
    mini = M.Minimizer(wave, params)
    return M.conf_interval(mini, mini.minimize())


@behaviour(rtol=1e-3)
def confidence_with_own_probability(M):
    mini = M.Minimizer(wave, wave_params(M))
    result = mini.minimize()
    return M.conf_interval(mini, result, p_names=["amp"], sigmas=[1], prob_func=lambda best, new: 1 - np.exp(
        -.5*(new.chisqr - best.chisqr)/best.redchi))


@behaviour()
def confidence_traces(M):
    mini = M.Minimizer(wave, wave_params(M))
    _, trace = M.conf_interval(mini, mini.minimize(), sigmas=[1], trace=True)
    return sorted(trace), sorted(trace["amp"]), bool((np.diff(np.sort(trace["amp"]["prob"])) >= 0).all())


@behaviour(rtol=2e-3)
def confidence_region(M):
    mini = M.Minimizer(wave, wave_params(M))
    result = mini.minimize()
    x, y, grid = M.conf_interval2d(mini, result, "amp", "decay", 5, 4)
    _, _, chi = M.conf_interval2d(mini, result, "amp", "decay", 3, 3, limits=((4.5, 5.5), (.02, .03)), chi2_out=True)
    return x, y, grid, np.sort(chi.ravel())


@behaviour(rtol=1e-3)
def values_with_uncertainties_of_minimize(M):
    result = M.minimize(wave, wave_params(M, twice=dict(expr="2*amp")))
    return result.uvars, result.uvars["amp"]*result.uvars["decay"]


# -- what differs, and stands in the table


@behaviour(differs="unknown methods")
def unknown_method(M):
    return M.minimize(wave, wave_params(M), method="levenberg").method


@behaviour(differs="numbers of evaluations")
def evaluations(M):
    return M.minimize(wave, wave_params(M)).nfev


@behaviour(differs="errors of the scalar methods")
def errors_of_nelder(M):
    return M.minimize(wave, wave_params(M), method="nelder").errorbars


@behaviour(differs="one dead parameter")
def errors_beside_a_dead_parameter(M):
    params = wave_params(M)
    params.add("dead", 1.)
    return M.minimize(wave, params).params["amp"].stderr is None


@behaviour(differs="messages of fits that stop")
def message_of_an_abort(M):
    return M.minimize(wave, wave_params(M), iter_cb=lambda *args, **kws: True).message


@behaviour(differs="NaN on the way")
def nan_on_the_way(M):
    def residual(p):
        with np.errstate(invalid="ignore"):
            return np.sqrt(p["a"].value)*X - 1e-3*X
    return M.minimize(residual, M.create_params(a=1.)).success


@behaviour(differs="wrong Jacobians")
def jacobian_of_the_wrong_sign(M):
    wrong = -np.array([X, np.ones_like(X)]).T
    return M.minimize(lambda p: p["a"]*X + p["b"] - 3*X, M.create_params(a=1., b=2.), Dfun=lambda p: wrong).ndata


@behaviour(differs="unbounded limits")
def confidence_at_a_bound(M):
    params = wave_params(M)
    params["decay"].set(value=.0245, min=.0244, max=.03)
    mini = M.Minimizer(wave, params)
    result = mini.minimize()
    return "not reached" in M.ci_report(M.conf_interval(mini, result, p_names=["decay"]))


@behaviour(differs="doubts in reports")
def report_of_a_dead_parameter(M):
    params = wave_params(M)
    params.add("dead", 1.)
    return M.fit_report(M.minimize(wave, params))
