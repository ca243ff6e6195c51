"""The tables of GSL's names and PyGSL's on the porting page: complete, up to date, and true."""
import re
import runpy
import subprocess
from pathlib import Path

import pytest

from gslfit import multifit

DOCS = Path(__file__).parents[2] / "docs"
MAKE = runpy.run_path(str(DOCS / "make_gsl_names.py"))
SOLVERS = {name: getattr(multifit, name)(4, 2) for name in ("FdfSolver", "NonlinearSolver", "LargeSolver")}


def test_page_is_what_the_script_writes():
    """Nobody edits the tables by hand."""
    assert MAKE["PAGE"].read_text(encoding="utf-8") == MAKE["page"](), "run python docs/make_gsl_names.py"


def test_every_name_has_a_row_and_every_row_a_name():
    """A line of counterparts that fits no name is stale; a name that none fits ends the script."""
    _, used = MAKE["tables"]()
    known = [pattern for pattern, _, _ in MAKE["counterparts"]()]
    assert sorted(known) == sorted(set(known))
    assert set(known) == used
    assert sum(map(len, MAKE["listed"]("gsl").values())) > 300


def test_list_is_that_of_the_headers():
    """Where GSL's headers are installed they declare nothing that the list hasn't, and all of it from 2.7 on."""
    flags = subprocess.run(["gsl-config", "--prefix"], capture_output=True, text=True, check=False)
    folder = Path(flags.stdout.strip()) / "include" / "gsl"
    if not (folder / MAKE["HEADERS"][0]).exists():
        pytest.skip("the headers are not where gsl-config points")
    version = subprocess.run(["gsl-config", "--version"], capture_output=True, text=True, check=True).stdout
    for header, names in MAKE["listed"]("gsl").items():
        found = MAKE["declared"]((folder / header).read_text())
        assert set(found) <= set(names), header
        if tuple(map(int, re.findall(r"\d+", version)[:2])) == (2, 7):
            assert found == names, header


@pytest.mark.parametrize("line", MAKE["counterparts"](), ids=lambda line: line[0])
def test_counterparts_are_there(line):
    """Each is an attribute of gslfit.multifit, with the keywords that the row says."""
    _, here, _ = line
    for text in re.findall(r"`([^`]+)`", here):
        for solver in ("NonlinearSolver", "LargeSolver") if "{}" in text else ("",):
            words = re.match(r"[\w.]+", text.replace("{}", solver))[0].split(".")
            found = SOLVERS.get(words[0]) or getattr(multifit, words[0])
            for word in words[1:]:
                assert hasattr(type(found) if words[0] in SOLVERS else found, word), text
            options = re.findall(r'(\w+)=(?:"(\w+)")?', text) if words[0] in SOLVERS and len(words) == 1 else []
            for name, value in options:
                assert name in found.options, text
                if value and name != "fdtype" and not (value == "qr" and solver == "LargeSolver"):
                    extra = {"solver": "none"} if value == "cgst" else {}
                    assert type(found)(4, 2, **{name: value}, **extra).options[name] == value
