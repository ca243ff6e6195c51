"""``--response FILE``: a measured response that the model is folded with."""
from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np

from gslfit.cli.arrays import is_array, open_array
from gslfit.cli.columns import read_numbers
from gslfit.cli.endings import FileRefused, Refused
from gslfit.errors import FitError, InputError
from gslfit.formula.response import OFF_GRID, even, spacing
from gslfit.parameters.parameter import is_name
from gslfit.records import Record

Read = TypeVar("Read")


class MeasuredResponse(Record):
    """A response as a file has it.

    Attributes
    ----------
    name : str
        The option's text.
    numbers : ndarray, shape (k,)
    step : float or None
        The spacing that the file's own first column has, where it has one.
    centre : int
    shift : str or None
    """

    name: str
    numbers: np.ndarray
    step: float | None
    centre: int
    shift: str | None

    def folded(self, model: Any, values: Mapping[str, Any]) -> Any:
        """Return a model that is folded with it over the points given by name.

        Raises
        ------
        Refused
            If it can't be; or the file's spacing is another one than that of the points.
        """
        from gslfit.models.fitting import folded_for
        try:
            found = folded_for(model, (self.numbers, self.centre, self.shift), values, None, None)
        except FitError as error:
            raise Refused(f"--response {self.name}: {error}") from None
        own = spacing(found.response.x)
        if self.step is not None and abs(self.step - own) > OFF_GRID*abs(own):
            raise Refused(f"--response {self.name} is measured in steps of {self.step:.6g}, and the data in steps of {own:.6g}: a response "
                          "on the spacing of the data is needed")
        return found


def _named(read: Callable[[], Read]) -> Read:
    """Return what a file holds; what is wrong with it is told of the option."""
    try:
        return read()
    except FileRefused as error:
        raise FileRefused(f"--response: {error}") from None


def _array(name: str) -> np.ndarray:
    """Return the numbers of a file of arrays."""
    numbers = _named(lambda: np.asarray(open_array(name)[...], float))
    if numbers.ndim != 1 or not np.isfinite(numbers).all():
        what = "a value is missing" if numbers.ndim == 1 else f"has the shape {numbers.shape}, and one axis is needed"
        raise FileRefused(f"--response {name}: {what}")
    return numbers


def read_response(name: str | None, centre: int, shift: str | None) -> MeasuredResponse | None:
    """Read a response: an array, a file's only column, the second one beside its own x, or FILE:COLUMN; None where none is asked for.

    Raises
    ------
    FileRefused
        If the file can't be used.
    Refused
        If there is no response to move.
    """
    if name is None:
        if centre or shift is not None:
            raise Refused(f"--response-{'centre' if shift is None else 'shift'} is given, and no --response")
        return None
    if shift is not None and not is_name(shift):
        raise Refused(f"--response-shift {shift}: the name of a parameter is needed")
    numbers, x = (_array(name), None) if is_array(name) else _named(lambda: read_numbers(name))
    if x is None:
        return MeasuredResponse(name, numbers, None, centre, shift)
    try:
        even("the first column", x)
    except InputError:
        raise FileRefused(f"--response {name}: its first column is not evenly spaced; FILE:COLUMN names the column of the "
                          "response") from None
    return MeasuredResponse(name, numbers, spacing(x) if x.size > 1 else None, centre, shift)
