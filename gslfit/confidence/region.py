"""Confidence regions of two parameters: both held on a grid, the others refitted, by the branch that lies lowest at each place."""
from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from gslfit.checks import shown, whole
from gslfit.confidence.branches import STRAIGHT, exchanged, exchanges
from gslfit.confidence.constrained_refit import ConstrainedRefit, LowerMinimum, ProfilePoint
from gslfit.confidence.engine import compiled
from gslfit.confidence.ftest import RESTARTS, FTest, ProbFunc, as_called, listed
from gslfit.confidence.region_engine import HeldPair, lowest
from gslfit.data.numbers import floats
from gslfit.errors import InputError, warn
from gslfit.records import Record

CERTAIN = .9999           # probabilities above this need not be exact
STDERRS = 5.              # default limits


def conf_interval2d(minimizer: Any, *args: Any, **kws: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Find the confidence region of two parameters.

    Called as ``conf_interval2d(minimizer, x_name, y_name, nx=10, ny=10, limits=None, prob_func=None)``; a fit's result may come second,
    as in lmfit 1.3.

    Parameters
    ----------
    minimizer : Minimizer
        The fitted one.
    result : result of a fit, optional
        Whose parameters are the best fit, instead of the Minimizer's own.
    x_name, y_name : str
        The two parameters.
    nx, ny : int
        Number of points of each.
    limits : ((float, float), (float, float)), optional
        The range of each, in either order; by default five standard errors each way, within the bounds.
    prob_func : callable, optional
        Probability of a chi-square, called as `f_compare` with ``nfix=2``.

    Returns
    -------
    x : ndarray, shape (nx,)
    y : ndarray, shape (ny,)
        Values of the two parameters.
    grid : ndarray, shape (ny, nx)
        Probabilities, as ``contourf(x, y, grid)`` takes them; 1 where the model isn't finite.

    Raises
    ------
    InputError
        If the Minimizer isn't fitted, a parameter doesn't vary, or the limits can't be.

    Warns
    -----
    FitWarning
        If a refit finds a lower minimum than the fit did; probabilities are then measured from it.
    """
    result, args, kws = as_called(args, kws)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):       # a refit may try where the model overflows
        return _conf_interval2d(minimizer, result, *args, **kws)


def _conf_interval2d(minimizer: Any, result: Any, x_name: str, y_name: str, nx: int = 10, ny: int = 10, limits: Any = None,
                     prob_func: ProbFunc | None = None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Do the work of `conf_interval2d`, beginning anew from each lower minimum that turns up."""
    ftest = FTest(minimizer, result, prob_func)
    held = different(ftest, x_name, y_name)
    nx, ny = whole("nx", nx, 1), whole("ny", ny, 1)
    limits = None if limits is None else _limits(limits)
    start, lowered = ftest.x, False
    for attempt in range(RESTARTS + 1):
        refit = ftest.refit(start)
        xs, ys = (_range(refit, k, count, None if limits is None else limits[i], ftest.names[k])
                  for i, (k, count) in enumerate(zip(held, (nx, ny), strict=True)))
        try:
            refit.aim(refit.unit, ftest.level(CERTAIN, refit.best.chi, 2) - refit.best.chi)
            chis = region_of(ftest, refit, held, xs, ys).chis
            break
        except LowerMinimum as found:
            start, lowered = found.point.x, True
            if attempt == RESTARTS:
                raise InputError(f"the region held lower and lower minima, at last {listed(ftest.values(start))}; "
                                 "fit from there first") from None
    if lowered:
        warn(f"the region of {x_name!r} and {y_name!r} held a lower minimum: chi-square {ftest.chisqr(refit.best.chi):.8g} at "
             f"{listed(ftest.values(refit.best.x))}; repeat the fit from there")
    best = refit.best.chi
    return xs, ys, np.array([[ftest.probability(chi, best, 2) if math.isfinite(chi) else 1. for chi in row] for row in chis])


def different(ftest: FTest, x_name: str, y_name: str) -> tuple[int, int]:
    """Return the places of two parameters, or raise InputError where they are one."""
    held = ftest.index(x_name), ftest.index(y_name)
    if held[0] == held[1]:
        raise InputError(f"a region takes two different parameters, not {x_name!r} twice")
    return held


def _limits(limits: Any) -> np.ndarray:
    """Return limits as an array (2, 2)."""
    try:
        found = floats("limits", limits)
    except InputError:
        found = np.empty(0)
    if found.shape != (2, 2):
        raise InputError(f"limits are ((x_low, x_high), (y_low, y_high)), not {shown(limits)}")
    return found


def _range(refit: ConstrainedRefit, k: int, count: int, limits: Any, name: str) -> np.ndarray:
    """Return the values of one parameter in a region."""
    best, low, high = float(refit.best.x[k]), float(refit.lower[k]), float(refit.upper[k])
    if limits is None:
        spread = refit.spread(k)
        if not math.isfinite(spread):
            raise InputError(f"parameter {name!r} has no standard error here, so give limits=((x_low, x_high), (y_low, y_high))")
        return np.linspace(max(best - STDERRS*spread, low), min(best + STDERRS*spread, high), count)
    ends = np.sort(limits)
    if not np.isfinite(ends).all():
        raise InputError(f"limits are ((x_low, x_high), (y_low, y_high)), finite; for {name!r} they are {limits!r}")
    if ends[0] < low or ends[1] > high:
        raise InputError(f"limits of {name!r}, {ends[0]:g} to {ends[1]:g}, reach beyond its bounds {low:g} to {high:g}")
    return np.linspace(ends[0], ends[1], count)


class Region(Record):
    """Chi-square on a grid of two held parameters.

    Attributes
    ----------
    xs, ys : ndarray, shapes (nx,) and (ny,)
    chis : ndarray, shape (ny, nx)
        Infinite where the model isn't finite.
    there : ndarray, shape (ny, nx, p)
        Where all parameters are.
    """

    xs: np.ndarray
    ys: np.ndarray
    chis: np.ndarray
    there: np.ndarray


def region_of(ftest: FTest, refit: ConstrainedRefit, held: tuple[int, int], xs: np.ndarray, ys: np.ndarray) -> Region:
    """Return the lowest chi-square on the grid: of the branches of the minimum and of its images, and where that is bent, of others."""
    starts = [refit.best, *(exchanged(refit.best, order) for order in exchanges(refit, ftest.names))]
    if compiled(ftest) is not None:
        found = lowest(HeldPair(ftest, refit, held), xs, ys, starts)
        if found is not None and not _bent(refit, held, xs, ys, found[0]):
            return Region(xs, ys, *found)
    region = _Region(refit, held, xs, ys)
    for start in starts:
        region.spread(start)
    if _bent(refit, held, xs, ys, region.chis()):
        region.come_back()
    there = np.full((ys.size, xs.size, refit.best.x.size), np.nan)
    for place, point in region.lowest.items():
        there[place] = point.x
    return Region(xs, ys, region.chis(), there)


def _bent(refit: ConstrainedRefit, held: tuple[int, int], xs: np.ndarray, ys: np.ndarray, chis: np.ndarray) -> bool:
    """Return whether chi-square is far from what the Jacobian at the minimum says, within the levels that matter."""
    best, both, root = refit.best, [*held], math.sqrt(refit.unit)
    size = np.max(np.abs(best.J), axis=0)
    if not (np.isfinite(best.J).all() and (size[both] > 0).all() and root > 0):
        return True
    scaled = best.J/np.where(size > 0, size, 1.)
    spread = np.linalg.pinv(scaled.T @ scaled)[np.ix_(both, both)]
    if not (spread[0, 0]*spread[1, 1] - spread[0, 1]**2) > 1e-12*spread[0, 0]*spread[1, 1]:
        return True
    move = (np.stack(np.broadcast_arrays(xs, ys[:, None]), axis=-1) - best.x[both])*size[both]/root
    straight = np.sqrt(np.maximum(np.einsum("yxi,ij,yxj->yx", move, np.linalg.inv(spread), move), 0.))
    near = (chis <= refit.ceiling + best.chi) & (straight > 0)
    roots = np.sqrt(np.maximum(chis[near] - best.chi, 0.)/refit.unit)
    return bool((np.abs(roots/straight[near] - 1) > STRAIGHT).any())


class _Region:
    """A grid of two held parameters, and the lowest refit known at each of its places."""

    def __init__(self, refit: ConstrainedRefit, held: tuple[int, int], xs: np.ndarray, ys: np.ndarray) -> None:
        self.refit, self.held, self.xs, self.ys = refit, held, xs, ys
        self.lowest: dict[tuple[int, int], ProfilePoint] = {}

    def spread(self, start: ProfilePoint) -> None:
        """Refit outward from a minimum: each place begins at a neighbour already known, so that all are of one branch."""
        self._visit(self._outward(start), start)

    def come_back(self) -> None:
        """Refit inward from the farthest places, which may lie on a branch that is lower further in too."""
        places = list(self._outward(self.refit.best))[::-1]
        known = {places[0]: self.lowest[places[0]]} if places[0] in self.lowest else {}
        self._visit(places, None, known)

    def _outward(self, start: ProfilePoint) -> Iterator[tuple[int, int]]:
        return _outward(np.abs(self.ys - start.x[self.held[1]]), np.abs(self.xs - start.x[self.held[0]]))

    def _visit(self, places: Iterable[tuple[int, int]], start: ProfilePoint | None,
               known: dict[tuple[int, int], ProfilePoint] | None = None) -> None:
        """Refit at places in order; `known` is what this way over the grid has come to."""
        known = {} if known is None else known
        for j, i in places:
            near = [known[at] for at in ((j, i - 1), (j, i + 1), (j - 1, i), (j + 1, i), (j - 1, i - 1), (j + 1, i + 1), (j - 1, i + 1),
                                         (j + 1, i - 1)) if at in known]
            begin = min(near, key=lambda point: point.chi, default=start)
            point = None if begin is None else self.refit.at(begin, self.held, np.array([self.xs[i], self.ys[j]]))
            best = self.lowest.get((j, i))
            if point is not None and (best is None or point.chi < best.chi):
                self.lowest[j, i] = point
            if point is not None or (start is None and best is not None):
                known[j, i] = point if start is not None and point is not None else self.lowest[j, i]

    def chis(self) -> np.ndarray:
        """Return the lowest chi-square at each place, infinite where none is known."""
        found = np.full((self.ys.size, self.xs.size), np.inf)
        for place, point in self.lowest.items():
            found[place] = point.chi
        return found


def _outward(rows: np.ndarray, columns: np.ndarray) -> Iterator[tuple[int, int]]:
    """Yield the places of a grid from the one nearest to the minimum outward."""
    far = np.add.outer(rows/max(rows.max(), 1e-300), columns/max(columns.max(), 1e-300))
    for place in np.argsort(far, axis=None, kind="stable"):
        j, i = np.unravel_index(int(place), far.shape)
        yield int(j), int(i)
