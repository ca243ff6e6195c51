"""Further inputs: number types, orders, containers that are none of NumPy's, and what is no data at all."""
import array
import tempfile
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import numpy as np

from gslfit.errors import InputError, InputTypeError, NonFiniteError
from parity.expected import Answer, Expected, Marked, Refused, Right
from parity.inputs import BATCHES, KEPT, NEIGHBOUR, OUT, PARS, RESIDUALS, Given, Input, X, Y, column, decay
from parity.oracle import Par, truth

WRONG_KIND = (InputTypeError, InputError)
WHOLE = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")


def of_types() -> list[Input]:
    """Return number types: those that hold all of float64's numbers of the data, and those that round them."""
    def rounded(name: str, times: float) -> Input:
        y, neighbour = (np.asarray(each*times, name).astype(float) for each in (Y, NEIGHBOUR))
        pars = {key: Par(par.value*(1.0 if key == "b" else times)) for key, par in PARS.items()}
        coarse = Right(truth(decay, pars, X, y), 0.05, 0.05, quiet=False)
        return column(name, {"": Right(truth(decay, pars, X, y)), **(dict.fromkeys(RESIDUALS, coarse) if name == "float16" else {})},
                      wrap=lambda each: each.astype(name), wrap_x=np.asarray, y=y, neighbour=neighbour, pars=pars)
    return [*(rounded(name, 40.0) for name in WHOLE), rounded("float16", 1.0), rounded("longdouble", 1.0)]


def of_truths() -> Input:
    """Truth values, which NumPy doesn't subtract from one another: whether something still lived at its time."""
    draws = np.random.default_rng(2).random((2, X.size))
    y, neighbour = (decay(X, 0.9, 0.9, 0.05) > draws).astype(float)
    pars = {"a": Par(0.7), "b": Par(0.7), "c": Par(0.1)}
    return column("bool", wrap=lambda each: each > 0.5, wrap_x=np.asarray, y=y, neighbour=neighbour, pars=pars)


class ArrayLike:
    """What h5py's and zarr's arrays have: a shape, a type, parts by index, and NumPy's protocol."""

    def __init__(self, numbers: np.ndarray):
        self._numbers = numbers
        self.shape, self.dtype, self.ndim, self.size = numbers.shape, numbers.dtype, numbers.ndim, numbers.size

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Any) -> np.ndarray:
        return self._numbers[index]

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return np.array(self._numbers, dtype)


class ColumnLike:
    """What polars' Series has: a type and a shape of its own, `to_numpy`, and NumPy's protocol."""

    dtype = "Float64"

    def __init__(self, numbers: np.ndarray):
        self._numbers = numbers

    @property
    def shape(self) -> tuple[int, ...]:
        return self._numbers.shape

    def __len__(self) -> int:
        return len(self._numbers)

    def __iter__(self) -> Any:
        return iter(self._numbers.tolist())

    def __getitem__(self, index: Any) -> Any:
        found = self._numbers[index]
        return ColumnLike(found) if isinstance(found, np.ndarray) else float(found)

    def to_numpy(self) -> np.ndarray:
        return self._numbers

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return np.array(self._numbers, dtype)


def mapped(numbers: np.ndarray) -> np.ndarray:
    """Numbers in a file."""
    with tempfile.TemporaryFile() as file:
        out = np.memmap(file, dtype=float, shape=numbers.shape)
    out[...] = numbers
    return out


def read_only(numbers: np.ndarray) -> np.ndarray:
    out = numbers.copy()
    out.flags.writeable = False
    return out


def of_containers() -> list[Input]:
    """Containers: the same numbers in each."""
    import pandas as pd
    import xarray as xr

    def alone(name: str, wrap: Callable[[np.ndarray], Any], **further: Any) -> Input:
        return column(name, wrap=wrap, neighbour=None, **further)

    def one_axis(made: Input, wrap: Callable[[np.ndarray], Any]) -> Input:
        return replace(made, batch=Given(wrap(X), wrap(Y)))         # a batch of shape ()
    flat: Mapping[str, Callable[[np.ndarray], Any]] = {
        "array.array": lambda each: array.array("d", each), "memoryview": lambda each: memoryview(np.ascontiguousarray(each)),
        "polars-like Series": ColumnLike, "Series of Float64": lambda each: pd.Series(each, dtype="Float64"), "Index": pd.Index,
        "DataArray": lambda each: xr.DataArray(each, dims="x")}
    return [
        column("tuple", wrap=lambda each: tuple(each.tolist())), column("memory map", wrap=mapped),
        column("array-protocol object", wrap=ArrayLike), column("read-only", wrap=read_only),
        column("Fortran order", wrap=np.asfortranarray),
        column("DataFrame of rows", wrap=lambda each: pd.DataFrame(each) if each.ndim == 2 else each),
        *(replace(one_axis(alone(name, np.asarray, residual=wrap), wrap), single=Given(wrap(X), wrap(Y))) for name, wrap in flat.items())]


