"""`fit_batch`: one formula, millions of curves.

Here is what a call means; `gslfit.curves.run_batch` runs the fits, and `gslfit.curves.blocks` those whose data or results lie in files.
"""
from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

import numpy as np

from gslfit.checks import names_once
from gslfit.curves.batch_result import BatchResult
from gslfit.curves.counts import check_counts
from gslfit.curves.job import FormulaLike, Job, completed, job_of, prepare, reader_for, response_of, start_value, template
from gslfit.curves.keeping import IN_MEMORY, Keeping, by_blocks, finished
from gslfit.curves.progress import Interrupted, Progress
from gslfit.curves.run_batch import Report, run_batch
from gslfit.data.inputs import Inputs
from gslfit.data.layout import Axis
from gslfit.errors import InputError, warn
from gslfit.formula.formula import Formula
from gslfit.minimizer.options import BATCH, SYNONYMS, FitOptions
from gslfit.objective.loss import scaled
from gslfit.parameters.collection import Parameters


@names_once(BATCH.starts)
@BATCH.entered
def fit_batch(formula: FormulaLike, y: Any, params: Parameters | None = None, *, x: Any = None, yerr: Any = None, weights: Any = None,
              mask: Any = None, start: Mapping[str, Any] | None = None, axis: Axis | None = None, method: str = "auto", xtol: float = 1e-8,
              ftol: float = 1e-8, gtol: float = 1e-8, max_nfev: int | None = None, nan_policy: str = "mark", threads: int | None = None,
              progress: Any = False, covar: bool = False, scale_covar: bool | None = None, loss: str = "linear",
              f_scale: float | str = 1.0, out: Any = None, resume: bool = False, on_interrupt: str = "raise", keep_data: bool = True,
              workers: Any = None, vectorized: bool | None = None, ycov: Any = None,
              prior: Mapping[str, Any] | None = None, bounds: Mapping[str, Any] | None = None, vary: Mapping[str, Any] | None = None,
              starts: int | str | None = None, ranges: Mapping[str, tuple[float, float]] | None = None,
              response: Any = None, response_centre: int = 0, response_shift: str | None = None,
              **start_or_independent: Any) -> BatchResult:
    """Fit a formula to many curves.

    Parameters
    ----------
    formula : Formula, str or callable
        A formula's text, a function of NumPy operations, or a `Formula`.
    y : array_like, shape (..., n)
        The data; a cube (rows, columns, n) gives maps. Any real type. What numpy.ma masks takes no part. Memory maps and data sets of h5py
        and zarr are read block by block, by whole chunks of the file; so are `yerr`, `weights` and `mask` of the shape of y.
    params : Parameters, optional
        Start values, bounds, expressions, and what is fixed. Without it every parameter of the formula varies freely.
    x : array_like, shape (n,) or (..., n), or mapping of str to such
        The independent variable, shared or per fit; a mapping for several. Other names than ``x`` may be keywords. Where x and y are both
        labelled (pandas, xarray), their labels must be the same.
    yerr : array_like, shape (), (n,) or (..., n), optional
        Standard deviations of the data; an infinite one leaves its point out.
    weights : array_like, shape (), (n,) or (..., n), optional
        What multiplies model - data; ``1/yerr``. A weight of 0 leaves its point out.
    mask : array_like of bool, optional
        True where a point takes no part, as numpy.ma has it; broadcast against y. A mask of whole fits is ``mask[..., None]``.
    start : mapping of str to array_like, shape () or (...), optional
        Start values, over those of `params`; of a parameter that doesn't vary, its value in each fit. One that the formula is linear in
        needs none.
    axis : int, str or tuple of such, optional
        Where the points of a fit lie in y: ``(-2, -1)`` for a stack of images; by name for an xarray.DataArray. If not given, the
        dimensions of x where both are DataArrays, else the last axis.
    method : {"auto", "lanes", "lmsder", "lmder", "trust"}
        "auto" refits by GSL's lmsder what the lanes leave in doubt; the others are used alone.
    xtol, gtol : float
        A fit is at its end when the step still to come is less than `xtol` of every parameter, or the cosine of the residual with every
        column of the Jacobian is less than `gtol`; in the lanes, besides, only when the minimum is nearer than 0.3 times the largest
        of the three tolerances, in standard errors. That is 3e-9, where a smaller one counts as 1e-8, and 3e-3 at most, where all three
        are 1e-2 or more. Wide tolerances save evaluations: at 1e-2 a fit takes 0.6 to 0.75 of the time, and is called a success where
        it is about so near to its minimum.
    ftol : float
        Or when what chi-square can still fall by is less than ``ftol**2`` of the reduced chi-square: the minimum is `ftol` standard
        errors away. (A relative decrease of chi-square itself would end a fit of n points while it is sqrt(n*ftol) of them away.) The
        GSL solvers take ``ftol**2`` for the relative decrease of chi-square from step to step.
    max_nfev : int, optional
        Most evaluations of the model for one fit.
    nan_policy : {"mark", "omit", "raise"}
        A fit with a NaN or an infinity among its data gets the status "bad data"; or is fitted without those points; or is an error. It
        speaks of points that take part: what stands under a mask or a weight of 0 is not looked at.
    threads : int, optional
        How many; all cores, if not given (but see OMP_NUM_THREADS and threadpoolctl).
    progress : bool or callable
        Show a bar (needs tqdm), or call it with the number of fits done: about twenty times a second, and with that of all at the end.
    covar : bool
        Whether to keep the covariances, (..., p, p). Fits by a loss keep them anyway.
    scale_covar : bool, optional
        Multiply covariances by the reduced chi-square; if not given, that is done unless `loss` is "poisson". The errors of robust losses
        need no scale.
    loss : {"linear", "soft_l1", "huber", "cauchy", "arctan", "tukey", "poisson"}
        What is minimised: least squares; a robust loss of the weighted residuals, by SciPy's names, and Tukey's biweight; or the
        deviance of counts.
    f_scale : float or "mad"
        About where a weighted residual begins to be an outlier; "mad" takes it from the residuals of each fit.
    out : path, or mapping of str to array, optional
        Where results are written as they come, in place of memory: ``"NAME.zarr"``, a zarr store; any other path, a folder with a
        ``.npy`` for each array; or arrays that are there already, in a dict or a group. They are named as by `BatchResult.to_dict`.
        Nothing is overwritten that no batch has written.
    resume : bool
        Go on with what `out` holds: fits that have run are not run again. It is an error if the data, the formula, start values or
        options aren't those it was begun with. Where there is nothing yet, begin.
    on_interrupt : {"raise", "partial"}
        What Ctrl-C does: raise KeyboardInterrupt, or return what is done; other fits have the status "not run" and NaN.
    keep_data : bool
        Whether the result refers to the data; without them its pickle is small, and it has no residuals.
    workers : int, Executor, pool or callable, optional
        Who fits where the function can't be compiled and is called: so many processes (-1: one each core), an executor of
        `concurrent.futures` (threads help where the function lets go of the interpreter's lock, as NumPy does), a pool with ``imap``, or a
        function like ``map``. What is compiled runs in `threads`.
    vectorized : bool, optional
        Whether a function that is called takes a parameter of many rows, (rows, 1), and returns (rows, n): such rows are fitted together.
        If not given, that is found out by calling it so.
    ycov : array_like, shape (n, n), optional
        The covariance of the errors of a fit's points, in place of `yerr`, the same for all fits.
    prior : mapping of str to (mean, sd), each array_like, shape () or (...), optional
        What is known beforehand: of a parameter, or an expression of parameters, the mean and the standard deviation, of all fits or of
        each. The errors of the data must be known: `yerr`, `ycov`, `weights` with ``scale_covar=False``, or counts.
    bounds : mapping of str to (low, high), each float, None or array_like, shape () or (...), optional
        Bounds of parameters, over those of `params`, of all fits or of each; None or an infinite one for none.
    vary : mapping of str to bool or array_like of bool, shape () or (...), optional
        Whether parameters vary, over what `params` say, in all fits or in each. One that doesn't is held at its start: its error is 0, as
        are its covariances, and it counts for no degree of freedom.
    starts : int, "auto" or "neighbours", optional
        How many starts are tried for each fit, and where they lie, as `fit` has it: roughly, and the best few to the end. "auto": for fits
        in doubt, as there. "neighbours": fits of a map that failed, or whose chi-square falls when they start from a fit beside them along
        an axis, are fitted again from there, until nothing changes; the order of rows is of no matter. The batch must be in memory then.
    ranges : mapping of str to (float, float), optional
        Where starts are placed, by parameter; they are no bounds, and a parameter that has one needs no start. Without `starts`, and before
        neighbours are asked: 100 starts.
    response : array_like, shape (k,) or (..., k), optional
        A measured response, that of all fits or of each, which the model is folded with, on the even spacing of x and as it is: nothing is
        normalised. At point i the model is ``sum(response[j]*model[i + response_centre - j] for j in range(k))``, and nothing outside of
        the points of x, that is ``numpy.convolve(model, response)[response_centre:response_centre + n]``; it is folded before points are
        left out. The formula compiles, and has one independent variable, the same for all fits.
    response_centre : int
        The place in `response` that stands for no delay; 0: the response comes after the light.
    response_shift : str, optional
        A parameter that moves the response along x, by so much, between its numbers on straight lines; it starts at 0, if no start is
        given.
    **start_or_independent
        Start values by name, and independent variables by name.

    Returns
    -------
    BatchResult

    Raises
    ------
    InputError
        If shapes or names don't fit, or bounds leave no room in some fit; the message names them. If `out` would overwrite other files.
    ParameterError
        If a start lies outside its bounds, or what is held has no value.

    Examples
    --------
    >>> import numpy as np
    >>> t = np.linspace(0, 5, 40)
    >>> curves = np.array([[2.0], [3.0]])*np.exp(-t/1.5)
    >>> result = fit_batch("A*exp(-t/tau)", curves, t=t, A=1.0, tau=1.0)
    >>> result.values["A"].round(6)
    array([2., 3.])
    """
    options = batch_options({"method": method, "xtol": xtol, "ftol": ftol, "gtol": gtol, "max_nfev": max_nfev, "nan_policy": nan_policy,
                             "threads": threads, "covar": covar, "scale_covar": scale_covar, "on_interrupt": on_interrupt,
                             "workers": workers, "vectorized": vectorized, "loss": loss, "f_scale": f_scale, "starts": starts,
                             "ranges": ranges})
    keeping = IN_MEMORY if out is None and resume is False and keep_data is True else Keeping(out, resume, keep_data).checked()
    job, found, options = prepare(BATCH, options, formula, y, params, x, yerr, weights, mask, start, axis, start_or_independent, ycov=ycov,
                                  prior=prior, scale_covar=scale_covar, bounds=bounds, vary=vary,
                                  response=response_of(response, response_centre, response_shift))
    options = with_covariances(options, found)
    if not by_blocks(found, options, keeping):
        return finished(_fit(job, found, options, progress), found, keeping)
    from gslfit.curves.blocks import fit_parts
    from gslfit.curves.parts import batch_of
    return fit_parts(PartFit(job, options), batch_of(job, found, options), found, job.start, options, keeping, progress)


