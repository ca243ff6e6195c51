"""The fits of resampled data, begun at the best fit: rows of a batch where a formula was fitted, else one by one by `Minimizer`."""
from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from gslfit.curves.fit_batch import fit_inputs
from gslfit.curves.row_fit import status_of
from gslfit.data.covariance import Covariance
from gslfit.data.inputs import Factors, Inputs
from gslfit.data.layout import Layout
from gslfit.errors import FitStatus, FitWarning, InputError, NonFiniteError
from gslfit.minimizer.minimizer import Minimizer
from gslfit.minimizer.options import MINIMIZE
from gslfit.records import Record
from gslfit.resampling.draws import Sample
from gslfit.resampling.fitted import Fitted

# a replicate that does not determine every parameter has no value of it
GOOD = np.array([status.success and status != FitStatus.RANK_DEFICIENT for status in FitStatus])
NUMBERS = np.array([int(status) for status in FitStatus])


class Refits(Record):
    """How the fits of replicates ended.

    Attributes
    ----------
    values : dict of str to ndarray, shape (rows,)
        Of all parameters, in order.
    status : ndarray of int8, shape (rows,)
        `FitStatus` of each.
    """

    values: dict[str, np.ndarray]
    status: np.ndarray

    @property
    def good(self) -> np.ndarray:
        """Which of them have values: they succeeded, and determine every parameter; ndarray of bool."""
        found = np.isin(self.status, NUMBERS[GOOD])
        for array in self.values.values():
            found &= np.isfinite(array)
        return found


def refits(fitted: Fitted, samples: Iterable[Sample], count: int, threads: int | None = None,
           tell: Callable[[int], Any] | None = None) -> Refits:
    """Fit replicates block by block.

    Parameters
    ----------
    fitted : Fitted
    samples : iterable of Sample
    count : int
        How many replicates they are.
    threads : int, optional
        Of fits that run compiled; all cores, if not given.
    tell : callable, optional
        Called with the number of replicates that are done.
    """
    found = Refits({name: np.full(count, np.nan) for name in fitted.params}, np.full(count, FitStatus.NOT_RUN, np.int8))
    done = 0
    for sample in samples:
        block = _by_batch(fitted, sample, threads) if fitted.curve is not None else _one_by_one(fitted, sample, done, tell)
        here = slice(done, done + sample.rows)
        for name, array in block.values.items():
            found.values[name][here] = array
        found.status[here] = block.status
        done += sample.rows
        if tell is not None and fitted.curve is not None:
            tell(done)
    return found


@contextmanager
def quiet() -> Iterator[None]:
    """Leave out warnings of fits, which would come once for each replicate."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FitWarning)
        yield


# -- a formula: rows of a batch

def _by_batch(fitted: Fitted, sample: Sample, threads: int | None) -> Refits:
    """Fit a block as a batch."""
    loss = fitted.loss
    options: dict[str, Any] = {"threads": threads, "scale_covar": not fitted.known}
    if loss is not None:
        options |= {"loss": loss.name} | ({"f_scale": loss.f_scale} if loss.robust else {})
    assert fitted.curve is not None
    with quiet():                       # that Python is called: the fit itself said so
        found = fit_inputs(fitted.curve.formula, _inputs(fitted, sample), fitted.params, {}, **options)
    status = np.array(found.status)
    if sample.chosen is not None and fitted.loss is not None:       # else each point is there once, with a weight
        status[np.count_nonzero(_counts(sample.chosen), axis=1) < len(fitted.names)] = FitStatus.TOO_FEW_POINTS
    return Refits({name: np.asarray(found.values[name]) for name in fitted.params}, status)


def _inputs(fitted: Fitted, sample: Sample) -> Inputs:
    """Return a block's data as a batch has them."""
    curve = fitted.curve
    assert curve is not None and curve.objective is not None
    objective, rows, n = curve.objective, sample.rows, fitted.n
    x = dict(zip(curve.formula.independent, curve.points, strict=True))
    y, weights, mask = np.broadcast_to(objective.y, (rows, n)), objective.weights, None
    if sample.data is not None:
        y = sample.data
    elif sample.noise is not None:
        y = _moved(fitted, sample.noise)
    elif sample.chosen is not None and fitted.loss is None:
        weights = np.sqrt(np.arange(n + 1.0)).take(_counts(sample.chosen))
        if objective.weights is not None:
            weights *= objective.weights
    elif sample.chosen is not None:             # whose points each have a cost of their own
        if curve.formula.response is not None:
            raise InputError('a bootstrap of cases of a fit by a loss= and with response= takes points from their places on x: draw '
                             "residuals or counts instead")
        y, x = objective.y[sample.chosen], {name: array[sample.chosen] for name, array in x.items()}
        weights = None if weights is None else weights[sample.chosen]
    if sample.left_out is not None:
        mask = np.arange(n) == sample.left_out[:, None]
    ycov = objective.given.ycov
    if ycov is not None and objective.keep is not None:
        kept = np.flatnonzero(objective.keep[:len(ycov.array)])
        ycov = Covariance(ycov.name, ycov.array[np.ix_(kept, kept)])
    return Inputs(Layout((rows, n), (1,)), None, y, x, None if weights is None else Factors("weights", weights), mask, ycov=ycov,
                  prior=_priors(fitted, sample))


