from collections.abc import Callable
from typing import Any, NamedTuple

from numpy import float64
from numpy.typing import ArrayLike, NDArray
from typing_extensions import disjoint_base

MOST_STEPS: int
SAMPLES: int

class AnnealResult(NamedTuple):
    x: NDArray[float64]
    cost: float
    nfev: int

@disjoint_base
class Walk:
    def __new__(cls, p: int) -> Walk: ...

def anneal(cost: Callable[[NDArray[float64]], Any], x0: ArrayLike, scale: ArrayLike, lower: ArrayLike | None = None,
           upper: ArrayLike | None = None, *, iters_fixed_T: int | None = None, step_size: float = 1.0, k: float = 1.0,
           t_initial: float | None = None, mu_t: float = 1.1, t_min: float | None = None, seed: int = 0,
           max_nfev: int = 0) -> AnnealResult: ...
