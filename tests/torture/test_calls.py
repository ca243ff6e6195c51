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


def test_some_random_calls():
    """A few, the same each time."""
    assert "\n0 kinds of faults" in calls(4000, 1)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(101, 105))
def test_many_random_calls(seed):
    """Some thousands each."""
    said = calls(10_000, seed)
    assert "\n0 kinds of faults" in said, said[-6000:]
