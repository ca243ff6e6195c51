"""What single points do to a fit: leverage, studentized residuals, Cook's distance, by formulas that refit nothing.

Without its point i the fit is, to one Gauss-Newton step, the same as with a further parameter that moves the point alone (Cook and
Weisberg, Residuals and Influence in Regression, 1982, sections 2.2 and 5.4). With J and r the Jacobian and the residuals in units of the
errors and ``H = J (J^T J)^-1 J^T`` that step is ``(J^T J)^-1 j_i r_i/(1 - h_i)``, exact for a model that is linear in its parameters. Of
correlated errors with ``C^-1 = K = F^T F`` the same argument has ``J^T f_i/sqrt(K_ii)`` in the place of the row j_i and
``f_i^T r/sqrt(K_ii)`` in that of r_i, where f_i is a column of F and J and r are whitened (Haslett, J. R. Statist. Soc. B 61 (1999) 603).
"""
from __future__ import annotations

from typing import Any

import numpy as np

from gslfit.checks import package, whole
from gslfit.confidence.ftest import FTest
from gslfit.curves.batch_result import Columns
from gslfit.errors import FitError, InputError
from gslfit.minimizer.bands import unit_of
from gslfit.minimizer.derived import DSCALE
from gslfit.minimizer.result import FitResult
from gslfit.objective._loss import length
from gslfit.resampling.fitted import Fitted, fitted_of

WORST = 5               # points of a report
NUMBERS = ("leverage", "standardized", "studentized", "cooks_distance", "dffits")


def influence(result: Any) -> Influence:
    """Find what each point does to a fit.

    Parameters
    ----------
    result : FitResult, ModelResult or Minimizer
        Of a fit that succeeded, by least squares or of counts.

    Returns
    -------
    Influence

    Raises
    ------
    InputError
        If the fit didn't succeed, no parameter has a standard error, there are no more points than varying parameters, or the residuals
        are complex.
    FitError
        If it is a fit by a robust loss, for which these formulas don't hold.

    Examples
    --------
    >>> import numpy as np
    >>> import gslfit
    >>> x = np.linspace(0, 5, 30)
    >>> y = 2*np.exp(-x/1.5) + 0.02*np.cos(20*x)
    >>> y[12] += 0.5
    >>> found = gslfit.influence(gslfit.fit("A*exp(-x/tau)", y, x=x, A=1.0, tau=1.0))
    >>> int(np.argmax(found.cooks_distance)), round(float(found.leverage.sum()), 9)
    (12, 2.0)
    """
    fitted = fitted_of(result, "influence")
    if fitted.loss is not None and fitted.loss.robust:
        raise FitError(f"influence is of fits by least squares, and this one has loss={fitted.loss.name!r}: jackknife() fits without each "
                       "point, whatever the loss")
    if np.iscomplexobj(fitted.residuals):
        raise InputError("influence is of points with one residual each, and these are complex: jackknife() fits without each point")
    fitted.check_freedom()
    names = [name for name in fitted.names if fitted.params[name].stderr is not None]
    if not names:
        raise InputError("influence needs a parameter with a standard error, and the fit has none")
    return Influence(fitted, names)


