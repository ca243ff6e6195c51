"""One fit's data as solvers need them: flat, without the points that take no part; and how results get their shape and labels back."""
from __future__ import annotations

from copy import copy
from math import isfinite
from typing import Any

import numpy as np

from gslfit.data.covariance import of_all, whitened
from gslfit.data.inputs import Inputs, floats
from gslfit.data.labels import given_back
from gslfit.data.model_values import model_values, real_values
from gslfit.data.points import finite_points
from gslfit.errors import InputError
from gslfit.objective._loss import length
from gslfit.objective.loss import Loss
from gslfit.objective.residual import MODEL_MINUS_DATA, in_sign, residual

F8 = np.dtype(float)


class Objective:
    """What one fit minimises.

    Parameters
    ----------
    given : Inputs
        Of one fit: all of the data.
    policy : {"raise", "omit", "propagate"}
        What NaN and infinity do in the data, in an independent variable, or in weights that may be left out by it.
    sign : int
        Of the residual that results have.
    shaped : bool
        Whether results have the shape and labels of the data; else they are of the points that take part alone.
    loss : Loss, optional
        What is minimised instead of the sum of squares.
    by_parts : bool
        Whether complex weights multiply real and imaginary parts by theirs, as `gslfit.objective.residual.residual` has it.

    Attributes
    ----------
    y : ndarray, shape (ndata,)
        The data of the points that take part.
    x : dict of str to ndarray, shape (ndata,)
        The independent variables that have a number at each point.
    weights : ndarray, shape (ndata,), or None
        What multiplies the residual.
    keep : ndarray of bool, shape (n,), or None
        Which points take part; None for all.
    policy : str
        As it was given; by "omit" a solver leaves out points where the model isn't finite at the start, and says so by `leave_out`.
    """

    loss: Loss | None = None        # of objectives that versions before losses pickled
    by_parts = True                 # of those before this
    _was_real = False               # whether a model of counts has returned real numbers

    def __init__(self, given: Inputs, policy: str, sign: int = MODEL_MINUS_DATA, shaped: bool = True,
                 loss: Loss | None = None, by_parts: bool = True):
        self.given, self.policy, self.sign, self.shaped, self.loss, self.by_parts = given, policy, sign, shaped, loss, by_parts
        self.keep: np.ndarray | None = None
        self._of_data: Objective | None = None
        self.y = contiguous(given.y)
        self.x = {name: contiguous(array) for name, array in given.x.items()}
        self.weights = None if given.factors is None else contiguous(given.factors.weights())
        everything = given.mask is None and (self.weights is None or np.count_nonzero(self.weights) == self.weights.size)
        factors = (self.weights,) if self.weights is not None and given.weightless else ()
        if everything and are_finite(self.y, *self.x.values(), *factors):
            return
        out = given.left_out()
        given_out = None if out is None else ~out
        keep = given_out if policy == "propagate" else finite_points(self._named(), policy, out)
        self.keep = None if keep is None or keep.all() else keep
        if self.keep is not None:
            self.y, self.x = self.y[self.keep], {name: array[self.keep] for name, array in self.x.items()}
            self.weights = None if self.weights is None else self.weights[self.keep]

    @property
    def factor(self) -> np.ndarray | None:
        """What whitens the residuals of the points that take part, see `Covariance.factor`; None where their errors are independent."""
        if self.given.ycov is None:
            return None
        return self.given.ycov.factor(None if self.keep is None else self.keep[:len(self.given.ycov.array)])

    @property
    def square(self) -> np.ndarray | None:
        """The same of all of these points, (ndata, ndata): those that have no covariance are independent."""
        factor = self.factor
        return None if factor is None else of_all(factor, self.ndata)

    def _named(self) -> list[tuple[str, np.ndarray]]:
        """Return the arrays that a policy speaks of, by the caller's names."""
        named = [(self.given.name, self.y), *self.x.items()]
        if self.given.weightless and self.weights is not None and self.given.factors is not None:
            named.append((self.given.factors.name, self.weights))
        return named

    @property
    def ndata(self) -> int:
        """How many points take part."""
        return self.y.size

    def refuse_none(self) -> None:
        """Raise InputError where no point takes part."""
        if self.ndata == 0:
            name, size = self.given.name, self.given.y.size
            raise InputError(f"{name} is empty: there is nothing to fit" if not size else
                             f"none of the {size} points of {name} takes part: all are left out, by a mask, a weight of 0, an infinite "
                             "error, or as not finite by nan_policy='omit'")

    def residual(self, values: np.ndarray, sign: int | None = None) -> np.ndarray:
        """Return the weighted residual of a model's values at the points that take part; of counts the deviance residual."""
        if self.loss is not None and not self.loss.robust:
            return self.signed(self.loss.bent(values, self.y)[0])
        found = residual(values, self.y, self.weights, self.sign if sign is None else sign, self.by_parts)
        return found if self.given.ycov is None else whitened(self.factor, found)

    def weighed(self, slopes: np.ndarray) -> np.ndarray:
        """Return derivatives of a model's values at the points that take part, (p, n), as those of model - data with its weights."""
        own = slopes if self.weights is None else slopes*self.weights
        return own if self.given.ycov is None else whitened(self.factor, own.T).T

    def values(self, name: str, returned: Any) -> np.ndarray:
        """Return the values of a model's function at the points that take part, from what it returned for `arguments`."""
        narrow = self.keep is None or not self._needs_all
        found = model_values(name, returned, self.given.layout.whole if self.keep is None or not narrow else (self.ndata,), imaginary=True)
        if self.loss is not None and not self.loss.robust:
            found, self._was_real = real_values(name, found, self._was_real), True
        return found.reshape(-1) if narrow else found.reshape(-1)[self.keep]

    def arguments(self, everywhere: bool = False) -> dict[str, Any]:
        """Return the independent variables as a function that is called gets them: as they were handed in, without left out points.

        Where one of them is an array of another shape than the data, such as a matrix, all points are there.

        Parameters
        ----------
        everywhere : bool
            Whether all points are there anyway.
        """
        given = self.given
        if self.keep is not None and not everywhere and not self._needs_all:
            return {**given.others, **self.x}
        if given.raw is not None:
            return dict(given.raw)
        whole = given.layout.whole
        return {**given.others, **{name: array if array.shape == whole and array.dtype == np.float64 else floats(array).reshape(whole)
                                   for name, array in given.x.items()}}

    @property
    def _needs_all(self) -> bool:
        """Whether a function must be called at all points, since not all of its arrays are known to have an axis of points."""
        return any(np.ndim(value) for value in self.given.others.values() if isinstance(value, np.ndarray))

    def narrowed(self, array: np.ndarray) -> np.ndarray:
        """Return an array of all points without those that take no part; in the data's shape where all do."""
        if self.keep is not None:
            return array.reshape(-1)[self.keep]
        return array if array.shape == self.given.layout.whole else array.reshape(self.given.layout.whole)

    def signed(self, model_minus_data: np.ndarray) -> np.ndarray:
        """Return the C core's residual, or Jacobian, in the sign of this one."""
        return in_sign(model_minus_data, self.sign)

    # -- results

    @property
    def plain(self) -> bool:
        """Whether flat arrays of the points that take part are the caller's shape already."""
        return self.keep is None and len(self.given.layout.whole) == 1 and (self.given.labels is None or not self.shaped)

    @property
    def mask(self) -> np.ndarray | None:
        """The caller's masks together, in the shape of the data; None where results have no such shape."""
        mask = self.given.mask
        return None if mask is None or not self.shaped else mask.reshape(self.given.layout.whole)

    def spread(self, flat: np.ndarray) -> Any:
        """Return an array of the points that take part in the data's shape, with their labels, NaN where a point takes no part."""
        if not self.shaped:
            return flat if self.keep is not None else flat.reshape(self.given.layout.whole)
        whole = flat
        if self.keep is not None:
            whole = np.full(self.given.layout.n, np.nan, np.result_type(flat, float))
            whole[self.keep] = flat
        return given_back(whole.reshape(self.given.layout.whole), self.given.labels)

    def blanked(self, whole: np.ndarray) -> Any:
        """Return an array of the data's shape with their labels, NaN where a point takes no part; one of another shape as it is."""
        shape = self.given.layout.whole
        if not self.shaped or np.shape(whole) != shape:
            return whole
        return given_back(whole if self.keep is None else np.where(self.keep.reshape(shape), whole, np.nan), self.given.labels)

    def leave_out(self, keep: np.ndarray | None) -> None:
        """Leave out points at which the model isn't finite.

        Parameters
        ----------
        keep : ndarray of bool, shape (ndata,), or None
            Which of the points go on taking part; None for all. One of another size, that of pairs of complex numbers, is of no use.
        """
        known = 0 if self.given.prior is None else len(self.given.prior.texts)
        if keep is not None and known and keep.size == self.ndata + known:
            keep = keep[:-known]
        if keep is None or keep.size != self.ndata or keep.all():
            return
        if not self.shaped and self._of_data is None:
            self._of_data = copy(self)
        whole = np.ones(self.given.layout.n, bool) if self.keep is None else self.keep.copy()
        whole[whole] = keep
        self.keep, self.y, self.x = whole, self.y[keep], {name: array[keep] for name, array in self.x.items()}
        self.weights = None if self.weights is None else self.weights[keep]

    def follow(self, extended: Objective) -> None:
        """Leave out the points of the data that the same objective with further points has left out."""
        if extended.keep is not None:
            whole = extended.keep[:self.given.layout.n]
            self.leave_out(whole if self.keep is None else whole[self.keep])

    @property
    def all_weights(self) -> np.ndarray | None:
        """What multiplies the residuals of all points, flat, NaN where one takes no part; None where nothing does.

        Of correlated errors these are one over the standard deviations.
        """
        if self.given.ycov is not None:
            own = 1/self.given.ycov.deviations
            return own if self.keep is None else np.where(self.keep, own, np.nan)
        if self.weights is None or self.keep is None:
            return self.weights
        whole = np.full(self.keep.size, np.nan, self.weights.dtype)
        whole[self.keep] = self.weights
        return whole

    @property
    def of_curves(self) -> Objective:
        """What has the points of a curve: where results have no shape of the data, those that their data let take part, as in lmfit."""
        return self if self._of_data is None else self._of_data

    def concluded(self, result: Any) -> Any:
        """Return a fit's result, its residual (that of the points that take part, in the sign of this objective) in the data's shape."""
        prior = self.given.prior
        if prior is not None and result._prior_residual is None:
            result._prior_residual = prior.residual({name: par.value for name, par in result.params.items()})
            result.residual = np.ravel(result.residual)[:-len(prior.texts)]
        if self.shaped and not self.plain and result.residual.size == self.ndata:      # complex residuals are pairs, and stay flat
            result.keep = None if self.keep is None else self.keep.reshape(self.given.layout.whole)
            result.residual = self.spread(result.residual)
        return result


def are_finite(*arrays: np.ndarray) -> bool:
    """Return whether all numbers in arrays are finite, by one pass each; a length that overflows only asks for a longer look."""
    for array in arrays:
        if not isfinite(length(np.ascontiguousarray(array).view(float) if array.dtype is not F8 and array.dtype.kind == "c" else array)):
            return False
    return True


def contiguous(array: np.ndarray) -> np.ndarray:
    """Return an array as the C core reads it: float64, or complex128, in C order."""
    if array.dtype is F8 and array.flags.c_contiguous:
        return array
    return np.ascontiguousarray(array, complex if array.dtype.kind == "c" else float)
