"""Start values of models that are folded with a measured response.

What is matched with the data are shapes that are folded too: of sums of decays all combinations of some times, of other models the shapes
that their recipes have. Where a model has no such recipe, its own guess looks at data that are moved back by the response's mean delay and
divided by its sum.
"""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from gslfit.formula.formula import Formula
from gslfit.formula.response import ConvolvedFormula, Response
from gslfit.models.guess.curves import ordered
from gslfit.models.guess.decays import Decays
from gslfit.models.guess.projection_match import estimate
from gslfit.models.guess.shapes import Axis, GuessRecipe, crossed
from gslfit.models.guess.within_bounds import limits, settled
from gslfit.parameters.collection import Parameters
from gslfit.records import Record

MOST_POINTS = 400           # further ones are summed up, those of the response too
MOST_SHAPES = 20_000
TIMES = {1: 40, 2: 24, 3: 16}       # of decays, by how many there are
SHORTEST, LONGEST = 0.3, 3.0        # of them, in distances of points and in ranges
BACKGROUNDS = {"constant": ("c",), "line": ("slope", "intercept")}
LEVELS = ("offset", "y0", "c")      # of decays, and a constant
LEAST_LEVEL = 1e-3          # share of the data's mean that the level of counts begins with at least


class Times(Record):
    """The parameters of a decay that are times, or rates."""

    names: tuple[str, ...]
    rates: bool = False


