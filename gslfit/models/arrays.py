"""Data as people have them -- lists, masked arrays, pandas Series, xarray DataArrays -- brought to arrays of one length."""
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gslfit.errors import InputError, InputTypeError, NonFiniteError


def is_series(value: Any) -> bool:
    """Whether a value is a pandas Series, pandas not being imported for the question."""
    return type(value).__name__ == "Series" and hasattr(value, "reindex_like")


def as_numbers(name: str, value: Any) -> Any:
    """A value as an array of float64 or complex128; what is no array of numbers stays as it is."""
    if type(value) is np.ndarray and value.dtype == np.float64:
        return value
    if not (isinstance(value, (list, tuple)) or hasattr(value, "__array__")):
        return value
    array = np.ma.getdata(value) if isinstance(value, np.ma.MaskedArray) else np.asarray(value)
    if array.dtype.kind == "c":
        return array.astype(np.complex128)
    try:
        return array.astype(np.float64)
    except (TypeError, ValueError):
        raise InputTypeError(f"{name} is an array of {array.dtype}, and numbers are needed") from None


def prepared(data: Any, weights: Any, yerr: Any, variables: Mapping[str, Any], policy: str,
             coerce: bool) -> tuple[Any, Any, dict[str, Any]]:
    """Return data, weights and independent variables, without the points that are masked or left out.

    Parameters
    ----------
    data, weights, yerr : array_like
    variables : mapping of str to array_like
    policy : {"raise", "omit", "propagate"}
    coerce : bool
        Make arrays of float64 or complex128.

    Raises
    ------
    InputError
        If lengths differ, or a standard deviation is not above 0.
    NonFiniteError
        If data are not finite and `policy` is "raise"; names the array and the first index.
    """
    if yerr is not None:
        if weights is not None:
            raise InputError("yerr and weights are both given: weights are 1/yerr, give one of them")
        weights = _inverse(yerr)
    variables = dict(variables)
    if is_series(data):
        variables = {name: value.reindex_like(data) if is_series(value) else value for name, value in variables.items()}
        weights = weights.reindex_like(data) if is_series(weights) else weights
    arrays = {"data": data, **({} if weights is None else {"weights": weights}), **variables}
    keep = _unmasked(arrays)
    if coerce:
        arrays = {name: as_numbers(name, value) for name, value in arrays.items()}
    shape = np.shape(arrays["data"])
    if weights is not None and np.ndim(arrays["weights"]) and np.shape(arrays["weights"]) != shape:
        raise InputError(f"{'weights' if yerr is None else 'yerr'} has the shape {np.shape(weights)}, and data {shape}")
    good = _finite(arrays, shape, policy, keep)
    if good is not None:
        keep = good if keep is None else keep & good
    if keep is not None:
        arrays = {name: value[keep] if np.shape(value) == shape else value for name, value in arrays.items()}
    return arrays["data"], arrays.get("weights"), {name: arrays[name] for name in variables}


def _inverse(yerr: Any) -> Any:
    """Weights for standard deviations."""
    errors = np.asarray(yerr, float)
    bad = ~(errors > 0) & ~np.isnan(errors)
    if bad.any():
        place = np.argwhere(bad)[0].tolist()
        raise InputError(f"yerr{place or ''} is {errors[tuple(place)]}: standard deviations are to be above 0")
    return 1.0/yerr if is_series(yerr) or isinstance(yerr, np.ma.MaskedArray) else 1.0/errors


def _unmasked(arrays: Mapping[str, Any]) -> np.ndarray | None:
    """Which points no array masks, None where nothing is masked."""
    keep = None
    for value in arrays.values():
        if isinstance(value, np.ma.MaskedArray) and np.shape(value) == np.shape(arrays["data"]) and np.ma.getmaskarray(value).any():
            own = ~np.ma.getmaskarray(value)
            keep = own if keep is None else keep & own
    return keep


def _finite(arrays: Mapping[str, Any], shape: tuple[int, ...], policy: str, unmasked: np.ndarray | None) -> np.ndarray | None:
    """Which points are finite in every array of the data's shape; None for all of them."""
    if policy == "propagate":
        return None
    keep = None
    for name, value in arrays.items():
        if not isinstance(value, np.ndarray) or value.dtype.kind not in "fc" or value.shape != shape:
            continue
        good = np.isfinite(value)
        if good.all():
            continue
        bad = ~good if unmasked is None else ~good & unmasked
        if policy == "raise" and bad.any():
            place = np.argwhere(bad)[0].tolist()
            raise NonFiniteError(f"{name}{place} is {value[tuple(place)]}, and {int(np.sum(bad))} of {bad.size} points are not finite: "
                                 "nan_policy='omit' leaves them out")
        keep = good if keep is None else keep & good
    return keep
