"""Other branches of a profile: the others' best from further starts, where the one that leads out from the minimum may not be the lowest.

A profile is the lowest chi-square over the parameters not held. Followed outward from the minimum it stays with the same others; another
branch may lie lower where parameters can change roles (two decays with nearly the same times) or where the profile turns over.

- Where an exchange of parameters leaves the residual as it is, the points of one profile, exchanged, are points of the other, without
  refits.
- Points of other profiles that lie below this one show a lower branch.
- Where neither is so and a profile is far from straight, its outermost point is followed back inward, and others are drawn at random.
  Beyond its limits it is looked at where it may fall again.

A branch that is found so is followed along the profile for as long as its points are others than those known.
"""
import itertools
import math
import re
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from gslfit.confidence.constrained_refit import MINIMUM, ConstrainedRefit, ProfilePoint
from gslfit.confidence.profile import GAP, Known, ProfileSide

BEYOND = 3.               # times the distance of the outermost limit that is looked over
STEPS = 12                # points in that range
STRAIGHT = .4             # relative deviation of a profile's root from its tangent at the minimum above which more starts are tried
DRAWS, WIDE, SEED = 2, 3., 20261127       # random starts, how many standard errors wide, and their seed
ALL_EXCHANGES = 5         # most parameters of which all exchanges are tried; of more those that their names suggest
GLANCES = 6               # places beyond the outermost limit that are looked at from afar
DIPS = 5                  # refits to find the lowest point between two of them
PATIENCE = 2              # points in a row above the profile after which a branch is left
HIGH = 1.5                # times the highest level's root above which a profile doesn't matter
SAME = 1e-6               # a change of chi-square by this share of its variance is none


def exchanges(refit: ConstrainedRefit, names: Sequence[str]) -> list[list[int]]:
    """Return the exchanges of parameters that leave the residual as it is."""
    best, found = refit.best, []
    for order in exchange_orders(names):
        x = best.x[order]
        if np.array_equal(x, best.x) or (x < refit.lower).any() or (x > refit.upper).any():
            continue
        missed = refit.fun(x) - best.r
        if float(missed @ missed) <= SAME*refit.unit:        # False for NaN
            found.append(order)
    return found


def exchange_orders(names: Sequence[str]) -> Iterator[list[int]]:
    """Yield the exchanges of parameters that are worth a try."""
    return _all_exchanges(len(names)) if len(names) <= ALL_EXCHANGES else _named_exchanges(names)


def exchanged(point: ProfilePoint, order: list[int]) -> ProfilePoint:
    """Return a point with its parameters exchanged."""
    return ProfilePoint(point.x[order], point.r, point.chi, point.J[:, order])


def _all_exchanges(p: int) -> Iterator[list[int]]:
    """Yield the permutations that are their own inverse."""
    for order in itertools.permutations(range(p)):
        if all(order[order[i]] == i for i in range(p)) and any(order[i] != i for i in range(p)):
            yield list(order)


def _named_exchanges(names: Sequence[str]) -> Iterator[list[int]]:
    """Yield the permutations that names suggest: a1, t1 with a2, t2, or left_center, left_sigma with right_center, right_sigma."""
    parts = [tuple(re.findall(r"\d+|[^\W\d_]+|_+", name)) for name in names]
    places = {part: i for i, part in enumerate(parts)}
    pairs = set()
    for a, b in itertools.combinations(parts, 2):
        differing = [(u, v) for u, v in zip(a, b, strict=False) if u != v]
        if len(a) == len(b) and len(differing) == 1:
            pairs.add(differing[0])
    for first, second in sorted(pairs):
        swap = {first: second, second: first}
        order = [places.get(tuple(swap.get(part, part) for part in each), i) for i, each in enumerate(parts)]
        if all(order[order[i]] == i for i in range(len(order))):
            yield order


