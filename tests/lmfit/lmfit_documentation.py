"""What the examples of lmfit's documentation show, in words and data of our own: for each, values and errors to compare.

An example is a function of the module, `M`, which returns fits (results with `params`), or arrays by name.
"""
import os
import tempfile
from pathlib import Path

import nist
import numpy as np

EXAMPLES = []


def example(function):
    """Take down an example."""
    EXAMPLES.append(function)
    return function


def noise(size, scale, seed):
    """Return normal noise."""
    return np.random.default_rng(seed).normal(0, scale, size)


T = np.linspace(0, 15, 301)
RING = 5*np.sin(2*T - .1)*np.exp(-.025*T*T) + noise(T.size, .2, 1)
S = np.linspace(0, 9, 101)
BELL = 8.8*np.exp(-(S - 5.6)**2/(2*.7**2)) + noise(S.size, .2, 2)
HUMP = BELL + 1.2 + .25*S
Z = np.linspace(1, 10, 250)
DECAYS = 3*np.exp(-Z/2) - 5*np.exp(-(Z - .1)/10) + noise(Z.size, .1, 3)
V = np.linspace(0, 20, 401)
BUMPS = (21/(1.1*np.sqrt(2*np.pi))*np.exp(-(V - 6.1)**2/(2*1.1**2)) + 30/(np.pi*1.4*(1 + ((V - 12.6)/1.4)**2)) + 3 + .4*V
         + noise(V.size, .25, 4))
EDGE = 90/(1 + np.exp(-(V - 8)/.7)) + 5 + noise(V.size, 1., 6)


def ringing(params, t, data):
    """Return a ringing that dies out."""
    v = params.valuesdict()
    return v["amp"]*np.sin(v["omega"]*t + v["shift"])*np.exp(-v["decay"]*t*t) - data


def ring_params(M):
    """Where it is looked for."""
    params = M.Parameters()
    params.add("amp", value=10, min=0)
    params.add("decay", value=.1)
    params.add("shift", value=0., min=-np.pi/2, max=np.pi/2)
    params.add("omega", value=3.)
    return params


def bell(x, amp, cen, wid):
    """Return a Gaussian by its area."""
    return amp/(np.sqrt(2*np.pi)*wid)*np.exp(-(x - cen)**2/(2*wid**2))


@example
def basic(M):
    return [M.minimize(ringing, ring_params(M), args=(T, RING))]


@example
def bounds(M):
    params = ring_params(M)
    params["decay"].set(min=0, max=.5)
    params["omega"].set(min=1, max=4)
    params["amp"].set(max=20)
    return [M.minimize(ringing, params, args=(T, RING))]


@example
def residual(M):
    """With and without uncertainties, and without data."""
    def wave(params, x, data=None, uncertainty=None):
        model = params["amplitude"]*np.sin(params["frequency"]*x + params["phase"]*1.)*np.exp(-x*x*params["decay"])
        if data is None:
            return model
        return model - data if uncertainty is None else (model - data)/uncertainty
    params = M.create_params(amplitude=9, decay=.1, phase=.2, frequency=2.6)
    sigma = .15 + .005*T
    fits = [M.minimize(wave, params, args=(T, RING)), M.minimize(wave, params, args=(T,), kws={"data": RING, "uncertainty": sigma})]
    return [*fits, {"model": wave(fits[0].params, T)}]


@example
def parameters(M):
    params = ring_params(M)
    params["shift"].set(value=-.1, vary=False)
    params.add("half_life", expr="sqrt(log(2)/decay)")
    params.add("period", expr="2*pi/omega")
    return [M.minimize(ringing, params, args=(T, RING))]


@example
def difference_of_two_with_an_order(M):
    """Return a parameter that may not exceed another, by a difference that is positive."""
    params = M.Parameters()
    params.add("left", value=5.5, min=0)
    params.add("gap", value=6.5, min=0)
    params.add("right", expr="left + gap")
    params.add_many(("a", 18, True, 0), ("b", 25, True, 0), ("base", 3), ("slope", 0))

    def two(p):
        v = p.valuesdict()
        return (bell(V, v["a"], v["left"], 1.1) + v["b"]/(np.pi*1.4*(1 + ((V - v["right"])/1.4)**2)) + v["base"] + v["slope"]*V) - BUMPS
    return [M.minimize(two, params)]


@example
def model_gaussian(M):
    model = M.Model(bell)
    return [model.fit(BELL, x=S, amp=5, cen=5, wid=1)]


