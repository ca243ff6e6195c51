"""Which independent variable of a model a named coordinate, or a column of a table, is."""
from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from gslfit.curves.batch_result import BatchResult
from gslfit.curves.fit_batch import fit_batch
from gslfit.errors import InputError
from gslfit.formula.formula import Formula
from gslfit.models.model import Model

NOWHERE = "gslfit_nowhere"      # an independent variable that no formula has


def independent_of(model: Any, main: Sequence[str], further: Sequence[str] = (), given: Collection[str] = ()) -> dict[str, str]:
    """Return the independent variables of a model, and which column each is.

    A column is the variable of its own name; a single one of another name is the only variable, or ``x`` of a text.

    Parameters
    ----------
    model : Model, Formula, str or callable
    main, further : sequence of str
        The columns that are meant, and those that are taken where the model has their names.
    given : collection of str
        Names that need no column.

    Raises
    ------
    InputError
        If a variable has no column.
    """
    if isinstance(model, str):
        known = Formula(model, (NOWHERE,)).names
        variables = [name for name in main if name in known] or [name for name in further if name in known]
        if not variables and len(main) == 1 and "x" in known:
            variables = ["x"]
        if not variables:
            raise InputError(f"the formula {model!r} has no variable {' or '.join(map(repr, main))}: x={{'VARIABLE': ...}} says what its "
                             "variable is")
    else:
        formula = model if isinstance(model, (Model, Formula)) else Formula(model)
        variables = list(formula.independent_vars if isinstance(formula, Model) else formula.independent)
    found = {}
    for name in variables:
        if name in given:
            continue
        if name not in main and name not in further and not len(variables) == len(main) == 1:
            raise InputError(f"no values for the independent variable {name!r}: there are {', '.join([*main, *further])}")
        found[name] = name if name in main or name in further else main[0]
    return found


def fit_model_or_formula(model: Any, y: Any, params: Any, x: Mapping[str, Any], options: Mapping[str, Any]) -> BatchResult:
    """Fit a batch by `Model.fit_batch` or `fit_batch`, whichever the model is for."""
    if isinstance(model, Model):
        return model.fit_batch(y, params, x=x, **options)
    return fit_batch(model, y, params, x=x, **options)
