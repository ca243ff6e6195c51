"""Which points count, further: masks of x and weights, what lies under a mask, rows of which nothing is left, forms of weights, shapes."""
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from gslfit.errors import InputError, InputTypeError, NonFiniteError
from parity.expected import Answer, Expected, Marked, Refused, Right
from parity.inputs import FLAWED, KEPT, NEIGHBOUR, OUT, PARS, WRONG, Given, Input, X, Y, column, decay, left_out
from parity.oracle import truth

SPOILT = np.where(OUT, -77.0, NEIGHBOUR)
ERRORS = 0.02*(1 + 0.5*np.sin(3*X))


class NothingLeft(Expected):
    """An error of gslfit's own, or rows that are no success and have no numbers."""

    def refused(self, error: Exception) -> None:
        if type(error) not in (InputError, InputTypeError, NonFiniteError):
            raise error

    def judge(self, answer: Answer) -> None:
        assert not answer.success
        assert answer.ndata < 3
        assert np.all(np.isnan([*answer.values.values(), answer.chisqr])), answer
        assert set(answer.stderr.values()) == {None}, answer


def with_root(x, a, b, c):
    """Return a curve that is NaN at its first points."""
    with np.errstate(invalid="ignore"):
        return decay(x, a, b, c) + 0.1*np.sqrt(x - 0.2)


def hidden(numbers: np.ndarray, mask: np.ndarray = OUT) -> Any:
    """Return a masked array."""
    return np.ma.array(numbers, mask=np.broadcast_to(mask, numbers.shape))


def under_masks() -> list[Input]:
    """Masks of x and of weights; NaN under a mask, under a weight of 0, under an infinite error."""
    kept, beside = left_out(KEPT, Y), left_out(KEPT, NEIGHBOUR)
    rows = {"neighbour": SPOILT, "next_door": beside}
    weights = KEPT*1.0
    with np.errstate(divide="ignore"):
        yerr = 1/weights
    nan = {"y": FLAWED, "neighbour": np.where(OUT, np.nan, NEIGHBOUR), "next_door": beside}
    spots = X < 0.2
    rooted = with_root(X, 2.0, 1.0, 0.5)
    y = np.where(spots, 1.0, rooted) + (Y - decay(X, 2.0, 1.0, 0.5))
    root = Right(truth(with_root, PARS, X[~spots], y[~spots]))
    not_finite = Refused(NonFiniteError, "nan|finite")
    lmfits = {"compat Model.fit": not_finite, "compat fit_batch": Marked(int(KEPT.sum()))}
    return [
        column("x masked", kept, wrap=np.asarray, wrap_x=hidden, y=WRONG, residual=hidden, **rows),
        column("weights masked", kept, weights=hidden(np.ones_like(X)), y=WRONG, **rows),
        column("NaN under the mask", kept, wrap=hidden, wrap_x=np.asarray, **nan),
        column("NaN under mask=", kept, mask=OUT, **nan),
        column("NaN at weight 0", {"": kept, **lmfits}, weights=weights,
               **nan | {"next_door": {"": beside, "compat fit_batch": lmfits["compat fit_batch"]}}),
        column("NaN at an infinite sigma", {"": kept, "curve_fit": not_finite}, yerr=yerr, **nan),
        column("model NaN under the mask", root, curve=with_root, wrap=lambda each: hidden(each, spots), wrap_x=np.asarray, y=y,
               neighbour=None)]


def nothing_left() -> list[Input]:
    """Rows of which fewer points are left than there are parameters: the row says so, its neighbour is fitted."""
    every, gone = np.ones_like(OUT), np.full_like(Y, np.nan)
    few = np.arange(X.size) > 1
    beside = Right(truth(decay, PARS, X, NEIGHBOUR))

    def masked_row(mask: np.ndarray) -> Callable[[np.ndarray], Any]:
        return lambda each: hidden(each, mask if each.ndim == 1 else np.stack([mask, np.zeros_like(mask)]))
    return [
        column("everything masked", NothingLeft(), wrap=masked_row(every), wrap_x=np.asarray, next_door=beside),
        column("all but two points masked", NothingLeft(), wrap=masked_row(few), wrap_x=np.asarray, next_door=beside),
        column("all NaN with omit", NothingLeft(), y=gone, next_door=beside, nan_policy="omit"),
        column("all but two points NaN with omit", NothingLeft(), y=np.where(few, np.nan, Y), next_door=beside, nan_policy="omit"),
        column("two points", NothingLeft(), x=X[:2], y=Y[:2], neighbour=NEIGHBOUR[:2], next_door=NothingLeft())]


