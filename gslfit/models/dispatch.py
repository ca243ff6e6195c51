"""Who fits a model: the lanes and their polish where there is a program, `Minimizer` where there is none or more is asked for."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from gslfit.curves.fast_path import plan_of, quick_fit
from gslfit.curves.fit import fit_points
from gslfit.errors import ExpressionError, NonFiniteError
from gslfit.formula.formula import Formula
from gslfit.formula.program_residual import native_residual
from gslfit.minimizer.minimizer import Minimizer, engine_of
from gslfit.objective.objective import Objective
from gslfit.parameters.collection import Parameters

LANES = "leastsq"     # the method that the lanes stand for


class Request(Protocol):
    """What is asked for: a model, its data, parameters and options; a `ModelResult` has them."""

    model: Any
    method: str
    iter_cb: Callable[..., Any] | None
    scale_covar: bool
    nan_policy: str
    calc_covar: bool
    max_nfev: int | None
    fit_kws: dict[str, Any]
    _memory: dict[str, Any]

    @property
    def objective(self) -> Objective:
        """What is minimised."""

    def arguments(self) -> dict[str, Any]:
        """What a function that is called gets besides parameters."""

    @property
    def params(self) -> Parameters:
        """The fitted parameters."""

    @property
    def init_params(self) -> Parameters:
        """The start."""


def native_of(result: Request) -> tuple[Formula, dict[str, np.ndarray]] | None:
    """The formula and the independent variables of a fit that can run compiled, or None."""
    model, objective = result.model, result.objective
    formula = model._formula({name: value for name, value in result.arguments().items() if name in model.opts})
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
            quick = quick_fit(plan, plan.values, objective.y, list(x.values()), objective.weights, result.scale_covar)
            if quick is not None:
                return quick
        outcome = fit_points(formula, result.init_params, objective, x, max_nfev=result.max_nfev, scale_covar=result.scale_covar)
        outcome.residual = objective.signed(outcome.residual)
        outcome.method = LANES
        return objective.concluded(outcome)
    return _by_minimizer(result, *_compiled(result, formula, x))


def _compiled(result: Request, formula: Formula, x: dict[str, np.ndarray]) -> tuple[Callable[..., Any], Callable[..., Any] | None]:
    """The residual (data - model)*weights and its Jacobian, from the program."""
    objective = result.objective
    try:
        residual, jacobian = native_residual(formula, result.init_params, list(x.values()), objective.y, objective.weights)
    except ExpressionError:
        return _called(result)
    return lambda params: objective.signed(residual(params)), lambda params: objective.signed(jacobian(params))


def _called(result: Request) -> tuple[Callable[..., Any], None]:
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
    assert minimizer._setup is not None
    return result.objective.concluded(outcome, minimizer._setup.residual._keep)


def fitted_minimizer(result: Request) -> Minimizer:
    """A Minimizer at the minimum that the fit found."""
    found = native_of(result)
    residual, jacobian = _called(result) if found is None else _compiled(result, *found)
    options: dict[str, Any] = {} if jacobian is None else {"Dfun": jacobian}
    minimizer = Minimizer(residual, result.params.copy(), scale_covar=result.scale_covar, **options)
    minimizer.leastsq()
    return minimizer


def engine_options(result: Request) -> dict[str, Any]:
    """The options of a Minimizer's engine."""
    options = {"scale_covar": result.scale_covar, "calc_covar": result.calc_covar, "nan_policy": result.nan_policy, **result.fit_kws}
    if result.max_nfev is not None:
        options["maxfev"] = result.max_nfev
    if result.iter_cb is not None:
        options["iter_cb"] = result.iter_cb
    return options
