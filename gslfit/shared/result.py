"""The result of a fit of data sets that share parameters."""
from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from gslfit.checks import is_integer, package
from gslfit.curves.batch_result import QUANTILES, BatchInputs, BatchResult, Columns, spread
from gslfit.curves.job import template
from gslfit.curves.per_fit import PerFit
from gslfit.curves.row_result import single
from gslfit.data.inputs import Factors
from gslfit.data.labels import given_back
from gslfit.data.layout import Layout
from gslfit.data.points import union
from gslfit.errors import FitStatus, InputError, NoSuchFitError
from gslfit.minimizer.options import FitOptions
from gslfit.minimizer.result import FitResult
from gslfit.objective.loss import ROBUST, Loss
from gslfit.objective.residual import degrees_of_freedom
from gslfit.parameters.collection import Parameters
from gslfit.shared.reading import Part, Sets

if TYPE_CHECKING:
    from gslfit.confidence.interval import ConfidenceIntervals


@dataclass(eq=False)
class SharedPart:
    """What a result has of data sets of one formula.

    Attributes
    ----------
    part : Part
    looked : BatchInputs
        Their data, without the points where the model isn't finite.
    names : tuple of str
        Their local parameters.
    cross : ndarray, shape (k, q, s)
        Covariances of the local parameters and the shared ones, scaled by nothing yet, as `_unscaled` of the result.
    """

    part: Part
    looked: BatchInputs
    names: tuple[str, ...]
    cross: np.ndarray


