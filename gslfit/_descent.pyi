from collections.abc import Callable
from typing import Any

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

@disjoint_base
class ScaledQR:
    n: int
    p: int
    rank: int
    norms: NDArray[np.float64]
    J: NDArray[np.float64]
    def __init__(self, J: NDArray[np.float64], tol: float = 1e-14, held: NDArray[np.bool_] | None = None) -> None: ...
    def step(self, r: NDArray[np.float64]) -> NDArray[np.float64]: ...
    def factors(self) -> NDArray[np.float64]: ...
    def undetermined(self, share: float = 1e-3) -> list[int]: ...
    def cosines(self, r: NDArray[np.float64]) -> NDArray[np.float64]: ...

@disjoint_base
class Point:
    problem: Any
    differences: Differences
    qr: ScaledQR
    first_norms: NDArray[np.float64] | None
    n: int
    p: int
    exact: bool
    bounded: bool
    finite: bool
    x: NDArray[np.float64]
    r: NDArray[np.float64]
    J: NDArray[np.float64]
    second: NDArray[np.float64]
    held: tuple[int, ...]
    centred_from_now: bool
    normalise: bool
    centred: bool
    h: float
    native: bool
    def __init__(self, problem: Any) -> None: ...
    def bind(self, n: int, p: int) -> Point: ...
    @property
    def address(self) -> int: ...
    def take(self) -> BaseException | None: ...
    def go_to(self, x: NDArray[np.float64], r: NDArray[np.float64], central: bool = True) -> None: ...
    def leave_bounds(self) -> None: ...
    def gradient(self) -> NDArray[np.float64]: ...
    def decompose(self) -> ScaledQR: ...
    def weak(self, share: float) -> list[int]: ...

@disjoint_base
class Polish(Point):
    def near(self) -> bool: ...
    def polish(self) -> bool: ...
    def norm(self) -> float: ...
    def rounding(self) -> float: ...
