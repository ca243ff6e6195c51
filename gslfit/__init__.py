"""Nonlinear least squares for Python on the GNU Scientific Library.

Names are imported on first use, so that ``import gslfit`` stays about as quick as ``import numpy``.
"""
from importlib import import_module
from typing import Any

__version__ = "0.1.0"

# public name -> the module that has it; a name that is its own module maps to itself
_HOME: dict[str, str] = {
    "conf_interval": "confidence",
    "confidence": "confidence",
    "conf_interval2d": "region",
    "f_compare": "profiler",
    "report_errors": "report",
    "report_ci": "report",
    "fit_report": "report",
    "ci_report": "report",
    "report_fit": "report",
    "printfuncs": "printfuncs",
    "BatchResult": "batchresult",
    "FitStatus": "batchresult",
    "Formula": "formula",
    "curve_fit": "curvefit",
    "fit": "fitting",
    "fit_batch": "batch",
    "Model": "models",
    "CompositeModel": "models",
    "ModelResult": "models",
    "models": "models",
    "load_model": "models",
    "save_model": "models",
    "load_modelresult": "models",
    "save_modelresult": "models",
    "Parameter": "parameter",
    "Parameters": "parameters",
    "FitError": "errors",
    "FitWarning": "errors",
    "errors": "errors",
    "get_include": "pointers",
    "multifit": "multifit",
    "Minimizer": "minimizer",
    "minimize": "minimizer",
}

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
