"""Fuzz fits, and count successes that are not at a minimum, minima that are called failures, and errors that aren't gslfit's own.

    python tests/fuzz/truth.py --entry fit_batch --successes 500000 --seed 1
    python tests/fuzz/truth.py --entry fit --replay 1:4711
    python tests/fuzz/truth.py --instruction-sets --library 300 --seed 5

Rows are drawn in blocks (`fuzz.draws`), fitted by the entry (`fuzz.entries`) and judged (`fuzz.judge`). A block follows from the seed and
its number alone, and blocks are counted in their order: the same seed gives the same bits whatever the number of processes. A fault is
named SEED:ROW.
"""
from __future__ import annotations

import argparse
import hashlib
import itertools
import math
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import numpy as np

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[1] / "support")]

import guess_accuracy
from instruction_sets import each_set

from fuzz.certificate import at_rounding, certified, chi_square, look, rows_of
from fuzz.draws import draw
from fuzz.entries import ROWS, RUN
from fuzz.judge import FAULT, Verdict, by_scipy, effects, judge
from gslfit import errors
from gslfit.curves._batch import instruction_set

# successes of fit_batch that are known not to be at a minimum (AVX-512): exact data and residuals at rounding, from which differences of
# parameters in doubles don't tell less; a plain about an edge so sharp that nothing tells its place, at an amplitude that began at 0; a
# valley without slope; the last digits of a kink; amplitudes of next to nothing, two that cancel, or of subnormal numbers; a part of a
# model so far out that the other sign of its amplitude is lower; quotients of infinities, whose limit NumPy does not know; polynomials of
# the seventh degree in their last digits; columns of which the seventh digit would tell more; walls of edges, 1e-7 of their place away;
# resonances of one point, round which a valley bends in half a circle
LEFT = ("7001:53214", "91001:72504", "102001:399025", "103001:1611525", "110001:1426117", "110001:2219691", "110001:2453389",
        "110001:2324035", "110001:320180", "110001:320236", "110001:2471136", "112001:1168665", "112001:2383015", "112001:2383195",
        "112001:2383619", "112001:2383646", "112001:848127", "112001:2802414", "112001:2616481", "114001:1717047", "114001:2721196",
        "114001:3125572", "114001:3125823", "116001:1999150", "116001:1999324", "116001:771037", "116001:771343", "116001:1769476",
        "116001:1769950", "116001:3136057", "116001:164928", "118001:1019219", "118001:1076030", "118001:1783008", "118001:2244496",
        "118001:193129", "118001:796465", "118001:2414733", "118001:234957", "120001:844118", "120001:1600069", "120001:3288013",
        "122001:2727526", "122001:2727979", "122001:2591070", "122001:1147095", "126001:1702039", "126001:1702228", "126001:2183701",
        "126001:2183711", "126001:2183957", "126001:2183978", "126001:1739059", "126001:1581123", "126001:2203303", "128001:2337093",
        "128001:3240253", "128001:615352", "128001:1796511", "128001:1910623", "130001:1467032", "134001:316004", "134001:316017",
        "134001:316026", "134001:316150", "134001:316172", "134001:316214", "134001:316249", "134001:316277", "134001:316280",
        "134001:316289", "134001:316314", "134001:316333", "134001:316372", "134001:316465", "134001:316487", "134001:316517",
        "134001:316560", "134001:316577", "134001:316655", "134001:316661", "134001:316730", "134001:316754", "134001:316867",
        "134001:316927", "134001:316979", "134001:316980", "134001:2682680", "134001:2682773", "134001:2998047", "136001:3142351",
        "136001:256474", "136001:1938170", "136001:2467066", "138001:1624047", "138001:1667994", "138001:2731013", "138001:2731014",
        "138001:2841384", "138001:997414", "140001:421586", "140001:2664040", "142001:1058474", "142001:1189558", "142001:294107",
        "142001:732212", "142001:1596676",
        "144001:3036232", "144001:3036640", "144001:3036655", "144001:3036810", "144001:3036817", "144001:3036988", "144001:1416812",
        "144001:3036461", "144001:3036656", "144001:3036663", "144001:1096582", "144001:2272301", "144001:3036378", "144001:3036645",
        "144001:3036948", "144001:778077", "144001:2246018", "144001:2385864", "144001:2788753",
        "146001:364477", "146001:1226605", "146001:2318979",
        "148001:1199367", "148001:1199663", "148001:2059417", "148001:733042", "148001:2675917", "148001:944908", "148001:2356765",
        "148001:2406382", "148001:2406904", "148001:3002000", "148001:3002143", "148001:948189", "148001:1807395", "148001:2075347",
        "150001:1454760", "150001:1918147", "150001:2277386", "150001:2277986", "150001:2956", "150001:256533", "150001:1093269",
        "150001:1104558", "150001:3065034", "150001:3024173")
