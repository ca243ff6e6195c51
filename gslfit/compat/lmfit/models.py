"""gslfit's library of models with lmfit 1.3's conventions, a class for each of its names."""
from typing import Any

from gslfit import models as _models
from gslfit.compat.lmfit import lineshapes
from gslfit.compat.lmfit.guesses import guess_from_peak, guess_from_peak2d, guess_thermal
from gslfit.compat.lmfit.interpreted import ExpressionModel
from gslfit.compat.lmfit.lineshapes import tiny
from gslfit.compat.lmfit.model import LMFIT_CLASSES, CompositeModel, LmfitConventions, Model
from gslfit.models.library.classes import CLASSES

for _name, _base in CLASSES.items():
    if _name != "ExpressionModel":
        LMFIT_CLASSES[_name] = globals()[_name] = type(_name, (LmfitConventions, _base), {"__doc__": _base.__doc__, "__module__": __name__})

LMFIT_CLASSES["ExpressionModel"] = ExpressionModel
globals().update({name: getattr(lineshapes, name) for name in lineshapes.functions})    # lmfit's module has them too
ParabolicModel = LMFIT_CLASSES["QuadraticModel"]
lmfit_models = {title: LMFIT_CLASSES[name] for title, name in _models.LMFIT_NAMES.items()}
"""lmfit's models by its titles."""

__all__ = ["CompositeModel", "DimensionalError", "Model", "ParabolicModel", "fwhm_expr", "guess_from_peak", "guess_from_peak2d",
           "guess_thermal", "height_expr", "lmfit_models", "tiny", "update_param_vals", *CLASSES, *lineshapes.functions]


class DimensionalError(Exception):
    """What lmfit raises where a model must have one independent variable."""


def update_param_vals(pars: Any, prefix: str, **kwargs: Any) -> Any:
    """Set values of parameters by their names without prefix, where there are such parameters; return the parameters."""
    for name, value in kwargs.items():
        if prefix + name in pars:
            pars[prefix + name].value = value
    return pars


def fwhm_expr(model: Any) -> str:
    """Return the expression of a peak's full width at half maximum by its parameters, prefix included."""
    return _derived(model, "fwhm")


def height_expr(model: Any) -> str:
    """Return the expression of a peak's height by its parameters, prefix included."""
    return _derived(model, "height")


def _derived(model: Any, name: str) -> str:
    """Return the expression of a derived parameter, or raise AttributeError."""
    text = getattr(getattr(model, "entry", None), "derived", {}).get(name)
    if text is None:
        raise AttributeError(f"{model!r} has no derived parameter {name!r}")
    return model._expr(text)


def __getattr__(name: str) -> Any:
    if name in LMFIT_CLASSES:
        return LMFIT_CLASSES[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
