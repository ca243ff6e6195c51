"""How uncertain a fitted curve is: derivatives of its values by the varying parameters, and the covariance between these.

The variance of the curve at a point is ``g C g^T``, with the row g of derivatives there; a parameter that has no error, since it is held at
its bound, adds nothing to it. The band is so many standard errors wide that it holds what Student's distribution says.
"""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import erf, sqrt
from typing import Any

import numpy as np

from gslfit.formula.formula import Formula
from gslfit.parameters.collection import Parameters

STEP = 1e-6         # of a parameter without an error, relative to its size, where derivatives are differences


def student(sigma: float, freedom: int) -> float:
    """Return the factor of a band that holds what `sigma` standard deviations of a normal distribution do; below 1 it is a probability."""
    from scipy.special import stdtrit
    chance = sigma if sigma < 1 else erf(sigma/sqrt(2))
    return float(stdtrit(freedom, (chance + 1)/2))


def variances(slopes: np.ndarray, covar: np.ndarray | None) -> np.ndarray:
    """Return the variance of a curve at each point.

    Parameters
    ----------
    slopes : ndarray, shape (p, n)
        Derivatives by the varying parameters.
    covar : ndarray, shape (p, p), or None
        Their covariance; a row of NaN belongs to a parameter without an error.

    Returns
    -------
    ndarray, shape (n,)
        NaN where no parameter has an error.
    """
    known = np.zeros(0, int) if covar is None else np.flatnonzero(np.isfinite(np.diag(covar)))
    if covar is None or not known.size:
        return np.full(slopes.shape[1], np.nan)
    return np.einsum("in,ij,jn->n", slopes[known], covar[np.ix_(known, known)], slopes[known])


def exact_slopes(formula: Formula, params: Parameters, names: Sequence[str], points: Mapping[str, Any]) -> np.ndarray:
    """Return a formula's derivatives by varying parameters, those through expressions included: ndarray (p, n)."""
    own = formula.jacobian(**points, **{name: params[name].value for name in formula.names})
    own = own.reshape(-1, len(formula.names)).T
    free = params.bind()
    free.put_external(np.array([params[name].value for name in free.names]))
    derived, by = free.dependents()
    out = np.zeros((len(names), own.shape[1]))
    for k, name in enumerate(formula.names):
        if name in names:
            out[names.index(name)] += own[k]
        elif name in derived:
            for j, other in enumerate(free.names):
                if other in names:
                    out[names.index(other)] += own[k]*by[list(derived).index(name)][j]
    return out


def difference_slopes(evaluate: Callable[[Parameters], Any], params: Parameters, names: Sequence[str], dscale: float) -> np.ndarray:
    """Return a curve's derivatives by varying parameters from centred differences, `dscale` standard errors wide: ndarray (p, n).

    Complex values count as pairs of real ones.
    """
    rows = []
    for name in names:
        error = params[name].stderr
        step = (error if error and error == error else STEP*max(abs(params[name].value), STEP))*dscale
        sides = []
        for side in (step, -step):
            moved = params.copy()
            moved[name].set(min=None, max=None)
            moved[name].value = params[name].value + side
            sides.append(np.atleast_1d(np.asarray(evaluate(moved))))
        difference = np.asarray(sides[0] - sides[1])/(2*step)
        rows.append(difference.astype(complex if difference.dtype.kind == "c" else float).reshape(-1).view(float))
    return np.array(rows)
