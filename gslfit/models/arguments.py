"""Values that a model is called with: what a keyword means for a parameter, and parameters with other values over them."""
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gslfit.errors import InputTypeError
from gslfit.parameters.collection import Parameters
from gslfit.parameters.parameter import Parameter

HINTS = ("value", "vary", "min", "max", "expr")


def inputs_of(name: str, given: Any) -> dict[str, Any]:
    """Return a value given to make_params as inputs of a Parameter."""
    if given is None:
        return {}
    if isinstance(given, Parameter):
        return {key: getattr(given, key) for key in HINTS}
    if not isinstance(given, dict):
        return {"value": given.real if isinstance(given, complex) else given}
    if not ("value" in given or "expr" in given):
        raise InputTypeError(f"{name}={given!r} has neither a value nor an expression")
    return dict(given)


def number(value: Any) -> Any:
    """Return a parameter's value, or a number as it is."""
    return value.value if isinstance(value, Parameter) else value


def plain(value: Any) -> Any:
    """Return lists and labelled arrays as arrays; anything else as it is."""
    if isinstance(value, (list, tuple)) or hasattr(value, "__array__"):
        array = np.asarray(value)
        return array.astype(float) if array.dtype.kind in "bui" else array
    return value


def as_mapping(params: Any) -> Mapping[str, Any]:
    """Return Parameters as they are, empty for None; InputTypeError for what holds none."""
    if params is not None and not isinstance(params, Mapping):
        raise InputTypeError(f"params must be Parameters or a dict, not {type(params).__name__}; start values go in by name, a=...")
    return {} if params is None else params


def with_values(params: Any, values: Mapping[str, Any], model: Any) -> Mapping[str, Any]:
    """Return Parameters by full name, with the values given over them; expressions follow."""
    known = as_mapping(params)
    if not values:
        return known
    own: dict[str, Any] = {}
    for part in model.components:
        for root in part._definition.names:
            full = part._prefix + root
            if full in values:
                own[full] = values[full]
            elif root in values and len(model.components) == 1:
                own[full] = values[root]
    own |= {name: values[name] for name in known if name in values}
    if not own:
        return known
    if isinstance(known, Parameters) and any(par.expr is not None for par in known.values()) and not any(map(np.ndim, own.values())):
        changed = known.copy()
        for name, value in own.items():
            if name in changed:
                changed[name].value = number(value)
        return {**{name: par.value for name, par in changed.items()}, **{name: number(value) for name, value in own.items()}}
    return {**{name: number(par) for name, par in known.items()}, **{name: number(value) for name, value in own.items()}}
