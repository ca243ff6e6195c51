"""``gslfit nist``: NIST's certified data sets, fitted."""
from __future__ import annotations

import sys

import numpy as np

from gslfit import nist
from gslfit.cli.endings import GOOD, NOT_CONVERGED, Refused, meant
from gslfit.cli.printing import console, print_table

ENOUGH = 4              # digits: fewer are no agreement


def named(name: str) -> str:
    """Return NIST's name of a set, whatever its capitals.

    Raises
    ------
    Refused
        If there is none.
    """
    found = {each.lower(): each for each in nist.FORMULAS}.get(name.lower())
    if found is None:
        raise Refused(f"NIST has no set {name!r}{meant(name, list(nist.FORMULAS))}: `gslfit nist` lists them")
    return found


def text_of(name: str) -> str:
    """Return NIST's file of a set."""
    return (nist.FOLDER / f"{name}.dat").read_text(encoding="ascii")


def print_file(name: str | None) -> int:
    """Print a file of NIST's as it is."""
    if name is None:
        raise Refused("--data needs the name of a set: `gslfit nist` lists them")
    sys.stdout.write(text_of(named(name)))
    return GOOD


def fit_sets(name: str | None) -> int:
    """Fit one set or all from both starts; return whether all agree with the certified values."""
    from gslfit import fit
    rows, code, target = [], GOOD, console()
    sets = list(nist.FORMULAS) if name is None else [named(name)]
    for each in sets:
        data = nist.read(each)
        for number, start in enumerate(data.starts, 1):
            result = fit(data.formula, data.y, x=data.columns(), start=dict(zip(data.names, start.tolist(), strict=True)))
            params = [result.params[parameter] for parameter in data.names]
            values = nist.digits(np.array([par.value for par in params]), data.certified).min()
            errors = nist.digits(np.array([np.nan if par.stderr is None else par.stderr for par in params]), data.stderr).min()
            good = bool(result.success) and values >= ENOUGH
            code = code if good else NOT_CONVERGED
            rows.append([each, data.level.lower(), str(data.y.size), str(len(params)), str(number), f"{values:.1f}", f"{errors:.1f}",
                         str(result.nfev), "" if good else result.message])
            if name is not None and number == len(data.starts):
                table = [[str(par.name), f"{par.value:.11g}", f"{value:.11g}", f"{par.stderr:.11g}", f"{error:.11g}"]
                         for par, value, error in zip(params, data.certified, data.stderr, strict=True)]
                target.print(f"{each}: {'log(y)' if nist.is_of_log(text_of(each)) else 'y'} = {data.formula}\n")
                print_table(target, ["parameter", "value", "certified", "error", "certified"], table)
                target.print("")
    print_table(target, ["set", "level", "points", "parameters", "start", "digits", "of errors", "evaluations", ""], rows, left=(0, 1, 8))
    return code
