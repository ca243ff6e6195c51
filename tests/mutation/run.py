"""Plant the faults of faults.toml one at a time, and list those that no test notices.

    python tests/mutation/run.py [--areas lanes,batch] [--sample 120 --seed 1] [--results FILE]

The tree (or a revision of it) is copied to a folder of its own with its own build, by ccache where there is one; the tests run against
that build. A changed .c file compiles in seconds, a changed .py file needs no compiler. A server that has imported what is not under test
forks for each run. With --python-only nothing is built: faults in .py files are planted beside the extensions that are installed, which
must be those of the same sources.

Each fault meets quick tests until one fails: first the one that noticed it before (noticed.json, which --keep writes), those that noticed
other faults of its area, and those of all that speak of the same things (likeness.py), then one of each function of its place, the
quickest first, then the others, for so many seconds (ENOUGH). A crash and a run beyond the time limit count as noticed. A test that
notices something is run in a copy without faults too, and does not count if it fails there. What survives is planted all at once, and one
test of each function of the quick suite is run, then the whole suite: tests that fail then are run again with each fault alone, those
first that speak of it and have not noticed another. So the suite, the dear part, runs once. Faults may hide each other: one that makes a
test fail which another would make pass again is counted as a survivor. That is rare, and errs on the side of too many survivors. Where
most faults are well known to the tests, the first part may be short (--enough 5), and the second has more to do.

With --sample so many faults are drawn, from each area as many as is its part of the table, by a seed; the score then has its 95 %
interval. A smaller sample of the same seed is the beginning of a larger one. Results are appended to a file, a line of JSON each, so that
a run that was broken off goes on where it was, and what each test took is kept beside it; --again runs all of them anew, each with the
test that noticed it first, --oldest 20 those twenty that were never run or were run longest ago; --report prints the score. Tests of style
and packaging (UNRELATED) take no part: they read the text of the code, and a fault is not to be found by its looks.
"""
from __future__ import annotations

import argparse
import hashlib
import json
import math
import shutil
import sys
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).parents[1])]

from mutation.likeness import Likeness
from mutation.tree import ROOT, Fault, Outcome, Tree, read_faults

HERE = Path(__file__).resolve().parent
NOTICED = HERE / "noticed.json"     # the test that noticed each fault in some run before: it is asked first, if it is still there
UNRELATED = ("test_house", "test_layers", "test_packaging", "test_docstrings", "test_documents", "test_examples",
             "test_old_paths", "test_leaks", "test_planted_faults")
ENOUGH = 15.0       # seconds of tests that a fault meets before the whole suite
WITHOUT_UNRELATED = [f"--ignore-glob=*{name}.py" for name in UNRELATED]
LIKELY, EACH = 14, 40       # functions of tests that have most in common with a fault, and how many tests of each
OPEN = ("", "not found", "no build")
USUAL = 0.1         # what a test takes that has not been run yet


