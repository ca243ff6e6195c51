"""What a fit leaves behind."""
from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

import gslfit
from gslfit.checks import choice
from gslfit.errors import FitStatus, InputError, ending
from gslfit.minimizer.answers import Answers, refuse
from gslfit.minimizer.bands import KINDS, errors_known, measured, spread_of_fit, student, unit_of
from gslfit.minimizer.propagation import propagated
from gslfit.objective.loss import LOSSES, Loss
from gslfit.objective.residual import degrees_of_freedom
from gslfit.parameters.collection import Parameters
from gslfit.records import Record

if TYPE_CHECKING:
    from numpy.typing import NDArray

LATER = ("params", "covar")         # what a result may work out when it is first read
SHARED = ("_source", "_row")        # what copies of a result share: nothing changes it


class Minimum(Record):
    """A minimum that several starts led to: its chi-square, all parameters' values by name, and how many starts ended there."""

    chisqr: float
    values: dict[str, float]
    starts: int


class Source(Protocol):
    """What was fitted: kept by a result, by reference and unchanged, for what the result is asked later."""

    def minimizer(self, result: Any) -> Any:
        """Return a Minimizer of the same residual that has `result` for its result."""

    def keeps(self) -> bool:
        """Return whether it can be pickled."""


class ModelledSource(Source, Protocol):
    """A source with a model."""

    title: str

    @property
    def data(self) -> Any:
        """The data as they were handed in."""

    @property
    def factors(self) -> Any:
        """What multiplies the residuals, None where nothing does."""

    @property
    def ycov(self) -> np.ndarray | None:
        """The covariance of the data's errors, None where they aren't correlated."""

    @property
    def weights(self) -> np.ndarray | None:
        """The same at the points that `slopes` are of, flat, NaN where one takes no part."""

    @property
    def independent(self) -> dict[str, Any]:
        """The independent variables by name."""

    def curve(self) -> Any:
        """Return the formula with its data, `gslfit.curves.curve.Curve`, where fits of other data can be a batch; else None."""

    def eval(self, params: Any, values: dict[str, Any]) -> Any:
        """Evaluate with parameters; `values` are other points, or other values of parameters."""

    def best_fit(self, params: Any) -> Any:
        """Evaluate at the points that took part, NaN at the others."""

    def slopes(self, params: Parameters, names: list[str], values: dict[str, Any], dscale: float) -> np.ndarray:
        """Return the derivatives by varying parameters at the points that take part, or at those of `values`: ndarray (p, n)."""

    def shaped(self, flat: np.ndarray, values: dict[str, Any]) -> Any:
        """Return numbers of the points that `slopes` was asked for in the shape that `eval` returns."""


