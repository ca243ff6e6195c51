"""Confidence intervals of all fits of a batch: the profiles of every row in the lanes, and the careful code for what is in doubt."""
from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from gslfit.checks import count_if_given, identifiers, truth
from gslfit.confidence._profile import LEVELS, profiles
from gslfit.confidence.batch_rows import BatchRows, patterns_of
from gslfit.confidence.careful import careful_intervals
from gslfit.confidence.engine import DOUBTS
from gslfit.confidence.ftest import refuse_robust, rises
from gslfit.confidence.limit_status import LimitStatus
from gslfit.constraints.grammar import close
from gslfit.curves.batch_result import SUCCESSES, BatchResult, Columns
from gslfit.curves.job import count_threads
from gslfit.curves.progress import Progress
from gslfit.errors import ExpressionError, FitError, InputError, ParameterNameError
from gslfit.objective.loss import NUMBERS
from gslfit.records import Record

PIECE = 4096        # fits that a thread does before it is asked whether to go on
SIDES = ("lower", "upper")


class BatchIntervals(Mapping[str, Any]):
    """Confidence intervals of the parameters of many fits, by name: ndarray, shape (levels, 2, ...), lower and upper limits.

    A limit that is never reached is infinite; one of a fit that failed, or in which the parameter does not vary, is NaN. Of a batch on
    DataArrays they are DataArrays, with the dimensions "level" and "side" before the others.

    Attributes
    ----------
    levels : tuple of float
        Probabilities, in the order that they were asked for.
    status : mapping of str to ndarray of int8, shape (levels, 2, ...)
        What each limit is worth, a `LimitStatus`.

    Examples
    --------
    >>> import gslfit
    >>> t = np.linspace(0, 5, 40)
    >>> y = np.array([[2.0], [3.0]])*np.exp(-t/1.5) + .05*np.cos(9*t)
    >>> intervals = gslfit.fit_batch("A*exp(-t/tau)", y, t=t, A=1.0, tau=1.0).conf_interval(sigmas=[1, 2])
    >>> intervals["tau"].shape
    (2, 2, 2)
    >>> intervals["tau"][1].round(2).tolist()           # of two standard deviations: lower ones, upper ones
    [[1.45, 1.47], [1.54, 1.53]]
    """

    def __init__(self, levels: Sequence[float], limits: Mapping[str, Any], status: Mapping[str, Any]) -> None:
        self.levels, self._limits, self.status = tuple(levels), Columns(limits), Columns(status)

    def __getitem__(self, name: str) -> Any:
        return self._limits[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._limits)

    def __len__(self) -> int:
        return len(self._limits)

    def __contains__(self, name: object) -> bool:
        return name in self._limits

    def counts(self) -> dict[LimitStatus, int]:
        """Return how many limits there are of each status."""
        found = np.zeros(len(LimitStatus), int)
        for each in self.status.values():
            found += np.bincount(np.asarray(each).reshape(-1), minlength=len(LimitStatus))
        return {status: int(found[status]) for status in LimitStatus if found[status]}

    def summary(self) -> str:
        """Return counts by status as text."""
        chances = ", ".join(f"{100*level:.4g} %" for level in self.levels)
        lines = [f"limits of {', '.join(self)} at {chances}"]
        return "\n".join(lines + [f"  {count:>10}  {status.prose}" for status, count in self.counts().items()])

    def __repr__(self) -> str:
        shape = next((tuple(np.shape(each)[2:]) for each in self.values()), ())
        return f"<BatchIntervals of {', '.join(self)}, {len(self.levels)} levels, shape {shape}>"

    def _repr_html_(self) -> str:
        from gslfit.report.html import batch_html
        return batch_html(repr(self)[1:-1], {status.prose: count for status, count in self.counts().items()}, {}, [])