class Coarse(Record):
    """Curves on the points of a response, y (..., n), and the response of all of them; not too many points."""

    y: np.ndarray
    response: Response

    @classmethod
    def of(cls, response: Response, x: np.ndarray, y: np.ndarray) -> Coarse:
        """Return data (..., m) at some of the points, NaN at the others; `MOST_POINTS` sums of neighbours where there are more."""
        grid, n = response.x, response.x.size
        step = (grid[-1] - grid[0])/max(n - 1, 1) or 1.0
        if step < 0:        # shapes are matched along ascending points
            return cls.of(Response(response.numbers[..., ::-1], response.length - 1 - response.centre, None, grid[::-1]), x, y)
        whole = np.full((*y.shape[:-1], n), np.nan)
        whole[..., np.clip(np.rint((x - grid[0])/step), 0, n - 1).astype(int)] = y
        several = response.numbers.reshape(-1, response.length)
        numbers = several.mean(axis=0) if len(several) else np.ones(response.length)
        numbers = numbers if numbers.any() else several[0]
        size = -(-n//MOST_POINTS)
        if size > 1:
            n = n//size*size
            with np.errstate(invalid="ignore"):
                whole = whole[..., :n].reshape(*y.shape[:-1], -1, size).mean(axis=-1)
            grid = grid[:n].reshape(-1, size).mean(axis=-1)
            before = -response.centre % size
            numbers = np.concatenate([np.zeros(before), numbers, np.zeros(-(before + numbers.size) % size)]).reshape(-1, size).sum(axis=1)
        return cls(whole, Response(numbers, -(-response.centre//size), None, grid))

    def moved_back(self) -> np.ndarray:
        """Return the data moved back by the response's mean delay, and divided by its sum."""
        numbers, n = self.response.numbers, self.y.shape[-1]
        size = np.abs(numbers)
        delay = round(float(size @ np.arange(numbers.size)/size.sum())) - self.response.centre
        return self.y[..., np.clip(np.arange(n) + delay, 0, n - 1)]/(numbers.sum() or 1.0)


def guess_convolved(model: Any, data: np.ndarray, x: np.ndarray, values: Mapping[str, Any]) -> list[Any]:
    """Return the start of curves, as `Model._guesses` does.

    Parameters
    ----------
    model : ConvolvedModel
    data : ndarray, shape (..., n)
    x : ndarray, shape (n,)
    values : mapping of str to object
        Start values that are known.
    """
    base, values = model.base, dict(values)
    negative = values.pop("negative", None)
    y = np.asarray(data, float)
    coarse, shape = Coarse.of(model.response, np.asarray(x, float), y), y.shape[:-1]
    plan = recipe_of(base)
    if plan is None or not y.shape[-1]:
        more = {} if negative is None else {"negative": negative}
        return [_of_model(model, each) for each in base._guesses(coarse.moved_back(), coarse.response.x, **more, **values)]
    recipe, formula, bounds = plan
    if negative is not None and "amplitude" in recipe.linear:
        bounds["amplitude"] = (-np.inf, 0.0) if negative else (0.0, np.inf)
    curves = ordered(coarse.response.x, coarse.y, MOST_POINTS)
    found = estimate(recipe, ConvolvedFormula(formula, coarse.response), curves, bounds)[0]
    if curves.y.size and curves.y.min() >= 0:       # counts, say, whose mean is not to begin below 0
        least = LEAST_LEVEL*curves.y.mean(axis=-1)/(abs(coarse.response.numbers.sum()) or 1.0)
        found = {name: np.maximum(each, least) if name.removeprefix(_prefix_of(name, base)) in LEVELS else each
                 for name, each in found.items()}
    return [settled(model, {name: each.reshape(shape) for name, each in found.items()}, values, shape)]


def _prefix_of(name: str, model: Any) -> str:
    """Return the prefix of the part of a sum that a parameter belongs to; that of a single model is not in the names."""
    parts = model.components
    return next((part._prefix for part in parts if name.startswith(part._prefix)), "") if len(parts) > 1 else ""


def _of_model(model: Any, found: Any) -> Any:
    """Return what the guess of a model that is not folded gives, as that of the one that is."""
    if not isinstance(found, Parameters):
        return found
    params = model.make_params()
    for name, par in found.items():
        if params[name].expr is None and par.value is not None:
            params[name].value = par.value
    return params


def recipe_of(model: Any) -> tuple[GuessRecipe, Formula, dict[str, tuple[float, float]]] | None:
    """Return how the start of a model, or of a sum of models, is found by folded shapes: a recipe, the formula that it is of, and the
    bounds of its parameters; None where there is no such way."""
    parts = model.components
    single = len(parts) == 1
    if not (single or model._symbols() == {"+"}):
        return None
    times: list[Times] = []
    others: list[tuple[str, GuessRecipe]] = []
    linear: list[str] = []
    bounds: dict[str, tuple[float, float]] = {}
    for part in parts:
        plan, prefix = getattr(part, "_recipe", None), "" if single else part._prefix
        if plan is None:
            return None
        bounds |= {prefix + name: each for name, each in limits(part).items()}
        own = _times_of(part, plan)
        if own is not None:
            times.append(own._replace(names=tuple(prefix + name for name in own.names)))
            linear += [prefix + name for name in _heights_of(part, plan)]
        elif part.entry.guess in BACKGROUNDS:
            linear += [prefix + name for name in BACKGROUNDS[part.entry.guess]]
        elif plan.search or plan.settle or plan.families or (not single and (plan.formula or plan.finish)):
            return None
        else:
            others.append((prefix, plan))
            linear += [prefix + name for name in plan.linear]
    if single and others:
        return others[0][1]._replace(beside=None), Formula(others[0][1].formula) if others[0][1].formula else model._definition.own, bounds
    if len(others) > 1 or sum(len(each.names) for each in times) > max(TIMES):
        return None
    recipe = GuessRecipe(_Shapes(tuple(times), tuple(others)), tuple(linear))
    return recipe, model._definition.own if single else model.formula, bounds


def _times_of(part: Any, plan: GuessRecipe) -> Times | None:
    """Return the times of a decay; None of another model."""
    if isinstance(plan.search, Decays):
        names = plan.search.names
        return None if names.edge else Times(names.times, names.rates)
    return {"exponential": Times(("decay",)), "gsl_exp": Times(("b",), True)}.get(part.entry.guess)


def _heights_of(part: Any, plan: GuessRecipe) -> tuple[str, ...]:
    """Return what a decay is linear in."""
    if isinstance(plan.search, Decays):
        return *plan.search.names.heights, plan.search.names.offset
    return plan.linear


class _Shapes:
    """Shapes of a sum: all combinations of times, with each shape of another model. Equal ones are of the same models."""

    def __init__(self, times: tuple[Times, ...], others: tuple[tuple[str, GuessRecipe], ...]):
        self.times, self.others = times, others
        self._key = times, tuple((prefix, id(plan)) for prefix, plan in others)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Shapes) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    def __call__(self, axis: Axis) -> dict[str, np.ndarray]:
        names = [(name, each.rates) for each in self.times for name in each.names]
        found: dict[str, np.ndarray] = {}
        if names:
            grid = np.geomspace(SHORTEST*axis.step, LONGEST*axis.span, TIMES[len(names)])
            chosen = np.array(list(combinations(grid, len(names)))).T
            found = {name: 1/each if rates else each for (name, rates), each in zip(names, chosen, strict=True)}
        for prefix, plan in self.others:
            own = {prefix + name: each for name, each in plan.shapes(axis).items()}
            found = _with_each(found, own) if found and own else found or own
        return found


def _with_each(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return every shape of the one with every shape of the other, or with some of them where that were too many."""
    count = len(next(iter(one.values())))
    size = len(next(iter(other.values())))
    some: Sequence[int] = np.unique(np.linspace(0, size - 1, max(1, min(size, MOST_SHAPES//count))).astype(int)).tolist()
    place = crossed({"one": np.arange(count)}, other=some)
    return {**{name: each[place["one"]] for name, each in one.items()},
            **{name: each[np.asarray(place["other"], int)] for name, each in other.items()}}
