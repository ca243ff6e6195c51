"""What gets installed, from what, and what someone without GSL is told."""
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LEAVE = shutil.ignore_patterns("build", "dist", ".venv", ".git", ".*_cache", "__pycache__", "*.egg-info", "*.so", ".hypothesis", "output")
WORKS = "import gslfit, gslfit.solvers._multifit as m; print(gslfit.__path__[0], m.version())"


def run(*command, cwd, ok=True, **environment):
    """Run a command, give what it printed; fail with that when it does not end as expected."""
    inherited = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "GSL_DIR", "PKG_CONFIG_PATH")}
    done = subprocess.run([str(word) for word in command], cwd=cwd, env={**inherited, **environment}, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
    assert (done.returncode == 0) == ok, done.stdout
    return done.stdout


@pytest.fixture
def tree(tmp_path):
    """Return a copy of the project as a fresh clone has it."""
    return shutil.copytree(ROOT, tmp_path / "tree", ignore=LEAVE)


@pytest.fixture
def without_gsl(tmp_path):
    """Return the environment of a machine that has no GSL: pkg-config finds nothing, gsl-config is not on the PATH."""
    (tmp_path / "none").mkdir()
    return {"PATH": str(tmp_path / "none"), "PKG_CONFIG_LIBDIR": str(tmp_path / "none"), "PKG_CONFIG": "no-such-pkg-config"}


def build_ext(tree, ok=True, **environment):
    """Compile the extensions of a tree, or see why not."""
    return run(sys.executable, "setup.py", "build_ext", cwd=tree, ok=ok, **environment)


def fake_gsl(folder, version):
    """Return a folder with the one header of GSL that tells its version."""
    (folder / "include" / "gsl").mkdir(parents=True)
    (folder / "include" / "gsl" / "gsl_version.h").write_text(f'#define GSL_VERSION "{version}"\n')
    return str(folder)


def test_missing_gsl_is_one_message(tree, without_gsl):
    """Without GSL the build stops with what to install on each platform, and no traceback."""
    said = build_ext(tree, ok=False, **without_gsl)
    assert "needs the GNU Scientific Library (GSL 2.6 or later) with its headers, and it was not found" in said
    for platform, command in {"Debian, Ubuntu": "apt install libgsl-dev pkg-config", "Fedora": "dnf install gsl-devel",
                              "macOS": "brew install gsl", "conda": "conda install -c conda-forge gsl", "Windows": "GSL_DIR"}.items():
        assert re.search(rf"^ +{platform} .*{re.escape(command)}", said, re.MULTILINE), said
    assert "Traceback" not in said


def test_old_gsl_is_refused(tree, without_gsl, tmp_path):
    """A GSL older than 2.6 is named by its version."""
    said = build_ext(tree, ok=False, **without_gsl, GSL_DIR=fake_gsl(tmp_path / "old", "2.5"))
    assert "and the one found is 2.5." in said
    assert "Traceback" not in said


def test_wrong_gsl_dir_is_named(tree, without_gsl, tmp_path):
    """A GSL_DIR without GSL is an error that names the folder."""
    said = build_ext(tree, ok=False, **without_gsl, GSL_DIR=str(tmp_path))
    assert f"GSL_DIR is {str(tmp_path)!r}, where there is no include/gsl/gsl_version.h" in said


def find_gsl(tree, **environment):
    """Return what setup.py finds, without building anything."""
    code = "import setuptools; setuptools.setup = lambda **_: None; import setup; print(setup.find_gsl())"
    return eval(run(sys.executable, "-c", code, cwd=tree, **environment))


def test_gsl_dir(tree, without_gsl, tmp_path):
    """GSL_DIR alone is enough."""
    version, flags = find_gsl(tree, **without_gsl, GSL_DIR=fake_gsl(tmp_path / "gsl", "2.8"))
    assert version == "2.8"
    assert flags == {"include_dirs": [str(tmp_path / "gsl" / "include")], "library_dirs": [str(tmp_path / "gsl" / "lib")],
                     "libraries": ["gsl", "gslcblas", *(["m"] if os.name == "posix" else [])]}


@pytest.mark.skipif(os.name != "posix", reason="gsl-config is a shell script")
def test_gsl_config(tree, without_gsl, tmp_path):
    """gsl-config is asked where pkg-config is not there, and before GSL_DIR."""
    script = tmp_path / "none" / "gsl-config"
    script.write_text('#!/bin/sh\ncase $1 in --version) echo 2.7.1;; --cflags) echo -I/gsl/include;; '
                      '--libs) echo "-L/gsl/lib -lgsl -lgslcblas -lm";; esac\n')
    script.chmod(0o755)
    version, flags = find_gsl(tree, **without_gsl, GSL_DIR=fake_gsl(tmp_path / "gsl", "2.8"))
    assert version == "2.7.1"
    assert flags == {"include_dirs": ["/gsl/include"], "library_dirs": ["/gsl/lib"], "libraries": ["gsl", "gslcblas", "m"]}


def call_backend(hook, tree, out, **environment):
    """Call one of the hooks by which pip builds the project, without isolation."""
    run(sys.executable, "-c", f"from setuptools import build_meta; build_meta.{hook}({str(out)!r})", cwd=tree, **environment)


def test_sdist_and_metadata_need_no_gsl(tree, without_gsl, tmp_path):
    """The sdist can be made without GSL, and holds every source, test, example and document."""
    call_backend("build_sdist", tree, tmp_path, **without_gsl)
    call_backend("prepare_metadata_for_build_wheel", tree, tmp_path, **without_gsl)
    assert list(tmp_path.glob("gslfit-*.dist-info/METADATA"))
    with tarfile.open(next(tmp_path.glob("gslfit-*.tar.gz"))) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    folders = [path for name in ("src", "gslfit", "tests", "examples", "benchmarks", "docs", ".ci") for path in (ROOT / name).rglob("*")]
    tops = [ROOT / name for name in ("LICENSE", "README.md", "CHANGELOG.md", "Makefile", "setup.py", "pyproject.toml", "CITATION.cff",
                                  "CONTRIBUTING.md", "SECURITY.md")]
    junk = {"__pycache__", ".hypothesis", "output", ".pytest_cache", ".mypy_cache", ".ruff_cache"}
    wanted = {str(path.relative_to(ROOT)) for path in folders + tops if path.is_file() and path.suffix not in (".so", ".pyc")
              and not junk & set(path.parts)}
    assert wanted - held == set()
    assert [name for name in held if name.endswith((".so", ".pyc", ".o"))] == []


def test_the_demo_installs_the_command():
    """Who has run `make demo` has what the command needs, and what pictures do."""
    extras = dict(re.findall(r"^(\w+) = \[(.*?)\]$", (ROOT / "pyproject.toml").read_text(), re.MULTILINE))
    assert extras["demo"] == '"gslfit[cli,plot]"' and "click" in extras["cli"] and "matplotlib" in extras["plot"]
    rules = (ROOT / "Makefile").read_text()
    assert "demo: $(if $(WHEEL),build/demo-env/ready,$(VENV)/installed-demo)" in rules and "'$(WHEEL)[demo]'" in rules


def wheel_of(tree, out):
    """Build a tree's wheel; give the names in it."""
    call_backend("build_wheel", tree, out)
    with zipfile.ZipFile(next(out.glob("*.whl"))) as wheel:
        return set(wheel.namelist())


def installed(tree):
    """Return the declarations and headers that are installed."""
    code = "import setuptools; setuptools.setup = lambda **_: None; import setup; print(setup.INSTALLED)"
    return eval(run(sys.executable, "-c", code, cwd=tree))


def test_what_is_installed_stands_alone(tree):
    """What is installed for those who cimport includes and cimports only what is installed too."""
    names = installed(tree)
    assert {"gsl.pxd", "loop.pxd"} <= set(names)
    for name in names:
        text = (tree / "src" / name).read_text()
        wanted = re.findall(r'^cdef extern from "(?!gsl/)([^"]+)"', text, re.MULTILINE)
        wanted += [f"{module}.pxd" for module in re.findall(r"^from (?!libc|cpython)(\w+) cimport", text, re.MULTILINE)]
        for header in re.findall(r'^#include "([^"]+)"', text, re.MULTILINE):
            beside = (Path(name).parent / header).as_posix()
            wanted.append(beside if (tree / "src" / beside).exists() else header)
        assert set(wanted) <= set(names), f"{name} needs what is not installed"


@pytest.mark.slow
def test_wheel(tree, tmp_path):
    """A wheel holds the modules, the stubs, the extensions, and what a cimport needs, and is small; a second one holds no leftovers."""
    extensions = {path.stem for path in (tree / "src").rglob("*.pyx")}
    modules = {str(path.relative_to(tree)) for path in (tree / "gslfit").rglob("*") if path.is_file()}
    (tree / "gslfit" / "renamed.py").write_text("")
    assert "gslfit/renamed.py" in wheel_of(tree, tmp_path)

    (tree / "gslfit" / "renamed.py").unlink()
    built = {path: path.stat().st_mtime_ns for path in (tree / "build").glob("lib*/gslfit/**/*.so")}
    held = wheel_of(tree, tmp_path)
    assert modules <= held
    assert {name.removeprefix("gslfit/include/") for name in held if "/include/" in name} == set(installed(tree))
    assert next(tmp_path.glob("*.whl")).stat().st_size < 3_000_000, "extensions and the C core are stripped, and the core is in it once"
    assert "gslfit/renamed.py" not in held
    assert {Path(name).name.split(".")[0] for name in held if name.endswith((".so", ".pyd"))} == {*extensions, "libgslfit"}
    assert {path: path.stat().st_mtime_ns for path in built} == built, "nothing had changed, and it was compiled again"

    (tree / "src" / "gsl.pxd").touch()
    wheel_of(tree, tmp_path)
    anew = [path for path in built if not path.name.startswith("libgslfit")]     # plain C, which reads no .pxd
    assert all(path.stat().st_mtime_ns > built[path] for path in anew), "a header had changed, and it was not compiled again"


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """Return the Python of a fresh virtual environment."""
    folder = tmp_path_factory.mktemp("environment")
    run(sys.executable, "-m", "venv", folder, cwd=ROOT)
    return folder / ("Scripts" if os.name == "nt" else "bin") / "python"


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["folder", "editable", "sdist"])
def test_pip_install(tree, tmp_path, environment, kind):
    """`pip install .`, `pip install -e .` and an install from the sdist work in a fresh environment."""
    what = ["-e", tree] if kind == "editable" else [tree]
    if kind == "sdist":
        call_backend("build_sdist", tree, tmp_path)
        what = [next(tmp_path.glob("gslfit-*.tar.gz"))]
    run(environment, "-m", "pip", "install", *what, cwd=tmp_path)
    where = run(environment, "-c", WORKS, cwd=tmp_path)
    assert where.startswith(str(tree if kind == "editable" else environment.parents[1]))
    run(environment, "-m", "pip", "uninstall", "--yes", "gslfit", cwd=tmp_path)


@pytest.mark.slow
def test_pip_shows_the_message(tree, tmp_path, environment, without_gsl):
    """Someone who runs pip without GSL reads what to install."""
    said = run(environment, "-m", "pip", "install", tree, cwd=tmp_path, ok=False, **without_gsl)
    assert "apt install libgsl-dev pkg-config" in said
    assert "Traceback" not in said
