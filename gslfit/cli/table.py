"""Tables of numbers in text files, whatever program wrote them: columns by name or number, missing values, errors that name the line.

Read are commas, semicolons, tabs and white space between cells, decimal points and commas, comments, lines of prose above, headings
(in a comment too), byte-order marks, Fortran's exponents, and NIST's nonlinear regression files as they come.
"""
from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from gslfit import nist
from gslfit.cli.dialect import Dialect, Line, choose, has_sign, is_missing, is_rule, sample, short, without_comments
from gslfit.cli.endings import FileRefused, meant

_UNIT = re.compile(r"\s*[\(\[].*[\)\]]\s*$|\s*/\s*\S+$")        # "time (s)", "time [s]", "time / s"
_A_UNIT = re.compile(r"(?:da|[fpnu\u00b5\u03bcmcdhkMGT])?(?:s|sec|m|g|A|K|mol|Hz|N|Pa|J|W|C|V|F|\u03a9|ohm|S|T|eV|bar|L|l|M|rad|Bq)"
                     r"(?:\^?-?\d|[\u00b2\u00b3])?|\d|min|h|d|deg|degC|\u00b0C?|%|counts?|cts|cps|arb\.?|a\.?u\.?|u\.|units?|px|pixels?|"
                     r"dimensionless|unitless|ppm|ppb|dBm?|Torr|atm|\u00c5|\u00b0|H|Wb|lm|lx|sr")
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
    lines : list of str
        Those that hold rows, each with a cell for each column.
    numbers : sequence of int
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
    lines: list[str]
    numbers: Sequence[int]
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

    def cells(self, place: int) -> list[str]:
        """Return the cells of a column, as they are written."""
        return self.dialect.column(self.lines, place, any('"' in line for line in self.lines))

    def column(self, place: int) -> np.ndarray:
        """Return the numbers of a column, NaN where one is missing.

        Raises
        ------
        FileRefused
            If a cell is a text or an infinity; the message names line and column.
        """
        cells = self.cells(place)
        values = self._plain(cells)
        if values is None:
            values = np.fromiter((self._number(k, place, cell) for k, cell in enumerate(cells)), float, len(cells))
        if np.isinf(values).any():
            k = int(np.flatnonzero(np.isinf(values))[0])
            raise FileRefused(f"{self.source}, line {self.numbers[k]}: {cells[k].strip()!r:.40} in column {self.title(place)!r} is not "
                              "finite")
        return values

    def _plain(self, cells: Sequence[str]) -> np.ndarray | None:
        """Return numbers that Python reads as the dialect does, None where there are others."""
        whole = "\0".join(cells)
        if "_" in whole or (self.dialect.decimal == "," and "." in whole):
            return None
        plain = cells if self.dialect.decimal == "." else whole.replace(",", ".").split("\0")
        try:
            return np.fromiter(map(float, plain), float, len(cells))
        except ValueError:
            return None

    def _number(self, k: int, place: int, cell: str) -> float:
        """Return the number of a cell."""
        cell = cell.strip()
        if self.dialect.is_number(cell):
            return self.dialect.value(cell)
        if is_missing(cell):
            return np.nan
        signs = " (numbers have decimal commas in this file)" if self.dialect.decimal == "," else ""
        raise FileRefused(f"{self.source}, line {self.numbers[k]}: {cell!r:.40} in column {self.title(place)!r} is no number{signs}")


