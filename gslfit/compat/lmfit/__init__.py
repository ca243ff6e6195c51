"""lmfit 1.3's public names and conventions on gslfit's solvers: ``from gslfit.compat import lmfit``.

It adapts and doesn't fit: least squares are GSL's by way of `gslfit.minimize`, models are gslfit's, scalar methods are SciPy's.
"""
from gslfit.compat.lmfit import confidence, lineshapes, minimizer, model, models, parameter, printfuncs
from gslfit.compat.lmfit.confidence import conf_interval, conf_interval2d
from gslfit.compat.lmfit.minimizer import Minimizer, MinimizerException, minimize
from gslfit.compat.lmfit.model import CompositeModel, Model
from gslfit.compat.lmfit.parameter import Parameter, Parameters, create_params
from gslfit.compat.lmfit.printfuncs import ci_report, fit_report, report_ci, report_fit

__all__ = ["CompositeModel", "Minimizer", "MinimizerException", "Model", "Parameter", "Parameters", "ci_report", "conf_interval",
           "conf_interval2d", "confidence", "create_params", "fit_report", "lineshapes", "minimize", "minimizer", "model", "models",
           "parameter", "printfuncs", "report_ci", "report_fit"]

__version__ = "1.3.4"


def __getattr__(name: str) -> object:
    if name == "Interpreter":
        from asteval import Interpreter
        return Interpreter
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
