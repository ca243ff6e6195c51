"""`Model`, `CompositeModel` and `ModelResult` with lmfit 1.3's conventions, over gslfit's own.

A model here is one of gslfit's with other conventions about parameters, starts and methods. Models that gslfit makes (by an operator, a
copy or a file) are brought to these conventions by `adopt`, which changes their class and nothing else.
"""
from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import gslfit
from gslfit.checks import as_name, shown
from gslfit.compat.lmfit import saved
from gslfit.compat.lmfit.complexes import coerce_arraylike, get_reducer, propagate_err
from gslfit.compat.lmfit.confidence import conf_interval
from gslfit.compat.lmfit.minimizer import DROPPED, STOPPED, Minimizer, copy_of, method_of, without_errors
from gslfit.compat.lmfit.objective import NAN_POLICIES
from gslfit.compat.lmfit.parameter import Parameters
from gslfit.compat.lmfit.printfuncs import ci_report
from gslfit.compat.lmfit.result import MinimizerResult
from gslfit.data.points import without_effect
from gslfit.errors import ExpressionError, InputError, InputTypeError, NonFiniteError, ending, warn
from gslfit.formula.parametrize import fold
from gslfit.minimizer.result import FitResult
from gslfit.models import files, serialization
from gslfit.models import model as _model
from gslfit.models import result as _result
from gslfit.models.dispatch import _called, _compiled, native_of, unused_by
from gslfit.models.fitting import fit_model
from gslfit.models.model_function import Conventions
from gslfit.objective.residual import degrees_of_freedom

__all__ = ["CompositeModel", "Model", "ModelResult", "coerce_arraylike", "get_reducer", "load_model", "load_modelresult", "propagate_err",
           "save_model", "save_modelresult"]

WITHOUT_X = frozenset({"ConstantModel", "ComplexConstantModel"})     # models that are guessed from the data alone
DEFAULT_NFEV = 2000       # evaluations by default, for each parameter and one more
FIELDS = tuple(name for name in FitResult.__dataclass_fields__ if name != "status")      # an attribute of lmfit's own in some results


