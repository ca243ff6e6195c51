"""Batches of dask arrays: a task for each chunk of the data, whose results stay lazy until they are computed."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

import numpy as np

from gslfit.checks import package
from gslfit.curves.batch_file import CORRELATIONS, OF_LOSSES, STATISTICS
from gslfit.curves.batch_result import SUCCESSES, BatchInputs, BatchResult, Columns
from gslfit.curves.keeping import Keeping
from gslfit.curves.parts import Batch, FitPart
from gslfit.curves.row_result import RowResult
from gslfit.curves.store import specs
from gslfit.data.inputs import Factors, Inputs
from gslfit.data.layout import Layout
from gslfit.data.lazy import LazyCurves, is_lazy
from gslfit.data.numbers import read
from gslfit.data.points import union
from gslfit.errors import InputError
from gslfit.minimizer.options import FitOptions
from gslfit.objective.loss import ROBUST

START = "start:"            # with a name: the field of starts that were found
Key = tuple[str, str]       # what an array beside the data is: "x", "factors", "mask" or "start", and its name


@dataclass(eq=False)
class ChunkFit:
    """The fit of one chunk, as a function of arrays.

    Attributes
    ----------
    fit : callable
        As of `fit_blocks`.
    given : Inputs
        What all chunks share, without the data.
    starts : dict
        Start values that all fits share.
    keys : tuple of (str, str)
        What the arrays are that each chunk has of its own.
    dtype : dtype
        Of the results of a fit, a field for each array.
    """

    fit: FitPart
    given: Inputs
    starts: dict[str, Any]
    keys: tuple[Key, ...]
    dtype: np.dtype

    def __call__(self, y: Any, *arrays: Any) -> np.ndarray:
        """Return the results of a chunk's fits; first of `arrays` are the numbers of its fits along each axis."""
        axes = len(arrays) - len(self.keys)
        origin = tuple(int(numbers[0]) if numbers.size else 0 for numbers in arrays[:axes])
        found = self.result(y, origin, dict(zip(self.keys, arrays[axes:], strict=True)))
        packed = np.empty(found.shape, self.dtype)
        for name, array in found.to_dict().items():
            packed[name] = array
        for name in self.dtype.names or ():
            if name == CORRELATIONS:
                packed[name] = found._correl
            elif name.startswith(START):
                packed[name] = found.data.start[name.removeprefix(START)]
        return packed

    def result(self, y: Any, origin: tuple[int, ...], own: Mapping[Key, Any]) -> BatchResult:
        """Return the result of a chunk."""
        given, (curves, hidden, _) = self.given, read(self.given.name, y)
        batch = curves.shape[:-1]

        def wide(key: Key, shape: tuple[int, ...], shared: Any = None) -> Any:
            return np.broadcast_to(np.asarray(own[key]), shape) if key in own else shared
        factors = given.factors
        if factors is not None:
            factors = Factors(factors.name, wide(("factors", ""), curves.shape, factors.array))
        mask = wide(("mask", ""), curves.shape, given.mask)
        starts = {**self.starts, **{name: wide((kind, name), batch) for kind, name in own if kind == "start"}}
        block = tuple(slice(low, low + size) for low, size in zip(origin, batch, strict=True))
        part = given._replace(layout=Layout(curves.shape, (curves.ndim - 1,), given.name), y=curves, factors=factors,
                              x={name: wide(("x", name), curves.shape, array) for name, array in given.x.items()},
                              mask=mask if hidden is None else union(curves.shape, (mask, hidden)), origin=origin,
                              limits=None if given.limits is None else given.limits.part(block),
                              response=None if given.response is None else given.response[block])
        return self.fit(part, starts, None)


def fit_lazily(fit: FitPart, batch: Batch, given: Inputs, starts: Mapping[str, Any], options: FitOptions, keeping: Keeping,
               progress: Any) -> LazyBatchResult:
    """Describe the fits of a dask array, a task for each of its chunks.

    Parameters
    ----------
    fit : callable
        As of `fit_blocks`. A task runs in one thread unless the caller has said how many: there is a task for each core.
    batch : Batch
    given : Inputs
        Its `y`, and what comes beside it, may be dask arrays.
    starts : mapping of str to float or array, shape () or (...)
    options : FitOptions
    keeping : Keeping
    progress : bool or callable

    Raises
    ------
    InputError
        If the call asks for what a lazy result can't do.
    """
    _refuse(options, keeping, progress)
    y: Any = given.y
    task, beside = _task(fit if options.threads is not None else fit.in_one_thread(), batch, given, starts, options)
    found = _blockwise(task, y, beside, given.layout.shape)
    values = {name: found[name] for name in batch.names}
    stderr = {name: found[f"{name}_stderr"] for name in batch.names}
    own = batch.data
    cost, f_scale = (found[name] if options.loss in ROBUST else None for name in OF_LOSSES)
    data = replace(own, y=_lazily(y), x=tuple(map(_lazily, own.x)), weights=_lazily(own.weights), mask=_lazily(own.mask), f_scale=f_scale)
    return LazyBatchResult(Columns(values), Columns(stderr), **{name: found[name] for name in STATISTICS},
                           covar=found["covar"] if options.covar else None, names=batch.varying, data=data, reason=batch.reason,
                           _cost=cost, _correl=found[CORRELATIONS] if options.covar else None, packed=found, task=task, beside=beside)


