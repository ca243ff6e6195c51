"""What is a minimum of data sets that share parameters: the table of `src/common/judgement.h`, asked of the shared parameters together,
and of each data set's own ones.
"""
from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gslfit.curves.batch_result import SUCCESSES, BatchInputs
from gslfit.errors import FitStatus
from gslfit.shared._rows import CLOSE, FALLEN, HELD, NEGLIGIBLE, ROUNDING, SILENT, judge
from gslfit.shared.arrow import DETERMINED, OPEN, Elimination
from gslfit.shared.descent import Descent, State
from gslfit.shared.groups import Group
from gslfit.shared.reading import Part

CosineAndRank = Callable[[np.ndarray], tuple[float, int]]
HOPELESS = (FitStatus.BAD_DATA, FitStatus.TOO_FEW_POINTS, FitStatus.NOT_POSITIVE)


class Known:
    """What is known of a part's data sets while they are fitted.

    Attributes
    ----------
    part : Part
    looked : BatchInputs
        Its data, with the points left out where the model isn't finite.
    ndata, status : ndarray of int, shape (k,)
    values, begun, first, norms : ndarray, shape (q, k)
        The local parameters, their start values, where the fit began, inside of bounds, and the greatest lengths of their columns.
    costs, first_costs : ndarray, shape (k,)
    undetermined : ndarray of bool, shape (q, k)
        Local parameters without an error.
    held : ndarray of bool, shape (q, k)
        Those of them that their bounds hold.
    silenced : ndarray of bool, shape (k,)
        Data sets that are at no minimum for nothing but that a bound may silence some of their parameters.
    """

    looked: BatchInputs

    def __init__(self, part: Part, names: tuple[str, ...]):
        count = len(part.places)
        self.part, self.names = part, names
        self.ndata, self.status = np.zeros(count, int), np.zeros(count, np.int8)
        self.values, self.begun, self.first, self.norms = (np.full((len(names), count), np.nan) for _ in range(4))
        self.costs, self.first_costs = np.full(count, np.nan), np.full(count, np.nan)
        self.undetermined, self.held = np.ones((len(names), count), bool), np.zeros((len(names), count), bool)
        self.silenced = np.zeros(count, bool)
        self.tried = np.zeros(count, bool)      # whether a data set has had a fit of its own
        self.given_up = np.zeros(count, bool)   # and again, once the others had come to an end

    @property
    def hopeless(self) -> np.ndarray:
        """Which data sets can't be fitted, whatever the shared parameters are."""
        return np.isin(self.status, HOPELESS)


def judge_shared(descent: Descent, reason: FitStatus, start: np.ndarray, first_norms: np.ndarray, first_cost: float,
                 idle: np.ndarray | None = None) -> tuple[FitStatus, np.ndarray]:
    """Judge the shared parameters at the end of a descent, all others at their best.

    Parameters
    ----------
    descent : Descent
    reason : FitStatus
        Why it ended.
    start, first_norms : ndarray, shape (s,)
        Where the fit began, and the greatest lengths of the columns since.
    first_cost : float
        What all data sets cost there, as far as that counts.
    idle : ndarray of bool, shape (s,), optional
        Those that bounds of all data sets silence, where a look from inside has found nothing lower: the others are judged.

    Returns
    -------
    status : FitStatus
    flags : ndarray of uint8, shape (s,)
        Not 0 for those that are held at a bound or have no effect.
    """
    state, shared = descent.state, descent.state.shared
    descent.leave_last_digits(state)
    residual = float(np.sqrt(max(descent.counted(state), 0.0)))
    square = sum(float(group.squares.sum()) for group in descent.groups)
    norms = descent.lengths(state)
    slopes = sum(each.shared_slopes.sum(axis=1) for each in state.sums)
    with np.errstate(all="ignore"):
        cosines = np.where(norms > 0, slopes/(norms*residual), 0.0)
    pushes = sum(each.slopes for each in state.free)        # what pushes against a bound, all others at their best
    sides = np.where(shared <= descent.low, -1, np.where(shared >= descent.high, 1, 0))
    cosines = np.where(sides != 0, np.sign(pushes)*np.abs(cosines), cosines)
    which = np.arange(len(shared)) if idle is None else np.flatnonzero(~idle)

    def cosine_and_rank(asked: np.ndarray) -> tuple[float, int]:
        counted = np.zeros(len(shared), bool)
        counted[which] = asked
        decrement, rank = descent.reduced(state, counted & ~state.stays).decrement, descent.reduced(state, counted, whole=True).rank
        return float(np.sqrt(max(decrement, 0.0))/residual) if residual > 0 else 0.0, rank
    status, flags = FitStatus.AT_BOUND, np.full(len(shared), SILENT, np.uint8)
    if which.size:
        found, flags[which] = judge(
            *(each[which] for each in (shared, start, norms, np.maximum(first_norms, norms), cosines, sides)), residual=residual,
            first_residual=float(np.sqrt(first_cost)), scale=float(np.sqrt(square)),
            linear=all(group.straight for group in descent.groups), cosine_and_rank=cosine_and_rank, bent=state.even[which])
        status = status if idle is not None and found in SUCCESSES else found
    if reason == FitStatus.CONVERGED:
        return status, flags
    freedom = max(descent.ndata - descent.nvarys, 1)
    early = reason in (FitStatus.MAX_NFEV, FitStatus.NO_PROGRESS) and descent.left()[0] > CLOSE*np.sqrt(freedom)
    return (reason if early or status not in SUCCESSES else status), flags


