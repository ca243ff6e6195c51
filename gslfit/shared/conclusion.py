"""From the end of a fit of data sets that share parameters to its result: values, errors, expressions, words."""
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gslfit.curves.batch_result import SUCCESSES, Columns
from gslfit.curves.job import template
from gslfit.errors import FitStatus
from gslfit.formula.operations import evaluate
from gslfit.minimizer.precision import SMALLEST
from gslfit.minimizer.propagation import Directions, Spread, propagated
from gslfit.minimizer.uncertainty import at_bound
from gslfit.objective.loss import ROBUST
from gslfit.parameters.collection import Parameters
from gslfit.parameters.dependencies import needed
from gslfit.shared._rows import HELD
from gslfit.shared.ending import Known
from gslfit.shared.fitting import Fitting
from gslfit.shared.result import SharedPart, SharedResult, left_out_in_words
from gslfit.shared.uncertainty import Together, covariances


class _Arrays:
    """The arrays of a result, filled part by part."""

    def __init__(self, fitting: Fitting):
        sets = fitting.sets
        m, s, q = sets.total, len(sets.shared), len(sets.local)
        self.status, self.ndata, self.chisqr = np.zeros(m, np.int8), np.zeros(m, int), np.full(m, np.nan)
        self.covar, self.local_covar = np.full((s, s), np.nan), np.full((m, q, q), np.nan)
        self.values: dict[str, np.ndarray] = {name: np.full(m, np.nan) for name in sets.local}
        self.stderr: dict[str, np.ndarray] = {name: np.full(m, np.nan) for name in sets.local}
        self.begun: dict[str, Any] = {name: np.full(m, np.nan) for name in sets.local}
        self.parts: list[SharedPart] = []
        self.together: dict[int, Together] = {}     # by the identity of a part
        self.cost = np.nan
        self.root = 1.0     # the root of what the covariances are still to be multiplied by
        for known in fitting.known:
            self._take(known, s)
        for k, name in enumerate(sets.shared):
            self.values[name], self.begun[name] = np.array(fitting.shared[k]), float(fitting.shared_start[k])

    def _take(self, known: Known, shared: int) -> None:
        places = known.part.places
        self.status[places], self.ndata[places] = known.status, known.ndata
        for k, name in enumerate(known.names):
            self.begun[name][places] = known.begun[k]
        self.parts.append(SharedPart(known.part, known.looked, known.names, np.full((len(places), len(known.names), shared), np.nan)))

    def take_together(self, known: Known, which: np.ndarray, found: Together | None) -> None:
        """Take what data sets of a part determine together, where they don't determine every parameter."""
        if found is None:
            return
        count, d, p = len(known.part.places), found.open.axes.shape[1], found.covar.shape[1]
        whole = self.together.setdefault(id(known.part), Together(np.full((count, p, p), np.nan),
                                                                  Directions(np.zeros((count, d, p)), np.ones((count, p)))))
        whole.covar[which], whole.open.axes[which], whole.open.size[which] = found.covar, found.open.axes, found.open.size

    def scaled(self) -> list[np.ndarray]:
        """Return the covariances of the shared parameters and of each data set's own times what scales them; infinite a variance that is no
        normal number."""
        with np.errstate(all="ignore"):
            found = [covar*self.root*self.root for covar in (self.covar, self.local_covar)]
            for covar in found:
                variances = np.einsum("...ii->...i", covar)
                variances[(variances < SMALLEST) & (self.root > 0)] = np.inf
        return found

    def part(self, known: Known) -> SharedPart:
        """Return what the result has of a part."""
        return next(each for each in self.parts if each.part is known.part)


