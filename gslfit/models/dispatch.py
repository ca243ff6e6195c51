"""The solver of a model's fit: lanes and polish where there is a program, `Minimizer` where there is none or more is needed."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from gslfit.checks import pickles
from gslfit.curves.counts import check_counts, check_factors_of, check_means
from gslfit.curves.curve import Curve
from gslfit.curves.pipeline import FitPlan, LazyResult, blaming_priors, fit_curve
from gslfit.errors import ExpressionError, InputError, NonFiniteError, warn
from gslfit.formula.formula import Formula
from gslfit.formula.parametrize import refuse_idle
from gslfit.minimizer.minimizer import Minimizer, fitted_as, method_of
from gslfit.minimizer.options import FIT, MINIMIZE, MODEL, SYNONYMS, FitOptions, named
from gslfit.minimizer.result import FitResult
from gslfit.models.preparation import objective_of
from gslfit.objective.loss import Loss
from gslfit.objective.objective import Objective
from gslfit.parameters.collection import Parameters
from gslfit.parameters.dependencies import unused

LANES = "leastsq"     # the method that the lanes stand for
SHARED = ("xtol", "ftol", "gtol", "max_nfev", "nan_policy", "scale_covar", "covar", "loss", "f_scale", "starts", "ranges")
"""What they understand."""
PLAIN = tuple(getattr(MODEL.defaults, name) for name in ("method", "iter_cb", "scale_covar", "covar", "max_nfev", "nan_policy"))


class Fitted(Protocol):
    """A model, and what it is fitted to."""

    model: Any
    nan_policy: str

    @property
    def objective(self) -> Objective:
        """What is minimised."""

    def arguments(self) -> dict[str, Any]:
        """Return what a function that is called gets besides parameters."""


class Request(Fitted, Protocol):
    """A model, its data, parameters and options; a `ModelResult` has them."""

    data: Any
    weights: Any
    userkws: dict[str, Any]
    method: str
    iter_cb: Callable[..., Any] | None
    scale_covar: bool
    calc_covar: bool
    max_nfev: int | None
    fit_kws: dict[str, Any]
    _memory: dict[str, Any]
    _prepared: tuple[Objective, Any, Any, str] | None
    _mask: np.ndarray | None
    _ycov: Any
    _prior: Any
    _unset: tuple[str, ...]

    def _loss(self) -> Loss | None:
        """Return the loss of a fit that was done."""

    @property
    def params(self) -> Parameters:
        """The fitted parameters."""

    @property
    def init_params(self) -> Parameters:
        """The start."""


def native_of(result: Fitted) -> tuple[Formula, dict[str, np.ndarray]] | None:
    """Return the formula and the independent variables of a fit that can run compiled, or None."""
    model, objective = result.model, result.objective
    opts = model.opts
    formula = model._formula({name: value for name, value in result.arguments().items() if name in opts} if opts else {})
    if not formula.native or not objective.ndata:
        return None
    x = {name: objective.x[name] for name in formula.independent if name in objective.x}
    real = all(array.dtype.kind != "c" for array in (objective.y, *x.values(), *([] if objective.weights is None else [objective.weights])))
    return (formula, x) if real and len(x) == len(formula.independent) else None


def run_fit(result: Request) -> Any:
    """Fit, and return a FitResult (or what becomes one when it is asked for)."""
    options = options_of(result)
    result.objective.loss = None        # of a fit before
    check_factors_of(options.loss, result.objective.given)
    found = native_of(result)
    if options.loss == "poisson":
        check_counts(result.objective.given.name, result.objective.y, None)
        result.objective.loss = Loss("poisson")
    if found is None:
        return _by_minimizer(result, options, *_called(result))
    formula, x = found
    lanes = None if method_options(result) else for_lanes(options)
    if lanes is None:
        return _by_minimizer(result, options, *_compiled(result, formula, x, result.init_params))
    objective = result.objective
    objective.loss = Loss("poisson") if lanes.loss == "poisson" else None       # which says how priors are told
    curve = Curve(formula, objective)
    whole = curve.extended()
    plan = FitPlan.of(whole.formula, result.init_params)
    if plan.folded is None:
        warn(f"the fit calls Python for each evaluation: {plan.reason}")

    def fit_from(plan: FitPlan) -> LazyResult | FitResult:
        if lanes.loss == "linear" or plan.folded is None or objective.given.ycov is not None:
            return fit_curve(plan, whole, lanes, options.method)
        from gslfit.curves.fit_by_loss import fit_by_loss
        return fit_by_loss(plan, whole, lanes, options.method)
    blaming = blaming_priors(fit_from, objective.given.prior, lanes.loss == "poisson")
    if options.several:
        from gslfit.curves.multistart import from_many
        from gslfit.minimizer.descents import boxes_of
        from gslfit.minimizer.multistart import Several, count_of, placed
        places = placed(options, boxes_of(result.init_params), [*result.init_params])
        several = Several(count_of(options), places, result._unset, options.starts == "auto")
        outcome: LazyResult | FitResult = from_many(plan, whole, lanes, several, blaming)
    else:
        outcome = blaming(plan)
    if whole is not curve:
        assert whole.objective is not None
        objective.follow(whole.objective)
    return objective.concluded(outcome) if isinstance(outcome, FitResult) else outcome


def unused_by(model: Any, params: Parameters) -> tuple[str, ...]:
    """Return varying parameters that a model doesn't take, by itself or by an expression; a function of ``**kws`` takes all."""
    if params.keys() <= set(model.param_names) or any(part._definition.starred for part in model.components):
        return ()
    return unused(params, model.param_names)


