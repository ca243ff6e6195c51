"""Build and test gslfit in other environments than the one at hand, and keep a table of what came out on which day.

    tests/matrix.sh [ROW ...] [--folder FOLDER] [--jobs N] [--compiled] [--table]

Each row makes its environment in a folder of its own and keeps it for the next run: Debian releases by `debootstrap` (root is needed),
GSL's oldest version and a CPython without its lock from Debian's source packages, the C core for arm64 by a cross compiler and `qemu-user`.
The archive is the one that this machine's apt uses, and certificates are this machine's. A row ends as "passed" or "failed", with pytest's
last line; a row for which something is missing here says "not run" and what is missing. Rows of other Pythons run the whole quick suite, or
with --compiled only the tests of what is compiled, as other rows do. Results are kept in results.json beside this file; the table is
printed at the end, and docs/trust.md has it (docs/make_trust.py).
"""
from __future__ import annotations

import argparse
import datetime
import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from debian import Debian, NotRunError, fetched, needs, run
from outcomes import RESULTS, table

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
# the tests of what is compiled, for rows in which only that differs
COMPILED = ("c", "confidence", "curves", "formula", "minimizer", "multifit", "parameters", "shared", "solvers")
# tests of the sources' looks, of documents and of packaging, which say nothing about an environment
UNRELATED = ("project/test_house.py", "project/test_layers.py", "project/test_packaging.py", "project/test_documents.py",
             "project/test_examples.py", "project/test_typing.py", "project/test_old_paths.py", "project/test_billion.py")
OF_PYTHON = ("zlib1g-dev", "libffi-dev", "libssl-dev", "libbz2-dev", "liblzma-dev", "libsqlite3-dev", "xz-utils")
OLDEST_GSL = ("bullseye", "2.6")
FREE_THREADED = ("sid", "3.14"), ("trixie", "3.13")        # the first whose source can be had
FACTS = """
import platform, sys, sysconfig, numpy, scipy, gslfit
free = "t" if sysconfig.get_config_var("Py_GIL_DISABLED") else ""
print("Python", platform.python_version() + free, "NumPy", numpy.__version__, "SciPy", scipy.__version__)
"""


# what runs a row: ``row(folder, jobs, log, only_compiled)`` returns how it ended, pytest's last line, and in what
Row = Callable[[Path, int, Path, bool], tuple[str, str, str]]


def sources(folder: Path) -> Path:
    """Copy the files that git knows, as they are now."""
    target = folder / "gslfit"
    shutil.rmtree(target, ignore_errors=True)
    listed = run("git", "ls-files", "-co", "--exclude-standard", cwd=ROOT).splitlines()
    for name in filter(lambda name: (ROOT / name).is_file(), listed):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, target / name)
    return target


def ended(output: str) -> tuple[str, str]:
    """Return "passed" or "failed" and pytest's last line of what it printed."""
    lines = [line.strip("= ") for line in output.splitlines() if re.search(r"\d+ (passed|failed|error)", line)]
    last = lines[-1] if lines else "no test ran"
    well = re.search(r"\d+ passed", last) and not re.search(r"\d+ (failed|error)", last)
    return "passed" if well else "failed", re.sub(r" in .*", "", last)


def digest(tree: Path) -> str:
    """Return a digest of what is installed."""
    found = hashlib.sha256()
    for path in sorted(path for top in ("src", "gslfit") for path in (tree / top).rglob("*") if path.is_file()):
        found.update(f"{path.relative_to(tree)}".encode() + path.read_bytes())
    return found.hexdigest()


class Here:
    """This machine's Python and its packages, with a build of its own.

    Parameters
    ----------
    folder : Path
        Where the build is.
    settings : dict of str
        The environment of the build, such as CC and CFLAGS.
    """

    def __init__(self, folder: Path, settings: dict[str, str]):
        self.folder, self.settings = folder, settings

    def test(self, jobs: int, log: Path) -> tuple[str, str, str]:
        """Build, and run the tests of what is compiled; return how that ended, in what, and pytest's last line."""
        self.folder.mkdir(parents=True, exist_ok=True)
        tree = sources(self.folder)
        library = self.folder / "lib"
        cached = {"CC": f"ccache {self.settings.get('CC', 'gcc')}", "CCACHE_NOHASHDIR": "1"} if shutil.which("ccache") else {}
        run(sys.executable, "setup.py", "-q", "build_py", "--build-lib", library, "build_ext", "--build-lib", library, "--build-temp",
            self.folder / "temp", cwd=tree, env=os.environ | self.settings | cached)
        env = os.environ | self.settings | {"PYTHONPATH": f"{library}{os.pathsep}{tree / 'tests'}", "OPENBLAS_NUM_THREADS": "1"}
        facts = run(sys.executable, "-c", FACTS, cwd=self.folder, env=env).strip()
        command = [sys.executable, "-m", "pytest", "-q", "-n", str(jobs), "-p", "no:cacheprovider", *COMPILED]
        with log.open("w") as out:
            subprocess.run(command, cwd=tree / "tests", env=env, stdout=out, stderr=subprocess.STDOUT, check=False)
        return (*ended(log.read_text(errors="replace")), facts)


