"""The verdict on ends of fits: at a minimum or not, and of which kind the fault is.

Three judges, the cheapest first: the certificate (`fuzz.certificate`), a descent of all rows at once (`fuzz.descent`), and SciPy's
`least_squares` from where the fit ended, in units of the parameters' errors and within the bounds: parameters held at a bound stay, and
the push towards it is checked where SciPy ends. Where the judges disagree, or what chi-square falls by is near rounding, mpmath computes
chi-square at both ends in 40 digits. Where parts of a model cancel, as the arms of a rectangle of no width, rounding is more than value
and derivatives tell: it is what the residual in 40 digits and in doubles differ by. Of a block's rows that fall clearly along a path
without a barrier, a proof in itself, SciPy is shown the first `ASKED`.

A lower point that SciPy reached over a barrier is no evidence: it counts as "jumped". Nor is a fall along parameters that had no effect at
the start and have none at the end, while others have one ("no effect"), or from a point about which chi-square, to second order, falls by
no more than its rounding over moves as long as the parameters themselves ("plain"): from there no way down is to be found, and that is
forgiven where no parameter lost the effect that it had at the start, and some had one; one that chi-square bends up at to second order, as
at the 0 of what enters squared, has not lost it. Nor a valley whose floor falls by less than `STIFF` of what a move of its length would
cost across it ("flat").
"""
from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from scipy.optimize import least_squares

from fuzz.certificate import AT_ROUNDING, STIFF, Local, Rows, at_rounding, certified, chi_square, jacobian, look, residual
from fuzz.descent import MOVE, crossings, descend, moved, room

ASKED = 20      # rows of a block whose clear fall along a path without barrier is also shown to SciPy
BETWEEN = np.concatenate((10.0**np.arange(-9, -1, .25), np.linspace(0, 1, 12)[1:-1]))     # a long step may begin with a thin barrier
CERTIFIED, DESCENDED, FLAT, JUMPED, ROUNDING, FAULT = "certified", "descended", "flat", "jumped", "rounding", "fault"
UNJUDGED, NO_EFFECT, PLAIN = "derivatives not finite", "no effect", "plain"
NEGLIGIBLE = 1e-7   # of the residual: what a parameter changes it by, if it has no effect


class Verdict(NamedTuple):
    """What a row was found to be: an outcome, and for a fault its kind, what chi-square falls by (of the reduced one) and where it ends."""

    outcome: str
    kind: str = ""
    fall: float = 0.0
    lower: tuple[float, ...] = ()


def judge(rows: Rows, v: np.ndarray, count) -> list[Verdict]:
    """Return a verdict for each row.

    Parameters
    ----------
    rows : Rows
    v : ndarray, shape (rows, p)
        Where the fits ended.
    count : Counter
        How many rows went to which judge.
    """
    found = [Verdict(CERTIFIED)]*len(v)
    odd = ~np.isfinite(v).all(axis=1) | (v < rows.low).any(axis=1) | (v > rows.high).any(axis=1)
    for k in np.flatnonzero(odd):
        found[k] = Verdict(FAULT, "outside its bounds" if np.isfinite(v[k]).all() else "not finite")
    fine = np.flatnonzero(~odd)
    if not len(fine):
        return found
    part = rows.take(fine)
    here = look(part, v[fine])
    bad = np.flatnonzero(~certified(part, v[fine], here))
    count["certificate"] += len(v)
    count["descent"] += len(bad)
    if len(bad):
        chosen, first = part.take(bad), Local(*(field[bad] for field in here))
        for k, verdict in zip(fine[bad], doubted(chosen, v[fine[bad]], first, count), strict=True):
            found[k] = verdict
    return found


def doubted(rows: Rows, v: np.ndarray, first: Local, count) -> list[Verdict]:
    """Verdicts on rows without a certificate."""
    down = descend(rows, v, first)
    with np.errstate(all="ignore"):
        fall, enough = down.begun - down.chi, room(first)
    shift = moved(first, v, down.values)
    found, shown = [], 0
    for k in range(len(v)):
        if not np.isfinite(first.chi[k]):
            fits = np.isfinite(chi_square(rows.take([k]), v[k:k + 1])[0])
            found.append(Verdict(UNJUDGED) if fits else Verdict(FAULT, "model not finite"))
            continue
        if down.certified[k] and fall[k] <= enough[k] and not (shift[k] > MOVE and fall[k] > 10*first.blur[k]):
            found.append(Verdict(DESCENDED))
            continue
        row, here = rows.take([k]), Local(*(field[k:k + 1] for field in first))
        clear = fall[k] > 100*max(enough[k], 10*first.blur[k])
        shown += clear
        if clear and shown > ASKED:
            count["descent alone"] += 1
            verdict = Verdict(FAULT, kind_of(row, v[k], here, True), float(fall[k]/first.s2[k]), tuple(down.values[k].tolist()))
        else:
            count["scipy"] += 1
            verdict = single(row, v[k], here, down.values[k], count)
        found.append(excused(row, v[k], here, verdict, count) if verdict.outcome == FAULT else verdict)
    return found


