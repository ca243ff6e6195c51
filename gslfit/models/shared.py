"""`Model.fit_shared`: data sets that share parameters of a model; guesses of each of them say where the fit begins."""
from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import numpy as np

from gslfit.checks import by_name, identifiers
from gslfit.curves.job import NO_RESPONSE, response_of, with_shift
from gslfit.data.fits import Fits
from gslfit.errors import InputError
from gslfit.formula.response import read_response
from gslfit.minimizer.options import SHARED
from gslfit.models.fitting import RESPONSE, check_names, curves_of, folded_with, guessed, hinted, options_of_loss
from gslfit.objective.loss import out_of_sight
from gslfit.parameters.collection import Parameters
from gslfit.parameters.given import parameters_of
from gslfit.shared.fit_shared import fit_shared
from gslfit.shared.result import SharedResult

BESIDE = ("yerr", "weights", "mask", "start")


def fit_data_sets(model: Any, data: Any, params: Parameters | None, x: Any, options: dict[str, Any]) -> SharedResult:
    """Fit a model to data sets that share parameters; see `Model.fit_shared`."""
    formula = model._formula({name: options.pop(name) for name in model.opts if name in options})
    variables = {name: options.pop(name) for name in formula.independent if name in options}
    if isinstance(x, (list, tuple)) and x and all(isinstance(each, Mapping) for each in x):
        x = {name: [each[name] for each in x] for name in x[0]}
    if x is not None:
        variables |= dict(x) if isinstance(x, Mapping) else {formula.independent[0]: x}
    start = by_name("start", options.pop("start", None))
    check_names(model, params, {name: options.get(name) for name in RESPONSE}, start)
    start |= {name: options.pop(name) for name in list(options) if name in model.param_names and name not in SHARED.keywords}
    made = model.make_params() if params is None else parameters_of(params, "plain start values go into start={...}").copy()
    made = with_shift(made, options.get("response_shift"))
    for name in start:
        if name in made and made[name].expr is not None:
            made[name].vary = True
    missing = [name for name in model.param_names if made[name].expr is None and name not in start]
    starts, shared = [start], identifiers("shared", options.get("shared", ()))
    if params is None and missing:
        with suppress(NotImplementedError):     # a formula's parameters may need no start: fit_shared says which do
            starts = [{**_of_all(made, found, shared), **hinted(model), **start} for found in _guesses(model, data, variables, options)]
    results = [fit_shared(formula, data, made, x=variables, start=each, **options) for each in starts]
    return min(results, key=lambda result: (not result.success, len(result.left_out), result._length))


def _guesses(model: Any, data: Any, variables: Mapping[str, Any], options: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return start values of each data set, the best first."""
    beside = {name: options[name] for name in BESIDE if name in options and name != "start"}
    if isinstance(data, (list, tuple)) and len({np.shape(each) for each in data}) > 1:
        found, told = [], options_of_loss(options)
        for k, each in enumerate(data):
            own = {name: value[k] if isinstance(value, (list, tuple)) else value for name, value in variables.items()}
            far = out_of_sight(told.loss, told.f_scale, each)
            guess = model.guess(each, **own, **({} if far is None else {"mask": far}))
            found.append({name: guess[name].value for name in model.param_names if guess[name].expr is None})
        return [{name: np.array([each[name] for each in found]) for name in found[0]}] if found else [{}]
    given = curves_of(data, variables, dict(beside))
    if len(given.layout.shape) != 1:
        raise InputError(f"data has the shape {given.layout.whole}, and (m, n) is needed, m data sets of n points, or a list")
    said = response_of(*(options.get(name, default) for name, default in zip(RESPONSE, NO_RESPONSE, strict=True)))
    if said is not NO_RESPONSE:
        model = folded_with(model, read_response(*said, given.x, Fits.along(given.layout, given.labels, by_label=True)))
    return guessed(model, given, options)


def _of_all(params: Parameters, guess: Mapping[str, Any], shared: list[str]) -> dict[str, Any]:
    """Return guesses within bounds, those of shared parameters the median of the data sets'."""
    found = {}
    for name, value in guess.items():
        array = np.asarray(value, float)
        if name in shared and array.ndim:
            good = array[np.isfinite(array)]
            array = np.median(good) if good.size else np.array(1.0)
        low, high = params[name].min, params[name].max
        inside = np.clip(array, -np.inf if low is None else low, np.inf if high is None else high)
        found[name] = np.where(np.isfinite(inside), inside, np.nanmedian(inside) if np.isfinite(inside).any() else 1.0)
    return found
