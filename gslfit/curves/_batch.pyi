from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from typing_extensions import disjoint_base

from gslfit.formula._program import Program

METHODS: dict[str, int]
F8: np.dtype
I4: np.dtype
I1: np.dtype
KINDS: dict[str, int]
MOST_CORRELATED: int
NEGLIGIBLE: float
ROUNDING: float

def instruction_set(name: str | None = None) -> str: ...
@disjoint_base
class FitTransform:
    derived: int
    bounded: bool
    def __new__(cls, boxes: Sequence[tuple[float, float]], expressions: Sequence[Program] = (), *, inside: float,
                beside: float, share: float, alike: float, widest: float, wide: float, out: float) -> FitTransform: ...

def run(code: Program, y: np.ndarray, x: Sequence[np.ndarray], v: np.ndarray, *, chisqr: np.ndarray, nfev: np.ndarray, count: np.ndarray,
        status: np.ndarray, weights: np.ndarray | None = None, errors: bool = False, mask: np.ndarray | None = None,
        inputs: Sequence[np.ndarray] = (),
        method: str = "auto", xtol: float = 1e-8, ftol: float = 1e-8, gtol: float = 1e-8, max_nfev: int = 1000, omit: bool = False,
        threads: int = 1, variance: np.ndarray | None = None, covariance: np.ndarray | None = None, gradient: np.ndarray | None = None,
        progress: Callable[[int], Any] | None = None, transform: FitTransform | None = None, start: Sequence[np.ndarray] = (),
        scaled: bool = True, redchi: np.ndarray | None = None, derived: np.ndarray | None = None,
        derived_errors: np.ndarray | None = None, correlations: np.ndarray | None = None, reached: np.ndarray | None = None, loss: int = 0,
        scale: np.ndarray | None = None, cost: np.ndarray | None = None,
        boxes: Sequence[tuple[Any, Any]] | None = None, factor: np.ndarray | None = None,
        response: np.ndarray | None = None) -> None: ...
def median_residuals(code: Program, y: np.ndarray, x: Sequence[np.ndarray], v: np.ndarray, medians: np.ndarray, *,
                     weights: np.ndarray | None = None, errors: bool = False, mask: np.ndarray | None = None,
                     inputs: Sequence[np.ndarray] = (), omit: bool = False, response: np.ndarray | None = None) -> None: ...
def on_grid(code: Program, y: np.ndarray, x: Sequence[np.ndarray], weights: np.ndarray | None,
            mask: np.ndarray | None) -> tuple[np.ndarray, Any, np.ndarray | None, np.ndarray | None]: ...
def fit_many(code: Program, y: np.ndarray, x: Sequence[np.ndarray], weights: np.ndarray | None, start: ArrayLike,
             inputs: ArrayLike | None, *, method: str = "auto", xtol: float = 1e-8, ftol: float = 1e-8, gtol: float = 1e-8,
             max_nfev: int = 1000, covariance: bool = False, nan_policy: str = "mark", threads: int = 1,
             progress: Callable[[int], Any] | None = None) -> dict[str, np.ndarray]: ...
