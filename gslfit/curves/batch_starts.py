"""`starts=` of a batch: many starts for each row, for the rows that are in doubt, or those of the fits around.

Each start is tried for all rows at once, roughly; the few that led lowest, and not to the same end, are fitted to the end, and the lowest
minimum counts. The neighbours of a map are those of a pixel along each axis. A sweep fits each pixel from where its neighbours were before
it, all at once, so that the order of rows and axes is of no matter, and takes the lowest end; after the first, only neighbours that have
changed are asked. Every change lowers a chi-square, or turns a failure into a success: so it ends.
"""
from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from gslfit.curves.batch_result import STATISTICS, BatchResult, Columns
from gslfit.curves.job import Job, template
from gslfit.curves.some_rows import WITHOUT, Places, Run, costs, inputs_at, job_at, put, units_of, with_refits, within
from gslfit.data.inputs import Inputs
from gslfit.data.layout import Layout
from gslfit.errors import InputError
from gslfit.minimizer import descents, multistart
from gslfit.minimizer.descents import boxes_of
from gslfit.minimizer.multistart import AROUND, FEW, IMPROBABLE, IS_UNFINISHED, LOWER, SAME_DATA
from gslfit.minimizer.options import NEIGHBOURS, FitOptions

ROUGH = 30              # evaluations of a rough descent
CHUNK = 10_000_000      # numbers of the data of rows that are fitted again at once
Report = Callable[[int], Any]


def fit_many(job: Job, given: Inputs, options: FitOptions, report: Report | None, run: Run) -> BatchResult:
    """Fit a batch as `starts` and `ranges` ask for.

    Parameters
    ----------
    job : Job
    given : Inputs
    options : FitOptions
    report : callable or None
        Told how many fits are done, those from the best starts.
    run : callable
        ``run(job, given, options, report)``: the fit of a batch from one start each.

    Raises
    ------
    InputError
        If there is nowhere to place starts, or a fit has no neighbours.
    """
    asked, plain = options.starts, options._replace(starts=None, ranges=None)
    if not given.layout.shape:
        if asked == NEIGHBOURS:
            raise InputError("starts='neighbours' is for maps, and this is a single fit")
        one = given._replace(layout=Layout((1, given.layout.n), (1,), given.layout.name), labels=None, y=given.y[None])
        return _single(fit_many(job, one, options, report, run), given)
    if isinstance(asked, int) or job.unset or (options.ranges is not None and asked != "auto"):
        result = from_many(job, given, plain, multistart.count_of(options), report, run)
    else:
        result = run(job, given, plain, report)
        if asked == "auto":
            _refit_doubtful(job, given, plain, result, run)
    if asked == NEIGHBOURS:
        from_neighbours(job, given, plain, result, run)
    return result


def _single(result: BatchResult, given: Inputs) -> BatchResult:
    """Return the result of a batch of one fit without its axis."""
    def of(array: Any) -> Any:
        return array if array is None else array.reshape(array.shape[1:])
    new: dict[str, Any] = {name: of(getattr(result, name)) for name in (*STATISTICS, "_cost", "_correl")}
    mask = result.data.mask
    data = replace(result.data, y=given.y, x=tuple(given.x.values()), layout=given.layout, labels=given.labels,
                   f_scale=of(result.data.f_scale),
                   start={name: of(value) if np.ndim(value) else value for name, value in result.data.start.items()},
                   mask=mask if mask is None or mask.ndim < 2 else mask[0])
    return replace(result, covar=None, values=Columns({name: of(value) for name, value in result.values.items()}),
                   stderr=Columns({name: of(value) for name, value in result.stderr.items()}), data=data, **new)


# -- many starts for each row


def from_many(job: Job, given: Inputs, options: FitOptions, count: int, report: Report | None, run: Run,
              strict: bool = True) -> BatchResult:
    """Fit each row from many starts, and return the lowest minimum of each; if there is nowhere to place them, `strict` refuses."""
    shape = given.layout.shape
    cost, settled, outside = np.full((FEW, *shape), np.inf), np.zeros((FEW, *shape), bool), np.zeros((FEW, *shape), int)
    starts: dict[str, np.ndarray] = {}
    told = forgiving(options)._replace(method="lanes", max_nfev=ROUGH, covar=False)
    if job.folded is None or given.ycov is not None:
        told = told._replace(method=options.method, max_nfev=descents.ROUGH*(1 + len(boxes_of(template(job)))))
    places = job.places or _around(job)
    for place in jobs_of(job, given, count, strict):
        found = with_refits(run(place, given, told, None), place, given, told._replace(method=options.method), run)
        ends, good = costs(found), found.success
        ends = np.where(good | IS_UNFINISHED[found.status], ends, np.inf)
        new = {name: np.array(np.broadcast_to(found.data.start[name], shape), float) for name in found.names}
        _keep(cost, [settled, outside], starts, ends, [good, _outside(found, places)], new)
    result = run(_job_from(job, starts, 0), given, options, report)
    _finish(job, given, options, result, cost, settled, starts, run)
    return result


