"""Starts on a bound, or next to one: how far inside a fit begins.

On a bound the slope of the transform is 0, and next to it nearly so: the solver would take the parameter for one without effect. `bounds`
steps inside by a share of the bound's magnitude, which is a guess where the bound is 0 or stands for nothing. Here the residual is asked:
the step that counts is the one that changes it by `SHARE` of its length.
"""
import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from gslfit.objective._loss import length
from gslfit.parameters.bounds import ALIKE, DOUBT, DOUBT_ZERO, SHARE, WIDEST

INFINITE = float("inf")
HIDDEN = INFINITE         # in place of a start whose guess changes nothing beside those of others
NEXT = 1e-4               # of such a step: a start nearer to its bound than this is as good as on it
NEXT_TO_ZERO, NEXT_TO = 1e-24, 1e-6     # of the guess: nearer to a bound of 0, or to another one, where the guess makes residuals infinite
PROBES = 6                # evaluations for one parameter
FURTHER = 4               # more of them where both a shorter step and a longer one are known
PLAIN = 0.25              # power of a longer step with which the change grows at least where it goes on growing
NUDGE = 1e-3              # of another parameter: what it is moved by to see its effect, ...
FAINT = 1e-10             # ... which is none below this share of the residual, ...
SILENT = 1e-6             # ... or is gone where no more than this of it is left
SHORTER = 4.              # times as short a step tells whether a longer one has left what it changes behind
LADDER = (1., 10., 100., 1e3, .1, 1e-2)   # of the guess: what is tried off a bound on which the model has no value
LENGTHENED, LONGER = 6, 1e6    # longer steps than a guess that changes nothing, each by this
SHORTENED = 1e-3          # a step after one that was far too long
SAME = 0.9                # share of a longer step's change that a shorter one has where both have left behind what they change
DECADES = 16              # by which what others hide is tried further inside than by guess, and nearer
ALONG = .1                # least cosine of the residual and of what a place inside changes it by
BACK = 7                  # steps back from there, each as many powers of 10 shorter as all before together, and as many halvings


def strictly_interior(fun: Callable[[np.ndarray], np.ndarray], given: Sequence[float], start: np.ndarray, lower: np.ndarray,
                   upper: np.ndarray) -> Mapping[int, float]:
    """Return better starts for the parameters that lie on a bound or next to it.

    Parameters
    ----------
    fun : callable
        The residual, ``fun(x) -> ndarray, shape (n,)``; NaN where it can't be computed.
    given : list of float
        Start values as the caller gave them.
    start : ndarray, shape (p,)
        The same, moved strictly inside by guess.
    lower, upper : ndarray, shape (p,)
        Bounds, infinite where there are none.

    Returns
    -------
    dict of int to float
        New start values by the parameter's place; nothing for those that are well placed.
    """
    guessed = [j for j in range(len(start)) if start[j] != given[j]]
    placed = _unhidden(fun, given, start, guessed, lower, upper) if len(guessed) > 1 else {}
    found: dict[int, float] = {}
    now = start.copy()
    now[list(placed)] = list(placed.values())
    guessed = [j for j in guessed if j not in placed]
    others: list[int] = [j for j in range(len(start)) if start[j] == given[j]]
    hidden: list[int] = []
    for group in guessed, hidden, others:       # what one guess hides is looked at beside what is placed
        beside, several = now.copy(), group is guessed and len(guessed) > 1
        for j in group:
            better = _better(fun, given, beside, j, lower, upper, not several)
            if better == HIDDEN:
                hidden.append(j)
            elif better is not None:
                found[j] = now[j] = better
    for j in found if len(found) > 1 else ():       # which were looked at beside guesses that were wrong
        if (better := _better(fun, given, now, j, lower, upper)) is not None:
            found[j] = now[j] = better
    return placed | found


