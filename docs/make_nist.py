"""Write docs/nist.md: the digits of NIST's certified values that gslfit reaches. Run it with the installed package:

    python docs/make_nist.py
"""
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent / "tests" / "support"), str(HERE.parent / "examples")]

import numpy as np  # noqa: E402
from nist_accuracy import runs  # noqa: E402

HEAD = """# NIST's certified data sets

NIST's Statistical Reference Datasets hold 27 nonlinear least-squares problems with certified parameters and standard deviations. Each
is fitted here from both of its starts with `gslfit.minimize` and its default settings, the residual an ordinary Python function:
once without a Jacobian, once with the exact one. A number is the count of correct digits of the worst parameter or of the worst standard
error, -log10 of the relative error, at most 11, which is what NIST certifies.

Written by `docs/make_nist.py`; `tests/minimizer/test_nist.py` holds it. Lanczos1's standard errors are beyond double precision: its
residuals are of the size of the data's rounding.

"""
COLUMNS = ["set", "start", "parameters", "errors", "calls", "parameters, exact J", "errors, exact J", "calls"]


def main():
    """Write the table and its summary."""
    without, exact = runs(), runs(exact=True)
    lines = ["| " + " | ".join(COLUMNS) + " |", "|" + "---|" * len(COLUMNS)]
    for a, b in zip(without, exact, strict=True):
        cells = [a.name, a.start, f"{a.values:.1f}", f"{a.errors:.1f}", a.nfev, f"{b.values:.1f}", f"{b.errors:.1f}", b.nfev]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    summary = [
        "| of 54 runs | differences | exact Jacobian |", "|---|---|---|",
        f"| 6 digits in every parameter | {sum(r.values >= 6 for r in without)} | {sum(r.values >= 6 for r in exact)} |",
        f"| 8 digits in every parameter | {sum(r.values >= 8 for r in without)} | {sum(r.values >= 8 for r in exact)} |",
        f"| 5 digits in every standard error | {sum(r.errors >= 5 for r in without)} | {sum(r.errors >= 5 for r in exact)} |",
        f"| 6 digits in every standard error | {sum(r.errors >= 6 for r in without)} | {sum(r.errors >= 6 for r in exact)} |",
        f"| mean digits of the worst parameter | {np.mean([r.values for r in without]):.2f} | {np.mean([r.values for r in exact]):.2f} |",
        f"| residual calls, median | {int(np.median([r.nfev for r in without]))} | {int(np.median([r.nfev for r in exact]))} |",
    ]
    (HERE / "nist.md").write_text(HEAD + "\n".join(summary) + "\n\n" + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
