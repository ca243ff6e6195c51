"""Make random public calls, and see that each returns or raises what it may.

    python tests/torture/calls.py --calls 100000 --seed 1 [--each] [--only WORD] [--replay SEED:NUMBER]

Allowed are FitError, MemoryError, KeyboardInterrupt, what the caller's own functions raise, IndexError of [], AttributeError, TypeError of
Python's own argument binding, OSError, and ImportError of an extra. Call number n of a seed is the same whatever came before it. With
--each so many calls are made of each entry, one entry after the other. Prints a line for each kind of fault; exits with 1 if there were
any.
"""

import argparse
import contextlib
import faulthandler
import inspect
import io
import os
import random
import re
import resource
import shutil
import signal
import sys
import tempfile
import traceback
import warnings
from collections import Counter
from pathlib import Path

import numpy as np

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[1] / "support")]

from torture.junk import Own, junk
from torture.subjects import GOOD, subjects

LONGEST = 30  # seconds of the processor that a call may take,
WAITS = 20  # and so many times as long by the clock: one that waits for ever takes no time of the processor's
MEMORY = 6 << 30  # bytes of address space

BINDING = re.compile(
    r"unexpected keyword argument|required (positional|keyword-only) argument|positional arguments? (but|\()|multiple values for|"
    r"takes (no|exactly|at most|at least) |needs keyword-only argument|keywords must be strings|is an invalid keyword argument|"
    r"got some positional-only arguments"
)


class TooLong(BaseException):
    """A call that does not end."""


def binding(error):
    """Whether an error is one of Python's own argument binding: it says so, or nothing of gslfit's ran before it."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "torture" not in frame.filename]
    return not frames or bool(BINDING.search(str(error)))


def of_caller(error):
    """Whether a function of the caller's own raised it: one of the tests', or one written in C that gslfit had just called."""
    import gslfit

    frames = traceback.extract_tb(error.__traceback__)
    last, package = frames[-1], str(Path(gslfit.__file__).parent)
    if not any(frame.filename.startswith(package) for frame in frames[:-1]):
        return False
    ours = "torture" in last.filename or last.filename.endswith("routes.py")
    return ours or (last.name in ("of_x", "values") and last.filename.endswith(("whole_x.py", "curve_fit.py")))


def is_allowed(error, name, way):
    """Whether a call may raise this."""
    from gslfit import FitError

    if name.startswith("private") and isinstance(error, Exception) and not isinstance(error, SystemError):
        return True
    if isinstance(error, (FitError, MemoryError, Own, AttributeError, OSError)):
        return True
    if of_caller(error):
        return True
    if name.split(".")[-1] in DICT and isinstance(error, (TypeError, ValueError, KeyError)):
        return True
    if isinstance(error, ImportError):
        return "gslfit" not in str(error)
    if isinstance(error, IndexError) and way == "[]":
        return True
    return bool(isinstance(error, TypeError) and binding(error))


def arguments(rng, target):
    """Arguments for a callable: most of them good ones of their name, some junk, some left out, some that it hasn't."""
    try:
        parameters = list(inspect.signature(target).parameters.values())
    except (ValueError, TypeError, Own):    # a call that was drawn before may have handed junk to what is asked here
        return [junk(rng) for _ in range(rng.randrange(3))], {}
    wild = rng.choice([0.05, 0.15, 0.15, 0.4, 1.0])

    def value(name):
        return junk(rng) if rng.random() < wild or name not in GOOD else rng.choice(GOOD[name])()

    args, kws = [], {}
    for parameter in parameters:
        needed = parameter.default is parameter.empty
        if parameter.kind == parameter.VAR_POSITIONAL:
            args += [value("") for _ in range(rng.randrange(3))] if rng.random() < 0.3 and not kws else []
        elif parameter.kind == parameter.VAR_KEYWORD:
            for _ in range(rng.choice([0, 1, 1, 3, 4])):
                name = rng.choice(
                    ["a", "tau", "c", "x", "k", "start", "method", "params", "nothing", "maxfev", "xtol", "prefix", "data", "y"]
                )
                kws[name] = value(name)
        elif rng.random() < (0.97 if needed else 0.25):
            if parameter.kind == parameter.POSITIONAL_ONLY or (parameter.kind != parameter.KEYWORD_ONLY and not kws and rng.random() < 0.6):
                args.append(value(parameter.name))
            else:
                kws[parameter.name] = value(parameter.name)
    return args, kws


OPERATIONS = {
    "[]": lambda rng, it: it[junk(rng)],
    "in": lambda rng, it: junk(rng) in it,
    "len": lambda rng, it: len(it),
    "repr": lambda rng, it: (repr(it), str(it)),
    "==": lambda rng, it: it == junk(rng),
    "set": lambda rng, it: setattr(it, rng.choice(sorted(set(dir(it)) - DUNDER) or ["a"]), junk(rng)),
    "html": lambda rng, it: it._repr_html_(),
    "+": lambda rng, it: it + junk(rng),
    "float": lambda rng, it: float(it),
    "iter": lambda rng, it: list(it),
}
DICT = {"setdefault", "update", "pop", "popitem", "get", "fromkeys", "__getitem__", "__setitem__", "__delitem__"}  # a dict's own
DUNDER = set(dir(object)) | {"__slots__", "__dict__"}
BUILTIN = {
    "==": (TypeError, ValueError),
    "+": (TypeError, OverflowError, ValueError),  # NumPy adds the junk to a sequence of results
    "len": (TypeError,),
    "float": (TypeError,),
    "in": (TypeError, ValueError),
    "iter": (TypeError,),
    "[]": (TypeError, KeyError),
    "set": (TypeError,),
}
# for gslfit itself; and a dict's own that goes on as long as what it is given
INTERNAL = {
    "conclude",
    "conclude_at",
    "settle",
    "adopt",
    "bind",
    "start_from",
    "prepare",
    "prepare_fit",
    "post_fit",
    "take",
    "fromkeys",
}
SPECIAL = ("__call__", "__getitem__", "__setitem__", "__delitem__")