def test_in(release: Debian, python: str, jobs: int, log: Path, only_compiled: bool) -> tuple[str, str, str]:
    """Build and install gslfit where its sources are new, and run the tests; return how that ended, what was said, and in what."""
    interpreter, without = release.environment(python)
    tree = sources(release.root / "srv")
    built, now = release.root / interpreter.removeprefix("/").replace("bin/python", "built"), digest(tree)
    if not built.exists() or built.read_text() != now:
        release.inside(f"cd /srv/gslfit && {interpreter} -m pip install -q --no-deps --no-build-isolation --force-reinstall .")
        built.write_text(now)
    facts = release.inside(f"cd /srv && {interpreter} -c {shlex.quote(FACTS)}").strip()
    gsl = release.inside("pkg-config --modversion gsl").strip()
    compiler = release.inside("gcc --version").split("\n")[0].split()[-1]
    chosen = " ".join(COMPILED if only_compiled else [f"--ignore {name}" for name in UNRELATED])
    try:
        command = f"{interpreter} -m pytest -q -n {jobs} -p no:cacheprovider {chosen}"
        release.inside(f"cd /srv/gslfit/tests && {command} > /srv/pytest.log 2>&1 || true")
    finally:
        said = (release.root / "srv/pytest.log").read_text(errors="replace")
        log.write_text(said)
    missing = f"; no wheels of {', '.join(without)}" if without else ""
    return (*ended(said), f"{facts}, GSL {gsl}, gcc {compiler}{missing}")


def debian(suite: str, python: str, *packages: str) -> Row:
    """Return a row that tests a Python of a Debian release."""
    def row(folder: Path, jobs: int, log: Path, only_compiled: bool) -> tuple[str, str, str]:
        release = Debian(folder / suite, suite)
        release.make()
        try:
            release.install(*packages)
        except RuntimeError as error:
            raise NotRunError(f"{suite} has no {' '.join(packages)}") from error
        return test_in(release, python, jobs, log, only_compiled)
    return row


def here(settings: dict[str, str], *commands: str) -> Row:
    """Return a row that tests another build by this machine's Python."""
    def row(folder: Path, jobs: int, log: Path, only_compiled: bool) -> tuple[str, str, str]:
        needs(*commands)
        how, last, facts = Here(folder / log.stem, settings).test(jobs, log)
        gsl = run("pkg-config", "--modversion", "gsl", env=os.environ | settings).strip()
        compiler = run(*shlex.split(settings.get("CC", "cc")), "--version").split("\n")[0]
        return how, last, f"{facts}, GSL {gsl}, {compiler}" + (f", {settings['CFLAGS']}" if "CFLAGS" in settings else "")
    return row


def oldest_gsl(folder: Path, jobs: int, log: Path, only_compiled: bool) -> tuple[str, str, str]:
    """Build the oldest GSL that is supported from its source, and test with it."""
    suite, version = OLDEST_GSL
    place = folder / f"gsl-{version}"
    if not (place / "lib/pkgconfig/gsl.pc").exists():
        source = fetched(folder / "archive-gsl", suite, "source", "--download-only", "gsl")
        archive = next(source.glob("gsl_*.orig.tar.?z"))
        tree = folder / "gsl-source"
        shutil.rmtree(tree, ignore_errors=True)
        tree.mkdir()
        run("tar", "xf", archive, "-C", tree, "--strip-components=1")
        makefile = tree / "Makefile.in"
        makefile.write_text(re.sub(r"^(SUBDIRS = .*) doc\b", r"\1", makefile.read_text(), flags=re.M))     # Debian leaves the manual out
        configure = f"./configure -q --disable-static --prefix={shlex.quote(str(place))} CFLAGS=-O2"
        run("sh", "-ec", f"{configure} && make -s -j{jobs} && make -s install", cwd=tree)
    settings = {"PKG_CONFIG_PATH": str(place / "lib/pkgconfig"), "LD_LIBRARY_PATH": str(place / "lib")}
    return here(settings)(folder, jobs, log, only_compiled)


