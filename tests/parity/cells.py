"""Cells that are wrong today: each must fail until its line in `parity.known_faults` is deleted, and pass from then on."""
from collections.abc import Callable, Iterable, Mapping, Sized
from typing import Any

import pytest


def settle(faults: Mapping[str, str], checks: Mapping[str, Callable[[], Any]]) -> None:
    """Run checks; those of known faults must fail, all others pass. A test of known faults alone counts as an xfail.

    (A mark does the same for a single check, but pytest writes the traceback of each.)

    Parameters
    ----------
    faults : mapping of str to str
        Why a check is known to fail, by its name.
    checks : mapping of str to callable
    """
    wrong = set()
    for name, check in checks.items():
        try:
            check()
        except Exception:
            if name not in faults:
                raise
            wrong.add(name)
    mended = [name for name in faults if name not in wrong]
    assert not mended, f"right now, its line in parity/known_faults.py is to be deleted: {mended}"
    if faults:
        pytest.xfail("; ".join(dict.fromkeys(faults.values())))


def ids(cells: Iterable[tuple[Any, ...]]) -> list[Any]:
    """Cells as a test's parameters, with readable names."""
    return [pytest.param(*cell, id="-".join(f"{each:g}" if isinstance(each, float) else each for each in cell).replace(" ", "_"))
            for cell in cells]


def in_views(faults: Mapping[tuple[str, str, str], str], cell: tuple[str, str], views: Iterable[str]) -> dict[str, str]:
    """Return the known faults of a cell by view; a view of "" in the table stands for all of them."""
    return {view: faults.get((*cell, view)) or faults[(*cell, "")] for view in views if {(*cell, view), (*cell, "")} & set(faults)}


def counted(text: str, cells: Sized, views: Sized, faults: Mapping[tuple[str, str, str], str]) -> str:
    """Return a module's docstring with the numbers of cells: each cell in each view is one."""
    total, faulty = len(cells)*len(views), sum(1 if key[-1] else len(views) for key in faults)
    return text.format(total=total, green=total - faulty, faulty=faulty)
