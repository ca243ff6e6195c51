"""gslfit's library of models in lmfit 1.3's manners, a class for each of its names."""
from typing import Any

from gslfit import models as _models
from gslfit.compat.lmfit.model import OURS, CompositeModel, Manners, Model
from gslfit.models.library import CLASSES

for _name, _base in CLASSES.items():
    OURS[_name] = globals()[_name] = type(_name, (Manners, _base), {"__doc__": _base.__doc__, "__module__": __name__})

ParabolicModel = OURS["QuadraticModel"]
lmfit_models = {title: OURS[name] for title, name in _models.LMFIT_NAMES.items()}
"""lmfit's models by its titles."""

__all__ = ["CompositeModel", "Model", "ParabolicModel", "lmfit_models", "update_param_vals", *CLASSES]


def update_param_vals(pars: Any, prefix: str, **kwargs: Any) -> Any:
    """Set values of parameters by their names without prefix, where there are such parameters; return the parameters."""
    for name, value in kwargs.items():
        if prefix + name in pars:
            pars[prefix + name].value = value
    return pars


def __getattr__(name: str) -> Any:
    if name in OURS:
        return OURS[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