def _refuse(options: FitOptions, keeping: Keeping, progress: Any) -> None:
    """Raise InputError for options that speak of results in memory or in files."""
    for wanted, name, way in ((keeping.out is not None or keeping.resume, "out", "result.to_xarray().to_zarr(...) writes them"),
                              (progress is not False and progress is not None, "progress", "dask's ProgressBar shows how far they are"),
                              (options.on_interrupt != "raise", "on_interrupt", "what dask has computed is kept by persist()")):
        if wanted:
            raise InputError(f"{name}= is not for a dask array, whose results are lazy: {way}")


def _lazily(array: Any) -> Any:
    return LazyCurves(array) if is_lazy(array) else array


def _task(fit: FitPart, batch: Batch, given: Inputs, starts: Mapping[str, Any], options: FitOptions) -> tuple[ChunkFit, dict[Key, Any]]:
    """Return what fits a chunk, and the arrays of which each chunk has a part."""
    beside: dict[Key, Any] = {("x", name): array for name, array in given.x.items() if array.ndim > 1}
    if given.factors is not None and given.factors.array.ndim > 1:
        beside["factors", ""] = given.factors.array
    if given.mask is not None and given.mask.ndim > 1:
        beside["mask", ""] = given.mask
    beside |= {("start", name): value for name, value in starts.items() if np.ndim(value)}
    nothing: Any = None
    factors = given.factors if ("factors", "") not in beside or given.factors is None else given.factors._replace(array=nothing)
    x = {name: nothing if ("x", name) in beside else array for name, array in given.x.items()}
    shared = given._replace(y=nothing, labels=None, x=x, factors=factors, mask=nothing if ("mask", "") in beside else given.mask)
    arrays = specs(batch.names, batch.varying, (), options.covar, options.loss in ROBUST)
    kinds: list[Any] = [(name, kind, shape) for name, (kind, shape) in arrays.items()]
    if options.covar:
        kinds.append((CORRELATIONS, *arrays["covar"]))
    sought = [name for name in batch.names if name not in starts or (np.ndim(starts[name]) == 0 and np.isnan(starts[name]))]
    kinds += [(START + name, np.dtype(float), ()) for name in sought if name in batch.varying]
    of_all = {name: value for name, value in starts.items() if not np.ndim(value)}
    return ChunkFit(fit, shared, of_all, tuple(beside), np.dtype(kinds)), beside


def _blockwise(task: ChunkFit, y: Any, beside: Mapping[Key, Any], shape: tuple[int, ...]) -> Any:
    """Return the results of all chunks as a dask array of the task's dtype."""
    array = package("dask.array", "dask", "a dask array")
    axes = tuple(range(len(shape)))
    arguments: list[Any] = [y, (*axes, len(axes))]
    for axis in axes:
        arguments += [array.arange(shape[axis], chunks=(y.chunks[axis],)), (axis,)]
    for each in beside.values():
        compact = each if is_lazy(each) else each[tuple(slice(0, 1) if step == 0 else slice(None) for step in each.strides)]
        chunks = tuple(own if size > 1 else (1,) for own, size in zip(y.chunks, compact.shape, strict=False))
        arguments += [compact.rechunk(chunks) if is_lazy(each) else array.from_array(compact, chunks=chunks),
                      (*axes, len(axes))[:compact.ndim]]
    return array.blockwise(task, axes, *arguments, name=f"gslfit-fit-{uuid4().hex}", dtype=task.dtype, concatenate=True, align_arrays=False,
                           meta=np.empty((0,)*len(shape), task.dtype))