class Results:
    """What is known of each fault, in a file that grows by a line at a time, and which tests noticed faults in runs long ago."""

    def __init__(self, path: Path, noticed: Mapping[str, str] | None = None):
        self.path, self.known, self.noticed = path, {}, {**(noticed or {})}
        if path.exists():
            for line in path.read_text(encoding="utf-8").splitlines():
                self._know(json.loads(line))

    def _know(self, row: dict) -> None:
        """Note a row as the last of all."""
        self.known.pop(row["fault"], None)
        self.known[row["fault"]] = row

    def add(self, fault: Fault, result: str, by: str = "", seconds: float = 0.0) -> None:
        """Note what became of a fault."""
        row = {"fault": fault.label, "result": result, "by": by, "seconds": round(seconds, 1)}
        self._know(row)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        print(f"{fault.label:<48} {result:<12} {seconds:6.1f} s  {by}", flush=True)

    def open_again(self, faults: Sequence[Fault]) -> None:
        """Forget what became of faults, and not which test noticed them."""
        for fault in faults:
            if self.of(fault) not in OPEN:
                self.add(fault, "", self.known[fault.label]["by"])

    def noticing(self, faults: Sequence[Fault]) -> list[str]:
        """Return the tests that noticed some of these faults, now or in a run before, those that noticed most first."""
        by = [self.noticing_one(fault) for fault in faults]
        return sorted({test for test in by if "::" in test}, key=lambda test: -by.count(test))

    def noticing_one(self, fault: Fault) -> str:
        """Return the test that noticed a fault last, "" for none."""
        by = self.known.get(fault.label, {}).get("by", "")
        return by if "::" in by else self.noticed.get(fault.label, "")

    def oldest(self, faults: Sequence[Fault], count: int) -> list[Fault]:
        """Return so many faults: those that are open, then those whose last run is longest ago."""
        order = {label: place for place, label in enumerate(self.known)}
        return sorted(faults, key=lambda fault: -1 if self.of(fault) in OPEN else order[fault.label])[:count]

    def of(self, fault: Fault) -> str:
        """Return what is known of a fault, "" for nothing."""
        return self.known.get(fault.label, {}).get("result", "")


def named(test: str) -> str:
    """Return the function of a test."""
    return test.split("[")[0]


