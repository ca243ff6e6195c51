"""One fit of a batch as a result of its own, `batch[k]`: what arrays don't hold is worked out when it is asked for."""
from __future__ import annotations

from functools import cached_property
from math import isfinite
from typing import Any

import numpy as np

from gslfit.curves.curve import Curve
from gslfit.errors import FitStatus, InputError
from gslfit.minimizer._uncertainty import covariance
from gslfit.minimizer.bands import undetermined
from gslfit.minimizer.result import FitResult
from gslfit.minimizer.uncertainty import combinations, ending
from gslfit.parameters.collection import Parameters
from gslfit.records import Record

NO_CORRELATIONS = "the correlations of the parameters are not there: fit with covar=True, whose covariances are saved with a result"


def need_correlations(batch: Any, count: int) -> None:
    """Raise InputError if so many errors need correlations, which neither are kept nor follow from data that are."""
    if count > 1 and not batch.has_correlations and batch.data.y is None:
        raise InputError(NO_CORRELATIONS)


def single(batch: Any, place: tuple[int, ...]) -> RowResult:
    """Return one fit of a batch as a result of its own.

    Parameters
    ----------
    batch : BatchResult
    place : tuple of int
    """
    data, status = batch.data, FitStatus(int(batch.status[place]))
    values = {name: float(value[place]) for name, value in batch.values.items()}
    errors = {name: float(error[place]) for name, error in batch.stderr.items()}
    params, names = parameters_of_row(batch, values, place), names_of_row(batch, place)
    start = {name: float(value[place] if np.ndim(value) else value) for name, value in data.start.items() if name in values}
    began = values | dict.fromkeys(names, np.nan) | start
    if any(par.expr is not None for par in params.values()) and all(map(isfinite, start.values())):
        for name, value in start.items():
            if params[name].expr is None:
                params[name].value = value
        began |= {name: float(par.value) for name, par in params.items() if par.expr is not None}
    row = _Row(batch, place)
    params.conclude(values, began, _RowErrors(row, errors))
    found = RowResult._of(row, params=params, method=data.method, success=status.success, status=status, nfev=int(batch.nfev[place]),
                          errorbars=all(map(isfinite, (errors[name] for name in names))),
                          var_names=list(names), init_vals=[began[name] for name in names])
    found.message = " ".join([ending(status, found), *_sums(batch, place, params)])
    return found


def _sums(batch: Any, place: tuple[int, ...], params: Parameters) -> list[str]:
    """Return which sums of parameters a fit determines that does not determine each of them, a sentence each."""
    if batch.status[place] != FitStatus.RANK_DEFICIENT:
        return []
    curve, all_names = batch.data.curve(place), list(names_of_row(batch, place))
    names = undetermined(params, all_names)
    slopes = curve.weighted_slopes(params, all_names, 1e-2) if len(names) > 1 and curve.points else None
    if slopes is None or not np.isfinite(slopes).all():
        return []
    return combinations(slopes[[all_names.index(name) for name in names]].T, names)


class _Row(Record):
    """A fit of a batch, by its place."""

    batch: Any
    place: tuple[int, ...]


class _Statistics(Record):
    """What a batch knows of a fit whose data it does not keep."""

    ndata: int
    chisqr: float
    cost: float


class _RowErrors:
    """Standard errors and correlations of a fit of a batch, by name; correlations are worked out when somebody asks."""

    def __init__(self, row: _Row, errors: dict[str, float]):
        self.row, self.errors = row, errors
        self._correlations: np.ndarray | None = None

    def __call__(self, name: str) -> tuple[float | None, dict[str, float] | None]:
        """Return the standard error of a parameter (None where it has none) and its correlations (None where it has none)."""
        error, names = self.errors[name], names_of_row(*self.row)
        if name not in names:
            return (error if error == error else None), None
        if self._correlations is None:
            self._correlations = self._worked_out()
        row = self._correlations[names.index(name)].tolist()
        found = {other: r for other, r in zip(names, row, strict=True) if other != name and r == r}
        return (error if error == error else None), found if found or (len(names) == 1 and error == error) else None

    def _worked_out(self) -> np.ndarray:
        """Return the correlations of the varying parameters, NaN where one has no error."""
        batch, place = self.row
        names = names_of_row(batch, place)
        deviations = np.array([self.errors[name] for name in names])
        kept = batch._correlations(place, names)
        if kept is not None and batch._keeps_correlations(place):
            return kept
        known = np.flatnonzero(np.isfinite(deviations))
        found = np.full((deviations.size, deviations.size), np.nan)
        curve = batch.data.curve(place)
        if not known.size or curve.objective is None or batch.data.loss != "linear" or batch.data.prior is not None:
            return found        # of other fits than least squares of the data alone no Jacobian of the model tells them
        params = parameters_of_row(batch, dict.fromkeys(batch.values, 0.0), place)
        for name, par in params.items():
            if par.expr is None:
                par.set(float(batch.values[name][place]), min=-np.inf, max=np.inf)
        slopes = curve.objective.weighed(curve.slopes(params, [names[k] for k in known], {}, 1e-2))
        found[np.ix_(known, known)] = correlations(slopes.T)
        return found


