"""What a fit, or a batch of fits, is made to: data, independent variables, weights and a mask, side by side."""
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gslfit.data.covariance import Covariance
from gslfit.data.labels import Labels, is_array_of_dims, labels_of, paired
from gslfit.data.layout import Layout
from gslfit.data.lazy import check_chunks, is_lazy, lazy, read_lazily
from gslfit.data.numbers import Reading, is_array_like, read
from gslfit.data.points import as_mask, check_factors, factors, mask_of_bool, union, without_effect
from gslfit.data.stored import Stored, StoredCurves, stored
from gslfit.errors import InputError
from gslfit.records import Record


class Factors(Record):
    """What multiplies residuals, or divides them.

    Attributes
    ----------
    name : str
        What the caller calls it: "weights" multiply, anything else divides.
    array : ndarray, shape (n,) or (..., n)
    """

    name: str
    array: np.ndarray

    @property
    def inverted(self) -> bool:
        """Whether these are standard deviations."""
        return self.name != "weights"

    def weights(self) -> np.ndarray:
        """Return what multiplies the residuals."""
        return 1.0/self.array if self.inverted else self.array


class Inputs(Record):
    """What fits are made to.

    Attributes
    ----------
    layout : Layout
        Where points lie in the data as they were handed in.
    labels : Labels or None
        What the data's container calls them.
    y : ndarray, shape (..., n)
    x : dict of str to ndarray, each of shape (n,) or (..., n)
    factors : Factors or None
    mask : ndarray of bool, shape (n,) or (..., n), or None
        True where a point takes no part.
    weightless : bool
        Whether a point of weight 0 counts as data, as lmfit counts it.
    others : dict of str to object
        Independent variables that have no number at each point, as a function that is called gets them.
    raw : dict of str to object, or None
        All independent variables as they were handed in, where such a function is to get them so.
    origin : tuple of int
        Where the first fit is in the batch of which these are a block; () where they are all of it.
    ycov : Covariance or None
        Of the errors of one fit's points, the same for all fits.
    prior : Priors or None
        What is known of the parameters beforehand, `gslfit.curves.priors`.
    limits : PerFit or None
        Bounds of each fit, and what varies in it, `gslfit.curves.per_fit`.
    places : ndarray of int, shape (rows, axes), or None
        Where each fit is in the batch, where these are picked from it.
    response : ndarray, shape (..., k), or None
        That of each fit, where they have their own.
    """

    layout: Layout
    labels: Labels | None
    y: np.ndarray
    x: dict[str, np.ndarray]
    factors: Factors | None
    mask: np.ndarray | None
    weightless: bool = False
    others: Mapping[str, Any] = {}
    raw: Mapping[str, Any] | None = None
    origin: tuple[int, ...] = ()
    ycov: Covariance | None = None
    prior: Any = None
    limits: Any = None
    places: np.ndarray | None = None
    response: np.ndarray | None = None

    def first(self, low: int) -> Any:
        """Return what `moved` takes to know where fits from the `low`-th on are in the batch."""
        origin = self.origin or (0,)
        return (low + origin[0], *origin[1:]) if self.places is None else self.places[low:]

    @property
    def name(self) -> str:
        """What the caller calls the data."""
        return self.layout.name

    @property
    def weights(self) -> np.ndarray | None:
        """What multiplies residuals, None where nothing does."""
        return None if self.factors is None else self.factors.weights()

    def left_out(self) -> np.ndarray | None:
        """Return points that take no part by the caller's own words, shape (n,) or (..., n); None where there are none."""
        idle = None if self.factors is None or self.weightless else without_effect(*self.factors)
        arrays = [array for array in (self.mask, idle) if array is not None]
        return union(np.broadcast_shapes(*(array.shape for array in arrays)), arrays) if arrays else None


