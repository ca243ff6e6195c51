"""`minimize` and `Minimizer` with lmfit 1.3's conventions: parameters are copied, a method is named, a `MinimizerResult` comes back.

Least squares are GSL's, through `gslfit.Minimizer`; the scalar methods are SciPy's. Nothing here fits.
"""
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

import gslfit
from gslfit.compat.lmfit import searches
from gslfit.compat.lmfit.objective import (
    AbortFitException,
    MinimizerException,
    Objective,
    coerce_float64,
    reduce_cauchylogpdf,
    reduce_chisquare,
    reduce_negentropy,
    reduction,
)
from gslfit.compat.lmfit.parameter import Parameters, adopt
from gslfit.compat.lmfit.result import Candidate, MinimizerResult
from gslfit.compat.lmfit.scalar import SCALAR_METHODS, ignored, least_squares, scalar_minimize
from gslfit.errors import FitStatus, InputError
from gslfit.minimizer.least_squares import Descent
from gslfit.parameters.parameter import Parameter as _Parameter

__all__ = ["AbortFitException", "Candidate", "Minimizer", "MinimizerException", "MinimizerResult", "coerce_float64", "minimize",
           "reduce_cauchylogpdf", "reduce_chisquare", "reduce_negentropy"]

DROPPED = ("full_output", "factor", "diag")
"""Options of MINPACK's lmdif that GSL has no use for; they change the way to the minimum, not where it is."""


