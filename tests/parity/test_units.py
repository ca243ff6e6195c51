"""Units: what a fit says of its errors does not depend on the unit of the data, 1e-200 to 1e200: {total} cells, of which {green} are
green and {faulty} are wrong today and strict xfails (`parity.known_faults`).

Standard errors by every entry: scaled by chi-square; of data whose errors are known, in the data's unit; and with `scale_covar=False` of
residuals that nothing divides. From a start of unit 1 a success is at the minimum, and every fit ends. Then confidence intervals, regions
and bands. The oracle's numbers are those of unit 1, times the unit.
"""
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache, partial
from typing import Any

import numpy as np
import pytest
from scipy.special import stdtrit
from scipy.stats import f, norm

import gslfit
from gslfit import models
from gslfit.compat import lmfit
from gslfit.errors import ConvergenceError
from parity.cells import ids, settle
from parity.entries import ENTRIES, parameters, residual_of
from parity.expected import SHARE, Right
from parity.inputs import COMPAT, LEAST, NEIGHBOUR, PARS, RESIDUALS, Input, X, Y, column, decay
from parity.known_faults import UNIT_FAULTS
from parity.oracle import Par, Truth, everything, interval, jacobian, truth

UNITS = (1e-200, 1e-150, 1.0, 1e150, 1e200)
FAR_UNITS = (1e-200, 1e-30, 1e-6, 1e6, 1e30, 1e200)
ERROR = 0.02            # of the data, in their unit
NAMES = tuple(PARS)
CHANCE = 0.95


# -- standard errors


@lru_cache
def in_unit_1(neighbour: bool, kind: str) -> Truth:
    """Return the truth of data of unit 1."""
    weights = np.full(X.size, 1/ERROR) if kind == "known" else None
    return truth(decay, PARS, X, NEIGHBOUR if neighbour else Y, known=kind != "scaled", weights=weights)


def in_unit(neighbour: bool, kind: str, unit: float) -> Truth:
    """Return the truth of data of unit 1 in another; values are right to a share of the error that chi-square gives."""
    divided, one = kind == "known", in_unit_1(neighbour, kind)
    units = {"a": unit, "b": 1.0, "c": unit}
    of_errors = {name: size/unit for name, size in units.items()} if kind == "unscaled" else units
    by_chisqr = in_unit_1(neighbour, "scaled").stderr
    with np.errstate(over="ignore"):
        chisqr = one.chisqr if divided else float(np.float64(one.chisqr)*unit*unit)
    return Truth({name: value*units[name] for name, value in one.values.items()},
                 {name: error*of_errors[name] for name, error in one.stderr.items()}, one.ndata, chisqr,
                 {name: SHARE*error*units[name] for name, error in by_chisqr.items()}, one.floor)


@lru_cache
def standard_errors(entry: str, kind: str, unit: float) -> Input:
    """Return a fit in a unit: its errors scaled by chi-square, known in that unit, or neither."""
    divided = kind == "known"
    yerr = np.full(X.size, ERROR*unit)
    pars = {name: Par(par.value*(1.0 if name == "b" else unit)) for name, par in PARS.items()}
    right, beside = (Right(in_unit(neighbour, kind, unit), share=0.0, least=LEAST if entry in COMPAT else 0.0, quiet=False)
                     for neighbour in (False, True))
    own = {} if not divided or entry in RESIDUALS else {"weights": 1/yerr} if entry in COMPAT else {"yerr": yerr}
    return column(f"{kind} errors, unit {unit:g}", right, y=Y*unit, neighbour=NEIGHBOUR*unit, next_door=beside, pars=pars,
                  known=kind != "scaled", residual=(lambda r: r/yerr) if divided else np.asarray, **own)


def judge_errors(entry: str, kind: str, unit: float) -> None:
    """Assert an entry's values, errors and chi-square."""
    given = standard_errors(entry, kind, unit)
    answers = ENTRIES[entry].ask(given)
    given.expected.judge(answers[0])
    if ENTRIES[entry].batch:
        given.neighbour.judge(answers[1])


def judge_far_start(entry: str, kind: str, unit: float) -> None:
    """Assert that from a start of unit 1 a success is at the minimum."""
    given = replace(standard_errors(entry, kind, unit), pars=PARS)
    try:
        answers = ENTRIES[entry].ask(given)
    except ConvergenceError:
        return
    for right, answer in zip((given.expected, given.neighbour), answers, strict=False):
        if answer.success:
            right.judge(answer)


# -- intervals, regions, bands


def near(found: Any, right: Any, error: float) -> None:
    """Assert that limits are right to a part of a standard error."""
    assert np.all(np.abs(np.asarray(found) - right) <= 1e-4*error), (found, right, error)


@lru_cache
def limits(known: bool) -> tuple[tuple[float, float], float]:
    """Return the limits of b, and its error."""
    weights = {"weights": np.full(X.size, 1/ERROR)} if known else {}
    return interval(decay, PARS, X, Y, "b", CHANCE, known=known, **weights), truth(decay, PARS, X, Y, known=known, **weights).stderr["b"]


def ends(intervals: Any) -> list[float]:
    """Return the lower and the upper limit of b."""
    return [limit for _, limit in intervals["b"]][::2]