@example
def model_gaussian_with_params(M):
    model = M.Model(bell)
    params = model.make_params(cen=5, amp=200, wid=dict(value=1, min=0))
    return [model.fit(BELL, params, x=S), {"start": model.eval(params, x=S)}]


@example
def model_composite(M):
    """Return a bell on a line, by functions and by the library."""
    def line(x, slope, intercept):
        return slope*x + intercept
    own = M.Model(bell) + M.Model(line)
    library = M.models.GaussianModel(prefix="bell_") + M.models.LinearModel(prefix="line_")
    one = own.fit(HUMP, x=S, amp=5, cen=5, wid=1, slope=0, intercept=1)
    params = library.make_params(bell_amplitude=5, bell_center=5, bell_sigma=1, line_slope=0, line_intercept=1)
    two = library.fit(HUMP, params, x=S)
    return [one, two, {**two.eval_components(x=S)}]


@example
def model_folded(M):
    """Return a step folded with a Gaussian: an operator of one's own."""
    def jump(x, mid):
        return np.where(x <= mid, 0., 10.)

    def fold(left, right):
        size = min(len(left), len(right))
        padding = np.ones(size)
        padded = np.concatenate((padding*left[0], left, padding*left[-1]))
        out = np.convolve(padded, right, mode="valid")
        return out[(len(out) - size)//2:][:size]
    model = M.CompositeModel(M.Model(jump), M.Model(bell), fold)
    x = np.linspace(0, 10, 201)
    data = model.eval(x=x, mid=4.5, amp=1., cen=5., wid=1.2) + noise(x.size, .5, 7)
    params = model.make_params(mid=4.5, amp=2., cen=5., wid=1.)
    params["mid"].vary = False
    params["cen"].vary = False
    return [model.fit(data, params, x=x)]


@example
def two_peaks(M):
    """Return a Gaussian and a Lorentzian on a line."""
    model = M.models.GaussianModel(prefix="g_") + M.models.LorentzianModel(prefix="l_") + M.models.LinearModel(prefix="base_")
    params = model.make_params(g_amplitude=15, g_center=5.5, g_sigma=1, l_amplitude=20, l_center=13, l_sigma=1, base_slope=0,
                               base_intercept=2)
    params["g_sigma"].min = .1
    params["l_center"].set(min=8, max=18)
    fit = model.fit(BUMPS, params, x=V)
    return [fit, fit.eval_components()]


@example
def peaks_of_many_kinds(M):
    """Return the same hump by a Gaussian, a Lorentzian and a Voigt profile, from guesses."""
    fits = []
    for kind in (M.models.GaussianModel, M.models.LorentzianModel, M.models.VoigtModel):
        model = kind()
        fits.append(model.fit(BELL, model.guess(BELL, x=S), x=S))
    free = M.models.VoigtModel()
    params = free.make_params(amplitude=15, center=5.6, sigma=.6)
    params["gamma"].set(value=.3, vary=True, expr="")
    return fits[:2] + [fits[2], free.fit(BELL + .1*np.exp(-abs(S - 5.6)), params, x=S)]


@example
def step(M):
    model = M.models.StepModel(form="logistic", prefix="step_") + M.models.ConstantModel(prefix="base_")
    params = model.make_params(step_amplitude=80, step_center=7, step_sigma=1, base_c=0)
    return [model.fit(EDGE, params, x=V)]


@example
def nist_gauss2(M):
    """NIST's Gauss2 by two peaks on a decay, from rough starts."""
    data = nist.read("Gauss2")
    x, y = data.x, data.y
    model = M.models.ExponentialModel(prefix="exp_") + M.models.GaussianModel(prefix="a_") + M.models.GaussianModel(prefix="b_")
    params = model.make_params(exp_amplitude=100, exp_decay=100, a_amplitude=2000, a_center=105, a_sigma=15, b_amplitude=2000, b_center=155,
                               b_sigma=15)
    params["a_center"].set(min=75, max=125)
    params["b_center"].set(min=125, max=175)
    params["a_sigma"].min = params["b_sigma"].min = 3
    fit = model.fit(y, params, x=x)
    return [fit, fit.eval_components(x=x)]


@example
def expression(M):
    model = M.models.ExpressionModel("amp*exp(-(x - cen)**2/(2*wid**2))/(sqrt(2*pi)*wid)")
    return [model.fit(BELL, x=S, amp=5, cen=5, wid=1)]


@example
def polynomial_and_spline(M):
    poly = M.models.PolynomialModel(degree=2)
    spline = M.models.SplineModel(prefix="bkg_", xknots=np.array([0., 4, 8, 12, 16, 20]))
    model = spline + M.models.GaussianModel(prefix="g_")
    params = model.make_params(g_amplitude=20, g_center=6, g_sigma=1, **{f"bkg_s{k}": 4. for k in range(6)})
    data = bell(V, 21, 6.1, 1.1) + 3 + .4*V - .01*V*V + noise(V.size, .1, 8)
    return [poly.fit(data, poly.make_params(c0=1, c1=0, c2=0), x=V), model.fit(data, params, x=V)]


@example
def uncertainty(M):
    model = M.Model(bell)
    fit = model.fit(BELL, x=S, amp=5, cen=5, wid=1)
    return [fit, {"errors of the curve": fit.eval_uncertainty(sigma=3), "of a measurement": fit.dely_predicted}]


@example
def uncertainty_of_components(M):
    model = M.models.GaussianModel(prefix="bell_") + M.models.LinearModel(prefix="line_")
    params = model.make_params(bell_amplitude=5, bell_center=5, bell_sigma=1, line_slope=0, line_intercept=1)
    fit = model.fit(HUMP, params, x=S)
    return [fit, {"errors of the curve": fit.eval_uncertainty(sigma=2)} | {"errors of " + name: band
                                                                          for name, band in fit.dely_comps.items()}]


@example
def confidence_basic(M):
    x = np.linspace(.3, 10, 100)
    y = 1/(.1*x) + 2 + noise(x.size, .1, 9)
    params = M.create_params(a=.1, b=1)
    mini = M.Minimizer(lambda p: 1/(p["a"]*x) + p["b"] - y, params)
    result = mini.minimize()
    ci = M.conf_interval(mini, result)
    return [result, {"errors of " + name: np.array(rows)[:, 1] - rows[3][1] for name, rows in ci.items()}]


@example
def confidence_advanced(M):
    """Two decays that resemble each other: a look round first, then least squares, then profiles and a region."""
    params = M.create_params(a1=4, a2=4, t1=3, t2=dict(value=3.1, min=0))

    def two(p):
        return p["a1"]*np.exp(-Z/p["t1"]) + p["a2"]*np.exp(-(Z - .1)/p["t2"]) - DECAYS
    mini = M.Minimizer(two, params)
    rough = mini.minimize(method="Nelder")
    result = mini.minimize(method="leastsq", params=rough.params)
    ci, trace = M.conf_interval(mini, result, sigmas=[1, 2], trace=True)
    x, y, grid = M.conf_interval2d(mini, result, "a1", "t2", 5, 5)
    assert set(trace) == {"a1", "a2", "t1", "t2"}
    return [result, {"errors of " + name: np.array(rows)[:, 1] - rows[2][1] for name, rows in ci.items()}
            | {"region in errors": grid, "x of errors": x - x.mean(), "y of errors": y - y.mean()}]


@example
def save_and_load(M):
    """Return a model and a result, written to files and read."""
    model = M.Model(bell)
    fit = model.fit(BELL, x=S, amp=5, cen=5, wid=1)
    with tempfile.TemporaryDirectory() as folder:
        names = [os.fspath(Path(folder)/name) for name in ("model.sav", "fit.sav")]
        M.model.save_model(model, names[0])
        M.model.save_modelresult(fit, names[1])
        again = M.model.load_model(names[0], funcdefs={"bell": bell})
        back = M.model.load_modelresult(names[1], funcdefs={"bell": bell})
    return [fit, again.fit(BELL, x=S, amp=5, cen=5, wid=1), back, {"curve": back.best_fit}]


@example
def nan_policy(M):
    data = BELL.copy()
    data[[10, 33, 70]] = np.nan
    return [M.Model(bell, nan_policy="omit").fit(data, x=S, amp=5, cen=5, wid=1)]


@example
def weights(M):
    sigma = .1 + .02*np.abs(S - 5)
    model = M.Model(bell)
    return [model.fit(BELL, x=S, amp=5, cen=5, wid=1, weights=1/sigma),
            model.fit(BELL, x=S, amp=5, cen=5, wid=1, weights=1/sigma, scale_covar=False)]


@example
def callback(M):
    seen = []
    fit = M.Model(bell).fit(BELL, x=S, amp=5, cen=5, wid=1, iter_cb=lambda params, count, residual, *args, **kws: seen.append(count))
    assert len(seen) > 4
    return [fit]


@example
def with_uncertainties(M):
    model = M.models.GaussianModel()
    fit = model.fit(BELL, model.make_params(amplitude=5, center=5, sigma=1), x=S)
    product = fit.uvars["amplitude"]*fit.uvars["sigma"]
    return [fit, {"product": product.nominal_value, "error of the product": product.std_dev}]
