"""Bounds in the mirror: what holds at one end holds at the other, and in the box (-high, -low) of the data turned upside down.

{total} cells, of which {green} are green and {faulty} are wrong today and strict xfails (`parity.known_faults`): by every entry and every
solver, boxes of one side and of two, binding and not, wide and narrow, from a start inside and on a bound, at zero and away from it.
"""
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache, partial
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import pytest
from scipy.optimize import brentq, least_squares
from scipy.stats import f

import gslfit
from parity.cells import counted, ids, in_views, settle
from parity.entries import ENTRIES, Entry, formula_of, of_batch, of_result, parameters, residual_of
from parity.expected import Right
from parity.inputs import PARS, Input, X, Y, column, decay
from parity.known_faults import MIRROR_FAULTS
from parity.oracle import Par, everything, jacobian, truth

HELD, FREE = 0.6, 0.4       # of c, whose best value is 0.49 with an error of 0.007


ROUGH = {"share": 0.01, "close": 1e-3}      # L-BFGS-B ends by its own tolerance of chi-square, and its errors are of where it ends


class Box(NamedTuple):
    """Bounds of c, in the data's own orientation, and where it starts; `held` is the bound it ends at, None where none binds."""

    low: float | None
    high: float | None
    start: float
    held: float | None
    shift: float = 0.0      # of the data: bounds elsewhere


BOXES = {
    "one side, binding": Box(HELD, None, 0.8, HELD), "one side, free": Box(FREE, None, 0.8, None),
    "both sides, binding": Box(HELD, 0.9, 0.8, HELD), "both sides, free": Box(FREE, 0.6, 0.45, None),
    "one side, from the bound, binding": Box(HELD, None, HELD, HELD), "one side, from the bound, free": Box(FREE, None, FREE, None),
    "both sides, from the bound, binding": Box(HELD, 0.9, HELD, HELD), "both sides, from the bound, free": Box(FREE, 0.7, FREE, None),
    "both sides, from the other bound, binding": Box(HELD, 0.9, 0.9, HELD),
    "narrow, binding": Box(HELD, HELD*(1 + 1e-6), HELD*(1 + 5e-7), HELD), "a tenth wide, binding": Box(HELD, HELD*1.1, HELD*1.05, HELD),
    "zero, one side, binding": Box(0.0, None, 0.1, 0.0, -0.6), "zero, both sides, binding": Box(0.0, 1.0, 0.1, 0.0, -0.6),
    "zero, one side, free": Box(0.0, None, 0.1, None), "enormous, both sides, free": Box(-1e12, 1e12, 0.3, None),
}
VIEWS = {"upright": (1, False), "upside down": (-1, False), "other end": (1, True), "other end, upside down": (-1, True)}
"""The sign of the data, and whether they are mirrored about c = 0.5, so that the other end of the box binds."""


def seen(box: Box, view: str) -> tuple[np.ndarray, dict[str, Par], float | None]:
    """Return data, parameters and the bound that holds, in a view.

    The other end: y -> 1 - y, a -> -a, c -> 1 - c. Upside down: y -> -y, a -> -a, c -> -c.
    """
    sign, other = VIEWS[view]
    y, a = Y + box.shift, PARS["a"].value
    low, high, start, held = box.low, box.high, box.start, box.held
    if other:
        y, a = 1 - y, -a
        low, high, start, held = (None if each is None else 1 - each for each in (box.high, box.low, start, held))
    if sign < 0:
        y, a = -y, -a
        low, high, start, held = (None if each is None else 0.0 - each for each in (high, low, start, held))
    return y, {"a": Par(a), "b": PARS["b"], "c": Par(start, min=low, max=high)}, held


@lru_cache
def mirrored(name: str, view: str) -> Input:
    """Return a box in a view, as every entry is asked for it."""
    y, pars, held = seen(BOXES[name], view)
    right = Right(truth(decay, pars, X, y, held={} if held is None else {"c": held}), quiet=False)
    if held is not None:
        right = replace(right, named=rf"AT_BOUND|\bc\b.*\b{'min' if held == pars['c'].min else 'max'}\b")
    return column(name, right, y=y, neighbour=None, pars=pars)


def by_engine(engine: str) -> Entry:
    return Entry(lambda given: of_result(gslfit.minimize(residual_of(given), parameters(given), engine=engine), differences=True))


def by_method(method: str) -> Entry:
    return Entry(lambda given: of_batch(gslfit.fit_batch(formula_of(given), given.batch.y, parameters(given), x=X, method=method), 1))


def ask_long(given: Input) -> list[Any]:
    """Return a curve too long to go through a lane: the same points many times over, standard errors brought back to those of one."""
    times = 4200 // X.size + 1
    answer, = of_batch(gslfit.fit_batch(formula_of(given), np.tile(given.batch.y, times), parameters(given), x=np.tile(X, times)), 1)
    n, p = X.size, len(given.pars)
    factor = np.sqrt((n*times - p)/(n - p))
    return [replace(answer, ndata=n, chisqr=answer.chisqr/times,
                    stderr={name: None if error is None else error*factor for name, error in answer.stderr.items()})]


FITS: Mapping[str, Entry] = ENTRIES | {
    **{f"minimize, {engine}": by_engine(engine) for engine in ("lmder", "lbfgsb")},
    **{f"fit_batch, {method}": by_method(method) for method in ("lanes", "lmsder", "lmder", "trust")}, "fit_batch, long": Entry(ask_long)}


