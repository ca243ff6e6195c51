"""Fits of the same data compared: the F-test for nested ones, AICc, BIC and Akaike weights.

With the errors of the data estimated by the fit, n log(chisqr/n) stands for -2 log(likelihood), and the errors' size is one parameter more
in AICc (Burnham and Anderson, Model Selection and Multimodel Inference, 2002, section 2.4). With known errors (``scale_covar=False``) it is
chi-square itself, and its difference between nested fits follows chi-square's distribution.
"""
from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import permutations
from math import exp, inf, log, nan
from typing import TYPE_CHECKING, Any

import numpy as np

from gslfit.checks import words
from gslfit.confidence.ftest import scaled
from gslfit.errors import InputError, InputTypeError
from gslfit.records import Record

if TYPE_CHECKING:
    import pandas as pd

NAMES = ("fit", "smaller", "larger")        # columns of names, on the left of their room
NUMBERS = ("ndata", "nvarys", "chisqr")
HEADS = ("fit", "ndata", "nvarys", "chisqr", "redchi", "aicc", "delta", "weight", "bic")


class ComparedFit(Record):
    """One fit's row in a comparison.

    `aicc` is Akaike's criterion with the correction for few data, infinite where there are too few for it; `delta` is its distance from the
    lowest one, `weight` the fit's share of ``exp(-delta/2)``, NaN where no fit has an AICc; `bic` is the Bayesian information criterion.
    """

    fit: str
    ndata: int
    nvarys: int
    chisqr: float
    redchi: float
    aicc: float
    delta: float
    weight: float
    bic: float


class NestedTest(Record):
    """The test of a fit against one that varies further parameters.

    `statistic` is F with the degrees of freedom `dfn` and `dfd`, or the fall of chi-square where errors are known (`dfd` is then infinite);
    `p` is the probability of one as large where the smaller fit is true.
    """

    smaller: str
    larger: str
    statistic: float
    dfn: int
    dfd: float
    p: float


@dataclass(frozen=True, repr=False)
class Comparison:
    """What `gslfit.compare` found.

    Attributes
    ----------
    fits : tuple of ComparedFit
        In the order of the call.
    tests : tuple of NestedTest
        Of all pairs that are nested.
    best : str
        The fit with the lowest AICc.
    """

    fits: tuple[ComparedFit, ...]
    tests: tuple[NestedTest, ...]

    @property
    def best(self) -> str:
        """The fit with the lowest AICc."""
        return min(self.fits, key=lambda row: row.aicc).fit

    def __repr__(self) -> str:
        lines = _aligned([HEADS, *(_cells(row) for row in self.fits)])
        if self.tests:
            lines += ["", *_aligned([_test_heads(self.tests), *(_cells(test) for test in self.tests)])]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        from gslfit.report.html import enclosed, table
        found = table(HEADS, (_cells(row) for row in self.fits), "Comparison of fits")
        if self.tests:
            found += table(_test_heads(self.tests), (_cells(test) for test in self.tests), "Nested fits")
        return enclosed(found)

    def to_frame(self) -> pd.DataFrame:
        """Return the fits as a pandas DataFrame, by their names."""
        import pandas as pd
        return pd.DataFrame([row._asdict() for row in self.fits]).set_index("fit")


def _cells(row: Iterable[Any]) -> list[str]:
    """Return numbers as text."""
    return [f"{each:.6g}" if isinstance(each, float) else str(each) for each in row]


def _test_heads(tests: Sequence[NestedTest]) -> tuple[str, ...]:
    """Return the heads of the table of tests."""
    return ("smaller", "larger", "F" if tests[0].dfd < inf else "chi-square", "dfn", "dfd", "p")


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows of cells as lines, names on the left and numbers on the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    left = [head in NAMES for head in rows[0]]
    return ["  ".join(cell.ljust(width) if on_left else cell.rjust(width)
                      for cell, width, on_left in zip(row, widths, left, strict=True)).rstrip() for row in rows]