# those of `minimize`: two of three decays in one, whose amplitudes of both signs could grow; the last digits of differences; data of
# 1e-155 and less; a model that a parameter's last digit changes by all of what is left; residuals at the rounding of the model at the
# start; parameters that enter squared and are 0, where chi-square falls with others that they leave open; edges that no point sees, at
# the start and at the end
LEFT_BY_MINIMIZE = ("1400:4031", "1911:111536", "1921:5725", "1931:37540", "1941:18755", "1941:30636", "1941:59997",
                    "2021:49094", "2021:58311", "2091:55479",
                    "2103:3154", "2105:38051", "2107:91526", "2117:46655")
# those of `fit`: an edge sharper than differences of its place, a parameter that enters squared and is 0 beside a residual at rounding, a
# peak that its bounds push off
LEFT_BY_FIT = ("3007:6720", "3007:7987", "3007:83017")
ASKED = 5   # failures of a block that SciPy fits again from their start


class Fault(NamedTuple):
    """A success that is not at a minimum, with what it was drawn as."""

    row: int
    kind: str
    label: str
    data: str
    start: str
    bounds: str
    status: int
    fall: float

    def line(self, entry: str, seed: int) -> str:
        """One line of a report."""
        return (f"{entry} {seed}:{self.row}  {self.kind}  [{self.label}; {self.data}; start {self.start}; bounds {self.bounds}; "
                f"status {self.status}; falls by {self.fall:.2g} of redchi]")


class Found(NamedTuple):
    """What a block came to."""

    number: int
    rows: int
    successes: int
    outcomes: Counter
    faults: list[Fault]
    missed: list[Fault]
    broken: list[Fault]
    raised: Counter
    judges: Counter
    times: Counter
    digest: bytes


def run_block(job: tuple) -> Found:
    """Draw, fit and judge one block."""
    entry, seed, number, failures, isa = job
    if isa:
        instruction_set(isa)
    times, judges = Counter(), Counter()
    clock = time.process_time()

    def lap(name):
        nonlocal clock
        now = time.process_time()
        times[name] += now - clock
        clock = now

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        block = draw(seed, number, ROWS[entry], entry)
        chosen = np.arange(len(block.y))
        lap("draw")
        ends = RUN[entry](block, chosen)
        lap("fit")
        rows = rows_of(block)
        good = chosen[ends.success[chosen]]
        verdicts = judge(rows.take(good), ends.values[good], judges)
        lap("judge")
        faults = [told(entry, block, ends, number, k, verdict) for k, verdict in zip(good, verdicts, strict=True)
                  if verdict.outcome == FAULT]
        missed = []
        if failures:
            bad = chosen[~ends.success[chosen] & (ends.raised[chosen] == "")]
            missed = [told(entry, block, ends, number, k, Verdict("", kind)) for k, kind in minima(rows, block, ends, bad, judges)]
            lap("failures")
        broken = [told(entry, block, ends, number, k, Verdict("", ends.raised[k])) for k in chosen if not known(ends.raised[k])]
    outcomes = Counter(verdict.outcome for verdict in verdicts)
    digest = hashlib.sha256(ends.values.tobytes() + ends.success.tobytes() + repr(verdicts).encode()).digest()
    raised = Counter(name for name in ends.raised[chosen].tolist() if name)
    return Found(number, len(chosen), len(good), outcomes, faults, missed, broken, raised, judges, times, digest)


def known(error: str) -> bool:
    """Return whether what a fit raised is an error of gslfit's own (or nothing), which is said to the caller."""
    return not error or issubclass(getattr(errors, error, type(None)), errors.FitError)


def told(entry: str, block, ends, number: int, k: int, verdict: Verdict) -> Fault:
    """Return a verdict with what the row was drawn as."""
    return Fault(number*ROWS[entry] + int(k), verdict.kind, block.label, str(block.data[k]), str(block.begins[k]), block.bounds,
                 int(ends.status[k]), verdict.fall)


