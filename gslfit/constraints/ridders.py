"""Derivatives of a scalar function by differences, as accurate as these can be.

Central differences over a shrinking step, extrapolated to step zero by Neville's scheme (C. J. F. Ridders, Advances in Engineering
Software 4 (1982) 75): some eleven digits of a smooth function.
"""
import math
from collections.abc import Callable

ROWS = 12
SHRINK = 1.6              # the step from row to row; Ridders' own 2 wastes rows on smooth functions
TRIES = 6                 # starting steps, each a tenth of the one before
GOOD = 1e-10              # a relative doubt that is good enough
WORSE = 2.                # stop once the newest column is that much worse than the best


def derivative(function: Callable[[float], float], x: float, scale: float = 0.) -> float:
    """Return the derivative of a function at `x`.

    Parameters
    ----------
    function : callable
        Takes and gives a float; where it raises or gives NaN the step is made smaller.
    x : float
        Where.
    scale : float
        The size of a large step; 0 means a tenth of `x`, or of 1 if that is 0.

    Returns
    -------
    float
        The derivative; NaN if the function has no finite values on both sides of `x`.

    Examples
    --------
    >>> round(derivative(math.exp, 1.0), 10)
    2.7182818285
    """
    step = scale or .1*abs(x) or .1
    best, least = math.nan, math.inf
    for _ in range(TRIES):
        found, doubt = _extrapolate(function, x, step)
        if doubt < least or best != best:
            best, least = found, doubt
        if least <= GOOD*abs(best):
            break
        step *= .1 if found == found else 1e-3                # a kink, an edge of the domain or a wave may lie within the step
    return best


def _extrapolate(function: Callable[[float], float], x: float, step: float) -> tuple[float, float]:
    """Return the derivative and what it is in doubt by, starting from one step."""
    best, doubt = math.nan, math.inf
    row: list[float] = []
    for _ in range(ROWS):
        above, below = x + step, x - step
        step /= SHRINK
        try:
            slope = (float(function(above)) - float(function(below)))/(above - below)
        except (ArithmeticError, ValueError):
            slope = math.nan
        if slope != slope:
            row = []
            continue
        new, factor = [slope], SHRINK*SHRINK
        for old in row:
            new.append((factor*new[-1] - old)/(factor - 1))
            factor *= SHRINK*SHRINK
            error = max(abs(new[-1] - new[-2]), abs(new[-1] - old))
            if error <= doubt:
                best, doubt = new[-1], error
        if best != best:
            best = slope
        if row and abs(new[-1] - row[-1]) >= WORSE*doubt:
            break
        row = new
    return best, doubt
