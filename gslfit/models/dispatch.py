"""Who fits a model: the lanes and their polish where there is a program, `Minimizer` where there is none or more is asked for."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from gslfit.curves.fast_path import plan_of, quick_fit
from gslfit.curves.fit import fit
from gslfit.errors import ExpressionError, NonFiniteError
from gslfit.formula.formula import Formula
from gslfit.formula.program_residual import native_residual
from gslfit.minimizer.minimizer import Minimizer, engine_of
from gslfit.parameters.collection import Parameters

LANES = "leastsq"     # the method that the lanes stand for


class Request(Protocol):
    """What is asked for: a model, its data, parameters and options; a `ModelResult` has them."""

    model: Any
    data: Any
    weights: Any
    userkws: dict[str, Any]
    method: str
    iter_cb: Callable[..., Any] | None
    scale_covar: bool
    nan_policy: str
    calc_covar: bool
    max_nfev: int | None
    fit_kws: dict[str, Any]
    _memory: dict[str, Any]

    @property
    def params(self) -> Parameters:
        """The fitted parameters."""

    @property
    def init_params(self) -> Parameters:
        """The start."""


def native_of(result: Request) -> tuple[Formula, dict[str, np.ndarray]] | None:
    """The formula and the independent variables of a fit that can run compiled, or None."""
    model, data = result.model, result.data
    if not isinstance(data, np.ndarray) or data.dtype != np.float64 or not data.size:
        return None
    options = {name: value for name, value in result.userkws.items() if name in model.opts}
    formula = model._formula(options)
    if not formula.native:
        return None
    x = {}
    for name in formula.independent:
        value = result.userkws.get(name)
        if not isinstance(value, np.ndarray) or value.dtype != np.float64 or value.shape != data.shape:
            return None
        x[name] = value.reshape(-1)
    return formula, x


def run_fit(result: Request) -> Any:
    """Fit, and return a FitResult (or what becomes one when it is asked for)."""
    found = native_of(result)
    plain = result.iter_cb is None and not result.fit_kws and result.calc_covar and result.nan_policy != "propagate"
    if found is None:
        return _by_minimizer(result, *_called(result))
    formula, x = found
    if result.method == LANES and plain:
        y = result.data.reshape(-1)
        weights = result.weights
        if weights is not None:
            weights = np.ascontiguousarray(np.broadcast_to(np.asarray(weights, float), result.data.shape).reshape(-1))
        plan = plan_of(formula, result.init_params) if result.max_nfev is None else None
        if plan is not None:
            arrays = [np.ascontiguousarray(each) for each in x.values()]
            quick = quick_fit(plan, plan.values, np.ascontiguousarray(y), arrays, weights, result.scale_covar)
            if quick is not None:
                return quick
        outcome = fit(formula, y, result.init_params, x=x, weights=weights, max_nfev=result.max_nfev, scale_covar=result.scale_covar)
        np.negative(outcome.residual, out=outcome.residual)
        outcome.method = LANES
        return outcome
    return _by_minimizer(result, *_compiled(result, formula, x))


def _compiled(result: Request, formula: Formula, x: dict[str, np.ndarray]) -> tuple[Callable[..., Any], Callable[..., Any] | None]:
    """The residual (data - model)*weights and its Jacobian, from the program."""
    weights = None if result.weights is None else np.broadcast_to(np.asarray(result.weights, float), result.data.shape).reshape(-1)
    try:
        residual, jacobian = native_residual(formula, result.init_params, list(x.values()), result.data.reshape(-1), weights)
    except ExpressionError:
        return _called(result)
    return lambda params: -residual(params), lambda params: -jacobian(params)


def _called(result: Request) -> tuple[Callable[..., Any], None]:
    """The residual by calling the model."""
    model, data, weights, values = result.model, result.data, result.weights, result.userkws
    strict = result.nan_policy == "raise"

    def residual(params: Parameters) -> np.ndarray:
        value = np.asarray(model.eval(params, **values))
        if strict and not np.all(np.isfinite(value)):
            shown = ", ".join(f"{name}={par.value!r}" for name, par in params.items() if name in model.param_names)
            raise NonFiniteError(f"the model {model._reprstring()} gave NaN or an infinity at {shown}: look at the function, or set "
                                 "bounds; nan_policy='omit' is about data and does not help")
        difference = np.asarray(data - value)
        if difference.dtype.kind == "c":
            if weights is not None:
                factors = weights if np.iscomplexobj(weights) else weights + 1j*np.asarray(weights)
                difference = difference.real*factors.real + 1j*difference.imag*factors.imag
            return difference
        return difference if weights is None else difference*weights

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
    return outcome


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
