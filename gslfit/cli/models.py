"""Models as the command names them: a formula, or models of the library joined by ``+``."""
from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from gslfit.cli.endings import Refused, meant

_NAMES = re.compile(r"\s*[A-Za-z_][\w-]*(?:\s*\+\s*[A-Za-z_][\w-]*)*\s*")
NOT_BY_NAME = ("ComplexConstantModel", "SplineModel", "ExpressionModel")        # these need more than a name
_POLYNOMIAL = re.compile(r"polynomial(\d)")


def key(name: str) -> str:
    """Return a model's name as names are compared: small letters and digits, without "Model" at its end."""
    return re.sub(r"[^a-z0-9]", "", name.lower()).removesuffix("model")


def library() -> dict[str, Any]:
    """Return the library's entries by the names that the command shows."""
    from gslfit.models.library.classes import ENTRIES
    return {key(entry.cls): entry for entry in ENTRIES.values() if entry.cls not in NOT_BY_NAME}


def entry_of(name: str) -> Any:
    """Return the library's entry of a name.

    Raises
    ------
    Refused
        If there is none.
    """
    from gslfit.models import LMFIT_NAMES
    known = library()
    others = {key(entry.name): entry for entry in known.values()} | {key(title): known[key(cls)] for title, cls in LMFIT_NAMES.items()
                                                                     if key(cls) in known}
    found = known.get(key(name)) or others.get(key(name))
    if found is None:
        raise Refused(f"there is no model {name!r}{meant(name, list(known))}: `gslfit models` lists them, and a formula holds its variable")
    return found


def names_library_models(text: str, variables: Collection[str]) -> bool:
    """Return whether a text is names joined by ``+``, none of which is a variable.

    Examples
    --------
    >>> [names_library_models(text, ["x"]) for text in ("gaussian + linear", "a*x", "x + c")]
    [True, False, False]
    """
    return _NAMES.fullmatch(text) is not None and not set(re.findall(r"\w+", text)) & set(variables)


def _made(name: str, prefix: str = "") -> Any:
    """Return one model of the library."""
    from gslfit.models.library.classes import CLASSES, PolynomialModel
    degree = _POLYNOMIAL.fullmatch(key(name))
    if degree is not None:
        return PolynomialModel(int(degree[1]), prefix=prefix)
    made: Any = CLASSES[entry_of(name).cls]
    return made(prefix=prefix)


def library_model(text: str) -> Any:
    """Return the sum of models of the library that a text names; where names of parameters clash, ``p1_``, ``p2_``, ... precede them.

    Examples
    --------
    >>> library_model("gaussian + gaussian + linear").param_names
    ['p1_amplitude', 'p1_center', 'p1_sigma', 'p2_amplitude', 'p2_center', 'p2_sigma', 'slope', 'intercept']
    """
    names = [name.strip() for name in text.split("+")]
    parts = [_made(name) for name in names]
    taken = [{*part.param_names, *part.param_hints} for part in parts]
    clashing = [k for k, own in enumerate(taken) if any(own & other for j, other in enumerate(taken) if j != k)]
    for number, k in enumerate(clashing, 1):
        parts[k] = _made(names[k], f"p{number}_")
    whole = parts[0]
    for part in parts[1:]:
        whole = whole + part
    return whole


def model_of(text: str, columns: Sequence[tuple[str | None, Sequence[str]]]) -> tuple[Any, list[str]]:
    """Return the model that a text means, and the variable of each column of x.

    Parameters
    ----------
    text : str
    columns : sequence of (str or None, sequence of str)
        The caller's name, and the file's, of each column.

    Raises
    ------
    Refused
        If there is no such model, or its variables aren't those of the columns.
    """
    if not text.strip():
        raise Refused("--model is empty: a formula is needed, or names that `gslfit models` lists")
    from gslfit.curves.job import names_in
    from gslfit.integrations.variables import variables_of
    from gslfit.models import Model
    own = {name for given, names in columns for name in (given, *names) if name}
    model = None
    if names_library_models(text, {"x", *own}):
        model = library_model(text)
        wanted = list(model.independent_vars)
        if len(wanted) != len(columns):
            raise Refused(f"{text} has {len(wanted)} independent variable{'s'*(len(wanted) > 1)}, {', '.join(wanted)}, and there are "
                          f"{len(columns)}: one --x for each")
        known, places = wanted, variables_of(model, columns)
    else:
        known, places = list(names_in(text)), variables_of(text, columns)
    found: list[str] = []
    for (_, names), name in zip(columns, places, strict=True):
        if name is None or name not in known:
            what = f"variable {name!r}" if name else f"variable 'x', nor one called as the column {names[0]!r}" if names else "variable 'x'"
            raise Refused(f"{text!r} has no {what}; it has {', '.join(known) or 'no names'}: --x NAME={names[0] if names else '...'} says "
                          "which of them x is")
        if name in found:
            raise Refused(f"two columns are called {name!r} in {text!r}: --x NAME=COLUMN says which is what")
        found.append(name)
    return model or Model(text, found), found


def check_starts(model: Any, many: Mapping[str, Any]) -> None:
    """Raise Refused for a parameter of a formula that needs a start and has none: what the formula is linear in doesn't.

    Parameters
    ----------
    model : Model
    many : mapping of str to object
        `starts` and `ranges`, where they are asked for; what has a range, or then two bounds, needs no start either.
    """
    params = model.make_params()
    varying = [name for name, par in params.items() if par.vary and par.expr is None]
    for name in many.get("ranges", ()):
        if name not in varying:
            what = f"{name!r} does not vary" if name in params else f"the model has no parameter {name!r}{meant(name, varying)}"
            raise Refused(f"--ranges {name}: {what}; it has {', '.join(varying)}")
    blank = [name for name, par in params.items() if par.expr is None and par.value is None]
    if not blank or any(hasattr(part, "entry") for part in model.components):
        return
    fixed = [name for name in blank if not params[name].vary]
    if fixed:
        raise Refused(f"--fix {fixed[0]}: {fixed[0]!r} has no value yet: --fix {fixed[0]}=VALUE")
    from gslfit.formula.parametrize import fold
    linear = set(fold(model.formula, params, idle=True).linearity.together(blank)) if model.formula.native else set()
    placed = {*many.get("ranges", ()), *(name for name in varying if many and _has_two_bounds(params[name]))}
    missing = [name for name in blank if name not in linear and name not in placed]
    if missing:
        raise Refused(f"no start value for {', '.join(missing)}: {' '.join(f'--start {name}=VALUE' for name in missing)}, or a range to "
                      f"look in, --ranges {missing[0]}=LOW:HIGH (only parameters that enter the formula linearly need none)")


def _has_two_bounds(par: Any) -> bool:
    """Return whether a parameter has two finite bounds."""
    return all(bound is not None and math.isfinite(bound) for bound in (par.min, par.max))
