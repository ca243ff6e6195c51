"""What should change nothing changes nothing: fits end as they did, to the last bit on the machine that they were kept on.

A change of judgement that is meant gets a line in changed.txt beside this file, or remakes the lines of its fits: see make.py.
"""
import pytest
from frozen import make


@pytest.mark.parametrize("one_of", [5, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("group", make.GROUPS)
def test_frozen(group, one_of):
    """Every fit of a group, or one of five, has the record that is kept of it; the message names those that have another."""
    found, count = make.compare(group, one_of=one_of)
    assert count + len(make.chosen(make.excused(), make.kept(group))) > 10
    assert not found, "\n".join([f"{len(found)} of {count} differ", *found])
