"""Fits of models: the library, composites, and lmfit's manners."""
import numpy as np
from frozen.problems import FORMS, data, name_seed
from frozen.residual_fits import residual_of

import gslfit
from gslfit import models
from gslfit.compat import lmfit

FROM_0 = (0.0, 100.0)
ABOVE_0 = (0.5, 100.0)
PEAK = {"amplitude": 3.2, "center": 48.0}
STEP = PEAK | {"sigma": 6.3}
BOX = {"amplitude": 3.2, "center1": 30.0, "center2": 70.0, "sigma1": 3.2, "sigma2": 4.1}
RESPONSE = {"t0": 25.0, "irf": 2.2, "offset": 0.05}
LIBRARY = [
    ("ConstantModel", FROM_0, {"c": 1.5}), ("LinearModel", FROM_0, {"slope": .2, "intercept": 1.0}),
    ("QuadraticModel", FROM_0, {"a": .01, "b": -.3, "c": 2.0}), ("PolynomialModel:3", (-3, 3), {"c0": 1, "c1": -.5, "c2": .2, "c3": .1}),
    ("PolynomialModel:7", (-2, 2), {f"c{k}": 1/(k + 1) for k in range(8)}),
    ("GaussianModel", FROM_0, PEAK | {"sigma": 4.7}), ("LorentzianModel", FROM_0, PEAK | {"sigma": 4.7}),
    ("SplitLorentzianModel", FROM_0, PEAK | {"sigma": 4.7, "sigma_r": 6.0}), ("VoigtModel", FROM_0, PEAK | {"sigma": 3.2}),
    ("PseudoVoigtModel", FROM_0, PEAK | {"sigma": 4.7, "fraction": .4}), ("MoffatModel", FROM_0, PEAK | {"sigma": 6.3, "beta": 1.8}),
    ("Pearson7Model", FROM_0, PEAK | {"sigma": 5.5, "expon": 2.5}),
    ("Pearson4Model", FROM_0, PEAK | {"sigma": 6.7, "expon": 2.2, "skew": .5}),
    ("StudentsTModel", (-15, 15), {"amplitude": 3.2, "center": .5, "sigma": 2.5}),
    ("LognormalModel", ABOVE_0, {"amplitude": 3.2, "center": 2.25, "sigma": .32}),
    ("DampedOscillatorModel", FROM_0, {"amplitude": 3.2, "center": 45.0, "sigma": .063}),
    ("DampedHarmonicOscillatorModel", (-100, 100), {"amplitude": 3.2, "center": 45.0, "sigma": 4.7, "gamma": 15.8}),
    ("ExponentialGaussianModel", FROM_0, PEAK | {"sigma": 3.5, "gamma": .16}),
    ("SkewedGaussianModel", FROM_0, PEAK | {"sigma": 7.7, "gamma": 1.2}), ("SkewedVoigtModel", FROM_0, PEAK | {"sigma": 4.5, "skew": .6}),
    ("DoniachModel", FROM_0, PEAK | {"sigma": 3.9, "gamma": .2}), ("BreitWignerModel", FROM_0, PEAK | {"sigma": 9.5, "q": 1.1}),
    ("ExponentialModel", FROM_0, {"amplitude": 3.2, "decay": 15.8}), ("PowerLawModel", (1, 100), {"amplitude": 3.2, "exponent": -1.15}),
    *((f"StepModel:{form}", FROM_0, STEP) for form in ("linear", "atan", "erf", "logistic")),
    *((f"RectangleModel:{form}", FROM_0, BOX) for form in ("linear", "atan", "erf", "logistic")),
    ("FermiModel", FROM_0, PEAK | {"kt": 4.7}), ("SineModel", FROM_0, {"amplitude": 3.2, "frequency": .32, "shift": .3}),
    *((f"ThermalDistributionModel:{form}", (1, 20), {"amplitude": 1.1, "center": -1.0, "kt": 4.0})
      for form in ("bose", "maxwell", "fermi")),
    ("BoseModel", (1, 20), {"amplitude": 1.1, "center": -1.0, "kt": 4.0}),
    ("GslGaussianModel", FROM_0, {"y0": .5, "A": 3.2, "x0": 50.0, "var": 24.5}), ("GslExpModel", FROM_0, {"y0": .1, "A": 3.2, "b": .063}),
    ("GslDblexpModel", FROM_0, {"y0": .01, "A1": 3.2, "b1": .45, "A2": 3.2, "b2": .032}),
    ("GslSinModel", FROM_0, {"y0": .3, "A": 3.2, "f": .32, "phi": .2}),
    ("GslLorModel", FROM_0, {"y0": .02, "A": 31.6, "x0": 50.0, "B": 20.0}),
    ("GslHillModel", ABOVE_0, {"y0": .1, "m": 6.3, "xhalf": 20.0, "r": 2.8}),
    ("GslSigmoidModel", FROM_0, {"y0": .1, "m": 6.3, "x0": 50.0, "r": 3.2}), ("GslPowerModel", (1, 100), {"y0": .02, "A": 3.2, "r": -1.15}),
    ("GslLognormalModel", ABOVE_0, {"y0": .03, "A": 3.2, "x0": 20.0, "width": .55}),
    ("GslRayleighModel", ABOVE_0, {"A": 3.2, "var": 158.0}),
    ("GslGaussian2PeaksModel", FROM_0, {"y0": .2, "A1": 7.1, "x1": 30.0, "var1": 28.5, "A2": 6.1, "x2": 70.0, "var2": 20.5}),
    ("HillModel", ABOVE_0, {"bottom": .1, "top": 6.3, "half": 20.0, "slope": 2.8}),
    ("FourParameterLogisticModel", ABOVE_0, {"a": .1, "d": 6.3, "c": 20.0, "b": 2.8}),
    ("FiveParameterLogisticModel", ABOVE_0, {"a": .1, "d": 6.3, "c": 15.5, "b": 4.0, "g": 1.1}),
    ("MichaelisMentenModel", ABOVE_0, {"vmax": 3.2, "km": 15.8}), ("LangmuirModel", ABOVE_0, {"qmax": 3.2, "K": .063}),
    ("ArrheniusModel", (250, 500), {"A": 1e6, "Ea": 4e4}), ("WeibullModel", ABOVE_0, {"amplitude": 3.2, "scale": 26.5, "shape": 2.8}),
    ("GompertzModel", FROM_0, {"a": 3.2, "b": 6.3, "c": .11}), ("LogisticGrowthModel", FROM_0, {"K": 3.2, "r": .25, "x0": 50.0}),
    ("StretchedExponentialModel", FROM_0, {"amplitude": 3.2, "tau": 9.5, "beta": .9, "offset": .1}),
    ("BiexponentialModel", FROM_0, {"amplitude1": 3.2, "tau1": 2.2, "amplitude2": 3.2, "tau2": 22.4, "offset": .02}),
    ("TriexponentialModel", FROM_0, {"amplitude1": 3.2, "tau1": .9, "amplitude2": 3.2, "tau2": 6.3, "amplitude3": 3.2, "tau3": 38.7,
                                     "offset": .02}),
    ("ExponentialResponseModel", FROM_0, {"amplitude": 3.2, "tau": 12.7} | RESPONSE),
    ("BiexponentialResponseModel", FROM_0, {"amplitude1": 3.2, "tau1": 3.5, "amplitude2": 3.2, "tau2": 30.0} | RESPONSE),
    ("TriexponentialResponseModel", FROM_0, {"amplitude1": 3.2, "tau1": 1.7, "amplitude2": 3.2, "tau2": 9.5, "amplitude3": 3.2,
                                             "tau3": 63.3} | RESPONSE),
    ("DampedSineModel", FROM_0, {"amplitude": 3.2, "tau": 47.4, "frequency": .47, "phase": .2, "offset": .1}),
    ("DampedChirpModel", FROM_0, {"amplitude": 3.2, "tau": 63.3, "frequency": .55, "chirp": .001, "phase": .2, "offset": .1}),
    ("DebyeModel", ABOVE_0, {"eps_inf": 3.2, "delta": 3.2, "tau": .063}), ("DebyeLossModel", ABOVE_0, {"delta": 3.2, "tau": .063}),
    ("PlanckModel", (.2, 4), {"amplitude": 3.2, "T": 4743.0}), ("GaussianBeamModel", (-5, 5), {"w0": .5, "z0": .3, "zR": 1.2}),
    ("AiryModel", FROM_0, {"height": 3.2, "center": 50.0, "radius": 12.7, "offset": .05}),
    ("Gaussian2Model", FROM_0, {"y0": .2, "amplitude1": 7.1, "center1": 30.0, "sigma1": 5.2, "amplitude2": 6.0, "center2": 70.0,
                                "sigma2": 4.2}),
    ("Gaussian3Model", FROM_0, {"y0": .2, "amplitude1": 7.1, "center1": 20.0, "sigma1": 4.2, "amplitude2": 6.0, "center2": 50.0,
                                "sigma2": 3.2, "amplitude3": 5.0, "center3": 80.0, "sigma3": 4.0}),
]
IMAGES = [
    ("Gaussian2dModel", {"amplitude": 60.0, "centerx": 4.2, "centery": 5.1, "sigmax": 1.3, "sigmay": 1.8}),
    ("EllipticalGaussian2dModel", {"height": 5.0, "x0": 4.2, "y0": 5.1, "sigma_u": 1.2, "sigma_v": 2.1, "theta": .4, "offset": .3}),
    ("Airy2dModel", {"height": 5.0, "x0": 4.2, "y0": 5.1, "radius": 4.0, "offset": .3}),
]


