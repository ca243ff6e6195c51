"""Minima that Gauss-Newton steps do not contract to, and ways down that a Jacobian does not show.

With g = J^T r the second derivatives of chi-square/2 are H = J^T J + S, S = sum_i r_i d2r_i.  Gauss-Newton steps, which leave S out,
multiply the distance from a minimum by the eigenvalues of -(J^T J)^-1 S: where a residual is left and S is large beside J^T J, or J is
singular, they do not contract.  Then S is measured: from the caller's Jacobian by differences of J^T r, else by second differences of the
residual, p (p + 1) evaluations.  A minimum is where H is positive definite and Newton's step negligible (Dennis and Schnabel, Numerical
Methods for Unconstrained Optimization, section 10.2); a direction in which H is negative is a way down from a saddle.

All is done in coordinates in which J^T J is one, as `src/descent/curvature.h` has it, so that nothing depends on units.
"""
from __future__ import annotations

from itertools import combinations, product
from typing import Any

import numpy as np

from gslfit.minimizer._descent import CLOSE, ScaledQR
from gslfit.minimizer.precision import EPS, LEVEL
from gslfit.objective._loss import length
from gslfit.records import Record

TURNS = 20              # Newton steps, ...
MEASURED = 3            # ... with S taken so often at most
HALVINGS = 12           # of a step that does not lower chi-square
RENEW = 1e-2            # relative size of a step after which S is measured again
DIGITS = 1e-8           # relative size of a step that ends it
TOLD = 1e-4             # standard errors that a minimum may be off
CONTRACTS = 0.5         # a step that promises more than this part of what the one before did is none that converges
NEXT = 30.              # times the way still to go, over which S is measured again where steps hardly get shorter
CLOSER = 8.             # times shorter are the steps by which S is looked at again, and measured if it is another one
CLEAR = 0.03            # share of the least curvature by which that may be wrong
NEARLY = 1e-5           # the same for steps that do not get any shorter
LEAST = 1e-3            # curvature, of J^T J's where that determines a direction, that is none
MOSTLY = 0.5            # share of a curvature that is S's from where S must have been measured at the minimum itself
WEAK = 1e-3             # J^T J counts in a direction where it is more than this share of S
WEAKEST = 1e-7          # of the greatest singular value: what stands for those that are less
STEP = 1e-2             # of a parameter's size, the greatest step of a difference
NEXT_TO_ZERO = 1e-6     # of what changes the residual by its own length: a parameter that began at 0 and is smaller has no size
FLAT = 1e-6             # share by which chi-square rises at least where a direction is no flat one
STEEP = 1e-2            # greatest cosine of the residual and a column from where Newton steps are tried
FAR = 0.3               # relative size of a first Newton step that is no hope
WAYS = (1., 1e-2)       # shares of a parameter's scale by which a direction without slope is tried
NO_SIZE = tuple(64. ** k for k in (0, -1, 1, -2, 2, -3, 3, -4, 4, -5, -6))      # the same of 1, where the parameter is 0 and began there
SHORTER_WAYS = tuple(0.25 ** k for k in range(10))      # the same where chi-square is known to bend down
LONGER_WAYS = tuple(4. ** k for k in range(8))           # the same of Gauss-Newton's step where it may bend by less than J^T J says
SADDLE_FALLS = 1e-13    # share by which the residual's length falls at least along a measured curvature that is negative
FALLS = 1e-10           # share by which the residual's length falls at least where it does
PROBE = 0.1             # of the residual's length: how far chi-square's curvature along a parameter is looked at
VISIBLE = 1e-2          # of the residual's length: what a move changes it by, were the others not refitted
BLURRED = 1e6           # of a parameter's size: with such an error it is undetermined but for the rounding of a Jacobian by differences
TOGETHER = (.1, 1e-2, 1e-3)     # roots of the rise of the residual's length, by which two parameters are moved together
INWARDS = tuple(1e-3 * 8. ** k for k in range(4))       # of a parameter's size, that it is moved inside from such a bound, ...
NO_WAY = 1e-3           # ... for as long as the residual's length rises by less than this share
STRIDES, LONGER = 14, 8.    # of a look far along what J leaves open, to each side: each longer than the last by this
STAYS = 1e-8            # share by which the residual's length rises at least where it does not stay
SHARES = .5, -.5, .19, -.19, .05, -.05    # of a parameter, or of its size, that it is moved by
SLOWLY, MOVES = .19, 8   # that of them that is taken so often, where chi-square stays over less than can be seen: a step that sharpens
REFIT = 4               # Gauss-Newton steps of a refit beside the point ...
SHORTER = 1e-7          # ... which end where they gain less than this share: a part of FLAT
SHARE = 0.5             # of the evaluations left, that measuring S may use


