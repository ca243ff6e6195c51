"""Write the tables of GSL's names and PyGSL's into docs/porting-gsl.md:

    python docs/make_gsl_names.py
    python docs/make_gsl_names.py --headers /usr/include/gsl      # reads the names anew, into docs/names/gsl.txt

`docs/names/gsl.txt` has every name that GSL's three headers of nonlinear fitting declare, `docs/names/pygsl.txt` those of PyGSL's
`multifit_nlin`, and `docs/names/counterparts.txt` what each is here: a name, or one with `*` in it, a counterpart, a remark.
"""
import argparse
import re
from fnmatch import fnmatchcase
from pathlib import Path

HERE = Path(__file__).parent
PAGE, NAMES = HERE / "porting-gsl.md", HERE / "names"
HEADERS = "gsl_multifit_nlin.h", "gsl_multifit_nlinear.h", "gsl_multilarge_nlinear.h"
BEGIN, END = "<!-- names of GSL, by docs/make_gsl_names.py -->", "<!-- end of names of GSL -->"


def declared(text):
    """Return every name that a header declares, in order: macros, constants, types, their members, variables, functions."""
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    names = re.findall(r"^#define\s+(GSL_\w+)", text, re.MULTILINE)
    text = re.sub(r"^\s*#.*$", "", text, flags=re.MULTILINE)
    for kind, body, name in re.findall(r"(?:typedef\s+)?\b(enum|struct)\b\s*\w*\s*\{(.*?)\}\s*(\w*)\s*;", text, re.DOTALL):
        if kind == "enum":
            names += re.findall(r"\w+", body)
        owner = name or re.search(r"struct\s+(\w+)\s*\{" + re.escape(body), text)[1].removesuffix("_struct")
        names.append(owner)
        if kind == "struct":
            names += [f"{owner}.{member}" for member in members(body)]
    text = re.sub(r"\{.*?\}", "", text, flags=re.DOTALL)
    names += re.findall(r"typedef\s+struct\s+\w+\s+(\w+)\s*;", text)
    names += re.findall(r"GSL_VAR[^;]*?(\w+)\s*;", text)
    names += re.findall(r"\b(gsl_\w+)\s*\(", text)
    return list(dict.fromkeys(names))


def members(body):
    """Return the names of a struct's members."""
    for line in body.split(";"):
        found = re.search(r"\(\s*\*\s*(\w+)\s*\)", line) or re.search(r"(\w+)\s*$", line.strip())
        if found:
            yield found[1]


def listed(name):
    """Return what a list has: by the heading of each part, its names."""
    parts = {}
    for line in (NAMES / f"{name}.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("# "):
            part = parts.setdefault(line[2:], [])
        elif line:
            part.append(line)
    return parts


def counterparts():
    """Return (name or pattern, counterpart, remark) for each line of the list of counterparts."""
    lines = (NAMES / "counterparts.txt").read_text(encoding="utf-8").splitlines()
    return [tuple(field.strip() for field in line.split("|")) for line in lines if line and not line.startswith("#")]


def answer(name, known):
    """Return the counterpart of a name and a remark: of the first line that it fits, where `{}` is the solver of its family."""
    for pattern, here, remark in known:
        if fnmatchcase(name, pattern):
            solver = "LargeSolver" if "multilarge" in name else "NonlinearSolver"
            return pattern, here.replace("{}", solver), remark.replace("{}", solver)
    raise SystemExit(f"docs/names/counterparts.txt has no line for {name}")


def tables():
    """Return the tables, and the patterns of the list of counterparts that were of use."""
    known, used, text = counterparts(), set(), []
    for title, parts in (("GSL", listed("gsl")), ("PyGSL", listed("pygsl"))):
        for part, names in parts.items():
            text += ["", f"### `{part}`", "", f"| {title} | here | |", "|---|---|---|"]
            rows = {}
            for name in names:
                pattern, here, remark = answer(name, known)
                used.add(pattern)
                whole = f"{name.partition('.')[0]}.*" if pattern.endswith(".*") else name      # all members that no caller needs, as one
                rows[whole] = f"| `{whole}` | {here} | {remark} |"
            text += rows.values()
    return "\n".join(text) + "\n", used


def page():
    """Return the page with its tables as they must be."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{tables()[0]}\n{END}{after}"


def main():
    """Write the page, and the list of GSL's names before it where headers are given."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--headers", type=Path, help="the folder of GSL's headers")
    folder = parser.parse_args().headers
    if folder:
        parts = (f"# {header}\n" + "".join(f"{name}\n" for name in declared((folder / header).read_text())) for header in HEADERS)
        (NAMES / "gsl.txt").write_text("\n".join(parts), encoding="utf-8")
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
