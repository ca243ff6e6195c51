"""Which of several starts leads lowest: each is fitted in the lanes, and that whose fit ended lowest is the start of the real one.

For models whose chi-square has several minima, or a valley without end, a guess is not one start but the best of each family of shapes
(`families` of `gslfit.models.guess.shapes.GuessRecipe`). This costs as many fits as there are families, without errors and without a
second look by GSL. `from_many` is what `starts=` asks for: one curve, fitted in one batch of the lanes from starts spread over ranges
(`gslfit.minimizer.multistart` says where), first roughly, the best of them to the end, and the lowest to the last digit.
"""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from math import inf
from typing import Any

import numpy as np

from gslfit.curves.batch_result import BatchResult
from gslfit.curves.curve import Curve
from gslfit.curves.job import Job
from gslfit.curves.linear_start import linear_starts
from gslfit.curves.pipeline import FitPlan, LazyResult, by_minimize
from gslfit.curves.run_batch import run_batch
from gslfit.curves.some_rows import costs, with_refits
from gslfit.data.inputs import Factors, Inputs
from gslfit.data.layout import Layout
from gslfit.minimizer import descents, multistart
from gslfit.minimizer.multistart import EQUAL, Ends, Several, best_of, concluded, deviations_of
from gslfit.minimizer.options import FitOptions
from gslfit.minimizer.result import FitResult
from gslfit.objective.units import FAR_FROM_ONE, unit_of

ONCE: dict[str, Any] = {"starts": None, "ranges": None}
TRIAL: dict[str, Any] = {"method": "lanes", "max_nfev": 400, "covar": False, "progress": False, **ONCE}
WHOLE: dict[str, Any] = {"covar": False, "progress": False, **ONCE}
ROUGH = 30              # evaluations of a rough descent
SHARE, LEAST = 4, 32    # that part of the rough descents, and so many at least, go on to their end
Start = Mapping[str, Any]
Fit = Callable[[FitPlan], "LazyResult | FitResult"]


def lowest(starts: Sequence[Start], fit: Callable[..., Any], whole: bool = False) -> dict[str, Any]:
    """Return the start of each curve from which its fit ended lowest.

    Parameters
    ----------
    starts : sequence of mappings of str to array_like, shape (...)
        Start values by name, those tried first the better ones.
    fit : callable
        ``fit(start, **options) -> BatchResult``, options as those of `gslfit.fit_batch`; and `idle`, where given, an array of bool: which
        curves need no fit.
    whole : bool
        Whether each is fitted with all that a fit does, but for errors, the last one first: of two that end as low it is the one that is a
        success, and the later one of two such.

    Returns
    -------
    dict of str to ndarray, shape (...)
        The first start where no fit has a result.
    """
    best, least, good = dict(starts[0]), np.array(np.inf), np.array(False)
    tried = starts[::-1] if whole else starts
    for k, start in enumerate(tried):
        idle = _tried_later(start, tried[k + 1:]) if whole else np.array(False)
        if idle.all():
            continue
        result = fit(start, **(WHOLE if whole else TRIAL), **({"idle": idle} if idle.any() else {}))
        cost = costs(result)
        if not whole and np.isinf(cost).all():      # squares of derivatives may be out of range, which the lanes don't go without
            cost = costs(fit(start, **{**TRIAL, "method": "auto"}, **({"idle": idle} if idle.any() else {})))
        better = cost < (least*(1 - EQUAL) if whole else least)
        if whole:
            better |= (cost < least*(1 + EQUAL)) & result.success & ~good
            good = np.where(better, result.success, good)
        best = {name: np.where(better, value, best[name]) for name, value in start.items()}
        least = np.where(better, cost, least)
    return best


def _tried_later(start: Start, others: Sequence[Start]) -> np.ndarray:
    """Return for which curves another start is the same."""
    found = np.array(False)
    for other in others:
        same = [np.equal(value, other[name]) for name, value in start.items()]
        found = found | np.logical_and.reduce(np.broadcast_arrays(*same))
    return found