def decoded(source: str, content: bytes) -> str:
    """Return the text of a file: UTF-8, UTF-16, or else that of Windows or Latin-1."""
    encodings = ["utf-8-sig", "cp1252", "latin-1"]
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        encodings = ["utf-16"]
    elif b"\0" in content:     # of a text in Latin letters, every other byte
        encodings = [name for name, place in (("utf-16-le", 1), ("utf-16-be", 0))
                     if not len(content) % 2 and content.count(0) == content[place::2].count(0) > len(content)//4]
        if not encodings:
            raise FileRefused(f"{source} is no text: it holds zero bytes")
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
    lines, numbers, comments = without_comments(text)
    if not lines:
        raise FileRefused(f"{source} is empty" if not comments else f"{source} holds only comments")
    dialect, columns = choose(lines)
    first = _first(dialect, columns, lines)
    if first is None:
        raise FileRefused(f"{source} holds no line of numbers")
    table = Table(source, dialect, [""]*columns, lines[first:], numbers[first:])
    _drop_footer(table, columns)
    _make_even(table, columns)
    _name(table, lines[:first], numbers[:first], comments)
    _drop_empty(table)
    return table


def _first(dialect: Dialect, columns: int, lines: Sequence[str]) -> int | None:
    """Return where the numbers begin: with the first line that has one in each column of numbers.

    Lines before it that have some, below a line of names, belong to the numbers: a text among them is told, not passed over.
    """
    full = [each for each in map(partial(_kinds, dialect, columns), sample(lines)) if "n" in each]
    numeric = [place for place in range(columns) if 2*sum(each[place] == "n" for each in full) >= sum(each[place] != "m" for each in full)
               and any(each[place] == "n" for each in full)]

    def whole(each: str) -> bool:
        return "n" in each and all(each[place] != "t" for place in numeric)
    first = next((k for k, line in enumerate(lines) if whole(_kinds(dialect, columns, line))), None)
    if first is None:
        return None
    above = first
    while above > 0 and "n" in _kinds(dialect, columns, lines[above - 1]):
        above -= 1
    if above == first - 1 and _has_units(dialect, _cells(dialect, columns, lines[above])):
        return first
    return above if above > 0 and above < first and _kinds(dialect, columns, lines[above - 1]) else first


def _kinds(dialect: Dialect, columns: int, line: str) -> str:
    """Return the kinds of the cells of a line, empty where it has not as many as there are columns."""
    cells = _cells(dialect, columns, line)
    return dialect.kinds(cells) if len(cells) == columns else ""


def _cells(dialect: Dialect, columns: int, line: str) -> list[str]:
    """Return the cells of a line, without the comment at its end if it is one."""
    cells = dialect.split(line)
    if not has_sign(line) or (len(cells) == columns and "t" not in dialect.kinds(cells)):
        return cells
    without = dialect.split(short(line))
    better = len(without) == columns and (len(cells) != columns or dialect.kinds(without).count("t") < dialect.kinds(cells).count("t"))
    return without if better else cells


def _drop_footer(table: Table, columns: int) -> None:
    """Drop lines of prose at the end, and say so."""
    dropped = 0
    while table.lines:
        cells = table.dialect.split(table.lines[-1])
        if len(cells) == columns or "n" in table.dialect.kinds(cells) or "t" not in table.dialect.kinds(cells):
            break
        said = f"line {table.numbers[-1]} ({table.lines[-1].strip()!r:.40})"
        table.lines, table.numbers, dropped = table.lines[:-1], table.numbers[:-1], dropped + 1
    if dropped:
        table.notes.append(f"{said} and what follows is no part of the table" if dropped > 1 else f"{said} is no part of the table")


def _make_even(table: Table, columns: int) -> None:
    """Give each line as many cells as there are columns; lines that part others go."""
    dialect, rules = table.dialect, []
    sign = dialect.delimiter
    for k, line in enumerate(table.lines):
        if '"' not in line and not has_sign(line) and sign != "|" and (
                len(line.split()) == columns if sign is None else line.count(sign) == columns - 1):
            continue
        if sign == "|" and is_rule(line):
            rules.append(k)
            continue
        cells = _cells(dialect, columns, line)
        even = _fitted(table, columns, Line(table.numbers[k], line), cells)
        if even is not cells or has_sign(line):
            table.lines[k] = dialect.joined(even)
    if rules:
        gone = set(rules)
        table.numbers = [number for k, number in enumerate(table.numbers) if k not in gone]
        table.lines = [line for k, line in enumerate(table.lines) if k not in gone]


def _fitted(table: Table, columns: int, line: Line, cells: list[str]) -> list[str]:
    """Return the cells of a line of numbers, as many as there are columns."""
    if len(cells) == columns:
        return cells
    while len(cells) > columns and not cells[-1]:
        cells = cells[:-1]
    if len(cells) > columns or (len(cells) < columns and table.dialect.delimiter is None):
        one, others = ("1 column" if len(cells) == 1 else f"{len(cells)} columns"), columns
        raise FileRefused(f"{table.source}, line {line.number}: {line.text.strip()!r:.60} has {one}, and the lines of numbers have "
                          f"{others}")
    return [*cells, *[""]*(columns - len(cells))]


def _name(table: Table, lines: Sequence[str], numbers: Sequence[int], comments: Sequence[Line]) -> None:
    """Find the names of columns: in the lines just above the numbers, or in the last comment above them."""
    columns, dialect, unnamed = len(table.names), table.dialect, True
    for number, line in zip(numbers[::-1], lines[::-1], strict=True):
        if is_rule(line):
            continue
        cells = [" ".join(cell.split()) for cell in _cells(dialect, columns, line)]
        if len(cells) == columns - 1 and not table.headings and set(dialect.kinds(cells)) == {"t"}:
            if _is_of_rows(dialect, line, cells):
                cells = ["", *cells]        # R's: the column of the rows' names has none
            else:
                table.notes.append(f"line {number} ({line.strip()!r:.40}) has one word less than there are columns, and names none")
        cells = cells if len(cells) == columns else re.split(r"\t+|\s{2,}", line.strip())
        if len(cells) != columns:
            break
        if "n" in dialect.kinds(cells):
            of_units = number == numbers[-1] and _has_units(dialect, cells)
            if not table.headings:
                what = "units" if of_units else "names"
                table.notes.append(f"line {number} ({line.strip()!r:.40}) is taken for the {what} of the columns")
                table.headings.append(cells)
                unnamed = of_units
            if not of_units:
                break
            continue
        table.headings.append(cells)
        unnamed = False
    above = [comment for comment in comments if comment.number < table.numbers[0]]
    if unnamed and above:
        for each in (dialect, Dialect(",", "."), Dialect("\t", "."), Dialect(";", "."), Dialect(None, ".")):
            cells = each.split(above[-1].text)
            if len(cells) == columns and set(dialect.kinds(cells)) == {"t"}:
                table.headings.append(cells)
                unnamed = False
                break
    if unnamed:
        table.headings = []
    if table.headings:      # from the bottom: units may stand below the names
        units = [all(map(is_unit, cells)) for cells in table.headings[:-1]] + [False]
        table.names = table.headings[units.index(False)]
        table.headings = [cells for cells in table.headings[::-1] if cells is not table.names] + [table.names]


def _is_of_rows(dialect: Dialect, line: str, cells: Sequence[str]) -> bool:
    """Return whether a line names all columns but the first, as R writes tables: words between quotes or signs, which no title has."""
    return dialect.delimiter is not None or line.count('"') == 2*len(cells)


def is_unit(cell: str) -> bool:
    """Return whether a cell below a name is its unit, in brackets or not.

    Examples
    --------
    >>> [is_unit(cell) for cell in ("(a.u.)", "ms", "1/cm", "kV m^-1", "counts/s", "time")]
    [True, True, True, True, True, False]
    """
    if re.fullmatch(r"[\(\[].*[\)\]]", cell) or is_missing(cell):
        return True
    return all(_A_UNIT.fullmatch(part) for part in re.split(r"[\s/*\u00b7]+", cell) if part)


def _has_units(dialect: Dialect, cells: Sequence[str]) -> bool:
    """Return whether cells are units, at least one of them in letters; that of a column without one may be written as 1."""
    kinds = dialect.kinds(cells)
    return "t" in kinds and all(cell == "1" if kind == "n" else is_unit(cell) for cell, kind in zip(cells, kinds, strict=True))


def _drop_empty(table: Table) -> None:
    """Drop columns at the end that have neither name nor value: a sign between cells that ends each line."""
    while len(table.names) > 1 and not table.names[-1] and table.dialect.delimiter is not None and not any(
            cell.strip() for cell in table.cells(len(table.names) - 1)):
        table.names = table.names[:-1]
        table.headings = [cells[:-1] for cells in table.headings]


def _nist(source: str, text: str) -> Table:
    """Read one of NIST's files: prose, and the numbers at the end, the response first."""
    heads = list(nist.DATA.finditer(text))
    if not heads:
        raise FileRefused(f"{source} begins as NIST's files do, and has no line 'Data: y x'")
    names, after = ["y", *heads[-1][1].split()], text[:heads[-1].end()].count("\n") + 1
    kept = [(number, line) for number, line in enumerate(text.splitlines()[after:], after + 1) if line.strip()]
    table = Table(source, Dialect(None, "."), names, [line for _, line in kept], [number for number, _ in kept], [names], y_first=True)
    for number, line in kept:
        _fitted(table, len(names), Line(number, line), line.split())
    if not kept:
        raise FileRefused(f"{source} holds no numbers below its line 'Data:'")
    if nist.is_of_log(text):
        table.notes.append("NIST's model of these data is one of log(y)")
    return table
