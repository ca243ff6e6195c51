"""Batches in which a parameter varies in some fits and is held in others: each pattern of held parameters is a batch of its own."""
from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from gslfit.curves.batch_result import BatchResult
from gslfit.curves.gathering import Whole, of_rows, parts
from gslfit.curves.job import Job, job_of
from gslfit.curves.per_fit import PerFit
from gslfit.curves.progress import Interrupted
from gslfit.curves.run_batch import Report, beyond
from gslfit.data.inputs import Inputs
from gslfit.minimizer.options import FitOptions

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
    whole = Whole(job, given, options)
    done = 0
    for pattern, rows in groups(held, given.layout.n):
        part = of_rows(given, rows, vary=False)
        own = _job(job, [name for name, out in zip(names, pattern, strict=True) if out], rows, shape)
        try:
            whole.put(rows, fit(own, part, report and beyond(report, done)), options.nan_policy == "omit")
        except Interrupted as stop:
            whole.put(rows, stop.result)
            raise Interrupted(whole.result()) from None
        done += rows.size
    return whole.result()


def groups(held: np.ndarray, n: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield which parameters are held, (k,), and in which rows."""
    which = np.zeros(held.shape[1], np.int64)
    for row in held:
        which = np.unique(2*which + row, return_inverse=True)[1].reshape(-1)
    for group in range(which.max() + 1 if which.size else 0):
        rows = np.flatnonzero(which == group)
        for some in parts(rows, n):
            yield held[:, rows[0]], some


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
