"""Rows of a batch fitted together by a function that broadcasts: one call evaluates all of them.

The way down is MINPACK's `lmder` (More 1978) in every row at once: a trust region scaled by the greatest lengths of the columns, forward
differences. Near the minimum Gauss-Newton steps by centred differences, one QR decomposition for several steps, find the last digits, as
`gslfit.minimizer.least_squares` does. Only a plain row is settled here: its steps contract to nothing, its parameters are determined, and
it never met a bound; every other one is left to a fit of its own, which judges it. So what comes of a row depends on no other row.
"""
from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gslfit.curves.batch_result import BatchInputs
from gslfit.curves.row_fit import Row, RowEnd, RowResidual, doubt, row_of
from gslfit.data.covariance import whitened
from gslfit.errors import FitStatus, InputError
from gslfit.formula.formula import Formula
from gslfit.minimizer.options import FitOptions
from gslfit.minimizer.precision import EPS
from gslfit.parameters.collection import Parameters
from gslfit.records import Record

LEAST = 8               # rows that are worth being fitted together
PROBED = 3              # rows that show whether a function broadcasts
APART = 1e-3            # share by which their parameters differ
ALIKE = 1e-12           # share of the largest value by which those of one call and of several may differ
TURNS = 200             # steps of a trust region, at most
JACOBIANS = 8           # centred ones, at most
FROZEN = 12             # steps with one of them
CLOSE = 1e-3            # a step this short, in relative size, is polished from then on
DIGITS = 1e-9           # relative step at which a row is settled
MOVED = 1e-6            # how far from the end the last Jacobian may have been taken
DETERMINED = 1e-7       # the least diagonal element of R of columns of length 1
VAST = 10               # times its size that the error of a parameter that is determined may be
FLAT = 1e-7             # share of the residual that a parameter's own size changes at least
SAME = 1e-9             # share by which a residual of one row alone may differ


class Together(Record):
    """How rows are evaluated together.

    Attributes
    ----------
    formula : Formula
    names, varying : tuple of str
        All parameters in order, and those that vary.
    fixed : dict of str to float
        The values of the others, where no row has its own.
    low, high : ndarray, shape (p,)
        Bounds.
    sure : bool
        The caller says that the function broadcasts; else each row's residual is compared with that of the row alone.
    factor : ndarray, shape (n, n), or None
        What whitens each row's residuals, see `gslfit.data.covariance`.
    """

    formula: Formula
    names: tuple[str, ...]
    varying: tuple[str, ...]
    fixed: dict[str, float]
    low: np.ndarray
    high: np.ndarray
    sure: bool
    factor: np.ndarray | None = None

    def bounds(self, rows: Sequence[Row]) -> tuple[np.ndarray, np.ndarray]:
        """Return the bounds of rows, (rows, p) each: their own, where they have some."""
        low, high = np.tile(self.low, (len(rows), 1)), np.tile(self.high, (len(rows), 1))
        for k, row in enumerate(rows):
            for name, box in row.box.items():
                if name in self.varying:
                    low[k, self.varying.index(name)], high[k, self.varying.index(name)] = box
        return low, high

    def residuals(self, x: np.ndarray, rows: Curves) -> np.ndarray:
        """Return the weighted residuals, (rows, n), at values (rows, p); NaN where there are none."""
        with np.errstate(all="ignore"):
            found = self.formula(**self._arguments(x, rows))
        r = (np.broadcast_to(found, rows.y.shape) - rows.y)*rows.weights
        return r if self.factor is None else whitened(self.factor, r.T).T

    def slopes(self, x: np.ndarray, rows: Curves) -> np.ndarray | None:
        """Return the residuals' derivatives by what varies, (rows, n, p), where the formula has a program; None where it is called."""
        if not self.formula.native:
            return None
        with np.errstate(all="ignore"):
            found = self.formula.jacobian(**self._arguments(x, rows))
        columns = [self.formula.names.index(name) for name in self.varying]
        J = np.broadcast_to(found, (*rows.y.shape, len(self.formula.names)))[..., columns]*rows.weights[..., None]
        return J if self.factor is None else self.factor @ J

    def _arguments(self, x: np.ndarray, rows: Curves) -> dict[str, Any]:
        """Return what the formula is called with: points (rows, n), and values (rows, 1) of what varies."""
        given: dict[str, Any] = {**self.fixed, **rows.own}
        given.update({name: x[:, k, None] for k, name in enumerate(self.varying)})
        return {**rows.points, **{name: given[name] for name in self.formula.names}}


