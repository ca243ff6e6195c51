"""How one curve is fitted, by whatever entry: lanes, polish, and in doubt `minimize`.

The lanes fit it in microseconds. Then Gauss-Newton steps by QR (`gslfit.curves._polish`) take it down to rounding, and say whether the
lanes' answer was a minimum. Where it was not, `minimize` fits it again from the start, by GSL's solvers with the program's exact
derivatives, and has the last word: it looks for a parameter that lost its effect, tries other methods, and says in words what it found.

A `FitPlan` is what is prepared once for a model; `by_lanes` turns arrays into a `LazyResult`, numbers which become a `FitResult` when it
is asked for.
"""
from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property, partial
from math import inf, isfinite, nan, sqrt
from typing import Any

import numpy as np

from gslfit.curves._batch import MOST_CORRELATED, run
from gslfit.curves._polish import polish
from gslfit.curves.curve import Curve
from gslfit.curves.job import count_threads, default_nfev, transform_of
from gslfit.data.covariance import whitened
from gslfit.errors import ExpressionError, FitStatus, InputError, ParameterError
from gslfit.formula.formula import Formula
from gslfit.formula.parametrize import Folded, fold, refuse_idle
from gslfit.minimizer._uncertainty import covariance
from gslfit.minimizer.minimizer import Minimizer
from gslfit.minimizer.options import FitOptions
from gslfit.minimizer.propagation import Spread, correlations_of, determined, propagated
from gslfit.minimizer.result import FitResult
from gslfit.minimizer.uncertainty import NOTHING_VARIES, combinations, ending, touches
from gslfit.objective._loss import length
from gslfit.objective.objective import F8, Objective, are_finite
from gslfit.objective.residual import MODEL_MINUS_DATA, degrees_of_freedom, in_sign, residual, too_few_in_words
from gslfit.parameters.collection import Parameters
from gslfit.parameters.dependencies import unused
from gslfit.records import Record

SMALL = 10_000  # elements of a Jacobian below which one thread does it
LONG = 500_000  # elements of a Jacobian above which the sums of the lanes, over so many points, are as good as a decomposition
ENDINGS = {int(status): status for status in FitStatus}
I4, I1 = np.dtype(np.int32), np.dtype(np.int8)
LOWER = 1e-9    # share by which chi-square is lower
ROUGHLY = "Converged: chi-square is at its minimum."
CONVERGED = "Converged: chi-square is at its minimum, and rounding allows no further step."


class LaneEnd(Record):
    """Where the lanes, or GSL behind them, ended: a status, the free variables, the evaluations used so far."""

    status: FitStatus
    v: np.ndarray
    nfev: int


class FitPlan:
    """A formula with the parameters' roles folded in, and their start values.

    Parameters
    ----------
    formula : Formula
    params : Parameters
        Kept, and not to be changed afterwards.
    folded : Folded or None
        None where there is no program.
    values : mapping of str to float
        Start values of the parameters without expression.
    reason : str
        Why there is no program.
    """

    def __init__(self, formula: Formula, params: Parameters, folded: Folded | None, values: Mapping[str, Any], reason: str = ""):
        self.formula, self.params, self.folded, self.values, self.reason = formula, params, folded, values, reason
        self.names = folded.names if folded is not None else tuple(name for name, par in params.items() if par.vary)

    @cached_property
    def fixed(self) -> frozenset[str]:
        """The parameters that don't vary and have no expression."""
        return frozenset(name for name, par in self.params.items() if par.expr is None and not par.vary)

    @classmethod
    def of(cls, formula: Formula, params: Parameters) -> FitPlan:
        """Return the plan of a formula and its parameters.

        Raises
        ------
        InputError
            As `gslfit.formula.parametrize.fold`.
        """
        folded, reason = None, formula.reason
        try:
            folded = fold(formula, params) if formula.native else None
        except ExpressionError as error:
            reason = str(error)
        if folded is None:
            refuse_idle(unused(params, formula.names), formula)
        return cls(formula, params, folded, {name: par.value for name, par in params.items() if par.expr is None}, reason)


