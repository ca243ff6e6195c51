"""Confidence intervals called as in lmfit 1.3: with a minimizer and its result, in standard deviations."""
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

from gslfit.compat.lmfit.objective import MinimizerException
from gslfit.compat.lmfit.result import MinimizerResult
from gslfit.confidence.ftest import FTest
from gslfit.confidence.ftest import f_compare as _f_compare
from gslfit.confidence.interval import conf_interval as _conf_interval
from gslfit.confidence.region import conf_interval2d as _conf_interval2d
from gslfit.errors import warn
from gslfit.minimizer.options import named

__all__ = ["conf_interval", "conf_interval2d", "copy_vals", "f_compare", "map_trace_to_names", "restore_vals"]

CANNOT = "Cannot determine Confidence Intervals"


def copy_vals(params: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Return every parameter's value and standard error by its name."""
    return {name: (par.value, par.stderr) for name, par in params.items()}


def restore_vals(tmp_params: Mapping[str, tuple[Any, Any]], params: Mapping[str, Any]) -> None:
    """Give parameters the values and standard errors that `copy_vals` took."""
    for name, par in params.items():
        par.value, par.stderr = tmp_params[name]


def map_trace_to_names(trace: Mapping[str, Any], params: Mapping[str, Any]) -> dict[str, dict[str, np.ndarray]]:
    """Return profiles, of rows with a number for each parameter and the probability, as arrays by name."""
    columns = [*params, "prob"]
    return {name: dict(zip(columns, np.array(rows).T, strict=True)) for name, rows in trace.items()}


def f_compare(best_fit: Any, new_fit: Any) -> float:
    """Return the probability by the F-test that a fit with some parameters held is worse not by chance.

    Parameters
    ----------
    best_fit, new_fit : MinimizerResult
        The fit, and one with fewer varying parameters.
    """
    return _f_compare(best_fit.nfree + best_fit.nvarys, new_fit.nvarys, new_fit.chisqr, best_fit.chisqr, best_fit.nvarys - new_fit.nvarys)


def _fitted(minimizer: Any, result: Any) -> tuple[Any, Any]:
    """Return a minimizer and its result as gslfit's profiles need them."""
    options = {name: value for name, value in named(getattr(result, "call_kws", None) or {}).items() if name in ("jac", "col_deriv")}
    fitter = SimpleNamespace(function=minimizer.userfcn, fcn_args=minimizer.userargs, fcn_kws=minimizer.userkws)
    return fitter, SimpleNamespace(params=result.params, call_kws=options | {"nan_policy": minimizer.nan_policy})


def _compared(prob_func: Callable[[Any, Any], float]) -> Callable[..., float]:
    """Return a probability of two fits, called as gslfit calls one."""
    def compare(ndata: int, nparas: int, new_chi: float, best_chi: float, nfix: float = 1.) -> float:
        fits = []
        for chi, nvarys in ((best_chi, nparas + int(nfix)), (new_chi, nparas)):
            nfree = ndata - nvarys
            fits.append(MinimizerResult(chisqr=chi, nvarys=nvarys, nfree=nfree, ndata=ndata, redchi=chi/max(1, nfree)))
        return prob_func(*fits)
    return compare


def conf_interval(minimizer: Any, result: Any, p_names: Sequence[str] | None = None, sigmas: Iterable[float] | None = None,
                  trace: bool = False, maxiter: int = 200, verbose: bool = False, prob_func: Callable | None = None,
                  min_rel_change: float = 1e-5) -> Any:
    """Find confidence intervals from profiles of chi-square.

    Parameters
    ----------
    minimizer : Minimizer
    result : MinimizerResult
        Its fit; it stays as it is.
    p_names : list of str, optional
        Parameters, by default all that vary.
    sigmas : sequence of float, optional
        Standard deviations, or probabilities below 1; (1, 2, 3) by default.
    trace : bool
        Whether all points of the profiles are returned too.
    maxiter : int
        Refits allowed for each limit.
    verbose : bool
        Whether to print the limits as they are found.
    prob_func : callable, optional
        ``prob_func(best_fit, new_fit)``, as `f_compare`.
    min_rel_change : float
        Without effect: where a profile levels off is found from its course.

    Returns
    -------
    dict of str to list of (float, float)
        Probabilities and limits, from the lowest to the highest; with `trace` also the profiles.

    Raises
    ------
    MinimizerException
        If fewer than two parameters vary, or one has no standard error.
    """
    params = result.params
    varying = [name for name, par in params.items() if par.vary]
    if len(varying) < 2:
        raise MinimizerException(f"{CANNOT} with < 2 variables")
    for name in varying if p_names is None else p_names:
        par = params[name]
        if par.vary and (par.stderr is None or np.isnan(par.stderr)):
            raise MinimizerException(f"{CANNOT} without sensible uncertainty estimates: {name!r} has none")
    if verbose:
        for name in varying if p_names is None else p_names:
            print(f"Calculating CI for {name}")
    how: dict[str, Any] = {"trace": trace, "maxiter": maxiter, "verbose": verbose,
                           "prob_func": _compared(prob_func) if prob_func else _f_compare}
    found: Any = _conf_interval(*_fitted(minimizer, result), p_names=p_names, sigmas=(1, 2, 3) if sigmas is None else sigmas, **how)
    for name, row in (found[0] if trace else found).items():
        for side, bound in ((row[0], params[name].min), (row[-1], params[name].max)):
            if np.isinf(side[1]) and np.isfinite(bound):
                warn(f"Bound reached with prob({name}={bound:.5g}) < max(sigmas): the limit of {side[0]:.2%} lies beyond it")
    return found


def conf_interval2d(minimizer: Any, result: Any, x_name: str, y_name: str, nx: int = 10, ny: int = 10, limits: Any = None,
                    prob_func: None = None, nsigma: float = 5, chi2_out: bool = False) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Find the confidence region of two parameters, in standard deviations.

    Parameters
    ----------
    minimizer : Minimizer
    result : MinimizerResult
        Its fit; it stays as it is.
    x_name, y_name : str
        The two parameters.
    nx, ny : int
        Points of each.
    limits : ((float, float), (float, float)), optional
        The ranges; by default `nsigma` standard errors each way.
    prob_func : None
        Deprecated by lmfit.
    nsigma : float
        Width of the default range.
    chi2_out : bool
        Whether to return chi-square instead.

    Returns
    -------
    x : ndarray, shape (nx,)
    y : ndarray, shape (ny,)
    grid : ndarray, shape (ny, nx)
        sqrt((chi2 - chi2_min)/redchi), or chi-square.

    Raises
    ------
    MinimizerException
        If a parameter has no standard error and there are no limits.
    """
    if prob_func is not None:
        raise DeprecationWarning("'prob_func' has no effect and will be removed in version 1.4.")
    fitter, fit = _fitted(minimizer, result)
    if limits is None:
        limits = [_range(result.params, name, nsigma) for name in (x_name, y_name)]
    ftest = FTest(fitter, fit)
    limits = [np.clip(ends, ftest.lower[ftest.index(name)], ftest.upper[ftest.index(name)])
              for name, ends in zip((x_name, y_name), limits, strict=True)]
    # the probability handed in is chi-square itself, as 1 - 1/(1 + chi2/chi2_best), which increases and stays below 1
    x, y, grid = _conf_interval2d(fitter, fit, x_name, y_name, nx, ny, limits, prob_func=_share)
    chisqr = result.chisqr*grid/(1 - grid)
    return x, y, chisqr if chi2_out else np.sqrt(np.maximum(chisqr - min(result.chisqr, chisqr.min()), 0)/result.redchi)


def _share(ndata: int, nparas: int, new_chi: float, best_chi: float, nfix: float = 1.) -> float:
    """Return chi-square as a share below 1."""
    return new_chi/(new_chi + best_chi)


def _range(params: Any, name: str, nsigma: float) -> tuple[float, float]:
    """Return a parameter's range, `nsigma` standard errors each way."""
    par = params[name]
    if not par.stderr:
        raise MinimizerException(f"{CANNOT} without sensible uncertainty estimates: {name!r} has none; give limits=")
    return par.value - nsigma*par.stderr, par.value + nsigma*par.stderr