class PartFit:
    """The fit of a part of a batch: a function of its inputs, start values and progress function that can be pickled."""

    def __init__(self, job: Job, options: FitOptions):
        self.job, self.options = job, options

    def __call__(self, part: Inputs, starts: Mapping[str, Any], report: Report | None) -> BatchResult:
        """Return the result of a part."""
        return _fit(self.job._replace(start=dict(starts)), part, self.options, report)

    def in_one_thread(self) -> PartFit:
        """Return the same that runs in one thread."""
        return PartFit(self.job, self.options._replace(threads=1))


def fit_inputs(formula: Formula, given: Inputs, params: Parameters, start: Mapping[str, Any], *, progress: Any = False,
               **more: Any) -> BatchResult:
    """Fit what is prepared, from start values by name; see `fit_batch` for the options."""
    known = {name: value for name, value in more.items() if SYNONYMS.get(name, name) in BATCH.takes}
    reader = reader_for(formula, params)
    starts = {name: start_value(name, value, reader) for name, value in {**start, **more}.items() if name not in known}
    options = batch_options(known)
    if given.limits is not None:
        params = given.limits.applied(params)
    return _fit(job_of(formula, params, starts, given.layout.shape, options=options), given, with_covariances(options, given), progress)


def with_covariances(options: FitOptions, given: Inputs) -> FitOptions:
    """Return options of fits whose covariances are kept where no Jacobian of the model alone gives them."""
    alike = given.limits is None or not given.limits.patterned
    return options if given.ycov is None and given.prior is None and alike else options._replace(covar=True)