def explore(side: ProfileSide, levels: Sequence[float], images: Iterable[Sequence[ProfilePoint]], pool: Iterable[ProfilePoint]) -> None:
    """Look over a side of a profile for branches that lie lower.

    Parameters
    ----------
    side : ProfileSide
        With its limits found on the branch of the minimum.
    levels : sequence of float
        The levels of chi-square that matter.
    images : iterable of list of ProfilePoint
        For each exchange of parameters the points of another profile that are this one's own, once exchanged.
    pool : iterable of ProfilePoint
        Points of other profiles.
    """
    target = max((root for root in map(side.refit.root, levels) if side.reached(root)), default=0.)
    if not target or not side.spread < math.inf:
        return                                                # a lower branch does not make a limit that is never reached a finite one
    outermost = next((known for known in side.known if known.root >= target), side.known[-1])
    reach = min(BEYOND*outermost.distance, side.room, side.edge)
    for points in images:
        _take_over(side, points, reach)
    starts = _below(side, pool)
    if not side.branched and _bent(side, target):
        probes = [side.refitted(start, outermost.distance) for start in _drawn(side, outermost.distance)]
        starts += [outermost.point, *(found for found in probes if found is not None and found.chi < _at(side, found))]
    for start in starts:
        _walk(side, start, reach, target)
    if _bent(side, target):
        _look_beyond(side, outermost, reach, target)


def _distance(side: ProfileSide, point: ProfilePoint) -> float:
    """Return a point's distance on a side of a profile; negative on the other side."""
    return side.sign*(float(point.x[side.k]) - side.origin)


def _at(side: ProfileSide, point: ProfilePoint) -> float:
    """Return the profile's chi-square where a point lies, as far as it is known, less what is no difference; infinite beyond that."""
    distances, roots = np.array([known[:2] for known in side.known]).T
    distance = _distance(side, point)
    if distance > distances[-1]:
        return math.inf
    root = float(np.interp(distance, distances, roots))
    return side.refit.best.chi + side.refit.unit*(root*root - MINIMUM*(1 + root))


def _take_over(side: ProfileSide, images: Sequence[ProfilePoint], reach: float) -> None:
    """Make the points of another branch, which are at their lowest already, part of a profile where they lie below it."""
    lower = [(_distance(side, point), point) for point in images if 0 < _distance(side, point) <= reach and point.chi < _at(side, point)]
    if not lower:
        return
    theirs = np.array(sorted((_distance(side, point), side.refit.root(point.chi)) for point in images)).T
    ours = np.array([known[:2] for known in side.known]).T
    meetings = _meetings(ours, theirs)
    side.known = [known for known in side.known if not theirs[0, 0] <= known.distance <= theirs[0, -1]
                  or known.root <= float(np.interp(known.distance, *theirs))]
    for distance, point in lower:
        side.add(distance, point, True)
    for distance in meetings:
        side.visit(distance)


def _meetings(a: np.ndarray, b: np.ndarray) -> list[float]:
    """Return where two broken lines, ndarrays (2, n), cross each other beyond zero."""
    at = np.union1d(a[0], b[0])
    at = at[(at >= max(a[0, 0], b[0, 0])) & (at <= min(a[0, -1], b[0, -1]))]
    gap = np.interp(at, *a) - np.interp(at, *b)
    turns = np.flatnonzero(gap[:-1]*gap[1:] < 0)
    found = at[turns] + (at[turns + 1] - at[turns])*gap[turns]/(gap[turns] - gap[turns + 1])
    return [float(distance) for distance in found if distance > 0]


def _bent(side: ProfileSide, target: float) -> bool:
    """Return whether the profile is far from straight up to a level."""
    inner = [known for known in side.known if known.distance > 0 and known.root <= HIGH*target]
    return any(abs(known.root*side.spread/known.distance - 1) > STRAIGHT for known in inner)


def _below(side: ProfileSide, pool: Iterable[ProfilePoint]) -> list[ProfilePoint]:
    """Return the point that lies farthest below the profile as it is known, if there is one."""
    found: list[tuple[float, int, ProfilePoint]] = []
    for point in pool:
        if 0 < _distance(side, point) <= side.known[-1].distance:
            known = math.sqrt(max(_at(side, point) - side.refit.best.chi, 0.)/side.refit.unit)
            missed = known - side.refit.root(point.chi)
            if missed > STRAIGHT*known + .05:                 # interpolation between far points can be off by less
                found.append((missed, len(found), point))
    return [max(found)[2]] if found else []


