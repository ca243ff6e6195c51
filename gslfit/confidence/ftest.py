"""The F-test on a fit: which chi-square a probability stands for, and the fit's residual, Jacobian and bounds for refits.

The F-test says with what probability the rise of chi-square from chi2_0 to chi2_f, with some parameters held and the others refitted, isn't
chance (lmfit 0.5 manual, section 4.1):

    F(P_fix, N - P) = (chi2_f/chi2_0 - 1) (N - P)/P_fix.

Where the errors of the data are known (``scale_covar=False``) the rise itself follows chi-square's distribution with P_fix degrees of
freedom, and no degrees of freedom need be left.
"""
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from gslfit.checks import function, real, text
from gslfit.confidence.constrained_refit import ConstrainedRefit
from gslfit.constraints.grammar import close
from gslfit.errors import FitError, InputError, InputTypeError, ParameterNameError
from gslfit.minimizer._descent import Differences
from gslfit.minimizer.jacobian import UserJacobian
from gslfit.minimizer.options import named
from gslfit.minimizer.residual import Residual

RESTARTS = 5              # how often a lower minimum, found on the way, makes everything begin anew

ProbFunc = Callable[..., float]


def f_compare(ndata: float, nparas: float, new_chi: float, best_chi: float, nfix: float = 1.) -> float:
    """Return the probability that a rise of chi-square isn't chance, by the F-test.

    Parameters
    ----------
    ndata : int
        Number of data, N.
    nparas : int
        Number of parameters varied in the fit with some held, P - nfix.
    new_chi, best_chi : float
        Chi-square with some parameters held, and at the best fit.
    nfix : float
        Number of parameters held.

    Returns
    -------
    float
        The F distribution's cumulative probability of ``(new_chi/best_chi - 1)*(N - P)/nfix`` with nfix and N - P degrees of freedom.

    Examples
    --------
    >>> round(f_compare(100, 1, 1.0412, 1.0), 3)
    0.953
    """
    from scipy.special import fdtr
    ndata, nparas, nfix = real("ndata", ndata), real("nparas", nparas), real("nfix", nfix)
    new_chi, best_chi = real("new_chi", new_chi), real("best_chi", best_chi)
    nfree = ndata - nparas - nfix
    if not (nfix > 0 and nfree > 0 and best_chi > 0):
        raise InputError(f"nfix={nfix:g}, ndata - nparas - nfix={nfree:g} and best_chi={best_chi:g} must be positive")
    return float(fdtr(nfix, nfree, max(new_chi/best_chi - 1, 0)*nfree/nfix))


def rises(chances: Any, nfree: Any, known: bool, nfix: float = 1) -> np.ndarray:
    """Return the rises of chi-square that probabilities stand for, in units of what one standard error adds, with `nfix` parameters held.

    Parameters
    ----------
    chances, nfree : array_like
        Probabilities; degrees of freedom, which matter where the errors of the data aren't known. They are broadcast.
    known : bool
        Whether the errors of the data are known.
    """
    if known:
        from scipy.special import gammaincinv
        return 2*gammaincinv(.5*nfix, np.asarray(chances, float))
    from scipy.special import fdtri
    return nfix*fdtri(nfix, nfree, chances)


def residual_of(fitted: Any, result: Any = None) -> tuple[Any, Any, Mapping[str, Any]]:
    """Return what has the residual function of anything that was fitted, what has the best parameters, and the options of the fit.

    Raises
    ------
    InputError
        If it isn't fitted yet, or no longer has what was fitted.
    InputTypeError
        If it is no result of one fit.
    """
    if hasattr(fitted, "fcn_args"):                           # a Minimizer
        result = fitted if result is None else result
        if getattr(fitted, "result", result) is None:
            raise InputError("the Minimizer must be fitted first: call its leastsq()")
        return fitted, result, named(getattr(result, "call_kws", None) or {})
    if not hasattr(fitted, "params"):
        remedy = ": ask for one of its fits, such as result[0]" if hasattr(fitted, "ndata") and hasattr(fitted, "shape") else ""
        raise InputTypeError(f"intervals are those of a fit's result (FitResult, ModelResult or Minimizer), "
                             f"not of {type(fitted).__name__}{remedy}")
    minimizer = fitted.minimizer
    return minimizer, fitted if result is None else result, minimizer.kws


def refuse_robust(loss: str) -> None:
    """Raise FitError for a loss whose profiles mean nothing."""
    if loss not in ("linear", "poisson"):
        raise FitError(f"profiles of chi-square mean nothing for loss={loss!r}: take a bootstrap, which fits resampled data again and "
                       "again, or the standard errors")


def scaled(result: Any, options: Mapping[str, Any]) -> bool:
    """Return whether a fit's errors are scaled by the reduced chi-square: whether those of the data are estimated."""
    own = getattr(result, "scale_covar", None)                # a model's result has it
    return bool({**options, **(getattr(result, "call_kws", None) or {})}.get("scale_covar", True) if own is None else own)