def concluded(fitting: Fitting) -> SharedResult:
    """Return the result of a fit that has ended."""
    sets, options, descent, arrays = fitting.sets, fitting.options, fitting.descent, _Arrays(fitting)
    success, nvarys, ndata = descent is not None and fitting.status in SUCCESSES, len(sets.shared), 0
    if descent is not None:
        nvarys, ndata = descent.nvarys, descent.ndata
        for group, sums, v in zip(descent.groups, descent.state.sums, descent.state.v, strict=True):
            arrays.chisqr[group.places] = group.error_sums(v, descent.count)[0].cost if options.loss in ROBUST else sums.cost
            known = fitting.of(group)
            for k, name in enumerate(known.names):
                arrays.values[name][group.places] = known.values[k, group.which]
        arrays.chisqr[~np.isfinite(arrays.chisqr)] = np.nan
        with np.errstate(all="ignore"):
            _errors(fitting, arrays, float(np.nansum(arrays.chisqr)), ndata - nvarys)
            # in the units of the data
            arrays.cost = float(np.float64(.5*descent.raw_cost)/fitting.unit/fitting.unit)
            arrays.chisqr = arrays.chisqr/fitting.unit/fitting.unit
    if not success:         # a data set is at no minimum beside shared parameters that are at none
        arrays.status[np.isin(arrays.status, SUCCESSES)] = fitting.status
        for places in [] if descent is None else [group.places for group in descent.groups]:
            arrays.status[places[arrays.status[places] == FitStatus.NO_PROGRESS]] = fitting.status
    for name in set(sets.shared) - set(arrays.stderr):
        arrays.stderr[name] = np.array(np.nan)
    for known in fitting.known:
        _further(fitting, known, arrays)
    names = [name for name in sets.names if name in arrays.values]
    values, stderr = ({name: each[name] for name in names} for each in (arrays.values, arrays.stderr))
    params = _common(fitting, values, stderr, arrays)
    covar, local_covar = arrays.scaled()
    taking = ~np.isnan(arrays.chisqr)
    with np.errstate(over="ignore"):
        chisqr = float(np.nansum(arrays.chisqr)) if taking.any() else np.nan
    found = SharedResult(Columns(values), Columns(stderr), params, sets.shared, sets.local, covar, local_covar, arrays.status,
                         success, fitting.status, "", chisqr, ndata, nvarys, fitting.nfev, arrays.chisqr, arrays.ndata, arrays.cost,
                         arrays.begun, sets, options, arrays.parts, fitting.scales, fitting.unit,
                         _length=np.inf if descent is None else float(np.sqrt(descent.raw_cost))/fitting.unit,
                         _unscaled=(arrays.covar, arrays.local_covar))
    found.message = _message(fitting, found, taking)
    return found


def _errors(fitting: Fitting, arrays: _Arrays, chisqr: float, freedom: int) -> None:
    """Fill in covariances and the standard errors of what varies."""
    sets, options, descent = fitting.sets, fitting.options, fitting.descent
    assert descent is not None
    pull = 1.0
    if options.loss in ROBUST:
        pull = _pull(fitting, chisqr)
        root = np.sqrt(descent.ndata/freedom)*pull if freedom > 0 else np.nan
    else:
        root = fitting.unit if not options.scale_covar else np.sqrt(chisqr/freedom) if freedom > 0 else np.nan
    arrays.root = root      # a variance of data near 1e-200 would be 0
    arrays.covar, spreads = covariances(fitting, pull)
    with np.errstate(invalid="ignore"):
        for name, error in zip(sets.shared, np.sqrt(np.diagonal(arrays.covar))*root, strict=True):
            arrays.stderr[name] = np.array(error)
        for group, spread in zip(descent.groups, spreads, strict=True):
            whole = group.local.whole
            if whole.size:
                arrays.local_covar[np.ix_(group.places, whole, whole)] = spread.local
            arrays.part(fitting.of(group)).cross[group.which] = spread.cross
            arrays.take_together(fitting.of(group), group.which, spread.together)
        for k, name in enumerate(sets.local):
            arrays.stderr[name] = np.sqrt(arrays.local_covar[:, k, k])*root


def _pull(fitting: Fitting, chisqr: float) -> float:
    """Return about how much a point pulls by a robust loss: a power of four; 1 where all squares are in range."""
    descent = fitting.descent
    assert descent is not None
    most = max((float(group.scale.max()) for group in descent.groups if group.scale is not None), default=np.inf)
    size = min(np.sqrt(chisqr/max(descent.ndata, 1)), most)
    return float(np.ldexp(1.0, 2*round(.5*float(np.log2(size))))) if fitting.unit != 1 and 0 < size < np.inf else 1.0


def _further(fitting: Fitting, known: Known, arrays: _Arrays) -> None:
    """Fill in the fixed parameters of a part, and its expressions with their errors."""
    sets, job, places = fitting.sets, known.part.job, known.part.places
    folded = job.folded
    assert folded is not None
    count = len(places)
    values: dict[str, Any] = {}
    for name, role in folded.roles.items():
        if role.kind == "free":
            array = arrays.values[name]
            values[name] = array if array.ndim == 0 else array[places]
        elif role.kind in ("fixed", "input"):
            values[name] = np.asarray(job.start[name] if role.kind == "input" else role.value, float)
            _put(arrays, name, values[name], np.zeros(()), places, sets.total, values[name].ndim == 0)
    if not folded.dependents:
        return
    p = len(folded.names)
    found = [np.asarray(each, float) for each in evaluate(folded.dependents, values)]
    for k, name in enumerate(folded.dependent_names):
        value, slopes = found[k*(p + 1)], found[k*(p + 1) + 1:(k + 1)*(p + 1)]
        common = needed(template(job), [name]).isdisjoint(
            {*sets.local, *(each for each, start in job.start.items() if np.ndim(start))})
        error = _propagated(dict(zip(folded.names, slopes, strict=True)), fitting, known, arrays, count)
        _put(arrays, name, value, error[0] if common and count else error, places, sets.total, common)


