from collections.abc import Sequence
from typing import Any

import numpy as np

from gslfit.formula._program import Program

F8: np.dtype
I4: np.dtype
I1: np.dtype
KINDS: dict[str, int]
LEVELS: int
TURNS: int
STATUSES: dict[str, int]

def profiles(code: Program, y: np.ndarray, x: Sequence[np.ndarray], best: np.ndarray, rises: np.ndarray, which: np.ndarray, *,
             low: np.ndarray, high: np.ndarray, known: bool, straight: float, lower: float, beyond: float,
             weights: np.ndarray | None = None, errors: bool = False, mask: np.ndarray | None = None, omit: bool = False,
             inputs: Sequence[Any] = (), loss: int = 0, orders: np.ndarray | None = None,
             response: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray, int]: ...
def refits(code: Program, y: np.ndarray, x: Sequence[np.ndarray], v: np.ndarray, held: Sequence[int], *, low: np.ndarray,
           high: np.ndarray, enough: float, share: float, floor: float, weights: np.ndarray | None = None, inputs: Sequence[Any] = (),
           loss: int = 0) -> tuple[np.ndarray, np.ndarray]: ...
