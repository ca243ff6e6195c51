"""What pandas and xarray call the fits of a batch, and how numbers of each fit (starts, bounds, priors) are paired with them."""
from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from gslfit.data.labels import Labels, is_array_of_dims, labels_of, paired
from gslfit.data.layout import Layout
from gslfit.data.lazy import read_lazily
from gslfit.data.numbers import Reading
from gslfit.records import Record


class Fits(Record):
    """The fits of a batch.

    Attributes
    ----------
    shape : tuple of int
        () for one fit.
    of : str
        What the caller calls the data.
    labels : Labels or None
        What the data's container calls the axes that hold no points.
    by_label : bool
        Whether labels that differ from those of the data are looked up; else they are an error.
    """

    shape: tuple[int, ...]
    of: str = "y"
    labels: Labels | None = None
    by_label: bool = False

    @classmethod
    def along(cls, where: Layout, labels: Labels | None, by_label: bool = False) -> Fits:
        """Return the fits of data that lie so, with these labels."""
        if labels is None or not where.shape:
            return _unlabelled(where.shape, where.name)
        kept = [axis for axis in range(len(where.whole)) if axis not in where.axes]
        of_data = [labels.dims[axis] for axis in kept]
        dims = tuple(of_data if is_array_of_dims(labels) else range(len(kept)))
        indexes = {own: labels.indexes[dim] for own, dim in zip(dims, of_data, strict=True) if dim in labels.indexes}
        return cls(where.shape, where.name, Labels(dims, indexes, labels.container), by_label)

    def beside(self, name: str, reading: Reading) -> np.ndarray:
        """Return numbers of each fit in the order of the data's labels.

        Raises
        ------
        InputError
            If labels don't fit; the message names the argument.
        """
        own = reading.labels
        if own is None or self.labels is None:
            return reading.array
        found = paired(name, reading.array, own, self.of, self.labels, by_label=self.by_label)
        fewer = is_array_of_dims(own) and is_array_of_dims(self.labels) and reading.array.ndim and found.ndim == len(self.shape)
        return np.broadcast_to(found, self.shape) if fewer else found

    def take(self, name: str, value: Any) -> Any:
        """Return a value without labels of its own, in the order of the data's; any other as it is."""
        if self.labels is None or type(value) is np.ndarray or type(value) is float or labels_of(value) is None:
            return value
        return self.beside(name, read_lazily(name, value))

    def response(self, value: Any) -> Any:
        """Return the responses of the fits, (..., k), in the order of the data's labels.

        Of named axes the one that no fit lies along has the numbers of a response.
        """
        own = None if self.labels is None or type(value) is np.ndarray else labels_of(value)
        if own is None or self.labels is None or np.ndim(value) < 2:
            return value
        reading, reference = read_lazily("response", value), self.labels
        if is_array_of_dims(own) and is_array_of_dims(reference):
            more = tuple(dim for dim in own.dims if dim not in reference.dims)
            reference = reference._replace(dims=(*reference.dims, *more[:1]))
        if reading.mask is not None:
            return value
        return paired("response", reading.array, own, self.of, reference, by_label=self.by_label)


@lru_cache(maxsize=64)
def _unlabelled(shape: tuple[int, ...], name: str) -> Fits:
    """Return the fits of data without labels."""
    return Fits(shape, name)
