"""`ModelResult`: the result of a model's fit, by the names of lmfit 1.3; most of it is computed when first read."""
from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np

import gslfit
from gslfit.checks import choice, mapping
from gslfit.data.fits import Fits
from gslfit.errors import InputError
from gslfit.minimizer.answers import Answers, Passes, Trace
from gslfit.minimizer.bands import KINDS, errors_known, measured, student, unit_of
from gslfit.minimizer.minimizer import RESULTS, Minimizer
from gslfit.minimizer.result import FitResult
from gslfit.models.dispatch import ModelSource, independent_of, run_fit
from gslfit.models.preparation import kept, objective_of
from gslfit.objective.loss import LOSSES, Loss
from gslfit.objective.objective import Objective
from gslfit.objective.residual import r_squared
from gslfit.parameters.collection import Parameters
from gslfit.parameters.given import parameters_of
from gslfit.records import Record

if TYPE_CHECKING:
    from gslfit.confidence.interval import ConfidenceIntervals
    from gslfit.curves.pipeline import FitPlan

SUMMARY = ("ndata", "nvarys", "nfree", "chisqr", "redchi", "aic", "bic", "rsquared", "nfev", "max_nfev", "aborted", "errorbars", "success",
           "message", "lmdif_message", "ier", "nan_policy", "scale_covar", "calc_covar", "ci_out", "col_deriv", "flatchain", "call_kws",
           "var_names", "user_options", "kws", "init_values", "best_values")


BY_NAME = "plain start values go in by name, a=..."


class LazyStart(Record):
    """What a fit by the fast path began with: Parameters are made of it when they are first read."""

    plan: FitPlan
    values: Mapping[str, float]


