"""The results of a batch of fits: arrays by name, a status for each fit, and any one of them as a result of its own."""
from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

import gslfit
from gslfit.checks import is_integer, path
from gslfit.curves.batch_file import APART, FACTORS, NO_ERRORS, STATISTICS, read_arrays
from gslfit.curves.curve import Curve
from gslfit.data.covariance import Covariance
from gslfit.data.inputs import Factors, Inputs
from gslfit.data.labels import Groups, Labels, given_back, is_array_of_dims, labels_of
from gslfit.data.layout import Layout
from gslfit.data.points import without_effect
from gslfit.data.stored import in_memory
from gslfit.errors import FitStatus, InputError, NoSuchFitError
from gslfit.formula.formula import Formula
from gslfit.minimizer._uncertainty import covariance
from gslfit.minimizer.propagation import correlations_of
from gslfit.objective.loss import Loss
from gslfit.objective.objective import Objective
from gslfit.parameters.collection import Parameters

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from gslfit.curves.per_fit import PerFit
    from gslfit.curves.row_result import RowResult

QUANTILES = (.05, .5, .95)

# why the errors of the data are not there
OF_EACH_FIT = ("the errors of the data differ from fit to fit and from point to point, and are kept with the data only, which are not "
               "there; ask the result of fit_batch (with keep_data=True) before it is saved, or pickle it, which keeps the data")
NOT_IN_FILE = "an earlier version saved the result, without the errors of the data; fit and save it again, or ask one that has its data"


SUCCESSES = tuple(status for status in FitStatus if status.success)


class Columns(Mapping):
    """Arrays by name, each of the batch's shape.

    Parameters
    ----------
    arrays : dict of str to ndarray
    """

    def __init__(self, arrays: Mapping[str, np.ndarray]):
        self._arrays = dict(arrays)

    def __getitem__(self, name: str) -> np.ndarray:
        try:
            return self._arrays[name]
        except KeyError:
            raise InputError(f"there is no parameter {name!r}; there are {', '.join(self._arrays)}") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)

    def __contains__(self, name: object) -> bool:
        return name in self._arrays

    def __repr__(self) -> str:
        return f"Columns({', '.join(self._arrays)})"


