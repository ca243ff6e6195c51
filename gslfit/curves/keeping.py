"""What becomes of the results of a batch, and whether it is fitted block by block."""
from __future__ import annotations

from copy import copy
from dataclasses import replace
from typing import Any

import numpy as np

from gslfit.checks import truth
from gslfit.curves.batch_result import STATISTICS, BatchResult, Columns
from gslfit.curves.containers import COVARIANCE, meanings
from gslfit.data.inputs import Inputs
from gslfit.data.labels import is_array_of_dims
from gslfit.data.stored import StoredCurves
from gslfit.errors import InputError, warn
from gslfit.minimizer.options import NEIGHBOURS, FitOptions
from gslfit.records import Record


class Keeping(Record):
    """What becomes of results.

    Attributes
    ----------
    out : path, mapping of str to array, or None
        Where they are written; None for memory.
    resume : bool
        Whether what is there is gone on with.
    keep_data : bool
        Whether a result refers to the data it was fitted to.
    """

    out: Any = None
    resume: bool = False
    keep_data: bool = True

    def checked(self) -> Keeping:
        """Return it with its types, or raise InputError."""
        if truth("resume", self.resume) and self.out is None:
            raise InputError("resume=True goes on with what out= holds, and there is no out=")
        return self._replace(keep_data=truth("keep_data", self.keep_data))


IN_MEMORY = Keeping()


def by_blocks(given: Inputs, options: FitOptions, keeping: Keeping) -> bool:
    """Return whether a batch is fitted block by block, or chunk by chunk.

    Raises
    ------
    InputError
        If it is, and neighbours are asked for, which may be in other blocks.
    """
    stored = type(given.y) is not np.ndarray or type(given.mask) is StoredCurves or (
        given.factors is not None and type(given.factors.array) is StoredCurves)
    found = stored or keeping.out is not None or options.on_interrupt != "raise"
    if found and options.starts == NEIGHBOURS:
        raise InputError("starts='neighbours' needs all fits of a batch at once: data in memory, no out=, and on_interrupt='raise'")
    return found


def finished(result: BatchResult, given: Inputs, keeping: Keeping) -> BatchResult:
    """Return a result as the caller gets it: in the data's kind of container, and without the data unless they are to be kept."""
    _tell_of_images(result, given)
    found = result if given.labels is None else labelled(result, given)
    if not keeping.keep_data:
        found = copy(found)
        found.data = found.data.without_curves()
    return found


def _tell_of_images(result: BatchResult, given: Inputs) -> None:
    """Warn where an image was read as rows: one of its coordinates is the same along each, and none tells all parameters.

    Coordinates alone don't say so: what differs from fit to fit and is the same at all of its points may be what makes the fits differ.
    """
    where = given.layout
    if len(given.x) < 2 or not where.shape or len(where.axes) > 1 or type(given.y) is not np.ndarray:
        return
    whole = {name: array for name, array in given.x.items() if array.ndim == len(where.whole)}
    down = [name for name, array in whole.items() if (array == array[..., :1]).all() and not (array == array[..., :1, :]).all()]
    along = [name for name, array in whole.items() if (array == array[..., :1, :]).all() and not (array == array[..., :1]).all()]
    if not down or not along:
        return
    told = np.all([np.isfinite(error) for error in result.stderr.values()], axis=0)
    if np.any(result.success) and not np.any(result.success & told):
        one, last = f"of {where.name}, of shape {where.whole},", f"axis {where.axes[0]}"
        warn(f"each fit is a row {one} along {last}, at all of whose points {down[0]} is the same, and no row determines all parameters: "
             f"if {' and '.join([*down, *along])} are the coordinates of an image, axis=(-2, -1) makes it one fit")


def labelled(result: BatchResult, given: Inputs) -> BatchResult:
    """Return a result whose arrays are DataArrays on the dimensions and coordinates that are left, where the data are a DataArray.

    Parameters
    ----------
    result : BatchResult
    given : Inputs
        What was fitted.
    """
    labels, where = given.labels, given.layout
    if labels is None or not is_array_of_dims(labels):
        return result
    points = {labels.dims[axis] for axis in where.axes}
    dims = tuple(dim for dim in labels.dims if dim not in points)
    container = labels.container
    coords = container.drop_vars([name for name, each in container.coords.items() if points & set(each.dims)]).coords

    def of(name: str, array: Any, beyond: tuple[str, ...] = ()) -> Any:
        if not isinstance(array, np.ndarray) and not hasattr(array, "__dask_graph__"):
            return array                    # of a file, which a DataArray would read
        own = coords if not beyond else {**coords, **{dim: list(result.names) for dim in beyond}}
        return type(container)(array, coords=own, dims=(*dims, *beyond), name=name)
    new: dict[str, Any] = {name: of(name, getattr(result, name)) for name in STATISTICS}
    if hasattr(new["status"], "dims"):
        new["status"].attrs.update(meanings())
    new["values"] = Columns({name: of(name, array) for name, array in result.values.items()})
    new["stderr"] = Columns({name: of(f"{name}_stderr", array) for name, array in result.stderr.items()})
    if result._cost is not None:
        new["_cost"] = of("cost", result._cost)
    if result.covar is not None:
        new["covar"] = of("covar", result.covar, COVARIANCE)
    return replace(result, **new)
