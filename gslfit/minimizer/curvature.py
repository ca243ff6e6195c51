"""Minima that Gauss-Newton steps do not contract to, and ways down that a Jacobian does not show.

With g = J^T r the second derivatives of chi-square/2 are H = J^T J + S, S = sum_i r_i d2r_i.  Gauss-Newton steps, which leave S out,
multiply the distance from a minimum by the eigenvalues of -(J^T J)^-1 S: where a residual is left and S is large beside J^T J, or J is
singular, they do not contract.  Then S is measured: from the caller's Jacobian by differences of J^T r, else by second differences of the
residual, p (p + 1) evaluations.  A minimum is where H is positive definite and Newton's step negligible (Dennis and Schnabel, Numerical
Methods for Unconstrained Optimization, section 10.2); a direction in which H is negative is a way down from a saddle.

All is done in scaled variables, each parameter times the length of its column, so that nothing depends on units.
"""
from typing import Any

import numpy as np

from gslfit.minimizer._descent import ScaledQR, length
from gslfit.minimizer.precision import EPS

TURNS = 20              # Newton steps
HALVINGS = 12           # of a step that does not lower chi-square
RENEW = 1e-2            # relative size of a step after which S is measured again
DIGITS = 1e-8           # relative size of a step that ends it
NEARLY = 1e-5           # the same for steps that do not get any shorter
SINGULAR = 1e-9         # an eigenvalue below this share of the largest is no curvature
LEAST = 1e-3            # J^T J counts in a direction where it is more than this share of S
FLAT = 1e-6             # share by which chi-square rises at least where a direction is no flat one
STEEP = 1e-2            # greatest cosine of the residual and a column from where Newton steps are tried
FAR = 0.3               # relative size of a first Newton step that is no hope
WAYS = (1., 1e-2)       # shares of a parameter's scale by which a direction without slope is tried
FALLS = 1e-9            # share by which the residual's length falls at least where it does
VISIBLE = 1e-2          # of the residual's length: what a move changes it by, were the others not refitted
REFIT = 4               # Gauss-Newton steps of a refit beside the point ...
SHORTER = 1e-5          # ... which end where they gain less than this share
SHARE = 0.5             # of the evaluations left, that measuring S may use


def newton(descent: Any) -> str:
    """Take Newton steps from where a descent is.

    Returns
    -------
    str
        "minimum": they went down to rounding, to where H is positive definite; "saddle": the descent was moved down along a direction of
        negative curvature; "": neither, or not enough evaluations left to tell.
    """
    S, before = None, np.inf
    for _ in range(TURNS):
        descent.go_to(descent.x, descent.r)
        if not descent.finite:
            return ""
        norm, d = descent.norm(), descent.decompose().norms
        free = np.flatnonzero(d > 0)
        if norm == 0 or not free.size or np.max(descent.qr.cosines(descent.r)) > STEEP:
            return ""
        if S is None or S.shape[0] != free.size:
            S, before = _measured(descent, free, d), np.inf
            if S is None:
                return ""
        A = descent.J[:, free] / d[free]
        g, N = A.T @ descent.r, A.T @ A
        w, V = np.linalg.eigh(N + S)
        doubt = free.size * 8 * descent.differences.precision ** 0.5 * norm / max(descent.size(), norm)
        if w[0] < -max(doubt, SINGULAR * w[-1]):
            return "saddle" if _go_down(descent, [_widened(descent, free, V[:, 0] / d[free])]) else ""
        if not w[0] > SINGULAR * w[-1]:
            return ""
        z = -V @ (V.T @ g / w)
        size = _relative(z / d[free], descent.x[free], norm / d[free])
        unseen = -(z @ g) <= 2 * norm * descent.rounding()          # what it promises is no more than chi-square's rounding
        if size <= DIGITS or (size <= NEARLY and size > 0.3 * before and unseen):
            _note_rank(descent, N, S)
            return "minimum"
        if size > FAR and (before < np.inf or size > 10):
            return ""
        before = size
        if not _step(descent, free, z / d[free]):
            if size > NEARLY or not unseen:
                return ""
            _note_rank(descent, N, S)
            return "minimum"
        if size > RENEW:
            S = None
    return ""


def look_around(descent: Any, full: bool) -> str:
    """Try the directions in which the residual has no slope: along the Jacobian's null space, and parameters without effect.

    Parameters
    ----------
    descent : Descent
    full : bool
        The Jacobian was of full rank at the start.

    Returns
    -------
    str
        "down": the descent was moved to a lower point; "flat": there is none, and chi-square stays as it is along a direction that the
        Jacobian did tell at the start: the fit ran off to a plain, or to infinity; "": neither.
    """
    d = descent.decompose().norms
    ways = [way for j in np.flatnonzero(d == 0) if j not in descent.held for way in [_widened(descent, [j], np.ones(1))]]
    free = np.flatnonzero(d > 0)
    null = []
    if free.size > descent.qr.rank:
        _, _, rows = np.linalg.svd(descent.J[:, free] / d[free], full_matrices=descent.n < free.size)    # all directions, not all points
        null = [_widened(descent, free, row / d[free]) for row in rows[descent.qr.rank:]]
    if _go_down(descent, ways + null):
        return "down"
    return _beside(descent, [j for j in descent.vague() if d[j] > 0], full)


