"""How fits by a loss run through the engine: what comes before them, and where they begin.

A loss with minima of its own beside the data's begins at Huber's end; a scale that is to come from the residuals is that of Huber's fit;
counts whose start leads nowhere are first fitted by least squares.
"""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from gslfit.curves._batch import median_residuals, run
from gslfit.errors import FitStatus
from gslfit.minimizer.options import FitOptions
from gslfit.objective._loss import BOUNDED
from gslfit.objective.loss import (
    BEYOND,
    MAD,
    NUMBERS,
    ROUNDS,
    TUNED,
    USUAL,
    in_range,
    in_sight,
    is_flat,
    is_unsteady,
    moves,
    narrower,
    out_of_sight,
)
from gslfit.objective.units import FAR_FROM_ONE, unit_of

SUCCESSES = [status for status in FitStatus if status.success]
MISFIT, FAR = 2.0, 30.0     # times a number of points, and plus: a greater deviance is not that of counts with such means
NEXT_TO_ZERO = 1e-9     # times its start value, where an amplitude is to begin as the linear fit says
MOST_WEIGHT = 1e140     # or one over it: its square, too
AFAR = 1e7              # scales of a loss: beside a residual that is no larger, and isn't rounding, the scale is none
LOWER = 1e-9            # the share by which the second end of a fit must lie lower than the first
HOPELESS = [FitStatus.TOO_FEW_POINTS, FitStatus.NOT_RUN]


def run_rows(options: FitOptions, code: Any, y: np.ndarray, x: Sequence[np.ndarray], *, start: Sequence[np.ndarray], scale: np.ndarray,
             **how: Any) -> None:
    """Fit rows by a loss, as `gslfit.curves._batch.run` does it by least squares; `scale` is written, that of the loss in each fit."""
    if options.loss == "poisson":
        _poisson(code, y, x, start=start, **how)
        return
    units = _units(options, y, how)
    far = units != 1
    if not far.all():
        _robust(options, code, y, x, options.f_scale, start=start, scale=scale, **how)
    if far.any():
        _far_off(options, code, y, x, units, start=start, scale=scale, **how)


def _units(options: FitOptions, y: np.ndarray, how: Mapping[str, Any]) -> np.ndarray:
    """Return in which units residuals of each fit, and their fourth powers, are in range: powers of two (...), mostly 1.

    They are of the size of the weighted data; where these are 0, of the loss's scale. Weights stay where their squares are in range.
    """
    own, weights = 1.0 if options.f_scale == "mad" else options.f_scale, how.get("weights")
    if near_one(y, how):
        return np.ones(y.shape[:-1])
    most = np.ones(())
    with np.errstate(all="ignore"):
        if weights is not None:
            most = _largest(1/weights if how.get("errors", False) else weights)
            most = np.where((most > 0) & (most < np.inf), most, 1.0)
        size = sizes(y, how, options.loss, own)
        units = unit_of(np.where(size > 0, size, own))
        return np.asarray(np.exp2(np.round(np.log2(np.clip(units, most/MOST_WEIGHT, most*MOST_WEIGHT)))))


def sizes(y: np.ndarray, how: Mapping[str, Any], loss: str, scale: Any) -> np.ndarray:
    """Return how large the largest weighted datum of each row is that takes part, and is in sight of a loss of some scale."""
    y = _weighted(y, how)
    with np.errstate(all="ignore"):
        return np.minimum(_largest(y), in_sight(loss, y, scale))


def _weighted(y: np.ndarray, how: Mapping[str, Any]) -> np.ndarray:
    """Return weighted data, 0 where a point takes no part."""
    y, weights, mask = np.asarray(y) if y.dtype.kind == "f" else y.astype(float), how.get("weights"), how.get("mask")
    with np.errstate(all="ignore"):
        if weights is not None:
            y = y/weights if how.get("errors", False) else y*weights
    return y if mask is None else np.where(mask, 0.0, y)


def _of_the_seen(loss: str, scale: Any, y: np.ndarray, how: Mapping[str, Any]) -> dict[str, Any]:
    """Return what least squares on the way to a robust loss are run with: they are of the data that it sees."""
    far, mask = out_of_sight(loss, scale, _weighted(y, how)), how.get("mask")
    return dict(how) if far is None else {**how, "mask": far if mask is None else far | mask}


