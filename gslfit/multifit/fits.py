"""`FdfSolver.fit`: Ruby/GSL's one-call fits, with a limit, a status, and honest errors."""
from typing import Any

import numpy as np

from gslfit.errors import InputError, InputTypeError, NonFiniteError, warn
from gslfit.multifit.guesses import from_data
from gslfit.multifit.types import TYPES, FitType, Floats
from gslfit.objective.lengths import lengths
from gslfit.objective.residual import degrees_of_freedom, residual
from gslfit.solvers._function import Function_fdf
from gslfit.solvers._multifit import FdfSolver, covar
from gslfit.solvers.termination import Termination

MAX_ITER = 500
TOLERANCE = 1e-10


class FitResult(list):
    """What `FdfSolver.fit` returns: ``coef, err, chisq, dof = result``, and how the fit ended.

    Attributes
    ----------
    coef, err : ndarray, shape (p,)
        The coefficients, and their standard errors sqrt(chisq/dof C_ii); NaN where one can't be had.
    chisq : float
        Sum of squared residuals.
    dof : int
        Number of data minus number of coefficients.
    names : tuple of str
        Of the coefficients.
    outcome : Termination
        How the iteration ended.
    """

    def __init__(self, coef: Floats, err: Floats, chisq: float, dof: int, names: tuple[str, ...], outcome: Termination) -> None:
        super().__init__([coef, err, chisq, dof])
        self.coef, self.err, self.chisq, self.dof, self.names, self.outcome = coef, err, chisq, dof, names, outcome

    @property
    def success(self) -> bool:
        """Whether the fit converged."""
        return self.outcome.success


def find_type(name: Any) -> FitType:
    """Return the fit type of that name, full or abbreviated as Ruby/GSL takes it ("gaus...", "exponential", "lorentzian", "e")."""
    if not isinstance(name, str):
        raise InputTypeError(f"the fit type must be a string, not {type(name).__name__}")
    text = name.strip().lower()
    if text.startswith("gaus") and "2" in text:
        return TYPES["gaussian_2peaks"]
    for kind in sorted(TYPES.values(), key=lambda kind: "2" in kind.name):
        if text and any(text.startswith(known) or known.startswith(text) for known in (kind.name, *kind.also)):
            return kind
    raise InputError(f"there is no fit type {name!r}; there are {', '.join(TYPES)} and fermi")