class LazyResult:
    """A fit's outcome as numbers, which become a `FitResult` when it is asked for."""

    __slots__ = ("deviations", "further", "jacobian", "message", "method", "nfev", "options", "plan", "residual", "rows", "sign", "start",
                 "status", "v", "values")

    def __init__(self, plan: FitPlan, values: Mapping[str, float], options: FitOptions, start: list[float], v: np.ndarray,
                 residual: np.ndarray, spread: tuple[np.ndarray, np.ndarray], nfev: int, status: FitStatus, message: str, method: str,
                 sign: int):
        self.plan, self.values, self.options, self.start, self.v, self.residual = plan, values, options, start, v, residual
        self.deviations, self.rows = spread
        self.nfev, self.status, self.message, self.method, self.sign = nfev, status, message, method, sign
        self.further: list[str] = []        # sentences that follow the message
        self.jacobian: np.ndarray | None = None     # of the weighted curve, where it doesn't determine every parameter

    def leave_open(self, jacobian: np.ndarray) -> None:
        """Take the Jacobian (n, p) of a weighted curve that leaves parameters open, and say which sums of them it determines."""
        self.jacobian = jacobian
        open_ = np.flatnonzero(np.isnan(self.deviations)).tolist()
        if len(open_) > 1 and np.isfinite(jacobian).all():
            self.further = combinations(jacobian[:, open_], [self.plan.names[k] for k in open_])

    def result(self) -> FitResult:
        """Return the FitResult; its residual is that of the points that take part."""
        options, names = self.options, self.plan.names
        scale = 1.0
        if options.scale_covar:
            freedom = degrees_of_freedom(len(self.residual), len(names))
            scale = length(self.residual)/sqrt(freedom) if freedom > 0 else nan
        spread = self.deviations*scale if options.covar else np.full(len(names), nan)
        errors = spread.tolist()
        together = determined(self.jacobian, self._held(), scale) if self.jacobian is not None and options.covar else None

        def part(name: str) -> Any:
            if name == "params":
                return self._params(spread, together)
            return covariance(spread, self.rows) if options.covar else None
        found = FitResult.later(
            part, method=self.method, success=self.status.success, errorbars=all(map(isfinite, errors)), status=self.status, nfev=self.nfev,
            var_names=list(names), residual=in_sign(self.residual, self.sign), init_vals=self.start.copy(),
            call_kws={"scale_covar": options.scale_covar} if options.loss == "linear" else {
                "scale_covar": options.scale_covar, "loss": options.loss, "f_scale": options.f_scale})
        found._determined = together
        found.message = ending(self.status, found, self.message, self.further) if names else NOTHING_VARIES
        return found

    def _held(self) -> np.ndarray:
        """Return which of the varying parameters have no error since they are at their bounds: ndarray of bool (p)."""
        params = self.plan.params
        return np.array([error != error and touches(value, begun, params[name].min, params[name].max) for name, error, value, begun
                         in zip(self.plan.names, self.deviations.tolist(), self.v.tolist(), self.start, strict=True)], bool)

    def _params(self, spread: np.ndarray, together: Spread | None) -> Parameters:
        """Return Parameters with the fit's results: their errors, and how uncertain they are together where that is more."""
        plan, folded = self.plan, self.plan.folded
        assert folded is not None
        names = folded.names
        params = plan.params.copy()
        found: dict[str, Any] = dict(zip(names, self.v.tolist(), strict=True))
        slopes: dict[str, np.ndarray] = {}
        if len(params) > len(names):
            for name, value in self.values.items():
                found.setdefault(name, float(value))
        began = found | dict(zip(names, self.start, strict=True))
        if folded.dependent_names:
            inputs = folded.inputs_of(self.values)
            began |= {name: value for name, (value, _) in folded.dependent(np.array(self.start), inputs).items()}
            for name, (value, row) in folded.dependent(self.v, inputs).items():
                found[name], slopes[name] = value, row
        known = Spread(spread, self._held() if slopes else np.zeros(len(names), bool), self.rows)
        params.conclude(found, began, _Errors(names, known, slopes, together or known))
        return params


