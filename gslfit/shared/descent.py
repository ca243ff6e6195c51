"""The descent in all parameters of data sets together: Levenberg-Marquardt on the arrow that their normal equations are.

The damping is Nielsen's, times the greatest diagonal of the Schur complement so far (More's scaling); the local parameters of a data set
that go wrong are damped by themselves, so that one data set does not hold up the others. Where a formula is linear in its local parameters,
what counts is chi-square with these at their best, which elimination tells without a further evaluation (Golub and Pereyra, SIAM J. Numer.
Anal. 10, 1973, 413; Ruhe and Wedin, SIAM Rev. 22, 1980, 318): the steps are those of variable projection with Kaufman's derivative.

A fit has converged when what is left to go is a small part of every standard error; the last step is then taken, and looked at.
"""
from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np

from gslfit.errors import FitStatus
from gslfit.minimizer.precision import EPS
from gslfit.records import Record
from gslfit.shared._rows import LEAST_CURVATURE, ROUNDING, last_digits
from gslfit.shared.arrow import Elimination, Sums, solve
from gslfit.shared.even import Look, look_at_local, look_at_shared
from gslfit.shared.groups import Group, measured_by
from gslfit.shared.inside import placed

# as the lanes have them: src/lanes/lm_step.h
FIRST, LAST, GIVEN_UP = 1e-3, 1e16, 1e-5
SAME = 1e-13            # chi-squares that differ by less are equal: rounding
TIGHT = 1e-8            # standard errors: what may be left to go
SAFETY, LEAST_RATIO = 2.5, .05
LEAST_NEAR = .05        # of the curvature by its slope alone: what a robust loss has at least once a step went right
NEARLY = 2              # times the cost left: a step of a robust loss that promises less leads to where curvatures are what they are
FAR_OFF = 100.          # times chi-square: a trial costs so much with its local parameters as they are
CANCELLED = 1e6         # the same, where nothing is left of the digits
SHORT_OF = .9           # of the way to a bound
BLURRED = 1e-10         # the share of chi-square below which a change of it is known with few digits
POOR = .25              # of what an almost last step promises: where steps overshoot so, they stay damped
WRONG = .5              # of the step's promise: a data set that misses it by more is damped by itself
PATIENCE = 10           # steps after which a few data sets that have not come to an end are left to fits of their own
NEARER = .1             # of what a data set's own parameters had to go: one that came so much nearer meanwhile is not left to that
STRAGGLERS = .25        # the part of the data sets that are a few
LOOK = 8                # evaluations that are to be left for a look beside a point
TROUBLE = 6             # steps in which a data set went wrong, and is left to a fit of its own
MANY = .5               # the part of the data sets that are too many for that


@dataclass(eq=False)
class State:
    """A point of the descent: the shared parameters, the variables of each group, and the sums there.

    Attributes
    ----------
    free, whole : list of Elimination
        The local parameters that move eliminated, and all that no bound holds.
    stays, own_stays : ndarray of bool, shape (s,), and list of such, (q, k)
        Shared and local parameters that stay as they are, while the others decide: those that a step moves by their last digit at most,
        and even ones.
    even, own_even : the same
        Those of them that enter squared, and are 0 at their minimum.
    looked : bool
        Whether these are known.
    """

    shared: np.ndarray
    v: list[np.ndarray]
    sums: list[Sums]
    free: list[Elimination]
    costs: list[np.ndarray]
    whole: list[Elimination]
    stays: np.ndarray
    own_stays: list[np.ndarray]
    even: np.ndarray
    own_even: list[np.ndarray]
    looked: bool = False

    @property
    def cost(self) -> float:
        """The sum of all costs; where local parameters are projected out, with these at their best."""
        return float(sum(each.sum() for each in self.costs))


class Reduced(Record):
    """The Schur complement and its gradient (s); chi-square's share that an undamped step removes; which columns count; their rank."""

    schur: np.ndarray
    slopes: np.ndarray
    step: np.ndarray
    decrement: float
    rank: int


