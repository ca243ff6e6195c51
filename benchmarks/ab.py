"""Time two revisions against each other in one interleaved run: `python benchmarks/ab.py main .`.

A revision is whatever git knows, or `.` for the working tree as it is. Each is built in a folder of its own (by ccache where there is
one) and runs in a child process with the workloads of this tree, by gslfit's public names alone, so that revisions may differ in where
their modules are. The children are asked in turn, pinned to one core: in each round every workload runs in short turns in the order A B B
A A B B A ..., and what counts is the median of A's turns, by processor time, by that of B's. So what slows the machine down for longer
than a turn slows both, and a turn that was interrupted has no weight. Both start anew in each round, since where a process happens to
lie in memory is worth a few per cent.

The table has the median times of one call, the median over the rounds of A's time by B's (above 1: B is faster), and the range that holds
this median with a probability of 95 %, from the order of the rounds.
"""
import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from math import comb
from pathlib import Path

ROOT = Path(__file__).parents[1]
TURN = .01              # seconds of a turn, about
TURNS = 6               # of each side in a round
FRESH = 1               # rounds that a pair of children lives
IMPORT = ("import numpy, time; begun = time.process_time(); import gslfit; "
          "gslfit.fit, gslfit.fit_batch, gslfit.minimize, gslfit.Model, gslfit.curve_fit; print(time.process_time() - begun)")


# -- what is timed, in the child

def batch_of(name, *sizes, **options):
    """Return a batch workload with one thread."""
    import workloads

    import gslfit
    work = getattr(workloads, name)(*sizes)
    x = work["x"] if isinstance(work["x"], dict) else {"x": work["x"]}
    formula = gslfit.Formula(work["formula"], independent=tuple(x))
    start = dict(zip(work["names"], work["start"].T, strict=True))
    return lambda: gslfit.fit_batch(formula, work["y"], x=x, start=start, threads=1, **options)


def bounded():
    """Peaks with bounds on three of four parameters."""
    import numpy as np
    import workloads

    import gslfit
    work = workloads.peaks(2000)
    params = gslfit.Parameters()
    for name, low, high in (("y0", None, None), ("A", 0, None), ("x0", -5, 5), ("var", .01, 25)):
        params.add(name, 1.0, min=low, max=high)
    start = {name: np.clip(value, params[name].min, params[name].max) if name != "y0" else value
             for name, value in zip(work["names"], work["start"].T, strict=True)}
    return lambda: gslfit.fit_batch(work["formula"], work["y"], params, x=work["x"], start=start, threads=1)


def one_fit():
    """Return the latency of `fit`."""
    import workloads

    import gslfit
    work = workloads.peaks(1)
    start = dict(zip(work["names"], work["start"][0].tolist(), strict=True))
    return lambda: gslfit.fit(work["formula"], work["y"][0], x=work["x"], start=start)


def minimised():
    """`minimize` of a residual function with bounds and an expression."""
    import numpy as np
    import workloads

    import gslfit
    work = workloads.constrained()
    x, y, begin = work["x"], work["y"][0], work["start"][0].tolist()

    def residual(params):
        y0, a, x0, var, other = (params[name].value for name in ("y0", "A", "x0", "var", "A2"))
        return y0 + a*np.exp(-(x - x0)**2/(2*var)) + other*np.exp(-(x - x0 - 3)**2/(2*var)) - y

    def call():
        params = gslfit.Parameters()
        params.add_many(("y0", begin[0]), ("A", begin[1], True, 0), ("x0", begin[2]), ("var", begin[3], True, .01, 25))
        params.add("A2", expr="A/2")
        return gslfit.minimize(residual, params)
    return call


def of_model():
    """`Model.fit` of a library model on a line, from given starts, its values and errors read."""
    import numpy as np

    from gslfit.models import GaussianModel, LinearModel
    x = np.linspace(0, 10, 101)
    y = 7*np.exp(-(x - 4.2)**2/2/.8**2) + .3*x + 1 + .15*np.random.default_rng(6).normal(size=x.size)
    model = GaussianModel() + LinearModel()
    params = model.make_params(amplitude=10, center=4, sigma=1, slope=.2, intercept=.5)

    def call():
        result = model.fit(y, params, x=x)
        return [(par.value, par.stderr) for par in result.params.values()]
    return call


