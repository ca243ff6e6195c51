"""The caller's function as SciPy's optimisers need it: of an array of variables, counted, limited, reduced to a scalar."""
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.sparse import issparse
from scipy.sparse.linalg import LinearOperator

from gslfit.data.numbers import read
from gslfit.errors import FitError, InputError, NonFiniteError

NAN_POLICIES = ("raise", "propagate", "omit")
WITHOUT_START = ("brute", "shgo", "dual_annealing", "differential_evolution")     # methods whose first point is none of the caller's


class MinimizerException(FitError):
    """What can't be fitted.

    Parameters
    ----------
    msg : str
        Why.
    """

    def __init__(self, msg: str) -> None:
        super().__init__(msg)
        self.msg = msg


class AbortFitException(MinimizerException):
    """A fit was stopped: by the caller's callback, or by the limit of evaluations."""


def reduce_chisquare(r: np.ndarray) -> float:
    """Return the sum of squares of a residual."""
    return float((r*r).sum())


def reduce_negentropy(r: np.ndarray) -> float:
    """Return the negative entropy of a residual, sum of p log(p) with p the normal density at r."""
    log_density = -r*r/2 - math.log(2*math.pi)/2
    return float((np.exp(log_density)*log_density).sum())


def reduce_cauchylogpdf(r: np.ndarray) -> float:
    """Return the negative log-likelihood of a residual under Cauchy's distribution, sum of log(pi (1 + r^2))."""
    return float(np.log(math.pi*(1 + r*r)).sum())


REDUCTIONS: dict[str, Callable[[np.ndarray], float]] = {"neglogc": reduce_cauchylogpdf, "negent": reduce_negentropy}
"""What the names of a `reduce_fcn` begin with."""


def reduction(given: Any) -> Callable[[np.ndarray], Any]:
    """Return the function that a `reduce_fcn` stands for.

    Raises
    ------
    InputError
        If it is neither a function nor a known name.
    """
    if given is None:
        return reduce_chisquare
    if callable(given):
        return given
    for start, function in REDUCTIONS.items():
        if isinstance(given, str) and given.lower().startswith(start):
            return function
    raise InputError(f"reduce_fcn={given!r} is neither a function nor one of 'neglogcauchy', 'negentropy'")


def coerce_float64(arr: Any, nan_policy: str = "raise", handle_inf: bool = True, ravel: bool = True, ravel_order: str = "C") -> np.ndarray:
    """Return numbers as a float64 array; complex ones as pairs.

    Parameters
    ----------
    arr : array_like
    nan_policy : {"raise", "propagate", "omit"}
        What to do about values that are not finite: raise, keep, or leave out.
    handle_inf : bool
        Whether infinities count.
    ravel : bool
        Whether the array is made one-dimensional.
    ravel_order : str
        In which order.

    Raises
    ------
    InputError
        If the policy isn't known.
    NonFiniteError
        If the policy is to raise, and there are such values.
    """
    if nan_policy not in NAN_POLICIES:
        raise InputError(f"nan_policy={nan_policy!r} is not one of {', '.join(map(repr, NAN_POLICIES))}")
    if hasattr(arr, "toarray"):                               # SciPy's sparse arrays
        arr = arr.toarray()
    found = read("what the function returned", arr, imaginary=True)
    out = found.array if found.mask is None else found.array[~found.mask]
    out = np.ascontiguousarray(out, complex).view(float) if np.iscomplexobj(out) else np.asarray(out, float)
    if ravel:
        out = out.ravel(order=ravel_order)                    # type: ignore[arg-type]
    bad = ~np.isfinite(out) if handle_inf else np.isnan(out)
    if nan_policy == "propagate" or not bad.any():
        return out
    if nan_policy == "omit":
        return out[~bad]
    first = tuple(int(i) for i in np.argwhere(bad)[0])
    raise NonFiniteError(f"The model function generated NaN values and the fit aborted! Of the function's {bad.size} values "
                         f"{np.count_nonzero(bad)} are not finite, the first at index {first}; NaN values in the data or the model must be "
                         "left out, as nan_policy='omit' does")


def some_residuals(r: np.ndarray) -> np.ndarray:
    """Return a residual, or raise InputError where it is empty."""
    if not r.size:
        raise InputError("the function returned an empty residual: there is nothing to fit")
    return r