@dataclass(eq=False)
class Descent:
    """A descent.

    Parameters
    ----------
    groups : list of Group
    start : ndarray, shape (s,)
        Of the shared parameters.
    low, high : ndarray, shape (s,)
    ndata : int
        Points that take part.
    most : int
        Evaluations of all data sets.

    Attributes
    ----------
    state : State
        The best point so far.
    reason : FitStatus
    first_norms : list of ndarray, shape (q, k)
        The greatest lengths of the local columns so far; `shared_norms`, shape (s,), those of the shared ones.
    stragglers : list of (int, ndarray)
        Data sets, by their group and place in it, that came to no end while the others did.
    """

    groups: list[Group]
    start: np.ndarray
    low: np.ndarray
    high: np.ndarray
    ndata: int
    most: int
    nfev: int = 0
    reason: FitStatus = FitStatus.NOT_RUN
    stragglers: list[tuple[int, np.ndarray]] = field(default_factory=list)
    patient: bool = False       # whether no data set is left to a fit of its own on the way
    held: dict[int, float] = field(default_factory=dict)    # shared parameters that a profile holds, and where
    begun: np.ndarray = field(default_factory=lambda: np.zeros(1))  # where the shared parameters were when the fit began
    moved_last: list[np.ndarray] = field(default_factory=list)      # which parameters the step from the last state moved by a last digit

    def __post_init__(self) -> None:
        begun = placed(self.groups, self.start, self.low, self.high, self.most)
        self.start, self.nfev = begun.shared, self.nfev + begun.nfev
        for group, values in zip(self.groups, begun.local, strict=True):
            group.begin_at(values)
        for k, value in self.held.items():
            self.start[k] = value
        self.count = len(self.start)
        self.nvarys = self.count + sum(len(each.local.own)*len(each.which) for each in self.groups)
        self.damping, self.growth, self.wary, self.any_even = FIRST, 2.0, False, False
        self.own = [np.zeros(len(each.which)) for each in self.groups]
        self.trouble = [np.zeros(len(each.which), int) for each in self.groups]
        self.state = self.at(self.start, [each.values for each in self.groups])
        for group, sums in zip(self.groups, self.state.sums, strict=True):
            group.first_costs = np.where(np.isfinite(group.first_costs), group.first_costs, sums.cost)
        self.norms = [np.zeros(each.slopes.shape) for each in self.state.sums]
        self.shared_norms, self.scaling = np.zeros(self.count), np.zeros(self.count)
        self._note(self.state)

    # -- evaluation

    def at(self, shared: np.ndarray, local: list[np.ndarray]) -> State:
        """Return the state at a point."""
        v = [group.put(shared, own) for group, own in zip(self.groups, local, strict=True)]
        return self._state(shared, v)

    def _state(self, shared: np.ndarray, v: list[np.ndarray]) -> State:
        sums = [group.sums(each, self.count) for group, each in zip(self.groups, v, strict=True)]
        self.nfev += 1
        with np.errstate(all="ignore"):
            free = [Elimination(each, self.active(group, at, each)) for group, at, each in zip(self.groups, v, sums, strict=True)]
            costs = [each.cost - part.decrement if group.linear else each.cost
                     for group, each, part in zip(self.groups, sums, free, strict=True)]
        none, own = np.zeros(len(shared), bool), [np.zeros(each.slopes.shape, bool) for each in sums]
        return State(shared, v, sums, free, costs, free, none, own, none, own)

    @property
    def raw_cost(self) -> float:
        """The sum of the costs at the point reached."""
        return raw_cost(self.state)

    def counted(self, state: State) -> float:
        """Return the sum of the costs at a state, as far as they count."""
        return float(sum(group.counted(each.cost).sum() for group, each in zip(self.groups, state.sums, strict=True)))

    @staticmethod
    def active(group: Group, v: np.ndarray, sums: Sums) -> np.ndarray:
        """Return which local parameters may move: not those on a bound that chi-square pushes against."""
        if not group.bounded:
            return np.ones(sums.slopes.shape, bool)
        values = v[group.local.own, :len(group.which)]
        return ~(((values <= group.low) & (sums.slopes > 0)) | ((values >= group.high) & (sums.slopes < 0)))

    def _moves(self, state: State, k: int) -> np.ndarray:
        """Return which local parameters of a group move."""
        return self.active(self.groups[k], state.v[k], state.sums[k]) & ~state.own_stays[k]

    def leave_even(self) -> None:
        """Have parameters stay at the point reached that enter squared, and are 0 at their minimum. Those on their way there go on to where
        chi-square is least along them: steps by J get ever shorter.
        """
        for _ in range(2):
            state = self.state
            if state.looked or not np.isfinite(state.cost) or self.nfev + LOOK > self.most:
                return
            shared, own = self._look_at_even(state)
            state.looked, state.even, state.own_even = True, shared.even, [each.even for each in own]
            self.any_even = bool(state.even.any()) or any(bool(each.any()) for each in state.own_even)
            self._leave(state, state.even, state.own_even)
            before = [state.shared, *(v[group.local.own, :len(group.which)] for group, v in zip(self.groups, state.v, strict=True))]
            if all((each.least == known).all() for each, known in zip((shared, *own), before, strict=True)):
                return
            there = self.at(shared.least, [each.least for each in own])
            if not there.cost < state.cost:
                return
            self.state = there
            self._note(there)

    def _look_at_even(self, state: State) -> tuple[Look, list[Look]]:
        """Look at the shared parameters and the local ones for such at a state."""
        found = [look_at_local(group, v, sums.cost, np.sqrt(np.einsum("qqm->qm", sums.block)))
                 for group, v, sums in zip(self.groups, state.v, state.sums, strict=True)]
        self.nfev += max(spent for _, spent in found)
        local = [v[group.local.own, :len(group.which)] for group, v in zip(self.groups, state.v, strict=True)]
        shared = look_at_shared(self.groups, state.shared, self.begun, (self.low, self.high), self.lengths(state), state.cost,
                                self.counted(state), lambda shared: self.at(shared, local).cost)
        return shared, [each for each, _ in found]

    def _leave(self, state: State, shared: np.ndarray, own: list[np.ndarray]) -> None:
        """Have shared and local parameters stay as they are."""
        state.stays, state.own_stays = state.stays | shared, [known | each for known, each in zip(state.own_stays, own, strict=True)]
        state.free = [Elimination(sums, self._moves(state, k)) if each.any() else part
                      for k, (sums, part, each) in enumerate(zip(state.sums, state.free, own, strict=True))]

    def leave_last_digits(self, state: State) -> None:
        """Have parameters stay at a state that an undamped step moves by their last digit at most (a centre of 1e12 widths, whose digits
        the residuals see), as `leave_last_digits` of `src/descent/polish.c` does: no number is nearer to the minimum. One whose last digit
        that changes is moved once.
        """
        if not self._sees_last_digits(state):
            return
        allowed: list[np.ndarray] = []
        while True:
            shared = self.reduced(state).step
            steps = [shared, *(np.where(group.linear, 0.0, part.local(shared))
                               for group, part in zip(self.groups, state.free, strict=True))]
            places = [state.shared, *(v[group.local.own, :len(group.which)] for group, v in zip(self.groups, state.v, strict=True))]
            more = [last_digits(step, x) for step, x in zip(steps, places, strict=True)]
            if not allowed:
                allowed, self.moved_last = self.moved_last or [each & False for each in more], more
            more = [each & ((x + step == x) | known) for each, step, x, known in zip(more, steps, places, allowed, strict=True)]
            if not any(each.any() for each in more):
                return
            self._leave(state, more[0], more[1:])

    def _sees_last_digits(self, state: State) -> bool:
        """Return whether the last digit of a parameter is more than what may be left to go."""
        chisqr = self.counted(state)
        least = TIGHT/EPS*np.sqrt(chisqr/max(self.ndata - self.nvarys, 1))
        sizes = [np.sqrt(np.einsum("qqm->qm", sums.block))*np.abs(v[group.local.own, :len(group.which)])
                 for group, sums, v in zip(self.groups, state.sums, state.v, strict=True)]
        return any(bool((each > least).any()) for each in (self.lengths(state)*np.abs(state.shared), *sizes))

    def _note(self, state: State) -> None:
        """Remember the greatest lengths of the columns so far."""
        for known, sums in zip(self.norms, state.sums, strict=True):
            np.maximum(known, np.sqrt(np.einsum("qqm->qm", sums.block)), out=known, where=np.isfinite(sums.cost))
        np.maximum(self.shared_norms, self.lengths(state), out=self.shared_norms)
        np.maximum(self.scaling, np.diagonal(sum(each.schur for each in state.free)), out=self.scaling)

    @staticmethod
    def lengths(state: State) -> np.ndarray:
        """Return the lengths of the shared parameters' columns: ndarray (s,)."""
        return np.sqrt(sum(np.einsum("ssm->s", each.shared_block) for each in state.sums))

    # -- steps

    def fixed(self, state: State, slopes: np.ndarray) -> np.ndarray:
        """Return which shared parameters don't move: on a bound and pushed against it, held by a profile, or where they are but for their
        last digit.
        """
        out = state.stays | ((state.shared <= self.low) & (slopes > 0)) | ((state.shared >= self.high) & (slopes < 0))
        out[list(self.held)] = True
        return out

    def reduced(self, state: State, counted: np.ndarray | None = None, whole: bool = False) -> Reduced:
        """Return the undamped equations of the shared parameters at a state, and their solution in those that move, or that are counted;
        `whole`, with all local parameters eliminated.
        """
        parts = state.whole if whole else state.free
        schur, slopes = sum(each.schur for each in parts), sum(each.slopes for each in parts)
        moves = ~self.fixed(state, slopes) if counted is None else counted
        lengths = self.lengths(state)
        step, decrement, rank = solve(schur, slopes, lengths, moves)
        return Reduced(schur, slopes, step, decrement, rank)

    def _step(self, state: State, damping: float) -> tuple[np.ndarray, list[np.ndarray]]:
        """Return a step from a state, within all bounds."""
        damped = damping > 0 or any(each.any() for each in self.own)
        parts = state.free
        if damped:
            parts = [Elimination(sums, self._moves(state, k), None if group.linear and not own.any()
                                 else (own + (0.0 if group.linear else damping))*norms**2)
                     for k, (group, sums, own, norms) in enumerate(zip(self.groups, state.sums, self.own, self.norms, strict=True))]
        shared = self._shared_step(state, parts, damping)
        local = [part.local(shared) for part in parts]
        out = [np.zeros(own.shape, bool) for own in local]
        for _ in range(max((len(own) for own in local), default=0) if any(group.bounded for group in self.groups) else 0):
            found = [self._beyond(group, v, own) for group, v, own in zip(self.groups, state.v, local, strict=True)]
            if not any((each & ~known).any() for each, known in zip(found, out, strict=True)):
                break
            out = [each | known for each, known in zip(found, out, strict=True)]
            parts = [self._cut(state, part, own, each, damping, k) if each.any() else part
                     for k, (part, own, each) in enumerate(zip(parts, local, out, strict=True))]
            shared = self._shared_step(state, parts, damping)
            local = [part.local(shared) for part in parts]
        return shared, [self._within(group, v, own) if group.bounded else own
                        for group, v, own in zip(self.groups, state.v, local, strict=True)]

    @staticmethod
    def _beyond(group: Group, v: np.ndarray, step: np.ndarray) -> np.ndarray:
        """Return which local parameters a step leads out of their bounds."""
        to = v[group.local.own, :len(group.which)] + step
        return (to < group.low) | (to > group.high)

    def _cut(self, state: State, part: Elimination, step: np.ndarray, out: np.ndarray, damping: float, k: int) -> Elimination:
        """Return an elimination in which the local parameters that are out by a step of a group go to their bounds, and no further: those
        that lie on them stay there.
        """
        group, sums, v = self.groups[k], state.sums[k], state.v[k]
        way = np.where(out, self._within(group, v, step), 0.0)
        added = self.own[k] + (0.0 if group.linear else damping)
        return Elimination(sums, self._moves(state, k) & ~out, added*self.norms[k]**2, way)

    @staticmethod
    def _within(group: Group, v: np.ndarray, step: np.ndarray) -> np.ndarray:
        """Return a step of local parameters that does not leave their bounds."""
        values = v[group.local.own, :len(group.which)]
        return np.clip(values + step, group.low, group.high) - values

    def _shared_step(self, state: State, parts: list[Elimination], damping: float) -> np.ndarray:
        """Return the step of the shared parameters, within their bounds. One that is damped stops short of a bound: it leads to where the
        model may be another one, and others have no effect (a width of 0).
        """
        schur, slopes = sum(each.schur for each in parts), sum(each.slopes for each in parts)
        lengths = self.lengths(state)
        schur = schur + damping*np.diag(self.scaling)
        moves = ~self.fixed(state, slopes)
        way, reach = np.zeros(self.count), SHORT_OF if damping > 0 else 1.0
        for _ in range(self.count + 1):
            step = solve(schur, slopes + schur @ way, lengths, moves)[0] + way
            to = state.shared + step
            out = moves & ((to < self.low) | (to > self.high))
            if not out.any():
                break
            way[out] = reach*(np.clip(to, self.low, self.high) - state.shared)[out]
            moves = moves & ~out
        return step

    # -- the descent

    def run(self) -> FitStatus:
        """Descend. Returns why it ended: `FitStatus.CONVERGED`, `MAX_NFEV`, `NO_PROGRESS` or `BAD_DATA`."""
        with np.errstate(all="ignore"):
            self._run()
            self.leave_even()
        return self.reason

    def _run(self) -> FitStatus:
        if not np.isfinite(self.state.cost):
            self.reason = FitStatus.BAD_DATA
            return self.reason
        last, turns, decrements = np.inf, 0, deque[list[np.ndarray]](maxlen=PATIENCE + 1)
        while True:
            if not turns or turns > PATIENCE or self.any_even:
                self.leave_even()
            left, far = self.left()
            undamped = self.damping == 0 and not any(each.any() for each in self.own)
            ratio = min(1.0, max(left/last, LEAST_RATIO)) if undamped and last > 0 else 1.0
            if left*ratio*SAFETY <= TIGHT or left == 0:
                self._finish()
                self.reason = FitStatus.CONVERGED
                return self.reason
            if self.nfev >= self.most:
                self.reason = FitStatus.MAX_NFEV
                return self.reason
            turns += 1
            decrements.append([part.decrement for part in self.state.free])
            if turns > PATIENCE and self._only_stragglers([each & (new > NEARER*old) for each, new, old
                                                           in zip(far, decrements[-1], decrements[0], strict=True)]):
                self.reason = FitStatus.CONVERGED
                return self.reason
            if (turns > PATIENCE and self._in_trouble(TROUBLE)) or not self._go():
                self.reason = FitStatus.NO_PROGRESS
                return self.reason
            last = left if undamped else np.inf

    def left(self) -> tuple[float, list[np.ndarray]]:
        """Return how far the minimum is, in standard errors, by an undamped step; and which data sets' own parameters have as far to go."""
        state = self.state
        self.leave_last_digits(state)
        chisqr = self.counted(state)
        square = measured_by(*(sum(each.sum() for each in of) for of
                               in zip(*((group.squares, group.counted(group.first_costs)) for group in self.groups), strict=True)))
        variance = chisqr/max(self.ndata - self.nvarys, 1)
        floor = ROUNDING**2
        shared = self.reduced(state).decrement
        most = 0.0 if shared <= floor*square else shared/variance if variance > 0 else np.inf
        far = []
        for group, part in zip(self.groups, state.free, strict=True):
            own = np.where(part.decrement <= floor*group.measures, 0.0, part.decrement)
            far.append(own > variance*TIGHT**2)
            if own.size:
                most = max(most, float(own.max())/variance if variance > 0 else np.inf*bool(own.max()))
        return float(np.sqrt(most)), far

    def _only_stragglers(self, far: list[np.ndarray]) -> bool:
        """Return whether a few data sets alone have not come to an end, and note which."""
        count, total = sum(int(each.sum()) for each in far), sum(each.size for each in far)
        if self.patient or not 0 < count <= max(1, STRAGGLERS*total) or total == count:
            return False
        state = self.state
        variance = self.counted(state)/max(self.ndata - self.nvarys, 1)
        if self.reduced(state).decrement > variance:
            return False
        self.stragglers = [(k, np.flatnonzero(each)) for k, each in enumerate(far) if each.any()]
        return True

    def _in_trouble(self, least: int) -> bool:
        """Return whether some data sets, and not most, went wrong at least so many times, and note which."""
        found = [each >= least for each in self.trouble]
        count = sum(int(each.sum()) for each in found)
        if self.patient or not 0 < count <= MANY*sum(each.size for each in found):
            return False
        self.stragglers = [(k, np.flatnonzero(each)) for k, each in enumerate(found) if each.any()]
        return True

    def _go(self) -> bool:
        """Take a step that lowers chi-square; returns False where none does."""
        state, looked = self.state, False
        while self.nfev < self.most:
            shared, local = self._step(state, self.damping)
            trial = self._projected(self._moved(state, shared, local), FAR_OFF*state.cost)
            actual = [new - old for new, old in zip(trial.costs, state.costs, strict=True)]
            promised = [sums.change(shared, own) + (part.decrement if group.linear else 0.0) for group, sums, own, part
                        in zip(self.groups, state.sums, local, state.free, strict=True)]
            change, promise = sum(each.sum() for each in actual), sum(each.sum() for each in promised)
            better = bool(np.isfinite(trial.cost) and change <= SAME*state.cost and raw_cost(trial) <= CANCELLED*state.cost)
            variance = state.cost/max(self.ndata - self.nvarys, 1)
            near = -promise <= variance*max(1.0, .1*self.nvarys)
            self._damp(actual, promised, variance, better)
            if better:
                rho = change/promise if promise else 1.0
                for group in self.groups:
                    group.least = LEAST_NEAR if -promise <= NEARLY*trial.cost else LEAST_CURVATURE
                blurred = -promise <= BLURRED*state.cost
                self.wary = self.wary or (rho < POOR and near and not blurred)
                if near and not self.wary and (rho > .5 or blurred):
                    self.damping = 0.0
                elif not (self.wary and blurred):
                    self.damping = max(4*self.damping, FIRST) if self.wary and rho < POOR else self.damping*min(
                        2.0, max(.1, 1 - (2*min(rho, 2.0) - 1)**3))
                self.growth = 2.0
                self.state = trial
                self._note(trial)
                return True
            if not looked:      # the step was wrong perhaps, not too long
                looked, here = True, self._projected(state, (1 + BLURRED)*state.cost)
                if here is not state:
                    self.state = state = here
                    self._note(state)
                    continue
            self.wary = self.wary or near
            self.damping = FIRST if self.damping == 0 else self.damping*self.growth
            self.growth *= 2
            if self._in_trouble(TROUBLE):
                return False
            if self.damping > LAST:
                self._in_trouble(1)
                return False
        return False

    def _moved(self, state: State, shared: np.ndarray, local: list[np.ndarray]) -> State:
        """Return the state a step away."""
        return self.at(moved(state.shared, shared, self.low, self.high),
                       [moved(v[group.local.own, :len(group.which)], own, group.low, group.high)
                        for group, v, own in zip(self.groups, state.v, local, strict=True)])

    def _projected(self, trial: State, most: float) -> State:
        """Return a point with the local parameters that are projected out where they are best, if it costs more than `most` as it is: what
        chi-square is with these at their best is else the difference of large numbers, and columns are those of other amplitudes.
        """
        if not any(group.linear for group in self.groups) or not most < raw_cost(trial) < np.inf:
            return trial
        none = np.zeros(self.count)
        return self.at(trial.shared, [v[group.local.own, :len(group.which)] + (part.local(none) if group.linear else 0.0)
                                      for group, v, part in zip(self.groups, trial.v, trial.free, strict=True)])

    def _damp(self, actual: list[np.ndarray], promised: list[np.ndarray], variance: float, better: bool) -> None:
        """Damp the data sets whose own parameters went wrong, and let the others go again."""
        for k, group in enumerate(self.groups):
            if group.linear or not len(group.local.own):
                continue
            missed = actual[k] - promised[k]
            wrong = ~(missed <= np.maximum(WRONG*np.abs(promised[k]), variance))
            own = np.where(wrong, np.maximum(4*self.own[k], FIRST), .2*self.own[k] if better else self.own[k])
            self.own[k] = np.where(own < GIVEN_UP, 0.0, own)
            self.trouble[k] = np.where(wrong, self.trouble[k] + 1, np.maximum(self.trouble[k] - better, 0))

    def _finish(self) -> None:
        """Take the last step, where it is not worse."""
        shared, local = self._step(self.state, 0.0) if not any(each.any() for each in self.own) else (None, [])
        if shared is None or not (shared.any() or any(each.any() for each in local)):
            return
        trial = self._moved(self.state, shared, local)
        if trial.cost <= self.state.cost*(1 + SAME):
            self.state = trial


def moved(values: np.ndarray, step: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Return where a step leads: onto a bound exactly, where it is all the way there."""
    return np.where(step == low - values, low, np.where(step == high - values, high, values + step))


def raw_cost(state: State) -> float:
    """Return the sum of the costs at a point as it is."""
    return float(sum(each.cost.sum() for each in state.sums))