def of_weights() -> list[Input]:
    """Forms of weights and errors, and those that can't be."""
    import pandas as pd
    weights = 1/ERRORS
    right, beside = (Right(truth(decay, PARS, X, y, weights=weights)) for y in (Y, NEIGHBOUR))
    plain, plain_beside = (Right(truth(decay, PARS, X, y, weights=np.full(X.size, 50.0))) for y in (Y, NEIGHBOUR))
    forms: dict[str, Any] = {"list": weights.tolist(), "strided": np.repeat(weights, 3)[::3], "Series": pd.Series(weights, X + 7)}
    bad = np.where(OUT, 0.0, ERRORS), np.where(OUT, -1.0, ERRORS)
    per_row = column("weights by row", right, weights=weights, next_door=right)
    by_row = Right(truth(decay, PARS, X, NEIGHBOUR, weights=weights[::-1]))
    return [
        *(column(f"weights, {name}", right, weights=each, next_door=beside) for name, each in forms.items()),
        column("weights, negative", right, weights=-weights, next_door=beside),
        column("weights, a number", plain, weights=50.0, next_door=plain_beside),
        column("yerr, a number", plain, yerr=0.02, next_door=plain_beside),
        column("yerr, list", right, yerr=ERRORS.tolist(), next_door=beside),
        column("sigma zero", Refused(InputError, "yerr|sigma"), yerr=bad[0]),
        column("sigma negative", Refused(InputError, "yerr|sigma"), yerr=bad[1]),
        column("weights too short", Refused(InputError, "weights|yerr"), weights=weights[:-1]),
        replace(per_row, batch=Given(X, np.stack([Y, NEIGHBOUR]), weights=np.stack([weights, weights[::-1]])), neighbour=by_row)]


def of_shapes() -> list[Input]:
    """Columns, rows, cubes, repeated rows and rows backwards."""
    right, beside = Right(truth(decay, PARS, X, Y)), Right(truth(decay, PARS, X, NEIGHBOUR))
    either = Right(right.truth, either=(InputError, InputTypeError), quiet=False)
    alone = column("", either, neighbour=None)
    two = np.stack([Y, NEIGHBOUR])
    order = np.random.default_rng(8).permutation(X.size)
    return [
        replace(alone, name="y (n, 1)", single=Given(X, Y[:, None]), batch=Given(X, Y[:, None])),
        replace(alone, name="x (n, 1)", single=Given(X[:, None], Y), batch=Given(X[:, None], Y[None])),
        replace(alone, name="y (1, n)", single=Given(X, Y[None]), batch=Given(X, Y[None])),
        column("points in another order", x=X[order], y=Y[order], neighbour=NEIGHBOUR[order]),
        replace(column("rows repeated", neighbour=None), batch=Given(X, np.broadcast_to(Y, (5, X.size)))),
        replace(column("rows backwards", next_door=beside), batch=Given(X, two[::-1][::-1])),
        replace(column("cube", next_door=beside), batch=Given(X, np.array([[Y, NEIGHBOUR], [NEIGHBOUR, Y], [Y, Y]]))),
        replace(column("points first", next_door=beside), batch=Given(X, np.ascontiguousarray(two.T).T)),
        replace(column("x by row", next_door=beside), batch=Given(np.stack([X, X[::-1]]), np.stack([Y, NEIGHBOUR[::-1]])))]


POINTS = {each.name: each for each in (*under_masks(), *nothing_left(), *of_weights(), *of_shapes())}
