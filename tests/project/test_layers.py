"""A layer uses only the layers below it."""
import ast
import re
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# folders of the package from the ground up; those on one line may not use each other
LAYERS = [line.split() for line in """
records
_status nist
errors
checks
constraints data solvers
objective report
printfuncs parameters multifit
formula
minimizer
curves
confidence
resampling shared
models
compat integrations
cli
""".strip().splitlines()]
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}
STUBS = {path.stem: path for path in ROOT.glob("gslfit/**/_*.pyi")}
SOURCES = sorted([*ROOT.glob("gslfit/**/*.py"), *ROOT.glob("src/**/*.pyx")])
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.MULTILINE)
CYTHON_INCLUDE = re.compile(r'^\s*include\s+"([^"]+)"', re.MULTILINE)


def layer(path):
    """Return the layer that a file belongs to: its top folder, or its name; an extension's is that of its stub."""
    part = (STUBS[path.stem] if path.suffix == ".pyx" else path).relative_to(ROOT).parts[1]
    return part.split(".")[0]


def dotted(path):
    """Return a file's name as a module."""
    parts = (STUBS[path.stem] if path.suffix == ".pyx" else path).relative_to(ROOT).with_suffix("").parts
    return ".".join(parts).removesuffix(".__init__")


MODULES = {dotted(path): path for path in SOURCES}


def meant(source, names):
    """Return the modules that names imported from a module are, and the module itself where one of them is no module."""
    submodules = [f"{source}.{name}" for name in names if f"{source}.{name}" in MODULES]
    return submodules if len(submodules) == len(names) else [*submodules, source]


