"""Public calls with arguments of every wrong kind raise what they may, and nothing ends the process: tried in processes of their own."""

import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def calls(number, seed):
    """Make random calls in a process that lives to the end; give what it prints."""
    command = [sys.executable, "-X", "faulthandler", str(HERE / "calls.py"), "--calls", str(number), "--seed", str(seed)]
    found = subprocess.run(command, capture_output=True, text=True, cwd=HERE.parent)
    assert found.returncode in (0, 1) and "kinds of faults" in found.stdout, (
        f"{found.returncode}\n{found.stdout[-6000:]}\n{found.stderr[-2000:]}"
    )
    return found.stdout


SLOW = (4000, 1), (10_000, 101), (10_000, 102), (10_000, 103), (10_000, 104)


@pytest.mark.parametrize(("number", "seed"), [(1000, 1), *(pytest.param(*each, marks=pytest.mark.slow) for each in SLOW)])
def test_random_calls(number, seed):
    """The same each time: a few in the quick suite, some thousands in the slow one."""
    said = calls(number, seed)
    assert "\n0 kinds of faults" in said, said[-6000:]
