"""`fit_batch`: one formula, millions of curves.

Here is what a call means: shapes, start values, weights, and what becomes of the numbers. The fits themselves run in
`gslfit.curves._batch`, in SIMD lanes and without the GIL; what they are given goes there in slices, so that a batch of any size needs
little memory beside its input and its result.
"""
from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from math import isfinite, nan, prod
from typing import Any, NamedTuple

import numpy as np

from gslfit.checks import mapping, names_once
from gslfit.constraints.grammar import close
from gslfit.curves._batch import KINDS, FitTransform, run
from gslfit.curves.batch_result import STATISTICS, BatchInputs, BatchResult, Columns
from gslfit.curves.blocks import IN_MEMORY, Batch, Keeping, by_blocks, fit_blocks, without_data
from gslfit.curves.linear_start import linear_starts, remedy
from gslfit.curves.not_finite import fit_without, refuse, spoilt_by_model, wide
from gslfit.curves.progress import Progress
from gslfit.data.inputs import Factors, Inputs, inputs
from gslfit.data.layout import Axis, Layout, layout
from gslfit.data.numbers import Reading, read
from gslfit.data.points import check_factors, moved
from gslfit.data.stored import stored
from gslfit.errors import ExpressionError, FitStatus, InputError, InputTypeError, NonFiniteError, ParameterError, warn
from gslfit.formula.formula import Formula
from gslfit.formula.parametrize import Folded, fold
from gslfit.minimizer.options import BATCH, SYNONYMS, Entry, FitOptions
from gslfit.parameters.bounds import FAR, INSIDE, NEAR, WIDE
from gslfit.parameters.collection import Parameters

F8, BAD_DATA, NOT_RUN = np.dtype(float), int(FitStatus.BAD_DATA), int(FitStatus.NOT_RUN)
SLICE = 1_000_000  # numbers of a temporary array

FormulaLike = Formula | str | Callable[..., Any]
StartValue = np.ndarray | float         # a number, or one for each fit: shape () or (...)