def newton(descent: Any) -> str:
    """Take Newton steps from where a descent is.

    Returns
    -------
    str
        "minimum": they went down to rounding, to where H is positive definite; "saddle": the descent was moved down along a direction of
        negative curvature; "": neither, or not enough evaluations left to tell. `descent.creeps` is then True where `TURNS` steps were
        taken, and the last half of them still led lower.
    """
    seen, before, last, measured, halfway, within, share = None, np.inf, np.inf, 0, np.inf, np.inf, 1.
    descent.creeps = False
    for turn in range(TURNS):
        descent.go_to(descent.x, descent.r)
        if not descent.finite:
            return ""
        norm, d = descent.norm(), descent.decompose().norms
        halfway = norm if turn == TURNS // 2 else halfway
        free = np.flatnonzero(d > 0)
        visible = _visible(descent, d)
        if norm == 0 or not free.size or np.max(descent.qr.cosines(descent.r)[visible], initial=0.) > STEEP:
            return ""
        if seen is None or not np.array_equal(seen.free, free):
            measured += 1
            seen, before = _measured(descent, free, d, within, share) if measured <= MEASURED else None, np.inf
            if seen is None:
                return ""
        B = descent.J[:, free] @ seen.ways
        g = B.T @ descent.r
        H = B.T @ B + seen.S
        scale = 1 / np.sqrt(np.maximum(1., np.abs(H.diagonal())))
        w, V = np.linalg.eigh(H * np.outer(scale, scale))
        V *= scale[:, None]
        unsure = max(LEAST, np.abs(V[:, 0]) @ seen.doubt @ np.abs(V[:, 0]))
        if w[0] < -unsure:
            way = _widened(descent, free, seen.ways @ V[:, 0])
            return "saddle" if _go_down(descent, [way], SHORTER_WAYS, SADDLE_FALLS) else ""
        if not w[0] > unsure:
            return ""
        z = -V @ (V.T @ g / w)
        step, promised = seen.ways @ z, max(-(z @ g), 0.)
        size = _relative(step, descent.x[free], norm / d[free])
        unseen = promised <= 2 * norm * descent.rounding()          # no more than chi-square's rounding
        told = promised <= _untold(descent)
        ended = (size <= DIGITS and told) or (size <= NEARLY and size > 0.3 * before and unseen)
        if ended and not told and descent.refine():
            before = np.inf
            continue
        slow = not told and size > 0.3 * before and measured < MEASURED and _turns_near(descent, free, d)
        if slow and _doubt(descent, norm, NEXT * promised**0.5) < CLEAR * w[0]:
            seen, within = None, NEXT * promised**0.5       # S is another one so near: where a column changes within a standard error
            continue
        if not ended and ((size > FAR and (before < np.inf or size > 10)) or (promised > CONTRACTS * last and not unseen)):
            return ""
        before, last = size, promised
        if not ended and not _step(descent, free, step):
            if size > NEARLY or not unseen:
                return ""
            ended = True
        if ended and any(seen.changed(descent, d, v, most) for v, most in zip(V.T, MOSTLY * w, strict=True)):
            seen, share = None, share / CLOSER      # what S was elsewhere is no evidence where chi-square's curvature is mostly S's
            continue
        if ended:
            seen.note_rank(descent, B)
            descent.cosine_told, descent.unasked = promised ** 0.5 / norm, tuple(np.flatnonzero(d == 0).tolist())
            return "minimum"
        if size > RENEW:
            seen = None
    norm = descent.norm()           # steps that still lead lower, by what tells, have not come to a minimum
    fall = halfway - norm
    descent.creeps = bool(fall > descent.rounding() and 2 * fall * norm > _untold(descent))
    return ""


