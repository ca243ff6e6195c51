from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from typing_extensions import disjoint_base

from gslfit.errors import FitStatus
from gslfit.formula._program import Program

SIDE_BY_SIDE: int
HELD: int
SILENT: int
CLOSE: float
NEGLIGIBLE: float
FALLEN: float
LOWER: float
BESIDE: float
ROUNDING: float
ZEROS: float
LEAST_CURVATURE: float

def interior(start: np.ndarray, low: np.ndarray, high: np.ndarray, inside: float, beside: float) -> np.ndarray: ...
def steps_inside(given: np.ndarray, start: np.ndarray, residuals: np.ndarray, columns: np.ndarray, share: float,
                 alike: float) -> np.ndarray: ...
def last_digits(step: np.ndarray, x: np.ndarray) -> np.ndarray: ...
def is_even(columns: np.ndarray, sizes: np.ndarray, lengths: np.ndarray) -> np.ndarray: ...
def places_beside(x: np.ndarray, reach: np.ndarray, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]: ...
def bends(lengths: np.ndarray, beside: np.ndarray, roundings: np.ndarray) -> np.ndarray: ...

@disjoint_base
class Rows:
    count: int
    size: int
    def __init__(self, code: Program, y: np.ndarray, x: Sequence[np.ndarray], weights: np.ndarray | None = None,
                 loss: int = 0, response: np.ndarray | None = None) -> None: ...
    def __reduce__(self) -> tuple[Any, ...]: ...
    def sums(self, v: np.ndarray, inputs: np.ndarray, cost: np.ndarray, g: np.ndarray, H: np.ndarray, *, first: int = 0,
             last: int | None = None, scale: np.ndarray | None = None, least: float = 0.0, squared: np.ndarray | None = None) -> None: ...

def judge(x: np.ndarray, start: np.ndarray, norms: np.ndarray, first_norms: np.ndarray, slopes: np.ndarray, bounds: np.ndarray, *,
          residual: float, first_residual: float, scale: float, linear: bool,
          cosine_and_rank: Callable[[np.ndarray], tuple[float, int]], looked: bool = False,
          bent: np.ndarray | None = None) -> tuple[FitStatus, np.ndarray]: ...
