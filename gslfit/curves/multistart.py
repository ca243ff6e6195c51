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
EQUAL = 1e-9            # share by which a later start must end lower
TRIAL: dict[str, Any] = {"method": "lanes", "max_nfev": 400, "covar": False, "progress": False}
WHOLE: dict[str, Any] = {"covar": False, "progress": False}
Start = Mapping[str, Any]


def lowest(starts: Sequence[Start], fit: Callable[..., Any], whole: bool = False) -> dict[str, Any]:
    """Return the start of each curve from which its fit ended lowest.

    Parameters
    ----------
    starts : sequence of mappings of str to array_like, shape (...)
        Start values by name, those tried first the better ones.
    fit : callable
        ``fit(start, **options) -> BatchResult``, options as those of `gslfit.fit_batch`; and `idle`, where given, an array of bool: which
        curves need no fit.
    whole : bool
        Whether each is fitted with all that a fit does, but for errors, the last one first: of two that end as low it is the later one.

    Returns
    -------
    dict of str to ndarray, shape (...)
        The first start where no fit has a result.
    """
    best, least = dict(starts[0]), np.array(np.inf)
    tried = starts[::-1] if whole else starts
    for k, start in enumerate(tried):
        idle = _tried_later(start, tried[k + 1:]) if whole else np.array(False)
        if idle.all():
            continue
        result = fit(start, **(WHOLE if whole else TRIAL), **({"idle": idle} if idle.any() else {}))
        chisqr = np.where(np.isin(result.status, WITHOUT), np.inf, result.chisqr)
        better = chisqr < least*(1 - EQUAL)
        best = {name: np.where(better, value, best[name]) for name, value in start.items()}
        least = np.where(better, chisqr, least)
    return best


def _tried_later(start: Start, others: Sequence[Start]) -> np.ndarray:
    """Return for which curves another start is the same."""
    found = np.array(False)
    for other in others:
        same = [np.equal(value, other[name]) for name, value in start.items()]
        found = found | np.logical_and.reduce(np.broadcast_arrays(*same))
    return found
