"""How one curve is fitted by a loss: as a row of a batch, and then down to rounding."""
from __future__ import annotations

from math import isfinite
from typing import Any

import numpy as np

from gslfit.curves._polish import polish
from gslfit.curves.counts import check_counts, check_means
from gslfit.curves.curve import Curve
from gslfit.curves.job import count_threads, default_nfev
from gslfit.curves.losses import run_rows
from gslfit.curves.not_finite import check_finite
from gslfit.curves.pipeline import ENDINGS, FitPlan, LazyResult, bounds_of, check_count, spread_of
from gslfit.errors import FitStatus, ParameterError
from gslfit.minimizer.options import FitOptions
from gslfit.objective.loss import NUMBERS, Loss


def fit_by_loss(plan: FitPlan, curve: Curve, options: FitOptions, method: str = "fit") -> LazyResult:
    """Fit what is prepared; the residual of the result is that of the points that take part, in the sign of the objective.

    Parameters
    ----------
    plan : FitPlan
        With a program.
    curve : Curve
        Its objective gets the loss with its scale.
    options : FitOptions
    method : str
        What a result calls the method.

    Raises
    ------
    InputError
        If there are fewer points than parameters, a count is negative, or the model of counts isn't positive at the start.
    ParameterError
        If a start is not finite, or outside its bounds.
    """
    objective, folded = curve.objective, plan.folded
    assert objective is not None and folded is not None
    check_count(plan, objective)
    for name in plan.names:
        if not isfinite(plan.values[name]):
            raise ParameterError(f"parameter {name!r} has the value {plan.values[name]}; give it a finite one")
        folded.check(name, np.asarray(plan.values[name], float))
    if options.loss == "poisson":
        check_counts(objective.given.name, objective.y, None)
    p, n, x, inputs = len(plan.names), objective.ndata, curve.points, folded.inputs_of(plan.values)
    start = [plan.values[name] for name in plan.names]
    numbers, counts, status, scale = np.empty((3, 1)), np.empty((2, 1), np.int32), np.empty(1, np.int8), np.ones(1)
    how = bounds_of(folded, np.array(start), True)
    how["correlations"], v = np.empty((p, p)), np.empty((1, p))
    how["start"] = [np.array(each) for each in how["start"]]
    rows: dict[str, Any] = {name: value[None] if isinstance(value, np.ndarray) else value for name, value in how.items()}
    run_rows(options, folded.program, objective.y[None], x, v=v, chisqr=numbers[0], cost=numbers[1], gradient=numbers[2], nfev=counts[0],
             count=counts[1], status=status, scale=scale, weights=objective.weights, errors=False,
             inputs=[] if inputs is None else [np.array(each) for each in inputs], method=options.method, xtol=options.xtol,
             ftol=options.ftol, gtol=options.gtol, max_nfev=options.max_nfev or default_nfev(plan.names), omit=False,
             threads=count_threads(options.threads, n*p), **rows)
    ended, there, nfev = ENDINGS[status.item()], v[0], counts.item(0)
    if ended in (FitStatus.NOT_POSITIVE, FitStatus.BAD_DATA):
        _refuse(plan, curve, options, start, inputs)
    loss = objective.loss = Loss(options.loss, scale.item())
    if options.method == "auto" and ended in (FitStatus.CONVERGED, FitStatus.CONVERGED_BY_GSL):
        better = there.copy()
        good, *_, more = polish(folded.program, better, x, objective.y, objective.weights, inputs, loss=NUMBERS[loss.name],
                                scale=loss.beside(objective.y, weights=objective.weights))
        nfev += more
        there = better if good and folded.holds(better) else there
    values = folded.program.evaluate(there, np.array(x), inputs, jacobian=False)[0]
    found = objective.signed(objective.residual(values))
    told = options._replace(scale_covar=options.scale_covar and not loss.robust, f_scale=loss.f_scale)
    result = LazyResult(plan, plan.values, told, start, there, found, spread_of(how), nfev, ended, "", method, objective.sign)
    if ended == FitStatus.RANK_DEFICIENT and not loss.robust:
        values, slopes = folded.program.evaluate(there, np.array(x), inputs)
        result.leave_open(np.asarray(slopes)*loss.factors(values, objective.y, objective.weights)[:, None])
    return result


def _refuse(plan: FitPlan, curve: Curve, options: FitOptions, start: list[float], inputs: np.ndarray | None) -> None:
    """Raise an error that says at how many points the model, or a derivative of it, can't be used."""
    assert plan.folded is not None and curve.objective is not None
    values, slopes = plan.folded.program.evaluate(np.array(start), np.array(curve.points), inputs)
    if options.loss == "poisson":
        check_means(values, curve.objective.y)
    check_finite("the model", values)
    for name, column in zip(plan.names, np.asarray(slopes).T, strict=True):
        check_finite(f"the model's derivative by {name!r}", column)
