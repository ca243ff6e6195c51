"""Losses: what a fit minimises in place of the sum of squared residuals. The formulas are the engine's, `src/program/loss_rows.h`."""
from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from gslfit.checks import choice, positive
from gslfit.objective._loss import BENT, COUNTED, ERRORS, NUMBERS, SEEN, SIGHT, STEP, rows
from gslfit.records import Record

LOSSES = tuple(NUMBERS)
ROBUST = tuple(name for name in LOSSES if name not in ("linear", "poisson"))
MAD = 1.4826022185056018        # standard deviations of a normal distribution in its median absolute deviation
ROUNDS = 100                    # of fits whose residuals give the scale "mad" of a loss, at most
STEADY = 1e-7                   # the share by which that scale may still change, ...
UNSTEADY = 0.01                 # ... and from where on it is none, ...
NOTHING = 1e-9                  # ... unless it is less than this share of what it would be at the start: the data are exact
OUT_OF_SIGHT = 1e14             # scales of a robust loss: where its slope turns is not known, if numbers are as large
UNLIKE = 1e4                    # times the median size of data, from where on what is out of sight may be no datum
FARTHEST = 1e60                 # times the data: a loss of a wider scale is least squares, one over it of a narrower one out of sight
BEYOND = 100.                   # scales of a robust loss: residuals as large are far beyond it
NARROWER = 10.                  # times that a scale is narrower than the last one, on the way to a narrow one
USUAL = 1e30                    # scales between this and one over it are in range beside any data of a usual size

# times a standard deviation: scales of 95 % efficiency where errors are normal
TUNED = {"soft_l1": 1.287, "huber": 1.345, "cauchy": 2.385, "arctan": 2.571, "tukey": 4.685}


def f_scale_of(value: Any) -> float | str:
    """Return an `f_scale`, a positive number or "mad", or raise InputError."""
    if isinstance(value, str):
        return choice("f_scale", value, ("mad",))
    return positive("f_scale", value)


def in_range(f_scale: Any, size: Any) -> Any:
    """Return scales of a robust loss whose powers are in range beside data of some sizes, and which come to the same.

    Parameters
    ----------
    f_scale : float or ndarray
    size : float or ndarray
        Of the data, or the residuals; where it is 0, nothing is known.
    """
    with np.errstate(over="ignore", under="ignore"):
        known = np.asarray(size) > 0
        return np.clip(f_scale, np.where(known, size, 0.0)/FARTHEST, np.where(known, np.multiply(size, FARTHEST), FARTHEST))


def in_sight(loss: str, numbers: Any, scale: Any) -> np.ndarray:
    """Return the sizes beyond which weighted data are out of a loss's sight, of each row: `src/objective/counted.h`.

    Parameters
    ----------
    loss : str
    numbers : ndarray, shape (..., n)
        Those that are not finite don't count.
    scale : float or ndarray, shape (...)

    Returns
    -------
    ndarray, shape (...)
        Infinite where no number is.
    """
    data = np.asarray(numbers, float)
    most = np.full(data.shape[:-1], np.inf)
    if loss not in ROBUST:
        return most
    with np.errstate(all="ignore"):
        scale = np.broadcast_to(scale, most.shape)
        data = np.where(np.isfinite(data), data, 0.0)
        for place in np.argwhere(np.abs(data).max(axis=-1, initial=0.0) > SEEN*scale):
            where = tuple(place)
            most[where] = rows(loss, SIGHT, data[where], scale=scale[where])[2]
    return most


def out_of_sight(loss: str, f_scale: Any, numbers: Any, weights: Any = None) -> np.ndarray | None:
    """Return which weighted data are out of a loss's sight, and no data by their size, so that no fit begins by them; None where none are.

    Parameters
    ----------
    loss : str
    f_scale : float, ndarray of shape (...), or "mad"
        A scale that is to come from the residuals is, before there are any, that of the data.
    numbers : ndarray, shape (..., n)
    weights : ndarray, shape (n) or (..., n), optional
        By which these are to be multiplied, if they are not yet.
    """
    if loss not in ROBUST or np.iscomplexobj(numbers):
        return None
    with np.errstate(all="ignore"):
        data = np.abs(np.asarray(numbers, float) if weights is None else np.multiply(numbers, weights))
    known = (data > 0) & (data < np.inf)
    found, some = np.zeros(data.shape, bool), False
    with np.errstate(all="ignore"):
        # what most others are as large as is none
        far = np.max(data, axis=-1, initial=0.0, where=known)/UNLIKE
        for place in np.argwhere(2*(known & (data > far[..., None])).sum(axis=-1) <= known.sum(axis=-1)):
            where = tuple(place)
            own = data[where]
            size = np.median(own[known[where]]) if known[where].any() else np.inf
            scale = MAD*TUNED[loss]*size if isinstance(f_scale, str) else np.broadcast_to(f_scale, far.shape)[where]
            found[where] = known[where] & (own > UNLIKE*size) & (own > in_sight(loss, own, scale))
            some = some or bool(found[where].any())
    return found if some else None


