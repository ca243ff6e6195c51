"""How a text file writes its table: what stands between cells, before decimals, and for a missing value."""
from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gslfit.records import Record

LOOKED_AT = 200         # lines at the end of a file, and as many at its beginning, that the dialect is chosen by
JOINED = 10             # most lines that a quoted cell may take
ERRORS = ("#n/a", "#nv", "#div/0!", "#num!", "#ref!", "#name?", "#value!", "#null!")        # of spreadsheets
_MISSING = {"", "-", "--", "---", ".", "..", "...", "*", "?", "na", "n/a", "nan", "null", "none", "missing", "nil", "-nan", "+nan",
            "nan(ind)", "-nan(ind)", "1.#qnan", "1.#ind", "-1.#ind", "-1.#qnan", *ERRORS}
SIGNS = ("#", "%", "!", "//")
_OF_ERRORS = "|".join(re.escape(each[1:]) for each in ERRORS)
_COMMENT = re.compile(rf"\s*(?:#(?!{_OF_ERRORS})|[%!]|//)+", re.IGNORECASE)
_AFTER = re.compile(rf"\s(?:#(?!{_OF_ERRORS})|[%!]).*$", re.IGNORECASE)
_RULE = re.compile(r"[\s|+=:-]*[|+][\s|+=:-]*")          # of a table with lines around its cells
_NUMBER = {sign: re.compile(rf"[+-]?(?:\d+(?:{end}\d*)?|{end}\d+)(?:[eEdD][+-]?\d+)?|[+-]?(?:inf|infinity)", re.IGNORECASE)
           for sign, end in ((".", r"\."), (",", r",(?=\d)"))}
BLANKS = "' \u2019\u00a0\u202f\u2009"                    # between thousands, in any country
_GROUPED = {sign: re.compile(rf"[+-]?\d{{1,3}}(?P<sign>[{other}{BLANKS}])\d{{3}}(?P<more>(?:(?P=sign)\d{{3}})*)(?P<end>{end}\d*)?")
            for sign, other, end in ((".", ",", r"\."), (",", ".", ","))}


class Line(Record):
    """A line of a file: its number, counted from 1, and its text."""

    number: int
    text: str


def is_missing(cell: str) -> bool:
    """Return whether a cell says that there is no value."""
    return cell.casefold() in _MISSING


@dataclass(frozen=True)
class Dialect:
    """What stands between the cells of a line, None for white space, and before the decimals of a number.

    Examples
    --------
    >>> dialect = Dialect(";", ",")
    >>> dialect.split("0,5; 1,2e3 ;n/a"), dialect.kinds(["0,5", "x", "n/a"]), dialect.value("1,2e3")
    (['0,5', '1,2e3', 'n/a'], 'ntm', 1200.0)
    """

    delimiter: str | None
    decimal: str

    def split(self, text: str) -> list[str]:
        """Return the cells of a line."""
        if self.delimiter == "|":
            text = text.strip().removeprefix("|").removesuffix("|")
        if '"' not in text:
            cells = text.split(self.delimiter)
        elif self.delimiter is None:
            cells = next(csv.reader([" ".join(text.split())], delimiter=" ", skipinitialspace=True), [])
        else:
            cells = next(csv.reader(text.splitlines(keepends=True), delimiter=self.delimiter, skipinitialspace=True), [])
        return [cell.strip() for cell in cells]

    def joined(self, cells: Sequence[str]) -> str:
        """Return a line of cells that `split` takes apart again."""
        sign, quote = self.delimiter or " ", '"'
        line = sign.join(f'"{cell.replace(quote, 2*quote)}"' if sign in cell or quote in cell or (not cell and self.delimiter is None)
                         else cell for cell in cells)
        return f"|{line}|" if sign == "|" else line     # an empty cell at an end would be taken for the table's edge

    def column(self, lines: Sequence[str], place: int, quoted: bool) -> list[str]:
        """Return one cell of each of many lines, all of which have it."""
        if quoted or self.delimiter == "|":
            return [self.split(line)[place] for line in lines]
        return [line.split(self.delimiter, place + 1)[place] for line in lines]

    def is_number(self, cell: str) -> bool:
        """Return whether a cell is a number, an infinity included."""
        return _NUMBER[self.decimal].fullmatch(cell.replace("\u2212", "-")) is not None or bool(self._thousands(cell))

    def _thousands(self, cell: str) -> str | None:
        """Return the sign between the thousands of a number; None where there is none, or where it might be that before decimals."""
        found = _GROUPED[self.decimal].fullmatch(cell.replace("\u2212", "-"))
        if found is None:
            return None
        sure = found["more"] or found["end"] or found["sign"] in BLANKS or (found["sign"] == "," == self.delimiter)
        return found["sign"] if sure else None

    def value(self, cell: str) -> float:
        """Return the value of a number; exponents may be Fortran's."""
        cell = cell.replace(self._thousands(cell) or "\0", "")
        text = cell.replace("\u2212", "-").replace(",", ".").lower()
        return float(text if "inf" in text else text.replace("d", "e"))

    def kinds(self, cells: Iterable[str]) -> str:
        """Return a letter for each cell: n, a number; m, missing; t, a text."""
        return "".join("n" if self.is_number(cell) else "m" if is_missing(cell) else "t" for cell in cells)