@names_once(BATCH.starts)
def fit_batch(formula: FormulaLike, y: Any, params: Parameters | None = None, *, x: Any = None, yerr: Any = None, weights: Any = None,
              mask: Any = None, start: Mapping[str, Any] | None = None, axis: Axis | None = None, method: str = "auto", xtol: float = 1e-8,
              ftol: float = 1e-8, gtol: float = 1e-8, max_nfev: int | None = None, nan_policy: str = "mark", threads: int | None = None,
              progress: Any = False, covar: bool = False, scale_covar: bool = True, out: Any = None, resume: bool = False,
              on_interrupt: str = "raise", keep_data: bool = True, **start_or_independent: Any) -> BatchResult:
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
        of the three tolerances, in standard errors: 3e-9, where a smaller one counts as 1e-8, and at most 1e-6.
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
        Whether to keep the covariances, (..., p, p).
    scale_covar : bool
        Multiply covariances by the reduced chi-square.
    out : path, or mapping of str to array, optional
        Where results are written as they come, in place of memory: ``"NAME.zarr"``, a zarr store; any other path, a folder with a
        ``.npy`` for each array; or arrays that are there already, in a dict or a group. They are named as by `BatchResult.to_dict`.
    resume : bool
        Go on with what `out` holds: fits that have run are not run again. It is an error if the data, the formula, start values or
        options aren't those it was begun with. Where there is nothing yet, begin.
    on_interrupt : {"raise", "partial"}
        What Ctrl-C does: raise KeyboardInterrupt, or return what is done; other fits have the status "not run" and NaN.
    keep_data : bool
        Whether the result refers to the data; without them its pickle is small, and it has no residuals.
    **start_or_independent
        Start values by name, and independent variables by name.

    Returns
    -------
    BatchResult

    Raises
    ------
    InputError
        If shapes or names don't fit; the message names them.

    Examples
    --------
    >>> t = np.linspace(0, 5, 40)
    >>> curves = np.array([[2.0], [3.0]])*np.exp(-t/1.5)
    >>> result = fit_batch("A*exp(-t/tau)", curves, t=t, A=1.0, tau=1.0)
    >>> result.values["A"].round(6)
    array([2., 3.])
    """
    options = BATCH.read({"method": method, "xtol": xtol, "ftol": ftol, "gtol": gtol, "max_nfev": max_nfev, "nan_policy": nan_policy,
                          "threads": threads, "covar": covar, "scale_covar": scale_covar, "on_interrupt": on_interrupt})
    keeping = IN_MEMORY if out is None and resume is False and keep_data is True else Keeping(out, resume, keep_data).checked()
    job, found, options = prepare(BATCH, options, formula, y, params, x, yerr, weights, mask, start, axis, start_or_independent)
    if not by_blocks(found, options, keeping):
        return without_data(_fit(_completed(job, found) if job.missing else job, found, options, progress), keep_data)

    def fit(part: Inputs, starts: Mapping[str, Any], report: Any) -> BatchResult:
        return _fit(_completed(job._replace(start=dict(starts)), part), part, options, report)
    return fit_blocks(fit, batch_of(job, found, options), found, job.start, options, keeping, progress)


def fit_inputs(formula: Formula, given: Inputs, params: Parameters, start: Mapping[str, Any], *, progress: Any = False,
               **more: Any) -> BatchResult:
    """Fit what is prepared, from start values by name; see `fit_batch` for the options."""
    known = {name: value for name, value in more.items() if SYNONYMS.get(name, name) in BATCH.takes}
    starts = {name: _start_value(name, value) for name, value in {**start, **more}.items() if name not in known}
    return _fit(_completed(job_of(formula, params, starts, given.layout.shape), given), given, BATCH.read(known), progress)


def batch_of(job: Job, given: Inputs, options: FitOptions, recipe: str = "") -> Batch:
    """Return what a batch of fits is, before it is run."""
    names = tuple(job.folded.roles) if job.folded is not None else tuple(template(job))
    varying = job.folded.names if job.folded is not None else tuple(name for name, par in template(job).items() if par.vary)
    return Batch(_kept(job, given, options), names, varying, "" if job.folded is not None else job.reason, recipe)


def _kept(job: Job, given: Inputs, options: FitOptions) -> BatchInputs:
    """Return what a result has of the data it was fitted to."""
    weights, inverted = (None, False) if given.factors is None else (given.factors.array, given.factors.inverted)
    return BatchInputs(job.formula, tuple(given.x.values()), given.y, weights, inverted, job.parameters, job.start, options.method,
                       given.mask, given.layout, given.labels, options.scale_covar)


def default_nfev(names: tuple[str, ...]) -> int:
    """Return the limit of evaluations of the model for one fit of these parameters, if nothing else is said."""
    return 100*(len(names) + 1)


def _fit(job: Job, found: Inputs, options: FitOptions, progress: Any) -> BatchResult:
    """Fit by the C core, or row by row where there is no program."""
    with Progress(progress, prod(found.layout.shape)) as report:
        if job.folded is None:
            from gslfit.curves.python_fallback import fit_slowly
            warn(f"the fits call Python for each evaluation: {job.reason}")
            blank = template(job)
            own = {name: value for name, value in job.start.items() if blank[name].expr is None}
            result = fit_slowly(job.formula, found, blank, own, options, reason=job.reason, report=report.beyond(0))
        else:
            result = _run(job, found, options, count_threads(options.threads, found.y.size), report)
        report.end()
    return result


def prepare(entry: Entry, options: FitOptions, formula: FormulaLike, y: Any, params: Parameters | None, x: Any, yerr: Any, weights: Any,
            mask: Any, start: Mapping[str, Any] | None, axis: Axis | None, keywords: Mapping[str, Any],
            whole: bool = False) -> tuple[Job, Inputs, FitOptions]:
    """Read a call of `fit` (all of y is one fit: `whole`) or `fit_batch`: return its job, what is fitted, and options by other names."""
    in_file = None if whole else stored(y)
    data = read("y", y) if in_file is None else Reading(in_file)  # type: ignore[arg-type]
    if data.array.ndim == 0:
        raise InputError("y has no axis: it must hold the points of a fit")
    several, x = (dict(x), None) if type(x) is not np.ndarray and isinstance(x, Mapping) else ({}, x)
    where = Layout(data.array.shape) if whole else layout(data, axis, (*several.values(), *keywords.values(), x))
    foreign = {name: value for name, value in keywords.items() if name in SYNONYMS} if keywords else {}
    plain = {name: keywords[name] for name in keywords if name not in foreign} if foreign else keywords
    found, variables, given = _sort(formula, x, several, start, plain, where)
    if foreign:
        own = {name: value for name, value in foreign.items() if name in _names_known(found, params)}
        given |= {name: _start_value(name, value) for name, value in own.items()}
        options = options._replace(**entry.checked({name: value for name, value in foreign.items() if name not in own}))
    if params is None and not NAMES.isdisjoint(found.names):
        for name in found.names:
            if name in NAMES and name not in given and name not in found.defaults:
                raise InputError(f"{name!r} is a parameter of {found!r} and an option of this call: its start goes into "
                                 f"start={{{name!r}: ...}} or Parameters")
    points = inputs(data, where, variables, yerr, weights, mask)
    job = job_of(found, params, given, where.shape)
    return _completed(job, points) if whole else job, points, options


class Job(NamedTuple):
    """What is fitted: a program, or the reason why there is none; start values by name, and the parameters that have none yet."""

    formula: Formula
    parameters: Parameters | None
    folded: Folded | None
    reason: str
    names: tuple[str, ...]
    start: dict[str, StartValue]
    missing: tuple[str, ...] = ()


OPTIONS = tuple(name for name, parameter in inspect.signature(fit_batch).parameters.items() if parameter.kind is parameter.KEYWORD_ONLY)
NAMES = frozenset((*OPTIONS, "formula", "y", "params"))


@lru_cache(maxsize=256)
def _of_text(text: str, independent: tuple[str, ...]) -> Formula:
    """Return the formula of a text, compiled once."""
    return Formula(text, independent)


def _start_value(name: str, value: Any) -> StartValue:
    """Read a start value."""
    return value if type(value) is float else read(name, value).array


def _sort(source: FormulaLike, x: Any, several: Mapping[str, Any], start: Mapping[str, Any] | None, keywords: Mapping[str, Any],
          where: Layout) -> tuple[Formula, dict[str, Reading], dict[str, StartValue]]:
    """Return the formula, its independent variables in order, and the start values by name."""
    named = {name: read(name, value) for name, value in several.items()} if several else {}
    rest = {name: read(name, value) for name, value in keywords.items()} if keywords else {}
    if x is not None and _is_start(source, x, rest, where):
        x, rest = None, rest | {"x": read("x", x)}
    if isinstance(source, Formula):
        formula = source
    elif isinstance(source, str):
        formula = _of_text(source, tuple(named) or (("x",) if x is not None else _variables(rest, where)))
    else:
        formula = Formula(source, tuple(named) or None)
    if x is not None:
        if len(formula.independent) != 1:
            raise InputError(f"{formula!r} has {len(formula.independent)} independent variables: give x as a dict, "
                             f"x={{{', '.join(f'{name!r}: ...' for name in formula.independent)}}}")
        named = {formula.independent[0]: read("x", x)}
    for name in formula.independent if rest else ():
        if name in rest:
            if name in named:
                raise InputError(f"{name!r} is given twice, in x and as a keyword")
            named[name] = rest.pop(name)
    ordered = tuple(named) == formula.independent
    if not ordered and named.keys() != set(formula.independent):
        strange = [name for name in named if name not in formula.independent]
        absent = [name for name in formula.independent if name not in named]
        raise InputError(f"{(strange or absent)[0]!r} is {'no' if strange else 'an'} independent variable of {formula!r}"
                         f"{'' if strange else ', and there are no values for it'}; it has {', '.join(formula.independent)}")
    given = {name: _start_value(name, value) for name, value in mapping("start", start).items()}
    if rest:
        twice = sorted(given.keys() & rest)
        if twice:
            raise InputError(f"{twice[0]!r} is given twice, in start and as a keyword")
        given |= {name: each.array for name, each in rest.items()}
    return formula, named if ordered else {name: named[name] for name in formula.independent}, given


def _is_start(source: FormulaLike, x: Any, keywords: Mapping[str, Reading], where: Layout) -> bool:
    """Return whether x is the start of a parameter of that name: the independent variables are keywords."""
    if type(x) is np.ndarray and x.shape[-1:] == where.whole[-1:]:
        return False
    if isinstance(source, Formula):
        return "x" in source.names and all(name in keywords for name in source.independent)
    shapes = (where.n,), where.points, where.whole
    return np.shape(x) not in shapes and any(array.ndim and array.shape in shapes for array, *_ in keywords.values())


def _variables(keywords: Mapping[str, Reading], where: Layout) -> tuple[str, ...]:
    """Return which keywords of a text formula are its independent variables: the arrays with an axis of the points."""
    found = []
    for name, (array, *_) in keywords.items():
        if array.ndim and array.shape in ((where.n,), where.points, where.whole):
            if array.shape == where.shape:
                raise InputError(f"{name} has the shape {array.shape}, that of the points and that of the batch: is it an independent "
                                 f"variable, x={{{name!r}: ...}}, or a start value, start={{{name!r}: ...}}?")
            found.append(name)
    if not found:
        others = [f"{name} has the shape {array.shape}" for name, (array, *_) in keywords.items() if array.ndim]
        shapes = f"; {', '.join(others)}, and the data {where.points}" if others else ""
        raise InputError(f"no independent variable is given: x=..., or a keyword with an array of the points{shapes}")
    return tuple(found)


def _names_known(formula: Formula, parameters: Parameters | None) -> tuple[str, ...]:
    """Return the names that may have a start value: those of the Parameters, where there are any."""
    if parameters is not None and not isinstance(parameters, Parameters):
        raise InputTypeError(f"params is {type(parameters).__name__}, not Parameters; plain start values go into start={{...}}")
    return formula.names if parameters is None else tuple(parameters)


def job_of(formula: Formula, parameters: Parameters | None, given: Mapping[str, StartValue], shape: tuple[int, ...]) -> Job:
    """Fold the parameters into the formula, and find the start values."""
    known = _names_known(formula, parameters)
    unknown = [name for name in given if name not in known]
    if unknown:
        raise InputError(f"{unknown[0]!r} is neither a parameter of {formula!r} ({', '.join(known)}) nor one of its independent variables "
                         f"({', '.join(formula.independent)}){close(unknown[0], [*known, *formula.independent, *OPTIONS])}")
    starts: dict[str, StartValue] = dict(given)
    for name, value in given.items():
        if isinstance(value, np.ndarray) and value.ndim and value.shape != shape:
            try:
                starts[name] = np.broadcast_to(value, shape)
            except ValueError:
                raise InputError(f"the start of {name!r} has the shape {value.shape}, and the batch {shape}") from None
    missing = []
    for name in known:
        if name not in starts:
            known_value = _start(name, formula, parameters)
            starts[name] = nan if known_value is None else known_value
            if known_value is None and (parameters is None or parameters[name].expr is None):
                missing.append(name)
    per_fit: list[str] = []
    if parameters is not None:
        for name in given:
            if parameters[name].expr is not None:
                raise InputError(f"{name!r} has the expression {parameters[name].expr!r} and takes no start value")
            if not parameters[name].vary:
                per_fit.append(name)
    folded, reason = None, formula.reason
    if formula.native:
        try:
            folded = fold(formula, parameters, per_fit)
        except ExpressionError as error:
            reason = str(error)
    if missing:
        _check_missing(missing, formula, parameters, folded)
    if folded is None:
        return Job(formula, parameters, None, reason, known, starts)
    for name in (*folded.names, *per_fit):
        start = starts[name]
        if (type(start) is float or np.ndim(start) == 0) and not isfinite(start) and name not in missing:
            raise ParameterError(f"parameter {name!r} has the value {start}; give it a finite one")
    return Job(formula, parameters, folded, "", folded.names, starts, tuple(missing))


def _check_missing(missing: Sequence[str], formula: Formula, parameters: Parameters | None, folded: Folded | None) -> None:
    """Raise an error that says what can be done, if a parameter has no start and needs one."""
    linear = () if folded is None else folded.linearity.together(missing)
    needed = [name for name in missing if name not in linear]
    if not needed:
        return
    more = remedy([name for name in missing if name in linear])
    if parameters is not None:
        raise ParameterError(f"parameter {needed[0]!r} has no value; give it one: params[{needed[0]!r}].value = ...{more}")
    raise InputError(f"no start value for {needed[0]!r}: give it as a keyword, in start={{...}}, or Parameters ({', '.join(needed)}){more}")


def _completed(job: Job, given: Inputs) -> Job:
    """Return a job in which what the formula is linear in has starts too."""
    if not job.missing or job.folded is None:
        return job
    return job._replace(start={**job.start, **linear_starts(job.folded, job.missing, given, job.start)}, missing=())


def template(job: Job) -> Parameters:
    """Return Parameters to copy for each fit."""
    if job.parameters is not None:
        return job.parameters
    return _plain(job.formula.names)


@lru_cache(maxsize=64)
def _plain(names: tuple[str, ...]) -> Parameters:
    """Return Parameters that vary freely, to be copied."""
    made = Parameters()
    for name in names:
        made.add(name, 0.0)
    return made


def _start(name: str, formula: Formula, parameters: Parameters | None) -> float | None:
    """Return the start value of a parameter for which the call has none; None where nobody has."""
    value = formula.defaults.get(name) if parameters is None else parameters[name].value
    return None if value is None else float(value)


def count_threads(threads: int | None, numbers: int) -> int:
    """Return how many threads to run."""
    if threads is not None:
        return threads
    if numbers < 10_000:
        return 1
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    limit = os.environ.get("OMP_NUM_THREADS", "").split(",")[0]
    if limit.strip().isdigit():
        cores = min(cores, max(1, int(limit)))
    if cores > 1 and numbers > 50_000 and "threadpoolctl" in sys.modules:
        pools = [pool["num_threads"] for pool in sys.modules["threadpoolctl"].threadpool_info()]
        cores = min([cores, *pools])
    return cores


def _run(job: Job, given: Inputs, options: FitOptions, threads: int, report: Progress) -> BatchResult:
    """Fit slice by slice, and gather what comes out."""
    folded, y, xs = job.folded, given.y, tuple(given.x.values())
    assert folded is not None
    lead, n = y.shape[:-1] or (1,), y.shape[-1]
    out = _Arrays(job, folded, lead, options.covar)
    curves = y if y.ndim > 1 else y[None]
    name, weights, inverted = ("", None, False) if given.factors is None else (*given.factors, given.factors.inverted)
    looks = options.nan_policy == "raise"
    row = max(1, prod(lead[1:]))
    size = max(1, SLICE // (row * n)) if looks or curves.dtype.str[1:] not in KINDS else max(1, lead[0])
    how: dict[str, Any] = {
        "method": options.method, "xtol": options.xtol, "ftol": options.ftol, "gtol": options.gtol, "errors": inverted, "threads": threads,
        "omit": options.nan_policy == "omit", "scaled": options.scale_covar, "max_nfev": options.max_nfev or default_nfev(job.names)}
    for free in folded.names if folded.bounded else ():
        folded.check(free, job.start[free])
    transform, starts = transform_of(folded), [_readable(job.start[name]) for name in folded.names]
    own_inputs = [_readable(job.start[name]) for name in folded.inputs]
    whole, origin = given.mask, given.origin or (0,)
    for low in range(0, lead[0], size) if out.status.size else ():
        here = slice(low, min(low + size, lead[0]))
        rows, x, own = _readable(curves[here]), tuple(_slice(array, here) for array in xs), _slice(weights, here)
        mask, first = _slice(given.mask, here), (low + origin[0], *origin[1:])
        if looks:
            part = given._replace(factors=None if own is None else Factors(name, own), mask=mask)
            _look(rows, x, job.formula.independent, part.left_out(), first, len(given.origin) > 0 or lead != (1,))
        own_starts, own_values = ([array[here] if array.ndim else array for array in each] for each in (starts, own_inputs))
        try:
            run(folded.program, rows, x, weights=own, mask=mask, transform=transform, progress=report.beyond(low * row),
                start=own_starts, inputs=own_values, **out.rows(here), **how)
        except KeyboardInterrupt:
            if options.on_interrupt == "raise":
                raise
            out.blank()
            break
        if (out.status[here] == BAD_DATA).any():
            if own is not None and own.ndim > 1:
                _blame_factors(name, own, mask, out.status[here], first)
            if options.nan_policy != "mark":
                places, points = spoilt_by_model(folded, rows, x, own_starts, own_values, out.status[here])
                if looks:
                    refuse(places, points, rows.shape[:-1], first)
                again = partial(run, folded.program, transform=transform, **how)
                wider = fit_without(again, out.rows(here), rows, x, own, mask, own_starts, own_values, places, points)
                if wider is not None:
                    whole = wide(whole, curves.shape) if whole is None or whole is given.mask else whole
                    whole[here] = wider
    whole = whole if whole is None or y.ndim > 1 else whole[0] if whole.ndim > 1 else whole
    data = _kept(job, given, options)
    data.mask = whole
    return out.result(y.shape[:-1], data)


def _blame_factors(name: str, array: np.ndarray, mask: np.ndarray | None, status: np.ndarray, first: Sequence[int]) -> None:
    """Raise InputError where a fit was spoilt by an invalid weight or standard deviation."""
    bad = np.broadcast_to((status == BAD_DATA)[..., None], array.shape)
    looked = bad if mask is None else bad & ~np.broadcast_to(mask, array.shape)
    check_factors(name, np.where(looked, array, 1.0), tuple(first))


def _readable(given: StartValue) -> np.ndarray:
    """Return an array of a type that the C core reads in place."""
    array = np.asarray(given)
    return array if array.dtype is F8 or array.dtype.str[1:] in KINDS else np.asarray(array, float)


def _slice(array: np.ndarray | None, here: slice) -> Any:
    """Return some fits' part of an array (n,), which all share, or (..., n)."""
    if array is None:
        return None
    return _readable(array if array.ndim == 1 else array[here])