def from_many(plan: FitPlan, curve: Curve, options: FitOptions, several: Several, fit: Fit) -> FitResult:
    """Fit a curve from many starts, and return the lowest minimum, with the others in `minima`.

    Parameters
    ----------
    plan : FitPlan
        With the caller's start; what `several.unset` names has none of his.
    curve : Curve
    options : FitOptions
    several : Several
    fit : callable
        ``fit(plan)``: the fit from one start, to the last digit.

    Raises
    ------
    InputError
        If there is nowhere to place starts.
    """
    spent = 0
    if several.doubt and not several.unset:
        first = _result(fit(plan))
        if not multistart.looks_doubtful(first, curve.points[0] if len(curve.points) == 1 else None):
            return first
        spent = first.nfev
        starts, places = starts_of(plan, curve, several, options)
        if not starts:
            return first
    else:
        first, (starts, places) = None, starts_of(plan, curve, several, options)
        if not starts:
            raise multistart.nowhere(several.number)
    in_lanes = plan.folded is not None and curve.objective is not None and curve.objective.given.ycov is None
    ends, values, nfev = _descend(plan, curve, options, starts) if in_lanes else _descend_by_minimize(plan, curve, options, starts)
    unit, data = _weighted_data(curve)
    best, result, more = _to_the_end(plan, ends, fit, places, (unit, data))
    if first is not None and first.success and not (
            result.success and multistart.cost_in(unit, result) <= multistart.cost_in(unit, first)*(1 + multistart.EQUAL)):
        first.nfev = result.nfev + spent + nfev + more
        return first
    return concluded(result, ends, best, values, len(ends.cost), spent + nfev + more, data, unit)


def starts_of(plan: FitPlan, curve: Curve, several: Several, options: FitOptions) -> tuple[dict[str, np.ndarray], multistart.Boxes]:
    """Return the starts, (k,) each by varying parameter, the caller's own first, and where they are placed; empty if nowhere."""
    names, own = plan.names, dict(plan.values)
    boxes = {name: _box(plan, name) for name in names}
    linear = () if plan.folded is None else plan.folded.linearity.together(name for name in names if name not in several.places)
    free = tuple(name for name in linear if name not in several.places)
    if len(free) == len(names):         # there is but one minimum
        return {name: np.array([float(own[name])]) for name in names}, {}
    places = several.places or multistart.around(own, {name: box for name, box in boxes.items() if name not in free})
    count = several.number - (0 if several.unset else 1)
    if not places and (count or several.unset):
        return {}, {}
    found = {name: np.full(count, float(own[name])) for name in names} | multistart.points(places, count)
    in_lanes = plan.folded is not None and curve.objective is not None and curve.objective.given.ycov is None
    if free and count and in_lanes:
        others = {name: value for name, value in {**own, **found}.items() if name not in free}
        found |= linear_starts(plan.folded, free, _repeated(curve, count), others, options)  # type: ignore[arg-type]
    if several.unset:
        return found, places
    return {name: np.concatenate([[float(own[name])], found[name]]) for name in names}, places


def _box(plan: FitPlan, name: str) -> tuple[float, float]:
    """Return the bounds of a varying parameter."""
    par = plan.params[name]
    return -inf if par.min is None else float(par.min), inf if par.max is None else float(par.max)


def _repeated(curve: Curve, count: int) -> Inputs:
    """Return one curve as so many rows of a batch, none of them a copy."""
    objective = curve.objective
    assert objective is not None
    y = np.broadcast_to(objective.y, (count, objective.y.size))
    factors = None if objective.weights is None else Factors("weights", np.asarray(objective.weights))
    return Inputs(Layout(y.shape, (1,)), None, y, dict(zip(curve.formula.independent, curve.points, strict=True)), factors, None)


def _weighted_data(curve: Curve) -> tuple[float, float]:
    """Return a unit in which squares of residuals are in range, as `units_of` has it for rows, and the sum of the squares of the weighted
    data in it."""
    objective = curve.objective
    assert objective is not None
    y = objective.y if objective.weights is None else objective.y*objective.weights
    plain = objective.given.ycov is not None or (objective.loss is not None and not objective.loss.robust)
    with np.errstate(over="ignore"):
        square = float(np.vdot(y, y).real)
        if plain or y.size/FAR_FROM_ONE**2 < square < FAR_FROM_ONE**2:
            return 1.0, square
        unit = float(unit_of(np.abs(y).max(initial=0.0)))
        return unit, float(np.vdot(y/unit, y/unit).real)


def _result(found: LazyResult | FitResult) -> FitResult:
    """Return the result of a fit, worked out."""
    return found if isinstance(found, FitResult) else found.result()