def made(name):
    """Return a model of the library, with its form after a colon."""
    cls, _, form = name.partition(":")
    if cls == "PolynomialModel":
        return models.PolynomialModel(degree=int(form))
    return models.CLASSES[cls](**({"form": form} if form else {}))


def curves(name, span, values, rows=3, points=80, noise=.03):
    """Noisy curves of a model."""
    model, x = made(name), np.linspace(*span, points)
    rng = np.random.default_rng([50, name_seed(name)])
    clean = model.eval(x=x, **values, **{key: values[other] for key, other in model.entry.defaults.items()
                                         if isinstance(other, str) and key not in values})
    y = clean + noise*(np.ptp(clean) or 1.0)*rng.standard_normal((rows, points))
    return x, np.array([[float(f"{value:.9e}") for value in row] for row in y])


def by_model():
    """`Model.fit` and `Model.fit_batch` of every model of the library."""
    for name, span, values in LIBRARY:
        at = f"model/{name}"
        x, rows = curves(name, span, values)
        near = {key: 1.1*value + .01*(value == 0) for key, value in values.items()}
        yield f"{at}/guessed", lambda n=name, x=x, y=rows[0]: made(n).fit(y, x=x)
        yield f"{at}/started", lambda n=name, x=x, y=rows[0], s=near: made(n).fit(y, x=x, **s)
        if name.startswith("Triexponential"):       # its fits are long
            continue
        yield f"{at}/weights", lambda n=name, x=x, y=rows[1], s=near: made(n).fit(
            y, made(n).make_params(**s), weights=1 + .5*np.cos(np.arange(x.size)), x=x, scale_covar=False)
        yield f"{at}/bands", lambda n=name, x=x, y=rows[0], s=near: bands(made(n).fit(y, x=x, **s))
        yield f"{at}/batch", lambda n=name, x=x, y=rows: made(n).fit_batch(y, x=x)
        yield f"{at}/batch-started", lambda n=name, x=x, y=rows, s=near: made(n).fit_batch(y, x=x, start=s, covar=True)
        yield f"{at}/guess", lambda n=name, x=x, y=rows: dict(made(n).guess(y, x=x))
    for name, values in IMAGES:
        u, v = (part.ravel() for part in np.meshgrid(np.arange(10.), np.arange(11.)))
        model = models.CLASSES[name]()
        z = np.round(model.eval(x=u, y=v, **values) + .05*np.random.default_rng([51, name_seed(name)]).standard_normal((3, u.size)), 9)
        yield f"model/{name}/guessed", lambda m=model, u=u, v=v, z=z: m.fit(z[0], x=u, y=v)
        yield f"model/{name}/started", lambda m=model, u=u, v=v, z=z, s=values: m.fit(z[0], x=u, y=v, **{k: 1.05*w for k, w in s.items()})
        yield f"model/{name}/batch", lambda m=model, u=u, v=v, z=z: m.fit_batch(z, x={"x": u, "y": v})
    yield from others()