class FTest:
    """A fit's residual, Jacobian and bounds for refits, apart from the fit itself, and the test of their chi-square.

    Parameters
    ----------
    fitted : Minimizer, FitResult or ModelResult
    result : object, optional
        Whose ``params`` are the best fit; those of `fitted` otherwise.
    prob_func : callable, optional
        As `f_compare`.
    """

    def __init__(self, fitted: Any, result: Any = None, prob_func: ProbFunc | None = None) -> None:
        minimizer, result, options = residual_of(fitted, result)
        loss = {**options, **(getattr(result, "call_kws", None) or {})}.get("loss", "linear")
        refuse_robust(loss)
        self.known = prob_func is None and not scaled(result, options)
        self.prob_func = function("prob_func", prob_func) or f_compare
        if not hasattr(result.params, "bind"):
            raise InputTypeError(f"a fit's params are Parameters, not {type(result.params).__name__}")
        self.free = result.params.bind()                      # a copy; only external values are used
        self.residual = Residual(minimizer.function, self.free, minimizer.fcn_args, minimizer.fcn_kws, options.get("nan_policy", "raise"))
        self.names = self.free.names
        varying = [self.free.params[name] for name in self.names]
        self.lower = np.array([-np.inf if par.min is None else par.min for par in varying])
        self.upper = np.array([np.inf if par.max is None else par.max for par in varying])
        self.x = np.array([float(par.value) for par in varying])
        r = self.residual.first(self.x)
        n, p = r.size, self.x.size
        if n < p or (n == p and not self.known):
            hint = "" if n < p else "; with known errors, scale_covar=False, none is needed"
            raise InputError(f"there are {n} residuals for {p} varying parameters: no degree of freedom is left to tell errors by{hint}")
        self.ndata, self.chi = n, float(r @ r)
        self.jac: Callable[[np.ndarray, np.ndarray], np.ndarray] = self._differences
        if options.get("jac") is not None:
            exact = UserJacobian(options["jac"], self.residual, options.get("col_deriv", False))
            self.jac = lambda x, r: exact(x)

    def _differences(self, x: np.ndarray, r: np.ndarray) -> np.ndarray:
        """Return the Jacobian by forward differences."""
        return Differences(self.residual, self.lower, self.upper, self.residual.precision).forward(x, r)

    def refit(self, x: np.ndarray) -> ConstrainedRefit:
        """Return chi-square round a point."""
        return ConstrainedRefit(self.residual, self.jac, x, self.lower, self.upper, self.residual.scale**2 if self.known else None)

    def index(self, name: str) -> int:
        """Return a varying parameter's place."""
        if text("a parameter's name", name) in self.names:
            return self.names.index(name)
        if name in self.free.params:
            what = "is an expression" if self.free.params[name].expr else "does not vary"
            raise InputError(f"parameter {name!r} {what}, so it has no profile of its own; those that vary: {', '.join(self.names)}")
        raise ParameterNameError(f"there is no parameter {name!r}{close(name, self.names)}")

    def chisqr(self, chi: float) -> float:
        """Return chi-square in the residual's own units."""
        return chi/self.residual.scale/self.residual.scale

    def probability(self, chi: float, best: float, nfix: float = 1) -> float:
        """Return the probability of a chi-square with `nfix` parameters held."""
        if self.known:
            from scipy.special import gammainc
            return float(gammainc(.5*nfix, .5*max(chi - best, 0.)/self.residual.scale**2))
        if self.prob_func is not f_compare:         # which is one of their ratio, and in the residual's own units they may be out of range
            chi, best = self.chisqr(chi), self.chisqr(best)
        return float(self.prob_func(self.ndata, len(self.names) - nfix, chi, best, nfix=float(nfix)))

    def level(self, probability: float, best: float, nfix: float = 1) -> float:
        """Return the chi-square that a probability stands for with `nfix` parameters held."""
        if probability <= 0:
            return best
        nfree = self.ndata - len(self.names)
        if self.known:
            return best + float(rises(probability, nfree, True, nfix))*self.residual.scale**2
        if self.prob_func is f_compare:
            return best*(1 + float(rises(probability, nfree, False, nfix))/nfree)
        from scipy.optimize import brentq
        high = 1.
        while not self.probability(best*(1 + high), best, nfix) >= probability:
            high *= 4
            if high > 1e100:
                raise InputError(f"prob_func never reaches {probability}: at 1e100 times chi-square it gives "
                                 f"{self.probability(best*high, best, nfix)}")
        rise = brentq(lambda rise: self.probability(best*(1 + rise), best, nfix) - probability, 0., high, xtol=1e-300, rtol=1e-10)
        return best*(1 + rise)

    def values(self, x: np.ndarray) -> dict[str, float]:
        """Return all parameters' values, expressions evaluated, for those of the varying ones."""
        self.free.put_external(x)
        return self.free.params.valuesdict()


def listed(values: dict[str, float]) -> str:
    """Return values by name as text."""
    return ", ".join(f"{name} = {value:.6g}" for name, value in values.items())


def as_called(args: tuple[Any, ...], kws: dict[str, Any]) -> tuple[Any, tuple[Any, ...], dict[str, Any]]:
    """Return the result among a call's arguments, second as in lmfit 1.3 or by name, and the others."""
    if args and hasattr(args[0], "params"):
        return args[0], args[1:], kws
    return kws.get("result"), args, {name: value for name, value in kws.items() if name != "result"}
