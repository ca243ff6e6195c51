"""Which independent variable of a model a column of a table, or a named coordinate, is."""
from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from gslfit.checks import as_name
from gslfit.curves.batch_result import BatchResult
from gslfit.curves.fit_batch import fit_batch
from gslfit.curves.job import names_in
from gslfit.errors import InputError
from gslfit.formula.formula import Formula
from gslfit.models.model import Model

PLAIN = "x"                 # the variable of a text that has none of the columns' names
Columns = Sequence[tuple[str | None, Sequence[str]]]


def variables_of(model: Any, columns: Columns, in_order: bool = True, taken: Collection[str] = ()) -> list[str | None]:
    """Return which independent variable each column is; None for a column that is none.

    It is the one that the caller says, else one of the column's names if the model has it. Of those without, a single one is ``x`` of a
    text, or the only variable left of a model; several are a model's variables in their order.

    Parameters
    ----------
    model : Model, Formula, str or callable
    columns : sequence of (str or None, sequence of str)
        What the caller says that a column is called, and its own names.
    in_order : bool
        Whether several columns of other names are a model's variables in their order.
    taken : collection of str
        Variables that have their numbers elsewhere.

    Examples
    --------
    >>> variables_of("A*exp(-t/tau)", [(None, ["time", "t"])]), variables_of("a + b*x", [(None, ["time"])])
    (['t'], ['x'])
    >>> variables_of("a + b*u", [("u", ["time"])]), variables_of("a + b*u", [(None, ["time"])])
    (['u'], [None])
    """
    text = isinstance(model, str)
    known = names_in(model) if text else model.independent_vars if isinstance(model, Model) else _formula(model).independent
    found = [as_name(given) or next((read for read in map(as_name, names) if read in known), None) for given, names in columns]
    blank = [place for place, name in enumerate(found) if name is None]
    left = [name for name in ((PLAIN,) if text else known) if name in known and name not in found and name not in taken]
    if len(blank) == len(left) and (len(blank) == 1 or in_order):
        for place, name in zip(blank, left, strict=True):
            found[place] = name
    return found


def _formula(model: Any) -> Formula:
    return model if isinstance(model, Formula) else Formula(model)


def independent_of(model: Any, main: Sequence[str], further: Sequence[str] = (), given: Collection[str] = (),
                   in_order: bool = True) -> dict[str, str]:
    """Return the independent variables of a model, and which column each is.

    Parameters
    ----------
    model : Model, Formula, str or callable
    main, further : sequence of str
        The columns that are meant, and those that are taken where the model has their names.
    given : collection of str
        Names that need no column.
    in_order : bool
        As `variables_of` takes it.

    Raises
    ------
    InputError
        If a variable has no column.
    """
    places = variables_of(model, [(None, [name]) for name in main], in_order, {*further, *given})
    found = {variable: name for variable, name in zip(places, main, strict=True) if variable is not None}
    if isinstance(model, str):
        known = names_in(model)
        found = found or {as_name(name): name for name in further if as_name(name) in known}
        if not found:
            raise InputError(f"the formula {model!r} has no variable {' or '.join(map(repr, main))}: x={{'VARIABLE': ...}} says what its "
                             "variable is")
        return {variable: name for variable, name in found.items() if variable not in given}
    variables = model.independent_vars if isinstance(model, Model) else _formula(model).independent
    found |= {read: name for name in further if (read := as_name(name)) in variables and read not in found}
    absent = [name for name in variables if name not in found and name not in given]
    if absent:
        raise InputError(f"no values for the independent variable {absent[0]!r}: there are {', '.join([*main, *further])}")
    return {name: found[name] for name in variables if name not in given}


def fit_model_or_formula(model: Any, y: Any, params: Any, x: Mapping[str, Any], options: Mapping[str, Any]) -> BatchResult:
    """Fit a batch by `Model.fit_batch` or `fit_batch`, whichever the model is for."""
    if isinstance(model, Model):
        return model.fit_batch(y, params, x=x, **options)
    return fit_batch(model, y, params, x=x, **options)
