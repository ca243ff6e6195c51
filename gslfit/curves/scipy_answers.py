"""What SciPy's `curve_fit` returns, of a fit of gslfit's."""
from __future__ import annotations

from typing import Any

import numpy as np

from gslfit.checks import truth
from gslfit.errors import ConvergenceError, warn_of_covariance
from gslfit.objective.residual import degrees_of_freedom

EPS = float(np.finfo(float).eps)


def covariance(result: Any, names: tuple[str, ...], at_bound: np.ndarray, idle: np.ndarray | None, absolute: bool) -> np.ndarray:
    """Return the covariance of the parameters as SciPy's curve_fit has it.

    Parameters
    ----------
    result : FitResult or the like
    names : tuple of str
        The p parameters.
    at_bound : ndarray of bool, shape (p,)
        Which parameters ended at a bound. Their rows and columns are infinite. Where one that didn't lacks its error, all are.
    idle : ndarray of bool, optional
        Points of infinite sigma, which the fit left out, and which count as data here.
    absolute : bool
        Whether sigma holds standard deviations as they are.

    Raises
    ------
    ConvergenceError
        If there is no minimum.
    """
    if not result.success:
        raise ConvergenceError(f"Optimal parameters not found: {result.message}")
    p, pcov = len(names), result.covar
    absolute = truth("absolute_sigma", absolute) or (result.loss is not None and not result.loss.robust)    # of counts errors are known
    if pcov is not None and not absolute:
        freedom = degrees_of_freedom(result.ndata + (0 if idle is None else int(np.count_nonzero(idle))), p)
        pcov = pcov*(2*result.cost/freedom) if freedom > 0 else None
    pcov = np.full((p, p), np.inf) if pcov is None else np.where(np.isfinite(pcov), pcov, np.inf)
    without = np.isinf(pcov.diagonal())
    if without.any():
        if (without & ~at_bound).any():
            pcov[:] = np.inf
        lacking = ", ".join(name for name, lacks in zip(names, without.tolist(), strict=True) if lacks)
        which = "the parameters" if np.isinf(pcov).all() else lacking
        warn_of_covariance(f"Covariance of {which} could not be estimated: {result.message}")
    return pcov


def by_scipy(result: Any, slopes: np.ndarray, at_bound: np.ndarray) -> None:
    """Give the result of a robust loss the covariance that SciPy has for it, in place of the sandwich: ``inv(J.T @ (J*curvature))``.

    The curvature of the cost counts as 2e-16 where it is less. Rows and columns of what is at its bound are NaN.

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
    found = np.full((at_bound.size, at_bound.size), np.nan)
    size = np.linalg.norm(rows, axis=0)
    size = np.where(size > 0, size, 1.0)
    units = np.sqrt(curvature)[:, None]*rows/size
    _, singular, axes = np.linalg.svd(units, full_matrices=False)
    if singular.size and singular[-1] > EPS*max(units.shape)*singular[0]:
        half = axes.T/singular
        found[np.ix_(free, free)] = half @ half.T/size/size[:, None]
    result.covar = found


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
