"""Every example runs as it is, against the installed package, and says what it should."""
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
NUMBERED = sorted(path.name for path in EXAMPLES.glob("[0-9][0-9]_*.py"))

# example -> patterns that its output has to match, line by line
GOLDEN = {
    "demo.py": [
        r"=== Thurber: 37 points, 7 parameters",
        r"=== Chwirut1: 214 points, 3 parameters",
        r"  b1    +1\.28813968\d+e\+03   1\.2881396800e\+03 ",
        r"  chi-square 2\.38447713\d+e\+03, certified 2\.3844771393e\+03",
        r"Both fits agree with NIST in at least \d+\.\d digits\.",
    ],
    "01_nist_bounds_expression.py": [
        r"b7 +178\.99805\d+ +0\.124369\d+ .*b4 \+ distance",
        r"b7's error from the covariance by hand: 0\.124369",
    ],
}


def output(name):
    """What an example prints; it has to end well."""
    done = subprocess.run([sys.executable, EXAMPLES / name], text=True, capture_output=True, stdin=subprocess.DEVNULL,
                          env={**os.environ, "MPLBACKEND": "Agg"})
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("name", ["demo.py", *NUMBERED])
def test_example(name):
    """The example ends well, prints something, and prints its golden lines."""
    text = output(name)
    assert text.strip()
    for pattern in GOLDEN.get(name, []):
        assert re.search("^" + pattern, text, re.MULTILINE), f"{pattern!r} is not in:\n{text}"


def test_examples_are_numbered_in_order():
    """The numbers run from 01 without a gap."""
    assert [name[:2] for name in NUMBERED] == [f"{k + 1:02d}" for k in range(len(NUMBERED))]
    assert set(GOLDEN) <= {"demo.py", *NUMBERED}
