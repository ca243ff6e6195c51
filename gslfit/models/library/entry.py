"""What the library of models is made of: one `Entry` per model."""
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gslfit.records import Record


class Entry(Record):
    """One model of the library.

    Attributes
    ----------
    cls : str
        The name of its class.
    name : str
        What it is called in reports and files.
    formula : str or mapping of str to str
        The formula; where the model has several forms, one for each, the default first.
    defaults : mapping of str to float or str
        Its parameters in order with their values; a text is the expression that a parameter has unless it is freed.
    hints : mapping of str to mapping
        Bounds and start values.
    derived : mapping of str to str
        Expressions of further parameters, such as a peak's width.
    guess : str
        The estimator of `gslfit.models.guess`.
    kind : str
        "peak", "decay", "step", "oscillation", "growth", "line", "distribution" or "image".
    independent : tuple of str
    about : str
        One sentence.
    reference : str
    slow : str
        Why it is not compiled; empty if it is.
    """

    cls: str
    name: str
    formula: str | Mapping[str, str]
    defaults: Mapping[str, float | str | None]
    hints: Mapping[str, Mapping[str, Any]]
    derived: Mapping[str, str]
    guess: str
    kind: str
    about: str
    reference: str = ""
    independent: tuple[str, ...] = ("x",)
    slow: str = ""

    @property
    def forms(self) -> tuple[str, ...]:
        """The names of its forms; none if it has but one."""
        return () if isinstance(self.formula, str) else tuple(self.formula)

    def text(self, form: str | None = None) -> str:
        """Return the formula of a form."""
        if isinstance(self.formula, str):
            return self.formula
        return self.formula[form or self.forms[0]]
