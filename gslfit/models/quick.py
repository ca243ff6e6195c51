"""A fit of one small curve without objects: what depends on the model alone is prepared once, what is asked of a result is made then.

A `Plan` holds the program with the parameters' bounds, expressions and fixed values folded in, and how start values become the program's
variables. `run` hands arrays to the lanes and to their polish; in any doubt it says so, and the caller takes the long way.
"""
from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from gslfit._batch import run
from gslfit._polish import polish
from gslfit.batch import Job
from gslfit.batchresult import SUCCESSES
from gslfit.bounds import FREE, INSIDE, NEAR, ONE
from gslfit.errors import ExpressionError, InputError
from gslfit.fitting import CONVERGED, _result
from gslfit.folding import fold
from gslfit.formula import Formula
from gslfit.parameters import Parameters
from gslfit.result import FitResult

GOOD = frozenset(int(status) for status in SUCCESSES)
MOST = 20_000          # numbers of a Jacobian; larger fits have other needs


class Plan:
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
        As `gslfit.folding.fold`.
    """

    def __init__(self, formula: Formula, params: Parameters):
        self.formula, self.params = formula, params
        self.folded = fold(formula, params)
        self.names = self.folded.names
        self.program = self.folded.program
        self.roles = [self.folded.roles[name] for name in self.names]
        self.own = self.folded.inputs[:len(self.folded.inputs) - sum(role.bounds == ONE for role in self.roles)]
        self.limits = [(role.bounds, role.low, role.high, role.near if role.bounds != FREE else (0.0, 0.0)) for role in self.roles]
        self.values = {name: par.value for name, par in params.items() if par.expr is None}
        self.fixed = frozenset(name for name, par in params.items() if par.expr is None and not par.vary)
        self.max_nfev = 100*(len(self.names) + 1)

    def internal(self, start: list[float]) -> tuple[list[float], list[float]] | None:
        """The program's variables and the sizes of one-sided bounds; None where a start lies outside its bounds, or there is none."""
        v, sizes = [], []
        for value, (kind, low, high, (near, width)) in zip(start, self.limits, strict=True):
            if value is None or not math.isfinite(value):
                return None
            if kind == FREE:
                v.append(value)
                continue
            if (low is not None and value < low) or (high is not None and value > high):
                return None
            value = _inside(value, low, high)
            if kind == ONE:
                distance = value - near
                sizes.append(distance)
                v.append(math.sqrt(3.0))
            else:
                share = (value - near)/width
                v.append(2*math.asin(math.sqrt(share)) if share <= .5 else math.pi - 2*math.asin(math.sqrt((near + width - value)/width)))
        return v, sizes


def _inside(value: float, low: float | None, high: float | None) -> float:
    """A start that lies on a bound, stepped inside, as `gslfit.folding.Folded.inside` does it."""
    for limit, other, sign in ((low, high, 1.0), (high, low, -1.0)):
        if limit is not None and abs(value - limit) <= NEAR*abs(limit):
            step = INSIDE*(abs(limit) or 1.0)
            value = limit + sign*(step if other is None else min(step, INSIDE*abs(other - limit)))
    return value


class Quick:
    """A fit's outcome as numbers, which become a `FitResult` when it is asked for."""

    __slots__ = ("covariance", "inputs", "nfev", "plan", "residual", "scale_covar", "sizes", "start", "v", "values")

    def __init__(self, plan: Plan, values: Mapping[str, float], start: list[float], v: np.ndarray, sizes: list[float], residual: np.ndarray,
                 covariance: np.ndarray, nfev: int, scale_covar: bool):
        self.plan, self.values, self.start, self.v, self.sizes = plan, values, start, v, sizes
        self.residual, self.covariance, self.nfev, self.scale_covar = residual, covariance, nfev, scale_covar

    def result(self, owner: Any) -> FitResult:
        """The FitResult; `owner` is the ModelResult."""
        plan = self.plan
        start = {name: np.asarray(value) for name, value in self.values.items()}
        job = Job(plan.formula, plan.params, plan.folded, "", plan.names, start)
        found = _result(job, plan.folded, self.v, np.array(self.sizes), self.residual.copy(), self.covariance, np.array(self.start),
                        self.nfev, True, CONVERGED, self.scale_covar)
        np.negative(found.residual, out=found.residual)     # lmfit's sign: data - model
        found.method = owner.method
        return found


def quick_fit(plan: Plan, values: Mapping[str, float], y: np.ndarray, x: list[np.ndarray], weights: np.ndarray | None,
              scale_covar: bool) -> Quick | None:
    """Fit one curve.

    Parameters
    ----------
    plan : Plan
    values : mapping of str to float
        Start values of all parameters without expression.
    y : ndarray of float64, shape (n,)
    x : list of ndarray of float64, shape (n,)
    weights : ndarray of float64, shape (n,), or None
    scale_covar : bool

    Returns
    -------
    Quick, or None
        None in any doubt: a start outside its bounds, no convergence, a flat.
    """
    names = plan.names
    p, n = len(names), len(y)
    start = [values[name] for name in names]
    found = plan.internal(start)
    if found is None or n <= p or n*p > MOST:
        return None
    sizes = found[1]
    v = np.array(found[0])
    given = [float(values[name]) for name in plan.own] + sizes
    inputs = np.array(given) if given else None
    covariance, numbers, counts, status = np.empty((1, p, p)), np.empty((2, 1)), np.empty((2, 1), np.int32), np.empty(1, np.int8)
    run(plan.program, y[None], x, v[None], chisqr=numbers[0], nfev=counts[0], count=counts[1], status=status, weights=weights,
        inputs=() if inputs is None else list(inputs[:, None]), max_nfev=plan.max_nfev, covariance=covariance, gradient=numbers[1])
    if status.item() not in GOOD:
        return None
    residual = np.empty(n)
    good, whole, _, _, more = polish(plan.program, v, x, y, weights, inputs, residual)
    if not good:
        return None
    return Quick(plan, values, start, v, sizes, residual, whole, counts.item(0) + more, scale_covar)


def plan_of(formula: Formula, params: Parameters) -> Plan | None:
    """A plan, or None where an expression can't be part of a program."""
    try:
        return Plan(formula, params)
    except (ExpressionError, InputError):
        return None
