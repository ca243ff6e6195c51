"""How an iteration ended: what a solver's `solve()` returns, and the sentence that says it."""
from __future__ import annotations

from typing import Any, ClassVar

from gslfit.errors import FitStatus
from gslfit.records import Record


class Ending:
    """The endings of an iteration by the numbers that pickles of gslfit 0.1 have; each is a `FitStatus`."""

    NUMBERS: ClassVar[dict[int, str]] = {
        1: "GRADIENT", 2: "STEP", 3: "CHISQUARE", 4: "EXACT", 5: "PRECISION", -1: "MAX_ITER", -2: "MAX_NFEV", -3: "NO_PROGRESS",
        -4: "NONFINITE", -5: "STOPPED", -6: "FAILED", -7: "NO_EFFECT", -8: "LOST_EFFECT"}

    def __new__(cls, number: int) -> Any:
        """Return the status that an ending of that number is."""
        return FitStatus[cls.NUMBERS[number]]


for _name in Ending.NUMBERS.values():
    setattr(Ending, _name, FitStatus[_name])


def sentence(status: FitStatus, limit: float = 0, detail: str = "") -> str:
    """Return in a sentence how an iteration ended.

    Parameters
    ----------
    status : FitStatus
    limit : float
        Of iterations or evaluations, where that was reached.
    detail : str
        What is known beyond the status.
    """
    said = "converged" if status.success else "not converged"
    more = f" ({detail})" if detail else ""
    return f"{said}: {within(status, limit)}{more}"


def within(status: FitStatus, limit: float) -> str:
    """Return the prose of a status with its limit, where one was reached."""
    prose = status.prose
    return prose.replace("the limit of", f"the limit of {limit:.0f}", 1) if "the limit of" in prose else prose


class Termination(Record):
    """What a solver's `solve()` returns.

    Attributes
    ----------
    ending : FitStatus
        Why the iteration stopped.
    message : str
        The same in a sentence.
    niter, nfev, njev : int
        Steps taken, and evaluations of the residual (those for differences included) and of the Jacobian.
    rejected : int
        Trial steps refused because the residual was not finite there.
    gradient : float
        max_j |J_j.f| / (|J_j| |f|) at the end.
    cosine : float
        Length of the projection of f on the Jacobian's columns, over |f|: its square is the part of chi-square that a full
        Gauss-Newton step promises to remove. -1 where it is not known.
    rank : int
        Numerical rank of the Jacobian with its columns scaled to length 1; 0 where it is not known.
    code : int
        GSL's own status, where one ended the iteration; else 0.
    """

    ending: FitStatus
    message: str
    niter: int
    nfev: int
    njev: int
    rejected: int
    gradient: float
    cosine: float
    rank: int
    code: int

    @property
    def info(self) -> int:
        """What GSL's drivers say of success: 1 for a small step, 2 for a small gradient, 3 for a small change of chi-square; else 0."""
        known = {FitStatus.STEP: 1, FitStatus.GRADIENT: 2, FitStatus.CHISQUARE: 3}
        return known.get(self.ending) or 0

    @property
    def status(self) -> FitStatus:
        """The same as `ending`, by the name that results of fits have for it."""
        return self.ending

    @property
    def success(self) -> bool:
        """Whether the iteration ended at a minimum."""
        return self.ending.success


Outcome = Termination       # by its name in pickles of gslfit 0.1
