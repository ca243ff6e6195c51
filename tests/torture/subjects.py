"""What random calls are made of: the public entries, objects with their methods, and good arguments by name."""

import functools
from importlib import import_module
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import numpy as np
from routes import PEAK, START, TEXT, Y, opaque, parameters, residual, tied
from routes import X as x

import gslfit
from gslfit import models, multifit

ROWS = np.array([Y, Y * 1.1, Y[::-1]])


def residuals(v):
    """Residuals of three variables."""
    return v[0] * np.exp(-x / v[1]) + v[2] - Y


def made(kind, *args, **options):
    """One of GSL's solvers, set."""
    solver = kind(*args, **options)
    solver.set(multifit.Function_fdf.from_callables(residuals, None, x.size, 3), list(START.values()))
    return solver


@functools.cache
def fitted():
    """Return a fitted Minimizer."""
    minimizer = gslfit.Minimizer(residual, parameters())
    minimizer.minimize()
    return minimizer


@functools.cache
def model_result():
    """Return a fitted model."""
    return models.GaussianModel().fit(PEAK, x=x, amplitude=5, center=2.8, sigma=0.7)


@functools.cache
def intervals():
    """Intervals of a fit."""
    return gslfit.conf_interval(fitted(), sigmas=[1])


PARAMS = [parameters, tied, gslfit.Parameters, lambda: parameters(a={"min": 0, "max": 10}), lambda: parameters(tau={"vary": False})]
FORMULAS = [lambda: TEXT, lambda: gslfit.Formula(TEXT), lambda: opaque, lambda: "a*x", lambda: lambda x, a, c: a * np.exp(-x) + c]
DATA = [lambda: Y, lambda: ROWS, lambda: Y.tolist(), lambda: np.where(x > 7, np.nan, Y), lambda: Y[:2], lambda: Y[:0]]
TOLERANCES = [lambda: 1e-8, lambda: 0.0, lambda: 1e-3]
COUNTS = [lambda: 50, lambda: 1, lambda: 2**31, lambda: 0]
GOOD = {
    "formula": FORMULAS,
    "func": FORMULAS,
    "function": [lambda: residual],
    "fcn": [lambda: residual],
    "userfcn": [lambda: residual],
    "f": FORMULAS,
    "y": DATA,
    "data": DATA,
    "ydata": DATA,
    "x": [lambda: x, lambda: {"x": x}],
    "xdata": [lambda: x],
    "params": PARAMS,
    "parameters": PARAMS,
    "inpars": PARAMS,
    "p0": [lambda: list(START.values())],
    "weights": [lambda: None, lambda: np.ones(40), lambda: 2.0],
    "yerr": [lambda: 0.1, lambda: np.full(40, 0.1)],
    "sigma": [lambda: np.full(40, 0.1)],
    "mask": [lambda: None, lambda: x > 7],
    "axis": [lambda: -1, lambda: 0],
    "start": [lambda: START],
    "starts": [lambda: 5, lambda: 1, lambda: "auto", lambda: "neighbours", lambda: None],
    "ranges": [lambda: {"tau": (0.1, 10.0)}, lambda: {"a": (-1, 5), "c": (0, 1)}, lambda: None],
    "bounds": [lambda: (0, 10), lambda: ([0, 0, 0], [9, 9, 9]), lambda: {"a": (0, 10)},
               lambda: {"a": (np.linspace(0, 1.9, len(ROWS)), None), "tau": (.1, np.full(len(ROWS), 9.0))}],
    "method": [lambda: "auto", lambda: "lmsder", lambda: "leastsq", lambda: "lanes", lambda: "trust", lambda: "lmder"],
    "engine": [lambda: "leastsq", lambda: "lmder", lambda: "lbfgsb"],
    "xtol": TOLERANCES,
    "ftol": TOLERANCES,
    "gtol": TOLERANCES,
    "epsabs": TOLERANCES,
    "epsrel": TOLERANCES,
    "max_nfev": COUNTS,
    "maxfev": COUNTS,
    "max_iter": COUNTS,
    "threads": [lambda: 1, lambda: 2, lambda: 2**31],
    "nan_policy": [lambda: "raise", lambda: "omit", lambda: "mark"],
    "a": [lambda: 2.0],
    "tau": [lambda: 1.5],
    "c": [lambda: 0.1],
    "k": [lambda: -0.3],
    "d": [lambda: 2.0],
    "n": [lambda: 40, lambda: 3],
    "p": [lambda: 3, lambda: 1],
    "name": [lambda: "a", lambda: "b"],
    "names": [lambda: "ab"],
    "value": [lambda: 1.0],
    "vary": [lambda: True, lambda: {"c": False}, lambda: {"c": np.arange(len(ROWS)) % 2 == 0}],
    "loss": [lambda: "linear", lambda: "huber", lambda: "tukey", lambda: "poisson"],
    "f_scale": [lambda: .5, lambda: "mad"],
    "ycov": [lambda: np.eye(40), lambda: np.exp(-abs(x[:, None] - x))],
    "response": [lambda: np.ones(5), lambda: [1.0, .5], lambda: np.ones((len(ROWS), 4))],
    "response_centre": [lambda: 0, lambda: 1],
    "response_shift": [lambda: "moved", lambda: None],
    "prior": [lambda: {"a": (2, .1)}, lambda: {"a/tau": (1, .1)}, lambda: {"a": (np.full(len(ROWS), 2.0), .1)}],
    "min": [lambda: -5.0],
    "max": [lambda: 5.0],
    "expr": [lambda: "2*a", lambda: None],
    "text": [lambda: TEXT, lambda: parameters().dumps()],
    "minimizer": [fitted, model_result],
    "result": [fitted, lambda: fitted().result, model_result],
    "modelresult": [model_result],
    "model": [models.GaussianModel, *FORMULAS, lambda: [TEXT]*len(ROWS), lambda: [TEXT, "a*exp(-x/tau)", TEXT]],
    "shared": [lambda: "tau", lambda: ("tau", "c"), lambda: ["a", "tau", "c"], lambda: ()],
    "bad": [lambda: "omit", lambda: "raise"],
    "ci": [intervals],
    "p_names": [lambda: ["a"]],
    "sigmas": [lambda: [1]],
    "thorough": [lambda: True, lambda: False],
    "levels": [lambda: [.68], lambda: [1, 2]],
    "points": [lambda: 8],
    "x_name": [lambda: "a"],
    "y_name": [lambda: "tau"],
    "nx": [lambda: 2],
    "ny": [lambda: 2],
    "trs": [lambda: "lm", lambda: "dogleg", lambda: "cgst"],
    "solver": [lambda: "qr", lambda: "svd", lambda: "none"],
    "scale": [lambda: "more"],
    "fdtype": [lambda: "forward"],
    "fname": [lambda: "model.json", lambda: "/nonexistent/model"],
    "file": [lambda: "batch.npz"],
    "jac": [lambda: np.ones((40, 3)), lambda: None],
    "ndata": [lambda: 40],
    "nparas": [lambda: 3],
    "new_chi": [lambda: 2.0],
    "best_chi": [lambda: 1.0],
    "g": [lambda: np.ones(3)],
    "dx": [lambda: np.ones(3)],
    "prefix": [lambda: "p_"],
    "index": [lambda: None, lambda: 0],
    "formula_or_function": FORMULAS,
    "independent": [lambda: None, lambda: ("x",)],
    "progress": [lambda: None],
    "iters_fixed_T": [lambda: 2],
    "cost": [lambda: lambda v: float(np.sum(v * v))],
    "x0": [lambda: [1.0, 2.0]],
    "residual": [lambda: residuals],
    "df": [lambda: None],
    "interpreter": [lambda: None],
    "compiled": [lambda: False, lambda: "auto"],
    "absolute_sigma": [lambda: True],
    "scale_covar": [lambda: True],
    "covar": [lambda: True, lambda: np.zeros((3, 3))],
    "callback": [lambda: None],
    "iter_cb": [lambda: None],
    "args": [lambda: ()],
    "kws": [lambda: None, dict],
    "Dfun": [lambda: None],
    "modelpars": [lambda: None],
    "left": [models.GaussianModel],
    "right": [models.LinearModel],
    "op": [lambda: __import__("operator").add],
    "ax": [lambda: None],
    "kind": [lambda: "residual", lambda: "pairs", lambda: "parametric", lambda: "poisson"],
    "seed": [lambda: 1],
    "level": [lambda: 0.9],
}
FUNCTIONS = (
    "conf_interval",
    "conf_interval2d",
    "confidence_contours",
    "f_compare",
    "report_errors",
    "report_ci",
    "fit_report",
    "ci_report",
    "report_fit",
    "Formula",
    "curve_fit",
    "fit",
    "fit",
    "fit",
    "fit_batch",
    "fit_batch",
    "fit_batch",
    "fit_shared",
    "fit_shared",
    "fit_shared",
    "curve_fit",
    "curve_fit",
    "minimize",
    "minimize",
    "minimize",
    "Minimizer",
    "Model",
    "CompositeModel",
    "ModelResult",
    "load_model",
    "save_model",
    "load_modelresult",
    "save_modelresult",
    "Parameter",
    "Parameters",
    "get_include",
    "bootstrap",
    "jackknife",
    "influence",
    "BatchResult",
    "SharedResult",
)


