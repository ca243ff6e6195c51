"""What a call means: which arrays are data, variables and start values, and the program that they are fitted with.

`prepare` reads a call of `fit` or `fit_batch`; `job_of` folds Parameters into a formula and finds the start values.
"""
from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from math import inf, isfinite, nan
from typing import TYPE_CHECKING, Any

import numpy as np

from gslfit.checks import as_keywords, as_name, by_name
from gslfit.curves._batch import FitTransform
from gslfit.curves.counts import check_factors_of
from gslfit.data.fits import Fits
from gslfit.data.inputs import Inputs, inputs
from gslfit.data.layout import Axis, Layout, laid, layout
from gslfit.data.lazy import is_lazy, read_batch, read_lazily
from gslfit.data.numbers import Reading, read
from gslfit.errors import ExpressionError, InputError, InputTypeError, ParameterError
from gslfit.formula.formula import NO_VARIABLE, Formula
from gslfit.formula.parametrize import Folded, fold, refuse_idle
from gslfit.minimizer.options import BATCH, FIT, SYNONYMS, Entry, FitOptions
from gslfit.objective.objective import F8
from gslfit.parameters.bounds import ALIKE, FAR, INSIDE, NEAR, SHARE, WIDE, WIDEST
from gslfit.parameters.collection import Parameters
from gslfit.parameters.dependencies import unused
from gslfit.parameters.given import parameters_of
from gslfit.parameters.parameter import Parameter, is_name
from gslfit.records import Record

if TYPE_CHECKING:
    from gslfit.minimizer.multistart import Several

FormulaLike = Formula | str | Callable[..., Any]
StartValue = np.ndarray | float         # a number, or one for each fit: shape () or (...)
Reader = Callable[[str, Any], Reading]
NO_RESPONSE = None, 0, None     # response, response_centre and response_shift, if nothing is said


class Job(Record):
    """What is fitted: a program, or the reason why there is none; start values by name, and the parameters that have none yet.

    Where several starts are asked for, `places` says where they are placed, and `unset` which parameters have no other start.
    """

    formula: Formula
    parameters: Parameters | None
    folded: Folded | None
    reason: str
    names: tuple[str, ...]
    start: dict[str, StartValue]
    missing: tuple[str, ...] = ()
    places: Mapping[str, tuple[float, float]] = {}
    unset: tuple[str, ...] = ()

    def several(self, options: FitOptions) -> Several:
        """Return what a call asks for beside one start."""
        from gslfit.minimizer.multistart import Several, count_of
        return Several(count_of(options), self.places, self.unset, options.starts == "auto")

    def __reduce__(self) -> tuple:
        per_fit = None if self.folded is None else self.folded.inputs
        return _job_again, (self.formula, self.parameters, per_fit, *self[3:])


def _job_again(formula: Formula, parameters: Parameters | None, per_fit: tuple[str, ...] | None, *rest: Any) -> Job:
    """Return a job from its pickle: what is compiled is compiled anew."""
    return Job(formula, parameters, None if per_fit is None else fold(formula, parameters, per_fit), *rest)