def batch_intervals(batch: BatchResult, p_names: Sequence[str] | None, chances: Sequence[float], thorough: bool = True,
                    threads: int | None = None, progress: Any = False) -> BatchIntervals:
    """Find the intervals of all fits of a batch; see `BatchResult.conf_interval`.

    Parameters
    ----------
    batch : BatchResult
    p_names : sequence of str, optional
    chances : sequence of float
        Probabilities, in the order that the limits are to be in.
    thorough : bool
    threads : int, optional
    progress : bool or callable
    """
    refuse_robust(batch.data.loss)
    names, thorough, threads = _wanted(batch, p_names), truth("thorough", thorough), count_if_given("threads", threads)
    if batch.data.y is None:
        raise InputError("the data are not there, and intervals are found from them: fit with keep_data=True, or again after a load")
    work = _Work(batch, names, chances)
    with Progress(progress, len(batch)) as report:
        work.by_engine(threads, report)
        if thorough:
            work.look_again()
        report.end()
    return work.result()


def _wanted(batch: BatchResult, p_names: Sequence[str] | None) -> list[str]:
    """Return the parameters whose intervals are wanted."""
    if p_names is None:
        return list(batch.names)
    wanted = identifiers("p_names", p_names)
    for name in wanted:
        if name in batch.names:
            continue
        if name in batch.values:
            raise InputError(f"parameter {name!r} does not vary, or is an expression: it has no profile of its own; those that vary: "
                             f"{', '.join(batch.names)}")
        raise ParameterNameError(f"there is no parameter {name!r}{close(name, batch.names)}")
    return wanted


class _Levels(Record):
    """The levels that are looked for: those above 0, each once, rising; and where each of those asked for is among them, -1 for 0."""

    positive: list[float]
    places: list[int]

    @classmethod
    def of(cls, chances: Sequence[float]) -> _Levels:
        """Return those of probabilities in any order."""
        positive = sorted({chance for chance in chances if chance > 0})
        return cls(positive, [positive.index(chance) if chance > 0 else -1 for chance in chances])


