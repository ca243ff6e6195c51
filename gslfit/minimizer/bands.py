"""How uncertain a fitted curve is: derivatives of its values by the varying parameters, and the standard errors and correlations of these.

What errors the values have then, `gslfit.minimizer.propagation` says. The band is so many standard errors wide that it holds what Student's
distribution says.
"""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from math import erfc, inf, sqrt
from typing import Any

import numpy as np

from gslfit.checks import real
from gslfit.errors import InputError
from gslfit.formula.formula import Formula
from gslfit.minimizer.precision import SMALLEST
from gslfit.minimizer.propagation import Spread, determined
from gslfit.minimizer.uncertainty import bound_of
from gslfit.objective._loss import length
from gslfit.parameters.collection import Parameters

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


def unit_of(result: Any) -> float:
    """Return the root of a fit's reduced chi-square: of its residuals themselves, where their squares are out of the range of numbers.

    Parameters
    ----------
    result : FitResult or ModelResult
    """
    redchi, fit = float(result.redchi), getattr(result, "result", result)
    if SMALLEST <= redchi < inf or not hasattr(fit, "counted"):
        return sqrt(redchi)
    prior = fit.prior_residual
    return float(np.hypot(length(fit.counted), 0.0 if prior is None else length(prior))/sqrt(max(1, fit.nfree)))


def errors_known(result: Any) -> bool:
    """Return whether weights say how large the data's errors are, by ``scale_covar=False``: of a robust loss that only says that errors are
    the sandwich's.
    """
    return not result.call_kws.get("scale_covar", True) and result.loss is None


def measured(weights: np.ndarray | None, spread: float, known: bool, elsewhere: bool) -> Any:
    """Return the standard deviation of a measurement, at the data's points or, where `elsewhere`, at any others.

    Parameters
    ----------
    weights : ndarray, or None
        Of the points; NaN where one takes no part.
    spread : float
        The root of reduced chi-square.
    known : bool
        Whether the weights say how large the data's errors are; else `spread` does.
    elsewhere : bool

    Raises
    ------
    InputError
        If the weights differ from point to point and it is of others.
    """
    unit = 1.0 if known else spread
    if weights is None or weights.size == 0:
        return unit
    if not elsewhere:
        return unit/np.abs(weights)
    weights = weights[~np.isnan(weights)]
    if not (weights == weights[:1]).all():
        raise InputError('kind="prediction": the errors of the data differ from point to point, so that of a measurement at other points '
                         "isn't known; ask at the data's own points, without further arguments")
    return unit/abs(weights.item(0))


def spread_of(params: Parameters, names: Sequence[str], jacobian: Callable[[], np.ndarray | None] | None = None,
              unit: Callable[[], float] = lambda: 1.0) -> Spread:
    """Return how uncertain a fit's varying parameters are, from their standard errors and correlations: NaN where it has none.

    Parameters
    ----------
    params : Parameters
    names : sequence of str
        The varying parameters.
    jacobian : callable, optional
        ``jacobian()`` gives the Jacobian of the weighted curve, ndarray (p, n), or None; asked where the data don't determine a parameter.
    unit : callable, optional
        ``unit()`` gives what one standard error of the weighted data is; asked with it.
    """
    errors = np.array([np.nan if (error := params[name].stderr) is None else error for name in names], float)
    held = np.array([bool(bound_of(params[name])) for name in names], bool)
    without = np.isnan(errors) & ~held
    if jacobian is not None and without.any():
        slopes = jacobian()
        found = None if slopes is None else determined(slopes.T, held, unit())
        if found is None and slopes is not None:        # what enters squared and is 0 has a column, but for rounding
            found = determined(np.where(without, 0.0, slopes.T), held, unit())
        if found is not None:
            return found
    correlations = np.eye(len(names))
    for (i, one), (j, other) in combinations(enumerate(names), 2):
        correlations[i, j] = correlations[j, i] = (params[one].correl or {}).get(other, np.nan)
    return Spread(errors, held, correlations)


def undetermined(params: Parameters, names: Sequence[str]) -> list[str]:
    """Return the varying parameters that have no error, though no bound holds them."""
    return [name for name in names if params[name].stderr is None and not bound_of(params[name])]


def spread_of_fit(result: Any, dscale: float) -> Spread:
    """Return how uncertain the varying parameters of a fit are, and what they determine together; `dscale` is as in `difference_slopes`.

    By a robust loss what only combinations of parameters determine has no error.
    """
    fit, names = getattr(result, "result", result), list(result.var_names)
    if fit._determined is not None:
        return fit._determined
    loss, source = fit.loss, fit._source
    if (loss is not None and loss.robust) or not hasattr(source, "weighted_slopes"):
        return spread_of(result.params, names)
    scaled = loss is None and fit.call_kws.get("scale_covar", True)
    return spread_of(result.params, names, lambda: source.weighted_slopes(result.params, names, dscale),
                     lambda: unit_of(fit) if scaled else 1.0)


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
    if not names:
        here = np.asarray(evaluate(params))
        return np.zeros((0, here.size*(2 if here.dtype.kind == "c" else 1)))
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