def draw(rng, only="", entry=None):
    """Return a call: what it is called, and a function that makes it."""
    name, make = rng.choice([pair for pair in subjects() if only in pair[0] and entry in (None, pair[0])])
    subject = make()
    if (callable(subject) and not inspect.isclass(subject) and not hasattr(type(subject), "fit")) or inspect.isclass(subject):
        args, kws = arguments(rng, subject)
        return name, "()", (args, kws), lambda: subject(*args, **kws)
    if rng.random() < 0.15:
        what = rng.choice(list(OPERATIONS))
        return f"{name} {what}", what, (), lambda: OPERATIONS[what](rng, subject)
    member = rng.choice(
        [
            each
            for each in dir(subject)
            if (not each.startswith("_") and each not in INTERNAL) or each in SPECIAL
        ]
    )
    asked = rng.random()
    if asked < 0.1:
        return f"{name}.{member}", ".", (), lambda: getattr(subject, member)
    try:
        target = inspect.getattr_static(type(subject), member, None)
        if target is None or isinstance(target, property) or not callable(getattr(type(subject), member, None)):
            return f"{name}.{member}", ".", (), lambda: getattr(subject, member)
        bound = getattr(subject, member)
    except Exception:
        return f"{name}.{member}", ".", (), lambda: getattr(subject, member)
    args, kws = arguments(rng, bound)
    return f"{name}.{member}", "[]" if member in ("__getitem__", "__delitem__", "pop") else "()", (args, kws), lambda: bound(*args, **kws)


def entries(only=""):
    """Return the names of what is called, each once."""
    return list(dict.fromkeys(name for name, _ in subjects() if only in name))


def shown(given):
    """Return what was handed over, in short."""
    with contextlib.suppress(BaseException):
        return ascii(given)[:300]
    return "?"


def one(seed, number, only="", entry=None):
    """Make call number n of a seed; returns its name and None, or (name, kind of fault, text)."""
    rng = random.Random(f"{seed}:{number}")
    name, way, given, call = draw(rng, only, entry)
    inputs = shown(given)
    try:
        signal.setitimer(signal.ITIMER_PROF, LONGEST)
        signal.alarm(LONGEST * WAITS)
        try:
            call()
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.alarm(0)
    except TooLong:
        return name, "does not end", inputs
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        if is_allowed(error, name, way) or isinstance(error, BUILTIN.get(way, ())):
            return name, None, type(error).__name__
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "torture" not in frame.filename]
        where = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "?"
        inner = next(
            (
                f"{Path(frame.filename).name}:{frame.lineno}"
                for frame in reversed(frames)
                if "gslfit" in frame.filename or (".p" in frame.filename[-4:] and "site-packages" not in frame.filename)
            ),
            where,
        )
        return name, f"{type(error).__name__} at {inner}", f"{str(error)[:200]!a} {inputs}"
    return name, None, "returned"


def expire(*_):
    """Raise when a call has had its time."""
    raise TooLong


def limit():
    """Have the timers raise."""
    signal.signal(signal.SIGALRM, expire)
    signal.signal(signal.SIGPROF, expire)


def run(seed, first, calls, only="", entry=None, verbose=False):
    """Make calls; returns the counts of outcomes, and of each kind of fault an example."""
    outcomes, faults, names = Counter(), {}, Counter()
    limit()
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder, np.errstate(all="ignore"):
        os.chdir(folder)
        for number in range(first, first + calls):
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                name, kind, text = one(seed, number, only, entry)
            names[name] += 1
            for left in os.listdir(folder):  # what a call finds does not depend on those before it
                place = Path(folder, left)
                shutil.rmtree(place) if place.is_dir() else place.unlink()
            if kind is None:
                outcomes[text] += 1
                continue
            outcomes["fault"] += 1
            if (name.split(".")[0], kind) not in faults:
                faults[name.split(".")[0], kind] = (name, f"{seed}:{number}", text)
                if verbose:
                    print(f"{name}: {kind}  [{seed}:{number}]\n    {text}", flush=True)
    return outcomes, faults, names


def main():
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="of the entries only those with this in their name")
    parser.add_argument("--each", action="store_true", help="so many calls of each entry")
    parser.add_argument("--replay", help="SEED:NUMBER of one call")
    parser.add_argument("--no-limit", action="store_true", help="no limit of memory, and a longer one of time, for sanitizers")
    given = parser.parse_args()
    faulthandler.enable()
    global LONGEST
    if given.no_limit:
        LONGEST *= 10
    else:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, resource.RLIM_INFINITY))
    if given.replay:
        seed, number = given.replay.split(":")
        rng = random.Random(f"{seed}:{number}")
        name, _, inputs, call = draw(rng, given.only)
        print(name, shown(inputs))
        call()
        return
    outcomes, faults, names = Counter(), {}, Counter()
    for entry in entries(given.only) if given.each else [None]:
        found, wrong, called = run(given.seed, given.first, given.calls, given.only, entry, verbose=True)
        if given.each:
            print(f"{entry}: {sum(found.values())} calls, {len(wrong)} kinds of faults", flush=True)
        outcomes += found
        faults |= wrong
        names += called
    print(
        f"{sum(outcomes.values())} calls of {len(names)} entries: " + ", ".join(f"{count} {what}" for what, count in outcomes.most_common())
    )
    print(f"{len(faults)} kinds of faults in {sum(outcomes.values())} calls of {len(names)} entries")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