def near_one(y: np.ndarray, how: Mapping[str, Any]) -> bool:
    """Return whether the largest datum of each row is nearer to 1 than `FAR_FROM_ONE`, by the sum of its squares; False leaves it open."""
    if how.get("weights") is not None or how.get("mask") is not None or y.dtype.kind != "f":
        return False
    with np.errstate(all="ignore"):
        square = np.einsum("...i,...i->...", y, y)
    return bool(((square > y.shape[-1]/FAR_FROM_ONE**2) & (square < FAR_FROM_ONE**2)).all())


def _largest(numbers: np.ndarray) -> np.ndarray:
    """Return how large the largest number of each row is; a NaN is none."""
    return np.fmax(np.fmax.reduce(numbers, axis=-1, initial=0.0), -np.fmin.reduce(numbers, axis=-1, initial=0.0))


def _far_off(options: FitOptions, code: Any, y: np.ndarray, x: Sequence[np.ndarray], units: np.ndarray, *, start: Sequence[np.ndarray],
             scale: np.ndarray, **how: Any) -> None:
    """Fit the rows whose units are others than 1, each in its own; neither parameters nor their errors hang on these."""
    some = _Rows(y, x, how, units != 1)
    units, weights, own = some.part(units), some.given["weights"], some.part(scale)
    points, known = units[:, None], options.f_scale != "mad"
    if weights is None:
        weights = np.ones(1)
    some.given |= {"weights": np.ascontiguousarray(np.broadcast_to(weights*points if how.get("errors", False) else weights/points,
                                                                   some.y.shape))}
    with np.errstate(over="ignore"):
        f_scale = options.f_scale/units if known else "mad"
    _robust(options, code, some.y, some.x, f_scale, start=[some.part(each) for each in start], scale=own, led=True, **some.given,
            **some.out)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        for name in ("chisqr", "redchi", "cost"):
            if name in some.out:
                some.out[name] = some.out[name]*units*units
    some.put(np.ones(own.shape, bool))
    scale[some.places] = options.f_scale if known else own*units


def _robust(options: FitOptions, code: Any, y: np.ndarray, x: Sequence[np.ndarray], f_scale: Any, *, start: Sequence[np.ndarray],
            scale: np.ndarray, led: bool = False, **how: Any) -> None:
    """Fit rows by a robust loss with the scale `f_scale`, one for all or each, or "mad"; if `led`, by a bounded one from Huber's end.

    The lanes go by way of it themselves. Rows that may be out of their reach need it beforehand.
    """
    fit = partial(run, code, y, x, **how)
    spent, unsteady = np.zeros_like(how["nfev"]), np.zeros(scale.shape, bool)
    if isinstance(f_scale, str):
        unsteady = _find_scales(options.loss, code, y, x, scale, start, spent, how)
        scale *= TUNED[options.loss]
        start = _from_there(start, how)
    else:
        scale[...] = f_scale
        if not 1/USUAL < np.min(scale, initial=1.0) <= np.max(scale, initial=1.0) < USUAL:
            scale[...] = in_range(scale, sizes(y, how, options.loss, scale))
    if options.loss in BOUNDED and (led or options.method not in ("auto", "lanes")):    # whose lanes do so by themselves
        fit(loss=NUMBERS["huber"], scale=scale, start=start)
        start = _from_there(start, how)
        spent += how["nfev"]
    fit(loss=NUMBERS[options.loss], scale=scale, start=start)
    how["nfev"] += spent
    how["status"][unsteady & np.isin(how["status"], SUCCESSES)] = FitStatus.MAX_NFEV
    if not isinstance(f_scale, str):
        _go_narrow(options, code, y, x, scale, start, how)
    _refuse_flat(options.loss, code, y, x, scale, how)
    if not isinstance(f_scale, str):
        scale[...] = f_scale


