"""The inputs: data as people have them, what is right for each, and what each is there for.

A column holds one fit as every entry can be asked for it (`Given`), and what must come back (`expected`, by entry where the manners
of an entry differ on purpose). What must come back is computed by `parity.oracle` from plain NumPy numbers.
"""
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from gslfit.errors import ConvergenceError, InputError, InputTypeError, NonFiniteError
from parity.expected import DIFFERENCES, SHARE, Expected, Marked, NoCurve, Refused, Right, Unmoved
from parity.oracle import Par, Truth, truth

BATCHES = ("fit_batch", "Model.fit_batch", "compat fit_batch")
RESIDUALS = ("minimize", "compat.minimize")
COMPAT = ("compat.minimize", "compat Model.fit", "compat fit_batch")


def decay(x, a, b, c):
    """Return the curve of most columns."""
    return a*np.exp(-b*x) + c


def decay_and_dead(x, a, b, c, d):
    """Return the same, and a parameter that would have an effect beyond the data only."""
    return a*np.exp(-b*x) + c + d*np.where(x > 100, 1.0, 0.0)


def peak(x, a, c, w):
    """Return a peak."""
    return a*np.exp(-(x - c)**2/(2*w**2))


TEXTS = {decay: "a*exp(-b*x) + c", decay_and_dead: "a*exp(-b*x) + c + d*where(x > 100, 1, 0)", peak: "a*exp(-(x - c)**2/(2*w**2))"}
X = np.linspace(0, 5, 40)
TRUE = {"a": 2.0, "b": 1.0, "c": 0.5}
PARS = {"a": Par(1.5), "b": Par(0.7), "c": Par(0.3)}
EXACT = decay(X, **TRUE)
RNG = np.random.default_rng(9)
Y = EXACT + RNG.normal(0, 0.02, X.size)
NEIGHBOUR = decay(X, 2.5, 0.8, 0.4) + RNG.normal(0, 0.02, X.size)
OUT = np.isin(np.arange(X.size), (3, 11, 12, 30))       # points that are to take no part
KEPT = ~OUT
WRONG = np.where(OUT, 99.0, Y)                          # what stands at these points would spoil any fit
FLAWED = np.where(OUT, np.nan, Y)


@dataclass(frozen=True)
class Given:
    """What is handed in: data, independent variable, and what says which points count and how much."""

    x: Any
    y: Any
    weights: Any = None
    yerr: Any = None
    mask: Any = None


@dataclass(frozen=True)
class Input:
    """One column.

    Attributes
    ----------
    name : str
    expected : Expected or mapping of str to Expected
        What must come back: of every entry, or by entry, "" being all others.
    neighbour : Expected or None
        Of a batch's second row.
    curve : callable
    pars : mapping of str to Par
    single, batch : Given
        What is handed in: one curve, and a batch of which the first row is that curve, the second the neighbour.
    numbers : tuple of ndarray
        x and y of that curve as plain arrays, paired: what a residual is computed from.
    residual : callable
        What becomes of a residual before it is returned: the container, that of `single`.
    returns : callable
        What the model's function returns, of its values.
    nan_policy : str or None
    known : bool
        `scale_covar=False`.
    """

    name: str
    expected: Expected | Mapping[str, Expected]
    neighbour: Expected | Mapping[str, Expected] | None
    single: Given
    batch: Given
    numbers: tuple[np.ndarray, np.ndarray]
    curve: Callable[..., Any] = decay
    pars: Mapping[str, Par] = field(default_factory=lambda: PARS)
    residual: Callable[[np.ndarray], Any] = np.asarray
    returns: Callable[[np.ndarray], Any] = np.asarray
    nan_policy: str | None = None
    known: bool = False


def of_entry(expected: Expected | Mapping[str, Expected] | None, entry: str) -> Expected | None:
    """Return what must come back from an entry."""
    return expected.get(entry, expected[""]) if isinstance(expected, Mapping) else expected


# -- containers: what becomes of an array, (n,) or (2, n)


def of_list(array: np.ndarray) -> Any:
    """Return a list, of lists for a batch."""
    return array.tolist()


def of_floats(array: np.ndarray) -> Any:
    """Single precision."""
    return array.astype(np.float32)


def big_endian(array: np.ndarray) -> Any:
    """Return the byte order of FITS files and of the net."""
    return array.astype(">f8")


def strided(array: np.ndarray) -> Any:
    """Every third number of an array that runs backwards."""
    roomy = np.full((*array.shape[:-1], 3*array.shape[-1]), np.nan)
    roomy[..., ::-3] = array
    return roomy[..., ::-3]