def _beside(descent: Any, open_: list[int], full: bool) -> str:
    """Move each open parameter by parts of itself and refit the others: chi-square may fall, "down", or stay, "flat".

    `src/descent/null_space.h` does the same for programs.
    """
    x, r, norm, problem = descent.x, descent.r, descent.norm(), descent.problem
    d, undetermined = descent.qr.norms.copy(), set(descent.qr.undetermined())
    least, plain = norm * (1 - FALLS) - descent.rounding(), norm * (1 + FLAT) + descent.rounding()
    found, lower = "", None
    for j in open_:
        spans = {abs(x[j]), max(abs(x[j]), abs(problem.x0[j])), norm / d[j]}
        for span in sorted(span for span in spans if 0 < span < np.inf):
            for share in (0.5, -0.5, 0.05, -0.05):
                if problem.fun.limit - problem.fun.nfev < 10 * (descent.p + 1) or lower is not None:
                    break
                trial = x.copy()
                trial[j] = np.clip(x[j] + share * span, problem.lower[j], problem.upper[j])
                if trial[j] == x[j]:
                    continue
                moved = d[j] * abs(trial[j] - x[j])
                there = _refitted(descent, trial, j)
                if length(there[1]) < least:
                    lower = there
                elif length(there[1]) <= plain and j in undetermined and moved > VISIBLE * norm and full:
                    found = "flat"
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


def _measured(descent: Any, free: np.ndarray, d: np.ndarray) -> np.ndarray | None:
    """Return the scaled S at the point; None where there is no room for differences, or not the evaluations."""
    x, r, problem = descent.x, descent.r, descent.problem
    norm, size = length(r), max(descent.size(), length(r))
    step = np.minimum(descent.differences.precision ** 0.25 * size, 1e-2 * np.maximum(np.abs(x[free]) * d[free], norm)) / d[free]
    room = np.minimum(problem.upper - x, x - problem.lower)[free]
    if (room < 1e-2 * step).any():
        return None
    step = np.minimum(step, room)
    k = free.size
    S = np.empty((k, k))
    if problem.jac is not None:
        for a, j in enumerate(free):
            ends = []
            for side in (1., -1.):
                trial = x.copy()
                trial[j] += side * step[a]
                ends.append(np.asarray(problem.jac(trial)).T @ r)
            S[:, a] = (ends[0] - ends[1])[free] / (2 * step[a]) / d[free] / d[j]
        S = (S + S.T) / 2
        return S if np.isfinite(S).all() else None
    if k * (k + 1) > SHARE * (problem.fun.limit - problem.fun.nfev):
        return None

    def along(*moved: tuple[int, float]) -> float:
        trial = x.copy()
        for a, side in moved:
            trial[free[a]] += side * step[a]
        return float(r / norm @ (problem.fun(trial) - r)) * norm

    single = [along((a, 1.)) + along((a, -1.)) for a in range(k)]
    for a in range(k):
        S[a, a] = single[a]
        for b in range(a):
            S[a, b] = S[b, a] = (along((a, 1.), (b, 1.)) + along((a, -1.), (b, -1.)) - single[a] - single[b]) / 2
    S /= np.outer(step * d[free], step * d[free])
    return S if np.isfinite(S).all() else None


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


def _note_rank(descent: Any, N: np.ndarray, S: np.ndarray) -> None:
    """Count a direction as one that J does not determine where the curvature is all S's."""
    w, V = np.linalg.eigh(N)
    own = np.abs(np.einsum("ij,ik,kj->j", V, S, V))
    weak = w < np.minimum(LEAST * own, 1e-8)
    if weak.any():
        descent.rank_tolerance = max(descent.rank_tolerance, 10 * float(np.sqrt(max(w[weak].max(), EPS ** 2))))


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


def _go_down(descent: Any, ways: list[np.ndarray]) -> bool:
    """Go to the lowest point along directions, to either side, if one is lower than here by more than rounding."""
    problem, norm = descent.problem, descent.norm()
    lowest, found = norm - max(descent.rounding(), 1e-9 * norm), None
    for way in ways:
        if not way.any():
            continue
        for share in WAYS:
            for side in (1., -1.):
                trial = np.clip(descent.x + side * share * way, problem.lower, problem.upper)
                r = problem.fun(trial)
                if length(r) < lowest:
                    lowest, found = length(r), (trial, r)
    if found is None:
        return False
    descent.x, descent.r = found
    return True
