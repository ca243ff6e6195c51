"""What a fit leaves behind."""
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gslfit.errors import FitStatus, ending
from gslfit.objective.residual import degrees_of_freedom
from gslfit.report.html import fit_html


@dataclass(eq=False)
class FitResult:
    """One fit's outcome.

    Attributes
    ----------
    params : Parameters
        With the fitted values, errors and correlations.
    method : str
        The engine: "leastsq", "lmder", "lbfgsb" or "anneal".
    success : bool
        A minimum was found, and no parameter lost its effect on the way.
    errorbars : bool
        Every varying parameter has a standard error.
    message : str
        How the fit ended, and every doubt about it.
    status : FitStatus
        The same as a number with a name; `status.prose` says it in words.
    nfev : int
        Evaluations of the residual, those for derivatives included.
    var_names : list of str
        The varying parameters.
    residual : ndarray, shape (ndata,)
        After `gslfit.fit` in the shape and container of the data, NaN where a point took no part.
    covar : ndarray, shape (nvarys, nvarys), or None
        Covariance of the varying parameters; NaN where one has none, None where none has.
    init_vals : list of float
        Start values of the varying parameters.
    aborted : bool
        The iteration callback stopped the fit.
    call_kws : dict
        Options of the call.
    keep : ndarray of bool, or None
        Which points took part, in the shape of `residual`; None for all.
    """

    params: Any
    method: str
    success: bool
    errorbars: bool
    message: str
    status: FitStatus
    nfev: int
    var_names: list[str]
    residual: np.ndarray
    covar: np.ndarray | None
    init_vals: list[float]
    aborted: bool = False
    call_kws: dict[str, Any] = field(default_factory=dict)
    keep: np.ndarray | None = field(default=None, repr=False)

    @property
    def counted(self) -> np.ndarray:
        """The residuals of the points that took part, flat."""
        return np.ravel(self.residual) if self.keep is None else np.asarray(self.residual)[self.keep]

    def _repr_html_(self) -> str:
        return fit_html(self)

    @property
    def nvarys(self) -> int:
        """Number of varying parameters."""
        return len(self.var_names)

    @property
    def ndata(self) -> int:
        """Number of residuals."""
        return self.counted.size

    @property
    def nfree(self) -> int:
        """Degrees of freedom, ndata - nvarys."""
        return degrees_of_freedom(self.ndata, self.nvarys)

    @property
    def chisqr(self) -> float:
        """Sum of the squared residuals."""
        residual = self.counted
        return float(residual @ residual)

    @property
    def redchi(self) -> float:
        """Chi-square by degrees of freedom; where there are none, chi-square."""
        return self.chisqr / max(1, self.nfree)

    @property
    def aic(self) -> float:
        """Akaike information criterion, n log(chisqr/n) + 2 nvarys."""
        return self._likelihood() + 2 * self.nvarys

    @property
    def bic(self) -> float:
        """Bayesian information criterion, n log(chisqr/n) + log(n) nvarys."""
        return self._likelihood() + float(np.log(self.ndata)) * self.nvarys

    @property
    def init_values(self) -> dict[str, float]:
        """Start values by name."""
        return dict(zip(self.var_names, self.init_vals, strict=True))

    @property
    def ier(self) -> int:
        """MINPACK's code: 1 to 4 converged, 5 too many evaluations, 6 and 7 no further progress, -1 stopped by the caller, 0 not fitted."""
        return self.status.ier

    @property
    def lmdif_message(self) -> str:
        """What `status` stands for."""
        return self.status.prose

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take up a pickle's state; those of gslfit 0.1 had `ier` and its words in place of the status."""
        self.__dict__.update(state)
        if "status" not in state:
            del self.__dict__["ier"], self.__dict__["lmdif_message"]
            self.status = ending(state["ier"], state["lmdif_message"], state["success"])

    def _likelihood(self) -> float:
        """n log(chisqr/n), from the residual itself, since its squares may be out of range."""
        residual = self.counted
        big = float(np.max(np.abs(residual), initial=0.))
        if not big:
            return -np.inf
        return 2 * self.ndata * float(np.log(big) + np.log(np.linalg.norm(residual / big) / np.sqrt(self.ndata)))
