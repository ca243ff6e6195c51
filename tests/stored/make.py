"""Write pickles and files of everything that gslfit can store: `python make.py FOLDER` makes FOLDER, for tests to read in later versions.

A folder that is committed is never written again: what people have on disk doesn't change either. A new version gets a folder of its own
where it stores something differently. `describe` says what of a thing is compared: numbers, texts, and what a fit from it gives.
"""
import json
import pickle
import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
if __name__ == "__main__":      # pickles name the functions by the package that this folder is
    sys.path[0] = str(HERE.parent)

from stored.functions import X, Y, decay, half_life, opaque, residual  # noqa: E402

import gslfit  # noqa: E402
from gslfit import models, multifit  # noqa: E402
from gslfit.compat import lmfit  # noqa: E402

TEXT = "a*exp(-x/tau) + c"
START = {"a": 2.0, "tau": 1.5, "c": 0.1}


def parameters(module=gslfit):
    """Parameters with bounds, an expression, and a function and a constant of the user's own."""
    params = module.Parameters(usersyms={"half_life": half_life, "unit": 2.5})
    params.add("a", 2.0, min=0)
    params.add("tau", 1.5, min=.01, max=50)
    params.add("c", .1)
    params.add("fixed", 4.25, vary=False)
    params.add("half", expr="unit*half_life(tau)/2.5")
    params["c"].brute_step, params["c"].user_data = .5, {"note": [1, 2]}
    return params


def composite():
    """Two models of the library and one of a text, joined."""
    return models.GaussianModel(prefix="g_") + models.LinearModel(prefix="l_")*gslfit.Model("s + 0*x", prefix="t_")


def peak():
    """Return data of a peak on a line."""
    return np.round(4*np.exp(-(X - 3)**2/.8) + .2*X + 1 + .03*np.sin(9*X), 6)


def composite_fit():
    """Return a fitted composite."""
    model = composite()
    params = model.make_params(g_amplitude=5, g_center=2.8, g_sigma=.7, l_slope=.1, l_intercept=1, t_s=1)
    params["t_s"].vary = False
    params["g_sigma"].min = .05
    return model.fit(peak(), params, x=X, weights=np.full(X.size, 30.0))


def fitted(module=gslfit):
    """Return a fitted Minimizer of a residual function, and what its minimisation returned."""
    fitter = module.Minimizer(residual, parameters(module))
    return fitter, fitter.minimize("leastsq")


def batch(source=TEXT):
    """Fits of several curves, one of them without success."""
    rows = np.array([[Y, Y + .1*np.sin(X)], [2*Y - .1, np.where(X > 5, np.nan, Y)]])
    return gslfit.fit_batch(source, rows, parameters_of_text(), x=X, covar=True)


def parameters_of_text():
    """Parameters of the text, one of them bounded, one derived."""
    params = gslfit.Parameters()
    params.add_many(("a", 2.0, True, 0), ("tau", 1.5, True, .01, 50), ("c", .1))
    params.add("rate", expr="1/tau")
    return params


def of_own_text(model=gslfit.Model):
    """Return a model of a text with hints and prefix."""
    made = model(TEXT, prefix="d_", nan_policy="omit", name="decay")
    made.set_param_hint("tau", value=1.5, min=.01)
    made.set_param_hint("rate", expr="1/d_tau")
    return made


def of_options():
    """Return a library model with a form and hints."""
    return models.StepModel(prefix="s_", form="erf", sigma={"value": .7, "max": 5.0})


def model_fit(module=gslfit, source=TEXT):
    """Return the fit of a model of a text or function."""
    return module.Model(source).fit(Y, x=X, **START)


PICKLES = {
    "parameter": lambda: gslfit.Parameter(1.5, min=0, max=3, name="width"),
    "parameters": parameters,
    "formula": lambda: gslfit.Formula("y0 + A*exp(-(x - x0)**2/(2*var))"),
    "formula-traced": lambda: gslfit.Formula(decay),
    "formula-called": lambda: gslfit.Formula(opaque),
    "formula-two": lambda: gslfit.Formula("a*x + b*y**2", ("x", "y")),
    "model-text": of_own_text,
    "model-function": lambda: gslfit.Model(decay),
    "model-called": lambda: gslfit.Model(opaque, prefix="o_"),
    "model-library": of_options,
    "model-gaussian": models.GaussianModel,
    "model-polynomial": lambda: models.PolynomialModel(3, prefix="p_"),
    "model-spline": lambda: models.SplineModel(xknots=np.linspace(0, 8, 5)),
    "model-expression": lambda: models.ExpressionModel("a*exp(-x/tau) + c"),
    "model-complex": models.ComplexConstantModel,
    "composite": composite,
    "sum-of-peaks": lambda: models.sum_of_peaks("Lorentzian", 2, "line"),
    "modelresult-composite": composite_fit,
    "modelresult-text": lambda: model_fit(),
    "modelresult-function": lambda: model_fit(source=decay),
    "modelresult-library": lambda: models.GaussianModel().fit(peak(), x=X),
    "modelresult-called": lambda: gslfit.Model(opaque).fit(Y, x=X, k=-.2, d=2.0),
    "fitresult": lambda: gslfit.fit(TEXT, Y, parameters_of_text(), x=X),
    "fitresult-of-minimize": lambda: fitted()[0].result,
    "minimizer-not-fitted": lambda: gslfit.Minimizer(residual, parameters()),
    "batchresult": batch,
    "batchresult-traced": lambda: batch(decay),
    "intervals": lambda: gslfit.conf_interval(fitted()[0], sigmas=[.68, .95]),
    "type-fit": lambda: multifit.FdfSolver.fit(X, Y, "exp"),
    "compat-parameters": lambda: parameters(lmfit),
    "compat-parameter": lambda: lmfit.Parameter("width", 1.5, min=0, max=3),
    "compat-result": lambda: fitted(lmfit)[1],
    "compat-minimizer": lambda: fitted(lmfit)[0],
    "compat-model": lambda: lmfit.Model(decay, prefix="m_"),
    "compat-library": lambda: lmfit.models.VoigtModel(prefix="v_"),
    "compat-composite": lambda: lmfit.models.GaussianModel(prefix="g_") + lmfit.models.LinearModel(),
    "compat-modelresult": lambda: model_fit(lmfit, decay),
    "error": lambda: error(gslfit.Formula, "a*x + open(1)"),
    "error-name": lambda: error(lambda: parameters()["nope"]),
}