def minima(rows, block, ends, bad: np.ndarray, count: Counter) -> list[tuple[int, str]]:
    """Which failures ended at a certified minimum, with the kind.

    Where residual is left, SciPy must find none lower from the same start; it is asked for `ASKED` rows of a block at most, and `count`
    says how many were asked of how many.
    """
    count["failures"] += len(bad)
    bad = bad[np.isfinite(ends.values[bad]).all(axis=1)]
    bad = bad[((ends.values[bad] >= block.low) & (ends.values[bad] <= block.high)).all(axis=1)]
    if not len(bad):
        return []
    here = look(rows.take(bad), ends.values[bad])
    good, exact = certified(rows.take(bad), ends.values[bad], here), at_rounding(here)
    found = [(int(k), "residual at rounding called a failure") for k in bad[exact]]
    left = bad[good & ~exact]
    count["failures certified"] += len(left)
    count["failures asked"] += len(left[:ASKED])
    for k in left[:ASKED]:
        row, start = rows.take([k]), np.clip(block.start[k], block.low, block.high)
        reached = chi_square(row, ends.values[k][None])[0]
        begin = look(row, start[None], np.zeros((1, len(start)), bool))
        lower = chi_square(row, by_scipy(row, start, begin)[-1][None])[0]
        if not lower < reached*(1 - 1e-9):
            found.append((int(k), "minimum called a failure"))
    return found


class Tally:
    """The sums over blocks."""

    def __init__(self, entry: str, seed: int):
        self.entry, self.seed, self.blocks, self.rows, self.successes = entry, seed, 0, 0, 0
        self.outcomes, self.raised, self.judges, self.times = Counter(), Counter(), Counter(), Counter()
        self.faults: list[Fault] = []
        self.missed: list[Fault] = []
        self.broken: list[Fault] = []
        self.hash = hashlib.sha256()

    def add(self, found: Found) -> None:
        """Count a block."""
        self.blocks += 1
        self.rows += found.rows
        self.successes += found.successes
        for name in ("outcomes", "raised", "judges", "times"):
            getattr(self, name).update(getattr(found, name))
        self.faults += found.faults
        self.missed += found.missed
        self.broken += found.broken
        self.hash.update(found.digest)

    def report(self, longest: int = 40) -> str:
        """Return the counts, and the first faults of each kind."""
        share = f"1 in {self.successes/len(self.faults):.0f}" if self.faults else "none"
        spent = {name: round(seconds, 1) for name, seconds in self.times.items()}
        head = (f"{self.entry}, seed {self.seed}, {instruction_set()}: {self.blocks} blocks, {self.rows} rows, "
                f"{self.successes} successes: {len(self.faults)} not at a minimum ({share}), {len(self.missed)} minima called a failure")
        lines = [head, f"  outcomes {dict(self.outcomes)}, judged by {dict(self.judges)}, raised {dict(self.raised)}",
                 f"  processor seconds {spent}, bits {self.hash.hexdigest()[:16]}"]
        for title, faults in (("not at a minimum", self.faults), ("minimum called a failure", self.missed),
                              ("raised what is no error of gslfit", self.broken)):
            for field in ("kind", "start", "data", "bounds", "status"):
                counts = Counter(getattr(fault, field) for fault in faults).most_common(12)
                lines.append(f"  {title} by {field}: {', '.join(f'{name} {count}' for name, count in counts)}")
        kinds: dict[str, list[Fault]] = {}
        for fault in (*self.faults, *self.missed, *self.broken):
            kinds.setdefault(fault.kind, []).append(fault)
        for kind in sorted(kinds, key=lambda kind: -len(kinds[kind])):
            lines += ["  " + fault.line(self.entry, self.seed) for fault in kinds[kind][:longest]]
        return "\n".join(lines)


def fuzz(entry: str, seed: int, successes: int, processes: int = 1, failures: bool = True, report=None, every: float = 60.0,
         isa: str = "") -> Tally:
    """Run blocks until there are so many successes; `report` is called with the Tally now and then."""
    tally, told_at = Tally(entry, seed), time.monotonic()
    jobs = ((entry, seed, number, failures, isa) for number in range(10**9))
    with get_context("fork").Pool(processes) if processes > 1 else _Here() as pool:
        for found in pool.imap(run_block, jobs) if processes == 1 else _bounded(pool, jobs, 2*processes):
            tally.add(found)
            if report and time.monotonic() - told_at > every:
                report(tally)
                told_at = time.monotonic()
            if tally.successes >= successes:
                break
    return tally


class _Here:
    """A pool of this one process."""

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return None

    def imap(self, function, jobs):
        """As map."""
        return map(function, jobs)


def _bounded(pool, jobs, ahead: int):
    """Results in the order of jobs, never more than so many ahead."""
    waiting = []
    for job in jobs:
        waiting.append(pool.apply_async(run_block, (job,)))
        if len(waiting) >= ahead:
            yield waiting.pop(0).get()


