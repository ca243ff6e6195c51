"""One curve and its formula: what the C core is given, and what a result needs to evaluate, to draw and to profile its model."""
from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from typing import Any

import numpy as np

from gslfit.checks import pickles, shown
from gslfit.data.labels import given_back
from gslfit.errors import ExpressionError, InputError, InputTypeError, ParameterNameError
from gslfit.formula.formula import Formula
from gslfit.minimizer.bands import difference_slopes, exact_slopes
from gslfit.minimizer.minimizer import Minimizer, fitted_as
from gslfit.minimizer.result import FitResult
from gslfit.objective.objective import Objective
from gslfit.parameters.collection import Parameters
from gslfit.parameters.given import parameters_of
from gslfit.parameters.parameter import Parameter

NO_POINTS = "the independent variables are not there: they are saved with a result only where all fits share them; hand them in"


class Curve:
    """A formula, and the data that it is fitted to.

    Parameters
    ----------
    formula : Formula
    objective : Objective or None
        What the fit minimises; None where the data were not saved.
    x : dict of str to ndarray, optional
        The independent variables then.
    weights : ndarray, shape (n,) or (1,), optional
        What multiplied the residuals then; NaN where a point took no part.
    unkept : str
        Why it isn't known what multiplied them; empty where it is.
    """

    __slots__ = ("_unkept", "_weights", "_x", "formula", "objective")

    def __init__(self, formula: Formula, objective: Objective | None, x: Mapping[str, np.ndarray] | None = None,
                 weights: np.ndarray | None = None, unkept: str = ""):
        self.formula, self.objective = formula, objective
        self._x, self._weights, self._unkept = x, weights, unkept

    # -- what was handed in

    @property
    def title(self) -> str:
        """What pictures call it."""
        return self.formula.text or getattr(self.formula.func, "__name__", "fit")

    def _points(self, everywhere: bool = False) -> Mapping[str, Any]:
        """Return the independent variables in the formula's order, flat: of the points that take part, or of all."""
        known = self._x or {} if self.objective is None else self.objective.given.x if everywhere else self.objective.x
        if tuple(known) == self.formula.independent:
            return known
        return {name: known[name] for name in self.formula.independent if name in known}

    def _points_of(self, values: Mapping[str, Any], everywhere: bool) -> dict[str, Any]:
        """Return the independent variables by name, those of `values` in the place of the fit's own.

        Raises
        ------
        InputError
            If one is neither there nor known.
        """
        points = {**self._points(everywhere), **{name: values[name] for name in self.formula.independent if name in values}}
        if len(points) < len(self.formula.independent):
            raise InputError(NO_POINTS)
        return points

    @property
    def points(self) -> list[np.ndarray]:
        """The independent variables of the points that take part, in the formula's order."""
        return list(self._points().values())

    @property
    def independent(self) -> dict[str, Any]:
        """The independent variables by name, in the shape of the data."""
        found = self._points(everywhere=True)
        if self.objective is None:
            return dict(found)
        whole = self.objective.given.layout.whole
        return {name: array.reshape(whole) for name, array in found.items()}

    @property
    def data(self) -> Any:
        """The data, in their container; None where they were not saved."""
        return None if self.objective is None else self._labelled(self.objective.given.y)

    @property
    def factors(self) -> Any:
        """What multiplies the residuals, in the shape of the data."""
        if self.objective is None or self.objective.given.weights is None:
            return None
        where = self.objective.given.layout
        return np.broadcast_to(self.objective.given.weights, (where.n,)).reshape(where.whole)

    @property
    def weights(self) -> np.ndarray | None:
        """What multiplies the residuals of the points that take part, flat; of correlated errors one over the standard deviations.

        Without the data it is of all points, or one number for all of them.

        Raises
        ------
        InputError
            If it was not kept.
        """
        if self.objective is None:
            if self._unkept:
                raise InputError(self._unkept)
            return self._weights
        if self.objective.given.ycov is None:
            return self.objective.weights
        own = self.objective.all_weights
        assert own is not None
        return own if self.objective.keep is None else own[self.objective.keep]

    @property
    def ycov(self) -> np.ndarray | None:
        """The covariance of the data's errors, where they are correlated."""
        return None if self.objective is None or self.objective.given.ycov is None else self.objective.given.ycov.array

    def _labelled(self, flat: np.ndarray) -> Any:
        """Return numbers of all points in the shape and the container of the data."""
        if self.objective is None:
            return flat
        given = self.objective.given
        return given_back(np.reshape(flat, given.layout.whole), given.labels)

    def _spread(self, flat: np.ndarray) -> Any:
        """Return numbers of the points that take part in the shape and the container of the data, NaN at the others."""
        return flat if self.objective is None else self.objective.spread(flat)

    def conclude(self, result: FitResult) -> FitResult:
        """Give a result what it was fitted to, and its residuals the shape and the labels of the data."""
        result._source = self
        return result if self.objective is None else self.objective.concluded(result)

    def extended(self) -> Curve:
        """Return the curve that has a point more for each prior; itself where there are none."""
        objective = self.objective
        if objective is None or objective.given.prior is None:
            return self
        from gslfit.curves.priors import extended_formula, extended_inputs
        prior, loss = objective.given.prior, objective.loss
        counts = loss is not None and not loss.robust
        whole = Objective(extended_inputs(objective.given, prior, counts), objective.policy, objective.sign, loss=loss)
        if objective.keep is not None:
            keep = np.concatenate([objective.keep, np.ones(len(prior.texts), bool)])
            whole.leave_out(keep if whole.keep is None else keep[whole.keep])
        return Curve(extended_formula(self.formula, prior, counts), whole)

    # -- the model

    def eval(self, params: Any, values: Mapping[str, Any]) -> Any:
        """Evaluate at all points, or at those of `values`, which may also hold values of parameters."""
        if not isinstance(params, Mapping):
            raise InputTypeError(f"params must be Parameters, not {shown(params)}")
        independent = self.formula.independent
        strange = [name for name in values if name not in independent and name not in params and name not in self.formula.names]
        if strange:
            raise ParameterNameError(f"{strange[0]!r} is neither a parameter nor an independent variable of {self.formula!r}; it has "
                                     f"{', '.join([*self.formula.names, *independent])}")
        found = self.formula(**self._points_of(values, True), **self._numbers(params, values))
        return self.shaped(found, values, everywhere=True)

    def eval_components(self, params: Any, values: Mapping[str, Any]) -> dict[str, Any]:
        """Evaluate each term of the formula's sum, as `eval` evaluates all of it."""
        found: dict[str, Any] = {}
        for term in self.formula.terms():
            label = name = term.text.splitlines()[-1]
            while name in found:
                name = f"{label} ({len(found) + 1})"
            found[name] = Curve(term, self.objective, self._x, self._weights, self._unkept).eval(params, values)
        return found

    def _numbers(self, params: Any, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return values of the formula's parameters; expressions follow numbers that are put in the place of others."""
        own = {name: value for name, value in values.items() if name not in self.formula.independent}
        if isinstance(params, Parameters) and own and not any(map(np.ndim, own.values())):
            params = params.copy()
            for name, value in own.items():
                params[name].value = value
            own = {}
        return {name: own[name] if name in own else number(params[name]) for name in self.formula.names}

    def best_fit(self, params: Any) -> Any:
        """Evaluate at the points that take part, NaN at the others, in the shape and the container of the data."""
        return self._spread(self.formula(**self._points_of({}, False), **self._numbers(params, {})))

    def slopes(self, params: Parameters, names: list[str], values: Mapping[str, Any], dscale: float) -> np.ndarray:
        """Return the derivatives by varying parameters at the points that take part, or at those of `values`: ndarray (p, n)."""
        params, independent = parameters_of(params), self.formula.independent
        points = self._points_of(values, bool(values))
        if any(name not in independent for name in values):
            params = params.copy()
            for name, value in values.items():
                if name not in independent:
                    params[name].value = value
        if self.formula.native:
            return exact_slopes(self.formula, params, names, points)
        return difference_slopes(lambda moved: self.formula(**points, **self._numbers(moved, {})), params, names, dscale)

    def weighted_slopes(self, params: Parameters, names: list[str], dscale: float) -> np.ndarray | None:
        """Return the derivatives of the weighted curve at the points that take part: ndarray (p, n); None without the data."""
        if self.objective is None:
            return None
        if self.objective.given.prior is not None:
            return self.extended().weighted_slopes(params, names, dscale)
        found = self.slopes(params, names, {}, dscale)
        if self.objective.loss is not None:
            values = self.formula(**self._points(), **self._numbers(params, {}))
            return found*self.objective.loss.factors(values, self.objective.y, self.objective.weights)
        return self.objective.weighed(found)

    def shaped(self, flat: Any, values: Mapping[str, Any], everywhere: bool = False) -> Any:
        """Return numbers in the shape that `eval` with `values` returns; `everywhere` says that they are of all points, not of those
        alone that take part.
        """
        given = [np.shape(values[name]) for name in self.formula.independent if name in values]
        if given:
            return np.reshape(flat, np.broadcast_shapes(*given)) if len(given) == len(self.formula.independent) else flat
        return self._labelled(flat) if everywhere or values else self._spread(flat)

    # -- the residual

    def residual(self, params: Parameters, sign: int | None = None) -> tuple[Any, dict[str, Any]]:
        """Return the weighted residual as a function of parameters, and options for a Minimizer: the Jacobian, where there is one.

        Parameters
        ----------
        params : Parameters
            Which vary, their expressions, and the values of the fixed ones.
        sign : int, optional
            `MODEL_MINUS_DATA` or `DATA_MINUS_MODEL`; that of the objective, if not given.
        """
        if self.objective is None:
            raise InputError("the data are not there: a batch is saved without them; fit again for intervals")
        if self.objective.given.prior is not None:
            return self.extended().residual(params, sign)
        if self.formula.native:
            from gslfit.formula.program_residual import ProgramResidual
            try:
                compiled = ProgramResidual(self.formula, params, self.points, self.objective.y, self.objective.weights,
                                           self.objective.sign if sign is None else sign, self.objective.loss, self.objective.factor)
            except ExpressionError:
                pass
            else:
                return compiled, {"jac": compiled.jacobian}
        kind = CalledCounts if self.objective.loss is not None and not self.objective.loss.robust else CalledResidual
        return kind(self, self.objective.sign if sign is None else sign), {}

    def minimizer(self, result: FitResult) -> Minimizer:
        """Return a Minimizer that has `result` for its result."""
        function, options = self.residual(result.params)
        return fitted_as(result, function, scale_covar=result.call_kws.get("scale_covar", True), **options)

    def curve(self) -> Curve:
        """Return itself: what was fitted as a formula with its data."""
        return self

    def keeps(self) -> bool:
        """Return whether its formula can be pickled."""
        return self.formula.native or pickles(self.formula.func)

    def __reduce__(self) -> tuple:
        return type(self), (self.formula, self.objective, self._x, self._weights, self._unkept)


class CalledResidual:
    """The weighted residual of a curve whose formula is called.

    Parameters
    ----------
    curve : Curve
    sign : int
        `MODEL_MINUS_DATA` or `DATA_MINUS_MODEL`.
    """

    def __init__(self, curve: Curve, sign: int):
        self.curve, self.sign = curve, sign
        self.__name__ = f"the model {curve.formula.called}"         # what errors call it

    def __call__(self, params: Parameters) -> np.ndarray:
        """Return the residuals of the points that take part."""
        assert self.curve.objective is not None
        return self.curve.objective.residual(self.values(params), self.sign)

    def values(self, params: Parameters) -> np.ndarray:
        """Return the formula's values at the points that take part."""
        return self.curve.formula(**self.curve._points(), **{name: params[name].value for name in self.curve.formula.names})

    def beside(self, shares: np.ndarray) -> CalledResidual | None:
        """Return the same beside data of which each is multiplied by a number, ndarray (n); None where that makes it no smaller."""
        objective = self.curve.objective
        assert objective is not None
        if objective.y.shape != shares.shape or objective.given.ycov is not None:
            return None
        nearer = copy(objective)
        nearer.y = objective.y*shares
        return CalledResidual(Curve(self.curve.formula, nearer), self.sign)


class CalledCounts(CalledResidual):
    """The deviance residual of a curve of counts whose formula is called."""

    def share(self, params: Parameters) -> np.ndarray:
        """Return what makes of its derivatives those of Fisher's information, see `Loss.share`."""
        objective = self.curve.objective
        assert objective is not None
        assert objective.loss is not None
        return objective.loss.share(np.broadcast_to(self.values(params), objective.y.shape), objective.y)


def number(value: Any) -> Any:
    """Return a parameter's value, or a number as it is."""
    return value.value if isinstance(value, Parameter) else value
