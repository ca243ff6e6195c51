"""What is known of parameters before a fit: each prior, a mean with a standard deviation, is one more measurement.

The residual ``(value - mean)/sd`` of a parameter, or of an expression of several, joins those of the data. So a fit with priors is that of
a formula with some points more, at which it is the parameter or the expression: the same program in the same engine, and the covariance,
the profiles and the judgement of the end follow.
"""
from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from math import isfinite, sqrt
from typing import Any

import numpy as np

from gslfit.checks import by_name, shown
from gslfit.data.fits import Fits
from gslfit.data.inputs import Factors, Inputs
from gslfit.data.layout import Layout
from gslfit.data.numbers import read
from gslfit.errors import InputError, NonFiniteError
from gslfit.formula.formula import NO_VARIABLE, Formula
from gslfit.formula.graph import Graph, Pool, transplant
from gslfit.parameters.collection import Parameters
from gslfit.records import Record

ROW = "gslfit_prior"    # an independent variable that no formula has: 0 at a point of the data, k at that of the k-th prior
COUNT = 1e14            # a count that says of its mean what a measurement with a normal error says, to 1e-7


class Priors(Record):
    """Priors of one fit, or of many.

    Attributes
    ----------
    texts : tuple of str
        Names of parameters, or expressions of them.
    means, deviations : tuple of ndarray, each of shape () or (...)
    """

    texts: tuple[str, ...]
    means: tuple[np.ndarray, ...]
    deviations: tuple[np.ndarray, ...]

    def row(self, place: tuple[int, ...]) -> Priors:
        """Return those of one fit."""
        means, deviations = (tuple(np.asarray(each[place] if each.ndim else each) for each in group) for group in self[1:])
        return Priors(self.texts, means, deviations)

    def of_rows(self, at: tuple[np.ndarray, ...]) -> Priors:
        """Return those of some fits, by index arrays."""
        means, deviations = (tuple(each[at] if each.ndim else each for each in group) for group in self[1:])
        return Priors(self.texts, means, deviations)

    def block(self, given: Inputs) -> Priors:
        """Return those of a block of a batch."""
        shape = given.layout.shape
        here = tuple(slice(first, first + size) for first, size in zip(given.origin or (0,)*len(shape), shape, strict=True))
        means, deviations = (tuple(each[here] if each.ndim else each for each in group) for group in self[1:])
        return Priors(self.texts, means, deviations)

    def residual(self, values: Mapping[str, Any]) -> np.ndarray:
        """Return how many standard deviations parameters are off their means: ndarray (..., k)."""
        found = []
        for text, mean, deviation in zip(*self, strict=True):
            formula = Formula(text, (NO_VARIABLE,))
            with np.errstate(all="ignore"):
                found.append((formula(0.0, **{name: np.asarray(values[name]) for name in formula.names}) - mean)/deviation)
        return np.stack(np.broadcast_arrays(*found), axis=-1)


def read_priors(given: Any, fits: Fits, known: Any) -> Priors | None:
    """Read what a caller gives for priors; None where there are none.

    Parameters
    ----------
    given : mapping of str to (mean, sd), or None
    fits : Fits
    known : collection of str
        The parameters.

    Raises
    ------
    InputError
        If a text is no expression of the parameters, a mean is not finite, a standard deviation not positive, or a shape another one.
    """
    if given is None or isinstance(given, Priors):
        return given
    texts, means, deviations = [], [], []
    for text, pair in by_name("prior", given).items():
        label = f"prior[{shown(text)}]"
        if not isinstance(text, str):
            raise InputError(f"{label}: the keys of prior are parameters' names, or expressions of them")
        formula = Formula(text, (NO_VARIABLE,))
        strange = [name for name in formula.names if name not in known]
        if strange or not formula.names:
            what = f"{strange[0]!r} is no parameter" if strange else "there is no parameter in it"
            raise InputError(f"{label}: {what}; there are {', '.join(known)}")
        try:
            mean, deviation = pair
        except (TypeError, ValueError):
            raise InputError(f"{label} is {shown(pair)}, and (mean, sd) is needed") from None
        arrays = [np.array(read(f"the {word} of {label}", fits.take(f"{label}[{k}]", each)).array, float)
                  for k, word, each in ((0, "mean", mean), (1, "sd", deviation))]
        for word, array in zip(("mean", "sd"), arrays, strict=True):
            if array.shape not in ((), fits.shape):
                raise InputError(f"the {word} of {label} has the shape {array.shape}: a number, or one for each fit, "
                                 f"{fits.shape}, is needed")
            good = np.isfinite(array) & ((array > 0) if word == "sd" else True)
            if not good.all():
                value = array.item() if not array.ndim else array[~good][0]
                raise InputError(f"the {word} of {label} is {value}: it must be {'above 0 and finite' if word == 'sd' else 'finite'}")
        texts.append(text)
        means.append(arrays[0])
        deviations.append(arrays[1])
    return Priors(tuple(texts), tuple(means), tuple(deviations)) if texts else None


