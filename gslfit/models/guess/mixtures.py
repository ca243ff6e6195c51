"""Start values of sums of peaks with steps, ramps, decays and other shapes, on a background, for one curve or for many.

As in `gslfit.models.guess.matching_pursuit`, the background is projected out, and shapes are chosen from a grid one after the other, then
each again beside the others; but each part of the sum chooses from shapes of its own kind. A step may hide a peak and a peak a step: so
the search begins from the peaks, and from narrow, middle and wide shapes of the first other part; where these ends are different starts,
each is worth a fit. Peaks of one sum have one sign; the other parts have either.
"""
from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from gslfit.models.guess.curves import Curves
from gslfit.models.guess.matching_pursuit import ROUNDS, next_shape, solve
from gslfit.models.guess.projection_match import Bounds, within
from gslfit.models.guess.shapes import Axis, GuessRecipe
from gslfit.models.guess.sharp_edges import SharpEdges
from gslfit.models.guess.windows import grid, masks, numbered
from gslfit.records import Record

CHUNK = 200_000         # numbers of a matrix of scores
MOST_SHAPES = 500       # of one part
WIDTHS = 4              # parts of the first other part's shapes by their widths, from each of which the search begins,
PLACES = 6              # and by their centres
MOST_STARTS = 12
LEAST = 0.02            # of its length, what a shape is to have of its own beside the background


Unit = Callable[[np.ndarray, np.ndarray], np.ndarray]
Other = tuple[Any, GuessRecipe, Bounds]


class Shapes(Record):
    """Shapes to choose from: of which part each is (0 for peaks), its parameters, its curve, and its length beside the background."""

    kinds: np.ndarray
    numbers: list[dict[str, np.ndarray]]
    place: np.ndarray
    whole: np.ndarray
    rows: np.ndarray
    norms: np.ndarray


def fits_in(part: Any, recipe: GuessRecipe | None) -> bool:
    """Return whether a part of a sum can be chosen from shapes with one amplitude."""
    return recipe is not None and recipe.linear == ("amplitude",) and not recipe.formula and not recipe.search \
        and "amplitude" in part._definition.names


