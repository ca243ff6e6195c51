"""Run a batch: slices of its curves through the C core, and what becomes of the numbers.

The fits run in `gslfit.curves._batch`, in SIMD lanes and without the GIL; what they are given goes there in slices, so that a batch of any
size needs little memory beside its input and its result.
"""
from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import prod
from typing import Any

import numpy as np

from gslfit.curves._batch import KINDS, run
from gslfit.curves.batch_result import STATISTICS, BatchInputs, BatchResult, Columns
from gslfit.curves.counts import check_counts
from gslfit.curves.job import Job, StartValue, count_threads, default_nfev, transform_of
from gslfit.curves.progress import Interrupted
from gslfit.data.covariance import of_all
from gslfit.data.inputs import Factors, Inputs
from gslfit.data.points import check_factors, moved
from gslfit.errors import FitStatus, NonFiniteError
from gslfit.formula.parametrize import Folded
from gslfit.minimizer.options import FitOptions
from gslfit.objective.loss import ROBUST

F8, BAD_DATA, NOT_RUN = np.dtype(float), int(FitStatus.BAD_DATA), int(FitStatus.NOT_RUN)
SLICE = 1_000_000  # numbers of a temporary array
Report = Callable[[int], Any]      # is called with the number of fits done


def inputs_of_result(job: Job, given: Inputs, options: FitOptions) -> BatchInputs:
    """Return what a result has of the data it was fitted to."""
    weights, inverted = (None, False) if given.factors is None else (given.factors.array, given.factors.inverted)
    formula = job.formula if given.response is None else job.formula.of_rows(given.response)
    return BatchInputs(formula, tuple(given.x.values()), given.y, weights, inverted, job.parameters, job.start, options.method,
                       given.mask, given.layout, given.labels, options.scale_covar, options.loss, ycov=given.ycov, prior=given.prior,
                       limits=given.limits)


