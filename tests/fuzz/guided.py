"""Look for texts and files that end otherwise than they may, led by which lines of gslfit each input reaches. Needs atheris.

    python tests/fuzz/guided.py [TARGET ...] [--inputs N] [--keep] [--seed N]

Begins with the corpus of each target (tests/fuzz/corpora) and with what it takes (`targets.good`). An input that ends badly, or takes more
than ten seconds or a gigabyte and a half, is written to a folder and named; the exit status is 1 then, and where fewer inputs were tried.
With --keep the inputs that reach something new go into the corpus, the smallest first, up to so many bytes that all stay a quick test.
"""
import argparse
import hashlib
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
CORPORA = HERE / "corpora"
MOST_FILES, MOST_BYTES = 60, 24_000      # of a target's corpus
NAMES = ("formula", "expression", "parameters", "model", "result", "batch", "table")

if __name__ == "__main__":
    sys.path[:0] = [str(HERE.parent), str(HERE.parent / "support")]


def inner(target, arguments):
    """Run libFuzzer in this process, on gslfit with every branch counted."""
    import atheris
    with atheris.instrument_imports(include=["gslfit"]):
        import gslfit.cli.table
        import gslfit.curves.batch_result
        import gslfit.models.serialization  # noqa: F401
        from fuzz.targets import ends_well
    atheris.Setup([sys.argv[0], *arguments], lambda content: ends_well(target, content) and None)
    atheris.Fuzz()


def fuzz(target, inputs, seed, folder):
    """Fuzz one target; return how many inputs were tried, the folder of what was found, and the inputs that ended badly."""
    from fuzz.targets import LENGTHS, good
    found, bad = folder / target / "found", folder / target / "bad"
    shutil.rmtree(bad, ignore_errors=True)      # of a run before
    for place in (found, bad, CORPORA / target):
        place.mkdir(parents=True, exist_ok=True)
    for content in good(target):
        (found / hashlib.sha1(content).hexdigest()).write_bytes(content)
    command = [sys.executable, __file__, "--inner", target, "--", str(found), str(CORPORA / target), f"-runs={inputs}",
               f"-max_len={LENGTHS[target]}", f"-seed={seed}", "-timeout=10", "-rss_limit_mb=1500", "-print_final_stats=1",
               f"-artifact_prefix={bad}/"]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace")
    (folder / f"{target}.log").write_text(done.stdout + done.stderr)
    counted = re.search(r"number_of_executed_units: (\d+)", done.stderr)
    return int(counted[1]) if counted else 0, found, sorted(bad.iterdir()), done.stdout + done.stderr if done.returncode else ""


def reached(target, content):
    """Return which steps from line to line within gslfit an input leads to."""
    from fuzz.targets import ends_well
    steps, last = set(), {}

    def trace(frame, event, argument):
        if "/gslfit/" not in frame.f_code.co_filename:
            return None
        steps.add((frame.f_code, last.get(frame), frame.f_lineno))
        last[frame] = frame.f_lineno
        return trace
    sys.settrace(trace)
    try:
        ends_well(target, content)
    finally:
        sys.settrace(None)
    return {(code.co_filename, code.co_firstlineno, before, line) for code, before, line in steps}


def keep(target, found):
    """Put into the corpus what reaches something new, the smallest first; finds that were mended (find-*) stay."""
    corpus = CORPORA / target
    mended = [path for path in corpus.iterdir() if path.name.startswith("find-")]
    candidates = {path.read_bytes() for folder in (corpus, found) for path in folder.iterdir()}
    known = set().union(*(reached(target, path.read_bytes()) for path in mended))
    chosen, room = [], MOST_BYTES
    for content in sorted(candidates, key=lambda content: (len(content), content)):
        new = reached(target, content) - known
        if new and len(content) <= room and len(chosen) < MOST_FILES:
            chosen.append(content)
            known |= new
            room -= len(content)
    for path in set(corpus.iterdir()) - set(mended):
        path.unlink()
    for content in chosen:
        (corpus / hashlib.sha1(content).hexdigest()[:12]).write_bytes(content)


def main():
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"{', '.join(NAMES)}; all, if not given")
    parser.add_argument("--inputs", type=int, default=20_000, help="of each target")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", action="store_true", help="put what reaches something new into the corpora")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "gslfit-fuzz", help="where finds are written")
    given = parser.parse_args()
    faults = 0
    for target in given.targets or NAMES:
        tried, found, bad, said = fuzz(target, given.inputs, given.seed, given.folder)
        last = re.findall(r"=== Uncaught Python exception: ===\n(.*)", said) or re.findall(r"ERROR: libFuzzer: (.*)", said)
        why = f": {(last or ['?'])[0].strip()[:300]}" if bad or said else ""
        print(f"{target}: {tried} inputs, {len(bad)} ended badly{why}", flush=True)
        faults += bool(bad or said or tried < given.inputs)
        for path in bad:
            print(f"    {path}: {path.read_bytes()[:200]!r}")
        if given.keep:
            keep(target, found)
    sys.exit(bool(faults))


if __name__ == "__main__":
    if "--inner" in sys.argv:
        place = sys.argv.index("--inner")
        inner(sys.argv[place + 1], sys.argv[place + 3:])
    else:
        main()