def _unhidden(fun: Callable[[np.ndarray], np.ndarray], given: Sequence[float], start: np.ndarray, guessed: Sequence[int],
              lower: np.ndarray, upper: np.ndarray) -> dict[int, float]:
    """Return starts for parameters on bounds that hide each other, as an amplitude and a rate of 0 do; nothing where they don't.

    Each in turn is tried by hundreds, further inside and nearer to its bound, beside the guesses of the others, whose steps may be as long
    as fits best: what changes the residual along itself is taken. `gslfit_refit_unhide` of `src/batch/gsl_refit.h` does so by derivatives.
    """
    base = np.array(given, float)
    r = fun(base)
    norm, hidden = length(r), []
    if not 0 < norm < np.inf:
        return {}

    def change_at(places: Mapping[int, float]) -> np.ndarray:
        x = base.copy()
        x[list(places)] = list(places.values())
        return fun(x) - r

    def place(j: int, times: float) -> float:
        return base[j] + math.copysign(min(abs(start[j] - base[j])*times, WIDEST*(upper[j] - lower[j])), start[j] - base[j])
    for left, j in enumerate(guessed, 1 - len(guessed)):
        if length(change_at({j: start[j]})) <= FAINT*norm:
            hidden.append(j)
        elif len(hidden) - left < 2:
            return {}
    best, most = {}, ALONG
    for longer in range(LENGTHENED):
        seen = False
        for j in hidden:
            for power in range(-DECADES, DECADES + 1, 2):
                at = {i: place(i, 10.**power if i == j else LONGER**longer) for i in hidden}
                change = change_at(at)
                size = length(change)
                seen = seen or size > FAINT*norm
                along = -float((r/norm) @ (change/size)) if FAINT*norm < size < np.inf else 0.
                if along > most:
                    most, by = along, along*norm/size
                    best = {i: value if i == j else place(i, abs((value - base[i])/(start[i] - base[i]))*by) for i, value in at.items()}
        if seen:
            break
    return best if best and length(change_at(best) + r)**2 <= norm**2*(1 - most**2/2) else {}


def _better(fun: Callable[[np.ndarray], np.ndarray], given: Sequence[float], start: np.ndarray, j: int, lower: np.ndarray,
            upper: np.ndarray, lengthen: bool = True) -> float | None:
    """Return a better start for a parameter beside those of the others; None where it is well placed, or not next to a bound; HIDDEN where
    its guess changes nothing, and no longer step is to be tried.
    """
    value, low, high = given[j], float(lower[j]), float(upper[j])
    distance, bound, side = (value - low, low, 1.) if value - low <= high - value else (high - value, high, -1.)
    if distance == INFINITE or not distance <= (DOUBT_ZERO if bound == 0 else DOUBT*abs(bound)):
        return None
    guess = abs(float(start[j]) - bound)
    step = _telling_step(fun, start, j, bound, side*(guess if distance == 0 else max(guess, 1e-3)), WIDEST*(high - low), lengthen)
    if step == HIDDEN:
        return HIDDEN
    if step is None or guess/ALIKE <= abs(step) <= guess*ALIKE:
        return None
    if distance >= NEXT*abs(step):
        return value if start[j] != value else None
    better = bound + side*min(abs(step), WIDEST*(high - low))
    return None if _silences(fun, start, j, better, lower, upper) else better


def nearer(given: Mapping[str, float], guess: Mapping[str, float]) -> list[dict[str, float]]:
    """Return starts that lie next to bounds instead of where a guess put them inside: of each parameter alone, then of all."""
    found = {name: given[name] + (NEXT_TO_ZERO if given[name] == 0 else NEXT_TO)*(value - given[name]) for name, value in guess.items()
             if value != given[name]}
    return [*({name: value} for name, value in found.items()), *([found] if len(found) > 1 else [])]


def _silences(fun: Callable[[np.ndarray], np.ndarray], start: np.ndarray, j: int, better: float, lower: np.ndarray,
              upper: np.ndarray) -> bool:
    """Return whether another parameter all but loses its effect where one has its new start, as in a peak as narrow as nothing."""
    moved = start.copy()
    moved[j] = better
    before, after = fun(start), fun(moved)
    for i in np.flatnonzero(start):
        if i == j:
            continue
        step = NUDGE*abs(start[i])
        beside = start.copy(), moved.copy()
        for x in beside:
            x[i] = min(x[i] + step, upper[i]) if x[i] + step/2 <= upper[i] else max(x[i] - step, lower[i])
        had, has = length(fun(beside[0]) - before), length(fun(beside[1]) - after)
        if had > FAINT*length(before) and not has*length(before) > SILENT*had*length(after):
            return True
    return False