class _Work:
    """The limits of a batch while they are being found: ndarray (fits, names, 2, positive levels) each."""

    def __init__(self, batch: BatchResult, names: list[str], chances: Sequence[float]) -> None:
        self.batch, self.names, self.chances, self.levels = batch, names, list(chances), _Levels.of(chances)
        shape = (len(batch), len(names), 2, len(self.levels.positive))
        self.values, self.status = np.full(shape, np.nan), np.zeros(shape, np.int8)
        good = np.isin(np.asarray(batch.status), SUCCESSES).reshape(-1)
        for name in batch.names:
            good &= np.isfinite(np.asarray(batch.values[name]).reshape(-1))
        self.good = good

    def by_engine(self, threads: int | None, report: Progress) -> None:
        """Find what the engine is sure of; the rest is in doubt."""
        done = 0
        if not self.names or not self.levels.positive:
            return
        for held, which in patterns_of(self.batch):
            try:
                rows = BatchRows(self.batch, held) if len(self.levels.positive) <= LEVELS else None
            except ExpressionError:
                rows = None
            pieces = [which[low:low + PIECE] for low in range(0, which.size, PIECE)]
            if rows is None:
                for piece in pieces:
                    self._doubt(piece, held)
                continue
            count = min(count_threads(threads, rows.numbers), len(pieces))
            with ThreadPoolExecutor(max(count, 1)) as pool:
                waiting = [pool.submit(self._piece, rows, piece) for piece in pieces] if count > 1 else []
                try:
                    for k, piece in enumerate(pieces):
                        waiting[k].result() if waiting else self._piece(rows, piece)
                        done += piece.size
                        if report.function is not None:
                            report.tell(done)
                except BaseException:
                    pool.shutdown(wait=True, cancel_futures=True)
                    raise

    def _piece(self, rows: BatchRows, piece: np.ndarray) -> None:
        """Find the limits of some fits."""
        batch, folded = self.batch, rows.folded
        here = [k for k, name in enumerate(self.names) if name in folded.names]
        which = np.array([folded.names.index(self.names[k]) for k in here], np.intc)
        known, good = not batch.data.scale_covar, self.good[piece]
        if not here or not good.any():
            return
        free = np.asarray(batch.ndata).reshape(-1)[piece] - len(folded.names)
        counts, back = np.unique(free, return_inverse=True)
        with np.errstate(all="ignore"):
            heights = np.stack([rises(self.levels.positive, int(count), known) for count in counts])[back.reshape(-1)]
        heights[~good | (free < (0 if known else 1))] = np.nan
        part = rows.part(piece)
        limits, status, _ = profiles(folded.program, part.y, part.x, part.best, heights, which, low=part.low, high=part.high, known=known,
                                     weights=part.weights, errors=batch.data.inverted, mask=part.mask, omit=rows.omit, inputs=part.inputs,
                                     loss=NUMBERS[batch.data.loss], orders=rows.orders(part, int(np.argmax(good))), response=part.responses,
                                     **DOUBTS)
        at = np.ix_(piece, np.array(here))
        self.values[at], self.status[at] = limits, status

    def _doubt(self, piece: np.ndarray, held: Sequence[str]) -> None:
        """Put down that nothing is known of some fits."""
        here = [k for k, name in enumerate(self.names) if name not in held]
        free = np.asarray(self.batch.ndata).reshape(-1)[piece] - (len(self.batch.names) - len(held))
        piece = piece[self.good[piece] & (free >= (1 if self.batch.data.scale_covar else 0))]
        self.status[np.ix_(piece, np.array(here, int))] = LimitStatus.IN_DOUBT

    def look_again(self) -> None:
        """Find what is in doubt by refits, one fit after the other."""
        doubtful = (self.status == LimitStatus.IN_DOUBT).any(axis=(1, 2, 3))
        for number in np.flatnonzero(doubtful).tolist():
            row = self.batch[number]
            here = [k for k, name in enumerate(self.names) if name in row.var_names]
            self.values[number], self.status[number] = np.nan, LimitStatus.NONE
            try:
                with warnings.catch_warnings(), np.errstate(all="ignore"):
                    warnings.simplefilter("ignore")
                    found = careful_intervals(row, [self.names[k] for k in here], self.levels.positive)
            except FitError:
                continue
            for k in here:
                pairs, status = found[self.names[k]], found.status[self.names[k]]
                middle = len(pairs)//2
                sides = (range(middle - 1, -1, -1), range(middle + 1, len(pairs)))
                self.values[number, k] = [[pairs[place][1] for place in side] for side in sides]
                self.status[number, k] = [[status[place] for place in side] for side in sides]

    def result(self) -> BatchIntervals:
        """Return what was found, in the shape and the container of the batch."""
        limits, status = {}, {}
        for k, name in enumerate(self.names):
            best = np.asarray(self.batch.values[name], float).reshape(-1)
            varies = self.good & (self.status[:, k].any(axis=(1, 2)) | (not self.levels.positive))
            own = np.full((len(self.chances), 2, best.size), np.nan)
            what = np.zeros(own.shape, np.int8)
            for level, place in enumerate(self.levels.places):
                if place >= 0:
                    own[level], what[level] = self.values[:, k, :, place].T, self.status[:, k, :, place].T
                else:
                    own[level], what[level] = np.where(varies, best, np.nan), np.where(varies, LimitStatus.FOUND, LimitStatus.NONE)
            limits[name], status[name] = self._shaped(own, name), self._shaped(what, f"{name}_status")
        return BatchIntervals(self.chances, limits, status)

    def _shaped(self, array: np.ndarray, name: str) -> Any:
        """Return an array (levels, 2, fits) in the batch's shape and kind of container."""
        like: Any = self.batch.status
        array = array.reshape(*array.shape[:2], *self.batch.shape)
        if not hasattr(like, "dims"):
            return array
        return type(like)(array, coords={"level": self.chances, "side": list(SIDES), **like.coords}, dims=("level", "side", *like.dims),
                          name=name)
