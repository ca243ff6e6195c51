"""Contours of confidence regions: the lines on which chi-square, the others refitted, has the level of a joint probability.

The lowest chi-square is found on a grid that holds the region; lines through the grid begin them, and refits along the lines put them on
the level (Minuit's MNCONTOURS draws the same line point by point; F. James, M. Roos, Computer Physics Communications 10 (1975) 343).
"""
from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from gslfit.checks import package, whole
from gslfit.confidence.careful import probabilities
from gslfit.confidence.constrained_refit import ConstrainedRefit, LowerMinimum
from gslfit.confidence.engine import compiled
from gslfit.confidence.ftest import FTest, rises
from gslfit.confidence.interval import conf_interval
from gslfit.confidence.region import Region, different, region_of
from gslfit.confidence.region_engine import HeldPair
from gslfit.data.numbers import floats
from gslfit.errors import InputError

LEVELS = (.6826894921370859, .9544997361036416)
MARGIN = .06            # of a region's width on either side of it
ROUNDS = 8              # of steps that put a line on its level
LARGEST = .5            # cells of the grid a step is long at most
ENOUGH = 1e-4           # standard errors that a line may be off


def confidence_contours(result: Any, x: str, y: str, levels: Iterable[float] = LEVELS, *,
                        points: int = 40) -> dict[float, list[np.ndarray]]:
    """Find the contours of the confidence region of two parameters.

    Parameters
    ----------
    result : FitResult, ModelResult or Minimizer
        After a fit.
    x, y : str
        The two parameters.
    levels : sequence of float
        Joint probabilities of the two; numbers from 1 on are standard deviations, whose probabilities 0.683, 0.954, ... are taken.
    points : int
        Of the grid, along each parameter.

    Returns
    -------
    dict of float to list of ndarray, shape (k, 2)
        By each level as it was given: the lines, several where a region falls apart, as points (x, y). The last point of a closed line is
        its first; where a bound cuts a region off, its line ends there.

    Raises
    ------
    InputError
        If a parameter doesn't vary, a level can't be, a region has no end, or a lower minimum turns up.
    ImportError
        If contourpy, which comes with matplotlib, is not there.

    Notes
    -----
    With known errors (``scale_covar=False``) the level of a probability is a rise of chi-square by the quantile of its distribution with
    two degrees of freedom, -2 log(1 - p); else by the F-test's. See `conf_interval`.

    Examples
    --------
    >>> import gslfit
    >>> t = np.linspace(0, 5, 40)
    >>> result = gslfit.fit("A*exp(-t/tau)", 2*np.exp(-t/1.5) + .05*np.cos(9*t), t=t, A=1.0, tau=1.0)
    >>> line, = confidence_contours(result, "A", "tau", [.95])[.95]
    >>> line.min(axis=0).round(2).tolist(), line.max(axis=0).round(2).tolist()
    ([1.96, 1.44], [2.06, 1.55])
    """
    generator = package("contourpy", "plot", "lines of a level")
    given = np.atleast_1d(floats("levels", levels)).ravel().tolist()
    chances, points = probabilities(given), whole("points", points, 5, 1000)
    if not all(chance > 0 for chance in chances):
        raise InputError(f"levels are probabilities above 0 and below 1, or standard deviations from 1 to 8; not {given}")
    ftest = FTest(result)
    held = different(ftest, x, y)
    heights = [float(each) for each in rises(chances, ftest.ndata - ftest.x.size, ftest.known, 2)] if chances else []
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        if not heights:
            return {}
        try:
            refit = ftest.refit(ftest.x)
            refit.aim(min(heights)*refit.unit, max(heights)*refit.unit*4)
            region = region_of(ftest, refit, held, *_axes(result, ftest, held, (x, y), max(heights), points))
            return {level: _lines(generator, ftest, refit, held, region, math.sqrt(height))
                    for level, height in zip(given, heights, strict=True)}
        except LowerMinimum:
            raise InputError("the region holds a lower minimum than the fit's: fit from there first; result.conf_interval() says where it "
                             "is") from None


