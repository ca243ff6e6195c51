"""The cheap certificate that a point is a minimum of chi-square, over many rows at once.

Let r be the weighted residual at a point v, J its Jacobian, T = sum r_i d2(r_i) its second-order part, s^2 = chi2/(n - p) the reduced
chi-square. With J D^-1 = U S W' (columns scaled to length 1) the coordinates z = S W' D (v - v0) measure moves in standard errors: a move
of |z| <= t s moves every parameter by at most t of its error, as error_k = s |row k of D^-1 W S^-1|. In them

    chi2(z) = chi2 + 2 g.z + z.H z + ...,  g = U' r,  H = 1 + S^-1 W' D^-1 T D^-1 W S^-1,

with nothing left out of the second order. If H is positive definite, its least eigenvalue not below `STIFF`, and the Newton step
d = -H^-1 g is no longer than `NEAR` s, then the quadratic's minimum is within 1e-4 of an error, chi-square can fall there by g.H^-1 g at
most, 1e-8 of s^2 at such lengths, a hundredth of what counts. That the third order does not matter over such a step is not assumed where
it is longer than `TINY` s: the gradient is taken again at its end and must have shrunk to half (Kantorovich: then Newton's steps
converge, to a point within twice the step). Steps below `TINY` are at the rounding of the gradient.

Where the residual is at rounding (each r_i comparable to what rounding of data, value and parameters does to it) there is nothing left to
descend: such a row is at a minimum whatever the rank.

At a bound: a parameter whose distance to a bound, in the direction that chi-square falls, could lower chi-square to first order by no more
than `HELD` of s^2 is held there, its multiplier being of the right sign; the others are judged as if free, which is the stronger claim. A
parameter on its bound whose multiplier is not clearly positive counts as free.

Everything is computed in units of the row's largest datum, columns in units of their own length, so that no scale over- or underflows.
"""
from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fuzz.draws import Block
from fuzz.texts import Text
from gslfit.parameters import bounds
from gslfit.shared._rows import interior

NEAR = 1e-4     # of a standard error: how near the certificate wants the minimum
TINY = 1e-6     # of a standard error: a step below needs no second look
STIFF = 1e-3    # least eigenvalue of H
HELD = 1e-8     # of the reduced chi-square
FLOOR = 1e-7    # singular values of the scaled Jacobian below this tell no error
EPS = 4*np.finfo(float).eps     # rounding of one evaluation
# times the estimated rounding, root mean square: gslfit's own bound, 64 units of rounding of the data, is 8 times it by gslfit's values of
# the model; by others, which are rounded elsewhere, once more
AT_ROUNDING = 9.0
CHUNK = 24_000  # numbers of an array, so that it stays in the processor's cache


class Rows(NamedTuple):
    """Rows to judge: `x` is a tuple of (n,), `y` and `weights` (rows, n), `low` and `high` (p,), `unit` (rows, 1) that of residuals.

    `floor` (rows, 1) is the rounding of data that are zero: that of the model at the start. `start` is (rows, p).
    """

    text: Text
    x: tuple[np.ndarray, ...]
    y: np.ndarray
    weights: np.ndarray
    low: np.ndarray
    high: np.ndarray
    unit: np.ndarray
    floor: np.ndarray
    start: np.ndarray

    def take(self, which) -> Rows:
        """Return some of the rows."""
        fields = {name: getattr(self, name)[which] for name in ("y", "weights", "unit", "floor", "start")}
        return self._replace(**fields)


class Local(NamedTuple):
    """The neighbourhood of points, in units of each row: see `look`."""

    chi: np.ndarray         # (rows,) chi-square
    s2: np.ndarray          # (rows,) reduced chi-square, of the free parameters
    rounding: np.ndarray    # (rows,) sum of squares of the residual's rounding
    blur: np.ndarray        # (rows,) rounding of chi-square
    gradient: np.ndarray    # (rows, p) g in the coordinates z
    values: np.ndarray      # (rows, p) eigenvalues of H, ascending
    vectors: np.ndarray     # (rows, p, p) eigenvectors of H
    back: np.ndarray        # (rows, p, p) from z to v
    errors: np.ndarray      # (rows, p) standard errors, infinite where the data tell none
    held: np.ndarray        # (rows, p) which parameters are held at a bound
    least: np.ndarray       # (rows,) least singular value of the scaled Jacobian


