"""Fit a batch block by block: data that lie in a file and are never read whole, and results that are written as they come."""
from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from hashlib import sha256
from math import ceil, prod
from typing import Any

import numpy as np

from gslfit.curves.batch_file import CORRELATIONS
from gslfit.curves.batch_result import STATISTICS, BatchInputs, BatchResult, Columns
from gslfit.curves.containers import dimensions
from gslfit.curves.keeping import Keeping, finished
from gslfit.curves.parts import Batch, FitPart, Starts
from gslfit.curves.per_fit import PerFit
from gslfit.curves.progress import Interrupted, Progress
from gslfit.curves.store import Block, Store, blank, opened, specs, store_of
from gslfit.data.inputs import Factors, Inputs
from gslfit.data.layout import Layout
from gslfit.data.lazy import is_lazy
from gslfit.data.stored import StoredCurves, blocks_of
from gslfit.errors import FitStatus, warn
from gslfit.formula.formula import Formula
from gslfit.formula.graph import rows_of
from gslfit.minimizer.options import BATCH, FitOptions
from gslfit.objective.loss import ROBUST
from gslfit.parameters.collection import Parameters

SAMPLES = 16                # fits that a fingerprint looks at
SMALL = 100_000             # numbers of an array that a fingerprint takes whole
MANY = ("starts", "ranges")         # options that stores of earlier versions don't have
ASIDE = ("threads", "on_interrupt", "workers", "vectorized")        # options that change no number


def fit_parts(fit: FitPart, batch: Batch, given: Inputs, starts: Starts, options: FitOptions, keeping: Keeping,
              progress: Any) -> BatchResult:
    """Fit block by block, or describe the fits of a dask array's chunks; see `fit_blocks`."""
    if is_lazy(given.y):
        from gslfit.curves.lazy import fit_lazily
        return finished(fit_lazily(fit, batch, given, starts, options, keeping, progress), given, keeping)
    return finished(fit_blocks(fit, batch, given, starts, options, keeping, progress), given, keeping)


def fit_blocks(fit: FitPart, batch: Batch, given: Inputs, starts: Starts, options: FitOptions, keeping: Keeping,
               progress: Any) -> BatchResult:
    """Fit block by block.

    Parameters
    ----------
    fit : callable
        ``fit(inputs, starts, progress) -> BatchResult``: fits a block.
    batch : Batch
    given : Inputs
        Of all fits.
    starts : mapping of str to float or ndarray, shape () or (...)
    options : FitOptions
    keeping : Keeping
    progress : bool or callable
    """
    shape, n = given.layout.shape, given.layout.n
    watch = Progress(progress, prod(shape))
    size = blocks_of(shape, n, given.y.chunks if isinstance(given.y, StoredCurves) else None)
    arrays = specs(batch.names, batch.varying, shape, options.covar and keeping.out is not None, options.loss in ROBUST)
    if options.covar and keeping.out is None:       # no unit of the data takes them out of range
        arrays = {CORRELATIONS: (np.dtype(float), (*shape, len(batch.varying), len(batch.varying)))} | arrays
    store = store_of(keeping.out, arrays, size, dimensions(given.labels, given.layout))
    opened(store, {} if keeping.out is None else fingerprint(batch, given, starts, options, size), keeping.resume)
    kept: _Kept | None = _Kept(batch.data, shape, n) if keeping.out is None and keeping.keep_data else None
    done, interrupted = 0, False
    with watch as report:
        for block in _blocks(shape, size):
            if keeping.resume and _done(store, block):
                done += prod(part.stop - part.start for part in block)
                if report.function is not None and not interrupted:
                    report.tell(done)
                continue
            if interrupted:
                blank(store, arrays, block)
                continue
            part, found = block_of(given, block), None
            try:
                found = fit(part, starts_of(starts, block), report.beyond(done))
                _write(store, arrays, block, found)
            except KeyboardInterrupt as stop:
                if options.on_interrupt == "raise":
                    raise
                interrupted, found = True, stop.result if isinstance(stop, Interrupted) else found
                if found is None:
                    blank(store, arrays, block)
                    continue
                _write(store, arrays, block, found)     # what was done, or all of it if the interrupt came amid the writing
            if kept is not None:
                kept.add(block, part, found)
            done += found.status.size
        if not interrupted:
            report.end()
    if isinstance(given.y, StoredCurves) and given.y.source.changed:
        warn("the file of the data was written to while it was read: fits may be of what it held before, or after")
    data = batch.data if kept is None else kept.data()
    return _result(batch, store.arrays(), data)