def prepare(entry: Entry, options: FitOptions, formula: FormulaLike, y: Any, params: Parameters | None, x: Any, yerr: Any, weights: Any,
            mask: Any, start: Mapping[str, Any] | None, axis: Axis | None, keywords: Mapping[str, Any],
            whole: bool = False, ycov: Any = None, prior: Any = None, scale_covar: Any = None, bounds: Any = None,
            vary: Any = None, response: tuple[Any, Any, Any] = NO_RESPONSE) -> tuple[Job, Inputs, FitOptions]:
    """Read a call of `fit` (all of y is one fit: `whole`) or `fit_batch`: return its job, what is fitted, and options by other names."""
    data = read("y", y) if whole else read_batch("y", y)
    reader = reader_for(formula, params, read_lazily if is_lazy(data.array) else read, entry)
    if data.array.ndim == 0:
        raise InputError("y has no axis: it must hold the points of a fit")
    several, x = (by_name("x", x), None) if type(x) is not np.ndarray and isinstance(x, Mapping) else ({}, x)
    keywords = as_keywords(keywords)
    where = laid(data.array.shape) if whole else layout(data, axis, _variables_before(formula, x, several, keywords, data))
    fits = Fits.along(where, data.labels)
    foreign = {name: value for name, value in keywords.items() if name in SYNONYMS} if keywords else {}
    plain = {name: keywords[name] for name in keywords if name not in foreign} if foreign else keywords
    found, variables, given = _sort(formula, x, several, start, plain, where, reader, fits)
    if foreign:
        own = {name: value for name, value in foreign.items() if name in _names_known(found, params)}
        given |= {name: start_value(name, fits.take(name, value), reader) for name, value in own.items()}
        options = options._replace(**entry.checked({name: value for name, value in foreign.items() if name not in own}))
    if params is None and not entry.arguments.isdisjoint(found.names):
        for name in found.names:
            if name in entry.arguments and name not in given and name not in found.defaults:
                raise InputError(f"{name!r} is a parameter of {found!r} and an option of this call: its start goes into "
                                 f"start={{{name!r}: ...}} or Parameters")
    points = inputs(data, where, variables, yerr, weights, mask, ycov=ycov)
    check_factors_of(options.loss, points)
    if response is not NO_RESPONSE:
        found, points = convolved(found, points, response, fits, prior)
        params = with_shift(params, response[2])
    if bounds is not None or vary is not None:
        from gslfit.curves.per_fit import given_values, read_per_fit
        limits = read_per_fit(bounds, vary, fits, _names_known(found, params))
        if limits is not None:
            params = given_values(found) if params is None else params
            limits.check_held({*given, *(name for name, par in params.items() if par.value is not None)})
            params = limits.applied(params)
            points = points._replace(limits=limits if limits.differs else None)
    if prior is not None:
        from gslfit.curves.priors import check_errors, read_priors
        points = points._replace(prior=read_priors(prior, fits, _names_known(found, params)))
        if points.prior is not None:
            check_errors(points, options.loss, scale_covar)
            options = options._replace(scale_covar=False)
    job = job_of(found, params, given, where.shape, entry, options)
    if points.limits is not None and not is_lazy(points.y):
        points.limits.check(job.start, where.shape)
    return completed(job, points, options) if whole else job, points, options


def response_of(response: Any, centre: Any, shift: Any) -> tuple[Any, Any, Any]:
    """Return what a call says of a response; `NO_RESPONSE`, if nothing."""
    if response is None and shift is None and type(centre) is int and centre == 0:
        return NO_RESPONSE
    return response, centre, as_name(shift)


def refuse_beside(ycov: Any, prior: Any) -> None:
    """Raise InputError for what can't be given beside a response."""
    for name, given in (("ycov", ycov), ("prior", prior)):
        if given is not None:
            raise InputError(f"response= and {name}= can't be given together: leave one of them out")


def with_shift(params: Any, shift: str | None) -> Any:
    """Return Parameters that have the one that moves a response too; it starts at 0."""
    if shift is None or not (is_name(shift) and isinstance(params, Parameters)):
        return params
    if shift in params and not _unset(params[shift]):
        return params
    params = params.copy()
    start_shift(params, shift)
    return params


def _unset(par: Parameter) -> bool:
    """Return whether a parameter has no start yet."""
    return par.value is None and par.expr is None


def start_shift(params: Parameters, shift: str) -> None:
    """Have a response begin where it was measured, or as near as bounds allow, where no start is given."""
    if shift not in params:
        params.add(shift, 0.0)
    elif _unset(params[shift]):
        low, high = params[shift].min, params[shift].max
        params[shift].value = float(np.clip(0.0, -np.inf if low is None else low, np.inf if high is None else high))


def convolved(formula: Formula, points: Inputs, said: tuple[Any, Any, Any], fits: Fits, prior: Any = None) -> tuple[Formula, Inputs]:
    """Return a formula that is folded with a response, and the data with that of each fit, where they have their own.

    Raises
    ------
    InputError
        If it can't be folded; or beside correlated errors or priors.
    """
    from gslfit.formula.response import ConvolvedFormula, read_response
    refuse_beside(points.ycov, prior)
    own = read_response(*said, points.x, fits)
    return ConvolvedFormula(formula, own), points._replace(response=own.numbers if own.numbers.ndim > 1 else None)


