"""Build the extensions with AddressSanitizer and UndefinedBehaviorSanitizer, and run tests and random calls with them.

    python tests/torture/sanitize.py [--calls N] [--tests PATH ...] [--folder FOLDER]      (make sanitize)

Needs gcc or clang with its sanitizers. The sanitizers' libraries are preloaded, as the interpreter itself is built without them. Each
report ends the process that it is about, and stands in a file of its own; they are printed at the end. Not looked for are leaks, of which
an interpreter that ends has many (`growth.py` looks for ours). Variables on the stack begin as a pattern: no test passes that reads one
before it is written.
"""

import argparse
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

TESTS = Path(__file__).parents[1]
ROOT = TESTS.parent
CHECKS = "-fsanitize=address,undefined"
PATTERN = "-ftrivial-auto-var-init=pattern"      # what is read before it is written is an enormous number, and an answer that is wrong
FLAGS = f"{CHECKS} {PATTERN} -fno-sanitize-recover=all -fno-omit-frame-pointer -g1"
# the quick tests of extensions; those under `torture` and a few others limit memory, or preload an allocator, and can't run so
SUITE = ("c", "confidence", "constraints", "curves", "formula", "minimizer", "multifit", "parameters", "solvers",
         "project/test_no_crash.py", "project/test_sizes.py", "project/test_bad_input.py", "stored")
LIMITED = "memory_ends or test_memory or instruction_set or resident or leak"
REPORTED = "ERROR: ", "runtime error: "      # beside these there are warnings of allocations that were refused
# of the sanitizers: no memory beyond 4 GB at once, as if there were no more
OPTIONS = {
    "ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=1:max_allocation_size_mb=4096:abort_on_error=1:log_path={log}",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1:log_path={log}",
}


def compiler():
    """Return the compiler that Python's extensions are built with, or gcc."""
    return (os.environ.get("CC") or sysconfig.get_config_var("CC") or "gcc").split()


def library(name):
    """Where the compiler has a library."""
    found = subprocess.run([*compiler(), f"-print-file-name={name}"], capture_output=True, text=True, check=True).stdout.strip()
    if not Path(found).is_absolute():
        sys.exit(f"{' '.join(compiler())} has no {name}: install its sanitizers")
    return found


def build(folder):
    """Build the package with the sanitizers; returns the folder that goes into PYTHONPATH."""
    place = folder / "lib"
    settings = {"CC": " ".join(compiler()), "CFLAGS": FLAGS, "LDFLAGS": CHECKS}
    command = [sys.executable, "setup.py", "build_py", "--build-lib", place, "build_ext", "--debug", "--build-lib", place, "--build-temp",
               folder / "temp"]
    found = subprocess.run(list(map(str, command)), cwd=ROOT, env=os.environ | settings, capture_output=True, text=True)
    if found.returncode:
        sys.exit(found.stdout[-2000:] + found.stderr[-4000:])
    return place


def environment(place, logs):
    """Return the environment in which the sanitized package is imported, and reports are written to files."""
    preloaded = [library(name) for name in ("libasan.so", "libubsan.so", "libstdc++.so.6")]
    options = {name: value.format(log=logs / name.split("_")[0].lower()) for name, value in OPTIONS.items()}
    return os.environ | options | {"LD_PRELOAD": ":".join(preloaded), "PYTHONPATH": str(place), "PYTHONMALLOC": "malloc"}


def main():
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=100_000, help="random calls")
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--tests", nargs="*", default=list(SUITE), help="of the tests, these")
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "sanitized")
    given = parser.parse_args()
    place = build(given.folder)
    logs = given.folder / "reports"
    shutil.rmtree(logs, ignore_errors=True)
    logs.mkdir(parents=True)
    settings, bad = environment(place, logs), 0
    where = subprocess.run([sys.executable, "-c", "import gslfit.curves._batch as b; print(b.__file__)"], cwd=TESTS, env=settings,
                           capture_output=True, text=True).stdout.strip()
    if not where.startswith(str(place)):
        sys.exit(f"the package under test is {where or 'none'}, and not the one of {place}")
    if given.tests:
        command = ["-m", "pytest", "-q", "-n", "2", "-p", "no:cacheprovider", "-k", f"not ({LIMITED})", *given.tests]
        bad |= subprocess.run([sys.executable, *command], cwd=TESTS, env=settings).returncode
    if given.calls:
        command = ["torture/calls.py", "--no-limit", "--calls", str(given.calls), "--seed", str(given.seed)]
        bad |= subprocess.run([sys.executable, *command], cwd=TESTS, env=settings).returncode
    reports = [log for log in sorted(logs.iterdir()) if any(word in log.read_text(errors="replace") for word in REPORTED)]
    for report in reports[:10]:
        print(f"--- {report.name}\n{report.read_text(errors='replace')[:6000]}")
    print(f"{len(reports)} reports of the sanitizers; tests and calls {'failed' if bad else 'well'}")
    sys.exit(bool(bad or reports))


if __name__ == "__main__":
    main()
