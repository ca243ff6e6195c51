"""What is kept of earlier calls, so that the same need not be made twice: dicts that never grow beyond a bound."""
from __future__ import annotations

from typing import Any, TypeVar

import numpy as np

MOST = 64       # entries

Key = TypeVar("Key")
Value = TypeVar("Value")


class Memory(dict[Key, Value]):
    """A dict of at most `MOST` entries: a full one is emptied before another entry is added.

    Examples
    --------
    >>> memory = Memory()
    >>> for number in range(1000):
    ...     memory[number] = str(number)
    >>> len(memory) <= MOST, memory[999]
    (True, '999')
    """

    def __setitem__(self, key: Key, value: Value) -> None:
        if len(self) >= MOST and key not in self:
            self.clear()
        super().__setitem__(key, value)


Made = tuple[Memory[Any, Any], Memory[Any, Any], Memory[Any, Any]]
"""What was made of a formula before: by `gslfit.formula.parametrize`, programs, graphs after the passes."""


def key_of(values: dict[str, Any]) -> tuple[tuple[str, Any], ...]:
    """Return a key for what a formula is made with: of an array all that it holds, of anything else its repr."""
    return tuple(sorted((name, _content(value)) for name, value in values.items()))


def _content(value: Any) -> str:
    """Return what tells a value from others, as text; NumPy shortens the repr of a long array."""
    if isinstance(value, np.ndarray) and value.dtype.kind != "O":
        return f"{value.dtype.str}{value.shape}{value.tobytes()!r}"
    return repr(value)