@dataclass(eq=False, repr=False, match_args=False, slots=True)
class BatchInputs:
    """What a batch was fitted to: kept by reference, for single results and curves of it.

    `x` holds one array per independent variable, (n,) or (..., n); `weights` is None, (n,) or (..., n), and `inverted` says that it holds
    standard deviations; `mask` is None, (n,) or (..., n), true where a point takes no part. `layout` says where the points lay in the data
    as they were handed in, `labels` what their container called them. `ycov` is the covariance of the errors of each fit's points,
    `prior` what was known of the parameters beforehand, `limits` the bounds of each fit and what varies in it. Without the data, `unkept`
    says why `weights` is None though there may have been some.
    """

    formula: Formula
    x: tuple[np.ndarray, ...] = ()
    y: np.ndarray | None = None
    weights: np.ndarray | None = None
    inverted: bool = False
    parameters: Parameters | None = None
    start: dict[str, Any] = field(default_factory=dict)
    method: str = "auto"
    mask: np.ndarray | None = None
    layout: Layout | None = None
    labels: Labels | None = None
    scale_covar: bool = True
    loss: str = "linear"
    f_scale: np.ndarray | None = None
    ycov: Covariance | None = None
    prior: Any = None
    limits: PerFit | None = None
    unkept: str = ""

    def __getstate__(self) -> dict[str, Any]:
        return {each.name: getattr(self, each.name) for each in fields(self)}

    def __setstate__(self, state: Any) -> None:
        given = state[1] if isinstance(state, tuple) else state     # versions before masks wrote slots as Python does: (None, dict)
        later = {"mask": None, "layout": None, "labels": None, "scale_covar": True, "loss": "linear", "f_scale": None,
                 "ycov": None, "prior": None, "limits": None, "unkept": ""}
        for name, value in {**later, **given}.items():
            setattr(self, name, value)

    def without_curves(self) -> BatchInputs:
        """Return the same without what there is for each point of each fit: of the errors of the data with those that all fits share, or
        one number for each fit.
        """
        shared = self.x if all(array.ndim <= 1 for array in self.x) else ()
        labels = None if self.labels is None else self.labels.without_numbers()
        if self.y is None:
            return self
        own = self.factors() if self.ycov is None else Factors("yerr", self.ycov.deviations)
        kept = None if own is None else _shared(own)
        return replace(self, x=shared, y=None, weights=kept, inverted=own is not None and own.inverted, mask=None, labels=labels, ycov=None,
                       unkept=OF_EACH_FIT if own is not None and kept is None else "")

    def factors(self, index: tuple[int, ...] | None = None) -> Factors | None:
        """Return what multiplies or divides the residuals, of one fit or as it is for all; None where nothing does."""
        if self.weights is None:
            return None
        return Factors("yerr" if self.inverted else "weights", self.weights if index is None else self.row(self.weights, index))

    def left_out(self, index: tuple[int, ...]) -> np.ndarray | None:
        """Return points of one fit that take no part by the caller's own words; None where there are none."""
        own = self.factors(index)
        masks = [each for each in (self.row(self.mask, index), None if own is None else without_effect(*own)) if each is not None]
        return np.logical_or.reduce(masks) if masks else None

    def curve(self, index: tuple[int, ...]) -> Curve:
        """Return the curve that one fit was made to."""
        x = {name: self.row(array, index) for name, array in zip(self.formula.independent, self.x, strict=False)}
        if self.y is None:
            known, weights = self.factors(index), None
            if known is not None:
                out = without_effect(*known)
                with np.errstate(divide="ignore"):
                    weights = known.weights() if out is None else np.where(out, np.nan, known.weights())
            return Curve(self.formula.at(index), None, x, weights, self.unkept)
        y, mask, own = self.y[index], self.row(self.mask, index), self.factors(index)
        points = y.shape if self.layout is None else self.layout.points
        where = Layout(points)
        own = None if own is None else Factors(own.name, np.broadcast_to(own.array, y.shape))
        given = Inputs(where, self._labels(index), y, x, own, mask, ycov=self.ycov,
                       prior=None if self.prior is None else self.prior.row(index))
        return Curve(self.formula.at(index), Objective(given, "omit", loss=self.loss_of(index)))

    def loss_of(self, index: tuple[int, ...]) -> Loss | None:
        """Return the loss of one fit; None for least squares."""
        if self.loss == "linear":
            return None
        return Loss(self.loss, 1.0 if self.f_scale is None else float(self.f_scale[index] if self.f_scale.ndim else self.f_scale))

    def _labels(self, index: tuple[int, ...]) -> Labels | None:
        """Return the labels of one fit's points, as the data's container has them."""
        if self.labels is None or self.layout is None or isinstance(self.labels.container, Groups):
            return None
        axes, whole = self.layout.axes, self.labels.container
        batch = dict(zip((axis for axis in range(len(self.layout.whole)) if axis not in axes), index, strict=True))
        if not is_array_of_dims(self.labels):
            return labels_of(whole.iloc[tuple(batch.get(axis, slice(None)) for axis in range(whole.ndim))] if batch else whole)
        dims = self.labels.dims
        return labels_of(whole.isel({dims[axis]: place for axis, place in batch.items()}).transpose(*(dims[axis] for axis in axes)))

    def row(self, array: np.ndarray | None, index: tuple[int, ...]) -> Any:
        """Return one fit's part of an array, whose leading axes may be shared."""
        if array is None or array.ndim <= 1:
            return array
        return array[tuple(k if size > 1 else 0 for k, size in zip(index, array.shape[:-1], strict=True))]


def _shared(factors: Factors) -> np.ndarray | None:
    """Return weights or standard deviations as a number for each point (n,), or for each fit (..., 1); None where each fit's points have
    their own.
    """
    array = factors.array
    if array.ndim <= 1 or array.shape[-1] == 1:
        return np.asarray(array)
    if type(array) is not np.ndarray or not array.size:
        return None
    first = array[(0,)*(array.ndim - 1)]
    if (array == first).all():
        return first
    idle = without_effect(*factors)
    each = array[..., :1] if idle is None else np.where(idle, -np.inf, array).max(axis=-1, keepdims=True)
    alike = array == each
    return each if (alike if idle is None else alike | idle).all() else None


