"""`fit_groups`: a table of pandas or polars with a row for each point, and a column that says which fit it belongs to."""
from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np

from gslfit.checks import is_sequence, shown
from gslfit.curves.batch_result import BatchResult
from gslfit.curves.job import FormulaLike
from gslfit.data.labels import Groups, Labels, labels_of, paired
from gslfit.data.numbers import Reading, read
from gslfit.data.points import as_mask, union
from gslfit.errors import InputError, InputTypeError
from gslfit.integrations.variables import fit_model_or_formula, independent_of
from gslfit.models.model import Model
from gslfit.parameters.collection import Parameters
from gslfit.records import Record

UNEVEN = 50                 # times the table's rows that the curves may need, filled up to the longest
BESIDE = ("yerr", "weights", "mask")        # columns beside the data


def fit_groups(df: Any, by: Hashable | Sequence[Hashable], x: Hashable | Sequence[Hashable] | Mapping[str, Hashable], y: Hashable,
               model: Model | FormulaLike, params: Parameters | None = None, **options: Any) -> BatchResult:
    """Fit each group of the rows of a table.

    Parameters
    ----------
    df : DataFrame of pandas or polars
        With a row for each point.
    by : label or list of labels
        The columns by which rows are one fit. The groups are in the order of their values.
    x : label, list of labels, or mapping of str to label
        The columns of the independent variables: of their own names, or a mapping of variables to columns. A single column of another
        name is the model's only variable, or ``x`` of a text.
    y : label
        The column of the data.
    model : Model, Formula, str or callable
    params : Parameters, optional
    **options
        As `fit_batch` takes them, but ``axis``. ``yerr``, ``weights`` and ``mask`` are columns too, by name, or arrays with a number for
        each row. A Series is paired by its labels: of rows with the table's, of starts, bounds, priors and the like with the groups'.

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
    if "axis" in options:
        raise InputError("axis= is no option of fit_groups: the points of a fit are the rows of its group")
    names, (of_data, *others) = _names(df, "by", by), _names(df, "y", y)
    if isinstance(x, Mapping):
        chosen = dict(x)
    else:
        labels = {str(name): name for name in _names(df, "x", x)}
        chosen = {variable: labels[name] for variable, name in independent_of(model, list(labels)).items()}
    _check(df, {"by": names, "x": list(chosen.values()), "y": [of_data],
                **{name: [options[name]] for name in BESIDE if isinstance(options.get(name), str)}})
    if others:
        raise InputError(f"y is {shown(y)}: one column holds the data of all fits")
    groups, which = _groups(df, names)
    rows = Rows(which, len(groups.keys))
    data = rows.curves(_column(df, of_data))
    given = {name: rows.curves(_column(df, column)) for name, column in chosen.items()}
    hidden: list[np.ndarray] = [] if rows.fill is None else [rows.fill]
    table = _Table(df, rows, isinstance(model, Model), hidden)
    beside = {name: table.beside(name, options.pop(name)) for name in BESIDE if options.get(name) is not None}
    if hidden:
        beside["mask"] = union(rows.shape, [*hidden, *([beside["mask"]] if "mask" in beside else [])])
    result = fit_model_or_formula(model, groups.labelled(data), params, given, {**options, **beside})
    result.data.labels = Labels((0, 1), {}, groups)
    return result


def _names(df: Any, argument: str, given: Any) -> list[Any]:
    """Return the labels of columns that an argument holds: one, or several."""
    alone = not is_sequence(given) or (isinstance(given, Hashable) and given in list(df.columns))
    wanted = [given] if alone else list(given)
    if not wanted or not all(isinstance(name, Hashable) for name in wanted):
        raise InputTypeError(f"{argument} is {shown(given)}: the name of a column of df is needed, or a list of such")
    return wanted


def _check(df: Any, columns: Mapping[str, Sequence[Any]]) -> None:
    """Raise InputError for a column that isn't there, or is there twice, by the argument that names it."""
    known = list(df.columns)
    for argument, names in columns.items():
        for name in names:
            if name not in known:
                raise InputError(f"{argument}: there is no column {shown(name)}; there are {', '.join(map(str, known))}")
            if known.count(name) > 1:
                raise InputError(f"{argument}: df has {known.count(name)} columns {name!r}, and one is needed")


def _column(df: Any, name: Any) -> np.ndarray:
    """Return the numbers of a column; NaN where one is missing."""
    return read(str(name), df[name]).array


class _Table(Record):
    """What comes beside the data of a table.

    Attributes
    ----------
    df : DataFrame
    rows : Rows
    by_label : bool
        Whether labels of rows that differ from those of the table are looked up; else they are an error.
    hidden : list of ndarray of bool
        Points that take no part: what is masked is added.
    """

    df: Any
    rows: Rows
    by_label: bool
    hidden: list[np.ndarray]

    def beside(self, name: str, value: Any) -> Any:
        """Return a column, or an array with a number for each row in the order of the table's labels, as curves."""
        reading = read(name, self.df[value] if isinstance(value, str) else value)
        array = as_mask(reading.array, reading.array.shape) if name == "mask" else reading.array
        if array.ndim == 0:
            return array
        array = self._turned(name, array, reading)
        if array.shape != self.rows.which.shape:
            raise InputError(f"{name} has the shape {array.shape}, and the table {self.rows.which.size} rows")
        if reading.mask is not None:
            self.hidden.append(self.rows.curves(self._turned(name, reading.mask, reading)))
        return self.rows.curves(array)

    def _turned(self, name: str, array: np.ndarray, reading: Reading) -> np.ndarray:
        return paired(name, array, reading.labels, "df", labels_of(self.df), by_label=self.by_label) if array.ndim == 1 else array


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
    try:
        return _by_pandas(df, by, sort=True)
    except TypeError:           # values of several types have no order: that in which they come
        return _by_pandas(df, by, sort=False)


def _by_pandas(df: Any, by: list[Any], sort: bool) -> tuple[Groups, np.ndarray]:
    grouped = df.groupby(by if len(by) > 1 else by[0], sort=sort, observed=True)
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
