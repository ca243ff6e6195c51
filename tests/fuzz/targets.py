"""What reads texts and files that strangers write: each takes any bytes, and ends well or with the one error that says what is wrong.

`guided.py` looks for bytes that end otherwise, `test_corpora.py` tries those that it kept.
"""
from __future__ import annotations

import io
import json
import warnings
from collections.abc import Callable

import numpy as np

import gslfit
from gslfit.cli.endings import Refused
from gslfit.cli.table import read_table
from gslfit.errors import FitError

X = np.linspace(0.25, 4, 9)
Y = 4*np.exp(-(X - 2)**2/.8) + .03*np.sin(9*X)
VALUES = {"a": 1.5, "b": -0.25, "c": 1e-3}


def text_of(content: bytes) -> str:
    """Return bytes as text, each byte that is no UTF-8 as a character of its own."""
    return content.decode("utf-8", "surrogateescape")


def formula(content: bytes) -> None:
    """Read a formula, typeset it, and evaluate it and its derivatives."""
    found = gslfit.Formula(text_of(content))
    values = {name: VALUES.get(name, 0.5 + 0.25*k) for k, name in enumerate(found.names)}
    points = [X]*len(found.independent)
    value, slopes = np.asarray(found(*points, **values)), np.asarray(found.jacobian(*points, **values))
    assert value.shape == X.shape and slopes.shape == (X.size, len(found.names)), (value.shape, slopes.shape)
    assert gslfit.Formula(found.text, found.independent).names == found.names
    found.latex()


def expression(content: bytes) -> None:
    """Make a parameter that depends on others by an expression, and change one of them."""
    params = gslfit.Parameters()
    for name, value in VALUES.items():
        params.add(name, value)
    params.add("d", expr=text_of(content) or "a")       # an empty one is none
    for value in (1.5, 0.0, -2.0):
        params["a"].value = value
        assert isinstance(params["d"].value, float)
    assert gslfit.Parameters().loads(params.dumps())["d"].expr == params["d"].expr


def parameters(content: bytes) -> None:
    """Read parameters, and write them and read them again."""
    found = gslfit.Parameters().loads(text_of(content))
    written = found.dumps()
    assert gslfit.Parameters().loads(written).dumps() == written


def model(content: bytes) -> None:
    """Read a model, and write it and read it again."""
    found = gslfit.Model("a*x").loads(text_of(content))
    written = found.dumps()
    assert gslfit.Model("a*x").loads(written).dumps() == written
    found.make_params()


def result(content: bytes) -> None:
    """Read a model's result, and ask it for what it knows."""
    found = gslfit.models.GaussianModel().fit(Y, x=X, amplitude=4, center=2, sigma=.6).loads(text_of(content))
    found.fit_report()
    found.dumps()


def batch(content: bytes) -> None:
    """Read the file of a batch, and ask its first fit for what it knows."""
    found = gslfit.BatchResult.load(io.BytesIO(content))
    if found.status.size:
        found[(0,)*found.status.ndim].fit_report()


def table(content: bytes) -> None:
    """Read a table of numbers, column by column."""
    found = read_table("a file", content)
    for place in range(min(len(found.names), 20)):
        assert len(found.column(place)) == len(found.lines)
        found.names_of(place)
    found.described()


TARGETS: dict[str, Callable[[bytes], None]] = {
    each.__name__: each for each in (formula, expression, parameters, model, result, batch, table)}
# lengths that the fuzzer goes to
LENGTHS = {"formula": 200, "expression": 200, "parameters": 1000, "model": 1000, "result": 6000, "batch": 6000, "table": 2000}


def ends_well(target: str, content: bytes) -> bool:
    """Feed bytes to a target; whether they were taken. Refusals are raised by no other error than gslfit's own, in a message."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            TARGETS[target](content)
        except (FitError, Refused) as error:
            if not str(error):
                raise AssertionError(f"{type(error).__name__} without a message") from error
            return False
    return True


def good(target: str) -> list[bytes]:
    """Return what the fuzzer begins with: bytes that a target takes."""
    texts: list[str] = []
    if target == "formula":
        texts = ["a*exp(-x/b) + c", "t = (x - a)/b; c*exp(-t**2/2)", "where(x > a, b*x, c)", "c*voigt(x - a, b)",
                 "a if x > 0.33 else b**-2 % 3"]
    elif target == "expression":
        texts = ["a + 2*b", "sqrt(abs(a))*c if a > b else 1e3", "max(a, b, c) // 2", "a**2 and not b", "sin(pi*a)/e"]
    elif target in ("parameters", "model", "result"):
        params = gslfit.Parameters()
        params.add("a", 1.5, min=-3.0, max=7.0)
        params.add("b", expr="2*a")
        gaussian = gslfit.models.GaussianModel(prefix="p_")
        line = gslfit.Model("m*x + k")
        texts = {"parameters": [params.dumps()], "model": [gaussian.dumps(), line.dumps(), (gaussian + line).dumps()],
                 "result": [line.fit(Y, x=X, m=1, k=1).dumps()]}[target]
    elif target == "batch":
        file = io.BytesIO()
        gslfit.fit_batch("a*x + b", [Y, Y*2], x=X, a=1, b=1).save(file)
        return [file.getvalue()]
    else:
        texts = ["x,y\n1,2\n3,4.5\n", "# t (s)\tU\n1,5\t2\n2,5\t-3e-4\n", "1;2\n3;nan\n", 'a "b c" 1\n1D3 2 3\n', "\ufeffx y\n1 2\n"]
    return [text.encode() for text in texts]


def show(content: bytes) -> str:
    """Return bytes as a message shows them."""
    return json.dumps(text_of(content))[:300]
