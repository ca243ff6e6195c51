"""A fit as resampling needs it: where it ended, its curve or its residual function, its residuals."""
from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from math import sqrt
from typing import Any

import numpy as np

from gslfit.confidence.ftest import scaled
from gslfit.curves.curve import Curve
from gslfit.data.inputs import Factors, Inputs
from gslfit.data.layout import Layout
from gslfit.errors import ExpressionError, FitStatus, InputError, InputTypeError
from gslfit.formula.program_residual import ProgramResidual, compiled_residual
from gslfit.minimizer.answers import Answers
from gslfit.minimizer.bands import undetermined
from gslfit.minimizer.result import FitResult
from gslfit.objective._loss import length
from gslfit.objective.loss import MAD, Loss
from gslfit.objective.objective import Objective
from gslfit.objective.residual import MODEL_MINUS_DATA
from gslfit.parameters.collection import Parameters


class Fitted:
    """One fit, to be repeated with other data.

    Parameters
    ----------
    result : FitResult
        Of a successful fit that still has what was fitted.
    asked : str
        What was asked of it, for messages.

    Attributes
    ----------
    params : Parameters
        At the best fit.
    names : tuple of str
        The varying parameters.
    curve : Curve or None
        What was fitted, where rows of it can be fitted as a batch; None where only a residual function can be called.
    loss : Loss or None
        What was minimised in place of the sum of squares.
    """

    def __init__(self, result: FitResult, asked: str) -> None:
        self.result, self.asked = result, asked
        self.params: Parameters = result.params.copy()
        self.names = tuple(result.var_names)
        self.loss: Loss | None = result.loss
        self.source: Any = result._source
        self.curve = curve_of(self.source, self.params)
        if self.curve is not None and self.curve.objective is None:
            raise InputError(f"{asked} needs the data, and they are not there: a batch is saved without them; fit again")

    @property
    def objective(self) -> Objective | None:
        """What was minimised, where a model was fitted to data."""
        known = self.curve if self.curve is not None else self.source
        return getattr(known, "objective", None)

    @cached_property
    def known(self) -> bool:
        """Whether the errors of the data are known, rather than estimated by the fit."""
        return not scaled(self.result, {})

    @property
    def modelled(self) -> bool:
        """Whether a model was fitted, not a residual function."""
        return hasattr(self.source, "eval")

    @property
    def counts(self) -> bool:
        """Whether counts were fitted by their likelihood."""
        return self.loss is not None and not self.loss.robust

    # -- points

    @cached_property
    def function(self) -> Callable[[Parameters], np.ndarray]:
        """The weighted residual as a function of parameters, flat, complex where it is; of the points that take part."""
        minimizer = self.minimizer

        def flat(params: Parameters) -> np.ndarray:
            found = np.asarray(minimizer.function(params, *minimizer.fcn_args, **minimizer.fcn_kws))
            return found.astype(complex if found.dtype.kind == "c" else float).reshape(-1)
        return flat

    @cached_property
    def minimizer(self) -> Any:
        """A Minimizer of the same residual."""
        return self.source.minimizer(self.result)

    @cached_property
    def all_residuals(self) -> np.ndarray:
        """The weighted residuals at the best fit: of a curve data - model in units of one standard error, else as the function has them.

        Those of priors are behind those of the data where a function is called.
        """
        if self.curve is None:
            return self.function(self.params)
        objective = self.curve.objective
        assert objective is not None
        if self.loss is None:
            return -objective.residual(self.model, MODEL_MINUS_DATA)
        return (objective.y - self.model)*(1.0 if objective.weights is None else objective.weights)

    @property
    def prior(self) -> Any:
        """What was known of the parameters beforehand, `gslfit.curves.priors.Priors` or None."""
        return None if self.objective is None else self.objective.given.prior

    @cached_property
    def taking_part(self) -> np.ndarray:
        """Which of a called function's residuals take part: those that are finite, and of a point with weight; ndarray of bool."""
        found = np.isfinite(self.all_residuals)
        weights = None if self.objective is None else self.objective.weights
        if weights is not None:
            found[:weights.size] &= weights != 0
        return found

    @cached_property
    def residuals(self) -> np.ndarray:
        """The weighted residuals of the data's points that take part, without those of priors: ndarray (n,)."""
        if self.curve is not None:
            return self.all_residuals
        found = self.all_residuals[self.taking_part]
        return found if self.prior is None else found[:-len(self.prior.texts)]

    @property
    def n(self) -> int:
        """How many points take part."""
        return self.residuals.size

    @property
    def freedom(self) -> int:
        """How many more numbers there are among the residuals of the data than varying parameters; a complex one counts twice."""
        return self.n*(2 if self.residuals.dtype.kind == "c" else 1) - len(self.names)

    @cached_property
    def model(self) -> np.ndarray:
        """The model at the points that take part, of a residual function that was traced its residuals: ndarray (n,)."""
        objective = self.objective
        assert objective is not None
        if self.curve is not None:
            formula = self.curve.formula
            found = formula(*self.curve.points, **{name: self.params[name].value for name in formula.names})
            return np.array(np.broadcast_to(np.asarray(found, float), (objective.ndata,)))
        return objective.values(self.source.title, self.source.model.eval(self.params, **self.source.arguments()))

    @cached_property
    def unit(self) -> float:
        """The standard deviation of a weighted residual: 1 where the errors of the data are known.

        Else the root of the reduced chi-square; of a robust loss, whose fit is not moved by outliers, 1.48 times the median absolute
        residual.
        """
        if self.loss is not None and self.loss.robust:
            return MAD*float(np.median(np.abs(self.residuals)))
        if self.known:
            return 1.0
        self.check_freedom()
        r = self.residuals
        return length(r.view(float) if r.dtype.kind == "c" else r)/sqrt(self.freedom)

    def check_determined(self) -> None:
        """Raise InputError where the fit does not determine every parameter, and no replicate would."""
        if self.result.status == FitStatus.RANK_DEFICIENT:
            names = undetermined(self.params, self.names)
            raise InputError(f"{self.asked} needs a fit that determines every parameter, and this one does not determine "
                             f"{', '.join(names)}: hold one of them, or take it out of the model")

    def check_freedom(self) -> None:
        """Raise InputError where no degree of freedom is left to tell errors by."""
        if self.freedom <= 0:
            raise InputError(f"{self.asked} needs more points than varying parameters: there are {self.n} points for {len(self.names)}")

    def shaped(self, flat: np.ndarray) -> np.ndarray:
        """Return numbers of the points that take part in the shape of the data, NaN at the others."""
        flat, objective = np.asarray(flat, float), self.objective
        if self.curve is None:
            known = 0 if self.prior is None else len(self.prior.texts)
            flat = _spread(flat, self.taking_part[:self.taking_part.size - known])
        if objective is None:
            return flat
        return (flat if objective.keep is None else _spread(flat, objective.keep)).reshape(objective.given.layout.whole)


