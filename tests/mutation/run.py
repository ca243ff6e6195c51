"""Plant the faults of faults.toml one at a time, and list those that no test notices.

    python tests/mutation/run.py [--revision REV] [--areas lanes,batch] [--results FILE]

The tree (or a revision of it) is copied to a folder of its own with its own build, by ccache where there is one; the tests run against
that build. A changed .c file compiles in seconds, a changed .py file needs no compiler.

The faults of areas with the same tests are planted all at once first: the tests of that place that still pass have nothing to say of any
of them. The quick ones of the others then meet each fault alone, until one fails; a crash and a run beyond the time limit count as
noticed. A server that has imported what is not under test forks for each run. --killers runs the tests that noticed something without a
fault, to see that it was the fault. What survives is planted all at once, and the whole quick suite is run: tests that fail then are run
again with halves of the faults, and halves of these, down to single ones. So the suite, the dear part, runs once. Faults may hide each
other: one that makes a test fail which another would make pass again is counted as a survivor. That is rare, and errs on the side of too
many survivors.

Results are appended to a file, a line of JSON each, so that a run that was broken off goes on where it was; --report prints the score.
Tests of style and packaging (UNRELATED) take no part: they read the text of the code, and a fault is not to be found by its looks.
"""
from __future__ import annotations

import argparse
import hashlib
import io
import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import tomllib

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
UNRELATED = ("test_house", "test_layers", "test_packaging", "test_docstrings", "test_documents", "test_examples",
             "test_old_paths", "test_leaks")
