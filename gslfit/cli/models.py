"""Models as the command names them: a formula, or models of the library joined by ``+``."""
from __future__ import annotations

import re
from collections.abc import Collection, Sequence
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


def formula_model(text: str, variables: Sequence[str]) -> Any:
    """Return the model of a formula.

    Raises
    ------
    Refused
        If the formula lacks a variable.
    """
    from gslfit.models import Model
    model = Model(text, list(variables))
    leaves = {str(node.value) for node in model.formula.graph.nodes() if node.op == "x"}
    for name in variables:
        if name not in leaves:
            raise Refused(f"the formula {text!r} has no variable {name!r}; it has {', '.join(model.param_names) or 'no names'}: "
                          "--x NAME=COLUMN says what the column is called in it")
    return model


def variables_of(text: str, columns: Sequence[tuple[str | None, Sequence[str]]]) -> list[str]:
    """Return what the columns of x are called in a formula: as the caller says, as the file does if the formula has it, else ``x``.

    Parameters
    ----------
    text : str
        The formula.
    columns : sequence of (str or None, sequence of str)
        The caller's name, and the file's, of each column.

    Raises
    ------
    Refused
        If two have one name.
    """
    within = set(re.findall(r"[A-Za-z_]\w*", text))
    found = [given or next((name for name in names if name in within), "x") for given, names in columns]
    twice = [name for name in found if found.count(name) > 1]
    if twice:
        raise Refused(f"two columns are called {twice[0]!r} in the formula: --x NAME=COLUMN says which is what")
    return found


def model_of(text: str, columns: Sequence[tuple[str | None, Sequence[str]]]) -> tuple[Any, list[str]]:
    """Return the model that a text means, and the variable of each column of x.

    Parameters
    ----------
    text : str
    columns : sequence of (str or None, sequence of str)
        As `variables_of` takes them.

    Raises
    ------
    Refused
        If there is no such model, or its variables aren't those of the columns.
    """
    if not text.strip():
        raise Refused("--model is empty: a formula is needed, or names that `gslfit models` lists")
    own = {name for given, names in columns for name in (given, *names) if name}
    if not names_library_models(text, {"x", *own}):
        variables = variables_of(text, columns)
        return formula_model(text, variables), variables
    model = library_model(text)
    wanted = list(model.independent_vars)
    if len(wanted) != len(columns):
        raise Refused(f"{text} has {len(wanted)} independent variable{'s'*(len(wanted) > 1)}, {', '.join(wanted)}, and there are "
                      f"{len(columns)}: one --x for each")
    if all(given in wanted for given, _ in columns):
        return model, [given or "" for given, _ in columns]
    return model, wanted


def check_starts(model: Any) -> None:
    """Raise Refused for a parameter of a formula that needs a start and has none: what the formula is linear in doesn't."""
    params = model.make_params()
    blank = [name for name, par in params.items() if par.expr is None and par.value is None]
    if not blank or any(hasattr(part, "entry") for part in model.components):
        return
    fixed = [name for name in blank if not params[name].vary]
    if fixed:
        raise Refused(f"--fix {fixed[0]}: {fixed[0]!r} has no value yet: --fix {fixed[0]}=VALUE")
    from gslfit.formula.parametrize import fold
    linear = set(fold(model.formula, params, idle=True).linearity.together(blank)) if model.formula.native else set()
    missing = [name for name in blank if name not in linear]
    if missing:
        raise Refused(f"no start value for {', '.join(missing)}: {' '.join(f'--start {name}=VALUE' for name in missing)} "
                      "(only parameters that enter the formula linearly need none)")