class ModelResult(_result.ModelResult):
    """The outcome of a model's fit, with the attributes of lmfit 1.3's; see `gslfit.models.ModelResult`."""

    col_deriv = False
    flatchain = MinimizerResult.flatchain

    def _loss(self) -> None:
        """Return None: a loss is an option of SciPy's solver here, and the fit's cost and errors are lmfit's."""
        return None

    def _run(self) -> Any:
        name, _ = method_of(self.method)
        for old in OWN:
            self.__dict__.pop(old, None)
        self._start = copy_of(self._start)          # values of the call may have set bounds
        user = self.iter_cb
        if callable(user):
            self.iter_cb = lambda params, count, residual: user(params, count, residual, *self.userargs, **self.userkws)
        try:
            return self._least_squares() if name == "leastsq" else self._by_method()
        finally:
            self.iter_cb = user

    def _least_squares(self) -> Any:
        self.method = "leastsq"
        self.fit_kws = {key: value for key, value in self.fit_kws.items() if key not in DROPPED}
        calc, self.calc_covar = self.calc_covar, True         # lmfit's is about the scalar methods
        try:
            unused = self._unused()
            if unused:
                warn(f"parameter {unused[0]!r} varies, but the model doesn't depend on it: it keeps its value, and has no error")
                return self._by_method()
            found = super()._run()
            if self.max_nfev is None:
                self.max_nfev = DEFAULT_NFEV*(1 + sum(par.vary for par in self.init_params.values()))
            return found
        except NonFiniteError as error:
            if error.of_caller or self.nan_policy != "omit":
                raise
            return self._by_method()        # a model that is NaN at some points: residuals are left out, evaluation by evaluation
        finally:
            self.calc_covar = calc

    def _unused(self) -> tuple[str, ...]:
        """Return varying parameters that the model doesn't depend on, as far as a program or the names of its function tell."""
        found = native_of(self)
        try:
            return unused_by(self.model, self.init_params) if found is None else fold(found[0], self.init_params, idle=True).idle
        except ExpressionError:
            return unused_by(self.model, self.init_params)

    def _by_method(self) -> FitResult:
        """Fit by a minimizer with lmfit's conventions; what only it has becomes an attribute."""
        fitter = Minimizer(self._residual(), self.init_params, iter_cb=self.iter_cb, scale_covar=self.scale_covar,
                           nan_policy=self.nan_policy, calc_covar=self.calc_covar, max_nfev=self.max_nfev, **self.fit_kws)
        outcome = fitter.minimize(method=self.method)
        self.method, self.max_nfev = outcome.method, fitter.max_nfev
        given = {"ier": 0, "lmdif_message": "", "keep": None, **vars(outcome)}
        self.__dict__.update({key: value for key, value in given.items() if key not in KNOWN})
        status = ending(given["ier"], given["lmdif_message"], given["success"])
        found = FitResult(status=status, **{key: given[key] for key in FIELDS})
        found._lmfit = True                     # type: ignore[attr-defined]  # said in lmfit's words already
        return found

    def _residual(self) -> Callable[..., np.ndarray]:
        """Return the residual as a function of parameters."""
        found = native_of(self)
        return (_called(self) if found is None else _compiled(self, *found, self.init_params))[0]

    @property
    def result(self) -> FitResult:
        """The fit's outcome without the model."""
        fresh = not isinstance(self._found, FitResult) or not hasattr(self._found, "_lmfit")
        found: Any = super().result
        if fresh:
            found._lmfit = True
            if self.method == "leastsq":
                _as_lmfit(found, self.max_nfev)
            if not isinstance(found.params, Parameters):
                found.params = copy_of(found.params)
            for name, par in self._start.items():
                found.params[name].init_value = par.value
        return found

    @property
    def userfcn(self) -> Callable[..., np.ndarray]:
        """The residual, called as ``userfcn(params, *userargs, **userkws)``; the arguments are those of the fit."""
        residual = self._residual()
        return lambda params, *args, **kws: residual(params)

    @property
    def userargs(self) -> tuple[Any, Any]:
        """Data and weights, as they were given where they were not to be coerced."""
        return self.__dict__.get("_given") or super().userargs

    def conf_interval(self, **kws: Any) -> Any:  # type: ignore[override]
        """Return confidence intervals, kept as `ci_out`; see `gslfit.compat.lmfit.conf_interval`."""
        self.ci_out = conf_interval(self, self, **kws)
        return self.ci_out

    def ci_report(self, with_offset: bool = True, ndigits: int = 5, **kws: Any) -> str:
        """Return confidence intervals as text."""
        return ci_report(self.conf_interval(**kws), with_offset=with_offset, ndigits=ndigits)

    def plot(self, *args: Any, **kws: Any) -> Any:
        """Draw the residuals above data and curve; returns the figure."""
        return super().plot(*args, **_as_drawn(kws, len(args) > 6))[1].figure

    def plot_fit(self, ax: Any = None, *args: Any, **kws: Any) -> Any:
        """Draw data and curve; returns the axes."""
        return super().plot_fit(ax, *args, **_as_drawn(kws, len(args) > 6))

    def plot_residuals(self, ax: Any = None, *args: Any, **kws: Any) -> Any:
        """Draw data - fit; returns the axes, x without a name."""
        return super().plot_residuals(ax, *args, **{"xlabel": "", **kws})

    def dumps(self, **kws: Any) -> str:
        """Return the result as JSON text, its data included; formulas are texts in it, and no code."""
        return serialization.result_text(as_gslfit(self), **kws)

    def loads(self, text: str, funcdefs: Mapping[str, Callable[..., Any]] | None = None, **kws: Any) -> ModelResult:
        """Take a result out of JSON text, in place of this one; nothing is run."""
        self.__dict__.update(result_from_text(text, funcdefs, **kws).__dict__)
        return self


def _as_drawn(kws: dict[str, Any], counted: bool) -> dict[str, Any]:
    """Return keywords for a picture without a band, its curve at the data's points unless there is a number of points (`counted`)."""
    points = {} if counted else {"numpoints": kws.get("numpoints") or 0}
    return {"sigma": 0, **kws, **points}


KNOWN = frozenset({*FIELDS, "init_values", "nvarys", "ndata", "nfree", "chisqr", "redchi", "aic", "bic", "_uvars", "uvars"})

OWN = ("ier", "lmdif_message", "status")      # what a fit by one of lmfit's other methods says in its own words


def _as_lmfit(found: Any, limit: Any) -> None:
    """Bring messages and missing errors of a least-squares fit to lmfit's conventions."""
    if found.status in STOPPED:
        found.aborted, found.errorbars, found.message = True, False, STOPPED[found.status].format(found.nfev if limit is None else limit)
    elif found.success:
        found.message = "Fit succeeded." if found.errorbars else f"Fit succeeded. Could not estimate error-bars. {found.message}"
    without_errors(found, stopped=found.aborted)


