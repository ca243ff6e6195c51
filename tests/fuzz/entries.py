"""The entries under test: each fits a block's rows and says where they ended and which it calls a success."""
from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np

import gslfit
from fuzz.draws import Block

ROWS = {"fit_batch": 1000, "fit": 100, "minimize": 40}
"""Rows of a block: those of the quicker entries are many, so that NumPy judges them at full speed."""


class Ends(NamedTuple):
    """Where the rows of a block ended.

    `raised` has the error's class for a row whose fit raised, else "". `values` are (rows, p), the others (rows,).
    """

    values: np.ndarray
    success: np.ndarray
    status: np.ndarray
    raised: np.ndarray


def parameters(block: Block) -> gslfit.Parameters:
    """Return the block's bounds as Parameters, with the first row's start."""
    made = gslfit.Parameters()
    for name, value, low, high in zip(block.text.names, block.start[0], block.low, block.high, strict=True):
        made.add(name, float(value), min=float(low), max=float(high))
    return made


def factor(block: Block, row: int | None = None) -> dict[str, np.ndarray]:
    """Return the keyword of a call that hands over the weights: of all rows, or of one."""
    if block.weights is None:
        return {}
    chosen = block.weights if row is None or block.weights.ndim == 1 else block.weights[row]
    return {"yerr": 1.0/chosen} if block.inverted else {"weights": chosen}


def run_batch(block: Block, rows) -> Ends:
    """Fit all rows by `fit_batch`, in one thread."""
    text = block.text
    try:
        result = gslfit.fit_batch(gslfit.Formula(text.text, text.independent), block.y, parameters(block),
                                  x=dict(zip(text.independent, block.x, strict=True)), threads=1, **factor(block),
                                  start={name: block.start[:, k] for k, name in enumerate(text.names)})
    except Exception as error:
        return blank(block, type(error).__name__)
    values = np.stack([result.values[name] for name in text.names], axis=1)
    return Ends(values, np.array(result.success), np.array(result.status), np.full(len(block.y), "", object))


def blank(block: Block, raised: str = "") -> Ends:
    """Return ends without results."""
    rows = len(block.y)
    return Ends(np.full(block.start.shape, np.nan), np.zeros(rows, bool), np.zeros(rows, int), np.full(rows, raised, object))


def run_fit(block: Block, rows) -> Ends:
    """Fit rows one by one by `fit`."""
    text, params, ends = block.text, parameters(block), blank(block)
    formula = gslfit.Formula(text.text, text.independent)
    x = dict(zip(text.independent, block.x, strict=True))

    def one(row):
        result = gslfit.fit(formula, block.y[row], params, x=x, threads=1, **factor(block, row),
                            start=dict(zip(text.names, block.start[row].tolist(), strict=True)))
        return result.params, result.success
    return gathered(block, rows, ends, one)


def run_minimize(block: Block, rows) -> Ends:
    """Fit rows one by one by `minimize`: its residual is this folder's evaluation of the formula, with the Jacobian where n is even."""
    text, ends = block.text, blank(block)
    exact = len(block.x[0]) % 2 == 0

    def one(row):
        params, y = parameters(block), block.y[row]
        for name, value in zip(text.names, block.start[row].tolist(), strict=True):
            params[name].value = value
        weights = 1.0 if block.weights is None else block.weights if block.weights.ndim == 1 else block.weights[row]

        def vector(p):
            return np.array([[p[name].value for name in text.names]])

        def residual(p):
            return (np.broadcast_to(text.jet(block.x, vector(p), 0).value, (1, y.size))[0] - y)*weights

        def jacobian(p):
            jet = text.jet(block.x, vector(p), 1)
            return np.stack([np.broadcast_to(jet.d.get(k, 0.0), (1, y.size))[0]*weights for k in range(len(text.names))], axis=1)

        fitted = gslfit.minimize(residual, params, **({"Dfun": jacobian} if exact else {}))
        return params, fitted.success
    return gathered(block, rows, ends, one)


def gathered(block: Block, rows, ends: Ends, one) -> Ends:
    """Return the ends of rows that are fitted one by one; an error is a row's own."""
    for row in rows:
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                params, success = one(row)
        except Exception as error:
            ends.raised[row] = type(error).__name__
            continue
        ends.values[row] = [params[name].value for name in block.text.names]
        ends.success[row] = success
    return ends


RUN = {"fit_batch": run_batch, "fit": run_fit, "minimize": run_minimize}