def judge_sets(known: Known, group: Group, state: State, k: int, looked: np.ndarray | None = None) -> None:
    """Judge the local parameters of data sets, as the lanes do: those that are plainly at a minimum at once, the others one by one.

    `looked`, ndarray of bool (k), says for which of them a fit from elsewhere has found nothing lower.
    """
    which, sums, part, stays, even = group.which, state.sums[k], state.whole[k], state.own_stays[k], state.own_even[k]
    values, low, high = state.v[k][group.local.own, :len(which)], group.low, group.high
    norms = np.sqrt(np.einsum("qqm->qm", sums.block))
    costs, first_costs = group.counted(sums.cost), group.counted(known.first_costs[which])
    residual, rounding = np.sqrt(costs), ROUNDING**2*group.measures
    sides = np.where(values <= low, -1, np.where(values >= high, 1, 0)).astype(np.int8)
    first = np.maximum(known.norms[:, which], norms)
    size = np.maximum(np.abs(values), np.abs(known.first[:, which]))
    with np.errstate(all="ignore"):
        fallen = np.maximum(NEGLIGIBLE**2, FALLEN**2*np.maximum(costs, rounding)/first_costs)
        unseen = np.maximum(NEGLIGIBLE**2*costs, rounding)
        gone = (norms == 0) | (((norms*size)**2 <= unseen) & ((costs <= rounding) | (norms**2 <= fallen*first**2)))
        cosines = np.where(norms > 0, sums.slopes/(norms*residual), 0.0)
        held = (sides != 0) & ~(cosines*sides > 0)
        low_enough = state.free[k].decrement <= np.maximum(CLOSE**2*costs, rounding)
    plain = low_enough & ~even.any(axis=0) & ~gone.any(axis=0) & ~held.any(axis=0) & part.independent.all(axis=0) & np.isfinite(sums.cost)
    known.status[which] = np.where(plain, FitStatus.CONVERGED, FitStatus.NO_PROGRESS)
    known.undetermined[:, which], known.held[:, which], known.silenced[which] = ~part.independent, False, False
    for j in np.flatnonzero(~plain & np.isfinite(sums.cost)):
        def cosine_and_rank(counted: np.ndarray, j: int = int(j)) -> tuple[float, int]:
            one = moving = Elimination(own := sums.take(np.array([j])), counted[:, None])
            if stays[:, j].any():
                moving = Elimination(own, (counted & ~stays[:, j])[:, None])
            return (float(np.sqrt(moving.decrement[0])/residual[j]) if residual[j] > 0 else 0.0), int(one.independent.sum())
        def verdict(looked: bool, j: int = int(j), cosine_and_rank: CosineAndRank = cosine_and_rank) -> tuple[FitStatus, np.ndarray]:
            return judge(values[:, j], known.first[:, which[j]], norms[:, j], first[:, j], cosines[:, j], sides[:, j],
                         residual=float(residual[j]), first_residual=float(np.sqrt(first_costs[j])),
                         scale=float(np.sqrt(group.squares[j])), linear=group.straight, cosine_and_rank=cosine_and_rank, looked=looked,
                         bent=even[:, j])
        status, flags = verdict(looked is not None and bool(looked[j]))
        known.silenced[which[j]] = status not in SUCCESSES and bool((sides[:, j] != 0).any()) and verdict(True)[0] in SUCCESSES
        known.status[which[j]] = status
        known.undetermined[:, which[j]] = (flags > 0) | open_columns(sums.block[:, :, j], flags)
        known.held[:, which[j]] = flags == HELD


def open_columns(block: np.ndarray, flags: np.ndarray) -> np.ndarray:
    """Return which of the columns that count are combinations of others, or are part of one: ndarray of bool (q).

    Parameters
    ----------
    block : ndarray, shape (q, q)
        J^T J.
    flags : ndarray, shape (q,)
        Not 0 for those that don't count.
    """
    found = np.zeros(len(flags), bool)
    used = np.flatnonzero(flags == 0)
    if used.size:
        unit = 1/np.sqrt(np.diagonal(block)[used])
        values, axes = np.linalg.eigh(block[np.ix_(used, used)]*unit*unit[:, None])
        loose = axes[:, values <= DETERMINED]
        found[used] = (np.abs(loose) > OPEN).any(axis=1)
    return found
