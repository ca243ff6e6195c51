"""Write docs/guesses.md: how often guesses lead to the right minimum. Run it with the installed package; it takes some minutes:

    python docs/make_guesses.py [model ...]

With models' names it does these anew and leaves the other rows as they are.
"""
import re
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent / "tests" / "support")]

import numpy as np  # noqa: E402
from guess_accuracy import CASES, COUNT, FURTHER, draw, reached  # noqa: E402

HEAD = """# Accuracy of guesses

For each peak, decay, step and oscillation of the library, {count} curves of 100 points (or as many as its row says; of a sum, of three
decays and of the five-parameter logistic a tenth of the curves; evenly spaced, or, where the row says "uneven", at random places) with
parameters drawn at random from the ranges below (a decade, drawn by its logarithm, for scales) and normal noise of a tenth of the
curve's greatest value. Each is fitted from its guess alone and from its true values, by `fit_batch`. The guess has reached the minimum if
its chi-square is no higher than that from the true values, to one part in a million.

"Converged" is the share of fits that ended at a minimum, among them those that leave a parameter open, which the result says: an edge
that is sharper than the points are near, a decay that is over before the second point, a step without an end. Guesses of such shapes are at
these limits. What is missing are curves where chi-square falls without end along a valley: two decays merge while their amplitudes grow
with opposite signs, or one becomes a straight line. There "reached" asks for as low a chi-square all the same. Many of three decays that
GSL's solver ends (43 of 50 in 300 curves) have merged too far for a fall to be told: they count as converged, with errors of millions of
times the value.

"Starts" is how many starts `fit_batch` tries for each curve, where chi-square has several minima: each is fitted in the SIMD lanes without
errors, and the one that ended lowest is fitted again with all that a fit does. (Starts at limits are fitted wholly, for the curves that may
be there: sharp edges, tails or asymmetries without end.) "Time" is the processor time of one curve, the guess
included, by that of the fit from the true values. The straight ramps of StepModel and RectangleModel have one start, alone and on a
background, from a search for the places of their kinks, which takes most of their time; so have sums of decays, from a search among their
times and limits, which leads lower than the true values do for many curves: there decays are more than this noise lets one see. What
GslDblexpModel misses are curves whose fit from the true values ends in an exponential that grows towards the last points; the search
leaves out those that grow so fast.

Written by `docs/make_guesses.py`; `tests/models/test_models_guess.py` holds it.

"""


PAGE = HERE / "guesses.md"
TITLE = ["| model | parameters | reached | converged | converged from the truth | starts | time |", "|---|---|---|---|---|---|---|"]


def row(case):
    """Run a case, and return its line."""
    share, success, _, true, times = reached(case)
    model, x, _, y = draw(case, 2)
    ranges = ", ".join(f"`{name}` {low:g} to {high:g}" for name, (low, high, *_) in case.ranges.items())
    return (f"| {case.title} | {ranges}; x {case.x[0]:g} to {case.x[1]:g} | {100*share:.2f} % | {100*success:.1f} % | "
            f"{100*np.mean(true.success):.1f} % | {len(model._guesses(y, x=x))} | "
            f"{1e3*times[0]/case.count:.2f} : {1e3*times[1]/case.count:.2f} ms |")


def main(names):
    """Run all cases, or those named, and write the page."""
    rows = {}
    if names:
        rows = {found[1]: found[0] for found in re.finditer(r"^\| (\w+[^|]*?) \| .*$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)}
    cases = [*CASES, *FURTHER]
    for case in cases:
        if not names or case.title in names or case.cls in names:
            rows[case.title] = row(case)
            print(rows[case.title], flush=True)
    lines = [*TITLE, *(rows[case.title] for case in cases if case.title in rows)]
    PAGE.write_text(HEAD.format(count=f"{COUNT:,}") + "\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
