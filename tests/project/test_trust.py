"""The page on trust: each promise has tests that are there, and its figures are those of the last runs."""
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MADE = runpy.run_path(str(ROOT / "docs" / "make_trust.py"))
TEXT = (ROOT / "docs" / "trust.md").read_text(encoding="utf-8")


def test_each_promise_has_tests():
    """No promise is without a test, and each test that is named is there."""
    assert MADE["complaints"](TEXT) == []
    assert len(MADE["promises"](TEXT)) > 15


@pytest.mark.parametrize(("line", "said"), [
    ("| It flies. | By looking. | |", "no test holds: It flies."),
    ("| It flies. | By looking. | `project/test_trust.py::test_it_flies` |", "there is no project/test_trust.py::test_it_flies"),
    ("| It flies. | By looking. | `project/test_flights.py::test_it` |", "there is no project/test_flights.py::test_it"),
])
def test_a_promise_without_a_test_is_seen(line, said):
    """A promise that nothing holds, or that names a test which is not there."""
    text = TEXT.replace("|---|---|---|\n", f"|---|---|---|\n{line}\n", 1)
    assert [found[:len(said)] for found in MADE["complaints"](text)] == [said]


def test_figures():
    """The tables are what the script writes."""
    assert MADE["page"]() == TEXT, "run python docs/make_trust.py"