def _look(rows: np.ndarray, x: tuple[np.ndarray, ...], names: tuple[str, ...], out: np.ndarray | None,
          first: Sequence[int], several: bool) -> None:
    """Raise NonFiniteError naming the first number that is not finite at a point that takes part, and its fit's place."""
    for name, array in (("y", rows), *zip(names, x, strict=True)):
        if array.dtype.kind in "bui":
            continue
        bad = ~np.isfinite(array)
        if out is not None and bad.any():
            bad = bad & ~out
        if not bad.any():
            continue
        place = np.argwhere(bad)[0]
        value = np.broadcast_to(array, bad.shape)[tuple(place)]
        at = moved(place[:-1], first)
        fit = f"fit {at[0] if len(at) == 1 else tuple(at)}, " if bad.ndim > 1 and several else ""
        raise NonFiniteError(f"{name} is {value} at {fit}point {int(place[-1])}; nan_policy='omit' leaves such points out, "
                             "'mark' marks the fit")


def transform_of(folded: Folded) -> FitTransform:
    """Return the bounds and expressions of a program with Parameters folded in, as the C core takes them; made once."""
    if folded.transform is None:
        folded.transform = FitTransform(folded.boxes, folded.expressions, inside=INSIDE, beside=NEAR, wide=WIDE, out=FAR)
    return folded.transform


