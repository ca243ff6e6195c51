"""`fit_groups`: a table of pandas or polars with a row for each point, and a column that says which fit it belongs to."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gslfit.curves.batch_result import BatchResult
from gslfit.curves.job import FormulaLike
from gslfit.data.labels import Groups, Labels
from gslfit.data.numbers import read
from gslfit.errors import InputError, InputTypeError
from gslfit.integrations.variables import fit_model_or_formula, independent_of
from gslfit.models.model import Model
from gslfit.parameters.collection import Parameters

UNEVEN = 50                 # times the table's rows that the curves may need, filled up to the longest
BESIDE = ("yerr", "weights", "mask")        # columns beside the data


def fit_groups(df: Any, by: str | Sequence[str], x: str | Sequence[str] | Mapping[str, str], y: str, model: Model | FormulaLike,
               params: Parameters | None = None, **options: Any) -> BatchResult:
    """Fit each group of the rows of a table.

    Parameters
    ----------
    df : DataFrame of pandas or polars
        With a row for each point.
    by : str or list of str
        The columns by which rows are one fit. The groups are in the order of their values.
    x : str, list of str, or mapping of str to str
        The columns of the independent variables: of their own names, or a mapping of variables to columns. A single column of another
        name is the model's only variable, or ``x`` of a text.
    y : str
        The column of the data.
    model : Model, Formula, str or callable
    params : Parameters, optional
    **options
        As `fit_batch` takes them. ``yerr``, ``weights`` and ``mask`` are columns too, by name, or arrays with a number for each row.

    Returns
    -------
    BatchResult
        With a fit for each group; its `to_frame` has their values.

    Raises
    ------
    InputError
        If there is no such column, a row has no group, or groups differ too much in length.
    InputTypeError
        If `df` is no table.

    Examples
    --------
    >>> import pandas
    >>> t = np.tile(np.linspace(0, 5, 40), 2)
    >>> cell = np.repeat(["a", "b"], 40)
    >>> df = pandas.DataFrame({"cell": cell, "t": t, "counts": np.where(cell == "a", 2.0, 3.0)*np.exp(-t/1.5)})
    >>> fits = fit_groups(df, by="cell", x="t", y="counts", model="A*exp(-t/tau)", tau=1.0)
    >>> fits.to_frame().loc["b", "A"].round(6).item()
    3.0
    """
    df = df.collect() if hasattr(df, "collect") and hasattr(df, "collect_schema") else df       # of polars, lazy
    if not (hasattr(df, "columns") and hasattr(df, "__getitem__") and (hasattr(df, "groupby") or hasattr(df, "group_by"))):
        raise InputTypeError(f"df must be a DataFrame of pandas or polars, not {type(df).__name__}")
    names = [by] if isinstance(by, str) else list(by)
    if isinstance(x, Mapping):
        chosen = dict(x)
    else:
        columns = [x] if isinstance(x, str) else list(x)
        chosen = independent_of(model, columns)
    _check(df, [*names, *chosen.values(), y, *(options[name] for name in BESIDE if isinstance(options.get(name), str))])
    groups, which = _groups(df, names)
    rows = Rows(which, len(groups.keys))
    data = rows.curves(_column(df, y))
    given = {name: rows.curves(_column(df, column)) for name, column in chosen.items()}
    beside = {name: _beside(df, rows, name, options.pop(name)) for name in BESIDE if options.get(name) is not None}
    if rows.fill is not None:
        beside["mask"] = rows.fill if "mask" not in beside else rows.fill | beside["mask"]
    result = fit_model_or_formula(model, data, params, given, {**options, **beside})
    result.data.labels = Labels((0, 1), {}, groups)
    return result


def _check(df: Any, columns: Sequence[str]) -> None:
    """Raise InputError for a column that isn't there."""
    known = list(df.columns)
    for name in columns:
        if name not in known:
            raise InputError(f"there is no column {name!r}; there are {', '.join(map(str, known))}")


def _column(df: Any, name: str) -> np.ndarray:
    """Return the numbers of a column; NaN where one is missing."""
    return read(name, df[name]).array


def _beside(df: Any, rows: Rows, name: str, value: Any) -> Any:
    """Return what comes beside the data, as curves: of a column, or of an array with a number for each row."""
    array = read(name, df[value] if isinstance(value, str) else value).array
    if array.ndim == 0:
        return array
    if array.shape != rows.which.shape:
        raise InputError(f"{name} has the shape {array.shape}, and the table {rows.which.size} rows")
    return rows.curves(array)


def _groups(df: Any, by: list[str]) -> tuple[Groups, np.ndarray]:
    """Return the groups of a table, in order, and the number of each row's."""
    of_polars = not hasattr(df, "groupby")
    missing = [name for name in by if bool((df[name].is_null() if of_polars else df[name].isna()).any())]
    if missing:
        leave = f"drop_nulls([{missing[0]!r}])" if of_polars else f"dropna(subset=[{missing[0]!r}])"
        raise InputError(f"the column {missing[0]!r} has rows without a value, which belong to no fit: df.{leave} leaves them out")
    if of_polars:
        keys = df.select(by).unique().sort(by)
        numbered = keys.with_row_index("gslfit_group")
        which = df.select(by).join(numbered, on=by, how="left", maintain_order="left")["gslfit_group"].to_numpy()
        return Groups(keys), which.astype(np.int64)
    grouped = df.groupby(by if len(by) > 1 else by[0], sort=True, observed=True)
    return Groups(grouped.size().index), grouped.ngroup().to_numpy()


class Rows:
    """The rows of a table as curves of one length, filled up where a group has fewer.

    Parameters
    ----------
    which : ndarray of int
        The number of each row's group.
    count : int
        How many groups there are.

    Attributes
    ----------
    fill : ndarray of bool, shape (groups, n), or None
        True where there is no row; None where all groups are of one length.
    """

    def __init__(self, which: np.ndarray, count: int):
        self.which, sizes = which, np.bincount(which, minlength=count)
        self.shape = count, int(sizes.max(initial=0))
        if count*self.shape[1] > UNEVEN*max(which.size, 10_000):
            raise InputError(f"a group has {self.shape[1]} rows, and most far fewer ({which.size} in {count} groups): fit the long ones by "
                             "themselves")
        self.order = np.argsort(which, kind="stable")
        self.place = np.arange(which.size) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        self.fill = None if (sizes == self.shape[1]).all() else np.arange(self.shape[1]) >= sizes[:, None]
        self.last = np.cumsum(sizes) - 1

    def curves(self, column: np.ndarray) -> np.ndarray:
        """Return a column as curves, (groups, n), filled up with each group's last number."""
        ordered = column[self.order]
        found = np.empty(self.shape, column.dtype)
        found[...] = ordered[self.last][:, None]
        found[self.which[self.order], self.place] = ordered
        return found
