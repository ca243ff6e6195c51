"""Nonlinear least squares for Python on the GNU Scientific Library.

Names are imported on first use, so that ``import gslfit`` stays about as quick as ``import numpy``.
"""
from importlib import import_module
from typing import TYPE_CHECKING, Any

from gslfit import _old_paths  # noqa: F401  (modules by the paths that they had before)

__version__ = "0.1.0"

# public name -> the module that has it; a name that is its own module maps to itself
_HOME: dict[str, str] = {
    "conf_interval": "confidence.interval",
    "ConfidenceIntervals": "confidence.interval",
    "BatchIntervals": "confidence.batch_intervals",
    "confidence_contours": "confidence.contours",
    "LimitStatus": "confidence.limit_status",
    "confidence": "confidence",
    "conf_interval2d": "confidence.region",
    "f_compare": "confidence.ftest",
    "compare": "confidence.comparison",
    "bootstrap": "resampling.bootstrap",
    "BootstrapResult": "resampling.bootstrap",
    "jackknife": "resampling.jackknife",
    "JackknifeResult": "resampling.jackknife",
    "influence": "resampling.influence",
    "Influence": "resampling.influence",
    "Comparison": "confidence.comparison",
    "report_errors": "report.text",
    "report_ci": "report.text",
    "fit_report": "report.text",
    "ci_report": "report.text",
    "report_fit": "report.text",
    "printfuncs": "printfuncs",
    "BatchResult": "curves.batch_result",
    "FitStatus": "errors",
    "Formula": "formula.formula",
    "curve_fit": "curves.curve_fit",
    "fit": "curves.fit",
    "FitResult": "minimizer.result",
    "fit_batch": "curves.fit_batch",
    "fit_shared": "shared.fit_shared",
    "SharedResult": "shared.result",
    "fit_groups": "integrations.frames",
    "Model": "models",
    "CompositeModel": "models",
    "ModelResult": "models",
    "models": "models",
    "load_model": "models",
    "save_model": "models",
    "load_modelresult": "models",
    "save_modelresult": "models",
    "Parameter": "parameters.parameter",
    "Parameters": "parameters.collection",
    "FitError": "errors",
    "FitWarning": "errors",
    "errors": "errors",
    "get_include": "solvers.pointers",
    "multifit": "multifit",
    "Minimizer": "minimizer.minimizer",
    "minimize": "minimizer.minimizer",
}

if TYPE_CHECKING:  # the same names for type checkers and editors, which see no lazy import
    from gslfit import confidence as confidence
    from gslfit import errors as errors
    from gslfit import models as models
    from gslfit import multifit as multifit
    from gslfit import printfuncs as printfuncs
    from gslfit.confidence.batch_intervals import BatchIntervals as BatchIntervals
    from gslfit.confidence.comparison import Comparison as Comparison
    from gslfit.confidence.comparison import compare as compare
    from gslfit.confidence.contours import confidence_contours as confidence_contours
    from gslfit.confidence.ftest import f_compare as f_compare
    from gslfit.confidence.interval import ConfidenceIntervals as ConfidenceIntervals
    from gslfit.confidence.interval import conf_interval as conf_interval
    from gslfit.confidence.limit_status import LimitStatus as LimitStatus
    from gslfit.confidence.region import conf_interval2d as conf_interval2d
    from gslfit.curves.batch_result import BatchResult as BatchResult
    from gslfit.curves.curve_fit import curve_fit as curve_fit
    from gslfit.curves.fit import fit as fit
    from gslfit.curves.fit_batch import fit_batch as fit_batch
    from gslfit.errors import FitError as FitError
    from gslfit.errors import FitStatus as FitStatus
    from gslfit.errors import FitWarning as FitWarning
    from gslfit.formula.formula import Formula as Formula
    from gslfit.integrations.frames import fit_groups as fit_groups
    from gslfit.minimizer.minimizer import Minimizer as Minimizer
    from gslfit.minimizer.minimizer import minimize as minimize
    from gslfit.minimizer.result import FitResult as FitResult
    from gslfit.models import CompositeModel as CompositeModel
    from gslfit.models import Model as Model
    from gslfit.models import ModelResult as ModelResult
    from gslfit.models import load_model as load_model
    from gslfit.models import load_modelresult as load_modelresult
    from gslfit.models import save_model as save_model
    from gslfit.models import save_modelresult as save_modelresult
    from gslfit.parameters.collection import Parameters as Parameters
    from gslfit.parameters.parameter import Parameter as Parameter
    from gslfit.report.text import ci_report as ci_report
    from gslfit.report.text import fit_report as fit_report
    from gslfit.report.text import report_ci as report_ci
    from gslfit.report.text import report_errors as report_errors
    from gslfit.report.text import report_fit as report_fit
    from gslfit.resampling.bootstrap import BootstrapResult as BootstrapResult
    from gslfit.resampling.bootstrap import bootstrap as bootstrap
    from gslfit.resampling.influence import Influence as Influence
    from gslfit.resampling.influence import influence as influence
    from gslfit.resampling.jackknife import JackknifeResult as JackknifeResult
    from gslfit.resampling.jackknife import jackknife as jackknife
    from gslfit.shared.fit_shared import fit_shared as fit_shared
    from gslfit.shared.result import SharedResult as SharedResult
    from gslfit.solvers.pointers import get_include as get_include

__all__ = ["__version__", *_HOME]


def __getattr__(name: str) -> Any:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module 'gslfit' has no attribute {name!r}")
    module = import_module(f"gslfit.{home}")
    value = module if name == home else getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