def correlations(jacobian: np.ndarray) -> np.ndarray:
    """Return the correlations that a Jacobian of full rank means, (p, p); NaN where it is not of full rank."""
    p = jacobian.shape[1]
    with np.errstate(all="ignore"):
        largest = np.max(np.abs(jacobian), axis=0)
        r = np.linalg.qr(jacobian/np.where(largest > 0, largest, 1.0), mode="r")
        try:
            directions = np.linalg.solve(r, np.eye(p))
        except np.linalg.LinAlgError:
            return np.full((p, p), np.nan)
        directions /= np.linalg.norm(directions, axis=1)[:, None]
        return directions @ directions.T


class RowResult(FitResult):
    """One fit of a batch, `batch[k]`: a `FitResult` whose residual and covariance are worked out when they are asked for."""

    _row: _Row | None = None
    _known: _Statistics | None = None

    @classmethod
    def _of(cls, row: _Row, **known: Any) -> RowResult:
        self = cls.__new__(cls)
        found, place = row
        chisqr = float(found.chisqr[place])
        self._known = _Statistics(int(found.ndata[place]), chisqr, .5*chisqr if found._cost is None else float(found._cost[place]))
        loss = row.batch.data.loss_of(row.place)
        options = {} if loss is None else {"loss": loss.name, "f_scale": loss.f_scale}
        self.__dict__.update(known, _row=row, aborted=False, call_kws={"scale_covar": row.batch.data.scale_covar, **options})
        return self

    @cached_property
    def _source(self) -> Curve | None:  # type: ignore[override]
        if self._row is None:
            return None
        return self._row.batch.data.curve(self._row.place)

    def _modelled(self, name: str) -> Any:
        if name == "eval_uncertainty" and self._row is not None:
            need_correlations(self._row.batch, sum(self.params[each].stderr is not None for each in self.var_names))
        return super()._modelled(name)

    @cached_property
    def keep(self) -> np.ndarray | None:  # type: ignore[override]
        """Which points took part, in the shape of `residual`; None for all."""
        objective = None if self._source is None else self._source.objective
        return None if objective is None or objective.keep is None else objective.keep.reshape(objective.given.layout.whole)

    @cached_property
    def residual(self) -> Any:  # type: ignore[override]
        """The weighted residuals in the shape and container of the data, NaN where a point took no part; empty without the data."""
        curve = self._source
        if curve is None or curve.objective is None:
            return np.array([])
        values = curve.formula(*curve.points, **{name: self.params[name].value for name in curve.formula.names})
        return curve.objective.spread(curve.objective.residual(np.broadcast_to(values, (curve.objective.ndata,))))

    @property
    def _without_data(self) -> _Statistics | None:
        """The statistics that the batch has, where there are no data to work them out from."""
        return self._known if np.size(self.residual) == 0 else None

    @property
    def ndata(self) -> int:
        """Number of residuals."""
        known = self._without_data
        return super().ndata if known is None else known.ndata

    @property
    def chisqr(self) -> float:
        """Sum of the squared residuals."""
        known = self._without_data
        return super().chisqr if known is None else known.chisqr

    @property
    def cost(self) -> float:
        """What was minimised, see `FitResult.cost`."""
        known = self._without_data
        return super().cost if known is None else known.cost

    def _likelihood(self) -> float:
        known = self._without_data
        if known is None:
            return super()._likelihood()
        return known.ndata*float(np.log(2*known.cost/known.ndata)) if known.cost > 0 else -np.inf

    @cached_property
    def prior_residual(self) -> np.ndarray | None:  # type: ignore[override]
        """How many standard deviations parameters are off what was known of them, ndarray (k,); None without priors."""
        prior = None if self._row is None else self._row.batch.data.prior
        return None if prior is None or self._row is None else prior.row(self._row.place).residual(self.values)

    @cached_property
    def covar(self) -> np.ndarray | None:  # type: ignore[override]
        """Covariance of the varying parameters; NaN where one has none, None where none has."""
        names = self.var_names
        errors = np.array([np.nan if self.params[name].stderr is None else self.params[name].stderr for name in names])
        known = np.isfinite(errors)
        if not known.any():
            return None
        batch, place = (None, ()) if self._row is None else self._row
        if batch is not None and batch._correl is None and batch.covar is not None:
            own = [batch.names.index(name) for name in names]
            return np.where(known & known[:, None], np.asarray(batch.covar)[place][np.ix_(own, own)], np.nan)
        correlated = [[1.0 if name == other else (self.params[name].correl or {}).get(other, np.nan) for other in names] for name in names]
        return covariance(np.where(known, errors, np.nan), np.array(correlated))

    def __getstate__(self) -> dict[str, Any]:
        for name in ("_source", "keep", "residual", "covar", "prior_residual"):
            getattr(self, name)
        return {name: value for name, value in super().__getstate__().items() if name != "_row"}


def parameters_of_row(batch: Any, values: dict[str, float], place: tuple[int, ...] | None = None) -> Parameters:
    """Return the Parameters of one fit, or of all (None): those of the call copied, or plain ones."""
    if batch.data.parameters is not None:
        params = batch.data.parameters.copy()
    else:
        params = Parameters()
        for name, value in values.items():
            params.add(name, value, name in batch.names)
    return params if place is None or batch.data.limits is None else batch.data.limits.of_row(params, place)


def names_of_row(batch: Any, place: tuple[int, ...]) -> tuple[str, ...]:
    """Return the parameters that vary in one fit."""
    held = () if batch.data.limits is None else batch.data.limits.held(place)
    return tuple(name for name in batch.names if name not in held) if held else batch.names
