from collections.abc import Sequence

import numpy as np

from gslfit.formula._program import Program

def polish(code: Program, v: np.ndarray, x: Sequence[np.ndarray], y: np.ndarray | None = None, weights: np.ndarray | None = None,
           inputs: np.ndarray | None = None,
           residual: np.ndarray | None = None, most: int = 1000, loss: int = 0,
           scale: float = 1.0, factor: np.ndarray | None = None,
           start: np.ndarray | None = None) -> tuple[bool, np.ndarray, np.ndarray, float, int]: ...
