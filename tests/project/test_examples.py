"""Every example runs as it is, against the installed package, and says what it should."""
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
NUMBERED = sorted(path.name for path in EXAMPLES.glob("[0-9][0-9]_*.py"))

# example -> patterns that its output has to match, line by line
GOLDEN = {
    "demo.py": [
        r"=== Thurber: 37 points, 7 parameters",
        r"=== Chwirut1: 214 points, 3 parameters",
        r"  b1    +1\.28813968\d+e\+03   1\.2881396800e\+03 ",
        r"  chi-square 2\.38447713\d+e\+03, certified 2\.3844771393e\+03",
        r"=== 1,000,000 decays of 32 points: 1,000,000 fitted in ",
        r"    67\.\d% of the true decay times lie within one standard error",
        r"The parameters of both fits agree with NIST in at least \d+\.\d digits\.",
    ],
    "01_nist_bounds_expression.py": [
        r"b7 +178\.99805\d+ +0\.124369\d+ .*b4 \+ distance",
        r"b7's error from the covariance by hand: 0\.124369",
    ],
    "03_ruby_user_function.py": [r"A      =   5\.04536 \+/-  0\.05395     5\.04536 \+/-  0\.05395"],
    "04_ruby_builtin_fit.py": [r"chi-square +1\.065882 +1\.067220", r"without a guess: \[0\.99814 1\.98732 3\.03648 0\.50571\]"],
    "05_c_pointers.py": [r"lmsder, \d+ iterations", r"    lambda = 0\.10405 \+/- 0\.00283", r"trust-region/2D-subspace, "],
    "10_lmfit_simple.py": [
        r" decay = 0\.0070 \+/- 0\.0000 $",
        r" omega = 2\.901\d \+/- 0\.0012 $",
        r"    decay:        0\.00689\d+ \+/- ",
    ],
    "11_lmfit_minimizer.py": [
        r"  leastsq  chi-square    27\.946 .* period 2\.2018, shift 0\.1252, decay 0\.0319$",
        r"  leastsq  chi-square   289\.040 ",
        r"  anneal   chi-square    11\.341 .* omega 1\.9986, phase 0\.5020$",
    ],
    "30_lmfit_script.py": [
        r"^ c1 :  -0\.0243\d  -0\.0161\d  -0\.0080\d   4\.5026\d ",
        r"heights by models: 9\.012\d and 4\.998\d; R\^2 = 0\.9973\d",
    ],
    "12_lmfit_confidence.py": [
        r"  a:      0\.09982\+/- 0\.00017 \(initial= 0\.100000\)$",
        r"b   1\.95316   1\.96449   1\.97516   1\.98572   1\.99628   2\.00695   2\.01828$",
        r"a1   2\.3139\d   2\.6151\d   3\.0668\d   4\.1009\d  14\.38\d\d\d$",
        r"the region's grid has shape \(30, 30\)",
    ],
    "20_model_fit.py": [r"    peak_center: +4\.2\d+ \+/- ", r"    line_slope: +0\.\d+ \+/- ", r"unweighted, chi-square is "],
    "21_cube_of_voigts.py": [r"24x24 spectra of 100 points, guessed and fitted in ", r" +576  converged$"],
    "13_lmfit_constraints.py": [
        r"  frac_curve2    0\.69314 \+/- 0\.00299   1-frac_curve1$",
        r"  amp_2          1\.50746 \+/- 0\.00220   \(2\.0 - amp_1\*\*2\)$",
        r"  bounded = 1\.0 once test_val is 300\.0$",
        r"  at_origin      0\.76622 \+/- 0\.00412   lorentzian\(0, amp, cen, wid\)$",
    ],
}


ARGUMENTS = {"21_cube_of_voigts.py": ["24"]}      # a smaller cube


def output(name):
    """Return what an example prints; it has to end well."""
    command = [sys.executable, EXAMPLES / name, *ARGUMENTS.get(name, [])]
    done = subprocess.run(command, text=True, capture_output=True, stdin=subprocess.DEVNULL,
                          env={**os.environ, "MPLBACKEND": "Agg"})
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


LONG = {"demo.py", "12_lmfit_confidence.py", "21_cube_of_voigts.py"}


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.slow) if name in LONG else name for name in ("demo.py", *NUMBERED)])
def test_example(name):
    """The example ends well, prints something, and prints its golden lines."""
    text = output(name)
    assert text.strip()
    for pattern in GOLDEN.get(name, []):
        assert re.search("^" + pattern, text, re.MULTILINE), f"{pattern!r} is not in:\n{text}"


def test_examples_are_numbered_in_order():
    """No two examples have the same number."""
    assert len({name[:2] for name in NUMBERED}) == len(NUMBERED)
    assert set(GOLDEN) <= {"demo.py", *NUMBERED}
