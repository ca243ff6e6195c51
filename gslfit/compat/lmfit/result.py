"""What lmfit 1.3 returns from a fit: `MinimizerResult`."""
from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from gslfit.errors import InputError
from gslfit.records import Record

LEAST = 1e-250            # of chi-square by data point: so much less counts as so much, for its logarithm


class Candidate(Record):
    """A point of the grid of `brute`: its parameters and what the objective is there."""

    params: Any
    score: float


class MinimizerResult:
    """The result of a fit; the attributes are those of lmfit 1.3.

    Attributes
    ----------
    params : Parameters
        A copy of those given, with best values, errors and correlations.
    residual : ndarray, shape (ndata,)
    var_names : list of str
    init_vals : list of float
    init_values : dict of str to float
    covar : ndarray, shape (nvarys, nvarys), or None
    success, errorbars, aborted : bool
    message, method : str
    nfev, nvarys, ndata, nfree : int
    chisqr, redchi, aic, bic : float
    call_kws : dict
    ier, lmdif_message
        Of `leastsq` only.
    uvars : dict of str to uncertainties.UFloat, or None
    flatchain : pandas.DataFrame or None
        Of `emcee` only.
    """

    if TYPE_CHECKING:                                         # the fits set what they have
        def __getattr__(self, name: str) -> Any: ...
        def __setattr__(self, name: str, value: Any) -> None: ...

    def __init__(self, **kws: Any) -> None:
        self.__dict__.update(kws)

    @property
    def uvars(self) -> dict[str, Any] | None:
        """The values with uncertainties and correlations, as the package `uncertainties` has them; None without errors."""
        if "_uvars" not in self.__dict__:
            covar = getattr(self, "covar", None)
            self._uvars = self.params.create_uvars(covar) if getattr(self, "errorbars", False) and covar is not None else None
        return self._uvars

    @uvars.setter
    def uvars(self, uvars: dict[str, Any] | None) -> None:
        self._uvars = uvars

    @property
    def flatchain(self) -> Any:
        """The chain of `emcee` as a table, a column for each varying parameter."""
        chain = getattr(self, "chain", None)
        if chain is None:
            return None
        from pandas import DataFrame
        return DataFrame(chain.reshape(-1, len(self.var_names)), columns=self.var_names)

    def show_candidates(self, candidate_nmb: int | str = "all") -> None:
        """Print the best points of `brute`, or one of them.

        Parameters
        ----------
        candidate_nmb : int or "all"
            Which one, from 1.

        Raises
        ------
        InputError
            If there is none of that number.
        """
        candidates = getattr(self, "candidates", None)
        if candidates is None:
            return
        if candidate_nmb != "all" and not 1 <= int(candidate_nmb) <= len(candidates):
            raise InputError(f"'candidate_nmb' should be between 1 and {len(candidates)}, not {candidate_nmb!r}")
        for number, candidate in enumerate(candidates, 1):
            if candidate_nmb in ("all", number):
                print(f"\nCandidate #{number}, chisqr = {candidate.score:.3f}")
                candidate.params.pretty_print()

    def measure(self) -> None:
        """Set the statistics that follow from the residual."""
        residual = getattr(self, "residual", None)
        self.nvarys = len(self.var_names)
        if isinstance(residual, np.ndarray):
            self.ndata, self.chisqr = residual.size, float(residual @ residual)
            self.nfree = self.ndata - self.nvarys
        else:
            self.residual = self.chisqr = -math.inf if residual is None else residual
            self.ndata = self.nfree = 1
        self.redchi = self.chisqr/max(1, self.nfree)
        self.chisqr = max(self.chisqr, LEAST*self.ndata)
        likelihood = self.ndata*math.log(self.chisqr/self.ndata) if self.ndata else math.nan
        self.aic = likelihood + 2*self.nvarys
        self.bic = likelihood + (math.log(self.ndata)*self.nvarys if self.ndata else math.nan)

    def spread(self, covar: np.ndarray) -> None:
        """Set errors and correlations from a covariance that is scaled already."""
        self.covar = covar
        with np.errstate(invalid="ignore", divide="ignore"):
            sigma = np.sqrt(np.diag(covar))
            correl = covar/sigma[:, None]/sigma
        self.errorbars = bool((sigma > 0).all())
        for par in self.params.values():
            par.stderr, par.correl = 0., None
        for name, error, row in zip(self.var_names, sigma.tolist(), correl.tolist(), strict=True):
            par = self.params[name]
            par.stderr = error
            par.correl = {other: r for other, r in zip(self.var_names, row, strict=True) if other != name}
        free = self.params.bind()
        free.put_external([self.params[name].value for name in free.names])
        for name, slope in zip(*free.dependents(), strict=True):
            self.params[name].stderr = float(np.sqrt(slope @ covar @ slope))

    def _repr_html_(self, show_correl: bool = True, min_correl: float = .1) -> str:
        from gslfit.compat.lmfit.printfuncs import fitreport_html_table
        return f"<h2>Fit Result</h2> {fitreport_html_table(self, show_correl, min_correl)}"