def counted_cost(loss: str, scale: Any, count: Any) -> np.ndarray:
    """Return what the costs of so many points count for at most, where they say how far off a minimum is: see the same."""
    with np.errstate(over="ignore", under="ignore"):
        return np.square(np.multiply(COUNTED, scale))*np.asarray(count) if loss in ROBUST else np.asarray(np.inf)


def is_flat(typical: Any, f_scale: Any, size: Any) -> Any:
    """Return whether the scale of a robust loss is next to rounding of the data or of the residuals: where its slope turns can't be told.

    Where the residuals are rounding themselves, they are the least that there can be.

    Parameters
    ----------
    typical : float or ndarray
        The median of the residuals' sizes.
    f_scale, size : float or ndarray
        The scales, and the sizes of the data.
    """
    return (np.maximum(typical, size)/OUT_OF_SIGHT > f_scale) & (typical > np.divide(size, OUT_OF_SIGHT))


def moves(before: Any, scale: Any) -> Any:
    """Return whether a scale "mad" differs from the one before, so that there is to be another round."""
    return abs(scale - before) > STEADY*scale


def is_unsteady(before: Any, scale: Any, first: Any) -> Any:
    """Return whether such a scale is none when the rounds have ended; `first` is what it would be by the residuals at the start."""
    return (abs(scale - before) > UNSTEADY*scale) & (scale > NOTHING*first)


def narrower(wide: Any, f_scale: Any) -> Iterator[Any]:
    """Yield scales of Huber's loss that lead from wide ones, which residuals have, to those of a loss: beside these residuals they are
    narrow, and make curvatures jump from one step to the next.

    Parameters
    ----------
    wide, f_scale : float or ndarray
    """
    least = np.maximum(f_scale, wide/OUT_OF_SIGHT)
    while np.any(wide > NARROWER*least):
        wide = np.where(wide > NARROWER*least, wide/NARROWER, wide)
        yield wide


class Loss(Record):
    """A loss with its scale.

    Parameters
    ----------
    name : str
        One of `LOSSES`, but "linear".
    f_scale : float
        About where a residual begins to be an outlier; of no meaning for "poisson".
    """

    name: str
    f_scale: float = 1.0

    @property
    def robust(self) -> bool:
        """Whether it is a loss of residuals, not of counts."""
        return self.name in ROBUST

    def beside(self, values: Any, y: Any = None, weights: Any = None) -> float:
        """Return the scale as it is in range beside weighted numbers, or differences: see `in_range`."""
        if 1/USUAL < self.f_scale < USUAL or not self.robust:
            return self.f_scale
        with np.errstate(all="ignore"):
            r = np.asarray(values, float) if y is None else np.subtract(values, y)
            r = r if weights is None else r*weights
        r = np.abs(r, where=np.isfinite(r), out=np.zeros(np.shape(r)))
        return float(in_range(self.f_scale, min(float(r.max(initial=0.0)), float(in_sight(self.name, r.reshape(-1), self.f_scale)))))

    def _rows(self, kind: int, values: Any, y: Any, weights: Any) -> tuple[np.ndarray, np.ndarray, float]:
        """Return what the loss makes of points."""
        return rows(self.name, kind, values, y, weights, self.beside(values, y, weights))

    def cost(self, values: Any, y: Any = None, weights: Any = None) -> float:
        """Return what points cost together: ``1/2 sum f_scale^2 rho((r/f_scale)^2)``, or half the deviance."""
        return .5*self._rows(BENT, values, y, weights)[2]

    def bent(self, values: Any, y: Any = None, weights: Any = None) -> tuple[np.ndarray, np.ndarray]:
        """Return residuals whose squares are twice the cost, and what multiplies the model's derivatives to give theirs."""
        return self._rows(BENT, values, y, weights)[:2]

    def factors(self, values: Any, y: Any = None, weights: Any = None) -> np.ndarray:
        """Return what multiplies the model's derivatives to give those of a Newton step's residuals."""
        return np.sqrt(self._rows(STEP, values, y, weights)[1])

    def share(self, values: Any, y: Any) -> np.ndarray:
        """Return what multiplies the derivatives of the bent residuals of counts, so that their squares sum up to Fisher's information."""
        slopes = self.bent(values, y)[1]
        with np.errstate(all="ignore"):
            return np.where(slopes > 0, self.factors(values, y)/slopes, 0.0)

    def slopes(self, values: Any, y: Any = None, weights: Any = None) -> np.ndarray:
        """Return the derivatives of the cost by each of the model's values, psi times the weight."""
        return self._rows(STEP, values, y, weights)[0]

    def curvatures(self, values: Any, y: Any = None, weights: Any = None) -> np.ndarray:
        """Return the second derivatives of the cost by each of the model's values; they may be negative."""
        return self._rows(ERRORS if self.robust else STEP, values, y, weights)[1]


def scaled(scale_covar: Any, loss: Any) -> Any:
    """Return whether errors are scaled: as the caller says, and if he says nothing, unless the data are counts."""
    if scale_covar is not None:
        return scale_covar
    return not (isinstance(loss, str) and loss == "poisson")