@dataclass(eq=False)
class LazyBatchResult(BatchResult):
    """The outcome of many fits that have not been run yet: its arrays are dask arrays.

    `compute` runs them, and returns a `BatchResult`. The number of fits, their shape and names are known without; one fit, `result[k]`, is
    run alone. All that needs numbers (`summary`, `best_fit`, `to_frame`, pictures, ...) computes them first.

    Attributes
    ----------
    packed : dask.array.Array
        All arrays as the fields of one.
    task : ChunkFit
        What a task is.
    beside : dict
        The arrays of which each task has a part.
    """

    packed: Any = None
    task: Any = None
    beside: Any = None

    def compute(self, **options: Any) -> BatchResult:
        """Run the fits.

        Parameters
        ----------
        **options
            As ``dask.compute`` takes them: ``scheduler``, ``num_workers``, ...

        Returns
        -------
        BatchResult
            In memory. The data stay where they are; a single result of it reads its own.
        """
        return self._of(self.packed.compute(**options))

    def persist(self, **options: Any) -> LazyBatchResult:
        """Run the fits and keep the results in the workers' memory: a lazy result whose tasks are done."""
        return self._again(self.packed.persist(**options))

    def _of(self, packed: np.ndarray) -> BatchResult:
        """Return the ordinary result of the numbers of all fits."""
        packed = np.asarray(packed, self.task.dtype)
        found = {name: np.array(packed[name]) for name in packed.dtype.names or ()}
        starts = {name.removeprefix(START): array for name, array in found.items() if name.startswith(START)}
        data = self._scaled(found)
        data = replace(data, start={**data.start, **starts})
        return BatchResult(**self._replaced(found), names=self.names, reason=self.reason, data=data)

    def _again(self, packed: Any) -> LazyBatchResult:
        """Return a lazy result of other tasks with the same outcome."""
        found = {name: packed[name] for name in packed.dtype.names}
        return LazyBatchResult(**self._replaced(found), names=self.names, data=self._scaled(found), reason=self.reason, packed=packed,
                               task=self.task, beside=self.beside)

    def _scaled(self, found: Mapping[str, Any]) -> BatchInputs:
        """Return the data with the scales that the fits of a robust loss have."""
        return self.data if self.data.f_scale is None else replace(self.data, f_scale=found["f_scale"])

    def _replaced(self, found: Mapping[str, Any]) -> dict[str, Any]:
        """Return other arrays in the containers of this result, by the fields' names."""
        def like(own: Any, name: str) -> Any:
            return own.copy(data=found[name]) if hasattr(own, "dims") else found[name]
        values = Columns({name: like(own, name) for name, own in self.values.items()})
        stderr = Columns({name: like(own, f"{name}_stderr") for name, own in self.stderr.items()})
        covar = None if self.covar is None else like(self.covar, "covar")
        cost = None if self._cost is None else like(self._cost, "cost")
        correl = None if self._correl is None else found[CORRELATIONS]
        return {"values": values, "stderr": stderr, "covar": covar, "_cost": cost, "_correl": correl,
                **{name: like(getattr(self, name), name) for name in STATISTICS}}

    @property
    def success(self) -> Any:
        """Which fits ended at a minimum: lazy, of bool, shape (...)."""
        if hasattr(self.status, "isin"):
            return self.status.isin(SUCCESSES)
        return package("dask.array", "dask", "a dask array").isin(self.status, SUCCESSES)

    def __getitem__(self, index: Any) -> RowResult:
        """Run one fit, by its number (in C order) or its place, and return it as a result of its own."""
        place = self._index(index)
        here = tuple(slice(k, k + 1) for k in place)
        own = {key: np.asarray(array[tuple(part if size > 1 else slice(None) for part, size in zip(here, array.shape, strict=False))])
               for key, array in self.beside.items()}
        if self.data.y is None:
            raise InputError("a fit of a lazy result needs its data (keep_data=True), or compute() first")
        found = self.task.result(self.data.y[here], place, own)
        return found[(0,)*len(place)]

    def __repr__(self) -> str:
        return f"<BatchResult of {self.status.size} fits, shape {self.shape}, not computed, parameters {', '.join(self.values)}>"

    def _repr_html_(self) -> str:
        return f"<code>{repr(self).replace('<', '&lt;')}</code>"

    def __dask_graph__(self) -> Any:
        return self.packed.__dask_graph__()

    def __dask_keys__(self) -> Any:
        return self.packed.__dask_keys__()

    def __dask_layers__(self) -> Any:
        return self.packed.__dask_layers__()

    def __dask_tokenize__(self) -> Any:
        return self.packed.__dask_tokenize__()

    @property
    def __dask_optimize__(self) -> Any:
        return self.packed.__dask_optimize__

    @property
    def __dask_scheduler__(self) -> Any:
        return self.packed.__dask_scheduler__

    def __dask_postcompute__(self) -> Any:
        finish, arguments = self.packed.__dask_postcompute__()
        return lambda parts: self._of(finish(parts, *arguments)), ()

    def __dask_postpersist__(self) -> Any:
        rebuild, arguments = self.packed.__dask_postpersist__()
        return lambda graph, **more: self._again(rebuild(graph, *arguments, **more)), ()


def _computed(name: str) -> Any:
    """Return a method that computes the result, and calls the same method of it."""
    plain = getattr(BatchResult, name)

    def method(self: LazyBatchResult, *args: Any, **kws: Any) -> Any:
        return getattr(self.compute(), name)(*args, **kws)
    method.__name__, method.__qualname__, method.__doc__ = name, f"LazyBatchResult.{name}", plain.__doc__
    return method


KNOWN_WITHOUT = {"to_dict", "to_xarray", "load"}
for _name in [each for each in vars(BatchResult) if not each.startswith("_") and callable(getattr(BatchResult, each))]:
    if _name not in {*KNOWN_WITHOUT, *vars(LazyBatchResult)}:
        setattr(LazyBatchResult, _name, _computed(_name))
