"""Call every way into a fit from several threads at once: each result is, bit by bit, that of a thread alone.

    python tests/torture/threads.py [--calls N] [--threads N] [--seed N]

Threads share what may be shared: formulas, models, functions and the memories of what was compiled. Every now and then all of them meet,
and then use at the same moment one text that no thread has used, or one result of which nothing was worked out yet. Says whether Python's
lock is there; it is meant for a Python without one, where nothing else keeps threads apart. Prints the counts, and each fault; it is one,
too, if a way can't be compared with itself.
"""

import argparse
import random
import sys
import threading
import warnings
from collections import Counter
from itertools import count
from pathlib import Path

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[1] / "support")]

import numpy as np
from random_formulas import formulas
from routes import PEAK, START, TEXT, X, Y

import gslfit
from gslfit import models
from torture.interrupts import outcome
from torture.memory import digest
from torture.ways import WAYS

APART = 150  # calls of each thread between two meetings
MODEL = models.GaussianModel() + models.LinearModel()
GUESSES = {"amplitude": 5, "center": 2.8, "sigma": 0.7, "slope": 0.1, "intercept": 1}
# what is worked out of a result when it is asked for
READS = {
    "fit": (lambda: gslfit.fit(TEXT, Y, x=X, **START), lambda r: (r.params["a"].correl, r.fit_report(), r.best_fit, r.eval_uncertainty())),
    "batch": (
        lambda: gslfit.fit_batch(TEXT, [Y, 2 * Y], x=X, covar=True, **START),
        lambda r: (r[0].params["a"].correl, r[1].fit_report()),
    ),
    "model": (lambda: MODEL.fit(PEAK, x=X, **GUESSES), lambda r: (r.params["sigma"].correl, r.fit_report(), r.eval_components())),
    "formula": (lambda: gslfit.Formula(TEXT), lambda f: (f.jacobian(X, **START), f(X, **START))),
}


def steady(only=""):
    """Return the ways, or those with a word in their name, with their results; and the names of those that have another one each time."""
    found, odd = {}, []
    for name, call in [(name, call) for name, call in WAYS.items() if only in name]:
        for _ in range(2):
            reference = outcome(call)
        if outcome(call) == reference:
            found[name] = (call, reference)
        else:
            odd.append(name)
    return found, odd


def value(text):
    """Evaluate a formula at points; return its value and derivatives as bytes."""
    formula = gslfit.Formula(text, independent=("x", "y"))
    numbers = {name: 0.7 + 0.1 * k for k, name in enumerate(formula.names)}
    at = dict.fromkeys(formula.independent, X / 9)
    return digest(list(map(np.asarray, formula.jacobian(**at, **numbers))))


class Crew:
    """Threads that call ways at random, and what they found.

    Parameters
    ----------
    ways : dict
        Name -> (call, its result).
    texts : iterator of str
        Formulas that were not used yet.
    seed : int
        Of the choices.
    """

    def __init__(self, ways, texts, seed):
        self.ways, self.texts, self.seed = ways, texts, seed
        self.counts, self.faults, self.lock = Counter(), [], threading.Lock()

    def note(self, kind, found, reference):
        """Count a call; what differs is a fault."""
        with self.lock:
            self.counts[kind] += 1
            if found != reference:
                self.faults.append((kind, str(found)[:200], str(reference)[:200]))

    def apart(self, number, calls):
        """Call ways at random, so often."""
        rng = random.Random(f"{self.seed} {number}")
        names = list(self.ways)
        for _ in range(calls):
            name = rng.choice(names)
            call, reference = self.ways[name]
            try:
                found = outcome(call)
            except BaseException as error:
                found = f"{type(error).__name__}: {error}"
            self.note(name, found, reference)

    def together(self, number, meeting, subject, read, found):
        """Read one new object at the same moment as the other threads."""
        meeting.wait()
        try:
            found[number] = digest(read(subject))
        except BaseException as error:
            found[number] = f"{type(error).__name__}: {error}"

    def meet(self, threads, kind, make, read):
        """Have all threads read one new object at the same moment; what they find is what a thread alone finds."""
        found, meeting, subject = {}, threading.Barrier(threads), make()
        crew = [threading.Thread(target=self.together, args=(k, meeting, subject, read, found)) for k in range(threads)]
        for thread in crew:
            thread.start()
        for thread in crew:
            thread.join()
        alone = digest(read(make()))
        for result in found.values():
            self.note(kind, result, alone)


def run(calls=20_000, threads=4, seed=1, only=""):
    """Run the fuzz until so many calls were made, of all ways or those with a word in their name; return the counts and the faults."""
    warnings.simplefilter("ignore")
    ways, odd = steady(only)
    crew = Crew(ways, (text for block in count(seed) for text in formulas(100, block)), seed)
    crew.faults += [(name, "another result the second time", "") for name in odd]
    for turn in count():
        if crew.counts.total() >= calls or crew.faults:
            break
        apart = [threading.Thread(target=crew.apart, args=(f"{turn} {k}", APART)) for k in range(threads)]
        for thread in apart:
            thread.start()
        for thread in apart:
            thread.join()
        for kind, (make, read) in READS.items():
            for _ in range(5):
                crew.meet(threads, f"one {kind} read by all", make, read)
        for text in (next(crew.texts) for _ in range(20)):
            crew.meet(threads, "one new text", lambda text=text: text, value)
    return crew.counts, crew.faults


def main():
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=20_000)
    parser.add_argument("--threads", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="ways with this word in their name")
    given = parser.parse_args()
    counts, faults = run(given.calls, given.threads, given.seed, given.only)
    lock = getattr(sys, "_is_gil_enabled", lambda: True)()
    for fault in faults[:20]:
        print(*fault, sep="\n    ")
    print(f"{sum(counts.values())} calls of {len(counts)} kinds in {given.threads} threads, {'with' if lock else 'without'} Python's lock: "
          f"{len(faults)} faults")
    sys.exit(bool(faults or sum(counts.values()) < given.calls))


if __name__ == "__main__":
    main()