class Curves(Record):
    """Rows side by side: independent variables (n) or (rows, n), data and weights (rows, n), values that rows have, (rows, 1)."""

    points: dict[str, np.ndarray]
    y: np.ndarray
    weights: np.ndarray
    own: dict[str, np.ndarray]

    def part(self, which: np.ndarray) -> Curves:
        """Return some of the rows."""
        return Curves({name: each if each.ndim < 2 else each[which] for name, each in self.points.items()}, self.y[which],
                      self.weights[which], {name: each[which] for name, each in self.own.items()})


def together(formula: Formula, params: Parameters, data: BatchInputs, places: Sequence[tuple[int, ...]],
             options: FitOptions) -> Together | None:
    """Return how rows are evaluated together; None where they can't be, or where that is not worth while.

    Raises
    ------
    InputError
        If the caller said that the function broadcasts, and it doesn't.
    """
    varying = tuple(name for name, each in params.items() if each.vary)
    if (options.vectorized is False or options.loss != "linear" or not varying or any(each.expr is not None for each in params.values())
            or (options.vectorized is None and len(places) < LEAST) or not places):
        return None
    fixed = {name: each.value for name, each in params.items() if not each.vary and each.value is not None}
    low, high = (np.array([limit if (limit := getattr(params[name], side)) is not None else other for name in varying])
                 for side, other in (("min", -np.inf), ("max", np.inf)))
    how = Together(formula, tuple(params), varying, fixed, low, high, options.vectorized is True,
                   None if data.ycov is None else data.ycov.factor(None))
    broadcasts = _broadcasts(how, data, places)
    if not broadcasts and how.sure:
        name = getattr(formula.func, "__name__", "the function")
        raise InputError(f"vectorized=True says that {name} broadcasts, but for parameters of the shape (rows, 1) it doesn't return what "
                         "it returns for each row: write it so that it does, or leave vectorized out")
    return how if broadcasts else None


