"""Start values of sums of decays, with a Gaussian instrument response or without.

Such a chi-square has many minima: what a short time explains, a wider response or an edge elsewhere explains as well, and a step, a
straight line or a spike do for what is left. So all combinations of some times, limits included, with some places and widths of the edge
are tried at once, by projection; the best of each family of them sets out, and those that are ahead after some steps go on
(`gslfit.models.guess.variable_projection`). What is returned is where the lowest one ended: nearly the minimum.
"""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import combinations
from typing import Any

import numpy as np

from gslfit.models.guess.variable_projection import Places, Search, columns, project
from gslfit.records import Record

CHUNK = 200_000             # numbers of a temporary array
PULSES = (1e-3, 3e-3)       # times by the edge's width that are pulses; the second one beside the first only
STEP = 1e3                  # a time by the range that is a step
WIDTHS = (0.3, 0.08, 4)     # of an edge: from so many distances of points to such a part of the range, how many
SPACING = 0.12              # of the first edges' places, by their width; eight at least
TIMES = 8                   # between 0.7 distances of points and three ranges
BARE_TIMES = 20             # the same without an edge
PARTS = 2                   # into which they are divided: a family is a combination of parts, pulses and steps, and a sign
OVERFLOW = 600.0            # of exp
GROWTH = 3.0                # of rates that may be negative: e^3 over the range
ROUNDS = {2: ((12, 18), (6, 12), (3, 36)), 3: ((36, 12), (12, 15), (6, 33))}   # (starts, steps) by count of decays
LEAP = 20                   # steps after short times were made pulses
BOUNDED = 8                 # starts that are returned where parameters have bounds

Shapes = dict[str, np.ndarray]
Bounds = Mapping[str, tuple[float, float]]


class Names(Record):
    """What a model calls its parameters: heights, times (or rates), offset, and the edge's place and width, if there is one."""

    heights: tuple[str, ...]
    times: tuple[str, ...]
    offset: str
    edge: tuple[str, ...] = ()
    rates: bool = False


