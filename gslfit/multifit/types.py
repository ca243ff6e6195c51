"""The fit types of Ruby/GSL's `FdfSolver.fit`: one table of formulas, derivatives, coefficients and guesses.

Each formula is linear in some of its coefficients once the others, its shape, are known. A guess from the data tries a grid of shapes
(`gslfit.multifit.guesses`), so a type says which shapes to try, which columns a shape spans, and how coefficients are put together.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gslfit.records import Record

Floats = NDArray[np.float64]


class FitType(Record):
    """One formula y(x; c)."""

    name: str
    also: tuple[str, ...]           # other names; a beginning of any of them, or anything that begins with one, is taken too
    formula: str
    names: tuple[str, ...]          # of the coefficients, in order
    default: tuple[float, ...]      # Ruby/GSL's guess
    value: Callable[[Floats, Floats], Floats]
    slopes: Callable[[Floats, Floats], list[Any]]
    positive_x: bool                # the formula needs x > 0
    shapes: Callable[[Floats], Floats]                      # x -> (m, q) shapes worth trying
    columns: Callable[[Floats, Any], list[Any]]              # x (n,), shape as q arrays (m, 1) -> columns (m, n)
    assemble: Callable[[Any, Any], list[Any]]               # linear coefficients (c, m), shape (q, m) -> coefficients in order


# --- shapes to try -------------------------------------------------------------------------------------------------------------

def _product(*axes: Floats) -> Floats:
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(axes))


def _span(x: Floats) -> float:
    return float(np.ptp(x)) or 1.0


def _peaks(x: Floats, places: int = 25, widths: int = 7) -> Floats:
    """Return places over the range of x, and squared widths from a point's distance to the whole range."""
    return _product(np.linspace(x.min(), x.max(), places), (_span(x) * np.geomspace(1 / max(10, min(len(x), 100)), 1, widths)) ** 2)


def _two_peaks(x: Floats) -> Floats:
    one = _peaks(x, 14, 4)
    first, second = np.triu_indices(len(one), 1)
    return np.hstack([one[first], one[second]])


def _rates(x: Floats, count: int = 20) -> Floats:
    rate = np.geomspace(0.05, 100, count) / _span(x)
    return np.concatenate([rate, -rate])


def _two_rates(x: Floats) -> Floats:
    rate = _rates(x, 14)
    first, second = np.triu_indices(len(rate), 1)
    keep = np.sign(rate[first]) == np.sign(rate[second])
    return np.stack([rate[first], rate[second]], axis=1)[keep]


def _frequencies(x: Floats) -> Floats:
    """Return angular frequencies from half a period in the range to one in two points, four to each resolvable step."""
    step = np.pi / (2 * _span(x))
    return step * np.arange(2.0, min(2 * len(x), 4000) + 1.0)[:, None]


def _steps(x: Floats) -> Floats:
    return _product(np.linspace(x.min(), x.max(), 20), _span(x) * np.geomspace(0.005, 1, 9))


def _log_steps(x: Floats) -> Floats:
    return _product(np.geomspace(x.min(), x.max(), 20), np.geomspace(0.3, 20, 12))


def _log_peaks(x: Floats) -> Floats:
    return _product(np.geomspace(x.min(), x.max(), 25), np.geomspace(0.02, 5, 9))


# --- formulas ------------------------------------------------------------------------------------------------------------------

def _bell(x: Any, x0: Any, var: Any) -> Any:
    return np.exp(-(x - x0) ** 2 / (2 * var))


def _bell_slopes(x: Any, a: Any, x0: Any, var: Any) -> list[Any]:
    e, d = _bell(x, x0, var), x - x0
    return [e, a * e * d / var, a * e * d**2 / (2 * var**2)]


def _decay_slopes(x: Any, a: Any, b: Any) -> list[Any]:
    e = np.exp(-b * x)
    return [e, -a * x * e]


