"""How a text file writes its table: what stands between cells, before decimals, and for a missing value."""
from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

LOOKED_AT = 200         # lines at the end of a file, and as many at its beginning, that the dialect is chosen by
_MISSING = {"", "-", "--", "---", ".", "..", "...", "*", "?", "na", "n/a", "#n/a", "nan", "null", "none", "missing", "nil",
            "#nv", "#value!"}
_COMMENT = re.compile(r"\s*(?:[#%!]|//)+")
_AFTER = re.compile(r"\s[#%!].*$")
_NUMBER = {sign: re.compile(rf"[+-]?(?:\d+(?:{end}\d*)?|{end}\d+)(?:[eEdD][+-]?\d+)?|[+-]?(?:inf|infinity)", re.IGNORECASE)
           for sign, end in ((".", r"\."), (",", r",(?=\d)"))}


class Line(NamedTuple):
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
        if '"' not in text:
            cells = text.split(self.delimiter)
        elif self.delimiter is None:
            cells = next(csv.reader([" ".join(text.split())], delimiter=" ", skipinitialspace=True), [])
        else:
            cells = next(csv.reader([text], delimiter=self.delimiter, skipinitialspace=True), [])
        return [cell.strip() for cell in cells]

    def is_number(self, cell: str) -> bool:
        """Return whether a cell is a number, an infinity included."""
        return _NUMBER[self.decimal].fullmatch(cell.replace("\u2212", "-")) is not None

    def value(self, cell: str) -> float:
        """Return the value of a number; exponents may be Fortran's."""
        text = cell.replace("\u2212", "-").replace(",", ".").lower()
        return float(text if "inf" in text else text.replace("d", "e"))

    def kinds(self, cells: Iterable[str]) -> str:
        """Return a letter for each cell: n, a number; m, missing; t, a text."""
        return "".join("n" if self.is_number(cell) else "m" if is_missing(cell) else "t" for cell in cells)


# of those that read a file equally well, the first is taken
CANDIDATES = [Dialect(delimiter, decimal) for delimiter in ("\t", ";", ",", "|", None) for decimal in (".", ",")]


def without_comments(text: str) -> tuple[list[Line], list[Line]]:
    """Return the lines of a text that hold something, without comments, and the comments without their signs."""
    lines, comments = [], []
    for number, line in enumerate(text.splitlines(), 1):
        sign = _COMMENT.match(line)
        if sign is not None:
            comments.append(Line(number, line[sign.end():].strip()))
        elif line.strip():
            lines.append(Line(number, _AFTER.sub("", line) if '"' not in line else line))
    return lines, comments


def choose(lines: Sequence[Line]) -> tuple[Dialect, int]:
    """Return the dialect in which most of the lines are numbers, and the number of columns that they have."""
    sample = lines if len(lines) <= 2*LOOKED_AT else [*lines[:LOOKED_AT], *lines[-LOOKED_AT:]]
    best, chosen = None, (CANDIDATES[0], 1)
    for dialect in CANDIDATES:
        kinds = [dialect.kinds(dialect.split(line.text)) for line in sample]
        counts = Counter(len(each) for each in kinds if "n" in each)
        for columns, count in counts.most_common(2):
            own = [each for each in kinds if len(each) == columns and "n" in each]
            clean = sum("t" not in each for each in own)
            score = (clean, count, sum(each.count("n") for each in own), -columns)
            if best is None or score > best:
                best, chosen = score, (dialect, columns)
    return chosen
