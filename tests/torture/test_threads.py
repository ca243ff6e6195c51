"""Threads share formulas, models and what was compiled: a short run of the fuzz, and what it sees."""
from torture.threads import Crew, run


def test_threads_share():
    """Random ways in four threads, and new objects that all read at the same moment."""
    counts, faults = run(700, 4, seed=1, only="fit")
    assert not faults, faults
    assert sum(counts.values()) >= 700
    assert counts["one new text"] >= 80


def test_what_differs_is_a_fault():
    """A result that is not that of a thread alone."""
    turns = iter(range(1000))
    crew = Crew({}, iter(()), 1)
    crew.meet(4, "an odd one", lambda: turns, next)
    assert crew.faults