class LmfitConventions:
    """What lmfit's models do otherwise than gslfit's; to be mixed in before one of these."""

    result_class = ModelResult
    conventions = Conventions(weightless=True, shaped=False, defaults=True, by_parts=False)

    def make_params(self, verbose: bool = False, **values: Any) -> Parameters:
        """Make the model's Parameters, derived ones last; see `gslfit.models.Model.make_params`."""
        return in_order(self, super().make_params(verbose, **values))    # type: ignore[misc]

    def _expr(self, text: str) -> str:
        """Return a hint's expression with the prefix before the model's own names, otherwise as it was written."""
        own = {*self._definition.names, *self.param_hints}    # type: ignore[attr-defined]
        prefix = self._prefix                                 # type: ignore[attr-defined]

        def with_prefix(name: re.Match[str]) -> str:
            return prefix + name[0] if as_name(name[0]) in own else name[0]
        return re.sub(r"\b[^\W\d]\w*\b(?!\s*\()", with_prefix, text) if prefix and text else text

    def guess(self, data: Any = None, x: Any = None, **values: Any) -> Any:
        """Estimate start values from data; see `gslfit.models.Model.guess`."""
        apart = type(self).__name__ in WITHOUT_X or "x" not in self.independent_vars     # type: ignore[attr-defined]
        needed = ["data"] if apart else ["data", "x"]
        lacks = [name for name in needed if {"data": data, "x": x}[name] is None]
        if lacks:
            names = " and ".join(map(repr, lacks))
            raise InputTypeError(f"guess() missing {len(lacks)} required positional argument{'s' if len(lacks) > 1 else ''}: {names}")
        found = super().guess(data, x, **values)              # type: ignore[misc]
        return in_order(self, found) if hasattr(found, "valuesdict") else found

    def fit(self, data: Any, params: Any = None, weights: Any = None, method: str = "leastsq", iter_cb: Callable[..., Any] | None = None,
            scale_covar: bool = True, verbose: bool = False, fit_kws: Mapping[str, Any] | None = None, nan_policy: str | None = None,
            calc_covar: bool = True, max_nfev: int | None = None, coerce_farray: bool = True, **values: Any) -> ModelResult:
        """Fit to data; without parameters it starts from the model's defaults. See `gslfit.models.Model.fit`."""
        params = self.make_params(verbose) if params is None else copy_of(params)
        options: dict[str, Any] = {"method": method, "iter_cb": iter_cb, "scale_covar": scale_covar, "calc_covar": calc_covar,
                                   "max_nfev": max_nfev}
        policy = nan_policy or self.nan_policy               # type: ignore[attr-defined]
        options |= fit_kws or {}
        if policy not in NAN_POLICIES:
            raise InputError(f"nan_policy must be 'propagate', 'omit', or 'raise', not {shown(policy)}")
        try:
            found: Any = fit_model(self, data, params, weights, None, None, values, policy, coerce_farray, verbose, options)
        except NonFiniteError as error:
            if error.of_caller or str(error).startswith("The model function"):
                raise
            raise NonFiniteError("NaN values detected in your input data or the output of your objective/model function - fitting "
                                 f"algorithms cannot handle this! {error}") from None
        if not coerce_farray:
            found._given = data, weights
        return found

    def fit_batch(self, data: Any, params: Any = None, **options: Any) -> Any:
        """Fit many curves; points of weight 0 count as data, as lmfit counts them. See `gslfit.models.Model.fit_batch`."""
        return with_weightless_points(super().fit_batch(data, params, **options), options.get("scale_covar", True))    # type: ignore[misc]

    def __repr__(self) -> str:
        return str(self.name)                                 # type: ignore[attr-defined]

    def copy(self, prefix: str | None = None) -> Any:
        """Return a model of its own."""
        return adopt(super().copy(prefix))                     # type: ignore[misc]

    def loads(self, text: str, funcdefs: Mapping[str, Callable[..., Any]] | None = None, **kws: Any) -> Any:
        """Return the model of a JSON text; nothing is run."""
        return model_from_text(text, funcdefs, **kws)

    def __reduce_ex__(self, protocol: Any) -> Any:
        made = super().__reduce_ex__(protocol)
        # a class of the library is made again by its name, and then it is gslfit's own
        return made if isinstance(made, str) or made[0].__module__.startswith("copyreg") else (_again, (made[0], made[1]), *made[2:])

    def __add__(self, other: Any) -> Any:
        return adopt(super().__add__(other))                  # type: ignore[misc]

    def __sub__(self, other: Any) -> Any:
        return adopt(super().__sub__(other))                  # type: ignore[misc]

    def __mul__(self, other: Any) -> Any:
        return adopt(super().__mul__(other))                  # type: ignore[misc]

    def __truediv__(self, other: Any) -> Any:
        return adopt(super().__truediv__(other))              # type: ignore[misc]


Manners = LmfitConventions       # by its name in gslfit 0.1