def _put(arrays: _Arrays, name: str, value: np.ndarray, error: np.ndarray, places: np.ndarray, count: int, common: bool) -> None:
    """Put a parameter's values and errors in some data sets into the arrays of all; one number, where it is common to them."""
    if common and (name not in arrays.values or arrays.values[name].ndim == 0):
        arrays.values[name], arrays.stderr[name] = np.array(value), np.array(error)
        return
    for known, new in ((arrays.values, value), (arrays.stderr, error)):
        if name not in known or known[name].ndim == 0:
            known[name] = np.full(count, known.get(name, np.nan))
        known[name][places] = new


def _propagated(slopes: Mapping[str, np.ndarray], fitting: Fitting, known: Known, arrays: _Arrays, count: int) -> np.ndarray:
    """Return the standard errors of an expression in each data set of a part: ndarray (k,)."""
    sets = fitting.sets
    used = [name for name, slope in slopes.items() if np.any(slope != 0)]
    if not used or not count:
        return np.zeros(count)
    of_shared = [sets.shared.index(name) for name in used if name in sets.shared]
    of_local = [known.names.index(name) for name in used if name not in sets.shared]
    used = [*(sets.shared[k] for k in of_shared), *(known.names[k] for k in of_local)]
    held = np.concatenate([np.broadcast_to(fitting.flags[of_shared] == HELD, (count, len(of_shared))), known.held[of_local].T], axis=1)
    together = arrays.together.get(id(known.part))
    chosen = [*of_shared, *(len(sets.shared) + k for k in of_local)]
    if together is None:
        covariance, open_ = _covariance(sets, known, arrays, of_shared, of_local), None
    else:
        covariance = together.covar[:, chosen][:, :, chosen]
        open_ = Directions(together.open.axes[:, :, chosen], together.open.size[:, chosen])
    with np.errstate(invalid="ignore", divide="ignore"):
        errors = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
        correlations = covariance/errors[:, :, None]/errors[:, None, :]
    gradients = np.stack([np.broadcast_to(slopes[name], (count,)) for name in used], axis=1)
    return propagated(gradients, Spread(errors*arrays.root, held, correlations, open=open_))


def _covariance(sets: Any, known: Known, arrays: _Arrays, of_shared: list[int], of_local: list[int]) -> np.ndarray:
    """Return the covariance of some shared and some local parameters in each data set of a part: ndarray (k, p, p)."""
    places, s = known.part.places, len(of_shared)
    found = np.empty((len(places), s + len(of_local), s + len(of_local)))
    found[:, :s, :s] = arrays.covar[np.ix_(of_shared, of_shared)]
    found[:, s:, :s] = arrays.part(known).cross[:, of_local][:, :, of_shared]
    found[:, :s, s:] = found[:, s:, :s].transpose(0, 2, 1)
    own = [sets.local.index(known.names[k]) for k in of_local]
    found[:, s:, s:] = arrays.local_covar[np.ix_(places, own, own)]
    return found


def _common(fitting: Fitting, values: Mapping[str, np.ndarray], stderr: Mapping[str, np.ndarray], arrays: _Arrays) -> Parameters:
    """Return Parameters of what all data sets have in common."""
    sets = fitting.sets
    names = [name for name, array in values.items() if array.ndim == 0]
    params = Parameters()
    for name in names:
        given = None if sets.parameters is None else sets.parameters[name]
        low, high = sets.bounds.get(name, (np.array(-np.inf), np.array(np.inf)))
        expr = None if given is None else given.expr
        if expr is None:
            params.add(name, float(values[name]), name in sets.shared, None if np.isneginf(low) else float(low),
                       None if np.isposinf(high) else float(high))
        else:
            params.add(name, expr=expr)
    covar = arrays.covar
    with np.errstate(all="ignore"):
        errors = np.sqrt(np.diagonal(covar))
        correlations = covar/errors/errors[:, None]

    def outcome(name: str) -> tuple[float | None, dict[str, float] | None]:
        error = float(stderr[name])
        if name not in sets.shared:
            return (error if error == error else None), None
        row = correlations[sets.shared.index(name)].tolist()
        found = {} if error != error else {other: r for other, r in zip(sets.shared, row, strict=True) if other != name and r == r}
        return (error if error == error else None), found if found or (len(sets.shared) == 1 and error == error) else None
    began = {name: float(arrays.begun.get(name, values[name])) for name in names}
    params.conclude({name: float(values[name]) for name in names}, began, outcome)
    return params


def _message(fitting: Fitting, result: SharedResult, taking: np.ndarray) -> str:
    """Return in words how a fit ended, and which data sets were left out."""
    said = [f"{fitting.status.prose}." if fitting.descent is not None else "no data set could be fitted."]
    held = [name for name in result.var_names if name in result.params and result.params[name].stderr is None]
    for name in held:
        low, high = fitting.sets.bounds.get(name, (np.array(-np.inf), np.array(np.inf)))
        value = float(result.values[name])
        if value in (float(low), float(high)):
            said.append(at_bound(name, value, float(low), float(high)))
        elif result.success:
            said.append(f"The data do not determine {name}.")
    said.append(left_out_in_words(result.status, taking))
    return " ".join(each for each in said if each)