def run_batch(job: Job, given: Inputs, options: FitOptions, report: Report | None = None) -> BatchResult:
    """Fit slice by slice, and gather what comes out.

    Parameters
    ----------
    job : Job
        With a program, and start values of all parameters.
    given : Inputs
    options : FitOptions
    report : callable, optional
        Called with the number of fits done.

    Raises
    ------
    Interrupted
        With what was done, if Ctrl-C ends a batch whose `on_interrupt` is "partial".
    """
    folded, y, xs = job.folded, given.y, tuple(given.x.values())
    assert folded is not None
    lead, n = y.shape[:-1] or (1,), y.shape[-1]
    out = _Arrays(job, folded, lead, options)
    fit_rows = run if options.loss == "linear" else _by_loss(options)
    program = folded.bent if options.loss == "linear" else folded.program
    curves = y if y.ndim > 1 else y[None]
    name, weights, inverted = ("", None, False) if given.factors is None else (*given.factors, given.factors.inverted)
    looks = options.nan_policy == "raise"
    row = max(1, prod(lead[1:]))
    size = max(1, SLICE // (row * n)) if looks or curves.dtype.str[1:] not in KINDS else max(1, lead[0])
    how: dict[str, Any] = {
        "method": options.method, "xtol": options.xtol, "ftol": options.ftol, "gtol": options.gtol, "errors": inverted,
        "threads": count_threads(options.threads, y.size),
        "omit": options.nan_policy == "omit", "scaled": options.scale_covar, "max_nfev": options.max_nfev or default_nfev(job.names)}
    for free in folded.names if folded.bounded else ():
        folded.check(free, job.start[free])
    transform, starts = transform_of(folded), [readable(job.start[name]) for name in folded.names]
    own_inputs = [readable(job.start[name]) for name in folded.inputs]
    if given.ycov is not None:
        how["factor"] = of_all(given.ycov.factor(None), n)
    responses = None if given.response is None else np.asarray(given.response).reshape(*lead, given.response.shape[-1])
    boxes = None if given.limits is None else given.limits.boxes(folded)
    whole, interrupted, several = given.mask, False, len(given.origin) > 0 or given.places is not None or lead != (1,)
    for low in range(0, lead[0], size) if out.status.size else ():
        here = slice(low, min(low + size, lead[0]))
        rows, x, own = readable(curves[here]), tuple(_slice(array, here) for array in xs), _slice(weights, here)
        mask, first = _slice(given.mask, here), given.first(low)
        if looks:
            part = given._replace(factors=None if own is None else Factors(name, own), mask=mask)
            _look(rows, x, job.formula.independent, part.left_out(), first, several)
        own_starts, own_values = ([array[here] if array.ndim else array for array in each] for each in (starts, own_inputs))
        if boxes is not None:
            how["boxes"] = [tuple(each[here] if each.ndim else each for each in box) for box in boxes]
        if responses is not None:
            how["response"] = responses[here]
        if options.loss == "poisson":
            check_counts("y", rows, mask, first if several else ())
        try:
            fit_rows(program, rows, x, weights=own, mask=mask, transform=transform, progress=report and beyond(report, low*row),
                start=own_starts, inputs=own_values, **out.rows(here), **how)
        except KeyboardInterrupt:
            if options.on_interrupt == "raise":
                raise
            out.blank()
            interrupted = True
            break
        if np.count_nonzero(out.status[here] == BAD_DATA):
            if own is not None and own.ndim > 1:
                _blame_factors(name, own, mask, out.status[here], first)
            if options.nan_policy != "mark":
                from gslfit.curves.not_finite import fit_without, refuse, spoilt_by_model, wide
                places, points = spoilt_by_model(folded, rows, x, own_starts, own_values, out.status[here], how.get("response"))
                if looks:
                    refuse(places, points, rows.shape[:-1], first)
                again = partial(fit_rows, program, transform=transform, **{**how, "progress": None})
                wider = fit_without(again, out.rows(here), rows, x, own, mask, own_starts, own_values, places, points,
                                    how.get("boxes"), how.get("response"))
                if wider is not None:
                    whole = wide(whole, curves.shape) if whole is None or whole is given.mask else whole
                    whole[here] = wider
    whole = whole if whole is None or y.ndim > 1 else whole[0] if whole.ndim > 1 else whole
    data = inputs_of_result(job, given, options)
    data.mask = whole
    data.f_scale = out.loss["scale"].reshape(y.shape[:-1]) if options.loss in ROBUST else None
    result = out.result(y.shape[:-1], data)
    if interrupted:
        raise Interrupted(result)
    return result


def _by_loss(options: FitOptions) -> Callable[..., None]:
    """Return what fits rows by a loss as `run` does by least squares."""
    from gslfit.curves.losses import run_rows
    return partial(run_rows, options)


def beyond(report: Report, done: int) -> Report:
    """Return the progress function of a slice that begins after so many fits."""
    return (lambda count: report(done + count)) if done else report


def _blame_factors(name: str, array: np.ndarray, mask: np.ndarray | None, status: np.ndarray, first: Any) -> None:
    """Raise InputError where a fit was spoilt by an invalid weight or standard deviation."""
    bad = np.broadcast_to((status == BAD_DATA)[..., None], array.shape)
    looked = bad if mask is None else bad & ~np.broadcast_to(mask, array.shape)
    check_factors(name, np.where(looked, array, 1.0), first)


def readable(given: StartValue) -> np.ndarray:
    """Return an array of a type that the C core reads in place."""
    array = np.asarray(given)
    return array if array.dtype is F8 or array.dtype.str[1:] in KINDS else np.asarray(array, float)


def _slice(array: np.ndarray | None, here: slice) -> Any:
    """Return some fits' part of an array (n,), which all share, or (..., n)."""
    if array is None:
        return None
    return readable(array if array.ndim == 1 else array[here])


def _look(rows: np.ndarray, x: tuple[np.ndarray, ...], names: tuple[str, ...], out: np.ndarray | None,
          first: Any, several: bool) -> None:
    """Raise NonFiniteError naming the first number that is not finite at a point that takes part, and its fit's place."""
    for name, array in (("y", rows), *zip(names, x, strict=True)):
        if array.dtype.kind in "bui":
            continue
        bad = ~np.isfinite(array)
        if out is not None and bad.any():
            bad = bad & ~out
        if not bad.any():
            continue
        place = np.argwhere(bad)[0]
        value = np.broadcast_to(array, bad.shape)[tuple(place)]
        at = moved(place[:-1], first)
        fit = f"fit {at[0] if len(at) == 1 else tuple(at)}, " if bad.ndim > 1 and several else ""
        raise NonFiniteError(f"{name} is {value} at {fit}point {int(place[-1])}; nan_policy='omit' leaves such points out, "
                             "'mark' marks the fit")


class _Arrays:
    """The arrays of a result, filled slice by slice."""

    def __init__(self, job: Job, folded: Folded, lead: tuple[int, ...], options: FitOptions):
        self.job, self.folded = job, folded
        self.loss = {} if options.loss == "linear" else {"cost": np.empty(lead), "scale": np.ones(lead)}
        p, derived = len(folded.names), len(folded.dependent_names)
        self.v, self.stderr = np.empty((*lead, p)), np.empty((*lead, p))
        self.derived, self.derived_stderr = np.empty((*lead, derived)), np.empty((*lead, derived))
        self.correl = np.empty((*lead, p, p)) if options.covar or self.loss else None
        self.chisqr, self.redchi, self.gradient = np.empty(lead), np.empty(lead), np.empty(lead)
        self.nfev, self.ndata, self.status = np.empty(lead, np.int32), np.empty(lead, np.int32), np.zeros(lead, np.int8)

    def rows(self, here: slice) -> dict[str, Any]:
        """Return the parts of the results that `run` writes for a slice."""
        arrays = {"v": self.v, "variance": self.stderr, "correlations": self.correl, "chisqr": self.chisqr, "redchi": self.redchi,
                  "gradient": self.gradient, "nfev": self.nfev, "count": self.ndata, "status": self.status, "derived": self.derived,
                  "derived_errors": self.derived_stderr, **self.loss}
        if here.stop - here.start == len(self.status):
            return arrays
        return {name: None if array is None else array[here] for name, array in arrays.items()}

    def blank(self) -> None:
        """Write NaN for the fits that have not run."""
        out = self.status == NOT_RUN
        for name, array in self.rows(slice(0, len(self.nfev))).items():
            if array is not None and name not in ("nfev", "count", "status"):
                array[out] = np.nan
            elif name in ("nfev", "count"):
                array[out] = 0

    def result(self, shape: tuple[int, ...], data: BatchInputs) -> BatchResult:
        """Return the result of the whole batch."""
        folded, job = self.folded, self.job
        values, stderr = {}, {}
        free = {name: k for k, name in enumerate(folded.names)}
        derived = {name: k for k, name in enumerate(folded.dependent_names)}
        one = shape != self.status.shape        # a single fit, whose results have no axis
        for name in folded.roles:
            if name in free:
                value, error = self.v[..., free[name]], self.stderr[..., free[name]]
            elif name in derived:
                value, error = self.derived[..., derived[name]], self.derived_stderr[..., derived[name]]
            else:
                values[name] = np.broadcast_to(np.asarray(job.start[name], float), shape)
                stderr[name] = np.broadcast_to(0.0, shape)
                continue
            values[name], stderr[name] = (value.reshape(shape), error.reshape(shape)) if one else (value, error)
        statistics = {name: getattr(self, name).reshape(shape) if one else getattr(self, name) for name in STATISTICS}
        correl = None if self.correl is None else self.correl.reshape(*shape, *self.correl.shape[-2:])
        cost = self.loss["cost"].reshape(shape) if data.loss in ROBUST else None
        return BatchResult(Columns(values), Columns(stderr), **statistics, covar=None, names=folded.names, data=data, _cost=cost,
                           _correl=correl)