def error(function, *args):
    """Return the error of a call."""
    try:
        function(*args)
    except gslfit.FitError as found:
        return found
    raise AssertionError("there was to be an error")


def write_files(folder):
    """JSON and npz files, by the calls that people use."""
    (folder/"parameters.json").write_text(parameters().dumps())
    (folder/"compat-parameters.json").write_text(parameters(lmfit).dumps())
    for name, make in {"text": of_own_text, "library": of_options, "composite": composite, "function": lambda: gslfit.Model(decay),
                       "spline": PICKLES["model-spline"], "expression": PICKLES["model-expression"],
                       "polynomial": PICKLES["model-polynomial"], "peaks": PICKLES["sum-of-peaks"]}.items():
        gslfit.save_model(make(), folder/f"model-{name}.json")
    for name in ("composite", "text", "function", "library"):
        gslfit.save_modelresult(PICKLES[f"modelresult-{name}"](), folder/f"modelresult-{name}.json")
    lmfit.model.save_model(lmfit.models.VoigtModel(prefix="v_"), folder/"compat-model.json")
    lmfit.model.save_modelresult(model_fit(lmfit, decay), folder/"compat-modelresult.json")
    batch().save(folder/"batchresult.npz")
    batch(decay).save(folder/"batchresult-traced.npz")


def read_files(folder):
    """Yield the things that files hold, by the files' names."""
    functions = {"decay": decay}
    yield "parameters.json", gslfit.Parameters(usersyms={"half_life": half_life}).loads((folder/"parameters.json").read_text())
    yield "compat-parameters.json", lmfit.Parameters(usersyms={"half_life": half_life}).loads((folder/"compat-parameters.json").read_text())
    for path in sorted(folder.glob("model-*.json")):
        yield path.name, gslfit.load_model(path, functions)
    for path in sorted(folder.glob("modelresult-*.json")):
        yield path.name, gslfit.load_modelresult(path, functions)
    yield "compat-model.json", lmfit.model.load_model(folder/"compat-model.json", functions)
    yield "compat-modelresult.json", lmfit.model.load_modelresult(folder/"compat-modelresult.json", functions)
    yield "batchresult.npz", gslfit.BatchResult.load(folder/"batchresult.npz")
    yield "batchresult-traced.npz", gslfit.BatchResult.load(folder/"batchresult-traced.npz", gslfit.Formula(decay))


# -- what is compared

def plain(value):
    """Numbers, texts, lists and dicts for JSON; anything else by its text."""
    if isinstance(value, dict):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist()) if value.dtype.kind != "c" else plain([value.real, value.imag])
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating)):
        return float(value)
    return value if value is None or isinstance(value, str) else repr(value)


def of_parameters(params):
    """All that parameters have."""
    names = ("value", "stderr", "vary", "min", "max", "expr", "brute_step", "user_data", "init_value", "correl")
    return {name: {key: plain(getattr(par, key)) for key in names} for name, par in params.items()}


def named(report, names):
    """Which parameters a report has a line of."""
    return [name for name in names if any(line.split()[:1] in ([name], [f"{name}:"]) for line in report.splitlines())]


def shown(thing):
    """Its repr, where that names no address."""
    text = repr(thing)
    return "" if " at 0x" in text else text


def of_model(model):
    """Names, hints, start values, the curve and a fit."""
    x = np.linspace(.5, 6, 7)
    known = {name: .3 + .1*k for k, name in enumerate(model.param_names)}
    params = model.make_params(**known)
    found = {"names": list(model.param_names), "independent": list(model.independent_vars), "hints": plain(model.param_hints),
             "params": of_parameters(params), "prefix": model.prefix, "policy": model.nan_policy}
    curve = model.eval(params, x=x)
    found["curve"] = plain(curve)
    if not np.iscomplexobj(curve):
        fit = model.fit(model.eval(params, x=X) + .02*np.cos(7*X), params, x=X)
        if fit.success:
            found["fit"] = {"values": plain(fit.params.valuesdict()), "chisqr": fit.chisqr}
    return found


