"""What pandas and xarray call the points of an array, and how two labelled arrays are paired.

Where both are labelled and the labels are the same, numbers meet by position. Where they differ, `Model.fit` and its kin pair by label if
each label of the data is found; `fit` and `fit_batch` never do. All else is an error: no point is dropped, and none paired with another's.
"""
from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np

from gslfit.errors import InputError
from gslfit.records import Record


class Labels(Record):
    """What a container calls its axes and points.

    Attributes
    ----------
    dims : tuple
        The names of the axes; xarray's, or axis numbers.
    indexes : dict
        A pandas Index for each axis that has one.
    container : object
        The container itself, after which results are shaped.
    """

    dims: tuple[Hashable, ...]
    indexes: dict[Hashable, Any]
    container: Any

    def without_numbers(self) -> Labels:
        """Return the same with a container that has no numbers."""
        container = self.container
        if hasattr(container, "dims"):
            return self._replace(container=container.isel({dim: slice(0) for dim in container.dims[:1]}).copy())
        return self if isinstance(container, Groups) else self._replace(container=container.iloc[:0])


class Groups:
    """The groups of a table's rows that a batch was fitted to, one for each fit.

    Parameters
    ----------
    keys : DataFrame of pandas or polars, or Index of pandas
        What the groups are called: an Index, or a table with a column for each name.
    """

    def __init__(self, keys: Any):
        self.keys = keys

    def labelled(self, data: np.ndarray) -> Any:
        """Return data with a row for each group under the labels of the groups; polars has none."""
        if hasattr(self.keys, "with_columns"):
            return data
        from pandas import DataFrame
        return DataFrame(data, index=self.keys, copy=False)

    def table(self, arrays: dict[str, np.ndarray]) -> Any:
        """Return arrays with a number for each group as a table of the same package."""
        if hasattr(self.keys, "with_columns"):
            return self.keys.with_columns(**arrays)
        from pandas import DataFrame
        return DataFrame(arrays, index=self.keys)


def labels_of(value: Any) -> Labels | None:
    """Return the labels of a Series, DataFrame or DataArray; None for anything else."""
    if hasattr(value, "dims") and hasattr(value, "coords") and hasattr(value, "indexes"):
        return Labels(tuple(value.dims), {dim: value.indexes[dim] for dim in value.dims if dim in value.indexes}, value)
    if hasattr(value, "index") and hasattr(value, "reindex") and hasattr(value, "to_numpy"):
        return Labels(tuple(range(value.ndim)), dict(enumerate(value.axes)), value)
    return None


def is_array_of_dims(labels: Labels | None) -> bool:
    """Return whether axes have names: an xarray.DataArray."""
    return labels is not None and hasattr(labels.container, "dims")


def paired(name: str, array: np.ndarray, own: Labels | None, of: str, reference: Labels | None, *, by_label: bool,
           points: tuple[int, ...] = ()) -> np.ndarray:
    """Bring an array into the order of the labels of another.

    Parameters
    ----------
    name, of : str
        What the caller calls the array, and the one it is paired with.
    array : ndarray
    own, reference : Labels or None
        Their labels; without either, or between pandas and xarray, numbers meet by position.
    by_label : bool
        Whether labels that differ in order, or are more than needed, are looked up.
    points : tuple of int
        The axes of the other one along which the points of a fit lie: what lies along just these has no other axes.

    Returns
    -------
    ndarray
        An array of named axes has an axis of length 1 for each axis of the other that it lacks.

    Raises
    ------
    InputError
        If labels differ, and aren't to be looked up or aren't all found.
    """
    if own is None or reference is None or is_array_of_dims(own) != is_array_of_dims(reference):
        return array
    if is_array_of_dims(own):
        array, own = _turned(name, array, own, of, reference, points)
    elif points and array.ndim == 1:
        own = Labels(points[-1:], {points[-1]: own.indexes[0]}, own.container)
    for axis, dim in enumerate(own.dims):
        if dim not in own.indexes or dim not in reference.indexes:
            continue
        mine, wanted = own.indexes[dim], reference.indexes[dim]
        if mine.equals(wanted):
            continue
        places = mine.get_indexer(wanted) if by_label and mine.is_unique else np.array([-1])
        if np.any(places < 0):
            raise InputError(f"{name} and {of} have different labels{_on(dim)}: {_shown(mine)}, and {_shown(wanted)}; bring them to the "
                             f"same ones, or hand over plain arrays ({_plain(name, own)}, {_plain(of, reference)}) to pair by position")
        array = np.take(array, places, axis)
    return array


def _turned(name: str, array: np.ndarray, own: Labels, of: str, reference: Labels, points: tuple[int, ...]) -> tuple[np.ndarray, Labels]:
    """Return an array of named axes in the order of another's; where names differ and there is one axis each, by position."""
    if own.dims == reference.dims or not own.dims:
        return array, own
    if set(own.dims) <= set(reference.dims):
        order = [dim for dim in reference.dims if dim in own.dims]
        array = np.transpose(array, [own.dims.index(dim) for dim in order])
        if order == [reference.dims[axis] for axis in points]:
            return array, own._replace(dims=tuple(order))
        lacking = tuple(axis for axis, dim in enumerate(reference.dims) if dim not in own.dims)
        return np.expand_dims(array, lacking), own._replace(dims=reference.dims)
    if len(own.dims) == len(reference.dims) == 1 and not (own.indexes and reference.indexes):
        return array, own._replace(indexes={})
    raise InputError(f"{name} has the dimensions {', '.join(map(str, own.dims))}, and {of} {', '.join(map(str, reference.dims))}: "
                     f"rename them, or hand over plain arrays ({_plain(name, own)}, {_plain(of, reference)}) to pair by position")


def _on(dim: Hashable) -> str:
    return f" along {dim!r}" if isinstance(dim, str) else ""


def _shown(index: Any) -> str:
    """Return a few labels."""
    found = [repr(label) for label in index[:3].tolist()]
    return f"[{', '.join(found)}{', ...' if len(index) > 3 else ''}] ({len(index)})"


def _plain(name: str, labels: Labels) -> str:
    """Return how the array is written without its labels."""
    return f"{name}.values" if is_array_of_dims(labels) else f"{name}.to_numpy()"


def given_back(array: np.ndarray, labels: Labels | None) -> Any:
    """Return an array of the caller's shape in the caller's kind of container."""
    if labels is None or np.shape(array) != np.shape(labels.container):
        return array
    container = labels.container
    if is_array_of_dims(labels):
        return container.copy(data=array)
    if array.ndim == 1:
        return type(container)(array, index=container.index, name=container.name)
    return type(container)(array, index=container.index, columns=container.columns)
