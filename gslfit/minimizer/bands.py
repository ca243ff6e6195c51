"""How uncertain a fitted curve is: derivatives of its values by the varying parameters, and the standard errors and correlations of these.

The variance of the curve at a point is ``g C g^T``, with the row g of derivatives there and the covariance C; a parameter that has no
error, since it is held at its bound, adds nothing to it. The band is so many standard errors wide that it holds what Student's
distribution says.
"""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import erfc, sqrt
from typing import Any

import numpy as np

from gslfit.checks import real
from gslfit.errors import InputError
from gslfit.formula.formula import Formula
from gslfit.minimizer.uncertainty import DEPENDENT, bound_of
from gslfit.parameters.collection import Parameters

LOST = 1e-6         # part of a curve's movement in what the data don't determine above which it has no error
KINDS = ("confidence", "prediction")
WIDEST = 37.        # standard deviations beyond which what a normal distribution leaves is no number of double precision
STEP = 1e-6         # of a parameter without an error, relative to its size, where derivatives are differences


def student(sigma: float, freedom: int) -> float:
    """Return the factor of a band that holds what `sigma` standard deviations of a normal distribution do; below 1 it is a probability.

    It is worked out from what lies beyond the band: what lies within it is 1 to rounding from 8.3 standard deviations on.
    """
    from scipy.special import stdtrit
    sigma = real("sigma", sigma, 0, WIDEST)
    beyond = 1 - sigma if sigma < 1 else erfc(sigma/sqrt(2))
    return abs(float(stdtrit(freedom, beyond/2)))


def measured(weights: np.ndarray | None, redchi: float, known: bool, elsewhere: bool) -> Any:
    """Return the standard deviation of a measurement, at the data's points or, where `elsewhere`, at any others.

    Parameters
    ----------
    weights : ndarray, or None
        Of the points; NaN where one takes no part.
    redchi : float
    known : bool
        Whether the weights say how large the data's errors are; else reduced chi-square does.
    elsewhere : bool

    Raises
    ------
    InputError
        If the weights differ from point to point and it is of others.
    """
    unit = 1.0 if known else sqrt(redchi)
    if weights is None or weights.size == 0:
        return unit
    if not elsewhere:
        return unit/np.abs(weights)
    weights = weights[~np.isnan(weights)]
    if not (weights == weights[:1]).all():
        raise InputError('kind="prediction": the errors of the data differ from point to point, so that of a measurement at other points '
                         "isn't known; ask at the data's own points, without further arguments")
    return unit/abs(weights.item(0))


def deviations(slopes: np.ndarray, params: Parameters, names: Sequence[str]) -> np.ndarray:
    """Return the standard error of a curve at each point; squares are of numbers of about 1, so that none is out of range.

    Parameters
    ----------
    slopes : ndarray, shape (p, n)
        Derivatives by the varying parameters.
    params : Parameters
        With standard errors and correlations.
    names : sequence of str
        The varying parameters.

    Returns
    -------
    ndarray, shape (n,)
        NaN where the curve moves with no parameter that has an error.
    """
    errors = np.array([np.nan if (error := params[name].stderr) is None else error for name in names], float)
    known = np.flatnonzero(np.isfinite(errors))
    if not known.size:
        return np.full(slopes.shape[1], np.nan)
    correlations = np.eye(known.size)
    for i, j in zip(*np.tril_indices(known.size, -1), strict=True):
        correlations[i, j] = correlations[j, i] = (params[names[known[i]]].correl or {}).get(names[known[j]], 0.0)
    moves = slopes[known]*errors[known, None]
    most = np.max(np.abs(moves), axis=0)
    still = (slopes[known] == 0).all(axis=0) & (np.delete(slopes, known, axis=0) != 0).any(axis=0)
    units = moves/np.where(most > 0, most, 1.0)
    return np.where(still, np.nan, most*np.sqrt(np.maximum(np.einsum("in,ij,jn->n", units, correlations, units), 0.0)))


def undetermined(params: Parameters, names: Sequence[str]) -> list[str]:
    """Return the varying parameters that have no error, though no bound holds them."""
    return [name for name in names if params[name].stderr is None and not bound_of(params[name])]


def of_determined(slopes: np.ndarray, jacobian: np.ndarray | None, params: Parameters, names: Sequence[str], scale: float) -> np.ndarray:
    """Return the standard error of a curve at each point where a fit does not determine every parameter.

    What of the parameters' space the data determine has errors; where the curve moves with what they don't, it has none.

    Parameters
    ----------
    slopes : ndarray, shape (p, n)
        Derivatives by the varying parameters.
    jacobian : ndarray, shape (p, m), or None
        The same at the points of the data, times their weights; None where they are not known.
    params : Parameters
    names : sequence of str
        The varying parameters.
    scale : float
        What one standard error of the weighted data is.
    """
    unknown = [names.index(name) for name in undetermined(params, names)]
    if jacobian is None or not np.isfinite(jacobian).all():
        found = deviations(slopes, params, names)
        return np.where((slopes[unknown] != 0).any(axis=0), np.nan, found) if unknown else found
    free = [k for k, name in enumerate(names) if not bound_of(params[name])]
    size = np.max(np.abs(jacobian[free]), axis=1)
    size = size*np.sqrt(np.sum((jacobian[free]/np.where(size > 0, size, 1.0)[:, None])**2, axis=1))
    size = np.where(size > 0, size, 1.0)
    units = (jacobian[free]/size[:, None]).T
    if len(units) < len(free):      # all directions are wanted, but not all points
        units = np.concatenate([units, np.zeros((len(free) - len(units), len(free)))])
    _, singular, axes = np.linalg.svd(units, full_matrices=False)
    rank = int(np.count_nonzero(singular > DEPENDENT*singular[0])) if singular[0] > 0 else 0
    if rank == len(free):
        return deviations(slopes, params, names)
    moves = axes @ (slopes[free]/size[:, None])
    most = np.max(np.abs(moves), axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        lost = np.sqrt(np.sum((moves[rank:]/most)**2, axis=0)) > LOST
        known = most*np.sqrt(np.sum((moves[:rank]/most/singular[:rank, None])**2, axis=0))
    return np.where(most > 0, np.where(lost, np.nan, known*scale), 0.0)


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