def _at(plan: FitPlan, values: np.ndarray) -> FitPlan:
    """Return a plan with another start."""
    return FitPlan(plan.formula, plan.params, plan.folded, {**plan.values, **dict(zip(plan.names, values.tolist(), strict=True))},
                   plan.reason)


# -- in the lanes


Values = Callable[[int], dict[str, float]]


def _descend(plan: FitPlan, curve: Curve, options: FitOptions, starts: Mapping[str, np.ndarray]) -> tuple[Ends, Values, int]:
    """Descend from each start roughly in one batch of the lanes, and from the best ends in another to their end."""
    names = plan.names
    rough = _rows(plan, curve, options, starts, ROUGH)
    began = np.column_stack([starts[name] for name in names])
    v, cost, status = np.column_stack([rough.values[name] for name in names]), costs(rough), np.array(rough.status)
    errors = np.column_stack([rough.stderr[name] for name in names])
    spent = int(rough.nfev.sum())
    everything = {name: np.array(value) for name, value in rough.values.items()}
    ends = Ends(v, deviations_of(errors, status), cost, status, began)
    order = np.argsort(cost, kind="stable")[:max(LEAST, len(cost)//SHARE)]
    rest = order[ends.unfinished[order]]
    if rest.size:
        found = _rows(plan, curve, options, {name: v[rest, k] for k, name in enumerate(names)}, options.max_nfev)
        spent += int(found.nfev.sum())
        lower = costs(found)
        better = lower <= cost[rest]
        here = rest[better]
        errors = np.column_stack([found.stderr[name] for name in names])
        new = np.column_stack([found.values[name] for name in names]), deviations_of(errors, found.status), lower, found.status
        for array, replaced in zip(ends, new, strict=False):
            array[here] = replaced[better]
        for name, value in found.values.items():
            everything[name][here] = value[better]
    return ends, lambda k: {name: float(value[k]) for name, value in everything.items()}, spent


def _rows(plan: FitPlan, curve: Curve, options: FitOptions, starts: Mapping[str, np.ndarray], most: int | None) -> BatchResult:
    """Fit a curve from each start in the lanes."""
    assert plan.folded is not None
    given = _repeated(curve, len(next(iter(starts.values()))))
    job = Job(plan.formula, plan.params, plan.folded, "", plan.names, {**plan.values, **starts})
    told = options._replace(method="lanes", max_nfev=most, covar=False, nan_policy="mark", on_interrupt="raise")
    return with_refits(run_batch(job, given, told), job, given, told._replace(method="auto"), run_batch)


# -- one after another


def _descend_by_minimize(plan: FitPlan, curve: Curve, options: FitOptions,
                         starts: Mapping[str, np.ndarray]) -> tuple[Ends, Values, int]:
    """Descend from each start by `minimize`: of what can't be compiled, or whose errors are correlated."""
    def fit(values: Mapping[str, float], rough: bool) -> FitResult:
        own = _at(plan, np.array([values[name] for name in plan.names]))
        most = descents.ROUGH*(len(plan.names) + 1) if rough else options.max_nfev
        return by_minimize(own, Curve(curve.formula, copy(curve.objective)), options._replace(max_nfev=most, covar=True))
    ends, values, spent, _ = descents.descend(fit, plan.names, starts, _weighted_data(curve)[0])
    return ends, values.__getitem__, spent


def _to_the_end(plan: FitPlan, ends: Ends, fit: Fit, places: multistart.Boxes,
                data: tuple[float, float]) -> tuple[int, FitResult, int]:
    """Return the number of the best end, the fit that goes on from it to the last digit, and the evaluations of fits that came to less.

    `data` is what `_weighted_data` returns.
    """
    spent = 0
    for k in multistart.lowest_unfinished(ends):
        try:
            found = _result(fit(_at(plan, ends.v[k])))
        except descents.CAUGHT:
            continue
        if found.success:
            for array, value in zip(ends, descents.end_of(found, plan.names, ends.start[k], data[0]), strict=True):
                array[k] = value
            return k, found, spent
        spent += found.nfev
    best = best_of(ends, plan.names, places, data[1])
    return best, _result(fit(_at(plan, (ends.v if ends.settled[best] else ends.start)[best]))), spent
