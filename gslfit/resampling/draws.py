"""What is drawn for the replicates of a fit: residuals, rows of the data, errors or counts, a block of replicates at a time.

A block is drawn by one generator, so that what is drawn depends on the seed and the number of points, and not on who fits it.
"""
from __future__ import annotations

from math import sqrt
from typing import Any

import numpy as np

from gslfit.errors import InputError
from gslfit.minimizer.answers import refuse
from gslfit.minimizer.robust import BOUNDED, ROUNDING
from gslfit.objective.loss import Loss
from gslfit.records import Record
from gslfit.resampling.fitted import Fitted

KINDS = ("residual", "pairs", "parametric", "poisson")
BLOCK = 1 << 17         # numbers of a block's data: they stay in the cache
LARGER = 4              # times that, of counts, whose drawing together is the cheaper the more they are
MANY = 500              # replicates from which counts of one mean are drawn together
MANY_PER_COUNT = 8      # replicates for each count that is within the tails, at least
STEPS = 200             # to the location of residuals, at most
SETTLED = 1e-12         # of a loss's scale: a shorter step changes nothing
TAILS, MORE = 9.0, 40   # standard deviations about a mean, and counts more, outside of which there are none


class Sample(Record):
    """The data of a block of replicates.

    Attributes
    ----------
    rows : int
        How many replicates.
    noise : ndarray, shape (rows, n), or None
        What the weighted residuals at the best fit are replaced by: data - model, or as a called function has them.
    data : ndarray, shape (rows, n), or None
        The data themselves.
    chosen : ndarray of int, shape (rows, n), or None
        Which points the data consist of.
    left_out : ndarray of int, shape (rows,), or None
        The point that each replicate lacks.
    priors : ndarray, shape (rows, k), or None
        How far the means of priors are moved, in their standard deviations.
    """

    rows: int
    noise: np.ndarray | None = None
    data: np.ndarray | None = None
    chosen: np.ndarray | None = None
    left_out: np.ndarray | None = None
    priors: np.ndarray | None = None


def kind_of(fitted: Fitted, kind: str | None) -> str:
    """Return what is resampled, or raise an error where that has no meaning for the fit.

    Parameters
    ----------
    fitted : Fitted
    kind : {"residual", "pairs", "parametric", "poisson"}, or None
        None is "residual", and of counts "poisson".
    """
    if kind is None:
        kind = "poisson" if fitted.counts else "residual"
    if kind == "parametric" and fitted.counts:
        kind = "poisson"                        # which is their distribution
    if kind == "residual" and fitted.counts:
        raise InputError('kind="residual" takes the errors of all points for alike, and those of counts are not: take kind="poisson", '
                         'which draws counts from the model, or "pairs"')
    if kind == "residual":
        fitted.check_freedom()
    if kind == "pairs" and fitted.objective is not None and fitted.objective.given.ycov is not None:
        raise InputError(f'kind="pairs" draws points as if they were independent, and {fitted.objective.given.ycov.name} says that they '
                         'are not: take kind="residual", which draws whitened residuals, or "parametric"')
    if kind == "poisson":
        _check_means(fitted)
    return kind


def _check_means(fitted: Fitted) -> None:
    """Raise an error where the model is no mean of counts, or there is none."""
    if not fitted.modelled:
        refuse('a bootstrap of kind="poisson"')
    if np.iscomplexobj(fitted.model):
        raise InputError('kind="poisson" draws counts from the model, and it is complex')
    bad = ~(fitted.model >= 0) | ~np.isfinite(fitted.model)
    if bad.any():
        raise InputError(f'kind="poisson" draws counts from the model, and it is {fitted.model[bad][0]:.6g} at {bad.sum()} of {bad.size} '
                         'points, where no count has such a mean: take kind="residual" or "parametric"')