class _Errors:
    """Standard errors and correlations of a fit's parameters, by name, worked out when somebody asks."""

    def __init__(self, names: tuple[str, ...], known: Spread, slopes: dict[str, np.ndarray], spread: Spread):
        self.errors, self.correlations = dict(zip(names, known.errors.tolist(), strict=True)), known.correlations
        self.spread, self.slopes = spread, slopes
        self.further: dict[str, float] | None = None

    def __call__(self, name: str) -> tuple[float | None, dict[str, float] | None]:
        """Return the standard error of a parameter (None where it has none) and its correlations (None where it doesn't vary)."""
        own = self.errors.get(name)
        if own is None:
            if self.further is None:
                found = propagated(np.array(list(self.slopes.values())), self.spread).tolist() if self.slopes else []
                self.further = dict(zip(self.slopes, found, strict=True))
            error = self.further.get(name, 0.0)
            return (error if error == error else None), None
        if own != own:
            return None, None
        assert self.correlations is not None
        row = self.correlations[list(self.errors).index(name)].tolist()
        return own, {other: r for other, r in zip(self.errors, row, strict=True) if other != name and r == r}


def blaming_priors(fit_from: Callable[[FitPlan], LazyResult | FitResult], prior: Any,
                   counts: bool) -> Callable[[FitPlan], LazyResult | FitResult]:
    """Return what fits a plan as `fit_from` does; an error at the start names the prior that is to blame for it, where there are any."""
    if prior is None:
        return fit_from
    from gslfit.curves.priors import naming_priors

    def fit_blaming(plan: FitPlan) -> LazyResult | FitResult:
        with naming_priors(prior, plan.params, plan.values, counts):
            return fit_from(plan)
    return fit_blaming


def fit_curve(plan: FitPlan, curve: Curve, options: FitOptions, method: str = "fit") -> LazyResult | FitResult:
    """Fit what is prepared; the residual of the result is that of the points that take part, in the sign of the objective.

    Parameters
    ----------
    plan : FitPlan
    curve : Curve
    options : FitOptions
    method : str
        What a result calls the lanes and their polish.

    Raises
    ------
    InputError
        If there are fewer points than parameters.
    ParameterError
        If a start is not finite, or outside its bounds.
    """
    objective = curve.objective
    assert objective is not None
    if plan.folded is None:
        check_count(plan, objective)
        if options.loss == "poisson":
            refuse_counts(curve, plan.values)
        return by_minimize(plan, curve, options)
    factor = None
    if objective.given.ycov is not None:
        if objective.policy == "omit":
            _leave_out_not_finite(plan, curve)
        if options.loss != "linear" or objective.ndata > MOST_CORRELATED:
            check_count(plan, objective)
            _check_start(plan)
            return by_minimize(plan, curve, options)
        factor = objective.square
    if options.method == "auto":
        check_count(plan, objective)
    ends: list[LaneEnd] = []
    found = by_lanes(plan, plan.values, objective.y, curve.points, objective.weights, options, method, objective.sign, ends,
                     factor)
    if found is not None:
        return found
    _check_start(plan)
    return in_doubt(plan, curve, options, ends[-1] if ends else None)


def refuse_counts(curve: Curve, values: Mapping[str, Any]) -> None:
    """Raise an error where data can't be counts, or the model isn't positive at these values of parameters without expression."""
    from gslfit.curves.counts import check_counts, check_means
    objective = curve.objective
    assert objective is not None
    check_counts(objective.given.name, objective.y, None)
    if all(name in values for name in curve.formula.names):
        check_means(curve.formula(**curve._points(), **{name: values[name] for name in curve.formula.names}), objective.y)


def _leave_out_not_finite(plan: FitPlan, curve: Curve) -> None:
    """Leave out points where the model isn't finite at the start: one would spoil all residuals that depend on it."""
    objective, folded = curve.objective, plan.folded
    assert objective is not None and folded is not None
    v, inputs = np.array([plan.values[name] for name in plan.names], float), folded.inputs_of(plan.values)
    objective.leave_out(np.isfinite(folded.program.evaluate(v, np.array(curve.points), inputs, jacobian=False)[0]))


def _check_start(plan: FitPlan) -> None:
    """Raise ParameterError for a start that is not finite, or outside its bounds."""
    assert plan.folded is not None
    for name in plan.names:
        if not isfinite(plan.values[name]):
            raise ParameterError(f"parameter {name!r} has the value {plan.values[name]}; give it a finite one")
        plan.folded.check(name, np.asarray(plan.values[name], float))


