"""The C core's own tests, built without Python: in plain C under the sanitizers, and with every instruction set of this machine."""
import platform
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from c.programs import run as run_program

ROOT = Path(__file__).parents[2]
CORE = sorted(str(path.relative_to(ROOT / "src").with_suffix("")) for path in ROOT.glob("src/**/*.c"))
SANITIZERS = "-g -O1 -fsanitize=address,undefined -fno-sanitize-recover=all"
BUILDS = {
    "plain C": "-DGSLFIT_PLAIN_C -DGSLFIT_NO_VECTOR_LIBM -O0",
    "plain C, sanitizers": f"-DGSLFIT_PLAIN_C -DGSLFIT_NO_VECTOR_LIBM {SANITIZERS}",
    "no vector libm": "-O1 -DGSLFIT_NO_VECTOR_LIBM",
    "ordinary": "-O3",
    "ordinary, sanitizers": SANITIZERS,
    "ordinary, threads": "-g -O1 -fsanitize=thread",
}
QUICK = {"plain C"}

pytestmark = pytest.mark.skipif(not shutil.which("gcc"), reason="needs gcc")


def gsl(option):
    """Return what pkg-config or gsl-config says about GSL."""
    for command in (["pkg-config", option, "gsl"], ["gsl-config", option]):
        if shutil.which(command[0]):
            found = subprocess.run(command, capture_output=True, text=True)
            if found.returncode == 0:
                return shlex.split(found.stdout)
    return ["-lgsl", "-lgslcblas", "-lm"] if option == "--libs" else []


@pytest.mark.parametrize("build", [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in BUILDS])
def test_core(build, tmp_path):
    """Every build passes the same tests, and nothing is read or written out of bounds on the way."""
    if "threads" in build and platform.machine() != "x86_64":
        pytest.skip("thread sanitizer is tried on x86-64 only")
    program = tmp_path / "test_engine"
    sources = [*(str(ROOT / "src" / f"{name}.c") for name in CORE), str(ROOT / "tests" / "c" / "test_engine.c")]
    command = ["gcc", *shlex.split(BUILDS[build]), "-fno-math-errno", "-Wno-psabi", f"-I{ROOT / 'src'}", f"-I{ROOT / 'tests' / 'c'}",
               *gsl("--cflags"), *sources, "-o", str(program), *gsl("--libs"), "-lm", "-lpthread"]
    subprocess.run(command, check=True)
    run = run_program(program)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "base: 0 failures" in run.stdout
