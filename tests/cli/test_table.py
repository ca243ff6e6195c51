"""Files of numbers are read as they come: separators, decimals, comments, headings, missing values; what can't be read names the line."""
from itertools import product

import numpy as np
import pytest

from gslfit import nist
from gslfit.cli.columns import read_curve
from gslfit.cli.dialect import CANDIDATES
from gslfit.cli.endings import FileRefused
from gslfit.cli.table import read_table

X, Y = [0.5, 1.0, 1.5, 2.0], [-1.25, 2e-3, 300.0, 4.0]


def rows(separator, decimal=".", form="{:.6g}"):
    """Return X and Y as lines of a file."""
    return [separator.join(form.format(value).replace(".", decimal) for value in pair) for pair in zip(X, Y, strict=True)]


def written(*lines, encoding="utf-8", end="\n"):
    """Return lines as the bytes of a file."""
    return (end.join(lines) + end).encode(encoding)


FILES = {
    "comma": written("time,counts", *rows(",")),
    "no header": written(*rows(",")),
    "tab": written("time\tcounts", *rows("\t")),
    "semicolon, decimal comma": written("time;counts", *rows(";", ",")),
    "tab, decimal comma": written("time\tcounts", *rows("\t", ",")),
    "spaces, decimal comma": written(*rows("   ", ",")),
    "quoted decimal comma": written('"time","counts"', *[",".join(f'"{cell}"' for cell in line.split(";")) for line in rows(";", ",")]),
    "byte-order mark": written("time;counts", *rows(";"), encoding="utf-8-sig", end="\r\n"),
    "UTF-16": written("time,counts", *rows(","), encoding="utf-16"),
    "Latin-1": written("# Gr\u00f6\u00dfe", "time,counts", *rows(","), encoding="latin-1"),
    "old Macintosh": written("time,counts", *rows(","), end="\r"),
    "prose above": written("Spectrometer 3, run 17", "Operator: N. N.", "", "time counts", *["  " + line for line in rows("  ")]),
    "comments": written("# a run", "# time counts", *rows(" "), "# the end"),
    "comment after numbers": written("time,counts", f"{rows(',')[0]}  # first", *rows(",")[1:]),
    "percent signs": written("% a run", *rows("\t")),
    "pipes": written("time | counts", *rows(" | ")),
    "Fortran": written(*rows("  ", form="{:.8E}")).replace(b"E", b"D"),
    "units in their own line": written("time;counts", "(s);(1/s)", *rows(";")),
    "separator at the end of lines": written("time,counts,", *[line + "," for line in rows(",")]),
    "blank lines": written("time,counts", "", rows(",")[0], "", *rows(",")[1:], "", ""),
    "true minus": written("time,counts", *rows(",")).replace(b"-1.25", "\u22121.25".encode()),
}


@pytest.mark.parametrize("kind", FILES)
def test_kinds_of_files(kind):
    """The numbers of a file are found whatever program wrote it."""
    table = read_table("a file", FILES[kind])
    np.testing.assert_array_equal(table.column(0), X)
    np.testing.assert_array_equal(table.column(1), Y)
    if b"time" in FILES[kind]:
        assert [table.place("time"), table.place("counts")] == [0, 1]


@pytest.mark.parametrize("name", nist.FORMULAS)
def test_nist(name, tmp_path):
    """NIST's files are read as they come: the response is y, the predictors are x."""
    data = nist.read(name)
    curve = read_curve(str(nist.FOLDER / f"{name}.dat"), [], None, None)
    np.testing.assert_array_equal([column.numbers for column in curve.x], np.atleast_2d(data.x))
    np.testing.assert_array_equal(np.log(curve.y.numbers) if name == "Nelson" else curve.y.numbers, data.y)
    assert [column.title for column in curve.x] == list(data.predictors)