class Influence:
    """What each point does to a fit; all arrays have the shape of the data, NaN where a point took no part.

    Parameters
    ----------
    fitted : Fitted
    names : list of str
        The varying parameters that have a standard error.

    Attributes
    ----------
    fit : FitResult
    names : tuple of str
        The varying parameters that have a standard error.
    leverage : ndarray
        The diagonal of the hat matrix ``H = J (J^T J)^-1 J^T``: the share of a point in its own fitted value, from 0 to 1. The sum is the
        number of parameters.
    standardized : ndarray
        ``r/(s sqrt(1 - h))``, data - model by its standard deviation, with s^2 the reduced chi-square, or 1 where the errors of the data
        are known. Also called internally studentized.
    studentized : ndarray
        The same with the s that the fit without the point has (externally studentized): of Student's distribution with n - p - 1 degrees
        of freedom. That of known errors is `standardized`.
    cooks_distance : ndarray
        ``standardized^2 h/((1 - h) p)``: how far the parameters move without the point, by their covariance; Cook, Technometrics 19 (1977)
        15.
    dffits : ndarray
        ``studentized sqrt(h/(1 - h))``: how far the fitted value moves, in its standard errors; Belsley, Kuh and Welsch, Regression
        Diagnostics (1980), section 2.1.
    values : mapping of str to ndarray
        The parameters after one Gauss-Newton step without the point.
    """

    def __init__(self, fitted: Fitted, names: list[str]) -> None:
        self.fit: FitResult = fitted.result
        self.names = tuple(names)
        units, triangle, r = _in_units(fitted, names)
        h = np.minimum(np.sum(units**2, axis=1), 1.0)
        p, freedom = len(names), fitted.freedom
        s2 = 1.0
        if not fitted.known:            # in units of one error, whose squares are in range
            spread = unit_of(fitted.result)
            s2 = 1.0 if spread > 0 else 0.0
            r, triangle = r/(spread or 1.0), triangle/(spread or 1.0)
        with np.errstate(invalid="ignore", divide="ignore"):
            rest = 1 - h
            moves = np.linalg.solve(triangle, (units*(r/rest)[:, None]).T)
            standardized = r/np.sqrt(s2*rest)
            without = (freedom*s2 - r**2/rest)/(freedom - 1) if freedom > 1 else np.full(r.size, np.nan)
            studentized = standardized if fitted.known else r/np.sqrt(np.where(without > 0, without, np.nan)*rest)
            self.leverage = fitted.shaped(h)
            self.standardized, self.studentized = fitted.shaped(standardized), fitted.shaped(studentized)
            self.cooks_distance = fitted.shaped(standardized**2*h/(rest*p))
            self.dffits = fitted.shaped(studentized*np.sqrt(h/rest))
        self.values = Columns({name: fitted.shaped(fitted.params[name].value - move) for name, move in zip(names, moves, strict=True)})

    def worst(self, count: int = WORST) -> list[tuple[int, ...]]:
        """Return the places of the points with the largest Cook's distances, the largest first; as `cooks_distance` is indexed."""
        flat = np.where(np.isfinite(self.cooks_distance), self.cooks_distance, -1.0).reshape(-1)
        order = np.argsort(-flat, kind="stable")[:whole("count", count, 0)]
        return [tuple(int(k) for k in np.unravel_index(place, self.cooks_distance.shape)) for place in order if flat[place] >= 0]

    # -- reports

    def report(self, count: int = WORST) -> str:
        """Return the points with the largest Cook's distances as text."""
        from gslfit.report.resampling import influence_report
        return influence_report(self, whole("count", count, 0))

    def __repr__(self) -> str:
        return self.report()

    def _repr_html_(self) -> str:
        from gslfit.report.resampling import influence_html
        return influence_html(self, WORST)

    def to_frame(self) -> Any:
        """Return a pandas DataFrame with a row for each point of the data, and a column for each number."""
        pandas = package("pandas", "all", "to_frame()")
        return pandas.DataFrame({name: getattr(self, name).reshape(-1) for name in NUMBERS})

    def plot(self, axes: Any = None, *, ax: Any = None) -> np.ndarray:
        """Draw leverages, residuals and Cook's distances; returns both axes. See `gslfit.report.plots.plot_influence`."""
        from gslfit.report.plots import plot_influence
        return plot_influence(self, axes, ax=ax)


def _in_units(fitted: Fitted, names: list[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return what stands for rows of Q and for residuals, and R: ndarray (n, p), (p, p), (n,) of ``J = Q R``, J that of the model."""
    J, r = _jacobian(fitted, names)
    size = np.array([length(column) for column in J.T])
    q, triangle = np.linalg.qr(J/size)
    factor = None if fitted.objective is None else fitted.objective.factor
    n = fitted.n
    if factor is None:
        return q[:n], triangle*size, r[:n]
    scale = np.linalg.norm(factor, axis=0)
    return (factor.T @ q[:n])/scale[:, None], triangle*size, factor.T @ r[:n]/scale


def _jacobian(fitted: Fitted, names: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return the model's derivatives and data - model, both in units of the errors: ndarray (n, p) and (n,).

    Those of priors are behind them. Counts have Pearson's residuals, and the root of Fisher's information for a weight.
    """
    if not fitted.modelled:
        test = FTest(fitted.minimizer, fitted.result)
        r, columns = test.residual(test.x), [test.names.index(name) for name in names]
        return -test.jac(test.x, r)[:, columns]/test.residual.scale, r/test.residual.scale
    source = fitted.source if fitted.curve is None else fitted.curve
    found = source.weighted_slopes(fitted.params, names, DSCALE)
    assert found is not None            # as it is of complex data
    J = found.T
    if fitted.loss is None:
        return J, fitted.residuals
    objective = fitted.objective
    assert objective is not None
    with np.errstate(invalid="ignore", divide="ignore"):
        given = (fitted.model, objective.y, objective.weights)
        return J, np.nan_to_num(-fitted.loss.slopes(*given)/fitted.loss.factors(*given), posinf=0.0, neginf=0.0)