@cache
def imports(path):
    """Return the modules of the package that a file imports, wherever in the file it does."""
    names = []
    if path.suffix == ".pyx":
        texts = [path.read_text(), *(found(name, path).read_text() for name in CYTHON_INCLUDE.findall(path.read_text()))]
        for source, listed in re.findall(r"^\s*from\s+(gslfit[\w.]*)\s+import\s+(.+)$", "\n".join(texts), re.MULTILINE):
            names += meant(source, [name.split()[0] for name in listed.strip("(").split(",") if name.strip()])
        names += re.findall(r"^\s*import\s+(gslfit[\w.]*)", "\n".join(texts), re.MULTILINE)
    else:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names += [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                assert not node.level, f"{path}: imports are absolute"
                names += meant(node.module, [alias.name for alias in node.names])
    return frozenset(name for name in names if name in MODULES) - {dotted(path), "gslfit"}


def test_uses_only_lower_layers():
    """Every import of the package points down."""
    found = []
    for path in SOURCES:
        own = layer(path)
        if own in ("__init__", "__main__", "_old_paths"):
            continue
        assert own in RANK, f"{own} has no layer: give it one here and in docs/development.md"
        found += [f"{path.relative_to(ROOT)} ({own}) uses {used}, which is not below it"
                  for used in {layer(MODULES[name]) for name in imports(path)} - {own} if RANK[used] >= RANK[own]]
    assert not found


def circle(graph):
    """Return a circle of a graph as text, or nothing."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return " -> ".join(map(str, error.args[1]))
    return ""


def test_modules_in_no_circle():
    """No module imports itself by way of others, at the top of a file or in a function."""
    assert not circle({name: imports(path) for name, path in MODULES.items() if name != "gslfit"})


def test_finds_circles():
    """A circle is seen, and imports are: in Python, in functions, in Cython and what it includes."""
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"a"}})
    assert not circle({"a": {"b", "c"}, "b": {"c"}})
    assert "gslfit.parameters.bounds" in imports(MODULES["gslfit.parameters._values"])          # in bounds.pxi
    assert "gslfit.solvers._siman" in imports(MODULES["gslfit.minimizer.global_methods"])       # in a function
    assert "gslfit.models.model" in imports(MODULES["gslfit.compat.lmfit.model"])               # from gslfit.models import model as _model


def test_few_files_beside_the_folders():
    """The tops of gslfit/ and src/ stay small: what belongs to a concept goes into its folder."""
    assert len(list((ROOT / "gslfit").glob("*.py"))) <= 12
    assert sum(path.is_file() for path in (ROOT / "src").iterdir()) <= 6


PLAIN_C = sorted([*ROOT.glob("src/**/*.c"), *ROOT.glob("src/**/*.h")])


def found(header, path):
    """Return the file that an include of a file means: beside it, or by its folder in src/."""
    places = [path.parent / header, ROOT / "src" / header]
    assert any(place.exists() for place in places), f"{path.name} includes {header}, which is not in src/"
    return next(place for place in places if place.exists())


@cache
def includes(path):
    """Return what a file of src/ includes, with the quotes around it."""
    return INCLUDE.findall(path.read_text())


def included(path):
    """Return the files of src/ that a file of src/ includes, directly or not, in the order of first sight."""
    seen, waiting = [], [path]
    while waiting:
        own = waiting.pop()
        for header in (found(name, own) for quote, name in includes(own) if quote == '"'):
            if header not in seen:
                seen.append(header)
                waiting.append(header)
    return seen


def test_core_is_plain_c():
    """The C core knows the C library, GSL and other plain C, nothing of Python, and includes run in no circle."""
    for path in PLAIN_C:
        for _, header in includes(path):
            assert "python" not in header.lower(), f"{path.name} includes {header}"
            assert not header.startswith("numpy"), f"{path.name} includes {header}"
        assert path not in included(path), f"{path.name} includes itself by way of others"


def libraries(path):
    """Return the folders of src/ whose files a file includes."""
    text = path.read_text()
    names = [name for quote, name in INCLUDE.findall(text) if quote == '"'] + CYTHON_INCLUDE.findall(text)
    names += [name for name in re.findall(r'^cdef extern from "([^"]+)"', text, re.MULTILINE) if not name.startswith(("gsl/", "Python.h"))]
    return {found(name, path).parent.name for name in names}


def test_libraries_in_no_circle():
    """No folder of src/ includes files of one that includes its own."""
    folders = [path for path in (ROOT / "src").iterdir() if path.is_dir()]
    graph = {folder.name: set().union(*map(libraries, folder.iterdir())) - {folder.name} for folder in folders}
    assert graph["batch"] >= {"lanes", "program", "solver"}
    assert not circle(graph)


@pytest.mark.parametrize(("core", "stranger"), [
    ("program/opcodes.h", "program/program.h"), ("program/program.h", "lanes/lanes.h"), ("solver/loop.h", "program/program.h"),
    ("program/program.h", "solver/loop.h"), ("lanes/lanes.h", "solver/loop.h")])
def test_core_layers(core, stranger):
    """Within the core: opcodes below the program, the program below lanes; the loop over GSL's solvers apart from both."""
    assert ROOT / "src" / stranger not in included(ROOT / "src" / core)


@pytest.mark.parametrize("path", sorted(ROOT.glob("src/**/*.py?")), ids=lambda path: path.name)
def test_extensions_meet_at_c(path):
    """Extension modules cimport declarations, never each other."""
    cimported = re.findall(r"^\s*(?:from\s+(\S+)\s+)?cimport\s+(\S+)", path.read_text(), re.MULTILINE)
    declarations = {file.stem for file in ROOT.glob("src/**/*.pxd") if not file.stem.startswith("_")}
    for source, name in cimported:
        top = (source or name).split(".")[0]
        assert top in declarations | {"cython", "cpython", "libc", "numpy"}, f"{path.name} cimports {top}"


def test_finds_includes():
    """The walk over C sees includes, and the core lies where it is looked for."""
    assert {"opcodes", "program"} <= {path.stem for path in PLAIN_C}
    assert any(INCLUDE.findall(path.read_text()) for path in PLAIN_C)


def test_the_house_is_described():
    """docs/development.md names every folder and extension that there is, and no file that there is not."""
    text = (ROOT / "docs" / "development.md").read_text()
    libraries = {path.name for path in (ROOT / "src").iterdir() if path.is_dir()}
    for name in sorted({layer(path) for path in SOURCES} - {"__init__"} | libraries):
        assert re.search(rf"`{name}(\.pyi?|/)`", text), f"docs/development.md does not say what {name} is"
    for name in STUBS:
        assert f"`{name}.pyx`" in text, f"docs/development.md does not say what {name} is"
    tables = text[:text.index("\nErrors:")]
    files = [path for folder in ("src", "gslfit", "tests") for path in (ROOT / folder).rglob("*")]
    for name in sorted(set(re.findall(r"`([\w/]+\.(?:py[xi]?|pxi|pxd|h|c)\b)", tables))):
        assert (ROOT / name).exists() or any(path.match(name) for path in files), \
            f"docs/development.md speaks of {name}, which is not there"