@lru_cache(maxsize=256)
def _of_text(text: str, independent: tuple[str, ...]) -> Formula:
    """Return the formula of a text, compiled once."""
    return Formula(text, independent)


def start_value(name: str, value: Any, reader: Reader = read) -> StartValue:
    """Read a start value; a float and an array of floats are one already."""
    return value if type(value) is float or (type(value) is np.ndarray and value.dtype is F8) else reader(name, value).array


def names_in(source: FormulaLike) -> tuple[str, ...]:
    """Return all names of a formula, those of independent variables too."""
    if isinstance(source, str):
        return _of_text(source, (NO_VARIABLE,)).names
    formula = source if isinstance(source, Formula) else Formula(source)
    return *formula.independent, *formula.names


def elsewhere(name: str, entry: Entry = FIT) -> str:
    """Return where a single fit takes what only batches have an argument for, or nothing."""
    return "; a single fit takes bounds and vary from its Parameters (params=)" if entry is FIT and name in ("bounds", "vary") else ""


def reader_for(source: FormulaLike, params: Parameters | None, reader: Reader = read, entry: Entry = BATCH) -> Reader:
    """Return what reads a call's arguments: of one without numbers it says whether its name or its value is the culprit, and what to do."""
    def reads(name: str, value: Any) -> Reading:
        try:
            return reader(name, value)
        except InputTypeError as error:
            known = names_in(source)
            said = [value] if isinstance(value, str) else value if isinstance(value, (list, tuple)) else []
            meant = [each for each in said if isinstance(each, str) and each in known]
            remedy = f"; {meant[0]}=..., with a number for each point, makes {meant[0]!r} an independent variable" if meant else ""
            if name in ("x", *known, *(params if isinstance(params, Parameters) else ())):
                raise InputTypeError(f"{error}{remedy}") from None
            remedy = elsewhere(name, entry) or entry.foreign(name) or remedy or entry.hint(name, known)
            raise InputTypeError(f"{name!r} is neither a parameter nor an independent variable of {source!r}, whose names are "
                                 f"{', '.join(known)}{remedy}") from None
    return reads


def _sort(source: FormulaLike, x: Any, several: Mapping[str, Any], start: Mapping[str, Any] | None, keywords: Mapping[str, Any],
          where: Layout, reader: Reader, fits: Fits) -> tuple[Formula, dict[str, Reading], dict[str, StartValue]]:
    """Return the formula, its independent variables in order, and the start values by name."""
    named = {name: reader(name, value) for name, value in several.items()} if several else {}
    rest = {name: reader(name, value) for name, value in keywords.items()} if keywords else {}
    if x is not None and _is_start(source, x, rest, where):
        x, rest = None, rest | {"x": reader("x", x)}
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
        named = {formula.independent[0]: reader("x", x)}
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
    given = {name: start_value(name, value if fits.labels is None else fits.take(name, value), reader)
             for name, value in ({} if start is None else by_name("start", start)).items()}
    if rest:
        twice = sorted(given.keys() & rest)
        if twice:
            raise InputError(f"{twice[0]!r} is given twice, in start and as a keyword")
        given |= {name: fits.beside(name, each) for name, each in rest.items()}
    return formula, named if ordered else {name: named[name] for name in formula.independent}, given


def _variables_before(source: FormulaLike, x: Any, several: Mapping[str, Any], keywords: Mapping[str, Any], data: Reading) -> list[Any]:
    """Return what may be an independent variable, before it is known how the data lie; coordinates of the data before other DataArrays."""
    if data.labels is None:         # nothing has dims then
        return []
    if several or np.ndim(x):
        return [*several.values(), x]
    named = [value for name, value in keywords.items() if not isinstance(source, Formula) or name in source.independent]
    return sorted(named, key=lambda value: (getattr(value, "name", None),) != getattr(value, "dims", None))


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
    return formula.names if parameters is None else tuple(parameters_of(parameters, "plain start values go into start={...}"))


