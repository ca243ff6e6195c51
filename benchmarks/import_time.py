"""How long `import gslfit` takes against `import numpy`: fresh processes, taken in turns, medians.

    python benchmarks/import_time.py [--rounds 15] [--most 1.6]

Exits with 1 when the ratio is above `--most`.
"""
import argparse
import statistics
import subprocess
import sys
import tempfile
import time

STATEMENTS = {"nothing": "pass", "numpy": "import numpy", "gslfit": "import gslfit",
              "minimize": "from gslfit import Parameters, minimize"}


def seconds(statement: str, folder: str) -> float:
    """Time a fresh Python that runs one statement, in a folder where nothing shadows the installed packages."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", statement], check=True, cwd=folder)
    return time.perf_counter() - start


def measure(rounds: int) -> dict[str, float]:
    """Give the median seconds of each statement; the first round, which reads from the disk, does not count."""
    with tempfile.TemporaryDirectory() as folder:
        taken = [{name: seconds(statement, folder) for name, statement in STATEMENTS.items()} for _ in range(rounds + 1)][1:]
    return {name: statistics.median(one[name] for one in taken) for name in STATEMENTS}


def main() -> int:
    """Measure, print, and judge."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--most", type=float, default=1.6)
    options = parser.parse_args()
    median = measure(options.rounds)
    # what the interpreter takes to start belongs to neither import
    bare = {name: median[name] - median["nothing"] for name in STATEMENTS if name != "nothing"}
    ratio = bare["gslfit"] / bare["numpy"]
    for name, took in bare.items():
        print(f"{STATEMENTS[name]:40s} {1000 * took:7.1f} ms, {took / bare['numpy']:5.2f} times import numpy")
    print(f"import gslfit may take {options.most} times import numpy")
    return int(ratio > options.most)


if __name__ == "__main__":
    sys.exit(main())
