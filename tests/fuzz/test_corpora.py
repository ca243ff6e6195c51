"""Texts and files that the guided fuzzer kept end well, or with the one error that says what is wrong."""
import pytest

from fuzz.guided import CORPORA, NAMES
from fuzz.targets import TARGETS, ends_well, good, show


@pytest.mark.parametrize("target", NAMES)
def test_kept(target):
    """Every input of a corpus: none ends by another error."""
    kept = sorted((CORPORA / target).iterdir())
    assert len(kept) >= 2
    for path in kept:
        content = path.read_bytes()
        try:
            ends_well(target, content)
        except Exception as error:
            pytest.fail(f"{path.name}, {show(content)}: {type(error).__name__}: {error}")


@pytest.mark.parametrize("target", NAMES)
def test_good(target):
    """What the fuzzer begins with is taken."""
    assert all(ends_well(target, content) for content in good(target))


def test_all_targets_have_a_corpus():
    """The fuzzer's names are the targets."""
    assert set(NAMES) == set(TARGETS)
