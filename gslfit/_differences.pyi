from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from typing_extensions import disjoint_base

def length(a: NDArray[np.float64]) -> float: ...

@disjoint_base
class Differences:
    fun: Callable[[NDArray[np.float64]], NDArray[np.float64]]
    norms: NDArray[np.float64]
    lengths: NDArray[np.float64]
    bends: NDArray[np.float64]
    precision: float
    unit: float
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]
    def __init__(self, fun: Callable[[NDArray[np.float64]], NDArray[np.float64]], lower: NDArray[np.float64],
                 upper: NDArray[np.float64], precision: float = ..., unit: float = ...) -> None: ...
    def forward(self, x: NDArray[np.float64], r: NDArray[np.float64]) -> NDArray[np.float64]: ...
    def central(self, x: NDArray[np.float64], r: NDArray[np.float64]) -> NDArray[np.float64]: ...