def masked(array: np.ndarray) -> Any:
    """Return a masked array; what stands under the mask would spoil the fit."""
    return np.ma.array(array, mask=np.broadcast_to(OUT, array.shape))


class Quantity:
    """Numbers with a unit that convert to plain ones if asked, as pint's do: with a warning."""

    def __init__(self, magnitude: Any, units: str = "metre"):
        self.magnitude = self.m = magnitude
        self.units = self.u = units

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return np.asarray(self.magnitude, dtype)

    def __len__(self) -> int:
        return len(self.magnitude)

    def __getattr__(self, name: str) -> Any:
        if name in ("shape", "ndim", "dtype", "size"):
            return getattr(self.magnitude, name)
        raise AttributeError(name)

    def to(self, units: str) -> "Quantity":
        """Return the same in another unit."""
        return Quantity(self.magnitude, units)


class ArrayQuantity(np.ndarray):
    """Numbers with a unit that are an array, as astropy's are."""

    unit = "m"

    @property
    def value(self) -> np.ndarray:
        """The numbers."""
        return self.view(np.ndarray)

    def to_value(self, unit: str) -> np.ndarray:
        """Return the numbers in a unit."""
        return self.value


# -- columns


def stacked(y: np.ndarray, neighbour: np.ndarray | None) -> np.ndarray:
    """Return a batch of a curve and its neighbour."""
    return y[None] if neighbour is None else np.stack([y, neighbour])


def column(name: str, expected: Expected | Mapping[str, Expected] | None = None, *, wrap: Callable[[np.ndarray], Any] | None = None,
           wrap_x: Callable[[np.ndarray], Any] | None = None, x: np.ndarray = X, y: np.ndarray = Y,
           neighbour: np.ndarray | None = NEIGHBOUR,
           next_door: Expected | Mapping[str, Expected] | None = None, curve: Callable[..., Any] = decay, pars: Mapping[str, Par] = PARS,
           residual: Callable[[np.ndarray], Any] | None = None, **further: Any) -> Input:
    """Return a column of data in a container; what must come back is the oracle's answer for them where nothing else is said."""
    wrap = np.asarray if wrap is None else wrap
    batch = stacked(y, neighbour)
    given = {key: further.pop(key) for key in ("weights", "yerr", "mask") if key in further}
    own_x = (wrap_x or wrap)(x)
    expected = Right(truth(curve, pars, x, y)) if expected is None else expected
    if next_door is None and neighbour is not None:
        next_door = Right(truth(curve, pars, x, neighbour))
    return Input(name, expected, next_door, Given(own_x, wrap(y), **given), Given(own_x, wrap(batch), **given), (x, y), curve,
                 pars, wrap if residual is None else residual, **further)


def left_out(keep: np.ndarray, y: np.ndarray) -> Right:
    """Return the answer for the points kept."""
    return Right(truth(decay, PARS, X[keep], y[keep]))


def counted(y: np.ndarray) -> Right:
    """Return the answer where points of weight 0 count as data: lmfit's and SciPy's."""
    return Right(truth(decay, PARS, X[KEPT], y[KEPT], counted=y.size))


def containers() -> list[Input]:
    """Containers, types and strides."""
    x, y, neighbour = (array.astype(np.float32).astype(float) for array in (X, Y, NEIGHBOUR))
    right = truth(decay, PARS, x, y)
    coarse = Right(right, 1e-2, 2e-3)       # residuals of single precision, differences of them
    return [
        column("list", wrap=of_list),
        column("float32", {"": Right(right), **dict.fromkeys(RESIDUALS, coarse)}, wrap=of_floats, x=x, y=y, neighbour=neighbour),
        column("big-endian", wrap=big_endian),
        column("strided", wrap=strided)]


def points_that_count() -> list[Input]:
    """Masks, weights of 0, infinite errors and NaN."""
    without = {"expected": left_out(KEPT, Y), "next_door": left_out(KEPT, NEIGHBOUR)}
    spoilt = {"y": WRONG, "neighbour": np.where(OUT, -77.0, NEIGHBOUR), "next_door": without["next_door"]}
    weights = KEPT*1.0
    with np.errstate(divide="ignore"):
        yerr = 1/weights
    kept = left_out(KEPT, Y)
    nan = {"y": FLAWED, "neighbour": NEIGHBOUR, "next_door": Right(truth(decay, PARS, X, NEIGHBOUR)), "residual": np.asarray}
    marked = dict.fromkeys(BATCHES, Marked(int(KEPT.sum())))
    return [
        column("masked array", kept, wrap=masked, wrap_x=np.asarray, **spoilt),
        column("mask=", kept, mask=OUT, **spoilt),
        column("NaN with omit", kept, nan_policy="omit", **nan),
        column("NaN without", {"": Refused(NonFiniteError, "nan|finite"), **marked}, **nan),
        column("weight 0", {"": kept, "compat Model.fit": counted(Y), "compat fit_batch": counted(Y)}, weights=weights,
               **spoilt | {"next_door": {"": without["next_door"], "compat fit_batch": counted(NEIGHBOUR)}}),
        column("sigma infinite", {"": kept, "curve_fit": counted(Y)}, yerr=yerr, **spoilt)]


