"""The jackknife: the same fit without each of its points in turn."""
from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from math import sqrt
from typing import Any

import numpy as np

from gslfit.checks import count_if_given
from gslfit.curves.batch_result import Columns
from gslfit.curves.progress import Progress
from gslfit.minimizer._uncertainty import covariance
from gslfit.minimizer.bands import spread_of
from gslfit.minimizer.result import FitResult
from gslfit.resampling.draws import BLOCK, Sample
from gslfit.resampling.expression import expression_values
from gslfit.resampling.fitted import Fitted, fitted_of
from gslfit.resampling.replicates import refits
from gslfit.resampling.scatter import deviation, scatter


def jackknife(result: Any, *, threads: int | None = None, progress: Any = False) -> JackknifeResult:
    """Repeat a fit without each of its points in turn.

    Parameters
    ----------
    result : FitResult, ModelResult or Minimizer
        Of a fit that succeeded.
    threads : int, optional
        How many; all cores, if not given.
    progress : bool or callable
        Show a bar (needs tqdm), or call it with the number of fits done.

    Returns
    -------
    JackknifeResult

    Raises
    ------
    InputError
        If the fit didn't succeed, or has no more points than varying parameters.

    Notes
    -----
    As many fits as there are points, each of almost as many points. What was known of parameters beforehand (`prior`) stays.

    Examples
    --------
    >>> import numpy as np
    >>> import gslfit
    >>> x = np.linspace(0, 5, 50)
    >>> y = 2*np.exp(-x/1.5) + 0.05*np.random.default_rng(0).standard_normal(50)
    >>> fit = gslfit.fit("A*exp(-x/tau)", y, x=x, A=1.0, tau=1.0)
    >>> jack = gslfit.jackknife(fit)
    >>> jack.values["tau"].shape, bool(0.5 < jack.stderr["tau"]/fit.stderr["tau"] < 2)
    ((50,), True)
    """
    fitted = fitted_of(result, "a jackknife")
    fitted.check_determined()
    fitted.check_freedom()
    threads = count_if_given("threads", threads)
    with Progress(progress, fitted.n) as report:
        found = refits(fitted, _samples(fitted.n), fitted.n, threads, None if report.function is None else report.tell)
    return JackknifeResult(fitted, found.values, found.good)


def _samples(n: int) -> Iterator[Sample]:
    """Leave out each of n points, a block of fits at a time."""
    size = max(1, BLOCK//n)
    for first in range(0, n, size):
        left_out = np.arange(first, min(first + size, n))
        yield Sample(left_out.size, left_out=left_out)


class JackknifeResult:
    """What a jackknife found.

    Parameters
    ----------
    fitted : Fitted
    values : dict of str to ndarray, shape (n,)
        Of the fits without each of the points that take part.
    good : ndarray of bool, shape (n,)
        Which of these have values.

    Attributes
    ----------
    fit : FitResult
        What was repeated.
    n : int
        How many fits there were, one for each point that takes part.
    failed : int
        How many of them have no values: they failed, or did not determine every parameter.
    names : tuple of str
        The varying parameters, and those with an expression.
    best : dict of str to float
        All parameters at the fit itself.
    values : mapping of str to ndarray
        All parameters without each point, in the shape of the data. NaN where a point took no part, or the fit without it failed.
    """

    def __init__(self, fitted: Fitted, values: dict[str, np.ndarray], good: np.ndarray) -> None:
        self.fit: FitResult = fitted.result
        self.n, self.failed = good.size, good.size - int(np.count_nonzero(good))
        params = fitted.params
        self.best = {name: float(par.value) for name, par in params.items()}
        self.names = tuple(name for name, par in params.items() if name in fitted.names or par.expr is not None)
        self.values = Columns({name: fitted.shaped(np.where(good, array, np.nan)) for name, array in values.items()})

    def _known(self, name: str) -> np.ndarray:
        """Return the values of a parameter that there are, flat."""
        found = self.values[name]
        return found[np.isfinite(found)]

    @cached_property
    def bias(self) -> dict[str, float]:
        """How far each parameter is above what it would be without bias: ``(n - 1)(mean - best)``, mean being that of `values`.

        Quenouille, Biometrika 43 (1956) 353.
        """
        return {name: float((self._known(name).size - 1)*np.mean(self._known(name) - self.best[name])) for name in self.names}

    @cached_property
    def stderr(self) -> dict[str, float]:
        """The standard error of each parameter, ``sqrt((n - 1)/n sum((value - mean)^2))``; Tukey, Ann. Math. Statist. 29 (1958) 614."""
        return {name: deviation(self._known(name), 0)*sqrt(max(self._known(name).size - 1, 0)) for name in self.names}

    @cached_property
    def covar(self) -> np.ndarray:
        """The covariance of the varying parameters, ``(n - 1)/n sum(d d^T)``: ndarray (p, p), in the order of ``fit.var_names``.

        Infinite a variance that is no number of double precision, as a fit's.
        """
        rows = [self._known(name) for name in self.fit.var_names]
        errors, correlations = scatter(rows, 0)
        return covariance(errors*sqrt(max(rows[0].size - 1, 0)), correlations)

    @cached_property
    def cooks_distance(self) -> np.ndarray:
        """Cook's distance of each point by these fits, in the shape of `values`: Cook, Technometrics 19 (1977) 15.

        ``(v - v_i)^T C^-1 (v - v_i)/p``, with v the varying parameters at the fit, v_i those without the point and C the fit's covariance.
        Parameters without a standard error are left aside.
        """
        params = self.fit.params
        names = [name for name in self.fit.var_names if params[name].stderr]
        if not names:
            return np.full(self.values[self.names[0]].shape, np.nan)
        known = spread_of(params, names)
        assert known.correlations is not None
        moves = np.stack([self.values[name] - self.best[name] for name in names], axis=-1)/known.errors
        inverse = np.linalg.pinv(known.correlations)
        return np.einsum("...i,ij,...j->...", moves, inverse, moves)/len(names)

    def derived(self, expr: str) -> np.ndarray:
        """Return the values of an expression of the parameters without each point, in the shape of `values`."""
        return expression_values(self.fit, self.values, expr)

    # -- reports

    def report(self) -> str:
        """Return values, standard errors and biases as text."""
        from gslfit.report.resampling import jackknife_report
        return jackknife_report(self)

    def __repr__(self) -> str:
        return self.report()

    def _repr_html_(self) -> str:
        from gslfit.report.resampling import jackknife_html
        return jackknife_html(self)
