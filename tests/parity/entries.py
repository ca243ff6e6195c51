"""The entries: how each is asked for the same fit, and how what it gives is read."""
import re
import warnings
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

import gslfit
from gslfit import FitStatus, models
from gslfit.compat import lmfit
from parity.expected import Answer
from parity.inputs import TEXTS, Given, Input


class Entry(NamedTuple):
    """One entry: what asks it, and whether it fits a batch; it answers a curve each."""

    ask: Callable[[Input], list[Answer]]
    batch: bool = False


# -- what is handed over


def function_of(column: Input) -> Callable[..., Any]:
    """Return the model's function, with what the column makes of its result."""
    curve, returns = column.curve, column.returns
    if returns is np.asarray:
        return curve

    def of_returns(x, a, b, c):
        return returns(curve(x, a, b, c))
    return of_returns


def formula_of(column: Input) -> Any:
    """Return a text where there is one."""
    return TEXTS.get(column.curve, column.curve) if column.returns is np.asarray else function_of(column)


def parameters(column: Input, kind: Any = gslfit.Parameters) -> Any:
    """Parameters of a column."""
    out = kind()
    for name, par in column.pars.items():
        if par.expr is not None:
            out.add(name, expr=par.expr)
        else:
            limits = {key: value for key, value in (("min", par.min), ("max", par.max)) if value is not None}
            out.add(name, par.value, vary=par.vary, **limits)
    return out


def options(column: Input, given: Given) -> dict[str, Any]:
    """Return what is said besides x and y, by the keywords of all entries but `curve_fit` and `minimize`."""
    said = {name: getattr(given, name) for name in ("weights", "yerr", "mask") if getattr(given, name) is not None}
    return said | how(column)


def how(column: Input) -> dict[str, Any]:
    """Return the options of every entry but `curve_fit`."""
    policy = {} if column.nan_policy is None else {"nan_policy": column.nan_policy}
    return policy | ({"scale_covar": False} if column.known else {})


def residual_of(column: Input) -> Callable[[Any], Any]:
    """Return a residual as its caller writes it: computed in NumPy, returned in the column's container."""
    names = list(column.pars)
    x, y = column.numbers

    def residual(params):
        return column.residual(column.curve(x, **{name: params[name].value for name in names}) - y)
    return residual


# -- what comes back


def number(value: Any) -> float | None:
    """Return a standard error as a float, or None for what is none."""
    return None if value is None or not np.isfinite(value) else float(value)


def of_result(result: Any, differences: bool = False) -> list[Answer]:
    """Return the answer of a result with parameters."""
    params = result.params
    return [Answer({name: float(par.value) for name, par in params.items()}, {name: number(par.stderr) for name, par in params.items()},
                   int(result.ndata), float(result.chisqr), bool(result.success), result.message, result.errorbars,
                   differences)]


def of_batch(maps: Any, rows: int, differences: bool = False) -> list[Answer]:
    """Return the answers of a batch's first rows."""
    def row(array: Any, k: int) -> Any:
        return np.asarray(array).reshape(-1)[k]

    def status(k: int) -> FitStatus:
        return FitStatus(int(row(maps.status, k)))
    return [Answer({name: float(row(array, k)) for name, array in maps.values.items()},
                   {name: number(row(array, k)) for name, array in maps.stderr.items()}, int(row(maps.ndata, k)),
                   float(row(maps.chisqr, k)), bool(row(maps.success, k)), f"{status(k).name}: {status(k).prose}",
                   differences=differences)
            for k in range(rows)]


# -- the entries


def ask_minimize(column: Input) -> list[Answer]:
    return of_result(gslfit.minimize(residual_of(column), parameters(column), **how(column)), differences=True)


def ask_compat_minimize(column: Input) -> list[Answer]:
    return of_result(lmfit.minimize(residual_of(column), parameters(column, lmfit.Parameters), **how(column)), differences=True)


def ask_fit(column: Input) -> list[Answer]:
    given = column.single
    return of_result(gslfit.fit(formula_of(column), given.y, parameters(column), x=given.x, **options(column, given)))


def ask_fit_batch(column: Input) -> list[Answer]:
    given = column.batch
    return of_batch(gslfit.fit_batch(formula_of(column), given.y, parameters(column), x=given.x, **options(column, given)), rows(column))


def rows(column: Input) -> int:
    """How many rows of a batch are looked at."""
    return 1 if column.neighbour is None else 2


def ask_curve_fit(column: Input) -> list[Answer]:
    given, pars = column.single, column.pars.values()
    said = {name: value for name, value in (("sigma", given.yerr), ("mask", given.mask), ("nan_policy", column.nan_policy))
            if value is not None}
    if column.known:
        said = {"sigma": 1.0, "absolute_sigma": True} | said
    if any(par.min is not None or par.max is not None for par in pars):
        said["bounds"] = ([-np.inf if par.min is None else par.min for par in pars],
                          [np.inf if par.max is None else par.max for par in pars])
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        popt, pcov, info, message, ier = gslfit.curve_fit(function_of(column), given.x, given.y, [par.value for par in pars],
                                                          full_output=True, **said)
    beyond: tuple[str, ...] = ()
    for each in told:
        if found := re.match("Covariance of (.*) is out of the range of double precision", str(each.message)):
            beyond = tuple(found[1].split(", "))
        else:
            warnings.warn_explicit(each.message, each.category, each.filename, each.lineno)
    fvec = info["fvec"]
    fvec = fvec[np.isfinite(fvec)]
    with np.errstate(over="ignore"):
        chisqr = float(fvec @ fvec)
    return [Answer(dict(zip(column.pars, popt.tolist(), strict=True)),
                   dict(zip(column.pars, (number(error) for error in np.sqrt(np.diag(pcov))), strict=True)), fvec.size, chisqr,
                   ier in (1, 2, 3, 4), message, beyond=beyond)]


def of_model(module: Any, kind: Any) -> tuple[Entry, Entry]:
    """`Model.fit` and `Model.fit_batch` of a module."""
    def one(column: Input) -> list[Answer]:
        given = column.single
        return of_result(module.Model(function_of(column)).fit(given.y, parameters(column, kind), x=given.x, **options(column, given)))

    def many(column: Input) -> list[Answer]:
        given = column.batch
        maps = module.Model(function_of(column)).fit_batch(given.y, parameters(column, kind), x=given.x, **options(column, given))
        return of_batch(maps, rows(column))
    return Entry(one), Entry(many, batch=True)


MODEL, MODEL_BATCH = of_model(models, gslfit.Parameters)
COMPAT_MODEL, COMPAT_BATCH = of_model(lmfit, lmfit.Parameters)
ENTRIES: Mapping[str, Entry] = {
    "minimize": Entry(ask_minimize), "fit": Entry(ask_fit), "fit_batch": Entry(ask_fit_batch, batch=True),
    "curve_fit": Entry(ask_curve_fit), "Model.fit": MODEL, "Model.fit_batch": MODEL_BATCH, "compat.minimize": Entry(ask_compat_minimize),
    "compat Model.fit": COMPAT_MODEL, "compat fit_batch": COMPAT_BATCH}