def excused(row: Rows, v: np.ndarray, here: Local, verdict: Verdict, count) -> Verdict:
    """Return a fault's verdict, or another where no way down is found: but never where a parameter lost its effect, or none had one."""
    if cancels(row, v):
        return Verdict(ROUNDING)
    begun, ended = (effects(row, v, place) > NEGLIGIBLE for place in (row.start[0], v))
    ended |= begun & bent(row, v)
    if (begun & ~ended).any() or not begun.any():
        return verdict._replace(kind=f"{verdict.kind}, {'lost' if begun.any() else 'never there'}")
    if on_a_plain(row, v, here):
        return Verdict(PLAIN)
    idle = ~begun & ~ended
    return Verdict(NO_EFFECT) if idle.any() and not falls_without(row, v, idle, count) else verdict


def cancels(row: Rows, v: np.ndarray) -> bool:
    """Whether the residual, in 40 digits, is no more than what rounding makes of it in doubles."""
    weights = row.weights[0]/row.unit[0]
    try:
        exact = np.array([float(r) for r in row.text.exact_residuals(row.x, v, row.y[0], weights)])
    except ZeroDivisionError:
        return False
    rounding = np.linalg.norm(residual(row, v[None])[0] - exact)
    return bool(np.linalg.norm(exact) <= AT_ROUNDING*rounding)


def on_a_plain(row: Rows, v: np.ndarray, here: Local) -> bool:
    """Whether chi-square falls, to second order, by no more than its rounding along H's eigenvectors, over moves of the size of v."""
    size = np.maximum(np.abs(v), np.abs(row.start[0]))[:, None]
    with np.errstate(all="ignore"):
        moves = np.abs(here.back[0] @ here.vectors[0])
        length = np.where(moves > 0, size/moves, np.inf).min(axis=0)
        along, bend = np.abs(here.gradient[0] @ here.vectors[0]), here.values[0]
        length = np.where(bend > 0, np.minimum(length, along/bend), length)
        fall = 2*along*length - bend*length**2
    return bool(np.all(fall <= 10*here.blur[0]))


