"""Run a program that was built with a sanitizer."""
import os
import shutil
import subprocess

import pytest

ASKED = "GSLFIT_SANITIZERS"     # set in the environment where sanitizers are what is asked for: then nothing is skipped
UNPLACED = "unexpected memory mapping"


def run(program):
    """Run a program; return what came of it.

    The thread sanitizer needs memory where the kernel may have put something else, at random; then it is run without that randomness.
    Where it can't run at all the test is skipped, or fails if sanitizers were asked for.
    """
    found = subprocess.run([str(program)], capture_output=True, text=True)
    if UNPLACED in found.stderr and shutil.which("setarch"):
        found = subprocess.run(["setarch", "-R", str(program)], capture_output=True, text=True)
    if UNPLACED in found.stderr or "failed to set personality" in found.stderr:
        told = f"the thread sanitizer does not run on this kernel: {found.stderr[:300]}"
        (pytest.fail if os.environ.get(ASKED) else pytest.skip)(told)
    return found
