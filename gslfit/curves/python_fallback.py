"""The slow way of a batch: a formula without a program, or an expression without a derivative, fit by fit through `minimize`."""
from __future__ import annotations

from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any, NamedTuple

import numpy as np

from gslfit.curves.batch_result import BatchInputs, BatchResult, Columns
from gslfit.curves.not_finite import wide
from gslfit.curves.progress import Interrupted
from gslfit.data.inputs import Inputs
from gslfit.data.points import check_factors, finite_points
from gslfit.errors import FitStatus, NonFiniteError
from gslfit.formula.formula import Formula
from gslfit.minimizer.minimizer import Minimizer
from gslfit.minimizer.options import FitOptions
from gslfit.minimizer.uncertainty import bound_of
from gslfit.objective.residual import residual as weighted_residual
from gslfit.parameters.collection import Parameters

METHODS = {"auto": "leastsq", "lanes": "leastsq", "lmsder": "leastsq", "trust": "leastsq", "lmder": "lmder"}


def fit_slowly(formula: Formula, given: Inputs, params: Parameters, start: Mapping[str, np.ndarray | float], options: FitOptions, *,
               reason: str, report: Callable[[int], Any] | None = None) -> BatchResult:
    """Fit each curve by `gslfit.minimize`, the model called from Python.

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
        If the function is one that no row can be fitted with: None or another shape returned.
    Interrupted
        With what was done, if Ctrl-C ends a batch whose `on_interrupt` is "partial".
    """
    shape = given.layout.shape
    names = tuple(name for name, parameter in params.items() if parameter.vary)
    p = len(names)
    values = {name: np.full(shape, np.nan) for name in params}
    stderr = {name: np.full(shape, np.nan) for name in params}
    covariances = np.full((*shape, p, p), np.nan) if options.covar else None
    found = {name: np.full(shape, np.nan) for name in ("chisqr", "redchi", "gradient")}
    nfev, ndata, status = np.zeros(shape, np.int32), np.zeros(shape, np.int64), np.zeros(shape, np.int8)
    weights, inverted = (None, False) if given.factors is None else (given.factors.array, given.factors.inverted)
    x = tuple(given.x.values())
    data = BatchInputs(formula, x, given.y, weights, inverted, params, dict(start), options.method, given.mask, given.layout, given.labels,
                       options.scale_covar)
    policy = "omit" if options.nan_policy == "omit" else "raise"
    mask: np.ndarray | None = None

    def fit_row(place: tuple[int, ...]) -> None:
        nonlocal mask
        row = _row(data, place, options.nan_policy)
        ndata[place] = row.used
        status[place] = _doubt(row, p)
        starts = {name: float(value[place] if isinstance(value, np.ndarray) and value.ndim else value) for name, value in start.items()}
        if options.nan_policy != "raise" and not all(map(isfinite, starts.values())):
            status[place] = FitStatus.BAD_DATA
        if not status[place]:
            fitted = params.copy()
            for name, value in starts.items():
                fitted[name].value = value
            minimizer = Minimizer(_residual(formula, row), fitted)
            try:
                minimizer.minimize(METHODS[options.method], xtol=options.xtol, ftol=options.ftol, gtol=options.gtol,
                                   scale_covar=options.scale_covar, max_nfev=options.max_nfev, nan_policy=policy)
            except NonFiniteError as error:         # at the start: a row that can't be fitted doesn't end the batch
                if error.of_caller or options.nan_policy == "raise":
                    raise
                status[place] = FitStatus.BAD_DATA
            else:
                status[place] = _status(minimizer)
                if minimizer.left_in is not None:
                    ndata[place] = np.count_nonzero(minimizer.left_in)
                    mask = wide(data.mask, given.y.shape) if mask is None else mask
                    mask[place][np.flatnonzero(np.ones(row.curve.size) if row.keep is None else row.keep)[~minimizer.left_in]] = True
                nfev[place] = minimizer.nfev
                found["chisqr"][place], found["redchi"][place] = minimizer.chisqr, minimizer.redchi
                for name, parameter in fitted.items():
                    values[name][place] = parameter.value
                    stderr[name][place] = np.nan if parameter.stderr is None else parameter.stderr
                if covariances is not None and minimizer.covar is not None:
                    covariances[place] = minimizer.covar

    done, interrupted = 0, False
    try:
        for place in np.ndindex(shape):
            fit_row(place)
            done += 1
            if report is not None:
                report(done)
    except KeyboardInterrupt:
        if options.on_interrupt == "raise":
            raise
        interrupted = True
        if done < status.size:      # the row in which it came
            status[place], ndata[place], nfev[place] = FitStatus.NOT_RUN, 0, 0
            for array in (*values.values(), *stderr.values(), *found.values(), *(() if covariances is None else (covariances,))):
                array[place] = np.nan
    data.mask = data.mask if mask is None else mask
    result = BatchResult(Columns(values), Columns(stderr), **found, nfev=nfev, ndata=ndata, status=status, covar=covariances, names=names,
                         data=data, reason=reason)
    if interrupted:
        raise Interrupted(result)
    return result


class _Row(NamedTuple):
    """One curve: its points that take part (all, or `keep`), and how many they are; none where there are bad numbers."""

    points: dict[str, np.ndarray]
    curve: np.ndarray
    weights: np.ndarray | None
    keep: np.ndarray | None
    used: int
    bad: bool


def _row(data: BatchInputs, place: tuple[int, ...], policy: str) -> _Row:
    """Return one curve of a batch as the policy has it."""
    assert data.y is not None
    points = {name: data.row(array, place) for name, array in zip(data.formula.independent, data.x, strict=True)}
    curve, own = np.asarray(data.y[place], float), data.factors(place)
    out = data.left_out(place)
    if own is not None:
        check_factors(own.name, own.array if out is None else np.where(out, 1.0, own.array))
    keep = finite_points([("y", curve), *points.items()], "raise" if policy == "raise" else "omit", out)
    kept = curve.size if keep is None else int(np.count_nonzero(keep))
    bad = policy == "mark" and kept < (curve.size if out is None else int(np.count_nonzero(~out)))
    return _Row(points, curve, None if own is None else own.weights(), keep, kept, bad)


def _doubt(row: _Row, p: int) -> FitStatus:
    """Return why a curve can't be fitted, `FitStatus.NOT_RUN` if it can."""
    return FitStatus.BAD_DATA if row.bad else FitStatus.TOO_FEW_POINTS if row.used < max(p, 1) else FitStatus.NOT_RUN


def _residual(formula: Formula, row: _Row) -> Callable[[Parameters], np.ndarray]:
    """Return the residual function of one curve: the function is called at the points that take part."""
    keep = slice(None) if row.keep is None else row.keep
    points, curve = {name: array[keep] for name, array in row.points.items()}, row.curve[keep]
    weights = None if row.weights is None else row.weights[keep]

    def residual(params: Parameters) -> np.ndarray:
        return weighted_residual(formula(**points, **{name: params[name].value for name in formula.names}), curve, weights)
    return residual


def _status(minimizer: Any) -> FitStatus:
    """Return the status of a fit by `minimize`."""
    if minimizer.success and not minimizer.errorbars:
        return FitStatus.AT_BOUND if any(bound_of(par) for par in minimizer.params.values()) else FitStatus.RANK_DEFICIENT
    if minimizer.success:
        return FitStatus.CONVERGED_BY_GSL
    if minimizer.status == FitStatus.MAX_NFEV:
        return FitStatus.MAX_NFEV
    return FitStatus.SINGULAR if not minimizer.errorbars else FitStatus.NO_PROGRESS
