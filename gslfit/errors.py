"""What can go wrong, by name: the exceptions of gslfit, how a fit ended, and one table of GSL's status codes.

Above, a `FitError` says what is wrong with what the caller handed in, naming the culprit and the remedy. Below, a status code of GSL
becomes the class that `STATUSES` has for it. A code that says how an iteration ended (`SUCCESS`, `CONTINUE`, the three "cannot reach the
specified tolerance") is no failure in itself; whoever runs the iteration judges it: how a fit ended is a `FitStatus`, made from the table
that C has too, `src/common/status.h`.
"""
from __future__ import annotations

import sys
import warnings
from typing import Any

from gslfit._status import FitStatus
from gslfit.records import Record


class FitWarning(UserWarning):
    """A fit that gave a result which the caller should look at twice."""


def warn(message: str, category: type[FitWarning] = FitWarning) -> None:
    """Give a `FitWarning` in the name of the line that called the package."""
    level, frame = 2, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == __package__:
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)


def warn_of_covariance(message: str) -> None:
    """Give a `CovarianceWarning`: a `FitWarning` that is SciPy's `OptimizeWarning` too."""
    warn(message, __getattr__("CovarianceWarning"))


class FitError(Exception):
    """The root of every exception that gslfit itself raises.

    Attributes
    ----------
    of_caller : bool
        A function of the caller's raised it, or let it through. Then it reaches the caller, whatever its class means within a fit.
    """

    of_caller = False


class InputError(FitError, ValueError):
    """A value handed in can't be used."""


class InputTypeError(FitError, TypeError):
    """Something handed in, or returned by a callback, is of a kind that can't be used."""


class NonFiniteError(InputError):
    """A NaN or an infinity where a finite number is needed."""


class ParameterError(InputError):
    """A parameter's value, bounds or role can't be used."""


class ParameterNameError(ParameterError, KeyError):
    """A name that no parameter can have, or that no parameter has."""

    __str__ = Exception.__str__          # KeyError would show the repr of the message


class ExpressionError(InputError):
    """An expression can't be read or evaluated.

    Parameters
    ----------
    message : str
        What is wrong, and where.
    text : str
        The expression.
    column : int or None
        Where in the text, counted from 1.
    """

    def __init__(self, message: str, text: str = "", column: int | None = None) -> None:
        super().__init__(message)
        self.text = text
        self.column = column

    def __reduce__(self) -> tuple:
        return type(self), (str(self), self.text, self.column), self.__dict__


class NoSuchFitError(InputError, IndexError):
    """A fit of a batch that there is not."""


class NoGuessError(InputError, NotImplementedError):
    """A model whose start values can't be guessed."""


class ConvergenceError(FitError, RuntimeError):
    """A fit that was to give a minimum, or raise, found none."""


class NoModelError(FitError, AttributeError):
    """A result is asked for what only a model can answer, and only a residual function was fitted."""


class GSLError(FitError):
    """A status of GSL that means failure.

    Parameters
    ----------
    message : str
        What GSL's code stands for, and in which call it came up.
    code : int
        GSL's status code; each child has its own as a default.
    """

    code = -1

    def __init__(self, message: str = "", code: int | None = None) -> None:
        super().__init__(message)
        if code is not None:
            self.code = code

    def __reduce__(self) -> tuple:
        return type(self), (str(self), self.code), self.__dict__


class Status(Record):
    """One status code of GSL: its number, its name, the exception it becomes and what it means."""

    code: int
    name: str
    error: type[GSLError]
    prose: str


# code | name | class | further base | prose. The one place where a code of GSL gets a name, a class and a meaning.
_TABLE = """
 0 | SUCCESS  |                          |                     | success
-1 | FAILURE  | FailureError             |                     | the operation failed
-2 | CONTINUE | NotConvergedError        |                     | the iteration has not converged
 1 | EDOM     | DomainError              | ValueError          | an argument lies outside the function's domain
 2 | ERANGE   | OutOfRangeError          | OverflowError       | the result is too large or too small for a double
 3 | EFAULT   | BadPointerError          |                     | an invalid pointer was handed over
 4 | EINVAL   | InvalidArgumentError     | ValueError          | an argument is invalid
 5 | EFAILED  | FailedError              |                     | the operation failed for a reason GSL does not give
 6 | EFACTOR  | FactorizationError       | ArithmeticError     | a factorization failed
 7 | ESANITY  | SanityError              |                     | a check inside GSL failed that never should
 8 | ENOMEM   | OutOfMemoryError         | MemoryError         | there is not enough memory
 9 | EBADFUNC | BadFunctionError         |                     | a function of the caller's failed or gave values that are not finite
10 | ERUNAWAY | RunawayError             |                     | the iteration ran away
11 | EMAXITER | TooManyIterationsError   |                     | the largest number of iterations was reached
12 | EZERODIV | DivideByZeroError        | ZeroDivisionError   | division by zero
13 | EBADTOL  | BadToleranceError        | ValueError          | a tolerance is invalid: it is negative or not a number
14 | ETOL     | ToleranceError           |                     | the tolerance asked for was not reached
15 | EUNDRFLW | UnderflowError           | ArithmeticError     | a number became too small for a double
16 | EOVRFLW  | NumberOverflowError      | OverflowError       | a number became too large for a double
17 | ELOSS    | AccuracyLossError        | ArithmeticError     | accuracy was lost
18 | EROUND   | RoundoffError            | ArithmeticError     | rounding errors prevent the result
19 | EBADLEN  | LengthError              | ValueError          | lengths of vectors or matrices do not match
20 | ENOTSQR  | NotSquareError           | ValueError          | a matrix is not square
21 | ESING    | SingularError            | ArithmeticError     | a matrix is singular
22 | EDIVERGE | DivergenceError          | ArithmeticError     | the integral or series diverges
23 | EUNSUP   | UnsupportedError         |                     | this machine does not support the operation
24 | EUNIMPL  | UnimplementedError       | NotImplementedError | this version of GSL does not have the operation
25 | ECACHE   | CacheLimitError          |                     | a cache is full
26 | ETABLE   | TableLimitError          |                     | a table is full
27 | ENOPROG  | NoProgressError          |                     | no step lowers chi-square any more
28 | ENOPROGJ | NoJacobianProgressError  |                     | new Jacobians do not improve the solution
29 | ETOLF    | ResidualPrecisionError   |                     | chi-square can't be lowered further in double precision
30 | ETOLX    | StepPrecisionError       |                     | the step is smaller than the parameters' rounding
31 | ETOLG    | GradientPrecisionError   |                     | the gradient is zero to rounding
32 | EOF      | EndOfFileError           | EOFError            | the end of the file was reached
"""