OUTCOME = ("success", "errorbars", "message", "nfev", "chisqr", "redchi", "ndata", "nvarys", "nfree", "aic", "bic", "var_names",
           "init_vals",
           "method", "covar", "residual", "aborted", "ier")


def of_fit(fit):
    """Return the outcome of a fit."""
    return {"params": of_parameters(fit.params)} | {name: plain(getattr(fit, name)) for name in OUTCOME if hasattr(fit, name)}


def of_model_fit(result):
    """Return a model's fit, what is worked out of it, and a fit from it."""
    found = of_fit(result) | {"best_fit": plain(result.best_fit), "init_fit": plain(result.init_fit),
                              "best_values": plain(result.best_values),
                              "init_values": plain(result.init_values), "data": plain(result.data), "weights": plain(result.weights),
                              "report": named(result.fit_report(), result.params), "band": plain(result.eval_uncertainty()[::8]),
                              "components": plain({name: value[::10] for name, value in result.eval_components().items()})}
    other = result.fit(np.asarray(result.data)*1.5)
    return found | {"fit": {"values": plain(other.params.valuesdict()), "chisqr": other.chisqr}}


def of_batch_result(result):
    """Arrays, one fit, the table."""
    found = {name: plain(value) for name, value in result.to_dict().items()}
    one = result[0, 1]
    return found | {"success": plain(result.success), "curve": plain(result.best_fit((1, 0))),
                    "report": named(result.summary(), result.values),
                    "one": {"values": plain(one.params.valuesdict()), "nfev": one.nfev, "covar": plain(one.covar)}}


def of_minimizer(fitter, known):
    """Return a Minimizer's parameters and result; a fit by it."""
    found = {"params": of_parameters(fitter.params)} | (of_fit(fitter.result) if known else {})
    other = fitter.minimize("leastsq")
    return found | {"fit": {"values": plain(other.params.valuesdict()), "chisqr": other.chisqr}}


def of_formula(formula):
    """Names, values, derivatives and a fit."""
    x = {name: np.linspace(.4, 3, 9) + k for k, name in enumerate(formula.independent)}
    values = {name: .5 + .2*k for k, name in enumerate(formula.names)}
    found = {"names": plain(formula.names), "independent": plain(formula.independent), "native": formula.native,
             "value": plain(np.asarray(formula(**x, **values)))}
    if formula.native:
        found["jacobian"] = plain(np.asarray(formula.jacobian(**x, **values)))
        y = np.asarray(formula(**x, **{name: value*1.1 for name, value in values.items()})) + .01*np.cos(9*x["x"])
        fit = gslfit.fit(formula, y, x=x, start=values)
        found["fit"] = {"values": plain(fit.params.valuesdict()), "chisqr": fit.chisqr}
    return found


def describe(name, thing):
    """Return what of a thing is compared, as plain numbers and texts."""
    found = {"class": type(thing).__name__, "repr": shown(thing)}
    if isinstance(thing, gslfit.Formula):
        return found | of_formula(thing)
    if hasattr(thing, "make_params"):
        return found | of_model(thing)
    if isinstance(thing, gslfit.BatchResult):
        return found | of_batch_result(thing)
    if isinstance(thing, gslfit.ModelResult):
        return found | of_model_fit(thing)
    if isinstance(thing, (gslfit.Minimizer, lmfit.Minimizer)):
        return found | of_minimizer(thing, "not-fitted" not in name)
    if isinstance(thing, (gslfit.Parameters, lmfit.Parameters)):
        return found | {"params": of_parameters(thing), "eval": thing.eval("half_life(tau) + unit")}
    if hasattr(thing, "covar"):
        report = lmfit.fit_report(thing) if name.startswith("compat") else gslfit.fit_report(thing)
        return found | of_fit(thing) | {"report": named(report, thing.params)}
    if isinstance(thing, Exception):
        return found | {"text": str(thing), "args": plain(thing.args), "column": plain(getattr(thing, "column", None))}
    if hasattr(thing, "brute_step"):
        return found | of_parameters({"it": thing})
    notes = plain(vars(thing).get("notes"))
    return found | {"content": plain(list(thing.items()) if isinstance(thing, dict) else list(thing)), "notes": notes}


def main():
    """Write a folder."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True)
    write_files(folder)
    expected = {}
    for name, make in PICKLES.items():
        data = pickle.dumps(make(), protocol=4)
        (folder/f"{name}.pickle").write_bytes(data)
        expected[f"{name}.pickle"] = describe(name, pickle.loads(data))
    expected |= {name: describe(name, thing) for name, thing in read_files(folder)}
    (folder/"expected.json").write_text(json.dumps({"version": gslfit.__version__, "numpy": np.__version__, "things": expected}) + "\n")


if __name__ == "__main__":
    main()