class _Arrays:
    """The arrays of a result, filled slice by slice."""

    def __init__(self, job: Job, folded: Folded, lead: tuple[int, ...], covar: bool):
        self.job, self.folded = job, folded
        p, derived = len(folded.names), len(folded.dependent_names)
        self.v, self.stderr = np.empty((*lead, p)), np.empty((*lead, p))
        self.derived, self.derived_stderr = np.empty((*lead, derived)), np.empty((*lead, derived))
        self.covar = np.empty((*lead, p, p)) if covar else None
        self.chisqr, self.redchi, self.gradient = np.empty(lead), np.empty(lead), np.empty(lead)
        self.nfev, self.ndata, self.status = np.empty(lead, np.int32), np.empty(lead, np.int32), np.zeros(lead, np.int8)

    def rows(self, here: slice) -> dict[str, Any]:
        """Return the parts of the results that `run` writes for a slice."""
        arrays = {"v": self.v, "variance": self.stderr, "covariance": self.covar, "chisqr": self.chisqr, "redchi": self.redchi,
                  "gradient": self.gradient, "nfev": self.nfev, "count": self.ndata, "status": self.status, "derived": self.derived,
                  "derived_errors": self.derived_stderr}
        if here.stop - here.start == len(self.status):
            return arrays
        return {name: None if array is None else array[here] for name, array in arrays.items()}

    def blank(self) -> None:
        """Write NaN for the fits that have not run."""
        out = self.status == NOT_RUN
        for name, array in self.rows(slice(0, len(self.status))).items():
            if array is not None and name not in ("nfev", "count", "status"):
                array[out] = np.nan
            elif name in ("nfev", "count"):
                array[out] = 0

    def result(self, shape: tuple[int, ...], data: BatchInputs) -> BatchResult:
        """Return the result of the whole batch."""
        folded, job = self.folded, self.job
        values, stderr = {}, {}
        free = {name: k for k, name in enumerate(folded.names)}
        derived = {name: k for k, name in enumerate(folded.dependent_names)}
        one = shape != self.status.shape        # a single fit, whose results have no axis
        for name in folded.roles:
            if name in free:
                value, error = self.v[..., free[name]], self.stderr[..., free[name]]
            elif name in derived:
                value, error = self.derived[..., derived[name]], self.derived_stderr[..., derived[name]]
            else:
                values[name] = np.broadcast_to(np.asarray(job.start[name], float), shape)
                stderr[name] = np.broadcast_to(0.0, shape)
                continue
            values[name], stderr[name] = (value.reshape(shape), error.reshape(shape)) if one else (value, error)
        statistics = {name: getattr(self, name).reshape(shape) for name in STATISTICS}
        covar = None if self.covar is None else self.covar.reshape(*shape, *self.covar.shape[-2:])
        return BatchResult(Columns(values), Columns(stderr), **statistics, covar=covar, names=folded.names, data=data)
