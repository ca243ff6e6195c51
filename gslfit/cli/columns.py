"""From a file to the data of a fit: which columns are what, and which rows take part."""
from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gslfit.checks import as_name
from gslfit.cli.endings import FileRefused, Refused
from gslfit.cli.table import Table, read_table
from gslfit.records import Record

STANDARD_INPUT = "-"
SHOWN = 8               # lines that a message lists


class Column(Record):
    """A column: what the caller calls it in the formula, if at all, its names in the file, and its numbers."""

    variable: str | None
    title: str
    names: tuple[str, ...]
    numbers: np.ndarray


class Curve(Record):
    """The data of one fit.

    Attributes
    ----------
    source : str
        What messages call the file.
    x : list of Column
    y : Column
    yerr : Column or None
    notes : list of str
        What was left out, and how the file was read.
    left_out : int
        Rows of the file that hold a missing value.
    lines : ndarray of int
        The line of the file that each point stands in.
    """

    source: str
    x: list[Column]
    y: Column
    yerr: Column | None
    notes: list[str]
    left_out: int
    lines: np.ndarray

    def kept(self, rows: np.ndarray) -> Curve:
        """Return some of the points."""
        def part(column: Column) -> Column:
            return column._replace(numbers=column.numbers[rows])
        return self._replace(x=[part(each) for each in self.x], y=part(self.y), yerr=None if self.yerr is None else part(self.yerr),
                             lines=self.lines[rows])


def content_of(name: str) -> tuple[str, bytes]:
    """Return what messages call a file, and its bytes; ``-`` is standard input.

    Raises
    ------
    FileRefused
        If it can't be read.
    """
    if name == STANDARD_INPUT:
        return "standard input", sys.stdin.buffer.read()
    try:
        return name, Path(name).read_bytes()
    except (OSError, ValueError) as error:
        formula = "; a formula is told by --model" if isinstance(error, FileNotFoundError) and set(name) & set("*()^") else ""
        raise FileRefused(f"{name} can't be read: {getattr(error, 'strerror', None) or error}{formula}") from None


def read_curve(name: str, x: Sequence[str], y: str | None, yerr: str | None) -> Curve:
    """Read the columns of a fit from a file.

    Parameters
    ----------
    name : str
        The file, or ``-``.
    x : sequence of str
        ``COLUMN`` or ``NAME=COLUMN`` for each independent variable; columns by name, or by number from 1.
    y, yerr : str or None

    Raises
    ------
    FileRefused
        If the file or a column can't be used.
    """
    source, content = content_of(name)
    table = read_table(source, content)
    wanted = [_place(table, each) for each in x]
    if y is None or not wanted:
        wanted, y_place = _defaults(table, wanted, y)
    else:
        y_place = table.place(y)
    columns = [column_of(table, place, variable) for variable, place in [*wanted, (None, y_place)]]
    errors = None if yerr is None else column_of(table, table.place(yerr))
    curve = Curve(source, columns[:-1], columns[-1], errors, list(table.notes), 0, np.array(table.numbers))
    return _without_missing(curve, table)


def _place(table: Table, wanted: str) -> tuple[str | None, int]:
    """Return the variable's name, if it is given, and the place of a column."""
    name, sign, column = wanted.partition("=")
    if not (sign and column and name.isidentifier()) or wanted in table.names:
        return None, table.place(wanted)
    return as_name(name), table.place(column)


def read_column(table: Table, wanted: str) -> Column:
    """Return the column that ``COLUMN`` or ``NAME=COLUMN`` says."""
    variable, place = _place(table, wanted)
    return column_of(table, place, variable)


def _defaults(table: Table, x: list[tuple[str | None, int]], y: str | None) -> tuple[list[tuple[str | None, int]], int]:
    """Return the places of x and y where not both are said: the first two columns that aren't."""
    first = [1, 0] if table.y_first else [0, 1]
    if table.y_first and len(table.names) > 2 and not x:
        x = [(None, place) for place in range(1, len(table.names)) if y is None or place != table.place(y)]
    taken = {place for _, place in x} | ({table.place(y)} if y is not None else set()) | _numbering(table)
    free = [place for place in [*first, *range(2, len(table.names))] if place < len(table.names) and place not in taken]
    if len(free) < (not x) + (y is None):
        raise FileRefused(f"{table.source} has one column, and x and y are two" if len(table.names) == 1 else
                          f"{table.source} has no column left for {'x: say --x' if not x else 'y: say --y'}")
    if not x:
        x = [(None, free.pop(0))]
    return x, free[0] if y is None else table.place(y)