def _moved(fitted: Fitted, noise: np.ndarray) -> np.ndarray:
    """Return data whose weighted residuals at the best fit are `noise`, which is written over where that can be: ndarray (rows, n)."""
    objective = fitted.objective
    assert objective is not None
    factor = objective.factor
    if factor is not None:
        from scipy.linalg import solve_triangular
        noise = solve_triangular(factor, noise.T, lower=True, check_finite=False).T
    elif objective.weights is not None:
        noise /= objective.weights
    noise += fitted.model
    return np.ascontiguousarray(noise)


def _priors(fitted: Fitted, sample: Sample) -> Any:
    """Return the priors of a block, each mean a measurement that is made anew.

    About the fitted value where data are made of the model, about the mean itself where points are drawn: so the best fit is that of what
    is drawn from.
    """
    prior = fitted.prior
    if prior is None or sample.priors is None:
        return prior
    centres = np.asarray(prior.means, float)
    if sample.chosen is None:
        values = {name: par.value for name, par in fitted.params.items()}
        centres = centres + prior.residual(values)*np.asarray(prior.deviations)
    means = centres + sample.priors*np.asarray(prior.deviations)
    return prior._replace(means=tuple(np.ascontiguousarray(means.T)))


def _counts(chosen: np.ndarray) -> np.ndarray:
    """Return how often each point was chosen: ndarray of int (rows, n)."""
    rows, n = chosen.shape
    return np.bincount((chosen + np.arange(0, rows*n, n)[:, None]).reshape(-1), minlength=rows*n).reshape(rows, n)


# -- a function that is called: one by one

def _one_by_one(fitted: Fitted, sample: Sample, done: int, tell: Callable[[int], Any] | None) -> Refits:
    """Fit a block, a replicate at a time; so many others are done."""
    values = {name: np.full(sample.rows, np.nan) for name in fitted.params}
    status = np.full(sample.rows, FitStatus.NOT_RUN, np.int8)
    options = {name: value for name, value in fitted.minimizer.kws.items() if name in PASSED} | {"covar": True}
    jac = fitted.minimizer.kws.get("jac")
    if fitted.loss is not None:
        options |= {"loss": fitted.loss.name, "f_scale": fitted.loss.f_scale}
    for row in range(sample.rows):
        replicate = CalledReplicate(fitted, sample, row)
        minimizer = Minimizer(replicate, fitted.params.copy())
        exact = {} if jac is None else {"jac": replicate.jacobian}
        try:
            with quiet():
                if replicate.distinct < len(fitted.names):
                    status[row] = FitStatus.TOO_FEW_POINTS
                else:
                    minimizer.leastsq(**options, **exact)
                    status[row] = status_of(minimizer)
        except NonFiniteError as error:
            if error.of_caller:
                raise
            status[row] = FitStatus.BAD_DATA
        if minimizer.result is not None:
            for name, par in minimizer.params.items():
                values[name][row] = par.value
        if tell is not None:
            tell(done + row + 1)
    return Refits(values, status)


PASSED = tuple(name for name in MINIMIZE.takes if name not in ("jac", "iter_cb", "col_deriv", "loss", "f_scale", "nan_policy"))


class CalledReplicate:
    """The residual function of one replicate, from that of the fit.

    Parameters
    ----------
    fitted : Fitted
    sample : Sample
    row : int
    """

    __name__ = "residual"

    def __init__(self, fitted: Fitted, sample: Sample, row: int) -> None:
        self.fitted, self.jac = fitted, fitted.minimizer.kws.get("jac")
        where = np.flatnonzero(fitted.taking_part)
        k = 0 if fitted.prior is None else len(fitted.prior.texts)
        data, priors = where[:where.size - k], where[where.size - k:]
        shift = np.zeros(where.size, fitted.all_residuals.dtype)
        at_best = fitted.all_residuals[where]
        if sample.chosen is not None:
            data = data[sample.chosen[row]]
        elif sample.left_out is not None:
            data = np.delete(data, sample.left_out[row])
            shift = shift[1:]
        else:
            shift[:data.size] = self._noise(sample, row) - at_best[:data.size]
        if k and sample.priors is not None:
            shift[data.size:] = sample.priors[row] - (0 if sample.chosen is not None else at_best[-k:])
        self.distinct = np.unique(data).size
        self.where, self.shift = np.concatenate([data, priors]), shift

    def _noise(self, sample: Sample, row: int) -> np.ndarray:
        """Return the residuals at the best fit that the replicate has."""
        if sample.noise is not None:
            return sample.noise[row]
        assert sample.data is not None and self.fitted.objective is not None
        objective = self.fitted.objective
        return np.asarray(objective.signed(objective.weighed((self.fitted.model - sample.data[row])[None])[0]))

    def __call__(self, params: Any) -> np.ndarray:
        """Return the residuals of the replicate."""
        return self.fitted.function(params)[self.where] + self.shift

    def jacobian(self, params: Any) -> Any:
        """Return their derivatives by the varying parameters."""
        minimizer = self.fitted.minimizer
        assert self.jac is not None
        found = self.jac(params, *minimizer.fcn_args, **minimizer.fcn_kws)
        if isinstance(found, Mapping):
            return {name: np.asarray(column).reshape(-1)[self.where] for name, column in found.items()}
        found = np.asarray(found)
        if minimizer.kws.get("col_deriv", False):
            found = found.T
        return found.reshape(-1, found.shape[-1])[self.where]

