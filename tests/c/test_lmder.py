"""The refits' lmder and lmsder beside GSL's, in plain C, under the sanitizers."""
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(not (shutil.which("gcc") and shutil.which("gsl-config")), reason="needs gcc and gsl-config")
@pytest.mark.parametrize("flags", ["-O2", "-g -O1 -fsanitize=address,undefined -fno-sanitize-recover=all"], ids=["ordinary", "sanitizers"])
def test_steps_are_those_of_gsl(flags, tmp_path):
    """Eight problems by both methods: the same steps, ends, Jacobians and endings."""
    program = tmp_path / "test_lmder"

    def gsl(option):
        return shlex.split(subprocess.run(["gsl-config", option], check=True, capture_output=True, text=True).stdout)
    used = "solver/lmder.c", "solver/fdfsolver.c", "common/qr.c"
    sources = [ROOT / "tests" / "c" / "test_lmder.c", *(ROOT / "src" / name for name in used)]
    subprocess.run(["gcc", *shlex.split(flags), *gsl("--cflags"), "-Wall", "-Wextra", "-Werror", f"-I{ROOT / 'src'}", *map(str, sources),
                    "-o", str(program), *gsl("--libs")], check=True)
    run = subprocess.run([str(program)], capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "lmder: 0 failures" in run.stdout