def arm64(folder: Path, jobs: int, log: Path, only_compiled: bool) -> tuple[str, str, str]:
    """Build the C core's own tests for arm64, and run them by qemu-user."""
    cross, emulator = "aarch64-linux-gnu-gcc", "qemu-aarch64"
    needs(cross, emulator, "dpkg", "apt-get")
    system = folder / "arm64"
    if not list(system.glob("usr/lib/aarch64-linux-gnu/libgsl.a")):
        release = re.search(r"VERSION_CODENAME=(\w+)", Path("/etc/os-release").read_text())
        if release is None:
            raise NotRunError("needs a Debian release")
        packages = fetched(folder / "archive-arm64", release[1], "download", "libgsl-dev", architecture="arm64")
        run("dpkg", "-x", next(packages.glob("libgsl-dev_*.deb")), system)
    said = []
    for test in ("test_engine", "test_judgement", "test_loop"):
        program = folder / f"arm64-{test}"
        core = sorted(map(str, ROOT.glob("src/**/*.c")))
        folders = [f"-I{place}" for place in (ROOT / "src", ROOT / "tests/c", system / "usr/include")]
        libraries = [f"-L{system / 'usr/lib/aarch64-linux-gnu'}", "-lgsl", "-lgslcblas", "-lm", "-lpthread"]
        run(cross, "-O2", "-static", "-fno-math-errno", *folders, *core, ROOT / "tests/c" / f"{test}.c", "-o", program, *libraries)
        done = subprocess.run([emulator, str(program)], capture_output=True, text=True, check=False)
        said += [f"{test}: exit status {done.returncode}\n{done.stdout}{done.stderr}"]
    log.write_text("\n".join(said))
    bad = [text for text in said if "exit status 0" not in text or re.search(r"\b[1-9]\d* failures", text)]
    return ("failed" if bad else "passed", f"{len(said) - len(bad)} of {len(said)} programs of tests/c passed",
            f"{run(cross, '--version').splitlines()[0]}, {run(emulator, '--version').splitlines()[0]}")


def free_threaded(folder: Path, jobs: int, log: Path, only_compiled: bool) -> tuple[str, str, str]:
    """Build CPython without its lock from a source package of Debian's, and test with it, the fuzz of threads included."""
    for suite, version in FREE_THREADED:
        release = Debian(folder / suite, suite)
        release.make()
        prefix = f"/opt/python{version}t"
        python = f"{prefix}/bin/python{version}t"
        if (release.root / python.removeprefix("/")).exists():
            break
        release.install("dpkg-dev", *OF_PYTHON)
        try:
            release.inside("rm -rf /opt/source && mkdir -p /opt/source && cd /opt/source"
                           f" && apt-get -qq source --download-only python{version}")
        except RuntimeError:
            continue        # the archive's lists may name a version that it no longer has
        release.inside(f"""
            cd /opt/source && mkdir tree && tar xf python{version}_*.orig.tar.?z -C tree --strip-components=1 && cd tree
            ./configure -q --disable-gil --prefix={prefix} CFLAGS=-O2 && make -s -j{jobs} && make -s install""")
        break
    else:
        raise NotRunError("the archive has no source of " + " or ".join(f"python{version} ({suite})" for suite, version in FREE_THREADED))
    how, last, facts = test_in(release, python, jobs, log, only_compiled)
    interpreter, _ = release.environment(python)
    said = release.inside(f"cd /srv/gslfit/tests && {interpreter} -X faulthandler torture/threads.py --calls 40000 2>&1 || echo FAILED")
    with log.open("a") as out:
        out.write(said)
    final = said.strip().splitlines()[-1]
    return "failed" if final == "FAILED" else how, f"{last}; threads: {final}", facts


ROWS: dict[str, Row] = {
    "debian-13": debian("trixie", "python3", "python3-dev", "python3-venv"),
    "debian-sid": debian("sid", "python3", "python3-dev", "python3-venv"),
    "debian-sid-python3.15": debian("sid", "python3.15", "python3.15-dev", "python3.15-venv"),
    "free-threaded": free_threaded,
    "clang": here({"CC": "clang"}, "clang"),
    "plain-c": here({"CFLAGS": "-DGSLFIT_PLAIN_C -DGSLFIT_NO_VECTOR_LIBM"}),
    "base-instructions": here({"CFLAGS": "-DGSLFIT_BASE_ISA"}),
    "oldest-gsl": oldest_gsl,
    "arm64": arm64,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the command line and run; return 1 where a row failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"{', '.join(ROWS)}; all, if not given")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "gslfit-matrix", help="where the environments are")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where results are kept")
    parser.add_argument("--jobs", type=int, default=2, help="tests at once")
    parser.add_argument("--compiled", action="store_true", help="only the tests of what is compiled")
    parser.add_argument("--table", action="store_true", help="only print what is known")
    given = parser.parse_args(arguments)
    unknown = [name for name in given.rows if name not in ROWS]
    if unknown:
        parser.error(f"there is no row {', '.join(unknown)}; there are {', '.join(ROWS)}")
    bad = 0
    (given.folder / "logs").mkdir(parents=True, exist_ok=True)
    for name in [] if given.table else given.rows or ROWS:
        log = given.folder / "logs" / f"{name}.log"
        try:
            how, said, facts = ROWS[name](given.folder, given.jobs, log, given.compiled)
        except NotRunError as reason:
            how, said, facts = "not run", str(reason), ""
        except RuntimeError as error:
            log.write_text(str(error))
            how, said, facts = "failed", f"no build; see {log.name}", ""
        bad += how == "failed"
        print(f"{name}: {how}, {said} ({facts}); {log}", flush=True)
        known = json.loads(given.results.read_text()) if given.results.exists() else {}
        known[name] = {"day": datetime.date.today().isoformat(), "result": how, "said": said, "in": facts}
        given.results.write_text(json.dumps({row: known[row] for row in ROWS if row in known}, indent=1) + "\n")
    print(table(given.results))
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
