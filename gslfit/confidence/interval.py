"""Confidence intervals from profiles of chi-square: `conf_interval` of one fit, or of all fits of a batch.

The engine finds them where it can vouch for them (`gslfit.confidence.engine`, `gslfit.confidence.batch_intervals`), else the careful
code of `gslfit.confidence.careful`. The fit's parameters are not touched: everything happens in copies.
"""
from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal, overload

import numpy as np

from gslfit.checks import identifiers, truth, whole
from gslfit.confidence.batch_intervals import BatchIntervals, batch_intervals
from gslfit.confidence.careful import ConfidenceIntervals, find_intervals, not_reached, probabilities
from gslfit.confidence.engine import TURNS, Limits, limits_of
from gslfit.confidence.ftest import FTest, ProbFunc, as_called, f_compare
from gslfit.confidence.limit_status import LimitStatus
from gslfit.confidence.region import conf_interval2d
from gslfit.curves.batch_result import BatchResult

SIGMAS = (.674, .95, .997)

__all__ = ["ConfidenceIntervals", "conf_interval", "conf_interval2d", "f_compare"]


@overload
def conf_interval(minimizer: BatchResult, p_names: Sequence[str] | None = ..., sigmas: Iterable[float] | None = ..., *,
                  thorough: bool = ..., threads: int | None = ..., progress: Any = ...) -> BatchIntervals: ...
@overload
def conf_interval(minimizer: Any, p_names: Sequence[str] | None = ..., sigmas: Iterable[float] | None = ..., trace: Literal[False] = ...,
                  maxiter: int = ..., verbose: bool = ..., prob_func: ProbFunc | None = ..., *,
                  result: Any = ...) -> ConfidenceIntervals: ...
@overload
def conf_interval(minimizer: Any, p_names: Sequence[str] | None = ..., sigmas: Iterable[float] | None = ..., *, trace: Literal[True],
                  maxiter: int = ..., verbose: bool = ..., prob_func: ProbFunc | None = ...,
                  result: Any = ...) -> tuple[ConfidenceIntervals, dict[str, dict[str, np.ndarray]]]: ...
@overload
def conf_interval(minimizer: Any, result: Any, p_names: Sequence[str] | None = ..., sigmas: Iterable[float] | None = ...,
                  trace: Literal[False] = ..., maxiter: int = ..., verbose: bool = ...,
                  prob_func: ProbFunc | None = ...) -> ConfidenceIntervals: ...


def conf_interval(minimizer: Any, *args: Any, **kws: Any) -> Any:
    """Find confidence intervals from profiles of chi-square.

    Called as ``conf_interval(minimizer, p_names=None, sigmas=(0.674, 0.95, 0.997), trace=False, maxiter=200, verbose=False,
    prob_func=None)``; a fit's result may come second, as in lmfit 1.3.

    Parameters
    ----------
    minimizer : Minimizer, FitResult, ModelResult or BatchResult
        The fitted one. Of a batch the intervals of all fits are found: see `BatchResult.conf_interval`.
    result : result of a fit, optional
        Whose parameters are the best fit, instead of the Minimizer's own.
    p_names : list of str, optional
        Parameters to find intervals of; by default all that vary.
    sigmas : sequence of float
        Probabilities; numbers from 1 on are standard deviations.
    trace : bool
        Whether all points of the profiles are returned too.
    maxiter : int
        Refits allowed for each limit.
    verbose : bool
        Whether to print each limit as it is found.
    prob_func : callable, optional
        Probability of a chi-square, called as `f_compare`. By default the F-test decides, and chi-square's own distribution where the
        errors of the data are known (``scale_covar=False``).

    Returns
    -------
    intervals : ConfidenceIntervals
        ``{name: [(p_max, lowest), ..., (0., best), ..., (p_max, highest)]}``. A limit that is never reached is infinite, and `notes`
        says why.
        A limit is where the lowest chi-square over the other parameters crosses its level; where that is on another branch than the
        minimum's, `notes` says so, and `ranges` has all ranges where there are several.
    trace : dict
        With `trace` only: ``{fixed: {name: ndarray, ..., "prob": ndarray}}``, the points in order of the parameter held.

    Raises
    ------
    InputError
        If the Minimizer isn't fitted, a parameter doesn't vary, a probability can't be, or no degree of freedom is left and errors aren't
        known.

    Warns
    -----
    FitWarning
        If a profile finds a lower minimum than the fit did. The intervals are then around it, and `better` has its values.

    Notes
    -----
    The Minimizer and its parameters are as before afterwards, whatever happens.

    Examples
    --------
    >>> import numpy as np
    >>> import gslfit
    >>> x = np.linspace(0.3, 10, 100)
    >>> y = 1/(0.1*x) + 2 + 0.1*np.sin(7*x*x)
    >>> p = gslfit.Parameters()
    >>> p.add_many(("a", 0.1), ("b", 1))
    >>> mini = gslfit.minimize(lambda p: 1/(p["a"]*x) + p["b"] - y, p)
    >>> ci = gslfit.conf_interval(mini, sigmas=[0.95])
    >>> [round(limit, 3) for probability, limit in ci["b"]]
    [1.96, 1.978, 1.996]
    """
    if isinstance(minimizer, BatchResult):
        return _of_batch(minimizer, *args, **kws)
    result, args, kws = as_called(args, kws)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):       # a refit may try where the model overflows
        return _conf_interval(minimizer, result, *args, **kws)