def compare(*results: Any, names: Sequence[str] | None = None) -> Comparison:
    """Compare fits of the same data: F-tests of nested ones, AICc, Akaike weights, BIC.

    Parameters
    ----------
    *results : FitResult, ModelResult or Minimizer
        Two or more.
    names : sequence of str, optional
        What the table calls them; "fit 1", "fit 2", ... if not given.

    Returns
    -------
    Comparison
        A table: ``print`` shows it, notebooks draw it, `to_frame` makes it a DataFrame.

    Raises
    ------
    InputError
        If fewer than two are given, or they can't be compared: other data, weights, priors or covariances, counts in one and least
        squares in another, errors known in one and estimated in another, robust losses.
    InputTypeError
        If one is no result of one fit.

    Notes
    -----
    A fit is taken as nested in another if its varying parameters, by name, are some of the other's. Whether the models are nested in one
    another indeed, as a line is in a parabola, is the caller's knowledge.

    Examples
    --------
    >>> import numpy as np
    >>> import gslfit
    >>> x = np.linspace(0, 1, 30)
    >>> y = 1 + 2*x + 0.1*np.sin(50*x)
    >>> line = gslfit.fit("a + b*x", y, x=x, a=0, b=0)
    >>> parabola = gslfit.fit("a + b*x + c*x**2", y, x=x, a=0, b=0, c=0)
    >>> found = gslfit.compare(line, parabola, names=["line", "parabola"])
    >>> found.best, round(found.tests[0].p, 2)
    ('line', 0.94)
    """
    if len(results) < 2:
        raise InputError(f"compare takes two results or more, not {len(results)}")
    labels = [f"fit {k + 1}" for k in range(len(results))] if names is None else words("names", names)
    if len(labels) != len(results) or len(set(labels)) != len(labels):
        raise InputError(f"names must be {len(results)} different ones, one for each result; not {', '.join(labels)}")
    for label, result in zip(labels, results, strict=True):
        _check(label, result)
    _check_same_losses(labels, results)
    _check_same_priors(labels, results)
    known = _errors_known(labels, results)
    _check_same_data(labels, results)
    likelihoods = [float(result.chisqr) if known else float(result.aic) - 2*result.nvarys for result in results]
    aicc = [_aicc(likelihood, result.ndata, result.nvarys + (not known)) for likelihood, result in zip(likelihoods, results, strict=True)]
    lowest = min(aicc)
    deltas = [0.0 if each == lowest else each - lowest for each in aicc]
    shares = [exp(-each/2) if lowest < inf else nan for each in deltas]
    fits = [ComparedFit(label, int(result.ndata), int(result.nvarys), float(result.chisqr), float(result.redchi), criterion, delta,
                        share/sum(shares), likelihood + log(result.ndata)*result.nvarys)
            for label, result, likelihood, criterion, delta, share in zip(labels, results, likelihoods, aicc, deltas, shares, strict=True)]
    tests = [_test(a, b, known) for (a, small), (b, large) in permutations(zip(fits, results, strict=True), 2)
             if set(small.var_names) < set(large.var_names)]
    return Comparison(tuple(fits), tuple(tests))


def _check(label: str, result: Any) -> None:
    """Raise InputTypeError for what is no result of one fit, InputError for one that is not fitted."""
    if hasattr(result, "ndata") and hasattr(result, "shape"):
        raise InputTypeError(f"compare takes results of single fits, and {label} is a {type(result).__name__}: ask for one of its fits, "
                             "such as result[0]")
    if not all(hasattr(result, name) for name in (*NUMBERS, "aic", "var_names")):
        name = type(result).__name__
        if hasattr(result, "params"):
            raise InputError(f"compare takes results of fits, and {label} is an unfitted {name}")
        raise InputTypeError(f"compare takes results of fits, and {label} is a {name}")
    loss = _loss(result)
    if loss not in ("linear", "poisson"):
        raise InputError(f"compare takes fits by least squares or of counts, and {label} has loss={loss!r}, whose cost is no chi-square")


def _loss(result: Any) -> str:
    """Return the loss of a fit."""
    return str((getattr(result, "call_kws", None) or {}).get("loss", "linear"))