class Grid(Record):
    """Sums to be tried at points from 0 to 1.

    Attributes
    ----------
    edges : ndarray, shape (m, 2) or (1, 0)
    times : ndarray, shape (m, N)
    sums : ndarray of int, shape (g, k)
        Which times.
    family : ndarray of int, shape (g)
        In order.
    columns : ndarray, shape (m, N, n)
        G without its mean, of length 1.
    size : ndarray, shape (m, N)
        What it was divided by.
    triangles : ndarray, shape (k, k, m, g)
        What makes a sum's columns orthonormal.
    """

    edges: np.ndarray
    times: np.ndarray
    sums: np.ndarray
    family: np.ndarray
    columns: np.ndarray
    size: np.ndarray
    triangles: np.ndarray

    @classmethod
    def of(cls, x: np.ndarray, count: int, edged: bool, shortest: float) -> Grid:
        """Return the grid of sums of so many decays."""
        step, number = 1/max(len(x) - 1, 1), TIMES if edged else BARE_TIMES
        edges, width = np.zeros((1, 0)), np.full(1, step)
        if edged:
            low, high, widths = WIDTHS
            sizes = np.geomspace(min(low*step, high), high, widths)
            places = [np.linspace(0, 1, int(np.clip(SPACING/size, 8, 1.5*len(x))) + 1) for size in sizes]
            edges = np.stack([np.concatenate(places), np.repeat(sizes, [len(each) for each in places])], axis=1)
            width = edges[:, 1]
        times = np.array([[*(each*size for each in PULSES), *np.geomspace(0.7*step, 3, number), STEP] for size in width])
        times = np.maximum(times, shortest)
        part = np.array([0, 1, *(2 + np.arange(number)*PARTS//number), 2 + PARTS])
        sums = np.array([each for each in combinations(range(times.shape[1]), count) if 0 in each or 1 not in each])
        family = np.ravel_multi_index(part[sums].T, (3 + PARTS,)*count)
        order = np.argsort(family, kind="stable")
        sums, family = sums[order], family[order]
        shapes = columns(x, Places(edges, times))[0]
        shapes = shapes - shapes.mean(axis=2, keepdims=True)
        size = np.sqrt(np.einsum("mjn,mjn->mj", shapes, shapes)) + 1e-12
        shapes /= size[:, :, None]
        gram = np.einsum("min,mjn->mij", shapes, shapes)
        own = gram[:, sums[:, :, None], sums[:, None]] + 1e-9*np.eye(count)
        triangles = np.linalg.inv(np.linalg.cholesky(own))
        return cls(edges, times, sums, family, shapes, size, np.ascontiguousarray(np.moveaxis(triangles, (2, 3), (0, 1))))

    def starts(self, y: np.ndarray, most: int, bounds: Sequence[tuple[Any, Any]] = ()) -> Places:
        """Return the best sums for curves (fits, n) without their mean: of each of the best families one.

        Parameters
        ----------
        y : ndarray, shape (fits, n)
        most : int
            How many; fewer where there are not so many families.
        bounds : sequence of (array_like, array_like), optional
            Of the heights, each to be broadcast with (fits, m, g).

        Returns
        -------
        Places
            Of rows (most*fits), those of one family together.
        """
        fits = len(y)
        gain, heights = self.matched(y, len(bounds) or 1)
        for j, (low, high) in enumerate(bounds):
            found = heights[j]/self.size[:, self.sums[:, j]]
            gain = np.where((found < low) | (found > high), -np.inf, gain)
        begins = np.flatnonzero(np.diff(self.family, prepend=-1))
        number = np.repeat(np.arange(len(begins)), np.diff([*begins, len(self.family)]))
        signs = heights[0] > 0        # of the shortest time's height
        ranks = np.stack([np.where(signs == sign, gain, -np.inf) for sign in (False, True)], axis=1)
        best = ranks.max(axis=2)
        order = np.argsort(-np.maximum.reduceat(best, begins, axis=2).reshape(fits, -1), axis=1, kind="stable")[:, :most]
        rows, found = np.arange(fits), []
        for sign, family in zip(*np.divmod(order.T, len(begins)), strict=True):
            chosen = np.where(number == family[:, None], best[rows, sign], -np.inf).argmax(axis=1)
            place = ranks[rows, sign, :, chosen].argmax(axis=1)
            found.append((self.edges[place], np.take_along_axis(self.times[place], self.sums[chosen], 1)))
        return Places(*(np.concatenate(each) for each in zip(*found, strict=True)))

    def matched(self, y: np.ndarray, count: int) -> tuple[np.ndarray, list[np.ndarray]]:
        """Return what each sum takes off chi-square, (fits, m, g), and so many of its heights, for columns of length 1."""
        products = (y @ self.columns.reshape(-1, y.shape[1]).T).reshape(len(y), len(self.edges), -1)
        parts = [products[:, :, each] for each in self.sums.T]
        gain = np.zeros(parts[0].shape)
        heights = [np.zeros(gain.shape) for _ in range(count)]
        for i, row in enumerate(self.triangles):
            along = sum((row[j]*parts[j] for j in range(1, i + 1)), start=row[0]*parts[0])
            gain += along*along
            for j in range(min(count, i + 1)):
                heights[j] += row[j]*along
        return gain, heights


@lru_cache(maxsize=4)
def _grid(points: bytes, count: int, edged: bool, shortest: float) -> Grid:
    return Grid.of(np.frombuffer(points), count, edged, shortest)


def lowest(x: np.ndarray, y: np.ndarray, known: np.ndarray | None, starts: Places, rounds: Sequence[tuple[int, int]],
           **limits: float) -> Search:
    """Let starts of curves (fits, n) go down together, in rounds of (how many of each curve go on, steps); return the ends, (fits)."""
    fits = len(y)
    again = len(starts.tau)//fits, 1
    search = Search(x, np.tile(y, again), starts, **limits, known=None if known is None else np.tile(known, again))
    for count, steps in rounds:
        search.keep(leading(search.chisqr.reshape(-1, fits), count))
        search.run(steps)
    search.keep(leading(search.chisqr.reshape(-1, fits), 1))
    search.leap(LEAP)
    return search


def leading(chisqr: np.ndarray, count: int) -> np.ndarray:
    """Return the rows of each curve's lowest ends that differ, from (ends, fits)."""
    order = np.argsort(chisqr, axis=0, kind="stable")
    ordered = np.take_along_axis(chisqr, order, 0)
    again = np.zeros(order.shape, bool)
    again[1:] = np.diff(ordered, axis=0) < 1e-6*ordered[1:]
    order = np.take_along_axis(order, np.argsort(again, axis=0, kind="stable"), 0)[:count]
    return (order*chisqr.shape[1] + np.arange(chisqr.shape[1])).reshape(-1)


class Scaled(Record):
    """Curves brought to points from 0 to 1, a mean of 0 and values up to 1, and what they were."""

    x: np.ndarray
    y: np.ndarray
    low: float
    span: float
    middle: np.ndarray
    size: np.ndarray

    @classmethod
    def of(cls, curves: Any) -> Scaled:
        """Return curves on shared points in order, x (n) and y (fits, n)."""
        low, high = float(curves.x[0]), float(curves.x[-1])
        span = (high - low) or 1.0
        middle = curves.y.mean(axis=1, keepdims=True)
        size = np.abs(curves.y - middle).max(axis=1, keepdims=True)
        size = np.where(size > 0, size, 1.0)
        return cls((curves.x - low)/span, (curves.y - middle)/size, low, span, middle[:, 0], size[:, 0])

    def named(self, names: Names, places: Places, heights: np.ndarray, offset: np.ndarray) -> Shapes:
        """Return a model's parameters at places, each (fits)."""
        tau = places.tau*self.span
        own = heights*self.size[:, None]*(1 if names.edge else np.exp(np.clip(self.low/tau, -OVERFLOW, OVERFLOW)))
        found = {names.offset: offset*self.size + self.middle}
        for k, (height, time) in enumerate(zip(names.heights, names.times, strict=True)):
            found |= {height: own[:, k], time: 1/tau[:, k] if names.rates else tau[:, k]}
        if names.edge:
            found |= {names.edge[0]: self.low + places.edge[:, 0]*self.span, names.edge[1]: places.edge[:, 1]*self.span}
        return found


class Decays:
    """The search for a model's start, as `gslfit.models.guess.shapes.GuessRecipe` wants it.

    Parameters
    ----------
    names : Names
    """

    def __init__(self, names: Names):
        self.names, self.count = names, len(names.times)

    def __call__(self, curves: Any, bounds: Bounds) -> list[Shapes]:
        """Return the start of curves; where it is outside of bounds, which the search knows nothing of, several that are inside."""
        data = Scaled.of(curves)
        shortest = 0.0 if self.names.edge else abs(data.low)/data.span/OVERFLOW
        limits = {"shortest": shortest, "growth": GROWTH if self.names.rates else 0.0}
        grid = _grid(data.x.tobytes(), self.count, bool(self.names.edge), shortest)
        rounds = ROUNDS[self.count]
        rows = max(grid.triangles[0, 0].size, rounds[0][0]*len(data.x)*(self.count + 3))
        slices = [slice(begin, begin + max(1, CHUNK//rows)) for begin in range(0, len(data.y), max(1, CHUNK//rows))]
        ends = []
        for here in slices:
            y, known = data.y[here], None if curves.known is None else curves.known[here]
            ends.append(lowest(data.x, y, known, grid.starts(y, rounds[0][0]), rounds, **limits))
        places, heights = zip(*(end.settled() for end in ends), strict=True)
        found = data.named(self.names, joined(places), np.concatenate(heights), np.concatenate([end.offset for end in ends]))
        inside = np.ones(len(data.y), bool)
        for name, (low, high) in bounds.items():
            if name in found:
                inside &= (found[name] >= low) & (found[name] <= high)
        if inside.all():
            return [found]
        others = self.within(data, grid, bounds, slices)
        return [{name: np.where(inside, value, others[0][name]) for name, value in found.items()}, *others]

    def within(self, data: Scaled, grid: Grid, bounds: Bounds, slices: Sequence[slice]) -> list[Shapes]:
        """Return the best sums of the grid whose heights keep their bounds."""
        given = np.array([bounds.get(name, (-np.inf, np.inf)) for name in self.names.heights])
        found = []
        for here in slices:
            y, size = data.y[here], data.size[here, None, None]
            limits = [(low/size, high/size) for low, high in given]
            starts = grid.starts(y, BOUNDED, limits)
            count = len(starts.tau)//len(y)
            best = project(data.x, np.tile(y, (count, 1)), starts)
            found.append([each.reshape(count, len(y), *each.shape[1:]) for each in (*starts, best.heights, best.offset)])
        return [data.named(self.names, Places(edge, tau), heights, offset)
                for edge, tau, heights, offset in zip(*(np.concatenate(each, axis=1) for each in zip(*found, strict=True)), strict=True)]


def joined(places: Sequence[Places]) -> Places:
    """Return places of several slices of curves as one."""
    return Places(*(np.concatenate(each) for each in zip(*places, strict=True)))