CODE = (".py", ".pyx", ".pxi", ".pxd", ".c", ".h")
SERVER = """
import importlib, json, os, sys
for name in ("numpy", "pytest", "scipy.optimize", "scipy.special", "scipy.stats", "lmfit", "sympy", "mpmath", "pandas", "hypothesis"):
    try:
        importlib.import_module(name)
    except ImportError:
        pass
for line in sys.stdin:
    out, arguments = json.loads(line)
    child = os.fork()
    if not child:
        os.setsid()
        file = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, 1)
        os.dup2(file, 2)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        sys.argv[:] = ["pytest"]
        code = sys.modules["pytest"].main(arguments)
        sys.stdout.flush()
        os._exit(code)
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
ENOUGH = 25.0       # seconds of tests that a fault meets before the whole suite
TOOK = re.compile(r"^(\d+\.\d+)s call +(?:tests/)?(\S.*)$", re.M)
FAILED = re.compile(r"^(?:FAILED|ERROR) (\S+?(?:\[.*?\])?)(?: - .*)?$", re.M)


class Fault(NamedTuple):
    """One fault: where it belongs, its name, the text that it changes, and what a user would see."""

    area: str
    name: str
    old: str
    new: str
    seen: str

    @property
    def label(self) -> str:
        """Area and name."""
        return f"{self.area}.{self.name}"


def hastened(name: str, content: bytes) -> bytes:
    """Have nothing optimised, and the C core for one instruction set of three: it then compiles in a second, not a minute."""
    for end, old, new in (("setup.py", b'"-O3"', b'"-O0"'), ("isa_base.c", b"&gslfit_isa_v4, &gslfit_isa_v3, ", b""),
                          ("isa_v3.c", b"ISA_X86", b"NO_ISA"), ("isa_v4.c", b"ISA_X86", b"NO_ISA")):
        if name.endswith(end):
            content = content.replace(old, new)
    return content


def read_faults(path: Path) -> tuple[list[Fault], dict[str, list[str]]]:
    """Return the faults of a file, and the tests that belong to each area."""
    content = tomllib.loads(path.read_text(encoding="utf-8"))
    places = content.pop("places")
    faults = [Fault(area, name, fault["old"], fault["new"], fault["seen"])
              for area, found in content.items() for name, fault in found.items()]
    return faults, places


class Tree:
    """A copy of the project with a build of its own, in which faults are planted.

    Parameters
    ----------
    folder : Path
        Where it is.
    python : str
        The interpreter that has the project's dependencies.
    """

    def __init__(self, folder: Path, python: str):
        self.folder, self.python = folder, python
        self.planted: dict[Path, str] = {}
        self.server: subprocess.Popen[str] | None = None
        self.env = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "CCACHE_NOHASHDIR": "1"}
        if shutil.which("ccache"):
            self.env["CC"] = "ccache gcc"

    def copy(self, revision: str | None) -> None:
        """Copy the files that git knows, of a revision or as they are now, over what was there; a build stays."""
        if revision:
            archive = subprocess.run(["git", "archive", revision], cwd=ROOT, capture_output=True, check=True).stdout
            with tarfile.open(fileobj=io.BytesIO(archive)) as found:
                wanted = {member.name: found.extractfile(member).read() for member in found if member.isfile()}     # type: ignore[union-attr]
        else:
            listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True)
            wanted = {name: (ROOT / name).read_bytes() for name in listed.stdout.splitlines() if (ROOT / name).is_file()}
        for top in ("gslfit", "src", "tests"):
            for path in [path for path in (self.folder / top).rglob("*") if path.is_file()]:
                if str(path.relative_to(self.folder)) not in wanted:
                    path.unlink()
        for name, content in wanted.items():
            target, content = self.folder / name, hastened(name, content)
            if not (target.is_file() and target.read_bytes() == content):
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content)

    def files(self) -> Iterator[Path]:
        """Yield the files that faults are looked for in."""
        for top in ("gslfit", "src"):
            yield from (path for path in sorted((self.folder / top).rglob("*")) if path.suffix in CODE)

    def text(self, path: Path) -> str:
        """Return what a file holds without faults."""
        return self.planted[path] if path in self.planted else path.read_text(encoding="utf-8")

    def find(self, fault: Fault) -> Path | None:
        """Return the one file that has a fault's text once; None where it is nowhere, or not alone."""
        found = [path for path in self.files() for _ in range(self.text(path).count(fault.old))]
        return found[0] if len(found) == 1 else None

    def plant(self, faults: Sequence[Fault]) -> bool:
        """Put faults into the files, in place of those that were there, and build; return whether that worked."""
        wanted = dict(self.planted)
        for fault in faults:
            path = self.find(fault)
            assert path is not None, fault.label
            text = wanted.get(path, self.text(path))
            assert fault.old in text, f"{fault.label} overlaps with another fault: see apart"
            wanted[path] = text.replace(fault.old, fault.new)
        before = {path: self.text(path) for path in wanted}
        for path, text in wanted.items():
            if path.read_text(encoding="utf-8") != text:
                path.write_text(text, encoding="utf-8")
        self.planted = {path: text for path, text in before.items() if wanted[path] != text}
        return self.build({path.suffix for path in wanted} <= {".py"})

    def apart(self, faults: Sequence[Fault]) -> list[list[Fault]]:
        """Return faults in lists, in each of which no two change the same text, so that they can be planted together."""
        lists: list[list[Fault]] = []
        texts: list[dict[Path, str]] = []
        for fault in faults:
            path = self.find(fault)
            assert path is not None, fault.label
            fits = (k for k, known in enumerate(texts) if known.get(path, self.text(path)).count(fault.old) == 1)
            place = next(fits, len(lists))
            if place == len(lists):
                lists.append([])
                texts.append({})
            lists[place].append(fault)
            texts[place][path] = texts[place].get(path, self.text(path)).replace(fault.old, fault.new)
        return lists

    def build(self, python_only: bool = False) -> bool:
        """Bring the build up to date; return whether that worked."""
        command = [self.python, "setup.py", "-q", "build_py" if python_only else "build"]
        self.log = subprocess.run(command, cwd=self.folder, env=self.env, capture_output=True, text=True, check=False)
        return self.log.returncode == 0

    def test(self, arguments: Sequence[str], limit: float) -> tuple[str, list[str], float]:
        """Run pytest; return "passed", "failed", "crashed" or "too long", the tests that failed, and the seconds that it took."""
        if self.server is None:
            library = next(self.folder.glob("build/lib*"))
            self.server = subprocess.Popen([self.python, "-c", SERVER], cwd=self.folder / "tests", text=True, stdin=subprocess.PIPE,
                                           stdout=subprocess.PIPE, env={**self.env, "PYTHONPATH": str(library)})
        assert self.server.stdin
        assert self.server.stdout
        began = time.monotonic()
        out = self.folder / "pytest.out"
        print(json.dumps([str(out), ["-q", "-p", "no:cacheprovider", "--tb=no", "-rfE", *arguments]]), file=self.server.stdin, flush=True)
        group = int(self.server.stdout.readline())
        late = threading.Timer(limit, os.killpg, (group, signal.SIGKILL))
        late.start()
        code = int(self.server.stdout.readline())
        took, in_time = time.monotonic() - began, late.is_alive()
        late.cancel()
        self.out = out.read_text(encoding="utf-8", errors="replace")
        if not in_time:
            return "too long", [], took
        return {0: "passed", 1: "failed"}.get(code, "crashed"), FAILED.findall(self.out) if code else [], took

    def tests(self, names: Sequence[str]) -> list[str]:
        """The files of tests of these names, wherever they are; FOLDER/NAME where there are several."""
        files = [path.relative_to(self.folder / "tests") for path in sorted((self.folder / "tests").rglob("test_*.py"))]
        found = {name: str(path) for path in files for name in (path.stem, f"{path.parent}/{path.stem}")}
        twice = [name for name in names if "/" not in name and sum(path.stem == name for path in files) > 1]
        if twice:
            raise SystemExit(f"there are several {twice[0]}: say FOLDER/{twice[0]}")
        absent = [name for name in names if name not in found]
        if absent:
            print(f"there are no tests {', '.join(absent)}", file=sys.stderr)
        return [found[name] for name in names if name in found]


