"""Tables of numbers in text files, whatever program wrote them: columns by name or number, missing values, errors that name the line.

Read are commas, semicolons, tabs and white space between cells, decimal points and commas, comments, lines of prose above, headings
(in a comment too), byte-order marks, Fortran's exponents, and NIST's nonlinear regression files as they come.
"""
from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from gslfit import nist
from gslfit.cli.dialect import Dialect, Line, choose, is_missing, without_comments
from gslfit.cli.endings import FileRefused, meant

_UNIT = re.compile(r"\s*[\(\[].*[\)\]]\s*$|\s*/\s*\S+$")        # "time (s)", "time [s]", "time / s"
_NIST = re.compile(r"\s*NIST/ITL StRD")


@dataclass
class Table:
    """The cells of a file that hold its table.

    Attributes
    ----------
    source : str
        What errors call the file.
    dialect : Dialect
    names : list of str
        The columns' names, empty where one has none.
    rows : list of list of str
    numbers : list of int
        The line of each row, counted from 1.
    headings : list of list of str
        All lines that name columns: names, units.
    notes : list of str
        What a reader should know of how the file was read.
    y_first : bool
        The first column is the response, as in NIST's files.
    """

    source: str
    dialect: Dialect
    names: list[str]
    rows: list[list[str]]
    numbers: list[int]
    headings: list[list[str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    y_first: bool = False

    def title(self, place: int) -> str:
        """Return what a column is called: its name, or its number counted from 1."""
        return self.names[place] or str(place + 1)

    def names_of(self, place: int) -> tuple[str, ...]:
        """Return all that a column is called: in the lines above the numbers, and without its unit."""
        own = [cells[place] for cells in self.headings[::-1]] or [self.names[place]]
        return tuple(dict.fromkeys(name for each in own for name in (each, _UNIT.sub("", each)) if name))

    def place(self, wanted: str) -> int:
        """Return the place of a column that is called by its name, its name without unit, or its number from 1.

        Raises
        ------
        FileRefused
            If there is none, or there are two.
        """
        for names in (*self.headings[::-1], [_UNIT.sub("", name) for name in self.names]):
            for same in (str, str.casefold):
                found = [place for place, name in enumerate(names) if name and same(name) == same(wanted)]
                if len(found) > 1:
                    numbers = " and ".join(str(place + 1) for place in found)
                    raise FileRefused(f"{self.source}: {wanted!r} is the name of columns {numbers}: say which by its number")
                if found:
                    return found[0]
        if re.fullmatch(r"\d{1,9}", wanted) and 1 <= int(wanted) <= len(self.names):
            return int(wanted) - 1
        raise FileRefused(f"{self.source} has no column {wanted!r}{meant(wanted, self.names)}; it has {self.described()}")

    def described(self) -> str:
        """Return what columns there are."""
        known = [name for name in self.names if name]
        return ", ".join(known) if known else f"{len(self.names)}, without names: say a number from 1"

    def column(self, place: int) -> np.ndarray:
        """Return the numbers of a column, NaN where one is missing.

        Raises
        ------
        FileRefused
            If a cell is a text or an infinity; the message names line and column.
        """
        values = np.full(len(self.rows), np.nan)
        for k, row in enumerate(self.rows):
            cell = row[place]
            if self.dialect.is_number(cell):
                values[k] = self.dialect.value(cell)
                if np.isinf(values[k]):
                    raise FileRefused(f"{self.source}, line {self.numbers[k]}: {cell!r:.40} in column {self.title(place)!r} is not finite")
            elif not is_missing(cell):
                signs = " (numbers have decimal commas in this file)" if self.dialect.decimal == "," else ""
                raise FileRefused(f"{self.source}, line {self.numbers[k]}: {cell!r:.40} in column {self.title(place)!r} is no number"
                                  f"{signs}")
        return values


def decoded(source: str, content: bytes) -> str:
    """Return the text of a file: UTF-8, UTF-16 with a byte-order mark, or else Latin-1."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        encodings = ["utf-16"]
    elif b"\0" in content:
        raise FileRefused(f"{source} is no text: it holds zero bytes")
    else:
        encodings = ["utf-8-sig", "latin-1"]
    for encoding in encodings:
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise FileRefused(f"{source} can't be read as {encodings[0]}")


def read_table(source: str, content: bytes) -> Table:
    """Read the table of a file.

    Parameters
    ----------
    source : str
        What errors call the file.
    content : bytes

    Raises
    ------
    FileRefused
        If it is empty, or holds no numbers, or a line has other columns than the rest.

    Examples
    --------
    >>> table = read_table("decay.csv", b"time;counts\\n0,5;12\\n1,0;-\\n")
    >>> table.names, table.column(0).tolist(), table.column(1).tolist()
    (['time', 'counts'], [0.5, 1.0], [12.0, nan])
    """
    text = decoded(source, content)
    if _NIST.match(text):
        return _nist(source, text)
    lines, comments = without_comments(text)
    if not lines:
        raise FileRefused(f"{source} is empty" if not comments else f"{source} holds only comments")
    dialect, columns = choose(lines)
    split = [dialect.split(line.text) for line in lines]
    first = _first(dialect, columns, split)
    if first is None:
        raise FileRefused(f"{source} holds no line of numbers")
    table = Table(source, dialect, [""]*columns, [], [])
    for line, cells in zip(lines[first:], split[first:]):           # noqa: B905  (as long as each other)
        table.rows.append(_fitted(table, columns, line, cells))
        table.numbers.append(line.number)
    _name(table, lines[:first], split[:first], comments)
    _drop_empty(table)
    return table


def _first(dialect: Dialect, columns: int, split: Sequence[list[str]]) -> int | None:
    """Return where the numbers begin: with the first line that has one in each column of numbers.

    Lines before it that have some, below a line of names, belong to the numbers: a text among them is told, not passed over.
    """
    kinds = [dialect.kinds(cells) if len(cells) == columns else "" for cells in split]
    full = [each for each in kinds if "n" in each]
    numeric = [place for place in range(columns) if 2*sum(each[place] == "n" for each in full) >= sum(each[place] != "m" for each in full)
               and any(each[place] == "n" for each in full)]

    def whole(each: str) -> bool:
        return "n" in each and all(each[place] != "t" for place in numeric)
    first = next((k for k, each in enumerate(kinds) if whole(each)), None)
    if first is None:
        return None
    above = first
    while above > 0 and "n" in kinds[above - 1]:
        above -= 1
    return above if above > 0 and kinds[above - 1] and above < first else first


def _fitted(table: Table, columns: int, line: Line, cells: list[str]) -> list[str]:
    """Return the cells of a line of numbers, as many as there are columns."""
    while len(cells) > columns and not cells[-1]:
        cells = cells[:-1]
    if len(cells) > columns or (len(cells) < columns and table.dialect.delimiter is None):
        one, others = ("1 column" if len(cells) == 1 else f"{len(cells)} columns"), columns
        raise FileRefused(f"{table.source}, line {line.number}: {line.text.strip()!r:.60} has {one}, and the lines of numbers have "
                          f"{others}")
    return [*cells, *[""]*(columns - len(cells))]


def _name(table: Table, lines: Sequence[Line], split: Sequence[list[str]], comments: Sequence[Line]) -> None:
    """Find the names of columns: in the lines just above the numbers, or in the last comment above them."""
    columns, dialect = len(table.names), table.dialect
    for line, cells in zip(lines[::-1], split[::-1]):               # noqa: B905  (as long as each other)
        cells = cells if len(cells) == columns else re.split(r"\t+|\s{2,}", line.text.strip())
        if len(cells) != columns:
            break
        if "n" in dialect.kinds(cells):
            if not table.headings:
                table.notes.append(f"line {line.number} ({line.text.strip()!r:.40}) is taken for the names of the columns")
                table.headings.append(cells)
            break
        table.headings.append(cells)
    above = [comment for comment in comments if comment.number < table.numbers[0]]
    if not table.headings and above:
        for each in (dialect, Dialect(",", "."), Dialect("\t", "."), Dialect(";", "."), Dialect(None, ".")):
            cells = each.split(above[-1].text)
            if len(cells) == columns and set(dialect.kinds(cells)) == {"t"}:
                table.headings.append(cells)
                break
    if table.headings:      # from the bottom: units may stand below the names
        units = [all(re.fullmatch(r"[\(\[].*[\)\]]|-|", cell) for cell in cells) for cells in table.headings]
        table.names = table.headings[next((k for k, unit in enumerate(units) if not unit), 0)]
        table.headings = [cells for cells in table.headings[::-1] if cells is not table.names] + [table.names]


def _drop_empty(table: Table) -> None:
    """Drop columns at the end that have neither name nor value: a sign between cells that ends each line."""
    while len(table.names) > 1 and not table.names[-1] and not any(row[-1] for row in table.rows):
        table.names, table.rows = table.names[:-1], [row[:-1] for row in table.rows]
        table.headings = [cells[:-1] for cells in table.headings]


def _nist(source: str, text: str) -> Table:
    """Read one of NIST's files: prose, and the numbers at the end, the response first."""
    heads = list(nist.DATA.finditer(text))
    if not heads:
        raise FileRefused(f"{source} begins as NIST's files do, and has no line 'Data: y x'")
    names, after = ["y", *heads[-1][1].split()], text[:heads[-1].end()].count("\n") + 1
    table = Table(source, Dialect(None, "."), names, [], [], [names], y_first=True)
    for number, line in enumerate(text.splitlines()[after:], after + 1):
        if line.strip():
            table.rows.append(_fitted(table, len(names), Line(number, line), line.split()))
            table.numbers.append(number)
    if not table.rows:
        raise FileRefused(f"{source} holds no numbers below its line 'Data:'")
    if nist.is_of_log(text):
        table.notes.append("NIST's model of these data is one of log(y)")
    return table
