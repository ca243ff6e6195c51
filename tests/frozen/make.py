"""Results of a few thousand fits, to tell to the last bit whether a change that should change nothing did.

    python make.py --out FOLDER                  # with one build installed: writes a line for each fit
    python make.py --against FOLDER              # with another: fits anew and says what differs; ends with 1 if something does
    python make.py --against FOLDER --loose      # the same to rounding, between machines or instruction sets
    python make.py ... --only 'fit/*/peak/*'     # those fits alone; several patterns, as fnmatch takes them

What a fit is, is in its name: entry, method, formula, condition. Only gslfit's public names are used, so that builds may differ in where
their modules are. No numbers are kept with the project: a change of judgement changes hundreds of them on purpose.
"""
import argparse
import sys
from fnmatch import fnmatchcase
from pathlib import Path

if __name__ == "__main__":      # the package of the fits is this folder
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from frozen import formula_fits, model_fits, records, residual_fits

GROUPS = {**formula_fits.GROUPS, **residual_fits.GROUPS, **model_fits.GROUPS}


def fits(group, patterns=(), one_of=1):
    """Name and record of the fits of a group, or of one of so many."""
    for number, (name, call) in enumerate(GROUPS[group]()):
        if number % one_of == 0 and (not patterns or any(fnmatchcase(name, pattern) for pattern in patterns)):
            yield name, records.run(call)


def write(folder, patterns=(), one_of=1):
    """Write a file for each group."""
    folder.mkdir(parents=True, exist_ok=True)
    for group in GROUPS:
        (folder/f"{group}.txt").write_text("".join(records.line(*each) for each in fits(group, patterns, one_of)))


def kept(group, folder):
    """Return the records of a group's file by name."""
    return dict(map(records.parsed, (folder/f"{group}.txt").read_text().splitlines()))


def compare(folder, patterns=(), one_of=1, exact=True):
    """In lines, what differs from the records in a folder, and how many were compared."""
    found, count = [], 0
    for group in GROUPS:
        old = kept(group, folder)
        for name, record in fits(group, patterns, one_of):
            count += 1
            unlike = records.differences(old[name], record, exact) if name in old else ["no record is kept"]
            if unlike:
                found.append(f"{name}: {'; '.join(unlike[:4])}" + (f"; and {len(unlike) - 4} more" if len(unlike) > 4 else ""))
    return found, count


def main():
    """Write, or compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--out", type=Path, metavar="FOLDER")
    what.add_argument("--against", type=Path, metavar="FOLDER")
    parser.add_argument("--only", nargs="+", default=(), metavar="PATTERN")
    parser.add_argument("--loose", action="store_true")
    options = parser.parse_args()
    if options.out:
        write(options.out, options.only)
        return
    found, count = compare(options.against, options.only, exact=not options.loose)
    print("\n".join([*found, f"{count} fits compared {'to rounding' if options.loose else 'to the last bit'}: {len(found)} differ"]))
    raise SystemExit(bool(found))


if __name__ == "__main__":
    main()
