"""How fits with priors run: the job and the batch of a formula with further points, and results with the data as they were given."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from gslfit.curves.job import Job, job_of
from gslfit.curves.priors import Priors, extended_formula, extended_inputs
from gslfit.data.inputs import Inputs
from gslfit.data.points import moved
from gslfit.errors import NonFiniteError
from gslfit.formula.formula import Formula
from gslfit.minimizer.options import FitOptions


def extended_job(job: Job, formula: Formula, shape: tuple[int, ...]) -> Job:
    """Return the job of a formula with priors, with the starts of one without."""
    starts = {name: value for name, value in job.start.items() if job.parameters is None or job.parameters[name].expr is None}
    found = job_of(formula, job.parameters, starts, shape)
    return found._replace(reason=job.reason or found.reason, places=job.places, unset=job.unset)


def _without_prior(used: np.ndarray | None, given: np.ndarray | None, n: int, shape: tuple[int, ...]) -> np.ndarray | None:
    """Return which fits were made without a prior, as it isn't finite at their start: ndarray of bool (...); None for none."""
    if used is None or used is given:
        return None
    lost = np.broadcast_to(used[..., n:].any(axis=-1), shape)
    return lost if lost.any() else None


def _name_prior(priors: Priors, job: Job, given: Inputs) -> None:
    """Raise NonFiniteError for the first fit at whose start a prior isn't finite: it isn't a point that the caller has."""
    shape = given.layout.shape
    off = np.broadcast_to(priors.residual(job.start), (*shape, len(priors.texts)))
    bad = np.argwhere(~np.isfinite(off))
    if len(bad):
        *place, k = bad[0].tolist()
        fit = ", ".join(map(str, moved(place, given.first(0))))
        raise NonFiniteError(f"prior[{priors.texts[k]!r}]: it is not finite at the start values of fit {fit}; change these") from None


def fit_extended(job: Job, given: Inputs, options: FitOptions, fit: Callable[[Job, Inputs], Any]) -> Any:
    """Fit a batch with priors by a function that fits one without, and return its result with the data as they were given.

    Parameters
    ----------
    job : Job
        With all starts.
    given : Inputs
        With priors.
    options : FitOptions
    fit : callable
        ``fit(job, given) -> BatchResult``.
    """
    priors, counts, n = given.prior.block(given), options.loss == "poisson", given.y.shape[-1]
    whole = extended_job(job, extended_formula(job.formula, priors, counts), given.layout.shape)
    points = extended_inputs(given, priors, counts)
    try:
        result = fit(whole, points)
    except NonFiniteError:
        _name_prior(priors, job, given)
        raise
    lost = _without_prior(result.data.mask, points.mask, n, result.status.shape)
    if lost is not None:        # such a point is left out as data are: without its prior the fit is another one
        starts = {name: np.where(lost, np.nan, value) if name in whole.names else value for name, value in whole.start.items()}
        result = fit(whole._replace(start=starts), points)
    weights, inverted = (None, False) if given.factors is None else (given.factors.array, given.factors.inverted)
    mask = result.data.mask
    result.data = replace(result.data, formula=job.formula, x=tuple(given.x.values()), y=given.y, weights=weights, inverted=inverted,
                          mask=None if mask is None else mask[..., :n], layout=given.layout, labels=given.labels, prior=priors)
    return result