class Minimizer:
    """A function to be minimised and its parameters.

    Parameters
    ----------
    userfcn : callable
        ``userfcn(params, *fcn_args, **fcn_kws)``: the residual array, or for the scalar methods a number.
    params : Parameters
        Start values; copied by each fit.
    fcn_args : tuple, optional
    fcn_kws : dict, optional
        Further arguments.
    iter_cb : callable, optional
        ``iter_cb(params, iteration, residual, *fcn_args, **fcn_kws)`` after every evaluation; a true result stops the fit.
    scale_covar : bool
        Whether errors are scaled by the reduced chi-square.
    nan_policy : {"raise", "propagate", "omit"}
        What to do about values that are not finite.
    reduce_fcn : callable or str, optional
        How the scalar methods make a number of a residual: the sum of squares, "neglogcauchy", "negentropy", or a function.
    calc_covar : bool
        Whether the scalar methods estimate errors.
    max_nfev : int, optional
        Evaluations allowed.
    **kws
        Options of the methods.
    """

    def __init__(self, userfcn: Callable, params: Any, fcn_args: tuple | None = None, fcn_kws: Mapping[str, Any] | None = None,
                 iter_cb: Callable | None = None, scale_covar: bool = True, nan_policy: str = "raise", reduce_fcn: Any = None,
                 calc_covar: bool = True, max_nfev: int | None = None, **kws: Any) -> None:
        self.userfcn = userfcn
        self.params = params
        self.userargs = () if fcn_args is None else tuple(fcn_args)
        self.userkws = dict(fcn_kws or {})
        self.iter_cb, self.scale_covar, self.nan_policy = iter_cb, scale_covar, nan_policy
        self.reduce_fcn, self.calc_covar, self.max_nfev = reduce_fcn, calc_covar, max_nfev
        self.kws = ignored("Minimizer", kws, "maxfev", "maxiter")
        self.result: MinimizerResult | None = None

    @property
    def values(self) -> dict[str, float]:
        """The values of the last fit by name."""
        if self.result is None:
            raise InputError("values are known after a fit: call minimize() first")
        return self.result.params.valuesdict()

    def set_max_nfev(self, max_nfev: int | None = None, default_value: float = 100_000) -> None:
        """Set the number of evaluations allowed: that given, or one set before, or the default."""
        if max_nfev is not None:
            self.max_nfev = max_nfev
        elif self.max_nfev in (None, np.inf):
            self.max_nfev = default_value                     # type: ignore[assignment]

    def prepare_fit(self, params: Any = None) -> MinimizerResult:
        """Return a result that holds a copy of the parameters, their start values in it.

        Parameters
        ----------
        params : Parameters, optional
            Those of the Minimizer by default, which they replace.

        Raises
        ------
        MinimizerException
            If they are no Parameters.
        """
        if params is not None:
            self.params = params
        copied = copy_of(self.params)
        names = [name for name, par in copied.items() if par.vary]
        for par in copied.values():
            par.stderr = par.correl = None
            par.init_value = par.value
        starts = [copied[name].value for name in names]
        self.result = MinimizerResult(
            params=copied, var_names=names, init_vals=starts, init_values=dict(zip(names, starts, strict=True)), nvarys=len(names), nfev=0,
            call_kws={}, errorbars=False, aborted=False, success=True, covar=None, message="", method="")
        reduction(self.reduce_fcn)
        return self.result

    def unprepare_fit(self) -> None:
        """Do nothing: a fit leaves nothing behind that must be cleaned up."""

    def objective(self, result: MinimizerResult, default: float, max_nfev: int | None = None, internal: bool = True) -> Objective:
        """Return the function as SciPy's methods need it."""
        self.set_max_nfev(max_nfev, default)
        assert self.max_nfev is not None
        return Objective(self, result, self.max_nfev, internal)

    def penalty(self, fvars: np.ndarray) -> Any:
        """Return the scalar that the scalar methods minimise, for their own variables."""
        result = self.result or self.prepare_fit()
        return Objective(self, result, np.inf).penalty(fvars)

    # -- least squares

    def inner(self, params: Parameters, **kws: Any) -> gslfit.Minimizer:
        """Return gslfit's Minimizer of the same function."""
        return gslfit.Minimizer(self.userfcn, params, self.userargs, self.userkws, scale_covar=self.scale_covar, nan_policy=self.nan_policy,
                                **kws)

    def leastsq(self, params: Any = None, max_nfev: int | None = None, **kws: Any) -> MinimizerResult:
        """Minimise the sum of squares by Levenberg-Marquardt, GSL's.

        Parameters
        ----------
        params : Parameters, optional
            Start values.
        max_nfev : int, optional
            Evaluations allowed, by default 2000 (nvarys + 1).
        **kws
            Options: `ftol`, `xtol`, `gtol`, `epsfcn`, `Dfun`, `col_deriv`.
        """
        result = self.prepare_fit(params)
        result.method = "leastsq"
        self.set_max_nfev(max_nfev, 2000*(result.nvarys + 1))
        options = ignored("leastsq", {**self.kws, **kws}, "maxfev")
        result.call_kws = dict(options)
        options = {name: value for name, value in options.items() if name not in DROPPED}
        inner = self.inner(result.params, max_nfev=self.max_nfev, iter_cb=self.iter_cb, **options)
        inner.leastsq()
        outcome: Any = inner.result
        result.residual, result.nfev, result.ier, result.lmdif_message = outcome.residual, outcome.nfev, outcome.ier, outcome.message
        result.success, result.aborted, result.errorbars, result.covar = outcome.success, outcome.aborted, outcome.errorbars, outcome.covar
        result.message = "Fit succeeded." if outcome.success else outcome.message
        if outcome.status in STOPPED:
            result.aborted, result.errorbars = True, False
            result.message = STOPPED[outcome.status].format(outcome.nfev if self.max_nfev is None else self.max_nfev)
        without_errors(result, stopped=result.aborted)
        if not result.errorbars and not result.aborted:
            result.message = f"{result.message} Could not estimate error-bars. {outcome.message if outcome.success else ''}".rstrip()
        result.measure()
        return result

    def least_squares(self, params: Any = None, max_nfev: int | None = None, **kws: Any) -> MinimizerResult:
        """Minimise the sum of squares, or a robust loss, by `scipy.optimize.least_squares`, bounds handled by itself."""
        return least_squares(self, self.prepare_fit(params), max_nfev, kws)

    # -- scalar methods

    def scalar_minimize(self, method: str = "Nelder-Mead", params: Any = None, max_nfev: int | None = None, **kws: Any) -> MinimizerResult:
        """Minimise a scalar by a method of `scipy.optimize.minimize`, or by `differential_evolution`."""
        return scalar_minimize(self, self.prepare_fit(params), method, max_nfev, kws)

    def basinhopping(self, params: Any = None, max_nfev: int | None = None, **kws: Any) -> MinimizerResult:
        """Minimise a scalar by `scipy.optimize.basinhopping`."""
        return searches.basinhopping(self, self.prepare_fit(params), max_nfev, kws)

    def brute(self, params: Any = None, Ns: int = 20, keep: int | str = 50, workers: Any = 1,
              max_nfev: int | None = None) -> MinimizerResult:
        """Evaluate on a grid and keep the best points as `candidates`.

        Parameters
        ----------
        params : Parameters, optional
            With both bounds, or one and `brute_step`, or a value and `brute_step`.
        Ns : int
            Points of the grid along a parameter without `brute_step`.
        keep : int or "all"
            How many of the best points are kept.
        workers : int or callable
            As `scipy.optimize.brute` takes it.
        max_nfev : int, optional
            Evaluations allowed.
        """
        return searches.brute(self, self.prepare_fit(params), max_nfev, Ns, keep, workers)

    def ampgo(self, params: Any = None, max_nfev: int | None = None, **kws: Any) -> MinimizerResult:
        """Look for the global minimum by adaptive memory programming with tunnelling."""
        return searches.ampgo(self, self.prepare_fit(params), max_nfev, kws)

    def shgo(self, params: Any = None, max_nfev: int | None = None, **kws: Any) -> MinimizerResult:
        """Look for the global minimum by `scipy.optimize.shgo`."""
        return searches.shgo(self, self.prepare_fit(params), max_nfev, kws)

    def dual_annealing(self, params: Any = None, max_nfev: int | None = None, **kws: Any) -> MinimizerResult:
        """Look for the global minimum by `scipy.optimize.dual_annealing`."""
        return searches.dual_annealing(self, self.prepare_fit(params), max_nfev, kws)

    def emcee(self, params: Any = None, **kws: Any) -> MinimizerResult:
        """Sample the posterior by the package `emcee`, version 3; see `gslfit.compat.lmfit.sampling.emcee` for the options."""
        from gslfit.compat.lmfit.sampling import emcee
        return emcee(self, params, **kws)

    def minimize(self, method: str = "leastsq", params: Any = None, **kws: Any) -> MinimizerResult:
        """Minimise by a method of a name.

        Parameters
        ----------
        method : str
            "leastsq", "least_squares", "brute", "basinhopping", "ampgo", "emcee", "shgo", "dual_annealing", or a scalar method of SciPy's
            by lmfit's name or SciPy's, or the beginning of one.
        params : Parameters, optional
            Start values.
        **kws
            Options of the method.

        Raises
        ------
        InputError
            If there is no such method.
        """
        kws = ignored("minimize", kws, "maxfev", "maxiter")
        name, scipy_name = method_of(method)
        if scipy_name:
            kws["method"] = scipy_name
        return getattr(self, name)(params=params, **({**self.kws, **kws} if name in ("brute", "emcee") else kws))

    # -- errors of what no least-squares solver found

    def judge(self, result: MinimizerResult) -> None:
        """Estimate errors at the result's values from the Jacobian there, where the scalar was a sum of squares."""
        n, p = np.size(result.residual), len(result.var_names)
        if not self.calc_covar or result.aborted or not result.success or n <= p or reduction(self.reduce_fcn) is not reduce_chisquare:
            return
        starts: dict[str, Any] = {name: par.init_value for name, par in result.params.items()}
        inner = self.inner(result.params)
        setup = inner.prepare_fit()
        x = np.array([result.params[name].value for name in result.var_names])
        descent = Descent(setup.start_from(x, setup.residual(x)), "scalar")
        descent.go_to(descent.x, descent.r)
        inner._conclude("scalar", setup, [descent.finish(True, FitStatus.CHISQUARE)])
        outcome: Any = inner.result
        result.errorbars, result.covar = outcome.errorbars, outcome.covar
        for name, par in result.params.items():
            par.init_value = starts[name]
        without_errors(result)


