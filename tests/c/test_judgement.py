"""The table of judgement: the C core's own tests of it, and what the entries make of it."""
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(not shutil.which("gcc"), reason="needs gcc")
def test_table(tmp_path):
    """Every line of the table has its verdict, in any unit."""
    program = tmp_path / "test_judgement"
    sources = [str(ROOT / "tests" / "c" / "test_judgement.c"), str(ROOT / "src" / "common" / "judgement.c")]
    subprocess.run(["gcc", "-O1", "-Wall", "-Wextra", "-Werror", f"-I{ROOT / 'src'}", *sources, "-o", str(program), "-lm"], check=True)
    run = subprocess.run([str(program)], capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "judgement: 0 failures" in run.stdout