def private():
    """Doors that Python does not lock: what is in the extension modules."""
    package, found = Path(gslfit.__file__).parent, []
    for path in sorted(package.rglob(f"_*{EXTENSION_SUFFIXES[0]}")):
        own = path.name.split(".")[0]
        module = import_module(".".join(["gslfit", *path.relative_to(package).parent.parts, own]))
        for name in dir(module):
            each = getattr(module, name)
            if callable(each) and getattr(each, "__module__", None) == module.__name__:
                found.append((f"private {own}.{name}", lambda each=each: each))
                if isinstance(each, type):
                    found.append((f"private {own}.{name}.__new__", lambda each=each: functools.partial(each.__new__, each)))
    return found


@functools.cache
def subjects():
    """Pairs of a name and a function that makes what is called, or whose members are."""
    from gslfit.solvers._siman import anneal

    lowered = gslfit.Formula(TEXT)
    return [
        *((name, lambda name=name: getattr(gslfit, name)) for name in FUNCTIONS),
        *(
            (f"multifit.{name}", lambda name=name: getattr(multifit, name))
            for name in multifit.__all__
            if callable(getattr(multifit, name)) and name not in ("Ending", "FitStatus", "Outcome", "FitResult")
        ),
        ("multifit.FdfSolver.fit", lambda: multifit.FdfSolver.fit),
        ("anneal", lambda: anneal),
        ("Function_fdf.from_callables", lambda: multifit.Function_fdf.from_callables),
        ("Function_fdf.from_pointers", lambda: multifit.Function_fdf.from_pointers),
        *(
            (f"models.{name}", lambda name=name: getattr(models, name))
            for name in ("GaussianModel", "ExpressionModel", "PolynomialModel", "VoigtModel", "StepModel")
            if hasattr(models, name)
        ),
        *[("Parameters object", parameters), ("Parameter object", lambda: parameters()["a"]), ("tied Parameters object", tied)] * 3,
        ("FitResult object", lambda: gslfit.fit(TEXT, Y, x=x, **START)),
        ("Minimizer object", lambda: gslfit.Minimizer(residual, parameters())),
        ("fitted Minimizer object", lambda: gslfit.minimize(residual, parameters())),
        ("SharedResult object", lambda: gslfit.fit_shared(TEXT, ROWS, x=x, shared="tau", **START)),
        *[("BatchResult object", lambda: gslfit.fit_batch(TEXT, ROWS, x=x, **START))] * 2,
        *[
            ("Model object", models.GaussianModel),
            ("called Model object", lambda: gslfit.Model(opaque)),
            ("CompositeModel object", lambda: models.GaussianModel() + models.LinearModel()),
        ]
        * 2,
        *[("ModelResult object", lambda: models.GaussianModel().fit(PEAK, x=x, amplitude=5, center=2.8, sigma=0.7))] * 2,
        *[("Formula object", lambda: gslfit.Formula(TEXT))] * 2,
        ("folded FitResult object", lambda: gslfit.fit(TEXT, Y, x=x, response=[1.0, .5], **START)),
        ("folded BatchResult object", lambda: gslfit.fit_batch(TEXT, ROWS, x=x, response=np.ones((len(ROWS), 2)), **START)),
        ("folded ModelResult object", lambda: models.ExponentialModel().fit(Y, x=x, response=[1.0, .5], response_shift="moved")),
        ("folded Formula object", lambda: gslfit.fit(TEXT, Y, x=x, response=[1.0, .5], **START)._source.formula),
        ("Formula of a function object", lambda: gslfit.Formula(opaque)),
        ("ConfidenceIntervals object", intervals),
        ("BatchIntervals object", lambda: gslfit.fit_batch(TEXT, ROWS, x=x, **START).conf_interval(sigmas=[1])),
        ("BootstrapResult object", lambda: model_result().bootstrap(50, seed=1)),
        ("JackknifeResult object", lambda: model_result().jackknife()),
        ("Influence object", lambda: model_result().influence()),
        ("FdfSolver object", lambda: made(multifit.FdfSolver, "lmsder", 40, 3)),
        ("NonlinearSolver object", lambda: made(multifit.NonlinearSolver, 40, 3)),
        ("LargeSolver object", lambda: made(multifit.LargeSolver, 40, 3)),
        ("FdfSolver not set object", lambda: multifit.FdfSolver(40, 3)),
        ("private Program object", lambda: lowered.program()),
        *private(),
    ]
