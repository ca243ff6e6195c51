"""Which points take part, and what multiplies their residuals.

A mask, a weight of 0 and an infinite standard deviation are the caller's own words: such a point takes no part under any policy, neither
in chi-square nor in the degrees of freedom, whatever number stands there. `nan_policy` speaks of what nobody said: NaN and infinity in
the data, in an independent variable or in the model. A standard deviation that is zero, negative or NaN, and a weight that is infinite or
NaN, are errors under every policy.
"""
from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import zip_longest
from typing import Any

import numpy as np

from gslfit.errors import InputError, InputTypeError, NonFiniteError

LEAST = 5.6e-309        # of standard deviations: the reciprocal of a smaller one is infinite


def factors(yerr: Any, weights: Any) -> tuple[str, Any]:
    """Return which of standard deviations and weights is given, by name, and the one given; ("weights", None) for none."""
    if yerr is not None and weights is not None:
        raise InputError("yerr and weights are both given: weights are 1/yerr, give one of them")
    return ("yerr", yerr) if yerr is not None else ("weights", weights)


def check_factors(name: str, array: np.ndarray, first: Any = ()) -> None:
    """Raise InputError for a standard deviation (any name but "weights") or a weight that can't be one.

    Parameters
    ----------
    name : str
        What the caller calls it.
    array : ndarray
    first : tuple of int, or ndarray
        Where the array is a block of a batch, or rows of it: as `moved` takes it.
    """
    if name == "weights":
        sound = np.isfinite(array)
    else:
        with np.errstate(invalid="ignore"):
            sound = np.asarray(array >= LEAST)
    if np.count_nonzero(sound) == sound.size:
        return
    place = np.argwhere(~sound)[0].tolist()
    value = array[tuple(place)]
    if array.ndim > 1:
        place = moved(place, first)
    where = f"{name}[{', '.join(map(str, place))}]" if place else name
    rule = "weights must be finite" if name == "weights" else "standard deviations must be above 0 (infinite for a point to be left out)"
    if name != "weights" and value > 0:
        rule = f"1/{value:g} is beyond double precision; data and errors in a smaller unit, whose numbers are larger, have the same fit"
    raise InputError(f"{where} is {value}: {rule}")


def moved(place: Sequence[int], first: Any) -> list[int]:
    """Return an index in a block of a batch as one in the batch.

    Parameters
    ----------
    place : sequence of int
    first : tuple of int, or ndarray of int, shape (rows, axes)
        Where the block begins, or where each of its rows is.
    """
    if isinstance(first, np.ndarray):
        return [*map(int, first[place[0]]), *map(int, place[1:])]
    return [int(k) + begin for k, begin in zip_longest(place, first[:len(place)], fillvalue=0)]


def as_mask(mask: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Return the caller's mask as an array of bool, broadcast to the data; true where a point is left out, as numpy.ma has it.

    Raises
    ------
    InputError
        If its shape doesn't broadcast to that of the data.
    InputTypeError
        If it isn't of bool: numbers could be indices, or the opposite of a mask.
    """
    array = mask_of_bool(np.asarray(mask))
    try:
        return np.broadcast_to(array, shape)
    except ValueError:
        remedy = " (a mask of whole fits is mask[..., None])" if array.shape == shape[:-1] else ""
        raise InputError(f"mask has the shape {array.shape}, which doesn't broadcast to that of the data, {shape}{remedy}") from None


def mask_of_bool(array: Any) -> Any:
    """Return an array of bool as it is, or raise InputTypeError."""
    if array.dtype != np.bool_:
        other = "; the start of a parameter called mask goes into start={'mask': ...} or Parameters" if array.ndim == 0 else ""
        raise InputTypeError(f"mask is an array of {array.dtype}, and bool is needed: True where a point is left out{other}")
    return array


def union(shape: tuple[int, ...], masks: Iterable[np.ndarray | None]) -> np.ndarray | None:
    """Return where any of several masks is true, broadcast to a shape; None where there is none."""
    found = None
    for mask in masks:
        if mask is not None:
            wide = np.broadcast_to(mask, shape)
            found = wide if found is None else found | wide
    return found


def without_effect(name: str, array: np.ndarray | None) -> np.ndarray | None:
    """Return where a weight is 0, or a standard deviation (any name but "weights") infinite; None where nowhere."""
    if array is None:
        return None
    out = array == 0 if name == "weights" else np.isinf(array)
    return out if out.any() else None


def finite_points(arrays: Iterable[tuple[str, np.ndarray]], policy: str, out: np.ndarray | None) -> np.ndarray | None:
    """Return which points of one fit take part.

    Parameters
    ----------
    arrays : iterable of (str, ndarray of one shape)
        The data and what is known at each point, with the caller's names.
    policy : {"raise", "omit"}
    out : ndarray of bool, or None
        Points that take no part whatever stands there.

    Returns
    -------
    ndarray of bool, or None
        None for all of them.

    Raises
    ------
    NonFiniteError
        If a number of a point that counts isn't finite and the policy is "raise"; names the array and the index.
    """
    keep = None if out is None else ~out
    for name, array in arrays:
        good = np.isfinite(array)
        if good.all():
            continue
        bad = ~good if out is None else ~good & ~out
        if policy == "raise" and bad.any():
            place = np.argwhere(bad)[0].tolist()
            where = ", ".join(map(str, place))
            raise NonFiniteError(f"{name}[{where}] is {array[tuple(place)]}, and {np.count_nonzero(bad)} of {bad.size} "
                                 "points are not finite: nan_policy='omit' leaves them out")
        keep = good if keep is None else keep & good
    return keep
