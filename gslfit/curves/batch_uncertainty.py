"""Standard errors of what follows from the parameters of a batch: of expressions of them, and of each fit's curve.

The fits in which every parameter has an error go through arrays, a block of fits at a time; the others, which a bound holds or which don't
determine all parameters, and those with derivatives that may be out of the range of numbers, are asked one by one, as results of their own.
"""
from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from gslfit.checks import choice
from gslfit.curves.curve import NO_POINTS
from gslfit.curves.row_result import NO_CORRELATIONS, need_correlations, parameters_of_row
from gslfit.data.layout import rows_at
from gslfit.data.numbers import floats
from gslfit.errors import ExpressionError, InputError, NonFiniteError, ParameterError
from gslfit.formula.formula import NO_VARIABLE, Formula
from gslfit.minimizer.bands import KINDS, spread_of, student
from gslfit.minimizer.derived import with_expression
from gslfit.minimizer.propagation import Spread, propagated
from gslfit.objective.units import is_far

BLOCK = 1 << 22         # numbers of a block's Jacobians
EXTREME = 1e150         # of a value or a derivative, or one over it: what it is made of may be out of range


def derived(batch: Any, expr: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the value and the standard error of an expression of the parameters, of each fit: ndarray (...) each."""
    with_expression(parameters_of_row(batch, dict.fromkeys(batch.values, 1.0)), expr)       # refuses what is no expression
    gradients = _Gradients(batch)
    try:
        value, error = gradients.value(expr), np.full(batch.shape, np.nan)
    except ExpressionError:         # what no program can do is evaluated by Python
        return _one_by_one(batch, expr)
    known = _known(batch)
    for places in _blocks(batch, known, len(batch.names)):
        slopes = gradients.of(expr, places)
        known[places] = ~gradients.may_be_lost(expr, value, slopes, places).reshape(known[places].shape)
        found = propagated(slopes, _spreads(batch, places, gradients))
        error[places] = found if places else found[0]
    for place in _places(~known & _fitted(batch)):
        error[place] = batch[place].derived(expr)[1]
    return value, error


def bands(batch: Any, sigma: float, kind: str, values: Mapping[str, Any]) -> np.ndarray:
    """Return the half width of each fit's band, at its points or at others: ndarray (..., n); see `BatchResult.eval_uncertainty`."""
    data, formula = batch.data, batch.data.formula
    choice("kind", kind, KINDS)
    strange = [name for name in values if name not in formula.independent]
    if strange:
        raise InputError(f"{strange[0]!r} is no independent variable of {formula!r}; it has {', '.join(formula.independent)}")
    absent = [name for name in formula.independent if values and name not in values]
    if absent:
        raise InputError(f"values of {', '.join(absent)} are missing: other points need all of the independent variables")
    if not data.x and not values:
        raise InputError(NO_POINTS)
    x = [floats(name, values[name]) for name in formula.independent] if values else list(data.x)
    if values and any(array.ndim > 1 for array in x):
        raise InputError("other points of a batch are arrays with one axis, the same for all fits")
    n = np.broadcast_shapes(*(array.shape for array in x))[-1:] if values else (data.layout.n if data.layout else x[0].shape[-1],)
    found = np.full((*batch.shape, *n), np.nan)
    known, gradients = _known(batch), _Gradients(batch)
    if kind == "prediction" or not formula.native:
        if known.any():
            need_correlations(batch, len(batch.names))
        known = np.zeros_like(known)
    for places in _blocks(batch, known, max(n[0] if n else 1, 1)*len(formula.names)):
        rows = x if values else [rows_at(array, places) for array in x]
        slopes = gradients.of_curve(rows, places)
        stderr, held, correlations, *_ = _spreads(batch, places, gradients)
        assert correlations is not None
        errors = propagated(slopes, Spread(stderr[:, None], held[:, None], correlations[:, None]))
        freedoms, which = np.unique((np.asarray(batch.ndata) - varying(batch))[places], return_inverse=True)
        errors *= np.array([student(sigma, int(freedom)) for freedom in freedoms])[which.reshape(-1)][:, None]
        out = None if values else _left_out(batch, places)
        errors = errors if out is None else np.where(out, np.nan, errors)
        found[places] = errors if places else errors[0]
    for place in _places(~known & _fitted(batch)):
        found[place] = np.asarray(batch[place].eval_uncertainty(sigma=sigma, kind=kind, **values)).reshape(n)
    return found


class _Gradients:
    """Values and derivatives by the varying parameters, of all fits of a batch at once."""

    def __init__(self, batch: Any):
        self.batch = batch
        template = batch.data.parameters
        self.expressions = {} if template is None else {name: par.expr for name, par in template.items() if par.expr is not None}

    def value(self, expr: str) -> np.ndarray:
        """Return the values of an expression: ndarray (...)."""
        formula = self._formula(expr)
        with np.errstate(all="ignore"):
            found = formula(**{NO_VARIABLE: 0.0}, **{name: np.asarray(self.batch.values[name]) for name in formula.names})
        return np.array(np.broadcast_to(np.asarray(found, float), self.batch.shape))

    def may_be_lost(self, expr: str, value: np.ndarray, slopes: np.ndarray, places: Any) -> np.ndarray:
        """Return in which fits one of an expression's derivatives (k, p) may be out of the range of numbers: ndarray of bool (k,)."""
        size, used = np.abs(np.column_stack([np.atleast_1d(value[places]), slopes])), self._used(expr)
        found = (~(size <= EXTREME) | ((size < 1/EXTREME) & (size > 0))).any(axis=1)
        for k, name in enumerate(self.batch.names):
            if name in used:
                found |= (slopes[:, k] == 0) & is_far(np.abs(self._of(name, places)))
        return found & np.isfinite(np.atleast_1d(value[places]))

    def _used(self, expr: str) -> set[str]:
        """Return the parameters that an expression depends on, also by way of others' expressions."""
        found: set[str] = set()
        more = set(self._formula(expr).names)
        while more:
            found |= more
            more = {other for name in more & self.expressions.keys() for other in self._formula(self.expressions[name]).names} - found
        return found

    def of(self, expr: str, places: Any) -> np.ndarray:
        """Return an expression's derivatives in some of the fits: ndarray (k, p)."""
        formula = self._formula(expr)
        count = len(places[0]) if places else 1
        if not formula.names:
            return np.zeros((count, len(self.batch.names)))
        given = {name: self._of(name, places) for name in formula.names}
        with np.errstate(all="ignore"):
            own = np.broadcast_to(formula.jacobian(**{NO_VARIABLE: 0.0}, **given), (count, len(formula.names)))
        return self._by_varying(formula.names, own, places)

    def of_curve(self, x: list[np.ndarray], places: Any) -> np.ndarray:
        """Return the formula's derivatives in some of the fits: ndarray (k, n, p)."""
        formula = self.batch.data.formula.at(places)
        given = {name: self._of(name, places)[:, None] for name in formula.names}
        with np.errstate(all="ignore"):
            own = formula.jacobian(**dict(zip(formula.independent, x, strict=True)), **given)
        return self._by_varying(formula.names, own, places)

    def _of(self, name: str, places: Any) -> np.ndarray:
        """Return the values of a parameter in some of the fits: ndarray (k,)."""
        return np.atleast_1d(np.asarray(self.batch.values[name])[places])

    def _by_varying(self, names: tuple[str, ...], own: np.ndarray, places: Any) -> np.ndarray:
        """Return derivatives by the varying parameters from those by `names`: expressions depend on them too."""
        varying = self.batch.names
        found = np.zeros((*own.shape[:-1], len(varying)))
        for k, name in enumerate(names):
            if name in varying:
                found[..., varying.index(name)] += own[..., k]
            elif name in self.expressions:
                inner = self.of(self.expressions[name], places)
                found += own[..., k, None]*inner.reshape(len(inner), *(1,)*(own.ndim - 2), len(varying))
        return found

    def _formula(self, expr: str) -> Formula:
        """Return an expression as a formula, or raise ExpressionError if it can't be one."""
        formula = Formula(expr, (NO_VARIABLE,))
        strange = [name for name in formula.names if name not in self.batch.values]
        if strange:
            raise ExpressionError(f"{strange[0]} is no parameter of the batch", expr)
        return formula


def varying(batch: Any) -> np.ndarray:
    """Return how many parameters vary in each fit: ndarray (...)."""
    limits, found = batch.data.limits, np.full(batch.shape, len(batch.names))
    for name in () if limits is None else limits.patterned:
        found -= ~limits.vary[name]
    return found


def _known(batch: Any) -> np.ndarray:
    """Return which fits have an error of every varying parameter, and correlations in range: ndarray of bool (...)."""
    found = np.array(batch._keeps_correlations() if batch.has_correlations else np.ones(batch.shape, bool))
    for name in batch.names:
        found &= np.isfinite(np.asarray(batch.stderr[name])) & np.isfinite(np.asarray(batch.values[name]))
    return found


def _fitted(batch: Any) -> np.ndarray:
    """Return which fits have values and any error: ndarray of bool (...)."""
    values, errors = np.ones(batch.shape, bool), np.zeros(batch.shape, bool)
    for name in batch.names:
        values &= np.isfinite(np.asarray(batch.values[name]))
        errors |= np.isfinite(np.asarray(batch.stderr[name]))
    return values & errors


def _places(chosen: np.ndarray) -> Iterator[tuple[int, ...]]:
    """Return the places that are chosen, one by one."""
    return (place for place in np.ndindex(chosen.shape) if chosen[place])


def _blocks(batch: Any, chosen: np.ndarray, size: int) -> Iterator[tuple[np.ndarray, ...]]:
    """Return the places that are chosen as index arrays, so many at a time that their Jacobians fit a block."""
    curve = 1 if batch.has_correlations or not batch.data.x else batch.data.x[0].shape[-1]*len(batch.data.formula.names)
    step = max(1, BLOCK//max(size, curve, len(batch.names)**2, 1))
    if not chosen.ndim:
        return iter([()]*bool(chosen))
    where = np.nonzero(chosen)
    return (tuple(axis[k:k + step] for axis in where) for k in range(0, where[0].size, step))


def _left_out(batch: Any, places: Any) -> np.ndarray | None:
    """Return which points of some of the fits take no part: ndarray of bool (k, n); None where nothing is known of them."""
    data = batch.data
    if data.y is None:
        return None
    y = np.atleast_2d(data.y[places])
    out = ~np.isfinite(y)
    for array in data.x:
        out |= ~np.isfinite(rows_at(array, places))
    mask, factors = rows_at(data.mask, places), data.factors()
    if mask is not None:
        out |= np.asarray(mask, bool)
    if factors is not None:
        own = rows_at(factors.array, places)
        out |= ~np.isfinite(own) | (own == (np.inf if data.inverted else 0))
    return out


def _spreads(batch: Any, places: Any, gradients: _Gradients) -> Spread:
    """Return the errors and correlations of the varying parameters in some of the fits, all of which have errors: (k, p), (k, p, p)."""
    errors = np.stack([np.atleast_1d(np.asarray(batch.stderr[name])[places]) for name in batch.names], axis=-1)
    return Spread(errors, np.zeros(errors.shape, bool), _correlations(batch, places, gradients, errors))


def _correlations(batch: Any, places: Any, gradients: _Gradients, errors: np.ndarray) -> np.ndarray:
    """Return the correlations of the varying parameters in some of the fits, which have these errors (k, p): ndarray (k, p, p)."""
    p = len(batch.names)
    if p == 1:
        return np.ones((len(errors), 1, 1))
    kept = batch._correlations(places)
    if kept is not None:
        return kept.reshape(-1, p, p)
    out = _left_out(batch, places)
    if out is None:
        raise InputError(NO_CORRELATIONS)
    if not batch.data.formula.native:
        own = (spread_of(batch[place].params, batch.names).correlations for place in (zip(*places, strict=True) if places else [()]))
        return np.stack([each for each in own if each is not None])
    slopes = gradients.of_curve([rows_at(array, places) for array in batch.data.x], places)
    slopes = np.broadcast_to(slopes, (*out.shape, p))
    own = batch.data.factors()
    with np.errstate(all="ignore"):
        weights = np.ones(1) if own is None else rows_at(own.array, places)
        factors = 1/weights if batch.data.inverted else weights
        jacobian = np.where(out[..., None], 0.0, slopes*np.broadcast_to(factors, out.shape)[..., None])
        largest = np.max(np.abs(jacobian), axis=1, keepdims=True)
        r = np.linalg.qr(jacobian/np.where(largest > 0, largest, 1.0), mode="r")
        try:
            directions = np.linalg.solve(r, np.eye(p))
        except np.linalg.LinAlgError:
            return np.full((len(errors), p, p), np.nan)
        directions /= np.linalg.norm(directions, axis=-1)[..., None]
    return np.asarray(directions @ np.swapaxes(directions, -1, -2))


def _one_by_one(batch: Any, expr: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the value and the standard error of an expression of each fit, by results of single ones."""
    value, error = np.full(batch.shape, np.nan), np.full(batch.shape, np.nan)
    for place in np.ndindex(batch.shape):
        try:
            value[place], error[place] = batch[place].derived(expr)
        except (NonFiniteError, ParameterError):        # a fit without a result
            continue
    return value, error
