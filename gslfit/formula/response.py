"""A formula that is folded with a measured response: the model of a detector, or a light pulse, that is no sharp line.

At point i of an even spacing the value is ``sum(response[j]*model[i + centre - j] for j in range(k))``, and the model is not there outside
of the points: ``numpy.convolve(model, response)[centre:centre + n]``. Derivatives are folded by the same sum.
"""
from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any

import numpy as np

from gslfit.checks import as_name, shown, whole
from gslfit.data.fits import Fits
from gslfit.data.numbers import read
from gslfit.errors import InputError, InputTypeError
from gslfit.formula._program import FREE_LIMIT, OFF_GRID, OPCODES, Program
from gslfit.formula.formula import Formula
from gslfit.formula.memory import Made, Memory
from gslfit.formula.parametrize import Folded
from gslfit.parameters.parameter import is_name
from gslfit.records import Record


class Response(Record):
    """A measured response.

    Attributes
    ----------
    numbers : ndarray, shape (k,) or (..., k)
        As they were measured, on the spacing of x; with leading axes one for each fit.
    centre : int
        The number that stands for no delay.
    shift : str or None
        The parameter that moves it along x, between its numbers on straight lines.
    x : ndarray, shape (n,)
        The points that the model is folded over.
    """

    numbers: np.ndarray
    centre: int
    shift: str | None
    x: np.ndarray

    @property
    def length(self) -> int:
        """How many numbers it has."""
        return int(self.numbers.shape[-1])

    def of_program(self, free: Iterable[str], inputs: Iterable[str], moved: float = 0.0) -> tuple[Any, ...]:
        """Return what a `Program` of these parameters takes; `moved` is the shift where that is none of them."""
        names = [*free, *inputs]
        shift = names.index(self.shift) if self.shift in names else -1
        return self.x, self.numbers if self.numbers.ndim == 1 else None, self.length, self.centre, shift, 0.0 if shift >= 0 else moved

    def check(self, name: str, points: np.ndarray) -> None:
        """Raise InputError where points are none of those that the model is folded over."""
        first, last, step = float(self.x[0]), float(self.x[-1]), spacing(self.x) or 1.0
        places = (points - first)/step
        off = ~(np.abs(places - np.clip(np.rint(places), 0, self.x.size - 1)) <= 2*OFF_GRID)
        if off.any():
            raise InputError(f"{name} is {points[int(np.argmax(off))]:.6g}, which is none of the points that the model is folded over, "
                             f"{first:.6g} to {last:.6g} in steps of {step:.6g}: with response= it is known there alone")

    def described(self) -> dict[str, Any]:
        """Return what tells it from others, as plain things."""
        seen = sha256(np.ascontiguousarray(self.numbers).tobytes()).hexdigest()[:20]
        return {"numbers": seen, "shape": list(self.numbers.shape), "centre": self.centre, "shift": self.shift}

    def same(self, other: Response | None) -> bool:
        """Return whether another one is the same."""
        return other is not None and self[1:3] == other[1:3] and all(
            one.shape == two.shape and bool((one == two).all()) for one, two in ((self.numbers, other.numbers), (self.x, other.x)))


def spacing(points: np.ndarray) -> float:
    """Return the step of evenly spaced points; 0 of one."""
    return float(points[-1] - points[0])/max(points.size - 1, 1)


def even(name: str, x: np.ndarray) -> np.ndarray:
    """Return points, (n,), if they are evenly spaced: none further than a thousandth of the spacing from where it should be.

    Raises
    ------
    InputError
        If they aren't; the message names them.
    """
    points = np.asarray(x, float)
    if points.ndim != 1:
        raise InputError(f"{name} has the shape {points.shape}: with response= all fits have the same {name}, (n,), on an even spacing")
    if not np.isfinite(points).all():
        bad = int(np.argmin(np.isfinite(points)))
        raise InputError(f"{name} is not finite at point {bad}: with response= the spacing of {name} must be even; mask= leaves points out")
    if not points.size:
        raise InputError(f"{name} has no points: a model can't be folded with a response over none")
    if points.size < 2:
        return points
    step = spacing(points)
    if (points == points[0]).all():
        raise InputError(f"{name} is {points[0]:.6g} at all points: with response= its spacing must be even, and not 0")
    off = np.abs(points - (points[0] + step*np.arange(points.size)))
    if step == 0 or not off.max() <= OFF_GRID*abs(step):
        worst = int(np.argmax(off))
        raise InputError(f"{name} is not evenly spaced: point {worst} is {points[worst]:.6g}, and {points[0] + step*worst:.6g} by the "
                         f"spacing of {step:.6g}; response= is measured on the spacing of {name}: interpolate the data, or leave points "
                         "out by mask=")
    return points