def _blocks(shape: tuple[int, ...], size: tuple[int, ...]) -> Iterator[Block]:
    """Return the blocks of a batch, in order."""
    for place in np.ndindex(*(ceil(whole/part) for whole, part in zip(shape, size, strict=True))):
        yield tuple(slice(k*part, min((k + 1)*part, whole)) for k, part, whole in zip(place, size, shape, strict=True))


def _done(store: Store, block: Block) -> bool:
    """Return whether each fit of a block has run."""
    return bool((store.statuses(block) != FitStatus.NOT_RUN).all())


def _write(store: Store, names: Mapping[str, Any], block: Block, found: BatchResult) -> None:
    """Write the results of a block; its statuses, which say that they are there, last."""
    values = found.to_dict() | {CORRELATIONS: found._correl}
    for name in names:
        store.write(name, block, values[name])


def _result(batch: Batch, arrays: Mapping[str, Any], data: BatchInputs) -> BatchResult:
    """Return the result of all blocks."""
    values = Columns({name: arrays[name] for name in batch.names})
    stderr = Columns({name: arrays[f"{name}_stderr"] for name in batch.names})
    if "f_scale" in arrays:
        data = replace(data, f_scale=arrays["f_scale"])
    return BatchResult(values, stderr, **{name: arrays[name] for name in STATISTICS}, covar=arrays.get("covar"),
                       names=batch.varying, data=data, reason=batch.reason, _cost=arrays.get("cost"), _correl=arrays.get(CORRELATIONS))


def _part(array: Any, block: Block) -> Any:
    """Return a block's part of an array (n,), which all fits share, or (..., n)."""
    return array if array is None or array.ndim <= 1 else array[block]


def block_of(given: Inputs, block: Block) -> Inputs:
    """Return what the fits of a block are made to, in memory."""
    factors = None if given.factors is None else Factors(given.factors.name, _part(given.factors.array, block))
    y = np.asarray(given.y[block])
    where = Layout(y.shape, (y.ndim - 1,), given.layout.name)
    return given._replace(layout=where, labels=None, y=y, x={name: _part(array, block) for name, array in given.x.items()},
                          factors=factors, mask=_part(given.mask, block), origin=tuple(part.start for part in block),
                          limits=None if given.limits is None else given.limits.part(block),
                          response=None if given.response is None else given.response[block])


def starts_of(starts: Starts, block: Block) -> dict[str, Any]:
    """Return a block's part of the start values."""
    return {name: value[block] if np.ndim(value) else value for name, value in starts.items()}


class _Kept:
    """What single results need besides the arrays: starts that were found, and points that were left out, of all blocks."""

    def __init__(self, data: BatchInputs, shape: tuple[int, ...], n: int):
        self._data, self.shape, self.n = data, shape, n
        self.start: dict[str, np.ndarray] = {}
        self.mask: np.ndarray | None = None

    def add(self, block: Block, part: Inputs, found: BatchResult) -> None:
        """Keep those of a block."""
        for name, value in found.data.start.items():
            if name not in self._data.start or np.any(np.isnan(self._data.start[name])):
                self.start.setdefault(name, np.full(self.shape, np.nan))[block] = value
        if found.data.mask is not part.mask and found.data.mask is not None:
            if self.mask is None:
                self.mask = np.zeros((*self.shape, self.n), bool)
                if self._data.mask is not None:
                    self.mask[...] = self._data.mask
            self.mask[block] = found.data.mask

    def data(self) -> BatchInputs:
        """Return the data of the whole batch with them."""
        return replace(self._data, start={**self._data.start, **self.start}, mask=self._data.mask if self.mask is None else self.mask)