def _drawn(side: ProfileSide, distance: float) -> list[ProfilePoint]:
    """Return points at a distance, the others drawn about their values at the minimum."""
    refit, best = side.refit, side.refit.best
    random = np.random.default_rng(SEED)
    _, s, Vt = np.linalg.svd(best.J, full_matrices=False)
    wide = Vt.T*np.divide(WIDE*math.sqrt(refit.unit), s, out=np.zeros_like(s), where=s > 1e-12*s[0])
    found = []                  # no generator, where a StopIteration of the caller's own would be another error
    for _ in range(DRAWS):
        x = np.clip(best.x + wide @ random.standard_normal(s.size), refit.lower, refit.upper)
        x[side.k] = side.origin + side.sign*min(distance, side.room)
        r = refit.fun(x)
        if math.isfinite(float(r @ r)):
            found.append(ProfilePoint(x, r, float(r @ r), refit.jac(x, r)))
    return found


def _look_beyond(side: ProfileSide, outermost: Known, reach: float, target: float) -> None:
    """Look from afar, by one step for each value held, where a profile falls and rises again beyond its outermost limit; visit its dips."""
    seen = [(known.distance, known.slope*known.root) for known in side.known if known.distance >= outermost.distance]
    last = outermost.point
    for distance in np.linspace(outermost.distance, reach, GLANCES + 1)[1:].tolist():
        point = side.refit.glance(last, side.k, side.value(distance))
        if point is None:
            break
        seen.append((distance, side.sign*float(point.r @ point.J[:, side.k])/side.refit.unit))
        if side.refit.root(point.chi) < HIGH*target:
            side.visit(distance)
        last = point
    seen.sort()
    for (inner, fall), (outer, rise) in itertools.pairwise(seen):
        if fall < 0 < rise:
            _visit_dip(side, target, inner, fall, outer, rise)


def _visit_dip(side: ProfileSide, target: float, inner: float, fall: float, outer: float, rise: float) -> None:
    """Visit the lowest place between one where a profile falls and one where it rises, given chi-square's slopes there."""
    for _ in range(DIPS):
        share = min(max(fall/(fall - rise), .1), .9)
        known = side.visit(inner + share*(outer - inner))
        if known is None or known.root < target or outer - inner < GAP*outer:
            break
        slope = known.slope*known.root
        inner, fall, outer, rise = (known.distance, slope, outer, rise) if slope < 0 else (inner, fall, known.distance, slope)


def _walk(side: ProfileSide, start: ProfilePoint, reach: float, target: float) -> None:
    """Follow a branch along a profile, inward and outward, until it comes upon points that are known, or stays above them or the levels."""
    gap = reach/STEPS
    for way in (-1, 1):
        distance, point, above = _distance(side, start), start, 0
        while above < PATIENCE:
            distance = _next(side, distance, way, gap)
            if not 0 < distance <= reach:
                break
            found = side.refitted(point, distance)
            if found is None or not _another(side, distance, found):
                break
            point, known = found, side.known_at(distance)
            lowest = known is not None and known.point is found and known.root <= HIGH*target
            above = 0 if lowest else above + 1


def _next(side: ProfileSide, distance: float, way: int, gap: float) -> float:
    """Return the next distance on the way along a profile: that of a known point, or a step to it that isn't too large."""
    ahead = [known.distance for known in side.known if (known.distance - distance)*way > 1e-9*gap]
    nearest = min(ahead, key=lambda each: abs(each - distance), default=distance + way*gap)
    return nearest if abs(nearest - distance) <= 1.5*gap else distance + way*gap


def _another(side: ProfileSide, distance: float, point: ProfilePoint) -> bool:
    """Return whether a point is another than the profile's at its distance; the profile takes the lower one."""
    known = side.known_at(distance) or side.visit(distance)
    same = 0. if known is None else MINIMUM*side.refit.unit*(1 + known.root)
    if known is not None and point.chi > known.point.chi - same:
        return point.chi > known.point.chi + same
    side.add(distance, point, True)
    return True
