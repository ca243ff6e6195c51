"""What SciPy's `curve_fit` and the solvers behind it take as options: each is checked as SciPy checks it.

Options that only steer SciPy's way to the minimum are taken and left aside, once they are such as SciPy would take.
"""
from __future__ import annotations

from collections.abc import Callable, Mapping
from math import inf, isfinite
from typing import Any

import numpy as np

from gslfit.checks import choice, positive, real, shown, truth, whole
from gslfit.data.numbers import floats
from gslfit.errors import InputError, InputTypeError
from gslfit.minimizer.options import CURVE_FIT, SYNONYMS, named
from gslfit.objective.residual import too_few_in_words

UNBOUNDED = -np.inf, np.inf


def check_words(method: Any, jac: Any, bounds: Any, loss: str) -> None:
    """Raise an error for a method or a name of differences that SciPy doesn't have, or a method that knows no bounds or no loss."""
    if method is not None:
        choice("method", method, ("lm", "trf", "dogbox"))
    if method == "lm" and bounds is not UNBOUNDED and any(np.isfinite(limit).any() for limit in pair(bounds)):
        raise InputError("method='lm' only works for unconstrained problems: leave it out, or use 'trf' or 'dogbox'")
    if method == "lm" and loss != "linear":
        raise InputError("method='lm' supports only 'linear' loss function: leave it out, or use 'trf' or 'dogbox'")
    if isinstance(jac, str):
        choice("jac", jac, ("2-point", "3-point", "cs"))
    elif jac is not None and not callable(jac):
        raise InputTypeError(f"jac={shown(jac)} is neither a function nor one of '2-point', '3-point', 'cs'")


def check_policy(nan_policy: Any) -> None:
    """Raise InputError for a policy about NaN that SciPy's curve_fit doesn't have."""
    if isinstance(nan_policy, str) and nan_policy == "propagate":
        raise InputError("`nan_policy='propagate'` is not supported by this function: it must be 'raise' or 'omit'")
    if nan_policy is not None and (not isinstance(nan_policy, str) or nan_policy not in ("raise", "omit")):
        raise InputError(f"nan_policy must be one of {{None, 'raise', 'omit'}}, not {shown(nan_policy)}")


def pair(bounds: Any) -> Any:
    """Return lowest and highest values, of SciPy's Bounds too."""
    return (bounds.lb, bounds.ub) if hasattr(bounds, "lb") else bounds


def _scale(name: str, value: Any) -> np.ndarray:
    """Return positive numbers, one or several."""
    found = floats(name, value)
    if found.ndim > 1 or not ((found > 0) & np.isfinite(found)).all():
        raise InputError(f"{name} must hold positive numbers, not {shown(value)}")
    return found


def _x_scale(name: str, value: Any) -> None:
    if isinstance(value, str):
        choice(name, value, ("jac",))
    elif value is not None:
        _scale(name, value)


CHECKS: dict[str, Callable[[str, Any], Any]] = {
    "epsfcn": lambda name, value: None if value is None else real(name, value),
    "factor": positive,
    "diag": lambda name, value: None if value is None else _scale(name, value),
    "col_deriv": truth,
    "x_scale": _x_scale,
    "diff_step": lambda name, value: None if value is None else floats(name, value),
    "tr_solver": lambda name, value: None if value is None else choice(name, value, ("exact", "lsmr")),
    "tr_options": lambda name, value: None if isinstance(value, Mapping) or value is None else _no(name, value, "a dict"),
    "jac_sparsity": lambda name, value: None,
    "verbose": lambda name, value: None if whole(name, value, 0) <= 2 else _no(name, value, "0, 1 or 2"),
}
"""SciPy's options that change the way and not the minimum, and what raises an error for a value that SciPy refuses."""


def _no(name: str, value: Any, needed: str) -> None:
    raise InputError(f"{name} is {shown(value)}: it must be {needed}")


def fit_options(kwargs: dict[str, Any]) -> dict[str, Any]:
    """Return SciPy's options by gslfit's names.

    Raises
    ------
    InputTypeError
        If there is no such option.
    InputError
        If an option can't have that value.
    """
    told = {}
    for name, value in kwargs.items():
        own = SYNONYMS.get(name, name)
        if own in CURVE_FIT.takes:
            endless = value is None or (name == "maxfev" and not truth(name, value))    # SciPy's 0 evaluations are as many as it likes
            told[name] = None if endless else CURVE_FIT.checked({name: value})[own]
        elif name == "args":
            raise InputError("'args' is not a supported keyword argument: bind what f needs beyond parameters by functools.partial")
        elif name not in CHECKS:
            raise InputTypeError(f"curve_fit has no option {name!r}")
        else:
            CHECKS[name](name, value)
    return {name: value for name, value in named(told).items() if value is not None}


def check_sizes(kwargs: dict[str, Any], p: int) -> None:
    """Raise InputError for scales of parameters that are neither one number nor as many as there are parameters."""
    for name in ("x_scale", "diag"):
        value = kwargs.get(name)
        if value is not None and not isinstance(value, str) and np.shape(value) not in ((), (p,)):
            raise InputError(f"{name} has the shape {np.shape(value)}, and the function {p} parameters")


def limits(bounds: Any, p: int) -> tuple[np.ndarray, np.ndarray]:
    """Return lowest and highest values, each (p)."""
    if bounds is UNBOUNDED:
        return np.full(p, -inf), np.full(p, inf)
    try:
        low, high = (np.broadcast_to(floats("bounds", limit), (p,)) for limit in pair(bounds))
    except (TypeError, ValueError):
        raise InputError(f"bounds must be two of {p} numbers each: (lowest, highest)") from None
    if np.any(low >= high):
        raise InputError(f"each lower bound must be strictly less than each upper bound: {low.tolist()} and {high.tolist()}")
    return low, high


def start_values(p0: Any, low: np.ndarray, high: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
    """Return the start values: those given, or SciPy's."""
    if p0 is not None:
        start = np.ravel(floats("p0", p0))
        if start.shape != (len(names),):
            raise InputTypeError(f"p0 has {start.size} values, and the function {len(names)} parameters: {', '.join(names)}")
        outside = np.flatnonzero((start < low) | (start > high))
        if outside.size:
            raise InputError(f"Initial guess is outside of provided bounds: p0 has {names[outside[0]]} = {float(start[outside[0]])!r}")
        return start
    return np.array([_default(least, most) for least, most in zip(low.tolist(), high.tolist(), strict=True)])


def _default(low: float, high: float) -> float:
    """Return SciPy's start of a parameter between two bounds."""
    if isfinite(low):
        return .5 * (low + high) if isfinite(high) else low + 1
    return high - 1 if isfinite(high) else 1.0


def check_number_of_points(names: tuple[str, ...], n: int) -> None:
    """Raise an error for a function without parameters, or one that has more of them than there are points."""
    if not names:
        raise InputError("unable to determine the number of fit parameters: f has no argument beside its first one")
    if len(names) > n:
        raise InputTypeError(f"The number of func parameters={len(names)} must not exceed the number of data points={n}: "
                             f"{too_few_in_words(n, len(names))}")