def _axes(result: Any, ftest: FTest, held: tuple[int, int], names: Sequence[str], height: float, points: int) -> list[np.ndarray]:
    """Return the grid's values of both parameters: a region reaches as far as the profiles of each do at its level."""
    nfree = ftest.ndata - ftest.x.size
    from scipy.special import fdtr, gammainc
    chance = float(gammainc(.5, .5*height) if ftest.known else fdtr(1, nfree, height))
    if not chance < 1:
        raise InputError("a level is so near to 1 that the region can't be told from everything")
    intervals, found = conf_interval(result, p_names=list(names), sigmas=[chance]), []
    if intervals.better is not None:
        raise InputError("the profiles hold a lower minimum than the fit's: fit from there first; result.conf_interval() says where it is")
    for k, name in zip(held, names, strict=True):
        ends = [limit for pair in intervals.ranges.get(name, {}).get(chance, []) for limit in pair]
        low, high = min([intervals[name][0][1], *ends]), max([intervals[name][2][1], *ends])
        low, high = max(low, float(ftest.lower[k])), min(high, float(ftest.upper[k]))
        if not math.isfinite(high - low):
            raise InputError(f"the region has no end: the {'lower' if math.isinf(low) else 'upper'} limit of {name!r} is not reached; give "
                             "it a bound, or take a lower level")
        margin = MARGIN*(high - low)
        found.append(np.linspace(max(low - margin, ftest.lower[k]), min(high + margin, ftest.upper[k]), points))
    return found


def _lines(generator: Any, ftest: FTest, refit: ConstrainedRefit, held: tuple[int, int], region: Region, root: float) -> list[np.ndarray]:
    """Return the lines of a level, given by the root of its rise in standard errors."""
    roots = np.sqrt(np.maximum(region.chis - refit.best.chi, 0.)/refit.unit)
    roots = np.where(np.isfinite(roots), roots, 2*root + 1)
    lines = generator.contour_generator(region.xs, region.ys, roots).lines(root)
    found = [_settled(ftest, refit, held, region, roots, np.asarray(line, float), root) for line in lines]
    return [_settled(ftest, refit, held, region, roots, _doubled(line), root) for line in found]     # sharp ends need more points


def _doubled(line: np.ndarray) -> np.ndarray:
    """Return a line with a point more amid each two."""
    found = np.empty((2*len(line) - 1, 2))
    found[::2], found[1::2] = line, .5*(line[1:] + line[:-1])
    return found


def _settled(ftest: FTest, refit: ConstrainedRefit, held: tuple[int, int], region: Region, roots: np.ndarray, line: np.ndarray,
             root: float) -> np.ndarray:
    """Return a line whose points are put on its level by refits and Newton steps across it."""
    cell = np.array([region.xs[1] - region.xs[0], region.ys[1] - region.ys[0]])
    places = np.stack([np.clip(np.rint((line[:, k] - axis[0])/cell[k]), 0, axis.size - 1).astype(int)
                       for k, axis in enumerate((region.xs, region.ys))])
    there = region.there[places[1], places[0]].copy()
    slopes = np.stack([each[places[1], places[0]]/size for each, size in
                       zip(np.gradient(roots)[::-1], cell, strict=True)], axis=1)        # by x, by y
    low, high = ftest.lower[[*held]], ftest.upper[[*held]]
    for _ in range(ROUNDS):
        there[:, held] = line
        there, chis = _refitted(ftest, refit, held, there)
        here = np.sqrt(np.maximum(chis - refit.best.chi, 0.)/refit.unit)
        missed = np.where(np.isfinite(here), root - here, 0.)
        if np.max(np.abs(missed), initial=0.) <= ENOUGH:
            break
        scaled = slopes*cell
        steps = missed[:, None]*scaled/np.maximum(np.sum(scaled**2, axis=1), 1e-300)[:, None]          # in cells
        steps *= np.minimum(1., LARGEST/np.maximum(np.hypot(*steps.T), 1e-300))[:, None]
        line = np.clip(line + steps*cell, low, high)
    return line


def _refitted(ftest: FTest, refit: ConstrainedRefit, held: tuple[int, int], starts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the others' best from starts, ndarray (m, p), and chi-square there: by the engine, and what doesn't settle one by one."""
    if compiled(ftest) is not None:
        x, chis, settled = HeldPair(ftest, refit, held)(starts)
    else:
        x, chis, settled = starts.copy(), np.full(len(starts), np.nan), np.zeros(len(starts), bool)
    for k in np.flatnonzero(~settled & np.isfinite(starts).all(axis=1)).tolist():
        near = refit.best._replace(x=starts[k], r=(r := refit.fun(starts[k])), chi=float(r @ r), J=refit.jac(starts[k], r))
        point = refit.relax(near, held) if math.isfinite(near.chi) else None
        if point is not None:
            x[k], chis[k] = point.x, point.chi
    return x, chis