class Objective:
    """A function of Parameters as one of the array of variables.

    Parameters
    ----------
    minimizer : Minimizer
        Whose function, arguments and policies these are.
    result : MinimizerResult
        Whose `params` are fitted; its `nfev` counts.
    limit : float
        Evaluations allowed.
    internal : bool
        Whether the variables are those of MINUIT's bounds transforms, else the values themselves.

    Attributes
    ----------
    best : ndarray
        The variables of the lowest evaluation so far.
    """

    def __init__(self, minimizer: Any, result: Any, limit: float, internal: bool = True) -> None:
        self.__setstate__((minimizer, result, limit, internal))

    def __getstate__(self) -> tuple:
        return self.minimizer, self.result, self.limit, self.internal

    def __setstate__(self, state: tuple) -> None:
        # a process of its own gets the parameters, and binds them anew
        self.minimizer, self.result, self.limit, self.internal = state
        self.free = self.result.params.bind()
        self.parameters = [self.result.params[name] for name in self.result.var_names]
        self.reduce = reduction(self.minimizer.reduce_fcn)
        self.best, self.least = np.array([]), math.inf

    def values(self, x: Any) -> list[float]:
        """Return the parameters' values for the variables."""
        x = np.atleast_1d(x).tolist()
        return [par.from_internal(v) for par, v in zip(self.parameters, x, strict=True)] if self.internal else x

    def residual(self, x: Any) -> np.ndarray:
        """Evaluate the function, as it is but for its type.

        Raises
        ------
        AbortFitException
            If the callback or the limit says so.
        """
        fit, result = self.minimizer, self.result
        self.free.put_external(self.values(x))
        result.nfev += 1
        if not self.best.size:
            self.best = np.atleast_1d(np.array(x, float))
        if result.nfev > self.limit:
            result.aborted, result.success = True, False
            result.message = f"Fit aborted: number of function evaluations > {self.limit:.0f}"
            raise AbortFitException(f"fit aborted: too many function evaluations {self.limit:.0f}")
        try:
            out = fit.userfcn(self.free.params, *fit.userargs, **fit.userkws)
        except StopIteration as error:      # SciPy would take it for the end of its own loop; PEP 479 does the same for generators
            raise RuntimeError(f"the function raised {error!r}") from error
        except FitError as error:
            error.of_caller = True          # and no word of this fit's about numbers that aren't finite
            raise
        r = some_residuals(coerce_float64(out, "propagate"))
        score = self.score(r)
        if score < self.least:
            self.best, self.least = np.atleast_1d(np.array(x, float)), score
        if callable(fit.iter_cb) and fit.iter_cb(self.free.params, result.nfev, out, *fit.userargs, **fit.userkws):
            result.aborted, result.success, result.residual = True, False, r
            result.message = "Fit aborted by user callback. Could not estimate error-bars."
            raise AbortFitException("fit aborted by user.")
        found = coerce_float64(out, fit.nan_policy)
        if not found.size:
            raise NonFiniteError("none of the residuals is finite: there is nothing to fit")
        return found

    def score(self, r: np.ndarray) -> Any:
        """Return the scalar that is minimised, for what the function returned."""
        out = self.reduce(r) if r.size > 1 else r[0]
        out = np.sum(out) if np.ndim(out) else out
        if np.iscomplexobj(out):
            if np.imag(out):
                name = getattr(self.reduce, "__name__", "reduce_fcn")
                raise InputError(f"{name} returned the complex number {out}: what is minimised must be real, abs(...) or its real part")
            out = np.real(out)
        return out

    def penalty(self, x: Any) -> Any:
        """Evaluate the function and reduce an array to a scalar; what isn't finite on the way is infinite: the search goes elsewhere."""
        try:
            return self.score(self.residual(x))
        except NonFiniteError as error:
            if error.of_caller or (self.result.nfev == 1 and self.result.method not in WITHOUT_START):
                raise
            return math.inf

    def derivatives(self, function: Callable[..., Any], col_deriv: bool = False) -> Callable[[Any], Any]:
        """Return the caller's derivatives as a function of the variables."""
        def jacobian(x: Any) -> Any:
            fit = self.minimizer
            self.free.put_external(self.values(x))
            J = function(self.free.params, *fit.userargs, **fit.userkws)
            if not self.internal and (issparse(J) or isinstance(J, LinearOperator)):
                return J                                      # SciPy's least_squares takes them as they are
            J = coerce_float64(J, fit.nan_policy, ravel=False)
            if not self.internal:
                return J
            scale = np.array([par.scale_gradient(v) for par, v in zip(self.parameters, np.atleast_1d(x).tolist(), strict=True)])
            return J*scale[:, None] if col_deriv else J*scale
        return jacobian

    def settle(self, x: Any) -> None:
        """Give the result its parameters' values, and the residual there; this evaluation isn't counted."""
        values = self.values(x)
        for par, value in zip(self.parameters, values, strict=True):
            par.value = value
        self.free.put_external(values)
        fit = self.minimizer
        self.result.residual = coerce_float64(fit.userfcn(self.free.params, *fit.userargs, **fit.userkws), fit.nan_policy)