def read_response(response: Any, centre: Any, shift: Any, x: Mapping[str, np.ndarray], fits: Fits) -> Response:
    """Read what a call says of a response.

    Parameters
    ----------
    response : array_like, shape (k,) or (..., k)
    centre : int
    shift : str or None
    x : mapping of str to ndarray
        The independent variables.
    fits : Fits

    Raises
    ------
    InputError, InputTypeError
        If a shape, a number or the spacing is none that a model can be folded by.
    """
    if response is None:
        raise InputError(f"response_{'centre' if shift is None else 'shift'} is given, and no response")
    given, shape = read("response", fits.response(response)), fits.shape
    numbers = np.array(given.array, float)
    if len(x) != 1:
        raise InputError(f"response= folds a model along its one independent variable, and here there are {', '.join(x) or 'none'}")
    if not numbers.ndim or not numbers.shape[-1]:
        raise InputError(f"response has the shape {numbers.shape}: numbers (k,), or (..., k) with those of each fit, are needed")
    if numbers.ndim > 1 and numbers.shape[:-1] != shape:
        try:
            numbers = np.broadcast_to(numbers, (*shape, numbers.shape[-1]))
        except ValueError:
            raise InputError(f"response has the shape {numbers.shape}, and the batch {shape}: (k,)"
                             f"{''.join([' or (', *(f'{size}, ' for size in shape), 'k)']) if shape else ''} is needed") from None
    if given.mask is not None:
        raise InputError(f"response is masked at {tuple(int(k) for k in np.argwhere(given.mask)[0])}: a model is folded with all numbers "
                         "of a response; fill those in (response.filled(0)), or interpolate them")
    if not np.isfinite(numbers).all():
        raise InputError(f"response is not finite at {tuple(int(k) for k in np.argwhere(~np.isfinite(numbers))[0])}: numbers as they were "
                         "measured are needed")
    if not numbers.any(axis=-1).all():
        raise InputError("response has nothing but zeros, and so would have the model")
    if not (shift is None or is_name(shift)):
        raise InputTypeError(f"response_shift is {shown(shift)}: the name of a parameter is needed")
    zero = whole("response_centre", centre, 0)
    if zero >= numbers.shape[-1]:
        raise InputError(f"response_centre is {zero}, and response has {numbers.shape[-1]} numbers: the place among them, from 0 on, that "
                         "stands for no delay is needed")
    (name, points), = x.items()
    return Response(numbers, zero, as_name(shift), even(name, points))