class Results:
    """What is known of each fault, in a file that grows by a line at a time."""

    def __init__(self, path: Path):
        self.path, self.known = path, {}
        if path.exists():
            for line in path.read_text(encoding="utf-8").splitlines():
                row = json.loads(line)
                self.known[row["fault"]] = row

    def add(self, fault: Fault, result: str, by: str = "", seconds: float = 0.0) -> None:
        """Note what became of a fault."""
        row = {"fault": fault.label, "result": result, "by": by, "seconds": round(seconds, 1)}
        self.known[fault.label] = row
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        print(f"{fault.label:<48} {result:<12} {seconds:6.1f} s  {by}", flush=True)

    def of(self, fault: Fault) -> str:
        """Return what is known of a fault, "" for nothing."""
        return self.known.get(fault.label, {}).get("result", "")


def first_stage(tree: Tree, faults: Sequence[Fault], places: dict[str, list[str]], old: set[str], results: Results) -> None:
    """Let faults meet the tests of their place, those of areas that have the same tests together."""
    for place in dict.fromkeys(tuple(places[fault.area]) for fault in faults):
        here = [fault for fault in faults if tuple(places[fault.area]) == place and not results.of(fault)]
        for fault in [fault for fault in here if tree.find(fault) is None]:
            results.add(fault, "not found")
            here.remove(fault)
        if not here:
            continue
        began = time.monotonic()
        told = [test for some in tree.apart(here) for test in telling(tree, some, tree.tests(place))]
        tests = list(dict.fromkeys(told))
        took = time.monotonic() - began
        print(f"# {', '.join(dict.fromkeys(fault.area for fault in here))}: {took:.0f} s, {len(tests)} tests may tell", flush=True)
        earlier = [test for test in tests if named(test) in old] if old else []
        later = [test for test in tests if test not in earlier]
        for fault in here:
            alone(tree, fault, [earlier, later], 120 + 4 * took, results)
    tree.plant([])


def named(test: str) -> str:
    """Return the name of a test's function."""
    return test.split("::")[-1].split("[")[0]