def look_around(descent: Any, full: bool, even: tuple[int, ...]) -> str:
    """Try the directions in which the residual has no slope: along the Jacobian's null space, and parameters without effect.

    Parameters
    ----------
    descent : Descent
    full : bool
        The Jacobian was of full rank at the start.
    even : tuple of int
        Parameters that chi-square bends up at though their columns are next to none.

    Returns
    -------
    str
        "down": the descent was moved to a lower point; "flat": there is none, and chi-square stays as it is along a direction that the
        Jacobian did tell at the start: the fit ran off to a plain, or to infinity; "unseen": there are not enough evaluations left to tell;
        "": neither.
    """
    d = descent.decompose().norms
    idle = [j for j in np.flatnonzero(d == 0).tolist() if j not in descent.held]
    ways = [_widened(descent, [j], np.ones(1)) for j in idle]
    unsized = [j for j in idle if descent.x[j] == descent.problem.x0[j] == 0]
    free = np.flatnonzero(d > 0)
    null = []
    if free.size > descent.qr.rank:
        _, _, rows = np.linalg.svd(descent.J[:, free] / d[free], full_matrices=descent.n < free.size)    # all directions, not all points
        null = [_widened(descent, free, row / d[free]) for row in rows[descent.qr.rank:]]
    if _go_down(descent, ways + null) or (unsized and _wake(descent, unsized)):
        return "down"
    if (even or not full) and _reach(descent, null, even):
        return "down"
    if full and any(_stays(descent, way) for way in null):
        return "flat"
    return _beside(descent, [j for j in descent.vague() if d[j] > 0], full)


def _wake(descent: Any, which: list[int]) -> bool:
    """Move parameters of no known size that have no column, as `gslfit_null_space_wake` does for programs: alone, and with the others
    refitted, to which they may give columns. Return whether chi-square falls.
    """
    x, r, norm, problem = descent.x, descent.r, descent.norm(), descent.problem
    lowest, found = norm * (1 - FALLS) - descent.rounding(), None

    def moved(j: int, to: float) -> np.ndarray:
        trial = x.copy()
        trial[j] = np.clip(to, problem.lower[j], problem.upper[j])
        return trial

    for j, share, side in product(which, NO_SIZE, (1., -1.)):
        trial = moved(j, side * share)
        if trial[j] != 0 and _may_look(descent) and length(there := problem.fun(trial)) < lowest:
            lowest, found = length(there), (trial, there)
    for j, share in product(which if found is None else (), NO_SIZE):
        trial = moved(j, share)
        if trial[j] == 0 or not _may_look(descent):
            continue
        there = problem.fun(trial)
        if length(there) < 2 * norm:
            trial, there = _refitted(descent, trial, j)
        if length(there) < lowest:
            found = trial, there
            break
    descent.go_to(*(found or (x, r)))
    descent.decompose()
    return found is not None