def guessed():
    """`Model.fit` without starts."""
    import numpy as np

    from gslfit.models import LorentzianModel
    x = np.linspace(0, 10, 101)
    y = 3/(1 + (x - 4.2)**2) + .05*np.random.default_rng(7).normal(size=x.size)
    model = LorentzianModel()
    return lambda: model.fit(y, x=x).params["center"].stderr


def weighted():
    """Peaks with a weight for each point."""
    import numpy as np
    return batch_of("peaks", 2000, weights=np.random.default_rng(8).uniform(1, 4, 50))


WORKLOADS = {
    "peaks": lambda: batch_of("peaks", 2000), "decays": lambda: batch_of("decays", 2000), "spots": lambda: batch_of("spots", 1000),
    "noisy peaks": lambda: batch_of("noisy_peaks", 2000), "small spots": lambda: batch_of("small_spots", 2000),
    "12 parameters": lambda: batch_of("several_peaks", 500, 4), "24 parameters": lambda: batch_of("several_peaks", 200, 8),
    "bounded": bounded, "weighted": weighted,
    "huber": lambda: batch_of("peaks", 2000, loss="huber", f_scale=.1),
    "soft_l1": lambda: batch_of("peaks", 2000, loss="soft_l1", f_scale=.1),
    "tall": lambda: batch_of("long_curve", 20_000), "fit": one_fit, "minimize": minimised,
    "Model.fit": of_model, "Model.fit, guessed": guessed,
}


def child():
    """Answer questions: a workload and how many calls; processor seconds of one call."""
    import gc
    ready = {}
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        name, calls = json.loads(line)
        if name not in ready:
            ready[name] = WORKLOADS[name]()
            for _ in range(3):
                ready[name]()
        function = ready[name]
        gc.collect()
        begun = time.process_time()
        for _ in range(calls):
            function()
        print(json.dumps((time.process_time() - begun)/calls), flush=True)


# -- the two sides

class Side:
    """A revision: where it is installed, and the child that runs it."""

    def __init__(self, installed, core):
        self.environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(installed), str(ROOT/"benchmarks")]), "PYTHONHASHSEED": "0",
                            "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
        self.core, self.process = core, None

    def command(self, *arguments):
        """Return a command of Python's with this revision, kept to the core."""
        return {"args": [sys.executable, *arguments], "env": self.environment, "cwd": tempfile.gettempdir(), "text": True,
                "stdout": subprocess.PIPE, "preexec_fn": self.pin}

    def pin(self):
        """Keep to the core, where the system can."""
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, {self.core})

    def start(self):
        """Begin a child."""
        self.process = subprocess.Popen(**self.command(str(Path(__file__).resolve()), "--child"), stdin=subprocess.PIPE)
        self.answer()

    def stop(self):
        """End the child."""
        self.process.stdin.close()
        self.process.wait()

    def answer(self):
        """Return what the child says."""
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("a revision can't run this: see its error above")
        return json.loads(line)

    def seconds(self, name, calls):
        """Processor seconds of a call."""
        if name == "import":
            return float(subprocess.run(**self.command("-c", IMPORT), check=True).stdout)
        self.process.stdin.write(json.dumps([name, calls]) + "\n")
        self.process.stdin.flush()
        return self.answer()


def installed(revision, folder):
    """Build a revision and return the folder that it is installed in."""
    folder.mkdir()
    target, source = folder/"installed", ROOT
    if revision != ".":
        source = folder/"source"
        subprocess.run(["git", "worktree", "add", "--quiet", "--detach", str(source), revision], cwd=ROOT, check=True)
    environment = dict(os.environ)
    if shutil.which("ccache") and "CC" not in environment:
        environment |= {"CC": "ccache gcc", "CCACHE_BASEDIR": str(source), "CCACHE_NOHASHDIR": "1"}
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--disable-pip-version-check",
                    "--target", str(target), str(source)], env=environment, check=True)
    return target


