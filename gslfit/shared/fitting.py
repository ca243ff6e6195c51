"""From data sets that were read to their common minimum: which of them take part, the descent, and what is a minimum.

A data set that can't be fitted does not spoil the others: it is left out with its status, and the rest is fitted as without it. One whose
own parameters come to no end while all others do is fitted for itself beside the shared parameters found; where that succeeds, it goes on
from there with the others.
"""
from __future__ import annotations

from typing import Any

import numpy as np

from gslfit.curves.batch_result import SUCCESSES, BatchResult
from gslfit.curves.job import completed, default_nfev
from gslfit.curves.linear_start import LinearFit, inside
from gslfit.errors import FitStatus, InputError
from gslfit.formula.parametrize import refuse_outside
from gslfit.minimizer.options import FitOptions
from gslfit.objective._loss import BOUNDED, explains_nothing
from gslfit.objective.loss import ROBUST, TUNED, is_flat, is_unsteady, moves, narrower
from gslfit.objective.loss import ROUNDS as MAD_ROUNDS
from gslfit.objective.residual import too_few_in_words
from gslfit.shared._rows import HELD, LOWER
from gslfit.shared.arrow import Elimination, solve
from gslfit.shared.descent import Descent
from gslfit.shared.ending import HOPELESS, Known, judge_sets, judge_shared
from gslfit.shared.groups import Group, far_off, look, refit
from gslfit.shared.inside import placed
from gslfit.shared.open_ways import look_along, look_inside
from gslfit.shared.reading import Part, Sets

OUTLYING = 1e3          # times the chi-square of most data sets, each by its points: a start that is far off
FEW = .25               # the part of the data sets that may be so
MIDDLE = 1e70           # greatest data or weights whose squares, and those of what they are made of, are in range: so far as by it
FIRST_SHARE = .5        # of the evaluations allowed, for a robust loss's first descents
TELLERS = 8             # data sets by themselves, of each formula, that may tell where a shared parameter begins
ROUNDS = 12             # descents, after each of which data sets may be left out or taken in again


