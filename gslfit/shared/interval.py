"""Confidence intervals of shared parameters: one is held, all others of all data sets are refitted."""
from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from gslfit.checks import identifiers, whole
from gslfit.confidence.careful import ConfidenceIntervals, probabilities
from gslfit.confidence.ftest import rises
from gslfit.confidence.interval import SIGMAS
from gslfit.confidence.profile import both_sides
from gslfit.constraints.grammar import close
from gslfit.errors import FitStatus, InputError, warn
from gslfit.minimizer.precision import EPS
from gslfit.records import Record
from gslfit.shared.descent import Descent
from gslfit.shared.groups import Group

MOST = 1000         # evaluations of one refit
# a parameter without an error is moved by this share of its size, and further for as long as the root of chi-square's rise is too small
BESIDE, FURTHER, STEPS, SEEN = 1e-3, 8., 8, 1e-3
LOWER = 1e-4        # a decrease of chi-square by this share of its variance is a lower minimum, as for profiles of one fit


class Shape(Record):
    """What a profile asks of the Jacobian: how many residuals and varying parameters there are."""

    shape: tuple[int, int]


class SharedPoint(Record):
    """A point of a profile: the shared parameters, the local ones of each group, chi-square, and half its slope by the shared ones."""

    x: np.ndarray
    local: list[np.ndarray]
    chi: float
    slopes: np.ndarray
    J: Shape


class SharedRefit:
    """Chi-square round the minimum of data sets that share parameters, as a profile asks for it.

    Parameters
    ----------
    result : SharedResult
    """

    def __init__(self, result: Any):
        self.groups = [self._group(result, each) for each in result.parts if self._taking(result, each).any()]
        bounds = [result.sets.bounds.get(name, (np.array(-np.inf), np.array(np.inf))) for name in result.var_names]
        self.lower, self.upper = (np.array([float(pair[side]) for pair in bounds]) for side in (0, 1))
        self.result, self.nfev = result, 0
        self.shape = Shape((result.ndata, result.nvarys))
        self.errors = np.array([float(result.stderr[name]) for name in result.var_names])
        x = np.array([float(result.values[name]) for name in result.var_names])
        self.begun = np.array([float(result.init_values[name]) for name in result.var_names])
        chi = result.chisqr if result.unit == 1 else float(sum(group.sums(group.put(x, group.values), len(x)).cost.sum()
                                                               for group in self.groups))
        self.unit = result.unit**2 if not result.options.scale_covar else chi/max(result.nfree, 1)
        self.best = SharedPoint(x, [group.values for group in self.groups], chi, np.zeros(len(x)), self.shape)

    @staticmethod
    def _taking(result: Any, each: Any) -> np.ndarray:
        return ~np.isnan(result.local_chisqr[each.part.places])

    def _group(self, result: Any, each: Any) -> Group:
        """Return the data sets of a part that took part, at the minimum."""
        which = np.flatnonzero(self._taking(result, each))
        values = np.array([result.values[name][each.part.places[which]] for name in each.names]).reshape(len(each.names), len(which))
        group = Group(each.part, result.sets, which, each.looked, result.options, values, unit=result.unit)
        group.begin_at(values)
        group.begun = np.array([result.init_values[name][each.part.places[which]] for name in each.names]).reshape(values.shape)
        return group

    def at(self, near: SharedPoint, held: tuple[int, ...], values: np.ndarray, others: np.ndarray | None = None) -> SharedPoint | None:
        """Return the refit with shared parameters held, from a point near by or from foretold values of the others; None where the model
        isn't finite.
        """
        start = near.x.copy() if others is None else np.clip(others, self.lower, self.upper)
        start[list(held)] = values
        for group, local in zip(self.groups, near.local, strict=True):
            group.begin_at(local)
        holding = dict(zip(held, values.tolist(), strict=True))
        descent = Descent(self.groups, start, self.lower, self.upper, self.result.ndata, MOST, held=holding, begun=self.begun)
        reason = descent.run()
        self.nfev += descent.nfev
        if reason == FitStatus.BAD_DATA:
            return None
        state = descent.state
        slopes = sum(each.slopes for each in state.free)
        return SharedPoint(state.shared, [v[group.local.own, :len(group.which)] for group, v in zip(self.groups, state.v, strict=True)],
                           descent.raw_cost, np.asarray(slopes), self.shape)

    def root(self, chi: float) -> float:
        """Return the square root of chi-square's rise in units of what one standard error adds."""
        return math.sqrt(max(chi - self.best.chi, 0.0)/self.unit)

    def slope(self, point: SharedPoint, k: int) -> float:
        """Return the derivative of a profile's root by the parameter held."""
        root = self.root(point.chi)
        return float(point.slopes[k])/(root*self.unit) if root > 0 else 0.0

    def spread(self, k: int) -> float:
        """Return the standard error of a shared parameter; where it has none, how far it goes for each unit of the root."""
        if np.isfinite(self.errors[k]):
            return float(self.errors[k])
        at, far = float(self.best.x[k]), BESIDE*max(abs(float(self.best.x[k])), abs(float(self.begun[k])))
        for _ in range(STEPS if far > 0 else 0):
            value = at + far if at + far <= self.upper[k] else max(at - far, float(self.lower[k]))
            point = self.at(self.best, (k,), np.array([value]))
            root = 0.0 if point is None else self.root(point.chi)
            if root > SEEN:
                return abs(value - at)/root
            far *= FURTHER
        return math.inf