def with_weightless_points(batch: Any, scaled: bool) -> Any:
    """Count points of weight 0 of a batch as data: in the degrees of freedom, and so in what is scaled by reduced chi-square."""
    data = batch.data
    own = data.factors()
    out = None if own is None else without_effect(*own)
    if out is None:
        return batch
    more = np.count_nonzero(out if data.mask is None else out & ~data.mask, axis=-1)
    freedom = degrees_of_freedom(batch.ndata, len(batch.names))
    with np.errstate(all="ignore"):
        share = np.where(freedom > 0, freedom/(freedom + more), 1.0)
    covar = batch.covar         # before the errors that it is made of change
    batch.ndata, batch.redchi = batch.ndata + more, batch.redchi*share
    if scaled:
        batch.stderr = type(batch.stderr)({name: error*np.sqrt(share) for name, error in batch.stderr.items()})
        batch.covar = None if covar is None else covar*share[..., None, None]
    return batch


def in_order(model: Any, params: Any) -> Parameters:
    """Return a copy of a model's parameters in lmfit's order: those of the function, then derived ones."""
    made, out = copy_of(params), Parameters()
    out._symbols = made._symbols
    for name in dict.fromkeys([*(name for name in model.param_names if name in made), *made]):
        out[name] = made[name]
    return out


class Model(LmfitConventions, _model.Model):  # type: ignore[misc]
    """A model of a function, a text or a `Formula`; see `gslfit.models.Model`."""


class CompositeModel(LmfitConventions, _model.CompositeModel):  # type: ignore[misc]
    """Two models joined by an operator; see `gslfit.models.CompositeModel`."""

    def _make_all_args(self, params: Any = None, **values: Any) -> dict[str, Any]:
        return {**self.right._make_all_args(params, **values), **self.left._make_all_args(params, **values)}      # lmfit's order


LMFIT_CLASSES: dict[str, type] = {"Model": Model, "CompositeModel": CompositeModel}
"""The classes with lmfit's conventions by their names; `gslfit.compat.lmfit.models`, which the package imports, adds the library's."""


def adopt(model: Any) -> Any:
    """Return a model of gslfit's, and the models that it is made of, with lmfit's conventions."""
    if isinstance(model, _model.Model):
        if not isinstance(model, LmfitConventions):
            model.__class__ = LMFIT_CLASSES[type(model).__name__]
        for side in ("left", "right"):
            if side in model.__dict__:
                adopt(model.__dict__[side])
    return model


def adopt_result(result: Any) -> ModelResult:
    """Return a result of gslfit's with lmfit's conventions."""
    result.__class__ = ModelResult
    adopt(result.model)
    result._start = copy_of(result._start)
    return result


def model_from_text(text: str, funcdefs: Mapping[str, Callable[..., Any]] | None = None, **kws: Any) -> Any:
    """Return the model of a JSON text of gslfit's or lmfit's."""
    if saved.is_lmfits(text):
        return adopt(saved.model_from_lmfit(text, funcdefs, LMFIT_CLASSES))
    return adopt(serialization.model_from_text(text, funcdefs, **kws))


def result_from_text(text: str, funcdefs: Mapping[str, Callable[..., Any]] | None = None, **kws: Any) -> ModelResult:
    """Return the result of a JSON text of gslfit's or lmfit's."""
    if saved.is_lmfits(text):
        return adopt_result(serialization.restored(_result.ModelResult, *saved.result_from_lmfit(text, funcdefs, LMFIT_CLASSES)))
    if saved.is_model(text):
        raise saved.NoResultError("ModelResult.loads() needs saved ModelResult, and this is a saved model")
    return adopt_result(serialization.result_from_text(_result.ModelResult, text, funcdefs, **kws))


def as_gslfit(result: ModelResult) -> Any:
    """Return a copy of a result with parameters of gslfit's own, which its files are made of."""
    def own(params: Any) -> gslfit.Parameters:
        new = gslfit.Parameters()
        new.update(params)
        return new
    plain: Any = copy(result)
    plain.__class__ = _result.ModelResult
    plain._start, plain._found = own(result.init_params), replace(result.result, params=own(result.params))
    return plain


def _again(make: Callable[..., Any], arguments: tuple) -> Any:
    return adopt(make(*arguments))


def save_model(model: Any, fname: str | Path) -> None:
    """Write a model to a file as JSON; formulas are texts in it, and no code."""
    files.save_model(model, fname)


def load_model(fname: str | Path, funcdefs: Mapping[str, Callable[..., Any]] | None = None) -> Any:
    """Return the model of a file that `save_model` or lmfit's wrote; functions are looked up in `funcdefs`."""
    return model_from_text(files._text(fname), funcdefs)


def save_modelresult(modelresult: Any, fname: str | Path) -> None:
    """Write a result to a file as JSON, with its data."""
    files.save_modelresult(as_gslfit(modelresult), fname)


def load_modelresult(fname: str | Path, funcdefs: Mapping[str, Callable[..., Any]] | None = None) -> ModelResult:
    """Return the result of a file that `save_modelresult` or lmfit's wrote; nothing in it is run."""
    return result_from_text(files._text(fname), funcdefs)
