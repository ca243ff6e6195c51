"""One row of a batch whose function is called: its points, its fit by `minimize`, and what is kept of that."""
from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from math import isfinite
from typing import Any

import numpy as np

from gslfit.curves.batch_result import BatchInputs
from gslfit.data.covariance import whitened
from gslfit.data.model_values import ComplexModelError
from gslfit.data.points import check_factors, finite_points
from gslfit.errors import ExpressionError, FitStatus, InputTypeError, NonFiniteError
from gslfit.formula.formula import Formula
from gslfit.formula.program_residual import ProgramResidual
from gslfit.minimizer.bands import spread_of
from gslfit.minimizer.minimizer import Minimizer
from gslfit.minimizer.options import FitOptions
from gslfit.minimizer.propagation import correlations_of
from gslfit.minimizer.uncertainty import bound_of
from gslfit.objective.loss import Loss
from gslfit.objective.residual import residual as weighted_residual
from gslfit.parameters.collection import Parameters
from gslfit.records import Record

METHODS = {"auto": "leastsq", "lanes": "leastsq", "lmsder": "leastsq", "trust": "leastsq", "lmder": "lmder"}


class Row(Record):
    """One curve, and where its fit begins.

    Attributes
    ----------
    points : dict of str to ndarray
        The independent variables; those that all rows share are one object.
    curve, weights : ndarray, shape (n,), weights None where there are none
    keep : ndarray of bool, shape (n,), or None
        The points that take part, None for all.
    used : int
        How many they are.
    bad : bool
        There are numbers among them that no fit can take.
    starts : dict of str to float
    factor : ndarray, shape (used, used), or None
        What whitens the residuals of the points that take part, see `gslfit.data.covariance`.
    box : dict of str to (float, float)
        Bounds that are this fit's own.
    """

    points: dict[str, np.ndarray]
    curve: np.ndarray
    weights: np.ndarray | None
    keep: np.ndarray | None
    used: int
    bad: bool
    starts: dict[str, float]
    factor: np.ndarray | None = None
    box: Mapping[str, tuple[float, float]] = {}


class RowEnd(Record):
    """How the fit of a row ended.

    Attributes
    ----------
    status : FitStatus
    ndata, nfev : int
    chisqr, redchi : float
    values, stderr : tuple of float
        Of all parameters in order, empty where it has not run.
    correl : ndarray, shape (p, p), or None
        Correlations of what varies, NaN with what has no error.
    dropped : ndarray of int, or None
        Points that were left out since the model is not finite there.
    cost, f_scale : float
        Of a robust loss: what was minimised, and the loss's scale.
    refused : InputTypeError, or None
        That the model is complex at all points: the batch's error if it is so in all of its fits.
    """

    status: FitStatus
    ndata: int
    nfev: int = 0
    chisqr: float = np.nan
    redchi: float = np.nan
    values: tuple[float, ...] = ()
    stderr: tuple[float, ...] = ()
    correl: np.ndarray | None = None
    dropped: np.ndarray | None = None
    cost: float = np.nan
    f_scale: float = 1.0
    refused: InputTypeError | None = None


def row_of(data: BatchInputs, place: tuple[int, ...], policy: str) -> Row:
    """Return one curve of a batch as the policy has it."""
    assert data.y is not None
    points = {name: data.row(array, place) for name, array in zip(data.formula.independent, data.x, strict=True)}
    curve, own = np.asarray(data.y[place], float), data.factors(place)
    out = data.left_out(place)
    if own is not None:
        check_factors(own.name, own.array if out is None else np.where(out, 1.0, own.array))
    keep = finite_points([("y", curve), *points.items()], "raise" if policy == "raise" else "omit", out)
    kept = curve.size if keep is None else int(np.count_nonzero(keep))
    starts = {name: float(value[place] if isinstance(value, np.ndarray) and value.ndim else value) for name, value in data.start.items()}
    bad = policy == "mark" and kept < (curve.size if out is None else int(np.count_nonzero(~out)))
    bad = bad or (policy != "raise" and not all(map(isfinite, starts.values())))
    factor = None if data.ycov is None or bad else data.ycov.factor(keep)
    return Row(points, curve, None if own is None else own.weights(), keep, kept, bad, starts, factor,
               {} if data.limits is None else data.limits.box(place))


def doubt(row: Row, p: int) -> FitStatus:
    """Return why a curve can't be fitted, `FitStatus.NOT_RUN` if it can."""
    return FitStatus.BAD_DATA if row.bad else FitStatus.TOO_FEW_POINTS if row.used < max(p, 1) else FitStatus.NOT_RUN


