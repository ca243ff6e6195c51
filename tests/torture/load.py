"""Fit what is large: 10^8 points of one curve from a file, ten million fits from a file to a file, in processes whose memory is limited.

    python tests/torture/load.py [--points N] [--fits N]

Each is compared with what is known of it: the values that the data were made with, within their standard errors, and the bits of some rows
that are fitted alone. Prints the seconds that each took, and the megabytes at the most, as Linux tells them.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BLOCK = 1_000_000
START = "import sys, numpy as np, gslfit\nfolder, count = sys.argv[1], int(sys.argv[2])\n"
# after the fit, as what is compared afterwards is not asked; getrusage would count what the parent had when it forked
PEAK = "\nprint(next(int(line.split()[1])//1024 for line in open('/proc/self/status') if line.startswith('VmHWM')))\n"
POINTS = """
x, y = (np.load(f"{folder}/{name}.npy", mmap_mode="r") for name in "xy")
result = gslfit.fit("A*exp(-x/tau) + c", y, x=x, A=2.0, tau=1.0, c=0.0)
""" + PEAK + """
assert result.success and result.ndata == count, result.message
for name, value in (("A", 2.5), ("tau", 1.5), ("c", 0.3)):
    found = result.params[name]
    assert abs(found.value - value) < 6*found.stderr, (name, found.value, found.stderr)
error = result.params["A"].stderr*np.sqrt(count)
assert 0.05 < error < 0.2, error
"""
FITS = """
y, x = np.load(f"{folder}/y.npy", mmap_mode="r"), np.linspace(0, 5, 20)
options = dict(x=x, A=2.0, tau=1.0)
result = gslfit.fit_batch("A*exp(-x/tau)", y, out=f"{folder}/out", threads=2, **options)
""" + PEAK + """
some = np.random.default_rng(2).integers(0, count, 300)
alone = gslfit.fit_batch("A*exp(-x/tau)", np.array(y[some]), **options)
assert (np.load(f"{folder}/out/status.npy", mmap_mode="r") >= 0).all()
assert np.array_equal(np.load(f"{folder}/out/tau.npy", mmap_mode="r")[some], alone.values["tau"])
assert np.array_equal(np.load(f"{folder}/out/tau_stderr.npy", mmap_mode="r")[some], alone.stderr["tau"])
"""


def write_points(folder, count):
    """Write a decay of so many points, with noise, and its times, as single-precision numbers."""
    import numpy as np
    x, y = (np.lib.format.open_memmap(folder / f"{name}.npy", "w+", np.float32, (count,)) for name in "xy")
    for first in range(0, count, BLOCK):
        some = slice(first, min(first + BLOCK, count))
        rng = np.random.default_rng(first)
        x[some] = rng.uniform(0, 5, some.stop - first)
        y[some] = 2.5 * np.exp(-x[some].astype(float) / 1.5) + 0.3 + rng.normal(0, 0.05, some.stop - first)


def write_rows(folder, count):
    """Write so many short decays."""
    import numpy as np
    y, x = np.lib.format.open_memmap(folder / "y.npy", "w+", np.float32, (count, 20)), np.linspace(0, 5, 20)
    for first in range(0, count, BLOCK):
        rng = np.random.default_rng(first)
        size = min(BLOCK, count - first)
        y[first:first + size] = 2.5 * np.exp(-x / rng.uniform(1, 2, (size, 1))) + rng.normal(0, 0.02, (size, 20)).astype(np.float32)


# name -> what writes its data, its program, and the megabytes that it may take beside what the interpreter does
KINDS = {"points": (write_points, POINTS, 4000), "fits": (write_rows, FITS, 300)}


def main():
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--points", type=int, default=10**8)
    parser.add_argument("--fits", type=int, default=10**7)
    given = parser.parse_args()
    bad, said = 0, []
    for name, (write, program, most) in KINDS.items():
        count = getattr(given, name)
        with tempfile.TemporaryDirectory() as place:
            write(Path(place), count)
            at = time.monotonic()
            command = [sys.executable, "-c", START + program, place, str(count)]
            done = subprocess.run(command, capture_output=True, text=True, cwd=place)
            took = time.monotonic() - at
        peak = int(done.stdout.split()[-1]) if done.returncode == 0 else 0
        if done.returncode or peak > most:
            bad += 1
            print(f"{name}: exit status {done.returncode}, {peak} MB where {most} are the most\n{done.stderr[-3000:]}")
        said.append(f"{count:.0e} {name} in {took:.0f} s and {peak} MB")
    print("; ".join(said))
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
