"""Build the extensions with AddressSanitizer and UndefinedBehaviorSanitizer, and run tests and random calls with them; and the C core's
threads with ThreadSanitizer.

    python tests/torture/sanitize.py [--calls N] [--tests PATH ... [-k WORDS]] [--jobs N] [--resume] [--folder FOLDER]      (make sanitize)

It goes in pieces: some files of tests each, and the random calls by the thousand. What became of each is noted when it ends, so that
a run that was broken off goes on by --resume, as long as what is built is the same.
Needs gcc or clang with its sanitizers. The sanitizers' libraries are preloaded, as the interpreter itself is built without them. Each
report ends the process that it is about, and stands in a file of its own; they are printed at the end. Not looked for are leaks, of which
an interpreter that ends has many (`growth.py` looks for ours). Variables on the stack begin as a pattern: no test passes that reads one
before it is written. Tests that measure memory run without the memory that AddressSanitizer keeps back from what is freed.
"""

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import NamedTuple

TESTS = Path(__file__).parents[1]
ROOT = TESTS.parent
CHECKS = "-fsanitize=address,undefined"
PATTERN = "-ftrivial-auto-var-init=pattern"      # what is read before it is written is an enormous number, and an answer that is wrong
FLAGS = f"{CHECKS} {PATTERN} -fno-sanitize-recover=all -fno-omit-frame-pointer -g1"
# the quick tests of extensions; those under `torture` and a few others limit memory, or preload an allocator, and can't run so
SUITE = ("curves", "minimizer", "confidence", "c", "constraints", "formula", "multifit", "parameters", "solvers",
         "project/test_no_crash.py", "project/test_sizes.py", "project/test_bad_input.py", "stored")
FILES, BLOCK = 6, 5000      # files of tests, and random calls, of a piece
LIMITED = "memory_ends or test_memory or instruction_set or resident or leak or construction_is_quick"
MEASURING = ("solvers/test_solver.py::test_ten_thousand_solvers_leave_nothing", "solvers/test_nonlinear.py::test_solvers_leave_nothing",
             "solvers/test_siman.py::test_walks_leave_nothing")
THREADS = "c/test_races.py", "c/test_c_core.py"
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


def build(folder, root=ROOT):
    """Build the package with the sanitizers; returns the folder that goes into PYTHONPATH."""
    place = folder / "lib"
    settings = {"CC": " ".join(compiler()), "CFLAGS": FLAGS, "LDFLAGS": CHECKS}
    command = [sys.executable, "setup.py", "build_py", "--build-lib", place, "build_ext", "--debug", "--build-lib", place, "--build-temp",
               folder / "temp"]
    found = subprocess.run(list(map(str, command)), cwd=root, env=os.environ | settings, capture_output=True, text=True)
    if found.returncode:
        sys.exit(found.stdout[-2000:] + found.stderr[-4000:])
    return place


def environment(place, log, more=""):
    """Return the environment in which the sanitized package is imported, and reports are written to files of this name.

    With `more` options of AddressSanitizer's.
    """
    preloaded = [library(name) for name in ("libasan.so", "libubsan.so", "libstdc++.so.6")]
    options = {name: value.format(log=f"{log}.{name.split('_')[0].lower()}") for name, value in OPTIONS.items()}
    options["ASAN_OPTIONS"] += more
    return os.environ | options | {"LD_PRELOAD": ":".join(preloaded), "PYTHONPATH": str(place), "PYTHONMALLOC": "malloc"}


class Piece(NamedTuple):
    """A part of the run: its name, what the interpreter is told, and what makes its environment of where the package and reports are."""

    name: str
    command: list
    settings: Callable = environment

    def run(self, place, logs):
        """Run it; returns whether it went well, the seconds that it took, its last line, what it printed and the sanitizers' reports."""
        log = logs / re.sub(r"\W+", "-", self.name)
        for old in logs.glob(f"{log.name}.*"):
            old.unlink()
        began = time.monotonic()
        found = subprocess.run([sys.executable, *self.command], cwd=TESTS, env=self.settings(place, log), capture_output=True, text=True,
                               errors="replace")
        texts = [path.read_text(errors="replace") for path in sorted(logs.glob(f"{log.name}.*"))]
        reports = [text for text in (*texts, found.stderr) if any(word in text for word in REPORTED)]      # gcc's UBSan writes to stderr
        last = " / ".join(line.strip("= ") for line in found.stdout.splitlines()[-2 if "calls" in self.name else -1:])
        return {"well": found.returncode == 0, "seconds": round(time.monotonic() - began), "said": last or found.stderr[-300:],
                "printed": "" if found.returncode == 0 else found.stdout[-5000:] + found.stderr[-2000:], "reports": reports}