def of_missing() -> list[Input]:
    """pandas' own missing numbers, which are NaN to everybody else."""
    import pandas as pd
    y = pd.Series(np.where(OUT, np.nan, Y)).convert_dtypes()
    assert y.isna().sum() == OUT.sum()
    assert str(y.dtype) == "Float64"

    def residual(r: np.ndarray) -> Any:
        return pd.Series(np.where(OUT, np.nan, r)).convert_dtypes()
    kept = Right(truth(decay, PARS, X[KEPT], Y[KEPT]))
    refused = Refused(NonFiniteError, "nan|finite")
    made = [column("NA with omit", kept, neighbour=None, nan_policy="omit", residual=residual),
            column("NA without", {"": refused, **dict.fromkeys(BATCHES, Marked(int(KEPT.sum())))}, neighbour=None, residual=residual)]
    return [replace(each, single=Given(X, y), batch=Given(X, y)) for each in made]


def spiral(x, a, b, c):
    """Return a complex curve."""
    return a*np.exp(-b*x)*np.exp(3j*x) + c


def spiral_parts(x, a, b, c):
    """Its real and imaginary parts, one after the other for each point, from points that are there twice."""
    which = np.arange(x.size) % 2
    return a*np.exp(-b*x)*np.where(which, np.sin(3*x), np.cos(3*x)) + c*(1 - which)


def of_other_kinds() -> list[Input]:
    """Complex numbers and dates."""
    y = spiral(X, 2.0, 1.0, 0.5) + np.random.default_rng(3).normal(0, 0.02, (2, X.size)).T @ [1, 1j]
    parts = Right(truth(spiral_parts, PARS, np.repeat(X, 2), y.view(float)))
    refused = Refused(WRONG_KIND, "complex")
    days = np.datetime64("2026-03-01") + np.arange(X.size)
    no_dates = Refused(WRONG_KIND, "date")
    spans = Refused(WRONG_KIND, "timedelta|span|dura")
    return [
        column("complex", {"": refused, "minimize": parts, "compat.minimize": parts, "Model.fit": parts, "compat Model.fit": parts}, y=y,
               wrap=np.asarray, neighbour=None, curve=spiral),
        replace(column("dates as x", no_dates, neighbour=None), single=Given(days, Y), batch=Given(days, Y[None])),
        replace(column("spans of time as x", spans, neighbour=None), single=Given(days - days[0], Y), batch=Given(days - days[0], Y[None]))]


@dataclass(frozen=True)
class NoPoints(Expected):
    """An error, or rows that are no success and have no numbers."""

    def refused(self, error: Exception) -> None:
        if not isinstance(error, WRONG_KIND):
            raise error

    def judge(self, answer: Answer) -> None:
        assert not answer.success
        assert answer.ndata == 0
        assert np.all(np.isnan([*answer.values.values(), answer.chisqr])), answer


def of_no_data() -> list[Input]:
    """Return what can't be data: an error of gslfit's own that says so."""
    def refused(name: str, y: Any, words: str = "", x: Any = X, **by_entry: Expected) -> Input:
        expected = {"": Refused(WRONG_KIND, words)} | by_entry
        return replace(column(name, expected, neighbour=None, residual=lambda r: y), single=Given(x, y), batch=Given(x, y))

    matrix = Right(truth(decay, PARS, X, Y), either=WRONG_KIND, quiet=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        rows = {"single": Given(np.matrix(X), np.matrix(Y)), "batch": Given(X, np.matrix(np.stack([Y, NEIGHBOUR])))}
    return [
        refused("0-d array", np.array(1.0)), refused("None", None), refused("dict", {"y": Y}), refused("generator", iter(Y.tolist())),
        refused("text", ["a"]*X.size, "str|text|number|<U"),
        refused("empty", np.array([]), x=np.array([]), **dict.fromkeys(BATCHES, NoPoints())),
        refused("structured array", np.zeros(X.size, [("y", float), ("error", float)])),
        refused("ragged rows", [Y.tolist(), Y.tolist()[:-1]]),
        replace(column("matrix", matrix, residual=np.matrix), **rows),
        *(replace(column(name, Right(truth(decay, PARS, X, Y), either=WRONG_KIND), neighbour=None, residual=of_objects),
                  single=Given(X, of_objects(Y)), batch=Given(X, of_objects(Y)))
          for name, of_objects in (("Decimal", lambda each: [Decimal(number) for number in each.tolist()]),
                                   ("object array", lambda each: each.astype(object))))]


FURTHER = {each.name: each for each in (*of_types(), of_truths(), *of_containers(), *of_missing(), *of_other_kinds(), *of_no_data())}