def batch_options(given: Mapping[str, Any]) -> FitOptions:
    """Return the options of a batch, read: what scales errors, and whether covariances are kept, depends on the loss."""
    loss = given.get("loss", "linear")
    options = BATCH.read({**given, "scale_covar": scaled(given.get("scale_covar"), loss)})
    return options if options.loss == "linear" else options._replace(covar=True)     # which no Jacobian of the model gives


def _fit(job: Job, given: Inputs, options: FitOptions, progress: Any) -> BatchResult:
    """Fit curves in memory, and tell of it where that is wanted."""
    if progress is False or progress is None:
        return _fit_asked(job, given, options, None)
    with Progress(progress, prod(given.layout.shape)) as report:
        result = _fit_asked(job, given, options, None if report.function is None else report.tell)
        try:
            report.end()
        except KeyboardInterrupt:
            if options.on_interrupt == "raise":
                raise
            raise Interrupted(result) from None
    return result


def _fit_asked(job: Job, given: Inputs, options: FitOptions, report: Report | None) -> BatchResult:
    """Fit from one start each, or from as many as are asked for."""
    if options.several:
        from gslfit.curves.batch_starts import fit_many
        return fit_many(job, given, options, report, _by_program_or_python)
    return _by_program_or_python(job, given, options, report)


