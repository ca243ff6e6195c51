"""Which estimator looks for the start values of a model of the library: shapes, peaks one after the other, or moments of an image."""
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gslfit.errors import InputError, NoGuessError
from gslfit.models.guess.curves import ordered
from gslfit.models.guess.images import guess_image
from gslfit.models.guess.matching_pursuit import guess_gaussians
from gslfit.models.guess.projection_match import estimate
from gslfit.models.guess.shapes import GuessRecipe
from gslfit.models.guess.shapes_further import PLANS
from gslfit.models.guess.within_bounds import limits, settled

MOST_POINTS = 400       # for shapes without waves; further points are averaged
WAVE_POINTS = 2048
SUMS = {"gsl_gaussian_2peaks": 2, "gaussians2": 2, "gaussians3": 3}


def guess_model(model: Any, data: Any, x: Any, values: Mapping[str, Any]) -> Any:
    """Estimate a library model's parameters; see `Model.guess`."""
    return candidates(model, data, x, values)[0]


def candidates(model: Any, data: Any, x: Any, values: Mapping[str, Any]) -> list[Any]:
    """Estimate a library model's parameters: the best start, then others that may lead lower, each as `guess_model` returns it."""
    entry, values = model.entry, dict(values)
    negative = values.pop("negative", None)
    y = np.asarray(data)
    others = {name: values.pop(name) for name in model.independent_vars if name in values}
    if entry.guess == "gaussian2d" or len(entry.independent) > 1:
        spot = guess_image(model, y, {entry.independent[0]: x, **others})
        return [settled(model, spot, values, np.shape(next(iter(spot.values()))))]
    if entry.guess in SUMS:
        return [guess_gaussians(model, SUMS[entry.guess], y, x, values)]
    plan = plan_for(model)
    if plan is None:
        raise NoGuessError(f"guess() is not implemented for {entry.cls}: give start values to make_params or fit")
    if not y.ndim or not y.shape[-1]:
        raise InputError("there are no data to guess from")
    x = np.arange(y.shape[-1], dtype=float) if x is None else x
    shape = y.shape[:-1]
    curves = ordered(x, y, WAVE_POINTS if entry.kind == "oscillation" else MOST_POINTS, apart=entry.guess != "constant")
    bounds = limits(model)
    if negative is not None and "amplitude" in model._definition.names:
        bounds["amplitude"] = (-np.inf, 0.0) if negative else (0.0, np.inf)
    return [settled(model, {name: each.reshape(shape) for name, each in found.items()}, values, shape)
            for found in estimate(plan, model._definition.own, curves, bounds)]


def plan_for(model: Any) -> GuessRecipe | None:
    """Return the plan of a library model, or None."""
    return PLANS.get(f"{model.entry.guess}:{model.form}") or PLANS.get(model.entry.guess)
