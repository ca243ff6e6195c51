"""Look for code that stands in two files: pylint's `symilar` over the package and over src/, with the exceptions named here.

Ends with 1 where two files share as many lines and no exception says why. Comments count for nothing; in Python neither do docstrings,
imports and signatures. What lies twice within one file is not seen.
"""
import re
import subprocess
import sys
from glob import glob
from pathlib import Path

# what is looked at: files, the least run of lines, what is left aside
LOOKS = [
    (["gslfit/**/*.py"], 5, ["--ignore-docstrings", "--ignore-imports", "--ignore-signatures"]),
    (["src/**/*.c", "src/**/*.h", "src/**/*.pyx", "src/**/*.pxi"], 4, []),
]
# two files that may share lines -> why
EXCEPTIONS = {
    ("src/descent/point.pxi", "src/solver/_function.pyx"): "an object's address is a property of each, and the classes share no base",
}


def shared(patterns, least, options):
    """Return the runs of lines that files share: the places, and the lines."""
    files = sorted(path for pattern in patterns for path in glob(pattern, recursive=True))
    command = ["symilar", f"--duplicates={least}", "--ignore-comments", *options, *files]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    blocks = re.split(r"^\d+ similar lines in \d+ files\n", told, flags=re.MULTILINE)[1:]
    return [(re.findall(r"^==(.+?):\[(\d+):(\d+)\]$", block, re.MULTILINE), re.sub(r"^==.*\n|^TOTAL.*\n", "", block, flags=re.MULTILINE))
            for block in blocks]


def main():
    """Print what is found and not excepted."""
    found, used = [], set()
    for look in LOOKS:
        for places, lines in shared(*look):
            pair = tuple(sorted({str(Path(name)) for name, _, _ in places}))
            if pair in EXCEPTIONS:
                used.add(pair)
            else:
                found.append("\n".join([" and ".join(f"{name}:{first}-{last}" for name, first, last in places), lines.rstrip()]))
    found += [f"an exception of .ci/duplicates.py is needed no more: {' and '.join(pair)}" for pair in EXCEPTIONS.keys() - used]
    print("\n\n".join(found) or "no code stands in two files")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
