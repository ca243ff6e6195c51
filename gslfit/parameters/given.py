"""What may stand for the parameters of a fit where a caller hands them in: one answer for every entry."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gslfit.checks import shown
from gslfit.errors import InputError, InputTypeError
from gslfit.parameters.collection import Parameters
from gslfit.parameters.parameter import Parameter, check_name

OF_LMFIT = "gslfit.compat.lmfit.Parameters().loads(params.dumps()) are the same"


def parameters_of(params: Any, remedy: str = "") -> Parameters:
    """Return params, or raise InputTypeError for anything but Parameters.

    Parameters
    ----------
    params : Parameters
    remedy : str
        What the message says of start values that are plain numbers.
    """
    if not isinstance(params, Parameters):
        if _of_lmfit(params):
            raise InputTypeError(f"params is {type(params).__module__}.Parameters, not gslfit.Parameters: {OF_LMFIT}")
        raise InputTypeError(f"params is {type(params).__name__} {shown(params)}, not Parameters{remedy and '; '}{remedy}")
    return params


def _of_lmfit(params: Any) -> bool:
    """Return whether these are lmfit's own Parameters."""
    return type(params).__name__ == "Parameters" and hasattr(params, "dumps")


def as_parameters(params: Any) -> Parameters:
    """Return Parameters as they are, and a dict of Parameter objects as Parameters that share these objects."""
    if isinstance(params, Parameters) or not isinstance(params, Mapping) or _of_lmfit(params):
        return parameters_of(params, "a dict of Parameter objects will do")
    for name, par in params.items():
        if not isinstance(par, Parameter):
            raise InputTypeError(f"params[{name!r}] must be a Parameter, not {type(par).__name__}: Parameter(value={par!r})")
    out = Parameters()
    for name, par in params.items():
        out.adopt(check_name(name), par)        # the objects themselves: the caller reads the results off them
    return out


def some_free(names: Sequence[str]) -> Sequence[str]:
    """Return the names of the parameters that vary, or raise InputError where none does."""
    if not names:
        raise InputError("no parameter varies: set vary=True on at least one that has no expression")
    return names