def _column(values: Any, name: str) -> Floats:
    """Return one column of data: finite numbers in one dimension."""
    try:
        if np.iscomplexobj(values):
            raise TypeError("complex numbers")
        array = np.array(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputTypeError(f"{name} must be real numbers in an array: {error}") from None
    if array.ndim != 1 or not array.size:
        raise InputError(f"{name} has shape {array.shape}: one dimension, not empty, is needed")
    bad = np.flatnonzero(~np.isfinite(array))
    if bad.size:
        raise NonFiniteError(f"{name}[{bad[0]}] is {array[bad[0]]}; {bad.size} of {array.size} elements are not finite")
    return array


def _arguments(arguments: tuple[Any, ...]) -> tuple[Floats, Floats, Floats, FitType, Floats | None]:
    """Sort (x, y, type[, guess]) and (x, w, y, type[, guess])."""
    where = next((i for i, value in enumerate(arguments) if isinstance(value, str)), None)
    if where not in (2, 3) or len(arguments) > where + 2:
        raise InputTypeError("fit takes (x, y, type[, guess]) or (x, w, y, type[, guess]), with the type a string")
    kind = find_type(arguments[where])
    x, y = _column(arguments[0], "x"), _column(arguments[where - 1], "y")
    w = np.ones_like(x) if where == 2 else _column(arguments[1], "w")
    for name, column in (("w", w), ("y", y)):
        if column.shape != x.shape:
            raise InputError(f"x has {x.size} elements and {name} has {column.size}")
    if x.size < len(kind.names):
        raise InputError(f"there are {x.size} data for the {len(kind.names)} coefficients of {kind.name!r}")
    if kind.positive_x and (x <= 0).any():
        index = int(np.argmax(x <= 0))
        raise InputError(f"x[{index}] is {x[index]}: {kind.name!r}, {kind.formula}, needs x > 0")
    guess = arguments[where + 1] if len(arguments) > where + 1 else None
    if guess is not None:
        guess = _column(guess, "guess")
        if guess.size != len(kind.names):
            raise InputError(f"guess has {guess.size} elements; {kind.name!r} has {len(kind.names)} coefficients: {', '.join(kind.names)}")
    return x, y, w, kind, guess


def _function(kind: FitType, x: Floats, y: Floats, w: Floats) -> Function_fdf:
    """Return the residual w (model - y) and its Jacobian."""
    def f(c: Floats) -> Floats:
        with np.errstate(all="ignore"):
            return residual(kind.value(x, c), y, w)

    def df(c: Floats) -> Floats:
        with np.errstate(all="ignore"):
            return w[:, None] * np.column_stack(kind.slopes(x, c))

    return Function_fdf.from_callables(f, df, x.size, len(kind.names))


def _run(function: Function_fdf, n: int, start: Floats) -> tuple[Termination, FdfSolver]:
    solver = FdfSolver("lmsder", n, len(start))
    solver.set(function, start)
    return solver.solve(xtol=TOLERANCE, ftol=TOLERANCE**2, gtol=TOLERANCE, max_iter=MAX_ITER), solver


def _best(kind: FitType, function: Function_fdf, x: Floats, y: Floats, w: Floats, guess: Floats | None) -> tuple[Termination, FdfSolver]:
    """Fit from the caller's guess; without one from the data's, and from the table's where those lead nowhere."""
    if guess is not None:
        return _run(function, x.size, guess)
    runs = []
    for starts in (from_data(kind, x, y, w), [np.array(kind.default, dtype=np.float64)]):
        for start in starts:
            try:
                runs.append(_run(function, x.size, start))
            except NonFiniteError:          # the formula overflows at this start
                continue
        if any(outcome.success for outcome, _ in runs):
            break
    if not runs:
        raise NonFiniteError(f"{kind.name!r} is not finite at any guess for these data: hand over a guess of {', '.join(kind.names)}")
    return min(runs, key=lambda run: (not run[0].success, float(lengths(run[1].f))))


def _errors(solver: FdfSolver, length: float, dof: int) -> Floats:
    """Return standard errors; NaN for coefficients that the data do not determine. Rank is decided on columns of length 1."""
    J = solver.J
    size = lengths(J)
    live = size > 0
    variance = np.zeros(len(size))
    if live.any():
        variance[live] = np.diag(covar(J[:, live] / size[live], 1e-12))
    err = np.full(len(size), np.nan)
    known = variance > 0
    if dof:
        err[known] = length / np.sqrt(dof) * np.sqrt(variance[known]) / size[known]
    return err


def _warn(kind: FitType, result: FitResult) -> None:
    """Say what is wrong with a result, if anything."""
    lost = [name for name, err in zip(result.names, result.err, strict=True) if not err >= 0]
    if not result.success:
        warn(f"fit of {kind.name!r}: {result.outcome.message}")
    if result.dof == 0:
        warn(f"fit of {kind.name!r}: there are as many data as coefficients, so there are no errors to be had")
    elif lost:
        warn(f"fit of {kind.name!r}: the data do not determine {', '.join(lost)}; no error is given")


def fit(*arguments: Any) -> FitResult:
    """Fit data with a formula of the table: fit(x, y, type[, guess]) or fit(x, w, y, type[, guess]).

    Levenberg-Marquardt by lmsder with exact derivatives. Without a guess several are made from the data, and the best fit is kept.

    Parameters
    ----------
    x, y : array_like, shape (n,)
        The data.
    w : array_like, shape (n,)
        What multiplies each residual: 1/sigma.
    type : str
        One of `TYPES`, or an abbreviation.
    guess : array_like, shape (p,)
        First guess of the coefficients.

    Returns
    -------
    FitResult
        The list [coef, err, chisq, dof]; err is sqrt(chisq/dof C_ii), with C the inverse of J^T J. Its `outcome` says how the
        iteration ended.

    Raises
    ------
    InputError
        If lengths differ, there are fewer data than coefficients, x is not positive where the formula needs it, or there is no
        such type.
    NonFiniteError
        If the data have a NaN or an infinity.

    Warns
    -----
    FitWarning
        If the fit did not converge, or the data do not determine a coefficient.

    Examples
    --------
    >>> import numpy as np
    >>> from gslfit.multifit import FdfSolver
    >>> x = np.linspace(0.1, 5, 30)
    >>> coef, err, chisq, dof = FdfSolver.fit(x, 2 + 3 * np.exp(-1.5 * x), "exp")
    >>> coef.round(6).tolist(), dof
    ([2.0, 3.0, 1.5], 27)
    """
    x, y, w, kind, guess = _arguments(arguments)
    outcome, solver = _best(kind, _function(kind, x, y, w), x, y, w, guess)
    length, dof = float(lengths(solver.f)), degrees_of_freedom(x.size, len(kind.names))
    err = _errors(solver, length, dof)
    if kind.names[0] == "y0" and np.ptp(y) <= 1e-14 * np.abs(y).max():      # constant: any shape will do if its height is zero
        err[1:] = np.nan
    result = FitResult(solver.x, err, length * length, dof, kind.names, outcome)
    _warn(kind, result)
    return result
