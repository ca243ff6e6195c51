"""How the command ends: its exit codes, and the refusals that lead to them."""
from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

GOOD, NOT_CONVERGED, WRONG_CALL, WRONG_FILE, INTERRUPTED = 0, 1, 2, 3, 130

EXIT_CODES = """\b
Exit codes:
  0    the fit converged, or the batch ran
  1    a fit did not converge
  2    a model, parameter, bound or option can't be used, or an extra is missing
  3    a file or column can't be used: told before anything else
  130  interrupted
"""


class Refused(Exception):
    """A call that can't be done, in one line."""

    code = WRONG_CALL


class FileRefused(Refused):
    """A file or a column that can't be used."""

    code = WRONG_FILE


def meant(name: str, known: Sequence[str]) -> str:
    """Return a question for the one of the known names that a wrong one is like; empty where none is."""
    folded = {each.casefold(): each for each in known}
    alike = get_close_matches(name.casefold(), folded, 1)
    return f" (did you mean {folded[alike[0]]!r}?)" if alike else ""
