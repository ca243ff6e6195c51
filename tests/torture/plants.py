"""Show that each harness of the torture catches a fault: plant the faults of plants.toml one at a time, and run the harness.

    python tests/torture/plants.py [NAME ...] [--folder FOLDER]       (make plants, which has what all of them need: fuzzing needs atheris)

The sources are copied, and built without optimisation; the harness of the copy must end well there. Then the fault is planted, and the
harness must end badly, and say what `seen` has. Prints a line for each fault; exits with 1 if one is not caught.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).parents[1])]

from mutation.tree import Tree, read_faults

HERE = Path(__file__).parent
OWN = "sanitize.py", "-m"  # these build what they need
FAULTS, HARNESSES = read_faults(HERE / "plants.toml")


class Copy(Tree):
    """A copy of the project; it is built where the harness does not build it."""

    builds = False

    def build(self, python_only=False):
        """Bring the build up to date; returns whether that worked."""
        return super().build(python_only) if self.builds else True


def harness(tree, area):
    """Run the harness of an area in the copy; returns its exit status and what it said."""
    script, *arguments = HARNESSES[area]
    place = tree.folder / "tests" / "torture"
    program = [script] if script == "-m" else [str(place / script)]
    library = next(tree.folder.glob("build/lib*")) if tree.builds else ""
    found = subprocess.run([sys.executable, "-X", "faulthandler", *program, *arguments], cwd=place, capture_output=True, text=True,
                           errors="replace", env={**os.environ, **tree.env, "PYTHONPATH": str(library), "GSLFIT_SANITIZERS": "1"})
    return found.returncode, found.stdout + found.stderr


def caught(tree, fault):
    """Return what is wrong, or "", and the line in which the harness says what the fault is seen by."""
    tree.builds = HARNESSES[fault.area][0] not in OWN
    if not tree.plant([]):
        return f"the copy can't be built: {tree.log.stderr[-500:]}", ""
    status, said = harness(tree, fault.area)
    if status:
        return f"without the fault the exit status is {status}: {said[-1500:]}", ""
    if not tree.plant([fault]):
        return f"it can't be built: {tree.log.stderr[-500:]}", ""
    status, said = harness(tree, fault.area)
    line = next((line.strip() for line in said.splitlines() if fault.seen in line), "")
    if not status or not line:
        return f"not caught: exit status {status}, {said[-1500:]}", line
    return "", f"exit status {status}: {line[:200]}"


def main():
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="of the harnesses in plants.toml, these")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "gslfit-plants", help="where the copy is")
    given = parser.parse_args()
    tree = Copy(given.folder, sys.executable)
    tree.copy(None)
    wrong = []
    for fault in [fault for fault in FAULTS if not given.names or fault.area in given.names]:
        began = time.monotonic()
        trouble, said = caught(tree, fault)
        print(f"{fault.label}: {trouble or f'caught, {said}'} ({time.monotonic() - began:.0f} s)", flush=True)
        wrong += [fault.label] if trouble else []
    tree.builds = False
    tree.plant([])
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
