"""Weighted residuals: their sign, what multiplies them, and how many degrees of freedom they leave.

The C core, `fit`, `fit_batch` and `curve_fit` give model - data; `Model.fit`, as lmfit, data - model.
"""
from __future__ import annotations

from typing import Any

import numpy as np

MODEL_MINUS_DATA, DATA_MINUS_MODEL = 1, -1


def residual(values: Any, data: Any, factors: Any = None, sign: int = MODEL_MINUS_DATA) -> Any:
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

    Returns
    -------
    ndarray
    """
    difference = values - data if sign == MODEL_MINUS_DATA else data - values
    return difference if factors is None else weighted(difference, factors)


def weighted(difference: Any, factors: Any) -> Any:
    """Multiply differences, real ones or complex ones part by part."""
    if difference.dtype.kind != "c":
        return difference*factors
    imaginary = factors.imag if np.iscomplexobj(factors) else factors
    return difference.real*np.real(factors) + 1j*(difference.imag*imaginary)


def in_sign(model_minus_data: np.ndarray, sign: int) -> np.ndarray:
    """Return the C core's residuals, or their derivatives, in the sign of an entry; the array itself where that is the C core's."""
    return model_minus_data if sign == MODEL_MINUS_DATA else -model_minus_data


def degrees_of_freedom(ndata: Any, nvarys: int) -> Any:
    """Return how many more points there are than varying parameters; of one fit or of many."""
    return ndata - nvarys


def too_few_in_words(ndata: int, nvarys: int, left: str = "") -> str:
    """Return what is wrong with fewer points than varying parameters; `left` says which points these are."""
    return f"{ndata} points{left} can't determine {nvarys} parameters"