def _of_part(part: Any, recipe: GuessRecipe, axis: Axis, bounds: Bounds) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return the shapes of one part, and their curves for an amplitude of 1."""
    formula = part._definition.own
    found = {name: np.asarray(value, float) for name, value in within(recipe.shapes(axis), bounds).items() if name in formula.names}
    count = len(next(iter(found.values())))
    thin = np.linspace(0, count - 1, min(count, MOST_SHAPES)).astype(int)
    found = {name: value[thin] for name, value in found.items()}
    with np.errstate(all="ignore"):
        curves = np.broadcast_to(formula(axis.x[None], amplitude=1.0, **{name: value[:, None] for name, value in found.items()}),
                                 (len(thin), len(axis.x)))
    good = np.isfinite(curves).all(axis=1)
    return {name: value[good] for name, value in found.items()}, curves[good]


def _shapes(curves: Curves, q: np.ndarray, unit: Unit | None, others: Sequence[Other], widest: float,
            windows: np.ndarray | None) -> Shapes:
    """Return all shapes, those of other parts with either sign."""
    axis = Axis.of(curves.x)
    kinds, place, numbers, whole = [], [], [], []
    if unit is not None:
        c, w = grid(axis, widest, windows)
        numbers.append({"center": c, "width": w})
        whole.append(unit(c[:, None], w[:, None]))
        kinds.append(np.zeros(len(whole[-1]), int))
        place.append(np.arange(len(whole[-1])))
    for k, (part, recipe, bounds) in enumerate(others):
        found, own = _of_part(part, recipe, axis, bounds)
        numbers.append(found)
        whole += [own, -own]
        kinds.append(np.full(2*len(own), k + 1))
        place.append(np.tile(np.arange(len(own)), 2))
    everything, kind = np.concatenate(whole), np.concatenate(kinds)
    size = np.max(np.abs(everything), axis=1)           # of a growing exponential the last point is all
    scaled = everything/np.where(size > 0, size, 1.0)[:, None]
    rows = scaled - (scaled @ q) @ q.T
    norms = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    good = (norms > LEAST*np.sqrt(np.einsum("ij,ij->i", scaled, scaled))) & (size > 0)
    return Shapes(kind[good], numbers if unit is not None else [{}, *numbers], np.concatenate(place)[good], everything[good],
                  rows[good]/norms[good, None], (norms*size)[good])


class Mixture(Record):
    """What was found in curves: peaks in the order of their centres (places, half widths, heights: (fits, count) each), the other parts'
    parameters (fits,), and the data without all these (fits, n).
    """

    peaks: tuple[np.ndarray, np.ndarray, np.ndarray]
    parts: list[dict[str, np.ndarray]]
    rest: np.ndarray


def find_mixtures(curves: Curves, columns: np.ndarray, unit: Unit | None, count: int,
                  others: Sequence[Other], sign: float = 0.0, widest: float = 0.25, windows: np.ndarray | None = None) -> list[Mixture]:
    """Look for peaks and other parts on a background; the best end for each curve first.

    Parameters
    ----------
    curves : Curves
    columns : ndarray, shape (m, n)
        The background.
    unit : callable or None
        ``unit(centers (g, 1), half_widths (g, 1)) -> (g, n)``: peaks of height 1; None where there are none.
    count : int
        How many peaks.
    others : sequence of (Model, GuessRecipe, mapping of str to (float, float))
        The other parts, at least one, and their parameters' bounds.
    sign : float
        Of the peaks; 0 for that which fits better.
    widest : float
        The peaks' greatest half width, in ranges.
    windows : ndarray, shape (count, 4), or None
        Where each peak may be (`gslfit.models.guess.windows`).
    """
    q = np.linalg.qr(columns.T)[0] if len(columns) else np.zeros((len(curves.x), 0))
    shapes, free = _shapes(curves, q, unit, others, widest, windows), curves.y - (curves.y @ q) @ q.T
    ends: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    for own in (1.0, -1.0) if sign == 0 and count else (sign or 1.0,):
        turned = np.where(shapes.kinds == 0, own, 1.0)
        rows = shapes.rows*turned[:, None]
        gram = rows @ rows.T
        allowed = _allowed(shapes, count, len(others), windows)
        for order, begin, rounds in _beginnings(shapes, allowed, count):
            gain, chosen, heights = _end(shapes, free, rows, gram, allowed, order, begin, rounds)
            for _, other, _ in ends:
                gain[(np.sort(other, axis=1) == np.sort(chosen, axis=1)).all(axis=1)] = 0.0       # there before
            ends.append((gain, chosen, heights*turned[chosen]))
    ranks = np.argsort([-gain for gain, *_ in ends], axis=0, kind="stable")[:MOST_STARTS]
    everything = [np.array(each) for each in zip(*ends, strict=True)]
    found = []
    for rank in ranks:
        chosen, heights = (each[rank, np.arange(len(curves.y))] for each in everything[1:])
        rest = curves.y - np.einsum("bk,bkn->bn", heights, shapes.whole[chosen])
        peaks = _peaks(shapes, chosen[:, :count], heights[:, :count], windows)
        found.append(Mixture(peaks, _parts(shapes, chosen[:, count:], heights[:, count:]), rest))
    return found


def _allowed(shapes: Shapes, count: int, others: int, windows: np.ndarray | None) -> list[np.ndarray]:
    """Return the shapes that each peak, and each other part, may be."""
    peak = shapes.kinds == 0
    if windows is None:
        peaks = [peak]*count
    else:
        c, w = (np.where(peak, shapes.numbers[0][name][np.where(peak, shapes.place, 0)], np.nan) for name in ("center", "width"))
        peaks = [mask & peak for mask in masks(windows, c, w)]
    return [*peaks, *(shapes.kinds == k + 1 for k in range(others))]


def _beginnings(shapes: Shapes, allowed: Sequence[np.ndarray], count: int) -> Iterator[tuple[list[int], np.ndarray, int]]:
    """Yield the parts in the order in which they are chosen, the shapes among which the first is, and how often each is chosen again."""
    peaks, known = list(range(count)), list(range(count, len(allowed)))
    first = np.flatnonzero(shapes.kinds == 1)
    width = shapes.place[first]*WIDTHS//(shapes.place[first].max(initial=0) + 1)
    begins = [([*known, *peaks], first[width == k]) for k in range(WIDTHS)]
    if count:
        begins.insert(0, ([*peaks, *known], np.flatnonzero(allowed[0])))
    for order, begin in begins:
        if begin.size:
            yield order, begin, 0
            if len(order) > 1:
                yield order, begin, ROUNDS
    numbers = shapes.numbers[1].get("center")
    if numbers is None:
        return
    center = numbers[shapes.place[first]]
    part = np.minimum((center - center.min())/max(np.ptp(center), 1e-300)*PLACES, PLACES - 1).astype(int)
    for k, j in np.ndindex(WIDTHS, PLACES):
        begin = first[(width == k) & (part == j)]
        if begin.size:
            yield [*known, *peaks], begin, 0


def _end(shapes: Shapes, free: np.ndarray, rows: np.ndarray, gram: np.ndarray, allowed: Sequence[np.ndarray], order: Sequence[int],
         begin: np.ndarray, rounds: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return what one beginning comes to: how much it takes off chi-square (fits,), the shapes of the parts, and their factors."""
    fits, size = len(free), max(1, CHUNK//len(shapes.kinds))
    gain, chosen, heights = np.empty(fits), np.empty((fits, len(order)), int), np.empty((fits, len(order)))
    for low in range(0, fits, size):
        here = slice(low, low + size)
        products = free[here] @ rows.T
        chosen[here] = _settled(products, gram, allowed, order, begin, rounds)
        factors = solve(products, gram, chosen[here])
        gain[here] = np.einsum("bk,bk->b", factors, np.take_along_axis(products, chosen[here], 1))
        heights[here] = factors/shapes.norms[chosen[here]]
    by_part = np.argsort(order)
    return gain, chosen[:, by_part], heights[:, by_part]


def _settled(products: np.ndarray, gram: np.ndarray, allowed: Sequence[np.ndarray], order: Sequence[int], begin: np.ndarray,
             rounds: int) -> np.ndarray:
    """Choose a shape of each part in turn, the first one among some, then look for each again beside the others a few times."""
    found = begin[np.argmax(products[:, begin], axis=1)][:, None]
    for part in order[1:]:
        found = np.concatenate([found, next_shape(products, gram, found, allowed[part])[:, None]], axis=1)
    for _ in range(rounds):
        for k, part in enumerate(order):
            found[:, k] = next_shape(products, gram, np.delete(found, k, axis=1), allowed[part])
    return found


def _peaks(shapes: Shapes, chosen: np.ndarray, heights: np.ndarray,
           windows: np.ndarray | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return places, half widths and heights in order."""
    if not chosen.shape[1]:
        return heights, heights, heights
    centers, widths = (shapes.numbers[0][name][shapes.place[chosen]] for name in ("center", "width"))
    order = numbered(windows, centers)
    centers, widths, heights = (np.take_along_axis(each, order, 1) for each in (centers, widths, heights))
    return centers, widths, heights


def _parts(shapes: Shapes, chosen: np.ndarray, heights: np.ndarray) -> list[dict[str, np.ndarray]]:
    """Return the parameters of the other parts."""
    found = []
    for k in range(chosen.shape[1]):
        own = chosen[:, k]
        values: Mapping[str, np.ndarray] = {name: value[shapes.place[own]] for name, value in shapes.numbers[k + 1].items()}
        first = np.searchsorted(np.flatnonzero(shapes.kinds == k + 1), own) if len(own) else own
        turned = _is_turned(shapes, k + 1)[first]
        found.append({**values, "amplitude": np.where(turned, -1.0, 1.0)*heights[:, k]})
    return found


def _is_turned(shapes: Shapes, kind: int) -> np.ndarray:
    """Return which shapes of a part are those with the sign turned: the second half of them, whose places begin anew."""
    place = shapes.place[shapes.kinds == kind]
    falls = np.flatnonzero(np.diff(place) < 0)
    return np.arange(len(place)) > (falls[0] if falls.size else len(place))


def curve_of(part: Any, values: Mapping[str, np.ndarray], x: np.ndarray, **other: float) -> np.ndarray:
    """Return a part's curves, (fits, n)."""
    given = {name: value[:, None] for name, value in values.items()} | other
    return np.broadcast_to(part._definition.own(x[None], **given), (len(values["amplitude"]), len(x)))


def with_sharp_edges(mixtures: list[Mixture], curves: Curves, columns: np.ndarray, others: Sequence[Other]) -> list[Mixture]:
    """Return mixtures, and after them the best one with edges narrower than the distance of points, where a part may have such."""
    found, first = list(mixtures), mixtures[0]
    q = np.linalg.qr(columns.T)[0] if len(columns) else np.zeros((len(curves.x), 0))
    left = first.rest - (first.rest @ q) @ q.T          # without the background
    for k, (part, recipe, _) in enumerate(others):
        if not isinstance(recipe.beside, SharpEdges):
            continue
        own = first.parts[k]
        curve = curve_of(part, own, curves.x)
        for sharp in recipe.beside([own], curves._replace(y=left + curve))[1:]:
            rest = first.rest + curve - curve_of(part, sharp, curves.x)
            found.append(first._replace(parts=[*first.parts[:k], sharp, *first.parts[k + 1:]], rest=rest))
    return found
