"""The slow way of a batch: a formula without a program, or an expression without a derivative, fit by fit through `minimize`."""
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gslfit.curves.batch_result import BatchResult, Columns, Data, FitStatus
from gslfit.formula.formula import Formula
from gslfit.minimizer.minimizer import Minimizer
from gslfit.parameters.collection import Parameters

ENGINES = {"auto": "leastsq", "lanes": "leastsq", "lmsder": "leastsq", "trust": "leastsq", "lmder": "lmder"}


def fit_slowly(formula: Formula, y: np.ndarray, xs: tuple[np.ndarray, ...], weights: np.ndarray | None, params: Parameters,
               start: Mapping[str, np.ndarray], *, covar: bool, scale_covar: bool, reason: str, method: str, xtol: float, ftol: float,
               gtol: float, max_nfev: int, nan_policy: str) -> BatchResult:
    """Fit each curve by `gslfit.minimize`, the model called from Python.

    Parameters
    ----------
    formula : Formula
    y : ndarray, shape (..., n)
    xs : tuple of ndarray, shape (n,) or (..., n)
    weights : ndarray, shape (n,) or (..., n), or None
    params : Parameters
        A template.
    start : mapping of str to ndarray, shape () or (...)
        Start values.
    covar, scale_covar, reason, method, xtol, ftol, gtol, max_nfev, nan_policy
        As `fit_batch` has them.

    Returns
    -------
    BatchResult
    """
    shape = y.shape[:-1]
    names = tuple(name for name, parameter in params.items() if parameter.vary)
    p = len(names)
    values = {name: np.full(shape, np.nan) for name in params}
    stderr = {name: np.full(shape, np.nan) for name in params}
    covariances = np.full((*shape, p, p), np.nan) if covar else None
    found = {name: np.full(shape, np.nan) for name in ("chisqr", "redchi", "gradient")}
    nfev, ndata, status = np.zeros(shape, np.int32), np.zeros(shape, np.int64), np.zeros(shape, np.int8)
    data = Data(formula, xs, y, weights, False, params, dict(start), method)
    for place in np.ndindex(shape):
        points = {name: data.row(array, place) for name, array in zip(formula.independent, xs, strict=True)}
        curve, own = np.asarray(y[place], float), data.row(weights, place)
        good = np.isfinite(curve)
        if own is not None:
            good &= np.isfinite(own)
        ndata[place] = np.count_nonzero(good)
        status[place] = _doubt(good, ndata[place], p, nan_policy)
        if status[place]:
            continue
        fitted = params.copy()
        for name, value in start.items():
            fitted[name].value = float(value[place] if value.ndim else value)
        minimizer = Minimizer(_residual(formula, points, curve, own, good), fitted)
        minimizer.minimize(ENGINES[method], xtol=xtol, ftol=ftol, gtol=gtol, maxfev=max_nfev, scale_covar=scale_covar)
        status[place] = _status(minimizer)
        nfev[place] = minimizer.nfev
        found["chisqr"][place], found["redchi"][place] = minimizer.chisqr, minimizer.redchi
        for name, parameter in fitted.items():
            values[name][place] = parameter.value
            stderr[name][place] = np.nan if parameter.stderr is None else parameter.stderr
        if covariances is not None and minimizer.covar is not None:
            covariances[place] = minimizer.covar
    return BatchResult(Columns(values), Columns(stderr), **found, nfev=nfev, ndata=ndata, status=status, covar=covariances, names=names,
                       data=data, reason=reason)


def _doubt(good: np.ndarray, count: int, p: int, nan_policy: str) -> FitStatus:
    """Why a curve can't be fitted, `FitStatus.NOT_RUN` if it can."""
    if nan_policy != "omit" and not good.all():
        return FitStatus.BAD_DATA
    return FitStatus.TOO_FEW_POINTS if count < p else FitStatus.NOT_RUN


def _residual(formula: Formula, points: Mapping[str, np.ndarray], curve: np.ndarray, weights: np.ndarray | None, good: np.ndarray) -> Any:
    """The residual function of one curve."""
    def residual(params: Parameters) -> np.ndarray:
        own = formula(**points, **{name: params[name].value for name in formula.names}) - curve
        return (own if weights is None else own * weights)[good]
    return residual


def _status(minimizer: Any) -> FitStatus:
    """The status of a fit by `minimize`."""
    if minimizer.success:
        return FitStatus.CONVERGED_BY_GSL if minimizer.errorbars else FitStatus.AT_BOUND
    return FitStatus.MAX_NFEV if minimizer.ier == 5 else FitStatus.SINGULAR if not minimizer.errorbars else FitStatus.NO_PROGRESS
