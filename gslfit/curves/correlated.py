"""Batches whose points have correlated errors: in the lanes, rows in which the same points take part side by side.

The lanes whiten all points of a fit at once, so a row without some of its points has a triangle of its own, and so a batch of its own with
the rows that lack the same ones.
"""
from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gslfit.curves._batch import MOST_CORRELATED
from gslfit.curves.batch_result import BatchResult
from gslfit.curves.gathering import Whole, of_rows, of_some, parts
from gslfit.curves.job import Job
from gslfit.curves.not_finite import spoilt_by_model
from gslfit.curves.progress import Interrupted
from gslfit.curves.run_batch import Report, beyond, run_batch
from gslfit.data.inputs import Inputs
from gslfit.data.layout import Layout
from gslfit.minimizer.options import FitOptions


def fits_lanes(job: Job, given: Inputs, options: FitOptions) -> bool:
    """Return whether the lanes can fit data with correlated errors: by least squares, and of so many points."""
    plain = job.folded is not None and options.loss == "linear" and given.y.shape[-1] <= MOST_CORRELATED
    return plain and (options.nan_policy != "raise" or _kept(given, options) is None)


def fit_correlated(job: Job, given: Inputs, options: FitOptions, report: Report | None) -> BatchResult:
    """Fit data with correlated errors.

    Parameters
    ----------
    job : Job
    given : Inputs
        With `ycov`.
    options : FitOptions
    report : callable, optional
        Called with the number of fits done.

    Raises
    ------
    Interrupted
        With what was done, if Ctrl-C ends a batch whose `on_interrupt` is "partial".
    """
    keep = _kept(given, options)
    told = options if options.nan_policy == "raise" else options._replace(nan_policy="mark")
    if keep is None and options.nan_policy != "omit":
        return run_batch(job, given, told, report)
    whole = Whole(job, given, options)
    if keep is None:
        whole.put(np.arange(whole.arrays["status"].size), run_batch(job, given, told, report))
    else:
        _by_points(whole, np.arange(whole.arrays["status"].size), keep, told, report)
    if options.nan_policy == "omit":
        _without_poles(whole, keep, told)
    return whole.result()


def _by_points(whole: Whole, rows: np.ndarray, keep: np.ndarray, told: FitOptions, report: Report | None = None) -> None:
    """Fit rows in which the same points take part, (n,) or (rows, n), side by side."""
    job, given, done = whole.job, whole.given, 0
    for some, points in _groups(keep, rows.size):
        part = _of_points(of_rows(given, rows[some]), points)
        try:
            found = run_batch(of_some(job, rows[some], given.layout.shape), part, told, report and beyond(report, done))
        except Interrupted as stop:
            whole.put(rows[some], stop.result)
            raise Interrupted(whole.result()) from None
        whole.put(rows[some], found)
        done += some.size


def _without_poles(whole: Whole, keep: np.ndarray | None, told: FitOptions) -> None:
    """Fit rows again without the points where the model isn't finite at their start values."""
    job, given = whole.job, whole.given
    folded, shape = job.folded, given.layout.shape
    assert folded is not None
    starts, inputs = ([np.asarray(job.start[name], float) for name in names] for names in (folded.names, folded.inputs))
    rows, poles = spoilt_by_model(folded, given.y, list(given.x.values()), starts, inputs, whole.arrays["status"].reshape(shape))
    rows, poles = rows[poles.any(axis=1)], poles[poles.any(axis=1)]
    if not rows.size:
        return
    kept = np.ones(poles.shape[-1], bool) if keep is None else keep if keep.ndim == 1 else keep.reshape(-1, keep.shape[-1])[rows]
    _by_points(whole, rows, kept & ~poles, told)
    mask = of_rows(given, rows).mask
    whole.leave_out(rows, poles if mask is None else poles | mask)


def _kept(given: Inputs, options: FitOptions) -> np.ndarray | None:
    """Return which points take part, (n,) or (..., n); None for all of them."""
    out = given.left_out()
    if options.nan_policy == "omit":
        for array in (given.y, *given.x.values()):
            bad = ~np.isfinite(array)
            if bad.any():
                out = bad if out is None else out | bad
    if out is None or not out.any():
        return None
    return ~(out if out.ndim == 1 else np.broadcast_to(out, given.y.shape))


def _groups(keep: np.ndarray, count: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield numbers of rows, of so many, and which points take part in each of them, (n,)."""
    n = keep.shape[-1]
    if keep.ndim == 1:
        patterns, which = keep[None], np.zeros(count, int)
    else:
        patterns, which = np.unique(keep.reshape(-1, n), axis=0, return_inverse=True)
    for k, points in enumerate(patterns):
        for rows in parts(np.flatnonzero(which.reshape(-1) == k), n):
            yield rows, points


def _of_points(given: Inputs, points: np.ndarray) -> Inputs:
    """Return the data of some of the points."""
    factors, ycov = given.factors, given.ycov
    assert ycov is not None
    if factors is not None and factors.array.ndim:
        factors = factors._replace(array=np.ascontiguousarray(factors.array[..., points]))
    y = np.ascontiguousarray(given.y[..., points])
    x = {name: np.ascontiguousarray(each[..., points]) for name, each in given.x.items()}
    return given._replace(layout=Layout(y.shape, (y.ndim - 1,), given.layout.name), y=y, x=x, factors=factors,
                          mask=None, ycov=ycov.part(points[:len(ycov.array)]))