class ConvolvedFormula(Formula):
    """A formula that is folded with a response, over the points that this was given for.

    Parameters
    ----------
    base : Formula
        What is folded; it has a program, and one independent variable.
    response : Response

    Raises
    ------
    InputError
        If it has none, or the parameter that moves the response is one of the formula's.
    """

    def __init__(self, base: Formula, response: Response):
        if base.response is not None:
            raise InputError(f"{base!r} is that already: give the formula or the model itself beside response=")
        if not base.native:
            raise InputError(f"response= needs a formula that compiles, and {base!r} doesn't: {base.reason}")
        if response.shift in (*base.names, *base.independent):
            raise InputError(f"response_shift is {response.shift!r}, which {base!r} has itself: the parameter that moves the response must "
                             "be another one")
        self.base, self.response = base, response
        self.func, self._signature, self.text, self._rows, self.reason = base.func, base._signature, base.text, base._rows, ""
        more = () if response.shift is None else (response.shift,)
        self.independent, self.names, self._graph = base.independent, (*base.names, *more), base._graph
        self.defaults = {**base.defaults, **dict.fromkeys(more, 0.0)}
        # what is compiled is the same whatever the response is
        memory: Made = base._convolved.setdefault(response.shift, (Memory(), Memory(), Memory()))
        self._folded, self._made, self._programs = memory[0], Memory(), memory[2]

    def at(self, places: Any) -> Formula:
        """Return the formula of one fit of a batch, or of some, which may have responses of their own."""
        return self if self.response.numbers.ndim == 1 else self.of_rows(self.response.numbers[places])

    @property
    def others(self) -> tuple[str, ...]:
        """The parameter that moves the response, where there is one."""
        return () if self.response.shift is None else (self.response.shift,)

    def of_rows(self, numbers: np.ndarray) -> ConvolvedFormula:
        """Return the formula of some fits, which have these responses, (..., k)."""
        return ConvolvedFormula(self.base, self.response._replace(numbers=numbers))

    def convolved(self, found: Folded) -> Folded:
        """Return a formula with parameters folded in, folded with the response too."""
        return found.with_response(self.response)

    def program(self, free: Iterable[str] | None = None, inputs: Iterable[str] = ()) -> Program:
        """Return the program that fits run, as `Formula.program` does."""
        key = None if free is None else tuple(free), tuple(inputs)
        found = self._made.get(key)
        if found is None:
            lowered = self.lowered(free, inputs)
            own = self.response.of_program(lowered.free, lowered.inputs)
            found = self._made[key] = Program(**lowered.encoded(OPCODES), response=own)
        return found

    def __call__(self, /, *args: Any, **values: Any) -> np.ndarray:
        """Evaluate at points of those that the formula is folded over; parameters are numbers, or arrays with a last axis of length 1."""
        return self._folded_values(self._values(args, values), jacobian=False)[()]

    def jacobian(self, /, *args: Any, **values: Any) -> np.ndarray:
        """Evaluate the exact derivatives by the parameters, in the order of `names`: ndarray (..., p)."""
        return self._folded_values(self._values(args, values), jacobian=True)

    def _folded_values(self, given: Mapping[str, np.ndarray], jacobian: bool) -> np.ndarray:
        """Return values, or derivatives, curve by curve."""
        x = given[self.independent[0]]
        own = [given[name] for name in self.names]
        points = x.reshape(-1)
        if x.ndim and x.size != x.shape[-1]:
            raise InputError(f"{self.independent[0]} has the shape {x.shape}: a formula that is folded with a response has the same for "
                             "all curves")
        if any(each.ndim and each.shape[-1] != 1 for each in own):
            raise InputError("a parameter of a formula that is folded with a response is a number for each curve, of shape (..., 1)")
        self.response.check(self.independent[0], points)
        lead = np.broadcast_shapes(x.shape[:-1], *(each.shape[:-1] for each in own))
        curves = np.array([np.broadcast_to(each if each.ndim == 0 else each[..., 0], lead) for each in own]).reshape(len(own), -1).T
        more = (len(own),) if jacobian else ()
        found = np.empty((len(curves), points.size, *more))
        shared = self.response.numbers.ndim == 1
        for k, v in enumerate(curves):
            formula = self if shared else self.of_rows(self.response.numbers[np.unravel_index(k, lead)])
            found[k] = formula._of_curve(v, points, jacobian)
        return found.reshape((*lead, *x.shape[-1:], *more))

    def _of_curve(self, v: np.ndarray, points: np.ndarray, jacobian: bool) -> np.ndarray:
        """Return the values of one curve, or the derivatives: by so many parameters at a time as a program has."""
        if len(self.names) <= FREE_LIMIT:
            return self.program().evaluate(v, points, jacobian=jacobian)[1 if jacobian else 0]
        if not jacobian:
            return self.program((), self.names).evaluate((), points, v, jacobian=False)[0]
        parts = []
        for first in range(0, len(self.names), FREE_LIMIT):
            free = self.names[first:first + FREE_LIMIT]
            rest = [k for k in range(len(self.names)) if not first <= k < first + FREE_LIMIT]
            program = self.program(free, [self.names[k] for k in rest])
            parts.append(program.evaluate(v[first:first + FREE_LIMIT], points, v[rest])[1])
        return np.concatenate(parts, axis=1)

    def terms(self) -> list[Formula]:
        """Return the terms of a formula whose text is a sum, each folded with the response."""
        return [ConvolvedFormula(each, self.response) for each in self.base.terms()]

    def __repr__(self) -> str:
        return f"{self.base!r}, folded with a response of {self.response.length} numbers"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Formula):
            return NotImplemented
        return isinstance(other, ConvolvedFormula) and self.base == other.base and self.response.same(other.response)

    def __hash__(self) -> int:
        return hash((self.base, self.response.length, self.response.centre, self.response.shift))

    def __reduce__(self) -> tuple:
        return ConvolvedFormula, (self.base, self.response)


def convolved_again(base: Formula, numbers: np.ndarray, x: np.ndarray, said: Mapping[str, Any]) -> ConvolvedFormula:
    """Return a formula that is folded with a response that was written to a file."""
    return ConvolvedFormula(base, Response(np.asarray(numbers, float), said["centre"], said["shift"], np.asarray(x, float)))