def job_of(formula: Formula, parameters: Parameters | None, given: Mapping[str, StartValue], shape: tuple[int, ...],
           entry: Entry = BATCH, options: FitOptions | None = None) -> Job:
    """Fold the parameters into the formula, and find the start values; by `options` several may be asked for, which are placed."""
    known = _names_known(formula, parameters)
    unknown = None if tuple(given) == known else next((name for name in given if name not in known), None)
    if unknown is not None:
        raise InputError(f"{unknown!r} is neither a parameter of {formula!r} ({', '.join(known)}) nor one of its independent variables "
                         f"({', '.join(formula.independent)}){entry.hint(unknown, [*known, *formula.independent])}")
    starts: dict[str, StartValue] = dict(given)
    for name, value in given.items():
        if not isinstance(value, float) and value.ndim and value.shape != shape:
            try:
                starts[name] = np.broadcast_to(value, shape)
            except ValueError:
                raise InputError(f"the start of {name!r} has the shape {value.shape}, and the batch {shape}") from None
    places: dict[str, tuple[float, float]] = {}
    if options is not None and options.several:
        from gslfit.minimizer.multistart import centre, placed
        places = placed(options, _boxes(known, parameters), known)
    missing, unset = [], []
    for name in known if len(starts) < len(known) else ():
        if name not in starts:
            known_value = _start(name, formula, parameters)
            starts[name] = nan if known_value is None else known_value
            if known_value is None and name in places:
                starts[name] = centre(places[name])
                unset.append(name)
            elif known_value is None and (parameters is None or parameters[name].expr is None):
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
        if parameters is not None:
            refuse_idle(unused(parameters, formula.names), formula)
        return Job(formula, parameters, None, reason, known, starts, places=places, unset=tuple(unset))
    for name in (*folded.names, *per_fit):
        start = starts[name]
        if (isinstance(start, float) or start.ndim == 0) and not isfinite(start) and name not in missing:
            raise ParameterError(f"parameter {name!r} has the value {start}; give it a finite one")
    return Job(formula, parameters, folded, "", folded.names, starts, tuple(missing), places, tuple(unset))


def _boxes(known: Sequence[str], parameters: Parameters | None) -> dict[str, tuple[float, float]]:
    """Return the bounds of what varies."""
    from gslfit.minimizer.descents import boxes_of
    return dict.fromkeys(known, (-inf, inf)) if parameters is None else boxes_of(parameters)


def _check_missing(missing: Sequence[str], formula: Formula, parameters: Parameters | None, folded: Folded | None) -> None:
    """Raise an error that says what can be done, if a parameter has no start and needs one."""
    linear = () if folded is None else folded.linearity.together(missing)
    needed = [name for name in missing if name not in linear]
    if not needed:
        return
    from gslfit.curves.linear_start import remedy
    from gslfit.minimizer.multistart import remedy as of_ranges
    more = f"; {of_ranges(needed)}{remedy([name for name in missing if name in linear])}"
    if parameters is not None:
        raise ParameterError(f"parameter {needed[0]!r} has no value; give it one: params[{needed[0]!r}].value = ...{more}")
    raise InputError(f"no start value for {needed[0]!r}: give it as a keyword, in start={{...}}, or Parameters ({', '.join(needed)}){more}")


def completed(job: Job, given: Inputs, options: FitOptions) -> Job:
    """Return a job in which what the formula is linear in has starts too."""
    if not job.missing or job.folded is None:
        return job
    from gslfit.curves.linear_start import linear_starts
    return job._replace(start={**job.start, **linear_starts(job.folded, job.missing, given, job.start, options)}, missing=())


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
    if parameters is None:
        value = formula.defaults.get(name)
    else:
        try:
            value = parameters[name].value
        except ParameterError:          # of an expression, where what it is made of has no start yet
            value = None
    return None if value is None else float(value)


def default_nfev(names: tuple[str, ...]) -> int:
    """Return the limit of evaluations of the model for one fit of these parameters, if nothing else is said."""
    return 100*(len(names) + 1)


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


def transform_of(folded: Folded) -> FitTransform:
    """Return the bounds and expressions of a program with Parameters folded in, as the C core takes them; made once."""
    if folded.transform is None:
        folded.transform = FitTransform(folded.boxes, folded.expressions, inside=INSIDE, beside=NEAR, share=SHARE, alike=ALIKE,
                                        widest=WIDEST, wide=WIDE, out=FAR)
    return folded.transform

