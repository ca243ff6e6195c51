"""What all results share: the same methods by the same names.

`FitResult`, `ModelResult` and a fitted `Minimizer` share these methods. Nothing is computed before it is asked for. The public functions
(`gslfit.conf_interval`, `gslfit.fit_report`, ...) do the work, and take any of the three.
"""
from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NoReturn, overload

import numpy as np

import gslfit
from gslfit.errors import FitStatus, NoModelError

Trace = dict[str, dict[str, np.ndarray]]
Limits = tuple[tuple[float, float], tuple[float, float]]


def refuse(name: str) -> NoReturn:
    """Raise NoModelError: what was asked for needs a model, and a residual function has none."""
    raise NoModelError(f"{name} needs a model, and only a residual function was fitted: fit with gslfit.fit(formula, y, x=...) or "
                       f"Model.fit, whose results have it")


class Passes:
    """The attributes of a `FitResult`, where something passes them on by ``__getattr__``; for type checkers and editors."""

    if TYPE_CHECKING:
        @property
        def success(self) -> bool: ...
        @property
        def errorbars(self) -> bool: ...
        @property
        def message(self) -> str: ...
        @property
        def status(self) -> FitStatus: ...
        @property
        def ier(self) -> int: ...
        @property
        def lmdif_message(self) -> str: ...
        @property
        def nfev(self) -> int: ...
        @property
        def nvarys(self) -> int: ...
        @property
        def ndata(self) -> int: ...
        @property
        def nfree(self) -> int: ...
        @property
        def chisqr(self) -> float: ...
        @property
        def redchi(self) -> float: ...
        @property
        def aic(self) -> float: ...
        @property
        def bic(self) -> float: ...
        @property
        def var_names(self) -> list[str]: ...
        @property
        def init_vals(self) -> list[float]: ...
        @property
        def values(self) -> dict[str, float]: ...
        @property
        def stderr(self) -> dict[str, float | None]: ...
        @property
        def covar(self) -> np.ndarray | None: ...
        @property
        def residual(self) -> np.ndarray: ...
        @property
        def keep(self) -> np.ndarray | None: ...
        @property
        def aborted(self) -> bool: ...
        @property
        def call_kws(self) -> dict[str, Any]: ...