Data = BatchInputs      # by its name in pickles of gslfit 0.1


@dataclass(eq=False, repr=False, match_args=False)
class BatchResult:
    """The outcome of many fits.

    Where the data are an xarray.DataArray, the arrays are DataArrays on the dimensions and coordinates that are left.

    Attributes
    ----------
    values, stderr : mapping of str to ndarray, shape (...)
        Every parameter's value and standard error; a fixed one has the error 0.
    chisqr, redchi : ndarray, shape (...)
        Sum of the squared weighted residuals, and that by degrees of freedom.
    nfev, ndata : ndarray of int, shape (...)
        Evaluations of the model, and points that took part.
    status : ndarray of int8, shape (...)
        A `FitStatus` for each fit.
    gradient : ndarray, shape (...)
        The greatest cosine between the residual and a column of the Jacobian that was reached.
    covar : ndarray, shape (..., p, p), or None
        Covariance of the varying parameters, in the order of `names`, where it was asked for. A variance that is no normal number (below
        2e-308 or above 2e308), though its root is one, is infinite. What else is made of the covariances is right even then; of robust
        losses and of priors it is NaN where `out=` keeps the covariances alone.
    names : tuple of str
        The varying parameters.
    shape : tuple of int
        The shape of the batch, that of the data without the last axis.
    reason : str
        Why the fits did not run the compiled program; empty if they did.
    """

    values: Columns
    stderr: Columns
    chisqr: np.ndarray
    redchi: np.ndarray
    nfev: np.ndarray
    ndata: np.ndarray
    status: np.ndarray
    gradient: np.ndarray
    covar: np.ndarray | None
    names: tuple[str, ...]
    data: BatchInputs
    reason: str = ""
    _cost: np.ndarray | None = field(default=None, repr=False)
    _correl: np.ndarray | None = field(default=None, repr=False)    # of the varying parameters: what no unit of the data takes out of range

    def __post_init__(self) -> None:
        if self.covar is None and self._correl is not None:
            del self.covar      # it is worked out when it is first read

    def __getattr__(self, name: str) -> Any:
        if name != "covar" or self._correl is None:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        errors = self._errors(...)
        self.covar = covariance(np.where(np.isnan(errors), 0.0, errors), self._correl)
        return self.covar

    def _errors(self, place: Any) -> np.ndarray:
        """Return the standard errors of the varying parameters at some places: ndarray (..., p)."""
        if not self.names:
            return np.zeros((*np.broadcast_to(0.0, self.shape)[place].shape, 0))
        return np.stack([np.asarray(self.stderr[name])[place] for name in self.names], axis=-1)

    def _correlations(self, place: tuple[Any, ...], names: Sequence[str] | None = None) -> np.ndarray | None:
        """Return the correlations of the varying parameters, NaN with what has no error; None where neither they nor covariances are kept.

        Parameters
        ----------
        place : tuple
            Of one fit, or index arrays of several.
        names : sequence of str, optional
            Some of the varying parameters.

        Returns
        -------
        ndarray, shape (..., p, p), or None
            NaN where only a covariance is kept, and its variances are no normal numbers.
        """
        if not self.has_correlations:
            return None
        errors = self._errors(place)
        if self._correl is not None:
            found = self._correl[place]
        else:
            with np.errstate(all="ignore"):     # errors of 0, of fits without any residual
                found = np.asarray(self.covar)[place]/errors[..., None]/errors[..., None, :]
                found = np.where(np.isinf(np.diagonal(found, axis1=-2, axis2=-1)).any(axis=-1)[..., None, None], np.nan, found)
        own = slice(None) if names is None else [self.names.index(name) for name in names]
        return correlations_of(errors, found)[..., own, :][..., own]

    @property
    def has_correlations(self) -> bool:
        """Whether correlations or covariances are kept."""
        return self._correl is not None or self.covar is not None

    def _keeps_correlations(self, place: Any = ...) -> np.ndarray:
        """Return of which fits, all or those at some places, `_correlations` knows them, where they have errors: ndarray of bool (...)."""
        if self._correl is not None or not self.has_correlations:
            return np.broadcast_to(self._correl is not None, self.shape)[place]
        return ~np.isinf(np.diagonal(np.asarray(self.covar)[place], axis1=-2, axis2=-1)).any(axis=-1)

    @property
    def cost(self) -> np.ndarray:
        """What each fit minimised: half of chi-square, or ``1/2 sum f_scale^2 rho((r/f_scale)^2)`` of a robust loss."""
        return .5*self.chisqr if self._cost is None else self._cost

    @property
    def prior_residual(self) -> np.ndarray | None:
        """How many standard deviations parameters are off what was known of them: ndarray, shape (..., k); None without priors."""
        return None if self.data.prior is None else self.data.prior.residual(self.values)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the batch."""
        return self.status.shape

    @property
    def success(self) -> np.ndarray:
        """Which fits ended at a minimum: ndarray of bool, shape (...)."""
        return self._alike(np.isin(np.asarray(self.status), SUCCESSES), "success")

    def _alike(self, array: np.ndarray, name: str | None = None) -> Any:
        """Return an array of the batch's shape in the kind of container that the others are in."""
        if not hasattr(self.status, "dims"):
            return array
        found = self.status.copy(data=array).rename(name)  # type: ignore[call-arg]
        found.attrs = {}
        return found

    def __len__(self) -> int:
        return int(self.status.size)

    def _index(self, index: Any) -> tuple[int, ...]:
        """Return an index of one fit as a tuple of numbers."""
        if is_integer(index) and self.status.ndim != 1:
            if not -self.status.size <= index < self.status.size:
                raise NoSuchFitError(f"there are {self.status.size} fits, and no number {index}")
            return tuple(int(k) for k in np.unravel_index(int(index) % self.status.size, self.shape))
        full = index if isinstance(index, tuple) else (index,)
        if len(full) != self.status.ndim or not all(map(is_integer, full)):
            raise NoSuchFitError(f"one fit of a batch of shape {self.shape} is asked for by its number, or by one number for each axis")
        for k, size in zip(full, self.shape, strict=True):
            if not -size <= k < size:
                raise NoSuchFitError(f"the batch has the shape {self.shape}, and no fit {index}")
        return tuple(int(k) % size for k, size in zip(full, self.shape, strict=True))

    def __getitem__(self, index: int | tuple[int, ...]) -> RowResult:
        """Return one fit as a result of its own, by its number (in C order) or its place."""
        from gslfit.curves.row_result import single
        return single(self, self._index(index))

    def __iter__(self) -> Iterator[RowResult]:
        return (self[k] for k in range(self.status.size))

    def best_fit(self, index: Any = None) -> NDArray[np.float64]:
        """Evaluate the model at the points of one fit, or of all.

        Parameters
        ----------
        index : int or tuple of int, optional
            Which fit; all of them, if not given.

        Returns
        -------
        ndarray
            Of the shape of one fit's points, or of the data (and in the data's kind of container). NaN where a fit has no result.
        """
        if not self.data.x:
            raise InputError("the independent variables are not there: they are saved with a result only where all fits share them")
        formula, where = self.data.formula, self.data.layout
        if index is None:
            x = dict(zip(formula.independent, self.data.x, strict=True))
            values = np.asarray(formula(**x, **{name: np.asarray(self.values[name])[..., None] for name in formula.names}), float)
            return given_back(spread(values, self.shape, where), self.data.labels)
        place = self._index(index) if self.shape else ()
        curve = np.asarray(self._curve(place), float)
        return curve if where is None or curve.size != where.n else curve.reshape(where.points)

    def _curve(self, place: tuple[int, ...]) -> np.ndarray:
        """Return the model's curve of one fit, (n,)."""
        x = {name: self.data.row(array, place) for name, array in zip(self.data.formula.independent, self.data.x, strict=True)}
        return self.data.formula.at(place)(**x, **{name: float(self.values[name][place]) for name in self.data.formula.names})

    def derived(self, expr: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the value and the standard error of an expression of the parameters, of each fit.

        Parameters
        ----------
        expr : str
            As the `expr` of a parameter: ``"amplitude/sigma"``.

        Returns
        -------
        value, error : ndarray, shape (...)
            A parameter at its bound adds nothing to the error, which is NaN where no other one does, and where a fit has no result.
        """
        from gslfit.curves.batch_uncertainty import derived
        value, error = derived(self, expr)
        return self._alike(value), self._alike(error)

    def eval_uncertainty(self, sigma: float = 1, kind: str = "confidence", **values: Any) -> NDArray[np.float64]:
        """Return `sigma` standard errors of each fit's curve at its points, or at others.

        Parameters
        ----------
        sigma : float
            Number of standard deviations; below 1 a probability.
        kind : {"confidence", "prediction"}
            The band of the curve, or of a further measurement; see `FitResult.eval_uncertainty`. A saved result has those that its
            errors of the data allow, see `save`.
        **values
            Independent variables: arrays (m,), the same for all fits.

        Returns
        -------
        ndarray
            Of the shape of the data, (..., n), in their kind of container; (..., m) at other points. NaN where a fit has no result.
        """
        from gslfit.curves.batch_uncertainty import bands
        found = bands(self, sigma, kind, values)
        return found if values else given_back(spread(found, self.shape, self.data.layout), self.data.labels)

    def conf_interval(self, p_names: Any = None, sigmas: Any = None, *, thorough: bool = True, threads: int | None = None,
                      progress: Any = False) -> gslfit.BatchIntervals:
        """Find confidence intervals of each fit from profiles of chi-square.

        Parameters
        ----------
        p_names : sequence of str, optional
            Parameters to find intervals of; by default all that vary.
        sigmas : sequence of float, optional
            Probabilities; numbers from 1 on are standard deviations. 0.674, 0.95 and 0.997, if not given.
        thorough : bool
            Whether limits that are in doubt (a profile far from a straight line's, one that is not reached, other branches) are found by
            refits one after the other, as for single fits: some 20 ms a fit, where the others take some 20 µs. Else they stay in doubt.
        threads : int, optional
            How many; all cores, if not given.
        progress : bool or callable
            Show a bar (needs tqdm), or call it with the number of fits done.

        Returns
        -------
        BatchIntervals
            ``intervals[name]``: ndarray (levels, 2, ...), lower and upper limits by the order of `sigmas`; ``intervals.status[name]``, of
            the same shape, what each is worth.

        Raises
        ------
        InputError
            If a parameter doesn't vary, a probability can't be, or the data are not there.
        FitError
            For robust losses, whose profiles mean nothing.
        """
        return gslfit.conf_interval(self, p_names, sigmas, thorough=thorough, threads=threads, progress=progress)

    def plot_maps(self, names: Any = None, **kws: Any) -> np.ndarray:
        """Draw each parameter over the batch; returns the axes. See `gslfit.report.plots.plot_maps`."""
        from gslfit.report.plots import plot_maps
        return plot_maps(self, names, **kws)

    def plot_hist(self, names: Any = None, **kws: Any) -> np.ndarray:
        """Draw how the parameters are distributed; returns the axes. See `gslfit.report.plots.plot_hist`."""
        from gslfit.report.plots import plot_hist
        return plot_hist(self, names, **kws)

    def plot_fits(self, worst: int = 9, **kws: Any) -> np.ndarray:
        """Draw the worst of the good fits, or those asked for; returns the axes. See `gslfit.report.plots.plot_fits`."""
        from gslfit.report.plots import plot_fits
        return plot_fits(self, worst, **kws)

    def summary(self) -> str:
        """Return counts per status, and quantiles of each parameter over the fits that succeeded, as a table."""
        lines = [f"{self.status.size} fits of {self.data.formula!r}"]
        counts = np.bincount(np.asarray(self.status).reshape(-1), minlength=len(FitStatus))
        lines += [f"  {counts[status]:>10}  {status.prose}" for status in FitStatus if counts[status]]
        lines += [f"  {note}" for note in self._notes()]
        good = self.success
        if np.any(good):
            heads = [f"{q:.0%}" for q in QUANTILES]
            lines.append(f"  {'':<12}{''.join(f'{head:>13}' for head in heads)}{'stderr 50%':>13}")
            for name in self.values:
                found = np.quantile(in_memory(self.values[name])[good], QUANTILES, overwrite_input=True)
                errors = in_memory(self.stderr[name])[good]
                error = np.nanmedian(errors, overwrite_input=True) if np.any(np.isfinite(errors)) else np.nan
                lines.append(f"  {name:<12}{''.join(f'{value:>13.6g}' for value in found)}{error:>13.4g}")
        return "\n".join(lines)

    def __repr__(self) -> str:
        done = int(np.count_nonzero(self.success))
        return f"<BatchResult of {self.status.size} fits, shape {self.shape}, {done} successful, parameters {', '.join(self.values)}>"

    def _repr_html_(self) -> str:
        from gslfit.report.html import batch_html
        counts = np.bincount(np.reshape(self.status, -1), minlength=len(FitStatus))
        good, names = np.asarray(self.success), [name for name in self.values if name in self.names] or list(self.values)
        head = f"{self.status.size} fits of {self.data.formula!r}, shape {tuple(self.shape)}"
        return batch_html(head, {status.prose: int(counts[status]) for status in FitStatus if counts[status]},
                          {name: np.where(good, np.asarray(self.values[name]), np.nan) for name in names},
                          self._notes())

    def _notes(self) -> list[str]:
        """Return what was minimised, where that isn't the sum of squares, and why the model was called, where it was."""
        from gslfit.report.text import loss_told
        scales = np.asarray([] if self.data.f_scale is None else self.data.f_scale)
        known = scales[~np.isnan(scales)]
        told = loss_told(self.data.loss, [float(known.min()), float(known.max())] if known.size else None)
        return [*([f"loss: {told}"] if told else []), *([f"not compiled: {self.reason}"] if self.reason else [])]

    def to_dict(self) -> dict[str, np.ndarray]:
        """Return all arrays in one flat dict: parameters by name, ``NAME_stderr``, then the statistics."""
        found = dict(self.values)
        found |= {f"{name}_stderr": error for name, error in self.stderr.items()}
        found |= {name: getattr(self, name) for name in STATISTICS} | self._of_loss()
        return found | ({} if self.covar is None else {"covar": self.covar})

    def _of_loss(self) -> dict[str, Any]:
        """Return the arrays that fits by a robust loss have besides."""
        if self._cost is None:
            return {}
        scales: Any = self.data.f_scale
        return {"cost": self._cost, "f_scale": self._alike(scales, "f_scale")}

    def to_xarray(self) -> Any:
        """Return all arrays as an xarray.Dataset, by the names of `to_dict`: ``tau``, ``tau_stderr``, ..., ``status``, ``chisqr``, ...

        Returns
        -------
        xarray.Dataset
            On the dimensions and coordinates of the data, and with their attributes, where they were a DataArray; else on dim_0, dim_1, ...
        """
        from gslfit.curves.containers import dataset
        return dataset(self)

    def to_frame(self) -> Any:
        """Return a table with a row for each fit, and the columns of `to_dict` but the covariances.

        Returns
        -------
        pandas.DataFrame
            Its index is that of the data, where they were a table, or of their coordinates. Of groups of polars, a polars.DataFrame that
            begins with their columns.
        """
        from gslfit.curves.containers import frame
        return frame(self)

    def save(self, file: str | Path) -> None:
        """Write to a ``.npz`` file, without the data that were fitted.

        Of `yerr` and `weights` the file has those that all fits share, or one number for each fit: prediction bands need them. Where
        each point of each fit has its own they are not in the file, and what is loaded from it has no prediction bands.

        Parameters
        ----------
        file : str or Path
        """
        import json
        formula = self.data.formula
        shared = len(self.data.x) == len(formula.independent) and all(array.ndim == 1 for array in self.data.x)
        head = {"text": formula.text if formula.func is None else "", "independent": formula.independent, "names": self.names,
                "parameters": list(self.values), "reason": self.reason, "method": self.data.method, "loss": self.data.loss,
                "shared": shared, "scale_covar": self.data.scale_covar}
        own = formula.response
        if own is not None:
            head["response"] = {"centre": own.centre, "shift": own.shift}
        arrays = {f"value:{name}": array for name, array in self.values.items()}
        arrays |= {f"stderr:{name}": array for name, array in self.stderr.items()}
        arrays |= {name: getattr(self, name) for name in STATISTICS} | self._of_loss()
        if own is not None:
            arrays |= {"response:numbers": own.numbers, "response:x": own.x}
        if shared:
            arrays |= {f"x:{name}": array for name, array in zip(formula.independent, self.data.x, strict=True)}
        if self.covar is not None:
            arrays["covar"] = self.covar
        if self._correl is not None and np.isinf(np.asarray(self.covar)).any():
            arrays["correl"] = self._correl
        if self.data.limits is not None:
            arrays |= {f"vary:{name}": self.data.limits.vary[name].astype(np.int8) for name in self.data.limits.patterned}
        bare = self.data.without_curves()
        known = bare.factors()
        if known is not None:
            arrays[known.name] = known.array
        if bare.unkept != NOT_IN_FILE:
            head["errors"] = known.name if known is not None else APART if bare.unkept else NO_ERRORS
        from gslfit.data.writing import write_npz
        write_npz(file if hasattr(file, "write") else path("file", file), {"head": np.array(json.dumps(head)), **arrays})

    @classmethod
    def load(cls, file: str | Path, formula: Formula | None = None) -> BatchResult:
        """Read what `save` wrote.

        Parameters
        ----------
        file : str or Path
        formula : Formula, optional
            The formula, where it was a Python function: a file holds only texts.

        Returns
        -------
        BatchResult
            Without the data that were fitted; `best_fit` works where all fits share the independent variables, and prediction bands where
            the errors of the data were saved.
        """
        arrays, head = read_arrays(file)
        independent = tuple(head["independent"])
        own = formula is None
        if formula is None:
            if not head["text"]:
                raise InputError(f"{file} was saved from a Python function: give it again, BatchResult.load(file, formula=Formula(func))")
            formula = Formula(head["text"], independent)
        if "response" in head and formula.response is None:
            from gslfit.formula.response import convolved_again
            formula = convolved_again(formula, arrays["response:numbers"], arrays["response:x"], head["response"])
        if own and not set(formula.names) <= set(head["parameters"]):
            raise InputError(f"{file!r:.80} is no file that BatchResult.save wrote: {formula!r} has other parameters than the file")
        from gslfit.curves.per_fit import PerFit
        vary = {name.removeprefix("vary:"): array != 0 for name, array in arrays.items() if name.startswith("vary:")}
        errors = head.get("errors")
        data = BatchInputs(formula, tuple(arrays[f"x:{name}"] for name in independent) if head["shared"] else (), method=head["method"],
                           loss=head.get("loss", "linear"), f_scale=arrays.get("f_scale"), limits=PerFit({}, vary) if vary else None,
                           weights=arrays.get(str(errors)) if errors in FACTORS else None, inverted=errors == "yerr",
                           scale_covar=head.get("scale_covar", True) is not False,
                           unkept=NOT_IN_FILE if errors is None else OF_EACH_FIT if errors == APART else "")
        return cls(Columns({name: arrays[f"value:{name}"] for name in head["parameters"]}),
                   Columns({name: arrays[f"stderr:{name}"] for name in head["parameters"]}),
                   **{name: arrays[name] for name in STATISTICS}, covar=arrays.get("covar"), names=tuple(head["names"]), data=data,
                   reason=head["reason"], _cost=arrays.get("cost"), _correl=arrays.get("correl"))


def spread(values: np.ndarray, shape: tuple[int, ...], where: Layout | None) -> np.ndarray:
    """Return rows of points, (..., n) or what broadcasts to it, in the shape of the data as they were handed in."""
    if where is None:
        return values
    whole = np.broadcast_to(values, (*shape, where.n)).reshape(*shape, *where.points)
    return np.moveaxis(whole, range(len(shape), whole.ndim), where.axes)
