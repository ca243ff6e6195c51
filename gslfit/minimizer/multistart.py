"""Many starts instead of one: where they are placed, which of their ends are the same minimum, and when a first fit is in doubt.

`placed` says where: in a parameter's range, else between its bounds. The points are Sobol's (`gslfit.minimizer.sobol`), so that the same
call has the same starts each time, and more starts have those of fewer among them. Formulas are fitted from them in the lanes
(`gslfit.curves.multistart`), residuals that are called one after another (`gslfit.minimizer.descents`).
"""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import inf, isfinite
from typing import Any

import numpy as np

from gslfit.errors import FitStatus, InputError
from gslfit.minimizer.options import FitOptions
from gslfit.minimizer.result import FitResult, Minimum
from gslfit.minimizer.sobol import sobol
from gslfit.records import Record

STARTS = 100            # how many, where ranges are given and nothing is said
IN_DOUBT = 100          # how many where the first fit is in doubt
DECADES = 100           # ends of a range of one sign that differ by this factor and more: its points are even in the logarithm
AROUND = 10             # times a start, and by it: where starts are placed that have nothing else
FEW = 3                 # ends from which a fit goes on to the last digit, until one is a minimum
LOWER = 1e-6            # of chi-square: by how much an unfinished end must be lower than a minimum to be gone on from
EQUAL = 1e-9            # of chi-square: minima whose values differ by less are equally low
SAME_COST = 1e-2        # of the reduced chi-square: by how much chi-square may differ within a minimum
SAME_DATA = 1e-9        # of the data's length: residuals nearer to each other are equal
SAME_VALUE = 1e-6       # of a value: nearer than this is the same, whatever the error
IMPROBABLE = 1e-6       # probability of so large a chi-square, by errors that are known, which is in doubt
WHITE = 1e-4            # probability that the residuals are white noise, which is in doubt
UNFINISHED = (FitStatus.MAX_NFEV, FitStatus.NO_PROGRESS, FitStatus.SLOW, FitStatus.FAINT, FitStatus.SADDLE)
IS_SUCCESS, IS_UNFINISHED = np.zeros((2, max(FitStatus) + 1), bool)      # by number
IS_SUCCESS[[status for status in FitStatus if status.success]] = IS_UNFINISHED[[*UNFINISHED]] = True


class Several(Record):
    """What a call asks for beside one start.

    Attributes
    ----------
    number : int
        How many starts.
    places : dict of str to (float, float)
        Where they are placed, by varying parameter.
    unset : tuple of str
        Parameters that have no start of their own: none of the starts is the caller's.
    doubt : bool
        Whether one start is enough where its fit is in no doubt.
    """

    number: int
    places: Mapping[str, tuple[float, float]]
    unset: tuple[str, ...] = ()
    doubt: bool = False


Boxes = Mapping[str, tuple[float, float]]


def count_of(options: FitOptions) -> int:
    """Return how many starts a call asks for."""
    if isinstance(options.starts, int):
        return options.starts
    return IN_DOUBT if options.starts == "auto" else STARTS


def placed(options: FitOptions, boxes: Boxes, known: Sequence[str]) -> dict[str, tuple[float, float]]:
    """Return where starts are placed, by name: ranges within bounds, and bounds where both are finite.

    Parameters
    ----------
    options : FitOptions
    boxes : mapping of str to (float, float)
        The varying parameters with their bounds.
    known : sequence of str
        All parameters.

    Raises
    ------
    InputError
        If a range is that of no varying parameter, or lies outside its bounds.
    """
    found = {name: box for name, box in boxes.items() if isfinite(box[0]) and isfinite(box[1]) and box[0] < box[1]}
    for name, (low, high) in (options.ranges or {}).items():
        if name not in boxes:
            what = "does not vary" if name in known else f"is no parameter; there are {', '.join(known)}"
            raise InputError(f"ranges has {name!r}, which {what}")
        box = boxes[name]
        low, high = max(low, box[0]), min(high, box[1])
        if not low < high:
            raise InputError(f"ranges[{name!r}] is {options.ranges[name]}, outside the bounds {box} of {name!r}")    # type: ignore[index]
        found[name] = (low, high)
    return found


def around(values: Mapping[str, float], boxes: Boxes) -> dict[str, tuple[float, float]]:
    """Return where starts are placed that have neither ranges nor two bounds: from a tenth to ten times the start, within bounds."""
    found = {}
    for name, (low, high) in boxes.items():
        value = values[name]
        if value and isfinite(value):
            ends = sorted((value/AROUND, value*AROUND))
            ends = [max(ends[0], low), min(ends[1], high)]
            if ends[0] < ends[1] and isfinite(ends[0]) and isfinite(ends[1]):
                found[name] = (ends[0], ends[1])
    return found


