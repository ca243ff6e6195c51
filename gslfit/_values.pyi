from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import disjoint_base

@disjoint_base
class Slots:
    name: str | None
    stderr: float | None
    correl: dict[str, float] | None
    init_value: float | None
    brute_step: float | None
    user_data: Any
    _owner: Callable[[], Any]
    _vary: bool
    _expr: str | None
    _min: float | None
    _max: float | None
    @property
    def value(self) -> Any: ...
    @value.setter
    def value(self, value: Any) -> None: ...
    @property
    def _value(self) -> Any: ...
    @_value.setter
    def _value(self, value: Any) -> None: ...
    def _forget(self) -> None: ...
    def _waits(self) -> bool: ...
    def _take(self, other: Slots) -> None: ...

@disjoint_base
class Values:
    params: Any
    names: tuple[str, ...]
    start: NDArray[np.float64]
    _space: dict[str, Any]
    _chain: list[Any]
    _free: list[Any]
    def __init__(self, params: Any) -> None: ...
    def put(self, v: NDArray[np.float64]) -> None: ...
    def put_external(self, values: Sequence[float] | NDArray[np.float64]) -> None: ...
    def external(self, v: NDArray[np.float64]) -> NDArray[np.float64]: ...
    def internal(self, values: Sequence[float] | NDArray[np.float64]) -> NDArray[np.float64]: ...
    def slopes(self, v: NDArray[np.float64]) -> NDArray[np.float64]: ...
    def bounds(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]: ...
    def _restore(self) -> None: ...

@disjoint_base
class Evaluation:
    function: Callable[..., Any]
    free: Any
    name: str
    args: tuple[Any, ...]
    kws: dict[str, Any]
    iter_cb: Callable[..., Any] | None
    nfev: int
    size: int
    full: int
    scale: float
    precision: float
    limit: float
    _keep: NDArray[np.bool_] | None
    def __init__(self, function: Callable[..., Any], free: Any, args: tuple[Any, ...], kws: dict[str, Any],
                 iter_cb: Callable[..., Any] | None, limit: float) -> None: ...
    def __call__(self, x: NDArray[np.float64]) -> NDArray[np.float64]: ...
    def _evaluate(self, x: NDArray[np.float64]) -> Any: ...
    def _easy(self, out: Any, tiny: float, huge: float) -> NDArray[np.float64] | None: ...
