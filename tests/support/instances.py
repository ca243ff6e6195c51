"""An instance of every public class, and what can be said of one: what pickles are compared by.

`public_classes` finds the classes, and `instances_of` makes some of each. A class of which neither its base nor `MADE` says how one is
made is an error, so that a new one isn't forgotten.
"""
import enum
import importlib
import inspect
import pickle
import warnings

import numpy as np

import gslfit
from gslfit import models, multifit, nist
from gslfit.compat import lmfit

MODULES = ("gslfit", "gslfit.models", "gslfit.multifit", "gslfit.errors", "gslfit.nist", "gslfit.confidence",
           "gslfit.compat.lmfit", "gslfit.compat.lmfit.models", "gslfit.compat.lmfit.minimizer", "gslfit.compat.lmfit.model")
X = np.linspace(0.2, 8, 40)
Y = 3*np.exp(-X/2.2) + .4 + .05*np.cos(11*X)
ROWS = np.array([Y, Y*1.1, np.where(X > 7, np.nan, Y)])
TEXT = "a*exp(-x/tau) + c"
START = {"a": 2.0, "tau": 1.5, "c": 0.1}
DEPTH = 3               # how far attributes of attributes are followed


def public_classes():
    """Return the classes that public modules show, by their full names."""
    found = {}
    for name in MODULES:
        module = importlib.import_module(name)
        shown = getattr(module, "__all__", None) or [each for each in dir(module) if not each.startswith("_")]
        for cls in (getattr(module, each) for each in shown):
            if inspect.isclass(cls) and cls.__module__.startswith("gslfit"):
                found[f"{cls.__module__}.{cls.__qualname__}"] = cls
    return dict(sorted(found.items()))


def decay(x, a, tau, c):
    """Return a decay."""
    return a*np.exp(-x/tau) + c


def called(x, a, tau, c):
    """Return a decay by a function that can't be compiled."""
    return decay(x, a, tau, c) if float(a) == a else x


def residual(params):
    """Return a decay less its data."""
    return decay(X, *(params[name].value for name in START)) - Y


def lean(v):
    """Return the same of plain numbers."""
    return decay(X, *v) - Y


def parameters(kind=gslfit.Parameters, held=False):
    """Return Parameters with bounds and an expression."""
    params = kind()
    params.add("a", 2.0, min=0)
    params.add("tau", 1.5, min=.01, max=50)
    params.add("c", .1)
    params.add("rate", expr="1/tau")
    if held:
        params.add("held", 3.5, vary=False)
    return params


def double(value):
    """Return twice a value."""
    return 2*value


def interpreted():
    """Return a fitted Minimizer with an expression that only asteval understands, of a function that its table was given."""
    fitter = gslfit.Minimizer(residual, parameters())
    fitter.asteval.symtable["double"] = double
    fitter.params.add("twice", expr="sum([double(each) for each in (tau, 0.)])")
    fitter.leastsq()
    return fitter


def composite(space):
    """Return a fit of a composite model of gslfit's or of compat's."""
    y = 4*np.exp(-(X - 3)**2/.8) + .2*X + 1 + .03*np.sin(9*X)
    model = space.GaussianModel(prefix="p_") + space.LinearModel()
    return model.fit(y, x=X, p_amplitude=5, p_center=2.8, p_sigma=.7, slope=.1, intercept=1)


def batches():
    """Return batches of all kinds, one row of which is spoilt."""
    found = [gslfit.fit_batch(TEXT, ROWS, x=X, covar=True, **more, **START) for more in ({}, {"keep_data": False}, {"loss": "soft_l1"})]
    return [*found, gslfit.fit_batch(called, ROWS[:1], x=X, **START), models.ExponentialModel().fit_batch(ROWS[:2], x=X), found[0][1]]


def solver():
    """Return one of GSL's solvers and the function that it works on."""
    function = multifit.Function_fdf.from_callables(lean, None, X.size, 3)
    made = multifit.FdfSolver("lmsder", X.size, 3)
    made.set(function, list(START.values()))
    return made, function