def effects(row: Rows, v: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Return what each parameter, by its whole size at the start or the end v, changes the residual by, of the residual's length."""
    r, slopes, _, _ = jacobian(row, place[None])
    with np.errstate(all="ignore"):     # scaled first: slopes of 1e-167 have no squares
        return np.linalg.norm(slopes[0]*np.maximum(np.abs(v), np.abs(row.start[0])), axis=0)/np.linalg.norm(r[0])


def bent(row: Rows, v: np.ndarray) -> np.ndarray:
    """Return which parameters chi-square bends up at: they have their effect by the second derivative, as one that enters squared at 0."""
    r, slopes, bend, _ = jacobian(row, v[None], 2)
    with np.errstate(all="ignore"):
        size = np.maximum(np.abs(v), np.abs(row.start[0]))
        curvature = (slopes[0]**2).sum(axis=0) + np.diagonal(bend[0])
        return curvature*size**2 > 2*NEGLIGIBLE*(r[0]**2).sum()


def falls_without(row: Rows, v: np.ndarray, idle: np.ndarray, count) -> bool:
    """Whether chi-square falls though some parameters are kept where they are."""
    kept = row._replace(low=np.where(idle, v, row.low), high=np.where(idle, v, row.high))
    first = look(kept, v[None], idle[None] | look(kept, v[None]).held)
    return single(kept, v, first, descend(kept, v[None], first).values[0], count).outcome == FAULT


def single(row: Rows, v: np.ndarray, first: Local, descended: np.ndarray, count) -> Verdict:
    """Return the verdict on one row that the descent has left at a point, by SciPy and, in doubt, by mpmath."""
    path = by_scipy(row, v, first)
    ends = [descended, path[-1]]
    chi = [chi_square(row, end[None])[0] for end in ends]
    begun, enough, blur = first.chi[0], room(first)[0], 10*first.blur[0]
    known = int(chi[0] <= chi[1])       # the descent's end is in the same valley by construction; SciPy's is where its path has no barrier
    best, clear = (0, True) if known else (1, no_barrier(row, path, begun + blur))
    if not clear and begun - chi[0] > min(enough, blur):
        best, clear = 0, True
    fall = begun - chi[best]
    move = moved(first, v[None], ends[best][None])[0]
    far = move > MOVE and fall > STIFF*min(move, 1.0)**2*first.s2[0]
    if not (fall > enough or (far and fall > blur)):
        return Verdict(ROUNDING if at_rounding(first)[0] else FLAT)
    if not clear:
        return Verdict(JUMPED)
    agree = begun - chi[0] > enough and begun - chi[1] > enough
    if not agree or fall < 1e3*blur:
        count["mpmath"] += 1
        fall = exact_fall(row, v, ends[best], fall)
        if not (fall > enough or (far and fall > blur)):
            return Verdict(ROUNDING)
    return Verdict(FAULT, kind_of(row, v, first, fall > enough), float(fall/first.s2[0]), tuple(ends[best].tolist()))


def exact_fall(row: Rows, v: np.ndarray, lower: np.ndarray, fall: float) -> float:
    """Return what chi-square falls by from v to a lower point, in 40 digits, in the row's units; `fall` where a formula divides by zero."""
    weights = row.weights[0]/row.unit[0]
    try:
        return float(row.text.exact(row.x, v, row.y[0], weights) - row.text.exact(row.x, lower, row.y[0], weights))
    except ZeroDivisionError:
        return fall


def by_scipy(row: Rows, v: np.ndarray, first: Local) -> list[np.ndarray]:
    """Return the path of `least_squares` from v: where it took Jacobians, and its end. Held parameters stay, until the push turns round."""
    path, held = [v], first.held[0]
    for _ in range(3):
        path += descended_by_scipy(row, path[-1], first, ~held)
        if not held.any():
            break
        r, slopes, _, _ = jacobian(row, path[-1][None])
        along = np.einsum("ik,i->k", slopes[0], r[0])
        turned = held & (along*np.where(row.high - path[-1] < path[-1] - row.low, 1.0, -1.0) > 0)
        if not turned.any():
            break
        held = held & ~turned
    return path


def descended_by_scipy(row: Rows, v: np.ndarray, first: Local, free: np.ndarray) -> list[np.ndarray]:
    """Return the path of one call of `least_squares` by the free parameters."""
    if not free.any():
        return [v]
    with np.errstate(all="ignore"):
        unit = np.linalg.norm(first.back[0], axis=1)*np.sqrt(max(first.s2[0], 1e-300))
    unit = np.where(np.isfinite(unit) & (unit > 0), unit, np.where(v == 0, 1.0, np.abs(v)))
    size = np.maximum(np.abs(v), 1e-300)
    unit = np.clip(unit, 1e-9*size, 1e3*size if np.any(v) else np.inf)[free]
    path: list[np.ndarray] = []
    scale = 1/np.sqrt(max(first.s2[0], 1e-300))

    def point(u):
        there = v.copy()
        there[free] = np.clip(v[free] + unit*u, row.low[free], row.high[free])
        return there

    def residual(u):
        r = (row.text.jet(row.x, point(u)[None], 0).value - row.y)*(row.weights/row.unit)*scale
        return np.where(np.isfinite(r), r, 1e150)[0] if r.shape == row.y.shape else np.broadcast_to(r, row.y.shape)[0]

    def slopes(u):
        path.append(point(u))
        found = jacobian(row, path[-1][None])[1][0][:, free]*unit*scale
        return np.where(np.isfinite(found), found, 0.0)

    low, high = (row.low[free] - v[free])/unit, (row.high[free] - v[free])/unit
    narrow = high - low < 1e-12
    low, high = np.where(narrow, -np.inf, low), np.where(narrow, np.inf, high)
    try:
        with np.errstate(all="ignore"):
            found = least_squares(residual, np.zeros(free.sum()), slopes, (np.minimum(low, 0.0), np.maximum(high, 0.0)), ftol=1e-15,
                                  xtol=1e-15, gtol=1e-15, max_nfev=150)
    except (ValueError, np.linalg.LinAlgError):
        return path or [v]
    return [*path, point(found.x)]


def no_barrier(row: Rows, path: list[np.ndarray], most: float) -> bool:
    """Whether chi-square stays below a value all along a path."""
    points = [a + t*(b - a) for a, b in pairwise(path) for t in BETWEEN]
    points += [crossing[0] for a, b in pairwise(path) for _, crossing in crossings(a[None], b[None])]
    if not points:
        return True
    many = row.take(np.zeros(len(points), int))
    return bool(np.all(chi_square(many, np.array(points)) <= most))


def kind_of(row: Rows, v: np.ndarray, first: Local, fell: bool) -> str:
    """Return the kind of a fault: what the point is, if no minimum."""
    if not fell:
        return "flat and off its minimum"
    s2 = first.s2[0]
    steep = float((first.gradient[0]**2).sum()/s2)
    r, _, _, f = jacobian(row, v[None])
    with np.errstate(all="ignore"):
        lost = np.linalg.norm(first.back[0], axis=1)*np.sqrt(s2) > 1e6*np.maximum(np.abs(v), 1e-300)
        width = row.high - row.low
        near = np.minimum(v - row.low, row.high - v) <= 1e-6*np.where(np.isfinite(width), width, np.abs(v))
        gone = np.linalg.norm(f) < 1e-3*np.linalg.norm(r)
    where = "the model gone to zero" if gone else "a parameter without effect" if lost.any() else "at a bound" if near.any() else "free"
    shape = "saddle" if first.values[0, 0] < -1e-9 else "slope"
    return f"{'stationary ' if steep < 1e-6 else ''}{shape}, {where}"