class Draws:
    """The source of the replicates' data.

    Parameters
    ----------
    fitted : Fitted
    kind : str
        One of `KINDS`.
    rng : numpy.random.Generator
    """

    def __init__(self, fitted: Fitted, kind: str, rng: np.random.Generator) -> None:
        self.fitted, self.kind, self.rng, self.n = fitted, kind, rng, fitted.n
        self.block = max(1, (LARGER if kind == "poisson" else 1)*BLOCK//max(1, self.n))
        self.texts = () if fitted.prior is None else fitted.prior.texts
        if kind == "residual":
            self.inflated = inflated(fitted)

    def sample(self, rows: int) -> Sample:
        """Draw a block of replicates."""
        drawn: dict[str, Any] = {
            "residual": self._residuals, "pairs": self._pairs, "parametric": self._errors, "poisson": self._counts}[self.kind](rows)
        if self.texts:
            drawn["priors"] = self.rng.standard_normal((rows, len(self.texts)))
        return Sample(rows, **drawn)

    def _residuals(self, rows: int) -> dict[str, Any]:
        return {"noise": self.inflated.take(self._places(rows), mode="clip")}

    def _pairs(self, rows: int) -> dict[str, Any]:
        return {"chosen": self._places(rows)}

    def _places(self, rows: int) -> np.ndarray:
        """Draw points with replacement."""
        return self.rng.integers(0, self.n, (rows, self.n))

    def _errors(self, rows: int) -> dict[str, Any]:
        noise = self.rng.standard_normal((rows, self.n))
        if np.iscomplexobj(self.fitted.residuals):
            noise = noise + 1j*self.rng.standard_normal((rows, self.n))
        noise *= self.fitted.unit if self.fitted.modelled or self.fitted.curve is None else -self.fitted.unit       # whose data are 0
        return {"noise": noise}

    def _counts(self, rows: int) -> dict[str, Any]:
        return {"data": poisson_counts(self.rng, self.fitted.model, rows)}


def inflated(fitted: Fitted) -> np.ndarray:
    """Return the weighted residuals times ``sqrt(n/(n - p))``, whose variance is that of the errors then, less their location.

    The location is their mean, and for a robust loss their M-estimate by the same loss: the slopes of the loss sum up to 0 about it. So the
    fit is that of what the replicates are drawn from. By the mean, outliers on one side would move all the others to the other side.

    Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 9; Davison and Hinkley, Bootstrap Methods and their
    Application (1997), section 6.2; of robust losses Shorack, Bootstrapping robust regression, Comm. Statist. Theory Methods 11 (1982) 961,
    and Lahiri, Bootstrapping M-estimators of a multiple linear regression parameter, Ann. Statist. 20 (1992) 1548.
    """
    r, loss = fitted.residuals, fitted.loss
    numbers = fitted.freedom + len(fitted.names)
    r = r*sqrt(numbers/fitted.freedom)
    if loss is None:
        return r - r.mean()
    if r.dtype.kind != "c":
        return r - location(r, loss)
    return r - complex(location(r.real, loss), location(r.imag, loss))


def location(r: np.ndarray, loss: Loss) -> float:
    """Return the M-estimate of the location of residuals by a robust loss: where the slopes of its cost sum up to 0.

    By Newton's steps, halved where the cost rises, from the median; Tukey's and arctan's, whose costs have other minima, from Huber's.
    """
    begin = location(r, loss._replace(name="huber")) if loss.name in BOUNDED else float(np.median(r))
    units, plain, m = (r - begin)/loss.f_scale, Loss(loss.name), 0.0
    cost = plain.cost(units)
    for _ in range(STEPS):
        step = float(plain.slopes(units - m).sum())/max(float(np.sum(plain.factors(units - m)**2)), 1.0)
        while abs(step) > SETTLED:
            new = plain.cost(units - m - step)
            if new <= cost*(1 + ROUNDING):
                break
            step /= 2
        else:
            break
        m, cost = m + step, new
    return begin + m*loss.f_scale


def poisson_counts(rng: np.random.Generator, mean: np.ndarray, rows: int) -> np.ndarray:
    """Draw counts of Poisson's distribution: float64, shape (rows, n).

    Where there are many rows, how often each count occurs among those of one mean is drawn first, by the multinomial distribution, and then
    their order: the same distribution, several times as fast.
    """
    n = mean.size
    if rows < MANY or n == 0 or MANY_PER_COUNT*TAILS*sqrt(mean.max()) > rows:
        return rng.poisson(mean, (rows, n)).astype(float)
    from scipy.special import gammaln, xlogy
    columns = np.empty((n, rows))
    for row, mu in zip(columns, mean.tolist(), strict=True):
        width = TAILS*sqrt(mu) + MORE
        counts = np.arange(max(0.0, np.floor(mu - width)), np.ceil(mu + width) + 1)
        chances = np.exp(xlogy(counts, mu) - mu - gammaln(counts + 1))
        row[:] = np.repeat(counts, rng.multinomial(rows, chances/chances.sum()))
        rng.shuffle(row)
    return np.ascontiguousarray(columns.T)
