"""A layer uses only the layers below it."""
import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# folders of the package from the ground up; those on one line may not use each other
LAYERS = [line.split() for line in """
errors
constraints report solvers
printfuncs parameters multifit
formula
minimizer
confidence curves
models
compat
""".strip().splitlines()]
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}
STUBS = {path.stem: path for path in ROOT.glob("gslfit/**/_*.pyi")}
SOURCES = sorted([*ROOT.glob("gslfit/**/*.py"), *ROOT.glob("src/**/*.pyx")])


def layer(path):
    """The layer that a file belongs to: its top folder, or its name; an extension's is that of its stub."""
    part = (STUBS[path.stem] if path.suffix == ".pyx" else path).relative_to(ROOT).parts[1]
    return part.split(".")[0]


def imports(path):
    """Names of the layers that a file imports, wherever in the file it does."""
    if path.suffix == ".pyx":
        lines = [line.split() for line in path.read_text().splitlines()]
        modules = [words[1] for words in lines if len(words) > 1 and words[0] in ("from", "import")]
    else:
        modules = []
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                modules += [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                assert not node.level, f"{path}: imports are absolute"
                modules += [f"{node.module}.{alias.name}" for alias in node.names] if node.module == "gslfit" else [node.module]
    return {module.split(".")[1] for module in modules if module.startswith("gslfit.")}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_uses_only_lower_layers(path):
    """Every import of the package points down."""
    own = layer(path)
    if own == "__init__":
        return
    assert own in RANK, f"{own} has no layer: give it one here and in docs/development.md"
    for used in imports(path) - {own}:
        assert RANK[used] < RANK[own], f"{path.name} ({own}) uses {used}, which is not below it"


def test_finds_imports():
    """The walk sees imports at all."""
    assert any(imports(path) for path in SOURCES)


PLAIN_C = sorted([*ROOT.glob("src/**/*.c"), *ROOT.glob("src/**/*.h")])
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.MULTILINE)


def found(header, path):
    """The file that an include of a file means: beside it, or by its folder in src/."""
    places = [path.parent / header, ROOT / "src" / header]
    assert any(place.exists() for place in places), f"{path.name} includes {header}, which is not in src/"
    return next(place for place in places if place.exists())


def included(path):
    """The files of src/ that a file of src/ includes, directly or not, in the order of first sight."""
    seen, waiting = [], [path]
    while waiting:
        own = waiting.pop()
        for header in (found(name, own) for quote, name in INCLUDE.findall(own.read_text()) if quote == '"'):
            if header not in seen:
                seen.append(header)
                waiting.append(header)
    return seen


@pytest.mark.parametrize("path", PLAIN_C, ids=lambda path: path.name)
def test_core_is_plain_c(path):
    """The C core knows the C library, GSL and other plain C, nothing of Python, and includes run in no circle."""
    for _, header in INCLUDE.findall(path.read_text()):
        assert "python" not in header.lower(), f"{path.name} includes {header}"
        assert not header.startswith("numpy"), f"{path.name} includes {header}"
    assert path not in included(path), f"{path.name} includes itself by way of others"


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
        assert re.search(rf"`{name}(\.py|/)`", text), f"docs/development.md does not say what {name} is"
    for name in STUBS:
        assert f"`{name}.pyx`" in text, f"docs/development.md does not say what {name} is"
    tables = text[:text.index("\nErrors:")]
    for name in re.findall(r"`([\w/]+\.(?:pyx?|pxi|pxd|h|c))", tables):
        assert any(path.match(name) for folder in ("src", "gslfit", "tests") for path in [*(ROOT / folder).rglob("*"), ROOT / name]
                   if path.exists()), f"docs/development.md speaks of {name}, which is not there"