def check_count(plan: FitPlan, objective: Objective) -> None:
    """Raise InputError if there are fewer points than parameters."""
    count = objective.y.size
    if not count:
        objective.refuse_none()
    if count < len(plan.names):
        left = "" if objective.keep is None else f" of {objective.keep.size} that take part"
        raise InputError(f"{too_few_in_words(count, len(plan.names), left)} ({', '.join(plan.names)})")


def in_doubt(plan: FitPlan, curve: Curve, options: FitOptions, end: LaneEnd | None) -> FitResult:
    """Fit a curve whose end in the lanes, if there is one, the polish could not settle; a batch's judgement has the last word.

    What the lanes and GSL came to is judged first; where that is no minimum `minimize` fits from the start, and its success is judged too.
    """
    nfev = 0 if end is None else end.nfev
    if end is not None and end.status.success:
        judged = judge(plan, curve, options, end.v, nfev)
        nfev = judged.nfev
        if judged.status.success:
            return concluded(plan, curve, options, judged)
    result = by_minimize(plan, curve, options, nfev if options.max_nfev is not None else 0)
    if not result.success:
        return result
    v = np.array([float(result.params[name].value) for name in plan.names])
    judged = judge(plan, curve, options, v, result.nfev)
    here, there = result.chisqr, chi_square(plan, curve, judged.v)
    if judged.status in (FitStatus.BAD_DATA, FitStatus.NOT_RUN) or (judged.status.success and not there < here*(1 - LOWER)):
        return result
    return concluded(plan, curve, options, judged)


def judge(plan: FitPlan, curve: Curve, options: FitOptions, v: np.ndarray, nfev: int) -> LaneEnd:
    """Judge the point v that a fit from the plan's start has reached, as a batch judges: it may lead to a lower one."""
    folded, objective = plan.folded, curve.objective
    assert folded is not None and objective is not None
    start = np.array([plan.values[name] for name in folded.names], float)
    chisqr, used, count, status, there = np.empty(()), np.empty((), I4), np.empty((), I4), np.empty((), I1), start.copy()
    left = (options.max_nfev or default_nfev(plan.names)) - (nfev if options.max_nfev is not None else 0)
    run(folded.program, objective.y, curve.points, there, chisqr=chisqr, nfev=used, count=count, status=status,
        weights=objective.weights, inputs=[np.array(float(plan.values[name])) for name in folded.inputs], xtol=options.xtol,
        ftol=options.ftol, gtol=options.gtol, max_nfev=max(left, 1), reached=v.copy(), factor=objective.square,
        **bounds_of(folded, start, False))
    return LaneEnd(FitStatus(status.item()), there, nfev + used.item())


def chi_square(plan: FitPlan, curve: Curve, v: np.ndarray) -> float:
    """Return chi-square at a point, NaN where the model has no value."""
    folded, objective = plan.folded, curve.objective
    assert folded is not None and objective is not None
    inputs = np.array([plan.values[name] for name in folded.inputs], float) if folded.inputs else None
    model = folded.program.evaluate(v, np.array(curve.points), inputs, jacobian=False)[0]
    size = length(whitened(objective.factor, residual(model, objective.y, objective.weights)))
    return size*size


