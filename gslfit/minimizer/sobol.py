"""Sobol's points: points of the unit cube that fill it evenly, the same each time.

The direction numbers are those of Joe and Kuo, SIAM J. Sci. Comput. 30 (2008) 2635, as SciPy has them; of more dimensions than the table
here, SciPy makes the points. (SciPy alone would cost every first call the second that `scipy.stats` takes to be imported.)
"""
from __future__ import annotations

import numpy as np

BITS = 30
DIRECTIONS = (      # of the second dimension and those after it: a primitive polynomial, then the first direction numbers
    (3, 1), (7, 1, 3), (11, 1, 3, 1), (13, 1, 1, 1), (19, 1, 1, 3, 3), (25, 1, 3, 5, 13), (37, 1, 1, 5, 5, 17), (41, 1, 1, 5, 5, 5),
    (47, 1, 1, 7, 11, 19), (55, 1, 1, 5, 1, 1), (59, 1, 1, 1, 3, 11), (61, 1, 3, 5, 5, 31), (67, 1, 3, 3, 9, 7, 49),
    (91, 1, 1, 1, 15, 21, 21), (97, 1, 3, 1, 13, 27, 49), (103, 1, 1, 1, 15, 7, 5), (109, 1, 3, 1, 15, 13, 25), (115, 1, 1, 5, 5, 19, 61),
    (131, 1, 3, 7, 11, 23, 15, 103), (137, 1, 3, 7, 13, 13, 15, 69), (143, 1, 1, 3, 13, 7, 35, 63), (145, 1, 3, 5, 9, 1, 25, 53),
    (157, 1, 3, 1, 13, 9, 35, 107), (167, 1, 3, 1, 5, 27, 61, 31), (171, 1, 1, 5, 11, 19, 41, 61), (185, 1, 3, 5, 3, 3, 13, 69),
    (191, 1, 1, 7, 13, 1, 19, 1), (193, 1, 3, 7, 5, 13, 19, 59), (203, 1, 1, 3, 9, 25, 29, 41), (211, 1, 3, 5, 13, 23, 1, 55),
    (213, 1, 3, 7, 3, 13, 59, 17))


def sobol(count: int, dimensions: int) -> np.ndarray:
    """Return the first points of Sobol's sequence after its origin; the first of them is the centre.

    Parameters
    ----------
    count, dimensions : int

    Returns
    -------
    ndarray, shape (count, dimensions)
        Strictly between 0 and 1. The points of a smaller count come first among those of a larger one.

    Examples
    --------
    >>> sobol(3, 2)
    array([[0.5 , 0.5 ],
           [0.75, 0.25],
           [0.25, 0.75]])
    """
    if dimensions > len(DIRECTIONS) + 1:
        from scipy.stats import qmc
        return np.asarray(qmc.Sobol(dimensions, scramble=False, bits=BITS).fast_forward(1).random(count))
    number = np.arange(1, count + 1, dtype=np.int64)
    gray = number ^ (number >> 1)
    found = np.zeros((count, dimensions), np.int64)
    for dimension in range(dimensions):
        for bit, direction in enumerate(_directions(dimension)[:max(count.bit_length(), 1)]):
            found[:, dimension] ^= np.where((gray >> bit) & 1, direction, 0)
    return found/2.0**BITS


def _directions(dimension: int) -> list[int]:
    """Return the direction numbers of a dimension, from 0, as integers of so many bits."""
    if not dimension:
        return [1 << (BITS - 1 - bit) for bit in range(BITS)]
    polynomial, *first = DIRECTIONS[dimension - 1]
    degree = len(first)
    numbers = list(first)
    for k in range(degree, BITS):
        new = numbers[k - degree] ^ (numbers[k - degree] << degree)
        for back in range(1, degree):
            if (polynomial >> (degree - back)) & 1:
                new ^= numbers[k - back] << back
        numbers.append(new)
    return [number << (BITS - 1 - bit) for bit, number in enumerate(numbers)]
