"""The caller's Jacobian, brought to the varying parameters: checked once against differences, mapped through the expressions."""
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from gslfit.errors import InputError, InputTypeError, NonFiniteError
from gslfit.minimizer._descent import Differences
from gslfit.minimizer.residual import Residual
from gslfit.objective._loss import length
from gslfit.objective.lengths import lengths

SHORT = 1e-6    # relative step of a difference, about
LEAST_NUMBER = 2.0**-1074       # of double precision: what residuals next to 0 are rounded to
SILENT = 1e-9   # share of the residual that a parameter changes by its size, for all that its column says, where that says nothing
MOVED = 1e-3    # relative step by which such a parameter changes it ...
SEEN = 1e-6     # ... by more than this share, where its column is wrong
AGREE = 0.1     # a column that differs from centred differences by more than this share is wrong


def real_slopes(slopes: Any, complaint: str) -> Any:
    """Return derivatives as they are, complex ones without imaginary parts as real ones; InputTypeError, the complaint, for others."""
    if not np.iscomplexobj(slopes):
        return slopes
    if np.any(np.imag(slopes)):
        raise InputTypeError(complaint)
    return np.real(slopes)


class UserJacobian:
    """A caller's derivative function as ``jac(x) -> ndarray, shape (n, p)``.

    The function ``jac(params, *args, **kws)`` returns the derivatives of the residual as an array or as a mapping from names to columns.
    An array has a column (with `col_deriv` a row) for each varying parameter in order, being then total derivatives, those through
    expressions included; or one for each parameter, fixed and `expr` ones included, being then partial derivatives, which are combined
    by the chain rule here.  A mapping has partial derivatives; parameters it leaves out do not act on the residual directly.

    Parameters
    ----------
    function : callable
    residual : Residual
        After its `first`.
    col_deriv : bool
        Derivatives go along rows: the array is the transpose.
    """

    def __init__(self, function: Callable, residual: Residual, col_deriv: bool = False) -> None:
        self.function, self.residual, self.col_deriv = function, residual, bool(col_deriv)
        self.free = residual.free
        self.all_names = list(self.free.params)
        self.name = getattr(function, "__name__", type(function).__name__)
        self.njev = 0

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Evaluate at values x of the varying parameters.

        Raises
        ------
        InputError
            Its shape is not that of the residual and the parameters.
        """
        self.njev += 1
        self.free.put_external(x)
        out = self.residual.ask(self.function, (self.free.params, *self.residual.args))
        # the function may have written into its parameters
        self.free.put_external(x)
        J = self._from_names(out) if isinstance(out, Mapping) else self._from_array(out)
        return self.residual.rows(J) * self.residual.scale

    def _from_array(self, out: Any) -> np.ndarray:
        """Return an array's columns, checked for shape."""
        J = np.asarray(out)
        if J.dtype.kind not in "biufc" or J.ndim != 2:
            raise InputTypeError(f"{self.name} returned {type(out).__name__} of shape {J.shape}: it must return a two-dimensional array of "
                                 "numbers")
        if self.col_deriv:
            J = J.T
        J = self._of_parts(J)
        n, varying, every = self.residual.full, len(self.free.names), len(self.all_names)
        if J.shape[0] != n or J.shape[1] not in (varying, every):
            turn = " (set col_deriv=True if it is the transpose)" if J.shape[::-1] in ((n, varying), (n, every)) else ""
            allowed = " or ".join(str((n, count)) for count in sorted({varying, every}))
            raise InputError(f"{self.name} returned a Jacobian of shape {J.shape}: for {n} residuals and {varying} varying of {every} "
                             f"parameters it must be {allowed}{turn}")
        if J.shape[1] == varying:
            return np.asarray(J, dtype=np.float64)
        return self._combine({name: J[:, k] for k, name in enumerate(self.all_names)})

    def _from_names(self, out: Mapping[str, Any]) -> np.ndarray:
        """Return a mapping's columns, checked for names."""
        for name in out:
            if name not in self.all_names:
                raise InputError(f"{self.name} returned a derivative by {name!r}, which is no parameter ({', '.join(self.all_names)})")
        columns = {name: self._of_parts(np.reshape(column, (-1, 1)))[:, 0] for name, column in out.items()}
        for name, column in columns.items():
            if column.size not in (1, self.residual.full):
                raise InputError(f"{self.name} returned {column.size} derivatives by {name!r} for {self.residual.full} residuals")
        return self._combine({name: np.broadcast_to(column, self.residual.full) for name, column in columns.items()})

    def _of_parts(self, J: np.ndarray) -> np.ndarray:
        """Return complex derivatives, a column each, as pairs of real ones, as complex residuals are; of real residuals as real ones.

        Raises
        ------
        InputTypeError
            If residuals are real and their derivatives aren't.
        """
        if J.dtype.kind != "c":
            return J
        if self.residual.pairs:
            return np.ascontiguousarray(J.T, dtype=np.complex128).view(np.float64).T
        return real_slopes(J, f"{self.name} returned complex derivatives, and the residuals are real: return real ones, or complex "
                              "residuals, whose parts are fitted both")

    def _combine(self, partial: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return total derivatives by the varying parameters from partial ones by all: the chain rule through the expressions."""
        J = np.zeros((self.residual.full, len(self.free.names)))
        for k, name in enumerate(self.free.names):
            if name in partial:
                J[:, k] = partial[name]
        names, slopes = self.free.dependents()
        for name, row in zip(names, slopes, strict=True):
            if name in partial and row.any():
                J += np.outer(partial[name], row)
        return J

    def bad(self, J: np.ndarray) -> str:
        """Say which element of a Jacobian is not finite, the first by rows; "" where all are."""
        finite = np.isfinite(J)
        if finite.all():
            return ""
        row, column = np.unravel_index(int(np.argmin(finite)), J.shape)
        return (f"{self.name} is {J[row, column]} in row {row}, the derivative by {self.free.names[column]!r} "
                f"({int((~finite).sum())} of {J.size} elements are not finite)")

    @property
    def derived(self) -> bool:
        """Whether it follows from the residual's formula."""
        return bool(getattr(getattr(self.function, "__self__", None), "derived", False))

    def in_range(self, x: np.ndarray, r: np.ndarray) -> bool:
        """Return whether derivatives are finite, and a column is next to none only where its parameter doesn't move the residual: on the
        way to one of a formula numbers may leave the range of doubles (y/x**2 of y of 1e-150 beside x of 1e100).
        """
        J = self(x)
        norms = lengths(J)
        if not np.isfinite(norms).all():
            return False
        for k in np.flatnonzero((norms*np.abs(x) <= SILENT*length(r)) & (x != 0)):
            there = x.copy()
            there[k] *= 1 + MOVED
            if length(self.residual(there) - r) > SEEN*length(r):
                return False
        return True

    def check(self, x: np.ndarray, r: np.ndarray, differences: Differences) -> None:
        """Compare with centred differences at the start; not what follows from a residual's formula, which may change faster than they see.

        Raises
        ------
        InputError
            A column differs, naming the parameter and saying whether the sign is wrong.
        NonFiniteError
            The Jacobian is not finite.
        """
        J = self(x)
        bad = self.bad(J)
        if bad:
            raise NonFiniteError(f"{bad} at the start values")
        if not self.derived and not self._agrees_along(x, r, J, differences):
            self._check_columns(x, r, J, differences)

    def _agrees_along(self, x: np.ndarray, r: np.ndarray, J: np.ndarray, differences: Differences) -> bool:
        """Compare along one line on which every column counts alike: two evaluations, enough where all is well."""
        norms = lengths(J)
        if not ((norms > 0) & (norms < np.inf)).all():
            return False
        share = 1e-5 * float(np.max(norms * np.abs(x), initial=0.)) or 1e-5 * length(r)
        step = np.minimum(share / norms, 1e-3 * np.where(x == 0, np.inf, np.abs(x))) * np.where(np.arange(x.size) % 2, -1., 1.)
        if not (np.isfinite(step).all() and (step != 0).all()):
            return False
        if (x + np.abs(step) > differences.upper).any() or (x - np.abs(step) < differences.lower).any():
            return False
        change = (self.residual(x + step) - self.residual(x - step)) / 2
        wrong = length(change - J @ step)
        return wrong < AGREE * float(np.min(norms * np.abs(step)))      # False for NaN

    def _check_columns(self, x: np.ndarray, r: np.ndarray, J: np.ndarray, differences: Differences) -> None:
        """Compare column by column and say which one is wrong."""
        rough = differences.forward(x, r)
        reference = differences.central(x, r)
        model = float(np.max(lengths(J) * np.abs(x), initial=0.))     # of which a short residual is a difference
        least = LEAST_NUMBER * self.residual.scale * math.sqrt(r.size)
        rounding = max(differences.precision * max(length(r), model), least) / SHORT
        for k, name in enumerate(self.free.names):
            exact, mine = reference[:, k], J[:, k]
            size, own = length(exact), length(mine)
            wrong, unsure = length(mine - exact), length(exact - rough[:, k])
            if not math.isfinite(wrong) and math.isfinite(own):         # differences overflow: they tell nothing
                continue
            if wrong <= AGREE * max(size, own) + 2 * unsure:
                continue
            if x[k] != 0 and wrong * abs(x[k]) < rounding:          # too little to be seen in differences
                continue
            if x[k] == 0 and size == 0 and length(r) <= rounding:     # nor is a step, whose size the residual gives
                continue
            flipped = length(mine + exact) < AGREE * size
            how = "has the wrong sign" if flipped else f"differs by {100 * wrong / (size or own):.0f} % of its length"
            hint = ("; for a parameter that expressions use give the total derivative, or return a column for every parameter"
                    if self.free.dependents()[0] else "")
            raise InputError(f"{self.name}: the derivative by {name!r} {how}, against finite differences at the start values{hint}")
