"""The bootstrap: the same fit of thousands of data sets like the one there is, and how its parameters scatter.

Efron and Tibshirani, An Introduction to the Bootstrap (1993); Davison and Hinkley, Bootstrap Methods and their Application (1997).
"""
from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np

from gslfit.checks import as_float, choice, count_if_given, identifiers, package, shown, whole
from gslfit.curves.batch_result import Columns
from gslfit.curves.progress import Progress
from gslfit.errors import FitStatus, InputError, InputTypeError, warn
from gslfit.minimizer._uncertainty import covariance
from gslfit.minimizer.result import FitResult
from gslfit.resampling.draws import KINDS, Draws, Sample, kind_of
from gslfit.resampling.expression import expression_values
from gslfit.resampling.fitted import fitted_of
from gslfit.resampling.jackknife import JackknifeResult, jackknife
from gslfit.resampling.replicates import Refits, refits
from gslfit.resampling.scatter import deviation, in_units, scatter

ENOUGH = 2              # replicates without which there is no scatter


def bootstrap(result: Any, n: int = 10_000, kind: str | None = None, seed: Any = None, *, threads: int | None = None,
              progress: Any = False) -> BootstrapResult:
    """Repeat a fit with resampled data.

    Parameters
    ----------
    result : FitResult, ModelResult or Minimizer
        Of a fit that succeeded.
    n : int
        How many replicates.
    kind : {"residual", "pairs", "parametric", "poisson"}, optional
        What is drawn. "residual": the weighted residuals (of correlated errors the whitened ones), times ``sqrt(n/(n - p))`` and less
        their mean (of a robust loss less their location by that loss, which outliers don't move), with replacement, about the fitted
        model; x stays, and the errors are taken for alike. "pairs": points with
        replacement, each with its x, y and weight. "parametric": normal errors about the fitted model, of the size that `yerr` or `ycov`
        says, or of that of the residuals where errors are scaled. "poisson": counts whose means are the fitted model; weights stay. By
        default "residual", and of fits with ``loss="poisson"`` "poisson".
    seed : int, sequence of int, numpy.random.Generator or SeedSequence, optional
        Of the random numbers: the same one gives the same replicates, however many threads fit them.
    threads : int, optional
        How many; all cores, if not given.
    progress : bool or callable
        Show a bar (needs tqdm), or call it with the number of replicates done.

    Returns
    -------
    BootstrapResult

    Raises
    ------
    InputError
        If the fit didn't succeed, `kind` has no meaning for it, no degree of freedom is left to tell errors by, or fewer than two
        replicates could be fitted.
    NoModelError
        If `kind` needs a model, and only a residual function was fitted.

    Notes
    -----
    A replicate begins at the best fit. One that fails, or does not determine every parameter, is counted in `failed` and has no values.
    What was known of parameters beforehand (`prior`) is a measurement too: its mean is drawn anew with its standard deviation. A robust
    loss keeps the scale that the fit had. Points that took no part take none.

    A residual function is traced, as by ``minimize(compiled=True)``. What can't be compiled is called, a replicate at a time where only
    residuals are known: that takes as long as so many fits do.

    Examples
    --------
    >>> import numpy as np
    >>> import gslfit
    >>> x = np.linspace(0, 5, 50)
    >>> y = 2*np.exp(-x/1.5) + 0.05*np.random.default_rng(0).standard_normal(50)
    >>> fit = gslfit.fit("A*exp(-x/tau)", y, x=x, A=1.0, tau=1.0)
    >>> boot = gslfit.bootstrap(fit, 2000, seed=1)
    >>> boot.failed, boot.values["tau"].shape
    (0, (2000,))
    >>> low, high = boot.percentile(0.95)["tau"]
    >>> low < 1.5 < high
    True
    """
    fitted = fitted_of(result, "a bootstrap")
    fitted.check_determined()
    count = whole("n", n, ENOUGH)
    wanted = kind_of(fitted, kind if kind is None else choice("kind", kind, KINDS))
    threads = count_if_given("threads", threads)
    rng, known = generator(seed)
    draws = Draws(fitted, wanted, rng)
    with Progress(progress, count) as report:
        found = refits(fitted, _samples(draws, count), count, threads, None if report.function is None else report.tell)
    return BootstrapResult(fitted.result, wanted, known, found)


def _samples(draws: Draws, count: int) -> Iterator[Sample]:
    """Draw so many replicates, block by block."""
    for first in range(0, count, draws.block):
        yield draws.sample(min(draws.block, count - first))