# of those that read a file equally well, the first is taken
CANDIDATES = [Dialect(delimiter, decimal) for delimiter in ("\t", ";", ",", "|", None) for decimal in (".", ",")]


def lines_of(text: str) -> tuple[list[str], Sequence[int]]:
    """Return the lines of a text, and their numbers from 1; lines that one quoted cell takes are one."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if '"' not in text:
        return lines, range(1, len(lines) + 1)
    found: list[str] = []
    numbers, place = [], 0
    while place < len(lines):
        end = place + 1
        if lines[place].count('"') % 2:
            ends = (k + 1 for k in range(place + 1, min(place + JOINED, len(lines))) if lines[k].count('"') % 2)
            end = next(ends, end)
        found.append("\n".join(lines[place:end]))
        numbers.append(place + 1)
        place = end
    return found, numbers


def without_comments(text: str) -> tuple[list[str], Sequence[int], list[Line]]:
    """Return the lines of a text that hold something, their numbers, and the comments without their signs."""
    lines, numbers = lines_of(text)
    if not any(sign in text for sign in SIGNS):
        if all(lines):
            return lines, numbers, []
        kept = [k for k, line in enumerate(lines) if line and not line.isspace()]
        return [lines[k] for k in kept], [numbers[k] for k in kept], []
    found, of_found, comments = [], [], []
    for number, line in zip(numbers, lines, strict=True):
        sign = _COMMENT.match(line)
        if sign is not None:
            comments.append(Line(number, line[sign.end():].strip()))
        elif line.strip():
            found.append(line)
            of_found.append(number)
    return found, of_found, comments


def has_sign(line: str) -> bool:
    """Return whether a line may end in a comment."""
    return "#" in line or "%" in line or "!" in line


def short(line: str) -> str:
    """Return a line without the comment at its end."""
    return _AFTER.sub("", line) if has_sign(line) and '"' not in line else line


def is_rule(line: str) -> bool:
    """Return whether a line only parts others, as in ``|---|---|``."""
    return _RULE.fullmatch(line) is not None


def sample(lines: Sequence[str]) -> list[str]:
    """Return the lines that a file is judged by."""
    return list(lines) if len(lines) <= 2*LOOKED_AT else [*lines[:LOOKED_AT], *lines[-LOOKED_AT:]]


def choose(lines: Sequence[str]) -> tuple[Dialect, int]:
    """Return the dialect in which most of the lines are numbers, and the number of columns that they have."""
    looked = [short(line) for line in sample(lines)]
    best, chosen = None, (CANDIDATES[0], 1)
    for dialect in CANDIDATES:
        kinds = [dialect.kinds(dialect.split(line)) for line in looked]
        counts = Counter(len(each) for each in kinds if "n" in each)
        for columns, count in counts.most_common(2):
            own = [each for each in kinds if len(each) == columns and "n" in each]
            clean = sum("t" not in each for each in own)
            score = (clean, count, sum(each.count("n") for each in own), -columns)
            if best is None or score > best:
                best, chosen = score, (dialect, columns)
    return chosen
