"""Other ways into the entries: functions that can't be compiled, options that take another route. Each is judged as its entry is."""
import inspect
import warnings
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

import gslfit
from gslfit import models
from gslfit.compat import lmfit
from gslfit.errors import FitWarning
from parity.entries import ENTRIES, Entry, formula_of, function_of, of_batch, of_result, options, parameters, residual_of, rows
from parity.entries import how as options_of
from parity.expected import Answer
from parity.inputs import Input


def uncompiled(column: Input) -> Input:
    """Return the column with a function that can't be traced: it wants numbers for its parameters."""
    curve = column.curve
    if column.returns is not np.asarray:        # what it returns can't be traced anyway
        return column

    signature = inspect.signature(curve)

    def called(*args, **values):
        given = signature.bind(*args, **values).arguments
        return curve(given.pop("x"), **{name: float(value) for name, value in given.items()})
    called.__signature__ = signature
    return replace(column, curve=called)


def by_calls(entry: str) -> Entry:
    """Return an entry with a function that can't be traced, whose derivatives are differences; it may warn of that."""
    def ask(column: Input) -> list[Answer]:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "the fits? calls? Python", FitWarning)
            return [replace(answer, differences=True) for answer in ENTRIES[entry].ask(uncompiled(column))]
    return Entry(ask, ENTRIES[entry].batch)


def by_method(method: str) -> Entry:
    """Return a batch by one solver alone."""
    def ask(column: Input) -> list[Answer]:
        given = column.batch
        maps = gslfit.fit_batch(formula_of(column), given.y, parameters(column), x=given.x, method=method, **options(column, given))
        return of_batch(maps, rows(column))
    return Entry(ask, batch=True)


def by_keywords(module: Any, **further: Any) -> Entry:
    """Return a model's fit from start values by keyword, as most scripts write it: the quick way."""
    def ask(column: Input) -> list[Answer]:
        given, start = column.single, {name: par.value for name, par in column.pars.items()}
        return of_result(module.Model(function_of(column)).fit(given.y, x=given.x, **start, **options(column, given), **further))
    return Entry(ask)


def compiled(column: Input) -> list[Answer]:
    """`minimize` with its residual traced, where it can be."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "compiled=True", FitWarning)
        return of_result(gslfit.minimize(residual_of(column), parameters(column), compiled=True, **options_of(column)), differences=True)


VARIANTS: Mapping[str, tuple[str, Entry]] = {
    "minimize, compiled": ("minimize", Entry(compiled)),
    "fit, called": ("fit", by_calls("fit")), "fit_batch, called": ("fit_batch", by_calls("fit_batch")),
    "fit_batch, lmsder": ("fit_batch", by_method("lmsder")), "curve_fit, called": ("curve_fit", by_calls("curve_fit")),
    "Model.fit, called": ("Model.fit", by_calls("Model.fit")), "Model.fit, keywords": ("Model.fit", by_keywords(models)),
    "Model.fit_batch, called": ("Model.fit_batch", by_calls("Model.fit_batch")),
    "compat Model.fit, called": ("compat Model.fit", by_calls("compat Model.fit")),
    "compat Model.fit, keywords": ("compat Model.fit", by_keywords(lmfit))}
"""By name: the entry that each is a way into, and how it is asked."""

