"""Who fits a model: the lanes and their polish where there is a program, `Minimizer` where there is none or more is asked for."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from gslfit.curves.curve import Curve
from gslfit.curves.fast_path import fast_fit, plan_of
from gslfit.curves.fit import fit_points
from gslfit.errors import ExpressionError, NonFiniteError
from gslfit.formula.formula import Formula
from gslfit.formula.program_residual import ProgramResidual
from gslfit.minimizer.minimizer import Minimizer, engine_of, fitted_as
from gslfit.minimizer.result import pickles
from gslfit.models.preparation import objective_of
from gslfit.models.uncertainty import slopes
from gslfit.objective.objective import Objective
from gslfit.parameters.collection import Parameters

LANES = "leastsq"     # the method that the lanes stand for


class Fitted(Protocol):
    """A model, and what it is fitted to."""

    model: Any
    nan_policy: str

    @property
    def objective(self) -> Objective:
        """What is minimised."""

    def arguments(self) -> dict[str, Any]:
        """What a function that is called gets besides parameters."""


class Request(Fitted, Protocol):
    """What is asked for: a model, its data, parameters and options; a `ModelResult` has them."""

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

    @property
    def params(self) -> Parameters:
        """The fitted parameters."""

    @property
    def init_params(self) -> Parameters:
        """The start."""


def native_of(result: Fitted) -> tuple[Formula, dict[str, np.ndarray]] | None:
    """The formula and the independent variables of a fit that can run compiled, or None."""
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
    found = native_of(result)
    plain = result.iter_cb is None and not result.fit_kws and result.calc_covar and result.nan_policy != "propagate"
    if found is None:
        return _by_minimizer(result, *_called(result))
    formula, x = found
    if result.method == LANES and plain:
        objective = result.objective
        plan = plan_of(formula, result.init_params) if result.max_nfev is None else None
        if plan is not None:
            fast = fast_fit(plan, plan.values, objective.y, list(x.values()), objective.weights, result.scale_covar)
            if fast is not None:
                return fast
        outcome = fit_points(Curve(formula, objective), result.init_params, max_nfev=result.max_nfev, scale_covar=result.scale_covar)
        outcome.method = LANES
        return objective.concluded(outcome)
    return _by_minimizer(result, *_compiled(result, formula, x, result.init_params))


def _compiled(result: Fitted, formula: Formula, x: dict[str, np.ndarray],
              params: Parameters) -> tuple[Callable[..., Any], Callable[..., Any] | None]:
    """The residual (data - model)*weights and its Jacobian, from the program; `params` say which vary."""
    objective = result.objective
    try:
        residual = ProgramResidual(formula, params, list(x.values()), objective.y, objective.weights, objective.sign)
    except ExpressionError:
        return _called(result)
    return residual, residual.jacobian


def _called(result: Fitted) -> tuple[Callable[..., Any], None]:
    """The residual by calling the model."""
    model, objective, values = result.model, result.objective, result.arguments()
    strict = result.nan_policy == "raise"

    def residual(params: Parameters) -> np.ndarray:
        value = objective.values(model._name or model._reprstring(), model.eval(params, **values))
        if strict and not np.all(np.isfinite(value)):
            shown = ", ".join(f"{name}={par.value!r}" for name, par in params.items() if name in model.param_names)
            raise NonFiniteError(f"the model {model._reprstring()} gave NaN or an infinity at {shown}: look at the function, or set "
                                 "bounds; nan_policy='omit' is about data and does not help")
        return objective.residual(value)

    return residual, None


def _by_minimizer(result: Request, residual: Callable[..., Any], jacobian: Callable[..., Any] | None) -> Any:
    """Fit by a `Minimizer`."""
    minimizer = Minimizer(residual, result.init_params.copy())
    options = engine_options(result)
    if jacobian is not None:
        options.setdefault("Dfun", jacobian)
    engine_of(result.method)(minimizer, **options)
    result._memory["minimizer"] = minimizer
    outcome = minimizer.result
    assert outcome is not None
    outcome.method = result.method
    result.objective.leave_out(minimizer.left_in)
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

    @property
    def objective(self) -> Objective:
        """What was minimised; that of a fit by the fast path is made when it is asked for."""
        if self._objective is None:
            self._objective = objective_of(self.model, self.data, self.userkws, self.nan_policy, weights=self.factors, mask=self._mask)
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
        return slopes(self.model, params, names, {**self.userkws, **values}, dscale)

    def shaped(self, flat: np.ndarray, values: dict[str, Any]) -> Any:
        """Return numbers of the data's points in the data's shape, NaN where a point takes no part; of other points as they are."""
        whole = np.shape(self.data)
        return flat if values or flat.size != np.size(self.data) else self.objective.blanked(flat.reshape(whole))

    def minimizer(self, result: Any) -> Minimizer:
        """Return a Minimizer that has `result` for its result."""
        found = native_of(self)
        residual, jacobian = _called(self) if found is None else _compiled(self, *found, result.params)
        exact: dict[str, Any] = {} if jacobian is None else {"Dfun": jacobian}
        return fitted_as(result, residual, nan_policy=self.nan_policy, **exact)

    def keeps(self) -> bool:
        """Return whether the model can be pickled."""
        return pickles(self.model)


def independent_of(fitted: Any) -> dict[str, Any]:
    """The independent variables of a model's fit by name."""
    return {name: fitted.userkws[name] for name in fitted.model.independent_vars
            if name not in fitted.model.opts and name in fitted.userkws}


def engine_options(result: Request) -> dict[str, Any]:
    """The options of a Minimizer's engine."""
    options = {"scale_covar": result.scale_covar, "calc_covar": result.calc_covar, "nan_policy": result.nan_policy, **result.fit_kws}
    if result.max_nfev is not None:
        options["maxfev"] = result.max_nfev
    if result.iter_cb is not None:
        options["iter_cb"] = result.iter_cb
    return options