def _stays(descent: Any, way: np.ndarray) -> bool:
    """Return whether chi-square stays as it is along a way of the null space, over half the size of what moves there visibly: a centre and
    a width of 1e11 whose quotient tells. Not where what is held at a bound makes it so: an amplitude and a constant are one where a rate
    is 0.
    """
    x, norm, problem = descent.x, descent.norm(), descent.problem
    open_ = descent.qr.undetermined()
    with np.errstate(divide="ignore", invalid="ignore"):
        half = 0.5 / np.max(np.abs(way[open_] / x[open_]), initial=0.)
    if not 0 < half < np.inf or not np.any((descent.qr.norms * np.abs(half * way))[open_] > VISIBLE * norm):
        return False
    there = x + half * way
    if np.any((there < problem.lower) | (there > problem.upper)) or not _may_look(descent):
        return False
    if not length(problem.fun(there)) <= norm * (1 + FLAT) + descent.rounding():
        return False
    held = np.isin(np.arange(descent.p), descent.held)
    inside, along = (np.where(held, problem.x0, point) for point in (x, there))
    return not held.any() or bool(length(problem.fun(along) - problem.fun(inside)) <= VISIBLE * norm)


def _may_look(descent: Any) -> bool:
    """Return whether there are evaluations left for another look, and to go on from what it finds."""
    return bool(descent.problem.fun.limit - descent.problem.fun.nfev >= 10 * (descent.p + 1))


def go_down_together(descent: Any, bent: tuple[int, ...]) -> bool:
    """Go down where chi-square bends up at each of some parameters alone, and down along two of them together; return whether it does."""
    x, norm, moves = descent.x, descent.norm(), {}
    for j in bent:
        reach, ends = descent.bend_seen(j), np.repeat(x[None], 2, axis=0)
        ends[:, j] += reach, -reach
        rise = sum(length(descent.problem.fun(end)) / norm - 1 for end in np.clip(ends, descent.problem.lower, descent.problem.upper))
        if 0 < rise < np.inf:
            moves[j] = reach / np.sqrt(rise)
    ways = []
    for i, j in combinations(moves, 2):
        for side in (1., -1.):
            way = np.zeros(descent.p)
            way[[i, j]] = moves[i], side * moves[j]
            ways.append(way)
    return _go_down(descent, ways, TOGETHER, FALLS)


def leave_bound(descent: Any) -> bool:
    """Step inside from bounds that nothing can be told to push parameters against, the others refitted, as `leave_bound` of
    `src/batch/gsl_refit.c` does; return whether chi-square falls there.
    """
    x, r, norm, problem = descent.x, descent.r, descent.norm(), descent.problem
    least = norm * (1 - FALLS) - descent.rounding()
    faint = [j for j in descent.held if abs(descent.slopes()[j]) <= CLOSE * norm]
    for j in faint:
        inside = 1. if x[j] - problem.lower[j] <= problem.upper[j] - x[j] else -1.
        for share in INWARDS:
            trial = x.copy()
            trial[j] = np.clip(x[j] + inside * share * max(abs(x[j]), abs(problem.x0[j])), problem.lower[j], problem.upper[j])
            if trial[j] == x[j] or not _may_look(descent):
                break
            trial, there = _refitted(descent, trial, j)
            if length(there) < least:
                descent.go_to(trial, there)
                descent.decompose()
                return True
            if not length(there) <= norm * (1 + NO_WAY):
                break
    if faint:
        descent.go_to(x, r)
        descent.decompose()
    return False


def leave_level(descent: Any) -> str:
    """Try the parameters along which chi-square is level, where by J it rises: a peak that its bounds keep among data of zeros.

    Returns
    -------
    str
        "down": the descent was moved to a lower point; "": there is none.
    """
    x, norm, d, problem = descent.x, descent.norm(), descent.decompose().norms, descent.problem
    for j in np.flatnonzero((d > 0) & ~np.isin(np.arange(descent.p), descent.held)):
        if not _may_look(descent):
            return ""
        ends = []
        for side in (PROBE, -PROBE):
            there = x.copy()
            there[j] = np.clip(x[j] + side*norm/d[j], problem.lower[j], problem.upper[j])
            ends.append(length(problem.fun(there))/norm)
        bend = (np.square(ends).sum() - 2)/(2*PROBE**2)         # 1 where chi-square rises as J says
        if bend < LEVEL and _beside(descent, [int(j)], False) == "down":
            return "down"
    return ""


