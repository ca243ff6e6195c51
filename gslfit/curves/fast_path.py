"""A fit of one small curve without objects: what depends on the model alone is prepared once, what is asked of a result is made then.

A `FitPlan` holds the program with the parameters' expressions and fixed values folded in, and their bounds. `run` hands arrays to the lanes
and to their polish; in any doubt it says so, and the caller takes the long way.
"""
from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from gslfit.curves._batch import run
from gslfit.curves._polish import polish
from gslfit.curves.fit import CONVERGED, _result, bounds_of
from gslfit.curves.fit_batch import Job
from gslfit.errors import ExpressionError, FitStatus, InputError
from gslfit.formula.formula import Formula
from gslfit.formula.parametrize import fold
from gslfit.minimizer.result import FitResult
from gslfit.objective.residual import DATA_MINUS_MODEL, in_sign
from gslfit.parameters.collection import Parameters

MOST = 20_000          # numbers of a Jacobian; larger fits have other needs


class FitPlan:
    """A formula with the parameters' roles folded in, and their start values.

    Parameters
    ----------
    formula : Formula
        A native one.
    params : Parameters
        Kept, and not to be changed afterwards.

    Raises
    ------
    ExpressionError, InputError
        As `gslfit.formula.parametrize.fold`.
    """

    def __init__(self, formula: Formula, params: Parameters):
        self.formula, self.params = formula, params
        self.folded = fold(formula, params)
        self.names = self.folded.names
        self.program = self.folded.program
        self.values = {name: par.value for name, par in params.items() if par.expr is None}
        self.fixed = frozenset(name for name, par in params.items() if par.expr is None and not par.vary)
        self.max_nfev = 100*(len(self.names) + 1)


class LazyResult:
    """A fit's outcome as numbers, which become a `FitResult` when it is asked for."""

    __slots__ = ("inputs", "nfev", "plan", "residual", "scale_covar", "spread", "start", "status", "v", "values")

    def __init__(self, plan: FitPlan, values: Mapping[str, float], start: list[float], v: np.ndarray, residual: np.ndarray,
                 spread: tuple[np.ndarray, np.ndarray], nfev: int, scale_covar: bool, status: FitStatus):
        self.plan, self.values, self.start, self.v = plan, values, start, v
        self.residual, self.spread, self.nfev, self.scale_covar, self.status = residual, spread, nfev, scale_covar, status

    def result(self, owner: Any) -> FitResult:
        """The FitResult; `owner` is the ModelResult."""
        plan = self.plan
        start = {name: np.asarray(value) for name, value in self.values.items()}
        job = Job(plan.formula, plan.params, plan.folded, "", plan.names, start)
        found = _result(job, plan.folded, self.v, self.residual, *self.spread, self.start,
                        self.nfev, self.status, CONVERGED, self.scale_covar)
        found.residual = in_sign(found.residual, DATA_MINUS_MODEL)
        found.method = owner.method
        return found


def fast_fit(plan: FitPlan, values: Mapping[str, float], y: np.ndarray, x: list[np.ndarray], weights: np.ndarray | None,
              scale_covar: bool) -> LazyResult | None:
    """Fit one curve.

    Parameters
    ----------
    plan : FitPlan
    values : mapping of str to float
        Start values of all parameters without expression.
    y : ndarray of float64, shape (n,)
    x : list of ndarray of float64, shape (n,)
    weights : ndarray of float64, shape (n,), or None
    scale_covar : bool

    Returns
    -------
    LazyResult, or None
        None in any doubt: a start outside its bounds, no convergence, a flat.
    """
    names = plan.names
    p, n = len(names), len(y)
    start = [values[name] for name in names]
    if n <= p or n*p > MOST or not all(value is not None and math.isfinite(value) for value in start):
        return None
    v = np.array(start)
    folded = plan.folded
    if not folded.holds(v):
        return None
    inputs = np.array([values[name] for name in folded.inputs], float) if folded.inputs else None
    numbers, counts, status = np.empty((2, 1)), np.empty((2, 1), np.int32), np.empty(1, np.int8)
    run(plan.program, y[None], x, v[None], chisqr=numbers[0], nfev=counts[0], count=counts[1], status=status, weights=weights,
        inputs=() if inputs is None else list(inputs), max_nfev=plan.max_nfev, gradient=numbers[1], **bounds_of(folded, v))
    ended = FitStatus(status.item())
    if not ended.success:
        return None
    residual = np.empty(n)
    good, deviations, correlations, _, more = polish(plan.program, v, x, y, weights, inputs, residual)
    if not good or not folded.holds(v):
        return None
    return LazyResult(plan, values, start, v, residual, (deviations, correlations), counts.item(0) + more, scale_covar, ended)


def plan_of(formula: Formula, params: Parameters) -> FitPlan | None:
    """A plan, or None where an expression can't be part of a program."""
    try:
        return FitPlan(formula, params)
    except (ExpressionError, InputError):
        return None