@pytest.mark.parametrize("gap", ["", "NA", "nan", "-", "n/a", "null", "?"])
def test_missing_values_are_left_out_and_told(gap, tmp_path):
    """A row without one of its values is left out, and the message says which line it was."""
    file = tmp_path / "gaps.csv"
    file.write_text(f"time,counts,other\n1,2,3\n2,{gap},3\n3,4,{gap}\n4,5,6\n")
    curve = read_curve(str(file), ["time"], "counts", None)
    assert curve.x[0].numbers.tolist() == [1, 3, 4]
    assert curve.y.numbers.tolist() == [2, 4, 5]
    assert curve.notes == ["1 of 4 rows left out, where a value is missing (line 3)"]


def test_columns():
    """A column is called by its name, its name without unit, whatever its capitals, or its number."""
    table = read_table("a file", b"time (s),Signal [V],2\n1,2,3\n4,5,6\n")
    assert [table.place(name) for name in ("time (s)", "time", "signal", "1", "2", "3")] == [0, 0, 1, 0, 2, 2]


REFUSED = {
    "is empty": b"",
    "holds only comments": b"# nothing\n",
    "no line of numbers": b"a text\nand another\n",
    "holds zero bytes": b"\x00\x01\x02",
    "line 3: 'x' in column 'counts' is no number": b"time,counts\n1,2\n2,x\n3,4\n",
    "line 3: 'inf' in column 'counts' is not finite": b"time,counts\n1,2\n2,inf\n3,4\n",
    "line 2: '1 2 3' has 3 columns, and the lines of numbers have 2": b"1 2\n1 2 3\n3 4\n5 6\n",
    "'counts' is the name of columns 2 and 3: say which by its number": b"time,counts,counts\n1,2,3\n2,3,4\n",
    "has no column 'counts' (did you mean 'count'?); it has time, count": b"time,count\n1,2\n2,3\n",
    "has no column 'counts'; it has 2, without names: say a number from 1": b"1,2\n2,3\n",
    "no row has a value in each of the columns time, counts": b"time,counts\n1,\n,3\n",
    "line 2: the error 0 in column 'err' is not above 0": b"time,counts,err\n1,2,0\n2,3,1\n",
}


@pytest.mark.parametrize("message", REFUSED)
def test_refusals(message, tmp_path):
    """What can't be read is an error with the file, the line and the column."""
    file = tmp_path / "wrong.csv"
    file.write_bytes(REFUSED[message])
    with pytest.raises(FileRefused) as caught:
        read_curve(str(file), ["1"], "counts", "err" if b"err" in REFUSED[message] else None)
    assert str(caught.value).startswith(f"{file}") and message in str(caught.value)


def test_default_columns(tmp_path):
    """Without --x and --y the first two columns are taken, or the first that is left."""
    file = tmp_path / "three.csv"
    file.write_text("a,b,c\n1,2,3\n4,5,6\n")
    for x, y, expected in (([], None, "ab"), (["c"], None, "ca"), ([], "a", "ba"), (["b"], "c", "bc")):
        curve = read_curve(str(file), x, y, None)
        assert curve.x[0].title + curve.y.title == expected
    (tmp_path / "one.csv").write_text("a\n1\n2\n")
    with pytest.raises(FileRefused, match="has one column, and x and y are two"):
        read_curve(str(tmp_path / "one.csv"), [], None, None)


def test_missing_file(tmp_path):
    """A file that isn't there is named."""
    with pytest.raises(FileRefused, match=r"nothing.csv can't be read: No such file"):
        read_curve(str(tmp_path / "nothing.csv"), [], None, None)


@pytest.mark.parametrize("dialect", CANDIDATES, ids=repr)
def test_a_line_is_taken_apart_as_it_was_joined(dialect):
    """Cells that are empty, or have signs between cells and quotes in them, come back."""
    for cells in product(["", "a", '"', 'a"b', "a b", "a,b", "a;b", "a|b", '""', "1"], repeat=3):
        assert dialect.split(dialect.joined(list(cells))) == list(cells)


def test_empty_cells_between_bars():
    """A row that ends too early has nothing in its last column."""
    table = read_table("f", b"13|3\n7\n0|\n1|2\n")
    np.testing.assert_array_equal(table.column(1), [3, np.nan, np.nan, 2])
