"""Start values that were found, brought inside the bounds that a model's hints have."""
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gslfit.data.numbers import floats
from gslfit.errors import InputError
from gslfit.parameters.collection import Parameters


def limits(model: Any) -> dict[str, tuple[float, float]]:
    """Return the bounds that a model's hints have."""
    found = {}
    for name, hint in model.param_hints.items():
        low, high = hint.get("min"), hint.get("max")
        if (low is not None and low > -np.inf) or (high is not None and high < np.inf):
            found[name] = (-np.inf if low is None else low, np.inf if high is None else high)
    return found


def nudged(low: float, high: float) -> tuple[float, float]:
    """Return bounds, infinite where there are none, a little inside themselves: on a bound a fit should not begin."""
    return (low + 1e-6*(abs(low) or 1e-6) if low > -np.inf else low), (high - 1e-6*(abs(high) or 1e-6) if high < np.inf else high)


def brought_inside(value: np.ndarray, low: float, high: float) -> np.ndarray:
    """Return values, those on bounds or outside a little inside; what is inside stays: a small unit's values are all near 0."""
    return np.where((value > low) & (value < high), value, np.clip(value, *nudged(low, high)))


def spread(name: str, value: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Return a start value for each curve."""
    array = floats(name, value)
    try:
        return np.broadcast_to(array, shape)
    except ValueError:
        raise InputError(f"the start of {name!r} has the shape {array.shape}, and there are curves of {shape}") from None


def settled(model: Any, found: Mapping[str, np.ndarray], values: Mapping[str, Any], shape: tuple[int, ...]) -> Any:
    """Return what was found, inside the bounds, as Parameters for one curve, else as arrays by full name."""
    inside: dict[str, np.ndarray] = {}
    params: Parameters = model.make_params()
    for name, value in found.items():
        full = model._prefix + name
        if full not in params or params[full].expr is not None:
            continue
        low, high = params[full].min, params[full].max
        value = np.asarray(value, float)
        if low is not None or high is not None:
            low, high = -np.inf if low is None else low, np.inf if high is None else high
            value = brought_inside(value, low, high)
        inside[full] = value
    if shape:
        return {**inside, **{name if name in params else model._prefix + name: spread(name, value, shape)
                             for name, value in values.items()}}
    for full, value in inside.items():
        params[full].value = float(value)
    for name, value in values.items():
        full = name if name in params else model._prefix + name
        if isinstance(value, dict):
            params[full].set(**value)
        else:
            params[full].value = getattr(value, "value", value)
    return params