def _status(line: str) -> Status:
    """Read one line of the table, making its class."""
    code, name, class_name, base, prose = (part.strip() for part in line.split("|"))
    error: type[GSLError] = GSLError
    if class_name:
        mix = getattr(__import__("builtins"), base) if base else None
        bases = (GSLError, mix) if mix else (GSLError,)
        error = type(class_name, bases, {"__module__": __name__, "code": int(code), "__doc__": f"GSL_{name}: {prose}."})
        globals()[class_name] = error
    return Status(int(code), name, error, prose)


STATUSES: dict[int, Status] = {status.code: status for status in map(_status, _TABLE.strip().splitlines())}
"""GSL code -> its name, class and prose."""

__all__ = ["STATUSES", "ExpressionError", "FitError", "FitStatus", "FitWarning", "GSLError", "InputError", "InputTypeError",
           "NoGuessError", "NoModelError", "NoSuchFitError", "NonFiniteError", "ParameterError", "ParameterNameError", "Status", "check",
           "ending", "error", "prose", *(status.error.__name__ for status in STATUSES.values() if status.error is not GSLError)]


def ending(ier: int, words: str, success: bool) -> FitStatus:
    """Return the status of a fit that is known by MINPACK's `ier` and its words alone, as in files of gslfit 0.1.

    Parameters
    ----------
    ier : int
        MINPACK's number.
    words : str
        The prose of the status, as far as it is known.
    success : bool
        Whether the fit ended at a minimum.

    Returns
    -------
    FitStatus
        The one with these words, else the first with that `ier`, else the plainest.
    """
    alike = [status for status in FitStatus if status.ier == ier and status.success == success]
    plain = FitStatus.CONVERGED if success else FitStatus.NO_PROGRESS
    return next((status for status in alike if status.prose == words.rstrip(".")), alike[0] if alike else plain)


def prose(code: int) -> str:
    """Return what a status code of GSL means, in a few words."""
    status = STATUSES.get(code)
    return status.prose if status else f"GSL returned the status {code}, which it does not define"


def error(code: int, doing: str = "") -> GSLError:
    """Return the exception that a status code of GSL becomes.

    Parameters
    ----------
    code : int
        GSL's status code.
    doing : str
        What was being done, for the message: "covar", "the step of lmsder".

    Returns
    -------
    GSLError
        An instance of the code's own class, with `code` set.
    """
    status = STATUSES.get(code)
    name = f"GSL_{status.name}" if status else f"GSL status {code}"
    message = f"{doing}: {prose(code)} ({name})" if doing else f"{prose(code)} ({name})"
    return (status.error if status else GSLError)(message, code)


def check(code: int, doing: str = "") -> int:
    """Raise the exception of a status code that isn't success.

    Parameters
    ----------
    code : int
        GSL's status code.
    doing : str
        What was being done, for the message.

    Returns
    -------
    int
        0.

    Raises
    ------
    GSLError
        The code's own class, if the code isn't 0.

    Examples
    --------
    >>> from gslfit.errors import GSLError, check
    >>> check(0)
    0
    >>> try:
    ...     check(21, "covar")
    ... except GSLError as error:
    ...     print(type(error).__name__, error.code, error)
    SingularError 21 covar: a matrix is singular (GSL_ESING)
    """
    if code:
        raise error(code, doing)
    return 0


def _covariance_warning() -> type[FitWarning]:
    """Return the class of warnings that SciPy's `OptimizeWarning` catches too, made on first use: it needs SciPy."""
    from scipy.optimize import OptimizeWarning
    about = "`curve_fit` could not estimate the covariance of some parameters: SciPy's `OptimizeWarning`, too."
    made = type("CovarianceWarning", (FitWarning, OptimizeWarning), {"__module__": __name__, "__doc__": about})
    globals()["CovarianceWarning"] = made
    return made


def __getattr__(name: str) -> Any:
    if name == "CovarianceWarning":
        return globals().get(name) or _covariance_warning()
    # for type checkers: the classes of the table are made at import and found in the globals
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