def _check_same_losses(labels: Sequence[str], results: Sequence[Any]) -> None:
    """Raise InputError if one fit is of counts and another by least squares."""
    losses = [_loss(result) for result in results]
    if len(set(losses)) > 1:
        one, other = losses.index("linear"), losses.index("poisson")
        raise InputError(f"{labels[one]} is by least squares and {labels[other]} by loss='poisson': what they minimise is not the same, so "
                         "fit both in the same way to compare them")


def _check_same_priors(labels: Sequence[str], results: Sequence[Any]) -> None:
    """Raise InputError if fits have different priors: each is a measurement, and so they are of different data."""
    first = getattr(results[0], "prior", None) or {}
    for label, other in zip(labels[1:], results[1:], strict=True):
        own = getattr(other, "prior", None) or {}
        if own == first:
            continue
        name = next(each for each in (*first, *own) if first.get(each) != own.get(each))
        told = [f"{where} has {known[name][0]:.6g} +/- {known[name][1]:.6g}" if name in known else f"{where} has none"
                for where, known in ((labels[0], first), (label, own))]
        raise InputError(f"{labels[0]} and {label} have different priors of {name!r}: {' and '.join(told)}; a prior is a measurement, so "
                         "only fits with the same ones are of the same data")


def _errors_known(labels: Sequence[str], results: Sequence[Any]) -> bool:
    """Return whether the fits know the errors of their data, or raise InputError where only some do."""
    known = [not scaled(result, {}) for result in results]
    if any(known) and not all(known):
        raise InputError(f"{labels[known.index(True)]} has known errors (scale_covar=False) and {labels[known.index(False)]} estimates "
                         "them: fit both in the same way to compare them")
    return known[0]


def _check_same_data(labels: Sequence[str], results: Sequence[Any]) -> None:
    """Raise InputError if two fits are known to be of different data or weights."""
    first = results[0]
    for label, other in zip(labels[1:], results[1:], strict=True):
        if other.ndata != first.ndata:
            raise InputError(f"{labels[0]} is of {first.ndata} data and {label} of {other.ndata}: only fits of the same data can be "
                             "compared")
        for what in ("data", "weights", "ycov"):
            one, two = getattr(first, what, None), getattr(other, what, None)
            if (one is None) != (two is None):
                alike = what == "data" or not all(hasattr(result, "data") for result in (first, other))
            else:
                alike = one is None or _same(np.asarray(one), np.asarray(two))
            if not alike:
                raise InputError(f"{labels[0]} and {label} have different {what}: only fits of the same data with the same weights can be "
                                 "compared")


def _same(one: np.ndarray, two: np.ndarray) -> bool:
    """Return whether arrays hold the same numbers, one for all as well as an array of them."""
    if one.size != two.size and 1 not in (one.size, two.size):
        return False
    a, b = np.broadcast_arrays(one.reshape(-1), two.reshape(-1))
    return bool(np.array_equal(a, b, equal_nan=a.dtype.kind in "fc" and b.dtype.kind in "fc"))


def _aicc(likelihood: float, n: int, k: int) -> float:
    """Return AICc from -2 log(likelihood), the number of data and that of parameters."""
    return likelihood + 2*k + 2*k*(k + 1)/(n - k - 1) if n > k + 1 else inf


def _test(small: ComparedFit, large: ComparedFit, known: bool) -> NestedTest:
    """Test a fit against a larger one."""
    from scipy.special import fdtrc, gammaincc
    dfn, dfd = large.nvarys - small.nvarys, large.ndata - large.nvarys
    fall = max(small.chisqr - large.chisqr, 0.0)
    if known:
        return NestedTest(small.fit, large.fit, fall, dfn, inf, float(gammaincc(dfn/2, fall/2)))
    if dfd <= 0 or small.chisqr == 0:
        return NestedTest(small.fit, large.fit, nan, dfn, float(dfd), nan)
    statistic = inf if large.chisqr == 0 else fall/large.chisqr*dfd/dfn
    return NestedTest(small.fit, large.fit, statistic, dfn, float(dfd), float(fdtrc(dfn, dfd, statistic)))
