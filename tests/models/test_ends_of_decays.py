"""Noisy sums of three decays: a fit that is called a failure has run off, there is no minimum that it missed.

A sum of decays and a constant solves a linear differential equation, whose coefficients are symmetric functions of the rates. In the
coefficients chi-square is smooth where two rates meet (their amplitudes go to infinity there) or one passes 0. Where its minimum over them
has rates that are positive and differ, the sum has a minimum; where they are complex, or one is negative or 0, it has none near by:
chi-square falls without end while two decays merge, or while one becomes a straight line.
"""
import numpy as np
import pytest
from guess_accuracy import CASES, draw
from scipy.linalg import expm
from scipy.optimize import minimize

from gslfit import FitStatus

OVER = 15.0   # rates by which a decay is over before the second point: e^-15 of it is left there


def _chisqr(coefs, step, y, skip):
    """Chi-square of the best solution of the equation with these coefficients, at points after the first `skip`."""
    full = np.concatenate(([1.0], coefs, [0.0]))    # the constant has rate 0
    size = len(full) - 1
    companion = np.eye(size, k=-1)
    companion[0] = -full[1:]
    forward, row, rows = expm(-step*companion), np.eye(size)[-1], []
    for _ in y:
        rows.append(row)
        row = row@forward
    solutions = np.array(rows)[skip:]
    if not np.isfinite(solutions).all():
        return np.inf
    basis = np.linalg.qr(solutions)[0]
    rest = y[skip:] - basis@(basis.T@y[skip:])
    return rest@rest


def _rates_at_minimum(times, step, y):
    """Return the rates at the minimum over the coefficients, from these times; one that is over before the second point is taken out."""
    rates = 1/times
    skip = int(rates.max()*step > 2*OVER)
    rates = np.sort(rates)[:len(rates) - skip]
    coefs, size = np.poly(rates)[1:], np.abs(np.poly(np.maximum(rates, 1/(step*len(y))))[1:])

    def chisqr(change):
        return _chisqr(coefs + change*size, step, y, skip)

    zero = np.zeros(len(coefs))
    simplex = np.vstack([zero, 1e-2*np.eye(len(coefs))])
    found = minimize(chisqr, zero, method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-13*chisqr(zero), "maxfev": 4000,
                                                                  "initial_simplex": simplex})
    return np.roots(np.concatenate(([1.0], coefs + found.x*size)))


@pytest.mark.slow
def test_failures_have_no_minimum():
    case = next(case for case in CASES if case.cls == "TriexponentialModel")
    model, x, _, y = draw(case, 60)
    end = model.fit_batch(y, x=x)
    step = x[1] - x[0]
    seen = {True: 0, False: 0}
    for i in np.flatnonzero(np.isin(end.status, [FitStatus.CONVERGED, FitStatus.NO_PROGRESS, FitStatus.SINGULAR, FitStatus.MAX_NFEV])):
        times = np.array([end.values[f"tau{k}"][i] for k in (1, 2, 3)])
        rates = _rates_at_minimum(times, step, y[i])
        real = np.all(np.abs(rates.imag) < 1e-9*np.abs(rates))
        minimum = bool(real and np.all((rates.real > 1e-9) & (rates.real*step < OVER)))
        assert minimum == end.success[i], (i, end.status[i], times, rates)
        seen[minimum] += 1
    assert seen[True] >= 3 and seen[False] >= 20, seen