class _Door:
    """What comes beside one set of data: arrays in the order of its points, and a mask of those that any of them leaves out."""

    def __init__(self, y: Reading, where: Layout, by_label: bool):
        self.y, self.where, self.by_label = y, where, by_label
        self.masks: list[np.ndarray] = [] if y.mask is None else [where.curves(y.mask)]

    def beside(self, name: str, reading: Reading) -> Reading:
        """Return an array, and its mask, in the order of the data's labels."""
        if reading.labels is None or self.y.labels is None:
            return reading

        def turned(array: np.ndarray) -> np.ndarray:
            return paired(name, array, reading.labels, self.where.name, self.y.labels, by_label=self.by_label,
                          points=self.where.axes)
        return Reading(turned(reading.array), None if reading.mask is None else turned(reading.mask))

    def variable(self, name: str, reading: Reading) -> np.ndarray:
        """Return an independent variable, (n,) or (..., n)."""
        if reading.labels is None and reading.mask is None:
            return self.where.variable(name, reading.array)
        found = self.beside(name, reading)
        if found.mask is not None:
            self.masks.append(self.where.variable(name, found.mask))
        return self.where.variable(name, found.array)

    def factors(self, label: str, given: Any, *, labelled: bool = True, weightless: bool = False, imaginary: bool = False) -> Factors:
        """Return weights or standard deviations; those of one fit are looked at."""
        in_file = self.in_file(given)
        if in_file is not None:
            return Factors(label, in_file)  # type: ignore[arg-type]
        reading = read_lazily(label, given) if is_lazy(self.y.array) else read(label, given, imaginary=imaginary and label == "weights")
        found = self.beside(label, reading) if labelled else reading
        array, hidden = self.where.factor(label, found.array), None
        if found.mask is not None:
            hidden = self.where.factor(label, found.mask)
            self.masks.append(hidden)
        if array.ndim == 1 and not weightless:
            single = found.array.size == 1 and hidden is None
            check_factors(label, found.array.reshape(()) if single else array if hidden is None else np.where(hidden, 1.0, array))
        return Factors(label, array)

    def in_file(self, given: Any) -> StoredCurves | None:
        """Return an array in a file with a number for each point of all fits; None for any other."""
        found = stored(given) if self.where.shape else None
        return StoredCurves(found, self.where) if found is not None and found.shape == self.where.whole else None

    def _without_labels(self, name: str, given: Any) -> Any:
        """Return what has labels as an array in the order of the data's; anything else as it is."""
        own = None if type(given) is np.ndarray or self.y.labels is None else labels_of(given)
        return given if own is None else self.beside(name, Reading(np.asarray(given), None, own)).array

    def mask(self, given: Any) -> np.ndarray | None:
        """Return where a point takes no part: the caller's mask, and those of masked arrays."""
        where = self.where
        if given is None and not self.masks:
            return None
        in_file = None if self.masks else self.in_file(given)
        if in_file is not None and in_file.dtype == np.bool_:
            return in_file  # type: ignore[return-value]
        if given is not None and is_lazy(self.y.array) and np.ndim(given) > 1 and lazy("mask", given) is not None:
            self.masks.append(where.factor("mask", mask_of_bool(self.beside("mask", read_lazily("mask", given)).array)))
        elif given is not None:
            given = self._without_labels("mask", given)
            whole = np.shape(given) not in ((where.n,), where.points)
            self.masks.append(where.factor("mask", as_mask(given, where.whole)) if whole else as_mask(given, np.shape(given)).reshape(-1))
        return union(np.broadcast_shapes(*(array.shape for array in self.masks)), self.masks)


def covariance_of(y: Reading, where: Layout, yerr: Any, weights: Any, ycov: Any, by_label: bool) -> tuple[Covariance | None, Any]:
    """Return the covariance of the data's errors, where they have one, and standard deviations that aren't one.

    Standard deviations of shape (n, n) are the covariance of a single fit's n points; of a batch they are an error. A table of pandas has
    the labels of the data's points along both axes; `by_label` is as in `inputs`.

    Raises
    ------
    InputError
        If its shape is another one, it is given beside standard deviations or weights, or the data are complex.
    """
    name, square, n = "ycov", ycov, where.n
    if yerr is not None and ycov is None and np.shape(yerr) == (n, n) and where.points == (n,) and n > 1:
        if where.shape:
            raise InputError(f"yerr has the shape {(n, n)}, and fits of {n} points: a covariance, the same for all fits, is ycov=...; "
                             "standard deviations of each point of each fit are weights=1/yerr")
        name, square, yerr = "yerr", yerr, None
    if square is None:
        return None, yerr
    if yerr is not None or weights is not None:
        raise InputError(f"{name} and {'weights' if weights is not None else 'yerr'} are both given: a covariance has the variances on its "
                         "diagonal, give one of them")
    if y.array.dtype.kind == "c":
        raise InputError(f"{name} is a covariance of real errors, and {where.name} is complex")
    own, points = labels_of(square), where.axes[-1]
    if own is not None and y.labels is not None and not is_array_of_dims(y.labels) and points in y.labels.indexes:
        index = y.labels.indexes[points]
        square = paired(name, read(name, square).array, own, where.name, Labels((0, 1), {0: index, 1: index}, y.labels.container),
                        by_label=by_label)
    return Covariance.of(name, square, n), yerr