def _numbering(table: Table) -> set[int]:
    """Return the place of a first column without name that only counts the rows, or names them, as pandas and R write it, where others
    have names.
    """
    if table.names[0] or len(table.names) < 3 or not all(table.names[1:]):
        return set()
    if set(table.dialect.kinds(table.cells(0))) == {"t"}:
        table.notes.append("column 1, which has no name and holds no number, is passed over")
        return {0}
    try:
        numbers = table.column(0)
    except FileRefused:
        return set()
    if not np.array_equal(numbers, numbers[0] + np.arange(numbers.size)) or numbers[0] not in (0, 1):
        return set()
    table.notes.append("column 1, which has no name and counts the rows, is passed over: --x 1 takes it")
    return {0}


def column_of(table: Table, place: int, variable: str | None = None) -> Column:
    """Return a column of a table, with the names that a formula may know it by."""
    return Column(variable, table.title(place), tuple(map(as_name, table.names_of(place))), table.column(place))


def _without_missing(curve: Curve, table: Table) -> Curve:
    """Return the rows that have all their values, and say which don't."""
    used = [*curve.x, curve.y, *([] if curve.yerr is None else [curve.yerr])]
    whole = ~np.any([np.isnan(column.numbers) for column in used], axis=0)
    if not whole.any():
        raise FileRefused(f"{curve.source}: no row has a value in each of the columns {', '.join(column.title for column in used)}")
    if curve.yerr is not None:
        check_errors(table, curve.yerr, whole)
    missing = np.flatnonzero(~whole)
    if not missing.size:
        return curve
    lines = ", ".join(str(table.numbers[row]) for row in missing[:SHOWN]) + (", ..." if missing.size > SHOWN else "")
    note = f"{missing.size} of {whole.size} rows left out, where a value is missing (line{'s'*(missing.size > 1)} {lines})"
    return curve.kept(whole)._replace(notes=[*curve.notes, note], left_out=int(missing.size))


def within(curve: Curve, limits: tuple[float, float]) -> Curve:
    """Return the points whose first independent variable lies within limits.

    Raises
    ------
    Refused
        If there are none.
    """
    x = curve.x[0].numbers
    rows = (x >= limits[0]) & (x <= limits[1])
    if not rows.any():
        raise Refused(f"--xlim {limits[0]:g}:{limits[1]:g} leaves no point of {curve.source}: {curve.x[0].title!r} goes from "
                      f"{x.min():g} to {x.max():g}")
    return curve.kept(rows)


def outside(curve: Curve, limits: tuple[float, float]) -> np.ndarray:
    """Return where points have no part that `within` leaves out: ndarray of bool (n,)."""
    inside = within(curve, limits).x[0].numbers
    return ~np.isin(curve.x[0].numbers, inside)


def read_numbers(name: str) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the numbers of a file's only column, of its second one with those of the first, or of the column of FILE:COLUMN.

    Raises
    ------
    FileRefused
        If the file or the column can't be used, or a value is missing.
    """
    path, colon, wanted = name.rpartition(":")
    named = bool(colon and Path(path).exists() and not Path(name).exists())
    source, content = content_of(path if named else name)
    table = read_table(source, content)
    single = named or len(table.names) == 1
    place = table.place(wanted) if named else 0 if single else 1
    numbers, x = table.column(place), None if single else table.column(0)
    for column in (numbers, x):
        if column is not None and not np.isfinite(column).all():
            row = int(np.flatnonzero(~np.isfinite(column))[0])
            raise FileRefused(f"{source}, line {table.numbers[row]}: a value is missing")
    return numbers, x


def check_errors(table: Table, errors: Column, used: np.ndarray) -> None:
    """Raise FileRefused for an error that is not above 0 in one of the rows that take part."""
    rows = np.flatnonzero(used & ~(errors.numbers > 0))
    if rows.size:
        raise FileRefused(f"{table.source}, line {table.numbers[rows[0]]}: the error {errors.numbers[rows[0]]:g} in column "
                          f"{errors.title!r} is not above 0")


def check_counts(source: str, counts: Column, lines: Sequence[int] | np.ndarray, out: np.ndarray | None) -> None:
    """Raise FileRefused where data of ``--loss poisson`` are no counts.

    Parameters
    ----------
    source : str
        What messages call the file.
    counts : Column
    lines : sequence of int
        The line of the file that each of them stands in.
    out : ndarray of bool, or None
        True where one takes no part.
    """
    from gslfit.curves.counts import FOR_COUNTS, no_count
    place = no_count(counts.numbers, out)
    if place is not None:
        raise FileRefused(f"{source}, line {lines[place[0]]}: {counts.numbers[place]:g} in column {counts.title!r}, and --loss poisson "
                          f"{FOR_COUNTS}")