def generator(seed: Any) -> tuple[np.random.Generator, Any]:
    """Return a generator of random numbers, and the seed that makes it anew (None for one that the caller has).

    Raises
    ------
    InputError, InputTypeError
        If it is no seed.
    """
    if isinstance(seed, np.random.Generator):
        return seed, None
    if seed is None:
        seed = np.random.SeedSequence().entropy
    try:
        return np.random.default_rng(seed), seed
    except (TypeError, ValueError) as error:
        kind = InputTypeError if isinstance(error, TypeError) else InputError
        raise kind(f"seed must be a whole number from 0, a sequence of such, or a numpy.random.Generator: {error}") from None


class BootstrapResult:
    """What a bootstrap found.

    Parameters
    ----------
    fit : FitResult
    kind : str
    seed : object
    found : Refits

    Attributes
    ----------
    fit : FitResult
        What was repeated.
    kind : str
        What was drawn, see `bootstrap`.
    seed : int or sequence of int, or None
        What makes the same replicates anew; None where the caller's generator was used.
    names : tuple of str
        The varying parameters, and those with an expression.
    best : dict of str to float
        All parameters at the fit itself.
    values : mapping of str to ndarray, shape (n_good,)
        All parameters in the replicates that have values, in the order in which they were drawn.
    status : ndarray of int8, shape (n,)
        How each replicate ended, a `FitStatus`.
    good : ndarray of bool, shape (n,)
        Which replicates have values.
    """

    def __init__(self, fit: FitResult, kind: str, seed: Any, found: Refits) -> None:
        self.fit, self.kind, self.seed = fit, kind, seed
        self.status, self.good = found.status, found.good
        self.best = {name: float(par.value) for name, par in fit.params.items()}
        self.names = tuple(name for name, par in fit.params.items() if name in fit.var_names or par.expr is not None)
        self.values = Columns({name: array[self.good] for name, array in found.values.items()})
        if np.count_nonzero(self.good) < ENOUGH:
            raise InputError(f"of {self.n} replicates {self.failed} failed: {self._endings()}")

    @property
    def n(self) -> int:
        """How many replicates were fitted."""
        return self.status.size

    @property
    def failed(self) -> int:
        """How many of them have no values."""
        return self.n - int(np.count_nonzero(self.good))

    @property
    def endings(self) -> dict[str, int]:
        """How the replicates without values ended, and how many ended so."""
        bad = self.status[~self.good]
        return {status.prose: int(np.count_nonzero(bad == status)) for status in FitStatus if (bad == status).any()}

    def _endings(self) -> str:
        return ", ".join(f"{count} {prose}" for prose, count in self.endings.items())

    # -- scatter

    @cached_property
    def stderr(self) -> dict[str, float]:
        """The standard deviation of each parameter over the replicates."""
        return {name: deviation(self.values[name]) for name in self.names}

    @cached_property
    def bias(self) -> dict[str, float]:
        """How far the mean of each parameter over the replicates is above the best fit."""
        return {name: float(np.mean(self.values[name] - self.best[name])) for name in self.names}

    @cached_property
    def covar(self) -> np.ndarray:
        """The covariance of the varying parameters over the replicates: ndarray (p, p), in the order of ``fit.var_names``.

        Infinite a variance that is no number of double precision, as a fit's.
        """
        return covariance(*self._scatter)

    @cached_property
    def _scatter(self) -> tuple[np.ndarray, np.ndarray]:
        """Standard deviations (p,) and correlations (p, p) of the varying parameters over the replicates."""
        return scatter([self.values[name] for name in self.fit.var_names])

    @property
    def correlation(self) -> np.ndarray:
        """The correlations of the varying parameters over the replicates: ndarray (p, p)."""
        return self._scatter[1]

    def derived(self, expr: str) -> np.ndarray:
        """Return the values of an expression of the parameters in the replicates.

        Parameters
        ----------
        expr : str
            As the `expr` of a parameter: ``"amplitude/sigma"``.

        Returns
        -------
        ndarray, shape (n_good,)

        Raises
        ------
        ExpressionError
            If the text is no expression of the parameters.
        """
        return expression_values(self.fit, self.values, expr)

    # -- intervals

    def percentile(self, level: float = .95, names: Any = None) -> dict[str, tuple[float, float]]:
        """Return the percentile interval of each parameter: what lies between holds the share `level` of the replicates.

        Parameters
        ----------
        level : float
            The probability of the intervals, between 0 and 1.
        names : str or sequence of str, optional
            Parameters, or expressions of them; by default those that vary or have an expression.

        Returns
        -------
        dict of str to (float, float)
        """
        tail = (1 - probability(level))/2
        found = {name: np.quantile(self._replicates(name), [tail, 1 - tail]) for name in self._wanted(names)}
        return {name: (float(low), float(high)) for name, (low, high) in found.items()}

    def bca(self, level: float = .95, names: Any = None) -> dict[str, tuple[float, float]]:
        """Return the bias-corrected and accelerated interval of each parameter.

        Parameters
        ----------
        level : float
            The probability of the intervals, between 0 and 1.
        names : str or sequence of str, optional
            Parameters, or expressions of them; by default those that vary or have an expression.

        Returns
        -------
        dict of str to (float, float)
            NaN, with a warning, where all replicates lie on one side of the best fit.

        Raises
        ------
        InputError
            If the fit no longer has what was fitted: the acceleration takes a jackknife.

        Notes
        -----
        Efron, Better bootstrap confidence intervals, J. Amer. Statist. Assoc. 82 (1987) 171: the quantiles of the replicates at
        ``Phi(z0 + (z0 + z)/(1 - a (z0 + z)))`` with z the normal quantiles of the tails, ``Phi(z0)`` the share of replicates below the best
        fit (half of those at it), and the acceleration ``a = sum(d^3)/(6 sum(d^2)^1.5)``, ``d`` being how far the fit without one point is
        below the mean of these fits.
        """
        from scipy.special import ndtr, ndtri
        z = ndtri((1 - probability(level))/2)*np.array([1, -1])
        found, lost = {}, []
        for name in self._wanted(names):
            values, best = self._replicates(name), self._best(name)
            share = ((values < best).mean() + (values <= best).mean())/2
            a, z0 = self._acceleration(name), ndtri(share)
            with np.errstate(invalid="ignore", divide="ignore"):
                tails = ndtr(z0 + (z0 + z)/(1 - a*(z0 + z)))
            if not np.isfinite(tails).all() or not 0 < share < 1:
                lost.append(name)
                found[name] = (np.nan, np.nan)
                continue
            low, high = np.quantile(values, tails)
            found[name] = (float(low), float(high))
        if lost:
            warn(f"there is no BCa interval of {', '.join(lost)}: all replicates lie on one side of the best fit, or the jackknife failed")
        return found

    def _acceleration(self, name: str) -> float:
        """Return the acceleration of a parameter or an expression."""
        found = np.asarray(self.jackknife.values[name] if name in self.best else self.jackknife.derived(name))
        found = found[np.isfinite(found)]
        if not found.size:
            return 0.0
        d = -in_units(found)[0]
        squares = float(np.sum(d**2))
        return float(np.sum(d**3))/(6*squares**1.5) if squares > 0 else 0.0

    @cached_property
    def jackknife(self) -> JackknifeResult:
        """The jackknife of the same fit, which `bca` needs; made when it is first asked for."""
        return jackknife(self.fit)

    def _wanted(self, names: Any) -> list[str]:
        return list(self.names) if names is None else identifiers("names", names)

    def _replicates(self, name: str) -> np.ndarray:
        """Return the values of a parameter or an expression in the replicates."""
        return self.values[name] if name in self.best else self.derived(name)

    def _best(self, name: str) -> float:
        return self.best[name] if name in self.best else float(expression_values(self.fit, self.best, name))

    # -- reports

    def report(self, level: float = .95) -> str:
        """Return values, standard errors, biases and percentile intervals as text."""
        from gslfit.report.resampling import bootstrap_report
        return bootstrap_report(self, probability(level))

    def __repr__(self) -> str:
        return self.report()

    def _repr_html_(self) -> str:
        from gslfit.report.resampling import bootstrap_html
        return bootstrap_html(self, .95)

    def to_frame(self) -> Any:
        """Return the replicates that have values as a pandas DataFrame: a row each, a column for each of `names`."""
        pandas = package("pandas", "all", "to_frame()")
        index = pandas.Index(np.flatnonzero(self.good), name="replicate")
        return pandas.DataFrame({name: self.values[name] for name in self.names}, index=index)

    def plot(self, names: Any = None, **kws: Any) -> np.ndarray:
        """Draw how each parameter scatters; returns the axes. See `gslfit.report.plots.plot_bootstrap`."""
        from gslfit.report.plots import plot_bootstrap
        return plot_bootstrap(self, names, **kws)

    plot_bootstrap = plot


def probability(level: Any) -> float:
    """Return the probability of an interval, or raise InputError."""
    found = as_float("level", level)
    if not 0 < found < 1:
        raise InputError(f"level is {shown(level)}: the probability of an interval lies between 0 and 1, such as 0.95")
    return found
