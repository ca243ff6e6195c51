"""Every entry crossed with every input: {total} cells, of which {green} are green, {faulty} are wrong today and strict xfails
(`parity.known_faults`), and {empty} have no meaning (`parity.without_meaning` says why). The numbers are counted when this is imported.
"""
import warnings

import pytest

from parity.cells import ids, settle
from parity.entries import ENTRIES
from parity.further_inputs import FURTHER
from parity.inputs import INPUTS, of_entry
from parity.known_faults import FAULTS
from parity.point_inputs import POINTS
from parity.without_meaning import WITHOUT_MEANING

COLUMNS = INPUTS | FURTHER | POINTS
CELLS = [(entry, column) for entry in ENTRIES for column in COLUMNS if (entry, column) not in WITHOUT_MEANING]
__doc__ = __doc__.format(total=len(ENTRIES)*len(COLUMNS), green=len(CELLS) - len(FAULTS), faulty=len(FAULTS), empty=len(WITHOUT_MEANING))


def judge(entry, column, way=None):
    """Assert what an entry gives for an input, or another way into it."""
    given, way = COLUMNS[column], way or ENTRIES[entry]
    expected, beside = of_entry(given.expected, entry), of_entry(given.neighbour, entry)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            answers = way.ask(given)
        except Exception as error:
            expected.refused(error)
            return
    expected.judge(answers[0])
    if way.batch and beside is not None:
        beside.judge(answers[1])
    assert not (expected.quiet and told), [str(each.message) for each in told]


@pytest.mark.parametrize(("entry", "column"), ids(CELLS))
def test_cell(entry, column):
    """An entry gives the oracle's answer for an input, or the right error."""
    cell = entry, column
    settle({"": FAULTS[cell]} if cell in FAULTS else {}, {"": lambda: judge(*cell)})


def test_tables_name_cells():
    """The tables of faults and of what has no meaning name cells, and no cell is in both."""
    every = {(entry, column) for entry in ENTRIES for column in COLUMNS}
    assert set(FAULTS) <= every, set(FAULTS) - every
    assert set(WITHOUT_MEANING) <= every, set(WITHOUT_MEANING) - every
    assert not set(FAULTS) & set(WITHOUT_MEANING)
    assert all(FAULTS.values())
    assert all(WITHOUT_MEANING.values())