class Runner:
    """What is known of the tests: what they take, which fail without a fault.

    Parameters
    ----------
    tree, plain : Tree
        Where faults are planted, and where none are.
    places : dict
        The files of tests of each area.
    results : Results
        What became of the faults.
    enough : float
        The seconds of tests that a fault meets alone.
    jobs : int
        How many tests are run at once where faults are planted together.
    """

    def __init__(self, tree: Tree, plain: Tree, places: dict[str, list[str]], results: Results, enough: float = ENOUGH, jobs: int = 2):
        self.tree, self.plain, self.places, self.results, self.enough, self.jobs = tree, plain, places, results, enough, jobs
        self.times = results.path.with_name(results.path.name + ".times")
        self.took: dict[str, float] = json.loads(self.times.read_text(encoding="utf-8")) if self.times.exists() else {}
        self.sound: dict[str, bool] = {}

    def keep_times(self) -> None:
        """Write down what each test took, for the next run."""
        self.times.write_text(json.dumps(self.took), encoding="utf-8")

    @cached_property
    def quick(self) -> dict[str, list[str]]:
        """The tests of each function of the quick suite."""
        found: dict[str, list[str]] = {}
        for test in self.plain.collect(WITHOUT_UNRELATED):
            found.setdefault(named(test), []).append(test)
        return found

    @cached_property
    def likeness(self) -> Likeness:
        """The words of the tests."""
        return Likeness(self.plain.folder / "tests")

    def existing(self, tests: Sequence[str]) -> list[str]:
        """Return which tests there are: one that was renamed since it noticed a fault would end the run that it is asked for."""
        return [test for test in tests if test in self.quick.get(named(test), ())]

    def likely(self, fault: Fault, spent: Collection[str]) -> list[str]:
        """Return tests that speak of what a fault changes, a few of each function, for a part of the seconds that it meets tests."""
        chosen, until = [], 0.0
        for function in [name for name in self.likeness.nearest(fault) if name in self.quick][:LIKELY]:
            fresh = [test for test in self.quick[function] if test not in spent and self.sound.get(test, True)]
            for test in sorted(fresh, key=self.seconds)[::-(-len(fresh) // EACH) or 1]:
                if until + self.seconds(test) < self.enough / 2:
                    chosen.append(test)
                    until += self.seconds(test)
        return chosen

    def seconds(self, test: str) -> float:
        """Return what a test takes, as far as is known."""
        return self.took.get(test, USUAL)

    def sound_ones(self, tests: Sequence[str]) -> list[str]:
        """Return which tests pass without a fault."""
        new = [test for test in tests if test not in self.sound]
        # a file whose tests a fault kept from being collected needn't be run to be sound
        without = ["--collect-only"] if all("::" not in test for test in new) else []
        failed = set(self.plain.test([*without, *new], 3600).failed) if new else set()
        self.sound.update((test, test not in failed) for test in new)
        return [test for test in tests if self.sound[test]]

    def lots(self, fault: Fault, faults: Sequence[Fault]) -> Iterator[list[str]]:
        """Yield the tests that a fault is to meet, one lot after the other."""
        own = self.existing(self.results.noticing([fault]))
        yield own
        others = self.existing(self.results.noticing([other for other in faults if other.area == fault.area]))
        met = [*own, *(test for test in others if test not in own)][:9]
        met += self.likely(fault, met)
        yield met[len(own):]
        files = set(self.tree.tests(self.places[fault.area]))
        place = [test for name, tests in self.quick.items() if name.split("::")[0] in files for test in tests]
        left = [test for test in place if test not in set(met) and self.sound.get(test, True)]
        ordered = sorted(left, key=self.seconds)
        first = list({named(test): test for test in reversed(ordered)}.values())[::-1]
        until, chosen = 0.0, []
        for test in [*first, *(test for test in ordered if test not in set(first))]:
            until += self.seconds(test)
            if until < self.enough:
                chosen.append(test)
        yield [test for test in chosen if test in set(first)]
        yield [test for test in chosen if test not in set(first)]

    def alone(self, fault: Fault, faults: Sequence[Fault]) -> None:
        """Plant one fault and run tests, one lot after the other, until one fails."""
        if self.tree.find(fault) is None:
            self.results.add(fault, "not found")
            return
        if not self.tree.plant([fault]):
            self.results.add(fault, "no build", (self.tree.log.stderr.strip().splitlines() or [""])[-1][:200])
            return
        seconds = 0.0
        for lot in self.lots(fault, faults):
            found = self.meet(lot)
            seconds += found[1]
            if found[0]:
                self.results.add(fault, "killed", found[0], seconds)
                return
        self.results.add(fault, "passed", "", seconds)

    def meet(self, tests: list[str]) -> tuple[str, float]:
        """Run tests until a sound one fails; return it, or what else ended the run, "" where all pass, and the seconds."""
        seconds, left = 0.0, tests
        while left:
            outcome = self.tree.test(["-x", *left], 120 + 10 * self.enough)
            seconds += outcome.seconds
            self.took.update(outcome.took)
            if outcome.how == "passed":
                break
            if not outcome.failed:
                return f"{outcome.how} in {left[0]}", seconds
            if self.sound_ones(outcome.failed[:1]):
                return outcome.failed[0], seconds
            left = [test for test in left if self.sound.get(test, True)]
        return "", seconds

    def together(self, left: Sequence[Fault]) -> None:
        """Let faults meet the whole quick suite together; those that no test notices are survivors.

        First one test of each function, then all tests of the places of those that are left.
        """
        left = self.left_by(left, [tests[-1] for tests in self.quick.values()])
        left = self.left_by(left, self.tree.tests(list(dict.fromkeys(name for fault in left for name in self.places[fault.area]))))
        left = self.left_by(left, WITHOUT_UNRELATED)
        for fault in left:
            self.results.add(fault, "survived")

    def left_by(self, left: Sequence[Fault], tests: Sequence[str]) -> Sequence[Fault]:
        """Plant faults together and run tests; those that fail meet each fault alone. Returns the faults that none of them noticed."""
        if not left:
            return left
        outcome = self.planted(left, ["-n", str(self.jobs), *tests])
        while outcome.how != "passed":
            self.took.update(outcome.took)
            suspects = sorted({test for test in outcome.failed if self.sound.get(test, True)}, key=self.seconds)
            print(f"# {len(left)} faults together: {outcome.how} in {outcome.seconds:.0f} s; {len(suspects)} tests", flush=True)
            if outcome.how != "failed":
                raise SystemExit(outcome.said[-2000:])
            one = list({named(test): test for test in reversed(suspects)}.values())[::-1]
            guilty = self.guilty(left, one) or self.guilty(left, suspects)
            left = [fault for fault in left if fault not in guilty]
            if not guilty or not left:
                break
            outcome = self.planted(left, suspects)
        return left

    def guilty(self, left: Sequence[Fault], suspects: list[str]) -> list[Fault]:
        """Return which faults a suspected test notices: those that speak of the fault first, those that have noticed another last."""
        found: list[Fault] = []
        for fault in left:
            used = {self.results.known[other.label]["by"] for other in found}
            likely = {function: place for place, function in enumerate(self.likeness.nearest(fault))}
            ordered = sorted(suspects, key=lambda test: (test in used, likely.get(named(test), len(likely))))
            if self.noticed(fault, ordered):
                found.append(fault)
        return found

    def noticed(self, fault: Fault, tests: list[str]) -> bool:
        """Plant one fault; return whether a sound test fails."""
        if not tests or not self.tree.plant([fault]):
            return False
        by, seconds = self.meet(tests)
        if by:
            self.results.add(fault, "killed", by, seconds)
        return bool(by)

    def planted(self, faults: Sequence[Fault], tests: Sequence[str]) -> Outcome:
        """Plant faults and run tests."""
        if not self.tree.plant(faults):
            raise SystemExit(f"these faults don't build together:\n{self.tree.log.stderr[-2000:]}")
        return self.tree.test(list(tests), 3600)


def drawn(faults: Sequence[Fault], count: int, seed: int) -> list[Fault]:
    """Return so many of the faults, from each area its part, drawn by a seed; in the order in which they were drawn."""
    def order(fault: Fault) -> bytes:
        return hashlib.sha256(f"{seed} {fault.label}".encode()).digest()

    areas = {area: sorted((fault for fault in faults if fault.area == area), key=order) for area in {fault.area for fault in faults}}
    # the k-th of an area of n is drawn when (k + 1/2) / n of the table is
    ranked = sorted(((k + 0.5) / len(own), order(fault), fault) for own in areas.values() for k, fault in enumerate(own))
    return [fault for _, _, fault in ranked[:count]]


def interval(killed: int, judged: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a part."""
    z = 1.959964
    middle, scale = (killed + z * z / 2) / (judged + z * z), 1 / (judged + z * z)
    half = z * scale * math.sqrt(killed * (judged - killed) / judged + z * z / 4)
    return middle - half, middle + half


def report(faults: Sequence[Fault], results: Results, out: Path | None) -> None:
    """Print the score by area, and the survivors."""
    kinds = ("killed", "survived", "passed", "not found", "no build")
    total = dict.fromkeys(kinds, 0)
    for area in dict.fromkeys(fault.area for fault in faults):
        own = [results.of(fault) for fault in faults if fault.area == area and results.of(fault)]
        counts = {kind: own.count(kind) for kind in kinds}
        total = {kind: total[kind] + counts[kind] for kind in kinds}
        if own:
            others = "".join(f", {counts[kind]} {kind}" for kind in kinds[2:] if counts[kind])
            print(f"{area:<16} {counts['killed']:>3} of {len(own):>3} killed{others}")
    judged = total["killed"] + total["survived"] + total["passed"]
    low, high = interval(total["killed"], judged) if judged else (0.0, 1.0)
    print(f"{'all':<16} {total['killed']:>3} of {judged:>3} killed, {100 * total['killed'] / max(judged, 1):.1f} % "
          f"(95 % interval {100 * low:.1f} to {100 * high:.1f} %); not found {total['not found']}, no build {total['no build']}; "
          f"{len(faults) - sum(total.values())} not run")
    lines = [f"{fault.label}\n    {fault.old!r}\n    -> {fault.new!r}\n    {fault.seen}" for fault in faults
             if results.of(fault) in ("survived", "passed")]
    if out:
        out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    else:
        print("\nSurvivors:", *(fault.label for fault in faults if results.of(fault) in ("survived", "passed")), sep="\n  ")


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--revision", help="what to plant the faults in; the tree as it is, if not given")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "gslfit-mutants", help="where the copies are")
    parser.add_argument("--results", type=Path, default=Path(tempfile.gettempdir()) / "gslfit-mutants.jsonl")
    parser.add_argument("--python", default=str(ROOT / ".venv" / "bin" / "python"), help="with the project's dependencies")
    parser.add_argument("--areas", default="", help="names, separated by commas; all, if not given")
    parser.add_argument("--faults", default="", help="labels, separated by commas; all, if not given")
    parser.add_argument("--sample", type=int, default=0, help="so many faults, from each area its part; all, if not given")
    parser.add_argument("--seed", type=int, default=1, help="of --sample")
    parser.add_argument("--python-only", action="store_true", help="only those in .py files, beside what is installed: no build")
    parser.add_argument("--stage", type=int, choices=(1, 2), help="only the first or the second")
    parser.add_argument("--check", action="store_true", help="only say which faults' texts are not found once")
    parser.add_argument("--again", action="store_true", help="open all faults again; the tests that noticed them are asked first")
    parser.add_argument("--oldest", type=int, default=0, help="only so many faults: those never run, then those run longest ago")
    parser.add_argument("--keep", action="store_true", help=f"write which test noticed each fault to {NOTICED.name}, for runs to come")
    parser.add_argument("--report", action="store_true", help="only print what is known")
    parser.add_argument("--enough", type=float, default=ENOUGH, help="seconds of tests that a fault meets alone")
    parser.add_argument("--jobs", type=int, default=2, help="tests at once, where faults are planted together")
    parser.add_argument("--survivors", type=Path, help="write the survivors here")
    given = parser.parse_args()
    faults, places = read_faults(HERE / "faults.toml")
    if given.sample:
        faults = drawn(faults, given.sample, given.seed)
    areas, labels = ([name for name in names.split(",") if name] for names in (given.areas, given.faults))
    faults = [fault for fault in faults if (not areas or fault.area in areas) and (not labels or fault.label in labels)]
    results = Results(given.results, json.loads(NOTICED.read_text(encoding="utf-8")) if NOTICED.exists() else {})
    if given.oldest:
        faults = results.oldest(faults, given.oldest)
    if given.again or given.oldest:
        results.open_again(faults)
    if not given.report:
        tree = Tree(given.folder / "tree", given.python)
        tree.copy(given.revision)
        if given.check:
            print(*(fault.label for fault in faults if tree.find(fault) is None), sep="\n")
            return
        if given.python_only:
            faults = [fault for fault in faults if (path := tree.find(fault)) is None or path.suffix == ".py"]
        if not (tree.borrow() if given.python_only else tree.build()):
            raise SystemExit(tree.log.stdout + tree.log.stderr)
        shutil.rmtree(given.folder / "plain", ignore_errors=True)
        shutil.copytree(given.folder / "tree", given.folder / "plain")
        runner = Runner(tree, Tree(given.folder / "plain", given.python), places, results, given.enough, given.jobs)
        for fault in [fault for fault in faults if given.stage != 2 and results.of(fault) in OPEN]:
            runner.alone(fault, faults)
            runner.keep_times()
        tree.plant([])
        for left in tree.apart([fault for fault in faults if given.stage != 1 and results.of(fault) == "passed"]):
            runner.together(left)
        tree.plant([])
    if given.keep:
        kept = {fault.label: by for fault in read_faults(HERE / "faults.toml")[0] if (by := results.noticing_one(fault))}
        NOTICED.write_text(json.dumps(kept, indent=0) + "\n", encoding="utf-8")
    report(faults, results, given.survivors)


if __name__ == "__main__":
    main()
