"""Some rows of a batch: as a batch of their own, and what becomes of their results."""
from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from gslfit.curves.batch_result import STATISTICS, BatchResult
from gslfit.curves.job import Job, template
from gslfit.curves.losses import near_one, sizes
from gslfit.curves.not_finite import wide
from gslfit.data.inputs import Factors, Inputs
from gslfit.data.layout import Layout, rows_at
from gslfit.errors import FitStatus
from gslfit.minimizer.options import FitOptions
from gslfit.objective.loss import Loss
from gslfit.objective.units import unit_of

WITHOUT = (FitStatus.NOT_RUN, FitStatus.BAD_DATA, FitStatus.TOO_FEW_POINTS)     # endings without a result
Run = Callable[[Job, Inputs, FitOptions, Any], BatchResult]
Places = tuple[np.ndarray, ...]         # of some rows in a batch, an index array for each of its axes


def inputs_at(given: Inputs, places: Places) -> Inputs:
    """Return what some of the fits are made to, as a batch with one axis."""
    shape = given.layout.shape
    part = partial(rows_at, places=places)
    y = given.y[places]
    factors = None if given.factors is None else Factors(given.factors.name, part(given.factors.array))
    names = np.stack(places, axis=1) + np.array(given.origin or (0,)*len(shape)) if given.places is None else given.places[places[0]]
    prior = None if given.prior is None else given.prior.block(given).of_rows(places)
    x = {name: part(each) for name, each in given.x.items()}
    return given._replace(layout=Layout(y.shape, (1,), given.layout.name), labels=None, y=y, x=x, factors=factors, mask=part(given.mask),
                          origin=(), places=names, prior=prior, limits=None if given.limits is None else given.limits.part(places),
                          response=None if given.response is None else given.response[places])


def within(job: Job, given: Inputs, starts: Mapping[str, Any]) -> dict[str, Any]:
    """Return other start values as each fit may have them: inside its own bounds, and what it holds as it is."""
    limits, params = given.limits, template(job)
    if limits is None:
        return dict(starts)
    found = dict(starts)
    for name in starts:
        if name in limits.vary:
            found[name] = np.where(limits.vary[name], starts[name], job.start[name])
        if name in limits.bounds or name in limits.vary:
            found[name] = limits.within(params[name], np.asarray(found[name], float))
    return found


def starts_at(start: Mapping[str, Any], places: Places) -> dict[str, Any]:
    """Return the start values of some rows."""
    return {name: value if np.ndim(value) == 0 else np.asarray(value)[places] for name, value in start.items()}


def job_at(job: Job, places: Places, start: Mapping[str, Any]) -> Job:
    """Return the job of some rows, some of whose start values, (m,), are others."""
    return job._replace(start={**starts_at(job.start, places), **start}, missing=tuple(name for name in job.missing if name not in start))


def costs(found: BatchResult) -> np.ndarray:
    """Return what each fit of a batch minimised, in `units_of` its data; infinite where there is no result."""
    cost, without, unit = np.array(found.cost, float), np.isin(found.status, WITHOUT), units_of(found)
    far = (unit != 1) & ~without
    if far.any():
        cost[far] = _costs_in(unit[far], found, np.nonzero(far) if far.ndim else ())
    return np.where(without | ~np.isfinite(cost), np.inf, cost)


def units_of(found: BatchResult) -> np.ndarray:
    """Return in which unit the residuals of each fit of a batch have squares in range: ndarray (...), mostly 1."""
    data = found.data
    if data.y is None or data.ycov is not None or data.loss == "poisson":
        return np.ones(found.shape)
    how = {"weights": data.weights, "errors": data.inverted, "mask": data.mask}
    if near_one(data.y, how):
        return np.ones(found.shape)
    size = sizes(data.y, how, data.loss, 1.0 if data.f_scale is None else data.f_scale)
    return np.broadcast_to(unit_of(size), found.shape)


def _costs_in(unit: np.ndarray, found: BatchResult, places: Any) -> np.ndarray:
    """Return what the fits at some places, of a batch that has its data, minimised, in a unit each."""
    data = found.data
    part = partial(rows_at, places=places)
    assert data.y is not None
    x = {name: part(array) for name, array in zip(data.formula.independent, data.x, strict=True)}
    known = np.isfinite(data.y[places]) & np.logical_and.reduce([np.isfinite(each) for each in x.values()])
    known = known if data.mask is None else known & ~part(data.mask)
    with np.errstate(all="ignore"):
        values = {name: np.asarray(found.values[name])[places][..., None] for name in data.formula.names}
        rest = np.abs(data.formula.at(places)(**x, **values) - data.y[places])
        if data.weights is not None:
            rest = rest/part(data.weights) if data.inverted else rest*part(data.weights)
        rest = np.where(known, rest, 0.0).reshape(unit.size, -1)/unit[:, None]
        if data.loss == "linear":
            return .5*np.einsum("kn,kn->k", rest, rest)
        scale = (np.ones(unit.size) if data.f_scale is None else np.broadcast_to(data.f_scale, found.shape)[places].reshape(-1))/unit
        return np.array([Loss(data.loss, own).cost(row) for own, row in zip(scale.tolist(), rest, strict=True)])


def put(result: BatchResult, some: BatchResult, places: Places, better: np.ndarray) -> None:
    """Put the results of some rows in the place of those of a batch, and count the evaluations of all of them.

    Parameters
    ----------
    result : BatchResult
        Of the batch; changed.
    some : BatchResult
        Of the rows at `places`, one after another.
    places : tuple of ndarray
    better : ndarray of bool, shape (m,)
        Which of them are put.
    """
    spent = result.nfev[places] + some.nfev
    here = tuple(axis[better] for axis in places)
    pairs = [(getattr(result, name), getattr(some, name)) for name in (*STATISTICS, "_cost", "_correl")]
    pairs += [(result.data.f_scale, some.data.f_scale)]
    pairs += [(mine[name], theirs[name]) for mine, theirs in ((result.values, some.values), (result.stderr, some.stderr)) for name in mine
              if mine[name].flags.writeable]
    for array, new in pairs:
        if array is not None:
            array[here] = new[better]
    result.nfev[places] = spent
    for name in result.names:
        start = np.array(np.broadcast_to(result.data.start[name], result.shape), float)
        start[here] = np.broadcast_to(some.data.start[name], some.shape)[better]
        result.data.start[name] = start
    mask = some.data.mask
    if mask is not None and mask.ndim > 1 and result.data.y is not None:
        result.data.mask = wide(result.data.mask, result.data.y.shape)
        result.data.mask[here] = mask[better]


def with_refits(found: BatchResult, job: Job, given: Inputs, options: FitOptions, run: Run) -> BatchResult:
    """Return fits that the lanes alone tried, those refitted that they had no number of though the data are numbers: squares of derivatives
    may be out of the range of numbers, which GSL's solvers go without. The result is changed.

    Parameters
    ----------
    found : BatchResult
    job, given
        What it is the result of.
    options : FitOptions
        With the method of the refits.
    run : callable
        ``run(job, given, options, None)``: the fit of a batch.
    """
    bad = np.asarray(found.status) == FitStatus.BAD_DATA
    if options.method == "lanes" or not bad.any():
        return found
    known = np.isfinite(given.y[bad])
    bad[bad] = known.any(axis=-1) if options.nan_policy == "omit" else known.all(axis=-1)
    places = np.nonzero(bad)
    if places[0].size:
        some = run(job_at(job, places, {}), inputs_at(given, places), options, None)
        put(found, some, places, some.status != FitStatus.BAD_DATA)
    return found
