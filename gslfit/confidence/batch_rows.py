"""The rows of a fitted batch as the profiles need them: a program in which what is held is an input, and some rows' arrays at a time."""
from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from gslfit.confidence.engine import orders_of
from gslfit.curves.batch_result import BatchResult
from gslfit.curves.patterns import groups
from gslfit.curves.priors import extended_formula, extended_inputs
from gslfit.curves.run_batch import readable
from gslfit.data.inputs import Factors, Inputs
from gslfit.data.layout import Layout
from gslfit.errors import ExpressionError
from gslfit.formula.parametrize import fold
from gslfit.records import Record


class Rows(Record):
    """Some rows, as `gslfit.confidence._profile.profiles` takes them: arrays (rows, n), or (n,) for all; bounds (rows, p), or (p,)."""

    y: np.ndarray
    x: list[np.ndarray]
    weights: np.ndarray | None
    mask: np.ndarray | None
    best: np.ndarray
    low: np.ndarray
    high: np.ndarray
    inputs: list[np.ndarray]
    responses: np.ndarray | None


def patterns_of(batch: BatchResult) -> Iterator[tuple[tuple[str, ...], np.ndarray]]:
    """Yield which parameters that vary elsewhere are held, and the numbers of the rows in which they are."""
    limits, names = batch.data.limits, () if batch.data.limits is None else batch.data.limits.patterned
    if limits is None or not names:
        yield (), np.arange(len(batch))
        return
    held = ~np.stack([limits.vary[name].reshape(-1) for name in names])
    for pattern, rows in groups(held, 1):
        yield tuple(name for name, out in zip(names, pattern, strict=True) if out), rows


class BatchRows:
    """The rows of a batch in which the same parameters are held.

    Parameters
    ----------
    batch : BatchResult
    held : sequence of str
        The parameters that vary elsewhere, but not here.

    Attributes
    ----------
    folded : Folded
        The formula, extended by priors, with what is the same in all fits folded in.
    omit : bool
        Whether points that are not finite are left out.
    numbers : int
        How many numbers the data have.

    Raises
    ------
    ExpressionError
        If there is no program, or the errors are correlated: then the fits weren't run by one.
    """

    def __init__(self, batch: BatchResult, held: Sequence[str]) -> None:
        data = batch.data
        if not data.formula.native or data.ycov is not None or batch.reason or data.y is None:
            raise ExpressionError(batch.reason or "the errors are correlated", data.formula.text)
        self.batch, self.data = batch, data
        self.counts = data.loss == "poisson"
        formula = data.formula if data.prior is None else extended_formula(data.formula, data.prior, self.counts)
        params, own = None if data.parameters is None else data.parameters.copy(), list(held)
        for name, par in () if params is None else params.items():
            if name in held:
                par.vary = False
            elif par.expr is None and not par.vary:
                if np.ndim(data.start.get(name, 0.)):
                    own.append(name)
                else:
                    par.value = float(np.asarray(batch.values[name]).reshape(-1)[0]) if len(batch) else 0.
        self.folded = fold(formula, params, own)
        self.lead = batch.shape or (1,)
        n, good = data.y.shape[-1], np.asarray(batch.success)
        known = np.asarray(batch.ndata) - (0 if data.prior is None else len(data.prior.texts))
        self.omit, self.numbers = bool((known[good] < n).any()), len(batch)*n
        self.boxes = None if data.limits is None else data.limits.boxes(self.folded)

    def _of(self, array: Any, rows: np.ndarray, points: int = 1) -> Any:
        """Return some rows of an array (..., n), or (...) with points=0; what is for all rows as it is."""
        if array is None or np.ndim(array) <= points:
            return array
        if len(self.lead) == 1 and rows[-1] - rows[0] == rows.size - 1:
            return array[rows[0]:rows[-1] + 1]
        at = np.unravel_index(rows, self.lead)
        if type(array) is not np.ndarray:       # of a file, or labelled: the part that has them all
            first = int(at[0].min())
            array, at = np.asarray(array[first:int(at[0].max()) + 1]), (at[0] - first, *at[1:])
        shape = array.shape[:array.ndim - points]
        return array[tuple(k if size > 1 else np.zeros_like(k) for k, size in zip(at, shape, strict=True))]

    def part(self, rows: np.ndarray) -> Rows:
        """Return some rows."""
        data, folded = self.data, self.folded
        assert data.y is not None
        y = readable(np.asarray(self._of(data.y, rows) if self.batch.shape else data.y[None]))
        x = [readable(np.asarray(self._of(each, rows))) for each in data.x]
        weights, mask = (None if each is None else readable(np.asarray(self._of(each, rows))) for each in (data.weights, data.mask))
        if data.prior is not None:
            y, x, weights, mask = self._extended(rows, y, x, weights, mask)
        values = {name: np.asarray(self._of(np.asarray(self.batch.values[name]), rows, 0), float)
                  for name in (*folded.names, *folded.inputs)}
        best = np.stack([np.broadcast_to(values[name], (rows.size,)) for name in folded.names], axis=1)
        boxes: Any = folded.boxes if self.boxes is None else [
            [np.broadcast_to(self._of(each, rows, 0), (rows.size,)) for each in box] for box in self.boxes]
        low, high = (np.ascontiguousarray(np.stack([np.asarray(box[k], float) for box in boxes], axis=-1)) for k in (0, 1))
        inputs = [np.broadcast_to(values[name], (rows.size,)) for name in folded.inputs]
        own = folded.response
        responses = None if own is None or own.numbers.ndim == 1 else own.numbers.reshape(-1, own.length)[rows]
        return Rows(y, x, weights, mask, np.ascontiguousarray(best), low, high, inputs, responses)

    def _extended(self, rows: np.ndarray, y: np.ndarray, x: list[np.ndarray], weights: np.ndarray | None,
                  mask: np.ndarray | None) -> tuple[np.ndarray, list[np.ndarray], np.ndarray | None, np.ndarray | None]:
        """Return arrays with a point more for each prior."""
        data = self.data
        factors = None if weights is None else Factors("yerr" if data.inverted else "weights", weights)
        given = Inputs(Layout(y.shape, (1,)), None, y, dict(zip(data.formula.independent, x, strict=True)), factors, mask)
        prior = data.prior if not self.batch.shape else data.prior.of_rows(np.unravel_index(rows, self.lead))
        whole = extended_inputs(given, prior, self.counts)
        return (whole.y, [readable(each) for each in whole.x.values()], None if whole.factors is None else whole.factors.array, whole.mask)

    def orders(self, part: Rows, row: int) -> np.ndarray:
        """Return the exchanges of parameters that leave the model as it is, tried at one of some rows."""
        x = [each if each.ndim == 1 else each[row] for each in part.x]
        inputs = np.array([each[row] for each in part.inputs], float) if part.inputs else None
        folded = self.folded.of_row(None if part.responses is None else part.responses[row])
        return orders_of(folded, part.best[row], x, inputs)
