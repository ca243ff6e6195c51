"""Batches that go to the C core in slices: the tests of batches again with slices of a few rows, and what has to count across them."""
import inspect

import numpy as np
import pytest
from curves import test_batch

from gslfit import FitStatus, Formula, Parameters, fit_batch
from gslfit.curves import run_batch
from gslfit.errors import InputError, NonFiniteError

X = np.linspace(0, 6, 30)
RNG = np.random.default_rng(17)
TRUE = {"a": RNG.uniform(2, 6, (7, 3)), "b": RNG.uniform(.3, 1.2, (7, 3))}
Y = TRUE["a"][..., None]*np.exp(-TRUE["b"][..., None]*X) + .5 + .05*RNG.standard_normal((7, 3, 30))
START = {"a": TRUE["a"]*1.1, "b": TRUE["b"]*.9, "c": .4}
TEXT = "a*exp(-b*x) + c"
OWN = [name for name, function in vars(test_batch).items() if name.startswith("test_") and callable(function)
       and not inspect.signature(function).parameters and not getattr(function, "pytestmark", ())]


def sliced(monkeypatch, rows):
    """Make a slice hold so many rows of Y's first axis."""
    monkeypatch.setattr(run_batch, "SLICE", rows*Y[0].size)


def same(one, other):
    """Whether two results are the same to the last bit."""
    for name in one.values:
        np.testing.assert_array_equal(one.values[name], other.values[name])
        np.testing.assert_array_equal(one.stderr[name], other.stderr[name])
    for name in ("chisqr", "redchi", "status", "nfev", "ndata", "gradient"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    if one.covar is not None:
        np.testing.assert_array_equal(one.covar, other.covar)


@pytest.mark.parametrize("name", OWN)
def test_batches_again(name, monkeypatch):
    """Every test of what a batch means holds where it goes through in slices of one or two rows."""
    monkeypatch.setattr(run_batch, "SLICE", 60)
    getattr(test_batch, name)()


def test_most_are_found():
    """The tests of batches that take no fixture are there to be run again."""
    assert len(OWN) > 15


def tied():
    """Parameters with a bound, an expression, and one that each fit has its own fixed value of."""
    params = Parameters()
    params.add("a", 3.0, min=0)
    params.add("b", .5, min=.01, max=9)
    params.add("c", .5, vary=False)
    params.add("area", expr="a/b")
    return params


CALLS = {
    "types": lambda y: fit_batch(TEXT, y.astype("f2"), x=X, start=START, covar=True),
    "raise": lambda y: fit_batch(TEXT, y, x=X, start=START, nan_policy="raise"),
    "yerr": lambda y: fit_batch(TEXT, y, x=X, start=START, yerr=.05 + .01*np.arange(y.size).reshape(y.shape) % 3),
    "own x": lambda y: fit_batch(TEXT, y.astype("f2"), x=X + .01*np.arange(21).reshape(7, 3, 1), start=START),
    "inputs": lambda y: fit_batch(TEXT, y.astype("f2"), tied(), x=X, start={"c": .5 + .001*np.arange(21).reshape(7, 3)}, covar=True),
    "weights": lambda y: fit_batch(Formula(TEXT), y.astype("f2"), x=X, start=START, weights=1 + np.arange(7*3*30).reshape(7, 3, 30) % 4),
    "lmsder": lambda y: fit_batch(TEXT, y.astype("f2"), tied(), x=X, method="lmsder"),
    "holes": lambda y: fit_batch(TEXT, np.where(np.arange(30) % 11 == 3, np.nan, y).astype("f2"), x=X, start=START, nan_policy="omit"),
}


@pytest.mark.parametrize("rows", [1, 2, 3])
@pytest.mark.parametrize("call", CALLS)
def test_same_bits(call, rows, monkeypatch):
    """A slice's rows have the starts, points, weights and inputs that are theirs: slices of any size give the same bits as none."""
    whole = CALLS[call](Y)
    assert whole.shape == (7, 3)
    assert whole.success.mean() > .8
    sliced(monkeypatch, rows)
    same(CALLS[call](Y), whole)


@pytest.mark.parametrize("rows", [1, 2, 3, 100])
def test_rows_in_messages(rows, monkeypatch):
    """A message names the row by its place in the whole batch, whichever slice it is in."""
    sliced(monkeypatch, rows)
    hole = Y.copy()
    hole[5, 2, 7] = np.nan
    with pytest.raises(NonFiniteError, match=r"y is nan at fit \(5, 2\), point 7"):
        fit_batch(TEXT, hole, x=X, start=START, nan_policy="raise")
    x = np.broadcast_to(X, Y.shape).copy()
    x[4, 1, 3] = np.inf
    with pytest.raises(NonFiniteError, match=r"x is inf at fit \(4, 1\), point 3"):
        fit_batch(TEXT, Y, x=x, start=START, nan_policy="raise")
    errors = np.full(Y.shape, .1)
    errors[6, 0, 2] = -1
    with pytest.raises(InputError, match=r"yerr\[6, 0, 2\] is"):
        fit_batch(TEXT, Y, x=X, start=START, yerr=errors)


@pytest.mark.parametrize("rows", [1, 3])
def test_progress(rows, monkeypatch):
    """Progress counts all fits, never falls, and ends at their number."""
    sliced(monkeypatch, rows)
    seen = []
    fit_batch(TEXT, Y.astype("f2"), x=X, start=START, progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 21


def test_rows_of_nothing(monkeypatch):
    """Rows that can't be fitted have their status in their own place, across slices."""
    hole = Y.copy()
    hole[0, 0], hole[3, 1, 4], hole[6, 2, 2:] = np.nan, np.inf, np.nan
    sliced(monkeypatch, 2)
    found = fit_batch(TEXT, hole.astype("f2"), x=X, start=START)
    bad = np.zeros((7, 3), bool)
    bad[[0, 3, 6], [0, 1, 2]] = True
    np.testing.assert_array_equal(found.status == FitStatus.BAD_DATA, bad)
    assert np.isnan(found.values["a"][bad]).all()
    assert np.isfinite(found.values["a"][~bad]).all()


def test_progress_goes_on(monkeypatch):
    """The fits that are done are counted through all slices, up to all of them."""
    y = np.tile(Y.reshape(21, 30).astype("f2"), (6000, 1))
    monkeypatch.setattr(run_batch, "SLICE", y.size//3)
    told = []
    fit_batch(TEXT, y, x=X, a=4., b=.7, c=.4, progress=told.append, threads=1)
    assert told == sorted(told) and told[-1] == len(y)
