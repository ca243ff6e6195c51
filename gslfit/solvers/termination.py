"""How an iteration ended: one table of endings with their prose, and what a solver's `solve()` returns."""
from enum import IntEnum
from typing import NamedTuple


class Ending(IntEnum):
    """Why an iteration stopped; positive at a minimum.

    `src/solver/loop.h` has the same numbers; ``Ending(k).prose`` says each in a sentence.
    """

    prose: str

    GRADIENT = 1, "converged: the residual is at right angles to every column of the Jacobian (gtol)"
    STEP = 2, "converged: the step is negligible, and so would be the next (xtol)"
    CHISQUARE = 3, "converged: chi-square can't fall by more than ftol"
    EXACT = 4, "converged: the residual is zero"
    PRECISION = 5, "converged: at a minimum, to what double precision can tell"
    MAX_ITER = -1, "not converged: the limit of {limit} iterations was reached (max_iter)"
    MAX_NFEV = -2, "not converged: the limit of {limit} function evaluations was reached (max_nfev)"
    NO_PROGRESS = -3, ("not converged: no step lowers chi-square, yet this is no minimum. Look for a wrong Jacobian, a function that "
                       "is noisy or jumps, or one that is not finite beyond here")
    NONFINITE = -4, "not converged: the Jacobian is not finite ({detail})"
    STOPPED = -5, "stopped by the callback"
    FAILED = -6, "failed: {detail}"
    NO_EFFECT = -7, "not converged: no parameter has an effect on the residual where the fit is. Start elsewhere"
    LOST_EFFECT = -8, "not converged: a parameter that had an effect on the residual at the start has lost it: the fit ran onto a flat"

    def __new__(cls, value: int, prose: str) -> "Ending":
        """Make a member from its number and its prose."""
        member = int.__new__(cls, value)
        member._value_ = value
        member.prose = prose
        return member


class Outcome(NamedTuple):
    """What a solver's `solve()` returns.

    Attributes
    ----------
    ending : Ending
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

    ending: Ending
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
    def success(self) -> bool:
        """Whether the iteration ended at a minimum."""
        return self.ending > 0
