"""Bounds of each fit of a batch, and which parameters vary in it.

Bounds go into the lanes row by row. Rows in which the same parameters vary are fitted together, as a batch with the others held
(`gslfit.curves.patterns`).
"""
from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from gslfit.checks import by_name, shown
from gslfit.constraints.grammar import close
from gslfit.data.fits import Fits
from gslfit.data.numbers import read
from gslfit.errors import InputError, InputTypeError, ParameterError
from gslfit.formula.parametrize import Folded, refuse_outside
from gslfit.parameters.collection import Parameters
from gslfit.parameters.parameter import Parameter
from gslfit.records import Record

Box = tuple[np.ndarray, np.ndarray]


class PerFit(Record):
    """Bounds of each fit, and which parameters vary in it.

    Attributes
    ----------
    bounds : dict of str to (low, high), each ndarray of shape () or (...)
        Infinite for none.
    vary : dict of str to ndarray of bool, shape () or (...)
    """

    bounds: dict[str, Box]
    vary: dict[str, np.ndarray]

    @property
    def differs(self) -> bool:
        """Whether fits differ in bounds, or in what varies."""
        return bool(self.patterned or any(each.ndim for box in self.bounds.values() for each in box))

    @property
    def patterned(self) -> tuple[str, ...]:
        """The parameters that vary in some fits and not in others."""
        return tuple(name for name, each in self.vary.items() if each.ndim)

    def part(self, which: Any) -> PerFit:
        """Return those of some fits: `which` indexes arrays of the batch's shape."""
        def own(array: np.ndarray) -> np.ndarray:
            return array[which] if array.ndim else array
        return PerFit({name: (own(low), own(high)) for name, (low, high) in self.bounds.items()},
                      {name: own(each) for name, each in self.vary.items()})

    def flat(self) -> PerFit:
        """Return the same of a batch with one axis."""
        def own(array: np.ndarray) -> np.ndarray:
            return array.reshape(-1) if array.ndim else array
        return PerFit({name: (own(low), own(high)) for name, (low, high) in self.bounds.items()},
                      {name: own(each) for name, each in self.vary.items()})

    def held(self, place: tuple[int, ...]) -> tuple[str, ...]:
        """Return which of the parameters that vary elsewhere are held in one fit."""
        return tuple(name for name in self.patterned if not self.vary[name][place])

    def box(self, place: tuple[int, ...]) -> dict[str, tuple[float, float]]:
        """Return the bounds of one fit by name."""
        row = self.part(place)
        return {name: (float(low), float(high)) for name, (low, high) in row.bounds.items()}

    def of_row(self, params: Parameters, place: tuple[int, ...]) -> Parameters:
        """Return Parameters, bounded and held as one fit has it."""
        for name, (low, high) in self.box(place).items():
            params[name].set(min=low, max=high)
        for name in self.held(place):
            params[name].vary = False
        return params

    def applied(self, params: Parameters) -> Parameters:
        """Return a copy of Parameters for all fits: one that varies in some fit varies, and bounds that differ are left out.

        Raises
        ------
        ParameterError
            If a bound that all fits share is none.
        InputError
            If a parameter has an expression.
        """
        params = params.copy()
        for name in (*self.bounds, *self.vary):
            argument = "vary" if name in self.vary else "bounds" if any(each.ndim for each in self.bounds[name]) else ""
            if argument and params[name].expr is not None:
                raise InputError(f"{argument}[{name!r}]: {name!r} has the expression {params[name].expr!r}, which says what it is: "
                                 "vary or bound the parameters in it")
        for name, (low, high) in self.bounds.items():
            alike = not low.ndim and not high.ndim
            params[name].set(min=float(low) if alike else -np.inf, max=float(high) if alike else np.inf)
        for name, varies in self.vary.items():
            params[name].vary = bool(varies.any())
        return params

    def boxes(self, folded: Folded) -> list[Box] | None:
        """Return the bounds of each of a program's free variables; None where all fits have the same."""
        if not any(each.ndim for name in folded.names for each in self.bounds.get(name, ())):
            return None
        own = dict(zip(folded.names, folded.boxes, strict=True))
        return [self.bounds.get(name) or (np.asarray(own[name][0]), np.asarray(own[name][1])) for name in folded.names]

    def check(self, starts: Mapping[str, Any], shape: tuple[int, ...]) -> None:
        """Raise ParameterError for a start outside a fit's own bounds, in a fit in which the parameter varies; NaN is not checked here."""
        for name, (low, high) in self.bounds.items():
            if (low.ndim or high.ndim) and name in starts:
                varies = np.broadcast_to(self.vary.get(name, np.True_), shape)
                refuse_outside(name, np.where(varies, starts[name], np.nan), low, high)

    def check_held(self, known: Collection[str]) -> None:
        """Raise ParameterError for a parameter that is held, if it is none of those that have a value."""
        for name, varies in self.vary.items():
            if name not in known and not varies.all():
                place = np.argwhere(~varies)[0].tolist()
                fit = f" in fit {place[0] if len(place) == 1 else tuple(place)}" if place else ""
                raise ParameterError(f"vary={{{name!r}: ...}} holds {name!r}{fit}, and there is no value to hold it at: give it one, "
                                     f"start={{{name!r}: ...}}")

    def within(self, parameter: Parameter, values: np.ndarray) -> np.ndarray:
        """Return a parameter's start values inside each fit's bounds; what is held stays what it is."""
        name = str(parameter.name)
        low, high = self.bounds.get(name, (parameter.min, parameter.max))
        inside = values if low is None and high is None else np.clip(values, low, high)
        return np.where(self.vary.get(name, np.True_), inside, values)