def _reach(descent: Any, ways: list[np.ndarray], bent: tuple[int, ...]) -> bool:
    """Go far along straight lines in the null space, as `gslfit_null_space_reach` does for programs; return whether chi-square falls.

    Parts of a model that are too small to be seen grow along them, for as long as chi-square stays as it is. What enters squared, and is 0
    here because chi-square bends up at it, may bend it down further on: where an amplitude that is open has the other sign.
    """
    problem, norm, d, precision = descent.problem, descent.norm(), descent.qr.norms, descent.differences.precision
    rounding = 4 * precision * descent.size()
    for way, side in product(ways, (1., -1.)):
        lowest, found, far = norm * (1 - FALLS) - rounding, None, side
        for _ in range(STRIDES if way.any() else 0):
            x = descent.x + far * way
            cancels = descent.rounding_of(float(np.max(d * np.abs(far * way))))      # what the columns' parts of it leave to rounding
            outside = np.any((x < problem.lower) | (x > problem.upper))
            if outside or not _may_look(descent):
                break
            r = problem.fun(x)
            if not found and length(r) < np.inf and (beside := _bends_down_at(descent, bent, x, r, lowest - cancels)):
                x, r = beside
            if length(r) < lowest - cancels:
                lowest, found = length(r), (x, r)
            elif found or not length(r) <= norm * (1 + STAYS) + rounding + cancels or cancels > norm:
                break
            far *= LONGER
        if found:
            descent.x, descent.r = found
            return True
    return False


def _bends_down_at(descent: Any, bent: tuple[int, ...], x: np.ndarray, r: np.ndarray,
                   lowest: float) -> tuple[np.ndarray, np.ndarray] | None:
    """Return a point beside another one that is lower than a length of the residual, along a bent parameter; None if there is none."""
    here = descent.x, descent.r
    descent.x, descent.r = x, r
    found = lowest_along(descent, [_widened(descent, [j], np.ones(1)) for j in bent], WAYS, FALLS)
    descent.x, descent.r = here
    return found if found and length(found[1]) < lowest else None


def _beside(descent: Any, open_: list[int], full: bool) -> str:
    """Move each open parameter by parts of itself and refit the others: chi-square may fall, "down", or stay, "flat".

    `src/descent/null_space.h` does the same for programs.
    """
    x, r, norm, problem = descent.x, descent.r, descent.norm(), descent.problem
    d, undetermined = descent.qr.norms.copy(), set(descent.qr.undetermined())
    errors = norm / np.sqrt(max(1, descent.n - descent.p)) * np.linalg.norm(descent.qr.factors(), axis=1) / np.where(d > 0, d, 1.0)
    undetermined |= {j for j in open_ if errors[j] > BLURRED * max(abs(x[j]), abs(problem.x0[j]))}
    rounding = 4 * descent.differences.precision * descent.size()
    least, plain = norm * (1 - FALLS) - rounding, norm * (1 + FLAT) + descent.rounding()
    found, lower, fine, descent.differences.fine = "", None, descent.differences.fine, False
    for j in open_:
        size = max(abs(x[j]), abs(problem.x0[j]))
        spans = {abs(x[j]), size, norm / d[j]}
        for span, share in product(sorted(span for span in spans if 0 < span < np.inf), SHARES):
            trial = x
            for _ in range(MOVES if abs(share) == SLOWLY and span <= size and j in undetermined else 1):
                if not _may_look(descent):
                    found = found or "unseen"
                    break
                before, trial = trial[j], trial.copy()
                trial[j] = np.clip(before + share * span, problem.lower[j], problem.upper[j])
                if trial[j] == before:
                    break
                trial, r_there = _refitted(descent, trial, j)
                if length(r_there) < least:
                    lower = trial, r_there
                if not least <= length(r_there) <= plain:
                    break
                if j in undetermined and d[j] * abs(trial[j] - x[j]) > VISIBLE * norm:
                    found = "flat" if full else found
                    break
            if lower is not None:
                break
    descent.differences.fine = fine
    descent.go_to(*(lower or (x, r)))
    descent.decompose()
    return "down" if lower is not None else found


