"""What SciPy's `curve_fit` returns, of a fit of gslfit's."""
from __future__ import annotations

from collections.abc import Sequence
from math import inf, nan, sqrt
from typing import Any

import numpy as np

from gslfit.checks import truth
from gslfit.errors import ConvergenceError, warn_of_covariance
from gslfit.minimizer._uncertainty import covariance
from gslfit.minimizer.bands import spread_of
from gslfit.minimizer.precision import SMALLEST
from gslfit.objective._loss import length
from gslfit.objective.residual import degrees_of_freedom

EPS = float(np.finfo(float).eps)


Spread = tuple[np.ndarray, np.ndarray]       # standard errors (p) and correlations (p, p)


def pcov_of(result: Any, names: tuple[str, ...], at_bound: np.ndarray, idle: np.ndarray | None, absolute: bool,
            spread: Spread | None = None) -> np.ndarray:
    """Return the covariance of the parameters as SciPy's curve_fit has it.

    Parameters
    ----------
    result : FitResult or the like
    names : tuple of str
        The p parameters.
    at_bound : ndarray of bool, shape (p,)
        Which parameters ended at a bound. Their rows and columns are infinite, and so are those of a parameter whose standard error is a
        number and its square none. Where one lacks its error that didn't end at its bound, all are.
    idle : ndarray of bool, optional
        Points of infinite sigma, which the fit left out, and which count as data here.
    absolute : bool
        Whether sigma holds standard deviations as they are.
    spread : tuple of ndarray, optional
        Standard errors and correlations in place of the result's.

    Raises
    ------
    ConvergenceError
        If there is no minimum.
    """
    _refuse_failure(result)
    p, unit = len(names), 1.0
    if not (truth("absolute_sigma", absolute) or (result.loss is not None and not result.loss.robust)):     # of counts errors are known
        freedom = degrees_of_freedom(result.ndata + (0 if idle is None else int(np.count_nonzero(idle))), p)
        unit = _unit(result)/sqrt(freedom) if freedom > 0 else nan
    if spread is None and result.covar is not None:
        with np.errstate(over="ignore", invalid="ignore"):
            pcov = result.covar*(unit*unit)
        if np.isfinite(pcov).all() and (pcov.diagonal() >= SMALLEST).all():
            return pcov
    if spread is None:
        known = spread_of(result.params, names)
        assert known.correlations is not None
        spread = known.errors, known.correlations
    errors, correlations = spread
    with np.errstate(over="ignore", invalid="ignore"):
        errors = errors*unit
    pcov = covariance(errors, correlations)
    pcov[~np.isfinite(pcov.diagonal())] = np.inf
    pcov[:, ~np.isfinite(pcov.diagonal())] = np.inf
    lacking = ~np.isfinite(errors)
    if (lacking & ~at_bound).any():
        pcov[:] = np.inf
    if lacking.any():
        which = "the parameters" if np.isinf(pcov).all() else _listed(names, lacking)
        warn_of_covariance(f"Covariance of {which} could not be estimated: {result.message}")
    beyond = np.isinf(pcov.diagonal()) & ~lacking
    if beyond.any() and not (lacking & ~at_bound).any():
        warn_of_covariance(f"Covariance of {_listed(names, beyond)} is out of the range of double precision, though its square root is "
                           "not: fit the data in another unit, or ask gslfit.fit, which gives standard errors and correlations")
    return pcov


def none_of(result: Any, without: Sequence[str], formula: Any) -> np.ndarray:
    """Return the covariance where a function does not depend on some of its parameters: it is infinite, as SciPy has it, and warn.

    Raises
    ------
    ConvergenceError
        If there is no minimum.
    """
    _refuse_failure(result)
    warn_of_covariance(f"Covariance of the parameters could not be estimated: {formula!r} does not depend on {', '.join(without)}, which "
                       f"{'keep their starts' if len(without) > 1 else 'keeps its start'}")
    return np.full((len(formula.names),)*2, np.inf)


def _refuse_failure(result: Any) -> None:
    """Raise ConvergenceError where there is no minimum."""
    if not result.success:
        raise ConvergenceError(f"Optimal parameters not found: {result.message}")


def _unit(result: Any) -> float:
    """Return the root of twice the cost, or the length of the residual where squares of it are no normal numbers."""
    twice = 2*result.cost
    return sqrt(twice) if SMALLEST <= twice < inf else length(result.counted)


def _listed(names: tuple[str, ...], chosen: np.ndarray) -> str:
    """Return some of the names in words."""
    return ", ".join(name for name, one in zip(names, chosen.tolist(), strict=True) if one)


def by_scipy(result: Any, slopes: np.ndarray, at_bound: np.ndarray) -> Spread:
    """Return what SciPy has for errors of a robust loss, in place of the sandwich: those of ``inv(J.T @ (J*curvature))``.

    The curvature of the cost counts as 2e-16 where it is less. What is at its bound has none.

    Parameters
    ----------
    result : FitResult
    slopes : ndarray, shape (n, p)
        Derivatives of the weighted residuals.
    at_bound : ndarray of bool, shape (p,)
    """
    keep = getattr(result, "keep", None)
    rows = slopes if keep is None or slopes.shape[0] == result.ndata else slopes[keep]
    free = ~at_bound
    rows = rows[:, free]
    curvature = np.maximum(result.loss.curvatures(result.counted), EPS)
    errors, correlations = np.full(at_bound.size, nan), np.eye(at_bound.size)
    size = np.linalg.norm(rows, axis=0)
    size = np.where(size > 0, size, 1.0)
    units = np.sqrt(curvature)[:, None]*rows/size
    _, singular, axes = np.linalg.svd(units, full_matrices=False)
    if singular.size and singular[-1] > EPS*max(units.shape)*singular[0]:
        half = axes.T/singular
        lengths = np.linalg.norm(half, axis=1)
        errors[free] = lengths/size
        half /= lengths[:, None]
        correlations[np.ix_(free, free)] = half @ half.T
    return errors, correlations


def infodict(result: Any, idle: np.ndarray | None, slopes: np.ndarray | None) -> dict[str, Any]:
    """Return `nfev` and `fvec`; of weighted derivatives (n, p) MINPACK's `fjac`, `ipvt` and `qtf` too, their QR decomposition."""
    residual = _whole(result, idle, result.residual)
    found = {"nfev": result.nfev, "fvec": residual}
    if slopes is None:
        return found
    from scipy.linalg import qr
    Q, R, pivots = qr(_whole(result, idle, slopes), mode="economic", pivoting=True)
    fjac = np.zeros((R.shape[1], residual.size))
    fjac[:, :R.shape[0]] = R.T
    return {**found, "fjac": fjac, "ipvt": pivots.astype(np.int32), "qtf": Q.T @ residual}


def _whole(result: Any, idle: np.ndarray | None, rows: np.ndarray) -> np.ndarray:
    """Return the rows of all points that take part, 0 where sigma is infinite."""
    keep = getattr(result, "keep", None)
    if keep is None or idle is None:
        return rows if keep is None else rows[keep]
    return np.where(keep if rows.ndim == 1 else keep[:, None], rows, 0.0)[keep | idle]
