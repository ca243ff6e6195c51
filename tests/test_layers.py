"""A layer uses only the layers below it."""
import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# from the ground up; names on one line may not use each other
LAYERS = [line.split() for line in """
errors
report
_multifit _nlinear _siman _linalg
multifit
expression
_program
formula
parameters
differences
result
minimizer
confidence
_batch
batch
models
plot cli integrations compat
""".strip().splitlines()]
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}
SOURCES = sorted([*ROOT.glob("gslfit/**/*.py"), *ROOT.glob("src/*.pyx")])


def layer(path):
    """The layer that a file belongs to: its module or top folder."""
    part = path.relative_to(ROOT).parts[1]
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
    assert any(imports(path) for path in SOURCES) or len(SOURCES) < 4
