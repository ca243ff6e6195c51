"""The points that a guess looks at: those that take part, in order of the data's labels."""
from __future__ import annotations

from typing import Any

import numpy as np

from gslfit.data.inputs import Inputs, floats, inputs
from gslfit.data.layout import Layout, layout
from gslfit.data.numbers import read
from gslfit.errors import InputError


def points_of(model: Any, data: Any, x: Any, mask: Any, values: dict[str, Any]) -> tuple[np.ndarray, dict[str, Any]]:
    """Return data and independent variables for an estimator.

    Parameters
    ----------
    model : Model
    data : array_like, shape (..., n), or of the shape of two independent variables
    x : array_like or None
        The first independent variable.
    mask : array_like of bool or None
    values : dict of str to object
        What else the guess was called with; further independent variables are taken out.

    Returns
    -------
    data : ndarray
        Of one fit (m,), without the points that take no part; of many (..., n), NaN there.
    variables : dict of str to ndarray
        Those that were given.

    Raises
    ------
    InputError, InputTypeError
        If these can't be data, or don't fit one another.
    """
    y = read("data", data, imaginary=True)
    if y.array.ndim == 0:
        raise InputError(f"data is the number {y.array[()]!r}, and has no axis: it must hold the points of a fit")
    y = y._replace(array=floats(y.array))
    given = {} if x is None else {model.independent_vars[0]: x}
    given |= {name: values.pop(name) for name in model.independent_vars if name in values}
    readings = {name: read(name, value) for name, value in given.items()}
    image = len(readings) > 1 and all(sorted(each.array.shape) == sorted(y.array.shape) for each in readings.values())
    where = Layout(y.array.shape, name="data") if image else layout(y, None, given.values(), "data")
    found = inputs(y, where, readings, None, None, mask, by_label=True)
    variables = dict(found.x)
    if not variables and found.mask is not None:
        variables = {model.independent_vars[0]: np.arange(where.n, dtype=float)}
    if where.shape or found.mask is None:
        return without_left_out(found), variables
    keep = ~found.mask
    return found.y[keep], {name: each[keep] for name, each in variables.items()}


def without_left_out(given: Inputs) -> np.ndarray:
    """Return rows of points, NaN where one takes no part."""
    out = given.left_out()
    return given.y if out is None else np.where(out, np.nan, given.y)
