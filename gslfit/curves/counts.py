"""What must be true of data that are counts, and of a model of their means."""
from __future__ import annotations

from typing import Any

import numpy as np

from gslfit.curves.not_finite import check_finite
from gslfit.data.inputs import Inputs
from gslfit.data.points import moved
from gslfit.errors import InputError

FOR_COUNTS = "is for counts, which are not negative; subtract no background, but put it into the model"


def check_counts(name: str, y: np.ndarray, out: np.ndarray | None, first: Any = ()) -> None:
    """Raise InputError where data can't be counts.

    Parameters
    ----------
    name : str
        What the caller calls them.
    y : ndarray, shape (n,) or (..., n)
    out : ndarray of bool, or None
        True where a point takes no part.
    first : tuple of int, or ndarray
        Where the fits are in the batch, as `gslfit.data.points.moved` takes it.
    """
    place = no_count(y, out)
    if place is not None:
        at = [*moved(place[:-1], first), place[-1]]
        where = tuple(at) if len(at) > 1 else at[0]
        raise InputError(f'{name} is {y[place]} at {where}: loss="poisson" {FOR_COUNTS}')


def no_count(y: np.ndarray, out: np.ndarray | None) -> tuple[int, ...] | None:
    """Return where the first number is that is no count, and takes part; None where there is none."""
    if y.dtype.kind in "bu":
        return None
    with np.errstate(invalid="ignore"):
        bad = y < 0
    bad = bad if out is None else bad & ~out
    return tuple(np.argwhere(bad)[0].tolist()) if bad.any() else None


def check_means(values: np.ndarray, y: np.ndarray) -> None:
    """Raise an error where the values of a model at its start can't be means of counts.

    Parameters
    ----------
    values, y : ndarray, shape (n,)
    """
    check_finite("the model", values)
    bad = (values < 0) | ((values == 0) & (y > 0))
    if bad.any():
        raise InputError(f"the model of counts is zero or negative at {bad.sum()} of {bad.size} points at its start values, where counts "
                         "have no likelihood: change the start values, or give parameters bounds")


def check_factors_of(loss: str, given: Inputs) -> None:
    """Raise InputError where counts are given errors."""
    if loss != "poisson":
        return
    known = given.factors if given.ycov is None else given.ycov
    if known is not None:
        raise InputError(f'loss="poisson" takes no {known.name}: the errors of counts follow from the model')