def by_lanes(plan: FitPlan, values: Mapping[str, float], y: np.ndarray, x: list[np.ndarray], weights: np.ndarray | None,
             options: FitOptions, label: str = "fit", sign: int = MODEL_MINUS_DATA, ends: list[LaneEnd] | None = None,
             factor: np.ndarray | None = None) -> LazyResult | None:
    """Fit one curve by the lanes, and polish.

    Parameters
    ----------
    plan : FitPlan
        With a program.
    values : mapping of str to float
        Start values of all parameters without expression.
    y : ndarray of float64, shape (n,)
    x : list of ndarray of float64, shape (n,)
    weights : ndarray of float64, shape (n,), or None
    options : FitOptions
    label : str
        What the result calls its method.
    sign : int
        Of the result's residual: `MODEL_MINUS_DATA` or `DATA_MINUS_MODEL`.
    ends : list of LaneEnd, optional
        An end in doubt is appended.
    factor : ndarray of float64, shape (n, n), optional
        What whitens the residuals, see `gslfit.data.covariance`.

    Returns
    -------
    LazyResult, or None
        None in any doubt: a start outside its bounds, no convergence, a flat. With a method other than "auto" there is no doubt.
    """
    folded = plan.folded
    assert folded is not None
    names, program, method = folded.names, folded.program, options.method
    p, n = len(names), len(y)
    if not names:
        return _as_it_is(plan, values, options, (y, x, weights, factor), label, sign)
    alone = method != "auto" or n*p > LONG          # there is no polish, which would know the errors
    if not alone and n <= p:
        return None
    v = np.array([values[name] for name in names], F8)
    if not (are_finite(v) and folded.holds(v)):
        return None
    start, begun = v.tolist(), v.copy()
    inputs = folded.inputs_of(values)
    chisqr, nfev, count, status = np.empty(()), np.empty((), I4), np.empty((), I4), np.empty((), I1)
    how = bounds_of(folded, v, alone)
    if alone:
        how["correlations"] = np.empty((p, p))
    fit: Callable[..., None] = partial(run, **how) if how else run      # unpacking a dict, even an empty one, costs half a microsecond
    fit(program, y, x, v, chisqr=chisqr, nfev=nfev, count=count, status=status, weights=weights,
        inputs=() if inputs is None else list(inputs), method=method, xtol=options.xtol, ftol=options.ftol, gtol=options.gtol,
        max_nfev=options.max_nfev or default_nfev(names), threads=count_threads(options.threads, n*p) if n*p >= SMALL else 1,
        factor=factor)
    ended = ENDINGS[status.item()]
    if alone:
        if method == "auto" and not ended.success:
            return None
        found = whitened(factor, residual(program.evaluate(v, np.array(x), inputs, jacobian=False)[0], y, weights))
        message = ROUGHLY if method == "auto" and ended != FitStatus.RANK_DEFICIENT else ""
        result = LazyResult(plan, values, options, start, v, found, spread_of(how), nfev.item(), ended, message, label, sign)
        if ended == FitStatus.RANK_DEFICIENT:
            slopes = np.asarray(program.evaluate(v, np.array(x), inputs)[1])
            result.leave_open(whitened(factor, slopes if weights is None else slopes*weights[:, None]))
        return result
    found, good, more, left = np.empty(n), False, 0, inf if options.max_nfev is None else options.max_nfev - nfev.item()
    reached = v.copy()
    if ended.success and ended != FitStatus.AT_BOUND and left > 0:      # the polish knows of no bounds
        settle = polish if left == inf else partial(polish, most=int(left))
        good, deviations, correlations, _, more = settle(program, v, x, y, weights, inputs, found, factor=factor, start=begun)
    if not (good and folded.holds(v)):
        if ends is not None:
            ends.append(LaneEnd(ended, reached, nfev.item() + more))
        stopped = more >= left
        return _stopped(plan, values, options, start, v, inputs, (y, x, weights, factor), nfev.item() + more, label,
                        sign) if stopped else None
    return LazyResult(plan, values, options, start, v, found, (deviations, correlations), nfev.item() + more, ended, CONVERGED, label,
                   sign)


def _as_it_is(plan: FitPlan, values: Mapping[str, float], options: FitOptions,
              data: tuple[np.ndarray, list[np.ndarray], np.ndarray | None, np.ndarray | None], label: str, sign: int) -> LazyResult | None:
    """Return a fit in which no parameter varies: the values as they are; None where the model has none at some point."""
    assert plan.folded is not None
    y, x, weights, factor = data
    none = np.zeros(0)
    model = plan.folded.program.evaluate(none, np.array(x), plan.folded.inputs_of(values), jacobian=False)[0]
    found = whitened(factor, residual(model, y, weights))
    if not np.isfinite(found).all():
        return None
    return LazyResult(plan, values, options, [], none, found, (none, np.zeros((0, 0))), 1, FitStatus.CONVERGED, "", label, sign)