def points(places: Boxes, count: int) -> dict[str, np.ndarray]:
    """Return start values, (count,) each: Sobol's points, in the logarithm where both ends have one sign and differ a hundredfold."""
    if not places or not count:
        return {}
    found = {}
    for (name, (low, high)), u in zip(places.items(), sobol(count, len(places)).T, strict=True):
        if is_logarithmic(low, high):
            sign = 1.0 if low > 0 else -1.0
            found[name] = sign*np.exp(np.log(abs(low))*(1 - u) + np.log(abs(high))*u)
        else:
            found[name] = low*(1 - u) + high*u
    return found


def is_logarithmic(low: float, high: float) -> bool:
    """Return whether a range is that of a logarithm."""
    small, large = sorted((abs(low), abs(high)))
    return (low > 0) == (high > 0) and small > 0 and large/small >= DECADES*(1 - 1e-12)


def centre(place: tuple[float, float]) -> float:
    """Return the middle of a range, the first of its points."""
    return float(points({"": place}, 1)[""][0])


def nowhere(starts: Any) -> InputError:
    """Return the error of starts that have no place."""
    return InputError(f"starts={starts!r}: there is nowhere to place them, as no parameter has a range, two bounds, or a start other than "
                      "0: ranges={'NAME': (LOW, HIGH)}")


def remedy(names: Sequence[str]) -> str:
    """Return what an error about a parameter without a start says of ranges."""
    return f"ranges={{{names[0]!r}: (LOW, HIGH)}} looks for one"


# -- ends, and minima


class Ends(Record):
    """Where descents ended, the arrays a row each.

    Attributes
    ----------
    v, deviations : ndarray, shape (m, p)
        The varying parameters, and their standard errors; infinite where nothing determines one, 0 where a bound holds it.
    cost : ndarray, shape (m,)
        What is minimised, in a unit of the residuals in which squares are in range; infinite without a result.
    status : ndarray of int, shape (m,)
        A `FitStatus` each.
    start : ndarray, shape (m, p)
        Where each began.
    """

    v: np.ndarray
    deviations: np.ndarray
    cost: np.ndarray
    status: np.ndarray
    start: np.ndarray

    @property
    def settled(self) -> np.ndarray:
        """Which are minima: ndarray of bool, shape (m,)."""
        return IS_SUCCESS[self.status]

    @property
    def unfinished(self) -> np.ndarray:
        """From which a fit may go on: ndarray of bool, shape (m,)."""
        return IS_UNFINISHED[self.status] & np.isfinite(self.cost)


def deviations_of(errors: np.ndarray, status: np.ndarray) -> np.ndarray:
    """Return standard errors, (m, p), for `Ends`: infinite where they are NaN because nothing determines a parameter, else 0."""
    unknown = np.where(status == FitStatus.RANK_DEFICIENT, inf, 0.0)
    return np.where(np.isfinite(errors), errors, unknown[:, None])


def grouped(ends: Ends, freedom: int, data: float, best: int = 0) -> list[tuple[int, int]]:
    """Return the minima among the ends: for each the number of its lowest end, and how many ends are the same within its errors.

    Parameters
    ----------
    ends : Ends
    freedom : int
        Degrees of freedom.
    data : float
        The sum of the squared weighted data.
    best : int
        Number of the end that stands for the lowest minimum.
    """
    rest = np.flatnonzero(ends.settled & np.isfinite(ends.cost))
    rest = rest[np.lexsort((ends.cost[rest], rest != best))]
    found = []
    while rest.size:
        first = rest[0]
        with np.errstate(all="ignore"):
            near = ends.cost[rest] - ends.cost[first] <= SAME_COST*ends.cost[first]/max(freedom, 1) + SAME_DATA**2*data
            away = np.abs(ends.v[rest] - ends.v[first])
            size = np.maximum(np.abs(ends.v[rest]), np.abs(ends.v[first]))
            same = near & (away <= ends.deviations[first] + SAME_VALUE*size).all(axis=1)
        same[0] = True
        found.append((int(first), int(same.sum())))
        rest = rest[~same]
    return found


def looks_doubtful(result: FitResult, order: np.ndarray | None = None) -> bool:
    """Return whether a fit from one start may have missed the minimum.

    It is in doubt without success, without errors, with a parameter at its bound, with a chi-square that is improbable (below 1e-6) beside
    errors that are known, or with residuals that are no white noise.

    Parameters
    ----------
    result : FitResult
    order : ndarray, shape (ndata,), optional
        What the residuals are put in order by.
    """
    from gslfit.report.text import at_bound
    if not (result.success and result.errorbars) or any(at_bound(par) for par in result.params.values() if par.vary):
        return True
    if not result.call_kws.get("scale_covar", True) and result.nfree > 0 and result.loss is None:
        from scipy.special import gammaincc
        if gammaincc(.5*result.nfree, .5*result.chisqr) < IMPROBABLE:
            return True
    residual = np.asarray(result.counted)
    return bool(not_white(residual if order is None or order.size != residual.size else residual[np.argsort(order, kind="stable")]))


