"""The caller's residual function as a solver needs it: an array of float64 from an array of values, counted and checked.

The function sees its own copy of the parameters, rewritten before every call, and may do with it what it likes. What it returns
is copied, so that it may use one buffer again and again.
"""
import contextlib
import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NoReturn

import numpy as np

from gslfit.data.numbers import read
from gslfit.errors import InputError, InputTypeError, NonFiniteError, warn
from gslfit.minimizer.precision import EPS, SMALLEST, precision_of
from gslfit.parameters._values import Evaluation

NAN_POLICIES = ("raise", "omit", "propagate")
TINY, HUGE = 1e-30, 1e30      # outside, residuals are rescaled so that their squares neither vanish nor overflow
MOST_SCALED = 1000            # power of two that a residual is multiplied with at most, so that derivatives don't overflow


class OutOfCalls(Exception):
    """The limit on evaluations of the residual was reached."""


class Aborted(Exception):
    """The caller's iteration callback asked to stop."""


def numbers_of(out: Any, name: str) -> np.ndarray:
    """Return what a residual function returned as a one-dimensional array of real or complex numbers.

    Raises
    ------
    InputTypeError
        It is None, a string, a scalar or an array of objects.
    """
    if out is None:
        raise InputTypeError(f"{name} returned None: it must return the residual array (is a return statement missing?)")
    if isinstance(out, (str, bytes)):
        raise InputTypeError(f"{name} returned {out!r}: it must return the residual array")
    found = read(f"what {name} returned", out, imaginary=True)
    array = found.array
    if array.ndim == 0:
        raise InputTypeError(f"{name} returned the scalar {array.item()!r}: it must return the array of residuals, not their sum")
    return array.ravel() if found.mask is None else array[~found.mask]


def flatten(array: np.ndarray) -> np.ndarray:
    """Return real or complex numbers as a new float64 array; complex ones as pairs: real part, imaginary part, real part, ..."""
    if array.dtype.kind == "c":
        return np.ascontiguousarray(array, dtype=np.complex128).view(np.float64).copy()
    return array.astype(np.float64)


def flatten_as(array: np.ndarray, pairs: bool) -> np.ndarray:
    """Return numbers as `flatten` does, as many as at a start that was complex (pairs) or real: NaN where one has become complex, since the
    model of real data has no value there."""
    if array.dtype.kind == "c" and not pairs:
        array = np.where(array.imag == 0, array.real, np.nan)
    return flatten(array.astype(complex) if pairs else array)


