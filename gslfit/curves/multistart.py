"""Which of several starts leads lowest: each is fitted in the lanes, and that whose fit ended lowest is the start of the real one.

For models whose chi-square has several minima, or a valley without end, a guess is not one start but the best of each family of shapes
(`families` of `gslfit.models.guess.shapes.GuessRecipe`). This costs as many fits as there are families, without errors and without a
second look by GSL.
"""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from gslfit.errors import FitStatus

WITHOUT = (FitStatus.NOT_RUN, FitStatus.BAD_DATA, FitStatus.TOO_FEW_POINTS)     # endings without a result
TRIAL: dict[str, Any] = {"method": "lanes", "max_nfev": 400, "covar": False, "progress": False}
Start = Mapping[str, Any]


def lowest(starts: Sequence[Start], fit: Callable[..., Any]) -> dict[str, Any]:
    """Return the start of each curve from which its fit ended lowest.

    Parameters
    ----------
    starts : sequence of mappings of str to array_like, shape (...)
        Start values by name, those tried first the better ones.
    fit : callable
        ``fit(start, **options) -> BatchResult``, options as those of `gslfit.fit_batch`.

    Returns
    -------
    dict of str to ndarray, shape (...)
        The first start where no fit has a result.
    """
    best, least = dict(starts[0]), np.array(np.inf)
    for start in starts:
        result = fit(start, **TRIAL)
        chisqr = np.where(np.isin(result.status, WITHOUT), np.inf, result.chisqr)
        better = chisqr < least
        best = {name: np.where(better, value, best[name]) for name, value in start.items()}
        least = np.where(better, chisqr, least)
    return best
