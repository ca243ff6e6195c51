"""Start values of composites: sums of peaks, steps, ramps and decays of the library on constants, lines and parabolas."""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from gslfit.errors import NoGuessError
from gslfit.models.guess.curves import of_unit, ordered, seen
from gslfit.models.guess.estimators import plan_for
from gslfit.models.guess.matching_pursuit import FAMILIES, MOST_POINTS, find
from gslfit.models.guess.mixtures import Mixture, find_mixtures, fits_in, with_sharp_edges
from gslfit.models.guess.sharp_edges import SharpEdges
from gslfit.models.guess.straight_sides import with_straight_sides
from gslfit.models.guess.windows import windows_of
from gslfit.models.guess.within_bounds import limits, settled

FREE = (-np.inf, np.inf)
BACKGROUNDS = {"constant": ("c",), "line": ("slope", "intercept"), "parabola": ("a", "b", "c")}


def guess_sum(model: Any, parts: Sequence[Any], data: Any, x: Any, values: Mapping[str, Any], widest: float = 0.25) -> list[Any]:
    """Guess a composite: a sum of peaks, steps, ramps and decays on constants, lines or parabolas; the best start first.

    Raises
    ------
    NoGuessError
        If a part is none of these.
    """
    y = np.asarray(data)
    shape = y.shape[:-1]
    curves, size = of_unit(ordered(x, y, MOST_POINTS))
    peaks = [part for part in parts if getattr(part, "entry", None) and part.entry.guess in FAMILIES]
    grounds = [part for part in parts if getattr(part, "entry", None) and part.entry.guess in BACKGROUNDS]
    others = [(part, plan_for(part) if hasattr(part, "entry") else None) for part in parts if part not in peaks and part not in grounds]
    strange = [part for part, recipe in others if not fits_in(part, recipe)]
    if strange or not (peaks or others):
        what = strange[0]._reprstring() if strange else "no other part"
        raise NoGuessError(f"a sum is guessed of peaks, steps and decays on constants, lines and parabolas, and there is {what}: give "
                           "start values")
    columns, owners = _columns(grounds, curves.x)
    boxes = [_bounds_of(model, part) for part in peaks]
    bounds = [box.get("amplitude", FREE) for box in boxes]
    windows = windows_of([box.get("center", FREE) for box in boxes],
                         [_of_width(part, box.get("sigma", FREE)) for part, box in zip(peaks, boxes, strict=True)])
    sign = 1.0 if all(low >= 0 for low, _ in bounds) else -1.0 if all(high <= 0 for _, high in bounds) else 0.0
    unit = _unit_of(peaks[0], curves.x) if peaks else None
    if others:
        parts = [(part, recipe, _bounds_of(model, part)) for part, recipe in others if recipe]
        mixtures = find_mixtures(curves, columns, unit, len(peaks), parts, sign, widest, windows)
        mixtures = with_sharp_edges(with_straight_sides(mixtures, curves, columns, unit, parts), curves, columns, parts)
    else:
        assert unit is not None
        *chosen, rest = find(curves, columns, unit, len(peaks), sign, widest, windows)
        mixtures = [Mixture((chosen[0], chosen[1], chosen[2]), [], rest)]
    starts = []
    for mixture in mixtures:
        found = _of_peaks(peaks, mixture, size)
        for (part, _), own in zip(others, mixture.parts, strict=True):
            found |= {part._prefix + name: seen(value, value, 1.0)*size[:, 0] if name == "amplitude" else value
                      for name, value in own.items()}
        if len(columns):
            heights = np.linalg.lstsq(columns.T, mixture.rest.T, rcond=None)[0]
            found |= zip(owners, seen(heights, heights*np.abs(columns).max(axis=1)[:, None], 1.0)*size[:, 0], strict=True)
        starts.append(settled(model, {name: value.reshape(shape) for name, value in found.items()}, values, shape))
    return starts


def has_sharp_edges(part: Any) -> bool:
    """Return whether a part of a sum may have edges that no point sees."""
    recipe = plan_for(part) if hasattr(part, "entry") else None
    return recipe is not None and isinstance(recipe.beside, SharpEdges) and fits_in(part, recipe)


def _bounds_of(model: Any, part: Any) -> dict[str, tuple[float, float]]:
    """Return the bounds of a part's parameters, by hints of its own or of the sum."""
    found = limits(part)
    return found | {name[len(part._prefix):]: own for name, own in limits(model).items() if name.startswith(part._prefix)}


def _of_width(part: Any, sigma: tuple[float, float]) -> tuple[float, float]:
    """Return the bounds of a peak's half width by those of its sigma."""
    share = FAMILIES[part.entry.guess](np.ones(1))["sigma"].item()
    return sigma[0]/share, sigma[1]/share


def _of_peaks(peaks: Sequence[Any], mixture: Mixture, size: np.ndarray) -> dict[str, np.ndarray]:
    """Return the parameters of peaks by full name, of curves that were divided by `size` (fits, 1)."""
    found = {}
    centers, widths, heights = mixture.peaks
    heights = seen(heights, heights, 1.0)*size
    for k, part in enumerate(peaks):
        own, at = FAMILIES[part.entry.guess](widths[:, k]), centers[:, k]
        formula = part._definition.own
        own = {name: np.asarray(value) for name, value in own.items() if name in formula.names}
        amplitude = heights[:, k]/formula(at, amplitude=1.0, center=at, **own)
        for name, value in {"amplitude": amplitude, "center": at, **own}.items():
            found[part._prefix + name] = value
    return found


def _columns(grounds: Sequence[Any], x: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Return the background's columns and the parameters that they belong to; of two constants one stays at 0."""
    rows: list[np.ndarray] = []
    owners: list[str] = []
    for part in grounds:
        formula = part._definition.own
        for name in BACKGROUNDS[part.entry.guess]:
            column = formula(x, **{other: float(other == name) for other in formula.names})
            trial = np.array([*rows, column])
            if np.linalg.matrix_rank(trial/np.abs(trial).max(axis=1, keepdims=True)) == len(trial):
                rows.append(column)
                owners.append(part._prefix + name)
    return (np.array(rows) if rows else np.zeros((0, len(x)))), owners


def _unit(part: Any) -> Callable[..., np.ndarray]:
    """Return a part's peaks of height 1."""
    formula = part._definition.own

    def value(x: np.ndarray, center: np.ndarray, shape: Mapping[str, Any]) -> np.ndarray:
        own = {name: each for name, each in shape.items() if name in formula.names}
        return formula(x[None], amplitude=1.0, center=center, **own)/formula(center, amplitude=1.0, center=center, **own)
    return value


def _unit_of(part: Any, x: np.ndarray) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """Return peaks of height 1 by their places and half widths."""
    family, unit = FAMILIES[part.entry.guess], _unit(part)
    return lambda c, w: unit(x, c, family(w))