class Residual(Evaluation):
    """A residual function bound to its parameters and its data: called with the varying parameters' values it gives the residuals.

    A call returns a new ndarray, shape (n,), all NaN where an expression can't be evaluated.  It raises `OutOfCalls` and `Aborted`, and
    `InputError` where the number of residuals has changed.

    Parameters
    ----------
    function : callable
        ``function(params, *args, **kws) -> array``.
    free : binding of the varying parameters
        As `Parameters.bind` gives it.
    args : tuple
    kws : dict
    nan_policy : {"raise", "omit", "propagate"}
        What to do about a residual that is not finite at the start: raise, leave these points out, or let the fit judge.
    iter_cb : callable or None
        ``iter_cb(params, iteration, residual, *args, **kws)`` after every evaluation; a true result ends the fit.
    limit : int
        The number of evaluations allowed.

    Attributes
    ----------
    nfev : int
        Evaluations so far.
    size : int
        Number of residuals in the fit, 0 before `first`.
    full : int
        Number of residuals before any is left out.
    pairs : bool
        Whether they were complex at the start: they are then pairs.
    scale : float
        The power of two that residuals are multiplied with, 1 unless they are very small or very large.
    precision : float
        Their relative precision.
    """

    def __init__(self, function: Callable, free: Any, args: tuple = (), kws: Mapping[str, Any] | None = None, nan_policy: str = "raise",
                 iter_cb: Callable | None = None, limit: float = np.inf) -> None:
        if nan_policy not in NAN_POLICIES:
            raise InputError(f"nan_policy={nan_policy!r} is not one of {', '.join(map(repr, NAN_POLICIES))}")
        super().__init__(function, free, tuple(args), dict(kws or {}), iter_cb, limit)
        self.nan_policy, self.pairs = nan_policy, False
        self.stopped: type[Exception] = OutOfCalls      # what a call beyond the limit raises

    def _exhausted(self) -> NoReturn:
        raise self.stopped

    def _flat(self, out: Any) -> np.ndarray:
        """Return what the function returned as a new vector of as many residuals as at the start, real or complex as they were there."""
        r = flatten_as(numbers_of(out, self.name), self.pairs)
        if r.size != self.full:
            raise InputError(f"{self.name} returned {r.size} residuals after {self.full} before: their number may not change "
                             "during a fit")
        return r

    def _report(self, r: np.ndarray) -> None:
        """Call the caller's iteration callback, if there is one."""
        if self.iter_cb is not None and self.ask(self.iter_cb, (self.free.params, self.nfev, r, *self.args)):
            self.stopped, self.limit = Aborted, 0           # for good
            raise Aborted

    def _report_first(self, r: np.ndarray) -> None:
        """Call the callback after the first evaluation: there is a result already, so what it stops is the next one."""
        if self.iter_cb is not None:
            with contextlib.suppress(Aborted):
                self._report(r)

    @property
    def whole(self) -> bool:
        """Whether the residuals are the function's own numbers: real ones, and none left out."""
        return self._keep is None and not self.pairs

    def rows(self, J: np.ndarray) -> np.ndarray:
        """Return the rows of a Jacobian, shape (full, p), that are in the fit."""
        return J if self._keep is None else J[self._keep]

    def first(self, x: np.ndarray) -> np.ndarray:
        """Evaluate at the start values, checking all that can be wrong with a residual.

        Returns
        -------
        ndarray, shape (n,)

        Raises
        ------
        InputError
            It is empty, or shorter than the number of varying parameters.
        InputTypeError
            It is no array of numbers.
        NonFiniteError
            It, or an expression, is not finite, and `nan_policy` does not allow that.
        """
        self.scale, self._keep, self.pairs = 1., None, False
        out = self._evaluate(x)
        easy = self._easy(out, TINY, HUGE)
        if easy is not None:
            self.full = self.size = easy.size
            self.precision = EPS
            self._remember(x, easy)
            self._report_first(easy)
            return easy
        found = numbers_of(out, self.name)
        r = flatten(found)
        self.pairs, self.full = found.dtype.kind == "c", r.size
        self.precision = precision_of(out if isinstance(out, np.ndarray) else r)
        self._check_square(np.shape(out))
        if r.size == 0:
            raise InputError(f"{self.name} returned an empty residual: there is nothing to fit")
        r = self._check_finite(x, r)
        self.size = r.size
        if r.size < x.size:
            raise InputError(f"{self.name} returned {r.size} residuals for {x.size} varying parameters ({', '.join(self.free.names)}): "
                             "there must be at least as many; fix some parameters with vary=False")
        self._report_first(r)
        largest = float(np.max(np.abs(r), initial=0., where=np.isfinite(r)))
        if largest > SMALLEST and not TINY < largest < HUGE:        # what is smaller is one of rounding
            self.scale = float(np.ldexp(1., min(-int(np.frexp(largest)[1]), MOST_SCALED)))
        scaled = r * self.scale
        self._remember(x, scaled)
        return scaled

    def _check_finite(self, x: np.ndarray, r: np.ndarray) -> np.ndarray:
        """Leave out, let pass or complain about residuals that are not finite."""
        finite = np.isfinite(r)
        if finite.all() or self.nan_policy == "propagate":
            return r
        if self.nan_policy == "omit" and finite.any():
            self._keep = finite
            return r[finite]
        index = int(np.argmin(finite))
        for name, array in self._arrays():
            bad = ~np.isfinite(array)
            if bad.any():
                where = np.unravel_index(int(np.argmax(bad)), array.shape)
                raise NonFiniteError(f"{name}[{', '.join(map(str, where))}] is {array[where]}, and {int(bad.sum())} of {bad.size} values "
                                     "are not finite: leave them out, or fit with nan_policy='omit'")
        # where all are bad it is the model; where some are, what they divide by may be zero
        zero = [name for name, array in self._arrays() if finite.any() and array.size == r.size and array.ravel()[index] == 0]
        values = ", ".join(f"{name}={value:.6g}" for name, value in zip(self.free.names, x.tolist(), strict=True))
        hint = f"; {' and '.join(f'{name}[{index}] is 0' for name in zero)}" if zero else ""
        raise NonFiniteError(f"{self.name} is {r[index]} at index {index} ({int((~finite).sum())} of {r.size} are not finite) at the start "
                             f"values {values}{hint}: change the start values or set bounds that keep the model finite")

    def _check_square(self, shape: tuple[int, ...]) -> None:
        """Warn of a square residual that no array handed over has the shape of: (n,) - (n, 1) is (n, n)."""
        if len(shape) == 2 and shape[0] == shape[1] > 1 and not any(array.shape == shape for _, array in self._arrays()):
            warn(f"{self.name} returned a residual of shape {shape}, {shape[0] * shape[1]} residuals: if the data have {shape[0]} "
                 "points, two arrays of shapes (n,) and (n, 1) were combined into a square; flatten one of them")

    def _arrays(self) -> Iterator[tuple[str, np.ndarray]]:
        """Yield the arrays of numbers that the function computes from, with their names: arguments, then what it refers to."""
        try:
            positions = list(inspect.signature(self.function).parameters)[1:]
        except (TypeError, ValueError):
            positions = []
        named = {positions[i] if i < len(positions) else f"args[{i}]": value for i, value in enumerate(self.args)}
        named.update(self.kws)
        function = inspect.unwrap(self.function)
        code = getattr(function, "__code__", None)
        if code is not None:
            closed = zip(code.co_freevars, function.__closure__ or (), strict=False)
            named.update({name: cell.cell_contents for name, cell in closed if name not in named})
            known = function.__globals__
            named.update({name: known[name] for name in code.co_names if name in known and name not in named})
        for name, value in named.items():
            if isinstance(value, (np.ndarray, list, tuple)) or (hasattr(value, "__array__") and not callable(value)):
                try:
                    array = np.asarray(value)
                except ValueError:          # a ragged list is no array
                    continue
                if array.dtype.kind in "fc" and array.ndim:
                    yield name, array