class Answers:
    """The methods that every fitted thing has."""

    @overload
    def conf_interval(self, p_names: Sequence[str] | None = ..., sigmas: Iterable[float] | None = ..., trace: Literal[False] = ...,
                      maxiter: int = ..., verbose: bool = ...,
                      prob_func: Callable[..., float] | None = ...) -> gslfit.ConfidenceIntervals: ...
    @overload
    def conf_interval(self, p_names: Sequence[str] | None = ..., sigmas: Iterable[float] | None = ..., *, trace: Literal[True],
                      maxiter: int = ..., verbose: bool = ...,
                      prob_func: Callable[..., float] | None = ...) -> tuple[gslfit.ConfidenceIntervals, Trace]: ...

    def conf_interval(self, p_names: Sequence[str] | None = None, sigmas: Iterable[float] | None = None, trace: bool = False,
                      maxiter: int = 200, verbose: bool = False, prob_func: Callable[..., float] | None = None) -> Any:
        """Return confidence intervals from profiles of chi-square; see `gslfit.conf_interval`."""
        how: dict[str, Any] = {"trace": trace, "maxiter": maxiter, "verbose": verbose, "prob_func": prob_func}
        return gslfit.conf_interval(self, p_names=p_names, sigmas=sigmas, **how)

    def conf_interval2d(self, x_name: str, y_name: str, nx: int = 10, ny: int = 10, limits: Limits | None = None,
                        prob_func: Callable[..., float] | None = None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the confidence region of two parameters; see `gslfit.conf_interval2d`."""
        return gslfit.conf_interval2d(self, x_name, y_name, nx, ny, limits, prob_func)

    def bootstrap(self, n: int = 10_000, kind: str | None = None, seed: Any = None, *, threads: int | None = None,
                  progress: Any = False) -> gslfit.BootstrapResult:
        """Repeat the fit with resampled data; see `gslfit.bootstrap`."""
        return gslfit.bootstrap(self, n, kind, seed, threads=threads, progress=progress)

    def jackknife(self, *, threads: int | None = None, progress: Any = False) -> gslfit.JackknifeResult:
        """Repeat the fit without each of its points in turn; see `gslfit.jackknife`."""
        return gslfit.jackknife(self, threads=threads, progress=progress)

    def influence(self) -> gslfit.Influence:
        """Find what each point does to the fit: leverage, studentized residual, Cook's distance; see `gslfit.influence`."""
        return gslfit.influence(self)

    def ci_report(self, with_offset: bool = True, ndigits: int = 5, **kws: Any) -> str:
        """Return confidence intervals as text; further arguments are those of `conf_interval`."""
        return gslfit.ci_report(self.conf_interval(**kws), with_offset=with_offset, ndigits=ndigits)

    def fit_report(self, modelpars: Mapping[str, Any] | None = None, show_correl: bool = True, min_correl: float = 0.1,
                   sort_pars: bool | Callable[[str], Any] = False, correl_mode: str = "list") -> str:
        """Return statistics, values, errors and correlations as text; see `gslfit.fit_report`."""
        return gslfit.fit_report(self, modelpars, show_correl, min_correl, sort_pars, correl_mode)

    def derived(self, expr: str) -> tuple[float, float]:
        """Return the value and the standard error of an expression of the parameters.

        Parameters
        ----------
        expr : str
            As the `expr` of a parameter: ``"amplitude/sigma"``.

        Returns
        -------
        value, error : float
            From exact derivatives and the covariance; a parameter at its bound adds nothing to the error, which is NaN where no other one
            does.
        """
        from gslfit.minimizer.derived import derived
        return derived(self, expr)

    def eval(self, params: Any = None, **values: Any) -> np.ndarray:
        """Evaluate the model; a residual function has none.

        Raises
        ------
        NoModelError
            If only a residual function was fitted.
        """
        refuse("eval")

    def eval_uncertainty(self, params: Any = None, sigma: float = 1, dscale: float = 0.01, *, kind: str = "confidence",
                         **values: Any) -> np.ndarray:
        """Return the standard error of the model's values; a residual function has no model.

        Raises
        ------
        NoModelError
            If only a residual function was fitted.
        """
        refuse("eval_uncertainty")

    def eval_components(self, params: Any = None, **values: Any) -> dict[str, np.ndarray]:
        """Evaluate each component of the model; a residual function has none.

        Raises
        ------
        NoModelError
            If only a residual function was fitted.
        """
        refuse("eval_components")

    # -- pictures

    def plot(self, *args: Any, **kws: Any) -> Any:
        """Draw the residuals above data and curve; returns both axes. See `gslfit.report.plots.plot`."""
        self._needs_model("plot")
        from gslfit.report.plots import plot
        return plot(self, *args, **kws)

    def plot_fit(self, ax: Any = None, *args: Any, **kws: Any) -> Any:
        """Draw data, curve and band; returns the axes. See `gslfit.report.plots.plot_fit`."""
        self._needs_model("plot_fit")
        from gslfit.report.plots import plot_fit
        return plot_fit(self, ax, *args, **kws)

    def plot_residuals(self, ax: Any = None, *args: Any, **kws: Any) -> Any:
        """Draw data - fit; returns the axes. See `gslfit.report.plots.plot_residuals`."""
        self._needs_model("plot_residuals")
        from gslfit.report.plots import plot_residuals
        return plot_residuals(self, ax, *args, **kws)

    def plot_components(self, ax: Any = None, **kws: Any) -> Any:
        """Draw data, curve and each component; returns the axes. See `gslfit.report.plots.plot_components`."""
        self._needs_model("plot_components")
        from gslfit.report.plots import plot_components
        return plot_components(self, ax, **kws)

    def plot_ci(self, p_names: Any = None, **kws: Any) -> np.ndarray:
        """Draw profiles with their limits; returns the axes. See `gslfit.report.plots.plot_ci`."""
        from gslfit.report.plots import plot_ci
        return plot_ci(self, p_names, **kws)

    def plot_ci2d(self, x_name: str, y_name: str, **kws: Any) -> Any:
        """Draw the confidence region of two parameters; returns the axes. See `gslfit.report.plots.plot_ci2d`."""
        from gslfit.report.plots import plot_ci2d
        return plot_ci2d(self, x_name, y_name, **kws)

    def plot_influence(self, axes: Any = None, **kws: Any) -> np.ndarray:
        """Draw leverages, studentized residuals and Cook's distances; returns both axes. See `gslfit.report.plots.plot_influence`."""
        from gslfit.report.plots import plot_influence
        return plot_influence(self, axes, **kws)

    def plot_correlation(self, p_names: Any = None, **kws: Any) -> Any:
        """Draw the correlations of the varying parameters; returns the axes. See `gslfit.report.plots.plot_correlation`."""
        from gslfit.report.plots import plot_correlation
        return plot_correlation(self, p_names, **kws)

    def _needs_model(self, name: str) -> None:
        """Raise NoModelError if there is no model; `name` is what was asked for."""
        refuse(name)
