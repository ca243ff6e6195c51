"""How fits by a loss run through the engine: what comes before them, and where they begin.

A loss with minima of its own beside the data's begins at Huber's end; a scale that is to come from the residuals is that of Huber's fit;
counts whose start leads nowhere are first fitted by least squares.
"""
from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from gslfit.curves._batch import run
from gslfit.data.inputs import Inputs
from gslfit.data.points import moved
from gslfit.errors import FitStatus, InputError
from gslfit.minimizer.options import FitOptions
from gslfit.objective.loss import MAD, NUMBERS, ROUNDS, STEADY, TUNED

SUCCESSES = [status for status in FitStatus if status.success]
MISFIT, FAR = 2.0, 30.0     # times a number of points, and plus: a greater deviance is not that of counts with such means
NEXT_TO_ZERO = 1e-9     # times its start value, where an amplitude is to begin as the linear fit says
LOWER = 1e-9            # the share by which the second end of a fit must lie lower than the first
HOPELESS = [FitStatus.TOO_FEW_POINTS, FitStatus.NOT_RUN]


def check_counts(name: str, y: np.ndarray, out: np.ndarray | None, first: Any = ()) -> None:
    """Raise InputError where data can't be counts.

    Parameters
    ----------
    name : str
        What the caller calls them.
    y : ndarray, shape (n,) or (..., n)
    out : ndarray of bool, or None
        True where a point takes no part.
    first : tuple of int, or ndarray
        Where the fits are in the batch, as `gslfit.data.points.moved` takes it.
    """
    if y.dtype.kind in "bu":
        return
    with np.errstate(invalid="ignore"):
        bad = y < 0
    bad = bad if out is None else bad & ~out
    if bad.any():
        place = np.argwhere(bad)[0]
        at = [*moved(place[:-1], first), int(place[-1])]
        where = tuple(at) if len(at) > 1 else at[0]
        raise InputError(f'{name} is {y[tuple(place)]} at {where}: loss="poisson" is for counts, which are not negative; subtract no '
                         "background, but put it into the model")


def check_factors_of(loss: str, given: Inputs) -> None:
    """Raise InputError where counts are given errors."""
    known = given.factors if given.ycov is None else given.ycov
    if loss == "poisson" and known is not None:
        raise InputError(f'loss="poisson" takes no {known.name}: the errors of counts follow from the model')


def run_rows(options: FitOptions, code: Any, y: np.ndarray, x: Sequence[np.ndarray], *, start: Sequence[np.ndarray], scale: np.ndarray,
             **how: Any) -> None:
    """Fit rows by a loss, as `gslfit.curves._batch.run` does it by least squares; `scale` is written, that of the loss in each fit."""
    if options.loss == "poisson":
        _poisson(code, y, x, start=start, **how)
        return
    fit = partial(run, code, y, x, **how)
    spent = np.zeros_like(how["nfev"])
    if options.f_scale == "mad":
        _find_scales(code, y, x, scale, start, spent, how)
        scale *= TUNED[options.loss]
    else:
        scale[...] = options.f_scale
    if options.loss == "tukey" and options.method not in ("auto", "lanes"):     # whose lanes do so by themselves
        fit(loss=NUMBERS["huber"], scale=scale, start=start)
        start = _from_there(start, how)
        spent += how["nfev"]
    fit(loss=NUMBERS[options.loss], scale=scale, start=start)
    how["nfev"] += spent


def _from_there(start: Sequence[np.ndarray], how: dict[str, Any]) -> list[np.ndarray]:
    """Return where fits go on from: where the last ones ended, or from their start where they came to no end."""
    good = np.isin(how["status"], SUCCESSES)
    return [np.where(good, how["v"][..., k], each) for k, each in enumerate(start)]


def _find_scales(code: Any, y: np.ndarray, x: Sequence[np.ndarray], scale: np.ndarray, start: Sequence[np.ndarray], spent: np.ndarray,
                 how: dict[str, Any]) -> None:
    """Find the scale of each fit, 1.48 times the median absolute residual of Huber's fit with that very scale."""
    run(code, y, x, start=start, **how)
    for turn in range(ROUNDS):
        spent += how["nfev"]
        before = scale.copy()
        _measure(code, y, x, scale, how)
        if turn and not (abs(scale - before) > STEADY*scale).any():
            return
        run(code, y, x, start=_from_there(start, how), loss=NUMBERS["huber"], scale=np.where(scale > 0, scale, 1.0)*TUNED["huber"], **how)