def options_of(result: Request) -> FitOptions:
    """Return the options of a model's fit."""
    call = (result.method, result.iter_cb, result.scale_covar, result.calc_covar, result.max_nfev, result.nan_policy)
    if call == PLAIN and not result.fit_kws:
        return MODEL.defaults
    given = {"method": result.method, "iter_cb": result.iter_cb, "scale_covar": result.scale_covar, "covar": result.calc_covar,
             "max_nfev": result.max_nfev, "nan_policy": result.nan_policy}
    if result.fit_kws:
        own = method_options(result)
        given |= named({name: value for name, value in result.fit_kws.items() if name not in own})
    return MODEL.read(given)


def method_options(result: Request) -> dict[str, Any]:
    """Return options that only one method of `Minimizer` has."""
    if not result.fit_kws:
        return {}
    return {name: value for name, value in result.fit_kws.items() if SYNONYMS.get(name, name) not in MODEL.takes}


def for_lanes(options: FitOptions) -> FitOptions | None:
    """Return what the lanes and their polish are told for a model's fit; None where it asks for what they don't have."""
    if options == MODEL.defaults:
        return FIT.defaults
    if options.method != LANES or options.nan_policy == "propagate":
        return None
    known = {name: getattr(options, name) for name in SHARED}
    return FIT.defaults._replace(**known) if options == MODEL.defaults._replace(**known) else None


def _compiled(result: Fitted, formula: Formula, x: dict[str, np.ndarray],
              params: Parameters) -> tuple[Callable[..., Any], Callable[..., Any] | None]:
    """Return the residual (data - model)*weights and its Jacobian, from the program; `params` say which vary."""
    from gslfit.formula.program_residual import ProgramResidual
    objective = result.objective
    if objective.given.prior is not None:
        whole = Curve(formula, objective).extended()
        assert whole.objective is not None
        formula, objective, x = whole.formula, whole.objective, dict(zip(whole.formula.independent, whole.points, strict=True))
    try:
        residual = ProgramResidual(formula, params, list(x.values()), objective.y, objective.weights, objective.sign, objective.loss,
                                   objective.factor)
    except ExpressionError:
        return _called(result)
    return residual, residual.jacobian


def _called(result: Fitted) -> tuple[Callable[..., Any], None]:
    """Return the residual by calling the model."""
    model, objective, values = result.model, result.objective, result.arguments()

    prior = objective.given.prior

    def means(params: Parameters) -> np.ndarray:
        return objective.values(model._name or model._reprstring(), model.eval(params, **values))

    def residual(params: Parameters) -> np.ndarray:
        found = objective.residual(means(params))
        if prior is None:
            return found
        return np.concatenate([found, objective.signed(prior.residual({name: par.value for name, par in params.items()}))])

    residual.__name__ = f"the model {model._reprstring()}"      # what errors call it
    if objective.loss is not None and not objective.loss.robust:
        loss = objective.loss

        def share(params: Parameters) -> np.ndarray:
            known = np.ones(0 if prior is None else len(prior.texts))       # priors have normal errors
            return np.concatenate([loss.share(means(params), objective.y), known])
        residual.share, residual.means = share, means      # type: ignore[attr-defined]
    return residual, None


def _by_minimizer(result: Request, options: FitOptions, residual: Callable[..., Any], jacobian: Callable[..., Any] | None) -> Any:
    """Fit by a `Minimizer`."""
    if result.objective.given.prior is None:
        result.objective.refuse_none()
    refuse_idle(unused_by(result.model, result.init_params), result.model._reprstring())
    minimizer = Minimizer(residual, result.init_params.copy())
    minimizer._unset = result._unset
    told = {name: value for name, value in MODEL.changed(options._asdict()).items() if name in MINIMIZE.takes}
    counts = told.pop("loss", None) if options.loss == "poisson" else None
    if jacobian is not None:
        if counts:
            raise InputError(f'loss="poisson" of a model that compiles takes method="leastsq", not {options.method!r}')
        told.setdefault("jac", jacobian)
    try:
        method_of(options.method)(minimizer, **told, **method_options(result))
    except NonFiniteError:
        if counts:
            check_means(residual.means(result.init_params), result.objective.y)     # type: ignore[attr-defined]
        raise
    outcome = minimizer.result
    assert outcome is not None
    outcome.method = result.method
    result.objective.leave_out(minimizer.left_in)
    if counts:
        outcome.call_kws |= {"loss": "poisson", "f_scale": 1.0}
    result.objective.loss = outcome.loss
    return result.objective.concluded(outcome)