STOPPED = {FitStatus.STOPPED: "Fit aborted by user callback. Could not estimate error-bars.",
           FitStatus.MAX_NFEV: "Fit aborted: number of function evaluations > {}"}
"""The status of a fit that was stopped -> lmfit's message."""


def without_errors(result: Any, stopped: bool = False) -> None:
    """Bring the errors of a fit that lacks some to lmfit's conventions: no covariance; if there are none at all, None for each."""
    if result.errorbars:
        return
    result.covar = None
    if stopped or all(result.params[name].stderr is None for name in result.var_names):
        for par in result.params.values():
            par.stderr = par.correl = None


def copy_of(params: Any) -> Parameters:
    """Return a copy of parameters as a fit needs them: bounds in order, values within them.

    Raises
    ------
    MinimizerException
        If they are no Parameters.
    """
    if isinstance(params, gslfit.Parameters):
        if not isinstance(params, Parameters):
            params = Parameters() + params
        return params.copy().within()
    if isinstance(params, (list, tuple)) and all(isinstance(par, _Parameter) for par in params):
        out = Parameters()
        for par in params:
            out[str(par.name)] = adopt(par)
        return out.within()
    raise MinimizerException(f"params must be a Parameters, or a list of Parameter objects; not {type(params).__name__}")


METHODS = ("brute", "basinhopping", "ampgo", "emcee", "shgo", "dual_annealing")