def _refitted(descent: Any, x: np.ndarray, held: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the point and residual to which a few Gauss-Newton steps lead with one parameter held, shorter where chi-square would rise."""
    problem, r = descent.problem, descent.problem.fun(x)
    for _ in range(REFIT):
        norm = length(r)
        if not norm < np.inf:
            break
        descent.go_to(x, r)
        if not descent.finite:
            break
        step = ScaledQR(descent.J, descent.rank_tolerance, np.arange(descent.p) == held).step(r)
        for share in (1., 0.25, 0.0625):
            trial = np.clip(x + share * np.asarray(step), problem.lower, problem.upper)
            there = problem.fun(trial)
            if length(there) < norm:
                break
        else:
            break
        x, r = trial, there
        if length(r) > norm * (1 - SHORTER):
            break
    return x, r


class Curvature(Record):
    """Second derivatives at a point, in coordinates that measure moves by what they do to the residual.

    Attributes
    ----------
    free : ndarray of int, shape (k,)
        The parameters that move.
    ways : ndarray, shape (k, k)
        Their moves by each coordinate, as columns. J changes the residual by one along each, at right angles; those that it hardly
        determines, which would be endless, are shorter.
    S : ndarray, shape (k, k)
        ``sum_i r_i d2r_i`` in the coordinates.
    doubt : ndarray, shape (k, k)
        What of S may be rounding.
    share : float
        That of their usual length which the differences' steps have.
    """

    free: np.ndarray
    ways: np.ndarray
    S: np.ndarray
    doubt: np.ndarray
    share: float

    def changed(self, descent: Any, d: np.ndarray, v: np.ndarray, most: float) -> bool:
        """Return whether S along a direction is more than so much, and less by so much where the descent is, over a shorter step."""
        was, ways = v @ self.S @ v, (self.ways @ v)[:, None]
        if not was > most:
            return False
        step = _steps(descent, self.free, ways, d, share=self.share / (CLOSER if _turns_near(descent, self.free, d) else 1.))
        problem, x = descent.problem, descent.x
        if step is None or (problem.jac is None and problem.fun.limit - problem.fun.nfev < 10):
            return True
        ends = np.repeat(x[None], 2, axis=0)
        ends[:, self.free] += step[0] * np.array([1., -1.])[:, None] * ways[:, 0]
        ends = np.clip(ends, problem.lower, problem.upper)
        if problem.jac is not None:
            slopes = [np.asarray(problem.jac(end))[:, self.free].T @ descent.r @ ways[:, 0] for end in ends]
            now = (slopes[0] - slopes[1]) / (2 * step[0])
        else:
            now = descent.r @ (problem.fun(ends[0]) - descent.r + (problem.fun(ends[1]) - descent.r)) / step[0] ** 2
        return not now >= was - most

    def note_rank(self, descent: Any, B: np.ndarray) -> None:
        """Count a direction as one that J does not determine where the curvature is all S's."""
        scaled = self.ways * descent.qr.norms[self.free, None]
        back = np.linalg.inv(scaled)
        S = back.T @ self.S @ back
        w, V = np.linalg.eigh(back.T @ (B.T @ B) @ back)
        own = np.abs(np.einsum("ij,ik,kj->j", V, S, V))
        weak = w < np.minimum(WEAK * own, 1e-8)
        if weak.any():
            descent.rank_tolerance = max(descent.rank_tolerance, 10 * float(np.sqrt(max(w[weak].max(), EPS ** 2))))


def _untold(descent: Any) -> float:
    """Return what chi-square may fall by further on from a minimum."""
    return float((TOLD * descent.norm()) ** 2 / max(descent.n - descent.p, 1))


def _visible(descent: Any, d: np.ndarray) -> np.ndarray:
    """Return which parameters change the residual visibly by their own size, ndarray of bool, shape (p,)."""
    return np.asarray(d * np.maximum(np.abs(descent.x), np.abs(descent.problem.x0)) > VISIBLE * descent.norm())


def _ways(A: np.ndarray, visible: np.ndarray) -> np.ndarray:
    """Return the ways of `Curvature` in parameters that are scaled to columns of length 1: the others than the visible each by itself."""
    strong, count = np.flatnonzero(visible), np.count_nonzero(visible)
    ways = np.zeros((visible.size, visible.size))
    ways[np.flatnonzero(~visible), count + np.arange(visible.size - count)] = 1.
    if count:
        _, sigma, rows = np.linalg.svd(np.linalg.qr(A[:, strong], mode="r"))
        sigma = np.append(sigma, np.zeros(count - sigma.size))
        ways[strong, :count] = rows.T / np.maximum(sigma, WEAKEST * sigma[0])
    return ways


def _doubt(descent: Any, norm: float, step: Any) -> Any:
    """Return what of second differences of the residual over steps, or two of them, may be rounding."""
    return 8 * descent.differences.precision * (norm if descent.exact else max(descent.size(), norm) * norm / step) / step


def _turns_near(descent: Any, free: np.ndarray, d: np.ndarray) -> bool:
    """Return whether columns may change within what a difference steps over, as far as centred differences have seen, if there are any.
    Elsewhere curvature that changes over shorter steps is a residual's noise.
    """
    lengths = np.asarray(descent.differences.lengths)[free]
    return bool(descent.exact or np.any(d[free] * lengths < _widest(descent, descent.norm())))


def _widest(descent: Any, norm: float) -> float:
    """Return by what the steps of second differences change the residual where nothing asks for shorter ones."""
    return float(descent.differences.precision ** 0.25 * max(descent.size(), norm))


def _steps(descent: Any, free: np.ndarray, ways: np.ndarray, d: np.ndarray, within: float = np.inf,
           share: float = 1.) -> np.ndarray | None:
    """Return how far differences go along each way: a share of the usual, no further than `within`; None where bounds leave no room."""
    x, norm, problem = descent.x[free], descent.norm(), descent.problem
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        size, reach = np.maximum(np.abs(x), np.abs(problem.x0[free])), norm / d[free]
        size = np.where((problem.x0[free] == 0) & (size < NEXT_TO_ZERO * reach), reach, size)
        room = np.minimum(problem.upper - descent.x, descent.x - problem.lower)[free, None] / np.abs(ways)
        most = (STEP * size[:, None] / np.abs(ways)).min(axis=0)
    step = np.minimum(share * np.minimum(_widest(descent, norm), most), within)
    room = np.where(np.isnan(room), np.inf, room).min(axis=0)
    return None if (room < 1e-2 * step).any() or not (step > 0).all() else np.minimum(step, room)


def _measured(descent: Any, free: np.ndarray, d: np.ndarray, within: float, share: float) -> Curvature | None:
    """Return the second derivatives at the point, over steps as `_steps` has them; None without room, or evaluations."""
    x, r, problem = descent.x, descent.r, descent.problem
    scaled = _ways(descent.J[:, free] / d[free], _visible(descent, d)[free])
    with np.errstate(over="ignore"):        # along a column of next to nothing there is no step
        ways = scaled / d[free, None]
    k, norm = free.size, length(r)
    step = _steps(descent, free, ways, d, within, share)
    if step is None or (problem.jac is None and k * (k + 1) > SHARE * (problem.fun.limit - problem.fun.nfev)):
        return None

    def moved(*by: tuple[int, float]) -> np.ndarray:
        trial = x.copy()
        for a, side in by:
            trial[free] += side * step[a] * ways[:, a]
        return np.clip(trial, problem.lower, problem.upper)

    S = np.empty((k, k))
    if problem.jac is not None:
        for a in range(k):
            ahead, behind = (np.asarray(problem.jac(moved((a, side))))[:, free] for side in (1., -1.))
            with np.errstate(invalid="ignore"):     # the model may have no derivative there
                S[:, a] = ways.T @ (ahead.T @ r - behind.T @ r) / (2 * step[a])
        S = (S + S.T) / 2
        doubt = _doubt(descent, norm, step) * np.abs(scaled).sum(axis=0)[:, None]
        doubt = np.maximum(doubt, doubt.T)
        return Curvature(free, ways, S, doubt, share) if np.isfinite(S).all() else None

    def along(*by: tuple[int, float]) -> float:
        with np.errstate(invalid="ignore"):         # nor a value
            return float(r / norm @ (problem.fun(moved(*by)) - r)) * norm

    single = [along((a, 1.)) + along((a, -1.)) for a in range(k)]
    for a in range(k):
        S[a, a] = single[a]
        for b in range(a):
            S[a, b] = S[b, a] = (along((a, 1.), (b, 1.)) + along((a, -1.), (b, -1.)) - single[a] - single[b]) / 2
    S /= np.outer(step, step)
    doubt = _doubt(descent, norm, np.sqrt(np.outer(step, step)))
    return Curvature(free, ways, S, doubt, share) if np.isfinite(S).all() else None


def _relative(step: np.ndarray, x: np.ndarray, reach: np.ndarray) -> float:
    """Return a step's relative size as the polish measures it: against the value, or a share of what changes the residual by its length."""
    return float(np.max(np.maximum(np.abs(step) / np.maximum(np.abs(x), 1e-2 * reach), 1e-4 * np.abs(step) / reach)))


def _step(descent: Any, free: np.ndarray, s: np.ndarray) -> bool:
    """Take a step, halved until it lowers chi-square; return whether it did, within rounding."""
    norm, share = descent.norm(), 1.
    for _ in range(HALVINGS):
        trial = descent.x.copy()
        trial[free] += share * s
        trial = np.clip(trial, descent.problem.lower, descent.problem.upper)
        r = descent.problem.fun(trial)
        if length(r) <= norm + (descent.rounding() if share == 1 else 0.):
            descent.x, descent.r = trial, r
            return True
        share /= 2
    return False


def _widened(descent: Any, free: Any, way: np.ndarray) -> np.ndarray:
    """Return a direction as a step that changes no parameter by more than its scale."""
    norm, d = descent.norm(), descent.qr.norms
    with np.errstate(divide="ignore", invalid="ignore"):
        reach = np.where(d > 0, norm / d, np.maximum(np.abs(descent.problem.x0), 1.))
        scale = np.maximum(np.abs(descent.x), np.where(np.isfinite(reach), np.minimum(reach, np.maximum(np.abs(descent.x), 1.)), 1.))[free]
        share = np.max(np.abs(way) / scale)
    out = np.zeros(descent.p)
    out[free] = way / share if np.isfinite(share) and share > 0 else 0.
    return out


def _go_down(descent: Any, ways: list[np.ndarray], shares: tuple[float, ...] = WAYS, least: float = 1e-9) -> bool:
    """Go to where `lowest_along` leads; return whether there is such a point."""
    found = lowest_along(descent, ways, shares, least)
    if found is None:
        return False
    descent.x, descent.r = found
    return True


def lowest_along(descent: Any, ways: list[np.ndarray], shares: tuple[float, ...] = WAYS,
                 least: float = 1e-9) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the lowest point along directions, to either side, with its residual, if it is lower than here by a share and by rounding."""
    problem, norm = descent.problem, descent.norm()
    lowest, found = norm - max(descent.rounding(), least * norm), None
    for way in ways:
        if not way.any():
            continue
        for share in shares:
            for side in (1., -1.):
                trial = np.clip(descent.x + side * share * way, problem.lower, problem.upper)
                r = problem.fun(trial)
                if length(r) < lowest:
                    lowest, found = length(r), (trial, r)
    return found
