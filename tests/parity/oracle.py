"""The independent judge: SciPy's `least_squares`, then Gauss-Newton steps and the covariance in plain NumPy. Never gslfit itself.

Jacobians are complex steps, exact to rounding; so a model of these tables is a function of NumPy that also takes complex parameters.
"""
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq, least_squares
from scipy.stats import chi2, f

STEP = 1e-40         # of a complex step: its square is lost beside 1, so the derivative is exact
EPS = float(np.finfo(float).eps)
ROUNDING = 1e4*EPS      # of the largest datum: a residual of this size counts as rounding


@dataclass(frozen=True)
class Par:
    """A parameter as a fit is told of it; an expression's `value` is computed by `derive` of the others here."""

    value: float = 0.0
    min: float | None = None
    max: float | None = None
    vary: bool = True
    expr: str | None = None
    derive: Callable[..., float] | None = None


@dataclass(frozen=True)
class Truth:
    """What a fit must find; a standard error is None where there is none."""

    values: dict[str, float]
    stderr: dict[str, float | None]
    ndata: int
    chisqr: float
    rounding: dict[str, float]      # how far rounding in the data may move each value
    floor: float                    # and how large chi-square may be by rounding alone


def everything(pars: Mapping[str, Par], free: list[str], v: np.ndarray) -> dict[str, complex]:
    """All values by name, for values of the free parameters."""
    known = {name: par.value for name, par in pars.items() if par.expr is None} | dict(zip(free, v, strict=True))
    return known | {name: par.derive(**known) for name, par in pars.items() if par.derive is not None}


def jacobian(function: Callable[[np.ndarray], np.ndarray], v: np.ndarray) -> np.ndarray:
    """Return derivatives of a function of a vector, shape (n, p), by complex steps."""
    columns = []
    for k, value in enumerate(v):
        h = STEP * (abs(value) or 1.0)
        moved = v.astype(complex)
        moved[k] += 1j*h
        columns.append(np.imag(function(moved)) / h)
    return np.array(columns).T


def truth(curve: Callable[..., np.ndarray], pars: Mapping[str, Par], x: np.ndarray, y: np.ndarray, *, weights: np.ndarray | None = None,
          counted: int | None = None, known: bool = False, held: Mapping[str, float] | None = None, dead: tuple[str, ...] = ()) -> Truth:
    """Return the minimum, and what is known of it.

    Parameters
    ----------
    curve : callable
        ``curve(x, **values)``.
    pars : mapping of str to Par
    x, y : ndarray, shape (n,)
        The points that count, all finite.
    weights : ndarray, shape (n,), optional
        What multiplies model - data.
    counted : int, optional
        How many points count as data, if others than these do: those of weight 0, where they count.
    known : bool
        Whether the errors of the data are known: the covariance is not scaled.
    held : mapping of str to float, optional
        Parameters that end at a bound, and the bound; it is asserted that chi-square falls beyond it.
    dead : tuple of str
        Parameters without effect; they stay where they start.

    Returns
    -------
    Truth
    """
    held = dict(held or {})
    varying = [name for name, par in pars.items() if par.vary and par.expr is None]
    free = [name for name in varying if name not in held and name not in dead]
    there = {name: Par(held.get(name, par.value), expr=par.expr, derive=par.derive) for name, par in pars.items()}
    factors = np.ones_like(y) if weights is None else weights

    def residual_of(names: list[str]) -> Callable[[np.ndarray], np.ndarray]:
        return lambda v: (curve(x, **everything(there, names, v)) - y) * factors

    residual = residual_of(free)
    start = np.array([pars[name].value for name in free], float)
    v = least_squares(residual, start, lambda u: jacobian(residual, u), xtol=1e-15, ftol=1e-15, gtol=1e-15, x_scale="jac").x
    for _ in range(20):
        v = v - np.linalg.lstsq(jacobian(residual, v), residual(v), rcond=None)[0]
    r, J = residual(v), jacobian(residual, v)
    assert np.all(np.abs(J.T @ r) <= 1e-9*np.linalg.norm(J, axis=0)*np.linalg.norm(y*factors)), "the oracle itself is not at the minimum"
    for name, bound in held.items():
        push = float(jacobian(residual_of([name]), np.array([bound]))[:, 0] @ r)
        assert push != 0 and (push > 0) == (bound == pars[name].min), f"chi-square does not fall beyond the bound of {name}"
    inverse = np.linalg.inv(J.T @ J)
    ndata = y.size if counted is None else counted
    freedom = ndata - len(varying)
    scale = 1.0 if known else float(r @ r) / freedom if freedom > 0 else None
    spread = spreads(there, free, v, inverse)
    stderr = {name: deviation if not deviation else None if scale is None else float(np.sqrt(scale))*deviation
              for name, deviation in spread.items()}
    values = {name: float(np.real(value)) for name, value in everything(there, free, v).items()}
    size = ROUNDING*float(np.max(np.abs(y*factors)))
    rounding = {name: float(np.sqrt(y.size))*size*spread[name] for name in pars}
    return Truth(values, stderr | dict.fromkeys([*held, *dead]), ndata, float(r @ r), rounding, y.size*size**2)


def spreads(pars: Mapping[str, Par], free: list[str], v: np.ndarray, inverse: np.ndarray) -> dict[str, float]:
    """Roots of the diagonal of an unscaled covariance, with those of expressions; 0 of what is fixed."""
    out = dict.fromkeys(pars, 0.0) | dict(zip(free, np.sqrt(np.diag(inverse)).tolist(), strict=True))
    for name, par in pars.items():
        if par.derive is not None:
            slope = jacobian(lambda u, name=name: np.atleast_1d(everything(pars, free, u)[name]), v)[0]
            out[name] = float(np.sqrt(slope @ inverse @ slope))
    return out


def interval(curve: Callable[..., np.ndarray], pars: Mapping[str, Par], x: np.ndarray, y: np.ndarray, name: str, chance: float,
             known: bool = False, weights: np.ndarray | None = None) -> tuple[float, float]:
    """Limits of a parameter between which chi-square, all others refitted, stays below what an F-test allows (or with known errors
    chi-square's distribution).
    """
    best = truth(curve, pars, x, y, known=known, weights=weights)
    if known:
        rise = chi2.ppf(chance, 1)
    else:
        freedom = best.ndata - sum(par.vary for par in pars.values())
        rise = best.chisqr*f.ppf(chance, 1, freedom)/freedom

    def above(value: float) -> float:
        held = {key: Par(best.values[key], vary=key != name) for key in pars} | {name: Par(value, vary=False)}
        return truth(curve, held, x, y, weights=weights).chisqr - best.chisqr - rise

    middle, error = best.values[name], best.stderr[name]
    return tuple(brentq(above, middle, middle + side*5*error, xtol=1e-9*error, rtol=1e-14) for side in (-1, 1))