def method_of(name: str) -> tuple[str, str]:
    """Return the method of Minimizer for a name, and the name that SciPy has for a scalar one.

    Raises
    ------
    InputError
        If there is no such method.
    """
    wanted = name.lower()
    for start, method in (("leasts", "leastsq"), ("least_s", "least_squares")):
        if wanted.startswith(start):
            return method, ""
    if wanted in METHODS:
        return wanted, ""
    found = [full for short, full in SCALAR_METHODS.items() if wanted and (short.startswith(wanted) or full.lower().startswith(wanted))]
    if not found:
        raise InputError(f"there is no method {name!r}; there are leastsq, least_squares, {', '.join([*METHODS, *SCALAR_METHODS])}")
    return "scalar_minimize", found[-1]


def minimize(fcn: Callable, params: Any, method: str = "leastsq", args: tuple | None = None, kws: Mapping[str, Any] | None = None,
             iter_cb: Callable | None = None, scale_covar: bool = True, nan_policy: str = "raise", reduce_fcn: Any = None,
             calc_covar: bool = True, max_nfev: int | None = None, **fit_kws: Any) -> MinimizerResult:
    """Minimise a function of parameters, and return the result; the parameters given stay as they are.

    Parameters
    ----------
    fcn : callable
        ``fcn(params, *args, **kws)``: the residual array.
    params : Parameters
        Start values, bounds, expressions.
    method : str
        See `Minimizer.minimize`.
    args : tuple, optional
    kws : dict, optional
        Further arguments of `fcn`.
    iter_cb, scale_covar, nan_policy, reduce_fcn, calc_covar, max_nfev
        As for `Minimizer`.
    **fit_kws
        Options of the method.

    Returns
    -------
    MinimizerResult

    Examples
    --------
    >>> import numpy as np
    >>> from gslfit.compat import lmfit
    >>> x = np.linspace(0, 5, 30)
    >>> params = lmfit.create_params(amp=dict(value=1.5, min=0), freq=1.4)
    >>> out = lmfit.minimize(lambda p: p["amp"]*np.sin(p["freq"]*x) - 2*np.sin(1.5*x), params)
    >>> out.success, round(out.params["amp"].value, 6), params["amp"].value
    (True, 2.0, 1.5)
    """
    fitter = Minimizer(fcn, params, args, kws, iter_cb, scale_covar, nan_policy, reduce_fcn, calc_covar, max_nfev, **fit_kws)
    return fitter.minimize(method=method)
