"""What a fit, or a batch of fits, is made to: data, independent variables, weights and a mask, side by side."""
from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from gslfit.data.labels import Labels, paired
from gslfit.data.layout import Layout
from gslfit.data.numbers import Reading, read
from gslfit.data.points import as_mask, check_factors, factors, union, without_effect


class Factors(NamedTuple):
    """What multiplies residuals, or divides them.

    Attributes
    ----------
    name : str
        What the caller calls it: "weights" multiply, anything else divides.
    array : ndarray, shape (n,) or (..., n)
    """

    name: str
    array: np.ndarray

    @property
    def inverted(self) -> bool:
        """Whether these are standard deviations."""
        return self.name != "weights"

    def weights(self) -> np.ndarray:
        """What multiplies residuals."""
        return 1.0/self.array if self.inverted else self.array


class Inputs(NamedTuple):
    """What fits are made to.

    Attributes
    ----------
    layout : Layout
        Where points lie in the data as they were handed in.
    labels : Labels or None
        What the data's container calls them.
    y : ndarray, shape (..., n)
    x : tuple of ndarray, each of shape (n,) or (..., n)
    factors : Factors or None
    mask : ndarray of bool, shape (n,) or (..., n), or None
        True where a point takes no part.
    """

    layout: Layout
    labels: Labels | None
    y: np.ndarray
    x: tuple[np.ndarray, ...]
    factors: Factors | None
    mask: np.ndarray | None

    @property
    def weights(self) -> np.ndarray | None:
        """What multiplies residuals, None where nothing does."""
        return None if self.factors is None else self.factors.weights()

    def left_out(self) -> np.ndarray | None:
        """Points that take no part by the caller's own words, shape (n,) or (..., n); None where there are none."""
        found = [self.mask, None if self.factors is None else without_effect(*self.factors)]
        arrays = [array for array in found if array is not None]
        return union(np.broadcast_shapes(*(array.shape for array in arrays)), arrays) if arrays else None


def inputs(name: str, y: Reading, where: Layout, variables: Mapping[str, Reading], yerr: Any, weights: Any, mask: Any, *,
           error_name: str = "yerr") -> Inputs:
    """Bring all that is known of the points side by side.

    Parameters
    ----------
    name : str
        What the caller calls the data.
    y : Reading
    where : Layout
    variables : mapping of str to Reading
        The independent variables, in order.
    yerr, weights, mask : array_like or None
    error_name : str
        What the caller calls `yerr`.

    Raises
    ------
    InputError
        If shapes or labels don't fit, or a standard deviation of one fit is none (those of a batch are looked at where it failed).
    """
    masks = [] if y.mask is None else [where.curves(y.mask)]
    x = []
    for own, reading in variables.items():
        x.append(where.variable(own, _beside(own, reading, name, y)))
        if reading.mask is not None:
            masks.append(where.variable(own, reading.mask))
    label, given = factors(yerr, weights)
    found = None
    if given is not None:
        label = error_name if yerr is not None else label
        reading = read(label, given)
        found = Factors(label, where.factor(label, _beside(label, reading, name, y)))
        if reading.mask is not None:
            masks.append(where.factor(label, reading.mask))
        if found.array.ndim == 1:
            check_factors(label, found.array if reading.mask is None else found.array[~masks[-1]])
    if mask is not None:
        masks.append(where.factor("mask", as_mask(mask, where.whole)) if np.shape(mask) != (where.n,) else as_mask(mask, (where.n,)))
    out = union(np.broadcast_shapes(*(array.shape for array in masks)), masks) if masks else None
    return Inputs(where, y.labels, where.curves(y.array), tuple(x), found, out)


def _beside(name: str, reading: Reading, of: str, y: Reading) -> np.ndarray:
    """An array in the order of the data's labels, which must be the same."""
    if reading.labels is None or y.labels is None:
        return reading.array
    return paired(name, reading.array, reading.labels, of, y.labels, by_label=False)