def labelled() -> list[Input]:
    """pandas and xarray: labels say which numbers belong together."""
    import pandas as pd
    import xarray as xr
    order = np.random.default_rng(5).permutation(X.size)
    label = pd.Index([f"p{k}" for k in range(X.size)])
    data = pd.Series(Y, label)
    shuffled, fresh = pd.Series(X, label)[label[order]], pd.Series(X, np.arange(X.size) + 7)
    right = Right(truth(decay, PARS, X, Y))
    by_position = Right(truth(decay, PARS, X[order], Y))
    refused = Refused(InputError, "label|index")
    of_series = {"y": Y, "neighbour": None}

    grid = X[:36].reshape(6, 6)
    y = xr.DataArray(Y[:36].reshape(6, 6), dims=("row", "column"), coords={"row": range(6), "column": range(6)})
    turned = xr.DataArray(grid.T, dims=("column", "row"), coords={"row": range(6), "column": range(6)})
    image = Right(truth(decay, PARS, X[:36], Y[:36]))
    cube = xr.DataArray(np.array([Y, NEIGHBOUR]*(X.size//2)).T, dims=("x", "row"), coords={"x": X})
    return [
        replace(column("Series, labels in another order", {"": right, "fit": refused, "fit_batch": refused, "curve_fit": by_position},
                       residual=lambda r: pd.Series(r, label[order]), **of_series),
                single=Given(shuffled, data), batch=Given(shuffled, data)),
        replace(column("Series, other labels", {"": refused, "curve_fit": right}, **of_series),
                single=Given(fresh, data), batch=Given(fresh, data)),
        Input("DataArray transposed",
              {"": image, "fit": Right(image.truth, either=(InputError,)), **dict.fromkeys(BATCHES, right)},
              Right(truth(decay, PARS, X, NEIGHBOUR)), Given(turned, y), Given(cube.x, cube), (grid, np.asarray(y)),
              residual=lambda r: xr.DataArray(r, dims=("row", "column")).T)]


def of_no_use() -> list[Input]:
    """Return what can't be taken as it is."""
    unit = {"pint's": (Quantity, "magnitude"), "astropy's": (lambda array: array.view(ArrayQuantity), "value")}
    return [
        *(column(f"Quantity, {whose}", Refused(InputTypeError, word), wrap=wrap, wrap_x=np.asarray)
          for whose, (wrap, word) in unit.items()),
        column("(n, 1) result", Right(truth(decay, PARS, X, Y), DIFFERENCES, DIFFERENCES, either=(InputError, InputTypeError), quiet=False),
               next_door=Right(truth(decay, PARS, X, NEIGHBOUR), DIFFERENCES, DIFFERENCES),
               returns=lambda values: np.reshape(values, (-1, 1)), residual=lambda r: np.reshape(r, (-1, 1))),
        column("None result", Refused(InputTypeError, "None"), returns=lambda values: None, residual=lambda r: None)]


def of_parameters() -> list[Input]:
    """Bounds, what is fixed, and expressions."""
    def bounded(name: str, held: float, **bounds: Any) -> Input:
        pars = PARS | {"c": Par(**bounds)}
        which = "min" if held == bounds.get("min") else "max"
        alone, rows = (Right(truth(decay, pars, X, Y, held={"c": held}), named=named, quiet=False)
                       for named in (rf"\bc\b.*\b{which}\b", "AT_BOUND"))
        neighbour = replace(rows, truth=truth(decay, pars, X, beside, held={"c": held}))
        return column(name, {"": alone, **dict.fromkeys(BATCHES, rows)}, pars=pars, next_door=neighbour, neighbour=beside)
    beside = decay(X, 2.5, 0.8, 0.5) + (NEIGHBOUR - decay(X, 2.5, 0.8, 0.4))
    narrow = 1e-6
    fixed = PARS | {"c": Par(0.45, vary=False)}
    tied = PARS | {"c": Par(expr="a/4", derive=lambda a, **others: a/4)}
    return [
        bounded("lower bound", 0.6, value=0.8, min=0.6),
        bounded("upper bound", 0.4, value=0.2, max=0.4),
        bounded("narrow box", 0.6, value=0.6*(1 + narrow/2), min=0.6, max=0.6*(1 + narrow)),
        column("fixed", pars=fixed),
        column("expr", pars=tied)]


def exact() -> list[Input]:
    """Return data without noise."""
    zero = decay(X, 2.0, 1.0, 0.0)
    other, other_zero = decay(X, 2.5, 0.8, 0.4), decay(X, 2.5, 0.8, 0.0)
    three, y, beside = X[[0, 9, 25]], Y[[0, 9, 25]], NEIGHBOUR[[0, 9, 25]]

    def right(x: np.ndarray, y: np.ndarray, known: bool = False) -> Right:
        return Right(truth(decay, PARS, x, y, known=known), exact=True, known=known, quiet=False)

    nothing = NoCurve(lambda a, b, c: decay(X, a, b, c), 1e4*np.finfo(float).eps*2, X.size)
    return [
        column("all-zero data", nothing, y=0*X, neighbour=NEIGHBOUR),
        column("exact data", right(X, EXACT), y=EXACT, neighbour=other, next_door=right(X, other)),
        column("exact data, known errors", right(X, EXACT, True), y=EXACT, neighbour=other, next_door=right(X, other, True), known=True),
        column("zero parameter in exact data", right(X, zero), y=zero, neighbour=other_zero, next_door=right(X, other_zero)),
        column("as many points as parameters", right(three, y), x=three, y=y, neighbour=beside, next_door=right(three, beside)),
        column("as many points as parameters, known errors", right(three, y, True), x=three, y=y, neighbour=beside,
               next_door=right(three, beside, True), known=True)]


def of_doubt() -> list[Input]:
    """Return what has no effect."""
    dead = PARS | {"d": Par(1.0)}
    far = {"a": Par(1.0), "c": Par(1.0), "w": Par(1.0)}
    x = np.linspace(390, 396, 61)
    y = peak(x, 900.0, 393.4, 0.21) + np.random.default_rng(7).normal(0, 12, x.size)
    start = {name: par.value for name, par in far.items()}

    def right(y: np.ndarray, named: str) -> Right:
        return Right(truth(decay_and_dead, dead, X, y, dead=("d",)), named=named, quiet=False)

    known = truth(decay_and_dead, dead, X, Y, dead=("d",))
    # SciPy's covariance is infinite as a whole, and says nothing of how near is near
    room = {name: max(rounding, SHARE*(known.stderr[name] or 0.0)) for name, rounding in known.rounding.items()}
    whole = Right(replace(known, stderr=dict.fromkeys(dead), rounding=room), named=r"\bd\b", quiet=False)
    return [
        column("dead parameter", {"": right(Y, r"\bd\b"), "curve_fit": whole, **dict.fromkeys(BATCHES, right(Y, "RANK_DEFICIENT"))},
               curve=decay_and_dead, pars=dead, next_door=right(NEIGHBOUR, "RANK_DEFICIENT")),
        column("start without effect", {"": Unmoved(start, x.size, float(y @ y)), "curve_fit": Refused(ConvergenceError)}, x=x, y=y,
               neighbour=None, curve=peak, pars=far)]


LEAST = 1e-250*X.size      # lmfit's smallest chi-square


def scaled(unit: float) -> Input:
    """Return data of another unit: the same fit, in that unit."""
    units = {"a": unit, "b": 1.0, "c": unit}
    pars = {name: Par(par.value*units[name]) for name, par in PARS.items()}

    def right(y: np.ndarray) -> Right:
        one = truth(decay, PARS, X, y)
        with np.errstate(over="ignore"):
            chisqr = float(np.float64(one.chisqr)*unit*unit)
        values, errors, room = ({name: value*units[name] for name, value in each.items()}
                                for each in (one.values, one.stderr, one.rounding))
        return Right(Truth(values, errors, one.ndata, chisqr, room, one.floor), quiet=False)
    lmfits = dict.fromkeys(COMPAT, replace(right(Y), least=LEAST))
    return column(f"data times {unit:g}", {"": right(Y), **lmfits}, y=Y*unit, neighbour=NEIGHBOUR*unit, next_door=right(NEIGHBOUR),
                  pars=pars)


INPUTS = {each.name: each for each in (*containers(), *points_that_count(), *labelled(), *of_no_use(), *of_parameters(), *exact(),
                                       *of_doubt(), scaled(1e-200), scaled(1e200))}