def _hill_slopes(x: Any, c: Any) -> list[Any]:
    y0, m, xhalf, r = c
    u = (xhalf / x) ** r
    h = 1 / (1 + u)
    return [1 - h, h, -(m - y0) * h**2 * u * r / xhalf, -(m - y0) * h**2 * u * np.log(xhalf / x)]


def _logistic(x: Any, x0: Any, r: Any) -> Any:
    return 1 / (1 + np.exp((x0 - x) / r))


def _sigmoid_slopes(x: Any, c: Any) -> list[Any]:
    _, m, x0, r = c
    s = _logistic(x, x0, r)
    d = m * s * _logistic(-x, -x0, r) / r                  # s (1 - s) without cancellation
    return [np.ones_like(x), s, -d, d * (x0 - x) / r]


def _lorentz_slopes(x: Any, c: Any) -> list[Any]:
    _, a, x0, b = c
    q = 1 / ((x - x0) ** 2 + b)
    return [np.ones_like(x), q, 2 * a * (x - x0) * q**2, -a * q**2]


def _lognormal_slopes(x: Any, c: Any) -> list[Any]:
    _, a, x0, width = c
    z = np.log(x / x0) / width
    e = np.exp(-(z**2))
    return [np.ones_like(x), e, 2 * a * e * z / (width * x0), 2 * a * e * z**2 / width]


def _sine_slopes(x: Any, c: Any) -> list[Any]:
    _, a, f, phi = c
    cosine = a * np.cos(f * x + phi)
    return [np.ones_like(x), np.sin(f * x + phi), x * cosine, cosine]


def _one(x: Any, like: Any) -> Any:
    return np.ones_like(like * x)