def _measure(code: Any, y: np.ndarray, x: Sequence[np.ndarray], scale: np.ndarray, how: dict[str, Any]) -> None:
    """Put the scale of the residuals of each fit at its end; 1 where there are none, or half of them are 0."""
    weights, mask, omit = how.get("weights"), how.get("mask"), how["omit"]
    for place in np.ndindex(scale.shape):
        own = np.array([row_of(each, place) for each in x], float)
        inputs = np.array([each[place] if each.ndim else each for each in how["inputs"]], float)
        v = how["v"][place]
        scale[place] = 1.0
        if not np.isfinite(v).all():
            continue
        with np.errstate(all="ignore"):
            r = code.evaluate(v, own, inputs if inputs.size else None, jacobian=False)[0] - y[place]
            if weights is not None:
                factor = row_of(weights, place)
                r = np.where(factor == (np.inf if how["errors"] else 0), np.nan, r/factor if how["errors"] else r*factor)
        keep = np.isfinite(r)
        if mask is not None:
            keep &= ~row_of(mask, place)
        found = MAD*float(np.median(np.abs(r[keep]))) if keep.any() and (omit or keep.any()) else 0.0
        scale[place] = found if found > 0 else 1.0


def row_of(array: np.ndarray, place: tuple[int, ...]) -> np.ndarray:
    """Return one fit's part of an array (n,), which all share, or (..., n)."""
    return array if array.ndim == 1 else array[place]


def _poisson(code: Any, y: np.ndarray, x: Sequence[np.ndarray], *, start: Sequence[np.ndarray], **how: Any) -> None:
    """Fit counts; where that comes to no minimum, or to one far from the counts, again from where weighted least squares lead.

    Those begin with amplitudes next to zero, and so with the ones that fit best beside the other start values. The lower end counts. Counts
    that no values of the parameters describe are fitted twice.
    """
    poisson = NUMBERS["poisson"]
    run(code, y, x, start=start, loss=poisson, **how)
    ended = np.isin(how["status"], SUCCESSES)
    again = ~(ended | np.isin(how["status"], HOPELESS)) | (ended & (how["chisqr"] > MISFIT*how["count"] + FAR))
    if not again.any():
        return
    places = np.nonzero(again)
    lead = again.ndim

    def part(array: Any) -> Any:
        """Return the rows that are fitted again, of an array with the batch's axes."""
        return array if array is None or np.ndim(array) == 0 else np.ascontiguousarray(array[places])

    def rows(array: Any) -> Any:
        return array if array is None or array.ndim == 1 else part(np.broadcast_to(array, y.shape))
    counts, own = rows(y), [rows(each) for each in x]
    given: dict[str, Any] = {name: value for name, value in how.items() if name not in RESULTS}
    given |= {"mask": rows(how.get("mask")), "inputs": [part(each) for each in how["inputs"]], "progress": None}
    if how.get("boxes") is not None:
        given["boxes"] = [tuple(map(part, box)) for box in how["boxes"]]
    out: dict[str, Any] = {name: np.empty((len(counts), *how[name].shape[lead:]), how[name].dtype) for name in RESULTS
                           if how.get(name) is not None}
    with np.errstate(invalid="ignore"):
        mean = np.nanmean(counts, axis=-1, keepdims=True)
    deviations = np.sqrt(np.maximum(counts, np.where((mean > 0) & (mean < 1), mean, 1.0)))
    cold: dict[str, Any] = {**out, "cost": None}
    begin = [part(each) for each in start]
    if not (how.get("boxes") or (how.get("transform") and how["transform"].bounded)):
        begin = [each*NEXT_TO_ZERO if k in code.amplitudes else each for k, each in enumerate(begin)]
    run(code, counts, own, start=begin, **{**given, "weights": deviations, "errors": True}, **cold)
    spent = out["nfev"].copy()
    moved = [np.where(np.isfinite(out["v"]).all(axis=-1), out["v"][..., k], part(each)) for k, each in enumerate(start)]
    run(code, counts, own, start=moved, loss=poisson, **given, **out)
    out["nfev"] += spent
    better = np.isin(out["status"], SUCCESSES) & ~(ended[places] & (out["chisqr"] >= how["chisqr"][places]*(1 - LOWER)))
    chosen = tuple(axis[better] for axis in places)
    for name, array in out.items():
        how[name][chosen] = array[better]


RESULTS = ("v", "variance", "covariance", "chisqr", "redchi", "gradient", "nfev", "count", "status", "derived", "derived_errors", "cost")
