"""Write docs/guesses.md: how often guesses lead to the right minimum. Run it with the installed package; it takes some minutes:

    python docs/make_guesses.py [curves]
"""
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent / "tests")]

import numpy as np  # noqa: E402
from guess_accuracy import CASES, draw, reached  # noqa: E402

HEAD = """# How good guesses are

For each peak, decay, step and oscillation of the library, {count} curves of 100 points with parameters drawn at random from the ranges
below (a decade, drawn by its logarithm, for scales) and normal noise of a tenth of the curve's greatest value. Each is fitted from its
guess alone and from its true values, by `fit_batch`. The guess has reached the minimum if its chi-square is no higher than that from
the true values, to one part in a million.

"Converged" is the share of fits that ended at a minimum; what is missing are curves that don't determine every parameter at this noise:
chi-square falls for ever along a valley, or has a kink where it is least. There "reached" asks for as low a chi-square all the same.

"Starts" is how many starts `fit_batch` tries for each curve, where chi-square has several minima: each is fitted in the SIMD lanes without
errors, and the one that ended lowest is fitted again with all that a fit does. "Time" is the processor time of one curve, the guess
included, by that of the fit from the true values. The straight ramps of StepModel and RectangleModel have one start, from a search for
the places of their kinks, which takes most of their time.

Written by `docs/make_guesses.py`; `tests/test_models_guess.py` holds it.

"""


def main(count):
    """Run all cases and write the page."""
    lines = ["| model | parameters | reached | converged | converged from the truth | starts | time |", "|---|---|---|---|---|---|---|"]
    for case in CASES:
        number = min(count, 500) if case.short else count
        share, success, _, true, times = reached(case, number)
        model, x, _, y = draw(case, 2)
        ranges = ", ".join(f"`{name}` {low:g} to {high:g}" for name, (low, high, *_) in case.ranges.items())
        note = f" (falls short, of {number} curves: {case.short})" if case.short else ""
        label = case.cls + (f" ({case.form})" if case.form else "") + note
        lines.append(f"| {label} | {ranges}; x {case.x[0]:g} to {case.x[1]:g} | {100*share:.2f} % | {100*success:.1f} % | "
                     f"{100*np.mean(true.success):.1f} % | {len(model._guesses(y, x=x))} | "
                     f"{1e3*times[0]/number:.2f} : {1e3*times[1]/number:.2f} ms |")
        print(lines[-1], flush=True)
    (HERE / "guesses.md").write_text(HEAD.format(count=f"{count:,}") + "\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