def bands(result):
    """Return the uncertainty of a fitted curve."""
    return [result.eval_uncertainty()[::9], result.dely_predicted[::9], result.best_fit[::9], result.rsquared]


def others():
    """Composites, sums of peaks, splines, complex data, texts, functions, options."""
    x = np.linspace(0, 10, 101)
    rng = np.random.default_rng(52)
    y = np.round(7*np.exp(-(x - 4.2)**2/2/.8**2) + .3*x + 1 + .15*rng.standard_normal((3, x.size)), 9)
    sums = {"gauss-line": lambda: models.GaussianModel() + models.LinearModel(),
            "voigt-constant": lambda: models.VoigtModel(prefix="v_") + models.ConstantModel(prefix="b_"),
            "product": lambda: models.GaussianModel(prefix="g_")*models.LinearModel(prefix="l_"),
            "difference": lambda: models.LinearModel(prefix="l_") - models.GaussianModel(prefix="g_"),
            "text": lambda: models.GaussianModel() + gslfit.Model("k*x + d"),
            "called": lambda: models.GaussianModel() + gslfit.Model(opaque)}
    start = {"amplitude": 10, "center": 4, "sigma": 1, "slope": .2, "intercept": .5, "c": .5, "k": .2, "d": .5}
    for name, make in sums.items():
        def given(make=make, sign=-1 if name == "difference" else 1):
            params = make().make_params(**{key: start[key.split("_")[-1]] for key in make().param_names if key.split("_")[-1] in start})
            return params
        yield f"model/sum/{name}", lambda m=make, g=given: m().fit(y[0], g(), x=x)
        yield f"model/sum/{name}/guessed", lambda m=make: m().fit(y[1], x=x)
        yield f"model/sum/{name}/batch", lambda m=make, g=given: m().fit_batch(y, g(), x=x, covar=True)
        yield f"model/sum/{name}/batch-guessed", lambda m=make: m().fit_batch(y, x=x)
        yield f"model/sum/{name}/bands", lambda m=make, g=given: bands(m().fit(y[0], g(), x=x))
    for shape, count in (("Gaussian", 3), ("Lorentzian", 2), ("PseudoVoigt", 2)):
        wide = np.linspace(0, 40, 200)
        z = np.round(sum(4*np.exp(-(wide - 10*k - 6)**2/4) for k in range(count)) + .5 + .05*rng.standard_normal((2, wide.size)), 9)
        yield f"model/peaks/{shape}", lambda s=shape, c=count, z=z, w=wide: models.sum_of_peaks(s, c).fit(z[0], x=w)
        yield f"model/peaks/{shape}/batch", lambda s=shape, c=count, z=z, w=wide: models.sum_of_peaks(s, c, "line").fit_batch(z, x=w)
    yield "model/spline", lambda: models.SplineModel(xknots=np.linspace(0, 10, 6)).fit(y[0], x=x)
    yield "model/complex", lambda: models.ComplexConstantModel().fit(y[0] + .3j*y[1], x=x, re=1.0, im=.1)
    yield "model/expression", lambda: models.ExpressionModel("a*exp(-(x - b)**2/c) + d*x + f").fit(y[0], x=x, a=6, b=4, c=1, d=.1, f=1)
    text = "a*exp(-(x - b)**2/(2*c**2)) + d*x + f"
    first = dict(a=6., b=4., c=1., d=.1, f=1.)
    hole = np.where(np.arange(x.size) == 7, np.nan, y[0])
    for method in ("leastsq", "lmder", "lbfgsb"):
        yield f"model/text/{method}", lambda m=method: gslfit.Model(text).fit(y[0], x=x, method=m, **first)
        yield f"model/opaque/{method}", lambda m=method: gslfit.Model(opaque).fit(y[0], x=x, method=m, k=.3, d=1.)
    for policy in ("raise", "omit", "propagate"):
        yield f"model/text/hole-{policy}", lambda p=policy: gslfit.Model(text, nan_policy=p).fit(hole, x=x, **first)
    yield "model/text/yerr", lambda: gslfit.Model(text).fit(y[0], x=x, yerr=.2 + .01*x, **first)
    yield "model/text/limit", lambda: gslfit.Model(text).fit(y[0], x=x, max_nfev=5, **first)
    yield "model/text/no-errors", lambda: gslfit.Model(text).fit(y[0], x=x, calc_covar=False, **first)
    yield "model/text/no-start", lambda: gslfit.Model(text).fit(y[0], x=x)
    yield "model/text/short", lambda: gslfit.Model(text).fit(y[0], x=x[:-1], **first)
    yield "model/text/dicts", lambda: gslfit.Model(text).fit(y[0], x=x, **first | {
        "a": {"value": 6, "max": 6.5}, "b": {"value": 4, "vary": 0}})
    yield "model/text/expr", lambda: gslfit.Model(text).fit(y[0], gslfit.Model(text).make_params(**first | {"d": {"expr": "f/3"}}), x=x)
    yield "model/text/again", lambda: gslfit.Model(text).fit(y[0], x=x, **first).fit(y[1])
    yield "model/text/intervals", lambda: dict(gslfit.Model(text).fit(y[0], x=x, **first).conf_interval(sigmas=[.68, .95]))


