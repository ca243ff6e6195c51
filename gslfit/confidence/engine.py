"""Limits by the engine: all sides of all profiles side by side in the lanes of `gslfit.confidence._profile`.

What it can't vouch for it says: those limits are for the careful code (`gslfit.confidence.profile` and `branches`), which takes one refit
after the other and looks for other branches.
"""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gslfit.confidence._profile import LEVELS, STATUSES, TURNS, profiles
from gslfit.confidence.branches import BEYOND, STRAIGHT, exchange_orders
from gslfit.confidence.constrained_refit import MINIMUM
from gslfit.confidence.ftest import FTest, rises
from gslfit.formula.parametrize import Folded
from gslfit.formula.program_residual import ProgramResidual
from gslfit.objective.loss import NUMBERS
from gslfit.records import Record

BEYOND_BOUND, IN_DOUBT = STATUSES["BEYOND_BOUND"], STATUSES["IN_DOUBT"]
__all__ = ["BEYOND_BOUND", "DOUBTS", "IN_DOUBT", "TURNS", "Limits", "compiled", "limits_of", "orders_of"]
DOUBTS: dict[str, Any] = {"straight": STRAIGHT, "lower": MINIMUM, "beyond": BEYOND}

APART = .01         # share by which the places differ at which exchanges of parameters are tried
SOME = 16           # points that they are tried at
SAME = 1e-9         # of the greatest of a curve's values: a difference by less is none


class Limits(Record):
    """Limits of one fit that are sure.

    Attributes
    ----------
    values : ndarray, shape (names, 2, levels)
    beyond : ndarray of bool, the same shape
        Where one is infinite, for it would lie beyond the parameter's bound.
    nfev : int
    """

    values: np.ndarray
    beyond: np.ndarray
    nfev: int


def orders_of(folded: Folded, v: np.ndarray, x: Sequence[np.ndarray], inputs: np.ndarray | None = None) -> np.ndarray:
    """Return the exchanges of parameters that leave a program's values as they are, ndarray of intc (m, p); they are looked for once.

    Parameters
    ----------
    folded : Folded
    v : ndarray, shape (p,)
        Values near which they are tried.
    x : sequence of ndarray, shape (n,)
        Some points.
    inputs : ndarray, optional
        Per-fit inputs.
    """
    if folded.exchanges is None or inputs is not None:
        found = [order for order in exchange_orders(folded.names) if _is_exchange(folded, order, v, x, inputs)]
        folded.exchanges = np.array(found, np.intc).reshape(len(found), v.size)
    return folded.exchanges


def _is_exchange(folded: Folded, order: list[int], v: np.ndarray, x: Sequence[np.ndarray], inputs: np.ndarray | None) -> bool:
    """Return whether a program's values are the same with its parameters in another order."""
    points = np.array([np.asarray(each, float)[:SOME] for each in x]) if len(x) else np.empty((0, 1))
    apart = v*(1 + APART*np.cos(1 + np.arange(v.size)))       # where no two parameters are equal by chance
    with np.errstate(all="ignore"):
        for there in (apart, v):
            before, after = (folded.program.evaluate(each, points, inputs, jacobian=False)[0] for each in (there, there[order]))
            size = np.max(np.abs(before), initial=0.)
            if np.isfinite(size):
                return bool(np.max(np.abs(after - before), initial=0.) <= SAME*size)
    return False


def compiled(ftest: FTest) -> ProgramResidual | None:
    """Return the compiled residual that a fit minimised, if that is all there is to it: errors that are independent, no points left out."""
    residual = ftest.residual
    function = residual.function
    if type(function) is not ProgramResidual or residual.args or residual.kws or residual.scale != 1 or not residual.whole:
        return None
    return function if function.factor is None and function.y is not None and function.names == tuple(ftest.names) else None


def limits_of(ftest: FTest, which: Sequence[int], chances: Sequence[float]) -> Limits | None:
    """Return the limits of some parameters of a fit; None where one is in doubt, or the engine can't look for them.

    Parameters
    ----------
    ftest : FTest
    which : sequence of int
        The parameters' places.
    chances : sequence of float
        Probabilities, sorted.
    """
    function = compiled(ftest)
    levels = sorted(set(chances))
    positive = [level for level in levels if level > 0]
    if function is None or not which or not 0 < len(positive) <= LEVELS:
        return None
    assert function.y is not None
    wanted = rises(positive, ftest.ndata - ftest.x.size, ftest.known)
    x = list(function.x)
    values, status, nfev = profiles(
        function.program, function.y, x, ftest.x[None], wanted[None], np.array(which, np.intc), low=ftest.lower, high=ftest.upper,
        known=ftest.known, weights=function.weights, loss=NUMBERS["linear" if function.loss is None else function.loss.name],
        orders=orders_of(function.folded, ftest.x, x), **DOUBTS)
    if (status == IN_DOUBT).any():
        return None
    found = Limits(values[0], status[0] == BEYOND_BOUND, nfev)
    if len(positive) == len(chances):
        return found
    places = [positive.index(chance) if chance > 0 else len(positive) for chance in chances]      # of chances that are given twice, or 0
    best = np.repeat(ftest.x[list(which), None, None], 2, 1)
    return Limits(np.concatenate([found.values, best], 2)[..., places],
                  np.concatenate([found.beyond, np.zeros(best.shape, bool)], 2)[..., places], nfev)