_ROWS = [
    FitType("gaussian_2peaks", (), "y0 + A1 exp(-(x-x1)^2/2/var1) + A2 exp(-(x-x2)^2/2/var2)",
            ("y0", "A1", "x1", "var1", "A2", "x2", "var2"), (0, 1, 0, 1, 1, 1, 1),
            lambda x, c: c[0] + c[1] * _bell(x, c[2], c[3]) + c[4] * _bell(x, c[5], c[6]),
            lambda x, c: [np.ones_like(x), *_bell_slopes(x, *c[1:4]), *_bell_slopes(x, *c[4:7])],
            False, _two_peaks,
            lambda x, q: [_one(x, q[0]), _bell(x, q[0], q[1]), _bell(x, q[2], q[3])],
            lambda a, q: [a[0], a[1], q[0], q[1], a[2], q[2], q[3]]),
    FitType("gaussian", ("gaus",), "y0 + A exp(-(x-x0)^2/2/var)", ("y0", "A", "x0", "var"), (0, 1, 0, 1),
            lambda x, c: c[0] + c[1] * _bell(x, c[2], c[3]),
            lambda x, c: [np.ones_like(x), *_bell_slopes(x, *c[1:4])],
            False, _peaks,
            lambda x, q: [_one(x, q[0]), _bell(x, q[0], q[1])],
            lambda a, q: [a[0], a[1], q[0], q[1]]),
    FitType("exp", ("exponential",), "y0 + A exp(-b x)", ("y0", "A", "b"), (0, 1, 1),
            lambda x, c: c[0] + c[1] * np.exp(-c[2] * x),
            lambda x, c: [np.ones_like(x), *_decay_slopes(x, *c[1:3])],
            False, lambda x: _rates(x)[:, None],
            lambda x, q: [_one(x, q[0]), np.exp(-q[0] * x)],
            lambda a, q: [a[0], a[1], q[0]]),
    FitType("rayleigh", (), "A x exp(-x^2/2/var)", ("A", "var"), (1, 1),
            lambda x, c: c[0] * x * _bell(x, 0, c[1]),
            lambda x, c: [x * _bell(x, 0, c[1]), c[0] * x**3 * _bell(x, 0, c[1]) / (2 * c[1] ** 2)],
            False, lambda x: ((np.abs(x).max() or 1.0) * np.geomspace(0.02, 3, 25))[:, None] ** 2,
            lambda x, q: [x * _bell(x, 0, q[0])],
            lambda a, q: [a[0], q[0]]),
    FitType("dblexp", (), "y0 + A1 exp(-b1 x) + A2 exp(-b2 x)", ("y0", "A1", "b1", "A2", "b2"), (0, 1, 1, 1, 1),
            lambda x, c: c[0] + c[1] * np.exp(-c[2] * x) + c[3] * np.exp(-c[4] * x),
            lambda x, c: [np.ones_like(x), *_decay_slopes(x, *c[1:3]), *_decay_slopes(x, *c[3:5])],
            False, _two_rates,
            lambda x, q: [_one(x, q[0]), np.exp(-q[0] * x), np.exp(-q[1] * x)],
            lambda a, q: [a[0], a[1], q[0], a[2], q[1]]),
    FitType("lor", ("lorentzian",), "y0 + A/((x-x0)^2 + B)", ("y0", "A", "x0", "B"), (0, 1, 0, 1),
            lambda x, c: c[0] + c[1] / ((x - c[2]) ** 2 + c[3]),
            _lorentz_slopes, False, _peaks,
            lambda x, q: [_one(x, q[0]), 1 / ((x - q[0]) ** 2 + q[1])],
            lambda a, q: [a[0], a[1], q[0], q[1]]),
    FitType("sin", (), "y0 + A sin(f x + phi)", ("y0", "A", "f", "phi"), (0, 1, 1, 0),
            lambda x, c: c[0] + c[1] * np.sin(c[2] * x + c[3]),
            _sine_slopes, False, _frequencies,
            lambda x, q: [_one(x, q[0]), np.sin(q[0] * x), np.cos(q[0] * x)],
            lambda a, q: [a[0], np.hypot(a[1], a[2]), q[0], np.arctan2(a[2], a[1])]),
    FitType("hill", (), "y0 + (m - y0)/(1 + (xhalf/x)^r)", ("y0", "m", "xhalf", "r"), (0, 1, 1, 1),
            lambda x, c: c[0] + (c[1] - c[0]) / (1 + (c[2] / x) ** c[3]),
            _hill_slopes, True, _log_steps,
            lambda x, q: [_one(x, q[0]), 1 / (1 + (q[0] / x) ** q[1])],
            lambda a, q: [a[0], a[0] + a[1], q[0], q[1]]),
    FitType("sigmoid", ("fermi",), "y0 + m/(1 + exp((x0-x)/r))", ("y0", "m", "x0", "r"), (0, 1, 0, 1),
            lambda x, c: c[0] + c[1] * _logistic(x, c[2], c[3]),
            _sigmoid_slopes, False, _steps,
            lambda x, q: [_one(x, q[0]), _logistic(x, q[0], q[1])],
            lambda a, q: [a[0], a[1], q[0], q[1]]),
    FitType("power", (), "y0 + A x^r", ("y0", "A", "r"), (0, 1, -1),
            lambda x, c: c[0] + c[1] * x ** c[2],
            lambda x, c: [np.ones_like(x), x ** c[2], c[1] * x ** c[2] * np.log(x)],
            True, lambda x: np.concatenate([s * np.geomspace(0.1, 6, 20) for s in (1, -1)])[:, None],
            lambda x, q: [_one(x, q[0]), x ** q[0]],
            lambda a, q: [a[0], a[1], q[0]]),
    FitType("lognormal", (), "y0 + A exp(-(log(x/x0)/width)^2)", ("y0", "A", "x0", "width"), (0, 1, 1, 1),
            lambda x, c: c[0] + c[1] * np.exp(-((np.log(x / c[2]) / c[3]) ** 2)),
            _lognormal_slopes, True, _log_peaks,
            lambda x, q: [_one(x, q[0]), np.exp(-((np.log(x / q[0]) / q[1]) ** 2))],
            lambda a, q: [a[0], a[1], q[0], q[1]]),
]

TYPES: dict[str, FitType] = {row.name: row for row in _ROWS}
"""Name -> formula, coefficients and default guess of each fit type."""