def not_white(residual: np.ndarray) -> np.ndarray:
    """Return whether residuals, in order, are no white noise.

    The cumulative periodogram of white noise goes up evenly. Its largest distance D from that is judged as Kolmogorov and Smirnov have it,
    ``2 exp(-2 m D^2)`` for m frequencies (Bartlett, An introduction to stochastic processes, 1955, section 9.22).

    Parameters
    ----------
    residual : ndarray, shape (..., n)

    Returns
    -------
    ndarray of bool, shape (...)
    """
    m = (residual.shape[-1] - 1)//2
    if m < 1:
        return np.zeros(residual.shape[:-1], bool)
    size = np.max(np.abs(residual), axis=-1, keepdims=True)
    residual = np.ldexp(residual, -np.frexp(np.where(np.isfinite(size), size, 1.0))[1])
    power = np.abs(np.fft.rfft(residual)[..., 1:m + 1])**2
    sums = np.cumsum(power, axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        away = np.abs(sums/sums[..., -1:] - np.arange(1, m + 1)/m).max(axis=-1)
    return 2*np.exp(-2*m*away**2) < WHITE


def cost_in(unit: float, result: FitResult) -> float:
    """Return what a fit minimised, its residuals in a unit in which their squares are in range."""
    if unit == 1:
        return float(result.cost)
    parts = [result.counted] if result.prior_residual is None else [result.counted, result.prior_residual]
    residual, loss = np.concatenate(parts)/unit, result.loss
    if loss is not None and loss.robust:
        return loss._replace(f_scale=loss.f_scale/unit).cost(residual)
    return .5*float(np.vdot(residual, residual))


def lowest_unfinished(ends: Ends) -> list[int]:
    """Return the numbers of a few ends from which a fit is to go on: those lower than any minimum, or the lowest where there is none."""
    least = np.min(ends.cost[ends.settled], initial=inf)
    order = np.argsort(ends.cost, kind="stable")
    return order[ends.unfinished[order] & (ends.cost[order] < least*(1 - LOWER))][:FEW].tolist()


def best_of(ends: Ends, names: Sequence[str], places: Boxes, data: float) -> int:
    """Return the number of the lowest end that is a minimum; of the lowest of all where none is.

    Of ends that are equally low, such as a phase's that differ by a turn, it is one inside the ranges, and that of the earliest start.
    """
    if not ends.settled.any():
        return int(np.argmin(ends.cost))
    cost = np.where(ends.settled, ends.cost, inf)
    low = cost <= np.min(cost)*(1 + EQUAL) + .5*SAME_DATA**2*data
    boxes = np.array([places.get(name, (-inf, inf)) for name in names])
    outside = np.count_nonzero((ends.v < boxes[:, 0]) | (ends.v > boxes[:, 1]), axis=1)
    return int(np.lexsort((outside, ~low))[0])


def concluded(result: FitResult, ends: Ends, best: int, values: Callable[[int], dict[str, float]], count: int, nfev: int,
              data: float, unit: float) -> FitResult:
    """Give the fit that goes on from the best of many ends what it began with, all evaluations, and the minima that were found.

    Parameters
    ----------
    result : FitResult
    ends : Ends
    best : int
        Number of the end that it went on from.
    values : callable
        ``values(k)``: all parameters at an end.
    count, nfev : int
        How many starts there were, and what they took.
    data : float
        The sum of the squared weighted data, in
    unit : float
        Of the ends' costs.
    """
    result.nfev += nfev
    result.init_vals = ends.start[best].tolist()
    for name, value in zip(result.var_names, result.init_vals, strict=True):
        result.params[name].init_value = value
    if not result.success:
        return result
    found = grouped(ends, result.nfree, data, best)
    own = Minimum(2*result.cost, result.values, found[0][1] if found and found[0][0] == best else 1)
    result._minima = [own, *(Minimum(2*float(ends.cost[k])*unit*unit, values(k), number) for k, number in found if k != best)]
    result._starts = count
    lower = int(np.count_nonzero(~ends.settled & (ends.cost < cost_in(unit, result)*(1 - SAME_COST/max(result.ndata, 1)))))
    if lower:
        result.message += f" {lower} of {count} starts ended lower, at no minimum."
    return result