def read_per_fit(bounds: Any, vary: Any, fits: Fits, known: Collection[str]) -> PerFit | None:
    """Read what a caller gives for bounds, and for what varies; None where that is nothing.

    Parameters
    ----------
    bounds : mapping of str to (low, high), or None
    vary : mapping of str to bool, or None
    fits : Fits
    known : collection of str
        The parameters.

    Raises
    ------
    InputError
        If a name is no parameter, a shape doesn't broadcast to that of the batch, or bounds leave no room in some fit.
    """
    boxes = {_known("bounds", name, known): _box(name, pair, fits) for name, pair in by_name("bounds", bounds).items()}
    varies = {_known("vary", name, known): _varies(name, value, fits) for name, value in by_name("vary", vary).items()}
    return PerFit(boxes, varies) if boxes or varies else None


def _known(argument: str, name: Any, known: Collection[str]) -> str:
    """Return a parameter's name, or raise InputError for any other."""
    if name not in known:
        meant = close(name, list(known)) if isinstance(name, str) else ""
        raise InputError(f"{argument}[{shown(name)}]: there is no such parameter; there are {', '.join(known)}{meant}")
    return name


def _broadcast(label: str, array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return an array of the batch's shape, or () for a number that all fits share."""
    if not array.ndim:
        return array
    try:
        return np.broadcast_to(array, shape) if shape else array.reshape(())
    except ValueError:
        raise InputError(f"{label} has the shape {array.shape}, and the batch {shape}") from None


def _box(name: str, pair: Any, fits: Fits) -> Box:
    """Return the bounds of a parameter, infinite for none."""
    label = f"bounds[{name!r}]"
    try:
        low, high = pair
    except (TypeError, ValueError):
        raise InputError(f"{label} is {shown(pair)}, and (low, high) is needed, None for no bound") from None
    low, high = (fits.take(f"{label}[{k}]", each) for k, each in enumerate((low, high)))
    words = f"the lower bound of {name!r}", f"the upper bound of {name!r}"
    sides = [np.asarray(none if each is None else read(word, each).array, float)
             for word, each, none in zip(words, (low, high), (-np.inf, np.inf), strict=True)]
    low, high = (_broadcast(word, each, fits.shape) for word, each in zip(words, sides, strict=True))
    room = np.asarray(low < high)
    wrong = ~room | (low == np.inf) | (high == -np.inf)
    if wrong.any():
        at = np.unravel_index(int(np.argmax(wrong)), wrong.shape)
        place = tuple(map(int, at))
        fit = f" of fit {place[0] if len(place) == 1 else place}" if place else ""
        one, other = (float(each[at]) if each.ndim else float(each) for each in (low, high))
        why = "one of them is NaN" if np.isnan(one) or np.isnan(other) else "the lower one must be less than the upper one"
        hold = f"; vary={{{name!r}: ...}} holds it" if one == other else ""
        raise InputError(f"{label}: the bounds{fit} are {one} and {other}: {why}{hold}")
    return low, high


def _varies(name: str, value: Any, fits: Fits) -> np.ndarray:
    """Return where a parameter varies; one number where that is everywhere or nowhere."""
    array = np.asarray(read(f"vary[{name!r}]", fits.take(f"vary[{name!r}]", value)).array)
    if array.dtype != np.bool_:
        what = f"an array of {array.dtype}" if array.ndim else shown(value)
        raise InputTypeError(f"vary[{name!r}] is {what}, and bool is needed: True where {name!r} varies")
    array = _broadcast(f"vary[{name!r}]", array, fits.shape)
    return np.asarray(array.flat[0]) if array.size and (array == array.flat[0]).all() else array if array.size else np.asarray(True)


def given_values(formula: Any) -> Parameters:
    """Return Parameters that vary freely, with the values that a formula has for them."""
    params = Parameters()
    for name in formula.names:
        params.add(name, formula.defaults.get(name))
    return params
