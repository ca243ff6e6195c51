"""Other ways into the entries -- functions that can't be compiled, one solver alone, start values by keyword -- crossed with every input.

What is right for an entry is right for each way into it: {total} cells, of which {green} are green and {faulty} are wrong today and strict
xfails: those of the entry (`parity.known_faults.FAULTS`), and where a way differs from its entry, `VARIANT_FAULTS`.
"""
import pytest

from parity.cells import ids, settle
from parity.known_faults import FAULTS, VARIANT_FAULTS
from parity.test_table import COLUMNS, judge
from parity.variants import VARIANTS
from parity.without_meaning import WITHOUT_MEANING


def has_meaning(way, column):
    """Whether a way can be asked for a cell: what its entry can, and by keywords only plain start values."""
    plain = all(par.vary and par.min is par.max is par.expr is None for par in COLUMNS[column].pars.values())
    return (VARIANTS[way][0], column) not in WITHOUT_MEANING and (plain or "keywords" not in way)


CELLS = [(way, column) for way in VARIANTS for column in COLUMNS if has_meaning(way, column)]
FOUND = {(way, column): FAULTS.get((VARIANTS[way][0], column), "") for way, column in CELLS} | VARIANT_FAULTS
__doc__ = __doc__.format(total=len(CELLS), green=sum(not why for why in FOUND.values()), faulty=sum(bool(why) for why in FOUND.values()))


@pytest.mark.parametrize(("way", "column"), ids(CELLS))
def test_cell(way, column):
    """A way into an entry gives the oracle's answer for an input, or the right error."""
    entry, ask = VARIANTS[way]
    why = FOUND[way, column]
    settle({"": why} if why else {}, {"": lambda: judge(entry, column, ask)})


def test_table_names_cells():
    """The table of faults names cells, and only where a way differs from its entry."""
    assert set(VARIANT_FAULTS) <= set(CELLS), set(VARIANT_FAULTS) - set(CELLS)
    same = [cell for cell, why in VARIANT_FAULTS.items() if bool(why) == ((VARIANTS[cell[0]][0], cell[1]) in FAULTS)]
    assert not same, f"these are as their entry is: {same}"
