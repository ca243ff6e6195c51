"""Weighted residuals: their sign, what multiplies them, and how many degrees of freedom they leave.

The C core, `fit`, `fit_batch` and `curve_fit` give model - data; `Model.fit`, as lmfit, data - model.
"""
from __future__ import annotations

from typing import Any

import numpy as np

from gslfit.errors import InputTypeError

MODEL_MINUS_DATA, DATA_MINUS_MODEL = 1, -1
ALIKE = 1e-15            # data that differ by this share of their size are all the same


def residual(values: Any, data: Any, factors: Any = None, sign: int = MODEL_MINUS_DATA, by_parts: bool = True) -> Any:
    """Return weighted residuals.

    Parameters
    ----------
    values, data : ndarray
        Of the model, and what it is fitted to.
    factors : array_like, optional
        What multiplies the differences. Of complex differences the real part multiplies the real part, and the imaginary part (or, of
        real factors, the same) the imaginary part.
    sign : int
        `MODEL_MINUS_DATA` or `DATA_MINUS_MODEL`.
    by_parts : bool
        Whether complex factors do so; else these are products of complex numbers.

    Returns
    -------
    ndarray

    Raises
    ------
    InputTypeError
        If factors are complex, and differences are not.
    """
    difference = values - data if sign == MODEL_MINUS_DATA else data - values
    if factors is None:
        return difference
    if difference.dtype.kind != "c" and np.iscomplexobj(factors):
        raise InputTypeError("weights are complex, and data and model are real: real weights are needed, weights.real or abs(weights)")
    return weighted(difference, factors) if by_parts else difference*factors


def weighted(difference: Any, factors: Any) -> Any:
    """Multiply differences, real ones or complex ones part by part."""
    if difference.dtype.kind != "c":
        return difference*factors
    imaginary = factors.imag if np.iscomplexobj(factors) else factors
    return difference.real*np.real(factors) + 1j*(difference.imag*imaginary)


def in_sign(model_minus_data: np.ndarray, sign: int) -> np.ndarray:
    """Return the C core's residuals, or their derivatives, in the sign of an entry; the array itself where that is the C core's."""
    return model_minus_data if sign == MODEL_MINUS_DATA else -model_minus_data


def r_squared(data: np.ndarray, values: np.ndarray) -> float:
    """Return 1 - the sum of squares of data - values by that of data - their mean; of complex numbers the squares of both parts.

    Sums are of numbers in units of the data's size, so that their squares are in range. Data that are all the same count as ones that
    differ by 1e-15 of their size.

    Parameters
    ----------
    data, values : ndarray, shape (n,)

    Examples
    --------
    >>> round(r_squared(1e200*np.array([1.0, 2.0, 4.0]), 1e200*np.array([1.5, 2.0, 3.5])), 6)
    0.892857
    """
    pairs = any(each.dtype.kind == "c" for each in (data, values))
    parts = [np.array([each.real, each.imag] if pairs else [each], float) for each in (data, values)]
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        unit = -int(np.frexp(np.max(np.abs(parts[0]), initial=0.0))[1])
        own, fitted = (np.ldexp(each, unit) for each in parts)
        return float(1.0 - ((own - fitted)**2).sum()/max(ALIKE*ALIKE, ((own - own.mean(axis=-1, keepdims=True))**2).sum()))


def degrees_of_freedom(ndata: Any, nvarys: int) -> Any:
    """Return how many more points there are than varying parameters; of one fit or of many."""
    return ndata - nvarys


def too_few_in_words(ndata: int, nvarys: int, left: str = "") -> str:
    """Return what is wrong with fewer points than varying parameters; `left` says which points these are."""
    return f"{ndata} points{left} can't determine {nvarys} parameters"
