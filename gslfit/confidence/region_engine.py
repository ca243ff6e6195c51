"""Regions of two parameters by the engine: a grid's places refitted ring by ring, those of a ring side by side in the lanes."""
from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gslfit.confidence._profile import refits
from gslfit.confidence.constrained_refit import PRECISION, ConstrainedRefit, ProfilePoint
from gslfit.confidence.engine import compiled
from gslfit.confidence.ftest import FTest
from gslfit.objective.loss import NUMBERS


class HeldPair:
    """Refits of a compiled model with two parameters held, many at once.

    Parameters
    ----------
    ftest : FTest
    refit : ConstrainedRefit
        Chi-square round the minimum.
    held : (int, int)
    """

    def __init__(self, ftest: FTest, refit: ConstrainedRefit, held: tuple[int, int]) -> None:
        function = compiled(ftest)
        assert function is not None
        self.function, self.ftest, self.refit, self.held = function, ftest, refit, [*held]

    def __call__(self, starts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Refit from starts, ndarray (m, p).

        Returns
        -------
        x : ndarray, shape (m, p)
        chisqr : ndarray, shape (m,)
        settled : ndarray of bool, shape (m,)
        """
        function, x = self.function, np.ascontiguousarray(np.clip(starts, self.ftest.lower, self.ftest.upper))
        assert function.y is not None
        loss = "linear" if function.loss is None else function.loss.name
        chisqr, settled = refits(function.program, function.y, list(function.x), x, self.held, low=self.ftest.lower, high=self.ftest.upper,
                                 enough=self.refit.gain, share=PRECISION, floor=self.refit.floor, weights=function.weights,
                                 loss=NUMBERS[loss])
        return x, chisqr, settled

    def slopes(self, start: ProfilePoint) -> np.ndarray:
        """Return how the others move with those held along the valley through a point, ndarray (2, p)."""
        free = self.refit._free(start, (self.held[0], self.held[1]))
        found = np.zeros((2, start.x.size))
        if free.any():
            found[:, free] = -np.linalg.lstsq(start.J[:, free], start.J[:, self.held], rcond=None)[0].T
        found[[0, 1], self.held] = 1.
        return found

    def grid(self, xs: np.ndarray, ys: np.ndarray, start: ProfilePoint) -> tuple[np.ndarray, np.ndarray] | None:
        """Return chi-square on a grid, ndarray (ny, nx), of the valley that leads out from a minimum, and where it is, (ny, nx, p).

        None where a place did not settle whose chi-square matters: the careful code is to look.
        """
        there, chis = np.full((ys.size, xs.size, start.x.size), np.nan), np.full((ys.size, xs.size), np.nan)
        middle = np.array([np.argmin(np.abs(ys - start.x[self.held[1]])), np.argmin(np.abs(xs - start.x[self.held[0]]))])
        along = self.slopes(start)
        places = np.stack(np.meshgrid(np.arange(ys.size), np.arange(xs.size), indexing="ij"), axis=-1).reshape(-1, 2)
        away = places - middle
        ring = np.max(np.abs(away), axis=1)
        for number in range(int(ring.max()) + 1):
            here, way = places[ring == number], away[ring == number]
            inner = here - np.sign(way)*(np.abs(way) == number)
            before = start.x[None] if not number else there[inner[:, 0], inner[:, 1]]
            targets = np.stack([xs[here[:, 1]], ys[here[:, 0]]], axis=1)
            begin = before + (targets - before[:, self.held]) @ along
            begin[:, self.held] = targets
            x, chi, settled = self(begin)
            if (~settled & ~(chi > self.refit.best.chi + self.refit.ceiling)).any() or (chi < self.refit.floor).any():
                return None
            there[here[:, 0], here[:, 1]], chis[here[:, 0], here[:, 1]] = x, chi
        return chis, there


def lowest(pair: HeldPair, xs: np.ndarray, ys: np.ndarray, starts: Sequence[ProfilePoint]) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the lowest chi-square on a grid of the valleys of some minima, (ny, nx), and where it is, (ny, nx, p); None in doubt."""
    found = pair.grid(xs, ys, starts[0])
    for start in starts[1:]:
        other = None if found is None else pair.grid(xs, ys, start)
        if found is None or other is None:
            return None
        lower = other[0] < found[0]
        found = np.where(lower, other[0], found[0]), np.where(lower[..., None], other[1], found[1])
    return found