def jobs_of(job: Job, given: Inputs, count: int, strict: bool = True) -> Iterator[Job]:
    """Yield the job of each start, the caller's own first.

    Raises
    ------
    InputError
        If there is nowhere to place them, and `strict`.
    """
    boxes = boxes_of(template(job))
    names = tuple(boxes)
    fixed = {*job.places, *(() if given.limits is None else given.limits.patterned)}      # or held, in some fits
    linear = () if job.folded is None else job.folded.linearity.together(each for each in names if each not in fixed)
    free = tuple(name for name in linear if name not in fixed)
    if not job.unset:
        yield job
    if len(free) == len(names):         # there is but one minimum
        return
    if job.places:
        units = multistart.points(job.places, count - (not job.unset))
        placed: dict[str, Any] = {name: list(values) for name, values in units.items()}
    else:
        units = multistart.points(dict.fromkeys((name for name in _around(job) if name not in free), (1/AROUND, AROUND)), count - 1)
        placed = {name: [np.clip(np.asarray(job.start[name], float)*factor, *boxes[name]) for factor in u.tolist()]
                  for name, u in units.items()}
    if not placed:
        if count <= 1 or not strict:
            return
        raise multistart.nowhere(count)
    for k in range(count - (not job.unset)):
        own = {name: values[k] for name, values in placed.items()}
        yield job._replace(start={**job.start, **dict.fromkeys(free, np.nan), **within(job, given, own)}, missing=free)


def _around(job: Job) -> dict[str, tuple[Any, Any]]:
    """Return the ranges around the starts of each row, from a tenth to ten times it, of parameters whose starts aren't all 0 or missing."""
    found = {}
    for name in boxes_of(template(job)):
        start = np.asarray(job.start[name], float)
        if name not in job.missing and np.any(start != 0):
            found[name] = np.minimum(start/AROUND, start*AROUND), np.maximum(start/AROUND, start*AROUND)
    return found


def _outside(found: BatchResult, places: Mapping[str, tuple[Any, Any]]) -> np.ndarray:
    """Return how many parameters of each fit ended outside their ranges: ndarray of int (...)."""
    count = np.zeros(found.shape, int)
    with np.errstate(invalid="ignore"):
        for name, (low, high) in places.items():
            count += (found.values[name] < low) | (found.values[name] > high)
    return count


def _keep(cost: np.ndarray, beside: list[np.ndarray], starts: dict[str, np.ndarray], ends: np.ndarray, theirs: list[np.ndarray],
          new: dict[str, np.ndarray]) -> None:
    """Keep the few lowest ends of each row, the lowest first, and of those that are equally low the one inside the ranges.

    Parameters
    ----------
    cost : ndarray, shape (k, ...)
        Of the ends kept.
    beside : list of ndarray, shape (k, ...)
        Whether these are minima, and how many parameters are outside.
    starts : dict of str to ndarray, shape (k, ...)
        Where they began.
    ends, theirs, new
        The same of other ends, shape (...).
    """
    for name, value in new.items():
        starts.setdefault(name, np.broadcast_to(value, cost.shape).copy())
    kept = [cost, *beside, *(starts[name] for name in new)]
    other = [np.array(each) for each in (ends, *theirs, *new.values())]
    left = np.isfinite(other[0])
    for rank in range(len(cost)):
        with np.errstate(invalid="ignore"):
            same = left & (np.abs(cost[rank] - other[0]) <= LOWER*other[0])
        better = left & np.where(same, other[2] < beside[1][rank], other[0] < cost[rank])
        for mine, theirs_ in zip(kept, other, strict=True):
            mine[rank], theirs_[...] = np.where(better, theirs_, mine[rank]), np.where(better, mine[rank], theirs_)
        left &= ~same & np.isfinite(other[0])
        if not left.any():
            return


def _job_from(job: Job, starts: dict[str, np.ndarray], rank: int) -> Job:
    """Return a job that begins at some of the starts kept."""
    return job._replace(start={**job.start, **{name: value[rank] for name, value in starts.items()}}, missing=())


