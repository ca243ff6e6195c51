"""What becomes of the results of a batch, and whether it is fitted block by block."""
from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

from gslfit.checks import truth
from gslfit.curves.batch_result import BatchResult
from gslfit.data.inputs import Inputs
from gslfit.data.stored import StoredCurves
from gslfit.errors import InputError
from gslfit.minimizer.options import FitOptions


class Keeping(NamedTuple):
    """What becomes of results.

    Attributes
    ----------
    out : path, mapping of str to array, or None
        Where they are written; None for memory.
    resume : bool
        Whether what is there is gone on with.
    keep_data : bool
        Whether a result refers to the data it was fitted to.
    """

    out: Any = None
    resume: bool = False
    keep_data: bool = True

    def checked(self) -> Keeping:
        """Return it with its types, or raise InputError."""
        if truth("resume", self.resume) and self.out is None:
            raise InputError("resume=True goes on with what out= holds, and there is no out=")
        return self._replace(keep_data=truth("keep_data", self.keep_data))


IN_MEMORY = Keeping()


def by_blocks(given: Inputs, options: FitOptions, keeping: Keeping) -> bool:
    """Return whether a batch is fitted block by block."""
    if keeping.out is not None or options.on_interrupt != "raise":
        return True
    if type(given.y) is StoredCurves or type(given.mask) is StoredCurves:
        return True
    return given.factors is not None and type(given.factors.array) is StoredCurves


def without_data(result: BatchResult, keeping: Keeping) -> BatchResult:
    """Return a result, without the data unless they are to be kept."""
    return result if keeping.keep_data else replace(result, data=result.data.without_curves())