def check_errors(given: Inputs, loss: str, scale_covar: Any) -> None:
    """Raise InputError where the errors of the data aren't known, which a prior must be weighed against: those of fits with priors are not
    scaled. `scale_covar` is what the caller said, None for nothing."""
    if given.y.dtype.kind == "c":
        raise InputError("prior= needs real data, and these are complex")
    if loss not in ("linear", "poisson"):
        raise InputError(f"prior= is weighed against the errors of the data, and with loss={loss!r} they have none: give "
                         "loss='linear' or 'poisson', or hold the parameter")
    known = loss == "poisson" or given.ycov is not None or (given.factors is not None and (
        given.factors.inverted or scale_covar is False))
    if not known or scale_covar is True:
        weighted = ", with weights scale_covar=False too" if given.factors is not None else ""
        said = " (scale_covar=True estimates them)" if known else weighted
        raise InputError(f"prior= is weighed against the errors of the data, which must be known: give yerr or ycov{said}")


def _off_at_start(priors: Priors, params: Parameters, values: Mapping[str, Any]) -> dict[str, float]:
    """Return how many standard deviations each prior is off its mean at start values."""
    started = params.copy()
    for name, value in values.items():
        if started[name].expr is None:
            started[name].value = float(value)
    return dict(zip(priors.texts, priors.residual({name: par.value for name, par in started.items()}).tolist(), strict=True))


@contextmanager
def naming_priors(priors: Priors, params: Parameters, values: Mapping[str, Any], counts: bool) -> Iterator[None]:
    """Refuse a prior that is not finite at the start of one fit, and have an error there name the prior that is to blame for it.

    Parameters
    ----------
    priors : Priors
    params : Parameters
    values : mapping of str to float
        Start values, over those of `params`.
    counts : bool
        Whether a prior is told as the mean of a count of `COUNT`.
    """
    off_at_start = _off_at_start(priors, params, values)
    for text, off in off_at_start.items():      # nan_policy="omit" would leave it out as it leaves out data
        if not isfinite(off):
            raise NonFiniteError(f"prior[{text!r}]: it is not finite at the start values; change these")
    try:
        yield
    except (InputError, NonFiniteError):
        for text, off in off_at_start.items() if counts else ():
            if off <= -sqrt(COUNT):
                raise InputError(f"prior[{text!r}]: its start is {-off:.3g} standard deviations below its mean, and among counts "
                                 f"{sqrt(COUNT):.0e} is the most: start nearer to it") from None
        raise


def extended_formula(formula: Formula, priors: Priors, counts: bool = False) -> Formula:
    """Return a formula that is another one at points whose `ROW` is 0, and the k-th prior's expression where it is k.

    Parameters
    ----------
    formula : Formula
    priors : Priors
    counts : bool
        Whether a prior is told as the mean of a count of `COUNT`.
    """
    parts = [Formula(text, (NO_VARIABLE,)) for text in priors.texts]
    names = tuple(dict.fromkeys((*formula.names, *(name for part in parts for name in part.names))))
    independent = (*formula.independent, ROW)
    if not (formula.native and all(part.native for part in parts)):
        return _called(formula, parts, names, (*independent, *((f"{ROW}_mean", f"{ROW}_size") if counts else ())))
    pool = Pool()
    value, = transplant(pool, [formula.graph.value])
    which = pool.leaf("x", ROW)
    for k, part in enumerate(parts):
        own, = transplant(pool, [part.graph.value])
        if counts:
            own = (own - pool.leaf("x", f"{ROW}_mean"))*pool.leaf("x", f"{ROW}_size") + COUNT
        value = pool.make("select", pool.make("eq", which, float(k + 1)), own, value)
    independent = (*independent, *((f"{ROW}_mean", f"{ROW}_size") if counts else ()))
    label = f"graph of {formula!r} with priors of {', '.join(priors.texts)}"
    return Formula.from_graph(Graph(pool, value, (), (), independent), names, label)