def _broadcasts(how: Together, data: BatchInputs, places: Sequence[tuple[int, ...]]) -> bool:
    """Call the function for a few rows at once, and for each alone: is it the same?"""
    chosen = [places[k] for k in sorted({0, len(places)//2, len(places) - 1})][:PROBED]
    rows = [row_of(data, place, "mark")._replace(keep=None, factor=how.factor) for place in chosen]
    curves = _side_by_side(how, rows)
    x = np.array([[row.starts[name] for name in how.varying] for row in rows])
    x = x*(1 + APART*np.arange(1, len(rows) + 1)[:, None]) + (x == 0)*APART*np.arange(1, len(rows) + 1)[:, None]
    x = np.clip(x, *how.bounds(rows))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = how.residuals(x, curves)
            alone = np.concatenate([how.residuals(x[[k]], curves.part(np.array([k]))) if len(rows) < 2 else
                                    _alone(how, x[k], row)[None] for k, row in enumerate(rows)])
    except Exception:           # the caller's function may raise anything for parameters that are arrays
        return False
    size = np.abs(alone[np.isfinite(alone)]).max(initial=0.0)
    return found.shape == alone.shape and np.allclose(found, alone, rtol=ALIKE, atol=ALIKE*size, equal_nan=True)


class _Number(Record):
    """A parameter as a residual function reads it."""

    value: float


def _alone(how: Together, x: np.ndarray, row: Row) -> np.ndarray:
    """Return the residual of one row, evaluated as a fit of that row does."""
    values = {**how.fixed, **row.starts, **dict(zip(how.varying, x.tolist(), strict=True))}
    with np.errstate(all="ignore"):
        found = RowResidual(how.formula, row)({name: _Number(value) for name, value in values.items()})
    return np.asarray(found, float)


def _side_by_side(how: Together, rows: Sequence[Row]) -> Curves:
    """Return rows as arrays; their points all take part."""
    points = {}
    for name, first in rows[0].points.items():
        shared = all(row.points[name] is first for row in rows)
        points[name] = first if shared else np.array([row.points[name] for row in rows])
    y = np.array([row.curve for row in rows])
    weights = np.array([np.broadcast_to(1.0 if row.weights is None else row.weights, row.curve.shape) for row in rows])
    own = {name: np.array([[row.starts[name]] for row in rows]) for name in rows[0].starts if name not in how.varying}
    return Curves(points, y, weights, own)


def fit_together(how: Together, rows: Sequence[Row], options: FitOptions) -> dict[int, RowEnd]:
    """Fit rows, and return how those ended that are plain, by their numbers."""
    p = len(how.varying)
    chosen = [k for k, row in enumerate(rows) if row.keep is None and row.used > p and not doubt(row, p)]
    if len(chosen) < 2:
        return {}
    some = [rows[k] for k in chosen]
    fit = _Fit(how, _side_by_side(how, some), np.array([[row.starts[name] for name in how.varying] for row in some]), how.bounds(some),
               options.max_nfev)
    with np.errstate(all="ignore"):
        fit.descend()
        fit.polish()
        ends = fit.ends(options)
    return {chosen[k]: end for k, end in ends.items() if how.sure or _same(how, fit.x[k], rows[chosen[k]], fit.r[k])}


def _same(how: Together, x: np.ndarray, row: Row, r: np.ndarray) -> bool:
    """Return whether the residual of a row alone is the same."""
    alone = _alone(how, x, row)
    return alone.shape == r.shape and bool(np.linalg.norm(alone - r) <= SAME*np.linalg.norm(r) + 64*EPS*np.linalg.norm(r + row.curve))


class _Fit:
    """Rows on their way down: values x (rows, p), residuals r (rows, n), the number of calls, and which are out of this."""

    def __init__(self, how: Together, curves: Curves, start: np.ndarray, bounds: tuple[np.ndarray, np.ndarray], max_nfev: int | None):
        self.low, self.high = bounds
        self.how, self.curves, self.x, self.start = how, curves, start.copy(), start
        self.r = how.residuals(self.x, curves)
        self.nfev = np.ones(len(start), int)
        self.limit = np.inf if max_nfev is None else max_nfev
        inside = ((start > self.low) & (start < self.high)).all(axis=1)
        self.out = ~(np.isfinite(self.r).all(axis=1) & inside)
        self.settled = np.zeros(len(start), bool)
        self.close = np.zeros(len(start), bool)
        self.J = np.zeros((*self.r.shape, start.shape[1]))

    def _at(self, which: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Return residuals of some rows; a row that leaves its bounds, or has had too many calls, is out."""
        low, high = self.low[which], self.high[which]
        beyond = ((x <= low) | (x >= high)).any(axis=1)
        self.out[which[beyond]] = True
        self.nfev[which] += 1
        self.out[which[self.nfev[which] >= self.limit]] = True
        return self.how.residuals(np.clip(x, low, high), self.curves.part(which))

    def _jacobian(self, which: np.ndarray, d: np.ndarray | None = None) -> np.ndarray:
        """Return Jacobians, (rows, n, p): exact ones, or by differences, centred where the lengths d of their columns are known."""
        exact = self.how.slopes(self.x[which], self.curves.part(which))
        if exact is not None:
            return exact
        return self._forward(which) if d is None else self._central(which, d)

    def _forward(self, which: np.ndarray) -> np.ndarray:
        """Return Jacobians, (rows, n, p), by forward differences."""
        x, r = self.x[which], self.r[which]
        J = np.empty((*r.shape, x.shape[1]))
        for j in range(x.shape[1]):
            moved = x.copy()
            moved[:, j] += np.sqrt(EPS)*np.where(x[:, j] == 0, 1.0, np.abs(x[:, j]))
            J[:, :, j] = (self._at(which, moved) - r)/(moved[:, j] - x[:, j])[:, None]
        return J

    def _central(self, which: np.ndarray, d: np.ndarray) -> np.ndarray:
        """Return Jacobians by centred differences; d (rows, p), about the lengths of their columns."""
        x, norm = self.x[which], np.linalg.norm(self.r[which], axis=1)[:, None]
        size = np.maximum(norm, np.max(d*np.abs(x), axis=1, keepdims=True))
        scale = np.maximum(np.abs(x), 1e-6*norm/d)
        steps = np.clip(np.cbrt(3*EPS*size/d)*np.cbrt(scale)**2, 8*EPS*np.abs(x), 1e-2*scale)
        J = np.empty((*self.r[which].shape, x.shape[1]))
        for j in range(x.shape[1]):
            up, down = x.copy(), x.copy()
            up[:, j] += steps[:, j]
            down[:, j] -= steps[:, j]
            J[:, :, j] = (self._at(which, up) - self._at(which, down))/(up[:, j] - down[:, j])[:, None]
        return J

    # -- the way down

    def descend(self) -> None:
        """Take steps of a trust region until they are short."""
        count, p = self.x.shape
        D, delta, first = np.zeros((count, p)), np.zeros(count), np.ones(count, bool)
        active = np.flatnonzero(~self.out)
        fresh = np.ones(count, bool)            # the Jacobian is to be taken
        for _ in range(TURNS):
            if not active.size:
                return
            again = active[fresh[active]]
            if again.size:
                self.J[again] = self._jacobian(again)
                lengths = np.linalg.norm(self.J[again], axis=1)
                self.out[again[~(np.isfinite(lengths) & (lengths > 0)).all(axis=1)]] = True
                D[again] = np.maximum(D[again], lengths)
                begin = again[first[again]]
                delta[begin] = 100*np.linalg.norm(D[begin]*self.x[begin], axis=1)
                delta[begin[delta[begin] == 0]] = 100.0
                fresh[again] = False
                active = active[~self.out[active]]
                if not active.size:
                    return
            step, damping, length = _trust_step(self.J[active], self.r[active], D[active], delta[active])
            newly = first[active]
            delta[active[newly]] = np.minimum(delta[active[newly]], length[newly])
            first[active] = False
            trial = self.x[active] + step
            found = self._at(active, trial)
            norm, new = np.linalg.norm(self.r[active], axis=1), np.linalg.norm(found, axis=1)
            linear = np.linalg.norm(np.einsum("rnp,rp->rn", self.J[active], step), axis=1)
            own = np.sqrt(damping)*length
            promised = (linear/norm)**2 + 2*(own/norm)**2
            gained = np.where(0.1*new < norm, 1 - (new/norm)**2, -1.0)
            gained = np.where(np.isfinite(new), gained, -1.0)
            ratio = np.where(promised > 0, gained/np.where(promised > 0, promised, 1.0), 0.0)
            slope = -((linear/norm)**2 + (own/norm)**2)
            shrink = np.clip(np.where(gained >= 0, 0.5, 0.5*slope/(slope + 0.5*gained)), 0.1, 0.5)
            bad, good = ratio <= 0.25, (ratio >= 0.75) | (damping == 0)
            delta[active] = np.where(bad, shrink*np.minimum(delta[active], length/0.1),
                                     np.where(good, length/0.5, delta[active]))
            taken = ratio >= 1e-4
            size = _relative(step, self.x[active], np.linalg.norm(self.J[active], axis=1), norm)
            self.x[active[taken]], self.r[active[taken]] = trial[taken], found[taken]
            fresh[active[taken]] = True
            # a rejected step this short is rounding's doing
            self.close[active[(taken & (size < CLOSE)) | (size < DIGITS) | (promised < 16*EPS)]] = True
            active = active[~(self.close[active] | self.out[active])]
        self.out[active] = True

    def polish(self) -> None:
        """Take Gauss-Newton steps by centred differences until they are down to rounding."""
        active = np.flatnonzero(self.close & ~self.out)
        d = np.linalg.norm(self.J, axis=1)
        for _ in range(JACOBIANS):
            if not active.size:
                return
            self.J[active] = self._jacobian(active, d[active])
            d[active] = np.linalg.norm(self.J[active], axis=1)
            self.out[active[~(np.isfinite(d[active]) & (d[active] > 0)).all(axis=1)]] = True
            active = active[~self.out[active]]
            begun, ended = self.x.copy(), self._contract(active, d)
            self.out[active[~ended[active]]] = True
            moved = _relative(self.x - begun, self.x, d, np.linalg.norm(self.r, axis=1))
            self.settled[active] = ended[active] & (moved[active] <= MOVED)
            active = active[~(self.settled[active] | self.out[active])]

    def _contract(self, which: np.ndarray, d: np.ndarray) -> np.ndarray:
        """Repeat steps with the present Jacobians while they contract; return which rows' steps came down to rounding, (all rows,)."""
        ended = np.zeros(len(self.x), bool)
        if not which.size:
            return ended
        Q, R = np.linalg.qr(self.J[which]/d[which, None])
        least = np.abs(np.diagonal(R, axis1=1, axis2=2)).min(axis=1)
        self.out[which[~(least > DETERMINED)]] = True
        before, rest = np.full(len(which), np.inf), np.flatnonzero(least > DETERMINED)
        for _ in range(FROZEN):
            if not rest.size:
                break
            rows = which[rest]
            r = self.r[rows]
            step = -np.linalg.solve(R[rest], np.einsum("rnp,rn->rp", Q[rest], r)[..., None])[..., 0]/d[rows]
            norm = np.linalg.norm(r, axis=1)
            size = _relative(step, self.x[rows], d[rows], norm)
            model = np.maximum(norm, np.max(d[rows]*np.abs(self.x[rows]), axis=1))
            effect = np.linalg.norm(np.einsum("rnp,rp->rn", self.J[rows], step), axis=1)
            done = (size <= DIGITS) | (effect <= 32*EPS*model)
            ended[rows[done]] = True
            go = ~done & (size <= 0.5*before[rest])
            before[rest] = size
            trial = self.x[rows] + step
            found = self._at(rows[go], trial[go]) if go.any() else r[go]
            better = np.linalg.norm(found, axis=1) <= norm[go]*(1 + 1e-10) + 32*EPS*model[go]
            taken = rows[go][better]
            self.x[taken], self.r[taken] = trial[go][better], found[better]
            rest = rest[go][better]
        return ended

    # -- what came of it

    def ends(self, options: FitOptions) -> dict[int, RowEnd]:
        """Return how the plain rows ended, by their numbers."""
        which = np.flatnonzero(self.settled & ~self.out)
        if not which.size:
            return {}
        n, p = self.r.shape[1], self.x.shape[1]
        d = np.linalg.norm(self.J[which], axis=1)
        inverse = np.linalg.inv(np.linalg.qr(self.J[which]/d[:, None], mode="r"))
        chisqr = np.sum(self.r[which]**2, axis=1)
        redchi = chisqr/(n - p)
        variance = redchi if options.scale_covar else np.ones(len(which))
        own = np.linalg.norm(inverse, axis=2)
        units = inverse/own[:, :, None]
        stderr = own/d*np.sqrt(variance)[:, None]
        norm, x = np.sqrt(chisqr)[:, None], np.abs(self.x[which])
        spread = stderr if options.scale_covar else stderr*np.sqrt(redchi)[:, None]
        plain = (np.isfinite(stderr) & (d*x >= FLAT*norm) & (spread <= VAST*np.maximum(x, np.abs(self.start[which])))).all(axis=1)
        found = {}
        for i, k in enumerate(which.tolist()):
            if plain[i]:
                values = {**self.how.fixed, **{name: float(each[k, 0]) for name, each in self.curves.own.items()},
                          **dict(zip(self.how.varying, self.x[k].tolist(), strict=True))}
                errors: Mapping[str, float] = dict(zip(self.how.varying, stderr[i].tolist(), strict=True))
                found[k] = RowEnd(FitStatus.CONVERGED, n, int(self.nfev[k]), float(chisqr[i]), float(redchi[i]),
                                  tuple(values[name] for name in self.how.names), tuple(errors.get(name, 0.0) for name in self.how.names),
                                  units[i] @ units[i].T if options.covar else None)
        return found


def _relative(step: np.ndarray, x: np.ndarray, d: np.ndarray, norm: np.ndarray) -> np.ndarray:
    """Return the largest size of each row's step, relative to the value, or to a hundredth of its uncertainty where that is larger."""
    reach = norm[:, None]/np.where(d > 0, d, np.inf)
    own = np.maximum(np.abs(x), 1e-2*reach)
    return np.max(np.where(step == 0, 0.0, np.abs(step)/np.where(own > 0, own, 1e-300)), axis=1)


def _trust_step(J: np.ndarray, r: np.ndarray, D: np.ndarray, delta: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the steps of least residual within the trust regions ``|D step| <= delta``, their dampings, and their scaled lengths."""
    A = J/D[:, None]
    sizes, V = np.linalg.eigh(np.swapaxes(A, 1, 2) @ A)
    sizes = np.maximum(sizes, EPS*sizes[:, -1:])
    g = np.einsum("rpq,rp->rq", V, np.einsum("rnp,rn->rp", A, r))
    damping = np.zeros(len(J))
    step = g/sizes
    length = np.linalg.norm(step, axis=1)
    outside = length > 1.1*delta
    damping[outside] = 1e-3*np.linalg.norm(g[outside], axis=1)/delta[outside]
    for _ in range(12):         # Newton's steps on 1/|step| - 1/delta, which is next to linear
        if not outside.any():
            break
        step = g/(sizes + damping[:, None])
        length = np.linalg.norm(step, axis=1)
        slope = -np.sum(step**2/(sizes + damping[:, None]), axis=1)/length
        better = damping + (length - delta)/delta*length/-slope
        outside &= np.abs(length - delta) > 0.1*delta
        damping = np.where(outside, np.maximum(better, 1e-3*damping), damping)
    step = g/(sizes + damping[:, None])
    return -np.einsum("rpq,rq->rp", V, step)/D, damping, np.linalg.norm(step, axis=1)