class Fitting:
    """The fit of data sets that share parameters.

    Parameters
    ----------
    sets : Sets
    options : FitOptions
    bad : {"omit", "raise"}
        What a data set does that can't be fitted.

    Attributes
    ----------
    known : list of Known
        Of each part.
    shared, shared_start, shared_first : ndarray, shape (s,)
        Where they are, the start values, and where the fit began, inside of bounds.
    status : FitStatus
        Of all data sets together.
    flags : ndarray of uint8, shape (s,)
        Shared parameters without an error.
    descent : Descent or None
        The last one; None where no data set could be fitted.
    nfev : int
    """

    descent: Descent | None = None
    scales: np.ndarray | None = None    # of a robust loss, of each data set
    unit = 1.0                          # of the weights: see `Group`
    unsteady = False                    # whether the scale "mad" of a data set has not settled
    patient = False                     # whether data sets that had been left out are taken in for good
    last: list[dict[str, Any]]          # what was known of the parts before that
    share = 1.0                         # of the evaluations allowed, that descents just now may use
    _loss = "linear"                    # of the descents just now

    def __init__(self, sets: Sets, options: FitOptions, bad: str):
        self.sets, self.options, self.bad = sets, options, bad
        self.nfev, self.status, self.shared_norms = 0, FitStatus.BAD_DATA, np.zeros(len(sets.shared))
        self.first_cost = np.nan
        self.flags = np.zeros(len(sets.shared), np.uint8)
        self.low, self.high = (np.array([float(sets.bounds[name][side]) if name in sets.bounds else end for name in sets.shared])
                               for side, end in ((0, -np.inf), (1, np.inf)))
        self.known = [self._look(part) for part in sets.parts]
        self.shared = self.shared_start = self.shared_first = self._first_shared()
        self.unit = self._find_unit()

    def _find_unit(self) -> float:
        """Return the power of two that weights are multiplied by: 1, unless squares of data or of derivatives may be out of range."""
        if self.options.loss == "poisson":
            return 1.0
        with np.errstate(all="ignore"):
            groups = self._groups(whole=True)
            sizes = [size for group in groups for size in group.extremes if 0 < size < np.inf]
            if all(1/MIDDLE < size < MIDDLE for size in sizes):
                return 1.0
            sizes += [size for group in groups for size in group.steepest(self.shared)]
            exponents = [float(np.log2(size)) for size in sizes if 0 < size < np.inf]
        return float(np.ldexp(1.0, -round(.5*(min(exponents) + max(exponents))))) if exponents else 1.0

    def _look(self, part: Part) -> Known:
        """Look at the data sets of a part, and at their start values."""
        job = part.job
        if job.missing and self.options.loss == "poisson":      # whose model must not be zero at the start
            job = completed(job, part.given, self.options)
            part = part._replace(job=job)
        assert job.folded is not None
        starts = {name: np.asarray(job.start[name], float) for name in (*job.folded.names, *job.folded.inputs)}
        starts |= {name: np.zeros(()) for name in job.missing}       # until a linear fit has told
        for name in self.sets.shared:
            if name in starts and starts[name].ndim:
                starts[name] = np.nanmedian(starts[name])
        part = part._replace(job=job._replace(start={**job.start, **starts}))
        known = Known(part, tuple(name for name in self.sets.local if name in starts))
        self._check_bounds(starts, part)
        found = look(part, self.sets, starts, self.options)
        known.looked, known.ndata = found.data, np.array(found.ndata, int)
        known.status = np.where(np.isin(found.status, HOPELESS), found.status, FitStatus.NOT_RUN).astype(np.int8)
        for k, name in enumerate(known.names):
            known.values[k] = starts[name]
        self._refuse(known)
        return known

    def _check_bounds(self, starts: dict[str, np.ndarray], part: Part) -> None:
        """Raise ParameterError for a start outside its bounds."""
        for name, (low, high) in self.sets.bounds.items():
            if name in starts and name not in part.job.missing:
                values = np.full(self.sets.total, np.nan)
                values[part.places] = starts[name]
                refuse_outside(name, values, low, high)

    def _refuse(self, known: Known) -> None:
        """Raise InputError for a data set that can't be fitted, where that is wanted."""
        bad = ~np.isin(known.status, (*SUCCESSES, FitStatus.NOT_RUN))
        if self.bad == "raise" and bad.any():
            first = int(np.argmax(bad))
            raise InputError(f"data set {known.part.places[first]} can't be fitted: {FitStatus(int(known.status[first])).prose}; "
                             'bad="omit" leaves such data sets out')

    def _first_shared(self) -> np.ndarray:
        """Return the start values of the shared parameters."""
        found = np.zeros(len(self.sets.shared))
        for k, name in enumerate(self.sets.shared):
            values = [float(known.part.job.start[name]) for known in self.known if name in known.part.job.start]
            found[k] = values[0]
        return found

    # -- descents

    def run(self) -> None:
        """Fit: by the loss that is asked for, after those that lead to it."""
        ndata, nvarys = self._count()
        if 0 < ndata < nvarys:
            said = too_few_in_words(ndata, nvarys, " of data sets that can be fitted")
            raise InputError(f"{said}: {', '.join(self.sets.shared)} of all, and {', '.join(self.sets.local) or 'none'} of each")
        loss, f_scale = self.options.loss, self.options.f_scale
        if loss in ROBUST and f_scale != "mad":
            self._scale_by(float(f_scale))
        self._solve_linear()
        self._begin_inside()
        self._begin_near(loss)
        self._loss = "linear" if f_scale == "mad" and loss in ROBUST else loss
        self._look_at_outlying()
        if loss in ROBUST and f_scale == "mad":
            self._find_scales()
        if loss in ROBUST and f_scale != "mad":
            self._go_narrow(loss)
        else:
            self._loss = loss
            self._rounds()
        if self.descent is not None and self.status in SUCCESSES and loss in ROBUST and self._is_flat():
            self.status = FitStatus.NO_PROGRESS
        if self.descent is not None and self.status in SUCCESSES and loss in BOUNDED and self._explains_nothing():
            self.status = FitStatus.OUT_OF_SIGHT
        if self.unsteady and self.status in SUCCESSES:
            self.status = FitStatus.MAX_NFEV
        for known in self.known:
            self._refuse(known)

    def _go_narrow(self, loss: str) -> None:
        """Fit by a robust loss of a given scale; where that finds no common minimum, by Huber's loss of scales from the residuals' size on
        down to it, each from the end of the last one.

        A scale that is narrow beside the residuals makes curvatures jump from one step to the next.
        """
        scales, begun = self.scales, self._kept()
        assert scales is not None
        self.share = FIRST_SHARE
        for self._loss in ("huber", loss) if loss in BOUNDED else (loss,):      # whose minima are many: begin where Huber's loss leads
            self._rounds()
        self.share = 1.0
        if self._is_whole() or self.nfev >= self._most():
            return
        first, spent = self._kept(), self.nfev
        self._put_back(begun)
        self._loss, self.nfev, self.scales = "linear", spent, None
        self._rounds()
        self._loss = "huber"
        for wide in narrower(self._scale_by("huber"), scales):
            if self.descent is None:
                break
            self.scales = wide
            self._open()
            self._rounds()
        self.scales, self._loss = scales, loss
        self._open()
        self._rounds()
        if not self._is_whole():
            spent = self.nfev
            self._put_back(first)
            self.nfev = spent
            if self.status in SUCCESSES and spent >= self._most():
                self.status = FitStatus.MAX_NFEV

    def _is_whole(self) -> bool:
        """Return whether a minimum was found, of all data sets that can be fitted."""
        failed = [~np.isin(known.status, SUCCESSES) & ~known.hopeless for known in self.known]
        return self.descent is not None and self.status in SUCCESSES and not any(each.any() for each in failed)

    def _open(self) -> None:
        """Take in again all data sets that can be fitted."""
        for known in self.known:
            known.status[~known.hopeless] = FitStatus.NOT_RUN
            known.tried[:], known.given_up[:] = False, False

    def _kept(self) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Return what is known, of all data sets and of each part."""
        return dict(self.__dict__), [{name: value.copy() if isinstance(value, np.ndarray) else value
                                      for name, value in known.__dict__.items()} for known in self.known]

    def _put_back(self, kept: tuple[dict[str, Any], list[dict[str, Any]]]) -> None:
        """Make what was known then what is known; it may be put back once more."""
        for name in set(self.__dict__) - set(kept[0]):      # what was not known yet
            delattr(self, name)
        self.__dict__.update(kept[0])
        for known, own in zip(self.known, kept[1], strict=True):
            known.__dict__.update({name: value.copy() if isinstance(value, np.ndarray) else value for name, value in own.items()})

    def _rounds(self) -> None:
        """Descend, and leave out data sets or take them in again, until that changes no more."""
        self.patient = False
        for _ in range(ROUNDS):
            groups = self._groups()
            ndata, nvarys = self._count()
            if not groups or ndata < nvarys:
                for group in groups:        # the others were left out
                    self.of(group).status[group.which] = self.status = FitStatus.TOO_FEW_POINTS
                self.descent = None
                return
            before = self._end() if self.patient else None
            self._descend(groups)
            ended = [self.of(group).status[group.which] for group in groups]
            if before is not None and not (self.status in SUCCESSES and np.isin(np.concatenate(ended), SUCCESSES).all()):
                # as it was without the data sets taken in again: these can be fitted, and the common minimum has not been found
                self.__dict__.update(before[0])
                for known, kept in zip(self.known, before[1], strict=True):
                    known.__dict__.update(kept)
                self.status = FitStatus.MAX_NFEV if self.nfev >= self._most() else FitStatus.NO_PROGRESS
                return
            if not self._again(groups):
                return

    def _end(self) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Return what the last descent led to: of all data sets, and of each part."""
        return {name: self.__dict__[name] for name in ("descent", "shared", "status", "flags")}, self.last

    def _count(self) -> tuple[int, int]:
        """Return how many points there are in the data sets that take part, and how many parameters vary."""
        taking = [np.isin(known.status, (*SUCCESSES, FitStatus.NOT_RUN)) for known in self.known]
        own = sum(len(known.names)*int(each.sum()) for known, each in zip(self.known, taking, strict=True))
        return sum(int(known.ndata[each].sum()) for known, each in zip(self.known, taking, strict=True)), len(self.sets.shared) + own

    def _scale_by(self, factor: float | str) -> np.ndarray:
        """Scale the loss of all data sets, or each by its own residuals: 1.48 times their median size, times what a loss has for that."""
        scales = np.ones(self.sets.total)
        if isinstance(factor, str):
            groups = self._groups() if self.descent is None else self.descent.groups
            places = [group.put(self.shared, group.values) for group in groups] if self.descent is None else self.descent.state.v
            for group, v in zip(groups, places, strict=True):
                size = group.typical(v)
                scales[self.of(group).part.places[group.which]] = np.where(size > 0, size, 1.0)
        self.scales = scales*(TUNED[factor] if isinstance(factor, str) else factor)
        return self.scales

    def _find_scales(self) -> None:
        """Find the scale of each data set that its residuals have in a fit by Huber's loss of that very scale: from the least squares' end
        on, or where these are led astray by outliers, from the start.
        """
        begun, self.share = self._kept(), FIRST_SHARE
        self._rounds()
        if self._is_whole():
            self._settle_scales()
        self.share = 1.0
        if not self._is_whole():
            spent = self.nfev
            self._put_back(begun)
            self.nfev = spent
            self._settle_scales()
        self._scale_by(self.options.loss)

    def _settle_scales(self) -> None:
        """Fit by Huber's loss, and take its scales from the residuals, until these stay what they are."""
        self._loss = "huber"
        for _ in range(MAD_ROUNDS):
            before, after = self.scales, self._scale_by("huber")
            if before is not None and (self.descent is None or not moves(before, after).any()):
                break
            self._rounds()
        before = self.scales
        self.unsteady = self.descent is not None and self._is_unsteady(before, self._scale_by("huber"))

    def _is_unsteady(self, before: np.ndarray | None, after: np.ndarray) -> bool:
        """Return whether the scale of a data set that takes part, the last one and that of its end, is none."""
        assert self.descent is not None and before is not None
        for group in self.descent.groups:
            if is_unsteady(before[group.places], after[group.places], 0.0).any():
                begun = group.typical(group.put(self.shared_first, self.of(group).first[:, group.which]))
                if is_unsteady(before[group.places], after[group.places], begun).any():
                    return True
        return False

    def _is_flat(self) -> bool:
        """Return whether a robust loss is flat within rounding at the residuals of a data set."""
        assert self.descent is not None and self.scales is not None
        return any(bool(is_flat(group.typical(v), self.scales[group.places], group.sizes[0]/self.unit).any())
                   for group, v in zip(self.descent.groups, self.descent.state.v, strict=True))

    def _explains_nothing(self) -> bool:
        """Return whether no more points of all data sets are in a bounded loss's sight than the parameters meet wherever they are."""
        assert self.descent is not None
        cost = 0.0
        for group, sums in zip(self.descent.groups, self.descent.state.sums, strict=True):
            assert group.scale is not None
            with np.errstate(all="ignore"):
                cost += float((sums.cost/group.scale[:len(group.which)]**2).sum())
        return explains_nothing(self.options.loss, 1.0, cost, *self._count())

    def _groups(self, whole: bool = False) -> list[Group]:
        """Return the data sets that take part; least squares on the way to another loss are of what that sees of them, if not `whole`."""
        found = []
        for known in self.known:
            which = np.flatnonzero(np.isin(known.status, (*SUCCESSES, FitStatus.NOT_RUN)))
            if which.size:
                scale = self.scales[known.part.places[which]] if self._loss in ROBUST and self.scales is not None else None
                options = self.options._replace(loss=self._loss)
                seen = self.options if self._loss == "linear" and not whole else None
                found.append(Group(known.part, self.sets, which, known.looked, options, known.values[:, which], scale, self.unit, seen))
                found[-1].first_costs, found[-1].begun = known.first_costs[which], known.first[:, which]
        return found

    def of(self, group: Group) -> Known:
        """Return what is known of a group's data sets."""
        return next(known for known in self.known if known.part is group.part)

    def _solve_linear(self) -> None:
        """Find start values of parameters that have none, which the formulas are linear in: all data sets together."""
        missing = {name for known in self.known for name in known.part.job.missing}
        if missing and self.options.loss != "poisson" and (groups := self._groups()):
            count = len(self.shared)
            parts, all_sums = [], []
            for group in groups:
                names = self.of(group).names
                sums = group.sums(group.put(self.shared, group.values), count)
                active = np.repeat(np.array([name in missing for name in names], bool)[:, None], len(group.which), 1)
                parts.append(Elimination(sums, active))
                all_sums.append(sums)
            moves = np.array([name in missing for name in self.sets.shared])
            lengths = np.sqrt(sum(np.einsum("ssm->s", sums.shared_block) for sums in all_sums))
            step = solve(sum(part.schur for part in parts), sum(part.slopes for part in parts), lengths, moves)[0]
            self._begin(self.shared, moves, LinearFit((self.shared + step)[None], lengths[None], self._whole(groups)), self.low, self.high)
            self.shared_start = self.shared.copy()
            for group, part, sums in zip(groups, parts, all_sums, strict=True):
                known = self.of(group)
                fitted = LinearFit((group.values + part.local(step)).T, np.sqrt(np.einsum("qqm->mq", sums.block)), np.sqrt(group.squares))
                found = group.values.copy()
                self._begin(found, np.array([name in missing for name in known.names], bool), fitted, group.low, group.high)
                known.values[:, group.which] = found
        for known in self.known:
            known.begun = known.values.copy()

    def _begin_inside(self) -> None:
        """Have parameters that start on a bound begin inside, where the residuals see them: what follows is told from there."""
        groups = self._groups() if self.sets.bounds else []
        if groups:
            begun = placed(groups, self.shared, self.low, self.high, self._most())
            self.nfev += begun.nfev
            if begun.told:
                self.shared = begun.shared
            for group, values in zip(groups, begun.local if begun.told else [], strict=begun.told):
                self.of(group).values[:, group.which] = values
        self._begin_awake()
        self.shared_first = self.shared.copy()
        for known in self.known:
            known.first = known.values.copy()

    def _begin_awake(self) -> None:
        """Have parameters that start at 0, and have no column in any data set there, begin where fits of single data sets lead them: normal
        equations say nothing of them. Shared ones begin as one data set has them all, the first that tells of one.
        """
        if (self.shared != 0).all() and all((known.values != 0).all() for known in self.known):
            return
        groups, count = self._groups(), len(self.shared)
        with np.errstate(all="ignore"):
            sums = [group.sums(group.put(self.shared, group.values), count) for group in groups]
        lengths = sum((np.einsum("ssm->s", each.shared_block) for each in sums), np.zeros(count))
        idle, told = (self.shared == 0) & (lengths == 0), False
        for group, each in zip(groups, sums, strict=True):
            known, own = self.of(group), (group.values == 0) & (np.einsum("qqm->qm", each.block) == 0)
            whole, asleep = group.shared.whole, idle[group.shared.whole]
            asked = own.any(axis=0)
            asked[:TELLERS] |= bool(asleep.any()) and not told
            places = group.which[asked]
            if not places.size:
                continue
            shared = [self.sets.shared[k] for k in whole]
            starts = {**self._starts(known), **dict(zip(known.names, known.values, strict=True)),
                      **dict(zip(shared, self.shared[whole].tolist(), strict=True))}
            found = refit(known.part, self.sets, places, known.looked, {}, starts, self.options, (*shared, *known.names))
            self.nfev += int(found.nfev.max())
            good = np.isin(found.status, SUCCESSES)
            for k, name in enumerate(known.names):
                moved = own[k, asked] & good
                known.values[k, places[moved]] = found.values[name][moved]
            ends = np.array([found.values[name] for name in shared]).reshape(len(shared), -1)[asleep]
            tellers = np.flatnonzero(good & (ends != 0).any(axis=0))
            if tellers.size and not told:
                told, which, self.shared = True, whole[asleep], self.shared.copy()
                self.shared[which] = np.clip(ends[:, tellers[0]], self.low[which], self.high[which])

    def _begin_near(self, loss: str) -> None:
        """Have parameters that the formulas are linear in begin where they fit best beside the other starts, if they are far off: steps of
        the others are wrong by as much as amplitudes are, and one such data set swamps all.
        """
        groups = self._groups() if loss != "poisson" else []
        with np.errstate(all="ignore"):
            together = bool(groups) and self._begin_near_together(groups, loss)
        for group in [] if together else groups:
            self.of(group).values[:, group.which] = group.near(self.shared, group.linear and loss == "linear")

    def _begin_near_together(self, groups: list[Group], loss: str) -> bool:
        """Do so with shared parameters, and the local ones beside them; returns False where no shared one is far off."""
        places, count = [group.linear_places() for group in groups], len(self.shared)
        moves = np.ones(count, bool)
        for group, each in zip(groups, places, strict=True):
            moves[np.setdiff1d(group.shared.whole, each.whole)] = False
        if not moves.any():
            return False
        shared = np.where(moves, 0.0, self.shared)
        values, sums, parts = zip(*(group.without(shared, each.own) for group, each in zip(groups, places, strict=True)), strict=True)
        lengths, whole = np.sqrt(sum(np.einsum("ssm->s", each.shared_block) for each in sums)), self._whole(groups)
        step = solve(sum(part.schur for part in parts), sum(part.slopes for part in parts), lengths, moves)[0]
        self._begin(shared, moves, LinearFit((shared + step)[None], lengths[None], whole), self.low, self.high)
        found = []
        for group, each, own, one, part in zip(groups, places, values, sums, parts, strict=True):
            fitted = LinearFit((own + part.local(step)).T, np.sqrt(np.einsum("qqm->mq", one.block)), np.sqrt(group.squares))
            which = np.isin(np.arange(len(own)), each.own)
            self._begin(own, which, fitted, group.low, group.high)
            found.append(own)
        before, after = (np.atleast_1d(sum(group.sums(group.put(at, own), count).cost.sum()
                                           for group, own in zip(groups, local, strict=True)))
                         for at, local in ((self.shared, [group.values for group in groups]), (shared, found)))
        scales = np.intersect1d(np.flatnonzero(moves), np.concatenate([group.amplitudes.whole for group in groups]))
        far = far_off(self.shared[scales, None], shared[scales, None], lengths[scales, None], whole, before, after)[0]
        signs = [np.sign(self.shared)*shared, *(np.sign(group.values)*own for group, own in zip(groups, found, strict=True)
                                                if not (group.linear and loss == "linear"))]
        if not (far and all((each >= 0).all() for each in signs) and np.isfinite(after).all()):      # of a NaN too
            return False
        self.shared = shared
        for group, own in zip(groups, found, strict=True):
            self.of(group).values[:, group.which] = own
        return True

    @staticmethod
    def _whole(groups: list[Group]) -> np.ndarray:
        """Return the length of the data of all data sets: ndarray (1,)."""
        return np.sqrt(np.atleast_1d(sum(float(group.squares.sum()) for group in groups)))

    @staticmethod
    def _begin(values: np.ndarray, which: np.ndarray, fitted: LinearFit, low: np.ndarray, high: np.ndarray) -> None:
        """Put what a linear fit found for some of the parameters, their first axis, in their places, as starts."""
        places = np.flatnonzero(which)
        if places.size:
            found = LinearFit(fitted.values[:, places], fitted.columns[:, places], fitted.data)
            values[places] = inside(found, [(low[k], high[k]) for k in places]).T.reshape(values[places].shape)

    def _look_at_outlying(self) -> None:
        """Give a few data sets that are far off at their start, beside the others, fits of their own: they would lead all others astray."""
        groups = [group for group in self._groups() if len(group.local.own) and not group.linear]
        costs = [group.sums(group.put(self.shared, group.values), len(self.shared)).cost/self.of(group).ndata[group.which]
                 for group in groups]
        if not groups:
            return
        typical = np.nanmedian(np.concatenate(costs))
        for group, cost in zip(groups, costs, strict=True):
            known = self.of(group)
            far = np.zeros(len(known.status), bool)
            far[group.which] = ~(cost <= OUTLYING*typical)
            if far.sum() <= FEW*len(group.which):
                self._alone(known, far)
                known.tried[far] = False        # which is for the end of a descent

    def _most(self) -> int:
        """Return how many evaluations of all data sets are allowed."""
        asked = self.options.max_nfev
        return int(self.share*(default_nfev((*self.sets.shared, *self.sets.local)) if asked is None else asked))

    def _descend(self, groups: list[Group]) -> None:
        """Descend from where the data sets are, and on from where that leaves a way down open; judge where that ended."""
        self._descend_once(groups)
        from_inside = False
        while True:
            assert self.descent is not None
            silent, most = self._silenced(groups), self._most() - self.nfev
            if from_inside and self.status == FitStatus.RANK_DEFICIENT:
                self.status = FitStatus.SINGULAR        # lower than where bounds silence what is shared, and on a plain
                return
            if silent is not None:
                fallen = look_inside(self.descent, silent, [self.of(group).first[:, group.which] for group in groups], most)
            elif self.status == FitStatus.RANK_DEFICIENT:
                fallen = look_along(self.descent, self.flags, most)
            else:
                return
            self.nfev += fallen.nfev
            from_inside |= silent is not None
            if fallen.descent is None:
                if silent is not None and self.nfev < self._most():
                    self.status, self.flags = judge_shared(self.descent, FitStatus.CONVERGED, self.shared_first, self.shared_norms,
                                                           self.first_cost, silent)
                return
            self.shared = fallen.descent.state.shared
            for group, v in zip(groups, fallen.descent.state.v, strict=True):
                group.begin_at(v[group.local.own, :len(group.which)])
            self._descend_once(groups)
            if self.nfev >= self._most():
                self.status = FitStatus.MAX_NFEV            # chi-square fell to the last

    def _silenced(self, groups: list[Group]) -> np.ndarray | None:
        """Return which shared parameters may have lost their effect since a bound holds a local one in each data set that they are of,
        ndarray of bool (s); None where that isn't what ails the end.
        """
        if self.status != FitStatus.SINGULAR:
            return None
        found = (self.flags != 0) & (self.flags != HELD)
        for group in groups:
            held = self.of(group).held[:, group.which].any(axis=0).all()
            found[group.shared.whole] &= held
        return found if found.any() else None

    def _descend_once(self, groups: list[Group]) -> None:
        """Descend from where the data sets are, and judge where that ended."""
        knowns = [self.of(group) for group in groups]
        ndata = sum(int(known.ndata[group.which].sum()) for known, group in zip(knowns, groups, strict=True))
        descent = Descent(groups, self.shared.copy(), self.low, self.high, ndata, max(1, self._most() - self.nfev),
                          patient=self.patient, begun=self.shared_first)
        if np.isnan(self.first_cost):
            self.first_cost = sum(group.counted(group.first_costs).sum() for group in groups)
        reason = descent.run()
        self.descent, self.nfev, self.shared = descent, self.nfev + descent.nfev, descent.state.shared
        self.shared_norms = np.maximum(self.shared_norms, descent.shared_norms)
        for k, (known, group) in enumerate(zip(knowns, groups, strict=True)):
            which, state = group.which, descent.state
            known.values[:, which] = state.v[k][group.local.own, :len(which)]
            known.costs[which] = state.sums[k].cost
            known.norms[:, which] = np.fmax(known.norms[:, which], descent.norms[k])
            known.first_costs[which] = group.first_costs
        self.status, self.flags = judge_shared(descent, reason, self.shared_first, self.shared_norms, self.first_cost)
        for k, (known, group) in enumerate(zip(knowns, groups, strict=True)):
            judge_sets(known, group, descent.state, k)
            if known.silenced[which := group.which].any():
                judge_sets(known, group, descent.state, k, known.silenced[which] & ~self._is_lower_elsewhere(known, group, k))
            if reason == FitStatus.MAX_NFEV and not np.isin(known.status[group.which], SUCCESSES).all():
                self.status = reason        # which tells nothing against the data sets that were on their way

    def _is_lower_elsewhere(self, known: Known, group: Group, k: int) -> np.ndarray:
        """Return which data sets of a group a fit of their own, from their start, leaves in doubt, of those that a bound silences: it ends
        lower than they are, or at no minimum. ndarray of bool.
        """
        assert self.descent is not None
        state, silenced = self.descent.state, known.silenced[group.which]
        found = self._refit(known, group.which[silenced])
        values = state.v[k][group.local.own, :len(group.which)].copy()
        values[:, silenced] = [found.values[name] for name in known.names]
        out = np.zeros(len(silenced), bool)
        out[silenced] = ~np.isin(found.status, SUCCESSES)
        lower = group.sums(group.put(self.shared, values), len(self.shared)).cost < state.sums[k].cost*(1 - LOWER)**2
        return out | lower

    def _again(self, groups: list[Group]) -> bool:
        """Give data sets that came to no end a fit of their own; returns whether there is to be another descent.

        One that comes to no end again is left out, until the others have: then it gets a last chance.
        """
        if self.status in SUCCESSES:
            failed = [~np.isin(known.status, SUCCESSES) & ~known.hopeless for known in self.known]
            taking = np.concatenate([group.places for group in groups])
            again = any((each & np.isin(known.part.places, taking)).any() for each, known in zip(failed, self.known, strict=True))
            if not again:
                failed = [each & ~known.given_up for each, known in zip(failed, self.known, strict=True)]
                self.last = self._kept()[1]
                for each, known in zip(failed, self.known, strict=True):
                    known.given_up |= each
                found = [self._alone(known, each) for each, known in zip(failed, self.known, strict=True)]
                self.patient = any(found)
                return self.patient
        else:
            assert self.descent is not None
            failed, again = [np.zeros(len(known.status), bool) for known in self.known], bool(self.descent.stragglers)
            for group in groups if again else ():       # what was judged came too early
                self.of(group).status[group.which] = FitStatus.NOT_RUN
            for k, rows in self.descent.stragglers:
                known = self.of(groups[k])
                failed[self.known.index(known)][groups[k].which[rows]] = True
                known.status[groups[k].which[rows]] = FitStatus.NO_PROGRESS
        for each, known in zip(failed, self.known, strict=True):
            self._alone(known, each & ~known.tried)
        return again

    def _alone(self, known: Known, which: np.ndarray) -> bool:
        """Fit some data sets of a part each for itself, beside the shared parameters as they are; returns whether any of them can be."""
        places = np.flatnonzero(which)
        if not places.size:
            return False
        known.tried[places] = True
        found = self._refit(known, places)
        good = np.isin(found.status, SUCCESSES)
        for k, name in enumerate(known.names):
            known.values[k, places[good]] = found.values[name][good]
        known.status[places] = np.where(good, FitStatus.NOT_RUN, found.status)
        return bool(good.any())

    def _refit(self, known: Known, places: np.ndarray) -> BatchResult:
        """Return fits of some data sets of a part each for itself, from their starts, beside the shared parameters as they are."""
        own = {name: value for name, value in zip(self.sets.shared, self.shared.tolist(), strict=True) if name in known.part.job.start}
        return refit(known.part, self.sets, places, known.looked, own, self._starts(known), self.options)

    def _starts(self, known: Known) -> dict[str, Any]:
        """Return the start values of a part's local and fixed parameters."""
        start = known.part.job.start
        assert known.part.job.folded is not None
        found: dict[str, Any] = {name: start[name] for name in known.part.job.folded.inputs}
        return found | {name: known.begun[k] for k, name in enumerate(known.names)}