def _of_batch(batch: BatchResult, p_names: Sequence[str] | None = None, sigmas: Iterable[float] | None = None, *, thorough: bool = True,
              threads: int | None = None, progress: Any = False) -> BatchIntervals:
    """Do the work of `conf_interval` for a batch."""
    return batch_intervals(batch, p_names, probabilities(SIGMAS if sigmas is None else sigmas), thorough, threads, progress)


def _conf_interval(minimizer: Any, result: Any, p_names: Sequence[str] | None = None, sigmas: Iterable[float] | None = SIGMAS,
                   trace: bool = False, maxiter: int = 200, verbose: bool = False, prob_func: ProbFunc | None = None) -> Any:
    """Do the work of `conf_interval`."""
    chances = sorted(probabilities(SIGMAS if sigmas is None else sigmas))
    ftest = FTest(minimizer, result, prob_func)
    wanted = list(ftest.names) if p_names is None else identifiers("p_names", p_names)
    trace, verbose, maxiter = truth("trace", trace), truth("verbose", verbose), whole("maxiter", maxiter, 1)
    indices = [ftest.index(name) for name in wanted]
    if not (trace or verbose) and ftest.prob_func is f_compare and maxiter >= TURNS:
        sure = limits_of(ftest, indices, chances)
        if sure is not None:
            return _by_engine(ftest, wanted, indices, chances, sure)
    return find_intervals(ftest, wanted, chances, trace, verbose, maxiter)


def _by_engine(ftest: FTest, wanted: Sequence[str], indices: Sequence[int], chances: list[float], sure: Limits) -> ConfidenceIntervals:
    """Return intervals from limits of which the engine is sure."""
    found = ConfidenceIntervals()
    found.nfev = ftest.residual.nfev + sure.nfev
    found.chisqr, some = ftest.chisqr(ftest.chi), bool(sure.beyond.any())
    for name, k, (low, high), beyond in zip(wanted, indices, sure.values.tolist(), sure.beyond, strict=True):
        found[name] = [*zip(chances[::-1], low[::-1], strict=True), (0., float(ftest.x[k])), *zip(chances, high, strict=True)]
        codes = np.concatenate([beyond[0, ::-1], [False], beyond[1]])
        found.status[name] = [LimitStatus.BEYOND_BOUND if out else LimitStatus.FOUND for out in codes.tolist()]
        for side, bound, out in zip(("lower", "upper"), (ftest.lower[k], ftest.upper[k]), beyond, strict=True) if some else ():
            found.notes += [not_reached(name, side, chance, f"it would lie beyond the bound {bound:.6g}")
                            for chance, missed in zip(chances, out, strict=True) if missed]
    return found
