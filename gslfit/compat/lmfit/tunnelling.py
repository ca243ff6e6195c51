"""Adaptive memory programming for global optimisation, with tunnelling.

L. Lasdon, A. Duarte, F. Glover, M. Laguna, R. Marti, Computers & Operations Research 37 (2010) 1500. After a local descent to x* with
f* = f(x*), a tunnel begins at a random point beside x* and descends in

    T(x) = (f(x) - a)^2 / prod_s |x - s|^2,        a = f* - eps1 (1 + |f*|),

over points s that were visited: it is low where f is near the level aspired to, and high near what is known. What it finds is the
start of the next local descent.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gslfit.compat.lmfit.scalar import optimize
from gslfit.errors import InputError
from gslfit.records import Record

LOCAL = ("Nelder-Mead", "Powell", "L-BFGS-B", "TNC", "SLSQP")
STRATEGIES = ("oldest", "farthest")


class Found(Record):
    """What a search found: variables, function there, evaluations, why it ended, tunnels (all, those that led lower)."""

    x: np.ndarray
    fun: float
    evaluations: int
    message: str
    tunnels: tuple[int, int]


def search(fun: Callable[[np.ndarray], float], x0: Sequence[float], local: str = "L-BFGS-B", local_opts: dict[str, Any] | None = None,
           maxfunevals: int | None = None, totaliter: int = 20, maxiter: int = 5, glbtol: float = 1e-5, eps1: float = .02,
           eps2: float = .1, tabulistsize: int = 5, tabustrategy: str = "farthest", seed: int = 0) -> Found:
    """Look for the global minimum of a function.

    Parameters
    ----------
    fun : callable
    x0 : sequence of float
        Start.
    local : str
        Method of `scipy.optimize.minimize` for the descents.
    local_opts : dict, optional
        Its options.
    maxfunevals : int, optional
        Evaluations after which no descent begins any more.
    totaliter : int
        Descents at most.
    maxiter : int
        Tunnels tried from each minimum.
    glbtol : float
        Tunnels that gain less than this are without success.
    eps1, eps2 : float
        How far below the minimum a tunnel aims, and how far from it it begins.
    tabulistsize : int
        How many points are remembered.
    tabustrategy : {"farthest", "oldest"}
        Which of them is forgotten first.
    seed : int
        Of the random starts.

    Raises
    ------
    InputError
        If `local` or `tabustrategy` isn't known, or nothing is to be remembered.
    """
    if local not in LOCAL:
        raise InputError(f"Invalid local solver selected: {local!r}. It should be one of {', '.join(LOCAL)}")
    if tabulistsize < 1:
        raise InputError(f"Invalid tabulistsize specified: {tabulistsize!r}. It should be an integer greater than zero")
    if tabustrategy not in STRATEGIES:
        raise InputError(f"Invalid tabustrategy specified: {tabustrategy!r}. It should be one of {', '.join(STRATEGIES)}")
    rng = np.random.default_rng(seed)
    options = dict(local_opts or {})
    evaluations = tunnels = useful = 0
    x, best, least = np.asarray(x0, float), np.asarray(x0, float), np.inf
    tabu: list[np.ndarray] = []
    message = "Maximum number of global iterations exceeded"
    for _ in range(totaliter):
        outcome = optimize.minimize(fun, x, method=local, options=options)
        evaluations += outcome.nfev
        if outcome.fun < least:
            best, least = outcome.x, float(outcome.fun)
        if maxfunevals is not None and evaluations >= maxfunevals:
            message = "Maximum number of function evaluations exceeded"
            break
        tabu = remembered([*tabu, outcome.x], best, tabulistsize, tabustrategy)
        aim = least - eps1*(1 + abs(least))
        for _ in range(maxiter):
            tunnels += 1
            step = rng.uniform(-1, 1, best.size)*np.where(best, np.abs(best), 1.)
            outcome = optimize.minimize(tunnel(fun, aim, tabu), best + eps2*step, method=local, options=options)
            evaluations += outcome.nfev
            x = outcome.x
            tabu = remembered([*tabu, x], best, tabulistsize, tabustrategy)
            if np.isfinite(x).all() and fun(x) < least - glbtol:
                useful += 1
                break
        if not np.isfinite(x).all():
            x = best + eps2*rng.uniform(-1, 1, best.size)
    return Found(best, least, evaluations, message, (tunnels, useful))


def tunnel(fun: Callable[[np.ndarray], float], aim: float, tabu: list[np.ndarray]) -> Callable[[np.ndarray], float]:
    """Return the tunnelling function."""
    def lower(x: np.ndarray) -> float:
        distance = np.prod([max(float((x - point) @ (x - point)), 1e-30) for point in tabu])
        return (fun(x) - aim)**2/float(distance)
    return lower


def remembered(tabu: list[np.ndarray], best: np.ndarray, size: int, strategy: str) -> list[np.ndarray]:
    """Return the points to keep, the last one in any case."""
    while len(tabu) > max(size, 1):
        drop = 0 if strategy == "oldest" else int(np.argmax([np.linalg.norm(point - best) for point in tabu[:-1]]))
        tabu = [*tabu[:drop], *tabu[drop + 1:]]
    return tabu