def telling(tree: Tree, faults: Sequence[Fault], tests: list[str]) -> list[str]:
    """Return which tests fail with all of these faults, the quick ones: what passes with all of them passes with each."""
    how, failed = "crashed", []
    if tree.plant(faults):
        how, failed, _ = tree.test(["-n", "2", "--durations=0", *tests], 3600)
    if how in ("passed", "failed"):
        took = {test: float(seconds) for seconds, test in TOOK.findall(tree.out)}
        failed = sorted(dict.fromkeys(failed), key=lambda test: took.get(test.removeprefix("tests/"), 0.0))
        total = list(itertools.accumulate(took.get(test.removeprefix("tests/"), 0.0) for test in failed))
        return [test for test, until in zip(failed, total, strict=True) if until < ENOUGH] or failed
    half = len(faults) // 2
    if not half:
        return tests
    return list(dict.fromkeys(telling(tree, faults[:half], tests) + telling(tree, faults[half:], tests)))


def alone(tree: Tree, fault: Fault, tests: Sequence[Sequence[str]], limit: float, results: Results) -> None:
    """Plant one fault and run tests, one lot after the other, until one fails."""
    if any(tests) and not tree.plant([fault]):
        results.add(fault, "no build", (tree.log.stderr.strip().splitlines() or [""])[-1][:200])
        return
    seconds = 0.0
    for lot in tests:
        if lot:
            how, failed, took = tree.test(["-x", *lot], limit)
            seconds += took
            if how != "passed":
                results.add(fault, "killed", failed[0] if failed else f"{how} in {lot[0]}", seconds)
                return
    results.add(fault, "passed", "", seconds)


def check_killers(tree: Tree, faults: Sequence[Fault], results: Results) -> None:
    """Run each test that noticed a fault without any; what it noticed is open again if it fails."""
    killers: dict[str, list[Fault]] = {}
    for fault in faults:
        if results.of(fault) == "killed" and "::" in results.known[fault.label]["by"]:
            killers.setdefault(results.known[fault.label]["by"], []).append(fault)
    tree.plant([])
    _, failed, took = tree.test(sorted(killers), 3600) if killers else ("passed", [], 0.0)
    print(f"# {len(killers)} tests that noticed a fault, without one: {took:.0f} s, {len(failed)} fail {failed or ''}", flush=True)
    for fault in [fault for test in failed for fault in killers.get(test, [])]:
        results.add(fault, "")


def second_stage(tree: Tree, faults: Sequence[Fault], results: Results) -> None:
    """Let all that survived so far meet the whole quick suite together."""
    tree.plant([])
    for left in tree.apart([fault for fault in faults if results.of(fault) == "passed"]):
        whole_suite(tree, left, results)
    tree.plant([])


def whole_suite(tree: Tree, left: Sequence[Fault], results: Results) -> None:
    """Let faults meet the whole quick suite together."""
    everything = ["-n", "2", *(f"--ignore-glob=*{name}.py" for name in UNRELATED)]
    if not tree.plant(left):
        raise SystemExit(f"these faults don't build together:\n{tree.log.stderr[-2000:]}")
    how, failed, took = tree.test(everything, 3600)
    print(f"# the whole suite with {len(left)} faults: {how} in {took:.0f} s; {len(failed)} tests failed", flush=True)
    suspects = sorted(set(failed))
    guilty = [] if how == "passed" else guilty_of(tree, left, suspects or everything, results, True)
    for fault in left:
        if fault not in guilty:
            results.add(fault, "survived")


def guilty_of(tree: Tree, faults: Sequence[Fault], suspects: Sequence[str], results: Results, known: bool) -> list[Fault]:
    """Return which faults make some of the tests fail, by halves; `known` says that together they do."""
    if not known:
        if not tree.plant(faults):
            raise SystemExit(f"these faults don't build together:\n{tree.log.stderr[-2000:]}")
        how, failed, took = tree.test(["-x", *suspects] if len(faults) == 1 else list(suspects), 1800)
        if how == "passed":
            return []
        if len(faults) == 1:
            results.add(faults[0], "killed", failed[0] if failed else how, took)
            return list(faults)
        suspects = sorted(set(failed)) or suspects
    half = len(faults) // 2
    if not half:
        return guilty_of(tree, faults, suspects, results, False)
    return [fault for part in (faults[:half], faults[half:]) for fault in guilty_of(tree, part, suspects, results, False)]