MADE = {
    gslfit.Parameter: lambda: [gslfit.Parameter("a", 2.0, min=0, max=3), parameters()["rate"]],
    lmfit.Parameter: lambda: [lmfit.Parameter("a", 2.0, min=0, max=3), parameters(lmfit.Parameters)["rate"]],
    gslfit.Parameters: lambda: [parameters(held=True), gslfit.Parameters()],
    lmfit.Parameters: lambda: [parameters(lmfit.Parameters, held=True), lmfit.Parameters()],
    gslfit.Formula: lambda: [gslfit.Formula(TEXT), gslfit.Formula(decay), gslfit.Formula(called), gslfit.Formula("p*exp(-t/q)", "t")],
    gslfit.Minimizer: lambda: [gslfit.minimize(residual, parameters()), gslfit.Minimizer(residual, parameters()), interpreted()],
    lmfit.Minimizer: lambda: [lmfit.Minimizer(residual, parameters(lmfit.Parameters))],
    lmfit.minimizer.Candidate: lambda: [lmfit.minimizer.Candidate(parameters(lmfit.Parameters), 1.5)],
    lmfit.minimizer.MinimizerResult: lambda: [lmfit.minimize(residual, parameters(lmfit.Parameters))],
    gslfit.FitResult: lambda: [gslfit.fit(TEXT, Y, x=X, **START), gslfit.fit(decay, Y, parameters(), x=X),
                               gslfit.fit(called, Y, x=X, **START), gslfit.fit(TEXT, Y, x=X, loss="huber", **START),
                               gslfit.fit(TEXT, Y, x=X, response=[1.0, 0.5], **START)],
    gslfit.BatchResult: batches,
    gslfit.SharedResult: lambda: [gslfit.fit_shared(TEXT, ROWS, x=X, shared="tau", **START),
                                  gslfit.fit_shared([decay, TEXT], [ROWS[0], ROWS[1][:-3]], x=[X, X[:-3]], shared="tau", **START)],
    gslfit.Model: lambda: [gslfit.Model(decay), gslfit.Model(called), gslfit.Model(TEXT)],
    lmfit.Model: lambda: [lmfit.Model(decay), lmfit.Model(called)],
    gslfit.CompositeModel: lambda: [composite(models).model],
    lmfit.CompositeModel: lambda: [composite(lmfit.models).model],
    gslfit.ModelResult: lambda: [composite(models), gslfit.Model(decay).fit(Y, x=X, **START), gslfit.Model(called).fit(Y, x=X, **START)],
    lmfit.model.ModelResult: lambda: [composite(lmfit.models)],
    gslfit.Comparison: lambda: [gslfit.compare(gslfit.fit(TEXT, Y, x=X, **START), gslfit.fit("a*exp(-x/tau)", Y, x=X, a=2., tau=1.5))],
    gslfit.BatchIntervals: lambda: [gslfit.fit_batch(TEXT, ROWS, x=X, **START).conf_interval(["tau"], [.68, .95])],
    gslfit.BootstrapResult: lambda: [gslfit.fit(TEXT, Y, x=X, **START).bootstrap(20, seed=1), gslfit.Model(decay).fit(
        Y, x=X, **START).bootstrap(20, "pairs", seed=2)],
    gslfit.JackknifeResult: lambda: [gslfit.fit(TEXT, Y, x=X, **START).jackknife()],
    gslfit.Influence: lambda: [gslfit.fit(TEXT, Y, x=X, **START).influence()],
    gslfit.ConfidenceIntervals: lambda: [gslfit.conf_interval(gslfit.minimize(residual, parameters()))],
    multifit.FitResult: lambda: [multifit.fit(X, Y, "exponential")],
    multifit.Function_fdf: lambda: [solver()[1], multifit.Function_fdf(lean, None, 3)],
    type(solver()[0].solve()): lambda: [solver()[0].solve()],
    nist.DataSet: lambda: [nist.read("Misra1a")],
    type(gslfit.errors.STATUSES[1]): lambda: [gslfit.errors.STATUSES[1]],
    models.PolynomialModel: lambda: [models.PolynomialModel(3)],
    lmfit.models.PolynomialModel: lambda: [lmfit.models.PolynomialModel(3)],
    models.ExpressionModel: lambda: [models.ExpressionModel(TEXT)],
    lmfit.models.ExpressionModel: lambda: [lmfit.models.ExpressionModel(TEXT)],
    models.SplineModel: lambda: [models.SplineModel(xknots=np.linspace(0, 8, 5))],
    lmfit.models.SplineModel: lambda: [lmfit.models.SplineModel(xknots=np.linspace(0, 8, 5))],
}

def instances_of(cls):
    """Return instances of a public class."""
    if cls in MADE:
        return MADE[cls]()
    if issubclass(cls, enum.Enum):
        return list(cls)
    if issubclass(cls, BaseException):
        return [error_of(cls)]
    if issubclass(cls, (gslfit.Model, lmfit.Model)):
        return [cls(prefix="m_")]
    raise AssertionError(f"{cls.__module__}.{cls.__qualname__}: say in MADE how one is made")


def error_of(cls):
    """Return an error with all that it carries."""
    error = cls("of a message")
    error.note = "an attribute of its own"
    return error


def described(value, depth=DEPTH):
    """Return what a value says of itself: its type, its public attributes, and theirs, with arrays to the last bit."""
    if value is None or isinstance(value, (bool, int, str, bytes, type)):
        return value
    if isinstance(value, (float, complex)):
        return repr(value)
    if isinstance(value, np.ndarray):
        return (value.dtype.str, value.shape, np.ma.filled(value).tobytes() if value.dtype != object else repr(value.tolist()))
    kind = f"{type(value).__module__}.{type(value).__qualname__}"
    if isinstance(value, dict) and depth:
        return (kind, {str(key): described(each, depth - 1) for key, each in value.items()})
    if isinstance(value, (list, tuple)) and depth:
        return (kind, [described(each, depth - 1) for each in value])
    if not depth or (callable(value) and not hasattr(value, "param_names") and not isinstance(value, gslfit.Formula)):
        return kind
    found = {}
    for name in dir(type(value)) + list(getattr(value, "__dict__", ())):
        if not name.startswith("_"):
            found[name] = attribute(value, name, depth)
    return (kind, str(value) if "0x" not in str(value) else kind, found)


def attribute(value, name, depth):
    """Return what an attribute says of itself; of a method that it is one."""
    try:
        found = getattr(value, name)
    except (gslfit.FitError, AttributeError) as error:
        return f"{type(error).__name__}: {error}"
    return "a method" if inspect.isroutine(found) else described(found, depth - 1)


def seen(pickled):
    """Return what another process says of what it gets, and the pickle of that."""
    objects = pickle.loads(pickled)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {name: [described(each) for each in made] for name, made in objects.items()}, pickle.dumps(objects)


def run(kind):
    """Fit in a process, and return the result; the batch runs in threads."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if kind == "fit":
            return gslfit.fit(TEXT, Y, x=X, **START)
        if kind == "called":
            return gslfit.fit(called, Y, x=X, **START)
        if kind == "model":
            return models.ExponentialModel().fit(Y, x=X)
        if kind == "solver":
            return solver()[0].solve()
        return gslfit.fit_batch(TEXT, np.tile(ROWS, (200, 1)), x=X, threads=2, keep_data=False, **START)