@dataclass(eq=False)
class FitResult(Answers):
    """One fit's outcome.

    What is not listed as an attribute is computed when it is asked for.

    Attributes
    ----------
    params : Parameters
        With the fitted values, errors and correlations.
    method : str
        What fitted: "fit", or the method: "leastsq", "lmder", "lbfgsb" or "anneal".
    success : bool
        A minimum was found, and no parameter lost its effect on the way.
    errorbars : bool
        Every varying parameter has a standard error.
    message : str
        How the fit ended, and every doubt about it.
    status : FitStatus
        The same as a number with a name; `status.prose` says it in words.
    nfev : int
        Evaluations of the residual, those for derivatives included.
    var_names : list of str
        The varying parameters.
    residual : ndarray, shape (ndata,)
        After `gslfit.fit` in the shape and container of the data, NaN where a point took no part.
    covar : ndarray, shape (nvarys, nvarys), or None
        Covariance of the varying parameters; NaN where one has none, None where none has. A variance whose square root, the standard
        error, is a number and that is none itself (below 2e-308 or above 2e308) is infinite.
    init_vals : list of float
        Start values of the varying parameters.
    aborted : bool
        The iteration callback stopped the fit.
    call_kws : dict
        Options of the call.
    keep : ndarray of bool, or None
        Which points took part, in the shape of `residual`; None for all.

    Examples
    --------
    >>> import gslfit
    >>> x = np.linspace(0, 5, 40)
    >>> result = gslfit.fit("A*exp(-x/tau)", 2*np.exp(-x/1.5), x=x, A=1.0, tau=1.0)
    >>> {name: round(value, 9) for name, value in result.values.items()}
    {'A': 2.0, 'tau': 1.5}
    >>> result.eval(x=[0, 1.5]).round(6)
    array([2.      , 0.735759])
    """

    params: Parameters
    method: str
    success: bool
    errorbars: bool
    message: str
    status: FitStatus
    nfev: int
    var_names: list[str]
    residual: np.ndarray
    covar: np.ndarray | None
    init_vals: list[float]
    aborted: bool = False
    call_kws: dict[str, Any] = field(default_factory=dict)
    keep: np.ndarray | None = field(default=None, repr=False)

    _prior_residual = None  # type: np.ndarray | None
    _minima = None  # type: list[Minimum] | None
    _starts = 1  # type: int
    _source = None  # type: Source | ModelledSource | None
    _parts = None  # type: Callable[[str], Any] | None
    _determined = None  # type: Any

    @property
    def counted(self) -> np.ndarray:
        """The residuals of the points that took part, flat."""
        return np.ravel(self.residual) if self.keep is None else np.asarray(self.residual)[self.keep]

    def _repr_html_(self) -> str:
        from gslfit.report.html import fit_html
        return fit_html(self)

    # -- numbers

    @property
    def values(self) -> dict[str, float]:
        """Every parameter's value by name."""
        return self.params.valuesdict()

    @property
    def stderr(self) -> dict[str, float | None]:
        """Every parameter's standard error by name: 0 of a fixed one, None where it can't be had."""
        return {name: par.stderr for name, par in self.params.items()}

    @property
    def uvars(self) -> dict[str, Any] | None:
        """Parameters as correlated numbers of the package `uncertainties`, None where it or the errors are missing."""
        from gslfit.minimizer.correlated import correlated
        return correlated(self)

    @property
    def nvarys(self) -> int:
        """Number of varying parameters."""
        return len(self.var_names)

    @property
    def ndata(self) -> int:
        """Number of residuals, those of priors included."""
        return self.counted.size + (0 if self.prior_residual is None else self.prior_residual.size)

    @property
    def nfree(self) -> int:
        """Degrees of freedom, ndata - nvarys."""
        return degrees_of_freedom(self.ndata, self.nvarys)

    @property
    def chisqr(self) -> float:
        """Sum of the squared residuals, those of priors included."""
        residual, prior = self.counted, self.prior_residual
        found = float(np.vdot(residual, residual))      # which doesn't warn where it overflows
        return found if prior is None else found + float(np.vdot(prior, prior))

    @property
    def prior_residual(self) -> np.ndarray | None:
        """How many standard deviations parameters are off what was known of them, ndarray (k,); None without priors."""
        return self._prior_residual

    @property
    def prior(self) -> dict[str, tuple[float, float]] | None:
        """What was known of the parameters beforehand, means and standard deviations by name or expression; None without priors."""
        known = getattr(getattr(getattr(self._source, "objective", None), "given", None), "prior", None)
        if known is None:
            return None
        return {text: (float(mean), float(deviation)) for text, mean, deviation in zip(*known, strict=True)}

    @property
    def minima(self) -> list[Minimum]:
        """The minima found, (chisqr, values, starts) each, the lowest first; by a robust loss twice the cost stands for chi-square.

        Ends of several `starts` that are the same within their errors are one, and `starts` says how many starts were seen to lead there
        (those whose rough descent ended high were not followed to their end). What is told apart by names alone, as two peaks that have
        changed places, are minima of their own. Empty where the fit did not succeed.
        """
        if self._minima is not None:
            return self._minima
        return [Minimum(2*self.cost, self.values, 1)] if self.success else []

    @property
    def starts_tried(self) -> int:
        """How many starts the fit was tried from."""
        return self._starts

    @property
    def loss(self) -> Loss | None:
        """What was minimised instead of the sum of squares; None for least squares."""
        name = self.call_kws.get("loss", "linear")
        return None if name == "linear" or name not in LOSSES else Loss(name, self.call_kws.get("f_scale", 1.0))

    @property
    def cost(self) -> float:
        """What was minimised: half of chi-square, or ``1/2 sum f_scale^2 rho((r/f_scale)^2)`` of a robust loss."""
        loss = self.loss
        return .5*self.chisqr if loss is None or not loss.robust else loss.cost(self.counted)

    @property
    def redchi(self) -> float:
        """Chi-square by degrees of freedom; where there are none, chi-square."""
        return self.chisqr / max(1, self.nfree)

    @property
    def aic(self) -> float:
        """Akaike information criterion, n log(2 cost/n) + 2 nvarys."""
        return self._likelihood() + 2 * self.nvarys

    @property
    def bic(self) -> float:
        """Bayesian information criterion, n log(2 cost/n) + log(n) nvarys."""
        return self._likelihood() + float(np.log(self.ndata)) * self.nvarys

    @property
    def init_values(self) -> dict[str, float]:
        """Start values by name."""
        return dict(zip(self.var_names, self.init_vals, strict=True))

    @property
    def ier(self) -> int:
        """MINPACK's code: 1 to 4 converged, 5 too many evaluations, 6 and 7 no further progress, -1 stopped by the caller, 0 not fitted."""
        return self.status.ier

    @property
    def lmdif_message(self) -> str:
        """What `status` stands for."""
        return self.status.prose

    @property
    def init_params(self) -> Parameters:
        """The parameters with the values that the fit began at."""
        params = self.params.copy()
        for name, par in self.params.items():
            if par.expr is None and par.init_value is not None:
                params[name].value = par.init_value
        return params

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take up a pickle's state; those of gslfit 0.1 had `ier` and its words in place of the status."""
        self.__dict__.update(state)
        if "status" not in state:
            del self.__dict__["ier"], self.__dict__["lmdif_message"]
            self.status = ending(state["ier"], state["lmdif_message"], state["success"])

    @classmethod
    def later(cls, parts: Callable[[str], Any], **known: Any) -> FitResult:
        """Return a result of which `params` and `covar` are worked out when they are first read: ``parts(name)``."""
        made = cls.__new__(cls)
        known.update(aborted=False, keep=None, _parts=parts)
        made.__dict__ = known
        return made

    def _complete(self) -> dict[str, Any]:
        """Return all attributes by name, also those that nobody has read."""
        if self._parts is not None:
            for name in LATER:
                getattr(self, name)
            self.__dict__.pop("_parts", None)
        return self.__dict__

    def _likelihood(self) -> float:
        """Return n log(2 cost/n), from the residual itself, since its squares may be out of range."""
        residual, loss = self.counted, self.loss
        if self.prior_residual is not None:
            residual = np.concatenate([residual, self.prior_residual])
        if loss is not None and loss.robust:
            residual = loss.bent(residual)[0]
        big = float(np.max(np.abs(residual), initial=0.))
        if not big:
            return -np.inf
        return 2 * self.ndata * float(np.log(big) + np.log(np.linalg.norm(residual / big) / np.sqrt(self.ndata)))

    # -- what was fitted

    @property
    def minimizer(self) -> gslfit.Minimizer:
        """A fitted `gslfit.Minimizer` of the same residual; its parameters are the result's own."""
        if self._source is None:
            raise InputError("this result does not have what was fitted: it was read from a file, or pickled with a function that can't "
                             "be; fit again")
        return self._source.minimizer(self)

    def _modelled(self, name: str) -> Any:
        """Return the source, if it has a model; `name` is what was asked for."""
        if not hasattr(self._source, "eval"):
            refuse(name)
        return self._source

    def _needs_model(self, name: str) -> None:
        self._modelled(name)

    @property
    def _title(self) -> str:
        return self._modelled("title").title

    @property
    def data(self) -> Any:
        """The data that were fitted."""
        return self._modelled("data").data

    @property
    def weights(self) -> Any:
        """What multiplied the residuals, None where nothing did."""
        return self._modelled("weights").factors

    @property
    def ycov(self) -> np.ndarray | None:
        """The covariance of the data's errors, None where they aren't correlated."""
        return self._modelled("ycov").ycov

    @property
    def independent(self) -> dict[str, Any]:
        """The independent variables by name."""
        return self._modelled("independent").independent

    @property
    def best_fit(self) -> NDArray[np.float64]:
        """The fitted model at the data's points, in their shape and container, NaN where a point took no part."""
        return self._modelled("best_fit").best_fit(self.params)

    def eval(self, params: Any = None, **values: Any) -> NDArray[np.float64]:
        """Evaluate the model.

        Parameters
        ----------
        params : Parameters, optional
            The fitted ones, if not given.
        **values
            Independent variables, those of the fit if not given; values of parameters over those of `params`.

        Raises
        ------
        NoModelError
            If only a residual function was fitted.
        """
        return self._modelled("eval").eval(self.params if params is None else params, values)

    def eval_components(self, params: Any = None, **values: Any) -> dict[str, NDArray[np.float64]]:
        """Evaluate each term of a formula that is a sum, by its text; parameters as `eval` has them.

        Raises
        ------
        NoModelError
            If only a residual function was fitted.
        InputError
            If a function was fitted: it is not known what it is a sum of.
        """
        return self._modelled("eval_components").eval_components(self.params if params is None else params, values)

    def eval_uncertainty(self, params: Any = None, sigma: float = 1, dscale: float = 0.01, *, kind: str = "confidence",
                         **values: Any) -> NDArray[np.float64]:
        """Return the standard error of the model's value at each point, `sigma` of them.

        Parameters
        ----------
        params : Parameters, optional
        sigma : float
            Number of standard deviations; below 1 a probability.
        dscale : float
            Step of the differences, in standard errors, where the model has no exact derivatives.
        kind : {"confidence", "prediction"}
            The band of the curve, or of a further measurement: with the error that the data's weights mean at each point. Where these
            differ a prediction is known at the data's own points only, which are those without further arguments: any that are handed
            in are others.
        **values
            Independent variables.

        Returns
        -------
        ndarray
            ``t sqrt(diag(J C J^T))``; also as `dely`, that of a further measurement as `dely_predicted`. The factor t is Student's for
            the fit's degrees of freedom. A parameter that its bound holds adds nothing; NaN where the curve
            moves with what the data don't determine.

        Raises
        ------
        NoModelError
            If only a residual function was fitted.
        """
        source = self._modelled("eval_uncertainty")
        slopes = source.slopes(self.params if params is None else params, self.var_names, values, dscale)
        errors = propagated(slopes.T, spread_of_fit(self, dscale))
        factor = student(sigma, self.nfree)
        self.dely = source.shaped(factor*errors, values)
        self.dely_predicted = source.shaped(factor*np.hypot(errors, unit_of(self)), values)
        if choice("kind", kind, KINDS) == "prediction":
            if self.loss is not None and not self.loss.robust:      # a count varies by the root of its mean
                mean = source.eval(self.params if params is None else params, values) if values else source.best_fit(self.params)
                return np.hypot(self.dely, factor*np.sqrt(mean))
            one = measured(source.weights, unit_of(self), errors_known(self), bool(values))
            return source.shaped(factor*np.hypot(errors, one), values)
        return self.dely

    # -- copies

    def __getstate__(self) -> dict[str, Any]:
        state = dict(self._complete())
        if self._source is not None and not self._source.keeps():
            del state["_source"]
        return state

    def __copy__(self) -> FitResult:
        new = type(self).__new__(type(self))
        new.__dict__.update(self._complete())
        return new

    def __deepcopy__(self, memo: dict[int, Any]) -> FitResult:
        new = memo[id(self)] = type(self).__new__(type(self))
        for name, value in self._complete().items():
            new.__dict__[name] = value if name in SHARED else deepcopy(value, memo)
        return new


class Later:
    """A part of a result that is worked out when it is first read, where the result was made so."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, result: FitResult | None, owner: type | None = None) -> Any:
        if result is None or result._parts is None:
            raise AttributeError(f"{'FitResult' if owner is None else owner.__name__!r} object has no attribute {self.name!r}")
        return result.__dict__.setdefault(self.name, result._parts(self.name))


for part in LATER:
    setattr(FitResult, part, Later(part))       # not in the class itself: there it would be the field's default