def opaque(x, k, d):
    """Return a line that can't be compiled."""
    return k*np.asarray(x, float) + d if float(k) == k else x


def as_lmfit():
    """`gslfit.compat.lmfit`."""
    quick = ("leastsq", "least_squares", "nelder", "powell", "lbfgsb", "bfgs", "cg", "tnc", "slsqp")
    for name in ("decay", "peak"):
        start = {key: value[0] for key, value in data(name, 3, 20)[2].items()}
        own = residual_of(name)

        def params(bounds=False, start=start):
            made = lmfit.Parameters()
            for key, value in start.items():
                made.add(key, value, min=-30 if bounds else -np.inf, max=40 if bounds else np.inf)
            return made

        for method in quick:
            yield f"compat/minimize/{name}/{method}", lambda m=method, f=own, p=params: lmfit.minimize(f, p(), method=m)
            yield f"compat/minimize/{name}/{method}/box", lambda m=method, f=own, p=params: lmfit.minimize(f, p(True), method=m)
            yield f"compat/minimize/{name}/{method}/limit", lambda m=method, f=own, p=params: lmfit.minimize(f, p(), method=m, max_nfev=12)
            yield f"compat/minimize/{name}/{method}/unscaled", lambda m=method, f=own, p=params: lmfit.minimize(
                f, p(), method=m, scale_covar=False)
        yield f"compat/minimize/{name}/cauchy", lambda f=own, p=params: lmfit.minimize(f, p(), method="nelder", reduce_fcn="neglogcauchy")
        yield f"compat/conf_interval/{name}", lambda f=own, p=params: intervals(f, p())
        yield f"compat/brute/{name}", lambda f=own, s=start: lmfit.minimize(f, grid(s), method="brute", Ns=4, keep=3)
    yield "compat/evolution", lambda: lmfit.minimize(residual_of("line"), box(), method="differential_evolution", seed=1, maxiter=8)
    yield "compat/annealing", lambda: lmfit.minimize(residual_of("line"), box(), method="dual_annealing", seed=1, maxiter=4)
    yield "compat/basinhopping", lambda: lmfit.minimize(residual_of("line"), box(), method="basinhopping", seed=1, niter=2)
    yield "compat/shgo", lambda: lmfit.minimize(residual_of("line"), box(), method="shgo")
    for name, span, values in LIBRARY:
        cls, _, form = name.partition(":")
        if form or not hasattr(lmfit.models, cls) or cls.startswith("Gsl"):
            continue
        x, rows = curves(name, span, values)
        near = {key: 1.1*value for key, value in values.items()}
        yield f"compat/model/{cls}", lambda c=cls, x=x, y=rows[0], s=near: getattr(lmfit.models, c)().fit(y, x=x, **s)
        yield f"compat/guess/{cls}", lambda c=cls, x=x, y=rows[1]: getattr(lmfit.models, c)().guess(y, x=x).valuesdict()
        if cls in ("GaussianModel", "VoigtModel", "ExponentialModel", "StepModel", "LinearModel"):
            yield f"compat/least_squares/{cls}", lambda c=cls, x=x, y=rows[0], s=near: getattr(lmfit.models, c)().fit(
                y, x=x, method="least_squares", **s)
            yield f"compat/nelder/{cls}", lambda c=cls, x=x, y=rows[0], s=near: getattr(lmfit.models, c)().fit(y, x=x, method="nelder", **s)
            yield f"compat/batch/{cls}", lambda c=cls, x=x, y=rows: getattr(lmfit.models, c)().fit_batch(y, x=x)
            yield f"compat/bands/{cls}", lambda c=cls, x=x, y=rows[0], s=near: bands(getattr(lmfit.models, c)().fit(y, x=x, **s))


def intervals(function, params):
    """Intervals in lmfit's manner."""
    fitter = lmfit.Minimizer(function, params)
    return dict(lmfit.conf_interval(fitter, fitter.minimize(), sigmas=[1, 2]))


def grid(start):
    """Parameters with bounds round a start."""
    made = lmfit.Parameters()
    for key, value in start.items():
        made.add(key, value, min=value - .5*abs(value), max=value + .5*abs(value))
    return made


def box():
    """Return a line's parameters within bounds."""
    made = lmfit.Parameters()
    for key, value in FORMS["line"].true.items():
        made.add(key, .5*value, min=value - 2, max=value + 2)
    return made


GROUPS = {"models": by_model, "compat": as_lmfit}
