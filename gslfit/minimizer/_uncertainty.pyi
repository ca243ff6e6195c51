import numpy as np
from numpy.typing import ArrayLike, NDArray
from typing_extensions import disjoint_base

def covariance(errors: ArrayLike, correlations: ArrayLike) -> NDArray[np.float64]: ...
@disjoint_base
class Errors:
    sigma: NDArray[np.float64]
    unit: NDArray[np.float64]
    held: tuple[int, ...]
    def __init__(self, factors: NDArray[np.float64], norms: NDArray[np.float64], factor: float, without: tuple[int, ...],
                 held: tuple[int, ...]) -> None: ...
    @property
    def covar(self) -> NDArray[np.float64]: ...
    @property
    def correl(self) -> NDArray[np.float64]: ...
    @property
    def complete(self) -> bool: ...
