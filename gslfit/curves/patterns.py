"""Batches in which a parameter varies in some fits and is held in others: each pattern of held parameters is a batch of its own."""
from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from gslfit.curves.batch_result import STATISTICS, BatchResult, Columns
from gslfit.curves.job import Job, job_of
from gslfit.curves.not_finite import wide
from gslfit.curves.per_fit import PerFit
from gslfit.curves.progress import Interrupted
from gslfit.curves.run_batch import Report, beyond, inputs_of_result
from gslfit.curves.some_rows import inputs_at
from gslfit.data.inputs import Inputs
from gslfit.errors import FitStatus
from gslfit.minimizer.options import FitOptions

NUMBERS = 4_000_000     # of the data that are brought together at a time

Fit = Callable[[Job, Inputs, Report | None], BatchResult]


def fit_by_patterns(job: Job, given: Inputs, options: FitOptions, report: Report | None, fit: Fit) -> BatchResult:
    """Fit rows with the same parameters held side by side, and put their results back in their places.

    Parameters
    ----------
    job : Job
        A parameter that varies in any fit varies in it.
    given : Inputs
        With `limits`.
    options : FitOptions
    report : callable, optional
        Called with the number of fits done.
    fit : callable
        ``fit(job, given, report) -> BatchResult``, of a batch in which the same parameters vary in each fit.

    Raises
    ------
    Interrupted
        With what was done, if Ctrl-C ends a batch whose `on_interrupt` is "partial".
    """
    limits: PerFit = given.limits
    shape, names = given.layout.shape, limits.patterned
    held = ~np.stack([limits.vary[name].reshape(-1) for name in names])
    whole = _Whole(job, given, options)
    done, flat = 0, limits.flat()
    for pattern, rows in _groups(held, given.layout.n):
        part = inputs_at(given, np.unravel_index(rows, shape))._replace(limits=flat.part(rows)._replace(vary={}))
        own = _job(job, [name for name, out in zip(names, pattern, strict=True) if out], rows, shape)
        try:
            whole.put(rows, part, fit(own, part, report and beyond(report, done)))
        except Interrupted as stop:
            whole.put(rows, part, stop.result)
            raise Interrupted(whole.result()) from None
        done += rows.size
    return whole.result()


def _groups(held: np.ndarray, n: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield which parameters are held, (k,), and in which rows: no more at a time than memory should hold twice."""
    which = np.unique(held, axis=1, return_inverse=True)[1].reshape(-1)
    size = max(1, NUMBERS//max(1, n))
    for group in range(which.max() + 1 if which.size else 0):
        rows = np.flatnonzero(which == group)
        for low in range(0, rows.size, size):
            yield held[:, rows[0]], rows[low:low + size]


def _job(job: Job, held: list[str], rows: np.ndarray, shape: tuple[int, ...]) -> Job:
    """Return the job of rows in which some parameters are held at their starts."""
    assert job.parameters is not None
    params, starts = job.parameters.copy(), {}
    for name in held:
        params[name].vary = False
    for name, start in job.start.items():
        if params[name].expr is not None or name in job.missing:
            continue
        if np.ndim(start) == 0 and not params[name].vary:
            params[name].value = float(start)
        else:
            starts[name] = start if np.ndim(start) == 0 else np.broadcast_to(start, shape).reshape(-1)[rows]
    return job_of(job.formula, params, starts, (rows.size,))._replace(reason=job.reason)


class _Whole:
    """The arrays of all fits, filled by those of some rows."""

    def __init__(self, job: Job, given: Inputs, options: FitOptions):
        self.job, self.given, self.shape = job, given, given.layout.shape
        self.data = inputs_of_result(job, given, options)
        assert job.parameters is not None
        names = tuple(job.parameters) if job.folded is None else tuple(job.folded.roles)
        self.varying = tuple(name for name in names if job.parameters[name].vary)
        self.arrays: dict[str, np.ndarray] = {}
        self.names = names
        self.reason = job.reason
        self._new("status", np.dtype(np.int8), 0)
        self.mask: np.ndarray | None = None

    def _new(self, name: str, kind: np.dtype, blank: Any, *rest: int) -> np.ndarray:
        """Return an array of all fits by its name, made when it is first needed."""
        if name not in self.arrays:
            self.arrays[name] = np.full((int(np.prod(self.shape)), *rest), blank, kind)
        return self.arrays[name]

    def put(self, rows: np.ndarray, part: Inputs, found: BatchResult) -> None:
        """Put the results of some rows in their places."""
        for name in self.names:
            self._new(f"value:{name}", np.dtype(float), np.nan)[rows] = found.values[name]
            self._new(f"error:{name}", np.dtype(float), np.nan)[rows] = found.stderr[name]
        for name in STATISTICS:
            own = getattr(found, name)
            self._new(name, own.dtype, np.nan if own.dtype.kind == "f" else int(FitStatus.NOT_RUN))[rows] = own
        if found._cost is not None:
            self._new("cost", np.dtype(float), np.nan)[rows] = found._cost
        if found.data.f_scale is not None:
            self._new("f_scale", np.dtype(float), 1.0)[rows] = found.data.f_scale
        if found.covar is not None:
            p = len(self.varying)
            here = np.array([self.varying.index(name) for name in found.names], int)
            covar = np.zeros((rows.size, p, p))
            covar[np.ix_(np.arange(rows.size), here, here)] = found.covar
            covar[np.isin(found.status, (FitStatus.NOT_RUN, FitStatus.BAD_DATA, FitStatus.TOO_FEW_POINTS))] = np.nan
            self._new("covar", np.dtype(float), np.nan, p, p)[rows] = covar
        for name in self.job.missing:
            self._new(f"start:{name}", np.dtype(float), np.nan)[rows] = found.data.start[name]
        if found.data.mask is not None and found.data.mask is not part.mask:
            self._leave_out(rows, found.data.mask)
        self.reason = self.reason or found.reason

    def _leave_out(self, rows: np.ndarray, mask: np.ndarray) -> None:
        """Take over the points that were left out as the model is not finite there."""
        if self.mask is None:
            self.mask = wide(self.given.mask, self.given.y.shape)
        self.mask[np.unravel_index(rows, self.shape)] = mask

    def result(self) -> BatchResult:
        """Return the result of all fits."""
        arrays = {name: each.reshape(*self.shape, *each.shape[1:]) for name, each in self.arrays.items()}
        started = {name.removeprefix("start:"): each for name, each in arrays.items() if name.startswith("start:")}
        data = replace(self.data, start={**self.data.start, **started}, f_scale=arrays.get("f_scale"),
                       mask=self.data.mask if self.mask is None else self.mask)
        return BatchResult(Columns({name: arrays[f"value:{name}"] for name in self.names}),
                           Columns({name: arrays[f"error:{name}"] for name in self.names}), **{name: arrays[name] for name in STATISTICS},
                           covar=arrays.get("covar"), names=self.varying, data=data, reason=self.reason, _cost=arrays.get("cost"))
