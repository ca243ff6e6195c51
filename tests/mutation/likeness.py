"""Which tests speak of what a fault changes: by the words that both have, the rare ones above all."""
from __future__ import annotations

import ast
import math
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from mutation.tree import Fault


def words(text: str) -> list[str]:
    """Return the words of a text, those of names too."""
    return re.findall(r"[a-z]{3,}", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text).lower())


def functions(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield each test below a folder, without its parameters, and its text with the name of its file."""
    for path in sorted(folder.rglob("test_*.py")):
        text, name = path.read_text(encoding="utf-8"), path.relative_to(folder)
        lines = text.splitlines()
        for node in ast.parse(text).body:
            held = [node] if isinstance(node, ast.FunctionDef) else node.body if isinstance(node, ast.ClassDef) else []
            for each in held:
                if isinstance(each, ast.FunctionDef) and each.name.startswith("test_"):
                    above = f"{node.name}::" if each is not node else ""
                    begin = min([each.lineno, *(decorator.lineno for decorator in each.decorator_list)])
                    yield f"{name}::{above}{each.name}", "\n".join([path.stem, *lines[begin - 1:each.end_lineno]])


class Likeness:
    """The words of each test, with the weight that they have among all.

    Parameters
    ----------
    folder : Path
        Where the tests are.
    """

    def __init__(self, folder: Path):
        counted = {test: Counter(words(text)) for test, text in functions(folder)}
        within = Counter(word for each in counted.values() for word in each)
        self.rarity = {word: math.log(len(counted) / many) for word, many in within.items()}
        self.tests = {test: self.weighed(each) for test, each in counted.items()}

    def weighed(self, counted: Counter[str]) -> dict[str, float]:
        """Return the weight of each word, so that the squares of all are 1."""
        found = {word: (1 + math.log(many)) * self.rarity[word] for word, many in counted.items() if self.rarity.get(word)}
        length = math.sqrt(sum(weight * weight for weight in found.values())) or 1.0
        return {word: weight / length for word, weight in found.items()}

    def nearest(self, fault: Fault) -> list[str]:
        """Return all tests without their parameters, those first that have most in common with a fault."""
        own = self.weighed(Counter(words(" ".join([fault.seen, fault.area, fault.name, Path(fault.file).stem, fault.old, fault.new]))))
        likeness = {test: sum(weight * known[word] for word, weight in own.items() if word in known) for test, known in self.tests.items()}
        return sorted(likeness, key=lambda test: -likeness[test])