def conf_interval(result: Any, p_names: Sequence[str] | None, sigmas: Iterable[float] | None, maxiter: int) -> ConfidenceIntervals:
    """Find confidence intervals of shared parameters; see `SharedResult.conf_interval`.

    Raises
    ------
    InputError
        If a parameter isn't shared, or there are no errors to tell an interval by.
    """
    chances = sorted(probabilities(SIGMAS if sigmas is None else sigmas))
    names = list(result.var_names) if p_names is None else identifiers("p_names", p_names)
    maxiter = whole("maxiter", maxiter, 1)
    for name in names:
        if name not in result.var_names:
            raise InputError(f"{name!r} is no shared parameter that varies; there are {', '.join(result.var_names)}"
                             f"{close(name, list(result.var_names))}")
    if not result.success:
        raise InputError(f"the fit did not succeed, and has no intervals: {result.message}")
    if result.options.loss not in ("linear", "poisson"):
        raise InputError(f"profiles of chi-square mean nothing for loss={result.options.loss!r}: take the standard errors")
    if result.options.scale_covar and result.nfree < 1:
        raise InputError(f"there are {result.ndata} residuals for {result.nvarys} varying parameters: no degree of freedom is left to tell "
                         "errors by; with known errors, scale_covar=False, none is needed")
    refit = SharedRefit(result)
    best = refit.best.chi
    if refit.unit < EPS*best:
        raise InputError(f"chi-square, {result.chisqr:.4g}, has no digit that changes within a standard error: the errors given are far "
                         "too small; with scale_covar=True they count only beside each other")
    levels = (best + rises(chances, result.nfree, not result.options.scale_covar)*refit.unit).tolist()
    found = ConfidenceIntervals()
    for name in names:
        k, lowest = result.var_names.index(name), refit.best
        rows: list[list[tuple[float, float]]] = []
        for side, which in zip(both_sides(refit, k, maxiter), ("lower", "upper"), strict=True):  # type: ignore[arg-type]
            rows.append([])
            for chance, limit in zip(chances, side.limits(levels), strict=True):
                rows[-1].append((chance, limit.value))
                if limit.note:
                    found.notes.append(f"{name}: the {which} limit of {100*chance:.2f}% is not reached: {limit.note}")
            lowest = min([lowest, *side.points], key=lambda point: point.chi)  # type: ignore[type-var]
        if lowest.chi < best - LOWER*refit.unit:
            found.better = dict(zip(result.var_names, lowest.x.tolist(), strict=True))
            lower = lowest.chi/result.unit/result.unit
            found.notes.insert(0, f"the profile of {name!r} found a lower minimum: chi-square {lower:.8g}, below {result.chisqr:.8g}, at "
                                  f"{', '.join(f'{each} = {value:.6g}' for each, value in found.better.items())}; fit from there")
            warn(found.notes[0])
        found[name] = [*rows[0][::-1], (0.0, float(refit.best.x[k])), *rows[1]]
    found.nfev, found.chisqr = refit.nfev, result.chisqr
    return found
