"""Each harness of the torture catches a fault that is planted in a copy."""

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

AREAS = ("memory", "interrupts", "callbacks", "growth", "calls")  # those of the sanitizers take a build of their own: plants.py alone


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux") or not shutil.which("gcc"), reason="needs glibc and a compiler")
@pytest.mark.skipif(not importlib.util.find_spec("tomllib"), reason="needs tomllib")
def test_planted_faults_are_caught(tmp_path):
    """Without the fault a harness finds nothing, with it it says what is wrong."""
    command = [sys.executable, str(Path(__file__).parent / "plants.py"), *AREAS, "--folder", str(tmp_path / "copy")]
    found = subprocess.run(command, capture_output=True, text=True, timeout=1500)
    assert found.returncode == 0, found.stdout[-6000:] + found.stderr[-2000:]
    assert [line.split(".")[0] for line in found.stdout.splitlines() if ": caught" in line] == list(AREAS)