def _go_narrow(options: FitOptions, code: Any, y: np.ndarray, x: Sequence[np.ndarray], scale: np.ndarray, start: Sequence[np.ndarray],
               how: dict[str, Any]) -> None:
    """Fit once more where no minimum was found, or one whose residuals are far beyond the scale, as they are on any of the loss's plains:
    from the least squares' end on by Huber's loss, of scales from the residuals' size on down to the one given. The lower end counts.
    """
    ended, most = np.isin(how["status"], SUCCESSES), np.inf if options.max_nfev is None else options.max_nfev
    again = ended & _are_beyond(BEYOND, scale, how)
    if again.any():
        far = _Rows(y, x, how, again)
        again[far.places] = _typical(code, far) > BEYOND*far.part(scale)
    again |= ~ended & ~np.isin(how["status"], HOPELESS) & (how["nfev"] < most)
    if not again.any():
        return
    some = _Rows(y, x, how, again)
    own, spent, there = some.part(scale), some.part(how["nfev"]), [some.part(each) for each in start]
    fit = partial(run, code, some.y, some.x, **some.given, **some.out)
    run(code, some.y, some.x, start=there, **_of_the_seen(options.loss, own, some.y, some.given), **some.out)
    spent += some.out["nfev"]
    last = TUNED["huber"]*_typical(code, some, some.out["v"])
    for wide in narrower(last, own):
        there, on = _from_there(there, some.out), (wide < last) & (spent < most)
        if not on.any():
            break
        few = _Rows(some.y, some.x, {**some.given, **some.out}, on)
        run(code, few.y, few.x, start=[few.part(each) for each in there], loss=NUMBERS["huber"], scale=few.part(wide), **few.given,
            **few.out)
        spent[few.places] += few.out["nfev"]
        few.put(np.ones(len(few.y), bool))
        last = wide
    fit(start=_from_there(there, some.out), loss=NUMBERS[options.loss], scale=own)
    left = spent < most
    some.out["nfev"] += spent
    lower = ended[some.places] & ~(some.out["cost"] < how["cost"][some.places]*(1 - LOWER))
    some.put(np.isin(some.out["status"], SUCCESSES) & ~lower & left)


def _refuse_flat(loss: str, code: Any, y: np.ndarray, x: Sequence[np.ndarray], scale: np.ndarray, how: dict[str, Any]) -> None:
    """Take no end for a minimum where the loss is flat within rounding: most residuals lie far beyond its scale."""
    afar = np.isin(how["status"], SUCCESSES) & _are_beyond(AFAR, scale, how)
    if not afar.any():
        return
    some = _Rows(y, x, how, afar)
    afar[some.places] = is_flat(_typical(code, some), some.part(scale), sizes(some.y, some.given, loss, some.part(scale)))
    how["status"][afar] = FitStatus.NO_PROGRESS


def _are_beyond(far: float, scale: np.ndarray, how: dict[str, Any]) -> np.ndarray:
    """Return of which fits a residual or more lie so many scales off."""
    with np.errstate(all="ignore"):
        return ~(np.sqrt(how["chisqr"]/how["count"]) <= far*scale)


def _typical(code: Any, some: _Rows, v: np.ndarray | None = None) -> np.ndarray:
    """Return the standard deviations that the median sizes of residuals stand for, at the end or where parameters are: ndarray (m,)."""
    medians = np.empty(len(some.y))
    median_residuals(code, some.y, some.x, some.part(some.how["v"]) if v is None else v, medians, **_told(some.given))
    return MAD*medians


def _from_there(start: Sequence[np.ndarray], how: dict[str, Any]) -> list[np.ndarray]:
    """Return where fits go on from: where the last ones ended, or from their start where they came to no end."""
    good = np.isin(how["status"], SUCCESSES)
    return [np.where(good, how["v"][..., k], each) for k, each in enumerate(start)]


def _find_scales(loss: str, code: Any, y: np.ndarray, x: Sequence[np.ndarray], scale: np.ndarray, start: Sequence[np.ndarray],
                 spent: np.ndarray, how: dict[str, Any]) -> np.ndarray:
    """Find the scale of each fit, 1.48 times the median absolute residual of Huber's fit with that very scale; return where there was still
    none when the rounds had ended: ndarray of bool (...).
    """
    run(code, y, x, start=start, **_of_the_seen(loss, "mad", y, how))
    spent += how["nfev"]
    _measure(code, y, x, scale, how)
    moving, unsteady = np.ones(scale.shape, bool), np.zeros(scale.shape, bool)
    for _ in range(ROUNDS - 1):
        some = _Rows(y, x, how, moving)
        own, before = some.part(scale), some.part(scale)
        reached = {name: some.part(how[name]) for name in ("status", "v")}
        run(code, some.y, some.x, start=_from_there([some.part(each) for each in start], reached), loss=NUMBERS["huber"],
            scale=own*TUNED["huber"], **some.given, **some.out)
        _measure(code, some.y, some.x, own, {**some.given, **some.out})
        some.put(np.ones(own.shape, bool))
        spent[some.places] += some.out["nfev"]
        scale[some.places] = own
        moving[some.places], unsteady[some.places] = moves(before, own), is_unsteady(before, own, 0.0)
        if not moving.any():
            break
    return unsteady


