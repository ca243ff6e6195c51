"""Steps of a trust region by what a QR decomposition of the Jacobian leaves: MINPACK's `lmder` (More 1978) without the Jacobian.

All is in parameters scaled by the lengths of the columns, in which the region is a ball. With the eigenvectors of J^T J a damped step is a
division, and so is the search for the damping.
"""
from __future__ import annotations

import numpy as np

from gslfit.objective._loss import length

WITHIN = 0.1            # share of the radius that a step's length may differ from it by
SEARCH = 12             # steps of the search for the damping, which is next to linear
WORTH = 1e-4            # share of the promised reduction at which a step is taken


class TrustRegion:
    """The damped steps from a point.

    Parameters
    ----------
    factors : ndarray, shape (p, p)
        W, ``(J^T J)^-1 = W W^T`` for scaled columns, of full rank.
    slopes : ndarray, shape (p,)
        J^T r.

    Attributes
    ----------
    promised, ratio : float
        By what share the step judged last was to reduce chi-square, and what part of that it did.
    """

    promised = ratio = 0.

    def __init__(self, factors: np.ndarray, slopes: np.ndarray) -> None:
        inverse, self.axes = np.linalg.eigh(factors @ factors.T)
        self.sizes = 1 / inverse
        self.slopes = slopes @ self.axes

    def step(self, radius: float) -> tuple[np.ndarray, float]:
        """Return the step of least residual that is about as long as the radius, or shorter, and its damping."""
        along, damping = self.slopes / self.sizes, 0.
        if length(along) > (1 + WITHIN) * radius:
            damping = 1e-3 * length(self.slopes) / radius
            for _ in range(SEARCH):
                along = self.slopes / (self.sizes + damping)
                size = length(along)
                if abs(size - radius) <= WITHIN * radius:
                    break
                slope = float(np.sum((along / size)**2 / (self.sizes + damping)))
                damping = max(damping + (size - radius) / radius / slope, 1e-3 * damping)
            along = self.slopes / (self.sizes + damping)
        return -self.axes @ along, damping

    def judge(self, step: np.ndarray, damping: float, radius: float, norm: float, new: float) -> tuple[float, bool]:
        """Return the next radius, and whether a step is taken that brings the residual's length from `norm` to `new`."""
        size = length(step)
        linear = float(np.sum(self.sizes * (step / norm @ self.axes)**2))
        damped = damping * (size / norm)**2
        gained = 1 - (new / norm)**2 if new < 10 * norm else -1.
        promised, slope = linear + 2 * damped, -(linear + damped)
        self.promised = promised
        self.ratio = ratio = gained / promised if promised > 0 else 0.
        if ratio <= 0.25:
            shrink = 0.5 if gained >= 0 else 0.5 * slope / (slope + 0.5 * gained)
            radius = max(shrink, 0.1) * min(radius, 10 * size)
        elif ratio >= 0.75 or damping == 0:
            radius = 2 * size
        return radius, ratio >= WORTH