def _called(formula: Formula, parts: list[Formula], names: tuple[str, ...], independent: tuple[str, ...]) -> Formula:
    """Return the same of a function that is called."""
    return Formula(CalledWithPriors(formula, parts, names, independent), independent)


class CalledWithPriors:
    """A function that is called at the points of the data alone, and has the values of expressions behind its own.

    Parameters
    ----------
    formula : Formula
        Of the function.
    parts : list of Formula
        Of the expressions.
    names, independent : tuple of str
        All parameters, and the independent variables: `ROW` behind the function's own, of counts its mean and its size too.
    """

    def __init__(self, formula: Formula, parts: list[Formula], names: tuple[str, ...], independent: tuple[str, ...]):
        self.formula, self.parts, self.names, self.independent = formula, parts, names, independent
        self.__name__ = getattr(formula.func, "__name__", "f")
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        self.__signature__ = inspect.Signature([inspect.Parameter(name, kind) for name in (*independent, *names)])

    def __call__(self, **given: Any) -> np.ndarray:
        """Return the values at the points of the data, and those of the expressions."""
        own = np.asarray(given[ROW]) == 0
        points = {name: np.asarray(given[name])[..., own] for name in self.formula.independent}
        found = self.formula(**points, **{name: given[name] for name in self.formula.names})
        more = [part(0.0, **{name: given[name] for name in part.names}) for part in self.parts]
        if f"{ROW}_mean" in given:
            means, sizes = (np.asarray(given[f"{ROW}_{what}"])[..., ~own] for what in ("mean", "size"))
            more = [(each - means[..., k])*sizes[..., k] + COUNT for k, each in enumerate(more)]
        lead = np.broadcast_shapes(np.shape(found)[:-1], *(np.shape(each)[:-1] for each in more))
        return np.concatenate([np.broadcast_to(each, (*lead, size)) for each, size in
                               zip((found, *more), (np.shape(found)[-1], *(1 for _ in more)), strict=True)], axis=-1)


def extended_inputs(given: Inputs, priors: Priors, counts: bool = False) -> Inputs:
    """Return data with a point more for each prior, which it has for its measurement."""
    shape, n, k = given.layout.shape, given.y.shape[-1], len(priors.texts)
    lead = given.y.shape[:-1]

    def more(array: np.ndarray, rest: Any) -> np.ndarray:
        """Return an array (n) or (..., n) with further numbers, each () or (...), at its end."""
        wide = np.broadcast_shapes(array.shape[:-1], *(np.shape(each) for each in rest))
        columns = [np.broadcast_to(np.asarray(each, float)[..., None], (*wide, 1)) for each in rest]
        return np.concatenate([np.broadcast_to(np.asarray(array, float), (*wide, array.shape[-1])), *columns], axis=-1)

    def of_rows(array: np.ndarray) -> np.ndarray:
        return array if array.ndim == 1 or array.shape[:-1] == lead else np.broadcast_to(array, (*lead, array.shape[-1]))
    y = more(given.y, [np.broadcast_to(COUNT if counts else each, lead) for each in priors.means])
    x = {name: more(array, [0.0]*k) for name, array in given.x.items()}
    x[ROW] = np.r_[np.zeros(n), np.arange(1.0, k + 1)]
    factors: Factors | None = None
    if counts:
        size = [np.sqrt(COUNT)/each for each in priors.deviations]
        x |= {f"{ROW}_mean": of_rows(more(np.zeros(n), priors.means)), f"{ROW}_size": of_rows(more(np.zeros(n), size))}
    elif given.factors is not None and given.factors.inverted:
        factors = Factors(given.factors.name, of_rows(more(given.factors.array, priors.deviations)))
    else:
        array = np.ones(n) if given.factors is None else given.factors.array
        factors = Factors("weights", of_rows(more(array, [1/each for each in priors.deviations])))
    mask = None if given.mask is None else np.concatenate([given.mask, np.zeros((*given.mask.shape[:-1], k), bool)], axis=-1)
    where = Layout((*shape, n + k), (len(shape),)) if shape else Layout((n + k,))
    return given._replace(layout=where, labels=None, y=y, x=x, factors=factors, mask=mask, prior=None, origin=())
