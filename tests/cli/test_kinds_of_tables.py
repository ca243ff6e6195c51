"""Tables as programs and people write them: each gives the numbers that were written, and the names."""
import numpy as np
import pytest

from gslfit.cli.columns import read_curve
from gslfit.cli.dialect import Dialect
from gslfit.cli.endings import FileRefused
from gslfit.cli.table import read_table

T = np.round(np.linspace(0, 9.5, 20), 4)
Y = np.round(5*np.exp(-T/2) + 1 + 0.03*np.cos(7*T), 4)


def lines(head, line, big=1, end="\n"):
    """Return a file: a head, and a line for each point, filled in by `line`."""
    numbers = enumerate(zip(T, Y, strict=True))
    return head + "".join(line(f"{t:.4f}", f"{big*y:,.4f}" if big > 1 else f"{y:.4f}", k) + end for k, (t, y) in numbers)


def swapped(text):
    """Return numbers with decimal commas and points between thousands."""
    return text.translate(str.maketrans(".,", ",."))


SEMI = "time;counts\n"
KINDS = {
    "quoted": lines('"time","counts"\r\n', lambda t, y, k: f'"{t}","{y}"', end="\r\n"),
    "a comma in a name": lines('time,"counts, raw"\n', lambda t, y, k: f"{t},{y}"),
    "thousands in quotes": lines("time,counts\n", lambda t, y, k: f'{t},"{y}"', 1e6),
    "thousands with points": lines(SEMI, lambda t, y, k: f"{swapped(t)};{swapped(y)}", 1e6),
    "thousands with narrow blanks": lines(SEMI, lambda t, y, k: f"{swapped(t)};{swapped(y)}".replace(".", "\u202f"), 1e6),
    "thousands with apostrophes": lines(SEMI, lambda t, y, k: f"{t};{y}".replace(",", "'"), 1e6),
    "tabs and blanks": lines("time   counts\n", lambda t, y, k: f"{t}\t  {y}" if k % 2 else f"  {t}   {y} "),
    "UTF-16": lines("time\tcounts\n", lambda t, y, k: f"{t}\t{y}").encode("utf-16"),
    "UTF-16 without a mark": lines("time\tcounts\n", lambda t, y, k: f"{t}\t{y}").encode("utf-16-le"),
    "Latin-1": lines("Zeit (µs);Zähler\n", lambda t, y, k: f"{t};{y}").encode("latin-1"),
    "of Windows": lines("Zeit … (µs);Zähler\n", lambda t, y, k: f"{t};{y}").encode("cp1252"),
    "units below": lines("time,counts\ns,1/s\n", lambda t, y, k: f"{t},{y}"),
    "units in brackets": lines("time,counts\n(s),(a.u.)\n", lambda t, y, k: f"{t},{y}"),
    "a unit of 1 below": lines("time;counts\ns;1\n", lambda t, y, k: f"{t};{y}"),
    "a unit of 1 first": lines("time,counts\n1,a.u.\n", lambda t, y, k: f"{t},{y}"),
    "a unit of 1 in columns": lines("time counts\n   s      1\n", lambda t, y, k: f"{t} {y}"),
    "per cent below": lines("time\tcounts\nms\t%\n", lambda t, y, k: f"{t}\t{y}"),
    "arbitrary units below": lines("time,counts\nmin,arb. units\n", lambda t, y, k: f"{t},{y}"),
    "no unit in words": lines("time,counts\ns,none\n", lambda t, y, k: f"{t},{y}"),
    "dimensionless": lines("time;counts\n\u00b5s;dimensionless\n", lambda t, y, k: f"{t};{y}"),
    "names in a comment, units below": lines("# time;counts\ns;1\n", lambda t, y, k: f"{t};{y}"),
    "a title, names and units": lines("run 7, of May\ntime,counts\ns,1\n", lambda t, y, k: f"{t},{y}"),
    "an empty column at the end": lines("time,counts,\n", lambda t, y, k: f"{t},{y},"),
    "carriage returns": lines("time,counts\r", lambda t, y, k: f"{t},{y}", end="\r"),
    "names of two lines": lines('"time\n(s)","counts\n(1/s)"\n', lambda t, y, k: f"{t},{y}"),
    "a sign of comments in a name": lines("time #,counts %\n", lambda t, y, k: f"{t},{y}"),
    "comments at ends of lines": lines("# time counts\n", lambda t, y, k: f"{t} {y}  # point {k}, good"),
    "numbered by pandas": lines(",time,counts\n", lambda t, y, k: f"{k},{t},{y}"),
    "of an oscilloscope": lines("Record Length,2.5e3\nVertical Units,V\n\ntime,counts\n", lambda t, y, k: f"{t},{y}"),
    "with lines around cells": lines("| time | counts |\n|---|---:|\n", lambda t, y, k: f"| {t} | {y} |"),
    "a footer": lines("time,counts\n", lambda t, y, k: f"{t},{y}") + "END OF FILE\n",
    "signs": lines(SEMI, lambda t, y, k: f"+{t};+{y}"),
    "Excel's first line": lines("sep=;\n" + SEMI, lambda t, y, k: f"{t};{y}"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_kinds(kind, tmp_path):
    """The first two columns are what was written, to the last digit, and their names are known."""
    content = KINDS[kind]
    (tmp_path/"file").write_bytes(content if isinstance(content, bytes) else content.encode())
    curve = read_curve(str(tmp_path/"file"), [], None, None)
    assert curve.x[0].title.casefold()[:4] in ("time", "zeit")
    assert curve.y.title.casefold()[:5] in ("count", "zähle")
    np.testing.assert_array_equal(curve.x[0].numbers, T)
    np.testing.assert_allclose(curve.y.numbers, Y if "thousands" not in kind else 1e6*Y, rtol=1e-14)
    assert curve.left_out == 0


@pytest.mark.parametrize("word", ["", "NaN", "NA", "#N/A", "#DIV/0!", "#NUM!", "null", "-", "1.#QNAN", "-1.#IND", "-nan(ind)", "?"])
@pytest.mark.parametrize("sign", [",", "\t"])
def test_missing(word, sign):
    """Words of spreadsheets and programs for what is missing are missing values, and what follows them in their line is read."""
    table = read_table("file", f"a{sign}b{sign}c\n1{sign}{word}{sign}3\n4{sign}5{sign}6\n7{sign}8{sign}9\n".encode())
    np.testing.assert_array_equal(table.column(1), [np.nan, 5, 8])
    np.testing.assert_array_equal(table.column(2), [3, 6, 9])


@pytest.mark.parametrize("word", ["BAD", "<0.1", "1,5", "2_000", "0x10", "1e400", "inf"])
def test_what_is_no_number(word):
    """Anything else is told with its line, not guessed at."""
    table = read_table("file", f'a;b\n1;2\n3;{word}\n5;6.5\n'.encode())
    with pytest.raises(FileRefused, match="file, line 3: .* in column 'b' is no"):
        table.column(1)


@pytest.mark.parametrize(("dialect", "cell", "value"), [
    ((",", "."), "1,234", 1234), ((";", "."), "1,234", None), ((";", "."), "1,234.5", 1234.5), ((";", ","), "1.234", None),
    ((";", ","), "1.234,5", 1234.5), ((";", ","), "1,234", 1.234), ((",", "."), "12,34", None), (("\t", "."), "1,234,567", 1234567),
    (("\t", "."), "1'234,567", None), ((";", ","), "1 234", 1234), ((";", "."), "−12’345.5", -12345.5)])
def test_thousands(dialect, cell, value):
    """Signs between thousands are read where they can be nothing else."""
    found = Dialect(*dialect)
    assert found.is_number(cell) == (value is not None)
    assert value is None or found.value(cell) == value


def test_units_without_names():
    """Units above numbers that have no names are no names: columns are called by their numbers, and the note says what the line is."""
    table = read_table("a file", b"s;1\n0.5;2\n1.5;3\n")
    assert table.names == ["", ""] and table.place("1") == 0 and table.column(1).tolist() == [2, 3]
    assert table.notes == ["line 1 ('s;1') is taken for the units of the columns"]


@pytest.mark.parametrize("text", ["time;counts\nx;1\n", "time;counts\ns;2\n", "time;counts\n0;1\ns;1\n", "time;counts\ns;1\ns;1\n"])
def test_what_is_no_line_of_units(text):
    """A text among the numbers is told with its line: one that is no unit, beside another number than 1, or not just below the names."""
    table = read_table("a file", (text + "1;2\n2;3\n3;4\n").encode())
    with pytest.raises(FileRefused, match="line [23]: '[sx]' in column 'time' is no number"):
        table.column(0)


@pytest.mark.parametrize(("head", "line"), [
    ('"time" "counts"\n', '"{}" {} {}'), ('"time" "counts"\n', '"row{}" {} {}'), ("time,counts\n", "{},{},{}"),
    ("time\tcounts\n", "{}\t{}\t{}"), ("time;counts\n", "cell {};{};{}")], ids=["R", "R, named", "csv", "tsv", "named"])
def test_names_of_all_columns_but_the_first(head, line, tmp_path):
    """R's tables name the columns after that of the rows' names: it was taken for x, and the names were lost."""
    (tmp_path / "a.txt").write_text(lines(head, lambda t, y, k: line.format(k + 1, t, y)))
    for asked in (((), None), (("time",), "counts")):
        curve = read_curve(str(tmp_path / "a.txt"), *asked, None)
        assert (curve.x[0].title, curve.y.title) == ("time", "counts")
        np.testing.assert_array_equal(curve.x[0].numbers, T)
        np.testing.assert_array_equal(curve.y.numbers, Y)


def test_titles_are_no_names(tmp_path):
    """Words that might be a title name no column, and that is said; numbers of a first column are not passed over for them."""
    (tmp_path / "a.txt").write_text(lines("run seven\n", lambda t, y, k: f"{k + 1} {y} 0.1"))
    curve = read_curve(str(tmp_path / "a.txt"), (), None, None)
    np.testing.assert_array_equal(curve.x[0].numbers, np.arange(1, T.size + 1))
    assert "line 1 ('run seven') has one word less than there are columns" in "".join(curve.notes)
