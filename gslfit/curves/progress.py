"""The count of fits done, for a caller who asked for it: a bar, or a function."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gslfit.checks import shown
from gslfit.errors import InputError


class Interrupted(KeyboardInterrupt):
    """The end of a batch by Ctrl-C where ``on_interrupt="partial"``: its result is what was done until then.

    Parameters
    ----------
    result : BatchResult
        Fits that have not run have that status, and NaN.
    """

    def __init__(self, result: Any):
        super().__init__()
        self.result = result


class Progress:
    """The receiver of the number of fits done: nothing, a bar, or the caller's function.

    Parameters
    ----------
    wanted : bool or callable
    total : int
        How many fits there are.

    Raises
    ------
    InputError
        If it is neither True, False nor a function, or there is no bar to show.
    """

    def __init__(self, wanted: Any, total: int):
        if not (wanted is None or isinstance(wanted, (bool, np.bool_)) or callable(wanted)):
            raise InputError(f"progress must be True, False or a function of the number of fits done, not {shown(wanted)}")
        self.bar: Any = None
        self.total, self.told = total, 0
        self.function: Callable[[int], Any] | None = wanted if callable(wanted) else None
        if wanted is not None and self.function is None and wanted:
            try:
                from tqdm.auto import tqdm
            except ImportError:
                raise InputError("progress=True shows a bar of tqdm, which is not installed; progress may also be a function") from None
            self.bar, self.function = tqdm, self._move

    def __enter__(self) -> Progress:
        if self.bar is not None:
            self.bar = self.bar(total=self.total, unit="fit")
        return self

    def _move(self, count: int) -> None:
        self.bar.update(count - self.bar.n)

    def __exit__(self, *error: Any) -> None:
        if self.bar is not None:
            self.bar.close()

    def beyond(self, done: int) -> Callable[[int], Any] | None:
        """Return the progress callback of a slice that begins after so many fits."""
        if self.function is None:
            return None
        return lambda count: self.tell(done + count)

    def tell(self, count: int) -> Any:
        """Tell the number of fits done."""
        assert self.function is not None
        self.told = count
        return self.function(count)

    def end(self) -> None:
        """Tell that all are done, where that has not been told."""
        if self.function is not None and self.told < self.total:
            self.tell(self.total)