def fingerprint(batch: Batch, given: Inputs, starts: Starts, options: FitOptions, size: tuple[int, ...]) -> dict[str, Any]:
    """Return what tells one batch from another, as plain things: all that a resumed one must have in common with what was begun."""
    shape, data, limits = given.layout.shape, batch.data, PerFit({}, {}) if given.limits is None else given.limits
    factors = "none" if given.factors is None else f"{given.factors.name} {_digest(given.factors.array, shape)}"
    return {
        "shape": list(given.layout.whole), "axis": list(given.layout.axes), "dtype": given.y.dtype.str, "data": _digest(given.y, shape),
        "independent variable": {name: _digest(array, shape) for name, array in given.x.items()}, "weights": factors,
        "ycov": "none" if given.ycov is None else _digest(given.ycov.array, ()),
        "prior": "none" if given.prior is None else {text: [_digest(each, shape) for each in pair]
                                                     for text, *pair in zip(*given.prior, strict=True)},
        **({} if data.formula.response is None else {"response": data.formula.response.described()}),
        "bounds": {name: [_digest(each, shape) for each in box] for name, box in limits.bounds.items()},
        "vary": {name: _digest(each, shape) for name, each in limits.vary.items()},
        "mask": "none" if given.mask is None else _digest(given.mask, shape), "formula": _text(data.formula, batch.recipe),
        "parameters": _described(data.parameters), "start": {name: _digest(np.asarray(each), shape) for name, each in starts.items()},
        "options": {name: value for name in BATCH.takes if name not in ASIDE for value in [getattr(options, name)]
                    if name not in MANY or value is not None},
        "block": list(size)}


def _text(formula: Formula, recipe: str) -> str:
    """Return what a formula is, whatever it is called."""
    if formula.func is None and not formula._rows:
        text = formula.text
    elif formula.native:
        text = f"traced {sha256(repr(rows_of(formula.graph)).encode()).hexdigest()[:20]}"
    else:
        code = getattr(formula.func, "__code__", None)
        plain = [] if code is None else [each for each in code.co_consts if not hasattr(each, "co_code")]
        parts = "" if code is None else repr((code.co_code, code.co_names, plain))
        name = f"{getattr(formula.func, '__module__', '')}.{getattr(formula.func, '__qualname__', type(formula.func).__qualname__)}"
        text = f"called {name} {sha256(parts.encode()).hexdigest()[:20]}"
    return f"{recipe}: {text}" if recipe else text


def _described(params: Parameters | None) -> dict[str, Any]:
    """Return what parameters mean for a fit, by name."""
    return {name: {"value": par.value, "vary": par.vary, "min": _bound(par.min), "max": _bound(par.max), "expr": par.expr}
            for name, par in ({} if params is None else params).items()}


def _bound(bound: float | None) -> str | None:
    """Return a bound as text, which JSON has for infinities too."""
    return None if bound is None else str(bound)


def _digest(array: Any, shape: tuple[int, ...]) -> str:
    """Return a number of a small array, or of some fits' part of a large one."""
    seen = sha256(f"{array.dtype.str} {tuple(array.shape)}".encode())
    if array.ndim < max(1, len(shape)) or array.size <= SMALL:
        seen.update(np.ascontiguousarray(array).tobytes())
    else:
        for k in np.linspace(0, prod(shape) - 1, min(SAMPLES, prod(shape))).astype(np.int64):
            seen.update(np.ascontiguousarray(array[np.unravel_index(int(k), shape)]).tobytes())
    return seen.hexdigest()[:20]