class RowResidual:
    """The residual function of one curve: the function is called at the points that take part.

    Parameters
    ----------
    formula : Formula
    row : Row
    """

    def __init__(self, formula: Formula, row: Row):
        self.__name__ = f"the model {formula.called}"       # what errors call it
        self.formula, self.row, keep = formula, row, slice(None) if row.keep is None else row.keep
        self.points, self.y = {name: array[keep] for name, array in row.points.items()}, row.curve[keep]
        self.weights = None if row.weights is None else row.weights[keep]

    def __call__(self, params: Mapping[str, Any]) -> np.ndarray:
        """Return the residuals."""
        return whitened(self.row.factor, weighted_residual(self.values(params), self.y, self.weights))

    def values(self, params: Mapping[str, Any]) -> np.ndarray:
        """Return what the function returns at these points."""
        return self.formula(**self.points, **{name: params[name].value for name in self.formula.names})

    def beside(self, shares: np.ndarray) -> RowResidual | None:
        """Return the same beside data of which each is multiplied by a number; None where that makes it no smaller."""
        if self.y.shape != shares.shape or self.row.factor is not None:
            return None
        nearer = copy(self)
        nearer.y = self.y*shares
        return nearer


class RowCounts(RowResidual):
    """The deviance residual of one curve of counts whose function is called."""

    loss = Loss("poisson")

    def values(self, params: Mapping[str, Any]) -> np.ndarray:
        """Return the means at the points that take part."""
        return np.broadcast_to(super().values(params), self.y.shape)

    def __call__(self, params: Mapping[str, Any]) -> np.ndarray:
        """Return the residuals."""
        return self.loss.bent(self.values(params), self.y)[0]

    def share(self, params: Mapping[str, Any]) -> np.ndarray:
        """Return what makes of its derivatives those of Fisher's information, see `Loss.share`."""
        return self.loss.share(self.values(params), self.y)


def compiled_of(formula: Formula, row: Row, params: Parameters) -> ProgramResidual | None:
    """Return the residual of one curve by the formula's program; None where there is none."""
    if not formula.native:
        return None
    keep = slice(None) if row.keep is None else row.keep
    try:
        return ProgramResidual(formula, params, [row.points[name][keep] for name in formula.independent], row.curve[keep],
                               None if row.weights is None else row.weights[keep], factor=row.factor)
    except ExpressionError:
        return None


def fit_row(formula: Formula, row: Row, params: Parameters, options: FitOptions) -> RowEnd:
    """Fit one curve by `gslfit.minimize`; `params` is a template."""
    status = doubt(row, sum(parameter.vary for parameter in params.values()))
    if status:
        return RowEnd(status, row.used)
    fitted = params.copy()
    for name, (low, high) in row.box.items():
        fitted[name].set(min=low, max=high)
    for name, value in row.starts.items():
        fitted[name].value = value
    counts = options.loss == "poisson"
    compiled = None if counts else compiled_of(formula, row, fitted)
    function = RowCounts(formula, row) if counts else RowResidual(formula, row) if compiled is None else compiled
    minimizer = Minimizer(function, fitted)
    exact: dict[str, Any] = {} if compiled is None else {"jac": compiled.jacobian}
    try:
        minimizer.minimize(METHODS[options.method], xtol=options.xtol, ftol=options.ftol, gtol=options.gtol, max_nfev=options.max_nfev,
                           scale_covar=options.scale_covar, nan_policy="omit" if options.nan_policy == "omit" else "raise",
                           loss="linear" if counts else options.loss, f_scale=options.f_scale, **exact)
    except NonFiniteError as error:         # at the start: a row that can't be fitted doesn't end the batch
        if error.of_caller or options.nan_policy == "raise":
            raise
        return RowEnd(FitStatus.NOT_POSITIVE if counts else FitStatus.BAD_DATA, row.used)
    except ComplexModelError as error:
        if options.nan_policy == "raise":
            raise
        return RowEnd(FitStatus.BAD_DATA, row.used, refused=error)
    ndata, dropped = row.used, None
    if minimizer.left_in is not None:
        ndata = int(np.count_nonzero(minimizer.left_in))
        dropped = np.flatnonzero(np.ones(row.curve.size) if row.keep is None else row.keep)[~minimizer.left_in]
    stderr = tuple(np.nan if parameter.stderr is None else parameter.stderr for parameter in fitted.values())
    return RowEnd(status_of(minimizer), ndata, minimizer.nfev, minimizer.chisqr, minimizer.redchi,
                  tuple(parameter.value for parameter in fitted.values()), stderr, _correlations(fitted) if options.covar else None,
                  dropped, minimizer.cost, minimizer.call_kws["f_scale"])


def _correlations(params: Parameters) -> np.ndarray:
    """Return the correlations of what varies, NaN with what has no error: ndarray (p, p)."""
    names = [name for name, par in params.items() if par.vary]
    found = spread_of(params, names)
    assert found.correlations is not None
    return correlations_of(found.errors, found.correlations)


def status_of(minimizer: Any) -> FitStatus:
    """Return the status of a fit by `minimize`."""
    if minimizer.success and not minimizer.errorbars:
        return FitStatus.AT_BOUND if any(bound_of(par) for par in minimizer.params.values()) else FitStatus.RANK_DEFICIENT
    if minimizer.success:
        return FitStatus.CONVERGED_BY_GSL
    if minimizer.status == FitStatus.MAX_NFEV:
        return FitStatus.MAX_NFEV
    return FitStatus.SINGULAR if not minimizer.errorbars else FitStatus.NO_PROGRESS
