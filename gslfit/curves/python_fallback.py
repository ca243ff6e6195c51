"""The slow way of a batch: a formula without a program, or an expression without a derivative, by calls of Python.

Rows go by chunks: those of one chunk together, where the function broadcasts (`gslfit.curves.together`), and one by one where it doesn't,
or where the fit of one is not plain. Chunks go to other threads or processes where the caller has some (`gslfit.curves.workers`).
"""
from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import islice
from typing import Any

import numpy as np

from gslfit.curves.batch_result import BatchInputs, BatchResult, Columns
from gslfit.curves.not_finite import wide
from gslfit.curves.progress import Interrupted
from gslfit.curves.row_fit import Row, RowEnd, fit_row, row_of
from gslfit.curves.together import Together, fit_together, together
from gslfit.curves.workers import run
from gslfit.data.inputs import Inputs
from gslfit.data.model_values import ComplexModelError
from gslfit.data.points import moved
from gslfit.errors import InputError
from gslfit.formula.formula import Formula
from gslfit.minimizer.options import FitOptions
from gslfit.objective.loss import ROBUST
from gslfit.parameters.collection import Parameters
from gslfit.records import Record

CHUNK = 200_000         # numbers of the data of a chunk of rows that are fitted together
SHARE = 64              # rows of a chunk that others fit one by one, at most


class Chunk(Record):
    """Rows to be fitted somewhere: all that it takes, so that it can be sent to another process."""

    formula: Formula
    params: Parameters
    options: FitOptions
    rows: Iterable[Row]
    how: Together | None


def fit_chunk(chunk: Chunk, ends: list[RowEnd] | None = None, tell: Callable[[int], Any] | None = None) -> list[RowEnd]:
    """Fit rows, together or one by one, and return how they ended.

    Parameters
    ----------
    chunk : Chunk
    ends : list of RowEnd, optional
        Where what is done is put as it comes.
    tell : callable, optional
        Called with the number of rows that are done.
    """
    ends = [] if ends is None else ends
    settled: dict[int, RowEnd] = {}
    rows: Iterable[Row] = chunk.rows
    if chunk.how is not None:
        rows = list(chunk.rows)
        with suppress(ComplexModelError):       # which says no more than that all of these are complex at their starts
            settled = fit_together(chunk.how, rows, chunk.options)
    for k, row in enumerate(rows):
        ends.append(settled[k] if k in settled else fit_row(chunk.formula, row, chunk.params, chunk.options))
        if tell is not None:
            tell(len(ends))
    return ends


