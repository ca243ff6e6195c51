"""What the README and docs/ show is so: every block of code runs, prints what is printed below it, and every link leads somewhere."""
import contextlib
import doctest
import io
import math
import re
import runpy
import shutil
import subprocess
from itertools import zip_longest
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WRITTEN = [path for path in (ROOT / "docs").rglob("*.md") if "generated" not in path.parts and path.name != "index.md"]
PAGES = [ROOT / "README.md", *sorted(WRITTEN)]
NUMBER = re.compile(r"(?<![A-Za-z_\d.])[+-]?\d+(?:\.\d*)?(?:e[+-]?\d+)?")
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page):
    """Each block of code of a page: language, line, text, and what the text block right after it says it prints, or None."""
    text = page.read_text(encoding="utf-8")
    found = list(BLOCK.finditer(text))
    for block, after in zip_longest(found, found[1:]):
        if block[1] != "text":
            prints = after and after[1] == "text" and not re.search(r"\S", text[block.end():after.start()])
            yield block[1], text.count("\n", 0, block.start()) + 1, block[2], after[2] if prints else None


def same(expected, printed):
    """Whether two lines say the same: `...` stands for anything, and numbers may differ in the fifth digit, as machines do."""
    if "..." in expected:
        return doctest.OutputChecker().check_output(expected, printed, doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    ours, theirs = NUMBER.findall(expected), NUMBER.findall(printed)
    return (NUMBER.sub("#", expected).split() == NUMBER.sub("#", printed).split()
            and all(math.isclose(float(a), float(b), rel_tol=2e-5, abs_tol=1e-9) for a, b in zip(ours, theirs, strict=True)))


def check(page, line, expected, printed):
    """Compare what was printed with what the page says, line by line."""
    if expected is not None:
        pairs = list(zip_longest(expected.rstrip().splitlines(), printed.rstrip().splitlines(), fillvalue="(nothing)"))
        assert all(same(*pair) for pair in pairs), f"{page.name}, block on line {line}, prints:\n{printed}"


def ids(page):
    """Return a page's name."""
    return page.name


@pytest.mark.parametrize("page", PAGES, ids=ids)
@pytest.mark.filterwarnings("default")
def test_python(page, tmp_path, monkeypatch):
    """The Python of a page runs from top to bottom in one namespace."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    names = {"__name__": page.stem}
    for language, line, code, expected in blocks(page):
        if language == "python":
            printed = io.StringIO()
            with contextlib.redirect_stdout(printed):
                exec(compile("\n" * line + code, str(page), "exec"), names)
            check(page, line, expected, printed.getvalue())


def run(*command, **options):
    """Run a command; give what it prints."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def has(*command):
    """Whether a command is there and ends well."""
    return shutil.which(command[0]) is not None and subprocess.run(command, capture_output=True).returncode == 0


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_c(page, tmp_path):
    """The C programs of a page compile without a warning and print what the page says."""
    programs = [block for block in blocks(page) if block[0] == "c"]
    if programs and not (has("cc", "--version") and has("pkg-config", "gsl")):
        pytest.skip("needs cc and pkg-config")
    for _, line, code, expected in programs:
        (tmp_path / "program.c").write_text(code)
        flags = run("pkg-config", "--cflags", "--libs", "gsl").split()
        run("cc", "-Wall", "-Werror", "-o", tmp_path / "program", tmp_path / "program.c", *flags)
        check(page, line, expected, run(tmp_path / "program"))


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_ruby(page, tmp_path):
    """The Ruby programs of a page print what the page says, where Ruby has GSL."""
    programs = [block for block in blocks(page) if block[0] == "ruby"]
    if programs and not has("ruby", "-e", "require 'gsl'"):
        pytest.skip("needs ruby with gsl")
    for _, line, code, expected in programs:
        (tmp_path / "program.rb").write_text(code)
        check(page, line, expected, run("ruby", tmp_path / "program.rb"))


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_links_and_commands(page):
    """Links within the project lead to files that are there, and `make` targets exist."""
    text = page.read_text(encoding="utf-8")
    for link in re.findall(r"\]\((?!https?:|#)([^)#\s]+)", text):
        if "generated/" not in link:        # made by make docs, which complains itself
            assert (page.parent / link).exists(), f"{page.name} links to {link}"
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for target in re.findall(r"^ {4}make (\w+)", text, re.MULTILINE) + re.findall(r"`make (\w+)`", text):
        assert target in targets, f"{page.name} says make {target}"


def test_layers_are_drawn():
    """The pictures in docs/development.md are those of today's imports and includes."""
    drawn = runpy.run_path(str(ROOT / "docs" / "make_layers.py"))["page"]()
    assert (ROOT / "docs" / "development.md").read_text(encoding="utf-8") == drawn, "run python docs/make_layers.py"
    assert drawn.count("```mermaid") == 2


def test_errors_page():
    """docs/errors.md is what the tables of errors say."""
    make_errors = runpy.run_path(str(ROOT / "docs" / "make_errors.py"))
    assert (ROOT / "docs" / "errors.md").read_text(encoding="utf-8") == make_errors["page"](), "run python docs/make_errors.py"