def _stopped(plan: FitPlan, values: Mapping[str, float], options: FitOptions, start: list[float], v: np.ndarray, inputs: np.ndarray | None,
             data: tuple[np.ndarray, list[np.ndarray], np.ndarray | None, np.ndarray | None], nfev: int, label: str,
             sign: int) -> LazyResult | None:
    """Return a fit that used up the caller's limit of evaluations: the best values so far, without errors; None where there are none."""
    assert plan.folded is not None
    y, x, weights, factor = data
    p = len(v)
    if not plan.folded.holds(v):
        return None
    found = whitened(factor, residual(plan.folded.program.evaluate(v, np.array(x), inputs, jacobian=False)[0], y, weights))
    if not np.all(np.isfinite(found)):
        return None
    return LazyResult(plan, values, options, start, v, found, (np.full(p, nan), np.full((p, p), nan)), nfev, FitStatus.MAX_NFEV,
                      f"{FitStatus.MAX_NFEV.prose}.", label, sign)


def bounds_of(folded: Folded, start: np.ndarray, errors: bool) -> dict[str, Any]:
    """Return what `run` must know of the bounds of one fit; nothing where there are none and standard errors are not wanted."""
    if not (folded.bounded or errors):
        return {}
    derived = len(folded.dependent_names)
    return {"transform": transform_of(folded), "start": list(start), "scaled": False,
            "redchi": np.empty(()), "variance": np.empty(len(start)), "derived": np.empty(derived), "derived_errors": np.empty(derived)}


def spread_of(found: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Return standard deviations and correlations of what has a deviation, from what `run` wrote."""
    deviations = found["variance"]
    return deviations, correlations_of(deviations, found["correlations"])


def by_minimize(plan: FitPlan, curve: Curve, options: FitOptions, spent: int = 0) -> FitResult:
    """Fit by `minimize` from the start: a compiled residual where there is a program, else the formula itself.

    What others have spent of the caller's limit of evaluations counts.
    """
    minimizer, how = _minimizer(plan, curve, options)
    how["max_nfev"] = max(1, options.max_nfev - spent) if spent and options.max_nfev else options.max_nfev
    minimizer.minimize("lmder" if options.method == "lmder" else "leastsq", **how)
    return _told(minimizer, curve, spent)


def concluded(plan: FitPlan, curve: Curve, options: FitOptions, end: LaneEnd) -> FitResult:
    """Return the result of an end that has been judged, in the words of `minimize`."""
    minimizer, how = _minimizer(plan, curve, options)
    minimizer.conclude_at(dict(zip(plan.names, end.v.tolist(), strict=True)), end.status, **how)
    assert minimizer.result is not None
    minimizer.result.nfev = 0
    return _told(minimizer, curve, end.nfev)


def _minimizer(plan: FitPlan, curve: Curve, options: FitOptions) -> tuple[Minimizer, dict[str, Any]]:
    """Return a Minimizer at the plan's start, and the options of its fit."""
    params, objective = plan.params.copy(), curve.objective
    assert objective is not None
    for name, value in plan.values.items():
        if params[name].expr is None:
            params[name].value = float(value)
    function, exact = curve.residual(params, MODEL_MINUS_DATA)
    counts = options.loss == "poisson"      # whose deviance residuals are fitted by least squares
    return Minimizer(function, params), {
        "xtol": options.xtol, "ftol": options.ftol, "gtol": options.gtol, "scale_covar": options.scale_covar, "covar": options.covar,
        "nan_policy": "omit" if objective.policy == "omit" else "raise", "loss": "linear" if counts else options.loss,
        "f_scale": options.f_scale, **exact}


def _told(minimizer: Minimizer, curve: Curve, spent: int) -> FitResult:
    """Return a fitted Minimizer's result, its residual in the sign of the objective."""
    result, objective = minimizer.result, curve.objective
    assert result is not None and objective is not None
    result.nfev += spent
    objective.leave_out(minimizer.left_in)
    if hasattr(minimizer.function, "share"):
        result.call_kws |= {"loss": "poisson", "f_scale": 1.0}
    objective.loss = result.loss
    if objective.sign != MODEL_MINUS_DATA:
        result.residual = objective.signed(result.residual)
        result.call_kws |= curve.residual(minimizer.params)[1]
    return result
