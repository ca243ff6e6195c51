"""Results of a few thousand fits, kept to the last bit, to tell whether a change that should change nothing did.

    python make.py                          # fits anew and says what differs from the files beside it; ends with 1 if something does
    python make.py --only 'fit/*/peak/*'    # those fits alone; several patterns, as fnmatch takes them
    python make.py --write                  # writes the files; with --only, those fits' lines alone
    python make.py --out FOLDER             # writes the files elsewhere: run it on two builds, then diff -r the folders

What a fit is, is in its name: entry, method, formula, condition. The numbers are exact on the machine whose signature `machine.json` has;
on others the comparison is one to rounding, and leaves out the fits that are marked "loose": their end depends on it.
A change of judgement that is meant gets a line in `changed.txt`, the pattern of the fits that it changes and the reason, or remakes
their lines. The folder as a whole goes when it has served.
"""
import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from fnmatch import fnmatchcase
from importlib import import_module, metadata
from pathlib import Path

FOLDER = Path(__file__).parent
if __name__ == "__main__":      # the package of the fits is this folder
    sys.path[0] = str(FOLDER.parent)

from frozen import formula_fits, model_fits, records, residual_fits  # noqa: E402

GROUPS = {**formula_fits.GROUPS, **residual_fits.GROUPS, **model_fits.GROUPS}
OTHER_MACHINES = (
    {"FROZEN_SET": "v3"}, {"FROZEN_SET": "base"},
    {"FROZEN_SET": "v3", "NPY_DISABLE_CPU_FEATURES": "AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL AVX512_ICL AVX512_SPR",
     "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX512F,-AVX2,-FMA"},
)


def engines():
    """The extensions that have an instruction set of their own to choose, wherever they are in the package."""
    import pkgutil

    import gslfit
    found = []
    for each in pkgutil.walk_packages(gslfit.__path__, "gslfit."):
        if each.name.rpartition(".")[2] in ("_program", "_batch", "_polish", "_engine"):
            module = import_module(each.name)
            if hasattr(module, "instruction_set"):
                found.append(module)
    return found


def signature():
    """What the last bit of a result depends on."""
    import numpy
    features = numpy.show_config(mode="dicts").get("SIMD Extensions", {}).get("found", [])
    blas = numpy.show_config(mode="dicts")["Build Dependencies"]["blas"]
    return {"instruction set": sorted({module.instruction_set() for module in engines()}), "machine": platform.machine(),
            "numpy": metadata.version("numpy"), "scipy": metadata.version("scipy"), "libc": " ".join(platform.libc_ver()),
            "features": digest_of(features), "blas": f"{blas.get('name')} {blas.get('version')}", "python": platform.python_version()}


def digest_of(thing):
    """A digest, or nothing."""
    return records.digest(thing)


def chosen(patterns, names):
    """Those of the names that match a pattern; all without patterns."""
    return [name for name in names if not patterns or any(fnmatchcase(name, pattern) for pattern in patterns)]


def fits(group, patterns=(), one_of=1):
    """Name and record of the fits of a group, or of one of so many."""
    for number, (name, call) in enumerate(GROUPS[group]()):
        if number % one_of == 0 and chosen(patterns, [name]):
            yield name, records.run(call)


def kept(group, folder=FOLDER):
    """The records of a group's file by name."""
    path = folder/f"{group}.txt"
    return dict(map(records.parsed, path.read_text().splitlines())) if path.exists() else {}


def excused(folder=FOLDER):
    """Patterns of fits that a change was meant for, with reasons."""
    lines = (folder/"changed.txt").read_text().splitlines() if (folder/"changed.txt").exists() else []
    return [line.split("#", 1)[0].strip() for line in lines if line.split("#", 1)[0].strip()]


def same_machine(folder=FOLDER):
    """Whether the numbers kept are this machine's own."""
    return json.loads((folder/"machine.json").read_text()) == json.loads(json.dumps(signature()))


def compare(group, patterns=(), one_of=1, folder=FOLDER, exact=None):
    """In lines, what differs from the records kept, and how many were compared."""
    exact = same_machine(folder) if exact is None else exact
    old, meant, found, count = kept(group, folder), excused(folder), [], 0
    for name, record in fits(group, patterns, one_of):
        if meant and chosen(meant, [name]):
            continue
        count += 1
        if name not in old:
            found.append(f"{name}: no record is kept")
        else:
            unlike = records.differences(old[name], record, exact)
            if unlike:
                found.append(f"{name}: {'; '.join(unlike[:4])}" + (f"; and {len(unlike) - 4} more" if len(unlike) > 4 else ""))
    return found, count


def write(folder, patterns=()):
    """Write the files of all groups, or the lines of some fits."""
    folder.mkdir(parents=True, exist_ok=True)
    for group in GROUPS:
        found = kept(group, folder) if patterns else {}
        new = dict(fits(group, patterns))
        (folder/f"{group}.txt").write_text("".join(records.line(*each) for each in {**found, **new}.items()))
    (folder/"machine.json").write_text(json.dumps(signature(), indent=1) + "\n")


def loosen(folder, patterns=()):
    """Mark the fits whose end depends on the machine: those that differ by more than rounding when other instructions compute them."""
    for changes in OTHER_MACHINES:
        with tempfile.TemporaryDirectory() as other:
            command = [sys.executable, __file__, "--out", other, *(["--only", *patterns] if patterns else [])]
            subprocess.run(command, check=True, env={**os.environ, **changes})
            for group in GROUPS:
                found, fresh = kept(group, folder), kept(group, Path(other))
                for name, record in fresh.items():
                    if name in found and records.differences(found[name], record, exact=False):
                        found[name]["loose"] = 1
                (folder/f"{group}.txt").write_text("".join(records.line(*each) for each in found.items()))


def main():
    """Compare, or write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", default=(), metavar="PATTERN")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    if os.environ.get("FROZEN_SET"):
        for module in engines():
            module.instruction_set(os.environ["FROZEN_SET"])
    if options.out:
        write(options.out, options.only)
    elif options.write:
        write(FOLDER, options.only)
        loosen(FOLDER, options.only)
    else:
        exact, differ, total = same_machine(), [], 0
        for group in GROUPS:
            found, count = compare(group, options.only, exact=exact)
            print("\n".join(found), end="\n" if found else "")
            differ, total = differ + found, total + count
        print(f"{total} records compared {'to the last bit' if exact else 'to rounding'}: {len(differ)} differ")
        raise SystemExit(bool(differ))


if __name__ == "__main__":
    main()