def report(faults: Sequence[Fault], results: Results, out: Path | None, old: set[str]) -> None:
    """Print the score by area, that of old tests too, and the survivors."""
    areas = dict.fromkeys(fault.area for fault in faults)
    total = {"killed": 0, "survived": 0, "passed": 0, "not found": 0, "no build": 0}
    before = 0
    for area in areas:
        own = [results.of(fault) for fault in faults if fault.area == area and results.of(fault)]
        counts = {kind: own.count(kind) for kind in total}
        total = {kind: total[kind] + counts[kind] for kind in total}
        by_old = sum(results.of(fault) == "killed" and named(results.known[fault.label]["by"]) in old
                     for fault in faults if fault.area == area)
        before += by_old
        if own:
            print(f"{area:<16} {counts['killed']:>3} of {len(own):>3} killed" + (f", {by_old} by old tests" if old else "") + "".join(
                f", {counts[kind]} {kind}" for kind in ("passed", "not found", "no build") if counts[kind]))
    judged = total["killed"] + total["survived"] + total["passed"]
    print(f"{'all':<16} {total['killed']:>3} of {judged:>3} killed, {100 * total['killed'] / max(judged, 1):.0f} %"
          + (f", {before} by old tests, {100 * before / max(judged, 1):.0f} %" if old else "") + "; "
          f"not found {total['not found']}, no build {total['no build']}")
    lines = [f"{fault.label}\n    {fault.old!r}\n    -> {fault.new!r}\n    {fault.seen}" for fault in faults
             if results.of(fault) in ("survived", "passed")]
    if out:
        out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    else:
        print("\nSurvivors:", *(fault.label for fault in faults if results.of(fault) in ("survived", "passed")), sep="\n  ")


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--revision", help="what to plant the faults in; the tree as it is, if not given")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "gslfit-mutants", help="where the copy is")
    parser.add_argument("--results", type=Path, default=Path(tempfile.gettempdir()) / "gslfit-mutants.jsonl")
    parser.add_argument("--python", default=str(ROOT / ".venv" / "bin" / "python"), help="with the project's dependencies")
    parser.add_argument("--areas", default="", help="names, separated by commas; all, if not given")
    parser.add_argument("--stage", type=int, choices=(1, 2), help="only the first or the second")
    parser.add_argument("--most", type=int, default=1000, help="faults of an area, drawn by their names")
    parser.add_argument("--killers", action="store_true", help="only run the tests that noticed faults, without faults")
    parser.add_argument("--check", action="store_true", help="only say which faults' texts are not found once")
    parser.add_argument("--report", action="store_true", help="only print what is known")
    parser.add_argument("--survivors", type=Path, help="write the survivors here")
    parser.add_argument("--old", default="", help="a revision: its tests go first, and the report has their score too")
    given = parser.parse_args()
    old: set[str] = set()
    if given.old:
        listed = subprocess.run(["git", "grep", "-hoE", r"def test_\w+", given.old, "--", "tests"], cwd=ROOT, capture_output=True,
                                text=True, check=True).stdout
        old = {line.removeprefix("def ") for line in listed.splitlines()}
    faults, places = read_faults(HERE / "faults.toml")
    wanted = [area for area in given.areas.split(",") if area]
    faults = [fault for fault in faults if not wanted or fault.area in wanted]
    for area in {fault.area for fault in faults}:
        drawn = sorted((fault for fault in faults if fault.area == area), key=lambda fault: hashlib.md5(fault.name.encode()).digest())
        faults = [fault for fault in faults if fault not in drawn[given.most:]]
    results = Results(given.results)
    if not given.report:
        tree = Tree(given.folder, given.python)
        tree.copy(given.revision)
        if given.check:
            print(*(fault.label for fault in faults if tree.find(fault) is None), sep="\n")
            return
        if not tree.build():
            raise SystemExit(tree.log.stdout + tree.log.stderr)
        if given.killers:
            check_killers(tree, faults, results)
            return
        if given.stage != 2:
            first_stage(tree, faults, places, old, results)
        if given.stage != 1:
            second_stage(tree, faults, results)
    report(faults, results, given.survivors, old)


if __name__ == "__main__":
    main()
