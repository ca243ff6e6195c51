"""What a cell asserts: values, errors, ndata, chi-square and success, or the error's class and words."""
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from parity.oracle import Truth

SHARE = 1e-5        # of its standard error: how near a value must be
CLOSE = 1e-6        # how near, relatively, a standard error must be
DIFFERENCES = 5e-5  # both, where derivatives are differences of a residual


def in_range(error: float) -> bool:
    """Return whether the square of a standard error is 0 or a normal number."""
    return error == 0 or abs(np.log10(error)) < 153.8


@dataclass(frozen=True)
class Answer:
    """What an entry gave, brought to one form; a standard error that is None, NaN or infinite is None."""

    values: Mapping[str, float]
    stderr: Mapping[str, float | None]
    ndata: int
    chisqr: float
    success: bool
    message: str
    errorbars: bool | None = None       # None where the entry doesn't say
    differences: bool = False           # whether derivatives are differences
    beyond: tuple[str, ...] | None = None   # whose variances were said to be out of a double's range; None where errors are no roots of any


class Expected:
    """What must come back."""

    quiet = False       # no warning may be given

    def judge(self, answer: Answer) -> None:
        """Assert what an answer must be."""
        raise AssertionError(f"expected an error, and there is {answer}")

    def refused(self, error: Exception) -> None:
        """Assert that an error is the right one."""
        raise error


@dataclass(frozen=True)
class Right(Expected):
    """A success with the oracle's numbers.

    Attributes
    ----------
    truth : Truth
    share, close : float
        How near values are, in standard errors, and standard errors, relatively.
    exact : bool
        The residual is at rounding: values must be right to rounding, and errors, unless they are known, be of its size.
    either : tuple of type
        Errors that will do as well.
    named : str
        What the message must have: a regular expression.
    least : float
        What chi-square says where it is smaller: lmfit's is never below 1e-250 for each point.
    quiet : bool
        No warning may be given.
    """

    truth: Truth
    share: float = SHARE
    close: float = CLOSE
    exact: bool = False
    known: bool = False
    either: tuple[type[Exception], ...] = ()
    named: str = ""
    least: float = 0.0
    quiet: bool = True

    def refused(self, error: Exception) -> None:
        if not isinstance(error, self.either or ()):
            raise error

    def judge(self, answer: Answer) -> None:
        truth = self.truth
        assert answer.success, f"not a success: {answer.message}"
        assert answer.ndata == truth.ndata
        assert set(answer.values) == set(truth.values)
        close, share = (max(each, DIFFERENCES) if answer.differences and each else each for each in (self.close, self.share))
        for name, right in truth.values.items():
            room = max(truth.rounding[name], 0.0 if self.exact else share*(truth.stderr[name] or 0.0))
            assert abs(answer.values[name] - right) <= room, f"{name} is {answer.values[name]!r}, right is {right!r} +/- {room:.2g}"
            if answer.beyond is not None and (error := truth.stderr[name]) is not None and not in_range(error):
                assert answer.stderr[name] is None and name in answer.beyond, f"{error!r} of {name}, whose square is no number, is not said"
            else:
                self._judge_error(name, answer.stderr[name], truth.stderr[name], close)
        if self.exact:
            assert answer.chisqr <= truth.floor
        elif 0 < truth.chisqr < np.inf and answer.chisqr != self.least:
            assert abs(answer.chisqr/truth.chisqr - 1) <= max(1e-8, self.share**2), (answer.chisqr, truth.chisqr)
        else:               # a square that no float can hold
            assert answer.chisqr in (truth.chisqr, self.least)
        assert re.search(self.named, answer.message), f"{self.named!r} is not in the message: {answer.message}"
        if answer.errorbars is not None:
            assert answer.errorbars == all(error is not None for error in truth.stderr.values())

    def _judge_error(self, name: str, found: float | None, right: float | None, close: float) -> None:
        said = f"the standard error of {name} is {found!r}, right is {right!r}"
        if right is None:
            assert found is None, said
        elif self.exact and not self.known:
            assert found is not None and 0 <= found <= self.truth.rounding[name], f"{said}, at most {self.truth.rounding[name]:.2g}"
        else:
            assert found is not None and abs(found - right) <= close*right, said


@dataclass(frozen=True)
class Refused(Expected):
    """An error of a class, with words that name the culprit or the remedy."""

    error: type[Exception] | tuple[type[Exception], ...]
    words: str = ""

    def refused(self, error: Exception) -> None:
        if type(error) not in (self.error if isinstance(self.error, tuple) else (self.error,)):
            raise error
        assert re.search(self.words, str(error)), f"{self.words!r} is not in the message: {error}"


@dataclass(frozen=True)
class Marked(Expected):
    """A row that can't be fitted: not a success, without numbers."""

    ndata: int

    def judge(self, answer: Answer) -> None:
        assert not answer.success
        assert answer.message.startswith("BAD_DATA")
        assert np.all(np.isnan([*answer.values.values(), answer.chisqr])), answer
        assert set(answer.stderr.values()) == {None}, answer
        assert answer.ndata == self.ndata


@dataclass(frozen=True)
class Unmoved(Expected):
    """A start without effect: not a success, and what is returned is the start, or nothing."""

    start: Mapping[str, float]
    ndata: int
    chisqr: float

    def judge(self, answer: Answer) -> None:
        assert not answer.success, answer.message
        assert answer.ndata == self.ndata
        assert set(answer.stderr.values()) == {None}, answer
        if not np.isnan(answer.chisqr):
            assert answer.values == self.start
            assert np.isclose(answer.chisqr, self.chisqr, rtol=1e-12)
        else:
            assert np.all(np.isnan(list(answer.values.values())))


@dataclass(frozen=True)
class NoCurve(Expected):
    """Data that are zero everywhere: a success whose curve is zero to rounding; a parameter that nothing shows has any value.

    Attributes
    ----------
    curve : callable
        The fitted curve, of values by keyword.
    size : float
        What counts as zero.
    """

    curve: Callable[..., np.ndarray]
    size: float
    ndata: int

    def judge(self, answer: Answer) -> None:
        assert answer.success, f"not a success: {answer.message}"
        assert answer.ndata == self.ndata
        found = self.curve(**answer.values)
        assert np.max(np.abs(found)) <= self.size, np.max(np.abs(found))
        assert 0 <= answer.chisqr <= self.ndata*self.size**2
        for name in ("a", "c"):
            assert (answer.stderr[name] or 0.0) <= 100*self.size, answer
