"""Write the figures of docs/trust.md, the counts of the harnesses and the table of environments:

    python docs/make_trust.py

The counts are in docs/trust/harnesses.json, where whoever runs a harness writes the day and what it counted; without a day it says "not
run". The environments are in tests/matrix/results.json, which tests/matrix.sh writes.
"""
import ast
import functools
import json
import re
import runpy
from pathlib import Path

HERE = Path(__file__).parent
PAGE, HARNESSES, TESTS = HERE / "trust.md", HERE / "trust" / "harnesses.json", HERE.parent / "tests"
MARKS = {"counts": ("<!-- counts of harnesses, by docs/make_trust.py -->", "<!-- end of counts of harnesses -->"),
         "environments": ("<!-- table of environments, by docs/make_trust.py -->", "<!-- end of table of environments -->")}


def counts():
    """Return the table of the harnesses."""
    lines = ["| harness | command | day | what came out |", "|---|---|---|---|"]
    for name, row in json.loads(HARNESSES.read_text(encoding="utf-8")).items():
        lines.append(f"| {name} | `{row['command']}` | {row['day']} | {row['said'] if row['day'] else 'not run'} |")
    return "\n".join(lines)


def page():
    """Return the page with today's figures."""
    text = PAGE.read_text(encoding="utf-8")
    tables = {"counts": counts(), "environments": runpy.run_path(str(TESTS / "matrix" / "outcomes.py"))["table"]()}
    for name, (begin, end) in MARKS.items():
        before, _, rest = text.partition(begin)
        after = rest.partition(end)[2]
        text = f"{before}{begin}\n{tables[name]}\n{end}{after}"
    return text


def promises(text):
    """Return each promise of a page with the tests that it names."""
    part = text.partition("## The promises")[2].partition("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in part.splitlines() if line.startswith("| ")][1:]
    return {row[0]: re.findall(r"`([^`]*)`", row[-1]) for row in rows}


@functools.cache
def functions(path):
    """Return the names of a file's functions, none where there is no such file."""
    body = ast.parse(path.read_text(encoding="utf-8")).body if path.is_file() else []
    return {node.name for node in body if isinstance(node, ast.FunctionDef)}


def exists(test):
    """Whether a test is there: its file below tests/, and a function of that name in it."""
    file, _, name = test.partition("::")
    return name.startswith("test_") and name in functions(TESTS / file)


def complaints(text):
    """Return what is wrong with the promises of a page: those without a test, and tests that are not there."""
    found = promises(text)
    wrong = [f"no test holds: {promise}" for promise, tests in found.items() if not tests]
    wrong += [f"there is no {test}, which is to hold: {promise}" for promise, tests in found.items() for test in tests if not exists(test)]
    return wrong if found else ["there are no promises"]


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    raise SystemExit("\n".join(complaints(page())) or None)