@dataclass(eq=False, repr=False)
class SharedResult:
    """The outcome of a fit of m data sets that share parameters.

    ``result[i]`` is data set i as a `FitResult`, its errors those of the common fit.

    Attributes
    ----------
    values, stderr : mapping of str to ndarray
        Every parameter's value and standard error: () where all data sets have the same, else (m,); NaN where a data set has no such
        parameter, or was left out.
    params : Parameters
        Those that all data sets have in common, with errors and correlations.
    var_names, local_names : tuple of str
        The parameters that vary: the shared ones, and those that each data set has for itself.
    covar : ndarray, shape (s, s)
        The covariance of the shared parameters, in the order of `var_names`.
    local_covar : ndarray, shape (m, q, q)
        That of the local ones of each data set, in the order of `local_names`, what the shared ones add to it included.
    status : ndarray of int8, shape (m,)
        A `FitStatus` for each data set.
    success : bool
        Whether the data sets that took part ended at a minimum.
    ending : FitStatus
        How the fit of all together ended; `message` says it in words, and names what was left out.
    chisqr, redchi : float
        Sum of the squared weighted residuals of all data sets, and that by degrees of freedom.
    ndata, nvarys, nfev : int
        Points that took part; parameters that varied, those of all data sets together; evaluations of all data sets.
    local_chisqr, local_ndata : ndarray, shape (m,)
        Of each data set.
    init_values : dict of str to float or ndarray
        Where the varying parameters began.
    """

    values: Columns
    stderr: Columns
    params: Parameters
    var_names: tuple[str, ...]
    local_names: tuple[str, ...]
    covar: np.ndarray
    local_covar: np.ndarray
    status: np.ndarray
    success: bool
    ending: FitStatus
    message: str
    chisqr: float
    ndata: int
    nvarys: int
    nfev: int
    local_chisqr: np.ndarray
    local_ndata: np.ndarray
    cost: float
    init_values: dict[str, Any]
    sets: Sets
    options: FitOptions
    parts: list[SharedPart] = field(default_factory=list)
    scales: np.ndarray | None = None
    unit: float = 1.0
    method: str = "fit_shared"
    _length: float = np.nan     # the root of twice the cost, which is in range where that may not be
    _unscaled: tuple[np.ndarray, np.ndarray] | None = None      # `covar` and `local_covar` in units in which they are in range

    # -- numbers

    @property
    def nfree(self) -> int:
        """Degrees of freedom, ndata - nvarys."""
        return int(degrees_of_freedom(self.ndata, self.nvarys))

    @property
    def redchi(self) -> float:
        """Chi-square by degrees of freedom; where there are none, chi-square."""
        return self.chisqr/max(1, self.nfree)

    @property
    def loss(self) -> Loss | None:
        """What was minimised instead of the sum of squares, its scale the middle one of the data sets' own; None for least squares."""
        if self.options.loss == "linear":
            return None
        own = self.options.f_scale if self.scales is None else np.nanmedian(self.scales)
        return Loss(self.options.loss, float(own) if self.options.loss in ROBUST else 1.0)

    @property
    def aic(self) -> float:
        """Akaike information criterion, n log(2 cost/n) + 2 nvarys."""
        return self._likelihood() + 2*self.nvarys

    @property
    def bic(self) -> float:
        """Bayesian information criterion, n log(2 cost/n) + log(n) nvarys."""
        return self._likelihood() + float(np.log(max(self.ndata, 1)))*self.nvarys

    def _likelihood(self) -> float:
        return self.ndata*float(np.log(2*self.cost/self.ndata)) if self.cost > 0 and self.ndata else -np.inf

    @property
    def errorbars(self) -> bool:
        """Whether every shared parameter has a standard error."""
        return all(bool(np.isfinite(self.stderr[name])) for name in self.var_names)

    @property
    def left_out(self) -> np.ndarray:
        """The data sets that did not take part: ndarray of int."""
        return np.flatnonzero(~self._taking_part)

    @property
    def _taking_part(self) -> np.ndarray:
        return ~np.isnan(self.local_chisqr)

    # -- data sets

    def __len__(self) -> int:
        return len(self.status)

    def __iter__(self) -> Iterator[FitResult]:
        return (self[k] for k in range(len(self)))

    def _of(self, index: Any) -> tuple[SharedPart, int, int]:
        """Return the part that a data set belongs to, its place there, and its number."""
        if not is_integer(index) or not -len(self) <= index < len(self):
            raise NoSuchFitError(f"there are {len(self)} data sets, and no number {index!r}")
        number = int(index) % len(self)
        for each in self.parts:
            row = int(np.searchsorted(each.part.places, number))        # they are in order
            if row < len(each.part.places) and each.part.places[row] == number:
                return each, row, number
        raise NoSuchFitError(f"there is no data set {index!r}")

    def __getitem__(self, index: int) -> FitResult:
        """Return one data set as a result of its own; its errors, and those of the shared parameters, are those of the common fit."""
        each, row, number = self._of(index)
        folded = each.part.job.folded
        assert folded is not None
        names = folded.names
        covar = np.full((len(names), len(names)), np.nan)
        shared = [(k, self.var_names.index(name)) for k, name in enumerate(names) if name in self.var_names]
        local = [(k, each.names.index(name)) for k, name in enumerate(names) if name in each.names]
        to, of = np.array([k for k, _ in shared], int), np.array([k for _, k in shared], int)
        own, part = np.array([k for k, _ in local], int), np.array([k for _, k in local], int)
        whole = np.array([self.local_names.index(each.names[k]) for k in part], int)
        of_shared, of_local = (self.covar, self.local_covar) if self._unscaled is None else self._unscaled
        covar[np.ix_(to, to)] = of_shared[np.ix_(of, of)]
        covar[np.ix_(own, own)] = of_local[number][np.ix_(whole, whole)]
        covar[np.ix_(own, to)] = each.cross[row][np.ix_(part, of)]
        covar[np.ix_(to, own)] = covar[np.ix_(own, to)].T
        with np.errstate(all="ignore"):
            roots = np.sqrt(np.diagonal(covar))
            correl = covar/roots[:, None]/roots
        known = list(folded.roles)
        scalar = {name: np.array(self._number(self.values[name], number)) for name in known}
        errors = {name: np.array(self._number(self.stderr[name], number)) for name in known}
        data = self._inputs(each, row)
        chisqr = np.array(self.local_chisqr[number])
        freedom = max(1, int(self.local_ndata[number]) - len(names))
        one = BatchResult(Columns(scalar), Columns(errors), chisqr, chisqr/freedom, np.array(self.nfev), np.array(self.local_ndata[number]),
                          np.array(self.status[number]), np.array(np.nan), None, names, data, _correl=correl)
        return single(one, ())

    @staticmethod
    def _number(array: np.ndarray, number: int) -> float:
        return float(array[number] if np.ndim(array) else array)

    def _inputs(self, each: SharedPart, row: int) -> BatchInputs:
        """Return what one data set was fitted to."""
        looked, job = each.looked, each.part.job
        start = {name: float(np.asarray(value)[row] if np.ndim(value) else value) for name, value in job.start.items()}
        for name, began in self.init_values.items():
            if name in start:
                start[name] = self._number(began, int(each.part.places[row]))
        f_scale = None if self.scales is None else np.array(self.scales[each.part.places[row]])
        if self.options.loss in ROBUST and f_scale is None:
            f_scale = np.array(float(self.options.f_scale))
        params = None if job.parameters is None else template(job)
        place = int(each.part.places[row])
        boxes = {name: tuple(np.array(self._number(side, place)) for side in box) for name, box in self.sets.bounds.items()
                 if job.folded is not None and name in job.folded.names}
        shared: dict[str, Any] = {"formula": looked.formula.at(row), "start": start, "method": self.method, "f_scale": f_scale,
                                  "parameters": params, "limits": PerFit(boxes, {}) if boxes else None}  # type: ignore[arg-type]
        mask = looked.row(looked.mask, (row,))
        if each.part.own is not None:
            own = each.part.own[row]
            n = own.layout.n
            out = union((n,), [own.mask, None if mask is None else mask[:n]])
            factors: Factors | None = own.factors
            return replace(looked, y=own.y, x=tuple(own.x.values()), weights=None if factors is None else factors.array, mask=out,
                           layout=own.layout, labels=own.labels, **shared)
        labels = looked._labels((row,))
        assert looked.y is not None
        return replace(looked, y=looked.y[row], x=tuple(looked.row(array, (row,)) for array in looked.x),
                       weights=looked.row(looked.weights, (row,)), mask=mask, layout=Layout((looked.y.shape[-1],)), labels=labels, **shared)

    def _each(self, values: Any) -> Any:
        """Return an array for each data set: stacked where they came as one array, else a list."""
        found = list(values)
        return self._labelled(np.array(found)) if len(self.parts) == 1 and self.parts[0].part.own is None else found

    def _labelled(self, array: np.ndarray) -> Any:
        """Return an array (m, n) in the shape and the container of the data."""
        looked = self.parts[0].looked
        return given_back(spread(array, array.shape[:1], looked.layout), looked.labels)

    @cached_property
    def best_fit(self) -> Any:
        """The model at the points of each data set: ndarray (m, n), or a list where they came as one; NaN where there is no result."""
        if len(self.parts) == 1 and self.parts[0].part.own is None:
            return self._labelled(self._evaluated(self.parts[0]))
        return [self._at(*self._of(k)[:2]) for k in range(len(self))]

    def _evaluated(self, each: SharedPart) -> np.ndarray:
        """Return the model of all data sets of a part, (k, n)."""
        formula = each.looked.formula
        x = dict(zip(formula.independent, each.looked.x, strict=True))
        own = {name: self._column(name, each)[:, None] for name in formula.names}
        assert each.looked.y is not None
        return np.array(np.broadcast_to(formula(**x, **own), each.looked.y.shape))

    def _column(self, name: str, each: SharedPart) -> np.ndarray:
        """Return the values of a parameter in the data sets of a part, (k,)."""
        array = self.values[name]
        return np.full(len(each.part.places), float(array)) if array.ndim == 0 else array[each.part.places]

    def _at(self, each: SharedPart, row: int, **x: Any) -> np.ndarray:
        """Return the model of one data set, at its points or at others."""
        formula, data = each.looked.formula.at(row), self._inputs(each, row)
        points = {**dict(zip(formula.independent, data.x, strict=True)), **x}
        own = {name: self._number(self.values[name], int(each.part.places[row])) for name in formula.names}
        return np.array(formula(**points, **own))

    @cached_property
    def residual(self) -> Any:
        """The weighted residuals, model - data: ndarray (m, n), or a list; NaN where a point took no part."""
        return self._each(np.asarray(each.residual) for each in self)

    def eval(self, index: int | None = None, **x: Any) -> Any:
        """Evaluate the model of a data set, or of all, at other points.

        Parameters
        ----------
        index : int, optional
            Which; all of them, if not given.
        **x
            The independent variables, each of shape (k,) or (); those of the data, if not given.

        Returns
        -------
        ndarray
            Of shape (k,); with all data sets (m, k), or a list of arrays where they have points of their own.

        Raises
        ------
        InputError
            If a name is that of no independent variable.
        """
        known = {name for each in self.parts for name in each.looked.formula.independent}
        strange = [name for name in x if name not in known]
        if strange:
            raise InputError(f"{strange[0]!r} is no independent variable; there are {', '.join(sorted(known))}")
        if index is not None:
            each, row, _ = self._of(index)
            return self._at(each, row, **x)
        found = [self._at(*self._of(k)[:2], **x) for k in range(len(self))]
        return np.array(found) if len({each.shape for each in found}) == 1 else found

    # -- uncertainties

    def conf_interval(self, p_names: Sequence[str] | None = None, sigmas: Iterable[float] | None = None,
                      maxiter: int = 200) -> ConfidenceIntervals:
        """Find confidence intervals of shared parameters from profiles: one is held, and all others of all data sets are refitted.

        Parameters
        ----------
        p_names : sequence of str, optional
            Shared parameters; all that vary, if not given.
        sigmas : sequence of float, optional
            Probabilities, or numbers of standard deviations, as `gslfit.conf_interval` takes them.
        maxiter : int
            Refits allowed for each limit.

        Returns
        -------
        ConfidenceIntervals
        """
        from gslfit.shared.interval import conf_interval
        return conf_interval(self, p_names, sigmas, maxiter)

    @property
    def minimizer(self) -> NoReturn:
        """What functions that take a single fit's result ask for: there is none.

        Raises
        ------
        InputError
            Always: it says which methods do the same.
        """
        raise InputError("data sets that share parameters have no Minimizer: result.conf_interval() finds intervals of the shared "
                         "parameters, and result[i] is data set i as a fit of its own")

    # -- words, tables and pictures

    def fit_report(self, **options: Any) -> str:
        """Return the report of the fit: statistics, shared parameters and their correlations as `gslfit.fit_report` has them; of the local
        ones quantiles over the data sets, and which data sets were left out.
        """
        from gslfit.report.text import fit_report
        lines = [fit_report(self, **options)]
        good = self._taking_part
        if self.local_names and good.any():
            heads = "".join(f"{q:>13.0%}" for q in QUANTILES)
            lines.append(f"[[Local variables]] ({int(good.sum())} data sets)\n    {'':<12}{heads}{'stderr 50%':>13}")
            for name in self.local_names:
                own = self.values[name][good]
                own = own[np.isfinite(own)]
                errors = self.stderr[name][good]
                errors = errors[np.isfinite(errors)]
                found = np.quantile(own, QUANTILES) if own.size else np.full(len(QUANTILES), np.nan)
                error = float(np.median(errors)) if errors.size else np.nan
                lines.append(f"    {name:<12}{''.join(f'{value:>13.6g}' for value in found)}{error:>13.4g}")
        said = left_out_in_words(self.status, self._taking_part)
        if said:
            lines.append(f"[[Left out]]\n    {said}")
        return "\n".join(lines)

    def to_frame(self) -> Any:
        """Return a table with a row for each data set: parameters by name, ``NAME_stderr``, ``chisqr``, ``ndata``, ``status``.

        Returns
        -------
        pandas.DataFrame
        """
        pandas = package("pandas", "all", "to_frame()")
        count = len(self)
        columns: dict[str, Any] = {}
        for name in self.values:
            columns[name] = np.broadcast_to(self.values[name], (count,))
            columns[f"{name}_stderr"] = np.broadcast_to(self.stderr[name], (count,))
        return pandas.DataFrame({**columns, "chisqr": self.local_chisqr, "ndata": self.local_ndata, "status": self.status})

    def plot_shared(self, which: Any = None, **kws: Any) -> np.ndarray:
        """Draw data sets with their fits, and the local parameters of all; returns the axes. See `gslfit.report.plots.plot_shared`."""
        from gslfit.report.plots import plot_shared
        return plot_shared(self, which, **kws)

    def __repr__(self) -> str:
        return (f"<SharedResult of {len(self)} data sets, {len(self.left_out)} left out, shared {', '.join(self.var_names)}, "
                f"local {', '.join(self.local_names) or 'none'}, {'successful' if self.success else 'not successful'}>")

    def _repr_html_(self) -> str:
        from gslfit.report.html import fit_html
        return fit_html(self)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name not in ("best_fit", "residual")}


MOST = 8        # data sets that a message names


def left_out_in_words(status: np.ndarray, taking_part: np.ndarray) -> str:
    """Return which data sets were left out, and why; nothing where none was."""
    parts = []
    for each in FitStatus:
        found = np.flatnonzero((status == each) & ~taking_part)
        if found.size:
            named = ", ".join(map(str, found[:MOST].tolist())) + (", ..." if found.size > MOST else "")
            parts.append(f"{named} ({each.prose})")
    count = int((~taking_part).sum())
    return f"{count} of {status.size} data sets {'are' if count > 1 else 'is'} left out: {'; '.join(parts)}." if parts else ""