def fit_slowly(formula: Formula, given: Inputs, params: Parameters, start: Mapping[str, np.ndarray | float], options: FitOptions, *,
               reason: str, report: Callable[[int], Any] | None = None) -> BatchResult:
    """Fit each curve by `gslfit.minimize`, the model called from Python, or several together where it broadcasts.

    Parameters
    ----------
    formula : Formula
    given : Inputs
    params : Parameters
        A template.
    start : mapping of str to float, or ndarray of shape () or (...)
        Start values.
    options : FitOptions
    reason : str
        Why there is no program.
    report : callable, optional
        Called with the number of fits done.

    Returns
    -------
    BatchResult

    Raises
    ------
    InputError
        If the function is one that no row can be fitted with: None or another shape returned; or if it can't be sent to the workers.
    Interrupted
        With what was done, if Ctrl-C ends a batch whose `on_interrupt` is "partial".
    """
    weights, inverted = (None, False) if given.factors is None else (given.factors.array, given.factors.inverted)
    data = BatchInputs(formula, tuple(given.x.values()), given.y, weights, inverted, params, dict(start), options.method, given.mask,
                       given.layout, given.labels, options.scale_covar, options.loss, ycov=given.ycov,
                       limits=given.limits)
    places = list(np.ndindex(given.layout.shape))
    how = together(formula, params, data, places, options)
    size = max(1, CHUNK//max(1, given.layout.n)) if how is not None else SHARE if options.workers is not None else len(places)
    if options.workers is not None:
        size = max(1, min(size, -(-len(places)//16)))
    ends: list[RowEnd] = []
    interrupted = False
    try:
        blank = Chunk(formula, params, options._replace(workers=None), (), how)     # without the workers: these can't be sent to themselves
        run(_chunks(blank, data, places, size, options.workers is None, given.first(0)), fit_chunk, options.workers, ends, report)
    except KeyboardInterrupt:
        if options.on_interrupt == "raise":
            raise
        interrupted = True
    refused = [end.refused for end in ends if end.refused is not None]
    if refused and not any(end.values for end in ends):
        raise refused[0]
    result = _result(data, params, places, ends, options, reason)
    if interrupted:
        raise Interrupted(result)
    return result


def _chunks(blank: Chunk, data: BatchInputs, places: list[tuple[int, ...]], size: int, here: bool, first: Any) -> Iterator[Chunk]:
    """Yield the rows in chunks, one by one as they are asked for where they are fitted here; `first` is where they are in the batch."""
    rest = iter(places)
    while some := list(islice(rest, size)):
        rows = (_row(data, place, blank.options.nan_policy, first) for place in some)
        yield blank._replace(rows=rows if here else list(rows))


def _row(data: BatchInputs, place: tuple[int, ...], policy: str, first: Any) -> Row:
    """Return one curve; an error of its numbers says which fit it is."""
    try:
        return row_of(data, place, policy)
    except InputError as error:
        if not place:
            raise
        raise type(error)(f"fit {', '.join(map(str, moved(place, first)))}: {error}") from None


def _result(data: BatchInputs, params: Parameters, places: list[tuple[int, ...]], ends: list[RowEnd], options: FitOptions,
            reason: str) -> BatchResult:
    """Return the result of a batch from the ends of its first rows; the others have not run."""
    assert data.layout is not None
    shape, names = data.layout.shape, tuple(name for name, parameter in params.items() if parameter.vary)
    count, p = len(places), len(names)
    values, stderr = np.full((len(params), count), np.nan), np.full((len(params), count), np.nan)
    correlations = np.full((count, p, p), np.nan) if options.covar else None
    found = {name: np.full(count, np.nan) for name in ("chisqr", "redchi", "gradient")}
    costs, scales = np.full(count, np.nan), np.ones(count)
    counted = {name: np.zeros(count, kind) for name, kind in (("nfev", np.int32), ("ndata", np.int64), ("status", np.int8))}
    mask: np.ndarray | None = None
    for k, end in enumerate(ends):
        counted["status"][k], counted["ndata"][k], counted["nfev"][k] = end.status, end.ndata, end.nfev
        found["chisqr"][k], found["redchi"][k] = end.chisqr, end.redchi
        costs[k], scales[k] = end.cost, end.f_scale
        if end.values:
            values[:, k], stderr[:, k] = end.values, end.stderr
        if correlations is not None and end.correl is not None:
            correlations[k] = end.correl
        if end.dropped is not None:
            assert data.y is not None
            mask = wide(data.mask, data.y.shape) if mask is None else mask
            mask[places[k]][end.dropped] = True
    data.mask = data.mask if mask is None else mask
    data.f_scale = scales.reshape(shape) if options.loss in ROBUST else None
    all_values = {name: each.reshape(shape) for name, each in zip(params, values, strict=True)}
    all_errors = {name: each.reshape(shape) for name, each in zip(params, stderr, strict=True)}
    return BatchResult(Columns(all_values), Columns(all_errors), **{name: each.reshape(shape) for name, each in found.items()},
                       **{name: each.reshape(shape) for name, each in counted.items()},
                       covar=None, names=names, data=data, reason=reason, _cost=costs.reshape(shape) if options.loss in ROBUST else None,
                       _correl=None if correlations is None else correlations.reshape(*shape, p, p))