def replay(entry: str, place: str) -> str:
    """One row again, SEED:ROW, and all that is known of it."""
    seed, row = map(int, place.split(":"))
    number, k = divmod(row, ROWS[entry])
    block = draw(seed, number, ROWS[entry], entry)
    ends = RUN[entry](block, np.array([k]))
    rows = rows_of(block).take([k])
    lines = [f"{entry} {place}: {block.text.text!r}, {block.label}, n = {block.y.shape[1]}", f"  names {block.text.names}",
             f"  low {block.low}", f"  high {block.high}", f"  data {block.data[k]}, start {block.begins[k]}: {block.start[k].tolist()}",
             f"  ended at {ends.values[k].tolist()}, success {bool(ends.success[k])}, status {ends.status[k]} {ends.raised[k]}"]
    if np.isfinite(ends.values[k]).all():
        here = look(rows, ends.values[k][None])
        with np.errstate(all="ignore"):
            steep = here.gradient[0]/np.sqrt(here.s2[0])
            lines += [f"  chi-square {here.chi[0]:.17g} (units), gradient {steep} (of the reduced one's root)",
                      f"  eigenvalues of H {here.values[0]}, held {here.held[0]}",
                      f"  effects at the start {effects(rows, ends.values[k], block.start[k])}",
                      f"  effects at the end {effects(rows, ends.values[k], ends.values[k])}"]
    verdict = judge(rows, ends.values[k][None], Counter())[0]
    return "\n".join([*lines, f"  {verdict}"])


def drawn(entry: str, seed: int) -> Iterator[tuple[str, Callable[[], np.ndarray]]]:
    """Yield blocks without end, each with its name and what fits it; fits return which rows are a success."""
    for number in range(10**9):
        block = draw(seed, number, ROWS[entry], entry)
        yield f"block {number}", lambda block=block: RUN[entry](block, np.arange(len(block.y))).success


def of_library(seed: int, curves: int) -> Iterator[tuple[str, Callable[[], np.ndarray]]]:
    """Yield curves of each model of the library, with noise, the same."""
    for case in guess_accuracy.CASES:
        model, x, _, y = guess_accuracy.draw(case, curves, seed)
        yield case.title, lambda model=model, x=x, y=y: model.fit_batch(y, x=x).success


def compare_sets(batches: Iterable[tuple[str, Callable[[], np.ndarray]]], most: float = math.inf) -> str:
    """Return the share of rows whose success differs between instruction sets, and which these are; up to so many successes of the first.
    """
    names, total, rows, lines = list(each_set()), 0, 0, []
    different: Counter = Counter()
    for title, fit in batches:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            good = {name: fit() for name in each_set()}
        rows += len(good[names[0]])
        total += int(good[names[0]].sum())
        for one, other in itertools.combinations(names, 2):
            different[f"{one}/{other}"] += int((good[one] != good[other]).sum())
        unlike = np.flatnonzero(np.any([good[name] != good[names[0]] for name in names], axis=0))
        different["any two"] += len(unlike)
        lines += [f"  {title}, row {k}: {', '.join(f'{name} {bool(good[name][k])}' for name in names)}" for k in unlike.tolist()]
        if total >= most:
            break
    shares = ", ".join(f"{pair} {count} ({count/rows:.2e})" for pair, count in different.items())
    return "\n".join([f"{rows} rows, {total} successes by {names[0]}; success differs in {shares}", *lines])


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--entry", choices=list(RUN), default="fit_batch")
    parser.add_argument("--successes", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--no-failures", action="store_true", help="do not look for minima that are called failures")
    parser.add_argument("--instruction-set", default="", help="v4, v3 or base")
    parser.add_argument("--instruction-sets", action="store_true", help="only compare the successes of the instruction sets")
    parser.add_argument("--library", type=int, metavar="CURVES", help="with --instruction-sets: of so many curves of each library model")
    parser.add_argument("--report", type=Path, help="a file that is refreshed as the run goes on")
    parser.add_argument("--replay", metavar="SEED:ROW", help="one row again; `left`: those of the entry that are known to be wrong")
    given = parser.parse_args()
    if given.replay:
        left = {"minimize": LEFT_BY_MINIMIZE, "fit": LEFT_BY_FIT}.get(given.entry, LEFT)
        for place in left if given.replay == "left" else (given.replay,):
            print(replay(given.entry, place))
        return
    if given.instruction_sets:
        print(compare_sets(of_library(given.seed, given.library)) if given.library else
              compare_sets(drawn(given.entry, given.seed), given.successes))
        return

    def write(tally):
        if given.report:
            given.report.write_text(tally.report() + "\n")

    tally = fuzz(given.entry, given.seed, given.successes, given.processes, not given.no_failures, write, isa=given.instruction_set)
    write(tally)
    print(tally.report())


if __name__ == "__main__":
    main()
