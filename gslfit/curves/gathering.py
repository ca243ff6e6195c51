"""Rows of a batch that are fitted apart, as batches of their own, and their results in the places of all of them."""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from gslfit.curves import not_finite
from gslfit.curves.batch_result import STATISTICS, BatchResult, Columns
from gslfit.curves.job import Job, template
from gslfit.curves.run_batch import inputs_of_result
from gslfit.curves.some_rows import WITHOUT, inputs_at, job_at
from gslfit.data.inputs import Inputs
from gslfit.data.layout import Layout
from gslfit.errors import FitStatus
from gslfit.minimizer.options import FitOptions

NUMBERS = 4_000_000     # of the data that are brought together at a time


def parts(rows: np.ndarray, n: int) -> Iterator[np.ndarray]:
    """Yield rows of n points, no more at a time than memory should hold twice."""
    size = max(1, NUMBERS//max(1, n))
    for low in range(0, rows.size, size):
        yield rows[low:low + size]


def of_rows(given: Inputs, rows: np.ndarray, vary: bool = True) -> Inputs:
    """Return what some of the fits are made to, as a batch with one axis; without what varies in each, if not `vary`."""
    if not given.layout.shape:
        given = given._replace(layout=Layout((1, given.layout.n), (1,), given.layout.name), y=given.y[None], places=np.zeros((1, 0), int))
    part = inputs_at(given, np.unravel_index(rows, given.layout.shape))
    return part if vary or part.limits is None else part._replace(limits=part.limits._replace(vary={}))


def of_some(job: Job, rows: np.ndarray, shape: tuple[int, ...]) -> Job:
    """Return the job of some of the rows of a batch."""
    return job if not shape else job_at(job, np.unravel_index(rows, shape), {})


class Whole:
    """The arrays of all fits of a batch, filled by those of some rows.

    Parameters
    ----------
    job : Job
    given : Inputs
    options : FitOptions

    Attributes
    ----------
    arrays : dict of str to ndarray, shape (fits, ...)
    """

    def __init__(self, job: Job, given: Inputs, options: FitOptions):
        self.job, self.given, self.shape = job, given, given.layout.shape
        self.data = inputs_of_result(job, given, options)
        params = template(job)
        names = tuple(params) if job.folded is None else tuple(job.folded.roles)
        self.varying = tuple(name for name in names if params[name].vary)
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

    def put(self, rows: np.ndarray, found: BatchResult, wide: bool = False) -> None:
        """Put the results of some rows in their places.

        Parameters
        ----------
        rows : ndarray of int
        found : BatchResult
        wide : bool
            Whether its mask may have points more, at which the model isn't finite.
        """
        for name in self.names:
            self._new(f"value:{name}", np.dtype(float), np.nan)[rows] = np.reshape(found.values[name], -1)
            self._new(f"error:{name}", np.dtype(float), np.nan)[rows] = np.reshape(found.stderr[name], -1)
        for name in STATISTICS:
            own = np.reshape(getattr(found, name), -1)
            self._new(name, own.dtype, np.nan if own.dtype.kind == "f" else int(FitStatus.NOT_RUN))[rows] = own
        if found._cost is not None:
            self._new("cost", np.dtype(float), np.nan)[rows] = np.reshape(found._cost, -1)
        if found.data.f_scale is not None:
            self._new("f_scale", np.dtype(float), 1.0)[rows] = np.reshape(found.data.f_scale, -1)
        if found._correl is not None:
            p = len(self.varying)
            here = np.array([self.varying.index(name) for name in found.names], int)
            correl = np.zeros((rows.size, p, p))
            correl[np.ix_(np.arange(rows.size), here, here)] = np.reshape(found._correl, (rows.size, here.size, here.size))
            correl[np.isin(np.reshape(found.status, -1), WITHOUT)] = np.nan
            self._new("correl", np.dtype(float), np.nan, p, p)[rows] = correl
        for name in self.job.missing:
            self._new(f"start:{name}", np.dtype(float), np.nan)[rows] = found.data.start[name]
        if wide and found.data.mask is not None:
            self.leave_out(rows, found.data.mask)
        self.reason = self.reason or found.reason

    def leave_out(self, rows: np.ndarray, mask: np.ndarray) -> None:
        """Take over the points that were left out as the model is not finite there."""
        if self.mask is None:
            self.mask = not_finite.wide(self.given.mask, self.given.y.shape)
        self.mask.reshape(-1, mask.shape[-1])[rows] = mask

    def result(self) -> BatchResult:
        """Return the result of all fits."""
        arrays = {name: each.reshape(*self.shape, *each.shape[1:]) for name, each in self.arrays.items()}
        started = {name.removeprefix("start:"): each for name, each in arrays.items() if name.startswith("start:")}
        data = replace(self.data, start={**self.data.start, **started}, f_scale=arrays.get("f_scale"),
                       mask=self.data.mask if self.mask is None else self.mask)
        return BatchResult(Columns({name: arrays[f"value:{name}"] for name in self.names}),
                           Columns({name: arrays[f"error:{name}"] for name in self.names}), **{name: arrays[name] for name in STATISTICS},
                           covar=None, names=self.varying, data=data, reason=self.reason, _cost=arrays.get("cost"),
                           _correl=arrays.get("correl"))