def _spread(flat: np.ndarray, keep: np.ndarray) -> np.ndarray:
    """Return numbers where `keep` is true, NaN elsewhere."""
    found = np.full(keep.shape, np.nan)
    found[keep] = flat
    return found


def curve_of(source: Any, params: Parameters) -> Curve | None:
    """Return what a result's source was fitted to, as a formula with its data; None where a function has to be called.

    A residual function is traced, since it would be called thousands of times else; the formula is the residual then, and the data are 0.
    """
    if hasattr(source, "curve"):
        found: Curve | None = source.curve()
        return found if found is None or found.objective is None else Curve(found.formula, _with_weight(found.objective), found.independent)
    residual = source.function
    if not isinstance(residual, ProgramResidual):
        try:
            residual = compiled_residual(source.function, params, source.args, source.kws)[0]
        except ExpressionError:
            return None
    parts = residual.parts if isinstance(residual, ProgramResidual) else None
    if parts is None:
        return None
    formula, x, y, weights = parts
    n = x.shape[1]
    given = Inputs(Layout((n,)), None, np.zeros(n) if y is None else y, dict(zip(formula.independent, x, strict=True)),
                   None if weights is None else Factors("weights", weights), None)
    return Curve(formula, Objective(given, "omit"))


def _with_weight(objective: Objective) -> Objective:
    """Return what is minimised without points of weight 0, which count as data where lmfit's conventions hold."""
    if not objective.given.weightless or objective.weights is None or objective.weights.all():
        return objective
    found = Objective(objective.given._replace(weightless=False), objective.policy, objective.sign, loss=objective.loss)
    found.follow(objective)
    return found


def fitted_of(given: Any, asked: str) -> Fitted:
    """Return a fit that can be repeated with other data.

    Parameters
    ----------
    given : FitResult, ModelResult or Minimizer
    asked : str
        What is to be done with it, for messages.

    Raises
    ------
    InputTypeError
        If it is no result of one fit.
    InputError
        If it is not fitted, did not succeed, varies nothing or no longer has what was fitted.
    """
    if hasattr(given, "ndata") and hasattr(given, "shape"):
        raise InputTypeError(f"{asked} is of one fit, not of a {type(given).__name__}: ask one of its fits, such as result[0]")
    if not isinstance(given, Answers):
        raise InputTypeError(f"{asked} is of a fit's result (FitResult, ModelResult or Minimizer), not of {type(given).__name__}")
    result = given if isinstance(given, FitResult) else _result_of(given)
    if result is None:
        raise InputError(f"{asked} needs a fitted {type(given).__name__}: call its fit first")
    if result._source is None:
        _ = result.minimizer            # which says why there is nothing to fit again
    if not result.success:
        raise InputError(f"{asked} needs a fit that succeeded, and this one did not: {result.message}")
    if not result.var_names:
        raise InputError(f"{asked} needs a parameter that varies")
    return Fitted(result, asked)


def _result_of(given: Any) -> FitResult | None:
    """Return the result that a Minimizer or a ModelResult has; None before a fit."""
    try:
        found = given.result
    except AttributeError:
        return None
    return found if isinstance(found, FitResult) else None
