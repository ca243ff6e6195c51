"""Public calls with arguments of every wrong kind raise what they may, and nothing ends the process: tried in processes of their own."""

import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def calls(number, seed):
    """Make random calls; give what is printed at the end."""
    command = [sys.executable, str(HERE / "calls.py"), "--calls", str(number), "--seed", str(seed)]
    found = subprocess.run(command, capture_output=True, text=True, cwd=HERE.parent)
    assert found.returncode == 0, f"exit status {found.returncode}\n{found.stdout[-6000:]}\n{found.stderr[-2000:]}"
    return found.stdout


def test_some_random_calls():
    """A few, the same each time."""
    assert "0 kinds of faults" in calls(4000, 1)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(101, 105))
def test_many_random_calls(seed):
    """Some thousands."""
    assert "0 kinds of faults" in calls(10_000, seed)
