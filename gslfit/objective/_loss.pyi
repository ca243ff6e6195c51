import numpy as np
from numpy.typing import ArrayLike

NUMBERS: dict[str, int]
BOUNDED: tuple[str, ...]
STEP: int
BENT: int
ERRORS: int
SIGHT: int
COUNTED: float
SEEN: float

def length(a: ArrayLike) -> float: ...
def explains_nothing(loss: str, scale: float, cost: float, count: float, parameters: float) -> bool: ...
def rows(loss: str, kind: int, values: ArrayLike, y: ArrayLike | None = None, weights: ArrayLike | None = None,
         scale: float = 1.0) -> tuple[np.ndarray, np.ndarray, float]: ...