class ModelResult(Answers, Passes):
    """The outcome of a model's fit.

    Parameters
    ----------
    model : Model
    params : Parameters
        Start values.
    data, weights : array_like, optional
        Weights multiply data - model.
    method : str
    fcn_args : tuple, optional
        Taken and left aside, as lmfit does.
    fcn_kws : dict, optional
        Independent variables.
    iter_cb, scale_covar, nan_policy, calc_covar, max_nfev, **fit_kws
        As `Model.fit` takes them.

    Attributes
    ----------
    params, init_params : Parameters
        After the fit, and before.
    best_fit, init_fit : ndarray
        The model with these.
    best_values, init_values : dict
        Values by name.
    residual : ndarray
        (data - model)*weights.
    rsquared : float
        1 - the residual's sum of squares by the data's own, about their mean; weights left aside.
    ci_out : dict or None
        What `conf_interval` found last.
    """

    # what a pickle of gslfit 0.1 lacks
    _prepared: tuple[Objective, Any, Any, str] | None = None
    _mask: np.ndarray | None = None
    _mask_given: Any = None
    _ycov: Any = None
    _prior: Any = None
    _unset: tuple[str, ...] = ()        # parameters whose start is nobody's, and only says where others lie

    def __init__(self, model: Any, params: Parameters | LazyStart, data: Any = None, weights: Any = None, method: str = "leastsq",
                 fcn_args: tuple | None = None, fcn_kws: Mapping[str, Any] | None = None, iter_cb: Callable[..., Any] | None = None,
                 scale_covar: bool = True, nan_policy: str = "raise", calc_covar: bool = True, max_nfev: int | None = None,
                 **fit_kws: Any) -> None:
        self.model: gslfit.Model = model
        self.data, self.weights, self.method = data, weights, method
        self.userkws: dict[str, Any] = mapping("fcn_kws", fcn_kws)
        self.iter_cb, self.scale_covar, self.nan_policy, self.calc_covar = iter_cb, scale_covar, nan_policy, calc_covar
        self.max_nfev, self.fit_kws = max_nfev, fit_kws
        self.ci_out: Any = None
        self.user_options: Any = None
        self._begun: Parameters | LazyStart = params if type(params) is LazyStart else parameters_of(params, BY_NAME)
        self._memory: dict[str, Any] = {}
        self._found: Any = None

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update({"_prepared": None, "_mask": None, "_mask_given": None, **state})     # versions before masks had none

    # -- what is fitted

    def prepare(self, yerr: Any = None, mask: Any = None, coerce: bool = True, ycov: Any = None) -> Objective:
        """Read the data and all that comes beside them, and keep them in the shape of the data; return what the fit minimises."""
        self._mask_given, self._ycov = mask, ycov
        return self._prepare(mask, yerr, coerce)

    def _prepare(self, mask: Any, yerr: Any = None, coerce: bool = True, labels: Any = None) -> Objective:
        """Return the same, of data that may have been read before: `labels` are theirs, and `mask` may be more than the caller's."""
        found = objective_of(self.model, self.data, self.userkws, self.nan_policy, weights=self.weights, yerr=yerr, mask=mask,
                             coerce=coerce, labels=labels, ycov=self._ycov)
        found.loss = self._loss()
        if self._prior is not None:
            found.given = found.given._replace(prior=self._prior)
        self.data, self.weights, variables = kept(found, self.weights)
        self.userkws.update(variables)
        self._mask, self._ycov = found.mask, found.given.ycov
        self._prepared = found, self.data, self.weights, self.nan_policy
        return found

    def _know(self, prior: Any, params: Parameters, scale_covar: bool | None) -> None:
        """Take what is known of parameters beforehand; the errors of the data must be known too."""
        from gslfit.curves.priors import check_errors, read_priors
        self._prior = read_priors(prior, Fits(()), tuple(params))
        if self._prior is not None:
            objective = self.objective
            objective.given = objective.given._replace(prior=self._prior)
            check_errors(objective.given, self.fit_kws.get("loss", "linear"), scale_covar)
            self.scale_covar = False

    def _loss(self) -> Loss | None:
        """Return the loss of a fit that was done, with its scale; None for least squares."""
        if isinstance(self._found, FitResult):
            return self._found.loss
        name, scale = self.fit_kws.get("loss", "linear"), self.fit_kws.get("f_scale", 1.0)
        if self._found is None or name == "linear" or name not in LOSSES:
            return None
        return Loss(name, scale if isinstance(scale, float) else 1.0)

    @property
    def objective(self) -> Objective:
        """What the fit minimises: the points that take part, their weights, and the sign of the residual."""
        found = self._prepared
        if found is None or found[1] is not self.data or found[2] is not self.weights or found[3] != self.nan_policy:
            return self._prepare(self._mask, labels=None if found is None else found[0].given.labels)
        return found[0]

    @property
    def ycov(self) -> np.ndarray | None:
        """The covariance of the data's errors, where they are correlated."""
        return None if self.objective.given.ycov is None else self.objective.given.ycov.array

    def arguments(self) -> dict[str, Any]:
        """Return what the model's function gets besides parameters: independent variables at the points that take part, options."""
        return {**self.userkws, **self.objective.arguments()}

    # -- fitting

    def fit(self, data: Any = None, params: Parameters | None = None, weights: Any = None, method: str | None = None,
            nan_policy: str | None = None, **values: Any) -> ModelResult:
        """Fit, or fit again with something changed; without `params` a second fit starts where the first ended.

        Parameters
        ----------
        data, weights : array_like, optional
        params : Parameters, optional
        method, nan_policy : str, optional
        **values
            Independent variables.

        Returns
        -------
        ModelResult
            Itself.
        """
        if params is not None:
            self._start = parameters_of(params, BY_NAME).copy()
        elif self._found is not None:
            self._start = parameters_of(self.params).copy()
        mask, labels = (self._mask, self._prepared and self._prepared[0].given.labels) if data is None else (self._mask_given, None)
        self.data = self.data if data is None else data
        self.weights = self.weights if weights is None else weights
        self.method = self.method if method is None else method
        self.nan_policy = self.nan_policy if nan_policy is None else nan_policy
        self.userkws.update(values)
        if self.data is None:
            raise InputError("there are no data to fit: fit(data=...)")
        if data is not None or weights is not None or values:
            self._prepare(mask, labels=labels)
        self._memory, self.ci_out = {}, None
        self._found = self._run()
        if self._unset or (isinstance(self._found, FitResult) and self._found._starts > 1):
            self._start, self._unset = self.result.init_params, ()
        self.model.post_fit(self)
        return self

    def _run(self) -> Any:
        """Fit, and return a FitResult, or what becomes one when it is asked for."""
        return run_fit(self)

    @property
    def _start(self) -> Parameters:
        """The parameters that the fit began with; those of a fit by the fast path are made when first read."""
        if isinstance(self._begun, LazyStart):
            plan, values = self._begun
            self._begun = plan.params.copy()
            for name, value in values.items():
                if self._begun[name].value != value:
                    self._begun[name].value = value
        return self._begun

    @_start.setter
    def _start(self, params: Parameters) -> None:
        self._begun = params

    @property
    def result(self) -> FitResult:
        """The fit's outcome without the model: a `FitResult`."""
        if self._found is None:
            raise AttributeError("there is no result before a fit: call fit()")
        if not isinstance(self._found, FitResult):
            self._found = self._found.result()
            if self._prepared is not None:
                self._found = self._prepared[0].concluded(self._found)
        if not isinstance(self._found._source, ModelSource):
            self._found._source = ModelSource(self)
        return self._found

    def __getattr__(self, name: str) -> Any:
        # only what is no attribute of its own: the fit's outcome
        if name in RESULTS and self.__dict__.get("_found") is not None:
            return getattr(self.result, name)
        raise AttributeError(f"{name!r} is known after a fit: call fit()" if name in RESULTS else
                             f"'{type(self).__name__}' object has no attribute {name!r}")

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *RESULTS})

    def _once(self, name: str, make: Callable[[], Any]) -> Any:
        """Compute something the first time it is asked for."""
        if name not in self._memory:
            self._memory[name] = make()
        return self._memory[name]

    # -- values

    @property
    def params(self) -> Parameters:
        """The fitted parameters; before a fit the start."""
        return self._start if self._found is None else self.result.params

    @params.setter
    def params(self, params: Parameters) -> None:
        if self._found is None:
            self._start = parameters_of(params, BY_NAME)
        else:
            self.result.params = parameters_of(params)

    @property
    def init_params(self) -> Parameters:
        """The parameters that the fit began with."""
        return self._start

    @property
    def userargs(self) -> tuple[Any, Any]:
        """Data and weights."""
        return self.data, self.weights

    @property
    def components(self) -> list[gslfit.Model]:
        """The models that the model is made of."""
        return self.model.components

    @property
    def best_values(self) -> dict[str, Any]:
        """Fitted values by name."""
        return self._once("best_values", lambda: self.model._make_all_args(self.params))

    @property
    def values(self) -> dict[str, float]:
        """Fitted values by name, derived parameters included."""
        return self.params.valuesdict()

    @property
    def init_values(self) -> dict[str, Any]:
        """Start values by name."""
        return self._once("init_values", lambda: self.model._make_all_args(self.init_params))

    @property
    def best_fit(self) -> np.ndarray:
        """The fitted model at the data's points, in their shape and container, NaN where one takes no part."""
        return self._once("best_fit", lambda: self._curve(self.params))

    @property
    def init_fit(self) -> np.ndarray:
        """The model with the start values."""
        return self._once("init_fit", lambda: self._curve(self.init_params))

    def _curve(self, params: Parameters) -> Any:
        """Return the model at the data's points."""
        if self._all_plain:
            return self.eval(params)
        points = self.objective.of_curves
        return points.spread(self._values(params, points))

    @property
    def _all_plain(self) -> bool:
        """Whether the fit took all points of a flat array, and nothing is known of labels."""
        return self._prepared is None and getattr(self._found, "keep", None) is None

    def _values(self, params: Parameters, points: Objective | None = None) -> np.ndarray:
        """Return the model at the points that take part, or at others."""
        objective = self.objective if points is None else points
        return objective.values(self.model._reprstring(), self.model.eval(params, **{**self.userkws, **objective.arguments()}))

    @property
    def rsquared(self) -> float | None:
        """1 - sum((data - best_fit)^2)/sum((data - mean)^2)."""
        data = self.objective.y
        return None if data.size < 2 else r_squared(data, self._values(self.params))

    def eval(self, params: Parameters | None = None, **values: Any) -> np.ndarray:
        """Evaluate the model with the fitted parameters, or others; independent variables as in the fit, unless given."""
        return self.model.eval(self.params if params is None else params, **{**self.userkws, **values})

    def eval_components(self, params: Parameters | None = None, **values: Any) -> dict[str, np.ndarray]:
        """Evaluate each component; see `Model.eval_components`."""
        return self.model.eval_components(self.params if params is None else params, **{**self.userkws, **values})

    def eval_uncertainty(self, params: Parameters | None = None, sigma: float = 1, dscale: float = 0.01, *, kind: str = "confidence",
                         **values: Any) -> np.ndarray:
        """Return the standard error of the model's value at each point, that of each component as `dely_comps`.

        See `gslfit.FitResult.eval_uncertainty`.
        """
        from gslfit.models.uncertainty import bands
        everything, own = {**self.userkws, **values}, values.keys().isdisjoint(self.model.independent_vars)
        blanked = self.objective.blanked if own and not self._all_plain else np.asarray
        if choice("kind", kind, KINDS) == "prediction":
            loss = self.loss
            if loss is not None and not loss.robust:            # a count varies by the root of its mean
                mean = self.eval(params, **values) if not own else self._curve(self.params if params is None else params)
                return np.hypot(blanked(bands(self, params, sigma, dscale, everything)[0]), student(sigma, self.nfree)*np.sqrt(mean))
            one = measured(self.objective.all_weights, unit_of(self), errors_known(self), not own)
            return blanked(bands(self, params, sigma, dscale, everything, one)[1])
        dely, predicted, parts = bands(self, params, sigma, dscale, everything)
        self.dely, self.dely_predicted = blanked(dely), blanked(predicted)
        self.dely_comps = {name: blanked(band) for name, band in parts.items()}
        return self.dely

    @property
    def uvars(self) -> dict[str, Any] | None:
        """Parameters as correlated numbers of the package `uncertainties`, None where it or the errors are missing."""
        from gslfit.minimizer.correlated import correlated
        return self._once("uvars", lambda: correlated(self))

    # -- confidence

    @property
    def minimizer(self) -> Minimizer:
        """A fitted `gslfit.Minimizer` of the same residual; its parameters are the result's own."""
        return self._once("minimizer", lambda: self.result.minimizer)

    @overload
    def conf_interval(self, p_names: Sequence[str] | None = ..., sigmas: Iterable[float] | None = ..., trace: Literal[False] = ...,
                      maxiter: int = ..., verbose: bool = ...,
                      prob_func: Callable[..., float] | None = ...) -> ConfidenceIntervals: ...
    @overload
    def conf_interval(self, p_names: Sequence[str] | None = ..., sigmas: Iterable[float] | None = ..., *, trace: Literal[True],
                      maxiter: int = ..., verbose: bool = ...,
                      prob_func: Callable[..., float] | None = ...) -> tuple[ConfidenceIntervals, Trace]: ...

    def conf_interval(self, *args: Any, **kws: Any) -> Any:
        """Return confidence intervals from profiles, kept as `ci_out`; see `gslfit.conf_interval`."""
        self.ci_out = super().conf_interval(*args, **kws)
        return self.ci_out

    # -- reports

    def fit_report(self, modelpars: Any = None, show_correl: bool = True, min_correl: float = 0.1, sort_pars: Any = False,
                   correl_mode: str = "list") -> str:
        """Return the fit's report in lmfit's layout."""
        from gslfit.report.text import fit_report
        text = fit_report(self, modelpars=modelpars, show_correl=show_correl, min_correl=min_correl, sort_pars=sort_pars,
                          correl_mode=correl_mode)
        return f"[[Model]]\n    {self.model._reprstring()}\n{text}"

    def _repr_html_(self, show_correl: bool = True, min_correl: float = 0.1) -> str:
        from html import escape

        from gslfit.report.html import fit_html
        return f"<h2>Fit</h2><p>Model: {escape(self.model._reprstring())}</p>{fit_html(self, min_correl)}"

    def __repr__(self) -> str:
        state = "not fitted yet" if self._found is None else f"chisqr={self.chisqr:.6g}, {'success' if self.success else 'no success'}"
        return f"<{type(self).__name__} of {self.model._reprstring()}: {state}>"

    def summary(self) -> dict[str, Any]:
        """Return statistics, values and parameters as a dict of plain things."""
        found: dict[str, Any] = {"model": self.model._reprstring(), "method": self.method}
        for name in SUMMARY:
            value = getattr(self, name, None)
            found[name] = value.item() if isinstance(value, np.generic) else value
        found["params"] = [par.__getstate__() for par in self.params.values()]
        return found

    # -- files

    def dumps(self, **kws: Any) -> str:
        """Return the result as JSON text, its data included; formulas are texts in it, and no code."""
        from gslfit.models.serialization import result_text
        return result_text(self, **kws)

    def dump(self, file: Any, **kws: Any) -> int:
        """Write the result as JSON to an open file."""
        return file.write(self.dumps(**kws))

    def loads(self, text: str, funcdefs: Mapping[str, Callable[..., Any]] | None = None, **kws: Any) -> ModelResult:
        """Take a result out of JSON text, in place of this one; nothing is run."""
        from gslfit.models.serialization import result_from_text
        self.__dict__.update(result_from_text(ModelResult, text, funcdefs, **kws).__dict__)
        return self

    def load(self, file: Any, funcdefs: Mapping[str, Callable[..., Any]] | None = None, **kws: Any) -> ModelResult:
        """Take a result out of an open JSON file."""
        return self.loads(file.read(), funcdefs, **kws)

    # -- pictures

    @property
    def independent(self) -> dict[str, Any]:
        """The independent variables by name."""
        return independent_of(self)

    @property
    def _title(self) -> str:
        return self.model.name

    def _needs_model(self, name: str) -> None:
        """Do nothing: there is a model."""

    def __getstate__(self) -> dict[str, Any]:
        state = dict(self.__dict__)
        state["_found"] = None if self._found is None else self.result
        state["_begun"] = self._start
        state["_memory"] = {}
        return state