def _by_program_or_python(job: Job, given: Inputs, options: FitOptions, report: Report | None) -> BatchResult:
    """Fit by the C core, or row by row where there is no program."""
    if given.limits is not None and given.limits.patterned:
        from gslfit.curves.patterns import fit_by_patterns
        return fit_by_patterns(job, given, options, report, lambda part, points, told: _by_program_or_python(part, points, options, told))
    if job.missing:
        job = completed(job, given, options)
    if given.prior is not None:
        from gslfit.curves.fit_priors import fit_extended
        return fit_extended(job, given, options, lambda whole, points: _by_program_or_python(whole, points, options, report))
    if job.folded is not None and given.ycov is None:
        return run_batch(job, given, options, report)
    if given.ycov is not None:
        from gslfit.curves.correlated import fit_correlated, fits_lanes
        if fits_lanes(job, given, options):
            return fit_correlated(job, given, options, report)
    return _slowly(job, given, options, report)


def _slowly(job: Job, given: Inputs, options: FitOptions, report: Report | None) -> BatchResult:
    """Fit row by row."""
    if options.loss == "poisson":
        check_counts("y", np.asarray(given.y), given.left_out(), given.first(0))
    if given.response is not None:
        raise InputError(f"response= of each fit needs a model that compiles, with its parameters, and this one doesn't: {job.reason}")
    from gslfit.curves.python_fallback import fit_slowly
    if job.folded is None:
        warn(f"the fits call Python for each evaluation: {job.reason}")
    blank = template(job)
    own = {name: value for name, value in job.start.items() if blank[name].expr is None}
    return fit_slowly(job.formula, given, blank, own, options, reason=job.reason, report=report)