def _telling_step(fun: Callable[[np.ndarray], np.ndarray], start: np.ndarray, j: int, bound: float, step: float,
                  widest: float, lengthen: bool = True) -> float | None:
    """Return the step from a bound, at most the widest, that changes the residual by its share; None where it can't be told; HIDDEN where
    the guess changes nothing, and no longer step is to be tried.

    What changes the residual by less, however long it is, leads to a plain (a peak that leaves the data): there the share is of that.
    Where the residual can't be computed on the bound, it is the first of some steps that differs by its share from one half as long.
    """
    x = start.copy()

    def residual(step: float) -> np.ndarray:
        x[j] = bound + step
        return fun(x)

    r = residual(0.)
    aim = SHARE*length(r)
    if not aim < np.inf:
        for share in LADDER:
            tried = math.copysign(min(share*abs(step), widest), step)
            there = residual(tried)
            if SHARE*length(there) < length(residual(tried/2) - there) < np.inf:
                return tried
        return None
    if not aim > 0:
        return None
    known: list[tuple[float, float]] = []
    least, most, on_plain, short, long = .1, 10., False, 0., np.inf
    for probe in range(PROBES - 1 + FURTHER):
        if probe >= PROBES - 1 and not (short > 0 and long < np.inf):
            break
        at_most = not abs(step) < widest
        if at_most:
            step = math.copysign(widest, step)
        change = length(residual(step) - r)
        if not (lengthen or known or long < np.inf or SHARE*change > FAINT*aim):
            return HIDDEN
        for _ in range(0 if known else LENGTHENED):           # in another unit the guess is nothing
            if change != 0 or not abs(step*LONGER) < widest:
                break
            step *= LONGER
            change = length(residual(step) - r)
        if not change < np.inf:                               # too far: the model overflows
            long = abs(step)
            step = math.copysign(math.sqrt(short)*math.sqrt(long), step) if short > 0 else step*SHORTENED
            continue
        if change == 0:
            if not long < np.inf:
                return None
            step = math.copysign(long*SHORTENED, step)        # it was far beyond where the change is a straight line
            continue
        widest_falls_short, on_plain = at_most and change < aim, False
        if widest_falls_short or least*aim <= change <= most*aim:
            on_plain = not length(residual(step/SHORTER) - r) <= change/SHORTER**PLAIN
            if not on_plain:
                return step if widest_falls_short else step*(min(1., aim/change) if known else aim/change)
        if on_plain or (known and change < aim and change <= known[-1][1]*abs(step/known[-1][0])**PLAIN):
            aim, least, most = SHARE*change, .1, .5/SHARE
            step, change = next((each for each in known[::-1] if each[1] < .5*change), (step, change) if on_plain else known[-1])
        else:
            known.append((step, change))
            least = .5 if change < aim else least             # longer ones may fall short for good
            short, long = (max(short, abs(step)), long) if change < aim else (short, min(long, abs(step)))
            if short > 0 and long < np.inf and not short < abs(step*aim/change) < long:     # no straight line
                step = math.copysign(math.sqrt(short)*math.sqrt(long), step)
                continue
        step *= aim/change
    if len(known) > 1 and abs(known[-1][0]) < abs(known[-2][0]) and known[-1][1] >= SAME*known[-2][1]:
        return _off_the_plain(lambda step: length(residual(step) - r), *known[-1])
    return step if known and not on_plain else None


def _off_the_plain(change_by: Callable[[float], float], far: float, whole: float) -> float | None:
    """Return a step back from a plain on which the residual has changed by a whole, to where it has by a part; None where there is none."""
    share = .1
    for _ in range(BACK):
        near, share = far*share, share*share
        change = change_by(near)
        if change < SAME*whole:
            break
        far = near
    else:
        return None
    for _ in range(2*BACK):
        if change >= .5*SHARE*whole:
            return near
        middle = math.copysign(math.sqrt(near*far), far)
        changed = change_by(middle)
        if changed < SAME*whole:
            near, change = middle, changed
        else:
            far = middle
    return None