def rows_of(block: Block) -> Rows:
    """Return a block's rows. A row's unit is its largest weighted datum; where all are zero, the model's largest value at the start.

    Where that has none on a bound, it is inside that.
    """
    weights = np.broadcast_to(1.0 if block.weights is None else block.weights, block.y.shape)
    unit = np.abs(block.y*weights).max(axis=1, keepdims=True)
    zero = unit == 0
    if zero.any():
        begun = largest_value(block, block.start, weights)
        inside = interior(block.start, block.low, block.high, bounds.INSIDE, bounds.NEAR)
        begun = np.where(np.isfinite(begun), begun, largest_value(block, inside, weights))
        largest = np.abs(weights).max(axis=1, keepdims=True)
        unit = np.where(zero, np.where(np.isfinite(begun) & (begun > 1e-290*largest), begun, largest), unit)
    return Rows(block.text, block.x, block.y, weights, block.low, block.high, unit, np.where(zero, EPS, 0.0), block.start)


def largest_value(block: Block, v: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the model's largest weighted value at points, (rows, 1)."""
    with np.errstate(all="ignore"):
        return np.broadcast_to(np.abs(block.text.jet(block.x, v, 0).value*weights), block.y.shape).max(axis=1, keepdims=True)


def residual(rows: Rows, v: np.ndarray) -> np.ndarray:
    """Return the residuals (rows, n) in units."""
    with np.errstate(all="ignore"):
        return (rows.text.jet(rows.x, v, 0).value - rows.y)*(rows.weights/rows.unit)


def chi_square(rows: Rows, v: np.ndarray) -> np.ndarray:
    """Chi-square (rows,) in units; infinite where the model isn't finite."""
    r = residual(rows, v)
    with np.errstate(all="ignore"):
        chi = np.einsum("bi,bi->b", r, r)
    return np.where(np.isfinite(chi), chi, np.inf)


def stacked(parts: dict, key, shape) -> np.ndarray:
    """Return a derivative as an array (rows, n); absent ones are zero."""
    return np.broadcast_to(parts[key], shape) if key in parts else np.zeros(shape)


def jacobian(rows: Rows, v: np.ndarray, order: int = 1):
    """Return residuals, Jacobian (rows, n, p), second-order part (rows, p, p), None in order 1, and the model's values; in units."""
    shape, p = rows.y.shape, v.shape[1]
    factor = rows.weights/rows.unit
    with np.errstate(all="ignore"):
        jet = rows.text.jet(rows.x, v, order)
        f = np.broadcast_to(jet.value, shape)
        r = (f - rows.y)*factor
        slopes = np.stack([stacked(jet.d, k, shape)*factor for k in range(p)], axis=2)
        if order < 2:
            return r, slopes, None, f*factor
        bend = np.zeros((shape[0], p, p))
        for (i, j), part in (jet.h or {}).items():
            bend[:, i, j] = bend[:, j, i] = np.einsum("bi,bi->b", r, np.broadcast_to(part, shape)*factor)
    return r, slopes, bend, f*factor


def look(rows: Rows, v: np.ndarray, held: np.ndarray | None = None) -> Local:
    """Look at the neighbourhood of each row's point, in chunks of rows."""
    size = max(1, CHUNK//rows.y.shape[1])
    parts = [_look(rows.take(slice(low, low + size)), v[low:low + size], None if held is None else held[low:low + size])
             for low in range(0, len(v), size)]
    return Local(*(np.concatenate(fields) for fields in zip(*parts, strict=True)))


def _look(rows: Rows, v: np.ndarray, held: np.ndarray | None) -> Local:
    r, slopes, bend, f = jacobian(rows, v, 2)
    count, n, p = slopes.shape
    with np.errstate(all="ignore"):
        chi = np.einsum("bi,bi->b", r, r)
        noise = rows.floor + EPS*(np.abs(rows.y*(rows.weights/rows.unit)) + np.abs(f) + np.abs(slopes*v[:, None]).sum(axis=2))
        rounding = np.einsum("bi,bi->b", noise, noise)
        blur = 2*np.sqrt(np.einsum("bi,bi->b", noise*r, noise*r)) + rounding + n*EPS*chi
        top = np.abs(slopes).max(axis=1)
        safe = np.where((top > 0) & np.isfinite(top), top, 1.0)
        scaled = slopes/safe[:, None]
        length = np.sqrt(np.einsum("bik,bik->bk", scaled, scaled))
        alive = (length > 0) & np.isfinite(length)
        scaled = np.where(alive[:, None], scaled/np.where(alive, length, 1.0)[:, None], 0.0)
        inverse = np.where(alive, 1.0/(safe*np.where(alive, length, 1.0)), np.where(v == 0, 1.0, np.abs(v)))     # 1/D
        inverse = np.clip(inverse, 1e-300, 1e300)
        along = np.einsum("bik,bi->bk", scaled, r)
        if held is None:
            held = held_at(rows, v, 2*along/inverse, chi/max(n - p, 1), along)
        bend = inverse[:, :, None]*bend*inverse[:, None, :]
    finite = np.isfinite(chi) & np.isfinite(scaled).all(axis=(1, 2)) & np.isfinite(bend).all(axis=(1, 2)) & np.isfinite(rounding)
    free = ~held
    scaled = np.where((finite[:, None] & free)[:, None], scaled, 0.0)
    extra = np.zeros((count, p, p))
    extra[:, range(p), range(p)] = held | ~finite[:, None]
    _, sigma, wt = np.linalg.svd(np.linalg.qr(np.concatenate((scaled, extra), axis=1), mode="r"))
    bend = np.where((finite[:, None] & free)[:, :, None] & free[:, None], bend, 0.0)
    sigma = np.maximum(sigma, 1e-300)
    raised = np.maximum(sigma, FLOOR*np.maximum(sigma[:, :1], 1.0))      # columns have the length 1, or none has an effect
    back = wt.transpose(0, 2, 1)/raised[:, None]
    with np.errstate(all="ignore"):
        h = back.transpose(0, 2, 1) @ bend @ back
    h[:, range(p), range(p)] += (sigma/raised)**2
    vast = ~np.isfinite(h).all(axis=(1, 2))
    h[vast] = np.eye(p)
    gradient = np.einsum("bkj,bk->bj", back, np.where(finite[:, None] & free, along, 0.0))
    values, vectors = np.linalg.eigh(h/2 + h.transpose(0, 2, 1)/2)     # halves, as a sum can be infinite
    values[vast, 0] = 0.0       # no certificate
    s2 = chi/np.maximum(n - free.sum(axis=1), 1)
    told = ((sigma/sigma[:, :1] > FLOOR)[:, None] | (np.abs(wt.transpose(0, 2, 1)) < FLOOR)).all(axis=2)
    with np.errstate(all="ignore"):
        errors = np.where(told, np.sqrt(s2)[:, None]*inverse*np.sqrt((back**2).sum(axis=2)), np.inf)
    return Local(np.where(finite, chi, np.inf), s2, rounding, blur, gradient, values, vectors, inverse[:, :, None]*back, errors, held,
                 (sigma[:, -1]/sigma[:, 0]))


def held_at(rows: Rows, v: np.ndarray, slope: np.ndarray, s2: np.ndarray, along: np.ndarray) -> np.ndarray:
    """Which parameters are held at a bound: chi-square falls towards it, clearly, and has no room there that counts."""
    with np.errstate(all="ignore"):
        room = np.where(slope > 0, v - rows.low, rows.high - v)
        clear = np.abs(along) > NEAR*np.sqrt(s2)[:, None]
        return clear & np.isfinite(room) & (np.abs(slope)*np.maximum(room, 0.0) <= HELD*s2[:, None])


def at_rounding(here: Local) -> np.ndarray:
    """Whether the residual is what rounding leaves."""
    return np.isfinite(here.chi) & (here.chi <= AT_ROUNDING**2*here.rounding)


def newton(here: Local) -> np.ndarray:
    """Return the Newton step in the coordinates z, where H is positive definite."""
    with np.errstate(all="ignore"):
        return -np.einsum("bij,bj->bi", here.vectors, np.einsum("bij,bi->bj", here.vectors, here.gradient)/here.values)


def certified(rows: Rows, v: np.ndarray, here: Local) -> np.ndarray:
    """Which rows are at a minimum, by the argument above."""
    step = newton(here)
    length = np.linalg.norm(np.where(np.isfinite(step), step, np.inf), axis=1)
    s = np.sqrt(here.s2)
    stiff = (here.values[:, 0] >= STIFF) & (here.least > FLOOR) & np.isfinite(here.chi)
    blurred = length <= 2*np.sqrt(here.rounding)
    good = stiff & ((length <= NEAR*s) | blurred)
    again = np.flatnonzero(good & (length > TINY*s) & ~blurred)
    if len(again):
        good[again] = shrinks(rows.take(again), v[again], Local(*(field[again] for field in here)), step[again])
    return good | at_rounding(here)


def shrinks(rows: Rows, v: np.ndarray, here: Local, step: np.ndarray) -> np.ndarray:
    """Whether the Newton step halves the gradient."""
    there = np.clip(v + np.einsum("bij,bj->bi", here.back, step), rows.low, rows.high)
    r, slopes, _, _ = jacobian(rows, there)
    with np.errstate(all="ignore"):
        full = np.einsum("bkj,bk->bj", here.back, np.where(here.held, 0.0, np.einsum("bik,bi->bk", slopes, r)))
        return np.linalg.norm(full, axis=1) <= 0.5*np.linalg.norm(here.gradient, axis=1) + 2*np.sqrt(here.rounding)
