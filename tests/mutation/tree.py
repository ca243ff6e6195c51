"""A copy of the project with a build of its own, in which faults are planted and tests are run."""
from __future__ import annotations

import io
import json
import os
import re
import shutil
import signal
import subprocess
import tarfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import tomllib

ROOT = Path(__file__).resolve().parent.parent.parent
OPTIONS = ["-q", "-p", "no:cacheprovider", "--tb=no", "-rfE", "--durations=0", "--durations-min=0"]
TOOK = re.compile(r"^(\d+\.\d+)s call +(\S.*)$", re.M)
FAILED = re.compile(r"^(?:FAILED|ERROR) (\S+?(?:\[.*?\])?)(?: - .*)?$", re.M)
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


class Fault(NamedTuple):
    """One fault: where it belongs, its name, the file and the text that it changes, and what a user would see."""

    area: str
    name: str
    file: str
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
    faults = [Fault(area, name, fault["file"], fault["old"], fault["new"], fault["seen"])
              for area, found in content.items() for name, fault in found.items()]
    return faults, places


class Outcome(NamedTuple):
    """What pytest said: passed, failed, crashed or too long; the tests that failed; seconds, those of each test; all of it."""

    how: str
    failed: list[str]
    seconds: float
    took: dict[str, float]
    said: str


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
        self.time = 0
        self.env = {**os.environ, "CCACHE_NOHASHDIR": "1"}
        self.env.pop("PYTHONDONTWRITEBYTECODE", None)
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
        self.log = subprocess.CompletedProcess("", 0, "", "")
        if not (python_only and self.libraries()):
            command = [self.python, "setup.py", "-q", "build_ext" if self.libraries() else "build"]
            self.log = subprocess.run(command, cwd=self.folder, env=self.env, capture_output=True, text=True, check=False)
        if not self.log.returncode:
            self.copy_modules()
        return self.log.returncode == 0

    def libraries(self) -> list[Path]:
        """Return the folder of the build, none where nothing is compiled yet."""
        return [path.parents[1] for path in self.folder.glob("build/lib*/gslfit/_status.*.so")]

    def borrow(self) -> bool:
        """Take the gslfit that is installed for this Python, in place of a build: extensions and data; return whether there are any."""
        code = "import importlib.util; print(importlib.util.find_spec('gslfit').submodule_search_locations[0])"
        found = subprocess.run([self.python, "-I", "-c", code], capture_output=True, text=True, check=True).stdout.strip()
        target = self.folder / "build" / "lib-borrowed" / "gslfit"
        shutil.copytree(found, target, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
        return bool(self.libraries()) and self.build(python_only=True)

    def copy_modules(self) -> None:
        """Copy the Python files that changed into the build, each with a time of its own, so that its byte code is made anew."""
        library, = self.libraries()
        for path in (self.folder / "gslfit").rglob("*.py"):
            target, content = library / path.relative_to(self.folder), path.read_bytes()
            if not (target.is_file() and target.read_bytes() == content):
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content)
                self.time = max(self.time + 1, int(time.time()))
                os.utime(target, (self.time, self.time))

    def test(self, arguments: Sequence[str], limit: float) -> Outcome:
        """Run pytest on tests, for so many seconds at most."""
        if self.server is None:
            self.server = subprocess.Popen([self.python, "-c", SERVER], cwd=self.folder / "tests", text=True, stdin=subprocess.PIPE,
                                           stdout=subprocess.PIPE, env={**self.env, "PYTHONPATH": str(self.libraries()[0])})
        assert self.server.stdin
        assert self.server.stdout
        began = time.monotonic()
        out = self.folder / "pytest.out"
        print(json.dumps([str(out), [*OPTIONS, *arguments]]), file=self.server.stdin, flush=True)
        group = int(self.server.stdout.readline())
        late = threading.Timer(limit, os.killpg, (group, signal.SIGKILL))
        late.start()
        code = int(self.server.stdout.readline())
        seconds, in_time = time.monotonic() - began, late.is_alive()
        late.cancel()
        said = out.read_text(encoding="utf-8", errors="replace")
        took = {test.removeprefix("tests/"): float(each) for each, test in TOOK.findall(said)}
        if not in_time:
            return Outcome("too long", [], seconds, took, said)
        return Outcome({0: "passed", 1: "failed"}.get(code, "crashed"), FAILED.findall(said) if code else [], seconds, took, said)

    def collect(self, files: Sequence[str]) -> list[str]:
        """Return the tests of files."""
        return [line.removeprefix("tests/") for line in self.test(["--collect-only", *files], 600).said.splitlines() if "::" in line]

    def tests(self, names: Sequence[str]) -> list[str]:
        """The files of tests of these names, wherever they are; FOLDER/NAME where there are several."""
        files = [path.relative_to(self.folder / "tests") for path in sorted((self.folder / "tests").rglob("test_*.py"))]
        found = {name: str(path) for path in files for name in (path.stem, f"{path.parent}/{path.stem}")}
        twice = [name for name in names if "/" not in name and sum(path.stem == name for path in files) > 1]
        if twice:
            raise SystemExit(f"there are several {twice[0]}: say FOLDER/{twice[0]}")
        absent = [name for name in names if name not in found]
        if absent:
            raise SystemExit(f"there are no tests {', '.join(absent)}")
        return [found[name] for name in names]
