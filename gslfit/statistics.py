"""From where a descent ended to errors, correlations and words."""
from collections.abc import Sequence
from typing import Any

import numpy as np

from gslfit.leastsq import Solution

ENDINGS = {
    "step": "the parameters no longer change",
    "chisqr": "chi-square no longer decreases",
    "gradient": "the gradient is zero",
    "zero": "the residual is zero",
    "precision": "double precision allows no further decrease of chi-square",
    "maxfev": "the limit of evaluations of the residual was reached",
    "aborted": "the iteration callback stopped it",
    "no progress": "no step lowers chi-square any more, and the gradient is not zero",
}
IER = {"chisqr": 1, "step": 2, "zero": 2, "gradient": 4, "precision": 4, "maxfev": 5, "no progress": 7, "aborted": -1}


def covariance(solution: Solution, scale: float, scale_covar: bool) -> np.ndarray | None:
    """Return the covariance of the varying parameters, NaN where there is none, or None where n <= p.

    Parameters
    ----------
    solution : Solution
    scale : float
        What the residual was multiplied with.
    scale_covar : bool
        Multiply by the reduced chi-square.

    Returns
    -------
    ndarray, shape (p, p), or None
        ``factor W W^T / (d_i d_j)``, d the lengths of the Jacobian's columns, W = R^-1 of the scaled ones.
    """
    n, p = solution.jacobian.shape
    if n <= p:
        return None
    factor = solution.norm / np.sqrt(n - p) if scale_covar else scale
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        rows = solution.factors * (factor / np.where(solution.norms > 0, solution.norms, np.inf))[:, None]
    out = rows @ rows.T
    without = [*solution.dead, *solution.held]
    out[without, :] = np.nan
    out[:, without] = np.nan
    return out


def propagate(covar: np.ndarray | None, slopes: np.ndarray) -> list[float | None]:
    """Return standard errors of dependent parameters, sqrt(D C D^T) by rows D of `slopes`; None where one can't be had."""
    if covar is None:
        return [None if row.any() else 0. for row in slopes]
    errors: list[float | None] = []
    for row in slopes:
        used = np.flatnonzero(row)
        variance = float(row[used] @ covar[np.ix_(used, used)] @ row[used])
        errors.append(float(np.sqrt(max(variance, 0.))) if variance == variance else None)
    return errors


def doubts(solution: Solution, names: Sequence[str], params: Any, x0: np.ndarray) -> list[str]:
    """Return what the caller should know about errors that can't be had, a sentence each."""
    n, p = solution.jacobian.shape
    said = []
    if n <= p:
        said.append(f"{n} residuals leave no degrees of freedom for errors of {p} parameters.")
    for j in solution.held:
        par = params[names[j]]
        which, bound = ("min", par.min) if par.min is not None and solution.x[j] <= par.min else ("max", par.max)
        said.append(f"{names[j]} is at its bound ({which} = {bound:g}), where it has no standard error.")
    none = [j for j in solution.dead if solution.norms[j] == 0 or j in solution.lost]
    together = [j for j in solution.dead if j not in none]
    for j in none:
        moved = "has lost its effect on the residual: the fit ran onto a flat" if j in solution.lost else "has no effect on the residual"
        still = ", and never moved from its start" if solution.x[j] == x0[j] else ""
        said.append(f"{names[j]} {moved}{still}.")
    if together:
        listed = ", ".join(names[j] for j in together)
        said.append(f"{listed}: the data do not tell {'them apart; fix one of them' if len(together) > 1 else 'its value; fix it'}.")
    return said


def message(engine: str, solution: Solution, tried: Sequence[Solution], limit: float, said: Sequence[str]) -> str:
    """Return in words how a fit ended."""
    why = ENDINGS[solution.reason]
    if solution.reason == "maxfev":
        why = f"the limit of {limit:.0f} evaluations of the residual (maxfev) was reached; these are the best values so far"
    parts = [f"{engine}: converged, {why}." if solution.converged else f"{engine}: not converged, {why}."]
    if len(tried) > 1:
        others = ", ".join(other.method for other in tried[1:])
        chosen = "it stands" if solution is tried[0] else f"{solution.method} has the lowest chi-square and is kept"
        parts.append(f"The first answer, by {tried[0].method}, was in doubt; {others} looked again from the start: {chosen}.")
    return " ".join([*parts, *said])