def _finish(job: Job, given: Inputs, options: FitOptions, result: BatchResult, cost: np.ndarray, settled: np.ndarray,
            starts: dict[str, np.ndarray], run: Run) -> None:
    """Fit rows from further starts whose rough descents came to no end, or where the best start led to no minimum."""
    for rank in range(1, len(cost)):
        open_ = np.isfinite(cost[rank]) & (~settled[rank] | ~result.success)
        if open_.any():
            places = np.nonzero(open_)
            _try(job, given, options, result, places, {name: value[rank][places] for name, value in starts.items()}, run)


def forgiving(options: FitOptions) -> FitOptions:
    """Return options by which a start whose model isn't finite is no error, as there are others; what an interrupt leaves is no result."""
    return options._replace(nan_policy="mark" if options.nan_policy == "raise" else options.nan_policy, on_interrupt="raise")


def _try(job: Job, given: Inputs, options: FitOptions, result: BatchResult, places: Places, starts: dict[str, Any], run: Run) -> None:
    """Fit some rows from other starts, and put what is better into the result."""
    some = run(job_at(job, places, starts), inputs_at(given, places), forgiving(options), None)
    put(result, some, places, is_better(some, costs(result)[places], result.success[places], _floor(some)))


def is_better(some: BatchResult, cost: np.ndarray, success: np.ndarray, floor: np.ndarray) -> np.ndarray:
    """Return which fits are minima that lie lower than others, or where the others are none: ndarray of bool."""
    with np.errstate(invalid="ignore"):
        return some.success & (~success | (costs(some) < cost*(1 - LOWER) - floor))


def _floor(some: BatchResult) -> np.ndarray:
    """Return half of chi-square below which residuals are rounding, in `units_of` the data."""
    data = some.data
    y = np.nan_to_num(np.asarray(data.y, float), posinf=0.0, neginf=0.0)
    if data.weights is not None:
        with np.errstate(all="ignore"):
            y = np.nan_to_num(y/data.weights if data.inverted else y*data.weights, posinf=0.0, neginf=0.0)
    y = y/units_of(some)[..., None]
    return .5*SAME_DATA**2*np.einsum("...n,...n->...", y, y)


# -- rows in doubt


def _refit_doubtful(job: Job, given: Inputs, options: FitOptions, result: BatchResult, run: Run) -> None:
    """Fit rows whose fit is in doubt from many starts, and put what is better into the result."""
    places = np.nonzero(doubtful(result, given, options))
    if not places[0].size:
        return
    some = from_many(job_at(job, places, {}), inputs_at(given, places), forgiving(options), multistart.IN_DOUBT, None, run, False)
    put(result, some, places, is_better(some, costs(result)[places], result.success[places], _floor(some)))


def doubtful(result: BatchResult, given: Inputs, options: FitOptions) -> np.ndarray:
    """Return which fits of a batch may have missed their minimum, as `multistart.looks_doubtful` says it: ndarray of bool (...)."""
    errors = np.stack([np.asarray(result.stderr[name]) for name in result.names])
    found = ~result.success | ~np.isfinite(errors).all(axis=0)
    if not options.scale_covar and options.loss == "linear":
        from scipy.special import gammaincc

        from gslfit.curves.batch_uncertainty import varying
        freedom = np.asarray(result.ndata) - varying(result)
        with np.errstate(invalid="ignore"):
            found |= (freedom > 0) & (gammaincc(.5*np.maximum(freedom, 1), .5*np.asarray(result.chisqr)) < IMPROBABLE)
    return (found | _not_white(result, given)) & ~np.isin(result.status, WITHOUT)