# -- intervals and regions beside a bound


def profile(pars: Mapping[str, Par], y: np.ndarray, held: Mapping[str, float]) -> float:
    """Chi-square with some parameters held, all others refitted within their bounds, by SciPy."""
    there = {name: Par(held.get(name, par.value)) for name, par in pars.items()}
    free = [name for name in pars if name not in held]
    box = [[-np.inf if pars[name].min is None else pars[name].min for name in free],
           [np.inf if pars[name].max is None else pars[name].max for name in free]]

    def residual(v: np.ndarray) -> np.ndarray:
        return decay(X, **everything(there, free, v)) - y
    start = np.clip([pars[name].value for name in free], np.nextafter(box[0], np.inf), np.nextafter(box[1], -np.inf))
    found = least_squares(residual, start, lambda v: jacobian(residual, v), box, xtol=1e-15, ftol=1e-15, gtol=1e-15, x_scale="jac")
    return 2*float(found.cost)


BESIDE = {"one side": Box(0.485, None, 0.5, None), "both sides": Box(0.485, 0.56, 0.5, None)}
"""c is 0.49 +/- 0.007: refits meet the bound."""


def best(view: str, box: Box) -> tuple[np.ndarray, dict[str, Par], Any]:
    """Return data, parameters that start at the minimum, and the minimum."""
    y, pars, _ = seen(box, view)
    right = truth(decay, pars, X, y)
    return y, {name: replace(par, value=right.values[name]) for name, par in pars.items()}, right


def fitted(name: str, view: str) -> Any:
    """Return a fit by `minimize` in a box that the profiles of others meet."""
    y, pars, _ = seen(BESIDE[name], view)
    given = column(name, y=y, neighbour=None, pars=pars)
    return gslfit.minimize(residual_of(given), parameters(given))


def judge_interval(name: str, view: str) -> None:
    """Assert that the limits of a and b are those of profiles within the bounds; a limit of c beyond its bound is infinite."""
    y, pars, right = best(view, BESIDE[name])
    freedom = X.size - len(pars)
    level = right.chisqr*(1 + f.ppf(0.95, 1, freedom)/freedom)
    intervals = gslfit.conf_interval(fitted(name, view), sigmas=[0.95])
    for own in ("a", "b", "c"):
        middle, error = right.values[own], right.stderr[own]
        for side, (_, limit) in zip((-1, 1), intervals[own][::2], strict=True):
            bound = pars[own].min if side < 0 else pars[own].max
            if bound is not None and profile(pars, y, {own: bound}) < level:
                assert limit == side*np.inf, (own, limit)
                continue
            end = middle + side*6*error if bound is None else bound
            at = brentq(lambda value, own=own: profile(pars, y, {own: value}) - level, middle, end, xtol=1e-9*error)
            assert abs(limit - at) <= 1e-4*error, (own, limit, at)


def judge_region(name: str, view: str) -> None:
    """Assert that the region of a and b is that of refits within the bounds; that of b and c ends at the bounds."""
    y, pars, right = best(view, BESIDE[name])
    freedom = X.size - len(pars)
    fit = fitted(name, view)
    for one, two in (("a", "b"), ("b", "c")):
        xs, ys, grid = gslfit.conf_interval2d(fit, one, two, 4, 4)
        low, high = pars[two].min, pars[two].max
        five = right.stderr[two]*5
        ends = np.clip([right.values[two] - five, right.values[two] + five], low, high)
        assert np.allclose([ys[0], ys[-1]], ends, rtol=0, atol=1e-4*right.stderr[two])
        for j, i in np.ndindex(grid.shape):
            rise = profile(pars, y, {one: xs[i], two: ys[j]})/right.chisqr - 1
            assert abs(grid[j, i] - f.cdf(rise*freedom/2, 2, freedom)) <= 1e-4, (one, two, xs[i], ys[j])


BESIDE_A_BOUND: dict[str, Callable[[str, str], None]] = {"conf_interval": judge_interval, "conf_interval2d": judge_region}


CELLS = [*product(FITS, BOXES), *product(BESIDE_A_BOUND, BESIDE)]
__doc__ = counted(__doc__, CELLS, VIEWS, MIRROR_FAULTS)


def judge(entry: str, box: str, view: str) -> None:
    """Assert that a fit within a box gives the oracle's answer."""
    if entry in BESIDE_A_BOUND:
        BESIDE_A_BOUND[entry](box, view)
        return
    given = mirrored(box, view)
    expected = replace(given.expected, **ROUGH) if entry == "minimize, lbfgsb" else given.expected
    expected.judge(FITS[entry].ask(given)[0])


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("entry", "box"), ids(CELLS))
def test_cell(entry, box):
    """Whichever end binds, above zero and below, the answer is right; the views that are known to be wrong are."""
    settle(in_views(MIRROR_FAULTS, (entry, box), VIEWS), {view: partial(judge, entry, box, view) for view in VIEWS})


def test_table_names_cells():
    """The table of faults names cells."""
    assert {key[:2] for key in MIRROR_FAULTS} <= set(CELLS)
    assert {key[2] for key in MIRROR_FAULTS} <= {"", *VIEWS}
