"""Long tables: a row for each point, and a column that says which fit it belongs to."""
from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np

from gslfit.cli.arrays import TABLES
from gslfit.cli.columns import Column, check_counts, check_errors, column_of, content_of, read_column
from gslfit.cli.endings import FileRefused
from gslfit.cli.table import read_table
from gslfit.data.writing import whole, write_npz
from gslfit.errors import InputError
from gslfit.records import Record


class Groups(Record):
    """Curves of a table.

    Attributes
    ----------
    by : str
        The column of the identity.
    names : list of str
        That of each curve, in the order in which they come in the file.
    data : ndarray, shape (curves, points of the longest)
    columns : list of (str or None, tuple of str, ndarray)
        The independent variables: the caller's name, the file's, the numbers.
    options : dict
        What else the fit takes: a mask where curves are shorter than the longest or a value is missing, errors.
    """

    by: str
    names: list[str]
    data: np.ndarray
    columns: list[Any]
    options: dict[str, Any]


def is_table(name: str) -> bool:
    """Return whether a file holds columns, by its name."""
    return name == "-" or Path(name).suffix.lower() in TABLES


def read_groups(name: str, x: Any, y: str | None, by: str | None, yerr: str | None, counts: bool = False) -> Groups:
    """Read a long table, its data being `counts` or not.

    Raises
    ------
    FileRefused
        If a column is not said, or can't be used; the message names the line.
    """
    table = read_table(*content_of(name))
    for option, said in (("--by", by), ("--x", x), ("--y", y)):
        if not said:
            raise FileRefused(f"{table.source} holds columns: {option} must say which, for a batch --by, --x and --y (it has "
                              f"{table.described()})")
    assert by is not None and y is not None
    wanted: list[Column] = [read_column(table, each) for each in x]
    columns = [*wanted, *(column_of(table, table.place(each)) for each in (y, yerr) if each is not None)]
    numbers = [column.numbers for column in columns]
    lacking = np.any([np.isnan(column) for column in numbers], axis=0)
    if yerr is not None:
        check_errors(table, columns[-1], ~lacking)
    if counts:
        check_counts(table.source, columns[len(wanted)], table.numbers, lacking)
    place = table.place(by)
    title, source = table.title(place), table.source
    cells = [cell.strip() for cell in table.cells(place)]
    order = {cell: number for number, cell in enumerate(dict.fromkeys(cells))}
    which = np.fromiter((order[cell] for cell in cells), np.int64, len(cells))
    del cells, table, columns
    from gslfit.integrations.frames import Rows
    try:
        rows = Rows(which, len(order))
    except InputError as error:
        raise FileRefused(f"{source}: {error}") from None
    curves = [rows.curves(column) for column in numbers]
    missing = np.any([np.isnan(curve) for curve in curves], axis=0)
    missing = missing if rows.fill is None else missing | rows.fill
    curves = [np.where(missing, 1.0, curve) for curve in curves] if missing.any() else curves
    options: dict[str, Any] = {"mask": missing} if missing.any() else {}
    if yerr is not None:
        options["yerr"] = curves[-1]
    data = curves[len(wanted)]
    variables = [(column.variable, column.names, curve) for column, curve in zip(wanted, curves, strict=False)]
    return Groups(title, list(order), data, variables, options)


def write_groups(out: str, groups: Groups, result: Any) -> None:
    """Write a table with a row for each fit: its identity, values, errors, statistics; or all arrays, as ``.npz``."""
    arrays = {name: array for name, array in result.to_dict().items() if name != "covar"}
    try:
        if Path(out).suffix.lower() == ".npz":
            write_npz(Path(out), {groups.by: np.array(groups.names), **arrays})
            return
        with whole(out, newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow([groups.by, *arrays])
            for row, name in enumerate(groups.names):
                writer.writerow([name, *(repr(array[row].item()) for array in arrays.values())])
    except OSError as error:
        raise FileRefused(f"{out} can't be written: {error.strerror}") from None