class ModelSource:
    """A model and what it was fitted to, as a result keeps them.

    Parameters
    ----------
    result : Request
        Whose they are.
    """

    def __init__(self, result: Request) -> None:
        self.model, self.nan_policy, self.userkws = result.model, result.nan_policy, dict(result.userkws)
        self.data, self.factors = result.data, result.weights
        self._objective, self._mask = None if result._prepared is None else result._prepared[0], result._mask
        self._loss, self._ycov, self._prior = result._loss(), result._ycov, result._prior

    @property
    def objective(self) -> Objective:
        """What was minimised; that of a fit by the fast path is made when it is asked for."""
        if self._objective is None:
            self._objective = objective_of(self.model, self.data, self.userkws, self.nan_policy, weights=self.factors, mask=self._mask,
                                           ycov=self._ycov)
            self._objective.loss = self._loss
            self._objective.given = self._objective.given._replace(prior=self._prior)
        return self._objective

    def arguments(self) -> dict[str, Any]:
        """Return what a function that is called gets besides parameters."""
        return {**self.userkws, **self.objective.arguments()}

    @property
    def title(self) -> str:
        """What pictures call it."""
        return self.model.name

    @property
    def independent(self) -> dict[str, Any]:
        """The independent variables by name."""
        return independent_of(self)

    def eval(self, params: Any, values: dict[str, Any]) -> Any:
        """Evaluate the model."""
        return self.model.eval(params, **{**self.userkws, **values})

    def best_fit(self, params: Any) -> Any:
        """Evaluate at the points that take part, NaN at the others."""
        return self.objective.spread(self.objective.values(self.model._reprstring(), self.model.eval(params, **self.arguments())))

    def slopes(self, params: Parameters, names: list[str], values: dict[str, Any], dscale: float) -> np.ndarray:
        """Return the derivatives by varying parameters at all points, or at those of `values`: ndarray (p, n)."""
        from gslfit.models.uncertainty import slopes
        return slopes(self.model, params, names, {**self.userkws, **values}, dscale)

    def weighted_slopes(self, params: Parameters, names: list[str], dscale: float) -> np.ndarray | None:
        """Return the derivatives of the weighted model at the points that take part: ndarray (p, n); None where it is complex."""
        from gslfit.models.uncertainty import slopes
        objective = self.objective
        formula = native_of(self)
        if objective.given.prior is not None and formula is not None:
            return Curve(formula[0], objective).weighted_slopes(params, names, dscale)
        found = slopes(self.model, params, names, self.arguments(), dscale)
        if found.shape[1] != objective.ndata:
            return None
        if objective.loss is not None and objective.y.dtype.kind != "c":
            return found*objective.loss.factors(objective.values(self.title, self.model.eval(params, **self.arguments())), objective.y,
                                                objective.weights)
        return objective.weighed(found)

    @property
    def ycov(self) -> np.ndarray | None:
        """The covariance of the data's errors, where they are correlated."""
        return None if self.objective.given.ycov is None else self.objective.given.ycov.array

    @property
    def weights(self) -> np.ndarray | None:
        """What multiplies the residuals of all points, flat, NaN where one takes no part; None where nothing does."""
        return self.objective.all_weights

    def shaped(self, flat: np.ndarray, values: dict[str, Any]) -> Any:
        """Return numbers of the data's points in the data's shape, NaN where a point takes no part; of other points as they are."""
        whole = np.shape(self.data)
        return flat if values or flat.size != np.size(self.data) else self.objective.blanked(flat.reshape(whole))

    def minimizer(self, result: Any) -> Minimizer:
        """Return a Minimizer that has `result` for its result."""
        found = native_of(self)
        residual, jacobian = _called(self) if found is None else _compiled(self, *found, result.params)
        exact: dict[str, Any] = {} if jacobian is None else {"jac": jacobian}
        return fitted_as(result, residual, nan_policy=self.nan_policy, scale_covar=result.call_kws.get("scale_covar", True), **exact)

    def curve(self) -> Curve | None:
        """Return the model's formula with the data, None where the model is called."""
        found = native_of(self)
        return None if found is None else Curve(found[0], self.objective)

    def keeps(self) -> bool:
        """Return whether the model can be pickled."""
        return pickles(self.model)


def independent_of(fitted: Any) -> dict[str, Any]:
    """Return the independent variables of a model's fit by name."""
    return {name: fitted.userkws[name] for name in fitted.model.independent_vars
            if name not in fitted.model.opts and name in fitted.userkws}