def of_minimize(kind: str, unit: float) -> None:
    given = standard_errors("minimize", kind, unit)
    fitted = gslfit.minimize(residual_of(given), parameters(given), scale_covar=not given.known)
    near(ends(gslfit.conf_interval(fitted, p_names=["b"], sigmas=[CHANCE])), *limits(given.known))


def of_model(kind: str, unit: float) -> None:
    given = standard_errors("Model.fit", kind, unit)
    result = models.Model(decay).fit(given.single.y, parameters(given), x=X, yerr=given.single.yerr, scale_covar=not given.known)
    near(ends(result.conf_interval(p_names=["b"], sigmas=[CHANCE])), *limits(given.known))


def of_compat(kind: str, unit: float) -> None:
    """lmfit's intervals are those of an F-test, whatever is known of the errors."""
    given = standard_errors("compat.minimize", kind, unit)
    fitter = lmfit.Minimizer(residual_of(given), parameters(given, lmfit.Parameters), scale_covar=not given.known)
    near(ends(lmfit.conf_interval(fitter, fitter.minimize(), p_names=["b"], sigmas=[CHANCE])), *limits(False))


@lru_cache
def region(known: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Values of a and b two standard errors round the best ones, and their probabilities."""
    weights = {"weights": np.full(X.size, 1/ERROR)} if known else {}
    best = truth(decay, PARS, X, Y, known=known, **weights)
    a, b = (np.linspace(-2, 2, 4)*best.stderr[name] + best.values[name] for name in ("a", "b"))
    freedom = X.size - len(PARS)
    grid = np.empty((4, 4))
    for j, i in np.ndindex(grid.shape):
        held = {"a": Par(a[i], vary=False), "b": Par(b[j], vary=False), "c": Par(best.values["c"])}
        rise = truth(decay, held, X, Y, **weights).chisqr - best.chisqr
        grid[j, i] = 1 - np.exp(-rise/2) if known else f.cdf(rise/best.chisqr*freedom/2, 2, freedom)
    return a, b, grid


def of_region(kind: str, unit: float) -> None:
    given = standard_errors("minimize", kind, unit)
    a, b, grid = region(given.known)
    fitted = gslfit.minimize(residual_of(given), parameters(given), scale_covar=not given.known)
    found = gslfit.conf_interval2d(fitted, "a", "b", 4, 4, limits=((a[0]*unit, a[-1]*unit), (b[0], b[-1])))
    assert np.allclose(found[0]/unit, a, rtol=1e-12)
    assert np.allclose(found[1], b, rtol=1e-12)
    assert np.allclose(found[2], grid, rtol=0, atol=1e-4)


def of_band(kind: str, unit: float, module: Any = models) -> None:
    given = standard_errors("Model.fit", kind, unit)
    params = parameters(given, lmfit.Parameters if module is lmfit else gslfit.Parameters)
    result = module.Model(decay).fit(given.single.y, params, x=X, scale_covar=not given.known,
                                     weights=None if given.single.yerr is None else 1/given.single.yerr)
    weights = {"weights": np.full(X.size, 1/ERROR)} if given.known else {}
    best = truth(decay, PARS, X, Y, known=given.known, **weights)
    v = np.array(list(best.values.values()))
    J = jacobian(lambda u: decay(X, **everything(PARS, list(NAMES), u)), v)
    scale = ERROR**2 if given.known else best.chisqr/(X.size - len(v))
    band = np.sqrt(scale*np.einsum("ij,jk,ik->i", J, np.linalg.inv(J.T @ J), J))*stdtrit(X.size - len(v), norm.cdf(1))
    assert np.allclose(result.eval_uncertainty(sigma=1)/unit, band, rtol=1e-5)


def of_band_in_compat(kind: str, unit: float) -> None:
    of_band(kind, unit, lmfit)


QUESTIONS: dict[str, Callable[[str, float], None]] = {
    "interval, minimize": of_minimize, "interval, Model.fit": of_model, "interval, compat": of_compat, "region": of_region,
    "band, Model.fit": of_band, "band, compat": of_band_in_compat}
CELLS = [*((f"stderr, {entry}", kind, unit) for entry in ENTRIES for kind in ("scaled", "known", "unscaled") for unit in UNITS),
         *((f"far start, {entry}", "scaled", unit) for entry in ENTRIES for unit in FAR_UNITS),
         *((question, kind, unit) for question in QUESTIONS for kind in ("scaled", "known") for unit in UNITS)]
__doc__ = __doc__.format(total=len(CELLS), green=len(CELLS) - len(UNIT_FAULTS), faulty=len(UNIT_FAULTS))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("question", "kind", "unit"), ids(CELLS))
def test_cell(question, kind, unit):
    """An answer of unit 1, in another."""
    cell = question, kind, unit
    what, _, entry = question.partition(", ")
    ask = QUESTIONS.get(question) or partial(judge_errors if what == "stderr" else judge_far_start, entry)
    settle({"": UNIT_FAULTS[cell]} if cell in UNIT_FAULTS else {}, {"": lambda: ask(kind, unit)})


def test_table_names_cells():
    """The table of faults names cells."""
    assert set(UNIT_FAULTS) <= set(CELLS), set(UNIT_FAULTS) - set(CELLS)