def without_quarantine(place, log):
    """Return the environment in which memory that was freed is free."""
    return environment(place, log, ":quarantine_size_mb=0:thread_local_quarantine_size_kb=0")


def as_it_is(place, log):
    """Return the environment of programs that are built with a sanitizer of their own, which must not be skipped."""
    return os.environ | {"GSLFIT_SANITIZERS": "1"}


def pieces(tests, calls, seed, only=""):
    """Return the parts of a run: tests (all, and the threads', if none are named), and random calls."""
    told = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "--capture=sys"]     # what C writes to stderr is a report
    if tests is None:
        yield Piece("threads", [*told, "-m", "slow or not slow", "-k", "sanitizer or threads", *THREADS], as_it_is)
        yield Piece("memory", [*told, *MEASURING], without_quarantine)
    told += ["-k", f"not ({LIMITED})" + (f" and ({only})" if only else ""), *(f"--deselect={TESTS.name}/{test}" for test in MEASURING)]
    for path in SUITE if tests is None else tests:
        files = sorted(str(file.relative_to(TESTS)) for file in (TESTS / path).rglob("test_*.py")) or [path]
        yield from (Piece(f"{path} {at // FILES + 1}", [*told, *files[at:at + FILES]]) for at in range(0, len(files), FILES))
    for first in range(0, calls, BLOCK):
        some = ["--first", str(first), "--calls", str(min(BLOCK, calls - first)), "--seed", str(seed)]
        yield Piece(f"random calls {seed}:{first}", ["torture/calls.py", "--no-limit", *some])


def built(place):
    """Return a digest of what is compiled."""
    digest = hashlib.sha256()
    for path in sorted(path for path in place.rglob("*") if path.suffix == ".so"):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


def is_under_test(place):
    """Whether the package that is imported is the sanitized one."""
    code = "import gslfit.curves._batch as b; print(b.__file__)"
    found = subprocess.run([sys.executable, "-c", code], cwd=TESTS, env=environment(place, place.parent / "import"), capture_output=True,
                           text=True)
    return found.stdout.startswith(str(place))


def run(wanted, place, folder, jobs, resume):
    """Run the pieces, some at a time; returns what became of each, those of a run before included that is gone on with."""
    logs, notes = folder / "reports", folder / "pieces.jsonl"
    digest = built(place)
    known = [json.loads(line) for line in notes.read_text().splitlines()] if resume and notes.exists() else []
    ended = {note["piece"]: note for note in known if note["built"] == digest and note["well"] and not note["reports"]}
    if not resume:
        shutil.rmtree(logs, ignore_errors=True)
        notes.unlink(missing_ok=True)
    logs.mkdir(parents=True, exist_ok=True)
    left = [piece for piece in wanted if piece.name not in ended]
    with ThreadPoolExecutor(jobs) as pool:
        running = {pool.submit(piece.run, place, logs): piece for piece in left}
        for done in as_completed(running):
            name, note = running[done].name, done.result()
            ended[name] = note
            with notes.open("a") as file:
                file.write(json.dumps({"piece": name, "built": digest, **note}) + "\n")
            said = f"{note['said']}, {note['seconds']} s, {len(note['reports'])} reports"
            print(f"{name} ({len(ended)} of {len(wanted)}): {said}", flush=True)
            if note["printed"]:
                print(note["printed"], flush=True)
    return [ended[piece.name] for piece in wanted]


def main():
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=100_000, help="random calls")
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--tests", nargs="*", help="of the tests, these")
    parser.add_argument("-k", dest="only", default="", help="of these only those that an expression of pytest's names")
    parser.add_argument("--jobs", type=int, default=2, help="pieces at a time")
    parser.add_argument("--resume", action="store_true", help="leave out the pieces that went well before")
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "sanitized")
    given = parser.parse_args()
    folder = given.folder.resolve()
    place = build(folder)
    if not is_under_test(place):
        sys.exit(f"the package under test is not the one of {place}")
    notes = run(list(pieces(given.tests, given.calls, given.seed, given.only)), place, folder, given.jobs, given.resume)
    reports = list(dict.fromkeys(report for note in notes for report in note["reports"]))
    for report in reports[:10]:
        print(f"---\n{report[:6000]}")
    bad = [note for note in notes if not note["well"]]
    print(f"{len(notes) - len(bad)} of {len(notes)} pieces well; {len(reports)} reports of the sanitizers")
    sys.exit(bool(bad or reports))


if __name__ == "__main__":
    main()