def commit_of(revision):
    """Return the commit that a revision is now; `.` for the working tree."""
    if revision == ".":
        return revision
    return subprocess.run(["git", "rev-parse", "--verify", f"{revision}^{{commit}}"], cwd=ROOT, check=True, capture_output=True,
                          text=True).stdout.strip()


def built(commits, folder):
    """Where each commit is installed; one and the same is built once."""
    found = {}
    for number, commit in enumerate(dict.fromkeys(commits)):
        print(f"building {commit}", file=sys.stderr)
        found[commit] = installed(commit, folder/str(number))
    return [found[commit] for commit in commits]


# -- the run

def calls_for(side, name):
    """How many calls make a turn."""
    if name == "import":
        return 1
    side.seconds(name, 1)
    return max(1, round(TURN/max(1e-7, side.seconds(name, 2))))


def measure(sides, names, rounds):
    """By workload: for each round the seconds of A and of B."""
    found, calls = {name: [] for name in names}, {}
    for turn in range(rounds):
        if turn % FRESH == 0:
            for side in sides:
                side.start()
        for name in names:
            if name not in calls:
                calls[name] = calls_for(sides[0], name)
            if turn % FRESH == 0 and name != "import":
                for side in sides:
                    side.seconds(name, calls[name])     # the first calls of a child warm it
            spent = [[], []]
            for pair in range(TURNS if name != "import" else TURNS//2):
                for which in (0, 1) if (pair + turn) % 2 else (1, 0):
                    spent[which].append(sides[which].seconds(name, calls[name]))
            found[name].append([statistics.median(each) for each in spent])
        if turn % FRESH == FRESH - 1 or turn == rounds - 1:
            for side in sides:
                side.stop()
    return found


def between(values):
    """Return the range that holds the median of what the values are drawn from with a probability of 95 % (order statistics)."""
    ordered, n = sorted(values), len(values)
    below, k = 0.0, 0
    while below + comb(n, k)/2**n < .025:
        below, k = below + comb(n, k)/2**n, k + 1
    return (ordered[k - 1], ordered[n - k]) if k else (ordered[0], ordered[-1])


def main():
    """Build, run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("revisions", nargs=2, metavar="REVISION")
    parser.add_argument("--rounds", type=int, default=18)
    parser.add_argument("--only", nargs="+", metavar="WORKLOAD", choices=[*WORKLOADS, "import"])
    options = parser.parse_args()
    commits = [commit_of(revision) for revision in options.revisions]
    core = max(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0
    with tempfile.TemporaryDirectory() as folder:
        try:
            sides = [Side(path, core) for path in built(commits, Path(folder))]
            found = measure(sides, options.only or [*WORKLOADS, "import"], max(15, options.rounds))
        finally:
            for source in Path(folder).glob("*/source"):
                subprocess.run(["git", "worktree", "remove", "--force", str(source)], cwd=ROOT, check=False)
    a, b = (f"{revision} ({commit:.10})" for revision, commit in zip(options.revisions, commits, strict=True))
    print(f"A = {a}, B = {b}; {len(next(iter(found.values())))} rounds, processor time\n")
    print(f"| {'workload':<18} | {'A, ms':>9} | {'B, ms':>9} | A/B    | 95 %            |")
    print(f"|{'-'*20}|{'-'*10}:|{'-'*10}:|{'-'*7}:|{'-'*17}|")
    for name, pairs in found.items():
        ratios = [one/other for one, other in pairs]
        low, high = between(ratios)
        own, others = (1e3*statistics.median(side) for side in zip(*pairs, strict=True))
        print(f"| {name:<18} | {own:>9.4f} | {others:>9.4f} | {statistics.median(ratios):.4f} | {low:.4f} - {high:.4f} |")


if __name__ == "__main__":
    child() if "--child" in sys.argv[1:] else main()
