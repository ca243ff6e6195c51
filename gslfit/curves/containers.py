"""Results of a batch in containers of xarray and pandas: arrays with the dimensions of the data, a Dataset, a table."""
from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np

from gslfit.checks import package
from gslfit.data.labels import Groups, Labels, is_array_of_dims
from gslfit.data.layout import Layout
from gslfit.errors import FitStatus, InputError

COVARIANCE = ("cov_i", "cov_j")         # the dimensions of a covariance, by the names that xarray's curvefit gives them


def dimensions(labels: Labels | None, where: Layout) -> tuple[str, ...]:
    """Return what the axes of a batch are called: by the data's container, else dim_0, dim_1, ..."""
    if labels is None or not is_array_of_dims(labels):
        return tuple(f"dim_{axis}" for axis in range(len(where.shape)))
    return tuple(str(dim) for axis, dim in enumerate(labels.dims) if axis not in where.axes)


def meanings() -> dict[str, Any]:
    """Return what statuses mean, as the attributes by which the CF conventions say it."""
    return {"flag_values": np.array([status.value for status in FitStatus], np.int8),
            "flag_meanings": " ".join(status.name.lower() for status in FitStatus)}


def dataset(result: Any) -> Any:
    """Return a result as an xarray.Dataset; see `BatchResult.to_xarray`."""
    xarray = package("xarray", "xarray", "to_xarray()")
    arrays = result.to_dict()
    if not hasattr(result.status, "dims"):
        dims: tuple[Hashable, ...] = tuple(f"dim_{axis}" for axis in range(len(result.shape)))
        variables = {name: (dims if name != "covar" else (*dims, *COVARIANCE), _in_memory(array)) for name, array in arrays.items()}
        coords = {} if result.covar is None else {dim: list(result.names) for dim in COVARIANCE}
        found = xarray.Dataset(variables, coords=coords)
        found["status"].attrs.update(meanings())
        return found
    for name, array in arrays.items():
        if name in array.coords or name in array.dims:
            raise InputError(f"{name!r} is a parameter and a coordinate of the data: rename the one or the other (da.rename)")
    labels = result.data.labels
    return xarray.Dataset(arrays, attrs={} if labels is None else dict(labels.container.attrs))


def frame(result: Any) -> Any:
    """Return a result as a table; see `BatchResult.to_frame`."""
    arrays = {name: np.asarray(array).reshape(-1) for name, array in result.to_dict().items() if name != "covar"}
    labels = result.data.labels
    if labels is not None and isinstance(labels.container, Groups):
        return labels.container.table(arrays)
    pandas = package("pandas", "all", "to_frame()")
    return pandas.DataFrame(arrays, index=_index(pandas, result))


def _index(pandas: Any, result: Any) -> Any:
    """Return the index of a table with a row for each fit."""
    status, labels, where = result.status, result.data.labels, result.data.layout
    shape = result.shape
    if hasattr(status, "dims"):
        dims = list(status.dims)
        indexes = [status.indexes[dim] if dim in status.indexes else pandas.RangeIndex(size) for dim, size in zip(dims, shape, strict=True)]
    elif labels is not None and where is not None and len(shape) == 1:
        axis = next(axis for axis in range(len(where.whole)) if axis not in where.axes)
        return labels.indexes[axis]
    else:
        dims = [f"dim_{axis}" for axis in range(len(shape))]
        indexes = [pandas.RangeIndex(size) for size in shape]
    if len(shape) <= 1:
        return indexes[0].rename(dims[0]) if dims and hasattr(status, "dims") else pandas.RangeIndex(status.size)
    return pandas.MultiIndex.from_product(indexes, names=dims)


def _in_memory(array: Any) -> Any:
    """Return an array of a result as xarray takes it."""
    return array if isinstance(array, np.ndarray) or hasattr(array, "__dask_graph__") else np.asarray(array)
