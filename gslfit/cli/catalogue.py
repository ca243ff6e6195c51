"""``gslfit models``: the library of models, and one of them."""
from __future__ import annotations

import math
from typing import Any

from gslfit.cli.models import entry_of, key, library
from gslfit.cli.printing import console, print_table


def list_models() -> None:
    """Print a line for each model of the library."""
    target = console()
    rows = [[name, entry.kind, ", ".join(entry.defaults), entry.about] for name, entry in library().items()]
    print_table(target, ["model", "kind", "parameters", "what it is"], rows, left=range(4))
    target.print("")
    target.print("`gslfit models NAME` shows a formula; polynomial0 to polynomial7 are polynomials of these degrees.")


def _limits(par: Any) -> str:
    """Return the bounds of a parameter, empty where it has none."""
    low, high = ("" if limit is None or math.isinf(limit) else f"{limit:g}" for limit in (par.min, par.max))
    return f"{low} to {high}" if low and high else f"from {low}" if low else f"up to {high}" if high else ""


def show_model(name: str) -> None:
    """Print the formula and the parameters of one model."""
    from gslfit.models.library.classes import CLASSES
    entry, target = entry_of(name), console()
    target.print(f"{key(entry.cls)}: {entry.about}")
    forms = entry.forms or (None,)
    for form in forms:
        target.print("")
        if form is not None:
            target.print(f"form {form}{' (taken)' if form == forms[0] else ''}:")
        for line in entry.text(form).replace(";", "\n").splitlines():
            target.print(f"    {line.strip()}")
    target.print("")
    made: Any = CLASSES[entry.cls]
    rows = []
    for par in made().make_params().values():
        rows.append([str(par.name), _limits(par), f"= {par.expr}" if par.expr else "guessed" if entry.guess else "by default"])
    print_table(target, ["parameter", "bounds", "start"], rows, left=range(3))
    target.print(f"\nindependent variable{'s'*(len(entry.independent) > 1)}: {', '.join(entry.independent)}")
    if entry.reference:
        target.print(f"reference: {entry.reference}")
    target.print(f"in Python: gslfit.models.{entry.cls}()")
