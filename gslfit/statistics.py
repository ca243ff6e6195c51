"""From where a descent ended to errors, correlations and words."""
from collections.abc import Sequence

import numpy as np

from gslfit._differences import length
from gslfit.leastsq import Problem, Solution

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


class Uncertainty:
    """What a solution says of the errors of its varying parameters.

    Kept as standard errors and directions of length one, so that neither very small nor very large parameters lose them:
    ``covar_ij = sigma_i sigma_j (unit_i . unit_j)``.

    Parameters
    ----------
    solution : Solution
        With more residuals than parameters.
    scale : float
        What the residual was multiplied with.
    scale_covar : bool
        Multiply the covariance by the reduced chi-square.

    Attributes
    ----------
    sigma : ndarray, shape (p,)
        Standard errors, ``factor |W_j| / d_j``, with d the lengths of the Jacobian's columns and W = R^-1 of the scaled ones;
        NaN for what has none.
    unit : ndarray, shape (p, rank)
        The rows of W, of length one.
    """

    def __init__(self, solution: Solution, scale: float, scale_covar: bool) -> None:
        n, p = solution.jacobian.shape
        factor = solution.norm / np.sqrt(n - p) if scale_covar else scale
        lengths = np.sqrt(np.einsum("ij,ij->i", solution.factors, solution.factors))
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            self.sigma = factor * (lengths / solution.norms)
            self.unit = solution.factors / lengths[:, None]
        self.sigma[[*solution.dead, *solution.held]] = np.nan

    @property
    def covar(self) -> np.ndarray:
        """The covariance, ndarray, shape (p, p); NaN in the rows and columns of what has none."""
        with np.errstate(over="ignore", under="ignore"):
            return self.correl * self.sigma[:, None] * self.sigma

    @property
    def correl(self) -> np.ndarray:
        """The correlations, ndarray, shape (p, p); NaN as in `covar`."""
        with np.errstate(invalid="ignore", over="ignore"):
            return self.unit @ self.unit.T + 0 * self.sigma[:, None] + 0 * self.sigma

    def of(self, slopes: np.ndarray) -> list[float | None]:
        """Return standard errors sqrt(D C D^T) of dependent parameters with derivatives D, the rows of `slopes`; None where none."""
        errors: list[float | None] = []
        for row in slopes:
            used = np.flatnonzero(row)
            own = float(length((row[used] * self.sigma[used]) @ self.unit[used]))
            errors.append(own if own == own else None)
        return errors


def doubts(solution: Solution, names: Sequence[str], problem: Problem) -> list[str]:
    """Return what the caller should know about errors that can't be had, a sentence each."""
    n, p = solution.jacobian.shape
    said = []
    if n <= p:
        said.append(f"{n} residuals leave no degrees of freedom for errors of {p} parameters.")
    for j in solution.held:
        which, bound = ("min", problem.lower[j]) if solution.x[j] <= problem.lower[j] else ("max", problem.upper[j])
        said.append(f"{names[j]} is at its bound ({which} = {bound:g}), where it has no standard error.")
    none = [j for j in solution.dead if solution.norms[j] == 0 or j in solution.lost]
    together = [j for j in solution.dead if j not in none]
    for j in none:
        moved = "has lost its effect on the residual: the fit ran onto a flat" if j in solution.lost else "has no effect on the residual"
        still = ", and never moved from its start" if solution.x[j] == problem.x0[j] else ""
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
