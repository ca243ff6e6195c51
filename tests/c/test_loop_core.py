"""The guard and the loop in plain C, without Python, under the sanitizers."""
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(not (shutil.which("gcc") and shutil.which("gsl-config")), reason="needs gcc and gsl-config")
@pytest.mark.parametrize("flags", ["-O2", "-g -O1 -fsanitize=address,undefined -fno-sanitize-recover=all"], ids=["ordinary", "sanitizers"])
def test_guard_and_loop(flags, tmp_path):
    """Twelve methods, five sizes of residuals, four kinds of derivatives, walls, failures and limits."""
    program = tmp_path / "test_loop"
    flags = [*shlex.split(flags), *shlex.split(gsl("--cflags"))]
    sources = [ROOT / "tests" / "c" / "test_loop.c", ROOT / "src" / "solver" / "loop.c", ROOT / "src" / "solver" / "guard.c",
               *(ROOT / "src" / "common" / name for name in ("judgement.c", "qr.c", "status.c"))]
    subprocess.run(["gcc", *flags, "-Wall", "-Wextra", "-Werror", f"-I{ROOT / 'src'}", *map(str, sources), "-o", str(program),
                    *shlex.split(gsl("--libs"))], check=True)
    run = subprocess.run([str(program)], capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "loop: 0 failures" in run.stdout


def gsl(option):
    """Return what gsl-config says."""
    return subprocess.run(["gsl-config", option], check=True, capture_output=True, text=True).stdout