def _not_white(result: BatchResult, given: Inputs) -> np.ndarray:
    """Return where the residuals, in the order of x, are no white noise; what takes no part is 0. Correlated errors are not looked at."""
    shape, n, out = result.shape, given.layout.n, given.left_out()
    order = next(iter(given.x.values())) if len(given.x) == 1 else np.arange(n)
    found, weights = np.zeros(shape, bool), given.weights
    if given.ycov is not None:
        return found
    formula, size = result.data.formula, max(1, CHUNK//max(1, n*int(np.prod(shape[1:]))))
    for low in range(0, shape[0], size):
        def part(array: np.ndarray, here: slice = slice(low, low + size)) -> np.ndarray:
            return array if array.ndim < 2 or array.shape[0] != shape[0] else array[here]
        x = {name: part(array) for name, array in given.x.items()}
        own = {name: np.asarray(result.values[name])[low:low + size][..., None] for name in formula.names}
        with np.errstate(all="ignore"):
            rest = np.asarray(part(given.y), float) - formula.at(slice(low, low + size))(**x, **own)
            rest = rest if weights is None else rest*part(weights)
        rest = np.where(np.isfinite(rest) if out is None else np.isfinite(rest) & ~part(out), rest, 0.0)
        along = np.argsort(np.broadcast_to(part(order), rest.shape), axis=-1, kind="stable")
        found[low:low + size] = multistart.not_white(np.take_along_axis(rest, along, -1))
    return found


# -- the neighbours of a map


def from_neighbours(job: Job, given: Inputs, options: FitOptions, result: BatchResult, run: Run) -> None:
    """Fit failed and odd pixels again from the fits around them, until nothing changes; the result is changed."""
    names, shape = result.names, result.shape
    runs = ~np.isin(result.status, WITHOUT)
    in_lanes = options.method == "auto" and job.folded is not None and given.ycov is None
    quick = options._replace(method="lanes") if in_lanes else options       # for pixels that have a minimum already
    changed = result.success
    for _ in range(2*sum(shape) + 10):
        if not changed.any():
            return
        before = {name: np.array(result.values[name]) for name in names}
        errors = {name: np.array(result.stderr[name]) for name in names}
        cost, good, taken = costs(result), result.success, np.zeros(shape, bool)
        for to, source in _sides(shape):
            asks = np.zeros(shape, bool)
            asks[to] = changed[source] & good[source] & runs[to] & (~good[to] | _differs(before, errors, to, source))
            for some, told in ((asks & ~good, options), (asks & good, quick)):
                for places in _parts(np.nonzero(some), given.layout.n):
                    moved = tuple(axis + step for axis, step in zip(places, _step(to, source), strict=True))
                    _from_there(job, given, told, result, places, {name: before[name][moved] for name in names}, cost, good, taken, run)
        changed = taken


def _sides(shape: tuple[int, ...]) -> Iterator[tuple[tuple[slice, ...], tuple[slice, ...]]]:
    """Yield, for each neighbour along each axis, the pixels that have one, and these neighbours."""
    for axis in range(len(shape)):
        first = tuple(slice(None, -1) if k == axis else slice(None) for k in range(len(shape)))
        last = tuple(slice(1, None) if k == axis else slice(None) for k in range(len(shape)))
        yield first, last
        yield last, first


def _step(to: tuple[slice, ...], source: tuple[slice, ...]) -> list[int]:
    """Return how far the neighbours are along each axis."""
    return [(there.start or 0) - (here.start or 0) for here, there in zip(to, source, strict=True)]


def _differs(values: dict[str, np.ndarray], errors: dict[str, np.ndarray], to: tuple[slice, ...],
             source: tuple[slice, ...]) -> np.ndarray:
    """Return which pixels are not within their standard errors of a neighbour: from one that is they would only come back."""
    found = np.zeros(values[next(iter(values))][to].shape, bool)
    with np.errstate(invalid="ignore"):
        for name, value in values.items():
            found |= ~(np.abs(value[source] - value[to]) <= errors[name][to])
    return found


def _parts(places: Places, n: int) -> Iterator[Places]:
    """Yield places a part at a time."""
    size = max(1, CHUNK//max(1, n))
    for low in range(0, places[0].size, size):
        yield tuple(axis[low:low + size] for axis in places)


def _from_there(job: Job, given: Inputs, options: FitOptions, result: BatchResult, places: Places, starts: dict[str, np.ndarray],
                cost: np.ndarray, good: np.ndarray, taken: np.ndarray, run: Run) -> None:
    """Fit some pixels from a neighbour each; of all that is better than before the sweep the lowest counts, whatever was tried first."""
    own, here = job_at(job, places, {}), inputs_at(given, places)
    some = run(job_at(job, places, within(own, here, starts)), here, forgiving(options), None)
    better = is_better(some, cost[places], good[places], _floor(some))
    lower, same = np.zeros(better.shape, bool), np.ones(better.shape, bool)
    pairs = [(costs(some), costs(result)[places])]
    pairs += [(np.asarray(some.values[name]), np.asarray(result.values[name])[places]) for name in result.names]
    for new, old in pairs:              # equally low ones in the order of their values
        lower |= same & (new < old)
        same &= new == old
    better &= ~taken[places] | lower
    put(result, some, places, better)
    taken[tuple(axis[better] for axis in places)] = True