def _measure(code: Any, y: np.ndarray, x: Sequence[np.ndarray], scale: np.ndarray, how: dict[str, Any]) -> None:
    """Put the scale of the residuals of each fit at its end; 1 where there are none, or half of them are 0."""
    median_residuals(code, y, x, how["v"], scale, **_told(how))
    scale *= MAD
    scale[~(scale > 0)] = 1.0


def _told(how: dict[str, Any]) -> dict[str, Any]:
    """Return what residuals need to know of what a batch is run with."""
    return {name: how[name] for name in ("weights", "errors", "mask", "inputs", "omit", "response") if name in how}


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
    some = _Rows(y, x, how, again)
    known = ~np.isnan(some.y)
    with np.errstate(invalid="ignore"):         # of a row without numbers
        mean = np.where(known, some.y, 0.0).sum(axis=-1, keepdims=True)/known.sum(axis=-1, keepdims=True)
    deviations = np.sqrt(np.maximum(some.y, np.where((mean > 0) & (mean < 1), mean, 1.0)))
    begin = [some.part(each) for each in start]
    if not (how.get("boxes") or (how.get("transform") and how["transform"].bounded)):
        begin = [each*NEXT_TO_ZERO if k in code.amplitudes else each for k, each in enumerate(begin)]
    run(code, some.y, some.x, start=begin, **{**some.given, "weights": deviations, "errors": True}, **{**some.out, "cost": None})
    spent = some.out["nfev"].copy()
    there = [np.where(np.isfinite(some.out["v"]).all(axis=-1), some.out["v"][..., k], some.part(each)) for k, each in enumerate(start)]
    run(code, some.y, some.x, start=there, loss=poisson, **some.given, **some.out)
    some.out["nfev"] += spent
    lower = ended[some.places] & (some.out["chisqr"] >= how["chisqr"][some.places]*(1 - LOWER))
    some.put(np.isin(some.out["status"], SUCCESSES) & ~lower)


class _Rows:
    """Some rows of a batch, as `run` takes them, and room for their results.

    Parameters
    ----------
    y, x : ndarray, and sequence of ndarray
    how : dict of str to object
        What `run` is called with for all rows.
    chosen : ndarray of bool, shape (...)

    Attributes
    ----------
    y : ndarray, shape (m, n)
    x : list of ndarray
    given, out : dict of str to object
        The same of the rows that are chosen: what goes in, and what is written.
    places : tuple of ndarray of int
    """

    def __init__(self, y: np.ndarray, x: Sequence[np.ndarray], how: dict[str, Any], chosen: np.ndarray):
        self.places, self.how, self._shape = np.nonzero(chosen), how, y.shape
        self.y, self.x = self._points(y), [self._points(each) for each in x]
        self.given: dict[str, Any] = {name: value for name, value in how.items() if name not in RESULTS}
        self.given |= {name: self._points(how.get(name)) for name in ("weights", "mask")}
        self.given |= {"inputs": [self.part(each) for each in how["inputs"]], "progress": None}
        if how.get("boxes") is not None:
            self.given["boxes"] = [tuple(map(self.part, box)) for box in how["boxes"]]
        if how.get("response") is not None:
            self.given["response"] = self.part(how["response"])
        self.out: dict[str, Any] = {name: np.empty((len(self.y), *how[name].shape[chosen.ndim:]), how[name].dtype) for name in RESULTS
                                    if how.get(name) is not None}

    def part(self, array: Any) -> Any:
        """Return these rows of an array with the batch's axes."""
        return array if np.ndim(array) == 0 else np.ascontiguousarray(array[self.places])

    def _points(self, array: Any) -> Any:
        return array if array is None or array.ndim == 1 else self.part(np.broadcast_to(array, self._shape))

    def put(self, which: np.ndarray) -> None:
        """Put what was written for some of these rows, ndarray of bool (m,), in their places."""
        chosen = tuple(axis[which] for axis in self.places)
        for name, array in self.out.items():
            self.how[name][chosen] = array[which]


RESULTS = ("v", "variance", "correlations", "chisqr", "redchi", "gradient", "nfev", "count", "status", "derived", "derived_errors", "cost")