def inputs(y: Reading, where: Layout, variables: Mapping[str, Reading], yerr: Any, weights: Any, mask: Any, *,
           by_label: bool = False, weightless: bool = False, ycov: Any = None) -> Inputs:
    """Bring all that is known of the points side by side.

    Parameters
    ----------
    y : Reading
    where : Layout
    variables : mapping of str to Reading
        The independent variables, in order.
    yerr, weights, mask : array_like or None
    by_label : bool
        Whether labels that differ from those of the data are looked up; else they are an error.
    weightless : bool
        Whether a point of weight 0 counts as data.
    ycov : array_like, shape (n, n), optional

    Raises
    ------
    InputError
        If shapes or labels don't fit, or a standard deviation of one fit is none (those of a batch are looked at where it failed).
    """
    door = _Door(y, where, by_label)
    x = {name: door.variable(name, reading) for name, reading in variables.items()}
    covariance = None
    if ycov is not None or yerr is not None:
        covariance, yerr = covariance_of(y, where, yerr, weights, ycov, by_label)
    label, given = factors(yerr, weights)
    found = None if given is None else door.factors(label, given, labelled=not weightless)
    if is_lazy(y.array):
        check_chunks(y, where)
    curves: Any = StoredCurves(y.array, where) if isinstance(y.array, Stored) else where.curves(y.array)
    return Inputs(where, y.labels, curves, x, found, door.mask(mask), weightless, ycov=covariance)


def inputs_of_one(y: Reading, where: Layout, variables: Mapping[str, Any], yerr: Any, weights: Any, mask: Any, *,
                  elementwise: bool, weightless: bool = False, ycov: Any = None) -> Inputs:
    """Bring all that a model's function is called with for one fit side by side.

    Parameters
    ----------
    y : Reading
        Of real or complex numbers.
    where : Layout
        All axes of the data hold points.
    variables : mapping of str to object
        The independent variables. Those with a number at each point become `Inputs.x`; all else is handed on.
    yerr, weights, mask : array_like or None
    elementwise : bool
        Whether the function is a formula, a value for each point from the numbers there, so that a variable may be any array that
        broadcasts to the data; else arrays of other shapes are handed on as they are.
    weightless : bool
        Whether a point of weight 0 counts as data; weights are paired by position then, as lmfit does.
    ycov : array_like, shape (n, n), optional

    Raises
    ------
    InputError, InputTypeError
        If lengths or labels don't fit, or what should be numbers isn't.
    """
    door = _Door(y, where, by_label=True)
    x: dict[str, np.ndarray] = {}
    others: dict[str, Any] = {}
    rows: list[str] = []
    for name, value in variables.items():
        if not is_array_like(value):
            others[name] = value
            continue
        found = door.beside(name, read(name, value, imaginary=True))
        if found.array.ndim == 1 and found.array.size > 1 and elementwise and len(where.whole) > 1:
            rows.append(name)
        array = _as_points(name, found.array, where, elementwise)
        if array is None:
            others[name] = value if found.array.ndim == 0 else floats(found.array)
            if found.mask is not None:
                door.masks.append(_of_points(name, found.mask, where))
            continue
        x[name] = array
        if found.mask is not None:
            door.masks.append(np.broadcast_to(found.mask, where.whole).reshape(-1))
    if len(rows) > 1:       # all of them would lie along the last axis
        raise InputError(f"{' and '.join(rows)} have one axis each, and {where.name} {len(where.whole)}: a number of each for each point "
                         f"is needed, as numpy.meshgrid({', '.join(rows)}) gives them")
    covariance, yerr = covariance_of(y, where, yerr, weights, ycov, True)
    label, given = factors(yerr, weights)
    of_all = None if given is None else door.factors(label, given, labelled=not weightless, weightless=weightless, imaginary=True)
    return Inputs(where, y.labels, where.curves(y.array), x, of_all, door.mask(mask), weightless, others, ycov=covariance)


def floats(array: np.ndarray) -> np.ndarray:
    """Return an array as float64 or complex128."""
    return np.asarray(array, complex if array.dtype.kind == "c" else float)


def _as_points(name: str, array: np.ndarray, where: Layout, elementwise: bool) -> np.ndarray | None:
    """Return a variable with a number at each point, (n,), or None for another kind of variable."""
    whole = where.whole
    if array.shape == whole:
        return array.reshape(-1)
    if array.ndim == len(whole) == 1:
        raise InputError(f"{name} has {array.size} points, and the data {where.n}")
    if not elementwise:
        return None
    if array.size == where.n and array.ndim and [size for size in array.shape if size != 1] == [size for size in whole if size != 1]:
        return array.reshape(-1)
    try:
        return np.broadcast_to(array, whole).reshape(-1)
    except ValueError:
        raise InputError(f"{name} has the shape {array.shape}, and {where.name} {whole}: a number for each point is needed") from None


def _of_points(name: str, mask: np.ndarray, where: Layout) -> np.ndarray:
    """Return the mask of an array that has a column, or a row, for each point, as that of points."""
    count = len(where.whole)
    if mask.shape[-count:] != where.whole and mask.shape[:count] == where.whole:
        return np.asarray(mask.reshape(where.n, -1).any(axis=1))
    if mask.shape[-count:] != where.whole:
        raise InputError(f"{name} is masked and has the shape {mask.shape}, and {where.name} {where.whole}: mask= says which points of "
                         f"{where.name} are left out")
    return np.asarray(mask.reshape(-1, where.n).any(axis=0))
