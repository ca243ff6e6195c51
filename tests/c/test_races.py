"""Batches in threads under the thread sanitizer, and with every meeting of threads delayed at random: the same bits, and no race."""
import platform
import shlex
import shutil
import subprocess

import pytest
from c.programs import run as run_program
from c.test_c_core import CORE, ROOT, gsl

DELAYS = ROOT/"tests"/"c"/"delays.h"
BUILDS = {"sanitizer": "-g -O1 -fsanitize=thread", "delays": f"-g -O2 -include {DELAYS}"}


@pytest.mark.slow
@pytest.mark.parametrize("compiler", ["gcc", "clang"])
@pytest.mark.parametrize("build", BUILDS)
def test_races(build, compiler, tmp_path):
    """Crews of four threads, two of them at once, by every method, stopped early and late, on short and on tall curves."""
    if not shutil.which(compiler):
        pytest.skip(f"needs {compiler}")
    if build == "sanitizer" and platform.machine() != "x86_64":
        pytest.skip("the thread sanitizer is tried on x86-64 only")
    program = tmp_path/"test_races"
    sources = [*(str(ROOT/"src"/f"{name}.c") for name in CORE), str(ROOT/"tests"/"c"/"test_races.c")]
    command = [compiler, *shlex.split(BUILDS[build]), "-fno-math-errno", "-Wno-psabi", f"-I{ROOT/'src'}", f"-I{ROOT/'tests'/'c'}",
               *gsl("--cflags"), *sources, "-o", str(program), *gsl("--libs"), "-lm", "-lpthread"]
    subprocess.run(command, check=True)
    run = run_program(program)
    assert run.returncode == 0, run.stdout + run.stderr[:4000]
    assert run.stdout.endswith("0 failures\n")
