"""Sums of any number of peaks of one shape on a background, as one model with one program and a guess."""
from __future__ import annotations

from functools import reduce
from typing import Any

from gslfit.errors import InputError
from gslfit.models.guess.matching_pursuit import FAMILIES
from gslfit.models.library.classes import CLASSES, ENTRIES
from gslfit.models.model import Model

BACKGROUNDS = {"constant": "ConstantModel", "line": "LinearModel", "parabola": "QuadraticModel"}
MOST = 64


def sum_of_peaks(shape: str | type[Model] = "GaussianModel", count: int = 2, background: str | None = "constant", prefix: str = "p",
                 **options: Any) -> Model:
    """Return a sum of peaks on a background.

    Parameters
    ----------
    shape : str or class
        A class of the library, or its name, with "Model" or without: "Gaussian", "Lorentzian", "Voigt", "PseudoVoigt", "Moffat", ...
    count : int
        How many peaks, 1 to 64.
    background : {"constant", "line", "parabola"} or None
        Its parameters have the prefix ``bg_``.
    prefix : str
        The peaks' parameters are ``p1_center``, ``p2_center``, ...
    **options
        As the shape's class takes them: ``form``, hints by the name of a parameter, the same for each peak.

    Returns
    -------
    Model
        It compiles as one program. Its `guess`, which `fit` and `fit_batch` use where no start is given, finds peaks one after the other
        and each again beside the others, and numbers them from left to right.

    Raises
    ------
    InputError
        If there is no such shape, background or count.

    Examples
    --------
    >>> import numpy as np
    >>> from gslfit.models import sum_of_peaks
    >>> x = np.linspace(0, 30, 301)
    >>> y = sum(4/(1 + (x - center)**2) for center in (5, 12, 16, 24)) + 0.5
    >>> result = sum_of_peaks("Lorentzian", 4).fit(y, x=x)
    >>> [round(result.best_values[f"p{k}_center"], 3) for k in (1, 2, 3, 4)]
    [5.0, 12.0, 16.0, 24.0]
    """
    name = shape if isinstance(shape, str) else getattr(shape, "__name__", "")
    known = {entry.cls.lower(): CLASSES[entry.cls] for entry in ENTRIES.values() if entry.guess in FAMILIES}
    found = known.get(name.lower()) or known.get(name.lower().replace("_", "") + "model")
    if found is None:
        raise InputError(f"shape={shape!r} is no peak of the library; there are {', '.join(cls.__name__ for cls in known.values())}")
    if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= MOST:
        raise InputError(f"count={count!r} is not a whole number from 1 to {MOST}")
    if background is not None and background not in BACKGROUNDS:
        raise InputError(f"background={background!r} is not one of {', '.join(BACKGROUNDS)}, or None")
    parts: list[Any] = [found(prefix=f"{prefix}{k}_", **options) for k in range(1, count + 1)]
    if background is not None:
        parts.append(CLASSES[BACKGROUNDS[background]](prefix="bg_"))      # type: ignore[call-arg]
    return reduce(lambda left, right: left + right, parts)
